"""The whole life of a contract, from its terms file: which part of it is shown, and every document of that part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from billing.amendments import in_force
from billing.draft import Draft, Note, Rules, Settled
from billing.facts import Facts
from billing.line import Line
from billing.lint import lint
from billing.outlook import known_days, versions, walk
from billing.periods import anchored
from billing.plan import plan
from billing.reading.given import Given, all_charges, facts_of
from billing.service import contract_end, renewal_days
from billing.terms import Terms
from billing.terms_file import TermsFile
from billing.words import date_text

EVERGREEN_MONTHS = 12  # how much of a contract without end is shown unless told otherwise
_LONG_AFTER = timedelta(days=5 * 366)  # how long after the end of what is shown its last document may come
_DAY = timedelta(days=1)


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's documents in order. ``terms`` are those with all amendments; ``elsewhere`` is billed elsewhere.

    ``through`` is the last day shown where it is not the whole life.
    """

    file: TermsFile
    terms: Terms
    drafts: tuple[Draft, ...]
    elsewhere: tuple[Line, ...]
    notes: tuple[Note, ...]
    today: date | None = None
    through: date | None = None


class _Window(NamedTuple):
    """What is shown: issued by ``last``, of service that starts before ``cutoff``."""

    last: date
    cutoff: date | None = None

    def shows(self, line: Line) -> bool:
        return line.issue_on <= self.last and (self.cutoff is None or line.starts < self.cutoff)


def life(file: TermsFile, given: Given) -> Life:
    """Walk the runs over a contract's life and return what they draft.

    Shown is what is issued by ``given.through``: by default to the contract's end, of one that renews itself to the end
    of its next term, of one without end its first 12 months (and all that is due by ``given.today``). Each document
    comes on its own day; with ``today`` all that was due by then comes on ``today``. What is not known yet is assumed
    from ``today`` on, or from the contract's start. Raises ``BrokenInvariant``.
    """
    facts, told = facts_of(file, given)
    known = known_days(file.terms, date.min, given.through or date.max)
    terms = in_force(file.terms, max([file.terms.starts_on, *known]))
    window = _window(terms, facts, given)
    closing = given.through or max(window.last, window.cutoff or contract_end(terms) or window.last)
    horizon = max([closing, given.today or closing, *known])
    planned = [plan(version, horizon, facts) for version in versions(file.terms, date.min, horizon)]
    held = {line.slice: line for lines in planned for line in lines if not window.shows(line)}
    days = {closing, *known, *(line.issue_on for lines in planned for line in lines if window.shows(line))}
    found = walk(
        file.terms,
        [Settled(slice=line.slice, how="held", line=line) for line in held.values()],
        days if given.today is None else {max(day, given.today) for day in days},
        rules=_rules(file),
        facts=facts,
    )
    elsewhere = tuple(item.line for item in found.elsewhere if item.line is not None)
    notes = [
        *_scope_notes(terms, window, given),
        *lint(file.terms, facts),
        *told,
        *found.notes,
        *_elsewhere_notes(elsewhere, file),
    ]
    return Life(
        file=file,
        terms=terms,
        drafts=found.drafts,
        elsewhere=elsewhere,
        notes=tuple(notes),
        today=given.today,
        through=given.through or (window.cutoff - _DAY if window.cutoff else None),
    )


def next_renewal(terms: Terms, today: date | None) -> tuple[date, date | None] | None:
    """Return the first day of the next renewed term (after ``today``), and the day after its last, if it renews at all.

    ``terms`` are those in force; a term without a successor ends the contract.
    """
    days = (day for day in renewal_days(terms) if today is None or day > today)
    first = next(days, None)
    return None if first is None else (first, next(days, contract_end(terms)))


def _window(terms: Terms, facts: Facts, given: Given) -> _Window:
    if given.through is not None:
        return _Window(given.through)
    cutoff = _cutoff(terms, given.today)
    if cutoff is not None and next_renewal(terms, given.today) is None:
        return _Window(cutoff, cutoff)
    lines = plan(terms, (cutoff or contract_end(terms) or terms.starts_on) + _LONG_AFTER, facts)
    days = [line.issue_on for line in lines if cutoff is None or line.starts < cutoff]
    return _Window(max(days, default=terms.starts_on), cutoff)


def _cutoff(terms: Terms, today: date | None) -> date | None:
    """Return the day after the last one shown of a contract that goes on: 12 months, or its next renewed term."""
    renewed = next_renewal(terms, today)
    end = contract_end(terms)
    if renewed is not None:
        return renewed[1] if renewed[1] != end else None
    if end is not None:
        return None
    month = terms.starts_on.year * 12 + terms.starts_on.month - 1 + EVERGREEN_MONTHS
    shown = anchored(month, terms.starts_on.day)
    return shown if today is None else max(shown, today + _DAY)


def _rules(file: TermsFile) -> Rules:
    return Rules(
        tax_rates=_tax_rates(file),
        go_live=file.go_live,
        tax_rounding=file.tax_rounding,
        catch_up_threshold=file.catch_up_threshold,
    )


def _tax_rates(file: TermsFile) -> dict[str, Decimal]:
    """Return the file's rates; without any, everything the contract may charge is at nothing."""
    if file.tax:
        return file.tax
    terms = file.terms
    taxed = [*all_charges(terms), *terms.commitments, terms.termination_fee, terms.late_fee]
    return dict.fromkeys((one.tax_class for one in taxed if one is not None), Decimal(0))


def _scope_notes(terms: Terms, window: _Window, given: Given) -> list[Note]:
    """Say where a contract that goes on was cut off."""
    if given.through is not None or window.cutoff is None:
        return []
    last = date_text(window.cutoff - _DAY)
    renewed = next_renewal(terms, given.today)
    if renewed is None:
        message = f"the contract has no end: shown is its service to {last}; choose another day with --through"
        return [Note("evergreen", message, "ends_on")]
    message = (
        f"the contract renews itself on {date_text(renewed[0])} and again after each term: shown is its service to "
        f"{last}, the end of the next term; choose another day with --through"
    )
    return [Note("renewal_shown", message, "renewal.auto")]


def _elsewhere_notes(elsewhere: Sequence[Line], file: TermsFile) -> list[Note]:
    if not elsewhere:
        return []
    last = date_text(max(line.starts for line in elsewhere))
    message = f"{len(elsewhere)} line(s) of service starting by {last} count as billed elsewhere and are not billed"
    return [Note("billed_elsewhere", message, "go_live" if file.go_live else "billed_through")]
