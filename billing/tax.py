"""Tax of a document: per class and rate, rounded once on the document or line by line, as the seller's law says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import msgspec

Rounding = Literal["per_document", "per_line"]


class TaxLine(msgspec.Struct, frozen=True, kw_only=True):
    """Tax of one class and rate on a whole document."""

    tax_class: str
    rate: Decimal  # percent
    base: int
    amount: int


def document_taxes(
    amounts: Iterable[tuple[str, int]], rates: Mapping[str, Decimal], rounding: Rounding = "per_document"
) -> tuple[TaxLine, ...]:
    """Return the taxes on ``(tax class, net amount)`` pairs, in order of first appearance; amounts may be negative.

    ``per_document`` rounds the tax of each rate once, half away from zero; classes of one rate share it by largest
    remainder. ``per_line`` rounds it on each amount. Raises ``KeyError`` for a class without a rate.
    """
    bases: dict[str, int] = {}
    taxes: dict[str, int] = {}
    for tax_class, amount in amounts:
        bases[tax_class] = bases.get(tax_class, 0) + amount
        if rounding == "per_line":
            taxes[tax_class] = taxes.get(tax_class, 0) + tax_on(amount, rates[tax_class])
    if rounding == "per_document":
        taxes = _by_rate(bases, rates)
    return tuple(
        [TaxLine(tax_class=name, rate=rates[name], base=base, amount=taxes[name]) for name, base in bases.items()]
    )


def _by_rate(bases: Mapping[str, int], rates: Mapping[str, Decimal]) -> dict[str, int]:
    if len(bases) == 1:
        return {name: tax_on(base, rates[name]) for name, base in bases.items()}
    classes: dict[Decimal, list[str]] = {}
    for name in bases:
        classes.setdefault(rates[name], []).append(name)
    taxes: dict[str, int] = {}
    for rate, names in classes.items():
        mine = [bases[name] for name in names]
        taxes.update(zip(names, _shares(tax_on(sum(mine), rate), mine, rate), strict=True))
    return taxes


def spread(tax: TaxLine, amounts: Sequence[int]) -> list[int]:
    """Split a document's tax over its lines of that class, for ledgers that keep tax per line.

    By largest remainder, equal remainders to the earlier line: the parts add up to ``tax.amount``, and each is within
    one minor unit of the line's own exact tax (unless a last credit note absorbs the cents of those before it).
    ``amounts`` are the net amounts that make up ``tax.base``.
    """
    if sum(amounts) != tax.base:
        raise ValueError(f"the lines add up to {sum(amounts)}, the tax is on {tax.base}")
    return _shares(tax.amount, amounts, tax.rate)


def tax_on(base: int, rate: Decimal) -> int:
    """Return the tax on a net amount, in minor units, rounded half away from zero; ``rate`` in percent."""
    numerator, denominator = _ratio(rate)
    magnitude = (2 * abs(base) * numerator + denominator) // (2 * denominator)
    return magnitude if base >= 0 else -magnitude


def _shares(tax: int, amounts: Sequence[int], rate: Decimal) -> list[int]:
    numerator, denominator = _ratio(rate)
    shares, remainders = [], []
    for amount in amounts:
        share, remainder = divmod(amount * numerator, denominator)
        shares.append(share)
        remainders.append(remainder)
    for_all, rest = divmod(tax - sum(shares), len(shares) or 1)
    neediest = sorted(range(len(shares)), key=lambda index: (-remainders[index], index))[:rest]
    for index in range(len(shares)):
        shares[index] += for_all + (index in neediest)
    return shares


@lru_cache(maxsize=256)
def _ratio(rate: Decimal) -> tuple[int, int]:
    numerator, denominator = rate.as_integer_ratio()
    return numerator, denominator * 100
