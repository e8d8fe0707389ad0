"""Credits: what a customer may still use, as credit note, overpayment or prepayment, and setting it against invoices.

Ours on account are overpayments; people make prepayments as well. An id does not tell which of the two it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from billing import money
from connectors.base import Adopted, AllocationDraft, Created, LedgerAllocation, Ref, RefundDraft, Rejected
from connectors.xero.batches import Place, Sending, put_each
from connectors.xero.client import Client, Json
from connectors.xero.wire import chunks, day, minor, same_id, unbookable


class Source(NamedTuple):
    """What Xero calls a kind of credit."""

    name: str
    path: str
    id: str


CREDIT_NOTE = Source("CreditNote", "CreditNotes", "CreditNoteID")
OVERPAYMENT = Source("Overpayment", "Overpayments", "OverpaymentID")
PREPAYMENT = Source("Prepayment", "Prepayments", "PrepaymentID")
ON_ACCOUNT = (OVERPAYMENT, PREPAYMENT)
SOURCES = (CREDIT_NOTE, *ON_ACCOUNT)


def usable(draft: AllocationDraft | RefundDraft, sources: Mapping[str, Source]) -> Source | Rejected:
    """Return the kind of a draft's credit by what ``Credits.sources`` found, or why nothing can be taken of it."""
    found = sources.get(draft.source.id) or Rejected(f"Xero holds no money on account with the id {draft.source.id}")
    return unbookable(draft.key, draft.amount, draft.currency) or found


class Credits:
    """Knows which id on account is of which kind; that never changes, so it is asked once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, Source] = {}

    def note(self, id: str, source: Source) -> None:
        """Remember the kind of an id that was seen."""
        self._known[id] = source

    def sources(self, drafts: Iterable[AllocationDraft | RefundDraft]) -> dict[str, Source]:
        """Return the kind of each draft's source by its id; one that Xero does not hold is missing."""
        wanted = {draft.source.id: draft.source_kind for draft in drafts}
        unknown = [id for id, kind in wanted.items() if kind == "on_account" and id not in self._known]
        for source in ON_ACCOUNT:
            unknown = [id for id in unknown if id not in self.read(source, unknown)]
        notes = {id: CREDIT_NOTE for id, kind in wanted.items() if kind == "credit_note"}
        return {**{id: self._known[id] for id in wanted if id in self._known}, **notes}

    def read(self, source: Source, ids: Sequence[str]) -> dict[str, Json]:
        """Read credits of one kind by their ids."""
        found: dict[str, Json] = {}
        for where in chunks([same_id(source.id, id) for id in ids], " OR "):
            for answer in self._client.pages(source.path, [("where", where)]):
                found.update({one[source.id]: one for one in answer[source.path]})
        self._known.update(dict.fromkeys(found, source))
        return found


class Allocations:
    """Credits set against invoices. Xero has no place for our key: source, invoice and amount tell which it is."""

    batch_size = 1  # each is a call of its own, so that what became of one does not hang on another

    def __init__(self, client: Client, credits: Credits) -> None:
        self._client = client
        self._credits = credits

    def find(self, wanted: Sequence[AllocationDraft]) -> list[LedgerAllocation | None]:
        """Look each up among the allocations of its credit; one that is found answers for one draft only.

        Of several the one of the draft's day comes first; the day alone says nothing, as after a restore it is another.
        """
        sources = self._credits.sources(wanted)
        held: dict[tuple[str, str, int], list[LedgerAllocation]] = {}
        for source in SOURCES:
            ids = [id for id, kind in sources.items() if kind is source]
            for id, credit in self._credits.read(source, ids).items():
                for element in credit.get("Allocations", ()):
                    if not element.get("IsDeleted"):
                        one = read_allocation(id, element, credit.get("CurrencyCode", ""))
                        held.setdefault((id, one.document_id, one.amount), []).append(one)
        found: list[LedgerAllocation | None] = []
        for draft in wanted:
            there = held.get((draft.source.id, draft.document.id, draft.amount), [])
            likely = next((one for one in there if one.on == draft.on), there[0] if there else None)
            if likely is not None:
                there.remove(likely)
            found.append(likely)
        return found

    def create(
        self, batch: Sequence[AllocationDraft], key: str
    ) -> list[Created[LedgerAllocation] | Adopted[LedgerAllocation] | Rejected]:
        """Set credits against invoices; more than is left of either is refused by Xero and so ``Rejected``."""
        sources = self._credits.sources(batch)
        sendings = [_sending(draft, usable(draft, sources)) for draft in batch]
        return put_each(batch, sendings, key, self._put, _read, self.find)

    def _put(self, sending: Sending, key: str) -> Json:
        """Send one allocation and return it from the answer, which may hold the earlier ones of its credit as well."""
        made = self._client.put_one(sending.place.path, sending.body, key)
        wanted = (sending.body["Invoice"]["InvoiceID"], sending.body["Amount"])
        ours = [one for one in made if (one.get("Invoice", {}).get("InvoiceID"), one.get("Amount")) == wanted]
        return ours[-1] if ours else made[-1]


def _sending(draft: AllocationDraft, source: Source | Rejected) -> Sending | Rejected:
    if isinstance(source, Rejected):
        return source
    body: Json = {
        "Invoice": {"InvoiceID": draft.document.id},
        "Amount": money.to_decimal(draft.amount, draft.currency),
        "Date": draft.on.isoformat(),
    }
    return Sending(Place(f"{source.path}/{draft.source.id}/Allocations"), body)


def _read(draft: AllocationDraft, element: Json) -> LedgerAllocation:
    return read_allocation(draft.source.id, element, draft.currency)


def read_allocation(source_id: str, element: Json, currency: str) -> LedgerAllocation:
    """Return an allocation of the credit ``source_id``."""
    return LedgerAllocation(
        ref=Ref(id=element.get("AllocationID", "")),
        source_id=source_id,
        document_id=element["Invoice"]["InvoiceID"],
        amount=minor(element.get("Amount"), currency),
        currency=currency,
        on=day(element, "Date"),
    )
