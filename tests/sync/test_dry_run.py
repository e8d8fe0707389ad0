"""A dry run says what would happen, and nothing happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync import credits
from tests.worlds import DAILY, NOBODY, Live


@pytest.fixture
def ready(live: Live) -> Live:
    """A store with one customer's invoice in the books, and a new deal and payments that wait."""
    live.sell()
    live.done(*DAILY)
    live.sell("Second Ltd")
    live.sell("Acme Inc", deal_currency_code="USD")
    live.pay(100_00, "UK-00001")
    return live


def files(live: Live) -> dict[Path, bytes]:
    """Return every file but the counted calls, which a dry run makes like any other."""
    return {
        file: file.read_bytes()
        for file in live.file.parent.rglob("*")
        if file.is_file() and ".quota" not in file.name and file.parent.suffix != ".locks"
    }


def test_a_dry_run_writes_at_no_vendor_and_leaves_every_file_as_it_was(ready: Live) -> None:
    writes, before = ready.writes(), files(ready)
    results = ready.sync(dry_run=True)
    assert {result.outcome for result in results.values()} == {"done"}
    assert ready.writes() == writes
    assert files(ready) == before


def test_a_dry_run_says_what_it_would_create_at_which_ledger(ready: Live) -> None:
    results = ready.sync(dry_run=True)
    assert ready.world.noted() == {
        "hubspot": {"deal update": 3, "company update": 3},
        "quickbooks_us": {"customer": 1, "document": 1},
        "stripe_uk": {},
        "stripe_us": {},
        "xero_uk": {"customer": 1, "document": 1, "payment": 1},
    }
    assert results["issue_invoices"].tally == {"invoices issued": 2}
    assert results["match_payments"].tally == {"payments matched": 1}


def test_a_dry_run_burns_no_number_and_the_real_run_then_does_what_it_said(ready: Live) -> None:
    rehearsed = {name: result.tally for name, result in ready.sync(dry_run=True).items() if name != "pull_ledger"}
    real = {name: result.tally for name, result in ready.done().items() if name != "pull_ledger"}
    assert real == rehearsed
    assert sorted(ready.issued()) == ["UK-00001", "UK-00002", "US-00001"]


def test_a_dry_run_with_a_vendor_that_is_down_says_which(ready: Live) -> None:
    ready.fault("xero", "unauthorized", times=-1)
    results = ready.sync(dry_run=True)
    assert set(results["push_documents"].failures) == {"xero_uk"}
    ready.mend()
    assert ready.rows("SELECT state FROM connections WHERE name='xero_uk'") == [("ok",)]


def test_a_first_dry_run_reads_the_crm_and_keeps_nothing(live: Live) -> None:
    live.sell()
    live.sync(dry_run=True)
    assert live.world.noted() == {
        "hubspot": {"deal update": 1, "company update": 1},
        "quickbooks_us": {},
        "stripe_uk": {},
        "stripe_us": {},
        "xero_uk": {"customer": 1, "document": 1},
    }
    assert not any(rows for name, rows in live.contents().items() if name not in ("_sqlite_migrations", "runs"))
    assert live.rows("SELECT count(*) FROM runs") == [(0,)]


def test_a_dry_run_rehearses_everything_that_is_done_to_cash(ready: Live) -> None:
    ready.done()
    intent = ready.pay(130_00, "UK-00002")
    ready.pay(150_00, "US-00001", entity="us")
    ready.done("pull_payments", "match_payments", "post_payments")
    ready.stripe("POST", "refunds", payment_intent=intent, amount=10_00)
    with ready.store() as store:
        row = credits.find(store, "UK-00001")
        credits.give(store, ready.world, NOBODY, row, credits.Wish(), "agreed")
    ready.move_to(ready.today.replace(day=12))
    ready.pay(70_00, "UK-00002")
    writes, before = ready.writes(), files(ready)
    assert {result.outcome for result in ready.sync(dry_run=True).values()} == {"done"}
    noted = ready.world.noted()
    assert noted["xero_uk"] == {"document": 1, "refund": 1, "expense": 1, "transfer": 1}
    assert noted["quickbooks_us"] == {"expense": 3, "transfer": 2}
    assert (ready.writes(), files(ready)) == (writes, before)
