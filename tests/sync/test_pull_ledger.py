"""What people do in the books comes back; nothing of theirs is overwritten, nothing is billed again by itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.xero.payments import Payments
from tests.worlds import DAILY, Live

CASH = ("match_payments", "post_payments", "pull_ledger")
BILL = ("plan_invoices", "issue_invoices", "push_documents", "pull_ledger")


@pytest.fixture
def billed(live: Live) -> Live:
    """Two customers, owing 100.00 GBP on UK-00001 (Xero) and 100.00 USD on US-00001 (QuickBooks)."""
    live.sell()
    live.sell("Acme Inc", deal_currency_code="USD")
    live.done(*DAILY, "pull_ledger")
    assert sorted(live.issued()) == ["UK-00001", "US-00001"]
    assert live.items() == []
    return live


def in_quickbooks(live: Live) -> dict[str, Any]:
    (row,) = live.sandbox.vendors["quickbooks"].state()["invoices"]
    return row


def void(live: Live, number: str) -> None:
    """Void an invoice as a bookkeeper does."""
    if number.startswith("UK"):
        live.xero("POST", f"Invoices/{number}", {"Status": "VOIDED"})
    else:
        row = in_quickbooks(live)
        live.quickbooks("invoice?operation=void", {"Id": row["Id"], "SyncToken": row["SyncToken"]})


def delete(live: Live) -> None:
    """Delete the invoice in QuickBooks, as a bookkeeper does."""
    row = in_quickbooks(live)
    live.quickbooks("invoice?operation=delete", {"Id": row["Id"], "SyncToken": row["SyncToken"]})


def type_payment(live: Live, number: str, amount: int) -> None:
    """Type a payment into the books, in major units."""
    if number.startswith("UK"):
        body = {"Invoice": {"InvoiceNumber": number}, "Account": {"Code": "091"}, "Amount": amount}
        live.xero("PUT", "Payments", {**body, "Date": live.today.isoformat()})
    else:
        row = in_quickbooks(live)
        line = {"Amount": amount, "LinkedTxn": [{"TxnId": row["Id"], "TxnType": "Invoice"}]}
        customer = {"value": row["CustomerRef"]["value"]}
        live.quickbooks("payment", {"CustomerRef": customer, "TotalAmt": amount, "Line": [line]})


# ----------------------------------------------------------------------------------------------------- voided documents


@pytest.mark.parametrize("number", ["UK-00001", "US-00001"])
def test_an_invoice_voided_in_the_books_is_held_and_not_billed_again_by_itself(billed: Live, number: str) -> None:
    void(billed, number)
    assert billed.done("pull_ledger")["pull_ledger"].tally["documents voided in the books"] == 1
    assert (billed.issued()[number].status, billed.issued()[number].open) == ("voided", 0)
    item = billed.item("billing_held")
    assert item.choices == ["bill_again", "waive", "billed_by_hand"]
    billed.done()  # the CRM hears of it
    assert not any(result.changed for result in billed.done().values())
    assert sorted(billed.issued()) == ["UK-00001", "US-00001"]


def test_an_invoice_deleted_in_the_books_is_held_too(billed: Live) -> None:
    delete(billed)
    billed.done("pull_ledger")
    assert billed.issued()["US-00001"].status == "voided"
    assert "on hold" in billed.item("billing_held").message


def test_bill_again_puts_the_lines_on_a_new_invoice_that_reaches_the_books(billed: Live) -> None:
    void(billed, "UK-00001")
    billed.done("pull_ledger")
    billed.decide("billing_held", "bill_again")
    billed.done(*BILL)
    again = billed.issued()["UK-00002"]
    assert (again.total, [item.revision for item in again.draft.lines]) == (100_00, [1])
    numbers = {row["InvoiceNumber"]: row["Status"] for row in billed.sandbox.vendors["xero"].state()["invoices"]}
    assert numbers == {"UK-00001": "VOIDED", "UK-00002": "AUTHORISED"}
    assert not any(result.changed for result in billed.done(*BILL).values())
    assert billed.items() == []


@pytest.mark.parametrize(("action", "how"), [("waive", "waived"), ("billed_by_hand", "elsewhere")])
def test_waived_and_hand_billed_lines_are_never_billed_again_but_the_next_period_is(
    billed: Live, action: str, how: str
) -> None:
    void(billed, "UK-00001")
    billed.done("pull_ledger")
    billed.decide("billing_held", action)
    assert billed.rows("SELECT how FROM slices") == [(how,)]
    billed.done(*BILL)
    assert billed.items() == []
    assert sorted(billed.issued()) == ["UK-00001", "US-00001"]
    billed.move_to(billed.today.replace(month=10))
    billed.done(*BILL)
    assert billed.issued()["UK-00002"].total == 100_00


# ----------------------------------------------------------------------------------------------------- edited documents


@pytest.mark.parametrize("number", ["UK-00001", "US-00001"])
def test_an_edited_total_is_shown_with_both_amounts_and_nothing_is_overwritten(billed: Live, number: str) -> None:
    if number == "UK-00001":
        (row,) = billed.xero("GET", f"Invoices/{number}")["Invoices"]
        row["LineItems"][0] |= {"UnitAmount": 90, "LineAmount": 90, "TaxAmount": 0}
        billed.xero("POST", f"Invoices/{number}", {"LineItems": row["LineItems"]})
    else:
        row = in_quickbooks(billed)
        line = {**row["Line"][0], "Amount": 90}
        line["SalesItemLineDetail"] = {**line["SalesItemLineDetail"], "UnitPrice": 90}
        ids = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True}
        billed.quickbooks("invoice", {**ids, "Line": [line]})
    billed.done()
    writes = billed.writes()
    item = billed.item("books_differ")
    assert number in item.message
    assert "its total is 90.00" in item.message
    assert "100.00" in item.message.rpartition("there, ")[2]
    assert billed.issued()[number].total == 100_00
    billed.done()
    assert billed.writes() == writes
    assert len(billed.items()) == 1


# ---------------------------------------------------------------------------------------- payments typed into the books


@pytest.mark.parametrize("number", ["UK-00001", "US-00001"])
def test_a_payment_typed_into_the_books_counts_here_and_is_not_posted_again(billed: Live, number: str) -> None:
    type_payment(billed, number, 40)
    assert billed.done("pull_ledger")["pull_ledger"].tally["payments typed into the books"] == 1
    assert billed.issued()[number].open == 60_00
    billed.done()  # the CRM hears of it
    writes = billed.writes()
    assert not any(result.changed for result in billed.done().values())
    assert billed.writes() == writes
    assert billed.items() == []


def test_an_invoice_paid_by_hand_takes_no_further_payment(billed: Live) -> None:
    type_payment(billed, "UK-00001", 100)
    billed.done("pull_ledger")
    billed.pay(100_00, "UK-00001")
    billed.done()
    assert "100.00 GBP" in billed.item("unapplied_cash").message
    assert len(billed.sandbox.vendors["xero"].state()["payments"]) == 1


def test_a_payment_typed_in_and_the_same_one_from_stripe_do_not_both_count(billed: Live) -> None:
    type_payment(billed, "UK-00001", 100)
    billed.pay(100_00, "UK-00001")
    billed.done()  # Stripe's is seen first here; the books refuse it, as they are paid already
    billed.done()
    assert billed.issued()["UK-00001"].open == 0
    assert len(billed.sandbox.vendors["xero"].state()["payments"]) == 1
    assert {item.code for item in billed.items()} == {"payment_not_booked", "unapplied_cash", "books_differ"}


def retype(live: Live, number: str, amount: int, *parts: tuple[str, int]) -> None:
    """Change the last payment that was typed in: at Xero by deleting it and typing others, at QuickBooks in place."""
    if number.startswith("UK"):
        take_payment_back(live, number, "deleted")
        for name, part in parts:
            type_payment(live, name, part)
        return
    state = live.sandbox.vendors["quickbooks"].state()
    ids = {row["DocNumber"]: row["Id"] for row in state["invoices"]}
    payment = state["payments"][-1]
    lines = [{"Amount": part, "LinkedTxn": [{"TxnId": ids[name], "TxnType": "Invoice"}]} for name, part in parts]
    body = {name: payment[name] for name in ("Id", "SyncToken", "CustomerRef")}
    live.quickbooks("payment", {**body, "sparse": True, "TotalAmt": amount, "Line": lines})


@pytest.mark.parametrize(("number", "how"), [("UK-00001", "deleted"), ("US-00001", "voided"), ("US-00001", "deleted")])
def test_a_typed_payment_taken_back_in_the_books_pays_nothing_here_either(billed: Live, number: str, how: str) -> None:
    type_payment(billed, number, 100)
    billed.done("pull_ledger")
    assert billed.issued()[number].open == 0
    take_payment_back(billed, number, how)
    result = billed.done("pull_ledger")["pull_ledger"]
    assert result.tally["payments changed in the books"] == 1
    assert billed.issued()[number].open == 100_00
    taken = "SELECT reason FROM audit WHERE action='taken back'"
    assert [why.split(" at ")[0] for (why,) in billed.rows(taken)] == [f"it was {how}"]
    assert not any(result.changed for result in billed.done(*CASH).values())
    assert billed.items() == []
    type_payment(billed, number, 30)
    billed.done("pull_ledger")
    assert billed.issued()[number].open == 70_00


@pytest.mark.parametrize("number", ["UK-00001", "US-00001"])
def test_a_typed_payment_of_another_amount_now_pays_that(billed: Live, number: str) -> None:
    type_payment(billed, number, 100)
    billed.done("pull_ledger")
    retype(billed, number, 60, (number, 60))
    billed.done("pull_ledger")
    assert billed.issued()[number].open == 40_00
    assert billed.rows("SELECT amount FROM payments WHERE status='succeeded'") == [(60_00,)]
    assert not any(result.changed for result in billed.done(*CASH).values())
    assert billed.items() == []


def test_what_of_a_typed_payment_moves_to_another_invoice_there_moves_here_too(billed: Live) -> None:
    billed.move_to(billed.today.replace(month=10))
    billed.done(*DAILY, "pull_ledger")
    type_payment_on_account(billed, "US-00001", 150, 100)
    billed.done("pull_ledger")
    retype(billed, "US-00001", 150, ("US-00001", 100), ("US-00002", 50))
    billed.done("pull_ledger")
    assert [billed.issued()[f"US-0000{number}"].open for number in (1, 2)] == [0, 50_00]
    retype(billed, "US-00001", 150, ("US-00001", 50), ("US-00002", 100))
    billed.done("pull_ledger")
    assert [billed.issued()[f"US-0000{number}"].open for number in (1, 2)] == [50_00, 0]
    assert not any(result.changed for result in billed.done(*CASH).values())
    assert billed.items() == []


def type_payment_on_account(live: Live, number: str, amount: int, part: int) -> None:
    """Type a payment into QuickBooks of which a part pays an invoice."""
    (row,) = [one for one in live.sandbox.vendors["quickbooks"].state()["invoices"] if one["DocNumber"] == number]
    line = {"Amount": part, "LinkedTxn": [{"TxnId": row["Id"], "TxnType": "Invoice"}]}
    customer = {"value": row["CustomerRef"]["value"]}
    live.quickbooks("payment", {"CustomerRef": customer, "TotalAmt": amount, "Line": [line]})


def test_payments_that_changed_places_in_the_books_change_them_here(billed: Live) -> None:
    billed.move_to(billed.today.replace(month=10))
    billed.done(*DAILY, "pull_ledger")
    numbers = ["US-00001", "US-00002"]
    for number in numbers:
        type_payment_on_account(billed, number, 100, 100)
    billed.done("pull_ledger")
    before = billed.rows("SELECT p.vendor_id, a.document_id FROM applications a JOIN payments p ON p.id=a.payment_id")
    state = billed.sandbox.vendors["quickbooks"].state()
    ids = {row["DocNumber"]: row["Id"] for row in state["invoices"]}
    for payment, parts in zip(state["payments"], ([], [numbers[0]], [numbers[1]]), strict=False):
        _relink(billed, payment["Id"], [ids[name] for name in parts])
    _relink(billed, state["payments"][0]["Id"], [ids[numbers[1]]])
    billed.done("pull_ledger")
    after = billed.rows("SELECT p.vendor_id, a.document_id FROM applications a JOIN payments p ON p.id=a.payment_id")
    (first, second) = (dict(sorted(rows)) for rows in (before, after))
    assert list(first.values()) == list(reversed(second.values()))
    assert [billed.issued()[number].open for number in numbers] == [0, 0]


def _relink(live: Live, payment: str, invoices: list[str]) -> None:
    """Let a payment of 100.00 in QuickBooks pay these invoices."""
    (row,) = [one for one in live.sandbox.vendors["quickbooks"].state()["payments"] if one["Id"] == payment]
    lines = [{"Amount": 100, "LinkedTxn": [{"TxnId": one, "TxnType": "Invoice"}]} for one in invoices]
    body = {name: row[name] for name in ("Id", "SyncToken", "CustomerRef")}
    live.quickbooks("payment", {**body, "sparse": True, "TotalAmt": 100, "Line": lines})


def test_one_payment_that_cannot_be_counted_is_shown_and_the_others_are(
    billed: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for amount in (10, 20):
        type_payment(billed, "UK-00001", amount)
    original = Payments.read_all

    def read_all(self: Payments, elements: Any, currencies: Any) -> Any:
        found = original(self, elements, currencies)
        return [msgspec.structs.replace(one, currency="") if one.amount == 10_00 else one for one in found]

    monkeypatch.setattr(Payments, "read_all", read_all)
    billed.done("pull_ledger")
    assert billed.issued()["UK-00001"].open == 80_00
    assert "is not counted" in billed.item("typed_payment_unclear").message
    assert billed.rows("SELECT count(*) FROM payments") == [(1,)]


def take_payment_back(live: Live, number: str, how: str) -> None:
    """Void or delete the only payment of a ledger, as a bookkeeper does."""
    if number.startswith("UK"):
        (payment,) = [one for one in live.sandbox.vendors["xero"].state()["payments"] if one["Status"] != "DELETED"]
        live.xero("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
        return
    payment = live.sandbox.vendors["quickbooks"].state()["payments"][-1]
    body = {"Id": payment["Id"], "SyncToken": payment["SyncToken"]}
    path = "payment?operation=delete" if how == "deleted" else "payment?operation=update&include=void"
    live.quickbooks(path, body if how == "deleted" else {**body, "sparse": True})


TAKEN_BACK = [("UK-00001", "deleted"), ("US-00001", "voided"), ("US-00001", "deleted")]


@pytest.mark.parametrize(("number", "how"), TAKEN_BACK)
def test_a_posting_taken_back_in_the_books_opens_its_invoice_and_is_not_posted_again_by_itself(
    billed: Live, number: str, how: str
) -> None:
    billed.pay(100_00, number, entity=number[:2].lower())
    billed.done()
    take_payment_back(billed, number, how)
    billed.done("pull_ledger")
    assert billed.issued()[number].open == 100_00
    billed.done()  # the CRM hears of it
    written = billed.writes()
    assert not any(result.changed for result in billed.done().values())
    assert billed.writes() == written
    assert {item.code for item in billed.items()} == {"posting_removed", "unapplied_cash"}
    message = billed.item("posting_removed").message
    assert message.startswith("Here: 100.00 ")
    assert "people took its posting back" in message


@pytest.mark.parametrize(("number", "how"), TAKEN_BACK)
def test_a_person_puts_a_posting_back(billed: Live, number: str, how: str) -> None:
    billed.pay(100_00, number, entity=number[:2].lower())
    billed.done()
    take_payment_back(billed, number, how)
    billed.done()
    billed.decide("posting_removed", "put_back")
    billed.done()
    assert billed.issued()[number].open == 0
    billed.done()
    assert billed.items() == []
    assert not any(result.changed for result in billed.done().values())


def test_money_on_account_taken_back_in_the_books_waits_for_a_person(billed: Live) -> None:
    billed.pay(130_00, "UK-00001")
    billed.done()
    (credit,) = billed.sandbox.vendors["xero"].state()["bank_transactions"]
    line = {name: credit["LineItems"][0][name] for name in ("LineItemID", "Description", "LineAmount", "AccountCode")}
    billed.xero(
        "POST", f"BankTransactions/{credit['BankTransactionID']}",
        {"BankTransactions": [{"BankTransactionID": credit["BankTransactionID"], "Status": "DELETED",
         "Type": credit["Type"], "BankAccount": {"AccountID": credit["BankAccount"]["AccountID"]},
         "LineItems": [line]}]},
    )  # fmt: skip
    billed.done("pull_ledger")
    assert "Here: 30.00 GBP" in billed.item("posting_removed").message
    assert billed.issued()["UK-00001"].open == 0
    written = billed.writes()
    billed.done("match_payments", "post_payments", "pull_ledger")
    assert billed.writes() == written
    billed.decide("posting_removed", "put_back")
    billed.done("match_payments", "post_payments", "pull_ledger")
    assert [item.code for item in billed.items()] == ["unapplied_cash"]


def test_documents_of_others_in_the_books_are_none_of_our_business(billed: Live) -> None:
    (contact,) = billed.sandbox.vendors["xero"].state()["contacts"]
    line = {"Description": "By hand", "Quantity": 1, "UnitAmount": 5, "AccountCode": "210", "TaxType": "NONE"}
    billed.xero(
        "PUT", "Invoices",
        {"Type": "ACCREC", "InvoiceNumber": "HAND-1", "Contact": {"ContactID": contact["ContactID"]},
         "Status": "AUTHORISED", "Date": "2026-09-01", "DueDate": "2026-09-30", "LineItems": [line]},
    )  # fmt: skip
    type_payment(billed, "UK-00001", 10)
    billed.done()
    assert sorted(billed.issued()) == ["UK-00001", "US-00001"]
    assert billed.items() == []


# --------------------------------------------------------------------------------------------- numbers and customers


@pytest.mark.parametrize("number", ["UK-00001", "US-00001"])
def test_a_document_renumbered_in_the_books_stays_ours_and_both_numbers_are_shown(billed: Live, number: str) -> None:
    if number == "UK-00001":
        billed.xero("POST", f"Invoices/{number}", {"InvoiceNumber": "NEW-1"})
    else:
        row = in_quickbooks(billed)
        ids = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True}
        billed.quickbooks("invoice", {**ids, "DocNumber": "NEW-1"})
    billed.done("pull_ledger")
    item = billed.item("renumbered_in_books")
    assert f"{number} is called NEW-1" in item.message
    assert billed.rows("SELECT count(*) FROM foreign_documents") == [(0,)]
    type_payment(billed, "US-00001", 40) if number == "US-00001" else None
    billed.done()
    assert billed.issued()[number].open == (60_00 if number == "US-00001" else 100_00)
    assert len(billed.items()) == 1


@pytest.mark.parametrize("vendor", ["xero", "quickbooks"])
def test_customers_merged_in_the_books_are_one_here_too(billed: Live, vendor: str) -> None:
    if vendor == "xero":
        (loser,) = [one["ContactID"] for one in billed.sandbox.vendors["xero"].state()["contacts"]]
        winner = billed.xero("PUT", "Contacts", {"Name": "The survivor"})["Contacts"][0]["ContactID"]
        billed.sandbox.vendors["xero"].books.merge_contacts(loser, winner)  # type: ignore[attr-defined]
    else:
        (loser,) = [one["Id"] for one in billed.sandbox.vendors["quickbooks"].state()["customers"]]
        winner = billed.quickbooks("customer", {"DisplayName": "The survivor"})["Customer"]["Id"]
        billed.sandbox.vendors["quickbooks"].books.merge_customers(loser, winner)  # type: ignore[attr-defined]
    tally = billed.done("pull_ledger")["pull_ledger"].tally
    assert tally["merged customers followed"] == 1
    links = billed.rows("SELECT vendor_id FROM links WHERE kind='customer' ORDER BY connection")
    assert (winner,) in links
    assert (loser,) not in links
    assert billed.items() == []
    billed.move_to(billed.today.replace(month=10))
    billed.done()  # October's invoice goes to the survivor
    assert len(billed.issued()) == 4
    assert billed.items() == []
    assert not any(result.changed for result in billed.done().values())


def test_a_customer_made_inactive_without_a_successor_is_shown(billed: Live) -> None:
    (contact,) = billed.sandbox.vendors["xero"].state()["contacts"]
    billed.xero("POST", f"Contacts/{contact['ContactID']}", {"ContactStatus": "ARCHIVED"})
    billed.done("pull_ledger")
    assert "was made inactive or archived at xero_uk" in billed.item("customer_inactive").message
    billed.xero("POST", f"Contacts/{contact['ContactID']}", {"ContactStatus": "ACTIVE"})
    billed.done("pull_ledger")
    assert billed.items() == []


def test_two_customers_of_ours_merged_in_the_books_are_shown_and_both_kept(billed: Live) -> None:
    billed.sell("Second Ltd")
    billed.done()
    first, second = [one["ContactID"] for one in billed.sandbox.vendors["xero"].state()["contacts"]]
    billed.sandbox.vendors["xero"].books.merge_contacts(first, second)  # type: ignore[attr-defined]
    billed.done("pull_ledger")
    assert "both are customers of ours" in billed.item("customers_merged_in_books").message


def test_a_credit_note_used_in_a_payment_there_does_not_stop_anything(billed: Live) -> None:
    row = in_quickbooks(billed)
    customer = {"value": row["CustomerRef"]["value"]}
    detail = {"ItemRef": row["Line"][0]["SalesItemLineDetail"]["ItemRef"], "TaxCodeRef": {"value": "NON"}}
    line = {"Amount": 20, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
    credit = billed.quickbooks("creditmemo", {"CustomerRef": customer, "Line": [line]})["CreditMemo"]
    linked = [("Invoice", row["Id"]), ("CreditMemo", credit["Id"])]
    lines = [{"Amount": 20, "LinkedTxn": [{"TxnType": kind, "TxnId": one}]} for kind, one in linked]
    billed.quickbooks("payment", {"CustomerRef": customer, "TotalAmt": 0, "Line": lines})
    billed.done("pull_ledger")
    assert "80.00 USD is open there, 100.00 USD here" in billed.item("books_differ").message


def test_a_posting_of_ours_whose_answer_was_lost_is_no_money_of_its_own(billed: Live) -> None:
    billed.pay(40_00, "UK-00001")
    billed.done("pull_payments", "match_payments", "post_payments")
    with billed.store() as store:  # as a process leaves it that died after the call
        store.execute("UPDATE outbox SET state='sending' WHERE kind='payment'")
        store.execute("DELETE FROM links WHERE kind='payment'")
    billed.done("pull_ledger")
    assert billed.rows("SELECT connection FROM payments") == [("stripe_uk",)]
    billed.done("post_payments", "pull_ledger")
    assert billed.rows("SELECT connection FROM payments") == [("stripe_uk",)]
    assert billed.issued()["UK-00001"].open == 60_00
    assert billed.items() == []
