"""The company's lists (items, accounts, classes, tax codes) by the names that a mapping writes."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.base import Clock, LedgerSetup
from connectors.quickbooks.transport import Row, Transport

FRESH = 60.0  # seconds after which a name that is not known is worth another look
_NAMES = {
    "Item": ("Sku", "Name", "FullyQualifiedName"),  # a later one wins where two objects share a key
    "Account": ("Name", "FullyQualifiedName"),
    "Class": ("Name", "FullyQualifiedName"),
    "TaxCode": ("Id", "Name"),
}


class Catalogue:
    """Resolves names to ids. Read once, when first needed, and again when an unknown name comes up later."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._rows: dict[str, dict[str, Row]] = {}
        self._read_at: dict[str, float] = {}
        self._home = ""

    def id(self, entity: str, name: str) -> str | None:
        """Return the id of the active ``Item``, ``Account``, ``Class`` or ``TaxCode`` of that name, None if none."""
        row = self.rows(entity).get(name)
        if row is None and self._clock.monotonic() - self._read_at[entity] >= FRESH:
            self._read(entity)
            row = self._rows[entity].get(name)
        return None if row is None else str(row["Id"])

    def rows(self, entity: str) -> Mapping[str, Row]:
        """Return every active object of a list by each name it may be called by."""
        if entity not in self._rows:
            self._read(entity)
        return self._rows[entity]

    def home_currency(self) -> str:
        """Return the company's own currency; customers in it bear their plain name."""
        if not self._home:
            self._home = _home_currency(self._transport.preferences())
        return self._home

    def _read(self, entity: str) -> None:
        rows = list(self._transport.everything(entity))
        fields = _NAMES[entity]
        self._rows[entity] = {row[field]: row for field in fields for row in rows if row.get(field)}
        self._read_at[entity] = self._clock.monotonic()


def _home_currency(preferences: Row) -> str:
    prefs = preferences.get("CurrencyPrefs", {})
    return str(prefs.get("HomeCurrency", {}).get("value", "USD"))


def read_setup(transport: Transport) -> LedgerSetup:
    """Return what the company offers, read afresh, and the settings under which it would book wrongly."""
    catalogue = Catalogue(transport, _NoTime())
    info, preferences = transport.company_info(), transport.preferences()
    return LedgerSetup(
        name=str(info.get("CompanyName", "")),
        home_currency=_home_currency(preferences),
        accounts={key: f"{row['Name']} ({row.get('AccountType', '')})" for key, row in _listed(catalogue, "Account")},
        items={key: str(row["Name"]) for key, row in _listed(catalogue, "Item")},
        tax_codes={key: str(row.get("Description") or row["Name"]) for key, row in _listed(catalogue, "TaxCode")},
        classes={key: str(row["Name"]) for key, row in _listed(catalogue, "Class")},
        problems=_problems(info, preferences),
    )


def _listed(catalogue: Catalogue, entity: str) -> list[tuple[str, Row]]:
    return list(catalogue.rows(entity).items())


def _problems(info: Row, preferences: Row) -> tuple[str, ...]:
    problems = []
    if info.get("Country", "US") != "US":
        problems.append(
            f"the company is in {info['Country']}: outside the US each line needs a tax code of that country, which"
            " this connector cannot say yet; book this entity to another ledger"
        )
    if not preferences.get("SalesFormsPrefs", {}).get("CustomTxnNumbers"):
        problems.append(
            "QuickBooks numbers documents by itself and would ignore ours: switch on Account and settings, Sales,"
            " Sales form content, Custom transaction numbers"
        )
    if not preferences.get("CurrencyPrefs", {}).get("MultiCurrencyEnabled"):
        problems.append(
            "only the home currency can be booked: switch on Account and settings, Advanced, Currency, Multicurrency"
            " (QuickBooks cannot switch it off again)"
        )
    return tuple(problems)


class _NoTime:
    """A clock for a catalogue that is read once."""

    def monotonic(self) -> float:
        """Return no time."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""
