"""Jobs with their runs, and the connections they work with."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, render_template

from store import outbox, pages, runs
from store.database import Store
from store.runs import Run
from sync.jobs import JOBS, Job
from web import oauth
from web.site import choice, now, open_store, policy, site, sources, window

blueprint = Blueprint("jobs", __name__)
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@blueprint.get("/jobs")
def index() -> str:
    """Show each job with its latest run, and the runs before."""
    job = choice("job", tuple(job.name for job in JOBS))
    with open_store() as store:
        latest = latest_runs(store)
        rows = pages.runs(store, window(), job)
    return render_template(
        "jobs.html", jobs=latest, rows=rows, shown=[(run, did(run)) for run in rows], job=job, window=window()
    )


@blueprint.get("/connections")
def connections() -> Response:
    """Show each connection: whether it works, what to do if not, and what is on its way there."""
    with open_store() as store:
        states = runs.connection_states(store)
        counts: dict[str, list[tuple[str, str, int]]] = {}
        for connection, kind, state, count in pages.outbox_states(store):
            counts.setdefault(connection, []).append((outbox.words(kind), state, count))
    targets = oauth.targets()
    ends = {name: site().world.grant_ends(name) for name in sources()}
    page = render_template(
        "connections.html", sources=sources().values(), states=states, counts=counts, world=site().world,
        paused=[name for name, state in states.items() if state.paused(now())], connectable=targets,
        ends={name: day for name, day in ends.items() if day is not None},
    )  # fmt: skip
    # Browsers hold a form's redirect against the page's policy, too.
    return Response(page, headers={"Content-Security-Policy": policy(*targets.values())})


def latest_runs(store: Store) -> list[dict[str, Any]]:
    """Return each job with how its latest run went, in the order of the table."""
    latest = runs.latest(store)
    return [_job(job, latest.get(job.name)) for job in JOBS]


def _job(job: Job, run: Run | None) -> dict[str, Any]:
    return {
        "name": job.name,
        "purpose": job.purpose,
        "every": every(site().cadence.get(job.name, job.seconds)),
        "run": run,
        "outcome": (run.outcome or "running") if run else "never ran",
        "at": run.finished_at or run.started_at if run else "",
        "did": did(run) if run else "",
    }


def did(run: Run) -> str:
    """Return what a run did, in words."""
    tally = "; ".join(f"{count:,} {what}" for what, count in json.loads(run.tally).items())
    return "; ".join(filter(None, [tally, run.message]))


def every(seconds: int) -> str:
    """Word how often a job runs: ``every 15 minutes``."""
    size, unit = next(found for found in _UNITS if seconds % found[0] == 0)
    count = seconds // size
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"
