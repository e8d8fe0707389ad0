"""What a contract bills period after period, worked out once: so that an ordinary month costs next to nothing.

Nearly all that a run bills is what it billed the month before: whole periods at prices and quantities that were set
long ago. ``steady`` finds these charges with the line that each of their periods has, written out but for its days, and
the day until which nothing can change them. ``write_steady`` writes the draft that ``bill`` would draw up, to the
letter, and declines whenever that is not certain. What is not steady (usage, a ramp's next step ...) stands in ``rest``
and is planned as always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec

from billing.amendments import Touch, fold, stamp
from billing.charges import Charge, Prepaid, Recurring
from billing.draft import Draft, DraftLine, Head, Rules
from billing.due import due_date
from billing.facts import NO_FACTS, Facts
from billing.invoicing import LATE
from billing.kinds import recurring
from billing.line import Line, Scope
from billing.next_due import next_due
from billing.passes import commitments, contract_discounts
from billing.plan import longest_wait, owed
from billing.service import Calendar
from billing.tax import document_taxes
from billing.terms import Commitment, Terms
from billing.written import to_json

_DAY = timedelta(days=1)
_NO_LEAD = timedelta()


class Repeat(msgspec.Struct, frozen=True, array_like=True):
    """The drafted line of every whole period of a charge, in JSON cut where its days stand (see ``_dateless``).

    ``place`` is the charge's among the others, ``when`` its calendar's number.
    """

    place: int
    when: int
    amount: int
    tax_class: str
    text: tuple[str, str, str, str, str]


class Steady(msgspec.Struct, frozen=True, array_like=True):
    """What a contract of which all is settled by ``begins`` or later bills on every day before ``until``.

    Service that starts before ``first`` was billed elsewhere. ``places`` are those of the charges of ``rest``.
    """

    begins: date
    until: date
    first: date
    head: Head
    calendars: tuple[Calendar, ...]
    repeats: tuple[Repeat, ...]
    rest: Terms | None
    places: tuple[int, ...] = ()


class Written(NamedTuple):
    """A draft without its lines, the whole of it in JSON, and the day on which something comes next."""

    draft: Draft | None
    data: str
    next_on: date | None


# A line to be: the day of its issue, its charge's place, what it bills, its tax class, and its JSON.
_Entry = tuple[date, int, int, str, str]
_order = itemgetter(0, 1)


def steady(terms: Terms, rules: Rules, today: date) -> Steady | None:
    """Return what a contract bills again and again after ``today``; None: nothing that is certain.

    ``terms`` are as written, with their amendments; by ``today`` nothing of them must be unclear. Raises ``ValueError``
    as ``amendments.fold`` does.
    """
    amended = terms.amendments
    if any(one.known > today for one in amended):
        return None
    terms, touches = fold(terms, today)
    if not _is_simple(terms) or commitments.settling(terms, today - longest_wait(terms), today):
        return None
    days = [one.effective_on for one in amended if one.effective_on > today]
    days += [day for one in terms.commitments for day in _settling_days(terms, one, today)]
    calendars: dict[Calendar, int] = {}
    repeats, rest = [], []
    soonest = date.max
    for place, charge in enumerate(terms.charges):
        found = _repeat(terms, charge, touches, today)
        if found is None:
            rest.append((place, charge))
            continue
        line, when, until = found
        number = calendars.setdefault(when, len(calendars))
        repeats.append(Repeat(place, number, line.amount, line.tax_class, _dateless(line, rules)))
        soonest = min(soonest, line.issue_on)
        days.append(until)
    until = min(days, default=date.max)
    if until <= soonest or (rest and touches):
        return None
    return Steady(
        begins=today,
        until=until,
        first=_first(terms, rules),
        head=Head.of(terms),
        calendars=tuple(calendars),
        repeats=tuple(repeats),
        rest=_only(terms, [charge for _, charge in rest]) if rest else None,
        places=tuple([place for place, _ in rest]),
    )


def write_steady(known: Steady, *, since: date, today: date, rules: Rules, facts: Facts = NO_FACTS) -> Written | None:
    """Write what ``bill`` drafts on ``today``; None: ask ``bill`` itself.

    All that was owed by ``since`` is settled as it is owed, and nothing that is owed later. ``facts`` are those of the
    ``rest``, ``rules`` those that ``known`` was found by.
    """
    if not known.begins <= since <= today < known.until:
        return None
    entries = _repeated(known, since, today)
    if entries is None or not _add_rest(known, entries, since, today, rules, facts):
        return None
    if len(entries) > rules.most_lines:
        return None
    next_on = _next_on(known, facts, today)
    if not entries:
        return Written(None, "", next_on)
    entries.sort(key=_order)
    draft = _draft(known.head, entries, today, rules)
    if draft.total < 0:
        return None
    return Written(draft, _with_lines(to_json(draft), [one[4] for one in entries]), next_on)


def _repeated(known: Steady, since: date, today: date) -> list[_Entry] | None:
    """Return the lines of the periods due; None where one is not whole, is late, or was billed elsewhere."""
    due = [_days(when, today, since, known.first) for when in known.calendars]
    if None in due:
        return None
    found = []
    for one in known.repeats:
        begin, until, issue, again, end = one.text
        for first, last, issued, issue_on in due[one.when] or ():
            text = f"{begin}{first}{until}{last}{issue}{issued}{again}{first}{end}"
            found.append((issue_on, one.place, one.amount, one.tax_class, text))
    return found


@lru_cache(maxsize=4096)  # most contracts of a run share a few calendars
def _days(when: Calendar, today: date, since: date, first: date) -> tuple[tuple[str, str, str, date], ...] | None:
    """Return the days of the periods due as text: first, the one after the last, that of issue; and the latter."""
    late = today - LATE
    due = when.due(today, since)
    if any(period.is_stub or issue_on < late or period.starts < first for period, issue_on in due):
        return None
    return tuple(
        (period.starts.isoformat(), period.until.isoformat(), issue_on.isoformat(), issue_on)
        for period, issue_on in due
    )


def _add_rest(known: Steady, entries: list[_Entry], since: date, today: date, rules: Rules, facts: Facts) -> bool:
    """Add what the rest owes; returns False where that is not ordinary: unclear, free, late, or billed elsewhere."""
    if known.rest is None:
        return True
    found, unknown = owed(known.rest, today, facts, since)
    if unknown or len({line.slice for line in found}) < len(found):
        return False
    late = today - LATE
    places = {charge.key: place for charge, place in zip(known.rest.charges, known.places, strict=True)}
    for line in found:
        if line.issue_on <= since:
            continue
        if not line.amount or line.issue_on < late or line.starts < known.first:
            return False
        text = to_json(_drafted(line, rules))
        entries.append((line.issue_on, places[line.charge], line.amount, line.tax_class, text))
    return True


def _draft(head: Head, entries: Sequence[_Entry], today: date, rules: Rules) -> Draft:
    """Return an invoice but for its lines."""
    subtotal = sum([one[2] for one in entries])
    taxes = document_taxes(
        [(tax_class, amount) for _, _, amount, tax_class, _ in entries], rules.tax_rates, rules.tax_rounding
    )
    tax = sum([one.amount for one in taxes])
    return Draft(
        contract=head.contract,
        customer=head.customer,
        currency=head.currency,
        type="invoice",
        issue_on=today,
        due_on=due_date(head.payment_terms, today),
        po_number=head.po_number,
        lines=(),
        taxes=taxes,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
    )


def _next_on(known: Steady, facts: Facts, today: date) -> date | None:
    days = [known.until] if known.until < date.max else []
    for when in known.calendars:
        if when.end is not None and when.end <= today:
            continue
        lead = when.lead or _NO_LEAD
        days.append(when.boundary_after(today))
        if lead:
            days.append(when.boundary_after(today + lead) - lead)
    if known.rest is not None and (rest := next_due(known.rest, facts, today)) is not None:
        days.append(rest)
    return min([day for day in days if day > today], default=None)


# ------------------------------------------------------------------------------------------------------- written out


def _drafted(line: Line, rules: Rules) -> DraftLine:
    return DraftLine(line=line, revision=0, amount=line.amount, tax_rate=rules.tax_rates[line.tax_class])


def _dateless(line: Line, rules: Rules) -> tuple[str, str, str, str, str]:
    """Write a line as drafted, and cut out its days: first, the one after the last, that of issue, the first again.

    No name can look like the places of the days: its own quotation marks are escaped.
    """
    names = {"starts": line.starts, "until": line.until, "issue_on": line.issue_on, "from": line.starts}
    rest, parts = to_json(_drafted(line, rules)), []
    for name, day in names.items():
        before, rest = rest.split(f'"{name}":"{day.isoformat()}"', 1)
        parts.append(f'{before}"{name}":"')
        rest = f'"{rest}'
    begin, until, issue, again = parts
    return begin, until, issue, again, rest


_NO_LINES = '"lines":['


def _with_lines(text: str, lines: Sequence[str]) -> str:
    """Put lines into a draft that was written without any."""
    before, after = text.split(_NO_LINES, 1)
    return f"{before}{_NO_LINES}{','.join(lines)}{after}"


# ------------------------------------------------------------------------------------------------- what may be steady


def _is_simple(terms: Terms) -> bool:
    """Whether nothing but commitments concerns several charges, and no bound or person has a say in what is billed."""
    if terms.invoice_grouping != "contract" or (terms.po_required and not terms.po_number):
        return False
    if (terms.value, terms.po_budget, terms.holdback, terms.termination_fee, terms.late_fee) != (None,) * 5:
        return False
    if terms.ended_by is not None or terms.stopped_on is not None or contract_discounts.amounts_off(terms):
        return False
    return not any(isinstance(charge, Prepaid) for charge in terms.charges)


def _settling_days(terms: Terms, one: Commitment, today: date) -> Iterator[date]:
    grid = commitments.commitment_grid(terms, one)
    yield grid.boundary(grid.index_of(today) + 1)
    if one.ends_on is not None and one.ends_on >= today:
        yield one.ends_on + _DAY


def _repeat(terms: Terms, charge: Charge, touches: Sequence[Touch], today: date) -> tuple[Line, Calendar, date] | None:
    """Return the next whole period's line of a charge that goes on as it is, its calendar, and until when it does."""
    if not isinstance(charge, Recurring):
        return None
    found = recurring.repeating(Scope(terms, NO_FACTS, date.max, today), charge)
    if found is None:
        return None
    line, when, until = found
    if not line.amount:
        return None  # whether it is shown depends on the other lines
    if any(one.charge in ("", charge.key) and one.since > line.starts for one in touches):
        return None  # its name may change with a period to come
    (line,) = stamp([line], touches)
    return line, when, until


def _first(terms: Terms, rules: Rules) -> date:
    """Return the first day that is not billed elsewhere."""
    through = terms.billed_through
    return max(rules.go_live or date.min, through + _DAY if through is not None else date.min)


def _only(terms: Terms, charges: Sequence[Charge]) -> Terms:
    """Return terms with some of their charges; commitments have no say before their own next day."""
    return msgspec.structs.replace(terms, charges=tuple(charges), commitments=(), amendments=())
