"""Real processes over loopback that get a real signal at a call: SIGKILL, or SIGTERM, after which they may finish."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from random import Random
from time import monotonic

from flask import Response

import app
from sandbox.core import Fault, Vendor
from sandbox.server import Options, Running
from store.database import Store
from tests.test_whole_way import (
    FIRST_DAY,
    PROCESSES,
    KillAtMoments,
    Moment,
    _await_death,
    _sync,
    differences,
)

ROOT = Path(__file__).resolve().parents[2]
DRAIN = 10.0  # seconds that a process may take after SIGTERM
Tried = tuple[int, int, int, int, int, list[float]]  # tried, survived, duplicates, lost, cents, minutes


class Signals(KillAtMoments):
    """Sends one signal to the victim at its n-th call, before or after the vendor did its part."""

    def __init__(self, number: signal.Signals, call: int, after: bool) -> None:
        super().__init__()
        self.signal = number
        self.left = [Moment("", "", "", after, call)]
        self.at = 0.0

    def show(self, fault: Fault, handle: object, vendor: Vendor) -> Response:  # type: ignore[override]
        """Send the signal; what was killed gets no answer, what was asked to end gets it."""
        assert self.victim is not None
        assert callable(handle)
        (moment,) = self.left
        self.left, self.at = [], monotonic()
        answer = handle() if moment.after or self.signal is not signal.SIGKILL else None
        if self.signal is signal.SIGKILL:
            self.victim.kill()
            _await_death(int(self.victim.pid or 0))
        else:
            self.victim.terminate()
        return answer if isinstance(answer, Response) else Response(status=503)


def tried(count: int, seed: int, until: float) -> Tried:
    """Signal a sync in a process of its own so many times, a few days apart, then finish and compare the books."""
    rng, done, slow = Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as folder, Running(Options(today=FIRST_DAY, minute=1.0)) as running:
        config = Path(folder) / "config.toml"
        running.write_config(config)
        today = FIRST_DAY
        while done < count and monotonic() < until:
            number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            signals = running.sandbox.faults = Signals(number, rng.randint(1, 40), rng.random() < 0.5)
            victim = PROCESSES.Process(target=_sync, args=(config, today))
            victim.start()
            signals.begin(victim)
            victim.join(120)
            signals.victim = None
            done += not signals.left
            slow += bool(signals.at) and monotonic() - signals.at > DRAIN
            today += timedelta(days=rng.choice((0, 2, 4)))
            running.sandbox.move_clock_safely(today)
        today += timedelta(days=40)
        for _ in range(2):  # what the last signal left in doubt is sent once it was absent twice
            running.sandbox.move_clock_safely(today)
            app.run_jobs(app.load_config(config), today=today)
            today += timedelta(days=1)
        if wrong := differences(running, config):
            print(f"  F3 seed {seed}: {wrong}")
            return done, 0, 0, 0, 0, []
    return done, done - slow, 0, 0, 0, []


# ------------------------------------------------------------------------------------------------ single system calls

WRITER = """
import sys
sys.path.insert(0, {root!r})
from store.database import Store
with Store(sys.argv[1]) as store:
    for number in range(20):
        with store.transaction():
            store.execute("INSERT INTO answers VALUES (?, 'a')", str(number))
        print(number, flush=True)
"""
CALLS = ("pwrite64", "fdatasync", "fsync")


def tracing() -> str:
    """Return why faults cannot be put under single system calls here, empty when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    traced = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    return "" if traced.returncode == 0 else f"strace may not trace: {traced.stderr.strip()[:60]}"


def failing_call(call: str, error: str, number: int, onwards: bool) -> list[str]:
    """Let the n-th system call of a process that writes fail, once or from then on; return what is wrong afterwards.

    What it was told is committed must be there, and the file must be whole.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "netterms.db"
        with Store(file):
            pass
        when = f"{number}+" if onwards else str(number)
        command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}",
                   "-e", f"inject={call}:error={error}:when={when}",
                   sys.executable, "-c", WRITER.format(root=str(ROOT)), str(file)]  # fmt: skip
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        told = set(ended.stdout.split())
        with Store(file) as store:
            there = {question for (question,) in store.tuples("SELECT question FROM answers")}
            whole = store.one("PRAGMA integrity_check")
    return [f"committed and gone: {sorted(told - there)}"] * bool(told - there) + [whole] * (whole != "ok")
