from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.core import Clock, Ledger, OpenDocument, json_response
from sandbox.server import Options, Running
from sandbox.stripe import Stripe, aftermath
from sandbox.stripe.api import ENDPOINTS
from sandbox.stripe.objects import Order, Rate, fee_of, minor_units, new_id
from sandbox.stripe.wire import parse
from sandbox.world import Buyer, World

START = date(2026, 11, 2)  # a Monday
US, UK = "sk_test_sandbox_us", "sk_test_sandbox_uk"


# ------------------------------------------------------------------------------------------------------- the API


class Api:
    def __init__(self, running: Running, session: requests.Session) -> None:
        self.running = running
        self.url = f"{running.url}/stripe"
        self.session = session

    def send(self, method: str, path: str, key: str = US, idempotency: str = "", **params: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} | ({"Idempotency-Key": idempotency} if idempotency else {})
        url = f"{self.url}{path}"
        if method == "GET":
            return self.session.get(url, headers=headers, timeout=5, params=params)
        return self.session.post(url, headers=headers, timeout=5, data=params)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        return self._ok(self.send("GET", path, **params))

    def post(self, path: str, **params: Any) -> dict[str, Any]:
        return self._ok(self.send("POST", path, **params))

    def pay(self, amount: int = 1000, currency: str = "usd", method: str = "pm_card_visa", **params: Any) -> str:
        params |= {"amount": amount, "currency": currency, "payment_method": method, "confirm": "true"}
        return str(self.post("/v1/payment_intents", **params)["latest_charge"])

    def error(self, method: str, path: str, status: int, **params: Any) -> dict[str, Any]:
        answer = self.send(method, path, **params)
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error

    def pass_days(self, days: int) -> None:
        self.running.sandbox.move_clock(self.running.sandbox.clock.today + timedelta(days))

    @staticmethod
    def _ok(answer: requests.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(Options(today=START, deals=0, minute=0.06)) as server:
        yield server


@pytest.fixture
def api(running: Running) -> Iterator[Api]:
    running.sandbox.reset()
    running.sandbox.stripe.payers.accounts = {}  # nobody buys a ticket unasked
    with requests.Session() as session:
        yield Api(running, session)


def ids(body: Mapping[str, Any]) -> list[str]:
    return [item["id"] for item in body["data"]]


def test_each_key_opens_its_own_account(api: Api):
    assert api.get("/v1/account")["id"] == "acct_sandbox_us"
    assert api.get("/v1/account", key=UK)["id"] == "acct_sandbox_uk"
    id_ = api.pay()

    assert ids(api.get("/v1/charges")) == [id_]
    assert ids(api.get("/v1/charges", key=UK)) == []


@pytest.mark.parametrize("key", ["sk_test_somebody_else", "sk_test_sandbox_fr", ""])
def test_any_other_key_is_refused_without_being_shown(api: Api, key: str):
    error = api.error("GET", "/v1/charges", 401, key=key)

    assert error["type"] == "invalid_request_error"
    assert not key or key not in error["message"]


def test_the_key_may_be_the_user_of_basic_authentication(api: Api):
    answer = requests.get(f"{api.url}/v1/account", auth=(US, ""), timeout=5)

    assert answer.json()["id"] == "acct_sandbox_us"


def test_another_account_may_not_be_named(api: Api):
    headers = {"Authorization": f"Bearer {US}", "Stripe-Account": "acct_sandbox_uk"}
    answer = requests.get(f"{api.url}/v1/account", headers=headers, timeout=5)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_invalid")


def test_a_list_is_newest_first_and_pages_both_ways(api: Api):
    made = [api.pay(1000 + number) for number in range(5)][::-1]

    first = api.get("/v1/charges", limit=2)
    second = api.get("/v1/charges", limit=2, starting_after=made[1])
    last = api.get("/v1/charges", limit=2, starting_after=made[3])
    back = api.get("/v1/charges", limit=2, ending_before=made[3])

    assert (first["object"], first["url"]) == ("list", "/v1/charges")
    assert [ids(page) for page in (first, second, last, back)] == [made[:2], made[2:4], made[4:], made[1:3]]
    assert [page["has_more"] for page in (first, second, last, back)] == [True, True, False, True]


def test_a_list_has_ten_items_unless_asked_and_never_more_than_a_hundred(api: Api):
    for number in range(12):
        api.pay(1000 + number)

    assert len(ids(api.get("/v1/charges"))) == 10
    for limit in (0, 101):
        assert api.error("GET", "/v1/charges", 400, limit=limit)["param"] == "limit"
    assert api.error("GET", "/v1/charges", 400, limit="ten")["code"] == "parameter_invalid_integer"


def test_a_window_of_time_keeps_what_was_created_in_it(api: Api):
    first = api.pay()
    api.pass_days(2)
    second = api.pay()
    since = api.get(f"/v1/charges/{second}")["created"]

    assert ids(api.get("/v1/charges", **{"created[gte]": since})) == [second]
    assert ids(api.get("/v1/charges", **{"created[gt]": since})) == []
    assert ids(api.get("/v1/charges", **{"created[lt]": since})) == [first]
    assert api.error("GET", "/v1/charges", 400, **{"created[from]": 1})["param"] == "created[from]"


def test_an_unknown_parameter_is_refused_by_name(api: Api):
    error = api.error("GET", "/v1/charges", 400, paid="true")

    assert (error["code"], error["param"]) == ("parameter_unknown", "paid")


def test_an_unknown_object_or_path_is_not_found(api: Api):
    assert api.error("GET", "/v1/charges/ch_nobody", 404)["code"] == "resource_missing"
    assert "Unrecognized request URL" in api.error("GET", "/v1/chargers", 404)["message"]


def test_ids_are_expanded_as_deep_as_stripe_allows(api: Api):
    customer = api.post("/v1/customers", name="A")["id"]
    id_ = api.pay(customer=customer)
    paths = {f"expand[{n}]": f"data.source.{field}" for n, field in enumerate(("payment_intent", "customer"))}

    [move] = api.get("/v1/balance_transactions", **paths)["data"]

    assert (move["source"]["id"], move["source"]["customer"]["name"]) == (id_, "A")
    assert move["source"]["payment_intent"]["latest_charge"] == id_
    [plain] = api.get("/v1/balance_transactions")["data"]
    assert plain["source"] == id_
    for wrong in ("data.fee", "data.source.nonsense", "data.source.payment_intent.latest_charge.customer"):
        assert api.error("GET", "/v1/balance_transactions", 400, **{"expand[]": wrong})["param"] == "expand"


def test_a_card_payment_settles_at_once_with_its_fee(api: Api):
    id_ = api.pay(200_00, description="Payment for invoice US-00012", **{"metadata[a]": "b"})

    charge = api.get(f"/v1/charges/{id_}", **{"expand[]": "balance_transaction"})
    move = charge["balance_transaction"]

    assert id_.startswith("ch_3")
    assert (charge["status"], charge["description"]) == ("succeeded", "Payment for invoice US-00012")
    assert charge["metadata"] == {"a": "b"}
    assert (move["type"], move["amount"], move["fee"], move["net"]) == ("charge", 200_00, 6_10, 193_90)


def test_a_bank_debit_takes_days_and_is_in_the_balance_from_its_first(api: Api):
    id_ = api.pay(8000_00, method="pm_usBankAccount_success")
    charge = api.get(f"/v1/charges/{id_}", **{"expand[]": ["payment_intent", "balance_transaction"]})
    assert id_.startswith("py_3")
    assert (charge["status"], charge["payment_intent"]["status"]) == ("pending", "processing")
    move = charge["balance_transaction"]
    assert (move["type"], move["fee"], move["status"]) == ("payment", 5_00, "pending")
    api.pass_days(2)
    assert api.get(f"/v1/charges/{id_}")["status"] == "pending"

    api.pass_days(2)

    charge = api.get(f"/v1/charges/{id_}", **{"expand[]": "balance_transaction"})
    assert (charge["status"], charge["balance_transaction"]) == ("succeeded", move)
    assert [one["id"] for one in api.get("/v1/balance_transactions", source=id_)["data"]] == [move["id"]]


def test_a_debit_that_fails_leaves_the_balance_again(api: Api):
    id_ = api.pay(8000_00, method="pm_usBankAccount_accountClosed")

    api.pass_days(5)

    back, taken = api.get("/v1/balance_transactions", source=id_)["data"]
    assert (back["type"], back["reporting_category"]) == ("payment_failure_refund", "charge_failure")
    assert (back["amount"], taken["amount"]) == (-8000_00, 8000_00)
    assert api.get(f"/v1/charges/{id_}")["failure_balance_transaction"] == back["id"]


def test_in_an_old_account_a_debit_moves_the_balance_when_it_succeeds(api: Api):
    api.running.sandbox.stripe.accounts["us"].late_debits = True
    id_ = api.pay(8000_00, method="pm_usBankAccount_success")
    assert api.get(f"/v1/charges/{id_}")["balance_transaction"] is None

    api.pass_days(4)

    charge = api.get(f"/v1/charges/{id_}", **{"expand[]": "balance_transaction"})
    assert charge["status"] == "succeeded"
    assert charge["balance_transaction"]["created"] > charge["created"] + 2 * 86_400


def test_events_tell_what_happened_by_type_and_for_thirty_days(api: Api):
    id_ = api.pay(method="pm_usBankAccount_success")
    api.pass_days(5)

    types = {"types[]": ["charge.pending", "charge.succeeded"]}
    events = api.get("/v1/events", **types)["data"]

    assert [event["type"] for event in events] == ["charge.succeeded", "charge.pending"]
    assert [event["data"]["object"]["status"] for event in events] == ["succeeded", "pending"], "as it was then"
    assert {event["data"]["object"]["id"] for event in events} == {id_}
    api.pass_days(26)
    assert [event["type"] for event in api.get("/v1/events", **types)["data"]] == ["charge.succeeded"]


def test_a_refund_moves_money_back_and_ends_at_the_amount(api: Api):
    id_ = api.pay(100_00)
    refund = api.post("/v1/refunds", charge=id_, amount=30_00)

    move = api.get(f"/v1/balance_transactions/{refund['balance_transaction']}")
    assert (move["type"], move["amount"], move["net"], move["source"]) == ("refund", -30_00, -30_00, refund["id"])
    assert api.get(f"/v1/charges/{id_}")["amount_refunded"] == 30_00
    assert api.error("POST", "/v1/refunds", 400, charge=id_, amount=70_01)["param"] == "amount"

    api.post("/v1/refunds", payment_intent=api.get(f"/v1/charges/{id_}")["payment_intent"])

    assert api.get(f"/v1/charges/{id_}")["refunded"] is True
    assert api.error("POST", "/v1/refunds", 400, charge=id_)["code"] == "charge_already_refunded"
    assert len(ids(api.get("/v1/refunds", charge=id_))) == 2


def test_money_is_paid_out_to_the_bank_and_the_payout_names_its_parts(api: Api):
    id_ = api.pay(100_00)
    api.pass_days(5)

    [payout] = api.get("/v1/payouts")["data"]
    parts = api.get("/v1/balance_transactions", payout=payout["id"])["data"]

    assert payout["amount"] == 100_00 - 3_20
    assert sorted(part["source"] for part in parts) == sorted([id_, payout["id"]])
    assert sum(part["net"] for part in parts) == 0


def test_a_payout_sent_by_hand_takes_what_is_available_and_names_no_parts(api: Api):
    account = api.running.sandbox.stripe.accounts["us"]
    account.manual = True
    api.pay(100_00)
    error = api.error("POST", "/v1/payouts", 400, amount=1, currency="usd")
    assert error["code"] == "balance_insufficient"  # it is pending still
    api.pass_days(3)
    made = api.post("/v1/payouts", amount=40_00, currency="usd")
    assert (made["automatic"], made["status"]) == (False, "in_transit")
    assert "not manual" in api.error("GET", "/v1/balance_transactions", 400, payout=made["id"])["message"]
    assert api.error("POST", "/v1/payouts", 400, amount=60_00, currency="usd")["code"] == "balance_insufficient"
    account.manual = False
    api.pass_days(1)
    (later,) = [one for one in api.get("/v1/payouts")["data"] if one["automatic"]]
    assert later["amount"] == 100_00 - 3_20 - 40_00  # the one by hand is among its parts


def test_a_payment_that_is_exchanged_moves_another_balance_at_its_rate(api: Api):
    account = api.running.sandbox.stripe.accounts["us"]
    account.rates["eur"] = Rate("usd", Decimal("1.08743"))
    id_ = api.pay(1000_00, "eur")
    (move,) = api.get("/v1/balance_transactions")["data"]
    assert (move["amount"], move["currency"], move["exchange_rate"]) == (1087_43, "usd", 1.08743)
    assert move["net"] == move["amount"] - move["fee"]
    account.rates["eur"] = Rate("usd", Decimal("1.1"))
    refund = api.post("/v1/refunds", charge=id_, amount=10_00)
    back = api.get(f"/v1/balance_transactions/{refund['balance_transaction']}")
    assert (refund["currency"], back["currency"], back["amount"]) == ("eur", "usd", -11_00)


def test_an_intent_waits_until_it_is_confirmed(api: Api):
    intent = api.post("/v1/payment_intents", amount=5000, currency="gbp", key=UK)
    assert intent["status"] == "requires_payment_method"

    path = f"/v1/payment_intents/{intent['id']}/confirm"
    paid = api.post(path, payment_method="pm_bacsDebit_success", key=UK)

    assert paid["status"] == "processing"
    assert api.error("POST", path, 400, payment_method="pm_card_visa", key=UK)["code"] == (
        "payment_intent_unexpected_state"
    )


def test_a_declined_card_answers_402_and_leaves_a_failed_charge(api: Api):
    form = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": "true"}

    assert api.error("POST", "/v1/payment_intents", 402, **form)["code"] == "card_declined"
    assert [charge["status"] for charge in api.get("/v1/charges")["data"]] == ["failed"]


@pytest.mark.parametrize(("amount", "currency"), [(0, "usd"), ("1.5", "usd"), (150050, "isk"), (5123, "kwd")])
def test_an_amount_that_the_currency_does_not_have_is_refused(api: Api, amount: object, currency: str):
    assert api.error("POST", "/v1/payment_intents", 400, amount=amount, currency=currency)["param"] == "amount"


def test_a_customer_keeps_what_is_set_and_loses_metadata_set_to_nothing(api: Api):
    id_ = api.post("/v1/customers", name="A", email="a@example.com", **{"metadata[x]": "1", "metadata[y]": "2"})["id"]

    api.post(f"/v1/customers/{id_}", name="B", **{"metadata[x]": ""})

    customer = api.get(f"/v1/customers/{id_}")
    assert (customer["name"], customer["email"], customer["metadata"]) == ("B", "a@example.com", {"y": "2"})
    assert ids(api.get("/v1/customers", email="a@example.com")) == [id_]


# -------------------------------------------------------------------------------------------------- idempotency


def test_a_replayed_idempotency_key_returns_the_first_answer(api: Api):
    first = api.send("POST", "/v1/customers", idempotency="k1", name="A")
    again = api.send("POST", "/v1/customers", idempotency="k1", name="A")

    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers and again.headers["Idempotent-Replayed"] == "true"
    assert len(ids(api.get("/v1/customers"))) == 1


def test_an_idempotency_key_with_other_parameters_is_an_error(api: Api):
    api.send("POST", "/v1/customers", idempotency="k1", name="A")

    assert api.error("POST", "/v1/customers", 400, idempotency="k1", name="B")["type"] == "idempotency_error"


def test_an_idempotency_key_is_forgotten_after_a_day_and_belongs_to_one_account(api: Api):
    first = api.post("/v1/customers", idempotency="k1", name="A")["id"]
    assert api.post("/v1/customers", idempotency="k1", name="A", key=UK)["id"] != first

    api.pass_days(2)

    assert api.post("/v1/customers", idempotency="k1", name="A")["id"] != first


def test_a_decline_is_replayed_but_a_refused_parameter_is_not(api: Api):
    form = {"amount": 1000, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    for _ in range(2):
        api.error("POST", "/v1/payment_intents", 402, idempotency="k1", **form)
    assert len(ids(api.get("/v1/charges"))) == 1

    api.error("POST", "/v1/customers", 400, idempotency="k2", nmae="A")
    assert api.post("/v1/customers", idempotency="k2", name="A")["name"] == "A"


# -------------------------------------------------------------------------------------------------------- limits


def test_the_26th_call_of_a_second_to_one_endpoint_gets_a_429_that_names_the_limiter():
    with Running(Options(today=START, deals=0, minute=600)) as running, requests.Session() as session:
        api = Api(running, session)
        answers = [api.send("GET", "/v1/charges") for _ in range(26)]
        other = api.send("GET", "/v1/customers")
        other_account = api.send("GET", "/v1/charges", key=UK)

    assert [answer.status_code for answer in answers] == [200] * 25 + [429]
    assert answers[-1].json()["error"]["code"] == "rate_limit"
    assert answers[-1].headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    assert (other.status_code, other_account.status_code) == (200, 200)
    assert running.sandbox.stripe.calls["GET /v1/charges"] == 27, "429s are counted"


# ------------------------------------------------------------------------------------- what Stripe has published


def test_no_object_has_a_field_that_stripes_own_does_not_have(api: Api, specs: Path):
    published = json.loads((specs / "stripe" / "fixtures3.json").read_text())["resources"]
    id_ = api.pay(500_00, customer=api.post("/v1/customers", name="A")["id"])
    api.pay(method="pm_card_createDispute")
    api.post("/v1/refunds", charge=id_, amount=100)
    account = api.running.sandbox.stripe.accounts["us"]
    aftermath.pay_invoice(
        account, "paid", int(api.running.sandbox.clock.tick().timestamp()), Order(1, "usd"), "US-00001"
    )
    price = {"default_price_data[currency]": "usd", "default_price_data[unit_amount]": 5}
    price_id = api.post("/v1/products", name="Invoice 1", **price)["default_price"]
    api.post("/v1/payment_links", **{"line_items[0][price]": price_id, "line_items[0][quantity]": 1})
    api.pass_days(5)

    for kind, held in api.running.sandbox.stripe.accounts["us"].objects.items():
        assert held, f"the test makes no {kind}"
        for item in held.values():
            assert item.keys() <= published[kind].keys(), kind
    assert api.get("/v1/account").keys() <= published["account"].keys()


def test_no_endpoint_takes_a_parameter_that_stripes_own_does_not_take(specs: Path):
    paths = json.loads((specs / "stripe" / "stripe.slim.json").read_text())["paths"]
    by_shape = {re.sub("{[^}]+}", "<id>", path): operations for path, operations in paths.items()}
    checked = 0
    for endpoint in ENDPOINTS:
        operation = by_shape.get(endpoint.path, {}).get(endpoint.method.lower())
        if operation is None:
            continue  # the slim specification has only some of the paths
        checked += 1
        if endpoint.method == "GET":
            known = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        else:
            known = set(
                operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
            )
        assert endpoint.params <= known, endpoint.path
    assert checked >= 15


# -------------------------------------------------------------------------------------------------------- payers


class FakeLedger(Ledger):
    """A ledger whose open documents the test decides."""

    name = "fake"

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.documents: list[OpenDocument] = []

    def reset(self) -> None:
        self.documents.clear()

    def load(self, old: Any) -> None:
        """Hold no old books."""

    def state(self) -> dict[str, list[dict[str, Any]]]:
        return {}

    def too_many(self, limit: Any, wait: float) -> Any:
        return json_response({}, 429)

    def open_documents(self) -> list[OpenDocument]:
        return self.documents


class Town:
    """A Stripe, a ledger and buyers, without a server."""

    def __init__(self, *buyers: Buyer, seed: int = 1) -> None:
        self.clock = Clock(START)
        self.ledger = FakeLedger(self.clock)
        self.stripe = Stripe(self.clock, World(seed=seed, today=START, buyers=buyers), [self.ledger])

    def invoice(self, name: str, number: str = "US-00001", amount: str = "1200.00", currency: str = "USD") -> None:
        due = START + timedelta(30)
        self.ledger.documents.append(OpenDocument(number, name, currency, Decimal(amount), START, due))

    def walk(self, days: int) -> None:
        for _ in range(days):
            self.clock.move(self.clock.today + timedelta(1))
            self.stripe.advance(self.clock.today)

    def charges(self) -> list[dict[str, Any]]:
        """Return the charges for invoices, with ``day`` counted from the start."""
        found = [each for each in self.stripe.state()["charges"] if each["billing_details"]["name"] != "Jo Visitor"]
        return [{**each, "day": (datetime.fromtimestamp(each["created"], UTC).date() - START).days} for each in found]


def buyer(habit: str, id_: str = "1", **fields: Any) -> Buyer:
    made = {"name": f"Buyer {id_} LLC", "entity": "us", "currency": "USD", "email": f"ap@buyer{id_}.example"}
    made = {**made, "pays_as": made["name"], **fields}
    return Buyer(id=id_, habit=habit, **made)  # type: ignore[arg-type]


def many(habit: str, **fields: Any) -> Town:
    """Return a town of twelve buyers of one habit with an invoice of 1,200.00 each, due on day 30."""
    buyers = [buyer(habit, str(number), **fields) for number in range(12)]
    town = Town(*buyers)
    for number, each in enumerate(buyers):
        town.invoice(each.name, f"US-{number:05d}")
    return town


def test_who_pays_on_time_pays_once_at_most_three_days_early():
    town = many("on_time")
    town.walk(60)

    assert [charge["amount"] for charge in town.charges()] == [1200_00] * 12
    assert {charge["day"] for charge in town.charges()} <= {27, 28, 29, 30}


def test_who_pays_late_pays_five_to_twentyfive_days_after_the_due_date():
    town = many("late")
    town.walk(80)

    days = [charge["day"] for charge in town.charges()]
    assert len(days) == 12
    assert min(days) >= 35 and max(days) <= 55 and len(set(days)) > 3


def test_who_pays_in_parts_pays_about_half_and_the_rest_twenty_days_later():
    town = many("partly")
    town.walk(80)

    amounts = [charge["amount"] for charge in town.charges()]
    assert all(480_00 <= amount <= 720_00 for amount in amounts[:12])
    assert len(amounts) == 24 and sum(amounts) == 12 * 1200_00
    assert all(47 <= charge["day"] <= 50 for charge in town.charges()[12:])


def test_who_pays_twice_pays_the_same_again_within_a_week_even_when_the_invoice_is_closed():
    town = many("twice")
    town.walk(31)
    town.ledger.documents.clear()  # the books have noticed
    town.walk(20)

    assert [charge["amount"] for charge in town.charges()] == [1200_00] * 24
    days = sorted(charge["day"] for charge in town.charges())
    assert days[0] >= 27 and days[-1] <= 36


def test_who_pays_under_another_name_seldom_mentions_the_number():
    town = many("other_name", pays_as="Holding Treasury Ltd")
    town.walk(60)

    mentions = ["US-0" in str(charge) for charge in town.charges()]
    assert {charge["billing_details"]["name"] for charge in town.charges()} == {"Holding Treasury Ltd"}
    assert {charge["customer"] for charge in town.charges()} == {None}
    assert 0 < sum(mentions) < len(mentions) == 12


def test_who_never_pays_never_pays():
    town = many("never")
    town.walk(120)

    assert town.charges() == []


def test_a_payment_is_never_repeated_while_the_books_still_show_the_invoice_open():
    town = many("on_time")
    town.walk(120)

    assert len(town.charges()) == 12


def test_nobody_pays_more_than_is_still_open():
    town = Town(buyer("partly"))
    town.invoice("Buyer 1 LLC", amount="1000.00")
    town.walk(35)
    [first] = town.charges()
    town.ledger.documents.clear()
    town.invoice("Buyer 1 LLC", amount="150.00")  # a credit note took the rest
    town.walk(40)

    assert [charge["amount"] for charge in town.charges()] == [first["amount"], 150_00]


def test_an_invoice_that_vanished_is_not_paid():
    town = Town(buyer("late"))
    town.invoice("Buyer 1 LLC")
    town.walk(10)
    town.ledger.documents.clear()
    town.walk(80)

    assert town.charges() == []


def test_a_buyer_is_known_by_a_name_with_the_currency_behind_it():
    town = Town(buyer("on_time", entity="uk", currency="EUR"))
    town.invoice("BUYER 1, LLC (EUR)", currency="EUR")
    town.invoice("Somebody else", number="US-00002")
    town.walk(40)

    [charge] = town.charges()
    assert (charge["account"], charge["currency"]) == ("acct_sandbox_uk", "eur")
    assert {
        move["currency"] for move in town.stripe.state()["balance_transactions"] if move["source"] == charge["id"]
    } == {"eur"}


def test_the_number_stands_in_every_place_that_customers_choose():
    buyers = [buyer("on_time", str(number)) for number in range(60)]
    town = Town(*buyers)
    for number, each in enumerate(buyers):
        town.invoice(each.name, f"US-{number:05d}")
    town.walk(60)
    intents = {intent["id"]: intent for intent in town.stripe.state()["payment_intents"]}

    places: Counter[str] = Counter()
    for charge in town.charges():
        intent = intents[charge["payment_intent"]]
        nowhere = "US-000" not in f"{charge} {intent}"
        places["intent metadata"] += "invoice_number" in intent["metadata"]
        places["intent description"] += "Payment for invoice US-" in (intent["description"] or "")
        places["charge description"] += intent["description"] is None and "US-" in (charge["description"] or "")
        places["suffix"] += charge["statement_descriptor_suffix"] is not None
        places["charge metadata"] += "invoice" in charge["metadata"]
        places["nowhere"] += nowhere
        assert not nowhere or charge["customer"], "without a number the customer must be known"

    assert sum(places.values()) == 60
    assert all(places.values()), places


def test_some_pay_by_card_and_some_by_bank_debit():
    town = many("on_time")
    town.walk(60)

    methods = {charge["payment_method_details"]["type"] for charge in town.charges()}
    assert methods == {"card", "us_bank_account"}
    assert {charge["status"] for charge in town.charges()} == {"succeeded"}


def test_now_and_then_somebody_pays_for_something_else():
    town = Town()
    town.walk(60)

    tickets = [charge for charge in town.stripe.state()["charges"] if charge["billing_details"]["name"] == "Jo Visitor"]
    assert 3 < len(tickets) < 40
    assert all(49_00 <= ticket["amount"] < 200_00 and ticket["customer"] is None for ticket in tickets)
    assert all(ticket["metadata"] == {"source": "tickets"} for ticket in tickets), "its shop marks what is not for us"


def test_most_buyers_are_stripe_customers_and_some_carry_the_crms_id():
    buyers = [buyer("on_time", str(number)) for number in range(50)]
    customers = Town(*buyers).stripe.state()["customers"]

    linked = [customer for customer in customers if customer["metadata"].get("hubspot_company_id")]
    assert 30 < len(customers) < 50
    assert 5 < len(linked) < len(customers)
    assert customers == sorted(customers, key=lambda customer: customer["created"])


def test_the_same_seed_gives_the_same_payments_whatever_was_called_between():
    quiet, busy = many("partly"), many("partly")
    quiet.walk(70)
    for _ in range(70):
        busy.walk(1)
        account = busy.stripe.accounts["us"]
        account.add_customer(account.next_key(), int(busy.clock.tick().timestamp()), {"name": "Noise"})

    assert quiet.charges() == busy.charges()
    assert quiet.stripe.state()["balance_transactions"] == busy.stripe.state()["balance_transactions"]


def test_another_seed_gives_other_payments():
    def days(seed: int) -> list[int]:
        town = Town(*(buyer("late", str(number)) for number in range(5)), seed=seed)
        for number in range(5):
            town.invoice(f"Buyer {number} LLC", f"US-{number:05d}")
        town.walk(80)
        return [charge["day"] for charge in town.charges()]

    assert days(1) == days(1) != days(2)


def test_everything_is_listed_in_the_order_of_its_creation():
    town = many("twice")
    town.walk(80)

    for kind, items in town.stripe.accounts["us"].objects.items():
        created = [item["created"] for item in items.values()]
        assert created == sorted(created), kind


def test_reset_brings_the_first_day_back():
    town = many("on_time")
    before = town.stripe.state()
    town.walk(40)
    assert town.stripe.state() != before

    town.stripe.reset()

    assert town.stripe.state() == before


# --------------------------------------------------------------------------------------------------- small things


def test_nested_form_keys_become_nested_parameters():
    pairs = [("limit", "3"), ("created[gte]", "5"), ("expand[]", "a"), ("expand[]", "b"), ("types[0]", "x")]

    assert parse(pairs) == {
        "limit": "3",
        "created": {"gte": "5"},
        "expand": {"0": "a", "1": "b"},
        "types": {"0": "x"},
    }


def test_ids_look_like_stripes_and_depend_on_their_key_alone():
    assert new_id("ch_3", 1, "a") == new_id("ch_3", 1, "a") != new_id("ch_3", 2, "a")
    assert (len(new_id("ch_3", 1)), len(new_id("cus_", 1))) == (27, 18)


def test_amounts_become_stripes_minor_units_by_stripes_own_table():
    value = Decimal("1234.567")

    assert {code: minor_units(value, code) for code in ("usd", "jpy", "kwd", "isk")} == {
        "usd": 123456,
        "jpy": 1234,
        "kwd": 1234560,
        "isk": 123400,
    }


def test_fees_are_those_of_stripes_price_list():
    assert (fee_of(100_00, "card", "usd"), fee_of(100_00, "bacs_debit", "gbp")) == (3_20, 80)
    assert fee_of(1_000_000_00, "us_bank_account", "usd") == 5_00
