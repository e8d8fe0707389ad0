from __future__ import annotations

from datetime import date
from itertools import islice
from typing import Any

import pytest

from billing.service import (
    contract_end,
    contract_grid,
    contract_start,
    discounts_of,
    renewal_after,
    renewal_days,
    serves,
    service_end,
    service_start,
)
from billing.terms import Recurring, Terms
from tests.billing.build import day, lines, recurring, terms

ONE_YEAR = {"starts_on": "2026-01-01", "ends_on": "2026-12-31"}


def served(charge: dict[str, Any], **fields: Any) -> tuple[date, date | None]:
    contract = terms(charge, **fields)
    (one,) = contract.charges
    assert isinstance(one, Recurring)
    return service_start(contract, one), service_end(contract, one)


def test_nothing_is_billed_for_the_trial_and_periods_count_from_the_day_after():
    contract = terms(starts_on="2026-01-20", trial_ends_on="2026-02-02", ends_on="2026-04-02")
    assert contract_start(contract) == day("2026-02-03")
    found = [(line.starts, line.until, line.amount) for line in lines(contract)]
    assert found == [
        (day("2026-02-03"), day("2026-03-03"), 10000),
        (day("2026-03-03"), day("2026-04-03"), 10000),
    ]


def test_a_trial_that_ended_before_the_contract_began_changes_nothing():
    assert contract_start(terms(trial_ends_on="2025-12-20")) == day("2026-01-01")


def test_a_trial_with_an_anchor_bills_a_stub_up_to_it():
    contract = terms(starts_on="2026-01-01", trial_ends_on="2026-01-10", anchor_day=1, ends_on="2026-02-28")
    assert [line.amount for line in lines(contract)] == [6774, 10000]


def test_a_charge_serves_from_its_own_start_but_never_within_the_trial():
    assert served(recurring(starts_on="2026-03-05"), **ONE_YEAR)[0] == day("2026-03-05")
    assert served(recurring(starts_on="2026-03-05"), trial_ends_on="2026-03-31")[0] == day("2026-04-01")


def test_a_charge_serves_to_the_earlier_of_its_own_end_and_the_contract_s():
    assert served(recurring(), **ONE_YEAR)[1] == day("2027-01-01")
    assert served(recurring(ends_on="2026-06-30"), **ONE_YEAR)[1] == day("2026-07-01")
    assert served(recurring(ends_on="2028-06-30"), **ONE_YEAR)[1] == day("2027-01-01")
    assert served(recurring(ends_on="2026-06-30"))[1] == day("2026-07-01")
    assert served(recurring())[1] is None


def test_a_charge_whose_dates_miss_the_contract_s_serves_nothing():
    for charge, expected in ((recurring(starts_on="2027-01-01"), False), (recurring(starts_on="2026-12-31"), True)):
        contract = terms(charge, **ONE_YEAR)
        assert serves(contract, contract.charges[0]) is expected  # type: ignore[arg-type]


def test_a_charge_is_billed_by_the_contract_s_periods_unless_it_has_an_anchor_of_its_own():
    contract = terms(recurring(starts_on="2026-03-10"), recurring(key="own", starts_on="2026-03-10", anchor_day=10))
    shared, own = (contract_grid(contract, charge) for charge in contract.charges)  # type: ignore[arg-type]
    assert (shared.boundary(1), own.boundary(1)) == (day("2026-02-01"), day("2026-04-10"))
    assert contract_grid(contract, contract.charges[0], "year").boundary(1) == day("2027-01-01")  # type: ignore[arg-type]


def renewing(**fields: Any) -> Terms:
    return terms(**{**ONE_YEAR, "renewal": {"auto": True, **fields}})


def test_a_contract_that_renews_itself_has_no_end_unless_the_renewals_are_counted():
    assert contract_end(renewing()) is None
    assert contract_end(renewing(most=2)) == day("2029-01-01")
    assert contract_end(renewing(auto=False)) == day("2027-01-01")
    assert contract_end(terms()) is None


def test_renewed_terms_follow_each_other_without_a_gap():
    assert [*islice(renewal_days(renewing(term="6 months")), 3)] == [
        day("2027-01-01"),
        day("2027-07-01"),
        day("2028-01-01"),
    ]
    assert [*renewal_days(renewing(most=1))] == [day("2027-01-01")]
    assert [*renewal_days(renewing(auto=False))] == []
    assert [*renewal_days(terms(renewal={"auto": True}))] == []


@pytest.mark.parametrize(
    ("after", "renewed"),
    [
        ("2025-06-01", "2027-01-01"),
        ("2026-12-31", "2027-01-01"),
        ("2027-01-01", "2028-01-01"),
        ("2028-12-30", None),
    ],
)
def test_the_renewal_after_a_day_is_the_first_strictly_later(after, renewed):
    found = renewal_after(renewing(most=2), day(after))
    assert found == (renewed and (day(renewed), renewing(most=2).renewal))


def test_renewals_that_took_place_come_before_those_to_come():
    past = {"on": "2026-01-01", "by": {"auto": True, "uplift_percent": "5"}}
    contract = terms(**ONE_YEAR, renewal={"auto": True, "most": 2}, renewed=[past])
    assert [*renewal_days(contract)] == [day("2026-01-01"), day("2027-01-01")]
    found = renewal_after(contract, day("2025-12-31"))
    assert found is not None
    assert found[0] == day("2026-01-01")
    assert found[1].uplift_percent == 5
    assert renewal_after(contract, day("2027-01-01")) is None
    assert renewal_after(terms(**ONE_YEAR), day("2026-01-01")) is None


def test_the_contract_s_percentages_are_among_a_charge_s_discounts_and_its_amounts_are_not():
    contract = terms(recurring(discounts=[{"amount": "1"}]), discounts=[{"percent": "5"}, {"amount": "9"}])
    found = [(one.percent, one.amount) for one in discounts_of(contract, contract.charges[0])]
    assert [(percent and int(percent), amount and int(amount)) for percent, amount in found] == [(None, 1), (5, None)]
