"""When a charge serves: its periods, its first day, and its end with all renewals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from billing.periods import Grid, anchor_number
from billing.terms import Recurring, Retainer, Terms, Usage, parse_interval

Serving = Recurring | Usage | Retainer
_DAY = timedelta(days=1)


def contract_start(terms: Terms) -> date:
    """Return the first day that is billed for: the contract's, or the one after its trial."""
    return terms.starts_on if terms.trial_ends_on is None else max(terms.starts_on, terms.trial_ends_on + _DAY)


def service_start(terms: Terms, charge: Serving) -> date:
    """Return the first day of a charge's service: its own or the contract's, and never within the trial."""
    start = contract_start(terms)
    return start if charge.starts_on is None else max(charge.starts_on, start)


def contract_grid(terms: Terms, charge: Serving, every: str | None = None) -> Grid:
    """Return the periods a charge is billed by (or those of another interval ``every``).

    They are the contract's, also for a charge that joins later, unless the charge has an ``anchor_day`` of its own:
    then they count from the charge's own start.
    """
    own = charge.anchor_day is not None
    origin = service_start(terms, charge) if own else contract_start(terms)
    anchor = anchor_number(charge.anchor_day if own else terms.anchor_day, origin)
    return Grid.of(origin, parse_interval(every or charge.every), anchor)


def renewal_days(terms: Terms) -> Iterator[date]:
    """Yield the first day of each renewed term, without end unless the renewal has a ``most``."""
    renewal = terms.renewal
    if renewal is None or not renewal.auto or terms.ends_on is None:
        return
    day = terms.ends_on + _DAY
    grid = Grid.of(day, parse_interval(renewal.term), day.day)
    count = 0
    while renewal.most is None or count < renewal.most:
        yield grid.boundary(count)
        count += 1


def contract_end(terms: Terms) -> date | None:
    """Return the day after the contract's last day of service, its renewals included; None: without end."""
    if terms.ends_on is None:
        return None
    renewal = terms.renewal
    if renewal is None or not renewal.auto:
        return terms.ends_on + _DAY
    if renewal.most is None:
        return None
    day = terms.ends_on + _DAY
    return Grid.of(day, parse_interval(renewal.term), day.day).boundary(renewal.most)


def service_end(terms: Terms, charge: Serving) -> date | None:
    """Return the day after a charge's last day of service: its own or the contract's, whichever is earlier."""
    own = None if charge.ends_on is None else charge.ends_on + _DAY
    ends = [day for day in (own, contract_end(terms)) if day is not None]
    return min(ends, default=None)


def serves(terms: Terms, charge: Serving) -> bool:
    """Whether a charge has a day of service within its own dates and the contract's."""
    end = service_end(terms, charge)
    return end is None or service_start(terms, charge) < end
