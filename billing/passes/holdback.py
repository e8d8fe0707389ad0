"""Holdback (retainage): a share of each line that is billed only when the whole is released."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.charges import FixedPrice
from billing.facts import Facts
from billing.line import Explanation, Line, Rule, Scope
from billing.money import plain, round_half_away, text, to_decimal, to_minor
from billing.terms import Holdback, Terms
from billing.words import price_text

KEY = "holdback"  # the charge of its lines, and of the acceptance that releases it
_DAY = timedelta(days=1)


def held_charges(terms: Terms, holdback: Holdback) -> set[str]:
    """Return the keys of the charges a share of which is held back: those named, or every fixed price."""
    return set(holdback.charges) or {one.key for one in terms.charges if isinstance(one, FixedPrice)}


def release_day(holdback: Holdback, facts: Facts) -> tuple[date | None, bool]:
    """Return the day on which what was held back is billed (None: not known), and whether that is an assumption.

    It is ``release_on`` or the recorded acceptance, whichever is earlier.
    """
    days = [one.on for one in facts.accepted if one.charge == KEY]
    if holdback.release_on is not None:
        days.append(holdback.release_on)
    if days:
        return min(days), False
    if facts.assume_from is None or holdback.expected_on is None:
        return None, False
    return max(holdback.expected_on, facts.assume_from), True


def held_back(scope: Scope, holdback: Holdback, owed: Sequence[Line]) -> list[Line]:
    """Return the lines with what is held back after each of them, and the release.

    What is billed on the day of the release or later is not held back.
    """
    terms = scope.terms
    keys = held_charges(terms, holdback)
    release, assumed = release_day(holdback, scope.facts)
    found: list[Line] = []
    withheld: dict[str, list[Line]] = {}
    for line in owed:
        found.append(line)
        if line.charge in keys and (release is None or line.issue_on < release):
            held = _held(terms, holdback, line)
            if held.amount:
                found.append(held)
                withheld.setdefault(line.tax_class, []).append(held)
    if release is not None and release <= scope.through:
        found += _released(terms, holdback, release, assumed, withheld)
    return found


def _held(terms: Terms, holdback: Holdback, line: Line) -> Line:
    operands = {
        "currency": terms.currency,
        "percent": plain(holdback.percent),
        "of": text(line.amount, terms.currency),
    }
    amount = _held_amount(operands)
    return Line(
        contract=terms.contract,
        charge=KEY,
        kind="holdback",
        description=f"{holdback.description}: {line.description}",
        starts=line.starts,
        until=line.until,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=line.issue_on,
        tax_class=line.tax_class,
        product=line.product,
        estimated=line.estimated,
        at=f"{line.charge}:{line.at or line.starts.isoformat()}",
        explain=Explanation("holdback", operands),
    )


def _released(
    terms: Terms, holdback: Holdback, release: date, assumed: bool, withheld: dict[str, list[Line]]
) -> Iterator[Line]:
    """Yield the release: one line, or one for each class of tax that was held back."""
    for tax_class, held in withheld.items():
        amount = -sum(line.amount for line in held)
        if not amount:
            continue
        operands = {
            "currency": terms.currency,
            "held": text(amount, terms.currency),
            "lines": str(len(held)),
        }
        yield Line(
            contract=terms.contract,
            charge=KEY,
            kind="holdback_release",
            description=f"{holdback.description}: released",
            starts=release,
            until=release + _DAY,
            quantity=Decimal(1),
            unit_price=to_decimal(amount, terms.currency),
            amount=amount,
            issue_on=release,
            tax_class=tax_class,
            product=held[0].product,
            estimated=assumed or any(line.estimated for line in held),
            at=f"release:{tax_class}",
            explain=Explanation("holdback_release", operands),
        )


def _held_amount(operands: dict[str, str]) -> int:
    of = to_minor(Decimal(operands["of"]), operands["currency"])
    return -round_half_away(of * Fraction(operands["percent"]) / 100)


def _held_words(operands: dict[str, str]) -> str:
    return f"{operands['percent']}% of {price_text(operands['of'], operands['currency'])} held back"


def _released_amount(operands: dict[str, str]) -> int:
    return to_minor(Decimal(operands["held"]), operands["currency"])


def _released_words(operands: dict[str, str]) -> str:
    held = price_text(operands["held"], operands["currency"])
    return f"{held} held back from {operands['lines']} line(s), released"


RULES = {
    "holdback": Rule(_held_words, _held_amount),
    "holdback_release": Rule(_released_words, _released_amount),
}
