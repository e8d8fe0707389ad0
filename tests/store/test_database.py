"""Transactions, the fence of a running job, and migrations."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from store import audit, dialect, runs, schema
from store.database import IntegrityError, LeaseLost, Store, to_json
from tests.store.build import ADA, NOW

ROOT = Path(__file__).resolve().parents[2]


def deals(store: Store) -> list[Any]:
    return [deal for (deal,) in store.tuples("SELECT id FROM deals ORDER BY id")]


def add(store: Store, deal: str) -> None:
    store.insert("deals", connection="crm", id=deal, digest="", data="{}")


def test_a_transaction_keeps_everything_or_nothing(store: Store) -> None:
    with store.transaction():
        add(store, "a")
        add(store, "b")
    with pytest.raises(ZeroDivisionError), store.transaction():
        add(store, "c")
        raise ZeroDivisionError
    assert deals(store) == ["a", "b"]


def test_a_transaction_that_breaks_a_rule_of_the_database_keeps_nothing(store: Store) -> None:
    with pytest.raises(IntegrityError), store.transaction():
        add(store, "a")
        add(store, "a")
    assert deals(store) == []


def test_the_next_transaction_works_after_one_that_was_rolled_back(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.transaction():
        raise KeyboardInterrupt
    with store.transaction():
        add(store, "a")
    assert deals(store) == ["a"]


def test_the_first_error_is_told_also_when_the_database_has_rolled_back_by_itself(store: Store) -> None:
    """SQLite does so when the disk is full or broken."""
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.execute("ROLLBACK")
        raise ZeroDivisionError
    with store.transaction():
        add(store, "a")
    assert deals(store) == ["a"]


def test_a_commit_that_fails_keeps_nothing_and_leaves_the_store_usable(store: Store) -> None:
    with pytest.raises(IntegrityError), store.transaction():
        add(store, "a")
        store.execute("PRAGMA defer_foreign_keys=ON")
        store.insert("slices", slice="C-9/fee/2026-01-01", contract="C-9", how="waived")
    with store.transaction():
        add(store, "b")
    assert deals(store) == ["b"]


def test_a_transaction_has_the_write_lock_from_its_start_and_others_wait_for_it(store: Store, path: Path) -> None:
    order: list[Any] = []
    begun = threading.Event()

    def other() -> None:
        with Store(path) as second:
            begun.set()
            with second.transaction():
                order.append(deals(second))

    with store.transaction():
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait(5)
        add(store, "a")
        order.append("first")
    thread.join()
    assert order == ["first", ["a"]]


def test_what_is_not_committed_is_not_seen_by_others(store: Store, path: Path) -> None:
    with Store(path) as second, store.transaction():
        add(store, "a")
        assert deals(second) == []


def test_a_row_that_refers_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError):
        store.insert("slices", slice="C-9/fee/2026-01-01", contract="C-9", how="waived")


def test_a_job_that_was_taken_over_can_write_nothing_more(store: Store, path: Path) -> None:
    store.fence = runs.start(store, "pull_deals", "host:1", NOW)
    with store.transaction():
        add(store, "a")
    with Store(path) as second:
        assert runs.start(second, "pull_deals", "host:2", NOW + timedelta(hours=1)) is not None
    with pytest.raises(LeaseLost), store.transaction():
        add(store, "b")
    store.fence = None
    assert deals(store) == ["a"]


WRITES = {
    "execute": lambda store: store.execute("DELETE FROM deals"),
    "insert": lambda store: add(store, "c"),
    "many": lambda store: store.many("DELETE FROM deals WHERE id=?", [("a",)]),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_single_statement_of_a_job_that_was_taken_over_gets_by_the_fence(
    store: Store, path: Path, write: Any
) -> None:
    store.fence = runs.start(store, "pull_deals", "host:1", NOW)
    add(store, "a")
    with Store(path) as second:
        runs.start(second, "pull_deals", "host:2", NOW + timedelta(hours=1))
    with pytest.raises(LeaseLost):
        write(store)
    with pytest.raises(LeaseLost):
        store.prove_lease()
    assert deals(store) == ["a"]


def test_the_copy_of_a_store_holds_all_and_goes_its_own_way(store: Store, tmp_path: Path) -> None:
    add(store, "a")
    audit.write(store, ADA, "added", "deal:a")
    store.copy_to(tmp_path / "copy.db")
    with Store(tmp_path / "copy.db") as copy:
        assert (deals(copy), audit.verify(copy)) == (["a"], None)
        add(copy, "b")
    assert deals(store) == ["a"]


def test_the_same_value_always_gives_the_same_text() -> None:
    assert to_json({"b": 1, "a": {"d": 2, "c": 3}}) == to_json({"a": {"c": 3, "d": 2}, "b": 1}) == (
        '{"a":{"c":3,"d":2},"b":1}'
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- migrations


def applied(path: Path) -> list[str]:
    connection = dialect.connect(path)
    try:
        return [str(row[0]) for row in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY name")]
    finally:
        connection.close()


def test_a_file_is_migrated_once_and_opens_again_unchanged(path: Path) -> None:
    with Store(path) as first:
        add(first, "a")
    before = applied(path)
    with Store(path) as second:
        assert deals(second) == ["a"]
    assert applied(path) == before == sorted(schema._names())


def test_a_file_that_a_newer_release_wrote_is_refused_and_left_alone(path: Path) -> None:
    with Store(path) as newer:
        newer.insert("_sqlite_migrations", migration_set="netterms", name="m0999_later", applied_at="2027-01-01")
    with pytest.raises(RuntimeError, match=r"newer release \(m0999_later\): update first"):
        Store(path)
    assert "m0999_later" in applied(path)


KILLED_MIGRATION = """
import os, sys
from store import schema
from store.database import Store

script, left = schema._script, int(sys.argv[2])

class Dying:
    def __init__(self, conn):
        self.conn = self
        self.inner = conn
    def execute(self, sql):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        self.inner.execute(sql)

schema._script = lambda db, text: script(Dying(db.conn), text)
Store(sys.argv[1])
"""


@pytest.mark.parametrize("statements", [0, 1, 20, 26])
def test_a_file_opens_after_its_process_was_killed_inside_a_migration(path: Path, statements: int) -> None:
    command = [sys.executable, "-c", KILLED_MIGRATION, str(path), str(statements)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    with Store(path) as store:
        add(store, "a")
    assert applied(path) == sorted(schema._names())


def test_processes_that_open_a_new_file_at_once_migrate_it_once(path: Path) -> None:
    problems: list[BaseException] = []
    gate = threading.Barrier(4)

    def opening() -> None:
        try:
            gate.wait(5)
            Store(path).close()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert applied(path) == sorted(schema._names())
