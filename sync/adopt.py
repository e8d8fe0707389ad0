"""Begins on top of books that others kept: reads them whole, and records what was billed there before us.

It writes at no vendor. It may run again at any time and only adds what is new. Run ``match_customers`` afterwards:
it links customers by what was read here, or asks a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from billing.invoicing import BrokenInvariant, Settled, bill
from billing.money import display
from connectors.base import LedgerSetup
from store import contracts, receivables
from store.contracts import ContractRow
from store.review import Finding
from sync import books
from sync.check import not_booked
from sync.context import Context, Entity, Source
from sync.jobs import Job


class Adoption(Job, frozen=True):
    """The cut-over as a job: of one legal entity, or of all. ``through``: see ``contracts.bill_elsewhere_through``."""

    entity: str = ""
    through: date | None = None

    def load(self) -> Callable[[Context], None]:
        """Return the step."""
        return lambda context: adopt(context, self.entity, self.through)


def adoption(entity: str = "", through: date | None = None) -> Adoption:
    """Return the cut-over of ``entity``, of all when empty."""
    return Adoption("adopt", 0, "begin on top of the books as they are", entity, through)


def adopt(context: Context, entity: str, through: date | None) -> None:
    """Read every ledger whole; keep what is foreign; record the slices billed there."""
    chosen = [(one, source) for one, source in context.ledgers() if entity in ("", one.key)]
    told = []
    for done, (one, source) in enumerate(chosen, 1):
        with context.using(source.name) as ledger:
            books.read(context, one, source.name, ledger, afresh=True)
            told.append(_told(context, one, source, ledger.setup()))
        if through is not None:
            _mark_billed_through(context, one, through)
        _record_billed_elsewhere(context, one)
        context.progress(done, len(chosen))
    context.message = "; ".join(told)


def _told(context: Context, entity: Entity, source: Source, setup: LedgerSetup) -> str:
    """Say in words what was found at a ledger, and report what keeps us from booking there."""
    for problem in (*setup.problems, *not_booked(setup, entity)):
        context.find(
            Finding(
                code="ledger_setup",
                subject=f"connection:{source.name}",
                detail=problem[:80],
                message=f"{source.name}: {problem}",
                fix="change it in the books or the configuration; netterms check shows the same",
            )
        )
    lines = receivables.compare(context.store, {entity.key: source.name})
    owed = ", ".join(f"{display(line.books, line.currency)} receivable" for line in lines) or "nothing receivable"
    return f"{entity.key}: {len(setup.items)} items, {len(setup.tax_codes)} tax codes, {owed}"


def _mark_billed_through(context: Context, entity: Entity, through: date) -> None:
    with context.store.transaction():
        count = contracts.bill_elsewhere_through(context.store, context.actor, entity.key, through)
    context.count("contracts billed elsewhere to a date", count)


def _record_billed_elsewhere(context: Context, entity: Entity) -> None:
    """Record every slice that starts before go-live, or by the date given: none of them is billed from here."""
    rows = [row for row in contracts.all_contracts(context.store) if row.entity == entity.key]
    found = {row.key: _billed_elsewhere(context, entity, row) for row in rows}
    with context.store.transaction():
        for key, slices in found.items():
            contracts.settle(context.store, context.actor, key, slices, "billed elsewhere before we began")
    context.count("slices billed elsewhere", sum(map(len, found.values())))


def _billed_elsewhere(context: Context, entity: Entity, row: ContractRow) -> Sequence[Settled]:
    settled = contracts.settled(context.store, row.key)
    rules = entity.rules
    try:
        return bill(row.current, settled, today=context.today(entity.key), rules=rules).settled_elsewhere
    except (BrokenInvariant, ArithmeticError, ValueError):
        return ()  # plan_invoices reports it
