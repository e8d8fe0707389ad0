"""Another app books Stripe's payments in the ledger: the same money counts once, whichever of both is seen first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds import DAILY, Live

CASH = ("pull_payments", "match_payments", "post_payments")
ALL = (*CASH, "pull_ledger")
PAYMENTS = "SELECT connection, amount FROM payments ORDER BY connection, amount"


@pytest.fixture
def billed(live: Live) -> Live:
    """100.00 GBP are owed on UK-00001 (Xero), 100.00 USD on US-00001 (QuickBooks); others book Stripe in both."""
    live.configure("go_live = 2026-06-01\n", 'go_live = 2026-06-01\npost_payments = "ledger"\n')
    live.sell()
    live.sell("Acme Inc", deal_currency_code="USD")
    live.done(*DAILY, "pull_ledger")
    assert live.items() == []
    return live


def book(live: Live, number: str, amount: int, reference: str = "", memo: str = "", day: str = "") -> str:
    """Book a payment in the ledger as another app does, in major units; return the ledger's id."""
    if number.startswith("UK"):
        body: dict[str, Any] = {"Invoice": {"InvoiceNumber": number}, "Account": {"Code": "091"}, "Amount": amount}
        body |= {"Date": day or live.today.isoformat(), "Reference": reference}
        return str(live.xero("PUT", "Payments", body)["Payments"][0]["PaymentID"])
    (row,) = [one for one in live.sandbox.vendors["quickbooks"].state()["invoices"] if one["DocNumber"] == number]
    line = {"Amount": amount, "LinkedTxn": [{"TxnId": row["Id"], "TxnType": "Invoice"}]}
    made = {"CustomerRef": {"value": row["CustomerRef"]["value"]}, "TotalAmt": amount, "Line": [line]}
    made |= {"PaymentRefNum": reference[:21], "PrivateNote": memo, "TxnDate": day or live.today.isoformat()}
    return str(live.quickbooks("payment", made)["Payment"]["Id"])


def unbook(live: Live, payment: str) -> None:
    """Delete a payment in Xero."""
    live.xero("POST", f"Payments/{payment}", {"Status": "DELETED"})


def charge(live: Live, intent: str, entity: str = "uk") -> str:
    return str(live.stripe("GET", f"payment_intents/{intent}", entity)["latest_charge"])


def settled(live: Live, number: str, *, payments: int = 1) -> None:
    """Nothing is open, nobody is asked, the books and we agree, and a further sync changes nothing."""
    live.done(*ALL)
    assert live.issued()[number].open == 0
    assert live.items() == []
    assert len(live.rows(f"SELECT 1 FROM payments WHERE entity='{number[:2].lower()}'")) == payments
    writes, contents = live.writes(), live.contents()
    assert not any(result.changed for result in live.done(*ALL).values())
    assert (live.writes(), live.contents()) == (writes, contents)


ENTITY = {"UK-00001": "uk", "US-00001": "us"}
NUMBERS = pytest.mark.parametrize("number", sorted(ENTITY))


@NUMBERS
def test_nothing_is_posted_and_what_the_app_books_later_is_taken_as_our_posting(billed: Live, number: str) -> None:
    billed.pay(100_00, number, entity=ENTITY[number])
    writes = billed.writes()
    billed.done(*ALL)
    assert billed.writes() == writes
    assert billed.issued()[number].open == 0
    assert billed.items() == [], "the books still show it open, as the app has not come yet"
    book(billed, number, 100)
    result = billed.done(*ALL)["pull_ledger"]
    assert result.tally["payments booked by another app"] == 1
    assert "payments typed into the books" not in result.tally
    settled(billed, number)


@NUMBERS
def test_what_the_app_booked_first_is_recognised_when_the_provider_tells(billed: Live, number: str) -> None:
    billed.done("pull_payments")
    book(billed, number, 100)
    billed.pay(100_00, f"Payment for {number}", entity=ENTITY[number])
    assert billed.done("pull_ledger")["pull_ledger"].tally["payments typed into the books"] == 1
    assert billed.issued()[number].open == 0
    assert billed.done(*CASH)["match_payments"].tally == {"payments booked by another app": 1}
    assert billed.rows(PAYMENTS) == [(f"stripe_{ENTITY[number]}", 100_00)]
    settled(billed, number)


def test_the_application_changes_hands_and_the_invoice_stays_paid(billed: Live) -> None:
    book(billed, "UK-00001", 100)
    billed.done("pull_ledger")
    before = billed.rows("SELECT id, amount FROM applications")
    billed.pay(100_00, "UK-00001")
    billed.done(*CASH)
    assert billed.rows("SELECT id, amount FROM applications") == before
    assert billed.rows("SELECT our_id FROM links WHERE kind='payment'") == [(before[0][0],)]
    assert billed.rows("SELECT action FROM audit WHERE action='same money'") == [("same money",)]


@pytest.mark.parametrize("first", ["stripe", "books"])
def test_a_providers_id_in_the_reference_is_enough_for_a_payer_nobody_knows(billed: Live, first: str) -> None:
    intent = billed.pay(100_00, customer=billed.payer("Somebody"))
    if first == "stripe":
        billed.done(*CASH)
        assert len(billed.items("unapplied_cash")) == 1
    book(billed, "UK-00001", 100, reference=charge(billed, intent))
    billed.done("pull_ledger")
    settled(billed, "UK-00001")


@pytest.mark.parametrize("where", ["reference", "memo"])
def test_quickbooks_may_hold_the_id_cut_in_its_reference_or_whole_in_its_memo(billed: Live, where: str) -> None:
    intent = billed.pay(100_00, entity="us")
    book(billed, "US-00001", 100, **{where: f"{intent}" if where == "reference" else f"Stripe {intent}, July"})
    billed.done("pull_ledger")
    settled(billed, "US-00001")


def test_without_an_id_or_a_number_the_payer_and_the_amount_decide(billed: Live) -> None:
    book(billed, "UK-00001", 100)
    billed.done("pull_ledger")
    billed.pay(100_00, customer=billed.payer("Northwind Ltd"))
    settled(billed, "UK-00001")


@pytest.mark.parametrize("name", ["Somebody", "Acme Inc"])
def test_money_of_another_payer_is_not_taken_for_the_same(billed: Live, name: str) -> None:
    book(billed, "UK-00001", 100)
    billed.done("pull_ledger")
    billed.pay(100_00, customer=billed.payer(name))
    billed.done(*ALL)
    assert len(billed.items("unapplied_cash")) == 1
    assert billed.rows(PAYMENTS) == [("stripe_uk", 100_00), ("xero_uk", 100_00)]


def test_a_payment_typed_by_hand_beside_the_apps_counts_by_itself(billed: Live) -> None:
    billed.pay(60_00, "UK-00001")
    billed.done(*CASH)
    book(billed, "UK-00001", 40)
    book(billed, "UK-00001", 60)
    settled(billed, "UK-00001", payments=2)
    assert billed.rows(PAYMENTS) == [("stripe_uk", 60_00), ("xero_uk", 40_00)]


def test_the_one_that_carries_the_id_takes_the_place_of_the_one_that_looked_like_it(billed: Live) -> None:
    intent = billed.pay(50_00, "UK-00001")
    book(billed, "UK-00001", 50, reference="cheque 7")
    billed.done(*ALL)
    assert billed.rows(PAYMENTS) == [("stripe_uk", 50_00)]
    book(billed, "UK-00001", 50, reference=intent)
    settled(billed, "UK-00001", payments=2)
    assert billed.rows(PAYMENTS) == [("stripe_uk", 50_00), ("xero_uk", 50_00)]


def test_two_bookings_of_one_payment_over_two_invoices_are_both_its_own(live: Live) -> None:
    live.configure("go_live = 2026-06-01\n", 'go_live = 2026-06-01\npost_payments = "ledger"\n')
    live.sell()
    live.sell("Southwind Ltd", "50")
    live.done(*DAILY, "pull_ledger")
    book(live, "UK-00001", 100)
    book(live, "UK-00002", 50)
    live.done("pull_ledger")
    live.pay(150_00, "UK-00001 and UK-00002")
    live.done(*CASH)
    assert live.rows(PAYMENTS) == [("stripe_uk", 150_00)]
    assert live.rows("SELECT amount FROM applications ORDER BY amount") == [(50_00,), (100_00,)]
    settled(live, "UK-00001")


def test_what_is_booked_long_before_or_after_is_other_money(billed: Live) -> None:
    billed.pay(50_00, "UK-00001")
    billed.done(*CASH)
    book(billed, "UK-00001", 50, day="2026-08-01")
    billed.done(*ALL)
    assert billed.rows(PAYMENTS) == [("stripe_uk", 50_00), ("xero_uk", 50_00)]


def test_what_the_app_does_not_book_within_five_days_waits_for_a_person(billed: Live) -> None:
    billed.pay(100_00, "UK-00001")
    billed.done(*ALL)
    billed.move_to(billed.today.replace(day=6))
    billed.done(*ALL)
    assert billed.items() == []
    billed.move_to(billed.today.replace(day=7))
    billed.done(*ALL)
    item = billed.item("payment_not_in_books")
    assert "UK-00001" in item.message
    book(billed, "UK-00001", 100)
    billed.done(*ALL)
    billed.done(*ALL)
    assert billed.items() == []


def test_a_booking_that_is_deleted_is_waited_for_anew(billed: Live) -> None:
    billed.pay(100_00, "UK-00001")
    first = book(billed, "UK-00001", 100)
    billed.done(*ALL)
    unbook(billed, first)
    assert billed.done(*ALL)["pull_ledger"].tally["postings gone from the books"] == 1
    assert billed.issued()["UK-00001"].open == 0, "Stripe has the money still"
    book(billed, "UK-00001", 100)
    settled(billed, "UK-00001")


def test_what_was_to_be_posted_before_the_app_was_named_is_taken_back(live: Live) -> None:
    live.sell()
    live.done(*DAILY)
    live.pay(100_00, "UK-00001")
    live.fault("xero", "error_after", method="PUT", path="Payments", times=-1)
    live.sync(*CASH)
    live.mend()
    state = live.sandbox.vendors["xero"].state
    assert len(state()["payments"]) == 1, "it did happen, but nobody heard of it"
    live.configure("go_live = 2026-06-01\n", 'go_live = 2026-06-01\npost_payments = "ledger"\n')
    live.done(*CASH)
    live.done("pull_ledger")
    settled(live, "UK-00001")
    assert len(state()["payments"]) == 1


def test_a_payment_of_an_old_invoice_of_others_counts_once_too(billed: Live) -> None:
    (contact, *_) = [
        one for one in billed.sandbox.vendors["xero"].state()["contacts"] if one["Name"] == "Northwind Ltd"
    ]
    line = {"Description": "By hand", "Quantity": 1, "UnitAmount": 70, "AccountCode": "210", "TaxType": "NONE"}
    billed.xero(
        "PUT", "Invoices",
        {"Type": "ACCREC", "InvoiceNumber": "OLD-4711", "Contact": {"ContactID": contact["ContactID"]},
         "Status": "AUTHORISED", "Date": "2026-05-01", "DueDate": "2026-05-31", "LineItems": [line]},
    )  # fmt: skip
    billed.done("pull_ledger")
    body = {"Invoice": {"InvoiceNumber": "OLD-4711"}, "Account": {"Code": "091"}, "Amount": 30}
    billed.xero("PUT", "Payments", {**body, "Date": billed.today.isoformat()})
    billed.done("pull_ledger")
    billed.pay(30_00, "OLD-4711")
    billed.done(*ALL)
    assert billed.rows("SELECT open, settled FROM foreign_documents") == [(40_00, 0)]
    billed.pay(40_00, "OLD-4711")
    billed.done(*ALL)
    billed.xero("PUT", "Payments", {**body, "Amount": 40, "Date": billed.today.isoformat()})
    billed.done(*ALL)
    assert billed.rows("SELECT open, settled FROM foreign_documents") == [(0, 0)]
    assert billed.rows(PAYMENTS) == [("stripe_uk", 30_00), ("stripe_uk", 40_00)]
    assert billed.items() == []
    assert not any(result.changed for result in billed.done(*ALL).values())
