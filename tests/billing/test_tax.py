from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.tax import TaxLine, document_taxes, spread, tax_on

RATES = {"standard": Decimal(20), "reduced": Decimal(5)}


def test_tax_is_rounded_once_on_the_document_and_class():
    taxes = document_taxes([("standard", 2506), ("standard", 2561), ("standard", 2563)], {"standard": Decimal(15)})
    assert taxes == (TaxLine(tax_class="standard", rate=Decimal(15), base=7630, amount=1145),)


def test_every_class_is_taxed_at_its_own_rate():
    taxes = document_taxes([("reduced", 1000), ("standard", 1000), ("reduced", 50)], RATES)
    assert [(tax.tax_class, tax.base, tax.amount) for tax in taxes] == [("reduced", 1050, 53), ("standard", 1000, 200)]


def test_a_credit_s_tax_mirrors_the_charge_s():
    assert document_taxes([("standard", -1013)], RATES)[0].amount == -203
    assert document_taxes([("standard", 1013)], RATES)[0].amount == 203


def test_a_class_without_rate_is_an_error():
    with pytest.raises(KeyError, match="luxury"):
        document_taxes([("luxury", 1)], RATES)


def test_a_document_s_tax_spread_over_its_lines_adds_up():
    tax = TaxLine(tax_class="standard", rate=Decimal(15), base=7630, amount=1145)
    assert spread(tax, [2506, 2561, 2563]) == [376, 384, 385]


def test_spreading_over_charges_and_credits_keeps_each_line_within_a_cent():
    (tax,) = document_taxes([("standard", 3333), ("standard", -1111), ("standard", 7)], RATES)
    assert spread(tax, [3333, -1111, 7]) == [667, -222, 1]


def test_lines_that_are_not_the_tax_s_own_are_refused():
    with pytest.raises(ValueError, match="add up to 2"):
        spread(TaxLine(tax_class="standard", rate=Decimal(15), base=3, amount=0), [1, 1])


def test_E01_tax_per_line_and_per_document_differ_by_a_cent():
    lines = [("standard", 2506), ("standard", 2561), ("standard", 2563)]
    rates = {"standard": Decimal(15)}
    assert document_taxes(lines, rates)[0].amount == 1145
    (per_line,) = document_taxes(lines, rates, "per_line")
    assert (per_line.base, per_line.amount) == (7630, 1144)
    assert spread(per_line, [2506, 2561, 2563]) == [376, 384, 384]


@pytest.mark.parametrize(
    ("net", "rate", "tax"),
    [
        (449516, "9.975", 44839),  # E02
        (109150, "15", 16373),  # E03: 163.725
        (999, "22", 220),  # E04
        (1665, "22", 366),  # E04
        (535066, "22", 117715),  # E21
        (10000, "8.875", 888),  # E11
        (999, "10.5", 105),  # E11, in yen: 104.895
        (100, "0.1", 0),  # E11
        (-109150, "15", -16373),
    ],
)
def test_one_line_is_taxed_alike_in_both_modes(net, rate, tax):
    rates = {"standard": Decimal(rate)}
    assert document_taxes([("standard", net)], rates)[0].amount == tax
    assert document_taxes([("standard", net)], rates, "per_line")[0].amount == tax


def test_E05_every_rate_has_its_own_tax():
    rates = {"a": Decimal(10), "b": Decimal(0), "c": Decimal(20), "d": Decimal(20)}
    taxes = document_taxes([("a", 9500), ("b", 4750), ("c", 2850), ("d", 1900)], rates)
    assert [tax.amount for tax in taxes] == [950, 0, 570, 380]


def test_classes_of_one_rate_are_rounded_together_and_share_the_tax():
    rates = {"goods": Decimal(15), "services": Decimal("15.0"), "books": Decimal(5)}
    taxes = document_taxes([("goods", 2506), ("services", 2561), ("books", 10), ("goods", 2563)], rates)
    assert [(tax.tax_class, tax.amount) for tax in taxes] == [("goods", 761), ("services", 384), ("books", 1)]
    assert sum(tax.amount for tax in taxes[:2]) == 1145


def test_cents_that_a_last_credit_note_absorbs_are_spread_too():
    tax = TaxLine(tax_class="standard", rate=Decimal(20), base=9, amount=-3)
    assert spread(tax, [3, 3, 3]) == [-1, -1, -1]
    tax = TaxLine(tax_class="standard", rate=Decimal(20), base=9, amount=5)
    assert spread(tax, [3, 3, 3]) == [2, 2, 1]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-(10**7), 10**7)), min_size=1),
    st.sampled_from(["0", "5", "19.6", "8.875", "33.333"]),
)
def test_the_parts_of_a_document_s_tax_add_up_at_every_rate(lines, rate):
    rates = {"a": Decimal(rate), "b": Decimal(rate), "c": Decimal(20)}
    taxes = document_taxes(lines, rates)
    together = sum(base for name, base in lines if name in "ab")
    assert sum(tax.amount for tax in taxes if tax.tax_class in "ab") == tax_on(together, Decimal(rate))
    for tax in taxes:
        amounts = [amount for name, amount in lines if name == tax.tax_class]
        shares = spread(tax, amounts)
        assert sum(shares) == tax.amount
        exact = [Decimal(amount) * tax.rate / 100 for amount in amounts]
        assert all(abs(share - part) < 1 for share, part in zip(shares, exact, strict=True))
