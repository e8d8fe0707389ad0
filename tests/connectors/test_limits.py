"""What each vendor says in its own headers about its limits is heard, at the stand-ins over loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors import connect
from connectors.base import Ports, Settings
from connectors.errors import DailyLimit, Retryable
from connectors.http import RealClock
from connectors.hubspot.api import seconds_to_midnight
from sandbox.core import LOCK, Fault, RateLimit
from sandbox.server import Options, Running
from sandbox.xero.vendor import API
from tests.conftest import FixedToken, NoWait

ACCESS = {
    "hubspot": ("", "pat-sandbox-1"),
    "stripe": ("", "sk_test_sandbox_us"),
    "quickbooks": ("9130350000000001", "sandbox-quickbooks-1"),
    "xero": ("5d4f1c1e-0000-4000-8000-00000000c0de", "sandbox-xero-1"),
}

BUSY = '{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "busy"}}'


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with Running(Options(today=date(2026, 6, 1), deals=0)) as running:
        yield running


@pytest.fixture
def running(server: Running) -> Running:
    with LOCK:
        server.sandbox.reset()
    return server


def open_account(running: Running, vendor: str, clock: Any, minute: float = 60.0) -> Any:
    account, token = ACCESS[vendor]
    settings = Settings(
        name="account", vendor=vendor, base_url=f"{running.url}/{vendor}", account=account, minute_seconds=minute
    )
    return connect(settings, Ports(credentials=FixedToken(token), clock=clock))


def refuse(running: Running, vendor: str, headers: Mapping[str, str] = {}, body: str = "", times: int = 1) -> None:
    """Let the next calls be answered with a 429."""
    fault = Fault(vendor, "error_before", status=429, headers=dict(headers), body=body, times=times)
    running.sandbox.faults.ordered.append(fault)


@pytest.mark.parametrize(
    ("vendor", "headers", "body", "seconds"),
    [
        ("xero", {"X-Rate-Limit-Problem": "minute", "Retry-After": "23"}, "", 23),
        ("xero", {"X-Rate-Limit-Problem": "Minute"}, "", 60),
        ("xero", {"X-Rate-Limit-Problem": "appminute", "Retry-After": "7"}, "", 7),
        ("xero", {"X-Rate-Limit-Problem": "concurrent"}, "", 1),
        ("xero", {"X-Rate-Limit-Problem": "another", "Retry-After": "5"}, "", 5),
        ("hubspot", {}, '{"policyName": "SECONDLY", "message": "m"}', 1),
        ("hubspot", {}, '{"policyName": "TEN_SECONDLY_ROLLING", "message": "m"}', 10),
        ("hubspot", {"Retry-After": "4"}, '{"policyName": "TEN_SECONDLY_ROLLING", "message": "m"}', 4),
        ("hubspot", {"Retry-After": "3"}, "<html>too many</html>", 3),
        ("stripe", {"Stripe-Rate-Limited-Reason": "endpoint-rate"}, BUSY, 1),
        ("stripe", {"Stripe-Rate-Limited-Reason": "global-rate"}, BUSY, 1),
        ("stripe", {"Stripe-Rate-Limited-Reason": "global-concurrency"}, BUSY, 0.5),
        ("stripe", {"Retry-After": "6"}, BUSY, 6),
        ("quickbooks", {}, "<x>message=ThrottleExceeded; errorCode=003001</x>", 15),
        ("quickbooks", {"Retry-After": "9"}, "<x>message=ThrottleExceeded; errorCode=003001</x>", 9),
    ],
)
def test_a_refused_call_is_made_again_when_the_vendor_said_and_succeeds(
    running: Running, vendor: str, headers: dict[str, str], body: str, seconds: float
) -> None:
    clock = NoWait()
    account = open_account(running, vendor, clock)
    refuse(running, vendor, headers, body)
    assert account.probe().account_name
    assert clock.now == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("vendor", list(ACCESS))
def test_a_date_after_which_to_call_again_is_waited_for(running: Running, vendor: str) -> None:
    clock = NoWait()
    account = open_account(running, vendor, clock)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    refuse(running, vendor, {"Retry-After": soon}, BUSY)
    account.probe()
    assert clock.now == pytest.approx(40, abs=3)


def test_a_throttled_call_holds_back_the_ones_after_it(running: Running) -> None:
    clock = NoWait()
    account = open_account(running, "quickbooks", clock)
    account.probe()
    refuse(running, "quickbooks", {}, "<x>message=ThrottleExceeded; errorCode=003001</x>", times=-1)
    with pytest.raises(Retryable):
        account.probe()
    running.sandbox.faults.ordered.clear()
    before = clock.now
    account.probe()
    assert clock.now - before == pytest.approx(15, abs=0.01)


def test_an_endpoint_that_is_used_up_at_stripe_holds_back_only_itself(running: Running) -> None:
    clock = NoWait()
    account = open_account(running, "stripe", clock)
    refuse(running, "stripe", {"Stripe-Rate-Limited-Reason": "endpoint-rate"}, BUSY, times=-1)
    with pytest.raises(Retryable):
        account.probe()
    running.sandbox.faults.ordered.clear()
    before = clock.now
    list(account.customers(None))
    assert clock.now == before
    account.probe()
    assert clock.now - before == pytest.approx(1, abs=0.01)


def test_xeros_count_of_what_is_left_is_kept_although_we_think_there_is_more() -> None:
    """Another application of the company calls, too: the stand-in takes three calls where we think of sixty."""
    with Running(Options(today=date(2026, 6, 1), deals=0, minute=0.6)) as running:
        xero = running.sandbox.vendors["xero"]
        xero.limits = (RateLimit("minute", 3, 60, path=API), RateLimit("day", 5000, 86_400, path=API))
        account = open_account(running, "xero", RealClock(), minute=0.6)
        for _ in range(7):
            account.probe()
        assert (xero.calls.total(), xero.limited) == (7, 0)


@pytest.mark.parametrize(
    ("headers", "hours"),
    [
        ({"X-Rate-Limit-Problem": "day", "Retry-After": "18000"}, 5),
        ({"X-Rate-Limit-Problem": "day"}, 24),
        ({"X-DayLimit-Remaining": "0", "Retry-After": "7200"}, 2),
    ],
)
def test_a_day_that_is_used_up_at_xero_ends_when_it_says(running: Running, headers: dict[str, str], hours: int) -> None:
    clock = NoWait()
    account = open_account(running, "xero", clock)
    refuse(running, "xero", headers)
    with pytest.raises(DailyLimit) as used_up:
        account.probe()
    assert used_up.value.until - datetime.now(UTC) == pytest.approx(timedelta(hours=hours), abs=timedelta(seconds=5))
    asked = running.sandbox.vendors["xero"].calls.total()
    with pytest.raises(DailyLimit, match="account is paused until"):
        account.probe()
    assert running.sandbox.vendors["xero"].calls.total() == asked
    clock.now += hours * 3600
    assert account.probe().account_name


def test_a_retry_after_of_hours_is_a_pause_and_not_a_wait(running: Running) -> None:
    clock = NoWait()
    account = open_account(running, "hubspot", clock)
    until = format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True)
    fault = Fault("hubspot", "error_before", status=477, headers={"Retry-After": until}, body="{}")  # being moved
    running.sandbox.faults.ordered.append(fault)
    with pytest.raises(DailyLimit, match=r"account is paused until .* answered 477"):
        account.probe()
    assert clock.now == 0


def test_a_day_that_hubspot_says_is_used_up_pauses_the_account_before_a_call_is_refused(running: Running) -> None:
    account = open_account(running, "hubspot", NoWait())
    headers = {"X-HubSpot-RateLimit-Daily-Remaining": "0", "X-HubSpot-RateLimit-Remaining": "80"}
    body = json.dumps({"portalId": 7})
    running.sandbox.faults.ordered.append(Fault("hubspot", "error_before", status=200, headers=headers, body=body))
    account.probe()
    with pytest.raises(DailyLimit):
        account.probe()
    assert running.sandbox.vendors["hubspot"].calls.total() == 1


def test_a_day_that_is_used_up_at_hubspot_ends_at_midnight_in_the_accounts_zone(running: Running) -> None:
    account = open_account(running, "hubspot", NoWait())
    refuse(running, "hubspot", {}, '{"policyName": "DAILY", "message": "m"}')
    with pytest.raises(DailyLimit) as used_up:
        account.probe()
    midnight = used_up.value.until.astimezone(ZoneInfo("US/Eastern")) + timedelta(seconds=30)
    assert (midnight.hour, midnight.minute) == (0, 0)


def test_where_hubspot_tells_no_zone_any_more_it_is_asked_again_in_an_hour(running: Running) -> None:
    account = open_account(running, "hubspot", NoWait())
    refuse(running, "hubspot", {}, '{"policyName": "DAILY", "message": "m"}', times=-1)
    with pytest.raises(DailyLimit) as used_up:
        account.probe()
    assert used_up.value.after == 3600


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 6, 1, 20, tzinfo=ZoneInfo("Europe/Berlin")), 4),
        (datetime(2026, 3, 29, 0, tzinfo=ZoneInfo("Europe/Berlin")), 23),  # summer time begins
        (datetime(2026, 10, 25, 0, tzinfo=ZoneInfo("Europe/Berlin")), 25),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), 0.5),
    ],
)
def test_a_midnight_is_so_many_real_hours_ahead(now: datetime, hours: float) -> None:
    assert seconds_to_midnight(now) == hours * 3600
