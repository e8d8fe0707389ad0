"""The stand-in's HTTP side: routes, forms of answers, limits, tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from itertools import count
from typing import Any
from uuid import UUID

from flask import Response, request

from sandbox.consent import Consents, client_id
from sandbox.core import Clock, RateLimit, Vendor, json_response
from sandbox.hubspot.records import Problem, Record, Records, check, is_primary
from sandbox.hubspot.schema import (
    ASSOCIATION_TYPES,
    MODIFIED,
    PIPELINES,
    PORTAL,
    PROPERTIES,
    SINGULAR,
    TYPE_IDS,
    UNIQUE,
    VERSIONS,
    pipeline_json,
    property_json,
)
from sandbox.world import World, stamp

TOKEN_PREFIX = "pat-sandbox"  # any bearer token that starts so is accepted
BATCH, ASSOCIATION_BATCH = 100, 1000
LONGEST_ADDRESS = 15_000  # characters; a list of properties in the address must stay below
_DEFAULTS = {
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "line_items": ("name", "quantity", "price"),
    "companies": ("name", "domain"),
    "contacts": ("email", "firstname", "lastname"),
}


class HubSpot(Vendor):
    """HubSpot's CRM as connectors see it.

    ``search_lag`` is how many seconds after a write the search finds a record. The real search lags by moments; here
    it is 0 because the stand-ins' time stands still. ``search_cap`` is how far one query can be paged, and
    ``association_page`` how many associations of one record an answer holds.
    """

    name = "hubspot"
    limits = (
        RateLimit("TEN_SECONDLY_ROLLING", 190, 10.0),
        RateLimit("SECONDLY", 5, 1.0, path="/search"),
    )

    def __init__(self, clock: Clock, world: World, minute: float = 60.0) -> None:
        super().__init__(clock, minute)
        self.world = world
        self._add_routes()

    def reset(self) -> None:
        """Go back to the seeded state; the sandbox does so before the first request."""
        self.records = Records(self.clock, self.world)
        self.search_lag = 0.0
        self.search_cap = 10_000
        self.association_page = 500
        self._answers = count(1)
        self._consents = Consents()
        self._windows.clear()

    def happened(self) -> dict[str, Sequence[dict[str, Any]]]:
        """Return what an app subscribed to creation, deletion and change of everything is told of."""
        return {"": self.records.events}

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type, with the ids of what it is associated with."""
        return {
            object_type: [
                {
                    "id": one.id,
                    "properties": dict(one.properties),
                    "archived": one.archived,
                    "associations": {
                        to_type: list(self.records.linked(object_type, one.id, to_type))
                        for from_type, to_type in ASSOCIATION_TYPES
                        if from_type == object_type
                    },
                }
                for one in self.records.by_type[object_type].values()
            ]
            for object_type in ("deals", "line_items", "companies", "contacts")
        }

    def advance(self, day: date) -> None:
        """Win the deals of ``day``."""
        for deal in self.records.by_type["deals"].values():
            if deal.won_on == day and deal.properties["dealstage"] == "contractsent" and not deal.archived:
                closed = stamp(datetime.combine(day, time(9), self.clock.now().tzinfo))
                self.records.update("deals", deal, {"dealstage": "closedwon", "closedate": closed})

    # --------------------------------------------------------------------------------------------------------- refusals

    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return HubSpot's 429: it names the policy and has no Retry-After."""
        extra = {"errorType": "RATE_LIMIT", "policyName": limit.name}
        return self._error(429, f"You have reached your {limit.name.lower()} limit.", "RATE_LIMITS", extra)

    def unauthorized(self) -> Response:
        """Return HubSpot's 401."""
        return self._error(401, "Authentication credentials not found or expired.", "INVALID_AUTHENTICATION", {})

    def _error(self, status: int, message: str, category: str, extra: dict[str, Any]) -> Response:
        body = {"status": "error", "message": message, "correlationId": self._correlation(), "category": category}
        return json_response({**body, **extra}, status)

    def _correlation(self) -> str:
        return str(UUID(int=next(self._answers)))

    # ----------------------------------------------------------------------------------------------------------- routes

    def _add_routes(self) -> None:
        objects = "/crm/objects/<version>/<object_type>"
        for method, rule, handler in (
            ("GET", objects, self._list),
            ("POST", objects, self._create_one),
            ("GET", f"{objects}/<object_id>", self._get_one),
            ("PATCH", f"{objects}/<object_id>", self._update_one),
            ("DELETE", f"{objects}/<object_id>", self._archive_one),
            ("POST", f"{objects}/search", self._search),
            ("POST", f"{objects}/merge", self._merge),
            ("POST", f"{objects}/batch/read", self._batch_read),
            ("POST", f"{objects}/batch/create", self._batch_create),
            ("POST", f"{objects}/batch/update", self._batch_update),
            ("POST", f"{objects}/batch/upsert", self._batch_upsert),
            ("POST", f"{objects}/batch/archive", self._batch_archive),
            ("GET", f"{objects}/<object_id>/associations/<to_type>", self._associations_of),
            ("POST", "/crm/associations/<version>/<object_type>/<to_type>/batch/read", self._associations),
            ("GET", "/crm/properties/<version>/<object_type>", self._properties),
            ("GET", "/crm/pipelines/<version>/<object_type>", self._pipelines),
            ("GET", "/account-info/<version>/details", self._account),
        ):
            self._route(method, rule, handler)
        self._route("POST", "/oauth/<version>/token", self._token, public=True)
        self.routes.add_url_rule("/oauth/authorize", "authorize", lambda: self._consents.agree())

    def _route(self, method: str, rule: str, handler: Callable[..., Response], *, public: bool = False) -> None:
        def view(version: str, **parts: str) -> Response:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not public and not token.startswith(TOKEN_PREFIX):
                return self.unauthorized()
            try:
                if len(request.full_path) > LONGEST_ADDRESS:
                    raise Problem(414, "URI Too Long")
                if version not in VERSIONS:
                    raise Problem(404, f"unknown version {version!r}", "OBJECT_NOT_FOUND")
                for part in ("object_type", "to_type"):
                    if part in parts:
                        parts[part] = _object_type(parts[part])
                return handler(**parts)
            except Problem as problem:
                return self._error(problem.status, str(problem), problem.category, problem.extra)

        self.routes.add_url_rule(rule, f"{method} {rule}", view, methods=[method])

    # ---------------------------------------------------------------------------------------------------------- objects

    def _json(self, object_type: str, record: Record, wanted: list[str] | None) -> dict[str, Any]:
        """Return a record with the properties asked for (null where empty) beside those HubSpot always gives."""
        names = dict.fromkeys(
            [*(wanted or _DEFAULTS[object_type]), "createdate", MODIFIED[object_type], "hs_object_id"]
        )
        known = PROPERTIES[object_type]
        return {
            "id": record.id,
            "properties": {name: record.properties.get(name) for name in names if name in known},
            "createdAt": record.properties["createdate"],
            "updatedAt": record.properties[MODIFIED[object_type]],
            "archived": record.archived,
        }

    def _one(self, object_type: str, object_id: str, id_property: str = "") -> Record:
        if id_property and id_property not in ("hs_object_id", *UNIQUE[object_type]):
            raise Problem(400, f"{id_property!r} is not a unique property of {object_type}")
        record = self.records.get(object_type, object_id, id_property)
        if record is None or record.archived:
            raise Problem(404, f"No {SINGULAR[object_type]} found with id {object_id}", "OBJECT_NOT_FOUND")
        return record

    def _list(self, object_type: str) -> Response:
        limit = _limit(request.args.get("limit", "10"), 100)
        archived = request.args.get("archived") == "true"
        after = int(request.args.get("after", "0") or 0)
        records = sorted(
            (one for one in self.records.by_type[object_type].values() if one.archived == archived),
            key=lambda one: int(one.id),
        )
        page = [one for one in records if int(one.id) > after][: limit + 1]
        body: dict[str, Any] = {"results": [self._with_associations(object_type, one) for one in page[:limit]]}
        if len(page) > limit:
            body["paging"] = {"next": {"after": page[limit - 1].id}}
        return json_response(body)

    def _with_associations(self, object_type: str, record: Record) -> dict[str, Any]:
        body = self._json(object_type, record, _listed("properties"))
        for name in _listed("associations") or []:
            to_type = _object_type(name)
            results = [
                {"id": to_id, "type": f"{SINGULAR[object_type]}_to_{SINGULAR[to_type]}{'' if place else suffix}"}
                for to_id, kinds in self.records.linked(object_type, record.id, to_type).items()
                for place, suffix in enumerate(("_unlabeled", "") if is_primary(kinds) else ("",))
            ]
            if results:  # the key of line items has a space there
                key = to_type.replace("_", " ")
                body.setdefault("associations", {})[key] = {"results": results}
        return body

    def _get_one(self, object_type: str, object_id: str) -> Response:
        record = self._one(object_type, object_id, request.args.get("idProperty", ""))
        return json_response(self._with_associations(object_type, record))

    def _search(self, object_type: str) -> Response:
        body = _body()
        limit, after = _limit(body.get("limit", 10), 200), int(body.get("after") or 0)
        if after + limit > self.search_cap:
            raise Problem(400, f"one query cannot be paged beyond {self.search_cap} results")
        found = self.records.search(object_type, body, self.search_lag)
        page = found[after : after + limit]
        wanted = [str(name) for name in body.get("properties") or []]
        answer: dict[str, Any] = {
            "total": len(found),
            "results": [self._json(object_type, one, wanted) for one in page],
        }
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return json_response(answer)

    def _create_one(self, object_type: str) -> Response:
        return json_response(self._created(object_type, [_body()])[0], 201)

    def _update_one(self, object_type: str, object_id: str) -> Response:
        properties = _body().get("properties") or {}
        record = self._one(object_type, object_id, request.args.get("idProperty", ""))
        check(object_type, properties)
        return json_response(
            self._json(object_type, self.records.update(object_type, record, properties), [*properties])
        )

    def _archive_one(self, object_type: str, object_id: str) -> Response:
        self.records.archive(object_type, self._one(object_type, object_id))
        return Response(status=204)

    def _merge(self, object_type: str) -> Response:
        body = _body()
        first, second = (self._one(object_type, str(body.get(name))) for name in ("primaryObjectId", "objectIdToMerge"))
        if first is second:
            raise Problem(400, "a record cannot be merged into itself")
        merged = self.records.merge(object_type, first.id, second.id)
        return json_response(self._json(object_type, merged, None))

    # ---------------------------------------------------------------------------------------------------------- batches

    def _batch_read(self, object_type: str) -> Response:
        body, id_property = _body(), _body().get("idProperty", "")
        wanted = [str(name) for name in body.get("properties") or []]
        archived = request.args.get("archived") == "true"
        found: dict[str, Record] = {}
        missing = []
        for one in _inputs(body, BATCH):
            record = self.records.get(object_type, str(one.get("id")), id_property)
            if record is not None and record.archived == archived:
                found[record.id] = record
            else:
                missing.append(str(one.get("id")))
        results = [self._json(object_type, record, wanted) for record in found.values()]
        message = f"Could not get some {object_type.upper()} objects, they may be deleted or not exist."
        return self._batch(results, [_not_found(message, {"ids": missing})] if missing else [])

    def _batch_create(self, object_type: str) -> Response:
        return self._batch(self._created(object_type, _inputs(_body(), BATCH)), status=201)

    def _created(self, object_type: str, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for one in inputs:
            check(object_type, one.get("properties") or {})
        results = []
        for one in inputs:
            properties = one.get("properties") or {}
            record = self.records.create(object_type, properties)
            for association in one.get("associations") or []:
                self._associate(object_type, record.id, association)
            results.append(self._json(object_type, record, [*properties]))
        return results

    def _associate(self, object_type: str, object_id: str, association: dict[str, Any]) -> None:
        for kind in association.get("types") or []:
            type_id = kind.get("associationTypeId")
            pairs = (pair for pair, ids in ASSOCIATION_TYPES.items() if pair[0] == object_type and type_id in ids)
            pair = next(pairs, None)
            if pair is None:
                raise Problem(400, f"{object_type} have no association of type {type_id}")
            self.records.link(
                *pair[:1], object_id, pair[1], str(association["to"]["id"]), primary=is_primary([type_id])
            )

    def _batch_update(self, object_type: str) -> Response:
        inputs = _inputs(_body(), BATCH)
        records = [self._one(object_type, str(one.get("id")), one.get("idProperty", "")) for one in inputs]
        for one in inputs:
            check(object_type, one.get("properties") or {})
        return self._batch(
            [
                self._json(
                    object_type, self.records.update(object_type, record, one["properties"]), [*one["properties"]]
                )
                for record, one in zip(records, inputs, strict=True)
            ]
        )

    def _batch_upsert(self, object_type: str) -> Response:
        inputs = _inputs(_body(), BATCH)
        for one in inputs:
            if one.get("idProperty", "hs_object_id") not in ("hs_object_id", *UNIQUE[object_type]):
                raise Problem(400, f"{one['idProperty']!r} is not a unique property of {object_type}")
            check(object_type, one.get("properties") or {})
        results = []
        for one in inputs:
            properties, key = one.get("properties") or {}, one.get("idProperty", "hs_object_id")
            record = self.records.get(object_type, str(one.get("id")), key)
            new = record is None
            if record is None:
                if key == "hs_object_id":
                    raise Problem(404, f"No {SINGULAR[object_type]} found with id {one.get('id')}", "OBJECT_NOT_FOUND")
                record = self.records.create(object_type, {key: one["id"], **properties})
            else:
                self.records.update(object_type, record, properties)
            results.append({**self._json(object_type, record, [*properties]), "new": new})
        return self._batch(results)

    def _batch_archive(self, object_type: str) -> Response:
        for one in _inputs(_body(), BATCH):
            record = self.records.get(object_type, str(one.get("id")))
            if record is not None and not record.archived:
                self.records.archive(object_type, record)
        return Response(status=204)

    def _batch(self, results: list[Any], errors: list[dict[str, Any]] | None = None, status: int = 200) -> Response:
        now = stamp(self.clock.now())
        body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if not errors:
            return json_response(body, status)
        return json_response({**body, "numErrors": len(errors), "errors": errors}, 207)

    # ----------------------------------------------------------------------------------------------------- associations

    def _associations(self, object_type: str, to_type: str) -> Response:
        results, errors = [], []
        for one in _inputs(_body(), ASSOCIATION_BATCH):
            from_id = str(one.get("id"))
            linked = self._linked(object_type, from_id, to_type, str(one.get("after") or ""))
            if linked["to"]:
                results.append({"from": {"id": from_id}, **linked})
            else:
                context = {"fromObjectId": [from_id], "fromObjectType": [SINGULAR[object_type]]}
                message = f"No {SINGULAR[to_type]} is associated with {SINGULAR[object_type]} {from_id}."
                error = _not_found(message, {**context, "toObjectType": [SINGULAR[to_type]]})
                errors.append({**error, "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"})
        return self._batch(results, errors)

    def _associations_of(self, object_type: str, object_id: str, to_type: str) -> Response:
        self._one(object_type, object_id)
        linked = self._linked(object_type, object_id, to_type, request.args.get("after", ""))
        return json_response({"results": linked.pop("to"), **linked})

    def _linked(self, object_type: str, object_id: str, to_type: str, after: str) -> dict[str, Any]:
        """Return one page of associations, oldest record first whichever is the primary one."""
        ids = self.records.linked(object_type, object_id, to_type)
        rest = sorted((to_id for to_id in ids if int(to_id) > int(after or 0)), key=int)
        page = rest[: self.association_page]
        to = [
            {
                "toObjectId": to_id,
                "associationTypes": [
                    {"category": "HUBSPOT_DEFINED", "typeId": kind, "label": "Primary" if is_primary([kind]) else None}
                    for kind in sorted(ids[to_id])
                ],
            }
            for to_id in page
        ]
        return {"to": to, "paging": {"next": {"after": page[-1]}}} if len(rest) > len(page) else {"to": to}

    # --------------------------------------------------------------------------------------------------------- settings

    def _properties(self, object_type: str) -> Response:
        return json_response({"results": [property_json(one, object_type) for one in PROPERTIES[object_type].values()]})

    def _pipelines(self, object_type: str) -> Response:
        if object_type != "deals":
            raise Problem(404, "only deals have pipelines here", "OBJECT_NOT_FOUND")
        return json_response({"results": [pipeline_json(one, place) for place, one in enumerate(PIPELINES)]})

    def _account(self) -> Response:
        return json_response(
            {
                "portalId": PORTAL,
                "accountType": "STANDARD",
                "timeZone": "US/Eastern",
                "companyCurrency": "USD",
                "additionalCurrencies": ["EUR", "GBP"],
                "utcOffset": "-05:00",
                "utcOffsetMilliseconds": -18_000_000,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            }
        )

    def _token(self) -> Response:
        """Give a token for a code that was given out, or for any refresh token that starts with ``sandbox``."""
        grant = request.form.get("grant_type")
        if grant == "authorization_code":
            good = self._consents.redeem(request.form, client_id())
        else:
            good = grant == "refresh_token" and request.form.get("refresh_token", "").startswith("sandbox")
        if not good:
            raise Problem(400, "missing or unknown refresh token or code", "BAD_REFRESH_TOKEN")
        return json_response(
            {
                "access_token": f"{TOKEN_PREFIX}-oauth-{next(self._answers)}",
                "refresh_token": "sandbox-refresh",
                "expires_in": 1800,
                "token_type": "bearer",
                "token_use": "access_token",
                "hub_id": PORTAL,
                "scopes": ["crm.objects.deals.read", "oauth"],
            }
        )


def _object_type(name: str) -> str:
    """Return our name of an object type given by name or by id such as ``0-3``."""
    known = {**TYPE_IDS, **{one: one for one in TYPE_IDS.values()}}.get(name.replace(" ", "_"))
    if known is None:
        raise Problem(400, f"Unable to infer object type from: {name}")
    return known


def _listed(name: str) -> list[str] | None:
    """Return a query parameter that may be comma separated, repeated or both."""
    values = [part for value in request.args.getlist(name) for part in value.split(",") if part]
    return values or None


def _body() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise Problem(400, "Invalid input JSON")
    return body


def _limit(value: Any, most: int) -> int:
    if not str(value).isdigit() or not 0 < int(value) <= most:
        raise Problem(400, f"limit must be a number from 1 to {most}")
    return int(value)


def _inputs(body: dict[str, Any], most: int) -> list[dict[str, Any]]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise Problem(400, "inputs must be a list of at least one")
    if len(inputs) > most:
        raise Problem(400, f"at most {most} inputs are accepted")
    return inputs


def _not_found(message: str, context: dict[str, list[str]]) -> dict[str, Any]:
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message}
    return {**error, "context": context, "errors": [], "links": {}}
