"""What all collections share: a batch goes out, each answer becomes a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from connectors.base import Adopted, Created, Rejected
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.quickbooks.catalogue import Catalogue
from connectors.quickbooks.limits import NotSayable
from connectors.quickbooks.transport import BATCH_SIZE, Fault, Item, Row, Transport

DUPLICATES = ("6140", "6240")  # document number, name
Wanted = TypeVar("Wanted")
Found = TypeVar("Found")
Results = dict[int, Created[Found] | Adopted[Found] | Rejected]  # by position in the batch


class Collection(Generic[Wanted, Found]):
    """Objects of one kind. A subclass says how a draft is written, how a row is read, and how it is found again."""

    batch_size = BATCH_SIZE

    def __init__(self, transport: Transport, catalogue: Catalogue) -> None:
        self._transport = transport
        self._catalogue = catalogue

    def find(self, wanted: Sequence[Wanted]) -> list[Found | None]:
        """Look each up by its natural key."""
        raise NotImplementedError

    def create(self, batch: Sequence[Wanted], key: str) -> list[Created[Found] | Adopted[Found] | Rejected]:
        """Create what can be said; a number or name that is taken is looked up."""
        self._check_size(batch)
        rejected, items = self._items(dict(enumerate(batch)))
        answers = self._transport.write(items, key) if items else {}
        taken = [i for i in range(len(batch)) if _is_duplicate(answers.get(bid(i)))]
        existing = dict(zip(taken, self._look_up([batch[i] for i in taken]), strict=True))
        return [
            rejected.get(index) or self._result(draft, answers[bid(index)], existing.get(index))
            for index, draft in enumerate(batch)
        ]

    def _check_size(self, batch: Sequence[Wanted]) -> None:
        if len(batch) > BATCH_SIZE:
            raise ValueError(f"QuickBooks takes {BATCH_SIZE} objects in a call, not {len(batch)}")

    def _items(self, drafts: Mapping[int, Wanted]) -> tuple[dict[int, Rejected], list[Item]]:
        """Return what cannot be said, and the rest as items of a batch, both by position."""
        rejected: dict[int, Rejected] = {}
        items = []
        for index, draft in drafts.items():
            try:
                entity, body = self._body(draft)
                items.append(Item(bid(index), entity, body))
            except NotSayable as error:
                rejected[index] = Rejected(str(error))
        return rejected, items

    def _look_up(self, drafts: Sequence[Wanted]) -> list[Found | None]:
        try:
            return self.find(drafts) if drafts else []
        except ConnectorError as error:  # others of the batch are booked by now
            raise OutcomeUnknown(
                f"the batch is booked, but what was there before could not be read: {error}"
            ) from error

    def _result(
        self, draft: Wanted, answer: Row | Fault, existing: Found | None
    ) -> Created[Found] | Adopted[Found] | Rejected:
        if not isinstance(answer, Fault):
            return Created(self._read(draft, answer))
        if existing is not None and self._is_ours(draft, existing):
            return Adopted(existing)
        return Rejected(self._reason(draft, answer, existing), answer.code)

    def _body(self, draft: Wanted) -> tuple[str, Row]:
        """Return the entity and the body of a draft; raise ``NotSayable``."""
        raise NotImplementedError

    def _read(self, draft: Wanted, row: Row) -> Found:
        raise NotImplementedError

    def _is_ours(self, draft: Wanted, existing: Found) -> bool:
        return True

    def _reason(self, draft: Wanted, fault: Fault, existing: Found | None) -> str:
        return fault.text


def bid(index: int) -> str:
    """Return the batch id of the draft at ``index``: the same whatever else of its batch goes out with it."""
    return str(index + 1)


def _is_duplicate(answer: Row | Fault | None) -> bool:
    return isinstance(answer, Fault) and answer.code in DUPLICATES
