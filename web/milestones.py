"""Milestones on a contract's page: what waits for the customer's acceptance, and the forms that record it."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, abort, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from store import contracts
from sync import acceptances
from web.site import open_store, person, site

blueprint = Blueprint("milestones", __name__)


@blueprint.post("/contracts/<key>/accept")
def accept(key: str) -> Response:
    """Record that a milestone was accepted, or take that back; say in words why it is not possible."""
    charge, milestone = request.form.get("charge", ""), request.form.get("milestone", "")
    with open_store() as store:
        if contracts.get(store, key) is None:
            abort(404, "There is no such contract.")
        try:
            if "withdraw" in request.form:
                acceptances.withdraw(store, person(), key, charge, milestone)
                flash("It is not accepted any more; what was billed for it is credited with the next run.")
            else:
                on = _day(request.form.get("on", ""))
                acceptances.accept(store, site().world, person(), key, charge, milestone, on)
                flash("It is recorded as accepted; the next run bills it.")
        except ValueError as error:
            abort(400, str(error))
    return redirect(url_for("contracts.show", key=key), 303)


def _day(written: str) -> date | None:
    if not written:
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{written!r} is no date: write YYYY-MM-DD") from None
