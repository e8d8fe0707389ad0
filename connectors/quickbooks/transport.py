"""How calls reach QuickBooks: python-quickbooks underneath, our session, our numbers and our reading of failures.

What the SDK would do to us is prevented here, once: it knows no timeout, reads amounts as floats unless told, writes
them as strings, sees neither the HTTP status nor XML answers, raises for a throttled call what it raises for a bad
field, and shows only the first of several faults. So only ``post``, ``get``, ``query`` and ``change_data_capture`` of
it are used, with plain dicts, and we judge each failure by the whole answer. No ``auth_client`` is passed, because
then its constructor would go to the network.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import requests
from quickbooks import QuickBooks
from quickbooks.exceptions import QuickbooksException

from connectors import http
from connectors.base import Limit, Ports, Settings
from connectors.errors import ConnectorError, OutcomeUnknown, Refused, Retryable
from connectors.pace import ANY_LIMIT, Pace

MINOR_VERSION = 75
LAG = timedelta(minutes=1)  # how late queries and captures may tell of a write; nothing is published, this is ours
BATCH_SIZE = 30  # items per batch call; an Intuit sample says 50, the documentation 30
PAGE = 1000
# Per company and app (blogs.intuit.com, 2025-08-13); a batch counts as a call, too.
LIMITS = (
    Limit("concurrent", 10),
    Limit("second", 10, 1.0),
    Limit("minute", 500, 60.0),
    Limit("batches", 120, 60.0, only="batch"),  # a minute; 40 before November 2025
)
THROTTLE_PAUSE = 15.0  # seconds; a throttled answer does not say how long to wait, the longest window is a minute
BATCH_PASSES = 4  # how often items that were throttled one by one are sent
ASKED_AT_ONCE = 60  # values in one IN (...)

_THROTTLE = re.compile(r"ThrottleExceeded|errorCode=00300[1-4]|code=\"300[1-4]\"")
_THROTTLE_CODES = ("3001", "3002", "3003", "3004")
IN_A_CURRENCY = ("Customer", "Invoice", "CreditMemo", "Payment", "Purchase", "Transfer", "JournalEntry")
NOT_THERE = "610"  # the object was deleted, or never was
STALE = "5010"  # somebody changed the object since its SyncToken was read
Row = dict[str, Any]
_encoder = msgspec.json.Encoder(decimal_format="number")  # a Decimal goes out digit by digit, never by way of a float


class Fault(msgspec.Struct, frozen=True):
    """Why QuickBooks refused a call or an item: every error it gave. ``code`` is the first one's."""

    code: str
    text: str
    type: str = ""

    @property
    def throttled(self) -> bool:
        """Say whether nothing was done because of a limit."""
        return self.code in _THROTTLE_CODES or _THROTTLE.search(self.text) is not None

    @property
    def unclear(self) -> bool:
        """Say whether QuickBooks itself broke down, so that the object may or may not exist."""
        return self.type.lower() in ("systemfault", "service") or (self.code.isdigit() and int(self.code) >= 10000)


def parse_fault(body: Any) -> Fault | None:
    """Return the fault in an answer or batch item, if there is one; authentication faults use lower case."""
    if not isinstance(body, dict):
        return None
    fault = body.get("Fault") or body.get("fault")
    if not isinstance(fault, dict):
        return None
    errors = [{name.lower(): value for name, value in error.items()} for error in fault.get("Error") or fault["error"]]
    texts = [": ".join(dict.fromkeys(filter(None, (one.get("message"), one.get("detail"))))) for one in errors]
    return Fault(str(errors[0].get("code", "")) if errors else "", "; ".join(texts), str(fault.get("type", "")))


class FaultError(Refused):
    """QuickBooks refused a whole call, and gave its ``code``."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Item(NamedTuple):
    """One write of a batch: its id in there, and the object."""

    id: str
    entity: str
    body: Row
    operation: str = "create"


class Page(NamedTuple):
    """Objects of one query, and when QuickBooks answered."""

    rows: list[Row]
    time: datetime | None


class _Session(http.Session):
    """The session that python-quickbooks sends through: it judges each answer by its status before the SDK sees it.

    Each thread has its own token and its own last answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self._own = threading.local()

    @property
    def access_token(self) -> str:
        """The token of this thread's call; the SDK puts it into the header."""
        return str(self._own.token)

    @access_token.setter
    def access_token(self, token: str) -> None:
        self._own.token = token

    @property
    def last(self) -> requests.Response:
        """The latest answer to this thread."""
        answer: requests.Response = self._own.last
        return answer

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send; raises a ``ConnectorError`` for anything but a 200."""
        if isinstance(kwargs.get("data"), str):
            kwargs["data"] = kwargs["data"].encode()  # names may be in any script
        try:
            response = super().request(method, url, *args, **kwargs)
        except requests.RequestException as error:
            raise http.network_error("QuickBooks", error) from error
        if response.status_code != 200:
            raise _failure(response)
        self._own.last = response
        return response


def _failure(response: requests.Response) -> ConnectorError:
    """Return what an answer means that is no success, or a 200 that python-quickbooks refused."""
    status, text = response.status_code, response.text
    if _THROTTLE.search(text):
        return Retryable(f"QuickBooks throttles: {http.redact(text)}", http.retry_after(response.headers))
    known = http.status_error("QuickBooks", status, text, response.headers, cut_off="ApplicationAuthorizationFailed")
    if known is not None:
        return known
    try:
        fault = parse_fault(json.loads(text))
    except ValueError:
        fault = None
    if fault is not None and fault.throttled:
        return Retryable(f"QuickBooks throttles: {fault.text}", http.retry_after(response.headers))
    if (fault is None and status < 400) or (fault is not None and fault.unclear):
        return OutcomeUnknown(f"QuickBooks gave no clear answer: {http.redact(text)}")
    detail = f"{fault.code} {fault.text}" if fault else f"{status} {text}"
    message = f"QuickBooks refused the call: {http.redact(detail)}"
    return FaultError(message, fault.code) if fault else Refused(message)


class Transport:
    """One company at QuickBooks: queries, changes and batches, paced and renewed by ``http.Caller``."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        pace = Pace(settings, ports, LIMITS)
        self._pause = THROTTLE_PAUSE * pace.scale
        self._clock = ports.clock
        self._single = http.Caller(pace)
        self._batches = http.Caller(pace, "batch")
        self._session = _Session()
        self._sdk = QuickBooks(company_id=settings.account, minorversion=MINOR_VERSION, use_decimal=True)
        self._sdk.session = self._session
        self._sdk.api_url_v3 = f"{settings.base_url.rstrip('/')}/v3"
        self._home = ""
        self._company = f"{self._sdk.api_url}/company/{settings.account}"

    # ------------------------------------------------------------------------------------------------------- reading

    def company_info(self) -> Row:
        """Return the company's CompanyInfo."""
        realm = self._sdk.company_id
        answer = self._single.read(self._with(lambda: self._sdk.get(f"{self._company}/companyinfo/{realm}")))
        return _part(answer, "CompanyInfo")

    def preferences(self) -> Row:
        """Return the company's Preferences."""
        answer = self._single.read(self._with(lambda: self._sdk.get(f"{self._company}/preferences")))
        found = _part(answer, "Preferences")
        self._home = home_currency(found)
        return found

    def _in_currency(self, entity: str, row: Row) -> Row:
        """Return an object with its currency: a company that has only one leaves it out, in whatever country it is."""
        if entity not in IN_A_CURRENCY or "CurrencyRef" in row or row.get("status") == "Deleted":
            return row
        if not self._home:
            self.preferences()
        return {**row, "CurrencyRef": {"value": self._home}}

    def query(self, entity: str, where: str = "", order: str = "", start: int = 1) -> Page:
        """Return one page, of at most 1,000 objects, of what matches."""
        clauses = [f"select * from {entity}", where and f"where {where}", order and f"ORDERBY {order}"]
        statement = f"{' '.join(filter(None, clauses))} STARTPOSITION {start} MAXRESULTS {PAGE}"
        answer = self._single.read(self._with(lambda: self._sdk.query(statement)))
        if "QueryResponse" not in answer:  # to take that for "there is none" would mean to write it again
            raise OutcomeUnknown("QuickBooks answered a query without its response")
        found = answer["QueryResponse"].get(entity, [])
        return Page([self._in_currency(entity, row) for row in found], answer_time(answer))

    def get(self, entity: str, id: str) -> Row:
        """Return one object; raises ``Refused`` when it is not there."""
        url = f"{self._company}/{entity.lower()}/{id}"
        return self._in_currency(entity, _part(self._single.read(self._with(lambda: self._sdk.get(url))), entity))

    def pages(self, entity: str, where: str = "") -> list[Row]:
        """Return every object that matches, of lists only active ones."""
        rows: list[Row] = []
        while page := self.query(entity, where, "Id", len(rows) + 1).rows:
            rows += page
            if len(page) < PAGE:
                break
        return rows

    def among(self, entity: str, field: str, values: Sequence[str]) -> list[Row]:
        """Return the objects whose ``field`` is one of ``values``, asking for as many at once as make a short text."""
        rows: list[Row] = []
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            quoted = ",".join(quote(value) for value in wanted[start : start + ASKED_AT_ONCE])
            rows += self.pages(entity, f"{field} in ({quoted})")
        return rows

    def named(self, entity: str, prefix: str) -> list[Row]:
        """Return the documents whose number begins with ``prefix``."""
        return self.pages(entity, f"DocNumber like {quote(prefix + '%')}")

    def capture(self, entities: Sequence[str], since: datetime) -> tuple[dict[str, list[Row]], datetime | None]:
        """Return what change data capture tells by entity, and when; raises ``Refused`` for more than 30 days back."""
        names, moment = ",".join(entities), time_text(since)
        answer = self._single.read(self._with(lambda: self._sdk.change_data_capture(names, moment)))
        parts: list[Row] = [part for one in answer.get("CDCResponse", []) for part in one.get("QueryResponse", [])]
        return {
            entity: [self._in_currency(entity, row) for part in parts for row in part.get(entity, [])]
            for entity in entities
        }, answer_time(answer)

    def pdf(self, entity: str, id: str) -> bytes:
        """Return a document as QuickBooks prints it."""

        def send(token: str) -> bytes:
            self._session.access_token = token
            content = self._sdk.download_pdf(entity, id)
            if not isinstance(content, bytes) or not content.startswith(b"%PDF"):
                raise OutcomeUnknown("QuickBooks answered no PDF")
            return content

        return self._single.read(send)

    def invoice_link(self, id: str) -> str:
        """Return the address of an invoice's own page; empty where online payments are off."""
        url = f"{self._company}/invoice/{id}"
        answer = self._single.read(self._with(lambda: self._sdk.get(url, params={"include": "invoiceLink"})))
        return str(_part(answer, "Invoice").get("InvoiceLink") or "")

    # ------------------------------------------------------------------------------------------------------- writing

    def mail(self, entity: str, id: str, email: str, key: str) -> None:
        """Let QuickBooks mail a document; it notes the address on it. The body is empty, the address in the query."""
        url = f"{self._company}/{entity.lower()}/{id}/send"
        send = self._with(
            lambda: self._sdk.post(
                url, content_type="application/octet-stream", params={"sendTo": email}, request_id=key
            )
        )
        self._single.write(send)

    def change(self, entity: str, body: Row, key: str, **how: str) -> Row:
        """Update one object, or do to it what ``how`` says (``operation="void"``); return it as it is then.

        Raises ``FaultError``: its code is ``STALE`` when somebody else was quicker.
        """
        url, text = f"{self._company}/{entity.lower()}", _encoder.encode(body).decode()
        send = self._with(lambda: self._sdk.post(url, text, params=dict(how), request_id=key))
        answer = _part(self._single.write(send), entity)
        try:
            return self._in_currency(entity, answer)
        except ConnectorError as error:
            raise OutcomeUnknown(f"QuickBooks took the change, but does not say its currency: {error}") from error

    def upload(self, described: Row, content: bytes, key: str) -> None:
        """Keep a file as an ``Attachable``; ``described`` says what it hangs on."""
        url, text = f"{self._company}/upload", _encoder.encode(described).decode()
        send = self._with(lambda: self._sdk.post(url, text, file_bytes=content, request_id=key))
        (answer,) = self._single.write(send).get("AttachableResponse") or [{}]
        if (fault := parse_fault(answer)) is not None:
            raise FaultError(f"QuickBooks refused the file: {fault.code} {fault.text}", fault.code)
        if "Attachable" not in answer:
            raise OutcomeUnknown("QuickBooks gave no clear answer about the file")

    def write(self, items: Sequence[Item], key: str) -> dict[str, Row | Fault]:
        """Write objects in one call; return the object or the fault by batch id.

        Items that were throttled one by one are sent again under a key derived from ``key``, so that a repetition of
        the whole call repeats every pass. Raises ``OutcomeUnknown`` when an item is unclear.
        """
        results: dict[str, Row | Fault] = {}
        waiting = list(items)
        for number in range(BATCH_PASSES):
            if number:
                self._clock.sleep(self._pause)
            try:
                results.update(self._batch(waiting, _pass_key(key, number)))
            except ConnectorError as error:
                if len(waiting) == len(items):
                    raise  # none of the passes before booked anything
                raise OutcomeUnknown(f"QuickBooks booked a part of the batch; the rest failed: {error}") from error
            waiting = [one for one in waiting if _is_throttled(results[one.id])]
            if not waiting:
                return results
        if len(waiting) == len(items):
            raise Retryable("QuickBooks throttles every item of the batch", self._pause)
        raise OutcomeUnknown("QuickBooks booked a part of the batch and throttles the rest")

    def _batch(self, items: Sequence[Item], key: str) -> dict[str, Row | Fault]:
        wanted = [{"bId": one.id, "operation": one.operation, one.entity: one.body} for one in items]
        text = _encoder.encode({"BatchItemRequest": wanted}).decode()
        send = self._with(lambda: self._sdk.post(f"{self._company}/batch", text, request_id=key))
        answers = {str(one.get("bId")): one for one in self._batches.write(send).get("BatchItemResponse", [])}
        results: dict[str, Row | Fault] = {}
        for id, entity, body, _ in items:
            answer = answers.get(id, {})
            fault = parse_fault(answer)
            if (fault is None and entity not in answer) or (
                fault is not None and fault.unclear and not fault.throttled
            ):
                raise OutcomeUnknown(f"QuickBooks gave no clear answer for item {id} of the batch: {fault}")
            currency = {"CurrencyRef": body["CurrencyRef"]} if "CurrencyRef" in body else {}
            results[id] = fault or {**currency, **answer[entity]}
        return results

    def _with(self, call: Callable[[], Any]) -> Callable[[str], Row]:
        """Return ``call`` as ``http.Caller`` makes it: with the token it gives, and a pause where none is told."""

        def send(token: str) -> Row:
            self._session.access_token = token
            try:
                answer = call()
            except (QuickbooksException, TypeError) as error:  # what the SDK makes of a fault or of no JSON object
                raise self._paused(_failure(self._session.last)) from error
            except Retryable as error:
                raise self._paused(error) from error
            if not isinstance(answer, dict):
                raise OutcomeUnknown(f"QuickBooks answered no JSON object: {http.redact(str(answer), 100)}")
            return answer

        return send

    def _paused(self, error: ConnectorError) -> ConnectorError:
        """Tell a throttled caller how long to wait where QuickBooks did not, and everybody else with it."""
        if isinstance(error, Retryable) and error.after is None:
            error.after, error.limit = self._pause, ANY_LIMIT
        return error


def _pass_key(key: str, number: int) -> str:
    return derived(key, str(number)) if number else key


def derived(key: str, *parts: str) -> str:
    """Return another key of 32 characters, the same for the same parts."""
    return hashlib.sha256("/".join((key, *parts)).encode()).hexdigest()[:32]


def _is_throttled(result: Row | Fault) -> bool:
    return isinstance(result, Fault) and result.throttled


def home_currency(preferences: Row) -> str:
    """Return the company's own currency; raises ``Refused`` where its preferences do not say it."""
    found = preferences.get("CurrencyPrefs", {}).get("HomeCurrency", {}).get("value")
    if not found:
        raise Refused("QuickBooks does not say the company's own currency (CurrencyPrefs.HomeCurrency)")
    return str(found)


def _part(answer: Row, name: str) -> Row:
    part: Row = answer.get(name) or {}
    return part


def quote(value: str) -> str:
    """Return a text as a literal of QuickBooks' query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def time_text(value: datetime) -> str:
    """Return a time as QuickBooks takes it, to the second."""
    return value.astimezone(UTC).isoformat(timespec="seconds")


def updated_at(row: Row) -> datetime:
    """Return when an object was last written (UTC)."""
    return datetime.fromisoformat(row["MetaData"]["LastUpdatedTime"]).astimezone(UTC)


def answer_time(answer: Row) -> datetime | None:
    """Return when QuickBooks made an answer, if it says so."""
    return datetime.fromisoformat(answer["time"]).astimezone(UTC) if answer.get("time") else None


def decimal(value: Any) -> Decimal:
    """Return a number of an answer; raises ``TypeError`` for a float, which would mean that digits are lost."""
    if isinstance(value, float | bool):
        raise TypeError(f"amounts are read as Decimal, not {value!r}")
    return Decimal(value)
