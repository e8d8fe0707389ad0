"""The endpoints of the stand-in: what each accepts and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import request

from sandbox.stripe import cash, links, wire
from sandbox.stripe.account import Account
from sandbox.stripe.objects import CARD, Object, Order, step
from sandbox.stripe.wire import PAGE, Refusal, as_int, as_list, listing

EVENTS_KEPT = 30 * 86_400
CUSTOMER_FIELDS = {"address", "description", "email", "metadata", "name", "phone"}

# Stripe's own test payment methods (https://docs.stripe.com/testing), as far as the stand-in plays them
TEST_METHODS = {
    "pm_card_visa": (CARD, "succeeds"),
    "pm_card_chargeDeclined": (CARD, "declined"),
    "pm_card_createDispute": (CARD, "disputed"),
    "pm_usBankAccount_success": ("us_bank_account", "succeeds"),
    "pm_usBankAccount_accountClosed": ("us_bank_account", "fails"),
    "pm_sepaDebit_success": ("sepa_debit", "succeeds"),
    "pm_bacsDebit_success": ("bacs_debit", "succeeds"),
}


@dataclass(frozen=True)
class Call:
    """One request: for which account, with which parameters. ``write`` gives the time of a write."""

    account: Account
    params: dict[str, Any]
    now: Callable[[], datetime]
    tick: Callable[[], datetime]
    id: str = ""

    def write(self) -> int:
        """Return the Unix time of a new write."""
        return int(self.tick().timestamp())

    def need(self, name: str) -> Any:
        """Return a required parameter."""
        if not self.params.get(name):
            raise Refusal(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
        return self.params[name]


@dataclass(frozen=True)
class Endpoint:
    """A path under ``/v1``, the kind of object it answers with, and the parameters it knows."""

    method: str
    path: str
    kind: str
    answer: Callable[[Call], Object]
    params: set[str] = field(default_factory=set)


def _get(kind: str) -> Callable[[Call], Object]:
    def answer(call: Call) -> Object:
        found = call.account.objects[kind].get(call.id)
        if found is None:
            raise wire.missing(kind, call.id)
        return found

    return answer


def _list(kind: str, *equal: str) -> Callable[[Call], Object]:
    def answer(call: Call) -> Object:
        wanted = {name: call.params[name] for name in equal if name in call.params}

        def keep(item: Object) -> bool:
            return all(item.get(name) == value for name, value in wanted.items())

        return listing(call.account, kind, f"/v1/{kind}s", call.params, keep)

    return answer


def list_moves(call: Call) -> Object:
    """List balance transactions by type, currency, source or payout, which must be an automatic one."""
    wanted = {name: call.params[name] for name in ("type", "currency", "source") if name in call.params}
    payout = call.params.get("payout")
    if payout and not call.account.objects["payout"].get(payout, {"automatic": True})["automatic"]:
        message = "Balance transaction history can only be filtered on automatic transfers, not manual."
        raise Refusal(400, message, param="payout")

    def keep(item: Object) -> bool:
        if payout and call.account.paid_out.get(item["id"]) != payout:
            return False
        return all(item[name] == value for name, value in wanted.items())

    return listing(call.account, "balance_transaction", "/v1/balance_transactions", call.params, keep)


def list_events(call: Call) -> Object:
    """List the events of the last 30 days, by type or by up to 20 types, and by whether all webhooks took them."""
    types = as_list(call.params.get("types")) or as_list(call.params.get("type"))
    if len(types) > 20:
        raise Refusal(400, "You may specify at most 20 types.", param="types")
    oldest, delivered = call.now().timestamp() - EVENTS_KEPT, call.params.get("delivery_success")

    def keep(item: Object) -> bool:
        wanted = delivered in (None, str(item["pending_webhooks"] == 0).lower())
        return wanted and item["created"] >= oldest and (not types or item["type"] in types)

    return listing(call.account, "event", "/v1/events", call.params, keep)


def list_invoice_payments(call: Call) -> Object:
    """List payments of Stripe's own invoices, by status, invoice or what paid."""
    paid_by = call.params.get("payment") or {}

    def keep(item: Object) -> bool:
        equal = all(item[name] == call.params[name] for name in ("status", "invoice") if name in call.params)
        return equal and all(item["payment"].get(name) == value for name, value in paid_by.items())

    return listing(call.account, "invoice_payment", "/v1/invoice_payments", call.params, keep)


def get_account(call: Call) -> Object:
    """Return the account of the key."""
    account = call.account
    return {
        "id": account.id,
        "object": "account",
        "business_profile": {"name": f"Northwind Cloud ({account.entity.upper()})"},
        "charges_enabled": True,
        "country": account.country,
        "created": 1_500_000_000,
        "default_currency": account.currency,
        "details_submitted": True,
        "email": f"finance-{account.entity}@sandbox.example",
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": f"Northwind Cloud {account.entity.upper()}", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def create_customer(call: Call) -> Object:
    """Create a customer."""
    return call.account.add_customer(call.account.next_key(), call.write(), call.params)


def get_customer(call: Call) -> Object:
    """Return a customer, with the cash balance where that is asked for."""
    found = _get("customer")(call)
    wanted = "cash_balance" in as_list(call.params.get("expand"))
    return {**found, "cash_balance": cash.balance(call.account, call.id)} if wanted else found


def update_customer(call: Call) -> Object:
    """Change a customer."""
    changes = {name: value for name, value in call.params.items() if name in CUSTOMER_FIELDS}
    return call.account.update_customer(_get("customer")(call), call.write(), changes)


def create_intent(call: Call) -> Object:
    """Create a payment intent, and pay it when ``confirm`` says so."""
    order = _order(call)
    confirm = call.params.get("confirm") == "true"
    if confirm:
        call.need("payment_method")
    key, at = call.account.next_key(), call.write()
    intent = call.account.open_intent(key, at, order)
    return _pay(call, key, at, order, intent) if confirm else intent


def confirm_intent(call: Call) -> Object:
    """Pay a payment intent with one of the test payment methods."""
    intent = _get("payment_intent")(call)
    if intent["status"] != "requires_payment_method":
        message = (
            f"This PaymentIntent's payment_method could not be updated because it has a status of {intent['status']}."
        )
        raise Refusal(400, message, code="payment_intent_unexpected_state")
    call.need("payment_method")
    kept = {name: intent[name] for name in ("amount", "currency", "customer", "description", "metadata")}
    order = _order(Call(call.account, {**kept, **call.params}, call.now, call.tick))
    return _pay(call, call.account.next_key(), call.write(), order, intent)


def _pay(call: Call, key: str, at: int, order: Order, intent: Object) -> Object:
    made = call.account.confirm(key, at, order, intent)
    if order.outcome == "declined":
        raise Refusal(402, made["failure_message"], code="card_declined", type_="card_error")
    return intent


def _order(call: Call) -> Order:
    params = call.params
    currency = str(call.need("currency")).lower()
    amount = as_int(call.need("amount"), "amount")
    if amount < 1:
        raise Refusal(400, "This value must be greater than or equal to 1.", param="amount")
    if amount % step(currency):
        message = f"Invalid amount: {amount} {currency} has decimals that this currency cannot be charged in."
        raise Refusal(400, message, code="invalid_charge_amount", param="amount")
    customer = params.get("customer")
    known = call.account.objects["customer"].get(customer, {}) if customer else {}
    if customer and not known:
        raise wire.missing("customer", customer, "customer", 400)
    method = params.get("payment_method", "pm_card_visa")
    if method not in TEST_METHODS:
        raise wire.missing("PaymentMethod", method, "payment_method", 400)
    return Order(
        amount=amount,
        currency=currency,
        method=TEST_METHODS[method][0],
        customer=customer,
        name=known.get("name"),
        email=known.get("email"),
        description=params.get("description"),
        metadata=params.get("metadata") or {},
        suffix=params.get("statement_descriptor_suffix"),
        outcome=TEST_METHODS[method][1],
    )


def create_refund(call: Call) -> Object:
    """Give back what is left of a charge, or a part of it."""
    source = _charge_of(call)
    left = source["amount"] - source["amount_refunded"]
    amount = as_int(call.params.get("amount", left), "amount")
    if left == 0:
        raise Refusal(400, f"Charge {source['id']} has already been refunded.", code="charge_already_refunded")
    if source["status"] != "succeeded":
        raise Refusal(400, f"Charge {source['id']} cannot be refunded yet.", code="charge_not_refundable")
    if not 1 <= amount <= left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise Refusal(400, message, param="amount")
    return call.account.refund(call.account.next_key(), call.write(), source, amount, call.params)


def _charge_of(call: Call) -> Object:
    id_ = call.params.get("charge")
    if not id_:
        intent = call.account.objects["payment_intent"].get(call.need("payment_intent"))
        if intent is None or not intent["latest_charge"]:
            raise wire.missing("payment_intent", call.params["payment_intent"], "payment_intent")
        id_ = intent["latest_charge"]
    if id_ not in call.account.objects["charge"]:
        raise wire.missing("charge", id_, "charge")
    return call.account.objects["charge"][id_]


def create_payout(call: Call) -> Object:
    """Send a part of what is available to the bank, by hand."""
    amount, currency = as_int(call.need("amount"), "amount"), str(call.need("currency"))
    if not 1 <= amount <= call.account.available(currency):
        message = "You have insufficient funds in your Stripe account for this transfer."
        raise Refusal(400, message, code="balance_insufficient")
    return call.account.pay_out_by_hand(call.account.next_key(), call.write(), currency, amount)


def list_links(call: Call) -> Object:
    """List payment links; those that are not ``active`` where that is asked for."""
    wanted = call.params.get("active")

    def keep(item: Object) -> bool:
        return wanted is None or str(item["active"]).lower() == wanted

    return listing(call.account, "payment_link", "/v1/payment_links", call.params, keep)


def create_link(call: Call) -> Object:
    """Create a payment link, whose page is served here, too."""
    return links.create_link(call.account, call.write(), call.params, f"{request.host_url.rstrip('/')}/stripe")


_CREATED = PAGE | {"created"}
_CONFIRM = {"payment_method", "off_session", "return_url", "receipt_email", "statement_descriptor_suffix", "expand"}
_INTENT = _CONFIRM | {
    "amount",
    "automatic_payment_methods",
    "confirm",
    "currency",
    "customer",
    "description",
    "metadata",
    "payment_method_types",
}

_LINK = {"line_items", "metadata", "payment_intent_data", "restrictions", "expand"}

ENDPOINTS = (
    Endpoint("GET", "/v1/account", "account", get_account, {"expand"}),
    Endpoint("GET", "/v1/customers", "customer", _list("customer", "email"), _CREATED | {"email"}),
    Endpoint("POST", "/v1/customers", "customer", create_customer, CUSTOMER_FIELDS | {"expand"}),
    Endpoint("GET", "/v1/customers/<id>", "customer", get_customer, {"expand"}),
    Endpoint("POST", "/v1/customers/<id>", "customer", update_customer, CUSTOMER_FIELDS | {"expand"}),
    Endpoint(
        "GET",
        "/v1/charges",
        "charge",
        _list("charge", "customer", "payment_intent", "transfer_group"),
        _CREATED | {"customer", "payment_intent", "transfer_group"},
    ),
    Endpoint("GET", "/v1/charges/<id>", "charge", _get("charge"), {"expand"}),
    Endpoint(
        "GET", "/v1/payment_intents", "payment_intent", _list("payment_intent", "customer"), _CREATED | {"customer"}
    ),
    Endpoint("POST", "/v1/payment_intents", "payment_intent", create_intent, _INTENT),
    Endpoint("GET", "/v1/payment_intents/<id>", "payment_intent", _get("payment_intent"), {"expand"}),
    Endpoint("POST", "/v1/payment_intents/<id>/confirm", "payment_intent", confirm_intent, _CONFIRM),
    Endpoint(
        "GET",
        "/v1/balance_transactions",
        "balance_transaction",
        list_moves,
        _CREATED | {"currency", "payout", "source", "type"},
    ),
    Endpoint("GET", "/v1/balance_transactions/<id>", "balance_transaction", _get("balance_transaction"), {"expand"}),
    Endpoint(
        "GET",
        "/v1/refunds",
        "refund",
        _list("refund", "charge", "payment_intent"),
        _CREATED | {"charge", "payment_intent"},
    ),
    Endpoint(
        "POST",
        "/v1/refunds",
        "refund",
        create_refund,
        {"amount", "charge", "payment_intent", "reason", "metadata", "expand"},
    ),
    Endpoint("GET", "/v1/refunds/<id>", "refund", _get("refund"), {"expand"}),
    Endpoint(
        "GET",
        "/v1/invoice_payments",
        "invoice_payment",
        list_invoice_payments,
        _CREATED | {"invoice", "payment", "status"},
    ),
    Endpoint("GET", "/v1/invoices/<id>", "invoice", _get("invoice"), {"expand"}),
    Endpoint(
        "GET",
        "/v1/disputes",
        "dispute",
        _list("dispute", "charge", "payment_intent"),
        _CREATED | {"charge", "payment_intent"},
    ),
    Endpoint("GET", "/v1/disputes/<id>", "dispute", _get("dispute"), {"expand"}),
    Endpoint("GET", "/v1/products/<id>", "product", _get("product"), {"expand"}),
    Endpoint(
        "POST",
        "/v1/products",
        "product",
        lambda call: links.create_product(call.account, call.write(), call.params),
        {"id", "name", "description", "metadata", "default_price_data", "expand"},
    ),
    Endpoint(
        "POST",
        "/v1/products/<id>",
        "product",
        lambda call: links.update_product(_get("product")(call), call.write(), call.params),
        {"metadata", "expand"},
    ),
    Endpoint("GET", "/v1/payment_links", "payment_link", list_links, PAGE | {"active"}),
    Endpoint("GET", "/v1/payment_links/<id>", "payment_link", _get("payment_link"), {"expand"}),
    Endpoint("POST", "/v1/payment_links", "payment_link", create_link, _LINK),
    Endpoint(
        "POST",
        "/v1/payment_links/<id>",
        "payment_link",
        lambda call: links.update_link(_get("payment_link")(call), call.params),
        {"active", "restrictions", "metadata", "expand"},
    ),
    Endpoint("GET", "/v1/events", "event", list_events, _CREATED | {"type", "types", "delivery_success"}),
    Endpoint("GET", "/v1/events/<id>", "event", _get("event"), {"expand"}),
    Endpoint("GET", "/v1/payouts", "payout", _list("payout", "status"), _CREATED | {"status"}),
    Endpoint("POST", "/v1/payouts", "payout", create_payout, {"amount", "currency", "expand"}),
    Endpoint("GET", "/v1/payouts/<id>", "payout", _get("payout"), {"expand"}),
)
