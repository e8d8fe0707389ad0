"""Recurring charges: flat or per seat, period by period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from billing.line import Explanation, Line, Scope
from billing.periods import Grid, anchor_number
from billing.pricing import RecurringPrice
from billing.terms import Recurring, Terms, parse_interval


def lines(scope: Scope, charge: Recurring) -> Iterator[Line]:
    """Yield what a recurring charge owes, one line per period."""
    terms = scope.terms
    grid = contract_grid(terms, charge)
    price = RecurringPrice(charge, terms.currency, grid, charge.proration or terms.proration)
    lead = timedelta(days=terms.issue_days_before)
    for period in grid.periods(charge.starts_on or terms.starts_on, service_end(terms, charge)):
        issue_on = period.starts - lead if charge.timing == "advance" else period.until
        if issue_on > scope.through:
            return
        priced = price.of(period)
        yield Line(
            contract=terms.contract,
            charge=charge.key,
            kind="recurring",
            description=charge.description,
            starts=period.starts,
            until=period.until,
            quantity=charge.quantity,
            unit_price=charge.price,
            amount=priced.amount,
            issue_on=issue_on,
            tax_class=charge.tax_class,
            product=charge.product,
            explain=Explanation("recurring", priced.operands),
        )


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
    end = service_end(terms, charge)
    return end is None or (charge.starts_on or terms.starts_on) < end


def service_end(terms: Terms, charge: Recurring) -> date | None:
    """Return the day after the last day of service: the charge's or the contract's, whichever is earlier."""
    ends = [day for day in (charge.ends_on, terms.ends_on) if day is not None]
    return min(ends) + timedelta(days=1) if ends else None
