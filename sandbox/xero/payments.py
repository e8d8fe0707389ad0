"""Payments of invoices, refunds of credits, and credits allocated to invoices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sandbox.xero import documents, seed
from sandbox.xero.books import Books
from sandbox.xero.documents import CREDIT_NOTES, CREDITS, INVOICES, OVERPAYMENTS, PREPAYMENTS, Kind
from sandbox.xero.wire import Invalid, Wire, cents, day_fields, number, read_moment

PAYMENT_TYPES = {
    INVOICES: "ACCRECPAYMENT",
    CREDIT_NOTES: "ARCREDITPAYMENT",
    OVERPAYMENTS: "AROVERPAYMENTPAYMENT",
    PREPAYMENTS: "ARPREPAYMENTPAYMENT",
}
_AS_INVOICES = {OVERPAYMENTS: "AROVERPAYMENT", PREPAYMENTS: "ARPREPAYMENT"}  # types of invoices that they show as


def create_payment(books: Books, data: Wire) -> Wire:
    """Save a payment of an invoice, or a refund of a credit; raises ``Invalid``."""
    kind, document = _target(books, data)
    account = _account(books, data, document)
    on, amount = date_of(data), amount_of(data, document[_rest(kind)])
    books.check_open(on)
    payment: Wire = {
        "PaymentID": books.new_id(),
        "Date": day_fields("Date", on)["Date"],
        "Amount": amount,
        "BankAmount": cents(amount / document["CurrencyRate"]) if is_base(account) else amount,
        "CurrencyRate": number(data, "CurrencyRate") or document["CurrencyRate"],
        "Reference": data.get("Reference", ""),
        "PaymentType": PAYMENT_TYPES[kind],
        "Status": "AUTHORISED",
        "HasAccount": True,
        "IsReconciled": bool(data.get("IsReconciled", False)),
        "Account": {name: account[name] for name in ("AccountID", "Code", "Name")},
        "Invoice": _reference(kind, document),
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
    kind = next(kind for kind, name in PAYMENT_TYPES.items() if name == payment["PaymentType"])
    _resettle(books, kind, kind.store(books)[payment["Invoice"]["InvoiceID"]])
    return payment


def allocate(books: Books, credit_kind: Kind, credit: Wire, data: Wire) -> Wire:
    """Apply part of a credit to an invoice; raises ``Invalid``."""
    kind, invoice = _target(books, data)
    if kind is not INVOICES or credit["Status"] != "AUTHORISED":
        raise Invalid(f"Only an approved {credit_kind.name} can be allocated, and only to an invoice")
    if credit["CurrencyCode"] != invoice["CurrencyCode"] or not _same_contact(credit, invoice):
        raise Invalid("The credit and the invoice must be of the same contact and currency")
    on = date_of(data)
    books.check_open(on)
    shown = (credit_kind.id, *([credit_kind.number] if credit_kind.number else []))
    allocation: Wire = {
        "AllocationID": books.new_id(),
        "Amount": amount_of(data, min(invoice["AmountDue"], credit["RemainingCredit"])),
        "Date": day_fields("Date", on)["Date"],
        "Invoice": {name: invoice[name] for name in ("InvoiceID", "InvoiceNumber")},
        credit_kind.name: {name: credit[name] for name in shown},
    }
    books.applied[invoice["InvoiceID"]].append(allocation)
    books.applied[credit[credit_kind.id]].append(allocation)
    _resettle(books, INVOICES, invoice)
    _resettle(books, credit_kind, credit)
    return allocation


def _resettle(books: Books, kind: Kind, document: Wire) -> None:
    documents.settle(books, kind, document).update(books.stamp())


def _target(books: Books, data: Wire) -> tuple[Kind, Wire]:
    """Return the approved document that is paid or credited, or the credit that is given back."""
    for kind in (INVOICES, *CREDITS):
        wanted = {**data.get(kind.name, {}), **{key: data[key] for key in (kind.number,) if key in data}}
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
    if not is_base(account) and account["CurrencyCode"] != document["CurrencyCode"]:
        raise Invalid(f"Account {account['Code']} is in {account['CurrencyCode']}, not {document['CurrencyCode']}")
    return account


def is_base(account: Wire) -> bool:
    """Say whether an account is in the organisation's own currency."""
    return bool(account.get("CurrencyCode", seed.BASE_CURRENCY) == seed.BASE_CURRENCY)


def date_of(data: Wire) -> date:
    """Return the date that must have been sent; raises ``Invalid``."""
    try:
        return read_moment(str(data.get("Date", ""))).date()
    except ValueError:
        raise Invalid(f"Date {data.get('Date')!r} is not a date") from None


def amount_of(data: Wire, limit: Decimal | None = None) -> Decimal:
    """Return the amount that must have been sent, at most ``limit``; raises ``Invalid``."""
    amount = number(data, "Amount")
    if amount is None or amount <= 0 or amount != cents(amount):
        raise Invalid("Payment amount must be greater than zero and have at most two decimals")
    if limit is not None and amount > limit:
        raise Invalid("Payment amount exceeds the amount outstanding on this document")
    return cents(amount)


def _rest(kind: Kind) -> str:
    return "AmountDue" if kind is INVOICES else "RemainingCredit"


def _same_contact(one: Wire, other: Wire) -> bool:
    return bool(one["Contact"]["ContactID"] == other["Contact"]["ContactID"])


def _reference(kind: Kind, document: Wire) -> Wire:
    """Return the document as a payment shows it: any kind as an invoice, as in Xero's example of a list.

    Nothing that may be missing by the specification is shown, so the currency is not.
    """
    number = {"InvoiceNumber": document[kind.number]} if kind.number else {}
    contact = {"ContactID": document["Contact"]["ContactID"]}
    return {"Type": _AS_INVOICES.get(kind, kind.type), "InvoiceID": document[kind.id], "Contact": contact, **number}
