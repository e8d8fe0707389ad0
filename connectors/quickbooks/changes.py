"""What changed at the company since a moment, by change data capture or by query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.errors import Refused
from connectors.quickbooks.rows import is_deleted
from connectors.quickbooks.transport import PAGE, Row, Transport, answer_time, quote, time_text, updated_at

ENTITIES = ("Invoice", "CreditMemo", "Payment")
MOST = 1000  # objects in one change data capture answer: a full one may lack some
OVERLAP = timedelta(seconds=1)  # times are kept to the second, and whether a bound is inclusive is not promised


class Changed(NamedTuple):
    """Objects by entity, and up to when nothing is missing (as far as QuickBooks says)."""

    rows: dict[str, list[Row]]
    as_of: datetime | None

    def cursor(self, since: datetime | None) -> datetime | None:
        """Return the latest change seen; never later than the first answer, as other answers came after it."""
        times = [updated_at(row) for rows in self.rows.values() for row in rows if "MetaData" in row]
        latest = max(times, default=None)
        if latest is not None and self.as_of is not None:
            latest = min(latest, self.as_of)
        return max((time for time in (latest, since) if time is not None), default=None)


def read(transport: Transport, since: datetime | None) -> Changed:
    """Return what was written or deleted since ``since`` (inclusive, everything there is when None).

    Deletions are told by change data capture only: up to 30 days back, at most 1,000 objects of a kind.
    """
    if since is None:
        return _by_query(transport, None)
    since -= OVERLAP
    try:
        found = _capture(transport, ENTITIES, since)
    except Refused:  # more than 30 days back
        return _by_query(transport, since)
    if not _is_full(found.rows):
        return found
    parts = {entity: _one_by_one(transport, entity, since) for entity in ENTITIES}
    return Changed(parts, found.as_of)


def _capture(transport: Transport, entities: Sequence[str], since: datetime) -> Changed:
    answer = transport.capture(entities, since)
    parts: list[Row] = [part for one in answer.get("CDCResponse", []) for part in one.get("QueryResponse", [])]
    rows = {entity: [row for part in parts for row in part.get(entity, [])] for entity in entities}
    return Changed(rows, answer_time(answer))


def _is_full(rows: dict[str, list[Row]]) -> bool:
    return sum(len(each) for each in rows.values()) >= MOST


def _one_by_one(transport: Transport, entity: str, since: datetime) -> list[Row]:
    """Return the changes of one entity; where even those are too many, by query and with the deletions told."""
    captured = _capture(transport, (entity,), since).rows
    if not _is_full(captured):
        return captured[entity]
    return _updated(transport, entity, since).rows[entity] + [row for row in captured[entity] if is_deleted(row)]


def _by_query(transport: Transport, since: datetime | None) -> Changed:
    parts = [_updated(transport, entity, since) for entity in ENTITIES]
    return Changed({entity: part.rows[entity] for entity, part in zip(ENTITIES, parts, strict=True)}, parts[0].as_of)


def _updated(transport: Transport, entity: str, since: datetime | None) -> Changed:
    """Page by time, not by position, so that what changes while we read is not skipped; the latest version counts."""
    rows: dict[str, Row] = {}
    first: datetime | None = None
    after, start = since, 1
    while True:
        where = f"MetaData.LastUpdatedTime >= {quote(time_text(after))}" if after else ""
        page = transport.query(entity, where, "MetaData.LastUpdatedTime", start)
        first = first or page.time
        rows.update({row["Id"]: row for row in page.rows})
        if len(page.rows) < PAGE:
            return Changed({entity: list(rows.values())}, first)
        last = updated_at(page.rows[-1])
        after, start = (after, start + PAGE) if last == after else (last, 1)
