"""Sales invoices and credit notes: creating, changing, voiding, and what is still due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sandbox.xero import seed
from sandbox.xero.books import Books
from sandbox.xero.lines import line_item
from sandbox.xero.wire import Invalid, Wire, day_fields, number, read_moment

_STATUSES = ("DRAFT", "SUBMITTED", "AUTHORISED")
_AMOUNT_TYPES = ("Exclusive", "Inclusive", "NoTax")
_KEPT = (
    "Contact",
    "LineItems",
    "Date",
    "DueDate",
    "Reference",
    "Url",
    "Status",
    "LineAmountTypes",
    "CurrencyCode",
    "CurrencyRate",
)
_NO_AMOUNT = ("Reference", "DueDate", "Url")  # may be changed, as the number may, whatever was applied
_PAYMENT_SHOWN = ("PaymentID", "Date", "Amount", "Reference", "CurrencyRate")
_ALLOCATION_SHOWN = ("AllocationID", "Amount", "Date", "Invoice")
_REMOVED = ("VOIDED", "DELETED")
_ZERO = Decimal("0.00")


@dataclass(frozen=True)
class Kind:
    """What differs between invoices, credit notes and money on account; the last has no number."""

    name: str
    type: str
    plural: str
    id: str
    store: Callable[[Books], dict[str, Wire]]
    number: str = ""
    prefix: str = ""
    taken: str = ""


INVOICES = Kind(
    "Invoice",
    "ACCREC",
    "Invoices",
    "InvoiceID",
    lambda books: books.invoices,
    "InvoiceNumber",
    "INV",
    "Invoice # must be unique.",
)
CREDIT_NOTES = Kind(
    "CreditNote",
    "ACCRECCREDIT",
    "CreditNotes",
    "CreditNoteID",
    lambda books: books.credit_notes,
    "CreditNoteNumber",
    "CN",
    "Credit Note # must be unique.",
)
OVERPAYMENTS = Kind(
    "Overpayment", "RECEIVE-OVERPAYMENT", "Overpayments", "OverpaymentID", lambda books: books.overpayments
)
PREPAYMENTS = Kind("Prepayment", "RECEIVE-PREPAYMENT", "Prepayments", "PrepaymentID", lambda books: books.prepayments)
DOCUMENTS = (INVOICES, CREDIT_NOTES)
CREDITS = (CREDIT_NOTES, OVERPAYMENTS, PREPAYMENTS)


def find(books: Books, kind: Kind, name: str) -> Wire | None:
    """Return the document of that id, or number where it has one."""
    return kind.store(books).get(books.numbers.get((kind.type, name), name.lower()))


def create(books: Books, kind: Kind, data: Wire, unit_places: int) -> Wire:
    """Save a new document; a number that exists is an error. Raises ``Invalid``."""
    if data.get("Type") != kind.type:
        raise Invalid(f"The sandbox keeps documents of type {kind.type} only here, not {data.get('Type')}")
    name = data.get(kind.number) or f"{kind.prefix}-{len(kind.store(books)) + 1:04}"
    if len(name) > 255:
        raise Invalid(f"{kind.number} must be 255 characters or less")
    if find(books, kind, name) is not None:
        raise Invalid(kind.taken)
    document = _composed(books, kind, data, unit_places)
    document.update({kind.id: books.new_id(), kind.number: name, **books.stamp()})
    kind.store(books)[document[kind.id]] = document
    books.numbers[kind.type, name] = document[kind.id]
    return settle(books, kind, document)


def upsert(books: Books, kind: Kind, data: Wire, unit_places: int) -> Wire:
    """Change the document of that id or number, or save a new one: what POST does. Raises ``Invalid``."""
    name = data.get(kind.id) or data.get(kind.number)
    document = find(books, kind, name) if name else None
    if document is None and data.get(kind.id):
        raise Invalid(f"No document with {kind.id} {data[kind.id]} exists")
    if document is None:
        return create(books, kind, data, unit_places)
    return change(books, kind, document, data, unit_places)


def change(books: Books, kind: Kind, document: Wire, data: Wire, unit_places: int) -> Wire:
    """Void, delete or change a document; one that something was applied to only in what no amount depends on.

    Raises ``Invalid``.
    """
    is_harmless = data.keys() <= {kind.id, kind.number, *_NO_AMOUNT}
    _check_changeable(document, is_harmless=is_harmless)
    status = str(data.get("Status", document["Status"]))
    if status in _REMOVED:
        return _remove(books, kind, document, status)
    wanted = {**{name: document[name] for name in _KEPT if name in document}, **data}
    if is_harmless:
        changed = {**_dates(books, kind, wanted, status), "Reference": wanted.get("Reference", "")}
        changed.update({"Url": wanted["Url"]} if "Url" in wanted else {})
    else:
        changed = _composed(books, kind, wanted, unit_places)
        changed.update({name: document[name] for name in ("SentToContact", "HasAttachments")})
    _renumber(books, kind, document, data.get(kind.number) or document[kind.number])
    document.update({**changed, **books.stamp()})
    return settle(books, kind, document)


def _renumber(books: Books, kind: Kind, document: Wire, name: str) -> None:
    before = document[kind.number]
    if name == before:
        return
    if find(books, kind, name) is not None:
        raise Invalid(kind.taken)
    del books.numbers[kind.type, before]
    books.numbers[kind.type, name] = document[kind.id]
    document[kind.number] = name


def _check_changeable(document: Wire, *, is_harmless: bool) -> None:
    lists = ("Payments", "Allocations", "CreditNotes", "Overpayments", "Prepayments")
    applied = document["Status"] not in _STATUSES or any(document.get(name) for name in lists)
    if document["Status"] in _REMOVED or (applied and not is_harmless):
        raise Invalid("Invoice not of valid status for modification")


def _remove(books: Books, kind: Kind, document: Wire, status: str) -> Wire:
    wanted = "VOIDED" if document["Status"] == "AUTHORISED" else "DELETED"
    if status != wanted:
        raise Invalid(f"A document with status {document['Status']} can become {wanted}, not {status}")
    books.check_open(read_moment(document["Date"]).date())
    document.update(Status=status, **books.stamp())
    return settle(books, kind, document)


def _composed(books: Books, kind: Kind, data: Wire, unit_places: int) -> Wire:
    """Return the document that ``data`` asks for, checked and computed, without id and number."""
    contact = books.contact_for(data.get("Contact") or {})
    status, amount_types = data.get("Status", "DRAFT"), data.get("LineAmountTypes", "Exclusive")
    currency = data.get("CurrencyCode") or contact.get("DefaultCurrency") or seed.BASE_CURRENCY
    rate = number(data, "CurrencyRate") or books.rate(currency)
    if status not in _STATUSES or amount_types not in _AMOUNT_TYPES:
        raise Invalid(f"Status {status} or LineAmountTypes {amount_types} is not valid for a new document")
    if len(data.get("Reference") or "") > 255:
        raise Invalid("Reference must be 255 characters or less")
    document: Wire = {
        "Type": kind.type,
        "Contact": {name: contact[name] for name in ("ContactID", "ContactNumber", "Name") if name in contact},
        "Reference": data.get("Reference", ""),
        "CurrencyCode": currency,
        "CurrencyRate": rate,
        "Status": status,
        "LineAmountTypes": amount_types,
        "SentToContact": False,
        "HasAttachments": False,
        "HasErrors": False,
        "Payments": [],
    }
    if data.get("Url"):
        document["Url"] = data["Url"]
    document.update(_dates(books, kind, data, status))
    document.update(_lines(books, data, amount_types, unit_places, status))
    return document


def _dates(books: Books, kind: Kind, data: Wire, status: str) -> Wire:
    on = read_date(data, "Date") or books.clock.today
    due = read_date(data, "DueDate")
    books.check_open(on)
    if due is None and kind is INVOICES and status == "AUTHORISED":
        raise Invalid("The DueDate is required for an approved invoice")
    if due is not None and kind is INVOICES and due < on:
        raise Invalid("The DueDate cannot be before the Date")
    return {**day_fields("Date", on), **(day_fields("DueDate", due) if due is not None else {})}


def read_date(data: Wire, name: str) -> date | None:
    """Return a date that was sent, None where there is none; raises ``Invalid``."""
    if not data.get(name):
        return None
    try:
        return read_moment(str(data[name])).date()
    except ValueError:
        raise Invalid(f"{name} {data[name]!r} is not a date") from None


def _lines(books: Books, data: Wire, amount_types: str, unit_places: int, status: str) -> Wire:
    given = data.get("LineItems") or []
    if not given and status != "DRAFT":
        raise Invalid("One or more line items must be specified")
    lines = [line_item(books, one, amount_types, unit_places) for one in given]
    net = sum((line["LineAmount"] for line in lines), _ZERO)
    tax = sum((line["TaxAmount"] for line in lines), _ZERO)
    subtotal = net - tax if amount_types == "Inclusive" else net
    if subtotal + tax < 0:
        raise Invalid("The document total must be greater than or equal to zero")
    return {"LineItems": lines, "SubTotal": subtotal, "TotalTax": tax, "Total": subtotal + tax}


def settle(books: Books, kind: Kind, document: Wire) -> Wire:
    """Bring what is due, and the status, in line with the payments and allocations that stand."""
    applied = books.applied[document[kind.id]]
    payments = [one for one in applied if one.get("Status") == "AUTHORISED"]
    allocations = [one for one in applied if "AllocationID" in one]
    document["Payments"] = [{name: one[name] for name in _PAYMENT_SHOWN} for one in payments]
    paid = sum((one["Amount"] for one in payments), _ZERO)
    credited = sum((one["Amount"] for one in allocations), _ZERO)
    rest = _ZERO if document["Status"] in _REMOVED else document["Total"] - paid - credited
    if kind is INVOICES:
        document.update(AmountDue=rest, AmountPaid=paid, AmountCredited=credited)
        for credit in CREDITS:
            used = [one for one in allocations if credit.name in one]
            document[credit.plural] = [{**one[credit.name], "AppliedAmount": one["Amount"]} for one in used]
    else:
        document.update(RemainingCredit=rest)
        document["Allocations"] = [{name: one[name] for name in _ALLOCATION_SHOWN} for one in allocations]
    if document["Status"] in ("AUTHORISED", "PAID"):
        document["Status"] = "AUTHORISED" if rest else "PAID"
    return document
