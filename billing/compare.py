"""What an amended terms file changes, line by line: the two lives of a contract held side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from billing import money
from billing.describe import changes
from billing.draft import Draft
from billing.explain import explain_text
from billing.facts import UsageRecord
from billing.line import Line
from billing.reading.given import Given
from billing.reading.records import Record
from billing.showing import totals
from billing.showing.life import Life, life
from billing.terms_file import Fault, TermsFile, TermsFileError


class _Slice(NamedTuple):
    """What a slice comes to before and after, and its line (the later one where there are two)."""

    line: Line
    before: int | None
    after: int | None


def compare(
    before: TermsFile,
    after: TermsFile,
    *,
    through: date | None = None,
    today: date | None = None,
    usage: Sequence[Record | UsageRecord] | None = None,
    events: Sequence[Record] | None = None,
) -> dict[str, Any]:
    """Return what ``after`` bills otherwise than ``before``, with the same facts, as JSON.

    ``lines`` holds every slice of service that comes to another amount in the end, whatever documents lead there;
    ``documents`` what is invoiced less credited on each day that differs; then the totals by charge, by month of cash,
    and the contract's value. Raises ``TermsFileError`` for two currencies, ``BrokenInvariant`` as ``bill`` does.
    """
    if before.terms.currency != after.terms.currency:
        told = f"{after.terms.currency} cannot be compared with {before.terms.currency}"
        raise TermsFileError(after.source, [Fault("currency", told, "Compare contracts of one currency.")])
    given = Given(through, today, usage or (), events or ())
    old, new = life(before, given), life(after, given)
    currency = after.terms.currency
    return {
        "contract": before.terms.contract,
        "currency": currency,
        "before": before.source,
        "after": after.source,
        "terms": [{"what": what, "before": was, "after": now} for what, was, now in changes(old.terms, new.terms)],
        "lines": [_line(one, currency) for one in _slices(old, new) if (one.before or 0) != (one.after or 0)],
        "documents": _differing("issue_on", _by_day(old.drafts), _by_day(new.drafts), currency),
        "by_charge": _differing("charge", totals.by_charge(old), totals.by_charge(new), currency),
        "cash": _differing("month", totals.cash_by_month(old.drafts), totals.cash_by_month(new.drafts), currency),
        "value": _amounts(totals.value(old).total, totals.value(new).total, currency),
        "review": _new_notes(old, new),
    }


def _slices(old: Life, new: Life) -> Iterable[_Slice]:
    """Return every slice of either life, by service start; a slice is found again whatever its contract is called."""
    was, now = _by_slice(old), _by_slice(new)
    both = [
        _Slice(
            (now.get(key) or was[key]).line,
            was[key].amount if key in was else None,
            now[key].amount if key in now else None,
        )
        for key in {**was, **now}
    ]
    return sorted(both, key=lambda one: (one.line.starts, one.line.slice))


def _by_slice(found: Life) -> dict[str, totals.Owed]:
    owed = totals.owed_by_slice(found.drafts)
    owed |= {line.slice: totals.Owed(line, line.amount) for line in found.elsewhere}
    return {name.removeprefix(f"{found.terms.contract}/"): one for name, one in owed.items()}


def _line(one: _Slice, currency: str) -> dict[str, Any]:
    line = one.line
    return {
        "charge": line.charge,
        "description": line.description,
        "from": line.starts.isoformat(),
        "to": (line.until - timedelta(days=1)).isoformat(),
        "slice": line.slice,
        "estimated": line.estimated,
        **_amounts(one.before or 0, one.after or 0, currency),
        "explain": "no longer owed" if one.after is None else explain_text(line.explain),
    }


def _by_day(drafts: Iterable[Draft]) -> dict[str, int]:
    found: dict[str, int] = {}
    for draft in drafts:
        day = draft.issue_on.isoformat()
        found[day] = found.get(day, 0) + draft.sign * draft.total
    return found


def _differing(name: str, before: Mapping[str, int], after: Mapping[str, int], currency: str) -> list[dict[str, str]]:
    """Return both amounts and the difference of each key where they differ; dates and months in their order."""
    keys = [*before, *(key for key in after if key not in before)]
    ordered = keys if name == "charge" else sorted(keys)
    return [
        {name: key, **_amounts(before.get(key, 0), after.get(key, 0), currency)}
        for key in ordered
        if before.get(key, 0) != after.get(key, 0)
    ]


def _amounts(before: int, after: int, currency: str) -> dict[str, str]:
    amounts = {"before": before, "after": after, "difference": after - before}
    return {name: money.text(amount, currency) for name, amount in amounts.items()}


def _new_notes(old: Life, new: Life) -> list[dict[str, str]]:
    known = set(old.notes)
    return [{"code": note.code, "message": note.message, "path": note.path} for note in new.notes if note not in known]
