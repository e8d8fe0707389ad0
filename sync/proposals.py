"""What a changed deal would mean: which terms differ, and what applying them would bill or credit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from billing import invoicing
from billing.invoicing import Billing, BrokenInvariant, bill
from billing.money import display
from billing.terms import Terms
from store import contracts
from store.contracts import ContractRow
from store.facts import facts_of
from sync.context import Context

_TABLE = "\x1f"  # after the name of one of several tables; no description has it


def difference(before: Terms, after: Terms) -> str:
    """Say in words which fields differ; a charge, tier or amendment that one of them lacks is named as a whole."""
    old, new = _flat(before), _flat(after)
    whole = {path: "added" for path in new if path.endswith(_TABLE) and path not in old}
    whole |= {path: "removed" for path in old if path.endswith(_TABLE) and path not in new}
    changes = []
    for path in sorted(old.keys() | new.keys()):
        if path in whole and not _within(path[:-1], whole):
            changes.append(f"{path[:-1].replace(_TABLE, '')} {whole[path]}")
        elif old.get(path) != new.get(path) and not _within(path, whole):
            changes.append(f"{path.replace(_TABLE, '')} {old.get(path, 'none')} -> {new.get(path, 'none')}")
    return "; ".join(changes[:6]) + (f"; and {len(changes) - 6} more" if len(changes) > 6 else "")


def _within(path: str, tables: Collection[str]) -> bool:
    """Say whether a path lies in one of some tables."""
    return any(path.startswith(table) for table in tables)


def effect(context: Context, row: ContractRow, terms: Terms) -> str:
    """Say what applying ``terms`` today would bill or credit beyond what is due as agreed: each document's total."""
    try:
        return in_words(billing_of(context, row, terms))
    except (BrokenInvariant, ArithmeticError, ValueError) as error:
        return f"applied, it could not be billed: {error}"


def in_words(found: Billing) -> str:
    """Say which documents a billing leads to, or what stands in their way."""
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
    rules = entity.rules
    settled = contracts.settled(context.store, row.key)
    facts = facts_of(context.store, row.key, context.world.indices)
    due = bill(row.current, settled, today=today, rules=rules, facts=facts)
    return bill(row.as_billed(terms), invoicing.settle(settled, due), today=today, rules=rules, facts=facts)


def _flat(terms: Terms) -> dict[str, str]:
    """Return every value of terms by its path; charges go by what they are called on invoices.

    Each of several tables has an entry of its own, too: its path with ``_TABLE`` at its end.
    """
    flat: dict[str, str] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, msgspec.Struct):
            for name in value.__struct_fields__:
                walk(f"{path}.{name}".lstrip("."), getattr(value, name))
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            for number, item in enumerate(value):
                one = f"{path}.{getattr(item, 'key', number)}{_TABLE}"
                flat[one] = ""
                walk(one, item)
        elif value not in (None, "", (), {}):
            flat[path] = str(value)

    walk("", msgspec.structs.replace(terms, charges=()))
    for charge in terms.charges:
        flat[f"{charge.description}{_TABLE}"] = ""
        walk(f"{charge.description}{_TABLE}", charge)
    return flat
