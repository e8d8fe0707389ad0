"""The contract as data: read this file first, then ``charges.py`` for the kinds of charge.

A ``Terms`` says everything that billing needs to know of one contract. It is written by ``mappings`` from a CRM deal
or by a person in a TOML file (docs/terms.md). All dates are calendar dates in the legal entity's zone; ``ends_on`` is
the last day of service, as on paper. Prices are ``Decimal`` in major units of the contract's currency.

What changes later is never written over: an ``Amendment`` says from when it holds and when it became known, and
``amendments.in_force`` works out the terms as they stood on any day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from billing.charges import AnchorDay as AnchorDay
from billing.charges import Charge as Charge
from billing.charges import Count, Key, SeatsAdded, SeatsRemoved, Table
from billing.charges import Discount as Discount
from billing.charges import Escalator as Escalator
from billing.charges import FixedPrice as FixedPrice
from billing.charges import Instalment as Instalment
from billing.charges import OneTime as OneTime
from billing.charges import Prepaid as Prepaid
from billing.charges import Proration as Proration
from billing.charges import Recurring as Recurring
from billing.charges import Retainer as Retainer
from billing.charges import Step as Step
from billing.charges import Tier as Tier
from billing.charges import Usage as Usage
from billing.charges import charge_kind as charge_kind
from billing.charges import check_number as check_number
from billing.due import parse_payment_terms as parse_payment_terms
from billing.intervals import Interval as Interval
from billing.intervals import parse_interval as parse_interval

Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")]


class Commitment(Table, frozen=True, kw_only=True):
    """The least a customer pays for the charges named, in each commitment period; the shortfall is one true-up line.

    The period (``every``) may be longer than the invoicing period and is counted from the contract's start. What counts
    are the lines whose service starts in it, of the charges named (by default every recurring, usage and retainer
    charge that is ``committed``). A period shortened by the contract's dates is prorated by days; one that the customer
    ended early is due in full unless ``prorate_on_termination``. What goes beyond the amount costs ``overage_factor``
    times its price. ``true_up = false`` charges no shortfall.
    """

    key: Key
    description: str = "Minimum commitment"
    amount: Decimal
    every: str = "year"
    charges: tuple[Key, ...] = ()
    starts_on: date | None = None
    ends_on: date | None = None
    true_up: bool = True
    overage_factor: Decimal = Decimal(1)
    prorate_on_termination: bool = False
    tax_class: str = "standard"
    product: str = ""
    steps: tuple[Step, ...] = ()  # `price` is the amount from that day on: a commitment that grows each year

    def __post_init__(self) -> None:
        parse_interval(self.every)
        check_number("amount", self.amount)
        check_number("overage_factor", self.overage_factor)


class Renewal(Table, frozen=True, kw_only=True):
    """What happens after ``ends_on``: ``auto`` renews for ``term`` again and again, unless an amendment ends it.

    On a renewal prices become ``price_basis`` raised by ``uplift_percent``: the price of the ``last_segment`` (the one
    in force), of the ``first_segment``, the ``highest`` of the two, or the charge's ``list`` price. ``uplift_per =
    "year"`` raises once for each begun year since the basis segment began. ``notice_days`` before the end is the last
    day to cancel.
    """

    auto: bool = False
    term: str = "1 year"
    notice_days: Annotated[int, msgspec.Meta(ge=0, le=730)] | None = None
    uplift_percent: Decimal = Decimal(0)
    uplift_per: Literal["renewal", "year"] = "renewal"
    price_basis: Literal["last_segment", "first_segment", "highest", "list"] = "last_segment"
    price_decimals: Annotated[int, msgspec.Meta(ge=0, le=10)] | None = None
    most: Count | None = None  # how many renewals at most

    def __post_init__(self) -> None:
        parse_interval(self.term)
        check_number("uplift_percent", self.uplift_percent, least=None)


class Renewed(Table, frozen=True, kw_only=True):
    """A renewal that took place before the contract's end or its terms of renewal were changed: it stays as it was."""

    on: date  # first day of the renewed term
    by: Renewal


class Holdback(Table, frozen=True, kw_only=True):
    """A share of each line, billed only later: on ``release_on``, or when ``holdback`` is recorded as accepted."""

    percent: Decimal
    charges: tuple[Key, ...] = ()  # by default every fixed price
    release_on: date | None = None
    expected_on: date | None = None  # when a preview assumes the release
    description: str = "Holdback"

    def __post_init__(self) -> None:
        check_number("percent", self.percent, most=100)


class TerminationFee(Table, frozen=True, kw_only=True):
    """What ending early costs a customer: ``amount``, ``percent`` of the recurring value left, or ``months`` of it."""

    amount: Decimal | None = None
    percent: Decimal | None = None
    months: Count | None = None  # of the recurring charges at the last price
    description: str = "Early termination fee"
    tax_class: str = "standard"
    product: str = ""

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.amount, self.percent, self.months)) != 1:
            raise ValueError("a termination fee has exactly one of amount, percent and months")
        check_number("amount", self.amount)
        check_number("percent", self.percent, most=100)


class LateFee(Table, frozen=True, kw_only=True):
    """What an overdue invoice costs: ``percent`` of what is open or an ``amount``, ``once`` or each begun ``month``."""

    percent: Decimal | None = None
    amount: Decimal | None = None
    after_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 0  # days of grace after the due date
    per: Literal["once", "month"] = "once"
    description: str = "Late payment fee"
    tax_class: str = "standard"
    product: str = ""

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("a late fee has either percent or amount")
        check_number("percent", self.percent, most=100)
        check_number("amount", self.amount)


class Change(Table, frozen=True, kw_only=True):
    """What an amendment changes of one charge from its day on; what is not given stays.

    ``quantity`` and ``price`` hold until a later step of the charge's own ramp. Added quantity follows ``seats_added``
    and a reduction ``seats_removed``.
    """

    charge: Key
    quantity: Decimal | None = None
    price: Decimal | None = None
    ends_on: date | None = None
    description: str | None = None
    discounts: tuple[Discount, ...] | None = None
    seats_removed: SeatsRemoved | None = None  # for this change alone

    def __post_init__(self) -> None:
        check_number("quantity", self.quantity)
        check_number("price", self.price, least=None)


class Replacement(Table, frozen=True, kw_only=True):
    """An amendment's exchange of one charge for another: the old one ends the day before, ``by`` begins."""

    charge: Key
    by: Charge


class Amendment(Table, frozen=True, kw_only=True):
    """A dated change of the contract: what holds from ``effective_on``, known since ``known_on`` (by default that day).

    A backdated amendment is one with ``known_on`` after ``effective_on``: what was billed meanwhile is corrected by the
    difference. ``ends_on`` extends or shortens the term. ``terminates`` says who ends the contract early: then
    commitments and the termination fee apply when it is the customer, and ``unused`` says whether prepaid service is
    credited.
    """

    key: Key
    effective_on: date
    known_on: date | None = None
    description: str = ""
    change: tuple[Change, ...] = ()
    add: tuple[Charge, ...] = ()  # starts on `effective_on` unless the charge says otherwise
    end: tuple[Key, ...] = ()  # charges whose last day is the one before
    replace: tuple[Replacement, ...] = ()
    ends_on: date | None = None  # the contract's new last day
    terminates: Literal["customer", "seller"] | None = None
    unused: Literal["credit", "keep"] = "credit"
    renewal: Renewal | None = None
    payment_terms: str | None = None
    po_number: str | None = None
    po_budget: Decimal | None = None  # what the purchase orders are good for in all; a new number without it: not known
    value: Decimal | None = None  # the contract's net total from now on; a change that does not say it: not known

    def __post_init__(self) -> None:
        check_number("po_budget", self.po_budget)
        check_number("value", self.value)
        if self.payment_terms is not None:
            parse_payment_terms(self.payment_terms)
        if self.terminates is not None and self.ends_on is None:
            raise ValueError("an amendment that terminates needs ends_on, the last day of service")

    @property
    def known(self) -> date:
        """The day from which billing reckons with it."""
        return self.known_on or self.effective_on


class BillingContact(Table, frozen=True, kw_only=True):
    """Who gets the invoices, where that is not the customer's own address."""

    name: str = ""
    email: str = ""


def repeated(keys: Sequence[str]) -> list[str]:
    """Return the keys that occur more than once, sorted."""
    return sorted(key for key, count in Counter(keys).items() if count > 1)


class Terms(Table, frozen=True, kw_only=True):
    """One contract. See docs/terms.md for each field with an example; billing conventions are fields with defaults."""

    contract: Key
    customer: str
    currency: Currency
    starts_on: date
    ends_on: date | None = None  # last day of service; None is evergreen
    trial_ends_on: date | None = None  # last free day: nothing is billed for service by it, periods count from the next
    payment_terms: str = "net 30"
    anchor_day: AnchorDay | Literal["last"] | None = None  # by default the start's day, clamped per month
    proration: Proration = "actual"
    seats_added: SeatsAdded = "prorate"
    seats_removed: SeatsRemoved = "renewal"
    issue_days_before: Annotated[int, msgspec.Meta(ge=0, le=180)] = 0  # advance charges: days before the period
    billed_through: date | None = None  # last day already billed elsewhere, before this service took over
    po_number: str = ""
    po_required: bool = False
    po_budget: Decimal | None = None  # what the purchase order is good for, net; more waits for a person
    billing_contact: BillingContact | None = None
    invoice_grouping: Literal["contract", "customer"] = "contract"
    value: Decimal | None = None  # the contract's net total as signed: billing more waits for a person
    discounts: tuple[Discount, ...] = ()  # on the whole contract; an amount is off each invoice, in proportion
    escalator: Escalator | None = None  # of every recurring charge and retainer that has none of its own
    renewal: Renewal | None = None
    commitments: tuple[Commitment, ...] = ()
    holdback: Holdback | None = None
    termination_fee: TerminationFee | None = None
    late_fee: LateFee | None = None
    custom: dict[str, str] = {}  # noqa: RUF012  # msgspec copies it
    # How the term went on, as `amendments.in_force` works it out. A file that takes over a running contract may say it.
    ended_by: Literal["customer", "seller"] | None = None  # who ended it early, on `ends_on`
    signed_ends_on: date | None = None  # the last day of the term that was ended early
    stopped_on: date | None = None  # its last day as it was said, where service paid in advance runs on to `ends_on`
    renewed: tuple[Renewed, ...] = ()  # the renewals before the term that `ends_on` ends
    amendments: tuple[Amendment, ...] = ()
    charges: Annotated[tuple[Charge, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        parse_payment_terms(self.payment_terms)
        check_number("po_budget", self.po_budget)
        check_number("value", self.value)
        keys = [*(charge.key for charge in self.charges), *(one.key for one in self.commitments)]
        if len(set(keys)) < len(keys):
            raise ValueError(f"charge keys must be unique; used more than once: {', '.join(repeated(keys))}")
        if self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError(f"ends_on {self.ends_on} lies before starts_on {self.starts_on}")
