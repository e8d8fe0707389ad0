"""Stripe's money after it came: refunds, disputes, debits that come back, payouts; and the ways in which it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from connectors.base import PaymentPageDraft, Payout, ReceivedPayment, Unreadable
from connectors.errors import OutcomeUnknown, Refused, Retryable, Unsupported
from connectors.stripe import OVERLAP, Stripe
from sandbox.core import Fault
from sandbox.server import Options, Running
from sandbox.stripe import aftermath, cash
from sandbox.stripe.objects import Order
from tests.connectors.test_stripe import API, START, SandboxStripe, connector, event, page, pulled

INVOICE = PaymentPageDraft(key="inv-1", number="US-00012", currency="USD", amount=1234_56)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Options(today=START, deals=0, minute=0.06)) as running:
        yield running


@pytest.fixture
def shop(server: Running) -> Iterator[SandboxStripe]:
    made = SandboxStripe(server)
    with made.browser:
        yield made


@pytest.fixture
def stripe(shop: SandboxStripe) -> Stripe:
    return shop.connect()


def cursor(stripe: Stripe) -> datetime | None:
    return list(stripe.payments(None))[-1].cursor


def only(found: dict[str, ReceivedPayment], id_: str) -> ReceivedPayment:
    assert set(found) == {id_}
    return found[id_]


# ------------------------------------------------------------------------------------------------- what becomes of it


def test_several_refunds_add_up_and_one_that_fails_counts_no_more(shop: SandboxStripe, stripe: Stripe) -> None:
    id_ = shop.pay(100_00, "USD")
    before = cursor(stripe)
    shop.pass_days(10)
    shop.refund(id_, 30_00)
    shop.pass_days(1)
    shop.refund(id_, 20_00)
    got = only(pulled(stripe, before), id_)
    assert got.refunded == 50_00
    days = [(one.at.date() - START, one.amount) for one in got.given_back]
    assert days == [(timedelta(10), 30_00), (timedelta(11), 20_00)]
    assert got == only(pulled(stripe), id_)
    shop.pass_days(39)
    last = list(shop.account.objects["refund"])[-1]
    aftermath.fail_refund(shop.account, last, shop.now())
    since = datetime.combine(START + timedelta(days=49), datetime.min.time(), UTC)
    got = only(pulled(stripe, since), id_)
    assert (got.refunded, [one.amount for one in got.given_back]) == (30_00, [30_00])


@pytest.mark.parametrize(("won", "word"), [(True, "won"), (False, "lost")])
def test_a_dispute_is_told_when_it_opens_and_when_it_ends(
    shop: SandboxStripe, stripe: Stripe, won: bool, word: str
) -> None:
    id_ = shop.pay(100_00, "USD", "pm_card_createDispute")
    opened = pulled(stripe)[id_]
    assert (opened.disputed, opened.marks["dispute"]) == (True, "needs_response")
    before = cursor(stripe)
    shop.pass_days(60)
    (dispute,) = shop.account.objects["dispute"]
    aftermath.close_dispute(shop.account, dispute, shop.now(), won=won)
    ended = only(pulled(stripe, before), id_)
    assert (ended.disputed, ended.marks["dispute"], ended.status) == (not won, word, "succeeded")


def test_what_is_disputed_in_part_has_gone_back_until_that_is_won(shop: SandboxStripe, stripe: Stripe) -> None:
    id_ = shop.pay(100_00, "USD")
    before = cursor(stripe)
    shop.refund(id_, 10_00)
    for key, amount in (("d1", 30_00), ("d2", 5_00)):
        shop.account.dispute(key, shop.account.objects["charge"][id_], shop.now(), amount)
    opened = only(pulled(stripe, before), id_)
    assert (opened.refunded, opened.disputed, opened.marks["dispute"]) == (45_00, False, "needs_response")
    assert [one.amount for one in opened.given_back] == [10_00, 30_00, 5_00]
    aftermath.close_dispute(shop.account, next(iter(shop.account.objects["dispute"])), shop.now(), won=True)
    assert only(pulled(stripe, before), id_).refunded == 15_00


def test_a_debit_under_way_is_not_paid_and_one_that_comes_back_is_paid_no_more(
    shop: SandboxStripe, stripe: Stripe
) -> None:
    id_ = shop.pay(500_00, "EUR", "pm_sepaDebit_success")
    assert only(pulled(stripe), id_).status == "processing"
    shop.pass_days(6)
    assert only(pulled(stripe), id_).status == "succeeded"
    before = cursor(stripe)
    shop.pass_days(45)
    aftermath.return_debit(shop.account, id_, shop.now())
    assert only(pulled(stripe, before), id_).status == "failed"


# --------------------------------------------------------------------------------------------------- how else it comes


def transfer(shop: SandboxStripe, customer: str, amount: int) -> None:
    cash.fund(shop.account, f"t{shop.now()}", shop.now(), customer, amount, "usd", "US-00012")


def ask_for(shop: SandboxStripe, customer: str, amount: int) -> dict[str, Any]:
    form: dict[str, Any] = {"customer": customer, "metadata[invoice_number]": "US-00012"}
    made = shop.post("/v1/payment_intents", amount=amount, currency="usd", **form)
    return shop.account.objects["payment_intent"][made["id"]]


def test_money_transferred_into_a_customers_cash_balance_comes_as_what_it_paid(
    shop: SandboxStripe, stripe: Stripe
) -> None:
    customer = shop.add_customer("Acme", "ap@acme.example")
    intent = ask_for(shop, customer, 700_00)
    assert pulled(stripe) == {}
    transfer(shop, customer, 700_00)
    found = pulled(stripe)
    got = found.pop(intent["latest_charge"])
    assert (got.status, got.amount, got.marks["method"]) == ("succeeded", 700_00, "customer_balance")
    assert "US-00012" in got.texts.values()
    assert [(one.held, one.amount) for one in found.values()] == [(True, 0)]


def test_what_a_customer_transferred_too_much_is_held_until_it_is_applied(shop: SandboxStripe, stripe: Stripe) -> None:
    customer = shop.add_customer("Acme", "ap@acme.example")
    intent = ask_for(shop, customer, 10_000_00)
    transfer(shop, customer, 10_500_00)
    found = pulled(stripe)
    rest = found[f"{customer}-usd"]
    assert (rest.status, rest.held, rest.currency, rest.amount) == ("processing", True, "USD", 500_00)
    assert (rest.customer_id, rest.customer_name, rest.customer_email) == (customer, "Acme", "ap@acme.example")
    assert found[intent["latest_charge"]].amount == 10_000_00
    before = cursor(stripe)
    shop.pass_days(3)
    later = ask_for(shop, customer, 400_00)
    cash.apply(shop.account, "by hand", shop.now(), later)
    found = pulled(stripe, before)
    assert (found[later["latest_charge"]].amount, found[f"{customer}-usd"].amount) == (400_00, 100_00)


def test_a_transfer_that_pays_only_a_part_of_what_is_asked_for_is_held_too(shop: SandboxStripe, stripe: Stripe) -> None:
    customer = shop.add_customer("Acme", "ap@acme.example")
    intent = ask_for(shop, customer, 10_000_00)
    transfer(shop, customer, 6_000_00)
    assert [(one.held, one.amount) for one in pulled(stripe).values()] == [(True, 6_000_00)]
    transfer(shop, customer, 4_000_00)
    found = pulled(stripe)
    assert (found[intent["latest_charge"]].amount, found[f"{customer}-usd"].amount) == (10_000_00, 0)


def test_what_goes_into_the_balance_unapplied_is_received_by_that_and_in_its_payout(
    shop: SandboxStripe, stripe: Stripe
) -> None:
    customer = shop.add_customer("Acme", "ap@acme.example")
    transfer(shop, customer, 300_00)
    move = cash.to_balance(shop.account, "b1", shop.now(), customer, 300_00, "usd")
    found = pulled(stripe)
    got = found[move["id"]]
    assert (got.status, got.amount, got.customer_id) == ("succeeded", 300_00, customer)
    assert found[f"{customer}-usd"].amount == 0
    shop.pass_days(7)
    [payout] = stripe.payouts(None)
    assert isinstance(payout, Payout)
    assert [(one.kind, one.payment_id, one.net) for one in payout.movements] == [("payment", move["id"], 300_00)]


def test_the_number_of_an_invoice_paid_in_stripe_comes_with_the_first_pull_and_with_later_ones(
    shop: SandboxStripe, stripe: Stripe
) -> None:
    old = aftermath.pay_invoice(shop.account, "a", shop.now(), Order(100_00, "usd"), "US-00001")["id"]
    first = list(stripe.payments(None))
    shop.pass_days(3)
    new = aftermath.pay_invoice(shop.account, "b", shop.now(), Order(200_00, "usd"), "US-00002")["id"]
    later = pulled(stripe, first[-1].cursor)
    (before,) = [payment for each in first for payment in each.payments]
    assert (before.id, before.texts["invoice.number"]) == (old, "US-00001")
    assert later[new].texts["invoice.number"] == "US-00002"
    assert later[new].marks["stripe_invoice"].startswith("in_")


def test_payments_of_stripes_own_invoices_cost_no_call_each(shop: SandboxStripe, stripe: Stripe) -> None:
    for number in range(30):
        aftermath.pay_invoice(shop.account, str(number), shop.now(), Order(100_00, "usd"), f"US-{number:05}")
    shop.server.sandbox.stripe.calls.clear()
    assert len(pulled(stripe)) == 30
    assert sum(shop.calls().values()) == 3
    shop.server.sandbox.stripe.calls.clear()
    assert len(pulled(stripe, datetime.combine(START, datetime.min.time(), UTC))) == 30
    assert sum(shop.calls().values()) == 2


# ------------------------------------------------------------------------------------------------------------- payouts


def paid_out(stripe: Stripe, since: datetime | None = None) -> list[Payout | Unreadable]:
    return list(stripe.payouts(since))


def test_a_payout_comes_with_every_movement_and_these_add_up(shop: SandboxStripe, stripe: Stripe) -> None:
    kept = shop.pay(100_00, "USD")
    back = shop.pay(50_00, "USD")
    shop.refund(back, 20_00)
    shop.pay(30_00, "USD", "pm_card_createDispute")
    shop.pass_days(3)
    (payout,) = paid_out(stripe)
    assert isinstance(payout, Payout)
    assert sum(movement.net for movement in payout.movements) == payout.amount
    assert all(movement.net == movement.amount - movement.fee for movement in payout.movements)
    kinds = sorted((movement.kind, movement.amount) for movement in payout.movements)
    assert kinds == [
        ("dispute", -30_00), ("payment", 30_00), ("payment", 50_00), ("payment", 100_00), ("refund", -20_00),
    ]  # fmt: skip
    of = {movement.payment_id for movement in payout.movements if movement.kind == "refund"}
    assert of == {back}
    assert kept in {movement.payment_id for movement in payout.movements}


def test_a_payout_comes_again_when_it_has_arrived_and_when_it_has_failed(shop: SandboxStripe, stripe: Stripe) -> None:
    shop.pay(100_00, "USD")
    shop.pass_days(2)
    (sent,) = paid_out(stripe)
    assert isinstance(sent, Payout)
    assert (sent.status, sent.arrives_on) == ("pending", START + timedelta(days=3))
    shop.pass_days(1)
    since = datetime.combine(START + timedelta(days=3), datetime.min.time(), UTC) + OVERLAP
    (arrived,) = paid_out(stripe, since)
    assert isinstance(arrived, Payout)
    assert (arrived.id, arrived.status, arrived.movements) == (sent.id, "paid", sent.movements)
    shop.pass_days(3)
    aftermath.fail_payout(shop.account, sent.id, shop.now())
    later = since + timedelta(days=2)
    assert [(one.id, one.status) for one in paid_out(stripe, later) if isinstance(one, Payout)] == [(sent.id, "failed")]


def test_payouts_come_oldest_first_and_each_once(shop: SandboxStripe, stripe: Stripe) -> None:
    for _ in range(3):
        shop.pay(100_00, "USD")
        shop.pass_days(7)
    found = [one for one in paid_out(stripe) if isinstance(one, Payout)]
    assert [one.arrives_on for one in found] == sorted(one.arrives_on for one in found)
    assert len({one.id for one in found}) == len(found) == 3


def move(id_: str, net: int, fee: int = 0, **fields: Any) -> dict[str, Any]:
    made = {"id": id_, "type": "charge", "reporting_category": "charge", "created": 1, "currency": "usd"}
    return {**made, "amount": net + fee, "fee": fee, "net": net, "source": None, **fields}


def payout(**fields: Any) -> dict[str, Any]:
    made = {"id": "po_1", "amount": 900, "currency": "usd", "created": 10, "arrival_date": 86_400, "status": "paid"}
    return {**made, "automatic": True, "balance_transaction": "txn_own", **fields}


@pytest.mark.parametrize(
    ("sent", "moves", "problem"),
    [
        (payout(), [move("a", 899)], "add up to 899, not to 900"),
        (payout(), [move("a", 900, currency="eur")], "add up to"),
        (payout(), [move("a", 900) | {"net": 900, "amount": 950}], "net 900 is not 950 less 0"),
        (payout(amount=150, currency="isk"), [move("a", 150, currency="isk")], "no exact amount"),
        (payout(), [], "add up to 0"),
    ],
)  # fmt: skip
def test_a_payout_that_is_not_the_exact_sum_of_its_movements_is_unreadable(
    sent: dict[str, Any], moves: list[dict[str, Any]], problem: str
) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        answers.get(f"{API}/v1/payouts", json=page(sent))
        own = move("txn_own", -900, type="payout", reporting_category="payout")
        answers.get(f"{API}/v1/balance_transactions", json=page(own, *moves))
        (found,) = paid_out(connector(API))
    assert isinstance(found, Unreadable)
    assert problem in found.problem


def test_a_payout_sent_by_hand_is_its_amount_and_what_moved_the_balance_comes_apart(
    shop: SandboxStripe, stripe: Stripe
) -> None:
    shop.account.manual = True
    shop.pay(100_00, "USD")
    shop.pay(70_00, "EUR")
    shop.pass_days(3)
    made = shop.post("/v1/payouts", amount=40_00, currency="usd")
    (sent,) = paid_out(stripe)
    assert isinstance(sent, Payout)
    assert (sent.id, sent.amount, sent.automatic, sent.movements) == (made["id"], 40_00, False, ())
    shop.pass_days(1)
    shop.pay(30_00, "USD")
    begin = datetime.combine(START, datetime.min.time(), UTC)
    moved = list(stripe.movements("USD", begin, sent.made_at))
    assert sorted((one.kind, one.amount) for one in moved) == [("payment", 100_00), ("payout", -40_00)]


EUROS = {"object": "charge", "id": "ch_1", "currency": "eur", "amount": 1000_00}


@pytest.mark.parametrize(
    ("fields", "paid"),
    [
        ({"exchange_rate": 1.08743, "source": EUROS}, 1000_00),
        ({"exchange_rate": 1.08743, "source": {**EUROS, "amount": 1500_00, "amount_captured": 1000_00}}, 1000_00),
        ({"exchange_rate": 1.08743, "source": {**EUROS, "amount": 1005_00}}, None),
        ({"exchange_rate": None, "source": EUROS}, None),
        ({"exchange_rate": None, "source": {**EUROS, "currency": "usd", "amount": 1087_43}}, None),
        ({"exchange_rate": 0.00674, "source": {**EUROS, "currency": "jpy", "amount": 161339}}, 161339),
        ({"exchange_rate": None, "source": None}, None),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_movement_was_in_the_payments_currency_is_given_where_the_rate_leads_from_it(
    fields: dict[str, Any], paid: int | None, sign: int
) -> None:
    made = move("a", sign * 1087_43, **fields)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        answers.get(f"{API}/v1/payouts", json=page(payout(amount=sign * 1087_43)))
        answers.get(f"{API}/v1/balance_transactions", json=page(made))
        (found,) = paid_out(connector(API))
    assert isinstance(found, Payout)
    (one,) = found.movements
    assert one.paid_amount == (None if paid is None else sign * paid)
    assert bool(one.paid_currency) is (fields["source"] is not None and fields["source"]["currency"] != "usd")


def test_a_server_that_cannot_list_one_payouts_movements_is_not_believed_all_of_them() -> None:
    error = {"error": {"type": "invalid_request_error", "message": "Unexpected payout", "param": "payout"}}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        answers.get(f"{API}/v1/payouts", json=page(payout()))
        answers.get(f"{API}/v1/balance_transactions", status=400, json=error)
        with pytest.raises(Refused, match="Unexpected payout"):
            paid_out(connector(API))


def test_a_payout_that_stripe_is_still_putting_together_comes_later() -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        answers.get(f"{API}/v1/payouts", json=page(payout(reconciliation_status="in_progress")))
        assert paid_out(connector(API)) == []
        done = event("payout.reconciliation_completed", {"id": "po_2", "object": "payout"}, created=2_000_000_000)
        answers.get(f"{API}/v1/events", json=page(done))
        answers.get(f"{API}/v1/payouts/po_2", json=payout(id="po_2"))
        answers.get(f"{API}/v1/balance_transactions", json=page(move("a", 900)))
        since = datetime.fromtimestamp(1_900_000_000, UTC)
        assert [one.id for one in paid_out(connector(API), since)] == ["po_2"]


def test_stripes_published_payout_is_read(specs: Path) -> None:
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text(encoding="utf-8"))["resources"]
    published = fixtures["balance_transaction"]  # the example's own: under its id it would be the payout itself
    with responses.RequestsMock(assert_all_requests_are_fired=False) as answers:
        answers.get(f"{API}/v1/payouts", json=page(fixtures["payout"]))
        answers.get(f"{API}/v1/balance_transactions", json=page(move("a", 1000), {**published, "id": "txn_2"}))
        (found,) = paid_out(connector(API))
    assert isinstance(found, Payout)
    assert (found.id, found.amount, len(found.movements)) == (fixtures["payout"]["id"], 1100, 2)


# ------------------------------------------------------------------------------------------------- pages to pay on


def pay_at(url: str) -> requests.Response:
    return requests.post(url, timeout=5)


def test_the_page_of_an_invoice_takes_its_money_once_and_says_its_number(shop: SandboxStripe, stripe: Stripe) -> None:
    url = stripe.payment_page(INVOICE)
    paid = pay_at(url).json()["paid"]
    got = pulled(stripe)[paid]
    assert (got.amount, got.currency) == (1234_56, "USD")
    assert got.texts["payment_intent.metadata.invoice_number"] == "US-00012"
    assert pay_at(url).status_code == 400
    assert len(pulled(stripe)) == 1


def test_the_page_stays_the_same_however_often_and_late_it_is_asked_for(shop: SandboxStripe, stripe: Stripe) -> None:
    first = stripe.payment_page(INVOICE)
    shop.pass_days(3)  # Stripe has forgotten the idempotency keys
    assert shop.connect().payment_page(INVOICE) == first
    assert len(shop.account.objects["payment_link"]) == 1


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("days", [0, 3])
@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_process_that_dies_between_any_two_steps_leaves_one_page(
    shop: SandboxStripe, kind: str, step: int, days: int
) -> None:
    for number in range(3):  # of others: looked through, never taken
        shop.connect().payment_page(PaymentPageDraft(key=f"x{number}", number="US-1", currency="USD", amount=5))
    shop.server.sandbox.faults.ordered.append(Fault("stripe", kind, method="POST", path="/v1/", skip=step, times=-1))
    with pytest.raises((Retryable, OutcomeUnknown)):
        shop.connect().payment_page(INVOICE)
    shop.server.sandbox.faults.ordered.clear()
    shop.pass_days(days)
    url = shop.connect().payment_page(INVOICE)
    ours = [one for one in shop.account.objects["payment_link"].values() if one["metadata"]["netterms_key"] == "inv-1"]
    assert [one["url"] for one in ours] == [url]
    assert pay_at(url).status_code == 200


def test_the_page_of_a_key_is_for_one_amount(shop: SandboxStripe, stripe: Stripe) -> None:
    stripe.payment_page(INVOICE)
    for changed in ({"amount": 1}, {"currency": "EUR"}):
        with pytest.raises(Refused, match="is for 123456 USD"):
            stripe.payment_page(PaymentPageDraft(**{**_fields(INVOICE), **changed}))
    assert len(shop.account.objects["payment_link"]) == 1


def _fields(draft: PaymentPageDraft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in draft.__struct_fields__}


@pytest.mark.parametrize(
    ("currency", "amount", "sent"), [("JPY", 500, 500), ("KWD", 1_230, 1_230), ("ISK", 500, 500_00), ("UGX", 7, 7_00)]
)
def test_amounts_go_out_in_stripes_own_units_and_come_back_in_ours(
    shop: SandboxStripe, stripe: Stripe, currency: str, amount: int, sent: int
) -> None:
    draft = PaymentPageDraft(key=currency, number="US-00012", currency=currency, amount=amount)
    paid = pay_at(stripe.payment_page(draft)).json()["paid"]
    assert shop.account.objects["charge"][paid]["amount"] == sent
    assert (pulled(stripe)[paid].amount, pulled(stripe)[paid].currency) == (amount, currency)


@pytest.mark.parametrize(("currency", "amount"), [("KWD", 1_234), ("BHD", 1), ("MGA", 50)])
def test_an_amount_that_stripe_cannot_charge_gets_no_page(stripe: Stripe, currency: str, amount: int) -> None:
    with pytest.raises(Unsupported):
        stripe.payment_page(PaymentPageDraft(key="k", number="N", currency=currency, amount=amount))


def test_a_page_is_closed_or_takes_more_payments_however_often_that_is_said(
    shop: SandboxStripe, stripe: Stripe
) -> None:
    stripe.limit_payment_page(INVOICE, 0)  # there is none yet
    url = stripe.payment_page(INVOICE)
    paid = requests.post(url, data={"payment_method": "pm_usBankAccount_accountClosed"}, timeout=5).json()["paid"]
    assert pulled(stripe)[paid].marks["page"] == INVOICE.key
    assert pay_at(url).status_code == 400
    for _ in range(2):
        stripe.limit_payment_page(INVOICE, 2)
    assert (pay_at(url).status_code, pay_at(url).status_code) == (200, 400)
    stripe.limit_payment_page(INVOICE, 3)
    for _ in range(2):
        stripe.limit_payment_page(INVOICE, 0)
    assert pay_at(url).status_code == 400


def test_the_page_knows_the_customers_address(stripe: Stripe) -> None:
    draft = PaymentPageDraft(**{**_fields(INVOICE), "customer_email": "ap+x@acme.example"})
    assert stripe.payment_page(draft).endswith("?prefilled_email=ap%2Bx%40acme.example")


# --------------------------------------------------------------------------------------------- what was not delivered


def test_events_that_reached_no_webhook_are_told_by_their_ids() -> None:
    lost = event("charge.succeeded", {"id": "ch_1", "object": "charge"})
    with responses.RequestsMock() as answers:
        answers.get(f"{API}/v1/events", json=page(lost))
        (found,) = connector(API).undelivered(datetime.fromtimestamp(1_780_000_000, UTC))
        asked = answers.calls[0].request.url or ""
    assert (found.id, found.topic, found.object) == (lost["id"], "charge.succeeded", "ch_1")
    assert "delivery_success=false" in asked
    assert "1780000000" in asked
