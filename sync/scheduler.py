"""Runs the jobs by their cadence, one after the other, until it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from sync.jobs import JOBS


def start(run: Callable[[str], Any], cadence: Mapping[str, int], now: datetime) -> BackgroundScheduler:
    """Start a scheduler that calls ``run(job name)`` every ``cadence[job]`` seconds.

    All jobs share one thread, in the order of the table, as the store has one writer. A job that was missed runs
    once, not once for each time it was missed.
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
    scheduler.start()
    return scheduler
