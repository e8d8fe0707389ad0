"""What happened, as people and systems hand it over (JSON lines or CSV): usage, acceptances, values of an index.

Usage: ``{"id": "r-1", "meter": "calls", "at": "2026-03-31T23:30:00Z", "quantity": 5, "dimensions": {"region": "eu"},
"value": "user-7"}``; ``at`` may be a bare day, ``day`` says the day beside a time, and in CSV a dimension is a column
``dimensions.region``.
An acceptance: ``{"charge": "build", "milestone": "design", "on": "2026-03-31"}``; of a holdback, ``{"charge":
"holdback", "on": "2026-03-31"}``. A value of a price index: ``{"index": "CPI", "on": "2026-01-15", "value": "131.5"}``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from billing.facts import Acceptance, UsageRecord

Record = Mapping[str, object]
_DIMENSION = "dimensions."


class IndexValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a price index stands at, published ``on`` a day."""

    index: str
    on: date
    value: Decimal


class _Usage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A usage record as it is written; ``id`` may be missing only where nothing is stored."""

    id: str = ""
    meter: str
    at: str = ""
    day: date | None = None  # by default that of `at`
    quantity: Decimal = Decimal(1)
    dimensions: dict[str, str] = {}
    value: str = ""


class _Accepted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    charge: str
    milestone: str = ""
    on: date


def read_records(text: str, *, as_csv: bool) -> Iterator[tuple[int, Record | str]]:
    """Yield (line number, record) of JSON lines, or of CSV with a header; a bad line yields what is wrong instead."""
    if as_csv:
        rows = csv.DictReader(io.StringIO(text), restkey="", strict=True)
        try:
            for row in rows:
                yield rows.line_num, _csv_record(row)
        except csv.Error as error:
            yield rows.line_num, f"is no CSV ({error})"
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, _json_record(line)


def usage_record(given: Record, zone: tzinfo, *, otherwise: str = "") -> UsageRecord:
    """Return one usage record; its day is the day of ``at`` in ``zone``, where a time without an offset lies already.

    ``otherwise`` is its id where it has none. Raises ``ValueError`` saying what is wrong with which key.
    """
    read = _convert(given, _Usage)
    if not (read.id or otherwise):
        raise ValueError("id: is missing: give each record an id that is its own for ever")
    if not read.quantity.is_finite():
        raise ValueError(f"quantity: {read.quantity} is no number")
    if not read.at and read.day is None:
        raise ValueError("at: is missing: say when it was used")
    day, at = _moment(read.at or str(read.day), zone)
    return UsageRecord(
        id=read.id or otherwise, meter=read.meter, day=read.day or day, quantity=read.quantity, at=at,
        dimensions=read.dimensions, value=read.value,
    )  # fmt: skip


def event(given: Record) -> Acceptance | IndexValue:
    """Return one event: an acceptance, or a value of a price index. Raises ``ValueError``."""
    if "index" in given:
        value: IndexValue = _convert(given, IndexValue)
        return value
    read = _convert(given, _Accepted)
    return Acceptance(charge=read.charge, milestone=read.milestone, on=read.on)


def unique(records: Iterable[UsageRecord]) -> tuple[list[UsageRecord], list[str]]:
    """Return each record once, and the ids under which different records came: of those the first one counts."""
    first: dict[str, UsageRecord] = {}
    conflicts: dict[str, None] = {}
    for record in records:
        if first.setdefault(record.id, record) != record:
            conflicts[record.id] = None
    return list(first.values()), list(conflicts)


def _json_record(line: str) -> Record | str:
    try:
        found = json.loads(line, parse_float=Decimal)
    except ValueError as error:
        return f"is no JSON object ({error}): write one object per line"
    return found if isinstance(found, dict) else "is no JSON object: write one object per line"


def _csv_record(row: dict[str, Any]) -> Record | str:
    if "" in row:
        return "has more fields than the header"
    given = {name.strip(): text.strip() for name, text in row.items() if text}
    dimensions = {name: given.pop(name) for name in [*given] if name.startswith(_DIMENSION)}
    if not dimensions:
        return given
    return {**given, "dimensions": {name.removeprefix(_DIMENSION): text for name, text in dimensions.items()}}


def _convert(given: Record, kind: type[Any]) -> Any:
    try:
        return msgspec.convert({name: _exact(value) for name, value in given.items()}, kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise ValueError(f"{path.rstrip('`')}: {message}".removeprefix(": ")) from None


def _exact(value: object) -> object:
    """Return a float as the decimal number it was written as, and a date as text."""
    if isinstance(value, float):
        return Decimal(str(value))
    return value.isoformat() if isinstance(value, date) else value


def _moment(text: str, zone: tzinfo) -> tuple[date, str]:
    """Return the day of a moment in a zone, and the moment in a form that sorts."""
    try:
        if len(text) == len("2026-03-31"):
            return date.fromisoformat(text), text
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"at: {text!r} is no day and no time: write 2026-03-31 or 2026-03-31T23:30:00Z") from None
    local = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    return local.date(), local.astimezone(UTC).isoformat()
