"""Documents: Xero's sales invoices (ACCREC) and credit notes (ACCRECCREDIT), approved at once, found by our number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from connectors.base import (
    Adopted,
    Created,
    DocumentDraft,
    DocumentType,
    HeldLine,
    LedgerDocument,
    Ref,
    Rejected,
)
from connectors.edits import to_put_back
from connectors.errors import Refused
from connectors.xero.batches import BATCH_SIZE, Place, Sending, put_batch
from connectors.xero.client import Client, Json
from connectors.xero.document_body import INVOICES, KIND_OF, KINDS, PRICED, Kind, document_body
from connectors.xero.setup import Classes, Organisation
from connectors.xero.totals import DECIMALS
from connectors.xero.wire import chunks, day, equals, minor, updated_at

__all__ = ["KINDS", "Documents", "read_document", "void_document"]

_STATUSES: dict[str, Literal["draft", "open", "paid", "voided", "deleted"]] = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "open",
    "PAID": "paid",
    "VOIDED": "voided",
    "DELETED": "deleted",
}
_LINES = ("LineItems", "LineAmountTypes")
_SAID_BY = {  # our field -> Xero's
    "number": ("InvoiceNumber", "CreditNoteNumber"),
    "customer": ("Contact",),
    "currency": ("CurrencyCode", "CurrencyRate", *_LINES),
    "issue_on": ("Date", "DueDate"),
    "due_on": ("DueDate",),
    "total": _LINES,
    "tax": _LINES,
    "lines": _LINES,
    "po_number": ("Reference",),
}
_PLACES = {kind.ours: Place(kind.path, f"-{kind.ours}", (("unitdp", str(DECIMALS)),)) for kind in KINDS}


class Documents:
    """Invoices and credit notes by our number."""

    batch_size = BATCH_SIZE

    def __init__(self, client: Client, classes: Classes, organisation: Organisation) -> None:
        self._client = client
        self._classes = classes
        self._organisation = organisation

    def find(self, wanted: Sequence[DocumentDraft]) -> list[LedgerDocument | None]:
        """Look each up by its number among the documents of its kind, in as few calls as URLs allow."""
        found: dict[tuple[str, str], LedgerDocument] = {}
        for kind in KINDS:
            numbers = [draft.number for draft in wanted if draft.type == kind.ours]
            for document in self._numbered(kind, numbers):
                known = found.get((kind.ours, document.number))
                if known is None or known.status in ("voided", "deleted"):
                    found[kind.ours, document.number] = document
        return [found.get((draft.type, draft.number)) for draft in wanted]

    def _numbered(self, kind: Kind, numbers: Sequence[str]) -> list[LedgerDocument]:
        if kind is INVOICES:
            queries = [("InvoiceNumbers", chunk) for chunk in chunks(numbers, ",")]
        else:
            conditions = [equals(kind.number, number) for number in numbers]
            queries = [("where", chunk) for chunk in chunks(conditions, " OR ")]
        answers = [self._client.get(kind.path, [query]) for query in queries]
        return [
            read_document(kind, one) for answer in answers for one in answer[kind.path] if one.get("Type") == kind.type
        ]

    def create(
        self, batch: Sequence[DocumentDraft], key: str
    ) -> list[Created[LedgerDocument] | Adopted[LedgerDocument] | Rejected]:
        """Create and approve documents: one call for the invoices and one for the credit notes, if there are both.

        The totals found are Xero's own, read from its answer, also where they are not what was predicted.
        """
        options = self._classes.named({line.class_ for draft in batch for line in draft.lines if line.class_})
        bodies = [document_body(draft, options, self._organisation.currency) for draft in batch]
        sendings = [
            body if isinstance(body, Rejected) else Sending(_PLACES[draft.type], body)
            for draft, body in zip(batch, bodies, strict=True)
        ]
        return put_batch(
            self._client, batch, sendings, key, lambda draft, one: read_document(KIND_OF[draft.type], one), self.find
        )

    def get(self, id: str, type: DocumentType) -> LedgerDocument:
        """Return one document, whole. Xero keeps even what was deleted."""
        kind = KIND_OF[type]
        return read_document(kind, self._client.get(f"{kind.path}/{id}")[kind.path][0])

    def update(self, seen: LedgerDocument, draft: DocumentDraft, key: str) -> LedgerDocument:
        """Write over a document what it does not say any more of ``draft``. Raises ``Refused``; see ``to_put_back``.

        Xero keeps no versions: what somebody saves between our reading and our writing is not noticed.
        """
        kind, id = KIND_OF[draft.type], seen.ref.id
        there = self.get(id, draft.type)
        wanted = to_put_back(draft, seen, there)
        if not wanted:
            return there
        fields = {kind.id: id, **self._fields(draft, wanted)}
        answer = self._client.change(f"{kind.path}/{id}", {kind.path: [fields]}, key, _PLACES[draft.type].query)
        return read_document(kind, answer)

    def _fields(self, draft: DocumentDraft, wanted: Sequence[str]) -> Json:
        """Return the fields that say the ``wanted`` ones of the draft: Xero keeps every other as it is.

        Lines go as a whole; without their ids they are made anew. The date takes along the due date it must not pass.
        """
        options = self._classes.named({line.class_ for line in draft.lines if line.class_})
        body = document_body(draft, options, self._organisation.currency)
        if isinstance(body, Rejected):
            raise Refused(body.reason)
        names = {field for one in wanted for field in _SAID_BY[one]}
        return {name: value for name, value in body.items() if name in names}


def void_document(client: Client, id: str, type: DocumentType, key: str) -> LedgerDocument:
    """Void what is approved and delete what is a draft; raises ``Refused`` where Xero does not (paid, locked)."""
    kind = KIND_OF[type]
    found: Json = client.get(f"{kind.path}/{id}")[kind.path][0]
    status = found["Status"]
    if status in ("VOIDED", "DELETED"):
        return read_document(kind, found)
    wanted = "DELETED" if _STATUSES[status] == "draft" else "VOIDED"
    return read_document(kind, client.change(f"{kind.path}/{id}", {kind.path: [{kind.id: id, "Status": wanted}]}, key))


def read_document(kind: Kind, element: Json) -> LedgerDocument:
    """Return an invoice or credit note of Xero's."""
    currency = element.get("CurrencyCode", "")
    return LedgerDocument(
        ref=Ref(id=element[kind.id]),
        number=element.get(kind.number, ""),
        type=kind.ours,
        status=_STATUSES[element["Status"]],
        customer_id=element.get("Contact", {}).get("ContactID", ""),
        currency=currency,
        total=minor(element.get("Total"), currency),
        tax=minor(element.get("TotalTax"), currency),
        balance=minor(element.get(kind.balance), currency),
        issue_on=day(element, "Date"),
        due_on=day(element, "DueDate"),
        lines=_lines(element, currency),
        memo=element.get("Reference") or "",
        updated_at=updated_at(element),
    )


def _lines(element: Json, currency: str) -> tuple[HeldLine, ...] | None:
    """Return the lines with an amount, None where the answer leaves lines out, as lists without pages do.

    What we say of a price in words is none of a line's text.
    """
    if not element.get("LineItems"):
        return None
    held = ((one.get("Description") or "", minor(one.get("LineAmount"), currency)) for one in element["LineItems"])
    return tuple(HeldLine(PRICED.sub("", text), amount) for text, amount in held if amount)
