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
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import NamedTuple

import msgspec

from billing.amendments import Touch, fold, stamp
from billing.charges import Charge, Prepaid, Recurring, Usage
from billing.draft import Draft, DraftLine, Head, Rules
from billing.facts import NO_FACTS, Facts, Unpriceable
from billing.invoicing import LATE, document
from billing.kinds import recurring, usage
from billing.line import Line, Scope
from billing.next_due import next_due
from billing.passes import commitments, contract_discounts
from billing.periods import Period
from billing.plan import longest_wait, owed, usage_from, usage_open_from
from billing.service import Calendar, calendar
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


class Summed(msgspec.Struct, frozen=True, array_like=True):
    """A usage charge whose periods cost what the sum of their records does; ``charge`` is a packed ``Usage``."""

    place: int
    when: int
    charge: msgspec.Raw
    percents: tuple[Decimal, ...]


class Steady(msgspec.Struct, frozen=True, array_like=True):
    """What a contract of which all is settled by ``begins`` or later bills on every day before ``until``.

    Service that starts before ``first`` was billed elsewhere. ``places`` are those of the charges of ``rest``. Many
    contracts share periods and price lists: these are packed, and each is read once for all of them.
    """

    begins: date
    until: date
    first: date
    head: Head
    packed: tuple[msgspec.Raw, ...]  # calendars
    repeats: tuple[Repeat, ...]
    summed: tuple[Summed, ...]
    rest: Terms | None
    places: tuple[int, ...]

    def uses(self, since: date, today: date) -> date | None:
        """Return the first day whose usage matters to what is written; None: no usage does."""
        days = [_calendar(bytes(self.packed[one.when])).first_day(today, since) for one in self.summed]
        if self.rest is not None:
            days.append(usage_from(self.rest, today, since) or date.min)
        return min(days, default=None)

    def open_from(self, today: date) -> date | None:
        """Return the first day from which usage concerns only what comes after ``today``; None: any usage may."""
        found = date.min if self.rest is None else usage_open_from(self.rest, today)
        if found is None:
            return None
        return max([found, *(_calendar(bytes(self.packed[one.when])).running_from(today) for one in self.summed)])


@lru_cache(maxsize=4096)
def _calendar(packed: bytes) -> Calendar:
    return msgspec.msgpack.decode(packed, type=Calendar)


class _Course(NamedTuple):
    """A calendar from one run to another: the periods due, their days as text, and the days on which more comes.

    ``days`` are the first, the one after the last, and that of issue (as text and as a day). None: one of the periods
    is not whole, was due long ago, or was billed elsewhere.
    """

    due: tuple[tuple[Period, date], ...]
    days: tuple[tuple[str, str, str, date], ...] | None
    coming: tuple[date, ...]


@lru_cache(maxsize=4096)
def _course(packed: bytes, today: date, since: date, first: date) -> _Course:
    when = _calendar(packed)
    due, late = when.due(today, since), today - LATE
    if any(period.is_stub or issue_on < late or period.starts < first for period, issue_on in due):
        return _Course(due, None, ())
    days = tuple(
        (period.starts.isoformat(), period.until.isoformat(), issue_on.isoformat(), issue_on)
        for period, issue_on in due
    )
    return _Course(due, days, _coming(when, today))


def _coming(when: Calendar, today: date) -> tuple[date, ...]:
    """Return the first days on which a period begins or ends, or is issued before it begins."""
    if when.end is not None and when.end <= today:
        return ()
    lead = when.lead or _NO_LEAD
    days = (when.boundary_after(today), when.boundary_after(today + lead) - lead)
    return tuple(day for day in days if day > today)


@lru_cache(maxsize=4096)
def _charge(packed: bytes) -> Usage:
    return msgspec.msgpack.decode(packed, type=Usage)


class Written(NamedTuple):
    """A draft without its lines, the whole of it in JSON, and the day on which something comes next.

    Usage from the day ``open_from`` on concerns only what comes later; None: any usage may concern it.
    """

    draft: Draft | None
    data: str
    next_on: date | None
    open_from: date | None


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
    found = _Found(terms, rules, today, touches)
    for place, charge in enumerate(terms.charges):
        found.add(place, charge)
    until = min([*days, *found.changes], default=date.max)
    if until <= min(found.coming, default=date.max) or (touches and (found.rest or found.summed)):
        return None
    return Steady(
        begins=today,
        until=until,
        first=_first(terms, rules),
        head=Head.of(terms),
        packed=tuple(msgspec.Raw(msgspec.msgpack.encode(when)) for when in found.calendars),
        repeats=tuple(found.repeats),
        summed=tuple(found.summed),
        rest=_only(terms, [charge for _, charge in found.rest]) if found.rest else None,
        places=tuple([place for place, _ in found.rest]),
    )


class _Found:
    """What of a contract is steady, charge by charge: when it comes next, and when it may change."""

    def __init__(self, terms: Terms, rules: Rules, today: date, touches: Sequence[Touch]) -> None:
        self._terms, self._rules, self._today, self._touches = terms, rules, today, touches
        self.calendars: dict[Calendar, int] = {}
        self.repeats: list[Repeat] = []
        self.summed: list[Summed] = []
        self.rest: list[tuple[int, Charge]] = []
        self.coming: list[date] = []
        self.changes: list[date] = []

    def add(self, place: int, charge: Charge) -> None:
        """Look at one more charge."""
        if isinstance(charge, Recurring) and self._add_repeat(place, charge):
            return
        if isinstance(charge, Usage) and self._add_summed(place, charge):
            return
        self.rest.append((place, charge))

    def _add_repeat(self, place: int, charge: Recurring) -> bool:
        found = recurring.repeating(Scope(self._terms, NO_FACTS, date.max, self._today), charge)
        if found is None or not found[0].amount:
            return False  # whether something free is shown depends on the other lines
        line, when, until = found
        if any(one.charge in ("", charge.key) and one.since > line.starts for one in self._touches):
            return False  # its name may change with a period to come
        (line,) = stamp([line], self._touches)
        text = _dateless(line, self._rules)
        self.repeats.append(Repeat(place, self._number(when), line.amount, line.tax_class, text))
        self.coming.append(line.issue_on)
        self.changes.append(until)
        return True

    def _add_summed(self, place: int, charge: Usage) -> bool:
        when = calendar(self._terms, charge)
        if not usage.is_summed(self._terms, charge) or (when.end is not None and when.end <= when.start):
            return False
        try:
            usage.check(charge, when.start)
        except Unpriceable:
            return False
        packed = msgspec.Raw(msgspec.msgpack.encode(charge))
        percents = tuple(usage.percents_of(self._terms, charge))
        self.summed.append(Summed(place, self._number(when), packed, percents))
        self.coming.append(when.boundary_after(self._today))
        return True

    def _number(self, when: Calendar) -> int:
        return self.calendars.setdefault(when, len(self.calendars))


def write_steady(known: Steady, *, since: date, today: date, rules: Rules, facts: Facts = NO_FACTS) -> Written | None:
    """Write what ``bill`` drafts on ``today``; None: ask ``bill`` itself.

    All that was owed by ``since`` is settled as it is owed, and nothing that is owed later. ``facts`` hold the usage
    from the day ``known.uses`` names on, ``rules`` are those that ``known`` was found by. Raises ``Unpriceable``.
    """
    if not known.begins <= since <= today < known.until:
        return None
    courses = [_course(bytes(one), today, since, known.first) for one in known.packed]
    if None in [one.days for one in courses]:
        return None
    entries = _repeated(known, courses)
    if known.summed and not _add_summed(known, courses, entries, rules, facts):
        return None
    if known.rest is not None and not _add_rest(known, known.rest, entries, since, today, rules, facts):
        return None
    if len(entries) > rules.most_lines:
        return None
    next_on = _next_on(known, courses, facts, today)
    if not entries:
        return Written(None, "", next_on, known.open_from(today))
    entries.sort(key=_order)
    draft = document(known.head, [(tax_class, amount) for _, _, amount, tax_class, _ in entries], today, rules)
    if draft.type != "invoice":
        return None
    return Written(draft, _with_lines(to_json(draft), [one[4] for one in entries]), next_on, known.open_from(today))


def _repeated(known: Steady, courses: Sequence[_Course]) -> list[_Entry]:
    """Return the lines of the periods due, by calendar."""
    found = []
    for place, when, amount, tax_class, (begin, until, issue, again, end) in map(_parts, known.repeats):
        for first, last, issued, issue_on in courses[when].days or ():
            text = f"{begin}{first}{until}{last}{issue}{issued}{again}{first}{end}"
            found.append((issue_on, place, amount, tax_class, text))
    return found


_parts = attrgetter("place", "when", "amount", "tax_class", "text")


def _add_summed(known: Steady, courses: Sequence[_Course], entries: list[_Entry], rules: Rules, facts: Facts) -> bool:
    """Add what was used in the periods due; returns False where that is nothing."""
    head = known.head
    for one in known.summed:
        charge = _charge(bytes(one.charge))
        meter = charge.meter or charge.key
        for period, issue_on in courses[one.when].due:
            starts, until = period.starts, period.until
            records = [record for record in facts.usage if starts <= record.day < until and record.meter == meter]
            line = usage.summed_line(head.contract, head.currency, charge, one.percents, period, issue_on, records)
            if not line.amount:
                return False
            entries.append((issue_on, one.place, line.amount, line.tax_class, to_json(_drafted(line, rules))))
    return True


def _add_rest(
    known: Steady, rest: Terms, entries: list[_Entry], since: date, today: date, rules: Rules, facts: Facts
) -> bool:
    """Add what the rest owes; returns False where that is not ordinary: unclear, free, late, or billed elsewhere."""
    found, unknown = owed(rest, today, facts, since)
    if unknown or len({line.slice for line in found}) < len(found):
        return False
    late = today - LATE
    places = {charge.key: place for charge, place in zip(rest.charges, known.places, strict=True)}
    for line in found:
        if line.issue_on <= since:
            continue
        if not line.amount or line.issue_on < late or line.starts < known.first:
            return False
        text = to_json(_drafted(line, rules))
        entries.append((line.issue_on, places[line.charge], line.amount, line.tax_class, text))
    return True


def _next_on(known: Steady, courses: Sequence[_Course], facts: Facts, today: date) -> date | None:
    days = [known.until] if known.until < date.max else []
    for one in courses:
        days += one.coming
    if known.rest is not None and (rest := next_due(known.rest, facts, today)) is not None:
        days.append(rest)
    return min(days, default=None)


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


def _first(terms: Terms, rules: Rules) -> date:
    """Return the first day that is not billed elsewhere."""
    through = terms.billed_through
    return max(rules.go_live or date.min, through + _DAY if through is not None else date.min)


def _only(terms: Terms, charges: Sequence[Charge]) -> Terms:
    """Return terms with some of their charges; commitments have no say before their own next day."""
    return msgspec.structs.replace(terms, charges=tuple(charges), commitments=(), amendments=())
