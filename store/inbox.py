"""Webhooks as they came in: each event once, kept long enough to know it again when it is sent again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from store.database import Store

KEPT = timedelta(days=30)  # longer than any sender goes on repeating itself


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says changed. ``unreadable`` holds the beginning of one that nobody can read."""

    id: str
    topic: str
    object: str
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
    """Return when the newest event of a connection came in, of those received up to ``until``."""
    found = store.one(
        "SELECT max(received_at) FROM inbox WHERE connection=? AND received_at <= ?", connection, until.isoformat()
    )
    return None if found is None else datetime.fromisoformat(found)


def unreadable(store: Store) -> list[Unreadable]:
    """Return what nobody could read, by connection."""
    return store.rows(
        Unreadable,
        "SELECT i.connection, g.count, g.since, i.received_at AS newest, i.unreadable AS latest FROM inbox i JOIN"
        " (SELECT max(id) AS id, count(*) AS count, min(received_at) AS since FROM inbox WHERE unreadable IS NOT NULL"
        " GROUP BY connection) g ON g.id = i.id ORDER BY i.connection",
    )


def forget(store: Store, now: datetime) -> int:
    """Delete what is older than ``KEPT``; return how much that was."""
    with store.transaction():
        return store.execute("DELETE FROM inbox WHERE received_at < ?", (now - KEPT).isoformat())
