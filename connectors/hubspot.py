"""HubSpot as the CRM.

The SDK (hubspot-api-client) knows only paths that HubSpot ends in 2027, so the dated paths are called through its
``api_request``; that has no timeout, keeps no connection open and prints failures to standard output, so sending is
ours. Facts about HubSpot used here: developers.hubspot.com/docs (CRM search, associations, usage guidelines).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from hubspot import HubSpot
from hubspot.utils.requests.http_request_builder import Request

from connectors.base import CrmDeal, CrmObject, CrmProperty, DealPage, DealScope, Ports, Probe, Settings
from connectors.errors import AuthExpired, ConnectorError, DailyLimit, OutcomeUnknown, Refused, Retryable
from connectors.http import Caller, Limit, Limiter, Session, redact, retry_after, status_error

VERSION = "2026-03"  # of every path
SEARCH_PAGE = 200  # results of one search
READ_BATCH = 100  # records of one batch read
ASSOCIATION_BATCH = 1000  # records whose associations one call reads
BLOCK = 1000  # deals completed together, so that the batches are full
OVERLAP = timedelta(minutes=5)  # the search finds a change only moments later

BURST = Limit(100, 10.0)  # free and starter accounts, and every OAuth app
SEARCH = Limit(5, 1.0)
JITTER = 0.03  # seconds by which our windows are longer: calls do not all take equally long to arrive
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0}  # seconds after a 429; it often has no Retry-After
LOCKED = 2.0  # seconds to wait after a 423

PRIMARY_COMPANY = 5  # HubSpot's association type "deal to primary company"
_LINE_ITEMS, _COMPANIES, _CONTACTS = "line_items", "companies", "contacts"
_ID, _MODIFIED, _POSITION, _MERGED = (
    "hs_object_id",
    "hs_lastmodifieddate",
    "hs_position_on_quote",
    "hs_merged_object_ids",
)
_WON = ("pipeline", "dealstage", _MODIFIED)

ObjectType = Literal["deals", "line_items", "companies", "contacts"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Answer = TypeVar("Answer")
T = TypeVar("T")


# ------------------------------------------------------------------------------------------------- answers, as typed


class _Record(msgspec.Struct):
    id: str
    properties: dict[str, str | None]

    def modified_at(self) -> datetime:
        """Return when the record (not a contact) was last modified."""
        return datetime.fromisoformat(str(self.properties[_MODIFIED]))


class _Failure(msgspec.Struct):
    category: str = ""
    message: str = ""


class _Records(msgspec.Struct):
    results: list[_Record]
    errors: list[_Failure] = []


class _Id(msgspec.Struct):
    id: str | int


class _Kind(msgspec.Struct):
    typeId: int


class _To(msgspec.Struct):
    toObjectId: str | int  # a number before the dated versions
    associationTypes: list[_Kind]


class _Next(msgspec.Struct):
    after: str


class _Paging(msgspec.Struct):
    next: _Next | None = None


class _Associated(msgspec.Struct):
    from_: _Id = msgspec.field(name="from")
    to: list[_To]
    paging: _Paging | None = None


class _Associations(msgspec.Struct):
    results: list[_Associated]
    errors: list[_Failure] = []


class _Account(msgspec.Struct):
    portalId: int
    uiDomain: str = "app.hubspot.com"


class _Option(msgspec.Struct):
    value: str


class _Property(msgspec.Struct):
    name: str
    label: str
    type: str
    options: list[_Option] = []
    archived: bool = False


class _Properties(msgspec.Struct):
    results: list[_Property]


class _Stage(msgspec.Struct):
    id: str
    label: str


class _Pipeline(msgspec.Struct):
    id: str
    stages: list[_Stage]


class _Pipelines(msgspec.Struct):
    results: list[_Pipeline]


class _Problem(msgspec.Struct):
    message: str = ""
    category: str = ""
    policyName: str = ""


# --------------------------------------------------------------------------------------------------------------- HTTP


class _Api:
    """Calls one HubSpot account: the SDK writes the request, ``Session`` sends it, answers come back typed."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._base_url = settings.base_url
        self._scale = settings.minute_seconds / 60
        self._session = Session()
        burst, search = (
            Limiter([Limit(limit.calls, limit.seconds * self._scale + JITTER)], ports.clock)
            for limit in (BURST, SEARCH)
        )
        self._reads = Caller([burst], ports.credentials, ports.clock)
        self._searches = Caller([search, burst], ports.credentials, ports.clock)

    def get(self, path: str, answer: type[Answer]) -> Answer:
        """Return the answer to a GET. Raises ``connectors.errors``."""
        return self._reads.read(lambda token: self._send(token, {"method": "GET", "path": path}, answer))

    def read(self, path: str, body: dict[str, Any], answer: type[Answer]) -> Answer:
        """Return the answer to a POST that only reads. Raises ``connectors.errors``."""
        caller = self._searches if path.endswith("/search") else self._reads
        options = {"method": "POST", "path": path, "body": body}
        return caller.read(lambda token: self._send(token, options, answer))

    def _send(self, token: str, options: dict[str, Any], answer: type[Answer]) -> Answer:
        try:
            response = _Client(self._session, token, self._base_url).api_request(options)
        except requests.RequestException as error:
            raise OutcomeUnknown(f"HubSpot did not answer: {redact(str(error))}") from error
        if response.status_code >= 300:
            raise self._error(response)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.MsgspecError as error:
            raise OutcomeUnknown(f"HubSpot's answer cannot be read: {error}") from error

    def _error(self, response: requests.Response) -> ConnectorError:
        """Return the typed error for any answer but success."""
        try:
            problem = msgspec.json.decode(response.content, type=_Problem)
        except msgspec.MsgspecError:
            problem = _Problem(message=response.text)
        status, path = response.status_code, urlsplit(response.url).path
        detail = f"{problem.message} {problem.category} at {path}"
        if problem.policyName == "DAILY" and (until := _an_hour_on(response)) is not None:
            return DailyLimit(f"HubSpot's calls of the day are used up: {redact(detail)}", until)
        if status in (423, 429, 477):  # 477: the account is being moved to another data centre
            default = LOCKED if status == 423 else WAITS.get(problem.policyName)
            wait = retry_after(response.headers, None if default is None else default * self._scale)
            return Retryable(f"HubSpot answered {status}: {redact(detail)}", wait)
        return status_error("HubSpot", status, detail, response.headers) or Refused(
            f"HubSpot answered {status}: {redact(detail)}"
        )


class _Client(HubSpot):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, with our session under its raw requests."""

    def __init__(self, session: Session, token: str, base_url: str) -> None:
        super().__init__(access_token=token, host=base_url, base_url=base_url)
        self._session = session

    def api_request(self, options: dict[str, Any]) -> requests.Response:
        """Send what the SDK's builder made of ``options``; raises ``requests`` errors and prints nothing."""
        made = Request(self.config, options)
        return self._session.request(made.get_method(), made.get_url(), **made.get_options_for_sending())


def _an_hour_on(response: requests.Response) -> datetime | None:
    """Return when to ask again after the daily limit: it ends at the portal's midnight, which no answer tells."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC) + timedelta(hours=1)
    except (KeyError, ValueError):
        return None


# --------------------------------------------------------------------------------------------------------------- role


class HubSpotCrm:
    """HubSpot in the role of ``connectors.base.Crm``."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._api = _Api(settings, ports)
        self._clock = ports.clock
        self._account: _Account | None = None

    def probe(self) -> Probe:
        """Make the cheapest authenticated call; the links of deals start from its answer."""
        self._account = self._api.get(f"/account-info/{VERSION}/details", _Account)
        return Probe(account_name=f"HubSpot account {self._account.portalId}")

    def properties(self, object_type: ObjectType) -> list[CrmProperty]:
        """Return the properties that exist, custom ones included."""
        answer = self._api.get(f"/crm/properties/{VERSION}/{object_type}", _Properties)
        return [
            CrmProperty(
                name=one.name, label=one.label, type=one.type, options=tuple(option.value for option in one.options)
            )
            for one in answer.results
            if not one.archived
        ]

    def stages(self) -> dict[str, dict[str, str]]:
        """Return pipeline id -> stage id -> label."""
        answer = self._api.get(f"/crm/pipelines/{VERSION}/deals", _Pipelines)
        return {pipeline.id: {stage.id: stage.label for stage in pipeline.stages} for pipeline in answer.results}

    # ---------------------------------------------------------------------------------------------------- won deals

    def won_deals(self, since: datetime | None, scope: DealScope) -> Iterator[DealPage]:
        """Yield pages of up to 200 won deals; see ``Crm.won_deals``.

        First come older deals of which only a line item was edited (that does not touch the deal's date); their pages
        leave the cursor where it is. Then come the deals modified since, oldest change first. The cursor lies before
        a page's latest modification by as long as the call has run: a line item edited meanwhile is found next time.
        Seconds do not count, as the overlap covers them: the same state gives the same cursor.
        A last page without deals moves the cursor past edits of line items. A removed line item shows only when
        HubSpot touches its deal.
        """
        begun = self._clock.monotonic()
        start = _EPOCH if since is None else since - OVERLAP

        def reached(moment: datetime) -> datetime:
            cursor = moment - timedelta(minutes=(self._clock.monotonic() - begun) // 60)
            return cursor if since is None else max(cursor, since)

        self._know_account()
        latest_line = latest_deal = start
        done: set[str] = set()
        for lines in _chunks(self._by_date(_LINE_ITEMS, [], start, [_MODIFIED]) if since is not None else (), BLOCK):
            latest_line = lines[-1].modified_at()
            for deals in _chunks(self._complete(self._edited(lines, start, done, scope), scope), SEARCH_PAGE):
                yield DealPage(deals=tuple(deals), cursor=since)
        for found in _chunks(self._modified(start, scope), BLOCK):
            for deals in _chunks(self._complete(found, scope), SEARCH_PAGE):
                latest_deal = deals[-1].modified_at
                yield DealPage(deals=tuple(deals), cursor=reached(latest_deal))
        if latest_line > latest_deal:
            yield DealPage(deals=(), cursor=reached(latest_line))

    def _know_account(self) -> None:
        """Read the account once, for the links; a deal without its link is still a deal."""
        if self._account is None:
            try:
                self.probe()
            except (AuthExpired, Refused):
                self._account = _Account(portalId=0)

    def _modified(self, start: datetime, scope: DealScope) -> Iterator[_Record]:
        """Yield the won deals modified since ``start``, oldest change first."""
        stages = sorted({stage for stages in scope.won_stages.values() for stage in stages})
        won = [
            {"propertyName": "pipeline", "operator": "IN", "values": sorted(scope.won_stages)},
            {"propertyName": "dealstage", "operator": "IN", "values": stages},
        ]
        if stages:
            found = self._by_date("deals", won, start, [*scope.deal_properties, *_WON])
            yield from (deal for deal in found if _is_won(deal, scope))

    def _edited(self, lines: list[_Record], start: datetime, done: set[str], scope: DealScope) -> list[_Record]:
        """Return the won deals of ``lines`` not modified since ``start`` themselves, and not yet ``done``."""
        linked = self._linked(_LINE_ITEMS, [line.id for line in lines], "deals")
        wanted = {str(to.toObjectId) for ends in linked.values() for to in ends} - done
        done |= wanted
        read = self._read("deals", wanted, [*scope.deal_properties, *_WON])
        deals = {deal.id: deal for deal in read.values() if _is_won(deal, scope) and deal.modified_at() < start}
        return sorted(deals.values(), key=_Record.modified_at)

    def _by_date(
        self, object_type: str, filters: list[dict[str, Any]], start: datetime, properties: Sequence[str]
    ) -> Iterator[_Record]:
        """Yield what ``filters`` find of the records modified since ``start``, oldest change first.

        One query ends at 10,000 results, and a record modified meanwhile shifts the pages of a query. So no query is
        paged: each one begins at the last moment of the one before. When a whole page lies in one moment (an import),
        that moment is read in order of ids.
        """
        begin = _milliseconds(start)
        seen: set[tuple[str, str | None]] = set()  # of the moment ``begin``
        while True:
            page = self._search(object_type, [*filters, _filter(_MODIFIED, "GTE", begin)], _MODIFIED, properties)
            yield from (one for one in page if _key(one) not in seen)
            if len(page) < SEARCH_PAGE:
                return
            begin = _milliseconds(page[-1].modified_at())
            last = {_key(one) for one in page if one.modified_at() == page[-1].modified_at()}
            if len(last) < len(page):
                seen = last
                continue
            moment = [*filters, {**_filter(_MODIFIED, "BETWEEN", begin), "highValue": str(begin)}]
            yield from (one for one in self._by_id(object_type, moment, properties) if _key(one) not in seen | last)
            begin, seen = begin + 1, set()

    def _by_id(self, object_type: str, filters: list[dict[str, Any]], properties: Sequence[str]) -> Iterator[_Record]:
        """Yield everything that ``filters`` find in order of ids."""
        after = "0"
        while True:
            page = self._search(object_type, [*filters, _filter(_ID, "GT", after)], _ID, properties)
            yield from page
            if len(page) < SEARCH_PAGE:
                return
            after = page[-1].id

    def _search(
        self, object_type: str, filters: list[dict[str, Any]], sort: str, properties: Sequence[str]
    ) -> list[_Record]:
        """Return the first page of a search. Long lists of properties are no trouble in its body."""
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": SEARCH_PAGE,
            "after": "0",
        }
        return self._api.read(f"/crm/objects/{VERSION}/{object_type}/search", body, _Records).results

    # ------------------------------------------------------------------------------------------- what belongs to deals

    def _complete(self, found: Sequence[_Record], scope: DealScope) -> list[CrmDeal]:
        """Return the deals with their line items, companies and contacts, each read once."""
        wanted = {
            _LINE_ITEMS: (scope.line_item_properties, [_POSITION]),
            _COMPANIES: (scope.company_properties, [_MERGED]),
            _CONTACTS: (scope.contact_properties, [_MERGED]),
        }
        belongings: dict[str, dict[str, list[_Record]]] = {}
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
        deal: _Record,
        scope: DealScope,
        belongings: Mapping[str, Mapping[str, list[_Record]]],
        objects: Mapping[str, Mapping[str, CrmObject]],
    ) -> CrmDeal:
        def of(object_type: str, records: Iterable[_Record]) -> tuple[CrmObject, ...]:
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

    def _url(self, deal_id: str) -> str:
        """Return the address of the deal's page for people, empty while the account is unknown."""
        if self._account is None or not self._account.portalId:
            return ""
        return f"https://{self._account.uiDomain}/contacts/{self._account.portalId}/record/0-3/{deal_id}"

    def _linked(self, from_type: str, ids: Sequence[str], to_type: str) -> dict[str, list[_To]]:
        """Return id -> its associations, all pages of them. A record without any is left out."""
        linked: dict[str, list[_To]] = {}
        waiting: list[dict[str, str]] = [{"id": one} for one in ids]
        while waiting:
            path = f"/crm/associations/{VERSION}/{from_type}/{to_type}/batch/read"
            answer = self._api.read(path, {"inputs": waiting[:ASSOCIATION_BATCH]}, _Associations)
            _check_part(answer.errors)
            del waiting[:ASSOCIATION_BATCH]
            for one in answer.results:
                linked.setdefault(str(one.from_.id), []).extend(one.to)
                if one.paging is not None and one.paging.next is not None:
                    waiting.append({"id": str(one.from_.id), "after": one.paging.next.after})
        return linked

    def _read(self, object_type: str, ids: Iterable[str], properties: Sequence[str]) -> dict[str, _Record]:
        """Return id -> record for those that exist. The old id of a merged record leads to what it became."""
        records: dict[str, _Record] = {}
        for chunk in _chunks(sorted(ids), READ_BATCH):
            body = {
                "inputs": [{"id": one} for one in chunk],
                "properties": list(properties),
                "propertiesWithHistory": [],
            }
            answer = self._api.read(f"/crm/objects/{VERSION}/{object_type}/batch/read", body, _Records)
            _check_part(answer.errors)
            for one in answer.results:
                merged = (one.properties.get(_MERGED) or "").split(";")
                records.update(dict.fromkeys([one.id, *filter(None, merged)], one))
        return records


def connect(settings: Settings, ports: Ports) -> HubSpotCrm:
    """Return the connector of one HubSpot account."""
    return HubSpotCrm(settings, ports)


# ------------------------------------------------------------------------------------------------------- small pieces


def _filter(name: str, operator: str, value: int | str) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, "value": str(value)}


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _key(one: _Record) -> tuple[str, str | None]:
    """Return what tells a state of a record from its other states."""
    return one.id, one.properties[_MODIFIED]


def _is_won(deal: _Record, scope: DealScope) -> bool:
    return deal.properties.get("dealstage") in scope.won_stages.get(deal.properties.get("pipeline") or "", ())


def _check_part(errors: Sequence[_Failure]) -> None:
    """Accept "not found" (nothing associated, record deleted) in a partial answer, and nothing else."""
    for error in errors:
        if error.category != "OBJECT_NOT_FOUND":
            raise Retryable(f"HubSpot answered in part: {redact(error.message)}")


def _present(ends: Iterable[_To], records: Mapping[str, _Record]) -> list[_Record]:
    """Return the records at the ``ends`` of associations that exist, each once, the primary company first."""
    primary_first = sorted(ends, key=lambda to: all(kind.typeId != PRIMARY_COMPANY for kind in to.associationTypes))
    found = (records.get(str(to.toObjectId)) for to in primary_first)
    return list({one.id: one for one in found if one is not None}.values())


def _place(line: _Record) -> tuple[bool, int, int]:
    """Return a line item's place: by its position on the quote, then by id; without a position last."""
    position = line.properties.get(_POSITION) or ""
    return not position.isdigit(), int(position) if position.isdigit() else 0, int(line.id)


def _object(record: _Record, properties: Iterable[str]) -> CrmObject:
    return CrmObject(id=record.id, properties={name: record.properties.get(name) for name in properties})
