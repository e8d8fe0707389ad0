"""The kinds of charge a contract can have, as data. ``terms.py`` is the contract around them.

A further kind is a further ``Struct`` with its own ``tag``, added to ``Charge`` below, a module of its name that turns
it into lines, and one entry in the table of ``plan.py``. Prices are ``Decimal`` in major units of the contract's
currency; ``ends_on`` is the last day of service, as on paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from billing.intervals import parse_interval

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern="^[^/\\s]+$")]
AnchorDay = Annotated[int, msgspec.Meta(ge=1, le=31)]
Proration = Literal["actual", "thirty_360", "months_then_days", "by_months", "none"]
Timing = Literal["advance", "arrears"]
SeatsAdded = Literal["prorate", "next_period"]
SeatsRemoved = Literal["renewal", "credit", "high_water", "next_period"]
Count = Annotated[int, msgspec.Meta(ge=1)]


def check_number(name: str, value: Decimal | None, least: int | None = 0, most: int | None = None) -> None:
    """Refuse what a ``Decimal`` may be and an amount may not; msgspec has no bounds for decimals."""
    if value is None:
        return
    if not value.is_finite():
        raise ValueError(f"{name} is {value}: write a number")
    if (least is not None and value < least) or (most is not None and value > most):
        allowed = f"between {least} and {most}" if most is not None else f"{least} or more"
        raise ValueError(f"{name} is {value}: it must be {allowed}")


def check_numbers(table: msgspec.Struct, names: Sequence[str]) -> None:
    """Do ``check_number`` for the fields of a table, which may all be 0 or more, or not there."""
    for name in names:
        value = getattr(table, name)
        if value:
            check_number(name, value)


_USAGE_NUMBERS = (
    "per", "package_size", "percent", "free_units", "cap", "minimum", "bill_over", "estimate", "fixed", "least_each",
    "most_each",
)  # fmt: skip


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every table of a terms file is: keyword-only, frozen, and a misspelt key is refused."""


class Discount(Table, frozen=True, kw_only=True):
    """A reduction: exactly one of ``percent`` (of each line) or ``amount`` (off each full period, or each invoice).

    It holds between its dates, and for the first ``periods`` billing periods of the charge if that is given; a free
    month is ``percent = 100, periods = 1``.
    """

    percent: Decimal | None = None  # 0 to 100
    amount: Decimal | None = None  # major units, 0 or more
    starts_on: date | None = None
    ends_on: date | None = None  # last day
    periods: Count | None = None
    description: str = ""

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("a discount has either percent or amount")
        check_number("percent", self.percent, most=100)
        check_number("amount", self.amount)


class Tier(Table, frozen=True, kw_only=True):
    """One bracket of quantities, up to and including ``up_to`` (None: without end)."""

    up_to: Decimal | None = None
    price: Decimal = Decimal(0)  # per unit (or per ``per`` units)
    flat: Decimal = Decimal(0)  # once, when the bracket is reached

    def __post_init__(self) -> None:
        check_number("up_to", self.up_to)
        check_number("price", self.price, least=None)
        check_number("flat", self.flat, least=None)


class Step(Table, frozen=True, kw_only=True):
    """From a day on another price or quantity: one segment of a ramp, or what an amendment changes.

    ``ends_on`` is for reading and checking a ramp only; what a step sets holds until another step sets it anew. A step
    that an amendment made says which one and how a smaller quantity takes effect; as signed, a ramp down is itself the
    commitment, so that ``renewal`` does not hold it back.
    """

    starts_on: date
    ends_on: date | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    seats_removed: SeatsRemoved | None = None  # for this change alone
    amendment: str = ""  # the key of the amendment that made it

    def __post_init__(self) -> None:
        check_number("price", self.price, least=None)
        check_number("quantity", self.quantity)


class Escalator(Table, frozen=True, kw_only=True):
    """How a price rises: by ``percent``, by ``amount``, or with an ``index``, each ``every`` interval.

    The first rise is on ``first_on``, by default one interval after the contract's start. ``compound`` raises the price
    before it, ``simple`` the first one. With an index, ``base`` is first price x latest / base index and ``prior`` is
    price before x latest / previous index; the latest is the last value published on or before the day of the rise.
    ``margin`` is added to the index's growth in percent; ``cap`` and ``floor`` bound the rise in percent. The new unit
    price is rounded once, at ``price_decimals``.
    """

    percent: Decimal | None = None
    amount: Decimal | None = None
    index: str | None = None
    every: str = "year"
    first_on: date | None = None
    method: Literal["compound", "simple"] = "compound"
    index_method: Literal["base", "prior"] = "prior"
    base_index: Decimal | None = None  # by default the index's latest value on the contract's first day
    margin: Decimal = Decimal(0)  # percentage points
    cap: Decimal | None = None  # percent, per rise
    floor: Decimal | None = None  # percent, per rise
    price_decimals: Annotated[int, msgspec.Meta(ge=0, le=10)] | None = None  # by default the currency's, or the price's

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.percent, self.amount, self.index)) > 1:
            raise ValueError("an escalator has one of percent, amount and index")
        parse_interval(self.every)
        for name in ("percent", "amount", "margin", "cap", "floor"):
            check_number(name, getattr(self, name), least=None)
        check_number("base_index", self.base_index)


class _ChargeBase(Table, frozen=True, kw_only=True):
    """What every kind of charge has.

    ``key`` names the charge within its contract for ever: a billed slice is found again by it. ``product`` is the
    seller's own code, by which ``mappings`` choose the ledger's item and account.
    """

    key: Key
    description: Annotated[str, msgspec.Meta(min_length=1)]
    price: Decimal = Decimal(0)
    quantity: Decimal = Decimal(1)  # 0 or more
    discounts: tuple[Discount, ...] = ()
    tax_class: str = "standard"
    product: str = ""
    committed: bool = True  # counts towards a commitment that names no charges

    def __post_init__(self) -> None:
        check_number("price", self.price, least=None)
        check_number("quantity", self.quantity)


class Recurring(_ChargeBase, frozen=True, kw_only=True, tag="recurring"):
    """A price per period, flat or per unit (``quantity`` seats), in advance or in arrears.

    ``steps`` change price and quantity by date. With ``tiers`` the quantity is priced by brackets instead of ``price``.
    """

    price: Decimal
    every: str = "month"
    price_per: str | None = None  # the interval that `price` is for; by default the billing period itself
    timing: Timing = "advance"
    starts_on: date | None = None  # by default the contract's
    ends_on: date | None = None  # last day of service; by default the contract's
    anchor_day: AnchorDay | Literal["last"] | None = None  # by default the contract's; given: periods of its own
    proration: Proration | None = None  # by default the contract's
    steps: tuple[Step, ...] = ()
    tiers: tuple[Tier, ...] = ()
    tier_mode: Literal["graduated", "volume"] = "graduated"
    escalator: Escalator | None = None  # by default the contract's
    escalates: bool = True  # False: no escalator and no renewal uplift touches the price
    list_price: Decimal | None = None  # what a renewal at list price costs
    seats_added: SeatsAdded | None = None  # by default the contract's
    seats_removed: SeatsRemoved | None = None  # by default the contract's

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("list_price", self.list_price, least=None)
        period = parse_interval(self.every)
        if self.price_per is not None and parse_interval(self.price_per).unit != period.unit:
            raise ValueError(f"price_per {self.price_per!r} does not fit every {self.every!r}: use the same unit")
        if self.anchor_day is not None and period.unit != "month":
            raise ValueError(f"anchor_day does not apply to every {self.every!r}: weeks and days count from the start")


class OneTime(_ChargeBase, frozen=True, kw_only=True, tag="one_time"):
    """A price owed once, on ``on`` (by default the contract's first day)."""

    price: Decimal
    on: date | None = None


class Usage(_ChargeBase, frozen=True, kw_only=True, tag="usage"):
    """A price for what was used in each period, billed after it; the records are found by ``meter``.

    ``model`` says how the period's quantity becomes an amount: ``per_unit`` (``price`` per ``per`` units),
    ``graduated`` and ``volume`` (``tiers``), ``package`` (``price`` per begun ``package_size`` units), ``percentage``
    (``percent`` of the quantity, which is an amount of money, plus ``fixed`` for each record). ``dimension`` bills each
    value of a record's dimension by itself, at ``prices`` where they are given (a rate card). ``where`` takes only
    records whose dimensions have these values.
    """

    meter: Key | None = None  # by default the charge's key
    every: str = "month"
    invoiced: str | None = None  # the interval after which rated periods are invoiced; by default `every`
    starts_on: date | None = None
    ends_on: date | None = None
    anchor_day: AnchorDay | Literal["last"] | None = None
    aggregation: Literal["sum", "max", "last", "unique_count"] = "sum"
    dimension: str | None = None
    prices: dict[str, Decimal] = {}
    where: dict[str, str] = {}
    model: Literal["per_unit", "graduated", "volume", "package", "percentage"] = "per_unit"
    per: Decimal = Decimal(1)  # units that a price is for
    package_size: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    charge_flat_at_zero: bool = False  # the first bracket's flat price is owed without any usage
    percent: Decimal | None = None
    fixed: Decimal = Decimal(0)  # for each record (percentage)
    least_each: Decimal | None = None  # bounds of the price of one record (percentage)
    most_each: Decimal | None = None
    free_units: Decimal = Decimal(0)  # included; used once in `resets`
    free_records: Annotated[int, msgspec.Meta(ge=0)] = 0  # records that cost nothing (percentage)
    quantity_decimals: Annotated[int, msgspec.Meta(ge=0, le=12)] | None = None  # the quantity is rounded before pricing
    resets: str | None = None  # how long tiers, free units and packages accumulate; by default `every`
    cap: Decimal | None = None  # the most that is charged
    cap_over: Literal["period", "contract"] = "period"  # not to exceed, per rated period or in total
    minimum: Decimal | None = None  # the least that is charged for a period, as a true-up line; prorated for stubs
    bill_over: Decimal | None = None  # an interim invoice once this much is used in a period (progressive billing)
    bill_over_repeats: bool = False  # a further one whenever this much is used and not billed yet
    steps: tuple[Step, ...] = ()
    escalator: Escalator | None = None  # only this charge's own: the contract's escalator leaves usage alone
    estimate: Decimal | None = None  # the quantity per period that a preview assumes
    timing: Literal["arrears"] = "arrears"

    def __post_init__(self) -> None:
        super().__post_init__()
        for interval in (self.every, self.invoiced, self.resets):
            if interval is not None:
                parse_interval(interval)
        check_numbers(self, _USAGE_NUMBERS)


class Instalment(Table, frozen=True, kw_only=True):
    """A part of a fixed price: due ``on`` a day, ``after`` an interval from the start, or else when it is accepted.

    ``key`` names it for ever. Exactly one of ``percent`` (of the whole) and ``amount``. ``expected_on`` is when an
    acceptance is thought to come: for previews only.
    """

    key: Key
    description: str = ""
    percent: Decimal | None = None
    amount: Decimal | None = None
    on: date | None = None
    after: str | None = None
    expected_on: date | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("an instalment has either percent or amount")
        if self.on is not None and self.after is not None:
            raise ValueError("an instalment has at most one of on and after; with neither it waits for its acceptance")
        check_number("percent", self.percent, most=100)
        check_number("amount", self.amount)
        if self.after is not None:
            parse_interval(self.after)


class FixedPrice(_ChargeBase, frozen=True, kw_only=True, tag="fixed_price"):
    """A total ``price`` in instalments: milestones billed on recorded acceptance, or a payment schedule by date."""

    price: Decimal
    ends_on: date | None = None  # what would fall due after this day is not billed any more
    instalments: Annotated[tuple[Instalment, ...], msgspec.Meta(min_length=1)]


class Retainer(_ChargeBase, frozen=True, kw_only=True, tag="retainer"):
    """A fee per period in advance that includes ``included`` units (hours); what goes beyond costs ``overage_price``.

    Unused units lapse (``rollover = "none"``), are kept to the end (``"all"``), or for a number of periods. The oldest
    are used first. Overage is billed after the period.
    """

    price: Decimal
    meter: Key | None = None
    every: str = "month"
    starts_on: date | None = None
    ends_on: date | None = None
    anchor_day: AnchorDay | Literal["last"] | None = None
    proration: Proration | None = None  # of the fee and of the included units alike
    included: Decimal
    overage_price: Decimal
    rollover: Literal["none", "all"] | Count = "none"
    estimate: Decimal | None = None
    steps: tuple[Step, ...] = ()
    escalator: Escalator | None = None
    timing: Literal["advance"] = "advance"

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_interval(self.every)
        for name in ("included", "overage_price", "estimate"):
            check_number(name, getattr(self, name))


class Prepaid(_ChargeBase, frozen=True, kw_only=True, tag="prepaid"):
    """An amount paid beforehand that other charges draw down: a prepaid package, or a deposit.

    ``price`` x ``quantity`` is what is paid, ``value`` what it is worth (by default the same). With ``every`` it is
    bought anew each period. Charges it pays for (all usage and retainer overage by default; for a deposit name them)
    get a line that takes the drawn amount off, oldest purchase first. ``drawn = "final"`` waits for the contract's last
    invoice, as a deposit does. What is left at the end lapses (``unused = "expire"``) or is given back (``"return"``).
    """

    price: Decimal
    value: Decimal | None = None
    on: date | None = None
    ends_on: date | None = None  # nothing is bought after this day
    every: str | None = None
    charges: tuple[Key, ...] = ()
    lasts: str | None = None  # how long a purchase can be drawn; by default to the contract's end
    drawn: Literal["next", "final"] = "next"
    unused: Literal["expire", "return"] = "expire"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("value", self.value)
        for interval in (self.every, self.lasts):
            if interval is not None:
                parse_interval(interval)


Charge = Recurring | OneTime | Usage | FixedPrice | Retainer | Prepaid


def charge_kind(charge: Charge) -> str:
    """Return the charge's kind as written in a terms file: ``recurring``, ``one_time`` ..."""
    return str(charge.__struct_config__.tag)


def own_start(charge: Charge) -> date | None:
    """Return the day a charge begins on, or is due on, where that is not the contract's first day."""
    if isinstance(charge, OneTime | Prepaid):
        return charge.on
    return None if isinstance(charge, FixedPrice) else charge.starts_on
