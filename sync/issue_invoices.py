"""Drafts -> documents: each gets its gapless number in the transaction that makes it final."""

from __future__ import annotations

import msgspec

from billing.invoicing import due_date
from store import contracts, invoices
from store.contracts import ContractRow
from store.invoices import DocumentRow
from store.review import Finding
from sync.context import Context, Entity


def run(context: Context) -> None:
    """Issue every draft that may leave: approved by a person, or of an entity that approves by itself."""
    rows = invoices.drafts(context.store)
    for done, row in enumerate(rows, 1):
        entity = context.world.entities[row.entity]
        contract = contracts.get(context.store, row.contract)
        assert contract is not None
        if (row.status == "approved" or entity.approve == "auto") and _may_leave(context, contract):
            _issue(context, entity, row, contract.current.payment_terms)
        context.progress(done, len(rows))


def _may_leave(context: Context, contract: ContractRow) -> bool:
    """Say whether nothing holds the draft back; a missing PO number does where the customer wants one."""
    terms = contract.current
    if not terms.po_required or terms.po_number:
        return True
    context.find(
        Finding(
            code="po_missing",
            subject=f"contract:{contract.key}",
            message=f"Contract {contract.key} {contract.name!r}: the customer wants a PO number and there is none",
            fix="write the PO number into the deal; the draft is then issued by itself",
        )
    )
    return False


def _issue(context: Context, entity: Entity, row: DocumentRow, payment_terms: str) -> None:
    """Date the draft today, whenever it was drawn up: an invoice is never backdated."""
    today = context.today(entity.key)
    final = msgspec.structs.replace(row.draft, issue_on=today, due_on=due_date(payment_terms, today))
    prefix = entity.number_prefix if row.type == "invoice" else entity.credit_prefix
    with context.store.transaction():
        number = invoices.take_number(context.store, entity.key, prefix, entity.number_digits)
        invoices.issue(context.store, context.actor, row, final, number)
    context.count("invoices issued" if row.type == "invoice" else "credit notes issued")
