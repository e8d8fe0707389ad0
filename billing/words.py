"""Words shared by every sentence about money and dates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from billing.money import exponent, plain

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_text(day: date) -> str:
    """Word a date for people: ``15 Mar 2026``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def price_text(value: str | Decimal, currency: str) -> str:
    """Word a price in major units with at least the currency's decimals: ``1,200.00``, ``0.0125``."""
    number = Decimal(value)
    decimals = max(exponent(currency), len(plain(number).partition(".")[2]))
    return f"{number:,.{decimals}f}"
