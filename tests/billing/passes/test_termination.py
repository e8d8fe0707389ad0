from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.amendments import in_force
from billing.explain import explain_text, recompute
from billing.facts import Facts
from billing.plan import Line, owed, plan
from billing.terms import Terms
from tests.billing.build import day, lines, one_time, recurring, terms


def ended(*charges: dict[str, Any], on: str = "2026-09-30", fee: dict[str, Any], **fields: Any) -> Terms:
    """A contract of 2026 that the customer ended early."""
    given = {"ended_by": "customer", "signed_ends_on": "2026-12-31", "ends_on": on, **fields}
    return terms(*charges, termination_fee=fee, **given)


def fees(contract: Terms, through: str = "2030-01-01", facts: Facts | None = None) -> list[Line]:
    return [line for line in plan(contract, day(through), facts or Facts()) if line.kind == "termination_fee"]


def test_an_agreed_amount_is_owed_on_the_day_after_the_last_day_of_service():
    (fee,) = fees(ended(fee={"amount": "500.00"}))
    assert (fee.issue_on, fee.starts, fee.until, fee.amount) == (
        date(2026, 10, 1),
        date(2026, 10, 1),
        date(2026, 10, 2),
        500_00,
    )
    assert (fee.slice, fee.description) == ("C-1/termination-fee/2026-10-01", "Early termination fee")
    assert fees(ended(fee={"amount": "500.00"}), "2026-09-30") == []


@pytest.mark.parametrize("by", ["seller", None])
def test_only_the_customer_owes_it(by: str | None):
    assert fees(ended(fee={"amount": "500.00"}, ended_by=by)) == []


def test_a_percentage_is_of_what_recurring_charges_would_still_have_billed():
    contract = ended(recurring(), one_time(), fee={"percent": "50"})
    assert [fee.amount for fee in fees(contract)] == [150_00]


def test_a_period_cut_by_the_end_counts_for_its_days_left():
    (fee,) = fees(ended(on="2026-11-15", fee={"percent": "100"}))
    assert fee.amount == 50_00 + 100_00


def test_prices_to_come_count_as_signed_and_indices_as_known_by_the_end():
    ramp = recurring(steps=[{"starts_on": "2026-12-01", "price": "300.00"}])
    assert [fee.amount for fee in fees(ended(ramp, fee={"percent": "100"}))] == [500_00]
    escalator = {"index": "CPI", "first_on": "2026-12-01", "base_index": "100"}
    contract = ended(recurring(escalator=escalator), fee={"percent": "100"})
    values = (("2026-01-15", "100"), ("2026-09-15", "110"), ("2026-11-15", "150"))
    known = Facts(indices={"CPI": tuple((day(on), Decimal(value)) for on, value in values)})
    assert [fee.amount for fee in fees(contract, facts=known)] == [310_00]


def test_what_a_charge_of_the_past_billed_is_not_left():
    contract = ended(recurring(), recurring(key="old", ends_on="2026-03-31"), fee={"percent": "100"})
    assert [fee.amount for fee in fees(contract)] == [300_00]


def test_a_retainers_fee_counts_and_its_overage_does_not():
    hours = {
        "type": "retainer",
        "key": "hours",
        "description": "Hours",
        "price": "80.00",
        "included": 1,
        "overage_price": "10.00",
        "estimate": 5,
    }
    assert [fee.amount for fee in fees(ended(hours, fee={"percent": "100"}))] == [240_00]


def test_without_a_signed_end_no_value_is_left():
    assert fees(ended(fee={"percent": "50"}, signed_ends_on=None)) == []


def test_months_are_at_the_last_price_and_quantity():
    ramp = recurring(
        quantity=2,
        steps=[{"starts_on": "2026-06-01", "price": "120.00"}, {"starts_on": "2026-11-01", "price": "900.00"}],
    )
    more = [*ramp["steps"], {"starts_on": "2026-07-10", "quantity": 5}]
    assert [fee.amount for fee in fees(ended({**ramp, "steps": more}, fee={"months": 3}))] == [3 * 5 * 120_00]


def test_a_yearly_price_counts_by_its_months_and_a_weekly_one_by_its_days():
    yearly = recurring(price="1000.00", every="year")
    assert [fee.amount for fee in fees(ended(yearly, fee={"months": 3}))] == [250_00]
    weekly = recurring(price="84.00", every="week")
    assert [fee.amount for fee in fees(ended(weekly, fee={"months": 12}))] == [365 * 12_00]
    by_month = recurring(price="100.00", every="quarter", price_per="month")
    assert [fee.amount for fee in fees(ended(by_month, fee={"months": 2}))] == [200_00]


def test_months_are_less_lasting_discounts_but_not_less_the_first_free_ones():
    discounts = [{"percent": "10"}, {"percent": "100", "periods": 12}, {"percent": "50", "ends_on": "2026-08-31"}]
    contract = ended(recurring(discounts=discounts), fee={"months": 2})
    assert [fee.amount for fee in fees(contract)] == [180_00]


def test_months_of_tiered_seats_are_priced_by_their_tiers():
    tiers = [{"up_to": 5, "price": "10.00"}, {"price": "8.00"}]
    contract = ended(recurring(price="0", quantity=7, tiers=tiers), fee={"months": 2})
    assert [fee.amount for fee in fees(contract)] == [2 * 66_00]


def test_a_fee_of_nothing_is_no_line():
    assert fees(ended(one_time(), fee={"months": 3})) == []


def amended(unused: str) -> Terms:
    contract = terms(
        recurring(every="quarter", price="300.00"),
        ends_on="2026-12-31",
        termination_fee={"percent": "100"},
        amendments=[
            {
                "key": "A",
                "effective_on": "2026-08-15",
                "ends_on": "2026-08-31",
                "terminates": "customer",
                "unused": unused,
            }
        ],
    )
    return in_force(contract, day("2026-12-31"))


def test_paid_service_that_runs_on_is_not_charged_again_by_the_fee():
    (credited,), (kept,) = fees(amended("credit")), fees(amended("keep"))
    assert (credited.issue_on, kept.issue_on) == (date(2026, 9, 1), date(2026, 9, 1))
    assert kept.amount == 300_00
    assert credited.amount == 300_00 + 97_83
    assert (
        sum(line.amount for line in lines(amended("credit")))
        == sum(line.amount for line in lines(amended("keep")))
        == 4 * 300_00
    )


def test_a_value_without_a_price_is_unknown():
    ended_by_index = ended(recurring(escalator={"index": "CPI", "first_on": "2026-12-01"}), fee={"percent": "100"})
    found = owed(ended_by_index, day("2027-01-01"))
    assert [(one.charge, one.code, one.path) for one in found.unknown] == [
        ("termination-fee", "index_missing", "termination_fee")
    ]
    assert {line.charge for line in found.lines} == {"fee"}


def test_its_line_says_why_and_is_worked_out_again():
    wanted: dict[str, dict[str, Any]] = {
        "500.00, as agreed for ending early": {"amount": "500.00"},
        "3 months of 100.00 a month": {"months": 3},
        "33.3% of the 300.00 left to 31 Dec 2026": {"percent": "33.3"},
    }
    for words, fee in wanted.items():
        (line,) = fees(ended(fee=fee))
        assert explain_text(line.explain) == words
        assert recompute(line.explain) == line.amount
