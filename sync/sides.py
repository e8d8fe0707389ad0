"""What is meant beside what a vendor holds, in words: for a person who has to say which is right."""

from __future__ import annotations

from typing import Any

import msgspec

from billing.money import display
from connectors.base import Ref
from store.outbox import Side

_NAMES = {"number": "number", "key": "our reference", "type": "kind", "status": "status"}
_DATES = {"issue_on": "date", "due_on": "due", "received_on": "received", "on": "date"}


def both(draft: Any, found: Any) -> list[Side]:
    """Return what can be compared of a draft and of what was found, what differs first."""
    compared = [
        ("customer", _customer(draft), _customer(found)),
        ("amount", _amount(draft), _amount(found)),
        ("currency", _text(draft, "currency"), _text(found, "currency")),
        *((label, _text(draft, name), _text(found, name)) for name, label in (_NAMES | _DATES).items()),
        ("name", _text(getattr(draft, "customer", None), "name"), _text(found, "name")),
        ("mail", _text(getattr(draft, "customer", None), "email"), _text(found, "email")),
        ("tax id", _text(getattr(draft, "customer", None), "tax_id"), _text(found, "tax_id")),
        ("id there", "", found.ref.id),
    ]
    known = [side for side in compared if side[1] or side[2]]
    return sorted(known, key=lambda side: not (side[1] and side[2]) or side[1] == side[2])


def _customer(thing: Any) -> str:
    owner = getattr(thing, "customer", None)
    return owner.id if isinstance(owner, Ref) else _text(thing, "customer_id")


def _amount(thing: Any) -> str:
    """Return what a draft or a found object is over: of a payment at a ledger what it applies, if that is known."""
    applied = getattr(thing, "applied", None)
    amount = sum(applied.values()) if applied else getattr(thing, "total", getattr(thing, "amount", None))
    if amount is None:
        return ""
    return display(amount, thing.currency) if thing.currency else str(amount)


def _text(thing: Any, name: str) -> str:
    value = getattr(thing, name, None) if isinstance(thing, msgspec.Struct) else None
    return "" if value is None else str(value)
