"""Recurring charges: flat or per seat, period by period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from billing.line import Explanation, Line, Scope
from billing.pricing import RecurringPrice
from billing.service import contract_grid, service_end, service_start
from billing.terms import Recurring


def lines(scope: Scope, charge: Recurring) -> Iterator[Line]:
    """Yield what a recurring charge owes, one line per period."""
    terms = scope.terms
    grid = contract_grid(terms, charge)
    price = RecurringPrice(charge, terms.currency, grid, charge.proration or terms.proration)
    lead = timedelta(days=terms.issue_days_before)
    for period in grid.periods(service_start(terms, charge), service_end(terms, charge)):
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
