"""Contracts -> drafts: what the terms owe today less what is settled.

Contracts are read, worked out and written in batches. One for which nothing is due and nothing has changed since it was
planned last is not read at all; one that was planned before is worked out only from where all is settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from billing.invoicing import Note
from store import contracts, invoices, planned
from store.invoices import Wanted
from store.review import Finding
from sync import grouped
from sync.context import Context, Entity
from sync.grouped import Member
from sync.work_out import LARGE, Found, Kept, Parked, Setting, bill_each, in_processes, uncollected, work_out


def run(context: Context) -> None:
    """Bring the drafts of every contract up to date; a contract that fails is parked, the others go on."""
    for key in planned.entities(context.store):
        entity = context.world.entities.get(key)
        if entity is None:
            context.find(_not_configured(key))
        else:
            _Run(context, entity).run()


class _Run:
    """One run over the contracts of one legal entity."""

    def __init__(self, context: Context, entity: Entity) -> None:
        self.context = context
        self.store = context.store
        self.entity = entity
        self.setting = Setting.of(entity.key, entity.rules, context.world.indices, context.today(entity.key))
        self.digest = self.setting.digest
        self.grouped: set[int] = set()  # customers with a contract due of those that are invoiced together

    def run(self) -> None:
        """Plan what is due, batch by batch; what need not be planned keeps what was said of it."""
        scope = (self.store, self.entity.key, self.digest, self.setting.today)
        for key, name, note in planned.standing_notes(*scope):
            self._tell(key, name, note)
        total = planned.how_many_due(*scope)
        done = 0
        with uncollected():
            for found in self._found(total) if total else ():
                self._write(found.kept)
                for one in found.parked:
                    self._park(one)
                self.grouped |= found.grouped
                done += found.size
                self.context.progress(done, total)
        for customers in grouped.batches(self.grouped):
            self._plan_together(customers)

    def _found(self, total: int) -> Iterator[Found]:
        """Yield the batches worked out, in other processes when there are many."""
        spans = planned.spans(self.store, self.entity.key, self.digest, self.setting.today)
        if total >= LARGE:
            yield from in_processes(self.store, self.setting, spans)
        else:
            yield from (work_out(self.store, self.setting, span) for span in spans)

    def _write(self, kept: Sequence[Kept], together: Sequence[Wanted] = (), group: Sequence[str] = ()) -> None:
        """Write what was found of a batch at once; ``together`` are the drafts of a ``group`` of contracts."""
        store, actor = self.store, self.context.actor
        with store.transaction():
            same = planned.still(store, self.entity.key, [one.state for one in kept])
            if group and len(same) < len(kept):
                return
            kept = [one for one in kept if one.key in same]  # the drafts of the others may be wrong by now: next time
            for one in kept:
                if one.elsewhere:
                    contracts.settle(store, actor, one.key, one.elsewhere, "starts before go-live")
            if group:
                invoices.remove_strays(store, actor, group)
            wanted = [Wanted(one.key, one.customer_id, one.drafts) for one in kept if one.drafts is not None]
            changed = invoices.save_many_drafts(store, actor, self.entity.key, [*wanted, *together])
            planned.remember(store, self.digest, [one.state for one in kept])
        self.context.count("slices billed elsewhere", sum([len(one.elsewhere) for one in kept]))
        self.context.count("drafts new or changed", changed)
        for one in kept:
            for note in one.notes:
                self._tell(one.key, one.name, note)

    def _plan_together(self, customers: Sequence[int]) -> None:
        """Plan all contracts of customers who get one invoice; one that cannot be billed has no draft meanwhile."""
        rows = planned.grouped(self.store, self.entity.key, self.digest, customers)
        billed, parked = bill_each(self.store, self.setting, rows)
        members = [Member(one.row.customer_id, one.terms, one.billing.drafts) for one in billed]
        wanted = grouped.wanted(members, self.setting.today, self.setting.rules.tax_rounding)
        failed = {one.key for one in parked}
        wanted += [Wanted(row.key, row.customer_id, ()) for row in rows if row.key in failed]
        self._write([one.kept(None) for one in billed], wanted, [row.key for row in rows])
        for one in parked:
            contracts.touch(self.store, one.key)
            self._park(one)

    def _park(self, one: Parked) -> None:
        self.context.find(
            Finding(
                code="contract_parked",
                subject=f"contract:{one.key}",
                message=f"Contract {one.key} {one.name!r} cannot be billed: {one.why}",
                fix="correct the deal; if it is right, this is a fault of ours: please report it",
            )
        )

    def _tell(self, key: str, name: str, note: Note) -> None:
        self.context.find(
            Finding(
                code=note.code,
                subject=f"contract:{key}",
                detail=note.path,
                message=f"Contract {key} {name!r}: {note.message}",
                fix="correct it in the CRM; the contract is planned again by itself",
            )
        )


def _not_configured(entity: str) -> Finding:
    return Finding(
        code="entity_unknown",
        subject=f"entity:{entity}",
        message=f"There are contracts of the legal entity {entity!r}, which is not configured: none of them is billed",
        fix=f"add [entities.{entity}] to the configuration",
    )
