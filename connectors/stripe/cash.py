"""Customers' cash balances: what they transferred by bank and Stripe has applied to no payment yet.

It is none of the account's own balance until it is applied: then a charge brings it like any other payment. So it comes
as a payment of that customer that is under way, ``held``, as much as there is now, and as nothing once it is gone: no
cent is there twice. What Stripe moves into the balance although nobody applied it is received by that.
https://docs.stripe.com/payments/customer-balance/reconciliation
"""

from __future__ import annotations

from collections import Counter

import msgspec

from connectors.base import ReceivedPayment, Unreadable
from connectors.errors import Unsupported
from connectors.stripe.objects import Customer, Holder, Move, Waiting
from connectors.stripe.payments import iso, time

CREATED = "customer_cash_balance_transaction.created"
UNRECONCILED = "payment_unreconciled"  # the type of balance transaction that moves it into the balance


class Changes(msgspec.Struct):
    """What events told: when the money of a customer in a currency moved last, and whose a balance transaction is."""

    moved: dict[tuple[str, str], int] = {}  # msgspec copies the defaults
    owners: dict[str, str] = {}


def held(holder: Holder, intents: list[Waiting]) -> Counter[str]:
    """Return by currency what a customer transferred that has become no payment, parts of payments included."""
    found = Counter((holder.cash_balance and holder.cash_balance.available) or {})
    for intent in intents:
        shown = intent.next_action and intent.next_action.display_bank_transfer_instructions
        if intent.status == "requires_action" and shown and shown.amount_remaining is not None:
            found[intent.currency] += intent.amount - shown.amount_remaining
    return found


def under_way(holder: Holder, currency: str, amount: int, moved: int) -> ReceivedPayment | Unreadable:
    """Return what of a customer's money is held in a currency, maybe nothing any more."""
    return _payment(f"{holder.id}-{currency}", holder, currency, amount, moved, is_held=True)


def received(move: Move, customer: Customer) -> ReceivedPayment | Unreadable:
    """Return what was moved into the balance although nobody had applied it."""
    return _payment(move.id, customer, move.currency, move.amount, move.created, is_held=False)


def _payment(
    id_: str, customer: Customer, currency: str, amount: int, at: int, *, is_held: bool
) -> ReceivedPayment | Unreadable:
    code = currency.upper()
    try:
        exact = iso(amount, code)
    except Unsupported as error:
        return Unreadable(id_, str(error))
    marks = {f"customer.metadata.{key}": value for key, value in (customer.metadata or {}).items() if value}
    return ReceivedPayment(
        id=id_,
        currency=code,
        amount=exact,
        received_at=time(at),
        status="processing" if is_held else "succeeded",
        held=is_held,
        customer_id=customer.id,
        customer_name=customer.name or "",
        customer_email=customer.email or "",
        marks={"kind": "direct", "method": "customer_balance", **marks},
    )
