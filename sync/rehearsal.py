"""A dry run's ledger: reads go through, what would be written is only noted and answered as if it had been."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.base import (
    Accounting,
    Created,
    CustomerDraft,
    DocumentDraft,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerPayment,
    LedgerSetup,
    PaymentDraft,
    Probe,
    Ref,
)


class _Collection:
    """Looks up for real, creates nothing."""

    def __init__(self, real: Any, noted: list[str]) -> None:
        self._real = real
        self._noted = noted
        self.batch_size: int = real.batch_size

    def find(self, wanted: Sequence[Any]) -> list[Any]:
        """Look up at the vendor what was not made up by this rehearsal."""
        real = [item for item in wanted if not _made_up(item)]
        found = iter(self._real.find(real) if real else [])
        return [None if _made_up(item) else next(found) for item in wanted]

    def create(self, batch: Sequence[Any], key: str) -> list[Any]:
        """Note what would be created and answer as the vendor would."""
        results = []
        for item in batch:
            self._noted.append(type(item).__name__.removesuffix("Draft").lower())
            results.append(Created(_answer(item, Ref(id=f"dry-{len(self._noted)}"))))
        return results


def _made_up(item: Any) -> bool:
    return any(ref.id.startswith("dry-") for ref in (getattr(item, "customer", None), getattr(item, "document", None))
               if isinstance(ref, Ref))  # fmt: skip


def _answer(item: Any, ref: Ref) -> LedgerCustomer | LedgerDocument | LedgerPayment:
    if isinstance(item, CustomerDraft):
        return LedgerCustomer(ref=ref, name=item.customer.name, key=item.key)
    if isinstance(item, DocumentDraft):
        return LedgerDocument(ref=ref, number=item.number, type=item.type, status="open", total=item.total)
    assert isinstance(item, PaymentDraft)
    return LedgerPayment(ref=ref, key=item.key, applied={item.document.id: item.amount})


class Rehearsal:
    """An accounting connector that writes nothing; ``noted`` says what it would have created."""

    def __init__(self, real: Accounting) -> None:
        self._real = real
        self.noted: list[str] = []
        self.customers = _Collection(real.customers, self.noted)
        self.documents = _Collection(real.documents, self.noted)
        self.payments = _Collection(real.payments, self.noted)

    def probe(self) -> Probe:
        """Ask the vendor."""
        return self._real.probe()

    def setup(self) -> LedgerSetup:
        """Ask the vendor."""
        return self._real.setup()

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Ask the vendor."""
        return self._real.changes(since)
