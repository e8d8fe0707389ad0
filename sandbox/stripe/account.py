"""One Stripe account: its objects, and what happens to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as daytime
from typing import Any

from sandbox.stripe import objects
from sandbox.stripe.objects import BANK_TRANSFER, CARD, Object, Order, Rate, dice, fee_of, new_id

KINDS = (
    "customer",
    "payment_intent",
    "charge",
    "balance_transaction",
    "refund",
    "dispute",
    "payout",
    "invoice",
    "invoice_payment",
    "product",
    "price",
    "payment_link",
    "event",
)
DISPUTE_FEE = 15_00


def moment(day: date, seconds: int) -> int:
    """Return the Unix time ``seconds`` after midnight (UTC) of ``day``."""
    return int(datetime.combine(day, daytime(), UTC).timestamp()) + seconds


@dataclass(frozen=True)
class Answer:
    """What an idempotency key was first answered with."""

    at: datetime
    fingerprint: str
    status: int
    body: bytes


class Account:
    """The state of one account. Objects are kept by kind in order of creation, the newest last."""

    def __init__(self, entity: str, country: str, currency: str, seed: int) -> None:
        self.entity, self.country, self.currency, self.seed = entity, country, currency, seed
        self.id = f"acct_sandbox_{entity}"
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        self.answers: dict[str, Answer] = {}
        self.rates: dict[str, Rate] = {}  # currency of payments -> how they reach a balance in another one
        self.manual = False  # payouts are sent by hand only
        self.late_debits = False  # a debit moves the balance when it succeeds, as before 2024, not when it is submitted
        self.paid_out: dict[str, str] = {}  # balance transaction -> automatic payout
        self.cash: dict[tuple[str, str], int] = {}  # customer and currency -> what was transferred and not applied
        self.funded: dict[str, int] = {}  # payment intent -> what of such money was applied to it
        self.priced: dict[str, str] = {}  # payment link -> the price of what is bought there
        self._debits: dict[str, tuple[date, str]] = {}  # pending charge -> when it is decided, and how
        self._made = 0

    def next_key(self) -> str:
        """Return a key for the id of an object made through the API."""
        self._made += 1
        return f"api-{self._made}"

    def find(self, id_: str) -> Object | None:
        """Return the object with ``id_``, whatever its kind."""
        return next((found for by_id in self.objects.values() if (found := by_id.get(id_))), None)

    def add_customer(self, key: str, at: int, fields: Mapping[str, Any]) -> Object:
        """Create a customer."""
        made = objects.customer(self._id("cus_", key), at, fields)
        return self._add(made, "customer.created", at)

    def update_customer(self, found: Object, at: int, fields: Mapping[str, Any]) -> Object:
        """Set what ``fields`` names; a metadata key set to the empty string goes away."""
        for name, value in fields.items():
            if name == "metadata":
                merged = {**found["metadata"], **value}
                found["metadata"] = {key: text for key, text in merged.items() if text != ""}
            else:
                found[name] = value or None
        self.tell("customer.updated", found, at)
        return found

    def open_intent(self, key: str, at: int, order: Order) -> Object:
        """Create a payment intent without paying it."""
        return self._add(objects.payment_intent(self._id("pi_3", key), at, order), "payment_intent.created", at)

    def pay(self, key: str, at: int, order: Order) -> Object:
        """Create a payment intent and pay it; return the charge."""
        return self.confirm(key, at, order, self.open_intent(key, at, order))

    def confirm(self, key: str, at: int, order: Order, intent: Object) -> Object:
        """Pay ``intent`` and return the charge: a bank debit is decided after three or four days, all else at once.

        The balance takes a debit in when it is submitted, and out again should it fail: https://support.stripe.com/
        questions/changes-to-balance-transaction-behavior-for-debit-payment-methods
        """
        prefix = "ch_3" if order.method == CARD else "py_3"
        made = objects.charge(self._id(prefix, key), at, order, intent)
        self.objects["charge"][made["id"]] = made
        intent.update(latest_charge=made["id"], payment_method=made["payment_method"], status="processing")
        if order.outcome == "declined":
            self._fail(made, at, "card_declined", "Your card was declined.")
        elif order.method in (CARD, BANK_TRANSFER):
            self._succeed(made, at)
            if order.outcome == "disputed":
                self.dispute(key, made, at)
        else:
            day = datetime.fromtimestamp(at, UTC).date() + timedelta(3 + dice(self.seed, made["id"]) % 2)
            self._debits[made["id"]] = (day, order.outcome)
            if not self.late_debits:
                self._settle(made, at)["available_on"] = moment(day + timedelta(2), 0)
            self.tell("payment_intent.processing", intent, at)
            self.tell("charge.pending", made, at)
        return made

    def refund(self, key: str, at: int, source: Object, amount: int, fields: Mapping[str, Any]) -> Object:
        """Give ``amount`` of the charge ``source`` back."""
        made = objects.refund(self._id("re_3", key), at, source, amount, fields)
        type_ = "refund" if source["id"].startswith("ch_") else "payment_refund"
        made["balance_transaction"] = self.move(f"refund {key}", at, type_, made, -amount)["id"]
        source["amount_refunded"] += amount
        source["refunded"] = source["amount_refunded"] == source["amount"]
        self._add(made, "refund.created", at)
        self.tell("charge.refunded", source, at)
        return made

    def begin_day(self, day: date) -> None:
        """Do what Stripe does by itself: make money available, pay it out on weekdays, settle bank debits."""
        for move in self.objects["balance_transaction"].values():
            if move["available_on"] <= moment(day, 86_399):
                move["status"] = "available"
        for sent in self.objects["payout"].values():
            if sent["arrival_date"] <= moment(day, 86_399) and sent["status"] == "in_transit":
                sent["status"] = "paid"
                self.tell("payout.paid", sent, moment(day, 4 * 3600))
        if day.weekday() < 5 and not self.manual:
            self._pay_out(day)
        decided = [(id_, outcome) for id_, (on, outcome) in self._debits.items() if on <= day]
        for second, (id_, outcome) in enumerate(decided):
            del self._debits[id_]
            self._decide(self.objects["charge"][id_], moment(day, 5 * 3600 + 1800 + second), outcome)

    def _decide(self, debit: Object, at: int, outcome: str) -> None:
        if outcome != "fails":
            self._succeed(debit, at)
            return
        if debit["balance_transaction"]:
            self.fail_debit(debit, at)
        self._fail(debit, at, "account_closed", "The bank account has been closed.")

    def fail_debit(self, debit: Object, at: int) -> None:
        """Take a debit out of the balance that it was in."""
        move = self.move(f"failed {debit['id']}", at, "payment_failure_refund", debit, -debit["amount"])
        debit["failure_balance_transaction"] = move["id"]

    def _settle(self, made: Object, at: int) -> Object:
        """Put a charge into the balance."""
        method = made["payment_method_details"]["type"]
        type_ = "charge" if method == CARD else "payment"
        rate = self.rates.get(made["currency"])
        settled = rate.exchange(made["amount"]) if rate else made["amount"]
        fee = fee_of(settled, method, rate.currency if rate else made["currency"])
        move = self.move(made["id"], at, type_, made, made["amount"], fee)
        made["balance_transaction"] = move["id"]
        return move

    def _succeed(self, made: Object, at: int) -> None:
        if not made["balance_transaction"]:
            self._settle(made, at)
        made.update(status="succeeded", paid=True, captured=True, amount_captured=made["amount"])
        made["outcome"] = {"network_status": "approved_by_network", "type": "authorized"}
        intent = self.objects["payment_intent"][made["payment_intent"]]
        intent.update(status="succeeded", amount_received=made["amount"])
        for type_, changed in (
            ("charge.succeeded", made),
            ("payment_intent.succeeded", intent),
            ("charge.updated", made),
        ):
            self.tell(type_, changed, at)

    def _fail(self, made: Object, at: int, code: str, message: str) -> None:
        made.update(status="failed", failure_code=code, failure_message=message)
        intent = self.objects["payment_intent"][made["payment_intent"]]
        intent.update(status="requires_payment_method", payment_method=None)
        intent["last_payment_error"] = {"code": code, "message": message, "type": "card_error", "charge": made["id"]}
        self.tell("charge.failed", made, at)
        self.tell("payment_intent.payment_failed", intent, at)

    def dispute(self, key: str, made: Object, at: int, amount: int | None = None) -> None:
        """Let the payer dispute ``amount`` of a charge, all that was not given back when None."""
        disputed = made["amount"] - made["amount_refunded"] if amount is None else amount
        opened = objects.dispute(self._id("du_1", key), at, made, disputed)
        made["disputed"] = True
        move = self.move(opened["id"], at, "adjustment", opened, -disputed, DISPUTE_FEE)
        opened["balance_transactions"].append(move)
        self._add(opened, "charge.dispute.created", at)

    def _pay_out(self, day: date) -> None:
        ready: dict[str, list[Object]] = defaultdict(list)
        for move in self.objects["balance_transaction"].values():
            if move["status"] == "available" and move["id"] not in self.paid_out:
                ready[move["currency"]].append(move)
        for currency, moves in sorted(ready.items()):
            total = sum(move["net"] for move in moves)
            if total > 0:
                self._send_to_bank(moment(day, 5 * 3600), currency, total, moves)

    def _send_to_bank(self, at: int, currency: str, total: int, moves: list[Object]) -> None:
        made = self._send(objects.payout(self._id("po_1", at, currency), at, currency, total))
        for move in moves:
            self.paid_out[move["id"]] = made["id"]
        self.paid_out[made["balance_transaction"]] = made["id"]

    def pay_out_by_hand(self, key: str, at: int, currency: str, amount: int) -> Object:
        """Send ``amount`` of the balance to the bank; of which movements it is made is noted nowhere."""
        return self._send(objects.payout(self._id("po_1", key), at, currency, amount, automatic=False))

    def _send(self, made: Object) -> Object:
        made["balance_transaction"] = self.move(made["id"], made["created"], "payout", made, -made["amount"])["id"]
        return self._add(made, "payout.created", made["created"])

    def available(self, currency: str) -> int:
        """Return what of the balance may be paid out."""
        moves = self.objects["balance_transaction"].values()
        return sum(one["net"] for one in moves if one["currency"] == currency and one["status"] == "available")

    def move(self, key: str, at: int, type_: str, source: Object, amount: int, fee: int = 0) -> Object:
        """Move money of the balance because of ``source``."""
        id_ = self._id("txn_3", key, type_)
        rate = None if source["object"] == "payout" else self.rates.get(source["currency"])
        made = objects.balance_transaction(id_, at, type_=type_, source=source, amount=amount, fee=fee, rate=rate)
        self.objects["balance_transaction"][id_] = made
        return made

    def _add(self, made: Object, event: str, at: int) -> Object:
        self.objects[made["object"]][made["id"]] = made
        self.tell(event, made, at)
        return made

    def tell(self, type_: str, changed: Object, at: int) -> None:
        """Note an event with the object as it is now."""
        id_ = self._id("evt_3", type_, changed["id"], at, len(self.objects["event"]))
        self.objects["event"][id_] = objects.event(id_, at, type_, deepcopy(changed))

    def _id(self, prefix: str, *key: object) -> str:
        return new_id(prefix, self.seed, self.entity, *key)
