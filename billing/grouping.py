"""One document for several contracts of a customer, where they ask for it (``invoice_grouping = "customer"``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from billing.draft import Draft
from billing.tax import Rounding, document_taxes


class Together(NamedTuple):
    """What drafts must have in common to be one document."""

    customer: str
    currency: str
    type: str
    issue_on: date
    due_on: date
    po_number: str


def together(draft: Draft) -> Together:
    """Return what a draft shares with those it may be merged with; a person's credit note stands alone."""
    return Together(draft.customer, draft.currency, draft.type, draft.issue_on, draft.due_on, draft.po_number)


def merge(drafts: Sequence[Draft], rounding: Rounding = "per_document") -> Draft:
    """Return several contracts' drafts as one document, whose tax is worked out anew on all its lines.

    Its ``contract`` is the first one's; each line names its own. It waits when one of them does. Raises ``ValueError``
    for drafts that do not go together, for a person's credit note, and for none at all.
    """
    if len({together(one) for one in drafts}) != 1:
        raise ValueError("only drafts of one customer, currency, type, date, due date and purchase order are merged")
    if len(drafts) > 1 and any(one.against for one in drafts):
        raise ValueError("a credit note against an invoice is not merged")
    if len(drafts) == 1:
        return drafts[0]
    lines = tuple(line for one in drafts for line in one.lines)
    terms = {one.payment_terms for one in drafts}
    rates = {tax.tax_class: tax.rate for one in drafts for tax in one.taxes}
    taxes = document_taxes(((line.line.tax_class, line.amount) for line in lines), rates, rounding)
    subtotal, tax = sum(one.subtotal for one in drafts), sum(one.amount for one in taxes)
    return msgspec.structs.replace(
        drafts[0],
        lines=lines,
        taxes=taxes,
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        payment_terms=drafts[0].payment_terms if len(terms) == 1 else "",  # several ways to the same due date
        waits=tuple(dict.fromkeys(code for one in drafts for code in one.waits)),
    )
