from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.explain import recompute
from billing.facts import NO_FACTS, Acceptance, Facts, Overdue, UsageRecord
from billing.next_due import next_due
from billing.plan import owed, plan, usage_from
from billing.terms import Terms
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


# ------------------------------------------------------------------------------------- several charges together


def everything(**fields: Any) -> Terms:
    """A contract with all that concerns several charges."""
    build = {
        "type": "fixed_price",
        "key": "build",
        "description": "Build",
        "price": "1000.00",
        "instalments": [{"key": "a", "percent": "50", "on": "2026-02-10"}, {"key": "b", "percent": "50"}],
    }
    calls = {"type": "usage", "key": "calls", "description": "Calls", "price": "1.25", "invoiced": "quarter"}
    pack = {
        "type": "prepaid",
        "key": "pack",
        "description": "Package",
        "price": "400.00",
        "every": "half_year",
        "lasts": "5 months",
        "unused": "return",
    }
    given: dict[str, Any] = {
        "starts_on": "2026-01-15",
        "ends_on": "2026-11-30",
        "ended_by": "customer",
        "signed_ends_on": "2027-01-14",
        "issue_days_before": 7,
        "discounts": [{"amount": "5.00", "periods": 4}, {"percent": "3", "starts_on": "2026-04-01"}],
        "commitments": [{"key": "least", "amount": "450.00", "every": "quarter", "overage_factor": "1.5"}],
        "holdback": {"percent": "10", "release_on": "2026-10-01"},
        "termination_fee": {"months": 2},
        "late_fee": {"percent": "2", "per": "month"},
        **fields,
    }
    return terms(recurring(), build, calls, pack, **given)


FACTS = Facts(
    usage=tuple(
        UsageRecord(id=str(n), meter="calls", day=date(2026, 1 + n, 20), quantity=Decimal(11 * n)) for n in range(1, 10)
    ),
    accepted=(Acceptance(charge="build", milestone="b", on=date(2026, 5, 5)),),
    overdue=(Overdue(number="INV-1", due_on=date(2026, 3, 31), open=100_00),),
)
WHOLE = plan(everything(), day("2027-12-31"), FACTS)


def test_all_that_concerns_several_charges_is_owed_at_once():
    assert {line.kind for line in WHOLE} == {
        *("recurring", "instalment", "milestone", "usage", "prepaid", "drawdown", "prepaid_return", "true_up"),
        *("overage", "holdback", "holdback_release", "termination_fee", "late_fee"),
    }
    assert len({line.slice for line in WHOLE}) == len(WHOLE)
    assert all(recompute(line.explain) == line.amount for line in WHOLE)


def test_what_a_line_says_never_depends_on_how_far_one_looks():
    for through in (date(2026, 1, 1) + timedelta(days=9 * n) for n in range(70)):
        assert plan(everything(), through, FACTS) == [line for line in WHOLE if line.issue_on <= through]


def test_with_since_exactly_the_later_lines_come():
    for since in (date(2026, 1, 1) + timedelta(days=17 * n) for n in range(30)):
        assert plan(everything(), day("2027-12-31"), FACTS, since) == [line for line in WHOLE if line.issue_on > since]


def test_an_unknown_charge_leaves_alone_what_depends_on_it_and_no_other():
    tiers = [{"up_to": 10, "price": "1.00"}]
    calls = {"type": "usage", "key": "calls", "description": "Calls", "model": "graduated", "tiers": tiers}
    contract = terms(recurring(), calls, ends_on="2026-12-31", holdback={"percent": "10", "charges": ["calls"]})
    facts = Facts(usage=(UsageRecord(id="1", meter="calls", day=day("2026-03-10"), quantity=Decimal(50)),))
    found = owed(contract, day("2027-01-01"), facts)
    assert {one.charge: (one.since, one.path) for one in found.unknown} == {
        "calls": (date(2026, 3, 1), "charges[1].tiers"),
        "holdback": (date(2026, 3, 1), "charges[1].tiers"),
    }
    assert [line.charge for line in found.lines].count("fee") == 12


def test_what_will_be_unknown_only_later_is_not_told_before():
    escalator = {"index": "CPI", "first_on": "2026-06-01", "base_index": "100"}
    contract = terms(
        recurring(escalator=escalator),
        ends_on="2026-12-31",
        commitments=[{"key": "least", "amount": "10", "every": "month"}],
    )
    assert owed(contract, day("2026-05-31")).unknown == []
    assert {one.charge for one in owed(contract, day("2026-06-01")).unknown} == {"fee", "least"}


# -------------------------------------------------------------------------------------------------- the next day


def test_the_next_day_is_never_later_than_the_next_line():
    for after in (date(2025, 12, 1) + timedelta(days=3 * n) for n in range(260)):
        later = [line.issue_on for line in WHOLE if line.issue_on > after]
        due = next_due(everything(), FACTS, after)
        if later:
            assert due is not None
            assert after < due <= min(later)


@pytest.mark.parametrize(
    ("after", "due"), [("2025-12-01", "2026-01-01"), ("2026-01-01", "2026-02-01"), ("2026-02-15", "2026-03-01")]
)
def test_the_next_day_of_a_plain_contract_is_the_next_period(after: str, due: str):
    assert next_due(terms(), NO_FACTS, day(after)) == day(due)


def test_the_next_day_knows_the_lead_of_advance_charges():
    assert next_due(terms(issue_days_before=14), NO_FACTS, day("2026-01-20")) == date(2026, 2, 1)
    assert next_due(terms(issue_days_before=14), NO_FACTS, day("2026-02-01")) == date(2026, 2, 15)


def test_after_its_last_day_nothing_more_comes():
    contract = terms(recurring(timing="arrears"), ends_on="2026-03-31")
    assert next_due(contract, NO_FACTS, day("2026-03-31")) == date(2026, 4, 1)
    assert next_due(contract, NO_FACTS, day("2026-04-01")) is None


def test_a_milestone_brings_no_day_until_it_is_accepted():
    build = {
        "type": "fixed_price",
        "key": "build",
        "description": "Build",
        "price": "1",
        "instalments": [{"key": "a", "percent": "100"}],
    }
    assert next_due(terms(build), NO_FACTS, day("2026-03-31")) is None
    facts = Facts(accepted=(Acceptance(charge="build", milestone="a", on=day("2026-04-05")),))
    assert next_due(terms(build), facts, day("2026-03-31")) == date(2026, 4, 5)


def test_changes_of_price_within_a_period_are_days_too():
    steps = recurring(every="year", steps=[{"starts_on": "2026-05-20", "price": "1"}])
    assert next_due(terms(steps), NO_FACTS, day("2026-03-31")) == date(2026, 5, 20)
    rising = recurring(every="year", escalator={"percent": "3", "first_on": "2026-07-10"})
    assert next_due(terms(rising), NO_FACTS, day("2026-03-31")) == date(2026, 7, 10)
    free = recurring(every="year", discounts=[{"percent": "100", "ends_on": "2026-04-14"}])
    assert next_due(terms(free), NO_FACTS, day("2026-03-31")) == date(2026, 4, 15)


def test_a_change_that_becomes_known_later_is_a_day():
    amendment = {"key": "A", "effective_on": "2026-06-01", "known_on": "2026-05-10", "ends_on": "2026-12-31"}
    contract = terms(recurring(every="year"), amendments=[amendment])
    assert next_due(contract, NO_FACTS, day("2026-03-31")) == date(2026, 5, 10)
    assert next_due(contract, NO_FACTS, day("2026-05-10")) == date(2026, 6, 1)
    assert next_due(contract, NO_FACTS, day("2026-06-01")) == date(2027, 1, 1)


def test_the_next_day_reckons_with_the_amendments_known():
    training = one_time(key="training", on="2026-08-20")
    contract = terms(
        recurring(every="year"), amendments=[{"key": "A", "effective_on": "2026-02-01", "add": [training]}]
    )
    assert next_due(contract, NO_FACTS, day("2026-01-31")) == date(2026, 2, 1)
    assert next_due(contract, NO_FACTS, day("2026-02-01")) == date(2026, 8, 20)


def test_an_interim_invoice_comes_on_the_day_of_the_usage():
    calls = {
        "type": "usage",
        "key": "calls",
        "description": "Calls",
        "price": "1.00",
        "every": "year",
        "bill_over": "10",
    }
    facts = Facts(usage=(UsageRecord(id="1", meter="calls", day=day("2026-03-10"), quantity=Decimal(50)),))
    assert next_due(terms(calls), facts, day("2026-02-01")) == date(2026, 3, 10)


def test_only_usage_of_the_periods_that_run_on_since_can_matter_to_what_comes():
    calls = {"type": "usage", "key": "calls", "description": "Calls", "price": "1"}
    since, through = day("2026-05-10"), day("2026-08-01")
    for fields, first in (
        ({}, "2026-05-01"),
        ({"invoiced": "quarter"}, "2026-04-01"),
        ({"resets": "year"}, "2026-01-01"),
        ({"bill_over": "100"}, None),
        ({"cap": "100", "cap_over": "contract"}, None),
    ):
        assert usage_from(terms({**calls, **fields}), through, since) == (first and day(first))
    hours = {"type": "retainer", "key": "hours", "description": "Hours", "price": "1", "included": 1}
    for rollover, first in (("none", "2026-05-01"), ("all", None), (2, None)):
        assert usage_from(terms({**hours, "overage_price": "1", "rollover": rollover}), through, since) == (
            first and day(first)
        )
    assert usage_from(terms(calls), through, None) is None
    assert usage_from(terms(recurring()), through, since) == since


def test_with_amendments_all_usage_may_matter():
    calls = {"type": "usage", "key": "calls", "description": "Calls", "price": "1"}
    amended = terms(calls, amendments=[{"key": "A1", "effective_on": "2026-03-01", "ends_on": "2026-12-31"}])
    assert usage_from(amended, day("2026-08-01"), day("2026-05-10")) is None
