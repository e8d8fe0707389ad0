"""What one period, or one one-time charge, costs: exact fractions, rounded once at the line.

The operands returned beside an amount are those it can be computed again from; ``explain`` words them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from billing.money import exponent, plain, round_half_away
from billing.periods import Grid, Part, Period, common_size, parts, total
from billing.terms import Discount, OneTime, Proration, Recurring, parse_interval


class Priced(NamedTuple):
    """An amount in minor units and the operands that explain it."""

    amount: int
    operands: dict[str, str]


def discounted(gross: Fraction, discounts: Sequence[Discount]) -> Fraction:
    """Take percentages off one after the other, then amounts; a discount never turns a charge into a credit."""
    for discount in discounts:
        if discount.percent is not None:
            gross *= 1 - Fraction(discount.percent) / 100
    if gross <= 0:
        return gross
    return max(Fraction(0), gross - sum(Fraction(discount.amount or 0) for discount in discounts))


def one_time(charge: OneTime, currency: str) -> Priced:
    """Price a one-time charge: price x quantity less discounts."""
    net = discounted(Fraction(charge.price) * Fraction(charge.quantity), charge.discounts)
    return Priced(round_half_away(net * 10 ** exponent(currency)), _operands(charge, currency))


class RecurringPrice:
    """Prices the periods of one recurring charge, which must be asked for in order.

    Where ``price_per`` is longer than the billing period (a yearly price billed monthly) each line is the rounded
    running total less what the lines before took, so that a year's lines add up to the yearly price.
    """

    def __init__(self, charge: Recurring, currency: str, grid: Grid, proration: Proration) -> None:
        every = parse_interval(charge.every)
        per = parse_interval(charge.price_per or charge.every)
        self._proration = proration
        self._steps = grid.finer(common_size(every, per))
        self._whole: tuple[Part, ...] = ((grid.size // self._steps.size, 1),)
        gross = Fraction(charge.price) * Fraction(charge.quantity) * Fraction(every.count, per.count)
        self._net = discounted(gross, charge.discounts) * 10 ** exponent(currency)  # minor units of a full period
        self._full_amount = round_half_away(self._net)
        self._splits = every.count < per.count
        self._before = Fraction(0)  # periods priced so far
        self._base = {
            **_operands(charge, currency),
            "every": charge.every,
            "price_per": charge.price_per or charge.every,
            "parts": str(self._whole[0][0]),
        }

    def of(self, period: Period) -> Priced:
        """Price one period: all of it, or the share a stub is of the full period it belongs to."""
        operands = {**self._base, "from": period.starts.isoformat()}
        measured = self._measure(period)
        if measured is not self._whole:
            operands["parts"] = " + ".join(f"{days}/{of}" if of != 1 else str(days) for days, of in measured)
            if self._proration == "thirty_360" and self._steps.monthly:
                operands["basis"] = "30/360"
        elif not self._splits:
            return Priced(self._full_amount, operands)
        share = total(measured) / self._whole[0][0]
        if not self._splits:
            return Priced(round_half_away(self._net * share), operands)
        operands["before"] = str(self._before)
        taken = round_half_away(self._net * self._before)
        self._before += share
        return Priced(round_half_away(self._net * self._before) - taken, operands)

    def _measure(self, period: Period) -> tuple[Part, ...]:
        if not period.is_stub or self._proration == "none":
            return self._whole
        return parts(self._steps, period.starts, period.until, thirty_360=self._proration == "thirty_360")


def _operands(charge: Recurring | OneTime, currency: str) -> dict[str, str]:
    operands = {"currency": currency, "price": plain(charge.price), "quantity": plain(charge.quantity)}
    percents = [plain(discount.percent) for discount in charge.discounts if discount.percent is not None]
    amounts = [plain(discount.amount) for discount in charge.discounts if discount.amount is not None]
    if percents:
        operands["percent"] = " ".join(percents)
    if amounts:
        operands["off"] = " ".join(amounts)
    return operands
