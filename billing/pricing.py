"""How a quantity becomes an exact amount: per unit, by tiers, in packages, as a percentage.

A price is a sum of pieces, units times a price each, in decimals that are never rounded; the one rounding is that of
``minor_units``. The pieces are what an explanation keeps, so that an amount can be worded and worked out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Literal, NamedTuple

from billing.charges import Tier, Usage
from billing.money import exponent, plain, round_half_away
from billing.words import price_text

# Sums and products of decimals are decimals: this context never rounds one, and says so if it ever had to.
EXACT = Context(prec=400, rounding=ROUND_HALF_UP, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])
TierMode = Literal["graduated", "volume"]
ZERO, ONE = Decimal(0), Decimal(1)


class OutsideTiers(ValueError):
    """A quantity that no bracket has a price for."""


class Piece(NamedTuple):
    """A part of a price: ``units`` at ``price`` each.

    ``of`` says what the units are where they are not those measured: a ``flat`` price, the amount that a ``percent`` is
    taken of, a ``record``, a ``package``, or a record that costs its bound, ``at_least`` or ``at_most``.
    """

    units: Decimal
    price: Decimal
    of: str = ""


def tiered(quantity: Decimal, tiers: Sequence[Tier], mode: TierMode, flat_at_zero: bool = False) -> Decimal:
    """Return what a quantity costs over brackets, exact, in major units.

    ``graduated`` prices each bracket's own share of the quantity, ``volume`` all of it at the bracket it ends in. "Up
    to" is inclusive. A bracket's flat price is owed once its first unit is used; with ``flat_at_zero`` the first
    bracket's is owed without any. Raises ``OutsideTiers`` for a quantity below zero or above a bounded last bracket.
    """
    return exact_total(tier_pieces(quantity, tiers, mode, flat_at_zero))


def tier_pieces(
    quantity: Decimal, tiers: Sequence[Tier], mode: TierMode, flat_at_zero: bool = False
) -> tuple[Piece, ...]:
    """Return the brackets that a quantity reaches as parts of its price; raises as ``tiered``."""
    last = tiers[-1].up_to
    if quantity < 0 or (last is not None and quantity > last):
        allowed = "0 or more" if last is None else f"0 to {plain(last)}"
        raise OutsideTiers(f"{plain(quantity)} lies outside the tiers, which price {allowed}")
    if not quantity:
        return _bracket(ZERO, tiers[0]) if flat_at_zero else ()
    if mode == "volume":
        return _bracket(quantity, next(tier for tier in tiers if tier.up_to is None or quantity <= tier.up_to))
    found: tuple[Piece, ...] = ()
    below = ZERO
    for tier in tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            return found + _bracket(EXACT.subtract(quantity, below), tier)
        found += _bracket(EXACT.subtract(tier.up_to, below), tier)
        below = tier.up_to
    raise AssertionError("the last bracket holds whatever is not above it")


def tiers_ascend(tiers: Sequence[Tier]) -> bool:
    """Whether each bracket ends above the one before it, and at most the last is without end."""
    below = ZERO
    for tier in tiers:
        if tier.up_to is None:
            return tier is tiers[-1]
        if tier.up_to <= below:
            return False
        below = tier.up_to
    return True


def _bracket(units: Decimal, tier: Tier) -> tuple[Piece, ...]:
    priced = (Piece(units, tier.price),) if units and (tier.price or not tier.flat) else ()
    return (*priced, Piece(ONE, tier.flat, "flat")) if tier.flat else priced


def per_unit_pieces(units: Iterable[tuple[Decimal, Decimal]], free: Decimal = ZERO) -> tuple[Piece, ...]:
    """Return (units, price) as parts of a price, less the first ``free`` units; a correction below zero stays one."""
    found = []
    for count, price in units:
        taken = min(count, free) if count > 0 else ZERO
        free = EXACT.subtract(free, taken)
        if left := EXACT.subtract(count, taken):
            found.append(Piece(left, price))
    return tuple(found)


def package_pieces(quantity: Decimal, size: Decimal, price: Decimal, free: Decimal = ZERO) -> tuple[Piece, ...]:
    """Return the packages of ``size`` units that a quantity above the ``free`` units begins."""
    units, of = EXACT.subtract(quantity, free).as_integer_ratio()
    size_units, size_of = size.as_integer_ratio()
    begun = -(-units * size_of // (of * size_units))
    return (Piece(Decimal(begun), price, "package"),) if begun > 0 else ()


def percentage_pieces(charge: Usage, amounts: Iterable[Decimal]) -> tuple[Piece, ...]:
    """Return what a percentage of each record's amount costs, with its fixed part and the bounds of one record.

    The first ``free_records`` records and the first ``free_units`` of amount cost nothing; where both are given, the
    one that is used up first ends both. The record that goes beyond the free amount pays for what lies beyond, and its
    fixed part. A total below zero costs nothing.
    """
    percent = charge.percent or ZERO
    taken_of = ZERO
    counts = {"record": 0, "at_least": 0, "at_most": 0}
    for amount in _beyond_free(amounts, charge.free_records, charge.free_units):
        bound = _bound(charge, EXACT.fma(amount, EXACT.scaleb(percent, -2), charge.fixed))
        counts[bound or "record"] += 1
        if not bound:
            taken_of = EXACT.add(taken_of, amount)
    prices = {"record": charge.fixed, "at_least": charge.least_each or ZERO, "at_most": charge.most_each or ZERO}
    fixed = [Piece(Decimal(count), prices[of], of) for of, count in counts.items() if count and prices[of]]
    found = (Piece(taken_of, percent, "percent"), *fixed) if taken_of else tuple(fixed)
    return found if exact_total(found) > 0 else ()


def _beyond_free(amounts: Iterable[Decimal], free_records: int, free_units: Decimal) -> Iterator[Decimal]:
    rest = free_units
    for number, amount in enumerate(amounts):
        if free_records and number >= free_records:
            rest = ZERO
        elif free_records and not free_units:
            continue
        if rest > 0:
            if amount <= rest:
                rest = EXACT.subtract(rest, amount)
                continue
            amount, rest = EXACT.subtract(amount, rest), ZERO
        yield amount


def _bound(charge: Usage, price: Decimal) -> str:
    if charge.least_each is not None and price < charge.least_each:
        return "at_least"
    return "at_most" if charge.most_each is not None and price > charge.most_each else ""


def exact_total(pieces: Iterable[Piece], per: Decimal = ONE) -> Decimal:
    """Return ``per`` times what the pieces cost, exact, in major units; prices are for ``per`` units."""
    total = ZERO
    for units, price, of in pieces:
        amount = EXACT.multiply(units, price)
        if of == "percent":
            amount = EXACT.scaleb(amount, -2)
        elif of == "flat" and per != 1:
            amount = EXACT.multiply(amount, per)
        total = EXACT.add(total, amount)
    return total


def less_percents(total: Decimal, percents: Iterable[Decimal]) -> Decimal:
    """Take percentages off, one after the other, exact."""
    for percent in percents:
        total = EXACT.multiply(total, EXACT.scaleb(EXACT.subtract(_HUNDRED, percent), -2))
    return total


def minor_units(total: Decimal, currency: str, per: Decimal = ONE) -> int:
    """Return ``total / per`` major units as minor units, rounded half away from zero."""
    minor = EXACT.scaleb(total, exponent(currency))
    if per == 1:
        return int(EXACT.to_integral_value(minor))
    return round_half_away(Fraction(minor) / Fraction(per))


def write_pieces(pieces: Iterable[Piece]) -> str:
    """Write pieces as an operand of an explanation: ``10@2 5@3 1@100:flat``."""
    return " ".join([f"{plain(units)}@{plain(price)}{of and ':'}{of}" for units, price, of in pieces])


def read_pieces(written: str) -> tuple[Piece, ...]:
    """Read what ``write_pieces`` wrote."""
    found = []
    for one in written.split():
        numbers, _, of = one.partition(":")
        units, _, price = numbers.partition("@")
        found.append(Piece(Decimal(units), Decimal(price), of))
    return tuple(found)


def pieces_words(written: str, currency: str, per: str = "1", size: str = "") -> str:
    """Word pieces: ``10 at 2.00 + 5 at 3.00 + 100.00 flat``; nothing priced is ``nothing to pay for``."""
    worded = []
    for units, price, of in read_pieces(written):
        count, at = f"{units:,f}", price_text(price, currency)
        if of == "flat":
            worded.append(f"{at} flat")
        elif of == "percent":
            worded.append(f"{plain(price)}% of {price_text(units, currency)}")
        elif of == "package":
            worded.append(f"{count} × {size} at {at}")
        elif of:
            worded.append(f"{count} {'record' if units == 1 else 'records'}{_BOUNDS.get(of, '')} at {at}")
        else:
            worded.append(f"{count} at {at}" if per == "1" else f"{count} at {at} per {per}")
    return " + ".join(worded) or "nothing to pay for"


_HUNDRED = Decimal(100)
_BOUNDS = {"at_least": " raised", "at_most": " limited"}
