"""One charge in plain words: what it costs, how often, and what changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from billing.money import plain
from billing.terms import (
    Charge,
    Discount,
    Escalator,
    FixedPrice,
    Instalment,
    OneTime,
    Prepaid,
    Recurring,
    Retainer,
    Step,
    Terms,
    Tier,
    Usage,
)
from billing.words import date_text, price_text

PRORATION = {
    "actual": "a part of a period costs its share of the period's days",
    "thirty_360": "a part of a period costs its share of months of 30 days",
    "months_then_days": "a part of a period is counted in whole months first, then in days of the next one",
    "by_months": "a part of a period costs its share of calendar months",
    "none": "a part of a period costs as much as a whole one",
}
SEATS_ADDED = {
    "prorate": "added units cost their share of the days left",
    "next_period": "added units cost from the next period",
}
SEATS_REMOVED = {
    "renewal": "removed units cost until the next renewal",
    "credit": "removed units are credited for the days left",
    "high_water": "within a period the highest number of units so far is what costs",
    "next_period": "removed units cost to the end of the period",
}
_AGGREGATION = {
    "sum": "",
    "max": ", the highest value of each period",
    "last": ", the last value of each period",
    "unique_count": ", each different value once a period",
}


def charge_text(charge: Charge, terms: Terms) -> str:
    """Word one charge: ``Support: 10 × 100.00 GBP per month, billed every quarter in advance``."""
    less = "".join(discount_text(discount, terms.currency) for discount in charge.discounts)
    worded = _KINDS[type(charge)](charge, terms)
    return f"{charge.description}: {worded}{less}; tax class {charge.tax_class}"


def money_text(value: Decimal, currency: str) -> str:
    """Word an amount with its currency: ``1,200.00 USD``."""
    return f"{price_text(value, currency)} {currency}"


def interval_text(value: str) -> str:
    """Word an interval: ``half year``, ``2 weeks``."""
    return value.replace("_", " ")


def dates_text(first: date, last: date | None) -> str:
    """Word the days on which something holds."""
    if last is None:
        return f"from {date_text(first)}, without end"
    return f"{date_text(first)} to {date_text(last)}"


def discount_text(discount: Discount, currency: str, per: str = "per period") -> str:
    """Word a reduction, to stand behind what it reduces."""
    less = f"{plain(discount.percent)}%" if discount.percent is not None else ""
    if discount.amount is not None:
        less = f"{money_text(discount.amount, currency)} {per}"
    when = f" from {date_text(discount.starts_on)}" if discount.starts_on else ""
    when += f" through {date_text(discount.ends_on)}" if discount.ends_on else ""
    if discount.periods is not None:
        when += " in the first period" if discount.periods == 1 else f" in the first {discount.periods} periods"
    return f", less {less}{when}{f' ({discount.description})' if discount.description else ''}"


def escalator_text(one: Escalator, currency: str) -> str:
    """Word how a price rises: ``3% each year, on the price before``."""
    if one.index is not None:
        rise = f"with index {one.index}" + (f" plus {plain(one.margin)} point(s)" if one.margin else "")
        basis = "measured from the first price" if one.index_method == "base" else "measured from the rise before"
    else:
        rise = (
            f"by {plain(one.percent or Decimal(0))}%"
            if one.amount is None
            else f"by {money_text(one.amount, currency)}"
        )
        basis = "on the price before" if one.method == "compound" else "on the first price"
    bounds = [f"at least {plain(one.floor)}%"] if one.floor is not None else []
    bounds += [f"at most {plain(one.cap)}%"] if one.cap is not None else []
    first = f", first on {date_text(one.first_on)}" if one.first_on else ""
    every = "year" if one.every == "year" else interval_text(one.every)
    return f"{rise} each {every}, {basis}{''.join(f', {bound}' for bound in bounds)}{first}"


def _priced(charge: Charge, terms: Terms) -> str:
    price = money_text(charge.price, terms.currency)
    return price if charge.quantity == 1 else f"{plain(charge.quantity)} × {price}"


def _recurring(charge: Recurring, terms: Terms) -> str:
    per, every = interval_text(charge.price_per or charge.every), interval_text(charge.every)
    price = _priced(charge, terms)
    if charge.tiers:
        price = f"{plain(charge.quantity)} units, {_tiers(charge.tiers, charge.tier_mode, terms.currency)}"
    timing = "in advance" if charge.timing == "advance" else "in arrears"
    own = [PRORATION[charge.proration]] if charge.proration is not None else []
    own += [SEATS_ADDED[charge.seats_added]] if charge.seats_added is not None else []
    own += [SEATS_REMOVED[charge.seats_removed]] if charge.seats_removed is not None else []
    own += ["never raised"] if not charge.escalates else []
    own += [f"list price {money_text(charge.list_price, terms.currency)}"] if charge.list_price is not None else []
    return f"{price} per {per}, billed every {every} {timing}{_course(charge, terms)}{_listed(own)}"


def _course(charge: Recurring | Usage | Retainer, terms: Terms) -> str:
    """Word what a charge that goes on has of its own: days, periods, ramp, rises."""
    own = []
    if (charge.starts_on, charge.ends_on) != (None, None):
        own.append(dates_text(charge.starts_on or terms.starts_on, charge.ends_on or terms.ends_on))
    if charge.anchor_day is not None:
        own.append(f"periods of its own, begun {anchor_text(charge.anchor_day)}")
    own += [_step(step, terms.currency) for step in charge.steps]
    own += [f"rising {escalator_text(charge.escalator, terms.currency)}"] if charge.escalator is not None else []
    return _listed(own)


def anchor_text(day: int | str) -> str:
    """Word the day on which periods begin."""
    return f"on {'the last day' if day == 'last' else f'day {day}'} of the month"


def _step(step: Step, currency: str) -> str:
    price = f"at {money_text(step.price, currency)}" if step.price is not None else ""
    quantity = f"{plain(step.quantity)} units" if step.quantity is not None else ""
    return f"from {date_text(step.starts_on)}: {' '.join(filter(None, (quantity, price)))}"


def _tiers(tiers: Sequence[Tier], mode: str, currency: str, per: str = "") -> str:
    how = "each unit at its bracket's price" if mode == "graduated" else "all units at the bracket reached"
    return f"{how} ({'; '.join(_tier(tier, currency, per) for tier in tiers)})"


def _tier(tier: Tier, currency: str, per: str) -> str:
    bound = "above:" if tier.up_to is None else f"up to {plain(tier.up_to)}:"
    unit = f"{money_text(tier.price, currency)}{per}" if tier.price or not tier.flat else ""
    flat = f"{money_text(tier.flat, currency)} flat" if tier.flat else ""
    return f"{bound} {' + '.join(filter(None, (unit, flat)))}"


def _once(charge: OneTime, terms: Terms) -> str:
    return f"{_priced(charge, terms)}, once on {date_text(charge.on or terms.starts_on)}"


def _usage(charge: Usage, terms: Terms) -> str:
    currency = terms.currency
    price = _MODELS[charge.model](charge, currency)
    every = interval_text(charge.every)
    invoiced = f", invoiced every {interval_text(charge.invoiced)}" if charge.invoiced is not None else ""
    limits = [f"{plain(charge.free_units)} units included"] if charge.free_units else []
    limits += [f"{charge.free_records} records included"] if charge.free_records else []
    limits += [f"counted over a {interval_text(charge.resets)}"] if charge.resets is not None else []
    if charge.cap is not None:
        over = "a period" if charge.cap_over == "period" else "over the whole contract"
        limits.append(f"at most {money_text(charge.cap, currency)} {over}")
    limits += [f"at least {money_text(charge.minimum, currency)} a period"] if charge.minimum is not None else []
    if charge.bill_over is not None:
        again = " and whenever it is again" if charge.bill_over_repeats else ""
        limits.append(f"invoiced as soon as {money_text(charge.bill_over, currency)} is reached{again}")
    limits += [f"{plain(charge.estimate)} a period expected"] if charge.estimate is not None else []
    return (
        f"{price} of {charge.meter or charge.key}{_AGGREGATION[charge.aggregation]}{_sorted_by(charge, currency)}, "
        f"billed every {every} in arrears{invoiced}{_listed(limits)}{_course(charge, terms)}"
    )


def _sorted_by(charge: Usage, currency: str) -> str:
    chosen = "".join(f", only {name} {value}" for name, value in charge.where.items())
    if charge.dimension is None:
        return chosen
    card = "; ".join(f"{name} {money_text(price, currency)}" for name, price in charge.prices.items())
    return f"{chosen}, by {charge.dimension}{f' ({card})' if card else ''}"


def _per(charge: Usage) -> str:
    return "" if charge.per == 1 else f" per {plain(charge.per)}"


def _per_unit(charge: Usage, currency: str) -> str:
    if charge.prices and not charge.price:
        return "a price for each unit"
    return f"{money_text(charge.price, currency)} per {'unit' if charge.per == 1 else f'{plain(charge.per)} units'}"


def _percentage(charge: Usage, currency: str) -> str:
    parts = [f"{plain(charge.percent)}%"] if charge.percent else []
    parts += [f"{money_text(charge.fixed, currency)} for each record"] if charge.fixed else []
    each = [f"at least {money_text(charge.least_each, currency)}"] if charge.least_each is not None else []
    each += [f"at most {money_text(charge.most_each, currency)}"] if charge.most_each is not None else []
    return " + ".join(parts) + (f" ({' and '.join(each)} each)" if each else "")


_MODELS: dict[str, Callable[[Usage, str], str]] = {
    "per_unit": _per_unit,
    "graduated": lambda charge, currency: _tiers(charge.tiers, "graduated", currency, _per(charge)),
    "volume": lambda charge, currency: _tiers(charge.tiers, "volume", currency, _per(charge)),
    "package": lambda charge, currency: (
        f"{money_text(charge.price, currency)} per begun {plain(charge.package_size or Decimal(1))} units"
    ),
    "percentage": _percentage,
}


def _fixed_price(charge: FixedPrice, terms: Terms) -> str:
    parts = "; ".join(_instalment(part, terms.currency) for part in charge.instalments)
    last = f", nothing after {date_text(charge.ends_on)}" if charge.ends_on is not None else ""
    return f"{_priced(charge, terms)} in all: {parts}{last}"


def _instalment(part: Instalment, currency: str) -> str:
    share = f"{plain(part.percent)}%" if part.percent is not None else ""
    share = share or money_text(part.amount or Decimal(0), currency)
    if part.on is not None:
        when = f"on {date_text(part.on)}"
    elif part.after is not None:
        when = f"{interval_text(part.after)} after the start"
    else:
        when = "when it is accepted"
        when += f", expected on {date_text(part.expected_on)}" if part.expected_on is not None else ""
    return f"{share} {when} ({part.description or part.key})"


def _retainer(charge: Retainer, terms: Terms) -> str:
    kept = {"none": "lapse", "all": "are kept to the end", "1": "are kept for one period"}
    left = kept.get(str(charge.rollover), f"are kept for {charge.rollover} periods")
    every = interval_text(charge.every)
    return (
        f"{_priced(charge, terms)} per {every} in advance for {plain(charge.included)} units of "
        f"{charge.meter or charge.key}, unused ones {left}, more at {money_text(charge.overage_price, terms.currency)} "
        f"each{_course(charge, terms)}"
    )


def _prepaid(charge: Prepaid, terms: Terms) -> str:
    worth = f", worth {money_text(charge.value, terms.currency)}" if charge.value is not None else ""
    bought = f"on {date_text(charge.on or terms.starts_on)}"
    bought = f"every {interval_text(charge.every)} from {bought.removeprefix('on ')}" if charge.every else bought
    bought += f" through {date_text(charge.ends_on)}" if charge.ends_on is not None else ""
    uses = ", ".join(charge.charges) or "all usage"
    drawn = "on the final invoice" if charge.drawn == "final" else "as it is used"
    lasts = f" within {interval_text(charge.lasts)}" if charge.lasts is not None else ""
    rest = "given back" if charge.unused == "return" else "lost"
    return f"{_priced(charge, terms)} paid {bought}{worth}, drawn by {uses} {drawn}{lasts}; what is left is {rest}"


def _listed(parts: Sequence[str]) -> str:
    return "".join(f", {part}" for part in parts)


_KINDS: dict[type[Charge], Callable[[Any, Terms], str]] = {
    Recurring: _recurring,
    OneTime: _once,
    Usage: _usage,
    FixedPrice: _fixed_price,
    Retainer: _retainer,
    Prepaid: _prepaid,
}
