"""The main job end to end: real sandbox, real SDKs, real processes, killed at the worst moments."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from datetime import date, timedelta
from io import StringIO
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Response, request

import app
import commands
from benchmarks.simulator.books import Books
from billing.money import to_decimal
from sandbox.core import Fault, Faults, Vendor
from sandbox.server import Options, Running
from store import audit, cash, invoices
from store.database import Store

FIRST_DAY = date(2026, 9, 1)
# Each sync is a process of its own, forked from one that has imported everything, so that twenty of them start fast.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["app", "sync.check", "connectors.hubspot", "connectors.stripe", "connectors.quickbooks", "connectors.xero"]
)


@pytest.fixture
def sandbox() -> Iterator[Running]:
    with Running(Options(today=FIRST_DAY, minute=1.0)) as running:
        yield running


@pytest.fixture
def config_file(sandbox: Running, tmp_path: Path) -> Path:
    sandbox.write_config(tmp_path / "config.toml")
    return tmp_path / "config.toml"


class Moment(NamedTuple):
    """When to kill: a vendor's call, or simply the n-th call of the sync; before or after the vendor did its part."""

    vendor: str
    method: str
    text: str  # in the path or in the body
    after: bool
    number: int = 0

    def is_now(self, vendor: str, method: str, path: str, number: int) -> bool:
        if self.number:
            return self.number == number
        if (self.vendor, self.method) != (vendor, method):
            return False
        return self.text in path or self.text in request.get_data(as_text=True)


_WRITES = [
    ("quickbooks", "POST", '"Customer"'),
    ("quickbooks", "POST", '"DocNumber"'),
    ("quickbooks", "POST", '"PaymentRefNum"'),
    ("xero", "PUT", "/Contacts"),
    ("xero", "PUT", "/Invoices"),
    ("xero", "PUT", "/Payments"),
]
# Every kind of write, before and after the vendor committed it, and eight more places along the way of a sync.
MOMENTS = [Moment(*write, after) for write in _WRITES for after in (False, True)] + [
    Moment("", "", "", number % 2 == 0, number) for number in (1, 3, 6, 8, 11, 14, 17, 20)
]


class KillAtMoments(Faults):
    """Kills the victim at the first of its calls that is one of the moments left."""

    def __init__(self) -> None:
        super().__init__()
        self.left = list(MOMENTS)
        self.victim: ForkServerProcess | None = None
        self._calls = 0
        self._now: Moment | None = None

    def begin(self, victim: ForkServerProcess) -> None:
        self._calls, self.victim = 0, victim

    def next(self, vendor: str, method: str, path: str) -> Fault | None:
        if self.victim is None:
            return None
        self._calls += 1
        self._now = next((moment for moment in self.left if moment.is_now(vendor, method, path, self._calls)), None)
        return Fault(vendor, "reset_before") if self._now else None

    def show(self, fault: Fault, handle: Callable[[], Response], vendor: Vendor) -> Response:  # type: ignore[override]
        assert self.victim is not None
        assert self._now is not None
        if self._now.after:
            handle()
        self.victim.kill()
        _await_death(int(self.victim.pid or 0))
        self.left.remove(self._now)
        return Response(status=503)


def _await_death(pid: int) -> None:
    """Wait until a process is gone, without taking its exit code from the thread that waits for that."""
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            time.sleep(0.002)


def test_a_sync_killed_at_twenty_moments_and_finished_books_each_invoice_and_payment_once(
    sandbox: Running, config_file: Path
) -> None:
    killer = sandbox.sandbox.faults = KillAtMoments()
    today = FIRST_DAY
    while killer.left:
        assert today < FIRST_DAY + timedelta(days=120), f"never came: {killer.left}"
        if not _killed(killer, config_file, today):
            today += timedelta(days=4)
            sandbox.sandbox.move_clock_safely(today)
    today += timedelta(days=40)
    sandbox.sandbox.move_clock_safely(today)
    for _ in range(2):  # what the last kill left in doubt is sent once it was absent twice
        results, _ = app.run_jobs(app.load_config(config_file), today=today)
        assert {result.outcome for result in results} == {"done"}
        today += timedelta(days=1)
    assert len(MOMENTS) == 20
    _assert_books_equal_ours(sandbox, config_file)


def _killed(killer: KillAtMoments, config_file: Path, today: date) -> bool:
    """Run a sync in a process of its own; say whether a moment came and killed it."""
    victim = PROCESSES.Process(target=_sync, args=(config_file, today))
    victim.start()
    killer.begin(victim)
    victim.join(60)
    killer.victim = None
    assert victim.exitcode in (0, -signal.SIGKILL)
    return victim.exitcode != 0


def _sync(config_file: Path, today: date) -> None:
    with redirect_stdout(StringIO()):
        commands.main(["--config", str(config_file), "sync", "--json", "--today", str(today)])


def _assert_books_equal_ours(sandbox: Running, config_file: Path) -> None:
    with Store(app.load_config(config_file).store) as store:
        assert audit.verify(store) is None
        assert len(invoices.issued(store)) > 30
        assert len(cash.applications(store)) > 10
    assert differences(sandbox, config_file) == []


def differences(sandbox: Running, config_file: Path) -> list[str]:
    """Say what of our documents and applications is not in the books once, with the same amount, and nothing else."""
    with Store(app.load_config(config_file).store) as store:
        documents = {row.id: row for row in invoices.issued(store)}
        received = {row.id: row for row in cash.payments(store)}
        ours = Counter(
            (f"payment {received[part.payment_id].vendor_id[-21:]}", str(documents[part.document_id].number),
             to_decimal(part.amount, received[part.payment_id].currency))
            for part in cash.applications(store)
            if part.document_id is not None
        )  # fmt: skip
    ours.update((row.type, str(row.number), to_decimal(row.total, row.currency)) for row in documents.values())
    books = Books(sandbox.sandbox.vendors)
    kinds = {str(row.number): row.type for row in documents.values()}
    there = Counter((f"payment {key}", number, amount) for key, number, amount in books.payments())
    there.update((kinds.get(number, "unknown"), number, total) for number, _, total in books.documents())
    return [
        f"{what}: {there[what]} in the books, {ours[what]} here" for what in ours | there if there[what] != ours[what]
    ]
