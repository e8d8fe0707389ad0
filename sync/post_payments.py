"""Matched payments -> books: each application becomes a payment in the clearing account of its provider.

Where another app books the provider's payments (``post_payments = "ledger"``) nothing is posted: ``sync.booked`` finds
what that app booked, and what it has not booked after a while is a review item.
"""

from __future__ import annotations

from collections.abc import Sequence
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

SOME = 500  # payments that are in memory at once
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
    """Note which payments the ledger must hold, some at a time."""
    store, mapping = context.store, context.world.ledger_mapping(connection)
    doubted = selfcheck.held(store, "payment")
    for applications in cash.unposted(store, entity, connection, SOME):
        paid = _Paid.all(context, applications, connection)
        payments = cash.among(store, {part.payment_id for part in applications})
        with store.transaction():
            for application in applications:
                target = paid.get(application.id)
                if target is None or str(application.payment_id) in doubted:
                    continue  # not in the books yet; the next run posts it
                account = clearing_account(mapping, target.currency)
                if not isinstance(account, str):
                    _no_account(context, connection, target.currency, f"{account.problem}", account.remedy)
                    continue
                payment = payments[application.payment_id]
                draft = PaymentDraft(
                    key=booking_key(payment.vendor_id),
                    customer=target.customer,
                    document=target.document,
                    currency=target.currency,
                    amount=application.amount,
                    received_on=payment.received_on,
                    account=account,
                    memo=f"{payment.connection} {payment.vendor_id} for {target.number}",
                )
                outbox.add(store, connection, "payment", application.id, draft)


def _leave_to_others(context: Context, entity: Entity, connection: str) -> None:
    """Take back what was meant to be posted before the other app was named, and show what it does not book."""
    with context.store.transaction():
        context.count("postings left to another app", outbox.withdraw(context.store, connection, "payment"))
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


class _Paid(NamedTuple):
    """The invoice that an application pays, as the ledger knows it."""

    customer: Ref
    document: Ref
    currency: str
    number: str

    @classmethod
    def all(cls, context: Context, applications: Sequence[ApplicationRow], connection: str) -> dict[int, _Paid]:
        """Return by application what it pays: a document of ours once it is in the books, or a foreign one."""
        store, found = context.store, {}
        documents = invoices.headers(store, {part.document_id for part in applications if part.document_id})
        booked = links.of_ours(store, connection, "document", documents)
        customers = links.of_ours(store, connection, "customer", {one.customer_id for one in documents.values()})
        for part in applications:
            if part.foreign_id is not None:
                other = foreign.get(store, part.foreign_id)
                found[part.id] = cls(
                    Ref(id=other.ledger_customer), Ref(id=other.vendor_id), other.currency, other.number
                )
            elif part.document_id is not None:
                document = documents[part.document_id]
                customer = customers.get((document.customer_id, document.currency))
                link = booked.get((part.document_id, ""))
                if customer is not None and link is not None:
                    found[part.id] = cls(_ref(customer), _ref(link), document.currency, document.number)
        return found


def _ref(link: Link) -> Ref:
    return Ref(id=link.vendor_id, version=link.version)


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
