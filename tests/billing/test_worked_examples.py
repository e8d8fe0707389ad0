"""The field's worked examples (../shared/examples), through ``plan`` and ``bill``; the expected figures are the file's.

Some of the same figures stand in the other tests of this folder, for those who do not have the file.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from billing.due import due_date
from billing.invoicing import Rules, Settled
from billing.money import allocate, text, to_minor
from billing.periods import Grid, parts, total
from billing.reports import days_past_due, is_overdue
from billing.tax import document_taxes
from billing.terms import Terms, parse_interval
from tests.billing.build import bill_on, day, issue, lines, one_time, recurring, signed, terms
from tests.conftest import SHARED

FILE = SHARED / "examples" / "worked_examples.json"


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    if not FILE.is_file():
        pytest.skip("the worked examples (../shared/examples) are not on this machine")
    return {case["id"].split("-")[0]: case for case in json.loads(FILE.read_text())}


def amounts(contract, through="2030-01-01", currency="USD") -> list[str]:
    return [text(line.amount, currency) for line in lines(contract, through)]


def spans(contract, through="2030-01-01", charge="fee") -> list[list[str]]:
    found = [line for line in lines(contract, through) if line.charge == charge]
    return [[line.starts.isoformat(), line.until.isoformat()] for line in found]


def run(contract, settled, today) -> tuple[list[str], list[Settled]]:
    """Bill and issue: the amounts billed (credits below zero), and what is settled then."""
    billed = signed(bill_on(contract, settled, today))
    return sorted(text(amount, "USD") for amount in billed.values()), issue(contract, settled, today)


# ------------------------------------------------------------------------------------------------ dates and boundaries


def test_A03_base_in_advance_and_usage_in_arrears_share_invoices_through_a_leap_february(cases):
    contract = terms(
        recurring(key="base"), recurring(key="usage", timing="arrears"), starts_on="2024-01-30", anchor_day=30
    )
    settled: list[Settled] = []
    for invoice in cases["A03"]["expected"]["invoices"]:
        (draft,) = bill_on(contract, settled, invoice["date"]).drafts
        periods = {one.line.charge: [one.line.starts.isoformat(), one.line.until.isoformat()] for one in draft.lines}
        assert periods.get("base") == invoice["base_period"]
        assert periods.get("usage") == invoice["usage_period"]
        settled = issue(contract, settled, invoice["date"])


def test_A05_the_30th_of_a_leap_february_is_the_29th(cases):
    found = spans(terms(starts_on="2012-02-16", anchor_day=30), "2012-03-01")
    assert found[0][1] == cases["A05"]["expected"]["first_boundary"]
    assert spans(terms(recurring(every="30 days"), starts_on="2012-02-16"), "2012-02-16")[0][0] == "2012-02-16"


def test_A06_a_start_after_the_anchor_waits_for_the_next_month_or_the_next_year(cases):
    expected = cases["A06"]["expected"]
    fields = {"starts_on": "2012-01-31", "anchor_day": 30}
    assert spans(terms(**fields), "2012-02-01")[0][1] == expected["first_boundary_monthly"]
    assert spans(terms(recurring(every="year"), **fields), "2012-02-01")[0][1] == expected["first_boundary_annual"]


def test_A08_thirty_day_periods(cases):
    expected = cases["A08"]["expected"]["boundaries"]
    found = spans(terms(recurring(every="30 days"), starts_on="2016-04-08"), expected[-1])
    assert [span[0] for span in found] == expected


def test_A09_a_monthly_contract_of_the_31st_does_not_drift(cases):
    expected = cases["A09"]["expected"]["dates"]
    found = spans(terms(starts_on="2026-01-31"), expected[-1])
    assert [span[0] for span in found] == expected


def test_A13_nineteen_months_keep_their_first_days_and_amounts(cases):
    case = cases["A13"]
    contract = terms(recurring(price=case["terms"]["price"]), starts_on=case["terms"]["start"])
    found = lines(contract, "2017-04-01")
    assert len(found) == case["terms"]["months"]
    assert {text(line.amount, "USD") for line in found} == {case["expected"]["each_invoice"]}
    assert {(line.starts.day, line.until.day) for line in found} == {(1, 1)}


def test_A15_all_lines_of_a_contract_share_the_period(cases):
    charges = [recurring(key=key, every="quarter", timing="arrears") for key in "abc"]
    found = lines(terms(*charges, starts_on="2026-06-09", anchor_day=30), "2026-06-30")
    assert [(line.until - timedelta(days=1)).isoformat() for line in found] == cases["A15"]["expected"]["billed_to"]


# ---------------------------------------------------------------------------------------------------------- proration


def test_B01_a_stub_is_measured_by_the_full_period_it_belongs_to(cases):
    expected = cases["B01"]["expected"]
    stub = next(iter(Grid.of(day("2011-02-01"), parse_interval("month"), 13).periods(day("2011-02-01"), None)))
    assert [stub.starts.isoformat(), stub.until.isoformat()] == expected["first_period"]
    assert [stub.full_starts.isoformat(), stub.full_until.isoformat()] == expected["denominator_period"]
    line = lines(terms(starts_on="2011-02-01", anchor_day=13), "2011-02-01")[0]
    assert line.explain.operands["parts"] == expected["fraction"]


def test_B06_anchor_31_measures_february_from_its_own_anchors(cases):
    found = lines(terms(starts_on="2011-02-14", anchor_day=31), "2011-02-28")
    fractions = [line.explain.operands["parts"] for line in found]
    assert " + ".join(fractions) == cases["B06"]["expected"]["anchor_aware_alternative"]


def test_B07_thirty_360_and_actual_days(cases):
    case = cases["B07"]
    starts = [(23, "2023-05-15"), (23, "2023-06-15"), (15, "2023-05-23"), (15, "2023-06-23")]
    for proration, key in (("thirty_360", "fixed_30_day_month"), ("actual", "actual_days_amount")):
        charge = recurring(price=case["terms"]["price"], proration=proration)
        found = [amounts(terms(charge, starts_on=start, anchor_day=anchor), start)[0] for anchor, start in starts]
        assert found == case["expected"][key]


def test_B08_thirty_360_fractions_of_february(cases):
    case = cases["B08"]
    stubs = [(day(start), day(until)) for start, until in case["terms"]["stubs"]]
    for thirty_360, key in ((True, "fixed_30"), (False, "actual_denominator_preceding_anchor_month")):
        shares = [
            total(parts(Grid.of(start, parse_interval("month"), 15), start, until, thirty_360=thirty_360))
            for start, until in stubs
        ]
        assert [nine_decimals(share) for share in shares] == case["expected"][key]


def nine_decimals(share: Fraction) -> str:
    return f"{Decimal(share.numerator) / Decimal(share.denominator):.9f}"


def test_B13_two_changes_in_one_month_credit_what_was_billed_less_what_is_owed(cases):
    expected = cases["B13"]["expected"]

    def plans(first_end: str | None = None, second_end: str | None = None, third: bool = False) -> Terms:
        charges = [recurring(key="a", price="599.95", ends_on=first_end)]
        if first_end:
            charges.append(recurring(key="b", price="9.95", starts_on="2012-05-07", ends_on=second_end))
        if third:
            charges.append(recurring(key="c", price="29.95", starts_on="2012-05-08"))
        return terms(*charges, starts_on="2012-05-01")

    _, settled = run(plans(), [], "2012-05-01")
    billed, settled = run(plans("2012-05-06"), settled, "2012-05-07")
    assert billed == sorted(expected["invoice_2012_05_07"]["lines"])
    last = plans("2012-05-06", "2012-05-07", third=True)
    billed, settled = run(last, settled, "2012-05-08")
    assert billed == sorted(expected["invoice_2012_05_08"]["lines"])
    for month in ("06", "07"):
        billed, settled = run(last, settled, f"2012-{month}-01")
        assert billed == expected[f"invoice_2012_{month}_01"]["lines"]


def test_B17_a_one_day_stub_at_a_month_s_end_in_arrears(cases):
    contract = terms(
        recurring(key="base", price="1000", timing="arrears"),
        recurring(key="more", price="900", timing="arrears"),
        recurring(key="late", price="300", timing="arrears", starts_on="2025-05-30"),
        starts_on="2025-03-31",
        anchor_day=31,
    )
    found = lines(contract, "2025-05-31")
    for on in ("2025-04-30", "2025-05-31"):
        billed = [text(line.amount, "USD") for line in found if line.issue_on == day(on)]
        assert billed == cases["B17"]["expected"][f"invoice_{on.replace('-', '_')}"]


def test_B18_free_to_paid_rounds_the_half_cent_up(cases):
    expected = cases["B18"]["expected"]
    contract = terms(
        recurring(key="free", price="0", ends_on="2017-02-14"),
        recurring(key="paid", price="29.95", starts_on="2017-02-15"),
        starts_on="2017-01-01",
    )
    assert run(terms(recurring(key="free", price="0"), starts_on="2017-01-01"), [], "2017-02-01") == ([], [])
    billed, settled = run(contract, [], "2017-02-15")
    assert billed == [expected["charge_to_2017_03_01"]]
    assert run(contract, settled, "2017-03-01")[0] == [expected["next_month"]]


def test_B19_the_termination_day_is_served_and_billed(cases):
    charge = recurring(
        price="910",
        every="quarter",
        timing="arrears",
        starts_on="2024-05-20",
        ends_on="2024-06-20",
        tax_class="standard",
    )
    assert amounts(terms(charge, starts_on="2024-04-15")) == [cases["B19"]["expected"]["final_fee"]]


def test_B23_an_arrears_charge_added_mid_period_bills_at_the_renewal(cases):
    expected = cases["B23"]["expected"]
    base = recurring(key="base", price="39")
    _, settled = run(terms(base, starts_on="2024-01-01"), [], "2024-01-01")
    changed = terms(base, recurring(price="30", timing="arrears", starts_on="2024-01-16"), starts_on="2024-01-01")
    assert run(changed, settled, "2024-01-16")[0] == []
    (draft,) = bill_on(changed, settled, "2024-02-01").drafts
    assert [text(one.amount, "USD") for one in draft.lines] == expected["renewal_2024_02_01"]["lines"]
    assert text(draft.total, "USD") == expected["renewal_2024_02_01"]["total"]


def test_B24_a_one_time_fee_is_billed_once_whatever_the_edits(cases):
    found = []
    settled: list[Settled] = []
    for index, today in enumerate(("2024-02-01", "2024-03-01")):
        contract = terms(
            recurring(price="39", starts_on="2024-02-01"),
            one_time(price="100", on="2024-02-01", description=f"Fee, edited {index} times"),
            starts_on="2024-01-01",
        )
        (draft,) = bill_on(contract, settled, today).drafts
        found.append(text(draft.total, "USD"))
        settled = issue(contract, settled, today)
    assert found == cases["B24"]["expected"]["invoices"]


def test_B26_the_first_quarter_is_a_stub_up_to_the_anchor(cases):
    case = cases["B26"]
    contract = terms(recurring(price="90", every="quarter"), starts_on="2025-10-08", anchor_day=1)
    assert spans(contract, "2026-01-01")[0] == case["expected"]["first_period"]
    assert amounts(contract, "2026-01-01") == [case["expected"]["first_invoice"], case["expected"]["second_invoice"]]


@pytest.mark.parametrize(
    ("case_id", "every"), [("B27a", "month"), ("B27b", "month"), ("B27c", "month"), ("B27e", "year"), ("B27f", "year")]
)
def test_B27_an_upgrade_credits_and_charges_the_days_left(cases, case_id, every):
    case = cases[case_id]
    start, change = case["terms"]["period"][0], day(case["terms"]["change"])
    old = {"key": "old", "price": case["terms"]["old"], "every": every}
    settled = issue(terms(recurring(**old), starts_on=start), [], start)
    changed = terms(
        recurring(**old, ends_on=(change - timedelta(days=1)).isoformat()),
        recurring(key="new", price=case["terms"]["new"], every=every, starts_on=change.isoformat()),
        starts_on=start,
    )
    billed = signed(bill_on(changed, settled, change))
    assert text(-billed["old"], "USD") == case["expected"]["credit"]
    assert text(billed["new"], "USD") == case["expected"]["debit"]


@pytest.mark.parametrize(
    ("name", "old", "new", "change", "anchor"),
    [
        ("a", ("100", "month"), ("1000", "year"), "2025-06-16", 16),
        ("b", ("1000", "year"), ("100", "month"), "2025-08-13", 13),
    ],
)
def test_B28_another_interval_restarts_the_cycle_by_an_anchor_of_its_own(cases, name, old, new, change, anchor):
    expected = cases["B28"]["expected"][name]
    before = {"key": "old", "price": old[0], "every": old[1]}
    settled = issue(terms(recurring(**before), starts_on="2025-06-01"), [], "2025-06-01")
    last = (day(change) - timedelta(days=1)).isoformat()
    changed = terms(
        recurring(**before, ends_on=last),
        recurring(key="new", price=new[0], every=new[1], starts_on=change, anchor_day=anchor),
        starts_on="2025-06-01",
    )
    billed = signed(bill_on(changed, settled, change))
    assert (text(-billed["old"], "USD"), text(billed["new"], "USD")) == (expected["credit"], expected["debit"])
    assert spans(changed, change, "new") == [expected["new_period"]]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("a", {"price": "10"}, {"price": "20"}),
        ("b", {"price": "50", "quantity": 2}, {"price": "30"}),
        ("c", {"price": "10", "quantity": 5}, {"price": "10", "quantity": 10}),
        ("d", None, {"price": "25"}),
        ("e", {"price": "40"}, None),
    ],
)
def test_B30_changes_of_price_and_quantity_on_the_15th_of_march(cases, name, old, new):
    keep = one_time(key="keep", price="0")
    settled = issue(
        terms(keep, *([recurring(key="old", **old)] if old else []), starts_on="2024-03-01"), [], "2024-03-01"
    )
    changed = terms(
        keep,
        *([recurring(key="old", ends_on="2024-03-14", **old)] if old else []),
        *([recurring(key="new", starts_on="2024-03-15", **new)] if new else []),
        starts_on="2024-03-01",
    )
    billed = signed(bill_on(changed, settled, "2024-03-15"))
    expected = [figure for figure in cases["B30"]["expected"][name] if not figure.startswith("net")]
    assert [text(billed[key], "USD") for key in ("old", "new") if key in billed] == expected


def test_B34_ten_whole_months_and_a_stub(cases):
    case = cases["B34"]
    charge = recurring(price=case["terms"]["price"])
    fields = {"starts_on": "2025-03-28", "ends_on": "2026-02-04", "anchor_day": 5}
    found = lines(terms(charge, **fields))
    assert text(sum(line.amount for line in found), "USD") == case["expected"]["price"]
    assert len(lines(terms(charge, proration="none", **fields))) == 11
    assert {line.amount for line in lines(terms(charge, proration="none", **fields))} == {9000}


def test_B35_whole_months_first_then_days(cases):
    expected = cases["B35"]["expected"]
    half = {"every": "half_year", "price_per": "month"}
    first = recurring(key="first", price="100", ends_on="2022-06-30", **half)
    second = recurring(key="second", price="200", starts_on="2022-07-01", **half)
    found = lines(terms(first, second, starts_on="2021-01-01", anchor_day=10), "2022-07-31")
    assert [text(line.amount, "USD") for line in found] == [
        expected[key]["charge"]
        for key in (
            "stub_2021_01_01_to_01_09",
            "full_half_year",
            "full_half_year",
            "stub_2022_01_10_to_06_30",
            "stub_2022_07_01_to_07_09",
        )
    ] + ["1200.00"]
    # we net the discount within the line, and round once
    discounted = terms(
        recurring(price="100", discounts=[{"percent": 20}], **half), starts_on="2022-01-10", ends_on="2022-06-30"
    )
    stub = expected["stub_2022_01_10_to_06_30"]
    assert amounts(discounted) == [str(Decimal(stub["charge"]) + Decimal(stub["discount"]))]


def test_B41_all_24_spans_measured_from_the_start_s_anchor(cases):
    case = cases["B41"]
    for (start, last, months), expected in zip(case["terms"]["cases"], case["expected"]["amounts"], strict=True):
        contract = terms(recurring(every=f"{months} months"), starts_on=start, ends_on=last, currency="KWD")
        assert sum(line.amount for line in lines(contract)) == to_minor(Decimal(expected), "KWD"), (start, last)


def test_B46_amounts_do_not_depend_on_the_day_of_the_run(cases):
    found = lines(terms(recurring(price="80"), starts_on="2026-06-16"), "2026-07-31")
    assert [text(line.amount, "USD") for line in found] == cases["B46"]["expected"]["invoices"]


def test_C10_a_yearly_price_in_three_invoices_adds_up(cases):
    case = cases["C10"]
    charge = recurring(price=case["terms"]["annual"], price_per="year", every="4 months")
    assert amounts(terms(charge, ends_on="2026-12-31")) == case["expected"]["invoices"]
    hundred = amounts(terms(recurring(price="100", price_per="year", every="4 months"), ends_on="2026-12-31"))
    assert hundred == ["33.33", "33.34", "33.33"]


# --------------------------------------------------------------------------------------------- rounding, tax, due dates


def tax_on(rate: str, *nets: str, currency="USD") -> str:
    pairs = [("standard", to_minor(Decimal(net), currency)) for net in nets]
    return text(document_taxes(pairs, {"standard": Decimal(rate)})[0].amount, currency)


def test_E01_tax_is_of_the_document(cases):
    assert tax_on("15", "25.06", "25.61", "25.63") == cases["E01"]["expected"]["per_document"]["tax_total"]


def test_E02_tax_of_a_document_at_three_decimals(cases):
    assert tax_on("9.975", "4495.16") == cases["E02"]["expected"]["document_level"]


def test_E03_tax_rounds_half_away(cases):
    assert tax_on("15", "1091.50") == cases["E03"]["expected"]["tax"]


def test_E04_value_added_tax_of_22_percent(cases):
    assert [tax_on("22", net) for net in ("9.99", "16.65")] == cases["E04"]["expected"]["tax"]


def test_E11_values_round_at_their_currency_s_exponent(cases):
    values = [
        ("10.275", "USD"),
        ("1023.5", "JPY"),
        ("1023.45", "JPY"),
        ("99.996", "EUR"),
        ("0.004", "GBP"),
        ("0.005", "GBP"),
    ]
    found = [text(to_minor(Decimal(value), currency), currency) for value, currency in values]
    found += [tax_on("8.875", "100"), tax_on("10.5", "999", currency="JPY"), tax_on("0.1", "1.00")]
    assert found == cases["E11"]["expected"]["values"]


def test_E16_E19_E20_a_total_is_allocated_by_largest_remainder(cases):
    assert [text(share, "USD") for share in allocate(12000000, [100000, 30000, 10000])] == cases["E16"]["expected"][
        "allocation"
    ]
    assert [text(share, "USD") for share in allocate(8000, [20, 30, 40])] == cases["E19"]["expected"]["cents"]
    assert [str(share) for share in allocate(100000, [75000, 14000, 20000])] == cases["E20"]["expected"]["allocation"]


def test_E21_one_line_is_rounded_before_its_tax(cases):
    expected = cases["E21"]["expected"]
    contract = terms(one_time(price="348.35", quantity=16, discounts=[{"percent": 4}]))
    (draft,) = bill_on(contract, [], "2026-01-01", Rules(tax_rates={"standard": Decimal(22)})).drafts
    found = [text(amount, "USD") for amount in (draft.subtotal, draft.tax, draft.total)]
    assert found == [expected["net"], expected["tax"], expected["total"]]


@pytest.mark.parametrize(
    ("name", "payment_terms"), [("a", "eom + 45"), ("c", "eom"), ("d", "eom + 1"), ("e", "on receipt")]
)
def test_G01_due_dates(cases, name, payment_terms):
    issued = ("2019-01-01", "2019-01-15", "2019-01-31")
    assert [due_date(payment_terms, day(one)).isoformat() for one in issued] == cases["G01"]["expected"][name]


def test_G08_an_invoice_is_not_overdue_on_its_due_date_in_the_entity_s_zone(cases):
    expected = cases["G08"]["expected"]
    local_day = date(2026, 9, 3)
    assert is_overdue(date(2026, 9, 3), 1, local_day) is expected["overdue"]
    assert days_past_due(date(2026, 9, 3), local_day) == expected["days_past_due"]


def test_Z01_running_again_creates_nothing(cases):
    contract = terms(recurring(price="5"), starts_on="2011-09-01")
    settled = issue(contract, [], "2011-12-01")
    assert len(settled) == 4
    drafts = [draft for _ in range(4) for draft in bill_on(contract, settled, "2011-12-03").drafts]
    assert len(drafts) == cases["Z01"]["expected"]["new_invoices_on_rerun"]


def test_Z04_a_fixed_rate_is_never_divided_by_days(cases):
    contract = terms(recurring(price="1099000", every="quarter"), starts_on="2026-07-01")
    assert amounts(contract, "2026-07-01") == [cases["Z04"]["expected"]["invoice"]]
