from __future__ import annotations

from billing.explain import explain_text, recompute
from billing.plan import plan
from tests.billing.build import day, lines, one_time, recurring, terms


def items(*prices: str) -> list[dict[str, object]]:
    return [one_time(key=f"i{index}", description=f"Item {index}", price=price) for index, price in enumerate(prices)]


def test_an_amount_off_the_invoice_is_shared_in_proportion():
    contract = terms(*items("100.00", "50.00", "30.00", "20.00"), discounts=[{"amount": "10.00"}])
    assert [line.amount for line in lines(contract)] == [95_00, 47_50, 28_50, 19_00]


def test_the_shares_add_up_to_the_discount_to_the_cent():
    contract = terms(*items("33.33", "33.33", "33.33"), discounts=[{"amount": "10.00"}])
    assert [line.amount for line in lines(contract)] == [29_99, 30_00, 30_00]


def test_a_discount_beyond_the_invoice_leaves_nothing_to_pay_and_the_rest_is_lost():
    contract = terms(recurring(price="8.00"), ends_on="2026-02-28", discounts=[{"amount": "10.00"}])
    assert [line.amount for line in lines(contract)] == [0, 0]


def test_each_invoice_day_within_its_dates_is_discounted():
    contract = terms(
        ends_on="2026-04-30", discounts=[{"amount": "10", "starts_on": "2026-02-01", "ends_on": "2026-03-01"}]
    )
    assert [line.amount for line in lines(contract)] == [100_00, 90_00, 90_00, 100_00]


def test_the_first_n_invoices_that_charge_something_are_discounted():
    free = [{"percent": "100", "periods": 1}]
    contract = terms(recurring(discounts=free), ends_on="2026-04-30", discounts=[{"amount": "10", "periods": 2}])
    assert [line.amount for line in lines(contract)] == [0, 90_00, 90_00, 100_00]


def test_two_amounts_come_off_together():
    contract = terms(*items("60.00", "40.00"), discounts=[{"amount": "7.00"}, {"amount": "3.00"}])
    assert [line.amount for line in lines(contract)] == [54_00, 36_00]


def test_a_credit_on_the_invoice_has_no_share():
    contract = terms(*items("60.00", "-20.00"), discounts=[{"amount": "6.00"}])
    assert [line.amount for line in lines(contract)] == [54_00, -20_00]


def test_a_percentage_of_the_contract_comes_off_each_charge_first():
    contract = terms(*items("100.00"), discounts=[{"amount": "10.00"}, {"percent": "50"}])
    assert [line.amount for line in lines(contract)] == [40_00]


def test_the_discounted_line_keeps_its_slice_and_its_arithmetic():
    contract = terms(*items("100.00", "50.00"), discounts=[{"amount": "10.00"}])
    plain = lines(terms(*items("100.00", "50.00")))
    found = lines(contract)
    assert [line.slice for line in found] == [line.slice for line in plain]
    assert explain_text(found[0].explain) == "once at 100.00, less 6.67 of 10.00 off the invoice"
    assert [recompute(line.explain) for line in found] == [line.amount for line in found] == [93_33, 46_67]


def test_invoices_before_since_use_the_first_ones_up():
    contract = terms(ends_on="2026-04-30", discounts=[{"amount": "10", "periods": 2}])
    found = plan(contract, day("2026-04-30"), since=day("2026-01-31"))
    assert [(line.issue_on.month, line.amount) for line in found] == [(2, 90_00), (3, 100_00), (4, 100_00)]


def test_what_is_paid_in_advance_is_not_discounted():
    package = {"type": "prepaid", "key": "pack", "description": "Package", "price": "500.00"}
    contract = terms(package, one_time(price="100.00"), discounts=[{"amount": "10.00"}, {"percent": "10"}])
    assert [line.amount for line in lines(contract)] == [500_00, 80_00]
