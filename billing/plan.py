"""Terms and facts to lines: everything a contract owes up to a date ("should").

Each kind of charge has a module that turns it into lines. What concerns several charges together comes after them, in
this order: amounts off the contract, commitments, what is drawn from prepaid amounts, holdback, termination fee, late
fees. A contract without any of these pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

from billing.facts import NO_FACTS, Facts, Unpriceable
from billing.kinds import fixed_price, one_time, prepaid, recurring, retainer, usage
from billing.line import Explanation as Explanation
from billing.line import Line as Line
from billing.line import Scope
from billing.passes import commitments, contract_discounts, holdback, late_fees, termination
from billing.service import calendar, contract_grid
from billing.terms import (
    Charge,
    FixedPrice,
    OneTime,
    Prepaid,
    Recurring,
    Retainer,
    Terms,
    Usage,
    parse_interval,
)

_DAY = timedelta(days=1)
_MOST_DAYS = {"day": 1, "week": 7, "month": 31}
_issue_on = attrgetter("issue_on")


ENGINE = 1  # raised when the same terms and facts come to owe something else: then all contracts are planned anew


class Unknown(NamedTuple):
    """What cannot be worked out: a charge's slices from a day on, and why. ``path`` points into the terms."""

    charge: str
    since: date
    code: str
    message: str
    path: str


class Owed(NamedTuple):
    """Everything owed by a day, and what could not be worked out."""

    lines: list[Line]
    unknown: list[Unknown]


def plan(terms: Terms, through: date, facts: Facts = NO_FACTS, since: date | None = None) -> list[Line]:
    """Return the lines of ``owed``."""
    return owed(terms, through, facts, since).lines


def owed(terms: Terms, through: date, facts: Facts = NO_FACTS, since: date | None = None) -> Owed:
    """Return every line that terms (their amendments in force already) and facts owe, issued by ``through``.

    The order is stable: by ``issue_on``, then as the charges stand in the terms, then by service start. An evergreen
    contract runs to ``through``. What a line says depends on terms and facts alone, never on ``through`` or on a clock.
    With ``since``, lines issued on or before that day may be left out. What depends on a charge that cannot be worked
    out cannot be either: it is among the unknown too, for the same reason.
    """
    scope = Scope(terms, facts, through, since)
    if _is_plain(terms):
        lines, unknown = _charges_owed(scope)
        lines.sort(key=_issue_on)  # a stable sort: the order of charges and starts is kept within a day
        return Owed(lines, unknown)
    return _together(scope)


def _is_plain(terms: Terms) -> bool:
    """Whether every line is a matter of its charge alone."""
    return not terms.commitments and _only_committed(terms)


def _only_committed(terms: Terms) -> bool:
    """Whether commitments are all that concerns several charges."""
    if terms.discounts or terms.holdback or terms.termination_fee or terms.late_fee:
        return False
    return not _has_prepaid(terms)


def _charges_owed(scope: Scope) -> Owed:
    lines: list[Line] = []
    unknown: list[Unknown] = []
    for index, charge in enumerate(scope.terms.charges):
        try:
            lines.extend(charge_lines(scope, charge))
        except Unpriceable as reason:
            path = f"charges[{index}].{reason.path}".rstrip(".")
            unknown.append(Unknown(charge.key, reason.since, reason.code, str(reason), path))
    return Owed(lines, unknown)


def charge_lines(scope: Scope, charge: Charge) -> Iterator[Line]:
    """Yield what one charge owes by itself, in order of service start; raises ``Unpriceable``."""
    return _LINES[type(charge)](scope, charge)


# One function per kind of charge: scope, charge -> its lines in order of service start.
_LINES: dict[type[Charge], Callable[[Scope, Any], Iterator[Line]]] = {
    Recurring: recurring.lines,
    OneTime: one_time.lines,
    FixedPrice: fixed_price.lines,
    Prepaid: prepaid.lines,
    Usage: usage.lines,
    Retainer: retainer.lines,
}


# ---------------------------------------------------------------------------------- what concerns several charges


def _together(scope: Scope) -> Owed:
    """Work the charges out as far as what concerns several of them needs, then that; keep the lines wanted."""
    terms, through = scope.terms, scope.through
    settling = commitments.settling(terms, scope.since and scope.since - longest_wait(terms), through)
    if not settling and _only_committed(terms):
        lines, unknown = _charges_owed(scope)
        if not unknown:  # as nearly always: no commitment period has come to its end
            lines.sort(key=_issue_on)
            return Owed(lines, unknown)
    wide = _widened(scope, settling)
    lines, unknown = _charges_owed(wide)
    unknown = [one for one in unknown if one.since - timedelta(days=terms.issue_days_before) <= through]
    unknown += _dependent(terms, unknown)
    lines.sort(key=_issue_on)
    if contract_discounts.amounts_off(terms):
        lines = contract_discounts.discounted(terms, lines)
    for one, periods in settling:
        lines += commitments.lines(terms, one, periods, lines)
    lines.sort(key=_issue_on)
    if _has_prepaid(terms):
        lines = prepaid.drawn(wide, lines)
        lines.sort(key=_issue_on)
    if terms.holdback is not None:
        lines = holdback.held_back(scope, terms.holdback, lines)
    lines += _fees(scope, unknown)
    lines = [line for line in lines if _is_wanted(scope, line, unknown)]
    lines.sort(key=_issue_on)
    return Owed(lines, unknown)


def _fees(scope: Scope, unknown: list[Unknown]) -> Iterator[Line]:
    """Yield what leaving early and paying late costs; what cannot be worked out is added to ``unknown``."""
    terms = scope.terms
    if terms.termination_fee is not None:
        try:
            yield from termination.lines(scope, terms.termination_fee, charge_lines)
        except Unpriceable as reason:
            unknown.append(Unknown(termination.KEY, date.min, reason.code, str(reason), "termination_fee"))
    if terms.late_fee is not None:
        yield from late_fees.lines(scope, terms.late_fee)


def _is_wanted(scope: Scope, line: Line, unknown: Sequence[Unknown]) -> bool:
    if line.issue_on > scope.through or (scope.since is not None and line.issue_on <= scope.since):
        return False
    return not any(one.charge == line.charge and one.since <= line.starts for one in unknown)


def _dependent(terms: Terms, unknown: Sequence[Unknown]) -> Iterator[Unknown]:
    """Yield what cannot be worked out because it depends on a charge that cannot."""
    for missing in unknown:
        for one in terms.commitments:
            if missing.charge in commitments.counted_charges(terms, one):
                grid = commitments.commitment_grid(terms, one)
                yield missing._replace(charge=one.key, since=grid.boundary(grid.index_of(missing.since)))
        for charge in terms.charges:
            if isinstance(charge, Prepaid) and missing.charge in prepaid.paid_charges(terms, charge):
                yield missing._replace(charge=charge.key)
        if terms.holdback is not None and missing.charge in holdback.held_charges(terms, terms.holdback):
            yield missing._replace(charge=holdback.KEY)


# ------------------------------------------------------------------------------------------------- how far to look


def _has_prepaid(terms: Terms) -> bool:
    return Prepaid in [type(charge) for charge in terms.charges]


def _widened(scope: Scope, settling: Sequence[commitments.Settling]) -> Scope:
    """Return the days over which charges must be worked out, so that what concerns several of them is complete."""
    terms, facts, through, since = scope
    wait = longest_wait(terms)
    last = through
    if settling or any(isinstance(one, Prepaid) and one.unused == "return" for one in terms.charges):
        last = through + wait
    for charge in terms.charges:
        if isinstance(charge, Prepaid) and charge.drawn == "final":
            end = prepaid.last_day(terms, facts, charge)
            last = max(last, through if end is None else end + wait)
    if contract_discounts.amounts_off(terms) or _has_prepaid(terms) or terms.holdback or terms.termination_fee:
        return Scope(terms, facts, last, None)
    if since is not None:
        lead = timedelta(days=terms.issue_days_before + 1)
        since = min([since, *(period.starts - lead for _, periods in settling for period in periods)])
    return Scope(terms, facts, last, since)


def usage_from(terms: Terms, through: date, since: date | None) -> date | None:
    """Return the first day whose usage can matter to lines issued after ``since`` and by ``through``; None: all."""
    if since is None or terms.amendments:
        return None
    if not any(isinstance(charge, Usage | Retainer) for charge in terms.charges):
        return since
    if not _is_plain(terms):
        scope = Scope(terms, NO_FACTS, through, since)
        since = _widened(scope, commitments.settling(terms, since - longest_wait(terms), through)).since
    days = []
    for charge in terms.charges:
        if since is None or (isinstance(charge, Retainer) and charge.rollover != "none"):
            return None
        if isinstance(charge, Usage) and (charge.bill_over is not None or charge.cap_over == "contract"):
            return None
        if isinstance(charge, Usage | Retainer):
            days.append(_metered_from(terms, charge, since))
    return min(days, default=since)


def usage_open_from(terms: Terms, through: date) -> date | None:
    """Return the first day from which usage concerns only lines issued after ``through``; None: any usage may.

    ``terms`` are those in force. It is the first day of the latest period that is running, of all charges by usage.
    """
    if terms.amendments or _has_prepaid(terms):
        return None
    found = date.min
    for charge in terms.charges:
        if isinstance(charge, Usage | Retainer):
            if isinstance(charge, Usage) and charge.bill_over is not None:
                return None
            found = max(found, calendar(terms, charge).running_from(through))
    return found


def _metered_from(terms: Terms, charge: Usage | Retainer, since: date) -> date:
    """Return the first day of the period that is not billed by ``since``, and of what it continues."""
    intervals = {charge.every}
    if isinstance(charge, Usage):
        intervals |= {charge.invoiced or charge.every}
    grids = [contract_grid(terms, charge, one) for one in intervals]
    first = min([grid.boundary(grid.index_of(since)) for grid in grids])
    if isinstance(charge, Usage) and charge.resets is not None:
        whole = contract_grid(terms, charge, charge.resets)
        return whole.boundary(whole.index_of(first))
    return first


def longest_wait(terms: Terms) -> timedelta:
    """Return how long after its service begins a line may be issued, at the most."""
    longest = 0
    for charge in terms.charges:
        if isinstance(charge, Usage | Retainer) or (isinstance(charge, Recurring) and charge.timing == "arrears"):
            days = _most_days(charge.every)
            if isinstance(charge, Usage) and charge.invoiced is not None:
                days += _most_days(charge.invoiced)
            longest = max(longest, days)
    return timedelta(days=longest)


def _most_days(interval: str) -> int:
    parsed = parse_interval(interval)
    return parsed.count * _MOST_DAYS[parsed.unit]
