"""A contract's terms in plain words: one label and one sentence for each thing agreed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from billing.charges import own_start
from billing.due import PaymentTerms, parse_payment_terms
from billing.explain import date_text, price_text
from billing.money import plain
from billing.terms import Charge, Discount, Recurring, Terms

_PRORATION = {
    "actual": "a part of a period costs its share of the period's days",
    "thirty_360": "a part of a period costs its share of months of 30 days",
    "none": "a part of a period costs as much as a whole one",
}


def describe(terms: Terms) -> dict[str, str]:
    """Return what is agreed, by label; charges are labelled by their key, so two versions can be held side by side."""
    facts = {"Runs": _dates(terms.starts_on, terms.ends_on), "Payment": _payment(terms.payment_terms)}
    if terms.anchor_day is not None:
        day = "last day" if terms.anchor_day == "last" else f"day {terms.anchor_day}"
        facts["Periods begin"] = f"on the {day} of the month"
    if terms.issue_days_before:
        facts["Invoiced"] = f"{terms.issue_days_before} days before the period that is paid in advance"
    facts["Part periods"] = _PRORATION[terms.proration]
    if terms.billed_through is not None:
        facts["Billed elsewhere"] = f"through {date_text(terms.billed_through)}"
    if terms.po_number or terms.po_required:
        facts["Purchase order"] = terms.po_number or "required, and none is known yet: nothing is issued without it"
    for charge in terms.charges:
        facts[f"Charge {charge.key}"] = charge_text(charge, terms)
    return facts


def changes(before: Terms, after: Terms) -> list[tuple[str, str, str]]:
    """Return (label, before, after) of everything that differs between two versions; empty is what one lacks."""
    old, new = describe(before), describe(after)
    labels = [*old, *(label for label in new if label not in old)]
    return [(name, old.get(name, ""), new.get(name, "")) for name in labels if old.get(name) != new.get(name)]


def charge_text(charge: Charge, terms: Terms) -> str:
    """Word one charge: ``Support: 10 × 100.00 GBP per month, billed every quarter in advance``."""
    price = f"{price_text(charge.price, terms.currency)} {terms.currency}"
    if charge.quantity != 1:
        price = f"{plain(charge.quantity)} × {price}"
    when = _recurring(charge, terms) if isinstance(charge, Recurring) else _once(charge, terms)
    less = "".join(_discount(discount, terms.currency) for discount in charge.discounts)
    return f"{charge.description}: {price}{when}{less}; tax class {charge.tax_class}"


def _recurring(charge: Recurring, terms: Terms) -> str:
    per, every = (charge.price_per or charge.every).replace("_", " "), charge.every.replace("_", " ")
    timing = "in advance" if charge.timing == "advance" else "in arrears"
    own = (charge.starts_on, charge.ends_on) != (None, None)
    dates = f", {_dates(charge.starts_on or terms.starts_on, charge.ends_on or terms.ends_on)}" if own else ""
    return f" per {per}, billed every {every} {timing}{dates}"


def _once(charge: Charge, terms: Terms) -> str:
    return f", once on {date_text(own_start(charge) or terms.starts_on)}"


def _discount(discount: Discount, currency: str) -> str:
    less = f"{plain(discount.percent)}%" if discount.percent is not None else ""
    if discount.amount is not None:
        less = f"{price_text(discount.amount, currency)} {currency} per period"
    return f", less {less}{f' ({discount.description})' if discount.description else ''}"


def _dates(first: date, last: date | None) -> str:
    if last is None:
        return f"from {date_text(first)}, without end"
    return f"{date_text(first)} to {date_text(last)}"


def _payment(payment_terms: str) -> str:
    terms = parse_payment_terms(payment_terms)
    early = "".join(f", {plain(one.percent)}% off within {one.days} days" for one in terms.early)
    return f"due {_DUE[terms.rule](terms)}{early}"


_DUE: dict[str, Callable[[PaymentTerms], str]] = {
    "net": lambda terms: f"{terms.days} days after the invoice" if terms.days else "on receipt",
    "eom": lambda terms: (
        f"{terms.days} days after the end of the invoice's month" if terms.days else "at the month's end"
    ),
    "day": lambda terms: f"on the next day {terms.day} of a month",
    "next_month": lambda terms: f"on day {terms.day} of the month after the invoice's",
    "then_day": lambda terms: f"on the first day {terms.day} of a month at least {terms.days} days after the invoice",
}
