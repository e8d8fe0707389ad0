"""Payouts: what Stripe sent to the bank, with every movement of the balance that it is made of.

https://docs.stripe.com/reports/payout-reconciliation. Stripe knows the movements of automatic payouts only. The nets of
the movements add up to the payout exactly, or it is given as ``Unreadable``: half a payout is never booked. A payout
that was sent by hand is no more than its amount.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

from billing.money import to_decimal
from connectors.base import Movement, Payout, Unreadable
from connectors.errors import Unsupported
from connectors.stripe import objects
from connectors.stripe.cash import UNRECONCILED
from connectors.stripe.objects import Move, Moved
from connectors.stripe.payments import charge_id, decode, id_of, is_expanded, iso, time

Kind = Literal["payment", "refund", "dispute", "fee", "adjustment", "payout", "other"]

# https://docs.stripe.com/reports/reporting-categories; what is not named here is "other"
KINDS: dict[str, Kind] = {
    "charge": "payment",
    "unreconciled_customer_funds": "payment",  # its own id is the payment's
    "charge_failure": "refund",  # a bank debit that came back after it had been paid
    "refund": "refund",
    "refund_failure": "refund",
    "partial_capture_reversal": "refund",
    "dispute": "dispute",
    "dispute_reversal": "dispute",
    "fee": "fee",
    "network_cost": "fee",
    "tax": "fee",
    "other_adjustment": "adjustment",
    "payout": "payout",
    "payout_reversal": "payout",
}


def read_payout(found: objects.Payout, moves: Iterable[Move]) -> Payout | Unreadable:
    """Return a payout with ``moves``, all that Stripe lists for it, its own among them."""
    try:
        amount = iso(found.amount, found.currency.upper())
        movements = tuple(movement(move) for move in moves if not _is_own(move, found))
    except Unsupported as error:
        return Unreadable(found.id, str(error))
    foreign = {movement.currency for movement in movements} - {found.currency.upper()}
    total = sum(movement.net for movement in movements)
    if found.automatic and (foreign or total != amount):
        return Unreadable(
            found.id, f"its {len(movements)} movements add up to {total}, not to {amount} {found.currency}"
        )
    return Payout(
        id=found.id,
        currency=found.currency.upper(),
        amount=amount,
        arrives_on=arrival(found),
        status=status(found),
        made_at=time(found.created),
        movements=movements,
        automatic=found.automatic,
    )


def status(found: objects.Payout) -> Literal["paid", "pending", "failed"]:
    """Return how a payout stands; Stripe may still call one failed that it called paid."""
    if found.status == "paid":
        return "paid"
    return "failed" if found.status in ("failed", "canceled") else "pending"


def arrival(found: objects.Payout) -> date:
    """Return the day on which the money reaches the bank: Stripe gives midnight UTC of that day."""
    return time(found.arrival_date).date()


def _is_own(move: Move, found: objects.Payout) -> bool:
    if own := id_of(found.balance_transaction):
        return move.id == own  # a payout sent by hand may stand among the movements of an automatic one
    return move.type == "payout" and move.amount == -found.amount


def movement(move: Move) -> Movement:
    """Return a balance transaction; raises ``Unsupported`` for one that cannot be given exactly."""
    currency = move.currency.upper()
    amount, fee, net = (iso(value, currency) for value in (move.amount, move.fee, move.net))
    if net != amount - fee:
        raise Unsupported(f"of {move.id} the net {net} is not {amount} less {fee}")
    return Movement(
        id=move.id,
        kind=KINDS.get(move.reporting_category, "other"),
        amount=amount,
        fee=fee,
        net=net,
        currency=currency,
        at=time(move.created),
        payment_id=move.id if move.type == UNRECONCILED else charge_id(move.source),
        description=move.description or "",
        paid_amount=_paid(move, amount),
        paid_currency=_paid_currency(move),
    )


def _paid_currency(move: Move) -> str:
    """Return the currency of what a movement is about, empty where it is the balance's own."""
    currency = decode(move.source, Moved).currency if is_expanded(move.source) else None
    return "" if currency in (None, move.currency) else str(currency).upper()


def _paid(move: Move, settled: int) -> int | None:
    """Return what moved in the payment's currency; None where the exchange rate does not lead from it to ``settled``.

    Of a charge only what was captured moved. The rate is rounded, so a thousandth of difference is none.
    """
    currency = _paid_currency(move)
    if not currency or move.exchange_rate is None:
        return None
    about = decode(move.source, Moved)
    paid = iso(about.amount_captured or about.amount, currency)
    there = abs(to_decimal(settled, move.currency.upper()))
    if abs(to_decimal(paid, currency) * move.exchange_rate - there) > Decimal("0.01") + there / 1000:
        return None
    return -paid if settled < 0 else paid
