"""Prices owed once: one-time charges, and the total that a fixed price or a prepaid amount starts from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.charges import Charge, Discount, OneTime
from billing.line import Explanation, Line, Rule, Scope
from billing.money import exponent, plain, round_half_away
from billing.service import discounts_of
from billing.terms import Terms
from billing.words import price_text

_DAY = timedelta(days=1)


def lines(scope: Scope, charge: OneTime) -> Iterator[Line]:
    """Yield the one line of a one-time charge, on its day."""
    terms = scope.terms
    on = charge.on or terms.starts_on
    if on > scope.through or (scope.since is not None and on <= scope.since):
        return
    operands = lump(charge, discounts_on(terms, charge, on), terms.currency)
    yield Line(
        contract=terms.contract,
        charge=charge.key,
        kind="one_time",
        description=charge.description,
        starts=on,
        until=on + _DAY,
        quantity=charge.quantity,
        unit_price=charge.price,
        amount=_amount(operands),
        issue_on=on,
        tax_class=charge.tax_class,
        product=charge.product,
        explain=Explanation("one_time", operands),
    )


def discounts_on(terms: Terms, charge: Charge, on: date) -> list[Discount]:
    """Return what is taken off a price that is owed once, on ``on``.

    The contract's first free months are for what is billed in periods: they leave a price that is owed once alone.
    """
    own = len(charge.discounts)
    return [
        one
        for index, one in enumerate(discounts_of(terms, charge))
        if (index < own or one.periods is None)
        and (one.starts_on is None or one.starts_on <= on)
        and (one.ends_on is None or on <= one.ends_on)
    ]


def lump(charge: Charge, discounts: Sequence[Discount], currency: str) -> dict[str, str]:
    """Return the operands of price x quantity less discounts: what ``exact`` works the amount out from."""
    operands = {"currency": currency, "price": plain(charge.price), "quantity": plain(charge.quantity)}
    percents = [plain(one.percent) for one in discounts if one.percent is not None]
    amounts = [plain(one.amount) for one in discounts if one.amount is not None]
    if percents:
        operands["percent"] = " ".join(percents)
    if amounts:
        operands["off"] = " ".join(amounts)
    return operands


def exact(operands: dict[str, str]) -> Fraction:
    """Return price x quantity less percentages, one after the other, less amounts, in minor units before rounding.

    A discount never turns a charge into a credit.
    """
    net: Fraction = Fraction(operands["price"]) * Fraction(operands["quantity"])
    for percent in operands.get("percent", "").split():
        net *= 1 - Fraction(percent) / 100
    if net > 0:
        net = max(Fraction(0), net - sum(Fraction(amount) for amount in operands.get("off", "").split()))
    scaled: Fraction = net * 10 ** exponent(operands["currency"])
    return scaled


def lump_words(operands: dict[str, str]) -> str:
    """Word a total with what is taken off it: ``2 × 1,200.00, less 10%``."""
    price = price_text(operands["price"], operands["currency"])
    if Decimal(operands["quantity"]) != 1:
        price = f"{operands['quantity']} × {price}"
    percents = "".join(f", less {percent}%" for percent in operands.get("percent", "").split())
    amounts = operands.get("off", "").split()
    return price + percents + "".join(f", less {price_text(amount, operands['currency'])}" for amount in amounts)


def _amount(operands: dict[str, str]) -> int:
    return round_half_away(exact(operands))


RULES = {"one_time": Rule(lambda operands: f"once at {lump_words(operands)}", _amount)}
