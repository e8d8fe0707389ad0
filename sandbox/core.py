"""What the stand-ins share: the clock, call counts, rate limits, faults, and the base class of a vendor."""

from __future__ import annotations

import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as daytime
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, jsonify, request


class Clock:
    """The date of the stand-ins. It stands still until moved; each write of a day is a millisecond after the last."""

    def __init__(self, today: date) -> None:
        self.today = today
        self._writes = 0

    def now(self) -> datetime:
        """Return the moment of the latest write (UTC)."""
        return datetime.combine(self.today, daytime(12), UTC) + timedelta(milliseconds=self._writes)

    def tick(self) -> datetime:
        """Return a new moment, later than every earlier one of the day: the time of a write."""
        self._writes += 1
        return self.now()

    def wait(self, seconds: int) -> None:
        """Let some of the day pass."""
        self._writes += seconds * 1000

    def move(self, to: date) -> None:
        """Go to a later date; raises ``ValueError`` when ``to`` lies in the past."""
        if to < self.today:
            raise ValueError(f"the stand-ins' date is {self.today}; it cannot go back to {to}")
        if to > self.today:
            self.today, self._writes = to, 0


@dataclass(frozen=True)
class OpenDocument:
    """An unpaid invoice at a ledger stand-in, as the paying customers see it. Amounts are major units."""

    number: str
    customer_name: str
    currency: str
    balance: Decimal
    issue_on: date
    due_on: date


@dataclass
class Fault:
    """A fault to show on matching calls: see docs/sandbox.md for the kinds."""

    vendor: str
    kind: str
    method: str = ""  # any when empty
    path: str = ""  # part of the path; any when empty
    status: int = 500
    times: int = 1  # -1: until cleared
    skip: int = 0
    seconds: float = 5.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "sandbox fault"

    KINDS = (
        "error_before",
        "error_after",
        "timeout_before",
        "timeout_after",
        "reset_before",
        "reset_after",
        "cut_body",
        "drip",
        "unauthorized",
    )

    def matches(self, vendor: str, method: str, path: str) -> bool:
        """Say whether this call is concerned, counting it down when it is."""
        if self.times == 0 or self.vendor not in ("", vendor):
            return False
        if (self.method and self.method != method) or self.path not in path:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True


@dataclass(frozen=True)
class RateLimit:
    """At most ``calls`` per rolling window of ``seconds`` vendor time; ``name`` is the vendor's word for it."""

    name: str
    calls: int
    seconds: float
    path: str = ""  # only calls whose path contains this; all when empty


class Vendor(ABC):
    """A stand-in: a Flask blueprint under ``/<name>`` with its own state.

    Subclasses register routes on ``self.routes`` and keep their objects in plain attributes. A request runs under one
    lock, so handlers need none. ``self.clock.tick()`` gives the time of each write.
    """

    name: str
    limits: Sequence[RateLimit] = ()

    def __init__(self, clock: Clock, minute: float = 60.0) -> None:
        self.clock = clock
        self.minute = minute  # real seconds that one of the vendor's minutes lasts
        self.calls: Counter[str] = Counter()
        self.limited = 0  # calls that were refused because a limit was reached
        self.routes = Blueprint(self.name, __name__, url_prefix=f"/{self.name}")
        self._windows: dict[tuple[str, str], deque[float]] = {}

    @abstractmethod
    def reset(self) -> None:
        """Go back to the seeded state."""

    @abstractmethod
    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type, for tests and the curious."""

    @abstractmethod
    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return the vendor's own 429 for ``limit``; ``wait`` is in real seconds."""

    def unauthorized(self) -> Response:
        """Return the vendor's own 401."""
        return json_response({"message": "unauthorized"}, 401)

    def account(self) -> str:
        """Return whose limit the current request counts against: usually the realm, tenant or key."""
        return request.headers.get("Authorization", "")

    def advance(self, day: date) -> None:  # noqa: B027 - most vendors have nothing that happens by itself
        """Let happen what happens on ``day``; called once per day after the clock was moved there."""

    def happened(self) -> dict[str, Sequence[dict[str, Any]]]:
        """Return by account every event that webhooks tell of, oldest first, in the vendor's own form."""
        return {}

    def over_limit(self) -> Response | None:
        """Count the current request against every limit; return the 429 when one is overfull."""
        now = time.monotonic()
        for limit in self.limits:
            if limit.path not in request.path:
                continue
            seconds = limit.seconds * self.minute / 60
            window = self._windows.setdefault((limit.name, self.account()), deque())
            while window and window[0] <= now - seconds:
                window.popleft()
            if len(window) >= limit.calls:
                return self.too_many(limit, window[0] + seconds - now)
            window.append(now)
        return None


class Ledger(Vendor):
    """A stand-in of an accounting system: it can say what is unpaid, and may hold books that others kept."""

    entity: str = ""  # whose books they are

    def load(self, old: Any) -> None:
        """Type old books (``sandbox.world.history.OldBooks``) into it; raises where it can hold none."""
        raise NotImplementedError

    @abstractmethod
    def open_documents(self) -> list[OpenDocument]:
        """Return every unpaid invoice, for the customers who pay through the payment provider."""


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer with ``status`` and extra ``headers``."""
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers or {})
    return response


class Faults:
    """The faults ordered by ``POST /_sandbox/faults``, and how each is shown on a real socket."""

    def __init__(self) -> None:
        self.ordered: list[Fault] = []

    def next(self, vendor: str, method: str, path: str) -> Fault | None:
        """Return the fault to show on this call, if any."""
        return next((fault for fault in self.ordered if fault.matches(vendor, method, path)), None)

    @staticmethod
    def show(fault: Fault, handle: Callable[[], Response], vendor: Vendor) -> Response:
        """Answer one call with ``fault``: before ``handle`` commits, or after it did."""
        if fault.kind == "unauthorized":
            return vendor.unauthorized()
        answer = None if fault.kind.endswith("_before") else handle()
        if fault.kind.startswith("error"):
            return Response(fault.body, fault.status, fault.headers)
        if fault.kind == "cut_body":
            assert answer is not None
            body = answer.get_data()
            cut = Response(body[: len(body) // 2], answer.status_code, content_type=answer.content_type)
            cut.headers["Content-Length"] = str(len(body))
            cut.automatically_set_content_length = False
            cut.headers["Connection"] = "close"
            return cut
        if fault.kind == "drip":
            assert answer is not None
            slow = _dripping(answer.get_data(), fault.seconds)
            return Response(slow, answer.status_code, {"Content-Length": answer.headers["Content-Length"]})
        if fault.kind.startswith("timeout"):
            time.sleep(fault.seconds)
        _break_connection()
        return Response(status=204)


def _dripping(body: bytes, seconds: float) -> Iterator[bytes]:
    """Yield a body byte by byte."""
    for place in range(len(body)):
        time.sleep(seconds)
        yield body[place : place + 1]


def _break_connection() -> None:
    """Reset the client's TCP connection, as a dying proxy does."""
    import socket

    connection = request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


LOCK = threading.Lock()  # one request at a time changes or reads the stand-ins' state
