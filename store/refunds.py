"""Money given back at the provider, and the credit in the books that each cent of it is taken from."""

from __future__ import annotations

from datetime import date

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store

FROM_CREDIT = (  # SQL: what was refunded of the payment p out of credit notes; the money itself still pays its invoice
    "(SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.payment_id=p.id AND r.credit_id IS NOT NULL)"
)


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what was refunded of a payment; ``credit_id`` None: taken from its own money on account."""

    id: int
    payment_id: int
    credit_id: int | None
    amount: int
    on_day: date


def of(store: Store, payment_id: int) -> list[Refund]:
    """Return the refunds of a payment that have their place."""
    return store.rows(Refund, "SELECT * FROM refunds WHERE payment_id=? ORDER BY id", payment_id)


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
