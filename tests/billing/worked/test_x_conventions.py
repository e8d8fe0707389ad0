"""Figures that the conventions (billing.md) name beside the file's cases."""

from __future__ import annotations

import pytest

from tests.billing.worked.cases import amounts, by_day, fee, lines, shown, total, used


def published(*values: tuple[str, str]) -> list[dict[str, str]]:
    return [{"index": "CPI", "on": day, "value": value} for day, value in values]


def test_an_add_on_takes_the_base_plan_s_anchor():
    body = f"""
    starts_on = 2026-06-01
    charges = [{fee("0.00")}]
    amendments = [{{key = "A1", effective_on = 2026-06-12, add = [{fee("20.00", key="more")}]}}]
    """
    assert amounts(shown(body, through="2026-07-01"), "more") == ["12.67", "20.00"]


def test_a_yearly_price_of_7_days_a_year_and_47_days_counts_each_by_its_own_year():
    body = "starts_on = 2011-02-01\nends_on = 2012-03-25\nanchor_day = 8\ncharges = [%s]"
    found = lines(shown(body % fee("133590.00", 'every = "year"')))  # divisible by 365 and by 366
    assert ["7 of 365 days" in found[0]["explain"], "47 of 366 days" in found[2]["explain"]] == [True, True]
    assert amounts(shown(body % fee("133590.00", 'every = "year"'))) == ["2562.00", "133590.00", "17155.00"]


@pytest.mark.parametrize(("proration", "amount"), [("actual", "1816.94"), ("by_months", "1814.52")])
def test_a_stub_of_a_leap_year_without_its_29th_of_february_counts_366_days_or_months(proration, amount):
    charge = fee("5000.00", f'every = "year", starts_on = 2024-08-21, proration = "{proration}"')
    assert amounts(shown(f"starts_on = 2024-01-01\nends_on = 2024-12-31\ncharges = [{charge}]")) == [amount]


@pytest.mark.parametrize(("method", "price"), [("compound", "121.00"), ("simple", "120.00")])
def test_an_escalator_compounds_unless_the_contract_says_simple(method, price):
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2028-12-31
    charges = [{fee("100.00", 'every = "year"')}]
    escalator = {{percent = 10, method = "{method}"}}
    """
    assert amounts(shown(body)) == ["100.00", "110.00", price]


@pytest.mark.parametrize("method", ["base", "prior"])
def test_an_index_gives_the_same_prices_from_its_base_and_from_the_year_before(method):
    body = f"""
    starts_on = 2020-01-01
    ends_on = 2022-12-31
    charges = [{fee("1000.00", 'every = "year"')}]
    escalator = {{index = "CPI", index_method = "{method}"}}
    """
    values = published(("2020-01-01", "105.65"), ("2021-01-01", "110.5"), ("2022-01-01", "114.25"))
    assert amounts(shown(body, events=values)) == ["1000.00", "1045.91", "1081.40"]


def test_a_quarter_priced_per_month_prorates_per_month():
    charge = fee("30.00", 'every = "quarter", price_per = "month"')
    body = f"starts_on = 2026-01-01\nends_on = 2026-05-10\ncharges = [{charge}]"
    assert amounts(shown(body)) == ["90.00", "39.68"]  # 30.00 for April and 10 of 31 days of May


def test_a_cancelled_arrears_charge_bills_its_last_days():
    body = f"""
    starts_on = 2026-06-01
    charges = [{fee("30.00", 'timing = "arrears"')}]
    amendments = [{{key = "end", effective_on = 2026-07-11, ends_on = 2026-07-10, terminates = "customer"}}]
    """
    assert by_day(shown(body)) == {"2026-07-01": ["30.00"], "2026-07-11": ["9.68"]}


def test_a_commitment_period_is_longer_than_the_invoicing_period_and_is_trued_up_once():
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-06-30
    charges = [{fee("10.00")}, {{type = "usage", key = "usage", description = "Units", price = 1.00}}]
    commitments = [{{key = "minimum", amount = 100.00, every = "quarter"}}]
    """
    found = by_day(shown(body, usage=used(("2026-02-10", 25), ("2026-05-10", 90))))
    assert found["2026-04-01"][-1] == "45.00"  # 100.00 less 30.00 and 25.00, and none before
    assert [total(found[f"2026-0{month}-01"]) for month in (1, 2, 3)] == ["10.00", "10.00", "35.00"]
    assert "2026-07-01" not in found  # 30.00 and 90.00 reach the second quarter's
