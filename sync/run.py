"""Runs a job: takes its lease, gives it a context, records what it did and what a person must decide."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from datetime import timedelta

import msgspec

from connectors.errors import Stopping
from store import audit, restores, review, runs
from store.database import LeaseLost, Store
from sync.context import Context, World
from sync.jobs import Job
from sync.stopping import Stop

logger = logging.getLogger("netterms")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How one job went. ``outcome`` busy: another process is running it."""

    job: str
    outcome: str
    tally: dict[str, int] = {}
    opened: int = 0
    closed: int = 0
    failures: dict[str, str] = {}
    message: str = ""

    @property
    def changed(self) -> bool:
        """Say whether anything is different after the job."""
        return bool(self.opened or self.closed or any(self.tally.values()))


def holder() -> str:
    """Return who this process is, as written into leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_job(
    job: Job, store: Store, world: World, on_progress: Callable[[int, int], None], stop: Stop | None = None
) -> Result:
    """Run ``job`` once. A failure of ours is recorded and returned, not raised: the other jobs go on.

    When ``stop`` asks for it the job ends after the step it is at; the next run goes on from there. A store that is
    older than it was is treated as one that was put back.
    """
    if restores.heed_older_store(store, world.now()):
        logger.error("the store is older than it was: each ledger is read back before anything is sent")
    other = runs.holder(store, job.name)
    run_id = runs.start(store, job.name, holder(), world.now(), dead="" if is_alive(other) else str(other))
    if run_id is None:
        return Result(job=job.name, outcome="busy", message="another process is running it")
    context = Context(store, world, job.name, _beating(store, run_id, world, on_progress, stop))
    store.fence = run_id
    try:
        job.load()(context)
        result = _record(context)
    except Stopping:
        result = _record(context, stopped=True)
    except LeaseLost as error:
        return Result(job=job.name, outcome="failed", message=str(error))
    except Exception as error:
        logger.exception("job %s failed", job.name)
        result = Result(job=job.name, outcome="failed", message=f"{type(error).__name__}: {error}")
    finally:
        store.fence = None
    tally = dict(result.tally)
    runs.finish(store, run_id, world.now(), _outcome(result), tally, result.message, result.failures)
    audit.note_head(store)
    return result


def _beating(
    store: Store, run_id: int, world: World, on_progress: Callable[[int, int], None], stop: Stop | None
) -> Callable[[int, int], None]:
    """Return the progress callback that also keeps the lease alive and the pages told, once a second at most."""
    last = world.now()

    def beat(done: int, total: int) -> None:
        nonlocal last
        if (now := world.now()) - last > timedelta(seconds=1):
            last = now
            runs.prolong(store, run_id, now, done, total)
        on_progress(done, total)
        if stop is not None and stop.asked and done != total:
            raise Stopping("the service is being stopped")

    return beat


def _record(context: Context, *, stopped: bool = False) -> Result:
    """Store the findings; a run that could not see everything closes nothing, and one that was stopped read nothing."""
    complete = not context.failures and not stopped
    with context.store.transaction():
        opened, closed = review.record(context.store, context.actor, context.job, context.findings, complete=complete)
    failures = [f"{name}: {problem}" for name, problem in context.failures.items()]
    failures += ["stopped before its end: the next run goes on from there"] * stopped
    return Result(
        job=context.job,
        outcome="done" if complete else "partly",
        tally={key: value for key, value in context.tally.items() if value},
        opened=opened,
        closed=closed,
        failures={} if stopped else context.failures,
        message="; ".join([context.message] * bool(context.message) + failures),
    )


def _outcome(result: Result) -> runs.Outcome:
    return "done" if result.outcome == "done" else "partly" if result.outcome == "partly" else "failed"


def is_alive(lease_holder: str | None) -> bool:
    """Say whether the process that holds a lease may still run: only of this machine do we know."""
    if lease_holder is None:
        return True
    host, _, pid = lease_holder.rpartition(":")
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
