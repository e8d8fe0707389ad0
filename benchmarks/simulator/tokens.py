"""F7: access tokens run out between the calls of a job, refresh tokens rotate, and the answer that brings new ones is
lost.

Three vendors are let in by a person's consent (OAuth). HubSpot's refresh token stays; Xero takes a used one for half an
hour more; QuickBooks' stand-in gives a new one with every renewal and never takes a used one again.
"""

from __future__ import annotations

import base64
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from flask import request

import app
from benchmarks.simulator.calls import LOSSES
from benchmarks.simulator.company import REALM, TENANT, TOKENS, Company, Verdict, World
from benchmarks.simulator.processes import interrupted
from benchmarks.simulator.stories import STORY, Scenario, pay, win
from benchmarks.simulator.wire import Step
from sandbox.core import Fault
from store import locks, review, runs
from store.database import Store

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
ALERTS = "ops@example.com"
SERVER = "http://127.0.0.1:9"
NAMES = {"hubspot": "hubspot", "quickbooks": "quickbooks_us", "xero": "xero_uk"}
ACCOUNTS = (REALM.rpartition("/")[2], TENANT)
# Under the stand-in: where consent is asked for, where tokens are given.
ADDRESSES = {
    "hubspot": ("/oauth/authorize", "/oauth/2026-03/token"),
    "quickbooks": ("/connect/oauth2", "/oauth2/v1/tokens/bearer"),
    "xero": ("/identity/connect/authorize", "/connect/token"),
}
LIVES = {"hubspot": 1800.0, "quickbooks": 3600.0, "xero": 1800.0}  # seconds of an access token
GRACE = {"hubspot": float("inf"), "quickbooks": 0.0, "xero": 1800.0}  # of a refresh token once it was used


class Gate:
    """Lets nobody in with an access token of one vendor that has run out: by its time, or after so many calls.

    ``loss`` is shown on that vendor's first renewal; after it nobody answers for ``pause`` seconds.
    """

    def __init__(self, company: Company, vendor: str, calls: int, loss: Fault | None = None, pause: float = 0) -> None:
        self._time, self._faults = company.time, company.faults
        self._vendor, self._calls = vendor, calls
        self._loss, self._pause = loss, pause
        self._since: dict[str, float] = {}  # token -> virtual second of its first call
        self._used: Counter[str] = Counter()
        self.refused = 0

    def fault(self, vendor: str, method: str, path: str) -> Fault | None:
        """Return the vendor's refusal of the current request, if its token has run out; or what befalls a renewal."""
        if self._loss is not None and self._loss.matches(vendor, method, path):
            self._faults.outage_after = self._pause
            return self._loss
        token = request.headers.get("Authorization", "")
        if vendor not in LIVES or path.endswith(ADDRESSES[vendor]) or not token.startswith("Bearer "):
            return None
        self._used[token] += 1
        aged = self._time.seconds - self._since.setdefault(token, self._time.seconds) > LIVES[vendor]
        if not aged and not (vendor == self._vendor and self._used[token] > self._calls):
            return None
        self.refused += vendor == self._vendor
        return Fault(vendor, "unauthorized")


@contextmanager
def let_in() -> Iterator[Company]:
    """Begin a company whose connections a person has just made by consent."""
    with patch.dict(os.environ, {"NETTERMS_KEY": KEY}), Company() as company:
        company.configure(_changes())
        for vendor in NAMES:
            connect(company, vendor)
        yield company


def _changes() -> dict[str, str]:
    """Return what the written configuration says, and what it says here."""
    changes = {f'account = "{account}"\n': "" for account in ACCOUNTS}
    for vendor, (ask, token) in ADDRESSES.items():
        changes[f'token = "{TOKENS[vendor]}"\n'] = (
            f'oauth = {{ token_url = "{SERVER}/{vendor}{token}", authorize_url = "{SERVER}/{vendor}{ask}",'
            ' grant = "authorization_code", client_id = "app", client_secret = "app-secret" }\n'
        )
    return changes | {"[entities.us]\n": f'[alerts]\nemail = "{ALERTS}"\n\n[entities.us]\n'}


def connect(company: Company, vendor: str) -> None:
    """Let a person agree at the vendor and come back."""
    back = "http://localhost/oauth/callback"
    consent = World(company).consent(NAMES[vendor])
    parts = urlsplit(consent.address("state", back, "v" * 64))
    answer = company.wire.client.open(parts.path, query_string=parts.query)
    callback = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    consent.accept(callback, back, "v" * 64)


# ----------------------------------------------------------------------------------------------------------- scenarios


def expired(vendor: str, calls: int, how: str = "", pause: float = 60.0) -> Verdict:
    """Each access token of a vendor is good for so many calls; ``how`` the answer to the first renewal is lost.

    ``death``: the process dies on that answer. For ``pause`` seconds after that nobody answers. Whoever has lost the
    only refresh token that works must be told so, once; everybody else must get over it alone.
    """
    with let_in() as company:
        lost = how in LOSSES
        loss = Fault(vendor, method="POST", path=ADDRESSES[vendor][1], **LOSSES[how]) if lost else None
        gate = Gate(company, vendor, calls, loss, pause)
        company.faults.random = gate.fault

        def dies(step: Step) -> bool:
            if how != "death" or company.crashes or step != _answer(vendor):
                return False
            company.faults.outage = company.time.seconds + pause
            return True

        company.steps.dies_at = dies
        for act in STORY:
            act(company)
            company.sync(tries=2)
            company.time.sleep(pause + 60)
        rotated = how not in ("", "before")
        verdict = _judged(company, vendor, dies=rotated and pause > GRACE[vendor])
        verdict.wrong += [f"no token of {vendor} ran out"] * (not gate.refused)
        return verdict


def revoked(vendor: str, calls: int) -> Verdict:
    """The vendor takes the grant back in the middle of a run."""
    with let_in() as company:
        company.faults.random = Gate(company, vendor, calls).fault
        dead = Fault(vendor, "error_before", "POST", ADDRESSES[vendor][1], 400, -1, body='{"error": "invalid_grant"}')
        company.faults.ordered[:] = [dead]
        for act in STORY:
            act(company)
            company.sync()
        return _judged(company, vendor, dies=True)


def slow(seconds: float) -> Verdict:
    """Each call takes so long that tokens run out by their time while jobs run: they are renewed before."""
    with let_in() as company:
        gate = Gate(company, "", 0)
        company.faults.random = gate.fault
        company.wire.latency = seconds
        for act in STORY:
            act(company)
            company.sync()
        company.wire.latency = 0.05
        verdict = _judged(company, "", dies=False)
        verdict.wrong += [f"{gate.refused} calls went out with a token that had run out"] * bool(gate.refused)
        return verdict


def at_once(vendor: str, calls: int) -> Verdict:
    """Two processes renew the same token: neither voids what the other got."""
    with let_in() as company:
        company.faults.random = Gate(company, vendor, calls).fault
        win(company)
        problems: list[BaseException] = []

        def run() -> None:
            try:
                with company.process(elsewhere=True) as world:
                    app.run_jobs(company.config, world=world)
            except BaseException as error:
                problems.append(error)

        for act in (pay, lambda _: None):
            threads = [threading.Thread(target=run) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            act(company)
        verdict = _judged(company, vendor, dies=False)
        verdict.wrong += [f"{type(one).__name__}: {one}" for one in problems]
        return verdict


def renewed_elsewhere(vendor: str, number: int) -> Verdict:
    """A process stands still with a token that another one has renewed since: it takes what came of that."""
    with let_in() as company:
        company.faults.random = Gate(company, vendor, 2).fault
        win(company)
        renewal = _answer(vendor).what
        at, _ = interrupted(
            company, number, company.sync, lambda step: step.what.startswith(vendor) and step.what != renewal
        )
        verdict = _judged(company, vendor, dies=False)
        verdict.wrong += ["it never stood still"] * (not at)
        return verdict


def stands_renewing(vendor: str, answered: bool) -> Verdict:
    """A process stands still while it renews a token: another one goes on with all other connections."""
    with let_in() as company, patch.object(locks, "PATIENCE", 0.05):
        company.faults.random = Gate(company, vendor, 3).fault
        win(company)
        failed: set[str] = set()

        def go_on() -> None:
            failed.update(name for one in company.sync() for name in one.failures)

        step = Step(_answer(vendor).what, answered)
        at, _ = interrupted(company, 1, go_on, lambda found: found == step)
        verdict = _judged(company, vendor, dies=False)
        if not at or failed - {NAMES[vendor]}:
            verdict.wrong.append(f"it stood still at {at or 'nothing'}, and {failed} did not work")
        return verdict


def dies_after_renewal(vendor: str, number: int) -> Verdict:
    """The process dies at the n-th call after a token was renewed: the new refresh token was kept before its use."""
    with let_in() as company:
        company.faults.random = Gate(company, vendor, 3).fault
        renewed = 0

        def due(step: Step) -> bool:
            nonlocal renewed
            if step == _answer(vendor) or renewed:
                renewed += step.after and step.what.startswith(vendor)
            return renewed == number + 1 and not company.crashes

        company.steps.dies_at = due
        for act in STORY:
            act(company)
            company.sync()
        verdict = _judged(company, vendor, dies=False)
        verdict.wrong += ["it never died"] * (not company.crashes)
        return verdict


def _answer(vendor: str) -> Step:
    return Step(f"{vendor} POST /{vendor}{ADDRESSES[vendor][1]}", True)


# -------------------------------------------------------------------------------------------------------- what is true


def _judged(company: Company, vendor: str, *, dies: bool) -> Verdict:
    """Judge after a person connected anew what only a person can; nobody may be asked for anything else."""
    wrong = _told(company, vendor) if dies else []
    with Store(company.store) as store:
        dead = {name for name, one in runs.connection_states(store).items() if one.state == "reconnect"}
    if dead != ({NAMES[vendor]} if dies else set()):
        wrong.append(f"a person must connect {dead or 'nothing'}")
    for each, name in NAMES.items():
        if name in dead:
            company.faults.ordered.clear()
            connect(company, each)
    verdict = company.judge()
    with Store(company.store) as store:
        wrong += [f"still told: {one.message}" for one in review.open_items(store) if one.code == "connection_dead"]
    if mails := _mails(company) - dies:
        wrong.append(f"{mails:+} mails about connections than there should be")
    verdict.wrong += wrong
    return verdict


def _told(company: Company, vendor: str) -> list[str]:
    """Say what is wrong while a connection is dead: one item, one mail, nobody asks the vendor, the others go on."""
    name, asked = NAMES[vendor], _asked(company, vendor)
    company.sync()
    company.sync()
    wrong = ["the vendor was asked again for what it had refused"] * (_asked(company, vendor) != asked)
    with Store(company.store) as store:
        subjects = [one.subject for one in review.open_items(store) if one.code == "connection_dead"]
    if subjects != [f"connection:{name}"]:
        wrong.append(f"told of {subjects}")
    ours = {number[:2] for number, _, _ in company.there.documents()}
    others = {"US", "UK"} - {{"quickbooks_us": "US", "xero_uk": "UK"}.get(name, "")}
    if name != "hubspot" and not others <= ours:
        wrong.append(f"of {others} only {ours} is in the books")
    return wrong


def _asked(company: Company, vendor: str) -> int:
    return company.sandbox.vendors[vendor].calls[f"POST {ADDRESSES[vendor][1]}"]


def _mails(company: Company) -> int:
    return sum(ALERTS in one.recipients for one in company.mailbox.caught)


SCENARIOS: list[tuple[str, Scenario]] = [
    *(
        (f"a token of {vendor} is good for {calls} calls", partial(expired, vendor, calls))
        for vendor, calls in product(NAMES, (1, 2, 3, 5, 8))
    ),
    *(
        (f"{how} at the first renewal of {vendor}, after {calls} calls, then {pause:.0f} s",
         partial(expired, vendor, calls, how, pause))
        for vendor, calls, how, pause in product(NAMES, (2, 5), (*LOSSES, "death"), (60.0, 3600.0))
    ),
    *(
        (f"{vendor} takes the grant back after {calls} calls", partial(revoked, vendor, calls))
        for vendor, calls in product(NAMES, (0, 1, 4, 7))
    ),
    *((f"each call takes {seconds} s", partial(slow, seconds)) for seconds in (40.0, 100.0, 200.0)),
    *((f"two processes renew tokens of {vendor} at once", partial(at_once, vendor, 2)) for vendor in NAMES),
    *(
        (f"a token of {vendor} is renewed elsewhere at step {number}", partial(renewed_elsewhere, vendor, number))
        for vendor, number in product(NAMES, (2, 3, 7, 13))
    ),
    *(
        (f"a process stands still {when} a renewal of {vendor}", partial(stands_renewing, vendor, when == "after"))
        for vendor, when in product(NAMES, ("before", "after"))
    ),
    *(
        (f"a death {number} calls after a renewal of {vendor}", partial(dies_after_renewal, vendor, number))
        for vendor, number in product(NAMES, (1, 2, 3, 6))
    ),
]  # fmt: skip
