"""What the last planning of each contract found: until when all is settled, and when something comes next.

A row is a stored fact: it holds for what it was derived from, which is the terms' version, the rules, and the number of
``changes`` that triggers in ``schema.py`` count in anything else (usage, acceptances, what is held, voided or settled
elsewhere, whose contract it is). What changes while a contract is worked out is counted later than what was read, so
it is planned again. With a row goes what is steady of its contract (``billing/steady.py``), which holds as long as the
row does, within its own days. Deleting rows is safe: planning finds the same without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple

import msgspec

from billing.invoicing import Note
from store.database import Store

BATCH = 1000  # contracts that are read, worked out and written together
NOTHING = "[]"  # how no notes at all are kept

_HOLDS = "p.version=c.version AND p.changes=c.changes AND p.rules=?2"
_DUE = (
    "c.key, c.name, c.customer_id, c.version, c.changes, {terms}, c.billed_through,"
    f" CASE WHEN {_HOLDS} THEN p.settled_through END, CASE WHEN {_HOLDS} THEN p.lint END, {{steady}}, c.arrivals"
)
_WHOLE = _DUE.format(terms="c.terms", steady="NULL")
_QUICK = _DUE.format(terms="CASE WHEN s.contract IS NULL THEN c.terms ELSE '' END", steady="s.data")
_NEEDED = (
    "p.contract IS NULL OR p.version<>c.version OR p.changes<>c.changes OR p.rules<>?2"
    " OR p.next_on IS NOT NULL AND p.next_on<=?3"
)
_FROM = "FROM contracts c LEFT JOIN planned p ON p.contract=c.key"
_WHERE = "WHERE c.entity=?1 AND c.state='active'"
_MINE = f"{_FROM} {_WHERE}"
_STEADY = f"LEFT JOIN steady s ON s.contract=p.contract AND {_HOLDS} AND s.begins<=p.settled_through AND s.until>?3"
_TOLD = f"(p.notes<>'{NOTHING}' OR p.lint<>'{NOTHING}')"


class Due(NamedTuple):
    """A contract to plan. Up to ``since`` everything is settled as it is owed; None: that is not known.

    ``terms`` is their JSON, ``billed_through`` the last day billed elsewhere; both may be decoded late. ``lint`` is
    what was found contradictory in the terms as they stand (see ``notes_in``); None: they were not looked at.
    ``steady`` is what its periods have in common, packed; then ``terms`` are not read. ``arrivals`` counts usage.
    """

    key: str
    name: str
    customer_id: int
    version: int
    changes: int
    terms: str
    billed_through: str | None
    since: str | None
    lint: str | None
    steady: bytes | None
    arrivals: int


class Span(NamedTuple):
    """Contracts that are to be planned together: those due by key from ``first`` to ``last``, and how many they are."""

    first: str
    last: str
    size: int


class SteadyRow(NamedTuple):
    """What is steady of a contract, packed, and the days ``[begins, until)`` in which it holds."""

    begins: date
    until: date
    data: bytes


class Planned(NamedTuple):
    """What planning a contract through a day found. ``settled``: nothing of it is left to issue.

    ``next_on``: the day something more may be owed, None for never. ``complete``: everything owed is on its draft.
    ``steady``: what is steady of it; None: nothing; "as before": it was drafted from what is. ``open_from``: usage of
    this day and later concerns nothing of what was found; None: any may.
    """

    contract: str
    version: int
    changes: int
    through: date
    next_on: date | None
    settled: bool
    complete: bool
    notes: tuple[Note, ...] = ()
    lint: str = NOTHING
    steady: SteadyRow | Literal["as before"] | None = None
    arrivals: int = 0
    open_from: date | None = None


def to_text(notes: Sequence[Note]) -> str:
    """Return notes as they are kept."""
    return msgspec.json.encode(notes).decode() if notes else NOTHING


def notes_in(text: str) -> list[Note]:
    """Return the notes in a kept text."""
    return [] if text == NOTHING else msgspec.json.decode(text, type=list[Note])


def entities(store: Store) -> list[str]:
    """Return the legal entities that have active contracts."""
    return [entity for (entity,) in store.tuples("SELECT DISTINCT entity FROM contracts WHERE state='active'")]


def how_many_due(store: Store, entity: str, rules: str, today: date) -> int:
    """Return how many of an entity's active contracts are to be planned."""
    sql = f"SELECT count(*) {_MINE} AND ({_NEEDED})"
    return int(store.one(sql, entity, rules, today.isoformat()))


def spans(store: Store, entity: str, rules: str, today: date) -> Iterator[Span]:
    """Yield an entity's contracts that are to be planned on ``today``, some at a time, by key.

    ``rules`` is a digest of what the entity adds to the terms; contracts planned with others are planned again.
    """
    some = f"SELECT c.key {_MINE} AND c.key>?4 AND ({_NEEDED}) ORDER BY c.key LIMIT {BATCH}"
    sql = f"SELECT min(key), max(key), count(*) FROM ({some})"
    last = ""
    while (span := Span(*store.tuples(sql, entity, rules, today.isoformat(), last)[0])).size:
        yield span
        last = span.last


def due(store: Store, entity: str, rules: str, today: date, span: Span) -> list[Due]:
    """Return the contracts of a span that are to be planned, by key."""
    sql = f"SELECT {_QUICK} {_FROM} {_STEADY} {_WHERE} AND c.key BETWEEN ?4 AND ?5 AND ({_NEEDED}) ORDER BY c.key"
    return [Due(*row) for row in store.tuples(sql, entity, rules, today.isoformat(), span.first, span.last)]


def whole(store: Store, entity: str, rules: str, keys: Sequence[str]) -> list[Due]:
    """Return contracts with their terms whatever is steady of them, by key; at most 32,764 at once."""
    sql = f"SELECT {_WHOLE} {_MINE} AND c.key IN ({', '.join('?' * len(keys))}) ORDER BY c.key"
    return [Due(*row) for row in store.tuples(sql, entity, rules, *keys)]


def grouped(store: Store, entity: str, rules: str, customers: Sequence[int]) -> list[Due]:
    """Return an entity's active contracts of customers that are invoiced together, due or not, by key.

    At most 32,764 customers at once.
    """
    sql = (
        f"SELECT {_WHOLE} {_MINE} AND c.terms ->> 'invoice_grouping' = 'customer'"
        f" AND c.customer_id IN ({', '.join('?' * len(customers))}) ORDER BY c.key"
    )
    return [Due(*row) for row in store.tuples(sql, entity, rules, *customers)]


def standing_notes(store: Store, entity: str, rules: str, today: date) -> list[tuple[str, str, Note]]:
    """Return (contract, its name, note) of what planning said of the contracts that need not be planned again."""
    told = f"FROM planned p CROSS JOIN contracts c ON c.key=p.contract {_WHERE} AND {_TOLD}"
    sql = f"SELECT c.key, c.name, p.notes, p.lint {told} AND NOT ({_NEEDED}) ORDER BY c.key"
    return [
        (key, name, note)
        for key, name, notes, lint in store.tuples(sql, entity, rules, today.isoformat())
        for note in (*notes_in(notes), *notes_in(lint))
    ]


def still(store: Store, entity: str, found: Sequence[Planned]) -> set[str]:
    """Return the contracts of an entity that are as they were read: of the others something changed meanwhile."""
    if not found:
        return set()
    keys = [one.contract for one in found]
    sql = f"SELECT key, version, changes, arrivals FROM contracts c {_WHERE} AND key BETWEEN ?2 AND ?3"
    now = {*store.tuples(sql, entity, min(keys), max(keys))}
    return {one.contract for one in found if (one.contract, one.version, one.changes, one.arrivals) in now}


def remember(store: Store, rules: str, found: Sequence[Planned]) -> None:
    """Keep what planning found. Call in the transaction that writes the drafts."""
    _go_on(store, [one for one in found if one.steady == "as before"])
    anew = [one for one in found if one.steady != "as before"]
    if not anew:
        return
    store.many(
        "INSERT INTO planned"
        " (contract, version, changes, rules, through, settled_through, next_on, notes, lint, open_from)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (contract) DO UPDATE SET version=excluded.version,"
        " changes=excluded.changes, rules=excluded.rules, through=excluded.through, next_on=excluded.next_on,"
        " notes=excluded.notes, lint=excluded.lint, open_from=excluded.open_from,"
        " settled_through=CASE WHEN excluded.settled_through IS NOT NULL THEN excluded.settled_through"
        " WHEN planned.version=excluded.version AND planned.changes=excluded.changes AND planned.rules=excluded.rules"
        " THEN planned.settled_through END",
        [
            (
                one.contract,
                one.version,
                one.changes,
                rules,
                one.through.isoformat() if one.complete else None,
                one.through.isoformat() if one.settled and one.complete else None,
                one.next_on and one.next_on.isoformat(),
                to_text(one.notes),
                one.lint,
                one.open_from.isoformat() if one.open_from and one.complete else None,
            )
            for one in anew
        ],
    )
    store.many("DELETE FROM steady WHERE contract=?", [(one.contract,) for one in anew])
    store.many(
        "INSERT INTO steady (contract, begins, until, data) VALUES (?, ?, ?, ?)",
        [
            (one.contract, one.steady.begins.isoformat(), one.steady.until.isoformat(), one.steady.data)
            for one in anew
            if isinstance(one.steady, SteadyRow)
        ],
    )


def _go_on(store: Store, found: Sequence[Planned]) -> None:
    """Note how far contracts are planned that are as they were: their rows hold."""
    days: dict[date | None, str | None] = {None: None}
    for day in {day for one in found for day in (one.through, one.next_on, one.open_from) if day}:
        days[day] = day.isoformat()
    store.many(
        "UPDATE planned SET through=?, settled_through=coalesce(?, settled_through), next_on=?, open_from=?"
        " WHERE contract=?",
        [
            (
                days[one.through],
                days[one.through] if one.settled else None,
                days[one.next_on],
                days[one.open_from],
                one.contract,
            )
            for one in found
        ],
    )


def issued(store: Store, contracts: Sequence[str]) -> None:
    """Note that the drafts of contracts, as planned last, were issued: everything up to then is settled."""
    store.many("UPDATE planned SET settled_through=through WHERE contract=?", [(key,) for key in contracts])
