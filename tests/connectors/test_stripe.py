from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from connectors.base import GivenBack, Payments, Ports, ReceivedPayment, Settings, Unreadable
from connectors.errors import AuthExpired, OutcomeUnknown, Refused, Retryable
from connectors.http import READ_ATTEMPTS
from connectors.stripe import OVERLAP, Stripe, connect
from sandbox.core import Fault, OpenDocument
from sandbox.server import Options, Running
from sandbox.stripe.objects import Order
from tests.conftest import FixedToken, NoWait
from tests.connector_suite.payments import PaymentsContract, Provider, latest
from tests.sandbox.test_stripe import FakeLedger

KEY = "sk_test_sandbox_us"
START = date(2026, 11, 2)
API = "https://stripe.test"


class RealClock:
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Options(today=START, deals=0, minute=0.06)) as running:  # a second of Stripe's lasts a millisecond
        yield running


class SandboxStripe:
    """The stand-in. Plain payments and customers, of which there are many, appear in it; the rest goes over HTTP.

    The seeded customers and visitors stay away.
    """

    secret = KEY
    wrong_secret = "sk_test_" + "somebody_elses_key"

    def __init__(self, server: Running) -> None:
        self.server = server
        self.url = f"{server.url}/stripe"
        self.browser = requests.Session()
        server.sandbox.reset()
        self.account = server.sandbox.stripe.accounts["us"]
        self.account.objects["customer"].clear()
        server.sandbox.stripe.payers.accounts = {}

    def connect(self, secret: str = KEY, **settings: Any) -> Stripe:
        return connector(self.url, secret, **settings)

    def post(self, path: str, key: str = "", **form: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {KEY}", **({"Idempotency-Key": key} if key else {})}
        answer = self.browser.post(f"{self.url}{path}", data=form, headers=headers, timeout=5)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def pay(self, amount: int, currency: str, method: str = "pm_card_visa", **form: Any) -> str:
        form |= {"amount": amount, "currency": currency.lower(), "payment_method": method, "confirm": "true"}
        return str(self.post("/v1/payment_intents", **form)["latest_charge"])

    def receive(self, amount: int, currency: str, text: str = "") -> str:
        order = Order(amount, currency.lower(), description=text or None)
        return str(self.account.pay(self.account.next_key(), self.now(), order)["id"])

    def now(self) -> int:
        return int(self.server.sandbox.clock.tick().timestamp())

    def begin_debit(self, amount: int, currency: str) -> str:
        return self.pay(amount, currency, "pm_usBankAccount_success")

    def refund(self, payment: str, amount: int) -> None:
        self.post("/v1/refunds", charge=payment, amount=amount)

    def add_customer(self, name: str, email: str) -> str:
        fields = {"name": name, "email": email}
        return str(self.account.add_customer(self.account.next_key(), self.now(), fields)["id"])

    def pass_days(self, days: int) -> None:
        self.server.sandbox.move_clock(self.server.sandbox.clock.today + timedelta(days))

    def calls(self) -> dict[str, int]:
        return dict(self.server.sandbox.stripe.calls)


def connector(url: str, secret: str = KEY, clock: Any = None, **settings: Any) -> Stripe:
    chosen = Settings(name="stripe_us", vendor="stripe", base_url=url, **settings)
    return connect(chosen, Ports(credentials=FixedToken(secret), clock=clock or NoWait()))


@pytest.fixture
def shop(server: Running) -> Iterator[SandboxStripe]:
    made = SandboxStripe(server)
    with made.browser:
        yield made


@pytest.fixture
def payments(shop: SandboxStripe) -> Stripe:
    return shop.connect()


def pulled(payments: Payments, since: datetime | None = None) -> dict[str, ReceivedPayment]:
    return latest(list(payments.payments(since)))


class TestStripeKeepsTheContract(PaymentsContract):
    @pytest.fixture
    def provider(self, shop: SandboxStripe) -> Provider:
        return shop


# ------------------------------------------------------------------------------------------------ against the stand-in


def test_ten_thousand_payments_would_need_a_call_per_hundred_and_two_more(shop, payments):
    for number in range(200):
        shop.receive(1000 + number, "USD")
    shop.server.sandbox.stripe.calls.clear()

    list(payments.payments(None))

    assert shop.calls() == {"GET /v1/balance_transactions": 2, "GET /v1/events": 1, "GET /v1/invoice_payments": 1}


def test_every_place_of_an_invoice_number_is_delivered_under_its_path(shop, payments):
    form = {"description": "Payment for US-00001", "metadata[invoice_number]": "US-00002"}
    id_ = shop.pay(5000, "USD", statement_descriptor_suffix="US-00003", **form)

    texts = pulled(payments)[id_].texts

    assert texts["payment_intent.description"] == "Payment for US-00001"
    assert texts["payment_intent.metadata.invoice_number"] == "US-00002"
    assert texts["charge.metadata.invoice_number"] == "US-00002"
    assert texts["charge.statement_descriptor_suffix"] == "US-00003"
    assert "US-00003" in texts["charge.calculated_statement_descriptor"]


def test_the_customer_of_a_payment_comes_with_name_and_address(shop, payments):
    customer = shop.add_customer("Brightwater Health LLC", "ap@brightwater.example")
    id_ = shop.pay(5000, "USD", customer=customer)

    got = pulled(payments)[id_]

    assert (got.customer_id, got.customer_name) == (customer, "Brightwater Health LLC")
    assert got.customer_email == "ap@brightwater.example"


def test_what_a_customer_carries_of_other_systems_is_kept(shop, payments):
    shop.post("/v1/customers", name="A", **{"metadata[hubspot_company_id]": "9100000037"})

    [[customer]] = payments.customers(None)

    assert customer.metadata == {"hubspot_company_id": "9100000037"}


def test_a_debit_that_fails_comes_again_as_failed(shop, payments):
    id_ = shop.pay(700_00, "USD", "pm_usBankAccount_accountClosed")
    shop.receive(100, "USD")
    pages = list(payments.payments(None))
    assert latest(pages)[id_].status == "processing"

    shop.pass_days(6)

    assert pulled(payments, pages[-1].cursor)[id_].status == "failed"


@pytest.mark.parametrize("late", [False, True], ids=["submitted", "succeeded"])
def test_a_debit_that_succeeds_comes_again_whenever_the_balance_took_it_in(shop, payments, late):
    shop.account.late_debits = late
    id_ = shop.begin_debit(700_00, "USD")
    shop.pass_days(1)  # so that the next pull begins after the debit
    shop.receive(100, "USD")
    pages = list(payments.payments(None))
    assert latest(pages)[id_].status == "processing"

    shop.pass_days(6)

    got = pulled(payments, pages[-1].cursor)[id_]
    assert (got.status, got.fee) == ("succeeded", 5_00)
    assert got == pulled(payments)[id_]


def test_of_what_succeeded_only_a_debit_is_asked_for_by_itself(shop, payments):
    cursor = list(payments.payments(None))[-1].cursor or datetime(2026, 11, 1, tzinfo=UTC)
    debit = shop.begin_debit(700_00, "USD")
    shop.pass_days(6)
    shop.receive(100, "USD")
    later = datetime.combine(START + timedelta(3), datetime.min.time(), UTC)
    assert set(pulled(payments, cursor)) >= {debit}
    before = shop.calls()

    found = pulled(payments, later)

    made = {path: count - before.get(path, 0) for path, count in shop.calls().items() if count > before.get(path, 0)}
    assert len(found) == 2
    assert made == {"GET /v1/balance_transactions": 1, "GET /v1/events": 1, "GET /v1/charges/{id}": 1}


def test_a_declined_card_is_no_payment(shop, payments):
    form = {"amount": 500, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    answer = requests.post(
        f"{shop.url}/v1/payment_intents", data=form, headers={"Authorization": f"Bearer {KEY}"}, timeout=5
    )
    assert answer.status_code == 402

    assert pulled(payments) == {}


def test_a_disputed_payment_says_so(shop, payments):
    id_ = shop.pay(300_00, "USD", "pm_card_createDispute")
    fine = shop.receive(300_00, "USD")

    got = pulled(payments)

    assert (got[id_].disputed, got[fine].disputed) == (True, False)
    assert got[id_].fee == 9_00, "the fee of the payment, not of the dispute"


def test_a_refunded_payment_inside_the_window_is_delivered_once(shop, payments):
    id_ = shop.receive(300_00, "USD")
    shop.refund(id_, 100_00)
    shop.refund(id_, 50_00)

    delivered = [payment for page in payments.payments(None) for payment in page.payments]

    assert [(payment.id, payment.refunded) for payment in delivered] == [(id_, 150_00)]


def test_a_payout_to_the_bank_is_no_payment(shop, payments):
    id_ = shop.receive(300_00, "USD")
    shop.pass_days(10)
    assert shop.account.objects["payout"]

    assert set(pulled(payments)) == {id_}


def test_a_pull_begins_before_its_cursor_because_stripe_may_book_late(shop, payments):
    id_ = shop.receive(300_00, "USD")
    created = shop.account.objects["charge"][id_]["created"]
    moment = datetime.fromtimestamp(created, UTC)

    assert id_ in pulled(payments, moment + OVERLAP)
    assert id_ not in pulled(payments, moment + OVERLAP + timedelta(seconds=1))


def test_three_decimal_currencies_and_whole_ones_keep_their_value(shop, payments):
    cases = {"JPY": (5000, 5000), "KWD": (5_120, 5_120), "ISK": (5_000_00, 5_000), "UGX": (1_200_00, 1_200)}
    made = {shop.receive(stripes, code): (code, ours) for code, (stripes, ours) in cases.items()}

    got = pulled(payments)

    assert {id_: (got[id_].currency, got[id_].amount) for id_ in made} == made


def test_the_pace_stays_under_the_limits_so_that_stripe_never_says_429():
    with Running(Options(today=START, deals=0, minute=6.0)) as running:  # 25 calls in 0.1 s
        payments = connector(f"{running.url}/stripe", clock=RealClock(), minute_seconds=9.0)
        started = time.monotonic()
        for _ in range(60):
            payments.probe()
        took = time.monotonic() - started
        refused = running.sandbox.stripe.calls["GET /v1/account"] - 60

    assert took > 0.3, "60 calls need more than two windows of 25"
    assert refused == 0


def test_a_429_is_waited_out_and_never_surfaces(shop, payments):
    id_ = shop.receive(300_00, "USD")
    body = (
        '{"error": {"message": "Request rate limit exceeded.", "type": "invalid_request_error", "code": "rate_limit"}}'
    )
    shop.server.sandbox.faults.ordered[:] = [Fault("stripe", "error_before", status=429, times=3, body=body)]

    assert set(pulled(payments)) == {id_}


def test_a_429_that_does_not_end_is_retryable(shop, payments):
    shop.server.sandbox.faults.ordered[:] = [Fault("stripe", "error_before", status=429, times=-1, body="{}")]

    with pytest.raises(Retryable, match="429"):
        payments.probe()


@pytest.mark.parametrize("kind", ["cut_body", "reset_before", "error_before", "reset_after"])
def test_a_broken_answer_in_the_middle_of_a_pull_is_asked_for_again(shop, payments, kind):
    made = {shop.receive(1000 + number, "USD") for number in range(150)}
    shop.server.sandbox.faults.ordered[:] = [Fault("stripe", kind, path="balance_transactions", skip=1, times=2)]

    assert set(pulled(payments)) == made


def test_a_server_that_stays_down_is_retryable_after_a_few_attempts(shop, payments):
    shop.server.sandbox.faults.ordered[:] = [Fault("stripe", "error_before", status=500, times=-1)]
    shop.server.sandbox.stripe.calls.clear()

    with pytest.raises(Retryable):
        payments.probe()
    assert shop.calls() == {"GET /v1/account": READ_ATTEMPTS}


def test_a_connected_account_that_the_key_cannot_see_asks_to_reconnect(shop):
    with pytest.raises(AuthExpired):
        shop.connect(account="acct_of_somebody_else").probe()

    assert shop.connect(account="acct_sandbox_us").probe().account_name == "Northwind Cloud (US)"


def test_daily_pulls_of_a_season_end_where_one_full_pull_ends():
    with Running(Options(today=START, deals=40, minute=0.06)) as running:
        stripe, books = running.sandbox.stripe, FakeLedger(running.sandbox.clock)
        for number, buyer in enumerate(running.sandbox.stripe.world.buyers):
            due = START + timedelta(number % 30)
            document = OpenDocument(f"US-{number:05d}", buyer.name, buyer.currency, Decimal(900 + number), START, due)
            books.documents.append(document)
        stripe.ledgers = [books]
        stripe.reset()
        payments, cursor, under_way = connector(f"{running.url}/stripe"), None, 0
        seen: dict[str, ReceivedPayment] = {}
        for _ in range(70):
            running.sandbox.move_clock(running.sandbox.clock.today + timedelta(1))
            pages = list(payments.payments(cursor))
            seen |= latest(pages)
            under_way += any(payment.status == "processing" for payment in latest(pages).values())
            cursor = pages[-1].cursor

        assert under_way > 3
        assert seen == pulled(payments)
        assert set(seen) == set(stripe.accounts["us"].objects["charge"])


# ------------------------------------------------------------------------------------------------- single answers


def page(*items: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "url": "/v1/x", "has_more": has_more, "data": list(items)}


def charge(**fields: Any) -> dict[str, Any]:
    made = {"id": "ch_1", "object": "charge", "amount": 1000, "amount_captured": 1000, "captured": True}
    return {**made, "currency": "usd", "created": 1_780_000_000, "status": "succeeded", "amount_refunded": 0, **fields}


def event(kind: str, changed: Any, created: int = 1_780_000_400) -> dict[str, Any]:
    return {"id": f"evt_{created}", "type": kind, "created": created, "data": {"object": changed}}


def move(source: Any, **fields: Any) -> dict[str, Any]:
    made = {"id": "txn_1", "type": "charge", "created": 1_780_000_100, "currency": "usd", "fee": 59, "net": 941}
    return {**made, "amount": 1000, "source": source, **fields}


@pytest.fixture
def answers() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{API}/v1/invoice_payments", json=page())
        yield mock


def refuse(answers: responses.RequestsMock, path: str, message: str, wish: str = "") -> None:
    """Answer 400 to what puts a wish (a filter or an expansion) or, when none is named, to everything."""
    error = {"error": {"type": "invalid_request_error", "message": message}}
    wanted = re.compile(rf"{re.escape(API + path)}(\?.*{wish}.*)") if wish else f"{API}{path}"
    answers.get(wanted, status=400, json=error)


def one_pull(answers: responses.RequestsMock, *moves: Any, events: Any = None) -> list[ReceivedPayment]:
    answers.get(f"{API}/v1/events", json=events if events is not None else page())
    answers.get(f"{API}/v1/balance_transactions", json=page(*moves))
    return [payment for each in connector(API).payments(None) for payment in each.payments]


def test_stripes_own_published_objects_are_read_without_loss(answers, specs: Path):
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text())["resources"]
    source = {**fixtures["charge"], "payment_intent": fixtures["payment_intent"], "customer": fixtures["customer"]}
    answers.get(f"{API}/v1/customers", json=page(fixtures["customer"]))

    [got] = one_pull(answers, {**fixtures["balance_transaction"], "source": source})
    [[customer]] = connector(API).customers(None)

    assert got == ReceivedPayment(
        id="ch_1PgafuB7WZ01zgkWXYmPNZs8",
        currency="USD",
        amount=100,
        received_at=datetime.fromtimestamp(1234567890, UTC),
        status="succeeded",
        customer_id="cus_QXg1o8vcGmoR32",
        customer_name="Jenny Rosen",
        texts={
            "charge.description": "My First Test Charge (created for API docs)",
            "charge.billing_details.name": "Jenny Rosen",
        },
        marks={"kind": "connect", "account": "obj_123", "method": "card"},
        also_known_as=("pi_1PgafyB7WZ01zgkWSjxsAJo3", "txn_1PgaxNB7WZ01zgkWEV3TLf40"),
        fee=0,
        net=100,
        settlement_currency="USD",
    )
    assert (customer.id, customer.name, customer.metadata) == ("cus_QXg1o8vcGmoR32", "", {})


def test_stripes_own_published_refund_and_payout_are_no_payments(answers, specs: Path):
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text())["resources"]
    payout = {**fixtures["balance_transaction"], "type": "payout", "source": fixtures["payout"]}
    refund = {**fixtures["balance_transaction"], "type": "refund", "source": fixtures["refund"]}
    id_ = fixtures["refund"]["charge"]
    answers.get(f"{API}/v1/charges/{id_}", json={**fixtures["charge"], "id": id_, "amount_refunded": 100})

    [got] = one_pull(answers, payout, refund)

    assert (got.id, got.amount, got.refunded) == (id_, 100, 100)


def test_stripes_own_published_dispute_makes_its_charge_come_again(answers, specs: Path):
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text())["resources"]
    dispute = {**fixtures["balance_transaction"], "type": "adjustment", "source": fixtures["dispute"]}
    id_ = fixtures["dispute"]["charge"]
    answers.get(f"{API}/v1/charges/{id_}", json={**fixtures["charge"], "id": id_, "disputed": True})
    answers.get(f"{API}/v1/disputes", json=page({**fixtures["dispute"], "status": "under_review"}))

    [got] = one_pull(answers, dispute)

    assert (got.id, got.disputed, got.marks["dispute"]) == (id_, True, "under_review")


def test_a_server_that_knows_no_disputes_still_says_which_payment_is_disputed(answers):
    answers.get(f"{API}/v1/disputes", status=404, body="404: Not Found")

    [got] = one_pull(answers, move(charge(disputed=True)))

    assert got.disputed


def test_each_of_stripes_own_published_objects_may_be_the_source_of_a_move(answers, specs: Path):
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text())["resources"]
    kinds = ("payout", "transfer", "topup", "application_fee", "fee_refund", "transfer_reversal", "refund", "dispute")
    moves = [{**fixtures["balance_transaction"], "type": kind, "source": fixtures[kind]} for kind in kinds]
    answers.get(f"{API}/v1/refunds", json=page())
    answers.get(re.compile(rf"{API}/v1/charges/.*"), json=fixtures["charge"])
    events = [
        fixtures["event"],
        {**fixtures["event"], "type": "charge.refunded", "data": {"object": fixtures["charge"]}},
    ]

    assert {payment.id for payment in one_pull(answers, *moves, events=page(*events))} == {fixtures["charge"]["id"]}


def test_a_source_that_was_not_expanded_is_read_by_itself(answers):
    answers.get(f"{API}/v1/charges/ch_1", json=charge(balance_transaction=move("ch_1")))

    [got] = one_pull(answers, move("ch_1"))

    assert (got.id, got.amount, got.fee) == ("ch_1", 1000, 59)


def test_a_server_without_events_still_gives_its_payments(answers):
    answers.get(f"{API}/v1/events", status=404, body="404: Not Found")
    answers.get(f"{API}/v1/balance_transactions", json=page(move(charge())))

    assert set(pulled(connector(API))) == {"ch_1"}


def test_events_that_are_refused_for_another_reason_are_not_done_without(answers):
    refuse(answers, "/v1/events", "Try again with a newer version")
    answers.get(f"{API}/v1/balance_transactions", json=page(move(charge())))

    with pytest.raises(Refused, match="newer version"):
        pulled(connector(API))


def test_a_server_that_knows_no_filter_is_asked_without_and_what_was_not_asked_for_is_left_out(answers):
    old = move(charge(id="ch_old"), created=1_700_000_000)
    events = [
        event("customer.created", {"id": "cus_1"}),
        event("charge.refunded", charge(id="ch_2", object="charge")),
        event("charge.refunded", charge(id="ch_3", object="charge"), created=1_700_000_000),
    ]
    refuse(answers, "/v1/events", "Unexpected types", "types")
    answers.get(f"{API}/v1/events", json=page(*events))
    refuse(answers, "/v1/balance_transactions", "Unexpected created", "created")
    answers.get(f"{API}/v1/balance_transactions", json=page(move(charge()), old))
    refuse(answers, "/v1/customers", "Unexpected created", "created")
    customers = [{"id": "cus_2", "created": 1_700_000_000}, {"id": "cus_3", "created": 1_780_000_000}]
    answers.get(f"{API}/v1/customers", json=page(*customers))
    answers.get(f"{API}/v1/charges/ch_2", json=charge(id="ch_2", amount_refunded=100))
    answers.get(f"{API}/v1/refunds", json=page())
    payments = connector(API)
    since = datetime.fromtimestamp(1_780_000_000, UTC)

    assert set(pulled(payments, since)) == set(pulled(payments, since)) == {"ch_1", "ch_2"}
    assert [customer.id for customers in payments.customers(since) for customer in customers] == ["cus_3"]
    asked = [call.request.url or "" for call in answers.calls]
    assert sum("types" in url for url in asked) == 1, "a refused wish is not put again"


def test_a_filter_refused_for_another_reason_is_not_done_without(answers):
    answers.get(f"{API}/v1/events", json=page())
    refuse(answers, "/v1/balance_transactions", "Bad request")

    with pytest.raises(Refused, match="Bad request"):
        pulled(connector(API), datetime(2026, 11, 2, tzinfo=UTC))


def test_a_server_that_expands_less_is_asked_for_each_charge_and_loses_no_refund(answers):
    answers.get(f"{API}/v1/events", json=page())
    refuse(answers, "/v1/balance_transactions", "Bad expand 'customer'", "data.source.customer")
    refund = move({"id": "re_1", "object": "refund", "charge": "ch_9"}, id="txn_2", type="refund")
    bare = move(charge(payment_intent="pi_1", customer="cus_1"))
    answers.get(f"{API}/v1/balance_transactions", json=page(refund, bare))
    intent = {"id": "pi_1", "metadata": {"invoice_number": "US-00001"}}
    full = charge(payment_intent=intent, customer={"id": "cus_1", "name": "Acme"}, balance_transaction=move("ch_1"))
    answers.get(f"{API}/v1/charges/ch_1", json=full)
    answers.get(f"{API}/v1/charges/ch_9", json=charge(id="ch_9", amount_refunded=300))
    given_back = {"id": "re_1", "amount": 300, "created": 1_780_000_300, "status": "succeeded"}
    answers.get(f"{API}/v1/refunds", json=page(given_back))

    got = pulled(connector(API))

    assert (got["ch_1"].customer_name, got["ch_1"].fee) == ("Acme", 59)
    assert got["ch_1"].texts["payment_intent.metadata.invoice_number"] == "US-00001"
    assert got["ch_9"].refunded == 300
    assert got["ch_9"].given_back == (GivenBack(datetime.fromtimestamp(1_780_000_300, UTC), 300),)


def test_a_server_that_knows_no_refunds_still_says_how_much_was_refunded(answers):
    answers.get(f"{API}/v1/refunds", status=404, json={"error": {"message": "no such path"}})
    [got] = one_pull(answers, move(charge(amount_refunded=300)))

    assert (got.refunded, got.given_back) == (300, ())


def test_what_tells_whose_money_it_is_comes_along(answers):
    customer = {"id": "cus_1", "metadata": {"segment": "b2b", "empty": ""}}
    passed_on = move(charge(id="ch_2", transfer_data={"destination": "acct_2"}, application="ca_1"), id="txn_2")
    by_app = move(charge(id="ch_3", application={"id": "ca_1", "object": "application"}), id="txn_3")
    from_platform = move(charge(id="py_4", source_transfer="tr_1"), id="txn_4", type="payment")

    plain, connect_, made, received = one_pull(
        answers, move(charge(customer=customer)), passed_on, by_app, from_platform
    )

    assert plain.marks == {"kind": "direct", "customer.metadata.segment": "b2b"}
    assert connect_.marks == {"kind": "connect", "account": "acct_2", "application": "ca_1"}
    assert made.marks == {"kind": "application", "application": "ca_1"}
    assert received.marks == {"kind": "connect"}


def test_a_payment_says_by_which_other_ids_people_may_call_it(answers):
    [got] = one_pull(answers, move(charge(payment_intent={"id": "pi_1"}, balance_transaction="txn_1")))

    assert (got.id, got.also_known_as) == ("ch_1", ("pi_1", "txn_1"))


def test_of_a_partial_capture_only_the_captured_part_was_received(answers):
    [got] = one_pull(answers, move(charge(amount_captured=600, amount_refunded=400)))

    assert (got.amount, got.refunded) == (600, 0)


def test_a_payment_settled_in_another_currency_keeps_both(answers):
    [got] = one_pull(answers, move(charge(currency="eur"), fee=40, net=1040, currency="usd"))

    assert (got.currency, got.amount, got.settlement_currency, got.fee, got.net) == ("EUR", 1000, "USD", 40, 1040)


def test_a_deleted_customer_leaves_the_name_on_the_card(answers):
    gone = {"id": "cus_1", "object": "customer", "deleted": True}

    [got] = one_pull(answers, move(charge(customer=gone, billing_details={"name": "Pat", "email": "pat@example.com"})))

    assert (got.customer_id, got.customer_name, got.customer_email) == ("cus_1", "Pat", "pat@example.com")


def test_an_amount_without_an_exact_minor_unit_is_named_and_the_other_payments_go_on(answers):
    odd = move(charge(id="ch_odd", currency="isk", amount=150050, amount_captured=150050), id="txn_2")
    answers.get(f"{API}/v1/events", json=page())
    answers.get(f"{API}/v1/balance_transactions", json=page(odd, move(charge())))

    pages = list(connector(API).payments(None))

    assert set(latest(pages)) == {"ch_1"}
    unreadable = [item for each in pages for item in each.unreadable]
    assert unreadable == [Unreadable("ch_odd", "150050 ISK has no exact amount with 0 decimals")]
    assert pages[-1].cursor == datetime.fromtimestamp(1_780_000_100, UTC)


def test_a_fee_without_an_exact_minor_unit_is_left_unknown(answers):
    [got] = one_pull(answers, move(charge(), currency="isk", fee=150, net=99850))

    assert (got.amount, got.fee, got.net, got.settlement_currency) == (1000, None, None, "ISK")


def test_a_currency_that_stripe_sends_without_decimals_gets_the_iso_ones(answers):
    [got] = one_pull(answers, move(charge(currency="mga", amount=500, amount_captured=500)))

    assert got.amount == 500_00


def test_a_request_stripe_will_never_accept_is_refused(answers):
    answers.get(
        f"{API}/v1/account",
        status=400,
        json={"error": {"type": "invalid_request_error", "message": "bad", "param": "x"}},
    )

    with pytest.raises(Refused, match="bad"):
        connector(API).probe()


def test_an_answer_of_another_shape_is_not_taken_for_data(answers):
    with pytest.raises(OutcomeUnknown, match="cannot be read"):
        one_pull(answers, move({**charge(), "amount": "ten"}))


def test_no_error_shows_the_key(answers):
    shown = "sk_live_" + "abcdefghijklmnop"
    answers.get(
        f"{API}/v1/account", status=500, json={"error": {"message": f"failed for {shown}", "type": "api_error"}}
    )

    with pytest.raises(Retryable) as caught:
        connector(API, shown).probe()
    assert "abcdefghijklmnop" not in str(caught.value)


def test_the_first_pull_asks_for_everything_and_a_later_one_for_a_window(answers):
    one_pull(answers)
    since = datetime(2026, 11, 2, 12, tzinfo=UTC)
    list(connector(API).payments(since))

    asked = [call.request.url or "" for call in answers.calls]

    start = int((since - OVERLAP).timestamp())
    assert [f"created[gte]={start}" in url.replace("%5B", "[").replace("%5D", "]") for url in asked] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert {call.request.headers["Stripe-Version"] for call in answers.calls} == {"2026-10-28.endive"}
