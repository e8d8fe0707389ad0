"""Deals as pulled, what became of them, and how far each pull has come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from store.database import Store, to_json


def save_page(
    store: Store, connection: str, stream: str, deals: Sequence[tuple[str, Any]], cursor: datetime | None
) -> int:
    """Store one page of (id, won deal) with the cursor that it covers, in one transaction; return how many changed.

    When a deal was modified is no part of what it says: our own writes to the CRM change nothing here.
    """
    known = _digests(store, connection, [deal_id for deal_id, _ in deals])
    changed = []
    for deal_id, deal in deals:
        content = msgspec.json.encode(deal, order="sorted")
        digest = hashlib.sha256(msgspec.json.encode(_undated(deal), order="sorted")).hexdigest()
        if known.get(deal_id) != digest:
            changed.append((connection, deal_id, digest, content.decode()))
    with store.transaction():
        store.many(
            "INSERT INTO deals (connection, id, digest, data) VALUES (?, ?, ?, ?) ON CONFLICT (connection, id)"
            " DO UPDATE SET digest=excluded.digest, data=excluded.data, fate='won', became=''",
            changed,
        )
        set_cursor(store, connection, stream, cursor)
    return len(changed)


def _digests(store: Store, connection: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the digests of those of these deals that count as won, by id."""
    wanted = to_json(list(ids))
    return dict(
        store.tuples(
            "SELECT id, digest FROM deals WHERE connection=? AND fate='won' AND id IN (SELECT value FROM json_each(?))",
            connection,
            wanted,
        )
    )


def _undated(deal: Any) -> Any:
    return {**deal, "modified_at": None} if isinstance(deal, dict) else msgspec.structs.replace(deal, modified_at=None)


def save_fates(store: Store, connection: str, fates: Sequence[tuple[str, str, str]]) -> int:
    """Store what became of deals, (id, fate, what it became): of those that are known. Return how many changed.

    Call inside a transaction.
    """
    return sum(
        store.execute(
            "UPDATE deals SET fate=?, became=? WHERE connection=? AND id=? AND (fate<>? OR became<>?)",
            fate,
            became,
            connection,
            deal_id,
            fate,
            became,
        )
        for deal_id, fate, became in fates
    )


def all_deals(store: Store, connection: str) -> Iterator[dict[str, Any]]:
    """Yield every deal of a CRM connection that counts as won, in order of id."""
    for (data,) in store.tuples("SELECT data FROM deals WHERE connection=? AND fate='won' ORDER BY id", connection):
        yield msgspec.json.decode(data)


def fates(store: Store, connection: str) -> dict[str, tuple[str, str]]:
    """Return id -> (fate, what it became) of every deal that was ever won."""
    found = store.tuples("SELECT id, fate, became FROM deals WHERE connection=?", connection)
    return {deal_id: (fate, became) for deal_id, fate, became in found}


def survivor(found: Mapping[str, tuple[str, str]], deal_id: str) -> str:
    """Return the won deal that speaks for another now, itself unless it was merged; ``found`` is from ``fates``."""
    seen = {deal_id}
    while found.get(deal_id, ("", ""))[0] == "merged" and (became := found[deal_id][1]) not in seen:
        seen.add(deal_id := became)
    return deal_id


def won_ids(store: Store, connection: str) -> list[str]:
    """Return the ids of the deals that count as won."""
    return [one for (one,) in store.tuples("SELECT id FROM deals WHERE connection=? AND fate='won'", connection)]


def count_won(store: Store, connection: str) -> int:
    """Return how many deals count as won."""
    return int(store.one("SELECT count(*) FROM deals WHERE connection=? AND fate='won'", connection))


def count(store: Store) -> int:
    """Return how many deals are stored."""
    return int(store.one("SELECT count(*) FROM deals"))


def note(store: Store, connection: str, name: str) -> str:
    """Return what a pull noted for the next one, empty when nothing."""
    return str(store.one("SELECT value FROM pull_notes WHERE connection=? AND name=?", connection, name) or "")


def set_note(store: Store, connection: str, name: str, value: str) -> None:
    """Note something for the next pull; an empty value removes it. Call inside a transaction."""
    store.execute("DELETE FROM pull_notes WHERE connection=? AND name=? AND value<>?", connection, name, value)
    if value and not note(store, connection, name):
        store.insert("pull_notes", connection=connection, name=name, value=value)


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
