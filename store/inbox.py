"""Webhooks as they came in: each event once, kept long enough to know it again when it is sent again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store

KEPT = timedelta(days=35)  # longer than any sender goes on repeating itself: Xero does so for 31 days


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says changed. ``unreadable`` holds the beginning of one that nobody can read."""

    id: str
    topic: str
    object: str
    unreadable: bytes | None = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is kept. ``replayed_at`` is when a person last asked for it to be handled again."""

    id: int
    connection: str
    event_id: str
    topic: str
    object: str
    received_at: datetime
    replayed_at: datetime | None = None
    unreadable: bytes | None = None


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """The events of a connection that nobody could read: how many, from when to when, and how the newest begins."""

    connection: str
    count: int
    since: datetime
    newest: datetime
    latest: bytes


Row = tuple[str, str, str, str, str, bytes | None]
_INSERT = (
    "INSERT INTO inbox (connection, received_at, event_id, topic, object, unreadable)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (connection, event_id) DO NOTHING"
)


def save(store: Store, connection: str, events: Sequence[Event], now: datetime) -> int:
    """Store the events of one delivery, all or none; return how many were not known yet. Durable on return."""
    with store.transaction():
        return sum(store.execute(_INSERT, *_row(connection, event, now.isoformat())) for event in events)


def _row(connection: str, event: Event, at: str) -> Row:
    return connection, at, event.id, event.topic, event.object, event.unreadable


class Letterbox:
    """Stores what threads receive at the same time in one transaction: they share one wait for the disk.

    Whoever finds nobody writing writes for all who wait; meanwhile the next ones gather. ``open_store`` is called once.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._store: Store | None = None
        self._waiting: deque[_Letter] = deque()
        self._writing = threading.Lock()

    def put(self, events: Sequence[tuple[str, Event]], now: datetime) -> None:
        """Store (connection, event) pairs, all or none; what is known already changes nothing. Durable on return.

        Raises what went wrong with the write; then none of those who shared it can say that theirs is kept.
        """
        at = now.isoformat()
        mine = _Letter([_row(connection, event, at) for connection, event in events])
        self._waiting.append(mine)
        with self._writing:
            if not mine.written:
                self._write()
        if mine.failure is not None:
            raise mine.failure

    def close(self) -> None:
        """Close the store."""
        with self._writing:
            if self._store is not None:
                self._store.close()
            self._store = None

    def _write(self) -> None:
        letters = [self._waiting.popleft() for _ in range(len(self._waiting))]
        failure: BaseException | None = None
        try:
            if self._store is None:
                self._store = self._open()
            with self._store.transaction():
                self._store.many(_INSERT, [row for letter in letters for row in letter.rows])
        except BaseException as error:  # whatever it is, every thread whose letter was taken must learn of it
            failure = error
        for letter in letters:
            letter.written, letter.failure = True, failure


class _Letter:
    """One delivery on its way to the disk."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.written = False
        self.failure: BaseException | None = None


def latest(store: Store, connection: str, until: datetime) -> datetime | None:
    """Return when the newest event of a connection came in, or came up again, up to ``until``."""
    newest = (
        store.one(f"SELECT max({at}) FROM inbox WHERE connection=? AND {at} <= ?", connection, until.isoformat())
        for at in ("received_at", "replayed_at")
    )
    return max((datetime.fromisoformat(at) for at in newest if at is not None), default=None)


def unreadable(store: Store) -> list[Unreadable]:
    """Return what nobody could read, by connection."""
    return store.rows(
        Unreadable,
        "SELECT i.connection, g.count, g.since, i.received_at AS newest, i.unreadable AS latest FROM inbox i JOIN"
        " (SELECT max(id) AS id, count(*) AS count, min(received_at) AS since FROM inbox WHERE unreadable IS NOT NULL"
        " AND replayed_at IS NULL"
        " GROUP BY connection) g ON g.id = i.id ORDER BY i.connection",
    )


def stored_unreadable(store: Store) -> list[Stored]:
    """Return every event that nobody could read and no person has had handled, oldest first."""
    sql = "SELECT * FROM inbox WHERE unreadable IS NOT NULL AND replayed_at IS NULL ORDER BY id"
    return store.rows(Stored, sql)


def between(store: Store, connection: str, after: datetime | None, until: datetime) -> list[Stored]:
    """Return the events of a connection that came in, or came up again, after a moment (None: ever) until another."""
    return store.rows(
        Stored,
        "SELECT * FROM inbox WHERE connection=? AND coalesce(replayed_at, received_at) > ?"
        " AND coalesce(replayed_at, received_at) <= ? ORDER BY id",
        connection,
        "" if after is None else after.isoformat(),
        until.isoformat(),
    )


def replay(store: Store, actor: Actor, events: Sequence[Stored]) -> None:
    """Let events count as if they had just come in. Call inside a transaction."""
    store.many("UPDATE inbox SET replayed_at=? WHERE id=?", [(actor.at.isoformat(), event.id) for event in events])
    for event in events:
        audit.write(store, actor, "webhook replayed", f"event:{event.connection}:{event.event_id}")


def forget(store: Store, now: datetime) -> int:
    """Delete what is older than ``KEPT``; return how much that was."""
    with store.transaction():
        return store.execute("DELETE FROM inbox WHERE received_at < ?", (now - KEPT).isoformat())
