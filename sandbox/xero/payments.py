"""Payments of invoices, refunds of credit notes, and credit notes allocated to invoices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sandbox.xero import documents, seed
from sandbox.xero.books import Books
from sandbox.xero.documents import CREDIT_NOTES, INVOICES, Kind
from sandbox.xero.wire import Invalid, Wire, cents, day_fields, number, read_moment


def create_payment(books: Books, data: Wire) -> Wire:
    """Save a payment of an invoice, or a refund of a credit note; raises ``Invalid``."""
    kind, document = _target(books, data)
    account = _account(books, data, document)
    on, amount = _date(data), _amount(data, document[_rest(kind)])
    books.check_open(on)
    payment: Wire = {
        "PaymentID": books.new_id(),
        "Date": day_fields("Date", on)["Date"],
        "Amount": amount,
        "BankAmount": cents(amount / document["CurrencyRate"]) if _is_base(account) else amount,
        "CurrencyRate": number(data, "CurrencyRate") or document["CurrencyRate"],
        "Reference": data.get("Reference", ""),
        "PaymentType": "ACCRECPAYMENT" if kind is INVOICES else "ARCREDITPAYMENT",
        "Status": "AUTHORISED",
        "HasAccount": True,
        "IsReconciled": bool(data.get("IsReconciled", False)),
        "Account": {name: account[name] for name in ("AccountID", "Code", "Name")},
        ("Invoice" if kind is INVOICES else "CreditNote"): _reference(kind, document),
        "HasValidationErrors": False,
        **books.stamp(),
    }
    books.payments[payment["PaymentID"]] = payment
    books.applied[document[kind.id]].append(payment)
    _resettle(books, kind, document)
    return payment


def delete_payment(books: Books, payment: Wire, data: Wire) -> Wire:
    """Delete a payment, the only change Xero allows; what it paid is due again. Raises ``Invalid``."""
    if data.get("Status") != "DELETED" or payment["Status"] == "DELETED":
        raise Invalid("A payment can only be deleted, and only once")
    books.check_open(read_moment(payment["Date"]).date())
    payment.update(Status="DELETED", **books.stamp())
    kind = INVOICES if "Invoice" in payment else CREDIT_NOTES
    name = "Invoice" if kind is INVOICES else "CreditNote"
    _resettle(books, kind, kind.store(books)[payment[name][kind.id]])
    return payment


def allocate(books: Books, note: Wire, data: Wire) -> Wire:
    """Apply part of a credit note to an invoice; raises ``Invalid``."""
    kind, invoice = _target(books, data)
    if kind is not INVOICES or note["Status"] != "AUTHORISED":
        raise Invalid("Only an approved credit note can be allocated, and only to an invoice")
    if note["CurrencyCode"] != invoice["CurrencyCode"] or not _same_contact(note, invoice):
        raise Invalid("The credit note and the invoice must be of the same contact and currency")
    on = _date(data)
    books.check_open(on)
    allocation: Wire = {
        "AllocationID": books.new_id(),
        "Amount": _amount(data, min(invoice["AmountDue"], note["RemainingCredit"])),
        "Date": day_fields("Date", on)["Date"],
        "Invoice": {name: invoice[name] for name in ("InvoiceID", "InvoiceNumber")},
        "CreditNote": {name: note[name] for name in ("CreditNoteID", "CreditNoteNumber")},
    }
    books.applied[invoice["InvoiceID"]].append(allocation)
    books.applied[note["CreditNoteID"]].append(allocation)
    _resettle(books, INVOICES, invoice)
    _resettle(books, CREDIT_NOTES, note)
    return allocation


def _resettle(books: Books, kind: Kind, document: Wire) -> None:
    documents.settle(books, kind, document).update(books.stamp())


def _target(books: Books, data: Wire) -> tuple[Kind, Wire]:
    """Return the approved document that is paid or credited."""
    for kind, name in ((INVOICES, "Invoice"), (CREDIT_NOTES, "CreditNote")):
        wanted = {**data.get(name, {}), **{key: data[key] for key in (kind.number,) if key in data}}
        key = wanted.get(kind.id) or wanted.get(kind.number)
        document = documents.find(books, kind, key) if key else None
        if document is not None and document["Status"] not in ("AUTHORISED", "PAID"):
            raise Invalid("Payments can only be made against Authorised documents")
        if document is not None:
            return kind, document
    raise Invalid("The invoice or credit note does not exist")


def _account(books: Books, data: Wire, document: Wire) -> Wire:
    wanted = data.get("Account") or {}
    account = books.account(code=wanted.get("Code") or data.get("Code"), account_id=wanted.get("AccountID"))
    if account is None or account["Status"] != "ACTIVE":
        raise Invalid("Account could not be found")
    if account["Type"] != "BANK" and not account["EnablePaymentsToAccount"]:
        raise Invalid(f"Account {account['Code']} must be a bank account or have payments enabled")
    if not _is_base(account) and account["CurrencyCode"] != document["CurrencyCode"]:
        raise Invalid(f"Account {account['Code']} is in {account['CurrencyCode']}, not {document['CurrencyCode']}")
    return account


def _is_base(account: Wire) -> bool:
    return bool(account.get("CurrencyCode", seed.BASE_CURRENCY) == seed.BASE_CURRENCY)


def _date(data: Wire) -> date:
    try:
        return read_moment(str(data.get("Date", ""))).date()
    except ValueError:
        raise Invalid(f"Date {data.get('Date')!r} is not a date") from None


def _amount(data: Wire, limit: Decimal) -> Decimal:
    amount = number(data, "Amount")
    if amount is None or amount <= 0 or amount != cents(amount):
        raise Invalid("Payment amount must be greater than zero and have at most two decimals")
    if amount > limit:
        raise Invalid("Payment amount exceeds the amount outstanding on this document")
    return cents(amount)


def _rest(kind: Kind) -> str:
    return "AmountDue" if kind is INVOICES else "RemainingCredit"


def _same_contact(one: Wire, other: Wire) -> bool:
    return bool(one["Contact"]["ContactID"] == other["Contact"]["ContactID"])


def _reference(kind: Kind, document: Wire) -> Wire:
    """Return the document as a payment shows it."""
    names = ("Type", kind.id, kind.number, "Contact", "CurrencyCode")
    return {name: document[name] for name in names}
