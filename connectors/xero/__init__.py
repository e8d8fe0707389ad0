"""Xero, through its SDK's client (xero-python).

How our nouns lie at Xero: a customer is a contact, its key the contact's ``ContactNumber``; a document is a sales
invoice or credit note under our number; a payment is found by its ``Reference`` and invoice; a class is a tracking
option. Money on account is an overpayment, a refund a payment against the credit, an expense money spent out of a bank
account, a journal entry a manual journal. Dates of service, the mark, the e-mail and the terms of a document have no
place at Xero and are not sent.
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
from connectors.xero import delivery
from connectors.xero.bank import Expenses, Transfers
from connectors.xero.changes import read_changes, read_entries
from connectors.xero.client import LIMITS, Client
from connectors.xero.credits import Allocations, Credits
from connectors.xero.customers import Customers
from connectors.xero.documents import KINDS, Documents, void_document
from connectors.xero.journals import Journals
from connectors.xero.payments import Payments
from connectors.xero.refunds import Refunds
from connectors.xero.setup import Accounts, Classes, Organisation, read_setup

__all__ = ["LIMITS", "Xero", "connect"]


class Xero:
    """One organisation's ledger."""

    # Keys live six minutes (Xero's idempotency guide). It publishes no delay of its lists; a minute is ours.
    memory = Memory(keys=timedelta(minutes=6), lag=timedelta(minutes=1))

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._client = client = Client(settings, ports)
        self._classes = classes = Classes(client)
        self._accounts = accounts = Accounts(client)
        self._organisation = organisation = Organisation(client)
        credits = Credits(client)
        self._customers = Customers(client)
        self._payments = Payments(client, accounts, credits)
        self.customers: Collection[CustomerDraft, LedgerCustomer] = self._customers
        self._documents = Documents(client, classes, organisation)
        self.documents: Collection[DocumentDraft, LedgerDocument] = self._documents
        self.payments: Collection[PaymentDraft, LedgerPayment] = self._payments
        self.allocations: Collection[AllocationDraft, LedgerAllocation] = Allocations(client, credits)
        self._refunds = Refunds(client, credits)
        self.refunds: Collection[RefundDraft, LedgerEntry] = self._refunds
        self.transfers: Collection[TransferDraft, LedgerEntry] = Transfers(client, accounts)
        self.expenses: Collection[ExpenseDraft, LedgerEntry] = Expenses(client, accounts, organisation)
        self.journals: Collection[JournalDraft, LedgerEntry] = Journals(client, accounts, classes, organisation)

    def probe(self) -> Probe:
        """Read the organisation's name."""
        return Probe(account_name=self._organisation.read()["Name"])

    def setup(self) -> LedgerSetup:
        """Read accounts, items, tax rates, tracking options and lock dates."""
        return read_setup(self._client, self._organisation.read(), self._accounts.read(), self._classes)

    def update_customer(self, ref: Ref, draft: CustomerDraft, key: str) -> LedgerCustomer:
        """Bring a contact's own fields in step with ours; Xero keeps no versions, the last write wins."""
        return self._customers.update(ref, draft, key)

    def document(self, document: Ref, kind: DocumentType) -> LedgerDocument:
        """Return an invoice or credit note as it is now."""
        return self._documents.get(document.id, kind)

    def update_document(self, seen: LedgerDocument, draft: DocumentDraft, key: str) -> LedgerDocument:
        """Write over an invoice or credit note what it does not say any more of ``draft``."""
        return self._documents.update(seen, draft, key)

    def void_document(self, document: Ref, kind: DocumentType, key: str) -> LedgerDocument:
        """Void an approved document, delete a draft. Raises ``Refused``: what was paid or used cannot be voided."""
        return void_document(self._client, document.id, kind, key)

    def void_payment(self, payment: Ref, key: str) -> LedgerPayment:
        """Delete a payment or money on account, which is Xero's only way. Raises ``Refused``."""
        return self._payments.void(payment.id, key)

    def void_refund(self, refund: Ref, posted: RefundDraft, key: str) -> LedgerEntry:
        """Delete the payment that a refund is; what it was taken from has it again. Raises ``Refused``."""
        return self._refunds.void(refund, posted, key)

    def attach(self, document: Ref, kind: DocumentType, name: str, content: bytes, key: str) -> None:
        """Hang a PDF on a document."""
        delivery.attach(self._client, kind, document.id, name, content, key)

    def hindrance(self) -> str:
        """Return nothing: Xero always takes our numbers."""
        return ""

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return contacts, sales invoices, credit notes, payments of invoices and money on account, as changed."""
        return read_changes(self._client, self._payments, since)

    def entry_changes(self, since: datetime) -> EntryChanges:
        """Return money spent and received and transfers, as changed; ``changes`` tells of refunds."""
        return read_entries(self._client, self._accounts, self._organisation, since)

    def numbers(self, prefix: str) -> list[str]:
        """Return the numbers that begin with ``prefix``, of voided and deleted documents too: Xero keeps them taken."""
        found: list[str] = []
        for kind in KINDS:
            wanted = f'Type=="{kind.type}" AND {kind.number}.StartsWith("{prefix}")'
            for answer in self._client.pages(kind.path, [("where", wanted), ("order", f"{kind.id} ASC")]):
                found += [str(element[kind.number]) for element in answer[kind.path] if element.get(kind.number)]
        return [number for number in found if number.startswith(prefix)]

    def pdf(self, document: Ref, kind: DocumentType) -> bytes:
        """Return an invoice or credit note as Xero prints it."""
        return delivery.pdf(self._client, kind, document.id)

    def payment_link(self, document: Ref) -> str:
        """Return the invoice's page at Xero."""
        return delivery.payment_link(self._client, document.id)

    def send(self, document: Ref, kind: DocumentType, email: str, key: str) -> None:
        """Let Xero mail an invoice to its contact, who must have this address there."""
        delivery.send(self._client, kind, document.id, email, key)


def connect(settings: Settings, ports: Ports) -> Xero:
    """Return the ledger of ``settings``; ``settings.account`` is the tenant id."""
    return Xero(settings, ports)
