"""What a person decides on a review item, carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from billing.terms import Terms
from store import cash, contracts, customers_booked, foreign, invoices, links, mail, outbox, restores, review
from store.audit import Actor
from store.cash import PaymentRow
from store.database import Store
from store.outbox import Side
from store.review import Item
from sync import decide_deals, edited, entries, identity, removed
from sync.edited import UPDATE_DOCUMENT
from sync.outbox import ACCEPT
from sync.voiding import VOID_DOCUMENT

_DECIDED_ONCE = (
    UPDATE_DOCUMENT.name,
    VOID_DOCUMENT.name,
)  # kinds that no step draws up anew: they are sent as they are


def decide(store: Store, actor: Actor, item_id: int, action: str, reason: str) -> Item:
    """Carry out ``action`` on a review item; returns the item.

    An action may carry a value after ``=``, as in ``apply=US-00012``. Raises ``ValueError`` saying what is possible.
    """
    if not reason.strip():
        raise ValueError("say why: the reason is kept in the audit trail")
    item = review.get(store, item_id)
    if item is None or item.state == "closed":
        raise ValueError(f"there is no open review item {item_id}; see: netterms review")
    name, _, value = action.partition("=")
    if name not in item.choices:
        raise ValueError(f"review item {item_id} has no action {name!r}; it has: {', '.join(item.choices)}")
    subject = item.subject.partition(":")[2]
    with store.transaction():
        if (item.code, name) in _ON_ITEMS:
            _ON_ITEMS[item.code, name](store, actor, item, value, reason)
        elif name != "dismiss":
            _ACTIONS[item.code if name == "apply" else name](store, actor, subject, value, reason)
        review.decide(store, actor, item, name, reason)
    return item


def give_to(store: Store, actor: Actor, item_id: int, owner: str) -> Item:
    """Say who looks after a review item (at most 100 characters; empty: nobody); returns it. Raises ``ValueError``."""
    item = review.get(store, item_id)
    if item is None or item.state == "closed":
        raise ValueError(f"there is no open review item {item_id}; see: netterms review")
    with store.transaction():
        review.give_to(store, actor, item, owner.strip()[:100])
    return msgspec.structs.replace(item, owner=owner.strip()[:100])


def both_sides(store: Store, item: Item) -> list[Side]:
    """Return what is meant here beside what a vendor holds, for an item about something there or on its way there."""
    if (shown := edited.shows(item)) is not None:
        return edited.both_sides(store, *shown)
    if item.code == entries.CODE:
        return entries.both_sides(store, item)
    kind, _, name = item.subject.partition(":")
    intent = outbox.get(store, int(name)) if kind == "outbox" and name.isdigit() else None
    if intent is None:
        return []
    if intent.kind == UPDATE_DOCUMENT.name:
        return edited.both_sides(store, intent.connection, intent.our_id)
    return intent.both_sides


def asks_for(item: Item, action: str) -> str:
    """Return what an action needs after ``=``, for people; empty when it needs nothing."""
    if (item.code, action) == ("customer_match", "link"):
        ids = identity.shown(item)[2]
        return f"Which customer of the books: {' or '.join(ids)}" if len(ids) > 1 else ""
    return _VALUES.get((item.code, action), "")


def _retry(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    intent = outbox.get(store, int(subject))
    again = outbox.resend if intent and intent.kind in _DECIDED_ONCE and intent.state == "parked" else outbox.retry
    if not again(store, int(subject)):
        raise ValueError("it is not parked any more")


def _link(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    """Take the customer that is found at the ledger next time as ours, whatever differs."""
    if not outbox.unpark(store, int(subject), ACCEPT):
        raise ValueError("it is not parked any more")


def _link_customer(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """The customer of the ledger is ours; where several were shown, ``value`` says which."""
    connection, currency, ids = identity.shown(item)
    chosen = value or (ids[0] if len(ids) == 1 else "")
    if chosen not in ids:
        raise ValueError(f"say which customer of the books is meant: --do link=ID, one of {', '.join(ids)}")
    customer_id = int(item.subject.partition(":")[2])
    if links.by_vendor(store, connection, "customer").get(chosen, customer_id) != customer_id:
        raise ValueError(f"{chosen} is another customer of ours already: merge the two in the CRM, or: separate")
    links.link_customer(store, actor, connection, chosen, customer_id, [currency], reason)


def _separate_customer(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    connection, _, ids = identity.shown(item)
    links.separate(store, actor, connection, int(item.subject.partition(":")[2]), ids, reason)


def _put_ours(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """Let the next sync overwrite a customer in the books with our fields."""
    connection, currency = item.detail.split(" ")
    customer_id = int(item.subject.partition(":")[2])
    customers_booked.overwrite(store, actor, connection, customer_id, currency, reason)


def _apply_terms(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    row = contracts.get(store, subject)
    if row is None or row.proposed is None:
        raise ValueError("the change is not proposed any more")
    contracts.replace_terms(store, actor, row, msgspec.json.decode(row.proposed, type=Terms), reason)


def _keep_terms(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    row = contracts.get(store, subject)
    if row is None or row.proposed is None:
        raise ValueError("the change is not proposed any more")
    contracts.refuse_terms(store, actor, row, reason)


def _apply_cash(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    payment = cash.get(store, int(subject))
    document = invoices.by_number(store, payment.entity, value)
    if document is None:
        _apply_cash_to_foreign(store, actor, payment, value, reason)
        return
    part = min(payment.available, document.open)
    cash.apply(store, actor, payment, [(document.id, part)], reason)
    cash.assign_customer(store, payment.id, document.customer_id)


def _apply_cash_to_foreign(store: Store, actor: Actor, payment: PaymentRow, number: str, reason: str) -> None:
    document = foreign.by_number(store, payment.entity, number)
    if document is None:
        raise ValueError(f"name an invoice of {payment.entity}: --do apply=NUMBER (got {number!r})")
    cash.apply_to_foreign(store, actor, payment, [(document.id, min(payment.available, document.open))], reason)
    if document.customer_id is not None:
        cash.assign_customer(store, payment.id, document.customer_id)


def _release(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    if not restores.release(store, actor, int(subject), reason):
        raise ValueError("it is known again by now")


def _held(how: contracts.HeldDecision) -> Callable[[Store, Actor, str, str, str], None]:
    def act(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
        contracts.decide_held(store, actor, subject, how, reason)

    return act


def _doubtful_mail(state: Literal["sent", "again"]) -> Callable[[Store, Actor, str, str, str], None]:
    def act(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
        mail.decide(store, actor, subject, state, reason)

    return act


def _disputed(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    mail.dispute(store, actor, int(subject), reason)


_ACTIONS: dict[str, Callable[[Store, Actor, str, str, str], None]] = {
    "retry": _retry,
    "link": _link,
    "keep": _keep_terms,
    "contract_changed": _apply_terms,
    "unapplied_cash": _apply_cash,
    "bill_again": _held("bill_again"),
    "waive": _held("waived"),
    "billed_by_hand": _held("elsewhere"),
    "send_again": _doubtful_mail("again"),
    "consider_sent": _doubtful_mail("sent"),
    "disputed": _disputed,
    "release": _release,
}

# Decisions that need the whole item, by its code and the action.
_ON_ITEMS: dict[tuple[str, str], Callable[[Store, Actor, Item, str, str], None]] = {
    ("customer_match", "link"): _link_customer,
    ("customer_match", "separate"): _separate_customer,
    ("posting_removed", "put_back"): removed.put_back,
    ("books_differ", "put_back"): edited.put_back,
    (entries.CODE, "put_back"): entries.put_back,
    ("renumbered_in_books", "put_back"): edited.put_back,
    ("customer_edited_in_books", "put_ours"): _put_ours,
    **decide_deals.DECISIONS,
}

# What a person has to name with an action, by the item's code and the action.
_VALUES = {**decide_deals.VALUES, ("unapplied_cash", "apply"): "Invoice number"}
