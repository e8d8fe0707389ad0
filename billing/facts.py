"""What happened, beside what was agreed: usage, accepted milestones, price indices, overdue invoices.

Billing computes an amount from terms and facts alone, so a late or corrected fact changes what is owed and the next
run bills the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One measured use. ``id`` is unique for ever within a contract: the same record sent again changes nothing.

    ``day`` is the calendar day in the legal entity's zone on which it counts, ``at`` the moment as given (for order).
    ``value`` is what ``unique_count`` counts.
    """

    id: str
    meter: str
    day: date
    quantity: Decimal = Decimal(1)
    at: str = ""
    dimensions: dict[str, str] = {}
    value: str = ""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """A milestone that the customer accepted: the instalment ``milestone`` of ``charge``, or a holdback's release.

    For a holdback ``charge`` is ``"holdback"`` and ``milestone`` is empty.
    """

    charge: str
    milestone: str = ""
    on: date


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """An issued invoice that is not paid, due or not yet, or was paid late; ``open`` is left of it, in minor units.

    ``paid`` is what was paid after its due date: (day, amount), oldest first. What was open on a day is ``open`` plus
    what was paid later, so that a fee for a time that has passed does not vanish with the payment.
    """

    number: str
    due_on: date
    open: int
    paid: tuple[tuple[date, int], ...] = ()


IndexSeries = tuple[tuple[date, Decimal], ...]  # (published on, value), oldest first


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of a contract beside its terms. ``assume_from`` lets a preview fill in what is not known yet.

    From that day on estimates stand in for usage, expected days for acceptances, and an index's latest value for one
    that is not published yet; the lines say so by ``estimated``.
    """

    usage: tuple[UsageRecord, ...] = ()
    accepted: tuple[Acceptance, ...] = ()
    indices: Mapping[str, IndexSeries] = {}
    overdue: tuple[Overdue, ...] = ()
    assume_from: date | None = None  # what happens on or after this day may be assumed; None: nothing is assumed


NO_FACTS = Facts()


class Unpriceable(Exception):
    """A charge cannot be priced from a day on: its slices starting then are left as they are, and a person is told.

    ``path`` points into the charge, e.g. ``tiers``.
    """

    def __init__(self, code: str, message: str, since: date, path: str = "") -> None:
        super().__init__(message)
        self.code, self.since, self.path = code, since, path
