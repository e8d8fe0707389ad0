from __future__ import annotations

from datetime import date
from typing import Any

from billing.explain import explain_text, recompute
from billing.facts import Facts, Overdue
from billing.plan import Line, plan
from tests.billing.build import day, one_time, terms


def overdue(number: str = "INV-7", due_on: str = "2026-03-31", left: int = 100_00, **paid: int) -> Overdue:
    parts = tuple((day(on.lstrip("d").replace("_", "-")), amount) for on, amount in paid.items())
    return Overdue(number=number, due_on=day(due_on), open=left, paid=parts)


def fees(*invoices: Overdue, through: str = "2026-12-31", since: str | None = None, **fee: Any) -> list[Line]:
    contract = terms(one_time(on="2026-01-01"), late_fee=fee)
    found = plan(contract, day(through), Facts(overdue=invoices), since=day(since) if since else None)
    return [line for line in found if line.kind == "late_fee"]


def test_a_fee_is_incurred_once_on_the_day_after_the_due_date():
    (fee,) = fees(overdue(), percent="10")
    assert (fee.issue_on, fee.amount, fee.slice) == (date(2026, 4, 1), 10_00, "C-1/late-fee/INV-7")
    assert fee.description == "Late payment fee: invoice INV-7"
    assert fees(overdue(), through="2026-03-31", percent="10") == []


def test_days_of_grace_come_first():
    assert [fee.issue_on for fee in fees(overdue(), amount="40", after_days=14)] == [date(2026, 4, 15)]


def test_a_fee_by_the_month_is_incurred_for_each_begun_month():
    found = fees(overdue(due_on="2026-01-30"), through="2026-04-29", percent="1.5", per="month")
    assert [(fee.issue_on, fee.at, fee.amount) for fee in found] == [
        (date(2026, 1, 31), "INV-7:1", 150),
        (date(2026, 2, 28), "INV-7:2", 150),
        (date(2026, 3, 31), "INV-7:3", 150),
    ]
    assert found[1].description == "Late payment fee: invoice INV-7, month 2"


def test_what_was_incurred_stays_owed_after_the_payment():
    before = fees(overdue(), through="2026-04-10", percent="10")
    assert fees(overdue(left=0, d2026_04_11=100_00), percent="10") == before


def test_a_month_begun_after_the_payment_costs_nothing_and_a_part_paid_one_costs_its_part():
    found = fees(overdue(left=0, d2026_04_20=60_00, d2026_05_20=40_00), percent="10", per="month")
    assert [(fee.issue_on, fee.amount) for fee in found] == [(date(2026, 4, 1), 10_00), (date(2026, 5, 1), 4_00)]


def test_a_payment_on_the_first_late_day_is_late():
    assert [fee.amount for fee in fees(overdue(left=0, d2026_04_01=100_00), percent="10")] == [10_00]


def test_a_payment_within_the_days_of_grace_costs_nothing():
    assert fees(overdue(left=0, d2026_04_03=100_00), percent="10", after_days=5) == []


def test_each_invoice_has_its_own_fee_and_a_part_of_a_cent_is_rounded():
    found = fees(overdue(left=33_33), overdue("INV-8", left=10_05), percent="1.5")
    assert [(fee.at, fee.amount) for fee in found] == [("INV-7", 50), ("INV-8", 15)]


def test_a_contract_without_a_late_fee_charges_none():
    assert [line.kind for line in plan(terms(one_time()), day("2026-12-31"), Facts(overdue=(overdue(),)))] == [
        "one_time"
    ]


def test_its_lines_say_why_and_are_worked_out_again():
    (percent,), (amount,) = fees(overdue(), percent="1.5"), fees(overdue(), amount="40")
    assert explain_text(percent.explain) == "1.5% of 100.00 open since 31 Mar 2026"
    assert explain_text(amount.explain) == "40.00 for 100.00 open since 31 Mar 2026"
    assert (recompute(percent.explain), recompute(amount.explain)) == (percent.amount, amount.amount) == (150, 40_00)


def test_since_leaves_out_fees_incurred_by_then():
    found = fees(overdue(), percent="1", per="month", through="2026-06-30", since="2026-05-01")
    assert [fee.at for fee in found] == ["INV-7:3"]
