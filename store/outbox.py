"""What is to be written at vendors: the intent is here before the first byte leaves, the outcome when it is known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from store.database import Store, to_json

State = Literal["new", "sending", "uncertain", "done", "parked"]


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One object that must exist at a vendor. ``call_key`` is the idempotency key of the call it last went out with."""

    id: int
    connection: str
    kind: str
    our_id: int
    currency: str
    state: State
    call_key: str
    attempts: int
    problem: str
    payload: str
    payload_hash: str


def add(store: Store, connection: str, kind: str, our_id: int, payload: Any, currency: str = "") -> None:
    """Note that an object must exist at the vendor. Call inside a transaction."""
    data = to_json(payload)
    store.insert(
        "outbox",
        connection=connection,
        kind=kind,
        our_id=our_id,
        currency=currency,
        state="new",
        payload=data,
        payload_hash=hashlib.sha256(data.encode()).hexdigest(),
    )


def adopt(store: Store, connection: str, kind: str, our_id: int, found: Any) -> None:
    """Note that the vendor holds our object already although we never sent it, as ``found``: another app made it."""
    add(store, connection, kind, our_id, {"adopted": found})
    sql = "UPDATE outbox SET state='done' WHERE connection=? AND kind=? AND our_id=?"
    store.execute(sql, connection, kind, our_id)


def adopted(store: Store, connection: str, kind: str) -> dict[int, str]:
    """Return the vendor's id of what another app made, by our id."""
    return dict(
        store.tuples(
            "SELECT our_id, payload ->> '$.adopted.ref.id' FROM outbox WHERE connection=? AND kind=? AND state='done'"
            " AND payload ->> '$.adopted.ref.id' IS NOT NULL",
            connection,
            kind,
        )
    )


def forget(store: Store, connection: str, kind: str, our_ids: Sequence[int]) -> None:
    """Drop what is known of objects at the vendor: they have to be made, or found there, anew."""
    store.many(
        "DELETE FROM outbox WHERE connection=? AND kind=? AND our_id=?", [(connection, kind, one) for one in our_ids]
    )


def withdraw(store: Store, connection: str, kind: str) -> int:
    """Drop every intent that is not known to be done, since somebody else does it now; return how many."""
    return store.execute("DELETE FROM outbox WHERE connection=? AND kind=? AND state<>'done'", connection, kind)


def known(store: Store, connection: str, kind: str) -> set[int]:
    """Return our ids of all objects that the outbox knows of."""
    rows = store.tuples("SELECT our_id FROM outbox WHERE connection=? AND kind=?", connection, kind)
    return {our_id for (our_id,) in rows}


def done(store: Store, connection: str, kind: str) -> list[Intent]:
    """Return the intents of a kind that are done and not forgotten."""
    sql = "SELECT * FROM outbox WHERE connection=? AND kind=? AND state='done' ORDER BY id"
    return store.rows(Intent, sql, connection, kind)


def of(store: Store, connection: str, kind: str, our_id: int) -> Intent | None:
    """Return what the outbox knows of one of our objects, whatever became of it."""
    sql = "SELECT * FROM outbox WHERE connection=? AND kind=? AND our_id=?"
    return store.first(Intent, sql, connection, kind, our_id)


def waiting(store: Store, connection: str, kind: str, state: State) -> list[Intent]:
    """Return the intents in ``state``, oldest first; those sent together before stand together."""
    return store.rows(
        Intent,
        "SELECT * FROM outbox WHERE connection=? AND kind=? AND state=? ORDER BY call_key DESC, id",
        connection,
        kind,
        state,
    )


def has(store: Store, connection: str, kind: str, our_id: int, currency: str = "") -> bool:
    """Say whether an object is known to the outbox already."""
    found = store.one(
        "SELECT 1 FROM outbox WHERE connection=? AND kind=? AND our_id=? AND currency=?",
        connection,
        kind,
        our_id,
        currency,
    )
    return found is not None


def mark_sending(store: Store, intents: Sequence[Intent], call_key: str) -> None:
    """Commit to a call before it is made: from here on its outcome is unknown until it is noted."""
    store.many(
        "UPDATE outbox SET state='sending', call_key=?, attempts=attempts+1 WHERE id=?",
        [(call_key, intent.id) for intent in intents],
    )


def mark(store: Store, intents: Sequence[Intent], state: State, problem: str = "", *, keep_key: bool = True) -> None:
    """Note what became of intents. Without ``keep_key`` they go out under a new idempotency key next time."""
    key = "call_key" if keep_key else "''"
    store.many(
        f"UPDATE outbox SET state=?, problem=?, call_key={key} WHERE id=?",
        [(state, problem, intent.id) for intent in intents],
    )


def recover(store: Store, connection: str, kind: str) -> int:
    """Call uncertain what a stopped process left as being sent; return how many."""
    return store.execute(
        "UPDATE outbox SET state='uncertain' WHERE connection=? AND kind=? AND state='sending'", connection, kind
    )


def retry(store: Store, intent_id: int) -> bool:
    """Let a parked intent be built and sent anew; return whether it was parked."""
    return bool(store.execute("DELETE FROM outbox WHERE id=? AND state='parked'", intent_id))


def unpark(store: Store, intent_id: int, problem: str) -> bool:
    """Let a parked intent be looked up again before anything is sent; return whether it was parked."""
    sql = "UPDATE outbox SET state='uncertain', problem=? WHERE id=? AND state='parked'"
    return bool(store.execute(sql, problem, intent_id))


def sent_together(store: Store, connection: str, kind: str, call_key: str) -> int:
    """Return how many intents went out under a key."""
    return int(
        store.one(
            "SELECT count(*) FROM outbox WHERE connection=? AND kind=? AND call_key=?", connection, kind, call_key
        )
    )


def needing_person(store: Store, connection: str, kind: str) -> list[Intent]:
    """Return the intents that are parked, or that the vendor booked otherwise than meant."""
    return store.rows(
        Intent,
        "SELECT * FROM outbox WHERE connection=? AND kind=? AND (state='parked' OR (state='done' AND problem<>''))"
        " ORDER BY id",
        connection,
        kind,
    )
