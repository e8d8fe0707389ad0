from __future__ import annotations

from typing import Any

import pytest

from tests.billing.build import lines, one_time, recurring, terms


def amounts(charge: dict[str, Any], through: str = "2030-01-01", **fields: Any) -> list[int]:
    return [line.amount for line in lines(terms(charge, **fields), through)]


@pytest.mark.parametrize(
    ("every", "price_per", "price", "first"),
    [
        ("quarter", "month", "100", 30000),
        ("year", "month", "99.99", 119988),
        ("year", "quarter", "250", 100000),
        ("2 weeks", "week", "40", 8000),
        ("10 days", "1 day", "1.25", 1250),
        ("month", "year", "1200", 10000),
        ("half_year", "year", "999.99", 50000),
        ("2 months", "quarter", "300", 20000),
        ("month", "half_year", "100", 1667),
    ],
)
def test_a_price_may_be_for_another_interval_than_the_billing_period(every, price_per, price, first):
    assert amounts(recurring(every=every, price_per=price_per, price=price), "2026-01-01") == [first]


def test_a_yearly_price_billed_monthly_adds_up_to_the_yearly_price():
    found = amounts(recurring(price="100", price_per="year"), ends_on="2026-12-31")
    assert found == [833, 834, 833] * 4
    assert sum(found) == 10000


def test_each_year_of_a_monthly_billed_yearly_price_adds_up_also_after_a_stub():
    found = amounts(
        recurring(price="100", price_per="year"), starts_on="2026-01-13", anchor_day=1, ends_on="2028-12-31"
    )
    assert sum(found[1:13]) == sum(found[13:25]) == 10000


def test_a_stub_of_a_quarter_priced_per_month_counts_whole_months_first():
    found = amounts(
        recurring(every="quarter", price_per="month"), starts_on="2026-01-01", anchor_day=10, ends_on="2026-04-15"
    )
    # 9/31 of December's month; 10 January to 10 April; then 6/30 of a month
    assert found == [2903, 30000, 2000]


def test_percentages_come_off_before_amounts_whatever_their_order():
    discounts = [{"amount": "10"}, {"percent": "10"}, {"percent": "50"}]
    assert amounts(recurring(discounts=discounts), "2026-01-01") == [3500]


def test_an_amount_off_is_for_a_full_period_and_shrinks_with_the_stub():
    charge = recurring(price="310", discounts=[{"amount": "31"}])
    assert amounts(charge, starts_on="2026-01-22", anchor_day=1, ends_on="2026-02-28") == [9000, 27900]


def test_an_amount_off_counts_once_per_billing_period_whatever_the_price_is_for():
    charge = recurring(every="quarter", price_per="month", discounts=[{"amount": "25"}])
    assert amounts(charge, "2026-01-01") == [27500]


def test_a_discount_never_turns_a_charge_into_a_credit():
    assert amounts(recurring(discounts=[{"amount": "500"}]), "2026-01-01") == [0]
    assert amounts(one_time(price="-20", discounts=[{"amount": "5"}])) == [-2000]


def test_a_line_is_rounded_once_half_away_from_zero():
    assert amounts(recurring(price="0.333", quantity="7.5"), "2026-01-01") == [250]  # 2.4975
    assert amounts(one_time(price="0.005")) == [1]
    assert amounts(one_time(price="-0.005")) == [-1]


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 1024), ("USD", 102350), ("KWD", 1023500)])
def test_a_line_is_rounded_to_its_currency_s_own_decimals(currency, amount):
    assert amounts(one_time(price="1023.5"), currency=currency) == [amount]
