"""Credit notes -> the invoices they are against: as far as those are open, here and in the books.

The rest of a note stays the customer's credit; money that is refunded is taken from it (``sync.refunding``).
"""

from __future__ import annotations

from connectors.base import AllocationDraft
from store import credit_uses, invoices, outbox
from store.credit_uses import Use
from sync.context import Context, Entity
from sync.outbox import push
from sync.posted import Posted
from sync.postings import CREDIT_USE


def run(context: Context) -> None:
    """Set every credit note against its invoice, and make every ledger hold that."""
    for entity, source in context.ledgers():
        _use(context, entity)
        with context.using(source.name) as ledger:
            _want(context, entity, source.name)
            push(context, source.name, ledger, CREDIT_USE)


def _use(context: Context, entity: Entity) -> None:
    """Set notes against invoices here. Several notes against one invoice come one after another, the oldest first."""
    while pairs := credit_uses.usable(context.store, entity.key):
        seen: set[int] = set()
        with context.store.transaction():
            for pair in pairs:
                if pair.document_id in seen:
                    continue  # what is open of it is another amount now
                seen.add(pair.document_id)
                amount, today = min(pair.left, pair.open), context.today(entity.key)
                credit_uses.use(context.store, context.actor, pair.credit_id, pair.document_id, amount, today)
        context.count("credit notes set against their invoice", len(seen))


def _want(context: Context, entity: Entity, connection: str) -> None:
    posted = Posted(context, entity, connection)
    for use in credit_uses.unposted(context.store, entity.key, connection):
        draft = _draft(context, posted, use)
        if draft is not None:
            with context.store.transaction():
                outbox.add(context.store, connection, "credit_use", use.id, draft)


def _draft(context: Context, posted: Posted, use: Use) -> AllocationDraft | None:
    """Return the use as the ledger gets it; None until it holds both documents."""
    note = invoices.get(context.store, use.credit_id)
    source, document = posted.document(use.credit_id), posted.document(use.document_id)
    customer = posted.customer(note.customer_id, note.currency)
    if source is None or document is None or customer is None:
        return None
    return AllocationDraft(
        key=str(note.number),
        customer=customer,
        source=source,
        source_kind="credit_note",
        document=document,
        currency=note.currency,
        amount=use.amount,
        on=use.on_day,
    )
