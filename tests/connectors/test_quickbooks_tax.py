"""Totals: what QuickBooks will make of a document is predicted, and said so that it agrees with ours to the cent."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import money
from connectors.base import Accounting, Created, Rejected
from connectors.quickbooks import tax
from connectors.quickbooks.limits import NotSayable
from sandbox.core import Clock
from sandbox.quickbooks.books import Books
from sandbox.quickbooks.tax import AUTOMATED_RATE
from sandbox.server import Running
from tests.connector_suite.accounting_money import MoneyBench
from tests.connectors.test_quickbooks import OVERRIDE_FORBIDDEN, QuickBooksBench, books

RATES = {
    "2": (tax.Rate("R20", Decimal(20)),),
    "3": (tax.Rate("R5", Decimal(5)),),
    "4": (tax.Rate("R0", Decimal(0)),),
    "5": (tax.Rate("R20", Decimal(20)), tax.Rate("R5", Decimal(5))),
}
ABROAD = tax.TaxRules(us=False, rates=RATES)
US = tax.TaxRules(us=True)
lines_abroad = st.lists(st.tuples(st.sampled_from(sorted(RATES)), st.integers(1, 10**7)), min_size=1, max_size=8)


class Company:
    """A company that is not in the US, without HTTP before it."""

    def __init__(self, currency: str = "USD") -> None:
        self.books = Books(Clock(date(2026, 3, 10)))
        self.books.go_abroad()
        body = {"DisplayName": "Acme", "CurrencyRef": {"value": currency}}
        self.customer = self.books.write("Customer", body, "create")["Id"]

    def book(self, lines: list[tax.TaxedLine], fields: dict[str, Any]) -> dict[str, Any]:
        """Return an invoice over these lines as it stands there."""
        rows = [
            {
                "DetailType": "SalesItemLineDetail",
                "Amount": line.net,
                "SalesItemLineDetail": {"ItemRef": {"value": "8"}, "TaxCodeRef": {"value": line.code}},
            }
            for line in lines
        ]
        body = {"CustomerRef": {"value": self.customer}, "Line": rows, **fields}
        return self.books.write("Invoice", body, "create")


def taxed(lines: list[tuple[str, int]], currency: str = "USD") -> list[tax.TaxedLine]:
    return [tax.TaxedLine(code, money.to_decimal(net, currency)) for code, net in lines]


@settings(max_examples=60, deadline=None)
@given(lines_abroad)
def test_what_a_company_abroad_works_out_by_itself_is_foreseen(lines: list[tuple[str, int]]) -> None:
    row = Company().book(taxed(lines), {"GlobalTaxCalculation": "TaxExcluded"})
    foreseen = {part.rate.id: part.tax for part in tax.worked_out(taxed(lines), ABROAD)}
    there = {one["TaxLineDetail"]["TaxRateRef"]["value"]: one["Amount"] for one in row["TxnTaxDetail"]["TaxLine"]}
    assert foreseen == there


@settings(max_examples=60, deadline=None)
@given(lines_abroad, st.sampled_from(["USD", "JPY"]))
def test_tax_rounded_line_by_line_agrees_to_the_cent_where_quickbooks_rounds_the_sum(
    lines: list[tuple[str, int]], currency: str
) -> None:
    percents = {code: sum((rate.percent for rate in rates), Decimal(0)) for code, rates in RATES.items()}
    ours = sum(money.round_half_away(net * percents[code] / 100) for code, net in lines)
    row = Company(currency).book(taxed(lines, currency), tax.detail(taxed(lines, currency), ours, currency, ABROAD))
    total = money.to_decimal(sum(net for _, net in lines) + ours, currency)
    assert row["TotalAmt"] == total == tax.predicted(taxed(lines, currency), money.to_decimal(ours, currency), ABROAD)


def test_the_rounding_of_the_stand_in_would_differ_without_being_told() -> None:
    lines = taxed([("3", 10)] * 3)  # 5 % of 0.10 is a cent by the line, of 0.30 two cents
    there = Company().book(lines, {"GlobalTaxCalculation": "TaxExcluded"})["TxnTaxDetail"]["TotalTax"]
    told = Company().book(lines, tax.detail(lines, 3, "USD", ABROAD))["TxnTaxDetail"]["TotalTax"]
    assert (there, told) == (Decimal("0.02"), Decimal("0.03"))


@pytest.mark.parametrize(
    ("code", "wrong"), [("2", 8_25), ("2", 0), ("4", 20_00), ("3", 20_00), ("2", 20_02), ("2", 19_98)]
)
def test_a_tax_that_rounding_cannot_explain_is_a_wrong_code(code: str, wrong: int) -> None:
    with pytest.raises(NotSayable, match="TxnTaxDetail"):
        tax.detail(taxed([(code, 100_00)]), wrong, "USD", ABROAD)


def test_in_the_us_a_tax_stands_as_long_as_one_line_is_taxable() -> None:
    lines = [tax.TaxedLine("TAX", Decimal(10)), tax.TaxedLine("NON", Decimal(5))]
    assert tax.detail(lines, 83, "USD", US) == {"TxnTaxDetail": {"TotalTax": Decimal("0.83")}}
    assert tax.predicted(lines[1:], Decimal("0.83"), US) == 5
    with pytest.raises(NotSayable, match="no line has a taxable code"):
        tax.detail(lines[1:], 83, "USD", US)
    with pytest.raises(NotSayable, match="below zero"):
        tax.detail([tax.TaxedLine("TAX", Decimal(-1))], 0, "USD", US)


class TestCompanies(QuickBooksBench, MoneyBench):
    """The same through the connector."""

    def automate(self, running: Running, *, ours_stand: bool = True) -> None:
        preferences = books(running).books.preferences
        preferences["TaxPrefs"]["PartnerTaxEnabled"] = True
        if not ours_stand:
            preferences["OtherPrefs"] = {"NameValue": [OVERRIDE_FORBIDDEN]}

    def test_our_tax_stands_beside_automated_sales_tax(self, running: Running, ledger: Accounting) -> None:
        self.automate(running)
        document = self.create(ledger, self.draft(self.customer(ledger), "D-1", self.line(100_00, 7_77)))
        assert (document.tax, document.total) == (7_77, 107_77)
        (row,) = books(running).state()["invoices"]
        assert row["TxnTaxDetail"]["UseAutomatedSalesTax"] is False

    def test_where_no_app_may_set_the_tax_a_taxed_document_is_refused_and_others_are_booked(
        self, running: Running, ledger: Accounting
    ) -> None:
        self.automate(running, ours_stand=False)
        customer = self.customer(ledger)
        drafts = [self.draft(customer, "D-1", self.line(100_00, 7_77)), self.draft(customer, "D-2")]
        refused, booked = ledger.documents.create(drafts, "k1")
        assert isinstance(refused, Rejected)
        assert "TotalTax" in refused.reason
        assert isinstance(booked, Created)

    def test_a_difference_after_all_is_told_and_never_adjusted(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.automate(running)
        monkeypatch.setattr("sandbox.quickbooks.tax._by_address", lambda *_: True)
        (result,) = ledger.documents.create([self.draft(self.customer(ledger), "D-1", self.line(100_00, 7_77))], "k1")
        assert isinstance(result, Created)
        assert (result.found.tax, result.found.total) == (int(AUTOMATED_RATE * 100), 108_25)
        assert self.documents_held(running) == 1

    def test_tax_on_lines_that_are_coded_as_untaxed_is_refused(self, running: Running, ledger: Accounting) -> None:
        line = self.line(100_00, 8_25, tax_code="NON")
        (result,) = ledger.documents.create([self.draft(self.customer(ledger), "D-1", line)], "k1")
        assert isinstance(result, Rejected)
        assert "tax would be dropped" in result.reason
        assert self.documents_held(running) == 0

    def test_a_company_abroad_books_each_line_by_its_code_and_our_tax(
        self, running: Running, ledger: Accounting
    ) -> None:
        books(running).books.go_abroad()
        assert set(ledger.setup().tax_codes) >= {"20.0% S", "5.0% R", "2", "3"}
        assert ledger.setup().problems == ()
        lines = (
            self.line(33_33, 6_67, tax_code="20.0% S"),
            self.line(33_33, 6_67, tax_code="20.0% S"),  # 13.33 on the sum, 13.34 by line
            self.line(10_00, 50, tax_code="5.0% R"),
            self.line(10_00, 0, tax_code="0.0% Z"),
        )
        for type_ in ("invoice", "credit_note"):
            document = self.create(ledger, self.draft(self.customer_of(ledger), f"D-{type_}", *lines, type=type_))
            assert (document.tax, document.total) == (13_84, 100_50)

    def customer_of(self, ledger: Accounting) -> Any:
        (found,) = ledger.customers.find([self.customer_draft("USD")])
        return found.ref if found else self.customer(ledger)

    def test_abroad_a_line_without_a_code_and_a_fee_with_a_rate_are_refused(
        self, running: Running, ledger: Accounting
    ) -> None:
        books(running).books.go_abroad()
        line = self.line(100_00, tax_code="")
        (result,) = ledger.documents.create([self.draft(self.customer(ledger), "D-1", line)], "k1")
        assert isinstance(result, Rejected)
        assert "TaxCodeRef" in result.reason
        fees = [self.expense(1_00, "fee_1", tax_code="20.0% S"), self.expense(1_00, "fee_2", tax_code="0.0% Z")]
        with_rate, without = ledger.expenses.create(fees, "k2")
        assert isinstance(with_rate, Rejected)
        assert "has a rate" in with_rate.reason
        assert isinstance(without, Created), without

    def test_abroad_credits_are_used_given_back_and_voided_too(self, running: Running, ledger: Accounting) -> None:
        books(running).books.go_abroad()
        customer = self.customer(ledger)
        line = self.line(100_00, 20_00, tax_code="20.0% S")
        document = self.create(ledger, self.draft(customer, "D-1", line))
        note = self.create(ledger, self.draft(customer, "CN-1", line, type="credit_note"))
        used = ledger.allocations.create([self.allocation("credit_note", note.ref, document, 20_00)], "k1")
        paid = ledger.refunds.create([self.refund(customer, "credit_note", note.ref, 30_00)], "k2")
        assert [type(*used), type(*paid)] == [Created, Created]
        assert self.found(ledger, self.draft(customer, "CN-1", type="credit_note")).balance == 70_00
        other = self.create(ledger, self.draft(customer, "CN-2", line, type="credit_note"))
        assert ledger.void_document(other.ref, "credit_note", "k3").status == "voided"

    def test_terms_and_an_exchange_rate_are_said_where_the_draft_names_them(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger, "EUR")
        line = self.line(100_00, currency="EUR")
        more: dict[str, Any] = {"currency": "EUR", "terms": "Net 60", "exchange_rate": Decimal("1.0912")}
        self.create(ledger, self.draft(customer, "D-1", line, **more))
        self.create(ledger, self.draft(customer, "D-2", line, currency="EUR"))
        named, day = books(running).state()["invoices"]
        assert (named["ExchangeRate"], named["HomeTotalAmt"], named["DueDate"]) == (1.0912, 109.12, "2026-04-09")
        assert named["SalesTermRef"]["value"]
        assert day["ExchangeRate"] == 1.08
        assert "SalesTermRef" not in day

    def test_unknown_terms_and_a_rate_that_cannot_be_are_refused(self, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        drafts = [
            self.draft(customer, "D-1", terms="Net 13"),
            self.draft(customer, "D-2", exchange_rate=Decimal("1.1")),
            self.draft(customer, "D-3", exchange_rate=Decimal(0)),
            self.draft(customer, "D-4", exchange_rate=Decimal("1.0123456789012345")),
        ]
        reasons = [one.reason if isinstance(one, Rejected) else "" for one in ledger.documents.create(drafts, "k1")]
        assert "'Net 13'" in reasons[0]
        assert all("xchange rate" in reason for reason in reasons[1:])
