"""Contracts -> drafts: what the terms owe today less what is settled.

Contracts are read, worked out and written in batches. One for which nothing is due and nothing has changed since it was
planned last is not read at all; one that was planned before is worked out only from where all is settled. Contracts of
which a customer wants one invoice are planned after the others, all of a customer's when one is due.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from billing.facts import Facts
from billing.invoicing import Billing, BrokenInvariant, Note, Settled, bill
from billing.lint import lint
from billing.next_due import next_due
from billing.plan import ENGINE, usage_from
from billing.terms import Terms
from store import contracts, facts, invoices, planned
from store.database import to_json
from store.invoices import Wanted
from store.planned import Due, Planned
from store.review import Finding
from sync import grouped
from sync.context import Context, Entity
from sync.grouped import Member

_TERMS = msgspec.json.Decoder(Terms)
_OURS = (BrokenInvariant, ArithmeticError, ValueError, LookupError)  # what parks one contract and lets the others go on


def run(context: Context) -> None:
    """Bring the drafts of every contract up to date; a contract that fails is parked, the others go on."""
    for key in planned.entities(context.store):
        entity = context.world.entities.get(key)
        if entity is None:
            context.find(_not_configured(key))
        else:
            _Run(context, entity).run()


class _Work(NamedTuple):
    """A contract that is due, with its terms read. Until ``since`` all is settled."""

    row: Due
    terms: Terms
    since: date | None


class _Run:
    """One run over the contracts of one legal entity."""

    def __init__(self, context: Context, entity: Entity) -> None:
        self.context = context
        self.store = context.store
        self.entity = entity
        self.today = context.today(entity.key)
        self.rules = entity.rules
        self.no_facts = Facts(indices=context.world.indices)
        self.grouped: set[int] = set()  # customers with a contract due of those that are invoiced together
        self.digest = hashlib.sha256(f"{ENGINE} {to_json([self.rules, context.world.indices])}".encode()).hexdigest()

    def run(self) -> None:
        """Plan what is due, batch by batch; what need not be planned keeps what was said of it."""
        scope = (self.store, self.entity.key, self.digest, self.today)
        for key, name, note in planned.standing_notes(*scope):
            self._tell(key, name, note)
        total = planned.how_many_due(*scope)
        done = 0
        for batch in planned.due(*scope):
            self._plan(self._alone(self._read(batch)))
            done += len(batch)
            self.context.progress(done, total)
        for customers in grouped.batches(self.grouped):
            rows = planned.grouped(self.store, self.entity.key, self.digest, customers)
            self._plan(self._read(rows), together=True)

    def _read(self, batch: list[Due]) -> list[_Work]:
        """Read the terms of a batch; those that cannot be read are parked."""
        found = []
        for row in batch:
            try:
                terms = _terms(row)
            except msgspec.ValidationError as error:
                self._park(row, error)
            else:
                found.append(_Work(row, terms, _since(row, terms, self.today)))
        return found

    def _alone(self, batch: list[_Work]) -> list[_Work]:
        """Return the contracts with invoices of their own; of the others the customer is noted."""
        alone = [one for one in batch if one.terms.invoice_grouping == "contract"]
        if len(alone) < len(batch):
            self.grouped.update(one.row.customer_id for one in batch if one.terms.invoice_grouping == "customer")
        return alone

    def _plan(self, batch: list[_Work], *, together: bool = False) -> None:
        """Work out a batch of contracts and write what was found in one transaction."""
        settled = contracts.settled_of(self.store, {one.row.key: one.since for one in batch})
        known = self._facts(batch)
        bounded = [one.row.key for one in batch if one.since and (one.terms.value or one.terms.po_budget)]
        sums = contracts.billed_net(self.store, bounded) if bounded else {}
        billed: list[tuple[_Work, Billing]] = []
        found: list[Planned] = []
        for one in batch:
            key = one.row.key
            try:
                billing, state = self._bill(one, settled[key], known.get(key, self.no_facts), sums.get(key))
            except _OURS as error:
                self._park(one.row, error)
                continue
            billed.append((one, billing))
            found.append(state)
        self._write(billed, found, batch if together else ())

    def _facts(self, batch: list[_Work]) -> Mapping[str, Facts]:
        late = [one.row.key for one in batch if one.terms.late_fee is not None]
        days = {one.row.key: usage_from(one.terms, self.today, one.since) for one in batch if one.since is not None}
        used_since = {key: day for key, day in days.items() if day is not None}
        return facts.facts_by_contract(
            self.store, [one.row.key for one in batch], self.no_facts.indices, late, used_since
        )

    def _bill(self, one: _Work, settled: list[Settled], known: Facts, billed: int | None) -> tuple[Billing, Planned]:
        """Work out one contract, from where all is settled if that is known."""
        row, terms = one.row, one.terms
        billing = bill(terms, settled, today=self.today, rules=self.rules, facts=known, since=one.since, billed=billed)
        waits = {code for draft in billing.drafts for code in draft.waits}
        return billing, Planned(
            contract=row.key,
            version=row.version,
            through=self.today,
            next_on=next_due(terms, known, self.today),
            settled=not billing.drafts,
            complete=not billing.ahead and all(note.code in waits for note in billing.notes),
            notes=billing.notes,
            lint=planned.to_text(lint(terms, known)) if row.lint is None else row.lint,
        )

    def _write(self, billed: list[tuple[_Work, Billing]], found: list[Planned], group: Sequence[_Work]) -> None:
        store, actor = self.store, self.context.actor
        with store.transaction():
            for one, billing in billed:
                contracts.settle(store, actor, one.row.key, billing.settled_elsewhere, "starts before go-live")
            if group:
                wanted = self._wanted_together(group, billed)
            else:
                wanted = [Wanted(one.row.key, one.row.customer_id, billing.drafts) for one, billing in billed]
            changed = invoices.save_many_drafts(store, actor, self.entity.key, wanted)
            planned.remember(store, self.digest, found)
        self.context.count("slices billed elsewhere", sum(len(billing.settled_elsewhere) for _, billing in billed))
        self.context.count("drafts new or changed", changed)
        for (one, billing), state in zip(billed, found, strict=True):
            for note in (*billing.notes, *planned.notes_in(state.lint)):
                self._tell(one.row.key, one.row.name, note)

    def _wanted_together(self, group: Sequence[_Work], billed: list[tuple[_Work, Billing]]) -> list[Wanted]:
        """Return the drafts of contracts that are invoiced together; one that cannot be billed has none meanwhile."""
        drafts = {one.row.key: billing.drafts for one, billing in billed}
        for one in group:
            if one.row.key not in drafts:
                planned.forget(self.store, one.row.key)
        invoices.remove_strays(self.store, self.context.actor, [one.row.key for one in group])
        members = [Member(one.row.customer_id, one.terms, drafts.get(one.row.key, ())) for one in group]
        return grouped.wanted(members, self.today, self.rules.tax_rounding)

    def _park(self, row: Due, error: Exception) -> None:
        self.context.find(
            Finding(
                code="contract_parked",
                subject=f"contract:{row.key}",
                message=f"Contract {row.key} {row.name!r} cannot be billed: {error}",
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


def _terms(row: Due) -> Terms:
    """Return the terms in force, with what was billed elsewhere before we began."""
    terms = _TERMS.decode(row.terms)
    if row.billed_through is None:
        return terms
    day = date.fromisoformat(row.billed_through)
    return msgspec.structs.replace(terms, billed_through=max(day, terms.billed_through or day))


def _since(row: Due, terms: Terms, today: date) -> date | None:
    """Return the day until which all is settled; what became known since then may have changed it after all."""
    if row.since is None:
        return None
    if terms.late_fee is not None:
        return None  # what was paid late meanwhile may cost a fee of any day
    since = date.fromisoformat(row.since)
    return None if any(since < one.known <= today for one in terms.amendments) else since


def _not_configured(entity: str) -> Finding:
    return Finding(
        code="entity_unknown",
        subject=f"entity:{entity}",
        message=f"There are contracts of the legal entity {entity!r}, which is not configured: none of them is billed",
        fix=f"add [entities.{entity}] to the configuration",
    )
