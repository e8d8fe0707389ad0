"""Money: integer minor units beside an ISO 4217 currency, and rounding that never loses a cent.

An *amount* is an ``int`` of the currency's minor units (``123456`` USD is 1,234.56). A *price* is a ``Decimal`` in
major units and may have more decimals than the currency. No float touches either.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

# ISO 4217: currencies whose minor unit is not a hundredth. Every other active currency has two decimals.
_EXPONENTS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def exponent(currency: str) -> int:
    """Return how many decimals ``currency`` (ISO 4217 code, upper case) has."""
    return _EXPONENTS.get(currency, 2)


def round_half_away(value: Decimal | Fraction | int) -> int:
    """Round to an integer, halves away from zero, so that a credit mirrors its charge."""
    return round_ratio(*value.as_integer_ratio())


def round_ratio(numerator: int, denominator: int) -> int:
    """Round ``numerator / denominator`` to an integer, halves away from zero; the denominator is above zero."""
    if numerator < 0:
        return -((denominator - 2 * numerator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def to_minor(value: Decimal | Fraction | int, currency: str) -> int:
    """Return a value in major units as minor units of ``currency``, rounded half away from zero."""
    return round_half_away(Fraction(value) * 10 ** exponent(currency))


def exact_minor(value: Decimal, currency: str) -> int:
    """Return major units as minor units; raise ``ValueError`` when ``value`` has a fraction of a minor unit."""
    scaled: Fraction = Fraction(value) * 10 ** exponent(currency)
    if scaled.denominator != 1:
        raise ValueError(f"{value} has more decimals than {currency} allows ({exponent(currency)})")
    return scaled.numerator


def to_decimal(minor: int, currency: str) -> Decimal:
    """Return minor units as a ``Decimal`` in major units with the currency's own number of decimals."""
    places = exponent(currency)
    return Decimal(minor).scaleb(-places).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def text(minor: int, currency: str) -> str:
    """Return minor units as a plain decimal string, as in JSON: ``-1234.50``."""
    return str(to_decimal(minor, currency))


def plain(value: Decimal) -> str:
    """Return a number without exponent and trailing zeros, exact at any length: ``10.50`` is ``10.5``."""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def display(minor: int, currency: str) -> str:
    """Return minor units for people: ``1,234.50 USD``."""
    return f"{to_decimal(minor, currency):,} {currency}"


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` minor units in proportion to ``weights`` by largest remainder; the parts add up to ``total``.

    Weights must not be negative. Equal remainders go to the earlier part. All weights zero splits evenly.
    """
    if not weights:
        if total:
            raise ValueError("cannot allocate an amount over no parts")
        return []
    if any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative")
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    sign = -1 if total < 0 else 1
    shares = [abs(total) * weight // whole for weight in weights]
    remainders = [abs(total) * weight % whole for weight in weights]
    for index in sorted(range(len(weights)), key=lambda i: (-remainders[i], i))[: abs(total) - sum(shares)]:
        shares[index] += 1
    return [sign * share for share in shares]
