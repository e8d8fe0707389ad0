"""Contracts -> drafts: what the terms owe today less what is settled."""

from __future__ import annotations

from billing.invoicing import BrokenInvariant, Rules, bill
from store import contracts, invoices
from store.contracts import ContractRow
from store.review import Finding
from sync.context import Context


def run(context: Context) -> None:
    """Bring the drafts of every contract up to date; a contract that fails is parked, the others go on."""
    rows = contracts.all_contracts(context.store)
    for done, row in enumerate(rows, 1):
        try:
            if row.state == "active":  # what is held or parked has no drafts
                _plan(context, row)
        except (BrokenInvariant, ArithmeticError, ValueError, LookupError) as error:
            context.find(
                Finding(
                    code="contract_parked",
                    subject=f"contract:{row.key}",
                    message=f"Contract {row.key} {row.name!r} cannot be billed: {error}",
                    fix="correct the deal; if it is right, this is a fault of ours: please report it",
                )
            )
        context.progress(done, len(rows))


def _plan(context: Context, row: ContractRow) -> None:
    entity = context.world.entities.get(row.entity)
    if entity is None:
        raise LookupError(f"the legal entity {row.entity!r} is not configured")
    settled = contracts.settled(context.store, row.key)
    rules = Rules(tax_rates=entity.tax_rates, go_live=entity.go_live)
    billing = bill(row.current, settled, today=context.today(row.entity), rules=rules)
    with context.store.transaction():
        contracts.settle(context.store, context.actor, row.key, billing.settled_elsewhere, "starts before go-live")
        changed = invoices.save_drafts(
            context.store,
            context.actor,
            entity=row.entity,
            contract=row.key,
            customer_id=row.customer_id,
            wanted=billing.drafts,
        )
    context.count("slices billed elsewhere", len(billing.settled_elsewhere))
    context.count("drafts new or changed", changed)
    for note in billing.notes:
        context.find(
            Finding(
                code=note.code,
                subject=f"contract:{row.key}",
                detail=note.path,
                message=f"Contract {row.key} {row.name!r}: {note.message}",
                fix="correct it in the CRM; the contract is planned again by itself",
            )
        )
