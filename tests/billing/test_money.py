from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from billing import money


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("10.275", "USD", 1028),
        ("1023.5", "JPY", 1024),
        ("1023.45", "JPY", 1023),
        ("99.996", "EUR", 10000),
        ("0.004", "GBP", 0),
        ("-0.005", "GBP", -1),
        ("1.0005", "KWD", 1001),
    ],
)
def test_amounts_round_half_away_from_zero_at_the_currency_s_decimals(value, currency, minor):
    assert money.to_minor(Decimal(value), currency) == minor


def test_an_amount_with_a_fraction_of_a_cent_is_refused_where_it_must_be_exact():
    assert money.exact_minor(Decimal("12.30"), "USD") == 1230
    with pytest.raises(ValueError, match="more decimals than JPY allows"):
        money.exact_minor(Decimal("12.3"), "JPY")


@pytest.mark.parametrize(
    ("minor", "currency", "text"), [(-123450, "USD", "-1234.50"), (1234, "JPY", "1234"), (5, "KWD", "0.005")]
)
def test_amounts_are_written_with_their_currency_s_decimals(minor, currency, text):
    assert money.text(minor, currency) == text
    assert Decimal(text) == money.to_decimal(minor, currency)


def test_people_see_thousands_and_the_currency():
    assert money.display(123456789, "USD") == "1,234,567.89 USD"


def test_a_total_is_shared_out_by_largest_remainder_and_ties_go_to_the_earlier_part():
    assert money.allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert money.allocate(-100, [1, 1, 1]) == [-34, -33, -33]
    assert money.allocate(5, [0, 0]) == [3, 2]
    assert money.allocate(0, []) == []


def test_what_cannot_be_shared_out_is_refused():
    with pytest.raises(ValueError, match="no parts"):
        money.allocate(1, [])
    with pytest.raises(ValueError, match="negative"):
        money.allocate(1, [1, -1])


@pytest.mark.parametrize(
    ("value", "written"),
    [("10.50", "10.5"), ("1E+3", "1000"), ("100", "100"), ("0.00", "0"), ("0." + "1" * 40, "0." + "1" * 40)],
)
def test_numbers_are_written_plainly_and_exactly(value, written):
    assert money.plain(Decimal(value)) == written


def test_fractions_round_exactly():
    assert money.round_half_away(Fraction(1, 2)) == 1
    assert money.round_half_away(Fraction(-1, 2)) == -1
    assert money.round_half_away(Fraction(10**30 - 1, 2 * 10**30)) == 0
