"""The conventions in force for a contract: what contracts usually leave open, and how it is read here."""

from __future__ import annotations

from collections.abc import Iterator

from billing.money import plain
from billing.terms import Charge, Escalator, Recurring, Retainer, Terms, Usage
from billing.terms_file import TermsFile

_SAME_FOR_ALL = {
    "end_date": "inclusive: the last day of service",
    "rounding": "half away from zero, once, at the line",
    "tier_edge": "'up to' is inclusive",
    "credit_note": "net first, tax from net; never more than was billed; the last one absorbs the cent",
    "negative_total": "a credit note that becomes customer balance",
    "correction": "the difference, on a new document; an issued one is never changed",
    "invoice_date": "the day of issue, never earlier",
}


def conventions(file: TermsFile, terms: Terms) -> dict[str, str]:
    """Return each convention with its value; where a charge has another one it follows as ``charges.KEY.NAME``."""
    found = {**_SAME_FOR_ALL, **dict(_of_contract(file, terms))}
    for charge in terms.charges:
        for name, value in _of_charge(charge):
            if value != found.get(name):
                found[f"charges.{charge.key}.{name}"] = value
    for commitment in terms.commitments:
        counted = ", ".join(commitment.charges) or "all recurring, usage and retainer charges that are committed"
        found[f"commitments.{commitment.key}.counts"] = counted
        found[f"commitments.{commitment.key}.prorate_on_termination"] = _yes(commitment.prorate_on_termination)
    return found


def _of_contract(file: TermsFile, terms: Terms) -> Iterator[tuple[str, str]]:
    anchor = terms.anchor_day
    yield "anchor_day", f"{terms.starts_on.day}, the day of the start" if anchor is None else str(anchor)
    yield "proration", terms.proration
    yield "seats_added", terms.seats_added
    yield "seats_removed", terms.seats_removed
    yield "issue_days_before", str(terms.issue_days_before)
    yield "tax_rounding", file.tax_rounding
    yield "timezone", file.timezone
    if terms.escalator is not None:
        yield "escalator", _rise(terms.escalator)
    if terms.renewal is not None:
        yield "renewal.price_basis", terms.renewal.price_basis
        yield "renewal.uplift_percent", plain(terms.renewal.uplift_percent)
    if file.go_live is not None:
        yield "go_live", file.go_live.isoformat()
    if terms.billed_through is not None:
        yield "billed_through", terms.billed_through.isoformat()


def _of_charge(charge: Charge) -> Iterator[tuple[str, str]]:
    """Yield what a charge sets for itself, or what only its kind knows."""
    if isinstance(charge, Recurring | Retainer | Usage):
        if charge.anchor_day is not None:
            yield "anchor_day", str(charge.anchor_day)
        if charge.escalator is not None:
            yield (
                "escalator",
                charge.escalator.method if charge.escalator.index is None else charge.escalator.index_method,
            )
    if isinstance(charge, Recurring | Retainer) and charge.proration is not None:
        yield "proration", charge.proration
    if isinstance(charge, Recurring):
        yield from ((name, value) for name in ("seats_added", "seats_removed") if (value := getattr(charge, name)))
    if isinstance(charge, Usage):
        yield "aggregation", charge.aggregation
        if charge.tiers:
            yield "charge_flat_at_zero", _yes(charge.charge_flat_at_zero)


def _rise(escalator: Escalator) -> str:
    return escalator.method if escalator.index is None else f"{escalator.index} on the {escalator.index_method} value"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
