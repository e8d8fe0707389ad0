"""What every ledger connector must do, whoever the vendor.

Subclass ``AccountingSuite``, name the class ``Test...`` and fill in the hooks of ``AccountingBench``. The connector
under test is real, with its real SDK, and talks over loopback HTTP to its vendor's stand-in. Amounts are minor units.
Tests of what is particular to a vendor subclass ``AccountingBench`` alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import (
    Accounting,
    Adopted,
    Created,
    Ref,
    Rejected,
)
from connectors.errors import AuthExpired, OutcomeUnknown, Retryable
from sandbox.server import Running
from tests.conftest import NoWait
from tests.connector_suite.accounting_bench import TODAY, RenewingToken
from tests.connector_suite.accounting_edits import EditSuite
from tests.connector_suite.accounting_money import MoneySuite

__all__ = ["TODAY", "AccountingSuite"]

LOST_AFTER = [
    {"kind": "timeout_after", "seconds": 0.01},
    {"kind": "reset_after"},
    {"kind": "cut_body"},
    {"kind": "error_after", "status": 500},
    {"kind": "error_after", "status": 502, "body": "<html>Bad Gateway</html>"},
]
LOST_BEFORE = [
    {"kind": "timeout_before", "seconds": 0.01},
    {"kind": "reset_before"},
    {"kind": "error_before", "status": 503},
]


class AccountingSuite(MoneySuite, EditSuite):
    """The contract of the accounting role: the account, customers, documents and their payments, and changes.

    ``accounting_money`` has the rest of it: credits, refunds, payouts, fees, journals, voids and closed periods;
    ``accounting_edits`` what people change in documents of ours.
    """

    # ------------------------------------------------------------------------------------------------------ the account

    def test_the_probe_names_the_account(self, ledger: Accounting) -> None:
        assert ledger.probe().account_name

    def test_the_setup_lists_what_a_mapping_may_name_and_finds_no_fault(self, ledger: Accounting) -> None:
        setup = ledger.setup()
        assert setup.name
        assert setup.home_currency == self.home_currency
        assert not self.item or self.item in setup.items
        assert not self.revenue_account or self.revenue_account in setup.accounts
        assert set(self.clearing_accounts.values()) <= set(setup.accounts)
        assert {self.taxed, self.untaxed} <= set(setup.tax_codes)
        assert not self.class_ or self.class_ in setup.classes
        assert setup.problems == ()

    # -------------------------------------------------------------------------------------------------------- customers

    def test_a_created_customer_is_found_again_by_a_fresh_connector(self, running: Running, ledger: Accounting) -> None:
        draft = self.customer_draft(self.home_currency)
        (created,) = ledger.customers.create([draft], "k1")
        (found,) = self.fresh(running).customers.find([draft])
        assert isinstance(created, Created)
        assert found is not None
        assert found.ref.id == created.found.ref.id
        assert (found.key, found.email, found.active) == (draft.key, "ap@acme.example", True)

    def test_customers_are_found_in_the_order_asked_for(self, ledger: Accounting) -> None:
        drafts = [self.customer_draft(self.home_currency, f"c{n}", f"Customer {n}") for n in range(3)]
        created = ledger.customers.create(drafts, "k1")
        unknown = self.customer_draft(self.home_currency, "c9", "Customer 9")
        found = ledger.customers.find([drafts[2], unknown, drafts[0]])
        ids = [result.found.ref.id for result in created if isinstance(result, Created)]
        assert [one and one.ref.id for one in found] == [ids[2], None, ids[0]]

    def test_creating_a_customer_twice_gives_one(self, running: Running, ledger: Accounting) -> None:
        draft = self.customer_draft(self.home_currency)
        (first,) = ledger.customers.create([draft], "k1")
        (second,) = self.fresh(running).customers.create([draft], "k2")
        assert isinstance(first, Created)
        assert isinstance(second, Adopted)
        assert second.found.ref.id == first.found.ref.id

    def test_a_customer_entered_by_hand_is_shown_as_not_ours_and_never_taken(
        self, running: Running, ledger: Accounting
    ) -> None:
        self.enter_customer(running, "Bolt & O'Hara Ltd")
        draft = self.customer_draft(self.home_currency, name="Bolt & O'Hara Ltd")
        (found,) = ledger.customers.find([draft])
        (result,) = ledger.customers.create([draft], "k1")
        assert found is not None
        assert found.key == ""
        assert isinstance(result, Rejected)
        assert "Bolt & O'Hara Ltd" in result.reason

    @pytest.mark.parametrize("name", ['O\'Neill "Pumps" & Söhne', "Back\\slash 100% GmbH", "株式会社テスト"])
    def test_names_with_quotes_and_other_scripts_survive(self, ledger: Accounting, name: str) -> None:
        draft = self.customer_draft(self.home_currency, name=name)
        (created,) = ledger.customers.create([draft], "k1")
        (found,) = ledger.customers.find([draft])
        assert isinstance(created, Created), created
        assert found is not None
        assert found.name == name

    # -------------------------------------------------------------------------------------------------------- documents

    def test_totals_come_back_equal_in_every_currency(self, running: Running, ledger: Accounting) -> None:
        for currency in self.currencies:
            customer = self.customer(ledger, currency)
            line = self.line(1234_57, 103_99, currency=currency)
            draft = self.draft(customer, f"T-{currency}", line, currency=currency)
            for document in (self.create(ledger, draft), self.found(self.fresh(running), draft)):
                assert (document.number, document.currency) == (draft.number, currency)
                assert (document.total, document.tax, document.balance) == (draft.total, draft.tax, draft.total)
                assert (document.status, document.issue_on, document.due_on) == ("open", TODAY, draft.due_on)
                assert document.customer_id == customer.id

    def test_what_the_ledger_cannot_hold_exactly_is_refused(self, running: Running, ledger: Accounting) -> None:
        for currency, amount in self.inexact:
            customer = self.customer(ledger, currency)
            draft = self.draft(customer, f"X-{currency}", self.line(amount, currency=currency), currency=currency)
            (result,) = ledger.documents.create([draft], f"k-{currency}")
            assert isinstance(result, Rejected)
            assert currency in result.reason
        assert self.documents_held(running) == 0

    @pytest.mark.parametrize(
        "amounts", [(10, 20), (1,), (3, 3, 3, 1), (999_999_99, 1), (1234567_89,), (110, 220, 330), (1005, 2675)]
    )
    def test_no_cent_is_lost_between_us_and_the_ledger(self, ledger: Accounting, amounts: tuple[int, ...]) -> None:
        draft = self.draft(self.customer(ledger), "C-1", *(self.line(amount) for amount in amounts))
        assert self.create(ledger, draft).total == sum(amounts)
        assert self.found(ledger, draft).total == sum(amounts)

    @pytest.mark.parametrize(
        ("quantity", "price", "amount"),
        [
            ("3", "33.333333", 100_00),  # says 99.999999
            ("12.5", "19.99", 249_88),  # 249.875
            ("7", "0.01428571", 10),
            ("1", "0.123456789", 12),
            ("40", "85.00", 2975_00),  # a discount of 12.5 %
            ("0.333333", "300", 100_00),
        ],
    )
    def test_the_amount_wins_whatever_quantity_and_price_say(
        self, ledger: Accounting, quantity: str, price: str, amount: int
    ) -> None:
        line = self.line(amount, quantity=Decimal(quantity), unit_price=Decimal(price))
        assert self.create(ledger, self.draft(self.customer(ledger), "Q-1", line)).total == amount

    def test_our_tax_stands_even_where_the_ledger_would_round_another_way(self, ledger: Accounting) -> None:
        lines = (self.line(33_33, 2_76), self.line(33_33, 2_75), self.line(33_34, 2_75), self.line(50_00, 0))
        document = self.create(ledger, self.draft(self.customer(ledger), "X-1", *lines))
        assert (document.tax, document.total) == (8_26, 158_26)

    def test_negative_lines_reduce_an_invoice(self, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "N-1", self.line(100_00), self.line(-30_01))
        assert self.create(ledger, draft).total == 69_99

    def test_a_credit_note_is_created_found_and_told_from_an_invoice(self, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "CN-1", self.line(45_60, 3_42), type="credit_note")
        for document in (self.create(ledger, draft), self.found(ledger, draft)):
            assert (document.type, document.number) == ("credit_note", "CN-1")
            assert (document.total, document.tax, document.balance) == (49_02, 3_42, 49_02)
        assert ledger.documents.find([self.draft(Ref(id="1"), "CN-1")]) == [None]

    def test_creating_a_number_twice_gives_one_document(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "D-1")
        first = self.create(ledger, draft)
        (second,) = self.fresh(running).documents.create([draft], "another-key")
        assert isinstance(second, Adopted)
        assert (second.found.ref, second.found.total) == (first.ref, first.total)
        assert self.documents_held(running) == 1

    def test_a_credit_note_twice_gives_one_document(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "CN-1", type="credit_note")
        first = self.create(ledger, draft)
        (second,) = self.fresh(running).documents.create([draft], "another-key")
        assert isinstance(second, Adopted)
        assert second.found.ref == first.ref
        assert self.documents_held(running) == 1

    def test_the_same_key_again_gives_one_document(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "D-1")
        first = self.create(ledger, draft)
        (second,) = self.fresh(running).documents.create([draft], "key-D-1")
        assert isinstance(second, Created | Adopted)
        assert second.found.ref.id == first.ref.id
        assert self.documents_held(running) == 1

    def test_a_full_batch_is_one_request_and_answers_in_order(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        self.create(ledger, self.draft(customer, "WARM-UP"))  # loads items and tax codes
        size = ledger.documents.batch_size
        drafts = [self.draft(customer, f"B-{n:03}", self.line(100 + n)) for n in range(size)]
        before = self.requests(running)
        results = ledger.documents.create(drafts, "batch-1")
        assert self.requests(running) - before == 1
        assert [result.found.number for result in results if isinstance(result, Created)] == [d.number for d in drafts]
        assert [result.found.total for result in results if isinstance(result, Created)] == [d.total for d in drafts]

    def test_many_documents_are_found_in_few_requests(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        size = ledger.documents.batch_size
        drafts = [self.draft(customer, f"B-{n:03}") for n in range(size)]
        ledger.documents.create(drafts, "batch-1")
        before = self.requests(running)
        found = ledger.documents.find([*drafts, self.draft(customer, "NEVER")])
        assert self.requests(running) - before <= 3
        assert [document and document.number for document in found] == [*(draft.number for draft in drafts), None]

    def test_a_rejected_item_leaves_the_others_of_its_batch(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        unknown = self.draft(Ref(id=self.unknown_id()), "R-2")
        overlong = self.draft(customer, "R" * (self.longest_number + 1))
        drafts = [self.draft(customer, "R-1"), unknown, overlong, self.draft(customer, "R-4")]
        results = ledger.documents.create(drafts, "k1")
        assert [type(result) for result in results] == [Created, Rejected, Rejected, Created]
        assert all(result.reason for result in results if isinstance(result, Rejected))
        assert self.documents_held(running) == 2

    def test_a_number_of_the_greatest_length_is_accepted(self, ledger: Accounting) -> None:
        number = "N" * self.longest_number
        assert self.create(ledger, self.draft(self.customer(ledger), number)).number == number

    # --------------------------------------------------------------------------------------------------------- failures

    @pytest.mark.parametrize("fault", LOST_AFTER, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
    def test_an_answer_lost_after_the_commit_is_unknown_and_the_document_found(
        self, running: Running, ledger: Accounting, fault: dict[str, Any]
    ) -> None:
        draft = self.draft(self.customer(ledger), "L-1")
        self.create(ledger, self.draft(draft.customer, "WARM-UP"))
        self.order(running, **fault)
        with pytest.raises(OutcomeUnknown):
            ledger.documents.create([draft], "key-L-1")
        restarted = self.fresh(running)
        assert self.found(restarted, draft).total == draft.total
        (again,) = restarted.documents.create([draft], "key-L-1")
        assert isinstance(again, Created | Adopted)
        assert self.documents_held(running) == 2

    @pytest.mark.parametrize("fault", LOST_BEFORE, ids=lambda fault: fault["kind"])
    def test_a_call_lost_before_the_commit_is_unknown_and_nothing_found(
        self, running: Running, ledger: Accounting, fault: dict[str, Any]
    ) -> None:
        draft = self.draft(self.customer(ledger), "L-1")
        self.create(ledger, self.draft(draft.customer, "WARM-UP"))
        self.order(running, **fault)
        with pytest.raises(OutcomeUnknown):
            ledger.documents.create([draft], "key-L-1")
        assert ledger.documents.find([draft]) == [None]
        assert self.create(ledger, draft).number == "L-1"

    def test_a_lost_payment_is_unknown_found_and_never_doubled(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "P-1"))
        draft = self.payment_draft(document, 100_00)
        ledger.payments.find([draft])  # loads accounts where that is needed
        self.pay(ledger, self.create(ledger, self.draft(Ref(id=document.customer_id), "WARM-UP")), 1_00, "ch_0")
        self.order(running, kind="timeout_after", seconds=0.01)
        with pytest.raises(OutcomeUnknown):
            ledger.payments.create([draft], "pay-1")
        (found,) = self.fresh(running).payments.find([draft])
        assert found is not None
        assert (found.amount, found.applied) == (100_00, {document.ref.id: 100_00})
        ledger.payments.create([draft], "pay-1")
        assert self.payments_held(running) == 2

    def test_a_lost_customer_is_unknown_and_found(self, running: Running, ledger: Accounting) -> None:
        draft = self.customer_draft(self.home_currency)
        ledger.customers.create([self.customer_draft(self.home_currency, "warm", "Warm-up Ltd")], "k0")
        self.order(running, kind="reset_after")
        with pytest.raises(OutcomeUnknown):
            ledger.customers.create([draft], "k1")
        (found,) = self.fresh(running).customers.find([draft])
        assert found is not None
        assert found.key == draft.key

    def test_reads_outlive_passing_failures(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "F-1")
        self.create(ledger, draft)
        for kind in ("error_before", "reset_before", "cut_body"):
            self.order(running, kind=kind, times=2)
            assert self.found(ledger, draft).number == "F-1"

    def test_reads_that_never_succeed_may_be_tried_later(self, running: Running, ledger: Accounting) -> None:
        self.order(running, kind="error_before", status=503, times=-1)
        with pytest.raises(Retryable):
            ledger.changes(None)

    def test_a_throttled_write_waits_as_told_and_succeeds(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "H-1")
        clock = NoWait()
        throttled = self.fresh(running, clock=clock)
        self.create(throttled, self.draft(draft.customer, "WARM-UP"))
        self.order(running, kind="error_before", status=429, headers={"Retry-After": "7"}, times=2)
        before = clock.now
        assert self.create(throttled, draft).number == "H-1"
        assert clock.now - before >= 14

    def test_a_write_throttled_for_ever_is_retryable_and_did_nothing(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft = self.draft(self.customer(ledger), "H-1")
        self.create(ledger, self.draft(draft.customer, "WARM-UP"))
        self.order(running, kind="error_before", status=429, headers={"Retry-After": "7"}, times=-1)
        with pytest.raises(Retryable) as caught:
            ledger.documents.create([draft], "k1")
        assert caught.value.after == 7
        assert self.documents_held(running) == 1

    def test_a_refused_token_is_renewed_once_and_the_call_made_again(
        self, running: Running, ledger: Accounting
    ) -> None:
        renewing = RenewingToken(self.token)
        draft = self.draft(self.customer(ledger), "A-1")
        self.order(running, kind="unauthorized")
        assert self.create(self.fresh(running, credentials=renewing), draft).number == "A-1"
        assert renewing.token == f"{self.token}-renewed"

    def test_a_token_that_stays_refused_asks_for_a_reconnection(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "A-1")
        self.order(running, kind="unauthorized", times=-1)
        for call in (lambda: ledger.documents.create([draft], "k1"), lambda: ledger.changes(None), ledger.probe):
            with pytest.raises(AuthExpired) as caught:
                call()
            assert self.token not in str(caught.value)
        assert self.documents_held(running) == 0

    # --------------------------------------------------------------------------------------------------------- payments

    def test_a_full_payment_closes_its_document(self, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "P-1", self.line(100_00, 8_25))
        document = self.create(ledger, draft)
        payment = self.pay(ledger, document, 108_25)
        assert (payment.amount, payment.applied) == (108_25, {document.ref.id: 108_25})
        assert (payment.status, payment.currency) == ("active", self.home_currency)
        assert payment.received_on == TODAY + timedelta(days=5)
        paid = self.found(ledger, draft)
        assert (paid.status, paid.balance, paid.total) == ("paid", 0, 108_25)

    def test_part_payments_leave_the_exact_rest_open(self, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "P-1")
        document = self.create(ledger, draft)
        self.pay(ledger, document, 33_33, "ch_1")
        assert (self.found(ledger, draft).status, self.found(ledger, draft).balance) == ("open", 66_67)
        self.pay(ledger, document, 66_66, "ch_2")
        assert (self.found(ledger, draft).status, self.found(ledger, draft).balance) == ("open", 1)
        self.pay(ledger, document, 1, "ch_3")
        assert self.found(ledger, draft).status == "paid"

    def test_payments_work_in_every_currency(self, ledger: Accounting) -> None:
        for currency in self.currencies:
            line = self.line(1001, currency=currency)
            draft = self.draft(self.customer(ledger, currency), f"P-{currency}", line, currency=currency)
            payment = self.pay(ledger, self.create(ledger, draft), 1001, f"ch_{currency}")
            assert (payment.amount, payment.currency) == (1001, currency)
            assert self.found(ledger, draft).status == "paid"

    def test_a_payment_is_found_by_its_key_and_document_by_a_fresh_connector(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        first, second = (self.create(ledger, self.draft(customer, f"P-{n}")) for n in (1, 2))
        payment = self.pay(ledger, first, 40_00, "same_charge")
        wanted = [
            self.payment_draft(second, 40_00, "same_charge"),
            self.payment_draft(first, 40_00, "same_charge"),
            self.payment_draft(first, 40_00, "other_charge"),
        ]
        found = self.fresh(running).payments.find(wanted)
        assert [one and one.ref.id for one in found] == [None, payment.ref.id, None]
        assert found[1] is not None
        assert found[1].key == "same_charge"

    def test_a_payment_again_under_its_key_is_one_payment(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "P-1"))
        self.pay(ledger, document, 40_00)
        (again,) = self.fresh(running).payments.create([self.payment_draft(document, 40_00)], "pay-ch_1")
        assert isinstance(again, Created | Adopted)
        assert self.payments_held(running) == 1

    def test_more_than_the_open_balance_is_refused_and_the_others_are_booked(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        first, second = (self.create(ledger, self.draft(customer, f"P-{n}")) for n in (1, 2))
        drafts = [self.payment_draft(first, 100_01, "ch_1"), self.payment_draft(second, 100_00, "ch_2")]
        results = ledger.payments.create(drafts, "k1")
        assert [type(result) for result in results] == [Rejected, Created]
        assert self.payments_held(running) == 1

    # ---------------------------------------------------------------------------------------------------------- changes

    def test_an_empty_ledger_has_no_changes(self, ledger: Accounting) -> None:
        changes = ledger.changes(None)
        assert (changes.documents, changes.payments) == ((), ())

    def test_changes_give_everything_first_and_then_only_what_is_new(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        old = self.create(ledger, self.draft(customer, "O-1"))
        note = self.create(ledger, self.draft(customer, "CN-1", type="credit_note"))
        everything = ledger.changes(None)
        assert {document.ref.id for document in everything.documents} == {old.ref.id, note.ref.id}
        assert everything.cursor is not None
        assert everything.cursor.tzinfo is not None
        self.move(running, days=1)
        new = self.create(ledger, self.draft(customer, "O-2"))
        later = ledger.changes(everything.cursor + timedelta(hours=1))
        assert [document.ref.id for document in later.documents] == [new.ref.id]
        assert later.cursor is not None
        assert later.cursor > everything.cursor

    def test_nothing_new_keeps_the_cursor_usable(self, running: Running, ledger: Accounting) -> None:
        self.create(ledger, self.draft(self.customer(ledger), "O-1"))
        cursor = ledger.changes(None).cursor
        assert cursor is not None
        self.move(running, days=2)
        nothing = ledger.changes(cursor + timedelta(days=1))
        assert (nothing.documents, nothing.payments) == ((), ())
        assert nothing.cursor is None or nothing.cursor >= cursor

    def test_a_payment_shows_in_changes_with_its_document(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "O-1"))
        self.move(running, days=1)
        payment = self.pay(ledger, document, 60_00)
        changes = ledger.changes(datetime(2026, 3, 11, tzinfo=UTC))
        assert [(p.ref.id, p.amount, p.applied) for p in changes.payments] == [
            (payment.ref.id, 60_00, {document.ref.id: 60_00})
        ]
        assert changes.payments[0].key == "ch_1"
        assert [(d.ref.id, d.balance) for d in changes.documents] == [(document.ref.id, 40_00)]

    def test_customers_of_ours_and_others_show_in_changes(self, running: Running, ledger: Accounting) -> None:
        ours = self.customer(ledger)
        self.enter_customer(running, "Typed by hand")
        found = {one.name: one for one in ledger.changes(None).customers}
        assert found["Acme Robotics, Inc."].ref.id == ours.id
        assert found["Acme Robotics, Inc."].key.startswith("cust-1")
        assert (found["Typed by hand"].key, found["Typed by hand"].active) == ("", True)

    def test_numbers_are_found_by_how_they_begin(self, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        for number in ("US-00001", "US-00002", "INV-7"):
            self.create(ledger, self.draft(customer, number))
        self.create(ledger, self.draft(customer, "US-CN-00001", type="credit_note"))
        assert sorted(ledger.numbers("US-")) == ["US-00001", "US-00002", "US-CN-00001"]
        assert ledger.numbers("UK-") == []

    def test_a_document_voided_there_shows_as_voided(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "V-1"))
        cursor = ledger.changes(None).cursor
        self.void_document(running, document)
        changed = [one for one in ledger.changes(cursor).documents if one.ref.id == document.ref.id]
        assert [one.status for one in changed] == ["voided"]
        assert [one.status for one in ledger.changes(None).documents] == ["voided"]

    def test_a_payment_voided_there_shows_and_its_document_is_open_again(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft = self.draft(self.customer(ledger), "V-1")
        payment = self.pay(ledger, self.create(ledger, draft), 100_00)
        cursor = ledger.changes(None).cursor
        self.void_payment(running, payment)
        changed = [one for one in ledger.changes(cursor).payments if one.ref.id == payment.ref.id]
        assert [one.status for one in changed] in (["voided"], ["deleted"])
        document = self.found(ledger, draft)
        assert (document.status, document.balance) == ("open", 100_00)

    def test_a_voided_payment_is_not_taken_for_a_booked_one(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "V-1"))
        self.void_payment(running, self.pay(ledger, document, 100_00))
        (found,) = ledger.payments.find([self.payment_draft(document, 100_00)])
        assert found is None or found.status != "active"
