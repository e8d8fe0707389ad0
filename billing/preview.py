"""What a terms file will bill, worked out by walking ``bill`` over its issue dates: the real run, ahead of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing import money
from billing.explain import date_text, explain_text, price_text
from billing.invoicing import Draft, DraftLine, Note, Rules, Settled, bill, settle
from billing.periods import anchored
from billing.plan import Line, plan
from billing.service import serves
from billing.terms import OneTime, Recurring, Terms
from billing.terms_file import TermsFile as TermsFile
from billing.terms_file import TermsFileError as TermsFileError
from billing.terms_file import load_terms_file as load_terms_file
from billing.terms_file import schema as schema

EVERGREEN_MONTHS = 12  # how much of a contract without end is shown unless told otherwise
Records = Sequence[Mapping[str, object]]


def preview(
    file: TermsFile,
    *,
    through: date | None = None,
    today: date | None = None,
    usage: Records | None = None,
    events: Records | None = None,
) -> dict[str, Any]:
    """Return the invoices a terms file leads to, as the JSON document of ``netterms plan``.

    Shown is what is issued by ``through``: by default to the end of the contract; where it has none its first 12
    months, and all that is due by ``today``. Each invoice comes on its own issue date; with ``today`` given, all that
    was due by then comes as one catch-up invoice on ``today``. Raises ``BrokenInvariant``.
    """
    terms = file.terms
    shown, hidden = _split(terms, through, today)
    rules = Rules(tax_rates=_tax_rates(file), go_live=file.go_live)
    settled = [Settled(slice=line.slice, how="held", line=line) for line in hidden]
    notes: dict[Note, None] = dict.fromkeys(_scope_notes(terms, through, today))
    drafts: list[Draft] = []
    elsewhere: list[Settled] = []
    for day in _run_days(shown, today):
        billing = bill(terms, settled, today=day, rules=rules)
        settled = settle(settled, billing)
        drafts += billing.drafts
        elsewhere += billing.settled_elsewhere
        notes.update(dict.fromkeys(billing.notes))
    notes.update(
        dict.fromkeys([*_elsewhere_notes(elsewhere, file), *_unused("usage", usage), *_unused("events", events)])
    )
    return {
        "contract": terms.contract,
        "currency": terms.currency,
        "invoices": [_document(draft) for draft in drafts],
        "review": [{"code": note.code, "message": note.message, "path": note.path} for note in notes],
    }


def _split(terms: Terms, through: date | None, today: date | None) -> tuple[list[Line], list[Line]]:
    """Return the lines to show, and those that ``bill`` would find due on the days walked but that lie beyond."""
    if through is None and terms.ends_on is None:
        cutoff = _evergreen_end(terms, today)
        lines = plan(terms, cutoff)
        shown = [line for line in lines if line.starts < cutoff and line.issue_on <= cutoff]
    else:
        last = through or _last_issue_day(terms)
        lines = plan(terms, max(last, today or last))
        shown = [line for line in lines if line.issue_on <= last]
    slices = {line.slice for line in shown}
    return shown, [line for line in lines if line.slice not in slices]


def _evergreen_end(terms: Terms, today: date | None) -> date:
    """Return the day after the last one shown of a contract without end: 12 months on, or what is due by today."""
    month = terms.starts_on.year * 12 + terms.starts_on.month - 1 + EVERGREEN_MONTHS
    end = anchored(month, terms.starts_on.day)
    return end if today is None else max(end, today + timedelta(days=1))


def _last_issue_day(terms: Terms) -> date:
    """Return a day by which a contract with an end has issued everything."""
    if terms.ends_on is None:
        raise ValueError("a contract without end is never through")
    one_times = [charge.on for charge in terms.charges if isinstance(charge, OneTime) and charge.on is not None]
    return max([terms.starts_on, terms.ends_on + timedelta(days=1), *one_times])


def _tax_rates(file: TermsFile) -> dict[str, Decimal]:
    if file.tax:
        return file.tax
    return dict.fromkeys((charge.tax_class for charge in file.terms.charges), Decimal(0))


def _run_days(shown: Sequence[Line], today: date | None) -> list[date]:
    days = {line.issue_on for line in shown}
    return sorted(days if today is None else {max(day, today) for day in days})


def _scope_notes(terms: Terms, through: date | None, today: date | None) -> list[Note]:
    notes = []
    if through is None and terms.ends_on is None:
        last = date_text(_evergreen_end(terms, today) - timedelta(days=1))
        message = f"the contract has no end: shown is its service to {last}; choose another day with --through"
        notes.append(Note("evergreen", message, "ends_on"))
    for index, charge in enumerate(terms.charges):
        if isinstance(charge, Recurring) and not serves(terms, charge):
            message = f"charge {charge.key!r} bills nothing: no day lies within both its dates and the contract's"
            notes.append(Note("charge_without_service", message, f"charges[{index}]"))
    return notes


def _elsewhere_notes(elsewhere: Sequence[Settled], file: TermsFile) -> list[Note]:
    lines = [item.line for item in elsewhere if item.line is not None]
    if not lines:
        return []
    last = date_text(max(line.starts for line in lines))
    message = f"{len(lines)} line(s) of service starting by {last} count as billed elsewhere and are not billed"
    return [Note("billed_elsewhere", message, "go_live" if file.go_live else "billed_through")]


def _unused(name: str, records: Records | None) -> list[Note]:
    """Say that records were given which no charge consumes; so far no kind of charge does."""
    if not records:
        return []
    return [
        Note(f"{name}_unused", f"{len(records)} {name} record(s) were given, but no charge of this contract uses them")
    ]


def _document(draft: Draft) -> dict[str, Any]:
    return {
        "type": draft.type,
        "issue_on": draft.issue_on.isoformat(),
        "due_on": draft.due_on.isoformat(),
        "subtotal": money.text(draft.subtotal, draft.currency),
        "tax": money.text(draft.tax, draft.currency),
        "total": money.text(draft.total, draft.currency),
        "estimated": any(drafted.line.estimated for drafted in draft.lines),
        "lines": [_line(drafted, draft.currency) for drafted in draft.lines],
    }


def _line(drafted: DraftLine, currency: str) -> dict[str, str]:
    line = drafted.line
    return {
        "charge": line.charge,
        "kind": line.kind,
        "description": line.description,
        "from": line.starts.isoformat(),
        "to": (line.until - timedelta(days=1)).isoformat(),
        "quantity": money.plain(line.quantity),
        "unit_price": _price(line.unit_price, currency),
        "amount": money.text(drafted.amount, currency),
        "explain": explain_text(line.explain),
    }


def _price(price: Decimal, currency: str) -> str:
    """Write a price with at least the currency's decimals, and all of its own."""
    return price_text(price, currency).replace(",", "")
