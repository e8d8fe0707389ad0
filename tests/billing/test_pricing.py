from __future__ import annotations

from decimal import Decimal, Inexact
from fractions import Fraction

import msgspec
import pytest

from billing.charges import Tier, Usage
from billing.pricing import (
    EXACT,
    OutsideTiers,
    Piece,
    exact_total,
    less_percents,
    minor_units,
    package_pieces,
    per_unit_pieces,
    percentage_pieces,
    pieces_words,
    read_pieces,
    tier_pieces,
    tiered,
    tiers_ascend,
    write_pieces,
)
from tests.billing.build import usage


def tiers(*rows: tuple[object, ...]) -> list[Tier]:
    given = [dict(zip(("up_to", "price", "flat"), row, strict=False)) for row in rows]
    return [msgspec.convert(one, Tier) for one in given]


def numbers(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def percentage(**fields: object) -> Usage:
    return msgspec.convert(usage(model="percentage", **fields), Usage)


def charged(charge: Usage, *amounts: str) -> Decimal:
    return exact_total(percentage_pieces(charge, numbers(*amounts)))


PER_UNIT = tiers(("10", "2"), ("20", "3"), (None, "5"))
FLAT = tiers(("5", "10", "100"), (None, "5", "50"))
STEPS = tiers(("5", "0", "100"), ("10", "0", "150"), ("15", "10"), (None, "5"))


@pytest.mark.parametrize(
    ("quantity", "graduated", "volume"),
    [
        ("0", "0", "0"),
        ("0.5", "1", "1"),
        ("10", "20", "20"),
        ("10.5", "21.5", "31.5"),
        ("15", "35", "45"),
        ("20", "50", "60"),
        ("25", "75", "125"),
    ],
)
def test_graduated_prices_each_bracket_s_share_and_volume_all_at_the_last(quantity, graduated, volume):
    assert tiered(Decimal(quantity), PER_UNIT, "graduated") == Decimal(graduated)
    assert tiered(Decimal(quantity), PER_UNIT, "volume") == Decimal(volume)


@pytest.mark.parametrize(("quantity", "price"), [("3", "130"), ("5", "150"), ("6", "205"), ("8", "215")])
def test_a_bracket_s_flat_price_is_owed_when_its_first_unit_is_used(quantity, price):
    assert tiered(Decimal(quantity), FLAT, "graduated") == Decimal(price)


@pytest.mark.parametrize(
    ("quantity", "price"), [("3", "100"), ("5", "100"), ("5.1", "150"), ("14", "140"), ("15", "150"), ("16", "80")]
)
def test_up_to_is_inclusive(quantity, price):
    assert tiered(Decimal(quantity), STEPS, "volume") == Decimal(price)


@pytest.mark.parametrize("mode", ["graduated", "volume"])
def test_without_usage_the_first_flat_price_is_owed_only_where_the_terms_say_so(mode):
    assert tiered(Decimal(0), FLAT, mode) == 0
    assert tiered(Decimal(0), FLAT, mode, True) == 100
    assert tiered(Decimal(3), FLAT, mode, True) == 130


@pytest.mark.parametrize("mode", ["graduated", "volume"])
@pytest.mark.parametrize("quantity", ["10.01", "15", "-5"])
def test_a_quantity_no_bracket_prices_is_refused(mode, quantity):
    with pytest.raises(OutsideTiers, match=f"^{quantity} lies outside the tiers, which price 0 to 10$"):
        tiered(Decimal(quantity), tiers(("10", "5")), mode)


def test_a_quantity_below_zero_is_refused_without_a_last_bound_too():
    with pytest.raises(OutsideTiers, match=r"which price 0 or more$"):
        tiered(Decimal(-1), PER_UNIT, "graduated")


def test_a_free_bracket_is_told_and_one_with_a_flat_price_alone_is_only_that():
    assert tier_pieces(Decimal(12), tiers(("10", "0"), (None, "2")), "graduated") == (
        Piece(Decimal(10), Decimal(0)),
        Piece(Decimal(2), Decimal(2)),
    )
    assert tier_pieces(Decimal(3), STEPS, "graduated") == (Piece(Decimal(1), Decimal(100), "flat"),)


@pytest.mark.parametrize(
    ("rows", "ascend"),
    [
        ([(None, "1")], True),
        ([("10", "1")], True),
        ([("10", "1"), (None, "2")], True),
        ([("10", "1"), ("10", "2")], False),
        ([("20", "1"), ("10", "2")], False),
        ([("0", "1"), (None, "2")], False),
        ([(None, "1"), (None, "2")], False),
        ([(None, "1"), ("10", "2")], False),
    ],
)
def test_brackets_must_ascend_and_only_the_last_may_be_without_end(rows, ascend):
    assert tiers_ascend(tiers(*rows)) is ascend


@pytest.mark.parametrize(
    ("quantity", "free", "packages"),
    [
        ("0", "0", 0),
        ("1", "0", 1),
        ("100", "0", 1),
        ("100.5", "0", 2),
        ("401", "0", 5),
        ("350", "100", 3),
        ("9", "10", 0),
    ],
)
def test_each_begun_package_counts(quantity, free, packages):
    found = package_pieces(Decimal(quantity), Decimal(100), Decimal("2.95"), Decimal(free))
    assert exact_total(found) == packages * Decimal("2.95")


def test_a_package_may_be_smaller_than_a_unit():
    assert exact_total(package_pieces(Decimal("1.1"), Decimal("0.25"), Decimal(1))) == 5


def test_corrections_beyond_what_was_used_make_no_package():
    assert package_pieces(Decimal(-250), Decimal(100), Decimal(1)) == ()


def test_free_units_are_the_first_ones_whatever_their_price():
    found = per_unit_pieces([(Decimal(4), Decimal(1)), (Decimal(6), Decimal(2)), (Decimal(3), Decimal(3))], Decimal(5))
    assert found == (Piece(Decimal(5), Decimal(2)), Piece(Decimal(3), Decimal(3)))


def test_a_quantity_below_zero_is_a_credit_and_gives_no_free_units():
    assert exact_total(per_unit_pieces([(Decimal(-4), Decimal("1.5"))], Decimal(5))) == -6


def test_a_percentage_takes_a_share_of_the_amounts_and_a_fixed_part_of_each_record():
    assert charged(percentage(percent="1.2", fixed="0.10"), "100", "250.50") == Decimal("4.406")
    assert charged(percentage(percent="2.5"), "1000") == 25
    assert charged(percentage(fixed="0.30"), "10", "0", "7") == Decimal("0.9")


@pytest.mark.parametrize(
    ("amounts", "price"),
    [
        (("10", "20"), "0"),
        (("10", "20", "100"), "2"),  # 1% of 100, and 1.00
        (("100", "100", "50", "50"), "3"),
    ],
)
def test_the_first_free_records_cost_nothing_at_all(amounts, price):
    assert charged(percentage(percent="1", fixed="1", free_records=2), *amounts) == Decimal(price)


@pytest.mark.parametrize(
    ("amounts", "price"),
    [
        (("50", "150"), "0"),
        (("50", "200"), "1.5"),  # 1% of the 50 beyond the 200 free, and 1.00
        (("200", "100"), "2"),
        (("300", "100"), "4"),
    ],
)
def test_a_free_amount_leaves_what_lies_beyond_it(amounts, price):
    assert charged(percentage(percent="1", fixed="1", free_units="200"), *amounts) == Decimal(price)


@pytest.mark.parametrize(
    ("amounts", "price"),
    [
        (("50", "100", "250", "400"), "11.15"),  # 250 are free: two records and a part of the third
        (("10", "10", "10", "400"), "7.2"),  # three records are free, though 220 of the amount are left
    ],
)
def test_of_free_records_and_a_free_amount_what_ends_first_ends_both(amounts, price):
    charge = percentage(percent="1.3", fixed="2", free_records=3, free_units="250")
    assert charged(charge, *amounts) == Decimal(price)


def test_the_price_of_one_record_has_bounds():
    charge = percentage(percent="1", fixed="1", least_each="1.50", most_each="6")
    assert charged(charge, "10", "100", "200", "10000") == Decimal("1.50") + 2 + 3 + 6
    assert write_pieces(percentage_pieces(charge, numbers("10", "100", "200", "10000"))) == (
        "300@1:percent 2@1:record 1@1.5:at_least 1@6:at_most"
    )
    assert charged(charge, "50", "500") == Decimal("1.50") + 6  # at the bounds


def test_a_percentage_of_more_refunds_than_sales_costs_nothing():
    assert percentage_pieces(percentage(percent="2", fixed="1"), numbers("100", "-400")) == ()
    assert charged(percentage(percent="2"), "100", "-40") == Decimal("1.2")


def test_a_price_for_several_units_leaves_a_flat_price_whole():
    pieces = [Piece(Decimal(25), Decimal(3)), Piece(Decimal(1), Decimal(7), "flat")]
    assert exact_total(pieces, Decimal(10)) / 10 == Decimal("14.5")


@pytest.mark.parametrize(
    ("total", "currency", "per", "minor"),
    [
        ("0.005", "USD", "1", 1),
        ("-0.005", "USD", "1", -1),
        ("10.274", "USD", "1", 1027),
        ("1023.5", "JPY", "1", 1024),
        ("1.0005", "KWD", "1", 1001),
        ("10", "USD", "3", 333),
        ("20", "USD", "3", 667),
        ("-20", "USD", "3", -667),
        ("1", "USD", "200", 1),
    ],
)
def test_an_amount_is_rounded_once_half_away_from_zero(total, currency, per, minor):
    assert minor_units(Decimal(total), currency, Decimal(per)) == minor


def test_percentages_come_off_one_after_the_other():
    assert less_percents(Decimal(200), numbers("10", "50")) == 90
    assert less_percents(Decimal(200), []) == 200


def test_no_digit_is_lost_however_long_the_numbers():
    units, price = Decimal("12345678901234567890.123456789012"), Decimal("0.000000000000123456789")
    assert Fraction(exact_total([Piece(units, price)])) == Fraction(units) * Fraction(price)
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


def test_pieces_are_written_and_read_again():
    pieces = (
        Piece(Decimal("10"), Decimal("2.50")),
        Piece(Decimal(1), Decimal("1E+3"), "flat"),
        Piece(Decimal(-3), Decimal("-.5")),
    )
    assert write_pieces(pieces) == "10@2.5 1@1000:flat -3@-0.5"
    assert read_pieces(write_pieces(pieces)) == pieces
    assert read_pieces("") == ()


@pytest.mark.parametrize(
    ("written", "per", "size", "words"),
    [
        ("", "1", "", "nothing to pay for"),
        ("10@2 5@3", "1", "", "10 at 2.00 + 5 at 3.00"),
        ("1500@0.0125 1@100:flat", "1", "", "1,500 at 0.0125 + 100.00 flat"),
        ("25@3", "10", "", "25 at 3.00 per 10"),
        ("4@2.95:package", "1", "100", "4 × 100 at 2.95"),
        (
            "550@1.3:percent 1@2:record 3@4:at_least",
            "1",
            "",
            "1.3% of 550.00 + 1 record at 2.00 + 3 records raised at 4.00",
        ),
        ("2@9:at_most", "1", "", "2 records limited at 9.00"),
    ],
)
def test_pieces_are_worded(written, per, size, words):
    assert pieces_words(written, "USD", per, size) == words


@pytest.mark.parametrize(("count", "left"), [("1", ()), ("0.5", ()), ("3", ()), ("4", ("1",)), ("-1", ("-1",))])
def test_free_units_are_taken_off_small_quantities_too_and_never_off_a_correction(count, left):
    found = per_unit_pieces([(Decimal(count), Decimal(5))], Decimal(3))
    assert [piece.units for piece in found] == [Decimal(one) for one in left]
