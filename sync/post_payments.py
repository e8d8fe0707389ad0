"""Matched payments -> books: each application becomes a payment in the clearing account of its provider.

Where another app books the provider's payments (``post_payments = "ledger"``) nothing is posted: ``sync.booked`` finds
what that app booked, and what it has not booked after a while is a review item.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from billing.money import display
from connectors.base import LedgerPayment, PaymentDraft, Ref
from mappings.ledger import clearing_account
from store import cash, foreign, invoices, links, outbox, selfcheck
from store.cash import ApplicationRow, PaymentRow
from store.links import Link
from store.review import Finding
from sync.booked import booking_key
from sync.context import Context, Entity
from sync.outbox import Kind, push

PATIENCE = timedelta(days=5)  # so long another app may take to book a payment: until the payout has come


def run(context: Context) -> None:
    """Make every ledger hold the payments that came from outside it."""
    for entity, source in context.ledgers():
        if entity.post_payments == "ledger":
            _leave_to_others(context, entity, source.name)
            continue
        _want_payments(context, entity.key, source.name)
        with context.using(source.name) as ledger:
            push(context, source.name, ledger, PAYMENT)


def _want_payments(context: Context, entity: str, connection: str) -> None:
    customers = links.by_ours(context.store, connection, "customer")
    documents = links.by_ours(context.store, connection, "document")
    mapping = context.world.ledger_mapping(connection)
    doubted = selfcheck.held(context.store, "payment")
    with context.store.transaction():
        for application in cash.unposted(context.store, entity, connection):
            if str(application.payment_id) in doubted:
                continue
            paid = _paid(context, application, customers, documents)
            if paid is None:
                continue  # not in the books yet; the next run posts it
            account = clearing_account(mapping, paid.currency)
            if not isinstance(account, str):
                _no_account(context, connection, paid.currency, f"{account.problem}", account.remedy)
                continue
            payment = cash.get(context.store, application.payment_id)
            draft = PaymentDraft(
                key=booking_key(payment.vendor_id),
                customer=paid.customer,
                document=paid.document,
                currency=paid.currency,
                amount=application.amount,
                received_on=payment.received_on,
                account=account,
                memo=f"{payment.connection} {payment.vendor_id} for {paid.number}",
            )
            outbox.add(context.store, connection, "payment", application.id, draft)


def _leave_to_others(context: Context, entity: Entity, connection: str) -> None:
    """Take back what was meant to be posted before the other app was named, and show what it does not book."""
    with context.store.transaction():
        context.count("postings left to another app", outbox.withdraw(context.store, connection, "payment"))
    for application in cash.unposted(context.store, entity.key, connection):
        payment = cash.get(context.store, application.payment_id)
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


class _Paid(NamedTuple):
    """The invoice that an application pays, as the ledger knows it."""

    customer: Ref
    document: Ref
    currency: str
    number: str


def _paid(
    context: Context, application: ApplicationRow, customers: dict[tuple[int, str], Link],
    documents: dict[tuple[int, str], Link],
) -> _Paid | None:  # fmt: skip
    """Return what is paid: one of our documents once both it and its customer are in the books, or a foreign one."""
    if application.foreign_id is not None:
        other = foreign.get(context.store, application.foreign_id)
        return _Paid(Ref(id=other.ledger_customer), Ref(id=other.vendor_id), other.currency, other.number)
    assert application.document_id is not None
    document = invoices.get(context.store, application.document_id)
    customer = customers.get((document.customer_id, document.currency))
    link = documents.get((document.id, ""))
    if customer is None or link is None:
        return None
    return _Paid(
        Ref(id=customer.vendor_id, version=customer.version),
        Ref(id=link.vendor_id, version=link.version),
        document.currency,
        str(document.number),
    )


def _no_account(context: Context, connection: str, currency: str, problem: str, remedy: str) -> None:
    context.find(
        Finding(
            code="no_clearing_account",
            subject=f"connection:{connection}",
            detail=currency,
            message=f"Payments in {currency} cannot be booked at {connection}: {problem}",
            fix=remedy,
        )
    )


def _differs(draft: PaymentDraft, found: LedgerPayment, adopted: bool) -> str:
    applied = found.applied.get(draft.document.id, 0) if draft.document else found.unapplied
    problems = []
    if applied != draft.amount:
        there, here = display(applied, draft.currency), display(draft.amount, draft.currency)
        problems.append(f"{there} is applied to the invoice there and {here} here")
    if found.currency and found.currency != draft.currency:
        problems.append(f"its currency is {found.currency} there and {draft.currency} here")
    if found.customer_id and found.customer_id != draft.customer.id:
        problems.append(f"it belongs to customer {found.customer_id} there and to {draft.customer.id} here")
    if found.status != "active":
        problems.append(f"it is {found.status} there")
    return "; ".join(problems)


PAYMENT: Kind[PaymentDraft, LedgerPayment] = Kind(
    name="payment",
    draft=PaymentDraft,
    collection=lambda ledger: ledger.payments,
    title=lambda draft: f"Payment {draft.key} of {display(draft.amount, draft.currency)}",
    differs=_differs,
)
