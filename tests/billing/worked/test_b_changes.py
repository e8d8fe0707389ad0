"""Letter B, second half: what a change within a period credits and charges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from billing.invoicing import Rules
from billing.money import text, to_minor
from billing.tax import document_taxes
from tests.billing.build import bill_on, issue, recurring, terms
from tests.billing.worked.cases import (
    DIFFERENT,
    amounts,
    by_day,
    expected,
    fee,
    given,
    lines,
    on,
    shown,
    total,
)


def repriced(day: str, price: str, key: str = "A1") -> str:
    return f'{{key = "{key}", effective_on = {day}, change = [{{charge = "fee", price = {price}}}]}}'


def same(found: list[str], wanted: list[str]) -> bool:
    return sorted(found) == sorted(wanted)


def test_B13_two_changes_in_one_month_credit_what_was_billed_less_what_is_owed():
    body = f"""
    starts_on = 2012-05-01
    charges = [{fee(given("B13")["price"])}]
    amendments = [{repriced("2012-05-07", "9.95")}, {repriced("2012-05-08", "29.95", "A2")}]
    """
    document = shown(body, through="2012-07-01")
    wanted = expected("B13")
    for day in ("2012-05-07", "2012-05-08", "2012-06-01", "2012-07-01"):
        assert same(on(document, day), wanted[f"invoice_{day.replace('-', '_')}"]["lines"])
    note = next(one for one in document["invoices"] if one["issue_on"] == "2012-05-07")
    assert (note["type"], note["total"]) == ("credit_note", wanted["invoice_2012_05_07"]["credit_balance_after"])
    assert total(on(document, "2012-05-08")) == wanted["invoice_2012_05_08"]["credit_used"]


def test_B18_free_to_paid_rounds_the_half_cent_up():
    wanted = expected("B18")
    body = f"""
    starts_on = 2017-01-01
    charges = [{fee("0.00")}]
    amendments = [{repriced("2017-02-15", "29.95")}]
    """
    document = shown(body, through="2017-03-01")
    assert [one for one in amounts(document) if one != "0.00"] == [wanted["charge_to_2017_03_01"], wanted["next_month"]]
    assert total(on(document, "2017-02-15")) == wanted["charge_to_2017_03_01"]
    assert sum(one["type"] == "credit_note" for one in document["invoices"]) == wanted["credit_lines_for_zero_period"]


def test_B21_two_upgrades_on_one_day_of_an_anniversary_period():
    assert DIFFERENT["B21"]
    wanted = expected("B21")
    rules = Rules(tax_rates={"standard": Decimal(given("B21")["tax_rate"])})
    upgrades = [
        {"key": f"A{price}", "effective_on": "2024-03-12", "change": [{"charge": "fee", "price": price}]}
        for price in ("15.00", "19.00")
    ]
    contracts = [
        terms(recurring(price="10.00"), starts_on="2024-03-05", amendments=upgrades[:count]) for count in range(3)
    ]
    settled = issue(contracts[0], [], "2024-03-05", rules)
    fees, credits = [settled[0].amount], []
    for contract in contracts[1:]:
        before = {item.slice: item.amount for item in settled}
        settled = issue(contract, settled, "2024-03-12", rules)
        now = {item.slice: item.amount for item in settled}
        fees.append(now["C-1/fee/2024-03-12"])
        credits.append(
            before["C-1/fee/2024-03-12"]
            if "C-1/fee/2024-03-12" in before
            else before[settled[0].slice] - now[settled[0].slice]
        )
    assert [text(one, "USD") for one in fees] == wanted["fees_net"]
    assert bill_on(contracts[-1], settled, "2024-03-12", rules).drafts == ()
    gross = [net + document_taxes([("standard", net)], rules.tax_rates)[0].amount for net in credits]
    assert [text(one, "USD") for one in gross] == wanted["credit_notes_gross"]


def test_B23_an_arrears_charge_added_mid_period_bills_at_the_renewal():
    wanted = expected("B23")["renewal_2024_02_01"]
    body = f"""
    starts_on = 2024-01-01
    charges = [{fee("39.00")}]
    amendments = [{{key = "A1", effective_on = 2024-01-16, add = [
      {{type = "recurring", key = "more", description = "More", price = 30.00, timing = "arrears"}}
    ]}}]
    """
    document = shown(body, through="2024-02-01")
    assert [one["issue_on"] for one in document["invoices"]] == ["2024-01-01", "2024-02-01"]
    assert on(document, "2024-02-01") == wanted["lines"]
    assert document["invoices"][1]["total"] == wanted["total"]


def test_B24_a_one_time_fee_is_billed_once_whatever_the_edits():
    body = f"""
    starts_on = 2024-01-01
    charges = [{fee("39.00")}]
    amendments = [
      {{key = "A1", effective_on = 2024-01-10, add = [
        {{type = "one_time", key = "extra", description = "Extra", price = 100.00, on = 2024-02-01}}
      ]}},
      {{key = "A2", effective_on = 2024-01-20, change = [{{charge = "extra", description = "Extra fee"}}]}},
      {{key = "A3", effective_on = 2024-02-20, change = [{{charge = "extra", description = "Fee, once more"}}]}},
    ]
    """
    document = shown(body, through="2024-03-01")
    assert [one["total"] for one in document["invoices"]] == ["39.00", *expected("B24")["invoices"]]


@pytest.mark.parametrize(
    ("case", "every"), [("B27a", "month"), ("B27b", "month"), ("B27c", "month"), ("B27e", "year"), ("B27f", "year")]
)
def test_B27_an_upgrade_credits_and_charges_the_days_left(case, every):
    body = f"""
    starts_on = {given(case)["period"][0]}
    charges = [{fee(given(case)["old"], f'every = "{every}"')}]
    amendments = [{repriced(given(case)["change"], given(case)["new"])}]
    """
    document = shown(body, through=given(case)["change"])
    wanted = [f"-{expected(case)['credit']}", expected(case)["debit"]]
    assert same(on(document, given(case)["change"]), wanted)


@pytest.mark.parametrize(
    ("name", "old", "new", "change"),
    [
        ("a", ("100.00", "month"), ("1000.00", "year"), "2025-06-16"),
        ("b", ("1000.00", "year"), ("100.00", "month"), "2025-08-13"),
    ],
)
def test_B28_another_interval_restarts_the_cycle(name, old, new, change):
    wanted = expected("B28")[name]
    by = fee(new[0], f'every = "{new[1]}"', key="new")
    body = f"""
    starts_on = 2025-06-01
    charges = [{fee(old[0], f'every = "{old[1]}"')}]
    amendments = [{{key = "A1", effective_on = {change}, replace = [{{charge = "fee", by = {by}}}]}}]
    """
    document = shown(body, through=change)
    assert same(on(document, change), [f"-{wanted['credit']}", wanted["debit"]])
    (line,) = lines(document, "new")
    assert [line["from"], line["to"]] == [wanted["new_period"][0], day_before(wanted["new_period"][1])]


def day_before(day: str) -> str:
    from datetime import date, timedelta

    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


MARCH = {
    "a": ("price = 10.00", 'change = [{charge = "fee", price = 20.00}]'),
    "b": ("price = 50.00, quantity = 2", 'change = [{charge = "fee", price = 30.00, quantity = 1}]'),
    "c": ("price = 10.00, quantity = 5", 'change = [{charge = "fee", quantity = 10}]'),
    "d": ("price = 0.00", 'add = [{type = "recurring", key = "new", description = "New", price = 25.00}]'),
    "e": ("price = 40.00", 'end = ["fee"]'),
}


@pytest.mark.parametrize("name", MARCH)
def test_B30_changes_of_price_and_quantity_on_the_15th_of_march(name):
    before, amendment = MARCH[name]
    body = f"""
    starts_on = 2024-03-01
    seats_removed = "credit"
    charges = [{{type = "recurring", key = "fee", description = "Fee", {before}}}]
    amendments = [{{key = "A1", effective_on = 2024-03-15, {amendment}}}]
    """
    found = [one for one in on(shown(body, through="2024-03-31"), "2024-03-15") if one != "0.00"]
    wanted = [figure for figure in expected("B30")[name] if not figure.startswith("net")]
    if name == "c":
        assert DIFFERENT["B30"]
        wanted = [expected("B30")["c"][-1].removeprefix("net ")]
    assert same(found, wanted)


def test_B30_a_charge_exchanged_for_a_larger_one_is_credited_and_charged():
    body = f"""
    starts_on = 2024-03-01
    charges = [{fee("10.00", "quantity = 5")}]
    amendments = [{{key = "A1", effective_on = 2024-03-15, replace = [
      {{charge = "fee", by = {fee("10.00", "quantity = 10", key="new")}}}
    ]}}]
    """
    assert same(on(shown(body, through="2024-03-15"), "2024-03-15"), expected("B30")["c"][:2])


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("a", [("2024-03-06", 5)]),
        ("b", [("2024-03-06", 15)]),
        ("c", [("2024-03-06", 5), ("2024-03-11", 15)]),
        ("d", [("2024-03-06", 15), ("2024-03-11", 20)]),
    ],
)
def test_B31_only_seats_above_the_highest_count_of_the_period_cost_and_none_are_refunded(name, changes):
    amendments = ",\n".join(
        f'{{key = "{day}", effective_on = {day}, change = [{{charge = "fee", quantity = {seats}}}]}}'
        for day, seats in changes
    )
    body = f"""
    starts_on = 2024-03-01
    proration = "none"
    seats_removed = "high_water"
    charges = [{fee("10.00", "quantity = 10")}]
    amendments = [{amendments}]
    """
    document = shown(body, through="2024-03-31")
    assert on(document, "2024-03-01") == [expected("B31")["initial"]]
    found = [total(on(document, day)) for day, _ in changes]
    assert found == expected("B31")[name]


SEATS = """
starts_on = 2024-01-01
charges = [
  {type = "recurring", key = "base", description = "Base", price = %s},
  {type = "recurring", key = "seats", description = "Seats", price = 0, quantity = %s, tiers = [
    {up_to = 50, price = 0}, {up_to = 100, price = 20.00}, {up_to = 200, price = 17.50}, {price = 15.00},
  ]},
]
"""
MORE_SEATS = 'amendments = [{key = "A1", effective_on = 2024-01-16, change = [{charge = "seats", quantity = 143}]}]'


def test_B32_only_the_added_seats_of_a_bracketed_price_are_prorated():
    wanted = expected("B32")
    found: dict[str, Any] = by_day(shown(SEATS % ("999.00", 100) + MORE_SEATS, through="2024-02-01"))
    assert total(found["2024-01-01"]) == wanted["monthly_at_100"]
    assert found["2024-01-16"] == [wanted["prorated_seat_delta"]]
    assert total(found["2024-02-01"]) == wanted["monthly_at_143"]
    for seats, amount in ((1, 200), (50, 200), (51, 220)):
        document = shown(SEATS % ("200.00", seats), through="2024-01-01")
        assert to_minor(Decimal(total(amounts(document))), "USD") == amount * 100
