"""How long a period lasts, as terms write it: ``month``, ``quarter``, ``30 days`` ..."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """A number of days, weeks or months: how long one period lasts."""

    count: int
    unit: Literal["day", "week", "month"]


_NAMED_INTERVALS = {
    "day": Interval(1, "day"),
    "week": Interval(1, "week"),
    "month": Interval(1, "month"),
    "quarter": Interval(3, "month"),
    "half_year": Interval(6, "month"),
    "year": Interval(12, "month"),
}
_COUNTED_INTERVAL = re.compile(r"([1-9]\d{0,2}) (day|week|month|quarter|year)s?")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@lru_cache(maxsize=1024)
def parse_interval(value: str) -> Interval:
    """Read ``day``, ``week``, ``month``, ``quarter``, ``half_year``, ``year`` or ``N days|weeks|months|...``.

    Raises ``ValueError`` naming what is allowed.
    """
    if value in _NAMED_INTERVALS:
        return _NAMED_INTERVALS[value]
    match = _COUNTED_INTERVAL.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no interval: write week, month, quarter, half_year, year or e.g. '2 months'")
    count = int(match[1])
    if match[2] in _MONTHS:
        return Interval(_MONTHS[match[2]] * count, "month")
    return Interval(count, "day" if match[2] == "day" else "week")
