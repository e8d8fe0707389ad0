"""Runs the jobs by their cadence, and sooner when they are due, one after the other, until it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from sync.jobs import JOBS

logger = logging.getLogger("netterms")

Run = Callable[[str], Any]
Hastened = Callable[[], Sequence[str]]
LOOK = timedelta(seconds=2)  # how often it is asked which jobs are due before their time
PAUSE = timedelta(minutes=1)  # and how long it is not after that went wrong


def start(run: Run, cadence: Mapping[str, int], now: datetime, hastened: Hastened | None = None) -> BackgroundScheduler:
    """Start a scheduler that calls ``run(job name)`` every ``cadence[job]`` seconds.

    Jobs run one at a time, in the order of the table, as the store has one writer. A job that was missed runs
    once, not once for each time it was missed. ``hastened`` says which jobs are due before their time.
    """
    turn = threading.Lock()

    def in_turn(name: str) -> None:
        with turn:
            run(name)

    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone=UTC)
    for place, job in enumerate(JOBS):
        scheduler.add_job(
            in_turn,
            "interval",
            args=[job.name],
            seconds=cadence[job.name],
            next_run_time=now + timedelta(milliseconds=100 * place),
            id=job.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    if hastened is not None:
        _watch(scheduler, in_turn, hastened)
    scheduler.start()
    return scheduler


def _watch(scheduler: BackgroundScheduler, run: Run, hastened: Hastened) -> None:
    """Run what is due before its time, in a thread that ends with the scheduler.

    It is no job of the scheduler's own: one that waits behind a long job would be reported as missed every time, and
    one that orders its own successor would wait for ever on a scheduler that is just being stopped.
    """
    stopped = threading.Event()

    def look() -> None:
        wait = LOOK
        while not stopped.wait(wait.total_seconds()):
            try:
                for name in hastened():
                    run(name)
                wait = LOOK
            except Exception:
                logger.exception("jobs that are due before their time could not be run")
                wait = PAUSE

    def stop(_: object) -> None:
        stopped.set()
        thread.join()

    thread = threading.Thread(target=look, name="hastened jobs", daemon=True)
    scheduler.add_listener(stop, EVENT_SCHEDULER_SHUTDOWN)
    thread.start()
