"""Letter A: where periods begin and end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.billing.worked.cases import amounts, expected, fee, given, lines, on, shown, used


def starts(document: dict[str, Any], charge: str = "fee") -> list[str]:
    return [line["from"] for line in lines(document, charge)]


def next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def half_open(line: dict[str, Any]) -> list[str]:
    return [line["from"], next_day(line["to"])]


def test_A03_base_in_advance_and_usage_in_arrears_share_invoices_through_a_leap_february():
    body = """
    starts_on = 2024-01-30
    anchor_day = 30
    charges = [
      {type = "recurring", key = "base", description = "Base", price = 100},
      {type = "usage", key = "usage", description = "Calls", price = 1},
    ]
    """
    records = used(("2024-02-28", 1), ("2024-02-29", 2), ("2024-04-29", 3))
    document = shown(body, through="2024-04-30", usage=records)
    assert [invoice["issue_on"] for invoice in document["invoices"]] == [
        one["date"] for one in expected("A03")["invoices"]
    ]
    for invoice, wanted in zip(document["invoices"], expected("A03")["invoices"], strict=True):
        periods = {line["charge"]: half_open(line) for line in invoice["lines"]}
        assert periods.get("base") == wanted["base_period"]
        assert periods.get("usage") == wanted["usage_period"]
    assert [line["quantity"] for line in lines(document, "usage")] == ["1", "2", "3"]


def test_A05_the_30th_of_a_leap_february_is_the_29th():
    document = shown(f"starts_on = 2012-02-16\nanchor_day = 30\ncharges = [{fee()}]", through="2012-03-01")
    assert starts(document) == ["2012-02-16", expected("A05")["first_boundary"]]
    fields = 'every = "30 days"'
    blocks = shown(
        f"starts_on = 2012-02-16\nanchor_day = 30\ncharges = [{fee('100.00', fields)}]", through="2012-02-16"
    )
    assert amounts(blocks) == ["100.00"]


def test_A06_a_start_after_the_anchor_waits_for_the_next_month_or_the_next_year():
    for every, key in (("month", "first_boundary_monthly"), ("year", "first_boundary_annual")):
        charge = fee("100.00", f'every = "{every}"')
        document = shown(f"starts_on = 2012-01-31\nanchor_day = 30\ncharges = [{charge}]", through="2012-02-01")
        assert half_open(lines(document)[0]) == [given("A06")["start"], expected("A06")[key]]


def test_A08_thirty_day_periods_never_align_to_months():
    wanted = expected("A08")["boundaries"]
    charge = fee("100.00", 'every = "30 days"')
    assert starts(shown(f"starts_on = 2016-04-08\ncharges = [{charge}]", through=wanted[-1])) == wanted
    assert starts(shown(f"starts_on = 2016-04-08\ncharges = [{fee()}]", through="2016-11-08"))[-1] == "2016-11-08"


def test_A09_a_monthly_contract_of_the_31st_does_not_drift():
    wanted = expected("A09")["dates"]
    assert starts(shown(f"starts_on = 2026-01-31\ncharges = [{fee()}]", through=wanted[-1])) == wanted
    yearly = fee("100.00", 'every = "year"')
    leap = shown(f"starts_on = 2024-02-29\ncharges = [{yearly}]", through="2028-03-01")
    assert starts(leap) == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_A13_nineteen_months_keep_their_first_days_and_amounts():
    charge = '{type = "recurring", key = "fee", description = "Fee", price = 249.95}'
    document = shown(f"starts_on = 2015-10-01\ncharges = [{charge}]", through="2017-04-01")
    assert amounts(document) == [expected("A13")["each_invoice"]] * given("A13")["months"]
    assert {line["from"][8:] for line in lines(document)} == {"01"}
    assert {next_day(line["to"])[8:] for line in lines(document)} == {"01"}
    cancelled = f"""
    starts_on = 2015-10-01
    charges = [{charge}]
    amendments = [{{key = "A1", effective_on = 2015-12-01, ends_on = 2015-11-30, terminates = "customer"}}]
    """
    assert amounts(shown(cancelled)) == ["249.95", "249.95"]


def test_A15_all_lines_of_a_contract_share_the_period():
    charges = ", ".join(fee("100.00", 'every = "quarter", timing = "arrears"', key) for key in "abc")
    document = shown(f"starts_on = 2026-06-09\nanchor_day = 30\ncharges = [{charges}]", through="2026-06-30")
    assert [line["to"] for line in lines(document)] == expected("A15")["billed_to"]
    assert len(on(document, "2026-06-30")) == 3
