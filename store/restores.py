"""When the store was put back to an older state, and what the books hold since then that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

import msgspec

from store import audit, outbox, runs
from store.audit import Actor
from store.database import Store


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """A backup was put back at ``at``; of what happened after ``backed_up_at`` the store knows nothing.

    ``audit_n`` is the last row of the audit trail that the backup had. ``head``: nobody said that it was put back; that
    was seen by this head, which is noted beside the store.
    """

    id: int
    at: datetime
    backed_up_at: datetime
    audit_n: int
    head: str = ""


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A document of the books under a number of ours that the store does not know; amounts in minor units."""

    id: int
    connection: str
    vendor_id: str
    entity: str
    type: Literal["invoice", "credit_note"]
    number: str
    ledger_customer: str
    currency: str
    total: int
    issue_on: date
    due_on: date
    state: Literal["open", "taken", "released"] = "open"
    document_id: int | None = None


def note(store: Store, now: datetime, *, head: str = "") -> None:
    """Note that the store was put back: whatever was open then is in doubt. Call inside a transaction."""
    number, _ = audit.head(store)
    backed_up_at = (runs.last_moment(store) or now).isoformat()
    outbox.doubt_all(store)
    store.insert("restores", at=now.isoformat(), backed_up_at=backed_up_at, audit_n=number, head=head)
    actor = Actor("job at an older store" if head else "netterms restore", now)
    audit.write(store, actor, "restored", "store", after={"backed_up_at": backed_up_at})


def heed_older_store(store: Store, now: datetime) -> bool:
    """Take a store that has lost what it held for one that was put back; return whether it is, and was not known to be.

    Somebody put an old copy in its place by hand, or its write-ahead log was lost: the noted head is ahead of it.
    """
    noted = audit.noted_head(store)
    if noted is None or noted[0] <= audit.head(store)[0]:
        return False
    last, head = latest(store), f"{noted[0]} {noted[1]}"
    if last is not None and last.head == head:
        return False
    with store.transaction():
        note(store, now, head=head)
    return True


def latest(store: Store) -> Restore | None:
    """Return the latest restore; None for a store that was never put back."""
    return store.first(Restore, "SELECT * FROM restores ORDER BY id DESC LIMIT 1")


def read_back_at(store: Store, connection: str) -> datetime | None:
    """Return when a connection was read back after the latest restore; None when it was not."""
    found = store.one(
        "SELECT at FROM read_backs WHERE connection=? AND restore_id=(SELECT max(id) FROM restores)", connection
    )
    return None if found is None else datetime.fromisoformat(found)


def is_pending(store: Store, connection: str) -> bool:
    """Say whether a connection must be read back before anything is issued or sent."""
    return latest(store) is not None and read_back_at(store, connection) is None


def was_read_back(store: Store, connection: str, now: datetime) -> None:
    """Note that a connection has been read back after the latest restore."""
    store.execute(
        "INSERT INTO read_backs (restore_id, connection, at) SELECT max(id), ?, ? FROM restores WHERE true"
        " ON CONFLICT DO NOTHING",
        connection,
        now.isoformat(),
    )


def save_lost(store: Store, found: Sequence[Lost]) -> None:
    """Remember documents that the books hold and the store does not know."""
    store.many(
        "INSERT INTO lost_documents (connection, vendor_id, entity, type, number, ledger_customer, currency, total,"
        " issue_on, due_on, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (
                one.connection,
                one.vendor_id,
                one.entity,
                one.type,
                one.number,
                one.ledger_customer,
                one.currency,
                one.total,
                one.issue_on.isoformat(),
                one.due_on.isoformat(),
                one.state,
            )
            for one in found
        ],
    )


def lost(store: Store, entity: str) -> list[Lost]:
    """Return the documents of an entity that are neither known again nor released, lowest number first."""
    return store.rows(Lost, "SELECT * FROM lost_documents WHERE entity=? AND state='open' ORDER BY number", entity)


def unreleased(store: Store, connection: str) -> set[str]:
    """Return the ledger's ids of what is not treated as somebody else's document."""
    sql = "SELECT vendor_id FROM lost_documents WHERE connection=? AND state<>'released'"
    return {vendor_id for (vendor_id,) in store.tuples(sql, connection)}


def take(store: Store, lost_id: int, document_id: int) -> None:
    """Note that a document of ours is the one in the books. Call inside the transaction that issues it."""
    store.execute("UPDATE lost_documents SET state='taken', document_id=? WHERE id=?", document_id, lost_id)


def release(store: Store, actor: Actor, lost_id: int, reason: str) -> bool:
    """Say that a document in the books is none that we would bill again; return whether it was open."""
    done = store.execute("UPDATE lost_documents SET state='released' WHERE id=? AND state='open'", lost_id)
    if done:
        audit.write(store, actor, "released", f"lost:{lost_id}", reason=reason)
    return bool(done)


def was_issued_before(store: Store, document_id: int) -> bool:
    """Say whether a document was, or may have been, issued before the latest restore: it may have been mailed, too."""
    restore = latest(store)
    if restore is None:
        return False
    issued = "SELECT 1 FROM audit WHERE object=? AND action='issued' AND n<=?"
    taken = "SELECT 1 FROM lost_documents WHERE document_id=?"
    known = store.one(issued, f"document:{document_id}", restore.audit_n)
    return known is not None or store.one(taken, document_id) is not None
