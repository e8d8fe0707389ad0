"""A company whose QuickBooks sets credit memos against invoices by itself."""

from __future__ import annotations

from connectors.base import Accounting, Adopted, Created, LedgerDocument, Ref, Rejected
from sandbox.server import Running
from tests.connector_suite.accounting_money import MoneyBench
from tests.connectors.test_quickbooks import QuickBooksBench, books


class TestAutomaticCredit(QuickBooksBench, MoneyBench):
    def invoices(self, running: Running, ledger: Accounting, *amounts: int) -> list[LedgerDocument]:
        """Switch it on, and return an invoice over each amount, the oldest first."""
        books(running).books.preferences["SalesFormsPrefs"]["AutoApplyCredit"] = True
        customer = self.customer(ledger)
        return [self.create(ledger, self.draft(customer, f"D-{n}", self.line(one))) for n, one in enumerate(amounts)]

    def note(self, ledger: Accounting, invoice: LedgerDocument, amount: int) -> LedgerDocument:
        draft = self.draft(Ref(id=invoice.customer_id), "CN-9", self.line(amount), type="credit_note")
        return self.create(ledger, draft)

    def test_it_is_told_with_its_remedy(self, running: Running, ledger: Accounting) -> None:
        self.invoices(running, ledger)
        (problem,) = ledger.setup().problems
        assert "Automatically apply credits" in problem

    def test_a_use_that_is_the_one_we_want_is_taken_as_it_is(self, running: Running, ledger: Accounting) -> None:
        (invoice,) = self.invoices(running, ledger, 100_00)
        note = self.note(ledger, invoice, 40_00)
        assert note.balance == 0
        draft = self.allocation("credit_note", note.ref, invoice, 40_00)
        (result,) = ledger.allocations.create([draft], "k1")
        assert isinstance(result, Adopted)
        assert (result.found.amount, result.found.document_id) == (40_00, invoice.ref.id)
        assert self.payments_held(running) == 1

    def test_a_use_against_another_invoice_or_over_less_is_refused_with_what_to_do(
        self, running: Running, ledger: Accounting
    ) -> None:
        older, ours = self.invoices(running, ledger, 30_00, 100_00)
        note = self.note(ledger, ours, 40_00)
        for key, amount in (("k1", 40_00), ("k2", 30_00)):
            (result,) = ledger.allocations.create([self.allocation("credit_note", note.ref, ours, amount)], key)
            assert isinstance(result, Rejected)
            assert "take it off there" in result.reason
        (result,) = ledger.allocations.create([self.allocation("credit_note", note.ref, older, 30_00)], "k3")
        assert isinstance(result, Adopted)

    def test_a_note_that_nobody_used_is_refused_for_its_own_reason(self, ledger: Accounting) -> None:
        invoice = self.create(ledger, self.draft(self.customer(ledger), "D-1", self.line(10_00)))
        note = self.note(ledger, invoice, 40_00)
        (result,) = ledger.allocations.create([self.allocation("credit_note", note.ref, invoice, 40_00)], "k1")
        assert isinstance(result, Rejected)
        assert "take it off there" not in result.reason
        (result,) = ledger.allocations.create([self.allocation("credit_note", note.ref, invoice, 10_00)], "k2")
        assert isinstance(result, Created)
