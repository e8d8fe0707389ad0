"""Webhooks of every source, at one route: verified, stored once, answered at once, worked on later.

Whoever calls needs no login and no form token, but the source's signature. A caller learns nothing but the status.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from connectors.base import Delivery, WebhookSource
from connectors.errors import Forged, Malformed
from store import inbox
from store.database import Store
from store.inbox import Event
from web.site import now, open_store

LARGEST = 1 << 20  # bytes; the largest of the vendors send about 1 MB

blueprint = Blueprint("webhooks", __name__)


class Sender(msgspec.Struct, frozen=True):
    """How a connection's webhooks are read; any of ``secrets`` is good, as there are two while one is changed."""

    read: WebhookSource
    secrets: Sequence[str]


class Inbox(msgspec.Struct, frozen=True):
    """What the composition root says about webhooks: who sends them, by connection.

    ``public_url`` is the address that the vendors were told, as some sign it; when empty it is taken from the request.
    """

    senders: Mapping[str, Sender]
    public_url: str = ""


class _Door:
    """The inbox and each server thread's own open store: opening one anew costs several times what storing does."""

    def __init__(self, received: Inbox) -> None:
        self.received = received
        self._own = threading.local()

    def store(self) -> Store:
        """Return this thread's store."""
        if not hasattr(self._own, "store"):
            self._own.store = open_store()
        return cast(Store, self._own.store)


def install(app: Flask, received: Inbox) -> None:
    """Open the route in ``app`` and take it out of the check of forms."""
    app.extensions["netterms_inbox"] = _Door(received)
    app.extensions["csrf"].exempt(blueprint)
    app.register_blueprint(blueprint)


@blueprint.post("/webhooks/<connection>")
def receive(connection: str) -> Response:
    """Store what a source says has changed: 200 once that is durable, else nothing is kept.

    400 without a signature, 401 with a wrong one, 404 for a connection that has no secret, 413 for too much.
    """
    door: _Door = current_app.extensions["netterms_inbox"]
    sender = door.received.senders.get(connection)
    if sender is None:
        return _answer(404)
    request.max_content_length = LARGEST
    at = now()
    try:
        events = sender.read(_delivery(door.received.public_url), sender.secrets, at)
    except RequestEntityTooLarge:
        return _answer(413)
    except Malformed:
        return _answer(400)
    except Forged:
        return _answer(401)
    inbox.save(door.store(), connection, [msgspec.convert(one, Event, from_attributes=True) for one in events], at)
    return _answer(200)


def _delivery(public_url: str) -> Delivery:
    query = request.query_string.decode("latin-1")
    return Delivery(
        method=request.method,
        uri=f"{public_url or request.host_url.rstrip('/')}{request.path}{'?' * bool(query)}{query}",
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(cache=False),
    )


def _answer(status: int) -> Response:
    return Response(status=status, content_type="text/plain")
