"""Access tokens: a fixed one, or OAuth ones that are renewed early and saved before they are used; and how a person
lets us in at a vendor that asks for consent (RFC 6749, section 4.1; RFC 7636).

No SDK renews a token by itself: two of them doing so at once would void each other's refresh token.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import msgspec
import requests

from connectors.errors import AuthExpired, Refused, Retryable
from connectors.http import Session, redact, retry_after

EARLY = timedelta(minutes=5)  # a token with less life left is renewed before it is used
# What a token address says about the application, not about the grant: with the right secret the grant still works.
_OUR_FAULT = ("invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_request")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of tokens as kept in the store, and where it comes from.

    ``origin`` tells the configured refresh token it began with (its hash), empty for a person's consent; ``account`` is
    the vendor's account it is for, where that is known. ``refused``: the vendor will not renew it, in its own words.
    ``grant_ends``: until when it renews it; None where it does not say.
    """

    access_token: str
    refresh_token: str
    expires_at: datetime
    origin: str = ""
    account: str = ""
    refused: str = ""
    grant_ends: datetime | None = None


class _Answer(msgspec.Struct):
    access_token: str
    refresh_token: str = ""  # not every answer rotates it
    expires_in: int = 1800


class TokenStore(Protocol):
    """Keeps tokens, encrypted; the store implements it."""

    def lock(self, connection: str) -> AbstractContextManager[None]:
        """Hold off every other thread and process that would renew this connection's token until the block ends.

        Raises ``TimeoutError`` when another one holds it and does not come to an end.
        """

    def load(self, connection: str) -> Token | None:
        """Return the token of a connection; raises ``ValueError`` when it cannot be opened."""

    def save(self, connection: str, token: Token) -> None:
        """Keep the token of a connection, durably."""


class OAuthSettings(Protocol):
    """How a connection gets and renews its token: part of the configuration."""

    @property
    def token_url(self) -> str: ...  # noqa: D102
    @property
    def client_id(self) -> str: ...  # noqa: D102
    @property
    def client_secret(self) -> str: ...  # noqa: D102
    @property
    def refresh_token(self) -> str: ...  # noqa: D102
    @property
    def grant(self) -> Literal["authorization_code", "client_credentials"]: ...  # noqa: D102
    @property
    def authorize_url(self) -> str: ...  # noqa: D102


class FixedToken:
    """A token that never changes: a service key or restricted key."""

    def __init__(self, connection: str, token: str) -> None:
        self._connection = connection
        self._token = token

    def access_token(self) -> str:
        """Return the token."""
        return self._token

    def rejected(self, token: str) -> str:
        """Raise ``AuthExpired``: there is no other."""
        raise AuthExpired(f"{self._connection}: the vendor refused the token; put a valid one in its place")


class OAuthToken:
    """A token that is renewed by its refresh token, or by the client's own credentials where the grant is that.

    A refresh token that the vendor refused is not sent again; what ends that is a person's consent, or another refresh
    token in the configuration.
    """

    def __init__(
        self,
        connection: str,
        settings: OAuthSettings,
        store: TokenStore,
        now: Callable[[], datetime],
        *,
        flow: Flow | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._flow = flow  # of the vendor, where it asks persons for consent
        self._store = store
        self._now = now
        self._unsaved: tuple[str, Token] | None = None  # what came for a refresh token and could not be saved

    def access_token(self) -> str:
        """Return a token with some life left, renewing it first where needed."""
        token = self._load()
        if token is None or token.refused or token.expires_at - EARLY <= self._now():
            token = self._renewed(token.access_token if token else "")
        return token.access_token

    def rejected(self, token: str) -> str:
        """Return another token than ``token``; raises ``AuthExpired`` when the grant itself is dead."""
        return self._renewed(token).access_token

    def _renewed(self, stale: str) -> Token:
        """Renew once across all processes: whoever comes second finds the new token and takes it.

        A process that is killed between answer and saving loses what came; the vendor's grace is then all there is:
        Xero takes the old refresh token for half an hour more, QuickBooks changes it only about once a day.
        """
        with _held(self._store, self._connection):
            known = self._saved_late(self._load())
            if known is not None and known.access_token != stale and known.expires_at - EARLY > self._now():
                return known
            refresh_token, origin = self._next(known)
            known = known or Token(access_token="", refresh_token=refresh_token, expires_at=self._now())
            try:
                token = self._request(refresh_token)
            except _DeadGrant as dead:
                self._store.save(self._connection, msgspec.structs.replace(known, refused=str(dead), origin=origin))
                raise AuthExpired(str(dead)) from None
            token = msgspec.structs.replace(token, origin=origin, account=known.account)
            self._unsaved = (refresh_token, token)
            self._store.save(self._connection, token)
            self._unsaved = None
            return token

    def _saved_late(self, known: Token | None) -> Token | None:
        """Save what could not be saved before, unless the grant was made anew meanwhile: its refresh token is the only
        one that still works.
        """
        if self._unsaved is None:
            return known
        used, token = self._unsaved
        if used == (known.refresh_token if known else self._settings.refresh_token):
            self._store.save(self._connection, token)
            known = token
        self._unsaved = None
        return known

    def _next(self, known: Token | None) -> tuple[str, str]:
        """Return the refresh token to use, and its origin; raises ``AuthExpired`` when there is none left to try."""
        configured = self._settings.refresh_token
        origin = hashlib.sha256(configured.encode()).hexdigest() if configured else ""
        if known is not None and not known.refused:
            return known.refresh_token, known.origin
        if configured and (known is None or known.origin != origin):
            return configured, origin
        if known is None and self._settings.grant == "client_credentials":
            return "", ""
        if known is not None:
            raise AuthExpired(known.refused)
        raise AuthExpired(f"{self._connection}: nobody has connected it yet: do so on the page of connections")

    def _load(self) -> Token | None:
        try:
            return self._store.load(self._connection)
        except ValueError as error:  # the stored token cannot be opened
            raise AuthExpired(str(error)) from None

    def _request(self, refresh_token: str) -> Token:
        """Ask for a token by the refresh token, or for the client itself (RFC 6749, sections 6 and 4.4)."""
        form = {"grant_type": "client_credentials"}
        if refresh_token:
            form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        body = _ask(self._connection, self._settings, form, self._flow)
        return _token(self._connection, body, refresh_token, self._now(), self._flow)


@contextmanager
def _held(store: TokenStore, connection: str) -> Iterator[None]:
    """Hold the lock of a connection's token; raises ``Retryable`` while a process that stands still does."""
    with ExitStack() as stack:
        try:
            stack.enter_context(store.lock(connection))
        except TimeoutError:
            problem = "another process renews its token and does not come to an end: see whether one was stopped"
            raise Retryable(f"{connection}: {problem}") from None
        yield


class _DeadGrant(AuthExpired):
    """The vendor will never renew by this refresh token again."""


def _ask(connection: str, settings: OAuthSettings, form: Mapping[str, str], flow: Flow | None) -> bytes:
    """Return what the token address answers to a form, the client authenticated by HTTP Basic or in the form.

    Raises ``AuthExpired`` when it refuses, ``Retryable`` when it gives no answer.
    """
    try:
        client = (settings.client_id, settings.client_secret)
        in_form = flow is not None and flow.client_in_form
        named = {"client_id": client[0], "client_secret": client[1]} if in_form else {}
        response = Session().post(
            settings.token_url,
            data={**form, **named},
            auth=None if in_form else client,
            headers=dict(flow.headers) if flow is not None else {},
        )
    except requests.RequestException as error:
        raise Retryable(f"{connection}: the token address did not answer: {redact(str(error))}") from None
    if response.status_code in (400, 401, 403):
        reason = redact(response.text)
        ours = response.status_code != 400 or any(word in response.text for word in _OUR_FAULT)
        kind = AuthExpired if ours or "refresh_token" not in form else _DeadGrant
        what = "refused to renew the token" if "refresh_token" in form else "gave no token"
        raise kind(f"{connection}: the vendor {what} ({reason}); connect it anew")
    if response.status_code != 200:
        problem = f"{connection}: the token address answered {response.status_code}"
        raise Retryable(problem, retry_after(response.headers))
    return response.content


def _token(connection: str, body: bytes, refresh_token: str, now: datetime, flow: Flow | None) -> Token:
    try:
        answer = msgspec.json.decode(body, type=_Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Retryable(f"{connection}: the token address answered no token: {error}") from None
    return Token(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token or refresh_token,
        expires_at=now + timedelta(seconds=answer.expires_in),
        grant_ends=_grant_ends(body, now, flow),
    )


def _grant_ends(body: bytes, now: datetime, flow: Flow | None) -> datetime | None:
    """Return when the vendor stops renewing, by the earliest of what its answer says."""
    said = msgspec.json.decode(body)
    lives = [said[name] for name in flow.lives if isinstance(said.get(name), int)] if flow is not None else []
    return now + timedelta(seconds=min(lives)) if lives else None


# -------------------------------------------------------------------------------------------------- a person's consent


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What came with a consent, for finding which account it is for."""

    callback: Mapping[str, str]  # the query with which the browser came back
    body: Mapping[str, Any]  # the token address's answer
    read: Callable[[str], Any]  # JSON of a path at the vendor's API, asked for with the new token


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """How a vendor asks for consent. ``accounts`` returns the accounts that it was given for: name by id.

    ``client_in_form``: its token address knows our application by the form only, not by HTTP Basic. ``headers`` is what
    it wants to be asked with besides; ``lives`` are the fields of its answer in which it says for how many seconds it
    will renew the token.
    """

    authorize_url: str
    scopes: str
    accounts: Callable[[Granted], Mapping[str, str]]
    pkce: bool = False
    client_in_form: bool = False
    headers: Mapping[str, str] = {}  # msgspec copies the default
    lives: tuple[str, ...] = ()


class Consent:
    """Lets a person connect one connection: where the browser goes, and what is done with what comes back.

    ``account`` is the account it must be for; empty takes the one that it was for before, else any.
    """

    def __init__(
        self, connection: str, flow: Flow, settings: OAuthSettings, store: TokenStore, base_url: str, account: str,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._flow = flow
        self._settings = settings
        self._store = store
        self._base_url = base_url
        self._account = account
        self._now = now

    @property
    def authorize_url(self) -> str:
        """Return where the browser is sent, without the query."""
        return self._settings.authorize_url or self._flow.authorize_url

    def address(self, state: str, redirect: str, verifier: str) -> str:
        """Return where to send the browser; ``verifier`` is kept by us, the vendor gets its hash where it takes one."""
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect,
            "scope": self._flow.scopes,
            "state": state,
        }
        if self._flow.pkce:
            digest = hashlib.sha256(verifier.encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return f"{self.authorize_url}?{urlencode(query)}"

    def accept(self, callback: Mapping[str, str], redirect: str, verifier: str) -> str:
        """Turn the code into a token, see that it is for the right account, save it; return the account for people.

        Raises ``Refused`` when the consent is for another account, ``AuthExpired`` when the vendor does not take the
        code, ``Retryable`` when it gave no answer; then nothing is saved.
        """
        form = {"grant_type": "authorization_code", "code": callback.get("code", ""), "redirect_uri": redirect}
        form |= {"code_verifier": verifier} if self._flow.pkce else {}
        body = _ask(self._connection, self._settings, form, self._flow)
        token = _token(self._connection, body, "", self._now(), self._flow)
        if not token.refresh_token:
            raise Refused(f"{self._connection}: the vendor gave no refresh token: allow the app offline access there")
        granted = Granted(
            callback=callback,
            body=msgspec.json.decode(body),
            read=lambda path: self._read(path, token.access_token),
        )
        found = self._flow.accounts(granted)
        with _held(self._store, self._connection):
            account = self._chosen(found)
            self._store.save(self._connection, msgspec.structs.replace(token, account=account))
        return found[account] or account

    def _chosen(self, found: Mapping[str, str]) -> str:
        try:
            before = self._store.load(self._connection)
        except ValueError:  # the key has changed: what lies there cannot be read, nor is it needed
            before = None
        wanted = self._account or (before.account if before else "")
        if wanted in found:
            return wanted
        given = ", ".join(f"{name} ({id_})" if name else id_ for id_, name in found.items()) or "none"
        if wanted:
            raise Refused(f"{self._connection} is for account {wanted}, but the consent is for {given}")
        if len(found) != 1:
            raise Refused(f"{self._connection}: the consent is for {given}: write the one that is meant as its account")
        return next(iter(found))

    def _read(self, path: str, token: str) -> Any:
        try:
            response = Session().get(f"{self._base_url}{path}", headers={"Authorization": f"Bearer {token}"})
            response.raise_for_status()
            return response.json()
        except (requests.RequestException, ValueError) as error:
            raise Retryable(
                f"{self._connection}: the vendor does not say which account: {redact(str(error))}"
            ) from None
