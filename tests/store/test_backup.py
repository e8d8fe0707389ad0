"""A backup is one whole file or none; a restore leaves one whole store whatever interrupts it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from store import audit, backup, dialect, outbox, restores, runs
from store.backup import BadBackup
from store.database import Store
from tests.store.build import ADA, NOW

ROOT = Path(__file__).resolve().parents[2]


def add(store: Store, *deals: str) -> None:
    with store.transaction():
        for deal in deals:
            store.insert("deals", connection="crm", id=deal, digest="", data="{}")
            audit.write(store, ADA, "added", f"deal:{deal}")


def deals(path: Path) -> list[Any]:
    with Store(path) as store:
        return [deal for (deal,) in store.tuples("SELECT id FROM deals ORDER BY id")]


@pytest.fixture
def kept(store: Store, tmp_path: Path) -> Path:
    """A backup that knows deal a, of a store that knows b by now."""
    add(store, "a")
    backup.back_up(store, tmp_path / "kept.db")
    add(store, "b")
    return tmp_path / "kept.db"


# --------------------------------------------------------------------------------------------------------------- backup


def test_a_backup_is_one_file_for_its_owner_alone_and_holds_what_was_committed(kept: Path, store: Store) -> None:
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in kept.parent.glob("kept*")] == ["kept.db"]
    rows, head = backup.verify(kept)
    assert (rows, len(head)) == (1, 64)
    assert [one.name for one in kept.parent.glob("kept*")] == ["kept.db"]  # looking at it leaves nothing beside it


def test_a_backup_taken_while_others_write_holds_whole_transactions(path: Path, store: Store, tmp_path: Path) -> None:
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        with Store(path) as other:
            number = 0
            while not stop.is_set():
                add(other, f"{number}-one", f"{number}-two")
                number += 1
                begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(10)
    try:
        for number in range(5):
            backup.back_up(store, tmp_path / f"{number}.db")
    finally:
        stop.set()
        thread.join()
    found = [deals(tmp_path / f"{number}.db") for number in range(5)]
    assert all(len(one) % 2 == 0 for one in found)
    assert 0 < len(found[0]) <= len(found[-1])


def test_a_backup_that_fails_leaves_the_earlier_one_as_it_was(
    kept: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept.read_bytes()
    monkeypatch.setattr(audit, "verify", lambda store: "row 1 was altered")
    with pytest.raises(BadBackup, match="the audit trail is not intact: row 1 was altered"):
        backup.back_up(store, kept)
    assert kept.read_bytes() == before
    assert [one.name for one in kept.parent.glob("kept*")] == ["kept.db"]


def damage(kept: Path, how: str) -> None:
    content = bytearray(kept.read_bytes())
    if how == "another file":
        kept.write_text("not a database at all\n" * 100)
    elif how == "cut off":
        kept.write_bytes(content[: len(content) // 2])
    elif how == "a page":
        content[4096 * 3 : 4096 * 9] = b"\x5a" * 4096 * 6
        kept.write_bytes(content)
    elif how == "an altered row":
        connection = dialect.connect(kept)
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor='nobody'")
        dialect.make_plain(connection)
        connection.close()
    else:
        kept.with_name("kept.db-wal").write_bytes(b"something")


@pytest.mark.parametrize("how", ["another file", "cut off", "a page", "an altered row", "a log beside it"])
def test_what_is_no_whole_store_is_not_put_back_and_nothing_is_changed(
    kept: Path, store: Store, path: Path, how: str
) -> None:
    damage(kept, how)
    with pytest.raises(BadBackup):
        backup.restore(kept, path, NOW)
    assert deals(path) == ["a", "b"]
    assert restores.latest(store) is None
    assert list(path.parent.glob("*restor*")) == []


# -------------------------------------------------------------------------------------------------------------- restore


def test_a_restored_store_is_the_backup_and_what_was_there_is_kept_beside_it(
    kept: Path, store: Store, path: Path
) -> None:
    beside = backup.restore(kept, path, NOW)
    assert beside == path.with_name(f"store.before-restore-{NOW:%Y%m%dT%H%M%S}.db")
    assert deals(path) == ["a"]
    assert deals(beside) == ["a", "b"]
    assert [deal for (deal,) in store.tuples("SELECT id FROM deals")] == ["a"]  # whoever has it open sees the new one
    assert audit.verify(store) is None
    assert audit.entries(store, "store")[-1].action == "restored"


def test_where_there_is_no_store_the_backup_becomes_it(kept: Path, tmp_path: Path) -> None:
    assert backup.restore(kept, tmp_path / "elsewhere.db", NOW) is None
    assert deals(tmp_path / "elsewhere.db") == ["a"]


def test_a_store_that_is_damaged_itself_is_put_aside(kept: Path, store: Store, path: Path) -> None:
    store.close()
    path.write_bytes(b"no database\n" * 1000)
    beside = backup.restore(kept, path, NOW)
    assert beside is not None
    assert beside.read_bytes() == b"no database\n" * 1000
    assert deals(path) == ["a"]


def test_after_a_restore_every_open_intent_is_in_doubt_and_every_ledger_waits_to_be_read_back(
    store: Store, path: Path, tmp_path: Path
) -> None:
    for our_id in (1, 2, 3, 4):
        outbox.add(store, "books", "document", our_id, {"number": our_id})
    one, two, three, _ = outbox.waiting(store, "books", "document", "new")
    outbox.mark_sending(store, [one], "key-1", NOW)
    outbox.mark(store, [two], "done")
    outbox.mark(store, [three], "parked", "refused")
    runs.start(store, "push_documents", "host:1", NOW)
    backup.back_up(store, tmp_path / "kept.db")
    backup.restore(tmp_path / "kept.db", path, NOW + timedelta(days=3))
    states = dict(store.tuples("SELECT our_id, state FROM outbox"))
    assert states == {1: "uncertain", 2: "done", 3: "parked", 4: "uncertain"}
    assert {(i.call_key, i.sent_at) for i in outbox.waiting(store, "books", "document", "uncertain")} == {("", None)}
    assert runs.holders(store) == []  # a lease of the past is nobody's
    assert restores.is_pending(store, "books")
    restores.was_read_back(store, "books", NOW)
    assert not restores.is_pending(store, "books")
    restore = restores.latest(store)
    assert restore is not None
    assert restore.at == NOW + timedelta(days=3)


class Interrupted(BaseException):
    """The process died here."""


@pytest.mark.parametrize("step", ["copyfile", "_mark", "verify", "_exchange", "overwrite", "_sync"])
def test_a_restore_that_is_interrupted_leaves_the_store_that_was_there_and_can_be_done_again(
    kept: Path, path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: object) -> None:
        raise Interrupted

    places: dict[str, Any] = {"copyfile": shutil, "overwrite": dialect}
    with monkeypatch.context() as patch:
        patch.setattr(places.get(step, backup), step, die)
        with pytest.raises(Interrupted):
            backup.restore(kept, path, NOW)
    assert deals(path) == ["a", "b"]
    backup.restore(kept, path, NOW)
    assert deals(path) == ["a"]


def test_a_restore_that_is_killed_while_it_writes_over_the_store_leaves_it_whole(
    kept: Path, store: Store, path: Path
) -> None:
    add(store, *(f"deal {number:06}" * 20 for number in range(2000)))  # so that it takes more than one step
    count = store.one("SELECT count(*) FROM deals")
    code = (
        "import os, signal, sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from store import backup, dialect\n"
        "def overwrite(target, source):\n"
        "    def die(status, remaining, total): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    dialect.read(source).backup(target, pages=20, progress=die)\n"
        "dialect.overwrite = overwrite\n"
        "backup.restore(Path(sys.argv[1]), Path(sys.argv[2]), datetime(2026, 9, 1, tzinfo=UTC))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(kept), str(path)], cwd=ROOT, env={**os.environ})
    assert killed.returncode == -signal.SIGKILL
    with Store(path) as found:
        assert found.problems() == []
        assert audit.verify(found) is None
        assert found.one("SELECT count(*) FROM deals") == count
    backup.restore(kept, path, NOW)
    assert deals(path) == ["a"]
