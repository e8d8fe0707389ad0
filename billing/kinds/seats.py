"""How many seats a recurring charge is for on each day: what is added and removed, and when that takes effect."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from billing.charges import Recurring, SeatsRemoved, Step
from billing.periods import Grid
from billing.service import renewal_after
from billing.terms import Terms

Level = tuple[date, Decimal]  # from this day on so many
_DAY = timedelta(days=1)


def levels(terms: Terms, charge: Recurring, grid: Grid, start: date) -> list[Level]:
    """Return the quantities charged for, the first from ``start`` on, oldest first.

    Added seats count from their day (``prorate``) or from the next period. Removed seats count until the next renewal,
    until the next period (``next_period``, ``high_water``) or until their day (``credit``). A new quantity takes the
    place of a removal still to come. Where part periods are not prorated, a removal waits for the next period at least.
    """
    found: list[Level] = [(start, charge.quantity)]
    if not charge.steps:
        return found
    steps = {step.starts_on: step for step in charge.steps if step.quantity is not None}
    waiting: Level | None = None
    for _, step in sorted(steps.items()):
        wanted = step.quantity or Decimal(0)
        if waiting is not None and waiting[0] <= step.starts_on:
            found.append(waiting)
        waiting = None
        if step.starts_on <= start:
            found = [(start, wanted)]
            continue
        on = _takes_effect(terms, charge, step, grid, added=wanted > found[-1][1])
        if on is not None and wanted != found[-1][1]:
            waiting = (on, wanted)
    if waiting is not None:
        found.append(waiting)
    return [*dict(found).items()]  # of one day the last


def _takes_effect(terms: Terms, charge: Recurring, step: Step, grid: Grid, *, added: bool) -> date | None:
    """Return the day on which a step's quantity counts; None: never within the contract's term."""
    day = step.starts_on
    index = grid.index_of(day)
    boundary = grid.boundary(index)
    next_period = day if boundary == day else grid.boundary(index + 1)
    if added:
        return day if (charge.seats_added or terms.seats_added) == "prorate" else next_period
    how = _removed(terms, charge, step)
    if how == "renewal":
        renewed = renewal_after(terms, day - _DAY)
        return None if renewed is None else renewed[0]
    if how == "credit" and (charge.proration or terms.proration) != "none":
        return day
    return next_period


def _removed(terms: Terms, charge: Recurring, step: Step) -> SeatsRemoved:
    how = step.seats_removed or charge.seats_removed or terms.seats_removed
    if how != "renewal" or step.seats_removed is not None:
        return how
    if not step.amendment:
        return "credit"  # a ramp down as signed is the commitment itself
    return "next_period" if terms.ends_on is None else how  # a contract without end has no term to be renewed
