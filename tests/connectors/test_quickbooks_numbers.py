"""Which document at QuickBooks is which of ours: by our number, whatever else bears it."""

from __future__ import annotations

from connectors.base import Accounting
from sandbox.server import Running
from tests.connectors.test_quickbooks import QuickBooksBench, books


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
