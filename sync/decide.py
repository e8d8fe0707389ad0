"""What a person decides on a review item, carried out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from billing.terms import Terms
from store import cash, contracts, invoices, outbox, review
from store.audit import Actor
from store.database import Store
from store.review import Item
from sync.outbox import ACCEPT


def decide(store: Store, actor: Actor, item_id: int, action: str, reason: str) -> Item:
    """Carry out ``action`` on a review item; returns the item.

    An action may carry a value after ``=``, as in ``apply=US-00012``. Raises ``ValueError`` saying what is possible.
    """
    item = review.get(store, item_id)
    if item is None or item.state == "closed":
        raise ValueError(f"there is no open review item {item_id}; see: netterms review")
    name, _, value = action.partition("=")
    if name not in item.choices:
        raise ValueError(f"review item {item_id} has no action {name!r}; it has: {', '.join(item.choices)}")
    subject = item.subject.partition(":")[2]
    with store.transaction():
        if name != "dismiss":
            _ACTIONS[item.code if name == "apply" else name](store, actor, subject, value, reason)
        review.decide(store, actor, item, name, reason)
    return item


def _retry(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    if not outbox.retry(store, int(subject)):
        raise ValueError("it is not parked any more")


def _link(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
    """Take the customer that is found at the ledger next time as ours, whatever differs."""
    if not outbox.unpark(store, int(subject), ACCEPT):
        raise ValueError("it is not parked any more")


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
        raise ValueError(f"name an invoice of {payment.entity}: --do apply=NUMBER (got {value!r})")
    part = min(payment.available, document.open)
    cash.apply(store, actor, payment, [(document.id, part)], reason)
    cash.assign_customer(store, payment.id, document.customer_id)


def _held(how: contracts.HeldDecision) -> Callable[[Store, Actor, str, str, str], None]:
    def act(store: Store, actor: Actor, subject: str, value: str, reason: str) -> None:
        contracts.decide_held(store, actor, subject, how, reason)

    return act


_ACTIONS: dict[str, Callable[[Store, Actor, str, str, str], None]] = {
    "retry": _retry,
    "link": _link,
    "keep": _keep_terms,
    "contract_changed": _apply_terms,
    "unapplied_cash": _apply_cash,
    "bill_again": _held("bill_again"),
    "waive": _held("waived"),
    "billed_by_hand": _held("elsewhere"),
}
