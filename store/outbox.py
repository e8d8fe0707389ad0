"""What is to be written at vendors: the intent is here before the first byte leaves, the outcome when it is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from store.database import Store, to_json

State = Literal["new", "sending", "uncertain", "done", "parked"]
Side = tuple[str, str, str]  # what is compared, how it is here, how it is at the vendor
_WORDS = {
    "credit_use": "uses of credit",
    "customer_update": "changes of customers",
    "document_update": "corrections of documents",
    "document_void": "voids of documents",
    "exchanged_in": "exchanges into an account",
    "exchanged_out": "exchanges out of an account",
    "on_account": "payments on account",
    "on_account_void": "voids of payments on account",
    "payment_void": "voids of payments",
    "payment_page": "payment pages",
    "payment_page_again": "payment pages opened again",
    "payment_page_end": "payment pages closed",
    "payout_back": "payouts that came back",
    "payout_fee": "fees of payouts",
    "payout_other": "sales by others in payouts",
    "refund_void": "refunds taken back",
}


def words(kind: str) -> str:
    """Return what people call several objects of a kind."""
    return _WORDS.get(kind, f"{kind}s")


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One object that must exist at a vendor. ``call_key`` is the idempotency key of the call it last went out with.

    ``call_hash`` belongs to that key: the same key may go out again with exactly that content and no other. ``sent_at``
    is when the key was first used, ``absent_at`` when the object was first not found after that. ``look``: it is looked
    up before it goes out the first time.
    """

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
    call_hash: str = ""
    sent_at: datetime | None = None
    absent_at: datetime | None = None
    not_before: datetime | None = None
    look: bool = False
    sides: str = "[]"

    @property
    def is_whole(self) -> bool:
        """Say whether the payload is the one that was committed."""
        return self.payload_hash == _hash(self.payload)

    @property
    def is_unsent(self) -> bool:
        """Say whether the vendor surely does not hold it: it was refused, or never went out."""
        return self.state == "parked" or (self.state == "new" and not self.attempts)

    @property
    def both_sides(self) -> list[Side]:
        """What is meant here beside what was found at the vendor; empty when they were not compared."""
        return msgspec.json.decode(self.sides, type=list[Side])


def call_hash(intents: Sequence[Intent]) -> str:
    """Return what identifies the content of a call: the payloads in their order."""
    return _hash("\n".join(intent.payload_hash for intent in intents))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def add(
    store: Store, connection: str, kind: str, our_id: int, payload: Any, currency: str = "", *, look: bool = False
) -> None:
    """Note that an object must exist at the vendor; ``look``: it may be there already. Call inside a transaction.

    One that was parked before is looked up first: it may be there, as somebody mended it by hand.
    """
    data = to_json(payload)
    again = "DELETE FROM retried WHERE connection=? AND kind=? AND our_id=? AND currency=?"
    was_parked = store.execute(again, connection, kind, our_id, currency)
    store.insert(
        "outbox",
        connection=connection,
        kind=kind,
        our_id=our_id,
        currency=currency,
        state="new",
        payload=data,
        payload_hash=_hash(data),
        look=int(look or was_parked > 0),
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


def forget_one(store: Store, connection: str, kind: str, our_id: int, currency: str) -> None:
    """Drop what is known of one object that is several at the vendor, by currency."""
    sql = "DELETE FROM outbox WHERE connection=? AND kind=? AND our_id=? AND currency=?"
    store.execute(sql, connection, kind, our_id, currency)


def first_sent(store: Store, connection: str, kinds: Iterable[str]) -> datetime | None:
    """Return when the first object of some kinds went out, None when none did."""
    names = tuple(kinds)
    marks = ", ".join("?" * len(names))
    at = store.one(f"SELECT min(sent_at) FROM outbox WHERE connection=? AND kind IN ({marks})", connection, *names)
    return None if at is None else datetime.fromisoformat(at)


def drop(store: Store, intent: Intent) -> None:
    """Drop an intent that is as it was read, unless a call for it may be under way."""
    sql = "DELETE FROM outbox WHERE id=? AND state=? AND state NOT IN ('sending', 'uncertain')"
    store.execute(sql, intent.id, intent.state)


def withdraw(store: Store, connection: str, kind: str) -> int:
    """Drop every intent that is not known to be done, since somebody else does it now; return how many."""
    return store.execute("DELETE FROM outbox WHERE connection=? AND kind=? AND state<>'done'", connection, kind)


def known(store: Store, connection: str, kind: str) -> set[int]:
    """Return our ids of all objects that the outbox knows of."""
    rows = store.tuples("SELECT our_id FROM outbox WHERE connection=? AND kind=?", connection, kind)
    return {our_id for (our_id,) in rows}


def known_by_currency(store: Store, connection: str, kind: str) -> set[tuple[int, str]]:
    """Return (our id, currency) of the same, where one object of ours is several at the vendor."""
    return set(store.tuples("SELECT our_id, currency FROM outbox WHERE connection=? AND kind=?", connection, kind))


def done(store: Store, connection: str, kind: str) -> list[Intent]:
    """Return the intents of a kind that are done and not forgotten."""
    sql = "SELECT * FROM outbox WHERE connection=? AND kind=? AND state='done' ORDER BY id"
    return store.rows(Intent, sql, connection, kind)


def all_of(store: Store, connection: str, kind: str) -> dict[int, Intent]:
    """Return everything the outbox knows of a kind that has one intent per object, by our id."""
    rows = store.rows(Intent, "SELECT * FROM outbox WHERE connection=? AND kind=?", connection, kind)
    return {intent.our_id: intent for intent in rows}


def of(store: Store, connection: str, kind: str, our_id: int) -> Intent | None:
    """Return what the outbox knows of one of our objects, whatever became of it."""
    sql = "SELECT * FROM outbox WHERE connection=? AND kind=? AND our_id=?"
    return store.first(Intent, sql, connection, kind, our_id)


def waiting(store: Store, connection: str, kind: str, state: State) -> list[Intent]:
    """Return the intents in ``state``, oldest first; those sent together before stand together, troubled ones apart."""
    return store.rows(
        Intent,
        "SELECT * FROM outbox WHERE connection=? AND kind=? AND state=? ORDER BY call_key DESC, attempts>1, id",
        connection,
        kind,
        state,
    )


_READY = "connection=? AND kind=? AND state='new' AND (not_before IS NULL OR not_before<=?)"


def count_ready(store: Store, connection: str, kind: str, now: datetime) -> int:
    """Return how many intents may go out now."""
    return int(store.one(f"SELECT count(*) FROM outbox WHERE {_READY}", connection, kind, now.isoformat()))


def may_go_out(store: Store, connection: str, kind: str) -> bool:
    """Say whether any intent of a kind waits to be sent, or may have to be sent again."""
    sql = "SELECT 1 FROM outbox WHERE connection=? AND kind=? AND state IN ('new', 'sending', 'uncertain') LIMIT 1"
    return store.one(sql, connection, kind) is not None


def next_batch(store: Store, connection: str, kind: str, size: int, now: datetime) -> list[Intent]:
    """Return the next intents that may go out in one call, in the order of ``waiting``.

    Those sent together before stay together. One that the vendor cannot digest must not keep others back: after
    failing together each goes alone.
    """
    ready = (connection, kind, now.isoformat())
    first = store.tuples(
        f"SELECT call_key, attempts>1 FROM outbox WHERE {_READY} ORDER BY call_key DESC, attempts>1, id LIMIT 1", *ready
    )
    if not first:
        return []
    ((call_key, alone),) = first
    return store.rows(
        Intent,
        f"SELECT * FROM outbox WHERE {_READY} AND call_key=? AND (attempts>1)=? ORDER BY id LIMIT ?",
        *ready,
        call_key,
        alone,
        1 if alone else size,
    )


def unseen(store: Store, connection: str, kind: str, size: int, *, every: bool) -> Iterator[list[Intent]]:
    """Yield, some at a time, the intents to look up before they go out the first time: those marked so, or all.

    What is parked is among them only where it is marked: it was parked before a restore.
    """
    sql = (
        "SELECT * FROM outbox WHERE connection=? AND kind=? AND (state='new' AND look>=? OR state='parked' AND look=1)"
    )
    sql += " AND id>? ORDER BY id LIMIT ?"
    last = 0
    while found := store.rows(Intent, sql, connection, kind, int(not every), last, size):
        last = found[-1].id
        yield found


def get(store: Store, intent_id: int) -> Intent | None:
    """Return one intent."""
    return store.first(Intent, "SELECT * FROM outbox WHERE id=?", intent_id)


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


def mark_sending(store: Store, intents: Sequence[Intent], call_key: str, now: datetime) -> None:
    """Commit to a call before it is made: from here on its outcome is unknown until it is noted.

    The key's age counts from its first use, and a doubt about that use stays until the key is another.
    """
    content, at = call_hash(intents), now.isoformat()
    store.many(
        "UPDATE outbox SET state='sending', attempts=attempts+1, call_hash=?, not_before=NULL, look=0,"
        " sent_at=CASE WHEN call_key=? THEN coalesce(sent_at, ?) ELSE ? END,"
        " absent_at=CASE WHEN call_key=? THEN absent_at END, call_key=? WHERE id=?",
        [(content, call_key, at, at, call_key, call_key, intent.id) for intent in intents],
    )


def mark(store: Store, intents: Sequence[Intent], state: State, problem: str = "", *, keep_key: bool = True) -> None:
    """Note what became of intents. Without ``keep_key`` they go out under a new idempotency key next time."""
    forgotten = "" if keep_key else ", call_key='', call_hash='', sent_at=NULL, absent_at=NULL"
    store.many(
        f"UPDATE outbox SET state=?, problem=?, not_before=CASE WHEN ?='new' THEN not_before END{forgotten} WHERE id=?",
        [(state, problem, state, intent.id) for intent in intents],
    )


def mark_untried(store: Store, intents: Sequence[Intent], problem: str) -> None:
    """Note that a call surely did nothing: it does not count, and whatever was in doubt before it still is."""
    mark(store, intents, "new", problem)
    store.many("UPDATE outbox SET attempts=attempts-1 WHERE id=?", [(intent.id,) for intent in intents])


def part(store: Store, intents: Sequence[Intent], problem: str) -> None:
    """Note that a call was refused as a whole: each goes alone from now on, as ``next_batch`` says.

    Where an earlier call under the same key is in doubt, it still is.
    """
    in_doubt = any(intent.absent_at is not None for intent in intents)
    mark(store, intents, "uncertain" if in_doubt else "new", problem, keep_key=in_doubt)
    store.many("UPDATE outbox SET attempts=max(attempts, 2) WHERE id=?", [(intent.id,) for intent in intents])


def mark_unknown(store: Store, intents: Sequence[Intent], problem: str) -> None:
    """Note that a call may have happened: whatever was seen before it says nothing any more."""
    mark(store, intents, "uncertain", problem)
    store.many("UPDATE outbox SET absent_at=NULL WHERE id=?", [(intent.id,) for intent in intents])


def mark_absent(store: Store, intents: Sequence[Intent], now: datetime) -> None:
    """Note that the vendor was asked for intents and does not hold them; the earliest such moment counts."""
    store.many(
        "UPDATE outbox SET absent_at=min(coalesce(absent_at, ?), ?) WHERE id=?",
        [(now.isoformat(), now.isoformat(), intent.id) for intent in intents],
    )


def postpone(store: Store, intents: Sequence[Intent], until: datetime | None) -> None:
    """Do not try intents again before ``until``; None: with the next run."""
    at = None if until is None else until.isoformat()
    store.many("UPDATE outbox SET not_before=? WHERE id=?", [(at, intent.id) for intent in intents])


def park_with(store: Store, intent: Intent, problem: str, sides: Sequence[Side]) -> None:
    """Park an intent as what was found at the vendor differs; both are kept to be shown side by side."""
    mark(store, [intent], "parked", problem, keep_key=False)
    keep_sides(store, intent, sides)


def keep_sides(store: Store, intent: Intent, sides: Sequence[Side]) -> None:
    """Keep what is meant beside what is at the vendor."""
    store.execute("UPDATE outbox SET sides=? WHERE id=?", to_json(list(sides)), intent.id)


def recover(store: Store, connection: str, kind: str) -> int:
    """Call uncertain what a stopped process left as being sent; return how many."""
    return store.execute(
        "UPDATE outbox SET state='uncertain', absent_at=NULL WHERE connection=? AND kind=? AND state='sending'",
        connection,
        kind,
    )


def was_looked_up(store: Store, intents: Sequence[Intent]) -> None:
    """Note that the vendor surely does not hold what of ``intents`` is parked."""
    ids = [(intent.id,) for intent in intents]
    store.many("UPDATE outbox SET look=0 WHERE id=? AND state='parked'", ids)


def doubt_all(store: Store) -> int:
    """Call uncertain everything that is not done, whatever is known of its calls: the store is older than the world.

    What waits for a person goes on doing so, but may be there by now, so it is to be looked up.
    """
    store.execute("UPDATE outbox SET look=1 WHERE state='parked'")
    return store.execute(
        "UPDATE outbox SET state='uncertain', call_key='', call_hash='', sent_at=NULL, absent_at=NULL, not_before=NULL"
        " WHERE state IN ('new', 'sending', 'uncertain')"
    )


def unsettled_keys(store: Store, connection: str, kind: str) -> set[str]:
    """Return the ``key`` of every draft that may be at the vendor without our knowing.

    One that is to go out once more under its old key is: the call before may have come through.
    """
    sql = "SELECT payload ->> '$.key' FROM outbox WHERE connection=? AND kind=?"
    sql += " AND state IN ('new', 'sending', 'uncertain') AND payload ->> '$.key' IS NOT NULL"
    return {key for (key,) in store.tuples(sql, connection, kind)}


def retry(store: Store, intent_id: int) -> bool:
    """Let a parked intent be built anew, looked up and sent; one that is only put off is tried with the next run.

    Returns whether it waited for that.
    """
    intent = get(store, intent_id)
    if intent is None:
        return False
    if intent.state != "parked":
        postpone(store, [intent], None)
        return intent.not_before is not None
    store.execute("DELETE FROM outbox WHERE id=?", intent_id)
    store.execute(
        "INSERT INTO retried (connection, kind, our_id, currency) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        intent.connection,
        intent.kind,
        intent.our_id,
        intent.currency,
    )
    return True


def resend(store: Store, intent_id: int) -> bool:
    """Let a parked intent, as it is, be looked up and sent again; return whether it was parked."""
    sql = "UPDATE outbox SET state='new', look=1, problem='' WHERE id=? AND state='parked'"
    return bool(store.execute(sql, intent_id))


def unpark(store: Store, intent_id: int, problem: str) -> bool:
    """Let a parked intent be looked up again before anything is sent; return whether it was parked."""
    sql = "UPDATE outbox SET state='uncertain', problem=? WHERE id=? AND state='parked'"
    return bool(store.execute(sql, problem, intent_id))


def needing_person(store: Store, connection: str, kind: str) -> list[Intent]:
    """Return the intents that are parked or put off, or that the vendor booked otherwise than meant."""
    return store.rows(
        Intent,
        "SELECT * FROM outbox WHERE connection=? AND kind=? AND (state='parked' OR not_before IS NOT NULL"
        " OR (state='done' AND problem<>'')) ORDER BY id",
        connection,
        kind,
    )
