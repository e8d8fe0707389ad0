"""Payments -> invoices: each cent goes to the invoice it was meant for, or waits as unapplied cash."""

from __future__ import annotations

from billing.matching import Decision, Incoming, Matcher, OpenInvoice
from billing.money import display
from connectors.base import ReceivedPayment
from store import cash, invoices, links
from store.cash import PaymentRow
from store.review import Finding
from sync.context import Context
from sync.payers import Payers

_ADVICE = {
    "ambiguous": "find out which invoice was meant, then: apply",
    "unknown_number": "it may be paid twice or meant for another system: refund it, or: apply",
    "wrong_currency": "the invoice is in another currency: refund it, or agree with the customer",
    "other_customer": "the payer is another customer than the invoice's: if that is right, then: apply",
    "no_customer": "nobody of this name or mail is known: find out who paid, then: apply",
    "no_match": "no open invoice fits: a prepayment, a part, or a payment for something else; or: apply",
}


def run(context: Context) -> None:
    """Match every payment with something left; what cannot be decided for certain is a review item."""
    rows = cash.payments(context.store)
    for entity in context.world.entities:
        matcher = _matcher(context, entity)
        payers = Payers(context.store)
        for done, row in enumerate(rows, 1):
            if row.entity == entity:
                _match(context, matcher, payers, row)
            context.progress(done, len(rows))


def _matcher(context: Context, entity: str) -> Matcher:
    return Matcher(
        OpenInvoice(
            id=str(row.id),
            number=row.number or "",
            customer_id=str(row.customer_id),
            currency=row.currency,
            open=row.open,
            due_on=row.due_on,
        )
        for row in invoices.unpaid(context.store)
        if row.entity == entity
    )


def _match(context: Context, matcher: Matcher, payers: Payers, row: PaymentRow) -> None:
    if row.available < 0:
        _over_refunded(context, row)
    if row.available <= 0:
        return
    payment = row.payment(ReceivedPayment) if row.is_received else None
    customer_id = row.customer_id or (payers.customer(row.connection, payment) if payment else None)
    incoming = Incoming(
        currency=row.currency,
        available=row.available,
        customer_id=str(customer_id or ""),
        texts=_texts(context, row, payment),
    )
    decision = matcher.match(incoming)
    if decision.applications:
        _apply(context, matcher, payers, row, payment, decision)
        row = cash.get(context.store, row.id)
    if row.available > 0:
        _unapplied(context, row, payment, decision)


def _texts(context: Context, row: PaymentRow, payment: ReceivedPayment | None) -> dict[str, str]:
    if payment is None:
        return {}
    mapping = context.world.payments_mapping(row.connection)
    return {field: text for field, text in payment.texts.items() if mapping.may_name_invoice(field)}


def _apply(
    context: Context, matcher: Matcher, payers: Payers, row: PaymentRow, payment: ReceivedPayment | None,
    decision: Decision,
) -> None:  # fmt: skip
    parts = [(int(part.invoice_id), part.amount) for part in decision.applications]
    with context.store.transaction():
        cash.apply(context.store, context.actor, row, parts, f"{decision.reason}: {decision.evidence}")
        customer_id = invoices.get(context.store, parts[0][0]).customer_id
        cash.assign_customer(context.store, row.id, customer_id)
        if payment is not None and decision.reason == "number" and payers.learn(row.connection, payment, customer_id):
            links.save_link(context.store, row.connection, "payer", payment.customer_id, customer_id)
    matcher.apply(decision)
    context.count("payments matched")


def _unapplied(context: Context, row: PaymentRow, payment: ReceivedPayment | None, decision: Decision) -> None:
    payer = (payment.customer_name or payment.customer_email) if payment else ""
    rest = "the rest" if decision.applications else decision.evidence
    fix = _ADVICE["no_match"] if decision.applications else _ADVICE.get(decision.reason, _ADVICE["no_match"])
    context.find(
        Finding(
            code="unapplied_cash",
            subject=f"payment:{row.id}",
            detail=str(row.available),
            message=(
                f"{display(row.available, row.currency)} from {payer or 'an unknown payer'} on {row.received_on}"
                f" ({row.connection} {row.vendor_id}) is not applied: {rest}"
            ),
            fix=fix,
            actions=("apply", "dismiss"),
        )
    )


def _over_refunded(context: Context, row: PaymentRow) -> None:
    context.find(
        Finding(
            code="refunded_after_applied",
            subject=f"payment:{row.id}",
            detail=str(row.refunded),
            message=(
                f"{display(row.refunded, row.currency)} of payment {row.vendor_id} was refunded"
                f" after {display(row.applied, row.currency)} of it had paid invoices"
            ),
            fix="if the customer still owes it, reverse the payment in the books; if not, credit the invoice",
        )
    )
