"""What the last planning of each contract found: until when all is settled, and when something comes next.

A row is a stored fact: it holds for the terms' version and the rules it was worked out with, and triggers in
``schema.py`` remove it when anything else it was derived from changes (usage, acceptances, what is settled, held or
voided, whose contract it is). ``selfcheck`` recomputes without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from billing.invoicing import Note
from store.database import Store

BATCH = 1000  # contracts that are read, worked out and written together

_NEEDED = (
    "p.contract IS NULL OR p.version<>c.version OR p.rules<>?2 OR p.next_on<=?3"  # nothing next: NULL, not needed
)
_MINE = "FROM contracts c LEFT JOIN planned p ON p.contract=c.key WHERE c.entity=?1 AND c.state='active'"


class Due(NamedTuple):
    """A contract to plan. Up to ``since`` everything is settled as it is owed; None: that is not known.

    ``terms`` is their JSON, ``billed_through`` the last day billed elsewhere; both may be decoded late.
    """

    key: str
    name: str
    customer_id: int
    version: int
    terms: str
    billed_through: str | None
    since: str | None


class Planned(NamedTuple):
    """What planning a contract through a day found. ``settled``: nothing of it is left to issue.

    ``next_on``: the day something more may be owed, None for never. ``complete``: everything owed is on its draft.
    """

    contract: str
    version: int
    through: date
    next_on: date | None
    settled: bool
    complete: bool
    notes: tuple[Note, ...] = ()


def entities(store: Store) -> list[str]:
    """Return the legal entities that have active contracts."""
    return [entity for (entity,) in store.tuples("SELECT DISTINCT entity FROM contracts WHERE state='active'")]


def how_many_due(store: Store, entity: str, rules: str, today: date) -> int:
    """Return how many of an entity's active contracts are to be planned."""
    sql = f"SELECT count(*) {_MINE} AND ({_NEEDED})"
    return int(store.one(sql, entity, rules, today.isoformat()))


def due(store: Store, entity: str, rules: str, today: date) -> Iterator[list[Due]]:
    """Yield an entity's contracts that are to be planned on ``today``, in batches by key.

    ``rules`` is a digest of what the entity adds to the terms; contracts planned with others are planned again.
    """
    sql = (
        "SELECT c.key, c.name, c.customer_id, c.version, c.terms, c.billed_through,"
        " CASE WHEN p.version=c.version AND p.rules=?2 THEN p.settled_through END"
        f" {_MINE} AND c.key>?4 AND ({_NEEDED}) ORDER BY c.key LIMIT {BATCH}"
    )
    last = ""
    while batch := [Due(*row) for row in store.tuples(sql, entity, rules, today.isoformat(), last)]:
        yield batch
        last = batch[-1].key


def standing_notes(store: Store, entity: str, rules: str, today: date) -> list[tuple[str, str, Note]]:
    """Return (contract, its name, note) of what planning said of the contracts that need not be planned again."""
    sql = f"SELECT c.key, c.name, p.notes {_MINE} AND p.notes<>'[]' AND NOT ({_NEEDED}) ORDER BY c.key"
    return [
        (key, name, note)
        for key, name, notes in store.tuples(sql, entity, rules, today.isoformat())
        for note in msgspec.json.decode(notes, type=list[Note])
    ]


def remember(store: Store, rules: str, found: Sequence[Planned]) -> None:
    """Keep what planning found. Call in the transaction that writes the drafts."""
    store.many(
        "INSERT INTO planned (contract, version, rules, through, settled_through, next_on, notes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (contract) DO UPDATE SET version=excluded.version,"
        " rules=excluded.rules, through=excluded.through, next_on=excluded.next_on, notes=excluded.notes,"
        " settled_through=CASE WHEN excluded.settled_through IS NOT NULL THEN excluded.settled_through"
        " WHEN planned.version=excluded.version AND planned.rules=excluded.rules THEN planned.settled_through END",
        [
            (
                one.contract,
                one.version,
                rules,
                one.through.isoformat() if one.complete else None,
                one.through.isoformat() if one.settled and one.complete else None,
                one.next_on and one.next_on.isoformat(),
                msgspec.json.encode(one.notes).decode() if one.notes else "[]",
            )
            for one in found
        ],
    )


def issued(store: Store, contracts: Sequence[str]) -> None:
    """Note that the drafts of contracts, as planned last, were issued: everything up to then is settled."""
    store.many("UPDATE planned SET settled_through=through WHERE contract=?", [(key,) for key in contracts])


def forget(store: Store, contract: str) -> None:
    """Let a contract be planned anew, from its beginning."""
    store.execute("DELETE FROM planned WHERE contract=?", contract)
