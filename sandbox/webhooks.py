"""Webhooks of the stand-ins: signed as the vendor signs, sent from a thread of their own, delivered badly on demand.

They go to 127.0.0.1 and nowhere else. What happens to a delivery never touches the request that caused it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from queue import Empty, Queue
from random import Random
from typing import Any, Literal
from urllib.parse import urlsplit

from sandbox.core import Vendor

Event = Mapping[str, Any]
HOST = "127.0.0.1"
DELIVERIES = ("once", "twice", "late", "lost", "shuffled", "forged")
SECONDS = 5.0  # how long an answer is waited for


@dataclass(frozen=True)
class Target:
    """Where a vendor's webhooks go: see docs/sandbox.md. Raises ``ValueError`` for what is not possible."""

    vendor: str
    url: str
    secret: str
    account: str = ""
    delivery: str = "once"

    def __post_init__(self) -> None:
        if self.vendor not in SENDERS:
            raise ValueError(f"unknown vendor {self.vendor!r}; known: {', '.join(SENDERS)}")
        if self.delivery not in DELIVERIES:
            raise ValueError(f"unknown delivery {self.delivery!r}; known: {', '.join(DELIVERIES)}")
        if not (isinstance(self.secret, str) and self.secret):
            raise ValueError("secret is empty: nothing could be signed")
        parts = urlsplit(str(self.url))
        if (parts.scheme, parts.hostname, parts.username) != ("http", HOST, None) or not parts.port:
            raise ValueError(f"url is {self.url!r}: webhooks are sent to http://{HOST}:PORT/... and nowhere else")


@dataclass(frozen=True)
class Sender:
    """A vendor's way: how many events one delivery holds, how the body looks, how it is signed, how it is repeated.

    ``probes``: before anything is told, empty deliveries that must be answered 200, or 401 where they are forged.
    """

    batch: int
    body: Callable[[Sequence[Event]], bytes]
    sign: Callable[[str, str, bytes, float], dict[str, str]]  # (url, secret, body, Unix time) -> headers
    again: Callable[[Event], Event] = lambda event: event
    probes: Sequence[Literal["right", "forged"]] = ()


def _stripe_headers(url: str, secret: str, body: bytes, now: float) -> dict[str, str]:
    """Sign as https://docs.stripe.com/webhooks/signature says."""
    seconds = int(now)
    signature = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={seconds},v1={signature}", "Content-Type": "application/json; charset=utf-8"}


def _hubspot_headers(url: str, secret: str, body: bytes, now: float) -> dict[str, str]:
    """Sign by version 3; of the address only these escapes are decoded."""
    milliseconds = str(int(now * 1000))
    for character in ":/?@!$'()*,;":
        url = url.replace(f"%{ord(character):02X}", character)
    signed = b"".join((b"POST", url.encode(), body, milliseconds.encode()))
    signature = b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return {
        "X-HubSpot-Signature-v3": signature,
        "X-HubSpot-Request-Timestamp": milliseconds,
        "Content-Type": "application/json",
    }


def _signs_body(header: str) -> Callable[[str, str, bytes, float], dict[str, str]]:
    """Return what signs the body alone, in base64, as Xero and Intuit do."""

    def sign(url: str, secret: str, body: bytes, now: float) -> dict[str, str]:
        signature = b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
        return {header: signature, "Content-Type": "application/json"}

    return sign


def _xero_body(events: Sequence[Event]) -> bytes:
    numbers = [event["number"] for event in events] or [0]
    told = [{name: value for name, value in event.items() if name != "number"} for event in events]
    message = {"events": told, "firstEventSequence": numbers[0], "lastEventSequence": numbers[-1], "entropy": "SANDBOX"}
    return json.dumps(message).encode()


SENDERS = {
    "stripe": Sender(1, lambda events: json.dumps(events[0], indent=2).encode(), _stripe_headers),
    "hubspot": Sender(
        100,
        lambda events: json.dumps(list(events)).encode(),
        _hubspot_headers,
        lambda event: {**event, "attemptNumber": event["attemptNumber"] + 1},
    ),
    "quickbooks": Sender(100, lambda events: json.dumps(list(events)).encode(), _signs_body("intuit-signature")),
    "xero": Sender(100, _xero_body, _signs_body("x-xero-signature"), probes=("right", "forged", "forged", "right")),
}


@dataclass(frozen=True)
class Message:
    """One delivery: some events for one target. ``wanted`` is the answer that a probe must get."""

    target: Target
    events: Sequence[Event]
    forged: bool = False
    wanted: int = 0


class Webhooks:
    """The targets, what they have been told, and the thread that tells them. Hold ``LOCK`` to order or collect."""

    def __init__(self, vendors: Mapping[str, Vendor]) -> None:
        self.targets: list[Target] = []
        self.answers: Counter[str] = Counter()  # by status, or "none", or "not sent" to one that failed its probes
        self._vendors = vendors
        self._told: dict[tuple[int, str], int] = {}  # place of the target and account -> events collected so far
        self._held: list[Message] = []
        self._deaf: set[Target] = set()  # they answered a probe wrongly
        self._queue: Queue[Message | None] = Queue()
        self._thread: threading.Thread | None = None

    def order(self, targets: Sequence[Target]) -> None:
        """Tell these targets, and no others, what happens from now on."""
        self.forget()
        self.targets = list(targets)
        for place, target in enumerate(self.targets):
            for account, events in self._accounts(target).items():
                self._told[place, account] = len(events)
        if targets and self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        for target in self.targets:
            forged = [probe == "forged" for probe in SENDERS[target.vendor].probes]
            self._send([Message(target, [], one, wanted=401 if one else 200) for one in forged])

    def forget(self) -> None:
        """Tell nobody any more, not even what waits."""
        for kept in (self.targets, self._told, self._held, self._deaf, self.answers):
            kept.clear()
        try:
            while True:
                self._queue.get_nowait()
                self._queue.task_done()
        except Empty:
            pass

    def collect(self, *, clock_moved: bool = False) -> None:
        """Send what has happened since the last time; what came late goes out when the clock has moved."""
        if clock_moved:
            self._send(self._held)
            self._held = []
        for place, target in enumerate(self.targets):
            found: list[Event] = []
            for account, events in self._accounts(target).items():
                found += events[self._told.get((place, account), 0) :]
                self._told[place, account] = len(events)
            if target.delivery == "late":
                self._held += _messages(target, found)
            else:
                self._send(_messages(target, found))

    def status(self) -> dict[str, Any]:
        """Return the targets without their secrets, how they answered, and how many deliveries are under way."""
        targets = [{name: value for name, value in asdict(one).items() if name != "secret"} for one in self.targets]
        waiting = self._queue.unfinished_tasks
        return {"targets": targets, "answers": dict(self.answers), "waiting": waiting, "held": len(self._held)}

    def wait(self) -> None:
        """Wait until everything that is not held has been sent."""
        self._queue.join()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self.forget()
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _accounts(self, target: Target) -> dict[str, Sequence[Event]]:
        happened = self._vendors[target.vendor].happened()
        return {name: events for name, events in happened.items() if target.account in ("", name)}

    def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._queue.put(message)

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            answer = "not sent" if message.target in self._deaf else _post(message)
            self.answers[answer] += 1
            _mark(message.events, delivered=answer.startswith("2"))
            if message.wanted and answer != str(message.wanted):
                self._deaf.add(message.target)
            self._queue.task_done()
        self._queue.task_done()


def _messages(target: Target, events: list[Event]) -> list[Message]:
    """Return the deliveries of ``events`` as the target gets them."""
    sender = SENDERS[target.vendor]
    _mark(events, delivered=False)
    if target.delivery == "lost":
        return []
    if target.delivery == "shuffled":
        Random(len(events)).shuffle(events)
    parts = [events[start : start + sender.batch] for start in range(0, len(events), sender.batch)]
    if target.delivery == "twice":
        parts += [[sender.again(event) for event in part] for part in parts]
    return [Message(target, part, target.delivery == "forged") for part in parts]


def _mark(events: Sequence[Event], *, delivered: bool) -> None:
    """Let Stripe's events say whether they reached everybody; it lists those that did not."""
    for event in events:
        if isinstance(event, dict) and "pending_webhooks" in event:
            event["pending_webhooks"] = 0 if delivered else 1


def _post(message: Message) -> str:
    """Deliver and return the status, "none" without an answer; signed now, as a vendor signs each try."""
    try:
        return str(_answer(message))
    except (OSError, HTTPException):
        return "none"


def _answer(message: Message) -> int:
    sender, target, parts = SENDERS[message.target.vendor], message.target, urlsplit(message.target.url)
    body = sender.body(message.events)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(HTTPConnection(HOST, parts.port, timeout=SECONDS)) as connection:
        secret = f"not {target.secret}" if message.forged else target.secret
        connection.request("POST", path, body, sender.sign(target.url, secret, body, time.time()))
        answer = connection.getresponse()
        answer.read()
        return answer.status
