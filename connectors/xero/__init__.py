"""Xero, through its SDK's client (xero-python).

How our nouns lie at Xero: a customer is a contact, its key the contact's ``ContactNumber``; a document is a sales
invoice or credit note under our number; a payment is found by its ``Reference`` and invoice; a class is a tracking
option. Dates of service, the mark and the e-mail of a document have no place at Xero and are not sent.
"""

from __future__ import annotations

from datetime import datetime

from connectors.base import (
    Collection,
    CustomerDraft,
    DocumentDraft,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerPayment,
    LedgerSetup,
    PaymentDraft,
    Ports,
    Probe,
    Settings,
)
from connectors.xero.client import LIMITS, Client, Json
from connectors.xero.customers import Customers
from connectors.xero.documents import KINDS, Documents, read_document
from connectors.xero.payments import Payments, read_payment
from connectors.xero.setup import Classes, organisation, read_setup
from connectors.xero.wire import moment, updated_at

__all__ = ["LIMITS", "Xero", "connect"]


class Xero:
    """One organisation's ledger."""

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
        """Return sales invoices, credit notes and the payments of invoices changed since ``since``.

        Pages are ordered by id, which does not change while they are read, and the cursor never passes the moment of
        the first answer: what changes during the reading comes again next time instead of being lost.
        """
        reading = _Reading(self._client, since)
        documents: list[LedgerDocument] = []
        for kind in KINDS:
            elements = reading.all(kind.path, f'Type=="{kind.type}"', kind.id)
            documents += [read_document(kind, element) for element in elements]
        elements = reading.all("Payments", 'PaymentType=="ACCRECPAYMENT"', "PaymentID")
        payments: list[LedgerPayment] = [read_payment(element) for element in elements]
        return LedgerChanges(documents=tuple(documents), payments=tuple(payments), cursor=reading.cursor())


class _Reading:
    """One pass over everything that changed, and how far it got."""

    def __init__(self, client: Client, since: datetime | None) -> None:
        self._client = client
        self._since = since
        self._latest = since
        self._began: datetime | None = None

    def all(self, path: str, where: str, order: str) -> list[Json]:
        """Return what changed at ``path``, over all pages."""
        found: list[Json] = []
        for answer in self._client.pages(path, [("where", where), ("order", f"{order} ASC")], self._since):
            self._began = self._began or moment(answer["DateTimeUTC"])
            found += answer[path]
        times = [time for element in found if (time := updated_at(element)) is not None]
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
