"""What is told to a preview beside the terms file: the days wanted, usage, acceptances, values of an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from billing.draft import Note
from billing.facts import Acceptance, Facts, IndexSeries, UsageRecord
from billing.reading.records import IndexValue, Record, event, unique, usage_record
from billing.terms import Charge, Retainer, Terms, Usage
from billing.terms_file import TermsFile

_Read = TypeVar("_Read")


class Given(NamedTuple):
    """What is told beside the terms file: the days wanted, and what happened. Records may be as written or as read."""

    through: date | None = None
    today: date | None = None
    usage: Sequence[Record | UsageRecord] = ()
    events: Sequence[Record] = ()


def facts_of(file: TermsFile, given: Given) -> tuple[Facts, list[Note]]:
    """Return what is known beside the terms, and notes on what cannot be used of it."""
    notes: list[Note] = []
    used = _read("usage", given.usage, lambda n, one: _usage(one, n, ZoneInfo(file.timezone)), notes)
    happened = _read("events", given.events, lambda n, one: event(one), notes)
    usage, conflicts = unique(used)
    for name in conflicts:
        message = f"usage record {name!r} came more than once and not the same: the first one counts"
        notes.append(Note("usage_conflict", message))
    notes += _unused(file.terms, usage)
    facts = Facts(
        usage=tuple(usage),
        accepted=tuple(one for one in happened if isinstance(one, Acceptance)),
        indices=_indices(file.indices, [one for one in happened if isinstance(one, IndexValue)]),
        assume_from=given.today or file.terms.starts_on,
    )
    return facts, notes


def _read(name: str, records: Sequence[Any], read: Callable[[int, Any], _Read], notes: list[Note]) -> list[_Read]:
    """Read records one by one; one that cannot be read is told, and the others count."""
    found = []
    for number, record in enumerate(records, 1):
        try:
            found.append(read(number, record))
        except ValueError as error:
            notes.append(Note(f"{name}_record", f"{name} record {number}: {error}"))
    return found


def _usage(record: Record | UsageRecord, number: int, zone: ZoneInfo) -> UsageRecord:
    if isinstance(record, UsageRecord):
        return record
    return usage_record(record, zone, otherwise=f"record {number}")


def _indices(known: Mapping[str, IndexSeries], told: Sequence[IndexValue]) -> dict[str, IndexSeries]:
    series = {name: dict(values) for name, values in known.items()}
    for one in told:
        series.setdefault(one.index, {})[one.on] = one.value
    return {name: tuple(sorted(values.items())) for name, values in series.items()}


def _unused(terms: Terms, usage: Sequence[UsageRecord]) -> list[Note]:
    """Say which usage records no charge of this contract measures."""
    meters = {one.meter or one.key for one in all_charges(terms) if isinstance(one, Usage | Retainer)}
    lost = Counter(record.meter for record in usage if record.meter not in meters)
    return [
        Note("usage_unused", f"{count} usage record(s) of meter {meter!r} were given, but no charge uses them")
        for meter, count in lost.items()
    ]


def all_charges(terms: Terms) -> list[Charge]:
    """Return every charge the contract has or will have by its amendments."""
    later = [[*one.add, *(swap.by for swap in one.replace)] for one in terms.amendments]
    return [*terms.charges, *(charge for charges in later for charge in charges)]
