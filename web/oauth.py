"""How a person lets us in at a vendor: to the vendor's own page of consent and back.

The state that comes back is good once, for ten minutes, and only in the browser that was sent with it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Flask, current_app, flash, redirect, request, session, url_for
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response

from connectors.errors import ConnectorError
from store import audit, runs
from web.site import now, open_store, person, site

LIFE = timedelta(minutes=10)
MOST = 100  # journeys that may be under way; the oldest is forgotten then

blueprint = Blueprint("oauth", __name__)


class Consent(Protocol):
    """How one connection is connected; ``connectors.oauth.Consent`` is it."""

    @property
    def authorize_url(self) -> str:
        """Return where the browser is sent, without the query."""

    def address(self, state: str, redirect: str, verifier: str) -> str:
        """Return where to send the browser."""

    def accept(self, callback: Mapping[str, str], redirect: str, verifier: str) -> str:
        """Save the token that the code stands for; return the account for people. Raises ``ConnectorError``."""


class Consents(msgspec.Struct, frozen=True):
    """What the composition root says: how each connection is connected, and under which address we are reached."""

    by_name: Mapping[str, Callable[[], Consent]]
    public_url: str = ""


class _Journey(msgspec.Struct, frozen=True):
    """A browser on its way to a vendor: for which connection, since when, with what only we know."""

    connection: str
    began: datetime
    redirect: str
    verifier: str


class _Desk:
    """The consents, and the journeys that are under way; shared by the server's threads."""

    def __init__(self, consents: Consents) -> None:
        self.consents = consents
        self._journeys: dict[str, _Journey] = {}
        self._lock = Lock()

    def send(self, state: str, journey: _Journey) -> None:
        """Note that a browser is sent."""
        with self._lock:
            while len(self._journeys) >= MOST:
                del self._journeys[next(iter(self._journeys))]
            self._journeys[state] = journey

    def back(self, state: str, at: datetime) -> _Journey | None:
        """Return the journey that a state belongs to, once and while it is fresh."""
        with self._lock:
            journey = self._journeys.pop(state, None)
        return journey if journey is not None and at - journey.began <= LIFE else None


def install(app: Flask, consents: Consents) -> None:
    """Let the connections of ``app`` be connected."""
    app.extensions["netterms_consents"] = _Desk(consents)
    app.register_blueprint(blueprint)


def targets() -> dict[str, str]:
    """Return by connection the origin that its form leads to; empty where none can be connected here."""
    desk: _Desk | None = current_app.extensions.get("netterms_consents")
    found = {}
    for name, consent in desk.consents.by_name.items() if desk is not None else ():
        parts = urlsplit(consent().authorize_url)
        found[name] = f"{parts.scheme}://{parts.netloc}"
    return found


@blueprint.post("/connections/<name>/connect")
def connect(name: str) -> Response:
    """Send the browser to the vendor's page of consent."""
    desk = _desk()
    if name not in desk.consents.by_name:
        raise NotFound("This connection is not connected in a browser.")
    new_key = site().world.new_key
    state, verifier = new_key(), new_key() + new_key()  # RFC 7636: at least 43 characters
    back = f"{desk.consents.public_url or request.host_url.rstrip('/')}{url_for('oauth.callback')}"
    desk.send(state, _Journey(name, now(), back, verifier))
    session["consent"] = state
    return redirect(desk.consents.by_name[name]().address(state, back, verifier), 303)


@blueprint.get("/oauth/callback")
def callback() -> Response:
    """Take what the vendor sent the browser back with; the outcome is on the page of connections."""
    given, sent = request.args.get("state", ""), str(session.pop("consent", ""))
    journey = _desk().back(given, now())
    if journey is None or not hmac.compare_digest(given.encode(), sent.encode()):
        raise BadRequest("This answer belongs to no connection that was begun here just now. Please begin anew.")
    if "code" not in request.args:
        flash(f"{journey.connection} is not connected: the vendor says {request.args.get('error', 'nothing')[:100]!r}.")
        return redirect(url_for("jobs.connections"), 303)
    try:
        consent = _desk().consents.by_name[journey.connection]()
        account = consent.accept(request.args.to_dict(), journey.redirect, journey.verifier)
    except ConnectorError as error:
        flash(f"It is not connected: {error}")
    else:
        _note(journey.connection, account)
        flash(f"{journey.connection} is connected with {account}.")
    return redirect(url_for("jobs.connections"), 303)


def _note(connection: str, account: str) -> None:
    with open_store() as store, store.transaction():
        runs.set_connection_state(store, connection, "ok", "", now())
        audit.write(store, person(), "connected", f"connection:{connection}", after={"account": account})


def _desk() -> _Desk:
    found: _Desk = current_app.extensions["netterms_consents"]
    return found
