"""The company's books: its objects, who may write them how, and what follows from a write."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

from sandbox.core import Clock
from sandbox.quickbooks import files, money, rules, seed
from sandbox.quickbooks.fields import check
from sandbox.quickbooks.refusal import Refusal, business, missing, no_reference, not_found
from sandbox.quickbooks.rules import balance_of, void

TRANSACTIONS = ("Invoice", "CreditMemo", "Payment", "Purchase", "Transfer", "JournalEntry")
NAMES = ("Customer", "Vendor", "Employee")
WRITABLE = (*TRANSACTIONS, "Customer", "Item", "Attachable")
READ_ONLY = ("Vendor", "Employee", "Account", "TaxCode", "TaxRate", "Class", "Term")
NOT_CAPTURED = ("TaxCode", "TaxRate")  # change data capture does not tell of these
VOIDED = ("Invoice", "Payment", "Purchase")  # what has an operation for it
RULES = {**rules.RULES, **money.RULES, **files.RULES}
PACIFIC = timezone(timedelta(hours=-8))  # QuickBooks writes times with its own offset, to the second
LONGEST_CDC = 1000
CDC_DAYS = 30
Row = dict[str, Any]


@dataclass(frozen=True)
class Deleted:
    """What is still known of a deleted object."""

    entity: str
    id: str
    at: datetime

    def row(self) -> Row:
        """Return what change data capture tells of it."""
        return {"domain": "QBO", "status": "Deleted", "Id": self.id}


class Books:
    """Every object of the company by entity and id. Amounts are ``Decimal`` in major units."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.company_info = seed.company_info()
        self.preferences = seed.preferences()
        self.numbers_twice = False  # whether one number may be used for several invoices, or several credit memos
        self.rows: dict[str, dict[str, Row]] = {entity: {} for entity in (*WRITABLE, *READ_ONLY)}
        self.deleted: list[Deleted] = []
        self.lag: dict[str, timedelta] = {}  # by entity how late change data capture tells of a write
        self._by_name: dict[tuple[str, str], str] = {}  # (entity, number or folded name) -> id
        self._paid_by: dict[str, set[str]] = {}  # id of an invoice or credit memo -> ids of the payments on it
        self._ids = {"transactions": 100, "names": 0, "lists": 0}
        self._seed()

    def _seed(self) -> None:
        for account in seed.accounts():
            self._add("Account", account)
        for item in seed.items({row["Name"]: row["Id"] for row in self.rows["Account"].values()}):
            self._add("Item", item)
        for code in seed.tax_codes():
            self._add("TaxCode", code)
        for class_ in seed.classes():
            self._add("Class", class_)
        for name in seed.VENDORS:
            self._add("Vendor", {"DisplayName": name, "Active": True})
        for name in seed.EMPLOYEES:
            self._add("Employee", {"DisplayName": name, "Active": True})
        for account in seed.more_accounts():
            self._add("Account", account)
        for term in seed.terms():
            self._add("Term", term)

    def go_abroad(self, country: str = "GB") -> None:
        """Make it a company that is not in the US: other tax codes, with rates."""
        self.company_info["Country"] = country
        self.rows["TaxCode"].clear()
        for rate in seed.vat_rates():
            self._add("TaxRate", rate)
        for code in seed.vat_codes():
            self._add("TaxCode", code)

    def keep_one_currency(self, code: str) -> None:
        """Make it a company without Multicurrency, whose own currency is ``code``."""
        self.preferences["CurrencyPrefs"] = {"MultiCurrencyEnabled": False, "HomeCurrency": {"value": code}}
        for id, row in list(self.rows["Account"].items()):
            if row["CurrencyRef"]["value"] == seed.HOME:
                self.rows["Account"][id] = {**row, "CurrencyRef": {"value": code}}
            else:
                del self.rows["Account"][id]

    @property
    def home(self) -> str:
        """The company's own currency."""
        return str(self.preferences["CurrencyPrefs"]["HomeCurrency"]["value"])

    @property
    def has_currencies(self) -> bool:
        """Whether Multicurrency is on: else no object says a currency."""
        return bool(self.preferences["CurrencyPrefs"]["MultiCurrencyEnabled"])

    def is_abroad(self) -> bool:
        """Say whether the company is not in the US."""
        return bool(self.company_info["Country"] != "US")

    # ------------------------------------------------------------------------------------------------------- reading

    def get(self, entity: str, id: str) -> Row:
        """Return one object; raises ``Refusal`` when it is not there."""
        row = self.rows[entity].get(id)
        if row is None:
            raise not_found(entity)
        return row

    def all(self, entity: str) -> list[Row]:
        """Return every object of an entity in order of creation."""
        if entity == "CompanyInfo":
            return [self.company_info]
        if entity == "Preferences":
            return [self.preferences]
        if entity == "Account":
            held = money.balances(self)
            return [{**row, "CurrentBalance": held[id]} for id, row in self.rows["Account"].items()]
        return list(self.rows[entity].values())

    def reference(self, entity: str, reference: Row | None, element: str) -> Row:
        """Return the active object that ``reference`` names; raises ``Refusal`` when there is none."""
        value = (reference or {}).get("value", "")
        row = self.rows[entity].get(value)
        if row is None:
            raise no_reference(entity, value, element)
        if row.get("Active") is False:
            raise not_found(entity)
        return row

    def holder(self, entity: str, name: str) -> str | None:
        """Return the id of the invoice or credit memo of that number, or of who bears that name in any case."""
        return self._by_name.get((entity, name if entity in TRANSACTIONS else name.casefold()))

    def next_number(self, entity: str) -> str:
        """Return the number that follows the highest of the company's own, from 1001 on."""
        numbers = [row["DocNumber"] for row in self.rows[entity].values() if row.get("DocNumber", "").isdigit()]
        return str(max(map(int, numbers), default=1000) + 1)

    def changed(self, entities: list[str], since: datetime) -> list[Row]:
        """Return one ``QueryResponse`` element per entity, at most 1,000 objects over all, oldest first.

        Of a deleted one only the id is told.
        """
        if since < self.clock.now() - timedelta(days=CDC_DAYS):
            raise Refusal("4001", "Invalid query", f"changedSince lies more than {CDC_DAYS} days back")
        left, answer = LONGEST_CDC, []
        for entity in entities:
            if entity not in self.rows or entity in NOT_CAPTURED:
                raise Refusal("4001", "Invalid query", f"Invalid entity for change data capture: {entity}")
            until = self.clock.now() - self.lag.get(entity, timedelta(0))
            gone = [(one.at, one.row()) for one in self.deleted if one.entity == entity]
            held = [(updated_at(row), row) for row in self.rows[entity].values()]
            told = [one for one in (*held, *gone) if since <= one[0] <= until]
            rows = [row for _, row in sorted(told, key=lambda one: one[0])[:left]]
            left -= len(rows)
            answer.append({entity: rows, "startPosition": 1, "maxResults": len(rows)} if rows else {})
        return answer

    # ------------------------------------------------------------------------------------------------------- writing

    def write(self, entity: str, body: Any, operation: str) -> Row:
        """Create, update, void or delete, and return the object; raises ``Refusal`` and then changes nothing."""
        if entity not in WRITABLE:
            raise Refusal("500", "Unsupported Operation", f"Operation on {entity} is not supported")
        if not isinstance(body, dict):
            raise Refusal("2010", "Request has invalid or unsupported property", f"{entity} is no object")
        body = {name: value for name, value in body.items() if value is not None}
        if operation == "create" and "Id" not in body:
            check(entity, body)
            made = RULES[entity](self, deepcopy(body), None)
            self._check_open(made)
            added = self._add(entity, made)
            if self.preferences["SalesFormsPrefs"]["AutoApplyCredit"] and entity in ("Invoice", "CreditMemo"):
                self._apply_credit(added["CustomerRef"])
            return self.rows[entity][added["Id"]]
        if operation in ("create", "update"):
            return self._update(entity, body)
        if entity not in (VOIDED if operation == "void" else TRANSACTIONS):
            raise Refusal("500", "Unsupported Operation", f"Operation {operation} is not supported for {entity}")
        current = self._current(entity, body)
        self._check_open(current)
        return self._void(entity, current) if operation == "void" else self._delete(entity, current)

    def mailed(self, entity: str, id: str, address: str) -> Row:
        """Note that a document was mailed to ``address``, by default the one on it; raises ``Refusal``."""
        if entity not in ("Invoice", "CreditMemo"):
            raise Refusal("500", "Unsupported Operation", f"Operation send is not supported for {entity}")
        current = self.get(entity, id)
        address = address or current.get("BillEmail", {}).get("Address", "")
        if "@" not in address:
            raise Refusal("2210", "Email Address does not conform to the RFC 822 standard.", address, "BillEmail")
        self._store(entity, {**current, "EmailStatus": "EmailSent", "BillEmail": {"Address": address}}, current)
        return self.rows[entity][id]

    def _current(self, entity: str, body: Row) -> Row:
        if "Id" not in body:
            raise missing("Id")
        current = self.get(entity, str(body["Id"]))
        if "SyncToken" not in body:
            raise missing("SyncToken")
        if body["SyncToken"] != current["SyncToken"]:
            detail = "Stale Object Error : You and another user were working on this at the same time."
            raise Refusal("5010", "Stale Object Error", detail)
        return current

    def _check_open(self, *rows: Row) -> None:
        """Raise ``Refusal`` when a transaction's day lies in the closed period."""
        closed = self.preferences["AccountingInfoPrefs"].get("BookCloseDate", "")
        if any("TxnDate" in row and row["TxnDate"] <= closed for row in rows):
            detail = "The account period has closed and the account books cannot be updated through the API."
            raise Refusal("6210", "Account Period Closed, Cannot Update Through Services API", detail)

    def _update(self, entity: str, body: Row) -> Row:
        current = self._current(entity, body)
        check(entity, body)
        sparse = body.get("sparse") is True
        merged = {**current, **body} if sparse else dict(body)
        computed = RULES[entity](self, deepcopy(merged), current)
        self._check_open(current, computed)
        links = self._linked(current) | self._linked(computed)
        self._store(entity, {**computed, "Id": current["Id"]}, current)
        self._settle(links)
        return self.rows[entity][current["Id"]]

    def _void(self, entity: str, current: Row) -> Row:
        for payment in [] if entity == "Payment" else self.payments_of(current["Id"]):
            kept = [line for line in payment["Line"] if line["LinkedTxn"][0]["TxnId"] != current["Id"]]
            self._store("Payment", RULES["Payment"](self, {**payment, "Line": kept}, payment), payment)
        links = self._linked(current)
        self._store(entity, void(current), current)
        self._settle(links)
        return self.rows[entity][current["Id"]]

    def _delete(self, entity: str, current: Row) -> Row:
        if entity != "Payment" and self.payments_of(current["Id"]):
            raise business("The transaction has payments applied to it; remove them first.")
        del self.rows[entity][current["Id"]]
        self._forget(entity, current)
        self.deleted.append(Deleted(entity, current["Id"], self._now()))
        self._settle(self._linked(current))
        return {"status": "Deleted", "domain": "QBO", "Id": current["Id"]}

    def _add(self, entity: str, row: Row) -> Row:
        family = "transactions" if entity in TRANSACTIONS else "names" if entity in NAMES else "lists"
        if "Id" not in row:
            self._ids[family] += 1
            row["Id"] = str(self._ids[family])
        self._store(entity, row, None)
        if entity == "Payment":
            self._settle(self._linked(row))
        return self.rows[entity][row["Id"]]

    def _store(self, entity: str, row: Row, before: Row | None) -> None:
        now = self._now().isoformat()
        created = before["MetaData"]["CreateTime"] if before else now
        token = str(int(before["SyncToken"]) + 1) if before else "0"
        meta = {"CreateTime": created, "LastUpdatedTime": now}
        self._forget(entity, before or {})
        self.rows[entity][row["Id"]] = {**row, "domain": "QBO", "sparse": False, "SyncToken": token, "MetaData": meta}

        if name := _name(entity, row):
            self._by_name[entity, name] = row["Id"]
        for id in self._linked(row) if entity == "Payment" else ():
            self._paid_by.setdefault(id, set()).add(row["Id"])

    def _forget(self, entity: str, row: Row) -> None:
        if name := _name(entity, row):
            self._by_name.pop((entity, name), None)
        for id in self._linked(row) if entity == "Payment" else ():
            self._paid_by[id].discard(row["Id"])

    def _now(self) -> datetime:
        return self.clock.tick().astimezone(PACIFIC).replace(microsecond=0)

    def merge_customers(self, loser: str, winner: str) -> None:
        """Make two customers one, as a bookkeeper does: the first goes inactive, its documents become the second's."""
        gone, kept = self.rows["Customer"][loser], self.rows["Customer"][winner]
        self._store("Customer", {**gone, "Active": False, "DisplayName": f"{gone['DisplayName']} (deleted)"}, gone)
        for entity in TRANSACTIONS:
            for row in [row for row in self.rows[entity].values() if row["CustomerRef"]["value"] == loser]:
                self._store(entity, {**row, "CustomerRef": {"value": winner, "name": kept["DisplayName"]}}, row)

    # ------------------------------------------------------------------------------------- what follows from payments

    def payments_of(self, id: str) -> list[Row]:
        """Return the payments with a line on the invoice or credit memo ``id``."""
        return [self.rows["Payment"][one] for one in sorted(self._paid_by.get(id, ()), key=int)]

    @staticmethod
    def _linked(row: Row) -> set[str]:
        lines = row.get("Line", ())
        return {link["TxnId"] for line in lines for link in line.get("LinkedTxn", ()) if link.get("TxnId")}

    def _apply_credit(self, customer: Row) -> None:
        """Set open credit memos of a customer against its open invoices, the oldest first, by payments of nothing."""
        by_day = {
            entity: sorted(
                (row for row in self.rows[entity].values() if row["CustomerRef"]["value"] == customer["value"]),
                key=lambda row: (row["TxnDate"], int(row["Id"])),
            )
            for entity in ("CreditMemo", "Invoice")
        }
        for note, invoice in product(by_day["CreditMemo"], by_day["Invoice"]):
            most = min(balance_of(self, note), balance_of(self, invoice))
            if most > 0:
                pairs = ((invoice["Id"], "Invoice"), (note["Id"], "CreditMemo"))
                lines = [{"Amount": most, "LinkedTxn": [{"TxnId": id, "TxnType": kind}]} for id, kind in pairs]
                body = {"CustomerRef": {"value": customer["value"]}, "TotalAmt": Decimal(0), "Line": lines}
                self._add("Payment", RULES["Payment"](self, body, None))

    def _settle(self, ids: set[str]) -> None:
        """Bring the balances of these invoices and credit memos up to date; each counts as changed."""
        for entity in ("Invoice", "CreditMemo"):
            for row in [self.rows[entity][id] for id in sorted(ids) if id in self.rows[entity]]:
                id = row["Id"]
                paid_by = [{"TxnId": payment["Id"], "TxnType": "Payment"} for payment in self.payments_of(id)]
                balance = balance_of(self, row)
                settled = {**row, "Balance": balance, "LinkedTxn": paid_by}
                if entity == "CreditMemo":
                    settled["RemainingCredit"] = balance
                self._store(entity, settled, row)


def _name(entity: str, row: Row) -> str:
    """Return what must be unique among the objects of an entity, empty when it has nothing of the kind."""
    if entity in ("Invoice", "CreditMemo"):
        return str(row.get("DocNumber", ""))
    return str(row.get("DisplayName" if entity in NAMES else "Name", "")).casefold()


def updated_at(row: Row) -> datetime:
    """Return when an object was last written."""
    return datetime.fromisoformat(row["MetaData"]["LastUpdatedTime"])
