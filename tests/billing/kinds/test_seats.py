"""Seats by the day: what `lines` makes of them is in test_recurring."""

from __future__ import annotations

from typing import Any

import pytest

from billing.kinds.seats import levels
from billing.service import contract_grid
from billing.terms import Recurring
from tests.billing.build import recurring, terms


def found(*steps: tuple[str, int] | dict[str, Any], quantity: int = 10, charge: Any = None, **fields: Any) -> list[Any]:
    made = [{"starts_on": one[0], "quantity": one[1]} if isinstance(one, tuple) else one for one in steps]
    contract = terms(recurring(quantity=quantity, steps=made, **(charge or {})), **fields)
    (one,) = contract.charges
    assert isinstance(one, Recurring)
    start = max(contract.starts_on, one.starts_on or contract.starts_on)
    return [(on.isoformat(), int(count)) for on, count in levels(contract, one, contract_grid(contract, one), start)]


FIRST = ("2026-01-01", 10)


def test_without_a_step_the_quantity_is_the_charge_s():
    assert found() == [FIRST]
    assert found({"starts_on": "2026-02-01", "price": "5"}) == [FIRST]


def test_added_seats_count_from_their_day_or_from_the_next_period():
    assert found(("2026-03-16", 15)) == [FIRST, ("2026-03-16", 15)]
    assert found(("2026-03-16", 15), seats_added="next_period") == [FIRST, ("2026-04-01", 15)]
    assert found(("2026-04-01", 15), seats_added="next_period") == [FIRST, ("2026-04-01", 15)]


def test_the_charge_s_own_rule_goes_before_the_contract_s():
    assert found(("2026-03-16", 15), charge={"seats_added": "next_period"}) == [FIRST, ("2026-04-01", 15)]
    less = found(("2026-03-16", 5), charge={"seats_removed": "next_period"}, seats_removed="credit")
    assert less == [FIRST, ("2026-04-01", 5)]


@pytest.mark.parametrize("rule", ["next_period", "high_water"])
def test_removed_seats_may_count_until_the_next_period(rule):
    assert found(("2026-03-16", 5), seats_removed=rule) == [FIRST, ("2026-04-01", 5)]
    assert found(("2026-04-01", 5), seats_removed=rule) == [FIRST, ("2026-04-01", 5)]


def test_removed_seats_may_count_until_their_day():
    assert found(("2026-03-16", 5), seats_removed="credit") == [FIRST, ("2026-03-16", 5)]


def removed(on: str, quantity: int, how: str | None = None) -> dict[str, Any]:
    """A step as an amendment makes it."""
    return {"starts_on": on, "quantity": quantity, "amendment": "A-1", "seats_removed": how}


RENEWED: dict[str, Any] = {"ends_on": "2026-12-31", "renewal": {"auto": True}}


def test_by_default_what_an_amendment_removes_counts_until_the_next_renewal():
    assert found(removed("2026-03-16", 5), **RENEWED) == [FIRST, ("2027-01-01", 5)]
    assert found(removed("2027-01-01", 5), **RENEWED) == [FIRST, ("2027-01-01", 5)]
    assert found(removed("2027-01-02", 5), **RENEWED) == [FIRST, ("2028-01-01", 5)]


def test_without_a_renewal_to_come_it_counts_to_the_end():
    assert found(removed("2026-03-16", 5), ends_on="2026-12-31") == [FIRST]


def test_a_contract_without_end_has_no_term_to_be_renewed_so_it_counts_until_the_next_period():
    assert found(removed("2026-03-16", 5)) == [FIRST, ("2026-04-01", 5)]


def test_a_ramp_down_as_signed_holds_from_its_day():
    assert found(("2026-03-16", 5), **RENEWED) == [FIRST, ("2026-03-16", 5)]


def test_a_step_s_own_rule_goes_before_all():
    assert found(removed("2026-03-16", 5, "credit"), **RENEWED) == [FIRST, ("2026-03-16", 5)]
    own = {"starts_on": "2026-03-16", "quantity": 5, "seats_removed": "renewal"}
    assert found(own, seats_removed="credit", **RENEWED) == [FIRST, ("2027-01-01", 5)]


def test_a_new_quantity_takes_the_place_of_a_removal_still_to_come():
    assert found(removed("2026-03-16", 5), ("2026-06-01", 12), **RENEWED) == [FIRST, ("2026-06-01", 12)]
    less = found(removed("2026-03-16", 5), removed("2026-06-01", 8), **RENEWED)
    assert less == [FIRST, ("2027-01-01", 8)]
    assert found(removed("2026-03-16", 5), ("2026-06-01", 10), **RENEWED) == [FIRST]


def test_a_removal_that_has_taken_effect_is_what_later_seats_are_added_to():
    same_day = found(("2026-03-16", 5), ("2026-04-01", 7), seats_removed="next_period")
    assert same_day == [FIRST, ("2026-04-01", 7)]
    later = found(("2026-03-16", 5), ("2026-04-02", 7), seats_removed="next_period")
    assert later == [FIRST, ("2026-04-01", 5), ("2026-04-02", 7)]


def test_steps_by_the_first_day_of_service_are_the_first_quantity():
    assert found(("2025-06-01", 3), ("2026-01-01", 4)) == [("2026-01-01", 4)]
    joined = found(("2026-02-01", 3), ("2026-06-01", 9), charge={"starts_on": "2026-03-10"})
    assert joined == [("2026-03-10", 3), ("2026-06-01", 9)]


def test_the_order_in_which_steps_are_written_does_not_matter_but_on_one_day():
    assert found(("2026-06-01", 12), ("2026-03-01", 11)) == [FIRST, ("2026-03-01", 11), ("2026-06-01", 12)]
    assert found(("2026-03-01", 11), ("2026-03-01", 12)) == [FIRST, ("2026-03-01", 12)]


def test_where_part_periods_are_not_prorated_removed_seats_wait_for_the_next_period():
    assert found(("2026-03-16", 5), proration="none", seats_removed="credit") == [FIRST, ("2026-04-01", 5)]
    assert found(("2026-03-16", 15), proration="none") == [FIRST, ("2026-03-16", 15)]
    own = found(("2026-03-16", 5), charge={"proration": "none"}, seats_removed="credit")
    assert own == [FIRST, ("2026-04-01", 5)]
