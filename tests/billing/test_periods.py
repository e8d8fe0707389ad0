from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from itertools import islice

import pytest

from billing.periods import Grid, Period, anchor_number, anchored, common_size, measure, parts, ratio, unit_size
from billing.terms import Interval, parse_interval


def grid(start: str, every: str = "month", anchor: int | None = None) -> Grid:
    origin = date.fromisoformat(start)
    return Grid.of(origin, parse_interval(every), anchor or origin.day)


def first(of: Grid, count: int, start: date | None = None) -> list[str]:
    return [period.starts.isoformat() for period in islice(of.periods(start or of.origin, None), count)]


def test_a_month_anchored_on_the_31st_returns_to_it_after_shorter_months():
    assert first(grid("2026-01-31"), 5) == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_a_year_from_29_february_returns_to_it_in_leap_years():
    assert first(grid("2024-02-29", "year"), 5) == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


def test_thirty_day_blocks_never_align_to_months():
    assert first(grid("2016-04-08", "30 days"), 3) == ["2016-04-08", "2016-05-08", "2016-06-07"]


def test_two_weeks_are_fourteen_days():
    assert first(grid("2026-03-25", "2 weeks"), 3) == ["2026-03-25", "2026-04-08", "2026-04-22"]


def test_last_means_the_last_day_of_every_month():
    anchor = anchor_number("last", date(2026, 2, 10))
    assert anchored(2026 * 12 + 1, anchor) == date(2026, 2, 28)
    assert anchored(2026 * 12 + 4, anchor) == date(2026, 5, 31)


def test_a_start_that_is_the_clamped_anchor_opens_a_full_period():
    (period,) = islice(grid("2026-04-30", anchor=31).periods(date(2026, 4, 30), None), 1)
    assert period == (date(2026, 4, 30), date(2026, 5, 31), date(2026, 4, 30), date(2026, 5, 31))
    assert not period.is_stub


@pytest.mark.parametrize(
    ("start", "every", "anchor", "boundary"),
    [
        ("2026-03-07", "month", 8, "2026-03-08"),
        ("2026-03-08", "month", 8, "2026-03-08"),
        ("2026-03-09", "month", 8, "2026-04-08"),
        ("2026-03-09", "quarter", 8, "2026-06-08"),
        ("2026-03-09", "year", 8, "2027-03-08"),
        ("2026-12-31", "month", 30, "2027-01-30"),
    ],
)
def test_the_first_boundary_is_the_first_anchor_on_or_after_the_start(start, every, anchor, boundary):
    of = grid(start, every, anchor)
    first = next(of.periods(of.origin, None))
    assert (first.until if first.is_stub else first.starts).isoformat() == boundary


def test_a_stub_belongs_to_the_full_period_found_from_the_anchor():
    (stub,) = islice(grid("2011-02-01", anchor=13).periods(date(2011, 2, 1), None), 1)
    assert stub == Period(date(2011, 2, 1), date(2011, 2, 13), date(2011, 1, 13), date(2011, 2, 13))
    assert stub.is_stub


def test_periods_stop_at_the_end_and_the_last_one_may_be_a_stub():
    found = list(grid("2026-01-15").periods(date(2026, 1, 15), date(2026, 2, 20)))
    assert [(period.starts.day, period.until.day, period.is_stub) for period in found] == [
        (15, 15, False),
        (15, 20, True),
    ]
    assert list(grid("2026-01-15").periods(date(2026, 1, 15), date(2026, 1, 15))) == []


def test_periods_before_the_origin_follow_the_same_anchor():
    of = grid("2026-03-31")
    assert of.index_of(date(2026, 2, 27)) == -2
    assert of.boundary(-1) == date(2026, 2, 28)


def test_parts_are_a_part_of_a_period_whole_ones_and_a_part_of_the_last():
    months = grid("2021-01-01", anchor=10)
    assert parts(months, date(2022, 1, 5), date(2022, 7, 1)) == ((5, 31), (5, 1), (21, 30))
    assert parts(months, date(2022, 1, 12), date(2022, 1, 20)) == ((8, 31),)
    assert parts(months, date(2022, 1, 10), date(2022, 3, 10)) == ((2, 1),)
    assert Fraction(*ratio(((5, 31), (5, 1), (21, 30)))) == Fraction(5, 31) + 5 + Fraction(7, 10)
    assert ratio(()) == (0, 1)


@pytest.mark.parametrize("anchor", [28, 29, 30, 31])
@pytest.mark.parametrize("month", range(1, 13))
def test_under_thirty_360_the_two_halves_of_a_period_make_thirty_days(anchor, month):
    of = grid("2026-01-01", anchor=anchor)
    starts = anchored(2026 * 12 + month - 1, anchor)
    until = anchored(2026 * 12 + month, anchor)
    for offset in range(1, (until - starts).days):
        middle = starts + timedelta(days=offset)
        one, other = (parts(of, *span, thirty_360=True) for span in ((starts, middle), (middle, until)))
        assert one[0][0] + other[0][0] == 30
        assert min(one[0][0], other[0][0]) >= 0


def test_thirty_360_leaves_weeks_and_days_at_their_actual_length():
    weeks = grid("2026-01-01", "week")
    assert parts(weeks, date(2026, 1, 1), date(2026, 1, 4), thirty_360=True) == ((3, 7),)


def test_the_common_size_divides_both_intervals():
    assert common_size(Interval(4, "month"), Interval(12, "month")) == 4
    assert common_size(Interval(6, "month"), Interval(4, "month")) == 2
    assert common_size(Interval(2, "week"), Interval(1, "week")) == 7


def test_a_finer_grid_keeps_every_boundary_of_the_coarser():
    of = grid("2026-01-31", "half_year")
    assert {of.boundary(index) for index in range(4)} <= {of.finer(1).boundary(index) for index in range(24)}


@pytest.mark.parametrize(
    ("proration", "unit", "expected"),
    [
        ("actual", 3, ((52, 90),)),  # of 1 December to 1 March
        ("actual", 1, ((18, 31), (1, 1), (3, 28))),
        ("thirty_360", 3, ((50, 90),)),
        ("thirty_360", 1, ((17, 30), (1, 1), (3, 30))),
        ("months_then_days", 3, ((52, 90),)),  # of 14 December to 14 March
        ("months_then_days", 1, ((1, 1), (21, 31))),  # to 14 January; of that to 14 February
        ("by_months", 1, ((18, 31), (1, 1), (3, 28))),
        ("none", 3, ((1, 1),)),
        ("none", 1, ((3, 1),)),
    ],
)
def test_a_stub_is_measured_as_the_contract_says(proration, unit, expected):
    of = Grid(date(2025, 12, 1), 3, True, 1)
    period = next(of.periods(date(2025, 12, 14), None))
    found = measure(of, unit, proration, period, period.starts, date(2026, 2, 4))
    assert [Fraction(*one) for one in found] == [Fraction(*one) for one in expected]


@pytest.mark.parametrize("proration", ["actual", "thirty_360", "months_then_days", "by_months", "none"])
def test_a_full_period_is_a_whole_number_of_units_however_stubs_are_measured(proration):
    of = Grid(date(2026, 1, 31), 3, True, 31)
    period = of.whole(0)
    assert measure(of, 1, proration, period, period.starts, period.until) == ((3, 1),)


@pytest.mark.parametrize("proration", ["actual", "thirty_360", "months_then_days", "by_months"])
@pytest.mark.parametrize("start", ["2026-01-31", "2026-02-11"])
def test_the_parts_of_a_period_come_to_the_same_as_all_of_it(proration, start):
    of = Grid(date(2026, 1, 31), 3, True, 31)
    period = next(of.periods(date.fromisoformat(start), date(2026, 4, 20)))
    whole = Fraction(*ratio(measure(of, 1, proration, period, period.starts, period.until)))
    for offset in range(1, (period.until - period.starts).days):
        middle = period.starts + timedelta(days=offset)
        cut = [measure(of, 1, proration, period, *days) for days in ((period.starts, middle), (middle, period.until))]
        assert sum(Fraction(*ratio(one)) for one in cut) == whole


def test_stubs_by_months_are_measured_in_months_where_the_period_is_of_months():
    year, week = parse_interval("year"), parse_interval("2 weeks")
    assert unit_size(year, year, "by_months") == 1
    assert unit_size(year, parse_interval("month"), "actual") == 1
    assert unit_size(year, year, "actual") == 12
    assert unit_size(week, week, "by_months") == 14


def test_periods_that_end_by_a_day_may_be_left_out():
    of = grid("2026-01-15")
    everything = list(of.periods(date(2026, 1, 20), date(2026, 9, 1)))
    for after in (date(2025, 1, 1), date(2026, 1, 20), date(2026, 4, 14), date(2026, 4, 15), date(2026, 9, 30)):
        rest = list(of.periods(date(2026, 1, 20), date(2026, 9, 1), after))
        assert rest == [period for period in everything if period.until > after]


def test_a_full_period_that_begins_on_a_clamped_anchor_is_measured_from_the_anchor_and_not_from_its_own_day():
    of = Grid(date(2026, 1, 31), 3, True, 31)
    clamped = Grid(date(2026, 2, 28), 3, True, 31)  # 28 February stands for the 31st
    for grid_, start, until in (
        (of, date(2026, 1, 31), date(2026, 3, 30)),
        (clamped, date(2026, 2, 28), date(2026, 4, 29)),
    ):
        period = next(grid_.periods(start, until))
        measured = [measure(grid_, 1, mode, period, start, until) for mode in ("months_then_days", "actual")]
        assert measured[0] == measured[1]
