"""Retainers: a fee per period in advance that includes so many units, and afterwards what was used beyond them.

The fee is a recurring charge in everything. The units included in a part period are prorated like the fee, rounded to
two decimals (half away from zero). Unused units are carried over as ``rollover`` says; the oldest are used first,
before the period's own. Usage below zero (corrections) counts as none. A percentage comes off the overage too, an
amount off the fee alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from billing.charges import Recurring, Retainer
from billing.intervals import parse_interval
from billing.kinds import recurring
from billing.kinds.metering import Metered, aggregated
from billing.line import Explanation, Line, Rule, Scope
from billing.money import plain, round_half_away
from billing.periods import Grid, Period, measure, ratio, unit_size
from billing.pricing import EXACT, ZERO, less_percents, minor_units
from billing.service import contract_grid, discount_days, discounts_of, service_end, service_start
from billing.words import price_text

Operands = dict[str, str]
_FEE = [name for name in Retainer.__struct_fields__ if name in Recurring.__struct_fields__]


def lines(scope: Scope, charge: Retainer) -> Iterator[Line]:
    """Yield the fees of all periods, then what follows each period; raises ``Unpriceable`` as a recurring charge."""
    fee = Recurring(**{name: getattr(charge, name) for name in _FEE})
    for line in recurring.lines(scope, fee):
        yield msgspec.structs.replace(line, kind="retainer")
    yield from _overage_lines(scope, charge)


class _Pool(NamedTuple):
    """A period's units: what is used, included, and carried over from before."""

    period: Period
    used: Decimal
    included: Decimal
    carried: Decimal
    estimated: bool


def _overage_lines(scope: Scope, charge: Retainer) -> Iterator[Line]:
    terms = scope.terms
    grid, start = contract_grid(terms, charge), service_start(terms, charge)
    discounts = [
        (one, *discount_days(one, grid, start)) for one in discounts_of(terms, charge) if one.percent is not None
    ]
    for pool in _pools(scope, charge, grid, start):
        period = pool.period
        if scope.since is not None and period.until <= scope.since:
            continue
        operands = {
            "currency": terms.currency,
            "used": plain(pool.used),
            "included": plain(pool.included),
            "price": plain(charge.overage_price),
        }
        if pool.carried:
            operands["carried"] = plain(pool.carried)
        percents = [one.percent for one, first, until in discounts if first <= period.starts < until]
        if percents:
            operands["percent"] = " ".join(plain(percent or ZERO) for percent in percents)
        yield Line(
            contract=terms.contract,
            charge=charge.key,
            kind="overage",
            description=f"{charge.description} (overage)",
            starts=period.starts,
            until=period.until,
            quantity=_beyond(operands),
            unit_price=charge.overage_price,
            amount=_amount(operands),
            issue_on=period.until,
            tax_class=charge.tax_class,
            product=charge.product,
            estimated=pool.estimated,
            at=f"{period.starts.isoformat()}:overage",
            explain=Explanation("overage", operands),
        )


def _pools(scope: Scope, charge: Retainer, grid: Grid, start: date) -> Iterator[_Pool]:
    """Walk the periods that are over, from the first on, with what each carries over to the next."""
    periods = list(_finished(grid, start, service_end(scope.terms, charge), scope.through))
    metered = Metered(scope.facts, charge, start)
    assume_from = scope.facts.assume_from
    if charge.estimate is not None and assume_from is not None:
        metered.assume((one for one in periods if one.until > assume_from), charge.estimate)
    left: list[tuple[int, Decimal]] = []  # unused units by the number of their period, oldest first
    guessed = False
    for number, period in enumerate(periods):
        if isinstance(charge.rollover, int):
            left = [lot for lot in left if number - lot[0] <= charge.rollover]
        records = metered.between("", period.starts, period.until)
        guessed = metered.is_assumed(period.starts, period.until) or (guessed and bool(left))
        used = max(ZERO, aggregated(records, "sum"))
        included = _included(scope, charge, grid, period)
        yield _Pool(period, used, included, sum((units for _, units in left), ZERO), guessed)
        left = _used_up([*left, (number, included)], used) if charge.rollover != "none" else []


def _finished(grid: Grid, start: date, end: date | None, through: date) -> Iterator[Period]:
    for period in grid.periods(start, end):
        if period.until > through:
            return
        yield period


def _used_up(lots: list[tuple[int, Decimal]], used: Decimal) -> list[tuple[int, Decimal]]:
    """Take what is used from the oldest units first; return what is left."""
    left = []
    for number, units in lots:
        taken = min(units, used)
        used -= taken
        if units > taken:
            left.append((number, units - taken))
    return left


def _included(scope: Scope, charge: Retainer, grid: Grid, period: Period) -> Decimal:
    """Return the units that a period's fee includes, for each retainer, by its share of a full period."""
    whole = charge.included * _quantity(charge, period.starts)
    proration, every = charge.proration or scope.terms.proration, parse_interval(charge.every)
    if not period.is_stub or proration == "none":
        return whole
    unit = unit_size(every, every, proration)
    units, of = ratio(measure(grid, unit, proration, period, period.starts, period.until))
    exact = Fraction(whole) * units / (of * (grid.size // unit))
    return Decimal(round_half_away(exact * 100)).scaleb(-2)


def _quantity(charge: Retainer, day: date) -> Decimal:
    """Return how many retainers there are on a day."""
    found = charge.quantity
    for step in sorted(charge.steps, key=lambda step: step.starts_on):
        if step.quantity is not None and step.starts_on <= day:
            found = step.quantity
    return found


def _beyond(operands: Operands) -> Decimal:
    included = EXACT.add(Decimal(operands["included"]), Decimal(operands.get("carried", "0")))
    return max(ZERO, EXACT.subtract(Decimal(operands["used"]), included))


def _amount(operands: Operands) -> int:
    gross = EXACT.multiply(_beyond(operands), Decimal(operands["price"]))
    percents = [Decimal(percent) for percent in operands.get("percent", "").split()]
    return minor_units(less_percents(gross, percents), operands["currency"])


def _words(operands: Operands) -> str:
    carried = f", {operands['carried']} carried over" if "carried" in operands else ""
    words = f"{operands['used']} used, {operands['included']} included{carried}"
    if beyond := _beyond(operands):
        words += f": {plain(beyond)} at {price_text(operands['price'], operands['currency'])}"
    return words + "".join(f", less {percent}%" for percent in operands.get("percent", "").split())


RULES: dict[str, Rule] = {"overage": Rule(_words, _amount)}
