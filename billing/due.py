"""Payment terms: when an invoice falls due, and the discount for paying early.

The words are those of trade: net 30, EOM, the 15th of the following month, 2/10 net 30.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import msgspec

from billing.periods import anchored

ALLOWED = (
    "'net 30', 'eom', 'eom + 15', 'on receipt', 'day 15', 'day 15 of next month', '31 days then day 15',"
    " each with an early-payment discount before it if there is one: '2/10 net 30'"
)


class EarlyDiscount(msgspec.Struct, frozen=True):
    """``percent`` off for payment within ``days`` of the invoice date."""

    percent: Decimal
    days: int


class PaymentTerms(msgspec.Struct, frozen=True):
    """When an invoice falls due.

    ``net``: ``days`` after its date. ``eom``: ``days`` after the end of its month. ``day``: the first day-of-month
    ``day`` strictly after its date. ``next_month``: that day of the month that follows. ``then_day``: the first such
    day at least ``days`` after its date. Days of the month are clamped to the month's length.
    """

    rule: Literal["net", "eom", "day", "next_month", "then_day"] = "net"
    days: int = 0
    day: int = 0
    early: tuple[EarlyDiscount, ...] = ()


_EARLY = re.compile(r"(\d{1,2}(?:\.\d{1,3})?)/(\d{1,3}) +")
_DAY = r"day ([1-9]|[12]\d|3[01])"
_RULES: tuple[tuple[Literal["net", "eom", "day", "next_month", "then_day"], re.Pattern[str]], ...] = (
    ("net", re.compile(r"net (?P<days>\d{1,3})|on receipt")),
    ("eom", re.compile(r"eom(?: ?\+ ?(?P<days>\d{1,3}))?")),
    ("day", re.compile(rf"{_DAY.replace('(', '(?P<day>', 1)}")),
    ("next_month", re.compile(rf"{_DAY.replace('(', '(?P<day>', 1)} of next month")),
    ("then_day", re.compile(rf"(?P<days>\d{{1,3}}) days? then {_DAY.replace('(', '(?P<day>', 1)}")),
)


@lru_cache(maxsize=1024)
def parse_payment_terms(value: str) -> PaymentTerms:
    """Read payment terms such as ``net 30`` or ``2/10 net 30``; raises ``ValueError`` naming what is allowed."""
    rest, early = value, []
    while found := _EARLY.match(rest):
        early.append(EarlyDiscount(Decimal(found[1]), int(found[2])))
        rest = rest[found.end() :]
    for rule, pattern in _RULES:
        match = pattern.fullmatch(rest)
        if match is not None:
            given = {name: int(text) for name, text in match.groupdict().items() if text is not None}
            return PaymentTerms(rule, given.get("days", 0), given.get("day", 0), tuple(early))
    raise ValueError(f"{value!r} is no payment term: write {ALLOWED}")


def due_date(payment_terms: str, issued: date) -> date:
    """Return when a document issued on a day falls due."""
    terms = parse_payment_terms(payment_terms)
    month = issued.year * 12 + issued.month - 1
    if terms.rule == "net":
        return issued + timedelta(days=terms.days)
    if terms.rule == "eom":
        return issued.replace(day=monthrange(issued.year, issued.month)[1]) + timedelta(days=terms.days)
    if terms.rule == "next_month":
        return anchored(month + 1, terms.day)
    if terms.rule == "day":
        here = anchored(month, terms.day)
        return here if here > issued else anchored(month + 1, terms.day)
    least = issued + timedelta(days=terms.days)
    month = least.year * 12 + least.month - 1
    here = anchored(month, terms.day)
    return here if here >= least else anchored(month + 1, terms.day)
