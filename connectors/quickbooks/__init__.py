"""QuickBooks Online as a ledger: one company, batches of 30, everything found again by our number or key.

What to know (sources in the company's documentation at developer.intuit.com):

- A customer has one currency for good, so each of our customers is one there per currency: ``Acme`` in the home
  currency, ``Acme (EUR)`` in euros. Names are shared with vendors and employees.
- Reads are metered and writes are not, so totals come from the answer to the create and lists are read once.
- ``DocNumber`` is unique per kind of document only while the company's setting for custom numbers is on.
- What has a version (``SyncToken``) is read before it is changed, and once more when somebody else was quicker.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.base import (
    AllocationDraft,
    Collection,
    CustomerDraft,
    DocumentDraft,
    DocumentType,
    EntryChanges,
    ExpenseDraft,
    JournalDraft,
    LedgerAllocation,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerEntry,
    LedgerPayment,
    LedgerSetup,
    Memory,
    PaymentDraft,
    Ports,
    Probe,
    Ref,
    RefundDraft,
    Settings,
    TransferDraft,
)
from connectors.quickbooks import attachments, changes
from connectors.quickbooks.allocations import Allocations
from connectors.quickbooks.catalogue import Catalogue, read_setup
from connectors.quickbooks.customers import Customers
from connectors.quickbooks.documents import ENTITIES, Documents
from connectors.quickbooks.money import Expenses, Journals, Transfers
from connectors.quickbooks.payments import Payments
from connectors.quickbooks.refunds import Refunds
from connectors.quickbooks.transport import LAG, Transport


def connect(settings: Settings, ports: Ports) -> QuickBooksLedger:
    """Return the connector of one company; ``settings.account`` is its realm id. Nothing is called yet."""
    return QuickBooksLedger(settings, ports)


class QuickBooksLedger:
    """The accounting role at one QuickBooks company."""

    memory = Memory(keys=timedelta(0), lag=LAG)  # how long Intuit knows a requestid is not published

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._transport = Transport(settings, ports)
        self._catalogue = Catalogue(self._transport, ports.clock)
        parts = (self._transport, self._catalogue)
        self._customers, self._documents, self._payments = Customers(*parts), Documents(*parts), Payments(*parts)
        self.customers: Collection[CustomerDraft, LedgerCustomer] = self._customers
        self.documents: Collection[DocumentDraft, LedgerDocument] = self._documents
        self.payments: Collection[PaymentDraft, LedgerPayment] = self._payments
        self.allocations: Collection[AllocationDraft, LedgerAllocation] = Allocations(*parts)
        self._refunds = Refunds(*parts)
        self.refunds: Collection[RefundDraft, LedgerEntry] = self._refunds
        self.transfers: Collection[TransferDraft, LedgerEntry] = Transfers(*parts)
        self.expenses: Collection[ExpenseDraft, LedgerEntry] = Expenses(*parts)
        self.journals: Collection[JournalDraft, LedgerEntry] = Journals(*parts)

    def probe(self) -> Probe:
        """Read the company's name."""
        return Probe(account_name=str(self._transport.company_info().get("CompanyName", "")))

    def update_customer(self, ref: Ref, draft: CustomerDraft, key: str) -> LedgerCustomer:
        """Write our fields over a customer's own; a stale version writes nothing."""
        return self._customers.update(ref, draft, key)

    def document(self, document: Ref, kind: DocumentType) -> LedgerDocument:
        """Return an invoice or credit memo as it is now."""
        return self._documents.get(document, kind)

    def update_document(self, seen: LedgerDocument, draft: DocumentDraft, key: str) -> LedgerDocument:
        """Write over an invoice or credit memo what it does not say any more of ``draft``, by a sparse update."""
        return self._documents.update(seen, draft, key)

    def void_document(self, document: Ref, kind: DocumentType, key: str) -> LedgerDocument:
        """Void an invoice, or empty a credit memo, that nothing is paid or used of."""
        return self._documents.void(document, kind, key)

    def void_payment(self, payment: Ref, key: str) -> LedgerPayment:
        """Void a payment; what it paid is open again."""
        return self._payments.void(payment, key)

    def void_refund(self, refund: Ref, posted: RefundDraft, key: str) -> LedgerEntry:
        """Take a check off the credit that it was paid from, and delete it: QuickBooks' API voids no checks."""
        return self._refunds.void(refund, posted, key)

    def attach(self, document: Ref, kind: DocumentType, name: str, content: bytes, key: str) -> None:
        """Hang a PDF on a document, once under its name."""
        attachments.attach(self._transport, document, kind, name, content, key)

    def setup(self) -> LedgerSetup:
        """Read accounts, items, tax codes, classes and the settings that matter, afresh."""
        return read_setup(self._transport)

    def hindrance(self) -> str:
        """Say when QuickBooks numbers documents by itself: what we send could not be found again by our number."""
        return self._catalogue.numbering()

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return what changed; see ``changes.read`` for which deletions are told."""
        return changes.read(self._transport, since)

    def entry_changes(self, since: datetime) -> EntryChanges:
        """Return nothing: ``changes`` tells of these in the same call."""
        return EntryChanges()

    def numbers(self, prefix: str) -> list[str]:
        """Return the numbers that begin with ``prefix``; QuickBooks numbers invoices and credit memos apart."""
        found = [row for entity in ("Invoice", "CreditMemo") for row in self._transport.named(entity, prefix)]
        return [number for row in found if (number := str(row.get("DocNumber") or "")).startswith(prefix)]

    def pdf(self, document: Ref, kind: DocumentType) -> bytes:
        """Return an invoice or credit memo as QuickBooks prints it."""
        return self._transport.pdf(ENTITIES[kind], document.id)

    def payment_link(self, document: Ref) -> str:
        """Return the invoice's own page; empty where the company takes no online payments."""
        return self._transport.invoice_link(document.id)

    def send(self, document: Ref, kind: DocumentType, email: str, key: str) -> None:
        """Let QuickBooks mail a document with its own text."""
        self._transport.mail(ENTITIES[kind], document.id, email, key)
