"""Stripe as a payment provider, through stripe 16 (API version 2026-10-28).

What was received is read from balance transactions: each says what came in, when, and what Stripe kept. A bank debit
has one from when it is submitted on (in accounts of before 2024 when it succeeds), which says nothing of its success:
https://support.stripe.com/questions/changes-to-balance-transaction-behavior-for-debit-payment-methods. That it has
succeeded, or failed, comes from events, which Stripe keeps for 30 days; so a pull whose ``since`` is older does not see
a debit that ended before that. A refund, also one that fails, a dispute and its end, and a debit that comes back after
it was paid make their charge come again. Which invoice of Stripe's own a charge paid stands on neither since
2025-03-31: the first pull lists the payments of invoices, later ones read their events. What customers transferred and
Stripe applied to no payment is told by events, too; see ``connectors.stripe.cash``.

Stripe's amounts are integers of its own minor units, which differ from ISO 4217 for a few currencies. A payment whose
amount has no exact ISO minor unit (a fraction of a króna) is given as ``Unreadable``, and the others go on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import requests
import stripe

from connectors.base import (
    Limit,
    Memory,
    Movement,
    PayingCustomer,
    PaymentPage,
    PaymentPageDraft,
    Payout,
    Ports,
    Probe,
    ReceivedPayment,
    Settings,
    Unreadable,
    WebhookEvent,
)
from connectors.errors import ConnectorError, OutcomeUnknown, Refused, Retryable
from connectors.http import TIMEOUT, Caller, Session, network_error, redact, retry_after, status_error
from connectors.pace import ANY_LIMIT, Pace
from connectors.stripe import cash, objects, pages
from connectors.stripe.objects import (
    Account,
    CashMove,
    Changed,
    Charge,
    Customer,
    Customers,
    Dispute,
    Disputes,
    Event,
    Events,
    Holder,
    Intents,
    Invoice,
    InvoicePayment,
    InvoicePayments,
    Move,
    Moves,
    Payouts,
    Product,
    Refund,
    Refunds,
)
from connectors.stripe.payments import (
    FAILED,
    NO_LOSS,
    Beside,
    charge_id,
    decode,
    id_of,
    is_card,
    is_declined_card,
    is_expanded,
    paying_customer,
    payment,
    received,
    time,
)
from connectors.stripe.payouts import movement, read_payout

API_VERSION = "2026-10-28.endive"
PAGE = 100  # Stripe's largest page
NO_FILTER: Mapping[str, str] = {}

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
    "refund.failed",
    cash.CREATED,
)
SUCCESS = "charge.succeeded"  # in later pulls: in the first one each charge stands there as it is now
INVOICE_EVENTS = ("invoice_payment.paid", "invoice.paid")
PAYOUT_EVENTS = (
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "payout.updated",
    "payout.reconciliation_completed",
)
TOLD = (
    *EVENTS,
    SUCCESS,
    "charge.updated",
    "customer.created",
    "payout.paid",
    "payout.failed",
)  # in webhooks
RECEIVED = ("charge", "payment")  # the types of balance transaction that bring money
GIVEN_BACK = ("refund", "payment_refund", "refund_failure")
EXPAND_MOVE = ["data.source", "data.source.payment_intent", "data.source.customer"]
EXPAND_CHARGE = ["payment_intent", "customer", "balance_transaction"]
# For a server that refuses to expand so far; in place of anything else that it refuses stands nothing.
INSTEAD = {("/v1/balance_transactions", "expand"): ["data.source"]}

T = TypeVar("T")
P = TypeVar("P", Moves, Events, Customers, Payouts, InvoicePayments)


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

    # Keys may be forgotten after 24 hours, and a search is up to a minute late (docs.stripe.com).
    memory = Memory(keys=timedelta(hours=24), lag=timedelta(minutes=1))

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._settings = settings
        self._ports = ports
        self._pace = Pace(settings, ports, LIMITS)
        self._callers: dict[str, Caller] = {}
        self._refused: set[tuple[str, str]] = set()  # (path, parameter) that the server does not take
        self._payouts_told: tuple[datetime, set[str]] | None = None  # since when ``payments`` read events, and of which
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

    def payments(self, since: datetime | None, told: Iterable[str] = ()) -> Iterator[PaymentPage]:
        """Yield what was received since ``since``, then what is under way or has changed since; see the module.

        ``since`` is moved back by ``OVERLAP``. The cursor is the newest balance transaction seen, or ``since`` when
        there was none; it stands on the last page alone, because Stripe lists the newest first. ``told`` are the ids
        of events and movements since then because of which something was asked for.
        """
        start = since - OVERLAP if since else None
        news = self._eventful(start, told)
        latest = since
        for moves in self._pages("/v1/balance_transactions", Moves, start, expand=EXPAND_MOVE):
            for move in moves.data:
                latest = max(latest or time(move.created), time(move.created))
            page = _page(self._received(moves.data, news), None)
            if page.payments or page.unreadable:
                yield page
        known = tuple(id_ for id_, at in news.known.items() if latest is None or time(at) >= latest - OVERLAP)
        yield msgspec.structs.replace(_page([*self._changed(news), *self._held(news)], latest), told=known)

    def payouts(self, since: datetime | None) -> Iterator[Payout | Unreadable]:
        """Yield payouts created since ``since``, and older ones that events tell of, the oldest first.

        One whose movements Stripe is still putting together comes when it has done so. The events are not read again
        when ``payments`` has read them on the way.
        """
        start = since - OVERLAP if since else None
        found = {one.id: one for page in self._pages("/v1/payouts", Payouts, start) for one in page.data}
        if start is not None:
            for id_ in self._changed_payouts(start) - set(found):
                found[id_] = self._get(f"/v1/payouts/{id_}", objects.Payout)
        for one in sorted(found.values(), key=lambda payout: (payout.created, payout.id)):
            if one.reconciliation_status != "in_progress":
                yield read_payout(one, self._moves_of(one) if one.automatic else ())

    def movements(self, currency: str, since: datetime, until: datetime) -> Iterator[Movement]:
        """Yield the balance transactions in ``currency`` from ``since``, moved back by ``OVERLAP``, until ``until``."""
        only, expand = {"currency": currency.lower()}, ["data.source"]
        for page in self._pages("/v1/balance_transactions", Moves, since - OVERLAP, only=only, expand=expand):
            yield from (movement(move) for move in page.data if time(move.created) <= until)

    def _moves_of(self, payout: objects.Payout) -> Iterator[Move]:
        only, expand = {"payout": payout.id}, ["data.source"]
        for page in self._pages("/v1/balance_transactions", Moves, None, only=only, expand=expand):
            yield from page.data

    def _changed_payouts(self, start: datetime) -> set[str]:
        """Return the payouts that events since ``start`` tell of."""
        told, self._payouts_told = self._payouts_told, None
        if told is not None and told[0] <= start:
            return told[1]
        pages = self._pages("/v1/events", Events, start, PAYOUT_EVENTS)
        return {decode(event.data.object, Changed).id for page in pages for event in page.data}

    def payment_page(self, wanted: PaymentPageDraft) -> str:
        """Return the address of an invoice's payment link; see ``connectors.stripe.pages``."""
        return pages.payment_page(self, wanted, self._product_of(wanted))

    def limit_payment_page(self, wanted: PaymentPageDraft, payments: int) -> None:
        """Let an invoice's payment link take so many payments in all; 0 closes it."""
        known = self._product_of(wanted)
        if known is not None:  # else there is no page
            pages.limit(self, wanted, known, payments)

    def _product_of(self, wanted: PaymentPageDraft) -> Product | None:
        return self._found(f"/v1/products/{pages.product_id(wanted)}", Product)

    def undelivered(self, since: datetime | None) -> Iterator[WebhookEvent]:
        """Yield the events since ``since`` (of at most 30 days) that Stripe could not deliver to every webhook."""
        for page in self._pages("/v1/events", Events, since, TOLD, only={"delivery_success": "false"}):
            for event in page.data:
                yield WebhookEvent(id=event.id, topic=event.type, object=decode(event.data.object, Changed).id)

    def _received(self, moves: Iterable[Move], told: _Told) -> Iterator[ReceivedPayment | Unreadable]:
        """Yield the payments among ``moves``; note in ``told`` the charges that other kinds of moves touch."""
        for move in moves:
            if move.type in RECEIVED and is_expanded(move.source):
                charge = decode(move.source, Charge)
                if isinstance(charge.payment_intent, str) or isinstance(charge.customer, str):  # not expanded
                    told.charges[charge.id] = None
                    continue
                told.charges.pop(charge.id, None)
                yield payment(charge, move, self._beside(charge, told))
            elif move.type == cash.UNRECONCILED and move.id in told.cash.owners:
                if told.is_known(move.id, move.created):
                    continue
                yield cash.received(move, self._get(f"/v1/customers/{told.cash.owners[move.id]}", Customer))
            elif touched := charge_id(move.source):
                told.ask(touched, move.id, move.created)
                if move.type in GIVEN_BACK and is_expanded(move.source):
                    refund = decode(move.source, Refund)
                    told.refunds.setdefault(touched, {})[refund.id] = refund

    def _eventful(self, start: datetime | None, seen: Iterable[str]) -> _Told:
        """Return what events since ``start`` are about.

        A server that keeps no events at all (some emulators) has nothing under way either.
        """
        told = _Told(charges={}, invoices={} if start else self._invoices_paid(), seen=frozenset(seen if start else ()))
        paid: dict[str, Invoice] = {}
        links: list[InvoicePayment] = []
        payouts: set[str] = set()
        types = (*EVENTS, SUCCESS, *INVOICE_EVENTS, *PAYOUT_EVENTS) if start else EVENTS
        try:
            for page in self._pages("/v1/events", Events, start, types):
                for event in page.data:  # newest first: the first one of a charge says how it stands
                    if event.type in PAYOUT_EVENTS:
                        payouts.add(decode(event.data.object, Changed).id)
                    elif event.type == "invoice.paid":
                        invoice = decode(event.data.object, Invoice)
                        paid.setdefault(invoice.id, invoice)
                    elif event.type == "invoice_payment.paid":
                        links.append(decode(event.data.object, InvoicePayment))
                    elif event.type == cash.CREATED:
                        _note_cash(told, decode(event.data.object, CashMove), event)
                    elif event.type in ("charge.pending", "charge.failed"):
                        charge = decode(event.data.object, Charge)
                        if not is_declined_card(charge) and charge.id not in told.settled:
                            told.charges.setdefault(charge.id, charge)
                    elif event.type == SUCCESS:
                        charge = decode(event.data.object, Charge)
                        if not is_card(charge) and charge.balance_transaction and charge.id not in told.charges:
                            told.ask(charge.id, event.id, event.created)  # else it comes with its movement
                    elif touched := charge_id(event.data.object):
                        told.ask(touched, event.id, event.created)
        except _Refusal as refusal:
            if refusal.status != 404:
                raise
        for link in links:
            id_ = id_of(link.invoice)
            invoice = paid.get(id_) or self._get(f"/v1/invoices/{id_}", Invoice)  # the latter where it is paid in part
            told.invoices[id_of(link.payment.payment_intent) or id_of(link.payment.charge)] = invoice
        self._payouts_told = (start, payouts) if start else None
        return told

    def _invoices_paid(self) -> dict[str, Invoice]:
        """Return the invoices of Stripe's own that are paid, by what paid them; a server may know of none."""
        found: dict[str, Invoice] = {}
        only, expand = {"status": "paid"}, ["data.invoice"]
        try:
            for page in self._pages("/v1/invoice_payments", InvoicePayments, None, only=only, expand=expand):
                for one in page.data:
                    if isinstance(one.invoice, Invoice):
                        found[id_of(one.payment.payment_intent) or id_of(one.payment.charge)] = one.invoice
        except _Refusal as refusal:
            if refusal.status != 404:
                raise
        return found

    def _beside(self, charge: Charge, told: _Told) -> Beside:
        """Return what is to be known of a charge from elsewhere; its dispute, where it has one, costs a call."""
        invoice = told.invoices.get(id_of(charge.payment_intent)) or told.invoices.get(charge.id)
        disputes = self._disputes(charge) if charge.disputed else []
        for one in disputes:
            one.amount = one.amount or charge.amount
        return Beside(
            invoice=invoice,
            dispute=disputes[0].status if disputes else "",
            taken=tuple(one for one in disputes if one.status not in NO_LOSS),
            refunds=tuple(one for one in self._refunds(charge, told) if one.status not in FAILED),
        )

    def _refunds(self, charge: Charge, told: _Told) -> Iterable[Refund]:
        """Return the refunds of a charge: those whose moves were read, asked for where that is not all of them."""
        refunded = received(charge)[1]
        known = told.refunds.get(charge.id, {}).values()
        if sum(one.amount for one in known if one.status not in FAILED) in (refunded, charge.amount_refunded):
            return known
        found = self._found("/v1/refunds", Refunds, charge=charge.id, limit=PAGE)
        return known if found is None else found.data

    def _disputes(self, charge: Charge) -> list[Dispute]:
        """Return the disputes of a charge, the latest first; some emulators know of none."""
        found = self._found("/v1/disputes", Disputes, charge=charge.id, limit=PAGE)
        return [] if found is None else found.data

    def _changed(self, told: _Told) -> Iterator[ReceivedPayment | Unreadable]:
        """Yield the charges that were not delivered with their own balance transaction, as they are now."""
        for id_, charge in told.charges.items():
            current = charge or self._get(f"/v1/charges/{id_}", Charge, expand=EXPAND_CHARGE)
            move = current.balance_transaction
            yield payment(current, move if isinstance(move, Move) else None, self._beside(current, told))

    def _held(self, told: _Told) -> Iterator[ReceivedPayment | Unreadable]:
        """Yield what customers have in cash balances that changed, as it is now: two calls for each customer."""
        for id_ in {customer: None for customer, _ in told.cash.moved}:
            holder = self._get(f"/v1/customers/{id_}", Holder, expand=["cash_balance"])
            held = cash.held(holder, self._get("/v1/payment_intents", Intents, customer=id_, limit=PAGE).data)
            for (customer, currency), moved in told.cash.moved.items():
                if customer == id_:
                    yield cash.under_way(holder, currency, held[currency], moved)

    # ------------------------------------------------------------------------------------------------- calling

    def _caller(self, path: str) -> Caller:
        resource = path.split("/")[2]
        if resource not in self._callers:
            self._callers[resource] = Caller(self._pace, "endpoint", resource)
        return self._callers[resource]

    def _pages(
        self,
        path: str,
        kind: type[P],
        start: datetime | None,
        types: tuple[str, ...] = (),
        only: Mapping[str, str] = NO_FILTER,
        **wishes: Any,
    ) -> Iterator[P]:
        """Yield the pages of what was created since ``start`` and, if any are named, is of one of ``types``.

        ``wishes`` a server may refuse; without a filter of ``only`` the answer would be wrong.
        """
        earliest = int(start.timestamp()) if start else 0
        wishes |= {"created": {"gte": earliest}} if start else {}
        wishes |= {"types": list(types)} if types else {}
        place: dict[str, Any] = {"limit": PAGE, **only}
        while True:
            page = self._list(path, kind, place, wishes)
            more = page.data[-1].id if page.has_more and page.data else ""
            page.data[:] = [item for item in page.data if item.created >= earliest]
            if isinstance(page, Events):
                page.data[:] = [event for event in page.data if event.type in types]
            yield page
            if not more or more == place.get("starting_after"):  # a page that leads to itself is the last one
                return
            place["starting_after"] = more

    def _list(self, path: str, kind: type[P], place: Mapping[str, Any], wishes: Mapping[str, Any]) -> P:
        """Return a page. To a server that refuses a filter or an expansion the wish is not put again.

        It sends more than was asked for, or the same in less detail; neither can lose a payment.
        """
        while True:
            sent = {
                name: INSTEAD.get((path, name)) if (path, name) in self._refused else wishes[name] for name in wishes
            }
            try:
                return self._get(path, kind, **place, **{name: value for name, value in sent.items() if value})
            except _Refusal as refusal:
                refused = {(path, name) for name in wishes if refusal.names(name)} - self._refused
                if not refused:
                    raise
                self._refused |= refused

    def _found(self, path: str, kind: type[T], **params: Any) -> T | None:
        """Return the answer to a GET, None where the server knows no such thing."""
        try:
            return self._get(path, kind, **params)
        except _Refusal as refusal:
            if refusal.status != 404:
                raise
            return None

    def get(self, path: str, kind: type[T], **params: Any) -> T:
        """Return the answer to a GET."""
        return self._get(path, kind, **params)

    def post(self, path: str, kind: type[T], key: str, **params: Any) -> T:
        """Return the answer to a POST under the idempotency ``key``: Stripe does it once, so it may be sent again."""
        return self._call("post", path, kind, {"idempotency_key": key}, params)

    def _get(self, path: str, kind: type[T], **params: Any) -> T:
        return self._call("get", path, kind, {}, params)

    def _call(self, method: str, path: str, kind: type[T], options: Mapping[str, str], params: Mapping[str, Any]) -> T:
        account = {"stripe_account": self._settings.account} if self._settings.account else {}

        def send(token: str) -> T:
            try:
                self._client.raw_request(method, path, api_key=token, **account, **options, **params)
            except stripe.StripeError as error:
                raise _typed(error, self._pace.scale) from None
            return decode(self._transport.body(), kind)

        return self._caller(path).read(send)


class _Told(msgspec.Struct):
    """What events and moves tell: charges, as they are under way or None to be asked for; what else belongs to them.

    ``invoices``: those of Stripe's own by payment. ``refunds`` by charge and id. ``seen``: what the last pull was told;
    ``known``: what must not be asked for again because of it next time, and when it was. ``settled``: charges of which
    something was seen; what is told of them from before that is no news.
    """

    charges: dict[str, Charge | None]
    invoices: dict[str, Invoice]
    seen: frozenset[str]
    refunds: dict[str, dict[str, Refund]] = {}  # msgspec copies the defaults
    cash: cash.Changes = msgspec.field(default_factory=cash.Changes)
    known: dict[str, int] = {}
    settled: set[str] = set()

    def is_known(self, id_: str, at: int) -> bool:
        """Say whether the last pull was told of an event or movement; the next one will have been."""
        self.known[id_] = at
        return id_ in self.seen

    def ask(self, charge: str, id_: str, at: int) -> None:
        """Let a charge be asked for, as an event or movement touched it, unless that was done for it before."""
        known = self.is_known(id_, at)
        self.settled.add(charge)
        if not known or charge in self.charges:  # what an event says of it may be older
            self.charges[charge] = None


def _note_cash(told: _Told, change: CashMove, event: Event) -> None:
    customer = id_of(change.customer)
    if not told.is_known(event.id, event.created):
        told.cash.moved.setdefault((customer, change.currency), change.created)
    if change.transferred_to_balance:
        told.cash.owners[id_of(change.transferred_to_balance.balance_transaction)] = customer


def _page(found: Iterable[ReceivedPayment | Unreadable], cursor: datetime | None) -> PaymentPage:
    items = list(found)
    return PaymentPage(
        payments=tuple(item for item in items if isinstance(item, ReceivedPayment)),
        unreadable=tuple(item for item in items if isinstance(item, Unreadable)),
        cursor=cursor,
    )


def _typed(error: stripe.StripeError, scale: float = 1.0) -> ConnectorError:
    """Return our error for the SDK's, by what the caller must do; ``scale`` is how long Stripe's second lasts."""
    if isinstance(error.__cause__, requests.RequestException):
        return network_error("Stripe", error.__cause__)
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
    return status_error("Stripe", status, detail, error.headers, cut_off="does not have access to account") or refusal
