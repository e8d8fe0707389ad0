"""When a charge serves: its periods, its first day, and its end with all renewals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from billing.periods import Grid, Period, anchor_number
from billing.terms import Charge, Discount, Recurring, Renewal, Retainer, Terms, Usage, parse_interval

Serving = Recurring | Usage | Retainer
_DAY = timedelta(days=1)


def contract_start(terms: Terms) -> date:
    """Return the first day that is billed for: the contract's, or the one after its trial."""
    return terms.starts_on if terms.trial_ends_on is None else max(terms.starts_on, terms.trial_ends_on + _DAY)


def service_start(terms: Terms, charge: Serving) -> date:
    """Return the first day of a charge's service: its own or the contract's, and never within the trial."""
    start = contract_start(terms)
    return start if charge.starts_on is None else max(charge.starts_on, start)


def contract_grid(terms: Terms, charge: Serving, every: str | None = None) -> Grid:
    """Return the periods a charge is billed by (or those of another interval ``every``).

    They are the contract's, also for a charge that joins later, unless the charge has an ``anchor_day`` of its own:
    then they count from the charge's own start.
    """
    own = charge.anchor_day is not None
    origin = service_start(terms, charge) if own else contract_start(terms)
    anchor = anchor_number(charge.anchor_day if own else terms.anchor_day, origin)
    return _grid(origin, every or charge.every, anchor)


@lru_cache(maxsize=16384)  # most contracts of a run share a few
def _grid(origin: date, every: str, anchor: int) -> Grid:
    return Grid.of(origin, parse_interval(every), anchor)


def renewals(terms: Terms) -> Iterator[tuple[date, Renewal]]:
    """Yield the first day of each renewed term and what it was renewed on, without end unless there is a ``most``."""
    yield from ((past.on, past.by) for past in terms.renewed)
    renewal = terms.renewal
    if renewal is None or not renewal.auto or terms.ends_on is None:
        return
    grid = renewal_grid(terms.ends_on, renewal)
    for count in range(_renewals_left(terms, renewal)):
        yield grid.boundary(count), renewal


def renewal_days(terms: Terms) -> Iterator[date]:
    """Yield the first day of each renewed term, as ``renewals`` does."""
    return (day for day, _ in renewals(terms))


def renewal_after(terms: Terms, day: date) -> tuple[date, Renewal] | None:
    """Return the first renewal strictly after a day, as ``renewals`` does; None: there is none."""
    for past in terms.renewed:
        if past.on > day:
            return past.on, past.by
    renewal = terms.renewal
    if renewal is None or not renewal.auto or terms.ends_on is None:
        return None
    grid = renewal_grid(terms.ends_on, renewal)
    index = max(0, grid.index_of(day) + 1)
    return (grid.boundary(index), renewal) if index < _renewals_left(terms, renewal) else None


def contract_end(terms: Terms) -> date | None:
    """Return the day after the contract's last day of service, its renewals included; None: without end."""
    if terms.ends_on is None:
        return None
    renewal = terms.renewal
    if renewal is None or not renewal.auto:
        return terms.ends_on + _DAY
    if renewal.most is None:
        return None
    return renewal_grid(terms.ends_on, renewal).boundary(_renewals_left(terms, renewal))


def renewal_grid(ends_on: date, renewal: Renewal) -> Grid:
    """Return the renewed terms that follow a term's last day."""
    day = ends_on + _DAY
    return Grid.of(day, parse_interval(renewal.term), day.day)


def _renewals_left(terms: Terms, renewal: Renewal) -> int:
    return sys.maxsize if renewal.most is None else max(0, renewal.most - len(terms.renewed))


def service_end(terms: Terms, charge: Serving) -> date | None:
    """Return the day after a charge's last day of service: its own or the contract's, whichever is earlier."""
    end = contract_end(terms)
    if charge.ends_on is None:
        return end
    own = charge.ends_on + _DAY
    return own if end is None else min(own, end)


class Calendar(NamedTuple):
    """When a charge is billed: its periods, its first day, the day after its last, and how long before a period.

    ``lead`` None: after the period. Many contracts of a run have the same calendars, so what follows from them is kept.
    """

    grid: Grid
    start: date
    end: date | None
    lead: timedelta | None

    def due(self, through: date, since: date) -> tuple[tuple[Period, date], ...]:
        """Return the periods issued after ``since`` and by ``through``, each with its day."""
        return _due(self, through, since)

    def first_day(self, through: date, since: date) -> date:
        """Return the first day of the periods that are ``due``, or the last day of all."""
        due = _due(self, through, since)
        return due[0][0].starts if due else date.max

    def running_from(self, day: date) -> date:
        """Return the first day of the full period that a day of service lies in; after the service the day after it."""
        return _running_from(self, day)

    def boundary_after(self, day: date) -> date:
        """Return the first day after a day on which a period begins or ends, the service's first and last included."""
        return _boundary_after(self, day)


def calendar(terms: Terms, charge: Serving) -> Calendar:
    """Return when a charge is billed."""
    start, anchor = contract_start(terms), charge.anchor_day
    if anchor is None:
        origin, anchor = start, terms.anchor_day
    else:
        origin = service_start(terms, charge)
    own = charge.starts_on, charge.ends_on
    lead = terms.issue_days_before if charge.timing == "advance" else -1
    return _calendar(start, contract_end(terms), *own, origin, anchor, charge.every, lead)


@lru_cache(maxsize=16384)
def _calendar(
    start: date, end: date | None, own_start: date | None, own_last: date | None, origin: date,
    anchor: int | Literal["last"] | None, every: str, lead: int,
) -> Calendar:  # fmt: skip
    ends = [day for day in (end, own_last and own_last + _DAY) if day is not None]
    first = start if own_start is None else max(start, own_start)
    grid = _grid(origin, every, anchor_number(anchor, origin))
    return Calendar(grid, first, min(ends, default=None), None if lead < 0 else timedelta(days=lead))


@lru_cache(maxsize=16384)
def _due(when: Calendar, through: date, since: date) -> tuple[tuple[Period, date], ...]:
    found = []
    running = since if when.lead is None else since + when.lead
    for period in when.grid.periods(when.start, when.end, running):  # those issued before are not even looked at
        issue_on = period.until if when.lead is None else period.starts - when.lead
        if issue_on > through:
            break
        if issue_on > since:
            found.append((period, issue_on))
    return tuple(found)


@lru_cache(maxsize=16384)
def _running_from(when: Calendar, day: date) -> date:
    if when.end is not None and when.end <= day:
        return when.end
    return when.grid.boundary(when.grid.index_of(day))


@lru_cache(maxsize=16384)
def _boundary_after(when: Calendar, day: date) -> date:
    if day < when.start:
        return when.start
    boundary = when.grid.boundary(when.grid.index_of(day) + 1)
    return boundary if when.end is None or day >= when.end else min(boundary, when.end)


def serves(terms: Terms, charge: Serving) -> bool:
    """Whether a charge has a day of service within its own dates and the contract's."""
    end = service_end(terms, charge)
    return end is None or service_start(terms, charge) < end


def discounts_of(terms: Terms, charge: Charge) -> tuple[Discount, ...]:
    """Return what is taken off a charge: its own discounts, then the contract's percentages.

    An amount off the whole contract is not among them: it is shared over each invoice by ``contract_discounts``.
    """
    if not terms.discounts:
        return charge.discounts
    return (*charge.discounts, *(one for one in terms.discounts if one.percent is not None))


def discount_days(discount: Discount, grid: Grid, start: date) -> tuple[date, date]:
    """Return the days ``[first, until)`` on which a discount holds for a charge billed by ``grid`` from ``start`` on.

    Its first ``periods`` are counted from its own first day, or the charge's where that is later.
    """
    first = discount.starts_on or date.min
    until = date.max if discount.ends_on is None else discount.ends_on + _DAY
    if discount.periods is not None:
        until = min(until, grid.boundary(grid.index_of(max(first, start)) + discount.periods))
    return first, until
