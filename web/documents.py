"""Invoices, credit notes and drafts; drafts are approved here."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from connectors.base import LedgerDocument
from store import invoices, ledger, pages, payment_pages
from store.database import Store
from store.invoices import DocumentRow
from store.outbox import Intent
from store.pages import DOCUMENT_STATES, FOREIGN_STATES, Window
from sync import paper, voiding
from web.site import choice, days, open_store, person, search, site, today, window

blueprint = Blueprint("documents", __name__)
_CHANGED = "The drafts have changed since you looked at them. Look again, then approve."


@blueprint.get("/invoices")
def index() -> str:
    """List documents by entity and state, or those whose number or customer is looked for."""
    entities = tuple(site().world.entities)
    entity, state = choice("entity", entities), choice("state", DOCUMENT_STATES)
    with open_store() as store:
        rows = pages.documents(store, window(), days=days(), search=search(), entity=entity, state=state)
    return render_template(
        "documents.html",
        rows=rows,
        entity=entity,
        entities=entities,
        state=state,
        states=DOCUMENT_STATES,
        days=days(),
        window=window(),
    )


@blueprint.get("/invoices/<int:document_id>")
def show(document_id: int) -> str:
    """Show one document: its lines, what pays it, and what the books say of it."""
    with open_store() as store:
        return _page(store, _document(store, document_id))


@blueprint.post("/invoices/<int:document_id>/void")
def void(document_id: int) -> Response | tuple[str, int]:
    """Void an invoice that nobody has seen yet; say in words why it is not possible."""
    reason = request.form.get("reason", "").strip()
    with open_store() as store:
        row = _document(store, document_id)
        try:
            voiding.void(store, site().world, person(), row, reason)
        except ValueError as error:
            return _page(store, row, str(error)), 400
    flash(f"{row.number} is void. The next run voids it in the books and asks whether its lines are billed again.")
    return redirect(url_for("documents.show", document_id=row.id), 303)


def _page(store: Store, row: DocumentRow, problem: str = "") -> str:
    return render_template(
        "document.html",
        row=row,
        draft=row.draft,
        keys=list(invoices.slices_of(row.draft)),
        against=invoices.by_number(store, row.entity, row.draft.against),
        notes=invoices.credits_of(store, row.entity, row.number or ""),
        customer=pages.customer(store, row.customer_id),
        applied=pages.applied(store, document_id=row.id),
        books=_books(store, row),
        pay_at=payment_pages.address(store, row.id),
        mark=pages.mark(row),
        today=today(row.entity),
        items=pages.reviews_of(store, f"document:{row.id}"),
        history=pages.history(store, f"document:{row.id}"),
        problem=problem,
        given=request.form,
    )


@blueprint.get("/elsewhere")
def elsewhere() -> str:
    """List what others made in the books."""
    entities = tuple(site().world.entities)
    entity, state = choice("entity", entities), choice("state", FOREIGN_STATES)
    with open_store() as store:
        rows = pages.foreign(store, window(), days=days(), search=search(), entity=entity, state=state)
    return render_template(
        "elsewhere.html",
        rows=rows,
        entity=entity,
        entities=entities,
        state=state,
        states=FOREIGN_STATES,
        days=days(),
        window=window(),
    )


@blueprint.get("/elsewhere/<int:foreign_id>")
def show_elsewhere(foreign_id: int) -> str:
    """Show one document that others made in the books."""
    with open_store() as store:
        found = pages.foreign(store, Window(), days=days(), foreign_id=foreign_id)
        if not found:
            abort(404, "There is no such document.")
        return render_template(
            "elsewhere_one.html",
            row=found[0],
            today=today(found[0].entity),
            applied=pages.applied(store, foreign_id=foreign_id),
            items=pages.reviews_of(store, f"foreign:{foreign_id}"),
            history=pages.history(store, f"foreign:{foreign_id}"),
        )


@blueprint.get("/drafts")
def drafts() -> str:
    """List what waits to be approved."""
    with open_store() as store:
        rows = pages.documents(store, window(), days=days(), state="draft")
        waiting, seen = pages.waiting_drafts(store)
        marks = {row.id: pages.mark(invoices.get(store, row.id)) for row in rows}
    auto = [key for key, entity in site().world.entities.items() if entity.approve == "auto"]
    return render_template(
        "drafts.html", rows=rows, waiting=len(waiting), seen=seen, marks=marks, auto=auto, window=window()
    )


@blueprint.get("/drafts/<int:document_id>/proforma")
def proforma(document_id: int) -> str:
    """Show a draft as the customer would get it, marked as what it is: no invoice."""
    with open_store() as store:
        row = _document(store, document_id)
        if row.number is not None:
            abort(404, f"It is issued, as {row.number}.")
        entity = site().world.entities.get(row.entity)
        return render_template(
            "proforma.html",
            row=row,
            draft=paper.pro_forma(store, row, today(row.entity)),
            keys=list(invoices.slices_of(row.draft)),
            seller=entity.name if entity else row.entity,
            customer=pages.customer(store, row.customer_id),
        )


@blueprint.post("/drafts/approve")
def approve_all() -> Response:
    """Approve every draft, if they are still those that were looked at."""
    with open_store() as store, store.transaction():
        waiting, seen = pages.waiting_drafts(store)
        same = request.form.get("seen") == seen
        count = invoices.approve(store, person(), waiting) if same else 0
    flash(_approved(count) if same else _CHANGED)
    return redirect(url_for("documents.drafts"), 303)


@blueprint.post("/drafts/<int:document_id>/approve")
def approve(document_id: int) -> Response:
    """Approve one draft, if it is still the one that was looked at."""
    with open_store() as store, store.transaction():
        row = _document(store, document_id)
        same = row.number is None and request.form.get("seen") == pages.mark(row)
        count = invoices.approve(store, person(), [row.id]) if same else 0
    flash(_approved(count) if same else _CHANGED)
    return redirect(url_for("documents.drafts"), 303)


def _approved(count: int) -> str:
    return f"{count} draft{'' if count == 1 else 's'} approved; the next run issues what may leave."


def _document(store: Store, document_id: int) -> DocumentRow:
    try:
        return invoices.get(store, document_id)
    except KeyError:
        abort(404, "There is no such document.")


def _books(store: Store, row: DocumentRow) -> tuple[str, Intent | None, LedgerDocument | None]:
    """Return the ledger's connection, what became of the document on its way there, and how the ledger holds it."""
    entity = site().world.entities.get(row.entity)
    if entity is None:
        return "", None, None
    link = pages.link(store, entity.accounting, "document", row.id)
    held = ledger.get(store, entity.accounting, "document", link.vendor_id, LedgerDocument) if link else None
    return entity.accounting, pages.intent(store, entity.accounting, "document", row.id), held
