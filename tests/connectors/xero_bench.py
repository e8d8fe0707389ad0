"""What tests of the Xero connector stand on: its stand-in, a bookkeeper's hands there, and what went over the wire."""

from __future__ import annotations

import atexit
import itertools
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from xero_python.exceptions import HTTPStatusException

from connectors.base import (
    Accounting,
    Adopted,
    AllocationDraft,
    Created,
    Credit,
    ExpenseDraft,
    JournalDraft,
    JournalLine,
    LedgerDocument,
    LedgerPayment,
    PaymentDraft,
    Ports,
    Ref,
    RefundDraft,
    Rejected,
    Settings,
    TransferDraft,
)
from connectors.xero import connect
from connectors.xero.client import _Transport
from sandbox.core import LOCK, RateLimit
from sandbox.server import Options, Running
from sandbox.xero import Xero
from sandbox.xero.seed import TENANT
from sandbox.xero.wire import day_fields
from tests.connector_suite.accounting_bench import TODAY, AccountingBench
from tests.sandbox.xero_specification import Exchange

CENT = Decimal("0.01")

KEYS = itertools.count()
HEADERS = {"Authorization": "Bearer sandbox-xero-test", "xero-tenant-id": TENANT}


def books(running: Running) -> Xero:
    """Return the stand-in itself."""
    vendor = running.sandbox.vendors["xero"]
    assert isinstance(vendor, Xero)
    return vendor


@cache
def shared_xero() -> Running:
    """Start one sandbox for all tests of Xero in this process."""
    running = Running(Options(today=TODAY, deals=0, minute=0.6)).__enter__()
    atexit.register(running.__exit__)
    return running


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Record what every connector sends and receives, below the SDK."""
    seen: list[Exchange] = []
    original = _Transport.request

    def recording(self: _Transport, method: str, url: str, **kwargs: Any) -> Any:
        status, answer = 0, b""
        query = kwargs.get("query_params")
        try:
            response = original(self, method, url, **kwargs)
            status, answer = response.status, response.data
        except HTTPStatusException as error:
            status, answer = error.http_resp.status, error.http_resp.data
            raise
        finally:
            full = f"{url}?{urlencode(query)}" if query else url
            seen.append(Exchange(method, full, dict(kwargs["headers"]), kwargs.get("body") or b"", status, answer))
        return response

    monkeypatch.setattr(_Transport, "request", recording)
    return seen


class XeroBench(AccountingBench):
    vendor = "xero"
    token = "sandbox-xero-test"
    account = TENANT
    home_currency = "GBP"
    currencies = ("GBP", "EUR", "USD", "JPY")
    inexact = (("KWD", 1_234),)  # Xero would make 1.23 of 1.234
    item = "PLAT-BASE"
    revenue_account = "200"
    taxed = "OUTPUT2"
    untaxed = "ZERORATEDOUTPUT"
    class_ = "Software"
    clearing_accounts = {  # noqa: RUF012 - as in the bench
        "GBP": "091",
        "EUR": "092",
        "USD": "093",
        "JPY": "094",
        "KWD": "097",
    }
    bank_accounts = {"GBP": "090", "USD": "095", "JPY": "096", "KWD": "098"}  # noqa: RUF012 - as in the bench
    fee_account = "404"
    exchange_account = "495"
    deferred_account = "830"
    journal_accounts = ("830", "200")
    writes = {"method": "PUT"}  # noqa: RUF012 - as in the bench
    longest_number = 255

    @pytest.fixture
    def running(self) -> Running:
        """A sandbox whose idempotency keys live 3.6 s: longer than a slow test."""
        return shared_xero()

    @pytest.fixture
    def exchanges(self, ledger: Accounting, monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
        """Everything that the connector sends and receives from now on."""
        return recorded(monkeypatch)

    @pytest.fixture
    def ledger(self, running: Running) -> Accounting:
        """A fresh connector to a fresh stand-in without limits: those have tests of their own."""
        with LOCK:
            running.sandbox.reset()
            books(running).limits = tuple(RateLimit(name, 1_000_000, 60) for name in ("minute", "day"))
        return self.fresh(running)

    def connect(self, settings: Settings, ports: Ports) -> Accounting:
        return connect(settings, ports)

    def exchanged(self, running: Running) -> Decimal:
        """Return what stands on that account in pounds."""
        left = Decimal(0)
        for one in books(running).state()["bank_transactions"]:
            sign = 1 if one["Type"] == "SPEND" else -1
            for line in one["LineItems"]:
                if line["AccountCode"] == self.exchange_account and one["Status"] == "AUTHORISED":
                    left += sign * (Decimal(str(line["LineAmount"])) / Decimal(str(one["CurrencyRate"]))).quantize(CENT)
        return left

    def customer(self, ledger: Accounting, currency: str | None = None, key: str = "cust-1") -> Ref:
        """One contact takes documents in every currency, and its name must be unique: no second one is made."""
        draft = self.customer_draft(self.home_currency, key)
        (result,) = ledger.customers.create([draft], f"customer-{draft.key}")
        assert isinstance(result, Created | Adopted), result
        return result.found.ref

    def unknown_id(self) -> str:
        return "99999999-9999-4999-8999-999999999999"

    def post(self, running: Running, path: str, body: dict[str, str]) -> None:
        """Do by hand what a bookkeeper does in Xero."""
        url = f"{self.base_url(running)}/api.xro/2.0/{path}"
        answer = requests.post(url, json=body, headers=HEADERS, timeout=5)
        assert answer.status_code == 200, answer.text

    def void_document(self, running: Running, document: LedgerDocument) -> None:
        self.post(running, f"Invoices/{document.ref.id}", {"Status": "VOIDED"})

    def void_payment(self, running: Running, payment: LedgerPayment) -> None:
        self.post(running, f"Payments/{payment.ref.id}", {"Status": "DELETED"})

    def enter_customer(self, running: Running, name: str) -> None:
        self.post(running, "Contacts", {"Name": name})

    def documents_held(self, running: Running) -> int:
        state = books(running).state()
        return len(state["invoices"]) + len(state["credit_notes"])

    def payments_held(self, running: Running) -> int:
        return len(books(running).state()["payments"])

    def held(self, running: Running, kind: str) -> int:
        """Return how many objects of a kind the stand-in holds."""
        state = books(running).state()
        credits = {"credit_note": "credit_notes", "on_account": "overpayments"}
        name, _, credit = kind.partition("_")
        if name == "allocation":
            return sum(len(one["Allocations"]) for one in state[credits[credit]])
        if name == "refund":
            types = {"credit_note": "ARCREDITPAYMENT", "on_account": "AROVERPAYMENTPAYMENT"}
            return sum(one["PaymentType"] == types[credit] for one in state["payments"])
        if name == "expense":
            return sum(one["Type"] == ("RECEIVE" if credit else "SPEND") for one in state["bank_transactions"])
        return len(state[{"on_account": "overpayments", "transfer": "transfers", "journal": "journals"}[kind]])

    def files_held(self, running: Running, document: LedgerDocument) -> int:
        return len(books(running).books.attachments[document.ref.id])

    def close_books(self, running: Running, through: date) -> None:
        """Close the books up to a day."""
        books(running).books.organisation.update(PeriodLockDate=day_fields("x", through)["x"])


class XeroMoney(XeroBench):
    """Drafts of everything that moves money, and what creates one of them."""

    def only(self, collection: Any, draft: Any, key: str = "") -> Any:
        """Create one object that must be made, under a key of its own where none is given."""
        (result,) = collection.create([draft], key or f"key-{next(KEYS)}")
        assert isinstance(result, Created), result
        return result.found

    def refusal(self, collection: Any, draft: Any) -> str:
        """Create one object that must be refused, and return the reason."""
        (result,) = collection.create([draft], f"key-{next(KEYS)}")
        assert isinstance(result, Rejected), result
        return result.reason

    def count(self, running: Running, objects: str) -> int:
        """Return how many objects of the stand-in's state there are."""
        return len(books(running).state()[objects])

    def received(self, customer: Ref, amount: int, key: str = "ch_9", **changes: Any) -> PaymentDraft:
        """Return money on account."""
        currency = changes.get("currency", self.home_currency)
        fields: dict[str, Any] = {
            "key": key,
            "customer": customer,
            "document": None,
            "currency": currency,
            "amount": amount,
            "received_on": TODAY + timedelta(days=5),
            "account": self.clearing_accounts[currency],
            "memo": "Paid by card",
        }
        return PaymentDraft(**{**fields, **changes})

    def on_account(self, ledger: Accounting, customer: Ref, amount: int, key: str = "ch_9") -> LedgerPayment:
        """Book money on account that must be taken."""
        (result,) = ledger.payments.create([self.received(customer, amount, key)], f"on-account-{key}")
        assert isinstance(result, Created), result
        return result.found

    def allocation(self, source: Ref, kind: Credit, document: LedgerDocument, amount: int) -> AllocationDraft:
        """Return a part of a credit set against an invoice."""
        return AllocationDraft(
            key="al_1",
            customer=Ref(id=document.customer_id),
            source=source,
            source_kind=kind,
            document=document.ref,
            currency=document.currency,
            amount=amount,
            on=TODAY + timedelta(days=6),
        )

    def refund(self, customer: Ref, source: Ref, kind: Credit, amount: int, key: str = "re_1") -> RefundDraft:
        """Return money given back."""
        return RefundDraft(
            key=key,
            customer=customer,
            source=source,
            source_kind=kind,
            currency=self.home_currency,
            amount=amount,
            on=TODAY + timedelta(days=7),
            account=self.clearing_accounts[self.home_currency],
            memo="Sent back",
        )

    def expense(self, amount: int, key: str = "fee_1", currency: str = "GBP", **changes: Any) -> ExpenseDraft:
        """Return a fee that a provider kept."""
        fields: dict[str, Any] = {
            "key": key,
            "currency": currency,
            "amount": amount,
            "paid_from": self.clearing_accounts[currency],
            "account": self.fee_account,
            "on": TODAY + timedelta(days=5),
            "memo": "Stripe fees of 15 March",
        }
        return ExpenseDraft(**{**fields, **changes})

    def transfer(self, amount: int, key: str = "po_1", currency: str = "GBP", **changes: Any) -> TransferDraft:
        """Return a payout to the bank."""
        fields: dict[str, Any] = {
            "key": key,
            "currency": currency,
            "amount": amount,
            "source": self.clearing_accounts[currency],
            "target": self.bank_accounts[currency],
            "on": TODAY + timedelta(days=8),
            "memo": "Payout",
        }
        return TransferDraft(**{**fields, **changes})

    def journal(self, *amounts: tuple[str, int], key: str = "je_1", **changes: Any) -> JournalDraft:
        """Return a journal entry over (account, amount); by default 100.00 of revenue is deferred."""
        pairs = amounts or ((self.revenue_account, 100_00), (self.deferred_account, -100_00))
        lines = tuple(JournalLine(account=account, amount=amount) for account, amount in pairs)
        fields: dict[str, Any] = {"key": key, "currency": "GBP", "on": TODAY, "lines": lines, "memo": "March"}
        return JournalDraft(**{**fields, **changes})
