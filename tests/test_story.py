"""Six months at a company whose people edit deals, books and customers; nothing is billed twice and nothing is lost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from sandbox.core import LOCK
from tests.invariants import assert_invariants, cursors
from tests.worlds import Live


def test_six_months_of_edits_leave_every_invariant_true(tmp_path: Path) -> None:
    live = Live(tmp_path)
    seen = cursors_never_go_back(live)

    # September: three deals are won, in three currencies and two legal entities.
    dollars = live.sell("Harbor Freight Systems", "900", deal_currency_code="USD", billing_entity="us")
    pounds = live.sell("Kestrel Analytics Ltd", "400")
    euros = live.sell("Lindqvist Data AB", "250", deal_currency_code="EUR")
    live.done()
    assert sorted(live.issued()) == ["UK-00001", "UK-00002", "US-00001"]
    seen = seen(live)

    # A typo is corrected after invoicing: no document by itself, and one proposal however often a sync runs.
    live.change_price(pounds, "420")
    live.done()
    live.done()
    assert len(live.issued()) == 3
    assert len(live.items("contract_changed")) == 1
    live.decide("contract_changed", "apply")
    live.done()
    correction = live.issued()["UK-00003"]
    assert (correction.contract, correction.total) == (f"D{pounds}", 20_00)
    seen = seen(live)

    # October: customers pay; one of them by a transfer that somebody types into Xero.
    live.move_to(date(2026, 10, 1))
    live.pay(900_00, "US-00001", entity="us")
    live.done()
    pay_in_xero(live, "UK-00002", "250.00", "EUR")
    live.done()
    assert live.issued()["UK-00002"].open == 0
    assert live.issued()["US-00001"].open == 0
    seen = seen(live)

    # November: an upsell is won for a customer of September; both contracts are billed side by side.
    live.move_to(date(2026, 11, 2))
    upsell = sell_more(live, dollars, "IMPL-FEE", "5000", dealtype="existingbusiness")
    live.done()
    assert any(row.contract == f"D{upsell}" and row.total == 5000_00 for row in live.issued().values())
    assert customers_in_books(live) == 3
    seen = seen(live)

    # An invoice is voided in QuickBooks: its lines are on hold until a person says so.
    voided = next(row for row in live.issued().values() if row.contract == f"D{dollars}" and row.open)
    void_in_quickbooks(live, str(voided.number))
    live.done()
    assert live.issued()[str(voided.number)].status == "voided"
    before = len(live.issued())
    live.done()
    assert len(live.issued()) == before
    live.decide("billing_held", "bill_again")
    live.done()
    again = [row for row in live.issued().values() if row.contract == f"D{dollars}" and row.status == "issued"]
    assert sum(row.total for row in again) == 3 * 900_00
    seen = seen(live)

    # December: a duplicate company is merged in HubSpot; its customer is followed, not created anew.
    live.move_to(date(2026, 12, 1))
    merge_company_into_a_new_record(live, euros)
    live.done()
    live.move_to(date(2027, 1, 4))
    live.done()
    assert customers_in_books(live) == 3
    seen = seen(live)

    # January: a deal is archived after it was invoiced; nothing new is billed for it, nothing is credited by itself.
    live.hubspot("DELETE", f"deals/{pounds}")
    live.done()
    billed = sum(row.total for row in live.issued().values() if row.contract == f"D{pounds}")
    live.move_to(date(2027, 2, 1))
    live.done()
    assert sum(row.total for row in live.issued().values() if row.contract == f"D{pounds}") == billed
    assert any(f"{pounds}" in item.message for item in live.items())
    seen = seen(live)

    # A renewal is won for the year after; it is billed when it begins.
    renewal = sell_more(
        live, dollars, "SUPPORT-PREM", "950", dealtype="renewal", contract_start="2027-09-01",
        contract_term_months="12", recurring=True,
    )  # fmt: skip
    live.done()
    assert not any(row.contract == f"D{renewal}" for row in live.issued().values())
    live.move_to(date(2027, 3, 1))
    live.done()
    seen(live)

    assert_invariants(live)


# ----------------------------------------------------------------------------------------------- what people do


class _Seen:
    """Remembers how far each stream was pulled and says when one went back (I11)."""

    def __init__(self, before: dict[tuple[str, str], object]) -> None:
        self._before = before

    def __call__(self, live: Live) -> _Seen:
        now = cursors(live)
        assert all(now[key] >= value for key, value in self._before.items() if key in now)  # type: ignore[operator]
        return _Seen(dict(now))


def cursors_never_go_back(live: Live) -> _Seen:
    """Start watching the cursors."""
    return _Seen({})


def sell_more(live: Live, to_deal: str, sku: str, price: str, *, recurring: bool = False, **deal: str) -> str:
    """Win a further deal for the company of another deal; returns its id."""
    (company,) = live.sandbox.hubspot.records.linked("deals", to_deal, "companies")
    line = {"name": sku.title(), "hs_sku": sku, "quantity": "1", "price": price, "tax_class": "services"}
    line["recurringbillingfrequency"] = "monthly" if recurring else ""
    properties = {
        "dealname": f"More for deal {to_deal}", "pipeline": "default", "dealstage": "closedwon",
        "deal_currency_code": "USD", "billing_entity": "us", "contract_start": live.today.isoformat(),
        "contract_term_months": "12", "payment_terms": "Net 30", "billing_frequency": "Monthly" if recurring else "",
        **deal,
    }  # fmt: skip
    return live._new("deals", properties, [(str(company), 5), (live._new("line_items", line), 19)])


def pay_in_xero(live: Live, number: str, amount: str, currency: str) -> None:
    """Type a payment into Xero, as a bookkeeper does."""
    account = {"GBP": "091", "EUR": "092"}[currency]
    body = {"Invoice": {"InvoiceNumber": number}, "Account": {"Code": account}, "Date": live.today.isoformat(),
            "Amount": float(Decimal(amount)), "Reference": "bank transfer"}  # fmt: skip
    live.xero("PUT", "Payments", {"Payments": [body]})


def void_in_quickbooks(live: Live, number: str) -> None:
    """Void an invoice in QuickBooks."""
    (found,) = [row for row in live.sandbox.vendors["quickbooks"].state()["invoices"] if row["DocNumber"] == number]
    live.quickbooks("invoice?operation=void", {"Id": found["Id"], "SyncToken": found["SyncToken"]})


def merge_company_into_a_new_record(live: Live, deal: str) -> None:
    """Merge the company of a deal with a duplicate of it: HubSpot keeps one of the two records."""
    records = live.sandbox.hubspot.records
    (company,) = records.linked("deals", deal, "companies")
    properties = {"name": "Lindqvist Data", "domain": "lindqvist.example"}
    duplicate = live._new("companies", properties)
    with LOCK:
        records.merge("companies", duplicate, str(company))


def customers_in_books(live: Live) -> int:
    """Return how many customers both ledgers hold; Xero has a contact for each account that fees are paid from, too."""
    state = {name: vendor.state() for name, vendor in live.sandbox.vendors.items()}
    accounts = {one["Name"] for one in state["xero"]["accounts"]}
    contacts = [one for one in state["xero"]["contacts"] if one["Name"] not in accounts]
    return len(state["quickbooks"]["customers"]) + len(contacts)
