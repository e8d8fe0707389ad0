"""Deals as pulled: a page and the cursor that covers it are stored together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from store import deals
from store.database import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def save(store: Store, *pulled: tuple[str, Any], cursor: datetime | None = NOON, connection: str = "crm") -> int:
    return deals.save_page(store, connection, "deals", pulled, cursor)


def test_a_page_counts_what_is_new_or_changed(store: Store) -> None:
    assert save(store, ("1", {"name": "a"}), ("2", {"name": "b"})) == 2
    assert save(store, ("1", {"name": "a"}), ("2", {"name": "c"}), ("3", {"name": "d"})) == 2
    assert list(deals.all_deals(store, "crm")) == [{"name": "a"}, {"name": "c"}, {"name": "d"}]
    assert deals.count(store) == 3


def test_the_same_page_again_changes_nothing(store: Store) -> None:
    save(store, ("1", {"name": "a"}))
    assert save(store, ("1", {"name": "a"})) == 0


def test_connections_do_not_mix(store: Store) -> None:
    save(store, ("1", {"name": "a"}))
    save(store, ("1", {"name": "b"}), connection="other", cursor=NOON + HOUR)
    assert list(deals.all_deals(store, "other")) == [{"name": "b"}]
    assert deals.cursor(store, "crm", "deals") == NOON


def test_a_cursor_moves_forward_with_its_rows(store: Store) -> None:
    assert deals.cursor(store, "crm", "deals") is None
    save(store, ("1", {}))
    assert deals.cursor(store, "crm", "deals") == NOON
    save(store, cursor=NOON + HOUR)
    assert deals.cursor(store, "crm", "deals") == NOON + HOUR


@pytest.mark.parametrize("later", [None, NOON - HOUR, NOON, (NOON - HOUR).astimezone(timezone(HOUR * 9))])
def test_a_cursor_never_goes_back(store: Store, later: datetime | None) -> None:
    save(store)
    save(store, cursor=later)
    assert deals.cursor(store, "crm", "deals") == NOON


def test_a_page_that_cannot_be_stored_moves_no_cursor(store: Store) -> None:
    broken: Any = {"name": object()}
    with pytest.raises(TypeError):
        save(store, ("1", {"name": "a"}), ("2", broken))
    store.execute("CREATE TRIGGER full BEFORE INSERT ON deals BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    with pytest.raises(Exception, match="the disk is full"):
        save(store, ("1", {"name": "a"}))
    assert deals.cursor(store, "crm", "deals") is None


def test_rows_whose_cursor_cannot_be_stored_are_not_kept(store: Store) -> None:
    store.execute("CREATE TRIGGER full BEFORE INSERT ON cursors BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    with pytest.raises(Exception, match="the disk is full"):
        save(store, ("1", {"name": "a"}))
    assert deals.count(store) == 0


# ------------------------------------------------------------------------------------------------- what became of them


def fates(store: Store, *found: tuple[str, str, str]) -> int:
    with store.transaction():
        return deals.save_fates(store, "crm", found)


def test_when_a_deal_was_modified_does_not_make_it_another_deal(store: Store) -> None:
    save(store, ("1", {"name": "a", "modified_at": "2026-03-01T12:00:00Z"}))
    assert save(store, ("1", {"name": "a", "modified_at": "2026-03-02T12:00:00Z"})) == 0
    assert save(store, ("1", {"name": "b", "modified_at": "2026-03-02T12:00:00Z"})) == 1


def test_a_deal_that_is_won_no_more_is_kept_but_not_mapped(store: Store) -> None:
    save(store, ("1", {"name": "a"}), ("2", {"name": "b"}), ("3", {"name": "c"}))
    assert fates(store, ("1", "not_won", ""), ("2", "merged", "4"), ("9", "deleted", "")) == 2
    assert list(deals.all_deals(store, "crm")) == [{"name": "c"}]
    assert deals.won_ids(store, "crm") == ["3"]
    assert deals.fates(store, "crm") == {"1": ("not_won", ""), "2": ("merged", "4"), "3": ("won", "")}
    assert fates(store, ("1", "not_won", "")) == 0


def test_a_deal_that_is_delivered_again_is_won_again_even_if_it_says_the_same(store: Store) -> None:
    save(store, ("1", {"name": "a"}))
    fates(store, ("1", "deleted", ""))
    assert save(store, ("1", {"name": "a"})) == 1
    assert deals.won_ids(store, "crm") == ["1"]


def test_the_survivor_of_merges_is_found_over_several_of_them() -> None:
    found = {"1": ("merged", "2"), "2": ("merged", "3"), "3": ("won", ""), "4": ("not_won", "5"), "6": ("merged", "6")}
    assert [deals.survivor(found, one) for one in ("1", "2", "3", "4", "6", "7")] == ["3", "3", "3", "4", "6", "7"]


def test_a_note_for_the_next_pull_is_replaced_and_removed(store: Store) -> None:
    for value in ("a", "b", "b", ""):
        with store.transaction():
            deals.set_note(store, "crm", "census", value)
        assert deals.note(store, "crm", "census") == value
        assert deals.note(store, "other", "census") == ""
