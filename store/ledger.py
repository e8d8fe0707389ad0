"""The books as last seen: customers, documents and payments of each ledger, ours and others'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from store.database import Store, to_json

T = TypeVar("T", bound=msgspec.Struct)
SOME = 1000  # objects that are in memory at once


def save(store: Store, connection: str, kind: str, objects: Sequence[tuple[str, msgspec.Struct]]) -> int:
    """Store (vendor id, object) as the ledger has them now; return how many differ from what was known."""
    changed = 0
    for vendor_id, thing in objects:
        data = to_json(thing)
        known = store.one(
            "SELECT data FROM ledger_objects WHERE connection=? AND kind=? AND vendor_id=?", connection, kind, vendor_id
        )
        if known != data:
            changed += 1
            store.execute(
                "INSERT INTO ledger_objects (connection, kind, vendor_id, data) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (connection, kind, vendor_id) DO UPDATE SET data=excluded.data",
                connection,
                kind,
                vendor_id,
                data,
            )
    return changed


def get(store: Store, connection: str, kind: str, vendor_id: str, record: type[T]) -> T | None:
    """Return one object as last seen."""
    data = store.one(
        "SELECT data FROM ledger_objects WHERE connection=? AND kind=? AND vendor_id=?", connection, kind, vendor_id
    )
    return None if data is None else msgspec.json.decode(data, type=record)


def ids(store: Store, connection: str, kind: str) -> set[str]:
    """Return the vendor ids of every object of a kind as last seen."""
    rows = store.tuples("SELECT vendor_id FROM ledger_objects WHERE connection=? AND kind=?", connection, kind)
    return {vendor_id for (vendor_id,) in rows}


_OURS = (
    "SELECT l.vendor_id, l.our_id, g.data, o.payload FROM links l"
    " JOIN ledger_objects g ON g.connection=l.connection AND g.kind='document' AND g.vendor_id=l.vendor_id"
    " LEFT JOIN outbox o ON o.connection=l.connection AND o.kind='document' AND o.our_id=l.our_id"
    " WHERE l.connection=? AND l.kind='document'"
)


def documents_of_ours(store: Store, connection: str) -> Iterator[tuple[int, str, str | None]]:
    """Yield (our id, how it was last seen there, what we booked as far as known; both JSON) of our documents."""
    last = ""
    while some := store.tuples(f"{_OURS} AND l.vendor_id>? ORDER BY l.vendor_id LIMIT {SOME}", connection, last):
        last = some[-1][0]
        yield from ((our_id, there, booked) for _, our_id, there, booked in some)


def document_of_ours(store: Store, connection: str, our_id: int) -> tuple[str, str | None] | None:
    """Return the same (how it was last seen, what we booked) of one of our documents, None where it is not there."""
    for _, _, there, booked in store.tuples(f"{_OURS} AND l.our_id=?", connection, our_id):
        return there, booked
    return None


def entries_of_ours(store: Store, connection: str, kinds: Iterable[str]) -> list[tuple[str, int, str, str, str]]:
    """Return (kind, our id, currency, how it was last seen, what we booked; both JSON) of entries that we booked."""
    names = tuple(kinds)
    sql = (
        "SELECT l.kind, l.our_id, l.currency, g.data, o.payload FROM ledger_objects g"
        " JOIN links l ON l.connection=g.connection AND l.vendor_id=g.vendor_id"
        " JOIN outbox o ON o.connection=l.connection AND o.kind=l.kind AND o.our_id=l.our_id AND o.currency=l.currency"
        f" WHERE g.connection=? AND g.kind='entry' AND l.kind IN ({', '.join('?' * len(names))})"
        " ORDER BY l.kind, l.our_id, l.currency"
    )
    return store.tuples(sql, connection, *names)


def open_credit(store: Store, connection: str) -> list[tuple[int, str, int]]:
    """Return (our customer, currency, minor units) of every credit note there that is not used up."""
    sql = (
        "SELECT (SELECT max(+l.our_id) FROM links l WHERE l.connection=?1 AND l.kind='customer'"
        " AND l.vendor_id=o.data ->> 'customer_id') AS ours, o.data ->> 'currency', o.data ->> 'balance'"
        " FROM ledger_objects o WHERE o.connection=?1 AND o.kind='document' AND o.data ->> 'type'='credit_note'"
        " AND o.data ->> 'status'='open' AND ours IS NOT NULL"
    )
    return [(ours, currency, int(balance)) for ours, currency, balance in store.tuples(sql, connection)]


def numbers_of_others(store: Store, connection: str, entity: str) -> list[str]:
    """Return the numbers of documents there that are neither linked to ours nor called like one of the entity's."""
    sql = (
        "SELECT o.data ->> 'number' AS number FROM ledger_objects o WHERE o.connection=?1 AND o.kind='document'"
        " AND NOT EXISTS (SELECT 1 FROM links l WHERE l.connection=o.connection AND l.kind='document'"
        " AND l.vendor_id=o.vendor_id)"
        " AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.entity=?2 AND d.number=o.data ->> 'number')"
    )
    return [number for (number,) in store.tuples(sql, connection, entity)]


def objects(store: Store, connection: str, kind: str, record: type[T]) -> Iterator[T]:
    """Yield every object of a kind as last seen, however many there are; what is written meanwhile disturbs nothing."""
    decoder = msgspec.json.Decoder(record)
    sql = "SELECT vendor_id, data FROM ledger_objects WHERE connection=? AND kind=? AND vendor_id>? ORDER BY vendor_id"
    last = ""
    while some := store.tuples(f"{sql} LIMIT {SOME}", connection, kind, last):
        last = some[-1][0]
        for _, data in some:
            yield decoder.decode(data)
