"""Credit notes that a person gives against an invoice: the form, what it would credit, and the act."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from store import invoices
from store.database import Store
from store.invoices import DocumentRow
from sync import credits
from sync.credits import Wish
from web.site import open_store, person, site

blueprint = Blueprint("credits", __name__)


@blueprint.get("/invoices/<int:document_id>/credit")
def show(document_id: int) -> str | tuple[str, int]:
    """Ask what to credit; once that is said, show the credit note it would be."""
    with open_store() as store:
        return _page(store, _invoice(store, document_id), request.args)


@blueprint.post("/invoices/<int:document_id>/credit")
def give(document_id: int) -> Response | str | tuple[str, int]:
    """Issue the credit note, if it is still the one that was looked at; say in words why it is not possible."""
    given = request.form
    with open_store() as store:
        row = _invoice(store, document_id)
        try:
            seen = given.get("seen") or "nothing"
            note = credits.give(store, site().world, person(), row, _wish(given), given.get("reason", ""), seen)
        except ValueError as error:
            return _page(store, row, given, str(error))
    flash(f"{note.number} is issued; the next run puts it into the books.")
    return redirect(url_for("documents.show", document_id=note.id), 303)


def _page(store: Store, row: DocumentRow, given: Mapping[str, str], problem: str = "") -> str | tuple[str, int]:
    rest: list[int] = []
    note = None
    try:
        rest = credits.rest(store, site().world, row)
        note = credits.note(store, site().world, row, _wish(given)) if given.get("what") else None
    except ValueError as error:
        problem = problem or str(error)
    lines = [(number, *one) for number, one in enumerate(zip(row.draft.lines, rest, strict=False), 1)]
    page = render_template(
        "credit.html",
        row=row,
        lines=[(str(number), drafted, left) for number, drafted, left in lines if left > 0],
        rest=sum(rest),
        given=given,
        note=note,
        seen=credits.mark(note) if note else "",
        problem=problem,
    )
    return (page, 400) if problem else page


def _wish(given: Mapping[str, str]) -> Wish:
    """Return what is asked for: ``what`` is ``all``, ``net``, ``gross`` or the number of a line."""
    what, amount = given.get("what", ""), _amount(given.get("amount", "").strip())
    if what.isascii() and what.isdigit():
        return Wish(line=int(what), amount=amount)
    if what == "all":
        return Wish()
    if what not in ("net", "gross"):
        raise ValueError("say what to credit")
    if amount is None:
        raise ValueError("write the amount")
    return Wish(net=amount) if what == "net" else Wish(gross=amount)


def _amount(written: str) -> Decimal | None:
    if not written:
        return None
    try:
        found = Decimal(written)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ValueError(f"{written!r} is no amount: write e.g. 1200.50")
    return found


def _invoice(store: Store, document_id: int) -> DocumentRow:
    try:
        row = invoices.get(store, document_id)
    except KeyError:
        abort(404, "There is no such document.")
    if row.number is None or row.type != "invoice":
        abort(400, "Only an issued invoice can be credited.")
    return row
