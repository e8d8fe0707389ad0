"""F5: webhooks that are doubled, out of order, late, lost, poisoned, forged, too large."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import Any
from unittest.mock import patch

import app
from benchmarks.simulator.company import Company, Verdict, World
from benchmarks.simulator.stories import DAYS_OFF, Row, pay, portion, win
from benchmarks.simulator.wire import Crash
from sandbox.webhooks import SENDERS
from store import inbox
from store.database import Store
from web import create_app, webhooks

SECRETS = {"hubspot": "hubspot-client-secret", "stripe_uk": "whsec_sandbox_uk"}
EVENTS = [
    {"id": f"evt_{n}", "object": "event", "type": "charge.succeeded", "data": {"object": {"id": f"ch_{n}"}}}
    for n in range(4)
]


class Door:
    """The route of the webhooks of a company."""

    def __init__(self, company: Company) -> None:
        self.company = company
        config = company.config
        pages = create_app(config.store, World(company), config.cadence, app.access(config))
        webhooks.install(pages, app.inbox(config))
        self.client = pages.test_client()

    def knock(
        self, body: bytes, late: float = 0.0, forge: Callable[[dict[str, str]], dict[str, str]] | None = None,
        connection: str = "stripe_uk",
    ) -> int:  # fmt: skip
        """Deliver a body, signed ``late`` seconds ago; return the status."""
        vendor = connection.split("_")[0]
        url = f"http://localhost/webhooks/{connection}"
        headers = SENDERS[vendor].sign(url, SECRETS[connection], body, self.company.now().timestamp() - late)
        headers = headers if forge is None else forge(headers)
        return self.client.post(f"/webhooks/{connection}", data=body, headers=headers).status_code

    def known(self) -> int:
        """Return how many events are stored."""
        with Store(self.company.store) as store:
            return int(store.one("SELECT count(*) FROM inbox"))


def _stripe(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


FORGERIES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no signature": lambda h: {},
    "empty": lambda h: {"Stripe-Signature": ""},
    "no time": lambda h: {"Stripe-Signature": h["Stripe-Signature"].split(",")[1]},
    "no digest": lambda h: {"Stripe-Signature": h["Stripe-Signature"].split(",")[0]},
    "other digest": lambda h: {"Stripe-Signature": h["Stripe-Signature"][:-1] + "z"},
    "zeros": lambda h: {"Stripe-Signature": h["Stripe-Signature"].split("v1=")[0] + "v1=" + "0" * 64},
    "old scheme": lambda h: {"Stripe-Signature": h["Stripe-Signature"].replace("v1=", "v0=")},
    "another time": lambda h: {"Stripe-Signature": h["Stripe-Signature"].replace("t=1", "t=2")},
    "time is text": lambda h: {"Stripe-Signature": "t=now," + h["Stripe-Signature"].split(",")[1]},
    "capitals": lambda h: {"Stripe-Signature": h["Stripe-Signature"].upper()},
    "another header": lambda h: {"X-Signature": h["Stripe-Signature"]},
    "cut": lambda h: {"Stripe-Signature": h["Stripe-Signature"][:40]},
}


def knocked(script: Callable[[Door], tuple[int, str]]) -> Verdict:
    """Deliver webhooks while the company lives; ``script`` returns how many must be stored, and what is wrong."""
    with Company() as company:
        win(company)
        company.sync()
        door = Door(company)
        wanted, problem = script(door)
        pay(company)
        company.sync()
        verdict = company.judge()
        verdict.lost += max(0, wanted - door.known())
        verdict.duplicates += max(0, door.known() - wanted)
        verdict.wrong += [problem] * bool(problem)
        return verdict


def _delivered(door: Door, bodies: list[bytes], late: float = 0.0, wanted: int = 200) -> str:
    answers = {door.knock(body, late) for body in bodies}
    return "" if answers == {wanted} else f"answered {answers}, not {wanted}"


def _at_once(door: Door) -> tuple[int, str]:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(door.knock(_stripe(EVENTS[0])))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1, "" if set(answers) == {200} else f"answered {answers}"


def _poisoned(door: Door) -> tuple[int, str]:
    events: list[Any] = [
        {"subscriptionType": "deal.creation", "objectId": n, "eventId": n, "attemptNumber": 0} for n in range(99)
    ]
    answer = door.knock(json.dumps([*events[:50], {"who": "knows"}, *events[50:]]).encode(), connection="hubspot")
    return 100, "" if answer == 200 else f"answered {answer}"


def _died_before_answering(door: Door) -> tuple[int, str]:
    """A process that dies at the commit has answered nothing, so the vendor sends again."""

    def gone(*_: Any) -> None:
        raise Crash("at the commit")

    with patch.object(inbox, "save", gone):
        try:
            answered = door.knock(_stripe(EVENTS[0])) == 200
        except Crash:
            answered = False
    if not answered:
        door.knock(_stripe(EVENTS[0]))
    return 1, ""


def f5(seed: int, count: int) -> Row:
    """Webhooks that are doubled, out of order, late, lost, poisoned, forged, too large."""
    scripts: list[tuple[str, Callable[[Door], tuple[int, str]]]] = [
        ("twice", lambda door: (1, _delivered(door, [_stripe(EVENTS[0])] * 2))),
        ("six at once", _at_once),
        ("lost", lambda door: (0, "")),
        ("three days late", lambda door: (0, _delivered(door, [_stripe(EVENTS[0])], DAYS_OFF, 401))),
        ("ten minutes late", lambda door: (0, _delivered(door, [_stripe(EVENTS[0])], 600, 401))),
        ("ten minutes early", lambda door: (0, _delivered(door, [_stripe(EVENTS[0])], -600, 401))),
        ("four minutes late", lambda door: (1, _delivered(door, [_stripe(EVENTS[0])], 240))),
        ("one poisoned of a hundred", _poisoned),
        ("10 MB", lambda door: (0, _delivered(door, [b"x" * 10_000_000], wanted=413))),
        ("a death before the answer", _died_before_answering),
    ]
    scripts += [
        ("in the order " + ", ".join(str(one["id"]) for one in order),
         partial(_in_order, order))
        for order in permutations(EVENTS)
    ]  # fmt: skip
    scripts += [(f"forged: {name}", partial(_forged, forge)) for name, forge in FORGERIES.items()]
    for name, script in portion(scripts, seed, count):
        yield name, partial(knocked, script)


def _in_order(order: Sequence[dict[str, Any]], door: Door) -> tuple[int, str]:
    return 4, _delivered(door, [_stripe(one) for one in order])


def _forged(forge: Callable[[dict[str, str]], dict[str, str]], door: Door) -> tuple[int, str]:
    answer = door.knock(_stripe(EVENTS[0]), forge=forge)
    return 0, "" if answer in (400, 401) else f"a forgery was answered {answer}"
