"""The stand-in's records: reading, writing, searching, associating."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatch
from functools import lru_cache
from itertools import count
from typing import Any

from sandbox.core import Clock
from sandbox.hubspot.schema import (
    ASSOCIATION_TYPES,
    MERGED,
    MODIFIED,
    PORTAL,
    PRIMARY_TYPES,
    PROPERTIES,
    SINGULAR,
    TYPE_IDS,
    Property,
    is_won,
)
from sandbox.world import CrmRecord, World, stamp

MOST_GROUPS, MOST_FILTERS_IN_GROUP, MOST_FILTERS = 5, 6, 18
Test = Callable[[Any], bool]


class Problem(Exception):
    """A request that HubSpot refuses: status, category and message of its answer."""

    def __init__(self, status: int, message: str, category: str = "VALIDATION_ERROR", **extra: Any) -> None:
        super().__init__(message)
        self.status, self.category, self.extra = status, category, extra


@dataclass
class Record:
    """An object of the CRM. ``indexed_at`` is when its latest write happened, for the lag of the search."""

    id: str
    properties: dict[str, str | None]
    indexed_at: datetime
    archived: bool = False
    won_on: date | None = None


@lru_cache(maxsize=1 << 17)
def milliseconds(text: str) -> int:
    """Return a date, a moment or a number of milliseconds as milliseconds since 1970."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _comparable(kind: str) -> Callable[[str], Any]:
    if kind in ("date", "datetime"):
        return milliseconds
    return Decimal if kind == "number" else str


class Records:
    """Everything in the CRM, by type and id, with the associations in both directions."""

    def __init__(self, clock: Clock, world: World) -> None:
        self.clock = clock
        self.by_type: dict[str, dict[str, Record]] = {name: {} for name in TYPE_IDS.values()}
        self.links: dict[tuple[str, str], dict[str, dict[str, set[int]]]] = {pair: {} for pair in ASSOCIATION_TYPES}
        self.aliases: dict[str, dict[str, str]] = {name: {} for name in TYPE_IDS.values()}  # merged id -> its successor
        self.events: list[dict[str, Any]] = []  # what webhooks tell of, oldest first
        self._ids = count(990_000_000_001)
        buyers = [CrmRecord(id=buyer.id, properties=buyer.properties) for buyer in world.buyers]
        seeded = {"companies": buyers, "contacts": world.contacts, "line_items": world.line_items, "deals": world.deals}
        for object_type, records in seeded.items():
            for one in records:
                self._seed(object_type, one)

    def _seed(self, object_type: str, one: CrmRecord) -> None:
        modified = datetime.fromisoformat(str(one.properties[MODIFIED[object_type]]))
        self.by_type[object_type][one.id] = Record(one.id, dict(one.properties), modified, won_on=one.won_on)
        for to_type, ids in one.associations.items():
            for place, to_id in enumerate(ids):
                self.link(object_type, one.id, to_type, to_id, primary=to_type == "companies" and place == 0)

    # -------------------------------------------------------------------------------------------------------- reading

    def get(self, object_type: str, object_id: str, id_property: str = "") -> Record | None:
        """Return a record by id (following merges) or by a unique property; archived ones too."""
        records = self.by_type[object_type]
        if id_property and id_property != "hs_object_id":
            wanted = object_id.lower()
            return next(
                (one for one in records.values() if (one.properties.get(id_property) or "").lower() == wanted), None
            )
        while object_id in self.aliases[object_type]:
            object_id = self.aliases[object_type][object_id]
        return records.get(object_id)

    def linked(self, from_type: str, from_id: str, to_type: str) -> dict[str, set[int]]:
        """Return the ids of the records associated with one, each with the ids of its association types."""
        return self.links.get((from_type, to_type), {}).get(from_id, {})

    def search(self, object_type: str, body: dict[str, Any], lag: float) -> list[Record]:
        """Return every record that ``body``'s filter groups let through, in its order. Raises ``Problem``."""
        tests = _groups(object_type, body.get("filterGroups") or [])
        query = str(body.get("query") or "").lower()
        latest = self.clock.now()
        found = [
            one
            for one in self.by_type[object_type].values()
            if not one.archived
            and (not lag or (latest - one.indexed_at).total_seconds() >= lag)
            and (not tests or any(all(test(one) for test in group) for group in tests))
            and (not query or any(query in (value or "").lower() for value in one.properties.values()))
        ]
        return _sorted(object_type, found, body.get("sorts") or [])

    # -------------------------------------------------------------------------------------------------------- writing

    def create(self, object_type: str, properties: dict[str, Any]) -> Record:
        """Make a record; its properties must have passed ``check``."""
        moment = self.clock.tick()
        record = Record(str(next(self._ids)), {}, moment)
        record.properties = {"hs_object_id": record.id, "createdate": stamp(moment)}
        self.by_type[object_type][record.id] = record
        self._put(object_type, record, properties, moment)
        self._tell(object_type, "creation", record, changeFlag="CREATED")
        return record

    def update(self, object_type: str, record: Record, properties: dict[str, Any]) -> Record:
        """Change a record and its modification date; its properties must have passed ``check``."""
        before = dict(record.properties)
        self._put(object_type, record, properties, self.clock.tick())
        for name, value in record.properties.items():
            if name != MODIFIED[object_type] and value != before.get(name):
                self._tell(object_type, "propertyChange", record, propertyName=name, propertyValue=value or "")
        return record

    def _tell(self, object_type: str, what: str, record: Record, **more: Any) -> None:
        """Note an event as webhooks carry it; its number is not unique, as HubSpot's is not."""
        occurred_at = milliseconds(record.indexed_at.isoformat())
        self.events.append(
            {
                "eventId": 100 + len(self.events) % 50,
                "subscriptionId": 700_000 + len(what),
                "portalId": PORTAL,
                "appId": 1_160_452,
                "occurredAt": occurred_at,
                "subscriptionType": f"{SINGULAR[object_type]}.{what}",
                "attemptNumber": 0,
                "objectId": int(record.id),
                "changeSource": "INTEGRATION",
                **more,
            }
        )

    def _put(self, object_type: str, record: Record, properties: dict[str, Any], moment: datetime) -> None:
        record.properties.update({name: None if value is None else str(value) for name, value in properties.items()})
        record.properties[MODIFIED[object_type]] = stamp(moment)
        record.indexed_at = moment
        if object_type == "deals":
            record.properties["hs_is_closed_won"] = str(is_won(record.properties.get("dealstage"))).lower()

    def link(self, from_type: str, from_id: str, to_type: str, to_id: str, *, primary: bool = False) -> None:
        """Associate two records, in both directions."""
        for one, other, one_id, other_id in (
            (from_type, to_type, from_id, to_id),
            (to_type, from_type, to_id, from_id),
        ):
            kinds = ASSOCIATION_TYPES.get((one, other))
            if kinds is None:
                raise Problem(400, f"{one} cannot be associated with {other} here")
            ids = self.links[one, other].setdefault(one_id, {}).setdefault(other_id, set())
            ids.update(kinds if primary else kinds[-1:])
            self._count_deals(one, one_id)

    def _count_deals(self, object_type: str, object_id: str) -> None:
        """Keep HubSpot's own count of a company's or contact's deals; its modification date stays."""
        record = self.by_type[object_type].get(object_id)
        if record is not None and object_type in ("companies", "contacts"):
            record.properties["num_associated_deals"] = str(len(self.linked(object_type, object_id, "deals")))

    def archive(self, object_type: str, record: Record) -> None:
        """Move a record to the recycle bin. Its associations go; the other side's modification date stays."""
        record.archived = True
        record.indexed_at = self.clock.tick()
        self._take_links(object_type, record.id)
        self._tell(object_type, "deletion", record, changeFlag="DELETED")

    def merge(self, object_type: str, first: str, second: str) -> Record:
        """Merge two records into a new one, as HubSpot does: asking for an old id answers with the new one.

        The new record has the first one's properties, and what was associated with either.
        """
        old = [self.by_type[object_type][one] for one in (first, second)]
        links = [self._take_links(object_type, one.id) for one in old]
        for one in old:
            del self.by_type[object_type][one.id]
        own = {"hs_object_id", "createdate", MODIFIED[object_type], MERGED}
        kept = {name: value for name, value in old[0].properties.items() if name not in own}
        record = self.create(object_type, kept)
        before = [part for one in old for part in (one.properties.get(MERGED), one.id) if part]
        record.properties[MERGED] = ";".join(before)
        self.aliases[object_type].update({one.id: record.id for one in old})
        for primary, taken in zip((True, False), links, strict=True):
            for to_type, to_id, kinds in taken:
                self.link(object_type, record.id, to_type, to_id, primary=primary and is_primary(kinds))
        return record

    def _take_links(self, object_type: str, object_id: str) -> list[tuple[str, str, set[int]]]:
        """Remove a record's associations; return them as (other type, other id, kinds)."""
        taken = []
        for (from_type, to_type), links in self.links.items():
            if from_type == object_type:
                for to_id, kinds in links.pop(object_id, {}).items():
                    taken.append((to_type, to_id, kinds))
                    self.links[to_type, object_type].get(to_id, {}).pop(object_id, None)
                    self._count_deals(to_type, to_id)
        return taken


def check(object_type: str, properties: dict[str, Any]) -> None:
    """Refuse what HubSpot refuses in a write: unknown or read-only properties, wrong options, wrong numbers."""
    faults = [fault for name, value in properties.items() if (fault := _fault(object_type, name, value))]
    if faults:
        listed = "; ".join(f'Property "{name}": {code}' for name, code in faults)
        errors = [
            {"message": f"{name} is not valid", "code": code, "context": {"name": [name]}} for name, code in faults
        ]
        raise Problem(400, f"Property values were not valid: {listed}", errors=errors)


def _fault(object_type: str, name: str, value: Any) -> tuple[str, str] | None:
    known = PROPERTIES[object_type].get(name)
    if known is None:
        return name, "PROPERTY_DOESNT_EXIST"
    if known.read_only:
        return name, "READ_ONLY_VALUE"
    if value in (None, ""):
        return None
    if known.options is not None and str(value) not in known.options:
        return name, "INVALID_OPTION"
    return None if _fits(known, str(value)) else (name, f"INVALID_{known.type.upper()}")


def _fits(known: Property, value: str) -> bool:
    try:
        _comparable(known.type)(value)
    except (ValueError, InvalidOperation):
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- search


def _known(object_type: str, name: str) -> Property:
    known = PROPERTIES[object_type].get(name)
    if known is None:
        raise Problem(400, f"There was a problem with the request: unknown property {name!r}")
    return known


def _groups(object_type: str, groups: Sequence[dict[str, Any]]) -> list[list[Test]]:
    sizes = [len(group.get("filters") or []) for group in groups]
    if len(groups) > MOST_GROUPS or max(sizes, default=0) > MOST_FILTERS_IN_GROUP or sum(sizes) > MOST_FILTERS:
        raise Problem(
            400, f"at most {MOST_GROUPS} groups of {MOST_FILTERS_IN_GROUP} filters, {MOST_FILTERS} filters in all"
        )
    return [[_test(object_type, one) for one in group.get("filters") or []] for group in groups]


def _test(object_type: str, one: dict[str, Any]) -> Test:
    name, operator = str(one.get("propertyName")), str(one.get("operator"))
    as_value = _comparable(_known(object_type, name).type)
    try:
        low = as_value(str(one["value"])) if "value" in one else None
        high = as_value(str(one["highValue"])) if "highValue" in one else None
        members = {as_value(str(value)) for value in one.get("values") or ()}
    except (ValueError, InvalidOperation) as error:
        raise Problem(400, f"the filter of {name!r} has a value that does not fit its type") from error
    tests: dict[str, Test] = {
        "EQ": lambda value: bool(value == low),
        "GT": lambda value: bool(value > low),
        "GTE": lambda value: bool(value >= low),
        "LT": lambda value: bool(value < low),
        "LTE": lambda value: bool(value <= low),
        "BETWEEN": lambda value: bool(low <= value <= high),
        "IN": lambda value: value in members,
        "HAS_PROPERTY": lambda value: True,
        "CONTAINS_TOKEN": lambda value: _has_token(str(value), str(low)),
    }
    negative = {"NEQ": "EQ", "NOT_IN": "IN", "NOT_HAS_PROPERTY": "HAS_PROPERTY", "NOT_CONTAINS_TOKEN": "CONTAINS_TOKEN"}
    positive = negative.get(operator, operator)
    if positive not in tests:
        raise Problem(400, f"unknown operator {operator!r}")
    needs = {"BETWEEN": high is not None and low is not None, "IN": bool(members), "HAS_PROPERTY": True}
    if not needs.get(positive, low is not None):
        raise Problem(400, f"operator {operator} of {name!r} lacks its value")
    holds = tests[positive]

    def test(record: Record) -> bool:
        value = record.properties.get(name)
        held = value not in (None, "") and holds(as_value(str(value)))
        return held if operator == positive else not held

    return test


def _has_token(text: str, wanted: str) -> bool:
    tokens = re.split(r"[^\w*]+", text.lower())
    return all(any(fnmatch(token, part) for token in tokens) for part in re.split(r"[^\w*]+", wanted.lower()) if part)


def _sorted(object_type: str, found: list[Record], sorts: Iterable[Any]) -> list[Record]:
    """Return ``found`` in the order asked for. Equals come in an order of no meaning, as from the real index."""
    wanted = list(sorts)
    if len(wanted) > 1:
        raise Problem(400, "only one sort is supported")
    rule = wanted[0] if wanted else "createdate"
    if isinstance(rule, str):
        rule = {"propertyName": rule.removeprefix("-"), "direction": "DESCENDING" if rule[:1] == "-" else "ASCENDING"}
    name = str(rule.get("propertyName"))
    as_value = _comparable(_known(object_type, name).type)
    found.sort(key=lambda one: one.id[::-1])
    present = [one for one in found if one.properties.get(name) not in (None, "")]
    present.sort(key=lambda one: as_value(str(one.properties[name])), reverse=rule.get("direction") == "DESCENDING")
    return present + [one for one in found if one.properties.get(name) in (None, "")]


def is_primary(kinds: Iterable[int]) -> bool:
    """Say whether association types make a company the primary one."""
    return not PRIMARY_TYPES.isdisjoint(kinds)
