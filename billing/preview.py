"""What a terms file will bill, as the JSON document of ``netterms plan``: the real run, ahead of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from billing import money
from billing.draft import Draft, DraftLine, Note
from billing.explain import explain_drafted, price_text
from billing.facts import UsageRecord
from billing.reading.given import Given
from billing.reading.records import Record
from billing.showing import totals
from billing.showing.conventions import conventions
from billing.showing.life import Life, life, next_renewal
from billing.showing.totals import Payable
from billing.terms_file import TermsFile as TermsFile
from billing.terms_file import TermsFileError as TermsFileError
from billing.terms_file import load_terms_file as load_terms_file
from billing.terms_file import schema as schema

_DAY = timedelta(days=1)


def preview(
    file: TermsFile,
    *,
    through: date | None = None,
    today: date | None = None,
    usage: Sequence[Record | UsageRecord] | None = None,
    events: Sequence[Record] | None = None,
) -> dict[str, Any]:
    """Return the invoices a terms file leads to, what they add up to, and what a person should look at.

    Which part of the contract's life is shown and what is assumed: see ``life``. Amounts and prices are texts in major
    units, dates ISO 8601. Raises ``BrokenInvariant``.
    """
    found = life(file, Given(through, today, usage or (), events or ()))
    currency = found.terms.currency
    return {
        "contract": found.terms.contract,
        "currency": currency,
        "through": found.through.isoformat() if found.through else None,
        "invoices": [document(one) for one in totals.payables(found.drafts)],
        "value": value_texts(found),
        "by_charge": {name: money.text(amount, currency) for name, amount in totals.by_charge(found).items()},
        "invoiced": _months(totals.invoiced_by_month(found.drafts), currency),
        "cash": _months(totals.cash_by_month(found.drafts), currency),
        "renewals": _renewals(found),
        "conventions": conventions(file, found.terms),
        "review": [review_item(note) for note in found.notes],
    }


def document(payable: Payable) -> dict[str, Any]:
    """Return one invoice or credit note as JSON."""
    draft, currency = payable.draft, payable.draft.currency
    return {
        "type": draft.type,
        "issue_on": draft.issue_on.isoformat(),
        "due_on": draft.due_on.isoformat(),
        "subtotal": money.text(draft.subtotal, currency),
        "tax": money.text(draft.tax, currency),
        "total": money.text(draft.total, currency),
        "credit_used": money.text(payable.credit_used, currency),
        "amount_due": money.text(payable.amount_due, currency),
        "credit_balance": money.text(payable.credit_balance, currency),
        "waits": list(draft.waits),
        "estimated": any(drafted.line.estimated for drafted in draft.lines),
        "lines": [_line(drafted, draft) for drafted in draft.lines],
    }


def _line(drafted: DraftLine, draft: Draft) -> dict[str, Any]:
    """Return a line as JSON: ``amount`` as on the document, ``signed`` below zero where the customer is credited.

    What is printed is at the top; ``explanation`` is of the slice as it is owed now, ``owed`` in all.
    """
    line, currency = drafted.line, draft.currency
    text = explain_drafted(drafted, draft)
    return {
        "charge": line.charge,
        "kind": line.kind,
        "description": drafted.shown_description,
        "from": drafted.shown_starts.isoformat(),
        "to": (drafted.shown_until - _DAY).isoformat(),
        "quantity": money.plain(drafted.shown_quantity),
        "unit_price": price_text(drafted.shown_unit_price, currency).replace(",", ""),
        "amount": money.text(drafted.amount, currency),
        "signed": money.text(draft.sign * drafted.amount, currency),
        "estimated": line.estimated,
        "slice": line.slice,
        "revision": drafted.revision,
        "explain": text,
        "explanation": {
            "charge": line.charge,
            "version": line.amendment,
            "rule": line.explain.rule,
            "operands": line.explain.operands,
            "owed": money.text(line.amount, currency),
            "text": text,
        },
    }


def value_texts(found: Life) -> dict[str, str]:
    """Return the contract's value as JSON; what is billed only where there is a today to say so."""
    value, currency = totals.value(found), found.terms.currency
    shown = {
        "total": value.total,
        "billed_elsewhere": value.elsewhere,
        "billed": value.billed,
        "to_bill": value.to_bill,
    }
    if not found.elsewhere:
        del shown["billed_elsewhere"]
    if found.today is None:
        del shown["billed"]
    return {name: money.text(amount, currency) for name, amount in {**shown, "estimated": value.estimated}.items()}


def review_item(note: Note) -> dict[str, str]:
    """Return a note as JSON."""
    return {"code": note.code, "message": note.message, "path": note.path}


def _months(amounts: Mapping[str, int], currency: str) -> list[dict[str, str]]:
    return [{"month": month, "amount": money.text(amount, currency)} for month, amount in amounts.items()]


def _renewals(found: Life) -> list[dict[str, Any]]:
    """Return the end of the term that runs, what follows it, and the last day on which notice can be given."""
    terms = found.terms
    renewal = terms.renewal
    if renewal is None or terms.ends_on is None:
        return []
    renewed = next_renewal(terms, found.today)
    ends = renewed[0] - _DAY if renewed else terms.ends_on
    notice = None if renewal.notice_days is None else ends - timedelta(days=renewal.notice_days)
    return [
        {
            "term_ends_on": ends.isoformat(),
            "renews": renewed is not None,
            "renewed_through": (renewed[1] - _DAY).isoformat() if renewed and renewed[1] else None,
            "notice_by": notice.isoformat() if notice else None,
        }
    ]
