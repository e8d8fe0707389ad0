"""The calls of accounts, counted for every process: what vendors' limits are kept by.

They lie in a file of their own beside the store, because no call may wait for a long write of a job; it may be deleted
while nothing runs, as it forgets everything within a day. A window counts its calls by the moment at which they began,
five hundred moments each, and is one moment longer for it; so it has few rows. A block of permits that were given out
counts as if all were used at the last moment allowed, until it is settled; so what a process held that died costs its
block until the window has passed.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from store import dialect
from store.locks import Locks

_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT NOT NULL, at REAL NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (key, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    key TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (key, until)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pauses (
    key TEXT PRIMARY KEY, until REAL NOT NULL, why TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
_GRAIN = 500  # a window is divided into so many moments
_AHEAD = 5.0  # seconds; no block lasts longer, so what lies further ahead was written before the clock was put back
_LOOK = 0.005  # seconds; the shortest wait before permits are asked for again
_QUEUED = 1.0  # seconds for which one who waits urgently counts longer than was told to wait
_LONGEST_QUEUED = 75.0


class Window(Protocol):
    """A limit as it is counted: ``connectors.base.Window``."""

    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102
    def counts_at(self, sent: float, arrived: float) -> float: ...  # noqa: D102


B = TypeVar("B")


class Quota(Generic[B]):
    """``connectors.base.Quota`` over an SQLite file, for any thread of any process. ``now``: seconds of the epoch.

    ``block`` makes the answer: ``block(permits, until, wait, why)``.
    """

    def __init__(self, store: Path, now: Callable[[], float], block: Callable[[int, float, float, str], B]) -> None:
        self.now = now
        self._block = block
        self._path = store.with_name(f"{store.name}.quota")
        self._locks = Locks(store)
        self._lock = threading.Lock()
        self._opened: Any = None

    def exchange(self, windows: Sequence[Window], spent: Any, want: int, life: float, *, urgent: bool) -> B:
        """Settle the last block and get another, in one transaction (``connectors.base.Quota.exchange``)."""
        with self._lock, dialect.transaction(self._database()):
            now = self.now()
            for window in windows:
                self._settle(window, spent, now)
            room, wait, why = want, 0.0, ""
            for window in windows:
                left, delay = self._room(window, now, urgent)
                room = min(room, left)
                if delay > wait:
                    wait, why = delay, f"{window.calls} calls in {window.seconds:.0f} s"
            wait, why = max((wait, why), self._paused(windows, now))
            if wait > 0 or room <= 0:
                wait = max(wait, _LOOK)
                if not urgent:
                    return self._block(0, 0.0, wait, why)
                until = now + min(wait, _LONGEST_QUEUED) + _QUEUED
                self._queue([window.key for window in windows], until)
                return self._block(0, until, wait, why)
            for window in windows:
                self._add(window.key, now + life, room)
            return self._block(room, now + life, 0.0, "")

    def pause(self, key: str, seconds: float, why: str) -> None:
        """Give out no permits for a window, or for all of an account, for ``seconds``; a longer pause stays."""
        with self._lock, dialect.transaction(self._database()):
            self._run(
                "INSERT INTO pauses (key, until, why) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE"
                " SET until=excluded.until, why=excluded.why WHERE excluded.until > until",
                key,
                self.now() + seconds,
                why,
            )

    def slot(self, key: str, slots: int) -> Callable[[], None] | None:
        """Take one of so many slots; a process that dies gives its own back."""
        for number in range(slots):
            if (give_back := self._locks.take(f"{key} {number}")) is not None:
                return give_back
        return None

    # ---------------------------------------------------------------------------------------- within a transaction

    def _settle(self, window: Window, spent: Any, now: float) -> None:
        """Replace a block by the calls that were made of it, and forget calls that no window holds any more."""
        key, block = window.key, spent.block
        if ahead := self._one("SELECT sum(calls) FROM calls WHERE key=? AND at>?", key, now + _AHEAD):
            self._run("DELETE FROM calls WHERE key=? AND at>?", key, now + _AHEAD)
            self._add(key, now, ahead)
        if block.permits:
            self._add(key, block.until, -block.permits)
        else:
            self._run("DELETE FROM waiting WHERE key=? AND (until=? OR until<=?)", key, block.until, now)
        grain = window.seconds / _GRAIN
        moments = (window.counts_at(sent, arrived) for sent, arrived in spent.used)
        for at, calls in Counter(math.floor(at / grain) * grain for at in moments).items():
            self._add(key, at, calls)
        self._run("DELETE FROM calls WHERE key=? AND (at<=? OR calls<=0)", key, now - window.seconds - grain)
        if key in spent.told:
            left, at = spent.told[key]
            if (others := window.calls - self._used(key) - left) > 0:
                self._add(key, at, others)

    def _room(self, window: Window, now: float, urgent: bool) -> tuple[int, float]:
        """Return how many calls fit, and when none does after how many seconds it is worth asking again."""
        waiting = 0 if urgent else self._one("SELECT count(*) FROM waiting WHERE key=? AND until>?", window.key, now)
        left = window.calls - self._used(window.key)
        if left > 0:
            return max(0, left - waiting), 0.0 if left > waiting else _LOOK
        first = self._one("SELECT min(at) FROM calls WHERE key=?", window.key)
        held = self._one("SELECT min(at) FROM calls WHERE key=? AND at>?", window.key, now)
        delay = first + window.seconds * (1 + 1 / _GRAIN) - now
        return 0, max(_LOOK, min(delay, held - now) if held is not None else delay)

    def _paused(self, windows: Sequence[Window], now: float) -> tuple[float, str]:
        keys = {key for window in windows for key in (window.key, window.key.rpartition(" ")[0])}
        marks = ", ".join("?" * len(keys))
        rows = self._rows(f"SELECT until - ?, why FROM pauses WHERE until > ? AND key IN ({marks})", now, now, *keys)
        return max(((float(seconds), str(why)) for seconds, why in rows), default=(0.0, ""))

    def _queue(self, keys: Sequence[str], until: float) -> None:
        for key in keys:
            self._run("INSERT OR REPLACE INTO waiting (key, until) VALUES (?, ?)", key, until)

    def _used(self, key: str) -> int:
        return int(self._one("SELECT coalesce(sum(calls), 0) FROM calls WHERE key=?", key))

    def _add(self, key: str, at: float, calls: int) -> None:
        if calls > 0:
            self._run(
                "INSERT INTO calls (key, at, calls) VALUES (?, ?, ?)"
                " ON CONFLICT (key, at) DO UPDATE SET calls=calls+excluded.calls",
                key,
                at,
                calls,
            )
        else:
            self._run("UPDATE calls SET calls=calls+? WHERE key=? AND at=?", calls, key, at)

    # ------------------------------------------------------------------------------------------------------ SQLite

    def _database(self) -> Any:
        if self._opened is None:
            self._opened = dialect.connect(self._path)
            self._opened.execute(
                "PRAGMA synchronous=NORMAL"
            )  # what a power cut takes away is forgotten in a day anyway
            with dialect.transaction(self._opened):
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._opened.execute(statement)
        return self._opened

    def _run(self, sql: str, *values: Any) -> None:
        self._opened.execute(sql, values)

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._opened.execute(sql, values)]

    def _one(self, sql: str, *values: Any) -> Any:
        return self._opened.execute(sql, values).fetchone()[0]
