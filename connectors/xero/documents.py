"""Documents: Xero's sales invoices (ACCREC) and credit notes (ACCRECCREDIT), approved at once, found by our number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec

from billing import money
from connectors.base import Adopted, Created, DocumentDraft, LedgerDocument, LedgerLine, Ref, Rejected
from connectors.errors import ConnectorError, OutcomeUnknown
from connectors.xero.client import Client, Json
from connectors.xero.setup import Classes, Options
from connectors.xero.wire import chunks, day, equals, inexact, minor, results, too_fine, updated_at

_STATUSES: dict[str, Literal["draft", "open", "paid", "voided", "deleted"]] = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "open",
    "PAID": "paid",
    "VOIDED": "voided",
    "DELETED": "deleted",
}
_CENT = Decimal("0.01")
_DECIMALS = 4  # of a quantity and, with unitdp=4, of a unit price

Result = Created[LedgerDocument] | Adopted[LedgerDocument] | Rejected


class Kind(msgspec.Struct, frozen=True):
    """What Xero calls a kind of document."""

    ours: Literal["invoice", "credit_note"]
    type: str
    path: str
    id: str
    number: str
    balance: str


INVOICES = Kind("invoice", "ACCREC", "Invoices", "InvoiceID", "InvoiceNumber", "AmountDue")
CREDIT_NOTES = Kind("credit_note", "ACCRECCREDIT", "CreditNotes", "CreditNoteID", "CreditNoteNumber", "RemainingCredit")
KINDS = (INVOICES, CREDIT_NOTES)


class Documents:
    """Invoices and credit notes by our number."""

    batch_size = 50  # what Xero recommends per call

    def __init__(self, client: Client, classes: Classes) -> None:
        self._client = client
        self._classes = classes

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

    def create(self, batch: Sequence[DocumentDraft], key: str) -> list[Result]:
        """Create and approve documents: one call for the invoices and one for the credit notes, if there are both."""
        options = self._classes.named({line.class_ for draft in batch for line in draft.lines if line.class_})
        refused = {index: reason for index, draft in enumerate(batch) if (reason := _refusal(draft, options))}
        answered: dict[int, Result] = dict(refused)
        for kind in KINDS:
            chosen = [index for index, one in enumerate(batch) if one.type == kind.ours and index not in refused]
            if not chosen:
                continue
            try:
                got = self._put(kind, [batch[index] for index in chosen], options, f"{key}-{kind.ours}")
            except ConnectorError as error:
                if len(answered) == len(refused):
                    raise
                raise OutcomeUnknown(f"The batch's invoices were sent, its credit notes failed: {error}") from error
            answered.update(zip(chosen, got, strict=True))
        return [answered[index] for index in range(len(batch))]

    def _put(self, kind: Kind, drafts: Sequence[DocumentDraft], options: Options, key: str) -> list[Result]:
        bodies = [_body(kind, draft, options) for draft in drafts]
        elements = self._client.put(kind.path, bodies, key, [("unitdp", str(_DECIMALS))])
        return results(drafts, elements, lambda element: read_document(kind, element), self.find)


def _refusal(draft: DocumentDraft, options: Options) -> Rejected | None:
    """Return why a document is not even sent, None when it may be."""
    if any(inexact(amount, draft.currency) for line in draft.lines for amount in (line.amount, line.tax)):
        return too_fine(draft.currency)
    unknown = sorted({line.class_ for line in draft.lines if line.class_} - options.keys())
    return Rejected(reason=f"Xero has no active tracking option named {', '.join(unknown)}") if unknown else None


def _body(kind: Kind, draft: DocumentDraft, options: Options) -> Json:
    """Return the document as Xero wants it.

    Only the contact's id is sent: any other field would overwrite the contact. No rate is sent: Xero takes the day's.
    ``mark`` is not sent, as Xero has no place for it that the customer never sees; the number is enough.
    """
    lines = [_line(line, draft.currency, options) for line in draft.lines]
    if draft.memo:
        lines.append({"Description": draft.memo})  # a line of text, without an amount
    body: Json = {
        "Type": kind.type,
        kind.number: draft.number,
        "Contact": {"ContactID": draft.customer.id},
        "Date": draft.issue_on.isoformat(),
        "LineAmountTypes": "Exclusive",
        "CurrencyCode": draft.currency,
        "Status": "AUTHORISED",
        "LineItems": lines,
    }
    if kind is INVOICES:
        body["DueDate"] = draft.due_on.isoformat()
    if draft.po_number:
        body["Reference"] = draft.po_number
    return body


def _line(line: LedgerLine, currency: str, options: Options) -> Json:
    amount = money.to_decimal(line.amount, currency)
    description, quantity, price = line.description, line.quantity, line.unit_price
    if not _says(quantity, price, amount):
        description = f"{description} ({_plain(quantity)} × {_plain(price)} {currency})"
        quantity, price = Decimal(1), amount
    body: Json = {
        "Description": description,
        "Quantity": quantity,
        "UnitAmount": price,
        "LineAmount": amount,
        "TaxAmount": money.to_decimal(line.tax, currency),
    }
    names = {"ItemCode": line.item, "AccountCode": line.account, "TaxType": line.tax_code}
    body.update({name: value for name, value in names.items() if value})
    if line.class_:
        category, option = options[line.class_]
        body["Tracking"] = [{"Name": category, "Option": option}]
    return body


def _says(quantity: Decimal, price: Decimal, amount: Decimal) -> bool:
    """Say whether Xero can hold both numbers and would compute ``amount`` from them."""
    if any(number != number.quantize(Decimal(1).scaleb(-_DECIMALS)) for number in (quantity, price)):
        return False
    return (quantity * price).quantize(_CENT, ROUND_HALF_UP) == amount


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


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
        updated_at=updated_at(element),
    )
