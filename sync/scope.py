"""Which payments are ours: what names one of our invoices is; of the others the rules of the mapping decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property

from billing.matching import Matcher, OpenInvoice
from connectors.base import ReceivedPayment
from store import cash, foreign, invoices
from store.cash import PaymentRow, Target
from sync.context import Context


class Scope:
    """Whose money the payments of one legal entity are. What it reads of the store is read when it is needed."""

    def __init__(self, context: Context, entity: str) -> None:
        self._context = context
        self._entity = entity

    def holds(self, row: PaymentRow, payment: ReceivedPayment) -> bool:
        """Say whether a payment is ours, and store it where that is news; what has paid an invoice stays ours."""
        ours = row.applied > 0 or self._is_ours(row, payment)
        if ours != (row.scope == "in"):
            store = self._context.store
            with store.transaction():
                cash.set_scope(store, self._context.actor, row, "in" if ours else "out")
            self._context.count("payments found to be ours" if ours else "payments found not to be ours")
        return ours

    def texts(self, row: PaymentRow, payment: ReceivedPayment) -> Mapping[str, str]:
        """Return the payment's texts in which an invoice number may stand."""
        mapping = self._context.world.payments_mapping(row.connection)
        return {field: text for field, text in payment.texts.items() if mapping.may_name_invoice(field)}

    def named(self, row: PaymentRow, payment: ReceivedPayment) -> set[Target]:
        """Return the invoices, paid ones too, whose numbers stand in the payment's texts."""
        return {self._targets[name] for name in self._matcher.named(self.texts(row, payment))}

    def customer(self, target: Target) -> int | None:
        """Return the customer of an invoice, where known."""
        return self._invoices[target][1] if target in self._invoices else None

    def is_from_before(self, row: PaymentRow) -> bool:
        """Say whether a payment came before go-live: whoever kept the books then booked it."""
        return row.received_on < self._context.world.entities[self._entity].go_live

    def _is_ours(self, row: PaymentRow, payment: ReceivedPayment) -> bool:
        if self.is_from_before(row):
            return False
        facts = {"currency": payment.currency, **payment.texts, **payment.marks}
        return self._context.world.payments_mapping(row.connection).is_ours(facts) or bool(self.named(row, payment))

    @cached_property
    def _invoices(self) -> dict[Target, tuple[str, int | None]]:
        """Number and customer of every invoice there ever was, foreign ones too."""
        store = self._context.store
        ours = {("document", id_): (number, payer) for id_, number, payer in invoices.numbers(store, self._entity)}
        others = {("foreign", id_): (number, payer) for id_, number, payer in foreign.numbers(store, self._entity)}
        return {**ours, **others}  # type: ignore[dict-item]

    @cached_property
    def _targets(self) -> dict[str, Target]:
        return {_name(target): target for target in self._invoices}

    @cached_property
    def _matcher(self) -> Matcher:
        """Their numbers; it is never asked for anything else."""
        return Matcher(
            OpenInvoice(id=_name(target), number=number, customer_id="", currency="", open=0, due_on=date.min)
            for target, (number, _) in self._invoices.items()
        )


def _name(target: Target) -> str:
    return f"{target[0]} {target[1]}"
