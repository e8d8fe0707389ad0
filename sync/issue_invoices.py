"""Drafts -> documents: each gets its gapless number in the transaction that makes it final."""

from __future__ import annotations

from datetime import date

import msgspec

from billing.amendments import in_force
from billing.due import due_date
from store import contracts, invoices
from store.contracts import ContractRow
from store.invoices import DocumentRow
from sync.context import Context, Entity


def run(context: Context) -> None:
    """Issue every draft that may leave: approved by a person, or of an entity that approves by itself."""
    rows = invoices.drafts(context.store)
    for done, row in enumerate(rows, 1):
        entity = context.world.entities[row.entity]
        contract = contracts.get(context.store, row.contract)
        assert contract is not None
        today = context.today(entity.key)
        if (row.status == "approved" or entity.approve == "auto") and _may_leave(row, contract, today):
            _issue(context, entity, row, in_force(contract.current, today).payment_terms)
        context.progress(done, len(rows))


def _may_leave(row: DocumentRow, contract: ContractRow, today: date) -> bool:
    """Say whether nothing holds the draft back: its deal, a missing PO number, or what a person must look at first."""
    if contract.state != "active" or not row.draft.may_leave(approved=row.status == "approved"):
        return False
    terms = in_force(contract.current, today)
    return bool(terms.po_number) or not terms.po_required


def _issue(context: Context, entity: Entity, row: DocumentRow, payment_terms: str) -> None:
    """Date the draft today, whenever it was drawn up: an invoice is never backdated."""
    today = context.today(entity.key)
    due_on = due_date(payment_terms, today) if row.type == "invoice" else today
    final = msgspec.structs.replace(row.draft, issue_on=today, due_on=due_on)
    prefix = entity.number_prefix if row.type == "invoice" else entity.credit_prefix
    with context.store.transaction():
        if invoices.get(context.store, row.id) != row:
            return  # drawn up anew meanwhile: what was not looked at is not issued
        number = invoices.take_number(context.store, entity.key, prefix, entity.number_digits)
        invoices.issue(context.store, context.actor, row, final, number)
    context.count("invoices issued" if row.type == "invoice" else "credit notes issued")
