"""Webhooks under load: our application beside a bare WSGI handler, on the same server, and after SIGKILL.

Eight connections send signed Stripe events, each another one, to 127.0.0.1: to our whole application as ``netterms
serve`` runs it, and to a handler of twenty lines that checks the same signature and makes the same durable insert. They
take turns, each in a process of its own with a new store; the ratio of their medians counts, not the seconds. Then our
process is killed under load, and every event it had answered must be in its store. Returns 1 when something is missed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 8
EVENTS = 3000  # of a round
ROUNDS = 3
LONGEST = 60.0  # seconds of a round
KILL_AFTER = 1000  # answers
LEAST_SHARE = 0.5
SECRET = "whsec_sandbox_us"


# -------------------------------------------------------------------------------------------------------- the servers


def ours(folder: Path) -> Any:
    """Return our application as ``serve`` makes it."""
    import app
    from sandbox.config_file import write_config
    from web import create_app, webhooks

    file = folder / "try.toml"
    write_config(file, url="http://127.0.0.1:9", minute=60, go_live=date(2026, 1, 1))
    config = app.load_config(file)
    made = create_app(config.store, app.LiveWorld(config), config.cadence, app.access(config))
    webhooks.install(made, app.inbox(config))
    return made


def bare(folder: Path) -> Any:
    """Return the least that verifies and keeps an event: no framework, no pages, the same letterbox."""
    import msgspec

    from store.database import Store
    from store.inbox import Event, Letterbox

    letterbox = Letterbox(lambda: Store(folder / "try.db"))

    def handle(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        at, _, given = environ["HTTP_STRIPE_SIGNATURE"].removeprefix("t=").partition(",v1=")
        right = hmac.digest(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
        now = datetime.now(UTC)
        if not hmac.compare_digest(right, given) or abs(now.timestamp() - int(at)) > 300:
            start_response("401 Unauthorized", [("Content-Length", "0")])
            return [b""]
        event = msgspec.json.decode(body)
        kept = Event(id=event["id"], topic=event["type"], object=event["data"]["object"]["id"])
        letterbox.put([("stripe_us", kept)], now)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    return handle


def serve(kind: str, folder: Path) -> None:
    """Serve one of the two until killed, and print the port."""
    import waitress

    from app import SERVER_THREADS

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    handler = {"ours": ours, "bare": bare}[kind](folder)
    server = waitress.create_server(handler, host="127.0.0.1", port=0, threads=SERVER_THREADS)
    print(server.effective_port, flush=True)
    server.run()


@contextmanager
def running(kind: str, folder: Path) -> Any:
    """Run a server in a process of its own; yields the process and its port."""
    command = [sys.executable, __file__, "serve", kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


# ----------------------------------------------------------------------------------------------------------- the load


def request(number: int) -> tuple[str, bytes]:
    """Return an event's id and the whole signed request that carries it; the body is about as long as Stripe's."""
    id_ = f"evt_{number:024d}"
    charge = {"id": f"ch_{number:024d}", "object": "charge", "amount": 1000 + number, "description": "x" * 600}
    event = {"id": id_, "object": "event", "type": "charge.succeeded", "data": {"object": charge}}
    body, at = json.dumps(event).encode(), int(time.time())
    signature = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        "POST /webhooks/stripe_us HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: t={at},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return id_, head.encode() + body


class Load:
    """Eight keep-alive connections, each with its share of the requests, one request at a time."""

    def __init__(self, port: int, count: int) -> None:
        self.answered: list[str] = []
        self.waits: list[float] = []
        self._port = port
        self._requests = [request(number) for number in range(count)]
        self._end = time.monotonic() + LONGEST
        self._enough = threading.Event()

    def run(self, after: Callable[[], None] | None = None) -> float:
        """Send everything, or until the server is gone; return the seconds. ``after`` is called under load."""
        threads = [
            threading.Thread(target=self._send, args=(self._requests[n::CONNECTIONS],)) for n in range(CONNECTIONS)
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        if after is not None:
            self._enough.wait(LONGEST)
            after()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def _send(self, share: list[tuple[str, bytes]]) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for id_, sent in share:
                began = time.perf_counter()
                connection.sendall(sent)
                answer = connection.recv(4096)
                if not answer.startswith(b"HTTP/1.1 200") or time.monotonic() > self._end:
                    return
                self.waits.append(time.perf_counter() - began)
                self.answered.append(id_)
                if len(self.answered) >= KILL_AFTER:
                    self._enough.set()


def kept(folder: Path) -> set[str]:
    """Return the events in a store."""
    with sqlite3.connect(folder / "try.db") as store:
        return {id_ for (id_,) in store.execute("SELECT event_id FROM inbox")}


def round_of(kind: str) -> tuple[float, float]:
    """Return requests/s and the 99th percentile in milliseconds of one round; every answered event must be kept."""
    with tempfile.TemporaryDirectory() as folder, running(kind, Path(folder)) as (_, port):
        load = Load(port, EVENTS)
        seconds = load.run()
        if len(load.answered) != EVENTS or kept(Path(folder)) != set(load.answered):
            raise SystemExit(f"{kind}: {EVENTS} sent, {len(load.answered)} answered, {len(kept(Path(folder)))} kept")
    return EVENTS / seconds, sorted(load.waits)[int(len(load.waits) * 0.99)] * 1000


def killed() -> tuple[int, int]:
    """Kill our server under load; return how many events it had answered and how many of these are lost."""
    with tempfile.TemporaryDirectory() as folder, running("ours", Path(folder)) as (process, port):
        load = Load(port, 10 * KILL_AFTER)
        load.run(process.kill)
        process.wait()
        return len(load.answered), len(set(load.answered) - kept(Path(folder)))


def main() -> int:
    """Print both figures and what a kill lost; return 1 when less is reached than promised."""
    rounds: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    for _ in range(ROUNDS):
        for kind, found in rounds.items():
            found.append(round_of(kind))
    rate = {kind: median(rate for rate, _ in found) for kind, found in rounds.items()}
    for kind, found in rounds.items():
        print(f"{kind:<6} {rate[kind]:7.0f} requests/s   p99 {median(wait for _, wait in found):5.1f} ms")
    share = rate["ours"] / rate["bare"]
    answered, lost = killed()
    print(f"ours / bare {share:.2f} (at least {LEAST_SHARE}); SIGKILL after {answered} answers: {lost} lost")
    return 1 if share < LEAST_SHARE or lost or answered < KILL_AFTER else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
    sys.exit(main())
