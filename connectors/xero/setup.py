"""What the organisation offers to a mapping: accounts, items, tax rates and tracking options."""

from __future__ import annotations

from collections import Counter

from connectors.base import LedgerSetup
from connectors.xero.client import Client, Json

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


def organisation(client: Client) -> Json:
    """Return the organisation behind the tenant."""
    found: Json = client.get("Organisation")["Organisations"][0]
    return found


def read_setup(client: Client, classes: Classes) -> LedgerSetup:
    """Read everything that a mapping may name."""
    company = organisation(client)
    accounts = [one for one in client.get("Accounts")["Accounts"] if _active(one)]
    items = client.get("Items")["Items"]
    tax_rates = client.get("TaxRates")["TaxRates"]
    return LedgerSetup(
        name=company["Name"],
        home_currency=company["BaseCurrency"],
        accounts={one["Code"]: one["Name"] for one in accounts if one.get("Code")},
        items={one["Code"]: one.get("Name") or one["Code"] for one in items if one.get("IsSold", True)},
        tax_codes={one["TaxType"]: one["Name"] for one in tax_rates if _active(one) and one.get("CanApplyToRevenue")},
        classes={name: f"{category}: {option}" for name, (category, option) in classes.read().items()},
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
