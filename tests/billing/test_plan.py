from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.plan import plan
from tests.billing.build import day, lines, one_time, recurring, terms


def spans(*charges: dict[str, Any], through: str = "2030-01-01", **fields: Any) -> list[tuple[str, str, str, int]]:
    return [
        (line.starts.isoformat(), line.until.isoformat(), line.issue_on.isoformat(), line.amount)
        for line in lines(terms(*charges, **fields), through)
    ]


def test_in_advance_a_line_is_issued_on_the_first_day_of_its_period():
    assert spans(ends_on="2026-02-28") == [
        ("2026-01-01", "2026-02-01", "2026-01-01", 10000),
        ("2026-02-01", "2026-03-01", "2026-02-01", 10000),
    ]


def test_in_arrears_a_line_is_issued_on_the_day_after_its_period():
    assert spans(recurring(timing="arrears"), ends_on="2026-02-10") == [
        ("2026-01-01", "2026-02-01", "2026-02-01", 10000),
        ("2026-02-01", "2026-02-11", "2026-02-11", 3571),
    ]


def test_advance_billing_may_be_issued_days_before_the_period_and_arrears_are_not():
    contract = terms(recurring(), recurring(key="b", timing="arrears"), issue_days_before=14, ends_on="2026-01-31")
    assert [(line.charge, line.issue_on) for line in lines(contract)] == [
        ("fee", date(2025, 12, 18)),
        ("b", date(2026, 2, 1)),
    ]


def test_through_includes_its_own_day_and_nothing_later():
    assert len(spans(through="2026-02-01")) == 2
    assert len(spans(through="2026-01-31")) == 1
    assert spans(through="2025-12-31") == []


def test_an_evergreen_contract_runs_to_through():
    assert len(spans(through="2036-01-01")) == 121


def test_a_one_time_charge_is_owed_on_its_day_or_on_the_first_day_of_the_contract():
    assert spans(one_time(quantity=2), one_time(key="training", on="2026-06-30")) == [
        ("2026-01-01", "2026-01-02", "2026-01-01", 100000),
        ("2026-06-30", "2026-07-01", "2026-06-30", 50000),
    ]


def test_lines_come_by_issue_date_then_as_the_charges_stand():
    contract = terms(recurring(key="late", timing="arrears"), recurring(key="early"), one_time(), ends_on="2026-02-28")
    assert [line.charge for line in lines(contract)] == ["early", "setup", "late", "early", "late"]


def test_a_charge_that_joins_later_follows_the_contract_s_periods():
    found = spans(recurring(starts_on="2026-01-16"), ends_on="2026-02-28")
    assert found[0] == ("2026-01-16", "2026-02-01", "2026-01-16", 5161)
    assert found[1][0] == "2026-02-01"


def test_a_yearly_charge_that_joins_later_ends_its_first_period_with_the_contract_year():
    found = spans(recurring(starts_on="2026-04-01", every="year", price="365"), ends_on="2027-12-31")
    assert [line[:2] for line in found] == [("2026-04-01", "2027-01-01"), ("2027-01-01", "2028-01-01")]
    assert found[0][3] == 27500


def test_a_charge_with_an_anchor_of_its_own_counts_from_its_own_start():
    found = spans(recurring(starts_on="2026-04-10", every="year", anchor_day=10), ends_on="2028-04-09")
    assert [line[:2] for line in found] == [("2026-04-10", "2027-04-10"), ("2027-04-10", "2028-04-10")]


def test_the_contract_s_anchor_rules_months_and_leaves_weeks_alone():
    contract = terms(recurring(every="week"), recurring(key="m"), starts_on="2026-03-25", anchor_day=1)
    found = plan(contract, day("2026-04-01"))
    assert [(line.charge, line.starts.isoformat(), line.amount) for line in found] == [
        ("fee", "2026-03-25", 10000),
        ("m", "2026-03-25", 2258),
        ("fee", "2026-04-01", 10000),
        ("m", "2026-04-01", 10000),
    ]


def test_the_last_day_of_service_is_the_earlier_of_the_charge_s_and_the_contract_s():
    assert spans(recurring(ends_on="2026-01-31"), ends_on="2026-12-31")[-1][1] == "2026-02-01"
    assert spans(recurring(ends_on="2026-12-31"), ends_on="2026-01-31")[-1][1] == "2026-02-01"
    assert spans(recurring(starts_on="2026-03-01"), ends_on="2026-01-31") == []


def test_anchor_last_bills_from_month_end_to_month_end():
    found = spans(starts_on="2026-01-31", anchor_day="last", ends_on="2026-04-29")
    assert [line[0] for line in found] == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert {line[3] for line in found} == {10000}


def test_proration_none_bills_a_stub_as_a_full_period():
    assert spans(starts_on="2026-01-20", anchor_day=1, proration="none", ends_on="2026-01-31")[0][3] == 10000


def test_a_charge_s_own_proration_goes_before_the_contract_s():
    contract = terms(
        recurring(key="a"),
        recurring(key="b", proration="none"),
        starts_on="2026-01-16",
        anchor_day=1,
        proration="thirty_360",
    )
    assert [line.amount for line in lines(contract, "2026-01-16")] == [5000, 10000]


def test_a_slice_is_named_by_contract_charge_and_service_start():
    (line,) = lines(terms(ends_on="2026-01-31"))
    assert line.slice == "C-1/fee/2026-01-01"
    assert (line.kind, line.product, line.tax_class, line.quantity) == ("recurring", "", "standard", Decimal(1))


def test_a_long_history_costs_no_more_per_line_than_a_short_one():
    contract = terms(recurring(every="1 day", price_per="30 days"), starts_on="1990-01-01")
    found = plan(contract, day("2045-01-01"))
    assert len(found) == 20090
    assert sum(line.amount for line in found) == 6696667  # 20090 / 30 x 100.00: the running total has not drifted


@pytest.mark.parametrize(
    ("charge", "complaint"),
    [
        (recurring(price="NaN"), "price is NaN"),
        (recurring(quantity="-1"), "quantity is -1"),
        (recurring(discounts=[{"percent": "101"}]), "percent is 101"),
        (recurring(discounts=[{"amount": "-1"}]), "amount is -1"),
        (recurring(discounts=[{}]), "either percent or amount"),
        (recurring(every="month", price_per="week"), "use the same unit"),
        (recurring(every="week", anchor_day=3), "anchor_day does not apply"),
    ],
)
def test_a_charge_that_cannot_be_billed_is_refused(charge, complaint):
    with pytest.raises(msgspec.ValidationError, match=complaint):
        terms(charge)
