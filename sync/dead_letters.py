"""Webhooks that came to nothing: nobody could read them, or what they asked for failed time after time.

An event is only a hint, so none blocks another and nothing is missed for good; this is the list of what a person may
want to know of and have handled again. It is worked out from the runs: an event leaves it by itself as soon as the jobs
of its source have succeeded after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from store import inbox, runs
from store.audit import Actor
from store.database import Store
from store.inbox import Stored
from sync.context import Source
from sync.handle_webhooks import HASTENED

IN_VAIN = 3  # so many runs in a row that fail make dead letters of the events that waited for them


class Letter(NamedTuple):
    """A dead letter: the event and why it is one."""

    event: Stored
    why: str


class _Span(NamedTuple):
    after: datetime | None
    until: datetime
    why: str


def letters(store: Store, sources: Sequence[Source]) -> list[Letter]:
    """Return every dead letter, oldest first."""
    found = {event.id: Letter(event, "nobody can read it") for event in inbox.stored_unreadable(store)}
    for source in sources:
        for span in _failing(store, source):
            for event in inbox.between(store, source.name, span.after, span.until):
                found.setdefault(event.id, Letter(event, span.why))
    return [found[key] for key in sorted(found)]


def _failing(store: Store, source: Source) -> list[_Span]:
    """Return within which times an event of a source waits for a job that keeps failing."""
    spans = []
    for job in HASTENED.get(source.role, ()):
        succeeded = runs.last_read(store, job, source.name)
        failed = runs.failed_since(store, job, source.name, succeeded)
        if len(failed) >= IN_VAIN:
            began, message = failed[IN_VAIN - 1][0], failed[0][1]
            spans.append(_Span(succeeded, began, f"{job} failed {len(failed)} times: {message}"))
    return spans


def replay(store: Store, sources: Sequence[Source], actor: Actor, which: str) -> int:
    """Have one dead letter (by its id) or ``all`` handled again: the jobs of its source run for it anew.

    Returns how many. Raises ``ValueError`` when there is no such dead letter.
    """
    chosen = [one.event for one in letters(store, sources) if which in ("all", str(one.event.id))]
    if not chosen and which != "all":
        raise ValueError(f"there is no dead letter {which}; see: netterms inbox")
    with store.transaction():
        inbox.replay(store, actor, chosen)
    return len(chosen)


def as_json(letter: Letter) -> dict[str, object]:
    """Return a dead letter for programs."""
    facts = msgspec.structs.asdict(letter.event)
    return {**facts, "unreadable": preview(letter.event), "why": letter.why}


def preview(event: Stored) -> str:
    """Return how an event that nobody can read begins."""
    return (event.unreadable or b"")[:200].decode("utf-8", "replace")
