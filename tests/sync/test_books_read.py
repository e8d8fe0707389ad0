"""How far back the books are read: a change that is told late, or never, is known in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import LedgerChanges, LedgerDocument, Ref
from store import ledger
from tests.worlds import Bench, Live

READ_AT = datetime(2026, 9, 1, 9, tzinfo=UTC)


class Asked:
    """What ``changes`` of a ledger in memory was asked for; it holds one document of somebody else's."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.since: list[datetime | None] = []
        self.cursor, self.written = READ_AT, READ_AT - timedelta(days=1)
        monkeypatch.setattr(bench.uk, "changes", self.changes)

    def changes(self, since: datetime | None) -> LedgerChanges:
        self.since.append(since)
        item = LedgerDocument(ref=Ref(id="D1"), number="X", type="invoice", status="open", updated_at=self.written)
        documents: Sequence[LedgerDocument] = () if len(self.since) > 1 else (item,)
        return LedgerChanges(documents=tuple(documents), payments=(), cursor=self.cursor)


@pytest.fixture
def asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A ledger that was read whole today."""
    found = Asked(bench, monkeypatch)
    bench.run("pull_ledger")
    assert found.since.pop() is None
    found.since.append(None)
    return found


def status(bench: Bench) -> str:
    with bench.store() as store:
        (held,) = ledger.objects(store, "books_uk", "document", LedgerDocument)
    return held.status


def test_the_first_reading_of_a_day_goes_back_two_days_and_the_others_to_where_the_last_one_came(
    bench: Bench, asked: Asked
) -> None:
    bench.run("pull_ledger")
    bench.today += timedelta(days=1)
    bench.run("pull_ledger")
    bench.run("pull_ledger")
    assert asked.since[1:] == [READ_AT, READ_AT - timedelta(days=2), READ_AT]
    assert status(bench) == "open"


@pytest.mark.parametrize(("days", "hour", "whole"), [(29, 2, 0), (31, 9, 0), (31, 2, 1), (37, 9, 1)])
def test_about_once_a_month_everything_is_read_and_what_is_gone_is_known(
    bench: Bench, asked: Asked, monkeypatch: pytest.MonkeyPatch, days: int, hour: int, whole: int
) -> None:
    moment = datetime(2026, 9, 1, hour, tzinfo=UTC) + timedelta(days=days)
    monkeypatch.setattr(bench, "now", lambda: moment)
    bench.run("pull_ledger")
    bench.run("pull_ledger")
    assert asked.since[1:].count(None) == whole
    assert status(bench) == ("deleted" if whole else "open")


def test_what_was_written_just_before_everything_was_read_is_not_gone_because_no_search_finds_it_yet(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(bench, monkeypatch)
    bench.today += timedelta(days=40)
    asked.cursor = READ_AT + timedelta(days=40)
    asked.written = asked.cursor - timedelta(minutes=30)
    bench.run("pull_ledger")
    with bench.store() as store, store.transaction():
        store.execute("UPDATE pull_notes SET value='2026-09-01' WHERE name LIKE '%whole on'")
    bench.run("pull_ledger")
    assert status(bench) == "open"
    bench.today += timedelta(days=1)
    bench.run("pull_ledger")
    assert asked.since == [None, asked.cursor, None, asked.cursor - timedelta(days=2)]


def test_a_deletion_in_quickbooks_during_a_month_without_contact_is_seen(live: Live) -> None:
    live.sell("Acme Inc", deal_currency_code="USD")
    live.done()
    (row,) = live.sandbox.vendors["quickbooks"].state()["invoices"]
    live.quickbooks("invoice?operation=delete", {"Id": row["Id"], "SyncToken": row["SyncToken"]})
    live.move_to(live.today + timedelta(days=33))
    live.done("pull_ledger")
    assert live.issued()["US-00001"].status == "voided"


def test_what_is_read_again_for_its_lag_makes_no_work_for_a_quiet_sync(live: Live) -> None:
    live.sell("Acme Inc", deal_currency_code="USD")
    for _ in range(2):
        live.done()
    before: Any = live.contents()
    assert not any(result.changed for result in live.done().values())
    assert live.contents() == before
