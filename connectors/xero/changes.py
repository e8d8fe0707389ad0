"""What changed at Xero since a moment, ours and others'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from connectors.base import EntryChanges, LedgerChanges, LedgerDocument, LedgerEntry, LedgerPayment
from connectors.xero.bank import read_expense, read_transfer
from connectors.xero.client import Client, Json
from connectors.xero.credits import ON_ACCOUNT
from connectors.xero.customers import read_customer
from connectors.xero.documents import KINDS, read_document
from connectors.xero.payments import OF_INVOICES, OF_REFUNDS, Payments, paid
from connectors.xero.refunds import read_refund
from connectors.xero.setup import Accounts, Organisation
from connectors.xero.wire import moment, updated_at

# What is saved just before a moment may show only after it; so much is read again each time.
OVERLAP = timedelta(minutes=1)

_RECEIVED = {
    "Overpayments": 'Type=="RECEIVE-OVERPAYMENT" OR Type=="AROVERPAYMENT"',
    "Prepayments": 'Type=="RECEIVE-PREPAYMENT" OR Type=="ARPREPAYMENT"',
}
_PAID = " OR ".join(f'PaymentType=="{one}"' for one in (OF_INVOICES, *OF_REFUNDS))
_SPENT = 'Type=="SPEND" OR Type=="RECEIVE"'
Found = TypeVar("Found")


def read_changes(client: Client, payments: Payments, since: datetime | None) -> LedgerChanges:
    """Read what changed since ``since``: contacts, sales invoices, credit notes, money on account, payments, refunds.

    Pages are ordered by id, which does not change while they are read, and the cursor never passes the moment of
    the first answer: what changes during the reading comes again next time instead of being lost.
    """
    reading = _Reading(client, since)
    customers = reading.all("Contacts", [("includeArchived", "true")], "ContactID", read_customer)
    documents: list[LedgerDocument] = []
    for kind in KINDS:
        wanted = [("where", f'Type=="{kind.type}"')]
        documents += reading.all(kind.path, wanted, kind.id, partial(read_document, kind))
    money: list[LedgerPayment] = []
    for source in ON_ACCOUNT:
        read = partial(payments.read_credit, source)
        money += reading.all(source.path, [("where", _RECEIVED[source.path])], source.id, read)
    currencies = {one.ref.id: one.currency for one in documents} | {one.ref.id: one.currency for one in money}
    entries: list[LedgerEntry] = []
    for page in reading.pages("Payments", [("where", _PAID)], "PaymentID"):
        money += payments.read_all([one for one in page if not _is_refund(one)], currencies)
        refunded = [one for one in page if _is_refund(one)]
        entries += [read_refund(one, currencies.get(paid(one), "")) for one in refunded]
    return LedgerChanges(
        customers=tuple(customers),
        documents=tuple(documents),
        payments=tuple(money),
        entries=tuple(entries),
        cursor=reading.cursor(),
    )


def read_entries(client: Client, accounts: Accounts, organisation: Organisation, since: datetime) -> EntryChanges:
    """Read money spent and received, and transfers, that changed since ``since``.

    A transfer does not say when it was changed, so the cursor is the moment of the first answer.
    """
    reading = _Reading(client, since)
    spent = reading.all("BankTransactions", [("where", _SPENT)], "BankTransactionID", read_expense)
    moved = client.get("BankTransfers", [("includeDeleted", "true")], since - OVERLAP)["BankTransfers"]
    currencies = accounts.currencies(organisation.currency()) if moved else {}
    transfers = [read_transfer(one, currencies.get(_source(one), "")) for one in moved]
    return EntryChanges(entries=(*spent, *transfers), cursor=reading.began)


def _is_refund(payment: Json) -> bool:
    return payment.get("PaymentType") in OF_REFUNDS


def _source(transfer: Json) -> str:
    return str((transfer.get("FromBankAccount") or {}).get("AccountID"))


class _Reading:
    """One pass over everything that changed, and how far it got."""

    def __init__(self, client: Client, since: datetime | None) -> None:
        self._client = client
        self._since = since
        self._latest = since
        self.began: datetime | None = None

    def all(self, path: str, wanted: list[tuple[str, str]], order: str, read: Callable[[Json], Found]) -> list[Found]:
        """Return what changed at ``path``, over all pages, as ``read`` makes it: a page is many times larger."""
        return [read(element) for page in self.pages(path, wanted, order) for element in page]

    def pages(self, path: str, wanted: list[tuple[str, str]], order: str) -> Iterator[list[Json]]:
        """Yield what changed at ``path``, page by page."""
        since = self._since - OVERLAP if self._since else None
        for answer in self._client.pages(path, [*wanted, ("order", f"{order} ASC")], since):
            if self.began is None and "DateTimeUTC" in answer:  # the envelope is not in the published specification
                self.began = moment(answer["DateTimeUTC"])
            times = [time for element in answer[path] if (time := updated_at(element)) is not None]
            self._latest = max([*times, *([self._latest] if self._latest else [])], default=None)
            yield answer[path]

    def cursor(self) -> datetime | None:
        """Return the latest change seen, but nothing later than the beginning of this pass."""
        if self._latest is None or self.began is None or self._latest == self._since:
            return self._latest
        return min(self._latest, self.began)
