"""Sees that a person learns of a connection that must be made anew, or soon must be: by a review item, and by one mail.

No vendor is called: the jobs that use a connection note how it is, and the vendor says with each token when it stops
renewing it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import msgspec

from connectors.base import Mail
from connectors.errors import Retryable
from store import deals, runs
from store.review import Finding
from store.runs import ConnectionState
from sync.context import Context, Source

FIX = "connect it anew on the page of connections (/connections), or give it other credentials in the configuration"
AHEAD = timedelta(days=30)  # how long before a grant ends it is told
_TOLD = "mailed that the grant ends on"


class News(msgspec.Struct, frozen=True):
    """Something about a connection that a person is mailed once: ``mark`` is the same for the same news.

    ``tell`` notes that the mail goes out (True), or that it surely did not.
    """

    name: str
    message: str
    mark: str
    tell: Callable[[bool], None]


def run(context: Context) -> None:
    """Report every connection whose credentials the vendor refuses or soon will, and mail what nobody was mailed."""
    states = runs.connection_states(context.store)
    dead = [states[one.name] for one in context.world.sources if _is_dead(states.get(one.name))]
    for state in dead:
        message = f"{state.name} does not work since {state.since[:16].replace('T', ' ')} UTC: {state.message}"
        context.find(Finding(code="connection_dead", subject=f"connection:{state.name}", message=message, fix=FIX))
    known = {state.name for state in dead}
    ending = [news for one in context.world.sources if one.name not in known for news in _ending(context, one)]
    untold = [_news(context, state) for state in dead if not state.told]
    untold += [news for news in ending if deals.note(context.store, news.name, _TOLD) != news.mark]
    server = _mailer(context)
    if untold and server is not None and context.world.alerts:
        _mail(context, server, untold)


def _is_dead(state: ConnectionState | None) -> bool:
    return state is not None and state.state == "reconnect"


def _news(context: Context, state: ConnectionState) -> News:
    def tell(going: bool) -> None:
        runs.tell(context.store, state.name, context.world.now() if going else None)

    return News(state.name, state.message, state.since, tell)


def _ending(context: Context, source: Source) -> list[News]:
    """Report a connection whose grant ends within a month; jobs that use it put that off where it can be put off."""
    ends = context.world.grant_ends(source.name)
    if ends is None or ends - context.world.now() > AHEAD:
        return []
    day = ends.date().isoformat()
    message = f"{source.vendor} renews its token until {day} and not longer"
    found = f"{source.name} stops working soon: {message}"
    context.find(Finding(code="connection_ends", subject=f"connection:{source.name}", message=found, fix=FIX))

    def tell(going: bool) -> None:
        deals.set_note(context.store, source.name, _TOLD, day if going else "")

    return [News(source.name, message, day, tell)]


def _mailer(context: Context) -> Source | None:
    """Return the mail server that belongs to no entity, else the first one."""
    return min(context.sources("mail"), key=lambda one: one.entity != "", default=None)


def _mail(context: Context, server: Source, untold: list[News]) -> None:
    """Mail once: that it is sent is committed before, and taken back only when it surely was not."""
    names = ", ".join(news.name for news in untold)
    marks = " ".join(f"{news.name} {news.mark}" for news in untold)
    mail = Mail(
        message_id=f"connections-{hashlib.sha256(marks.encode()).hexdigest()[:24]}",
        recipient=context.world.alerts,
        subject=f"Netterms: reconnect {names}",
        text="\n\n".join([*(f"{news.name}: {news.message}" for news in untold), f"What to do: {FIX}."]) + "\n",
        sent_at=context.world.now(),
    )
    _tell(context, untold, going=True)
    with context.using(server.name) as mailer:
        try:
            mailer.send(mail)
        except Retryable:
            _tell(context, untold, going=False)
            raise
        context.count("mails sent")


def _tell(context: Context, untold: list[News], *, going: bool) -> None:
    with context.store.transaction():
        for news in untold:
            news.tell(going)
