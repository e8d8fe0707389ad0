"""Customers' cash balances: what they transferred by bank, until it is applied to a payment.

It is none of the account's own balance before that: https://docs.stripe.com/payments/customer-balance/reconciliation.
"""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.objects import BANK_TRANSFER, Object, Order, new_id

OPEN = ("requires_payment_method", "requires_action")


def fund(account: Account, key: str, at: int, customer: str, amount: int, currency: str, reference: str = "") -> None:
    """Let a customer transfer money. Stripe applies it by itself, as far as it reaches, to what waits for it:

    the payment intent of just that amount, else the oldest ones, the last of them maybe in part.
    """
    transfer = {"bank_transfer": {"reference": reference or None, "type": "us_bank_transfer"}}
    _change(account, f"{key} in", at, (customer, currency), amount, "funded", funded=transfer)
    waiting = [
        one
        for one in account.objects["payment_intent"].values()
        if one["status"] in OPEN and not one["latest_charge"]
        if (one["customer"], one["currency"]) == (customer, currency)
    ]
    exact = [one for one in waiting if left_of(account, one) == amount]
    for number, intent in enumerate(exact[:1] or waiting):
        apply(account, f"{key} {number}", at, intent)


def left_of(account: Account, intent: Object) -> int:
    """Return what a payment intent still waits for."""
    return int(intent["amount"] - account.funded.get(intent["id"], 0))


def apply(account: Account, key: str, at: int, intent: Object) -> None:
    """Apply what its customer has in the cash balance to a payment intent; fully funded, it succeeds at once."""
    of = (intent["customer"], intent["currency"])
    amount = min(account.cash.get(of, 0), left_of(account, intent))
    if not amount:
        return
    account.funded[intent["id"]] = account.funded.get(intent["id"], 0) + amount
    _change(account, f"{key} out", at, of, -amount, "applied_to_payment", applied_to_payment=_about(intent))
    left = left_of(account, intent)
    if left:
        shown = {"amount_remaining": left, "currency": intent["currency"], "type": "us_bank_transfer"}
        action = {"type": "display_bank_transfer_instructions", "display_bank_transfer_instructions": shown}
        intent.update(status="requires_action", next_action=action)
        account.tell("payment_intent.partially_funded", intent, at)
        return
    intent["next_action"] = None
    kept = {name: intent[name] for name in ("amount", "currency", "customer", "description", "metadata")}
    account.confirm(key, at, Order(**kept, method=BANK_TRANSFER), intent)


def give_back(account: Account, key: str, at: int, customer: str, amount: int, currency: str) -> None:
    """Send money of a cash balance back to its customer."""
    _change(account, key, at, (customer, currency), -amount, "return_initiated")


def to_balance(account: Account, key: str, at: int, customer: str, amount: int, currency: str) -> Object:
    """Move money that nobody applied into the account's own balance; return the balance transaction."""
    source: Object = {"id": customer, "object": "customer", "currency": currency}
    move = account.move(key, at, "payment_unreconciled", source, amount)
    move["source"] = None
    moved = {"balance_transaction": move["id"]}
    _change(account, key, at, (customer, currency), -amount, "transferred_to_balance", transferred_to_balance=moved)
    return move


def balance(account: Account, customer: str) -> Object:
    """Return the cash balance of a customer."""
    held = {currency: amount for (owner, currency), amount in account.cash.items() if owner == customer and amount}
    return {
        "object": "cash_balance",
        "available": held or None,
        "customer": customer,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


def _about(intent: Object) -> Object:
    return {"payment_intent": intent["id"]}


def _change(account: Account, key: str, at: int, of: tuple[str, str], amount: int, type_: str, **more: Object) -> None:
    customer, currency = of
    account.cash[of] = account.cash.get(of, 0) + amount
    made: Object = {
        "id": new_id("ccsbtxn_1", account.seed, account.entity, key),
        "object": "customer_cash_balance_transaction",
        "created": at,
        "currency": currency,
        "customer": customer,
        "ending_balance": account.cash[of],
        "livemode": False,
        "net_amount": amount,
        "type": type_,
        **more,
    }
    account.tell("customer_cash_balance_transaction.created", made, at)
