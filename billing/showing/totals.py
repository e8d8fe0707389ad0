"""What a contract's documents add up to: value, by charge, by month, and what the customer pays of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from billing.draft import Draft
from billing.line import Line
from billing.showing.life import Life


class Payable(NamedTuple):
    """A document beside the customer's balance, in minor units.

    A credit note becomes balance, and the next invoices use it up before anything is paid.
    """

    draft: Draft
    credit_used: int
    amount_due: int
    credit_balance: int  # after this document


class Owed(NamedTuple):
    """What one slice comes to over all documents, net, and its line as it stands last."""

    line: Line
    amount: int


class Value(NamedTuple):
    """Net value of everything shown, in minor units: billed elsewhere + billed by today + to bill."""

    total: int
    elsewhere: int
    billed: int  # on documents of today or earlier; without a today nothing is
    to_bill: int
    estimated: int  # how much of it rests on estimates


def payables(drafts: Iterable[Draft]) -> Iterator[Payable]:
    """Yield each document with what it takes from the customer's balance, or adds to it."""
    balance = 0
    for draft in drafts:
        if draft.type == "credit_note":
            balance += draft.total
            yield Payable(draft, 0, 0, balance)
        else:
            used = min(balance, draft.total)
            balance -= used
            yield Payable(draft, used, draft.total - used, balance)


def owed_by_slice(drafts: Iterable[Draft]) -> dict[str, Owed]:
    """Return what each slice comes to in the end, in the order of its first document."""
    found: dict[str, Owed] = {}
    for draft in drafts:
        for drafted in draft.lines:
            before = found.get(drafted.line.slice)
            amount = draft.sign * drafted.amount + (before.amount if before else 0)
            found[drafted.line.slice] = Owed(drafted.line, amount)
    return found


def value(life: Life) -> Value:
    """Return the contract's value to the end of what is shown."""
    lines = [(draft, draft.sign * drafted.amount, drafted.line) for draft in life.drafts for drafted in draft.lines]
    elsewhere = sum(line.amount for line in life.elsewhere)
    net = sum(amount for _, amount, _ in lines)
    billed = sum(amount for draft, amount, _ in lines if life.today is not None and draft.issue_on <= life.today)
    estimated = sum(amount for _, amount, line in lines if line.estimated)
    return Value(elsewhere + net, elsewhere, billed, net - billed, estimated)


def by_charge(life: Life) -> dict[str, int]:
    """Return the net value by charge; service billed elsewhere counts too."""
    found: dict[str, int] = {}
    for line in life.elsewhere:
        found[line.charge] = found.get(line.charge, 0) + line.amount
    for line, amount in owed_by_slice(life.drafts).values():
        found[line.charge] = found.get(line.charge, 0) + amount
    return found


def invoiced_by_month(drafts: Sequence[Draft]) -> dict[str, int]:
    """Return what is invoiced less credited, gross, by month of issue (``2026-03``)."""
    return _by_month((draft.issue_on, draft.sign * draft.total) for draft in drafts)


def cash_by_month(drafts: Sequence[Draft]) -> dict[str, int]:
    """Return what the customer is to pay, gross and less credits used, by the month it falls due in."""
    return _by_month((one.draft.due_on, one.amount_due) for one in payables(drafts) if one.amount_due)


def _by_month(amounts: Iterable[tuple[date, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for day, amount in sorted(amounts, key=lambda one: one[0]):
        month = f"{day:%Y-%m}"
        found[month] = found.get(month, 0) + amount
    return found
