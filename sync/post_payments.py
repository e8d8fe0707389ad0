"""Matched payments -> books: each cent in one place, in the clearing account of its provider.

What pays an invoice becomes a payment of it. What pays none yet is posted on account, once its customer is known; when
it is applied later, that becomes an allocation. Refunds are taken from where the money is (``sync.refunding``); what
the provider takes back altogether is voided (``sync.reversing``).

Where another app books the provider's payments (``post_payments = "ledger"``) nothing is posted: ``sync.booked`` finds
what that app booked, and what it has not booked after a while is a review item.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from billing.money import display
from connectors.base import AllocationDraft, PaymentDraft, ReceivedPayment
from store import cash, foreign, invoices, outbox
from store.cash import ApplicationRow, PaymentRow
from store.outbox import Intent
from store.review import Finding
from sync import refunding, reversing
from sync.context import Context, Entity
from sync.days import Days
from sync.outbox import push
from sync.payers import Payers
from sync.posted import Paid, Posted, posted_draft
from sync.postings import ALLOCATION, ON_ACCOUNT, PAYMENT, REFUND, key_of
from sync.scope import Scope

SOME = 500  # payments that are in memory at once
PATIENCE = timedelta(days=5)  # so long another app may take to book a payment: until the payout has come


def run(context: Context) -> None:
    """Make every ledger hold the payments that came from outside it."""
    for entity, source in context.ledgers():
        if entity.post_payments == "ledger":
            _leave_to_others(context, entity, source.name)
            continue
        with context.using(source.name) as ledger:
            _post(context, entity, source.name, ledger)


def _post(context: Context, entity: Entity, connection: str, ledger: Any) -> None:
    """Post what came, then what became of it: each kind stands on those before it."""
    days = Days(context, entity, connection, ledger)
    reversing.drop_unsent(context, entity, connection, ledger)
    _want_payments(context, Posted(context, entity, connection), days)
    refunding.take_back(context, entity, connection, ledger)
    reversing.void_misplaced(context, entity, connection, ledger)
    _want_on_account(context, Posted(context, entity, connection), days)
    push(context, connection, ledger, PAYMENT)
    push(context, connection, ledger, ON_ACCOUNT)
    _want_allocations(context, Posted(context, entity, connection))
    push(context, connection, ledger, ALLOCATION)
    refunding.want(context, Posted(context, entity, connection), days)
    push(context, connection, ledger, REFUND)
    reversing.void(context, entity, connection, ledger)


# ------------------------------------------------------------------------------------------------ payments of invoices


def _want_payments(context: Context, posted: Posted, days: Days) -> None:
    for application in cash.each_unposted(context.store, posted.entity.key, posted.connection):
        payment, paid = cash.get(context.store, application.payment_id), posted.paid(application)
        if paid is None or payment.is_gone or posted.waits(payment.id):
            continue  # not in the books yet: the next run posts it; or taken back, or doubted
        if posted.on_account_already(payment, application):
            continue  # set against it later
        account = posted.account(payment)
        day = days.payment(payment) if account else None
        if day is None:
            continue
        draft = PaymentDraft(
            key=key_of(payment.vendor_id),
            customer=paid.customer,
            document=paid.document,
            currency=paid.currency,
            amount=application.amount,
            received_on=day,
            account=account,
            memo=f"{payment.connection} {payment.vendor_id} for {paid.number}",
        )
        with context.store.transaction():
            outbox.add(context.store, posted.connection, "payment", application.id, draft)


# ---------------------------------------------------------------------------------------------------- money on account


def _want_on_account(context: Context, posted: Posted, days: Days) -> None:
    """Post what is left of each payment on account of its customer, where both are known in the books."""
    rows = cash.not_on_account(context.store, posted.entity.key, posted.connection)
    payers = Payers(context.store) if rows else None
    scope = Scope(context, posted.entity.key)
    for row in rows:
        assert payers is not None  # there are rows
        payment = row.payment(ReceivedPayment)
        customer_id = row.customer_id or payers.customer(row.connection, payment)
        customer = posted.customer(customer_id, row.currency) if customer_id is not None else None
        if customer is None or posted.waits(row.id) or not scope.holds(row, payment):
            continue
        if any(posted.intent("payment", part.id) is None for part in cash.applications_of(context.store, row.id)):
            continue  # what it pays is not in the books yet: that would be taken from the rest later
        account = posted.account(row)
        day = days.payment(row) if account else None
        if day is None:
            continue
        draft = PaymentDraft(
            key=key_of(row.vendor_id),
            customer=customer,
            document=None,
            currency=row.currency,
            amount=row.available,
            received_on=day,
            account=account,
            memo=f"{row.connection} {row.vendor_id}",
        )
        with context.store.transaction():
            outbox.add(context.store, posted.connection, "on_account", row.id, draft)


def _want_allocations(context: Context, posted: Posted) -> None:
    """Set money on account against the invoices that it was applied to since it was posted."""
    for application in cash.each_unposted(context.store, posted.entity.key, posted.connection):
        payment = cash.get(context.store, application.payment_id)
        intent = None if payment.is_gone else posted.intent("on_account", payment.id)
        source, paid = posted.on_account.get(payment.id), posted.paid(application)
        if intent is None or source is None or paid is None or posted.waits(payment.id):
            continue  # a payment of its invoice, not in the books yet, or doubted
        if not posted.on_account_already(payment, application):
            continue  # a payment of its own, whose day is not open yet
        if posted_draft(intent).customer.id != paid.customer.id:
            _of_another(context, posted, payment, application, paid, intent)
            continue
        draft = AllocationDraft(
            key=key_of(payment.vendor_id),
            customer=paid.customer,
            source=source,
            source_kind="on_account",
            document=paid.document,
            currency=paid.currency,
            amount=application.amount,
            on=context.today(posted.entity.key),
        )
        with context.store.transaction():
            outbox.add(context.store, posted.connection, "allocation", application.id, draft)


def _of_another(
    context: Context, posted: Posted, payment: PaymentRow, application: ApplicationRow, paid: Paid, intent: Intent
) -> None:
    """A ledger sets money on account against invoices of its own customer only, and some of this is used already."""
    context.find(
        Finding(
            code="on_account_of_another",
            subject=f"payment:{payment.id}",
            detail=paid.number,
            message=(
                f"{display(application.amount, payment.currency)} of {payment.vendor_id} pays {paid.number} here, but"
                f" at {posted.connection} it lies on account of customer {posted_draft(intent).customer.id},"
                f" and {paid.number} belongs to {paid.customer.id}"
            ),
            fix="give the money on account to the invoice's customer in the books, and set it against it there",
        )
    )


# ------------------------------------------------------------------------------------------- where another app books


def _leave_to_others(context: Context, entity: Entity, connection: str) -> None:
    """Take back what was meant to be posted before the other app was named, and show what it does not book."""
    with context.store.transaction():
        withdrawn = sum(outbox.withdraw(context.store, connection, kind) for kind in ("payment", "on_account"))
        context.count("postings left to another app", withdrawn)
    for applications in cash.unposted(context.store, entity.key, connection, SOME):
        payments = cash.among(context.store, {part.payment_id for part in applications})
        for application in applications:
            payment = payments[application.payment_id]
            if context.today(entity.key) - payment.received_on > PATIENCE:
                _not_booked(context, connection, application, payment)


def _not_booked(context: Context, connection: str, application: ApplicationRow, payment: PaymentRow) -> None:
    kind, id_ = application.target
    paid = invoices.get(context.store, id_) if kind == "document" else foreign.get(context.store, id_)
    context.find(
        Finding(
            code="payment_not_in_books",
            subject=f"payment:{payment.id}",
            detail=str(paid.number),
            message=(
                f"{display(application.amount, payment.currency)} of {payment.received_on} ({payment.connection}"
                f" {payment.vendor_id}) paid {paid.number}, but no app has booked that at {connection}"
            ),
            fix='book it there, or find out why the app did not; if none is to book: post_payments = "netterms"',
        )
    )
