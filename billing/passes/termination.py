"""The early-termination fee: what a customer owes for ending the contract before the term it signed is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from billing.charges import Charge, Recurring, Retainer
from billing.facts import Facts
from billing.kinds.one_time import discounts_on, exact, lump
from billing.line import Explanation, Line, Rule, Scope
from billing.money import plain, round_half_away, text, to_decimal, to_minor
from billing.pricing import tiered
from billing.service import contract_end
from billing.terms import TerminationFee, Terms, parse_interval
from billing.words import date_text, price_text

KEY = "termination-fee"
PlanCharge = Callable[[Scope, Charge], Iterable[Line]]  # the table of kinds: what one charge owes
_DAY = timedelta(days=1)
_LATER = timedelta(days=400)  # by then all that was served by a contract's end is billed


def stopped(terms: Terms) -> date | None:
    """Return the day after the contract's last one as it was said, though paid service may run on; None: no end."""
    return contract_end(terms) if terms.stopped_on is None else terms.stopped_on + _DAY


def lines(scope: Scope, fee: TerminationFee, plan_charge: PlanCharge) -> Iterator[Line]:
    """Yield the fee on the day after the last day of service, if it was the customer who ended the contract early.

    Raises ``Unpriceable`` where a share of the value left is owed and that value has no price.
    """
    terms = scope.terms
    on = stopped(terms)
    if terms.ended_by != "customer" or on is None or on > scope.through:
        return
    operands = {"currency": terms.currency, **_operands(scope, fee, plan_charge, on)}
    amount = _amount(operands)
    if not amount:
        return
    yield Line(
        contract=terms.contract,
        charge=KEY,
        kind="termination_fee",
        description=fee.description,
        starts=on,
        until=on + _DAY,
        quantity=Decimal(1),
        unit_price=to_decimal(amount, terms.currency),
        amount=amount,
        issue_on=on,
        tax_class=fee.tax_class,
        product=fee.product,
        explain=Explanation("termination_fee", operands),
    )


def _operands(scope: Scope, fee: TerminationFee, plan_charge: PlanCharge, on: date) -> dict[str, str]:
    if fee.amount is not None:
        return {"amount": plain(fee.amount)}
    if fee.months is not None:
        monthly = monthly_value(scope, plan_charge, on)
        return {"months": str(fee.months), "monthly": str(monthly)}
    left = text(value_left(scope, plan_charge, on), scope.terms.currency)
    signed = scope.terms.signed_ends_on
    return {"percent": plain(fee.percent or Decimal(0)), "left": left, "to": "" if signed is None else str(signed)}


def value_left(scope: Scope, plan_charge: PlanCharge, on: date) -> int:
    """Return what recurring charges and retainers would still have billed to the end of the signed term, minor units.

    It is what the signed term bills less what the shorter one bills, so that service paid in advance and kept is not
    charged again. Only what was known of an index by the end counts.
    """
    terms = scope.terms
    if terms.signed_ends_on is None:
        return 0
    signed = replace(
        terms,
        ends_on=terms.signed_ends_on,
        ended_by=None,
        charges=tuple(_as_signed(one, terms.stopped_on) for one in terms.charges),
    )
    known = _known_by(scope.facts, on)
    through = terms.signed_ends_on + _LATER
    return _fees(Scope(signed, known, through), plan_charge) - _fees(Scope(terms, known, through), plan_charge)


def monthly_value(scope: Scope, plan_charge: PlanCharge, on: date) -> Fraction:
    """Return what recurring charges and retainers cost a month on the last day of service, in minor units.

    A year counts 12 months and 365 days where a period is counted in days.
    """
    terms, last = scope.terms, on - _DAY
    total = Fraction(0)
    for charge in terms.charges:
        if not isinstance(charge, Recurring | Retainer):
            continue
        served = [
            line
            for line in plan_charge(Scope(terms, scope.facts, on + _LATER), charge)
            if line.starts <= last < line.until and line.kind != "overage"
        ]
        if served:
            total += _period_value(terms, charge, served, last) / _months(charge)
    return total


def _period_value(terms: Terms, charge: Recurring | Retainer, served: list[Line], last: date) -> Fraction:
    """Return the undivided price of a period at the last price and quantity, less what holds on that day."""
    price, quantity = served[-1].unit_price, sum((line.quantity for line in served), Decimal(0))
    if isinstance(charge, Recurring) and charge.tiers:
        price, quantity = tiered(quantity, charge.tiers, charge.tier_mode), Decimal(1)
    now = replace(charge, price=price, quantity=quantity)
    lasting = [one for one in discounts_on(terms, charge, last) if one.periods is None]
    return exact(lump(now, lasting, terms.currency))


def _months(charge: Recurring | Retainer) -> Fraction:
    """Return for how many months a charge's price is."""
    interval = parse_interval((isinstance(charge, Recurring) and charge.price_per) or charge.every)
    if interval.unit == "month":
        return Fraction(interval.count)
    return Fraction(interval.count * (7 if interval.unit == "week" else 1) * 12, 365)


def _as_signed(charge: Charge, stopped_on: date | None) -> Charge:
    """Return a charge as if its service had not been cut where the paid periods end."""
    if stopped_on is None or not isinstance(charge, Recurring | Retainer):
        return charge
    return charge if charge.ends_on is None or charge.ends_on < stopped_on else replace(charge, ends_on=None)


def _known_by(facts: Facts, day: date) -> Facts:
    indices = {name: tuple(one for one in series if one[0] <= day) for name, series in facts.indices.items()}
    return Facts(indices=indices, assume_from=day)


def _fees(scope: Scope, plan_charge: PlanCharge) -> int:
    charges = [one for one in scope.terms.charges if isinstance(one, Recurring | Retainer)]
    return sum(line.amount for one in charges for line in plan_charge(scope, one) if line.kind != "overage")


def _amount(operands: dict[str, str]) -> int:
    currency = operands["currency"]
    if "amount" in operands:
        return to_minor(Decimal(operands["amount"]), currency)
    if "months" in operands:
        return round_half_away(Fraction(operands["monthly"]) * int(operands["months"]))
    return round_half_away(to_minor(Decimal(operands["left"]), currency) * Fraction(operands["percent"]) / 100)


def _words(operands: dict[str, str]) -> str:
    currency = operands["currency"]
    if "amount" in operands:
        return f"{price_text(operands['amount'], currency)}, as agreed for ending early"
    if "months" in operands:
        monthly = price_text(to_decimal(round_half_away(Fraction(operands["monthly"])), currency), currency)
        return f"{operands['months']} months of {monthly} a month"
    to = f" to {date_text(date.fromisoformat(operands['to']))}" if operands["to"] else ""
    return f"{operands['percent']}% of the {price_text(operands['left'], currency)} left{to}"


RULES = {"termination_fee": Rule(_words, _amount)}
