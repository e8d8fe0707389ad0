"""Terms and facts to lines: everything a contract owes up to a date ("should")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

from billing import recurring
from billing.facts import NO_FACTS, Facts, Unpriceable
from billing.line import Explanation as Explanation
from billing.line import Line as Line
from billing.line import Scope
from billing.one_time import one_time_lines
from billing.terms import Charge, OneTime, Recurring, Terms


class Unknown(NamedTuple):
    """What cannot be worked out: a charge's slices from a day on, and why. ``path`` points into the terms."""

    charge: str
    since: date
    code: str
    message: str
    path: str


class Owed(NamedTuple):
    """Everything owed by a day, and what could not be worked out."""

    lines: list[Line]
    unknown: list[Unknown]


def plan(terms: Terms, through: date, facts: Facts = NO_FACTS, since: date | None = None) -> list[Line]:
    """Return the lines of ``owed``."""
    return owed(terms, through, facts, since).lines


def owed(terms: Terms, through: date, facts: Facts = NO_FACTS, since: date | None = None) -> Owed:
    """Return every line that terms (their amendments in force already) and facts owe, issued by ``through``.

    The order is stable: by ``issue_on``, then as the charges stand in the terms, then by service start. An evergreen
    contract runs to ``through``. What a line says depends on terms and facts alone, never on ``through`` or on a clock.
    With ``since``, lines issued on or before that day may be left out.
    """
    scope = Scope(terms, facts, through, since)
    lines: list[Line] = []
    unknown: list[Unknown] = []
    for index, charge in enumerate(terms.charges):
        try:
            lines.extend(_LINES[type(charge)](scope, charge))
        except Unpriceable as reason:
            path = f"charges[{index}].{reason.path}".rstrip(".")
            unknown.append(Unknown(charge.key, reason.since, reason.code, str(reason), path))
    lines.sort(key=lambda line: line.issue_on)  # a stable sort: the order of charges and starts is kept within a day
    return Owed(lines, unknown)


# One function per kind of charge: scope, charge -> its lines in order of service start.
_LINES: dict[type[Charge], Callable[[Scope, Any], Iterator[Line]]] = {
    Recurring: recurring.lines,
    OneTime: one_time_lines,
}
