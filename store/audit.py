"""The audit trail: who did what to which object, append-only, each row chained to the one before by its hash."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from store.database import Store, to_json


class Entry(msgspec.Struct, frozen=True):
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


class Deed(NamedTuple):
    """One thing done, for ``write_many``."""

    action: str
    thing: str
    before: Any = None
    after: Any = None
    reason: str = ""


def write(
    store: Store, actor: Actor, action: str, thing: str, *, before: Any = None, after: Any = None, reason: str = ""
) -> None:
    """Append a row, inside the transaction that makes the change itself."""
    write_many(store, actor, [Deed(action, thing, before, after, reason)])


def write_many(store: Store, actor: Actor, deeds: Sequence[Deed]) -> None:
    """Append rows in order, inside the transaction that makes the changes themselves."""
    if not deeds:
        return
    number, previous = head(store)
    at, rows = actor.at.isoformat(), []
    for deed in deeds:
        number += 1
        before = None if deed.before is None else to_json(deed.before)
        after = None if deed.after is None else to_json(deed.after)
        digest = _hash(number, at, actor.name, deed.action, deed.thing, before, after, deed.reason, previous)
        rows.append((number, at, actor.name, deed.action, deed.thing, before, after, deed.reason, previous, digest))
        previous = digest
    store.many(
        "INSERT INTO audit (n, at, actor, action, object, before, after, reason, prev_hash, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def verify(store: Store) -> str | None:
    """Return what is wrong with the chain, naming the first bad row; None when it is whole."""
    previous, expected = "", 1
    for entry in store.scan(Entry, "SELECT * FROM audit ORDER BY n"):
        if entry.n != expected:
            return f"row {expected} is missing"
        if entry.prev_hash != previous:
            return f"row {entry.n} does not follow row {entry.n - 1}"
        if entry.hash != _hash(*msgspec.structs.astuple(entry)[:-1]):
            return f"row {entry.n} was altered"
        previous, expected = entry.hash, expected + 1
    return None


def head(store: Store) -> tuple[int, str]:
    """Return the number and hash of the last row: kept elsewhere, they prove that nothing was cut off."""
    rows = store.tuples("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1")
    return rows[0] if rows else (0, "")


def noted_head(store: Store) -> tuple[int, str] | None:
    """Return the head that was noted last beside the store, None when there is none that can be read."""
    try:
        number, _, found = head_file(store.path).read_text(encoding="ascii").strip().partition(" ")
    except FileNotFoundError:
        return None
    return (int(number), found) if number.isdigit() else None


def note_head(store: Store) -> None:
    """Note the head beside the store: a trail that ends before it was cut off, or the store put back.

    One that is noted and does not fit the trail any more stays, so that it is told of.
    """
    noted, (number, found) = noted_head(store), head(store)
    fits = noted is None or store.one("SELECT hash FROM audit WHERE n=?", noted[0]) == noted[1]
    if number and fits and noted != (number, found):
        path = head_file(store.path)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        unfinished.write_text(f"{number} {found}\n", encoding="ascii")
        unfinished.replace(path)  # others read it meanwhile


def head_file(path: Path) -> Path:
    """Return where the head of the trail of the store at ``path`` is noted."""
    return path.with_suffix(".head")


def entries(store: Store, thing: str) -> list[Entry]:
    """Return what happened to one object, oldest first."""
    return store.rows(Entry, "SELECT * FROM audit WHERE object=? ORDER BY n", thing)


class _Hashed(msgspec.Struct):
    """What a row's hash is of: its fields in alphabetical order, its own hash empty."""

    action: str
    actor: str
    after: str | None
    at: str
    before: str | None
    hash: str
    n: int
    object: str
    prev_hash: str
    reason: str


_ENCODER = msgspec.json.Encoder()


def _hash(
    n: int, at: str, actor: str, action: str, thing: str, before: str | None, after: str | None, reason: str, prev: str
) -> str:
    hashed = _Hashed(action, actor, after, at, before, "", n, thing, prev, reason)
    return hashlib.sha256(_ENCODER.encode(hashed)).hexdigest()
