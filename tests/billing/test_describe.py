"""Terms in plain words."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.describe import changes, charge_text, describe
from billing.terms import Discount, OneTime, Recurring
from tests.billing.build import terms

SEATS = Recurring(key="seats", description="Seats", price=Decimal(100), quantity=Decimal(10), price_per="month",
                  every="quarter", discounts=(Discount(percent=Decimal("7.50"), description="first year"),),
                  )  # fmt: skip
SETUP = OneTime(key="setup", description="Setup", price=Decimal("1250.5"), on=date(2026, 2, 3), tax_class="services")


def test_a_recurring_charge_says_what_is_paid_how_often_and_what_is_taken_off() -> None:
    worded = "Seats: 10 × 100.00 USD per month, billed every quarter in advance, less 7.5% (first year)"
    assert charge_text(SEATS, terms(currency="USD")) == f"{worded}; tax class standard"


def test_a_charge_with_dates_of_its_own_says_them() -> None:
    charge = Recurring(key="a", description="Add-on", price=Decimal(5), timing="arrears", starts_on=date(2026, 3, 1))
    agreed = terms(currency="EUR", starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31), charges=(charge,))
    assert "5.00 EUR per month, billed every month in arrears, 1 Mar 2026 to 31 Dec 2026;" in charge_text(
        charge, agreed
    )


def test_a_one_time_charge_says_when() -> None:
    assert charge_text(SETUP, terms(currency="USD")) == "Setup: 1,250.50 USD, once on 3 Feb 2026; tax class services"


def test_an_amount_off_is_worded_in_the_contracts_currency() -> None:
    charge = Recurring(key="a", description="A", price=Decimal(900), discounts=(Discount(amount=Decimal(50)),))
    assert "less 50 JPY per period" in charge_text(charge, terms(currency="JPY"))


@pytest.mark.parametrize(
    ("field", "value", "label", "text"),
    [
        ("payment_terms", "net 30", "Payment", "due 30 days after the invoice"),
        ("payment_terms", "on receipt", "Payment", "due on receipt"),
        ("payment_terms", "eom", "Payment", "due at the month's end"),
        ("payment_terms", "eom + 15", "Payment", "due 15 days after the end of the invoice's month"),
        ("ends_on", None, "Runs", "from 1 Jan 2026, without end"),
        ("anchor_day", "last", "Periods begin", "on the last day of the month"),
        ("issue_days_before", 30, "Invoiced", "30 days before the period that is paid in advance"),
        ("billed_through", date(2026, 1, 31), "Billed elsewhere", "through 31 Jan 2026"),
        ("po_required", True, "Purchase order", "required, and none is known yet: nothing is issued without it"),
        ("po_number", "PO-7", "Purchase order", "PO-7"),
    ],
)
def test_what_is_agreed_beside_the_charges_is_worded(field: str, value: Any, label: str, text: str) -> None:
    assert describe(terms(**{"starts_on": date(2026, 1, 1), field: value}))[label] == text


def test_what_is_not_agreed_is_not_mentioned() -> None:
    assert set(describe(terms(charges=(SEATS, SETUP)))) == {
        "Runs", "Payment", "Part periods", "Charge seats", "Charge setup",
    }  # fmt: skip


def test_two_versions_are_held_side_by_side_where_they_differ() -> None:
    before, after = terms(charges=(SEATS,)), terms(charges=(SEATS, SETUP), payment_terms="net 45")
    assert changes(before, after) == [
        ("Payment", "due 30 days after the invoice", "due 45 days after the invoice"),
        ("Charge setup", "", charge_text(SETUP, after)),
    ]
    assert changes(before, before) == []
