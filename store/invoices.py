"""Documents: drafts that are refreshed, and issued invoices and credit notes that never change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

from billing.invoicing import Draft
from billing.written import draft_digest
from store import audit
from store.audit import Actor, Deed
from store.database import Store, to_json


class DocumentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A document; ``open`` is what is unpaid, in minor units, kept in step with the applications."""

    id: int
    entity: str
    contract: str
    customer_id: int
    type: Literal["invoice", "credit_note"]
    status: Literal["draft", "approved", "issued", "voided"]
    number: str | None
    currency: str
    issue_on: date
    due_on: date
    subtotal: int
    tax: int
    total: int
    open: int
    digest: str
    data: str

    @property
    def draft(self) -> Draft:
        """The document's content: lines, taxes, texts."""
        return msgspec.json.decode(self.data, type=Draft)

    @property
    def name(self) -> str:
        """What people call it: its number, or D and its id while it is a draft."""
        return self.number or f"D{self.id}"


def drafts(store: Store) -> list[DocumentRow]:
    """Return every document that is not issued yet."""
    return store.rows(DocumentRow, "SELECT * FROM documents WHERE number IS NULL ORDER BY id")


class Drawn(NamedTuple):
    """A draft as it is kept: what is looked up of it, its digest, and all of it as text."""

    type: str
    currency: str
    issue_on: str
    due_on: str
    subtotal: int
    tax: int
    total: int
    digest: str
    data: str


def drawn(draft: Draft, data: str | None = None) -> Drawn:
    """Return a draft as it is kept; with ``data``, which is all of it as text, it may be without its lines."""
    data = to_json(draft) if data is None else data
    issue_on, due_on = draft.issue_on.isoformat(), draft.due_on.isoformat()
    amounts = (draft.subtotal, draft.tax, draft.total)
    return Drawn(draft.type, draft.currency, issue_on, due_on, *amounts, draft_digest(data), data)


class Wanted(NamedTuple):
    """The drafts that a contract should have, at most one of each type.

    ``beside`` are the other contracts with lines on its invoice, where a customer gets one for several.
    """

    contract: str
    customer_id: int
    drafts: Sequence[Drawn]
    beside: Sequence[str] = ()


def save_drafts(
    store: Store, actor: Actor, *, entity: str, contract: str, customer_id: int, wanted: Sequence[Draft]
) -> int:
    """Do ``save_many_drafts`` for one contract."""
    return save_many_drafts(store, actor, entity, [Wanted(contract, customer_id, [*map(drawn, wanted)])])


def save_many_drafts(store: Store, actor: Actor, entity: str, wanted: Sequence[Wanted]) -> int:
    """Make the drafts of contracts equal to what is wanted; return how many were added, changed or removed.

    A changed draft loses its approval. A draft that would say the same keeps the day it was drawn up on: what counts is
    the day of issue. Call inside a transaction.
    """
    if not wanted:
        return 0
    existing = _drafts_of(store, {one.contract for one in wanted})
    deeds: list[Deed] = []
    new: list[tuple[Any, ...]] = []
    drawn_up: dict[str, tuple[int, str]] = {}
    for contract, customer_id, drafts, _ in wanted:
        for draft in drafts:
            row = existing.pop((contract, draft.type), None)
            values = (entity, customer_id, *draft[1:])
            if row is None:
                new.append((contract, draft.type, "draft", *values))
                drawn_up[contract] = draft.total, draft.digest
            elif (row.digest, row.customer_id, row.entity) != (draft.digest, customer_id, entity):
                deeds.append(_redraw(store, row, draft, values))
    for row in existing.values():
        store.execute("DELETE FROM documents WHERE id=?", row.id)
        deeds.append(Deed("draft removed", f"contract:{row.contract}", before=row.draft))
    marks = ", ".join("?" * (3 + len(_DRAFT_COLUMNS)))
    store.many(f"INSERT INTO documents (contract, type, status, {', '.join(_DRAFT_COLUMNS)}) VALUES ({marks})", new)
    for one in wanted:
        if one.beside:
            _share(store, one)
    drafted = (
        [Deed("drafted", f"entity:{entity}", after=drawn_up)] if drawn_up else []
    )  # one row for all of a run's batch
    audit.write_many(store, actor, [*drafted, *deeds])
    return len(new) + len(deeds)


def _drafts_of(store: Store, contracts: Collection[str]) -> dict[tuple[str, str], DocumentRow]:
    """Return the drafts of contracts. Most have none: those that there are from the first to the last are few."""
    sql = "SELECT id, contract FROM documents WHERE number IS NULL AND contract BETWEEN ? AND ?"
    ids = [key for key, contract in store.tuples(sql, min(contracts), max(contracts)) if contract in contracts]
    sql = f"SELECT * FROM documents WHERE id IN ({', '.join('?' * len(ids))})"
    return {(row.contract, row.type): row for row in store.rows(DocumentRow, sql, *ids)} if ids else {}


def _share(store: Store, wanted: Wanted) -> None:
    """Note which further contracts an invoice that is not issued yet has lines of."""
    store.many(
        "INSERT INTO shared_documents (document_id, contract) SELECT id, ? FROM documents"
        " WHERE contract=? AND type='invoice' AND number IS NULL ON CONFLICT (document_id, contract) DO NOTHING",
        [(key, wanted.contract) for key in wanted.beside],
    )


_DRAFT_COLUMNS = ("entity", "customer_id", *Drawn._fields[1:])


def _redraw(store: Store, row: DocumentRow, draft: Drawn, values: tuple[Any, ...]) -> Deed:
    status = row.status if (row.digest, row.entity) == (draft.digest, values[0]) else "draft"
    columns = ", ".join(f"{column}=?" for column in _DRAFT_COLUMNS)
    store.execute(f"UPDATE documents SET status=?, {columns} WHERE id=?", status, *values, row.id)
    store.execute("DELETE FROM shared_documents WHERE document_id=?", row.id)
    thing = f"contract:{row.contract}"
    return Deed("redrafted", thing, before={"total": row.total}, after={"total": draft.total})


def approve(store: Store, actor: Actor, ids: Iterable[int]) -> int:
    """Approve drafts; return how many were not approved before. Call inside a transaction."""
    count = 0
    for document_id in ids:
        if store.execute("UPDATE documents SET status='approved' WHERE id=? AND status='draft'", document_id):
            audit.write(store, actor, "approved", f"document:{document_id}")
            count += 1
    return count


def issue(store: Store, actor: Actor, row: DocumentRow, final: Draft, number: str) -> None:
    """Turn a draft into the document the customer gets. Call inside the transaction that took ``number``.

    A slice's revision that was billed before is refused by the primary key of the lines.
    """
    opened = final.total if final.type == "invoice" else 0
    store.execute(
        "UPDATE documents SET status='issued', number=?, issue_on=?, due_on=?, data=?, open=? WHERE id=?",
        number,
        final.issue_on.isoformat(),
        final.due_on.isoformat(),
        to_json(final),
        opened,
        row.id,
    )
    _write_lines(store, row.id, final)
    audit.write(store, actor, "issued", f"document:{row.id}", after={"number": number, "total": final.total})


def _write_lines(store: Store, document_id: int, final: Draft) -> None:
    """Write the lines of what is issued; one of an invoice for several contracts belongs to its own."""
    store.many(
        "INSERT INTO lines (slice, revision, contract, document_id, amount, data) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (item.line.slice, item.revision, item.line.contract, document_id, item.amount, to_json(item.line))
            for item in final.lines
        ],
    )


def give_credit(store: Store, actor: Actor, row: DocumentRow, note: Draft, number: str, reason: str) -> int:
    """Issue a person's credit note against an invoice and return its id. It was never a draft that a plan could remove.

    Call inside the transaction that took ``number``. A slice's revision that was used before is refused by the primary
    key of the lines.
    """
    values = dict(zip(_DRAFT_COLUMNS, (row.entity, row.customer_id, *drawn(note)[1:]), strict=True))
    document_id = store.insert(
        "documents", contract=row.contract, type=note.type, status="issued", number=number, against=note.against,
        **values,
    )  # fmt: skip
    _write_lines(store, document_id, note)
    store.many(
        "INSERT INTO shared_documents (document_id, contract) VALUES (?, ?)",
        [(document_id, key) for key in slices_of(note) if key != row.contract],
    )
    after = {"number": number, "total": note.total}
    audit.write(store, actor, "issued", f"document:{document_id}", after=after, reason=reason)
    audit.write(store, actor, "credited", f"document:{row.id}", after=after, reason=reason)
    return document_id


def credits_of(store: Store, entity: str, number: str) -> list[DocumentRow]:
    """Return the credit notes that people gave against an invoice and that stand, in order of issue."""
    return store.rows(
        DocumentRow,
        "SELECT * FROM documents WHERE entity=? AND against=? AND against<>'' AND status='issued' ORDER BY id",
        entity,
        number,
    )


def slices_of(draft: Draft) -> dict[str, list[str]]:
    """Return the slices on a document, by contract."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in draft.lines:
        found[one.line.contract].append(one.line.slice)
    return found


def withdraw(store: Store, actor: Actor, slices: Mapping[str, Collection[str]], reason: str) -> None:
    """Remove the drafts that bill or credit any of some slices (by contract): what is settled of them has changed.

    The next plan draws them up anew. Call inside a transaction.
    """
    marks = ", ".join("?" * len(slices))
    rows = store.rows(
        DocumentRow,
        f"SELECT * FROM documents WHERE number IS NULL AND (contract IN ({marks}) OR id IN"
        f" (SELECT document_id FROM shared_documents WHERE contract IN ({marks}))) ORDER BY id",
        *slices,
        *slices,
    )
    changed = {name for names in slices.values() for name in names}
    for row in rows:
        if any(one.line.slice in changed for one in row.draft.lines):
            _remove(store, actor, row, reason)


def remove_strays(store: Store, actor: Actor, contracts: Collection[str]) -> None:
    """Remove the drafts of other contracts that have lines of one of ``contracts``: those are drafted elsewhere now."""
    marks = ", ".join("?" * len(contracts))
    rows = store.rows(
        DocumentRow,
        "SELECT * FROM documents WHERE number IS NULL AND id IN"
        f" (SELECT document_id FROM shared_documents WHERE contract IN ({marks})) AND contract NOT IN ({marks})"
        " ORDER BY id",
        *contracts,
        *contracts,
    )
    for row in rows:
        _remove(store, actor, row, f"invoiced together without contract {row.contract}")


def _remove(store: Store, actor: Actor, row: DocumentRow, reason: str) -> None:
    store.execute("DELETE FROM documents WHERE id=?", row.id)
    audit.write(store, actor, "draft removed", f"contract:{row.contract}", before=row.draft, reason=reason)


def take_number(store: Store, entity: str, prefix: str, digits: int) -> str:
    """Return the next number of a series, gapless because it is taken in the transaction that uses it."""
    following = store.one(
        "INSERT INTO numbers (entity, series, next) VALUES (?, ?, 2)"
        " ON CONFLICT (entity, series) DO UPDATE SET next=next+1 RETURNING next",
        entity,
        prefix,
    )
    return f"{prefix}{following - 1:0{digits}d}"


def skip_numbers(store: Store, entity: str, prefix: str, following: int) -> bool:
    """Let a series go on with ``following`` where it would come to less; return whether it would have."""
    return bool(
        store.execute(
            "INSERT INTO numbers (entity, series, next) VALUES (?, ?, ?) ON CONFLICT (entity, series)"
            " DO UPDATE SET next=excluded.next WHERE numbers.next < excluded.next",
            entity,
            prefix,
            following,
        )
    )


def next_numbers(store: Store, entity: str) -> dict[str, int]:
    """Return the next number of each series of an entity that was begun, by its prefix."""
    return dict(store.tuples("SELECT series, next FROM numbers WHERE entity=?", entity))


def issued(store: Store, entity: str | None = None) -> list[DocumentRow]:
    """Return every issued document, of one entity or of all, in order of issue."""
    if entity is None:
        return store.rows(DocumentRow, "SELECT * FROM documents WHERE number IS NOT NULL ORDER BY id")
    return store.rows(DocumentRow, "SELECT * FROM documents WHERE number IS NOT NULL AND entity=? ORDER BY id", entity)


def numbers(store: Store, entity: str) -> list[tuple[int, str, int]]:
    """Return (id, number, customer) of every invoice an entity ever issued."""
    sql = "SELECT id, number, customer_id FROM documents WHERE entity=? AND number IS NOT NULL AND type='invoice'"
    return store.tuples(f"{sql} ORDER BY id", entity)


def issued_numbers(store: Store, entity: str) -> set[tuple[str, str]]:
    """Return (type, number) of every document an entity ever issued."""
    return set(store.each("SELECT type, number FROM documents WHERE number IS NOT NULL AND entity=?", entity))


def unpaid(store: Store) -> list[DocumentRow]:
    """Return the invoices with something open, oldest due first."""
    return store.rows(DocumentRow, "SELECT * FROM documents WHERE status='issued' AND open > 0 ORDER BY due_on, id")


def get(store: Store, document_id: int) -> DocumentRow:
    """Return one document; raises ``KeyError`` when there is none."""
    row = store.first(DocumentRow, "SELECT * FROM documents WHERE id=?", document_id)
    if row is None:
        raise KeyError(document_id)
    return row


class Header(NamedTuple):
    """What a payment must know of a document that it pays."""

    customer_id: int
    currency: str
    number: str


def headers(store: Store, ids: Collection[int]) -> dict[int, Header]:
    """Return some issued documents by id, without their content; at most 32,766 at once."""
    sql = f"SELECT id, customer_id, currency, number FROM documents WHERE id IN ({', '.join('?' * len(ids))})"
    return {key: Header(*found) for key, *found in store.tuples(sql, *ids)}


def by_number(store: Store, entity: str, number: str) -> DocumentRow | None:
    """Return an entity's document by its number."""
    return store.first(DocumentRow, "SELECT * FROM documents WHERE entity=? AND number=?", entity, number)


def numbered(store: Store, number: str) -> list[DocumentRow]:
    """Return the issued documents with a number: several only where legal entities share a series."""
    return store.rows(DocumentRow, "SELECT * FROM documents WHERE number=? ORDER BY id", number)


_UNBOOKED = (
    "WHERE d.entity=?1 AND d.status='issued' AND NOT EXISTS"
    " (SELECT 1 FROM outbox o WHERE o.connection=?2 AND o.kind='document' AND o.our_id=d.id)"
)


def unbooked(store: Store, entity: str, connection: str, size: int) -> Iterator[list[DocumentRow]]:
    """Yield, some at a time, issued documents that the ledger is not known to hold and that are not on their way."""
    sql = f"SELECT d.* FROM documents d NOT INDEXED {_UNBOOKED} AND d.id>?3 ORDER BY d.id LIMIT ?4"  # in their order
    last = 0
    while found := store.rows(DocumentRow, sql, entity, connection, last, size):
        last = found[-1].id
        yield found


def unknown_customers(store: Store, entity: str, connection: str) -> set[tuple[int, str]]:
    """Return (customer, currency) of those ``unbooked`` documents for which the ledger has no customer yet."""
    known = (
        "SELECT 1 FROM links l WHERE l.connection=?2 AND l.kind='customer' AND l.our_id=d.customer_id"
        " AND l.currency=d.currency"
    )
    sql = f"SELECT DISTINCT d.customer_id, d.currency FROM documents d {_UNBOOKED} AND NOT EXISTS ({known})"
    return set(store.each(sql, entity, connection))


def has_unbooked(store: Store, entity: str, connection: str) -> bool:
    """Say whether there are ``unbooked`` documents."""
    return store.one(f"SELECT 1 FROM documents d {_UNBOOKED} LIMIT 1", entity, connection) is not None


def recompute_open(store: Store, document_id: int) -> None:
    """Bring a document's open amount in step with the payments and credits that are applied to it."""
    store.execute(
        "UPDATE documents SET open = CASE WHEN status='issued' AND type='invoice' THEN total -"
        " (SELECT coalesce(sum(amount), 0) FROM applications WHERE document_id=documents.id) -"
        " (SELECT coalesce(sum(u.amount), 0) FROM credit_uses u JOIN documents c ON c.id=u.credit_id"
        " WHERE u.document_id=documents.id AND c.status='issued') ELSE 0 END WHERE id=?",
        document_id,
    )


def void(store: Store, actor: Actor, row: DocumentRow, reason: str) -> dict[str, list[str]]:
    """Mark a document as voided in the books; return its slices by contract, which a person must decide on."""
    store.execute("UPDATE documents SET status='voided', open=0 WHERE id=?", row.id)
    audit.write(store, actor, "voided", f"document:{row.id}", before={"open": row.open}, reason=reason)
    slices = slices_of(row.draft)
    withdraw(store, actor, slices, reason)
    return slices
