"""Who may see the pages: the names they are served under, the login, and that forms come from our own pages.

On this machine's own addresses nobody logs in. Everywhere else there is one password, which lives in the environment;
sessions live in this process and end with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

import msgspec
from flask import Blueprint, Flask, current_app, flash, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import BadRequest, SecurityError, TooManyRequests
from werkzeug.wrappers import Response

from store import audit
from store.audit import Actor
from web.site import now, open_store

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
IDLE = timedelta(hours=1)  # a session that nobody uses ends
WHOLE = timedelta(hours=12)  # and so does one in use
GUESSES, SPAN = 5, timedelta(minutes=1)  # so many logins per address and minute
_OPEN = (
    "static",
    "access.login",
    "access.enter",
    "pages.health",
)  # seen without login; everything else is closed by default
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d+)?")  # a name or address, and a port
_PROVEN = ("api",)  # blueprints whose callers prove themselves, by a token

blueprint = Blueprint("access", __name__)


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root says about access.

    ``secret`` signs cookies; ``hosts`` are the names answered to, as browsers send them; no ``password``: no login.
    """

    secret: str
    password: str = ""
    hosts: tuple[str, ...] = LOOPBACK

    @property
    def leaves_machine(self) -> bool:
        """Say whether the pages are reached from elsewhere: then cookies travel over TLS only."""
        return not set(self.hosts) <= set(LOOPBACK)


def guard(app: Flask, access: Access, new_key: Callable[[], str]) -> CSRFProtect:
    """Protect every route of ``app``; returns what takes a signed blueprint out of the check of forms.

    Raises ``ValueError`` when the pages would leave this machine without a password.
    """
    if access.leaves_machine and not access.password:
        raise ValueError("pages that are reached from elsewhere need a password")
    app.config.update(
        SECRET_KEY=access.secret,
        # A __Host- cookie cannot be set by a neighbouring name; browsers take it over TLS only.
        SESSION_COOKIE_NAME="__Host-netterms" if access.leaves_machine else "netterms",
        SESSION_COOKIE_SECURE=access.leaves_machine,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=int(WHOLE.total_seconds()),
        WTF_CSRF_SSL_STRICT=False,  # it wants a Referer, which our pages ask browsers not to send
    )
    app.extensions["netterms_door"] = _Door(access, new_key)
    app.before_request(_known_name)
    csrf = CSRFProtect(app)
    app.before_request(_own_pages_only)
    app.before_request(_logged_in)
    app.context_processor(lambda: {"has_login": bool(access.password) and _door().knows(session.get("id"), now())})
    app.register_blueprint(blueprint)
    return csrf


class _Door:
    """The password, who is in, and who has guessed how often. Shared by the server's threads."""

    def __init__(self, access: Access, new_key: Callable[[], str]) -> None:
        self.hosts = access.hosts
        self.closed = bool(access.password)
        self._salt = hashlib.sha256(access.secret.encode()).digest()
        self._password = self._hash(access.password) if self.closed else b""
        self._new_key = new_key
        self._sessions: dict[str, tuple[datetime, datetime]] = {}  # id -> when it began, when it was last used
        self._guesses: dict[str, list[datetime]] = {}
        self._lock = Lock()

    def _hash(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode(), salt=self._salt, n=2**14, r=8, p=1)

    def fits(self, password: str) -> bool:
        """Compare in a time that says nothing about the password."""
        return hmac.compare_digest(self._hash(password), self._password)

    def may_guess(self, address: str, at: datetime) -> bool:
        """Count a guess of an address; say whether it is one of the few it has in a minute."""
        with self._lock:
            recent = {who: [t for t in times if at - t < SPAN] for who, times in self._guesses.items()}
            self._guesses = {who: times for who, times in recent.items() if times}
            times = self._guesses.setdefault(address, [])
            if len(times) >= GUESSES:
                return False
            times.append(at)
            return True

    def enter(self, at: datetime) -> str:
        """Begin a session; return its id, which nobody can guess."""
        key = self._new_key()
        with self._lock:
            self._sessions = {one: times for one, times in self._sessions.items() if at - times[0] < WHOLE}
            self._sessions[key] = (at, at)
        return key

    def knows(self, key: str | None, at: datetime) -> bool:
        """Say whether a session lives, and keep it alive."""
        with self._lock:
            began, used = self._sessions.get(key or "", (datetime.min.replace(tzinfo=at.tzinfo),) * 2)
            alive = at - began < WHOLE and at - used < IDLE
            if alive:
                self._sessions[str(key)] = (began, at)
            return alive

    def leave(self, key: str | None) -> None:
        """End a session at once, whoever still holds its cookie."""
        with self._lock:
            self._sessions.pop(key or "", None)


def _door() -> _Door:
    found: _Door = current_app.extensions["netterms_door"]
    return found


def may_see() -> bool:
    """Say whether the request is let in: nobody needs to log in, or this one has."""
    return not _door().closed or _door().knows(session.get("id"), now())


def answers_to(app: Flask, name: str) -> bool:
    """Say whether ``app`` answers to the name, perhaps with a port, that a request calls it by."""
    door: _Door = app.extensions["netterms_door"]
    host = _HOST.fullmatch(name.lower())
    return host is not None and host[1] in door.hosts


def _known_name() -> None:
    """Refuse a foreign name: under one, a page elsewhere could read ours through its visitors' browsers (rebinding).

    Ours rather than Werkzeug's TRUSTED_HOSTS, which knows no IPv6 addresses.
    """
    if not answers_to(current_app, request.headers.get("Host", "")):
        raise SecurityError("Netterms does not answer to this name. If it should, add the name to hosts in [web].")


def _own_pages_only() -> None:
    """Refuse what a browser says another site sent, whatever token it carries."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method == "POST" and request.blueprint not in _PROVEN and site not in ("same-origin", "none"):
        raise BadRequest("This form was sent by another site. Open the page here and try again.")


def _logged_in() -> Response | None:
    if request.endpoint in _OPEN or request.blueprint in _PROVEN or may_see():
        return None
    if request.method == "GET" and request.url_rule is not None:
        session["next"] = request.full_path.rstrip("?")
    return redirect(url_for("access.login"), 303) if request.url_rule is not None else None


@blueprint.get("/login")
def login() -> str | Response:
    """Ask for the password."""
    return redirect(url_for("pages.home"), 303) if may_see() else render_template("login.html")


@blueprint.post("/login")
def enter() -> Response | tuple[str, int]:
    """Let in who knows the password; each try and its outcome is in the audit trail."""
    door, at, address = _door(), now(), request.remote_addr or ""
    if not door.may_guess(address, at):
        raise TooManyRequests("Too many tries from this address. Wait a minute and try again.", retry_after=60)
    fits = door.closed and door.fits(request.form.get("password", ""))
    with open_store() as store, store.transaction():
        audit.write(store, Actor("person web", at), "login" if fits else "login refused", "pages", reason=address)
    if not fits:
        flash("That is not the password.")
        return render_template("login.html"), 401
    target = str(session.get("next", url_for("pages.home")))
    session.clear()  # what was before the login does not live on in it
    session["id"] = door.enter(at)
    return redirect(target, 303)


@blueprint.post("/logout")
def leave() -> Response:
    """End the session."""
    _door().leave(session.get("id"))
    session.clear()
    return redirect(url_for("access.login"), 303)
