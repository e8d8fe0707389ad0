"""Payments in one currency that the provider settles in another: each clearing account comes out even, to the cent."""

from __future__ import annotations

import shutil
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from billing.money import to_minor
from mappings import SHIPPED
from sandbox.core import LOCK
from sandbox.quickbooks.money import balances as balances_there
from sandbox.stripe import aftermath
from sandbox.stripe.objects import Rate
from tests.sync.test_cash_in_books import CASH, Side, assert_clear, balances, books, pass_days, quiet
from tests.worlds import DAILY, Live


class Abroad(NamedTuple):
    """A legal entity whose customers pay euros, which Stripe settles in the entity's own currency."""

    home: Side
    euros: str  # the clearing account
    rate: str

    @property
    def key(self) -> str:
        return self.home.key


PLACES = (
    Abroad(Side("uk", "GBP", "091", "090", "404"), "092", "0.8617"),
    Abroad(Side("us", "USD", "Stripe clearing", "Checking", "Merchant fees"), "Stripe clearing EUR", "1.08743"),
)


@pytest.fixture(params=PLACES, ids=lambda place: place.key)
def place(request: pytest.FixtureRequest) -> Abroad:
    found: Abroad = request.param
    return found


@pytest.fixture
def abroad(live: Live, place: Abroad) -> Live:
    """A customer who owes 1,000.00 EUR on the first invoice, in the books too."""
    settle(live, place, place.rate)
    if place.key == "us":
        live.configure('currencies = ["USD"]', 'currencies = ["USD", "EUR"]')
        live.configure("standard = 6.25\nservices = 0", "standard = 6.25\nservices = 0\nreverse_charge = 0")
        change_mapping(live, "quickbooks.toml", "[clearing]\n", '[clearing]\nEUR = "Stripe clearing EUR"\n')
    live.sell(price="1000", deal_currency_code="EUR", billing_entity=place.key)
    live.done(*DAILY)
    assert list(live.issued()) == [place.home.number], live.items()
    return live


def settle(live: Live, place: Abroad, rate: str) -> None:
    """Let Stripe exchange euros at a rate from now on."""
    with LOCK:
        rates = live.sandbox.stripe.accounts[place.key].rates
        rates["eur"] = Rate(place.home.currency.lower(), Decimal(rate))


def change_mapping(live: Live, file: str, old: str, new: str) -> None:
    """Give the configuration mappings of its own, one of which says something else."""
    own = live.file.parent / "mappings"
    if not own.exists():
        shutil.copytree(SHIPPED, own, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (own / file).read_text(encoding="utf-8")
    assert old in text
    (own / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def pay(live: Live, place: Abroad, amount: int, number: str = "") -> dict[str, Any]:
    """Pay in euros; return the charge."""
    live.pay(amount, number, entity=place.key, currency="eur")
    account = live.sandbox.stripe.accounts[place.key]
    return list(account.objects["charge"].values())[-1]


def assert_even(live: Live, place: Abroad) -> None:
    """All is paid out: nothing is left in the clearing account of either currency, nor at Stripe."""
    assert balances(live, place.home)[place.euros] == 0
    assert_clear(live, place.home)


def test_a_payment_settled_in_another_currency_pays_its_invoice_in_full_and_leaves_nothing_behind(
    abroad: Live, place: Abroad
) -> None:
    paid = pay(abroad, place, 1000_00, place.home.number)
    abroad.done(*CASH)
    assert abroad.issued()[place.home.number].open == 0
    assert balances(abroad, place.home)[place.euros] == 1000_00
    pass_days(abroad, 9)
    tally = abroad.done(*CASH)["post_payouts"].tally
    assert (
        tally["exchanges out of an account created in the books"],
        tally["exchanges into an account created in the books"],
    ) == (1, 1)
    moves = abroad.sandbox.stripe.accounts[place.key].objects["balance_transaction"]
    settled = moves[paid["balance_transaction"]]
    assert balances(abroad, place.home)[place.home.fees] >= settled["fee"]  # and those of what others sold
    assert_even(abroad, place)
    quiet(abroad)


def test_an_exchange_is_booked_at_the_rate_that_stripe_took(abroad: Live, place: Abroad) -> None:
    pay(abroad, place, 1000_00, place.home.number)
    pass_days(abroad, 9)
    abroad.done(*CASH)
    if place.key == "uk":
        rows = abroad.sandbox.vendors["xero"].state()["bank_transactions"]
        (out,) = [one for one in rows if one["CurrencyCode"] == "EUR" and one["Type"] == "SPEND"]
        there = to_minor(Decimal(out["Total"]) / Decimal(str(out["CurrencyRate"])), "GBP")
    else:
        (out,) = [one for one in books(abroad).rows["Purchase"].values() if one["CurrencyRef"]["value"] == "EUR"]
        there = to_minor(out["TotalAmt"] * out["ExchangeRate"], "USD")
        assert exchanged_there(abroad) == 0
    assert there == to_minor(1000 * Decimal(place.rate), place.home.currency)


def exchanged_there(live: Live) -> Decimal:
    """Return what is left at QuickBooks on the account between the currencies: the gain or loss."""
    (account,) = [one for one in books(live).rows["Account"].values() if one["Name"] == "Currency exchange"]
    return balances_there(books(live))[account["Id"]]


def test_refunds_and_disputes_are_exchanged_at_their_own_rates(abroad: Live, place: Abroad) -> None:
    first = pay(abroad, place, 1200_00, place.home.number)
    abroad.done(*CASH)
    settle(abroad, place, str(Decimal(place.rate) + Decimal("0.0213")))
    abroad.stripe("POST", "refunds", place.key, charge=first["id"], amount=150_01)
    abroad.done(*CASH)
    second = pay(abroad, place, 500_00)
    pass_days(abroad, 9)
    abroad.done(*CASH)
    settle(abroad, place, str(Decimal(place.rate) - Decimal("0.0399")))
    account = abroad.sandbox.stripe.accounts[place.key]
    with LOCK:
        account.dispute("d1", second, int(abroad.sandbox.clock.tick().timestamp()))
    pay(abroad, place, 900_00)  # so that there is something to be paid out
    pass_days(abroad, 9)
    abroad.done(*CASH)
    nobodys = 900_00  # nobody knows whose they are
    assert balances(abroad, place.home)[place.euros] == -nobodys
    assert_clear(abroad, place.home)
    (dispute,) = account.objects["dispute"]
    with LOCK:
        aftermath.close_dispute(account, dispute, int(abroad.sandbox.clock.tick().timestamp()), won=True)
    pass_days(abroad, 9)
    abroad.done(*CASH)
    assert balances(abroad, place.home)[place.euros] == -nobodys - 500_00
    assert_clear(abroad, place.home)
    quiet(abroad)


def test_without_an_account_for_it_an_exchange_waits_for_a_person(abroad: Live, place: Abroad) -> None:
    file = {"uk": "xero.toml", "us": "quickbooks.toml"}[place.key]
    change_mapping(abroad, file, "conversion = ", "# conversion = ")
    pay(abroad, place, 1000_00, place.home.number)
    pass_days(abroad, 9)
    abroad.done(*CASH)
    item = abroad.item("exchange_not_booked")
    assert "conversion" in item.fix
    assert balances(abroad, place.home)[place.euros] == 1000_00
    change_mapping(abroad, file, "# conversion = ", "conversion = ")
    abroad.done(*CASH)
    assert abroad.items("exchange_not_booked") == []
    assert_even(abroad, place)


def test_a_ledger_that_keeps_one_currency_says_so(live: Live) -> None:
    place = PLACES[1]
    settle(live, place, place.rate)
    live.sell(deal_currency_code="USD")
    live.done(*DAILY)
    pay(live, place, 92_00)
    pass_days(live, 9)
    live.done(*CASH)
    assert "no clearing account for EUR" in live.item("exchange_not_booked").message


def test_an_exchange_whose_answer_was_lost_is_booked_once(abroad: Live, place: Abroad) -> None:
    pay(abroad, place, 1000_00, place.home.number)
    abroad.done(*CASH)
    pass_days(abroad, 9)
    vendor, method = ("xero", "PUT") if place.key == "uk" else ("quickbooks", "POST")
    for _ in range(4):
        abroad.fault(vendor, "error_after", method=method, times=1)
        abroad.sync("post_payouts")
    abroad.mend()
    abroad.done(*CASH)
    assert_even(abroad, place)
    assert Counter(kind for (kind,) in abroad.rows("SELECT kind FROM outbox WHERE state='done'"))["exchanged_in"] == 1
