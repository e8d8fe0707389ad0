"""Which document at QuickBooks is which of ours: by our number, whatever else bears it."""

from __future__ import annotations

from connectors.base import Accounting, LedgerDocument
from sandbox.server import Running
from tests.connectors.test_quickbooks import QuickBooksBench, books, by_hand


class TestNumbers(QuickBooksBench):
    def test_of_several_with_one_number_the_standing_one_is_found(self, running: Running, ledger: Accounting) -> None:
        books(running).books.numbers_twice = True
        customer = self.customer(ledger)
        for void_last in (True, False):
            draft = self.draft(customer, f"D-{void_last}")
            first = self.create(ledger, draft)
            books(running).forget_answers()
            second = self.create(ledger, draft)
            void, standing = (second, first) if void_last else (first, second)
            self.void_document(running, void)
            assert self.found(ledger, draft).ref.id == standing.ref.id

    def renumber(self, running: Running, document: LedgerDocument, number: str, note: str) -> None:
        """Do what a person does who gives an invoice another number and writes on its note."""
        ids = {"Id": document.ref.id, "SyncToken": document.ref.version, "sparse": True}
        by_hand(running, "invoice", {**ids, "DocNumber": number, "PrivateNote": note})

    def test_a_renumbered_document_is_found_by_our_mark(self, running: Running, ledger: Accounting) -> None:
        draft, other = (self.draft(self.customer(ledger), number) for number in ("D-1", "D-2"))
        document = self.create(ledger, draft)
        assert document.mark == draft.mark
        self.renumber(running, document, "ACME-7", f"Agreed by phone\n{draft.mark}")
        found = self.found(ledger, draft)
        assert (found.ref.id, found.number, found.mark) == (document.ref.id, "ACME-7", draft.mark)
        assert ledger.documents.find([other]) == [None]

    def test_the_mark_of_a_void_document_is_read_too(self, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        for kind in ("invoice", "credit_note"):
            draft = self.draft(customer, f"V-{kind}", type=kind)
            document = self.create(ledger, draft)
            assert ledger.void_document(document.ref, draft.type, f"v-{kind}").mark == draft.mark

    def test_the_mark_of_another_document_of_the_day_is_none_of_ours(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        theirs = self.draft(customer, "D-1", mark="Netterms uk deal-1 D-2")
        self.create(ledger, theirs)
        assert ledger.documents.find([self.draft(customer, "D-2")]) == [None]
        assert ledger.documents.find([self.draft(customer, "D-3", mark="")]) == [None]
