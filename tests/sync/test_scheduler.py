"""The scheduler runs jobs by their cadence, one after the other, in the order of the table."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync import scheduler
from sync.jobs import JOBS

NAMES = [job.name for job in JOBS]
DAY = 24 * 3600


class Recorder:
    """Takes down which job ran, and whether two ever ran at once."""

    def __init__(self, enough: int) -> None:
        self.ran: list[str] = []
        self.at_once = 0
        self._enough = enough
        self._running = threading.Lock()
        self.done = threading.Event()

    def __call__(self, name: str) -> None:
        self.at_once += not self._running.acquire(blocking=False)
        self.ran.append(name)
        if len(self.ran) >= self._enough:
            self.done.set()
        if self._running.locked():
            self._running.release()


@contextmanager
def running(run: Any, cadence: dict[str, int], hastened: Any = None) -> Iterator[Any]:
    started = scheduler.start(run, cadence, datetime.now(UTC), hastened)
    try:
        yield started
    finally:
        started.shutdown(wait=True)


def test_the_first_pass_runs_every_job_once_in_the_order_of_the_table_one_at_a_time() -> None:
    recorder = Recorder(len(JOBS))
    with running(recorder, dict.fromkeys(NAMES, DAY)):
        assert recorder.done.wait(10)
    assert recorder.ran == NAMES
    assert recorder.at_once == 0


def test_a_job_runs_again_after_its_own_cadence() -> None:
    recorder = Recorder(len(JOBS) + 1)
    with running(recorder, {**dict.fromkeys(NAMES, DAY), "pull_deals": 1}):
        assert recorder.done.wait(10)
    assert recorder.ran.count("pull_deals") >= 2  # more often where this machine is slow to begin the others
    assert all(recorder.ran.count(name) <= 1 for name in NAMES if name != "pull_deals")


def test_a_job_that_raises_stops_no_other() -> None:
    recorder = Recorder(len(JOBS) - 1)

    def run(name: str) -> None:
        if name == "pull_deals":
            raise RuntimeError("no such thing")
        recorder(name)

    with running(run, dict.fromkeys(NAMES, DAY)):
        assert recorder.done.wait(10)
    assert recorder.ran == NAMES[1:]


def test_each_job_has_its_configured_cadence_and_runs_that_were_missed_are_made_up_for_once() -> None:
    cadence = {name: 60 + place for place, name in enumerate(NAMES)}
    with running(lambda name: None, cadence) as started:
        jobs = {job.id: job for job in started.get_jobs()}
    assert {name: int(job.trigger.interval.total_seconds()) for name, job in jobs.items()} == cadence
    assert all(job.coalesce and job.max_instances == 1 and job.misfire_grace_time is None for job in jobs.values())


def test_what_is_due_before_its_time_runs_soon_again_and_again_and_never_beside_another_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "LOOK", timedelta(milliseconds=20))
    recorder = Recorder(len(JOBS) + 4)
    with running(recorder, dict.fromkeys(NAMES, DAY), lambda: ["pull_payments", "match_payments"]):
        assert recorder.done.wait(10)
    assert recorder.ran.count("pull_payments") >= 2
    assert recorder.ran.count("pull_deals") == 1
    assert recorder.at_once == 0


def test_a_look_that_fails_is_followed_by_another_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "LOOK", timedelta(milliseconds=20))
    monkeypatch.setattr(scheduler, "PAUSE", timedelta(milliseconds=30))
    recorder, looks = Recorder(len(JOBS) + 1), []

    def hastened() -> list[str]:
        looks.append(1)
        if len(looks) < 3:
            raise OSError("the store cannot be read")
        return ["pull_deals"]

    with running(recorder, dict.fromkeys(NAMES, DAY), hastened):
        assert recorder.done.wait(10)
    assert recorder.ran.count("pull_deals") >= 2


def test_looks_do_not_queue_up_behind_a_long_job(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler, "LOOK", timedelta(milliseconds=10))
    looked_again = threading.Event()
    looks: list[int] = []

    def hastened() -> list[str]:
        looks.append(len(looks))
        if len(looks) > 3:
            looked_again.set()
        return []

    def run(name: str) -> None:
        threading.Event().wait(0.3 if name == NAMES[0] else 0)  # many looks long

    with running(run, dict.fromkeys(NAMES, DAY), hastened):
        assert looked_again.wait(10)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_it_stops_in_the_middle_of_a_look_after_the_job_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "LOOK", timedelta(milliseconds=5))
    ended = []

    def run(name: str) -> None:
        threading.Event().wait(0.02)
        ended.append(name)

    for _ in range(10):
        with running(run, dict.fromkeys(NAMES, DAY), lambda: ["pull_deals"]):
            threading.Event().wait(0.05)
        count = len(ended)
        assert not [thread.name for thread in threading.enumerate() if thread.name == "hastened jobs"]
        assert len(ended) == count > 0
