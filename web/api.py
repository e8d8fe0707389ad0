"""What other systems send: usage records and acceptances, as JSON or JSON lines, under a bearer token.

Whoever calls needs no login and no form token, but the token of ``[api]``. Each record is stored once by its id, as
often as it is sent; each that cannot be stored is named in the answer, and the others are kept.
"""

from __future__ import annotations

import hmac
import json
from decimal import Decimal
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from billing.reading.records import Record, read_records
from store.audit import Actor
from sync import acceptances
from sync.receive_usage import receive
from web.site import now, open_store, site

LARGEST = 8 << 20  # bytes: some 50,000 records
SOURCE = "api"
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines")

blueprint = Blueprint("api", __name__, url_prefix="/api")


def install(app: Flask, token: str) -> None:
    """Open the routes in ``app`` for who knows ``token``, and take them out of the check of forms."""
    app.extensions["netterms_api_token"] = token
    app.extensions["csrf"].exempt(blueprint)
    app.register_blueprint(blueprint)


class _Body(msgspec.Struct, frozen=True):
    """A request's records with their places; ``unit`` says what those count: ``index`` or ``line``."""

    records: list[tuple[int, Record | str]]
    unit: str
    replace: bool


class _Unreadable(ValueError):
    """The request's body is not what the route takes."""


@blueprint.before_request
def _known_caller() -> Response | None:
    token = str(current_app.extensions["netterms_api_token"])
    if not token:
        return _answer(403, error='the API is closed: set token = "env:NETTERMS_API_TOKEN" in [api] to open it')
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        answer = _answer(401, error="send the token of [api]: Authorization: Bearer ...")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    request.max_content_length = LARGEST
    return None


@blueprint.errorhandler(HTTPException)
def _in_json(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        return _answer(413, error=f"more than {LARGEST >> 20} MB: send fewer records at once")
    return _answer(error.code or 500, error=error.description or error.name)


@blueprint.post("/usage")
def usage() -> Response:
    """Store usage records: 200 when all are stored or known, 207 when some are refused, 400 for what is no JSON."""
    try:
        body = _body()
    except _Unreadable as problem:
        return _answer(400, error=str(problem))
    with open_store() as store:
        found = receive(store, site().world, Actor(SOURCE, now()), body.records, SOURCE, replace=body.replace)
    refused = [{body.unit: one.place, "id": one.id, "key": one.key, "problem": one.problem} for one in found.refused]
    return _answer(
        207 if refused else 200, accepted=found.new, known=found.known, replaced=found.replaced, refused=refused
    )


@blueprint.post("/events")
def events() -> Response:
    """Record acceptances: 200 when all are recorded or known, 207 when some are refused, 400 for what is no JSON."""
    try:
        body = _body()
    except _Unreadable as problem:
        return _answer(400, error=str(problem))
    with open_store() as store:
        fates, problems = acceptances.receive_all(
            store, site().world, Actor(SOURCE, now()), body.records, replace=body.replace
        )
    counts = {name: fates.count(fate) for name, fate in _COUNTED}
    refused = [{body.unit: place, "problem": problem} for place, problem in problems]
    return _answer(207 if refused else 200, **counts, refused=refused)


_COUNTED: tuple[tuple[str, acceptances.Fate], ...] = (
    ("accepted", "new"), ("known", "known"), ("replaced", "replaced"),
)  # fmt: skip


def _body() -> _Body:
    """Read one record, a list, ``{"records": [...], "replace": true}``, or JSON lines. Raises ``_Unreadable``."""
    replace = request.args.get("replace") in ("1", "true", "yes")
    try:
        text = request.get_data(cache=False).decode("utf-8")
        if request.mimetype in _LINES:
            return _Body(list(read_records(text, as_csv=False)), "line", replace)
        given = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"the body is no JSON ({error}): send an object, a list, or JSON lines") from None
    if isinstance(given, dict) and "records" in given:
        wrapped = given.keys() <= {"records", "replace"} and isinstance(given.get("replace", False), bool)
        if not wrapped or not isinstance(given["records"], list):
            raise _Unreadable('beside "records", a list, there may be "replace", true or false, and nothing else')
        replace, given = given.get("replace", replace), given["records"]
    items: list[Any] = given if isinstance(given, list) else [given]
    return _Body(
        [(n, one if isinstance(one, dict) else "is no JSON object") for n, one in enumerate(items)], "index", replace
    )


def _answer(status: int, **content: Any) -> Response:
    return Response(f"{json.dumps(content)}\n", status, content_type="application/json")
