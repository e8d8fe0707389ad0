"""Late fees: what an invoice costs that is not paid by its due date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.facts import Overdue
from billing.line import Explanation, Line, Rule, Scope
from billing.money import plain, round_half_away, text, to_decimal, to_minor
from billing.periods import Grid
from billing.terms import Interval, LateFee, Terms
from billing.words import date_text, price_text

KEY = "late-fee"
_MONTH = Interval(1, "month")
_DAY = timedelta(days=1)


def lines(scope: Scope, fee: LateFee) -> Iterator[Line]:
    """Yield the fees of every overdue invoice, each on the day on which it was incurred.

    That is the first day after the days of grace and, for a fee by the month, the first day of each month begun since.
    A fee is worked out from what was open on its day; where nothing was, none was incurred.
    """
    for invoice in scope.facts.overdue:
        for number, on in enumerate(incurred_days(fee, invoice.due_on), 1):
            if on > scope.through or open_on(invoice, on) <= 0:
                break
            if scope.since is None or on > scope.since:
                yield _line(scope.terms, fee, invoice, number, on)


def incurred_days(fee: LateFee, due_on: date) -> Iterator[date]:
    """Yield the days on which a fee falls due for an invoice that stays unpaid."""
    first = due_on + timedelta(days=fee.after_days + 1)
    yield first
    if fee.per == "month":
        grid, index = Grid.of(first, _MONTH, first.day), 1
        while True:
            yield grid.boundary(index)
            index += 1


def open_on(invoice: Overdue, day: date) -> int:
    """Return what was open of an invoice at the beginning of a day, in minor units."""
    return invoice.open + sum(amount for paid_on, amount in invoice.paid if paid_on >= day)


def _line(terms: Terms, fee: LateFee, invoice: Overdue, number: int, on: date) -> Line:
    operands = {
        "currency": terms.currency,
        "due": invoice.due_on.isoformat(),
        "open": text(open_on(invoice, on), terms.currency),
    }
    if fee.percent is not None:
        operands["percent"] = plain(fee.percent)
    else:
        operands["amount"] = plain(fee.amount or Decimal(0))
    by_month = fee.per == "month"
    amount = _amount(operands)
    return Line(
        contract=terms.contract,
        charge=KEY,
        kind="late_fee",
        description=f"{fee.description}: invoice {invoice.number}" + (f", month {number}" if by_month else ""),
        starts=on,
        until=on + _DAY,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=on,
        tax_class=fee.tax_class,
        product=fee.product,
        at=f"{invoice.number}:{number}" if by_month else invoice.number,
        explain=Explanation("late_fee", operands),
    )


def _amount(operands: dict[str, str]) -> int:
    if "amount" in operands:
        return to_minor(Decimal(operands["amount"]), operands["currency"])
    return round_half_away(
        to_minor(Decimal(operands["open"]), operands["currency"]) * Fraction(operands["percent"]) / 100
    )


def _words(operands: dict[str, str]) -> str:
    opened = f"{price_text(operands['open'], operands['currency'])} open since {_due(operands)}"
    if "amount" in operands:
        return f"{price_text(operands['amount'], operands['currency'])} for {opened}"
    return f"{operands['percent']}% of {opened}"


def _due(operands: dict[str, str]) -> str:
    return date_text(date.fromisoformat(operands["due"]))


RULES = {"late_fee": Rule(_words, _amount)}
