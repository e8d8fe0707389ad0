"""Payments -> invoices: each cent goes to the invoice it was meant for, or waits as unapplied cash."""

from __future__ import annotations

from functools import partial

from billing.matching import Decision, Incoming, Matcher, OpenInvoice
from billing.money import display
from connectors.base import ReceivedPayment
from store import cash, foreign, invoices, links
from store.cash import PaymentRow
from store.foreign import ForeignRow
from store.invoices import DocumentRow
from store.review import Finding
from sync.booked import Booked
from sync.context import Context, Entity
from sync.payers import Payers
from sync.scope import Scope
from sync.unchanged import unless_same

READ = ("payments", "applications", "documents", "foreign", "customers", "links", "outbox", "books", "contracts")

_FOREIGN = "foreign "  # how the ids of foreign invoices begin beside ours
_TAKEN_BACK = "people took its posting back in the books"
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
    used = [context.world.payments_mapping(source.name) for source in context.sources("payments")]
    for entity in context.world.entities.values():
        unless_same(context, entity.key, READ, used, partial(_match_all, context, entity))


def _match_all(context: Context, entity: Entity) -> None:
    rows = [row for row in cash.payments(context.store) if row.entity == entity.key]
    matcher = _matcher(context, entity.key)
    payers, scope, booked = Payers(context.store), Scope(context, entity.key), _booked(context, entity)
    for done, row in enumerate(rows, 1):
        _match(context, matcher, payers, scope, booked, row)
        context.progress(done, len(rows))


def _booked(context: Context, entity: Entity) -> Booked | None:
    return Booked(context, entity, entity.accounting) if entity.post_payments == "ledger" else None


def _matcher(context: Context, entity: str) -> Matcher:
    """Return what is open: invoices of ours and, under ids of their own, foreign ones."""
    found: list[tuple[str, DocumentRow | ForeignRow]] = [
        (str(row.id), row) for row in invoices.unpaid(context.store) if row.entity == entity
    ]
    found += [(f"{_FOREIGN}{row.id}", row) for row in foreign.unpaid(context.store, entity)]
    return Matcher(
        OpenInvoice(
            id=name,
            number=row.number or "",
            customer_id=str(row.customer_id or ""),
            currency=row.currency,
            open=row.open,
            due_on=row.due_on,
        )
        for name, row in found
    )


def _match(
    context: Context, matcher: Matcher, payers: Payers, scope: Scope, booked: Booked | None, row: PaymentRow
) -> None:
    if row.available < 0:
        _over_refunded(context, row)
    if row.is_gone:
        _came_back(context, row)
    if row.is_held:
        _held(context, row, row.payment(ReceivedPayment))
    if row.available <= 0:
        return
    payment = row.payment(ReceivedPayment) if row.is_received else None
    if payment is not None and not scope.holds(row, payment):
        if scope.is_from_before(row):
            _look_at_old(context, matcher, scope, row, payment)
        return
    customer_id = row.customer_id or (payers.customer(row.connection, payment) if payment else None)
    if booked is not None and payment is not None and booked.claim(row, payment, scope, customer_id):
        row = cash.get(context.store, row.id)
        if row.available <= 0:
            return
    incoming = Incoming(
        currency=row.currency,
        available=row.available,
        customer_id=str(customer_id or ""),
        texts=scope.texts(row, payment) if payment else {},
    )
    decision = Decision(reason="no_match", evidence=_TAKEN_BACK) if row.by_hand else matcher.match(incoming)
    if row.applied and _pays_already(context, row, decision):
        decision = Decision(reason="no_match", evidence=f"it has paid a part of that already ({decision.evidence})")
    if decision.applications:
        _apply(context, matcher, payers, row, payment, decision)
        row = cash.get(context.store, row.id)
    if row.available > 0:
        _unapplied(context, row, payment, decision)


def _look_at_old(context: Context, matcher: Matcher, scope: Scope, row: PaymentRow, payment: ReceivedPayment) -> None:
    """Money from before go-live is booked by whoever kept the books; where its invoice is open still, it may be not."""
    incoming = Incoming(currency=row.currency, available=row.available, texts=scope.texts(row, payment))
    decision = matcher.match(incoming)
    if decision.reason != "number":
        return
    context.find(
        Finding(
            code="paid_before_go_live",
            subject=f"payment:{row.id}",
            message=(
                f"{display(row.available, row.currency)} was received on {row.received_on}, before go-live"
                f" ({row.connection} {row.vendor_id}); it {decision.evidence}, and something is open there"
            ),
            fix="if nobody has typed it into the books yet, do so there",
        )
    )


def _pays_already(context: Context, row: PaymentRow, decision: Decision) -> bool:
    paid = {part.target for part in cash.applications_of(context.store, row.id)}
    ours, others = _told_apart(decision)
    return any(("document", id_) in paid for id_, _ in ours) or any(("foreign", id_) in paid for id_, _ in others)


def _apply(
    context: Context, matcher: Matcher, payers: Payers, row: PaymentRow, payment: ReceivedPayment | None,
    decision: Decision,
) -> None:  # fmt: skip
    parts, others = _told_apart(decision)
    why = f"{decision.reason}: {decision.evidence}"
    with context.store.transaction():
        cash.apply(context.store, context.actor, row, parts, why)
        cash.apply_to_foreign(context.store, context.actor, row, others, why)
        paid = invoices.get(context.store, parts[0][0]) if parts else foreign.get(context.store, others[0][0])
        if paid.customer_id is not None:
            cash.assign_customer(context.store, row.id, paid.customer_id)
            named = decision.reason == "number"
            if payment is not None and named and payers.learn(row.connection, payment, paid.customer_id):
                links.save_link(context.store, row.connection, "payer", payment.customer_id, paid.customer_id)
    matcher.apply(decision)
    context.count("payments matched")


def _told_apart(decision: Decision) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return (id, amount) of the invoices of ours that a decision applies money to, and of the foreign ones."""
    ours, others = [], []
    for part in decision.applications:
        if part.invoice_id.startswith(_FOREIGN):
            others.append((int(part.invoice_id.removeprefix(_FOREIGN)), part.amount))
        else:
            ours.append((int(part.invoice_id), part.amount))
    return ours, others


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


def _came_back(context: Context, row: PaymentRow) -> None:
    """The provider took money back that had come: what it paid is open again, but for what the books hold as paid.

    That is voided there by ``post_payments``, or by a person where another app books.
    """
    why = "failed after it had succeeded" if row.status == "failed" else "is disputed by its payer"
    with context.store.transaction():
        booked = cash.take_back(context.store, context.actor, row, f"the payment {why}")
    context.count("payments taken back", booked < row.applied)
    if booked and context.world.entities[row.entity].post_payments == "ledger":
        context.find(
            Finding(
                code="failed_after_applied",
                subject=f"payment:{row.id}",
                detail=str(booked),
                message=f"Payment {row.vendor_id} {why}; {display(booked, row.currency)} of it is booked as paid",
                fix="reverse the payment in the books: the customer owes it again",
            )
        )
    if row.status != "failed":
        context.find(
            Finding(
                code="payment_disputed",
                subject=f"payment:{row.id}",
                message=(
                    f"The payer disputes {display(row.amount, row.currency)} of {row.received_on} ({row.connection}"
                    f" {row.vendor_id}): the money is gone until that is won, and what it paid is open again"
                    " as soon as the books take it back"
                ),
                fix=f"answer it at {row.connection}; won, it is applied again by itself",
            )
        )


def _held(context: Context, row: PaymentRow, payment: ReceivedPayment) -> None:
    """Money that the provider holds for its customer is not ours yet, so only a person there can make it a payment."""
    payer = payment.customer_name or payment.customer_email or "a customer"
    context.find(
        Finding(
            code="held_by_provider",
            subject=f"payment:{row.id}",
            detail=str(row.amount),
            message=(
                f"{display(row.amount, row.currency)} that {payer} ({payment.customer_id}) transferred is applied to no"
                f" payment at {row.connection}: it lies in the customer's own balance there and is not in the books"
            ),
            fix=f"apply it at {row.connection} to a payment of this customer, or send it back; then this closes itself",
        )
    )


def _over_refunded(context: Context, row: PaymentRow) -> None:
    context.find(
        Finding(
            code="refunded_after_applied",
            subject=f"payment:{row.id}",
            detail=str(row.refunded),
            message=(
                f"{display(row.refunded, row.currency)} of payment {row.vendor_id} was refunded or disputed"
                f" after {display(row.applied, row.currency)} of it had paid invoices"
            ),
            fix="if the customer still owes it, reverse the payment in the books; if not, credit the invoice",
        )
    )
