"""The audit trail: who did what to which object, append-only, each row chained to the one before by its hash."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from store.database import Store, to_json


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the trail; ``before`` and ``after`` are JSON."""

    n: int
    at: str
    actor: str
    action: str
    object: str
    before: str | None
    after: str | None
    reason: str
    prev_hash: str
    hash: str


class Actor(msgspec.Struct, frozen=True):
    """Who acts, and when: a job of the service, or a person."""

    name: str
    at: datetime


def write(
    store: Store, actor: Actor, action: str, thing: str, *, before: Any = None, after: Any = None, reason: str = ""
) -> None:
    """Append a row, inside the transaction that makes the change itself."""
    last = store.first(Entry, "SELECT * FROM audit ORDER BY n DESC LIMIT 1")
    entry = Entry(
        n=last.n + 1 if last else 1,
        at=actor.at.isoformat(),
        actor=actor.name,
        action=action,
        object=thing,
        before=None if before is None else to_json(before),
        after=None if after is None else to_json(after),
        reason=reason,
        prev_hash=last.hash if last else "",
        hash="",
    )
    store.insert("audit", **{**msgspec.structs.asdict(entry), "hash": _hash(entry)})


def verify(store: Store) -> str | None:
    """Return what is wrong with the chain, naming the first bad row; None when it is whole."""
    previous, expected = "", 1
    for entry in store.rows(Entry, "SELECT * FROM audit ORDER BY n"):
        if entry.n != expected:
            return f"row {expected} is missing"
        if entry.prev_hash != previous:
            return f"row {entry.n} does not follow row {entry.n - 1}"
        if entry.hash != _hash(entry):
            return f"row {entry.n} was altered"
        previous, expected = entry.hash, expected + 1
    return None


def head(store: Store) -> tuple[int, str]:
    """Return the number and hash of the last row: kept elsewhere, they prove that nothing was cut off."""
    row = store.first(Entry, "SELECT * FROM audit ORDER BY n DESC LIMIT 1")
    return (row.n, row.hash) if row else (0, "")


def entries(store: Store, thing: str) -> list[Entry]:
    """Return what happened to one object, oldest first."""
    return store.rows(Entry, "SELECT * FROM audit WHERE object=? ORDER BY n", thing)


def _hash(entry: Entry) -> str:
    content = {**msgspec.structs.asdict(entry), "hash": ""}
    return hashlib.sha256(to_json(content).encode()).hexdigest()
