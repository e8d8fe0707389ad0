"""Webhooks that came to nothing, and the forms to have them handled again."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from store.pages import ROWS
from sync import dead_letters
from web.site import open_store, person, site

blueprint = Blueprint("inbox", __name__)


@blueprint.get("/inbox")
def index() -> str:
    """List the newest dead letters."""
    with open_store() as store:
        letters = dead_letters.letters(store, site().world.sources)
    shown = [(event, why, dead_letters.preview(event)) for event, why in reversed(letters[-ROWS:])]
    return render_template("inbox.html", shown=shown, count=len(letters))


@blueprint.post("/inbox")
def replay() -> Response | tuple[str, int]:
    """Have one dead letter, or all, handled again."""
    which = request.form.get("which", "")
    with open_store() as store:
        try:
            count = dead_letters.replay(store, site().world.sources, person(), which)
        except ValueError:
            flash("That one is handled by now.")
        else:
            flash(f"{count} webhook(s) come up again: the jobs of their source run for them.")
    return redirect(url_for("inbox.index"), 303)
