"""HubSpot's HTTP side: the SDK writes requests, ours sends them, answers come back typed.

The SDK (hubspot-api-client) knows only paths that HubSpot ends in 2027, so the dated paths are called through its
``api_request``; that has no timeout, keeps no connection open and prints failures to standard output, so sending is
ours. Facts about HubSpot used here: developers.hubspot.com/docs (CRM search, associations, usage guidelines).
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
import requests
from hubspot import HubSpot
from hubspot.utils.requests.http_request_builder import Request

from connectors.base import Limit, Ports, Settings
from connectors.errors import ConnectorError, DailyLimit, OutcomeUnknown, Refused, Retryable
from connectors.http import Caller, Session, network_error, redact, retry_after, status_error, until
from connectors.hubspot.answers import Account, Problem
from connectors.pace import ANY_LIMIT, Pace

VERSION = "2026-03"  # of every path
# developers.hubspot.com, usage guidelines. Free and Starter accounts have 100 in ten seconds and 250,000 a day, OAuth
# apps 110 in ten seconds; an Enterprise account has 1,000,000 a day.
LIMITS = (
    Limit("ten_seconds", 190, 10.0),
    Limit("search", 5, 1.0, only="search"),  # a second
    Limit("day", 650_000, 86_400.0),
)
_LEFT = {"ten_seconds": "X-HubSpot-RateLimit-Remaining", "day": "X-HubSpot-RateLimit-Daily-Remaining"}
# HubSpot's words for what is used up -> our limit and seconds to wait, as a 429 often has no Retry-After
POLICIES = {"SECONDLY": ("search", 1.0), "TEN_SECONDLY_ROLLING": ("ten_seconds", 10.0)}
LOCKED = 2.0  # seconds to wait after a 423
AN_HOUR = 3600.0

Answer = TypeVar("Answer")


class NotFound(Refused):
    """HubSpot has no such record."""


class Api:
    """Calls one HubSpot account: the SDK writes the request, ``Session`` sends it, answers come back typed."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._base_url = settings.base_url
        self._session = Session()
        self._pace = Pace(settings, ports, LIMITS)
        self._reads = Caller(self._pace)
        self._searches = Caller(self._pace, "search")

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
            raise network_error("HubSpot", error) from error
        self._pace.says_left({limit: response.headers.get(header) for limit, header in _LEFT.items()})
        if response.status_code >= 300:
            raise self._error(response, token)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.MsgspecError as error:
            raise OutcomeUnknown(f"HubSpot's answer cannot be read: {error}") from error

    def _error(self, response: requests.Response, token: str) -> ConnectorError:
        """Return the typed error for any answer but success."""
        try:
            problem = msgspec.json.decode(response.content, type=Problem)
        except msgspec.MsgspecError:
            problem = Problem(message=response.text)
        status, path = response.status_code, urlsplit(response.url).path
        detail = f"{problem.message} {problem.category} at {path}"
        if status == 429 and problem.policyName == "DAILY":
            over = self._until_midnight(token)
            return DailyLimit(f"HubSpot's calls of the day are used up: {redact(detail)}", until(over), over)
        if status == 429:
            limit, pause = POLICIES.get(problem.policyName, (ANY_LIMIT, None))
            wait = retry_after(response.headers, None if pause is None else pause * self._pace.scale)
            return Retryable(f"HubSpot answered 429: {redact(detail)}", wait, limit)
        if status in (423, 477):  # 477: the account is being moved to another data centre
            wait = retry_after(response.headers, LOCKED * self._pace.scale if status == 423 else None)
            return Retryable(f"HubSpot answered {status}: {redact(detail)}", wait, ANY_LIMIT if status == 477 else "")
        refusal = NotFound if status == 404 else Refused
        return status_error("HubSpot", status, detail, response.headers) or refusal(
            f"HubSpot answered {status}: {redact(detail)}"
        )

    def _until_midnight(self, token: str) -> float:
        """Return the seconds until the account's next midnight, when the day's calls begin anew.

        An hour where it does not tell its zone any more: then it is asked again.
        """
        options = {"method": "GET", "path": f"/account-info/{VERSION}/details"}
        try:
            response = _Client(self._session, token, self._base_url).api_request(options)
            zone = ZoneInfo(msgspec.json.decode(response.content, type=Account).timeZone)
        except (requests.RequestException, msgspec.MsgspecError, ValueError, OSError):
            return AN_HOUR
        return seconds_to_midnight(until(0.0).astimezone(zone))


def seconds_to_midnight(now: datetime) -> float:
    """Return the real seconds until the next day begins where ``now`` is told, a change of the clocks included."""
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
    return (midnight.astimezone(UTC) - now.astimezone(UTC)).total_seconds()


class _Client(HubSpot):  # type: ignore[misc]  # the SDK has no types
    """The SDK's client, with our session under its raw requests."""

    def __init__(self, session: Session, token: str, base_url: str) -> None:
        super().__init__(access_token=token, host=base_url, base_url=base_url)
        self._session = session

    def api_request(self, options: dict[str, Any]) -> requests.Response:
        """Send what the SDK's builder made of ``options``; raises ``requests`` errors and prints nothing."""
        made = Request(self.config, options)
        return self._session.request(made.get_method(), made.get_url(), **made.get_options_for_sending())
