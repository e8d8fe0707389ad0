"""Payments of invoices, and money on account.

Our key is the payment's ``Reference``; with the invoice it says which payment it is. A payment is in its invoice's
currency, which Xero need not show with it. Money on account is an overpayment, which Xero makes of a bank transaction;
that keeps no reference, so the key ends the text of its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from billing import money
from connectors.base import Adopted, Created, LedgerPayment, PaymentDraft, Ref, Rejected
from connectors.errors import Refused
from connectors.xero import limits
from connectors.xero.batches import BATCH_SIZE, Place, Sending, put_batch
from connectors.xero.client import Client, Json
from connectors.xero.credits import OVERPAYMENT, PREPAYMENT, Credits, Source
from connectors.xero.setup import Accounts
from connectors.xero.wire import chunks, day, equals, minor, same_id, unbookable, updated_at

OF_INVOICES = "ACCRECPAYMENT"  # the type of a payment of a sales invoice
OF_REFUNDS = ("ARCREDITPAYMENT", "AROVERPAYMENTPAYMENT", "ARPREPAYMENTPAYMENT")
_PAYMENTS = Place("Payments")
_ON_ACCOUNT = Place("BankTransactions", "-on-account")
_KEY = re.compile(r"\[([^\[\]]+)\]$")
_STATUSES: dict[str, Literal["active", "voided", "deleted"]] = {
    "AUTHORISED": "active",
    "PAID": "active",
    "VOIDED": "voided",
    "DELETED": "deleted",
}


class Payments:
    """Payments by our key and invoice. ``memo`` is sent with money on account only: a payment has no field for it."""

    batch_size = BATCH_SIZE

    def __init__(self, client: Client, accounts: Accounts, credits: Credits) -> None:
        self._client = client
        self._accounts = accounts
        self._credits = credits

    def find(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment | None]:
        """Look each up by key and invoice, on account by key and customer; one that stands comes first."""
        found: dict[tuple[str, str], LedgerPayment] = {}
        for payment in self._paying(wanted):
            for document in payment.applied:
                if payment.status == "active" or (payment.key, document) not in found:
                    found[payment.key, document] = payment
        for payment in self._on_account(wanted):
            if payment.status == "active" or (payment.key, "") not in found:
                found[payment.key, ""] = payment
        return [found.get((draft.key, draft.document.id if draft.document else "")) for draft in wanted]

    def _paying(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment]:
        references = list(dict.fromkeys(equals("Reference", draft.key) for draft in wanted if draft.document))
        answers = [self._client.get("Payments", [("where", where)]) for where in chunks(references, " OR ")]
        currencies = {draft.document.id: draft.currency for draft in wanted if draft.document}
        elements = [element for answer in answers for element in answer["Payments"]]
        return [read_payment(one, currencies[paid(one)]) for one in elements if paid(one) in currencies]

    def _on_account(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment]:
        """Read what lies on account of the customers: no filter reaches the text in which the key stands."""
        owners = list(dict.fromkeys(draft.customer.id for draft in wanted if draft.document is None))
        found = []
        for where in chunks([same_id("Contact.ContactID", owner) for owner in owners], " OR "):
            for answer in self._client.pages("Overpayments", [("where", where)]):
                found += [self.read_credit(OVERPAYMENT, element) for element in answer["Overpayments"]]
        return found

    def create(
        self, batch: Sequence[PaymentDraft], key: str
    ) -> list[Created[LedgerPayment] | Adopted[LedgerPayment] | Rejected]:
        """Book payments; more than is due on an invoice is refused by Xero and so ``Rejected``."""
        on_account = [draft for draft in batch if draft.document is None]
        receivable = self._accounts.receivable() if on_account else None
        sendings = [_sending(draft, receivable) for draft in batch]
        return put_batch(self._client, batch, sendings, key, self._read, self._standing)

    def void(self, id: str, key: str) -> LedgerPayment:
        """Delete a payment, or the bank transaction that money on account came from. Raises ``Refused``."""
        payments = self._client.get("Payments", [("where", same_id("PaymentID", id))])["Payments"]
        if payments:
            there = payments[0]
            if there.get("Status") != "DELETED":
                there = self._client.change(f"Payments/{id}", {"Status": "DELETED"}, key)
            return LedgerPayment(ref=Ref(id=id), key=there.get("Reference") or "", status="deleted")
        where = f"{same_id(OVERPAYMENT.id, id)} OR {same_id(PREPAYMENT.id, id)}"
        query = [("where", where), ("page", "1")]  # lines come only with pages
        transactions = self._client.get("BankTransactions", query)["BankTransactions"]
        if not transactions:
            raise Refused(f"Xero holds no payment with the id {id}")
        there = transactions[0]
        if there["Status"] == "AUTHORISED":
            bank_id = there["BankTransactionID"]
            account = {"AccountID": there["BankAccount"]["AccountID"]}
            fields = {"Type": there["Type"], "BankAccount": account, "LineItems": [_line_again(there["LineItems"][0])]}
            body = {"BankTransactionID": bank_id, "Status": "DELETED", **fields}
            self._client.change(f"BankTransactions/{bank_id}", {"BankTransactions": [body]}, key)
        source = OVERPAYMENT if there.get(OVERPAYMENT.id) else PREPAYMENT
        return _read_received(source, {**there, "Status": "VOIDED"}, left=0)

    def read_all(self, elements: Sequence[Json], currencies: Mapping[str, str]) -> list[LedgerPayment]:
        """Return payments of invoices. ``currencies``: those of the invoices that are known; the others are read."""
        said = {paid(one): str(one["Invoice"]["CurrencyCode"]) for one in elements if _says_currency(one)}
        known = {**said, **currencies}
        missing = [id for id in dict.fromkeys(map(paid, elements)) if id and id not in known]
        for where in chunks([same_id("InvoiceID", id) for id in missing], " OR "):
            for answer in self._client.pages("Invoices", [("where", where)]):
                known |= {one["InvoiceID"]: one.get("CurrencyCode", "") for one in answer["Invoices"]}
        return [read_payment(one, known.get(paid(one), "")) for one in elements]

    def read_credit(self, source: Source, element: Json) -> LedgerPayment:
        """Return an overpayment or prepayment of Xero's, as money with what is used of it."""
        self._credits.note(element[source.id], source)
        currency = element.get("CurrencyCode", "")
        applied: dict[str, int] = {}
        for one in element.get("Allocations", ()):
            if not one.get("IsDeleted"):
                document = one["Invoice"]["InvoiceID"]
                applied[document] = applied.get(document, 0) + minor(one.get("Amount"), currency)
        return _read_received(source, element, minor(element.get("RemainingCredit"), currency), applied)

    def _read(self, draft: PaymentDraft, element: Json) -> LedgerPayment:
        if draft.document is not None:
            return read_payment(element, draft.currency)
        self._credits.note(element[OVERPAYMENT.id], OVERPAYMENT)
        return _read_received(OVERPAYMENT, element, minor(element["Total"], draft.currency))

    def _standing(self, wanted: Sequence[PaymentDraft]) -> list[LedgerPayment | None]:
        return [found if found is not None and found.status == "active" else None for found in self.find(wanted)]


def _sending(draft: PaymentDraft, receivable: Json | None) -> Sending | Rejected:
    problem = unbookable(draft.key, draft.amount, draft.currency)
    if problem is not None:
        return problem
    amount = money.to_decimal(draft.amount, draft.currency)
    if draft.document is not None:
        body: Json = {
            "Invoice": {"InvoiceID": draft.document.id},
            "Account": {"Code": draft.account},
            "Date": draft.received_on.isoformat(),
            "Amount": amount,
            "Reference": draft.key,
        }
        return Sending(_PAYMENTS, body)
    if receivable is None:
        return Rejected("Xero shows no accounts receivable, on which money on account is booked")
    text = f"{draft.memo or 'Payment on account'} [{draft.key}]"
    long = limits.overlong([("The payment's memo", text, limits.DESCRIPTION)]) or limits.forbidden(
        "The key", draft.key, "[]"
    )
    line = {
        "Description": text,
        "Quantity": 1,
        "UnitAmount": amount,
        "AccountID": receivable["AccountID"],
        "LineAmount": amount,
    }
    body = {
        "Type": "RECEIVE-OVERPAYMENT",
        "Contact": {"ContactID": draft.customer.id},
        "BankAccount": {"Code": draft.account},
        "Date": draft.received_on.isoformat(),
        "LineAmountTypes": "NoTax",
        "CurrencyCode": draft.currency,
        "LineItems": [line],
    }
    return Rejected(long) if long else Sending(_ON_ACCOUNT, body)


def _line_again(line: Json) -> Json:
    """Return a line as it goes back: Xero wants the lines of a bank transaction whatever is changed of it."""
    names = ("LineItemID", "Description", "Quantity", "UnitAmount", "LineAmount", "AccountCode", "AccountID", "TaxType")
    return {name: line[name] for name in names if name in line}


def paid(element: Json) -> str:
    """Return the id of the invoice that a payment pays; of a refund that of the credit, which Xero shows there too."""
    return str((element.get("Invoice") or {}).get("InvoiceID") or "")


def _says_currency(element: Json) -> bool:
    return bool((element.get("Invoice") or {}).get("CurrencyCode"))


def read_payment(element: Json, currency: str) -> LedgerPayment:
    """Return a payment of Xero's; each is on exactly one invoice, in whose currency it is."""
    document = element.get("Invoice") or {}
    amount = minor(element.get("Amount"), currency)
    return LedgerPayment(
        ref=Ref(id=element["PaymentID"]),
        key=element.get("Reference") or "",
        status="active" if element.get("Status") == "AUTHORISED" else "deleted",
        customer_id=document.get("Contact", {}).get("ContactID", ""),
        currency=currency,
        amount=amount,
        applied={paid(element): amount} if paid(element) else {},
        received_on=day(element, "Date"),
        updated_at=updated_at(element),
    )


def _read_received(source: Source, element: Json, left: int, applied: dict[str, int] | None = None) -> LedgerPayment:
    """Return money on account out of an overpayment, a prepayment or the bank transaction of either."""
    text = " ".join(str(line.get("Description") or "") for line in element.get("LineItems", ()))
    match = _KEY.search(text)
    return LedgerPayment(
        ref=Ref(id=element[source.id]),
        key=match[1] if match else element.get("Reference") or "",
        status=_STATUSES.get(element.get("Status", ""), "active"),
        customer_id=element.get("Contact", {}).get("ContactID", ""),
        currency=element.get("CurrencyCode", ""),
        amount=minor(element.get("Total"), element.get("CurrencyCode", "")),
        applied=applied or {},
        unapplied=left,
        memo=text,
        received_on=day(element, "Date"),
        updated_at=updated_at(element),
    )
