"""How fast an account is called: no window is overfull, hardly a permit is wasted, and the vendor's word counts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import connectors
from connectors.base import Limit, Ports, Settings
from connectors.errors import DailyLimit, Retryable
from connectors.pace import Pace, Pool
from tests.conftest import FixedToken, NoWait


def pace(clock: Any, *limits: Limit, changed: Mapping[str, int] | None = None, minute: float = 60.0) -> Pace:
    found = Settings(name="books", vendor="v", base_url="u", minute_seconds=minute, limits=changed or {})
    return Pace(found, Ports(credentials=FixedToken("t"), clock=clock), limits)


def overfull(sent: list[float], limit: Limit) -> list[float]:
    """Return the calls that made a window of the limit overfull."""
    later = zip(sent, sent[limit.calls :], strict=False)
    return [end for start, end in later if end - start < limit.seconds - 1e-6]


def call(pool: Pool, clock: NoWait, times: int) -> list[float]:
    sent = []
    for _ in range(times):
        with pool.permit():
            sent.append(clock.now)
    return sent


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(1, 40), st.floats(0.1, 120)), min_size=1, max_size=3),
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=60),
    start=st.floats(0, 1e7),
)
def test_no_window_of_any_limit_is_ever_overfull(
    calls: list[tuple[int, float]], pauses: list[float], start: float
) -> None:
    clock = NoWait()
    clock.now = start
    limits = [Limit(f"limit_{number}", *found) for number, found in enumerate(calls)]
    pool, sent = pace(clock, *limits).pool(), []
    for pause in pauses:
        clock.now += pause
        try:
            sent += call(pool, clock, 1)
        except DailyLimit as used_up:  # a limit that lasts longer than anybody sleeps
            clock.now += used_up.after or 0
            sent += call(pool, clock, 1)
    assert [overfull(sent, limit) for limit in limits] == [[] for _ in limits]


def test_a_call_that_still_fits_is_not_delayed_and_the_next_one_not_longer_than_it_must() -> None:
    clock = NoWait()
    pool = pace(clock, Limit("ten_seconds", 3, 10.0), Limit("minute", 100, 60.0)).pool()
    sent = call(pool, clock, 4)
    assert sent[:3] == [0, 0, 0]
    assert 10 < sent[3] < 10.1


@pytest.mark.parametrize(("calls", "seconds"), [(60, 60.0), (120, 60.0), (190, 10.0), (25, 1.0)])
def test_at_least_97_percent_of_a_limit_can_be_used(calls: int, seconds: float) -> None:
    clock = NoWait()
    windows = 20
    call(pace(clock, Limit("x", calls, seconds)).pool(), clock, calls * windows + 1)
    assert windows * seconds / clock.now >= 0.97


def test_threads_that_share_an_account_share_its_windows() -> None:
    clock, sent = NoWait(), list[float]()
    shared = pace(clock, Limit("second", 5, 1.0))

    def work() -> None:
        sent.extend(call(shared.pool(), clock, 10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 40
    assert clock.now >= 40 / 5 - 1


def test_a_limit_of_one_kind_counts_each_scope_by_itself_and_the_rest_counts_all() -> None:
    clock = NoWait()
    shared = pace(clock, Limit("second", 6, 1.0), Limit("endpoint", 2, 1.0, only="endpoint"))
    charges, refunds, others = shared.pool("endpoint", "charges"), shared.pool("endpoint", "refunds"), shared.pool()
    assert call(charges, clock, 2) + call(refunds, clock, 2) + call(others, clock, 2) == [0] * 6
    assert call(others, clock, 1)[0] > 1


def test_the_configuration_lowers_and_raises_a_limit() -> None:
    clock = NoWait()
    call(pace(clock, Limit("minute", 60, 60.0), changed={"minute": 30}).pool(), clock, 31)
    assert clock.now > 60


def test_a_limit_that_the_vendor_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"connections.books.limits: v has no hour"):
        pace(NoWait(), Limit("minute", 60, 60.0), changed={"hour": 3})


def test_a_sandbox_with_shorter_minutes_has_shorter_windows() -> None:
    clock = NoWait()
    call(pace(clock, Limit("minute", 60, 60.0), minute=6.0).pool(), clock, 61)
    assert 6 < clock.now < 6.1


def test_the_limit_of_a_day_is_not_slept_on() -> None:
    clock = NoWait()
    pool = pace(clock, Limit("day", 3, 86_400.0)).pool()
    call(pool, clock, 3)
    with pytest.raises(DailyLimit, match=r"books is paused until .*: 3 calls in 86573 s") as used_up:
        call(pool, clock, 1)
    assert clock.now == 0
    assert used_up.value.after == pytest.approx(86_573, abs=1)


def test_what_the_vendor_says_is_left_counts_where_it_is_less_than_we_think() -> None:
    clock = NoWait()
    account = pace(clock, Limit("minute", 60, 60.0))
    pool = account.pool()
    call(pool, clock, 1)
    account.says_left({"minute": "2", "day": "1", "other": None})  # others use the same application
    assert call(pool, clock, 2) == [0, 0]
    assert call(pool, clock, 1)[0] > 60


@pytest.mark.parametrize("said", [None, "", "many", "-3", "59"])
def test_a_word_about_what_is_left_that_says_nothing_new_delays_nobody(said: str | None) -> None:
    clock = NoWait()
    account = pace(clock, Limit("minute", 60, 60.0))
    pool = account.pool()
    call(pool, clock, 1)
    account.says_left({"minute": said})
    assert call(pool, clock, 59) == [0] * 59


def test_an_old_word_about_what_is_left_is_not_heard() -> None:
    clock = NoWait()
    account = pace(clock, Limit("minute", 60, 60.0))
    pool = account.pool()
    call(pool, clock, 60)
    account.says_left({"minute": "0"})
    clock.now += 50
    assert call(pool, clock, 60)[-1] < 61  # not a minute from when it was said


def test_a_pause_also_ends_the_permits_in_hand() -> None:
    clock = NoWait()
    account = pace(clock, Limit("minute", 600, 60.0))
    pool = account.pool()
    call(pool, clock, 10)
    account.refused(Retryable("429", 20.0, "minute"), pool)
    assert call(pool, clock, 1) == [20.0]


def test_so_many_calls_run_at_the_same_time_and_no_more() -> None:
    clock = NoWait()
    account = pace(clock, Limit("concurrent", 2))
    with account.slot(), account.slot():
        assert account.quota.slot("v u books concurrent", 2) is None
    with account.slot(), pytest.raises(ZeroDivisionError), account.slot():
        raise ZeroDivisionError
    with account.slot(), account.slot():
        pass


def test_a_vendor_without_limits_is_called_at_once() -> None:
    call(pace(NoWait()).pool(), NoWait(), 3)


@pytest.mark.parametrize(
    ("vendor", "place"),
    [
        ("hubspot", "connectors.hubspot.api"),
        ("stripe", "connectors.stripe"),
        ("quickbooks", "connectors.quickbooks.transport"),
        ("xero", "connectors.xero.client"),
    ],
)
def test_the_configuration_knows_the_limits_of_each_vendor_by_name(vendor: str, place: str) -> None:
    module = import_module(place)
    assert connectors.LIMITS[vendor] == tuple(limit.name for limit in module.LIMITS)
