from __future__ import annotations

from decimal import Decimal

import pytest

from billing.tax import TaxLine, document_taxes, spread

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
