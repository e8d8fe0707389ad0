"""F8 with real processes over loopback: SIGSTOP in the middle of a job for longer than its lease, then SIGCONT.

The product's lease lasts ten minutes. Here the processes of a scenario begin with a shorter one, which runs out by real
time, and with one clock: noon of the first day was when the scenario began. Nothing else of theirs is different.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from time import sleep

from flask import Response

import app
from benchmarks.simulator.company import Verdict
from sandbox.core import Fault, Faults, Vendor
from sandbox.server import Options, Running
from store import runs
from tests.test_whole_way import FIRST_DAY, PROCESSES, differences

LEASE = 1.0  # seconds
LATER = (2, 40, 41)  # days after which everything must be as it should be
TAKEN_OVER = "taken this job over"


class Standstill(Faults):
    """Stops a process when the n-th call is answered; with ``goes_on`` it wakes so many calls of others later."""

    def __init__(self, call: int, goes_on: int) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.at = ""
        self.pid = 0
        self._call, self._goes_on, self._calls = call, call + goes_on, 0

    def next(self, vendor: str, method: str, path: str) -> Fault | None:
        """Count the calls, and wake who sleeps when it is time."""
        self._calls += bool(self.pid)
        if self.stopped.is_set() and self._calls == self._goes_on:
            wake(self.pid)
        if self._calls != self._call or self.at or not self.pid:
            return None
        self.at = f"{vendor} {method} {path}"
        return Fault(vendor, "reset_before")

    def show(self, fault: Fault, handle: object, vendor: Vendor) -> Response:  # type: ignore[override]
        """Let the vendor do its part and stop the caller, who finds the answer when it wakes."""
        assert callable(handle)
        answer = handle()
        os.kill(self.pid, signal.SIGSTOP)
        while "\nState:\tT" not in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8"):
            sleep(0.002)
        self.stopped.set()
        assert isinstance(answer, Response)
        return answer


def wake(pid: int) -> None:
    """Let a stopped process go on."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def stopped_for_real(call: int, goes_on: int = 0) -> Verdict:
    """A sync is stopped at its n-th call; another takes over after the lease; then, or midway, the first goes on."""
    with tempfile.TemporaryDirectory() as folder, Running(Options(today=FIRST_DAY, deals=6, minute=1.0)) as running:
        config, told = Path(folder) / "config.toml", Path(folder) / "told.json"
        running.write_config(config)
        noon = datetime.now(UTC)
        still = running.sandbox.faults = Standstill(call, goes_on)
        victim = _begun(config, told, noon)
        still.pid = int(victim.pid or 0)
        while victim.is_alive() and not still.stopped.wait(0.01):
            pass
        try:
            if still.stopped.is_set():
                sleep(LEASE * 1.1)
                _begun(config, Path(folder) / "heir.json", noon).join(120)
        finally:
            wake(still.pid)
        victim.join(120)
        still.pid = 0
        for days in LATER:
            today = FIRST_DAY + timedelta(days=days)
            running.sandbox.move_clock_safely(today)
            results, _ = app.run_jobs(app.load_config(config), today=today)
        wrong = differences(running, config)
        wrong += [f"{one.job}: {one.outcome} {one.message}" for one in results if one.outcome != "done"]
        messages = json.loads(told.read_text(encoding="utf-8"))
        if still.stopped.is_set() and not goes_on and not any(TAKEN_OVER in message for message in messages):
            wrong.append(f"it stood still at {still.at}, lost its lease and committed all the same")
        return Verdict(wrong=wrong)


def _begun(config: Path, told: Path, noon: datetime) -> ForkServerProcess:
    process = PROCESSES.Process(target=_work, args=(config, told, noon))
    process.start()
    return process


def _work(file: Path, told: Path, noon: datetime) -> None:
    runs.LEASE = timedelta(seconds=LEASE)
    config = app.load_config(file)
    world = app.LiveWorld(config, today=FIRST_DAY)
    world._started = noon
    results, _ = app.run_jobs(config, world=world)
    told.write_text(json.dumps([one.message for one in results]), encoding="utf-8")
