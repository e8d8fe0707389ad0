from __future__ import annotations

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.facts import Acceptance, UsageRecord
from billing.reading.records import IndexValue, event, read_records, unique, usage_record

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
RECORD = {"id": "r-1", "meter": "calls", "at": "2026-03-31T23:30:00Z", "quantity": 5}


@pytest.mark.parametrize(
    ("at", "zone", "day"),
    [
        ("2026-03-31T23:30:00Z", TOKYO, "2026-04-01"),
        ("2026-03-31T23:30:00Z", NEW_YORK, "2026-03-31"),
        ("2026-04-01T01:00:00+09:00", NEW_YORK, "2026-03-31"),
        ("2026-03-31T23:30:00", TOKYO, "2026-03-31"),
        ("2026-03-31", TOKYO, "2026-03-31"),
    ],
)
def test_a_record_counts_on_the_day_it_was_in_the_zone(at, zone, day):
    assert usage_record({**RECORD, "at": at}, zone).day == date.fromisoformat(day)


def test_a_record_keeps_its_exact_quantity_its_dimensions_and_a_moment_that_sorts():
    given = {**RECORD, "quantity": 0.1, "dimensions": {"region": "eu"}, "value": "u-7"}
    assert usage_record(given, TOKYO) == UsageRecord(
        id="r-1", meter="calls", day=date(2026, 4, 1), quantity=Decimal("0.1"), at="2026-03-31T23:30:00+00:00",
        dimensions={"region": "eu"}, value="u-7",
    )  # fmt: skip


def test_a_day_beside_a_moment_is_the_day_that_counts():
    assert usage_record({**RECORD, "day": "2026-02-28"}, TOKYO).day == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": ""}, "id: is missing"),
        ({"at": "soon"}, "at: 'soon' is no day and no time"),
        ({"at": ""}, "at: is missing"),
        ({"quantity": "NaN"}, "quantity: NaN is no number"),
        ({"quantity": "many"}, "quantity: "),
        ({"amount": 5}, "unknown field `amount`"),
    ],
)
def test_what_is_wrong_with_a_record_is_said_by_its_key(change, told):
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        usage_record({**RECORD, **change}, TOKYO)


def test_a_record_without_an_id_takes_the_one_it_is_offered():
    given = {"meter": "calls", "at": "2026-01-01"}
    assert usage_record(given, TOKYO, otherwise="record 3").id == "record 3"


def test_events_are_acceptances_and_values_of_an_index():
    on = date(2026, 3, 31)
    assert event({"charge": "build", "milestone": "go", "on": "2026-03-31"}) == Acceptance(
        charge="build", milestone="go", on=on
    )
    assert event({"charge": "holdback", "on": on}) == Acceptance(charge="holdback", on=on)
    assert event({"index": "CPI", "on": "2026-03-31", "value": 131.5}) == IndexValue(
        index="CPI", on=on, value=Decimal("131.5")
    )
    with pytest.raises(ValueError, match="missing required field `on`"):
        event({"charge": "build"})


def test_a_csv_has_a_column_for_each_dimension_and_empty_fields_are_not_given():
    text = "id,meter,at,quantity,dimensions.region\nr-1,calls,2026-01-01,5,eu\nr-2,calls,2026-01-02,,\n"
    assert [record for _, record in read_records(text, as_csv=True)] == [
        {"id": "r-1", "meter": "calls", "at": "2026-01-01", "quantity": "5", "dimensions": {"region": "eu"}},
        {"id": "r-2", "meter": "calls", "at": "2026-01-02"},
    ]


def test_a_bad_line_is_told_by_its_number_and_the_others_are_read():
    found = list(read_records('{"a": 1.10}\n\n[1]\nnothing\n', as_csv=False))
    assert found[0] == (1, {"a": Decimal("1.10")})
    assert [number for number, _ in found] == [1, 3, 4]
    assert [str(told).partition(" (")[0].partition(":")[0] for _, told in found[1:]] == ["is no JSON object"] * 2
    assert list(read_records("a,b\n1,2,3\n", as_csv=True)) == [(2, "has more fields than the header")]
    (fault,) = read_records('a,b\n"1" 2,3\n', as_csv=True)
    assert str(fault[1]).startswith("is no CSV")


def test_a_record_that_comes_twice_counts_once_and_of_two_different_ones_the_first():
    one = usage_record(RECORD, TOKYO)
    other = usage_record({**RECORD, "quantity": 6}, TOKYO)
    assert unique([one, one]) == ([one], [])
    assert unique([one, other]) == ([one], ["r-1"])
