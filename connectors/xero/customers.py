"""Customers: Xero's contacts. Our key is the contact's ``ContactNumber``, which only the API can set."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.base import Adopted, Created, CustomerDraft, LedgerCustomer, Ref, Rejected
from connectors.xero.client import Client, Json
from connectors.xero.wire import chunks, equals, results


class Customers:
    """Contacts by our key. One contact takes documents in every currency."""

    batch_size = 50

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, wanted: Sequence[CustomerDraft]) -> list[LedgerCustomer | None]:
        """Look each up by our key, then by its exact name (letters' case aside) among the active contacts.

        A contact found by name alone carries its own key or none: whether it is the same customer, people decide.
        """
        found = self._search([condition for draft in wanted for condition in _conditions(draft)])
        for draft in wanted:
            if _quoted(draft.customer.name):
                found += self._named(_name(draft))
        by_key = {customer.key: customer for customer in found if customer.key}
        by_name = {customer.name.casefold(): customer for customer in found if customer.active}
        return [by_key.get(draft.key) or by_name.get(_name(draft).casefold()) for draft in wanted]

    def create(
        self, batch: Sequence[CustomerDraft], key: str
    ) -> list[Created[LedgerCustomer] | Adopted[LedgerCustomer] | Rejected]:
        """Create contacts; one that has our key is adopted, one that merely has the name is not."""
        answered = self._client.put("Contacts", [_body(draft) for draft in batch], key)
        return results(batch, answered, read_customer, self._ours)

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
