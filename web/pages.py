"""The home page: what is open, what waits for a person, how the connections and jobs are; and the health check."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template

from billing.reports import BUCKETS
from store import pages, runs
from store.pages import Window
from sync.report import Receivable, summary
from web.access import may_see
from web.jobs import latest_runs
from web.site import days, open_store, sources

blueprint = Blueprint("pages", __name__)


@blueprint.get("/health")
def health() -> Response:
    """Answer whether the store can be read; who may see the pages also learns which connections to mend."""
    with open_store() as store:
        states = runs.connection_states(store)
    if not may_see():
        return jsonify(status="ok")
    broken = {name: state.state for name, state in states.items() if state.state != "ok"}
    return jsonify(status="ok" if not broken else "attention", connections=broken)


@blueprint.get("/")
def home() -> str:
    """Show what is open and overdue, by age; what waits for a person; the latest runs; the connections."""
    with open_store() as store:
        found = summary(store, days())
        items = pages.reviews(store, Window())
        waiting = sum(pages.review_codes(store).values())
        latest = latest_runs(store)
        states = runs.connection_states(store)
    return render_template(
        "home.html",
        summary=found,
        buckets=BUCKETS,
        bars={(item.entity, item.currency): _bars(item) for item in found.receivables},
        items=items[:5],
        waiting=waiting,
        jobs=latest,
        connections=[(source, states.get(source.name)) for source in sources().values()],
    )


def _bars(item: Receivable) -> list[tuple[str, int, float, float]]:
    """Return (bucket, amount, left, width) of a bar of 100 units that shows how the open amount is aged."""
    bars, left = [], 0.0
    for name, amount in item.aging.items():
        width = 100 * amount / item.open if item.open else 0.0
        bars.append((name, amount, round(left, 2), round(width, 2)))
        left += width
    return bars
