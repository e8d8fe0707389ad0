"""Invoices and credit memos, plain and complete: nothing is sent that the draft does not say.

In particular no ``ExchangeRate`` unless the draft names one (QuickBooks then takes the day's; 1 would book euros as
dollars) and no online payment flags (absent, the company's own setting holds). What does not fit is refused with a
remedy, never cut. A purchase order number stands in the memo for the customer: the API has no field for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter

from connectors.base import DocumentDraft, DocumentType, LedgerDocument, LedgerLine, Ref
from connectors.edits import to_put_back
from connectors.errors import Refused
from connectors.quickbooks import rows, tax
from connectors.quickbooks.catalogue import Catalogue
from connectors.quickbooks.collection import Collection
from connectors.quickbooks.customers import email
from connectors.quickbooks.limits import (
    CENT,
    MEMO_LENGTH,
    NUMBER_DIGITS,
    NUMBER_LENGTH,
    TEXT_LENGTH,
    NotSayable,
    amount,
    digits,
    fit,
)
from connectors.quickbooks.transport import NOT_THERE, STALE, FaultError, Row, Transport, derived

ENTITIES: dict[DocumentType, str] = {"invoice": "Invoice", "credit_note": "CreditMemo"}
_LINES = ("Line", "TxnTaxDetail", "GlobalTaxCalculation")
_SAID_BY = {  # our field -> QuickBooks'
    "number": ("DocNumber",),
    "customer": ("CustomerRef", "CurrencyRef"),
    "currency": ("CurrencyRef",),
    "issue_on": ("TxnDate", "DueDate"),
    "due_on": ("DueDate",),
    "total": _LINES,
    "tax": _LINES,
    "lines": _LINES,
    "po_number": ("CustomerMemo",),
}


class Documents(Collection[DocumentDraft, LedgerDocument]):
    """Invoices and credit memos, found by our number or our mark."""

    def find(self, wanted: Sequence[DocumentDraft]) -> list[LedgerDocument | None]:
        """Find documents by number, invoices among invoices and credit notes among credit memos.

        Of two that bear it the one that stands. What bears another number by now, as people or QuickBooks itself gave
        it one, is found by our mark among the documents of its day: no query asks for a note.
        """
        found: dict[tuple[str, str], LedgerDocument] = {}
        for entity in ENTITIES.values():
            drafts = [draft for draft in wanted if ENTITIES[draft.type] == entity]
            found |= self._among(entity, "DocNumber", [draft.number for draft in drafts], attrgetter("number"))
            missing = [draft for draft in drafts if draft.mark and (entity, draft.number) not in found]
            days = [draft.issue_on.isoformat() for draft in missing]
            marked = self._among(entity, "TxnDate", days, lambda document: rows.mark_key(document.mark))
            keys = {draft.number: (entity, rows.mark_key(draft.mark)) for draft in missing}
            found |= {(entity, number): marked[key] for number, key in keys.items() if key in marked}
        return [found.get((ENTITIES[draft.type], draft.number)) for draft in wanted]

    def _among(
        self, entity: str, field: str, values: Sequence[str], key: Callable[[LedgerDocument], str]
    ) -> dict[tuple[str, str], LedgerDocument]:
        held = [rows.document(entity, row) for row in rows.voided_first(self._transport.among(entity, field, values))]
        return {(entity, key(document)): document for document in held}

    def get(self, ref: Ref, kind: DocumentType) -> LedgerDocument:
        """Return one document; ``deleted`` where it is not there any more."""
        try:
            return rows.document(ENTITIES[kind], self._transport.get(ENTITIES[kind], ref.id))
        except FaultError as error:
            if error.code != NOT_THERE:
                raise
            return LedgerDocument(ref=ref, number="", type=kind, status="deleted")

    def update(self, seen: LedgerDocument, draft: DocumentDraft, key: str) -> LedgerDocument:
        """Write over a document what it does not say any more of ``draft``. Raises ``Refused``; see ``to_put_back``."""
        entity = ENTITIES[draft.type]

        def put_back(row: Row) -> Row:
            if wanted := to_put_back(draft, seen, rows.document(entity, row)):
                change = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True}
                change |= self._fields(draft, wanted)
                return self._transport.change(entity, change, derived(key, row["SyncToken"]))
            return row

        return self._read_and_change(entity, seen.ref.id, put_back)

    def _fields(self, draft: DocumentDraft, wanted: Sequence[str]) -> Row:
        """Return the fields that say the ``wanted`` ones of the draft: a sparse update keeps every other as it is.

        Lines go as a whole, with the tax on them. Number and customer always go along: QuickBooks may clear a number
        that an update does not name.
        """
        try:
            body = document_body(draft, self._catalogue)
        except NotSayable as error:
            raise Refused(str(error)) from error
        names = {"DocNumber", "CustomerRef", *(field for one in wanted for field in _SAID_BY[one])}
        return {name: value for name, value in body.items() if name in names}

    def void(self, ref: Ref, kind: DocumentType, key: str) -> LedgerDocument:
        """Void a document that nothing is paid of or used of. Raises ``Refused``."""
        entity = ENTITIES[kind]

        def void(row: Row) -> Row:
            document = rows.document(entity, row)
            if document.status == "voided":
                return row
            if document.balance != document.total:
                raise Refused(
                    f"{entity} {document.number} is paid or used in part: void its payments first, then the document"
                )
            return _void(self._transport, entity, row, derived(key, row["SyncToken"]))

        return self._read_and_change(entity, ref.id, void)

    def _read_and_change(self, entity: str, id: str, change: Callable[[Row], Row]) -> LedgerDocument:
        """Read a document and change it; one that changes while we do so is read once more and judged again."""
        try:
            return rows.document(entity, change(self._transport.get(entity, id)))
        except FaultError as error:
            if error.code != STALE:
                raise
        return rows.document(entity, change(self._transport.get(entity, id)))

    def _body(self, draft: DocumentDraft) -> tuple[str, Row]:
        return ENTITIES[draft.type], document_body(draft, self._catalogue)

    def _read(self, draft: DocumentDraft, row: Row) -> LedgerDocument:
        return rows.document(ENTITIES[draft.type], row)


def _void(transport: Transport, entity: str, row: Row, key: str) -> Row:
    """Void an invoice by its operation; a credit memo has none and is emptied, as QuickBooks' own page does it."""
    change = {"Id": row["Id"], "SyncToken": row["SyncToken"]}
    if entity == "Invoice":
        return transport.change(entity, change, key, operation="void")
    note = f"Voided - {row['PrivateNote']}"[:TEXT_LENGTH] if row.get("PrivateNote") else "Voided"
    lines = [_emptied(line) for line in row["Line"] if line["DetailType"] == "SalesItemLineDetail"]
    emptied: Row = {"sparse": True, "Line": lines, "TxnTaxDetail": {"TotalTax": 0}, "PrivateNote": note}
    same: Row = {name: row[name] for name in ("CustomerRef", "DocNumber") if name in row}
    return transport.change(entity, {**change, **same, **emptied}, key)


def _emptied(line: Row) -> Row:
    detail = {name: value for name, value in line["SalesItemLineDetail"].items() if name not in ("Qty", "UnitPrice")}
    return {**line, "Amount": 0, "SalesItemLineDetail": detail}


def document_body(draft: DocumentDraft, catalogue: Catalogue) -> Row:
    """Return an ``Invoice`` or ``CreditMemo`` whose total QuickBooks will make the same; raise ``NotSayable``."""
    if not draft.number:
        raise NotSayable("the document has no number: without it, it could not be found again")
    lines = [_line(line, draft.currency, catalogue) for line in draft.lines]
    body: Row = {
        "DocNumber": fit("the number", draft.number, NUMBER_LENGTH, "shorten the series' prefix in the configuration"),
        "TxnDate": draft.issue_on.isoformat(),
        "CustomerRef": {"value": draft.customer.id},
        "CurrencyRef": {"value": draft.currency},
        "Line": lines,
        **_tax(draft, lines, catalogue),
    }
    if draft.type == "invoice":
        body["DueDate"] = draft.due_on.isoformat()
        if draft.terms:
            body["SalesTermRef"] = catalogue.reference("Term", draft.terms)
    if draft.exchange_rate is not None:
        body["ExchangeRate"] = _rate(draft, catalogue.home_currency())
    if draft.mark:
        body["PrivateNote"] = fit("our mark", draft.mark, TEXT_LENGTH, "shorten it")
    if draft.email:
        body["BillEmail"] = email(draft.email)
    if memo := _memo(draft):
        body["CustomerMemo"] = {"value": fit("the memo", memo, MEMO_LENGTH, "shorten it or the purchase order number")}
    return body


def _tax(draft: DocumentDraft, lines: Sequence[Row], catalogue: Catalogue) -> Row:
    taxed = [tax.TaxedLine(line["SalesItemLineDetail"]["TaxCodeRef"]["value"], line["Amount"]) for line in lines]
    total = sum((line.net for line in taxed), Decimal(0)) + amount(draft.tax, draft.currency)
    if total != amount(draft.total, draft.currency):
        raise NotSayable(f"lines and tax make {total}, the total (TotalAmt) is {draft.total}: this is a fault of ours")
    return tax.detail(taxed, draft.tax, draft.currency, catalogue.tax_rules())


def _rate(draft: DocumentDraft, home_currency: str) -> Decimal:
    """Return the exchange rate: home currency per unit of the document's."""
    rate = digits("the exchange rate", draft.exchange_rate or Decimal(0))
    if rate <= 0 or (draft.currency == home_currency and rate != 1):
        raise NotSayable(f"the exchange rate (ExchangeRate) {rate} cannot be one of {draft.currency}: correct it")
    return rate


def _memo(draft: DocumentDraft) -> str:
    """Return the text for the customer. The purchase order stands in it: QuickBooks Online has no field of its own."""
    return "\n".join(filter(None, (draft.po_number and f"PO {draft.po_number}", draft.memo)))


def _line(line: LedgerLine, currency: str, catalogue: Catalogue) -> Row:
    total = amount(line.amount, currency)
    detail: Row = {
        "ItemRef": catalogue.reference("Item", line.item),
        "TaxCodeRef": {"value": _tax_code(line, catalogue)},
    }
    if line.class_:
        detail["ClassRef"] = catalogue.reference("Class", line.class_)
    if line.service_date:
        detail["ServiceDate"] = line.service_date.isoformat()
    text = line.description
    if says_exactly(line.quantity, line.unit_price, total):
        detail |= {"Qty": line.quantity, "UnitPrice": line.unit_price}
    else:
        text = f"{text} ({_plain(line.quantity)} x {_plain(line.unit_price)} {currency})"
    description = fit("a line's text", text, TEXT_LENGTH, "shorten the charge's description")
    return {
        "DetailType": "SalesItemLineDetail",
        "Amount": total,
        "Description": description,
        "SalesItemLineDetail": detail,
    }


def _tax_code(line: LedgerLine, catalogue: Catalogue) -> str:
    if line.tax_code:
        return str(catalogue.known("TaxCode", line.tax_code)["Id"])
    if not catalogue.tax_rules().us:
        raise NotSayable("a line has no tax code (TaxCodeRef), which this company needs: give it in the ledger mapping")
    return tax.TAXED if line.tax else tax.UNTAXED


def says_exactly(quantity: Decimal, price: Decimal, total: Decimal) -> bool:
    """Say whether quantity times price, rounded to a cent as QuickBooks checks it, is the amount."""
    if any(len(value.normalize().as_tuple().digits) > NUMBER_DIGITS for value in (quantity, price)):
        return False
    return (quantity * price).quantize(CENT, rounding=ROUND_HALF_UP) == total


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
