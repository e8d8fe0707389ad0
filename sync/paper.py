"""A draft as the customer would get it: dated today, and before it is issued as a pro forma invoice."""

from __future__ import annotations

from datetime import date

import msgspec

from billing.amendments import in_force
from billing.draft import Draft
from billing.due import due_date
from store import contracts, invoices
from store.database import Store
from store.invoices import DocumentRow
from sync.set_terms import find


def dated(draft: Draft, payment_terms: str, today: date) -> Draft:
    """Return a draft as it would be issued today, whenever it was drawn up: nothing is ever backdated."""
    due_on = due_date(payment_terms, today) if draft.type == "invoice" else today
    return msgspec.structs.replace(draft, issue_on=today, due_on=due_on)


def drafts(store: Store, name: str) -> list[DocumentRow]:
    """Return the draft of this name (D12), or those with lines of the contract of this key.

    Raises ``ValueError`` when there is none.
    """
    waiting = {row.name: row for row in invoices.drafts(store)}
    if name.upper() in waiting:
        return [waiting[name.upper()]]
    if name[:1] in "dD" and name[1:].isdigit() and contracts.get(store, name) is None:
        raise ValueError(f"{name}: there is no such draft; `netterms approve` lists them")
    key = find(store, name).key
    found = [row for row in waiting.values() if key in invoices.slices_of(row.draft)]
    if not found:
        raise ValueError(f"contract {key} has no draft: nothing is due that is not issued; `netterms plan` looks ahead")
    return found


def pro_forma(store: Store, row: DocumentRow, today: date) -> Draft:
    """Return a draft as it stands, dated today; it has no number and nobody owes it."""
    contract = contracts.get(store, row.contract)
    assert contract is not None
    return dated(row.draft, in_force(contract.current, today).payment_terms, today)
