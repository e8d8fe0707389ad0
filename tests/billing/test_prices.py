from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.facts import NO_FACTS, Facts, Unpriceable
from billing.line import Scope
from billing.prices import Prices, UnitPrice, prices_of
from billing.terms import Recurring, Usage
from tests.billing.build import day, recurring, terms, usage

CPI = {"2019-12-01": "105.65", "2020-12-15": "110.5", "2021-12-15": "114.25"}


def index(values: dict[str, str] = CPI, **fields: Any) -> Facts:
    return Facts(indices={"CPI": tuple((day(on), Decimal(value)) for on, value in values.items())}, **fields)


def prices(charge: dict[str, Any], facts: Facts = NO_FACTS, stated: str | None = None, **fields: Any) -> Prices:
    contract = terms(charge, **fields)
    (one,) = contract.charges
    assert isinstance(one, Recurring | Usage)
    return prices_of(Scope(contract, facts, date(2040, 1, 1)), one, None if stated is None else Decimal(stated))


def on(days: str, charge: dict[str, Any], facts: Facts = NO_FACTS, **fields: Any) -> list[str]:
    found = prices(charge, facts, **fields)
    return [str(found.on(day(one)).price) for one in days.split()]


def whys(days: str, charge: dict[str, Any], facts: Facts = NO_FACTS, **fields: Any) -> list[str]:
    found = prices(charge, facts, **fields)
    return [found.on(day(one)).why for one in days.split()]


YEARS = "2026-12-31 2027-01-01 2028-01-01"


def test_without_steps_escalator_or_renewal_the_price_stays():
    assert on("2020-01-01 2026-01-01 2039-12-31", recurring()) == ["100.00"] * 3


# ------------------------------------------------------------------------------------------------------------- steps


def test_a_step_holds_from_its_day_until_the_next_step_that_sets_a_price():
    steps = [
        {"starts_on": "2027-01-01", "price": "220", "ends_on": "2027-06-30"},
        {"starts_on": "2026-07-01", "price": "240"},
        {"starts_on": "2027-03-01", "quantity": 5},
    ]
    days = "2026-06-30 2026-07-01 2026-12-31 2027-01-01 2027-03-01 2029-01-01"
    assert on(days, recurring(steps=steps)) == ["100.00", "240", "240", "220", "220", "220"]


def test_a_step_by_the_first_day_of_service_is_the_first_price():
    steps = [{"starts_on": "2025-01-01", "price": "80"}, {"starts_on": "2026-01-01", "price": "90"}]
    assert on("2026-01-01", recurring(steps=steps)) == ["90"]
    assert on("2026-01-01", recurring(steps=[{"starts_on": "2025-06-01", "price": "0"}])) == ["0"]


def test_of_two_steps_of_one_day_the_later_in_the_list_counts():
    steps = [{"starts_on": "2026-02-01", "price": "80"}, {"starts_on": "2026-02-01", "price": "90"}]
    assert on("2026-02-01", recurring(steps=steps)) == ["90"]


def test_between_cuts_days_where_the_price_changes_and_nowhere_else():
    steps = [
        {"starts_on": "2026-02-10", "price": "120"},
        {"starts_on": "2026-02-15", "price": "120"},
        {"starts_on": "2026-02-20", "price": "100"},
    ]
    found = prices(recurring(steps=steps))
    for _ in range(2):  # asked again, it says the same
        cut = [(a.day, b.day, str(one.price)) for a, b, one in found.between(day("2026-02-01"), day("2026-02-25"))]
        assert cut == [(1, 10, "100.00"), (10, 20, "120"), (20, 25, "100")]
    assert [*found.between(day("2026-02-10"), day("2026-02-20"))] == [
        (day("2026-02-10"), day("2026-02-20"), UnitPrice(day("2026-02-10"), Decimal(120)))
    ]


# --------------------------------------------------------------------------------------------------------- escalators


def test_a_compound_rise_raises_the_price_before_it_and_a_simple_one_the_first():  # C18
    assert on(YEARS, recurring(escalator={"percent": "10"})) == ["100.00", "110.00", "121.00"]
    assert on(YEARS, recurring(escalator={"percent": "10", "method": "simple"})) == ["100.00", "110.00", "120.00"]
    assert whys(YEARS, recurring(escalator={"percent": "10", "method": "simple"})) == ["", "100 + 10%", "100 + 2 × 10%"]


def test_a_rise_by_an_amount_adds_it_each_time():
    assert on(YEARS, recurring(escalator={"amount": "7.5"})) == ["100.00", "107.50", "115.00"]


def test_the_first_rise_may_be_on_another_day_and_its_interval_is_counted_from_there():
    by = {"percent": "10", "first_on": "2026-01-31", "every": "month"}
    days = "2026-01-30 2026-01-31 2026-02-27 2026-02-28 2026-03-30 2026-03-31"
    assert on(days, recurring(escalator=by)) == ["100.00", "110.00", "110.00", "121.00", "121.00", "133.10"]


def test_the_first_day_of_service_is_no_rise_whatever_first_on_says():
    by = {"percent": "10", "first_on": "2025-01-01"}
    assert on("2026-01-01 2027-01-01", recurring(escalator=by)) == ["100.00", "110.00"]


def test_the_contract_s_escalator_is_that_of_charges_without_their_own():
    contract: dict[str, Any] = {"escalator": {"percent": "10"}}
    assert on("2027-01-01", recurring(), **contract) == ["110.00"]
    assert on("2027-01-01", recurring(escalator={"percent": "3"}), **contract) == ["103.00"]
    assert on("2027-01-01", recurring(escalates=False), **contract) == ["100.00"]
    assert on("2027-01-01", recurring(escalator={"percent": "3"}, escalates=False)) == ["100.00"]


def test_the_contract_s_escalator_leaves_usage_alone_and_its_own_does_not():
    assert on("2027-01-01", usage(price="0.10"), escalator={"percent": "10"}) == ["0.10"]
    assert on("2027-01-01", usage(price="0.10", escalator={"percent": "10"})) == ["0.11"]


def test_an_escalator_that_says_nothing_raises_nothing():
    assert on("2030-01-01", recurring(escalator={"every": "year"})) == ["100.00"]


def test_a_charge_that_joins_later_rises_with_the_contract():
    days = "2026-10-01 2027-01-01"
    assert on(days, recurring(starts_on="2026-10-01"), escalator={"percent": "10"}) == ["100.00", "110.00"]


def test_a_new_price_is_rounded_once_and_it_is_the_rounded_one_that_rises_next():
    by = {"percent": "3.333"}
    assert on(YEARS, recurring(price="9.99", escalator=by)) == ["9.99", "10.32", "10.66"]


@pytest.mark.parametrize(
    ("price", "currency", "decimals", "raised"),
    [
        ("9.99", "USD", None, "10.32"),
        ("0.0125", "USD", None, "0.0129"),
        ("0.0125", "USD", 5, "0.01292"),
        ("1250", "JPY", None, "1292"),
        ("1.5", "KWD", None, "1.550"),
        ("99.99", "USD", 0, "103"),
    ],
)
def test_a_price_is_rounded_at_the_currency_s_decimals_or_its_own_where_those_are_more(
    price, currency, decimals, raised
):
    by = {"percent": "3.333", "price_decimals": decimals}
    assert on("2027-01-01", recurring(price=price, escalator=by), currency=currency) == [raised]


def test_cap_and_floor_bound_each_rise():
    facts = index({"2026-01-01": "100", "2027-01-01": "108", "2028-01-01": "100", "2029-01-01": "103"})
    by = {"index": "CPI", "cap": "5", "floor": "1"}
    days = "2027-01-01 2028-01-01 2029-01-01"
    assert on(days, recurring(escalator=by), facts) == ["105.00", "106.05", "109.23"]
    assert whys(days, recurring(escalator=by), facts) == ["100 + 5% (cap)", "105 + 1% (floor)", "106.05 × 103 / 100"]


def test_cap_and_floor_leave_a_rise_of_just_as_much_alone():
    by = {"percent": "5", "cap": "5", "floor": "5"}
    assert whys("2027-01-01", recurring(escalator=by)) == ["100 + 5%"]


def test_a_price_of_nothing_has_no_rise_to_bound():
    assert on("2027-01-01", recurring(price="0", escalator={"amount": "10", "cap": "5"})) == ["10.00"]


def test_a_step_sets_the_price_on_a_day_on_which_it_would_rise_and_the_next_rise_starts_from_it():
    charge = recurring(steps=[{"starts_on": "2027-01-01", "price": "150"}], escalator={"percent": "10"})
    assert on(YEARS, charge) == ["100.00", "150", "165.00"]
    simple = recurring(
        steps=[{"starts_on": "2027-07-01", "price": "150"}], escalator={"percent": "10", "method": "simple"}
    )
    assert on("2027-01-01 2027-07-01 2028-01-01 2029-01-01", simple) == ["110.00", "150", "165.00", "180.00"]


# -------------------------------------------------------------------------------------------------------------- index

THREE_YEARS = "2020-01-01 2021-01-01 2022-01-01"
FROM_2020: dict[str, Any] = {"starts_on": "2020-01-01"}


@pytest.mark.parametrize("method", ["base", "prior"])
def test_an_index_on_its_base_and_on_its_prior_value(method):  # C14, C15
    charge = recurring(price="1000.00", escalator={"index": "CPI", "index_method": method})
    assert on(THREE_YEARS, charge, index(), **FROM_2020) == ["1000.00", "1045.91", "1081.40"]
    first = {"base": "1000 × 114.25 / 105.65", "prior": "1045.91 × 114.25 / 110.5"}[method]
    assert whys("2022-01-01", charge, index(), **FROM_2020) == [first]


def test_a_base_index_of_the_contract_s_own_stands_for_the_value_at_its_start():
    late = index({"2020-12-15": "110.5", "2021-12-15": "114.25"})
    for method, last in (("base", "1081.40"), ("prior", "1081.40")):
        charge = recurring(price="1000", escalator={"index": "CPI", "index_method": method, "base_index": "105.65"})
        assert on(THREE_YEARS, charge, late, **FROM_2020) == ["1000", "1045.91", last]


def test_the_latest_value_of_the_day_counts_and_later_ones_do_not_revise_it():  # C16
    charge = recurring(price="1000", escalator={"index": "CPI", "first_on": "2020-09-01", "base_index": "244"})
    for later in ({}, {"2020-09-02": "260"}):
        facts = index({"2019-09-01": "244", "2020-09-01": "250", **later})
        assert on("2020-08-31 2020-09-01", charge, facts, starts_on="2020-08-01") == ["1000", "1024.59"]


def test_a_margin_in_points_is_added_and_does_not_compound():  # C17
    facts = index({"2018-12-01": "205.3", "2019-12-01": "219.6"})
    charge = recurring(price="4000", escalator={"index": "CPI", "margin": "3"})
    assert on("2020-01-01", charge, facts, starts_on="2019-01-01") == ["4398.62"]
    assert whys("2020-01-01", charge, facts, starts_on="2019-01-01") == ["4000 × (219.6 / 205.3 + 3%)"]


def test_on_the_base_index_the_margin_is_added_for_each_rise():
    charge = recurring(price="1000", escalator={"index": "CPI", "index_method": "base", "margin": "1"})
    assert on(THREE_YEARS, charge, index(), **FROM_2020) == ["1000", "1055.91", "1101.40"]


def test_after_a_step_an_index_is_measured_from_the_step_s_day():
    charge = recurring(
        price="1000",
        steps=[{"starts_on": "2021-01-01", "price": "2000"}],
        escalator={"index": "CPI", "index_method": "base", "base_index": "50"},
    )
    assert on(THREE_YEARS, charge, index(), **FROM_2020) == ["1000", "2000", "2067.87"]  # x 114.25 / 110.5


def test_without_a_value_since_the_last_rise_the_price_is_not_known_from_that_day():
    charge = recurring(escalator={"index": "CPI"})
    known = {"2019-12-01": "105.65", "2020-12-15": "110.5"}
    found = prices(charge, index(known), **FROM_2020)
    assert found.on(day("2021-12-31")).price == Decimal("104.59")
    with pytest.raises(
        Unpriceable, match="'CPI' has no value published after 1 Jan 2021; 1 Jan 2022 needs one"
    ) as told:
        found.on(day("2022-03-01"))
    assert (told.value.code, told.value.since, told.value.path) == ("index_missing", day("2022-01-01"), "escalator")
    # a value published later shows that none was missed
    later = index({**known, "2022-01-15": "111"})
    assert on("2022-01-01", charge, later, **FROM_2020) == ["104.59"]


def test_a_value_that_it_is_measured_against_is_no_news():
    by = {"index": "CPI", "first_on": "2020-07-01"}
    with pytest.raises(Unpriceable, match="after 1 Dec 2019"):
        on("2020-07-01", recurring(escalator=by), index({"2019-12-01": "105.65"}), **FROM_2020)
    own = {**by, "base_index": "100"}
    assert on("2020-07-01", recurring(escalator=own), index({"2019-12-01": "105.65"}), **FROM_2020) == ["105.65"]


@pytest.mark.parametrize("known", [{}, {"2021-06-01": "110"}, {"2019-12-01": "0", "2020-12-15": "110"}])
def test_an_index_without_a_value_to_measure_against_is_told(known):
    with pytest.raises(Unpriceable, match="has no value published by"):
        on("2021-01-01", recurring(escalator={"index": "CPI"}), index(known), **FROM_2020)


def test_between_yields_what_lies_before_the_first_day_without_a_price():
    found = prices(recurring(escalator={"index": "CPI"}), index(), **FROM_2020)
    cut = found.between(day("2021-12-01"), day("2023-02-01"))
    assert [next(cut)[:2], next(cut)[:2]] == [
        (day("2021-12-01"), day("2022-01-01")),
        (day("2022-01-01"), day("2023-01-01")),
    ]
    with pytest.raises(Unpriceable):
        next(cut)


def test_a_preview_assumes_the_latest_value_from_its_day_on_and_says_so():
    charge = recurring(escalator={"index": "CPI", "margin": "2"})
    facts = index(assume_from=day("2022-06-01"))
    found = prices(charge, facts, **FROM_2020)
    assert [found.on(day(one)).estimated for one in ("2022-12-31", "2023-01-01", "2025-01-01")] == [False, True, True]
    assert found.on(day("2023-01-01")).why == "112.34 × (114.25 / 114.25 + 2%)"
    with pytest.raises(Unpriceable):
        on("2023-01-01", charge, index(assume_from=day("2023-01-02")), **FROM_2020)


def test_a_step_after_an_assumed_price_is_certain_again():
    charge = recurring(escalator={"index": "CPI"}, steps=[{"starts_on": "2023-07-01", "price": "130"}])
    found = prices(charge, index(assume_from=day("2022-06-01")), **FROM_2020)
    assert found.on(day("2023-01-01")).estimated
    assert found.on(day("2023-07-01")) == UnitPrice(day("2023-07-01"), Decimal(130))


# ------------------------------------------------------------------------------------------------------------ renewals

RAMP = [{"starts_on": "2027-01-01", "price": "230"}, {"starts_on": "2028-01-01", "price": "220"}]
SIGNED: dict[str, Any] = {"starts_on": "2026-01-01", "ends_on": "2028-12-31"}


def renewed(basis: str, per: str = "year", uplift: str = "10", **fields: Any) -> dict[str, Any]:
    return {
        **SIGNED,
        "renewal": {"auto": True, "uplift_percent": uplift, "uplift_per": per, "price_basis": basis, **fields},
    }


@pytest.mark.parametrize(
    ("basis", "per", "price", "why"),
    [  # C11
        ("last_segment", "year", "242.00", "220 + 10%"),
        ("first_segment", "year", "312.00", "240 + 3 × 10%"),
        ("highest", "year", "312.00", "240 + 3 × 10%"),
        ("last_segment", "renewal", "242.00", "220 + 10%"),
        ("first_segment", "renewal", "264.00", "240 + 10%"),
        ("highest", "renewal", "264.00", "240 + 10%"),
        ("list", "year", "330.00", "300 + 10%"),
    ],
)
def test_a_renewal_raises_its_basis(basis, per, price, why):
    charge = recurring(price="240", steps=RAMP, list_price="300")
    assert on("2028-12-31 2029-01-01", charge, **renewed(basis, per)) == ["220", price]
    assert whys("2029-01-01", charge, **renewed(basis, per)) == [why]


def test_a_segment_of_18_months_counts_as_two_years_of_uplift():
    charge = recurring(price="240", steps=[{"starts_on": "2027-07-01", "price": "220"}])
    assert on("2029-01-01", charge, **renewed("last_segment")) == ["264.00"]


def test_the_next_renewal_starts_from_the_renewed_term():
    charge = recurring(price="240", steps=RAMP)
    days = "2029-01-01 2030-01-01 2031-01-01"
    assert on(days, charge, **renewed("first_segment")) == ["312.00", "343.20", "377.52"]
    assert on(days, charge, **renewed("first_segment", term="2 years")) == ["312.00", "312.00", "374.40"]


def test_a_renewal_without_uplift_at_the_last_price_leaves_the_price_to_the_escalator():
    contract = {**renewed("last_segment", uplift="0"), "escalator": {"percent": "3"}}
    assert on("2028-12-31 2029-01-01", recurring(), **contract) == ["106.09", "109.27"]


def test_a_renewal_s_own_price_takes_the_place_of_a_rise_on_that_day():
    contract = {**renewed("last_segment", "renewal"), "escalator": {"percent": "3"}}
    assert on("2028-12-31 2029-01-01 2030-01-01", recurring(), **contract) == ["106.09", "116.70", "128.37"]


def test_after_the_last_renewal_nothing_raises_the_price():
    assert on("2030-01-01 2031-01-01", recurring(), **renewed("last_segment", "renewal", most=1)) == [
        "110.00",
        "110.00",
    ]
    assert on("2035-01-01", recurring(), **{**SIGNED, "renewal": {"uplift_percent": "10"}}) == ["100.00"]


def test_a_renewal_that_took_place_stays_as_it_was_when_its_terms_changed():
    contract: dict[str, Any] = {
        "starts_on": "2024-01-01",
        "ends_on": "2026-12-31",
        "renewal": {"auto": True},
        "renewed": [
            {"on": "2025-01-01", "by": {"auto": True, "uplift_percent": "10"}},
            {"on": "2026-01-01", "by": {"auto": True}},
        ],
    }
    assert on("2024-12-31 2025-01-01 2027-01-01 2028-01-01", recurring(), **contract) == [
        "100.00",
        "110.00",
        "110.00",
        "110.00",
    ]


def test_a_charge_that_does_not_escalate_is_renewed_at_its_price():
    assert on("2029-01-01", recurring(escalates=False), **renewed("last_segment")) == ["100.00"]
    assert on("2029-01-01", usage(price="0.10"), **renewed("last_segment")) == ["0.10"]


def test_a_renewal_rounds_at_its_own_decimals():
    assert on(
        "2029-01-01", recurring(price="99.99"), **renewed("last_segment", "renewal", "3.3", price_decimals=0)
    ) == ["103"]


def test_a_renewal_at_list_price_needs_one():
    with pytest.raises(Unpriceable, match="1 Jan 2029 is at list price") as told:
        on("2029-01-01", recurring(), **renewed("list"))
    assert (told.value.code, told.value.path) == ("list_price_missing", "list_price")


# -------------------------------------------------------------------------------------------------------- other prices


def test_another_price_of_a_charge_rises_alike_and_no_step_sets_it():
    steps = [{"starts_on": "2026-06-01", "price": "1"}]
    assert on("2027-01-01", recurring(steps=steps), stated="20", escalator={"percent": "10"}) == ["22.00"]
    assert on("2027-01-01", recurring(), stated="0", escalator={"amount": "5"}) == ["0"]


def test_days_may_be_asked_for_in_any_order():
    found = prices(recurring(escalator={"percent": "10"}))
    asked = [found.on(day(one)).price for one in ("2029-01-01", "2026-05-05", "2028-01-01")]
    assert asked == [Decimal("133.10"), Decimal("100.00"), Decimal("121.00")]
    assert found.change_days(day("2026-06-01"), day("2028-06-01")) == [day("2027-01-01"), day("2028-01-01")]
    assert found.change_days(day("2027-01-01"), day("2028-01-01")) == []


@pytest.mark.parametrize(
    ("bound", "price"), [({"cap": "3"}, "103.00"), ({"floor": "8"}, "108.00"), ({"cap": "6"}, "105.00")]
)
def test_a_cap_or_a_floor_alone_bounds_a_rise_too(bound, price):
    assert on("2027-01-01", recurring(escalator={"percent": "5", **bound})) == [price]


def test_a_begun_year_counts_whole_in_an_uplift_by_years():
    fields = {**renewed("first_segment"), "ends_on": "2028-02-14"}  # two years and a half month
    assert on("2028-02-15", recurring(price="240"), **fields) == ["312.00"]


def test_a_day_before_the_first_has_the_first_price_whatever_was_asked_before():
    found = prices(recurring(steps=[{"starts_on": "2027-01-01", "price": "90"}]))
    assert found.on(day("2028-01-01")).price == Decimal(90)
    assert found.on(day("2025-01-01")).price == Decimal(100)
