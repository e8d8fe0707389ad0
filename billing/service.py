"""When a charge serves: its periods, its first day, and its end with all renewals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from billing.periods import Grid, anchor_number
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
    own = None if charge.ends_on is None else charge.ends_on + _DAY
    ends = [day for day in (own, contract_end(terms)) if day is not None]
    return min(ends, default=None)


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
