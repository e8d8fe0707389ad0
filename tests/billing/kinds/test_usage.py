from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from billing.explain import explain_text, recompute
from billing.facts import Facts, UsageRecord
from billing.line import Line
from billing.plan import Owed, owed
from billing.terms import Terms
from tests.billing.build import day, recurring, terms, usage, used

GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": "10", "price": "2"}, {"up_to": "20", "price": "3"}, {"price": "5"}],
}


def worked_out(contract: Terms, *records: UsageRecord, through: str = "2030-01-01", **facts: Any) -> Owed:
    found = owed(contract, day(through), Facts(usage=records, **facts))
    assert [recompute(line.explain) for line in found.lines] == [line.amount for line in found.lines]
    return found


def lines(contract: Terms, *records: UsageRecord, through: str = "2030-01-01", **facts: Any) -> list[Line]:
    found = worked_out(contract, *records, through=through, **facts)
    assert found.unknown == []
    return found.lines


def amounts(charge: dict[str, Any], *records: UsageRecord, **fields: Any) -> list[int]:
    """Return the amounts of a charge's lines over the first three months, or until another end."""
    return [line.amount for line in lines(terms(charge, **{"ends_on": "2026-03-31", **fields}), *records)]


def by_slice(found: list[Line]) -> dict[str, int]:
    return {line.slice.removeprefix("C-1/calls/"): line.amount for line in found}


def words(charge: dict[str, Any], *records: UsageRecord, **fields: Any) -> list[str]:
    found = lines(terms(charge, **{"ends_on": "2026-01-31", **fields}), *records)
    return [explain_text(line.explain) for line in found]


# ------------------------------------------------------------------------------------------------------- periods


def test_usage_is_billed_after_each_period_with_what_was_used_in_it():
    contract = terms(usage(price="0.25"), ends_on="2026-03-31")
    found = lines(
        contract, used("2026-01-31", 10), used("2026-02-01", 20), used("2026-03-31", 30), used("2026-04-01", 40)
    )
    assert [(line.starts, line.until, line.issue_on, line.quantity, line.amount) for line in found] == [
        (day("2026-01-01"), day("2026-02-01"), day("2026-02-01"), Decimal(10), 250),
        (day("2026-02-01"), day("2026-03-01"), day("2026-03-01"), Decimal(20), 500),
        (day("2026-03-01"), day("2026-04-01"), day("2026-04-01"), Decimal(30), 750),
    ]
    assert {(line.kind, line.unit_price, line.at, line.estimated) for line in found} == {
        ("usage", Decimal("0.25"), "", False)
    }


def test_a_period_without_usage_is_a_line_of_nothing():
    (found,) = lines(terms(usage(price="0.25"), ends_on="2026-01-31"))
    assert (found.quantity, found.amount, found.unit_price) == (Decimal(0), 0, Decimal("0.25"))
    assert explain_text(found.explain) == "nothing to pay for"


def test_nothing_is_owed_before_a_period_is_over():
    contract = terms(usage(price="1"))
    assert lines(contract, used("2026-01-05"), through="2026-01-31") == []
    assert [line.amount for line in lines(contract, used("2026-01-05"), through="2026-02-28")] == [100]


def test_usage_of_a_part_period_costs_what_it_costs_in_a_full_one():
    charge = usage(price="1", free_units="10", discounts=[{"amount": "5"}])
    found = amounts(
        charge,
        used("2026-01-20", 30),
        used("2026-02-10", 30),
        starts_on="2026-01-15",
        anchor_day=1,
        ends_on="2026-02-14",
    )
    assert found == [1500, 1500]


def test_usage_during_a_trial_or_outside_the_charge_s_own_dates_is_free():
    charge = usage(price="1", starts_on="2026-02-10", ends_on="2026-03-09")
    records = [used(on) for on in ("2026-02-09", "2026-02-10", "2026-03-09", "2026-03-10")]
    assert amounts(charge, *records) == [100, 100]
    assert amounts(usage(price="1"), used("2026-01-31"), used("2026-02-01"), trial_ends_on="2026-01-31") == [100, 0]
    assert amounts(usage(price="1", starts_on="2026-04-01"), used("2026-04-01")) == []


def test_only_records_of_its_meter_with_the_dimensions_wanted_count():
    records = [
        used("2026-01-02", 1, dimensions={"region": "eu", "tier": "a"}),
        used("2026-01-03", 10, dimensions={"region": "us"}),
        used("2026-01-04", 100),
        used("2026-01-05", 1000, meter="other", dimensions={"region": "eu"}),
    ]
    assert amounts(usage(price="1", where={"region": "eu"}), *records, ends_on="2026-01-31") == [100]
    assert amounts(usage(price="1"), *records, ends_on="2026-01-31") == [11100]
    assert amounts(usage(price="1", meter="other"), *records, ends_on="2026-01-31") == [100000]


def test_rated_periods_are_invoiced_together_at_the_end_of_the_invoicing_period_or_of_the_service():
    contract = terms(usage(price="1", invoiced="quarter"), ends_on="2026-05-10")
    found = lines(contract, used("2026-02-03", 7))
    assert [(str(line.starts), str(line.issue_on)) for line in found] == [
        ("2026-01-01", "2026-04-01"),
        ("2026-02-01", "2026-04-01"),
        ("2026-03-01", "2026-04-01"),
        ("2026-04-01", "2026-05-11"),
        ("2026-05-01", "2026-05-11"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "1"},
        {"price": "1", "invoiced": "quarter"},
        {"price": "1", "resets": "quarter", "free_units": "5"},
        {"price": "1", "cap": "50", "cap_over": "contract"},
        {"price": "1", "bill_over": "4", "bill_over_repeats": True},
        {"price": "1", "estimate": "9"},
        {"price": "1", "every": "2 weeks", "starts_on": "2026-01-20", "anchor_day": None},
    ],
)
def test_lines_issued_after_a_day_are_the_same_whether_or_not_earlier_ones_are_worked_out(fields):
    contract = terms(usage(**fields), starts_on="2026-01-10", anchor_day=31, ends_on="2026-12-15")
    records = [used(f"2026-{month:02}-{on:02}", 3) for month in range(1, 13) for on in (5, 28)]
    facts = Facts(usage=tuple(records[:-4]), assume_from=day("2026-10-20"))
    everything = owed(contract, day("2027-01-01"), facts).lines
    for since in ("2026-01-09", "2026-01-31", "2026-04-01", "2026-06-29", "2026-06-30", "2026-07-04", "2026-12-16"):
        left = owed(contract, day("2027-01-01"), facts, day(since)).lines
        assert [line for line in left if line.issue_on > day(since)] == [
            line for line in everything if line.issue_on > day(since)
        ]


# ------------------------------------------------------------------------------------------- from records to a quantity


@pytest.mark.parametrize(
    ("aggregation", "quantity"), [("sum", "10"), ("max", "7"), ("last", "1"), ("unique_count", "2")]
)
def test_records_become_a_quantity(aggregation, quantity):
    records = [
        used("2026-01-20", 1, id="b", at="2026-01-20T10:00", value="ada"),
        used("2026-01-20", 2, id="c", at="2026-01-20T09:00", value="bob"),
        used("2026-01-03", 7, id="d", at="2026-01-03T12:00", value="ada"),
    ]
    (found,) = lines(terms(usage(price="1", aggregation=aggregation), ends_on="2026-01-31"), *records)
    assert found.quantity == Decimal(quantity)
    assert found.amount == 100 * Decimal(quantity)


def test_the_last_of_records_of_one_moment_is_that_of_the_highest_id():
    records = [used("2026-01-03", 7, id="r-2"), used("2026-01-03", 3, id="r-1")]
    assert amounts(usage(price="1", aggregation="last"), *records, ends_on="2026-01-31") == [700]


def test_the_quantity_is_rounded_before_it_is_priced():
    assert amounts(
        usage(price="10", quantity_decimals=0),
        used("2026-01-02", "2.4"),
        used("2026-02-02", "2.5"),
        used("2026-03-01", "-2.5"),
    ) == [2000, 3000, -3000]
    assert amounts(usage(price="10", quantity_decimals=2), used("2026-01-02", "0.125"), ends_on="2026-01-31") == [130]


@pytest.mark.parametrize(
    ("fields", "amount"),
    [
        ({"price": "0.5", "per": "10"}, 125),
        ({"price": "1", "per": "3"}, 833),
        ({"price": "2", "free_units": "20"}, 1000),
        ({"price": "2", "free_units": "30"}, 0),
        ({**GRADUATED}, 7500),
        ({**GRADUATED, "model": "volume"}, 12500),
        ({**GRADUATED, "free_units": "10"}, 3500),
        ({**GRADUATED, "per": "10"}, 750),
        ({"model": "package", "package_size": "10", "price": "4"}, 1200),
        ({"model": "package", "package_size": "10", "price": "4", "free_units": "5"}, 800),
        ({"model": "percentage", "percent": "2.5", "fixed": "0.30"}, 93),
        ({"model": "percentage", "percent": "2.5", "fixed": "0.30", "aggregation": "max"}, 93),
    ],
)
def test_each_model_prices_25_units_of_one_record(fields, amount):
    assert amounts(usage(**fields), used("2026-01-02", 25), ends_on="2026-01-31") == [amount]


def test_a_flat_price_without_usage_is_owed_in_every_period_where_the_terms_say_so():
    charge = usage(model="volume", tiers=[{"up_to": "5", "flat": "100"}, {"flat": "150"}], charge_flat_at_zero=True)
    assert amounts(charge, used("2026-02-03", 6)) == [10000, 15000, 10000]
    assert amounts({**charge, "charge_flat_at_zero": False}, used("2026-02-03", 6)) == [0, 15000, 0]
    assert amounts({**charge, "resets": "quarter"}, used("2026-02-03", 6)) == [10000, 5000, 0]


def test_more_corrections_than_usage_are_a_credit_per_unit_and_nothing_in_packages():
    assert amounts(usage(price="2"), used("2026-01-02", -5), ends_on="2026-01-31") == [-1000]
    assert amounts(
        usage(model="package", package_size="10", price="2"), used("2026-01-02", -5), ends_on="2026-01-31"
    ) == [0]


# --------------------------------------------------------------------------------------------- what cannot be priced


def unknown(charge: dict[str, Any], *records: UsageRecord) -> tuple[list[int], list[tuple[str, str, str]]]:
    found = worked_out(terms(charge, ends_on="2026-03-31"), *records)
    assert {one.charge for one in found.unknown} <= {"calls"}
    return [line.amount for line in found.lines], [(one.code, str(one.since), one.path) for one in found.unknown]


@pytest.mark.parametrize("quantity", [11, -1])
@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_a_quantity_outside_the_tiers_leaves_its_period_and_those_after_it(model, quantity):
    charge = usage(model=model, tiers=[{"up_to": "10", "price": "5"}])
    found = unknown(charge, used("2026-01-02", 10), used("2026-02-02", quantity), used("2026-03-02", 1))
    assert found == ([5000], [("outside_tiers", "2026-02-01", "charges[0].tiers")])


@pytest.mark.parametrize(("dimensions", "named"), [({"role": "chef"}, "role 'chef'"), ({}, "a record without role")])
def test_a_value_that_the_rate_card_does_not_name_leaves_its_whole_period(dimensions, named):
    contract = terms(usage(dimension="role", prices={"dev": "100"}), ends_on="2026-03-31")
    records = [used("2026-02-02", 1, dimensions={"role": "dev"}), used("2026-02-03", 1, dimensions=dimensions)]
    found = worked_out(contract, used("2026-01-02", 1, dimensions={"role": "dev"}), *records)
    assert [line.amount for line in found.lines] == [10000]
    assert found.unknown[0].message == (
        f"{named} has no price: add it to the prices of charge 'calls', or correct the record"
    )
    assert (found.unknown[0].code, str(found.unknown[0].since)) == ("no_price", "2026-02-01")


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"model": "graduated"}, "tiers_missing", "tiers"),
        (
            {"model": "volume", "tiers": [{"up_to": "9", "price": "1"}, {"up_to": "9", "price": "2"}]},
            "tier_order",
            "tiers",
        ),
        ({"model": "package", "price": "1"}, "package_size_missing", "package_size"),
        ({"price": "1", "per": "0"}, "per_zero", "per"),
    ],
)
def test_a_charge_that_lacks_what_its_model_needs_is_not_billed(fields, code, path):
    assert unknown(usage(**fields), used("2026-01-02", 5)) == ([], [(code, "2026-01-01", f"charges[0].{path}")])


def test_an_index_value_that_is_missing_leaves_the_whole_period_of_the_rise():
    escalator = {"index": "CPI", "first_on": "2026-02-15", "base_index": "100"}
    found = unknown(
        usage(price="1", escalator=escalator), used("2026-01-02", 1), used("2026-02-10", 1), used("2026-02-20", 1)
    )
    assert found == ([100], [("index_missing", "2026-02-01", "charges[0].escalator")])


# -------------------------------------------------------------------------------------------------------- dimensions


def test_each_value_of_a_dimension_is_a_line_of_its_own_with_free_units_and_tiers_of_its_own():
    records = [
        used("2026-01-02", 15, dimensions={"region": "us"}),
        used("2026-01-03", 12, dimensions={"region": "eu"}),
        used("2026-01-04", 4, dimensions={"region": "us"}),
        used("2026-01-05", 1),
    ]
    found = lines(terms(usage(dimension="region", **GRADUATED), ends_on="2026-01-31"), *records)
    assert [(line.at, line.description, line.quantity, line.amount) for line in found] == [
        ("", "Calls", Decimal(1), 200),
        ("2026-01-01:eu", "Calls: eu", Decimal(12), 2600),
        ("2026-01-01:us", "Calls: us", Decimal(19), 4700),
    ]


def test_a_dimension_without_usage_has_no_lines():
    assert amounts(usage(price="1", dimension="region")) == []


def test_a_value_is_safe_in_the_name_of_a_slice_and_never_taken_for_one_of_our_own():
    names = ["north america", "a/b", "a%2Fb", "minimum", "billed", "interim-1", "größe"]
    records = [used("2026-01-02", 1, id=name, dimensions={"region": name}) for name in names]
    found = lines(terms(usage(price="1", dimension="region", minimum="10"), ends_on="2026-01-31"), *records)
    slices = [line.at for line in found]
    assert len(set(slices)) == len(slices) == 8
    assert {line.at: line.kind for line in found}["2026-01-01:minimum"] == "minimum"
    assert {"2026-01-01:north%20america", "2026-01-01:a%2Fb", "2026-01-01:a%252Fb", "2026-01-01:%6Dinimum"} < {*slices}
    assert not any(character.isspace() or character == "/" for at in slices for character in at)


def test_time_and_materials_has_a_rate_card_and_is_not_to_exceed_its_cap_over_the_contract():
    charge = usage(dimension="role", prices={"dev": "100", "lead": "200"}, cap="1000", cap_over="contract")
    records = [
        used("2026-01-02", 3, dimensions={"role": "lead"}),
        used("2026-01-03", 2, dimensions={"role": "dev"}),
        used("2026-02-03", 4, dimensions={"role": "dev"}),
        used("2026-03-03", 1, dimensions={"role": "dev"}),
    ]
    contract = terms(charge, ends_on="2026-03-31")
    assert by_slice(lines(contract, *records)) == {
        "2026-01-01:dev": 20000,
        "2026-01-01:lead": 60000,
        "2026-02-01:dev": 20000,
        "2026-03-01:dev": 0,
    }
    late = used("2026-01-09", "0.5", dimensions={"role": "dev"})
    assert by_slice(lines(contract, *records, late)) == {
        "2026-01-01:dev": 25000,
        "2026-01-01:lead": 60000,
        "2026-02-01:dev": 15000,
        "2026-03-01:dev": 0,
    }


# ----------------------------------------------------------------------------------------- resets, bounds, reductions


@pytest.mark.parametrize(
    ("fields", "used_up", "expected"),
    [
        (GRADUATED, (15, 0, 25), [3500, 0, 11500]),
        ({"price": "1", "free_units": "20"}, (15, 10, 5), [0, 500, 500]),
        ({"price": "1", "model": "package", "package_size": "100"}, (130, 60, 11), [200, 0, 100]),
        ({"price": "0.335"}, (1, 1, 1), [34, 33, 34]),
        ({"price": "1", "aggregation": "max"}, (5, 3, 8), [500, 0, 300]),
        ({"model": "percentage", "fixed": "1", "free_records": 2}, (5, 5, 5), [0, 0, 100]),
    ],
)
def test_with_resets_a_period_goes_on_where_the_one_before_ended(fields, used_up, expected):
    records = [used(f"2026-0{month}-15", quantity) for month, quantity in enumerate(used_up, 1)]
    assert amounts(usage(resets="quarter", **fields), *records) == expected


def test_after_a_reset_everything_starts_anew():
    charge = usage(price="1", free_units="20", resets="2 months")
    records = [used(f"2026-0{month}-15", 15) for month in range(1, 5)]
    assert amounts(charge, *records, ends_on="2026-04-30") == [0, 1000, 0, 1000]


def test_resets_count_from_the_charge_s_own_start_where_it_joins_later():
    charge = usage(price="1", free_units="20", resets="quarter", starts_on="2026-02-01")
    assert amounts(charge, used("2026-02-03", 15), used("2026-03-03", 15)) == [0, 1000]


def test_a_quantity_is_what_the_period_adds():
    contract = terms(usage(resets="quarter", **GRADUATED), ends_on="2026-02-28")
    found = lines(contract, used("2026-01-03", 15), used("2026-02-03", 10))
    assert [line.quantity for line in found] == [15, 10]
    assert explain_text(found[1].explain) == (
        "10 at 2.00 + 10 at 3.00 + 5 at 5.00, less 35.00 for what was used before"
    )


def test_percentages_come_off_before_the_cap_and_amounts_after_it():
    charge = usage(price="1", cap="100", discounts=[{"amount": "30"}, {"percent": "20"}])
    records = [used("2026-01-02", 120), used("2026-02-02", 200), used("2026-03-02", 20)]
    assert amounts(charge, *records) == [6600, 7000, 0]


def test_the_values_of_a_dimension_share_one_cap_and_one_amount_off():
    charge = usage(price="1", dimension="region", cap="100", discounts=[{"amount": "10"}])
    records = [used("2026-01-02", 70, dimensions={"region": name}) for name in ("a", "b", "c")]
    assert amounts(charge, *records, ends_on="2026-01-31") == [6000, 3000, 0]


def test_a_cap_over_the_contract_counts_what_is_charged_after_amounts_off():
    charge = usage(price="1", cap="100", cap_over="contract", discounts=[{"amount": "10"}])
    records = [used("2026-01-02", 60), used("2026-02-02", 50), used("2026-03-02", 60)]
    assert amounts(charge, *records) == [5000, 4000, 1000]


def test_a_credit_is_not_made_smaller_by_an_amount_off():
    assert amounts(usage(price="1", discounts=[{"amount": "10"}]), used("2026-01-02", -5), ends_on="2026-01-31") == [
        -500
    ]


@pytest.mark.parametrize(
    ("discount", "expected"),
    [
        ({"percent": "50"}, [500, 500, 500]),
        ({"percent": "50", "periods": 2}, [500, 500, 1000]),
        ({"percent": "50", "starts_on": "2026-01-02"}, [1000, 500, 500]),
        ({"percent": "50", "ends_on": "2026-02-01"}, [500, 500, 1000]),
        ({"percent": "50", "starts_on": "2026-02-01", "periods": 1}, [1000, 500, 1000]),
        ({"percent": "100", "periods": 1}, [0, 1000, 1000]),
        ({"amount": "4", "periods": 1}, [600, 1000, 1000]),
    ],
)
def test_a_discount_holds_for_the_periods_that_begin_within_it(discount, expected):
    records = [used(f"2026-0{month}-15", 10) for month in (1, 2, 3)]
    assert amounts(usage(price="1", discounts=[discount]), *records) == expected


def test_a_contract_s_percentage_comes_off_usage_too():
    assert amounts(usage(price="1"), used("2026-01-02", 10), ends_on="2026-01-31", discounts=[{"percent": "10"}]) == [
        900
    ]


def test_a_minimum_is_a_line_of_what_is_short_and_prorated_for_a_part_period():
    charge = usage(price="8", minimum="10")
    contract = terms(charge, starts_on="2026-01-08", anchor_day=1, ends_on="2026-04-15")
    found = lines(contract, used("2026-02-03"), used("2026-03-03", 2))
    assert by_slice(found) == {
        "2026-01-08": 0,
        "2026-01-08:minimum": 774,  # 24 of 31 days
        "2026-02-01": 800,
        "2026-02-01:minimum": 200,
        "2026-03-01": 1600,
        "2026-04-01": 0,
        "2026-04-01:minimum": 500,
    }
    assert {line.kind for line in found} == {"usage", "minimum"}
    assert explain_text(found[1].explain) == "minimum of 10.00, 24 of 31 days, less 0.00"


def test_a_minimum_of_a_period_cut_by_the_end_is_what_lago_bills():
    charge = usage(price="8", minimum="10")
    found = amounts(charge, used("2023-02-10"), starts_on="2023-02-01", ends_on="2023-02-25")
    assert found == [800, 93]


def test_what_a_minimum_is_short_of_is_counted_over_all_values_and_after_reductions():
    charge = usage(price="1", dimension="region", minimum="100", cap="60")
    records = [used("2026-01-02", 50, dimensions={"region": name}) for name in ("a", "b")]
    assert amounts(charge, *records, ends_on="2026-01-31") == [5000, 1000, 4000]
    assert amounts(charge, ends_on="2026-01-31") == [10000]


# ------------------------------------------------------------------------------------------------- prices over time


def test_each_unit_of_a_sum_has_the_price_of_its_day():
    charge = usage(price="1", free_units="15", steps=[{"starts_on": "2026-01-15", "price": "2"}])
    records = [used("2026-01-20", 10), used("2026-01-14", 10, id="a"), used("2026-01-15", 10, id="b")]
    assert amounts(charge, *records, ends_on="2026-01-31") == [3000]
    assert words(charge, *records) == ["15 at 2.00, 15 free"]
    assert words(usage(price="1", steps=charge["steps"]), *records) == ["10 at 1.00 + 20 at 2.00"]


def test_a_rounded_quantity_is_split_over_prices_without_a_gap():
    charge = usage(price="1", quantity_decimals=0, steps=[{"starts_on": "2026-01-15", "price": "2"}])
    assert words(charge, used("2026-01-10", "10.4"), used("2026-01-20", "10.4")) == ["10 at 1.00 + 11 at 2.00"]


@pytest.mark.parametrize(
    "fields", [{"model": "package", "package_size": "5"}, {"aggregation": "max"}, {"aggregation": "last"}]
)
def test_what_cannot_be_split_by_day_costs_what_the_period_s_first_day_says(fields):
    charge = usage(price="1", steps=[{"starts_on": "2026-01-15", "price": "2"}], **fields)
    found = amounts(charge, used("2026-01-20", 5), used("2026-02-20", 5), ends_on="2026-02-28")
    assert [amount // found[0] for amount in found] == [1, 2]


def test_an_escalator_of_the_charge_raises_price_tiers_and_rate_card_and_the_contract_s_none():
    rise = {"percent": "10", "first_on": "2026-02-01"}
    records = [used("2026-01-15", 12), used("2026-02-15", 12)]
    tiers = [{"up_to": "10", "price": "2"}, {"price": "3", "flat": "10"}]
    assert amounts(usage(price="2", escalator=rise), *records, ends_on="2026-02-28") == [2400, 2640]
    assert amounts(usage(model="graduated", tiers=tiers, escalator=rise), *records, ends_on="2026-02-28") == [
        3600,
        3960,
    ]
    cards = [used(str(one.day), 1, dimensions={"role": "dev"}) for one in records]
    card = usage(dimension="role", prices={"dev": "100"}, escalator=rise)
    assert amounts(card, *cards, ends_on="2026-02-28") == [10000, 11000]
    assert amounts(usage(price="2"), *records, ends_on="2026-02-28", escalator=rise) == [2400, 2400]


# --------------------------------------------------------------------------------------------- progressive, estimated


def test_what_crosses_a_threshold_is_billed_on_that_day_and_taken_off_the_period_s_total():
    contract = terms(
        usage(price="1", bill_over="200"), recurring(key="base", price="31", timing="arrears"), ends_on="2026-01-31"
    )
    records = [used("2026-01-05", 150), used("2026-01-12", 50), used("2026-01-20", 200)]
    assert [(str(line.issue_on), line.at, line.amount) for line in lines(contract, *records)] == [
        ("2026-01-12", "2026-01-01:interim-1", 20000),
        ("2026-02-01", "", 40000),
        ("2026-02-01", "2026-01-01:billed", -20000),
        ("2026-02-01", "", 3100),
    ]


def test_an_interim_line_says_what_was_used_by_its_day():
    contract = terms(usage(price="1", bill_over="100", bill_over_repeats=True), ends_on="2026-01-31")
    records = [used("2026-01-05", 130), used("2026-01-06", 90), used("2026-01-07", 20), used("2026-01-20", 5)]
    found = lines(contract, *records)
    assert [explain_text(line.explain) for line in found] == [
        "130.00 used by 5 Jan 2026",
        "240.00 used by 7 Jan 2026, less 130.00 billed before",
        "245 at 1.00",
        "billed during the period: 130.00 + 110.00",
    ]
    assert (found[1].starts, found[1].until, found[1].amount) == (day("2026-01-01"), day("2026-01-08"), 11000)
    assert sum(line.amount for line in found) == 24500


def test_an_interim_line_is_owed_while_its_period_runs():
    contract = terms(usage(price="1", bill_over="100"))
    records = [used("2026-01-05", 130), used("2026-02-06", 90)]
    assert lines(contract, *records, through="2026-01-04") == []
    assert [line.amount for line in lines(contract, *records, through="2026-01-05")] == [13000]
    assert [line.amount for line in lines(contract, *records, through="2026-02-20")] == [13000, 13000, -13000]


def test_interim_lines_keep_to_a_cap_over_the_contract():
    contract = terms(usage(price="1", bill_over="50", cap="100", cap_over="contract"), ends_on="2026-02-28")
    found = lines(contract, used("2026-01-05", 70), used("2026-02-05", 40), used("2026-02-06", 40))
    assert [line.amount for line in found] == [7000, 7000, -7000, 3000]


def test_a_cap_over_the_contract_counts_what_is_used_and_not_invoiced_yet():
    contract = terms(usage(price="1", invoiced="quarter", bill_over="50", cap="100", cap_over="contract"))
    records = [used("2026-01-05", 40), used("2026-02-05", 90)]
    early = lines(contract, *records, through="2026-02-20")
    assert [(line.at, line.amount) for line in early] == [("2026-02-01:interim-1", 6000)]
    assert early[0] in lines(contract, *records, through="2026-04-01")


def test_an_estimate_stands_in_for_usage_where_a_preview_may_assume():
    contract = terms(usage(price="1", estimate="50"), ends_on="2026-03-31")
    records = [used("2026-01-05", 20)]
    assert [line.amount for line in lines(contract, *records)] == [2000, 0, 0]
    found = lines(contract, *records, assume_from=day("2026-03-01"))
    assert [(line.amount, line.estimated) for line in found] == [(2000, False), (0, False), (5000, True)]
    found = lines(contract, *records, assume_from=day("2026-01-10"))
    assert [(line.amount, line.estimated) for line in found] == [(2000, False), (5000, True), (5000, True)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"aggregation": "unique_count", "price": "1"}, [100, 5000]),
        ({"price": "1", "free_units": "25", "resets": "year"}, [0, 4500]),
        ({"dimension": "role", "prices": {"dev": "3"}, "price": "2"}, [6000, 10000]),
        ({"price": "1", "bill_over": "10"}, [2000, 2000, -2000, 5000]),
        ({"price": "1", "minimum": "60"}, [2000, 4000, 5000, 1000]),
    ],
)
def test_an_estimate_is_priced_like_usage(fields, expected):
    contract = terms(usage(estimate="50", **fields), ends_on="2026-02-28")
    found = lines(contract, used("2026-01-05", 20, dimensions={"role": "dev"}), assume_from=day("2026-01-20"))
    assert [line.amount for line in found] == expected
    assert [line.estimated for line in found] == [line.starts == day("2026-02-01") for line in found]


def test_a_later_period_that_goes_on_from_an_estimate_is_one_too():
    contract = terms(usage(price="1", estimate="50", free_units="60", resets="quarter"), ends_on="2026-02-28")
    found = lines(contract, used("2026-02-05", 20), assume_from=day("2026-01-01"))
    assert [(line.amount, line.estimated) for line in found] == [(0, True), (1000, True)]


# --------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("fields", "worded"),
    [
        ({"price": "0.0125"}, "1,500 at 0.0125"),
        ({"price": "3", "per": "1000"}, "1,500 at 3.00 per 1000"),
        ({"price": "3", "aggregation": "max"}, "the highest: 1,500 at 3.00"),
        ({"price": "3", "free_units": "500"}, "1,000 at 3.00, 500 free"),
        ({"model": "package", "package_size": "1000", "price": "3"}, "2 × 1000 at 3.00"),
        ({"model": "percentage", "percent": "1", "fixed": "2"}, "1% of 1,500.00 + 1 record at 2.00"),
        ({"model": "percentage", "percent": "1", "free_records": 3}, "nothing to pay for, the first 3 records free"),
        ({"price": "1", "discounts": [{"percent": "10"}, {"amount": "5"}]}, "1,500 at 1.00, less 10%, less 5.00"),
        ({"price": "1", "cap": "500"}, "1,500 at 1.00, at most 500.00 in a period"),
        ({"price": "1", "cap": "500", "cap_over": "contract"}, "1,500 at 1.00, at most 500.00 in all"),
    ],
)
def test_an_amount_is_worded(fields, worded):
    assert words(usage(**fields), used("2026-01-02", 1500)) == [worded]


def test_a_cap_s_words_tell_what_counts_towards_it():
    charge = usage(price="1", dimension="region", cap="90")
    records = [used("2026-01-02", 70, dimensions={"region": name}) for name in ("a", "b")]
    assert words(charge, *records)[1] == "70 at 1.00, at most 90.00 in a period, after 70.00 in the same period"
    assert (
        words({**charge, "cap_over": "contract"}, *records)[1]
        == "70 at 1.00, at most 90.00 in all (70.00 charged before)"
    )


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({"price": "3"}, "3"),
        (GRADUATED, "2.333333"),
        ({"price": "1", "per": "7"}, "0.142667"),
        ({"price": "2", "free_units": "5"}, "1.333333"),
    ],
)
def test_the_unit_price_shown_is_that_of_every_unit_or_the_average(fields, price):
    (found,) = lines(terms(usage(**fields), ends_on="2026-01-31"), used("2026-01-02", 15))
    assert found.unit_price == Decimal(price)


def test_the_average_of_a_correction_has_the_sign_of_a_price():
    (found,) = lines(terms(usage(price="1", per="8"), ends_on="2026-01-31"), used("2026-01-02", -10))
    assert (found.amount, found.unit_price) == (-125, Decimal("0.125000"))


def test_a_minimum_is_made_up_to_the_last_minor_unit():
    contract = terms(usage(price="1", minimum="5"), currency="JPY", ends_on="2026-01-31")
    assert [line.amount for line in lines(contract, used("2026-01-10", 4))] == [4, 1]
    assert [line.amount for line in lines(contract, used("2026-01-10", 5))] == [5]


def test_an_estimated_price_that_an_exact_one_follows_leaves_the_line_an_estimate():
    contract = terms(
        usage(price="1", escalator={"index": "CPI", "base_index": "100", "first_on": "2026-01-10"}),
        ends_on="2026-01-31",
    )
    known: dict[str, Any] = {"indices": {"CPI": ((day("2025-01-01"), Decimal(100)),)}, "assume_from": day("2026-01-01")}
    (line,) = lines(contract, used("2026-01-05", 1), used("2026-01-20", 1), **known)
    assert line.estimated
