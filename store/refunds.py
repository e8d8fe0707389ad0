"""Money given back at the provider, and the credit in the books that each cent of it is taken from."""

from __future__ import annotations

from datetime import date

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store

# SQL: what was refunded of the payment p out of credit notes; the money itself still pays its invoice. A refund that
# came back may not be reversed in the books yet.
_OF_NOTES = "coalesce(sum(r.amount), 0)"
FROM_CREDIT = (
    f"(SELECT CASE WHEN {_OF_NOTES}>p.refunded THEN p.refunded ELSE {_OF_NOTES} END FROM refunds r"
    " WHERE r.payment_id=p.id AND r.credit_id IS NOT NULL AND r.reversed='')"
)
CAME_BACK = "it came back"  # the payer did not get it: it is their credit again
TAKEN_BACK = "its payment was taken back"  # with all that had become of it


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what was refunded of a payment; ``credit_id`` None: taken from its own money on account.

    ``reversed``: why it is booked as given back no more, empty while it is.
    """

    id: int
    payment_id: int
    credit_id: int | None
    amount: int
    on_day: date
    reversed: str = ""


def of(store: Store, payment_id: int) -> list[Refund]:
    """Return the refunds of a payment that have their place, and were not reversed."""
    return store.rows(Refund, "SELECT * FROM refunds WHERE payment_id=? AND reversed='' ORDER BY id", payment_id)


def get(store: Store, refund_id: int) -> Refund:
    """Return one refund; raises ``KeyError`` when there is none."""
    found = store.first(Refund, "SELECT * FROM refunds WHERE id=?", refund_id)
    if found is None:
        raise KeyError(refund_id)
    return found


def that_came_back(store: Store, entity: str) -> list[Refund]:
    """Return the refunds of an entity's payments that did not reach their payers."""
    sql = (
        "SELECT r.* FROM refunds r JOIN payments p ON p.id=r.payment_id WHERE p.entity=? AND r.reversed=? ORDER BY r.id"
    )
    return store.rows(Refund, sql, entity, CAME_BACK)


def number_of(store: Store, refund: Refund) -> int:
    """Return which of all refunds of its payment one is, the first being 1: a restored store comes to the same."""
    sql = "SELECT count(*) FROM refunds WHERE payment_id=? AND id<=?"
    return int(store.one(sql, refund.payment_id, refund.id))


def place(store: Store, actor: Actor, payment_id: int, credit_id: int | None, amount: int, on: date) -> Refund:
    """Say what a refund is taken from. Call inside a transaction, after making sure that so much is left there."""
    new = store.insert("refunds", payment_id=payment_id, credit_id=credit_id, amount=amount, on_day=on.isoformat())
    after = {"credit_note": credit_id, "amount": amount}
    audit.write(store, actor, "refund placed", f"payment:{payment_id}", after=after)
    return Refund(id=new, payment_id=payment_id, credit_id=credit_id, amount=amount, on_day=on)


def reverse(store: Store, actor: Actor, refund: Refund, why: str) -> None:
    """Note that a refund counts as given back no more. Call inside a transaction."""
    store.execute("UPDATE refunds SET reversed=? WHERE id=?", why, refund.id)
    before = {"credit_note": refund.credit_id, "amount": refund.amount}
    audit.write(store, actor, "refund reversed", f"payment:{refund.payment_id}", before=before, reason=why)
