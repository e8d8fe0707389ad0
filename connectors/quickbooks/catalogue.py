"""The company's lists (items, accounts, classes, tax codes) by the names that a mapping writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from connectors.base import Clock, LedgerSetup
from connectors.quickbooks.limits import NotSayable
from connectors.quickbooks.tax import TAXED, Rate, TaxRules
from connectors.quickbooks.transport import Row, Transport, decimal, home_currency

RECEIVABLE = "Accounts Receivable"
SETTLED = 3600.0  # seconds after which the settings are read again: people seldom change them
FRESH = 60.0  # seconds after which a name that is not known is worth another look
_NAMES = {
    "Item": ("Sku", "Name", "FullyQualifiedName"),  # a later one wins where two objects share a key
    "Account": ("Name", "FullyQualifiedName"),
    "Class": ("Name", "FullyQualifiedName"),
    "TaxCode": ("Id", "Name"),
    "TaxRate": ("Id",),
    "Term": ("Id", "Name"),
}
_KINDS = {"Item": "item", "Account": "account", "Class": "class", "TaxCode": "tax code", "Term": "payment terms"}


class Catalogue:
    """Resolves names to ids. Read once, when first needed, and again when an unknown name comes up later."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._rows: dict[str, dict[str, Row]] = {}
        self._read_at: dict[str, float] = {}
        self._preferences: Row | None = None
        self._preferences_at = 0.0
        self._abroad: TaxRules | None = None

    def row(self, entity: str, name: str) -> Row | None:
        """Return the active object of that name in a list (``Item``, ``Account``, ...), None if there is none."""
        row = self.rows(entity).get(name)
        if row is None and self._clock.monotonic() - self._read_at[entity] >= FRESH:
            self._read(entity)
            row = self._rows[entity].get(name)
        return row

    def known(self, entity: str, name: str) -> Row:
        """Return the active object that a mapping names; raise ``NotSayable`` when there is none."""
        row = self.row(entity, name)
        if row is None:
            what = f"QuickBooks has no active {_KINDS[entity]} {name!r}"
            raise NotSayable(f"{what}: create it there or correct the ledger mapping")
        return row

    def reference(self, entity: str, name: str) -> Row:
        """Return a reference to the active object of that name; raise ``NotSayable`` when there is none."""
        return {"value": str(self.known(entity, name)["Id"])}

    def account(self, name: str, *currencies: str) -> Row:
        """Return a reference to an account that holds one of ``currencies``; raise ``NotSayable``."""
        row = self.known("Account", name)
        if (held := self._held_in(row)) not in currencies:
            wanted = " or ".join(dict.fromkeys(currencies))
            raise NotSayable(f"account {name!r} holds {held}, not {wanted}: name another account in the ledger mapping")
        return {"value": str(row["Id"])}

    def rows(self, entity: str) -> Mapping[str, Row]:
        """Return every active object of a list by each name it may be called by."""
        if entity not in self._rows:
            self._read(entity)
        return self._rows[entity]

    def home_currency(self) -> str:
        """Return the company's own currency; customers in it bear their plain name."""
        return home_currency(self._settings())

    def receivables(self, currency: str) -> str | None:
        """Return the id of the account in which customers' debts in ``currency`` stand."""
        for row in self.rows("Account").values():
            if row.get("AccountType") == RECEIVABLE and self._held_in(row) == currency:
                return str(row["Id"])
        return None

    def _held_in(self, account: Row) -> str:
        return str((account.get("CurrencyRef") or {}).get("value") or self.home_currency())

    def tax_rules(self) -> TaxRules:
        """Return how the company's tax works. Only a US company has a tax code whose id is ``TAX``."""
        if TAXED in self.rows("TaxCode"):
            preferences = self._settings()
            automated = bool(preferences.get("TaxPrefs", {}).get("PartnerTaxEnabled"))
            return TaxRules(us=True, automated=automated, ours_stand=_ours_stand(preferences))
        if self._abroad is None:
            self._abroad = TaxRules(us=False, rates=self._rates())
        return self._abroad

    def _rates(self) -> dict[str, list[Rate]]:
        percent = {id: decimal(row.get("RateValue", Decimal(0))) for id, row in self.rows("TaxRate").items()}
        found: dict[str, list[Rate]] = {}
        for row in self.rows("TaxCode").values():
            listed = (row.get("SalesTaxRateList") or {}).get("TaxRateDetail", [])
            ids = [str(one["TaxRateRef"]["value"]) for one in listed]
            found[str(row["Id"])] = [Rate(id, percent.get(id, Decimal(0))) for id in ids]
        return found

    def numbering(self) -> str:
        """Return why QuickBooks would not keep our numbers, with the remedy; empty where it does."""
        return _numbering(self._settings())

    def _settings(self) -> Row:
        now = self._clock.monotonic()
        if self._preferences is None or now - self._preferences_at >= SETTLED:
            self._preferences, self._preferences_at = self._transport.preferences(), now
        return self._preferences

    def _read(self, entity: str) -> None:
        rows = self._transport.pages(entity)
        if entity == "TaxCode":
            self._abroad = None
        fields = _NAMES[entity]
        self._rows[entity] = {row[field]: row for field in fields for row in rows if row.get(field)}
        self._read_at[entity] = self._clock.monotonic()


def _ours_stand(preferences: Row) -> bool:
    """Say whether apps may set the sales tax of an automated company; where it says nothing, they may."""
    others = (preferences.get("OtherPrefs") or {}).get("NameValue", [])
    forbidden = [one for one in others if str(one.get("Name", "")).endswith("AllowPartnerTaxOverride")]
    return not any(str(one.get("Value", "")).lower() == "false" for one in forbidden)


def _closed_through(preferences: Row) -> date | None:
    day = preferences.get("AccountingInfoPrefs", {}).get("BookCloseDate")
    return date.fromisoformat(day[:10]) if day else None


def read_setup(transport: Transport) -> LedgerSetup:
    """Return what the company offers, read afresh, and the settings under which it would book wrongly."""
    catalogue = Catalogue(transport, _NoTime())
    info, preferences = transport.company_info(), transport.preferences()
    return LedgerSetup(
        name=str(info.get("CompanyName", "")),
        home_currency=home_currency(preferences),
        accounts={key: f"{row['Name']} ({row.get('AccountType', '')})" for key, row in _listed(catalogue, "Account")},
        items={key: str(row["Name"]) for key, row in _listed(catalogue, "Item")},
        tax_codes={key: str(row.get("Description") or row["Name"]) for key, row in _listed(catalogue, "TaxCode")},
        classes={key: str(row["Name"]) for key, row in _listed(catalogue, "Class")},
        terms={key: str(row["Name"]) for key, row in _listed(catalogue, "Term")},
        closed_through=_closed_through(preferences),
        problems=_problems(preferences),
        one_currency=_one_currency(preferences),
    )


def _listed(catalogue: Catalogue, entity: str) -> list[tuple[str, Row]]:
    return list(catalogue.rows(entity).items())


def _numbering(preferences: Row) -> str:
    if preferences.get("SalesFormsPrefs", {}).get("CustomTxnNumbers"):
        return ""
    return (
        "QuickBooks numbers documents by itself and would ignore ours: switch on Account and settings, Sales,"
        " Sales form content, Custom transaction numbers"
    )


def _one_currency(preferences: Row) -> str:
    if preferences.get("CurrencyPrefs", {}).get("MultiCurrencyEnabled"):
        return ""
    return (
        "switch on Account and settings, Advanced, Currency, Multicurrency (QuickBooks cannot switch it off again), or"
        " book these in another company"
    )


def _problems(preferences: Row) -> tuple[str, ...]:
    problems = list(filter(None, [_numbering(preferences)]))
    if preferences.get("SalesFormsPrefs", {}).get("AutoApplyCredit"):
        problems.append(
            "QuickBooks sets credit memos against invoices by itself, maybe others than ours are for: switch off"
            " Account and settings, Advanced, Automation, Automatically apply credits"
        )
    if preferences.get("TaxPrefs", {}).get("PartnerTaxEnabled") and not _ours_stand(preferences):
        problems.append(
            "QuickBooks works sales tax out by address and lets no app set it, so taxed invoices are refused: allow it"
            " under Taxes, Sales tax settings, or charge tax in QuickBooks only"
        )
    return tuple(problems)


class _NoTime:
    """A clock for a catalogue that is read once."""

    def monotonic(self) -> float:
        """Return no time."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""
