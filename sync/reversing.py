"""Payments that the provider took back, because they failed or are disputed: their postings are voided in the books.

What they had paid is open again, here and there. A dispute that is won brings the money back: it is applied anew.
"""

from __future__ import annotations

from typing import Any

from store import cash, links, outbox, refunds
from store.cash import PaymentRow
from store.outbox import Intent
from store.review import Finding
from sync.context import Context, Entity
from sync.days import Days
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
                intent = posted.intent(kind, id_)
                if intent is not None and intent.is_unsent:
                    outbox.forget(context.store, connection, kind, [id_])


def void(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Void the postings of money that is gone, and open what it had paid."""
    rows = cash.gone(context.store, entity.key)
    posted, days = Posted(context, entity, connection), Days(context, entity, connection, ledger)
    for row in rows:
        _want(context, posted, days, row)
    if rows:
        push(context, connection, ledger, VOID_PAYMENT)
        push(context, connection, ledger, VOID_ON_ACCOUNT)
    for row in rows:
        _open_again(context, posted, row)


def void_misplaced(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Void money on account that pays an invoice of another customer now, or is too little, so that it is posted anew.

    A ledger sets money on account against invoices of its own customer only. What is used of in part stays as it is.
    """
    posted, days = Posted(context, entity, connection), Days(context, entity, connection, ledger)
    _void_short(context, posted, days)
    for application in cash.each_unposted(context.store, entity.key, connection):
        intent, paid = posted.intent("on_account", application.payment_id), posted.paid(application)
        if intent is None or intent.state != "done" or paid is None:
            continue
        row = cash.get(context.store, application.payment_id)
        if posted_draft(intent).customer.id != paid.customer.id and not is_used(context, posted, row):
            _void_on_account(context, posted, days, row, intent)
    push(context, connection, ledger, VOID_ON_ACCOUNT)
    for intent in outbox.done(context.store, connection, "on_account_void"):
        row = cash.get(context.store, intent.our_id)
        if not row.is_gone and row.id in posted.on_account:
            with context.store.transaction():
                _forget_on_account(context, posted, row)
            context.count("money on account posted anew")


def _void_short(context: Context, posted: Posted, days: Days) -> None:
    """Void money on account that is less than what is left of its payment by now, so that all of it is posted anew."""
    for row in cash.short_on_account(context.store, posted.entity.key, posted.connection):
        intent = posted.intent("on_account", row.id)
        if intent is None or posted.waits(row.id):
            continue
        if not is_used(context, posted, row):
            _void_on_account(context, posted, days, row, intent)
            continue
        context.find(
            Finding(
                code="short_on_account",
                subject=f"payment:{row.id}",
                message=(
                    f"More of {row.vendor_id} is at {row.connection} again than lies on account of its customer at"
                    f" {posted.connection}, where some of that is used already"
                ),
                fix="book the difference on account there, into the clearing account; then dismiss this",
            )
        )


def _void_on_account(context: Context, posted: Posted, days: Days, row: PaymentRow, intent: Intent) -> None:
    draft = VoidDraft(payment=posted.on_account[row.id], posted=posted_draft(intent))
    known = posted.intent("on_account_void", row.id) is not None
    if not known and days.may_void(row, draft.posted.received_on):
        with context.store.transaction():
            outbox.add(context.store, posted.connection, "on_account_void", row.id, draft)


def is_used(context: Context, posted: Posted, row: PaymentRow) -> bool:
    """Say whether anything of a payment's money on account is set against an invoice or given back."""
    parts = cash.applications_of(context.store, row.id)
    return bool(refunds.of(context.store, row.id)) or any(posted.intent("allocation", part.id) for part in parts)


def _forget_on_account(context: Context, posted: Posted, row: PaymentRow) -> None:
    links.unlink(context.store, posted.connection, "on_account", posted.on_account[row.id].id)
    for kind in ("on_account", "on_account_void"):
        outbox.forget(context.store, posted.connection, kind, [row.id])


def _want(context: Context, posted: Posted, days: Days, row: PaymentRow) -> None:
    """Note which of a payment's postings have to be voided, once no refund is taken from them any more."""
    if refunds.of(context.store, row.id):
        return
    parts = [part.id for part in cash.applications_of(context.store, row.id)]
    found = [("payment", id_, posted.payments.get(id_)) for id_ in parts]
    found.append(("on_account", row.id, posted.on_account.get(row.id)))
    standing = [(kind, id_, ref) for kind, id_, ref in found if ref is not None and posted.is_done(kind, id_)]
    wanted = []
    for kind, id_, ref in standing:
        intent = posted.intent(kind, id_)
        assert intent is not None  # it is done
        draft = VoidDraft(payment=ref, posted=posted_draft(intent))
        if posted.intent(f"{kind}_void", id_) is None and days.may_void(row, draft.posted.received_on):
            wanted.append((f"{kind}_void", id_, draft))
    with context.store.transaction():
        for kind, id_, draft in wanted:
            outbox.add(context.store, posted.connection, kind, id_, draft)


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
