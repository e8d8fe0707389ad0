"""Letter B, first half: what a stub costs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.billing.worked.cases import DIFFERENT, amounts, by_day, expected, fee, given, lines, on, shown, total


def test_B01_a_stub_is_measured_by_the_full_period_it_belongs_to():
    document = shown(f"starts_on = 2011-02-01\nanchor_day = 13\ncharges = [{fee('31.00')}]", through="2011-02-01")
    used, of = expected("B01")["fraction"].split("/")
    first, until = (date.fromisoformat(day) for day in expected("B01")["denominator_period"])
    assert (until - first).days == int(of)
    assert amounts(document) == [f"{used}.00"]
    assert f"{used} of {of} days" in lines(document)[0]["explain"]


def test_B06_anchor_31_measures_february_from_its_own_anchors():
    assert DIFFERENT["B06"]
    assert expected("B06")["anchor_aware_alternative"] == "14/28 + 1"
    document = shown(f"starts_on = 2011-02-14\nanchor_day = 31\ncharges = [{fee('28.00')}]", through="2011-02-28")
    assert amounts(document) == ["14.00", "28.00"]


def test_B07_thirty_360_and_actual_days():
    starts = [(23, "2023-05-15"), (23, "2023-06-15"), (15, "2023-05-23"), (15, "2023-06-23")]
    for proration, key in (("thirty_360", "fixed_30_day_month"), ("actual", "actual_days_amount")):
        head = f'proration = "{proration}"\ncharges = [{fee(given("B07")["price"])}]'
        found = [
            amounts(shown(f"starts_on = {start}\nanchor_day = {anchor}\n{head}", through=start))
            for anchor, start in starts
        ]
        assert [first for first, *_ in found] == expected("B07")[key]


def test_B08_thirty_360_fractions_of_february():
    for proration, key in (("thirty_360", "fixed_30"), ("actual", "actual_denominator_preceding_anchor_month")):
        for (start, until), wanted in zip(given("B08")["stubs"], expected("B08")[key], strict=True):
            charge = fee("1000000", f'starts_on = {start}, proration = "{proration}"')
            body = f"starts_on = 2023-01-15\ncharges = [{charge}]"
            found = lines(shown(body, currency="KWD", through=until))[0]
            assert Decimal(found["amount"]).scaleb(-6) == Decimal(wanted), (proration, start)


def test_B17_a_one_day_stub_at_a_month_s_end_in_arrears():
    body = """
    starts_on = 2025-03-31
    anchor_day = 31
    charges = [
      {type = "recurring", key = "base", description = "Base", price = 1000, timing = "arrears"},
      {type = "recurring", key = "more", description = "More", price = 900, timing = "arrears"},
    ]
    amendments = [{key = "A1", effective_on = 2025-05-30, add = [
      {type = "recurring", key = "late", description = "Late", price = 300, timing = "arrears"}
    ]}]
    """
    document = shown(body, through="2025-05-31")
    assert on(document, "2025-04-30") == expected("B17")["invoice_2025_04_30"]
    assert on(document, "2025-05-31") == expected("B17")["invoice_2025_05_31"]


def test_B19_the_termination_day_is_served_and_billed():
    charge = fee("910.00", 'every = "quarter", timing = "arrears", starts_on = 2024-05-20')
    body = f"""
    starts_on = 2024-04-15
    charges = [{charge}]
    amendments = [{{key = "A1", effective_on = 2024-06-20, ends_on = 2024-06-20, terminates = "customer"}}]
    """
    assert amounts(shown(body)) == [expected("B19")["final_fee"]]


def test_B26_the_first_quarter_is_a_stub_up_to_the_anchor():
    charge = fee("90.00", 'every = "quarter"')
    body = f"starts_on = 2025-10-08\nanchor_day = 1\ncharges = [{charge}]"
    document = shown(body, through="2026-01-01")
    assert [lines(document)[0]["from"], lines(document)[1]["from"]] == expected("B26")["first_period"]
    assert amounts(document) == [expected("B26")["first_invoice"], expected("B26")["second_invoice"]]


def test_B34_ten_whole_months_and_a_stub():
    head = "starts_on = 2025-03-28\nends_on = 2026-02-04\nanchor_day = 5\n"
    price = given("B34")["price"]
    assert total(amounts(shown(f"{head}charges = [{fee(price)}]"))) == expected("B34")["price"]
    whole = fee(price, 'proration = "none"')
    assert amounts(shown(f"{head}charges = [{whole}]")) == ["90.00"] * 11


def half_yearly(discount: str) -> dict[str, list[str]]:
    charge = fee(
        "100.00",
        f'every = "half_year", price_per = "month", discounts = [{{percent = {discount}}}],'
        " steps = [{starts_on = 2022-07-01, price = 200.00}]",
    )
    return by_day(shown(f"starts_on = 2021-01-01\nanchor_day = 10\ncharges = [{charge}]", through="2022-07-31"))


def test_B35_whole_months_first_then_days():
    assert DIFFERENT["B35"]
    wanted = expected("B35")
    names = ("stub_2021_01_01_to_01_09", "full_half_year", "full_half_year", "stub_2022_01_10_to_06_30")
    for discount, parts in (("0", ["charge"]), ("20", ["charge", "discount"])):
        found = half_yearly(discount)
        figures = [figure for day in sorted(found) for figure in found[day]]
        told = {name: total([wanted[name][part] for part in parts]) for name in wanted}
        if discount == "20":  # 29.0323 less a fifth, rounded once: 23.23; two lines rounded each make 23.22
            told["stub_2021_01_01_to_01_09"] = "23.23"
        assert figures[:4] == [told[name] for name in names]
        assert figures[4] == told["stub_2022_07_01_to_07_09"]
        assert Decimal(figures[5]) == 2 * Decimal(told["full_half_year"])


def spans(case: str) -> dict[tuple[str, str, int], str]:
    return {tuple(span): amount for span, amount in zip(given(case)["cases"], expected(case)["amounts"], strict=True)}


def billed(start: str, last: str, months: int) -> Decimal:
    charge = fee("100", f'every = "{months} months"')
    body = f"starts_on = {start}\nends_on = {last}\ncharges = [{charge}]"
    return sum((Decimal(amount) for amount in amounts(shown(body, currency="KWD"))), Decimal(0))


def test_B41_all_24_spans_measured_from_the_start_s_anchor():
    assert len(spans("B41")) == 24
    for span, amount in spans("B41").items():
        assert billed(*span) == Decimal(amount), span


def test_B42_a_start_near_the_month_s_end_keeps_its_day_and_not_its_distance():
    assert DIFFERENT["B42"]
    # two of the spans are not in B41: one whole quarter and 3 of 92 days, two whole months and 2 of 30 days
    ours = {**spans("B41"), ("2023-02-28", "2023-05-30", 3): "103.261", ("2023-02-28", "2023-04-29", 1): "206.667"}
    for span in spans("B42"):
        assert billed(*span) == Decimal(ours[span]), span
    assert any(ours[span] != amount for span, amount in spans("B42").items())


def test_B46_amounts_do_not_depend_on_the_day_of_the_run():
    body = f"starts_on = 2026-06-16\ncharges = [{fee('80.00')}]"
    document = shown(body, through="2026-07-31", today=date(2026, 8, 3))
    assert by_day(document) == {"2026-08-03": expected("B46")["invoices"]}
