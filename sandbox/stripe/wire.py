"""How Stripe speaks HTTP: nested form parameters, lists, expansion and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response

from sandbox.core import json_response
from sandbox.stripe.account import Account
from sandbox.stripe.objects import Object

DOCS = "https://stripe.com/docs/error-codes"
PAGE = {"limit", "starting_after", "ending_before", "expand"}
DEEPEST_EXPANSION = 4

# kind -> field -> kinds of object the field may hold instead of an id
EXPANDABLE: dict[str, dict[str, tuple[str, ...]]] = {
    "charge": {
        "customer": ("customer",),
        "payment_intent": ("payment_intent",),
        "balance_transaction": ("balance_transaction",),
    },
    "customer": {"cash_balance": ("cash_balance",)},
    "payment_intent": {"customer": ("customer",), "latest_charge": ("charge",)},
    "balance_transaction": {"source": ("charge", "refund", "dispute", "payout")},
    "refund": {
        "charge": ("charge",),
        "payment_intent": ("payment_intent",),
        "balance_transaction": ("balance_transaction",),
    },
    "dispute": {"charge": ("charge",), "payment_intent": ("payment_intent",)},
    "payout": {"balance_transaction": ("balance_transaction",)},
    "invoice_payment": {"invoice": ("invoice",)},
    "payment_link": {},
    "product": {"default_price": ("price",)},
}


class Refusal(Exception):
    """A request that Stripe would answer with an error."""

    def __init__(self, status: int, message: str, *, code: str = "", param: str = "", type_: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.error = {"message": message, "type": type_ or "invalid_request_error"}
        if code:
            self.error |= {"code": code, "doc_url": f"{DOCS}/{code.replace('_', '-')}"}
        if param:
            self.error["param"] = param

    def response(self) -> Response:
        """Return the error as Stripe sends it."""
        return json_response({"error": self.error}, self.status)


def missing(kind: str, id_: str, param: str = "id", status: int = 404) -> Refusal:
    """Return Stripe's answer for an id it does not know."""
    return Refusal(status, f"No such {kind}: '{id_}'", code="resource_missing", param=param)


def parse(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return form parameters as nested dicts; a list (``expand[]=x``, ``expand[0]=x``) is a dict by position."""
    parsed: dict[str, Any] = {}
    for name, value in pairs:
        head, bracket, tail = name.partition("[")
        path = [head, *tail.removesuffix("]").split("][")] if bracket else [head]
        node = parsed
        for part in path[:-1]:
            node = node.setdefault(part or str(len(node)), {})
            if not isinstance(node, dict):
                raise Refusal(400, f"Invalid object: {name}", param=head)
        node[path[-1] or str(len(node))] = value
    return parsed


def as_list(value: Any) -> list[str]:
    """Return a parameter that is a list."""
    return list(value.values()) if isinstance(value, dict) else [value] if value else []


def as_int(value: Any, param: str) -> int:
    """Return a parameter that is an integer; refuse anything else."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Refusal(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=param) from None


def listing(
    account: Account, kind: str, url: str, params: dict[str, Any], keep: Callable[[Object], bool] = lambda _: True
) -> Object:
    """Return one page of the objects of ``kind``, newest first."""
    limit = as_int(params.get("limit", 10), "limit")
    if not 1 <= limit <= 100:
        bound = "less than or equal to 100" if limit > 100 else "greater than or equal to 1"
        raise Refusal(400, f"This value must be {bound}.", code="parameter_invalid_integer", param="limit")
    held = account.objects[kind]
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise Refusal(400, "You may only specify one of these parameters: starting_after, ending_before.")
    for param, id_ in (("starting_after", after), ("ending_before", before)):
        if id_ and id_ not in held:
            raise missing(kind, id_, param, 400)
    in_time = _created(params.get("created"))
    order = iter(held.values()) if before else reversed(held.values())
    wanted = (item for item in _beyond(order, before or after) if in_time(item) and keep(item))
    page = [item for item, _ in zip(wanted, range(limit + 1), strict=False)]
    data = page[:limit][::-1] if before else page[:limit]
    return {"object": "list", "url": url, "has_more": len(page) > limit, "data": data}


def _beyond(items: Iterator[Object], cursor: str | None) -> Iterator[Object]:
    if cursor:
        for item in items:
            if item["id"] == cursor:
                break
    return items


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda created, bound: created > bound,
    "gte": lambda created, bound: created >= bound,
    "lt": lambda created, bound: created < bound,
    "lte": lambda created, bound: created <= bound,
}


def _created(asked: Any) -> Callable[[Object], bool]:
    if asked is None:
        return lambda _: True
    if not isinstance(asked, dict):
        exact = as_int(asked, "created")
        return lambda item: item["created"] == exact
    for name in asked:
        if name not in _COMPARE:
            raise unknown(f"created[{name}]")
    bounds = [(_COMPARE[name], as_int(value, f"created[{name}]")) for name, value in asked.items()]
    return lambda item: all(compare(item["created"], bound) for compare, bound in bounds)


def unknown(param: str) -> Refusal:
    """Return Stripe's answer to a parameter it does not know."""
    return Refusal(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def expand(account: Account, kind: str, body: Object, paths: list[str]) -> Object:
    """Return ``body`` with the ids at ``paths`` replaced by their objects; ``kind`` is what body is, or a list of."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > DEEPEST_EXPANSION:
            raise Refusal(400, "You cannot expand more than 4 levels of a property.", param="expand")
        _check_expansion(kind, path, parts[1:] if body["object"] == "list" and parts[0] == "data" else parts)
        body = _expand(account, body, parts)
    return body


def _check_expansion(kind: str, path: str, parts: list[str]) -> None:
    kinds: tuple[str, ...] = (kind,)
    for part in parts:
        kinds = tuple({target for each in kinds for target in EXPANDABLE.get(each, {}).get(part, ())})
        if not kinds:
            raise Refusal(400, f"This property cannot be expanded ({path}).", param="expand")


def _expand(account: Account, node: Object, parts: list[str]) -> Object:
    if not parts:
        return node
    if node["object"] == "list":
        return {**node, "data": [_expand(account, item, parts[1:]) for item in node["data"]]}
    value = node.get(parts[0])
    found = account.find(value) if isinstance(value, str) else value
    return {**node, parts[0]: _expand(account, found, parts[1:])} if isinstance(found, dict) else node
