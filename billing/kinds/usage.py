"""Usage charges: what was used in each period, billed after it.

What the terms leave open is settled here as follows.

- A record counts in the period of its day; the last day of service is in. Periods are the contract's; a stub is a
  shorter period: neither prices, free units nor an amount off are prorated, only a ``minimum`` is, by days.
- With ``resets`` longer than ``every``, a period costs the rounded price of all used since the last reset less that of
  what was used before the period. So tiers, free units and packages go on, and the periods add up to the whole.
- Order of reductions: percentages, ``cap``, amounts off. Free units, tiers and packages are those of each value of the
  ``dimension``; cap, amounts off and minimum are the charge's, and its values use them up in sorted order.
- A discount holds for the periods that start within its dates, or for the first ``periods`` ones.
- A price that changes within a period: each record of a summed ``per_unit`` charge costs what its day says, anything
  else what the period's first day says. Tiers and rate cards rise with the charge's escalator like prices.
- A total below zero (corrections) is a credit with ``per_unit``, nothing with ``package`` and ``percentage``, and no
  quantity at all for tiers.
- With ``bill_over`` an interim line is owed on the day on which a period has used so much (and on each further one, if
  ``bill_over_repeats``); after the period one line takes the interim ones off what it costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from billing.charges import Discount, Usage
from billing.facts import Unpriceable, UsageRecord
from billing.kinds.metering import Metered, aggregated
from billing.kinds.segments import dated
from billing.kinds.tariff import Tariff, counted, pieces_of
from billing.kinds.usage_rules import RULES as RULES
from billing.kinds.usage_rules import Rated, conditions, limited, minimum_amount, minimum_operands, price_unit
from billing.line import Explanation, Line, Scope
from billing.money import exponent, plain, round_ratio, to_decimal, to_minor
from billing.periods import Days, Period
from billing.pricing import (
    EXACT,
    ONE,
    ZERO,
    Piece,
    exact_total,
    less_percents,
    minor_units,
    per_unit_pieces,
    tiers_ascend,
    write_pieces,
)
from billing.service import calendar, contract_grid, discount_days, discounts_of, service_end, service_start
from billing.terms import Terms

_DAY = timedelta(days=1)


def lines(scope: Scope, charge: Usage) -> Iterator[Line]:
    """Yield what a usage charge owes: after each period its lines, and on the way any interim line.

    Raises ``Unpriceable`` for a quantity outside the tiers, for a value that the rate card does not name, and for a
    charge that lacks what its model needs.
    """
    start, end = service_start(scope.terms, charge), service_end(scope.terms, charge)
    if end is not None and start >= end:
        return
    check(charge, start)
    if scope.facts.assume_from is None and is_summed(scope.terms, charge):
        yield from _summed_lines(scope, charge)
        return
    rating = _Rating(scope, charge, start, end)
    billed = 0  # in all periods before, where the cap is the contract's
    for period in rating.periods():
        issue_on = rating.issue_on(period)
        if period.starts > scope.through or (issue_on > scope.through and charge.bill_over is None):
            return
        wanted = scope.since is None or issue_on > scope.since
        interims = rating.interims(period, billed) if wanted and charge.bill_over is not None else []
        yield from (line for line in interims if line.issue_on <= scope.through)
        if issue_on <= scope.through or charge.cap_over == "contract":
            rated = rating.rate(period, period.until, billed)
            billed += sum(one.amount for one in rated)
            if wanted and issue_on <= scope.through:
                yield from rating.finished(period, issue_on, rated, interims)


def check(charge: Usage, start: date) -> None:
    """Refuse a charge that lacks what its model needs; raises ``Unpriceable``."""
    wrong = None
    if not charge.per:
        wrong = "per_zero", "has a price per 0 units: write the units a price is for", "per"
    elif charge.prices or charge.model in ("per_unit", "percentage"):
        return
    elif charge.model == "package" and not charge.package_size:
        wrong = "package_size_missing", "does not say how large a package is: add package_size", "package_size"
    elif charge.model != "package" and not charge.tiers:
        wrong = "tiers_missing", "has no tiers: add them", "tiers"
    elif charge.model != "package" and not tiers_ascend(charge.tiers):
        wrong = "tier_order", "has tiers in disorder: let up_to ascend, and leave it out of the last alone", "tiers"
    if wrong is not None:
        code, message, path = wrong
        raise Unpriceable(code, f"charge {charge.key!r} {message}", start, path)


def is_summed(terms: Terms, charge: Usage) -> bool:
    """Whether a period's line is a matter of the sum of its records alone, at prices that nothing changes."""
    if charge.aggregation != "sum" or charge.model == "percentage" or charge.dimension is not None:
        return False
    if charge.prices or charge.where or charge.steps or charge.escalator or charge.invoiced or charge.resets:
        return False
    if (charge.cap, charge.minimum, charge.bill_over) != (None, None, None):
        return False
    return not any(one.amount is not None or dated(one) for one in discounts_of(terms, charge))


def _summed_lines(scope: Scope, charge: Usage) -> Iterator[Line]:
    terms, when = scope.terms, calendar(scope.terms, charge)
    percents = percents_of(terms, charge)
    records = Metered(scope.facts, charge, when.start)
    for period, issue_on in when.due(scope.through, scope.since or date.min):
        used = records.between("", period.starts, period.until)
        yield summed_line(terms.contract, terms.currency, charge, percents, period, issue_on, used)


def percents_of(terms: Terms, charge: Usage) -> list[Decimal]:
    """Return the percentages off a charge, one after the other."""
    return [one.percent for one in discounts_of(terms, charge) if one.percent is not None]


def summed_line(
    contract: str, currency: str, charge: Usage, percents: Sequence[Decimal], period: Days, issue_on: date,
    records: Sequence[UsageRecord],
) -> Line:  # fmt: skip
    """Return the line of a period of a charge that ``is_summed``; raises ``Unpriceable`` outside the tiers."""
    quantity = counted(charge, aggregated(records, "sum"))
    if charge.model == "per_unit":
        pieces = per_unit_pieces([(quantity, charge.price)], charge.free_units)
    else:
        pieces = pieces_of(charge, quantity, charge.price, charge.tiers, period.starts)
    amount = _net(charge, currency, pieces, percents)
    operands = {"currency": currency, "parts": write_pieces(pieces)}
    if percents:
        operands["percent"] = " ".join(map(plain, percents))
    return Line(
        contract=contract,
        charge=charge.key,
        kind="usage",
        description=charge.description,
        starts=period.starts,
        until=period.until,
        quantity=quantity,
        unit_price=_unit_price(charge, currency, quantity, amount, pieces),
        amount=amount,
        issue_on=issue_on,
        tax_class=charge.tax_class,
        product=charge.product,
        explain=Explanation("usage", operands | conditions(charge)),
    )


def _net(charge: Usage, currency: str, pieces: Sequence[Piece], percents: Sequence[Decimal]) -> int:
    per = price_unit(charge)
    total = exact_total(pieces, per)
    return minor_units(less_percents(total, percents) if percents else total, currency, per)


def _unit_price(charge: Usage, currency: str, quantity: Decimal, amount: int, pieces: Sequence[Piece]) -> Decimal:
    """Return the price that all units have, else their average with four decimals more than the amount."""
    if not quantity:
        return charge.price
    if len(pieces) == 1 and pieces[0].units == quantity and not pieces[0].of and price_unit(charge) == 1:
        return pieces[0].price
    units, of = abs(quantity).as_integer_ratio()
    average = round_ratio(amount * of * 10**4, units)
    return Decimal(average if quantity > 0 else -average).scaleb(-4 - exponent(currency))


class _Rating:
    """Rates the periods of one usage charge and words them as lines."""

    def __init__(self, scope: Scope, charge: Usage, start: date, end: date | None) -> None:
        terms = scope.terms
        self._scope, self._charge, self._start, self._end = scope, charge, start, end
        self._grid = contract_grid(terms, charge)
        self._invoiced = contract_grid(terms, charge, charge.invoiced) if charge.invoiced else None
        self._resets = contract_grid(terms, charge, charge.resets) if charge.resets else None
        self._discounts = [(one, *discount_days(one, self._grid, start)) for one in discounts_of(terms, charge)]
        self._currency = terms.currency
        self._tariff = Tariff(scope, charge)
        self._first = self._first_day()
        self._used = Metered(scope.facts, charge, self._opens(self._first))
        assume_from = scope.facts.assume_from
        if charge.estimate is not None and assume_from is not None:
            self._used.assume(self._assumable(assume_from), charge.estimate)

    def _first_day(self) -> date:
        """Return the first day of the first period that may not be settled yet."""
        since = self._scope.since
        if since is None or since <= self._start or self._charge.cap_over == "contract":
            return self._start
        if self._invoiced is not None:
            since = self._invoiced.boundary(self._invoiced.index_of(since))
        return max(self._start, self._grid.boundary(self._grid.index_of(since)))

    def _opens(self, day: date) -> date:
        """Return the day since which usage adds up, for the period that begins on ``day``."""
        if self._resets is None:
            return day
        return min(day, max(self._start, self._resets.boundary(self._resets.index_of(day))))

    def periods(self) -> Iterator[Period]:
        """Yield the periods that may not be settled yet."""
        return self._grid.periods(self._first, self._end)

    def _assumable(self, since: date) -> Iterator[Period]:
        for period in self.periods():
            if period.starts > self._scope.through:
                return
            if period.until > since:
                yield period

    def issue_on(self, period: Period) -> date:
        """Return the day a period is billed on: the end of the invoicing period that its last day lies in."""
        if self._invoiced is None:
            return period.until
        due = self._invoiced.boundary(self._invoiced.index_of(period.until - _DAY) + 1)
        return due if self._end is None else min(due, self._end)

    def rate(self, period: Period, until: date, billed: int) -> list[Rated]:
        """Price what a period used before ``until``; ``billed`` is what counts towards a contract's cap already."""
        values = [""] if self._charge.dimension is None else self._used.values(period.starts, until)
        discounts = [one for one, first, until in self._discounts if first <= period.starts < until]
        rated = [self._rate(period, until, value, discounts) for value in values]
        off = sum((one.amount for one in discounts if one.amount is not None), ZERO)
        if self._charge.cap is None and not off:
            return rated
        return [*limited(rated, self._charge, self._currency, off, billed)]

    def _rate(self, period: Period, until: date, value: str, discounts: Sequence[Discount]) -> Rated:
        charge, opens = self._charge, self._opens(period.starts)
        percents = [one.percent for one in discounts if one.percent is not None]
        quantity, pieces, estimated = self._tariff.cost(value, self._used.between(value, opens, until), period.starts)
        amount = _net(charge, self._currency, pieces, percents)
        operands = {"currency": self._currency, "parts": write_pieces(pieces)}
        if opens < period.starts:
            earlier = self._tariff.cost(value, self._used.between(value, opens, period.starts), period.starts)
            taken = _net(charge, self._currency, earlier.pieces, percents)
            quantity, amount = EXACT.subtract(quantity, earlier.quantity), amount - taken
            operands["earlier"] = str(taken)
        if percents:
            operands["percent"] = " ".join(map(plain, percents))
        operands |= conditions(charge)
        estimated = estimated or self._used.is_assumed(opens, until)
        return Rated(
            value, quantity, _unit_price(charge, self._currency, quantity, amount, pieces), amount, operands, estimated
        )

    def interims(self, period: Period, billed: int) -> list[Line]:
        """Return the lines owed before a period is over, on the days on which enough is used that is not billed."""
        charge = self._charge
        least = to_minor(charge.bill_over or ZERO, self._currency)
        found: list[Line] = []
        done = 0
        for day in self._used.days(period.starts, period.until):
            rated = self.rate(period, day + _DAY, billed)
            so_far = sum(one.amount for one in rated)
            if so_far > done and so_far - done >= least:
                operands = {
                    "currency": self._currency,
                    "so_far": str(so_far),
                    "before": str(done),
                    "by": day.isoformat(),
                }
                found.append(
                    self._line(
                        period._replace(until=day + _DAY),
                        day,
                        Explanation("usage_interim", operands),
                        amount=so_far - done,
                        part=f"interim-{len(found) + 1}",
                        description=f"{charge.description} (interim)",
                        estimated=any(one.estimated for one in rated),
                    )
                )
                done = so_far
                if not charge.bill_over_repeats:
                    break
        return found

    def finished(
        self, period: Period, issue_on: date, rated: Sequence[Rated], interims: Sequence[Line]
    ) -> Iterator[Line]:
        """Yield the lines of a period that is over: what was used, less what was billed on the way, and the true-up."""
        charge = self._charge
        for one in rated:
            yield self._line(
                period,
                issue_on,
                Explanation("usage", one.operands),
                amount=one.amount,
                part=slice_part(one.value),
                description=f"{charge.description}: {one.value}" if one.value else charge.description,
                quantity=one.quantity,
                unit_price=one.unit_price,
                estimated=one.estimated,
            )
        estimated = any(one.estimated for one in rated)
        if interims:
            amounts = [line.amount for line in interims]
            yield self._line(
                period,
                issue_on,
                Explanation("usage_billed", {"currency": self._currency, "amounts": " ".join(map(str, amounts))}),
                amount=-sum(amounts),
                part="billed",
                description=f"{charge.description} (billed already)",
                estimated=estimated,
            )
        if charge.minimum is not None:
            operands = minimum_operands(charge.minimum, period, sum(one.amount for one in rated), self._currency)
            if (amount := minimum_amount(operands)) > 0:
                yield self._line(
                    period,
                    issue_on,
                    Explanation("minimum", operands),
                    amount=amount,
                    part="minimum",
                    description=f"{charge.description} (minimum)",
                    kind="minimum",
                    estimated=estimated,
                )

    def _line(
        self,
        period: Period,
        issue_on: date,
        explain: Explanation,
        *,
        amount: int,
        part: str,
        description: str,
        kind: str = "usage",
        quantity: Decimal = ONE,
        unit_price: Decimal | None = None,
        estimated: bool,
    ) -> Line:
        charge = self._charge
        return Line(
            contract=self._scope.terms.contract,
            charge=charge.key,
            kind=kind,
            description=description,
            starts=period.starts,
            until=period.until,
            quantity=quantity,
            unit_price=to_decimal(amount, self._currency) if unit_price is None else unit_price,
            amount=amount,
            issue_on=issue_on,
            tax_class=charge.tax_class,
            product=charge.product,
            estimated=estimated,
            at=f"{period.starts.isoformat()}:{part}" if part else "",
            explain=explain,
        )


_PARTS = ("minimum", "billed", "interim-")  # what a slice of our own is called


def slice_part(value: str) -> str:
    """Return a dimension's value as a part of a slice's name: without space and slash, and no name of our own."""
    safe = re.sub(r"[%/\s]", _escaped, value)
    return _escaped(value) + safe[1:] if safe.startswith(_PARTS) else safe


def _escaped(found: re.Match[str] | str) -> str:
    return f"%{ord(found[0]):02X}"
