"""Customers: Xero's contacts. Our key is the contact's ``ContactNumber``, which only the API can set."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.base import Adopted, Created, CustomerDraft, LedgerCustomer, Ref, Rejected
from connectors.errors import Refused
from connectors.xero import limits
from connectors.xero.batches import BATCH_SIZE, Place, Sending, put_batch
from connectors.xero.client import Client, Json
from connectors.xero.wire import chunks, equals

_CONTACTS = Place("Contacts")


class Customers:
    """Contacts by our key. One contact takes documents in every currency."""

    batch_size = BATCH_SIZE

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, wanted: Sequence[CustomerDraft]) -> list[LedgerCustomer | None]:
        """Look each up by our key, then by its exact name (letters' case aside) among the active contacts.

        A contact found by name alone carries its own key or none: whether it is the same customer, people decide. Of
        one that was merged into another, that other is found, as the bearer of our key.
        """
        found = self._search([condition for draft in wanted for condition in _conditions(draft)])
        survivors = self._survivors([one for one in found if one.merged_into])
        for draft in wanted:
            if _quoted(draft.customer.name):
                found += self._named(_name(draft))
        by_key = {customer.key: survivors.get(customer.ref.id, customer) for customer in found if customer.key}
        by_name = {customer.name.casefold(): customer for customer in found if customer.active}
        return [by_key.get(draft.key) or by_name.get(_name(draft).casefold()) for draft in wanted]

    def create(
        self, batch: Sequence[CustomerDraft], key: str
    ) -> list[Created[LedgerCustomer] | Adopted[LedgerCustomer] | Rejected]:
        """Create contacts; one that has our key is adopted, one that merely has the name is not."""
        sendings = [
            Rejected(problem) if (problem := _problem(draft)) else Sending(_CONTACTS, _body(draft)) for draft in batch
        ]
        return put_batch(self._client, batch, sendings, key, lambda _, one: read_customer(one), self._ours)

    def update(self, ref: Ref, draft: CustomerDraft, key: str) -> LedgerCustomer:
        """Send the contact's fields that we know; of addresses and phones those of other kinds go back as they are.

        The contact that it was merged into is updated in its place, which keeps its own number. Raises ``Refused``.
        """
        if problem := _problem(draft):
            raise Refused(problem)
        there = self._survivor(ref.id)
        if there.get("ContactStatus") == "ARCHIVED":
            raise Refused(f"The contact {there.get('Name')!r} is archived at Xero: restore it there first")
        body = _body(draft)
        body.pop("DefaultCurrency", None)  # one contact takes documents in every currency
        if there["ContactID"] != ref.id:
            body.pop("ContactNumber")
        for name, kind in (("Addresses", "AddressType"), ("Phones", "PhoneType")):
            if name in body:
                ours = {one[kind] for one in body[name]}
                body[name] += [_plain(one) for one in there.get(name, ()) if one.get(kind) not in ours]
        id = there["ContactID"]
        return read_customer(self._client.change(f"Contacts/{id}", {"Contacts": [{"ContactID": id, **body}]}, key))

    def _survivor(self, id: str) -> Json:
        """Return the contact of that id, or the one that it became a part of in the end."""
        contact: Json = self._client.get(f"Contacts/{id}")["Contacts"][0]
        seen = {id}
        while (into := contact.get("MergedToContactID")) and into not in seen:
            seen.add(into)
            contact = self._client.get(f"Contacts/{into}")["Contacts"][0]
        return contact

    def _survivors(self, merged: Sequence[LedgerCustomer]) -> dict[str, LedgerCustomer]:
        """Return by the id of each merged contact the one that it became, which bears the key of the first."""
        found = {}
        for one in merged:
            survivor = read_customer(self._survivor(one.ref.id))
            found[one.ref.id] = msgspec.structs.replace(survivor, key=one.key)
        return found

    def _ours(self, wanted: Sequence[CustomerDraft]) -> list[LedgerCustomer | None]:
        by_key = {
            customer.key: customer for customer in self._search([equals("ContactNumber", one.key) for one in wanted])
        }
        return [by_key.get(draft.key) for draft in wanted]

    def _search(self, conditions: Sequence[str]) -> list[LedgerCustomer]:
        queries = [[("where", where), ("includeArchived", "true")] for where in chunks(conditions, " OR ")]
        return [read_customer(one) for query in queries for one in self._client.get("Contacts", query)["Contacts"]]

    def _named(self, name: str) -> list[LedgerCustomer]:
        """Search a name that a ``where`` filter cannot be trusted with."""
        answer = self._client.get("Contacts", [("searchTerm", name)])
        return [read_customer(one) for one in answer["Contacts"]]


def _conditions(draft: CustomerDraft) -> list[str]:
    by_key = [equals("ContactNumber", draft.key)]
    return by_key if _quoted(draft.customer.name) else [*by_key, equals("Name", _name(draft))]


def _quoted(name: str) -> bool:
    """Say whether a name has signs whose escaping in filters Xero does not document."""
    return any(sign in name for sign in '"\\')


def _name(draft: CustomerDraft) -> str:
    """Return the name with single spaces: Xero refuses doubled ones."""
    return " ".join(draft.customer.name.split())


def _problem(draft: CustomerDraft) -> str:
    """Say why Xero cannot hold the customer as it is; nothing when it can."""
    customer, address = draft.customer, draft.customer.address
    if not _name(draft):
        return "The customer has no name"
    return limits.forbidden("The customer's name", customer.name, limits.NOT_IN_NAMES) or limits.overlong(
        [
            ("The customer's name", _name(draft), limits.NAME),
            ("The customer's key", draft.key, limits.CONTACT_NUMBER),
            ("The e-mail address", customer.email, limits.EMAIL),
            ("The tax id", customer.tax_id, limits.TAX_NUMBER),
            ("The phone number", customer.phone, limits.PHONE),
            ("The contact's name", customer.contact_name, limits.ATTENTION),
            ("The first address line", address.line1, limits.ADDRESS_LINE),
            ("The second address line", address.line2, limits.ADDRESS_LINE),
            ("The city", address.city, limits.CITY),
            ("The region", address.region, limits.REGION),
            ("The postal code", address.postal_code, limits.POSTAL_CODE),
            ("The country", address.country, limits.COUNTRY),
        ]
    )


def _plain(part: Json) -> Json:
    """Return what is filled of an address or a phone."""
    return {name: value for name, value in part.items() if value}


def _body(draft: CustomerDraft) -> Json:
    customer, address = draft.customer, draft.customer.address
    postal = {
        "AddressType": "POBOX",  # the one Xero prints on invoices
        "AddressLine1": address.line1,
        "AddressLine2": address.line2,
        "City": address.city,
        "Region": address.region,
        "PostalCode": address.postal_code,
        "Country": address.country,
        "AttentionTo": customer.contact_name,
    }
    fields = {
        "Name": _name(draft),
        "ContactNumber": draft.key,
        "EmailAddress": customer.email,
        "TaxNumber": customer.tax_id,
        "DefaultCurrency": draft.currency,
    }
    body: Json = {name: value for name, value in fields.items() if value}
    if any(value for name, value in postal.items() if name != "AddressType"):
        body["Addresses"] = [{name: value for name, value in postal.items() if value}]
    if customer.phone:
        body["Phones"] = [{"PhoneType": "DEFAULT", "PhoneNumber": customer.phone}]
    return body


def read_customer(element: Json) -> LedgerCustomer:
    """Return a contact; it takes documents in every currency."""
    return LedgerCustomer(
        ref=Ref(id=element["ContactID"]),
        name=element.get("Name", ""),
        key=element.get("ContactNumber") or "",
        email=element.get("EmailAddress") or "",
        tax_id=element.get("TaxNumber") or "",
        merged_into=element.get("MergedToContactID") or "",
        active=element.get("ContactStatus", "ACTIVE") == "ACTIVE",
    )
