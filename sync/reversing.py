"""Payments that the provider took back, because they failed or are disputed: their postings are voided in the books.

What they had paid is open again, here and there. A dispute that is won brings the money back: it is applied anew.
"""

from __future__ import annotations

from typing import Any

from billing.money import display
from store import cash, links, outbox, refunds
from store.cash import PaymentRow
from store.outbox import Intent
from store.review import Finding
from sync.context import Context, Entity
from sync.outbox import look_up, push
from sync.posted import Posted, posted_draft
from sync.postings import ALLOCATION, ON_ACCOUNT, PAYMENT, VOID_ON_ACCOUNT, VOID_PAYMENT, VoidDraft


def drop_unsent(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Take back what was meant to be posted of money that is gone, as far as the ledger surely does not hold it.

    What never went out may be there all the same, when it did before a restore: so it is looked up first.
    """
    rows = cash.gone(context.store, entity.key)
    if not rows or not all(look_up(context, connection, ledger, kind) for kind in (PAYMENT, ALLOCATION, ON_ACCOUNT)):
        return
    posted = Posted(context, entity, connection)
    for row in rows:
        parts = [part.id for part in cash.applications_of(context.store, row.id)]
        wanted = [("payment", id_) for id_ in parts] + [("allocation", id_) for id_ in parts] + [("on_account", row.id)]
        with context.store.transaction():
            for kind, id_ in wanted:
                if _is_unsent(posted.intent(kind, id_)):
                    outbox.forget(context.store, connection, kind, [id_])


def _is_unsent(intent: Intent | None) -> bool:
    return intent is not None and (intent.state == "parked" or (intent.state == "new" and not intent.attempts))


def void(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Void the postings of money that is gone, and open what it had paid."""
    rows = cash.gone(context.store, entity.key)
    posted = Posted(context, entity, connection)
    for row in rows:
        _want(context, posted, row)
    if rows:
        push(context, connection, ledger, VOID_PAYMENT)
        push(context, connection, ledger, VOID_ON_ACCOUNT)
    for row in rows:
        _open_again(context, posted, row)


def void_misplaced(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Void money on account that pays an invoice of another customer now, so that it is posted there anew.

    A ledger sets money on account against invoices of its own customer only. What is used of in part stays as it is.
    """
    posted = Posted(context, entity, connection)
    for application in cash.each_unposted(context.store, entity.key, connection):
        intent, paid = posted.intent("on_account", application.payment_id), posted.paid(application)
        if intent is None or intent.state != "done" or paid is None:
            continue
        row = cash.get(context.store, application.payment_id)
        if posted_draft(intent).customer.id != paid.customer.id and not is_used(context, posted, row):
            draft = VoidDraft(payment=posted.on_account[row.id], posted=posted_draft(intent))
            with context.store.transaction():
                if posted.intent("on_account_void", row.id) is None:
                    outbox.add(context.store, connection, "on_account_void", row.id, draft)
    push(context, connection, ledger, VOID_ON_ACCOUNT)
    for intent in outbox.done(context.store, connection, "on_account_void"):
        row = cash.get(context.store, intent.our_id)
        if not row.is_gone and row.id in posted.on_account:
            with context.store.transaction():
                _forget_on_account(context, posted, row)
            context.count("money on account given to another customer")


def is_used(context: Context, posted: Posted, row: PaymentRow) -> bool:
    """Say whether anything of a payment's money on account is set against an invoice or given back."""
    parts = cash.applications_of(context.store, row.id)
    return bool(refunds.of(context.store, row.id)) or any(posted.intent("allocation", part.id) for part in parts)


def _forget_on_account(context: Context, posted: Posted, row: PaymentRow) -> None:
    links.unlink(context.store, posted.connection, "on_account", posted.on_account[row.id].id)
    for kind in ("on_account", "on_account_void"):
        outbox.forget(context.store, posted.connection, kind, [row.id])


def _want(context: Context, posted: Posted, row: PaymentRow) -> None:
    """Note which of a payment's postings have to be voided; one that was refunded in part is left to a person."""
    parts = [part.id for part in cash.applications_of(context.store, row.id)]
    found = [("payment", id_, posted.payments.get(id_)) for id_ in parts]
    found.append(("on_account", row.id, posted.on_account.get(row.id)))
    standing = [(kind, id_, ref) for kind, id_, ref in found if ref is not None and posted.is_done(kind, id_)]
    if standing and refunds.of(context.store, row.id):
        _refunded_before(context, posted, row)
        return
    with context.store.transaction():
        for kind, id_, ref in standing:
            intent = posted.intent(kind, id_)
            assert intent is not None  # it is done
            if posted.intent(f"{kind}_void", id_) is None:
                draft = VoidDraft(payment=ref, posted=posted_draft(intent))
                outbox.add(context.store, posted.connection, f"{kind}_void", id_, draft)


def _open_again(context: Context, posted: Posted, row: PaymentRow) -> None:
    """Forget what is voided in the books, and take the payment back from what it paid by that."""
    store, connection = context.store, posted.connection
    parts = [part.id for part in cash.applications_of(store, row.id)]
    voided = [id_ for id_ in parts if posted.is_done("payment_void", id_)]
    with store.transaction():
        for id_ in voided:
            links.unlink(store, connection, "payment", posted.payments[id_].id)
        outbox.forget(store, connection, "payment", voided)
        outbox.forget(store, connection, "payment_void", voided)
        if posted.is_done("on_account_void", row.id):
            outbox.forget(store, connection, "allocation", parts)
            _forget_on_account(context, posted, row)
        reason = "the payment failed" if row.status == "failed" else "the payer disputes the payment"
        left = cash.take_back(store, context.actor, row, reason)
    context.count("payments taken back", left < row.applied)


def _refunded_before(context: Context, posted: Posted, row: PaymentRow) -> None:
    context.find(
        Finding(
            code="taken_back_after_refund",
            subject=f"payment:{row.id}",
            message=(
                f"{row.vendor_id} of {display(row.amount, row.currency)} was taken back by its payer after a part of it"
                f" had been refunded; its postings at {posted.connection} stand"
            ),
            fix="reverse what is left of the payment in the books by hand",
        )
    )
