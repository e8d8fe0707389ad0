"""Invoices that a person voids: only what was never sent, is unpaid and lies in an open period; else it is credited.

What it billed goes on hold, and a person says whether it is billed again. The next sync voids it in the books.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.base import Accounting, DocumentDraft, DocumentType, LedgerDocument, Ref
from connectors.errors import ConnectorError
from store import cash, contracts, credit_uses, invoices, links, mail, outbox
from store.audit import Actor
from store.database import Store
from store.invoices import DocumentRow
from sync.context import World
from sync.one_by_one import OneByOne
from sync.outbox import Kind


class VoidDocumentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A document of ours to be voided, and what was booked, by which it is found."""

    document: Ref
    type: DocumentType
    booked: DocumentDraft


def _voids(ledger: Accounting) -> OneByOne[VoidDocumentDraft, LedgerDocument]:
    """Voids of documents, looked up by the document itself: one that is not there any more needs none."""

    def find(wanted: Sequence[VoidDocumentDraft]) -> list[LedgerDocument | None]:
        found = [ledger.document(one.document, one.type) for one in wanted]
        return [there if there.status in ("voided", "deleted") else None for there in found]

    return OneByOne(lambda draft, key: ledger.void_document(draft.document, draft.type, key), find)


VOID_DOCUMENT: Kind[VoidDocumentDraft, LedgerDocument] = Kind(
    name="document_void",
    draft=VoidDocumentDraft,
    collection=_voids,
    title=lambda draft: f"Void of {draft.booked.number}",
    differs=lambda draft, found, adopted: "",
)


def why_not(store: Store, world: World, row: DocumentRow) -> str:
    """Say why an invoice may not be voided, empty when it may. Asks the ledger which periods are closed."""
    if row.status != "issued" or row.type != "invoice":
        return "only an issued invoice is voided"
    if row.open != row.total or cash.pays(store, row.id) or credit_uses.totals(store).get(row.id):
        return "something of it is paid or credited"
    if any(one.step == mail.INVOICE and one.state != "refused" for one in mail.rows_of(store, [row.id])[row.id]):
        return "it was sent to the customer"
    if invoices.credits_of(store, row.entity, str(row.number)):
        return "a credit note stands against it"
    entity = world.entities.get(row.entity)
    if entity is None:
        return f"it was issued by {row.entity}, which is not configured"
    ledger = entity.accounting
    intent = outbox.of(store, ledger, "document", row.id)
    if intent is not None and intent.state != "done":
        return f"it is on its way to {ledger}: wait for the next sync"
    try:
        closed = world.connector(ledger).setup().closed_through if intent is not None else None
    except ConnectorError as error:
        return f"{ledger} cannot be asked which periods are closed ({error})"
    return f"the books are closed through {closed}" if closed is not None and row.issue_on <= closed else ""


def void(store: Store, world: World, actor: Actor, row: DocumentRow, reason: str) -> None:
    """Void an invoice here and note that its ledger has to. Raises ``ValueError`` saying why it may not be voided."""
    if not reason.strip():
        raise ValueError("say why: the reason is kept in the audit trail")
    if problem := why_not(store, world, row):
        raise ValueError(f"{row.name} cannot be voided: {problem}; credit it instead")
    ledger = world.entities[row.entity].accounting
    with store.transaction():
        row = invoices.get(store, row.id)
        if row.status != "issued" or row.open != row.total:
            raise ValueError(f"{row.number} has changed meanwhile: look again")
        for contract, slices in invoices.void(store, actor, row, reason).items():
            contracts.hold(store, actor, contract, slices, reason)
        link = links.by_ours(store, ledger, "document").get((row.id, ""))
        intent = outbox.of(store, ledger, "document", row.id)
        if link is not None and intent is not None:
            booked = msgspec.json.decode(intent.payload, type=DocumentDraft)
            ref = Ref(id=link.vendor_id, version=link.version)
            draft = VoidDocumentDraft(document=ref, type=row.type, booked=booked)
            outbox.add(store, ledger, VOID_DOCUMENT.name, row.id, draft)
