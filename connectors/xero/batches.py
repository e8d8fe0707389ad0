"""Batches: what goes out in which call, and one result per item of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from connectors.base import Adopted, Created, Rejected
from connectors.errors import ConnectorError, OutcomeUnknown, Refused
from connectors.xero.client import Client, Json, Query, encoded, messages

LARGEST_CALL = 3_500_000  # bytes of one request that Xero takes
_WRAPPING = 100  # bytes around the elements of a request
BATCH_SIZE = 50  # elements that Xero recommends per call

Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


class Place(NamedTuple):
    """Where elements are created. ``suffix`` tells its calls from those of other places under one idempotency key."""

    path: str
    suffix: str = ""
    query: Query = ()


class Sending(NamedTuple):
    """One element and where it goes."""

    place: Place
    body: Json


def put_batch(
    client: Client,
    batch: Sequence[Wanted],
    sendings: Sequence[Sending | Rejected],
    key: str,
    read: Callable[[Wanted, Json], Found],
    held: Callable[[Sequence[Wanted]], list[Found | None]],
) -> list[Created[Found] | Adopted[Found] | Rejected]:
    """Create what can be sent and return one result per item of ``batch``, in its order.

    It is one call per place, or more where one would be larger than Xero takes. Raises ``OutcomeUnknown`` when some
    calls went through and the next one failed: the look-up tells the parts apart.
    """
    answered: dict[int, Created[Found] | Adopted[Found] | Rejected] = {}
    elements: dict[int, Json] = {}
    for place, call_key, chosen in _calls(sendings, key, answered):
        bodies = [sending.body for index in chosen if isinstance(sending := sendings[index], Sending)]
        try:
            got = client.put(place.path, bodies, call_key, place.query)
        except ConnectorError as error:
            if not elements:
                raise
            raise OutcomeUnknown(f"A part of the batch was sent, its {place.path} failed: {error}") from error
        elements.update(zip(chosen, got, strict=True))
    order = sorted(elements)
    got_results = results([batch[index] for index in order], [elements[index] for index in order], read, held)
    answered.update(zip(order, got_results, strict=True))
    return [answered[index] for index in range(len(batch))]


def _calls(
    sendings: Sequence[Sending | Rejected], key: str, answered: dict[int, Created[Found] | Adopted[Found] | Rejected]
) -> Iterator[tuple[Place, str, list[int]]]:
    """Yield the calls to make: place, idempotency key, and which items; what cannot be sent is ``answered``."""
    by_place: dict[Place, list[int]] = {}
    sizes: dict[int, int] = {}
    for index, sending in enumerate(sendings):
        if isinstance(sending, Rejected):
            answered[index] = sending
            continue
        sizes[index] = len(encoded(sending.body)) + 1
        if sizes[index] + _WRAPPING > LARGEST_CALL:
            answered[index] = Rejected(f"It takes {sizes[index]} bytes; Xero takes {LARGEST_CALL} in a call")
        else:
            by_place.setdefault(sending.place, []).append(index)
    for place, chosen in by_place.items():
        for number, piece in enumerate(_pieces(chosen, sizes)):
            yield place, f"{key}{place.suffix}{f'-{number + 1}' if number else ''}", piece


def _pieces(chosen: Sequence[int], sizes: dict[int, int]) -> Iterator[list[int]]:
    piece: list[int] = []
    length = _WRAPPING
    for index in chosen:
        if piece and length + sizes[index] > LARGEST_CALL:
            yield piece
            piece, length = [], _WRAPPING
        piece.append(index)
        length += sizes[index]
    if piece:
        yield piece


def results(
    batch: Sequence[Wanted],
    elements: Sequence[Json],
    read: Callable[[Wanted, Json], Found],
    held: Callable[[Sequence[Wanted]], list[Found | None]],
) -> list[Created[Found] | Adopted[Found] | Rejected]:
    """Return one result per item of a batch that was sent.

    What Xero refused is looked up by ``held``: Xero's sentence for a number that exists already may change, and what
    it holds under our number is ours. A look-up that fails leaves the whole batch unknown, since parts were saved.
    """
    answered: list[Created[Found] | Adopted[Found] | Rejected] = [
        Rejected(reason="; ".join(reasons)) if (reasons := messages(element)) else Created(_saved(draft, element, read))
        for draft, element in zip(batch, elements, strict=True)
    ]
    refused = [index for index, result in enumerate(answered) if isinstance(result, Rejected)]
    if not refused:
        return answered
    try:
        existing = held([batch[index] for index in refused])
    except ConnectorError as error:
        raise OutcomeUnknown(f"Parts of a batch were saved and the rest could not be looked up: {error}") from error
    for index, found in zip(refused, existing, strict=True):
        if found is not None:
            answered[index] = Adopted(found)
    return answered


def _saved(draft: Wanted, element: Json, read: Callable[[Wanted, Json], Found]) -> Found:
    try:
        return read(draft, element)
    except (KeyError, TypeError, ValueError) as error:
        raise OutcomeUnknown(f"Xero's answer to a create cannot be read: {error!r}") from error


def put_each(
    batch: Sequence[Wanted],
    sendings: Sequence[Sending | Rejected],
    key: str,
    put: Callable[[Sending, str], Json],
    read: Callable[[Wanted, Json], Found],
    held: Callable[[Sequence[Wanted]], list[Found | None]],
) -> list[Created[Found] | Adopted[Found] | Rejected]:
    """Create objects by ``put``, each in a call of its own, and return one result per item of ``batch``.

    A call that Xero refuses is the refusal of its item. Raises ``OutcomeUnknown`` like ``put_batch``.
    """
    answered: dict[int, Created[Found] | Adopted[Found] | Rejected] = {}
    elements: dict[int, Json] = {}
    for index, sending in enumerate(sendings):
        if isinstance(sending, Rejected):
            answered[index] = sending
            continue
        try:
            elements[index] = put(sending, f"{key}-{index + 1}" if index else key)
        except Refused as error:
            elements[index] = {"ValidationErrors": [{"Message": str(error)}]}
        except ConnectorError as error:
            if not elements:
                raise
            raise OutcomeUnknown(f"A part of the batch was sent, its item {index + 1} failed: {error}") from error
    got = results([batch[index] for index in elements], [*elements.values()], read, held)
    answered.update(zip(elements, got, strict=True))
    return [answered[index] for index in range(len(batch))]
