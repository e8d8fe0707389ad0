"""Webhooks as they came in: each event once, kept long enough to know it again when it is sent again."""

from __future__ import annotations

from collections.abc import Sequence
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


def save(store: Store, connection: str, events: Sequence[Event], now: datetime) -> int:
    """Store the events of one delivery, all or none; return how many were not known yet. Durable on return."""
    before = (connection, now.isoformat())
    with store.transaction():
        return sum(
            store.execute(
                "INSERT INTO inbox (connection, received_at, event_id, topic, object, unreadable)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (connection, event_id) DO NOTHING",
                *before,
                event.id,
                event.topic,
                event.object,
                event.unreadable,
            )
            for event in events
        )


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
