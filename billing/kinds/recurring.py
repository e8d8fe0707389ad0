"""Recurring charges: flat, per seat or by brackets, period by period.

A period is cut into *segments* where the unit price or the discounts change; each is a slice of its own and costs its
share of the full period. Seats added or removed within a segment are a slice that starts on their day, with the change
of quantity for the days left. Where ``price_per`` is longer than the billing period (a yearly price billed monthly)
every line is what the running total since the service began grows by: so a year's lines add up to the year's price.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import gcd
from operator import attrgetter, itemgetter
from typing import NamedTuple

from billing.charges import Recurring, Tier
from billing.facts import Unpriceable
from billing.kinds import seats
from billing.kinds.segments import Agreed, Segment, Segments, agreed_on, is_fixed
from billing.line import Explanation, Line, Rule, Scope
from billing.money import exponent, plain, round_half_away, round_ratio
from billing.periods import Period, Ratio, measure, parts, ratio, unit_size
from billing.prices import UnitPrice
from billing.pricing import OutsideTiers, Piece, exact_total, pieces_words, read_pieces, tier_pieces, write_pieces
from billing.service import Calendar, calendar, discounts_of
from billing.terms import Interval, Proration, parse_interval
from billing.words import date_text, price_text

_day = itemgetter(0)
_starts_on = attrgetter("starts_on")


def lines(scope: Scope, charge: Recurring) -> Iterator[Line]:
    """Yield what a recurring charge owes, period by period; raises ``Unpriceable``."""
    return _Billed(scope, charge).lines()


def repeating(scope: Scope, charge: Recurring) -> tuple[Line, Calendar, date] | None:
    """Return the line of the charge's first whole period issued after ``since``, and until when all have the same.

    With it comes the calendar of its periods: those issued before that day differ from the line in their days alone.
    None: something changes before, or nothing is certain.
    """
    return _Billed(scope, charge).repeating()


class _Cost(NamedTuple):
    """What a quantity costs for a full period: minor units as an exact ratio and rounded, and a line's operands."""

    agreed: Agreed
    quantity: Decimal
    unit_price: Decimal
    exact: Ratio
    rounded: int
    operands: dict[str, str]


@lru_cache(maxsize=1024)
def _measures(every: str, price_per: str, proration: Proration, currency: str) -> tuple[int, bool, Ratio]:
    """Return what stubs are measured in, whether a longer price is split, and a price's minor units for a period."""
    period, per = parse_interval(every), parse_interval(price_per)
    scale = period.count * 10 ** exponent(currency), per.count
    return unit_size(period, per, proration), period.count < per.count, scale


class _Billed:
    """One recurring charge on its way from terms to lines."""

    def __init__(self, scope: Scope, charge: Recurring) -> None:
        terms = scope.terms
        self._scope, self._charge = scope, charge
        self._calendar = calendar(terms, charge)
        self._grid, self._start, _, self._lead = self._calendar
        self._proration = charge.proration or terms.proration
        self._unit, self._splits, self._scale = _measures(
            charge.every, charge.price_per or charge.every, self._proration, terms.currency
        )
        self._whole = self._grid.size // self._unit
        self._levels = seats.levels(terms, charge, self._grid, self._start)
        self._cost: _Cost | None = None  # of the latest line: most lines cost what the one before did

    def lines(self) -> Iterator[Line]:
        """Yield the lines wanted, in order of service."""
        steady = self._steady()
        if steady is not None:
            for period, issue_on in self._periods(issued_too=False):
                cost = self._cost_of(*steady, period.starts)
                yield self._line(cost, period, period.starts, period.until, issue_on)
            return
        segments = Segments(self._scope, self._charge, self._grid)
        for period, issue_on in self._periods(issued_too=len(self._levels) > 1):
            for segment in segments.of(period):
                yield from self._by_level(period, segment, issue_on)

    def repeating(self) -> tuple[Line, Calendar, date] | None:
        """Return what the function of this name does."""
        since, lead = self._scope.since, self._lead or timedelta()
        coming = (one for one in self._all_periods(self._scope.through, since) if since is None or one[1] > since)
        period, issue_on = next(coming, (None, date.max))
        if period is None or period.is_stub or self._splits:
            return None
        first = _Billed(self._scope._replace(through=issue_on), self._charge)._steady()
        if first is None:
            return None
        changes = [day for day, _ in self._levels] + [one.starts_on for one in self._charge.steps]
        begun = [
            self._grid.boundary(self._grid.index_of(day)) - lead for day in changes if since is None or day > since
        ]
        line = self._line(self._cost_of(*first, period.starts), period, period.starts, period.until, issue_on)
        return line, self._calendar, min(begun, default=date.max)

    def _steady(self) -> tuple[Agreed, Decimal] | None:
        """Return what holds in all of the periods wanted; None where it changes from their first on.

        Nearly all that a run bills is one period at a price and a quantity that were set long ago.
        """
        terms, charge = self._scope.terms, self._charge
        if charge.tiers or not is_fixed(terms, charge):
            return None
        price, quantity = charge.price, charge.quantity
        if charge.steps:
            found = self._stepped()
            if found is None:
                return None
            price, quantity = found
        return agreed_on([UnitPrice(self._start, price)], discounts_of(terms, charge)), quantity

    def _stepped(self) -> tuple[Decimal, Decimal] | None:
        """Return the price and quantity in force; None where a step lies in what is wanted, or is owed by itself."""
        since, lead = self._scope.since, self._lead
        periods = [] if since is None else [period for period, _ in self._periods(issued_too=False)]
        if since is None or not periods:
            return None
        begins, until = periods[0].starts, periods[-1].until
        settled = begins if lead is None else since + lead  # seats added later have a line of their own to come
        if any(settled < day < until for day, _ in self._levels):
            return None
        if any(begins < step.starts_on < until for step in self._charge.steps if step.price is not None):
            return None
        stepped = [one for one in self._charge.steps if one.price is not None and one.starts_on <= begins]
        price = sorted(stepped, key=_starts_on)[-1].price if stepped else None  # of two on one day the later one counts
        quantity = [level for day, level in self._levels if day <= settled][-1]
        return self._charge.price if price is None else price, quantity

    def _periods(self, *, issued_too: bool) -> Iterable[tuple[Period, date]]:
        """Return the periods wanted, each with the day of its issue; with ``issued_too`` that running on ``since``."""
        through, since = self._scope.through, self._scope.since
        if since is not None and not issued_too:
            return self._calendar.due(through, since)
        return self._all_periods(through, since)

    def _all_periods(self, through: date, since: date | None) -> Iterator[tuple[Period, date]]:
        grid, start, end, lead = self._calendar
        running = since if since is None or lead is None else since + lead
        for period in grid.periods(start, end, running):
            issue_on = period.until if lead is None else period.starts - lead
            if issue_on > through:
                return
            yield period, issue_on

    def _by_level(self, period: Period, segment: Segment, issue_on: date) -> Iterator[Line]:
        """Yield the line of a segment, and one for each change of quantity within it, as far as they are wanted."""
        starts, until, agreed = segment
        at = bisect_right(self._levels, starts, key=_day)
        cost = self._cost_of(agreed, self._levels[at - 1][1], starts)
        if self._is_wanted(issue_on):
            yield self._line(cost, period, starts, until, issue_on)
        for day, quantity in self._levels[at:]:
            if day >= until:
                return
            before, cost = cost, self._cost_of(agreed, quantity, day)
            if self._lead is not None and quantity > before.quantity:
                issue_on = max(issue_on, day - self._lead)  # more is paid for when it comes; less was never owed
            if self._is_wanted(issue_on):
                yield self._line(_added(cost, before), period, day, until, issue_on)

    def _is_wanted(self, issue_on: date) -> bool:
        since = self._scope.since
        return issue_on <= self._scope.through and (since is None or issue_on > since)

    def _cost_of(self, agreed: Agreed, quantity: Decimal, day: date) -> _Cost:
        """Return what a quantity costs for a full period; raises ``Unpriceable`` for one that no bracket holds."""
        known = self._cost
        if known is not None and agreed == known.agreed and quantity == known.quantity:
            return known
        charge, currency = self._charge, self._scope.terms.currency
        told = {"currency": currency, "quantity": plain(quantity), "every": charge.every, "parts": str(self._whole)}
        if charge.tiers:
            pieces = self._pieces(agreed, quantity, day)
            told["pieces"] = write_pieces(pieces)
            unit_price = next((price for _, price, of in reversed(pieces) if not of), charge.price)
            gross = exact_total(pieces).as_integer_ratio()
        else:
            _, unit_price, why, _ = agreed.prices[0]
            told["price"] = plain(unit_price)
            if why:
                told["why"] = why
            gross = _times(unit_price.as_integer_ratio(), quantity.as_integer_ratio())
        if charge.price_per is not None and charge.price_per != charge.every:
            told["price_per"] = charge.price_per
        if self._proration == "by_months" and self._grid.monthly:
            told["basis"] = "months"
        if agreed.percents:
            told["percent"] = " ".join(map(plain, agreed.percents))
        if agreed.amounts:
            told["off"] = " ".join(map(plain, agreed.amounts))
        exact = _discounted(_times(gross, self._scale), agreed, 10 ** exponent(currency))
        self._cost = _Cost(agreed, quantity, unit_price, exact, round_ratio(*exact), told)
        return self._cost

    def _pieces(self, agreed: Agreed, quantity: Decimal, day: date) -> tuple[Piece, ...]:
        charge, prices = self._charge, agreed.prices
        tiers = [
            Tier(up_to=tier.up_to, price=prices[2 * at].price, flat=prices[2 * at + 1].price)
            for at, tier in enumerate(charge.tiers)
        ]
        try:
            return tier_pieces(quantity, tiers, charge.tier_mode)
        except OutsideTiers as error:
            message = f"charge {charge.key!r}: {error}: add a tier without up_to, or correct the quantity"
            raise Unpriceable("outside_tiers", message, day, "tiers") from None

    def _line(self, cost: _Cost, period: Period, starts: date, until: date, issue_on: date) -> Line:
        charge = self._charge
        amount, told = self._priced(cost, period, starts, until)
        return Line(
            contract=self._scope.terms.contract,
            charge=charge.key,
            kind="recurring",
            description=charge.description,
            starts=starts,
            until=until,
            quantity=cost.quantity,
            unit_price=cost.unit_price,
            amount=amount,
            issue_on=issue_on,
            tax_class=charge.tax_class,
            product=charge.product,
            estimated=cost.agreed.estimated,
            explain=Explanation("recurring", told),
        )

    def _priced(self, cost: _Cost, period: Period, starts: date, until: date) -> tuple[int, dict[str, str]]:
        """Return the amount of days of a period in minor units, and the operands that explain it."""
        told = {**cost.operands, "from": starts.isoformat()}
        measured = measure(self._grid, self._unit, self._proration, period, starts, until)
        if measured != ((self._whole, 1),):
            told["parts"] = " + ".join([str(days) if of == 1 else f"{days}/{of}" for days, of in measured])
            if self._proration == "thirty_360" and self._grid.monthly:
                told["basis"] = "30/360"
        elif not self._splits:
            return cost.rounded, told
        numerator, denominator = cost.exact
        denominator *= self._whole
        share, of = ratio(measured)
        if not self._splits:
            return round_ratio(numerator * share, denominator * of), told
        before, before_of = self._before(period, starts)
        told["before"] = str(Fraction(before, before_of))
        after, after_of = before * of + share * before_of, before_of * of
        taken = round_ratio(numerator * before, denominator * before_of)
        return round_ratio(numerator * after, denominator * after_of) - taken, told

    def _before(self, period: Period, day: date) -> Ratio:
        """Return the units of service before a day of a period, since the charge's own first day."""
        grid, proration = self._grid, self._proration
        if proration == "none":
            return (grid.index_of(period.starts) - grid.index_of(self._start)) * self._whole, 1
        first = next(grid.periods(self._start, None))
        if day == self._start:
            return 0, 1
        if day < first.until:
            return ratio(measure(grid, self._unit, proration, first, self._start, day))
        lead = measure(grid, self._unit, proration, first, self._start, first.until)
        rest = parts(grid.finer(self._unit), first.until, day, thirty_360=proration == "thirty_360")
        return ratio(lead + rest)


def _added(cost: _Cost, before: _Cost) -> _Cost:
    """Return what a change of quantity costs for a full period."""
    (now, now_of), (was, was_of) = cost.exact, before.exact
    told = {**cost.operands, "was": before.operands["quantity"]}
    if "pieces" in told:
        told["was_pieces"] = before.operands["pieces"]
    exact = now * was_of - was * now_of, now_of * was_of
    return _Cost(cost.agreed, cost.quantity - before.quantity, cost.unit_price, exact, round_ratio(*exact), told)


def _times(one: Ratio, other: Ratio) -> Ratio:
    return one[0] * other[0], one[1] * other[1]


def _discounted(gross: Ratio, agreed: Agreed, minor: int) -> Ratio:
    """Take percentages off one after the other, then amounts; a discount never turns a charge into a credit."""
    numerator, denominator = gross
    for percent in agreed.percents:
        points, of = percent.as_integer_ratio()
        numerator, denominator = numerator * (100 * of - points), denominator * 100 * of
    for amount in agreed.amounts if numerator > 0 else ():
        off, of = amount.as_integer_ratio()
        numerator, denominator = max(0, numerator * of - off * minor * denominator), denominator * of
    return numerator, denominator


# ------------------------------------------------------------------------------------------------------ explanations


def _recomputed(operands: dict[str, str]) -> int:
    every, per = _intervals(operands)
    unit = 1 if operands.get("basis") == "months" else gcd(every.count, per.count)
    net = _period_price(operands, operands["quantity"], operands.get("pieces"))
    if "was" in operands:
        net -= _period_price(operands, operands["was"], operands.get("was_pieces"))
    net *= Fraction(unit, every.count)
    share = sum((Fraction(part) for part in operands["parts"].split(" + ")), Fraction(0))
    before = Fraction(operands.get("before", 0))
    return round_half_away(net * (before + share)) - round_half_away(net * before)


def _period_price(operands: dict[str, str], quantity: str, pieces: str | None) -> Fraction:
    """Return what a quantity costs for a full period, in minor units, from the operands of a line."""
    every, per = _intervals(operands)
    if pieces is None:
        net = Fraction(operands["price"]) * Fraction(quantity)
    else:
        net = Fraction(exact_total(read_pieces(pieces)))
    net *= Fraction(every.count, per.count)
    for percent in operands.get("percent", "").split():
        net *= 1 - Fraction(percent) / 100
    if net > 0:
        net = max(Fraction(0), net - sum(Fraction(amount) for amount in operands.get("off", "").split()))
    minor: int = 10 ** exponent(operands["currency"])
    return net * minor


def _intervals(operands: dict[str, str]) -> tuple[Interval, Interval]:
    return parse_interval(operands["every"]), parse_interval(operands.get("price_per", operands["every"]))


def _words(operands: dict[str, str]) -> str:
    extent = f"{_extent(operands)} from {date_text(date.fromisoformat(operands['from']))}"
    if "was" in operands:
        extent = f"{_change(operands)}, {extent}"
    per = f" per {operands['price_per'].replace('_', ' ')}" if "price_per" in operands else ""
    running = ", on the running total" if "before" in operands else ""
    return f"{extent} {_price(operands)}{per}{_less(operands)}{running}"


def _change(operands: dict[str, str]) -> str:
    added = Decimal(operands["quantity"]) - Decimal(operands["was"])
    return f"{plain(added)} added" if added > 0 else f"{plain(-added)} removed"


def _price(operands: dict[str, str]) -> str:
    currency = operands["currency"]
    if "pieces" in operands:
        now = pieces_words(operands["pieces"], currency)
        return (
            f"for {now}"
            if "was" not in operands
            else f"for {now}, less {pieces_words(operands['was_pieces'], currency)}"
        )
    price = price_text(operands["price"], currency)
    if "why" in operands:
        first, _, rest = operands["why"].partition(" ")
        price += f" (= {price_text(first, currency)} {rest})"
    if "was" in operands or Decimal(operands["quantity"]) == 1:
        return f"at {price}"
    return f"at {operands['quantity']} × {price}"


def _less(operands: dict[str, str]) -> str:
    percents = "".join(f", less {percent}%" for percent in operands.get("percent", "").split())
    amounts = operands.get("off", "").split()
    return percents + "".join(f", less {price_text(off, operands['currency'])} per period" for off in amounts)


def _extent(operands: dict[str, str]) -> str:
    """Word how much of its periods a line is: ``31 of 61 days``, ``1 month``, ``5 months + 21 of 30 days``."""
    written = operands["parts"].split(" + ")
    basis = " (30/360)" if operands.get("basis") == "30/360" else ""
    if len(written) == 1 and "/" in written[0]:
        return f"{written[0].replace('/', ' of ')} days{basis}"
    every, per = _intervals(operands)
    size = 1 if operands.get("basis") == "months" else gcd(every.count, per.count)
    if written == ["1"] and size == every.count:
        name = operands["every"]
        return f"1 {name.replace('_', ' ')}" if name[0].isalpha() else name
    step = every.unit if size == 1 else f"times {size} {every.unit}s"
    worded = [f"{one.replace('/', ' of ')} days" if "/" in one else _counted(one, step) for one in written]
    return " + ".join(worded) + basis


def _counted(number: str, step: str) -> str:
    return f"{number} {step}" if number == "1" or step.startswith("times") else f"{number} {step}s"


RULES = {"recurring": Rule(_words, _recomputed)}
