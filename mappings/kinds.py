"""What each term wants: its kind of value, and the check that a value must pass to become that term."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from billing.terms import parse_payment_terms
from mappings import transforms
from mappings.transforms import Unreadable


class Kind(msgspec.Struct, frozen=True):
    """A kind of value. ``accepts``: what a chain of transforms may end in; text is read by ``finish`` itself."""

    wants: str  # for people: "a date"
    accepts: tuple[type, ...]
    finish: Callable[[Any], Any]  # raises Unreadable


class Term(msgspec.Struct, frozen=True):
    """A term that a mapping fills. ``required``: no contract can be without it."""

    kind: Kind
    required: bool = False


def _read_with(step: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return a finish that reads text with ``step`` and passes what is already read."""
    return lambda value: step(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    return value.strip()


def _fitting(pattern: str, problem: str, fix: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def finish(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise Unreadable(problem, fix)
        return value

    return finish


def _choice(*options: str) -> Kind:
    listed = " or ".join(options)

    def finish(value: str) -> str:
        if value.lower() not in options:
            raise Unreadable(f"is not {listed}", f"write {listed}, or translate it with a value table")
        return value.lower()

    return Kind(listed, (str,), finish)


def _between(least: int, most: int | None, problem: str, fix: str) -> Callable[[Any], Decimal]:
    read = _read_with(transforms.decimal_())

    def finish(value: Any) -> Decimal:
        number = Decimal(read(value))
        if number < least or (most is not None and number > most):
            raise Unreadable(problem, fix)
        return number

    return finish


def _whole(least: int, most: int) -> Callable[[Any], int]:
    read = _read_with(transforms.integer())

    def finish(value: Any) -> int:
        number: int = read(value)
        if not least <= number <= most:
            raise Unreadable(f"is not between {least} and {most}", f"write a whole number from {least} to {most}")
        return number

    return finish


def _anchor_day(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("last", "last day"):
        return "last"
    return _whole(1, 31)(value)


def _payment_terms(value: str) -> str:
    term = transforms.payment_terms()(value)
    parse_payment_terms(term)
    return term


TEXT = Kind("text", (str,), _text)
KEY = Kind(
    "a short name without spaces or slashes",
    (str,),
    _fitting(r"[^/\s]{1,100}", "is no key", "use at most 100 characters without spaces and slashes"),
)
CURRENCY = Kind(
    "a currency",
    (str,),
    lambda value: _fitting("[A-Z]{3}", "is no currency", "write its three letters, e.g. USD")(value.upper()),
)
EMAIL = Kind(
    "an e-mail address",
    (str,),
    _fitting(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+", "is no e-mail address", "write one address, e.g. ap@example.com"),
)
COUNTRY = Kind("a country", (str,), transforms.country())
DATE = Kind("a date", (str, date), _read_with(transforms.date_()))
NUMBER = Kind("a number", (str, Decimal, int), _between(0, None, "is negative", "write a number of 0 or more"))
PRICE = Kind(
    "a price",
    (str, Decimal, int),
    _between(0, None, "is a negative price", "put the reduction into the discount of the line it reduces"),
)
PERCENT = Kind("a percentage", (str, Decimal, int), _between(0, 100, "is not between 0 and 100", "write 10 for 10 %"))
MONTHS = Kind("a number of months", (str, int), _whole(1, 600))
DAYS = Kind("a number of days", (str, int), _whole(0, 180))
NOTICE = Kind("a number of days", (str, int), _whole(0, 730))
COUNT = Kind("a whole number", (str, int), _whole(1, 600))
PLACE = Kind("a place in the order", (str, int), _whole(-1_000_000, 1_000_000))
ANCHOR = Kind("a day of the month or 'last'", (str, int), _anchor_day)
INTERVAL = Kind("a billing interval", (str,), transforms.interval())
PAYMENT_TERMS = Kind("payment terms", (str,), _payment_terms)
TRUTH = Kind("true or false", (str, bool), _read_with(transforms.boolean()))
TIMING = _choice("advance", "arrears")
PRORATION = _choice("actual", "thirty_360", "none")
CHARGE_KIND = _choice("recurring", "one_time")
RELATION = _choice("new", "amendment", "renewal")
DELIVERY = _choice("netterms", "ledger", "none")
GROUPING = _choice("contract", "customer")

# What can be written back to the CRM, and the type its property must have there.
WRITTEN_BACK: Mapping[str, str] = MappingProxyType(
    {
        "last_invoice": "string",
        "last_invoice_date": "date",
        "open": "number",
        "overdue": "number",
        "payment_status": "string",
    }
)

# Section of a CRM mapping -> its terms. What can stand in a mapping file is exactly this.
TERMS: Mapping[str, Mapping[str, Term]] = MappingProxyType(
    {
        "contract": {
            "key": Term(KEY, required=True),
            "name": Term(TEXT),
            "entity": Term(TEXT, required=True),
            "currency": Term(CURRENCY, required=True),
            "starts_on": Term(DATE, required=True),
            "ends_on": Term(DATE),
            "term_months": Term(MONTHS),
            "kind": Term(CHARGE_KIND),  # of the deal as a whole, held against its lines
            "relation": Term(RELATION),  # what the deal does: a contract of its own, more of one, or the next one
            "relates_to": Term(TEXT),  # the contract it amends or renews: its key, or its deal's id or address
            "payment_terms": Term(PAYMENT_TERMS, required=True),
            "anchor_day": Term(ANCHOR),
            "proration": Term(PRORATION),
            "issue_days_before": Term(DAYS),
            "billed_through": Term(DATE),
            "trial_ends_on": Term(DATE),
            "invoice_grouping": Term(GROUPING),
            "value": Term(NUMBER),
            "po_number": Term(TEXT),
            "po_required": Term(TRUTH),
            "po_budget": Term(NUMBER),
        },
        "contract.billing_contact": {"name": Term(TEXT), "email": Term(EMAIL)},
        "contract.renewal": {
            "auto": Term(TRUTH),
            "term": Term(INTERVAL),
            "notice_days": Term(NOTICE),
            "uplift_percent": Term(PERCENT),
        },
        "contract.escalator": {"percent": Term(PERCENT), "first_on": Term(DATE)},  # each year
        "contract.commitment": {"amount": Term(NUMBER), "every": Term(INTERVAL)},
        "customer": {
            "name": Term(TEXT, required=True),
            "email": Term(EMAIL),
            "domain": Term(TEXT),
            "tax_id": Term(TEXT),
            "phone": Term(TEXT),
            "contact_name": Term(TEXT),
            "ledger_id": Term(TEXT),
            "delivery": Term(DELIVERY),
        },
        "customer.address": {
            "line1": Term(TEXT),
            "line2": Term(TEXT),
            "city": Term(TEXT),
            "region": Term(TEXT),
            "postal_code": Term(TEXT),
            "country": Term(COUNTRY),
        },
        "line": {
            "key": Term(KEY, required=True),
            "kind": Term(CHARGE_KIND, required=True),
            "position": Term(PLACE),
            "description": Term(TEXT, required=True),
            "price": Term(PRICE, required=True),
            "quantity": Term(NUMBER, required=True),
            "product": Term(TEXT),
            "tax_class": Term(TEXT),
        },
        "line.recurring": {
            "every": Term(INTERVAL, required=True),
            "price_per": Term(INTERVAL),
            "timing": Term(TIMING),
            "starts_on": Term(DATE),
            "ends_on": Term(DATE),
            "term_months": Term(MONTHS),
            "free_months": Term(MONTHS),  # from the charge's first day on
            "anchor_day": Term(ANCHOR),
            "proration": Term(PRORATION),
        },
        "line.one_time": {"on": Term(DATE)},
        "discounts": {
            "percent": Term(PERCENT),
            "amount_per_unit": Term(NUMBER),
            "amount": Term(NUMBER),
            "ends_on": Term(DATE),
            "periods": Term(COUNT),
        },
    }
)
