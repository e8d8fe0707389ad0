"""The shapes of Stripe's objects as API version 2026-10-28 sends them, and its rules for amounts and ids.

Amounts are integers in Stripe's own minor units (https://docs.stripe.com/currencies); times are Unix seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Object = dict[str, Any]

ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))  # the last digit must be 0
WHOLE_UNITS = frozenset(("ISK", "UGX"))  # two decimals for old times' sake, both must be 0

CARD = "card"
BANK_TRANSFER = "customer_balance"
DEBITS = {"usd": "us_bank_account", "eur": "sepa_debit", "gbp": "bacs_debit"}

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def dice(*key: object) -> int:
    """Return a large number that depends on ``key`` alone: the sandbox's only source of chance."""
    text = "\x1f".join(str(part) for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:20], "big")


def new_id(prefix: str, *key: object) -> str:
    """Return an id that looks like Stripe's: ``ch_3`` and 23 characters, ``cus_`` and 14."""
    number, letters = dice("id", prefix, *key), ""
    for _ in range(14 if prefix == "cus_" else 23):
        number, digit = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[digit]
    return prefix + letters


def decimals(currency: str) -> int:
    """Return how many decimals Stripe's amounts of ``currency`` have."""
    code = currency.upper()
    return 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """Return what every amount of ``currency`` must be a multiple of."""
    return 10 if currency.upper() in THREE_DECIMAL else 100 if currency.upper() in WHOLE_UNITS else 1


def minor_units(value: Decimal, currency: str) -> int:
    """Return major units as Stripe's minor units, cut to what Stripe accepts."""
    exact = int(value.scaleb(decimals(currency)))
    return exact - exact % step(currency)


def fee_of(amount: int, method: str, currency: str) -> int:
    """Return Stripe's fee: 2.9 % + 30 for cards, 0.8 % but at most 500 for bank debits."""
    fee = (amount * 29 + 500) // 1000 + 30 if method == CARD else min(500, (amount * 8 + 500) // 1000)
    return fee + -fee % step(currency)


@dataclass(frozen=True)
class Order:
    """A payment somebody makes; ``charge_*`` is what stands only on the charge."""

    amount: int
    currency: str  # lower case
    method: str = CARD
    customer: str | None = None
    name: str | None = None
    email: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    charge_description: str | None = None
    charge_metadata: Mapping[str, str] = field(default_factory=dict)
    suffix: str | None = None  # statement_descriptor_suffix
    outcome: str = "succeeds"  # or declined, disputed, fails (a debit that bounces)


_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def customer(id_: str, at: int, fields: Mapping[str, Any]) -> Object:
    """Return a customer; ``fields`` are what the caller of the API may set."""
    return {
        "id": id_,
        "object": "customer",
        "address": fields.get("address"),
        "balance": 0,
        "created": at,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": fields.get("description"),
        "discount": None,
        "email": fields.get("email"),
        "invoice_prefix": id_[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": dict(fields.get("metadata") or {}),
        "name": fields.get("name"),
        "next_invoice_sequence": 1,
        "phone": fields.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def payment_intent(id_: str, at: int, order: Order) -> Object:
    """Return a payment intent that waits for a payment method."""
    return {
        "id": id_,
        "object": "payment_intent",
        "amount": order.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{id_}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": at,
        "currency": order.currency,
        "customer": order.customer,
        "description": order.description,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": dict(order.metadata),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": [order.method],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": order.suffix,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(id_: str, at: int, order: Order, intent: Object) -> Object:
    """Return a charge of ``intent`` that is still pending; it copies the intent's description and metadata."""
    suffix = f"* {order.suffix}" if order.suffix else ""
    return {
        "id": id_,
        "object": "charge",
        "amount": order.amount,
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {
            "address": dict(_ADDRESS),
            "email": order.email,
            "name": order.name,
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": f"SANDBOX{suffix}"[:22],
        "captured": False,
        "created": at,
        "currency": order.currency,
        "customer": order.customer,
        "description": order.charge_description or intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {**intent["metadata"], **order.charge_metadata},
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": new_id("pm_1", id_),
        "payment_method_details": {order.method: _method_details(order.method), "type": order.method},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": order.suffix,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def _method_details(method: str) -> Object:
    if method == CARD:
        return {
            "brand": "visa",
            "country": "US",
            "exp_month": 8,
            "exp_year": 2030,
            "funding": "credit",
            "last4": "4242",
        }
    return {"bank_name": "STRIPE TEST BANK", "last4": "6789"}


@dataclass(frozen=True)
class Rate:
    """How the money of payments in some currency reaches the balance: in ``currency``, so much for one unit."""

    currency: str
    per_unit: Decimal

    def exchange(self, amount: int) -> int:
        """Return minor units as minor units of the balance's currency, which has as many decimals."""
        return int((amount * self.per_unit).quantize(Decimal(1), ROUND_HALF_UP))


def balance_transaction(
    id_: str, at: int, *, type_: str, source: Object, amount: int, fee: int = 0, rate: Rate | None = None
) -> Object:
    """Return a movement on the account's balance; money is available two days later, but at once for a payout.

    ``amount`` is in the currency of ``source``; with a ``rate`` the movement is in the rate's. The fee is in that.
    """
    payout = type_ == "payout"
    currency = rate.currency if rate else source["currency"]
    amount = rate.exchange(amount) if rate else amount
    return {
        "id": id_,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": at if payout else at + 2 * 86_400,
        "balance_type": "payments",
        "created": at,
        "currency": currency,
        "description": source.get("description"),
        "exchange_rate": float(rate.per_unit) if rate else None,
        "fee": fee,
        "fee_details": _fee_details(fee, currency),
        "net": amount - fee,
        "reporting_category": _CATEGORIES.get(type_, type_),
        "source": source["id"],
        "status": "available" if payout else "pending",
        "type": type_,
    }


_CATEGORIES = {
    "payment": "charge",
    "payment_failure_refund": "charge_failure",
    "payment_refund": "refund",
    "payment_unreconciled": "unreconciled_customer_funds",
    "adjustment": "dispute",
    "payout_failure": "payout_reversal",
}


def _fee_details(fee: int, currency: str) -> list[Object]:
    if not fee:
        return []
    details = {"amount": fee, "application": None, "currency": currency}
    return [{**details, "description": "Stripe processing fees", "type": "stripe_fee"}]


def refund(id_: str, at: int, source: Object, amount: int, fields: Mapping[str, Any]) -> Object:
    """Return a refund of ``amount`` of the charge ``source``."""
    return {
        "id": id_,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": source["id"],
        "created": at,
        "currency": source["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": dict(fields.get("metadata") or {}),
        "payment_intent": source["payment_intent"],
        "reason": fields.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(id_: str, at: int, source: Object, amount: int) -> Object:
    """Return a dispute of ``amount`` of the charge ``source``."""
    return {
        "id": id_,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": source["id"],
        "created": at,
        "currency": source["currency"],
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": source["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def payout(id_: str, at: int, currency: str, amount: int, *, automatic: bool = True) -> Object:
    """Return a payout that reaches the bank a day later."""
    return {
        "id": id_,
        "object": "payout",
        "amount": amount,
        "arrival_date": at + 86_400,
        "automatic": automatic,
        "balance_transaction": None,
        "created": at,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": f"ba_sandbox_{currency}",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "completed" if automatic else "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "type": "bank_account",
    }


def event(id_: str, at: int, type_: str, snapshot: Object) -> Object:
    """Return an event with the object as it is now."""
    return {
        "id": id_,
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": at,
        "data": {"object": snapshot},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
    }
