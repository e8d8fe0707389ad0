"""Words for the arithmetic of a line, from the operands stored with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import gcd
from typing import TYPE_CHECKING

from billing.money import exponent, plain
from billing.terms import Interval, parse_interval

if TYPE_CHECKING:
    from billing.line import Explanation

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def explain_text(explanation: Explanation) -> str:
    """Word how an amount came about: ``31 of 61 days from 15 Mar 2026 at 1,200.00``."""
    words = _WORDS.get(explanation.rule)
    if words is None:  # written by a later release: show the operands rather than nothing
        return ", ".join(f"{name} {value}" for name, value in explanation.operands.items())
    return words(explanation.operands)


def date_text(day: date) -> str:
    """Word a date for people: ``15 Mar 2026``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def price_text(value: str | Decimal, currency: str) -> str:
    """Word a price in major units with at least the currency's decimals: ``1,200.00``, ``0.0125``."""
    number = Decimal(value)
    decimals = max(exponent(currency), len(plain(number).partition(".")[2]))
    return f"{number:,.{decimals}f}"


def _recurring_words(operands: dict[str, str]) -> str:
    price = _price_words(operands)
    if operands["price_per"] != operands["every"]:
        price += f" per {operands['price_per'].replace('_', ' ')}"
    discounts = _discount_words(operands, " per period")
    running = ", on the running total" if "before" in operands else ""
    return f"{_extent(operands)} from {date_text(date.fromisoformat(operands['from']))} at {price}{discounts}{running}"


def _extent(operands: dict[str, str]) -> str:
    parts = operands["parts"].split(" + ")
    basis = " (30/360)" if "basis" in operands else ""
    if len(parts) == 1 and "/" in parts[0]:
        return f"{parts[0].replace('/', ' of ')} days{basis}"
    every, per = operands["every"], operands["price_per"]
    if parts == ["1"]:
        return "1 " + every.replace("_", " ") if every[0].isalpha() else every
    step = _step(parse_interval(every), parse_interval(per))
    worded = [part if "/" not in part else f"{part.replace('/', ' of ')} days" for part in parts]
    return " + ".join(f"{part} {step}" if "days" not in part else part for part in worded) + basis


def _step(every: Interval, per: Interval) -> str:
    """Name what a period and its price are both whole numbers of: ``months``, ``times 2 months``."""
    size = gcd(every.count, per.count)
    return f"{every.unit}s" if size == 1 else f"times {size} {every.unit}s"


def _one_time_words(operands: dict[str, str]) -> str:
    return f"once at {_price_words(operands)}{_discount_words(operands, '')}"


def _not_owed_words(operands: dict[str, str]) -> str:
    return "no longer owed"


def _price_words(operands: dict[str, str]) -> str:
    price = price_text(operands["price"], operands["currency"])
    return price if Decimal(operands["quantity"]) == 1 else f"{operands['quantity']} × {price}"


def _discount_words(operands: dict[str, str], per: str) -> str:
    percents = "".join(f", less {percent}%" for percent in operands.get("percent", "").split())
    amounts = "".join(
        f", less {price_text(amount, operands['currency'])}{per}" for amount in operands.get("off", "").split()
    )
    return percents + amounts


_WORDS = {"recurring": _recurring_words, "one_time": _one_time_words, "not_owed": _not_owed_words}
