"""What the organisation offers to a mapping: accounts, items, tax rates and tracking options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from connectors.base import LedgerSetup
from connectors.xero.client import Client, Json
from connectors.xero.wire import day

_LOCKS = ("PeriodLockDate", "EndOfYearLockDate")
Options = dict[str, tuple[str, str]]  # what a mapping writes as class -> tracking category and option


class Classes:
    """Tracking options, kept from one batch to the next."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: Options = {}

    def named(self, names: set[str]) -> Options:
        """Return the options known, read anew when one of ``names`` is not among them."""
        return self._known if names <= self._known.keys() else self.read()

    def read(self) -> Options:
        """Read all: an option by its name, or as ``Category: Option`` where two categories share the name."""
        categories = [one for one in self._client.get("TrackingCategories")["TrackingCategories"] if _active(one)]
        pairs = [(one["Name"], option["Name"]) for one in categories for option in one["Options"] if _active(option)]
        shared = Counter(option for _, option in pairs)
        self._known = {
            option if shared[option] == 1 else f"{category}: {option}": (category, option) for category, option in pairs
        }
        return self._known


class Organisation:
    """The organisation behind the tenant; its currency never changes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._currency = ""

    def read(self) -> Json:
        """Read it."""
        found: Json = self._client.get("Organisation")["Organisations"][0]
        self._currency = found["BaseCurrency"]
        return found

    def currency(self) -> str:
        """Return its own currency, read when it is asked for first."""
        return self._currency or str(self.read()["BaseCurrency"])


class Accounts:
    """The chart of accounts by code, kept from one batch to the next."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: list[Json] = []

    def read(self) -> list[Json]:
        """Read all active accounts."""
        self._known = [one for one in self._client.get("Accounts")["Accounts"] if _active(one)]
        return self._known

    def coded(self, codes: Iterable[str]) -> dict[str, Json]:
        """Return the accounts known by code, read anew when one of ``codes`` is not among them."""
        by_code = {one["Code"]: one for one in self._known if one.get("Code")}
        if set(codes) <= by_code.keys():
            return by_code
        return {one["Code"]: one for one in self.read() if one.get("Code")}

    def currencies(self, home: str) -> dict[str, str]:
        """Return the currency of each active account by its id; Xero shows none where it keeps ``home`` only."""
        return {one["AccountID"]: one.get("CurrencyCode") or home for one in self._known or self.read()}

    def receivable(self) -> Json | None:
        """Return the account that sales invoices are owed on."""
        return next((one for one in self._known or self.read() if one.get("SystemAccount") == "DEBTORS"), None)


def not_a_bank(accounts: dict[str, Json], code: str, currency: str) -> str:
    """Say why no money in ``currency`` can lie in the account of that code; nothing when it can."""
    account = accounts.get(code)
    if account is None or account.get("Type") != "BANK":
        return f"Xero has no active bank account with the code {code!r}"
    held = account.get("CurrencyCode") or currency
    return "" if held == currency else f"Account {code} is in {held}, not in {currency}"


def read_setup(client: Client, company: Json, accounts: list[Json], classes: Classes) -> LedgerSetup:
    """Read everything else that a mapping may name beside the ``accounts`` of the organisation ``company``."""
    items = client.get("Items")["Items"]
    tax_rates = client.get("TaxRates")["TaxRates"]
    return LedgerSetup(
        name=company["Name"],
        home_currency=company["BaseCurrency"],
        accounts={one["Code"]: one["Name"] for one in accounts if one.get("Code")},
        items={one["Code"]: one.get("Name") or one["Code"] for one in items if one.get("IsSold", True)},
        tax_codes={one["TaxType"]: one["Name"] for one in tax_rates if _active(one) and one.get("CanApplyToRevenue")},
        classes={name: f"{category}: {option}" for name, (category, option) in classes.read().items()},
        closed_through=max((on for lock in _LOCKS if (on := day(company, lock)) is not None), default=None),
        problems=tuple(_problems(company, accounts)),
    )


def _problems(company: Json, accounts: list[Json]) -> list[str]:
    problems = []
    if company.get("OrganisationStatus", "ACTIVE") != "ACTIVE":
        problems.append(f"The organisation is {company['OrganisationStatus']}: reactivate its plan at Xero.")
    payable = [one for one in accounts if one.get("Type") == "BANK" or one.get("EnablePaymentsToAccount")]
    if not any(one.get("Code") for one in payable):
        problems.append(
            "No account with a code can take payments: give the clearing account of the payment provider a code "
            "(Accounting > Chart of accounts), or enable payments to an account."
        )
    return problems


def _active(one: Json) -> bool:
    return bool(one.get("Status", "ACTIVE") == "ACTIVE")
