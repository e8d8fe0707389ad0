"""Payments on invoices. Our key is the payment's ``Reference``; with the invoice it says which payment it is."""

from __future__ import annotations

from collections.abc import Sequence

from billing import money
from connectors.base import Adopted, Created, LedgerPayment, PaymentDraft, Ref, Rejected
from connectors.xero.client import Client, Json
from connectors.xero.wire import chunks, day, equals, inexact, minor, results, too_fine, updated_at

Result = Created[LedgerPayment] | Adopted[LedgerPayment] | Rejected


class Payments:
    """Payments by our key and invoice. ``memo`` is not sent: a sales payment has no field for it at Xero."""

    batch_size = 50

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment | None]:
        """Look each up by key and invoice; a payment that stands comes before a deleted one."""
        found: dict[tuple[str, str], LedgerPayment] = {}
        references = list(dict.fromkeys(equals("Reference", draft.key) for draft in wanted))
        for where in chunks(references, " OR "):
            for element in self._client.get("Payments", [("where", where)])["Payments"]:
                payment = read_payment(element)
                for document in payment.applied:
                    if payment.status == "active" or (payment.key, document) not in found:
                        found[payment.key, document] = payment
        return [found.get((draft.key, draft.document.id)) for draft in wanted]

    def create(self, batch: Sequence[PaymentDraft], key: str) -> list[Result]:
        """Book payments; more than is due on an invoice is refused by Xero and so ``Rejected``."""
        answered: dict[int, Result] = {
            index: too_fine(draft.currency)
            for index, draft in enumerate(batch)
            if inexact(draft.amount, draft.currency)
        }
        chosen = [index for index in range(len(batch)) if index not in answered]
        if chosen:
            drafts = [batch[index] for index in chosen]
            elements = self._client.put("Payments", [_body(draft) for draft in drafts], key)
            answered.update(zip(chosen, results(drafts, elements, read_payment, self._standing), strict=True))
        return [answered[index] for index in range(len(batch))]

    def _standing(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment | None]:
        return [found if found is not None and found.status == "active" else None for found in self.find(wanted)]


def _body(draft: PaymentDraft) -> Json:
    return {
        "Invoice": {"InvoiceID": draft.document.id},
        "Account": {"Code": draft.account},
        "Date": draft.received_on.isoformat(),
        "Amount": money.to_decimal(draft.amount, draft.currency),
        "Reference": draft.key,
    }


def read_payment(element: Json) -> LedgerPayment:
    """Return a payment of Xero's; each is on exactly one document."""
    document = element.get("Invoice") or element.get("CreditNote") or {}
    document_id = document.get("InvoiceID") or document.get("CreditNoteID") or ""
    currency = document.get("CurrencyCode", "")
    amount = minor(element.get("Amount"), currency)
    return LedgerPayment(
        ref=Ref(id=element["PaymentID"]),
        key=element.get("Reference") or "",
        status="active" if element.get("Status") == "AUTHORISED" else "deleted",
        customer_id=document.get("Contact", {}).get("ContactID", ""),
        currency=currency,
        amount=amount,
        applied={document_id: amount} if document_id else {},
        received_on=day(element, "Date"),
        updated_at=updated_at(element),
    )
