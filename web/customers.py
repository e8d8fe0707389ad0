"""Customers: who owes what, and all that is known of one."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from billing.reports import is_overdue
from store import pages
from store.database import Store
from store.pages import Window
from web.site import days, open_store, search, sources, today, window

blueprint = Blueprint("customers", __name__)
Owed = dict[str, tuple[int, int]]  # currency -> open and overdue, in minor units


@blueprint.get("/customers")
def index() -> str:
    """List customers by name with what they owe."""
    with open_store() as store:
        rows = pages.customers(store, search(), window())
        owed = _owed(store, [row.id for row in rows])
    return render_template("customers.html", rows=rows, owed=owed, window=window())


@blueprint.get("/customers/<int:customer_id>")
def show(customer_id: int) -> str:
    """Show one customer: contracts, latest documents and payments, and what it is at the vendors."""
    first = Window()
    with open_store() as store:
        row = pages.customer(store, customer_id) or abort(404, "There is no such customer.")
        return render_template(
            "customer.html",
            row=row,
            customer=row.customer,
            owed=_owed(store, [row.id]).get(row.id, {}),
            contracts=pages.contracts(store, first, customer_id=row.id),
            documents=pages.documents(store, first, days=days(), customer_id=row.id),
            elsewhere=pages.foreign(store, first, days=days(), customer_id=row.id),
            days=days(),
            payments=pages.payments(store, first, customer_id=row.id),
            links=pages.customer_links(store, row.id, list(sources())),
            sources=sources(),
            history=pages.history(store, f"customer:{row.id}"),
        )


def _owed(store: Store, customers: list[int]) -> dict[int, Owed]:
    """Return what customers owe on our invoices and on those that others made in the books."""
    found: dict[int, Owed] = {}
    for item in (*pages.balances(store, customers), *pages.foreign_balances(store, customers)):
        currencies = found.setdefault(item.customer_id, {})
        total, late = currencies.get(item.currency, (0, 0))
        overdue = item.open if is_overdue(item.due_on, item.open, today(item.entity)) else 0
        currencies[item.currency] = (total + item.open, late + overdue)
    return found
