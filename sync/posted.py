"""What the books hold of an entity's cash: customers, invoices, money on account, and the accounts that it lies in."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import msgspec

from connectors.base import PaymentDraft, Ref
from mappings.ledger import clearing_account
from store import cash, foreign, invoices, links, outbox, selfcheck
from store.cash import ApplicationRow, PaymentRow
from store.links import Link
from store.outbox import Intent
from store.review import Finding
from sync.context import Context, Entity


class Paid(NamedTuple):
    """The invoice that an application pays, as the ledger knows it."""

    customer: Ref
    document: Ref
    currency: str
    number: str


class Posted:
    """What one ledger holds, read from the store when it is asked for; it is made anew after something was pushed."""

    def __init__(self, context: Context, entity: Entity, connection: str) -> None:
        self.context = context
        self.entity = entity
        self.connection = connection

    @cached_property
    def _customers(self) -> dict[tuple[int, str], Link]:
        return links.by_ours(self.context.store, self.connection, "customer")

    @cached_property
    def _documents(self) -> dict[tuple[int, str], Link]:
        return links.by_ours(self.context.store, self.connection, "document")

    @cached_property
    def payments(self) -> dict[int, Ref]:
        """Payments in the books by the application that they are."""
        return _by_id(links.by_ours(self.context.store, self.connection, "payment"))

    @cached_property
    def on_account(self) -> dict[int, Ref]:
        """Money on account in the books by the payment that it is of."""
        return _by_id(links.by_ours(self.context.store, self.connection, "on_account"))

    @cached_property
    def refunds(self) -> dict[int, Ref]:
        """Refunds in the books by their number here."""
        return _by_id(links.by_ours(self.context.store, self.connection, "refund"))

    @cached_property
    def _doubted(self) -> set[str]:
        return selfcheck.held(self.context.store, "payment")

    def waits(self, payment_id: int) -> bool:
        """Say whether nothing more of a payment is booked, as the self check found something about it."""
        return str(payment_id) in self._doubted

    def customer(self, customer_id: int, currency: str) -> Ref | None:
        """Return a customer of ours, where the ledger has it for documents in a currency."""
        return _ref(self._customers.get((customer_id, currency)))

    def document(self, document_id: int) -> Ref | None:
        """Return a document of ours, where the ledger has it."""
        return _ref(self._documents.get((document_id, "")))

    def paid(self, application: ApplicationRow) -> Paid | None:
        """Return what is paid: a document of ours once it and its customer are in the books, or a foreign one."""
        if application.foreign_id is not None:
            other = foreign.get(self.context.store, application.foreign_id)
            return Paid(Ref(id=other.ledger_customer), Ref(id=other.vendor_id), other.currency, other.number)
        assert application.document_id is not None
        row = invoices.get(self.context.store, application.document_id)
        customer, document = self.customer(row.customer_id, row.currency), self.document(row.id)
        if customer is None or document is None:
            return None
        return Paid(customer, document, row.currency, str(row.number))

    def account(self, payment: PaymentRow) -> str:
        """Return the account in which a payment lies; empty, with a review item, where the mapping names none."""
        mapping = self.context.world.ledger_mapping(self.connection)
        account = clearing_account(mapping, payment.currency, payment.connection)
        if isinstance(account, str):
            return account
        self.context.find(
            Finding(
                code="no_clearing_account",
                subject=f"connection:{self.connection}",
                detail=payment.currency,
                message=f"Payments in {payment.currency} cannot be booked at {self.connection}: {account.problem}",
                fix=account.remedy,
            )
        )
        return ""

    def intent(self, kind: str, our_id: int) -> Intent | None:
        """Return what is on its way to the ledger, or there, under a number of ours."""
        return outbox.of(self.context.store, self.connection, kind, our_id)

    def on_account_already(self, payment: PaymentRow, application: ApplicationRow) -> bool:
        """Say whether the money of an application lies on account, so that it is set against its invoice from there.

        What the books do not hold in any form is a payment of its own: one that was refused while the rest was booked.
        """
        if self.intent("on_account", payment.id) is None:
            return False
        return application.amount > cash.unbooked(self.context.store, payment.id, self.connection)

    def is_done(self, kind: str, our_id: int) -> bool:
        """Say whether that is known to be in the books."""
        intent = self.intent(kind, our_id)
        return intent is not None and intent.state == "done"


def posted_draft(intent: Intent) -> PaymentDraft:
    """Return the payment that an intent posts."""
    return msgspec.json.decode(intent.payload, type=PaymentDraft)


def _by_id(found: dict[tuple[int, str], Link]) -> dict[int, Ref]:
    return {our_id: Ref(id=link.vendor_id, version=link.version) for (our_id, _), link in found.items()}


def _ref(link: Link | None) -> Ref | None:
    return None if link is None else Ref(id=link.vendor_id, version=link.version)
