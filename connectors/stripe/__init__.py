"""Stripe as a payment provider, through stripe 16 (API version 2026-10-28).

What was received is read from balance transactions: each says what came in, when, and what Stripe kept. Bank debits
that are still under way, or that failed, have none and come from events, which Stripe keeps for 30 days; so a pull
whose ``since`` is older does not see a debit that failed before that. A refund or dispute makes its charge come again.

Stripe's amounts are integers of its own minor units, which differ from ISO 4217 for a few currencies. A payment whose
amount has no exact ISO minor unit (a fraction of a króna) is given as ``Unreadable``, and the others go on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import stripe

from connectors.base import Limit, PayingCustomer, PaymentPage, Ports, Probe, ReceivedPayment, Settings, Unreadable
from connectors.errors import ConnectorError, OutcomeUnknown, Refused, Retryable
from connectors.http import TIMEOUT, Caller, Session, redact, retry_after, status_error
from connectors.pace import ANY_LIMIT, Pace
from connectors.stripe.objects import Account, Charge, Customers, Events, Move, Moves
from connectors.stripe.payments import (
    charge_id,
    decode,
    is_declined_card,
    is_expanded,
    paying_customer,
    payment,
    time,
)

API_VERSION = "2026-10-28.endive"
PAGE = 100  # Stripe's largest page

# https://docs.stripe.com/rate-limits; a sandbox account takes 25 a second
LIMITS = (Limit("second", 100, 1.0), Limit("endpoint", 25, 1.0, only="endpoint"))  # an endpoint by itself
# Stripe's words for what is used up -> our limit and seconds to wait; too many calls at once have neither.
REASONS = {"global-rate": ("second", 1.0), "endpoint-rate": ("endpoint", 1.0)}

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
INSTEAD = {"expand": ["data.source"]}  # for a server that refuses to expand further, or one of the filters: nothing

T = TypeVar("T")
P = TypeVar("P", Moves, Events, Customers)


def connect(settings: Settings, ports: Ports) -> Stripe:
    """Return the connector of one Stripe account; nothing is called yet."""
    return Stripe(settings, ports)


class _Refusal(Refused):
    """Stripe's refusal of a request, with its status and the parameter that it names."""

    def __init__(self, message: str, status: int, parameter: str) -> None:
        super().__init__(message)
        self.status = status
        self._about = f"{parameter} {message}"

    def names(self, parameter: str) -> bool:
        """Say whether it is this parameter that the server does not want."""
        return self.status == 400 and re.search(rf"\b{parameter}", self._about) is not None


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
        self._pace = Pace(settings, ports, LIMITS)
        self._callers: dict[str, Caller] = {}
        self._refused: set[tuple[str, str]] = set()  # (path, parameter) that the server does not take
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
        account = self._get("/v1/account", Account)
        profile = account.business_profile
        return Probe(account_name=(profile and profile.name) or account.email or account.id)

    def customers(self, since: datetime | None) -> Iterator[tuple[PayingCustomer, ...]]:
        """Yield pages of customers created since ``since``, newest first; later changes to them are not seen."""
        for page in self._pages("/v1/customers", Customers, since):
            yield tuple(paying_customer(customer) for customer in page.data)

    def payments(self, since: datetime | None) -> Iterator[PaymentPage]:
        """Yield what was received since ``since``, then what is under way or has changed since; see the module.

        ``since`` is moved back by ``OVERLAP``. The cursor is the newest balance transaction seen, or ``since`` when
        there was none; it stands on the last page alone, because Stripe lists the newest first.
        """
        start = since - OVERLAP if since else None
        waiting = self._eventful(start)
        latest = since
        for moves in self._pages("/v1/balance_transactions", Moves, start, expand=EXPAND_MOVE):
            for move in moves.data:
                latest = max(latest or time(move.created), time(move.created))
            page = _page(self._received(moves.data, waiting), None)
            if page.payments or page.unreadable:
                yield page
        yield _page(self._changed(waiting), latest)

    def _received(
        self, moves: Iterable[Move], waiting: dict[str, Charge | None]
    ) -> Iterator[ReceivedPayment | Unreadable]:
        """Yield the payments among ``moves``; note in ``waiting`` the charges that other kinds of moves touch."""
        for move in moves:
            if move.type in RECEIVED and is_expanded(move.source):
                charge = decode(move.source, Charge)
                if isinstance(charge.payment_intent, str) or isinstance(charge.customer, str):  # not expanded
                    waiting[charge.id] = None
                    continue
                waiting.pop(charge.id, None)
                yield payment(charge, move)
            elif touched := charge_id(move.source):
                waiting[touched] = None

    def _eventful(self, start: datetime | None) -> dict[str, Charge | None]:
        """Return by id the charges that events since ``start`` are about: as they are under way, else None.

        A server that keeps no events at all (some emulators) has none under way either.
        """
        found: dict[str, Charge | None] = {}
        try:
            for page in self._pages("/v1/events", Events, start, EVENTS):
                for event in page.data:  # newest first: the first one of a charge says how it stands
                    if event.type in ("charge.pending", "charge.failed"):
                        charge = decode(event.data.object, Charge)
                        if not is_declined_card(charge):
                            found.setdefault(charge.id, charge)
                    elif touched := charge_id(event.data.object):
                        found[touched] = None
        except _Refusal as refusal:
            if refusal.status != 404:
                raise
        return found

    def _changed(self, waiting: Mapping[str, Charge | None]) -> Iterator[ReceivedPayment | Unreadable]:
        """Yield the charges that were not delivered with their own balance transaction, as they are now."""
        for id_, charge in waiting.items():
            current = charge or self._get(f"/v1/charges/{id_}", Charge, expand=EXPAND_CHARGE)
            move = current.balance_transaction
            yield payment(current, move if isinstance(move, Move) else None)

    # ------------------------------------------------------------------------------------------------- calling

    def _caller(self, path: str) -> Caller:
        resource = path.split("/")[2]
        if resource not in self._callers:
            self._callers[resource] = Caller(self._pace, "endpoint", resource)
        return self._callers[resource]

    def _pages(
        self, path: str, kind: type[P], start: datetime | None, types: tuple[str, ...] = (), **wishes: Any
    ) -> Iterator[P]:
        """Yield the pages of what was created since ``start`` and, if any are named, is of one of ``types``."""
        earliest = int(start.timestamp()) if start else 0
        wishes |= {"created": {"gte": earliest}} if start else {}
        wishes |= {"types": list(types)} if types else {}
        place: dict[str, Any] = {"limit": PAGE}
        while True:
            page = self._list(path, kind, place, wishes)
            more = page.data[-1].id if page.has_more and page.data else ""
            page.data[:] = [item for item in page.data if item.created >= earliest]
            if isinstance(page, Events):
                page.data[:] = [event for event in page.data if event.type in types]
            yield page
            if not more:
                return
            place["starting_after"] = more

    def _list(self, path: str, kind: type[P], place: Mapping[str, Any], wishes: Mapping[str, Any]) -> P:
        """Return a page. To a server that refuses a filter or an expansion the wish is not put again.

        It sends more than was asked for, or the same in less detail; neither can lose a payment.
        """
        while True:
            sent = {name: INSTEAD.get(name) if (path, name) in self._refused else wishes[name] for name in wishes}
            try:
                return self._get(path, kind, **place, **{name: value for name, value in sent.items() if value})
            except _Refusal as refusal:
                refused = {(path, name) for name in wishes if refusal.names(name)} - self._refused
                if not refused:
                    raise
                self._refused |= refused

    def _get(self, path: str, kind: type[T], **params: Any) -> T:
        options = {"stripe_account": self._settings.account} if self._settings.account else {}

        def send(token: str) -> T:
            try:
                self._client.raw_request("get", path, api_key=token, **options, **params)
            except stripe.StripeError as error:
                raise _typed(error, self._pace.scale) from None
            return decode(self._transport.body(), kind)

        return self._caller(path).read(send)


def _page(found: Iterable[ReceivedPayment | Unreadable], cursor: datetime | None) -> PaymentPage:
    items = list(found)
    return PaymentPage(
        payments=tuple(item for item in items if isinstance(item, ReceivedPayment)),
        unreadable=tuple(item for item in items if isinstance(item, Unreadable)),
        cursor=cursor,
    )


def _typed(error: stripe.StripeError, scale: float = 1.0) -> ConnectorError:
    """Return our error for the SDK's, by what the caller must do; ``scale`` is how long Stripe's second lasts."""
    detail = redact(" ".join(filter(None, (error.code, error.user_message or str(error)))))
    if error.http_status == 429:
        reason = (error.headers or {}).get("Stripe-Rate-Limited-Reason", "")
        limit, pause = REASONS.get(reason, (ANY_LIMIT, None))
        wait = retry_after(error.headers, None if pause is None else pause * scale)
        return Retryable(f"Stripe answered 429: {detail} {reason}".strip(), wait, limit)
    status = error.http_status
    if status is None or status < 400:
        return OutcomeUnknown(f"Stripe's answer did not arrive whole: {detail}")
    if status == 409:  # another call holds the object
        return Retryable(f"Stripe answered 409: {detail}")
    refusal = _Refusal(f"Stripe answered {status}: {detail}", status, getattr(error, "param", None) or "")
    return status_error("Stripe", status, detail, error.headers) or refusal
