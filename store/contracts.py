"""Contracts: the terms in force, terms that wait for a person, and slices settled without an invoice of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import msgspec

from billing.invoicing import Settled
from billing.plan import Line
from billing.terms import Terms
from store import audit
from store.audit import Actor
from store.database import Store, to_json

HeldDecision = Literal["bill_again", "waived", "elsewhere"]


class ContractRow(msgspec.Struct, frozen=True, kw_only=True):
    """A contract. ``proposed``: terms from a changed deal that wait; ``refused``: the digest of some not wanted."""

    key: str
    entity: str
    customer_id: int
    crm: str
    deal_id: str
    name: str
    version: int
    digest: str
    terms: str
    proposed: str | None
    refused: str | None

    @property
    def current(self) -> Terms:
        """The terms in force."""
        return msgspec.json.decode(self.terms, type=Terms)


def digest(terms: Terms) -> str:
    """Return the hash by which two versions of terms are known to be the same."""
    return hashlib.sha256(to_json(terms).encode()).hexdigest()


def all_contracts(store: Store) -> list[ContractRow]:
    """Return every contract in order of its key."""
    return store.rows(ContractRow, "SELECT * FROM contracts ORDER BY key")


def get(store: Store, key: str) -> ContractRow | None:
    """Return one contract."""
    return store.first(ContractRow, "SELECT * FROM contracts WHERE key=?", key)


def create(
    store: Store, actor: Actor, terms: Terms, *, entity: str, customer_id: int, crm: str, deal_id: str, name: str
) -> None:
    """Add a contract."""
    store.insert(
        "contracts",
        key=terms.contract,
        entity=entity,
        customer_id=customer_id,
        crm=crm,
        deal_id=deal_id,
        name=name,
        version=1,
        digest=digest(terms),
        terms=to_json(terms),
    )
    audit.write(store, actor, "created", f"contract:{terms.contract}", after=terms)


def describe(store: Store, row: ContractRow, *, entity: str, customer_id: int, name: str) -> None:
    """Keep in step what only describes a contract."""
    if (row.entity, row.customer_id, row.name) != (entity, customer_id, name):
        values = (entity, customer_id, name, row.key)
        store.execute("UPDATE contracts SET entity=?, customer_id=?, name=? WHERE key=?", *values)


def replace_terms(store: Store, actor: Actor, row: ContractRow, terms: Terms, reason: str = "") -> None:
    """Put new terms in force as the next version; nothing that waited stays."""
    store.execute(
        "UPDATE contracts SET version=version+1, digest=?, terms=?, proposed=NULL WHERE key=?",
        digest(terms),
        to_json(terms),
        row.key,
    )
    audit.write(store, actor, "terms", f"contract:{row.key}", before=row.current, after=terms, reason=reason)


def propose_terms(store: Store, actor: Actor, row: ContractRow, terms: Terms | None) -> None:
    """Let changed terms wait for a person; None takes back what waited."""
    data = None if terms is None else to_json(terms)
    if row.proposed != data:
        store.execute("UPDATE contracts SET proposed=? WHERE key=?", data, row.key)
        audit.write(store, actor, "proposed", f"contract:{row.key}", after=terms)


def refuse_terms(store: Store, actor: Actor, row: ContractRow, reason: str) -> None:
    """Keep the terms in force; the same change in the CRM is not proposed again."""
    assert row.proposed is not None
    refused = hashlib.sha256(row.proposed.encode()).hexdigest()
    store.execute("UPDATE contracts SET proposed=NULL, refused=? WHERE key=?", refused, row.key)
    audit.write(store, actor, "kept", f"contract:{row.key}", reason=reason)


def issued_contracts(store: Store) -> set[str]:
    """Return the contracts for which something was issued."""
    return {key for (key,) in store.tuples("SELECT DISTINCT contract FROM lines")}


def settled(store: Store, contract: str) -> list[Settled]:
    """Return every settled slice of a contract: issued ones with their sum and latest line, and the others."""
    others = [
        Settled(slice=name, how=how)
        for name, how in store.tuples("SELECT slice, how FROM slices WHERE contract=?", contract)
    ]
    held = {item.slice for item in others}
    sums: dict[str, Settled] = {}
    # What was voided in the books no longer counts as billed, but its revisions are never used again.
    issued = (
        "SELECT l.slice, l.revision, CASE WHEN d.status='voided' THEN 0 WHEN d.type='credit_note' THEN -l.amount"
        " ELSE l.amount END, l.data FROM lines l JOIN documents d ON d.id=l.document_id"
        " WHERE l.contract=? ORDER BY l.slice, l.revision"
    )
    for name, revision, amount, data in store.tuples(issued, contract):
        before = sums[name].amount if name in sums else 0
        line = msgspec.json.decode(data, type=Line)
        sums[name] = Settled(slice=name, how="issued", amount=before + amount, revision=revision, line=line)
    return others + [item for name, item in sums.items() if name not in held]


def hold(store: Store, actor: Actor, contract: str, slices: Sequence[str], reason: str) -> None:
    """Let nothing happen to slices until a person decides."""
    settle(store, actor, contract, [Settled(slice=name, how="held") for name in slices], reason)


def held_by_contract(store: Store) -> dict[str, int]:
    """Return how many slices of each contract wait for a person's decision."""
    return dict(store.tuples("SELECT contract, count(*) FROM slices WHERE how='held' GROUP BY contract"))


def decide_held(store: Store, actor: Actor, contract: str, how: HeldDecision, reason: str) -> None:
    """Settle every held slice of a contract as a person decided."""
    if how == "bill_again":
        store.execute("DELETE FROM slices WHERE contract=? AND how='held'", contract)
    else:
        store.execute("UPDATE slices SET how=? WHERE contract=? AND how='held'", how, contract)
    audit.write(store, actor, f"held slices: {how}", f"contract:{contract}", reason=reason)


def settle(store: Store, actor: Actor, contract: str, slices: Sequence[Settled], reason: str) -> None:
    """Remember slices that are not billed by us: billed elsewhere, waived, or held for a person."""
    for item in slices:
        store.execute(
            "INSERT INTO slices (slice, contract, how) VALUES (?, ?, ?)"
            " ON CONFLICT (slice) DO UPDATE SET how=excluded.how",
            item.slice,
            contract,
            item.how,
        )
    if slices:
        found = {item.slice: item.how for item in slices}
        audit.write(store, actor, "settled", f"contract:{contract}", after=found, reason=reason)
