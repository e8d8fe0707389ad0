"""A contract's terms in plain words: one label and one sentence for each thing agreed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from billing.charges import own_start
from billing.due import PaymentTerms, parse_payment_terms
from billing.money import plain
from billing.showing.describe_charges import (
    PRORATION,
    SEATS_ADDED,
    SEATS_REMOVED,
    anchor_text,
    charge_text,
    dates_text,
    discount_text,
    escalator_text,
    interval_text,
    money_text,
)
from billing.terms import (
    Amendment,
    Change,
    Charge,
    Commitment,
    FixedPrice,
    Holdback,
    LateFee,
    OneTime,
    Prepaid,
    Renewal,
    TerminationFee,
    Terms,
)
from billing.words import date_text

__all__ = ["amendment_text", "changes", "charge_text", "describe"]


def describe(terms: Terms) -> dict[str, str]:
    """Return what is agreed, by label; what is not agreed is left out.

    Charges, commitments and amendments are labelled by their key, so two versions can be held side by side.
    """
    return {label: text for label, text in _agreed(terms) if text}


def changes(before: Terms, after: Terms) -> list[tuple[str, str, str]]:
    """Return (label, before, after) of everything that differs between two versions; empty is what one lacks."""
    old, new = describe(before), describe(after)
    labels = [*old, *(label for label in new if label not in old)]
    return [(name, old.get(name, ""), new.get(name, "")) for name in labels if old.get(name) != new.get(name)]


def amendment_text(one: Amendment, terms: Terms) -> str:
    """Word what an amendment changes, and from when."""
    known = f", known since {date_text(one.known_on)}" if one.known_on not in (None, one.effective_on) else ""
    told = f"{one.description}: " if one.description else ""
    return f"{told}from {date_text(one.effective_on)}{known}: " + "; ".join(_amended(one, terms))


def _agreed(terms: Terms) -> Iterator[tuple[str, str]]:
    currency = terms.currency
    yield "Runs", dates_text(terms.starts_on, terms.ends_on)
    signed = f", signed to {date_text(terms.signed_ends_on)}" if terms.signed_ends_on else ""
    yield "Ended early", f"by the {terms.ended_by}{signed}" if terms.ended_by else ""
    yield "Trial", f"free through {date_text(terms.trial_ends_on)}" if terms.trial_ends_on else ""
    yield "Renewal", _renewal(terms.renewal) if terms.renewal else ""
    yield "Payment", _payment(terms.payment_terms)
    yield "Periods begin", anchor_text(terms.anchor_day) if terms.anchor_day is not None else ""
    early = f"{terms.issue_days_before} days before the period that is paid in advance"
    yield "Invoiced", early if terms.issue_days_before else ""
    yield "Invoices", "one for all contracts of the customer" if terms.invoice_grouping == "customer" else ""
    yield "Part periods", PRORATION[terms.proration]
    yield "Units added", SEATS_ADDED[terms.seats_added] if terms.seats_added != "prorate" else ""
    yield "Units removed", SEATS_REMOVED[terms.seats_removed] if terms.seats_removed != "renewal" else ""
    yield "Billed elsewhere", f"through {date_text(terms.billed_through)}" if terms.billed_through else ""
    yield "Purchase order", _purchase_order(terms)
    yield "Invoices go to", _contact(terms)
    yield "Contract value", money_text(terms.value, currency) if terms.value is not None else ""
    for charge in terms.charges:
        yield f"Charge {charge.key}", charge_text(charge, terms)
    off = [discount_text(one, currency, "per invoice").removeprefix(", less ") for one in terms.discounts]
    yield "Off the whole contract", "; ".join(off)
    yield "Prices rise", escalator_text(terms.escalator, currency) if terms.escalator else ""
    for commitment in terms.commitments:
        yield f"Commitment {commitment.key}", _commitment(commitment, currency)
    yield "Holdback", _holdback(terms.holdback) if terms.holdback else ""
    yield "Ending early", _termination_fee(terms.termination_fee, currency) if terms.termination_fee else ""
    yield "Paying late", _late_fee(terms.late_fee, currency) if terms.late_fee else ""
    yield from terms.custom.items()
    for amendment in terms.amendments:
        yield f"Amendment {amendment.key}", amendment_text(amendment, terms)


def _purchase_order(terms: Terms) -> str:
    if not (terms.po_number or terms.po_required):
        return ""
    number = terms.po_number or "required, and none is known yet: nothing is issued without it"
    return number + (f", good for {money_text(terms.po_budget, terms.currency)}" if terms.po_budget is not None else "")


def _contact(terms: Terms) -> str:
    contact = terms.billing_contact
    return " ".join(filter(None, (contact.name, f"<{contact.email}>" if contact.email else ""))) if contact else ""


def _renewal(one: Renewal) -> str:
    if not one.auto:
        return f"by agreement, for {interval_text(one.term)}"
    most = f", at most {one.most} times" if one.most is not None else ""
    notice = f", unless cancelled {one.notice_days} days before" if one.notice_days is not None else ""
    basis = {
        "last_segment": "the price in force",
        "first_segment": "the first price",
        "highest": "the higher of the first price and the one in force",
        "list": "list price",
    }[one.price_basis]
    per_year = " for each year" if one.uplift_per == "year" else ""
    raised = f" raised by {plain(one.uplift_percent)}%{per_year}" if one.uplift_percent else ""
    return f"by itself for {interval_text(one.term)}{most}{notice}, at {basis}{raised}"


def _commitment(one: Commitment, currency: str) -> str:
    of = f" for {', '.join(one.charges)}" if one.charges else ""
    grows = "".join(
        f", from {date_text(step.starts_on)} {money_text(step.price, currency)}"
        for step in one.steps
        if step.price is not None
    )
    days = f", from {date_text(one.starts_on)}" if one.starts_on else ""
    days += f", through {date_text(one.ends_on)}" if one.ends_on else ""
    short = "" if one.true_up else ", what is short is not charged"
    over = f", more at {plain(one.overage_factor)} times its price" if one.overage_factor != 1 else ""
    early = ", by its days if ended early" if one.prorate_on_termination else ""
    amount = f"at least {money_text(one.amount, currency)} per {interval_text(one.every)}"
    return f"{amount}{of}{grows}{days}{short}{over}{early}"


def _holdback(one: Holdback) -> str:
    of = ", ".join(one.charges) or "every fixed price"
    when = f"on {date_text(one.release_on)}" if one.release_on else "when its release is recorded"
    return f"{plain(one.percent)}% of {of}, billed {when}"


def _termination_fee(one: TerminationFee, currency: str) -> str:
    if one.amount is not None:
        return f"costs {money_text(one.amount, currency)}"
    if one.percent is not None:
        return f"costs {plain(one.percent)}% of the recurring charges left"
    return f"costs {one.months} month(s) of the recurring charges"


def _late_fee(one: LateFee, currency: str) -> str:
    fee = f"{plain(one.percent)}% of what is open" if one.percent is not None else ""
    fee += money_text(one.amount, currency) if one.amount is not None else ""
    per = "for each begun month" if one.per == "month" else "once"
    return f"costs {fee} {per}, {one.after_days} days after the due date"


def _amended(one: Amendment, terms: Terms) -> Iterator[str]:
    for change in one.change:
        yield f"{change.charge} {_change(change, terms.currency)}"
    for charge in one.add:
        yield f"new {charge.key}, {charge_text(_from(one, charge), terms)}"
    for key in one.end:
        yield f"{key} ends"
    for swap in one.replace:
        yield f"{swap.by.key} in place of {swap.charge}, {charge_text(_from(one, swap.by), terms)}"
    if one.ends_on is not None:
        by = f", ended by the {one.terminates}" if one.terminates else ""
        by += ", prepaid service is not given back" if one.unused == "keep" else ""
        yield f"last day {date_text(one.ends_on)}{by}"
    if one.renewal is not None:
        yield f"renews {_renewal(one.renewal)}"
    if one.payment_terms is not None:
        yield _payment(one.payment_terms)
    if one.po_number is not None:
        yield f"purchase order {one.po_number}"
    if one.po_budget is not None:
        yield f"purchase orders good for {money_text(one.po_budget, terms.currency)}"
    if one.value is not None:
        yield f"contract value {money_text(one.value, terms.currency)}"


def _from(one: Amendment, charge: Charge) -> Charge:
    """Return a charge with the day on which an amendment lets it begin."""
    if own_start(charge) is not None or isinstance(charge, FixedPrice):
        return charge
    name = "on" if isinstance(charge, OneTime | Prepaid) else "starts_on"
    return msgspec.structs.replace(charge, **{name: one.effective_on})


def _change(one: Change, currency: str) -> str:
    parts = [f"{plain(one.quantity)} units"] if one.quantity is not None else []
    parts += [f"at {money_text(one.price, currency)}"] if one.price is not None else []
    parts += [f"named {one.description!r}"] if one.description is not None else []
    parts += [f"through {date_text(one.ends_on)}"] if one.ends_on is not None else []
    if one.discounts is not None:
        off = "".join(discount_text(discount, currency) for discount in one.discounts)
        parts.append(off.removeprefix(", ") or "without discounts")
    parts += [SEATS_REMOVED[one.seats_removed]] if one.seats_removed is not None else []
    return ", ".join(parts) or "stays as it is"


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
