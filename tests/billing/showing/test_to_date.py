from __future__ import annotations

from decimal import Decimal
from typing import Any

from billing.facts import Facts, UsageRecord
from billing.showing.to_date import Used, used_to_date
from tests.billing.build import day, recurring, terms

CALLS = {"type": "usage", "key": "calls", "description": "Calls", "price": "1", "estimate": "500"}
HOURS = {
    "type": "retainer", "key": "care", "description": "Care", "price": "900", "included": "10", "overage_price": "100",
    "meter": "hours",
}  # fmt: skip


def record(number: int, on: str, quantity: int, meter: str = "calls", **dimensions: str) -> UsageRecord:
    return UsageRecord(
        id=str(number), meter=meter, day=day(on), quantity=Decimal(quantity), dimensions=dimensions
    )  # fmt: skip


def used(*charges: dict[str, Any], today: str, records: list[UsageRecord], **fields: Any) -> list[Used]:
    return list(used_to_date(terms(*charges, **fields), Facts(usage=tuple(records)), day(today)))


def test_each_meter_is_counted_in_the_period_that_runs() -> None:
    records = [
        record(1, "2026-01-31", 7), record(2, "2026-02-01", 30), record(3, "2026-02-14", 12),
        record(4, "2026-02-02", 4, "hours"),
    ]  # fmt: skip
    calls, care = used(CALLS, HOURS, recurring(), today="2026-02-15", records=records)
    assert calls == Used("calls", "Calls", "", day("2026-02-01"), day("2026-03-01"), Decimal(42), 2, Decimal(500))
    assert (care.charge, care.quantity, care.expected) == ("care", Decimal(4), Decimal(10))


def test_what_is_measured_by_a_dimension_is_counted_by_its_values() -> None:
    charge = {**CALLS, "dimension": "region"}
    records = [record(1, "2026-02-01", 3, region="eu"), record(2, "2026-02-01", 5, region="us")]
    found = used(charge, today="2026-02-15", records=records)
    assert [(one.value, one.quantity) for one in found] == [("eu", Decimal(3)), ("us", Decimal(5))]


def test_an_aggregation_is_the_charge_s_own_and_nothing_used_is_nothing() -> None:
    peak = {**CALLS, "aggregation": "max"}
    records = [record(1, "2026-02-01", 3), record(2, "2026-02-05", 9)]
    assert [one.quantity for one in used(peak, today="2026-02-15", records=records)] == [Decimal(9)]
    assert [(one.quantity, one.records) for one in used(CALLS, today="2026-02-15", records=[])] == [(Decimal(0), 0)]


def test_before_the_start_and_after_the_end_no_period_runs() -> None:
    for today in ("2025-12-31", "2026-03-11"):
        assert used(CALLS, today=today, records=[], ends_on="2026-03-10") == []
    (last,) = used(CALLS, today="2026-03-10", records=[], ends_on="2026-03-10")
    assert (last.starts, last.until) == (day("2026-03-01"), day("2026-03-11"))
