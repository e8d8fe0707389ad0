"""Runs of jobs: one at a time per job, across processes, and a lease that a dead process cannot keep."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from store import runs
from store.database import Store
from tests.store.build import NOW

MINUTE = timedelta(minutes=1)


def test_a_job_runs_once_at_a_time(store: Store) -> None:
    first = runs.start(store, "report", "host:1", NOW)
    assert first is not None
    assert runs.holder(store, "report") == "host:1"
    assert runs.start(store, "report", "host:2", NOW + MINUTE) is None
    runs.finish(store, first, NOW + MINUTE, "done", {})
    assert runs.holder(store, "report") is None
    assert runs.start(store, "report", "host:2", NOW + MINUTE) is not None


def test_different_jobs_run_side_by_side(store: Store) -> None:
    assert runs.start(store, "report", "host:1", NOW) is not None
    assert runs.start(store, "pull_deals", "host:2", NOW) is not None


def test_a_lapsed_lease_is_taken_over_and_the_old_run_marked(store: Store) -> None:
    first = runs.start(store, "report", "host:1", NOW)
    assert first is not None
    assert runs.start(store, "report", "host:2", NOW + runs.LEASE) is None
    second = runs.start(store, "report", "host:2", NOW + runs.LEASE + MINUTE)
    assert second is not None
    assert store.tuples("SELECT outcome, message FROM runs WHERE id=?", first) == [("abandoned", "its process stopped")]


def test_the_lease_of_a_process_that_is_known_to_be_dead_is_taken_over_at_once(store: Store) -> None:
    runs.start(store, "report", "host:1", NOW)
    assert runs.start(store, "report", "host:2", NOW + MINUTE, dead="host:1") is not None
    assert runs.holder(store, "report") == "host:2"


def test_a_job_that_proves_itself_alive_keeps_its_lease(store: Store) -> None:
    first = runs.start(store, "report", "host:1", NOW)
    assert first is not None
    runs.prolong(store, first, NOW + 9 * MINUTE)
    assert runs.start(store, "report", "host:2", NOW + 18 * MINUTE) is None
    assert runs.start(store, "report", "host:2", NOW + 20 * MINUTE) is not None


def test_a_running_job_says_how_far_it_has_come(store: Store) -> None:
    run = runs.start(store, "report", "host:1", NOW)
    assert run is not None
    runs.prolong(store, run, NOW + MINUTE, 120, 500)
    found = runs.latest(store)["report"]
    assert (found.outcome, found.done, found.total) == (None, 120, 500)


def test_a_run_that_was_taken_over_can_neither_prolong_nor_finish(store: Store) -> None:
    first = runs.start(store, "report", "host:1", NOW)
    assert first is not None
    second = runs.start(store, "report", "host:2", NOW + 11 * MINUTE)
    runs.prolong(store, first, NOW + 12 * MINUTE)
    runs.finish(store, first, NOW + 12 * MINUTE, "done", {"sent": 5})
    assert runs.latest(store)["report"].id == second
    lapsed = (NOW + runs.LEASE).isoformat()
    found = store.tuples("SELECT outcome, tally, until FROM runs WHERE id=?", first)
    assert found == [("abandoned", "{}", lapsed)]


def test_processes_that_start_a_job_at_the_same_moment_give_it_to_one(path: Path) -> None:
    Store(path).close()
    gate = threading.Barrier(6)
    won: list[int] = []

    def starting(number: int) -> None:
        with Store(path) as own:
            gate.wait(10)
            if runs.start(own, "report", f"host:{number}", NOW) is not None:
                won.append(number)

    threads = [threading.Thread(target=starting, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_the_latest_run_of_each_job_says_how_it_went(store: Store) -> None:
    for outcome in ("failed", "partly"):
        number = runs.start(store, "report", "host:1", NOW)
        assert number is not None
        runs.finish(store, number, NOW + MINUTE, outcome, {"sent": 2}, "so so")
    run = runs.latest(store)["report"]
    assert (run.outcome, run.tally, run.message, run.finished_at) == (
        "partly", '{"sent":2}', "so so", (NOW + MINUTE).isoformat(),
    )  # fmt: skip


def test_a_connections_state_is_noted_when_it_changes(store: Store) -> None:
    assert runs.set_connection_state(store, "books", "failing", "no answer", NOW)
    assert not runs.set_connection_state(store, "books", "failing", "still none", NOW + MINUTE)
    assert runs.connection_states(store)["books"].since == NOW.isoformat()
    assert runs.set_connection_state(store, "books", "ok", "", NOW + MINUTE)
    found = runs.connection_states(store)["books"]
    assert (found.state, found.message, found.since) == ("ok", "", (NOW + MINUTE).isoformat())
