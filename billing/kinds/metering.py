"""What was measured: a meter's usage records in order, by value of a dimension, and how many make one quantity."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import attrgetter
from typing import Literal

from billing.facts import Facts, UsageRecord
from billing.periods import Period
from billing.pricing import EXACT, ZERO
from billing.terms import Retainer, Usage

Aggregation = Literal["sum", "max", "last", "unique_count"]


_ASSUMED = ""  # the id of a record that stands for an estimate; a recorded one is never empty
_order = attrgetter("day", "at", "id")


class Metered:
    """The usage records of one charge, in order of day, moment and id.

    They are those of its meter, with the dimensions its ``where`` asks for, from the day ``since`` on.
    """

    def __init__(self, facts: Facts, charge: Usage | Retainer, since: date) -> None:
        meter = charge.meter or charge.key
        records = [record for record in facts.usage if record.meter == meter and record.day >= since]
        self._by_value = {"": records}
        if isinstance(charge, Usage) and charge.where:
            where = charge.where.items()
            self._by_value[""] = records = [record for record in records if where <= record.dimensions.items()]
        if isinstance(charge, Usage) and charge.dimension is not None:
            self._by_value = {}
            for record in records:
                self._by_value.setdefault(record.dimensions.get(charge.dimension, ""), []).append(record)
        self._days: dict[str, list[date]] = {}
        for value in self._by_value:
            self._order(value)
        self._assumed: list[Period] = []

    def _order(self, value: str) -> None:
        records = self._by_value[value]
        records.sort(key=_order)
        self._days[value] = [record.day for record in records]

    def assume(self, periods: Iterable[Period], quantity: Decimal) -> None:
        """Put ``quantity`` into every period that has no record, as if it were used on the period's first day."""
        days = sorted(day for days in self._days.values() for day in days)
        self._assumed = [one for one in periods if bisect_left(days, one.starts) == bisect_left(days, one.until)]
        self._by_value.setdefault("", []).extend(
            UsageRecord(id=_ASSUMED, meter="", day=period.starts, quantity=quantity) for period in self._assumed
        )
        self._order("")

    def is_assumed(self, starts: date, until: date) -> bool:
        """Whether some of what is used from ``starts`` to ``until`` (exclusive) is an assumption."""
        return any(starts <= period.starts < until for period in self._assumed)

    def days(self, starts: date, until: date) -> list[date]:
        """Return the days from ``starts`` to ``until`` (exclusive) on which something was recorded, in order."""
        records = (record for value in self._by_value for record in self.between(value, starts, until))
        return sorted({record.day for record in records if record.id != _ASSUMED})

    def values(self, starts: date, until: date) -> list[str]:
        """Return the values of the dimension that were used from ``starts`` to ``until`` (exclusive), sorted."""
        return sorted(value for value in self._by_value if self.between(value, starts, until))

    def between(self, value: str, starts: date, until: date) -> Sequence[UsageRecord]:
        """Return the records of a value from ``starts`` to ``until`` (exclusive), in order."""
        days = self._days.get(value)
        return self._by_value[value][bisect_left(days, starts) : bisect_left(days, until)] if days else ()


def aggregated(records: Sequence[UsageRecord], how: Aggregation) -> Decimal:
    """Make one quantity of records in order: 0 without any. What is assumed counts with its quantity."""
    if not records:
        return ZERO
    if how == "sum":
        return reduce(EXACT.add, [record.quantity for record in records])
    if how == "max":
        return max(record.quantity for record in records)
    if how == "last":
        return records[-1].quantity
    assumed = [record.quantity for record in records if record.id == _ASSUMED]
    return reduce(EXACT.add, assumed, Decimal(len({record.value for record in records if record.id != _ASSUMED})))
