"""Credit notes that a person gives against an issued invoice, and what voiding a document means for its slices.

Net first, tax from the net. No line is credited by more than is left of it, and the note that takes the last of a tax
class takes the rest of that class's tax too: so all notes together are the invoice, to the cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from billing.draft import Draft, DraftLine, Settled
from billing.money import allocate, display
from billing.tax import Rounding, TaxLine, document_taxes


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """An issued invoice, the credit notes already given ``against`` its number, and its slices as they stand."""

    number: str
    invoice: Draft
    notes: tuple[Draft, ...] = ()
    settled: tuple[Settled, ...]
    rounding: Rounding = "per_document"


def left(billed: Billed) -> list[int]:
    """Return what can still be credited of each line, net in minor units; below zero for a line that is a credit.

    That is its amount less what was credited of it, and never more than is billed for its slice in all.
    """
    slices = {item.slice: item for item in billed.settled if item.how == "issued"}
    credited: dict[str, int] = {}
    for note in billed.notes:
        for one in note.lines:
            credited[one.line.slice] = credited.get(one.line.slice, 0) + one.amount
    found = []
    for one in billed.invoice.lines:
        rest = one.amount - credited.get(one.line.slice, 0)
        slice_ = slices.get(one.line.slice)
        if slice_ is None:
            rest = 0
        elif rest > 0:
            rest = max(0, min(rest, slice_.amount))
        found.append(rest)
    return found


def credit_in_full(billed: Billed, today: date) -> Draft:
    """Return the credit note for all that is left of an invoice; raises ``ValueError`` when nothing is."""
    return _note(billed, left(billed), today)


def credit_lines(billed: Billed, wanted: Mapping[int, int | None], today: date) -> Draft:
    """Return the credit note for some lines of an invoice, by their index: a net amount, or None for all that is left.

    Raises ``ValueError`` for an amount that is not above zero, or more than is left of its line.
    """
    rest, amounts = left(billed), [0] * len(billed.invoice.lines)
    for index, amount in wanted.items():
        if not 0 <= index < len(rest):
            raise ValueError(f"invoice {billed.number} has no line {index + 1}")
        amounts[index] = rest[index] if amount is None else amount
        if not 0 < amounts[index] <= rest[index]:
            name = billed.invoice.lines[index].shown_description
            raise ValueError(_too_much(billed, f"{name!r}", amounts[index], rest[index]))
    return _note(billed, amounts, today)


def credit_net(billed: Billed, net: int, today: date) -> Draft:
    """Return the credit note for a net amount, spread over the lines in proportion to what is left of them.

    Raises ``ValueError`` for an amount that is not above zero, or more than is left of the invoice.
    """
    rest = left(billed)
    if not 0 < net <= sum(rest):
        raise ValueError(_too_much(billed, "net", net, sum(rest)))
    return _note(billed, _parts(rest, net), today)


def credit_gross(billed: Billed, gross: int, today: date) -> Draft:
    """Return the credit note for an amount with tax: the largest net whose gross does not exceed it.

    A tax that is rounded skips some totals, so the note may be a minor unit below what was asked for, never above.
    Raises ``ValueError`` as ``credit_net`` does.
    """
    rest = left(billed)
    whole = _note(billed, rest, today)
    if not 0 < gross <= whole.total:
        raise ValueError(_too_much(billed, "gross", gross, whole.total))
    net = min(whole.subtotal, -(-gross * whole.subtotal // whole.total) + len(whole.taxes))
    while net > 1 and _note(billed, _parts(rest, net), today).total > gross:
        net -= 1
    return _note(billed, _parts(rest, net), today)


def voided(document: Draft, settled: Iterable[Settled]) -> list[Settled]:
    """Return what is settled once a document is voided: what it billed does not count, and its slices are held.

    A person says for each what is to become of it. Revisions go on, so that what is billed again is a further one.
    """
    known = {item.slice: item for item in settled}
    for one in document.lines:
        was, amount = known[one.line.slice], document.sign * one.amount
        known[was.slice] = msgspec.structs.replace(
            was,
            how="held",
            amount=was.amount - amount,
            waived=was.waived + amount if document.against else was.waived,
        )
    return list(known.values())


def _parts(rest: Sequence[int], net: int) -> list[int]:
    """Spread a net amount over what is left of the lines; credits on the invoice go back only with the last of it."""
    return list(rest) if net == sum(rest) else allocate(net, [max(0, one) for one in rest])


def _note(billed: Billed, amounts: Sequence[int], today: date) -> Draft:
    invoice = billed.invoice
    if invoice.type != "invoice":
        raise ValueError(f"{billed.number} is a credit note: only an invoice can be credited")
    revisions = {item.slice: item.revision for item in billed.settled}
    lines = tuple(
        _line(one, amount, revisions[one.line.slice] + 1)
        for one, amount in zip(invoice.lines, amounts, strict=True)
        if amount
    )
    if not lines:
        raise ValueError(f"nothing is left to credit of invoice {billed.number}")
    taxes = _taxes(billed, lines)
    subtotal, tax = sum(one.amount for one in lines), sum(one.amount for one in taxes)
    return msgspec.structs.replace(
        invoice,
        type="credit_note",
        issue_on=today,
        due_on=today,
        lines=lines,
        taxes=taxes,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        waits=(),
        against=billed.number,
    )


def _line(one: DraftLine, amount: int, revision: int) -> DraftLine:
    return msgspec.structs.replace(
        one, revision=revision, amount=amount, description=f"Credit: {one.shown_description}"
    )


def _taxes(billed: Billed, lines: Iterable[DraftLine]) -> tuple[TaxLine, ...]:
    """Return the tax of the net amounts; all that is left of a class's tax with the last of its net, never more."""
    rates = {one.tax_class: one.rate for one in billed.invoice.taxes}
    bases, taxes = _tax_left(billed)
    return tuple(
        msgspec.structs.replace(
            one,
            amount=taxes[one.tax_class]
            if one.base == bases[one.tax_class]
            else min(one.amount, max(0, taxes[one.tax_class])),
        )
        for one in document_taxes(((one.line.tax_class, one.amount) for one in lines), rates, billed.rounding)
    )


def _tax_left(billed: Billed) -> tuple[dict[str, int], dict[str, int]]:
    bases = {one.tax_class: one.base for one in billed.invoice.taxes}
    taxes = {one.tax_class: one.amount for one in billed.invoice.taxes}
    for note in billed.notes:
        for one in note.taxes:
            bases[one.tax_class] -= one.base
            taxes[one.tax_class] -= one.amount
    return bases, taxes


def _too_much(billed: Billed, what: str, amount: int, most: int) -> str:
    currency = billed.invoice.currency
    asked, rest = display(amount, currency), display(max(0, most), currency)
    return f"{asked} cannot be credited of invoice {billed.number} ({what}): write an amount up to {rest}"
