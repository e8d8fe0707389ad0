"""Postings of ours that people voided or deleted in the books: the books win, and only a person puts one back.

What such a payment paid is open again here too. It is neither applied nor posted again by itself, else the two sides
would undo each other's work for ever.
"""

from __future__ import annotations

from billing.money import display
from connectors.base import LedgerPayment
from store import cash, ledger, links, outbox
from store.audit import Actor
from store.cash import PaymentRow
from store.database import Store
from store.review import Finding, Item
from sync.context import Context, Entity

GONE = ("voided", "deleted")


def follow(context: Context, entity: Entity, connection: str) -> None:
    """Take payments back whose posting people took back in the books, and show those until a person decides."""
    payments = links.by_vendor(context.store, connection, "payment")
    on_account = links.by_vendor(context.store, connection, "on_account")
    for found in ledger.objects(context.store, connection, "payment", LedgerPayment):
        if found.status not in GONE:
            continue
        if found.ref.id in payments:
            _application(context, connection, payments[found.ref.id], found)
        elif found.ref.id in on_account:
            _on_account(context, connection, on_account[found.ref.id], found)
    for row in cash.by_hand(context.store, entity.key):
        _report(context, connection, row)


def _application(context: Context, connection: str, application_id: int, found: LedgerPayment) -> None:
    """A payment of one invoice is gone there. One that we are about to void ourselves is none of it."""
    store = context.store
    row = cash.payment_of(store, application_id)
    if row is None or outbox.has(store, connection, "payment_void", application_id):
        return
    with store.transaction():
        outbox.forget(store, connection, "payment", [application_id])
        links.unlink(store, connection, "payment", found.ref.id)
        _take_back(context, connection, row, [application_id], found)


def _on_account(context: Context, connection: str, payment_id: int, found: LedgerPayment) -> None:
    """Money on account is gone there, and with it whatever was set against it."""
    store = context.store
    if outbox.has(store, connection, "on_account_void", payment_id):
        return
    row = cash.get(store, payment_id)
    parts = [part.id for part in cash.applications_of(store, payment_id)]
    allocated = [id_ for id_ in parts if outbox.has(store, connection, "allocation", id_)]
    with store.transaction():
        outbox.forget(store, connection, "on_account", [payment_id])
        outbox.forget(store, connection, "allocation", allocated)
        links.unlink(store, connection, "on_account", found.ref.id)
        _take_back(context, connection, row, allocated, found)


def _take_back(context: Context, connection: str, row: PaymentRow, parts: list[int], found: LedgerPayment) -> None:
    why = f"its posting was {found.status} at {connection}"
    cash.take_back(context.store, context.actor, row, why, only=parts)
    if row.is_received:
        cash.set_by_hand(context.store, context.actor, row, True, why)
    context.count("postings taken back in the books")


def _report(context: Context, connection: str, row: PaymentRow) -> None:
    context.find(
        Finding(
            code="posting_removed",
            subject=f"payment:{row.id}",
            message=(
                f"Here: {display(row.available, row.currency)} of {row.received_on} ({row.connection}"
                f" {row.vendor_id}) came. At {connection}: people took its posting back. It pays nothing until a"
                " person decides"
            ),
            fix="put_back: match and post it again; apply it to another invoice (see unapplied_cash); dismiss: the"
            " books stay as they are",
            actions=("put_back", "dismiss"),
        )
    )


def put_back(store: Store, actor: Actor, item: Item, value: str, reason: str) -> None:
    """Let a payment be matched and posted again. Raises ``ValueError`` when that is not for a person any more."""
    row = cash.get(store, int(item.subject.partition(":")[2]))
    if not row.by_hand:
        raise ValueError("it is matched and posted by itself already")
    cash.set_by_hand(store, actor, row, False, reason)
