"""Tax of a document: per class and rate, rounded once on the document, never line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor

import msgspec

from billing.money import round_half_away


class TaxLine(msgspec.Struct, frozen=True, kw_only=True):
    """Tax of one class and rate on a whole document."""

    tax_class: str
    rate: Decimal  # percent
    base: int
    amount: int


def document_taxes(amounts: Iterable[tuple[str, int]], rates: Mapping[str, Decimal]) -> tuple[TaxLine, ...]:
    """Return the taxes on ``(tax class, net amount)`` pairs, in order of first appearance; amounts may be negative.

    Raises ``KeyError`` for a class without a rate.
    """
    bases: dict[str, int] = {}
    for tax_class, amount in amounts:
        bases[tax_class] = bases.get(tax_class, 0) + amount
    return tuple(
        TaxLine(tax_class=name, rate=rates[name], base=base, amount=round_half_away(_exact(base, rates[name])))
        for name, base in bases.items()
    )


def spread(tax: TaxLine, amounts: Sequence[int]) -> list[int]:
    """Split a document's tax over its lines of that class, for ledgers that keep tax per line.

    By largest remainder, equal remainders to the earlier line: each part is within one minor unit of the line's own
    exact tax, and the parts add up to ``tax.amount``. ``amounts`` are the net amounts that make up ``tax.base``.
    """
    if sum(amounts) != tax.base:
        raise ValueError(f"the lines add up to {sum(amounts)}, the tax is on {tax.base}")
    exact = [_exact(amount, tax.rate) for amount in amounts]
    shares = [floor(value) for value in exact]
    neediest = sorted(range(len(exact)), key=lambda index: (shares[index] - exact[index], index))
    for index in neediest[: tax.amount - sum(shares)]:
        shares[index] += 1
    return shares


def _exact(base: int, rate: Decimal) -> Fraction:
    return base * Fraction(rate) / 100
