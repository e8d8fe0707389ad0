"""What people see in a browser: thin Flask pages over the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from flask import Flask, Response

from sync.context import Source
from web import pages


def create_app(
    store: Path, today: Mapping[str, Callable[[], date]], sources: Sequence[Source], cadence: Mapping[str, int]
) -> Flask:
    """Return the web application.

    ``today`` gives the date in each legal entity's zone, ``cadence`` the seconds between runs of each job.
    """
    app = Flask("web", root_path=str(Path(__file__).parent))
    app.config.update(STORE=store, TODAY=dict(today), SOURCES=tuple(sources), CADENCE=dict(cadence))
    app.register_blueprint(pages.blueprint)
    app.jinja_env.filters["money"] = pages.money
    app.jinja_env.filters["moment"] = pages.moment
    app.after_request(_harden)
    return app


def _harden(response: Response) -> Response:
    """Pages run no script and are shown in no frame, so nothing foreign can act in them."""
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "
                                "form-action 'self'; frame-ancestors 'none'; base-uri 'none'")  # fmt: skip
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
