"""Deals as pulled, and how far each pull has come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from store.database import Store, to_json


def save_page(
    store: Store, connection: str, stream: str, deals: Sequence[tuple[str, Any]], cursor: datetime | None
) -> int:
    """Store one page of (id, deal) with the cursor that it covers, in one transaction; return how many changed."""
    changed = []
    for deal_id, deal in deals:
        data = to_json(deal)
        digest = hashlib.sha256(data.encode()).hexdigest()
        if store.one("SELECT digest FROM deals WHERE connection=? AND id=?", connection, deal_id) != digest:
            changed.append((connection, deal_id, digest, data))
    with store.transaction():
        store.many(
            "INSERT INTO deals (connection, id, digest, data) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (connection, id) DO UPDATE SET digest=excluded.digest, data=excluded.data",
            changed,
        )
        set_cursor(store, connection, stream, cursor)
    return len(changed)


def all_deals(store: Store, connection: str) -> Iterator[dict[str, Any]]:
    """Yield every stored deal of a CRM connection in order of id."""
    for (data,) in store.tuples("SELECT data FROM deals WHERE connection=? ORDER BY id", connection):
        yield msgspec.json.decode(data)


def count(store: Store) -> int:
    """Return how many deals are stored."""
    return int(store.one("SELECT count(*) FROM deals"))


def cursor(store: Store, connection: str, stream: str) -> datetime | None:
    """Return how far a stream has been pulled, None when never."""
    value = store.one("SELECT value FROM cursors WHERE connection=? AND stream=?", connection, stream)
    return None if value is None else datetime.fromisoformat(value)


def set_cursor(store: Store, connection: str, stream: str, value: datetime | None) -> None:
    """Move a cursor forward, inside the transaction that stores the rows it covers; it never goes back."""
    if value is None:
        return
    before = cursor(store, connection, stream)
    if before is None or value > before:
        store.execute(
            "INSERT INTO cursors (connection, stream, value) VALUES (?, ?, ?)"
            " ON CONFLICT (connection, stream) DO UPDATE SET value=excluded.value",
            connection,
            stream,
            value.isoformat(),
        )
