"""Calls that change something the ledger holds already, as a collection of the outbox: one object in each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from connectors.base import Adopted, Created, Rejected
from connectors.errors import Refused

Draft = TypeVar("Draft")
Found = TypeVar("Found")


class OneByOne(Generic[Draft, Found]):
    """Voids and updates: doing one twice is doing it once.

    ``write`` does one under an idempotency key. ``find`` returns in bulk what is as it should be already; without it
    what may have been written is simply written again.
    """

    batch_size = 1

    def __init__(
        self,
        write: Callable[[Draft, str], Found],
        find: Callable[[Sequence[Draft]], list[Found | None]] | None = None,
    ) -> None:
        self._write = write
        self._find = find

    def find(self, wanted: Sequence[Draft]) -> list[Found | None]:
        """Return what needs no call any more."""
        return self._find(wanted) if self._find else [None] * len(wanted)

    def create(self, batch: Sequence[Draft], key: str) -> list[Created[Found] | Adopted[Found] | Rejected]:
        """Do the only one of the batch; a refusal is its own."""
        (draft,) = batch
        try:
            return [Created(self._write(draft, key))]
        except Refused as error:
            return [Rejected(str(error))]
