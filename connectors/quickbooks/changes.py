"""What changed at the company since a moment, by change data capture or by query."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connectors.base import LedgerChanges, LedgerEntry
from connectors.errors import Refused
from connectors.quickbooks import rows
from connectors.quickbooks.transport import LAG, PAGE, Row, Transport, quote, time_text, updated_at

READ: dict[str, Callable[[Row], Any]] = {
    "Customer": rows.customer,
    "Invoice": partial(rows.document, "Invoice"),
    "CreditMemo": partial(rows.document, "CreditMemo"),
    "Payment": rows.payment,
}
ENTRIES: dict[str, Callable[[Row], LedgerEntry]] = {  # what we write beside those; only changes of it are read
    entity: partial(rows.entry, entity) for entity in ("Purchase", "Transfer", "JournalEntry")
}
CAPTURED = READ | ENTRIES
MOST = 1000  # objects in one change data capture answer: a full one may lack some
SECOND = timedelta(seconds=1)  # times are kept to it, and whether a bound is inclusive is not promised
OVERLAP = LAG + SECOND
REACH = timedelta(days=30)  # of change data capture
_EVEN_INACTIVE = {"Customer": "Active in (true, false)"}


class Reading:
    """What was read so far, as ours by QuickBooks' id: the answers are many times larger and are not kept."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {entity: {} for entity in CAPTURED}
        self.latest: datetime | None = None
        self.as_of: datetime | None = None  # when the first answer was made: nothing before it is missing but what lags
        self.complete = False

    def add(self, entity: str, answered: Iterable[Row]) -> None:
        """Take rows; a later one of the same id counts."""
        for row in answered:
            self.found[entity][str(row["Id"])] = CAPTURED[entity](row)
            if "MetaData" in row:
                self.latest = max(filter(None, (self.latest, updated_at(row))))

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return everything. The cursor is the latest change, never later than the first answer.

        Where that is a while after ``since`` it is the cursor itself, which so moves on where nothing happens, too:
        what was read is not read again and again, and the cursor does not grow too old for captures.
        """
        latest = self.latest
        if self.as_of is not None and (since is None or self.as_of - since > OVERLAP):
            latest = self.as_of
        elif self.as_of is not None and latest is not None:
            latest = min(latest, self.as_of)
        return LedgerChanges(
            customers=tuple(self.found["Customer"].values()),
            documents=(*self.found["Invoice"].values(), *self.found["CreditMemo"].values()),
            payments=tuple(self.found["Payment"].values()),
            entries=tuple(entry for entity in ENTRIES for entry in self.found[entity].values()),
            cursor=max((time for time in (latest, since) if time is not None), default=None),
            complete=self.complete,
        )


def read(transport: Transport, since: datetime | None) -> LedgerChanges:
    """Return what was written or deleted since ``since`` (inclusive, everything there is when None).

    Deletions are told by change data capture only, up to 30 days back; for what lies further back everything is read:
    what is gone is missing in that. See ``_read_one`` for very many changes.
    """
    reading = Reading()
    if since is None:
        _query(transport, reading, READ, None)
    else:
        _read_since(transport, reading, since - OVERLAP)
    return reading.changes(since)


def _read_since(transport: Transport, reading: Reading, since: datetime) -> None:
    try:
        found, reading.as_of = transport.capture(tuple(CAPTURED), since)
    except Refused:
        if not _is_out_of_reach(transport, since):
            raise
        _query(transport, reading, READ, None)
        _query(transport, reading, ENTRIES, since)
        reading.complete = True
        return
    for entity in CAPTURED:
        if _is_full(found):
            _read_one(transport, reading, entity, since)
        else:
            reading.add(entity, found[entity])


def _is_out_of_reach(transport: Transport, since: datetime) -> bool:
    """Say whether a capture was refused for its age, by QuickBooks' own clock; how it words that is not published."""
    now = transport.query("CompanyInfo").time
    return now is not None and now - since > REACH - SECOND


def _is_full(found: dict[str, list[Row]]) -> bool:
    return sum(len(each) for each in found.values()) >= MOST


def _read_one(transport: Transport, reading: Reading, entity: str, since: datetime) -> None:
    """Read the changes of one entity; where even those are too many, by query.

    Deletions are told by captures only, so shorter and shorter ones follow until one is not full. Of what was deleted
    before that moment only what stood in a full answer is known.
    """
    captured, as_of = transport.capture((entity,), since)
    if not _is_full(captured):
        reading.add(entity, captured[entity])
        return
    _query(transport, reading, (entity,), since)
    reading.add(entity, filter(rows.is_deleted, captured[entity]))
    while _is_full(captured) and as_of is not None and as_of - since > SECOND:
        since += (as_of - since) / 2
        captured, _ = transport.capture((entity,), since)
        reading.add(entity, filter(rows.is_deleted, captured[entity]))


def _query(transport: Transport, reading: Reading, entities: Iterable[str], since: datetime | None) -> None:
    """Page by time, not by position, so that what changes while we read is not skipped; the latest version counts."""
    for entity in entities:
        after, start = since, 1
        while True:
            changed = f"MetaData.LastUpdatedTime >= {quote(time_text(after))}" if after else ""
            where = " and ".join(filter(None, (_EVEN_INACTIVE.get(entity), changed)))
            page = transport.query(entity, where, "MetaData.LastUpdatedTime", start)
            reading.as_of = reading.as_of or page.time
            reading.add(entity, page.rows)
            if len(page.rows) < PAGE:
                break
            last = updated_at(page.rows[-1])
            after, start = (after, start + PAGE) if last == after else (last, 1)
