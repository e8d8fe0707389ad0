"""The audit trail: append-only, and any tampering with the file is named."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from store import audit
from store.database import IntegrityError, Store
from tests.store.build import ADA


@pytest.fixture
def trail(store: Store) -> Store:
    """Return a store with a trail of five rows."""
    for number in range(1, 6):
        audit.write(store, ADA, "changed", "deal:1", before={"n": number - 1}, after={"n": number}, reason="why not")
    return store


def tamper(store: Store, *statements: str) -> None:
    """Change the file as somebody with a SQLite client would, who removes the triggers first."""
    for kind in ("update", "delete"):
        store.execute(f"DROP TRIGGER audit_no_{kind}")
    for statement in statements:
        store.execute(statement)


def test_a_trail_that_nobody_touched_is_whole(trail: Store) -> None:
    assert audit.verify(trail) is None
    assert audit.head(trail)[0] == 5


def test_an_empty_trail_is_whole(store: Store) -> None:
    assert (audit.verify(store), audit.head(store)) == (None, (0, ""))


def test_a_row_says_who_did_what_to_which_object_and_why(trail: Store) -> None:
    audit.write(trail, ADA, "removed", "deal:2")
    (entry,) = audit.entries(trail, "deal:2")
    assert (entry.n, entry.actor, entry.action, entry.before, entry.after) == (6, "person ada", "removed", None, None)
    assert [(entry.before, entry.after) for entry in audit.entries(trail, "deal:1")][:2] == [
        ('{"n":0}', '{"n":1}'),
        ('{"n":1}', '{"n":2}'),
    ]


@pytest.mark.parametrize("column", ["at", "actor", "action", "object", "before", "after", "reason"])
def test_an_altered_row_is_named(trail: Store, column: str) -> None:
    tamper(trail, f"UPDATE audit SET {column}='x' WHERE n=3")
    assert audit.verify(trail) == "row 3 was altered"


def test_an_altered_hash_is_named(trail: Store) -> None:
    tamper(trail, "UPDATE audit SET hash='x' WHERE n=3")
    assert audit.verify(trail) == "row 3 was altered"


def test_a_row_altered_together_with_its_hash_breaks_the_chain(trail: Store) -> None:
    (third,) = [entry for entry in audit.entries(trail, "deal:1") if entry.n == 3]
    forged = audit._hash(*msgspec.structs.astuple(msgspec.structs.replace(third, reason="x"))[:-1])
    tamper(trail, f"UPDATE audit SET reason='x', hash='{forged}' WHERE n=3")
    assert audit.verify(trail) == "row 4 does not follow row 3"


def test_a_deleted_row_is_named(trail: Store) -> None:
    tamper(trail, "DELETE FROM audit WHERE n=2")
    assert audit.verify(trail) == "row 2 is missing"


def test_rows_renumbered_to_hide_a_deletion_are_named(trail: Store) -> None:
    tamper(trail, "DELETE FROM audit WHERE n=2", *(f"UPDATE audit SET n={n - 1} WHERE n={n}" for n in (3, 4, 5)))
    assert audit.verify(trail) == "row 2 does not follow row 1"


def test_an_inserted_row_is_named(trail: Store) -> None:
    tamper(trail, "INSERT INTO audit SELECT 6, at, actor, action, object, before, after, reason, prev_hash, hash"
                  " FROM audit WHERE n=5")  # fmt: skip
    assert audit.verify(trail) == "row 6 does not follow row 5"


def test_rows_in_another_order_are_named(trail: Store) -> None:
    swap = [f"UPDATE audit SET n={new} WHERE n={old}" for old, new in ((2, 99), (3, 2), (99, 3))]
    tamper(trail, *swap)
    assert audit.verify(trail) == "row 2 does not follow row 1"


def test_rows_cut_off_at_the_end_show_in_the_head(trail: Store) -> None:
    before = audit.head(trail)
    tamper(trail, "DELETE FROM audit WHERE n=5")
    assert audit.verify(trail) is None  # what is left is whole: only a head kept elsewhere proves the cut
    assert audit.head(trail) != before


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason='x' WHERE n=1", "DELETE FROM audit WHERE n=5"])
def test_the_database_itself_refuses_to_change_the_trail(trail: Store, statement: str) -> None:
    with pytest.raises(IntegrityError, match="audit is append-only"):
        trail.execute(statement)


def test_a_row_vanishes_with_the_change_it_describes(trail: Store) -> None:
    with pytest.raises(ZeroDivisionError), trail.transaction():
        audit.write(trail, ADA, "changed", "deal:1")
        raise ZeroDivisionError
    assert audit.head(trail)[0] == 5
    audit.write(trail, ADA, "changed", "deal:1")
    assert (audit.verify(trail), audit.head(trail)[0]) == (None, 6)


def test_the_head_beside_the_store_is_whole_whenever_somebody_reads_it(trail: Store) -> None:
    path, stop = Path(trail.path), threading.Event()

    def note_again_and_again() -> None:
        with Store(path) as store:
            while not stop.is_set():
                with store.transaction():
                    audit.write(store, ADA, "looked", "document:1")
                audit.note_head(store)

    audit.note_head(trail)
    writers = [threading.Thread(target=note_again_and_again) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        seen = [audit.noted_head(trail) for _ in range(3000)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert all(one is not None and one[0] > 0 and len(one[1]) == 64 for one in seen)
    assert [one.name for one in path.parent.glob("*.head.*")] == []


def test_a_head_that_the_trail_does_not_hold_any_more_stays_noted(trail: Store) -> None:
    audit.note_head(trail)
    noted = audit.noted_head(trail)
    tamper(trail, "DELETE FROM audit WHERE n=(SELECT max(n) FROM audit)")
    audit.write(trail, ADA, "looked", "document:1")
    audit.note_head(trail)
    assert audit.noted_head(trail) == noted
