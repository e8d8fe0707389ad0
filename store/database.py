"""The open store: transactions, and rows as typed records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from billing.written import to_json as to_json
from store import dialect, schema
from store.dialect import IntegrityError as IntegrityError  # callers catch it without knowing the database

T = TypeVar("T")


class LeaseLost(Exception):
    """Another process took the job over; nothing of this process may be written any more."""


class Store:
    """A connection to the SQLite file. One per thread; transactions do not nest."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._connection = dialect.connect(path)
        schema.migrate(self._connection)
        self.fence: int | None = None  # the running job's id: every commit proves that it still holds its lease

    @classmethod
    def as_it_is(cls, path: Path) -> Store:
        """Open a copy that nobody writes to, only to read it: nothing is migrated or changed."""
        return cls._over(path, dialect.read(path))

    @classmethod
    def as_others_do(cls, path: Path) -> Store:
        """Open the store beside others who use it, without migrating it."""
        return cls._over(path, dialect.connect(path))

    @classmethod
    def _over(cls, path: Path, connection: Any) -> Store:
        store = cls.__new__(cls)
        store.path, store._connection, store.fence = path, connection, None
        return store

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prove_lease(self) -> None:
        """Raise ``LeaseLost`` when the running job has been taken over: to be asked before a call that changes much."""
        if self.fence is not None and not self.one("SELECT 1 FROM runs WHERE id=? AND outcome IS NULL", self.fence):
            raise LeaseLost("another process has taken this job over")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a block as one transaction; raises ``LeaseLost`` when the running job has been taken over."""
        with dialect.transaction(self._connection):
            self.prove_lease()
            yield

    def log_left(self) -> AbstractContextManager[None]:
        """Leave writing the log into the file to ``write_log`` by others, until a block ends."""
        return dialect.log_left(self._connection)

    def write_log(self) -> None:
        """Write into the file what the log holds, beside whoever writes the log."""
        dialect.write_log(self._connection)

    @contextmanager
    def _fenced(self) -> Iterator[None]:
        """Let no statement of a running job by the fence that stands in no transaction."""
        if self.fence is None or self._connection.in_transaction:
            yield
        else:
            with self.transaction():
                yield

    def execute(self, sql: str, *values: Any) -> int:
        """Run one statement; return how many rows it changed."""
        with self._fenced():
            return int(self._connection.execute(sql, values).rowcount)

    def insert(self, table: str, **values: Any) -> int:
        """Insert one row; return its id."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        with self._fenced():
            return int(self._connection.execute(statement, tuple(values.values())).lastrowid)

    def many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run one statement for many rows."""
        with self._fenced():
            self._connection.executemany(sql, rows)

    def rows(self, record: type[T], sql: str, *values: Any) -> list[T]:
        """Return the rows of a query as ``record`` structs; column names are the fields."""
        found = self._connection.execute(sql, values).fetchall()
        return [msgspec.convert(dict(row), record, strict=False) for row in found]

    def scan(self, record: type[T], sql: str, *values: Any) -> Iterator[T]:
        """Yield the rows of a query as ``record`` structs one by one, however many there are."""
        for row in self._connection.execute(sql, values):
            yield msgspec.convert(dict(row), record, strict=False)

    def first(self, record: type[T], sql: str, *values: Any) -> T | None:
        """Return the first row as ``record``, or None."""
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else msgspec.convert(dict(row), record, strict=False)

    def tuples(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query as plain tuples."""
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return list(cursor.execute(sql, values))

    def each(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query as plain tuples, however many there are. Write nothing before the last one."""
        cursor = self._connection.cursor()
        cursor.row_factory = None
        yield from cursor.execute(sql, values)

    def table(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        """Return the column names and rows of a query."""
        cursor = self._connection.execute(sql)
        return [column[0] for column in cursor.description], [list(row) for row in cursor]

    def one(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def copy_to(self, target: Path) -> None:
        """Copy the whole store to ``target``, consistent while others write."""
        dialect.copy(self._connection, target)

    def become(self, source: Path) -> None:
        """Become what the store in the file ``source`` is, whole or not at all."""
        dialect.overwrite(self._connection, source)

    def make_plain(self) -> None:
        """Leave everything in the one file; nobody else may have it open."""
        dialect.make_plain(self._connection)

    def problems(self) -> list[str]:
        """Return what is wrong with the file itself, at most twenty things."""
        return dialect.problems(self._connection)
