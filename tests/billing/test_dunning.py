"""Which reminder an overdue invoice gets, and everything that speaks against one."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import dunning
from billing.dunning import LADDER, STEPS, Standing, due_step, owed, reached

DUE = date(2026, 9, 30)


def standing(**changes: Any) -> Standing:
    """Return an invoice of which nothing speaks against reminding."""
    known = {"due_on": DUE, "open": 100_00, "books_open": 100_00, "fresh": True}
    return Standing(**{**known, "delivered_on": DUE - timedelta(days=30), **changes})


def decided(days: int, **changes: Any) -> tuple[str | None, str | None]:
    return due_step(standing(**changes), DUE + timedelta(days=days))


@pytest.mark.parametrize(
    ("days", "step"),
    [
        (-3, None),
        (0, None),
        (1, "friendly"),
        (6, "friendly"),
        (7, "firm"),
        (13, "firm"),
        (14, "escalation"),
        (400, "escalation"),
    ],
)
def test_the_ladder_counts_days_after_the_due_date(days: int, step: str | None) -> None:
    assert reached(DUE, DUE + timedelta(days=days)) == step
    assert decided(days)[0] == step


def test_a_missed_day_sends_only_the_newest_step_and_never_the_one_that_was_missed() -> None:
    assert decided(8) == ("firm", None)
    assert decided(9, sent=frozenset({"firm"})) == (None, "sent")
    assert decided(30) == ("escalation", None)


def test_a_step_is_sent_once() -> None:
    assert decided(3, sent=frozenset({"friendly"})) == (None, "sent")
    assert decided(7, sent=frozenset({"friendly"})) == ("firm", None)
    assert decided(20, sent=frozenset({"escalation"})) == (None, "finished")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"voided": True}, "voided"),
        ({"delivered_on": None}, "not_delivered"),
        ({"wanted": False}, "not_wanted"),
        ({"open": 0}, "paid"),
        ({"books_open": 0}, "paid_in_books"),
        ({"disputed": True}, "disputed"),
        ({"parked": True}, "parked"),
        ({"fresh": False}, "stale"),
        ({"books_open": None}, "stale"),
        ({"cash": 100_00}, "cash_waiting"),
        ({"cash": 100_00, "books_open": 60_00}, "cash_waiting"),
    ],
)
def test_whatever_speaks_against_a_reminder_is_said(changes: dict[str, Any], reason: str) -> None:
    assert decided(7, **changes) == (None, reason)


def test_days_count_from_the_delivery_where_that_came_after_the_due_date() -> None:
    delivered = DUE + timedelta(days=10)
    assert decided(10, delivered_on=delivered) == (None, "not_yet")
    assert decided(11, delivered_on=delivered) == ("friendly", None)
    assert decided(24, delivered_on=delivered) == ("escalation", None)


def test_money_that_could_not_cover_the_invoice_does_not_hold_the_reminder_back() -> None:
    assert decided(7, cash=99_99) == ("firm", None)
    assert decided(7, cash=60_00, books_open=60_00) == (None, "cash_waiting")


def test_never_more_is_asked_for_than_both_sides_believe_to_be_open() -> None:
    assert owed(standing(open=70_00)) == 70_00
    assert owed(standing(books_open=40_00)) == 40_00
    assert owed(standing(books_open=None)) == 100_00


def test_a_ladder_may_be_shorter_and_ends_with_its_own_last_step() -> None:
    found = standing()
    assert due_step(found, DUE + timedelta(days=3), (3, 10)) == ("friendly", None)
    assert due_step(found, DUE + timedelta(days=99), (3, 10)) == ("firm", None)
    assert due_step(standing(sent=frozenset({"firm"})), DUE + timedelta(days=99), (3, 10)) == (None, "finished")
    assert due_step(found, DUE + timedelta(days=99), ()) == (None, "not_yet")


STANDINGS = st.builds(
    Standing,
    due_on=st.dates(DUE - timedelta(days=30), DUE + timedelta(days=5)),
    open=st.sampled_from([-1, 0, 1, 50_00, 100_00]),
    books_open=st.sampled_from([None, 0, 1, 50_00, 100_00]),
    fresh=st.booleans(),
    delivered_on=st.none() | st.dates(DUE - timedelta(days=40), DUE),
    wanted=st.booleans(),
    voided=st.booleans(),
    disputed=st.booleans(),
    parked=st.booleans(),
    cash=st.sampled_from([0, 0, 0, 1, 50_00, 100_00]),
    sent=st.frozensets(st.sampled_from(STEPS)),
)
LADDERS = st.lists(st.integers(1, 20), max_size=3, unique=True).map(sorted).map(tuple)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(found=STANDINGS, ladder=LADDERS)
def test_a_step_comes_only_where_nothing_speaks_against_it_and_is_always_the_newest(
    found: Standing, ladder: tuple[int, ...]
) -> None:
    step, reason = due_step(found, DUE, ladder)
    assert (step is None) != (reason is None)
    since = max(found.due_on, found.delivered_on) if found.delivered_on else found.due_on
    late = (DUE - since).days
    passed = sum(late >= days for days in ladder)
    may = (
        found.delivered_on and found.wanted and found.fresh
        and not found.voided and not found.disputed and not found.parked
        and found.open > 0 and (found.books_open or 0) > 0 and found.cash < min(found.open, found.books_open or 0)
    )  # fmt: skip
    newer = [STEPS.index(one) for one in found.sent if STEPS.index(one) >= passed - 1]
    expected = STEPS[passed - 1] if may and passed and not newer else None
    assert step == expected


@settings(max_examples=200, deadline=None, derandomize=True)
@given(days=st.lists(st.integers(0, 25), max_size=12).map(sorted))
def test_however_often_and_late_it_runs_no_step_comes_twice_and_the_steps_only_get_firmer(days: list[int]) -> None:
    sent: list[str] = []
    for late in days:
        step, _ = due_step(standing(sent=frozenset(sent)), DUE + timedelta(days=late))
        if step is not None:
            sent.append(step)
    assert sent == sorted(set(sent), key=lambda one: STEPS.index(one))
    newest = {reached(DUE, DUE + timedelta(days=late)) for late in days} - {None}
    assert set(sent) == newest


def test_the_ladder_of_the_plan_is_the_default() -> None:
    assert LADDER == (1, 7, 14)
    assert dunning.STEPS == ("friendly", "firm", "escalation")
