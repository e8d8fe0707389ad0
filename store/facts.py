"""What is known of contracts beside their terms, as billing takes it; and the milestones that customers accepted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import msgspec

from billing.facts import Acceptance, Facts, IndexSeries, Overdue
from store import audit, usage
from store.audit import Actor
from store.database import Store


def facts_of(store: Store, contract: str, indices: Mapping[str, IndexSeries]) -> Facts:
    """Return everything known of one contract."""
    return facts_by_contract(store, [contract], indices, [contract]).get(contract) or Facts(indices=indices)


def facts_by_contract(
    store: Store, contracts: Sequence[str], indices: Mapping[str, IndexSeries], unpaid: Collection[str] = (),
    used_since: Mapping[str, date] = usage.NO_DAYS,
) -> dict[str, Facts]:  # fmt: skip
    """Return what is known of contracts, of those alone of which anything is: for all others it is the indices.

    ``unpaid`` holds the contracts whose unpaid invoices are wanted, as their terms have a late fee; ``used_since`` the
    days before which a contract's usage is not wanted. At most 32,766 contracts at once.
    """
    used = usage.of_contracts(store, contracts, used_since)
    accepted = _accepted(store, contracts)
    overdue = _unpaid(store, unpaid) if unpaid else {}
    return {
        contract: Facts(
            usage=used.get(contract, ()),
            accepted=accepted.get(contract, ()),
            indices=indices,
            overdue=overdue.get(contract, ()),
        )
        for contract in dict.fromkeys([*used, *accepted, *overdue])
    }


def _accepted(store: Store, contracts: Sequence[str]) -> dict[str, tuple[Acceptance, ...]]:
    marks = ", ".join("?" * len(contracts))
    sql = f"SELECT contract, charge, milestone, on_day FROM acceptances WHERE contract IN ({marks}) ORDER BY 1, 2, 3"
    found: dict[str, list[Acceptance]] = defaultdict(list)
    for contract, charge, milestone, day in store.tuples(sql, *contracts):
        found[contract].append(Acceptance(charge=charge, milestone=milestone, on=date.fromisoformat(day)))
    return {contract: tuple(items) for contract, items in found.items()}


def _unpaid(store: Store, contracts: Collection[str]) -> dict[str, tuple[Overdue, ...]]:
    """Return the invoices that are not paid, due or not, and those paid late: fees may be owed for them."""
    marks = ", ".join("?" * len(contracts))
    sql = (
        "SELECT d.contract, d.number, d.due_on, d.open, p.received_on, a.amount FROM documents d"
        " LEFT JOIN (applications a JOIN payments p ON p.id=a.payment_id)"
        " ON a.document_id=d.id AND p.received_on>d.due_on"
        f" WHERE d.status='issued' AND d.type='invoice' AND d.contract IN ({marks})"
        " AND (d.open > 0 OR a.amount IS NOT NULL) ORDER BY d.due_on, d.id, p.received_on, a.id"
    )
    paid: dict[tuple[str, str, str, int], list[tuple[date, int]]] = {}
    for contract, number, due_on, left, day, amount in store.tuples(sql, *contracts):
        parts = paid.setdefault((contract, number, due_on, left), [])
        parts += [(date.fromisoformat(day), amount)] if day else []
    found: dict[str, list[Overdue]] = defaultdict(list)
    for (contract, number, due_on, left), parts in paid.items():
        due = date.fromisoformat(due_on)
        found[contract].append(Overdue(number=number, due_on=due, open=left, paid=tuple(parts)))
    return {contract: tuple(items) for contract, items in found.items()}


# --------------------------------------------------------------------------------------------------------- acceptances


class AcceptanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted milestone, or a holdback's release; who recorded it when (UTC)."""

    contract: str
    charge: str
    milestone: str
    on_day: date
    actor: str
    at: str


def acceptances(store: Store, contract: str) -> dict[tuple[str, str], AcceptanceRow]:
    """Return what was accepted of a contract, by (charge, milestone)."""
    found = store.rows(AcceptanceRow, "SELECT * FROM acceptances WHERE contract=?", contract)
    return {(row.charge, row.milestone): row for row in found}


def accept(store: Store, actor: Actor, contract: str, given: Acceptance) -> bool:
    """Record an acceptance, or another day for it; returns whether that changes anything. Call inside a transaction."""
    before = acceptances(store, contract).get((given.charge, given.milestone))
    if before is not None and before.on_day == given.on:
        return False
    store.execute(
        "INSERT INTO acceptances (contract, charge, milestone, on_day, actor, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (contract, charge, milestone)"
        " DO UPDATE SET on_day=excluded.on_day, actor=excluded.actor, at=excluded.at",
        contract,
        given.charge,
        given.milestone,
        given.on.isoformat(),
        actor.name,
        actor.at.isoformat(),
    )
    was = None if before is None else {"on": before.on_day}
    audit.write(store, actor, "accepted", f"contract:{contract}", before=was, after=given)
    return True


def withdraw(store: Store, actor: Actor, contract: str, charge: str, milestone: str) -> bool:
    """Take an acceptance back: what was billed for it is credited. Returns whether there was one."""
    before = acceptances(store, contract).get((charge, milestone))
    if before is None:
        return False
    store.execute("DELETE FROM acceptances WHERE contract=? AND charge=? AND milestone=?", contract, charge, milestone)
    audit.write(store, actor, "acceptance withdrawn", f"contract:{contract}", before=before)
    return True
