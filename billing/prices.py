"""The unit price of a charge on every day: ramp steps, escalators and renewals, worked out in date order.

A step sets the price, a renewal sets it anew, an escalation raises it; on one day only the first of these counts. A new
price is rounded once, and it is the rounded price that rises next.

An index is measured from the day on which the price was last set or raised, by the last value published by that day;
later values do not revise it. Dynamics 365 escalates like this (accounts-receivable/cpischedules); caps and floors are
ours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import NamedTuple

from billing.charges import Escalator, Recurring, Step, Usage
from billing.facts import NO_FACTS, Facts, IndexSeries, Unpriceable
from billing.intervals import parse_interval
from billing.line import Scope
from billing.money import exponent, plain, round_ratio
from billing.periods import Grid, Ratio, anchored
from billing.service import Serving, contract_start, renewal_after, service_start
from billing.terms import Renewal, Terms
from billing.words import date_text

_Event = tuple[date, Step | Renewal | Escalator]
_Raised = tuple[Ratio, str]  # a new price, exact, and its arithmetic
_day = itemgetter(0)


class UnitPrice(NamedTuple):
    """A unit price in major units and the first day it holds on.

    ``why`` is the arithmetic of the rise that made it (``1000 × 110.5 / 105.65``), empty for a price as agreed.
    ``estimated`` says that an index's value was assumed.
    """

    starts: date
    price: Decimal
    why: str = ""
    estimated: bool = False


class Rises(NamedTuple):
    """What moves a price beside its steps. The escalator's days are those of ``grid`` from number ``first`` on."""

    facts: Facts
    currency: str
    escalator: Escalator | None
    grid: Grid
    first: int
    renewed: Terms | None  # whose renewals set the price anew
    list_price: Decimal | None


STILL = Rises(NO_FACTS, "USD", None, Grid(date.min, 12, True, 1), 0, None, None)  # nothing but steps moves a price


class Prices:
    """The unit prices of one charge from ``start`` on, worked out as far as they are asked for."""

    def __init__(self, price: Decimal, start: date, steps: Sequence[Step] = (), rises: Rises = STILL) -> None:
        self._steps = sorted({step.starts_on: step for step in steps if step.price is not None}.items())
        past = bisect_right(self._steps, start, key=_day)
        if past:
            price = self._steps[past - 1][1].price or Decimal(0)
        self._found = [UnitPrice(start, price)]
        self._rises = rises
        self._course = _Course(start, price, rises, original=not past)
        self._next = self._upcoming(start)
        self.steady = self._next is None  # the same price for ever

    def on(self, day: date) -> UnitPrice:
        """Return the price in force on a day (before the first day: the first price); raises ``Unpriceable``."""
        while self._next is not None and self._next[0] <= day:
            self._work_in(*self._next)
        found = self._found
        if found[-1].starts <= day:
            return found[-1]
        return found[max(0, bisect_right(found, day, key=_day) - 1)]

    def change_days(self, after: date, before: date) -> list[date]:
        """Return the days strictly between two on which the price may change, oldest first."""
        days = []
        coming = self._upcoming(after) if after < self._course.last_on else self._next
        while coming is not None and coming[0] < before:
            if coming[0] > after:
                days.append(coming[0])
            coming = self._upcoming(coming[0])
        return days

    def between(self, starts: date, until: date) -> Iterator[tuple[date, date, UnitPrice]]:
        """Yield the days ``[starts, until)`` cut where the price changes: first day, day after the last, price.

        Raises ``Unpriceable`` once it has yielded what lies before the first day without a price.
        """
        now = self.on(starts)
        for day in self.change_days(starts, until):
            try:
                then = self.on(day)
            except Unpriceable:
                yield starts, day, now
                raise
            if then is not now:
                yield starts, day, now
                starts, now = day, then
        yield starts, until, now

    def _work_in(self, day: date, by: Step | Renewal | Escalator) -> None:
        course = self._course
        if isinstance(by, Step):
            course.set(day, by.price or Decimal(0))
        elif isinstance(by, Renewal):
            course.renew(day, by)
        else:
            course.rise(day, by)
        last = self._found[-1]
        if (course.price, course.estimated) != (last.price, last.estimated):
            self._found.append(UnitPrice(day, course.price, course.why, course.estimated))
        self._next = self._upcoming(day)

    def _upcoming(self, after: date) -> _Event | None:
        """Return what moves the price first after a day; on one day a step goes before a renewal before a rise."""
        found: list[_Event] = []
        at = bisect_right(self._steps, after, key=_day)
        found += self._steps[at : at + 1]
        rises = self._rises
        if rises.renewed is not None:
            renewed = renewal_after(rises.renewed, after)
            while renewed is not None and not _moves(renewed[1]):
                renewed = renewal_after(rises.renewed, renewed[0]) if renewed[1] is not rises.renewed.renewal else None
            found += [renewed] if renewed is not None else []
        if rises.escalator is not None:
            day = rises.grid.boundary(max(rises.first, rises.grid.index_of(after) + 1))
            found.append((day, rises.escalator))
        return min(found, key=_day, default=None)  # of equals the first


class _Course:
    """A price on its way through the events: what the next rise starts from."""

    def __init__(self, start: date, price: Decimal, rises: Rises, *, original: bool) -> None:
        self._rises = rises
        self._term = (price, start)  # the first price of the running term, and its first day
        self._base_index: Decimal | None = None
        self.set(start, price)
        if original and rises.escalator is not None:
            self._base_index = rises.escalator.base_index

    def set(self, day: date, price: Decimal) -> None:
        """Let a price as agreed hold from a day on."""
        self.price, self.why, self.estimated = price, "", False
        self._stated, self._stated_on, self._count = price, day, 0
        self._base_index = None
        self.last_on = day  # when it was last set or raised

    def renew(self, day: date, by: Renewal) -> None:
        """Set the price of a renewed term: its basis, raised by the uplift."""
        exact, why = self._uplifted(day, by)
        estimated = self.estimated
        self.set(day, self._rounded(exact, by.price_decimals))
        self.why, self.estimated = why, estimated
        self._term = (self.price, day)

    def rise(self, day: date, by: Escalator) -> None:
        """Raise the price as an escalator does."""
        exact, why = self._bounded(*self._raised(day, by), by)
        self.price, self.why = self._rounded(exact, by.price_decimals), why
        self.last_on = day
        self._count += 1

    def _uplifted(self, day: date, by: Renewal) -> _Raised:
        """Return a renewal's price and its arithmetic; by years, the uplift is so many times the percentage.

        The years are those begun since the basis segment did (ServiceNow, renewal-pricing-ramped-products).
        """
        if by.price_basis == "list":
            price = self._rises.list_price
            if price is None:
                message = f"the renewal on {date_text(day)} is at list price, and the charge has none"
                raise Unpriceable("list_price_missing", message, day, "list_price")
            return _plus(price, by.uplift_percent)
        bases = {"last_segment": (self.price, self.last_on), "first_segment": self._term}
        chosen = bases.values() if by.price_basis == "highest" else [bases[by.price_basis]]
        by_year = by.uplift_per == "year"
        raised = [
            _plus(price, by.uplift_percent, _years_begun(began, day) if by_year else 1) for price, began in chosen
        ]
        return max(raised, key=lambda one: Fraction(*one[0]))

    def _raised(self, day: date, by: Escalator) -> _Raised:
        if by.amount is not None:
            exact = (Fraction(self.price) + Fraction(by.amount)).as_integer_ratio()
            return exact, f"{plain(self.price)} + {plain(by.amount)}"
        if by.percent is not None and by.method == "simple":
            return _plus(self._stated, by.percent, self._count + 1)
        if by.percent is not None:
            return _plus(self.price, by.percent)
        prior = by.index_method == "prior"
        price, times = (self.price, 1) if prior else (self._stated, self._count + 1)
        latest, before = self._index_values(day, by)
        growth, grown = Fraction(latest) / Fraction(before), f"{plain(latest)} / {plain(before)}"
        if by.margin:
            growth += Fraction(by.margin) * times / 100
            grown = f"({grown} + {_percent(by.margin, times)})"
        return (Fraction(price) * growth).as_integer_ratio(), f"{plain(price)} × {grown}"

    def _index_values(self, day: date, by: Escalator) -> tuple[Decimal, Decimal]:
        """Return an index's value on a day and the one it is measured against; a preview may assume what is missing."""
        facts, name = self._rises.facts, by.index or ""
        series = facts.indices.get(name, ())
        published, latest = _published(series, name, day, day)
        before_on, before = date.min, self._base_index
        if before is None or (self._count and by.index_method == "prior"):
            since = self.last_on if by.index_method == "prior" else self._stated_on
            before_on, before = _published(series, name, since, day)
        least = Grid.of(day, parse_interval(by.every), day.day).boundary(-1)
        if published == series[-1][0] and published <= max(least, before_on):
            # what was published since the last rise is not entered yet
            if facts.assume_from is None or day < facts.assume_from:
                message = f"index {name!r} has no value published after {date_text(max(least, before_on))}"
                raise Unpriceable("index_missing", f"{message}; {date_text(day)} needs one", day, "escalator")
            self.estimated = True
        return latest, before

    def _bounded(self, exact: Ratio, why: str, by: Escalator) -> _Raised:
        if (by.cap is None and by.floor is None) or not self.price:
            return exact, why
        percent = (Fraction(*exact) / Fraction(self.price) - 1) * 100
        if by.cap is not None and percent > Fraction(by.cap):
            exact, why = _plus(self.price, by.cap)
            return exact, f"{why} (cap)"
        if by.floor is not None and percent < Fraction(by.floor):
            exact, why = _plus(self.price, by.floor)
            return exact, f"{why} (floor)"
        return exact, why

    def _rounded(self, exact: Ratio, decimals: int | None) -> Decimal:
        """Round a new price: by default to the currency's decimals, or the price's own where those are more."""
        if decimals is None:
            decimals = max(exponent(self._rises.currency), len(plain(self._stated).partition(".")[2]))
        return Decimal(round_ratio(exact[0] * 10**decimals, exact[1])).scaleb(-decimals)


def prices_of(scope: Scope, charge: Serving, stated: Decimal | None = None) -> Prices:
    """Return the unit prices of a charge, or with ``stated`` of another price of it, e.g. a tier's: no step sets that.

    Such a price of zero stays zero. The contract's escalator and renewals leave usage alone, and a recurring
    charge with ``escalates = false`` all of them.
    """
    start = service_start(scope.terms, charge)
    if stated is None:
        return Prices(charge.price, start, charge.steps, _rises(scope, charge))
    return Prices(stated, start, (), _rises(scope, charge) if stated else STILL)


def moving(terms: Terms, charge: Serving) -> bool:
    """Whether anything but its own steps may move a charge's price: an escalator, or renewals."""
    if charge.escalator is None and terms.escalator is None and terms.renewal is None and not terms.renewed:
        return False
    return _escalator(terms, charge) is not None or _renews(terms, charge)


def _rises(scope: Scope, charge: Serving) -> Rises:
    terms = scope.terms
    if not moving(terms, charge):
        return STILL
    escalator = _escalator(terms, charge)
    every = parse_interval(escalator.every if escalator else "year")
    origin = escalator.first_on if escalator and escalator.first_on else contract_start(terms)
    return Rises(
        facts=scope.facts,
        currency=terms.currency,
        escalator=escalator,
        grid=Grid.of(origin, every, origin.day),
        first=0 if escalator and escalator.first_on else 1,
        renewed=terms if _renews(terms, charge) else None,
        list_price=charge.list_price if isinstance(charge, Recurring) else None,
    )


def _escalator(terms: Terms, charge: Serving) -> Escalator | None:
    if isinstance(charge, Recurring) and not charge.escalates:
        return None
    by = charge.escalator or (None if isinstance(charge, Usage) else terms.escalator)
    return None if by is None or (by.percent, by.amount, by.index) == (None, None, None) else by


def _renews(terms: Terms, charge: Serving) -> bool:
    """Whether renewals set a charge's price anew."""
    if isinstance(charge, Usage) or (isinstance(charge, Recurring) and not charge.escalates):
        return False
    return _moves(terms.renewal) or any(_moves(past.by) for past in terms.renewed)


def _moves(renewal: Renewal | None) -> bool:
    """Whether a renewal sets prices anew."""
    return renewal is not None and (renewal.uplift_percent != 0 or renewal.price_basis != "last_segment")


def _published(series: IndexSeries, name: str, by: date, day: date) -> tuple[date, Decimal]:
    """Return the last value published by a day, which the rise on ``day`` needs."""
    at = bisect_right(series, by, key=_day)
    if not at or not series[at - 1][1]:
        message = f"index {name!r} has no value published by {date_text(by)}"
        raise Unpriceable("index_missing", f"{message}; {date_text(day)} needs one", day, "escalator")
    return series[at - 1]


def _plus(price: Decimal, percent: Decimal, times: int = 1) -> _Raised:
    """Return a price raised by so many times a percentage, exact, and its arithmetic: ``240 + 3 × 10%``."""
    (units, of), (points, points_of) = price.as_integer_ratio(), percent.as_integer_ratio()
    exact = units * (100 * points_of + points * times), of * 100 * points_of
    return exact, f"{plain(price)} + {_percent(percent, times)}"


def _percent(percent: Decimal, times: int) -> str:
    return f"{plain(percent)}%" if times == 1 else f"{times} × {plain(percent)}%"


def _years_begun(began: date, until: date) -> int:
    years = until.year - began.year
    return years + 1 if anchored((began.year + years) * 12 + began.month - 1, began.day) < until else years
