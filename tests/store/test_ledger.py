"""The books as last seen."""

from __future__ import annotations

import msgspec

from store import ledger
from store.database import Store


class Thing(msgspec.Struct, frozen=True):
    """An object of a ledger."""

    id: str
    status: str


def save(store: Store, *things: Thing, kind: str = "document", connection: str = "books") -> int:
    return ledger.save(store, connection, kind, [(thing.id, thing) for thing in things])


def test_only_what_differs_from_what_was_seen_counts_as_changed(store: Store) -> None:
    assert save(store, Thing("1", "open"), Thing("2", "open")) == 2
    assert save(store, Thing("1", "open"), Thing("2", "voided")) == 1
    assert list(ledger.objects(store, "books", "document", Thing)) == [Thing("1", "open"), Thing("2", "voided")]


def test_kinds_and_connections_do_not_mix(store: Store) -> None:
    save(store, Thing("1", "open"))
    save(store, Thing("1", "paid"), kind="payment")
    save(store, Thing("1", "gone"), connection="other")
    assert ledger.get(store, "books", "document", "1", Thing) == Thing("1", "open")
    assert ledger.get(store, "books", "payment", "1", Thing) == Thing("1", "paid")
    assert ledger.get(store, "books", "document", "2", Thing) is None
