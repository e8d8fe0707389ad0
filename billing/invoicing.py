"""Owed minus settled: drafts, credit notes and review notes.

``bill`` works out everything the terms owe up to today, takes off what is settled and drafts the rest. It may run
twice, late, or after a change of terms: a slice's drafted lines always add up to what the terms owe for it now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from billing.due import due_date
from billing.money import plain
from billing.plan import Explanation, Line, plan
from billing.tax import TaxLine as TaxLine
from billing.tax import document_taxes
from billing.terms import Terms


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


class BrokenInvariant(Exception):
    """Billing met what must never be, e.g. one slice twice; the contract is not billed until it is understood."""


Difference = tuple[Line, int, int]  # the line as owed now, the revision that corrects it, by how much


def bill(terms: Terms, settled: Sequence[Settled], *, today: date, rules: Rules) -> Billing:
    """Draft what the terms owe by ``today`` beyond what is settled; the same inputs give the same drafts.

    - A slice that is due and not settled is billed in full (revision 0). One that starts before ``rules.go_live`` or
      by ``terms.billed_through`` counts as billed elsewhere instead.
    - An issued slice whose amount has changed is corrected by the difference, up or down, under the next revision.
    - An issued slice that is not owed any more is credited by all that was issued for it.
    - What is settled elsewhere, waived or held is left alone.
    - A line of 0.00 is shown beside lines that charge something on the same ``issue_on``; alone it makes no document.

    All of it comes as one draft dated ``today``; below zero in total it is a credit note. Nothing is drafted for a
    contract with a tax class that has no rate: a note says so. Raises ``BrokenInvariant``.
    """
    known = _once(settled, "settled")
    owed = _once(plan(terms, _horizon(settled, today)), "planned")
    before = {key: line for key, line in owed.items() if key not in known and _billed_before(line, terms, rules)}
    elsewhere = tuple(
        Settled(slice=key, how="elsewhere", line=line) for key, line in before.items() if line.issue_on <= today
    )
    differences = list(_differences({key: owed[key] for key in owed if key not in before}, known, today))
    charged_days = {line.issue_on for line, _, amount in differences if amount}
    shown = [item for item in differences if item[2] or item[0].issue_on in charged_days]
    notes = [*_tax_class_notes(terms, shown, rules), *_currency_notes(terms, settled)]
    if notes or not shown:
        return Billing(settled_elsewhere=elsewhere, notes=tuple(notes))
    draft = _draft(terms, shown, today, rules)
    return Billing(drafts=(draft,), settled_elsewhere=elsewhere, notes=tuple(_po_notes(terms)))


def settle(settled: Iterable[Settled], billing: Billing) -> list[Settled]:
    """Return what is settled once a billing's drafts are issued as they stand: what the next ``bill`` starts from."""
    known = {item.slice: item for item in (*settled, *billing.settled_elsewhere)}
    for draft in billing.drafts:
        for drafted in draft.lines:
            was = known.get(drafted.line.slice)
            amount = (was.amount if was else 0) + (drafted.amount if draft.type == "invoice" else -drafted.amount)
            known[drafted.line.slice] = Settled(
                slice=drafted.line.slice, how="issued", amount=amount, revision=drafted.revision, line=drafted.line
            )
    return list(known.values())


def digest(draft: Draft) -> str:
    """Return the SHA-256 of what a draft bills, to see whether a stored one has changed.

    The draft's own two dates are left out: they are set anew on the day of issue.
    """
    content = msgspec.to_builtins(
        msgspec.structs.replace(draft, issue_on=date.min, due_on=date.min), builtin_types=(Decimal,)
    )
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(text.encode()).hexdigest()


_Sliced = TypeVar("_Sliced", Settled, Line)


def _once(items: Iterable[_Sliced], what: str) -> dict[str, _Sliced]:
    found: dict[str, _Sliced] = {}
    for item in items:
        key = item.slice
        if key in found:
            raise BrokenInvariant(f"slice {key} is {what} twice")
        found[key] = item
    return found


def _horizon(settled: Iterable[Settled], today: date) -> date:
    """Return how far to plan: past everything issued, or an earlier ``today`` would credit what was billed ahead."""
    issued = [item.line for item in settled if item.how == "issued" and item.line is not None]
    return max([today, *(max(line.issue_on, line.until) for line in issued)])


def _billed_before(line: Line, terms: Terms, rules: Rules) -> bool:
    if rules.go_live is not None and line.starts < rules.go_live:
        return True
    return terms.billed_through is not None and line.starts <= terms.billed_through


def _differences(owed: Mapping[str, Line], known: Mapping[str, Settled], today: date) -> Iterator[Difference]:
    for key, line in owed.items():
        was = known.get(key)
        if was is None:
            if line.issue_on <= today:
                yield line, 0, line.amount
        elif was.how == "issued" and was.amount != line.amount:
            yield line, was.revision + 1, line.amount - was.amount
    for was in known.values():
        if was.how == "issued" and was.amount and was.slice not in owed:
            yield _no_longer_owed(was), was.revision + 1, -was.amount


def _no_longer_owed(was: Settled) -> Line:
    if was.line is None:
        raise BrokenInvariant(f"slice {was.slice} was issued, but its line is not known: it cannot be credited")
    return msgspec.structs.replace(was.line, amount=0, explain=Explanation("not_owed", {}))


def _draft(terms: Terms, shown: Sequence[Difference], today: date, rules: Rules) -> Draft:
    subtotal = sum(amount for _, _, amount in shown)
    taxes = document_taxes(((line.tax_class, amount) for line, _, amount in shown), rules.tax_rates)
    tax = sum(line.amount for line in taxes)
    sign = -1 if subtotal + tax < 0 else 1  # what a credit note gives back is written as positive amounts
    return Draft(
        contract=terms.contract,
        customer=terms.customer,
        currency=terms.currency,
        type="credit_note" if sign < 0 else "invoice",
        issue_on=today,
        due_on=today if sign < 0 else due_date(terms.payment_terms, today),
        po_number=terms.po_number,
        lines=tuple(
            DraftLine(line=line, revision=revision, amount=sign * amount, tax_rate=rules.tax_rates[line.tax_class])
            for line, revision, amount in shown
        ),
        taxes=tuple(msgspec.structs.replace(one, base=sign * one.base, amount=sign * one.amount) for one in taxes),
        subtotal=sign * subtotal,
        tax=sign * tax,
        total=sign * (subtotal + tax),
    )


def _tax_class_notes(terms: Terms, shown: Iterable[Difference], rules: Rules) -> list[Note]:
    """Name every tax class without a rate, those of charges that are not due yet too: better seen early."""
    paths = {charge.tax_class: f"charges[{index}].tax_class" for index, charge in reversed([*enumerate(terms.charges)])}
    used = [*dict.fromkeys([*(charge.tax_class for charge in terms.charges), *(item[0].tax_class for item in shown)])]
    rates = ", ".join(sorted(rules.tax_rates)) or "none"
    return [
        Note("tax_class", f"tax class {name!r} has no rate; rates are known for: {rates}", paths.get(name, ""))
        for name in used
        if name not in rules.tax_rates
    ]


def _currency_notes(terms: Terms, settled: Iterable[Settled]) -> list[Note]:
    """Refuse to set amounts of one currency off against another's: that contract needs a person."""
    lines = [item.line for item in settled if item.how == "issued" and item.line is not None]
    others = {line.explain.operands.get("currency", terms.currency) for line in lines} - {terms.currency}
    if not others:
        return []
    message = (
        f"the contract is in {terms.currency}, but was billed in {', '.join(sorted(others))}: write a new contract"
    )
    return [Note("currency_changed", message, "currency")]


def _po_notes(terms: Terms) -> list[Note]:
    if not terms.po_required or terms.po_number:
        return []
    message = f"contract {terms.contract} requires a purchase order and has no number: enter it before issuing"
    return [Note("po_missing", message, "po_number")]
