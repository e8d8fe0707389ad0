"""Matched payments -> books: each application becomes a payment in the clearing account of its provider."""

from __future__ import annotations

from billing.money import display
from connectors.base import LedgerPayment, PaymentDraft, Ref
from mappings.ledger import clearing_account
from store import cash, invoices, links, outbox
from store.review import Finding
from sync.context import Context
from sync.outbox import Kind, push

KEY_LENGTH = 21  # what QuickBooks keeps of a payment's reference; the tail of a provider's id is its unique part


def run(context: Context) -> None:
    """Make every ledger hold the payments that came from outside it."""
    for entity, source in context.ledgers():
        _want_payments(context, entity.key, source.name)
        with context.using(source.name) as ledger:
            push(context, source.name, ledger, PAYMENT)


def _want_payments(context: Context, entity: str, connection: str) -> None:
    customers = links.by_ours(context.store, connection, "customer")
    documents = links.by_ours(context.store, connection, "document")
    mapping = context.world.ledger_mapping(connection)
    with context.store.transaction():
        for application in cash.unposted(context.store, entity, connection):
            document = invoices.get(context.store, application.document_id)
            customer = customers.get((document.customer_id, document.currency))
            link = documents.get((document.id, ""))
            if customer is None or link is None:
                continue  # not in the books yet; the next run posts it
            account = clearing_account(mapping, document.currency)
            if not isinstance(account, str):
                _no_account(context, connection, document.currency, f"{account.problem}", account.remedy)
                continue
            payment = cash.get(context.store, application.payment_id)
            draft = PaymentDraft(
                key=payment.vendor_id[-KEY_LENGTH:],
                customer=Ref(id=customer.vendor_id, version=customer.version),
                document=Ref(id=link.vendor_id, version=link.version),
                currency=document.currency,
                amount=application.amount,
                received_on=payment.received_on,
                account=account,
                memo=f"{payment.connection} {payment.vendor_id} for {document.number}",
            )
            outbox.add(context.store, connection, "payment", application.id, draft)


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
    applied = found.applied.get(draft.document.id, 0)
    if applied != draft.amount:
        there, here = display(applied, draft.currency), display(draft.amount, draft.currency)
        return f"{there} is applied to the invoice there and {here} here"
    return f"it is {found.status} there" if found.status != "active" else ""


PAYMENT: Kind[PaymentDraft, LedgerPayment] = Kind(
    name="payment",
    draft=PaymentDraft,
    collection=lambda ledger: ledger.payments,
    title=lambda draft: f"Payment {draft.key} of {display(draft.amount, draft.currency)}",
    differs=_differs,
)
