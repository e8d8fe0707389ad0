"""What a contract will bill: ``bill`` walked over the days ahead, as the runs will do it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from billing.amendments import in_force
from billing.draft import Draft, Note, Rules, Settled
from billing.facts import NO_FACTS, Facts
from billing.invoicing import bill, settle
from billing.periods import anchored
from billing.plan import plan
from billing.terms import Terms


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The documents to come, each dated the day on which a run will draft it, and what stands in their way.

    ``elsewhere`` are the slices found to be billed elsewhere on the way.
    """

    drafts: tuple[Draft, ...] = ()
    elsewhere: tuple[Settled, ...] = ()
    notes: tuple[Note, ...] = ()


def outlook(
    terms: Terms, settled: Sequence[Settled], *, today: date, through: date, rules: Rules, facts: Facts = NO_FACTS
) -> Outlook:
    """Return what will be drafted from ``today`` through ``through``, the first of it being what is due by ``today``.

    An amendment counts from the day it becomes known. Raises ``BrokenInvariant`` as ``bill`` does.
    """
    known = {item.slice for item in settled}
    days = {today, *known_days(terms, today, through)}
    for version in versions(terms, today, through):
        lines = plan(version, through, facts)
        days.update(line.issue_on for line in lines if line.issue_on > today and line.slice not in known)
    return walk(terms, settled, days, rules=rules, facts=facts)


class Month(NamedTuple):
    """What was billed and what is to be billed in a month, net in minor units, credits below zero."""

    starts: date
    billed: int
    to_come: int


def by_month(settled: Iterable[Settled], drafts: Iterable[Draft]) -> list[Month]:
    """Return every month from the first to the last in which something was billed by us or will be drafted."""
    billed: dict[date, int] = {}
    to_come: dict[date, int] = {}
    for item in settled:
        if item.how == "issued" and item.line is not None:
            month = item.line.issue_on.replace(day=1)
            billed[month] = billed.get(month, 0) + item.amount
    for draft in drafts:
        month = draft.issue_on.replace(day=1)
        to_come[month] = to_come.get(month, 0) + draft.sign * draft.subtotal
    months = billed.keys() | to_come.keys()
    if not months:
        return []
    numbers = range(_number(min(months)), _number(max(months)) + 1)
    days = (anchored(number, 1) for number in numbers)
    return [Month(day, billed.get(day, 0), to_come.get(day, 0)) for day in days]


def _number(month: date) -> int:
    return month.year * 12 + month.month - 1


def walk(terms: Terms, settled: Sequence[Settled], days: Iterable[date], *, rules: Rules, facts: Facts) -> Outlook:
    """Bill on each of ``days`` in order, every draft being issued on its own day."""
    drafts: list[Draft] = []
    elsewhere: list[Settled] = []
    notes: dict[Note, None] = {}
    for day in sorted(days):
        billing = bill(terms, settled, today=day, rules=rules, facts=facts)
        settled = settle(settled, billing)
        drafts += billing.drafts
        elsewhere += billing.settled_elsewhere
        notes.update(dict.fromkeys(billing.notes))
    return Outlook(drafts=tuple(drafts), elsewhere=tuple(elsewhere), notes=tuple(notes))


def versions(terms: Terms, first: date, last: date) -> list[Terms]:
    """Return the terms as they stand on ``first``, and anew after each amendment that becomes known by ``last``."""
    return [in_force(terms, day) for day in (first, *known_days(terms, first, last))]


def known_days(terms: Terms, after: date, last: date) -> list[date]:
    """Return the days after ``after`` and up to ``last`` on which an amendment becomes known."""
    return sorted({one.known for one in terms.amendments if after < one.known <= last})
