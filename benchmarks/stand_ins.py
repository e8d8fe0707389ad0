"""The sandbox as a process of its own that also notes when each call came, for what is measured within its limits."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

if TYPE_CHECKING:
    from sandbox import server


MOST_CALLS = 1.05  # times the fewest
FEW_MORE = 10  # calls that little work may take beyond that: lists are read however short they are


def too_many(calls: int, fewest: int) -> bool:
    """Say whether more calls were made than is promised."""
    return calls > max(MOST_CALLS * fewest, fewest + FEW_MORE)


class Limit(NamedTuple):
    """What binds: so many calls to paths that contain ``path`` in each window of so many seconds."""

    path: str
    calls: int
    seconds: float


class Calls(NamedTuple):
    """The calls of one step: how many of each kind, and when each call came, by its path (seconds of any clock)."""

    kinds: Counter[str]
    came: list[tuple[str, float]]

    @property
    def number(self) -> int:
        """How many there were."""
        return self.kinds.total()

    def rate(self, limit: Limit) -> float:
        """Return the share of the permitted rate that was used: 1 where all calls fit into one window."""
        limited = [at for path, at in self.came if limit.path in path]
        windows = (len(limited) - 1) // limit.calls  # as many windows must pass before that call may come
        if windows < 1:
            return 1.0
        return windows * limit.seconds / (limited[windows * limit.calls] - limited[0])


def serve(options: server.Options, tell: Callable[[server.Running], dict[str, Any]] = lambda running: {}) -> None:
    """Serve the sandbox until stopped; print where it is as JSON, with what ``tell`` says of it."""
    from flask import request

    from sandbox import server  # not where calls are only counted: peaks of memory are measured there
    from sandbox.core import Vendor

    came: list[tuple[str, str, float]] = []
    over_limit, create_app = Vendor.over_limit, server.create_app

    def noted(self: Vendor) -> Any:
        answer = over_limit(self)
        if answer is None:
            came.append((self.name, f"{request.method} {request.path}", time.monotonic()))
        return answer

    def create(sandbox: server.Sandbox) -> Any:
        app = create_app(sandbox)

        @app.get("/_sandbox/came")
        def when() -> Any:
            found, came[:] = list(came), []
            return found

        return app

    Vendor.over_limit = noted  # type: ignore[method-assign]
    server.create_app = create
    with server.Running(options) as running:
        print(json.dumps({"url": running.url, **tell(running)}), flush=True)
        running.wait()


def calls_since(url: str, vendor: str) -> Calls:
    """Return the calls that a vendor got since the last time this was asked."""
    found = [one for one in requests.get(f"{url}/_sandbox/came", timeout=60).json() if one[0] == vendor]
    kinds = Counter(f"{path.partition(' ')[0]} {path.rpartition('/')[2]}" for _, path, _ in found)
    return Calls(kinds, [(path, at) for _, path, at in found])


def refused(url: str, vendor: str) -> int:
    """Return how often a vendor refused a call for going too fast."""
    return int(requests.get(f"{url}/_sandbox/calls", timeout=60).json().get("429", {}).get(vendor, 0))
