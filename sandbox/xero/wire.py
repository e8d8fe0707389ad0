"""How Xero writes things: dates in two ways, exact numbers, lists with pages, and its errors."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

Wire = dict[str, Any]  # an object as it goes over the wire; amounts in it are Decimal

NOTHING = "00000000-0000-0000-0000-000000000000"  # the id of an element that was not saved
_CENT = Decimal("0.01")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_MS_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Invalid(Exception):
    """An element that Xero would not save, with its validation messages."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


class BadRequest(Exception):
    """A whole request that Xero would not understand."""


def cents(value: Decimal) -> Decimal:
    """Round to two decimals, halves away from zero: Xero keeps every total so, whatever the currency."""
    return value.quantize(_CENT, ROUND_HALF_UP)


def encode(body: Any) -> bytes:
    """Return JSON with amounts as exact numbers."""
    return _ENCODER.encode(body)


def decode(body: bytes) -> Any:
    """Read JSON with fractions as ``Decimal``; raises ``BadRequest`` where it is none."""
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError:
        raise BadRequest("JSON for post data was invalid") from None


def number(data: Wire, field: str) -> Decimal | None:
    """Return a number that was sent, None when it was not; raises ``BadRequest`` for anything else."""
    value = data.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadRequest(f"JSON for post data was invalid, {field} is not a number: {value!r}")
    return Decimal(value)


def ms_date(moment: datetime) -> str:
    """Return ``/Date(1552262400000+0000)/``."""
    return f"/Date({(moment - _EPOCH) // timedelta(milliseconds=1)}+0000)/"


def day_fields(name: str, on: date) -> Wire:
    """Return a date in both of Xero's spellings: ``Date`` and ``DateString``."""
    return {f"{name}String": f"{on.isoformat()}T00:00:00", name: ms_date(datetime.combine(on, time(), UTC))}


def updated_fields(moment: datetime) -> Wire:
    """Return when an object was changed, in both spellings."""
    return {"UpdatedDateUTC": ms_date(moment), "UpdatedDateUTCString": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}


def read_moment(value: str) -> datetime:
    """Read either spelling of a date or time, UTC where none is said; raises ``ValueError``."""
    match = _MS_DATE.fullmatch(value)
    if match:
        return _EPOCH + timedelta(milliseconds=int(match[1]))
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def envelope(name: str, items: list[Wire], now: datetime, pagination: Wire | None = None) -> Wire:
    """Return a successful answer around ``items``."""
    head: Wire = {"Id": NOTHING, "Status": "OK", "ProviderName": "Netterms sandbox"}
    head["DateTimeUTC"] = ms_date(now).replace("+0000", "")
    if pagination is not None:
        head["pagination"] = pagination
    return {**head, name: items}


def failed(element: Wire, error: Invalid) -> Wire:
    """Return an element that was not saved, with the reasons."""
    messages = [{"Message": message} for message in error.messages]
    return {**element, "StatusAttributeString": "ERROR", "ValidationErrors": messages}


def validation_exception(elements: list[Wire]) -> Wire:
    """Return the body of a 400 that sums up the elements that failed."""
    return {
        "ErrorNumber": 10,
        "Type": "ValidationException",
        "Message": "A validation exception occurred",
        "Elements": elements,
    }


def problem(status: int, title: str, detail: str) -> Wire:
    """Return the body with which Xero's gateway refuses a call."""
    return {"Title": title, "Status": status, "Detail": detail, "Instance": NOTHING, "Extensions": {}}
