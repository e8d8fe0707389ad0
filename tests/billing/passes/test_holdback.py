from __future__ import annotations

from datetime import date
from typing import Any

from billing.explain import explain_text, recompute
from billing.facts import Acceptance, Facts
from billing.plan import Line, plan
from billing.terms import Terms
from tests.billing.build import day, lines, one_time, recurring, terms


def project(**fields: Any) -> dict[str, Any]:
    parts = [
        {"key": "a", "percent": "60", "on": "2026-01-01"},
        {"key": "b", "percent": "30", "on": "2026-02-01"},
        {"key": "c", "percent": "10", "on": "2026-06-01"},
    ]
    return {
        "type": "fixed_price",
        "key": "build",
        "description": "Build",
        "price": "1000.05",
        "instalments": parts,
        **fields,
    }


def held(*charges: dict[str, Any], contract: dict[str, Any] | None = None, **fields: Any) -> Terms:
    return terms(*(charges or (project(),)), holdback={"percent": "10", **fields}, **(contract or {}))


def shown(found: list[Line]) -> list[tuple[str, str, str, int]]:
    return [(line.issue_on.isoformat(), line.kind, line.at, line.amount) for line in found]


def test_a_share_of_each_fixed_price_line_is_held_back_and_released_in_one_line_that_adds_up():
    found = lines(held(release_on="2026-07-01"))
    assert shown(found) == [
        ("2026-01-01", "instalment", "a", 600_03),
        ("2026-01-01", "holdback", "build:a", -60_00),
        ("2026-02-01", "instalment", "b", 300_02),
        ("2026-02-01", "holdback", "build:b", -30_00),
        ("2026-06-01", "instalment", "c", 100_00),
        ("2026-06-01", "holdback", "build:c", -10_00),
        ("2026-07-01", "holdback_release", "release:standard", 100_00),
    ]
    assert sum(line.amount for line in found) == 1000_05


def test_nothing_is_released_before_its_day():
    assert [line.kind for line in lines(held(release_on="2026-07-01"), "2026-06-30")].count("holdback_release") == 0


def test_what_is_billed_on_the_day_of_the_release_or_later_is_not_held_back():
    found = lines(held(release_on="2026-02-01"))
    assert [(kind, amount) for _, kind, _, amount in shown(found)] == [
        ("instalment", 600_03),
        ("holdback", -60_00),
        ("instalment", 300_02),
        ("holdback_release", 60_00),
        ("instalment", 100_00),
    ]


def test_a_recorded_acceptance_releases_and_without_one_it_stays_held():
    contract = held()
    assert "holdback_release" not in {line.kind for line in lines(contract)}
    facts = Facts(accepted=(Acceptance(charge="holdback", on=day("2026-08-15")),))
    last = plan(contract, day("2027-01-01"), facts)[-1]
    assert (last.kind, last.issue_on, last.amount, last.estimated) == (
        "holdback_release",
        date(2026, 8, 15),
        100_00,
        False,
    )


def test_an_acceptance_before_the_agreed_day_releases_at_once():
    facts = Facts(accepted=(Acceptance(charge="holdback", on=day("2026-06-15")),))
    assert plan(held(release_on="2026-07-01"), day("2027-01-01"), facts)[-1].issue_on == date(2026, 6, 15)


def test_a_preview_assumes_the_release_on_the_day_it_is_expected():
    contract = held(expected_on="2026-09-01")
    last = plan(contract, day("2027-01-01"), Facts(assume_from=day("2026-01-01")))[-1]
    assert (last.kind, last.issue_on, last.estimated) == ("holdback_release", date(2026, 9, 1), True)
    assert plan(contract, day("2027-01-01"), Facts(assume_from=day("2026-10-01")))[-1].issue_on == date(2026, 10, 1)


def test_named_charges_alone_are_held_back():
    contract = held(
        project(),
        one_time(price="99.99"),
        recurring(),
        charges=["setup"],
        release_on="2026-03-01",
        contract={"ends_on": "2026-01-31"},
    )
    assert [(at, amount) for _, kind, at, amount in shown(lines(contract)) if kind.startswith("holdback")] == [
        ("setup:2026-01-01", -10_00),
        ("release:standard", 10_00),
    ]


def test_each_class_of_tax_is_released_at_its_own():
    contract = held(project(), one_time(tax_class="reduced"), charges=["build", "setup"], release_on="2026-07-01")
    released = [line for line in lines(contract) if line.kind == "holdback_release"]
    assert [(line.tax_class, line.at, line.amount) for line in released] == [
        ("standard", "release:standard", 100_00),
        ("reduced", "release:reduced", 50_00),
    ]
    assert len({line.slice for line in lines(contract)}) == len(lines(contract))


def test_a_line_of_nothing_holds_nothing_back():
    contract = held(project(price="0"), release_on="2026-07-01")
    assert {line.kind for line in lines(contract)} == {"instalment"}


def test_its_lines_say_why_and_are_worked_out_again():
    found = [line for line in lines(held(release_on="2026-07-01")) if line.kind.startswith("holdback")]
    assert explain_text(found[0].explain) == "10% of 600.03 held back"
    assert explain_text(found[-1].explain) == "100.00 held back from 3 line(s), released"
    assert [recompute(line.explain) for line in found] == [line.amount for line in found]
    assert [line.description for line in found][::3] == ["Holdback: Build: a", "Holdback: released"]


def test_the_release_counts_lines_issued_before_since():
    found = plan(held(release_on="2026-07-01"), day("2026-07-01"), since=day("2026-05-31"))
    assert shown(found)[-1] == ("2026-07-01", "holdback_release", "release:standard", 100_00)
    assert all(line.issue_on > day("2026-05-31") for line in found)
