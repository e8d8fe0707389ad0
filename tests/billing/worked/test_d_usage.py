"""Letter D: what was used, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from billing.facts import Facts, UsageRecord
from billing.invoicing import Settled, bill, settle
from billing.money import text
from tests.billing.build import NO_TAX, terms
from tests.billing.worked.cases import DIFFERENT, amounts, codes, expected, fee, lines, on, shown, total, used

Late = list[tuple[str, list[tuple[str, int]]]]  # what is known on each day of a run


def usage(fields: str) -> str:
    return f'{{type = "usage", key = "usage", description = "Units", {fields}}}'


def a_month_each(fields: str, *quantities: int) -> list[str]:
    """Return what each quantity costs, used in a month of its own."""
    document = shown(
        f"starts_on = 2026-01-01\nends_on = 2026-{len(quantities):02}-01\ncharges = [{usage(fields)}]",
        usage=used(*((f"2026-{month:02}-01", quantity) for month, quantity in enumerate(quantities, 1) if quantity)),
    )
    found = {line["from"]: line["amount"] for line in lines(document)}
    return [found.get(f"2026-{month:02}-01", "0.00") for month in range(1, len(quantities) + 1)]


def run_on(charge: Mapping[str, object], known: Late) -> list[list[str]]:
    """Return what each run bills when usage becomes known only later."""
    contract = terms(
        {"type": "usage", "key": "usage", "description": "Units", **charge},
        starts_on="2026-01-01",
        ends_on="2026-02-28",
    )
    found: list[list[str]] = []
    settled: list[Settled] = []
    records: list[UsageRecord] = []
    for today, rows in known:
        for day, quantity in rows:
            number = str(len(records))
            records.append(
                UsageRecord(id=number, meter="usage", day=date.fromisoformat(day), quantity=Decimal(quantity))
            )
        facts = Facts(usage=tuple(records))
        billing = bill(contract, settled, today=date.fromisoformat(today), rules=NO_TAX, facts=facts)
        settled = settle(settled, billing)
        found.append([text(one.amount, "USD") for draft in billing.drafts for one in draft.lines])
    return found


def test_D03_late_usage_bills_the_difference_of_the_blocks():
    charge = {"price": "1.00", "model": "package", "package_size": "100"}
    known: Late = [
        ("2026-02-01", [("2026-01-03", 100)]),
        ("2026-03-01", [("2026-02-03", 99)]),
        ("2026-03-05", [("2026-01-04", 30), ("2026-01-20", 271), ("2026-02-05", 100)]),
    ]
    assert run_on(charge, known) == [["1.00"], ["1.00"], expected("D03")["remaining_to_bill"]]


def test_D04_a_yearly_base_in_advance_and_monthly_usage_after():
    wanted = expected("D04")
    body = f"""
    starts_on = 2012-04-01
    charges = [
      {fee("2399.95", 'every = "year", starts_on = 2012-05-01, anchor_day = 1')},
      {usage('price = 2.95, model = "package", package_size = 100')},
    ]
    amendments = [{{key = "A1", effective_on = 2012-05-16, change = [{{charge = "usage", ends_on = 2012-05-16}}]}}]
    """
    records = used(("2012-04-05", 99), ("2012-04-15", 100), ("2012-05-01", 50), ("2012-05-16", 300))
    document = shown(body, usage=records, through="2012-06-30")
    assert on(document, "2012-05-01") == wanted["invoice_2012_05_01"]
    assert amounts(document, "usage")[-1] == wanted["final_usage_invoice"]


FLAT_GRADUATED = 'model = "graduated", tiers = [{up_to = 5, price = 10, flat = 100}, {price = 5, flat = 50}]'


def test_D05_graduated_with_a_flat_price_per_bracket():
    assert a_month_each(FLAT_GRADUATED, 3, 8) == expected("D05")["totals"]


def test_D05_no_usage_owes_a_flat_price_only_when_told():
    assert DIFFERENT["D05"]
    tiers = 'model = "graduated", tiers = [{up_to = 10, price = 2, flat = 100}]'
    assert a_month_each(tiers, 0) == ["0.00"]
    assert a_month_each(f"charge_flat_at_zero = true, {tiers}", 0) == ["100.00"]


def test_D06_volume_with_a_flat_price():
    tiers = 'model = "volume", tiers = [{up_to = 10, price = 5, flat = 100}, {price = 2, flat = 50}]'
    assert a_month_each(tiers, 5, 15) == expected("D06")["totals"]


BRACKETS = [
    {"up_to": "5", "flat": "100"},
    {"up_to": "10", "flat": "50"},
    {"up_to": "15", "price": "5.00"},
    {"price": "1.00"},
]


def test_D10_splitting_a_period_does_not_change_the_sum():
    assert DIFFERENT["D10"]
    wanted = expected("D10")
    charge = {"model": "graduated", "tiers": BRACKETS}
    at_once = run_on(charge, [("2026-02-01", [("2026-01-03", 22)])])
    assert at_once == [[wanted["a"][-1].removeprefix("total ")]]
    assert Decimal(at_once[0][0]) == sum(Decimal(part) for part in wanted["a"][:-1])
    in_parts = run_on(charge, [("2026-02-01", [("2026-01-03", 12)]), ("2026-02-02", [("2026-01-04", 10)])])
    assert in_parts[1] == [wanted["b"][-1].removeprefix("total ")]


VOLUME = 'model = "volume", tiers = [{up_to = 5, flat = 100}, {up_to = 10, flat = 150}, {up_to = 15, price = 10}, '
VOLUME += "{price = 5}]"


def test_D11_the_edges_of_volume_brackets():
    assert DIFFERENT["D11"]
    wanted = expected("D11")["totals"]
    assert a_month_each(f"charge_flat_at_zero = true, {VOLUME}", 0, 3, 5, 14, 15, 16) == wanted
    assert a_month_each(VOLUME, 0, 3, 5, 14, 15, 16) == ["0.00", *wanted[1:]]


def test_D12_graduated_and_volume_of_15000_units():
    wanted = expected("D12")
    a = "tiers = [{up_to = 1000, price = 0.10}, {up_to = 10000, price = 0.05}, {price = 0.01}]"
    b = "tiers = [{up_to = 1000, price = 0.01}, {up_to = 10000, price = 0.008}, {price = 0.005}]"
    assert a_month_each(f'model = "graduated", {a}', 15000) == [wanted["a_graduated"]]
    assert a_month_each(f'model = "volume", {a}', 15000) == [wanted["a_volume"]]
    assert a_month_each(f'model = "graduated", {b}', 15000) == [wanted["b_graduated"]]


@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_D13_a_quantity_above_the_last_bracket_is_a_review_item(model):
    assert DIFFERENT["D13"]
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-03-31
    charges = [{usage(f'model = "{model}", tiers = [{{up_to = 10, price = 5.00}}]')}]
    """
    document = shown(body, usage=used(("2026-01-05", 10), ("2026-03-05", 15)))
    assert expected("D13")["volume_15"].startswith("error")
    assert [one for one in amounts(document) if one != "0.00"] == [expected("D13")["graduated_15"]]  # of ten in January
    assert a_month_each(f'model = "{model}", tiers = [{{up_to = 10, price = 5.00}}]', 0) == [expected("D13")["zero"]]
    note = next(one for one in document["review"] if "tiers" in one["path"])
    assert note["path"].startswith("charges[0]")


def test_D13_a_quantity_below_nothing_is_a_review_item():
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-01-31
    charges = [{usage('model = "graduated", tiers = [{up_to = 10, price = 5.00}]')}]
    """
    document = shown(body, usage=used(("2026-01-05", -5)))
    assert expected("D13")["negative"] == "error"
    assert not document["invoices"]
    assert codes(document)


@pytest.mark.parametrize(
    "tiers", ["{price = 5}, {price = 4}", "{up_to = 10, price = 5}, {up_to = 10, price = 4}, {price = 1}"]
)
def test_D13_brackets_that_contradict_each_other_are_found_before_anything_is_billed(tiers):
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-01-31
    charges = [{usage(f'model = "graduated", tiers = [{tiers}]')}]
    """
    document = shown(body)
    assert any(note["path"].startswith("charges[0].tiers") for note in document["review"])


def test_D14_fifteen_units_over_two_brackets():
    tiers = "tiers = [{up_to = 10, price = 2}, {up_to = 20, price = 3}, {price = 5}]"
    assert a_month_each(f'model = "graduated", {tiers}', 15) == [expected("D14")["first_invoice"]]


def test_D15_an_interim_invoice_is_taken_off_the_month_s():
    wanted = expected("D15")
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-01-31
    charges = [
      {{type = "recurring", key = "base", description = "Base", price = 31.00, timing = "arrears"}},
      {usage("price = 1.00, bill_over = 200.00")},
    ]
    """
    document = shown(body, usage=used(("2026-01-05", 150), ("2026-01-12", 50), ("2026-01-20", 200)))
    interim, last = document["invoices"]
    assert (interim["issue_on"], interim["total"]) == ("2026-01-12", wanted["interim"])
    *fees, already_billed = on(document, last["issue_on"])
    assert (total(fees), already_billed) == (wanted["month_end"]["fees"], wanted["month_end"]["already_billed"])
    assert last["total"] == wanted["month_end"]["total"]


def test_D20_exactly_a_hundred_units_belong_to_the_first_bracket():
    for model in ("graduated", "volume"):
        tiers = f'model = "{model}", tiers = [{{up_to = 100, price = 1.50}}, {{up_to = 200, price = 1.25}}]'
        assert a_month_each(tiers, 100) == [expected("D20")["english_page"]]
