"""Short ways to fill a store in tests. Amounts are minor units."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from billing.customer import Customer
from billing.invoicing import Draft, DraftLine
from billing.plan import Explanation, Line
from store import cash, contracts, invoices, links
from store.audit import Actor
from store.cash import PaymentRow
from store.database import Store
from store.invoices import DocumentRow
from tests.billing.build import terms

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = date(2026, 3, 1)
ADA = Actor("person ada", NOW)


def contract(store: Store, key: str = "C-1", **fields: Any) -> int:
    """Add a customer with a contract; return the customer's id."""
    customer = links.save_customer(store, ADA, "crm", f"company of {key}", Customer(name="Acme Ltd"))
    contracts.create(
        store, ADA, terms(contract=key, **fields), entity="us", customer_id=customer, crm="crm", deal_id=key, name=key
    )
    return customer


def line(amount: int, start: str = "2026-01-01", key: str = "C-1", charge: str = "fee") -> Line:
    """Return a line of one month's service; its slice is ``key/charge/start``."""
    starts = date.fromisoformat(start)
    return Line(
        contract=key, charge=charge, kind="recurring", description="Fee", starts=starts, until=starts.replace(day=28),
        quantity=Decimal(1), unit_price=Decimal(amount) / 100, amount=amount, issue_on=starts, tax_class="standard",
        explain=Explanation("recurring", {}),
    )  # fmt: skip


def draft(
    amount: int = 100_00, *, kind: Literal["invoice", "credit_note"] = "invoice", revision: int = 0,
    start: str = "2026-01-01", key: str = "C-1", currency: str = "USD", lines: Iterable[Line] = (), on: date = TODAY,
) -> Draft:  # fmt: skip
    """Return a draft without tax of one line, or of ``lines``."""
    chosen = list(lines) or [line(amount, start, key)]
    total = sum(item.amount for item in chosen)
    return Draft(
        contract=key, customer="Acme Ltd", currency=currency, type=kind, issue_on=on, due_on=on, po_number="",
        lines=tuple(DraftLine(line=one, revision=revision, amount=one.amount, tax_rate=Decimal(0)) for one in chosen),
        taxes=(), subtotal=total, tax=0, total=total,
    )  # fmt: skip


def save(store: Store, *wanted: Draft, key: str = "C-1", customer: int = 1, entity: str = "us") -> int:
    """Make the drafts of a contract equal to ``wanted``; return how many changed."""
    with store.transaction():
        return invoices.save_drafts(store, ADA, entity=entity, contract=key, customer_id=customer, wanted=wanted)


def issue(store: Store, wanted: Draft, customer: int = 1) -> DocumentRow:
    """Draft and issue a document under the next number."""
    save(store, wanted, key=wanted.contract, customer=customer)
    (row,) = [row for row in invoices.drafts(store) if row.contract == wanted.contract]
    with store.transaction():
        prefix = "US-" if wanted.type == "invoice" else "US-CN-"
        invoices.issue(store, ADA, row, wanted, invoices.take_number(store, "us", prefix, 5))
    return invoices.get(store, row.id)


class Received(msgspec.Struct):
    """A payment as a provider gives it."""

    id: str
    amount: int
    received_at: datetime = NOW


def pay(store: Store, amount: int = 100_00, vendor_id: str = "ch_1", **values: Any) -> PaymentRow:
    """Store a payment, or how it is now; return it."""
    given = {
        "entity": "us", "currency": "USD", "refunded": 0, "status": "succeeded", "received_on": TODAY.isoformat(),
        "customer_id": None, "data": cash.payment_data(Received(vendor_id, amount)), **values,
    }  # fmt: skip
    digest = cash.payment_digest([amount, *given.values()])
    with store.transaction():
        cash.save_payment(
            store, ADA, connection="stripe_us", vendor_id=vendor_id, digest=digest, amount=amount, **given
        )
    found = cash.by_vendor(store, "stripe_us", vendor_id)
    assert found is not None
    return found


def apply(store: Store, payment: PaymentRow, *parts: tuple[int, int]) -> None:
    """Apply (document id, amount) parts of a payment as it stands in the store."""
    with store.transaction():
        cash.apply(store, ADA, cash.get(store, payment.id), parts, "test")
