"""Who of a ledger is who of ours: certain only with evidence, and a look-alike is a question."""

from __future__ import annotations

from typing import Any

import pytest

from billing.customer import Customer
from connectors.base import LedgerCustomer, Ref
from store import ledger, links
from store.database import Store
from sync.context import Context
from sync.identity import Identity, Match, link_certain, loose, undecided_item
from tests.worlds import NOBODY, Bench

BOOKS = "books_uk"
ACME = Customer(name="Acme Robotics Ltd", domain="acme.example", tax_id="GB 123 4567 82", email="ap@acme.example")


def there(id_: str = "L1", name: str = "Acme Robotics Ltd", **fields: Any) -> LedgerCustomer:
    """A customer of the ledger."""
    return LedgerCustomer(ref=Ref(id=id_), name=name, **fields)


def match(bench: Bench, *theirs: LedgerCustomer, ours: Customer = ACME, currency: str = "GBP") -> Match:
    """Find ours among theirs; earlier links and decisions in the store count."""
    with bench.store() as store:
        with store.transaction():
            our_id = links.save_customer(store, NOBODY, "crm", "77", ours)
            ledger.save(store, BOOKS, "customer", [(one.ref.id, one) for one in theirs])
        return identity(bench, store).match(links.customers(store)[our_id], currency)


def identity(bench: Bench, store: Store) -> Identity:
    return Identity(Context(store, bench, "match_customers", lambda done, total: None), BOOKS)


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (there(key="crm-77", name="Something else"), "it bears our key"),
        (there(tax_id="GB123456782"), "same name and same tax id"),
        (there(name="ACME  robotics ltd", email="billing@ACME.example"), "same name and same mail domain"),
        (there(name="Acme Robotics Ltd (GBP)", currency="GBP", email="x@acme.example"), "same name and same"),
    ],
)
def test_with_evidence_it_is_certain(bench: Bench, theirs: LedgerCustomer, why: str) -> None:
    found = match(bench, theirs, there("L2", "Zenith plc"))
    assert (found.how, found.theirs) == ("certain", (theirs,))
    assert why in found.why


@pytest.mark.parametrize(
    "theirs",
    [
        there(),  # the name alone
        there(email="robotics@gmail.com"),  # whose domain says nothing
        there(tax_id="GB999999973", email="ap@acme.example"),  # another tax id counts against the rest
        there(name="ACME ROBOTICS CORPORATION"),  # another legal form
        there(name="Robotics, Acme"),  # another order
        there(name="Acme Robotic Ltd"),  # a letter less
        there(name="Northwind Ltd", tax_id="GB123456782"),  # renamed since
        there(name="Northwind Ltd", email="office@acme.example"),
    ],
)
def test_what_merely_resembles_is_a_question_to_a_person(bench: Bench, theirs: LedgerCustomer) -> None:
    found = match(bench, theirs, there("L2", "Zenith plc"))
    assert (found.how, found.theirs) == ("undecided", (theirs,))


def test_two_that_fit_are_a_question_that_shows_both(bench: Bench) -> None:
    twins = (there("L1", email="a@acme.example"), there("L2", email="b@acme.example"))
    found = match(bench, *twins)
    assert (found.how, {one.ref.id for one in found.theirs}) == ("undecided", {"L1", "L2"})
    with bench.store() as store:
        item = undecided_item(BOOKS, links.customers(store)[1], "GBP", found)
    assert "domain acme.example, tax id GB 123 4567 82" in item.message
    assert "(id L1, mail a@acme.example" in item.message
    assert "link=ID (L1 or L2)" in item.fix


@pytest.mark.parametrize(
    "theirs",
    [
        there(name="Apex Robotics Ltd"),
        there(active=False),
        there(currency="EUR", name="Acme Robotics Ltd (EUR)"),  # takes euros only
    ],
)
def test_who_cannot_be_meant_is_not_asked_about(bench: Bench, theirs: LedgerCustomer) -> None:
    assert match(bench, theirs).how == "new"


def test_the_ledgers_id_in_the_crm_decides_whatever_the_name(bench: Bench) -> None:
    ours = Customer(name="Acme Robotics Ltd", ledger_id="L9")
    found = match(bench, there(), there("L9", "Old Acme"), ours=ours)
    assert (found.how, found.theirs[0].ref.id, found.why) == ("certain", "L9", "its id is kept in the CRM")


def test_a_stored_link_comes_before_everything(bench: Bench) -> None:
    match(bench, there(key="crm-77"))
    with bench.store() as store, store.transaction():
        links.link_customer(store, NOBODY, BOOKS, "L5", 1, ["GBP"], "a person said so")
    assert match(bench, there(key="crm-77")).how == "linked"


def test_a_contact_that_takes_any_currency_is_the_same_in_the_next_one(bench: Bench) -> None:
    match(bench, there(name="Old Acme"))
    with bench.store() as store, store.transaction():
        links.link_customer(store, NOBODY, BOOKS, "L1", 1, ["GBP"], "a person said so")
    found = match(bench, there(name="Old Acme"), currency="EUR")
    assert (found.how, found.why) == ("certain", "linked in another currency")


def test_who_was_called_different_is_not_asked_about_again(bench: Bench) -> None:
    match(bench, there())
    with bench.store() as store, store.transaction():
        links.separate(store, NOBODY, BOOKS, 1, ["L1"], "another company")
    assert match(bench, there()).how == "new"
    assert match(bench, there(), there("L2")).how == "undecided"


def test_a_customer_of_ours_is_not_offered_to_another(bench: Bench) -> None:
    with bench.store() as store, store.transaction():
        other = links.save_customer(store, NOBODY, "crm", "88", Customer(name="Acme Robotics Ltd"))
        links.link_customer(store, NOBODY, BOOKS, "L1", other, ["GBP"], "known")
    assert match(bench, there(email="ap@acme.example"), there("L2", key="crm-88")).how == "new"


def test_one_that_two_of_ours_would_be_is_a_question_for_each(bench: Bench) -> None:
    with bench.store() as store:
        with store.transaction():
            ours = {links.save_customer(store, NOBODY, "crm", key, ACME): key for key in ("1", "2")}
            ledger.save(store, BOOKS, "customer", [("L1", there(email="ap@acme.example"))])
        context = Context(store, bench, "match_customers", lambda done, total: None)
        undecided = link_certain(context, BOOKS, [(our_id, "GBP") for our_id in ours])
        assert {our_id for our_id, _ in undecided} == ours.keys()
        assert links.by_ours(store, BOOKS, "customer") == {}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("ACME Corporation Inc.", "acme"), ("Acme, S.r.l.", "acme"), ("The Acme Group", "acme"),
        ("Group Ltd", "group ltd"), ("Müller & Söhne GmbH & Co. KG", "müller söhne"),
    ],
)  # fmt: skip
def test_legal_forms_are_no_part_of_a_compared_name(name: str, kept: str) -> None:
    assert loose(name) == kept
