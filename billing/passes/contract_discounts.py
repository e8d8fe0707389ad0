"""Amounts off the whole contract: taken off each day's invoice, shared over its charges in proportion.

A percentage off the contract is applied by each kind of charge itself (``service.discounts_of``). The share comes off
before tax, so that each rate of tax is owed on what is left at that rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from msgspec.structs import replace

from billing.line import Explanation, Line, Rule
from billing.money import allocate, text, to_minor
from billing.terms import Discount, Terms
from billing.words import price_text

NOT_DISCOUNTED = frozenset({"prepaid"})  # money on account: what it pays for is discounted already


def amounts_off(terms: Terms) -> tuple[Discount, ...]:
    """Return the contract's discounts that are amounts."""
    return tuple(one for one in terms.discounts if one.amount is not None)


def discounted(terms: Terms, owed: Sequence[Line]) -> list[Line]:
    """Return the lines, which come in order of ``issue_on``, with the contract's amounts taken off.

    Each day on which something is charged is one invoice, and ``periods`` counts such days. An invoice is never
    discounted below zero; what is left of a discount then is lost.
    """
    discounts = amounts_off(terms)
    used = [0] * len(discounts)
    found: list[Line] = []
    for day, group in groupby(owed, key=lambda line: line.issue_on):
        invoice = list(group)
        weights = [0 if line.kind in NOT_DISCOUNTED else max(0, line.amount) for line in invoice]
        off = 0
        for index, one in enumerate(discounts):
            if any(weights) and _holds(one, day, used[index]):
                used[index] += 1
                off += to_minor(one.amount or Decimal(0), terms.currency)
        shares = allocate(min(off, sum(weights)), weights) if off else weights
        found += [
            _less(line, share, off) if off and share else line for line, share in zip(invoice, shares, strict=True)
        ]
    return found


def _holds(one: Discount, day: date, used: int) -> bool:
    return (
        (one.starts_on is None or one.starts_on <= day)
        and (one.ends_on is None or day <= one.ends_on)
        and (one.periods is None or used < one.periods)
    )


def _less(line: Line, share: int, off: int) -> Line:
    currency = line.explain.operands["currency"]
    operands = {
        **line.explain.operands,
        "discounted_rule": line.explain.rule,
        "discounted_share": text(share, currency),
        "discounted_by": text(off, currency),
    }
    return replace(line, amount=line.amount - share, explain=Explanation("contract_discount", operands))


def _amount(operands: dict[str, str]) -> int:
    from billing.explain import recompute  # it joins the rules of all kinds, these among them

    share = to_minor(Decimal(operands["discounted_share"]), operands["currency"])
    return recompute(Explanation(operands["discounted_rule"], operands)) - share


def _words(operands: dict[str, str]) -> str:
    from billing.explain import explain_text

    share, off = (price_text(operands[name], operands["currency"]) for name in ("discounted_share", "discounted_by"))
    words = explain_text(Explanation(operands["discounted_rule"], operands))
    return f"{words}, less {share} of {off} off the invoice"


RULES = {"contract_discount": Rule(_words, _amount)}
