"""A document as Xero wants it, or the reason why Xero cannot hold it as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec

from billing import money
from connectors.base import DocumentDraft, LedgerLine, Rejected
from connectors.xero import limits, totals
from connectors.xero.client import Json
from connectors.xero.setup import Options
from connectors.xero.wire import inexact, too_fine

PRICED = re.compile(r" \(\S+ × \S+ [A-Z]{3}\)\Z")  # quantity and price where they stand in a line's text
_LEAST_RATE = Decimal("1e-9")
_LIMITS = {
    "Description": limits.DESCRIPTION,
    "ItemCode": limits.ITEM_CODE,
    "AccountCode": limits.ACCOUNT_CODE,
}


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
KIND_OF: dict[str, Kind] = {kind.ours: kind for kind in KINDS}


def document_body(draft: DocumentDraft, options: Options, home_currency: Callable[[], str]) -> Json | Rejected:
    """Return what to send.

    Only the contact's id is sent: any other field would overwrite the contact. ``mark`` is not sent, as Xero has no
    place for it that the customer never sees; the number is enough.
    """
    problem = _refusal(draft, options)
    if problem is not None:
        return problem
    kind = KIND_OF[draft.type]
    body: Json = {
        "Type": kind.type,
        kind.number: draft.number,
        "Contact": {"ContactID": draft.customer.id},
        "Date": draft.issue_on.isoformat(),
        "LineAmountTypes": "Exclusive",
        "CurrencyCode": draft.currency,
        "Status": "AUTHORISED",
        "LineItems": _lines(draft, options),
    }
    if kind is INVOICES:
        body["DueDate"] = draft.due_on.isoformat()
    if draft.po_number:
        body["Reference"] = draft.po_number
    if draft.exchange_rate is not None and draft.currency != home_currency():
        body["CurrencyRate"] = (1 / draft.exchange_rate).quantize(limits.RATE_STEP, ROUND_HALF_UP)
        if body["CurrencyRate"] in (0, 1):
            rate = f"{draft.exchange_rate} for {draft.currency}"
            return Rejected(f"Exchange rate {rate}: leave it out to use Xero's own of the day, or give the true one")
    return _fitting(draft, body)


def _refusal(draft: DocumentDraft, options: Options) -> Rejected | None:
    """Return why Xero cannot hold the draft, None when it may be."""
    amounts = [*(line.amount for line in draft.lines), draft.tax]
    if any(inexact(amount, draft.currency) for amount in amounts):
        return too_fine(draft.currency)
    largest = money.to_decimal(max(map(abs, amounts)), draft.currency)
    if largest > limits.LARGEST_AMOUNT:
        return Rejected(f"The amount {largest} is larger than Xero takes ({limits.LARGEST_AMOUNT})")
    if sum(line.tax for line in draft.lines) != draft.tax:
        return Rejected("The lines' shares of the tax do not add up to the document's tax")
    unknown = sorted({line.class_ for line in draft.lines if line.class_} - options.keys())
    if unknown:
        return Rejected(f"Xero has no active tracking option named {', '.join(unknown)}")
    if draft.exchange_rate is not None and not _LEAST_RATE < draft.exchange_rate < 1 / _LEAST_RATE:
        return Rejected(f"The exchange rate {draft.exchange_rate} is none")
    return None


def _fitting(draft: DocumentDraft, body: Json) -> Json | Rejected:
    """Return ``body`` when it keeps Xero's limits and Xero will compute our totals from it."""
    lines = body["LineItems"]
    problem = limits.overlong(
        [
            ("The document's number", draft.number, limits.DOCUMENT_NUMBER),
            ("The purchase order's number", draft.po_number, limits.REFERENCE),
        ]
    ) or next(filter(None, (_line_problem(place, line) for place, line in enumerate(lines, 1))), "")
    made, ours = totals.predicted(lines), totals.wanted(draft)
    if made != ours:
        problem = f"Xero would make {made.subtotal} + {made.tax} of it; ours is {ours.subtotal} + {ours.tax}"
    return Rejected(problem) if problem else body


def _line_problem(place: int, line: Json) -> str:
    """Say which limit a line as it is sent does not keep."""
    if not line["Description"].strip():
        return f"Line {place} has no description; Xero wants one"
    for name, most in _LIMITS.items():
        if len(line.get(name, "")) > most:
            return limits.overlong([(f"The {name} of line {place}", line[name], most)])
    return ""


def _lines(draft: DocumentDraft, options: Options) -> list[Json]:
    taxes = totals.tax_shares([line.tax for line in draft.lines], draft.currency)
    lines = [_line(line, tax, draft.currency, options) for line, tax in zip(draft.lines, taxes, strict=True)]
    if draft.memo:
        lines.append({"Description": draft.memo})  # a line of text, without an amount
    return lines


def _line(line: LedgerLine, tax: Decimal, currency: str, options: Options) -> Json:
    amount = money.to_decimal(line.amount, currency)
    description, quantity, price = line.description, line.quantity, line.unit_price
    if not totals.says(quantity, price, amount):
        description = f"{description} ({money.plain(quantity)} × {money.plain(price)} {currency})"
        quantity, price = Decimal(1), amount
    body: Json = {
        "Description": description,
        "Quantity": quantity,
        "UnitAmount": price,
        "LineAmount": amount,
        "TaxAmount": tax,
    }
    names = {"ItemCode": line.item, "AccountCode": line.account, "TaxType": line.tax_code}
    body.update({name: value for name, value in names.items() if value})
    if line.class_:
        category, option = options[line.class_]
        body["Tracking"] = [{"Name": category, "Option": option}]
    return body
