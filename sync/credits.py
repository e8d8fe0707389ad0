"""Credit notes that people give against issued invoices: shown first, then issued at once under a number of their own.

They are no part of any plan. What they take back counts as waived: it is not billed again.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.credits import Billed, credit_gross, credit_in_full, credit_lines, credit_net, left
from billing.draft import Draft
from billing.money import display, exact_minor
from billing.written import draft_digest, to_json
from store import contracts, invoices, restores
from store.audit import Actor
from store.database import Store
from store.invoices import DocumentRow
from sync.context import Entity, World


class Wish(NamedTuple):
    """What to credit: a line (its place on the invoice, from 1) or ``amount`` of it, a ``net`` or a ``gross`` amount.

    Amounts are major units. Nothing said: all that is left of the invoice.
    """

    line: int | None = None
    amount: Decimal | None = None
    net: Decimal | None = None
    gross: Decimal | None = None


def find(store: Store, number: str) -> DocumentRow:
    """Return an issued invoice by its number; raises ``ValueError`` when there is none, or several."""
    rows = invoices.numbered(store, number)
    if not rows:
        raise ValueError(f"{number}: there is no such invoice; `netterms report invoices` lists them")
    if len(rows) > 1:
        sold = ", ".join(row.entity for row in rows)
        raise ValueError(f"{number} is an invoice of several legal entities ({sold}): credit it on its page")
    return rows[0]


def rest(store: Store, world: World, row: DocumentRow) -> list[int]:
    """Return what can still be credited of each line of an invoice, net in minor units. Raises ``ValueError``."""
    return left(_billed(store, world, row))


def note(store: Store, world: World, row: DocumentRow, wish: Wish) -> Draft:
    """Return the credit note that a wish comes to, dated today. Raises ``ValueError`` saying what is possible."""
    billed, today = _billed(store, world, row), _today(world, row)
    currency = row.currency
    if wish.amount is not None and wish.line is None:
        raise ValueError("an amount is of a line: say which")
    if sum(one is not None for one in (wish.line, wish.net, wish.gross)) > 1:
        raise ValueError("a line, a net amount, or an amount with tax: one of them")
    if wish.line is not None:
        amount = None if wish.amount is None else exact_minor(wish.amount, currency)
        return credit_lines(billed, {wish.line - 1: amount}, today)
    if wish.net is not None:
        return credit_net(billed, exact_minor(wish.net, currency), today)
    if wish.gross is not None:
        return credit_gross(billed, exact_minor(wish.gross, currency), today)
    return credit_in_full(billed, today)


def give(
    store: Store, world: World, actor: Actor, row: DocumentRow, wish: Wish, reason: str, seen: str = ""
) -> DocumentRow:
    """Issue the credit note that a wish comes to and return it; ``seen`` is the mark of the one a person looked at.

    Its contracts are planned anew, and their drafts of the same service drawn up anew. Raises ``ValueError``.
    """
    if not reason.strip():
        raise ValueError("say why: the reason is kept in the audit trail")
    with store.transaction():
        found = note(store, world, row, wish)
        if seen not in ("", mark(found)):
            raise ValueError("something has changed since you looked: look again")
        entity = _entity(world, row)
        if restores.is_pending(store, entity.accounting):
            raise ValueError("the store was put back to a backup: run `netterms sync` first, it reads the books back")
        number = invoices.take_number(store, entity.key, entity.credit_prefix, entity.number_digits)
        slices = invoices.slices_of(found)
        invoices.withdraw(store, actor, slices, f"credited by {number}")
        for contract in slices:
            contracts.touch(store, contract)
        return invoices.get(store, invoices.give_credit(store, actor, row, found, number, reason))


def mark(found: Draft) -> str:
    """Return what changes when a credit note would say something else."""
    return draft_digest(to_json(found))


def in_words(row: DocumentRow, found: Draft) -> str:
    """Say what a credit note takes back of its invoice."""
    tax = f", {display(found.tax, found.currency)} of it tax" if found.tax else ""
    return f"a credit note over {display(found.total, found.currency)}{tax} against {row.number}"


def _billed(store: Store, world: World, row: DocumentRow) -> Billed:
    if row.number is None:
        raise ValueError(f"{row.name} is not issued yet: there is nothing to credit")
    if row.status == "voided":
        raise ValueError(f"{row.number} was voided in the books: nothing of it is owed")
    keys = dict.fromkeys(invoices.slices_of(row.draft))
    settled = contracts.settled_of(store, keys)
    return Billed(
        number=row.number,
        invoice=row.draft,
        notes=tuple(one.draft for one in invoices.credits_of(store, row.entity, row.number)),
        settled=tuple(one for items in settled.values() for one in items),
        rounding=_entity(world, row).rules.tax_rounding,
    )


def _entity(world: World, row: DocumentRow) -> Entity:
    entity = world.entities.get(row.entity)
    if entity is None:
        raise ValueError(f"{row.number} was issued by {row.entity}, which is not configured")
    return entity


def _today(world: World, row: DocumentRow) -> date:
    return world.now().astimezone(ZoneInfo(_entity(world, row).timezone)).date()
