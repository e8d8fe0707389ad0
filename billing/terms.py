"""The contract as data: read this file first.

A ``Terms`` says everything that billing needs to know of one contract. It is written by ``mappings`` from a CRM deal
or by a person in a TOML file (docs/terms.md). All dates are calendar dates in the legal entity's zone; ``ends_on`` is
the last day of service, as on paper. Prices are ``Decimal`` in major units of the contract's currency.

A further kind of charge is a further ``Struct`` with its own ``tag``, added to ``Charge`` below; ``plan.py`` has the
one function per kind that turns it into lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern="^[^/\\s]+$")]
AnchorDay = Annotated[int, msgspec.Meta(ge=1, le=31)]
Proration = Literal["actual", "thirty_360", "none"]


class Interval(msgspec.Struct, frozen=True):
    """A number of days, weeks or months: how long one period lasts."""

    count: int
    unit: Literal["day", "week", "month"]


_NAMED_INTERVALS = {
    "week": Interval(1, "week"),
    "month": Interval(1, "month"),
    "quarter": Interval(3, "month"),
    "half_year": Interval(6, "month"),
    "year": Interval(12, "month"),
}
_COUNTED_INTERVAL = re.compile(r"([1-9]\d{0,2}) (day|week|month|year)s?")


@lru_cache(maxsize=1024)
def parse_interval(value: str) -> Interval:
    """Read ``week``, ``month``, ``quarter``, ``half_year``, ``year`` or ``N days|weeks|months|years``.

    Raises ``ValueError`` naming what is allowed.
    """
    if value in _NAMED_INTERVALS:
        return _NAMED_INTERVALS[value]
    match = _COUNTED_INTERVAL.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no interval: write week, month, quarter, half_year, year or e.g. '2 months'")
    count = int(match[1])
    if match[2] == "year":
        return Interval(12 * count, "month")
    return Interval(count, "day" if match[2] == "day" else "week" if match[2] == "week" else "month")


class Net(msgspec.Struct, frozen=True):
    """When an invoice falls due: ``days`` after its date, or after the end of its month."""

    days: int
    from_end_of_month: bool = False


_PAYMENT_TERMS = re.compile(r"net (\d{1,3})|eom(?: ?\+ ?(\d{1,3}))?|on receipt")


def parse_payment_terms(value: str) -> Net:
    """Read ``net 30``, ``eom``, ``eom + 15`` or ``on receipt``; raises ``ValueError`` naming what is allowed."""
    match = _PAYMENT_TERMS.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no payment term: write 'net 30', 'eom', 'eom + 15' or 'on receipt'")
    if match[1] is not None:
        return Net(int(match[1]))
    if value.startswith("eom"):
        return Net(int(match[2] or 0), from_end_of_month=True)
    return Net(0)


def check_number(name: str, value: Decimal | None, least: int | None = 0, most: int | None = None) -> None:
    """Refuse what a ``Decimal`` may be and an amount may not; msgspec has no bounds for decimals."""
    if value is None:
        return
    if not value.is_finite():
        raise ValueError(f"{name} is {value}: write a number")
    if (least is not None and value < least) or (most is not None and value > most):
        allowed = f"between {least} and {most}" if most is not None else f"{least} or more"
        raise ValueError(f"{name} is {value}: it must be {allowed}")


class Discount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reduction of a charge: exactly one of ``percent`` (of each line) or ``amount`` (off each full period)."""

    percent: Decimal | None = None  # 0 to 100
    amount: Decimal | None = None  # major units, 0 or more
    description: str = ""

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("a discount has either percent or amount")
        check_number("percent", self.percent, most=100)
        check_number("amount", self.amount)


class _ChargeBase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every kind of charge has.

    ``key`` names the charge within its contract for ever: a billed slice is found again by it. ``product`` is the
    seller's own code, by which ``mappings`` choose the ledger's item and account.
    """

    key: Key
    description: Annotated[str, msgspec.Meta(min_length=1)]
    price: Decimal
    quantity: Decimal = Decimal(1)  # 0 or more
    discounts: tuple[Discount, ...] = ()
    tax_class: str = "standard"
    product: str = ""

    def __post_init__(self) -> None:
        check_number("price", self.price, least=None)
        check_number("quantity", self.quantity)


class Recurring(_ChargeBase, frozen=True, kw_only=True, tag="recurring"):
    """A price per period, flat or per unit (``quantity`` seats), in advance or in arrears."""

    every: str = "month"
    price_per: str | None = None  # the interval that `price` is for; by default the billing period itself
    timing: Literal["advance", "arrears"] = "advance"
    starts_on: date | None = None  # by default the contract's
    ends_on: date | None = None  # last day of service; by default the contract's
    anchor_day: AnchorDay | Literal["last"] | None = None  # by default the contract's; given: periods of its own
    proration: Proration | None = None  # by default the contract's

    def __post_init__(self) -> None:
        super().__post_init__()
        period = parse_interval(self.every)
        if self.price_per is not None and parse_interval(self.price_per).unit != period.unit:
            raise ValueError(f"price_per {self.price_per!r} does not fit every {self.every!r}: use the same unit")
        if self.anchor_day is not None and period.unit != "month":
            raise ValueError(f"anchor_day does not apply to every {self.every!r}: weeks and days count from the start")


class OneTime(_ChargeBase, frozen=True, kw_only=True, tag="one_time"):
    """A price owed once, on ``on`` (by default the contract's first day)."""

    on: date | None = None


Charge = Recurring | OneTime  # usage, milestones, commitments and the other kinds join here


def repeated(keys: Sequence[str]) -> list[str]:
    """Return the keys that occur more than once, sorted."""
    return sorted(key for key, count in Counter(keys).items() if count > 1)


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contract. See docs/terms.md for each field with an example; billing conventions are fields with defaults."""

    contract: Key
    customer: str
    currency: Currency
    starts_on: date
    ends_on: date | None = None  # last day of service; None is evergreen
    payment_terms: str = "net 30"
    anchor_day: AnchorDay | Literal["last"] | None = None  # by default the start's day, clamped per month
    proration: Proration = "actual"
    issue_days_before: Annotated[int, msgspec.Meta(ge=0, le=180)] = 0  # advance charges: days before the period
    billed_through: date | None = None  # last day already billed elsewhere, before this service took over
    po_number: str = ""
    po_required: bool = False
    charges: Annotated[tuple[Charge, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        parse_payment_terms(self.payment_terms)
        doubled = repeated([charge.key for charge in self.charges])
        if doubled:
            raise ValueError(f"charge keys must be unique; used more than once: {', '.join(doubled)}")
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError(f"ends_on {self.ends_on} lies before starts_on {self.starts_on}")


def charge_kind(charge: Charge) -> str:
    """Return the charge's kind as written in a terms file: ``recurring``, ``one_time`` ..."""
    return str(charge.__struct_config__.tag)
