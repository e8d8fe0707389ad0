"""Customers, and which object at which vendor is which of ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

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
    """Store the customer of a CRM company, audited when it is new or changed; return its id.

    A company that others were merged into may be a customer under another id: see ``add_alias``.
    """
    row = known_as(store, crm, crm_id)
    if row is None:
        new = store.insert("customers", crm=crm, crm_id=crm_id, data=to_json(customer))
        audit.write(store, actor, "created", f"customer:{new}", after=customer)
        return new
    change_customer(store, actor, row, customer)
    return row.id


def change_customer(store: Store, actor: Actor, row: CustomerRow, customer: Customer) -> None:
    """Store what the CRM says of a customer now, audited when it is something else."""
    data = to_json(customer)
    if row.data != data:
        store.execute("UPDATE customers SET data=? WHERE id=?", data, row.id)
        audit.write(store, actor, "changed", f"customer:{row.id}", before=row.customer, after=customer)


def known_as(store: Store, crm: str, crm_id: str) -> CustomerRow | None:
    """Return the customer of a company, by the id it was first known by or one it got in a merge."""
    alias = "SELECT c.* FROM customers c JOIN customer_aliases a ON a.customer_id=c.id WHERE a.crm=? AND a.crm_id=?"
    first = store.first(CustomerRow, "SELECT * FROM customers WHERE crm=? AND crm_id=?", crm, crm_id)
    return first or store.first(CustomerRow, alias, crm, crm_id)


def add_aliases(
    store: Store, actor: Actor, row: CustomerRow, company_id: str, parts: Sequence[CustomerRow] = ()
) -> None:
    """Say that a customer is the company ``company_id`` now, of which the customers ``parts`` became part, too."""
    wanted = {company_id: 1} if company_id != row.crm_id else {}
    wanted |= {part.crm_id: 0 for part in parts if part.id != row.id}
    known = "SELECT crm_id, current FROM customer_aliases WHERE customer_id=?"
    found = dict(store.tuples(known, row.id))
    if all(found.get(crm_id) == current for crm_id, current in wanted.items()):
        return
    store.execute("UPDATE customer_aliases SET current=0 WHERE customer_id=?", row.id)
    store.many(
        "INSERT INTO customer_aliases (crm, crm_id, customer_id, current) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (crm, crm_id) DO UPDATE SET customer_id=excluded.customer_id, current=excluded.current",
        [(row.crm, crm_id, row.id, current) for crm_id, current in wanted.items()],
    )
    audit.write(store, actor, "company merged", f"customer:{row.id}", after={"company": company_id, "of": [*wanted]})


def company_ids(store: Store) -> dict[str, int]:
    """Return our customer by every id that its company has or had in the CRM."""
    alias = dict(store.tuples("SELECT crm_id, customer_id FROM customer_aliases"))
    return alias | dict(store.tuples("SELECT crm_id, id FROM customers"))


def named(store: Store, name: str) -> list[int]:
    """Return the customers whose company has or had this id in the CRM; else those of this name, capitals aside."""
    by_id = company_ids(store).get(name)
    if by_id is not None:
        return [by_id]
    sql = "SELECT id FROM customers WHERE lower(data ->> 'name')=lower(?) ORDER BY id"
    return [found for (found,) in store.tuples(sql, name.strip())]


def names(store: Store) -> list[str]:
    """Return the name of every customer."""
    return [name for (name,) in store.tuples("SELECT DISTINCT data ->> 'name' FROM customers ORDER BY 1")]


def customers(store: Store) -> dict[int, CustomerRow]:
    """Return every customer by id."""
    return {row.id: row for row in store.rows(CustomerRow, "SELECT * FROM customers ORDER BY id")}


def customers_among(store: Store, ids: Collection[int]) -> dict[int, CustomerRow]:
    """Return some customers by id, at most 32,766 at once."""
    marks = ", ".join("?" * len(ids))
    return {row.id: row for row in store.rows(CustomerRow, f"SELECT * FROM customers WHERE id IN ({marks})", *ids)}


def crm_ids(store: Store) -> Iterator[tuple[int, str, str]]:
    """Yield (our id, CRM, company there) of every customer."""
    yield from store.each("SELECT id, crm, crm_id FROM customers ORDER BY id")


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


def unlink(store: Store, connection: str, kind: str, vendor_id: str) -> None:
    """Forget that ``vendor_id`` is one of our records."""
    store.execute("DELETE FROM links WHERE connection=? AND kind=? AND vendor_id=?", connection, kind, vendor_id)


def by_vendor(store: Store, connection: str, kind: str) -> dict[str, int]:
    """Return our id by the vendor's id."""
    return dict(store.tuples("SELECT vendor_id, our_id FROM links WHERE connection=? AND kind=?", connection, kind))


def vendor_ids(store: Store, connection: str, kinds: Iterable[str]) -> set[str]:
    """Return the vendor's ids of everything of some kinds."""
    names = tuple(kinds)
    marks = ", ".join("?" * len(names))
    rows = store.tuples(f"SELECT vendor_id FROM links WHERE connection=? AND kind IN ({marks})", connection, *names)
    return {vendor_id for (vendor_id,) in rows}


def by_ours(store: Store, connection: str, kind: str) -> dict[tuple[int, str], Link]:
    """Return the link by (our id, currency); the currency is empty where it does not matter."""
    found = store.rows(Link, "SELECT * FROM links WHERE connection=? AND kind=?", connection, kind)
    return {(link.our_id, link.currency): link for link in found}


def of_ours(store: Store, connection: str, kind: str, ids: Collection[int]) -> dict[tuple[int, str], Link]:
    """Return the same of some of our records, at most 32,764 at once."""
    sql = f"SELECT * FROM links WHERE connection=? AND kind=? AND our_id IN ({', '.join('?' * len(ids))})"
    return {(link.our_id, link.currency): link for link in store.rows(Link, sql, connection, kind, *ids)}


def link_customer(
    store: Store, actor: Actor, connection: str, vendor_id: str, our_id: int, currencies: Sequence[str], why: str
) -> None:
    """Say that the ledger's customer is ours for documents in ``currencies``; ``why`` is kept in the audit trail."""
    for currency in currencies:
        save_link(store, connection, "customer", vendor_id, our_id, currency=currency)
    after = {"connection": connection, "vendor_id": vendor_id, "currencies": list(currencies)}
    audit.write(store, actor, "linked", f"customer:{our_id}", after=after, reason=why)


def move_customer(store: Store, actor: Actor, connection: str, old: str, new: str, why: str) -> int:
    """Follow a merge: what was linked to the ledger's customer ``old`` is linked to ``new``; return how many were not.

    A link stays where another customer of ours is linked to ``new`` for the same currency already.
    """
    moved = store.execute(
        "UPDATE links SET vendor_id=?, version='' WHERE connection=? AND kind='customer' AND vendor_id=? AND NOT EXISTS"
        " (SELECT 1 FROM links l WHERE l.connection=links.connection AND l.kind='customer' AND l.vendor_id=?"
        " AND l.currency=links.currency)",
        new,
        connection,
        old,
        new,
    )
    if moved:
        audit.write(store, actor, "link moved", f"{connection}:{old}", after={"vendor_id": new}, reason=why)
    left = "SELECT count(*) FROM links WHERE connection=? AND kind='customer' AND vendor_id=?"
    return int(store.one(left, connection, old))


def separate(store: Store, actor: Actor, connection: str, our_id: int, vendor_ids: Sequence[str], why: str) -> None:
    """Remember that customers of the ledger that look like ours are others."""
    store.many(
        "INSERT INTO separations (connection, our_id, vendor_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(connection, our_id, vendor_id) for vendor_id in vendor_ids],
    )
    after = {"connection": connection, "not": list(vendor_ids)}
    audit.write(store, actor, "separated", f"customer:{our_id}", after=after, reason=why)


def separations(store: Store, connection: str) -> set[tuple[int, str]]:
    """Return (our id, the ledger's id) of customers that a person called different."""
    return set(store.tuples("SELECT our_id, vendor_id FROM separations WHERE connection=?", connection))
