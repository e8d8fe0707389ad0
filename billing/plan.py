"""Terms to lines: everything a contract owes up to a date ("should")."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec


class Explanation(msgspec.Struct, frozen=True):
    """Why a line has its amount: the rule's name and its operands, worded on demand."""

    rule: str
    operands: dict[str, str]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One slice of service as the terms owe it now.

    A *slice* is contract + charge + service start; it never carries an index that an amendment would shift.
    ``starts`` and ``until`` are half-open; ``amount`` is net of discounts, in minor units of the contract's currency.
    """

    contract: str
    charge: str
    kind: str
    description: str
    starts: date
    until: date  # exclusive; for a one-time charge the day after `starts`
    quantity: Decimal
    unit_price: Decimal
    amount: int
    issue_on: date
    tax_class: str
    product: str = ""
    estimated: bool = False
    explain: Explanation

    @property
    def slice(self) -> str:
        """The line's identity, the same for ever: ``contract/charge/service start``."""
        return f"{self.contract}/{self.charge}/{self.starts.isoformat()}"
