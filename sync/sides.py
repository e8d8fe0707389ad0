"""What is meant beside what a vendor holds, in words: for a person who has to say which is right."""

from __future__ import annotations

from typing import Any

import msgspec

from billing.money import display
from connectors.base import Ref
from store.outbox import Side

_NAMES = {"number": "number", "key": "our reference", "type": "kind", "status": "status"}
_DATES = {"issue_on": "date", "due_on": "due", "received_on": "received", "on": "date"}
_OTHERS = {"tax": "tax", "lines": "lines", "po_number": "purchase order"}


def both(draft: Any, found: Any) -> list[Side]:
    """Return what can be compared of a draft and of what was found, what differs first."""
    compared = [
        ("customer", _customer(draft), _customer(found)),
        ("amount", _amount(draft), _amount(found)),
        ("currency", _text(draft, "currency"), _text(found, "currency")),
        *(field(draft, found, name) for name in (*_NAMES, *_DATES, *_OTHERS)),
        ("name", _text(getattr(draft, "customer", None), "name"), _text(found, "name")),
        ("mail", _text(getattr(draft, "customer", None), "email"), _text(found, "email")),
        ("tax id", _text(getattr(draft, "customer", None), "tax_id"), _text(found, "tax_id")),
        ("id there", "", found.ref.id),
    ]
    known = [side for side in compared if side[1] or side[2]]
    return sorted(known, key=lambda side: not (side[1] and side[2]) or side[1] == side[2])


def field(draft: Any, found: Any, name: str) -> Side:
    """Return one field, by the draft's name for it, in words. Ledgers keep a purchase order in a text of their own."""
    label = (_NAMES | _DATES | _OTHERS).get(name, name)
    if name == "lines":
        return label, _lines(draft), _lines(found)
    if name in ("tax", "total"):
        return label, _money(draft, name), _money(found, name)
    if name == "po_number":
        here, there = _text(draft, name), _text(found, "memo")
        return label, here, here if here in there else there
    return label, _text(draft, name), _text(found, name)


def line(one: Any, currency: str) -> str:
    """Return a line of a document in words."""
    return f"{' '.join(one.description.split())} over {display(one.amount, currency)}"


def _lines(thing: Any) -> str:
    return "; ".join(line(one, thing.currency) for one in getattr(thing, "lines", None) or () if one.amount)


def _customer(thing: Any) -> str:
    owner = getattr(thing, "customer", None)
    return owner.id if isinstance(owner, Ref) else _text(thing, "customer_id")


def _amount(thing: Any) -> str:
    """Return what a draft or a found object is over: of a payment at a ledger what it applies, if that is known."""
    if applied := getattr(thing, "applied", None):
        return _shown(sum(applied.values()), thing.currency)
    return _money(thing, "total" if hasattr(thing, "total") else "amount")


def _money(thing: Any, name: str) -> str:
    minor = getattr(thing, name, None)
    return "" if minor is None else _shown(minor, thing.currency)


def _shown(minor: int, currency: str) -> str:
    return display(minor, currency) if currency else str(minor)


def _text(thing: Any, name: str) -> str:
    value = getattr(thing, name, None) if isinstance(thing, msgspec.Struct) else None
    return "" if value is None else str(value)
