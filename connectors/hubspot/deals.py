"""Reading deals from HubSpot: what was won, changed, reopened, merged or deleted, and all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from connectors.base import CrmDeal, CrmObject, DealFate, DealPage, DealScope
from connectors.errors import Retryable
from connectors.http import redact
from connectors.hubspot.answers import MERGED, MODIFIED, POSITION, Associations, Failure, Record, Records, To
from connectors.hubspot.api import VERSION, Api, NotFound

SEARCH_PAGE = 200  # results of one search
READ_BATCH = 100  # records of one batch read
ASSOCIATION_BATCH = 1000  # records whose associations one call reads
BLOCK = 4000  # deals completed together, so that the batches are full and a shared company is read once
OVERLAP = timedelta(minutes=5)  # the search finds a change only moments later

PRIMARY_COMPANY = 5  # HubSpot's association type "deal to primary company"
_LINE_ITEMS, _COMPANIES, _CONTACTS = "line_items", "companies", "contacts"
_ID = "hs_object_id"
_STAGE = ("pipeline", "dealstage", MODIFIED["deals"], MERGED)
# Companies and contacts change all the time, most of them without a deal: HubSpot counts the deals of each by itself.
_WITH_DEALS = {"propertyName": "num_associated_deals", "operator": "GT", "value": "0"}
_BELONGINGS: dict[str, list[dict[str, Any]]] = {_LINE_ITEMS: [], _COMPANIES: [_WITH_DEALS], _CONTACTS: [_WITH_DEALS]}
_MOMENT = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")


class _Newest(NamedTuple):
    """The deals modified since a moment, oldest change first, and how many are won in all."""

    changed: list[Record]
    won: int


class DealReader:
    """Reads the deals of one HubSpot account. ``url`` gives the address of a deal's page for people."""

    def __init__(self, api: Api, monotonic: Callable[[], float], url: Callable[[str], str]) -> None:
        self._api = api
        self._monotonic = monotonic
        self._url = url

    def pages(self, since: datetime | None, scope: DealScope, settled: bool) -> Iterator[DealPage]:
        """Yield pages of up to 200 won deals; see ``Crm.won_deals``. What changed fits one search as a rule.

        First come older deals of which only a line item, company or contact was edited (that does not touch the deal's
        date); their pages leave the cursor where it is. Then come the deals modified since, oldest change first, and
        before them those among them that do not count as won. The cursor lies before a page's latest modification by
        as long as the call has run: a line item edited meanwhile is found next time. Seconds do not count, as the
        overlap covers them: the same state gives the same cursor. A last page without deals moves the cursor past
        edits of what is no won deal, and tells how many are won. A removed line item shows only when HubSpot touches
        its deal.
        """
        begun = self._monotonic()
        start = _EPOCH if since is None else since + _MOMENT if settled else since - OVERLAP

        def reached(moment: datetime) -> datetime:
            cursor = moment - timedelta(minutes=(self._monotonic() - begun) // 60)
            return cursor if since is None else max(cursor, since)

        latest = latest_won = start
        done: set[str] = set()
        for object_type in _BELONGINGS if since is not None else ():
            for edited in _chunks(self._edited(object_type, start), BLOCK):
                latest = max(latest, edited[-1].modified_at())
                older = self._deals_of(object_type, edited, start, done, scope)
                for deals in _chunks(self._complete(older, scope), SEARCH_PAGE):
                    yield DealPage(deals=tuple(deals), cursor=since)
        newest = None if since is None else self._newest(start, scope)
        changed = self._modified(start, scope, everything=since is not None) if newest is None else newest.changed
        for found in _chunks(changed, BLOCK):
            latest = max(latest, found[-1].modified_at())
            if fates := [fate for deal in found for fate in _fates(deal, scope)]:
                yield DealPage(deals=(), cursor=since, fates=tuple(fates))
            won = [deal for deal in found if is_won(deal, scope)]
            for deals in _chunks(self._complete(won, scope), SEARCH_PAGE):
                latest_won = deals[-1].modified_at
                yield DealPage(deals=tuple(deals), cursor=reached(latest_won))
        if latest > latest_won or newest is not None:
            cursor = reached(latest) if latest > start else since
            yield DealPage(deals=(), cursor=cursor, won=None if newest is None else newest.won)

    def count_won(self, scope: DealScope) -> int:
        """Return how many deals lie in the won stages."""
        if not any(scope.won_stages.values()):
            return 0
        return self._search("deals", [_in_won_stages(scope)], _ID, (), limit=1).total

    def fates(self, ids: Sequence[str], scope: DealScope) -> list[DealFate]:
        """Return how deals stand now; see ``Crm.fates``."""
        found = self._read("deals", ids, _STAGE)
        missing = [one for one in ids if one not in found]
        deleted = self._read("deals", missing, (_ID,), archived=True) if missing else {}
        for one in missing:
            if one not in deleted and (survivor := self._survivor(one)) is not None:
                found[one] = survivor
        return [_fate(one, found.get(one), scope) for one in ids]

    def _survivor(self, deal_id: str) -> Record | None:
        """Return what HubSpot answers for a deal by itself: what it was merged into, None when it is gone."""
        try:
            path = f"/crm/objects/{VERSION}/deals/{deal_id}?properties={','.join(_STAGE)}"
            return self._api.get(path, Record)
        except NotFound:
            return None

    # ------------------------------------------------------------------------------------------------- what has changed

    def _newest(self, start: datetime, scope: DealScope) -> _Newest | None:
        """Return what was modified since ``start`` and how many deals are won, from one call; None if it takes more.

        The search is for what is won *or* modified since, the latest change first. So the first page begins with what
        was modified, and all that is found, less those of them that are not won, is what is won.
        """
        if not any(scope.won_stages.values()):
            return _Newest([], 0)
        by, begin = MODIFIED["deals"], _milliseconds(start)
        groups = [_in_won_stages(scope), [_filter(by, "GTE", begin)]]
        page = self._search("deals", groups, f"-{by}", [*scope.deal_properties, *_STAGE])
        dates = [_milliseconds(deal.modified_at()) for deal in page.results]
        if dates != sorted(dates, reverse=True) or (len(dates) == SEARCH_PAGE and dates[-1] >= begin):
            return None
        changed = [deal for deal in reversed(page.results) if _milliseconds(deal.modified_at()) >= begin]
        return _Newest(changed, page.total - sum(not _is_counted(deal, scope) for deal in changed))

    def _modified(self, start: datetime, scope: DealScope, *, everything: bool) -> Iterator[Record]:
        """Yield the deals modified since ``start``, oldest change first: ``everything``, or only won ones."""
        if any(scope.won_stages.values()):
            filters = [] if everything else _in_won_stages(scope)
            found = self._by_date("deals", filters, start, [*scope.deal_properties, *_STAGE])
            yield from (deal for deal in found if everything or is_won(deal, scope))

    def _edited(self, object_type: str, start: datetime) -> Iterator[Record]:
        """Yield the line items, companies or contacts modified since ``start`` that may belong to a deal."""
        return self._by_date(object_type, _BELONGINGS[object_type], start, [MODIFIED[object_type]])

    def _deals_of(
        self, object_type: str, edited: list[Record], start: datetime, done: set[str], scope: DealScope
    ) -> list[Record]:
        """Return the won deals of what was edited, not modified since ``start`` themselves, and not yet ``done``."""
        linked = self._linked(object_type, [one.id for one in edited], "deals")
        wanted = {str(to.toObjectId) for ends in linked.values() for to in ends} - done
        done |= wanted
        read = self._read("deals", wanted, [*scope.deal_properties, *_STAGE])
        deals = {deal.id: deal for deal in read.values() if is_won(deal, scope) and deal.modified_at() < start}
        return sorted(deals.values(), key=Record.modified_at)

    def _by_date(
        self, object_type: str, filters: list[dict[str, Any]], start: datetime, properties: Sequence[str]
    ) -> Iterator[Record]:
        """Yield what ``filters`` find of the records modified since ``start``, oldest change first.

        One query ends at 10,000 results, and a record modified meanwhile shifts the pages of a query. So no query is
        paged: each one begins at the last moment of the one before. When a whole page lies in one moment (an import),
        that moment is read in order of ids.
        """
        by = MODIFIED[object_type]
        begin = _milliseconds(start)
        seen: set[tuple[str, str]] = set()  # of the moment ``begin``
        while True:
            page = self._search(object_type, [[*filters, _filter(by, "GTE", begin)]], by, properties).results
            yield from (one for one in page if _key(one) not in seen)
            if len(page) < SEARCH_PAGE:
                return
            begin = _milliseconds(page[-1].modified_at())
            last = {_key(one) for one in page if one.modified_at() == page[-1].modified_at()}
            if len(last) < len(page):
                seen = last
                continue
            moment = [*filters, {**_filter(by, "BETWEEN", begin), "highValue": str(begin)}]
            yield from (one for one in self._by_id(object_type, moment, properties) if _key(one) not in seen | last)
            begin, seen = begin + 1, set()

    def _by_id(self, object_type: str, filters: list[dict[str, Any]], properties: Sequence[str]) -> Iterator[Record]:
        """Yield everything that ``filters`` find in order of ids."""
        after = "0"
        while True:
            page = self._search(object_type, [[*filters, _filter(_ID, "GT", after)]], _ID, properties).results
            yield from page
            if len(page) < SEARCH_PAGE:
                return
            after = page[-1].id

    def _search(
        self,
        object_type: str,
        groups: Sequence[list[dict[str, Any]]],
        sort: str,
        properties: Sequence[str],
        limit: int | None = None,
    ) -> Records:
        """Return the first page of a search: of what meets all filters of a group. ``-`` before ``sort``: downwards.

        Long lists of properties are no trouble in its body.
        """
        body = {
            "filterGroups": [{"filters": filters} for filters in groups],
            "sorts": [sort],
            "properties": list(properties),
            "limit": SEARCH_PAGE if limit is None else limit,
            "after": "0",
        }
        return self._api.read(f"/crm/objects/{VERSION}/{object_type}/search", body, Records)

    # ------------------------------------------------------------------------------------------- what belongs to deals

    def _complete(self, found: Sequence[Record], scope: DealScope) -> list[CrmDeal]:
        """Return the deals with their line items, companies and contacts, each read once."""
        wanted = {
            _LINE_ITEMS: (scope.line_item_properties, [POSITION]),
            _COMPANIES: (scope.company_properties, [MERGED]),
            _CONTACTS: (scope.contact_properties, [MERGED]),
        }
        belongings: dict[str, dict[str, list[Record]]] = {}
        objects: dict[str, dict[str, CrmObject]] = {}
        for object_type, (properties, helpers) in wanted.items():
            linked = self._linked("deals", [deal.id for deal in found], object_type)
            ids = {str(to.toObjectId) for ends in linked.values() for to in ends}
            records = self._read(object_type, ids, [*properties, *helpers])
            objects[object_type] = {one.id: _object(one, properties) for one in records.values()}
            belongings[object_type] = {deal: _present(ends, records) for deal, ends in linked.items()}
        return [self._deal(deal, scope, belongings, objects) for deal in found]

    def _deal(
        self,
        deal: Record,
        scope: DealScope,
        belongings: Mapping[str, Mapping[str, list[Record]]],
        objects: Mapping[str, Mapping[str, CrmObject]],
    ) -> CrmDeal:
        def of(object_type: str, records: Iterable[Record]) -> tuple[CrmObject, ...]:
            return tuple(objects[object_type][one.id] for one in records)

        return CrmDeal(
            id=deal.id,
            modified_at=deal.modified_at(),
            properties={name: deal.properties.get(name) for name in scope.deal_properties},
            line_items=of(_LINE_ITEMS, sorted(belongings[_LINE_ITEMS].get(deal.id, ()), key=_place)),
            companies=of(_COMPANIES, belongings[_COMPANIES].get(deal.id, ())),
            contacts=of(_CONTACTS, belongings[_CONTACTS].get(deal.id, ())),
            url=self._url(deal.id),
        )

    def _linked(self, from_type: str, ids: Sequence[str], to_type: str) -> dict[str, list[To]]:
        """Return id -> its associations, all pages of them. A record without any is left out."""
        linked: dict[str, list[To]] = {}
        waiting: list[dict[str, str]] = [{"id": one} for one in ids]
        while waiting:
            asked, waiting = waiting[:ASSOCIATION_BATCH], waiting[ASSOCIATION_BATCH:]
            path = f"/crm/associations/{VERSION}/{from_type}/{to_type}/batch/read"
            answer = self._api.read(path, {"inputs": asked}, Associations)
            check_part(answer.errors)
            for one in answer.results:
                linked.setdefault(str(one.from_.id), []).extend(one.to)
                if one.paging is not None and one.paging.next is not None:
                    rest = {"id": str(one.from_.id), "after": one.paging.next.after}
                    if rest not in asked:  # a page that leads to itself is the last one
                        waiting.append(rest)
        return linked

    def _read(
        self, object_type: str, ids: Iterable[str], properties: Sequence[str], *, archived: bool = False
    ) -> dict[str, Record]:
        """Return id -> record for those that exist. The old id of a merged record leads to what it became."""
        records: dict[str, Record] = {}
        path = f"/crm/objects/{VERSION}/{object_type}/batch/read{'?archived=true' if archived else ''}"
        for chunk in _chunks(sorted(ids), READ_BATCH):
            body = {
                "inputs": [{"id": one} for one in chunk],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            answer = self._api.read(path, body, Records)
            check_part(answer.errors)
            for one in answer.results:
                records.update(dict.fromkeys([one.id, *one.merged_ids()], one))
        return records


# ------------------------------------------------------------------------------------------------------- small pieces


def is_won(deal: Record, scope: DealScope) -> bool:
    """Say whether a deal lies in a won stage of its pipeline."""
    return deal.properties.get("dealstage") in scope.won_stages.get(deal.properties.get("pipeline") or "", ())


def check_part(errors: Sequence[Failure]) -> None:
    """Accept "not found" (nothing associated, record deleted) in a partial answer, and nothing else."""
    for error in errors:
        if error.category != "OBJECT_NOT_FOUND":
            raise Retryable(f"HubSpot answered in part: {redact(error.message)}")


def _fates(deal: Record, scope: DealScope) -> Iterator[DealFate]:
    """Yield what a modified deal tells: that it is not won, and what became of those merged into it."""
    if not is_won(deal, scope):
        yield DealFate(id=deal.id, fate="not_won")
    for one in deal.merged_ids():
        yield _fate(one, deal, scope)


def _fate(deal_id: str, found: Record | None, scope: DealScope) -> DealFate:
    if found is None:
        return DealFate(id=deal_id, fate="deleted")
    became = "" if found.id == deal_id else found.id
    if not is_won(found, scope):
        return DealFate(id=deal_id, fate="not_won", became=became)
    return DealFate(id=deal_id, fate="merged" if became else "won", became=became)


def _is_counted(deal: Record, scope: DealScope) -> bool:
    """Say whether the filters of ``_in_won_stages`` find a deal."""
    return deal.properties.get("pipeline") in scope.won_stages and deal.properties.get("dealstage") in _stages(scope)


def _stages(scope: DealScope) -> set[str]:
    return {stage for stages in scope.won_stages.values() for stage in stages}


def _in_won_stages(scope: DealScope) -> list[dict[str, Any]]:
    return [
        {"propertyName": "pipeline", "operator": "IN", "values": sorted(scope.won_stages)},
        {"propertyName": "dealstage", "operator": "IN", "values": sorted(_stages(scope))},
    ]


def _filter(name: str, operator: str, value: int | str) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _key(one: Record) -> tuple[str, str]:
    """Return what tells a state of a record from its other states."""
    return one.id, one.modified()


def _present(ends: Iterable[To], records: Mapping[str, Record]) -> list[Record]:
    """Return the records at the ``ends`` of associations that exist, each once, the primary company first."""
    primary_first = sorted(ends, key=lambda to: all(kind.typeId != PRIMARY_COMPANY for kind in to.associationTypes))
    found = (records.get(str(to.toObjectId)) for to in primary_first)
    return list({one.id: one for one in found if one is not None}.values())


def _place(line: Record) -> tuple[bool, int, int]:
    """Return a line item's place: by its position on the quote, then by id; without a position last."""
    position = line.properties.get(POSITION) or ""
    return not position.isdigit(), int(position) if position.isdigit() else 0, int(line.id)


def _object(record: Record, properties: Iterable[str]) -> CrmObject:
    values = {name: record.properties.get(name) for name in properties}
    return CrmObject(id=record.id, properties=values, merged_ids=tuple(record.merged_ids()))
