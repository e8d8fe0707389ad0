"""What is particular to QuickBooks in credits, refunds, payouts, fees, journals, voids, updates and files."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.base import (
    Accounting,
    Adopted,
    Created,
    DocumentDraft,
    JournalLine,
    LedgerDocument,
    Ref,
    Rejected,
)
from connectors.errors import OutcomeUnknown, Refused
from connectors.quickbooks import changes
from sandbox.quickbooks.refusal import Refusal
from sandbox.server import Running
from tests.connector_suite.accounting_bench import TODAY
from tests.connector_suite.accounting_money import MoneyBench
from tests.connectors.test_quickbooks import QuickBooksBench, books, by_hand

TIME = datetime(2026, 3, 10, tzinfo=UTC)


class Bench(QuickBooksBench, MoneyBench):
    def account_balance(self, running: Running, name: str) -> Decimal:
        """Return what the stand-in has on an account."""
        (row,) = [row for row in books(running).books.all("Account") if row["Name"] == name]
        return Decimal(row["CurrentBalance"])

    def stored(self, running: Running, entity: str) -> dict[str, Any]:
        """Return the latest object of an entity."""
        return list(books(running).books.rows[entity].values())[-1]

    def meddle(self, running: Running, entity: str, id: str, body: dict[str, Any], times: int = 1) -> None:
        """Let somebody else write to an object just before our own write of it."""
        held = books(running).books
        write, left = held.write, [times]

        def late(kind: str, wanted: Any, operation: str) -> Any:
            if kind == entity and wanted.get("Id") == id and left[0]:
                left[0] -= 1
                token = held.rows[entity][id]["SyncToken"]
                write(entity, {"Id": id, "SyncToken": token, "sparse": True, **body}, "update")
            return write(kind, wanted, operation)

        held.write = late  # type: ignore[method-assign,assignment]


class TestCredits(Bench):
    """Credits and what is made of them."""

    def test_a_payment_that_somebody_edits_meanwhile_is_read_again_and_keeps_the_edit(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "on_account", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        self.meddle(running, "Payment", source.id, {"PrivateNote": "Netterms on account\nchecked by Ada"})
        draft = self.allocation("on_account", source, document, 40_00)
        (result,) = ledger.allocations.create([draft], "k1")
        assert isinstance(result, Created), result
        assert "checked by Ada" in self.stored(running, "Payment")["PrivateNote"]
        assert self.left_of(ledger, customer, "on_account") == 60_00

    def test_a_payment_that_is_edited_again_and_again_is_refused_as_stale(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "on_account", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        self.meddle(running, "Payment", source.id, {"PrivateNote": "Netterms on account"}, times=2)
        draft = self.allocation("on_account", source, document, 40_00)
        (result,) = ledger.allocations.create([draft], "k1")
        assert isinstance(result, Rejected)
        assert result.code == "5010"

    @pytest.mark.parametrize("credit", ["credit_note", "on_account"])
    def test_allocations_and_refunds_are_looked_up_first_whatever_their_key(
        self, running: Running, ledger: Accounting, credit: str
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, credit, 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        allocation = self.allocation(credit, source, document, 40_00)
        refund = self.refund(customer, credit, source, 30_00)
        for number in range(2):
            (first,) = self.fresh(running).allocations.create([allocation], f"a{number}")
            (second,) = self.fresh(running).refunds.create([refund], f"r{number}")
        assert isinstance(first, Adopted)
        assert isinstance(second, Adopted)
        assert self.left_of(ledger, customer, credit) == 30_00

    def test_two_parts_of_one_payment_on_one_invoice_are_two_allocations(self, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "on_account", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        drafts = [self.allocation("on_account", source, document, amount, f"al_{amount}") for amount in (10, 20)]
        assert [type(result) for result in ledger.allocations.create(drafts, "k1")] == [Created, Created]
        assert [one and one.amount for one in ledger.allocations.find(drafts)] == [10, 20]
        assert self.found(ledger, self.draft(customer, "INV-1")).balance == 99_70

    def test_a_part_that_a_bookkeeper_took_off_again_is_not_found(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "on_account", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        draft = self.allocation("on_account", source, document, 40_00)
        ledger.allocations.create([draft], "k1")
        by_hand(running, "payment", {"Id": source.id, "SyncToken": "1", "sparse": True, "Line": []})
        assert ledger.allocations.find([draft]) == [None]

    def test_a_payment_whose_note_is_full_takes_as_many_parts_as_it_can_say(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "on_account", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        note = {"PrivateNote": "Netterms on account\n" + "n" * 3935}
        by_hand(running, "payment", {"Id": source.id, "SyncToken": "0", "sparse": True, **note})
        drafts = [self.allocation("on_account", source, document, 1_00, f"al_{n}") for n in range(2)]
        taken, refused = ledger.allocations.create(drafts, "k1")
        assert isinstance(taken, Created), taken
        assert isinstance(refused, Rejected)
        assert "4000" in refused.reason
        assert self.left_of(ledger, customer, "on_account") == 99_00

    def test_what_marks_a_payment_for_us_is_no_memo_for_people(self, ledger: Accounting) -> None:
        payment = self.on_account(ledger, self.customer(ledger), 5_00)
        assert payment.memo == "Paid in advance"

    @pytest.mark.parametrize("credit", ["credit_note", "on_account"])
    def test_a_refund_stopped_between_its_writes_is_not_found_and_finished_later_without_paying_again(
        self, running: Running, ledger: Accounting, credit: str
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, credit, 100_00)
        draft = self.refund(customer, credit, source, 40_00)
        self.lose(running, kind="error_before", status=503, skip=1)
        with pytest.raises(OutcomeUnknown, match="refunds are booked"):
            ledger.refunds.create([draft], "k1")
        assert self.left_of(ledger, customer, credit) == 100_00
        assert self.fresh(running).refunds.find([draft]) == [None]
        (result,) = self.fresh(running).refunds.create([draft], "another key")
        assert isinstance(result, Created)
        assert self.left_of(ledger, customer, credit) == 60_00
        assert self.held(running, f"refund_{credit}") == 1

    def test_a_refund_paid_but_refused_by_its_credit_says_which_check_stands(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "credit_note", 100_00)
        held = books(running).books
        write = held.write

        def refusing(entity: str, body: Any, operation: str) -> Any:
            if entity == "Payment":
                raise Refusal("6000", "used up meanwhile")
            return write(entity, body, operation)

        held.write = refusing  # type: ignore[method-assign]
        (result,) = ledger.refunds.create([self.refund(customer, "credit_note", source, 40_00)], "k1")
        assert isinstance(result, Rejected)
        assert f"check {self.stored(running, 'Purchase')['Id']}" in result.reason

    def test_a_check_of_somebody_else_under_our_number_is_never_taken_for_the_refund(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "credit_note", 100_00)
        detail = {"AccountRef": {"value": books(running).books.holder("Account", "Merchant fees")}}
        line = {"DetailType": "AccountBasedExpenseLineDetail", "Amount": 40, "AccountBasedExpenseLineDetail": detail}
        bank = {"value": books(running).books.holder("Account", "Checking")}
        by_hand(running, "purchase", {"PaymentType": "Check", "DocNumber": "re_1", "AccountRef": bank, "Line": [line]})
        (result,) = ledger.refunds.create([self.refund(customer, "credit_note", source, 40_00)], "k1")
        assert isinstance(result, Rejected)
        assert "is another one" in result.reason
        assert self.left_of(ledger, customer, "credit_note") == 100_00

    def test_a_refund_whose_credit_was_used_between_its_writes_says_which_check_stands(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "credit_note", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        draft = self.refund(customer, "credit_note", source, 40_00)
        self.lose(running, kind="error_before", status=503, skip=1)
        with pytest.raises(OutcomeUnknown):
            ledger.refunds.create([draft], "k1")
        ledger.allocations.create([self.allocation("credit_note", source, document, 70_00)], "k2")
        (result,) = ledger.refunds.create([draft], "k1")
        assert isinstance(result, Rejected)
        assert "booked as check" in result.reason
        assert "30.00 USD left" in result.reason

    def test_a_refund_is_a_check_on_receivables_in_its_currency(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger, "EUR")
        (paid,) = ledger.payments.create([self.on_account_draft(customer, 50_00, currency="EUR")], "k1")
        assert isinstance(paid, Created)
        refund = self.refund(customer, "on_account", paid.found.ref, 50_00)
        refund = msgspec.structs.replace(refund, currency="EUR", account="Stripe clearing EUR")
        (result,) = ledger.refunds.create([refund], "k2")
        assert isinstance(result, Created), result
        check = self.stored(running, "Purchase")
        assert (check["PaymentType"], check["EntityRef"]) == ("Check", {"value": customer.id, "type": "Customer"})
        assert self.account_balance(running, "Accounts Receivable - EUR") == 0
        assert self.account_balance(running, "Stripe clearing EUR") == 0

    def test_one_batch_reads_what_is_there_in_three_queries_at_most(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "credit_note", 100_00)
        drafts = [self.refund(customer, "credit_note", source, 1_00, f"re_{n}") for n in range(30)]
        ledger.refunds.create([self.refund(customer, "credit_note", source, 1_00, "warm-up")], "k0")
        before = books(running).metered["reads"]
        assert {type(result) for result in ledger.refunds.create(drafts, "k1")} == {Created}
        assert books(running).metered["reads"] - before == 3


class TestMoney(Bench):
    """Payouts, fees and journals."""

    def test_the_clearing_account_holds_what_the_provider_still_owes(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "INV-1", self.line(500_00)))
        self.pay(ledger, document, 500_00)
        source = self.credit(ledger, customer, "on_account", 80_00)
        ledger.refunds.create([self.refund(customer, "on_account", source, 30_00)], "k1")
        ledger.expenses.create([self.expense(14_80, "fee_1"), self.expense(-2_30, "fee_2")], "k2")
        ledger.transfers.create([self.transfer(530_00)], "k3")
        assert self.account_balance(running, "Stripe clearing") == Decimal("7.50")  # 500 + 80 - 30 - 12.50 - 530
        assert self.account_balance(running, "Merchant fees") == Decimal("12.50")
        assert self.account_balance(running, "Checking") == Decimal(530)
        assert self.account_balance(running, "Accounts Receivable") == Decimal(-50)

    def test_lists_and_the_setup_are_read_once_and_nothing_else_is(self, running: Running, ledger: Accounting) -> None:
        for n in range(4):
            ledger.transfers.create([self.transfer(1_00, f"po_{n}")], f"t{n}")
            ledger.expenses.create([self.expense(1_00, f"fee_{n}")], f"e{n}")
            ledger.journals.create([self.journal(1_00, f"je_{n}")], f"j{n}")
        assert books(running).metered["reads"] == 3  # accounts, preferences, tax codes

    def test_transfers_of_one_day_are_told_apart_by_their_key(self, ledger: Accounting) -> None:
        drafts = [self.transfer(n, f"po_{n}") for n in range(1, 31)]
        ledger.transfers.create(drafts, "k1")
        assert [one and one.amount for one in ledger.transfers.find(drafts[::-1])] == list(range(30, 0, -1))

    def test_a_transfer_between_currencies_is_refused(self, ledger: Accounting) -> None:
        (result,) = ledger.transfers.create([self.transfer(1_00, target="Checking EUR")], "k1")
        assert isinstance(result, Rejected)
        assert "'Checking EUR' holds EUR, not USD" in result.reason

    def test_what_moves_no_money_or_holds_a_third_decimal_is_refused(self, ledger: Accounting) -> None:
        dinars = {"currency": "KWD", "source": "Stripe clearing KWD", "target": "Checking KWD"}
        drafts = [self.transfer(0), self.transfer(-1), self.transfer(1_001, "po_2", **dinars), self.transfer(1, "")]
        assert {type(result) for result in ledger.transfers.create(drafts, "k1")} == {Rejected}
        (nothing,) = ledger.expenses.create([self.expense(0)], "k2")
        assert isinstance(nothing, Rejected)

    def test_a_journal_on_receivables_names_its_customer(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)

        def entry(key: str, named: Ref | None) -> Any:
            lines = (
                JournalLine(account="Accounts Receivable", amount=9_00, customer=named),
                JournalLine(account="Software revenue", amount=-9_00, class_="Software"),
            )
            return self.journal(9_00, key, lines=lines)

        without, with_ = ledger.journals.create([entry("je_1", None), entry("je_2", customer)], "k1")
        assert isinstance(without, Rejected)
        assert "customer (Entity)" in without.reason
        assert isinstance(with_, Created)
        debit, credit = (line["JournalEntryLineDetail"] for line in self.stored(running, "JournalEntry")["Line"])
        assert debit["Entity"] == {"Type": "Customer", "EntityRef": {"value": customer.id}}
        assert (debit["PostingType"], credit["PostingType"]) == ("Debit", "Credit")
        assert credit["ClassRef"]["value"]

    def test_a_check_of_the_same_number_is_no_expense_of_ours(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "on_account", 50_00)
        ledger.refunds.create([self.refund(customer, "on_account", source, 50_00, "txn_1")], "k1")
        assert ledger.expenses.find([self.expense(50_00, "txn_1")]) == [None]


class TestVoids(Bench):
    """Voids, and versions that move under us."""

    def test_an_invoice_that_changes_meanwhile_is_judged_again(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "V-1"))
        self.meddle(running, "Invoice", document.ref.id, {"CustomerMemo": {"value": "typed meanwhile"}})
        assert ledger.void_document(document.ref, "invoice", "k1").status == "voided"

    def test_a_payment_that_changes_meanwhile_is_voided_all_the_same(
        self, running: Running, ledger: Accounting
    ) -> None:
        payment = self.pay(ledger, self.create(ledger, self.draft(self.customer(ledger), "V-1")), 1_00)
        self.meddle(running, "Payment", payment.ref.id, {"PrivateNote": "typed meanwhile"})
        assert ledger.void_payment(payment.ref, "k1").status == "voided"

    def test_a_credit_memo_is_emptied_and_keeps_its_number_lines_and_note(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft = self.draft(self.customer(ledger), "CN-1", self.line(100_00, 8_25), type="credit_note")
        document = self.create(ledger, draft)
        ledger.void_document(document.ref, "credit_note", "k1")
        row = self.stored(running, "CreditMemo")
        assert (row["DocNumber"], row["TotalAmt"], row["TxnTaxDetail"]["TotalTax"]) == ("CN-1", 0, 0)
        assert row["PrivateNote"] == "Voided - Netterms us deal-1 CN-1"
        assert [line["Amount"] for line in row["Line"]] == [0, 0]

    def test_a_refusal_tells_quickbooks_code(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "V-1"))
        self.close_books(running, TODAY)
        with pytest.raises(Refused, match="6210"):
            ledger.void_document(document.ref, "invoice", "k1")
        (result,) = ledger.documents.create([self.draft(Ref(id=document.customer_id), "V-2")], "k2")
        assert isinstance(result, Rejected)
        assert result.code == "6210"


class TestPuttingBack(Bench):
    """Sparse updates of documents: what differs and nothing else."""

    def edited(self, running: Running, ledger: Accounting) -> tuple[DocumentDraft, LedgerDocument]:
        """Return a draft, and the document with another due date and what people alone write on it."""
        draft = self.draft(self.customer(ledger), "E-1")
        document = self.create(ledger, draft)
        theirs = {"DueDate": "2026-12-24", "PrivateNote": "asked by phone", "SalesTermRef": {"value": "1"}}
        by_hand(running, "invoice", {"Id": document.ref.id, "SyncToken": "0", "sparse": True, **theirs})
        return draft, ledger.document(document.ref, "invoice")

    def test_only_what_differs_is_written(self, running: Running, ledger: Accounting) -> None:
        draft, seen = self.edited(running, ledger)
        before = self.stored(running, "Invoice")
        ledger.update_document(seen, draft, "k1")
        row = self.stored(running, "Invoice")
        changed = {name for name in row if row[name] != before[name]}
        assert changed - {"SyncToken", "MetaData"} == {"DueDate"}

    def test_a_version_that_moves_meanwhile_is_read_and_decided_again(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft, seen = self.edited(running, ledger)
        self.meddle(running, "Invoice", seen.ref.id, {"PrivateNote": "typed meanwhile"})
        assert ledger.update_document(seen, draft, "k1").due_on == draft.due_on
        assert self.stored(running, "Invoice")["PrivateNote"] == "typed meanwhile"

    def test_content_that_changes_meanwhile_is_not_overwritten(self, running: Running, ledger: Accounting) -> None:
        draft, seen = self.edited(running, ledger)
        self.meddle(running, "Invoice", seen.ref.id, {"DueDate": "2026-12-31"})
        with pytest.raises(Refused, match="changed again"):
            ledger.update_document(seen, draft, "k1")
        assert self.stored(running, "Invoice")["DueDate"] == "2026-12-31"

    def test_a_price_in_words_is_none_of_a_lines_text(self, ledger: Accounting) -> None:
        draft = self.draft(
            self.customer(ledger), "E-1", self.line(10, quantity=Decimal(7), unit_price=Decimal("0.0142"))
        )
        document = ledger.document(self.create(ledger, draft).ref, "invoice")
        assert draft.differs_from(document) == []

    def test_a_deleted_document_says_so_and_is_not_put_back(self, running: Running, ledger: Accounting) -> None:
        draft, seen = self.edited(running, ledger)
        by_hand(running, "invoice?operation=delete", {"Id": seen.ref.id, "SyncToken": seen.ref.version})
        assert ledger.document(seen.ref, "invoice").status == "deleted"
        with pytest.raises(Refused):
            ledger.update_document(seen, draft, "k1")


class TestCustomers(Bench):
    """Sparse updates."""

    def test_an_update_touches_only_what_we_say(self, running: Running, ledger: Accounting) -> None:
        ref = self.customer(ledger)
        theirs = {"Mobile": {"FreeFormNumber": "555 0100"}, "ResaleNum": "R-1"}
        mine = self.stored(running, "Customer")["Notes"]
        notes = {"Notes": f"{mine}\nPrefers to be called on Mondays"}
        by_hand(running, "customer", {"Id": ref.id, "SyncToken": "0", "sparse": True, **theirs, **notes})
        draft = self.customer_draft("USD")
        address = msgspec.structs.replace(draft.customer.address, line1="2 Side St", line2="")
        customer = msgspec.structs.replace(draft.customer, address=address, contact_name="Plato")
        updated = ledger.update_customer(
            Ref(id=ref.id, version="1"), msgspec.structs.replace(draft, customer=customer), "k1"
        )
        row = self.stored(running, "Customer")
        assert updated.key == draft.key
        assert (row["Mobile"], row["ResaleNum"]) == (theirs["Mobile"], "R-1")
        assert row["Notes"] == f"{mine}\nPrefers to be called on Mondays"
        assert row["BillAddr"]["Line1"] == "2 Side St"
        assert "Line2" not in row["BillAddr"]
        assert (row["GivenName"], row["FamilyName"]) == ("", "Plato")

    def test_a_version_that_moved_by_our_own_lost_update_is_no_conflict(
        self, running: Running, ledger: Accounting
    ) -> None:
        ref = self.customer(ledger)
        draft = self.customer_draft("USD", name="Acme Holding")
        ledger.update_customer(ref, draft, "k1")
        assert self.fresh(running).update_customer(ref, draft, "k2").name == "Acme Holding"
        assert self.stored(running, "Customer")["SyncToken"] == "1"

    def test_a_change_in_the_very_moment_of_ours_is_told_with_the_fields_that_differ(
        self, running: Running, ledger: Accounting
    ) -> None:
        ref = self.customer(ledger)
        self.meddle(running, "Customer", ref.id, {"PrimaryEmailAddr": {"Address": "new@acme.example"}})
        with pytest.raises(Refused, match="DisplayName, PrimaryEmailAddr differ"):
            ledger.update_customer(ref, self.customer_draft("USD", name="Acme Holding"), "k1")
        assert self.stored(running, "Customer")["DisplayName"] == "Acme Robotics, Inc."

    def test_what_cannot_be_said_is_refused_before_anything_is_sent(self, running: Running, ledger: Accounting) -> None:
        ref = self.customer(ledger)
        for name in ("Acme: the company", "A" * 501):
            with pytest.raises(Refused):
                ledger.update_customer(ref, self.customer_draft("USD", name=name), "k1")
        assert "POST /v3/company/{realm}/{path}" not in books(running).calls

    def test_a_mail_address_without_an_at_is_refused(self, ledger: Accounting) -> None:
        draft = self.customer_draft("USD")
        customer = msgspec.structs.replace(draft.customer, email="nobody")
        (result,) = ledger.customers.create([msgspec.structs.replace(draft, customer=customer)], "k1")
        assert isinstance(result, Rejected)
        assert "'nobody' has no @" in result.reason


class TestFiles(Bench):
    """Attachments."""

    def test_a_file_arrives_whole_with_its_name_type_and_place(self, running: Running, ledger: Accounting) -> None:
        content = b"%PDF-1.7\n" + bytes(range(256)) * 9
        document = self.create(ledger, self.draft(self.customer(ledger), "CN-1", type="credit_note"))
        ledger.attach(document.ref, "credit_note", "Gutschrift Nº 1.pdf", content, "k1")
        row = self.stored(running, "Attachable")
        assert (row["FileName"], row["ContentType"]) == ("Gutschrift Nº 1.pdf", "application/pdf")
        assert row["AttachableRef"] == [{"EntityRef": {"type": "CreditMemo", "value": document.ref.id}}]
        assert books(running).files[row["Id"]] == content

    def test_a_file_on_nothing_or_with_too_long_a_name_is_refused(self, ledger: Accounting) -> None:
        with pytest.raises(Refused, match="2500"):
            ledger.attach(Ref(id="404"), "invoice", "x.pdf", b"%PDF", "k1")
        with pytest.raises(Refused, match="1000"):
            ledger.attach(Ref(id="404"), "invoice", "x" * 1001, b"%PDF", "k2")


class TestChanges(Bench):
    """What allocations and deletions look like in changes."""

    def test_a_credit_memo_used_shows_as_paid_by_a_payment_of_nothing(self, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        source = self.credit(ledger, customer, "credit_note", 100_00)
        document = self.create(ledger, self.draft(customer, "INV-1"))
        ledger.allocations.create([self.allocation("credit_note", source, document, 100_00)], "k1")
        found = ledger.changes(datetime(2026, 3, 10, tzinfo=UTC))
        assert {one.number: (one.status, one.balance) for one in found.documents} == {
            "CN-9": ("paid", 0),
            "INV-1": ("paid", 0),
        }
        assert [(one.amount, one.applied) for one in found.payments] == [(0, {document.ref.id: 100_00})]

    def test_entries_that_are_deleted_or_changed_are_told_in_the_same_call(
        self, running: Running, ledger: Accounting
    ) -> None:
        drafts = [self.expense(amount, key) for amount, key in ((1_00, "a"), (-2_00, "b"), (3_00, "c"))]
        made = [one.found for one in ledger.expenses.create(drafts, "k1") if isinstance(one, Created)]
        self.move(running, days=1)
        by_hand(running, "purchase?operation=delete", {"Id": made[0].ref.id, "SyncToken": made[0].ref.version})
        by_hand(running, "journalentry?operation=delete", {"Id": made[1].ref.id, "SyncToken": made[1].ref.version})
        before = self.requests(running)
        found = {one.ref.id: (one.status, one.amount) for one in ledger.changes(TIME).entries}
        assert self.requests(running) - before == 1
        assert found == dict(
            zip((one.ref.id for one in made), [("deleted", 0), ("deleted", 0), ("active", 3_00)], strict=True)
        )
        assert ledger.entry_changes(TIME).entries == ()
        assert ledger.changes(None).entries == ()  # what was always there is none of ours

    def test_a_late_deletion_behind_more_changes_than_one_answer_tells_is_found(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sandbox.quickbooks.books.LONGEST_CDC", 20)
        monkeypatch.setattr(changes, "MOST", 20)
        customer = self.customer(ledger)
        drafts = [self.draft(customer, f"F-{n}") for n in range(30)]
        gone = self.create(ledger, self.draft(customer, "GONE"))
        ledger.documents.create(drafts, "k1")
        self.move(running, days=4)
        by_hand(running, "invoice?operation=delete", {"Id": gone.ref.id, "SyncToken": gone.ref.version})
        found = ledger.changes(datetime(2026, 3, 9, tzinfo=UTC)).documents
        assert [one.ref.id for one in found if one.status == "deleted"] == [gone.ref.id]
        assert len(found) == 31
