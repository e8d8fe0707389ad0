"""One organisation's connection to Xero: the SDK's client, its transport made exact, and Xero's failures as ours.

The SDK's models turn amounts into floats when they write and cost ten times the time, so requests go through
``ApiClient.call_api`` as plain objects: ``Decimal`` both ways, written as exact JSON numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.exceptions import HTTPStatusException
from xero_python.rest import RESTClientObject, RESTResponse

from connectors.base import Limit, Ports, Settings
from connectors.errors import ConnectorError, DailyLimit, OutcomeUnknown, Refused, Retryable
from connectors.http import TIMEOUT, Caller, network_error, redact, retry_after, status_error, until, whole
from connectors.pace import Pace

# https://developer.xero.com/documentation/guides/oauth2/limits: of one organisation, and of one app at all of them.
LIMITS = (
    Limit("concurrent", 5),
    Limit("minute", 60, 60.0),
    Limit("day", 5_000, 86_400.0),  # 1,000 on the Starter tier
    Limit("app_minute", 10_000, 60.0, whole_app=True),
)
_LEFT = {"minute": "X-MinLimit-Remaining", "day": "X-DayLimit-Remaining", "app_minute": "X-AppMinLimit-Remaining"}
_PROBLEMS = {"minute": "minute", "appminute": "app_minute"}  # Xero's words for what is used up -> our limit
A_MOMENT = 1.0  # seconds to wait after too many calls at the same time, which Xero does not tell
PAGE_SIZE = 1000  # the largest that Xero gives
DEFAULT_PAGE = 100  # what Xero gives where it does not hear how much is asked for

Json = dict[str, Any]
Query = Sequence[tuple[str, str]]

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class _Transport(RESTClientObject):  # type: ignore[misc]  # the SDK has no types
    """The SDK's transport for bodies that are already JSON; urllib3 would send a PUT again by itself, so it may not."""

    def request(
        self,
        method: str,
        url: str,
        query_params: Query | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        _request_timeout: tuple[int, int] = TIMEOUT,
        **_: Any,
    ) -> RESTResponse:
        """Send once; raises the SDK's ``HTTPStatusException`` for other answers than 2xx, else urllib3's errors."""
        timeout = urllib3.Timeout(connect=_request_timeout[0], read=_request_timeout[1])
        if query_params:
            url = f"{url}?{urlencode(query_params)}"
        once = {"retries": False, "redirect": False, "preload_content": False}
        response = self.pool_manager.request(method, url, body=body, headers=headers, timeout=timeout, **once)
        content = whole(response)
        response = urllib3.HTTPResponse(content, response.headers, response.status, reason=response.reason)
        if not 200 <= response.status <= 299:
            raise HTTPStatusException(http_resp=RESTResponse(response))
        return RESTResponse(response)


class Client:
    """Reads and writes of one tenant. Raises only ``connectors.errors``."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._pace = Pace(settings, ports, LIMITS)
        self._caller = Caller(self._pace)
        self._base = f"{settings.base_url.rstrip('/')}/api.xro/2.0"
        self._tenant = settings.account
        # Configuration() hands out copies of one object per process, with the token of whoever came first
        # (XeroAPI/xero-python#99), and the SDK would refresh that token by itself. So it holds no token at all:
        # each call brings its own Authorization header.
        configuration = Configuration()
        self._api = ApiClient(configuration)
        self._api.rest_client = _Transport(configuration)

    def get(self, path: str, query: Query = (), since: datetime | None = None) -> Json:
        """Read ``path``, only what changed since ``since`` (inclusive, to the second) where that is given."""
        headers = {"If-Modified-Since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")} if since else {}
        return self._caller.read(lambda token: self._send(token, "GET", path, query, headers))

    def pages(self, path: str, query: Query = (), since: datetime | None = None) -> Iterator[Json]:
        """Yield the answers for all pages of a list.

        The number of pages is optional in Xero's specification: without it the list goes on while pages are full. A
        page that comes again ends it, as then the list is not cut into pages at all.
        """
        page, before = 1, None
        while True:
            answer = self.get(path, [*query, ("page", str(page)), ("pageSize", str(PAGE_SIZE))], since)
            elements = answer.get(path) or []
            if elements and elements[0] == before:
                return
            yield answer
            count = (answer.get("pagination") or {}).get("pageCount")
            if not (page < count if count is not None else len(elements) >= DEFAULT_PAGE):
                return
            before = elements[0] if elements else None
            page += 1

    def pdf(self, path: str) -> bytes:
        """Read ``path`` as a PDF."""

        def send(token: str) -> bytes:
            content = self._raw(token, "GET", path, (), {"Accept": "application/pdf"})
            if not content.startswith(b"%PDF"):
                raise OutcomeUnknown("Xero answered no PDF")
            return content

        return self._caller.read(send)

    def post(self, path: str, key: str) -> None:
        """Let Xero do what ``path`` names; its answer has no content."""
        self._caller.write(lambda token: self._raw(token, "POST", path, (), {"Idempotency-Key": key}, b"{}"))

    def put(self, path: str, elements: list[Json], key: str, query: Query = ()) -> list[Json]:
        """Create ``elements`` at ``path`` and return Xero's answer to each, in the same order.

        PUT creates only, where POST would overwrite what has the same number. Without ``summarizeErrors`` the
        elements that Xero refuses come back with their ``ValidationErrors``, the others are saved.
        """
        return self._write(
            "PUT", path, {path.rpartition("/")[2]: elements}, key, [("summarizeErrors", "false"), *query]
        )

    def put_one(self, path: str, element: Json, key: str) -> list[Json]:
        """Create one element; Xero answers it, or all of its kind. Raises ``Refused`` when it is not saved."""
        return self._write("PUT", path, {path.rpartition("/")[2]: [element]}, key)

    def change(self, path: str, body: Json, key: str, query: Query = ()) -> Json:
        """Change the object at ``path``, which ends in its id; raises ``Refused`` when Xero does not."""
        return self._write("POST", path, body, key, query)[0]

    def upload(self, path: str, content: bytes, key: str) -> None:
        """Hang a file on a document. Its kind is told by the name; the specification allows this type only."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}
        self._caller.write(lambda token: self._send(token, "PUT", path, (), headers, content))

    def _write(self, method: str, path: str, body: Json, key: str, query: Query = ()) -> list[Json]:
        headers, sent = {"Idempotency-Key": key}, encoded(body)
        answer = self._caller.write(lambda token: self._send(token, method, path, query, headers, sent))
        parts = path.split("/")  # Invoices, Invoices/<id>, CreditNotes/<id>/Allocations
        name = parts[-1] if len(parts) % 2 else parts[0]
        saved = answer.get(name)
        if not isinstance(saved, list) or not saved:
            raise OutcomeUnknown(f"Xero's answer to a write has no {name}")
        return saved

    def _send(
        self, token: str, method: str, path: str, query: Query, extra: dict[str, str], body: bytes | None = None
    ) -> Json:
        return _decoded(self._raw(token, method, path, query, extra, body))

    def _raw(
        self, token: str, method: str, path: str, query: Query, extra: dict[str, str], body: bytes | None = None
    ) -> bytes:
        headers = {
            "Authorization": f"Bearer {token}",
            "xero-tenant-id": self._tenant,
            "Accept": "application/json",
            "Content-Type": "application/json",
            **extra,
        }
        try:
            response = self._api.call_api(
                f"{self._base}/{path}",
                method,
                query_params=list(query),
                header_params=headers,
                body=body,
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=TIMEOUT,
            )
        except HTTPStatusException as error:
            self._hear(error.http_resp.getheaders())
            raise _failure(error, self._pace.scale) from None
        except urllib3.exceptions.HTTPError as error:
            raise network_error("Xero", error) from None
        self._hear(response.getheaders())
        return bytes(response.data or b"")

    def _hear(self, headers: Any) -> None:
        """Note how many calls Xero says are left."""
        self._pace.says_left({limit: headers.get(header) for limit, header in _LEFT.items()})


def encoded(body: Json) -> bytes:
    """Return JSON with amounts as exact numbers."""
    return _ENCODER.encode(body)


def _decoded(body: bytes) -> Json:
    try:
        answer = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise OutcomeUnknown(f"Xero's answer cannot be read: {error}") from None
    if not isinstance(answer, dict):
        raise OutcomeUnknown("Xero's answer is no object")
    return answer


def _failure(error: HTTPStatusException, scale: float) -> ConnectorError:
    """Return what an answer other than 2xx means for the caller; ``scale`` is how long Xero's second lasts."""
    headers, body = error.http_resp.getheaders(), error.http_resp.data or b""
    problem = headers.get("X-Rate-Limit-Problem", "").lower()
    detail = _detail(body) or problem
    if error.status == 429 and (problem == "day" or (not problem and headers.get("X-DayLimit-Remaining") == "0")):
        wait = retry_after(headers, 24 * 60 * 60.0 * scale) or 0.0
        return DailyLimit(
            f"Xero's calls for the day are used up until {until(wait):%Y-%m-%d %H:%M} UTC", until(wait), wait
        )
    if error.status == 429 and problem in _PROBLEMS:
        wait = retry_after(headers, 60 * scale) or 0.0
        return Retryable(f"Xero answered 429: {detail}", wait, _PROBLEMS[problem])
    if error.status == 429 and problem == "concurrent":
        return Retryable(f"Xero answered 429: {detail}", retry_after(headers, A_MOMENT * scale))
    return status_error("Xero", error.status, detail, headers, cut_off="AuthenticationUnsuccessful") or Refused(
        f"Xero answered {error.status}: {detail}"
    )


def _detail(body: bytes) -> str:
    """Return the sentences of an error's body for people."""
    try:
        answer = _DECODER.decode(body)
    except msgspec.DecodeError:
        return redact(body.decode("utf-8", "replace"))
    if not isinstance(answer, dict):
        return ""
    reasons = [reason for element in answer.get("Elements", ()) for reason in messages(element)]
    return redact("; ".join([str(answer.get("Message") or answer.get("Detail") or ""), *reasons]))


def messages(element: Json) -> list[str]:
    """Return why Xero refused an element; empty when it was saved."""
    found = [str(one.get("Message", "")) for one in element.get("ValidationErrors") or ()]
    if not found and element.get("StatusAttributeString") == "ERROR":
        found = ["Xero gives no reason"]
    return found
