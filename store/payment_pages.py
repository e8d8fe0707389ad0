"""Pages of a payment provider on which an invoice of ours can be paid: at most one at a time for each."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store
from store.mail import Booked

MADE, ENDED, AGAIN = "payment_page", "payment_page_end", "payment_page_again"  # their kinds in the outbox
PAID = "it was paid by this page"
_KEY = "p.data ->> '$.marks.page'"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page for what was open of a document, in minor units. ``ended``: why it takes no payment any more."""

    id: int
    document_id: int
    connection: str
    key: str
    amount: int
    ended: str = ""


class Failure(NamedTuple):
    """A payment by a page that failed after all: its number, and how many failed on that page up to it."""

    payment_id: int
    page: Page
    nth: int


def lacking(store: Store, entity: str, connection: str, ledger: str) -> list[Booked]:
    """Return the invoices of an entity that are in its books, have something open, and no page."""
    return store.rows(
        Booked,
        "SELECT d.*, l.vendor_id FROM documents d JOIN links l ON l.connection=?3 AND l.kind='document'"
        " AND l.our_id=d.id WHERE d.entity=?1 AND d.status='issued' AND d.type='invoice' AND d.open>0 AND NOT EXISTS"
        " (SELECT 1 FROM payment_pages g WHERE g.document_id=d.id AND g.connection=?2 AND g.ended='') ORDER BY d.id",
        entity,
        connection,
        ledger,
    )


def outdated(store: Store, connection: str) -> list[tuple[Page, str]]:
    """Return the pages that ask for something else than what is open of their documents, and why.

    ``PAID`` where it is known that the page has taken its payment: then it takes no other.
    """
    sql = (
        "SELECT g.*, d.status AS state, d.open AS open, EXISTS (SELECT 1 FROM applications a JOIN payments p"
        f" ON p.id=a.payment_id AND p.connection=g.connection AND {_KEY}=g.key WHERE a.document_id=d.id) AS paid"
        " FROM payment_pages g JOIN documents d ON d.id=g.document_id WHERE g.connection=? AND g.ended=''"
        " AND (d.open<>g.amount OR d.status<>'issued') ORDER BY g.id"
    )
    return [(row, row.why) for row in store.rows(_Outdated, sql, connection)]


class _Outdated(Page, frozen=True, kw_only=True):
    state: str
    open: int
    paid: bool

    @property
    def why(self) -> str:
        if self.paid:
            return PAID
        if self.state != "issued":
            return f"the invoice is {self.state}"
        return "something else is open now" if self.open else "the invoice was paid in another way"


def failures(store: Store, connection: str) -> list[Failure]:
    """Return the payments by pages still wanted that failed after all, and that the pages do not make up for yet."""
    sql = (
        "SELECT p.id AS payment_id, count(*) OVER (PARTITION BY g.id ORDER BY p.id) AS nth, g.* FROM payments p"
        f" CROSS JOIN payment_pages g ON g.key={_KEY} AND g.connection=p.connection AND g.ended=''"
        " WHERE p.connection=? AND p.status='failed' ORDER BY p.id"
    )
    return [Failure(row.payment_id, row, row.nth) for row in store.rows(_Failed, sql, connection)]


class _Failed(Page, frozen=True, kw_only=True):
    payment_id: int
    nth: int


def add(store: Store, connection: str, row: Booked) -> Page:
    """Say that an invoice gets a page for what is open of it. Call inside a transaction.

    Its key follows from the invoice: a restored store comes to the same one, and so to the same page.
    """
    nth = store.one("SELECT count(*) FROM payment_pages WHERE document_id=? AND connection=?", row.id, connection)
    said = f"{connection}/{row.entity}/{row.number}/{row.open} {row.currency}/{nth}"
    key = hashlib.sha256(said.encode()).hexdigest()[:24]
    new = store.insert("payment_pages", document_id=row.id, connection=connection, key=key, amount=row.open)
    return Page(id=new, document_id=row.id, connection=connection, key=key, amount=row.open)


def end(store: Store, actor: Actor, page: Page, why: str) -> None:
    """Say that a page is to take no payment any more. Call inside a transaction."""
    store.execute("UPDATE payment_pages SET ended=? WHERE id=?", why, page.id)
    audit.write(store, actor, "payment page ended", f"document:{page.document_id}", reason=why)


def is_ending(store: Store, document_id: int) -> bool:
    """Say whether an earlier page of a document may take a payment still: it is not known to be closed."""
    sql = (
        "SELECT 1 FROM payment_pages g JOIN outbox o ON o.connection=g.connection AND o.kind=? AND o.our_id=g.id"
        " AND o.state<>'done' WHERE g.document_id=?"
    )
    return store.one(sql, ENDED, document_id) is not None


def address(store: Store, document_id: int) -> str:
    """Return where a document can be paid now; empty where it has no page, or none yet."""
    sql = (
        "SELECT l.vendor_id FROM payment_pages g JOIN links l ON l.connection=g.connection AND l.kind=?"
        " AND l.our_id=g.id JOIN documents d ON d.id=g.document_id AND d.open=g.amount"
        " WHERE g.document_id=? AND g.ended=''"
    )
    return str(store.one(sql, MADE, document_id) or "")


def is_refused(store: Store, document_id: int) -> bool:
    """Say whether a page of a document waits for a person."""
    sql = (
        "SELECT 1 FROM payment_pages g JOIN outbox o ON o.connection=g.connection AND o.kind IN (?, ?)"
        " AND o.our_id=g.id AND o.state='parked' WHERE g.document_id=?"
    )
    return store.one(sql, MADE, ENDED, document_id) is not None
