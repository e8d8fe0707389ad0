"""The company behind the stand-in as it is on the first day: a US firm with several currencies switched on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.world import PRODUCTS

REALM = "9130350000000001"
HOME = "USD"
CURRENCY_NAMES = {
    "USD": "United States Dollar",
    "EUR": "Euro",
    "GBP": "British Pound Sterling",
    "JPY": "Japanese Yen",
    "CAD": "Canadian Dollar",
    "AUD": "Australian Dollar",
    "CHF": "Swiss Franc",
    "SEK": "Swedish Krona",
    "KWD": "Kuwaiti Dinar",
}
RATES = {  # home currency per unit: what a transaction gets that says no rate
    "EUR": Decimal("1.08"),
    "GBP": Decimal("1.27"),
    "JPY": Decimal("0.0067"),
    "CAD": Decimal("0.73"),
    "AUD": Decimal("0.65"),
    "CHF": Decimal("1.13"),
    "SEK": Decimal("0.095"),
    "KWD": Decimal("3.25"),
}


def company_info() -> dict[str, Any]:
    """Return the company's CompanyInfo."""
    return {
        "CompanyName": "Northwind Cloud, Inc.",
        "LegalName": "Northwind Cloud, Inc.",
        "CompanyAddr": {"Line1": "500 Market Street", "City": "San Francisco", "CountrySubDivisionCode": "CA"},
        "Country": "US",
        "FiscalYearStartMonth": "January",
        "SupportedLanguages": "en",
        "DefaultTimeZone": "America/Los_Angeles",
        "Email": {"Address": "books@brightwater.example"},
        "domain": "QBO",
        "sparse": False,
        "Id": "1",
        "SyncToken": "4",
    }


def preferences() -> dict[str, Any]:
    """Return the company's Preferences, as far as they matter to sales."""
    return {
        "AccountingInfoPrefs": {"ClassTrackingPerTxnLine": True, "ClassTrackingPerTxn": False},
        "SalesFormsPrefs": {"CustomTxnNumbers": True, "AllowServiceDate": True, "AutoApplyCredit": False},
        "CurrencyPrefs": {"MultiCurrencyEnabled": True, "HomeCurrency": {"value": HOME}},
        "TaxPrefs": {"UsingSalesTax": True, "PartnerTaxEnabled": False},
        "domain": "QBO",
        "sparse": False,
        "Id": "1",
        "SyncToken": "1",
    }


def _account(name: str, kind: str, subtype: str, classification: str, currency: str = HOME) -> dict[str, Any]:
    return {
        "Name": name,
        "FullyQualifiedName": name,
        "AccountType": kind,
        "AccountSubType": subtype,
        "Classification": classification,
        "CurrencyRef": {"value": currency, "name": CURRENCY_NAMES[currency]},
        "Active": True,
    }


def accounts() -> list[dict[str, Any]]:
    """Return the chart of accounts: receivables, two kinds of revenue, and where money arrives."""
    return [
        _account("Accounts Receivable", "Accounts Receivable", "AccountsReceivable", "Asset"),
        _account("Software revenue", "Income", "ServiceFeeIncome", "Revenue"),
        _account("Services revenue", "Income", "ServiceFeeIncome", "Revenue"),
        _account("Stripe clearing", "Bank", "CashOnHand", "Asset"),
        _account("Checking", "Bank", "Checking", "Asset"),
        _account("Stripe clearing EUR", "Bank", "CashOnHand", "Asset", "EUR"),
        _account("Stripe clearing GBP", "Bank", "CashOnHand", "Asset", "GBP"),
    ]


def more_accounts() -> list[dict[str, Any]]:
    """Return accounts for what is not sold: fees, deferred revenue, and money and receivables in other currencies."""
    rows = [
        _account("Merchant fees", "Expense", "BankCharges", "Expense"),
        _account("Deferred revenue", "Other Current Liability", "DeferredRevenue", "Liability"),
    ]
    for currency in ("JPY", "KWD"):
        rows.append(_account(f"Stripe clearing {currency}", "Bank", "CashOnHand", "Asset", currency))
    for currency in ("EUR", "GBP", "JPY", "KWD"):
        rows.append(_account(f"Checking {currency}", "Bank", "Checking", "Asset", currency))
        name = f"Accounts Receivable - {currency}"
        rows.append(_account(name, "Accounts Receivable", "AccountsReceivable", "Asset", currency))
    rows.append(_account("Ticket sales", "Income", "OtherPrimaryIncome", "Revenue"))
    rows.append(_account("Currency exchange", "Other Expense", "ExchangeGainOrLoss", "Expense"))
    return rows


def terms() -> list[dict[str, Any]]:
    """Return the payment terms that people may choose."""
    days = {"Due on receipt": 0, "Net 15": 15, "Net 30": 30, "Net 60": 60}
    return [{"Name": name, "Type": "STANDARD", "DueDays": due, "Active": True} for name, due in days.items()]


def vat_rates() -> list[dict[str, Any]]:
    """Return the rates of a company that is not in the US."""
    named = {"20": ("20.0% S", "20"), "5": ("5.0% R", "5"), "0": ("0.0% Z", "0")}
    return [
        {"Id": f"R{id}", "Name": name, "RateValue": Decimal(value), "Active": True}
        for id, (name, value) in named.items()
    ]


def vat_codes() -> list[dict[str, Any]]:
    """Return the tax codes of a company that is not in the US; each has one rate, and one code has two."""
    rates = {
        "2": ("20.0% S", ["R20"]),
        "3": ("5.0% R", ["R5"]),
        "4": ("0.0% Z", ["R0"]),
        "5": ("25.0% X", ["R20", "R5"]),
    }
    return [
        {
            "Id": id,
            "Name": name,
            "Description": name,
            "Active": True,
            "Taxable": True,
            "TaxGroup": True,
            "SalesTaxRateList": {"TaxRateDetail": [{"TaxRateRef": {"value": one}} for one in ids]},
        }
        for id, (name, ids) in rates.items()
    ]


def items(account_ids: dict[str, str]) -> list[dict[str, Any]]:
    """Return one item per product sold, and a general one; ``account_ids`` are ids by account name."""
    sold = [(product.name, product.sku, product.kind) for product in PRODUCTS]
    rows = []
    for name, sku, kind in [*sold, ("Services", "", "services")]:
        account = "Software revenue" if kind == "software" else "Services revenue"
        row = {
            "Name": name,
            "FullyQualifiedName": name,
            "Active": True,
            "Type": "Service",
            "Taxable": kind == "software",
            "IncomeAccountRef": {"value": account_ids[account], "name": account},
        }
        rows.append({**row, "Sku": sku} if sku else row)
    return rows


def tax_codes() -> list[dict[str, Any]]:
    """Return the two codes of a US company; their ids are their names."""
    return [
        {"Id": "TAX", "Name": "TAX", "Description": "Taxable", "Active": True, "Taxable": True, "TaxGroup": True},
        {"Id": "NON", "Name": "NON", "Description": "Non-taxable", "Active": True, "Taxable": False, "TaxGroup": False},
    ]


def classes() -> list[dict[str, Any]]:
    """Return the classes by which revenue is told apart."""
    return [{"Name": name, "FullyQualifiedName": name, "Active": True} for name in ("Software", "Services")]


# They share one space of names with customers, so a customer of such a name cannot be created.
VENDORS = ("Harbor Logistics", "Office Supply Depot")
EMPLOYEES = ("Jordan Blake",)
