"""What every connector shares when it calls a vendor: pace, retries, timeouts and redaction.

The vendors' SDKs stay underneath; a connector wraps each call of its SDK in ``Caller.read`` or ``Caller.write``.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, TypeVar

import requests
import urllib3

from connectors.errors import (
    AuthExpired,
    ConnectorError,
    DailyLimit,
    Forbidden,
    OutcomeUnknown,
    Retryable,
    Unavailable,
)
from connectors.pace import ANY_LIMIT, Pace

TIMEOUT = (3, 60)  # seconds to connect, to read; SDKs have none or too long ones
LONGEST_ANSWER = 180.0  # seconds for a whole answer: one that drips keeps every timeout and is none all the same
READ_ATTEMPTS = 5
LONGEST_WAIT = 60.0
PART = 65_536  # bytes that are read at once, when they are there

_SECRET = re.compile(
    r"(?i)(bearer\s+|basic\s+|[rs]k_(?:live|test)_|pat-|whsec_|(?:token|secret|password)[\"']?\s*[=:]\s*[\"']?)"
    r"[\w.\-~+/=]{6,}"
)
T = TypeVar("T")


def redact(text: str, limit: int = 500) -> str:
    """Return ``text`` without anything that looks like a credential, cut to ``limit`` characters."""
    return _SECRET.sub(r"\1***", text)[:limit]


class RealClock:
    """Time as it passes (``connectors.base.Clock``)."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Session(requests.Session):
    """A requests session that always has a timeout and stays at its address; SDKs that take a session get this one."""

    def __init__(self) -> None:
        super().__init__()
        self._environment: dict[str, Any] = {}

    def merge_environment_settings(self, url: Any, *given: Any) -> Any:
        """Return the proxies and certificates that the environment names, read once for each host: that is slow."""
        host = "/".join(str(url).split("/", 3)[:3])
        key = f"{host} {given}"
        if key not in self._environment:
            self._environment[key] = super().merge_environment_settings(url, *given)
        return dict(self._environment[key])

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, with ``TIMEOUT`` where the caller named none; a redirect is never followed, wherever it leads.

        The answer is read whole, within ``LONGEST_ANSWER``; raises ``requests.RequestException``.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = TIMEOUT
        kwargs["allow_redirects"] = False  # requests' own get() asks for them
        response = super().request(method, url, *args, **{**kwargs, "stream": True})
        try:
            response.raw = io.BytesIO(whole(response.raw))
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.ReadTimeout(error, request=response.request) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from error
        return response


def whole(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Return the body of an answer, read as it comes. Raises urllib3's errors; ``ReadTimeoutError`` where it drips."""
    parts, until = [], time.monotonic() + LONGEST_ANSWER
    while part := answer.read1(PART, decode_content=True):
        parts.append(part)
        if time.monotonic() > until:
            answer.close()
            raise urllib3.exceptions.ReadTimeoutError(None, answer.url, "the answer drips")  # type: ignore[arg-type]
    answer.release_conn()
    return b"".join(parts)


def network_error(vendor: str, error: BaseException) -> ConnectorError:
    """Return what an exception of requests or urllib3 means: that the request never left, or may have arrived."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None) or error
    text = f"{vendor} could not be reached: {redact(str(reason))}"
    never_left = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    if isinstance(reason, (*never_left, requests.ConnectTimeout)):
        return Retryable(text)
    return OutcomeUnknown(text)


def retry_after(headers: Any, default: float | None = None) -> float | None:
    """Return the seconds of a ``Retry-After`` header (RFC 9110: a number, or a date), or ``default``.

    A date is held against the answer's own ``Date``; where it has none, against our clock.
    """
    value = headers.get("Retry-After") if headers else None
    if value is None:
        return default
    try:
        return max(0.0, float(value)) if isfinite(float(value)) else default
    except ValueError:
        until = _http_date(value)
    sent = _http_date(headers.get("Date")) or datetime.now(UTC)
    return max(0.0, (until - sent).total_seconds()) if until is not None else default


def _http_date(value: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def until(after: float) -> datetime:
    """Return the moment (UTC) that is so many seconds ahead."""
    return datetime.now(UTC) + timedelta(seconds=after)


def status_error(
    vendor: str, status: int, detail: str, headers: Any = None, *, cut_off: str = "never"
) -> ConnectorError | None:
    """Return the typed error that every vendor's ``status`` means alike; None for 2xx and for other 4xx.

    ``cut_off``: what the vendor writes beside a 403 when the account has been disconnected from us altogether.
    """
    if 200 <= status < 300:
        return None
    message = f"{vendor} answered {status}: {redact(detail)}"
    if status == 401 or (status == 403 and cut_off in detail):
        return AuthExpired(message)
    if status == 403:
        return Forbidden(message)
    if status in (423, 429):
        return Retryable(message, retry_after(headers), ANY_LIMIT if status == 429 else "")
    if status >= 500 or 300 <= status < 400:
        return OutcomeUnknown(message)
    return None


class Caller:
    """Makes one kind of call for one connection: paces them, renews a rejected token once, retries what is safe.

    ``send`` receives an access token and must raise only ``connectors.errors``: ``Retryable`` when the vendor did
    nothing, ``OutcomeUnknown`` for timeouts, broken connections, 5xx and answers that cannot be read.
    """

    def __init__(self, pace: Pace, kind: str = "", scope: str = "") -> None:
        self._pace = pace
        self._pool = pace.pool(kind, scope)
        self._credentials = pace.ports.credentials
        self._clock = pace.ports.clock

    def read(self, send: Callable[[str], T]) -> T:
        """Call something that changes nothing: every passing failure is tried again, then ``Retryable``."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return self._once(send)
            except (DailyLimit, Unavailable):
                raise
            except (Retryable, OutcomeUnknown) as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise Retryable(str(error), getattr(error, "after", None)) from error
                self._back_off(attempt, error)
        raise AssertionError("unreachable")

    def write(self, send: Callable[[str], T]) -> T:
        """Call something that changes data: tried again only when the vendor surely did nothing."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return self._once(send)
            except (DailyLimit, Unavailable):
                raise
            except Retryable as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise
                self._back_off(attempt, error)
        raise AssertionError("unreachable")

    def _once(self, send: Callable[[str], T]) -> T:
        self._pace.breaker.check()
        token = self._credentials.access_token()  # first, as renewing one takes longer than a permit lasts
        with self._pace.slot():
            try:
                return self._sent(send, token)
            except AuthExpired:
                return self._sent(send, self._credentials.rejected(token))

    def _sent(self, send: Callable[[str], T], token: str) -> T:
        with self._pool.permit():
            try:
                answer = send(token)
            except ConnectorError as error:
                self._pace.breaker.note(error)
                if isinstance(error, Retryable):
                    self._pace.refused(error, self._pool)
                raise
        self._pace.breaker.note(None)
        return answer

    def _back_off(self, attempt: int, error: ConnectorError) -> None:
        """Wait as long as the vendor said; where that was about a limit, everybody waits for a permit as long."""
        after = getattr(error, "after", None)
        if not getattr(error, "limit", "") or after is None:
            self._clock.sleep(min(LONGEST_WAIT, after if after is not None else 0.5 * 2**attempt))
