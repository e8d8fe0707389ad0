"""One-time charges: owed once, whatever else changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from billing.line import Explanation, Line, Scope
from billing.pricing import one_time
from billing.terms import OneTime


def one_time_lines(scope: Scope, charge: OneTime) -> Iterator[Line]:
    """Yield the one line of a one-time charge, on its day."""
    terms = scope.terms
    on = charge.on or terms.starts_on
    if on > scope.through:
        return
    priced = one_time(charge, terms.currency)
    yield Line(
        contract=terms.contract,
        charge=charge.key,
        kind="one_time",
        description=charge.description,
        starts=on,
        until=on + timedelta(days=1),
        quantity=charge.quantity,
        unit_price=charge.price,
        amount=priced.amount,
        issue_on=on,
        tax_class=charge.tax_class,
        product=charge.product,
        explain=Explanation("one_time", priced.operands),
    )
