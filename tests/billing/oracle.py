"""A second calculation of what a contract owes: plain, slow, day by day, and of its own.

It is written from the billing conventions and shares nothing with the engine but the structs that say the terms and the
facts. It looks at every calendar day of service, finds that day's period, price, discounts and quantity, and adds the
day's exact share to its slice; a slice is rounded once, at the end.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from billing.facts import Facts
from billing.terms import Commitment, Discount, FixedPrice, OneTime, Recurring, Step, Terms, Usage

DAY = timedelta(days=1)
DECIMALS = {"JPY": 0, "USD": 2, "KWD": 3}
MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
Slices = dict[tuple[str, date], int]  # (charge, service start) -> minor units
Span = tuple[date, date]  # half-open


def half_away(exact: Fraction) -> int:
    whole = abs(exact) + Fraction(1, 2)
    return int(whole) if exact >= 0 else -int(whole)


def minor(exact: Fraction, currency: str) -> int:
    return half_away(exact * 10 ** DECIMALS[currency])


# ------------------------------------------------------------------------------------------------- calendar arithmetic


def interval(text: str) -> tuple[str, int]:
    """Read "month", "4 months", "2 weeks", "30 days" as a unit and how many of it."""
    words = text.split()
    count, word = (int(words[0]), words[1].rstrip("s")) if len(words) == 2 else (1, words[0])
    if word in MONTHS:
        return "months", count * MONTHS[word]
    return "days", count * (7 if word == "week" else 1)


def month_day(year: int, month: int, day: int) -> date:
    """Return a day of a month counted on from January of ``year``, clamped to the month's length."""
    while month > 12:
        year, month = year + 1, month - 12
    while month < 1:
        year, month = year - 1, month + 12
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


class Calendar(NamedTuple):
    """Equal periods counted from ``origin``'s month on day ``anchor``, or from ``origin`` itself in days."""

    origin: date
    unit: str
    size: int
    anchor: int

    def first_day(self, number: int) -> date:
        if self.unit == "days":
            return self.origin + timedelta(days=self.size * number)
        return month_day(self.origin.year, self.origin.month + self.size * number, self.anchor)

    def period(self, day: date) -> Span:
        """Return the full period that a day lies in, found by walking from a guess."""
        number = (day - self.origin).days // (self.size if self.unit == "days" else 31 * self.size)
        while self.first_day(number) > day:
            number -= 1
        while self.first_day(number + 1) <= day:
            number += 1
        return self.first_day(number), self.first_day(number + 1)


def begins(terms: Terms) -> date:
    return terms.starts_on if terms.trial_ends_on is None else max(terms.starts_on, terms.trial_ends_on + DAY)


def calendar_of(terms: Terms, charge: Recurring | Usage, every: str) -> Calendar:
    origin, anchor = begins(terms), terms.anchor_day
    if charge.anchor_day is not None:
        origin, anchor = max(charge.starts_on or origin, origin), charge.anchor_day
    number = 31 if anchor == "last" else origin.day if anchor is None else anchor
    return Calendar(origin, *interval(every), number)


def served_days(terms: Terms, starts_on: date | None, ends_on: date | None, until: date) -> Iterator[date]:
    """Yield each day of service before ``until``."""
    day = max(begins(terms), starts_on or date.min)
    last = min(terms.ends_on or date.max, ends_on or date.max, until - DAY)
    while day <= last:
        yield day
        day += DAY


# --------------------------------------------------------------------------------------------- prices and quantities


def decimals_of(price: Fraction, currency: str) -> int:
    """Return how many decimals a raised price keeps: the currency's, or its own where those are more."""
    own = next(places for places in range(12) if (price * 10**places).denominator == 1)
    return max(DECIMALS[currency], own)


def rise_days(terms: Terms, charge: Recurring, until: date) -> Iterator[date]:
    """Yield the days before ``until`` on which an escalator by percent raises the price."""
    escalator = charge.escalator or terms.escalator
    if escalator is None or escalator.percent is None or not charge.escalates:
        return
    unit, size = interval(escalator.every)
    origin = escalator.first_on or begins(terms)
    number = 0 if escalator.first_on else 1
    while (rise := Calendar(origin, unit, size, origin.day).first_day(number)) < until:
        yield rise
        number += 1


def prices(terms: Terms, charge: Recurring, served: Sequence[date]) -> dict[date, tuple[Fraction, ...]]:
    """Return the prices of each day of service: the unit price, or price and flat price of each bracket."""
    if not charge.tiers:
        steps = {step.starts_on: Fraction(step.price) for step in charge.steps if step.price is not None}
        return {day: (price,) for day, price in course(terms, charge, Fraction(charge.price), steps, served).items()}
    stated = [Fraction(price) for tier in charge.tiers for price in (tier.price, tier.flat)]
    courses = [course(terms, charge, price, {}, served) for price in stated]
    return {day: tuple(one[day] for one in courses) for day in served}


def course(
    terms: Terms, charge: Recurring, price: Fraction, steps: dict[date, Fraction], served: Sequence[date]
) -> dict[date, Fraction]:
    """Return one price on each day of service.

    Of a step and a rise on one day the step counts. Rises before the service are in the price as agreed.
    """
    escalator = charge.escalator or terms.escalator
    rises = {day for day in rise_days(terms, charge, served[-1] + DAY) if day > served[0]} - steps.keys()
    price = stated = next((steps[day] for day in sorted(steps, reverse=True) if day <= served[0]), price)
    count, found = 0, {}
    for day in served:
        if day in steps:
            price, stated, count = steps[day], steps[day], 0
        elif day in rises:
            assert escalator is not None and escalator.percent is not None
            count, rate = count + 1, Fraction(escalator.percent) / 100
            exact = stated * (1 + count * rate) if escalator.method == "simple" else price * (1 + rate)
            places = 10 ** decimals_of(stated, terms.currency)
            price = Fraction(half_away(exact * places), places)
        found[day] = price
    return found


def asked(charge: Recurring, day: date) -> tuple[Fraction, Step | None]:
    """Return the quantity a ramp asks for on a day, and the step that does."""
    steps = [step for step in charge.steps if step.quantity is not None and step.starts_on <= day]
    last = max(steps, key=lambda step: step.starts_on, default=None)
    return Fraction(charge.quantity if last is None or last.quantity is None else last.quantity), last


def active_discounts(charge: Recurring, day: date, number: int) -> tuple[Discount, ...]:
    """Return the discounts of a day in the charge's billing period ``number`` (from 0)."""
    return tuple(
        one
        for one in charge.discounts
        if (one.starts_on or date.min) <= day <= (one.ends_on or date.max)
        and (one.periods is None or number < one.periods)
    )


def net_of(gross: Fraction, discounts: Iterable[Discount]) -> Fraction:
    """Take off percentages one after the other, then amounts, down to nothing."""
    off = Fraction(0)
    for one in discounts:
        if one.percent is not None:
            gross -= gross * Fraction(one.percent) / 100
        else:
            assert one.amount is not None
            off += Fraction(one.amount)
    return gross if gross <= 0 else max(Fraction(0), gross - off)


def in_brackets(
    brackets: Sequence[tuple[Decimal | None, Fraction, Fraction]], mode: str, quantity: Fraction
) -> Fraction:
    """Price a quantity by brackets of (up to and including, price, flat price)."""
    if quantity <= 0:
        return Fraction(0)
    cost, below = Fraction(0), Fraction(0)
    for up_to, price, flat in brackets:
        inside = up_to is None or quantity <= Fraction(up_to)
        if mode == "volume" and inside:
            return quantity * price + flat
        upper = quantity if inside or up_to is None else Fraction(up_to)
        cost += (upper - below) * price + flat
        if mode == "graduated" and inside:
            return cost
        below = upper
    raise AssertionError("a quantity above the last bracket")


# ------------------------------------------------------------------------------------------------------ kinds of charge


class Piece:
    """A slice on its way: what a full period of it costs, its share of one, and the periods served before it."""

    def __init__(self, starts: date, cost: Fraction, before: Fraction) -> None:
        self.starts, self.cost, self.before, self.share = starts, cost, before, Fraction(0)


def recurring(terms: Terms, charge: Recurring, until: date) -> Slices:
    """Return what each slice costs that starts before ``until``.

    Seats removed by an amendment stay until a renewal, and nothing is renewed here; a ramp down as signed falls on its
    day.
    """
    served = [*served_days(terms, charge.starts_on, charge.ends_on, until + timedelta(days=1100))]
    if not served:
        return {}
    proration = charge.proration or terms.proration
    whole, price_of = calendar_of(terms, charge, charge.every), prices(terms, charge, served)
    period, number, count, elapsed, passed = (date.min, date.min), -1, Fraction(0), Fraction(0), Fraction(0)
    told: tuple[tuple[Fraction, ...], tuple[Discount, ...]] = ((), ())
    found: list[Piece] = []
    running: list[Piece] = []  # the slices that a day belongs to
    for day in served:
        before, opens = count, day == served[0] or day >= period[1]
        if opens:
            period, number, passed = (day, whole.period(day)[1]), number + 1, elapsed
        count = counted(terms, charge, day, before, opens=opens, first=day == served[0])
        was = told
        if opens or proration != "none":
            told = (price_of[day], active_discounts(charge, day, number))
        before_it = passed if proration == "none" else elapsed  # whole periods cost: what a day adds is of this one
        new = []
        if opens or was != told:
            running, new = [], [Piece(day, costs(charge, count, *told), before_it)]
        elif count != before:
            new = [Piece(day, costs(charge, count, *told) - costs(charge, before, *told), before_it)]
        running, found = running + new, found + new
        for piece in running:
            piece.share += share(charge, proration, whole, period, piece.starts, day)
        elapsed += share(charge, proration, whole, period, period[0], day)
    splits = interval(charge.every)[1] < interval(charge.price_per or charge.every)[1]
    return {
        (charge.key, piece.starts): rounded(piece, terms.currency, splits=splits)
        for piece in found
        if piece.starts < until
    }


def rounded(piece: Piece, currency: str, *, splits: bool) -> int:
    """Return a slice in minor units; parts of a longer price are rounded on the running total, so that they add up."""
    before = piece.before if splits else Fraction(0)
    return minor(piece.cost * (before + piece.share), currency) - minor(piece.cost * before, currency)


def counted(terms: Terms, charge: Recurring, day: date, before: Fraction, *, opens: bool, first: bool) -> Fraction:
    """Return how many units cost something on a day, given how many did the day before."""
    wanted, step = asked(charge, day)
    if first:
        return wanted
    if wanted >= before:
        return wanted if opens or (charge.seats_added or terms.seats_added) == "prorate" else before
    removed = (step and step.seats_removed) or charge.seats_removed or terms.seats_removed
    if removed == "renewal" and step is not None and (step.amendment or step.seats_removed) and terms.ends_on:
        return before
    signed_so = removed == "renewal" and not (step and step.amendment)
    at_once = (removed == "credit" or signed_so) and (charge.proration or terms.proration) != "none"
    return wanted if opens or at_once else before


def costs(charge: Recurring, quantity: Fraction, agreed: tuple[Fraction, ...], less: tuple[Discount, ...]) -> Fraction:
    """Return what a full billing period costs at a quantity."""
    every, per = interval(charge.every)[1], interval(charge.price_per or charge.every)[1]
    if charge.tiers:
        brackets = [(tier.up_to, agreed[2 * at], agreed[2 * at + 1]) for at, tier in enumerate(charge.tiers)]
        unit = in_brackets(brackets, charge.tier_mode, quantity)
    else:
        unit = agreed[0] * quantity
    return net_of(unit * Fraction(every, per), less)


def share(charge: Recurring, proration: str, whole: Calendar, served: Span, start: date, day: date) -> Fraction:
    """Return a day's share of its full billing period; ``served`` is the part of that period which is served."""
    if proration == "none":
        return Fraction(1) if day == start else Fraction(0)
    size = shortest(interval(charge.every)[1], interval(charge.price_per or charge.every)[1])
    step = whole._replace(size=1 if proration == "by_months" and whole.unit == "months" else size)
    part = Fraction(step.size, whole.size)
    if proration == "months_then_days" and served[0] > whole.period(day)[0]:
        step = Calendar(served[0], step.unit, step.size, served[0].day)
    if proration == "thirty_360" and step.unit == "months":
        return part * Fraction(thirty(day + DAY, step.anchor) - thirty(day, step.anchor), 30 * step.size)
    first, until = step.period(day)
    return part * Fraction(1, (until - first).days)


def shortest(one: int, other: int) -> int:
    return one if other == 0 else shortest(other, one % other)


def thirty(day: date, anchor: int) -> int:
    """Number a day in months of 30; a clamped anchor stands for the day it is clamped from."""
    last = calendar.monthrange(day.year, day.month)[1]
    stands_for = anchor if day.day == min(anchor, last) else day.day
    return (day.year * 12 + day.month) * 30 + min(stands_for, 30)


def usage(terms: Terms, charge: Usage, facts: Facts, until: date) -> Slices:
    """Return what each period's usage costs; records are counted day by day."""
    periods: dict[Span, Fraction] = defaultdict(Fraction)
    ranked = calendar_of(terms, charge, charge.every)
    windows = calendar_of(terms, charge, charge.resets or charge.every)
    used: dict[date, Fraction] = defaultdict(Fraction)
    for one in facts.usage:
        if one.meter == (charge.meter or charge.key):
            used[one.day] += Fraction(one.quantity)
    for day in served_days(terms, charge.starts_on, charge.ends_on, until):
        periods[ranked.period(day)] += used[day]
    start = max(begins(terms), charge.starts_on or date.min)
    found: Slices = {}
    before: dict[Span, Fraction] = defaultdict(Fraction)
    for period in sorted(periods):
        window = windows.period(max(period[0], start))
        cost = [rated(charge, total, terms.currency) for total in (before[window], before[window] + periods[period])]
        before[window] += periods[period]
        found[charge.key, max(period[0], start)] = cost[1] - cost[0]
    return found


def rated(charge: Usage, total: Fraction, currency: str) -> int:
    """Price the quantity of a whole window: less what is free, less discounts, and a cap on what is left."""
    taken = max(Fraction(0), total - Fraction(charge.free_units))
    per = Fraction(charge.per)
    if charge.model == "per_unit":
        cost = taken / per * Fraction(charge.price)
    elif charge.model == "package":
        assert charge.package_size is not None
        cost = -(-taken // Fraction(charge.package_size)) * Fraction(charge.price)
    else:
        brackets = [(tier.up_to, Fraction(tier.price) / per, Fraction(tier.flat)) for tier in charge.tiers]
        cost = in_brackets(brackets, charge.model, taken)
    cost = net_of(cost, charge.discounts)
    return minor(cost if charge.cap is None else min(cost, Fraction(charge.cap)), currency)


def one_time(terms: Terms, charge: OneTime) -> Slices:
    exact = net_of(Fraction(charge.price) * Fraction(charge.quantity), charge.discounts)
    return {(charge.key, charge.on or begins(terms)): minor(exact, terms.currency)}


def fixed_price(terms: Terms, charge: FixedPrice) -> list[Fraction]:
    """Return what each instalment is of the whole, exact, in minor units."""
    whole = Fraction(charge.price) * Fraction(charge.quantity)
    assert not charge.discounts
    parts = [whole * Fraction(one.percent or 0) / 100 for one in charge.instalments]
    return [part * 10 ** DECIMALS[terms.currency] for part in parts]


def commitment(terms: Terms, one: Commitment, slices: Slices, until: date) -> Slices:
    """Return what each commitment period falls short of what was committed, or costs beyond it.

    A period counts with the days that are served in it. What counts are the slices of recurring and usage charges that
    begin in it.
    """
    start = begins(terms)
    number = 31 if terms.anchor_day == "last" else start.day if terms.anchor_day is None else terms.anchor_day
    windows = Calendar(start, *interval(one.every), number)
    names = set(one.charges) or {charge.key for charge in terms.charges if isinstance(charge, Recurring | Usage)}
    days: dict[Span, list[date]] = defaultdict(list)
    for day in served_days(terms, one.starts_on, one.ends_on, until):
        days[windows.period(day)].append(day)
    found: Slices = {}
    for window, served in days.items():
        share = Fraction(len(served), (window[1] - window[0]).days)
        least = minor(Fraction(one.amount) * share, terms.currency)
        counted = sum(amount for (key, on), amount in slices.items() if key in names and on in set(served))
        if counted < least and one.true_up:
            found[one.key, served[0]] = least - counted
        if counted > least:
            found[one.key, served[0]] = half_away((counted - least) * (Fraction(one.overage_factor) - 1))
    return found


def owed(terms: Terms, facts: Facts, until: date) -> Slices:
    """Return every slice of recurring, usage and one-time charges and of commitments that starts before ``until``."""
    found: Slices = {}
    for charge in terms.charges:
        if isinstance(charge, Recurring):
            found.update(recurring(terms, charge, until))
        elif isinstance(charge, Usage):
            found.update(usage(terms, charge, facts, until))
        elif isinstance(charge, OneTime):
            found.update(one_time(terms, charge))
    shortfalls = [commitment(terms, one, found, until) for one in terms.commitments]
    return {slice_: amount for part in (found, *shortfalls) for slice_, amount in part.items()}
