"""The way to the vendors without sockets: the SDKs' requests are handed to the stand-ins' application in this process.

Everything above a socket is real: the vendors' SDKs, requests, urllib3's errors, Flask. Time is virtual: waiting costs
nothing, and the vendors' rate limits count virtual seconds. Each call and each commit is a *step*; a script may let the
process die before or after one, which is a ``BaseException`` that nothing of ours may catch.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import requests
import urllib3
from flask import Response, jsonify
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]  # the one that the store uses
from werkzeug.test import Client

import sandbox.core
import sandbox.xero.vendor
from sandbox.core import Fault, Faults, Vendor
from sandbox.quickbooks import QuickBooks
from store import dialect

DatabaseError: type[Exception] = sqlite3.Error
LATENCY = 0.05  # virtual seconds that a call takes
KEY_LIFE = 60.0  # virtual seconds after which QuickBooks knows no requestid any more: Intuit publishes none


class Crash(BaseException):
    """The process is gone."""


class Time:
    """Virtual seconds (``connectors.base.Clock``)."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        """Return the virtual seconds since the beginning."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class Step(NamedTuple):
    """Something the process does that the world sees: a call of a vendor, or a commit."""

    what: str  # "quickbooks POST /batch", "commit"
    after: bool


class Steps:
    """Counts steps and lets the process die at those that are due; ``seen`` is what happened in the current process."""

    def __init__(self) -> None:
        self.number = 0
        self.deaths: list[int] = []
        self.dies_at: Callable[[Step], bool] = lambda step: False
        self.seen: list[Step] = []
        self.running = False  # steps count only while a process of ours runs

    def at(self, what: str, *, after: bool) -> None:
        """Come to a step."""
        if not self.running:
            return
        step = Step(what, after)
        self.number += 1
        self.seen.append(step)
        if self.number in self.deaths or self.dies_at(step):
            raise Crash(f"step {self.number}: {step}")


class Lost(Exception):
    """The answer to a call does not come."""


class ShownFaults(Faults):
    """Shows the faults that are ordered as exceptions of the client's library, and counts what was shown."""

    def __init__(self, time: Time, steps: Steps) -> None:
        super().__init__()
        self.time = time
        self.steps = steps
        self.shown = 0
        self.random: Callable[[str, str, str], Fault | None] = lambda vendor, method, path: None
        self.outage = 0.0  # until this virtual second nobody answers
        self.outage_after = 0.0  # so many seconds nobody answers once the next fault was shown
        self.blind_after_loss = False  # the search that follows a lost answer does not find what was made
        self.meanwhile: Callable[[], None] | None = None  # what somebody does while an answer is lost
        self._blind = ""

    def next(self, vendor: str, method: str, path: str) -> Fault | None:
        """Return the fault to show on this call: one that is ordered, else one of chance."""
        if not self.steps.running:
            return None
        if self.time.seconds < self.outage:
            return Fault(vendor, "refused_before")
        if self._blind == vendor and method == "GET":
            self._blind = ""
            return Fault(vendor, "blind")
        return super().next(vendor, method, path) or self.random(vendor, method, path)

    def show(self, fault: Fault, handle: Callable[[], Response], vendor: Vendor) -> Response:  # type: ignore[override]
        """Answer one call with a fault."""
        self.shown += 1
        try:
            return self._answer(fault, handle, vendor)
        finally:
            if self.outage_after:
                self.outage, self.outage_after = self.time.seconds + self.outage_after, 0.0

    def _answer(self, fault: Fault, handle: Callable[[], Response], vendor: Vendor) -> Response:
        if self.blind_after_loss and fault.kind.endswith("_after"):
            self._blind = vendor.name
        if self.meanwhile is not None:
            self.meanwhile()
        if fault.kind == "unauthorized":
            return vendor.unauthorized()
        if fault.kind.startswith("refused"):
            raise Lost("refused")
        answer = None if fault.kind.endswith("_before") else handle()
        if fault.kind.startswith("error"):
            return Response(fault.body, fault.status, fault.headers)
        if fault.kind == "blind":
            assert answer is not None
            found = answer.get_json()
            nothing: dict[str, Any] = {"QueryResponse": {}}  # of QuickBooks; Xero's lists are empty
            found = {name: [] if isinstance(value, list) else value for name, value in found.items()}
            return jsonify({name: nothing.get(name, value) for name, value in found.items()})
        if fault.kind == "wrong_shape":
            return Response('{"unexpected": ["shape"]}', 200, content_type="application/json")
        if fault.kind.startswith("html"):
            return Response("<html>502 Bad Gateway</html>", 502, content_type="text/html")
        if fault.kind.startswith("redirect"):
            return Response("", 302, {"Location": "http://127.0.0.1:9/elsewhere"})
        if fault.kind == "cut_body":
            raise Lost("cut")
        if fault.kind == "half_body":
            assert answer is not None
            body = answer.get_data()
            return Response(body[: len(body) // 2], answer.status_code, content_type=answer.content_type)
        if fault.kind.startswith("timeout"):
            self.time.sleep(60)
            raise Lost("timeout")
        raise Lost("reset")


class Wire:
    """Hands requests to the stand-ins."""

    def __init__(self, client: Client, time: Time, steps: Steps, quickbooks: Vendor) -> None:
        self.client = client
        self.time = time
        self.steps = steps
        self.latency = LATENCY
        assert isinstance(quickbooks, QuickBooks)
        self._quickbooks = quickbooks
        self._last = 0.0

    def _forget(self) -> None:
        """Let QuickBooks forget the keys it was given before a pause that is longer than it surely knows them."""
        if self.time.seconds - self._last >= KEY_LIFE:
            self._quickbooks.forget_answers()
        self._last = self.time.seconds

    def call(self, method: str, url: str, headers: Any, body: Any) -> Any:
        """Make one call; raises ``Lost`` and ``Crash``."""
        parts = urlsplit(url)
        what = f"{parts.path.split('/')[1]} {method} {parts.path}"
        self.steps.at(what, after=False)
        self.time.sleep(self.latency)
        self._forget()
        sent = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        answer = self.client.open(parts.path, method=method, query_string=parts.query, headers=sent, data=body or b"")
        self.steps.at(what, after=True)
        return answer

    def through_requests(self, request: Any) -> requests.Response:
        """Stand in for ``requests.adapters.HTTPAdapter.send``."""
        try:
            answer = self.call(request.method, request.url, request.headers, request.body)
        except Lost as error:
            raise _as_requests(str(error), request) from None
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(dict(answer.headers))
        response.raw = urllib3.HTTPResponse(io.BytesIO(answer.data), preload_content=False)
        response.encoding = "utf-8"
        response.url, response.request = request.url, request
        return response

    def through_urllib3(self, method: str, url: str, *, body: Any = None, headers: Any = None, **_: Any) -> Any:
        """Stand in for ``urllib3.PoolManager.request``."""
        try:
            answer = self.call(method, url, headers or {}, body)
        except Lost as error:
            raise _as_urllib3(str(error), url) from None
        body = io.BytesIO(answer.data)
        return urllib3.HTTPResponse(body, dict(answer.headers), answer.status_code, preload_content=False)


def _as_requests(what: str, request: Any) -> Exception:
    if what == "timeout":
        return requests.ReadTimeout("timed out", request=request)
    if what == "refused":
        cause = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
        return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, request.url, cause), request=request)  # type: ignore[arg-type]
    if what == "cut":
        return requests.exceptions.ChunkedEncodingError("cut", request=request)
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("reset", ConnectionResetError()), request=request)


def _as_urllib3(what: str, url: str) -> Exception:
    if what == "timeout":
        return urllib3.exceptions.ReadTimeoutError(None, url, "timed out")  # type: ignore[arg-type]
    if what == "refused":
        return urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
    return urllib3.exceptions.ProtocolError(what, ConnectionResetError())


@contextmanager
def wired(wire: Wire) -> Iterator[None]:
    """Put the stand-ins' application and virtual time under the product."""
    real = dialect.transaction

    @contextmanager
    def transaction(connection: Any) -> Iterator[None]:
        with real(connection):
            yield
            wire.steps.at("commit", after=False)
        wire.steps.at("commit", after=True)

    time = SimpleNamespace(monotonic=wire.time.monotonic, sleep=wire.time.sleep)
    with ExitStack() as stack:
        for patched in (
            patch.object(
                requests.adapters.HTTPAdapter, "send", lambda _, request, **more: wire.through_requests(request)
            ),
            patch.object(urllib3.PoolManager, "request", lambda _, *call, **more: wire.through_urllib3(*call, **more)),
            patch.object(sandbox.core, "time", time),
            patch.object(sandbox.xero.vendor, "time", time),
            patch.object(dialect, "transaction", transaction),
        ):
            stack.enter_context(patched)
        yield
