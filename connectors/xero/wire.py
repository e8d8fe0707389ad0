"""Xero's spellings: dates, amounts, look-ups by many values, and one result per element of a batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from urllib.parse import quote_plus

from billing import money
from connectors.base import Adopted, Created, Rejected
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.xero.client import Json, messages

LONGEST_QUERY = 1500  # characters of one encoded query: servers on the way refuse URLs beyond about 2,000

_MS_DATE = re.compile(r"/Date\((-?\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HELD_DECIMALS = 2  # Xero keeps every total with two decimals, whatever the currency

Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


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
    """Return an amount of Xero's as minor units."""
    return money.to_minor(value or 0, currency)


def inexact(amount: int, currency: str) -> bool:
    """Say whether Xero, which keeps two decimals, would round ``amount`` of a currency that has three."""
    return bool(amount % 10 ** max(0, money.exponent(currency) - _HELD_DECIMALS))


def too_fine(currency: str) -> Rejected:
    """Return the refusal of an amount that Xero would round."""
    return Rejected(reason=f"Xero keeps two decimals; this {currency} amount has {money.exponent(currency)}")


def equals(field: str, value: str) -> str:
    """Return a ``where`` condition: ``field`` is exactly ``value``."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}=="{escaped}"'


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


def results(
    batch: Sequence[Wanted],
    elements: Sequence[Json],
    read: Callable[[Json], Found],
    held: Callable[[Sequence[Wanted]], list[Found | None]],
) -> list[Created[Found] | Adopted[Found] | Rejected]:
    """Return one result per item of a batch that was sent.

    What Xero refused is looked up by ``held``: Xero's sentence for a number that exists already may change, and what
    it holds under our number is ours. A look-up that fails leaves the whole batch unknown, since parts were saved.
    """
    answered: list[Created[Found] | Adopted[Found] | Rejected] = [
        Rejected(reason="; ".join(reasons)) if (reasons := messages(element)) else Created(_saved(element, read))
        for element in elements
    ]
    refused = [index for index, result in enumerate(answered) if isinstance(result, Rejected)]
    if not refused:
        return answered
    try:
        existing = held([batch[index] for index in refused])
    except ConnectorError as error:
        raise OutcomeUnknown(f"Parts of a batch were saved and the rest could not be looked up: {error}") from error
    for index, found in zip(refused, existing, strict=True):
        if found is not None:
            answered[index] = Adopted(found)
    return answered


def _saved(element: Json, read: Callable[[Json], Found]) -> Found:
    try:
        return read(element)
    except (KeyError, TypeError, ValueError) as error:
        raise OutcomeUnknown(f"Xero's answer to a create cannot be read: {error!r}") from error
