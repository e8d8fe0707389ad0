"""On which day something is booked: its own, unless the books are closed for it."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property
from typing import Any

from store.cash import PaymentRow
from store.invoices import DocumentRow
from store.review import Finding
from sync.context import Context, Entity


class Days:
    """The days that one ledger takes. Its settings are read at most once, and only for what is dated before today."""

    def __init__(self, context: Context, entity: Entity, connection: str, ledger: Any) -> None:
        self._context = context
        self._entity = entity
        self._connection = connection
        self._ledger = ledger

    def document(self, row: DocumentRow) -> date | None:
        """Return the day on which a document is booked; None, with a review item, while its period is closed."""
        return self._day(row.issue_on, f"document:{row.id}", str(row.number))

    def payment(self, row: PaymentRow) -> date | None:
        """Return the day on which a payment is booked; None, with a review item, while its period is closed."""
        return self._day(row.received_on, f"payment:{row.id}", f"payment {row.vendor_id}")

    def refund(self, row: PaymentRow, day: date) -> date | None:
        """Return the day on which a refund is booked; None, with a review item, while its period is closed."""
        return self._day(day, f"payment:{row.id}", f"the refund of payment {row.vendor_id}")

    def payout(self, payout_id: int, name: str, day: date) -> date | None:
        """Return the day on which a payout is booked; None, with a review item, while its period is closed."""
        return self._day(day, f"payout:{payout_id}", f"payout {name}")

    def may_void(self, row: PaymentRow, day: date) -> bool:
        """Say whether what a payment was booked as on a day can still be voided; else with a review item.

        A void has no day of its own: it changes the one on which the payment was booked.
        """
        if not self._is_closed(day):
            return True
        self._context.find(
            Finding(
                code="period_closed",
                subject=f"payment:{row.id}",
                detail=f"void {self._closed_through}",
                message=(
                    f"payment {row.vendor_id}, booked on {day}, is to be voided at {self._connection}, where the books"
                    f" are closed through {self._closed_through}: until then what it paid counts as paid"
                ),
                fix="open the period in the books for a moment: the next run voids it",
            )
        )
        return False

    def _is_closed(self, day: date) -> bool:
        if day >= self._context.today(self._entity.key):
            return False
        return self._closed_through is not None and day <= self._closed_through

    def _day(self, wanted: date, subject: str, name: str) -> date | None:
        if not self._is_closed(wanted):
            return wanted
        assert self._closed_through is not None  # it is closed
        if self._entity.closed_period == "next_open":
            return self._closed_through + timedelta(days=1)
        self._context.find(
            Finding(
                code="period_closed",
                subject=subject,
                detail=str(self._closed_through),
                message=(
                    f"{name} of {wanted} is not booked at {self._connection}:"
                    f" the books are closed through {self._closed_through}"
                ),
                fix='open the period in the books for a moment, or set closed_period = "next_open" for'
                f" {self._entity.key}: then it is booked on the first open day",
            )
        )
        return None

    @cached_property
    def _closed_through(self) -> date | None:
        closed: date | None = self._ledger.setup().closed_through
        return closed
