"""What every ledger must do when a document of ours, edited there, is to be put back: that and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from connectors.base import Accounting, DocumentDraft, LedgerDocument
from connectors.errors import OutcomeUnknown, Refused
from sandbox.server import Running
from tests.connector_suite.accounting_bench import TODAY, AccountingBench

# What people change: the first line to 80.00 and another text, the number to EDITED, the due date by a week, the
# purchase order to PO-9, the customer to another one ("Other Ltd"); or words of which our draft says nothing.
CHANGES = ("amount", "number", "due_on", "po_number", "customer")
IN_WORDS = "words"
every_change = pytest.mark.parametrize("change", CHANGES)


class EditSuite(AccountingBench):
    """The contract of reading one document and of putting it back."""

    def booked(self, ledger: Accounting, **changes: Any) -> tuple[DocumentDraft, LedgerDocument]:
        """Return a document of two lines with tax and a purchase order, and how the ledger has it."""
        lines = (self.line(100_00, 8_25), self.line(20_00, description="Support"))
        draft = self.draft(self.customer(ledger), "E-1", *lines, **{"po_number": "PO-7", "memo": "", **changes})
        return draft, ledger.document(self.create(ledger, draft).ref, draft.type)

    def edited(
        self, running: Running, ledger: Accounting, change: str, **changes: Any
    ) -> tuple[DocumentDraft, LedgerDocument]:
        """Return a booked document that somebody changed, and how it is there since."""
        draft, document = self.booked(ledger, **changes)
        self.edit_document(running, document, change)
        return draft, ledger.document(document.ref, draft.type)

    def put_back(self, ledger: Accounting, seen: LedgerDocument, draft: DocumentDraft, key: str = "e1") -> None:
        """Put back what must be taken, and look at it anew."""
        answer = ledger.update_document(seen, draft, key)
        there = ledger.document(seen.ref, draft.type)
        for found in (answer, there):
            assert draft.differs_from(found) == []
            assert (found.ref.id, found.total, found.tax) == (seen.ref.id, draft.total, draft.tax)

    def test_one_document_is_read_with_its_lines_and_what_it_says_to_the_customer(self, ledger: Accounting) -> None:
        draft, document = self.booked(ledger)
        assert [(line.description, line.amount) for line in document.lines or ()] == [
            (line.description, line.amount) for line in draft.lines
        ]
        assert "PO-7" in document.memo
        assert draft.differs_from(document) == []
        (listed,) = ledger.changes(None).documents
        assert (listed.lines, listed.memo) == (document.lines, document.memo)

    @every_change
    @pytest.mark.parametrize("type_", ["invoice", "credit_note"])
    def test_what_people_changed_is_put_back(
        self, running: Running, ledger: Accounting, change: str, type_: Any
    ) -> None:
        if (change, type_) == ("due_on", "credit_note"):
            pytest.skip("a credit note is not due")
        draft, seen = self.edited(running, ledger, change, type=type_)
        assert set(draft.differs_from(seen)) == ({"total", "lines"} if change == "amount" else {change})
        self.put_back(ledger, seen, draft)
        (changed,) = [one for one in self.fresh(running).changes(None).documents if one.ref.id == seen.ref.id]
        assert draft.differs_from(changed) == []
        assert self.documents_held(running) == 1

    def test_what_we_say_nothing_of_stays_as_people_wrote_it(self, running: Running, ledger: Accounting) -> None:
        draft, document = self.booked(ledger)
        self.edit_document(running, document, IN_WORDS)
        self.edit_document(running, ledger.document(document.ref, "invoice"), "due_on")
        seen = ledger.document(document.ref, "invoice")
        assert draft.differs_from(seen) == ["due_on"]
        self.put_back(ledger, seen, draft)
        there = ledger.document(document.ref, "invoice")
        assert (there.lines, there.memo) == (seen.lines, seen.memo)

    def test_what_says_it_all_already_is_not_written(self, running: Running, ledger: Accounting) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        self.put_back(ledger, seen, draft, "e1")
        before = ledger.document(seen.ref, "invoice")
        self.put_back(self.fresh(running), seen, draft, "e2")
        assert ledger.document(seen.ref, "invoice") == before

    @pytest.mark.parametrize("fault", ["timeout_after", "reset_after", "cut_body"])
    def test_a_put_back_whose_answer_is_lost_is_there_and_not_done_again(
        self, running: Running, ledger: Accounting, fault: str
    ) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        self.order(running, kind=fault, seconds=0.01, method="POST", skip=0)
        with pytest.raises(OutcomeUnknown):
            ledger.update_document(seen, draft, "e1")
        restarted = self.fresh(running)
        there = restarted.document(seen.ref, "invoice")
        assert draft.differs_from(there) == []
        assert restarted.update_document(seen, draft, "e1") == there

    def test_a_document_changed_again_since_a_person_looked_is_not_overwritten(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        self.edit_document(running, seen, "due_on")
        with pytest.raises(Refused, match="changed again"):
            ledger.update_document(seen, draft, "e1")
        there = ledger.document(seen.ref, "invoice")
        assert (there.total, there.due_on) == (seen.total, TODAY + timedelta(days=37))
        self.put_back(ledger, there, draft, "e2")

    def test_words_added_since_are_no_change_of_what_a_person_looked_at(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        ledger.send(seen.ref, "invoice", "ap@acme.example", "m1")  # another version, with the same content
        self.put_back(ledger, seen, draft)

    def test_of_a_paid_document_only_what_no_amount_depends_on_is_put_back(
        self, running: Running, ledger: Accounting
    ) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        self.pay(ledger, seen, 10_00)
        with pytest.raises(Refused, match="paid or used in part"):
            ledger.update_document(seen, draft, "e1")
        assert ledger.document(seen.ref, "invoice").total == seen.total
        as_there = msgspec.structs.replace(draft, total=seen.total, number="E-2")
        first, *others = draft.lines
        edited = msgspec.structs.replace(
            first, amount=80_00, unit_price=first.unit_price * 0 + 80, description="Edited"
        )
        as_there = msgspec.structs.replace(as_there, lines=(edited, *others), subtotal=seen.total - draft.tax)
        assert ledger.update_document(seen, as_there, "e2").number == "E-2"
        assert ledger.document(seen.ref, "invoice").balance == seen.total - 10_00

    def test_what_is_void_is_not_put_back(self, running: Running, ledger: Accounting) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        self.void_document(running, seen)
        with pytest.raises(Refused, match="voided"):
            ledger.update_document(seen, draft, "e1")
        assert ledger.document(seen.ref, "invoice").status == "voided"

    def test_nothing_is_put_back_in_a_closed_period(self, running: Running, ledger: Accounting) -> None:
        draft, seen = self.edited(running, ledger, "amount")
        self.close_books(running, TODAY)
        with pytest.raises(Refused):
            ledger.update_document(seen, draft, "e1")
        assert ledger.document(seen.ref, "invoice").total == seen.total
