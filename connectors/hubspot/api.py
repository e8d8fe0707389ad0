"""HubSpot's HTTP side: the SDK writes requests, ours sends them, answers come back typed.

The SDK (hubspot-api-client) knows only paths that HubSpot ends in 2027, so the dated paths are called through its
``api_request``; that has no timeout, keeps no connection open and prints failures to standard output, so sending is
ours. Facts about HubSpot used here: developers.hubspot.com/docs (CRM search, associations, usage guidelines).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from hubspot import HubSpot
from hubspot.utils.requests.http_request_builder import Request

from connectors.base import Ports, Settings
from connectors.errors import ConnectorError, DailyLimit, OutcomeUnknown, Refused, Retryable
from connectors.http import Caller, Limit, Limiter, Session, redact, retry_after, status_error
from connectors.hubspot.answers import Problem

VERSION = "2026-03"  # of every path
BURST = Limit(100, 10.0)  # free and starter accounts, and every OAuth app
SEARCH = Limit(5, 1.0)
# Seconds by which our windows are longer, of the vendor's and at least: calls do not all take equally long to arrive.
JITTER, LEAST_JITTER = 0.1, 0.03
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0}  # seconds after a 429; it often has no Retry-After
LOCKED = 2.0  # seconds to wait after a 423

Answer = TypeVar("Answer")


class NotFound(Refused):
    """HubSpot has no such record."""


class Api:
    """Calls one HubSpot account: the SDK writes the request, ``Session`` sends it, answers come back typed."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._base_url = settings.base_url
        self._scale = settings.minute_seconds / 60
        self._session = Session()
        jitter = max(LEAST_JITTER, JITTER * self._scale)
        burst, search = (
            Limiter([Limit(limit.calls, limit.seconds * self._scale + jitter)], ports.clock)
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

    def put(self, path: str, body: dict[str, Any], answer: type[Answer]) -> Answer:
        """Return the answer to a POST that sets values, so that it may be made twice. Raises ``connectors.errors``."""
        options = {"method": "POST", "path": path, "body": body}
        return self._reads.read(lambda token: self._send(token, options, answer))

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
            problem = msgspec.json.decode(response.content, type=Problem)
        except msgspec.MsgspecError:
            problem = Problem(message=response.text)
        status, path = response.status_code, urlsplit(response.url).path
        detail = f"{problem.message} {problem.category} at {path}"
        if problem.policyName == "DAILY" and (until := _an_hour_on(response)) is not None:
            return DailyLimit(f"HubSpot's calls of the day are used up: {redact(detail)}", until)
        if status in (423, 429, 477):  # 477: the account is being moved to another data centre
            default = LOCKED if status == 423 else WAITS.get(problem.policyName)
            wait = retry_after(response.headers, None if default is None else default * self._scale)
            return Retryable(f"HubSpot answered {status}: {redact(detail)}", wait)
        refusal = NotFound if status == 404 else Refused
        return status_error("HubSpot", status, detail, response.headers) or refusal(
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
