"""The engine against a second, plain calculation that looks at every day of service (oracle.py)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings

from billing.plan import plan
from billing.terms import Terms
from tests.billing import oracle
from tests.billing.strategies import Story, plain_stories

unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]
quick = settings(derandomize=True, deadline=None, max_examples=300, suppress_health_check=unhurried)
FAR = date(2030, 1, 1)


def planned(contract: Terms, story: Story | None = None) -> oracle.Slices:
    """Return what the engine makes of a contract, slice by slice; free slices are left out."""
    facts = (story or Story(contract)).facts(FAR)
    found = {(line.charge, line.starts): line.amount for line in plan(contract, FAR, facts)}
    return {slice_: amount for slice_, amount in found.items() if amount}


def by_days(contract: Terms, story: Story | None = None) -> oracle.Slices:
    found = oracle.owed(contract, (story or Story(contract)).facts(FAR), FAR)
    return {slice_: amount for slice_, amount in found.items() if amount}


def agrees(story: Story) -> None:
    assert planned(story.terms, story) == by_days(story.terms, story)


@given(plain_stories())
@quick
def test_every_slice_costs_what_its_days_cost(story):
    agrees(story)


@pytest.mark.long
@given(plain_stories())
@settings(quick, derandomize=False, max_examples=6000)
def test_every_slice_costs_what_its_days_cost_in_thousands_of_contracts(story):
    agrees(story)
