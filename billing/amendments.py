"""Terms as they stand on a day: the amendments known by then, folded into plain terms.

What billing works from has no amendments any more, only what they come to: dated steps, last days, further charges. So
a change that another one undoes leaves no trace, and the engine needs to know nothing of how terms came about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import takewhile
from typing import Any, NamedTuple, cast

import msgspec

from billing.charges import own_start
from billing.line import Line
from billing.periods import Grid
from billing.service import contract_end, contract_grid, renewal_grid, renewals, service_end, service_start
from billing.terms import (
    Amendment,
    Change,
    Charge,
    Commitment,
    Discount,
    FixedPrice,
    OneTime,
    Prepaid,
    Recurring,
    Renewal,
    Renewed,
    Replacement,
    Retainer,
    Step,
    Terms,
    Usage,
    parse_interval,
)

_DAY = timedelta(days=1)
_Part = Charge | Commitment  # what a change can name
_replace = msgspec.structs.replace


class Fault(NamedTuple):
    """An amendment that cannot be worked in: where it is written (``path`` into the terms), why not, and what to do."""

    path: str
    message: str
    remedy: str


class Touch(NamedTuple):
    """What an amendment made different: one charge's service (empty: everybody's) that lasts beyond ``since``.

    ``description`` is what the charge is called from that day on, where the amendment says so.
    """

    charge: str
    since: date
    amendment: str
    description: str | None = None


class Folded(NamedTuple):
    """Terms without amendments, and which amendment touched what, the latest last."""

    terms: Terms
    touches: Sequence[Touch]


def in_force(terms: Terms, known_by: date) -> Terms:
    """Return plain terms: every amendment known by a day is worked in, in order of the days they hold from.

    Of two that hold from the same day the one known later wins, then the one written later. Payment terms and the
    purchase order change on the day the amendment holds from. Raises ``ValueError`` as ``faults`` words it.
    """
    return fold(terms, known_by).terms


def fold(terms: Terms, known_by: date) -> Folded:
    """Return the terms ``in_force`` with the trace of their amendments, for ``stamp``; raises ``ValueError``."""
    if not terms.amendments:
        return Folded(terms, ())
    folding = _Folding(terms, known_by)
    if folding.faults:
        raise ValueError(folding.faults[0].message)
    return Folded(folding.result(), folding.touches)


def faults(terms: Terms) -> list[Fault]:
    """Return every reason why ``in_force`` fails on some day."""
    uses = Counter(amendment.key for amendment in terms.amendments)
    found = {
        Fault(f"amendments[{index}].key", f"amendment key {one.key!r} is used more than once", "give each its own key")
        for index, one in enumerate(terms.amendments)
        if uses[one.key] > 1
    }
    for day in {amendment.known for amendment in terms.amendments}:
        found.update(_Folding(terms, day).faults)
    return sorted(found)


def stamp(lines: Iterable[Line], touches: Sequence[Touch]) -> list[Line]:
    """Return lines with the key of the latest amendment that made them what they are, under their name of the time."""
    if not touches:
        return list(lines)
    return [_stamped(line, touches) for line in lines]


def _stamped(line: Line, touches: Sequence[Touch]) -> Line:
    mine = [one for one in touches if one.charge in ("", line.charge) and one.since < line.until]
    if not mine:
        return line
    names = [one.description for one in mine if one.description is not None and one.since <= line.starts]
    return _replace(line, amendment=mine[-1].amendment, description=names[-1] if names else line.description)


class _Refused(Exception):
    """Part of an amendment that cannot be worked in; ``path`` points into the amendment."""

    def __init__(self, path: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.path, self.remedy = path, remedy


class _Folding:
    """Terms while amendments are worked in one after the other."""

    def __init__(self, terms: Terms, known_by: date) -> None:
        self.faults: list[Fault] = []
        self.touches: list[Touch] = []
        self._terms = _replace(terms, amendments=())  # all but its parts
        self._parts: dict[str, _Part] = {part.key: part for part in (*terms.charges, *terms.commitments)}
        self._agreed = terms.renewal  # comes back when a termination is taken back
        self._kept = False  # advance service runs to the end of its period though the contract has ended
        self._known_by = known_by
        known = [(one.effective_on, one.known, at) for at, one in enumerate(terms.amendments) if one.known <= known_by]
        for _, _, at in sorted(known):
            self._apply(terms.amendments[at], f"amendments[{at}]")

    def result(self) -> Terms:
        terms = self._with_parts()
        return _kept(terms) if self._kept else terms

    def _with_parts(self) -> Terms:
        parts = self._parts.values()
        return _replace(
            self._terms,
            charges=tuple(part for part in parts if not isinstance(part, Commitment)),
            commitments=tuple(part for part in parts if isinstance(part, Commitment)),
        )

    def _apply(self, amendment: Amendment, path: str) -> None:
        steps = [
            *((self._change, f"change[{at}]", one) for at, one in enumerate(amendment.change)),
            *((self._end, f"end[{at}]", one) for at, one in enumerate(amendment.end)),
            *((self._exchange, f"replace[{at}]", one) for at, one in enumerate(amendment.replace)),
            *((self._add, f"add[{at}]", one) for at, one in enumerate(amendment.add)),
            (self._whole, "", amendment),
        ]
        for step, within, part in steps:
            try:
                cast(Any, step)(amendment, part)
            except _Refused as refused:
                where = ".".join(name for name in (path, within, refused.path) if name)
                message = f"amendment {amendment.key!r}, effective {amendment.effective_on}: {refused}"
                self.faults.append(Fault(where, message, refused.remedy))

    # ---------------------------------------------------------------------------------------------- one charge

    def _change(self, amendment: Amendment, change: Change) -> None:
        part = self._find(change.charge, "charge")
        on = amendment.effective_on
        if isinstance(part, OneTime | Prepaid | FixedPrice):
            self._parts[part.key] = self._changed_whole(part, change, on)
        else:
            self._parts[part.key] = self._changed_from(part, change, on, amendment.key)
        self._touch(amendment, part.key, on, change.description)
        if change.ends_on is not None:
            self._touch(amendment, part.key, change.ends_on)

    def _changed_from(
        self, part: Recurring | Usage | Retainer | Commitment, change: Change, on: date, key: str
    ) -> _Part:
        """Change what is priced by time: from the day on."""
        _check_change(part, change)
        given: dict[str, object] = {}
        if change.price is not None or change.quantity is not None:
            given["steps"] = _stepped(part.steps, change, on, key)
        if change.ends_on is not None:
            given["ends_on"] = change.ends_on
        if change.discounts is not None and not isinstance(part, Commitment):
            first = on <= service_start(self._terms, part)
            given["discounts"] = change.discounts if first else _discounts(part.discounts, change.discounts, on)
        return _replace(part, **given)

    def _changed_whole(self, part: OneTime | Prepaid | FixedPrice, change: Change, on: date) -> _Part:
        """Change what has one price: all of it, as long as nothing of it fell due before the day."""
        given = {name: getattr(change, name) for name in ("price", "quantity", "discounts", "ends_on")}
        given = {name: value for name, value in given.items() if value is not None}
        if "ends_on" in given and isinstance(part, OneTime):
            raise _Refused("ends_on", f"charge {part.key!r} is owed once and has no last day", "end or replace it")
        due = own_start(part) or self._terms.starts_on
        if given.keys() - {"ends_on"} and due < on and not isinstance(part, FixedPrice):
            message = f"charge {part.key!r} is owed on {due}, so a change from a later day changes nothing"
            raise _Refused(next(iter(given)), message, f"set effective_on to {due} or before, or add another charge")
        return _replace(part, **given)

    def _end(self, amendment: Amendment, key: str) -> None:
        self._end_on(key, amendment, "", keep=amendment.unused == "keep")

    def _exchange(self, amendment: Amendment, exchange: Replacement) -> None:
        old = self._find(exchange.charge, "charge")
        self._refuse_known(exchange.by.key, "by.key")
        self._end_on(exchange.charge, amendment, "charge", keep=False)
        by = exchange.by
        if isinstance(old, Recurring) and isinstance(by, Recurring) and _interval_changes(old, by):
            by = _replace(by, anchor_day=_new_anchor(self._terms, old, by.starts_on or amendment.effective_on))
        self._add_part(by, amendment)

    def _add(self, amendment: Amendment, charge: Charge) -> None:
        self._refuse_known(charge.key, "key")
        self._add_part(charge, amendment)

    def _add_part(self, charge: Charge, amendment: Amendment) -> None:
        if isinstance(charge, FixedPrice):
            charge = _dated(charge, amendment.effective_on)
        elif own_start(charge) is None:
            field = "on" if isinstance(charge, OneTime | Prepaid) else "starts_on"
            charge = _replace(charge, **{field: amendment.effective_on})
        self._parts[charge.key] = charge
        self._touch(amendment, charge.key, date.min)

    def _end_on(self, key: str, amendment: Amendment, path: str, *, keep: bool) -> None:
        part, last = self._find(key, path), amendment.effective_on - _DAY
        if isinstance(part, OneTime):
            due = part.on or self._terms.starts_on
            if due <= last:
                message = f"charge {key!r} is owed on {due}, before it is ended"
                raise _Refused(path, message, "write a credit note if it is to be given back")
            del self._parts[key]
            return
        if keep and isinstance(part, Recurring | Usage | Retainer):
            last = _period_end(self._terms, part, last)
        self._parts[key] = _replace(part, ends_on=min(last, part.ends_on or last))
        self._touch(amendment, key, last)

    # -------------------------------------------------------------------------------------------- the contract

    def _whole(self, amendment: Amendment, _: Amendment) -> None:
        if amendment.ends_on is not None:
            self._ends(amendment, amendment.ends_on)
        if amendment.renewal is not None:
            self._renewal(amendment, amendment.renewal)
        changed: dict[str, object] = {}
        if amendment.value is not None or _sells(amendment):
            changed["value"] = amendment.value
        if amendment.effective_on <= self._known_by:  # what has no date of its own in the terms
            if amendment.payment_terms is not None:
                changed["payment_terms"] = amendment.payment_terms
            if amendment.po_number is not None or amendment.po_budget is not None:
                changed["po_budget"] = amendment.po_budget
            if amendment.po_number is not None:
                changed["po_number"] = amendment.po_number
        self._terms = _replace(self._terms, **changed)

    def _ends(self, amendment: Amendment, ends_on: date) -> None:
        """Move the contract's last day: of the term running then, or of the contract as a whole when it terminates."""
        terms = self._terms
        if ends_on < terms.starts_on:
            message = f"ends_on {ends_on} lies before the contract's first day, {terms.starts_on}"
            raise _Refused("ends_on", message, "to take everything back, end each charge from its first day")
        last = None if (end := contract_end(terms)) is None else end - _DAY
        self._let_stand(ends_on if amendment.terminates else min(amendment.effective_on, ends_on))
        running = self._terms.signed_ends_on or self._terms.ends_on  # the end of the term that ends_on lies in
        if running is not None and ends_on > running and not amendment.terminates:
            self._follow(running)
        early = amendment.terminates is not None and (running is None or ends_on < running)
        self._kept = amendment.unused == "keep" and (last is None or ends_on < last)
        self._terms = _replace(
            self._terms,
            ends_on=ends_on,
            ended_by=amendment.terminates if early else None,
            signed_ends_on=running if early else None,
            renewal=None if amendment.terminates else self._agreed,
        )
        self._touch(amendment, "", min(ends_on, last or ends_on))

    def _renewal(self, amendment: Amendment, renewal: Renewal) -> None:
        """Renew on other terms from the first renewal after the amendment."""
        self._let_stand(amendment.effective_on)
        self._agreed = renewal
        self._terms = _replace(self._terms, renewal=None if self._terms.ended_by else renewal)
        if self._terms.ends_on is not None:
            self._touch(amendment, "", self._terms.ends_on + _DAY)

    def _let_stand(self, by: date) -> None:
        """Let the renewals up to a day stay as they were; the contract's last day becomes that of the term running."""
        terms = self._terms
        past = [*takewhile(lambda one: one[0] <= by, renewals(terms))]
        further = len(past) - len(terms.renewed)
        if further <= 0 or terms.renewal is None or terms.ends_on is None:
            return
        self._terms = _replace(
            terms,
            renewed=tuple(Renewed(on=on, by=renewal) for on, renewal in past),
            ends_on=renewal_grid(terms.ends_on, terms.renewal).boundary(further) - _DAY,
        )

    def _follow(self, running: date) -> None:
        """Extend what was written to end on the contract's own last day together with it."""
        for key, part in self._parts.items():
            if not isinstance(part, OneTime) and part.ends_on == running:
                self._parts[key] = _replace(part, ends_on=None)

    # --------------------------------------------------------------------------------------------------- helpers

    def _touch(self, amendment: Amendment, charge: str, since: date, description: str | None = None) -> None:
        self.touches.append(Touch(charge, since, amendment.key, description))

    def _find(self, key: str, path: str) -> _Part:
        part = self._parts.get(key)
        if part is None:
            known = ", ".join(self._parts) or "none"
            raise _Refused(path, f"the contract has no charge {key!r} then", f"name one of its charges: {known}")
        return part

    def _refuse_known(self, key: str, path: str) -> None:
        if key in self._parts:
            remedy = "give the new charge a key of its own, or change the one that is there"
            raise _Refused(path, f"the contract has a charge {key!r} already", remedy)


def _dated(charge: FixedPrice, start: date) -> FixedPrice:
    """Count a fixed price's instalments that are due after some time from the day it was agreed."""
    instalments = [
        one
        if one.after is None
        else _replace(one, after=None, on=Grid.of(start, parse_interval(one.after), start.day).boundary(1))
        for one in charge.instalments
    ]
    return _replace(charge, instalments=tuple(instalments))


def _check_change(part: Recurring | Usage | Retainer | Commitment, change: Change) -> None:
    """Refuse what has no meaning for a kind of charge."""
    counted = isinstance(part, Usage | Commitment)
    if change.quantity is not None and counted:
        raise _Refused("quantity", f"charge {part.key!r} has no agreed quantity", "change its price, or replace it")
    if change.discounts is not None and isinstance(part, Commitment):
        raise _Refused("discounts", f"commitment {part.key!r} has no discounts", "change its amount by price")
    tiered = isinstance(part, Recurring | Usage) and part.tiers
    if change.price is not None and (tiered or (isinstance(part, Usage) and part.model == "percentage")):
        remedy = "replace the charge by one with the new prices"
        raise _Refused("price", f"charge {part.key!r} has no single price to change", remedy)


def _interval_changes(old: Recurring, by: Recurring) -> bool:
    """Say whether a charge is billed by another interval than the one before it, and has no anchor of its own."""
    return by.anchor_day is None and by.every != old.every and parse_interval(by.every).unit == "month"


def _new_anchor(terms: Terms, old: Recurring, on: date) -> int:
    """Return the anchor of a charge that begins anew on a day: that day, or the old anchor where it falls on that."""
    grid = contract_grid(terms, old)
    return grid.anchor if grid.monthly and grid.boundary(grid.index_of(on)) == on else on.day


def _stepped(steps: Sequence[Step], change: Change, on: date, key: str) -> tuple[Step, ...]:
    """Enter a change among a charge's steps; what it does not say stays as a step of the same day has it."""
    same = next((step for step in steps if step.starts_on == on), Step(starts_on=on))
    given = {name: getattr(change, name) for name in ("price", "quantity", "seats_removed")}
    given = {name: value for name, value in given.items() if value is not None}
    if "quantity" in given or same.quantity is None:  # otherwise its quantity stays the one of the ramp as signed
        given["amendment"] = key
    new = _replace(same, **given)
    return tuple(sorted((new, *(step for step in steps if step is not same)), key=lambda step: step.starts_on))


def _discounts(old: Sequence[Discount], new: Sequence[Discount], on: date) -> tuple[Discount, ...]:
    """Let one set of discounts end the day before another begins."""
    eve = on - _DAY
    before = [one for one in old if one.starts_on is None or one.starts_on < on]
    after = [one for one in new if one.ends_on is None or one.ends_on >= on]
    return (
        *(_replace(one, ends_on=min(one.ends_on or eve, eve)) for one in before),
        *(_replace(one, starts_on=max(one.starts_on or on, on)) for one in after),
    )


def _sells(amendment: Amendment) -> bool:
    """Say whether an amendment changes what the contract is worth."""
    return bool(amendment.change or amendment.add or amendment.end or amendment.replace or amendment.ends_on)


def _period_end(terms: Terms, charge: Recurring | Usage | Retainer, day: date) -> date:
    """Return the last day of the period that a day of an advance charge's service lies in; otherwise the day itself."""
    if charge.timing != "advance" or day < service_start(terms, charge):
        return day
    grid = contract_grid(terms, charge)
    last = grid.boundary(grid.index_of(day) + 1) - _DAY
    end = service_end(terms, charge)
    return last if end is None else min(last, end - _DAY)


def _kept(terms: Terms) -> Terms:
    """Let the periods that were begun in advance run out: the contract ends with the last of them, the rest as said."""
    ends_on = cast(date, terms.ends_on)
    open_ended = _replace(terms, ends_on=terms.signed_ends_on)
    ends = {}
    for part in terms.charges:
        if isinstance(part, Recurring | Usage | Retainer):
            ends[part.key] = min(part.ends_on or date.max, _period_end(open_ended, part, ends_on))
    return _replace(
        terms,
        ends_on=max([ends_on, *ends.values()]),
        stopped_on=ends_on,
        charges=tuple(_replace(one, ends_on=ends[one.key]) if one.key in ends else one for one in terms.charges),
    )
