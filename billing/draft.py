"""What billing hands on: what is settled, and documents to be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from billing.line import Line
from billing.tax import Rounding, TaxLine
from billing.terms import Terms


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a slice that needs no ordinary first line any more.

    ``issued``: billed by us, ``amount`` over all revisions. ``elsewhere``: billed before go-live or by hand.
    ``waived``: a person decided it is not billed. ``held``: a person must decide; nothing happens to it until then.
    ``line`` is the latest line as issued; ``revision`` the highest used, -1 where nothing was issued by us.

    ``waived`` (minor units, above zero where it lowers what is billed) is what a person gave back of an issued slice by
    a credit note: an agreed reduction. It is in ``amount`` no more, and counts as if it were: the slice is not billed
    again, and a later credit is never more than what is left of it.
    """

    slice: str
    how: Literal["issued", "elsewhere", "waived", "held"]
    amount: int = 0
    revision: int = -1
    line: Line | None = None
    waived: int = 0

    def due(self, owed: int) -> int:
        """Return what the slice should have been billed in all, when the terms owe ``owed`` for it."""
        if not self.waived or not owed:
            return owed
        return max(0, owed - self.waived) if owed > 0 else min(0, owed - self.waived)


class DraftLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line on a draft: what the slice owes less what was issued for it. Revision 0 is its first billing.

    ``line`` is the slice as it is owed now. What the customer reads differs where the line is only a difference, e.g.
    the unused days of a slice cut short; ``shown_description`` and the others say what to print.
    """

    line: Line
    revision: int
    amount: int
    tax_rate: Decimal  # percent
    description: str = ""
    starts: date | None = None
    until: date | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None

    @property
    def shown_description(self) -> str:
        """What the customer reads."""
        return self.description or self.line.description

    @property
    def shown_starts(self) -> date:
        """The first day of the service that the amount is for."""
        return self.starts or self.line.starts

    @property
    def shown_until(self) -> date:
        """The day after the last one of the service that the amount is for."""
        return self.until or self.line.until

    @property
    def shown_quantity(self) -> Decimal:
        """The quantity to print."""
        return self.line.quantity if self.quantity is None else self.quantity

    @property
    def shown_unit_price(self) -> Decimal:
        """The unit price to print, in major units."""
        return self.line.unit_price if self.unit_price is None else self.unit_price


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A document to be: an invoice, or a credit note when what is owed has shrunk.

    All amounts are minor units. On a credit note they are positive: what the customer gets back. ``waits`` are the
    codes of the notes for which it needs a person's approval even where drafts are approved by themselves. ``against``
    is the number of the invoice that a person's credit note takes back; on all other documents it is empty.
    ``payment_terms`` are those that its due date follows from; a credit note has none.
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
    waits: tuple[str, ...] = ()
    against: str = ""
    payment_terms: str = ""

    @property
    def sign(self) -> int:
        """1 for an invoice, -1 for a credit note: what its amounts count as."""
        return 1 if self.type == "invoice" else -1

    def may_leave(self, *, approved: bool) -> bool:
        """Say whether it may be issued: approved, or with nothing that waits for a person; never on an estimate."""
        return (approved or not self.waits) and not any(one.line.estimated for one in self.lines)


class Head(msgspec.Struct, frozen=True):
    """What a document says of its contract as a whole."""

    contract: str
    customer: str
    currency: str
    payment_terms: str
    po_number: str

    @classmethod
    def of(cls, terms: Terms) -> Head:
        """Return what terms say."""
        return cls(terms.contract, terms.customer, terms.currency, terms.payment_terms, terms.po_number)


class Note(msgspec.Struct, frozen=True):
    """Something a person should look at: becomes a review item. ``path`` points into the terms."""

    code: str
    message: str
    path: str = ""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the legal entity adds to the terms: its tax rates (percent by tax class), its go-live date, and bounds.

    ``tax_rounding``: the tax of each rate is rounded once on the document, or on each line. A draft that catches up
    more than ``catch_up_threshold`` (major units, net) waits for a person; one of more than ``most_lines`` lines is
    refused.
    """

    tax_rates: Mapping[str, Decimal]
    go_live: date | None = None
    tax_rounding: Rounding = "per_document"
    catch_up_threshold: Decimal = Decimal(1000)
    most_lines: int = 2000


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    """The result of billing one contract: documents to issue, slices found settled elsewhere, and notes.

    ``ahead``: something was issued that is not owed by today, or no more. Should it be owed again, that may be on a
    later day than the one it was issued for: so nothing that was issued may be left out when the contract is billed
    next.
    """

    drafts: tuple[Draft, ...] = ()
    settled_elsewhere: tuple[Settled, ...] = ()
    notes: tuple[Note, ...] = ()
    ahead: bool = False


class BrokenInvariant(Exception):
    """Billing met what must never be, e.g. one slice twice; the contract is not billed until it is understood."""
