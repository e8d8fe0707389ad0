"""F11: a kill inside each migration, of an empty file and of one that holds data; an older release on a newer file.

What a released version wrote is not here any more, but its tables are: the first migrations on an empty file. They are
filled with rows of every kind that their own rules permit.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from sqlite_utils import Database

from benchmarks.simulator.company import FOLDER, Company, Verdict
from benchmarks.simulator.stories import Row, Scenario, live, pay, portion, win
from benchmarks.simulator.wire import Crash
from store import dialect, schema
from store.database import Store

Rows = dict[str, tuple[list[str], Counter[tuple[Any, ...]]]]  # table -> its columns and its rows
MIGRATIONS = [one.name for one in schema.migrations._migrations]
ENDS = ("", "-wal", "-shm", "-journal")  # of the names of a store's files
FILLED = 4  # rows of each table
# Worked out anew from other tables by whoever finds them missing or counted on.
DERIVED = ("planned", "steady", "counters", "steps")
_OLD = "an older release opened a newer file"


# ------------------------------------------------------------------------------------------------------------- killing


def killed(file: Path, script: int) -> bool:
    """Open a store and let the process die after the n-th script of its migrations; say whether it came to that.

    What is left is the file as it was at that moment.
    """
    real, count, died = schema._script, 0, False
    frozen = file.with_suffix(".frozen")

    def dying(database: Any, text: str) -> None:
        nonlocal count, died
        real(database, text)
        count += 1
        if count == script:
            died = True
            _copy(file, frozen)
            raise Crash("while the tables were changed")

    with patch.object(schema, "_script", dying), suppress(Crash):
        Store(file).close()
    if died:
        for end in ENDS:
            _named(file, end).unlink(missing_ok=True)
            if (left := _named(frozen, end)).exists():
                shutil.move(left, _named(file, end))
    return died


def _copy(file: Path, to: Path) -> None:
    for end in ENDS:
        if end != "-shm" and _named(file, end).exists():
            shutil.copy(_named(file, end), _named(to, end))


def _named(file: Path, end: str) -> Path:
    return file.with_name(file.name + end)


def upgraded(script: int) -> Verdict:
    """A process is killed while a new file gets its tables: the file as it is then is opened anew and lives on."""
    with Company() as company:
        killed(company.store, script)
        return live(company, (win, pay))


# ------------------------------------------------------------------------------------------- files that hold something


def older(level: int, dies_in: int, seed: int = 1) -> Verdict:
    """A file with data of the first migrations is opened, and the process killed in a later one, at its both ends.

    Then it is opened: every row is there, all tables are as in a new file, and a release of then refuses it.
    """
    with TemporaryDirectory(dir=FOLDER) as folder:
        file = Path(folder) / "netterms.db"
        before, wrong = _made(file, level, seed)
        first, last = _scripts(level, dies_in)
        for script in dict.fromkeys((first, last)):
            if not killed(file, script):
                wrong.append(f"never came to script {script}")
            wrong += [f"after the kill: {one}" for one in _lost(file, before, MIGRATIONS[:level])]
        Store(file).close()
        wrong += _lost(file, before, MIGRATIONS)
        if (there := _tables(file)) != (new := _new_tables()):
            wrong.append(f"its tables are not those of a new file: {there ^ new}")
        with patch.object(schema, "_names", lambda: set(MIGRATIONS[:level])):
            wrong += [_OLD] * (not _refused(file))
        return Verdict(wrong=wrong)


def _made(file: Path, level: int, seed: int) -> tuple[Rows, list[str]]:
    """Make a file of the first migrations and fill it; return its rows, and which tables stayed empty."""
    connection = dialect.connect(file)
    stop = MIGRATIONS[level] if level < len(MIGRATIONS) else None
    with dialect.transaction(connection):
        schema.migrations.apply(Database(connection), stop_before=stop)
    fill(connection, Random(seed))
    rows = _rows(connection)
    connection.close()
    return rows, [f"nothing fits into {table}" for table, (_, found) in rows.items() if not found]


def _scripts(level: int, dies_in: int) -> tuple[int, int]:
    """Return the first and the last script of a migration, counted from the one that a file of ``level`` gets first."""
    counts = _script_counts()
    before = sum(counts[level:dies_in])
    return before + 1, before + counts[dies_in]


@cache
def _script_counts() -> list[int]:
    """Return how many scripts each migration has."""
    counts = [0] * len(MIGRATIONS)

    def counting(database: Any, text: str) -> None:
        counts[len(schema.migrations.applied(Database(database.conn)))] += 1
        real(database, text)

    real = schema._script
    with TemporaryDirectory(dir=FOLDER) as folder, patch.object(schema, "_script", counting):
        Store(Path(folder) / "netterms.db").close()
    return counts


@cache
def _new_tables() -> frozenset[tuple[str, str]]:
    with TemporaryDirectory(dir=FOLDER) as folder:
        file = Path(folder) / "netterms.db"
        Store(file).close()
        return _tables(file)


def _tables(file: Path) -> frozenset[tuple[str, str]]:
    with Store(file) as store:
        sql = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name<>'_sqlite_migrations'"
        return frozenset((str(name), str(text)) for name, text in store.tuples(sql))


def _refused(file: Path) -> bool:
    try:
        Store(file).close()
    except RuntimeError as error:
        return "newer release" in str(error)
    return False


def _lost(file: Path, before: Rows, level: Sequence[str]) -> list[str]:
    """Say what a file lost, beside what is derived, and whether it is not of this level."""
    connection = dialect.connect(file)
    applied = [one.name for one in schema.migrations.applied(Database(connection))]
    wrong = dialect.problems(connection) + [f"it is at {applied[-1]}"] * (applied != list(level))
    after = _rows(connection)
    for table, (columns, rows) in before.items():
        names, found = after.get(table, ([], Counter()))
        common = [name for name in columns if name in names]
        gone = _only(rows, columns, common) - _only(found, names, common)
        if gone and table not in DERIVED:
            wrong.append(f"{gone.total()} of {rows.total()} rows of {table} are gone")
    connection.close()
    return wrong


def _only(rows: Counter[tuple[Any, ...]], columns: list[str], wanted: list[str]) -> Counter[tuple[Any, ...]]:
    places = [columns.index(name) for name in wanted]
    found: Counter[tuple[Any, ...]] = Counter()
    for row, count in rows.items():
        found[tuple(row[place] for place in places)] += count
    return found


def _rows(connection: Any) -> Rows:
    found = {}
    for table in _names_of_tables(connection):
        columns = [one["name"] for one in connection.execute(f"PRAGMA table_info({table})")]
        content = connection.execute(f"SELECT {', '.join(columns)} FROM {table}")
        found[table] = (columns, Counter(tuple(row) for row in content))
    return found


def _names_of_tables(connection: Any) -> list[str]:
    sql = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE '%sqlite_%' ORDER BY rowid"
    return [str(row[0]) for row in connection.execute(sql)]


# ------------------------------------------------------------------------------------------------------------- filling


_JSON = set(re.findall(r"(\w+) ->>", inspect.getsource(schema) + inspect.getsource(dialect)))
# What migrations look for in rows that they take something from.
_TELLING = {"action": ("created", "terms"), "stream": ("payouts", "deals"), "connection": ("stripe_us", "stripe_uk")}


def fill(connection: Any, rng: Random) -> None:
    """Put rows into every table: values by type, choice and reference; what a rule refuses is drawn anew."""
    for table in _names_of_tables(connection):
        (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name=?", (table,)).fetchone()
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        parents = {one["from"]: one for one in connection.execute(f"PRAGMA foreign_key_list({table})")}
        left = FILLED
        for _ in range(200):
            row = {one["name"]: _value(connection, rng, text, one, parents.get(one["name"])) for one in columns}
            marks = ", ".join("?" * len(row))
            with suppress(dialect.IntegrityError):
                connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
                left -= 1
            if not left:
                break


def _value(connection: Any, rng: Random, table: str, column: Any, parent: Any) -> Any:
    """Return a value that fits a column: nothing now and then where that may be."""
    name, may_be_nothing = column["name"], not column["notnull"]
    if may_be_nothing and (column["type"] == "INTEGER" if column["pk"] else rng.random() < 0.3):
        return None  # a key that SQLite counts on, or nothing
    if parent is not None:
        there = connection.execute(f"SELECT {parent['to']} FROM {parent['table']}").fetchall()
        return rng.choice(there)[0] if there else None
    if name == "object":
        return f"contract:{connection.execute('SELECT max(key) FROM contracts').fetchone()[0]}"
    if name in _TELLING:
        return rng.choice(_TELLING[name])
    if choices := re.search(rf"CHECK \({name} IN \(([^)]*)\)\)", table):
        return rng.choice(re.findall(r"'([^']*)'", choices[1]))
    if column["type"] != "TEXT":
        number = rng.randrange(1, 10_000)
        return number.to_bytes(2, "big") if column["type"] == "BLOB" else number
    if name in _JSON:
        return json.dumps({"name": f"Number {rng.random()}", "currency": "USD", "issue_on": "2026-09-01"})
    if name.endswith(("_on", "at", "day", "since", "until", "through")):
        return f"2026-09-{rng.randrange(1, 29):02}"
    return f"{name} {rng.random()}"


def newer() -> Verdict:
    """A release that does not know a migration of the file refuses to open it."""
    with Company() as company:
        with Store(company.store) as store:
            store.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('netterms', 'm9999', '')"
            )
        return Verdict(wrong=[_OLD] * (not _refused(company.store)))


def f11(seed: int, count: int) -> Row:
    """A kill inside each migration, of a new file and of older ones; an older release on a newer file."""
    scenarios: list[tuple[str, Scenario]] = [("an older release on a newer file", newer)]
    total = sum(_script_counts())
    for number in range(1, total + 1):
        scenarios.append((f"killed after script {number} of {total}", partial(upgraded, number)))
    levels = range(1, len(MIGRATIONS))
    filled: list[tuple[str, Scenario]] = [
        (
            f"a file of {MIGRATIONS[level - 1]} with data, killed in {MIGRATIONS[later]}",
            partial(older, level, later, seed),
        )
        for level in levels
        for later in range(level, len(MIGRATIONS))
    ]
    yield from portion(scenarios, seed, count // 2)
    yield from portion(filled, seed, count - count // 2)
