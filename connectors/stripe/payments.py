"""Stripe's objects as our nouns: which charge is a payment, what it is worth, what it carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from billing.money import exponent
from connectors.base import GivenBack, PayingCustomer, ReceivedPayment, Unreadable
from connectors.errors import OutcomeUnknown, Unsupported
from connectors.http import redact
from connectors.stripe.objects import (
    Changed,
    Charge,
    Customer,
    Details,
    Dispute,
    Intent,
    Invoice,
    Move,
    Named,
    References,
    Refund,
)

# https://docs.stripe.com/currencies: decimals of Stripe's amounts where they are not two
_DECIMALS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}

FAILED = ("failed", "canceled")  # a refund of which nothing went back
PAGE_KEY = "netterms_key"  # metadata of what is paid by a payment link of ours
NO_LOSS = ("won", "warning_closed", "prevented")  # https://docs.stripe.com/api/disputes/object: nothing was lost

T = TypeVar("T")


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return an answer or a part of one as ``kind``; raises ``OutcomeUnknown`` when it has another shape."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeUnknown(f"Stripe sent an answer that cannot be read: {redact(str(error))}") from None


def time(seconds: int) -> datetime:
    """Return Stripe's seconds since 1970 as a moment."""
    return datetime.fromtimestamp(seconds, UTC)


def is_expanded(source: msgspec.Raw) -> bool:
    """Say whether ``source`` is an object, not only its id."""
    return _starts(source, b"{")


def charge_id(source: msgspec.Raw) -> str:
    """Return the id of the charge that ``source`` (an object or an id) is or belongs to; empty when there is none."""
    if _starts(source, b'"'):
        id_ = decode(source, str)
        return id_ if id_.startswith(("ch_", "py_")) else ""
    if not is_expanded(source):
        return ""
    changed = decode(source, Changed)
    if changed.object == "charge":
        return changed.id
    return id_of(changed.charge) if changed.object in ("refund", "dispute") else ""


def is_card(charge: Charge) -> bool:
    """Say whether the charge is of a card: it succeeds at once or not at all."""
    method = charge.payment_method_details
    return method is not None and method.type == "card"


def is_declined_card(charge: Charge) -> bool:
    """Say whether the charge is a card that was refused: nothing was ever under way."""
    return charge.status == "failed" and is_card(charge)


class Beside(msgspec.Struct, frozen=True):
    """What stands elsewhere than on the charge: the invoice of Stripe's own that it paid, its disputes and refunds.

    ``dispute``: how the latest one stands, empty where that is not known. ``taken``: the disputes that are open or
    lost.
    """

    invoice: Invoice | None = None
    dispute: str = ""
    taken: tuple[Dispute, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def disputed(self) -> int:
        """Return what disputes took that are open or lost."""
        return sum(one.amount for one in self.taken)


def received(charge: Charge) -> tuple[int, int]:
    """Return what was received by a charge, and what of that was refunded."""
    captured = charge.amount_captured if charge.captured else None
    amount = charge.amount if captured is None else captured
    return amount, max(0, charge.amount_refunded - (charge.amount - amount))


def payment(charge: Charge, move: Move | None, beside: Beside) -> ReceivedPayment | Unreadable:
    """Return a charge as a payment; ``move`` is its own balance transaction, None while there is none.

    ``disputed`` it is until the dispute is won: Stripe's own mark on the charge stays for ever. What is disputed of a
    part only has gone back to the payer like a refund, until that is won.
    Of a charge that was captured in part only that part was received; Stripe counts the rest as refunded
    (https://docs.stripe.com/api/charges/capture). A fee that has no exact ISO minor unit is left unknown.
    """
    currency = charge.currency.upper()
    amount, refunded = received(charge)
    in_part = 0 < beside.disputed < amount - refunded
    refunded += beside.disputed if in_part else 0
    customer = charge.customer if isinstance(charge.customer, Customer) else None
    details = charge.billing_details or Details()
    fee, net, settled = _settled(move)
    try:
        exact_amount, exact_refund = iso(amount, currency), iso(refunded, currency)
        given_back = _given_back([*(beside.taken if in_part else ()), *beside.refunds], currency)
    except Unsupported as error:
        return Unreadable(charge.id, str(error))
    return ReceivedPayment(
        id=charge.id,
        currency=currency,
        amount=exact_amount,
        received_at=time(move.created if move else charge.created),
        status=_status(charge.status),
        refunded=exact_refund,
        disputed=charge.disputed and not in_part and (beside.disputed > 0 or not beside.dispute),
        customer_id=id_of(charge.customer),
        customer_name=(customer and customer.name) or details.name or "",
        customer_email=(customer and customer.email) or details.email or "",
        texts=_texts(charge, move, beside.invoice),
        marks=dict(_marks(charge, customer, beside)),
        also_known_as=tuple(filter(None, (id_of(charge.payment_intent), id_of(charge.balance_transaction)))),
        fee=fee,
        net=net,
        settlement_currency=settled,
        given_back=given_back,
    )


def _given_back(parts: Sequence[Refund | Dispute], currency: str) -> tuple[GivenBack, ...]:
    """Return what went back, oldest first; raises ``Unsupported`` for an amount that is not exact."""
    newest_first = sorted(parts, key=lambda one: one.created, reverse=True)  # as Stripe lists those of one second
    return tuple(GivenBack(time(one.created), iso(one.amount, currency)) for one in reversed(newest_first))


def paying_customer(customer: Customer) -> PayingCustomer:
    """Return a customer of Stripe's."""
    return PayingCustomer(
        id=customer.id, name=customer.name or "", email=customer.email or "", metadata=customer.metadata or {}
    )


def _starts(raw: msgspec.Raw, byte: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == byte


def id_of(thing: Customer | Intent | Invoice | Move | Named | str | None) -> str:
    """Return the id of what may be expanded; empty for nothing."""
    return thing if isinstance(thing, str) else thing.id if thing else ""


def _settled(move: Move | None) -> tuple[int | None, int | None, str]:
    """Return fee, net and the currency of both, as far as they are known exactly."""
    if move is None:
        return None, None, ""
    currency = move.currency.upper()
    try:
        return iso(move.fee, currency), iso(move.net, currency), currency
    except Unsupported:
        return None, None, currency


def iso(amount: int, currency: str) -> int:
    """Return Stripe's minor units of ``currency`` (upper case) as ISO minor units.

    They differ for a few currencies; raises ``Unsupported`` when there is no exact amount (a fraction of a króna).
    """
    shift = exponent(currency) - _DECIMALS.get(currency, 2)
    factor: int = 10 ** abs(shift)
    if shift >= 0:
        return amount * factor
    exact, rest = divmod(amount, factor)
    if rest:
        raise Unsupported(f"{amount} {currency} has no exact amount with {exponent(currency)} decimals")
    return exact


def stripe_units(amount: int, currency: str) -> int:
    """Return ISO minor units of ``currency`` (upper case) as Stripe takes them.

    Raises ``Unsupported`` for an amount that Stripe cannot charge: of three decimals the last must be 0.
    """
    decimals = _DECIMALS.get(currency, 2)
    factor: int = 10 ** max(0, decimals - exponent(currency))
    if decimals < exponent(currency) or (decimals == 3 and amount % 10):
        raise Unsupported(f"Stripe cannot charge {amount} {currency} exactly")
    return amount * factor


def _status(status: str) -> Literal["succeeded", "processing", "failed"]:
    if status == "succeeded":
        return "succeeded"
    return "processing" if status == "pending" else "failed"


def _texts(charge: Charge, move: Move | None, invoice: Invoice | None) -> dict[str, str]:
    """Return every text in which an invoice number may stand, by its path."""
    texts = _described("charge", charge)
    texts["charge.calculated_statement_descriptor"] = charge.calculated_statement_descriptor
    if charge.billing_details:
        texts["charge.billing_details.name"] = charge.billing_details.name
    intent = charge.payment_intent
    if isinstance(intent, Intent):
        texts |= _described("payment_intent", intent)
        references = intent.payment_details or References()
        texts["payment_intent.payment_details.order_reference"] = references.order_reference
        texts["payment_intent.payment_details.customer_reference"] = references.customer_reference
    if invoice is not None:
        texts |= {"invoice.number": invoice.number, "invoice.description": invoice.description}
        texts |= {f"invoice.metadata.{key}": value for key, value in (invoice.metadata or {}).items()}
    if move and move.description != charge.description:
        texts["balance_transaction.description"] = move.description
    return {path: text for path, text in texts.items() if text}


def _described(path: str, item: Charge | Intent) -> dict[str, str | None]:
    return {
        f"{path}.description": item.description,
        f"{path}.statement_descriptor": item.statement_descriptor,
        f"{path}.statement_descriptor_suffix": item.statement_descriptor_suffix,
        **{f"{path}.metadata.{key}": value for key, value in (item.metadata or {}).items()},
    }


def _marks(charge: Charge, customer: Customer | None, beside: Beside) -> Iterator[tuple[str, str]]:
    """Yield what else tells whose money a charge is.

    ``kind`` is ``connect`` when a platform takes or passes on the money for another ``account``, ``application`` when
    another application made the charge in this account, else ``direct``. ``method`` is how it was paid,
    ``stripe_invoice`` the invoice that Stripe itself issued for it, ``dispute`` how its dispute stands, ``page`` the
    key of our payment link that it was paid by.
    """
    passed_to = charge.transfer_data.destination if charge.transfer_data else None
    account = id_of(charge.on_behalf_of) or id_of(passed_to)
    application = id_of(charge.application)
    if account or charge.source_transfer:
        yield "kind", "connect"
    else:
        yield "kind", "application" if application else "direct"
    more = {
        "account": account,
        "application": application,
        "method": charge.payment_method_details.type if charge.payment_method_details else "",
        "stripe_invoice": beside.invoice.id if beside.invoice else "",
        "dispute": beside.dispute,
        "page": (charge.metadata or {}).get(PAGE_KEY, ""),
    }
    for name, value in more.items():
        if value:
            yield name, value
    for key, value in ((customer and customer.metadata) or {}).items():
        if value:
            yield f"customer.metadata.{key}", value
