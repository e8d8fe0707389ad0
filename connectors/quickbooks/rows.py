"""QuickBooks' objects as ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from billing import money
from connectors.base import (
    AllocationDraft,
    HeldLine,
    LedgerAllocation,
    LedgerCustomer,
    LedgerDocument,
    LedgerEntry,
    LedgerPayment,
    Ref,
)
from connectors.quickbooks.transport import Row, decimal, updated_at

MARK = "Netterms "  # how each line of a note begins that is for us and not for people
ON_ACCOUNT = f"{MARK}on account"
PRICED = re.compile(r" \(\S+ x \S+ [A-Z]{3}\)\Z")  # quantity and price where they stand in a line's text
_MARKED = re.compile(rf"(?:voided - )?({MARK}.*)", re.IGNORECASE)  # the first line of a void one begins otherwise
_PART = re.compile(rf"{MARK}set (\S+) on (\S+) for (.*)")
_TYPES: dict[str, Literal["invoice", "credit_note"]] = {"Invoice": "invoice", "CreditMemo": "credit_note"}


def is_deleted(row: Row) -> bool:
    """Say whether change data capture tells of a deletion; nothing but the id is known then."""
    return row.get("status") == "Deleted"


def is_voided(row: Row) -> bool:
    """Say whether a transaction is void.

    QuickBooks has no field for it: a voided transaction is worth nothing and its note begins with the word.
    """
    worth = row.get("TotalAmt", row.get("Amount", 0))
    return not decimal(worth) and str(row.get("PrivateNote", "")).lower().startswith("void")


def voided_first(found: Iterable[Row]) -> list[Row]:
    """Return voided transactions before the others, so that these win where both bear one key."""
    return sorted(found, key=lambda row: not is_voided(row))


def is_on_account(row: Row) -> bool:
    """Say whether we booked a payment on account, whatever was set against it since."""
    return ON_ACCOUNT in str(row.get("PrivateNote") or "").splitlines()


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
        status="voided" if is_voided(row) else "open" if decimal(balance) else "paid",
        customer_id=row["CustomerRef"]["value"],
        currency=currency,
        total=_minor(row["TotalAmt"], currency),
        tax=_minor((row.get("TxnTaxDetail") or {}).get("TotalTax", 0), currency),
        balance=_minor(balance, currency),
        issue_on=_date(row.get("TxnDate")),
        due_on=_date(row.get("DueDate")),
        lines=tuple(_lines(row, currency)),
        memo=str((row.get("CustomerMemo") or {}).get("value") or ""),
        mark=_document_mark(str(row.get("PrivateNote") or "")),
        updated_at=_updated_at(row),
    )


def _document_mark(note: str) -> str:
    """Return the line of a document's note that is our mark, whatever people wrote around it."""
    found = filter(None, map(_MARKED.fullmatch, note.splitlines()))
    return next((match[1].strip() for match in found), "")


def mark_key(mark: str) -> str:
    """Return what of a mark tells which document it is: whose, and which number. Its contract is there for people."""
    words = mark.split()
    return " ".join((*words[:2], words[-1])) if len(words) > 2 else mark


def _lines(row: Row, currency: str) -> Iterator[HeldLine]:
    """Yield the lines with an amount; a discount's is below zero. What we say of a price in words is none of the text.

    The subtotal is a line, too.
    """
    for line in row.get("Line", []):
        kind = line.get("DetailType")
        amount = _minor(line.get("Amount") or 0, currency)
        if amount and kind != "SubTotalLineDetail":
            text = str(line.get("Description") or "")
            worded = kind == "SalesItemLineDetail" and "Qty" not in line["SalesItemLineDetail"]
            yield HeldLine(
                PRICED.sub("", text) if worded else text, -amount if kind == "DiscountLineDetail" else amount
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
        status="voided" if is_voided(row) else "active",
        customer_id=row["CustomerRef"]["value"],
        currency=currency,
        amount=_minor(row["TotalAmt"], currency),
        applied=applied,
        unapplied=_minor(row.get("UnappliedAmt", 0), currency),
        memo=_for_people(row),
        received_on=_date(row.get("TxnDate")),
        updated_at=_updated_at(row),
    )


def _for_people(row: Row) -> str:
    lines = str(row.get("PrivateNote") or "").splitlines()
    return "\n".join(line for line in lines if not line.startswith(MARK))


def allocation(row: Row, draft: AllocationDraft) -> LedgerAllocation:
    """Return the payment of nothing that sets a credit memo against the draft's invoice."""
    currency = _currency(row)
    return LedgerAllocation(
        ref=_ref(row),
        source_id=draft.source.id,
        document_id=draft.document.id,
        amount=_minor(_linked(row, draft.document.id), currency),
        currency=currency,
        on=_date(row.get("TxnDate")),
    )


def used(row: Row, id: str) -> int:
    """Return how much of a payment stands on a transaction."""
    return _minor(_linked(row, id), _currency(row))


def part_note(key: str, amount: Decimal, document: str) -> str:
    """Return the line of a payment's note that says what we set against it under ``key``."""
    return f"{MARK}set {amount} on {document} for {key}"


def part(row: Row, draft: AllocationDraft) -> LedgerAllocation | None:
    """Return what we set of a payment against the draft's invoice under its key, unless it was taken off again."""
    currency = _currency(row)
    for line in str(row.get("PrivateNote") or "").splitlines():
        match = _PART.fullmatch(line)
        if match is None or (match[2], match[3]) != (draft.document.id, draft.key):
            continue
        value = min(Decimal(match[1]), _linked(row, draft.document.id))
        if value:
            return LedgerAllocation(
                ref=_ref(row),
                source_id=str(row["Id"]),
                document_id=draft.document.id,
                amount=_minor(value, currency),
                currency=currency,
                on=_date(row.get("TxnDate")),
            )
    return None


def _linked(row: Row, document: str) -> Decimal:
    """Return how much of a payment is on an invoice."""
    lines = row.get("Line", [])
    on_it = [line for line in lines if any(one["TxnId"] == document for one in line.get("LinkedTxn", []))]
    return sum((decimal(line["Amount"]) for line in on_it), Decimal(0))


def short_of(source: str, left: int | None, wanted: int, currency: str) -> str:
    """Return why a credit cannot be used."""
    if left is None:
        return f"the credit {source} is not there any more"
    return f"the credit {source} has {money.display(left, currency)} left, not {money.display(wanted, currency)}"


def entry(entity: str, row: Row) -> LedgerEntry:
    """Return a purchase, transfer or journal entry; the key is its number or stands in its note."""
    if is_deleted(row):
        return LedgerEntry(ref=_ref(row), status="deleted")
    currency = _currency(row)
    worth = row.get("TotalAmt", row.get("Amount", 0))
    if entity == "JournalEntry":  # its total is not told in every answer
        debits = [line for line in row.get("Line", []) if _posting(line) == "Debit"]
        worth = sum((decimal(line["Amount"]) for line in debits), Decimal(0))
    return LedgerEntry(
        ref=_ref(row),
        key=_mark(str(row.get("PrivateNote") or "")) if entity == "Transfer" else str(row.get("DocNumber") or ""),
        status="voided" if is_voided({**row, "TotalAmt": worth}) else "active",
        currency=currency,
        amount=_minor(worth, currency),
        on=_date(row.get("TxnDate")),
    )


def _posting(line: Row) -> str:
    return str((line.get("JournalEntryLineDetail") or {}).get("PostingType", ""))


def _ref(row: Row) -> Ref:
    return Ref(id=str(row["Id"]), version=str(row.get("SyncToken", "")))


def _currency(row: Row) -> str:
    """Return the currency, which the transport adds where a company has only one and does not say it."""
    return str(row["CurrencyRef"]["value"])


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
