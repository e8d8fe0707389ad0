"""What the organisation has on the first day: accounts, items, tax rates, tracking and currencies."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal

from sandbox.world import PRODUCTS, Product
from sandbox.xero.wire import Wire, ms_date

TENANT = "5d4f1c1e-0000-4000-8000-00000000c0de"
NAME = "Northwind Software UK Ltd"
BASE_CURRENCY = "GBP"
# Units of each currency for one pound; only the order of magnitude matters to anybody here.
RATES = {
    "GBP": Decimal(1),
    "EUR": Decimal("1.152"),
    "USD": Decimal("1.314"),
    "JPY": Decimal("203.4"),
    "KWD": Decimal("0.403"),
}
_CURRENCY_NAMES = {
    "GBP": "British Pound",
    "EUR": "Euro",
    "USD": "United States Dollar",
    "JPY": "Japanese Yen",
    "KWD": "Kuwaiti Dinar",
}
_LONG_AGO = ms_date(datetime(2024, 1, 2, 9, tzinfo=UTC))


def stable_id(*names: str) -> str:
    """Return the same id for the same names in every run."""
    return str(uuid.uuid5(uuid.UUID(TENANT), "/".join(names)))


def accounts() -> list[Wire]:
    """Return the chart of accounts as far as selling and getting paid need it."""
    return [
        _account("200", "Software revenue", "REVENUE", "REVENUE", "OUTPUT2"),
        _account("210", "Services revenue", "REVENUE", "REVENUE", "OUTPUT2"),
        _account("270", "Ticket sales", "REVENUE", "REVENUE"),
        {**_account("610", "Accounts receivable", "CURRENT", "ASSET"), "SystemAccount": "DEBTORS"},
        {**_account("800", "Accounts payable", "CURRLIAB", "LIABILITY"), "SystemAccount": "CREDITORS"},
        {**_account("960", "Retained earnings", "EQUITY", "EQUITY"), "SystemAccount": "RETAINEDEARNINGS"},
        _account("404", "Bank and card fees", "EXPENSE", "EXPENSE"),
        _account("495", "Currency exchange", "EXPENSE", "EXPENSE"),
        _account("830", "Deferred revenue", "CURRLIAB", "LIABILITY"),
        _bank("090", "Business bank", "GBP"),
        _bank("091", "Stripe clearing GBP", "GBP"),
        _bank("092", "Stripe clearing EUR", "EUR"),
        _bank("099", "Business bank EUR", "EUR"),
        _bank("093", "Stripe clearing USD", "USD"),
        _bank("094", "Stripe clearing JPY", "JPY"),
        _bank("095", "Business bank USD", "USD"),
        _bank("096", "Business bank JPY", "JPY"),
        _bank("097", "Stripe clearing KWD", "KWD"),
        _bank("098", "Business bank KWD", "KWD"),
    ]


def _account(code: str, name: str, kind: str, group: str, tax: str = "NONE") -> Wire:
    return {
        "AccountID": stable_id("account", code),
        "Code": code,
        "Name": name,
        "Status": "ACTIVE",
        "Type": kind,
        "TaxType": tax,
        "Class": group,
        "EnablePaymentsToAccount": False,
        "ShowInExpenseClaims": False,
        "HasAttachments": False,
        "UpdatedDateUTC": _LONG_AGO,
        "AddToWatchlist": False,
    }


def _bank(code: str, name: str, currency: str) -> Wire:
    extra = {"BankAccountNumber": f"200000{code}", "BankAccountType": "BANK", "CurrencyCode": currency}
    return {**_account(code, name, "BANK", "ASSET"), **extra}


def items() -> list[Wire]:
    """Return one item per product, with its SKU as code."""
    return [_item(product) for product in PRODUCTS]


def _item(product: Product) -> Wire:
    account = "200" if product.kind == "software" else "210"
    return {
        "ItemID": stable_id("item", product.sku),
        "Code": product.sku,
        "Name": product.name,
        "Description": product.name,
        "SalesDetails": {"AccountCode": account, "TaxType": "OUTPUT2"},
        "IsTrackedAsInventory": False,
        "IsSold": True,
        "IsPurchased": False,
        "UpdatedDateUTC": _LONG_AGO,
    }


def tax_rates() -> list[Wire]:
    """Return the tax rates of a UK organisation that matter for selling services and paying fees."""
    return [
        _tax_rate("OUTPUT2", "20% (VAT on Income)", Decimal(20)),
        _tax_rate("ZERORATEDOUTPUT", "Zero Rated Income", Decimal(0)),
        _tax_rate("ECZROUTPUTSERVICES", "Zero Rated EC Services", Decimal(0)),
        _tax_rate("NONE", "No VAT", Decimal(0)),
        {**_tax_rate("INPUT2", "20% (VAT on Expenses)", Decimal(20)), "CanApplyToRevenue": False},
    ]


def _tax_rate(tax_type: str, name: str, rate: Decimal) -> Wire:
    applies = {f"CanApplyTo{group}": True for group in ("Assets", "Equity", "Expenses", "Liabilities", "Revenue")}
    component = {"Name": "VAT", "Rate": rate, "IsCompound": False, "IsNonRecoverable": False}
    shown = {"DisplayTaxRate": rate, "EffectiveRate": rate, "Status": "ACTIVE", "TaxComponents": [component]}
    return {"Name": name, "TaxType": tax_type, **applies, **shown}


def tracking_categories() -> list[Wire]:
    """Return the one tracking category with its two options."""
    return [
        {
            "Name": "Department",
            "Status": "ACTIVE",
            "TrackingCategoryID": stable_id("tracking", "Department"),
            "Options": [
                {"TrackingOptionID": stable_id("tracking", "Department", name), "Name": name, "Status": "ACTIVE"}
                for name in ("Software", "Services")
            ],
        }
    ]


def currencies() -> list[Wire]:
    """Return the currencies the organisation has subscribed to."""
    return [{"Code": code, "Description": name} for code, name in _CURRENCY_NAMES.items()]


def organisation() -> Wire:
    """Return the organisation; a test or a person may set ``PeriodLockDate`` and ``EndOfYearLockDate``."""
    return {
        "OrganisationID": stable_id("organisation"),
        "Name": NAME,
        "LegalName": NAME,
        "PaysTax": True,
        "Version": "UK",
        "OrganisationType": "COMPANY",
        "BaseCurrency": BASE_CURRENCY,
        "CountryCode": "GB",
        "IsDemoCompany": False,
        "OrganisationStatus": "ACTIVE",
        "FinancialYearEndDay": 31,
        "FinancialYearEndMonth": 12,
        "SalesTaxBasis": "ACCRUAL",
        "SalesTaxPeriod": "QUARTERLY",
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Tax Exclusive",
        "CreatedDateUTC": _LONG_AGO,
        "Timezone": "GMTSTANDARDTIME",
        "OrganisationEntityType": "COMPANY",
        "ShortCode": "!n3tt3",
        "Edition": "BUSINESS",
        "Class": "PREMIUM",
        "Addresses": [],
        "Phones": [],
        "ExternalLinks": [],
        "PaymentTerms": {},
    }
