"""Money at Xero that pays no invoice at once: on account, allocated, given back, kept, moved, journalled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from connectors.base import Accounting, Adopted, Created, JournalLine, LedgerPayment, Ref, Rejected
from connectors.errors import OutcomeUnknown
from connectors.xero.client import Client
from sandbox.core import Fault
from sandbox.server import Running
from sandbox.xero.bank import create_transaction
from tests.connector_suite.accounting import LOST_AFTER, LOST_BEFORE
from tests.connector_suite.accounting_bench import TODAY
from tests.connectors.xero_bench import XeroMoney, books

EXACT = {"GBP": 1234_57, "USD": 1234_57, "JPY": 1234, "KWD": 1234_570}  # minor units that Xero holds exactly


class TestOnAccount(XeroMoney):
    @pytest.mark.parametrize("currency", list(EXACT))
    def test_money_on_account_comes_back_equal_in_every_currency(
        self, running: Running, ledger: Accounting, currency: str
    ) -> None:
        customer = self.customer(ledger)
        draft = self.on_account_draft(customer, EXACT[currency], currency=currency)
        made = self.only(ledger.payments, draft)
        (found,) = self.fresh(running).payments.find([draft])
        assert found is not None
        for payment in (made, found):
            assert (payment.amount, payment.unapplied, payment.applied) == (draft.amount, draft.amount, {})
            assert (payment.key, payment.currency, payment.customer_id) == ("oa_1", currency, customer.id)
            assert (payment.status, payment.received_on) == ("active", draft.received_on)
        assert found.ref == made.ref

    def test_what_xero_would_round_is_refused(self, running: Running, ledger: Accounting) -> None:
        draft = self.on_account_draft(self.customer(ledger), 1_234, currency="KWD")
        assert "KWD" in self.refusal(ledger.payments, draft)
        assert "above zero" in self.refusal(ledger.payments, self.on_account_draft(self.customer(ledger), 0))
        assert "'['" in self.refusal(ledger.payments, self.on_account_draft(self.customer(ledger), 1, "ch[1"))
        assert "4000" in self.refusal(ledger.payments, self.on_account_draft(self.customer(ledger), 1, memo="x" * 4001))
        assert self.count(running, "overpayments") == 0

    def test_it_is_one_line_without_tax_on_accounts_receivable(self, running: Running, ledger: Accounting) -> None:
        self.on_account(ledger, self.customer(ledger), 50_00)
        (credit,) = books(running).state()["overpayments"]
        (line,) = credit["LineItems"]
        assert (line["AccountCode"], line["TaxAmount"], credit["Total"]) == ("610", 0, 50)

    def test_payments_of_invoices_and_on_account_go_in_one_batch_and_are_found_apart(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "P-1"))
        drafts = [self.on_account_draft(customer, 5_00, "same"), self.payment_draft(document, 40_00, "same")]
        drafts.append(self.on_account_draft(customer, 6_00, "other"))
        results = ledger.payments.create(drafts, "k1")
        made = [result.found for result in results if isinstance(result, Created)]
        assert [one.amount for one in made] == [5_00, 40_00, 6_00]
        found = self.fresh(running).payments.find(drafts)
        assert [one and one.ref for one in found] == [one.ref for one in made]

    def test_the_same_key_again_is_one(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        self.on_account(ledger, customer, 50_00)
        (again,) = self.fresh(running).payments.create([self.on_account_draft(customer, 50_00)], "pay-oa_1")
        assert isinstance(again, Created | Adopted)
        assert self.count(running, "overpayments") == 1

    def test_what_is_used_of_it_shows_in_changes(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "P-1"))
        money = self.on_account(ledger, customer, 50_00)
        self.only(ledger.allocations, self.allocation("on_account", money.ref, document, 30_00))
        (payment,) = ledger.changes(None).payments
        assert (payment.ref, payment.amount, payment.unapplied) == (money.ref, 50_00, 20_00)
        assert (payment.key, payment.applied) == ("oa_1", {document.ref.id: 30_00})

    def test_it_is_voided_once_and_is_then_not_taken_for_booked(self, running: Running, ledger: Accounting) -> None:
        draft = self.on_account_draft(self.customer(ledger), 50_00)
        money = self.only(ledger.payments, draft)
        for key in ("v1", "v2"):
            voided = self.fresh(running).void_payment(money.ref, key)
            assert (voided.ref, voided.status, voided.unapplied) == (money.ref, "voided", 0)
        (found,) = ledger.payments.find([draft])
        assert found is not None
        assert found.status == "voided"
        second = self.only(ledger.payments, draft)
        (found,) = ledger.payments.find([draft])
        assert found is not None
        assert found.ref == second.ref


class TestAllocations(XeroMoney):
    def test_a_credit_note_is_set_against_an_invoice_in_parts(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        invoice, credit = self.draft(customer, "I-1"), self.draft(customer, "CN-1", type="credit_note")
        document, note = self.create(ledger, invoice), self.create(ledger, credit)
        draft = self.allocation("credit_note", note.ref, document, 33_33)
        made = self.only(ledger.allocations, draft)
        assert (made.source_id, made.document_id, made.amount) == (note.ref.id, document.ref.id, 33_33)
        assert (self.found(ledger, invoice).balance, self.found(ledger, credit).balance) == (66_67, 66_67)
        self.only(ledger.allocations, msgspec.structs.replace(draft, amount=66_67))
        assert [self.found(ledger, one).status for one in (invoice, credit)] == ["paid", "paid"]

    def test_it_is_found_again_and_answers_for_one_draft_only(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "I-1"))
        for kind, source in (
            ("credit_note", self.create(ledger, self.draft(customer, "CN-1", type="credit_note")).ref),
            ("on_account", self.on_account(ledger, customer, 50_00).ref),
        ):
            draft = self.allocation(kind, source, document, 10_00)
            restarted = self.fresh(running)
            assert restarted.allocations.find([draft]) == [None]
            made = self.only(ledger.allocations, draft)
            other = msgspec.structs.replace(draft, amount=10_01)
            assert restarted.allocations.find([other, draft, draft]) == [None, made, None]

    def test_prepayments_typed_by_hand_can_be_used_given_back_and_taken_away(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "I-1"))
        by_hand = prepayment(running, customer)
        (seen,) = ledger.changes(None).payments
        assert (seen.ref.id, seen.amount, seen.key) == (by_hand, 120_00, "")
        draft = self.allocation("on_account", Ref(id=by_hand), document, 20_00)
        assert self.only(self.fresh(running).allocations, draft).amount == 20_00
        back = self.refund(customer, "on_account", Ref(id=by_hand), 100_00)
        assert self.only(self.fresh(running).refunds, back).amount == 100_00
        (used,) = ledger.changes(None).payments
        assert (used.unapplied, used.applied) == (0, {document.ref.id: 20_00})
        other = prepayment(running, customer)
        assert self.fresh(running).void_payment(Ref(id=other), "v1").status == "voided"

    def test_more_than_is_left_and_what_does_not_belong_together_is_refused(self, ledger: Accounting) -> None:
        customer, stranger = self.customer(ledger), self.only(ledger.customers, self.customer_draft("GBP", "x", "X"))
        document = self.create(ledger, self.draft(customer, "I-1"))
        mine, theirs = self.on_account(ledger, customer, 5_00), self.on_account(ledger, stranger.ref, 5_00, "ch_8")
        assert "exceeds" in self.refusal(ledger.allocations, self.allocation("on_account", mine.ref, document, 5_01))
        wrong = self.allocation("on_account", theirs.ref, document, 1_00)
        assert "same contact" in self.refusal(ledger.allocations, wrong)
        nobody = self.allocation("on_account", Ref(id=self.unknown_id()), document, 1_00)
        assert self.unknown_id() in self.refusal(ledger.allocations, nobody)


def prepayment(running: Running, customer: Ref) -> str:
    """Type a prepayment of 120.00 into the books and return its id."""
    body = {
        "Type": "RECEIVE-PREPAYMENT",
        "Contact": {"ContactID": customer.id},
        "BankAccount": {"Code": "090"},
        "LineItems": [{"Description": "Deposit", "UnitAmount": 100, "AccountCode": "200", "TaxType": "OUTPUT2"}],
    }
    return str(create_transaction(books(running).books, body, 2)["PrepaymentID"])


class TestRefunds(XeroMoney):
    def test_a_credit_note_and_money_on_account_are_given_back_and_found(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        credit = self.draft(customer, "CN-1", type="credit_note")
        note, money = self.create(ledger, credit), self.on_account(ledger, customer, 50_00)
        drafts = [
            self.refund(customer, "credit_note", note.ref, 100_00),
            self.refund(customer, "on_account", money.ref, 20_00),
        ]
        results = ledger.refunds.create(drafts, "k1")
        made = [result.found for result in results if isinstance(result, Created)]
        assert [(one.key, one.amount, one.currency, one.on) for one in made] == [
            ("re_1", 100_00, "GBP", drafts[0].on),
            ("re_1", 20_00, "GBP", drafts[1].on),
        ]
        assert self.fresh(running).refunds.find([*reversed(drafts)]) == [made[1], made[0]]
        assert (self.found(ledger, credit).status, self.found(ledger, credit).balance) == ("paid", 0)
        changed = {one.ref.id: one for one in ledger.changes(None).payments}
        assert set(changed) == {money.ref.id}  # a refund is no payment
        assert changed[money.ref.id].unapplied == 30_00

    def test_more_than_is_left_is_refused_and_the_others_are_booked(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        money = self.on_account(ledger, customer, 50_00)
        drafts = [self.refund(customer, "on_account", money.ref, amount, f"re_{amount}") for amount in (50_01, 50_00)]
        drafts.append(self.refund(customer, "on_account", Ref(id=self.unknown_id()), 1, "re_x"))
        results = ledger.refunds.create(drafts, "k1")
        assert [type(result) for result in results] == [Rejected, Created, Rejected]
        assert self.payments_held(running) == 1

    def test_a_refund_taken_back_can_be_booked_again(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        draft = self.refund(customer, "on_account", self.on_account(ledger, customer, 50_00).ref, 50_00)
        first = self.only(ledger.refunds, draft)
        ledger.void_payment(first.ref, "v1")
        (found,) = ledger.refunds.find([draft])
        assert found is not None
        assert found.status == "deleted"
        second = self.only(ledger.refunds, draft)
        assert ledger.refunds.find([draft]) == [second]


class TestExpenses(XeroMoney):
    @pytest.mark.parametrize("currency", list(EXACT))
    def test_a_fee_comes_back_equal_in_every_currency(
        self, running: Running, ledger: Accounting, currency: str
    ) -> None:
        draft = self.expense(EXACT[currency], currency=currency)
        made = self.only(ledger.expenses, draft)
        assert (made.key, made.amount, made.currency, made.on) == ("fee_1", draft.amount, currency, draft.on)
        assert self.fresh(running).expenses.find([draft]) == [made]

    def test_what_the_provider_gives_back_is_below_zero(self, running: Running, ledger: Accounting) -> None:
        draft = self.expense(-1_23)
        made = self.only(ledger.expenses, draft)
        (there,) = books(running).state()["bank_transactions"]
        assert (made.amount, there["Type"], there["Total"]) == (-1_23, "RECEIVE", 1.23)
        assert self.fresh(running).expenses.find([draft]) == [made]

    def test_tax_lies_within_what_left_the_account(self, running: Running, ledger: Accounting) -> None:
        made = self.only(ledger.expenses, self.expense(12_00, tax_code="INPUT2"))
        (there,) = books(running).state()["bank_transactions"]
        assert (made.amount, there["TotalTax"], there["SubTotal"]) == (12_00, 2, 10)

    def test_the_payee_is_one_contact_named_like_the_account(self, running: Running, ledger: Accounting) -> None:
        ledger.expenses.create([self.expense(1_00, "a"), self.expense(2_00, "b")], "k1")
        assert [one["Name"] for one in books(running).state()["contacts"]] == ["Stripe clearing GBP"]

    def test_what_cannot_be_is_refused_before_the_others_are_booked(self, running: Running, ledger: Accounting) -> None:
        drafts = [
            self.expense(1_00, "a", account="999"),
            self.expense(1_00, "b", paid_from="092"),
            self.expense(1_00, "c", paid_from="200"),
            self.expense(0, "d"),
            self.expense(1_234, "e", currency="KWD"),
            self.expense(1_00, "f", memo="x" * 4001),
            self.expense(5_00, "g"),
        ]
        results = ledger.expenses.create(drafts, "k1")
        reasons = [result.reason for result in results if isinstance(result, Rejected)]
        for words, reason in zip(("999", "EUR", "bank", "above zero", "KWD", "4000"), reasons, strict=True):
            assert words in reason
        assert self.count(running, "bank_transactions") == 1

    def test_many_are_one_call_and_are_found_in_few(self, running: Running, ledger: Accounting) -> None:
        drafts = [self.expense(100 + number, f"fee_{number:016}") for number in range(50)]
        self.only(ledger.expenses, self.expense(1, "warm-up"), "k0")
        before = self.requests(running)
        results = ledger.expenses.create(drafts, "k1")
        assert self.requests(running) - before == 1
        assert all(one is not None for one in self.fresh(running).expenses.find(drafts))
        assert self.requests(running) - before <= 3
        assert [result.found.amount for result in results if isinstance(result, Created)] == [*range(100, 150)]


class TestTransfers(XeroMoney):
    @pytest.mark.parametrize("currency", list(EXACT))
    def test_a_payout_comes_back_equal_in_every_currency(
        self, running: Running, ledger: Accounting, currency: str
    ) -> None:
        draft = self.transfer(EXACT[currency], currency=currency)
        made = self.only(ledger.transfers, draft)
        assert (made.key, made.amount, made.currency, made.on) == ("po_1", draft.amount, currency, draft.on)
        assert self.fresh(running).transfers.find([draft]) == [made]

    def test_what_cannot_be_is_refused_by_name(self, running: Running, ledger: Accounting) -> None:
        for words, draft in (
            ("200", self.transfer(1_00, target="200")),
            ("EUR", self.transfer(1_00, source="092")),
            ("differ", self.transfer(1_00, target="091")),
            ("above zero", self.transfer(-1)),
        ):
            assert words in self.refusal(ledger.transfers, draft)
        assert self.count(running, "transfers") == 0

    def test_one_taken_away_there_shows_as_deleted(self, running: Running, ledger: Accounting) -> None:
        draft = self.transfer(1_00)
        made = self.only(ledger.transfers, draft)
        self.post(running, f"BankTransfers/{made.ref.id}", {"Status": "DELETED"})
        (found,) = ledger.transfers.find([draft])
        assert found is not None
        assert found.status == "deleted"


class TestJournals(XeroMoney):
    def test_a_journal_comes_back_with_the_sum_of_its_debits(self, running: Running, ledger: Accounting) -> None:
        draft = self.entry(("200", 70_01), ("210", 29_99), ("830", -100_00))
        made = self.only(ledger.journals, draft)
        assert (made.key, made.amount, made.currency, made.on) == ("je_1", 100_00, "GBP", TODAY)
        longer = self.entry(key="je_10", memo="")
        assert self.fresh(running).journals.find([longer, draft]) == [None, made]

    def test_lines_bear_their_class_and_text(self, running: Running, ledger: Accounting) -> None:
        line = JournalLine(account="200", amount=1_00, description="Acme", class_="Software")
        other = JournalLine(account="830", amount=-1_00)
        self.only(ledger.journals, self.entry(lines=(line, other)))
        (there,) = books(running).state()["journals"]
        assert there["Status"] == "POSTED"
        assert there["JournalLines"][0]["Tracking"] == [{"Name": "Department", "Option": "Software"}]
        assert [one["Description"] for one in there["JournalLines"]] == ["Acme", ""]

    def test_what_cannot_be_is_refused_by_name(self, running: Running, ledger: Accounting) -> None:
        unclassed = JournalLine(account="200", amount=1, class_="Hardware")
        wordy = tuple(JournalLine(account="200", amount=amount, description="x" * 4001) for amount in (1, -1))
        drafts = {
            "Accounts receivable": self.entry(("610", 1), ("200", -1)),
            "Accounts payable": self.entry(("800", 1), ("200", -1)),
            "Retained earnings": self.entry(("960", 1), ("200", -1)),
            "Business bank": self.entry(("090", 1), ("200", -1)),
            "999": self.entry(("999", 1), ("200", -1)),
            "zero": self.entry(("200", 1), ("830", -2)),
            "two lines": self.entry(("200", 0)),
            "EUR": self.entry(currency="EUR"),
            "Hardware": self.entry(lines=(unclassed, JournalLine(account="830", amount=-1))),
            "one word": self.entry(key="je 1"),
            "4000": self.entry(lines=wordy),
        }
        results = ledger.journals.create([*drafts.values()], "k1")
        for words, result in zip(drafts, results, strict=True):
            assert isinstance(result, Rejected), words
            assert words in result.reason
        assert self.count(running, "journals") == 0

    def test_a_voided_one_is_found_only_where_none_stands(self, running: Running, ledger: Accounting) -> None:
        draft = self.entry()
        first = self.only(ledger.journals, draft)
        self.post(running, f"ManualJournals/{first.ref.id}", {"Status": "VOIDED"})
        (found,) = ledger.journals.find([draft])
        assert found is not None
        assert found.status == "voided"
        second = self.only(ledger.journals, draft)
        assert ledger.journals.find([draft]) == [second]


class TestWhatStands(XeroMoney):
    def test_what_stands_is_found_before_what_was_taken_back_later(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        money, fee = self.on_account_draft(customer, 5_00), self.expense(5_00)
        kept, gone = (self.only(ledger.payments, money) for _ in range(2))
        ledger.void_payment(gone.ref, "v1")
        (found,) = ledger.payments.find([money])
        assert found is not None
        assert found.ref == kept.ref
        spent, wrong = (self.only(ledger.expenses, fee) for _ in range(2))
        self.post(running, f"BankTransactions/{wrong.ref.id}", {"Status": "DELETED"})
        assert ledger.expenses.find([fee]) == [spent]

    def test_what_was_taken_back_is_not_adopted_when_it_is_refused_again(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft = self.expense(5_00)
        made = self.only(ledger.expenses, draft)
        self.post(running, f"BankTransactions/{made.ref.id}", {"Status": "DELETED"})
        self.close_books(running, TODAY + timedelta(days=30))
        assert "lock date" in self.refusal(ledger.expenses, draft)

    def test_a_longer_key_is_another_journal(self, ledger: Accounting) -> None:
        self.only(ledger.journals, self.entry(key="je_10"))
        assert ledger.journals.find([self.entry(key="je_1")]) == [None]

    def test_a_second_call_that_fails_leaves_several_transfers_unknown(
        self, running: Running, ledger: Accounting
    ) -> None:
        drafts = [self.transfer(1_00, f"po_{number}") for number in range(2)]
        running.sandbox.faults.ordered[:] = [Fault("xero", "error_before", "PUT", status=429, skip=1, times=-1)]
        with pytest.raises(OutcomeUnknown):
            ledger.transfers.create(drafts, "k1")
        running.sandbox.faults.ordered.clear()
        assert [one is not None for one in ledger.transfers.find(drafts)] == [True, False]

    def test_an_answer_with_all_allocations_of_a_credit_is_read_for_the_one_that_was_made(
        self, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, sent = Client.put_one, []

        def put_one(self: Client, *arguments: Any) -> Any:
            sent.extend(original(self, *arguments))
            return [sent[0], *reversed(sent[1:])]

        monkeypatch.setattr(Client, "put_one", put_one)
        customer = self.customer(ledger)
        documents = [self.create(ledger, self.draft(customer, f"I-{number}")) for number in range(3)]
        money = self.on_account(ledger, customer, 50_00)
        made = [self.only(ledger.allocations, self.allocation("on_account", money.ref, one, 1_00)) for one in documents]
        assert [one.document_id for one in made] == [one.ref.id for one in documents]


# --------------------------------------------------------------------------------------- what holds for all of them


NOUNS: dict[str, Callable[[XeroMoney, Accounting, LedgerPayment, Any], Any]] = {
    "payments": lambda bench, ledger, money, document: bench.on_account_draft(Ref(id=money.customer_id), 10_00),
    "allocations": lambda bench, ledger, money, document: bench.allocation("on_account", money.ref, document, 10_00),
    "refunds": lambda bench, ledger, money, document: bench.refund(
        Ref(id=money.customer_id), "on_account", money.ref, 10_00
    ),
    "expenses": lambda bench, ledger, money, document: bench.expense(10_00),
    "transfers": lambda bench, ledger, money, document: bench.transfer(10_00),
    "journals": lambda bench, ledger, money, document: bench.entry(("200", 10_00), ("830", -10_00)),
}
MARKED = {"payments": "ch_0", "refunds": "re_0", "expenses": "fee_0", "transfers": "po_0", "journals": "je_0"}


@pytest.mark.parametrize("noun", NOUNS)
class TestEveryWrite(XeroMoney):
    """Create twice gives one; create, crash, find gives the same; nothing is said to be booked that is not."""

    def warm(self, ledger: Accounting, noun: str) -> tuple[Any, Any]:
        """Return a draft, and the collection that has read what it needs."""
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "W-1"))
        draft = NOUNS[noun](self, ledger, self.on_account(ledger, customer, 50_00, "ch_5"), document)
        changes: dict[str, Any] = {"key": MARKED[noun]} if noun in MARKED else {"amount": 9_99}
        collection = getattr(ledger, noun)
        self.only(collection, msgspec.structs.replace(draft, **changes), "warm-up")
        return collection, draft

    def test_the_same_key_again_gives_one(self, running: Running, ledger: Accounting, noun: str) -> None:
        collection, draft = self.warm(ledger, noun)
        made = self.only(collection, draft, "k1")
        (again,) = getattr(self.fresh(running), noun).create([draft], "k1")
        assert isinstance(again, Created | Adopted)
        assert (again.found.ref, again.found.amount) == (made.ref, 10_00)
        (found,) = getattr(self.fresh(running), noun).find([draft])
        assert (found.ref, found.amount) == (made.ref, 10_00)

    @pytest.mark.parametrize("fault", LOST_AFTER, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
    def test_an_answer_lost_after_the_commit_is_unknown_and_found(
        self, running: Running, ledger: Accounting, noun: str, fault: dict[str, Any]
    ) -> None:
        collection, draft = self.warm(ledger, noun)
        self.order(running, **fault)
        with pytest.raises(OutcomeUnknown):
            collection.create([draft], "k1")
        (found,) = getattr(self.fresh(running), noun).find([draft])
        assert found is not None
        assert found.amount == 10_00

    @pytest.mark.parametrize("fault", LOST_BEFORE, ids=lambda fault: fault["kind"])
    def test_a_call_lost_before_the_commit_is_unknown_and_nothing_found(
        self, running: Running, ledger: Accounting, noun: str, fault: dict[str, Any]
    ) -> None:
        collection, draft = self.warm(ledger, noun)
        self.order(running, **fault)
        with pytest.raises(OutcomeUnknown):
            collection.create([draft], "k1")
        assert getattr(self.fresh(running), noun).find([draft]) == [None]
        assert self.only(collection, draft).amount == 10_00

    def test_nothing_is_booked_in_a_closed_period(self, running: Running, ledger: Accounting, noun: str) -> None:
        collection, draft = self.warm(ledger, noun)
        self.close_books(running, TODAY + timedelta(days=30))
        assert "lock date" in self.refusal(collection, draft)
        assert collection.find([draft]) == [None]

    def test_a_look_up_that_fails_after_a_refusal_leaves_the_outcome_unknown(
        self, running: Running, ledger: Accounting, noun: str
    ) -> None:
        collection, draft = self.warm(ledger, noun)
        self.close_books(running, TODAY + timedelta(days=30))
        running.sandbox.faults.ordered[:] = [Fault("xero", "error_before", "GET", times=-1)]
        with pytest.raises(OutcomeUnknown):
            collection.create([draft], "k1")
        running.sandbox.faults.ordered.clear()
