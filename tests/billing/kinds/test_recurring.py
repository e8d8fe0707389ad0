from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.explain import explain_text, recompute
from billing.facts import NO_FACTS, Facts
from billing.plan import owed, plan
from tests.billing.build import day, lines, one_time, recurring, terms


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


def shown(*charges: dict[str, Any], through: str = "2030-01-01", facts: Facts = NO_FACTS, **fields: Any) -> list[str]:
    """Return each line as its days, day of issue, quantity, unit price and amount in minor units."""
    return [
        f"{line.starts} {line.until} on {line.issue_on}: {line.quantity} x {line.unit_price} = {line.amount}"
        for line in plan(terms(*charges, **fields), day(through), facts)
    ]


def words(*charges: dict[str, Any], through: str = "2030-01-01", **fields: Any) -> list[str]:
    return [explain_text(line.explain) for line in lines(terms(*charges, **fields), through)]


MAY: dict[str, Any] = {"starts_on": "2012-05-01", "ends_on": "2012-05-31"}


# ----------------------------------------------------------------------------------------- prices that change on a day


def test_a_period_is_cut_where_the_price_changes_and_issued_as_one():
    steps = [{"starts_on": "2012-05-07", "price": "9.95"}, {"starts_on": "2012-05-08", "price": "29.95"}]
    assert shown(recurring(price="599.95", steps=steps), **MAY) == [  # B13
        "2012-05-01 2012-05-07 on 2012-05-01: 1 x 599.95 = 11612",
        "2012-05-07 2012-05-08 on 2012-05-01: 1 x 9.95 = 32",
        "2012-05-08 2012-06-01 on 2012-05-01: 1 x 29.95 = 2319",
    ]


def test_a_change_that_undoes_itself_leaves_no_trace():
    steps = [{"starts_on": "2012-05-07", "price": "9.95"}, {"starts_on": "2012-05-07", "price": "100"}]
    assert shown(recurring(steps=steps), **MAY) == shown(recurring(), **MAY)


def test_without_proration_a_new_price_waits_for_the_next_period():
    charge = recurring(steps=[{"starts_on": "2026-01-10", "price": "200"}], proration="none")
    assert amounts(charge, "2026-02-01") == [10000, 20000]


def test_an_index_that_moves_within_a_period_splits_it_by_days():
    charge = recurring(
        every="year", price="1000", escalator={"index": "CPI", "first_on": "2020-09-01", "base_index": "244"}
    )
    facts = Facts(indices={"CPI": ((day("2020-09-01"), Decimal(250)),)})
    found = plan(terms(charge, starts_on="2020-08-01", ends_on="2021-07-31"), day("2022-01-01"), facts)  # C16
    assert [(line.unit_price, line.amount) for line in found] == [(1000, 8493), (Decimal("1024.59"), 93757)]
    assert sum(line.amount for line in found) == 102250
    assert explain_text(found[1].explain) == "334 of 365 days from 1 Sep 2020 at 1,024.59 (= 1,000.00 × 250 / 244)"


def test_what_lies_before_a_day_without_a_price_is_owed_all_the_same():
    charge = recurring(every="year", escalator={"index": "CPI", "first_on": "2026-07-02"})
    found = owed(terms(charge, starts_on="2026-01-01"), day("2028-01-01"))
    assert [(line.starts, line.until, line.amount) for line in found.lines] == [
        (day("2026-01-01"), day("2026-07-02"), 4986)
    ]
    (unknown,) = found.unknown
    assert (unknown.charge, unknown.since, unknown.code) == ("fee", day("2026-07-02"), "index_missing")
    assert unknown.path == "charges[0].escalator"


def test_a_line_at_an_assumed_index_says_that_it_is_estimated():
    series = {"CPI": ((day("2025-12-01"), Decimal(100)),)}
    charge = recurring(every="year", escalator={"index": "CPI"})
    found = plan(
        terms(charge, ends_on="2027-12-31"), day("2028-01-01"), Facts(indices=series, assume_from=day("2026-06-01"))
    )
    assert [line.estimated for line in found] == [False, True]


def test_half_yearly_stubs_count_whole_months_first_at_each_price():  # B35, net of 20 %
    charge = recurring(
        every="half_year",
        price_per="month",
        discounts=[{"percent": "20"}],
        steps=[{"starts_on": "2022-07-01", "price": "200"}],
    )
    found = amounts(charge, "2022-07-10", starts_on="2021-01-01", anchor_day=10)
    assert found == [2323, 48000, 48000, 45600, 4800, 96000]


# ----------------------------------------------------------------------------------------------------------- discounts


def test_a_discount_holds_between_its_dates_and_cuts_a_period():
    charge = recurring(discounts=[{"percent": "50", "starts_on": "2026-01-11", "ends_on": "2026-02-14"}])
    assert shown(charge, through="2026-02-01") == [
        "2026-01-01 2026-01-11 on 2026-01-01: 1 x 100.00 = 3226",
        "2026-01-11 2026-02-01 on 2026-01-01: 1 x 100.00 = 3387",
        "2026-02-01 2026-02-15 on 2026-02-01: 1 x 100.00 = 2500",
        "2026-02-15 2026-03-01 on 2026-02-01: 1 x 100.00 = 5000",
    ]


def test_a_discount_for_the_first_periods_counts_the_charge_s_own_a_stub_among_them():
    charge = recurring(discounts=[{"percent": "100", "periods": 2}], starts_on="2026-02-15")
    assert amounts(charge, "2026-05-01") == [0, 0, 10000, 10000]
    later = recurring(discounts=[{"amount": "25", "periods": 2, "starts_on": "2026-03-01"}])
    assert amounts(later, "2026-05-01") == [10000, 10000, 7500, 7500, 10000]
    until = recurring(discounts=[{"amount": "25", "periods": 3, "ends_on": "2026-01-31"}])
    assert amounts(until, "2026-02-01") == [7500, 10000]


def test_a_discount_followed_by_one_of_the_same_percentage_cuts_nothing():
    discounts = [{"percent": "10", "ends_on": "2026-01-15"}, {"percent": "10", "starts_on": "2026-01-16"}]
    assert amounts(recurring(discounts=discounts), "2026-01-01") == [9000]


def test_the_contract_s_percentages_come_off_before_rounding():
    charge = recurring(price="0.33", discounts=[{"percent": "50"}])
    assert amounts(charge, "2026-01-01", discounts=[{"percent": "10"}]) == [15]  # 0.1485, not 0.17 less a tenth


def test_without_proration_a_discount_holds_for_whole_periods():
    charge = recurring(discounts=[{"percent": "50", "ends_on": "2026-01-10"}], proration="none")
    assert amounts(charge, "2026-02-01") == [5000, 10000]


# --------------------------------------------------------------------------------------------------------------- seats


def test_added_seats_are_charged_for_the_days_left_when_they_come():
    steps = [{"starts_on": "2026-01-16", "quantity": 15}]
    assert shown(recurring(price="31", quantity=10, steps=steps), through="2026-02-01") == [
        "2026-01-01 2026-02-01 on 2026-01-01: 10 x 31 = 31000",
        "2026-01-16 2026-02-01 on 2026-01-16: 5 x 31 = 8000",
        "2026-02-01 2026-03-01 on 2026-02-01: 15 x 31 = 46500",
    ]


def test_removed_seats_are_credited_for_the_days_left_with_the_period():
    steps = [{"starts_on": "2026-01-16", "quantity": 5}]
    assert shown(recurring(price="31", quantity=10, steps=steps), through="2026-01-01") == [
        "2026-01-01 2026-02-01 on 2026-01-01: 10 x 31 = 31000",
        "2026-01-16 2026-02-01 on 2026-01-01: -5 x 31 = -8000",
    ]


def test_seats_that_come_and_go_are_not_credited_before_they_are_charged():
    steps = [{"starts_on": "2026-01-11", "quantity": 20}, {"starts_on": "2026-01-21", "quantity": 10}]
    found = lines(terms(recurring(price="31", quantity=10, steps=steps), issue_days_before=5), "2026-01-31")
    assert [(line.issue_on.isoformat(), line.amount) for line in found[:3]] == [
        ("2025-12-27", 31000),
        ("2026-01-06", 21000),
        ("2026-01-06", -11000),
    ]


def test_in_arrears_seats_are_issued_with_their_period():
    steps = [{"starts_on": "2026-01-16", "quantity": 15}]
    found = lines(terms(recurring(price="31", quantity=10, steps=steps, timing="arrears")), "2026-02-01")
    assert [(line.issue_on.isoformat(), line.amount) for line in found] == [("2026-02-01", 31000), ("2026-02-01", 8000)]


def test_a_price_and_seats_that_change_in_one_period_are_each_their_own_line():
    steps = [{"starts_on": "2026-01-11", "quantity": 20}, {"starts_on": "2026-01-21", "price": "62"}]
    assert shown(recurring(price="31", quantity=10, steps=steps), through="2026-01-31") == [
        "2026-01-01 2026-01-21 on 2026-01-01: 10 x 31 = 20000",
        "2026-01-21 2026-02-01 on 2026-01-01: 20 x 62 = 44000",
        "2026-01-11 2026-01-21 on 2026-01-11: 10 x 31 = 10000",
    ]


@pytest.mark.parametrize(
    ("steps", "amounts_of_march"),
    [
        ([("2024-03-06", 5)], [10000]),
        ([("2024-03-06", 15)], [10000, 5000]),
        ([("2024-03-06", 5), ("2024-03-11", 15)], [10000, 5000]),
        ([("2024-03-06", 15), ("2024-03-11", 20)], [10000, 5000, 5000]),
    ],
)
def test_high_water_without_proration_charges_only_what_exceeds_the_most_so_far(steps, amounts_of_march):  # B31
    charge = recurring(
        price="10",
        quantity=10,
        steps=[{"starts_on": on, "quantity": count} for on, count in steps],
        seats_removed="high_water",
        proration="none",
    )
    assert amounts(charge, "2024-03-31", starts_on="2024-03-01") == amounts_of_march
    assert amounts(charge, "2024-04-01", starts_on="2024-03-01")[-1] == steps[-1][1] * 1000


def test_graduated_seats_charge_the_difference_of_the_brackets_for_the_days_left():  # B32
    tiers = [
        {"up_to": 50},
        {"up_to": 100, "price": 20},
        {"up_to": 200, "price": "17.50"},
        {"price": 15},
    ]
    steps = [{"starts_on": "2024-01-16", "quantity": 143}]
    base = recurring(key="base", price="999.00")
    seats = recurring(key="seats", price=0, quantity=100, tiers=tiers, steps=steps)
    assert shown(base, seats, starts_on="2024-01-01", through="2024-02-01") == [
        "2024-01-01 2024-02-01 on 2024-01-01: 1 x 999.00 = 99900",
        "2024-01-01 2024-02-01 on 2024-01-01: 100 x 20 = 100000",
        "2024-01-16 2024-02-01 on 2024-01-16: 43 x 17.50 = 38839",
        "2024-02-01 2024-03-01 on 2024-02-01: 1 x 999.00 = 99900",
        "2024-02-01 2024-03-01 on 2024-02-01: 143 x 17.50 = 175250",
    ]
    assert words(seats, starts_on="2024-01-01", through="2024-01-31") == [
        "1 month from 1 Jan 2024 for 50 at 0.00 + 50 at 20.00",
        "43 added, 16 of 31 days from 16 Jan 2024 for 50 at 0.00 + 50 at 20.00 + 43 at 17.50"
        ", less 50 at 0.00 + 50 at 20.00",
    ]


def test_volume_brackets_price_every_seat_at_the_bracket_reached():
    tiers = [{"up_to": 10, "price": 10}, {"price": 8, "flat": 5}]
    for quantity, amount in ((10, 10000), (11, 9300)):
        charge = recurring(price=0, quantity=quantity, tiers=tiers, tier_mode="volume")
        assert amounts(charge, "2026-01-01") == [amount]


def test_brackets_rise_with_the_escalator():
    tiers = [{"up_to": 10}, {"price": 10, "flat": 20}]
    charge = recurring(price=0, quantity=15, tiers=tiers, every="year", escalator={"percent": "10"})
    assert amounts(charge, "2027-01-01") == [7000, 7700]


def test_a_quantity_that_no_bracket_holds_is_told_from_its_day():
    charge = recurring(
        price=0, quantity=5, tiers=[{"up_to": 10, "price": 1}], steps=[{"starts_on": "2026-02-15", "quantity": 11}]
    )
    found = owed(terms(charge), day("2026-06-01"))
    assert [line.starts for line in found.lines] == [day("2026-01-01"), day("2026-02-01")]
    (unknown,) = found.unknown
    assert (unknown.code, unknown.since, unknown.path) == ("outside_tiers", day("2026-02-15"), "charges[0].tiers")
    assert "charge 'fee': 11 lies outside the tiers" in unknown.message


def test_an_amount_off_is_no_part_of_what_added_seats_cost_unless_it_was_more_than_the_charge():
    steps = [{"starts_on": "2026-01-16", "quantity": 15}]
    assert amounts(recurring(price="31", quantity=10, steps=steps, discounts=[{"amount": "31"}]), "2026-01-31") == [
        27900,
        8000,
    ]
    assert amounts(recurring(price="31", quantity=10, steps=steps, discounts=[{"amount": "400"}]), "2026-01-31") == [
        0,
        3355,  # 16/31 of 465 less 400
    ]


# ------------------------------------------------------------------------------------- a price for longer than a period


def test_an_annual_price_in_uneven_parts_is_rounded_on_the_running_total():  # C10
    assert amounts(recurring(price="21500", price_per="year", every="4 months"), "2026-09-01") == [
        716667,
        716666,
        716667,
    ]


def test_a_new_price_goes_on_from_the_running_total_s_place():
    charge = recurring(price="100", price_per="year", steps=[{"starts_on": "2026-05-01", "price": "200"}])
    found = amounts(charge, ends_on="2026-12-31")
    assert found[:4] == [833, 834, 833, 833]
    assert found[4:] == [1666, 1667, 1667, 1666, 1667, 1667, 1666, 1667]
    # a price for four months only, entered later, changes no other month
    back = recurring(
        price="100",
        price_per="year",
        steps=[{"starts_on": "2026-05-01", "price": "200"}, {"starts_on": "2026-09-01", "price": "100"}],
    )
    assert (
        amounts(back, ends_on="2026-12-31")[8:]
        == amounts(recurring(price="100", price_per="year"), ends_on="2026-12-31")[8:]
    )


def test_a_running_total_that_is_not_prorated_counts_periods():
    charge = recurring(price="100", price_per="year", proration="none")
    assert amounts(charge, "2026-04-01", starts_on="2026-01-13", anchor_day=1) == [833, 834, 833, 833]


# ----------------------------------------------------------------------------------------------- how stubs are measured


def test_a_stub_of_a_year_by_days_and_by_months():  # B44
    for proration, amount in (("actual", 181694), ("by_months", 181452)):
        charge = recurring(price="5000", every="year", starts_on="2024-08-21", proration=proration)
        assert amounts(charge, starts_on="2024-01-01", ends_on="2024-12-31") == [amount]


def test_months_then_days_counts_whole_months_from_the_stub_s_own_first_day():
    charge = recurring(price="90", price_per="month", every="quarter", proration="months_then_days")
    found = lines(terms(charge, starts_on="2026-01-20", anchor_day=10), "2026-03-31")
    assert found[0].explain.operands["parts"] == "2 + 21/31"  # to 20 March, then to 10 April
    assert found[0].amount == 24097


@pytest.mark.parametrize("proration", ["actual", "thirty_360", "months_then_days", "by_months"])
@pytest.mark.parametrize(
    ("every", "price_per"), [("year", None), ("quarter", "month"), ("month", "year"), ("week", None)]
)
def test_days_of_one_price_cut_into_parts_come_to_the_whole_but_for_rounding(every, price_per, proration):
    fields: dict[str, Any] = {
        "starts_on": "2026-01-17",
        "anchor_day": None if every == "week" else 5,
        "ends_on": "2027-03-11",
    }
    whole = recurring(price="36500", every=every, price_per=price_per, proration=proration)
    steps = [
        {"starts_on": f"2026-{month:02}-28", "price": "36500.0001" if month % 2 else "36500"} for month in range(1, 13)
    ]
    parts = sum(amounts({**whole, "steps": steps}, **fields))
    assert abs(parts - sum(amounts(whole, **fields))) <= 30


# ------------------------------------------------------------------------------------------------------------ renewals


def test_a_renewed_term_goes_on_with_the_last_quantity_at_the_renewal_s_price():  # C11
    charge = recurring(
        every="year",
        price="240",
        quantity=100,
        steps=[
            {"starts_on": "2027-01-01", "price": "230"},
            {"starts_on": "2028-01-01", "price": "220", "quantity": 120},
        ],
    )
    renewal = {"auto": True, "uplift_percent": "10", "uplift_per": "year", "price_basis": "highest"}
    found = lines(terms(charge, ends_on="2028-12-31", renewal=renewal), "2029-01-01")
    assert [(int(line.quantity), line.unit_price) for line in found] == [
        (100, Decimal(240)),
        (100, Decimal(230)),
        (120, Decimal(220)),
        (120, Decimal(312)),
    ]
    assert explain_text(found[-1].explain) == "1 year from 1 Jan 2029 at 120 × 312.00 (= 240.00 + 3 × 10%)"


# --------------------------------------------------------------------------------------------- what may be left out


@pytest.mark.parametrize("timing", ["advance", "arrears"])
@pytest.mark.parametrize("lead", [0, 10])
def test_since_leaves_out_what_was_issued_by_then_and_nothing_else(timing, lead):
    charge = recurring(
        price="100",
        quantity=3,
        timing=timing,
        price_per="year",
        steps=[{"starts_on": "2026-03-20", "quantity": 5}, {"starts_on": "2026-05-11", "price": "200"}],
        discounts=[{"percent": "10", "periods": 4}],
    )
    contract = terms(charge, anchor_day=15, issue_days_before=lead, ends_on="2026-08-08")
    whole = plan(contract, day("2026-09-01"))
    for offset in range(0, 260, 3):
        since = day("2025-12-10") + timedelta(days=offset)
        rest = plan(contract, day("2026-09-01"), since=since)
        assert rest == [line for line in whole if line.issue_on > since]


# -------------------------------------------------------------------------------------------------------- explanations


@pytest.mark.parametrize(
    ("charge", "fields", "told"),
    [
        (
            recurring(price="10", quantity=4, steps=[{"starts_on": "2026-01-11", "quantity": 9}]),
            {},
            "5 added, 21 of 31 days from 11 Jan 2026 at 10.00",
        ),
        (
            recurring(price="10", quantity=4, steps=[{"starts_on": "2026-01-11", "quantity": 3}]),
            {},
            "1 removed, 21 of 31 days from 11 Jan 2026 at 10.00",
        ),
        (
            recurring(
                quantity=4,
                steps=[{"starts_on": "2026-01-11", "price": "90"}],
                discounts=[{"percent": 10}, {"amount": 3}],
            ),
            {},
            "21 of 31 days from 11 Jan 2026 at 4 × 90.00, less 10%, less 3.00 per period",
        ),
        (
            recurring(every="year", proration="by_months"),
            {"starts_on": "2025-12-21", "anchor_day": 1, "ends_on": "2026-02-28"},
            "11 of 31 days + 2 months from 21 Dec 2025 at 100.00",
        ),
        (
            recurring(every="quarter", price_per="month", proration="months_then_days"),
            {"starts_on": "2025-12-21", "anchor_day": 1},
            "2 months + 8 of 28 days from 21 Dec 2025 at 100.00 per month",
        ),
        (recurring(every="year", proration="by_months"), {}, "12 months from 1 Jan 2026 at 100.00"),
    ],
)
def test_a_line_s_arithmetic_is_worded(charge, fields, told):
    assert words(charge, through="2026-01-31", **fields)[-1] == told


def test_every_kind_of_line_recomputes_to_its_amount():
    tiers = [{"up_to": 10, "price": "9.99"}, {"price": "7.77", "flat": "3"}]
    steps = [
        {"starts_on": "2026-02-10", "quantity": 14},
        {"starts_on": "2026-03-10", "price": "55.55", "quantity": "2.5"},
    ]
    discounts = [{"percent": "7.5"}, {"amount": "40"}, {"percent": "50", "periods": 1}]
    for fields in (
        {},
        {"tiers": tiers},
        {"price_per": "year"},
        {"every": "quarter", "price_per": "month", "proration": "by_months"},
        {"every": "half_year", "proration": "months_then_days"},
        {"every": "year", "proration": "by_months", "price": "10000"},
        {"proration": "thirty_360", "escalator": {"percent": "3", "first_on": "2026-04-04"}},
        {"proration": "none", "tiers": tiers, "tier_mode": "volume"},
    ):
        charge = recurring(**{"price": "33.33", "quantity": 8, "steps": steps, "discounts": discounts, **fields})
        found = lines(terms(charge, starts_on="2026-01-13", anchor_day=5, ends_on="2026-11-20"))
        assert len(found) >= 3
        assert [recompute(line.explain) for line in found] == [line.amount for line in found]
        assert all("None" not in explain_text(line.explain) for line in found)
