"""Letter C: commitments, ramps, escalators and renewals."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.billing.worked.cases import DIFFERENT, amounts, by_day, expected, fee, given, lines, on, shown, total, used


def test_C01a_a_month_without_usage_is_trued_up_to_the_minimum():
    case = given("C01a")
    body = f"""
    starts_on = 2023-02-04
    ends_on = 2023-03-03
    charges = [{fee(case["base"], 'timing = "arrears"')}]
    commitments = [{{key = "minimum", amount = {case["minimum"]}, every = "month"}}]
    """
    document = shown(body)
    assert by_day(document) == {"2023-03-04": [case["base"], expected("C01a")["true_up"]]}
    reached = shown(body.replace(case["base"], case["minimum"]))
    assert amounts(reached) == [case["minimum"]]


def test_C02_base_and_usage_count_towards_the_minimum():
    body = f"""
    starts_on = 2023-02-01
    ends_on = 2023-02-28
    charges = [
      {fee("50.00", 'timing = "arrears"')},
      {{type = "usage", key = "usage", description = "Units", price = 10.00}},
    ]
    commitments = [{{key = "minimum", amount = 100.00, every = "month"}}]
    """
    document = shown(body, usage=used(("2023-02-10", 3)))
    assert on(document, "2023-03-01") == expected("C02")["lines"]
    assert document["invoices"][0]["total"] == expected("C02")["total"]


def test_C04_a_charge_s_minimum_is_prorated_and_unused_base_credited_on_termination():
    wanted = expected("C04")
    body = f"""
    starts_on = 2023-01-08
    anchor_day = 1
    tax = {{standard = {given("C04")["tax_rate"]}}}
    charges = [
      {fee("50.00")},
      {{type = "usage", key = "usage", description = "Units", price = 8.00, minimum = 10.00}},
    ]
    amendments = [{{key = "end", effective_on = 2023-02-25, ends_on = 2023-02-25, terminates = "customer"}}]
    """
    document = shown(body, usage=used(("2023-02-03", 1)))
    first, *_, note, final = document["invoices"]
    assert first["total"] == wanted["first_invoice"]
    unused = wanted["credit_note_unused_base"]
    assert note["type"] == "credit_note"
    assert [note["subtotal"], note["tax"], note["total"]] == [unused["net"], unused["tax"], unused["gross"]]
    last = wanted["termination_invoice"]
    assert on(document, final["issue_on"]) == [last["usage"], last["true_up"]]
    assert [final["subtotal"], final["tax"], final["total"]] == [last["net"], last["tax"], last["gross"]]
    assert Decimal(final["total"]) - Decimal(note["total"]) == Decimal(wanted["net_due"])


def test_C07_what_goes_beyond_a_window_s_commitment_costs_the_overage_factor():
    wanted = expected("C07")
    body = """
    starts_on = 2026-01-01
    ends_on = 2026-02-28
    charges = [{type = "usage", key = "usage", description = "Units", price = 2.00}]
    commitments = [{key = "window", amount = 10.00, every = "month", overage_factor = 2}]
    """
    document = shown(body, usage=used(("2026-01-10", 2), ("2026-02-10", 8)))
    assert [total(found) for found in by_day(document).values()] == wanted["window_totals"]
    assert total(amounts(document)) == wanted["total"]


def test_C08_total_is_utilised_and_overage_and_true_up():
    wanted = expected("C08")
    body = """
    starts_on = 2026-01-01
    ends_on = 2026-02-28
    charges = [
      {type = "usage", key = "bucket", description = "In it", price = 2.00, meter = "calls", where = {bucket = "yes"}},
      {type = "usage", key = "other", description = "Else", price = 1.00, meter = "calls", where = {bucket = "no"}},
    ]
    commitments = [
      {key = "c1", amount = 5.00, every = "month", charges = ["bucket"], overage_factor = 2, true_up = false},
      {key = "c2", amount = 10.00, every = "month", charges = ["other"], overage_factor = 2, ends_on = 2026-01-31},
    ]
    """
    inside = used(("2026-01-10", 10), ("2026-02-10", 1), meter="calls", dimensions={"bucket": "yes"})
    outside = used(("2026-01-11", 3), meter="calls", dimensions={"bucket": "no"})
    document = shown(body, usage=[*inside, *outside])
    found = {key: total(amounts(document, key)) for key in ("bucket", "other", "c1", "c2")}
    assert found["c2"] == wanted["true_up"]
    utilised = Decimal(found["bucket"]) + Decimal(found["other"]) + Decimal(found["c1"]) - Decimal(wanted["overage"])
    assert utilised == Decimal(wanted["utilised"])
    assert total(amounts(document)) == wanted["total"]


def test_C10_a_yearly_price_in_three_invoices_adds_up():
    parts = 'price_per = "year", every = "4 months"'
    body = "starts_on = 2026-01-01\nends_on = 2026-12-31\ncharges = [%s]"
    assert amounts(shown(body % fee(given("C10")["annual"], parts))) == expected("C10")["invoices"]
    assert total(amounts(shown(body % fee(given("C10")["annual"], parts)))) == expected("C10")["sum"]
    assert amounts(shown(body % fee("100.00", parts))) == ["33.33", "33.34", "33.33"]


@pytest.mark.parametrize(
    ("basis", "key"),
    [("last_segment", "last_segment_basis"), ("first_segment", "first_segment_basis"), ("highest", "max_rule")],
)
def test_C11_a_renewal_raises_the_basis_it_names_for_each_year_of_it(basis, key):
    charge = fee(
        "240.00", 'quantity = 3, every = "year", steps = [{starts_on = 2028-01-01, price = 220.00, quantity = 5}]'
    )
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2028-12-31
    charges = [{charge}]
    renewal = {{auto = true, most = 1, uplift_percent = 10, uplift_per = "year", price_basis = "{basis}"}}
    """
    renewed = lines(shown(body))[-1]
    assert (renewed["from"], renewed["unit_price"]) == ("2029-01-01", expected("C11")[key])
    assert renewed["quantity"] == "5"


def test_C11_a_last_segment_of_18_months_counts_as_two_years():
    charge = fee(
        "240.00", 'every = "half_year", price_per = "half_year", steps = [{starts_on = 2027-07-01, price = 220.00}]'
    )
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2028-12-31
    charges = [{charge}]
    renewal = {{auto = true, most = 1, uplift_percent = 10, uplift_per = "year"}}
    """
    assert lines(shown(body))[-1]["unit_price"] == "264.00"


def published(*values: tuple[str, str]) -> list[dict[str, str]]:
    return [{"index": "CPI", "on": day, "value": value} for day, value in values]


def test_C14_an_index_is_measured_against_its_value_at_the_start():
    days = ("2020-01-01", "2021-01-01", "2022-01-01")
    charge = fee(given("C14")["price"], 'every = "year"')
    for basis in ("base_index = 105.65, ", ""):  # given, or found as the value on the first day
        body = f"""
        starts_on = 2020-01-01
        ends_on = 2022-12-31
        charges = [{charge}]
        escalator = {{index = "CPI", {basis}index_method = "base"}}
        """
        document = shown(body, events=published(*zip(days, given("C14")["index"], strict=True)))
        assert amounts(document) == expected("C14")["prices"]


def test_C16_a_rise_within_a_billing_period_splits_it_by_days():
    wanted = expected("C16")
    body = f"""
    starts_on = 2020-08-01
    ends_on = 2021-07-31
    charges = [{fee(given("C16")["price"], 'every = "year", timing = "arrears"')}]
    escalator = {{index = "CPI", first_on = 2020-09-01}}
    """
    values = published(("2019-09-01", "244"), ("2020-09-01", "250"), ("2020-10-01", "260"))
    document = shown(body, events=values)
    assert document["invoices"][0]["total"] == wanted["invoice"]
    old, new = lines(document)
    assert new["unit_price"] == wanted["new_rate"]
    assert f"{wanted['days_old_rate']} of 365 days" in old["explain"]
    assert f"{wanted['days_new_rate']} of 365 days" in new["explain"]


def test_C20_a_rise_entered_late_is_caught_up_and_touches_no_invoice_that_exists():
    assert DIFFERENT["C20"]
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-12-31
    charges = [{fee("100.00")}]
    amendments = [{{key = "rise", effective_on = 2026-02-01, known_on = 2026-05-01, change = [
      {{charge = "fee", price = 103.00}}
    ]}}]
    """
    found = by_day(shown(body))
    assert [found[f"2026-0{month}-01"] for month in (1, 2, 3, 4)] == [["100.00"]] * 4
    assert sorted(found["2026-05-01"]) == ["103.00", "3.00", "3.00", "3.00"]
    assert "April and earlier invoices unchanged" in expected("C20")["desired"]
    assert [found[f"2026-{month:02}-01"] for month in range(6, 13)] == [["103.00"]] * 7
