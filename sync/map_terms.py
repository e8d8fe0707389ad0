"""Deals -> contracts: each won deal becomes terms by the mapping, or a review item that says what is missing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import date
from functools import partial
from typing import Any

import msgspec

from billing.customer import Customer
from billing.terms import Terms
from mappings.apply import Mapped, NotMapped, apply, is_contract
from mappings.rejoin import KnownCharge, known_charges
from store import contracts, deals, links
from store.contracts import ContractRow
from store.database import to_json
from store.review import Finding
from sync import proposals
from sync.companies import customer_of
from sync.context import Context
from sync.related import Related, base_finding
from sync.standing import Facts, Merged, settle
from sync.unchanged import unless_same

READ = ("deals", "contracts", "customers", "answers", "issued", "linked_customers")
READ_FOR_PROPOSALS = ("documents", "usage", "acceptances", "slices", "lost")  # to say what applying them would do


def run(context: Context) -> None:
    """Map every won deal, then say which contracts are billed; a deal that cannot be mapped stops no other."""
    for source in context.sources("crm"):
        inputs = (*READ, *READ_FOR_PROPOSALS) if contracts.any_proposed(context.store) else READ
        used = [context.world.crm_mapping(source.name).digest, context.world.indices]
        mapped = partial(_map, context, source.name)
        unless_same(context, f"deals of {source.name}", inputs, used, mapped)


def _map(context: Context, crm: str) -> None:
    _Mapper(context, crm).run()


class _Mapper:
    """One run over the deals of one CRM."""

    def __init__(self, context: Context, crm: str) -> None:
        self.context = context
        self.crm = crm
        self.mapping = context.world.crm_mapping(crm)
        self.fates = deals.fates(context.store, crm)
        self.answers = contracts.answers(context.store)
        self.issued = contracts.issued_contracts(context.store)
        self.merged = _follow_merges(context, crm, self.fates)
        self.rows = {row.deal_id: row for row in contracts.all_contracts(context.store) if row.crm == crm}
        self.absorbed: dict[str | None, list[ContractRow]] = defaultdict(list)  # by the contract that goes on instead
        for row in self.rows.values():
            if row.state == "closed":
                self.absorbed[row.relates_to].append(row)
        self.related = Related(self.rows.values())
        self.customers: dict[int, Customer] = {}
        self.undecided: dict[str, Finding] = {}  # contracts whose base a person must name
        self.standing: set[str] = set()  # deals that are won and meet the mapping's conditions

    def run(self) -> None:
        """Map deals that stand by themselves first: what amends or renews needs to find them."""
        later: list[Mapped] = []
        total = deals.count(self.context.store)
        for done, deal in enumerate(deals.all_deals(self.context.store, self.crm), 1):
            if is_contract(self.mapping, deal):
                self.standing.add(deal["id"])
                mapped = self._map(deal)
                if mapped is not None and mapped.relation in ("renewal", "amendment"):
                    later.append(mapped)
                elif mapped is not None:
                    self._save(mapped)
            self.context.progress(done, total)
        for mapped in sorted(later, key=lambda one: (one.relation == "amendment", one.terms.starts_on)):
            self._save(mapped)
        self._change_customers()
        facts = Facts(
            crm=self.crm,
            fates=self.fates,
            standing=self.standing,
            issued=self.issued,
            answers=self.answers,
            merged=self.merged,
            undecided=self.undecided,
        )
        settle(self.context, facts)

    def _map(self, deal: dict[str, Any]) -> Mapped | None:
        """Return what a deal says; None, with a review item, when that is no contract."""
        mapped = apply(self.mapping, deal, known_keys=self._known_charges(deal["id"]))
        if isinstance(mapped, NotMapped):
            _report_faults(self.context, self.crm, deal, mapped)
            return None
        return mapped if _sells(self.context, self.crm, mapped) else None

    def _known_charges(self, deal_id: str) -> tuple[KnownCharge, ...]:
        row = self.rows.get(deal_id)
        rows = [row, *self.absorbed[row.key]] if row else []
        return tuple(charge for one in rows for charge in known_charges(one.agreed))

    # ------------------------------------------------------------------------------------------------------- storing

    def _save(self, mapped: Mapped) -> None:
        """Store customer and contract where they differ from what is known."""
        if mapped.deal_id in self.merged:
            return  # a person must say which contract it speaks for, or has said that it changes none
        row = self.rows.get(mapped.deal_id)
        issued = row is not None and self._is_issued(row)
        if row is not None and row.entity != mapped.entity and issued:
            _entity_moved(self.context, row, mapped)
            return
        with self.context.store.transaction():
            customer_id, same_company = customer_of(self.context, self.crm, mapped, row)
            self.customers[customer_id] = mapped.customer
            base = self._base(mapped, row, customer_id)
            if row is None:
                self._create(mapped, customer_id, base)
                return
            terms = _in_force(mapped, row.key, base, row.ended_on)
            if same_company:  # whatever its id is now
                terms = msgspec.structs.replace(terms, customer=row.agreed.customer)
            if issued and row.agreed.customer != terms.customer and self.context.world.crm_changes == "review":
                customer_id = row.customer_id  # until a person agrees
            contracts.describe(
                self.context.store,
                row,
                entity=mapped.entity,
                customer_id=customer_id,
                name=mapped.deal_name,
                relation=mapped.relation,
                relates_to=base.key if base else None,
            )
            self._change(row, terms, issued, _said(mapped, terms.customer))

    def _is_issued(self, row: ContractRow) -> bool:
        """Say whether something was issued for a contract, or for one whose deal was merged into its own."""
        return any(one.key in self.issued for one in (row, *self.absorbed[row.key]))

    def _create(self, mapped: Mapped, customer_id: int, base: ContractRow | None) -> None:
        """Add a contract; it is not billed before it was compared with the customer's others at the end of the run."""
        key, store = mapped.terms.contract, self.context.store
        if contracts.get(store, key) is not None:
            _key_taken(self.context, self.crm, mapped)
            return
        contracts.create(
            store,
            self.context.actor,
            _in_force(mapped, key, base, None),
            entity=mapped.entity,
            customer_id=customer_id,
            crm=self.crm,
            deal_id=mapped.deal_id,
            name=mapped.deal_name,
            relation=mapped.relation,
            relates_to=base.key if base else None,
            state="held",
            why=contracts.NEW,
        )
        row = contracts.get(store, key)
        assert row is not None
        contracts.note_mapped(store, row, _said(mapped, mapped.terms.customer))
        self.rows[mapped.deal_id] = row
        self.related.add(row)
        self.context.count("contracts new")

    def _base(self, mapped: Mapped, row: ContractRow | None, customer_id: int) -> ContractRow | None:
        """Return the contract that a deal amends or renews; when a person must name it, the deal is not billed."""
        if mapped.relation not in ("amendment", "renewal"):
            return None
        key = row.key if row else mapped.terms.contract
        found = self.related.base(mapped, customer_id, row, self.answers.get(f"base:{key}", ""))
        if not isinstance(found, list):
            return found
        self.undecided[key] = base_finding(mapped, key, found)
        return None

    def _change(self, row: ContractRow, terms: Terms, issued: bool, said: str) -> None:
        """Before anything was issued a change in the CRM simply counts; afterwards it waits for a person.

        Terms that a person wrote stand while the deal says what it did then (``said`` is its digest); a change waits,
        and brings the amendments along, which no deal knows of.
        """
        store, actor = self.context.store, self.context.actor
        if row.by_hand:
            terms = msgspec.structs.replace(terms, amendments=row.agreed.amendments)
            terms = terms if row.ended_on is None else contracts.ended(terms, row.ended_on)
        if terms == row.agreed or (row.by_hand and row.mapped in ("", said)):
            contracts.note_mapped(store, row, said)
            contracts.propose_terms(store, actor, row, None)
            return
        if not row.by_hand and (not issued or self.context.world.crm_changes == "apply"):
            contracts.replace_terms(store, actor, row, terms, "the deal changed")
            contracts.note_mapped(store, row, said)
            self.context.count("contracts changed")
            return
        if hashlib.sha256(to_json(terms).encode()).hexdigest() == row.refused:
            return
        effect = proposals.effect(self.context, row, terms)
        if row.proposed != to_json(terms):
            self.context.count("changes proposed")
        contracts.propose_terms(store, actor, row, terms, effect)
        self.context.find(
            Finding(
                code="contract_changed",
                subject=f"contract:{row.key}",
                message=f"Deal {row.deal_id} {row.name!r} changed after {_settled_by(row)}:"
                f" {proposals.difference(row.agreed, terms)} ({effect})",
                fix="apply: bill or credit the difference with the next invoice; keep: go on as agreed before",
                actions=("apply", "keep", "dismiss"),
            )
        )

    def _change_customers(self) -> None:
        """Store what changed of customers: of several deals of one customer the latest tells, once a run."""
        known = links.customers(self.context.store)
        for customer_id, customer in self.customers.items():
            if known[customer_id].data != to_json(customer):
                with self.context.store.transaction():
                    links.change_customer(self.context.store, self.context.actor, known[customer_id], customer)


def _in_force(mapped: Mapped, key: str, base: ContractRow | None, ended_on: date | None) -> Terms:
    """Return the terms as this contract has them: under its own key, ending with its base, or when a person said."""
    terms = msgspec.structs.replace(mapped.terms, contract=key)
    if mapped.relation == "amendment" and base is not None and terms.ends_on is None:
        terms = msgspec.structs.replace(terms, ends_on=base.agreed.ends_on)
    if ended_on is not None and (terms.ends_on is None or terms.ends_on > ended_on >= terms.starts_on):
        terms = msgspec.structs.replace(terms, ends_on=ended_on)
    return terms


def _said(mapped: Mapped, customer: str) -> str:
    """Return the digest of what a deal says. Keys are left out: they follow the contract's own charges."""
    charges = tuple(msgspec.structs.replace(one, key=f"{n}") for n, one in enumerate(mapped.terms.charges))
    return contracts.digest(msgspec.structs.replace(mapped.terms, contract="any", customer=customer, charges=charges))


def _settled_by(row: ContractRow) -> str:
    return "a person set the contract's terms" if row.by_hand else "it was invoiced"


# -------------------------------------------------------------------------------------------------------------- merges


def _follow_merges(context: Context, crm: str, fates: dict[str, tuple[str, str]]) -> dict[str, Merged]:
    """Let the surviving deal speak for its predecessor's contract; return deals that now have several contracts."""
    heirs: dict[str, list[ContractRow]] = defaultdict(list)
    for row in contracts.all_contracts(context.store):
        if row.crm == crm and row.state != "closed":
            heirs[deals.survivor(fates, row.deal_id)].append(row)
    issued = contracts.issued_contracts(context.store)
    merged = {}
    for deal_id, rows in heirs.items():
        if all(row.deal_id != deal_id for row in rows):
            first = min(rows, key=lambda row: (row.key not in issued, len(row.deal_id), row.deal_id))
            with context.store.transaction():
                contracts.take_over(context.store, context.actor, first, deal_id)
            context.count("contracts that follow a merged deal")
        if len(rows) > 1:
            merged[deal_id] = Merged(deal_id=deal_id, keys=tuple(sorted(row.key for row in rows)))
    return merged


# ------------------------------------------------------------------------------------------------------- review items


def _report_faults(context: Context, crm: str, deal: dict[str, Any], mapped: NotMapped) -> None:
    name = deal["properties"].get("dealname") or ""
    for fault in mapped.faults:
        value = f" {fault.value!r}" if fault.value else ""
        context.find(
            Finding(
                code="deal_not_mapped",
                subject=f"deal:{crm}:{deal['id']}",
                detail=f"{fault.property}: {fault.problem}",
                message=f"Deal {deal['id']} {name!r}: {fault.property}{value} {fault.problem}",
                fix=fault.fix,
            )
        )


def _sells(context: Context, crm: str, mapped: Mapped) -> bool:
    """Say whether a configured entity sells what was mapped; else report it."""
    entity = context.world.entities.get(mapped.entity)
    if entity is not None and mapped.terms.currency in entity.currencies:
        return True
    if entity is None:
        problem = f"the mapping gives the legal entity {mapped.entity!r}"
        fix = f"use one of {', '.join(context.world.entities)} in the mapping, or add [entities.{mapped.entity}]"
    else:
        problem = f"{entity.name} does not sell in {mapped.terms.currency}"
        fix = f"correct the deal's currency, or add it to [entities.{entity.key}] currencies"
    _report(context, crm, "entity", mapped, problem, fix)
    return False


def _key_taken(context: Context, crm: str, mapped: Mapped) -> None:
    problem = f"the mapping gives the key {mapped.terms.contract!r}, which another contract has"
    _report(context, crm, "key_taken", mapped, problem, "let contract.key in the mapping differ for every deal")


def _report(context: Context, crm: str, code: str, mapped: Mapped, problem: str, fix: str) -> None:
    subject = f"deal:{crm}:{mapped.deal_id}"
    message = f"Deal {mapped.deal_id} {mapped.deal_name!r}: {problem}"
    context.find(Finding(code=code, subject=subject, message=message, fix=fix))


def _entity_moved(context: Context, row: ContractRow, mapped: Mapped) -> None:
    context.find(
        Finding(
            code="entity_moved",
            subject=f"contract:{row.key}",
            message=f"Deal {row.deal_id} {row.name!r} moved from {row.entity} to {mapped.entity} after it was invoiced",
            fix="put the deal back, or end this contract and make a new deal for the other legal entity",
        )
    )
