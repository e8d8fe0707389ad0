"""The company behind the stand-in as it is on the first day: a US firm with several currencies switched on."""

from __future__ import annotations

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
