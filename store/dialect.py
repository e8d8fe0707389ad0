"""What is SQLite's own: opening a file, how a transaction begins, backups, triggers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]  # pysqlite3 where it is installed: its SQLite is newer than Python's

# Before 3.51.3 a WAL database with several connections can be corrupted by a checkpoint race (sqlite.org/wal.html):
# older releases use the rollback journal, which is slower but safe.
_SAFE_WAL = (3, 51, 3)
JOURNAL = "wal" if sqlite3.sqlite_version_info >= _SAFE_WAL else "delete"
BUSY_SECONDS = 30.0
# Pages of the log before they are written into the file. A run of many contracts changes the same pages of an index
# again and again: with SQLite's 1,000 it spends more on writing those than on all the rest of the database.
LOG_PAGES = 16_000

IntegrityError: type[Exception] = sqlite3.IntegrityError
DatabaseError: type[Exception] = sqlite3.DatabaseError


def connect(path: Path | str) -> Any:
    """Open the SQLite file at ``path``, creating it; autocommit, foreign keys on, every commit durable."""
    connection = sqlite3.connect(str(path), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    _choose_journal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    return connection


def read(path: Path | str) -> Any:
    """Open a file that nobody writes to, only to read it: neither it nor anything beside it is changed."""
    connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def problems(connection: Any) -> list[str]:
    """Return what is wrong with the file itself and with references between rows."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    for row in connection.execute("PRAGMA foreign_key_check"):
        found.append(f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there")
    return found[:20]


def make_plain(connection: Any) -> None:
    """Leave everything in the one file, with no journal beside it."""
    connection.execute("PRAGMA journal_mode=DELETE")


def _choose_journal(connection: Any) -> None:
    """Choose the journal. While another process is doing so in a new file, SQLite refuses at once instead of waiting;
    a transaction does wait, and after it there is nothing left to choose.
    """
    try:
        connection.execute(f"PRAGMA journal_mode={JOURNAL}")
    except sqlite3.OperationalError:
        with transaction(connection):
            pass
        connection.execute(f"PRAGMA journal_mode={JOURNAL}")


@contextmanager
def log_left(connection: Any) -> Iterator[None]:
    """Write the log only, and not into the file, until a block ends: another connection does that beside it."""
    connection.execute("PRAGMA wal_autocheckpoint=0")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")


def write_log(connection: Any) -> None:
    """Write into the file what the log holds and nobody reads there any more; no writer waits for that."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


@contextmanager
def transaction(connection: Any) -> Iterator[None]:
    """Run a block as one transaction that holds the write lock from its start.

    A deferred transaction that turns writer fails at once when another writer is active, whatever the timeout;
    ``BEGIN IMMEDIATE`` waits instead.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full or broken
            connection.execute("ROLLBACK")
        raise


def copy(source: Any, target: Path) -> None:
    """Copy the database to one file by SQLite's backup API, consistent while others write."""
    destination = sqlite3.connect(str(target))
    try:
        source.backup(destination)
        make_plain(destination)
    finally:
        destination.close()


def overwrite(target: Any, source: Path) -> None:
    """Make the open database ``target`` what the file ``source`` is, in one transaction: all of it or nothing."""
    origin = read(source)
    try:
        origin.backup(target)
    finally:
        origin.close()


APPEND_ONLY = """
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
"""

# An issued document keeps what the customer has seen; only its state and what is derived from payments may change.
IMMUTABLE_DOCUMENT = """
CREATE TRIGGER documents_issued BEFORE UPDATE ON documents
WHEN OLD.number IS NOT NULL AND (
    NEW.number IS NOT OLD.number OR NEW.entity IS NOT OLD.entity OR NEW.contract IS NOT OLD.contract
    OR NEW.type IS NOT OLD.type OR NEW.total IS NOT OLD.total OR NEW.subtotal IS NOT OLD.subtotal
    OR NEW.tax IS NOT OLD.tax OR NEW.currency IS NOT OLD.currency OR NEW.customer_id IS NOT OLD.customer_id
    OR NEW.issue_on IS NOT OLD.issue_on OR NEW.due_on IS NOT OLD.due_on OR NEW.data IS NOT OLD.data)
BEGIN SELECT RAISE(ABORT, 'an issued document is never changed'); END;
CREATE TRIGGER documents_kept BEFORE DELETE ON documents
WHEN OLD.number IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an issued document is never deleted'); END;
"""

COUNTS = """
CREATE TRIGGER {table}_{event}_counts_{input} AFTER {what} ON {table}{when}
BEGIN UPDATE counters SET changes=changes+1 WHERE input='{input}'; END;
"""

# What the last planning of a contract found holds until something that it was derived from changes: this counts.
ENDS_PLANNED = """
CREATE TRIGGER {table}_{name}_ends_planned AFTER {event} ON {table}
BEGIN UPDATE contracts SET changes=changes+1 WHERE key IN ({contracts}); END;
"""

# Usage of a period that is not billed yet changes nothing that was planned; but who was planning just then must see it.
USAGE_ARRIVES = """
CREATE TRIGGER usage_insert_ends_planned AFTER INSERT ON usage
BEGIN UPDATE contracts SET arrivals=arrivals+1, changes=changes + NOT EXISTS (
    SELECT 1 FROM planned p WHERE p.contract=contracts.key AND p.version=contracts.version
    AND p.changes=contracts.changes AND p.open_from<=NEW.day) WHERE key=NEW.contract; END;
"""
