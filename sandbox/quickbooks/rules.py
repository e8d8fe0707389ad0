"""What QuickBooks demands of each kind of object, and what it computes from it.

A rule takes the books, the wanted object and the stored one (None on create), and returns the object as it will be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from sandbox.quickbooks.refusal import Refusal, business, missing, no_reference
from sandbox.quickbooks.seed import CURRENCY_NAMES, RATES
from sandbox.quickbooks.tax import tax_of

if TYPE_CHECKING:
    from sandbox.quickbooks.books import Books

Row = dict[str, Any]
Rule = Callable[["Books", Row, Row | None], Row]
CENT = Decimal("0.01")
_LINKED_TO = {"Invoice": "Invoice", "CreditMemo": "CreditMemo", "Check": "Purchase", "Expense": "Purchase"}
_INACTIVE = " (deleted)"  # appended to the name of a customer made inactive, which frees the name
_FORBIDDEN_IN_NAMES = re.compile(r"[:\t\n]")


def cents(value: Decimal) -> Decimal:
    """Round to two decimals, halves away from zero: QuickBooks keeps every currency so."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)


def amount(row: Row, name: str) -> Decimal:
    """Return a required amount; raises ``Refusal`` when it is missing or finer than a cent."""
    if row.get(name) is None:
        raise missing(name)
    value = Decimal(row[name])
    if value != cents(value):
        raise Refusal("2090", "Invalid Number", f"Invalid Number : {name} {value} has more than two decimals", name)
    return value


# ----------------------------------------------------------------------------------------------------------- customers


def customer(books: Books, row: Row, before: Row | None) -> Row:
    """A name that nobody else has, and a currency that never changes."""
    name = row.get("DisplayName") or " ".join(filter(None, (row.get("GivenName"), row.get("FamilyName"))))
    if not name:
        raise missing("DisplayName, GivenName or FamilyName")
    if _FORBIDDEN_IN_NAMES.search(name):
        raise Refusal("2040", "Invalid String", f"Name {name!r} must not hold a colon, tab or new line", "DisplayName")
    _check_name_is_free(books, name, before)
    kept: Row = before["CurrencyRef"] if before else {"value": books.home}
    currency = row.get("CurrencyRef", kept)["value"]
    if currency != books.home and not books.has_currencies:
        raise business("Multicurrency is not switched on.", "CurrencyRef")
    if before and currency != before["CurrencyRef"]["value"]:
        raise business("You cannot change the currency of a customer that has one.", "CurrencyRef")
    if (email := row.get("PrimaryEmailAddr", {}).get("Address")) and "@" not in email:
        raise Refusal("2210", "Email Address does not conform to the RFC 822 standard.", email, "PrimaryEmailAddr")
    if tax_id := row.get("PrimaryTaxIdentifier", "").replace("-", ""):
        row["PrimaryTaxIdentifier"] = "X" * (len(tax_id) - 5) + tax_id[-5:]  # only its end is ever shown again
    if row.get("Active") is False and not name.endswith(_INACTIVE):
        name += _INACTIVE
    named = {"DisplayName": name, "FullyQualifiedName": name, "PrintOnCheckName": row.get("CompanyName", name)}
    return {**row, **named, "CurrencyRef": currency_of(currency), "Active": row.get("Active", True)}


def _check_name_is_free(books: Books, name: str, before: Row | None) -> None:
    for entity in ("Customer", "Vendor", "Employee"):
        holder = books.holder(entity, name)
        if holder and not (before and entity == "Customer" and holder == before["Id"]):
            detail = f"The name supplied already exists. : Another {entity.lower()} is already using this name."
            raise Refusal("6240", "Duplicate Name Exists Error", detail, "DisplayName")


def item(books: Books, row: Row, before: Row | None) -> Row:
    """A unique name and an income account."""
    if not row.get("Name"):
        raise missing("Name")
    if books.holder("Item", row["Name"]) not in (None, (before or {}).get("Id")):
        raise Refusal("6240", "Duplicate Name Exists Error", "The name supplied already exists.", "Name")
    books.reference("Account", row.get("IncomeAccountRef"), "IncomeAccountRef")
    return {"Type": "Service", "Active": True, "FullyQualifiedName": row["Name"], **row}


# ----------------------------------------------------------------------------------------- invoices and credit memos


def sale(entity: str) -> Rule:
    """Return the rule of ``Invoice`` or ``CreditMemo``: lines that add up, in the customer's currency."""

    def rule(books: Books, row: Row, before: Row | None) -> Row:
        buyer = books.reference("Customer", row.get("CustomerRef") or _missing("CustomerRef"), "CustomerRef")
        currency = _same_currency(row, buyer)
        row = {**row, **_number(books, entity, row, before)}
        lines = _sales_lines(books, row)
        net = sum((line["Amount"] for line in lines if line["DetailType"] == "SalesItemLineDetail"), Decimal(0))
        taxes = tax_of(books, row, lines)
        tax = amount(taxes, "TotalTax")
        if net + tax < 0:
            raise business("Transaction amount must be 0 or greater.", "TotalAmt")
        subtotal: Row = {"Amount": net, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
        day = row.get("TxnDate") or books.clock.today.isoformat()
        computed = {
            "CustomerRef": {"value": buyer["Id"], "name": buyer["DisplayName"]},
            "CurrencyRef": currency_of(currency),
            "ExchangeRate": rate_of(books, row, currency),
            "TxnDate": day,
            "Line": [*lines, subtotal],
            "TxnTaxDetail": taxes,
            "TotalAmt": net + tax,
            "HomeTotalAmt": cents((net + tax) * rate_of(books, row, currency)),
            "EmailStatus": row.get("EmailStatus", "NotSet"),
            "PrintStatus": row.get("PrintStatus", "NeedToPrint"),
            "ApplyTaxAfterDiscount": False,
            "LinkedTxn": (before or {}).get("LinkedTxn", []),
        }
        result = {**row, **computed}
        balance = balance_of(books, {**result, "Id": (before or {}).get("Id", "")})
        due = row.get("DueDate") or (date.fromisoformat(day) + timedelta(days=_days(books, row))).isoformat()
        own = {"DueDate": due} if entity == "Invoice" else {"RemainingCredit": balance}
        return {**result, **own, "Balance": balance}

    return rule


def _days(books: Books, row: Row) -> int:
    """Return after how many days a sale without a due date is due."""
    return int(books.reference("Term", row["SalesTermRef"], "SalesTermRef")["DueDays"]) if "SalesTermRef" in row else 30


def _missing(element: str) -> Row:
    raise missing(element)


def currency_of(code: str) -> Row:
    """Return the reference to a currency that QuickBooks knows; raises ``Refusal``."""
    if code not in CURRENCY_NAMES:
        raise no_reference("Currency", code, "CurrencyRef")
    return {"value": code, "name": CURRENCY_NAMES[code]}


def rate_of(books: Books, row: Row, currency: str) -> Decimal:
    """Return the exchange rate of a transaction, that of the day where it says none; raises ``Refusal``."""
    rate = Decimal(row.get("ExchangeRate", 1 if currency == books.home else RATES.get(currency, 1)))
    if rate <= 0 or (currency == books.home and rate != 1):
        raise business(f"The exchange rate {rate} is none of {currency}.", "ExchangeRate")
    return rate


def _same_currency(row: Row, buyer: Row) -> str:
    own: str = buyer["CurrencyRef"]["value"]
    if (wanted := row.get("CurrencyRef", {}).get("value", own)) != own:
        raise business(f"The customer's currency is {own}; the transaction's is {wanted}.", "CurrencyRef")
    return own


def _number(books: Books, entity: str, row: Row, before: Row | None) -> Row:
    """Return the number: ours where the company takes numbers, else the next of its own, whatever was sent."""
    if not books.preferences["SalesFormsPrefs"]["CustomTxnNumbers"]:
        return {"DocNumber": (before or {}).get("DocNumber") or books.next_number(entity)}
    _check_number_is_free(books, entity, row.get("DocNumber"), before)
    return {}


def _check_number_is_free(books: Books, entity: str, number: str | None, before: Row | None) -> None:
    holder = books.holder(entity, number) if number and not books.numbers_twice else None
    if holder not in (None, (before or {}).get("Id")):
        detail = (
            "Duplicate Document Number Error : You must specify a different number. This number has already been"
            f" used. DocNumber={number} is assigned to TxnType={entity} with TxnId={holder}"
        )
        raise Refusal("6140", "Duplicate Document Number Error", detail)


def _sales_lines(books: Books, row: Row) -> list[Row]:
    wanted = [line for line in row.get("Line") or [] if line.get("DetailType") != "SubTotalLineDetail"]
    if not wanted:
        raise missing("Line")
    lines = []
    for number, line in enumerate(wanted, start=1):
        if line.get("DetailType") == "DescriptionOnly":
            kept = {**line, "Amount": Decimal(0)}
        elif line.get("DetailType") == "SalesItemLineDetail":
            kept = {**line, "Amount": amount(line, "Amount"), "SalesItemLineDetail": _detail(books, line)}
        else:
            raise Refusal("2170", "Invalid Enumeration", "Invalid Enumeration : DetailType of a sale", "DetailType")
        lines.append({**kept, "Id": str(number), "LineNum": number})
    return lines


def _detail(books: Books, line: Row) -> Row:
    detail: Row = dict(line.get("SalesItemLineDetail") or _missing("SalesItemLineDetail"))
    sold = books.reference("Item", detail.get("ItemRef"), "ItemRef")
    detail["ItemRef"] = {"value": sold["Id"], "name": sold["Name"]}
    if "ClassRef" in detail:
        class_ = books.reference("Class", detail["ClassRef"], "ClassRef")
        detail["ClassRef"] = {"value": class_["Id"], "name": class_["Name"]}
    if not books.is_abroad():
        detail["TaxCodeRef"] = detail.get("TaxCodeRef", {"value": "NON"})
    books.reference("TaxCode", detail.get("TaxCodeRef"), "TaxCodeRef")
    quantity, price = detail.get("Qty"), detail.get("UnitPrice")
    if quantity is not None and price is not None and cents(Decimal(quantity) * Decimal(price)) != line["Amount"]:
        message = "Amount calculation incorrect in the request."
        raise Refusal("6070", message, f"Amount is not equal to UnitPrice * Qty. Supplied value:{line['Amount']}")
    return detail


def balance_of(books: Books, row: Row) -> Decimal:
    """Return what is open of an invoice, credit memo or check: its worth less every line of a payment on it."""
    links = [
        line["Amount"]
        for payment in books.payments_of(row["Id"])
        for line in payment["Line"]
        if line["LinkedTxn"][0]["TxnId"] == row["Id"]
    ]
    return _worth(books, row) - sum(links, Decimal(0))


def _worth(books: Books, row: Row) -> Decimal:
    """Return what a transaction adds to or takes from receivables: of a check what stands on that account."""
    if "PaymentType" not in row or "AccountRef" not in row:
        total: Decimal = row["TotalAmt"]
        return total
    accounts = books.rows["Account"]
    details = [(line["Amount"], line["AccountBasedExpenseLineDetail"]["AccountRef"]["value"]) for line in row["Line"]]
    owed = [value for value, id in details if accounts[id]["AccountType"] == "Accounts Receivable"]
    return sum(owed, Decimal(0))


# ------------------------------------------------------------------------------------------------------------ payments


def payment(books: Books, row: Row, before: Row | None) -> Row:
    """Lines on open documents of the same customer, no more than the payment has; the rest is credit."""
    payer = books.reference("Customer", row.get("CustomerRef") or _missing("CustomerRef"), "CustomerRef")
    currency, total = _same_currency(row, payer), amount(row, "TotalAmt")
    lines = [_payment_line(books, line, payer, before) for line in row.get("Line") or []]
    signs = [-1 if line["LinkedTxn"][0]["TxnType"] == "CreditMemo" else 1 for line in lines]
    applied = sum((line["Amount"] * sign for line, sign in zip(lines, signs, strict=True)), Decimal(0))
    if applied > total:
        raise business(f"The amounts applied ({applied}) are more than the payment ({total}).", "TotalAmt")
    if "DepositToAccountRef" in row:
        _check_deposit(books, books.reference("Account", row["DepositToAccountRef"], "DepositToAccountRef"), currency)
    computed = {
        "CustomerRef": {"value": payer["Id"], "name": payer["DisplayName"]},
        "CurrencyRef": currency_of(currency),
        "ExchangeRate": rate_of(books, row, currency),
        "TxnDate": row.get("TxnDate") or books.clock.today.isoformat(),
        "TotalAmt": total,
        "UnappliedAmt": total - applied,
        "Line": lines,
    }
    return {**row, **computed}


def _payment_line(books: Books, line: Row, payer: Row, before: Row | None) -> Row:
    link = (line.get("LinkedTxn") or [_missing("LinkedTxn")])[0]
    kind, id = link.get("TxnType"), link.get("TxnId", "")
    entity = _LINKED_TO.get(str(kind))
    if entity is None:
        raise Refusal("2170", "Invalid Enumeration", f"Invalid Enumeration : TxnType {kind}", "TxnType")
    if id not in books.rows[entity]:
        raise no_reference(str(kind), id, "TxnId")
    target, value = books.rows[entity][id], amount(line, "Amount")
    whose = target.get("CustomerRef") or target.get("EntityRef") or {}
    if whose.get("value") != payer["Id"]:
        raise Refusal("620", "Transaction Link error", f"{kind} {id} is another customer's and cannot be linked")
    already = sum((old["Amount"] for old in (before or {}).get("Line", []) if old["LinkedTxn"] == [link]), Decimal(0))
    left = balance_of(books, target) + already
    if value > left:
        raise business(f"The amount applied ({value}) is more than the balance of {kind} {id} ({left}).")
    return {"Amount": value, "LinkedTxn": [link]}


def _check_deposit(books: Books, account: Row, currency: str) -> None:
    if account["AccountType"] not in ("Bank", "Other Current Asset"):
        raise business(f"{account['Name']} is no account to deposit to.", "DepositToAccountRef")
    if account["CurrencyRef"]["value"] not in (currency, books.home):
        detail = f"{account['Name']} holds {account['CurrencyRef']['value']}, the payment is in {currency}."
        raise business(detail, "DepositToAccountRef")


def void(row: Row) -> Row:
    """Return a transaction voided: every amount zero, and the note says so."""
    note = f"Voided - {row['PrivateNote']}" if row.get("PrivateNote") else "Voided"
    lines = [] if "UnappliedAmt" in row else [_voided_line(line) for line in row["Line"]]
    zeros: Row = {name: Decimal(0) for name in ("TotalAmt", "Balance", "UnappliedAmt") if name in row}
    tax = {"TxnTaxDetail": {"TotalTax": Decimal(0)}} if "TxnTaxDetail" in row else {}
    return {**row, **zeros, **tax, "PrivateNote": note, "Line": lines, "LinkedTxn": []}


def _voided_line(line: Row) -> Row:
    detail = {**line.get("SalesItemLineDetail", {}), "Qty": Decimal(0)}
    return {**line, "Amount": Decimal(0)} | ({"SalesItemLineDetail": detail} if "SalesItemLineDetail" in line else {})


RULES: dict[str, Rule] = {
    "Customer": customer,
    "Item": item,
    "Invoice": sale("Invoice"),
    "CreditMemo": sale("CreditMemo"),
    "Payment": payment,
}
