"""Xero's spellings: dates, amounts, and look-ups by many values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from urllib.parse import quote_plus

from billing import money
from connectors.base import Rejected
from connectors.xero.client import Json
from connectors.xero.limits import KEY, overlong

LONGEST_QUERY = 1500  # characters of one encoded query: servers on the way refuse URLs beyond about 2,000

_MS_DATE = re.compile(r"/Date\((-?\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENT = Decimal("0.01")
_HELD_DECIMALS = 2  # Xero keeps every total with two decimals, whatever the currency


def moment(text: str) -> datetime:
    """Read ``/Date(1552262400000+0000)/``: milliseconds since 1970 in UTC, whatever the offset says.

    Raises ``ValueError`` for another form.
    """
    match = _MS_DATE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date as Xero writes it")
    return _EPOCH + timedelta(milliseconds=int(match[1]))


def day(element: Json, field: str) -> date | None:
    """Return a calendar date of ``element``, None where it has none."""
    return moment(element[field]).date() if element.get(field) else None


def updated_at(element: Json) -> datetime | None:
    """Return when ``element`` was changed last."""
    return moment(element["UpdatedDateUTC"]) if element.get("UpdatedDateUTC") else None


def minor(value: Decimal | int | None, currency: str) -> int:
    """Return an amount of Xero's as minor units.

    Xero lets people enter half a yen. Such an amount is rounded away from zero, so that it never passes for the whole
    one that we expected.
    """
    scaled = Decimal(value or 0).scaleb(money.exponent(currency))
    return int(scaled.to_integral_value(ROUND_UP))


def cents(value: Decimal) -> Decimal:
    """Round as Xero does: every amount has two decimals, halves go away from zero."""
    return value.quantize(_CENT, ROUND_HALF_UP)


def inexact(amount: int, currency: str) -> bool:
    """Say whether Xero, which keeps two decimals, would round ``amount`` of a currency that has three."""
    return bool(amount % 10 ** max(0, money.exponent(currency) - _HELD_DECIMALS))


def too_fine(currency: str) -> Rejected:
    """Return the refusal of an amount that Xero would round."""
    return Rejected(reason=f"Xero keeps two decimals; this {currency} amount has {money.exponent(currency)}")


def unbookable(key: str, amount: int, currency: str) -> Rejected | None:
    """Return why no money of ``amount`` can be booked under ``key``, None when it can."""
    if problem := overlong([("The key", key, KEY)]):
        return Rejected(reason=problem)
    if amount <= 0:
        return Rejected(reason=f"Xero books amounts above zero only, not {money.display(amount, currency)}")
    return too_fine(currency) if inexact(amount, currency) else None


def same_id(field: str, id: str) -> str:
    """Return a ``where`` condition: ``field`` is exactly this id."""
    return f'{field}==guid("{id}")'


def equals(field: str, value: str) -> str:
    """Return a ``where`` condition: ``field`` is exactly ``value``."""
    return f"{field}=={_quoted(value)}"


def begins(field: str, value: str) -> str:
    """Return a ``where`` condition: ``field`` begins with ``value``."""
    return f"{field}.StartsWith({_quoted(value)})"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def chunks(parts: Sequence[str], separator: str) -> Iterator[str]:
    """Join ``parts`` with ``separator`` into texts that stay below ``LONGEST_QUERY`` once encoded."""
    chunk: list[str] = []
    length = 0
    for part in parts:
        more = len(quote_plus(separator + part))
        if chunk and length + more > LONGEST_QUERY:
            yield separator.join(chunk)
            chunk, length = [], 0
        chunk.append(part)
        length += more
    if chunk:
        yield separator.join(chunk)
