"""A company with one currency: QuickBooks says it nowhere but in the preferences, and it need not be dollars."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Accounting
from connectors.errors import Refused
from sandbox.server import Running
from tests.connector_suite.accounting_money import MoneyBench
from tests.connectors.test_quickbooks import QuickBooksBench, books


class TestOneCurrency(QuickBooksBench, MoneyBench):
    def booked(self, running: Running, ledger: Accounting) -> dict[str, Any]:
        """Return what is kept of an invoice, a credit memo and a payment in Canadian dollars, by how it was learnt."""
        books(running).books.keep_one_currency("CAD")
        customer = self.customer(ledger, "CAD")
        drafts = [
            self.draft(customer, "D-1", currency="CAD"),
            self.draft(customer, "C-1", currency="CAD", type="credit_note"),
        ]
        made = [self.create(ledger, draft) for draft in drafts]
        self.clearing_accounts = {"CAD": "Stripe clearing"}
        paid = self.pay(ledger, made[0], 40_00)
        fresh = self.fresh(running)
        changed = fresh.changes(datetime(2026, 3, 10, tzinfo=UTC))
        return {
            "created": [*made, paid],
            "found": fresh.documents.find(drafts),
            "read": [self.fresh(running).document(made[0].ref, "invoice")],
            "changed": [*changed.customers, *changed.documents, *changed.payments],
            "voided": [self.fresh(running).void_payment(paid.ref, "v1")],
        }

    def test_whatever_is_read_is_in_the_companys_own_currency(self, running: Running, ledger: Accounting) -> None:
        for how, found in self.booked(running, ledger).items():
            assert {one.currency for one in found} == {"CAD"}, how
        assert "USD" not in str(books(running).state()["invoices"])

    def test_the_preferences_are_read_once_for_it(self, running: Running, ledger: Accounting) -> None:
        self.booked(running, ledger)
        fresh, before = self.fresh(running), books(running).calls["GET /v3/company/{realm}/preferences"]
        for _ in range(3):
            fresh.changes(datetime(2026, 3, 10, tzinfo=UTC))
        assert books(running).calls["GET /v3/company/{realm}/preferences"] == before + 1

    def test_a_currency_that_is_told_nowhere_is_none_that_is_guessed(
        self, running: Running, ledger: Accounting
    ) -> None:
        self.booked(running, ledger)
        del books(running).books.preferences["CurrencyPrefs"]["HomeCurrency"]
        with pytest.raises(Refused, match="own currency"):
            self.fresh(running).changes(None)
