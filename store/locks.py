"""Locks between threads and processes that end with their holder, however it ends: files locked by the system.

They lie in a folder beside the store, are empty, and may only be deleted while nothing runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

PATIENCE = 60.0  # seconds to wait for who holds a lock: it may be a process that somebody stopped
_PAUSE = 0.01  # seconds between two tries


class Locks:
    """The locks that belong to a store."""

    def __init__(self, store: Path) -> None:
        self._folder = store.with_name(f"{store.name}.locks")

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Wait for the lock of this name and hold it until the block ends.

        Raises ``TimeoutError`` when somebody else holds it for longer than ``PATIENCE``.
        """
        give_back, nothing = self.take(name), Event()
        for _ in range(round(PATIENCE / _PAUSE)):
            if give_back is not None:
                break
            nothing.wait(_PAUSE)
            give_back = self.take(name)
        if give_back is None:
            raise TimeoutError(f"another process holds the lock {name!r}")
        try:
            yield
        finally:
            give_back()

    def take(self, name: str) -> Callable[[], None] | None:
        """Take the lock of this name and return what gives it back; None while somebody else holds it."""
        file = self._open(name)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return lambda: os.close(file)

    def _open(self, name: str) -> int:
        """Open a file anew: a lock belongs to what was opened, so that threads hold off each other, too."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / hashlib.sha256(name.encode()).hexdigest()[:24]
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
