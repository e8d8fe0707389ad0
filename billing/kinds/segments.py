"""What holds of a charge on each day, its prices and discounts, and periods cut into days that have the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from billing.charges import Discount, Recurring
from billing.facts import Unpriceable
from billing.line import Scope
from billing.periods import Grid, Period
from billing.prices import UnitPrice, moving, prices_of
from billing.service import discount_days, discounts_of, service_start
from billing.terms import Terms


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

    def __init__(self, scope: Scope, charge: Recurring, grid: Grid) -> None:
        start = service_start(scope.terms, charge)
        self._windows = [(*discount_days(one, grid, start), one) for one in discounts_of(scope.terms, charge)]
        stated = [price for tier in charge.tiers for price in (tier.price, tier.flat)]
        self._prices = [prices_of(scope, charge, price) for price in stated] or [prices_of(scope, charge)]
        self._cuts = (charge.proration or scope.terms.proration) != "none"

    def of(self, period: Period) -> Iterator[Segment]:
        """Yield a period's segments; one that is not prorated stays whole.

        Raises ``Unpriceable`` once it has yielded what lies before the first day without a price.
        """
        starts = period.starts
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
        return agreed_on([prices.on(day) for prices in self._prices], held)

    def _cut_days(self, period: Period) -> list[date]:
        """Return the days within a period on which something may change, oldest first."""
        days = {day for prices in self._prices for day in prices.change_days(period.starts, period.until)}
        days.update(day for window in self._windows for day in window[:2] if period.starts < day < period.until)
        return sorted(days)


def dated(discount: Discount) -> bool:
    """Whether a discount holds on some days only."""
    return (discount.starts_on, discount.ends_on, discount.periods) != (None, None, None)


def is_fixed(terms: Terms, charge: Recurring) -> bool:
    """Whether nothing but its steps ever changes what a charge costs."""
    return not moving(terms, charge) and not any(map(dated, discounts_of(terms, charge)))


def agreed_on(prices: Sequence[UnitPrice], held: Sequence[Discount]) -> Agreed:
    """Return what unit prices and the discounts that hold come to."""
    if not held:
        return Agreed(tuple(prices))
    percents = [one.percent for one in held if one.percent is not None]
    amounts = [one.amount for one in held if one.amount is not None]
    return Agreed(tuple(prices), tuple(percents), tuple(amounts))
