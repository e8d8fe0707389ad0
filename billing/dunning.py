"""Reminders of what is overdue: which step an invoice has reached, or why it is left alone.

A reminder is sent to nobody who may not owe: all that speaks against it is asked first, and only then the ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec

Step = Literal["friendly", "firm", "escalation"]
STEPS: tuple[Step, ...] = ("friendly", "firm", "escalation")
LADDER = (1, 7, 14)  # days after the due date on which each step is reached

Reason = Literal[
    "voided", "not_delivered", "not_wanted", "paid", "paid_in_books", "disputed", "parked", "stale", "cash_waiting",
    "not_yet", "sent", "finished",
]  # fmt: skip


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an invoice on a day. Amounts are minor units of its currency.

    ``books_open`` is what was open in the ledger when it was last read, None when it was never seen there; ``fresh``
    says whether that reading is recent enough. ``cash`` is money and credit of its customer in its currency that is
    not applied to anything yet, what is still on its way included.
    """

    due_on: date
    open: int
    books_open: int | None
    fresh: bool
    delivered_on: date | None  # None: it was not delivered
    wanted: bool = True  # the customer is to be mailed at all
    voided: bool = False
    disputed: bool = False
    parked: bool = False  # a person must decide about its contract first
    cash: int = 0
    sent: frozenset[str] = frozenset()  # steps that were sent, or may have been


def reached(since: date, today: date, ladder: Sequence[int] = LADDER) -> Step | None:
    """Return the newest step that is reached on ``today`` when days count from ``since``; None before the first."""
    passed = [step for step, days in zip(STEPS, ladder, strict=False) if today >= since + timedelta(days=days)]
    return passed[-1] if passed else None


def due_step(found: Standing, today: date, ladder: Sequence[int] = LADDER) -> tuple[Step | None, Reason | None]:
    """Return the step to send on ``today``, or None and why not.

    ``today`` is the date in the legal entity's zone. Days count from the due date, or from the day of delivery where
    that came later: nobody pays what has not arrived. After missed days only the newest step is sent, and what was
    missed is never made up for; a step that was sent, or a later one, is not sent again.
    """
    if (against := _against(found)) is not None:
        return None, against
    step = reached(max(found.due_on, found.delivered_on or found.due_on), today, ladder)
    if step is None:
        return None, "not_yet"
    places = [STEPS.index(one) for one in STEPS if one in found.sent]
    if places and max(places) >= STEPS.index(step):
        last = STEPS[min(len(ladder), len(STEPS)) - 1]
        return None, "finished" if step == last else "sent"
    if not found.fresh or found.books_open is None:
        return None, "stale"
    if found.cash >= owed(found):
        return None, "cash_waiting"
    return step, None


def owed(found: Standing) -> int:
    """Return what to ask for: never more than both we and the ledger believe to be open."""
    return found.open if found.books_open is None else min(found.open, found.books_open)


def _against(found: Standing) -> Reason | None:
    checks: tuple[tuple[bool, Reason], ...] = (
        (found.voided, "voided"),
        (found.delivered_on is None, "not_delivered"),
        (not found.wanted, "not_wanted"),
        (found.open <= 0, "paid"),
        (found.books_open is not None and found.books_open <= 0, "paid_in_books"),
        (found.disputed, "disputed"),
        (found.parked, "parked"),
    )
    return next((reason for speaks, reason in checks if speaks), None)
