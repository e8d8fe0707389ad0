"""Fixed prices: a total split into milestones, billed when they are accepted, or into instalments by date.

The parts add up to the total to the cent whatever the order in which they fall due: each is the rounded running total,
in the order written, less the rounded running total before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from billing.charges import FixedPrice, Instalment
from billing.facts import Facts
from billing.kinds.one_time import discounts_on, exact, lump, lump_words
from billing.line import Explanation, Line, Rule, Scope
from billing.money import plain, round_half_away, to_decimal
from billing.periods import Grid
from billing.terms import Terms, parse_interval
from billing.words import date_text, price_text

_DAY = timedelta(days=1)


class Due(NamedTuple):
    """The day an instalment is billed, and how it is known."""

    on: date
    accepted: bool = False
    estimated: bool = False


def lines(scope: Scope, charge: FixedPrice) -> Iterator[Line]:
    """Yield a line for each instalment that is due, by the day it falls due."""
    shares = _shares(charge)
    found = []
    for index, instalment in enumerate(charge.instalments):
        due = due_day(scope.terms, scope.facts, charge, instalment)
        if due is None or due.on > scope.through or (scope.since is not None and due.on <= scope.since):
            continue
        found.append(_line(scope.terms, charge, instalment, due, sum(shares[:index], Fraction(0)), shares[index]))
    found.sort(key=lambda line: line.starts)
    yield from found


def due_day(terms: Terms, facts: Facts, charge: FixedPrice, instalment: Instalment) -> Due | None:
    """Return when an instalment is billed; None: it waits for its acceptance.

    In a preview (``facts.assume_from``) a milestone is assumed to be accepted on the day it is expected, or at once
    when that day has gone by without it. What falls due after the charge's last day is not billed.
    """
    due = _due(terms, facts, charge, instalment)
    return None if due is None or (charge.ends_on is not None and due.on > charge.ends_on) else due


def _due(terms: Terms, facts: Facts, charge: FixedPrice, instalment: Instalment) -> Due | None:
    if instalment.on is not None:
        return Due(instalment.on)
    if instalment.after is not None:
        start = terms.starts_on
        return Due(Grid.of(start, parse_interval(instalment.after), start.day).boundary(1))
    for one in facts.accepted:
        if one.milestone == instalment.key and one.charge == charge.key:
            return Due(one.on, accepted=True)
    if facts.assume_from is None or instalment.expected_on is None:
        return None
    return Due(max(instalment.expected_on, facts.assume_from), estimated=True)


def _shares(charge: FixedPrice) -> list[Fraction]:
    """Return each instalment's share of the whole; an amount is a share too, so that a discount lowers it as well."""
    gross = Fraction(charge.price) * Fraction(charge.quantity)
    return [
        Fraction(one.percent) / 100 if one.percent is not None else Fraction(one.amount or 0) / (gross or 1)
        for one in charge.instalments
    ]


def _line(
    terms: Terms, charge: FixedPrice, instalment: Instalment, due: Due, before: Fraction, share: Fraction
) -> Line:
    operands = lump(charge, discounts_on(terms, charge, due.on), terms.currency)
    operands["before"], operands["share"] = str(before), str(share)
    if due.accepted or due.estimated:
        operands["accepted" if due.accepted else "expected"] = due.on.isoformat()
    amount = _amount(operands)
    return Line(
        contract=terms.contract,
        charge=charge.key,
        kind="instalment" if instalment.on or instalment.after else "milestone",
        description=f"{charge.description}: {instalment.description or instalment.key}",
        starts=due.on,
        until=due.on + _DAY,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=due.on,
        tax_class=charge.tax_class,
        product=charge.product,
        estimated=due.estimated,
        at=instalment.key,
        explain=Explanation("instalment", operands),
    )


def _amount(operands: dict[str, str]) -> int:
    total, before = exact(operands), Fraction(operands["before"])
    return round_half_away(total * (before + Fraction(operands["share"]))) - round_half_away(total * before)


def _words(operands: dict[str, str]) -> str:
    words = f"{_share_words(operands)} of {lump_words(operands)}"
    for name, when in (("accepted", "accepted on"), ("expected", "expected on")):
        if name in operands:
            words += f", {when} {date_text(date.fromisoformat(operands[name]))}"
    return words


def _share_words(operands: dict[str, str]) -> str:
    """Word a share as a percentage where that is a short number, otherwise as an amount of the undiscounted total."""
    share = Fraction(operands["share"])
    percent = share * 100
    if 10**4 % percent.denominator == 0:
        return f"{plain(Decimal(percent.numerator) / percent.denominator)}%"
    gross = share * Fraction(operands["price"]) * Fraction(operands["quantity"])
    return price_text(Decimal(gross.numerator) / gross.denominator, operands["currency"])


RULES = {"instalment": Rule(_words, _amount)}
