"""Backups: a copy that is proved to be whole, and putting one back without ever leaving half a store."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from store import audit, dialect, restores, runs
from store.database import Store


class BadBackup(Exception):
    """A copy of the store is not whole; the message says what is wrong with it."""


class Proved(NamedTuple):
    """What a whole copy holds: the rows of its audit trail and the hash of the last one."""

    rows: int
    head: str


def back_up(store: Store, target: Path) -> Proved:
    """Copy the store to ``target``, consistent while others write; return what the copy holds.

    The copy appears under its name only once it is proved to be whole and lies on the disk. Raises ``BadBackup``.
    """
    unfinished = _beside(target, "unfinished")
    try:
        store.copy_to(unfinished)
        found = verify(unfinished)
        _place(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    return found


def verify(path: Path) -> Proved:
    """Prove that a file is a whole store that nobody has open: pages, references, audit trail. Raises ``BadBackup``."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise BadBackup(
            f"{path} has a write-ahead log beside it: it is in use, or was copied without `netterms backup`"
        )
    try:
        with Store.as_it_is(path) as copy:
            problems = copy.problems()
            broken = None if problems else audit.verify(copy)
            if problems or broken:
                raise BadBackup(f"{path}: {'; '.join(problems) or f'the audit trail is not intact: {broken}'}")
            return Proved(*audit.head(copy))
    except dialect.DatabaseError as error:
        raise BadBackup(f"{path} is no store of Netterms: {error}") from None


def restore(file: Path, path: Path, now: datetime) -> Path | None:
    """Put the backup ``file`` back as the store at ``path``; return where the store that was there is kept, if any.

    Everything that is not known to be done, and every ledger, is marked as to be looked up before anything is sent.
    At any moment of this ``path`` is one whole store: the old or the new one. Raises ``BadBackup``, and
    ``RuntimeError`` for a backup of a newer release.
    """
    verify(file)
    prepared = _beside(path, "restoring")
    for left in (prepared, prepared.with_name(f"{prepared.name}-wal"), prepared.with_name(f"{prepared.name}-shm")):
        left.unlink(missing_ok=True)
    try:
        shutil.copyfile(file, prepared)
        prepared.chmod(0o600)
        _mark(prepared, now)
        verify(prepared)
        kept = path.with_name(f"{path.stem}.before-restore-{now:%Y%m%dT%H%M%S}{path.suffix}")
        there_was_one = path.exists()
        if there_was_one:
            _exchange(prepared, path, kept)
        else:
            _place(prepared, path)
        with suppress(FileNotFoundError):  # the head of the trail as noted last is that of the store that was there
            audit.head_file(path).replace(audit.head_file(kept))
    finally:
        prepared.unlink(missing_ok=True)
    return kept if there_was_one else None


def _mark(prepared: Path, now: datetime) -> None:
    """Say in a store that it was put back, and that the world has gone on without it."""
    with Store(prepared) as store:
        with store.transaction():
            runs.hand_back(store, now, "the store was put back to a backup")
            restores.note(store, now)
        store.make_plain()


def _exchange(prepared: Path, path: Path, kept: Path) -> None:
    """Keep the store under another name, then write the prepared one over it in one transaction of the database.

    So whoever has it open sees the new one next. A store that is too damaged for that is put aside as a file.
    """
    try:
        with Store.as_others_do(path) as current:
            current.copy_to(kept)
            _sync(kept)
            current.become(prepared)
    except dialect.DatabaseError:
        kept.unlink(missing_ok=True)
        for end in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.link(f"{path}{end}", f"{kept}{end}")
        for end in ("-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
        _place(prepared, path)


def _beside(target: Path, word: str) -> Path:
    return target.with_name(f"{target.name}.{word}")


def _place(unfinished: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    unfinished.chmod(0o600)
    _sync(unfinished)
    unfinished.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
