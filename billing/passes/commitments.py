"""Minimum commitments: what a customer pays at least in each commitment period, and what going beyond it costs.

What counts are the rounded lines whose service begins in the period. The true-up is what they fall short of the rounded
commitment, so a period's total is exactly what was committed. It is billed when the period is over and the last line
that counts has been billed, never on an invoice in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import takewhile

from billing.charges import Recurring, Retainer, Usage
from billing.line import Explanation, Line, Rule
from billing.money import plain, round_half_away, to_decimal, to_minor
from billing.passes.termination import stopped
from billing.periods import Grid, Period, anchor_number
from billing.service import contract_start
from billing.terms import Commitment, Terms, parse_interval
from billing.words import date_text, price_text

Settling = tuple[Commitment, list[Period]]  # a commitment, and periods of it that are over
_DAY = timedelta(days=1)


def counted_charges(terms: Terms, one: Commitment) -> set[str]:
    """Return the keys of the charges that count: those named, or all recurring, usage and retainer charges."""
    if one.charges:
        return set(one.charges)
    return {
        charge.key for charge in terms.charges if charge.committed and isinstance(charge, Recurring | Usage | Retainer)
    }


def commitment_grid(terms: Terms, one: Commitment) -> Grid:
    """Return the grid of a commitment's periods, counted from the contract's start."""
    start = contract_start(terms)
    return Grid.of(start, parse_interval(one.every), anchor_number(terms.anchor_day, start))


def commitment_periods(terms: Terms, one: Commitment, since: date | None = None) -> Iterator[Period]:
    """Yield the commitment periods that end after ``since``, cut to the dates of the contract and the commitment."""
    start = contract_start(terms) if one.starts_on is None else max(one.starts_on, contract_start(terms))
    ends = [day for day in (stopped(terms), one.ends_on and one.ends_on + _DAY) if day is not None]
    end = min(ends, default=None)
    grid = commitment_grid(terms, one)
    if since is not None and since > start:
        start = max(start, grid.boundary(grid.index_of(since)))
    return grid.periods(start, end)


def settling(terms: Terms, after: date | None, through: date) -> list[Settling]:
    """Return the commitments of which periods end after ``after`` and by ``through``, with these periods."""
    found = []
    for one in terms.commitments:
        if after is not None and not _ends_within(terms, one, after, through):
            continue
        periods = list(takewhile(lambda period: period.until <= through, commitment_periods(terms, one, after)))
        if periods:
            found.append((one, periods))
    return found


def _ends_within(terms: Terms, one: Commitment, after: date, through: date) -> bool:
    """Whether a period may end after one day and by another: nearly always it does not."""
    grid = commitment_grid(terms, one)
    if one.ends_on is not None or stopped(terms) is not None:
        return True
    return grid.boundary(grid.index_of(after) + 1) <= through


def lines(terms: Terms, one: Commitment, periods: Sequence[Period], owed: Sequence[Line]) -> Iterator[Line]:
    """Yield true-up and overage of some of a commitment's periods.

    ``owed`` must hold every line of the charges that count whose service begins in these periods.
    """
    keys, grid = counted_charges(terms, one), commitment_grid(terms, one)
    counted: dict[int, list[Line]] = {}
    for line in owed:
        if line.charge in keys:
            counted.setdefault(grid.index_of(line.starts), []).append(line)
    for period in periods:
        within = counted.get(grid.index_of(period.starts), ())
        yield from _settled_up(terms, one, period, [line for line in within if _in(period, line)])


def _in(period: Period, line: Line) -> bool:
    return period.starts <= line.starts < period.until


def _settled_up(terms: Terms, one: Commitment, period: Period, counted: Sequence[Line]) -> Iterator[Line]:
    billed = sum(line.amount for line in counted)
    amount, days = _amount_on(one, period.starts), _days(terms, one, period)
    short = committed(amount, days, terms.currency) - billed
    if short == 0 or (not one.true_up if short > 0 else one.overage_factor == 1):
        return
    operands = {
        "currency": terms.currency,
        "amount": plain(amount),
        "days": days,
        "from": period.starts.isoformat(),
        "billed": str(billed),
    }
    if short > 0:
        yield _line(terms, one, period, counted, short, Explanation("true_up", operands))
    else:
        operands["factor"] = plain(one.overage_factor)
        surcharge = _surcharge(operands)
        yield _line(terms, one, period, counted, surcharge, Explanation("commitment_overage", operands))


def _amount_on(one: Commitment, day: date) -> Decimal:
    """Return what is committed for a period that begins on a day: the latest step by then, or as signed."""
    steps = [step for step in one.steps if step.price is not None and step.starts_on <= day]
    latest = max(steps, key=lambda step: step.starts_on, default=None)
    return one.amount if latest is None or latest.price is None else latest.price


def _days(terms: Terms, one: Commitment, period: Period) -> str:
    """Return the committed share of a period as ``25/28``, the days of it and of the full period it belongs to.

    What the customer ended early counts as far as it would have run.
    """
    until = period.until
    if terms.ended_by == "customer" and not one.prorate_on_termination and until == stopped(terms):
        agreed = (terms.signed_ends_on, one.ends_on)
        until = min([period.full_until, *(day + _DAY for day in agreed if day is not None)])
    return f"{(until - period.starts).days}/{(period.full_until - period.full_starts).days}"


def _line(
    terms: Terms, one: Commitment, period: Period, counted: Sequence[Line], amount: int, explain: Explanation
) -> Line:
    true_up = explain.rule == "true_up"
    return Line(
        contract=terms.contract,
        charge=one.key,
        kind="true_up" if true_up else "overage",
        description=one.description if true_up else f"{one.description}: overage",
        starts=period.starts,
        until=period.until,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=max([period.until, *(line.issue_on for line in counted)]),
        tax_class=one.tax_class,
        product=one.product,
        estimated=any(line.estimated for line in counted),
        at="" if true_up else f"{period.starts.isoformat()}:overage",
        explain=explain,
    )


@lru_cache(maxsize=4096)
def committed(amount: Decimal, days: str, currency: str) -> int:
    """Return what is committed for a share of a period (``25/28``), in minor units."""
    used, of = days.split("/")
    return to_minor(Fraction(amount) * int(used) / int(of), currency)


def _short(operands: dict[str, str]) -> int:
    """Return what the lines billed fall short of the commitment; below zero: what they go beyond it."""
    return committed(Decimal(operands["amount"]), operands["days"], operands["currency"]) - int(operands["billed"])


def _surcharge(operands: dict[str, str]) -> int:
    return round_half_away((Fraction(operands["factor"]) - 1) * -_short(operands))


def _commitment_words(operands: dict[str, str]) -> str:
    used, of = operands["days"].split("/")
    extent = "" if used == of else f"{used} of {of} days of "
    start = date_text(date.fromisoformat(operands["from"]))
    return f"{extent}{price_text(operands['amount'], operands['currency'])} committed from {start}"


def _true_up_words(operands: dict[str, str]) -> str:
    return f"{_commitment_words(operands)}, less {_major(int(operands['billed']), operands)} billed"


def _overage_words(operands: dict[str, str]) -> str:
    billed, beyond = _major(int(operands["billed"]), operands), _major(-_short(operands), operands)
    words = f"{billed} billed is {beyond} beyond {_commitment_words(operands)}"
    return f"{words}; what goes beyond costs {operands['factor']} times"


def _major(minor: int, operands: dict[str, str]) -> str:
    return price_text(to_decimal(minor, operands["currency"]), operands["currency"])


RULES = {
    "true_up": Rule(_true_up_words, _short),
    "commitment_overage": Rule(_overage_words, _surcharge),
}
