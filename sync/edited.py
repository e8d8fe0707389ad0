"""Documents of ours that people changed in the books: both sides are shown; ours goes back by a person's word alone.

The decision holds for what the person saw. It goes out through the outbox; whatever the document became meanwhile is
not overwritten but shown anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from billing.money import display
from connectors.base import (
    Accounting,
    DocumentDraft,
    HeldLine,
    LedgerCustomer,
    LedgerDocument,
    LedgerLine,
    Ref,
)
from store import audit, invoices, ledger, links, outbox
from store.audit import Actor
from store.database import Store
from store.invoices import DocumentRow
from store.outbox import Intent, Side
from store.review import Finding, Item
from sync import sides
from sync.context import Context
from sync.one_by_one import OneByOne
from sync.outbox import Kind

_WORDS = {
    "customer": "customer", "currency": "currency", "issue_on": "date", "due_on": "due date", "total": "total",
    "tax": "tax", "lines": "lines", "po_number": "purchase order",
}  # fmt: skip
_FIX = "put_back: the next sync writes ours over it; dismiss: the books stay so, until it is changed there anew"


# --------------------------------------------------------------------------------------------------------- the outbox


class DocumentUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A document as a person saw it in the books, what it has to say instead, and who wanted that when."""

    seen: LedgerDocument
    draft: DocumentDraft
    wanted: str


def _updates(books: Accounting) -> OneByOne[DocumentUpdate, LedgerDocument]:
    """Documents put back, looked up by their id: one that says what we say is done."""

    def find(wanted: Sequence[DocumentUpdate]) -> list[LedgerDocument | None]:
        found = [books.document(one.seen.ref, one.draft.type) for one in wanted]
        return [None if _still_differs(one, there) else there for one, there in zip(wanted, found, strict=True)]

    return OneByOne(lambda update, key: books.update_document(update.seen, update.draft, key), find)


def _still_differs(update: DocumentUpdate, there: LedgerDocument, adopted: bool = False) -> str:
    if there.status in ("voided", "deleted"):
        return f"it is {there.status} there"
    names = [_WORDS.get(name, name) for name in update.draft.differs_from(there)]
    return f"the ledger keeps another {', '.join(names)}" if names else ""


UPDATE_DOCUMENT: Kind[DocumentUpdate, LedgerDocument] = Kind(
    name="document_update",
    draft=DocumentUpdate,
    collection=_updates,
    title=lambda update: f"Putting back {update.draft.number}, as {update.wanted} wanted,",
    differs=_still_differs,
)


# ---------------------------------------------------------------------------------------------------------- comparing


class Ours:
    """Documents as they are meant in one ledger: as they were booked, at the customers that are linked now."""

    def __init__(self, store: Store, connection: str) -> None:
        self.store = store
        self.connection = connection
        self._links = links.by_ours(store, connection, "customer")
        self._linked = links.by_vendor(store, connection, "customer")
        self._decided = outbox.all_of(store, connection, UPDATE_DOCUMENT.name)

    def meant(self, row: DocumentRow, found: LedgerDocument, booked: str) -> DocumentDraft:
        """Return what ``found`` has to say."""
        draft = msgspec.json.decode(booked, type=DocumentDraft)
        return msgspec.structs.replace(draft, customer=Ref(id=self._customer(row, found)))

    def _customer(self, row: DocumentRow, found: LedgerDocument) -> str:
        """Return the customer that it belongs to: any that is linked to ours. Merges there are told by themselves."""
        link = self._links.get((row.customer_id, row.currency))
        if link is None or self._linked.get(found.customer_id) == row.customer_id:
            return found.customer_id
        known = ledger.get(self.store, self.connection, "customer", link.vendor_id, LedgerCustomer)
        return found.customer_id if known is not None and not known.active else link.vendor_id

    def is_decided(self, row: DocumentRow, found: LedgerDocument) -> bool:
        """Say whether a person's decision on a document as it was last seen is on its way, or told of as refused.

        One that was done, or that another change overtook, is forgotten. What was read before it was done is no change.
        """
        intent = self._decided.get(row.id)
        if intent is None:
            return False
        seen = _update(intent).seen
        stands = {"done": seen == found, "parked": seen.says_what(found)}.get(intent.state, True)
        if not stands:
            self.forget(row)
        return stands

    def forget(self, row: DocumentRow) -> None:
        """Drop a decision, if there is one: the document is void, or something else by now."""
        if row.id in self._decided:
            with self.store.transaction():
                outbox.drop(self.store, self._decided[row.id])


def _update(intent: Intent) -> DocumentUpdate:
    return msgspec.json.decode(intent.payload, type=DocumentUpdate)


def report(
    context: Context, connection: str, row: DocumentRow, draft: DocumentDraft, found: LedgerDocument, open_here: int
) -> None:
    """Show what people changed in a document, and where another part of it is open there: that is never overwritten."""
    names = draft.differs_from(found)
    if "number" in names:
        names.remove("number")
        _find(
            context,
            "renumbered_in_books",
            row,
            f"{connection} {found.number}",
            f"{row.number} is called {found.number} at {connection}; the customer knows it as {row.number}",
            f"give it back its number {row.number}",
        )
    told = [_apart(context.store, connection, draft, found, name) for name in names]
    comparable = row.type == "invoice" and not {"total", "currency"}.intersection(names)
    if comparable and found.balance != open_here:
        there, here = display(found.balance, row.currency), display(open_here, row.currency)
        told.append(f"{there} is open there, {here} here")
    if told:
        message = f"{row.number} at {connection}: {'; '.join(told)}"
        _find(context, "books_differ", row, connection, message, "see who changed it there", edited=bool(names))


def _find(
    context: Context, code: str, row: DocumentRow, detail: str, message: str, fix: str, *, edited: bool = True
) -> None:
    fix = f"{fix}. {_FIX}" if edited else f"{fix}; nothing is overwritten"
    actions = ("put_back", "dismiss") if edited else ("dismiss",)
    subject = f"document:{row.id}"
    context.find(Finding(code=code, subject=subject, detail=detail, message=message, fix=fix, actions=actions))


def _apart(store: Store, connection: str, draft: DocumentDraft, found: LedgerDocument, name: str) -> str:
    """Say how one field is there and here."""
    if name == "lines":
        there, here = _lines(found.lines or (), found.currency), _lines(draft.lines, draft.currency)
        return f"its lines: {_listed(there - here)} there, {_listed(here - there)} here"
    if name == "customer":
        there_is, here_is = (_named(store, connection, id) for id in (found.customer_id, draft.customer.id))
    else:
        _, here_is, there_is = sides.field(draft, found, name)
    return f"its {_WORDS[name]} is {there_is or 'none'} there, {here_is} here"


def _lines(lines: Iterable[HeldLine | LedgerLine], currency: str) -> Counter[str]:
    return Counter(sides.line(line, currency) for line in lines if line.amount)


def _listed(lines: Counter[str]) -> str:
    return ", ".join(lines.elements()) or "none"


def _named(store: Store, connection: str, customer: str) -> str:
    known = ledger.get(store, connection, "customer", customer, LedgerCustomer)
    return f"{known.name!r} (id {customer})" if known else f"id {customer}"


# ----------------------------------------------------------------------------------------------------------- deciding


def put_back(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """Let the next sync write ours over a document as it was last seen. Raises ``ValueError``."""
    connection, row = item.detail.partition(" ")[0], invoices.get(store, _document_id(item))
    pair = _pair(store, connection, row)
    if row.status == "voided" or pair is None:
        raise ValueError(f"{row.number} is not in the books any more as we booked it")
    earlier = outbox.of(store, connection, UPDATE_DOCUMENT.name, row.id)
    if earlier is not None and earlier.state not in ("done", "parked"):
        raise ValueError("it is on its way already: the next sync looks what became of it")
    draft, seen = pair
    outbox.forget(store, connection, UPDATE_DOCUMENT.name, [row.id])
    update = DocumentUpdate(seen=seen, draft=draft, wanted=f"{actor.name} on {actor.at:%Y-%m-%d %H:%M} UTC")
    outbox.add(store, connection, UPDATE_DOCUMENT.name, row.id, update)
    audit.write(store, actor, "put back", f"document:{row.id}", before=seen, after=draft, reason=reason)


def both_sides(store: Store, connection: str, document_id: int) -> list[Side]:
    """Return how we booked a document beside how it was last seen there, what differs first; empty if not known."""
    pair = _pair(store, connection, invoices.get(store, document_id))
    return sides.both(*pair) if pair else []


def shows(item: Item) -> tuple[str, int] | None:
    """Return the connection and our id of the document whose two sides an item is about, None for other items."""
    if item.code in ("books_differ", "renumbered_in_books") and item.subject.startswith("document:"):
        return item.detail.partition(" ")[0], _document_id(item)
    return None


def _document_id(item: Item) -> int:
    return int(item.subject.partition(":")[2])


def _pair(store: Store, connection: str, row: DocumentRow) -> tuple[DocumentDraft, LedgerDocument] | None:
    """Return what a document has to say there and how it was last seen; None where it was never seen."""
    found = ledger.document_of_ours(store, connection, row.id)
    if found is None or found[1] is None:
        return None
    there = msgspec.json.decode(found[0], type=LedgerDocument)
    return Ours(store, connection).meant(row, there, found[1]), there
