"""What changed at Xero since a moment, ours and others'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from connectors.base import LedgerChanges, LedgerDocument, LedgerPayment
from connectors.xero.client import Client, Json
from connectors.xero.credits import ON_ACCOUNT
from connectors.xero.customers import read_customer
from connectors.xero.documents import KINDS, read_document
from connectors.xero.payments import OF_INVOICES, Payments
from connectors.xero.wire import moment, updated_at

# What is saved just before a moment may show only after it; so much is read again each time.
OVERLAP = timedelta(minutes=1)

_RECEIVED = {
    "Overpayments": 'Type=="RECEIVE-OVERPAYMENT" OR Type=="AROVERPAYMENT"',
    "Prepayments": 'Type=="RECEIVE-PREPAYMENT" OR Type=="ARPREPAYMENT"',
}
Found = TypeVar("Found")


def read_changes(client: Client, payments: Payments, since: datetime | None) -> LedgerChanges:
    """Read contacts, sales invoices, credit notes, payments of invoices and money on account changed since ``since``.

    Pages are ordered by id, which does not change while they are read, and the cursor never passes the moment of
    the first answer: what changes during the reading comes again next time instead of being lost.
    """
    reading = _Reading(client, since)
    customers = reading.all("Contacts", [("includeArchived", "true")], "ContactID", read_customer)
    documents: list[LedgerDocument] = []
    for kind in KINDS:
        wanted = [("where", f'Type=="{kind.type}"')]
        documents += reading.all(kind.path, wanted, kind.id, partial(read_document, kind))
    currencies = {document.ref.id: document.currency for document in documents}
    money: list[LedgerPayment] = []
    for page in reading.pages("Payments", [("where", f'PaymentType=="{OF_INVOICES}"')], "PaymentID"):
        money += payments.read_all(page, currencies)
    for source in ON_ACCOUNT:
        read = partial(payments.read_credit, source)
        money += reading.all(source.path, [("where", _RECEIVED[source.path])], source.id, read)
    return LedgerChanges(
        customers=tuple(customers), documents=tuple(documents), payments=tuple(money), cursor=reading.cursor()
    )


class _Reading:
    """One pass over everything that changed, and how far it got."""

    def __init__(self, client: Client, since: datetime | None) -> None:
        self._client = client
        self._since = since
        self._latest = since
        self._began: datetime | None = None

    def all(self, path: str, wanted: list[tuple[str, str]], order: str, read: Callable[[Json], Found]) -> list[Found]:
        """Return what changed at ``path``, over all pages, as ``read`` makes it: a page is many times larger."""
        return [read(element) for page in self.pages(path, wanted, order) for element in page]

    def pages(self, path: str, wanted: list[tuple[str, str]], order: str) -> Iterator[list[Json]]:
        """Yield what changed at ``path``, page by page."""
        since = self._since - OVERLAP if self._since else None
        for answer in self._client.pages(path, [*wanted, ("order", f"{order} ASC")], since):
            self._began = self._began or moment(answer["DateTimeUTC"])
            times = [time for element in answer[path] if (time := updated_at(element)) is not None]
            self._latest = max([*times, *([self._latest] if self._latest else [])], default=None)
            yield answer[path]

    def cursor(self) -> datetime | None:
        """Return the latest change seen, but nothing later than the beginning of this pass."""
        if self._latest is None or self._began is None or self._latest == self._since:
            return self._latest
        return min(self._latest, self._began)
