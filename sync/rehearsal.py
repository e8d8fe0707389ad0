"""A dry run: reads go through, what would be written or mailed is only noted and answered as if it had been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from connectors.base import (
    Accounting,
    AllocationDraft,
    Created,
    Crm,
    CustomerDraft,
    DocumentDraft,
    DocumentType,
    EntryChanges,
    JournalDraft,
    LedgerAllocation,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerEntry,
    LedgerPayment,
    LedgerSetup,
    Mail,
    Mailer,
    PaymentDraft,
    PaymentPageDraft,
    Payments,
    Probe,
    Ref,
    RefundDraft,
)

_COLLECTIONS = (
    "customers", "documents", "payments", "allocations", "refunds", "transfers", "expenses", "journals"
)  # fmt: skip


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
    parts = (getattr(item, name, None) for name in ("customer", "document", "source"))
    return any(_is_made_up(ref) for ref in parts if isinstance(ref, Ref))


def _is_made_up(ref: Ref) -> bool:
    return ref.id.startswith("dry-")


def _answer(item: Any, ref: Ref) -> Any:
    """Return what a vendor would answer to a create."""
    if isinstance(item, CustomerDraft):
        return LedgerCustomer(ref=ref, name=item.customer.name, key=item.key)
    if isinstance(item, DocumentDraft):
        return LedgerDocument(ref=ref, number=item.number, type=item.type, status="open", total=item.total)
    if isinstance(item, PaymentDraft):
        applied = {} if item.document is None else {item.document.id: item.amount}
        left = item.amount if item.document is None else 0
        return LedgerPayment(ref=ref, key=item.key, amount=item.amount, applied=applied, unapplied=left)
    if isinstance(item, AllocationDraft):
        return LedgerAllocation(ref=ref, source_id=item.source.id, document_id=item.document.id, amount=item.amount)
    if isinstance(item, JournalDraft):
        return LedgerEntry(ref=ref, key=item.key, amount=sum(max(0, line.amount) for line in item.lines))
    return LedgerEntry(ref=ref, key=item.key, amount=item.amount)  # a refund, transfer or expense


class Rehearsal:
    """An accounting connector that writes nothing; ``noted`` says what it would have created."""

    def __init__(self, real: Accounting) -> None:
        self._real = real
        self.noted: list[str] = []
        self.memory = real.memory

    def __getattr__(self, name: str) -> _Collection:
        """Return a collection that looks up for real and creates nothing."""
        if name not in _COLLECTIONS:
            raise AttributeError(name)
        return _Collection(getattr(self._real, name), self.noted)

    def probe(self) -> Probe:
        """Ask the vendor."""
        return self._real.probe()

    def update_customer(self, ref: Ref, draft: CustomerDraft, key: str) -> LedgerCustomer:
        """Note that a customer would be changed."""
        self.noted.append("customer update")
        return LedgerCustomer(ref=ref, name=draft.customer.name, key=draft.key, email=draft.customer.email)

    def document(self, document: Ref, kind: DocumentType) -> LedgerDocument:
        """Ask the vendor."""
        return self._real.document(document, kind)

    def update_document(self, seen: LedgerDocument, draft: DocumentDraft, key: str) -> LedgerDocument:
        """Note that a document would be put back."""
        self.noted.append("document update")
        made: LedgerDocument = _answer(draft, seen.ref)
        return msgspec.structs.replace(made, tax=draft.tax)

    def void_document(self, document: Ref, kind: DocumentType, key: str) -> LedgerDocument:
        """Note that a document would be voided."""
        self.noted.append("document void")
        return LedgerDocument(ref=document, number="", type=kind, status="voided")

    def void_payment(self, payment: Ref, key: str) -> LedgerPayment:
        """Note that a payment would be voided."""
        self.noted.append("payment void")
        return LedgerPayment(ref=payment, status="voided")

    def void_refund(self, refund: Ref, posted: RefundDraft, key: str) -> LedgerEntry:
        """Note that a refund would be taken back."""
        self.noted.append("refund void")
        return LedgerEntry(ref=refund, key=posted.key, status="voided", amount=posted.amount)

    def attach(self, document: Ref, kind: DocumentType, name: str, content: bytes, key: str) -> None:
        """Note that a file would be attached."""
        self.noted.append("attachment")

    def setup(self) -> LedgerSetup:
        """Ask the vendor."""
        return self._real.setup()

    def hindrance(self) -> str:
        """Ask the vendor."""
        return self._real.hindrance()

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Ask the vendor."""
        return self._real.changes(since)

    def entry_changes(self, since: datetime) -> EntryChanges:
        """Ask the vendor."""
        return self._real.entry_changes(since)

    def numbers(self, prefix: str) -> list[str]:
        """Ask the vendor."""
        return self._real.numbers(prefix)

    def pdf(self, document: Ref, kind: DocumentType) -> bytes:
        """Ask the vendor, unless the document is only made up."""
        return b"" if _is_made_up(document) else self._real.pdf(document, kind)

    def payment_link(self, document: Ref) -> str:
        """Ask the vendor, unless the document is only made up."""
        return "" if _is_made_up(document) else self._real.payment_link(document)

    def send(self, document: Ref, kind: DocumentType, email: str, key: str) -> None:
        """Note that the vendor would send a mail."""
        self.noted.append("mail")


class RehearsalMailer:
    """A mailer that sends nothing; ``noted`` counts what it would have sent."""

    def __init__(self, real: Mailer) -> None:
        self._real = real
        self.noted: list[str] = []

    def probe(self) -> Probe:
        """Sign in at the mail server."""
        return self._real.probe()

    def send(self, mail: Mail) -> str:
        """Note the mail and say that it was accepted."""
        self.noted.append("mail")
        return "rehearsed"


class RehearsalPayments:
    """A payment provider that is only read; ``noted`` counts the pages that it would have made or changed."""

    def __init__(self, real: Payments) -> None:
        self._real = real
        self.noted: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """Ask the vendor: all but what is below only reads."""
        return getattr(self._real, name)

    def payment_page(self, wanted: PaymentPageDraft) -> str:
        """Note that a page would be made, and make its address up."""
        self.noted.append("payment page")
        return f"dry-{wanted.key}"

    def limit_payment_page(self, wanted: PaymentPageDraft, payments: int) -> None:
        """Note that a page would be closed or opened again."""
        self.noted.append("payment page changed")


class RehearsalCrm:
    """A CRM that is only read; ``noted`` counts the records that it would have been told of."""

    def __init__(self, real: Crm) -> None:
        self._real = real
        self.noted: list[str] = []
        self.update_batch = real.update_batch

    def __getattr__(self, name: str) -> Any:
        """Ask the vendor: all but ``update`` only reads."""
        return getattr(self._real, name)

    def update(self, object_type: str, batch: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Note which records would show something else."""
        name = {"deals": "deal", "companies": "company"}[object_type]
        self.noted += [f"{name} update"] * len(batch)
        return list(batch)
