"""Webhooks -> jobs that run sooner: an event is a hint that something changed, and what changed is asked for.

Nothing is marked as handled: an event is handled when the jobs of its source have begun after it came in, by whatever
made them run. So hundreds of events make one run, a process that dies in between forgets nothing, and an event that is
lost, late, doubled or out of order changes only how soon the jobs run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from store import deals, inbox, runs
from store.database import Store
from store.inbox import Event, Unreadable
from store.review import Finding
from sync.context import Context, Source
from sync.jobs import select

# What an event of a source makes run, by the source's role.
HASTENED = {
    "crm": ("pull_deals", "map_terms", "plan_invoices"),
    "payments": ("pull_payments", "match_payments", "post_payments"),
    "accounting": ("pull_ledger",),
}
# How long after an event its source is asked. A CRM's search may find a change only a minute later (HubSpot's does),
# so it is asked at once and once more.
LOOKS = {"crm": (timedelta(0), timedelta(minutes=1)), "payments": (timedelta(0),), "accounting": (timedelta(0),)}
# Between two runs of a job, so that a stream of events does not use up a vendor's limits. A ledger tells of what we
# booked ourselves, too, and reading it is metered.
REST = {"crm": timedelta(seconds=15), "payments": timedelta(seconds=15), "accounting": timedelta(minutes=1)}

LOST = "undelivered"  # the cursor of what a provider could not deliver
OVERLAP = timedelta(hours=1)  # a vendor may still be trying to deliver what is younger


def due(store: Store, sources: Sequence[Source], now: datetime) -> list[str]:
    """Return the jobs that events ask for, in the order in which they run."""
    wanted: set[str] = set()
    for source in sources:
        asked = _asked(store, source, now)
        if asked is not None:
            jobs, rest = HASTENED[source.role], REST[source.role]
            wanted.update(job for job in jobs if _is_due(runs.last_start(store, job), asked, now, rest))
    seen = runs.last_start(store, "handle_webhooks")
    if any(_is_due(seen, found.newest, now, REST["crm"]) for found in inbox.unreadable(store)):
        wanted.add("handle_webhooks")
    return [job.name for job in select(tuple(wanted))] if wanted else []


def _asked(store: Store, source: Source, now: datetime) -> datetime | None:
    """Return the latest moment up to ``now`` after which the jobs of ``source`` must have begun once."""
    heard = ((inbox.latest(store, source.name, now - wait), wait) for wait in LOOKS.get(source.role, ()))
    return max((at + wait for at, wait in heard if at is not None), default=None)


def _is_due(began: datetime | None, asked: datetime, now: datetime, rest: timedelta) -> bool:
    """Say whether a job that last began at ``began`` must run now; a time in the future says nothing."""
    if began is None or began > now:
        return True
    return began < asked and now - began >= rest


def run(context: Context) -> None:
    """Look for lost webhooks, report what nobody could read, and forget what no sender sends again."""
    _find_lost(context)
    context.count("old webhooks forgotten", inbox.forget(context.store, context.world.now()))
    for found in inbox.unreadable(context.store):
        context.find(_unreadable(found))


def _find_lost(context: Context) -> None:
    """Put what a payment provider could not deliver to our webhooks into the inbox, as if it had been.

    Only where webhooks have come before: whoever uses none pays no call for it. What was delivered after all is known.
    """
    now = context.world.now()
    for source in context.sources("payments"):
        if inbox.latest(context.store, source.name, now) is None:
            continue
        with context.using(source.name) as provider:
            since = deals.cursor(context.store, source.name, LOST) or now - inbox.KEPT
            lost = [
                Event(id=one.id, topic=one.topic, object=one.object) for one in provider.undelivered(since - OVERLAP)
            ]
            context.count("lost webhooks found", inbox.save(context.store, source.name, lost, now))
            with context.store.transaction():
                deals.set_cursor(context.store, source.name, LOST, now)


def _unreadable(found: Unreadable) -> Finding:
    return Finding(
        code="unreadable_webhook",
        subject=f"connection:{found.connection}",
        message=(
            f"{found.count} webhook(s) that {found.connection} signed since {found.since:%Y-%m-%d %H:%M} UTC"
            f" are not in the form its vendor describes; the latest begins {found.latest[:100]!r}"
        ),
        fix="nothing is missed, as what changed is asked for anyway; see at the vendor which version is sent",
    )
