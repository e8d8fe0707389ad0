"""The pages. They only read; what they show is what ``netterms report`` and ``netterms review`` print."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template

from billing.money import display
from billing.reports import BUCKETS
from store import review, runs
from store.database import Store
from sync.jobs import JOBS
from sync.report import Receivable, summary

blueprint = Blueprint("pages", __name__)


@blueprint.get("/health")
def health() -> Response:
    """Answer whether the store can be read and which connections a person must mend; 200 while it can."""
    with _store() as store:
        states = runs.connection_states(store)
    broken = {name: state.state for name, state in states.items() if state.state != "ok"}
    return jsonify(status="ok" if not broken else "attention", connections=broken)


@blueprint.get("/")
def home() -> str:
    """Show what is open and overdue, by age; what waits for a person; the latest runs; the connections."""
    with _store() as store:
        found = summary(store, {key: day() for key, day in current_app.config["TODAY"].items()})
        items = review.open_items(store)
        latest = runs.latest(store)
        states = runs.connection_states(store)
    return render_template(
        "home.html",
        summary=found,
        buckets=BUCKETS,
        bars={(item.entity, item.currency): _bars(item) for item in found.receivables},
        items=items,
        jobs=[_job(job, latest) for job in JOBS],
        connections=[(source, states.get(source.name)) for source in current_app.config["SOURCES"]],
    )


def _store() -> Store:
    return Store(current_app.config["STORE"])


def _bars(item: Receivable) -> list[tuple[str, int, float, float]]:
    """Return (bucket, amount, left, width) of a bar of 100 units that shows how the open amount is aged."""
    bars, left = [], 0.0
    for name, amount in item.aging.items():
        width = 100 * amount / item.open if item.open else 0.0
        bars.append((name, amount, round(left, 2), round(width, 2)))
        left += width
    return bars


def _job(job: Any, latest: dict[str, runs.Run]) -> dict[str, Any]:
    run = latest.get(job.name)
    tally = json.loads(run.tally) if run else {}
    did = "; ".join(f"{count:,} {what}" for what, count in tally.items())
    return {
        "name": job.name,
        "purpose": job.purpose,
        "outcome": (run.outcome or "running") if run else "never ran",
        "at": run.finished_at or run.started_at if run else "",
        "did": "; ".join(filter(None, [did, run.message if run else ""])),
    }


def money(minor: int, currency: str) -> str:
    """Show minor units for people."""
    return display(minor, currency)


def moment(iso: str) -> str:
    """Show a stored time to the minute."""
    return datetime.fromisoformat(iso).strftime("%d %b %Y %H:%M UTC") if iso else ""
