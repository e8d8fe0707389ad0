"""Webhooks of every source, at one route: verified, stored once, answered at once, worked on later.

Whoever calls needs no login and no form token, but the source's signature. A caller learns nothing but the status. The
route stands before the pages, as they spend more on sessions and forms than receiving takes altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask

from connectors.base import Delivery, WebhookEvent, WebhookSource
from connectors.errors import Forged, Malformed
from store.database import Store
from store.inbox import Event, Letterbox
from web.access import answers_to
from web.site import Site

LARGEST = 1 << 20  # bytes; the largest of the vendors send about 1 MB
ROUTE = "/webhooks/"
_HEADERS = (("Content-Type", "text/plain"), ("Content-Length", "0"), ("Cache-Control", "no-store"))


class Sender(msgspec.Struct, frozen=True):
    """How a connection's webhooks are read; any of ``secrets`` is good, as there are two while one is changed.

    ``account`` is the connection's account at the vendor, where one delivery may hold events of several.
    """

    read: WebhookSource
    secrets: Sequence[str]
    account: str = ""


class Inbox(msgspec.Struct, frozen=True):
    """What the composition root says about webhooks: who sends them, by connection.

    ``public_url`` is the address that the vendors were told, as some sign it; when empty it is taken from the request.
    """

    senders: Mapping[str, Sender]
    public_url: str = ""

    def owner(self, connection: str, event: WebhookEvent) -> str | None:
        """Return whose an event is that came to ``connection``; None for an account that nobody has configured.

        An app at QuickBooks or Xero has one address for all its accounts: the event goes to the connection that has
        the account and the same app's secret.
        """
        heard = self.senders[connection]
        if event.account in ("", heard.account) or not heard.account:
            return connection
        same_app = (
            name
            for name, one in self.senders.items()
            if (one.read, one.account) == (heard.read, event.account) and set(one.secrets) & set(heard.secrets)
        )
        return next(same_app, None)


def install(app: Flask, received: Inbox) -> None:
    """Open the route before the pages of ``app``."""
    site: Site = app.config["SITE"]
    door = _Door(received, Letterbox(lambda: Store(site.store)), site.world.now)
    pages = app.wsgi_app

    def route(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(ROUTE):
            return pages(environ, start_response)
        try:
            status = door.answer(environ) if answers_to(app, environ.get("HTTP_HOST", "")) else 400
        except Exception:
            app.logger.exception("a webhook could not be stored")
            status = 500
        allow = [("Allow", "POST")] if status == 405 else []
        start_response(f"{status} {HTTPStatus(status).phrase}", [*_HEADERS, *allow])
        return [b""]

    app.wsgi_app = route  # type: ignore[method-assign]


class _Door(msgspec.Struct, frozen=True):
    """Where deliveries come in, and the letterbox into which they all go."""

    received: Inbox
    letterbox: Letterbox
    now: Callable[[], datetime]

    def answer(self, environ: Mapping[str, Any]) -> int:
        """Return the status of the answer to a request: 200 once what it tells is durable, else nothing is kept.

        400 without a signature, 401 with a wrong one, 404 for a connection that has no secret, 413 for too much.
        """
        connection = environ["PATH_INFO"].removeprefix(ROUTE)
        if connection not in self.received.senders:
            return 404
        if environ["REQUEST_METHOD"] != "POST":
            return 405
        body = _body(environ)
        if body is None:
            return 413
        try:
            self._take(connection, _delivery(environ, body, self.received.public_url))
        except Malformed:
            return 400
        except Forged:
            return 401
        return 200

    def _take(self, connection: str, delivery: Delivery) -> None:
        sender, at = self.received.senders[connection], self.now()
        kept = []
        for one in sender.read(delivery, sender.secrets, at):
            owner = self.received.owner(connection, one)
            if owner is not None:
                kept.append((owner, Event(id=one.id, topic=one.topic, object=one.object, unreadable=one.unreadable)))
        if kept:
            self.letterbox.put(kept, at)


def _body(environ: Mapping[str, Any]) -> bytes | None:
    """Return the body as it came, None when it is too long. The server has taken it apart from its chunks."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > LARGEST:
        return None
    found: bytes = environ["wsgi.input"].read(int(length))
    return found


def _delivery(environ: Mapping[str, Any], body: bytes, public_url: str) -> Delivery:
    query, own_url = environ.get("QUERY_STRING", ""), f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
    return Delivery(
        method=environ["REQUEST_METHOD"],
        uri=f"{public_url or own_url}{environ['PATH_INFO']}{'?' * bool(query)}{query}",
        headers={name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"},
        body=body,
    )
