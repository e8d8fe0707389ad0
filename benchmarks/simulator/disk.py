"""F6: a disk that is full, locked, read-only, damaged, or fails at a single system call."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import patch

import app
from benchmarks.simulator import kills
from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import Act, Row, Scenario, month, overpay, pay, portion, win
from benchmarks.simulator.wire import Crash, DatabaseError
from store import dialect
from store.database import Store


def with_disk(trouble: Callable[[Company], Any], act: Act = pay) -> Verdict:
    """Run a sync while the disk is in trouble, then mend it: a clean stop is allowed, wrong money is not."""
    with Company() as company:
        win(company)
        company.sync()
        act(company)
        with trouble(company):
            try:
                with company.process() as world:
                    app.run_jobs(company.config, world=world)
            except (DatabaseError, Crash):
                pass
        return company.judge()


def _connected(company: Company, *statements: str) -> Any:
    """Let each connection of the store begin with statements."""
    real = dialect.connect

    def connect(path: Any) -> Any:
        connection = real(path)
        for statement in statements:
            connection.execute(statement.format(pages=connection.execute("PRAGMA page_count").fetchone()[0]))
        return connection

    return patch.object(dialect, "connect", connect)


class _Locked:
    """Another process holds the write lock for longer than anybody waits."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.busy = patch.object(dialect, "BUSY_SECONDS", 0.01)

    def __enter__(self) -> None:
        self.busy.__enter__()
        self.other = sqlite3.connect(self.company.store, isolation_level=None)
        self.other.execute("BEGIN IMMEDIATE")

    def __exit__(self, *problem: Any) -> None:
        self.other.execute("ROLLBACK")
        self.other.close()
        self.busy.__exit__(*problem)


def damaged(page: int) -> Verdict:
    """A page of the file is overwritten: the jobs may stop, but book nothing twice and nothing wrong."""
    with Company() as company:
        win(company)
        company.sync()
        pay(company)
        with Store(company.store) as store:
            store.one("PRAGMA wal_checkpoint(TRUNCATE)")
        size = company.store.stat().st_size // 4096
        with company.store.open("r+b") as file:
            file.seek(page % size * 4096)
            file.write(b"\xa5" * 4096)
        for _ in range(2):
            with suppress(DatabaseError), company.process() as world:
                app.run_jobs(company.config, world=world)
        posted = Counter((key, number) for key, number, _ in company.there.payments())
        numbers = Counter(number for number, _, _ in company.there.documents())
        there = {number: total for number, _, total in company.there.documents()}
        wrong = [] if there == BILLED else [f"{there} is in the books"]
        return Verdict(duplicates=sum(n - 1 for n in (*posted.values(), *numbers.values())), wrong=wrong)


def log_lost(act: Act) -> Verdict:
    """The write-ahead log is thrown away with all that it held: the store is as it was before an act, and goes on."""
    with Company() as company:
        win(company)
        company.sync()
        older = company.store.with_suffix(".older")
        with Store(company.store) as held:  # so that nothing of the log goes into the file
            held.one("SELECT count(*) FROM answers")
            act(company)
            company.sync()
            shutil.copy(company.store, older)
        for end in ("-wal", "-shm"):
            company.store.with_name(company.store.name + end).unlink(missing_ok=True)
        older.replace(company.store)
        return Verdict(duplicates=company.judge(expected=False).duplicates)


BILLED = {"US-00001": Decimal(900), "UK-00001": Decimal("435.35"), "UK-00002": Decimal("750.44")}


def f6(seed: int, count: int) -> Row:
    """A full disk at every size, a file that is read-only, a lock that nobody gives back."""
    scenarios: list[tuple[str, Scenario]] = [
        (f"full after {pages} more pages",
         partial(with_disk, partial(_full, pages)))
        for pages in range(12)
    ]  # fmt: skip
    scenarios += [
        (f"full after {pages} more pages, first sync", partial(full_at_first, pages)) for pages in (60, 80, 100)
    ]
    scenarios.append(("read-only", lambda: with_disk(lambda c: _connected(c, "PRAGMA query_only=ON"))))
    scenarios.append(("locked for longer than anybody waits", lambda: with_disk(_Locked)))
    scenarios += [(f"log lost after {act.__name__}", partial(log_lost, act)) for act in (pay, overpay, month)]
    scenarios += [(f"page {page} damaged", partial(damaged, page)) for page in range(60)]
    if not kills.tracing():
        scenarios += [
            (f"{error} at {call} {number}{' and onwards' * more}", partial(_traced, call, error, number, more))
            for call, error, number, more in product(kills.CALLS, ("EIO", "ENOSPC"), range(1, 30), (False, True))
        ]
    yield from portion(scenarios, seed, count)


def _traced(call: str, error: str, number: int, onwards: bool) -> Verdict:
    return Verdict(wrong=kills.failing_call(call, error, number, onwards))


def _full(pages: int, company: Company) -> Any:
    with Store(company.store) as store:
        size = int(store.one("PRAGMA page_count"))
    return _connected(company, f"PRAGMA max_page_count={size + pages}")


def full_at_first(pages: int) -> Verdict:
    """The disk is full from a size on that the very first sync passes."""
    with Company() as company:
        win(company)
        with Store(company.store):
            pass
        with _connected(company, f"PRAGMA max_page_count={pages}"):
            try:
                with company.process() as world:
                    app.run_jobs(company.config, world=world)
            except DatabaseError:
                pass
        return company.judge()
