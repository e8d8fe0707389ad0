"""Money that was given back at the provider is given back in the books, out of the credit that it belongs to.

A refund is taken from the payment's own money on account; what exceeds that from credit notes against the invoices that
the payment paid, as the money itself stays applied there. What has no place yet waits, and ``match_payments`` says so.
"""

from __future__ import annotations

from typing import NamedTuple

from billing.money import display
from connectors.base import Ref, RefundDraft
from store import cash, credit_uses, invoices, outbox, refunds
from store.cash import PaymentRow
from store.review import Finding
from sync.context import Context
from sync.posted import Posted, posted_draft
from sync.postings import key_of


def want(context: Context, posted: Posted) -> None:
    """Give every refund its place, and note what the ledger must hold of it."""
    for row in cash.refunded(context.store, posted.entity.key):
        if row.is_gone or posted.waits(row.id):
            continue
        excess = _excess(context, posted, row)
        if excess < 0:
            _came_back(context, posted, row, -excess)
        elif excess and (account := posted.account(row)):
            _place(context, posted, row, excess, account)


def _excess(context: Context, posted: Posted, row: PaymentRow) -> int:
    """Return by how much more is booked of a payment than the provider kept of it."""
    parts = [part for part in cash.applications_of(context.store, row.id) if posted.intent("payment", part.id)]
    booked = sum(part.amount for part in parts) + _on_account(posted, row)
    given_back = sum(one.amount for one in refunds.of(context.store, row.id))
    excess = booked - given_back - (row.amount - row.refunded)
    return excess if excess > 0 or given_back else 0


def _on_account(posted: Posted, row: PaymentRow) -> int:
    intent = posted.intent("on_account", row.id)
    return posted_draft(intent).amount if intent is not None else 0


def _place(context: Context, posted: Posted, row: PaymentRow, excess: int, account: str) -> None:
    """Take a refund from the payment's own money on account, then from credit notes."""
    own = min(excess, _left_on_account(context, posted, row))
    intent = posted.intent("on_account", row.id)
    if own > 0 and intent is not None:
        source = _Source(None, posted.on_account[row.id], posted_draft(intent).customer)
        _give_back(context, posted, row, source, own, account)
        excess -= own
    for credit_id in _credits(context, row):
        part = min(excess, credit_uses.left(context.store, credit_id))
        document = posted.document(credit_id)
        customer = posted.customer(invoices.get(context.store, credit_id).customer_id, row.currency)
        if part > 0 and document is not None and customer is not None:
            _give_back(context, posted, row, _Source(credit_id, document, customer), part, account)
            excess -= part


class _Source(NamedTuple):
    """What a refund is taken from: a credit note by our id, or money on account (None); and whose it is there."""

    credit_id: int | None
    ref: Ref
    customer: Ref


def _left_on_account(context: Context, posted: Posted, row: PaymentRow) -> int:
    """Return what is still on account of a payment in the books: 0 until it is known to be there."""
    if row.id not in posted.on_account:
        return 0
    parts = cash.applications_of(context.store, row.id)
    used = sum(part.amount for part in parts if posted.intent("allocation", part.id))
    back = sum(one.amount for one in refunds.of(context.store, row.id) if one.credit_id is None)
    return _on_account(posted, row) - used - back


def _credits(context: Context, row: PaymentRow) -> list[int]:
    """Return the credit notes against the invoices of ours that a payment paid, oldest first."""
    found = []
    for part in cash.applications_of(context.store, row.id):
        if part.document_id is not None:
            paid = invoices.get(context.store, part.document_id)
            found += [note.id for note in invoices.credits_of(context.store, row.entity, str(paid.number))]
    return found


def _give_back(context: Context, posted: Posted, row: PaymentRow, source: _Source, amount: int, account: str) -> None:
    with context.store.transaction():
        today = context.today(posted.entity.key)
        placed = refunds.place(context.store, context.actor, row.id, source.credit_id, amount, today)
        draft = RefundDraft(
            key=_key(refunds.number_of(context.store, placed), row),
            customer=source.customer,
            source=source.ref,
            source_kind="on_account" if source.credit_id is None else "credit_note",
            currency=row.currency,
            amount=amount,
            on=today,
            account=account,
            memo=f"{row.connection} refund of {row.vendor_id}",
        )
        outbox.add(context.store, posted.connection, "refund", placed.id, draft)


def _key(number: int, row: PaymentRow) -> str:
    """Return the key of a payment's n-th refund. A restored store comes to the same one, whatever is refunded first."""
    return key_of(row.vendor_id, f"R{number}.")


def _came_back(context: Context, posted: Posted, row: PaymentRow, amount: int) -> None:
    context.find(
        Finding(
            code="refund_failed",
            subject=f"payment:{row.id}",
            detail=str(amount),
            message=(
                f"{display(amount, row.currency)} that was refunded of {row.vendor_id} came back to {row.connection};"
                f" at {posted.connection} it is booked as given back"
            ),
            fix="reverse the refund in the books; the money is the customer's credit again",
        )
    )
