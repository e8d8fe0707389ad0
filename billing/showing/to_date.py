"""What was used so far in the periods that run now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from billing.facts import Facts
from billing.kinds.metering import Metered, aggregated
from billing.service import contract_grid, service_end, service_start
from billing.terms import Retainer, Terms, Usage


class Used(NamedTuple):
    """What a charge's meter counts from ``starts`` to ``until`` (exclusive).

    Where the charge is measured by a dimension it is of one ``value`` of it. ``expected`` is what the period includes
    (a retainer) or is estimated to use.
    """

    charge: str
    description: str
    value: str
    starts: date
    until: date
    quantity: Decimal
    records: int
    expected: Decimal | None


def used_to_date(terms: Terms, facts: Facts, today: date) -> Iterator[Used]:
    """Yield what each metered charge has counted in the period that ``today`` lies in, by value of its dimension.

    ``terms`` are those in force.
    """
    for charge in terms.charges:
        if isinstance(charge, Usage | Retainer):
            yield from _of_charge(terms, charge, facts, today)


def _of_charge(terms: Terms, charge: Usage | Retainer, facts: Facts, today: date) -> Iterator[Used]:
    first, end = service_start(terms, charge), service_end(terms, charge)
    if today < first or (end is not None and today >= end):
        return
    grid = contract_grid(terms, charge)
    index = grid.index_of(today)
    starts, until = max(first, grid.boundary(index)), grid.boundary(index + 1)
    until = until if end is None else min(until, end)
    metered = Metered(facts, charge, first)
    how = charge.aggregation if isinstance(charge, Usage) else "sum"
    expected = charge.estimate if isinstance(charge, Usage) else charge.included
    for value in metered.values(starts, until) or [""]:
        records = metered.between(value, starts, until)
        yield Used(
            charge.key, charge.description, value, starts, until, aggregated(records, how), len(records), expected
        )
