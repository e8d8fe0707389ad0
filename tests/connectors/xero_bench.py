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
    Created,
    JournalDraft,
    JournalLine,
    LedgerDocument,
    LedgerPayment,
    Ports,
    Ref,
    Rejected,
    Settings,
)
from connectors.xero import connect
from connectors.xero.client import _Transport
from sandbox.core import LOCK, RateLimit
from sandbox.server import Options, Running
from sandbox.xero import Xero
from sandbox.xero.seed import TENANT
from sandbox.xero.wire import day_fields
from tests.connector_suite.accounting_bench import TODAY, AccountingBench
from tests.connector_suite.accounting_money import MoneyBench
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

    def post(self, running: Running, path: str, body: dict[str, Any]) -> None:
        """Do by hand what a bookkeeper does in Xero."""
        url = f"{self.base_url(running)}/api.xro/2.0/{path}"
        answer = requests.post(url, json=body, headers=HEADERS, timeout=5)
        assert answer.status_code == 200, answer.text

    def void_document(self, running: Running, document: LedgerDocument) -> None:
        self.post(running, f"Invoices/{document.ref.id}", {"Status": "VOIDED"})

    def void_payment(self, running: Running, payment: LedgerPayment) -> None:
        self.post(running, f"Payments/{payment.ref.id}", {"Status": "DELETED"})

    def edit_document(self, running: Running, document: LedgerDocument, change: str) -> None:
        path = "Invoices" if document.type == "invoice" else "CreditNotes"
        (row,) = books(running).state()[{"Invoices": "invoices", "CreditNotes": "credit_notes"}[path]]
        first, *others = row["LineItems"]
        fields: dict[str, Any] = {}
        if change == "amount":
            changed = {"Description": "Edited", "UnitAmount": 80, "LineAmount": 80}
            fields = {"LineItems": [{**first, **changed}, *others]}
        elif change == "customer":
            self.enter_customer(running, "Other Ltd")
            (other,) = [one for one in books(running).state()["contacts"] if one["Name"] == "Other Ltd"]
            fields = {"Contact": {"ContactID": other["ContactID"]}}
        else:
            number = "InvoiceNumber" if document.type == "invoice" else "CreditNoteNumber"
            fields = {
                "number": {number: "EDITED"},
                "due_on": {"DueDate": (TODAY + timedelta(days=37)).isoformat()},
                "po_number": {"Reference": "PO-9"},
                "words": {"Reference": f"{document.memo}, see you"},
            }[change]
        self.post(running, f"{path}/{document.ref.id}", fields)

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


class XeroMoney(XeroBench, MoneyBench):
    """What creates one object that moves money, or must be refused it."""

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

    def entry(self, *amounts: tuple[str, int], key: str = "je_1", **changes: Any) -> JournalDraft:
        """Return a journal entry over (account, amount); by default 100.00 of revenue is deferred."""
        pairs = amounts or ((self.revenue_account, 100_00), (self.deferred_account, -100_00))
        lines = tuple(JournalLine(account=account, amount=amount) for account, amount in pairs)
        fields: dict[str, Any] = {"key": key, "currency": "GBP", "on": TODAY, "lines": lines, "memo": "March"}
        return JournalDraft(**{**fields, **changes})
