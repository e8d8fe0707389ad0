"""The engine against a second, plain calculation that looks at every day of service (oracle.py)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings

from billing.amendments import in_force
from billing.plan import plan
from billing.terms import FixedPrice
from tests.billing import oracle, strategies
from tests.billing.build import day, recurring, terms
from tests.billing.strategies import Story, plain_stories

unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]
quick = settings(derandomize=True, deadline=None, max_examples=130, suppress_health_check=unhurried)
FAR = date(2030, 1, 1)


def planned(story: Story) -> oracle.Slices:
    """Return what the engine makes of a contract, slice by slice; free slices are left out."""
    lines = plan(in_force(story.terms, FAR), FAR, story.facts(FAR))
    assert len({(line.charge, line.starts) for line in lines}) == len(lines)
    return {(line.charge, line.starts): line.amount for line in lines if line.amount}


def by_days(story: Story) -> oracle.Slices:
    found = oracle.owed(in_force(story.terms, FAR), story.facts(FAR), FAR)
    return {slice_: amount for slice_, amount in found.items() if amount}


def agrees(story: Story) -> None:
    assert planned(story) == by_days(story)


@given(plain_stories())
@quick
def test_every_slice_costs_what_its_days_cost(story):
    agrees(story)


@given(plain_stories(amended=True))
@quick
def test_every_slice_of_an_amended_contract_costs_what_its_days_cost(story):
    agrees(story)


@pytest.mark.long
@pytest.mark.parametrize("amended", [False, True])
def test_thousands_of_other_contracts_agree(amended):
    settings(quick, derandomize=False, max_examples=1300)(given(plain_stories(amended=amended))(agrees))()


@given(strategies.fixed_price("a"), strategies.currencies)
@quick
def test_instalments_are_their_share_of_the_whole_to_the_minor_unit_and_add_up_to_it(charge, currency):
    parts = charge["instalments"]
    dated = [part if {"on", "after"} & part.keys() else {**part, "on": "2026-02-01"} for part in parts]
    contract = terms({**charge, "instalments": dated}, currency=currency)
    (signed,) = contract.charges
    assert isinstance(signed, FixedPrice)
    exact = oracle.fixed_price(contract, signed)
    found = {line.at or line.charge: line.amount for line in plan(contract, FAR)}
    assert sum(found.values()) == oracle.half_away(sum(exact, Fraction(0)))
    for part, share in zip(signed.instalments, exact, strict=True):
        (amount,) = [amount for at, amount in found.items() if part.key in at]
        assert abs(amount - share) < 1


def test_without_proration_what_is_added_within_a_period_is_that_periods_part_of_a_longer_price():
    yearly = {"price": "3", "price_per": "year", "every": "month", "proration": "none", "quantity": "0"}
    added = {"key": "more", "effective_on": "2026-01-02", "change": [{"charge": "fee", "quantity": "1"}]}
    contract = terms(recurring(**yearly), currency="JPY", ends_on="2026-02-28", amendments=[added])
    assert planned(Story(contract)) == {("fee", day("2026-02-01")): 1}  # 0.25 of January's is not yet half a yen
    agrees(Story(contract))


def test_the_two_calculations_are_not_the_same_by_being_empty():
    contract = terms(recurring(price="30.00", quantity="2"), starts_on="2026-01-21", ends_on="2026-02-03", anchor_day=1)
    assert planned(Story(contract)) == {("fee", day("2026-01-21")): 2129, ("fee", day("2026-02-01")): 643}
    agrees(Story(contract))
