"""Pages on which an invoice can be paid: Stripe's payment links, one for each invoice and for ever the same.

Stripe forgets an idempotency key after a day and cannot look a link up by what we wrote on it. So the link hangs on a
product whose id is made of our key: that can exist once only, and says where its link is. When a process died in
between, the link is looked for among all of them before another is made. A link takes one payment, and the payment
carries the invoice's number and our key. A bank debit counts when it is submitted: where it fails after all, the link
may take one more.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from connectors.base import PaymentPageDraft
from connectors.errors import Refused
from connectors.stripe.objects import Link, Links, Product
from connectors.stripe.payments import PAGE_KEY, stripe_units

T = TypeVar("T")
_KEY, _LINK, _WORTH = PAGE_KEY, "netterms_link", "netterms_amount"


class Api(Protocol):
    """What is needed of Stripe's API."""

    def get(self, path: str, kind: type[T], **params: Any) -> T:
        """Return the answer to a GET."""

    def post(self, path: str, kind: type[T], key: str, **params: Any) -> T:
        """Return the answer to a POST that may be made again under the same idempotency key."""


def payment_page(api: Api, wanted: PaymentPageDraft, product: Product | None) -> str:
    """Return the address of an invoice's page. ``product`` is the one that was there already.

    Raises ``Refused`` where the page of this key is for another amount.
    """
    worth = f"{wanted.amount} {wanted.currency}"
    is_new = product is None
    product = product or _product(api, wanted, worth)
    kept = product.metadata or {}
    if kept.get(_WORTH) != worth:
        raise Refused(f"the page of invoice {wanted.number} is for {kept.get(_WORTH)}, not for {worth}")
    if _LINK in kept:
        link = api.get(f"/v1/payment_links/{kept[_LINK]}", Link)
    else:
        link = (None if is_new else _lost(api, wanted)) or _link(api, wanted, product)
        api.post(f"/v1/products/{product.id}", Product, f"{wanted.key}-kept", metadata={_LINK: link.id})
    return f"{link.url}?prefilled_email={quote(wanted.customer_email)}" if wanted.customer_email else link.url


def limit(api: Api, wanted: PaymentPageDraft, product: Product, payments: int) -> None:
    """Let a link take so many payments in all, none any more when 0: it is switched off then."""
    noted = (product.metadata or {}).get(_LINK) or getattr(_lost(api, wanted), "id", "")
    if noted:
        sold: dict[str, Any] = {"restrictions": {"completed_sessions": {"limit": payments}}} if payments else {}
        path = f"/v1/payment_links/{noted}"
        api.post(path, Link, f"{wanted.key}-{payments}", active="true" if payments else "false", **sold)


def product_id(wanted: PaymentPageDraft) -> str:
    """Return the id of the product on which an invoice's link hangs."""
    return f"netterms_{wanted.key}"


def _product(api: Api, wanted: PaymentPageDraft, worth: str) -> Product:
    return api.post(
        "/v1/products",
        Product,
        f"{wanted.key}-product",
        id=product_id(wanted),
        name=f"Invoice {wanted.number}",
        metadata={_KEY: wanted.key, _WORTH: worth, "invoice_number": wanted.number},
        default_price_data={
            "currency": wanted.currency.lower(),
            "unit_amount": stripe_units(wanted.amount, wanted.currency),
        },
    )


def _link(api: Api, wanted: PaymentPageDraft, product: Product) -> Link:
    marks = {_KEY: wanted.key, "invoice_number": wanted.number}
    return api.post(
        "/v1/payment_links",
        Link,
        f"{wanted.key}-link",
        line_items=[{"price": product.default_price, "quantity": 1}],
        metadata=marks,
        payment_intent_data={"description": wanted.description or f"Invoice {wanted.number}", "metadata": marks},
        restrictions={"completed_sessions": {"limit": 1}},
    )


def _lost(api: Api, wanted: PaymentPageDraft) -> Link | None:
    """Return the link that was made but not noted on its product."""
    place: dict[str, str] = {}
    while True:
        page = api.get("/v1/payment_links", Links, limit=100, **place)
        found = next((link for link in page.data if link.metadata.get(_KEY) == wanted.key), None)
        if found is not None or not page.has_more or not page.data:
            return found
        place["starting_after"] = page.data[-1].id
