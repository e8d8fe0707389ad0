"""Stripe as a payment provider, through stripe 16 (API version 2026-10-28).

What was received is read from balance transactions: each says what came in, when, and what Stripe kept. Bank debits
that are still under way, or that failed, have none and come from events, which Stripe keeps for 30 days; so a pull
whose ``since`` is older does not see a debit that failed before that. A refund or dispute makes its charge come again.

Stripe's amounts are integers of its own minor units, which differ from ISO 4217 for a few currencies. An amount without
an exact ISO minor unit (a fraction of a króna) raises ``Unsupported`` and names the charge.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import msgspec
import stripe

from billing.money import exponent
from connectors.base import PayingCustomer, PaymentPage, Ports, Probe, ReceivedPayment, Settings
from connectors.errors import ConnectorError, OutcomeUnknown, Refused, Retryable, Unsupported
from connectors.http import TIMEOUT, Caller, Limit, Limiter, Session, redact, status_error

API_VERSION = "2026-10-28.endive"
PAGE = 100  # Stripe's largest page

# https://docs.stripe.com/rate-limits, in seconds of the vendor's time
ACCOUNT_LIMIT = Limit(100, 1.0)
ENDPOINT_LIMIT = Limit(25, 1.0)

# A balance transaction may appear up to an hour after its payment (https://docs.stripe.com/payments/
# payment-intents/asynchronous-capture); each pull begins this much before the last one ended.
OVERLAP = timedelta(hours=2)

EVENTS = (
    "charge.pending",
    "charge.failed",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
)
RECEIVED = ("charge", "payment")  # the types of balance transaction that bring money
EXPAND_MOVE = ["data.source", "data.source.payment_intent", "data.source.customer"]
EXPAND_CHARGE = ["payment_intent", "customer", "balance_transaction"]

# https://docs.stripe.com/currencies: decimals of Stripe's amounts where they are not two
_DECIMALS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0
    ),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}

T = TypeVar("T")


def connect(settings: Settings, ports: Ports) -> Stripe:
    """Return the connector of one Stripe account; nothing is called yet."""
    return Stripe(settings, ports)


# ------------------------------------------------------------------------------- what is read of Stripe's objects


class _Customer(msgspec.Struct):
    id: str
    name: str | None = None
    email: str | None = None
    metadata: dict[str, str] | None = None  # a deleted customer has none


class _Details(msgspec.Struct):
    name: str | None = None
    email: str | None = None


class _References(msgspec.Struct):
    customer_reference: str | None = None
    order_reference: str | None = None


class _Intent(msgspec.Struct):
    id: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    payment_details: _References | None = None


class _Method(msgspec.Struct):
    type: str = ""


class _Move(msgspec.Struct):
    """A balance transaction; its source is decoded once its type is known."""

    id: str
    type: str
    created: int
    currency: str
    fee: int
    net: int
    source: msgspec.Raw = msgspec.Raw(b"null")
    description: str | None = None


class _Charge(msgspec.Struct):
    id: str
    amount: int
    currency: str
    created: int
    status: str
    amount_captured: int | None = None
    amount_refunded: int = 0
    captured: bool = False
    disputed: bool = False
    customer: _Customer | str | None = None
    payment_intent: _Intent | str | None = None
    balance_transaction: _Move | str | None = None
    billing_details: _Details | None = None
    payment_method_details: _Method | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    calculated_statement_descriptor: str | None = None


class _Changed(msgspec.Struct):
    """A refund, a dispute, a charge: whatever moved money or an event is about."""

    id: str = ""
    object: str = ""
    charge: str | None = None


class _EventData(msgspec.Struct):
    object: msgspec.Raw


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _EventData


class _Profile(msgspec.Struct):
    name: str | None = None


class _Account(msgspec.Struct):
    id: str = ""
    business_profile: _Profile | None = None
    email: str | None = None


class _Moves(msgspec.Struct):
    data: list[_Move]
    has_more: bool = False


class _Events(msgspec.Struct):
    data: list[_Event]
    has_more: bool = False


class _Customers(msgspec.Struct):
    data: list[_Customer]
    has_more: bool = False


P = TypeVar("P", _Moves, _Events, _Customers)


# ------------------------------------------------------------------------------------------------- the connector


class _Transport(stripe.RequestsClient):
    """Keeps each good answer's bytes, so that a page is decoded once and into what is needed, by msgspec.

    The SDK would build dictionaries of the whole answer first, which costs more than everything else of a pull.
    """

    def __init__(self) -> None:
        super().__init__(timeout=TIMEOUT, session=Session())
        self._kept = threading.local()

    def request(  # type: ignore[override]  # the SDK's own RequestsClient differs from its base class, too
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send, keep the answer, and give the SDK an empty one where it has nothing to say about it."""
        body, status, answered = super().request(method, url, headers, post_data)
        self._kept.body = body
        return (b"{}" if status == 200 else body), status, answered

    def body(self) -> bytes:
        """Return the answer to this thread's latest request."""
        body: bytes = self._kept.body
        return body


class Stripe:
    """The ``Payments`` role for one account."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._settings = settings
        self._ports = ports
        self._account_limiter = self._limiter(ACCOUNT_LIMIT)
        self._callers: dict[str, Caller] = {}
        self._transport = _Transport()
        base = settings.base_url.rstrip("/")
        self._client = stripe.StripeClient(
            "given with each call",
            stripe_version=API_VERSION,
            base_addresses={"api": base, "files": base, "connect": base, "meter_events": base},
            http_client=self._transport,
            max_network_retries=0,  # Caller paces and retries
        )

    def probe(self) -> Probe:
        """Read the account's own name."""
        account = self._get("/v1/account", _Account)
        profile = account.business_profile
        return Probe(account_name=(profile and profile.name) or account.email or account.id)

    def customers(self, since: datetime | None) -> Iterator[tuple[PayingCustomer, ...]]:
        """Yield pages of customers created since ``since``, newest first; later changes to them are not seen."""
        for page in self._pages("/v1/customers", _Customers, created=_window(since)):
            yield tuple(_paying_customer(customer) for customer in page.data)

    def payments(self, since: datetime | None) -> Iterator[PaymentPage]:
        """Yield what was received since ``since``, then what is under way or has changed since; see the module.

        ``since`` is moved back by ``OVERLAP``. The cursor is the newest balance transaction seen, or ``since`` when
        there was none; it stands on the last page alone, because Stripe lists the newest first. Raises
        ``Unsupported`` for an amount that has no exact ISO minor unit.
        """
        start = since - OVERLAP if since else None
        waiting = self._eventful(start)
        latest = since
        for page in self._pages("/v1/balance_transactions", _Moves, created=_window(start), expand=EXPAND_MOVE):
            received: list[ReceivedPayment] = []
            for move in page.data:
                latest = max(latest or _time(move.created), _time(move.created))
                found = self._received(move, waiting)
                if found is not None:
                    received.append(found)
            if received:
                yield PaymentPage(payments=tuple(received), cursor=None)
        yield PaymentPage(payments=tuple(self._changed(waiting)), cursor=latest)

    def _received(self, move: _Move, waiting: dict[str, _Charge | None]) -> ReceivedPayment | None:
        """Return the payment that ``move`` is; note in ``waiting`` the charge that another kind of move touches."""
        if move.type in RECEIVED and _starts(move.source, b"{"):
            charge = _decode(move.source, _Charge)
            waiting.pop(charge.id, None)
            return _payment(charge, move)
        touched = _charge_id(move.source)
        if touched:
            waiting[touched] = None
        return None

    def _eventful(self, start: datetime | None) -> dict[str, _Charge | None]:
        """Return by id the charges that events since ``start`` are about: as they are under way, else None.

        A server that cannot list events by type (some emulators) has none.
        """
        found: dict[str, _Charge | None] = {}
        try:
            for page in self._pages("/v1/events", _Events, created=_window(start), types=list(EVENTS)):
                for event in page.data:  # newest first: the first one of a charge says how it stands
                    if event.type in ("charge.pending", "charge.failed"):
                        charge = _decode(event.data.object, _Charge)
                        if not _declined_card(charge):
                            found.setdefault(charge.id, charge)
                    elif touched := _charge_id(event.data.object):
                        found[touched] = None
        except Refused:
            return {}
        return found

    def _changed(self, waiting: Mapping[str, _Charge | None]) -> Iterator[ReceivedPayment]:
        """Yield the charges that were not delivered with their own balance transaction, as they are now."""
        for id_, charge in waiting.items():
            current = charge or self._get(f"/v1/charges/{id_}", _Charge, expand=EXPAND_CHARGE)
            move = current.balance_transaction
            yield _payment(current, move if isinstance(move, _Move) else None)

    # ------------------------------------------------------------------------------------------------- calling

    def _limiter(self, limit: Limit) -> Limiter:
        scaled = Limit(limit.calls, limit.seconds * self._settings.minute_seconds / 60)
        return Limiter((scaled,), self._ports.clock)

    def _caller(self, path: str) -> Caller:
        resource = path.split("/")[2]
        if resource not in self._callers:
            limiters = (self._account_limiter, self._limiter(ENDPOINT_LIMIT))
            self._callers[resource] = Caller(limiters, self._ports.credentials, self._ports.clock)
        return self._callers[resource]

    def _pages(self, path: str, kind: type[P], **params: Any) -> Iterator[P]:
        params["limit"] = PAGE
        while True:
            page = self._get(path, kind, **params)
            yield page
            if not page.has_more or not page.data:
                return
            params["starting_after"] = page.data[-1].id

    def _get(self, path: str, kind: type[T], **params: Any) -> T:
        options = {"stripe_account": self._settings.account} if self._settings.account else {}
        sent = {name: value for name, value in params.items() if value is not None}

        def send(token: str) -> T:
            try:
                self._client.raw_request("get", path, api_key=token, **options, **sent)
            except stripe.StripeError as error:
                raise _typed(error) from None
            return _decode(self._transport.body(), kind)

        return self._caller(path).read(send)


def _decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeUnknown(f"Stripe sent an answer that cannot be read: {redact(str(error))}") from None


def _typed(error: stripe.StripeError) -> ConnectorError:
    """Return our error for the SDK's, by what the caller must do."""
    detail = redact(" ".join(filter(None, (error.code, error.user_message or str(error)))))
    if isinstance(error, stripe.RateLimitError):
        reason = (error.headers or {}).get("Stripe-Rate-Limited-Reason", "")
        return status_error("Stripe", 429, f"{detail} {reason}".strip(), error.headers) or Retryable(detail)
    status = error.http_status
    if status is None or status < 400:
        return OutcomeUnknown(f"Stripe's answer did not arrive whole: {detail}")
    if status == 409:  # another call holds the object
        return Retryable(f"Stripe answered 409: {detail}")
    return status_error("Stripe", status, detail, error.headers) or Refused(f"Stripe answered {status}: {detail}")


# --------------------------------------------------------------------------------------------- from Stripe's words


def _window(since: datetime | None) -> dict[str, int] | None:
    return {"gte": int(since.timestamp())} if since else None


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _starts(raw: msgspec.Raw, byte: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == byte


def _charge_id(source: msgspec.Raw) -> str:
    """Return the id of the charge that ``source`` (an object or an id) is or belongs to; empty when there is none."""
    if _starts(source, b'"'):
        id_ = _decode(source, str)
        return id_ if id_.startswith(("ch_", "py_")) else ""
    if not _starts(source, b"{"):
        return ""
    changed = _decode(source, _Changed)
    if changed.object == "charge":
        return changed.id
    return (changed.charge or "") if changed.object in ("refund", "dispute") else ""


def _declined_card(charge: _Charge) -> bool:
    method = charge.payment_method_details
    return charge.status == "failed" and method is not None and method.type == "card"


def _iso(amount: int, currency: str, charge: str) -> int:
    """Return Stripe's minor units of ``currency`` (upper case) as ISO minor units; see the module."""
    shift = exponent(currency) - _DECIMALS.get(currency, 2)
    factor: int = 10 ** abs(shift)
    if shift >= 0:
        return amount * factor
    exact, rest = divmod(amount, factor)
    if rest:
        raise Unsupported(
            f"Stripe's {charge}: {amount} {currency} has no exact amount with {exponent(currency)} decimals"
        )
    return exact


def _payment(charge: _Charge, move: _Move | None) -> ReceivedPayment:
    """Return a charge as a payment; ``move`` is its own balance transaction, None while there is none.

    Of a charge that was captured in part only that part was received; Stripe counts the rest as refunded
    (https://docs.stripe.com/api/charges/capture).
    """
    currency = charge.currency.upper()
    captured = charge.amount_captured if charge.captured else None
    amount = charge.amount if captured is None else captured
    refunded = max(0, charge.amount_refunded - (charge.amount - amount))
    customer = charge.customer if isinstance(charge.customer, _Customer) else None
    details = charge.billing_details or _Details()
    settled = move.currency.upper() if move else ""
    return ReceivedPayment(
        id=charge.id,
        currency=currency,
        amount=_iso(amount, currency, charge.id),
        received_at=_time(move.created if move else charge.created),
        status=_status(charge.status),
        refunded=_iso(refunded, currency, charge.id),
        disputed=charge.disputed,
        customer_id=charge.customer if isinstance(charge.customer, str) else customer.id if customer else "",
        customer_name=(customer and customer.name) or details.name or "",
        customer_email=(customer and customer.email) or details.email or "",
        texts=_texts(charge, move),
        fee=_iso(move.fee, settled, charge.id) if move else None,
        net=_iso(move.net, settled, charge.id) if move else None,
        settlement_currency=settled,
    )


def _status(status: str) -> Literal["succeeded", "processing", "failed"]:
    if status == "succeeded":
        return "succeeded"
    return "processing" if status == "pending" else "failed"


def _texts(charge: _Charge, move: _Move | None) -> dict[str, str]:
    """Return every text in which an invoice number may stand, by its path."""
    texts = _described("charge", charge)
    texts["charge.calculated_statement_descriptor"] = charge.calculated_statement_descriptor
    if charge.billing_details:
        texts["charge.billing_details.name"] = charge.billing_details.name
    intent = charge.payment_intent
    if isinstance(intent, _Intent):
        texts |= _described("payment_intent", intent)
        references = intent.payment_details or _References()
        texts["payment_intent.payment_details.order_reference"] = references.order_reference
        texts["payment_intent.payment_details.customer_reference"] = references.customer_reference
    if move and move.description != charge.description:
        texts["balance_transaction.description"] = move.description
    return {path: text for path, text in texts.items() if text}


def _described(path: str, item: _Charge | _Intent) -> dict[str, str | None]:
    return {
        f"{path}.description": item.description,
        f"{path}.statement_descriptor": item.statement_descriptor,
        f"{path}.statement_descriptor_suffix": item.statement_descriptor_suffix,
        **{f"{path}.metadata.{key}": value for key, value in (item.metadata or {}).items()},
    }


def _paying_customer(customer: _Customer) -> PayingCustomer:
    return PayingCustomer(
        id=customer.id, name=customer.name or "", email=customer.email or "", metadata=customer.metadata or {}
    )
