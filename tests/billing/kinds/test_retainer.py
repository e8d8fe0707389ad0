from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from billing.explain import explain_text, recompute
from billing.facts import Facts, UsageRecord
from billing.line import Line
from billing.plan import plan
from billing.terms import Terms
from tests.billing.build import day, terms, used


def retainer(**fields: Any) -> dict[str, Any]:
    given = {"price": "1000", "included": "10", "overage_price": "150", "meter": "calls", **fields}
    return {"type": "retainer", "key": "advice", "description": "Advice", **given}


def lines(contract: Terms, *records: UsageRecord, through: str = "2030-01-01", **facts: Any) -> list[Line]:
    found = plan(contract, day(through), Facts(usage=records, **facts))
    assert [recompute(line.explain) for line in found] == [line.amount for line in found]
    return found


def overage(charge: dict[str, Any], *quantities: int | str, **fields: Any) -> list[Decimal]:
    """Return the units beyond what is included, for what is used in each month from January on."""
    records = [used(f"2026-{month:02}-20", quantity) for month, quantity in enumerate(quantities, 1) if quantity]
    given = {"ends_on": "2026-06-30", **fields}
    return [line.quantity for line in lines(terms(charge, **given), *records) if line.kind == "overage"][
        : len(quantities)
    ]


def test_a_retainer_is_a_fee_in_advance_and_afterwards_what_was_used_beyond_it():
    contract = terms(retainer(), ends_on="2026-02-28")
    found = lines(contract, used("2026-01-05", 8), used("2026-01-31", "4.5"), used("2026-02-10", 10))
    assert [(line.kind, str(line.starts), line.at, str(line.issue_on), line.amount) for line in found] == [
        ("retainer", "2026-01-01", "", "2026-01-01", 100000),
        ("retainer", "2026-02-01", "", "2026-02-01", 100000),
        ("overage", "2026-01-01", "2026-01-01:overage", "2026-02-01", 37500),
        ("overage", "2026-02-01", "2026-02-01:overage", "2026-03-01", 0),
    ]
    over = found[2]
    assert (over.quantity, over.unit_price, over.description) == (Decimal("2.5"), Decimal(150), "Advice (overage)")
    assert explain_text(over.explain) == "12.5 used, 10 included: 2.5 at 150.00"
    assert explain_text(found[3].explain) == "10 used, 10 included"


def test_the_meter_is_the_charge_s_key_unless_it_names_one():
    contract = terms(retainer(meter=None), ends_on="2026-01-31")
    found = lines(contract, used("2026-01-05", 11, meter="advice"), used("2026-01-06", 50))
    assert [line.amount for line in found] == [100000, 15000]


@pytest.mark.parametrize(
    ("rollover", "used_up", "expected"),
    [
        ("none", (4, 16, 10), (0, 6, 0)),
        ("all", (4, 16, 10), (0, 0, 0)),
        ("all", (4, 18, 10), (0, 2, 0)),
        ("all", (4, 10, 10, 17), (0, 0, 0, 1)),
        (1, (4, 10, 16), (0, 0, 0)),  # the six of January are used first, so that six of February are left
        (1, (4, 0, 21), (0, 0, 1)),
        (2, (4, 0, 21), (0, 0, 0)),
        (1, (0, 0, 25), (0, 0, 5)),
        (2, (0, 0, 0, 35), (0, 0, 0, 5)),
        ("all", (12, 10), (2, 0)),  # overage is paid for, not taken from what is to come
    ],
)
def test_unused_units_are_carried_over_and_the_oldest_used_first(rollover, used_up, expected):
    assert overage(retainer(rollover=rollover), *used_up) == [Decimal(one) for one in expected]


def test_what_is_carried_over_is_told():
    contract = terms(retainer(rollover="all"), ends_on="2026-02-28")
    over = lines(contract, used("2026-01-05", 4), used("2026-02-05", 18))[-1]
    assert explain_text(over.explain) == "18 used, 10 included, 6 carried over: 2 at 150.00"


def test_late_usage_uses_up_what_was_carried_over():
    records = [used("2026-01-05", 4), used("2026-02-05", 16)]
    contract = terms(retainer(rollover="all"), ends_on="2026-02-28")
    assert lines(contract, *records)[-1].amount == 0
    assert lines(contract, *records, used("2026-01-30", 3))[-1].amount == 45000


@pytest.mark.parametrize(("proration", "fee", "included"), [("actual", 54839, "5.48"), ("none", 100000, "10")])
def test_fee_and_included_units_of_a_part_period_are_prorated_alike(proration, fee, included):
    contract = terms(retainer(proration=proration), starts_on="2026-01-15", anchor_day=1, ends_on="2026-02-28")
    found = lines(contract, used("2026-01-20", 12))
    assert found[0].amount == fee
    assert found[2].explain.operands["included"] == included
    assert found[2].quantity == 12 - Decimal(included)


def test_included_units_follow_the_contract_s_proration():
    contract = terms(
        retainer(every="quarter"), starts_on="2026-02-01", anchor_day=1, ends_on="2026-05-15", proration="by_months"
    )
    found = [line for line in lines(contract) if line.kind == "overage"]
    # by months: half of May's month is 15 of 31 days, of three months
    assert [line.explain.operands["included"] for line in found] == ["10", "1.61"]


def test_each_retainer_includes_its_units_also_when_their_number_changes():
    charge = retainer(quantity="2", steps=[{"starts_on": "2026-02-01", "quantity": "3"}])
    assert overage(charge, 25, 25, ends_on="2026-02-28") == [5, 0]


def test_the_fee_rises_like_a_recurring_charge_and_the_price_of_overage_stays():
    contract = terms(retainer(), ends_on="2026-02-28", escalator={"percent": "10", "first_on": "2026-02-01"})
    found = lines(contract, used("2026-02-10", 11))
    assert [(line.kind, line.amount) for line in found] == [
        ("retainer", 100000),
        ("retainer", 110000),
        ("overage", 0),
        ("overage", 15000),
    ]


def test_a_percentage_comes_off_fee_and_overage_and_an_amount_off_the_fee_alone():
    charge = retainer(discounts=[{"percent": "10", "periods": 1}, {"amount": "50"}])
    found = lines(terms(charge, ends_on="2026-02-28"), used("2026-01-10", 12), used("2026-02-10", 12))
    assert [line.amount for line in found] == [85000, 95000, 27000, 30000]
    assert explain_text(found[2].explain) == "12 used, 10 included: 2 at 150.00, less 10%"


def test_corrections_beyond_what_was_used_count_as_no_usage():
    assert overage(retainer(rollover="all"), -5, 21) == [0, 1]


def test_an_estimate_stands_in_for_usage_and_marks_what_it_is_carried_over_to():
    contract = terms(retainer(estimate="4", rollover=1), ends_on="2026-04-30")
    found = lines(
        contract, used("2026-01-10", 12), used("2026-03-10", 17), used("2026-04-10", 10), assume_from=day("2026-02-01")
    )
    assert [(line.amount, line.estimated) for line in found if line.kind == "overage"] == [
        (30000, False),
        (0, True),
        (15000, True),
        (0, False),
    ]


def test_overage_is_owed_when_its_period_is_over_and_left_out_when_it_is_known_to_be_settled():
    contract = terms(retainer(rollover="all"))
    records = [used("2026-01-05", 4), used("2026-02-05", 18)]
    assert [line.kind for line in lines(contract, *records, through="2026-01-31")] == ["retainer"]
    found = plan(contract, day("2026-03-01"), Facts(usage=tuple(records)), day("2026-02-01"))
    assert [(line.kind, str(line.starts), line.amount) for line in found] == [
        ("retainer", "2026-03-01", 100000),
        ("overage", "2026-02-01", 30000),
    ]
