"""What the ledgers' stand-ins hold, read as an auditor would: by number and amount, without any of our own records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.core import Vendor

GONE = ("VOIDED", "DELETED")
_KEY_IN_TEXT = re.compile(r"\[([^\[\]]+)\]$")  # at Xero, of money on account
_KEY_IN_NOTE = re.compile(r"^Netterms (\S+)", re.MULTILINE)  # at QuickBooks, of a transfer


class Books:
    """Both ledgers: QuickBooks of the one legal entity and Xero of the other."""

    def __init__(self, vendors: Mapping[str, Vendor]) -> None:
        self._vendors = vendors

    def quickbooks(self, kind: str) -> list[dict[str, Any]]:
        """Return QuickBooks' objects of a kind."""
        return self._vendors["quickbooks"].state()[kind]

    def xero(self, kind: str) -> list[dict[str, Any]]:
        """Return Xero's objects of a kind that stand."""
        return [one for one in self._vendors["xero"].state()[kind] if one.get("Status") not in GONE]

    def documents(self) -> list[tuple[str, str, Decimal]]:
        """Return (number, currency, total) of every standing invoice and credit note."""
        found = [
            (item["DocNumber"], item["CurrencyRef"]["value"], _decimal(item["TotalAmt"]))
            for kind in ("invoices", "creditmemos")
            for item in self.quickbooks(kind)
            if not _is_void(item)
        ]
        return found + [
            (item[number], item["CurrencyCode"], _decimal(item["Total"]))
            for kind, number in (("invoices", "InvoiceNumber"), ("credit_notes", "CreditNoteNumber"))
            for item in self.xero(kind)
        ]

    def open(self) -> dict[str, Decimal]:
        """Return what is unpaid of each standing invoice, by its number."""
        found = {item["DocNumber"]: _decimal(item["Balance"]) for item in self.quickbooks("invoices")}
        return found | {item["InvoiceNumber"]: _decimal(item["AmountDue"]) for item in self.xero("invoices")}

    def payments(self) -> list[tuple[str, str, Decimal]]:
        """Return (our key, number of the invoice, amount) of all that money pays, and of all that credit notes pay."""
        numbers = {item["Id"]: item["DocNumber"] for item in self.quickbooks("invoices")}
        found = [
            (item.get("PaymentRefNum", ""), numbers.get(link["TxnId"], ""), _decimal(line["Amount"]))
            for item in self.quickbooks("payments")
            for line in item["Line"]
            for link in line["LinkedTxn"]
            if link["TxnType"] == "Invoice"
        ]
        xero = [(one.get("Reference", ""), one) for one in self.xero("payments") if _pays_invoice(one)]
        xero += [
            (key, part)
            for kind in ("overpayments", "prepayments", "credit_notes")
            for one in self.xero(kind)
            for key in [one.get("CreditNoteNumber") or _key_in_lines(one)]
            for part in one.get("Allocations", ())
            if not part.get("IsDeleted")
        ]
        return found + [(key, one["Invoice"]["InvoiceNumber"], _decimal(one["Amount"])) for key, one in xero]

    def on_account(self) -> Counter[str]:
        """Return how often money on account stands under each of our keys, whatever was used of it since."""
        noted = [one for one in self.quickbooks("payments") if "Netterms on account" in one.get("PrivateNote", "")]
        kept = [one.get("PaymentRefNum", "") for one in noted if _decimal(one["TotalAmt"])]
        return Counter([*kept, *(_key_in_lines(one) for one in self.xero("overpayments"))])

    def entries(self) -> Counter[tuple[str, Decimal]]:
        """Return how often each refund, expense and transfer stands, by our key and its amount."""
        found = []
        for one in self.quickbooks("purchases"):
            found.append((one.get("DocNumber", ""), _decimal(one["TotalAmt"])))
        for one in self.quickbooks("journals"):
            found.append((one.get("DocNumber", ""), _decimal(one["TotalAmt"])))
        for one in self.quickbooks("transfers"):
            match = _KEY_IN_NOTE.search(one.get("PrivateNote", ""))
            found.append((match[1] if match else "", _decimal(one["Amount"])))
        for one in self.xero("payments"):
            if not _pays_invoice(one):
                found.append((one.get("Reference", ""), _decimal(one["Amount"])))
        for one in self.xero("bank_transactions"):
            if one["Type"] in ("SPEND", "RECEIVE"):
                found.append((one.get("Reference", ""), _decimal(one["Total"])))
        for one in self.xero("transfers"):
            found.append((one.get("Reference", ""), _decimal(one["Amount"])))
        return Counter((key, abs(amount)) for key, amount in found if key and amount)

    def customers_twice(self) -> int:
        """Return how many customers the ledgers hold beyond one for each name."""
        names = Counter(item["DisplayName"] for item in self.quickbooks("customers") if item.get("Active", True))
        names += Counter(item["Name"] for item in self.xero("contacts") if item["ContactStatus"] == "ACTIVE")
        return sum(count - 1 for count in names.values())


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))


def _is_void(item: dict[str, Any]) -> bool:
    return "void" in str(item.get("PrivateNote", "")).lower()


def _key_in_lines(one: dict[str, Any]) -> str:
    text = " ".join(str(line.get("Description") or "") for line in one.get("LineItems", ()))
    match = _KEY_IN_TEXT.search(text)
    return match[1] if match else str(one.get("Reference", ""))


def _pays_invoice(payment: Mapping[str, Any]) -> bool:
    """Say whether it is no refund: Xero shows what that is taken from as an invoice, too."""
    return bool(payment["PaymentType"] == "ACCRECPAYMENT")
