"""Old books: typed by the ledgers' own rules, the same for the same seed, and as untidy as real ones."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import pytest

from sandbox.server import Options, Sandbox
from sandbox.world import World, build_world
from sandbox.world.history import OldBooks, bare_name

TODAY = date(2026, 9, 17)
GO_LIVE = date(2026, 9, 1)


@cache
def world(seed: int = 1, deals: int = 120, history: int = 18) -> World:
    return build_world(seed=seed, deals=deals, history=history, today=TODAY)


@cache
def sandbox() -> Sandbox:
    return Sandbox(Options(today=TODAY, deals=120, history=18))


def all_books() -> list[OldBooks]:
    return list(world().old_books.values())


def test_without_a_history_the_ledgers_are_empty() -> None:
    made = world(history=0)
    assert (made.old_books, made.strangers) == ({}, ())


def test_the_same_seed_types_the_same_books_and_another_seed_others() -> None:
    assert build_world(seed=1, deals=120, history=18, today=TODAY) == world()
    assert world(seed=2).old_books != world().old_books


def test_a_reset_types_them_anew_with_the_same_ids() -> None:
    before = {name: sandbox().vendors[name].state() for name in ("quickbooks", "xero")}
    sandbox().reset()
    assert {name: sandbox().vendors[name].state() for name in before} == before


def test_the_ledgers_took_everything_that_was_typed() -> None:
    quickbooks, xero = (sandbox().vendors[name].state() for name in ("quickbooks", "xero"))
    us, uk = world().old_books["us"], world().old_books["uk"]
    assert len(quickbooks["invoices"]) + len(quickbooks["creditmemos"]) == len(us.documents)
    assert len(xero["invoices"]) + len(xero["credit_notes"]) == len(uk.documents)
    assert len(xero["payments"]) == len(uk.payments)
    assert len(quickbooks["customers"]) == len(us.customers)


def test_nothing_is_dated_later_than_the_first_day() -> None:
    for books in all_books():
        assert max(document.issue_on for document in books.documents) <= TODAY
        assert max(payment.on for payment in books.payments) <= TODAY
        assert min(document.issue_on for document in books.documents) > TODAY - timedelta(days=19 * 31)


@pytest.mark.parametrize("entity", ["us", "uk"])
def test_every_kind_of_document_is_there(entity: str) -> None:
    books = world().old_books[entity]
    paid: Counter[str] = Counter()
    for payment in books.payments:
        paid[payment.document] += 1
    by_key = {payment.document: payment for payment in books.payments}
    invoices = [document for document in books.documents if not document.is_credit]
    assert any(document.voided for document in invoices)
    assert any(by_key[one.key].amount < one.total for one in invoices if one.key in by_key)
    assert any(one.key not in by_key and one.due_on < GO_LIVE and not one.voided for one in invoices)
    credits_ = [document for document in books.documents if document.is_credit]
    assert {bool(credit.applied_to) for credit in credits_} == {True, False}
    assert {bool(payment.reference) for payment in books.payments} == {True, False}


def test_numbers_are_unique_and_some_look_like_ours() -> None:
    for entity, books in world().old_books.items():
        numbers = [one.number for one in books.documents if one.number]
        assert len(set(numbers)) == len(numbers)
        assert any(number.startswith(f"{entity.upper()}-") for number in numbers)
        assert not any(len(number) == len(entity) + 6 and number.startswith(entity.upper()) for number in numbers)


def test_customers_stand_there_as_people_enter_them() -> None:
    customers = [customer for books in all_books() for customer in books.customers]
    names = {customer.name: customer.buyer.name for customer in customers}
    assert any(name == name.upper() for name in names)
    assert any(name.endswith("(HQ)") for name in names)
    assert any(name != own and bare_name(own) in name for name, own in names.items())
    assert {bool(customer.email) for customer in customers} == {True, False}
    assert {bool(customer.tax_id) for customer in customers} == {True, False}
    currencies = Counter((customer.buyer.id, customer.currency) for customer in customers)
    assert any(buyer == other and one != two for buyer, one in currencies for other, two in currencies)


def test_a_customer_in_two_currencies_is_two_at_quickbooks_and_one_at_xero() -> None:
    quickbooks, xero = (sandbox().vendors[name].state() for name in ("quickbooks", "xero"))
    abroad = [row["DisplayName"] for row in quickbooks["customers"] if row["CurrencyRef"]["value"] == "EUR"]
    assert abroad
    assert {name.removesuffix(" (EUR)") for name in abroad} <= {row["DisplayName"] for row in quickbooks["customers"]}
    spent = {(row["Contact"]["ContactID"], row["CurrencyCode"]) for row in xero["invoices"]}
    assert max(Counter(contact for contact, _ in spent).values()) == 2
    assert not any("(EUR)" in row["Name"] or "(GBP)" in row["Name"] for row in xero["contacts"])


def test_some_who_never_were_a_deal_bear_nearly_the_name_of_a_customer() -> None:
    made = world()
    bare = {bare_name(buyer.name): buyer for buyer in made.buyers}
    alike = [one for one in made.strangers if one.name.removesuffix(" & Co.") in bare]
    assert alike
    for one in alike:
        assert one.properties["domain"] != bare[one.name.removesuffix(" & Co.")].properties["domain"]
    assert not {one.id for one in made.strangers} & {buyer.id for buyer in made.buyers}


def test_what_is_open_is_paid_through_stripe_under_its_old_number() -> None:
    running = Sandbox(Options(today=TODAY, deals=60, history=18))
    old = {document.number for books in running.world.old_books.values() for document in books.documents}
    running.move_clock(TODAY + timedelta(days=30))
    texts = [str(charge) for charge in running.vendors["stripe"].state()["charges"]]
    named = {number for number in old if number and any(number in text for text in texts)}
    assert len(named) > 5


def test_totals_are_those_of_the_ledger() -> None:
    totals = {row["InvoiceNumber"]: Decimal(str(row["Total"])) for row in sandbox().vendors["xero"].state()["invoices"]}
    for document in world().old_books["uk"].documents:
        if document.number and not document.is_credit:
            assert totals[document.number] == document.total
