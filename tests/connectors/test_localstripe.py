"""Real input that nobody here made: localstripe, somebody else's emulator, filled through Stripe's own SDK.

It is a separate process (GPL), never imported and never required: where no ``localstripe`` is on the PATH or named by
``NETTERMS_LOCALSTRIPE`` these tests are skipped. It listens on every address of the machine and knows no filters.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from connectors.base import Ports, ReceivedPayment, Settings
from connectors.stripe import Stripe, connect
from tests.conftest import FixedToken, NoWait
from tests.worlds import DAILY, Live

EXECUTABLE = os.environ.get("NETTERMS_LOCALSTRIPE") or shutil.which("localstripe")
KEY = "sk_test_localstripe"
CASH = ("pull_payments", "match_payments", "post_payments")

pytestmark = pytest.mark.skipif(
    EXECUTABLE is None, reason="localstripe is not installed: put it on the PATH, or its path into NETTERMS_LOCALSTRIPE"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run localstripe on a free port; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(EXECUTABLE), "--from-scratch", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(url, process)
            yield url
        finally:
            process.terminate()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "localstripe ended by itself"
        try:
            requests.get(f"{url}/v1/customers", auth=(KEY, ""), timeout=5).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("localstripe does not answer")


class Shop:
    """A company's Stripe account as its own checkout fills it: with Stripe's SDK."""

    def __init__(self, url: str) -> None:
        self.url = url
        requests.delete(f"{url}/_config/data", timeout=5).raise_for_status()
        self.sdk = stripe.StripeClient(KEY, base_addresses={"api": url})
        self.cards: dict[str, str] = {}

    def customer(self, name: str, **metadata: str) -> str:
        made = self.sdk.v1.customers.create({"name": name, "email": "ap@example.com", "metadata": metadata})
        card: Any = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"}
        method = self.sdk.v1.payment_methods.create({"type": "card", "card": card})
        self.sdk.v1.payment_methods.attach(method.id, {"customer": made.id})
        self.cards[made.id] = method.id
        return made.id

    def pay(self, customer: str, amount: int, currency: str = "gbp", **metadata: str) -> str:
        intent: Any = self.sdk.v1.payment_intents.create(
            {
                "amount": amount, "currency": currency, "customer": customer, "payment_method": self.cards[customer],
                "confirm": True, "metadata": metadata,
            }
        )  # fmt: skip
        assert intent.status == "succeeded"
        return str(intent.latest_charge.id)  # at Stripe itself it is the id

    def refund(self, charge: str, amount: int) -> None:
        self.sdk.v1.refunds.create({"charge": charge, "amount": amount})

    def connect(self) -> Stripe:
        settings = Settings(name="stripe_uk", vendor="stripe", base_url=self.url)
        return connect(settings, Ports(credentials=FixedToken(KEY), clock=NoWait()))


@pytest.fixture
def shop(server: str) -> Shop:
    return Shop(server)


def pulled(connector: Stripe, since: Any = None) -> dict[str, ReceivedPayment]:
    return {payment.id: payment for page in connector.payments(since) for payment in page.payments}


def test_everything_that_came_in_is_read_with_its_reference_and_its_customer(shop: Shop) -> None:
    customer = shop.customer("Northwind Ltd", hubspot_company_id="42")
    made = {shop.pay(customer, 1000 + number, invoice_number=f"UK-{number:05d}"): number for number in range(120)}

    got = pulled(shop.connect())

    assert set(got) == set(made)
    for charge, number in made.items():
        assert (got[charge].amount, got[charge].currency, got[charge].status) == (1000 + number, "GBP", "succeeded")
        assert got[charge].texts["payment_intent.metadata.invoice_number"] == f"UK-{number:05d}"
        assert (got[charge].customer_id, got[charge].customer_name) == (customer, "Northwind Ltd")


def test_a_later_pull_is_unfiltered_there_and_still_loses_nothing(shop: Shop) -> None:
    customer = shop.customer("Northwind Ltd")
    first = shop.pay(customer, 1000)
    connector = shop.connect()
    cursor = list(connector.payments(None))[-1].cursor
    second = shop.pay(customer, 2000)

    assert {first, second} >= set(pulled(connector, cursor)) >= {second}


def test_a_refund_is_seen_although_the_list_cannot_be_expanded_with_it(shop: Shop) -> None:
    charge = shop.pay(shop.customer("Northwind Ltd"), 10_000, invoice_number="UK-00001")
    shop.refund(charge, 2_500)

    got = pulled(shop.connect())[charge]

    assert (got.amount, got.refunded) == (10_000, 2_500)
    assert got.texts["payment_intent.metadata.invoice_number"] == "UK-00001"
    assert got.customer_name == "Northwind Ltd"


def test_customers_come_with_what_they_carry_of_other_systems(shop: Shop) -> None:
    shop.customer("Northwind Ltd", hubspot_company_id="42")

    [[customer]] = shop.connect().customers(None)

    assert (customer.name, customer.metadata) == ("Northwind Ltd", {"hubspot_company_id": "42"})


def test_its_payments_pay_their_invoices_here_and_in_the_books(shop: Shop, tmp_path: Path) -> None:
    live = Live(tmp_path)
    for name in ("Northwind Ltd", "Southwind Ltd"):
        live.sell(name)
    live.done(*DAILY)
    live.configure(f'base_url = "{live.running.url}/stripe"\ntoken = "sk_test_sandbox_uk"',
                   f'base_url = "{shop.url}"\ntoken = "{KEY}"')  # fmt: skip
    company = live.rows("SELECT crm_id FROM customers ORDER BY id")[1][0]
    shop.pay(shop.customer("Somebody"), 10_000, invoice_number="UK-00001")
    shop.pay(shop.customer("Nobody", hubspot_company_id=company), 10_000)
    shop.pay(shop.customer("Jo Visitor"), 5_000, source="tickets")

    live.done(*CASH, "pull_ledger")

    reasons = live.rows("SELECT d.number, a.amount, substr(a.reason, 1, 6) FROM applications a JOIN documents d"
                        " ON d.id=a.document_id ORDER BY d.number")  # fmt: skip
    assert reasons == [("UK-00001", 10_000, "number"), ("UK-00002", 10_000, "amount")]
    assert [row["AmountDue"] for row in live.sandbox.vendors["xero"].state()["invoices"]] == [0, 0]
    assert live.rows("SELECT scope, amount FROM payments WHERE scope='out'") == [("out", 5_000)]
    assert live.items() == []
    assert not any(result.changed for result in live.done(*CASH, "pull_ledger").values())
