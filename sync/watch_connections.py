"""Sees that a person learns of a connection that must be made anew: by a review item, and by one mail.

No vendor is called: the jobs that use a connection note how it is.
"""

from __future__ import annotations

import hashlib

from connectors.base import Mail
from connectors.errors import Retryable
from store import runs
from store.review import Finding
from store.runs import ConnectionState
from sync.context import Context, Source

FIX = "connect it anew on the page of connections, or give it other credentials in the configuration"


def run(context: Context) -> None:
    """Report every connection whose credentials the vendor refuses, and mail those that nobody was mailed about."""
    states = runs.connection_states(context.store)
    dead = [states[one.name] for one in context.world.sources if _is_dead(states.get(one.name))]
    for state in dead:
        message = f"{state.name} does not work since {state.since[:16].replace('T', ' ')} UTC: {state.message}"
        context.find(Finding(code="connection_dead", subject=f"connection:{state.name}", message=message, fix=FIX))
    untold = [state for state in dead if not state.told]
    server = _mailer(context)
    if untold and server is not None and context.world.alerts:
        _mail(context, server, untold)


def _is_dead(state: ConnectionState | None) -> bool:
    return state is not None and state.state == "reconnect"


def _mailer(context: Context) -> Source | None:
    """Return the mail server that belongs to no entity, else the first one."""
    return min(context.sources("mail"), key=lambda one: one.entity != "", default=None)


def _mail(context: Context, server: Source, dead: list[ConnectionState]) -> None:
    """Mail once: that it is sent is committed before, and taken back only when it surely was not."""
    names = ", ".join(state.name for state in dead)
    marks = " ".join(f"{state.name} {state.since}" for state in dead)
    mail = Mail(
        message_id=f"connections-{hashlib.sha256(marks.encode()).hexdigest()[:24]}",
        recipient=context.world.alerts,
        subject=f"Netterms: reconnect {names}",
        text="\n\n".join([*(f"{state.name}: {state.message}" for state in dead), f"What to do: {FIX}."]) + "\n",
        sent_at=context.world.now(),
    )
    with context.store.transaction():
        for state in dead:
            runs.tell(context.store, state.name, context.world.now())
    with context.using(server.name) as mailer:
        try:
            mailer.send(mail)
        except Retryable:
            with context.store.transaction():
                for state in dead:
                    runs.tell(context.store, state.name, None)
            raise
        context.count("mails sent")
