"""What we and people do to the same books: closed periods, invoices voided here, customers changed on either side."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from sandbox.core import LOCK
from sandbox.xero.wire import day_fields
from store import audit
from store.invoices import DocumentRow
from sync import credits, voiding
from sync.credits import Wish
from tests.worlds import DAILY, NOBODY, Live

CURRENCIES = {"uk": "GBP", "us": "USD"}
LEDGERS = {"uk": "xero", "us": "quickbooks"}


@pytest.fixture
def billed(live: Live, entity: str) -> Live:
    """A customer who owes 100.00 on the first invoice, in the books too."""
    live.deal = live.sell(deal_currency_code=CURRENCIES[entity])  # type: ignore[attr-defined]
    live.done(*DAILY, "pull_ledger")
    return live


def number(entity: str) -> str:
    return f"{entity.upper()}-00001"


def close_books(live: Live, entity: str, through: date | None) -> None:
    """Close the books as a bookkeeper does; None opens them."""
    day = None if through is None else through.isoformat()
    books: Any = live.sandbox.vendors[LEDGERS[entity]].books  # type: ignore[attr-defined]
    if entity == "uk":
        books.organisation.pop("PeriodLockDate", None)
        books.organisation |= {"PeriodLockDate": day_fields("x", through)["x"]} if through else {}
    else:
        info = books.preferences["AccountingInfoPrefs"]
        info.pop("BookCloseDate", None)
        info |= {"BookCloseDate": day} if day else {}


@pytest.mark.parametrize("entity", ["us"])
def test_an_invoice_shows_the_payment_terms_that_the_mapping_names(billed: Live, entity: str) -> None:
    books: Any = billed.sandbox.vendors[LEDGERS[entity]].books  # type: ignore[attr-defined]
    (invoice,) = books.all("Invoice")
    assert [row["Name"] for row in books.all("Term") if row["Id"] == invoice["SalesTermRef"]["value"]] == ["Net 30"]


# ------------------------------------------------------------------------------------------------------ closed periods


def test_a_document_of_a_closed_period_waits_until_the_period_is_open(live: Live, entity: str) -> None:
    live.sell(deal_currency_code=CURRENCIES[entity])
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    issued_on = live.today
    live.move_to(live.today.replace(day=3))
    close_books(live, entity, issued_on)
    live.done("push_documents")
    item = live.item("period_closed")
    assert f"{number(entity)} of {issued_on} is not booked" in item.message
    written = live.writes()
    live.done("push_documents")
    assert live.writes() == written
    close_books(live, entity, None)
    assert "documents created in the books" in live.done("push_documents")["push_documents"].tally
    assert live.items() == []


def test_it_is_booked_on_the_first_open_day_where_the_entity_says_so(live: Live, entity: str) -> None:
    live.configure(f"[entities.{entity}]", f'[entities.{entity}]\nclosed_period = "next_open"')
    live.sell(deal_currency_code=CURRENCIES[entity])
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    live.move_to(live.today.replace(day=3))
    close_books(live, entity, date(2026, 9, 1))
    live.done("push_documents")
    assert live.items() == []
    assert booked_on(live, entity) == "2026-09-02"
    assert live.issued()[number(entity)].issue_on == date(2026, 9, 1)  # what the customer has in hand


def booked_on(live: Live, entity: str) -> str:
    (row,) = live.sandbox.vendors[LEDGERS[entity]].state()["invoices"]
    return str(row.get("TxnDate") or row["DateString"][:10])


def test_a_payment_of_a_closed_period_waits_too(billed: Live, entity: str) -> None:
    billed.pay(130_00, number(entity), entity=entity)
    billed.move_to(billed.today.replace(day=4))
    close_books(billed, entity, date(2026, 9, 2))
    billed.done("pull_payments", "match_payments", "post_payments")
    assert "of 2026-09-01 is not booked" in billed.item("period_closed").message
    close_books(billed, entity, None)
    tally = billed.done("post_payments")["post_payments"].tally
    assert tally == {"payments created in the books": 1, "payments on account created in the books": 1}
    assert billed.items("period_closed") == []


def test_money_that_is_gone_is_voided_once_the_period_it_was_booked_in_is_open(billed: Live, entity: str) -> None:
    billed.pay(100_00, number(entity), entity=entity)
    cash = ("pull_payments", "match_payments", "post_payments")
    billed.done(*cash)
    billed.move_to(billed.today.replace(day=20))
    close_books(billed, entity, date(2026, 9, 10))
    account = billed.sandbox.stripe.accounts[entity]
    (paid,) = [one for one in account.objects["charge"].values() if one["description"] == number(entity)]
    with LOCK:
        account.dispute("d1", paid, int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*cash)
    assert "booked on 2026-09-01, is to be voided" in billed.item("period_closed").message
    assert billed.issued()[number(entity)].open == 0  # as the books say
    written = billed.writes()
    billed.done(*cash)
    assert billed.writes() == written
    close_books(billed, entity, None)
    billed.done(*cash)
    assert billed.issued()[number(entity)].open == 100_00
    assert [item.code for item in billed.items()] == ["payment_disputed"]


# --------------------------------------------------------------------------------------------------------- voided by us


def void(live: Live, entity: str) -> DocumentRow:
    """Void the first invoice, as the command line does."""
    with live.store() as store:
        row = credits.find(store, number(entity))
        voiding.void(store, live.world, NOBODY, row, "sent to nobody, wrong PO")
    return live.issued()[number(entity)]


def test_an_invoice_voided_here_is_voided_in_the_books_once_and_its_lines_wait(billed: Live, entity: str) -> None:
    assert void(billed, entity).status == "voided"
    assert billed.done("push_documents")["push_documents"].tally == {"voids of documents created in the books": 1}
    (row,) = billed.sandbox.vendors[LEDGERS[entity]].state()["invoices"]
    assert row.get("Status") == "VOIDED" or row["PrivateNote"].lower().startswith("void")
    billed.done()
    assert [item.code for item in billed.items()] == ["billing_held"]
    written = billed.writes()
    assert not any(result.changed for result in billed.done().values())
    assert billed.writes() == written
    billed.decide("billing_held", "bill_again")
    billed.done()
    assert billed.issued()[f"{entity.upper()}-00002"].total == 100_00


def test_a_void_whose_answer_was_lost_is_done_once(billed: Live, entity: str) -> None:
    void(billed, entity)
    billed.fault(LEDGERS[entity], "error_after", method="POST")
    billed.sync("push_documents")
    billed.mend()
    billed.done("push_documents", "pull_ledger")
    assert billed.rows("SELECT state FROM outbox WHERE kind='document_void'") == [("done",)]
    assert [item.code for item in billed.items()] == ["billing_held"]


def test_what_was_never_booked_is_voided_here_alone(live: Live) -> None:
    live.sell()
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    void(live, "uk")
    live.done("push_documents")
    assert live.sandbox.vendors["xero"].state()["invoices"] == []


def test_what_is_paid_credited_sent_or_closed_is_not_voided(billed: Live, entity: str) -> None:
    close_books(billed, entity, billed.today)
    with pytest.raises(ValueError, match="the books are closed through 2026-09-01; credit it instead"):
        void(billed, entity)
    close_books(billed, entity, None)
    with billed.store() as store, store.transaction():
        store.insert(
            "mails", document_id=1, step="invoice", recipient="ap@x.example", via="netterms", state="sent",
            message_id="m", at="2026-09-01T12:00:00+00:00",
        )  # fmt: skip
    with pytest.raises(ValueError, match="it was sent to the customer"):
        void(billed, entity)
    billed.pay(10_00, number(entity), entity=entity)
    billed.done("pull_payments", "match_payments")
    with pytest.raises(ValueError, match="something of it is paid or credited"):
        void(billed, entity)


def test_what_a_credit_note_stands_against_is_not_voided(billed: Live, entity: str) -> None:
    with billed.store() as store:
        credits.give(store, billed.world, NOBODY, credits.find(store, number(entity)), Wish(), "agreed")
    with pytest.raises(ValueError, match="a credit note stands against it"):
        void(billed, entity)


def test_a_void_says_why(billed: Live, entity: str) -> None:
    void(billed, entity)
    with billed.store() as store:
        last = audit.entries(store, "document:1")[-1]
        assert (last.action, last.reason) == ("voided", "sent to nobody, wrong PO")


# ----------------------------------------------------------------------------------------------------------- customers


def rename(live: Live, name: str) -> None:
    """Change the name of the only company in the CRM."""
    (company,) = live.sandbox.hubspot.records.linked("deals", live.deal, "companies")  # type: ignore[attr-defined]
    live.hubspot("PATCH", f"companies/{company}", {"properties": {"name": name}})


def name_there(live: Live, entity: str) -> str:
    kind, field = {"uk": ("contacts", "Name"), "us": ("customers", "DisplayName")}[entity]
    (row,) = live.sandbox.vendors[LEDGERS[entity]].state()[kind]
    return str(row[field])


def edit_there(live: Live, entity: str, name: str) -> None:
    """Change the name of the only customer in the books, as a bookkeeper does."""
    if entity == "uk":
        (row,) = live.sandbox.vendors["xero"].state()["contacts"]
        live.xero("POST", f"Contacts/{row['ContactID']}", {"Name": name})
    else:
        (row,) = live.sandbox.vendors["quickbooks"].state()["customers"]
        live.quickbooks(
            "customer", {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True, "DisplayName": name}
        )


def test_a_customer_renamed_in_the_crm_is_renamed_in_the_books_once(billed: Live, entity: str) -> None:
    rename(billed, "Northwind Holding Ltd")
    assert billed.done()["update_customers"].tally["changes of customers created in the books"] == 1
    assert name_there(billed, entity) == "Northwind Holding Ltd"
    billed.done()
    written = billed.writes()
    assert not any(result.changed for result in billed.done().values())
    assert billed.writes() == written
    assert billed.items() == []


def test_what_people_changed_there_is_shown_and_overwritten_only_by_a_persons_word(billed: Live, entity: str) -> None:
    edit_there(billed, entity, "NW Ltd (old)")
    billed.done("pull_ledger")
    billed.done("update_customers")
    item = billed.item("customer_edited_in_books")
    assert "name 'NW Ltd (old)' there, 'Northwind Ltd' here" in item.message
    rename(billed, "Northwind Holding Ltd")
    billed.done()
    assert name_there(billed, entity) == "NW Ltd (old)"
    billed.decide("customer_edited_in_books", "put_ours")
    billed.done()
    assert name_there(billed, entity) == "Northwind Holding Ltd"
    billed.done()
    assert billed.items() == []
    assert not any(result.changed for result in billed.done().values())


def test_a_name_that_another_customer_bears_in_the_books_is_not_taken_from_it(billed: Live, entity: str) -> None:
    if entity == "uk":
        billed.xero("PUT", "Contacts", {"Name": "Northwind Holding Ltd"})
    else:
        billed.quickbooks("customer", {"DisplayName": "Northwind Holding Ltd"})
    billed.done("pull_ledger")
    rename(billed, "Northwind Holding Ltd")
    written = billed.writes()
    billed.done("pull_deals", "map_terms", "update_customers")
    assert billed.writes() == written
    assert billed.items("customer_update_not_booked") == []
