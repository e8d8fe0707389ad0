"""What becomes of money later: refunds that fail, disputes that end, debits that come back, payouts that fail.

And what comes in another way: invoices of Stripe's own.
"""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.objects import Object, Order, new_id


def fail_refund(account: Account, refund_id: str, at: int) -> None:
    """Let a refund fail: the money is back in the balance, and the charge counts as refunded by so much less."""
    refund = account.objects["refund"][refund_id]
    source = account.objects["charge"][refund["charge"]]
    move = account.move(f"failed {refund_id}", at, "refund_failure", refund, refund["amount"])
    refund.update(status="failed", failure_reason="lost_or_stolen_card", failure_balance_transaction=move["id"])
    source["amount_refunded"] -= refund["amount"]
    source["refunded"] = False
    account.tell("refund.failed", refund, at)


def close_dispute(account: Account, dispute_id: str, at: int, *, won: bool) -> None:
    """End a dispute. Won, the money comes back with the fee for it; the charge stays marked as disputed."""
    found = account.objects["dispute"][dispute_id]
    found["status"] = "won" if won else "lost"
    if won:
        taken = found["balance_transactions"][0]
        back = account.move(f"won {dispute_id}", at, "adjustment", found, found["amount"], -taken["fee"])
        back["reporting_category"] = "dispute_reversal"
        found["balance_transactions"].append(back)
    account.tell("charge.dispute.closed", found, at)


def return_debit(account: Account, charge_id: str, at: int) -> None:
    """Let a bank take a debit back that had succeeded."""
    source = account.objects["charge"][charge_id]
    account.fail_debit(source, at)
    source.update(status="failed", failure_code="insufficient_funds")
    account.tell("charge.failed", source, at)


def fail_payout(account: Account, payout_id: str, at: int) -> None:
    """Let the bank refuse a payout; what it was made of stays listed under it."""
    found = account.objects["payout"][payout_id]
    move = account.move(f"failed {payout_id}", at, "payout_failure", found, found["amount"])
    found.update(status="failed", failure_code="account_closed", failure_balance_transaction=move["id"])
    account.tell("payout.failed", found, at)


def pay_invoice(account: Account, key: str, at: int, order: Order, number: str) -> Object:
    """Issue an invoice of Stripe's own and let it be paid; return the charge, which does not know of it."""
    made: Object = {
        "id": new_id("in_1", account.seed, account.entity, key),
        "object": "invoice",
        "amount_due": order.amount,
        "amount_paid": order.amount,
        "created": at,
        "currency": order.currency,
        "customer": order.customer,
        "description": None,
        "metadata": {},
        "number": number,
        "status": "paid",
    }
    charge = account.pay(key, at, order)
    payment: Object = {
        "id": new_id("inpay_1", account.seed, account.entity, key),
        "object": "invoice_payment",
        "amount_paid": order.amount,
        "amount_requested": order.amount,
        "created": at,
        "currency": order.currency,
        "invoice": made["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": charge["payment_intent"]},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": at},
    }
    account.objects["invoice"][made["id"]] = made
    account.objects["invoice_payment"][payment["id"]] = payment
    account.tell("invoice_payment.paid", payment, at)
    account.tell("invoice.paid", made, at)
    return charge
