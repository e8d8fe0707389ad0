"""Deals -> contracts: each won deal becomes terms by the mapping, or a review item that says what is missing."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from billing.terms import Terms
from mappings.apply import Mapped, NotMapped, apply, is_contract
from mappings.rejoin import known_charges
from store import contracts, deals, links
from store.contracts import ContractRow
from store.database import to_json
from store.review import Finding
from sync.context import Context


def run(context: Context) -> None:
    """Map every stored deal; a deal that cannot be mapped stops no other."""
    for source in context.sources("crm"):
        mapping = context.world.crm_mapping(source.name)
        existing = {row.deal_id: row for row in contracts.all_contracts(context.store) if row.crm == source.name}
        issued = contracts.issued_contracts(context.store)
        total = deals.count(context.store)
        for done, deal in enumerate(deals.all_deals(context.store, source.name), 1):
            if not is_contract(mapping, deal):
                continue
            row = existing.get(deal["id"])
            mapped = apply(mapping, deal, known_keys=known_charges(row.current) if row else ())
            if isinstance(mapped, NotMapped):
                _report_faults(context, source.name, deal, mapped)
            elif _sells(context, source.name, mapped):
                _save(context, source.name, deal["id"], mapped, row, row is not None and row.key in issued)
            context.progress(done, total)


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
    context.find(
        Finding(
            code="entity",
            subject=f"deal:{crm}:{mapped.deal_id}",
            message=f"Deal {mapped.deal_id} {mapped.deal_name!r}: {problem}",
            fix=fix,
        )
    )
    return False


def _save(context: Context, crm: str, deal_id: str, mapped: Mapped, row: ContractRow | None, issued: bool) -> None:
    """Store customer and contract where they differ from what is known."""
    if row is not None and row.entity != mapped.entity and issued:
        _entity_moved(context, row, mapped)
        return
    with context.store.transaction():
        customer_id = links.save_customer(context.store, context.actor, crm, mapped.company_id, mapped.customer)
        if row is None:
            contracts.create(
                context.store,
                context.actor,
                mapped.terms,
                entity=mapped.entity,
                customer_id=customer_id,
                crm=crm,
                deal_id=deal_id,
                name=mapped.deal_name,
            )
            context.count("contracts new")
            return
        contracts.describe(context.store, row, entity=mapped.entity, customer_id=customer_id, name=mapped.deal_name)
        _change(context, row, mapped.terms, issued)


def _entity_moved(context: Context, row: ContractRow, mapped: Mapped) -> None:
    context.find(
        Finding(
            code="entity_moved",
            subject=f"contract:{row.key}",
            message=f"Deal {row.deal_id} {row.name!r} moved from {row.entity} to {mapped.entity} after it was invoiced",
            fix="put the deal back, or end this contract and make a new deal for the other legal entity",
        )
    )


def _change(context: Context, row: ContractRow, terms: Terms, issued: bool) -> None:
    """Before anything was issued a change in the CRM simply counts; afterwards it waits for a person."""
    if contracts.digest(terms) == row.digest:
        contracts.propose_terms(context.store, context.actor, row, None)
        return
    if not issued or context.world.crm_changes == "apply":
        contracts.replace_terms(context.store, context.actor, row, terms, "the deal changed")
        context.count("contracts changed")
        return
    if hashlib.sha256(to_json(terms).encode()).hexdigest() == row.refused:
        return
    if row.proposed != to_json(terms):
        contracts.propose_terms(context.store, context.actor, row, terms)
        context.count("changes proposed")
    context.find(
        Finding(
            code="contract_changed",
            subject=f"contract:{row.key}",
            message=f"Deal {row.deal_id} {row.name!r} changed after it was invoiced: {_difference(row.current, terms)}",
            fix="apply: bill or credit the difference with the next invoice; keep: go on as agreed before",
            actions=("apply", "keep", "dismiss"),
        )
    )


def _difference(before: Terms, after: Terms) -> str:
    """Say in words which fields differ."""
    old, new = _flat(before), _flat(after)
    changes = [
        f"{path} {old.get(path, 'none')} -> {new.get(path, 'none')}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    return "; ".join(changes[:6]) + (f"; and {len(changes) - 6} more" if len(changes) > 6 else "")


def _flat(terms: Terms) -> dict[str, str]:
    flat: dict[str, str] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        elif value not in (None, "", [], ()):
            flat[path] = str(value)

    content = msgspec.to_builtins(terms)
    charges = content.pop("charges")
    walk("", content)
    for charge in charges:
        charge["discounts"] = str(charge["discounts"]) if charge["discounts"] else ""
        walk(charge["description"], charge)
    return flat
