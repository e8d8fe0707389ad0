"""Owed minus settled, slice by slice, and how a difference reads on paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from billing.draft import BrokenInvariant, DraftLine, Settled
from billing.line import Explanation, Line


class Difference(NamedTuple):
    """A slice's line as owed now, the revision that corrects it, by how much (minor units), and what was settled."""

    slice: str
    line: Line
    revision: int
    amount: int
    was: Settled | None


class Left(NamedTuple):
    """Slices to leave alone: those issued on or before ``since``, and those of a charge from the day it is unknown."""

    since: date | None
    unknown: Mapping[str, date]

    def covers(self, line: Line) -> bool:
        """Whether a line's slice is one of them."""
        return (self.since is not None and line.issue_on <= self.since) or bool(self.unknown and self.is_unknown(line))

    def is_unknown(self, line: Line) -> bool:
        """Whether what a line's slice owes cannot be worked out."""
        return line.charge in self.unknown and line.starts >= self.unknown[line.charge]


def differences(
    owed: Mapping[str, Line], known: Mapping[str, Settled], today: date, left: Left
) -> Iterator[Difference]:
    """Yield what is owed by ``today`` and was not billed, too little, too much, or is not owed any more.

    Raises ``BrokenInvariant`` for an issued slice whose line is not known.
    """
    for key, line in owed.items():
        was = known.get(key)
        if was is None:
            if line.issue_on <= today and not left.covers(line):
                yield Difference(key, line, 0, line.amount, None)
        elif was.how == "issued" and was.amount != (due := was.due(line.amount)) and not left.is_unknown(line):
            yield Difference(key, line, was.revision + 1, due - was.amount, was)
    for was in missing(owed, known.values(), left) if known else ():
        due = was.due(0)
        if due != was.amount:
            yield Difference(was.slice, _no_longer_owed(was), was.revision + 1, due - was.amount, was)


def missing(owed: Mapping[str, Line], known: Iterable[Settled], left: Left) -> Iterator[Settled]:
    """Yield the issued slices with an amount that are not owed."""
    for was in known:
        if not was.amount or was.how != "issued" or was.slice in owed:
            continue
        if was.line is None or not left.covers(was.line):
            yield was


def check(found: Iterable[Difference]) -> None:
    """Hold differences against what must always be; raises ``BrokenInvariant``."""
    seen: set[str] = set()
    for key, line, revision, amount, was in found:
        before = was.amount if was is not None else 0
        if key in seen:
            raise BrokenInvariant(f"slice {key} is drafted twice")
        seen.add(key)
        if revision != (was.revision + 1 if was is not None else 0):
            raise BrokenInvariant(f"slice {key} is drafted as revision {revision}, which it has already")
        due = was.due(line.amount) if was is not None else line.amount
        if before + amount != due:
            raise BrokenInvariant(f"slice {key} would be billed {before + amount} in all, but owes {due}")
        if amount < 0 <= line.amount and before + amount < 0:
            raise BrokenInvariant(f"slice {key} would be credited {-amount}, but only {before} was billed")


def worded(found: Difference, sign: int, tax_rate: Decimal) -> DraftLine:
    """Return a difference as a draft's line, in words a customer understands; ``sign`` is -1 on a credit note."""
    shown: dict[str, Any] = {}
    if found.was is not None and found.was.amount:  # what stands at zero is billed anew, as if for the first time
        shown = _shown(found.line, found.was.line or found.line, found.amount)
    return DraftLine(line=found.line, revision=found.revision, amount=sign * found.amount, tax_rate=tax_rate, **shown)


def _shown(line: Line, before: Line, amount: int) -> dict[str, Any]:
    same_price = (line.unit_price, line.quantity) == (before.unit_price, before.quantity)
    if line.explain.rule == "not_owed" and amount < 0:
        return {"description": f"Credit: {before.description}"}
    if line.until < before.until and amount < 0 and same_price:
        return {
            "description": f"Credit for the unused part: {before.description}",
            "starts": line.until,
            "until": before.until,
        }
    if line.until > before.until and amount > 0 and same_price:
        return {"starts": before.until}
    if line.kind in ("usage", "overage") and amount > 0:
        used = line.quantity - before.quantity
        return {"description": f"Later usage: {line.description}", "quantity": used if used > 0 else None}
    return {"description": f"Correction: {line.description}"}


def _no_longer_owed(was: Settled) -> Line:
    if was.line is None:
        raise BrokenInvariant(f"slice {was.slice} was issued, but its line is not known: it cannot be credited")
    return msgspec.structs.replace(was.line, amount=0, explain=Explanation("not_owed", {}))
