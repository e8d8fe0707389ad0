"""What every connector shares when it calls a vendor: pace, retries, timeouts and redaction.

The vendors' SDKs stay underneath; a connector wraps each call of its SDK in ``Caller.read`` or ``Caller.write``.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import requests

from connectors.base import Clock, Credentials
from connectors.errors import AuthExpired, ConnectorError, DailyLimit, OutcomeUnknown, Retryable

TIMEOUT = (3, 60)  # seconds to connect, to read; SDKs have none or too long ones
READ_ATTEMPTS = 5
LONGEST_WAIT = 60.0

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
        if any(given):
            return super().merge_environment_settings(url, *given)
        host = "/".join(str(url).split("/", 3)[:3])
        if host not in self._environment:
            self._environment[host] = super().merge_environment_settings(url, *given)
        return self._environment[host]

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, with ``TIMEOUT`` where the caller named none; a redirect is never followed, wherever it leads."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = TIMEOUT
        kwargs["allow_redirects"] = False  # requests' own get() asks for them
        return super().request(method, url, *args, **kwargs)


class Limit(msgspec.Struct, frozen=True):
    """At most ``calls`` in any window of ``seconds``."""

    calls: int
    seconds: float


class Limiter:
    """Delays calls so that no window of any limit is overfull. One per account, shared by its threads."""

    def __init__(self, limits: Sequence[Limit], clock: Clock) -> None:
        self._clock = clock
        self._windows = [(limit, deque[float]()) for limit in limits]
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when one more call is allowed, and count it."""
        with self._lock:
            while (delay := self._delay(self._clock.monotonic())) > 0:
                self._clock.sleep(delay)
            now = self._clock.monotonic()
            for _, sent in self._windows:
                sent.append(now)

    def _delay(self, now: float) -> float:
        delay = 0.0
        for limit, sent in self._windows:
            while sent and sent[0] + limit.seconds <= now:
                sent.popleft()
            if len(sent) >= limit.calls:
                delay = max(delay, sent[0] + limit.seconds - now)
        return delay


def retry_after(headers: Any, default: float | None = None) -> float | None:
    """Return the seconds of a ``Retry-After`` header (number form), or ``default``."""
    value = headers.get("Retry-After") if headers else None
    try:
        return float(value) if value is not None else default
    except ValueError:
        return default


def status_error(vendor: str, status: int, detail: str, headers: Any = None) -> ConnectorError | None:
    """Return the typed error that every vendor's ``status`` means alike; None for 2xx and for other 4xx."""
    if 200 <= status < 300:
        return None
    message = f"{vendor} answered {status}: {redact(detail)}"
    if status in (401, 403):
        return AuthExpired(message)
    if status in (423, 429):
        return Retryable(message, retry_after(headers))
    if status >= 500 or 300 <= status < 400:
        return OutcomeUnknown(message)
    return None


class Caller:
    """Makes calls for one connection: paces them, renews a rejected token once, retries what is safe.

    ``send`` receives an access token and must raise only ``connectors.errors``: ``Retryable`` when the vendor did
    nothing, ``OutcomeUnknown`` for timeouts, broken connections, 5xx and answers that cannot be read.
    """

    def __init__(self, limiters: Sequence[Limiter], credentials: Credentials, clock: Clock) -> None:
        self._limiters = limiters
        self._credentials = credentials
        self._clock = clock

    def read(self, send: Callable[[str], T]) -> T:
        """Call something that changes nothing: every passing failure is tried again, then ``Retryable``."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return self._once(send)
            except DailyLimit:
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
            except DailyLimit:
                raise
            except Retryable as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise
                self._back_off(attempt, error)
        raise AssertionError("unreachable")

    def _once(self, send: Callable[[str], T]) -> T:
        for limiter in self._limiters:
            limiter.wait()
        token = self._credentials.access_token()
        try:
            return send(token)
        except AuthExpired:
            renewed = self._credentials.rejected(token)
            for limiter in self._limiters:
                limiter.wait()
            return send(renewed)

    def _back_off(self, attempt: int, error: ConnectorError) -> None:
        after = getattr(error, "after", None)
        self._clock.sleep(min(LONGEST_WAIT, after if after is not None else 0.5 * 2**attempt))
