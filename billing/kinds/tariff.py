"""What usage records cost by a charge's model, at the prices of their time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from billing.charges import Tier, Usage
from billing.facts import Unpriceable, UsageRecord
from billing.kinds.metering import aggregated
from billing.line import Scope
from billing.prices import Prices, UnitPrice, prices_of
from billing.pricing import (
    EXACT,
    ZERO,
    OutsideTiers,
    Piece,
    package_pieces,
    per_unit_pieces,
    percentage_pieces,
    tier_pieces,
)

Records = Sequence[UsageRecord]
_DAY = timedelta(days=1)


class Cost(NamedTuple):
    """A quantity, and the parts of what it costs; ``estimated`` where an index's value is assumed."""

    quantity: Decimal
    pieces: tuple[Piece, ...]
    estimated: bool


class Tariff:
    """The prices of one usage charge. ``steps`` set its ``price``; its escalator raises tiers and rate card too."""

    def __init__(self, scope: Scope, charge: Usage) -> None:
        self._scope, self._charge = scope, charge
        self._courses: dict[
            Decimal | None, Prices
        ] = {}  # of tiers and rate card, by the price as signed; None: `price`
        self._guessed = False  # whether a price of the cost being worked out rests on an assumed index

    def cost(self, value: str, records: Records, day: date) -> Cost:
        """Return what the records of a dimension's value cost in a period that begins on ``day``.

        Raises ``Unpriceable``: outside the tiers, not on the rate card, or an index's value that is not known.
        """
        self._guessed = False
        quantity = counted(self._charge, aggregated(records, self._charge.aggregation))
        try:
            pieces = self._pieces(value, records, quantity, day)
        except Unpriceable as reason:  # one price that is not known leaves the whole period as it is
            raise Unpriceable(reason.code, str(reason), min(reason.since, day), reason.path) from None
        return Cost(quantity, pieces, self._guessed)

    def _pieces(self, value: str, records: Records, quantity: Decimal, day: date) -> tuple[Piece, ...]:
        charge = self._charge
        if charge.model == "per_unit" or charge.prices:
            return per_unit_pieces(self._priced(value, records, quantity, day), charge.free_units)
        if charge.model == "percentage":
            summed = charge.aggregation == "sum"
            return percentage_pieces(charge, [record.quantity for record in records] if summed else [quantity])
        price = self._told(self._course(None).on(day)) if charge.model == "package" else ZERO
        return pieces_of(charge, quantity, price, self._tiers(day), day)

    def _priced(self, value: str, records: Records, quantity: Decimal, day: date) -> list[tuple[Decimal, Decimal]]:
        """Return units with the price of their day where they are summed, else of the period's first day."""
        course = self._course_of(value, records, day)
        if course.steady or self._charge.aggregation != "sum" or not records:
            return [(quantity, self._told(course.on(day)))]
        days = [record.day for record in records]
        found, before = [], ZERO
        for _, until, price in course.between(days[0], days[-1] + _DAY):
            through = counted(self._charge, aggregated(records[: bisect_left(days, until)], "sum"))
            found.append((EXACT.subtract(through, before), self._told(price)))
            before = through
        return found

    def _course_of(self, value: str, records: Records, day: date) -> Prices:
        charge = self._charge
        price = charge.prices.get(value)
        if price is not None:
            return self._course(price)
        if charge.prices and any(record.id for record in records):  # what is assumed has no value
            named = f"{charge.dimension} {value!r}" if value else f"a record without {charge.dimension}"
            message = f"{named} has no price: add it to the prices of charge {charge.key!r}, or correct the record"
            raise Unpriceable("no_price", message, day, "prices")
        return self._course(None)

    def _tiers(self, day: date) -> Sequence[Tier]:
        tiers = self._charge.tiers
        if self._charge.escalator is None:
            return tiers
        return [
            msgspec.structs.replace(
                tier,
                price=self._told(self._course(tier.price).on(day)),
                flat=self._told(self._course(tier.flat).on(day)),
            )
            for tier in tiers
        ]

    def _course(self, stated: Decimal | None) -> Prices:
        if stated not in self._courses:
            self._courses[stated] = prices_of(self._scope, self._charge, stated)
        return self._courses[stated]

    def _told(self, price: UnitPrice) -> Decimal:
        self._guessed = self._guessed or price.estimated
        return price.price


def counted(charge: Usage, quantity: Decimal) -> Decimal:
    """Return a quantity as the charge counts it, rounded where it says so."""
    decimals = charge.quantity_decimals
    if decimals is None:
        return quantity
    return EXACT.scaleb(EXACT.to_integral_value(EXACT.scaleb(quantity, decimals)), -decimals)


def pieces_of(charge: Usage, quantity: Decimal, price: Decimal, tiers: Sequence[Tier], day: date) -> tuple[Piece, ...]:
    """Return what a quantity costs in packages at a price, or over tiers, in a period that begins on ``day``.

    Raises ``Unpriceable`` outside the tiers.
    """
    if charge.model == "package":
        return package_pieces(quantity, charge.package_size or Decimal(1), price, charge.free_units)
    paid = quantity if quantity < 0 else max(EXACT.subtract(quantity, charge.free_units), ZERO)
    try:
        return tier_pieces(
            paid, tiers, "volume" if charge.model == "volume" else "graduated", charge.charge_flat_at_zero
        )
    except OutsideTiers as error:
        message = f"charge {charge.key!r}: {error}: add a tier without up_to, or correct the usage"
        raise Unpriceable("outside_tiers", message, day, "tiers") from None
