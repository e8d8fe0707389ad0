"""What all connectors share when they call a vendor: pace, retries, timeouts, redaction."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import urllib3

from connectors.base import Limit, Ports, Settings
from connectors.errors import (
    AuthExpired,
    ConnectorError,
    DailyLimit,
    Forbidden,
    OutcomeUnknown,
    Refused,
    Retryable,
    Unavailable,
)
from connectors.http import (
    READ_ATTEMPTS,
    TIMEOUT,
    Caller,
    Session,
    network_error,
    redact,
    retry_after,
    status_error,
)
from connectors.pace import FAILURES, REST, Pace
from tests.conftest import FixedToken, NoWait


class Watch(NoWait):
    """A clock that costs no time and remembers how long was slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


# ------------------------------------------------------------------------------------------------- retries of calls


class Vendor:
    """Answers each call with the next of ``answers``: an error to raise or a value to return."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.tokens: list[str] = []

    def __call__(self, token: str) -> Any:
        self.tokens.append(token)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Renewing:
    """Credentials whose first token is stale; each rejection gives the next."""

    def __init__(self) -> None:
        self.number = 1

    def access_token(self) -> str:
        return f"token-{self.number}"

    def rejected(self, token: str) -> str:
        self.number += 1
        return f"token-{self.number}"


def caller(clock: Watch | None = None, credentials: Any = None, limits: tuple[Limit, ...] = ()) -> Caller:
    ports = Ports(credentials=credentials or FixedToken("token-1"), clock=clock or Watch())
    return Caller(Pace(Settings(name="books", vendor="v", base_url="u"), ports, limits))


def test_a_read_survives_every_passing_failure() -> None:
    vendor = Vendor(OutcomeUnknown("timeout"), Retryable("busy"), OutcomeUnknown("502"), "answer")
    assert caller().read(vendor) == "answer"


def test_a_read_that_goes_on_failing_ends_as_retryable_since_nothing_can_have_happened() -> None:
    vendor = Vendor(*[OutcomeUnknown("timeout")] * 9)
    with pytest.raises(Retryable, match="timeout"):
        caller().read(vendor)
    assert len(vendor.tokens) == READ_ATTEMPTS


def test_a_write_whose_outcome_is_unknown_is_not_sent_again() -> None:
    vendor = Vendor(OutcomeUnknown("timeout"), "twice!")
    with pytest.raises(OutcomeUnknown):
        caller().write(vendor)
    assert len(vendor.tokens) == 1


def test_a_write_is_sent_again_when_the_vendor_surely_did_nothing() -> None:
    assert caller().write(Vendor(Retryable("429"), Retryable("429"), "made")) == "made"


def test_a_write_that_is_refused_for_its_pace_again_and_again_stays_retryable() -> None:
    vendor = Vendor(*[Retryable("429", 7.0)] * 9)
    with pytest.raises(Retryable) as refused:
        caller().write(vendor)
    assert (len(vendor.tokens), refused.value.after) == (READ_ATTEMPTS, 7.0)


def test_a_write_that_turns_unknown_after_a_retry_stops_there() -> None:
    vendor = Vendor(Retryable("429"), OutcomeUnknown("reset"), "twice!")
    with pytest.raises(OutcomeUnknown):
        caller().write(vendor)
    assert len(vendor.tokens) == 2


@pytest.mark.parametrize("method", ["read", "write"])
@pytest.mark.parametrize("error", [Refused("never"), DailyLimit("used up", datetime(2026, 1, 2, tzinfo=UTC))])
def test_what_waiting_cannot_mend_is_raised_at_once(method: str, error: ConnectorError) -> None:
    vendor, clock = Vendor(error), Watch()
    with pytest.raises(type(error)):
        getattr(caller(clock), method)(vendor)
    assert (len(vendor.tokens), clock.slept) == (1, [])


def test_the_vendors_own_waiting_time_is_kept_but_never_beyond_a_minute() -> None:
    clock = Watch()
    caller(clock).read(Vendor(Retryable("429", 3.0), Retryable("429", 900.0), Retryable("429", 0.0), "answer"))
    assert clock.slept == [3.0, 60.0, 0.0]


def test_without_one_the_waiting_time_doubles() -> None:
    clock = Watch()
    caller(clock).read(Vendor(*[OutcomeUnknown("502")] * 4, "answer"))
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("method", ["read", "write"])
def test_a_rejected_token_is_renewed_once_and_the_call_made_with_the_new_one(method: str) -> None:
    vendor = Vendor(AuthExpired("401"), "answer")
    assert getattr(caller(credentials=Renewing()), method)(vendor) == "answer"
    assert vendor.tokens == ["token-1", "token-2"]


def test_a_token_that_is_rejected_anew_is_not_renewed_for_ever() -> None:
    vendor, credentials = Vendor(AuthExpired("401"), AuthExpired("401"), "answer"), Renewing()
    with pytest.raises(AuthExpired):
        caller(credentials=credentials).write(vendor)
    assert credentials.number == 2


def test_a_fixed_token_that_is_rejected_needs_a_person() -> None:
    with pytest.raises(AuthExpired):
        caller().read(Vendor(AuthExpired("401")))


def test_every_try_counts_against_the_limits() -> None:
    clock, limit = Watch(), Limit("ten_seconds", 1, 10.0)
    vendor = Vendor(AuthExpired("401"), Retryable("429", 0.0), "answer")
    caller(clock, Renewing(), (limit,)).read(vendor)
    assert 20.0 <= clock.now < 20.2


# ---------------------------------------------------------------------------------------------- what an answer means


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (401, AuthExpired), (403, Forbidden), (423, Retryable), (429, Retryable), (500, OutcomeUnknown),
        (503, OutcomeUnknown), (302, OutcomeUnknown), (200, type(None)), (204, type(None)), (400, type(None)),
        (404, type(None)), (422, type(None)),
    ],
)  # fmt: skip
def test_a_status_means_the_same_at_every_vendor(status: int, meaning: type) -> None:
    assert type(status_error("Vendor", status, "detail")) is meaning


def test_a_403_means_that_the_account_was_disconnected_only_where_the_vendor_says_so() -> None:
    assert type(status_error("Vendor", 403, "AppDisconnected", cut_off="AppDisconnected")) is AuthExpired
    assert type(status_error("Vendor", 403, "MISSING_SCOPES", cut_off="AppDisconnected")) is Forbidden


def test_a_call_that_is_not_permitted_spends_no_new_token() -> None:
    credentials, vendor = Renewing(), Vendor(Forbidden("403"))
    with pytest.raises(Forbidden):
        caller(Watch(), credentials).write(vendor)
    assert (credentials.number, vendor.tokens) == (1, ["token-1"])


def test_the_waiting_time_of_a_refusal_is_read_from_its_header() -> None:
    error = status_error("Vendor", 429, "slow down", {"Retry-After": "12"})
    assert isinstance(error, Retryable)
    assert error.after == 12.0


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "", "Wed, 99 Foo 2026"])
def test_a_waiting_time_that_is_neither_number_nor_date_gives_the_default(value: str) -> None:
    assert retry_after({"Retry-After": value}, 5.0) == 5.0


@pytest.mark.parametrize("headers", [None, {}])
def test_without_a_waiting_time_there_is_the_default(headers: Any) -> None:
    assert retry_after(headers, 5.0) == 5.0


@pytest.mark.parametrize(
    ("until", "sent", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:27:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:29:00 GMT", 0.0),
        ("Wednesday, 21-Oct-26 07:28:00 GMT", "Wed, 21 Oct 2026 09:27:00 +0200", 60.0),
    ],
)
def test_a_waiting_time_that_is_a_date_counts_by_the_senders_clock(until: str, sent: str, seconds: float) -> None:
    assert retry_after({"Retry-After": until, "Date": sent}) == seconds


def test_a_date_from_a_sender_that_does_not_tell_its_time_counts_by_our_clock() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    assert retry_after({"Retry-After": until}) == pytest.approx(120, abs=2)


def test_a_refusal_for_pace_holds_back_every_call_that_it_concerns() -> None:
    clock = Watch()
    pace = Pace(
        Settings(name="books", vendor="v", base_url="u"),
        Ports(credentials=FixedToken("t"), clock=clock),
        (Limit("minute", 60, 60.0), Limit("search", 60, 60.0, only="search")),
    )
    searches, others = Caller(pace, "search"), Caller(pace)
    assert searches.read(Vendor(Retryable("429", 3.0, "any"), "found")) == "found"
    assert clock.now == 3.0
    others.write(Vendor(Retryable("429", 4.0, "search"), "made"))  # no search, so it must mean everything
    assert clock.now == 7.0
    pace.refused(Retryable("429", 5.0, "search"), pace.pool("search"))
    others.read(Vendor("at once"))
    assert clock.now == 7.0
    searches.read(Vendor("later"))
    assert clock.now == 12.0


def test_a_vendor_that_fails_again_and_again_is_left_alone_until_a_call_gets_through() -> None:
    clock = Watch()
    books = caller(clock)
    down = Vendor(*[OutcomeUnknown("502")] * 99)
    with pytest.raises(Retryable):
        books.read(down)
    with pytest.raises(Unavailable, match=r"books failed 8 times in a row and is left alone for 1\d s"):
        books.read(down)
    assert len(down.tokens) == FAILURES
    with pytest.raises(Unavailable):
        books.write(down)
    assert len(down.tokens) == FAILURES
    clock.now += REST
    with pytest.raises(OutcomeUnknown):
        books.write(down)  # the one call that tries
    with pytest.raises(Unavailable, match="30 s"):
        books.write(down)
    assert len(down.tokens) == FAILURES + 1
    clock.now += 2 * REST
    assert books.write(Vendor("back")) == "back"
    assert books.read(Vendor(OutcomeUnknown("502"), "still there")) == "still there"


@pytest.mark.parametrize("error", [Refused("no"), Retryable("429", 0.0, "any"), Retryable("locked", 0.1)])
def test_an_answer_that_makes_sense_is_no_failure_of_the_vendor(error: ConnectorError) -> None:
    books = caller()
    for _ in range(3 * FAILURES):
        with pytest.raises(type(error)):
            books.write(Vendor(*[error] * READ_ATTEMPTS))
    assert books.write(Vendor("made")) == "made"


SECRETS = [
    "Authorization: Bearer eyJhbGciOi.J9.abc-DEF_123",
    "authorization: basic QWxhZGRpbjpvcGVuc2VzYW1l",
    "No such API key: sk_live_51Hxyzabcdef",
    "rk_test_51Hxyzabcdef is not allowed",
    "token pat-na1-11111111-2222-3333 is expired",
    "signed with whsec_abcdef123456",
    '{"refresh_token": "AB11764912345", "x": 1}',
    "grant_type=refresh_token&refresh_token=AB11764912345",
    "{'access_token': 'eyJhbGciOi.J9.abc'}",
    "client_id=app&client_secret=s3cr3t-value",
    '{"password":"hunter2hunter2"}',
]


@pytest.mark.parametrize("text", SECRETS)
def test_nothing_that_looks_like_a_credential_survives_redaction(text: str) -> None:
    hidden = redact(text)
    assert "***" in hidden
    for secret in ("eyJ", "QWxh", "51Hx", "1111", "abcdef123456", "AB1176", "s3cr3t", "hunter2"):
        assert secret not in hidden


@pytest.mark.parametrize(
    "text",
    ["the access token expired an hour ago", "invalid_token", "basic plan", "DocNumber US-00012 is a duplicate"],
)
def test_plain_sentences_stay_readable(text: str) -> None:
    assert redact(text) == text


def test_long_answers_are_cut() -> None:
    assert len(redact("x" * 10_000)) == 500


def test_an_error_of_a_vendor_never_shows_the_credential_it_echoes() -> None:
    assert "sk_live_51H" not in str(status_error("Stripe", 401, "Invalid API Key provided: sk_live_51Habcdef"))


# --------------------------------------------------------------------------------------------------------- the session


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str]]]:
    """Serve on loopback; yields the address and the list of paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def elsewhere(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize("method", ["get", "post", "request"])
def test_a_session_follows_no_redirect(method: str) -> None:
    with serving(elsewhere) as (url, asked), Session() as session:
        arguments = ("GET", f"{url}/a") if method == "request" else (f"{url}/a",)
        assert getattr(session, method)(*arguments).status_code == 302
    assert asked == ["/a"]


def test_a_session_that_is_asked_to_follow_redirects_does_not() -> None:
    with serving(elsewhere) as (url, asked), Session() as session:
        session.get(f"{url}/a", allow_redirects=True)
    assert asked == ["/a"]


def test_a_session_always_has_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def send(self: Any, request: Any, **kwargs: Any) -> requests.Response:
        seen.append(kwargs["timeout"])
        response = requests.Response()
        response.status_code = 200
        response.raw = urllib3.HTTPResponse(io.BytesIO(b""), preload_content=False)
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with Session() as session:
        session.get("http://127.0.0.1:1/")
        session.post("http://127.0.0.1:1/", timeout=None)
        session.get("http://127.0.0.1:1/", timeout=5)
    assert seen == [TIMEOUT, TIMEOUT, 5]


def test_what_never_left_may_be_sent_again_and_what_broke_off_is_unknown() -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()

    with socket.socket() as free, Session() as session:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(requests.RequestException) as refused:
            session.post(f"http://127.0.0.1:{free.getsockname()[1]}/")
    never_left = network_error("Acme", refused.value)
    assert isinstance(never_left, Retryable)
    assert str(never_left).startswith("Acme could not be reached: ") and "refused" in str(never_left)
    with serving(cut) as (url, _), Session() as session, pytest.raises(requests.RequestException) as broken:
        session.post(f"{url}/a")
    assert isinstance(network_error("Acme", broken.value), OutcomeUnknown)


def test_a_vendor_that_stays_silent_is_given_up() -> None:
    release = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        release.wait(5)

    with serving(silent) as (url, _), Session() as session:
        with pytest.raises(requests.exceptions.RequestException):
            session.get(url, timeout=(0.2, 0.05))
        release.set()


def test_proxies_of_the_environment_are_used_and_read_once_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    session = Session()
    for _ in range(2):
        found = session.merge_environment_settings("https://a.example/x?y", {}, None, None, None)["proxies"]
        assert found["https"] == "http://proxy.example:3128"
        inside = session.merge_environment_settings("https://inside.example/", {}, None, None, None)["proxies"]
        assert "https" not in inside
        monkeypatch.delenv("HTTPS_PROXY", raising=False)
