from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from billing.explain import explain_text, recompute
from billing.facts import Acceptance, Facts
from billing.plan import Line, plan
from tests.billing.build import day, lines, terms


def part(key: str, percent: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"key": key, **({"percent": percent} if percent else {}), **fields}


def project(*instalments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "fixed_price",
        "key": "build",
        "description": "Build",
        "price": "10000.00",
        "instalments": list(instalments),
        **fields,
    }


def accepted(**on: str) -> Facts:
    return Facts(accepted=tuple(Acceptance(charge="build", milestone=key, on=day(when)) for key, when in on.items()))


def billed(found: list[Line]) -> list[tuple[str, str, int]]:
    return [(line.issue_on.isoformat(), line.slice.rsplit("/", 1)[1], line.amount) for line in found]


def test_a_payment_schedule_is_billed_on_its_days():
    contract = terms(
        project(
            part("start", "50", on="2026-01-01"),
            part("half", "25", after="3 months"),
            part("end", "25", on="2026-06-30"),
        )
    )
    assert billed(lines(contract)) == [
        ("2026-01-01", "start", 5000_00),
        ("2026-04-01", "half", 2500_00),
        ("2026-06-30", "end", 2500_00),
    ]
    assert {line.kind for line in lines(contract)} == {"instalment"}


def test_an_interval_after_the_start_is_clamped_to_its_month():
    contract = terms(project(part("a", "100", after="month")), starts_on="2026-01-31")
    assert [line.issue_on for line in lines(contract)] == [date(2026, 2, 28)]


def test_percentages_add_up_to_the_price_to_the_cent():
    thirds = [part(key, "33.333333", on="2026-01-01") for key in "ab"] + [part("c", "33.333334", on="2026-01-02")]
    contract = terms(project(*thirds, price="100.01"))
    assert [line.amount for line in lines(contract)] == [3334, 3333, 3334]


def test_the_order_written_decides_the_cents_not_the_order_in_which_they_fall_due():
    contract = terms(project(part("a", "50", on="2026-03-01"), part("b", "50", on="2026-02-01"), price="100.01"))
    assert billed(lines(contract)) == [("2026-02-01", "b", 5000), ("2026-03-01", "a", 5001)]


def test_percentages_are_of_the_whole_also_beside_amounts():
    contract = terms(
        project(
            part("a", "20", on="2026-01-01"),
            part("b", amount="3000", on="2026-01-02"),
            part("c", "50", on="2026-01-03"),
        )
    )
    assert [line.amount for line in lines(contract)] == [2000_00, 3000_00, 5000_00]


def test_a_milestone_is_billed_on_the_day_it_is_accepted_and_not_before():
    contract = terms(project(part("design", "40"), part("live", "60")))
    assert lines(contract) == []
    found = plan(contract, day("2027-01-01"), accepted(design="2026-03-05"))
    assert billed(found) == [("2026-03-05", "design", 4000_00)]
    assert (found[0].kind, found[0].description, found[0].until) == ("milestone", "Build: design", date(2026, 3, 6))
    assert plan(contract, day("2026-03-04"), accepted(design="2026-03-05")) == []
    assert explain_text(found[0].explain) == "40% of 10,000.00, accepted on 5 Mar 2026"


def test_an_acceptance_of_another_charge_is_not_taken_for_its_own():
    contract = terms(project(part("live", "100")))
    other = Facts(accepted=(Acceptance(charge="other", milestone="live", on=day("2026-03-05")),))
    assert plan(contract, day("2027-01-01"), other) == []


def test_the_acceptance_of_a_dated_instalment_changes_nothing():
    contract = terms(project(part("live", "100", on="2026-06-01")))
    assert billed(plan(contract, day("2027-01-01"), accepted(live="2026-03-05"))) == [("2026-06-01", "live", 10000_00)]


@pytest.mark.parametrize(("today", "on"), [("2026-01-01", "2026-05-01"), ("2026-07-01", "2026-07-01")])
def test_a_preview_assumes_a_milestone_when_it_is_expected_or_at_once_when_that_has_gone_by(today: str, on: str):
    contract = terms(project(part("live", "100", expected_on="2026-05-01"), part("later", amount="0")))
    assert plan(contract, day("2027-01-01")) == []
    found = plan(contract, day("2027-01-01"), Facts(assume_from=day(today)))
    assert billed(found) == [(on, "live", 10000_00)]
    assert found[0].estimated
    assert "expected on" in explain_text(found[0].explain)


def test_a_recorded_acceptance_comes_before_an_expectation():
    contract = terms(project(part("live", "100", expected_on="2026-05-01")))
    found = plan(contract, day("2027-01-01"), replace(accepted(live="2026-03-05"), assume_from=day("2026-01-01")))
    assert [(line.issue_on, line.estimated) for line in found] == [(date(2026, 3, 5), False)]


def test_discounts_come_off_the_total_before_it_is_split():
    contract = terms(
        project(
            part("a", amount="6000", on="2026-01-01"), part("b", "40", on="2026-01-02"), discounts=[{"amount": "0.01"}]
        ),
        discounts=[{"percent": "10"}],
    )
    assert [line.amount for line in lines(contract)] == [5399_99, 3600_00]
    assert explain_text(lines(contract)[1].explain) == "40% of 10,000.00, less 10%, less 0.01"


def test_a_discount_with_dates_is_for_what_falls_due_within_them():
    contract = terms(
        project(part("a", "50", on="2026-01-01"), part("b", "50", on="2026-03-01")),
        discounts=[{"percent": "10", "ends_on": "2026-02-28"}, {"percent": "20", "starts_on": "2026-03-01"}],
    )
    assert [line.amount for line in lines(contract)] == [4500_00, 4000_00]


def test_the_contracts_free_months_leave_a_project_alone_but_its_own_discount_by_periods_holds():
    parts = [part("a", "100", on="2026-01-01")]
    assert [line.amount for line in lines(terms(project(*parts), discounts=[{"percent": "100", "periods": 1}]))] == [
        10000_00
    ]
    own = project(*parts, discounts=[{"percent": "30", "periods": 1}])
    assert [line.amount for line in lines(terms(own))] == [7000_00]


def test_a_share_that_is_no_short_percentage_is_worded_as_its_amount():
    contract = terms(
        project(part("a", amount="3333.33", on="2026-01-01"), part("b", amount="6666.67", on="2026-01-02"))
    )
    assert [line.amount for line in lines(contract)] == [3333_33, 6666_67]
    assert explain_text(lines(contract)[0].explain) == "33.3333% of 10,000.00"
    thirds = terms(project(part("a", amount="3000.00", on="2026-01-01"), price="9000.00"))
    assert explain_text(lines(thirds)[0].explain) == "3,000.00 of 9,000.00"


def test_every_instalment_is_worked_out_again_from_its_explanation():
    shares = [part("a", "12.345", on="2026-01-01"), part("b"), part("c", "7.1", after="2 weeks")]
    shares[1]["percent"] = "80.555"
    contract = terms(project(*shares, price="999.99", discounts=[{"percent": "3.3"}]))
    for line in plan(contract, day("2027-01-01"), accepted(b="2026-02-02")):
        assert recompute(line.explain) == line.amount


def test_since_leaves_out_what_was_issued_by_then():
    contract = terms(project(part("a", "50", on="2026-01-01"), part("b", "50", on="2026-03-01")))
    assert billed(plan(contract, day("2027-01-01"), since=day("2026-01-01"))) == [("2026-03-01", "b", 5000_00)]


def test_the_price_is_for_the_quantity_and_the_line_shows_the_part():
    line = lines(terms(project(part("a", "25", on="2026-01-01"), quantity="2")))[0]
    assert (line.amount, line.quantity, line.unit_price) == (5000_00, Decimal(1), Decimal("5000.00"))
