from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.explain import explain_text, recompute
from billing.facts import Facts, UsageRecord
from billing.passes.commitments import commitment_periods
from billing.plan import Line, plan
from billing.plan import owed as all_owed
from billing.terms import Terms
from tests.billing.build import day, lines, one_time, recurring, terms


def calls(**fields: Any) -> dict[str, Any]:
    return {"type": "usage", "key": "calls", "description": "Calls", "price": "10.00", **fields}


def minimum(amount: str = "100.00", every: str = "month", **fields: Any) -> dict[str, Any]:
    return {"key": "minimum", "amount": amount, "every": every, **fields}


def base(price: str = "50.00", **fields: Any) -> dict[str, Any]:
    return recurring(key="base", description="Base", price=price, timing="arrears", **fields)


def used(**quantities: int | str) -> Facts:
    """What was used of calls by day, e.g. ``d01_15=40`` on 15 January."""
    return Facts(
        usage=tuple(
            UsageRecord(id=key, meter="calls", day=day(f"2026-{key[1:].replace('_', '-')}"), quantity=Decimal(quantity))
            for key, quantity in quantities.items()
        )
    )


def settled(
    contract: Terms, facts: Facts | None = None, through: str = "2030-01-01"
) -> list[tuple[str, str, str, int]]:
    found = plan(contract, day(through), facts or Facts())
    return [shown(line) for line in found if line.charge == "minimum"]


def shown(line: Line) -> tuple[str, str, str, int]:
    return line.starts.isoformat(), line.issue_on.isoformat(), line.kind, line.amount


def test_c01a_a_full_month_is_trued_up_to_its_commitment():
    contract = terms(base("1000.00"), starts_on="2023-02-04", ends_on="2023-03-03", commitments=[minimum("10000.00")])
    assert settled(contract) == [("2023-02-04", "2023-03-04", "true_up", 9000_00)]


def test_c02_base_and_usage_count_together():
    contract = terms(base(), calls(), ends_on="2026-01-31", commitments=[minimum()])
    assert [line.amount for line in plan(contract, day("2026-02-01"), used(d01_15=3))] == [50_00, 30_00, 20_00]


def test_what_reaches_the_commitment_is_not_trued_up():
    contract = terms(base(), calls(), ends_on="2026-01-31", commitments=[minimum()])
    assert settled(contract, used(d01_15=5)) == []
    assert settled(contract, used(d01_15=50)) == []


def test_a_year_committed_and_invoiced_by_the_month_is_trued_up_once_at_its_end():
    contract = terms(base(), calls(), ends_on="2027-12-31", commitments=[minimum("1000.00", "year")])
    assert settled(contract, used(d01_15=3, d07_15=7)) == [
        ("2026-01-01", "2027-01-01", "true_up", 300_00),
        ("2027-01-01", "2028-01-01", "true_up", 400_00),
    ]
    assert settled(contract, used(d01_15=3, d07_15=7), "2026-12-31") == []


def test_advance_lines_count_in_the_period_their_service_begins_in():
    contract = terms(
        recurring(every="year"),
        starts_on="2026-01-01",
        ends_on="2026-12-31",
        issue_days_before=30,
        commitments=[minimum("150.00", "half_year")],
    )
    assert settled(contract) == [
        ("2026-01-01", "2026-07-01", "true_up", 50_00),
        ("2026-07-01", "2027-01-01", "true_up", 150_00),
    ]


def test_one_time_charges_and_what_is_not_committed_do_not_count():
    contract = terms(
        base(),
        one_time(price="40.00"),
        recurring(key="extra", price="10.00", committed=False),
        ends_on="2026-01-31",
        commitments=[minimum()],
    )
    assert settled(contract) == [("2026-01-01", "2026-02-01", "true_up", 50_00)]


def test_charges_named_count_whatever_their_kind():
    named = minimum(charges=["setup"])
    contract = terms(base(), one_time(price="40.00"), ends_on="2026-01-31", commitments=[named])
    assert settled(contract) == [("2026-01-01", "2026-02-01", "true_up", 60_00)]


def test_the_true_up_waits_for_the_last_line_that_counts():
    contract = terms(calls(invoiced="quarter"), ends_on="2026-06-30", commitments=[minimum()])
    facts = used(d01_15=3)
    assert settled(contract, facts, "2026-03-31") == []
    january, february, *_ = settled(contract, facts)
    assert january == ("2026-01-01", "2026-04-01", "true_up", 70_00)
    assert february == ("2026-02-01", "2026-04-01", "true_up", 100_00)


def test_no_true_up_comes_with_an_interim_invoice():
    contract = terms(calls(bill_over="20.00"), ends_on="2026-01-31", commitments=[minimum()])
    found = plan(contract, day("2026-02-01"), used(d01_10=3))
    assert [line.kind for line in found if line.issue_on == date(2026, 1, 10)] == ["usage"]
    assert [shown(line) for line in found if line.charge == "minimum"] == [
        ("2026-01-01", "2026-02-01", "true_up", 70_00)
    ]


def test_a_commitment_without_true_up_charges_no_shortfall():
    contract = terms(base(), ends_on="2026-01-31", commitments=[minimum(true_up=False)])
    assert settled(contract) == []


# ---------------------------------------------------------------------------------------------- shortened periods


def test_periods_shortened_by_the_contracts_own_dates_are_prorated_by_days():
    contract = terms(
        base(), starts_on="2026-01-21", ends_on="2026-03-14", anchor_day=1, commitments=[minimum("310.00")]
    )
    assert settled(contract) == [
        ("2026-01-21", "2026-02-01", "true_up", 110_00 - 17_74),
        ("2026-02-01", "2026-03-01", "true_up", 310_00 - 50_00),
        ("2026-03-01", "2026-03-15", "true_up", 140_00 - 22_58),
    ]


def test_a_commitment_with_dates_of_its_own_is_prorated_to_them():
    own = minimum("310.00", starts_on="2026-01-22", ends_on="2026-03-10")
    contract = terms(recurring(price="0"), ends_on="2026-12-31", commitments=[own])
    assert settled(contract) == [
        ("2026-01-22", "2026-02-01", "true_up", 100_00),
        ("2026-02-01", "2026-03-01", "true_up", 310_00),
        ("2026-03-01", "2026-03-11", "true_up", 100_00),
    ]


def test_the_trial_is_not_committed():
    contract = terms(base("0"), trial_ends_on="2026-01-14", ends_on="2026-02-14", commitments=[minimum("310.00")])
    assert settled(contract) == [("2026-01-15", "2026-02-15", "true_up", 310_00)]


ENDED = {"ends_on": "2026-02-14", "ended_by": "customer", "signed_ends_on": "2026-12-31"}


def test_a_period_the_customer_ended_early_is_due_in_full():
    contract = terms(base(), **ENDED, commitments=[minimum()])
    assert settled(contract) == [
        ("2026-01-01", "2026-02-01", "true_up", 50_00),
        ("2026-02-01", "2026-02-15", "true_up", 75_00),
    ]


def test_it_is_prorated_where_the_terms_say_so_or_where_the_seller_ended_it():
    prorated = [("2026-02-01", "2026-02-15", "true_up", 50_00 - 25_00)]
    by_terms = terms(base(), **ENDED, commitments=[minimum(prorate_on_termination=True)])
    by_seller = terms(base(), **{**ENDED, "ended_by": "seller"}, commitments=[minimum()])
    assert settled(by_terms)[1:] == prorated
    assert settled(by_seller)[1:] == prorated


def test_c03_what_is_ended_at_the_end_of_a_period_is_due_in_full_and_no_more():
    contract = terms(base(), **{**ENDED, "ends_on": "2026-02-28"}, commitments=[minimum()])
    assert [amount for *_, amount in settled(contract)] == [50_00, 50_00]


def test_in_full_is_no_more_than_the_signed_term_would_have_committed():
    ended = {"ends_on": "2026-08-31", "ended_by": "customer", "signed_ends_on": "2027-06-30"}
    contract = terms(base("0"), **ended, commitments=[minimum("365.00", "year")])
    assert settled(contract) == [("2026-01-01", "2026-09-01", "true_up", 365_00)]
    short = terms(base("0"), **{**ended, "signed_ends_on": "2026-09-30"}, commitments=[minimum("365.00", "year")])
    assert settled(short) == [("2026-01-01", "2026-09-01", "true_up", 273_00)]


def test_a_commitment_ends_when_the_contract_does_though_paid_service_runs_on():
    kept = {**ENDED, "ends_on": "2026-12-31", "stopped_on": "2026-02-14"}
    contract = terms(recurring(price="0"), **kept, commitments=[minimum()])
    assert settled(contract)[1:] == [("2026-02-01", "2026-02-15", "true_up", 100_00)]


def test_c04_a_minimum_on_one_charge_prorated_on_termination():
    contract = terms(
        calls(price="8.00"),
        starts_on="2026-01-08",
        anchor_day=1,
        ends_on="2026-02-25",
        ended_by="customer",
        commitments=[minimum("10.00", charges=["calls"], prorate_on_termination=True)],
    )
    assert settled(contract, used(d02_10=1))[1] == ("2026-02-01", "2026-02-26", "true_up", 93)


# -------------------------------------------------------------------------------------------------------- overage


def test_c07_what_goes_beyond_the_commitment_costs_its_factor():
    windows = minimum("10.00", "day", overage_factor=2)
    contract = terms(calls(price="2.00", every="day"), ends_on="2026-01-02", commitments=[windows])
    found = plan(contract, day("2026-02-01"), used(d01_01=2, d01_02=8))
    totals = {
        start: sum(line.amount for line in found if line.starts == start) for start in {one.starts for one in found}
    }
    assert totals == {date(2026, 1, 1): 10_00, date(2026, 1, 2): 22_00}
    assert [shown(line)[2:] for line in found if line.charge == "minimum"] == [("true_up", 6_00), ("overage", 6_00)]
    assert found[-1].slice == "C-1/minimum/2026-01-02:overage"


def test_c08_total_is_utilised_plus_overage_plus_true_up():
    def window(key: str, price: str) -> dict[str, Any]:
        return calls(key=key, meter=key, price=price, every="day")

    peak = {
        "key": "peak-min",
        "amount": "5.00",
        "every": "day",
        "charges": ["peak"],
        "overage_factor": 2,
        "true_up": False,
    }
    other = {
        "key": "other-min",
        "amount": "10.00",
        "every": "day",
        "charges": ["other"],
        "overage_factor": 2,
        "ends_on": "2026-01-01",
    }
    contract = terms(window("peak", "2.00"), window("other", "1.00"), ends_on="2026-01-02", commitments=[peak, other])
    facts = Facts(
        usage=(
            UsageRecord(id="1", meter="peak", day=day("2026-01-01"), quantity=Decimal(10)),
            UsageRecord(id="2", meter="peak", day=day("2026-01-02"), quantity=Decimal(1)),
            UsageRecord(id="3", meter="other", day=day("2026-01-01"), quantity=Decimal(3)),
        )
    )
    found = plan(contract, day("2026-02-01"), facts)
    by_kind = {
        kind: sum(line.amount for line in found if line.kind == kind) for kind in ("usage", "overage", "true_up")
    }
    assert by_kind == {"usage": 25_00, "overage": 15_00, "true_up": 7_00}
    assert sum(by_kind.values()) == 47_00


def test_a_true_up_that_turns_into_overage_is_another_slice():
    contract = terms(calls(), ends_on="2026-01-31", commitments=[minimum(overage_factor="1.5")])
    (short,) = plan(contract, day("2026-02-01"), used(d01_15=4))[1:]
    (beyond,) = plan(contract, day("2026-02-01"), used(d01_15=14))[1:]
    assert (short.amount, beyond.amount) == (60_00, 20_00)
    assert short.slice != beyond.slice


# ---------------------------------------------------------------------------------------------------------- steps


def test_a_period_takes_the_amount_in_force_on_its_first_day():
    steps = [{"starts_on": "2027-01-01", "price": "200.00"}, {"starts_on": "2026-02-15", "price": "150.00"}]
    contract = terms(base("0"), starts_on="2026-11-01", ends_on="2027-01-31", commitments=[minimum(steps=steps)])
    assert [amount for *_, amount in settled(contract)] == [150_00, 150_00, 200_00]


def test_a_contract_discount_lowers_what_counts():
    contract = terms(base(), ends_on="2026-01-31", commitments=[minimum()], discounts=[{"amount": "20.00"}])
    assert [line.amount for line in lines(contract)] == [30_00, 70_00]


# ------------------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize("since", ["2026-02-01", "2026-02-28", "2026-03-31", "2026-05-15"])
def test_with_since_the_same_lines_come_as_without(since: str):
    contract = terms(
        recurring(price="20.00"),
        base("10.00", every="quarter"),
        calls(invoiced="2 months"),
        ends_on="2027-05-31",
        issue_days_before=10,
        commitments=[minimum("200.00", "quarter"), {**minimum("90.00"), "key": "other"}],
    )
    facts = used(d01_15=3, d02_15=8, d03_20=2, d05_30=1)
    for through in ("2026-04-01", "2026-06-30", "2027-06-01"):
        later = [line for line in plan(contract, day(through), facts) if line.issue_on > day(since)]
        assert [line for line in plan(contract, day(through), facts, day(since)) if line.issue_on > day(since)] == later


def test_what_a_charge_without_a_price_counts_for_is_unknown_from_its_periods_start():
    tiers = [{"up_to": 10, "price": "1.00"}]
    contract = terms(
        base(), calls(model="graduated", tiers=tiers), ends_on="2026-12-31", commitments=[minimum("300.00", "quarter")]
    )
    found = all_owed(contract, day("2027-01-01"), used(d05_15=50))
    assert {one.charge: one.since for one in found.unknown} == {"calls": date(2026, 5, 1), "minimum": date(2026, 4, 1)}
    assert [shown(line) for line in found.lines if line.charge == "minimum"] == [
        ("2026-01-01", "2026-04-01", "true_up", 150_00)
    ]


def test_its_lines_say_why_and_are_worked_out_again():
    contract = terms(
        calls(),
        starts_on="2026-01-11",
        anchor_day=1,
        ends_on="2026-02-28",
        commitments=[minimum("99.99", overage_factor="1.2345")],
    )
    short, beyond = (
        line for line in plan(contract, day("2027-01-01"), used(d01_15=3, d02_15=12)) if line.charge == "minimum"
    )
    assert explain_text(short.explain) == "21 of 31 days of 99.99 committed from 11 Jan 2026, less 30.00 billed"
    assert explain_text(beyond.explain) == (
        "120.00 billed is 20.01 beyond 99.99 committed from 1 Feb 2026; what goes beyond costs 1.2345 times"
    )
    assert [recompute(line.explain) for line in (short, beyond)] == [short.amount, beyond.amount] == [37_74, 4_69]


def test_a_true_up_of_estimates_is_an_estimate():
    contract = terms(calls(estimate=3), ends_on="2026-01-31", commitments=[minimum()])
    found = plan(contract, day("2026-02-01"), Facts(assume_from=day("2026-01-01")))
    assert [(line.kind, line.amount, line.estimated) for line in found] == [
        ("usage", 30_00, True),
        ("true_up", 70_00, True),
    ]


def test_commitment_periods_that_ended_before_a_day_are_not_even_looked_at():
    contract = terms(base(), commitments=[minimum()], ends_on="2026-12-31")
    (one,) = contract.commitments
    for since, first in ((None, "2026-01-01"), ("2025-06-05", "2026-01-01"), ("2026-05-07", "2026-05-01")):
        found = next(commitment_periods(contract, one, None if since is None else day(since)))
        assert found.starts == day(first)


def test_a_last_period_that_the_contract_s_end_shortens_is_settled_by_a_run_that_starts_late_too():
    contract = terms(base(), commitments=[minimum(every="year")], ends_on="2026-06-30")
    for since in (None, day("2026-06-01"), day("2026-06-30")):
        found = plan(contract, day("2026-07-01"), since=since)
        assert [line.kind for line in found if line.issue_on == day("2026-07-01")] == ["recurring"]
    contract = terms(base(), commitments=[minimum("9999.00", "year")], ends_on="2026-06-30")
    for since in (None, day("2026-06-01"), day("2026-06-30")):
        found = plan(contract, day("2026-07-01"), since=since)
        assert [line.kind for line in found if line.issue_on == day("2026-07-01")] == ["recurring", "true_up"]


def test_a_commitment_whose_charge_cannot_be_priced_is_unknown_before_its_period_is_over_too():
    tiers = [{"up_to": 10, "price": "1"}]
    contract = terms(calls(model="graduated", tiers=tiers), commitments=[minimum(every="year")])
    unknown = all_owed(contract, day("2026-02-01"), used(d01_15=11)).unknown
    assert [(one.charge, one.since) for one in unknown] == [
        ("calls", day("2026-01-01")),
        ("minimum", day("2026-01-01")),
    ]
