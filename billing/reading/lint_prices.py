"""Amounts of a contract that do not fit together: brackets, parts of a total, minimums, prices that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from billing.draft import Note
from billing.money import display, plain, to_minor
from billing.terms import Charge, FixedPrice, Recurring, Retainer, Terms, Tier, Usage, parse_interval, repeated
from billing.words import price_text


def price_notes(terms: Terms, path: str, charge: Charge) -> Iterator[Note]:
    """Yield what is wrong with the amounts of one charge, which stands at ``path``."""
    if isinstance(charge, Recurring):
        yield from _tier_notes(charge.tiers, charge.tier_mode, path, Decimal(1), terms.currency)
        yield from _quantity_notes(charge, path)
    elif isinstance(charge, Usage):
        yield from _usage_notes(charge, path, terms.currency)
        if charge.model in ("graduated", "volume"):
            unit = Decimal(1).scaleb(-(charge.quantity_decimals or 0))
            yield from _tier_notes(charge.tiers, charge.model, path, unit, terms.currency, charge.per)
        yield from _interval_notes(charge, path)
    elif isinstance(charge, FixedPrice):
        yield from _instalment_notes(charge, path, terms.currency)
    elif isinstance(charge, Retainer) and charge.included == 0:
        message = f"retainer {charge.key!r} includes nothing: write what its fee includes, or make it a usage charge"
        yield Note("retainer_without_units", message, f"{path}.included")


def _quantity_notes(charge: Recurring, path: str) -> Iterator[Note]:
    if charge.quantity == 0 and not any(step.quantity for step in charge.steps):
        message = f"charge {charge.key!r} has a quantity of 0 and bills nothing: write how many"
        yield Note("quantity_zero", message, f"{path}.quantity")


def _tier_notes(
    tiers: Sequence[Tier], mode: str, path: str, unit: Decimal, currency: str, per: Decimal = Decimal(1)
) -> Iterator[Note]:
    shape = [*_tier_shape_notes(tiers, path)]
    yield from shape
    if shape and any(note.code != "tier_bounded" for note in shape):
        return  # a table in disorder has no edges to look at
    for index in range(len(tiers) - 1):
        bound = tiers[index].up_to
        if bound is None or per <= 0:
            return
        at, above = (_cost(tiers, quantity, mode, per) for quantity in (bound, bound + unit))
        if above < at:
            dear, cheap = (display(to_minor(one, currency), currency) for one in (at, above))
            message = (
                f"{plain(bound + unit)} cost {cheap}, less than {plain(bound)} cost ({dear}): raise the next bracket's "
                "price, or price by graduated brackets"
            )
            yield Note("tier_cliff", message, f"{path}.tiers[{index + 1}]")


def _tier_shape_notes(tiers: Sequence[Tier], path: str) -> Iterator[Note]:
    before = Decimal(0)
    for index, tier in enumerate(tiers):
        where, is_last = f"{path}.tiers[{index}]", index == len(tiers) - 1
        if tier.up_to is None:
            if not is_last:
                message = "only the last bracket has no up_to: write the quantity that this one ends with"
                yield Note("tier_unbounded", message, where)
            continue
        if tier.up_to <= before:
            told = "the same as" if index and tier.up_to == before else "not above"
            message = f"the bracket ends at {plain(tier.up_to)}, {told} {plain(before)} before it: let bounds ascend"
            yield Note("tier_order", message, f"{where}.up_to")
        elif is_last:
            message = f"quantities above {plain(tier.up_to)} have no price: add a last bracket without up_to"
            yield Note("tier_bounded", message, f"{where}.up_to")
        before = max(before, tier.up_to)


def _cost(tiers: Sequence[Tier], quantity: Decimal, mode: str, per: Decimal) -> Fraction:
    """Return what a quantity costs in major units, by brackets in order."""
    total, before = Fraction(0), Decimal(0)
    for tier in tiers:
        is_last = tier.up_to is None or quantity <= tier.up_to
        inside = quantity if tier.up_to is None else min(quantity, tier.up_to)
        if mode == "graduated" or is_last:
            priced = inside - before if mode == "graduated" else quantity
            total += Fraction(tier.flat) + Fraction(tier.price) * Fraction(priced) / Fraction(per)
        if is_last:
            break
        before = inside
    return total


def _usage_notes(charge: Usage, path: str, currency: str) -> Iterator[Note]:
    name = f"usage charge {charge.key!r}"
    priced = bool(charge.price or charge.prices or any(step.price for step in charge.steps))
    if charge.model in ("graduated", "volume") and not charge.tiers:
        yield Note("tiers_missing", f"{name} is {charge.model} and has no brackets: add tiers", f"{path}.tiers")
    if charge.model not in ("graduated", "volume") and charge.tiers:
        message = f"{name} has brackets that its model {charge.model!r} does not use: write graduated or volume"
        yield Note("tiers_unused", message, f"{path}.model")
    if charge.model in ("per_unit", "package") and not priced:
        yield Note("price_missing", f"{name} has no price and bills nothing: add a price", f"{path}.price")
    if charge.model == "percentage" and not charge.percent and not charge.fixed:
        yield Note("percent_missing", f"{name} bills a percentage and says none: add percent", f"{path}.percent")
    if charge.model == "package" and not charge.package_size:
        message = f"{name} bills packages and does not say how large one is: add package_size"
        yield Note("package_size_missing", message, f"{path}.package_size")
    if charge.per == 0:
        yield Note("per_zero", f"{name} has a price per 0 units: write the units a price is for", f"{path}.per")
    if charge.prices and charge.dimension is None:
        message = f"{name} has a rate card and does not say of which dimension: add dimension"
        yield Note("dimension_missing", message, f"{path}.dimension")
    yield from _bound_notes(charge, name, path, currency)


def _bound_notes(charge: Usage, name: str, path: str, currency: str) -> Iterator[Note]:
    if charge.least_each is not None and charge.most_each is not None and charge.least_each > charge.most_each:
        message = f"{name}: the least of a record is more than the most: correct one of the two"
        yield Note("bounds_crossed", message, f"{path}.least_each")
    if charge.minimum is None:
        return
    least = display(to_minor(charge.minimum, currency), currency)
    if charge.cap is not None and charge.cap_over == "period" and charge.minimum > charge.cap:
        message = f"{name}: the minimum of {least} is above the cap of {price_text(charge.cap, currency)}"
        yield Note("minimum_above_cap", f"{message}: correct one of the two", f"{path}.minimum")
    worth = _included_worth(charge)
    if worth and charge.minimum < worth:
        message = (
            f"{name}: the minimum of {least} is less than what its included {plain(charge.free_units)} units are worth "
            f"({display(to_minor(worth, currency), currency)}): correct one of the two"
        )
        yield Note("minimum_below_included", message, f"{path}.minimum")
    if charge.charge_flat_at_zero and charge.tiers and charge.tiers[0].flat >= charge.minimum:
        message = f"{name}: its flat price alone reaches the minimum of {least}, which so never applies"
        yield Note("minimum_below_included", f"{message}: correct one of the two", f"{path}.minimum")


def _included_worth(charge: Usage) -> Fraction:
    """Return what the free units would cost at the charge's own price, in major units."""
    if charge.model == "per_unit" and charge.per:
        return Fraction(charge.free_units) * Fraction(charge.price) / Fraction(charge.per)
    if charge.model == "package" and charge.package_size:
        return Fraction(charge.free_units) * Fraction(charge.price) / Fraction(charge.package_size)
    return Fraction(0)


def _interval_notes(charge: Usage, path: str) -> Iterator[Note]:
    every = parse_interval(charge.every)
    for name, given in (("invoiced", charge.invoiced), ("resets", charge.resets)):
        longer = None if given is None else parse_interval(given)
        if longer is not None and (longer.unit != every.unit or longer.count % every.count):
            message = f"{name} {given!r} is no whole number of rated periods ({charge.every}): use a multiple"
            yield Note("interval_misfit", message, f"{path}.{name}")


def _instalment_notes(charge: FixedPrice, path: str, currency: str) -> Iterator[Note]:
    where, total = f"{path}.instalments", Fraction(charge.price) * Fraction(charge.quantity)
    for key in repeated([one.key for one in charge.instalments]):
        message = f"instalment key {key!r} of {charge.key!r} is used more than once: give each a key of its own"
        yield Note("instalment_key", message, where)
    percents = sum((Fraction(one.percent) for one in charge.instalments if one.percent is not None), Fraction(0))
    amounts = sum((Fraction(one.amount) for one in charge.instalments if one.amount is not None), Fraction(0))
    parts = total * percents / 100 + amounts
    if parts != total:
        reached, wanted = (display(to_minor(one, currency), currency) for one in (parts, total))
        message = f"the instalments of {charge.key!r} add up to {reached}, its price is {wanted}: correct one of them"
        yield Note("instalments_total", message, where)
