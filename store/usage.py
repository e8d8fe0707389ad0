"""Usage records: each unique by its id within a contract, kept as received, replaced only when somebody says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from billing.facts import UsageRecord
from billing.money import plain
from store import audit
from store.audit import Actor
from store.database import Store, to_json

_AT_ONCE = 1000  # rows per query: each is two of the 32,766 values that SQLite takes
NO_DAYS: Mapping[str, date] = MappingProxyType({})
_COLUMNS = "contract, id, meter, day, at, quantity, dimensions, value"
_DIMENSIONS = msgspec.json.Decoder(dict[str, str])
_NONE: dict[str, str] = {}  # most records have no dimensions: all of those share one


# What became of a record; ``other``: its id is stored with other content, and nobody said that it should be replaced.
Fate = Literal["new", "known", "replaced", "other"]


def save(
    store: Store, actor: Actor, records: Sequence[tuple[str, UsageRecord]], source: str, *, replace: bool = False
) -> list[Fate]:
    """Store (contract, record) pairs, each once, and say what became of each; call inside a transaction.

    A record that is stored already with the same content changes nothing. With other content it is left as it is, or
    replaced when ``replace`` is set; the audit trail keeps what it was. Replaced by quantity 0 it is withdrawn.
    """
    fates: list[Fate] = []
    for begin in range(0, len(records), _AT_ONCE):
        fates += _save(store, actor, records[begin : begin + _AT_ONCE], source, replace)
    return fates


def _save(
    store: Store, actor: Actor, records: Sequence[tuple[str, UsageRecord]], source: str, replace: bool
) -> list[Fate]:
    stored = _stored(store, records)
    fresh: dict[tuple[str, str], tuple[Any, ...]] = {}
    fates: list[Fate] = []
    for contract, record in records:
        row = _row(contract, record)
        key = row[:2]
        rows = fresh if key in fresh else stored
        was = rows.get(key)
        if was is None:
            fresh[key] = row
            fates.append("new")
        elif was == row:
            fates.append("known")
        elif not replace:
            fates.append("other")
        else:  # of an id that comes twice the later one counts
            rows[key] = row
            fates.append("replaced")
            if rows is stored:
                _replace(store, actor, was, row, source)
    received = (source, actor.at.isoformat())
    store.many(
        f"INSERT INTO usage ({_COLUMNS}, source, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, *received) for row in fresh.values()],
    )
    return fates


def _replace(store: Store, actor: Actor, was: tuple[Any, ...], row: tuple[Any, ...], source: str) -> None:
    store.execute(
        "UPDATE usage SET meter=?, day=?, at=?, quantity=?, dimensions=?, value=?, source=?, received_at=?"
        " WHERE contract=? AND id=?",
        *row[2:],
        source,
        actor.at.isoformat(),
        *row[:2],
    )
    names = _COLUMNS.split(", ")[1:]
    before, after = dict(zip(names, was[1:], strict=True)), dict(zip(names, row[1:], strict=True))
    audit.write(store, actor, "usage replaced", f"contract:{row[0]}", before=before, after=after, reason=source)


def _stored(store: Store, records: Sequence[tuple[str, UsageRecord]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    pairs = [value for contract, record in records for value in (contract, record.id)]
    marks = ", ".join(["(?, ?)"] * len(records))
    rows = store.tuples(f"SELECT {_COLUMNS} FROM usage WHERE (contract, id) IN (VALUES {marks})", *pairs)
    return {row[:2]: row for row in rows}


def _row(contract: str, record: UsageRecord) -> tuple[Any, ...]:
    dimensions = to_json(record.dimensions) if record.dimensions else "{}"
    quantity = plain(record.quantity)
    return (
        contract, record.id, record.meter, record.day.isoformat(), record.at, quantity, dimensions, record.value
    )  # fmt: skip


def of_contracts(
    store: Store, contracts: Sequence[str], since: Mapping[str, date] = NO_DAYS
) -> dict[str, tuple[UsageRecord, ...]]:
    """Return the records of the contracts that have any, in order of time; ``since`` leaves out what lies before."""
    found: dict[str, list[UsageRecord]] = {}
    days: dict[str, date] = {}
    numbers: dict[str, Decimal] = {}
    by_day: dict[str, list[str]] = defaultdict(list)
    for contract in contracts:
        by_day[since[contract].isoformat() if contract in since else ""].append(contract)
    for first, keys in by_day.items():
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT {_COLUMNS} FROM usage WHERE contract IN ({marks}) AND day>=? ORDER BY contract, day, at, id"
        for contract, name, meter, day, at, quantity, dimensions, value in store.tuples(sql, *keys, first):
            if day not in days:
                days[day] = date.fromisoformat(day)
            if quantity not in numbers:
                numbers[quantity] = Decimal(quantity)
            record = UsageRecord(
                id=name, meter=meter, day=days[day], quantity=numbers[quantity], at=at, value=value,
                dimensions=_NONE if dimensions == "{}" else _DIMENSIONS.decode(dimensions),
            )  # fmt: skip
            found.setdefault(contract, []).append(record)
    return {contract: tuple(records) for contract, records in found.items()}


def table(store: Store, contract: str, meter: str = "") -> tuple[list[str], list[list[Any]]]:
    """Return the records of a contract as a table, newest day first, of one meter or of all."""
    columns = ["id", "meter", "day", "at", "quantity", "dimensions", "value", "source", "received_at"]
    sql = f"SELECT {', '.join(columns)} FROM usage WHERE contract=? AND ? IN ('', meter) ORDER BY day DESC, at DESC, id"
    return columns, [list(row) for row in store.tuples(sql, contract, meter)]
