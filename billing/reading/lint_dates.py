"""Days of a contract that do not fit together: ends before starts, ramps with holes, reductions that never apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from billing.amendments import in_force
from billing.draft import Note
from billing.kinds.seats import levels
from billing.money import plain
from billing.periods import Grid
from billing.service import Serving, contract_end, contract_grid, contract_start, renewal_days, service_start
from billing.terms import (
    Amendment,
    Change,
    Charge,
    Discount,
    Escalator,
    OneTime,
    Recurring,
    Retainer,
    Step,
    Terms,
    Usage,
    parse_interval,
)
from billing.words import date_text

DAY = timedelta(days=1)


class Place(NamedTuple):
    """A charge, where it stands in the terms, and the days it may serve: its first, and the one after its last.

    ``until`` is None where there is no end.
    """

    path: str
    charge: Charge
    starts: date
    until: date | None


def last_end(terms: Terms) -> date | None:
    """Return the day after the last day of service, the latest that renewals and amendments lead to; None: no end."""
    end = contract_end(terms)
    if end is None or any(one.renewal is not None and one.renewal.auto for one in terms.amendments):
        return None
    return max([end, *(one.ends_on + DAY for one in terms.amendments if one.ends_on is not None)])


def places(terms: Terms) -> list[Place]:
    """Return every charge the contract has or will have by its amendments."""
    until, start = last_end(terms), contract_start(terms)
    found = [_place(f"charges[{index}]", charge, start, until) for index, charge in enumerate(terms.charges)]
    for number, amendment in enumerate(terms.amendments):
        path, day = f"amendments[{number}]", max(amendment.effective_on, start)
        found += [_place(f"{path}.add[{index}]", charge, day, until) for index, charge in enumerate(amendment.add)]
        found += [
            _place(f"{path}.replace[{index}].by", swap.by, day, until) for index, swap in enumerate(amendment.replace)
        ]
    return found


def _place(path: str, charge: Charge, start: date, until: date | None) -> Place:
    if not isinstance(charge, Serving):
        return Place(path, charge, start, until)
    own = None if charge.ends_on is None else charge.ends_on + DAY
    ends = [day for day in (own, until) if day is not None]
    return Place(path, charge, max(charge.starts_on or start, start), min(ends, default=None))


def date_notes(terms: Terms, place: Place) -> Iterator[Note]:
    """Yield what is wrong with the days of one charge."""
    path, charge, starts, until = place
    yield from discount_notes(charge.discounts, f"{path}.discounts", starts, until)
    if isinstance(charge, OneTime):
        yield from _once_notes(terms, charge, path)
    if not isinstance(charge, Serving):
        return
    if charge.starts_on is not None and charge.ends_on is not None and charge.ends_on < charge.starts_on:
        message = f"ends on {date_text(charge.ends_on)}, before it starts on {date_text(charge.starts_on)}"
        yield Note("ends_before_start", f"charge {charge.key!r} {message}: correct one of the two", f"{path}.ends_on")
        return
    if until is not None and starts >= until:
        if charge.starts_on is None and charge.ends_on is None:
            return  # the contract itself has no day of service: told there
        message = f"charge {charge.key!r} bills nothing: no day lies within both its dates and the contract's"
        yield Note("charge_without_service", f"{message}; correct its dates or take it out", path)
        return
    yield from _outlives(terms, charge, path)
    yield from ramp_notes(charge.steps, f"{path}.steps", starts, until)
    yield from _cut_notes(terms, place)


def _once_notes(terms: Terms, charge: OneTime, path: str) -> Iterator[Note]:
    end = last_end(terms)
    if charge.on is not None and end is not None and charge.on >= end:
        message = f"charge {charge.key!r} is billed on {date_text(charge.on)}, after the contract's last day"
        yield Note("one_time_after_end", f"{message}: correct the day, or leave it if it is meant", f"{path}.on")


def _outlives(terms: Terms, charge: Serving, path: str) -> Iterator[Note]:
    end = last_end(terms)
    if charge.ends_on is not None and end is not None and charge.ends_on >= end:
        message = (
            f"charge {charge.key!r} says it ends on {date_text(charge.ends_on)}, but the contract ends on "
            f"{date_text(end - DAY)} and it with it: extend the contract, or end the charge with it"
        )
        yield Note("charge_outlives_contract", message, f"{path}.ends_on")


def _cut_notes(terms: Terms, place: Place) -> Iterator[Note]:
    """Tell of a last period that is cut short and yet billed in full."""
    path, charge, starts, until = place
    proration = (charge.proration if isinstance(charge, Recurring | Retainer) else None) or terms.proration
    if until is None or proration != "none" or not isinstance(charge, Recurring | Retainer):
        return
    grid = contract_grid(terms, charge)
    last = grid.boundary(grid.index_of(until))
    if max(last, starts) < until and not _is_boundary(grid, until):
        message = (
            f"the last period of charge {charge.key!r} has {(until - max(last, starts)).days} day(s) and is billed in "
            "full, for proration is none: end it with a period, or choose another proration"
        )
        yield Note("cut_period_billed_in_full", message, f"{path}.proration")


def _is_boundary(grid: Grid, day: date) -> bool:
    return grid.boundary(grid.index_of(day)) == day


def ramp_notes(steps: Sequence[Step], path: str, starts: date, until: date | None) -> Iterator[Note]:
    """Yield what is wrong with a ramp: steps without effect, that overlap, or leave days between them."""
    ordered = sorted(enumerate(steps), key=lambda item: item[1].starts_on)
    for index, step in ordered:
        yield from _step_notes(step, f"{path}[{index}]", starts, until)
    for (_, one), (index, other) in pairwise(ordered):
        where = f"{path}[{index}].starts_on"
        if one.starts_on == other.starts_on or (one.ends_on is not None and other.starts_on <= one.ends_on):
            message = f"the step of {date_text(other.starts_on)} begins within the one of {date_text(one.starts_on)}"
            yield Note("ramp_overlap", f"{message}: let each begin on the day after the one before ends", where)
        elif one.ends_on is not None and other.starts_on > one.ends_on + DAY:
            message = f"no step holds from {date_text(one.ends_on + DAY)} to {date_text(other.starts_on - DAY)}"
            remedy = "what the step before set goes on holding; close the gap, or leave its ends_on out"
            yield Note("ramp_gap", f"{message}: {remedy}", where)
    last = ordered[-1][1] if ordered else None
    if last is None or last.ends_on is None or last.ends_on < last.starts_on:
        return
    if until is None or last.ends_on + DAY < until:
        message = f"the last step ends on {date_text(last.ends_on)} and the charge goes on at what it set"
        yield Note("ramp_gap", f"{message}: add a step, or leave its ends_on out", f"{path}[{ordered[-1][0]}].ends_on")


def _step_notes(step: Step, path: str, starts: date, until: date | None) -> Iterator[Note]:
    begins = date_text(step.starts_on)
    if step.ends_on is not None and step.ends_on < step.starts_on:
        message = f"the step of {begins} ends on {date_text(step.ends_on)}, before it starts: correct one of the two"
        yield Note("ends_before_start", message, f"{path}.ends_on")
    if step.price is None and step.quantity is None:
        yield Note("step_empty", f"the step of {begins} sets neither price nor quantity: add one of them", path)
    if until is not None and step.starts_on >= until:
        message = f"the step of {begins} begins after the last day, {date_text(until - DAY)}, and never applies"
        yield Note("step_after_end", f"{message}: correct its day, or extend the term", f"{path}.starts_on")
    if step.ends_on is not None and step.ends_on < starts:
        message = f"the step of {begins} ends before service begins on {date_text(starts)}: correct its days"
        yield Note("step_before_start", message, path)


def discount_notes(discounts: Sequence[Discount], path: str, starts: date, until: date | None) -> Iterator[Note]:
    """Yield discounts that end before they start, or that never reduce anything."""
    for index, one in enumerate(discounts):
        where = f"{path}[{index}]"
        first, last = one.starts_on, one.ends_on
        if first is not None and last is not None and last < first:
            message = f"the discount ends on {date_text(last)}, before it starts on {date_text(first)}"
            yield Note("ends_before_start", f"{message}: correct one of the two", f"{where}.ends_on")
        elif (first is not None and until is not None and first >= until) or (last is not None and last < starts):
            message = "the discount never applies: no day of service lies within its dates"
            yield Note("discount_never_applies", f"{message}; correct them or take it out", where)
        elif not one.percent and not one.amount:
            yield Note("discount_never_applies", "the discount is 0: write what comes off, or take it out", where)


def escalator_days(
    escalator: Escalator, path: str, starts: date, until: date | None, anniversary: date
) -> Iterator[Note]:
    """Tell of an escalator whose first rise comes after the end. ``anniversary``: the day its interval counts from."""
    first = escalator.first_on or Grid.of(anniversary, parse_interval(escalator.every), anniversary.day).boundary(1)
    if until is not None and first >= until:
        message = f"the first rise would be on {date_text(first)}, after the last day, {date_text(until - DAY)}"
        yield Note("escalator_never_rises", f"{message}: correct first_on or every, or take it out", path)
    elif first <= starts and escalator.first_on is not None and first < starts:
        message = f"the first rise is on {date_text(first)}, before service begins on {date_text(starts)}"
        yield Note("escalator_before_start", f"{message}: the first price is raised already; correct first_on", path)


def tail_notes(terms: Terms, found: Sequence[Place]) -> Iterator[Note]:
    """Tell of a recurring charge that ends before the contract, with nothing to take its place."""
    end = last_end(terms)
    ended = {key for one in terms.amendments for key in (*one.end, *(swap.charge for swap in one.replace))}
    serving = [place for place in found if isinstance(place.charge, Recurring | Usage | Retainer)]
    for place in serving:
        charge, until = place.charge, place.until
        if until is None or until == end or place.starts >= until or charge.key in ended:
            continue
        if not any(
            other is not place and place.starts < other.starts <= until and (other.until is None or other.until > until)
            for other in serving
        ):
            goes_on = "has no end" if end is None else f"runs to {date_text(end - DAY)}"
            message = (
                f"charge {charge.key!r} ends on {date_text(until - DAY)}, the contract {goes_on}, and nothing takes "
                "its place: extend it, or add what follows"
            )
            yield Note("unbilled_tail", message, f"{place.path}.ends_on")


def amendment_notes(terms: Terms) -> Iterator[Note]:
    """Yield amendments outside the contract's days, and those that change nothing."""
    end = last_end(terms)
    for index, one in enumerate(terms.amendments):
        path, day = f"amendments[{index}]", one.effective_on
        if day < terms.starts_on or (end is not None and day > end):
            message = f"amendment {one.key!r} takes effect on {date_text(day)}, outside the contract's days"
            yield Note("amendment_outside_contract", f"{message}: correct effective_on", f"{path}.effective_on")
        if one.ends_on is not None and one.ends_on + DAY < day and one.terminates is None:
            message = f"amendment {one.key!r} ends the contract on {date_text(one.ends_on)}, before it takes effect"
            yield Note("ends_before_start", f"{message}: correct one of the two", f"{path}.ends_on")
        if _is_empty(one):
            message = f"amendment {one.key!r} changes nothing: say what it changes, or take it out"
            yield Note("amendment_empty", message, path)


def seat_notes(terms: Terms) -> Iterator[Note]:
    """Tell of removed seats that go on costing until a renewal, and of those that never stop."""
    try:
        folded = in_force(terms, date.max)
    except ValueError:  # amendments that cannot be worked in are told where they are read
        return
    charges = {charge.key: charge for charge in folded.charges if isinstance(charge, Recurring)}
    for index, amendment in enumerate(terms.amendments):
        for number, change in enumerate(amendment.change):
            charge, day = charges.get(change.charge), amendment.effective_on
            if charge is None or change.quantity is None or not _waits(folded, charge, change):
                continue
            found = levels(folded, charge, contract_grid(folded, charge), service_start(folded, charge))
            charged = [quantity for since, quantity in found if since <= day or since == found[0][0]][-1]
            if change.quantity >= charged:
                continue
            renewed = next((one for one in renewal_days(folded) if one >= day), None)
            when = f"until {date_text(renewed - DAY)}" if renewed else "to the end, for no renewal follows"
            message = (
                f"amendment {amendment.key!r} leaves {plain(change.quantity)} of {plain(charged)} units of "
                f"{change.charge!r}, and those removed go on costing {when}: write seats_removed if they should not"
            )
            yield Note("seats_wait_for_renewal", message, f"amendments[{index}].change[{number}].quantity")


def _waits(terms: Terms, charge: Recurring, change: Change) -> bool:
    """Whether seats that a change removes are committed until a renewal; without an end there is none to wait for."""
    how = change.seats_removed or charge.seats_removed or terms.seats_removed
    return how == "renewal" and (terms.ends_on is not None or change.seats_removed is not None)


def _is_empty(one: Amendment) -> bool:
    """Whether an amendment says nothing beside its key, its days and its description."""
    told = {"key", "effective_on", "known_on", "description", "unused"}
    return not any(getattr(one, name) for name in one.__struct_fields__ if name not in told)
