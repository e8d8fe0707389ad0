"""The rows of the scoreboard: for each class of faults, the scenarios that try it.

A scenario is a function that lives through a story in a company of its own and returns what came of it. A row yields
(what is tried, scenario); what is drawn by chance follows from the seed alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import permutations, product
from random import Random
from typing import Any
from unittest.mock import patch

import app
from benchmarks.simulator import kills
from benchmarks.simulator.company import REALM, Company, Verdict
from benchmarks.simulator.wire import Crash, DatabaseError, Step
from sandbox.core import Fault
from sandbox.webhooks import SENDERS
from store import dialect, inbox, review, schema
from store.audit import Actor
from store.database import Store
from sync.decide import decide

Scenario = Callable[[], Verdict]
Row = Iterator[tuple[str, Scenario]]
Act = Callable[[Company], None]
DAYS_OFF = 3 * 86400.0  # of an outage


# -------------------------------------------------------------------------------------------------------------- stories


def win(company: Company) -> None:
    """Three deals are won, in three currencies and two legal entities; one line has a price of many decimals."""
    company.sell("Harbor Systems", "900", "USD")
    company.sell("Kestrel Ltd", "435.35", "GBP")
    company.sell("Lindqvist AB", "250.145", "EUR", quantity=3)
    company.expected.update({"USD": 900_00, "GBP": 435_35, "EUR": 750_44})


def pay(company: Company) -> None:
    """Two customers pay by card: one all of it, one a part."""
    company.pay(900_00, "US-00001", "us")
    company.pay(200_00, "UK-00001", "uk")


def month(company: Company) -> None:
    """The first of the next month comes, and it is billed."""
    today = company.today
    company.move((date(today.year + today.month // 12, today.month % 12 + 1, 1) - today).days)
    company.expected.update({"USD": 900_00, "GBP": 435_35, "EUR": 750_44})


STORY: tuple[Act, ...] = (win, pay, month)


def live(company: Company, story: tuple[Act, ...] = STORY) -> Verdict:
    """Live through a story, a full sync after each act, then come to rest and be judged."""
    for act in story:
        act(company)
        company.sync()
    return company.judge()


@cache
def golden() -> tuple[list[Step], dict[str, set[tuple[str, str]]]]:
    """Live without any fault; return every step, and by vendor the (method, path) that were called."""
    steps: list[Step] = []
    with Company() as company:
        for act in STORY:
            act(company)
            company.sync()
            steps += company.steps.seen
        called = {
            name: {(call.partition(" ")[0], call.partition(" ")[2]) for call in vendor.calls}
            for name, vendor in company.sandbox.vendors.items()
        }
    return steps, called


# ----------------------------------------------------------------------------------------------------- F1, F2: crashes


def crashed(deaths: list[int], outage: float = 0.0) -> Verdict:
    """Die at steps (counted over all processes); after each death nobody answers for some seconds."""
    with Company() as company:
        company.steps.deaths = deaths
        for act in STORY:
            act(company)
            died = company.crashes
            company.sync()
            if company.crashes > died and outage:
                company.faults.outage = company.time.seconds + outage
                company.sync()
                company.time.sleep(outage)
        return company.judge()


def f1(rng: Random, count: int) -> Row:
    """A crash at every step, or at a sample of them that prefers what writes."""
    steps, _ = golden()
    numbers = list(range(1, len(steps) + 1))
    if count < len(numbers):
        weights = [
            1.0 if "GET" in step.what or "search" in step.what or "query" in step.what else 4.0 for step in steps
        ]
        numbers = sorted(numbers, key=lambda n: rng.random() ** (1 / weights[n - 1]), reverse=True)[:count]
    for number in numbers:
        outage = rng.choice((0.0, 5.0, 60.0, DAYS_OFF))
        yield f"step {number} {steps[number - 1]}, then {outage:.0f} s", partial(crashed, [number], outage)


def f2(rng: Random, count: int) -> Row:
    """A second crash while the first is recovered from."""
    total = len(golden()[0])
    for _ in range(count):
        first = rng.randint(1, total)
        second = first + rng.randint(1, 150)
        yield f"steps {first} and {second}", partial(crashed, [first, second])


# ------------------------------------------------------------------------------------------------------------ F4: HTTP

FAULTS: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"kind": "error_before", "status": 429, "headers": {"Retry-After": "7"}},
    "429 without": {"kind": "error_before", "status": 429},
    "500 before": {"kind": "error_before", "status": 500},
    "500 after": {"kind": "error_after", "status": 500},
    "timeout before": {"kind": "timeout_before"},
    "timeout after": {"kind": "timeout_after"},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "502 as HTML": {"kind": "html_before"},
    "cut JSON": {"kind": "cut_body"},
    "401": {"kind": "unauthorized"},
    "403": {"kind": "error_before", "status": 403},
    "400": {"kind": "error_before", "status": 400, "body": "{}"},
    "200 of a wrong shape": {"kind": "wrong_shape"},
    "redirect": {"kind": "redirect_before"},
    "no connection": {"kind": "refused_before"},
}


def hit(vendor: str, method: str, path: str, fault: dict[str, Any], times: int) -> Verdict:
    """Show a fault on each call of a type, so many times in each act."""
    with Company() as company:
        for act in STORY:
            act(company)
            company.faults.ordered[:] = [Fault(vendor, method=method, path=path, times=times, **fault)]
            company.sync()
        verdict = company.judge(expected=fault.get("status") != 400)
        if fault.get("status") == 400 or fault["kind"] == "wrong_shape":
            return _retried(company, verdict)
        return verdict


def _retried(company: Company, verdict: Verdict) -> Verdict:
    """What a vendor refuses waits for a person: let one say that it is to be tried again, and judge anew."""
    if verdict.survived:
        return verdict
    with Store(company.store) as store:
        for item in review.open_items(store):
            if "retry" in item.choices:
                decide(store, Actor("person", company.now()), item.id, "retry", "mended")
    return company.judge()


def f4(rng: Random, count: int) -> Row:
    """Every kind of HTTP fault at every type of call, once and three times in a row."""
    _, called = golden()
    calls = sorted((vendor, method, path.split("{")[0]) for vendor, found in called.items() for method, path in found)
    every = list(product(calls, FAULTS, (1, 3)))
    rng.shuffle(every)
    for (vendor, method, path), name, times in every[:count]:
        yield (
            f"{name} x {times} at {vendor} {method} {path}",
            partial(hit, vendor, method, path, FAULTS[name], times),
        )


# -------------------------------------------------------------------------------------------------------- F5: webhooks

SECRETS = {"hubspot": "hubspot-client-secret", "stripe_uk": "whsec_sandbox_uk"}
EVENTS = [
    {"id": f"evt_{n}", "object": "event", "type": "charge.succeeded", "data": {"object": {"id": f"ch_{n}"}}}
    for n in range(4)
]


class Door:
    """The route of the webhooks of a company."""

    def __init__(self, company: Company) -> None:
        from benchmarks.simulator.company import World
        from web import create_app, webhooks

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


def f5(rng: Random, count: int) -> Row:
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
    rng.shuffle(scripts)
    for name, script in scripts[:count]:
        yield name, partial(knocked, script)


def _in_order(order: Sequence[dict[str, Any]], door: Door) -> tuple[int, str]:
    return 4, _delivered(door, [_stripe(one) for one in order])


def _forged(forge: Callable[[dict[str, str]], dict[str, str]], door: Door) -> tuple[int, str]:
    answer = door.knock(_stripe(EVENTS[0]), forge=forge)
    return 0, "" if answer in (400, 401) else f"a forgery was answered {answer}"


# ------------------------------------------------------------------------------------------------------------ F6: disk


def with_disk(trouble: Callable[[Company], Any], act: Act = pay) -> Verdict:
    """Run a sync while the disk is in trouble, then mend it: a clean stop is allowed, wrong money is not."""
    with Company() as company:
        win(company)
        company.sync()
        act(company)
        with trouble(company):
            try:
                with company.process() as world:
                    app.run_jobs(company.config, world=world)
            except (DatabaseError, Crash):
                pass
        return company.judge()


def _connected(company: Company, *statements: str) -> Any:
    """Let each connection of the store begin with statements."""
    real = dialect.connect

    def connect(path: Any) -> Any:
        connection = real(path)
        for statement in statements:
            connection.execute(statement.format(pages=connection.execute("PRAGMA page_count").fetchone()[0]))
        return connection

    return patch.object(dialect, "connect", connect)


class _Locked:
    """Another process holds the write lock for longer than anybody waits."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.busy = patch.object(dialect, "BUSY_SECONDS", 0.01)

    def __enter__(self) -> None:
        self.busy.__enter__()
        self.other = sqlite3.connect(self.company.store, isolation_level=None)
        self.other.execute("BEGIN IMMEDIATE")

    def __exit__(self, *problem: Any) -> None:
        self.other.execute("ROLLBACK")
        self.other.close()
        self.busy.__exit__(*problem)


def damaged(page: int) -> Verdict:
    """A page of the file is overwritten: the jobs may stop, but book nothing twice and nothing wrong."""
    with Company() as company:
        win(company)
        company.sync()
        pay(company)
        with Store(company.store) as store:
            store.one("PRAGMA wal_checkpoint(TRUNCATE)")
        size = company.store.stat().st_size // 4096
        with company.store.open("r+b") as file:
            file.seek(page % size * 4096)
            file.write(b"\xa5" * 4096)
        for _ in range(2):
            with suppress(DatabaseError), company.process() as world:
                app.run_jobs(company.config, world=world)
        posted = Counter((key, number) for key, number, _ in company.payments_there())
        numbers = Counter(number for number, _, _ in company.documents_there())
        there = {number: total for number, _, total in company.documents_there()}
        wrong = [] if there == BILLED else [f"{there} is in the books"]
        return Verdict(duplicates=sum(n - 1 for n in (*posted.values(), *numbers.values())), wrong=wrong)


BILLED = {"US-00001": Decimal(900), "UK-00001": Decimal("435.35"), "UK-00002": Decimal("750.44")}


def f6(rng: Random, count: int) -> Row:
    """A full disk at every size, a file that is read-only, a lock that nobody gives back."""
    scenarios: list[tuple[str, Scenario]] = [
        (f"full after {pages} more pages",
         partial(with_disk, partial(_full, pages)))
        for pages in range(12)
    ]  # fmt: skip
    scenarios += [
        (f"full after {pages} more pages, first sync", partial(full_at_first, pages)) for pages in (60, 80, 100)
    ]
    scenarios.append(("read-only", lambda: with_disk(lambda c: _connected(c, "PRAGMA query_only=ON"))))
    scenarios.append(("locked for longer than anybody waits", lambda: with_disk(_Locked)))
    scenarios += [(f"page {page} damaged", partial(damaged, page)) for page in range(60)]
    if not kills.tracing():
        scenarios += [
            (f"{error} at {call} {number}{' and onwards' * more}", partial(_traced, call, error, number, more))
            for call, error, number, more in product(kills.CALLS, ("EIO", "ENOSPC"), range(1, 30), (False, True))
        ]
    rng.shuffle(scenarios)
    yield from scenarios[:count]


def _traced(call: str, error: str, number: int, onwards: bool) -> Verdict:
    return Verdict(wrong=kills.failing_call(call, error, number, onwards))


def _full(pages: int, company: Company) -> Any:
    with Store(company.store) as store:
        size = int(store.one("PRAGMA page_count"))
    return _connected(company, f"PRAGMA max_page_count={size + pages}")


def full_at_first(pages: int) -> Verdict:
    """The disk is full from a size on that the very first sync passes."""
    with Company() as company:
        win(company)
        with Store(company.store):
            pass
        with _connected(company, f"PRAGMA max_page_count={pages}"):
            try:
                with company.process() as world:
                    app.run_jobs(company.config, world=world)
            except DatabaseError:
                pass
        return company.judge()


# ------------------------------------------------------------------------------------------------------------ F7: time


def periods(start: date, today: date) -> int:
    """Return how many monthly periods have begun by a day, for a contract of twelve months."""
    months = (today.year - start.year) * 12 + today.month - start.month
    last = (date(today.year + today.month // 12, today.month % 12 + 1, 1) - timedelta(days=1)).day
    return min(12, months + (min(start.day, last) <= today.day))


def dated(start: date, days: list[int], skews: list[timedelta]) -> Verdict:
    """Begin on a day and go on for some; the clock is wrong by ``skews`` in turn, and right in the end."""
    with Company() as company:
        company.move((start - company.today).days)
        company.sell("Harbor Systems", "900", "USD")
        company.sell("Kestrel Ltd", "435.35", "GBP")
        for turn, passed in enumerate(days):
            company.skew = skews[turn % len(skews)]
            company.sync()
            company.move(passed)
        company.skew = timedelta(0)
        count = periods(start, company.today)
        company.expected.update({"USD": 900_00 * count, "GBP": 435_35 * count})
        return company.judge()


def after_midnight() -> Verdict:
    """It is the first of the month in London and still the last in New York: what New York owes is not billed yet."""
    with Company() as company:
        company.sell("Harbor Systems", "900", "USD")
        company.sell("Kestrel Ltd", "435.35", "GBP")
        company.sync()
        company.move(29)  # 30 September
        company.time.sleep(14 * 3600)  # 1 October, 02:00 UTC
        company.expected.update({"USD": 900_00, "GBP": 435_35 * 2})
        company.sync()
        verdict = Verdict()
        with Store(company.store) as store:
            from benchmarks.simulator.company import _count_billed

            _count_billed(company, store, verdict)
        return verdict


HOUR = timedelta(hours=1)
STARTS = {
    "end of January": date(2027, 1, 31), "leap day": date(2028, 2, 29), "before a leap day": date(2028, 2, 28),
    "clocks go back": date(2026, 10, 24), "clocks go forward": date(2027, 3, 13), "end of the year": date(2026, 12, 31),
    "an ordinary day": date(2026, 9, 15),
}  # fmt: skip
SKEWS = {
    "right": [timedelta(0)], "an hour fast and slow": [HOUR, -HOUR], "back a day": [timedelta(0), -24 * HOUR],
    "ten minutes": [HOUR / 6, -HOUR / 6],
}  # fmt: skip


def f7(rng: Random, count: int) -> Row:
    """Ends of months, leap days, changes of the clocks; a clock that is wrong; two zones."""
    scenarios: list[tuple[str, Scenario]] = [("two zones at midnight", after_midnight)]
    pairs = list(product(STARTS, SKEWS))
    rng.shuffle(pairs)
    for start, skew in pairs:
        days = [1, 0, 1, 29, 31]
        scenarios.append((f"{start}, {skew}", partial(dated, STARTS[start], days, SKEWS[skew])))
    yield from scenarios[:count]


# ------------------------------------------------------------------------------------------------------- F8: processes


def stopped_beyond_its_lease(number: int) -> Verdict:
    """A process stands still at a step for longer than its lease, another does the work, then the first goes on."""
    with Company() as company:
        win(company)
        stands, goes_on = threading.Event(), threading.Event()
        count, at, ended = 0, "", {}

        def stand_still(step: Step) -> bool:
            nonlocal count, at
            if threading.current_thread() is thread and step != Step("commit", False):
                count += 1
                if count == number:
                    at = step.what
                    stands.set()
                    goes_on.wait(60)
            return False

        def run() -> None:
            try:
                with company.process(elsewhere=True) as world:
                    results, _ = app.run_jobs(company.config, world=world)
                    ended.update({one.job: one.message for one in results if one.outcome == "failed"})
            finally:
                stands.set()

        thread = threading.Thread(target=run)
        company.steps.dies_at = stand_still
        thread.start()
        stands.wait(60)
        company.time.sleep(11 * 60)
        company.sync()
        company.steps.running = True
        goes_on.set()
        thread.join(120)
        company.steps.running = False
        verdict = company.judge()
        if at not in ("", "commit") and not any("taken this job over" in message for message in ended.values()):
            verdict.wrong.append(f"it stood still at {at}, lost its lease and committed all the same: {ended}")
        return verdict


def side_by_side() -> Verdict:
    """Two schedulers run everything on one file at once."""
    with Company() as company:
        win(company)
        problems: list[BaseException] = []

        def run(elsewhere: bool) -> None:
            try:
                with company.process(elsewhere=elsewhere) as world:
                    app.run_jobs(company.config, world=world)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=run, args=(True,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        verdict = company.judge()
        verdict.wrong += [f"{type(one).__name__}: {one}" for one in problems]
        return verdict


def f8(rng: Random, count: int) -> Row:
    """A process that stands still beyond its lease; two at once."""
    scenarios: list[tuple[str, Scenario]] = [
        ("two schedulers at once", side_by_side) for _ in range(max(1, count // 6))
    ]
    for _ in range(count - len(scenarios)):
        number = rng.randint(1, 330)
        scenarios.append((f"stopped at step {number} beyond its lease", partial(stopped_beyond_its_lease, number)))
    yield from scenarios[:count]


# ---------------------------------------------------------------------------------------------------------- F9: restore


def restorer() -> Callable[..., Any] | None:
    """Return what puts a backup back so that the books are read before anything is sent; None where nothing does."""
    if importlib.util.find_spec("store.backup") is None:
        return None
    return importlib.import_module("store.backup").restore  # type: ignore[no-any-return]


def put_back(days: int) -> Verdict:
    """An old copy of the store is put back and the jobs go on: nothing may be booked or mailed twice."""
    restore = restorer()
    assert restore is not None, WITHOUT_RESTORE
    with Company() as company:
        win(company)
        company.sync()
        old = company.store.with_suffix(".old")
        with Store(company.store) as store:
            store.copy_to(old)
        pay(company)
        company.sync()
        company.sell("Newcomer Ltd", "77", "GBP")
        company.move(days)
        company.sync()
        restore(old, company.store, company.now())
        return Verdict(duplicates=company.judge(expected=False).duplicates)


WITHOUT_RESTORE = "there is nothing yet that reads the books back after an old copy was put in place"


def f9(rng: Random, count: int) -> Row:
    """An old copy of the store; only duplicates count: what happened since is known to the vendors alone."""
    for days in (0, 1, 30, 2, 7, 60)[:count]:
        yield f"{days} day(s) old", partial(put_back, days)


# ---------------------------------------------------------------------------------------------------------- F10: humans


def meddled(act: Act, codes: str, story: tuple[Act, ...] = ()) -> Verdict:
    """Somebody does something elsewhere: it must be told, and what they did must stand."""
    with Company() as company:
        for each in (win, *story):
            each(company)
            company.sync()
        act(company)
        before = sorted(company.documents_there())
        company.sync()
        company.sync()
        verdict = Verdict(minutes=company.heal())
        after = sorted(company.documents_there())
        if before != after:
            verdict.wrong.append(f"what was done elsewhere was changed: {set(before) ^ set(after)}")
        verdict.duplicates = company.customers_twice()
        with Store(company.store) as store:
            told = {item.code for item in review.open_items(store)}
        if codes and not told & set(codes.split()):
            verdict.wrong.append(f"nobody was told: {told}")
        return verdict


def overruled(act: Act, fault: Fault | None = None, death: str = "") -> Verdict:
    """Somebody changes a document and a person wants ours back: it is put back, whatever breaks in between.

    There is a ``fault``, or our own process dies after a call that begins like ``death``.
    """
    with Company() as company:
        win(company)
        company.sync()
        before = sorted(company.documents_there())
        act(company)
        company.sync()
        overrule(company)
        company.faults.ordered[:] = [fault] if fault else []
        company.steps.dies_at = lambda step: (
            bool(death) and step.after and step.what.startswith(death) and not company.crashes
        )
        company.sync()
        verdict = Verdict(minutes=company.heal(), duplicates=company.customers_twice())
        if (after := sorted(company.documents_there())) != before:
            verdict.wrong.append(f"ours is not back: {set(before) ^ set(after)}")
        if bool(death) != bool(company.crashes):
            verdict.wrong.append(f"it died {company.crashes} times")
        with Store(company.store) as store:
            verdict.wrong += [f"still asked: {item.message}" for item in review.open_items(store)]
        return verdict


def overtaken() -> Verdict:
    """After a person wanted ours back somebody changes the document again: that must stand, and be told."""

    def again(company: Company) -> None:
        overrule(company)
        edit_in_quickbooks(company, 700)

    return meddled(again, "books_differ", (edit_in_quickbooks,))


def overrule(company: Company) -> None:
    """Decide that ours goes back, on every item that offers it."""
    with Store(company.store) as store:
        for item in review.open_items(store):
            if "put_back" in item.choices:
                decide(store, Actor("person", company.now()), item.id, "put_back", "ours is right")


def void_in_quickbooks(company: Company) -> None:
    """Void an invoice."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    company.quickbooks("invoice?operation=void", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def delete_in_quickbooks(company: Company) -> None:
    """Delete an invoice."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    company.quickbooks("invoice?operation=delete", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def edit_in_quickbooks(company: Company, amount: int = 800) -> None:
    """Change the amount of an invoice."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    line = json.loads(json.dumps(found["Line"][0]))
    line["Amount"] = amount
    line["SalesItemLineDetail"] |= {"UnitPrice": amount, "Qty": 1}
    company.quickbooks("invoice", {"Id": found["Id"], "SyncToken": found["SyncToken"], "sparse": True, "Line": [line]})


def renumber_in_quickbooks(company: Company) -> None:
    """Give an invoice another number."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    body = {"Id": found["Id"], "SyncToken": found["SyncToken"], "sparse": True, "DocNumber": "OURS-1"}
    company.quickbooks("invoice", body)


def edit_in_xero(company: Company) -> None:
    """Change the amount and the due date of an invoice."""
    (found,) = company.xero("GET", "Invoices/UK-00001")["Invoices"]
    line = found["LineItems"][0] | {"UnitAmount": 400.0, "LineAmount": 400.0, "TaxAmount": 0.0}
    company.xero("POST", "Invoices/UK-00001", {"LineItems": [line], "DueDate": company.today.isoformat()})


def void_in_xero(company: Company) -> None:
    """Void an invoice."""
    company.xero("POST", "Invoices/UK-00001", {"InvoiceNumber": "UK-00001", "Status": "VOIDED"})


def pay_in_xero(company: Company) -> None:
    """Type a payment in."""
    body = {"Invoice": {"InvoiceNumber": "UK-00001"}, "Account": {"Code": "091"}, "Date": company.today.isoformat(),
            "Amount": 100.0, "Reference": "bank transfer"}  # fmt: skip
    company.xero("PUT", "Payments", {"Payments": [body]})


def take_our_number(company: Company) -> None:
    """Write an invoice of their own under the number that is ours next."""
    customer = _quickbooks(company, "customers")[0]
    line = json.loads(json.dumps(_quickbooks(company, "invoices")[0]["Line"][0]))
    company.quickbooks("invoice", {"CustomerRef": {"value": customer["Id"]}, "DocNumber": "US-00002", "Line": [line]})
    company.sell("Newcomer Inc", "77", "USD")


def reopen_deal(company: Company) -> None:
    """The deal is not won any more."""
    deal = next(iter(company.hubspot("GET", "deals?limit=1")["results"]))["id"]
    company.hubspot("PATCH", f"deals/{deal}", {"properties": {"dealstage": "closedlost"}})


def change_deal(company: Company) -> None:
    """The price of a deal is another after it was invoiced."""
    deal = next(iter(company.hubspot("GET", "deals?limit=1")["results"]))["id"]
    company.change_price(str(deal), "1")


def delete_deal(company: Company) -> None:
    """The deal is thrown away."""
    deal = next(iter(company.hubspot("GET", "deals?limit=1")["results"]))["id"]
    company.hubspot("DELETE", f"deals/{deal}")


def _quickbooks(company: Company, kind: str) -> list[dict[str, Any]]:
    return list(company.sandbox.vendors["quickbooks"].state()[kind])


MEDDLING: list[tuple[str, Act, str, tuple[Act, ...]]] = [
    ("an invoice is voided in QuickBooks", void_in_quickbooks, "billing_held", ()),
    ("an invoice is deleted in QuickBooks", delete_in_quickbooks, "billing_held", ()),
    ("an invoice is edited in QuickBooks", edit_in_quickbooks, "books_differ", ()),
    ("an invoice is edited in QuickBooks after it was paid", edit_in_quickbooks, "books_differ", (pay,)),
    ("an invoice is renumbered in QuickBooks", renumber_in_quickbooks, "renumbered_in_books", ()),
    ("an invoice is voided in Xero", void_in_xero, "billing_held", ()),
    ("a payment is typed into Xero", pay_in_xero, "", ()),
    ("a payment is typed into Xero beside one by card", pay_in_xero, "", (pay,)),
    ("our next number is taken", take_our_number, "series_taken document_not_booked", ()),
    ("a deal is reopened", reopen_deal, "deal_gone", ()),
    ("a deal is changed", change_deal, "contract_changed", ()),
    ("a deal is deleted", delete_deal, "deal_gone", ()),
]


OVERRULING: list[tuple[str, Scenario]] = [
    ("an edit in QuickBooks is overruled", partial(overruled, edit_in_quickbooks)),
    ("an edit in Xero is overruled", partial(overruled, edit_in_xero)),
    ("a new number in QuickBooks is overruled", partial(overruled, renumber_in_quickbooks)),
    ("an edit in QuickBooks is overruled, the answer lost",
     partial(overruled, edit_in_quickbooks, Fault("quickbooks", "timeout_after", method="POST", path="/invoice"))),
    ("an edit in Xero is overruled, the call lost",
     partial(overruled, edit_in_xero, Fault("xero", "reset_before", method="POST", path="/Invoices/"))),
    ("a process dies overruling QuickBooks",
     partial(overruled, edit_in_quickbooks, death=f"quickbooks POST /{REALM}/inv")),
    ("a process dies overruling Xero", partial(overruled, edit_in_xero, death="xero POST /xero/api.xro/2.0/Invoices/")),
    ("an edit is overtaken by another before it is overruled", overtaken),
]  # fmt: skip


def f10(rng: Random, count: int) -> Row:
    """People void, edit, delete and renumber elsewhere, take our numbers, reopen deals, and overrule each other."""
    tried = list(OVERRULING)
    tried += [(name, partial(meddled, act, codes, story)) for name, act, codes, story in MEDDLING]
    yield from rng.sample(tried, min(count, len(tried)))


# -------------------------------------------------------------------------------------------------------- F11: upgrades


def upgraded(statement: int) -> Verdict:
    """A process is killed while a new file gets its tables: the file as it is then is opened anew and lives on."""
    with Company() as company:
        real, count = schema._script, 0
        frozen = company.store.with_suffix(".frozen")

        def script(database: Any, text: str) -> None:
            nonlocal count
            real(database, text)
            count += 1
            if count == statement:
                for end in ("", "-wal", "-shm", "-journal"):
                    found = company.store.with_name(company.store.name + end)
                    if found.exists() and end != "-shm":
                        shutil.copy(found, frozen.with_name(frozen.name + end))
                raise Crash("while the tables were changed")

        with patch.object(schema, "_script", script), suppress(Crash):
            Store(company.store)
        for end in ("", "-wal", "-shm", "-journal"):
            company.store.with_name(company.store.name + end).unlink(missing_ok=True)
            left = frozen.with_name(frozen.name + end)
            if left.exists():
                shutil.move(left, company.store.with_name(company.store.name + end))
        return live(company, (win, pay))


def newer() -> Verdict:
    """A release that does not know a migration of the file refuses to open it."""
    with Company() as company:
        with Store(company.store) as store:
            store.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('netterms', 'm9999', '')"
            )
        try:
            Store(company.store)
        except RuntimeError:
            return Verdict()
        return Verdict(wrong=["an older release opened a newer file"])


def f11(rng: Random, count: int) -> Row:
    """A kill inside each migration; an older release on a newer file."""
    scripts = 0

    def counting(database: Any, text: str) -> None:
        nonlocal scripts
        scripts += 1
        real(database, text)

    real = schema._script
    with patch.object(schema, "_script", counting), Company() as company, Store(company.store):
        pass
    yield "an older release on a newer file", newer
    for number in range(1, min(scripts, count - 1) + 1):
        yield f"killed after script {number} of {scripts}", partial(upgraded, number)


# ----------------------------------------------------------------------------------------------------------- F12: swarm


def swarmed(seed: int) -> Verdict:
    """Three months in which faults happen by chance, each seed with some kinds of them; then they stop."""
    rng = Random(seed)
    kinds = [kind for kind in FAULTS if kind != "400" and rng.random() < 0.4]
    likely, deadly = rng.choice((0.0, 0.01, 0.05)), rng.choice((0.0, 0.002, 0.01))
    with Company() as company:

        def chance(vendor: str, method: str, path: str) -> Fault | None:
            return Fault(vendor, **FAULTS[rng.choice(kinds)]) if kinds and rng.random() < likely else None

        company.faults.random = chance
        company.steps.dies_at = lambda step: rng.random() < deadly
        for act in (win, pay, month, month):
            act(company)
            for _ in range(rng.randint(1, 3)):
                company.skew = timedelta(minutes=rng.choice((0, 0, 0, 10, -10, 60, -60)))
                company.sync(tries=1000)
                company.time.sleep(900)
        company.skew = timedelta(0)
        return _retried(company, company.judge())


def f12(rng: Random, count: int) -> Row:
    """A random swarm of all that, after which the company must come to rest within a day."""
    for _ in range(count):
        seed = rng.randrange(1 << 30)
        yield f"seed {seed}", partial(swarmed, seed)


ROWS: dict[str, tuple[str, Callable[[Random, int], Row]]] = {
    "F1": ("crash at a step, then an outage", f1),
    "F2": ("second crash during recovery", f2),
    "F4": ("HTTP faults x calls", f4),
    "F5": ("webhooks", f5),
    "F6": ("disk", f6),
    "F7": ("time", f7),
    "F8": ("processes", f8),
    "F9": ("old copy of the store", f9),
    "F10": ("people elsewhere", f10),
    "F11": ("upgrades", f11),
    "F12": ("swarm, then rest", f12),
}
