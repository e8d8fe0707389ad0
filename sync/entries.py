"""Refunds, fees, exchanges and payouts that we booked: what people change of them in the books is shown, never undone.

A bookkeeper who deletes our fee because the bank feed brought one too is right, or puts the clearing account out by it:
a person says which. What the ledger tells with its other changes costs no call; the rest is read once a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec

from billing.money import display
from connectors.base import Accounting, LedgerEntry
from store import audit, deals, ledger, links, outbox
from store.audit import Actor
from store.database import Store
from store.outbox import Side
from store.review import Finding, Item
from sync import sides
from sync.context import Context, Entity
from sync.postings import ENTRIES, REFUND, VOID_REFUND

STREAM = "entries"  # the cursor of what was read of them, and the note of the day of that
CODE = "entry_differs"
_MARGIN = timedelta(days=1)  # by so much the ledger's clock may be behind ours


def keep(context: Context, connection: str, found: Iterable[LedgerEntry]) -> int:
    """Keep those that are ours as the books have them now; return how many are news. Call inside a transaction."""
    entries = {entry.ref.id: entry for entry in found}
    ours = links.vendor_ids(context.store, connection, ENTRIES) if entries else set()
    kept = [(id_, _whole(context, connection, entry)) for id_, entry in entries.items() if id_ in ours]
    return ledger.save(context.store, connection, "entry", kept)


def _whole(context: Context, connection: str, entry: LedgerEntry) -> LedgerEntry:
    """Of a deleted one only the id may be told: keep what was known of it."""
    known = ledger.get(context.store, connection, "entry", entry.ref.id, LedgerEntry)
    return entry if entry.status != "deleted" or known is None else msgspec.structs.replace(known, status="deleted")


def read(context: Context, entity: Entity, connection: str, books: Accounting) -> None:
    """Once a day, where something of ours is there, read what the ledger does not tell with its other changes."""
    store, today = context.store, context.today(entity.key).isoformat()
    if deals.note(store, connection, STREAM) == today or not links.vendor_ids(store, connection, ENTRIES):
        return
    changes = books.entry_changes(deals.cursor(store, connection, STREAM) or _beginning(store, entity, connection))
    with store.transaction():
        changed = keep(context, connection, changes.entries)
        deals.set_cursor(store, connection, STREAM, changes.cursor)
        deals.set_note(store, connection, STREAM, today)
    context.count("changes in the books", changed)


def _beginning(store: Store, entity: Entity, connection: str) -> datetime:
    """Return a moment before the first of ours went out; of what was only found there that is not known."""
    sent = outbox.first_sent(store, connection, ENTRIES)
    return sent - _MARGIN if sent is not None else datetime.combine(entity.go_live, time(), UTC)


def compare(context: Context, connection: str) -> None:
    """Show each that is not in the books any more as we booked it."""
    for kind, our_id, currency, draft, found in _posted(context.store, connection):
        is_ours = kind == REFUND.name and outbox.has(context.store, connection, VOID_REFUND.name, our_id)
        told = [] if is_ours else _differs(draft, found)
        if told:
            _report(context, connection, kind, our_id, currency, draft, found, told)


def _posted(store: Store, connection: str) -> Iterable[tuple[str, int, str, Any, LedgerEntry]]:
    for kind, our_id, currency, there, booked in ledger.entries_of_ours(store, connection, ENTRIES):
        draft = msgspec.json.decode(booked, type=ENTRIES[kind].draft)
        yield kind, our_id, currency, draft, msgspec.json.decode(there, type=LedgerEntry)


def _differs(draft: Any, found: LedgerEntry) -> list[str]:
    """Say what is otherwise there. What was given back is a journal entry in some books: its debits have no sign."""
    if found.status != "active":
        return [f"it was {found.status} there"]
    told = []
    if found.currency and found.currency != draft.currency:
        told.append(f"its currency is {found.currency} there, {draft.currency} here")
    elif found.currency and abs(found.amount) != abs(draft.amount):
        amounts = (display(abs(one), draft.currency) for one in (found.amount, draft.amount))
        told.append("its amount is {} there, {} here".format(*amounts))
    if found.on is not None and found.on != draft.on:
        told.append(f"its date is {found.on} there, {draft.on} here")
    return told


def _report(
    context: Context, connection: str, kind: str, our_id: int, currency: str, draft: Any, found: LedgerEntry,
    told: list[str],
) -> None:  # fmt: skip
    gone = found.status != "active"
    fix = (
        "put_back: it is booked again; dismiss: it stays away, as something else there stands for it"
        if gone
        else "correct it there: nothing is overwritten. dismiss: it stays so, until it is changed there anew"
    )
    context.find(
        Finding(
            code=CODE,
            subject=f"{'refund' if kind == REFUND.name else 'payout'}:{our_id}",
            detail=f"{connection} {kind} {currency}".rstrip(),
            message=f"{ENTRIES[kind].title(draft)} at {connection}: {'; '.join(told)}",
            fix=fix,
            actions=("put_back", "dismiss") if gone else ("dismiss",),
        )
    )


# ----------------------------------------------------------------------------------------------------------- deciding


def _shown(store: Store, item: Item) -> tuple[str, str, int, str, Any, LedgerEntry] | None:
    """Return (connection, kind, our id, currency, as booked, as last seen) of what an item is about."""
    connection, kind, currency = (*item.detail.split(" "), "")[:3]
    our_id = int(item.subject.partition(":")[2])
    for one in _posted(store, connection):
        if one[:3] == (kind, our_id, currency):
            return connection, *one
    return None


def both_sides(store: Store, item: Item) -> list[Side]:
    """Return how we booked what an item is about beside how it was last seen; empty when it is not known any more."""
    shown = _shown(store, item)
    return sides.both(*shown[4:]) if shown else []


def put_back(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """Let the next sync book it again. Raises ``ValueError`` when it is there, or was booked again already."""
    shown = _shown(store, item)
    if shown is None or shown[5].status == "active":
        raise ValueError("it is in the books, or was booked again already")
    connection, kind, our_id, currency, draft, found = shown
    outbox.forget_one(store, connection, kind, our_id, currency)
    links.unlink(store, connection, kind, found.ref.id)
    outbox.add(store, connection, kind, our_id, draft, currency)
    audit.write(store, actor, "put back", item.subject, before=found, after=draft, reason=reason)
