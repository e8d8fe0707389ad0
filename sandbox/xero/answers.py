"""How the stand-in answers: one object or many, lists that are filtered and cut into pages, and batches of writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

from flask import Response, request

from sandbox.core import Clock
from sandbox.xero.fields import check_fields
from sandbox.xero.where import order, where
from sandbox.xero.wire import (
    NOTHING,
    BadRequest,
    Invalid,
    Wire,
    decode,
    encode,
    envelope,
    failed,
    read_moment,
    validation_exception,
)

# What an element says of itself when it was not saved; the others have only their ValidationErrors.
_FLAGS = {
    "Invoices": {"HasErrors": True},
    "CreditNotes": {"HasErrors": True},
    "Contacts": {"HasValidationErrors": True},
    "Payments": {"HasValidationErrors": True},
}
_LARGEST_BODY = 3_500_000


class Answers:
    """Answers to the current request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.counts_pages = True  # Xero's specification does not promise that it says how many there are

    def many(self, name: str, items: list[Wire], pagination: Wire | None = None, status: int = 200) -> Response:
        """Answer with ``items``."""
        body = encode(envelope(name, items, self._clock.now(), pagination))
        return Response(body, status, content_type="application/json; charset=utf-8")

    def one(self, name: str, item: Wire | None) -> Response:
        """Answer with one object, or 404 where there is none."""
        return not_found() if item is None else self.many(name, [item])

    def listed(
        self, name: str, items: list[Wire], changed_at: Callable[[Wire], str] | None = None, *, paged: bool = True
    ) -> Response:
        """Answer a list: filtered, ordered, and cut into pages where a page is asked for."""
        since = request.headers.get("If-Modified-Since")
        if since:
            from_second = _read_since(since)
            changed = changed_at or (lambda one: one.get("UpdatedDateUTC", since))
            items = [one for one in items if read_moment(changed(one)) >= from_second]
        if request.args.get("where"):
            items = list(filter(where(request.args["where"]), items))
        if request.args.get("order"):
            items = order(request.args["order"], items)
        if "page" not in request.args or not paged:
            return self.many(name, items)
        page, size = _whole("page", 1), _whole("pageSize", 100)
        if size > 1000:
            raise BadRequest("pageSize must not be larger than 1000")
        pages = math.ceil(len(items) / size)
        pagination = {"page": page, "pageSize": size, "pageCount": pages, "itemCount": len(items)}
        return self.many(name, items[(page - 1) * size : page * size], pagination if self.counts_pages else None)

    def written(self, name: str, save: Callable[[Wire], Wire], id_name: str) -> Response:
        """Save each element by itself; answer each, or a 400 with those that failed (``summarizeErrors``)."""
        elements, failures = [], []
        for data in _elements(name):
            check_fields(name, data)
            try:
                saved = save(data)
                elements.append(saved if name == "BankTransfers" else {**saved, "StatusAttributeString": "OK"})
            except Invalid as error:
                failures.append(failed({**data, id_name: NOTHING, **_FLAGS.get(name, {})}, error))
                elements.append(failures[-1])
        if failures and request.args.get("summarizeErrors", "true").lower() != "false":
            return Response(encode(validation_exception(failures)), 400, content_type="application/json")
        return self.many(name, elements)


def _elements(name: str) -> list[Wire]:
    """Return the objects that were sent: ``{"Invoices": [...]}`` or a single one."""
    raw = request.get_data()
    if len(raw) > _LARGEST_BODY:
        raise BadRequest(f"The request is larger than {_LARGEST_BODY} bytes")
    body = decode(raw)
    found = body.get(name, [body]) if isinstance(body, dict) else body
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadRequest("JSON for post data was invalid")
    return found


def only(items: list[Wire], argument: str, field: str) -> list[Wire]:
    """Keep what a comma separated list in the query names; everything where there is no such list."""
    if not request.args.get(argument):
        return items
    wanted = {one.strip().lower() for one in request.args[argument].split(",")}
    return [one for one in items if str(one.get(field, "")).lower() in wanted]


def _read_since(text: str) -> datetime:
    """Read ``If-Modified-Since``, which counts in seconds, in ISO form or as HTTP writes it."""
    try:
        return read_moment(text).replace(microsecond=0)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise BadRequest(f"If-Modified-Since {text!r} is not a time") from None


def _whole(name: str, default: int) -> int:
    value = request.args.get(name, str(default))
    if not value.isdigit() or value == "0":
        raise BadRequest(f"{name} must be a positive whole number")
    return int(value)


def not_found() -> Response:
    """Return Xero's own 404."""
    return Response("The resource you're looking for cannot be found", 404, content_type="text/plain")
