"""Holds requests to Xero, and the stand-in's answers, against Xero's published specification."""

from __future__ import annotations

import base64
import functools
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

_SERVER, _BASE = "https://api.xero.com", "/api.xro/2.0"
# Sent by Xero though the specification does not name them.
_UNSPECIFIED = {"Id", "Status", "ProviderName", "DateTimeUTC", "DateString", "DueDateString"}


@dataclass(frozen=True)
class Exchange:
    """One request and its answer as they went over the wire."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@functools.cache
def load(specs: Path) -> tuple[OpenAPI, dict[str, Any]]:
    """Return the specification; reading takes a second, so it is read once."""
    text = (specs / "xero" / "xero_accounting.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    # It calls a file a string of base64, though the file itself is what goes over the wire, also from Xero's own SDK.
    config = Config(spec_validator_cls=None, extra_media_type_deserializers={"application/octet-stream": _base64})
    return OpenAPI.from_dict(document, config=config), document


def check(specs: Path, exchange: Exchange) -> None:
    """Raise where the request or the answer breaks the specification, or names a field that it does not know."""
    openapi, document = load(specs)
    url = urlsplit(exchange.url)
    path = url.path.partition(_BASE)[2]
    request = MockRequest(
        _SERVER,
        exchange.method.lower(),
        _BASE + path,
        args=dict(parse_qsl(url.query)),
        headers={name: value for name, value in exchange.headers.items() if name.lower() != "content-type"},
        data=exchange.body or None,
        content_type=_content_type(exchange),
    )
    response = MockResponse(exchange.answer, exchange.status, content_type="application/json")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unsupported scheme type")  # OAuth2: tokens are not checked here
        openapi.validate_request(request)
        openapi.validate_response(request, response)
    parts = path.split("/")
    name = next((part for part in parts if part in ("Allocations", "Attachments")), parts[1])
    collection = "Organisations" if name == "Organisation" else name
    sent = exchange.body if _content_type(exchange) == "application/json" else b""
    for data in (sent, exchange.answer if exchange.status == 200 else b""):
        if data:
            unknown = sorted(_unknown(json.loads(data), {"$ref": f"#/components/schemas/{collection}"}, document))
            assert not unknown, f"{exchange.method} {path}: not in the specification: {unknown}"


def _content_type(exchange: Exchange) -> str:
    headers = {name.lower(): value for name, value in exchange.headers.items()}
    return headers.get("content-type", "application/json")


def unknown_arguments(specs: Path, exchange: Exchange) -> list[str]:
    """Return what the query asks for that the specification does not name for this path and method."""
    _, document = load(specs)
    url = urlsplit(exchange.url)
    asked = url.path.partition(_BASE)[2]
    for template, operations in document["paths"].items():
        method = operations.get(exchange.method.lower())
        if method is not None and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), asked):
            named = [
                _parameter(one, document) for one in [*operations.get("parameters", ()), *method.get("parameters", ())]
            ]
            return sorted({name for name, _ in parse_qsl(url.query)} - set(named))
    raise AssertionError(f"{exchange.method} {asked} is not in the specification")


def _parameter(one: dict[str, Any], document: dict[str, Any]) -> str:
    if "$ref" in one:
        one = document["components"]["parameters"][one["$ref"].rpartition("/")[2]]
    return str(one["name"])


def _unknown(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "") -> set[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return {name for one in value for name in _unknown(one, schema.get("items", {}), document, at)}
    if not isinstance(value, dict):
        return set()
    known = schema.get("properties", {})
    found = {f"{at}.{name}" for name in value if name not in known and name not in _UNSPECIFIED}
    for name in value.keys() & known.keys():
        found |= _unknown(value[name], known[name], document, f"{at}.{name}")
    return found
