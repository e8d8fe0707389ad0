"""Lists for the pages: one page of rows at a time, by an index, whatever the store holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from billing.customer import Customer
from store import cash, foreign, invoices, links, pages
from store.database import Store
from store.foreign import ForeignDraft
from store.pages import ROWS, Window
from tests.store.build import ADA, apply, contract, draft, issue, pay, save

DAYS = {"us": date(2026, 3, 15)}


def numbers(store: Store, **chosen: Any) -> list[str]:
    return [row.name for row in pages.documents(store, Window(), days=DAYS, **chosen)]


@pytest.fixture
def filled(store: Store) -> Store:
    """Invoices: one paid, one open, one overdue, one voided; a credit note; a draft of another customer."""
    customer = contract(store)
    for month, due in (("2026-01-01", 1), ("2026-02-01", 20), ("2026-03-01", 1), ("2026-04-01", 1)):
        issue(store, draft(start=month, on=date(2026, 3, due)), customer)
    apply(store, pay(store), (1, 100_00))
    issue(store, draft(10_00, kind="credit_note", revision=1), customer)
    with store.transaction():
        invoices.void(store, ADA, invoices.get(store, 4), "by hand")
    other = links.save_customer(store, ADA, "crm", "x", Customer(name="100% Wool_Works"))
    contract(store, "C-2")
    save(store, draft(key="C-2"), key="C-2", customer=other)
    return store


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, ["D6", "US-CN-00001", "US-00004", "US-00003", "US-00002", "US-00001"]),
        ({"state": "open"}, ["US-00003", "US-00002"]),
        ({"state": "overdue"}, ["US-00003"]),
        ({"state": "paid"}, ["US-00001"]),
        ({"state": "voided"}, ["US-00004"]),
        ({"state": "credit_note"}, ["US-CN-00001"]),
        ({"state": "draft"}, ["D6"]),
        ({"entity": "uk"}, []),
        ({"search": "us-00002"}, ["US-00002"]),
        ({"search": "acme", "state": "open"}, ["US-00003", "US-00002"]),
        ({"search": "100% wool_"}, ["D6"]),
        ({"search": "%"}, ["D6"]),
        ({"search": "'; DROP TABLE documents; --"}, []),
        ({"contract": "C-2"}, ["D6"]),
    ],
)
def test_documents_are_listed_by_state_and_found_by_number_or_customer(
    filled: Store, chosen: dict[str, str], found: list[str]
) -> None:
    assert numbers(filled, **chosen) == found


def test_on_its_due_date_nothing_is_overdue(filled: Store) -> None:
    days = {"us": date(2026, 3, 1)}
    assert pages.documents(filled, Window(), days=days, state="overdue") == []


def test_what_a_customer_owes_is_added_up_by_the_day_it_falls_due(filled: Store) -> None:
    assert [(one.due_on, one.open) for one in pages.balances(filled, [1])] == [
        (date(2026, 3, 1), 100_00), (date(2026, 3, 20), 100_00)
    ]  # fmt: skip
    assert pages.balances(filled, []) == []


def test_a_page_holds_fifty_rows_and_one_more_that_says_there_are_others(store: Store) -> None:
    with store.transaction():
        for number in range(2 * ROWS + 3):
            links.save_customer(store, ADA, "crm", str(number), Customer(name=f"Customer {number:03}"))
    found = [[row.name for row in pages.customers(store, "", Window(page))] for page in (1, 2, 3, 4)]
    assert [len(names) for names in found] == [ROWS + 1, ROWS + 1, 3, 0]
    shown = [name for names in found for name in names[:ROWS]]
    assert shown == [f"Customer {number:03}" for number in range(2 * ROWS + 3)]


def test_payments_are_listed_by_what_is_left_of_them(store: Store) -> None:
    customer = contract(store)
    issue(store, draft(), customer)
    apply(store, pay(store, vendor_id="all"), (1, 60_00))
    pay(store, vendor_id="none", refunded=100_00)
    pay(store, vendor_id="failed", status="failed")
    listed = {
        state: [row.vendor_id for row in pages.payments(store, Window(), state=state)] for state in pages.PAYMENT_STATES
    }
    assert listed == {
        "unapplied": ["all"],
        "refunded": ["none"],
        "processing": [],
        "failed": ["failed"],
        "out_of_scope": [],
    }
    (row,) = pages.payments(store, Window(), state="unapplied")
    assert (row.applied, row.left) == (60_00, 40_00)


def test_a_payment_that_is_not_ours_has_nothing_left_to_apply(store: Store) -> None:
    payment = pay(store)
    with store.transaction():
        cash.set_scope(store, ADA, payment, "out")
    assert pages.payments(store, Window(), state="unapplied") == []
    (row,) = pages.payments(store, Window(), state="out_of_scope")
    assert (row.scope, row.left) == ("out", 0)


def elsewhere(vendor_id: str, settled: int = 0, customer: str = "77", **changes: Any) -> ForeignDraft:
    """Return an invoice over 100.00 USD that others made in the books, due on 1 March."""
    given = {
        "vendor_id": vendor_id, "type": "invoice", "status": "paid" if settled == 100_00 else "open",
        "number": f"INV-{vendor_id}", "ledger_customer": customer, "currency": "USD", "issue_on": date(2026, 2, 1),
        "due_on": date(2026, 3, 1), "total": 100_00, "settled": settled, **changes,
    }  # fmt: skip
    return msgspec.convert(given, ForeignDraft)


@pytest.fixture
def books(store: Store) -> Store:
    """Documents that others made: of a customer of ours, linked for two currencies, and of one that is not linked."""
    customer = contract(store)
    with store.transaction():
        links.link_customer(store, ADA, "qbo", "77", customer, ["USD", "EUR"], "same name")
        made = [elsewhere("1"), elsewhere("2", 100_00), elsewhere("3", 40_00, due_on=date(2026, 3, 20))]
        made += [elsewhere("4", customer="88"), elsewhere("5", type="credit_note", number="CN-5")]
        foreign.save(store, "qbo", "us", made)
    return store


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, ["CN-5", "INV-4", "INV-3", "INV-2", "INV-1"]),
        ({"state": "open"}, ["INV-1", "INV-4", "INV-3"]),
        ({"state": "overdue"}, ["INV-1", "INV-4"]),
        ({"state": "paid"}, ["INV-2"]),
        ({"state": "credit_note"}, ["CN-5"]),
        ({"customer_id": 1, "state": "overdue"}, ["INV-1"]),
        ({"search": "inv-4"}, ["INV-4"]),
        ({"search": "acme", "state": "open"}, ["INV-1", "INV-3"]),
        ({"entity": "uk"}, []),
    ],
)
def test_what_others_made_in_the_books_is_listed_alike(books: Store, chosen: dict[str, Any], found: list[str]) -> None:
    assert [row.number for row in pages.foreign(books, Window(), days=DAYS, **chosen)] == found


def test_what_a_customer_owes_on_invoices_made_elsewhere_counts_once_whatever_its_links(books: Store) -> None:
    assert [(one.due_on, one.open) for one in pages.foreign_balances(books, [1])] == [
        (date(2026, 3, 1), 100_00), (date(2026, 3, 20), 60_00)
    ]  # fmt: skip


def test_a_payment_of_an_invoice_made_elsewhere_is_seen_from_both_sides(books: Store) -> None:
    payment = pay(books, 30_00)
    with books.transaction():
        cash.apply_to_foreign(books, ADA, payment, [(1, 30_00)], "test")
    (seen,) = pages.applied(books, foreign_id=1)
    assert [seen] == pages.applied(books, payment_id=payment.id)
    assert (seen.number, seen.document_id, seen.foreign_id) == ("INV-1", None, 1)


def test_an_application_is_seen_from_both_sides(store: Store) -> None:
    document = issue(store, draft(), contract(store))
    payment = pay(store, 30_00)
    apply(store, payment, (document.id, 30_00))
    (seen,) = pages.applied(store, payment_id=payment.id)
    assert [seen] == pages.applied(store, document_id=document.id)
    assert (seen.number, seen.payment, seen.amount) == ("US-00001", "ch_1", 30_00)
    assert pages.payment_of(store, seen.id) == payment.id


def test_the_mark_of_the_drafts_changes_with_any_of_them(filled: Store) -> None:
    ids, before = pages.waiting_drafts(filled)
    own = pages.mark(invoices.get(filled, 6))
    assert ids == [6]
    save(filled, draft(90_00, key="C-2"), key="C-2", customer=2)
    assert pages.waiting_drafts(filled)[1] != before
    assert pages.mark(invoices.get(filled, 6)) != own


BY_INDEX: dict[str, Callable[[Store], object]] = {
    "documents_open": lambda store: pages.documents(store, Window(), days=DAYS, entity="us", state="overdue"),
    "documents_customer": lambda store: pages.documents(store, Window(), days=DAYS, customer_id=1),
    "documents_contract": lambda store: pages.documents(store, Window(), days=DAYS, contract="C-1"),
    "customers_name": lambda store: pages.customers(store, "", Window(2)),
    "contracts_customer": lambda store: pages.contracts(store, Window(), customer_id=1),
    "payments_received": lambda store: pages.payments(store, Window(2)),
    "payments_customer": lambda store: pages.payments(store, Window(), customer_id=1),
    "applications_document": lambda store: pages.applied(store, document_id=1),
    "reviews_state": lambda store: pages.reviews(store, Window()),
    "runs_job": lambda store: pages.runs(store, Window(), "report"),
    "audit_object": lambda store: pages.history(store, "document:1"),
    "outbox_states": pages.outbox_states,
    "links_ours": lambda store: pages.link(store, "xero_uk", "document", 1),
}


@pytest.mark.parametrize("index", BY_INDEX)
def test_a_list_is_read_by_its_index(index: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    with monkeypatch.context() as patched:
        for name in ("rows", "first", "tuples"):
            patched.setattr(Store, name, _noting(getattr(Store, name), asked))
        BY_INDEX[index](store)
    ((sql, *values),) = asked
    plan = [str(row[3]) for row in store.tuples(f"EXPLAIN QUERY PLAN {sql}", *values)]
    assert any(re.search(rf"USING (COVERING )?INDEX {index}\b", step) for step in plan), plan


def _noting(method: Any, asked: list[tuple[Any, ...]]) -> Any:
    def call(store: Store, *args: Any) -> Any:
        asked.append(args[next(place for place, value in enumerate(args) if isinstance(value, str)) :])
        return method(store, *args)

    return call
