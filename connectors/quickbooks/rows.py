"""QuickBooks' objects as ours."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from billing import money
from connectors.base import LedgerCustomer, LedgerDocument, LedgerPayment, Ref
from connectors.quickbooks.bodies import MARK
from connectors.quickbooks.transport import Row, decimal, updated_at

_TYPES: dict[str, Literal["invoice", "credit_note"]] = {"Invoice": "invoice", "CreditMemo": "credit_note"}


def is_deleted(row: Row) -> bool:
    """Say whether change data capture tells of a deletion; nothing but the id is known then."""
    return row.get("status") == "Deleted"


def _is_voided(row: Row) -> bool:
    """QuickBooks has no field for it: a voided transaction is worth nothing and its note begins with the word."""
    return not decimal(row.get("TotalAmt", 0)) and str(row.get("PrivateNote", "")).lower().startswith("void")


def customer(row: Row) -> LedgerCustomer:
    """Return a customer. A tax id that QuickBooks shows only the end of is left out."""
    tax_id = str(row.get("PrimaryTaxIdentifier") or "")
    return LedgerCustomer(
        ref=_ref(row),
        name=str(row["DisplayName"]),
        key=_mark(str(row.get("Notes") or "")),
        email=str((row.get("PrimaryEmailAddr") or {}).get("Address") or ""),
        tax_id="" if tax_id.upper().startswith("X") else tax_id,
        currency=_currency(row),
        active=row.get("Active") is not False,
    )


def _mark(notes: str) -> str:
    for line in notes.splitlines():
        if line.startswith(MARK):
            return line.removeprefix(MARK).strip()
    return ""


def document(entity: str, row: Row) -> LedgerDocument:
    """Return an invoice or credit memo. A credit memo's balance is what of it is not applied yet."""
    if is_deleted(row):
        return LedgerDocument(ref=_ref(row), number="", type=_TYPES[entity], status="deleted")
    currency = _currency(row)
    balance = row.get("RemainingCredit", row.get("Balance", 0)) if entity == "CreditMemo" else row.get("Balance", 0)
    return LedgerDocument(
        ref=_ref(row),
        number=str(row.get("DocNumber") or ""),
        type=_TYPES[entity],
        status="voided" if _is_voided(row) else "open" if decimal(balance) else "paid",
        customer_id=row["CustomerRef"]["value"],
        currency=currency,
        total=_minor(row["TotalAmt"], currency),
        tax=_minor((row.get("TxnTaxDetail") or {}).get("TotalTax", 0), currency),
        balance=_minor(balance, currency),
        issue_on=_date(row.get("TxnDate")),
        due_on=_date(row.get("DueDate")),
        updated_at=_updated_at(row),
    )


def payment(row: Row) -> LedgerPayment:
    """Return a payment with what it pays; credit memos used in it are part of what it pays, not of its amount."""
    if is_deleted(row):
        return LedgerPayment(ref=_ref(row), status="deleted")
    currency = _currency(row)
    applied: dict[str, int] = {}
    for line in row.get("Line", []):
        for link in line.get("LinkedTxn", []):
            if link.get("TxnType") == "Invoice":
                value = _minor(line.get("Amount", 0), currency)
                applied[link["TxnId"]] = applied.get(link["TxnId"], 0) + value
    return LedgerPayment(
        ref=_ref(row),
        key=str(row.get("PaymentRefNum") or ""),
        status="voided" if _is_voided(row) else "active",
        customer_id=row["CustomerRef"]["value"],
        currency=currency,
        amount=_minor(row["TotalAmt"], currency),
        applied=applied,
        unapplied=_minor(row.get("UnappliedAmt", 0), currency),
        memo=str(row.get("PrivateNote") or ""),
        received_on=_date(row.get("TxnDate")),
        updated_at=_updated_at(row),
    )


def _ref(row: Row) -> Ref:
    return Ref(id=str(row["Id"]), version=str(row.get("SyncToken", "")))


def _currency(row: Row) -> str:
    """Return the currency; a company with one currency does not say it and is in the US."""
    return str((row.get("CurrencyRef") or {}).get("value", "USD"))


def _minor(value: Any, currency: str) -> int:
    """Return an amount; what people typed there may be finer than the currency (half a yen) and is rounded."""
    amount = decimal(value)
    scaled = amount.scaleb(money.exponent(currency))
    minor = int(scaled)
    return minor if minor == scaled else money.to_minor(amount, currency)


def _date(value: Any) -> date | None:
    return date.fromisoformat(value) if value else None


def _updated_at(row: Row) -> datetime | None:
    return updated_at(row) if "MetaData" in row else None
