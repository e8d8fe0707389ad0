"""Runs the jobs by their cadence, one after the other, until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from sync.jobs import JOBS

Hastened = Callable[[], Sequence[str]]
LOOK = timedelta(seconds=2)  # how often it is asked which jobs are due before their time


def start(
    run: Callable[[str], Any], cadence: Mapping[str, int], now: datetime, hastened: Hastened | None = None
) -> BackgroundScheduler:
    """Start a scheduler that calls ``run(job name)`` every ``cadence[job]`` seconds.

    All jobs share one thread, in the order of the table, as the store has one writer. A job that was missed runs
    once, not once for each time it was missed. ``hastened`` says which jobs are due before their time.
    """
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone=UTC)
    for place, job in enumerate(JOBS):
        scheduler.add_job(
            run,
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
        _watch(scheduler, run, hastened)
    scheduler.start()
    return scheduler


def _watch(scheduler: BackgroundScheduler, run: Callable[[str], Any], hastened: Hastened) -> None:
    """Run what is due before its time, and look again ``LOOK`` after that is done: looks never queue up."""

    def look() -> None:
        try:
            for name in hastened():
                run(name)
        finally:
            _watch(scheduler, run, hastened)

    scheduler.add_job(look, _Soon(), misfire_grace_time=None)


class _Soon(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires once, ``LOOK`` after the job was added."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """Return when to fire."""
        return now + LOOK if previous is None else None
