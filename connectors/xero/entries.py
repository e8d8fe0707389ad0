"""What expenses, transfers and journals share: their status, and which of several under one key is meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from connectors.base import LedgerEntry
from connectors.xero.client import Json

Wanted = TypeVar("Wanted")
Entry = Callable[[Wanted, Json], LedgerEntry]

_STATUSES: dict[str, Literal["active", "voided", "deleted"]] = {"VOIDED": "voided", "DELETED": "deleted"}


def entry_status(element: Json) -> Literal["active", "voided", "deleted"]:
    """Return whether an object of Xero's stands."""
    return _STATUSES.get(element.get("Status", ""), "active")


def first_standing(keys: Sequence[str], entries: Iterable[LedgerEntry]) -> list[LedgerEntry | None]:
    """Return one entry per key: one that stands before one that was taken back."""
    found: dict[str, LedgerEntry] = {}
    for entry in entries:
        if entry.status == "active" or entry.key not in found:
            found[entry.key] = entry
    return [found.get(key) for key in keys]


def standing(found: Sequence[LedgerEntry | None]) -> list[LedgerEntry | None]:
    """Return what stands of ``found``: what was taken back is no reason not to book it again."""
    return [one if one is not None and one.status == "active" else None for one in found]
