"""Review items: what a person must decide, and the forms to decide it with."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from store import pages, review
from store.database import Store
from store.pages import REVIEW_STATES
from store.review import Item
from sync.decide import asks_for, both_sides, decide, give_to
from web.site import choice, open_store, person, window

blueprint = Blueprint("reviews", __name__)

# What an action means, for the person who chooses it. One that is not here is shown by its own name.
ACTIONS = {
    "dismiss": ("Dismiss", "Nothing is done, and it is not asked again while the cause stays as it is."),
    "retry": ("Try again", "It is made up anew and sent with the next run."),
    "link": ("It is the same", "What the ledger holds is taken as ours, whatever differs."),
    "apply": ("Apply", "It is put into force; the next run bills or books what follows from it."),
    "keep": ("Keep as it is", "The change is refused; the same one is not proposed again."),
    "bill_again": ("Bill again", "What was billed and voided is billed anew."),
    "waive": ("Waive", "It is never billed."),
    "billed_by_hand": ("Billed by hand", "It was billed outside; it is not billed here."),
    "separate": ("It is another", "The customer gets one of its own in the books."),
    "use": ("Use one", "Everything new is billed to that customer."),
    "keep_both": ("Keep both", "Both go on as they are."),
    "base": ("It belongs to a contract", "The deal changes or goes on with that contract."),
    "standalone": ("It stands alone", "The deal is a contract of its own."),
    "end": ("End it", "That is the last day of service; what was billed beyond it is credited."),
    "keep_billing": ("Keep billing", "The contract goes on although its deal is gone."),
    "follow": ("Follow one", "That contract takes what the merged deal says; the other ends without credit."),
    "bill_both": ("Bill both", "Both contracts are meant."),
    "end_first": ("End the first", "The older contract ends before the newer one starts."),
    "ignore_second": ("Ignore the second", "The newer deal is not billed."),
    "send_again": ("Send again", "The mail goes out once more."),
    "consider_sent": ("It was sent", "Nothing more is mailed for this step."),
    "release": (
        "Bill the customer on",
        "It counts as made by others; the customer's drafts are issued again.",
    ),
    "put_back": ("Put ours back", "The next run puts it there again as it is here."),
    "put_ours": ("Put ours there", "The next run overwrites it in the books with what the CRM says."),
    "disputed": ("It is disputed", "The customer is not reminded of it any more."),
}


@blueprint.get("/review")
def index() -> str:
    """List review items by state and code."""
    state = choice("state", REVIEW_STATES) or "open"
    with open_store() as store:
        codes = pages.review_codes(store, state)
        code = choice("code", tuple(codes))
        rows = pages.reviews(store, window(), state=state, code=code)
    return render_template(
        "reviews.html", rows=rows, state=state, states=REVIEW_STATES, code=code, codes=codes, window=window()
    )


@blueprint.get("/review/<int:item_id>")
def show(item_id: int) -> str:
    """Show one item with what it is about and a form for each action."""
    with open_store() as store:
        return _page(store, item_id)


@blueprint.post("/review/<int:item_id>")
def act(item_id: int) -> Response | tuple[str, int]:
    """Carry out an action; say in words why one is not possible."""
    action, value = request.form.get("action", ""), request.form.get("value", "").strip()
    with open_store() as store:
        if review.get(store, item_id) is None:
            abort(404, "There is no such review item.")
        try:
            chosen = f"{action}={value}" if value else action
            decide(store, person(), item_id, chosen, request.form.get("reason", "").strip())
        except (ValueError, KeyError) as error:
            return _page(store, item_id, problem=str(error)), 400
    flash(f"Review item {item_id}: {ACTIONS.get(action, (action,))[0]}. The next run acts on it.")
    return redirect(url_for("reviews.index"), 303)


@blueprint.post("/review/<int:item_id>/owner")
def own(item_id: int) -> Response | tuple[str, int]:
    """Say who looks after an item."""
    with open_store() as store:
        if review.get(store, item_id) is None:
            abort(404, "There is no such review item.")
        try:
            item = give_to(store, person(), item_id, request.form.get("owner", ""))
        except ValueError as error:
            return _page(store, item_id, problem=str(error)), 400
    flash(f"Review item {item_id}: {item.owner or 'nobody'} looks after it.")
    return redirect(url_for("reviews.show", item_id=item_id), 303)


def _page(store: Store, item_id: int, problem: str = "") -> str:
    item = review.get(store, item_id) or abort(404, "There is no such review item.")
    actions = [(name, *ACTIONS.get(name, (name.replace("_", " ").capitalize(), "")), asks_for(item, name))
               for name in item.choices]  # fmt: skip
    return render_template(
        "review.html",
        item=item,
        actions=actions,
        problem=problem,
        given=request.form,
        about=_about(store, item),
        sides=both_sides(store, item),
        history=pages.history(store, f"review:{item.id}"),
    )


def _about(store: Store, item: Item) -> str:
    """Return the address of the page about an item's subject, empty when there is none."""
    kind, _, name = item.subject.partition(":")
    if kind == "outbox" and name.isdigit():
        intent = pages.intent_by_id(store, int(name))
        return _page_of(store, intent.kind, str(intent.our_id)) if intent else ""
    if kind == "deal":
        contract = pages.contract_of_deal(store, *name.rsplit(":", 1)) if ":" in name else None
        return url_for("contracts.show", key=contract.key) if contract else ""
    if kind == "payment" and name.isdigit():
        return url_for("payments.show", payment_id=int(name))
    return _page_of(store, kind, name)


def _page_of(store: Store, kind: str, name: str) -> str:
    """Return the address of one of our records; a payment in the outbox is named by its application."""
    kind = kind.removesuffix("_update").removesuffix("_void")
    if kind == "contract":
        return url_for("contracts.show", key=name)
    if kind == "connection":
        return url_for("jobs.connections")
    if not name.isdigit():
        return ""
    if kind == "document":
        return url_for("documents.show", document_id=int(name))
    if kind == "foreign":
        return url_for("documents.show_elsewhere", foreign_id=int(name))
    if kind == "customer":
        return url_for("customers.show", customer_id=int(name))
    payment = pages.payment_of(store, int(name)) if kind == "payment" else None
    return url_for("payments.show", payment_id=payment) if payment else ""
