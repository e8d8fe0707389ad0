"""Owed minus settled: drafts, credit notes and review notes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from billing.plan import Line


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a slice that needs no ordinary first line any more.

    ``issued``: billed by us, ``amount`` over all revisions. ``elsewhere``: billed before go-live or by hand.
    ``waived``: a person decided it is not billed. ``held``: a person must decide; nothing happens to it until then.
    ``line`` is the latest line as issued; ``revision`` the highest used, -1 where nothing was issued by us.
    """

    slice: str
    how: Literal["issued", "elsewhere", "waived", "held"]
    amount: int = 0
    revision: int = -1
    line: Line | None = None


class DraftLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line on a draft: what the slice owes less what was issued for it. Revision 0 is its first billing."""

    line: Line
    revision: int
    amount: int
    tax_rate: Decimal  # percent


class TaxLine(msgspec.Struct, frozen=True, kw_only=True):
    """Tax of one class and rate on a whole document."""

    tax_class: str
    rate: Decimal  # percent
    base: int
    amount: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A document to be: an invoice, or a credit note when what is owed has shrunk.

    All amounts are minor units. On a credit note they are positive: what the customer gets back.
    """

    contract: str
    customer: str
    currency: str
    type: Literal["invoice", "credit_note"]
    issue_on: date
    due_on: date
    po_number: str
    lines: tuple[DraftLine, ...]
    taxes: tuple[TaxLine, ...]
    subtotal: int
    tax: int
    total: int


class Note(msgspec.Struct, frozen=True):
    """Something a person should look at: becomes a review item. ``path`` points into the terms."""

    code: str
    message: str
    path: str = ""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the legal entity adds to the terms: its tax rates (percent by tax class) and its go-live date."""

    tax_rates: Mapping[str, Decimal]
    go_live: date | None = None


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    """The result of billing one contract: documents to issue, slices found settled elsewhere, and notes."""

    drafts: tuple[Draft, ...] = ()
    settled_elsewhere: tuple[Settled, ...] = ()
    notes: tuple[Note, ...] = ()
