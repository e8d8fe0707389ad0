"""What holds of a charge on each day, its prices and discounts, and periods cut into days that have the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from billing.charges import Discount, Recurring, Retainer
from billing.facts import Unpriceable
from billing.line import Scope
from billing.periods import Grid, Period
from billing.prices import UnitPrice, moving, prices_of
from billing.service import discounts_of, service_start

_DAY = timedelta(days=1)


class Agreed(NamedTuple):
    """What holds on a day: the unit prices (one, or price and flat price of each bracket), and what is taken off."""

    prices: tuple[UnitPrice, ...]
    percents: tuple[Decimal, ...] = ()
    amounts: tuple[Decimal, ...] = ()  # off a full period

    @property
    def estimated(self) -> bool:
        """Whether a price rests on an index's value that was assumed."""
        return any(price.estimated for price in self.prices)


Segment = tuple[date, date, Agreed]  # first day, day after the last, what holds


class Segments:
    """The periods of one charge, cut where a price or a discount changes."""

    def __init__(self, scope: Scope, charge: Recurring | Retainer, grid: Grid) -> None:
        self._grid, self._start = grid, service_start(scope.terms, charge)
        discounts = discounts_of(scope.terms, charge)
        self.always: Agreed | None = None  # what holds on every day, if it is always the same
        if not charge.steps and not moving(scope.terms, charge) and not any(map(_dated, discounts)):
            self.always = _agreed([UnitPrice(self._start, price) for price in _stated(charge)], discounts)
            return
        self._windows = [self._window(one) for one in discounts]
        self._prices = [prices_of(scope, charge)]
        if isinstance(charge, Recurring) and charge.tiers:
            self._prices = [prices_of(scope, charge, price) for price in _stated(charge)]
        self._cuts = (charge.proration or scope.terms.proration) != "none"

    def of(self, period: Period) -> Iterator[Segment]:
        """Yield a period's segments; one that is not prorated stays whole.

        Raises ``Unpriceable`` once it has yielded what lies before the first day without a price.
        """
        starts = period.starts
        if self.always is not None:
            yield starts, period.until, self.always
            return
        now = self._on(starts)
        for day in self._cut_days(period) if self._cuts else ():
            try:
                then = self._on(day)
            except Unpriceable:
                yield starts, day, now
                raise
            if then != now:
                yield starts, day, now
                starts, now = day, then
        yield starts, period.until, now

    def _on(self, day: date) -> Agreed:
        held = [discount for starts, until, discount in self._windows if starts <= day < until]
        return _agreed([prices.on(day) for prices in self._prices], held)

    def _cut_days(self, period: Period) -> list[date]:
        """Return the days within a period on which something may change, oldest first."""
        days = {day for prices in self._prices for day in prices.change_days(period.starts, period.until)}
        days.update(day for window in self._windows for day in window[:2] if period.starts < day < period.until)
        return sorted(days)

    def _window(self, discount: Discount) -> tuple[date, date, Discount]:
        """Return the days ``[starts, until)`` on which a discount holds."""
        starts = discount.starts_on or date.min
        until = date.max if discount.ends_on is None else discount.ends_on + _DAY
        if discount.periods is not None:
            first = self._grid.index_of(max(starts, self._start))
            until = min(until, self._grid.boundary(first + discount.periods))
        return starts, until, discount


def _stated(charge: Recurring | Retainer) -> list[Decimal]:
    if isinstance(charge, Recurring) and charge.tiers:
        return [price for tier in charge.tiers for price in (tier.price, tier.flat)]
    return [charge.price]


def _dated(discount: Discount) -> bool:
    return (discount.starts_on, discount.ends_on, discount.periods) != (None, None, None)


def _agreed(prices: list[UnitPrice], held: list[Discount] | tuple[Discount, ...]) -> Agreed:
    if not held:
        return Agreed(tuple(prices))
    percents = [one.percent for one in held if one.percent is not None]
    amounts = [one.amount for one in held if one.amount is not None]
    return Agreed(tuple(prices), tuple(percents), tuple(amounts))
