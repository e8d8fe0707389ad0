"""Xero, through its SDK's client (xero-python).

How our nouns lie at Xero: a customer is a contact, its key the contact's ``ContactNumber``; a document is a sales
invoice or credit note under our number; a payment is found by its ``Reference`` and invoice; a class is a tracking
option. Dates of service, the mark and the e-mail of a document have no place at Xero and are not sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from connectors.base import (
    Collection,
    CustomerDraft,
    DocumentDraft,
    DocumentType,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerPayment,
    LedgerSetup,
    Memory,
    PaymentDraft,
    Ports,
    Probe,
    Ref,
    Settings,
)
from connectors.xero import delivery
from connectors.xero.client import LIMITS, Client, Json
from connectors.xero.customers import Customers, read_customer
from connectors.xero.documents import KINDS, Documents, read_document
from connectors.xero.payments import Payments, read_payment
from connectors.xero.setup import Classes, organisation, read_setup
from connectors.xero.wire import moment, updated_at

Found = TypeVar("Found")

__all__ = ["LIMITS", "Xero", "connect"]


class Xero:
    """One organisation's ledger."""

    # Keys live six minutes (Xero's idempotency guide). It publishes no delay of its lists; a minute is ours.
    memory = Memory(keys=timedelta(minutes=6), lag=timedelta(minutes=1))

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._client = Client(settings, ports)
        self._classes = Classes(self._client)
        self.customers: Collection[CustomerDraft, LedgerCustomer] = Customers(self._client)
        self.documents: Collection[DocumentDraft, LedgerDocument] = Documents(self._client, self._classes)
        self.payments: Collection[PaymentDraft, LedgerPayment] = Payments(self._client)

    def probe(self) -> Probe:
        """Read the organisation's name."""
        return Probe(account_name=organisation(self._client)["Name"])

    def setup(self) -> LedgerSetup:
        """Read accounts, items, tax rates and tracking options."""
        return read_setup(self._client, self._classes)

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return contacts, sales invoices, credit notes and the payments of invoices changed since ``since``.

        Pages are ordered by id, which does not change while they are read, and the cursor never passes the moment of
        the first answer: what changes during the reading comes again next time instead of being lost.
        """
        reading = _Reading(self._client, since)
        customers = reading.all("Contacts", [("includeArchived", "true")], "ContactID", read_customer)
        documents: list[LedgerDocument] = []
        for kind in KINDS:
            wanted = [("where", f'Type=="{kind.type}"')]
            documents += reading.all(kind.path, wanted, kind.id, partial(read_document, kind))
        payments = reading.all("Payments", [("where", 'PaymentType=="ACCRECPAYMENT"')], "PaymentID", read_payment)
        return LedgerChanges(
            customers=tuple(customers), documents=tuple(documents), payments=tuple(payments), cursor=reading.cursor()
        )

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


class _Reading:
    """One pass over everything that changed, and how far it got."""

    def __init__(self, client: Client, since: datetime | None) -> None:
        self._client = client
        self._since = since
        self._latest = since
        self._began: datetime | None = None

    def all(self, path: str, wanted: list[tuple[str, str]], order: str, read: Callable[[Json], Found]) -> list[Found]:
        """Return what changed at ``path``, over all pages, as ``read`` makes it: a page is many times larger."""
        found: list[Found] = []
        for answer in self._client.pages(path, [*wanted, ("order", f"{order} ASC")], self._since):
            self._began = self._began or moment(answer["DateTimeUTC"])
            found += [read(element) for element in answer[path]]
            times = [time for element in answer[path] if (time := updated_at(element)) is not None]
            self._latest = max([*times, *([self._latest] if self._latest else [])], default=None)
        return found

    def cursor(self) -> datetime | None:
        """Return the latest change seen, but nothing later than the beginning of this pass."""
        if self._latest is None or self._began is None or self._latest == self._since:
            return self._latest
        return min(self._latest, self._began)


def connect(settings: Settings, ports: Ports) -> Xero:
    """Return the ledger of ``settings``; ``settings.account`` is the tenant id."""
    return Xero(settings, ports)
