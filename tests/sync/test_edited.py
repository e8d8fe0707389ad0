"""What people change in documents of ours in the books is shown, and ours goes back only by a person's word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from store import audit, review
from store.audit import Actor
from sync import credits, voiding
from sync.decide import both_sides, decide
from tests.sync.test_books_and_people import CURRENCIES, LEDGERS, close_books, number
from tests.worlds import DAILY, NOBODY, Live

CHANGES = {  # what is changed -> how the review item says it
    "amount": "its total is 90.00",
    "due": "its due date is 2026-12-24 there, 2026-10-01 here",
    "date": "its date is 2026-08-31 there, 2026-09-01 here",
    "purchase order": "its purchase order is none there, PO-7 here",
    "customer": "its customer is 'Another Ltd'",
}


@pytest.fixture
def billed(live: Live, entity: str) -> Live:
    """An invoice over 100.00 in the books, with a purchase order."""
    live.sell(deal_currency_code=CURRENCIES[entity], po_number="PO-7")
    live.done(*DAILY, "pull_ledger")
    return live


def there(live: Live, entity: str) -> dict[str, Any]:
    """Return the only invoice of the ledger."""
    (row,) = live.sandbox.vendors[LEDGERS[entity]].state()["invoices"]
    return row


def content(live: Live, entity: str) -> str:
    """Return what matters of that invoice."""
    row = there(live, entity)
    names = ("DocNumber", "InvoiceNumber", "TxnDate", "DateString", "DueDate", "TotalAmt", "Total", "CustomerMemo",
             "Reference", "Balance", "AmountDue")  # fmt: skip
    lines = row.get("LineItems") or row["Line"]
    texts = [(one.get("Description"), one.get("Amount", one.get("LineAmount"))) for one in lines]
    customer = (row.get("CustomerRef") or {"value": row.get("Contact", {}).get("ContactID")})["value"]
    return json.dumps([{name: row[name] for name in names if name in row}, texts, customer])


def edit(live: Live, entity: str, what: str) -> None:
    """Change the invoice as a bookkeeper does."""
    row = there(live, entity)
    if entity == "uk":
        line = row["LineItems"][0]
        body: dict[str, Any] = {
            "amount": {"LineItems": [{**line, "UnitAmount": 90, "LineAmount": 90, "TaxAmount": 0}]},
            "more": {"LineItems": [{**line, "UnitAmount": 95, "LineAmount": 95, "TaxAmount": 0}]},
            "due": {"DueDate": "2026-12-24"},
            "date": {"Date": "2026-08-31"},
            "number": {"InvoiceNumber": "NEW-1"},
            "purchase order": {"Reference": ""},
        }
        if what == "customer":
            other = live.xero("PUT", "Contacts", {"Name": "Another Ltd"})["Contacts"][0]["ContactID"]
            body = {what: {"Contact": {"ContactID": other}}}
        live.xero("POST", f"Invoices/{row['InvoiceID']}", body[what])
        return
    line = row["Line"][0]
    detail = line["SalesItemLineDetail"]
    body = {
        "amount": {"Line": [{**line, "Amount": 90, "SalesItemLineDetail": {**detail, "UnitPrice": 90}}]},
        "more": {"Line": [{**line, "Amount": 95, "SalesItemLineDetail": {**detail, "UnitPrice": 95}}]},
        "due": {"DueDate": "2026-12-24"},
        "date": {"TxnDate": "2026-08-31"},
        "number": {"DocNumber": "NEW-1"},
        "purchase order": {"CustomerMemo": {"value": ""}},
    }
    if what == "customer":
        other = live.quickbooks("customer", {"DisplayName": "Another Ltd"})["Customer"]["Id"]
        body = {what: {"CustomerRef": {"value": other}}}
    live.quickbooks("invoice", {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True, **body[what]})


def is_at_rest(live: Live) -> bool:
    """Say whether a further run changes nothing, here or there, once the CRM has heard of everything."""
    live.done()
    written = live.writes()
    return not any(result.changed for result in live.done().values()) and live.writes() == written


# --------------------------------------------------------------------------------------------------------------- shown


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_is_shown_with_both_sides_and_nothing_is_overwritten(billed: Live, entity: str, what: str) -> None:
    edit(billed, entity, what)
    edited = content(billed, entity)
    billed.done("pull_ledger", "selfcheck")
    (item,) = billed.items()
    assert (item.code, item.choices) == ("books_differ", ["put_back", "dismiss"])
    assert CHANGES[what] in item.message
    with billed.store() as store:
        sides = {name: (here, theirs) for name, here, theirs in both_sides(store, item)}
    assert sides["number"] == (number(entity),) * 2
    assert [name for name, (here, theirs) in sides.items() if here and theirs and here != theirs] or what in sides
    billed.done()
    assert is_at_rest(billed)
    assert content(billed, entity) == edited


def test_what_the_books_code_otherwise_is_theirs(billed: Live, entity: str) -> None:
    row = there(billed, entity)
    if entity == "uk":
        line = {**row["LineItems"][0], "AccountCode": "210"}
        billed.xero("POST", f"Invoices/{row['InvoiceID']}", {"LineItems": [line]})
    else:
        note = {"PrivateNote": "asked by phone", "CustomerMemo": {"value": "PO PO-7\nThank you"}}
        billed.quickbooks("invoice", {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True, **note})
    billed.done("pull_ledger")
    assert billed.items() == []


def test_what_was_read_before_lines_and_memos_were_is_not_taken_for_changed(billed: Live, entity: str) -> None:
    with billed.store() as store:
        old = "UPDATE ledger_objects SET data=json_remove(data, '$.lines', '$.memo') WHERE kind='document'"
        assert store.execute(old) == 1
    billed.done("pull_ledger")
    assert billed.items() == []
    edit(billed, entity, "amount")
    with billed.store() as store:
        store.execute(old)
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    billed.done("push_documents", "pull_ledger")
    assert billed.items() == []


def test_keeping_theirs_is_not_asked_again_until_it_changes_anew(billed: Live, entity: str) -> None:
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "dismiss")
    assert is_at_rest(billed)
    assert billed.items() == []
    edit(billed, entity, "more")
    billed.done("pull_ledger")
    assert "its total is 95.00" in billed.item("books_differ").message


def test_what_is_open_there_is_shown_beside_what_people_changed(billed: Live, entity: str) -> None:
    edit(billed, entity, "due")
    billed.done()
    billed.decide("books_differ", "dismiss")
    billed.pay(40_00, number(entity), entity=entity)
    billed.done()
    assert billed.items() == []  # the same amount is open on both sides
    with billed.store() as store:
        store.execute("UPDATE documents SET open=open-1 WHERE id=1")
    billed.done("pull_ledger")
    message = billed.item("books_differ").message
    assert "due date" in message and "60.00" in message and "is open there, 59.99" in message


# ------------------------------------------------------------------------------------------------------------ put back


@pytest.mark.parametrize("what", CHANGES)
def test_a_person_puts_ours_back_once(billed: Live, entity: str, what: str) -> None:
    before = content(billed, entity)
    edit(billed, entity, what)
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    with billed.store() as store:
        entry = audit.entries(store, "document:1")[-1]
        assert (entry.action, entry.reason) == ("put back", "a test wants it")
    billed.done("selfcheck")
    assert billed.items() == []
    assert billed.done("push_documents")["push_documents"].tally == {"corrections of documents created in the books": 1}
    assert content(billed, entity) == before
    billed.done()
    assert billed.items() == []
    assert is_at_rest(billed)
    assert billed.rows("SELECT count(*) FROM outbox WHERE kind='document_update'") == [(0,)]


def test_a_number_is_given_back(billed: Live, entity: str) -> None:
    edit(billed, entity, "number")
    billed.done("pull_ledger")
    assert billed.item("renumbered_in_books").choices == ["put_back", "dismiss"]
    billed.decide("renumbered_in_books", "put_back")
    billed.done("push_documents", "pull_ledger")
    assert number(entity) in content(billed, entity)
    assert billed.items() == []


def test_while_ours_is_on_its_way_nothing_is_asked_and_no_second_one_sent(billed: Live, entity: str) -> None:
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    item = billed.item("books_differ").id
    billed.decide("books_differ", "put_back")
    billed.done("pull_ledger", "selfcheck")
    assert billed.items() == []
    with billed.store() as store, pytest.raises(ValueError, match="no open review item"):
        decide(store, NOBODY, item, "put_back", "again")
    assert billed.rows("SELECT count(*) FROM outbox WHERE kind='document_update'") == [(1,)]


@pytest.mark.parametrize("fault", ["error_after", "reset_before"])
def test_an_answer_that_was_lost_is_looked_up_and_ours_written_once(billed: Live, entity: str, fault: str) -> None:
    before = content(billed, entity)
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    version = there(billed, entity).get("SyncToken")
    billed.fault(LEDGERS[entity], fault, method="POST")
    billed.sync("push_documents")
    billed.mend()
    billed.move_to(billed.today.replace(day=2))
    billed.done("push_documents")
    billed.move_to(billed.today.replace(day=3))
    billed.done("push_documents", "pull_ledger")
    assert content(billed, entity) == before
    assert version is None or there(billed, entity)["SyncToken"] == str(int(version) + 1)
    assert billed.items() == []
    assert is_at_rest(billed)


def test_what_was_changed_again_meanwhile_is_not_overwritten_but_shown_anew(billed: Live, entity: str) -> None:
    before = content(billed, entity)
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    edit(billed, entity, "more")
    edited = content(billed, entity)
    billed.done("push_documents")
    assert "changed again since a person looked at it" in billed.item("document_update_not_booked").message
    billed.done()
    billed.done("push_documents")
    assert content(billed, entity) == edited
    (item,) = billed.items()
    assert "its total is 95.00" in item.message
    billed.decide("books_differ", "put_back")
    billed.done()
    assert content(billed, entity) == before


def test_what_is_paid_is_refused_and_the_item_says_so(billed: Live, entity: str) -> None:
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    billed.pay(10_00, number(entity), entity=entity)
    billed.done("pull_payments", "match_payments", "post_payments")
    billed.done("push_documents")
    item = billed.item("document_update_not_booked")
    assert "is paid or used in part, so its lines, customer and date stand" in item.message
    with billed.store() as store:
        assert ("amount", *SIDES[entity]) in both_sides(store, item)
    assert is_at_rest(billed)
    assert [item.code for item in billed.items()] == ["document_update_not_booked"]
    with billed.store() as store:
        decide(store, NOBODY, item.id, "dismiss", "it stays so")
    edit(billed, entity, "due")
    billed.done("pull_ledger")
    with billed.store() as store:
        later = Actor("another", NOBODY.at)
        decide(store, later, billed.item("books_differ").id, "put_back", "after all")
    billed.done("push_documents")
    assert "as another on 2026-09-01" in billed.item("document_update_not_booked").message


SIDES = {"uk": ("100.00 GBP", "90.00 GBP"), "us": ("100.00 USD", "90.00 USD")}


def test_a_closed_period_refuses_and_a_retry_puts_it_back_once_it_is_open(billed: Live, entity: str) -> None:
    before = content(billed, entity)
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    close_books(billed, entity, billed.today)
    billed.done("push_documents", "pull_ledger", "selfcheck")
    assert [item.code for item in billed.items()] == ["document_update_not_booked"]
    assert is_at_rest(billed)
    close_books(billed, entity, None)
    billed.decide("document_update_not_booked", "retry")
    billed.done("push_documents", "pull_ledger")
    assert content(billed, entity) == before
    assert billed.items() == []


def test_what_is_voided_there_meanwhile_is_void(billed: Live, entity: str) -> None:
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    row = there(billed, entity)
    if entity == "uk":
        billed.xero("POST", f"Invoices/{row['InvoiceID']}", {"Status": "VOIDED"})
    else:
        billed.quickbooks("invoice?operation=void", {"Id": row["Id"], "SyncToken": row["SyncToken"]})
    billed.done()
    billed.done("push_documents")
    assert billed.issued()[number(entity)].status == "voided"
    assert [item.code for item in billed.items()] == ["billing_held"]


def test_a_rehearsal_says_what_would_be_put_back_and_changes_nothing(billed: Live, entity: str) -> None:
    edit(billed, entity, "amount")
    billed.done()
    billed.decide("books_differ", "put_back")
    edited, written = content(billed, entity), billed.writes()
    results = billed.sync(dry_run=True)
    assert {"document update": 1} in billed.world.noted().values()
    assert results["pull_ledger"].opened == 0
    assert (content(billed, entity), billed.writes()) == (edited, written)


def test_the_books_of_customers_that_were_merged_there_are_as_ours_are(billed: Live, entity: str) -> None:
    vendor: Any = billed.sandbox.vendors[LEDGERS[entity]]
    row = there(billed, entity)
    if entity == "uk":
        winner = billed.xero("PUT", "Contacts", {"Name": "The survivor"})["Contacts"][0]["ContactID"]
        vendor.books.merge_contacts(row["Contact"]["ContactID"], winner)
    else:
        winner = billed.quickbooks("customer", {"DisplayName": "The survivor"})["Customer"]["Id"]
        vendor.books.merge_customers(row["CustomerRef"]["value"], winner)
    billed.done("pull_ledger")
    assert billed.items() == []
    edit(billed, entity, "amount")
    billed.done("pull_ledger")
    billed.decide("books_differ", "put_back")
    billed.done("push_documents", "pull_ledger")
    assert winner in content(billed, entity)
    assert billed.items() == []


# --------------------------------------------------------------------------------------------------------- voided by us


def test_a_void_that_the_ledger_refused_is_sent_again_by_a_retry(billed: Live, entity: str) -> None:
    with billed.store() as store:
        voiding.void(store, billed.world, NOBODY, credits.find(store, number(entity)), "wrong PO")
    close_books(billed, entity, billed.today)
    billed.done("push_documents")
    item = billed.item("document_void_not_booked")
    close_books(billed, entity, None)
    billed.decide("document_void_not_booked", "retry")
    assert billed.done("push_documents")["push_documents"].tally == {"voids of documents created in the books": 1}
    with billed.store() as store:
        closed = review.get(store, item.id)
    assert closed is not None and closed.state == "closed"
