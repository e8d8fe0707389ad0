"""Real processes that are stopped, frozen and taken over: each step ends or is handed back, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Response

from sandbox.core import Fault, Faults, Vendor
from tests.worlds import TODAY, Live

ROOT = Path(__file__).resolve().parents[1]


class AtTheFirstInvoice(Faults):
    """Does something to the victim when its first invoice has been booked, and only then answers."""

    def __init__(self, act: Callable[[int], None]) -> None:
        super().__init__()
        self._act = act
        self.victim = 0
        self.calls = 0

    def next(self, vendor: str, method: str, path: str) -> Fault | None:
        if (vendor, method) != ("xero", "PUT") or "/Invoices" not in path:
            return None
        self.calls += 1
        return Fault(vendor, "reset_before") if self.calls == 1 else None

    def show(self, fault: Fault, handle: Callable[[], Response], vendor: Vendor) -> Response:  # type: ignore[override]
        answer = handle()
        self._act(self.victim)
        return answer


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """One deal whose invoice is issued and not booked yet."""
    found = Live(tmp_path)
    found.configure("port = 8400", "port = 0")
    found.sell()
    found.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    return found


@contextmanager
def victim(live: Live, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None], *words: str) -> Iterator[Any]:
    """Run a command of its own process, which ``act`` meets at its first invoice."""
    faults = AtTheFirstInvoice(act)
    monkeypatch.setattr(live.sandbox, "faults", faults)
    command = [sys.executable, "-m", "app", "--config", str(live.file), *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    faults.victim = process.pid
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


SYNC = ("sync", "push_documents", "send_invoices", "--json", "--today", TODAY.isoformat())


def terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def terminate_and_hold(pid: int) -> None:
    """Answer only when the caller is gone."""
    terminate(pid)
    _await_death(pid)


def terminate_twice_and_hold(pid: int) -> None:
    terminate(pid)
    _await_handler(pid)
    terminate(pid)
    _await_death(pid)


def _await_handler(pid: int) -> None:
    """Wait until the first signal has been taken: from then on the second one is not caught any more."""
    while int(_status(pid)["SigCgt"], 16) & (1 << (signal.SIGTERM - 1)):
        time.sleep(0.01)


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def _await_death(pid: int) -> None:
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            time.sleep(0.01)


def booked(live: Live) -> int:
    return len(live.sandbox.vendors["xero"].state()["invoices"])


def open_leases(live: Live) -> list[Any]:
    return live.rows("SELECT job FROM runs WHERE outcome IS NULL")


# -------------------------------------------------------------------------------------------------------------- SIGTERM


def test_a_sync_that_is_terminated_finishes_its_step_begins_no_other_job_and_ends_well(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with victim(live, monkeypatch, terminate, *SYNC) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    (job,) = json.loads(out)["jobs"]
    assert (job["job"], job["tally"]["documents created in the books"]) == ("push_documents", 1)
    assert live.rows("SELECT state FROM outbox WHERE kind='document'") == [("done",)]
    assert open_leases(live) == []


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_a_service_that_is_terminated_finishes_its_step_and_ends_well(
    live: Live, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    with victim(live, monkeypatch, terminate, command) as process:
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert live.rows("SELECT DISTINCT state FROM outbox WHERE connection='xero_uk'") == [("done",)]
    assert open_leases(live) == []
    assert live.rows("SELECT 1 FROM runs WHERE job='report'") == []  # the last of the table was not begun
    assert booked(live) == len(live.issued())


def test_a_step_that_does_not_end_is_handed_back_within_ten_seconds_and_looked_up_by_the_next_run(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with victim(live, monkeypatch, terminate_and_hold, *SYNC) as process:
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - began < 14  # ten seconds and the start of a process
    assert live.rows("SELECT state FROM outbox WHERE kind='document'") == [("sending",)]
    assert open_leases(live) == []
    assert live.rows("SELECT message FROM runs WHERE outcome='abandoned'") == [
        ("handed back, as the service was stopped",)
    ]
    assert live.done("push_documents")["push_documents"].tally == {"documents found in the books": 1}
    assert booked(live) == 1


def test_a_second_signal_ends_a_process_at_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with victim(live, monkeypatch, terminate_twice_and_hold, *SYNC) as process:
        process.communicate(timeout=7)  # less than the grace that one signal leaves
    assert process.returncode == -signal.SIGTERM
    live.done("push_documents")
    assert booked(live) == 1


# ------------------------------------------------------------------------------------------------- taken over and woken


def test_a_process_that_slept_beyond_its_lease_can_write_nothing_and_what_it_did_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    with victim(live, monkeypatch, lambda pid: os.kill(pid, signal.SIGSTOP), *SYNC) as process:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        live.move_to(TODAY + timedelta(days=1))
        taken_over = live.done("push_documents")["push_documents"]
        assert taken_over.tally["documents found in the books"] == 1
        before = live.contents()
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    (job,) = [one for one in json.loads(out)["jobs"] if one["job"] == "push_documents"]
    assert (job["outcome"], job["message"]) == ("failed", "another process has taken this job over")
    assert {name: rows for name, rows in live.contents().items() if name != "connections"} == {
        name: rows for name, rows in before.items() if name != "connections"
    }
    assert booked(live) == 1
