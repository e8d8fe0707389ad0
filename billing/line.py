"""A line: one slice of service as the terms owe it now, with the reason for its amount."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

from billing.facts import Facts
from billing.terms import Terms


class Explanation(msgspec.Struct, frozen=True):
    """Why a line has its amount: the rule's name and its operands, worded on demand."""

    rule: str
    operands: dict[str, str]


class Rule(NamedTuple):
    """How an explanation's operands are worded, and how the line's amount (minor units) is computed from them again."""

    words: Callable[[dict[str, str]], str]
    amount: Callable[[dict[str, str]], int]


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One slice of service as the terms owe it now.

    A *slice* is contract + charge + service start, or what stands for the start (``at``: a milestone, or the start with
    the part of it, e.g. ``2026-03-01:eu``); it never carries an index that an amendment would shift. ``starts`` and
    ``until`` are half-open; ``amount`` is net of discounts, in minor units of the contract's currency. ``amendment`` is
    the key of the latest amendment that made the charge what it is then; empty: as signed.
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
    at: str = ""
    amendment: str = ""
    explain: Explanation

    @property
    def slice(self) -> str:
        """The line's identity, the same for ever: ``contract/charge/service start``."""
        return f"{self.contract}/{self.charge}/{self.at or self.starts.isoformat()}"


class Scope(NamedTuple):
    """What lines are worked out from: the terms with their amendments in force, the facts, and the days wanted.

    Lines whose ``issue_on`` is ``through`` or earlier are wanted; those of ``since`` or earlier may be left out (they
    are known to be settled as they are).
    """

    terms: Terms
    facts: Facts
    through: date
    since: date | None = None
