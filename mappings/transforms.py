"""The transforms a mapping may use: small named functions that turn a CRM's string into a clean value.

Each function below makes a *step* from its parameters; the step's own type says what it takes and what it gives, and
the reader of a mapping file holds the chain of steps against that. A step raises ``Unreadable`` for a value it refuses:
it never guesses. Values arrive trimmed and are never empty. The table for people is in README.md.
"""

from __future__ import annotations

import inspect
import re
import typing
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from billing.terms import parse_interval, parse_payment_terms
from mappings.countries import COUNTRIES
from mappings.suggest import nearest


class Unreadable(ValueError):
    """A value that cannot be read: what is wrong, and how it should be written."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class Transform(msgspec.Struct, frozen=True):
    """A transform as a mapping file may name it. ``parameters``: name -> (type, whether it must be given)."""

    name: str
    takes: type
    gives: type
    parameters: dict[str, tuple[Any, bool]]
    make: Callable[..., Callable[[Any], Any]]


TRANSFORMS: dict[str, Transform] = {}

Maker = TypeVar("Maker", bound=Callable[..., Callable[[Any], Any]])


def _transform(make: Maker) -> Maker:
    """Enter a maker of steps into ``TRANSFORMS`` by its name without the trailing underscore."""
    hints = typing.get_type_hints(make)
    (takes,), gives = typing.get_args(hints.pop("return"))
    signature = inspect.signature(make).parameters
    parameters = {name: (hint, signature[name].default is inspect.Parameter.empty) for name, hint in hints.items()}
    name = make.__name__.rstrip("_")
    TRANSFORMS[name] = Transform(name, takes, gives, parameters, make)
    return make


# ---------------------------------------------------------------------------------------------------------------- text


@_transform
def lower() -> Callable[[str], str]:
    """Make small letters."""
    return str.lower


@_transform
def upper() -> Callable[[str], str]:
    """Make capital letters."""
    return str.upper


@_transform
def split(*, by: str, take: int = 1) -> Callable[[str], str]:
    """Cut at ``by`` and take one part, counted from 1; -1 is the last. A part that is not there is refused."""
    if not by or take == 0:
        raise ValueError("by must not be empty and take counts from 1 (or from -1 at the end)")

    def step(value: str) -> str:
        parts = [part.strip() for part in value.split(by)]
        index = take - 1 if take > 0 else take
        if not -len(parts) <= index < len(parts) or not parts[index]:
            raise Unreadable(f"has no part {take} when cut at {by!r}", f"write the parts with {by!r} between them")
        return parts[index]

    return step


@_transform
def regex(*, pattern: str, group: int = 1) -> Callable[[str], str]:
    """Search for a regular expression and take one group of it (0 is the whole match)."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern is no regular expression: {error}") from error
    if not 0 <= group <= compiled.groups:
        raise ValueError(f"pattern has {compiled.groups} groups, there is no group {group}")

    def step(value: str) -> str:
        match = compiled.search(value)
        if match is None or not (match[group] or "").strip():
            raise Unreadable(f"does not fit the pattern {pattern}", "write it as the pattern wants it")
        return match[group].strip()

    return step


# ------------------------------------------------------------------------------------------------------------- numbers

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9])?")
_LARGEST = Decimal(10) ** 12  # beyond a million million a price or quantity is a typing error


def _number(value: str) -> Decimal:
    """Read a plain decimal number; one exponent digit is allowed because CRMs write large numbers as 1.2E7."""
    if _NUMBER.fullmatch(value) is None:
        raise Unreadable("is no number", "write digits with a point before the decimals, e.g. 1200.50")
    number = Decimal(value)
    if abs(number) >= _LARGEST:
        raise Unreadable("is too large to be meant", "write a number below 1000000000000")
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number


@_transform
def decimal_(*, thousands: str = "", point: str = ".") -> Callable[[str], Decimal]:
    """Read a number. Thousands separators are refused unless named; ``point`` is the mark before the decimals."""
    if thousands not in ("", ",", ".", " ", "'") or point not in (".", ",") or thousands == point:
        raise ValueError("thousands may be ',', '.', ' ' or \"'\", point '.' or ',', and they must differ")
    grouped = re.compile(rf"[+-]?[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})*(?:{re.escape(point)}[0-9]+)?")

    def step(value: str) -> Decimal:
        if thousands and thousands in value:
            if grouped.fullmatch(value) is None:
                raise Unreadable(f"has {thousands!r} in odd places", "write groups of three digits, e.g. 1200000")
            value = value.replace(thousands, "")
        if point == ",":
            if "." in value:
                raise Unreadable("has a point where a comma is expected", "write e.g. 1200,50")
            value = value.replace(",", ".")
        return _number(value)

    return step


@_transform
def integer() -> Callable[[str], int]:
    """Read a whole number; 12.0 is 12, 12.5 is refused."""

    def step(value: str) -> int:
        number = _number(value)
        if number != number.to_integral_value():
            raise Unreadable("is no whole number", "write digits only, e.g. 12")
        return int(number)

    return step


@_transform
def percent(*, fraction: bool = False) -> Callable[[str], Decimal]:
    """Read a percentage: ``15`` or ``15 %`` is fifteen per cent. With ``fraction`` the CRM's 0.15 is fifteen."""

    def step(value: str) -> Decimal:
        number = _number(value.removesuffix("%").rstrip())
        return number * 100 if fraction and not value.endswith("%") else number

    return step


@_transform
def round_(*, places: int) -> Callable[[Decimal], Decimal]:
    """Round a number to ``places`` decimals, halves away from zero."""
    if not 0 <= places <= 12:
        raise ValueError("places must be 0 to 12")
    unit = Decimal(1).scaleb(-places)
    return lambda value: value.quantize(unit, rounding=ROUND_HALF_UP)


@_transform
def boolean() -> Callable[[str], bool]:
    """Read true or false, yes or no."""

    def step(value: str) -> bool:
        if value.lower() not in ("true", "yes", "false", "no"):
            raise Unreadable("is neither true nor false", "write true or false")
        return value.lower() in ("true", "yes")

    return step


# --------------------------------------------------------------------------------------------------- dates and lengths

_ISO_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9:.]{5,15}(?:Z|[+-][0-9]{2}:[0-9]{2}))?")
_EPOCH_MS = re.compile(r"-?[0-9]{11,14}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@_transform
def date_(*, format: str = "", zone: str = "UTC") -> Callable[[str], date]:
    """Read a date: 2026-03-01, a moment in ISO 8601, or HubSpot's milliseconds since 1970 (both in ``zone``).

    With ``format`` (strptime: ``%d.%m.%Y``) only that is read. Years before 1990 and after 2199 are taken for typing
    errors.
    """
    try:
        local = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"zone {zone!r} is not known; write e.g. 'Europe/London'") from error
    if format:
        _hold_a_date(format)

    def step(value: str) -> date:
        try:
            day = datetime.strptime(value, format).date() if format else _iso_or_epoch(value, local)  # noqa: DTZ007
        except (ValueError, OverflowError):
            shown = date(2026, 3, 1).strftime(format or "%Y-%m-%d")
            raise Unreadable("is no date", f"write it like {shown}") from None
        if not 1990 <= day.year <= 2199:
            raise Unreadable(f"lies in the year {day.year}", "correct the year")
        return day

    return step


def _hold_a_date(format: str) -> None:
    """Raise ``ValueError`` when ``format`` does not hold day, month and year."""
    day = date(2026, 3, 1)
    try:
        read = datetime.strptime(day.strftime(format), format).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        read = None
    if read != day or date(2027, 11, 30).strftime(format) == day.strftime(format):
        raise ValueError(f"format {format!r} does not hold day, month and year; write e.g. '%d.%m.%Y'")


def _iso_or_epoch(value: str, local: ZoneInfo) -> date:
    if _EPOCH_MS.fullmatch(value):
        return (_EPOCH + timedelta(milliseconds=int(value))).astimezone(local).date()
    match = _ISO_DATE.fullmatch(value)
    if match is None:
        raise ValueError(value)
    return datetime.fromisoformat(value).astimezone(local).date() if match[2] else date.fromisoformat(match[1])


_ISO_PERIOD = re.compile(r"P(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,3})W)?", re.IGNORECASE)


@_transform
def period_months() -> Callable[[str], int]:
    """Read a length in ISO 8601 as months: P12M is 12, P1Y6M is 18. Days and weeks are refused."""

    def step(value: str) -> int:
        match = _ISO_PERIOD.fullmatch(value)
        months = 0 if match is None or match[3] else 12 * int(match[1] or 0) + int(match[2] or 0)
        if months == 0:
            raise Unreadable("is no number of months", "write e.g. P12M (twelve months)")
        return months

    return step


@_transform
def interval() -> Callable[[str], str]:
    """Read how long a period lasts: month, quarter, half_year, year, '2 weeks', or ISO 8601 (P3M, P2W)."""

    def step(value: str) -> str:
        text = " ".join(value.lower().split())
        match = _ISO_PERIOD.fullmatch(text)
        if match is not None and match[3] and not (match[1] or match[2]):
            text = f"{int(match[3])} weeks"
        elif match is not None and not match[3]:
            text = f"{12 * int(match[1] or 0) + int(match[2] or 0)} months"
        try:
            parse_interval(text)
        except ValueError:
            raise Unreadable(
                "is no billing interval", "write month, quarter, half_year, year or e.g. 2 months"
            ) from None
        return text

    return step


_RECEIPT = re.compile(r"(?:due |payable )?(?:(?:up)?on receipt|immediately)")
_NET = re.compile(r"(?:due )?(?:(?:net|n ?/) ?)?(?:in |within )?([0-9]{1,3})(?: ?days?)?(?: net)?")
_MONTH_END = re.compile(
    r"(?:net )?(?:eom|end of month)(?: ?\+ ?([0-9]{1,3})(?: ?days?)?)?"
    r"|net ?([0-9]{1,3})(?: ?days?)? (?:eom|end of month)"
    r"|([0-9]{1,3}) days? (?:from|after) (?:the )?(?:eom|end of (?:the )?month)"
)
_NEXT_MONTH = re.compile(
    r"(?:due )?(?:on )?(?:the )?(?:day )?([0-9]{1,2})(?:st|nd|rd|th)?(?: day)? of (?:the )?(?:next|following) month"
)
_EARLY = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%? ?/ ?([0-9]{1,3}),? ")


@_transform
def payment_terms() -> Callable[[str], str]:
    """Read what people write for payment terms: Net 30, 30 days, Due on receipt, EOM + 15, 15th of next month.

    An early-payment discount may stand before: 2/10 net 30.
    """

    def step(value: str) -> str:
        text, early = " ".join(value.lower().replace("-", " ").rstrip(".").split()), ""
        while match := _EARLY.match(text):
            early += f"{match[1]}/{int(match[2])} "
            text = text[match.end() :]
        due = _due(text)
        if due is None:
            raise Unreadable("is no payment term", "write e.g. Net 30, EOM + 15 or Due on receipt")
        return early + due

    return step


def _due(text: str) -> str | None:
    """Return when payment is due as terms say it, or None."""
    if _RECEIPT.fullmatch(text):
        return "on receipt"
    if match := _NET.fullmatch(text):
        return f"net {int(match[1])}"
    if match := _MONTH_END.fullmatch(text):
        days = int(match[1] or match[2] or match[3] or 0)
        return f"eom + {days}" if days else "eom"
    if match := _NEXT_MONTH.fullmatch(text):
        text = f"day {int(match[1])} of next month"
    try:
        parse_payment_terms(text)
    except ValueError:
        return None
    return text


@_transform
def country() -> Callable[[str], str]:
    """Read a country's English name or its two letters (ISO 3166-1) and give the two letters."""

    def step(value: str) -> str:
        plain = "".join(letter for letter in unicodedata.normalize("NFKD", value) if not unicodedata.combining(letter))
        name = " ".join(plain.replace(".", "").lower().split()).removeprefix("the ")
        if name.upper() in COUNTRIES.values():
            return name.upper()
        if name in COUNTRIES:
            return COUNTRIES[name]
        best = nearest(name, COUNTRIES)
        hint = f"; did you mean {best.title()} ({COUNTRIES[best]})?" if best else ""
        raise Unreadable("is no country", f"write its two letters, e.g. US or GB{hint}")

    return step
