"""Invoices and credit notes that others made in the books: read only, aged, matched and shown, never pushed.

The ledger is the truth. ``settled`` is what others paid or credited there; ``open`` is what is left of it after our
own applications, so that a payment counts once from the moment it is matched until the books show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from store.database import Store


class ForeignDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign document as the books have it. Amounts are minor units; ``settled`` leaves our own payments out."""

    vendor_id: str
    type: Literal["invoice", "credit_note"]
    status: Literal["open", "paid", "voided", "deleted"]
    number: str
    ledger_customer: str
    currency: str
    issue_on: date
    due_on: date
    total: int
    settled: int


class ForeignRow(ForeignDraft, frozen=True, kw_only=True):
    """A stored foreign document. ``customer_id`` is ours where the ledger's customer is linked, else None.

    ``open`` of an invoice is unpaid; of a credit note it is the credit that is not used yet.
    """

    id: int
    connection: str
    entity: str
    open: int
    customer_id: int | None = None


_SELECT = (
    "SELECT f.*, (SELECT min(l.our_id) FROM links l WHERE l.connection=f.connection AND l.kind='customer'"
    " AND l.vendor_id=f.ledger_customer) AS customer_id FROM foreign_documents f"
)
_COLUMNS = ForeignDraft.__struct_fields__


def save(store: Store, connection: str, entity: str, drafts: Sequence[ForeignDraft]) -> tuple[int, int]:
    """Store foreign documents as they are now; return how many are new and how many changed."""
    known = {row.vendor_id: row for row in of_ledger(store, connection)}
    fresh = [draft for draft in drafts if draft.vendor_id not in known]
    changed = [draft for draft in drafts if draft.vendor_id in known and _content(known[draft.vendor_id]) != draft]
    columns = ", ".join(_COLUMNS)
    marks = ", ".join("?" * len(_COLUMNS))
    store.many(
        f"INSERT INTO foreign_documents (connection, entity, {columns}, open) VALUES (?, ?, {marks}, 0)",
        [(connection, entity, *_values(draft)) for draft in fresh],
    )
    updates = ", ".join(f"{column}=?" for column in _COLUMNS)
    store.many(
        f"UPDATE foreign_documents SET {updates} WHERE connection=? AND vendor_id=?",
        [(*_values(draft), connection, draft.vendor_id) for draft in changed],
    )
    store.many(
        f"{_RECOMPUTE} WHERE connection=? AND vendor_id=?",
        [(connection, draft.vendor_id) for draft in (*fresh, *changed)],
    )
    return len(fresh), len(changed)


def _values(draft: ForeignDraft) -> tuple[str | int, ...]:
    return tuple(
        value.isoformat() if isinstance(value, date) else value for value in (getattr(draft, name) for name in _COLUMNS)
    )


def _content(row: ForeignRow) -> ForeignDraft:
    return ForeignDraft(**{name: getattr(row, name) for name in _COLUMNS})


_RECOMPUTE = (
    "UPDATE foreign_documents SET open = CASE WHEN status IN ('voided', 'deleted') THEN 0 ELSE max(0, total - settled -"
    " (SELECT coalesce(sum(amount), 0) FROM applications WHERE foreign_id=foreign_documents.id)) END"
)


def recompute_open(store: Store, foreign_id: int) -> None:
    """Bring a document's open amount in step with what is applied to it."""
    store.execute(f"{_RECOMPUTE} WHERE id=?", foreign_id)


def settle(store: Store, foreign_id: int, amount: int) -> None:
    """Count ``amount`` more (less when negative) as paid in the books by others than us, until they are read again."""
    store.execute("UPDATE foreign_documents SET settled=max(0, settled + ?) WHERE id=?", amount, foreign_id)
    recompute_open(store, foreign_id)


def forget(store: Store, connection: str, vendor_ids: Sequence[str]) -> None:
    """Drop documents that turned out to be ours: their answer had been lost when they were first seen."""
    store.many(
        "DELETE FROM foreign_documents WHERE connection=? AND vendor_id=? AND NOT EXISTS"
        " (SELECT 1 FROM applications a WHERE a.foreign_id=foreign_documents.id)",
        [(connection, one) for one in vendor_ids],
    )


def of_ledger(store: Store, connection: str) -> list[ForeignRow]:
    """Return every foreign document of a ledger, in order of their ids here."""
    return store.rows(ForeignRow, f"{_SELECT} WHERE f.connection=? ORDER BY f.id", connection)


def with_applications(store: Store, connection: str) -> list[ForeignRow]:
    """Return the standing foreign documents of a ledger that payments were applied to."""
    applied = "EXISTS (SELECT 1 FROM applications a WHERE a.foreign_id=f.id)"
    sql = f"{_SELECT} WHERE f.connection=? AND f.status IN ('open', 'paid') AND {applied} ORDER BY f.id"
    return store.rows(ForeignRow, sql, connection)


def numbers(store: Store, entity: str) -> list[tuple[int, str, int | None]]:
    """Return (id, number, customer where known) of every foreign invoice of an entity."""
    sql = f"SELECT id, number, customer_id FROM ({_SELECT} WHERE f.entity=? AND f.type='invoice') ORDER BY id"
    return store.tuples(sql, entity)


def unpaid(store: Store, entity: str) -> list[ForeignRow]:
    """Return the foreign invoices of an entity with something open, oldest due first."""
    sql = f"{_SELECT} WHERE f.entity=? AND f.type='invoice' AND f.open > 0 ORDER BY f.due_on, f.id"
    return store.rows(ForeignRow, sql, entity)


def get(store: Store, foreign_id: int) -> ForeignRow:
    """Return one foreign document; raises ``KeyError`` when there is none."""
    row = store.first(ForeignRow, f"{_SELECT} WHERE f.id=?", foreign_id)
    if row is None:
        raise KeyError(foreign_id)
    return row


def by_number(store: Store, entity: str, number: str) -> ForeignRow | None:
    """Return an entity's open foreign invoice of that number."""
    sql = f"{_SELECT} WHERE f.entity=? AND f.number=? AND f.type='invoice' ORDER BY f.open DESC, f.id"
    return store.first(ForeignRow, sql, entity, number)
