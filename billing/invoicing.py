"""Owed minus settled: drafts, credit notes and review notes.

``bill`` works out everything the terms owe up to today, takes off what is settled and drafts the rest. It may run
twice, late, or after a change of terms: a slice's drafted lines always add up to what the terms owe for it now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TypeVar

import msgspec

from billing import plan
from billing.amendments import fold, stamp
from billing.differences import Difference, Left, check, differences, missing, worded
from billing.draft import Billing as Billing
from billing.draft import BrokenInvariant as BrokenInvariant
from billing.draft import Draft as Draft
from billing.draft import DraftLine as DraftLine
from billing.draft import Head as Head
from billing.draft import Note as Note
from billing.draft import Rules as Rules
from billing.draft import Settled as Settled
from billing.due import due_date
from billing.facts import NO_FACTS, Facts
from billing.line import Line
from billing.money import display, to_minor
from billing.tax import TaxLine as TaxLine
from billing.tax import document_taxes
from billing.terms import Terms

_DAY = timedelta(days=1)
LATE = timedelta(days=31)  # what was due longer ago is not the ordinary run but catching up


def bill(
    terms: Terms,
    settled: Sequence[Settled],
    *,
    today: date,
    rules: Rules,
    facts: Facts = NO_FACTS,
    since: date | None = None,
    billed: int | None = None,
) -> Billing:
    """Draft what the terms owe by ``today`` beyond what is settled; the same inputs give the same drafts.

    - Amendments known by ``today`` are in force, and those that something was billed for already.
    - A slice that is due and not settled is billed in full (revision 0). One that starts before ``rules.go_live`` or
      by ``terms.billed_through`` counts as billed elsewhere instead.
    - An issued slice whose amount has changed is corrected by the difference, up or down, under the next revision.
    - An issued slice that is not owed any more is credited by all that was issued for it.
    - What is settled elsewhere, waived or held is left alone; so is what cannot be priced (a note says so).
    - A line of 0.00 is shown beside lines that charge something on the same ``issue_on``, unless it was to be billed in
      advance and its service is over; alone it makes no document.

    All of it comes as one draft dated ``today``; below zero in total it is a credit note. What a person should look at
    first is noted, and the draft ``waits``. Nothing is drafted for a contract with a tax class that has no rate.

    ``since``: everything issued on or before that day is known to be settled as it is, and may be missing from
    ``settled``; ``billed`` is then the net amount issued for the contract so far (minor units). Raises
    ``BrokenInvariant``, and ``ValueError`` for amendments that cannot be worked in.
    """
    terms, touches = fold(terms, _known_by(terms, settled, today))
    known = _once(settled, "settled")
    owed, unknown = _owed(terms, known, today, facts, since)
    if touches:
        owed = dict(zip(owed, stamp(owed.values(), touches), strict=True))
    elsewhere = _take_billed_before(owed, known, terms, today, rules)
    due = list(differences(owed, known, today, _left(unknown, since)))
    billable = _shown(due, today)
    puzzles = dict.fromkeys([Note(one.code, one.message, one.path) for one in unknown]) if unknown else ()
    notes = [*_tax_class_notes(terms, billable, rules), *_currency_notes(terms, settled)]
    ahead = bool(known) and _is_ahead(known.values(), owed, today, since)
    if notes or not billable:
        return Billing(settled_elsewhere=elsewhere, notes=(*notes, *puzzles), ahead=ahead)
    check(billable)
    if billed is None and since is None:
        billed = sum(item.amount for item in settled if item.how == "issued")
    waiting = [*_po_notes(terms), *_bound_notes(terms, billable, billed, today, rules)]
    draft = _drafted(Head.of(terms), billable, today, rules, tuple([note.code for note in waiting]))
    return Billing(drafts=(draft,), settled_elsewhere=elsewhere, notes=(*waiting, *puzzles), ahead=ahead)


def settle(settled: Iterable[Settled], billing: Billing) -> list[Settled]:
    """Return what is settled once a billing's drafts are issued as they stand: what the next ``bill`` starts from.

    What a person's credit note takes back (a draft ``against`` an invoice) is waived: it is not billed again.
    """
    known = {item.slice: item for item in (*settled, *billing.settled_elsewhere)}
    for draft in billing.drafts:
        for drafted in draft.lines:
            was = known.get(drafted.line.slice, Settled(slice=drafted.line.slice, how="issued"))
            amount = draft.sign * drafted.amount
            known[was.slice] = Settled(
                slice=was.slice,
                how="issued",
                amount=was.amount + amount,
                revision=drafted.revision,
                line=drafted.line,
                waived=was.waived - amount if draft.against else was.waived,
            )
    return list(known.values())


def _known_by(terms: Terms, settled: Sequence[Settled], today: date) -> date:
    """Return the day whose knowledge counts: a run with an earlier date does not take back what an amendment billed."""
    if not terms.amendments:
        return today
    billed = {item.line.amendment for item in settled if item.line is not None}
    return max([today, *(one.known for one in terms.amendments if one.key in billed)])


_Sliced = TypeVar("_Sliced", Settled, Line)


def _once(items: Collection[_Sliced], what: str) -> dict[str, _Sliced]:
    found = {item.slice: item for item in items}
    if len(found) < len(items):
        uses = Counter(item.slice for item in items)
        raise BrokenInvariant(f"slice {uses.most_common(1)[0][0]} is {what} twice")
    return found


def _owed(
    terms: Terms, known: Mapping[str, Settled], today: date, facts: Facts, since: date | None
) -> tuple[dict[str, Line], list[plan.Unknown]]:
    """Plan up to today; past everything issued when some of that is missing, for it may have been billed ahead."""
    lines, unknown = plan.owed(terms, today, facts, since)
    owed = _once(lines, "planned")
    if not known or next(missing(owed, known.values(), _left(unknown, since)), None) is None:
        return owed, unknown
    issued = [item.line for item in known.values() if item.how == "issued" and item.line is not None]
    horizon = max([today, *(max(line.issue_on, line.until) for line in issued)])
    lines, unknown = plan.owed(terms, horizon, facts, since)
    return _once(lines, "planned"), unknown


def _is_ahead(known: Iterable[Settled], owed: Mapping[str, Line], today: date, since: date | None) -> bool:
    """Say whether something was issued, after ``since``, that is not owed by today."""
    for item in known:
        if item.how != "issued" or (since is not None and item.line is not None and item.line.issue_on <= since):
            continue
        line = owed.get(item.slice)
        if line is None or line.issue_on > today:
            return True
    return False


def _shown(due: Sequence[Difference], today: date) -> Sequence[Difference]:
    """Return what stands on a document: what has an amount, and what is free beside it."""
    if 0 not in [one.amount for one in due]:
        return due
    charged_days = {one.line.issue_on for one in due if one.amount}
    return [one for one in due if one.amount or (one.line.issue_on in charged_days and not _is_past(one.line, today))]


def _is_past(line: Line, today: date) -> bool:
    return line.issue_on < line.until <= today


def _left(unknown: Sequence[plan.Unknown], since: date | None) -> Left:
    days: dict[str, date] = {}
    for one in unknown:
        days[one.charge] = min(one.since, days.get(one.charge, one.since))
    return Left(since, days)


def _take_billed_before(
    owed: dict[str, Line], known: Mapping[str, Settled], terms: Terms, today: date, rules: Rules
) -> tuple[Settled, ...]:
    """Take what was billed elsewhere before we began out of what is owed, and return what of it was due."""
    if rules.go_live is None and terms.billed_through is None:
        return ()
    first = max([day for day in (rules.go_live, terms.billed_through and terms.billed_through + _DAY) if day])
    before = [line for key, line in owed.items() if line.starts < first and key not in known]
    for line in before:
        del owed[line.slice]
    return tuple(Settled(slice=line.slice, how="elsewhere", line=line) for line in before if line.issue_on <= today)


def document(head: Head, amounts: Sequence[tuple[str, int]], today: date, rules: Rules) -> Draft:
    """Return a document but for its lines, of (tax class, net amount); below zero in total it is a credit note."""
    subtotal = sum([amount for _, amount in amounts])
    taxes = document_taxes(amounts, rules.tax_rates, rules.tax_rounding)
    tax = sum([line.amount for line in taxes])
    sign = -1 if subtotal + tax < 0 else 1  # what a credit note gives back is written as positive amounts
    if sign < 0:
        taxes = tuple(msgspec.structs.replace(one, base=-one.base, amount=-one.amount) for one in taxes)
    return Draft(
        contract=head.contract,
        customer=head.customer,
        currency=head.currency,
        type="credit_note" if sign < 0 else "invoice",
        issue_on=today,
        due_on=today if sign < 0 else due_date(head.payment_terms, today),
        po_number=head.po_number,
        lines=(),
        taxes=taxes,
        subtotal=sign * subtotal,
        tax=sign * tax,
        total=sign * (subtotal + tax),
        payment_terms="" if sign < 0 else head.payment_terms,
    )


def _drafted(head: Head, due: Sequence[Difference], today: date, rules: Rules, waits: tuple[str, ...]) -> Draft:
    """Return the document of what is due; it ``waits`` for such notes."""
    draft = document(head, [(one.line.tax_class, one.amount) for one in due], today, rules)
    lines = tuple([worded(one, draft.sign, rules.tax_rates[one.line.tax_class]) for one in due])
    return msgspec.structs.replace(draft, lines=lines, waits=waits)


def _tax_class_notes(terms: Terms, shown: Iterable[Difference], rules: Rules) -> list[Note]:
    """Name every tax class without a rate, those of charges that are not due yet too: better seen early."""
    used = {charge.tax_class: None for charge in terms.charges}
    used.update((one.line.tax_class, None) for one in shown if one.line.tax_class not in used)
    if used.keys() <= rules.tax_rates.keys():
        return []
    paths = {charge.tax_class: f"charges[{index}].tax_class" for index, charge in reversed([*enumerate(terms.charges)])}
    rates = ", ".join(sorted(rules.tax_rates)) or "none"
    return [
        Note("tax_class", f"tax class {name!r} has no rate; rates are known for: {rates}", paths.get(name, ""))
        for name in used
        if name not in rules.tax_rates
    ]


def _currency_notes(terms: Terms, settled: Sequence[Settled]) -> list[Note]:
    """Refuse to set amounts of one currency off against another's: that contract needs a person."""
    if not settled:
        return []
    lines = [item.line for item in settled if item.how == "issued" and item.line is not None]
    others = {line.explain.operands.get("currency", terms.currency) for line in lines} - {terms.currency}
    if not others:
        return []
    message = (
        f"the contract is in {terms.currency}, but was billed in {', '.join(sorted(others))}: write a new contract"
    )
    return [Note("currency_changed", message, "currency")]


def _po_notes(terms: Terms) -> list[Note]:
    if not terms.po_required or terms.po_number:
        return []
    message = f"contract {terms.contract} requires a purchase order and has no number: enter it before issuing"
    return [Note("po_missing", message, "po_number")]


def _bound_notes(
    terms: Terms, shown: Sequence[Difference], billed: int | None, today: date, rules: Rules
) -> list[Note]:
    """Name the bounds that a draft goes beyond; raises ``BrokenInvariant`` for an absurd number of lines."""
    if len(shown) > rules.most_lines:
        raise BrokenInvariant(f"a draft would have {len(shown)} lines: at most {rules.most_lines} are drafted at once")
    notes = [] if billed is None else _total_notes(terms, sum([one.amount for one in shown]), billed, today)
    long_ago = today - LATE
    late = sum([one.amount for one in shown if _catches_up(one, long_ago)])
    if late and abs(late) > to_minor(rules.catch_up_threshold, terms.currency):
        amount = display(late, terms.currency)
        message = f"{amount} of this draft was due more than {LATE.days} days ago, or corrects what was issued"
        notes.append(Note("catch_up", message))
    return notes


def _total_notes(terms: Terms, net: int, billed: int, today: date) -> list[Note]:
    notes, total = [], billed + net
    if total < 0 > net:
        message = (
            f"{display(-net, terms.currency)} would be credited, but only {display(billed, terms.currency)} was billed"
        )
        notes.append(Note("credit_beyond_billed", message))
    renewed = terms.renewal is not None and terms.renewal.auto and terms.ends_on is not None and today > terms.ends_on
    for code, limit, of in (
        ("value_exceeded", None if renewed or terms.renewed else terms.value, "the contract is worth"),
        ("po_budget", terms.po_budget, "its purchase order is good for"),
    ):
        if limit is not None and net > 0 and total > to_minor(limit, terms.currency):
            good = display(to_minor(limit, terms.currency), terms.currency)
            message = f"with this draft {display(total, terms.currency)} net would be billed, but {of} {good}"
            notes.append(Note(code, message, "value" if code == "value_exceeded" else code))
    return notes


def _catches_up(found: Difference, late: date) -> bool:
    """Say whether a difference was due long ago, or corrects a document for another reason than a recent change."""
    line, was = found.line, found.was
    if was is None or was.line is None:
        return line.issue_on < late
    if line.explain.rule == "not_owed":
        return line.starts < late
    return line.until == was.line.until or min(line.until, was.line.until) < late
