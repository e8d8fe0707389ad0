"""Anchored periods: where they begin, and how much of one a stub is.

Every boundary is computed from the anchor, never from the boundary before it, so a monthly contract of 31 January
returns to the 31st after each shorter month. Periods are half-open: the first day is in, ``until`` is out.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from math import gcd
from typing import Literal, NamedTuple, Protocol

from billing.charges import Proration
from billing.intervals import Interval

LAST = 31  # clamping the 31st to the month's length is what "last" means
Part = tuple[int, int]  # (21, 30): 21 of a period's 30 days; (5, 1): five whole periods
Ratio = tuple[int, int]  # numerator and denominator, not always in lowest terms


@lru_cache(maxsize=65536)
def anchored(month: int, anchor: int) -> date:
    """Return day ``anchor`` of a month, or the month's last day where it is shorter; ``month`` is 12 x year + 0..11."""
    year, zero_based = divmod(month, 12)
    return date(year, zero_based + 1, min(anchor, monthrange(year, zero_based + 1)[1]))


def anchor_number(anchor_day: int | Literal["last"] | None, start: date) -> int:
    """Return the day of the month that boundaries fall on: by default that of the start."""
    if anchor_day is None:
        return start.day
    return LAST if anchor_day == "last" else anchor_day


class Days(Protocol):
    """Days that are served, from the first to before the last."""

    @property
    def starts(self) -> date:
        """The first."""

    @property
    def until(self) -> date:
        """The day after the last."""


class Period(NamedTuple):
    """Days that are served, and the full period they belong to; a stub is where the two differ."""

    starts: date
    until: date
    full_starts: date
    full_until: date

    @property
    def is_stub(self) -> bool:
        """Whether the days served are fewer than the full period's."""
        return self.starts != self.full_starts or self.until != self.full_until


class Grid(NamedTuple):
    """Equal periods without end in both directions; period 0 begins in the origin's month (or on the origin's day).

    ``size`` counts months when ``monthly``, otherwise days. ``anchor`` (1..31) matters to months only.
    """

    origin: date
    size: int
    monthly: bool
    anchor: int

    @classmethod
    def of(cls, origin: date, interval: Interval, anchor: int) -> Grid:
        """Return the grid of an interval counted from ``origin``."""
        days = 7 if interval.unit == "week" else 1
        monthly = interval.unit == "month"
        return cls(origin, interval.count if monthly else interval.count * days, monthly, anchor)

    def boundary(self, index: int) -> date:
        """Return the first day of period ``index``, clamped to its month."""
        if self.monthly:
            return anchored(_month(self.origin) + index * self.size, self.anchor)
        return self.origin + timedelta(days=index * self.size)

    def index_of(self, day: date) -> int:
        """Return the number of the period that ``day`` lies in."""
        return _index_of(self, day)

    def whole(self, index: int) -> Period:
        """Return period ``index`` in full."""
        return _whole(self, index)

    def finer(self, size: int) -> Grid:
        """Return the grid of periods of ``size``, a divisor of this one's: every boundary of this one is one of it."""
        return self._replace(size=size)

    def periods(self, start: date, until: date | None, after: date | None = None) -> Iterator[Period]:
        """Yield the periods from ``start`` to ``until`` (exclusive; None: without end), stubs included.

        With ``after`` those are left out that end by this day.
        """
        index = self.index_of(start if after is None or after < start else after)
        period = self.whole(index)
        while until is None or max(start, period.starts) < until:
            if start <= period.starts and (until is None or period.until <= until):
                yield period
            else:
                stop = period.until if until is None else min(until, period.until)
                yield period._replace(starts=max(start, period.starts), until=stop)
            index += 1
            period = self.whole(index)


# Most contracts of a run share a few grids and the days asked for: what is found once is not worked out again.
@lru_cache(maxsize=16384)
def _index_of(grid: Grid, day: date) -> int:
    if not grid.monthly:
        return (day - grid.origin).days // grid.size
    index = (_month(day) - _month(grid.origin)) // grid.size
    return index - 1 if grid.boundary(index) > day else index


@lru_cache(maxsize=16384)
def _whole(grid: Grid, index: int) -> Period:
    starts, until = grid.boundary(index), grid.boundary(index + 1)
    return Period(starts, until, starts, until)


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def common_size(one: Interval, other: Interval) -> int:
    """Return the longest period, in months or days, that both intervals are whole numbers of (same unit)."""
    days = 7 if one.unit == "week" else 1
    return gcd(one.count, other.count) * days


def parts(grid: Grid, start: date, until: date, *, thirty_360: bool = False) -> tuple[Part, ...]:
    """Measure ``[start, until)`` in the grid's periods: a part of one, whole ones, a part of the last.

    By actual days, or with every month taken as 30 days (weeks and day blocks are always actual).
    """
    found: list[Part] = []
    index = grid.index_of(start)
    if grid.boundary(index) < start:
        stop = min(until, grid.boundary(index + 1))
        found.append(_part(grid, index, start, stop, thirty_360))
        start, index = stop, index + 1
    if start < until:
        last = grid.index_of(until)
        if last > index:
            found.append((last - index, 1))
        if grid.boundary(last) < until:
            found.append(_part(grid, last, grid.boundary(last), until, thirty_360))
    return tuple(found)


def measure(grid: Grid, unit: int, proration: Proration, period: Period, starts: date, until: date) -> tuple[Part, ...]:
    """Measure ``[starts, until)`` within one period of a grid, in units of ``unit`` months or days (a divisor of it).

    ``actual``: the units are counted from the anchor, a part of one by its days. ``thirty_360``: the same with months
    of 30 days. ``months_then_days``: whole units are counted from the first day that the period serves, then days of
    the next one. ``by_months``: ``actual`` with units of one month (``unit_size``). ``none``: always the whole period.
    """
    if proration == "none" or (starts == period.full_starts and until == period.full_until):
        return ((grid.size // unit, 1),)
    units = grid.finer(unit)
    if proration == "months_then_days" and period.starts > period.full_starts:
        units = Grid(period.starts, unit, grid.monthly, period.starts.day)
    return parts(units, starts, until, thirty_360=proration == "thirty_360")


def unit_size(every: Interval, per: Interval, proration: Proration) -> int:
    """Return how many months or days make the unit that stubs of a period ``every`` priced ``per`` are measured in."""
    if proration == "by_months" and every.unit == "month":
        return 1
    return common_size(every, per)


def ratio(measured: tuple[Part, ...]) -> Ratio:
    """Return measured parts as an exact number of units."""
    numerator, denominator = 0, 1
    for days, of in measured:
        numerator, denominator = numerator * of + days * denominator, denominator * of
    return numerator, denominator


def _part(grid: Grid, index: int, start: date, until: date, thirty_360: bool) -> Part:
    if thirty_360 and grid.monthly:
        return _day_360(grid, until) - _day_360(grid, start), 30 * grid.size
    return (until - start).days, (grid.boundary(index + 1) - grid.boundary(index)).days


def _day_360(grid: Grid, day: date) -> int:
    """Number a day in months of 30: the 31st counts as the 30th, and a clamped anchor as the day it stands for.

    So every period between two anchors has exactly 30 days per month, February included.
    """
    stands_for = grid.anchor if day == anchored(_month(day), grid.anchor) else day.day
    return _month(day) * 30 + min(stands_for, 30)
