"""The arithmetic of usage lines beyond their prices, in words and from its operands: caps, amounts off, minimums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from billing.charges import Usage
from billing.line import Rule
from billing.money import plain, to_decimal, to_minor
from billing.periods import Period
from billing.pricing import ONE, exact_total, less_percents, minor_units, pieces_words, read_pieces
from billing.words import date_text, price_text

Operands = dict[str, str]


class Rated(NamedTuple):
    """What one value of the dimension costs in a period; ``amount`` in minor units."""

    value: str
    quantity: Decimal
    unit_price: Decimal
    amount: int
    operands: Operands
    estimated: bool


def price_unit(charge: Usage) -> Decimal:
    """Return how many units a price is for: packages and percentages have their own."""
    return charge.per if charge.prices or charge.model not in ("package", "percentage") else ONE


def conditions(charge: Usage) -> Operands:
    """Return the operands that a charge gives every line of it."""
    found = {}
    if (per := price_unit(charge)) != 1:
        found["per"] = plain(per)
    if charge.aggregation != "sum":
        found["counted"] = charge.aggregation
    if charge.model == "package" and charge.package_size is not None and not charge.prices:
        found["size"] = plain(charge.package_size)
    if charge.free_units:
        found["free"] = plain(charge.free_units)
    if charge.free_records and charge.model == "percentage":
        found["free_records"] = str(charge.free_records)
    return found


def limited(rated: Sequence[Rated], charge: Usage, currency: str, off: Decimal, billed: int) -> Iterator[Rated]:
    """Yield what is rated for a period within its cap, and less an amount ``off``, taken from the first values first.

    ``billed`` minor units were charged before the period, and count towards a cap over the contract.
    """
    cap = {} if charge.cap is None else {"cap": plain(charge.cap)}
    if cap and charge.cap_over == "contract":
        cap["cap_over"] = "contract"
    less = {"off": plain(off)} if off else {}
    ahead = 0
    for one in rated:
        operands = {**one.operands, **cap, **less}
        if ahead and ("off" in operands or "cap_over" not in operands):
            operands["ahead"] = str(ahead)
        if billed and "cap_over" in operands:
            operands["billed"] = str(billed)
        amount = _limited(one.amount, operands)
        ahead += one.amount
        billed += amount
        yield one._replace(amount=amount, operands=operands)


def _limited(net: int, operands: Operands) -> int:
    currency, ahead, billed = operands["currency"], int(operands.get("ahead", "0")), int(operands.get("billed", "0"))
    cap = to_minor(Decimal(operands["cap"]), currency) if "cap" in operands else None
    in_all = "cap_over" in operands
    off = to_minor(Decimal(operands.get("off", "0")), currency)
    net = _kept(ahead + net, None if in_all else cap, off) - _kept(ahead, None if in_all else cap, off)
    return min(billed + net, cap) - min(billed, cap) if in_all and cap is not None else net


def _kept(amount: int, cap: int | None, off: int) -> int:
    """Return what is left of a period's amount; a credit stays as it is."""
    if amount <= 0:
        return amount
    return max(0, (amount if cap is None else min(amount, cap)) - off)


def minimum_operands(minimum: Decimal, period: Period, fees: int, currency: str) -> Operands:
    """Return the operands of a period's minimum that ``fees`` minor units count towards, by days for a stub."""
    operands = {"currency": currency, "minimum": plain(minimum), "fees": str(fees)}
    if period.is_stub:
        days, of = period.until - period.starts, period.full_until - period.full_starts
        operands["days"] = f"{days.days}/{of.days}"
    return operands


def minimum_amount(operands: Operands) -> int:
    """Return what is short of a minimum in minor units; below zero, by how much it is exceeded."""
    whole = Fraction(operands["minimum"]) * Fraction(operands.get("days", "1"))
    return to_minor(whole, operands["currency"]) - int(operands["fees"])


def _usage_amount(operands: Operands) -> int:
    currency, per = operands["currency"], Decimal(operands.get("per", "1"))
    total = exact_total(read_pieces(operands["parts"]), per)
    percents = [Decimal(percent) for percent in operands.get("percent", "").split()]
    net = minor_units(less_percents(total, percents), currency, per) - int(operands.get("earlier", "0"))
    return _limited(net, operands)


def _usage_words(operands: Operands) -> str:
    currency = operands["currency"]
    words = pieces_words(operands["parts"], currency, operands.get("per", "1"), operands.get("size", ""))
    if "counted" in operands:
        words = f"{_COUNTED[operands['counted']]}: {words}"
    for key, wording in _FURTHER.items():
        if key in operands:
            words += wording(operands)
    return words


def _money(minor: str, currency: str) -> str:
    return f"{to_decimal(int(minor), currency):,}"


def _cap_words(operands: Operands) -> str:
    most = price_text(operands["cap"], operands["currency"])
    if "cap_over" not in operands:
        return f", at most {most} in a period"
    billed = f" ({_money(operands['billed'], operands['currency'])} charged before)" if "billed" in operands else ""
    return f", at most {most} in all{billed}"


_COUNTED = {"max": "the highest", "last": "the last", "unique_count": "different ones"}
_FURTHER: dict[str, Callable[[Operands], str]] = {
    "free": lambda o: f", {o['free']} free",
    "free_records": lambda o: f", the first {o['free_records']} records free",
    "percent": lambda o: "".join(f", less {percent}%" for percent in o["percent"].split()),
    "earlier": lambda o: f", less {_money(o['earlier'], o['currency'])} for what was used before",
    "cap": _cap_words,
    "off": lambda o: f", less {price_text(o['off'], o['currency'])}",
    "ahead": lambda o: f", after {_money(o['ahead'], o['currency'])} in the same period",
}


def _interim_words(operands: Operands) -> str:
    currency, by = operands["currency"], date_text(date.fromisoformat(operands["by"]))
    words = f"{_money(operands['so_far'], currency)} used by {by}"
    return words if operands["before"] == "0" else f"{words}, less {_money(operands['before'], currency)} billed before"


def _minimum_words(operands: Operands) -> str:
    currency = operands["currency"]
    days = f", {operands['days'].replace('/', ' of ')} days" if "days" in operands else ""
    return f"minimum of {price_text(operands['minimum'], currency)}{days}, less {_money(operands['fees'], currency)}"


RULES: dict[str, Rule] = {
    "usage": Rule(_usage_words, _usage_amount),
    "usage_interim": Rule(_interim_words, lambda o: int(o["so_far"]) - int(o["before"])),
    "usage_billed": Rule(
        lambda o: f"billed during the period: {' + '.join(_money(one, o['currency']) for one in o['amounts'].split())}",
        lambda o: -sum(map(int, o["amounts"].split())),
    ),
    "minimum": Rule(_minimum_words, minimum_amount),
}
