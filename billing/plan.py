"""Terms to lines: everything a contract owes up to a date ("should")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from billing.periods import Grid, anchor_number
from billing.pricing import Priced, RecurringPrice, one_time
from billing.terms import Charge, OneTime, Recurring, Terms, charge_kind, parse_interval


class Explanation(msgspec.Struct, frozen=True):
    """Why a line has its amount: the rule's name and its operands, worded on demand."""

    rule: str
    operands: dict[str, str]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One slice of service as the terms owe it now.

    A *slice* is contract + charge + service start; it never carries an index that an amendment would shift.
    ``starts`` and ``until`` are half-open; ``amount`` is net of discounts, in minor units of the contract's currency.
    """

    contract: str
    charge: str
    kind: str
    description: str
    starts: date
    until: date  # exclusive; for a one-time charge the day after `starts`
    quantity: Decimal
    unit_price: Decimal
    amount: int
    issue_on: date
    tax_class: str
    product: str = ""
    estimated: bool = False
    explain: Explanation

    @property
    def slice(self) -> str:
        """The line's identity, the same for ever: ``contract/charge/service start``."""
        return f"{self.contract}/{self.charge}/{self.starts.isoformat()}"


def plan(terms: Terms, through: date) -> list[Line]:
    """Return every line the terms owe whose ``issue_on`` is ``through`` or earlier.

    The order is stable: by ``issue_on``, then as the charges stand in the terms, then by service start. An evergreen
    contract runs to ``through``. What a line says depends on the terms alone, never on ``through`` or on a clock.
    """
    lines = [line for charge in terms.charges for line in _LINES[type(charge)](terms, charge, through)]
    lines.sort(key=lambda line: line.issue_on)  # a stable sort: the order of charges and starts is kept within a day
    return lines


def contract_grid(terms: Terms, charge: Recurring) -> Grid:
    """Return the periods a charge is billed by.

    They are the contract's, also for a charge that joins later, unless the charge has an ``anchor_day`` of its own:
    then they count from the charge's own start.
    """
    own = charge.anchor_day is not None
    origin = charge.starts_on or terms.starts_on if own else terms.starts_on
    anchor = anchor_number(charge.anchor_day if own else terms.anchor_day, origin)
    return Grid.of(origin, parse_interval(charge.every), anchor)


def serves(terms: Terms, charge: Recurring) -> bool:
    """Whether a charge has a day of service within its own dates and the contract's."""
    end = _service_end(terms, charge)
    return end is None or (charge.starts_on or terms.starts_on) < end


def _service_end(terms: Terms, charge: Recurring) -> date | None:
    """Return the day after the last day of service: the charge's or the contract's, whichever is earlier."""
    ends = [day for day in (charge.ends_on, terms.ends_on) if day is not None]
    return min(ends) + timedelta(days=1) if ends else None


def _recurring(terms: Terms, charge: Recurring, through: date) -> Iterator[Line]:
    grid = contract_grid(terms, charge)
    price = RecurringPrice(charge, terms.currency, grid, charge.proration or terms.proration)
    lead = timedelta(days=terms.issue_days_before)
    for period in grid.periods(charge.starts_on or terms.starts_on, _service_end(terms, charge)):
        issue_on = period.starts - lead if charge.timing == "advance" else period.until
        if issue_on > through:
            return
        yield _line(terms, charge, period.starts, period.until, issue_on, price.of(period))


def _one_time(terms: Terms, charge: OneTime, through: date) -> Iterator[Line]:
    on = charge.on or terms.starts_on
    if on <= through:
        yield _line(terms, charge, on, on + timedelta(days=1), on, one_time(charge, terms.currency))


# One function per kind of charge: terms, charge, through -> its lines in order of service start.
_LINES: dict[type[Charge], Callable[[Terms, Any, date], Iterator[Line]]] = {
    Recurring: _recurring,
    OneTime: _one_time,
}


def _line(terms: Terms, charge: Charge, starts: date, until: date, issue_on: date, priced: Priced) -> Line:
    kind = charge_kind(charge)
    return Line(
        contract=terms.contract,
        charge=charge.key,
        kind=kind,
        description=charge.description,
        starts=starts,
        until=until,
        quantity=charge.quantity,
        unit_price=charge.price,
        amount=priced.amount,
        issue_on=issue_on,
        tax_class=charge.tax_class,
        product=charge.product,
        explain=Explanation(kind, priced.operands),
    )
