"""Customers: one per currency, found by name, ours marked in their notes; updates touch only what we say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from billing.customer import Address
from connectors.base import CustomerDraft, LedgerCustomer, Ref
from connectors.errors import Refused
from connectors.quickbooks import rows
from connectors.quickbooks.collection import DUPLICATES, Collection
from connectors.quickbooks.limits import (
    ADDRESS_LENGTHS,
    COMPANY_NAME_LENGTH,
    EMAIL_LENGTH,
    FAMILY_NAME_LENGTH,
    GIVEN_NAME_LENGTH,
    NAME_LENGTH,
    NOTES_LENGTH,
    PHONE_LENGTH,
    TAX_ID_LENGTH,
    NotSayable,
    fit,
)
from connectors.quickbooks.rows import MARK
from connectors.quickbooks.transport import STALE, Fault, FaultError, Row

_FORBIDDEN_IN_NAMES = re.compile(r"[:\t\r\n]")
_LABELS = ("Contact", "Phone", "Tax id")  # of facts that did not fit their field
_OURS = (MARK, *(f"{label}: " for label in _LABELS))


class Customers(Collection[CustomerDraft, LedgerCustomer]):
    """Customers, found by name; ours carry their key in the notes."""

    def find(self, wanted: Sequence[CustomerDraft]) -> list[LedgerCustomer | None]:
        """Find customers by the name that each would get; whose key is not the draft's is not known to be the same."""
        home = self._catalogue.home_currency()
        names = [display_name(draft, home) for draft in wanted]
        found = {row["DisplayName"].casefold(): row for row in self._transport.among("Customer", "DisplayName", names)}
        held = [found.get(name.casefold()) for name in names]
        return [None if row is None else rows.customer(row) for row in held]

    def update(self, ref: Ref, draft: CustomerDraft, key: str) -> LedgerCustomer:
        """Write our fields over a customer's own, unless somebody changed it since ``ref.version``.

        Then nothing is written: it is returned when it holds what we say anyway, else ``Refused`` names the fields
        that differ. Raises ``Refused`` for what cannot be said, too.
        """
        try:
            body = customer_body(draft, self._catalogue.home_currency())
        except NotSayable as error:
            raise Refused(str(error)) from error
        del body["CurrencyRef"]  # fixed for good
        row = self._transport.get("Customer", ref.id)
        if ref.version in ("", row["SyncToken"]):
            change = {**_onto(body, row), "Id": ref.id, "SyncToken": row["SyncToken"], "sparse": True}
            try:
                return rows.customer(self._transport.change("Customer", change, key))
            except FaultError as error:
                if error.code != STALE:
                    raise
                row = self._transport.get("Customer", ref.id)
        if differing := _differing(_onto(body, row), row):
            raise Refused(f"customer {ref.id} was changed at QuickBooks meanwhile; {', '.join(differing)} differ")
        return rows.customer(row)

    def _body(self, draft: CustomerDraft) -> tuple[str, Row]:
        return "Customer", customer_body(draft, self._catalogue.home_currency())

    def _read(self, draft: CustomerDraft, row: Row) -> LedgerCustomer:
        return rows.customer(row)

    def _is_ours(self, draft: CustomerDraft, existing: LedgerCustomer) -> bool:
        return existing.key == draft.key

    def _reason(self, draft: CustomerDraft, fault: Fault, existing: LedgerCustomer | None) -> str:
        if fault.code not in DUPLICATES:
            return fault.text
        name = display_name(draft, self._catalogue.home_currency())
        holder = f"customer {existing.ref.id}" if existing else "a vendor, an employee or another customer"
        return f"the name {name!r} is taken by {holder}: link it if it is the same, else rename one ({fault.text})"


def _onto(body: Row, row: Row) -> Row:
    """Return ``body`` so that nothing is cleared: with the lines of the notes that people wrote there."""
    theirs = [line for line in str(row.get("Notes") or "").splitlines() if not line.startswith(_OURS)]
    notes = "\n".join([body["Notes"], *theirs])
    if len(notes) > NOTES_LENGTH:
        raise Refused(f"the customer's notes would have {len(notes)} characters, QuickBooks keeps {NOTES_LENGTH}")
    merged = {**body, "Notes": notes}
    if "FamilyName" in body and "GivenName" not in body and row.get("GivenName"):
        merged["GivenName"] = ""  # it was another person's
    return merged


def _differing(body: Row, row: Row) -> list[str]:
    """Return the fields that are not as we would write them, as far as QuickBooks shows what it holds."""
    wanted = {name: _address_only(value) if name == "BillAddr" else value for name, value in body.items()}
    held = {**row, "BillAddr": _address_only(row.get("BillAddr") or {})}
    shown = str(held.get("PrimaryTaxIdentifier") or "").lstrip("Xx")  # only its end
    if str(wanted.get("PrimaryTaxIdentifier") or "").replace("-", "").endswith(shown):
        wanted.pop("PrimaryTaxIdentifier", None)
    return sorted(name for name, value in wanted.items() if value != (held.get(name) or type(value)()))


def _address_only(address: Row) -> Row:
    """Return an address without what QuickBooks adds, and without the country: it comes back in another form."""
    return {name: value for name, value in address.items() if name in ADDRESS_LENGTHS}


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
        body["PrimaryEmailAddr"] = email(customer.email)
    if customer.address != Address():
        body["BillAddr"] = _address(customer.address)
    phone = {"PrimaryPhone": {"FreeFormNumber": customer.phone}} if len(customer.phone) <= PHONE_LENGTH else None
    tax_id = {"PrimaryTaxIdentifier": customer.tax_id} if len(customer.tax_id) <= TAX_ID_LENGTH else None
    values = (customer.contact_name, customer.phone, customer.tax_id)
    for label, value, fields in zip(_LABELS, values, (_person(customer.contact_name), phone, tax_id), strict=True):
        body |= _or_note(notes, label, value, fields)
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


def email(address: str) -> Row:
    """Return an e-mail address; raise ``NotSayable`` for one that QuickBooks would refuse."""
    if "@" not in address:
        raise NotSayable(f"the e-mail address {address!r} has no @: correct it in the CRM")
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
