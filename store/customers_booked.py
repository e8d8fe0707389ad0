"""Customers that we made in the books: how we last wrote them, how the CRM has them now, and how the books do."""

from __future__ import annotations

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A customer in the books for documents in ``currency``; ``overwrite``: a person wants it as the CRM has it.

    ``sent``, ``customer`` and ``there`` are JSON: the draft that was last written, the CRM's, and the ledger's.
    """

    our_id: int
    currency: str
    vendor_id: str
    sent: str
    customer: str
    there: str | None
    overwrite: bool


_SENT = "coalesce(w.sent, o.payload)"
_BOOKED = (
    f"SELECT l.our_id, l.currency, l.vendor_id, {_SENT} AS sent, c.data AS customer, g.data AS there,"
    " coalesce(w.overwrite, 0) AS overwrite FROM links l"
    " JOIN outbox o ON o.connection=l.connection AND o.kind='customer' AND o.our_id=l.our_id"
    " AND o.currency=l.currency AND o.state='done' JOIN customers c ON c.id=l.our_id"
    " LEFT JOIN written_customers w ON w.connection=l.connection AND w.our_id=l.our_id AND w.currency=l.currency"
    " LEFT JOIN ledger_objects g ON g.connection=l.connection AND g.kind='customer' AND g.vendor_id=l.vendor_id"
    " WHERE l.connection=? AND l.kind='customer'"
)
_EDITED = (
    f"coalesce(g.data ->> '$.email', '')<>coalesce({_SENT} ->> '$.customer.email', '')"
    f" OR coalesce(g.data ->> '$.tax_id', '')<>coalesce({_SENT} ->> '$.customer.tax_id', '')"
    f" OR g.data ->> '$.name' NOT IN ({_SENT} ->> '$.customer.name',"
    f" ({_SENT} ->> '$.customer.name') || ' (' || l.currency || ')')"
)


def changed(store: Store, connection: str) -> list[Booked]:
    """Return the customers that the CRM has otherwise than we last wrote them, and those to be overwritten."""
    return store.rows(Booked, f"{_BOOKED} AND ({_SENT} ->> '$.customer'<>c.data OR w.overwrite=1)", connection)


def edited(store: Store, connection: str) -> list[Booked]:
    """Return the customers that the ledger may have otherwise than we last wrote them, by what it shows of them."""
    return store.rows(Booked, f"{_BOOKED} AND g.data IS NOT NULL AND ({_EDITED})", connection)


def wrote(store: Store, connection: str, our_id: int, currency: str, sent: str) -> None:
    """Remember the draft (JSON) that a customer was last written as. Call inside a transaction."""
    store.execute(
        "INSERT INTO written_customers (connection, our_id, currency, sent) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (connection, our_id, currency) DO UPDATE SET sent=excluded.sent, overwrite=0",
        connection,
        our_id,
        currency,
        sent,
    )


def overwrite(store: Store, actor: Actor, connection: str, our_id: int, currency: str, reason: str) -> None:
    """Let a customer be written as the CRM has it, whatever people made of it. Call inside a transaction."""
    store.execute(
        "INSERT INTO written_customers (connection, our_id, currency, overwrite, sent) SELECT ?, ?, ?, 1, payload"
        " FROM outbox WHERE connection=? AND kind='customer' AND our_id=? AND currency=?"
        " ON CONFLICT (connection, our_id, currency) DO UPDATE SET overwrite=1",
        connection,
        our_id,
        currency,
        connection,
        our_id,
        currency,
    )
    audit.write(store, actor, "overwrite", f"customer:{our_id}", after={"connection": connection}, reason=reason)
