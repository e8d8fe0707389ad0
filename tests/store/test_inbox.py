"""The inbox keeps each event once, whoever sends it how often and at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from store import inbox
from store.database import Store
from store.inbox import Event, Letterbox

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


def event(name: str, **more: bytes) -> Event:
    return Event(id=name, topic="charge.succeeded", object=f"ch_{name}", **more)


def stored(store: Store) -> list[tuple[str, str]]:
    return [(str(a), str(b)) for a, b in store.tuples("SELECT connection, event_id FROM inbox ORDER BY id")]


def test_an_event_is_stored_once_however_often_it_comes(store: Store) -> None:
    assert inbox.save(store, "stripe_us", [event("1")], NOW) == 1
    before = store.tuples("SELECT * FROM inbox")
    assert inbox.save(store, "stripe_us", [event("1"), event("1")], NOW + timedelta(days=1)) == 0
    assert store.tuples("SELECT * FROM inbox") == before


def test_two_connections_may_know_events_of_one_name(store: Store) -> None:
    assert inbox.save(store, "a", [event("1")], NOW) + inbox.save(store, "b", [event("1")], NOW) == 2


def test_of_a_delivery_everything_is_stored_or_nothing(store: Store) -> None:
    broken = Event(id="2", topic="x", object=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        inbox.save(store, "a", [event("1"), broken, event("3")], NOW)
    assert stored(store) == []
    assert inbox.save(store, "a", [event("1"), event("3")], NOW) == 2


def test_what_is_stored_is_there_for_others_at_once(path: Path, store: Store) -> None:
    inbox.save(store, "a", [event("1")], NOW)
    with Store(path) as other:
        assert stored(other) == [("a", "1")]


def test_two_threads_that_store_the_same_events_store_each_once(path: Path) -> None:
    events = [event(str(n)) for n in range(50)]
    new: list[int] = []
    together = threading.Barrier(2)

    def work(order: int) -> None:
        with Store(path) as own:
            together.wait()
            new.extend(inbox.save(own, "a", events[start::5][::order], NOW) for start in range(5))

    threads = [threading.Thread(target=work, args=[order]) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 50
    with Store(path) as store:
        assert len(stored(store)) == 50


def test_the_latest_event_is_told_by_connection_and_up_to_a_moment(store: Store) -> None:
    for minutes, name in enumerate(("1", "2", "3")):
        inbox.save(store, "a", [event(name)], NOW + timedelta(minutes=minutes))
    assert inbox.latest(store, "a", NOW + timedelta(hours=1)) == NOW + timedelta(minutes=2)
    assert inbox.latest(store, "a", NOW + timedelta(seconds=90)) == NOW + timedelta(minutes=1)
    assert inbox.latest(store, "a", NOW - timedelta(seconds=1)) is None
    assert inbox.latest(store, "b", NOW) is None


def test_what_nobody_can_read_is_told_by_connection_with_the_newest(store: Store) -> None:
    inbox.save(store, "a", [event("1"), event("2", unreadable=b"old")], NOW)
    inbox.save(store, "a", [event("3", unreadable=b"\xff new")], NOW + timedelta(hours=1))
    inbox.save(store, "b", [event("4")], NOW)
    (found,) = inbox.unreadable(store)
    assert (found.connection, found.count, found.latest) == ("a", 2, b"\xff new")
    assert (found.since, found.newest) == (NOW, NOW + timedelta(hours=1))


def test_an_event_is_known_longer_than_any_sender_repeats_it_and_then_forgotten(store: Store) -> None:
    assert timedelta(days=31) < inbox.KEPT  # Xero's; Stripe gives up after three days
    inbox.save(store, "a", [event("1")], NOW)
    assert inbox.forget(store, NOW + inbox.KEPT) == 0
    assert inbox.save(store, "a", [event("1")], NOW + inbox.KEPT) == 0
    assert inbox.forget(store, NOW + inbox.KEPT + timedelta(seconds=1)) == 1
    assert stored(store) == []


# ------------------------------------------------------------------------------------------------------ the letterbox


def test_what_threads_put_in_at_the_same_time_is_all_there_once_each_has_its_answer(tmp_path: Path) -> None:
    box = Letterbox(lambda: Store(tmp_path / "store.db"))

    def put(number: int) -> bool:
        box.put([("a", event(str(number))), ("b", event("shared"))], NOW)
        with Store(tmp_path / "store.db") as other:  # durable for everybody, not only in the box's own connection
            return bool(other.one("SELECT count(*) FROM inbox WHERE event_id=?", str(number)))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(put, range(64)))
    box.close()
    with Store(tmp_path / "store.db") as store:
        assert store.one("SELECT count(*) FROM inbox") == 65


def test_threads_that_wait_for_the_disk_share_one_transaction(tmp_path: Path) -> None:
    begun: list[int] = []

    class Counting(Store):
        def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
            begun.append(len(rows))
            gathered.wait(5)
            super().many(sql, rows)

    gathered = threading.Event()
    box = Letterbox(lambda: Counting(tmp_path / "store.db"))
    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(box.put, [("a", event(str(number)))], NOW) for number in range(8)]
        while len(box._waiting) + sum(begun) < 8 or not begun:
            threading.Event().wait(0.001)
        gathered.set()
        for one in done:
            one.result()
    box.close()
    assert sum(begun) == 8
    assert len(begun) <= 2


def test_a_write_that_fails_is_told_to_everybody_who_shared_it_and_the_next_one_works(tmp_path: Path) -> None:
    broken = [True]

    class Failing(Store):
        def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
            if broken[0]:
                raise OSError("no space left")
            super().many(sql, rows)

    box = Letterbox(lambda: Failing(tmp_path / "store.db"))

    def fails(number: int) -> bool:
        with pytest.raises(OSError, match="no space"):
            box.put([("a", event(str(number)))], NOW)
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(fails, range(8)))
    broken[0] = False
    box.put([("a", event("x"))], NOW)
    box.close()
    with Store(tmp_path / "store.db") as store:
        assert store.tuples("SELECT event_id FROM inbox") == [("x",)]
