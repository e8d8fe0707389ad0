"""What a contract will bill next if nothing changes: ``bill`` walked over the days ahead, as the runs will do it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from billing.invoicing import Draft, Note, Rules, Settled, bill, settle
from billing.plan import plan
from billing.terms import Terms


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The documents to come, each dated the day on which a run will draft it, and what stands in their way."""

    drafts: tuple[Draft, ...] = ()
    notes: tuple[Note, ...] = ()


def outlook(terms: Terms, settled: Sequence[Settled], *, today: date, through: date, rules: Rules) -> Outlook:
    """Return what will be drafted from ``today`` through ``through``, the first of it being what is due by ``today``.

    It is assumed that every draft is issued on its own day. Raises ``BrokenInvariant`` as ``bill`` does.
    """
    known = {item.slice for item in settled}
    ahead = {line.issue_on for line in plan(terms, through) if line.issue_on > today and line.slice not in known}
    drafts: list[Draft] = []
    notes: dict[Note, None] = {}
    for day in sorted({today} | ahead):
        billing = bill(terms, settled, today=day, rules=rules)
        settled = settle(settled, billing)
        drafts += billing.drafts
        notes.update(dict.fromkeys(billing.notes))
    return Outlook(drafts=tuple(drafts), notes=tuple(notes))
