"""Customers, and which object at which vendor is which of ours."""

from __future__ import annotations

from billing.customer import Address, Customer
from store import audit, links
from store.database import Store
from tests.store.build import ADA

ACME = Customer(name="Acme Ltd", address=Address(country="GB"))


def test_a_company_of_the_crm_is_one_customer_however_often_it_is_seen(store: Store) -> None:
    first = links.save_customer(store, ADA, "crm", "7", ACME)
    before = audit.head(store)
    assert links.save_customer(store, ADA, "crm", "7", ACME) == first
    assert audit.head(store) == before
    assert {key: row.customer for key, row in links.customers(store).items()} == {first: ACME}


def test_a_changed_company_stays_the_same_customer_and_the_change_is_in_the_trail(store: Store) -> None:
    first = links.save_customer(store, ADA, "crm", "7", ACME)
    renamed = Customer(name="Acme Group Ltd")
    assert links.save_customer(store, ADA, "crm", "7", renamed) == first
    assert links.customers(store)[first].customer == renamed
    assert [entry.action for entry in audit.entries(store, f"customer:{first}")] == ["created", "changed"]


def test_the_same_id_in_another_crm_is_another_customer(store: Store) -> None:
    assert links.save_customer(store, ADA, "crm", "7", ACME) != links.save_customer(store, ADA, "other", "7", ACME)


def test_a_link_is_found_from_both_sides(store: Store) -> None:
    links.save_link(store, "books", "customer", "V-1", 5, version="0", currency="GBP")
    links.save_link(store, "books", "customer", "V-2", 5, version="0", currency="EUR")
    links.save_link(store, "books", "document", "V-1", 9)
    assert links.by_vendor(store, "books", "customer") == {"V-1": 5, "V-2": 5}
    found = links.by_ours(store, "books", "customer")
    assert {key: link.vendor_id for key, link in found.items()} == {(5, "GBP"): "V-1", (5, "EUR"): "V-2"}
    assert links.by_ours(store, "other", "customer") == {}


def test_a_newer_version_takes_the_place_of_the_older(store: Store) -> None:
    for version in ("0", "1"):
        links.save_link(store, "books", "customer", "V-1", 5, version=version, currency="GBP")
    (link,) = links.by_ours(store, "books", "customer").values()
    assert (link.version, link.our_id) == ("1", 5)


def test_a_link_can_be_forgotten(store: Store) -> None:
    for vendor_id, our_id in (("V-1", 5), ("V-2", 6)):
        links.save_link(store, "books", "payment", vendor_id, our_id)
    links.unlink(store, "books", "payment", "V-1")
    assert links.by_vendor(store, "books", "payment") == {"V-2": 6}


def test_a_merged_company_is_known_by_every_id_it_had(store: Store) -> None:
    first = links.save_customer(store, ADA, "crm", "A", Customer(name="Acme"))
    second = links.save_customer(store, ADA, "crm", "B", Customer(name="Acme Ltd"))
    rows = links.customers(store)
    links.add_aliases(store, ADA, rows[first], "C", [rows[first], rows[second]])
    assert links.save_customer(store, ADA, "crm", "C", Customer(name="Acme Limited")) == first
    found = {company: links.known_as(store, "crm", company) for company in "ABCD"}
    assert [row.id if row else None for row in found.values()] == [first, second, first, None]
    assert links.company_ids(store) == {"A": first, "B": second, "C": first}


def test_an_alias_that_is_known_leaves_no_further_trace(store: Store) -> None:
    first = links.save_customer(store, ADA, "crm", "A", Customer(name="Acme"))
    row = links.customers(store)[first]
    links.add_aliases(store, ADA, row, "A")
    assert store.tuples("SELECT * FROM customer_aliases") == []
    links.add_aliases(store, ADA, row, "C")
    before = audit.head(store)
    links.add_aliases(store, ADA, row, "C")
    assert audit.head(store) == before
    links.add_aliases(store, ADA, row, "E")
    assert store.tuples("SELECT crm_id FROM customer_aliases WHERE current=1") == [("E",)]
