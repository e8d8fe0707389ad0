"""Types old books into the organisation, by the rules that hold for everybody."""

from __future__ import annotations

from decimal import Decimal

from sandbox.world.history import OldBooks, OldCustomer, OldDocument, OldLine, line_tax
from sandbox.xero import documents, payments
from sandbox.xero.books import Books
from sandbox.xero.documents import CREDIT_NOTES, INVOICES
from sandbox.xero.wire import Wire

_ACCOUNTS = {"GBP": "090", "EUR": "092"}
_TAX_TYPES = {("GBP", True): "OUTPUT2", ("EUR", True): "OUTPUT2", ("GBP", False): "NONE"}


def load(books: Books, old: OldBooks) -> None:
    """Enter contacts, invoices, credit notes and payments. A customer in two currencies is one contact here."""
    contacts: dict[str, Wire] = {}
    by_buyer: dict[str, Wire] = {}
    for customer in old.customers:
        abroad = customer.name.endswith(f" ({customer.currency})")
        contact = by_buyer[customer.buyer.id] if abroad else books.create_contact(_contact(customer))
        contacts[customer.key] = by_buyer[customer.buyer.id] = contact
    made = {document.key: _document(books, document, contacts[document.customer]) for document in old.documents}
    for document in old.documents:
        if document.applied_to:
            invoice, credit = made[document.applied_to], made[document.key]
            _allocate(books, credit, invoice, document.total, document.issue_on.isoformat())
    for payment in old.payments:
        invoice = made[payment.document]
        body = {
            "Invoice": {"InvoiceID": invoice["InvoiceID"]},
            "Account": {"Code": _ACCOUNTS[invoice["CurrencyCode"]]},
            "Date": payment.on.isoformat(),
            "Amount": payment.amount,
            "Reference": payment.reference,
        }
        payments.create_payment(books, body)


def _contact(customer: OldCustomer) -> Wire:
    fields = {"Name": customer.name, "EmailAddress": customer.email, "TaxNumber": customer.tax_id}
    return {name: value for name, value in fields.items() if value}


def _document(books: Books, document: OldDocument, contact: Wire) -> Wire:
    kind = CREDIT_NOTES if document.is_credit else INVOICES
    body: Wire = {
        "Type": kind.type,
        "Contact": {"ContactID": contact["ContactID"]},
        "Date": document.issue_on.isoformat(),
        "LineAmountTypes": "Exclusive",
        "CurrencyCode": document.currency,
        "Status": "AUTHORISED",
        "LineItems": [_line(line, document.currency) for line in document.lines],
    }
    body |= {} if document.is_credit else {"DueDate": document.due_on.isoformat()}
    body |= {kind.number: document.number} if document.number else {}
    made = documents.create(books, kind, body, 2)
    return documents.change(books, kind, made, {"Status": "VOIDED"}, 2) if document.voided else made


def _line(line: OldLine, currency: str) -> Wire:
    return {
        "Description": line.text,
        "Quantity": Decimal(1),
        "UnitAmount": line.net,
        "ItemCode": line.sku,
        "AccountCode": "200" if line.sku.startswith(("PLAT", "DATA")) else "210",
        "TaxType": _TAX_TYPES.get((currency, bool(line.tax)), "ECZROUTPUTSERVICES"),
        "TaxAmount": line_tax(line),
    }


def _allocate(books: Books, credit: Wire, invoice: Wire, amount: Decimal, on: str) -> None:
    reference = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": amount, "Date": on}
    payments.allocate(books, CREDIT_NOTES, credit, reference)
