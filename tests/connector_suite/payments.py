"""What every connector of the Payments role passes: subclass ``PaymentsContract`` and give it a ``provider``."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

import pytest

from connectors.base import PaymentPage, Payments, ReceivedPayment
from connectors.errors import AuthExpired


class Provider(Protocol):
    """A payment provider's stand-in as the suite drives it, and the connector aimed at it. Empty at the start."""

    secret: str  # the credential that works
    wrong_secret: str

    def connect(self, secret: str) -> Payments:
        """Return the connector with ``secret``."""

    def receive(self, amount: int, currency: str, text: str = "") -> str:
        """Let somebody pay, with ``text`` somewhere in the payment; return the payment's id."""

    def begin_debit(self, amount: int, currency: str) -> str:
        """Let somebody pay in a way that takes days; return the payment's id."""

    def refund(self, payment: str, amount: int) -> None:
        """Give a part of a payment back."""

    def add_customer(self, name: str, email: str) -> str:
        """Register a customer; return its id."""

    def pass_days(self, days: int) -> None:
        """Let time pass: what is under way gets settled."""


def latest(pages: list[PaymentPage]) -> dict[str, ReceivedPayment]:
    """Return the last word of ``pages`` on each payment."""
    return {payment.id: payment for page in pages for payment in page.payments}


class PaymentsContract:
    """The contract. ``provider`` is a fixture of the subclass."""

    @pytest.fixture
    def provider(self) -> Provider:
        raise NotImplementedError("give the suite a provider")

    @pytest.fixture
    def payments(self, provider: Provider) -> Payments:
        return provider.connect(provider.secret)

    def test_a_probe_names_the_account_for_people(self, payments: Payments):
        assert payments.probe().account_name

    def test_an_empty_account_gives_one_page_without_payments(self, payments: Payments):
        assert list(payments.payments(None)) == [PaymentPage(payments=(), cursor=None)]

    def test_a_payment_arrives_with_its_amount_and_currency_and_text(self, provider: Provider, payments: Payments):
        id_ = provider.receive(1234_56, "USD", "for US-00012")

        got = latest(list(payments.payments(None)))[id_]

        assert (got.amount, got.currency, got.status, got.refunded) == (1234_56, "USD", "succeeded", 0)
        assert "for US-00012" in got.texts.values()
        assert got.received_at.utcoffset() == timedelta(0)

    def test_fee_and_net_add_up_to_the_amount(self, provider: Provider, payments: Payments):
        id_ = provider.receive(99_99, "USD")

        got = latest(list(payments.payments(None)))[id_]

        assert got.fee is not None and got.net is not None
        assert got.fee > 0
        assert (got.fee + got.net, got.settlement_currency) == (got.amount, "USD")

    def test_every_payment_is_delivered_when_there_are_several_pages(self, provider: Provider, payments: Payments):
        made = {provider.receive(1000 + number, "USD") for number in range(230)}

        pages = list(payments.payments(None))

        assert set(latest(pages)) == made
        assert sum(len(page.payments) for page in pages) == len(made)
        assert len([page for page in pages if page.payments]) > 1

    def test_only_the_last_page_carries_a_cursor(self, provider: Provider, payments: Payments):
        for number in range(120):
            provider.receive(1000 + number, "USD")

        pages = list(payments.payments(None))

        assert [page.cursor is not None for page in pages] == [False] * (len(pages) - 1) + [True]

    def test_a_pull_from_the_cursor_loses_nothing(self, provider: Provider, payments: Payments):
        made, seen, cursor = set(), set(), None
        for _ in range(4):
            made |= {provider.receive(5000, "USD") for _ in range(3)}
            pages = list(payments.payments(cursor))
            seen |= set(latest(pages))
            cursor = pages[-1].cursor
            provider.pass_days(1)

        assert seen == made

    def test_a_pull_from_the_cursor_leaves_out_what_is_long_known(self, provider: Provider, payments: Payments):
        old = provider.receive(5000, "USD")
        provider.pass_days(10)
        new = provider.receive(6000, "USD")
        cursor = list(payments.payments(None))[-1].cursor

        again = latest(list(payments.payments(cursor)))

        assert old not in again
        assert set(again) <= {new}

    def test_a_pull_without_news_keeps_its_cursor(self, provider: Provider, payments: Payments):
        provider.receive(5000, "USD")
        cursor = list(payments.payments(None))[-1].cursor

        assert list(payments.payments(cursor))[-1].cursor == cursor

    def test_a_debit_is_processing_first_and_comes_again_when_it_succeeds(self, provider: Provider, payments: Payments):
        provider.receive(100, "USD")
        id_ = provider.begin_debit(8000_00, "USD")
        first = list(payments.payments(None))
        assert latest(first)[id_].status == "processing"

        provider.pass_days(7)
        settled = latest(list(payments.payments(first[-1].cursor)))[id_]

        assert (settled.status, settled.amount) == ("succeeded", 8000_00)
        assert settled.fee is not None
        assert settled.received_at >= latest(first)[id_].received_at

    def test_an_old_payment_comes_again_when_it_is_refunded(self, provider: Provider, payments: Payments):
        id_ = provider.receive(900_00, "USD", "US-00077")
        before = list(payments.payments(None))
        provider.pass_days(40)
        provider.refund(id_, 250_00)

        after = latest(list(payments.payments(before[-1].cursor)))[id_]

        assert (after.amount, after.refunded) == (900_00, 250_00)
        assert after.received_at == latest(before)[id_].received_at
        assert (after.fee, after.net) == (latest(before)[id_].fee, latest(before)[id_].net)
        assert after.texts == latest(before)[id_].texts

    def test_customers_come_once_each_and_only_new_ones_since_a_moment(self, provider: Provider, payments: Payments):
        made = {provider.add_customer(f"Customer {n}", f"{n}@example.com") for n in range(105)}
        provider.receive(100, "USD")
        moment = list(payments.payments(None))[-1].cursor
        assert moment is not None
        provider.pass_days(3)
        late = provider.add_customer("Latecomer", "late@example.com")

        everyone = [customer for page in payments.customers(None) for customer in page]
        new = [customer for page in payments.customers(moment + timedelta(days=1)) for customer in page]

        assert sorted(customer.id for customer in everyone) == sorted(made | {late})
        assert [(customer.id, customer.name, customer.email) for customer in new] == [
            (late, "Latecomer", "late@example.com")
        ]

    def test_a_wrong_credential_asks_to_reconnect_without_showing_it(self, provider: Provider):
        connector = provider.connect(provider.wrong_secret)

        for call in (connector.probe, lambda: list(connector.payments(None)), lambda: list(connector.customers(None))):
            with pytest.raises(AuthExpired) as caught:
                call()
            assert provider.wrong_secret not in str(caught.value)
