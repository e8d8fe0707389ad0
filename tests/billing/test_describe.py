"""Terms in plain words."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.describe import changes, charge_text, describe
from billing.terms import Charge, Discount, OneTime, Recurring, Terms, charge_kind

SEATS = Recurring(key="seats", description="Seats", price=Decimal(100), quantity=Decimal(10), price_per="month",
                  every="quarter", discounts=(Discount(percent=Decimal("7.50"), description="first year"),),
                  )  # fmt: skip
SETUP = OneTime(key="setup", description="Setup", price=Decimal("1250.5"), on=date(2026, 2, 3), tax_class="services")
TIERS = [{"up_to": 50, "price": "0"}, {"up_to": 100, "price": 2}, {"price": "1.5", "flat": 10}]


def terms(*charges: Charge, **fields: Any) -> Terms:
    given = {"contract": "C-1", "customer": "Acme Ltd", "currency": "USD", "starts_on": date(2026, 1, 1)}
    return msgspec.convert({**given, "charges": charges or (SETUP,), **fields}, Terms)


def worded(kind: str, **fields: Any) -> str:
    """Return the words of one charge, without its description and tax class."""
    agreed = terms(charge(kind, **fields))
    return charge_text(agreed.charges[0], agreed).removeprefix("X: ").removesuffix("; tax class standard")


def charge(kind: str, **fields: Any) -> Charge:
    made: Charge = msgspec.convert({"type": kind, "key": "x", "description": "X", **fields}, Charge)
    return made


def test_a_recurring_charge_says_what_is_paid_how_often_and_what_is_taken_off() -> None:
    expected = "Seats: 10 × 100.00 USD per month, billed every quarter in advance, less 7.5% (first year)"
    assert charge_text(SEATS, terms()) == f"{expected}; tax class standard"


def test_an_amount_off_is_worded_in_the_contracts_currency() -> None:
    off = charge("recurring", price=900, discounts=[{"amount": 50}])
    assert "less 50 JPY per period" in charge_text(off, terms(currency="JPY"))


def test_every_kind_of_charge_has_words() -> None:
    kinds = {charge_kind(kind) for kind in Charge.__args__}
    assert kinds == {"recurring", "one_time", "usage", "fixed_price", "retainer", "prepaid"}


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("one_time", {"price": "1250.5", "on": "2026-02-03"}, "1,250.50 USD, once on 3 Feb 2026"),
        ("one_time", {"price": 5, "quantity": 3}, "3 × 5.00 USD, once on 1 Jan 2026"),
        (
            "recurring",
            {"price": 5, "timing": "arrears", "starts_on": "2026-03-01"},
            "5.00 USD per month, billed every month in arrears, from 1 Mar 2026, without end",
        ),
        (
            "recurring",
            {"price": 5, "every": "week", "starts_on": "2026-03-02", "ends_on": "2026-03-15", "escalates": False},
            "5.00 USD per week, billed every week in advance, 2 Mar 2026 to 15 Mar 2026, never raised",
        ),
        (
            "recurring",
            {"price": 5, "anchor_day": "last", "proration": "none", "list_price": 6},
            "5.00 USD per month, billed every month in advance, periods of its own, begun on the last day of the "
            "month, "
            "a part of a period costs as much as a whole one, list price 6.00 USD",
        ),
        (
            "recurring",
            {"price": 0, "quantity": 120, "tiers": TIERS, "seats_added": "next_period", "seats_removed": "credit"},
            "120 units, each unit at its bracket's price (up to 50: 0.00 USD; up to 100: 2.00 USD; above: 1.50 USD + "
            "10.00 USD flat) per month, billed every month in advance, added units cost from the next period, removed "
            "units are credited for the days left",
        ),
        (
            "recurring",
            {
                "price": 5,
                "steps": [
                    {"starts_on": "2027-01-01", "price": 6, "quantity": 20},
                    {"starts_on": "2027-06-01", "quantity": 30},
                ],
            },
            "5.00 USD per month, billed every month in advance, from 1 Jan 2027: 20 units at 6.00 USD, "
            "from 1 Jun 2027: 30 units",
        ),
        (
            "recurring",
            {"price": 5, "escalator": {"percent": 3, "method": "simple", "first_on": "2027-01-01"}},
            "5.00 USD per month, billed every month in advance, rising by 3% each year, on the first price, "
            "first on 1 Jan 2027",
        ),
        (
            "recurring",
            {
                "price": 5,
                "escalator": {"index": "CPI", "margin": 1, "floor": 2, "cap": 5, "index_method": "base"},
            },
            "5.00 USD per month, billed every month in advance, rising with index CPI plus 1 point(s) each year, "
            "measured from the first price, at least 2%, at most 5%",
        ),
        (
            "recurring",
            {
                "price": 5,
                "discounts": [
                    {"percent": 100, "periods": 1},
                    {"amount": 2, "starts_on": "2026-03-01", "ends_on": "2026-05-31"},
                    {"percent": 5, "periods": 3},
                ],
            },
            "5.00 USD per month, billed every month in advance, less 100% in the first period, less 2.00 USD per "
            "period "
            "from 1 Mar 2026 through 31 May 2026, less 5% in the first 3 periods",
        ),
        (
            "usage",
            {"price": "0.02", "meter": "calls", "per": 1000, "free_units": 500, "cap": 90, "minimum": 10},
            "0.02 USD per 1000 units of calls, billed every month in arrears, 500 units included, at most 90.00 USD a "
            "period, at least 10.00 USD a period",
        ),
        (
            "usage",
            {
                "model": "graduated",
                "tiers": TIERS,
                "aggregation": "max",
                "resets": "year",
                "invoiced": "quarter",
                "bill_over": 100,
                "estimate": 70,
            },
            "each unit at its bracket's price (up to 50: 0.00 USD; up to 100: 2.00 USD; above: 1.50 USD + 10.00 USD "
            "flat) of "
            "x, the highest value of each period, billed every month in arrears, invoiced every quarter, counted "
            "over a "
            "year, invoiced as soon as 100.00 USD is reached, 70 a period expected",
        ),
        (
            "usage",
            {"model": "volume", "tiers": TIERS[2:], "per": 10, "aggregation": "last"},
            "all units at the bracket reached (above: 1.50 USD per 10 + 10.00 USD flat) of x, the last value of each "
            "period, billed every month in arrears",
        ),
        (
            "usage",
            {"model": "package", "price": 5, "package_size": 100, "aggregation": "unique_count"},
            "5.00 USD per begun 100 units of x, each different value once a period, billed every month in arrears",
        ),
        (
            "usage",
            {
                "model": "percentage",
                "percent": "1.2",
                "fixed": "0.2",
                "least_each": 1,
                "most_each": 9,
                "free_records": 3,
            },
            "1.2% + 0.20 USD for each record (at least 1.00 USD and at most 9.00 USD each) of x, billed every month in "
            "arrears, 3 records included",
        ),
        (
            "usage",
            {
                "dimension": "role",
                "prices": {"lead": 150, "dev": 90},
                "where": {"site": "x"},
                "cap": 9,
                "cap_over": "contract",
            },
            "a price for each unit of x, only site x, by role (lead 150.00 USD; dev 90.00 USD), billed every month in "
            "arrears, at most 9.00 USD over the whole contract",
        ),
        (
            "fixed_price",
            {
                "price": 900,
                "instalments": [
                    {"key": "a", "percent": 40, "on": "2026-02-01", "description": "at signature"},
                    {"key": "b", "amount": 300, "after": "2 months"},
                    {"key": "c", "percent": 20},
                    {"key": "d", "percent": 10, "expected_on": "2026-06-30"},
                ],
            },
            "900.00 USD in all: 40% on 1 Feb 2026 (at signature); 300.00 USD 2 months after the start (b); 20% when "
            "it is "
            "accepted (c); 10% when it is accepted, expected on 30 Jun 2026 (d)",
        ),
        (
            "retainer",
            {"price": 900, "included": 10, "overage_price": 120},
            "900.00 USD per month in advance for 10 units of x, unused ones lapse, more at 120.00 USD each",
        ),
        (
            "retainer",
            {"price": 900, "included": 10, "overage_price": 120, "rollover": 2, "meter": "hours", "every": "quarter"},
            "900.00 USD per quarter in advance for 10 units of hours, unused ones are kept for 2 periods, more at "
            "120.00 "
            "USD each",
        ),
        (
            "prepaid",
            {"price": 900, "value": 1000, "charges": ["calls"], "lasts": "1 year", "ends_on": "2026-06-30"},
            "900.00 USD paid on 1 Jan 2026 through 30 Jun 2026, worth 1,000.00 USD, drawn by calls as it is used "
            "within 1 year; what is left is lost",
        ),
        (
            "prepaid",
            {"price": 900, "every": "year", "on": "2026-02-01", "drawn": "final", "unused": "return"},
            "900.00 USD paid every year from 1 Feb 2026, drawn by all usage on the final invoice; what is left is "
            "given "
            "back",
        ),
    ],
)
def test_a_charge_is_worded_with_all_that_it_has(kind: str, fields: dict[str, Any], text: str) -> None:
    assert worded(kind, **fields) == text


@pytest.mark.parametrize(
    ("field", "value", "label", "text"),
    [
        ("payment_terms", "net 30", "Payment", "due 30 days after the invoice"),
        ("payment_terms", "on receipt", "Payment", "due on receipt"),
        ("payment_terms", "eom", "Payment", "due at the month's end"),
        ("payment_terms", "eom + 15", "Payment", "due 15 days after the end of the invoice's month"),
        ("payment_terms", "2/10 net 30", "Payment", "due 30 days after the invoice, 2% off within 10 days"),
        ("payment_terms", "day 15 of next month", "Payment", "due on day 15 of the month after the invoice's"),
        ("payment_terms", "day 5", "Payment", "due on the next day 5 of a month"),
        (
            "payment_terms",
            "31 days then day 15",
            "Payment",
            "due on the first day 15 of a month at least 31 days after the invoice",
        ),
        ("ends_on", None, "Runs", "from 1 Jan 2026, without end"),
        ("ended_by", "customer", "Ended early", "by the customer"),
        ("trial_ends_on", "2026-01-14", "Trial", "free through 14 Jan 2026"),
        ("anchor_day", "last", "Periods begin", "on the last day of the month"),
        ("anchor_day", 5, "Periods begin", "on day 5 of the month"),
        ("proration", "months_then_days", "Part periods",
         "a part of a period is counted in whole months first, then in days of the next one"),
        ("seats_added", "next_period", "Units added", "added units cost from the next period"),
        ("seats_removed", "high_water", "Units removed",
         "within a period the highest number of units so far is what costs"),
        ("issue_days_before", 30, "Invoiced", "30 days before the period that is paid in advance"),
        ("invoice_grouping", "customer", "Invoices", "one for all contracts of the customer"),
        ("billed_through", "2026-01-31", "Billed elsewhere", "through 31 Jan 2026"),
        ("po_required", True, "Purchase order", "required, and none is known yet: nothing is issued without it"),
        ("po_number", "PO-7", "Purchase order", "PO-7"),
        ("billing_contact", {"name": "AP", "email": "ap@acme.example"}, "Invoices go to", "AP <ap@acme.example>"),
        ("value", 12000, "Contract value", "12,000.00 USD"),
        ("discounts", [{"amount": 5}, {"percent": 3}], "Off the whole contract", "5.00 USD per invoice; 3%"),
        ("escalator", {"amount": 2, "every": "2 years"}, "Prices rise",
         "by 2.00 USD each 2 years, on the price before"),
        ("renewal", {}, "Renewal", "by agreement, for 1 year"),
        ("renewal", {"auto": True, "notice_days": 60, "uplift_percent": 7, "most": 2}, "Renewal",
         "by itself for 1 year, at most 2 times, unless cancelled 60 days before, at the price in force raised by 7%"),
        ("renewal", {"auto": True, "price_basis": "first_segment", "uplift_percent": 3, "uplift_per": "year"},
         "Renewal", "by itself for 1 year, at the first price raised by 3% for each year"),
        ("commitments", [{"key": "m", "amount": 5000, "charges": ["setup"], "overage_factor": 2}], "Commitment m",
         "at least 5,000.00 USD per year for setup, more at 2 times its price"),
        ("commitments",
         [{"key": "m", "amount": 5000, "every": "quarter", "true_up": False, "prorate_on_termination": True,
           "ends_on": "2026-12-31", "steps": [{"starts_on": "2026-07-01", "price": 6000}]}],
         "Commitment m",
         "at least 5,000.00 USD per quarter, from 1 Jul 2026 6,000.00 USD, through 31 Dec 2026, what is short is not "
         "charged, by its days if ended early"),
        ("holdback", {"percent": 10}, "Holdback", "10% of every fixed price, billed when its release is recorded"),
        ("holdback", {"percent": 5, "charges": ["setup"], "release_on": "2026-12-31"}, "Holdback",
         "5% of setup, billed on 31 Dec 2026"),
        ("termination_fee", {"amount": 500}, "Ending early", "costs 500.00 USD"),
        ("termination_fee", {"percent": 40}, "Ending early", "costs 40% of the recurring charges left"),
        ("termination_fee", {"months": 3}, "Ending early", "costs 3 month(s) of the recurring charges"),
        ("late_fee", {"percent": "1.5", "per": "month", "after_days": 5}, "Paying late",
         "costs 1.5% of what is open for each begun month, 5 days after the due date"),
        ("late_fee", {"amount": 40}, "Paying late", "costs 40.00 USD once, 0 days after the due date"),
        ("custom", {"Region": "EMEA"}, "Region", "EMEA"),
    ],
)  # fmt: skip
def test_what_is_agreed_beside_the_charges_is_worded(field: str, value: Any, label: str, text: str) -> None:
    assert describe(terms(**{field: value}))[label] == text


def test_what_is_not_agreed_is_not_mentioned() -> None:
    assert set(describe(terms(SEATS, SETUP))) == {"Runs", "Payment", "Part periods", "Charge seats", "Charge setup"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"change": [{"charge": "setup", "quantity": 3, "price": 5}]}, "setup 3 units, at 5.00 USD"),
        (
            {
                "change": [
                    {"charge": "a", "ends_on": "2026-09-30", "discounts": [{"percent": 5}], "seats_removed": "credit"}
                ]
            },
            "a through 30 Sep 2026, less 5%, removed units are credited for the days left",
        ),
        ({"change": [{"charge": "a", "description": "Plus", "discounts": []}]}, "a named 'Plus', without discounts"),
        ({"change": [{"charge": "a"}]}, "a stays as it is"),
        ({"end": ["a", "b"]}, "a ends; b ends"),
        (
            {"ends_on": "2026-06-30", "terminates": "customer", "unused": "keep"},
            "last day 30 Jun 2026, ended by the customer, prepaid service is not given back",
        ),
        ({"payment_terms": "net 10", "po_number": "PO 2"}, "due 10 days after the invoice; purchase order PO 2"),
        (
            {"po_budget": 500, "value": 900},
            "purchase orders good for 500.00 USD; contract value 900.00 USD",
        ),
        ({"renewal": {"auto": True}}, "renews by itself for 1 year, at the price in force"),
        (
            {"add": [{"type": "one_time", "key": "x", "description": "X", "price": 1}]},
            "new x, X: 1.00 USD, once on 1 May 2026; tax class standard",
        ),
        (
            {
                "replace": [
                    {"charge": "a", "by": {"type": "one_time", "key": "x", "description": "X", "price": 1}},
                ]
            },
            "x in place of a, X: 1.00 USD, once on 1 May 2026; tax class standard",
        ),
    ],
)
def test_an_amendment_says_what_changes_from_when(fields: dict[str, Any], text: str) -> None:
    agreed = terms(amendments=[{"key": "n1", "effective_on": "2026-05-01", **fields}])
    assert describe(agreed)["Amendment n1"] == f"from 1 May 2026: {text}"


def test_a_backdated_amendment_says_since_when_it_is_known_and_why() -> None:
    amendment = {
        "key": "n1",
        "effective_on": "2026-05-01",
        "known_on": "2026-06-11",
        "description": "Moved",
        "end": ["a"],
    }
    text = describe(terms(amendments=[amendment]))["Amendment n1"]
    assert text == "Moved: from 1 May 2026, known since 11 Jun 2026: a ends"


def test_two_versions_are_held_side_by_side_where_they_differ() -> None:
    before, after = terms(SEATS), terms(SEATS, SETUP, payment_terms="net 45")
    assert changes(before, after) == [
        ("Payment", "due 30 days after the invoice", "due 45 days after the invoice"),
        ("Charge setup", "", charge_text(SETUP, after)),
    ]
    assert changes(before, before) == []


def test_terms_that_were_ended_early_say_by_whom_and_what_was_signed() -> None:
    ended = terms(ends_on="2026-06-30", ended_by="seller", signed_ends_on="2026-12-31")
    assert describe(ended)["Ended early"] == "by the seller, signed to 31 Dec 2026"


def test_each_amendment_is_a_change_of_its_own() -> None:
    one = {"key": "n1", "effective_on": "2026-05-01", "end": ["seats"]}
    two = {"key": "n2", "effective_on": "2026-06-01", "payment_terms": "eom"}
    assert changes(terms(amendments=[one]), terms(amendments=[one, two])) == [
        ("Amendment n2", "", "from 1 Jun 2026: due at the month's end"),
    ]
