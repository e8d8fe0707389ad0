"""F11: a kill inside each migration; an older release on a newer file."""

from __future__ import annotations

import shutil
from contextlib import suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import Row, Scenario, live, pay, portion, win
from benchmarks.simulator.wire import Crash
from store import schema
from store.database import Store


def upgraded(statement: int) -> Verdict:
    """A process is killed while a new file gets its tables: the file as it is then is opened anew and lives on."""
    with Company() as company:
        real, count = schema._script, 0
        frozen = company.store.with_suffix(".frozen")

        def script(database: Any, text: str) -> None:
            nonlocal count
            real(database, text)
            count += 1
            if count == statement:
                for end in ("", "-wal", "-shm", "-journal"):
                    found = company.store.with_name(company.store.name + end)
                    if found.exists() and end != "-shm":
                        shutil.copy(found, frozen.with_name(frozen.name + end))
                raise Crash("while the tables were changed")

        with patch.object(schema, "_script", script), suppress(Crash):
            Store(company.store)
        for end in ("", "-wal", "-shm", "-journal"):
            company.store.with_name(company.store.name + end).unlink(missing_ok=True)
            left = frozen.with_name(frozen.name + end)
            if left.exists():
                shutil.move(left, company.store.with_name(company.store.name + end))
        return live(company, (win, pay))


def newer() -> Verdict:
    """A release that does not know a migration of the file refuses to open it."""
    with Company() as company:
        with Store(company.store) as store:
            store.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('netterms', 'm9999', '')"
            )
        try:
            Store(company.store)
        except RuntimeError:
            return Verdict()
        return Verdict(wrong=["an older release opened a newer file"])


def f11(seed: int, count: int) -> Row:
    """A kill inside each migration; an older release on a newer file."""
    scripts = 0

    def counting(database: Any, text: str) -> None:
        nonlocal scripts
        scripts += 1
        real(database, text)

    real = schema._script
    with patch.object(schema, "_script", counting), Company() as company, Store(company.store):
        pass
    scenarios: list[tuple[str, Scenario]] = [("an older release on a newer file", newer)]
    for number in range(1, scripts + 1):
        scenarios.append((f"killed after script {number} of {scripts}", partial(upgraded, number)))
    yield from portion(scenarios, seed, count)
