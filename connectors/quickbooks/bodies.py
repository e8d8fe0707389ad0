"""Our drafts as QuickBooks' objects, plain and complete: nothing is sent that the draft does not say.

In particular no ``ExchangeRate`` (QuickBooks then takes the day's; 1 would book euros as dollars), no
``GlobalTaxCalculation`` (not for US companies) and no online payment flags (absent, the company's own setting holds).
What does not fit is refused with a remedy, never cut.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing import money
from billing.customer import Address
from connectors.base import CustomerDraft, DocumentDraft, LedgerLine, PaymentDraft
from connectors.quickbooks.catalogue import Catalogue
from connectors.quickbooks.transport import Row

NUMBER_LENGTH = 21  # DocNumber and PaymentRefNum
NAME_LENGTH = 500
COMPANY_NAME_LENGTH = 100
TEXT_LENGTH = 4000  # a line's description, a transaction's private note
MEMO_LENGTH = 1000
NOTES_LENGTH = 1024
EMAIL_LENGTH = 100
PHONE_LENGTH = 21
GIVEN_NAME_LENGTH, FAMILY_NAME_LENGTH = 25, 15
TAX_ID_LENGTH = 20
ADDRESS_LENGTHS = {"Line1": 500, "Line2": 500, "City": 255, "CountrySubDivisionCode": 255, "PostalCode": 30}
MARK = "Netterms "  # how the line of a customer's notes begins that holds our key
_CENT = Decimal("0.01")
_NUMBER_DIGITS = 15  # significant digits that every reader of JSON keeps
_FORBIDDEN_IN_NAMES = re.compile(r"[:\t\r\n]")


class NotSayable(Exception):
    """A draft that QuickBooks cannot hold as it is; the message says why and what to do."""


def fit(what: str, value: str, longest: int, remedy: str) -> str:
    """Return ``value``; raise ``NotSayable`` when it is longer than QuickBooks keeps."""
    if len(value) > longest:
        raise NotSayable(f"{what} has {len(value)} characters, QuickBooks keeps {longest}: {remedy}")
    return value


def amount(minor: int, currency: str) -> Decimal:
    """Return minor units in major ones; raise ``NotSayable`` for a third decimal, QuickBooks keeps two of all."""
    value = money.to_decimal(minor, currency)
    if value != value.quantize(_CENT):
        raise NotSayable(f"{value} {currency} has a third decimal, QuickBooks keeps two: book it by hand")
    return value if value.as_tuple().exponent == 0 else value.quantize(_CENT)


# ----------------------------------------------------------------------------------------------------------- customers


def display_name(draft: CustomerDraft, home_currency: str) -> str:
    """Return the customer's name there: one customer per currency, the plain name for the home currency."""
    name = draft.customer.name.strip()
    return name if draft.currency == home_currency else f"{name} ({draft.currency})"


def customer_body(draft: CustomerDraft, home_currency: str) -> Row:
    """Return a ``Customer``. Facts about the contact that do not fit their field stand in the notes."""
    customer, name = draft.customer, display_name(draft, home_currency)
    if not name or _FORBIDDEN_IN_NAMES.search(name):
        raise NotSayable(f"{name!r} cannot be a name at QuickBooks: remove colons, tabs and line breaks in the CRM")
    notes = [f"{MARK}{draft.key}"]
    body: Row = {
        "DisplayName": fit("the customer's name", name, NAME_LENGTH, "shorten it in the CRM"),
        "CurrencyRef": {"value": draft.currency},
    }
    if len(customer.name) <= COMPANY_NAME_LENGTH:
        body["CompanyName"] = customer.name
    if customer.email:
        body["PrimaryEmailAddr"] = _email(customer.email)
    if customer.address != Address():
        body["BillAddr"] = _address(customer.address)
    body |= _or_note(notes, "Contact", customer.contact_name, _person(customer.contact_name))
    phone = {"PrimaryPhone": {"FreeFormNumber": customer.phone}} if len(customer.phone) <= PHONE_LENGTH else None
    body |= _or_note(notes, "Phone", customer.phone, phone)
    tax_id = {"PrimaryTaxIdentifier": customer.tax_id} if len(customer.tax_id) <= TAX_ID_LENGTH else None
    body |= _or_note(notes, "Tax id", customer.tax_id, tax_id)
    text = fit("the customer's notes", "\n".join(notes), NOTES_LENGTH, "shorten contact, phone or tax id in the CRM")
    return {**body, "Notes": text}


def _or_note(notes: list[str], label: str, value: str, fields: Row | None) -> Row:
    if value and fields is None:
        notes.append(f"{label}: {value}")
    return fields if value and fields else {}


def _person(name: str) -> Row | None:
    given, _, family = name.strip().rpartition(" ")
    if len(given) > GIVEN_NAME_LENGTH or len(family) > FAMILY_NAME_LENGTH:
        return None
    return {"GivenName": given, "FamilyName": family} if given else {"FamilyName": family}


def _email(address: str) -> Row:
    return {"Address": fit("the e-mail address", address, EMAIL_LENGTH, "give a shorter one in the CRM")}


def _address(address: Address) -> Row:
    fields = {
        "Line1": address.line1,
        "Line2": address.line2,
        "City": address.city,
        "CountrySubDivisionCode": address.region,
        "PostalCode": address.postal_code,
    }
    row = {
        name: fit(f"the address ({name})", value, ADDRESS_LENGTHS[name], "shorten it in the CRM")
        for name, value in fields.items()
        if value
    }
    return {**row, "Country": address.country} if address.country else row


# ----------------------------------------------------------------------------------------------------------- documents


def entity_of(draft: DocumentDraft) -> str:
    """Return QuickBooks' name for the kind of document."""
    return "Invoice" if draft.type == "invoice" else "CreditMemo"


def document_body(draft: DocumentDraft, catalogue: Catalogue) -> Row:
    """Return an ``Invoice`` or ``CreditMemo``; our tax stands, as QuickBooks takes the total tax it is given."""
    if not draft.number:
        raise NotSayable("the document has no number: without it, it could not be found again")
    body: Row = {
        "DocNumber": fit("the number", draft.number, NUMBER_LENGTH, "shorten the series' prefix in the configuration"),
        "TxnDate": draft.issue_on.isoformat(),
        "CustomerRef": {"value": draft.customer.id},
        "CurrencyRef": {"value": draft.currency},
        "Line": [_line(line, draft.currency, catalogue) for line in draft.lines],
        "TxnTaxDetail": {"TotalTax": amount(draft.tax, draft.currency)},
    }
    if draft.type == "invoice":
        body["DueDate"] = draft.due_on.isoformat()
    if draft.mark:
        body["PrivateNote"] = fit("our mark", draft.mark, TEXT_LENGTH, "shorten it")
    if draft.email:
        body["BillEmail"] = _email(draft.email)
    if memo := _memo(draft):
        body["CustomerMemo"] = {"value": fit("the memo", memo, MEMO_LENGTH, "shorten it or the purchase order number")}
    return body


def _memo(draft: DocumentDraft) -> str:
    """Return the text for the customer. The purchase order stands in it: QuickBooks Online has no field of its own."""
    return "\n".join(filter(None, (draft.po_number and f"PO {draft.po_number}", draft.memo)))


def _line(line: LedgerLine, currency: str, catalogue: Catalogue) -> Row:
    total = amount(line.amount, currency)
    detail: Row = {
        "ItemRef": {"value": _known(catalogue, "Item", line.item)},
        "TaxCodeRef": {"value": _known(catalogue, "TaxCode", line.tax_code or ("TAX" if line.tax else "NON"))},
    }
    if line.class_:
        detail["ClassRef"] = {"value": _known(catalogue, "Class", line.class_)}
    if line.service_date:
        detail["ServiceDate"] = line.service_date.isoformat()
    text = line.description
    if says_exactly(line.quantity, line.unit_price, total):
        detail |= {"Qty": line.quantity, "UnitPrice": line.unit_price}
    else:
        text = f"{text} ({_plain(line.quantity)} x {_plain(line.unit_price)} {currency})"
    description = fit("a line's text", text, TEXT_LENGTH, "shorten the charge's description")
    return {
        "DetailType": "SalesItemLineDetail",
        "Amount": total,
        "Description": description,
        "SalesItemLineDetail": detail,
    }


def says_exactly(quantity: Decimal, price: Decimal, total: Decimal) -> bool:
    """Say whether quantity times price, rounded to a cent as QuickBooks checks it, is the amount."""
    if any(len(value.normalize().as_tuple().digits) > _NUMBER_DIGITS for value in (quantity, price)):
        return False
    return (quantity * price).quantize(_CENT, rounding=ROUND_HALF_UP) == total


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _known(catalogue: Catalogue, entity: str, name: str) -> str:
    id = catalogue.id(entity, name)
    if id is None:
        what = {"Item": "item", "Account": "account", "Class": "class", "TaxCode": "tax code"}[entity]
        raise NotSayable(f"QuickBooks has no active {what} {name!r}: create it there or correct the ledger mapping")
    return id


# ------------------------------------------------------------------------------------------------------------ payments


def payment_body(draft: PaymentDraft, catalogue: Catalogue) -> Row:
    """Return a ``Payment`` on one invoice, deposited to the account of that name."""
    total: Any = amount(draft.amount, draft.currency)
    body: Row = {
        "PaymentRefNum": fit("the payment's key", draft.key, NUMBER_LENGTH, "use the end of the provider's id"),
        "TxnDate": draft.received_on.isoformat(),
        "CustomerRef": {"value": draft.customer.id},
        "CurrencyRef": {"value": draft.currency},
        "TotalAmt": total,
        "DepositToAccountRef": {"value": _known(catalogue, "Account", draft.account)},
        "Line": [{"Amount": total, "LinkedTxn": [{"TxnId": draft.document.id, "TxnType": "Invoice"}]}],
    }
    if draft.memo:
        body["PrivateNote"] = fit("the payment's memo", draft.memo, TEXT_LENGTH, "shorten it")
    return body
