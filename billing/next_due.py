"""The next day on which a contract may bill anything by itself: until then a run may skip it.

The day may be earlier than needed, never later: it is the first of all days on which a period, a price, a quantity or a
discount of the contract begins or ends, or on which something dated falls due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from billing.amendments import in_force
from billing.charges import Charge, Discount, Escalator, FixedPrice, OneTime, Prepaid, Recurring, Retainer, Usage
from billing.facts import Facts
from billing.intervals import parse_interval
from billing.kinds.fixed_price import due_day
from billing.kinds.prepaid import lapses_on, purchase_days
from billing.passes.commitments import commitment_grid
from billing.passes.holdback import release_day
from billing.passes.late_fees import incurred_days
from billing.passes.termination import stopped
from billing.periods import Grid
from billing.service import (
    calendar,
    contract_end,
    contract_grid,
    contract_start,
    discounts_of,
    renewals,
)
from billing.terms import Terms

_DAY = timedelta(days=1)
_NO_LEAD = timedelta()


def next_due(terms: Terms, facts: Facts, after: date) -> date | None:
    """Return the earliest day after ``after`` on which a line may be issued; None: nothing more comes by itself.

    ``terms`` are as written, with their amendments: those known by ``after`` hold, and a day on which another becomes
    known is a day to look again. What a new fact brings (usage, an acceptance, an index, a payment) is not foreseen:
    ask again with the fact. Raises ``ValueError`` as ``amendments.in_force`` does.
    """
    amendments, terms = terms.amendments, in_force(terms, after)
    days = [day for charge in _different(terms) for day in _charge_days(terms, facts, charge, after)]
    days += _contract_days(terms, facts, after)
    days += [day for one in amendments for day in (one.known, one.effective_on)]
    return min([day for day in days if day > after], default=None)


def _different(terms: Terms) -> Iterable[Charge]:
    """Return the charges, but one for all that are billed on the same days: most of a contract's often are."""
    found: dict[object, Charge] = {}
    for charge in terms.charges:
        if type(charge) is not Recurring or charge.steps or charge.escalator or any(map(_is_dated, charge.discounts)):
            found[charge.key] = charge
        else:
            found[charge.every, charge.timing, charge.starts_on, charge.ends_on, charge.anchor_day] = charge
    return found.values()


def _is_dated(discount: Discount) -> bool:
    return discount.starts_on is not None or discount.ends_on is not None or discount.periods is not None


def _charge_days(terms: Terms, facts: Facts, charge: Charge, after: date) -> Iterable[date]:
    if isinstance(charge, Recurring | Usage | Retainer):
        return _serving_days(terms, facts, charge, after)
    if isinstance(charge, OneTime):
        return [charge.on or terms.starts_on]
    if isinstance(charge, FixedPrice):
        due = [due_day(terms, facts, charge, one) for one in charge.instalments]
        return [one.on for one in due if one is not None]
    return _prepaid_days(terms, charge, after)


def _serving_days(terms: Terms, facts: Facts, charge: Recurring | Usage | Retainer, after: date) -> list[date]:
    """Return the days on which a period begins or ends, or a part of one at another price; and those less the lead."""
    when = calendar(terms, charge)
    if when.end is not None and when.end <= after:
        return []
    lead = when.lead or _NO_LEAD
    days = [when.boundary_after(after)]
    if lead:
        days.append(when.boundary_after(after + lead) - lead)
    if isinstance(charge, Usage):
        for every in (charge.invoiced, charge.resets):
            if every is not None:
                days.append(when._replace(grid=contract_grid(terms, charge, every)).boundary_after(after))
        if charge.bill_over is not None:
            days += [record.day for record in facts.usage]
    for day in _change_days(terms, charge, after):
        days += (day - lead, day)
    return days


def _change_days(terms: Terms, charge: Recurring | Usage | Retainer, after: date) -> list[date]:
    """Return the days on which a charge's price, quantity or discounts may change."""
    days = [step.starts_on for step in charge.steps]
    for one in discounts_of(terms, charge):
        if one.starts_on is not None:
            days.append(one.starts_on)
        if one.ends_on is not None:
            days.append(one.ends_on + _DAY)
    escalator = charge.escalator if isinstance(charge, Usage) else charge.escalator or terms.escalator
    if escalator is not None:
        days += _rises(terms, escalator, after)
    return days


def _rises(terms: Terms, escalator: Escalator, after: date) -> Iterator[date]:
    origin = escalator.first_on or contract_start(terms)
    grid = Grid.of(origin, parse_interval(escalator.every), origin.day)
    index = max(0, grid.index_of(after))
    lead = terms.issue_days_before
    while grid.boundary(index) <= after + timedelta(days=lead):
        yield grid.boundary(index)
        index += 1
    yield grid.boundary(index)


def _prepaid_days(terms: Terms, charge: Prepaid, after: date) -> Iterator[date]:
    for on in purchase_days(terms, charge):
        yield on
        lapses = lapses_on(charge, on)
        if lapses is not None:
            yield lapses
        if on > after:
            return


def _contract_days(terms: Terms, facts: Facts, after: date) -> Iterator[date]:
    """Yield the days on which what concerns the whole contract changes."""
    yield from (day for day in (contract_end(terms), stopped(terms)) if day is not None)
    for day, _ in renewals(terms):
        yield day
        yield day - timedelta(days=terms.issue_days_before)
        if day > after + timedelta(days=terms.issue_days_before):
            break
    for one in terms.commitments:
        grid = commitment_grid(terms, one)
        yield grid.boundary(grid.index_of(after) + 1)
        if one.ends_on is not None:
            yield one.ends_on + _DAY
    if terms.holdback is not None:
        release, _ = release_day(terms.holdback, facts)
        if release is not None:
            yield release
    if terms.late_fee is not None:
        for invoice in facts.overdue:
            if invoice.open > 0:
                yield from _late_days(terms, invoice.due_on, after)


def _late_days(terms: Terms, due_on: date, after: date) -> Iterator[date]:
    if terms.late_fee is None:
        return
    for on in incurred_days(terms.late_fee, due_on):
        yield on
        if on > after:
            return
