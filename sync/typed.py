"""Payments that people typed into the books: they count like any other, as the books have them now, and the books win.

What of one is gone there, or is another by now, is taken back here and applied anew as it is there. Everything is taken
back before anything is applied, so that two payments which changed places do not stand in each other's way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from connectors.base import LedgerPayment
from store import cash, invoices, ledger, links
from store.cash import PaymentRow
from store.review import Finding
from sync import books
from sync.context import Context, Entity

_WHY = "typed into the books"


class _Typed(NamedTuple):
    """A payment as the books have it, and what it pays of our invoices (by our id)."""

    found: LedgerPayment
    parts: dict[int, int]

    @property
    def is_told(self) -> bool:
        """Say whether its parts are its own: a part of it may be a credit note's, and which is not told."""
        return sum(self.found.applied.values()) + self.found.unapplied <= self.found.amount

    @property
    def amount(self) -> int:
        """What of it concerns us; nothing when it does not stand."""
        return sum(self.parts.values()) + self.found.unapplied if self.found.status == "active" else 0

    @property
    def says(self) -> tuple[str, int, dict[int, int], date | None]:
        """What must be the same for it to be unchanged."""
        standing = self.amount > 0
        return self.found.currency, self.amount, self.parts if standing else {}, self.found.received_on


def take(context: Context, entity: Entity, connection: str, maybe_ours: Collection[str]) -> None:
    """Count payments typed in for our invoices, as they are now; ``maybe_ours``: keys of postings of ours."""
    known = {row.vendor_id: row for row in cash.typed(context.store, connection)}
    news = list(_news(context, connection, known, maybe_ours))
    for one in news:
        if (row := known.get(one.found.ref.id)) is not None:
            _take_back(context, connection, row, one)
    for one in news:
        try:
            _count(context, entity, connection, one, known.get(one.found.ref.id))
        except ValueError as error:
            _report(context, connection, one, str(error))


def _news(
    context: Context, connection: str, known: Mapping[str, PaymentRow], maybe_ours: Collection[str]
) -> Iterator[_Typed]:
    """Yield what was typed in, or is another than we have it."""
    ours = books.own_payments(context, connection)
    documents = links.by_vendor(context.store, connection, "document")
    for found in ledger.objects(context.store, connection, "payment", LedgerPayment):
        if found.ref.id in ours:
            continue
        one, row = _typed(found, documents), known.get(found.ref.id)
        if not one.is_told:
            continue  # the balances show it
        if row is None:
            is_new = found.status == "active" and bool(one.parts) and found.key not in maybe_ours
        else:
            is_new = one.says != _typed(row.payment(LedgerPayment), documents).says
        if is_new:
            yield one


def _typed(found: LedgerPayment, documents: Mapping[str, int]) -> _Typed:
    return _Typed(found, {documents[key]: part for key, part in found.applied.items() if key in documents})


def _take_back(context: Context, connection: str, row: PaymentRow, one: _Typed) -> None:
    status = one.found.status
    why = f"it was {'changed' if status == 'active' else status} at {connection}"
    with context.store.transaction():
        left = cash.take_back(context.store, context.actor, row, why)
    context.count("payments changed in the books", left < row.applied)


def _count(context: Context, entity: Entity, connection: str, one: _Typed, before: PaymentRow | None) -> None:
    """Save a payment as it is there, and apply it. Raises ``ValueError`` for one that cannot be our invoice's."""
    store, found = context.store, one.found
    received_on = found.received_on or context.today(entity.key)
    with store.transaction():
        cash.save_payment(
            store,
            context.actor,
            connection=connection,
            vendor_id=found.ref.id,
            digest=cash.payment_digest(found),
            entity=entity.key,
            currency=found.currency or (before.currency if before else ""),
            amount=one.amount or (before.amount if before else 0),
            refunded=0,
            status="succeeded" if one.amount else "failed",
            received_on=received_on.isoformat(),
            data=cash.payment_data(found),
        )
        row = cash.by_vendor(store, connection, found.ref.id)
        assert row is not None
        if one.amount:
            fitting = [(key, part) for key, part in one.parts.items() if part <= invoices.get(store, key).open]
            cash.apply(store, context.actor, row, fitting, _WHY)
    if before is None:
        context.count("payments typed into the books")


def _report(context: Context, connection: str, one: _Typed, problem: str) -> None:
    context.find(
        Finding(
            code="typed_payment_unclear",
            subject=f"ledger_payment:{connection}:{one.found.ref.id}",
            message=f"A payment typed in at {connection} (id {one.found.ref.id}) is not counted: {problem}",
            fix="correct it there, or type it in for the right invoice; the others are counted",
        )
    )
