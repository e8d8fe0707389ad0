"""Prepaid amounts and deposits: bought beforehand, drawn down by what they pay for, the rest lapsed or given back.

A purchase pays for a line that is billed on its day or later and whose service begins before the purchase lapses. The
purchase that lapses first is drawn first, the older of two that lapse together. What is drawn is taken off in a line of
its own, on the same invoice and at the same tax, so that tax is paid once: on what was bought beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.charges import Charge, FixedPrice, OneTime, Prepaid, Retainer, Usage
from billing.facts import Facts
from billing.kinds.fixed_price import due_day
from billing.kinds.one_time import exact, lump, lump_words
from billing.line import Explanation, Line, Rule, Scope
from billing.money import exponent, round_half_away, text, to_decimal, to_minor
from billing.periods import Grid
from billing.service import contract_end, service_end
from billing.terms import Terms, parse_interval
from billing.words import date_text, price_text

_DAY = timedelta(days=1)


def lines(scope: Scope, charge: Prepaid) -> Iterator[Line]:
    """Yield a line for each purchase, on its day.

    The contract's discounts leave it alone, for they lower what is drawn already. The charge's own discounts lower what
    is paid, not what it is worth.
    """
    terms = scope.terms
    for on in purchase_days(terms, charge):
        if on > scope.through:
            return
        if scope.since is not None and on <= scope.since:
            continue
        operands = lump(charge, charge.discounts, terms.currency)
        yield Line(
            contract=terms.contract,
            charge=charge.key,
            kind="prepaid",
            description=charge.description,
            starts=on,
            until=on + _DAY,
            quantity=charge.quantity,
            unit_price=charge.price,
            amount=_paid(operands),
            issue_on=on,
            tax_class=charge.tax_class,
            product=charge.product,
            explain=Explanation("prepaid", operands),
        )


def purchase_days(terms: Terms, charge: Prepaid) -> Iterator[date]:
    """Yield the days on which an amount is bought: once, or each period while the contract runs."""
    first = charge.on or terms.starts_on
    last = charge.ends_on or date.max
    if first <= last:
        yield first
    if charge.every is None:
        return
    grid, end, index = Grid.of(first, parse_interval(charge.every), first.day), contract_end(terms), 1
    while (end is None or grid.boundary(index) < end) and grid.boundary(index) <= last:
        yield grid.boundary(index)
        index += 1


class Purchase:
    """An amount bought on a day, with what is left of its worth (minor units) before it ``lapses`` (exclusive)."""

    __slots__ = ("charge", "lapses", "last_drawn", "left", "on")

    def __init__(self, terms: Terms, charge: Prepaid, on: date) -> None:
        self.charge, self.on = charge, on
        self.left = _worth(charge, terms.currency)
        self.lapses = lapses_on(charge, on)
        self.last_drawn = on  # the last day on which a line that it could pay for is billed

    def pays(self, line: Line) -> bool:
        """Whether it was bought when the line is billed, and has not lapsed when the line's service begins."""
        return self.on <= line.issue_on and (self.lapses is None or line.starts < self.lapses)


def lapses_on(charge: Prepaid, on: date) -> date | None:
    """Return the day from which a purchase pays for nothing any more; None: it pays as long as the contract bills."""
    return None if charge.lasts is None else Grid.of(on, parse_interval(charge.lasts), on.day).boundary(1)


def drawn(scope: Scope, owed: Sequence[Line]) -> list[Line]:
    """Return the lines with what is drawn after each line that is paid for, and at the end what is given back.

    The lines come in order of ``issue_on``, planned as far as ``reach`` says.
    """
    terms = scope.terms
    charges = [one for one in terms.charges if isinstance(one, Prepaid)]
    payers = {one.key: _Payer(scope, one, owed) for one in charges}
    purchases = [Purchase(terms, one, on) for one in charges for on in _until(purchase_days(terms, one), scope.through)]
    purchases.sort(key=lambda one: (one.lapses or date.max, one.on))  # stable: then as the charges stand in the terms
    credits = _credits(owed)
    found: list[Line] = []
    for line in owed:
        found.append(line)
        paying = [one for one in purchases if payers[one.charge.key].pays_for(line)]
        if paying:
            credit = min(line.amount, credits.get((line.charge, line.issue_on), 0))
            if credit:
                credits[line.charge, line.issue_on] -= credit
            found += _draw(terms, line, line.amount - credit, paying)
    for one in purchases:
        if one.charge.unused == "return":
            found += _given_back(terms, one, payers[one.charge.key])
    return found


def paid_charges(terms: Terms, prepaid: Prepaid) -> dict[str, bool]:
    """Return the keys of what a prepaid amount pays for: by default all usage, and of retainers only (True) overage."""
    if prepaid.charges:
        return dict.fromkeys(prepaid.charges, False)
    return {one.key: isinstance(one, Retainer) for one in terms.charges if isinstance(one, Usage | Retainer)}


class _Payer:
    """What one prepaid charge pays for; a deposit only on the last day on which any of it is billed.

    ``ends`` is the day on which the contract, or else what is paid for, ends; None: not known yet.
    """

    def __init__(self, scope: Scope, charge: Prepaid, owed: Sequence[Line]) -> None:
        self._keys = paid_charges(scope.terms, charge)
        last = last_day(scope.terms, scope.facts, charge)
        self.ends = last and (contract_end(scope.terms) or last)
        self.only_on: date | None = None
        if charge.drawn == "final":
            days = (line.issue_on for line in owed if self._covers(line))
            self.only_on = max(days, default=date.max) if last is not None else date.max

    def pays_for(self, line: Line) -> bool:
        """Whether the line is one of those that are paid for, on a day on which they are."""
        return (self.only_on is None or line.issue_on == self.only_on) and self._covers(line)

    def _covers(self, line: Line) -> bool:
        only_overage = self._keys.get(line.charge)
        return line.amount > 0 and only_overage is not None and (not only_overage or line.kind == "overage")


def last_day(terms: Terms, facts: Facts, prepaid: Prepaid) -> date | None:
    """Return a day by which all that a prepaid amount pays for has begun or is due; None: not known yet.

    A milestone that is not accepted yet keeps it open, unless the contract was ended early.
    """
    keys = paid_charges(terms, prepaid)
    days = [_last_day(terms, facts, one) for one in terms.charges if one.key in keys]
    if not days or any(one.key in keys for one in terms.commitments):
        days.append(contract_end(terms))
    known = [day for day in days if day is not None]
    return max(known) if len(known) == len(days) else None


def _last_day(terms: Terms, facts: Facts, charge: Charge) -> date | None:
    if isinstance(charge, FixedPrice):
        due = [due_day(terms, facts, charge, one) for one in charge.instalments]
        waits = None in due and terms.ended_by is None and charge.ends_on is None
        return None if waits else max((one.on for one in due if one is not None), default=terms.starts_on)
    if isinstance(charge, OneTime | Prepaid):
        return charge.on or terms.starts_on
    return service_end(terms, charge)


def _credits(owed: Iterable[Line]) -> dict[tuple[str, date], int]:
    """Return what each charge credits on each day: what is taken off its other lines of that day is not drawn."""
    found: dict[tuple[str, date], int] = {}
    for line in owed:
        if line.amount < 0:
            key = (line.charge, line.issue_on)
            found[key] = found.get(key, 0) - line.amount
    return found


def _draw(terms: Terms, line: Line, due: int, purchases: Iterable[Purchase]) -> Iterator[Line]:
    """Yield what is taken off what is due of a line: one line for each prepaid charge that pays a part of it."""
    taken: dict[str, list[tuple[Purchase, int]]] = {}
    for purchase in purchases:
        if not purchase.pays(line):
            continue
        purchase.last_drawn = max(purchase.last_drawn, line.issue_on)
        part = min(due, purchase.left)
        if part > 0:
            taken.setdefault(purchase.charge.key, []).append((purchase, part))
            purchase.left -= part
            due -= part
    for parts in taken.values():
        yield _drawdown(terms, line, parts)


def _drawdown(terms: Terms, line: Line, parts: Sequence[tuple[Purchase, int]]) -> Line:
    charge, amount = parts[0][0].charge, -sum(part for _, part in parts)
    operands = {
        "currency": terms.currency,
        "drawn": " ".join(text(part, terms.currency) for _, part in parts),
        "bought": " ".join(purchase.on.isoformat() for purchase, _ in parts),
        "left": text(sum(purchase.left for purchase, _ in parts), terms.currency),
    }
    return Line(
        contract=terms.contract,
        charge=charge.key,
        kind="drawdown",
        description=f"{charge.description}: paid in advance",
        starts=line.starts,
        until=line.until,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=line.issue_on,
        tax_class=line.tax_class,
        product=charge.product,
        estimated=line.estimated,
        at=f"{line.charge}:{line.at or line.starts.isoformat()}",
        explain=Explanation("drawdown", operands),
    )


def _given_back(terms: Terms, purchase: Purchase, payer: _Payer) -> Iterator[Line]:
    """Yield what was paid for the unused rest, once nothing more that it could pay for is billed."""
    charge, on = purchase.charge, purchase.lapses or payer.ends
    if on is None or purchase.left <= 0:
        return
    operands = lump(charge, charge.discounts, terms.currency)
    operands["worth"] = text(_worth(charge, terms.currency), terms.currency)
    operands["left"] = text(purchase.left, terms.currency)
    amount = _returned(operands)
    if not amount:
        return
    yield Line(
        contract=terms.contract,
        charge=charge.key,
        kind="prepaid_return",
        description=f"{charge.description}: unused",
        starts=on,
        until=on + _DAY,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=max(on, purchase.last_drawn),
        tax_class=charge.tax_class,
        product=charge.product,
        at=f"{purchase.on.isoformat()}:return",
        explain=Explanation("prepaid_return", operands),
    )


def _until(days: Iterator[date], through: date) -> Iterator[date]:
    for day in days:
        if day > through:
            return
        yield day


def _worth(charge: Prepaid, currency: str) -> int:
    if charge.value is not None:
        return to_minor(charge.value, currency)
    return round_half_away(Fraction(charge.price) * Fraction(charge.quantity) * 10 ** exponent(currency))


def _paid(operands: dict[str, str]) -> int:
    return round_half_away(exact(operands))


def _drawn_amount(operands: dict[str, str]) -> int:
    return -sum(to_minor(Decimal(part), operands["currency"]) for part in operands["drawn"].split())


def _drawn_words(operands: dict[str, str]) -> str:
    currency = operands["currency"]
    parts = zip(operands["drawn"].split(), operands["bought"].split(), strict=True)
    words = " and ".join(
        f"{price_text(part, currency)} of what was paid on {date_text(date.fromisoformat(on))}" for part, on in parts
    )
    return f"{words}; {price_text(operands['left'], currency)} left"


def _returned(operands: dict[str, str]) -> int:
    worth = Fraction(operands["worth"])
    return -round_half_away(_paid(operands) * Fraction(operands["left"]) / worth) if worth else 0


def _returned_words(operands: dict[str, str]) -> str:
    left, worth = (price_text(operands[name], operands["currency"]) for name in ("left", "worth"))
    return f"{left} of {worth} unused, paid at {lump_words(operands)}"


RULES = {
    "prepaid": Rule(lambda operands: f"bought at {lump_words(operands)}", _paid),
    "drawdown": Rule(_drawn_words, _drawn_amount),
    "prepaid_return": Rule(_returned_words, _returned),
}
