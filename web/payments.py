"""Payments: what came in, and which invoices each cent of it pays."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from connectors.base import LedgerPayment, ReceivedPayment
from store import cash, pages
from store.pages import PAYMENT_STATES
from web.site import choice, open_store, search, site, window

blueprint = Blueprint("payments", __name__)


@blueprint.get("/payments")
def index() -> str:
    """List payments by entity and state, or those that mention what is looked for."""
    entities = tuple(site().world.entities)
    entity, state = choice("entity", entities), choice("state", PAYMENT_STATES)
    with open_store() as store:
        rows = pages.payments(store, window(), search=search(), entity=entity, state=state)
    return render_template(
        "payments.html",
        rows=rows,
        entity=entity,
        entities=entities,
        state=state,
        states=PAYMENT_STATES,
        window=window(),
    )


@blueprint.get("/payments/<int:payment_id>")
def show(payment_id: int) -> str:
    """Show one payment: what its vendor says of it, what it pays, and what is left."""
    with open_store() as store:
        try:
            row = cash.get(store, payment_id)
        except KeyError:
            abort(404, "There is no such payment.")
        applied = pages.applied(store, payment_id=row.id)
        entity = site().world.entities.get(row.entity)
        booked = (
            {part.id: pages.intent(store, entity.accounting, "payment", part.id) for part in applied} if entity else {}
        )
        return render_template(
            "payment.html",
            row=row,
            received=row.payment(ReceivedPayment) if row.is_received else None,
            typed=None if row.is_received else row.payment(LedgerPayment),
            customer=pages.customer(store, row.customer_id) if row.customer_id else None,
            applied=applied,
            booked=booked,
            items=pages.reviews_of(store, f"payment:{row.id}"),
            history=pages.history(store, f"payment:{row.connection}:{row.vendor_id}"),
        )
