from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors import http
from connectors.base import (
    Accounting,
    Adopted,
    Created,
    LedgerDocument,
    LedgerPayment,
    Ports,
    Ref,
    Rejected,
    Settings,
)
from connectors.errors import AuthExpired, OutcomeUnknown, Refused, Retryable
from connectors.quickbooks import changes, connect, transport
from connectors.quickbooks.bodies import says_exactly
from connectors.quickbooks.transport import decimal, parse_fault, quote
from sandbox.core import LOCK
from sandbox.quickbooks import QuickBooks
from sandbox.quickbooks.refusal import Refusal
from sandbox.quickbooks.seed import REALM
from sandbox.server import Running
from tests.conftest import FixedToken, NoWait
from tests.connector_suite.accounting import TODAY, AccountingSuite

TOKEN = "sandbox-quickbooks-test"


def company(running: Running) -> str:
    return f"{running.url}/quickbooks/v3/company/{REALM}"


def by_hand(running: Running, path: str, body: dict[str, object]) -> dict[str, object]:
    """Write to the company as a bookkeeper's own tool would."""
    answer = requests.post(
        f"{company(running)}/{path}", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


class TestContract(AccountingSuite):
    vendor = "quickbooks"
    token = TOKEN
    account = REALM
    home_currency = "USD"
    currencies = ("USD", "EUR", "GBP", "JPY")
    inexact = (("KWD", 1_001),)
    item = "PLAT-BASE"
    revenue_account = "Software revenue"
    taxed = "TAX"
    untaxed = "NON"
    class_ = "Software"
    clearing_accounts = {  # noqa: RUF012
        "USD": "Stripe clearing",
        "EUR": "Stripe clearing EUR",
        "GBP": "Stripe clearing GBP",
        "JPY": "Stripe clearing",
    }
    longest_number = 21

    def connect(self, settings: Settings, ports: Ports) -> Accounting:
        return connect(settings, ports)

    def void_document(self, running: Running, document: LedgerDocument) -> None:
        by_hand(running, "invoice?operation=void", {"Id": document.ref.id, "SyncToken": document.ref.version})

    def void_payment(self, running: Running, payment: LedgerPayment) -> None:
        body = {"Id": payment.ref.id, "SyncToken": payment.ref.version, "sparse": True}
        by_hand(running, "payment?operation=update&include=void", body)

    def enter_customer(self, running: Running, name: str) -> None:
        by_hand(running, "customer", {"DisplayName": name, "PrimaryEmailAddr": {"Address": "info@bolt.example"}})

    def documents_held(self, running: Running) -> int:
        state = running.sandbox.vendors["quickbooks"].state()
        return len(state["invoices"]) + len(state["creditmemos"])

    def payments_held(self, running: Running) -> int:
        return len(running.sandbox.vendors["quickbooks"].state()["payments"])


class Sent:
    """What left for QuickBooks: each request's method, path, query, body and timeout."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def bodies(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every object of every batch as (entity, body)."""
        items = [item for one in self.requests for item in one["json"].get("BatchItemRequest", [])]
        return [(name, item[name]) for item in items for name in item if name not in ("bId", "operation")]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    record = Sent()
    original = requests.Session.request

    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        data = kwargs.get("data")
        text = data.decode() if isinstance(data, bytes) else ""
        parsed = json.loads(text, parse_float=Decimal) if text.startswith("{") else {}
        record.requests.append({"url": url, "text": text, "json": parsed, **kwargs})
        return original(self, method, url, *args, **kwargs)

    monkeypatch.setattr(requests.Session, "request", request)
    return record


class TestQuickBooks(TestContract):
    """What is particular to QuickBooks; the drafts are those of the contract, which is not run again here."""

    for _name in [name for name in dir(TestContract) if name.startswith("test_")]:
        locals()[_name] = None
    del _name


