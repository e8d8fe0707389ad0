"""Customers, and which object at which vendor is which of ours."""

from __future__ import annotations

import msgspec

from billing.customer import Customer
from store import audit
from store.audit import Actor
from store.database import Store, to_json


class CustomerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A customer: one company of the CRM."""

    id: int
    crm: str
    crm_id: str
    data: str

    @property
    def customer(self) -> Customer:
        """The customer's facts."""
        return msgspec.json.decode(self.data, type=Customer)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One of our records at a vendor. ``kind``: customer, document, payment or payer."""

    connection: str
    kind: str
    vendor_id: str
    version: str
    our_id: int
    currency: str


def save_customer(store: Store, actor: Actor, crm: str, crm_id: str, customer: Customer) -> int:
    """Store the customer of a CRM company, audited when it is new or changed; return its id."""
    data = to_json(customer)
    row = store.first(CustomerRow, "SELECT * FROM customers WHERE crm=? AND crm_id=?", crm, crm_id)
    if row is None:
        new = store.insert("customers", crm=crm, crm_id=crm_id, data=data)
        audit.write(store, actor, "created", f"customer:{new}", after=customer)
        return new
    if row.data != data:
        store.execute("UPDATE customers SET data=? WHERE id=?", data, row.id)
        audit.write(store, actor, "changed", f"customer:{row.id}", before=row.customer, after=customer)
    return row.id


def customers(store: Store) -> dict[int, CustomerRow]:
    """Return every customer by id."""
    return {row.id: row for row in store.rows(CustomerRow, "SELECT * FROM customers ORDER BY id")}


def save_link(
    store: Store, connection: str, kind: str, vendor_id: str, our_id: int, *, version: str = "", currency: str = ""
) -> None:
    """Remember that ``vendor_id`` is our record ``our_id``; a newer version replaces the older."""
    store.execute(
        "INSERT INTO links (connection, kind, vendor_id, version, our_id, currency) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (connection, kind, vendor_id, currency)"
        " DO UPDATE SET version=excluded.version, our_id=excluded.our_id",
        connection,
        kind,
        vendor_id,
        version,
        our_id,
        currency,
    )


def by_vendor(store: Store, connection: str, kind: str) -> dict[str, int]:
    """Return our id by the vendor's id."""
    return dict(store.tuples("SELECT vendor_id, our_id FROM links WHERE connection=? AND kind=?", connection, kind))


def by_ours(store: Store, connection: str, kind: str) -> dict[tuple[int, str], Link]:
    """Return the link by (our id, currency); the currency is empty where it does not matter."""
    found = store.rows(Link, "SELECT * FROM links WHERE connection=? AND kind=?", connection, kind)
    return {(link.our_id, link.currency): link for link in found}
