"""Webhooks make jobs run sooner and change nothing else, however badly they are delivered."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

import app
from connectors.base import WebhookEvent
from store import inbox, runs
from store.database import Store
from store.inbox import Event
from sync import handle_webhooks, scheduler
from sync.context import Source
from sync.handle_webhooks import HASTENED, LOOKS, REST, due
from sync.jobs import JOBS
from tests.receiving import listening, targets
from tests.worlds import TODAY, Bench, Live

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
SOURCES = (
    Source(name="crm", vendor="hubspot", role="crm", entity=""),
    Source(name="stripe_us", vendor="stripe", role="payments", entity="us"),
    Source(name="stripe_uk", vendor="stripe", role="payments", entity="uk"),
    Source(name="books", vendor="xero", role="accounting", entity="uk"),
)
PAYMENTS, CRM = list(HASTENED["payments"]), list(HASTENED["crm"])


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Days:
    """A store in which jobs begin and events come in at given seconds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.events = 0

    def event(self, seconds: float, connection: str = "stripe_us", **more: bytes) -> None:
        self.events += 1
        event = Event(id=f"evt_{self.events}", topic="x", object="ch_1", **more)
        inbox.save(self.store, connection, [event], at(seconds))

    def began(self, seconds: float, *jobs: str, outcome: Any = "done") -> None:
        for job in jobs:
            run = runs.start(self.store, job, "test", at(seconds))
            assert run is not None
            runs.finish(self.store, run, at(seconds), outcome, {})

    def due(self, seconds: float) -> list[str]:
        return due(self.store, SOURCES, at(seconds))


@pytest.fixture
def days(tmp_path: Path) -> Any:
    with Store(tmp_path / "store.db") as store:
        found = Days(store)
        found.began(-3600, *(job.name for job in JOBS))
        yield found


# -------------------------------------------------------------------------------------------------------- what is due


def test_without_an_event_nothing_is_due(days: Days) -> None:
    assert days.due(10**6) == []


def test_an_event_makes_the_jobs_of_its_source_due_at_once_and_in_their_order(days: Days) -> None:
    days.event(0, "stripe_uk")
    assert days.due(0) == PAYMENTS == ["pull_payments", "match_payments", "post_payments"]
    days.event(0, "crm")
    assert days.due(0) == [*CRM, *PAYMENTS]


def test_a_hundred_events_are_one_run(days: Days) -> None:
    for number in range(100):
        days.event(number / 100, ("stripe_us", "stripe_uk")[number % 2])
    assert days.due(1) == PAYMENTS
    days.began(1, *PAYMENTS)
    assert days.due(2) == days.due(3600) == []


def test_an_event_that_came_after_its_jobs_began_makes_them_due_again_after_a_rest(days: Days) -> None:
    days.event(0)
    days.began(1, *PAYMENTS)
    days.event(2)
    rest = REST["payments"].total_seconds()
    assert days.due(rest) == []
    assert days.due(1 + rest) == PAYMENTS


def test_a_run_for_another_reason_serves_as_well(days: Days) -> None:
    days.event(0)
    days.began(5, "pull_payments")
    assert days.due(6) == ["match_payments", "post_payments"]


def test_what_was_not_run_when_the_process_died_is_still_due(days: Days) -> None:
    days.event(0)
    days.began(1, "pull_payments", "match_payments")
    assert days.due(3600) == ["post_payments"]


def test_a_job_that_failed_is_left_to_its_cadence(days: Days) -> None:
    days.event(0)
    days.began(1, *PAYMENTS, outcome="failed")
    assert days.due(3600) == []


def test_a_crm_is_asked_at_once_and_again_when_its_search_must_have_caught_up(days: Days) -> None:
    later = LOOKS["crm"][1].total_seconds()
    days.event(0, "crm")
    assert days.due(0) == CRM
    days.began(1, *CRM)
    assert days.due(later - 1) == []
    assert days.due(later) == CRM
    days.began(later, *CRM)
    assert days.due(later + 1) == days.due(10**6) == []


def test_a_ledger_is_read_soon_but_not_again_and_again_while_we_book_ourselves(days: Days) -> None:
    days.event(0, "books")
    assert days.due(0) == ["pull_ledger"]
    days.began(1, "pull_ledger")
    days.event(2, "books")
    rest = REST["accounting"].total_seconds()
    assert days.due(rest) == []
    assert days.due(1 + rest) == ["pull_ledger"]


def test_an_event_of_a_connection_that_is_gone_does_no_harm(days: Days) -> None:
    days.event(0, "gone")
    assert days.due(1) == []


def test_a_clock_that_is_set_back_makes_nothing_run_without_end(days: Days) -> None:
    days.event(0)
    days.began(1, *PAYMENTS)
    assert days.due(-86_400) == []
    days.event(-86_400)
    assert days.due(-86_399) == PAYMENTS  # the run on record lies in the future and says nothing
    days.began(-86_399, *PAYMENTS)
    assert days.due(-86_300) == []


def test_a_signed_event_that_nobody_can_read_is_reported_at_once_and_asked_after_like_any_other(days: Days) -> None:
    days.event(0, unreadable=b"poison")
    assert days.due(0) == [*PAYMENTS, "handle_webhooks"]
    days.began(1, *PAYMENTS, "handle_webhooks")
    assert days.due(3600) == []


# ------------------------------------------------------------------------------------------------------------ the job


def test_unreadable_webhooks_are_one_item_per_connection_that_closes_when_they_are_forgotten(bench: Bench) -> None:
    with bench.store() as store:
        for name in ("1", "2"):
            event = Event(id=name, topic="", object="", unreadable=b"\xff poison")
            inbox.save(store, "stripe_us", [event], bench.now())
    assert bench.run("handle_webhooks")["handle_webhooks"].opened == 1
    item = bench.item("unreadable_webhook")
    assert item.message.startswith("2 webhook(s) that stripe_us signed since 2026-09-01")
    assert "poison" in item.message
    assert not bench.run("handle_webhooks")["handle_webhooks"].changed

    bench.today += timedelta(days=31)
    done = bench.run("handle_webhooks")["handle_webhooks"]
    assert (done.tally, done.closed) == ({"old webhooks forgotten": 2}, 1)


def test_a_dismissed_item_comes_back_only_when_more_comes(bench: Bench) -> None:
    def save(name: str) -> None:
        with bench.store() as store:
            inbox.save(store, "crm", [Event(id=name, topic="", object="", unreadable=b"?")], bench.now())

    save("1")
    bench.run("handle_webhooks")
    bench.decide("unreadable_webhook", "dismiss")
    assert not bench.run("handle_webhooks")["handle_webhooks"].changed
    save("2")
    assert bench.run("handle_webhooks")["handle_webhooks"].opened == 1


class Provider:
    """A payment provider that could not deliver some events."""

    def __init__(self) -> None:
        self.lost: list[WebhookEvent] = []
        self.asked: list[datetime] = []

    def undelivered(self, since: datetime) -> list[WebhookEvent]:
        self.asked.append(since)
        return self.lost


@pytest.fixture
def provider(bench: Bench) -> Provider:
    made = Provider()
    bench.sources = (*bench.sources, *SOURCES[1:3])
    bench.books |= {"stripe_us": made, "stripe_uk": made}  # type: ignore[dict-item]
    return made


def test_a_lost_webhook_is_found_and_asked_after_as_if_it_had_come(bench: Bench, provider: Provider) -> None:
    with bench.store() as store:
        inbox.save(store, "stripe_us", [Event(id="evt_1", topic="x", object="ch_1")], bench.now() - timedelta(days=1))
    provider.lost = [WebhookEvent(id=id_, topic="charge.failed", object="ch_2") for id_ in ("evt_1", "evt_2")]
    assert bench.run("handle_webhooks")["handle_webhooks"].tally == {"lost webhooks found": 1}
    with bench.store() as store:
        assert due(store, bench.sources, bench.now() + timedelta(seconds=1)) == PAYMENTS
    assert not bench.run("handle_webhooks")["handle_webhooks"].changed
    first, second = provider.asked
    assert (bench.now() - first).days == 30
    assert second == bench.now() - handle_webhooks.OVERLAP


def test_who_uses_no_webhooks_pays_no_call_for_lost_ones(bench: Bench, provider: Provider) -> None:
    bench.run("handle_webhooks")
    assert provider.asked == []


# -------------------------------------------------------------------------------------------------------- the whole way


def tell(live: Live, port: int, delivery: str) -> None:
    order = targets(port, delivery) if delivery != "none" else []
    requests.post(f"{live.running.url}/_sandbox/webhooks", json=order, timeout=5).raise_for_status()


def test_a_payment_is_in_the_books_soon_after_stripe_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        handle_webhooks, "REST", dict.fromkeys(REST, timedelta(0))
    )  # every job has just run in the first pass
    monkeypatch.setattr(scheduler, "LOOK", timedelta(milliseconds=100))
    live = Live(tmp_path)
    live.sell()
    live.done()
    began = datetime.now(UTC).isoformat()  # the schedule's clock is the real one
    with listening(live) as port, app.scheduled(app.load_config(live.file)):
        finished = f"SELECT count(DISTINCT job) FROM runs WHERE outcome IS NOT NULL AND started_at>='{began}'"
        until(lambda: live.rows(finished)[0][0] == len(JOBS))  # the first pass, in which every job runs once
        tell(live, port, "once")
        live.pay(100_00, "UK-00001")
        until(lambda: len(live.rows("SELECT 1 FROM applications")) == 1)
        until(lambda: len(live.rows("SELECT 1 FROM outbox WHERE kind='payment' AND state='done'")) == 1)
    assert live.issued()["UK-00001"].open == 0


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def story(folder: Path, delivery: str) -> dict[str, Any]:
    """Live through a fortnight with webhooks delivered in some way; return how everything ends."""
    folder.mkdir()
    live = Live(folder)
    told: list[int] = []
    with listening(live) as port:

        def hasten() -> None:
            """Run what the webhooks of this hour ask for, as the scheduler does."""
            live.sandbox.webhooks.wait()
            with live.store() as store:
                told.append(store.one("SELECT count(*) FROM inbox"))
                world = app.LiveWorld(app.load_config(live.file))
                names = due(store, world.sources, datetime.now(UTC)) if told[-1] else []
            if names:
                live.done(*names)

        tell(live, port, delivery)
        deal = live.sell(price="10")
        hasten()
        live.change_price(deal, "100")
        live.sell("Acme Inc", price="50", deal_currency_code="USD")
        hasten()
        live.done()  # every night, everything

        live.pay(100_00, "UK-00001")
        hasten()
        live.pay(20_00, "US-00001", entity="us", payment_method="pm_usBankAccount_success")
        live.pay(30_00, "US-00001", entity="us", payment_method="pm_usBankAccount_accountClosed")
        live.move_to(TODAY + timedelta(days=7))
        hasten()
        live.done()

        live.change_price(deal, "120")
        hasten()
        live.stripe("POST", "refunds", payment_intent=live.pay(5_00), amount=2_00)
        hasten()
        live.move_to(TODAY + timedelta(days=14))
        hasten()
        live.done()
        live.sandbox.webhooks.wait()
    return {"end": _end(live), "events": told[-1]}


def _end(live: Live) -> dict[str, Any]:
    """Return everything but the numbers that depend on what was done first, and when."""
    books = {
        "quickbooks": ("Invoice", "Payment", "CreditMemo"), "xero": ("Invoices", "Payments", "CreditNotes"),
    }  # fmt: skip
    held = {name: live.sandbox.vendors[name].state() for name in books}
    return {
        "documents": live.rows(
            "SELECT number, contract, type, status, issue_on, due_on, total, open FROM documents ORDER BY number"
        ),
        "contracts": live.rows("SELECT key, terms, proposed FROM contracts ORDER BY key"),
        "payments": live.rows(
            "SELECT connection, vendor_id, amount, refunded, status, received_on FROM payments ORDER BY vendor_id"
        ),
        "applications": live.rows(
            "SELECT p.vendor_id, d.number, a.amount FROM applications a JOIN payments p ON p.id=a.payment_id"
            " JOIN documents d ON d.id=a.document_id ORDER BY 1, 2"
        ),
        "waiting": sorted(item.message for item in live.items()),
        "books": {name: {kind: len(found) for kind, found in by_kind.items()} for name, by_kind in held.items()},
    }


def test_whether_webhooks_come_twice_late_in_any_order_or_not_at_all_the_end_is_the_same(tmp_path: Path) -> None:
    without = story(tmp_path / "none", "none")
    assert len(without["end"]["documents"]) == 2
    assert without["events"] == 0
    for delivery in ("twice", "late", "shuffled"):
        found = story(tmp_path / delivery, delivery)
        assert found["events"] > 20
        assert found["end"] == without["end"], delivery
