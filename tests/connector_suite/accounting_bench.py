"""What tests of a ledger connector stand on: a running sandbox, fresh connectors, drafts, and hooks for the vendor."""

from __future__ import annotations

import atexit
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from billing import money
from billing.customer import Address, Customer
from connectors.base import (
    Accounting,
    Created,
    Credentials,
    CustomerDraft,
    DocumentDraft,
    LedgerDocument,
    LedgerLine,
    LedgerPayment,
    PaymentDraft,
    Ports,
    Ref,
    Settings,
)
from sandbox.core import LOCK, Fault
from sandbox.server import Options, Running
from tests.conftest import FixedToken, NoWait

TODAY = date(2026, 3, 10)


@cache
def shared_sandbox() -> Running:
    """Start one sandbox for all tests of this process, whose minute is so short that its limits do not matter."""
    running = Running(Options(today=TODAY, deals=0, minute=0.06)).__enter__()
    atexit.register(running.__exit__)
    return running


class RenewingToken(FixedToken):
    """Credentials that give a fresh token after the first refusal."""

    def rejected(self, token: str) -> str:
        """Count the refusal by using another token."""
        self.token = f"{token}-renewed"
        return self.token


class AccountingBench:
    """What tests of a ledger stand on. Hooks first: a subclass sets or overrides what differs by vendor."""

    vendor: str  # its name in the registry and in the sandbox
    token: str  # a token its stand-in accepts; so must the same with "-renewed" appended be
    account = ""  # realm or tenant
    home_currency: str
    currencies: tuple[str, ...]  # in which every amount is held exactly, the home currency first
    inexact: tuple[tuple[str, int], ...] = ()  # (currency, minor units) that the ledger cannot hold: to be refused
    item = ""  # what a mapping may write for a line's item, account, tax code and class
    revenue_account = ""
    taxed: str  # tax code of a line with tax
    untaxed: str  # tax code of a line without
    class_ = ""
    clearing_accounts: dict[str, str]  # where payments lie, by currency
    longest_number: int  # a document number one longer than this is refused
    bank_accounts: dict[str, str]  # where payouts arrive, by currency
    fee_account: str  # what providers keep is an expense there
    exchange_account: str  # what they exchange goes through it
    journal_accounts: tuple[str, str]  # two that a journal entry may move an amount between
    has_versions = False  # whether an update of a customer must carry its version
    writes: dict[str, Any] = {}  # noqa: RUF012 - what only requests that book have: a fault's method or path
    two_writes: tuple[str, ...] = ()  # kinds (see accounting_money.KINDS) that are not found between their two writes

    def base_url(self, running: Running) -> str:
        """Return what the configuration would say."""
        return f"{running.url}/{self.vendor}"

    def connect(self, settings: Settings, ports: Ports) -> Accounting:
        """Return the connector under test."""
        raise NotImplementedError

    def void_document(self, running: Running, document: LedgerDocument) -> None:
        """Void an unpaid invoice as a bookkeeper does in the ledger itself."""
        raise NotImplementedError

    def void_payment(self, running: Running, payment: LedgerPayment) -> None:
        """Void (or delete, where that is the only way) a payment in the ledger itself."""
        raise NotImplementedError

    def enter_customer(self, running: Running, name: str) -> None:
        """Create a customer of that name in the ledger by hand, without our mark."""
        raise NotImplementedError

    def documents_held(self, running: Running) -> int:
        """Return how many invoices and credit notes the stand-in holds."""
        raise NotImplementedError

    def payments_held(self, running: Running) -> int:
        """Return how many payments the stand-in holds."""
        raise NotImplementedError

    def held(self, running: Running, kind: str) -> int:
        """Return how many objects of a kind of ``accounting_money.KINDS`` the stand-in holds."""
        raise NotImplementedError

    def files_held(self, running: Running, document: LedgerDocument) -> int:
        """Return how many files hang on a document at the stand-in."""
        raise NotImplementedError

    def close_books(self, running: Running, through: date) -> None:
        """Close the books up to a day, that day included."""
        raise NotImplementedError

    def edit_customer(self, running: Running, customer: Ref, phone: str) -> None:
        """Write another phone number on a customer in the ledger itself."""
        raise NotImplementedError

    def edit_document(self, running: Running, document: LedgerDocument, change: str) -> None:
        """Change a document in the ledger itself; ``change`` is one of ``accounting_edits.CHANGES``."""
        raise NotImplementedError

    def unknown_id(self) -> str:
        """Return an id in the vendor's form that names nothing."""
        return "999999"

    # ------------------------------------------------------------------------------------------------- building blocks

    @pytest.fixture
    def running(self) -> Running:
        """The sandbox of this test process; take ``ledger`` as well to start from a fresh state."""
        return shared_sandbox()

    @pytest.fixture
    def ledger(self, running: Running) -> Accounting:
        """Return a fresh connector to a fresh stand-in."""
        with LOCK:
            running.sandbox.reset()
        return self.fresh(running)

    def fresh(
        self, running: Running, credentials: Credentials | None = None, clock: NoWait | None = None
    ) -> Accounting:
        """Return a connector that knows nothing yet, as after a restart."""
        settings = Settings(
            name=f"{self.vendor}_test",
            vendor=self.vendor,
            base_url=self.base_url(running),
            account=self.account,
            minute_seconds=0.06,
        )
        return self.connect(settings, Ports(credentials=credentials or FixedToken(self.token), clock=clock or NoWait()))

    def order(self, running: Running, **fault: Any) -> None:
        """Order one fault, on this vendor's next request; a write before makes sure that this is the next write."""
        running.sandbox.faults.ordered[:] = [Fault(vendor=self.vendor, **fault)]

    def requests(self, running: Running) -> int:
        """Return how many requests the stand-in has seen since its reset."""
        return sum(running.sandbox.vendors[self.vendor].calls.values())

    def customer_draft(self, currency: str, key: str = "cust-1", name: str = "Acme Robotics, Inc.") -> CustomerDraft:
        """Return a customer with every field filled."""
        address = Address(
            line1="1 Main St", line2="Floor 2", city="Austin", region="TX", postal_code="78701", country="US"
        )
        customer = Customer(
            name=name,
            email="ap@acme.example",
            domain="acme.example",
            tax_id="12-3456789",
            phone="+1 512 555 0100",
            contact_name="Ada Byron",
            address=address,
        )
        return CustomerDraft(key=f"{key}-{currency}", currency=currency, customer=customer)

    def customer(self, ledger: Accounting, currency: str | None = None, key: str = "cust-1") -> Ref:
        """Return a customer created for documents in ``currency``."""
        draft = self.customer_draft(currency or self.home_currency, key)
        (result,) = ledger.customers.create([draft], f"customer-{draft.key}")
        assert isinstance(result, Created), result
        return result.found.ref

    def line(self, amount: int, tax: int = 0, **changes: Any) -> LedgerLine:
        """Return a line of quantity 1 with the vendor's item, account and tax code."""
        currency = changes.pop("currency", self.home_currency)
        fields: dict[str, Any] = {
            "description": "Platform subscription, 2026-03-01 to 2026-03-31",
            "amount": amount,
            "quantity": Decimal(1),
            "unit_price": money.to_decimal(amount, currency),
            "tax": tax,
            "item": self.item,
            "account": self.revenue_account,
            "tax_code": self.taxed if tax else self.untaxed,
            "class_": self.class_,
            "service_date": date(2026, 3, 1),
        }
        return LedgerLine(**{**fields, **changes})

    def draft(self, customer: Ref, number: str, *lines: LedgerLine, **changes: Any) -> DocumentDraft:
        """Return an invoice over ``lines`` (one of 100.00 by default) with consistent totals."""
        lines = lines or (self.line(100_00),)
        subtotal, tax = sum(line.amount for line in lines), sum(line.tax for line in lines)
        fields: dict[str, Any] = {
            "number": number,
            "type": "invoice",
            "customer": customer,
            "currency": self.home_currency,
            "issue_on": TODAY,
            "due_on": TODAY + timedelta(days=30),
            "lines": lines,
            "subtotal": subtotal,
            "tax": tax,
            "total": subtotal + tax,
            "memo": "Thank you for your business.",
            "mark": f"Netterms us deal-1 {number}",
            "email": "ap@acme.example",
        }
        return DocumentDraft(**{**fields, **changes})

    def create(self, ledger: Accounting, draft: DocumentDraft) -> LedgerDocument:
        """Create one document that must succeed."""
        (result,) = ledger.documents.create([draft], f"key-{draft.number}"[:36])
        assert isinstance(result, Created), result
        return result.found

    def found(self, ledger: Accounting, draft: DocumentDraft) -> LedgerDocument:
        """Find one document that must be there."""
        (document,) = ledger.documents.find([draft])
        assert document is not None
        return document

    def payment_draft(self, document: LedgerDocument, amount: int, key: str = "ch_1", **changes: Any) -> PaymentDraft:
        """Return a payment of ``amount`` on ``document``."""
        fields: dict[str, Any] = {
            "key": key,
            "customer": Ref(id=document.customer_id),
            "document": document.ref,
            "currency": document.currency,
            "amount": amount,
            "received_on": TODAY + timedelta(days=5),
            "account": self.clearing_accounts[document.currency],
            "memo": "Paid by card",
        }
        return PaymentDraft(**{**fields, **changes})

    def pay(self, ledger: Accounting, document: LedgerDocument, amount: int, key: str = "ch_1") -> LedgerPayment:
        """Create one payment that must succeed."""
        (result,) = ledger.payments.create([self.payment_draft(document, amount, key)], f"pay-{key}")
        assert isinstance(result, Created), result
        return result.found

    def exchanged(self, running: Running) -> Decimal:
        """Return what is left on the account of what was exchanged, in the ledger's own currency."""
        raise NotImplementedError

    def lose(self, running: Running, **fault: Any) -> None:
        """Order one fault on the next request that books something, whatever is read before it."""
        self.order(running, **{**self.writes, **fault})

    def move(self, running: Running, days: int) -> None:
        """Move the stand-ins' date."""
        with LOCK:
            running.sandbox.move_clock(running.sandbox.clock.today + timedelta(days=days))
