"""Dead letters: what nobody could read or handle is listed and can be handled again, and holds up nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from store import audit, inbox, runs
from store.audit import Actor
from store.database import Store
from store.inbox import Event
from sync import dead_letters
from sync.context import Source
from sync.handle_webhooks import due

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
SOURCES = (
    Source(name="stripe_us", vendor="stripe", role="payments", entity="us"),
    Source(name="stripe_uk", vendor="stripe", role="payments", entity="uk"),
    Source(name="books", vendor="xero", role="accounting", entity="uk"),
)
JOBS = ("pull_payments", "match_payments", "post_payments")


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "store.db") as opened:
        yield opened


def event(store: Store, name: str, minutes: float, connection: str = "stripe_us", **more: bytes) -> None:
    inbox.save(store, connection, [Event(id=name, topic="charge.succeeded", object=f"ch_{name}", **more)], at(minutes))


def ran(store: Store, minutes: float, *failed: str, jobs: tuple[str, ...] = JOBS) -> None:
    """Let jobs run once, without the connections that ``failed``."""
    for job in jobs:
        run = runs.start(store, job, "test", at(minutes))
        assert run is not None
        runs.finish(store, run, at(minutes), "partly" if failed else "done", {}, "it did not answer", failed)


def dead(store: Store) -> dict[str, str]:
    return {one.event.event_id: one.why for one in dead_letters.letters(store, SOURCES)}


def replay(store: Store, which: str, minutes: float) -> int:
    return dead_letters.replay(store, SOURCES, Actor("person ada", at(minutes)), which)


def test_an_event_whose_jobs_failed_three_times_after_it_is_a_dead_letter_until_they_succeed(store: Store) -> None:
    event(store, "early", 0)
    ran(store, 1, "stripe_us")
    event(store, "late", 1.5)
    ran(store, 2, "stripe_us")
    assert dead(store) == {}
    ran(store, 3, "stripe_us")
    assert dead(store) == {"early": "pull_payments failed 3 times: it did not answer"}
    ran(store, 4, "stripe_us")
    assert set(dead(store)) == {"early", "late"}
    ran(store, 5)
    assert dead(store) == {}


def test_a_connection_that_fails_makes_no_dead_letters_of_another(store: Store) -> None:
    event(store, "here", 0, "stripe_us")
    event(store, "there", 0, "stripe_uk")
    for minutes in (1, 2, 3):
        ran(store, minutes, "stripe_us")
    assert set(dead(store)) == {"here"}


def test_a_run_that_was_stopped_counts_neither_as_failed_nor_as_done(store: Store) -> None:
    event(store, "1", 0)
    for minutes in (1, 2, 3):
        run = runs.start(store, "pull_payments", "test", at(minutes))
        assert run is not None
        runs.finish(store, run, at(minutes), "partly", {}, "stopped before its end")
    assert dead(store) == {}


def test_an_unreadable_event_is_a_dead_letter_and_the_readable_ones_beside_it_are_handled(store: Store) -> None:
    event(store, "poison", 0, unreadable=b"{{{")
    event(store, "good", 0)
    ran(store, 1)
    (letter,) = dead_letters.letters(store, SOURCES)
    assert (letter.event.event_id, letter.why, dead_letters.preview(letter.event)) == (
        "poison", "nobody can read it", "{{{",
    )  # fmt: skip


def test_a_replayed_event_makes_its_jobs_run_once_more_and_leaves_the_list(store: Store) -> None:
    event(store, "poison", 0, unreadable=b"{{{")
    ran(store, 1)
    ran(store, 1, jobs=("handle_webhooks",))
    assert due(store, SOURCES, at(10)) == []
    (letter,) = dead_letters.letters(store, SOURCES)
    assert replay(store, str(letter.event.id), 10) == 1
    assert due(store, SOURCES, at(10)) == list(JOBS)
    assert inbox.unreadable(store) == []
    assert dead(store) == {}
    (entry,) = audit.entries(store, "event:stripe_us:poison")
    assert (entry.actor, entry.action) == ("person ada", "webhook replayed")
    ran(store, 11)
    assert due(store, SOURCES, at(12)) == []


def test_a_replayed_event_that_fails_again_comes_back(store: Store) -> None:
    event(store, "poison", 0, unreadable=b"{{{")
    ran(store, 1)
    assert replay(store, "all", 2) == 1
    for minutes in (3, 4, 5):
        ran(store, minutes, "stripe_us")
    assert set(dead(store)) == {"poison"}


def test_what_is_no_dead_letter_cannot_be_replayed(store: Store) -> None:
    event(store, "good", 0)
    ran(store, 1)
    with pytest.raises(ValueError, match="no dead letter 1"):
        replay(store, "1", 2)
    assert replay(store, "all", 2) == 0
