"""Money that was given back at the provider is given back in the books, out of the credit that it belongs to.

A refund is taken from the payment's own money on account; what exceeds that from credit notes against the invoices that
the payment paid, as the money itself stays applied there. What has no place yet waits, and ``match_payments`` says so.
Its day is the one on which it was made, but none before that of what it is taken from.
A refund that did not reach its payer is taken back, and so is each of a payment that is taken back as a whole: the
credit that it was taken from is there again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from billing.money import display
from connectors.base import ReceivedPayment, Ref, RefundDraft
from store import cash, credit_uses, invoices, links, outbox, refunds
from store.cash import PaymentRow
from store.refunds import CAME_BACK, TAKEN_BACK, Refund
from store.review import Finding
from sync.context import Context, Entity
from sync.days import Days
from sync.outbox import look_up, push
from sync.posted import Posted, posted_draft
from sync.postings import REFUND, VOID_REFUND, RefundVoidDraft, key_of

# ------------------------------------------------------------------------------------------------------- what came back


def take_back(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Take back what the books hold as given back and the provider does not, and tell whose credit it is again.

    What never went out may be there all the same, when it did before a restore: so it is looked up first.
    """
    rows = cash.refunded(context.store, entity.key)
    if rows and look_up(context, connection, ledger, REFUND):
        posted = Posted(context, entity, connection)
        for row in rows:
            if not posted.waits(row.id):
                _want_back(context, posted, row)
    push(context, connection, ledger, VOID_REFUND)
    for intent in outbox.done(context.store, connection, VOID_REFUND.name):
        refund = refunds.get(context.store, intent.our_id)
        if not refund.reversed:
            _reverse(context, posted, refund)
    for refund in refunds.that_came_back(context.store, entity.key):
        _report(context, connection, refund)


def _want_back(context: Context, posted: Posted, row: PaymentRow) -> None:
    standing = refunds.of(context.store, row.id)
    amount = sum(one.amount for one in standing) if row.is_gone else -_excess(context, posted, row)
    under_way = [one for one in standing if posted.intent(VOID_REFUND.name, one.id) is not None]
    left = [one for one in standing if one not in under_way]
    for refund in _chosen(left, amount - sum(one.amount for one in under_way)):
        intent, ref = posted.intent("refund", refund.id), posted.refunds.get(refund.id)
        if intent is not None and intent.is_unsent:
            with context.store.transaction():
                outbox.forget(context.store, posted.connection, "refund", [refund.id])
                refunds.reverse(context.store, context.actor, refund, _why(row))
        elif intent is not None and ref is not None and intent.state == "done":
            draft = RefundVoidDraft(refund=ref, posted=msgspec.json.decode(intent.payload, type=RefundDraft))
            with context.store.transaction():
                outbox.add(context.store, posted.connection, VOID_REFUND.name, refund.id, draft)


def _chosen(standing: Sequence[Refund], amount: int) -> list[Refund]:
    """Return the refunds that came to ``amount``: one of just that, else the latest; more is placed anew."""
    if amount <= 0:
        return []
    if exact := [one for one in standing if one.amount == amount]:
        return exact[-1:]
    found: list[Refund] = []
    for one in reversed(standing):
        if sum(each.amount for each in found) < amount:
            found.append(one)
    return found


def _why(row: PaymentRow) -> str:
    return TAKEN_BACK if row.is_gone else CAME_BACK


def _reverse(context: Context, posted: Posted, refund: Refund) -> None:
    with context.store.transaction():
        links.unlink(context.store, posted.connection, "refund", posted.refunds[refund.id].id)
        row = cash.get(context.store, refund.payment_id)
        refunds.reverse(context.store, context.actor, refund, _why(row))
    context.count("refunds taken back")


def _report(context: Context, connection: str, refund: Refund) -> None:
    """Say that a payer waits for money, as long as it is with us and nobody has done anything with it."""
    row = cash.get(context.store, refund.payment_id)
    credit = max(0, row.available) if refund.credit_id is None else credit_uses.left(context.store, refund.credit_id)
    if amount := min(refund.amount, credit):
        context.find(
            Finding(
                code="refund_failed",
                subject=f"payment:{row.id}",
                detail=f"refund {refund.id}",
                message=(
                    f"{display(amount, row.currency)} that was given back of {row.vendor_id} came back to"
                    f" {row.connection}: the payer does not have it, and at {connection} it is credit again"
                ),
                fix="refund it in another way at the provider, or agree with the customer which invoice it pays",
            )
        )


# ------------------------------------------------------------------------------------------------- what was given back


def want(context: Context, posted: Posted, days: Days) -> None:
    """Give every refund its place, and note what the ledger must hold of it."""
    for row in cash.refunded(context.store, posted.entity.key):
        if row.is_gone or posted.waits(row.id):
            continue
        excess = _excess(context, posted, row)
        if excess > 0 and (account := posted.account(row)):
            for day, amount in _by_day(context, row, excess).items():
                _place(context, posted, _GivenBack(row, account, day, days), amount)


class _GivenBack(NamedTuple):
    """What went back of a payment on one day, and from which account."""

    row: PaymentRow
    account: str
    day: date
    days: Days


def _by_day(context: Context, row: PaymentRow, excess: int) -> dict[date, int]:
    """Return on which days, the oldest first, that went back which is not booked yet: the last of what did."""
    zone, found = ZoneInfo(context.world.entities[row.entity].timezone), list[tuple[date, int]]()
    parts = row.payment(ReceivedPayment).given_back if row.is_received else ()
    for part in reversed(parts):
        found.append((part.at.astimezone(zone).date(), min(excess, part.amount)))
        excess -= found[-1][1]
    found.append((context.today(row.entity), excess))  # the provider does not say when
    by_day: Counter[date] = Counter()
    for day, amount in sorted(found):
        by_day[day] += amount
    return {day: amount for day, amount in by_day.items() if amount > 0}


def _excess(context: Context, posted: Posted, row: PaymentRow) -> int:
    """Return by how much more is booked of a payment than the provider kept of it; below zero, by how much less.

    Less is not told where nothing was given back: then the rest is not booked yet.
    """
    parts = [part for part in cash.applications_of(context.store, row.id) if posted.intent("payment", part.id)]
    booked = sum(part.amount for part in parts) + _on_account(posted, row)
    given_back = sum(one.amount for one in refunds.of(context.store, row.id))
    excess = booked - given_back - (row.amount - row.refunded)
    return excess if excess > 0 or given_back else 0


def _on_account(posted: Posted, row: PaymentRow) -> int:
    intent = posted.intent("on_account", row.id)
    return posted_draft(intent).amount if intent is not None else 0


def _place(context: Context, posted: Posted, back: _GivenBack, excess: int) -> None:
    """Take a refund from the payment's own money on account, then from credit notes."""
    row = back.row
    own = min(excess, _left_on_account(context, posted, row))
    intent = posted.intent("on_account", row.id)
    if own > 0 and intent is not None:
        draft = posted_draft(intent)
        source = _Source(None, posted.on_account[row.id], draft.customer, draft.received_on)
        _give_back(context, posted, back, source, own)
        excess -= own
    for credit_id in _credits(context, row):
        part = min(excess, credit_uses.left(context.store, credit_id))
        document, note = posted.document(credit_id), invoices.get(context.store, credit_id)
        customer = posted.customer(note.customer_id, row.currency)
        if part > 0 and document is not None and customer is not None:
            _give_back(context, posted, back, _Source(credit_id, document, customer, note.issue_on), part)
            excess -= part


class _Source(NamedTuple):
    """What a refund is taken from: a credit note by our id, or money on account (None); whose it is there, since when.

    Nothing can be taken from it on an earlier day.
    """

    credit_id: int | None
    ref: Ref
    customer: Ref
    since: date


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


def _give_back(context: Context, posted: Posted, back: _GivenBack, source: _Source, amount: int) -> None:
    row, day = back.row, back.days.refund(back.row, max(back.day, source.since))
    if day is None:
        return
    with context.store.transaction():
        placed = refunds.place(context.store, context.actor, row.id, source.credit_id, amount, day)
        draft = RefundDraft(
            key=_key(refunds.number_of(context.store, placed), row),
            customer=source.customer,
            source=source.ref,
            source_kind="on_account" if source.credit_id is None else "credit_note",
            currency=row.currency,
            amount=amount,
            on=day,
            account=back.account,
            memo=f"{row.connection} refund of {row.vendor_id}",
        )
        outbox.add(context.store, posted.connection, "refund", placed.id, draft)


def _key(number: int, row: PaymentRow) -> str:
    """Return the key of a payment's n-th refund. A restored store comes to the same one, whatever is refunded first."""
    return key_of(row.vendor_id, f"R{number}.")
