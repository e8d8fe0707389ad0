"""Products, and the payment links on which they are bought. A link's page is here, too: a POST to it pays."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import wire
from sandbox.stripe.account import Account
from sandbox.stripe.objects import CARD, Object, Order, new_id, step
from sandbox.stripe.wire import Refusal, as_int


def create_product(account: Account, at: int, params: dict[str, Any]) -> Object:
    """Create a product with its price; an id of the caller's own can exist once."""
    key = account.next_key()
    id_ = params.get("id") or new_id("prod_", account.seed, account.entity, key)
    if id_ in account.objects["product"]:
        raise Refusal(400, "Product already exists.", code="resource_already_exists", param="id")
    price = params.get("default_price_data") or {}
    currency = str(price.get("currency", "")).lower()
    amount = as_int(price.get("unit_amount"), "default_price_data[unit_amount]")
    if not currency or amount < 1 or amount % step(currency):
        message = f"Invalid amount: {amount} {currency} has decimals that this currency cannot be charged in."
        raise Refusal(400, message, code="invalid_charge_amount", param="default_price_data[unit_amount]")
    made: Object = {
        "id": new_id("price_1", account.seed, account.entity, key),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": at,
        "currency": currency,
        "livemode": False,
        "metadata": {},
        "product": id_,
        "type": "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    account.objects["price"][made["id"]] = made
    account.objects["product"][id_] = {
        "id": id_,
        "object": "product",
        "active": True,
        "created": at,
        "default_price": made["id"],
        "description": params.get("description"),
        "livemode": False,
        "metadata": dict(params.get("metadata") or {}),
        "name": params.get("name"),
        "updated": at,
    }
    return account.objects["product"][id_]


def update_product(found: Object, at: int, params: dict[str, Any]) -> Object:
    """Set what a product carries."""
    found["metadata"] = {**found["metadata"], **(params.get("metadata") or {})}
    found["updated"] = at
    return found


def create_link(account: Account, at: int, params: dict[str, Any], base: str) -> Object:
    """Create a payment link for one price; its page is served by the stand-in at ``base``."""
    items = list((params.get("line_items") or {}).values())
    price = account.objects["price"].get(str(items[0].get("price"))) if len(items) == 1 else None
    if price is None:
        raise Refusal(400, "Missing required param: line_items.", code="parameter_missing", param="line_items")
    id_ = new_id("plink_1", account.seed, account.entity, account.next_key())
    intent = params.get("payment_intent_data") or {}
    sessions = ((params.get("restrictions") or {}).get("completed_sessions") or {}).get("limit")
    restrictions = {"completed_sessions": {"count": 0, "limit": as_int(sessions, "limit")}} if sessions else None
    account.objects["payment_link"][id_] = {
        "id": id_,
        "object": "payment_link",
        "active": True,
        "currency": price["currency"],
        "livemode": False,
        "metadata": dict(params.get("metadata") or {}),
        "payment_intent_data": {
            "description": intent.get("description"),
            "metadata": dict(intent.get("metadata") or {}),
        },
        "restrictions": restrictions,
        "url": f"{base}/buy/{account.entity}/{id_}",
    }
    account.priced[id_] = price["id"]
    return account.objects["payment_link"][id_]


def update_link(found: Object, params: dict[str, Any]) -> Object:
    """Switch a link on or off, or let it take another number of payments."""
    if "active" in params:
        found["active"] = params["active"] == "true"
    sessions = ((params.get("restrictions") or {}).get("completed_sessions") or {}).get("limit")
    if sessions:
        found["restrictions"]["completed_sessions"]["limit"] = as_int(sessions, "limit")
    return found


def buy(account: Account, at: int, link_id: str, method: str = CARD, outcome: str = "succeeds") -> Object:
    """Pay on a link's page; return the charge. A link that took its payment takes no other.

    A bank debit counts when it is submitted, whatever becomes of it.
    """
    link = account.objects["payment_link"].get(link_id)
    if link is None:
        raise wire.missing("payment_link", link_id)
    sessions = (link["restrictions"] or {}).get("completed_sessions")
    if not link["active"] or (sessions and sessions["count"] >= sessions["limit"]):
        raise Refusal(400, "This link is no longer active.", code="payment_link_inactive")
    if sessions:
        sessions["count"] += 1
    price, data = account.objects["price"][account.priced[link_id]], link["payment_intent_data"]
    kept = {"description": data["description"], "metadata": data["metadata"]}
    order = Order(price["unit_amount"], price["currency"], method, outcome=outcome, **kept)
    return account.pay(account.next_key(), at, order)
