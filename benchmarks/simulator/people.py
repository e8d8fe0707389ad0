"""F10: people void, edit, delete and renumber elsewhere, take our numbers, reopen deals, and overrule each other."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from benchmarks.simulator.company import REALM, Company, Verdict
from benchmarks.simulator.stories import Act, Row, Scenario, days, pay, portion, win
from sandbox.core import Fault
from store import invoices, review
from store.audit import Actor
from store.database import Store
from sync.decide import decide


def meddled(act: Act, codes: str, story: tuple[Act, ...] = ()) -> Verdict:
    """Somebody does something elsewhere: it must be told, and what they did must stand."""
    with Company() as company:
        for each in (win, *story):
            each(company)
            company.sync()
        act(company)
        before = _held(company)
        company.sync()
        company.sync()
        verdict = Verdict(minutes=company.heal())
        for was, found in zip(before, _held(company), strict=True):
            if was != found:
                verdict.wrong.append(f"what was done elsewhere was changed: {set(was) ^ set(found)}")
        verdict.duplicates = company.there.customers_twice()
        with Store(company.store) as store:
            told = {item.code for item in review.open_items(store)}
        if codes and not told & set(codes.split()):
            verdict.wrong.append(f"nobody was told: {told}")
        return verdict


def _held(company: Company) -> tuple[list[Any], ...]:
    there = company.there
    return sorted(there.documents()), sorted(there.payments()), sorted(there.entries().items())


def followed(*acts: Act) -> Verdict:
    """Payments are typed in, changed and taken back there: here is open what is open there, and all is at rest."""
    with Company() as company:
        for each in (win, *acts):
            each(company)
            company.sync()
        before = _held(company)
        verdict = Verdict(minutes=company.heal(), duplicates=company.there.customers_twice())
        if before != _held(company):
            verdict.wrong.append("what was done elsewhere was changed")
        left = company.there.open()
        with Store(company.store) as store:
            for row in invoices.issued(store):
                verdict.cents += abs(int(left[str(row.number)] * 100) - row.open)
        company.check(verdict)
        return verdict


def overruled(act: Act, fault: Fault | None = None, death: str = "") -> Verdict:
    """Somebody changes a document and a person wants ours back: it is put back, whatever breaks in between.

    There is a ``fault``, or our own process dies after a call that begins like ``death``.
    """
    with Company() as company:
        win(company)
        company.sync()
        before = sorted(company.there.documents())
        act(company)
        company.sync()
        overrule(company)
        company.faults.ordered[:] = [fault] if fault else []
        company.steps.dies_at = lambda step: (
            bool(death) and step.after and step.what.startswith(death) and not company.crashes
        )
        company.sync()
        verdict = Verdict(minutes=company.heal(), duplicates=company.there.customers_twice())
        if (after := sorted(company.there.documents())) != before:
            verdict.wrong.append(f"ours is not back: {set(before) ^ set(after)}")
        if bool(death) != bool(company.crashes):
            verdict.wrong.append(f"it died {company.crashes} times")
        with Store(company.store) as store:
            verdict.wrong += [f"still asked: {item.message}" for item in review.open_items(store)]
        return verdict


def overtaken() -> Verdict:
    """After a person wanted ours back somebody changes the document again: that must stand, and be told."""

    def again(company: Company) -> None:
        overrule(company)
        edit_in_quickbooks(company, 700)

    return meddled(again, "books_differ", (edit_in_quickbooks,))


def overrule(company: Company) -> None:
    """Decide that ours goes back, on every item that offers it."""
    with Store(company.store) as store:
        for item in review.open_items(store):
            if "put_back" in item.choices:
                decide(store, Actor("person", company.now()), item.id, "put_back", "ours is right")


def void_in_quickbooks(company: Company) -> None:
    """Void an invoice."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    company.quickbooks("invoice?operation=void", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def delete_in_quickbooks(company: Company) -> None:
    """Delete an invoice."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    company.quickbooks("invoice?operation=delete", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def edit_in_quickbooks(company: Company, amount: int = 800) -> None:
    """Change the amount of an invoice."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    line = json.loads(json.dumps(found["Line"][0]))
    line["Amount"] = amount
    line["SalesItemLineDetail"] |= {"UnitPrice": amount, "Qty": 1}
    company.quickbooks("invoice", {"Id": found["Id"], "SyncToken": found["SyncToken"], "sparse": True, "Line": [line]})


def renumber_in_quickbooks(company: Company) -> None:
    """Give an invoice another number."""
    (found,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    body = {"Id": found["Id"], "SyncToken": found["SyncToken"], "sparse": True, "DocNumber": "OURS-1"}
    company.quickbooks("invoice", body)


def void_in_xero(company: Company) -> None:
    """Void an invoice."""
    company.xero("POST", "Invoices/UK-00001", {"InvoiceNumber": "UK-00001", "Status": "VOIDED"})


def pay_in_xero(company: Company) -> None:
    """Type a payment in."""
    body = {"Invoice": {"InvoiceNumber": "UK-00001"}, "Account": {"Code": "091"}, "Date": company.today.isoformat(),
            "Amount": 100.0, "Reference": "bank transfer"}  # fmt: skip
    company.xero("PUT", "Payments", {"Payments": [body]})


def take_typed_back_in_xero(company: Company) -> None:
    """Delete the payment that was typed in."""
    (found,) = [one for one in company.there.xero("payments") if one["Reference"] == "bank transfer"]
    company.xero("POST", f"Payments/{found['PaymentID']}", {"Status": "DELETED"})


def pay_in_quickbooks(company: Company) -> None:
    """Type a payment in."""
    (row,) = [row for row in _quickbooks(company, "invoices") if row["DocNumber"] == "US-00001"]
    line = {"Amount": 100, "LinkedTxn": [{"TxnId": row["Id"], "TxnType": "Invoice"}]}
    customer = {"value": row["CustomerRef"]["value"]}
    company.quickbooks("payment", {"CustomerRef": customer, "TotalAmt": 100, "Line": [line]})


def take_typed_back_in_quickbooks(company: Company) -> None:
    """Delete the payment that was typed in."""
    (found,) = [row for row in _quickbooks(company, "payments") if not row.get("PaymentRefNum")]
    company.quickbooks("payment?operation=delete", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def change_typed_in_quickbooks(company: Company) -> None:
    """Half of the payment that was typed in is for something else."""
    (found,) = [row for row in _quickbooks(company, "payments") if not row.get("PaymentRefNum")]
    line = {"Amount": 50, "LinkedTxn": found["Line"][0]["LinkedTxn"]}
    body = {name: found[name] for name in ("Id", "SyncToken", "CustomerRef")}
    company.quickbooks("payment", {**body, "sparse": True, "TotalAmt": 50, "Line": [line]})


def delete_fee_in_quickbooks(company: Company) -> None:
    """Delete our fee, as the bank feed brought one too."""
    found = [row for row in _quickbooks(company, "purchases") if str(row.get("DocNumber", "")).startswith("F-")][-1]
    company.quickbooks("purchase?operation=delete", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def delete_payout_in_quickbooks(company: Company) -> None:
    """Delete our transfer of a payout."""
    found = _quickbooks(company, "transfers")[-1]
    company.quickbooks("transfer?operation=delete", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def delete_fee_in_xero(company: Company) -> None:
    """Delete our fee, as the bank feed brought one too; the next day it is seen."""
    found = [one for one in company.there.xero("bank_transactions") if one["Reference"].startswith("F-")][-1]
    company.xero("POST", f"BankTransactions/{found['BankTransactionID']}", {"Status": "DELETED"})
    company.move(1)


def delete_payout_in_xero(company: Company) -> None:
    """Delete our transfer of a payout; the next day it is seen."""
    found = company.there.xero("transfers")[-1]
    company.xero("POST", f"BankTransfers/{found['BankTransferID']}", {"Status": "DELETED"})
    company.move(1)


def edit_in_xero(company: Company) -> None:
    """Change the amount and the due date of an invoice."""
    (found,) = company.xero("GET", "Invoices/UK-00001")["Invoices"]
    line = found["LineItems"][0] | {"UnitAmount": 400.0, "LineAmount": 400.0, "TaxAmount": 0.0}
    company.xero("POST", "Invoices/UK-00001", {"LineItems": [line], "DueDate": company.today.isoformat()})


def renumber_in_xero(company: Company) -> None:
    """Give an invoice another number."""
    (found,) = [one for one in company.there.xero("invoices") if one["InvoiceNumber"] == "UK-00001"]
    company.xero("POST", f"Invoices/{found['InvoiceID']}", {"InvoiceNumber": "OURS-1"})


def take_our_number_in_xero(company: Company) -> None:
    """Write an invoice of their own under the number that is ours next."""
    company.xero("PUT", "Contacts", {"Contacts": [{"Name": "Somebody Else"}]})
    line = {"Description": "x", "Quantity": 1, "UnitAmount": 1, "AccountCode": "210", "TaxType": "ECZROUTPUTSERVICES"}
    body = {"Type": "ACCREC", "Contact": {"Name": "Somebody Else"}, "InvoiceNumber": "UK-00003", "CurrencyCode": "GBP",
            "Status": "AUTHORISED", "LineAmountTypes": "Exclusive", "Date": company.today.isoformat(),
            "DueDate": company.today.isoformat(), "LineItems": [line]}  # fmt: skip
    company.xero("PUT", "Invoices", {"Invoices": [body]})
    company.sell("Newcomer Ltd", "77", "GBP")


def merge_in_xero(company: Company) -> None:
    """Make the customer and another contact one: the other one stays."""
    company.xero("PUT", "Contacts", {"Contacts": [{"Name": "Kestrel Group"}]})
    named = {one["Name"]: one["ContactID"] for one in company.there.xero("contacts")}
    books = company.sandbox.vendors["xero"].books  # type: ignore[attr-defined]
    books.merge_contacts(named["Kestrel Ltd"], named["Kestrel Group"])


def take_payment_back_in_xero(company: Company) -> None:
    """Delete our posting of a payment."""
    (found,) = [one for one in company.there.xero("payments") if one["PaymentType"] == "ACCRECPAYMENT"]
    company.xero("POST", f"Payments/{found['PaymentID']}", {"Status": "DELETED"})


def take_payment_back_in_quickbooks(company: Company) -> None:
    """Void our posting of a payment."""
    (found,) = [one for one in _quickbooks(company, "payments") if one["Line"]]
    change = {"Id": found["Id"], "SyncToken": found["SyncToken"], "sparse": True}
    company.quickbooks("payment?operation=update&include=void", change)


def take_our_number(company: Company) -> None:
    """Write an invoice of their own under the number that is ours next."""
    customer = _quickbooks(company, "customers")[0]
    line = json.loads(json.dumps(_quickbooks(company, "invoices")[0]["Line"][0]))
    company.quickbooks("invoice", {"CustomerRef": {"value": customer["Id"]}, "DocNumber": "US-00002", "Line": [line]})
    company.sell("Newcomer Inc", "77", "USD")


def reopen_deal(company: Company) -> None:
    """The deal is not won any more."""
    deal = next(iter(company.hubspot("GET", "deals?limit=1")["results"]))["id"]
    company.hubspot("PATCH", f"deals/{deal}", {"properties": {"dealstage": "closedlost"}})


def change_deal(company: Company) -> None:
    """The price of a deal is another after it was invoiced."""
    deal = next(iter(company.hubspot("GET", "deals?limit=1")["results"]))["id"]
    company.change_price(str(deal), "1")


def delete_deal(company: Company) -> None:
    """The deal is thrown away."""
    deal = next(iter(company.hubspot("GET", "deals?limit=1")["results"]))["id"]
    company.hubspot("DELETE", f"deals/{deal}")


def _quickbooks(company: Company, kind: str) -> list[dict[str, Any]]:
    return list(company.sandbox.vendors["quickbooks"].state()[kind])


MEDDLING: list[tuple[str, Act, str, tuple[Act, ...]]] = [
    ("an invoice is voided in QuickBooks", void_in_quickbooks, "billing_held", ()),
    ("an invoice is deleted in QuickBooks", delete_in_quickbooks, "billing_held", ()),
    ("an invoice is edited in QuickBooks", edit_in_quickbooks, "books_differ", ()),
    ("an invoice is edited in QuickBooks after it was paid", edit_in_quickbooks, "books_differ", (pay,)),
    ("an invoice is renumbered in QuickBooks", renumber_in_quickbooks, "renumbered_in_books", ()),
    ("an invoice is voided in Xero", void_in_xero, "billing_held", ()),
    ("an invoice is edited in Xero", edit_in_xero, "books_differ", ()),
    ("an invoice is renumbered in Xero", renumber_in_xero, "renumbered_in_books", ()),
    ("our next number is taken in Xero", take_our_number_in_xero, "series_taken document_not_booked", ()),
    ("two customers are made one in Xero", merge_in_xero, "", ()),
    ("two customers are made one in Xero after a payment", merge_in_xero, "", (pay,)),
    ("our posting is deleted in Xero", take_payment_back_in_xero, "posting_removed", (pay,)),
    ("our posting is voided in QuickBooks", take_payment_back_in_quickbooks, "posting_removed", (pay,)),
    ("a payment is typed into Xero", pay_in_xero, "", ()),
    ("a payment is typed into Xero beside one by card", pay_in_xero, "", (pay,)),
    ("our fee is deleted in QuickBooks", delete_fee_in_quickbooks, "entry_differs", (pay, days)),
    ("our payout is deleted in QuickBooks", delete_payout_in_quickbooks, "entry_differs", (pay, days)),
    ("our fee is deleted in Xero", delete_fee_in_xero, "entry_differs", (pay, days)),
    ("our payout is deleted in Xero", delete_payout_in_xero, "entry_differs", (pay, days)),
    ("our next number is taken", take_our_number, "series_taken document_not_booked", ()),
    ("a deal is reopened", reopen_deal, "deal_gone", ()),
    ("a deal is changed", change_deal, "contract_changed", ()),
    ("a deal is deleted", delete_deal, "deal_gone", ()),
]


FOLLOWING: list[tuple[str, Scenario]] = [
    ("a payment typed into Xero is taken back", partial(followed, pay_in_xero, take_typed_back_in_xero)),
    ("a payment typed into QuickBooks is taken back",
     partial(followed, pay_in_quickbooks, take_typed_back_in_quickbooks)),
    ("a payment typed into QuickBooks is changed", partial(followed, pay_in_quickbooks, change_typed_in_quickbooks)),
    ("a payment typed in is taken back and typed in again",
     partial(followed, pay_in_xero, take_typed_back_in_xero, pay_in_xero)),
]  # fmt: skip


OVERRULING: list[tuple[str, Scenario]] = [
    ("an edit in QuickBooks is overruled", partial(overruled, edit_in_quickbooks)),
    ("an edit in Xero is overruled", partial(overruled, edit_in_xero)),
    ("a new number in QuickBooks is overruled", partial(overruled, renumber_in_quickbooks)),
    ("an edit in QuickBooks is overruled, the answer lost",
     partial(overruled, edit_in_quickbooks, Fault("quickbooks", "timeout_after", method="POST", path="/invoice"))),
    ("an edit in Xero is overruled, the call lost",
     partial(overruled, edit_in_xero, Fault("xero", "reset_before", method="POST", path="/Invoices/"))),
    ("a process dies overruling QuickBooks",
     partial(overruled, edit_in_quickbooks, death=f"quickbooks POST /{REALM}/inv")),
    ("a process dies overruling Xero", partial(overruled, edit_in_xero, death="xero POST /xero/api.xro/2.0/Invoices/")),
    ("an edit is overtaken by another before it is overruled", overtaken),
]  # fmt: skip


def f10(seed: int, count: int) -> Row:
    """People void, edit, delete and renumber elsewhere, take our numbers, reopen deals, and overrule each other."""
    tried = OVERRULING + FOLLOWING
    tried += [(name, partial(meddled, act, codes, story)) for name, act, codes, story in MEDDLING]
    yield from portion(tried, seed, count)
