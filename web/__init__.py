"""What people see in a browser: thin Flask pages over the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.wrappers import Response as Answer

from sync.context import World
from web import contracts, credits, customers, documents, inbox, jobs, milestones, pages, payments, reviews
from web.access import Access, guard
from web.site import FILTERS, GLOBALS, Site, policy

_PAGES = (pages, customers, contracts, milestones, documents, credits, payments, reviews, jobs, inbox)


def create_app(store: Path, world: World, cadence: Mapping[str, int], access: Access) -> Flask:
    """Return the web application over the store of ``world``; ``cadence`` is the seconds between runs of each job.

    Raises ``ValueError`` when it would be reached from elsewhere without a password.
    """
    app = Flask("web", root_path=str(Path(__file__).parent))
    app.config["SITE"] = Site(store, world, dict(cadence))
    guard(app, access, world.new_key)
    for module in _PAGES:
        app.register_blueprint(module.blueprint)
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
    app.register_error_handler(HTTPException, _say)
    app.after_request(_harden)
    return app


def _say(error: HTTPException) -> Answer | tuple[str, int, list[tuple[str, str]]]:
    """Say in words what was wrong with a request; under a foreign name say only that."""
    if isinstance(error, SecurityError):
        return Answer(f"{error.description}\n", 400, content_type="text/plain")
    if error.code is None:
        return error.get_response()
    headers = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")]
    return render_template("error.html", title=error.name, text=error.description), error.code, headers


def _harden(response: Response) -> Response:
    """Pages run no script and are shown in no frame, so nothing foreign can act in them."""
    response.headers.setdefault("Content-Security-Policy", policy())
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
