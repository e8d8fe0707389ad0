"""What a changed deal would mean: which terms differ, and what applying them would bill or credit."""

from __future__ import annotations

from typing import Any

import msgspec

from billing import invoicing
from billing.invoicing import Billing, BrokenInvariant, Rules, bill
from billing.money import display
from billing.terms import Terms
from store import contracts
from store.contracts import ContractRow
from sync.context import Context


def difference(before: Terms, after: Terms) -> str:
    """Say in words which fields differ."""
    old, new = _flat(before), _flat(after)
    changes = [
        f"{path} {old.get(path, 'none')} -> {new.get(path, 'none')}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    return "; ".join(changes[:6]) + (f"; and {len(changes) - 6} more" if len(changes) > 6 else "")


def effect(context: Context, row: ContractRow, terms: Terms) -> str:
    """Say what applying ``terms`` today would bill or credit beyond what is due as agreed: each document's total."""
    try:
        found = billing_of(context, row, terms)
    except (BrokenInvariant, ArithmeticError, ValueError) as error:
        return f"applied, it could not be billed: {error}"
    if found.notes and not found.drafts:
        return f"applied, it could not be billed: {found.notes[0].message}"
    documents = []
    for draft in found.drafts:
        name = "a credit note" if draft.type == "credit_note" else "an invoice"
        tax = f", {display(draft.tax, draft.currency)} of it tax" if draft.tax else ""
        documents.append(f"{name} over {display(draft.total, draft.currency)}{tax}")
    return f"applied today: {' and '.join(documents) or 'nothing to bill or credit yet'}"


def billing_of(context: Context, row: ContractRow, terms: Terms) -> Billing:
    """Return what applying ``terms`` would draft, once all that is due as agreed before is billed.

    So it does not matter whether the latest invoice is out already. Raises ``BrokenInvariant``, ``ArithmeticError`` or
    ``ValueError`` for terms that cannot be billed.
    """
    entity, today = context.world.entities[row.entity], context.today(row.entity)
    rules = Rules(tax_rates=entity.tax_rates, go_live=entity.go_live)
    settled = contracts.settled(context.store, row.key)
    due = bill(row.current, settled, today=today, rules=rules)
    return bill(row.as_billed(terms), invoicing.settle(settled, due), today=today, rules=rules)


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
