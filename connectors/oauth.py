"""Access tokens: a fixed one, or OAuth ones that are renewed early and saved before they are used.

No SDK renews a token by itself: two of them doing so at once would void each other's refresh token.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import requests

from connectors.errors import AuthExpired, Retryable
from connectors.http import Session, redact

EARLY = timedelta(minutes=5)  # a token with less life left is renewed before it is used


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of tokens as kept in the store."""

    access_token: str
    refresh_token: str
    expires_at: datetime


class _Answer(msgspec.Struct):
    access_token: str
    refresh_token: str = ""  # not every answer rotates it
    expires_in: int = 1800


class TokenStore(Protocol):
    """Keeps tokens, encrypted; the store implements it."""

    def lock(self) -> AbstractContextManager[None]:
        """Hold off every other process until the block ends; what was saved in it is kept."""

    def load(self, connection: str) -> Token | None:
        """Return the token of a connection; raises ``ValueError`` when it cannot be opened."""

    def save(self, connection: str, token: Token) -> None:
        """Keep the token of a connection."""


class OAuthSettings(Protocol):
    """How a connection renews its token: part of the configuration."""

    @property
    def token_url(self) -> str: ...  # noqa: D102
    @property
    def client_id(self) -> str: ...  # noqa: D102
    @property
    def client_secret(self) -> str: ...  # noqa: D102
    @property
    def refresh_token(self) -> str: ...  # noqa: D102


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
    """A token that is renewed by its refresh token, or by the client's own credentials where there is none."""

    def __init__(
        self, connection: str, settings: OAuthSettings, store: TokenStore, now: Callable[[], datetime]
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._store = store
        self._now = now

    def access_token(self) -> str:
        """Return a token with some life left, renewing it first where needed."""
        token = self._load()
        if token is None or token.expires_at - EARLY <= self._now():
            token = self._renewed(token.access_token if token else "")
        return token.access_token

    def rejected(self, token: str) -> str:
        """Return another token than ``token``; raises ``AuthExpired`` when the grant itself is dead."""
        return self._renewed(token).access_token

    def _renewed(self, stale: str) -> Token:
        """Renew once across all processes: whoever comes second finds the new token and takes it."""
        with self._store.lock():
            known = self._load()
            if known is not None and known.access_token != stale:
                return known
            token = self._request(known.refresh_token if known else self._settings.refresh_token)
            self._store.save(self._connection, token)
            return token

    def _load(self) -> Token | None:
        try:
            return self._store.load(self._connection)
        except ValueError as error:  # the stored token cannot be opened
            raise AuthExpired(str(error)) from None

    def _request(self, refresh_token: str) -> Token:
        """Ask for a token (RFC 6749, sections 4.4 and 6), the client authenticated by HTTP Basic."""
        form = {"grant_type": "client_credentials"}
        if refresh_token:
            form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        client = (self._settings.client_id, self._settings.client_secret)
        try:
            response = Session().post(self._settings.token_url, data=form, auth=client)
        except requests.RequestException as error:
            raise Retryable(f"{self._connection}: the token address did not answer: {redact(str(error))}") from None
        if response.status_code in (400, 401, 403):
            reason = redact(response.text)
            raise AuthExpired(f"{self._connection}: the vendor refused to renew the token ({reason}); connect it anew")
        if response.status_code != 200:
            raise Retryable(f"{self._connection}: the token address answered {response.status_code}")
        try:
            body = msgspec.json.decode(response.content, type=_Answer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Retryable(f"{self._connection}: the token address answered no token: {error}") from None
        return Token(
            access_token=body.access_token,
            refresh_token=body.refresh_token or refresh_token,
            expires_at=self._now() + timedelta(seconds=body.expires_in),
        )
