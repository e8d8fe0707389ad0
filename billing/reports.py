"""What "overdue" and "aging" mean; pages and reports count by these definitions. ``today`` is the entity's own day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

BUCKETS = ("current", "1-30", "31-60", "61-90", "90+")
_LAST_DAYS = (0, 30, 60, 90)  # the most days past due that a bucket takes; beyond them comes the last


def days_past_due(due_on: date, today: date) -> int:
    """Return how many days ago an invoice fell due; 0 on the due date itself and before it."""
    return max(0, (today - due_on).days)


def is_overdue(due_on: date, open_amount: int, today: date) -> bool:
    """Whether something is still open on a day strictly after the due date."""
    return open_amount > 0 and due_on < today


def bucket(due_on: date, today: date) -> str:
    """Return the aging bucket of an open invoice, one of ``BUCKETS``."""
    days = days_past_due(due_on, today)
    return BUCKETS[sum(days > last for last in _LAST_DAYS)]


def aging(invoices: Iterable[tuple[str, date, int]], today: date) -> dict[str, dict[str, int]]:
    """Add up open amounts by currency and bucket, each currency with every bucket.

    ``invoices`` are (currency, due date, open amount in minor units); what is settled counts for nothing.
    """
    totals: dict[str, dict[str, int]] = {}
    for currency, due_on, open_amount in invoices:
        if open_amount:
            buckets = totals.setdefault(currency, dict.fromkeys(BUCKETS, 0))
            buckets[bucket(due_on, today)] += open_amount
    return totals
