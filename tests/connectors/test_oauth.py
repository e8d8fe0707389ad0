"""OAuth tokens: renewed early, by one caller at a time, and saved before they are used."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
import pytest
from cryptography.fernet import Fernet

from connectors.errors import AuthExpired, Refused, Retryable
from connectors.oauth import Consent, FixedToken, Flow, OAuthToken, Token
from store import locks
from store.tokens import Tokens

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Fernet.generate_key().decode()
ORIGIN = hashlib.sha256(b"refresh-0").hexdigest()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of a connection's OAuth."""

    token_url: str
    client_id: str = "app"
    client_secret: str = "app-secret"
    refresh_token: str = "refresh-0"
    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    authorize_url: str = ""


class Issuer:
    """A token address on this machine that rotates refresh tokens: each is accepted once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, str]] = []
        self.clients: list[str] = []
        self.valid = "refresh-0"
        self.expires_in: int | None = 1800
        self.seconds = 0.0  # how long an answer takes
        self.answer: tuple[int, bytes] | None = None  # instead of a token

    def respond(self, form: dict[str, str], client: str) -> tuple[int, bytes]:
        time.sleep(self.seconds)
        self.asked.append(form)
        self.clients.append(client)
        if self.answer is not None:
            return self.answer
        number = len(self.asked)
        if form["grant_type"] == "client_credentials":
            return 200, json.dumps({"access_token": f"access-{number}", "expires_in": 1800}).encode()
        if form["refresh_token"] != self.valid:
            return 400, b'{"error":"invalid_grant"}'
        self.valid = f"refresh-{number}"
        body = {"access_token": f"access-{number}", "refresh_token": self.valid, "token_type": "bearer"}
        return 200, json.dumps(body if self.expires_in is None else {**body, "expires_in": self.expires_in}).encode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            status, body = found.respond(form, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Issuer(f"http://127.0.0.1:{server.server_port}/token")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens[Token]:
    return Tokens(tmp_path / "store.db", KEY, Token)


def oauth(issuer: Issuer, tokens: Any, now: datetime = NOW, **settings: Any) -> OAuthToken:
    return OAuthToken("books", Settings(token_url=issuer.url, **settings), tokens, lambda: now)


def kept(tokens: Tokens[Token], minutes: float, access: str = "access-0") -> None:
    """Keep a token that lives for so many minutes more."""
    expires = NOW + timedelta(minutes=minutes)
    tokens.save("books", Token(access_token=access, refresh_token="refresh-0", expires_at=expires))


def test_the_first_token_comes_from_the_configured_refresh_token(issuer: Issuer, tokens: Tokens[Token]) -> None:
    assert oauth(issuer, tokens).access_token() == "access-1"
    assert issuer.asked == [{"grant_type": "refresh_token", "refresh_token": "refresh-0"}]
    assert issuer.clients == ["Basic " + base64.b64encode(b"app:app-secret").decode()]


def test_a_token_with_life_left_is_used_without_asking(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=6)
    assert oauth(issuer, tokens).access_token() == "access-0"
    assert issuer.asked == []


@pytest.mark.parametrize("minutes", [4.9, 0, -60])
def test_a_token_is_renewed_before_it_dies(issuer: Issuer, tokens: Tokens[Token], minutes: float) -> None:
    kept(tokens, minutes)
    assert oauth(issuer, tokens).access_token() == "access-1"


def test_the_next_renewal_uses_the_refresh_token_that_came_with_the_last(issuer: Issuer, tokens: Tokens[Token]) -> None:
    oauth(issuer, tokens).access_token()
    assert oauth(issuer, tokens, NOW + timedelta(hours=1)).access_token() == "access-2"
    assert [form["refresh_token"] for form in issuer.asked] == ["refresh-0", "refresh-1"]


def test_a_renewed_token_is_saved_before_it_is_used(issuer: Issuer, tokens: Tokens[Token], tmp_path: Path) -> None:
    assert oauth(issuer, tokens).access_token() == "access-1"
    elsewhere = Tokens(tmp_path / "store.db", KEY, Token)
    saved = Token(access_token="access-1", refresh_token="refresh-1", expires_at=NOW + timedelta(seconds=1800))
    assert elsewhere.load("books") == msgspec.structs.replace(saved, origin=ORIGIN)


def test_a_token_that_cannot_be_saved_is_not_used(issuer: Issuer, tokens: Tokens[Token]) -> None:
    class Full(Tokens[Token]):
        def save(self, connection: str, token: Token) -> None:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        oauth(issuer, Full(tokens._path, KEY, Token)).access_token()


def test_five_threads_with_an_expired_token_make_one_call(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=-1)
    issuer.seconds = 0.1
    credentials = oauth(issuer, tokens)
    with ThreadPoolExecutor(5) as threads:
        found = list(threads.map(lambda _: credentials.access_token(), range(5)))
    assert found == ["access-1"] * 5
    assert len(issuer.asked) == 1


RENEWING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from connectors.oauth import OAuthToken, Token
from store.tokens import Tokens
import config
path, key, url, now = sys.argv[1:]
settings = config.OAuth(token_url=url, client_id="app", client_secret="app-secret", refresh_token="refresh-0")
credentials = OAuthToken("books", settings, Tokens(Path(path), key, Token), lambda: datetime.fromisoformat(now))
print("ready", flush=True)
sys.stdin.readline()
print(credentials.access_token())
"""


def test_two_processes_with_an_expired_token_make_one_call(
    issuer: Issuer, tokens: Tokens[Token], tmp_path: Path
) -> None:
    kept(tokens, minutes=-1)
    issuer.seconds = 0.3
    command = [sys.executable, "-c", RENEWING, str(tmp_path / "store.db"), KEY, issuer.url, NOW.isoformat()]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate()[0].strip() for one in running] == ["access-1"] * 2
    assert len(issuer.asked) == 1


def test_everyone_whose_token_was_rejected_makes_one_call_together(issuer: Issuer, tmp_path: Path) -> None:
    """Each has a connection to the store of its own, as processes have."""
    stores = [Tokens(tmp_path / "store.db", KEY, Token) for _ in range(5)]
    kept(stores[0], minutes=60)
    issuer.seconds = 0.1
    with ThreadPoolExecutor(5) as threads:
        found = list(threads.map(lambda own: oauth(issuer, own).rejected("access-0"), stores))
    assert found == ["access-1"] * 5
    assert len(issuer.asked) == 1


def test_who_waits_for_a_renewal_that_does_not_end_tries_again_later(
    issuer: Issuer, tokens: Tokens[Token], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.02)
    kept(tokens, minutes=-1)
    with tokens.lock("books"), pytest.raises(Retryable, match="another process renews its token"):
        oauth(issuer, tokens).access_token()
    assert issuer.asked == []
    assert oauth(issuer, tokens).access_token() == "access-1"


def test_a_token_that_could_not_be_saved_is_saved_before_anything_else_and_its_refresh_token_is_not_lost(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    class FullOnce(Tokens[Token]):
        full = True

        def save(self, connection: str, token: Token) -> None:
            if self.full:
                self.full = False
                raise OSError("the disk is full")
            super().save(connection, token)

    credentials = oauth(issuer, FullOnce(tokens._path, KEY, Token))
    with pytest.raises(OSError, match="full"):
        credentials.access_token()
    assert credentials.access_token() == "access-1"
    assert len(issuer.asked) == 1
    stored = tokens.load("books")
    assert stored is not None
    assert stored.refresh_token == "refresh-1"


def test_a_token_that_could_not_be_saved_gives_way_to_a_consent_given_since(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    class FullOnce(Tokens[Token]):
        full = True

        def save(self, connection: str, token: Token) -> None:
            if self.full:
                self.full = False
                raise OSError("the disk is full")
            super().save(connection, token)

    kept(tokens, minutes=-1)
    credentials = oauth(issuer, FullOnce(tokens._path, KEY, Token))
    with pytest.raises(OSError, match="full"):
        credentials.access_token()
    expires = NOW + timedelta(hours=1)
    tokens.save("books", Token(access_token="access-new", refresh_token="refresh-new", expires_at=expires))
    assert credentials.rejected("access-0") == "access-new"


def test_a_process_killed_between_answer_and_saving_asks_again_with_the_old_refresh_token(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    """All that is left then is the vendor's grace: Xero takes the old one for half an hour more."""
    kept(tokens, minutes=-1)
    issuer.respond({"grant_type": "refresh_token", "refresh_token": "refresh-0"}, "")  # the answer that was lost
    issuer.valid = "refresh-0"  # within the grace
    assert oauth(issuer, tokens).access_token() == "access-2"


def test_an_expired_token_that_another_process_left_is_renewed_and_not_taken(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    kept(tokens, minutes=-10, access="access-later")
    assert oauth(issuer, tokens).rejected("access-before") == "access-1"


def test_a_rejected_token_is_renewed_though_its_time_is_not_up(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=60)
    assert oauth(issuer, tokens).rejected("access-0") == "access-1"


def test_a_token_rejected_after_somebody_renewed_it_is_replaced_without_a_call(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    kept(tokens, minutes=60, access="access-new")
    assert oauth(issuer, tokens).rejected("access-old") == "access-new"
    assert issuer.asked == []


def test_a_dead_grant_needs_a_person_and_the_stored_token_stays(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=-1)
    issuer.valid = "another"
    with pytest.raises(AuthExpired, match=r"books: .*invalid_grant.*connect it anew"):
        oauth(issuer, tokens).access_token()
    stored = tokens.load("books")
    assert stored is not None
    assert stored.refresh_token == "refresh-0"


def test_a_dead_grant_is_not_asked_for_again_by_anybody(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=-1)
    issuer.valid = "another"
    with pytest.raises(AuthExpired):
        oauth(issuer, tokens, refresh_token="").access_token()
    asked = len(issuer.asked)
    for use in (
        oauth(issuer, tokens, refresh_token="").access_token,
        lambda: oauth(issuer, tokens, refresh_token="").rejected("access-0"),
    ):
        with pytest.raises(AuthExpired, match="invalid_grant"):
            use()
    assert len(issuer.asked) == asked


def test_a_token_with_life_left_is_not_used_once_its_grant_is_dead(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=60)
    issuer.valid = "another"
    credentials = oauth(issuer, tokens)
    with pytest.raises(AuthExpired):
        credentials.rejected("access-0")
    with pytest.raises(AuthExpired):
        credentials.access_token()


def test_another_refresh_token_in_the_configuration_takes_the_place_of_a_dead_one(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    issuer.valid = "another"
    with pytest.raises(AuthExpired):
        oauth(issuer, tokens).access_token()
    with pytest.raises(AuthExpired):
        oauth(issuer, tokens).access_token()
    assert len(issuer.asked) == 1
    assert oauth(issuer, tokens, refresh_token="another").access_token() == "access-2"
    assert oauth(issuer, tokens, NOW + timedelta(hours=1), refresh_token="another").access_token() == "access-3"


def test_a_secret_that_is_wrong_does_not_kill_the_grant(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=-1)
    for answer in ((401, b'{"error": "invalid_client"}'), (400, b'{"error": "invalid_client"}'), (403, b"")):
        issuer.answer = answer
        with pytest.raises(AuthExpired):
            oauth(issuer, tokens).access_token()
    issuer.answer = None
    assert oauth(issuer, tokens).access_token() == f"access-{len(issuer.asked)}"


def test_a_connection_that_nobody_has_made_yet_says_so(issuer: Issuer, tokens: Tokens[Token]) -> None:
    with pytest.raises(AuthExpired, match="nobody has connected it yet"):
        oauth(issuer, tokens, refresh_token="").access_token()
    assert issuer.asked == []


def test_a_token_address_that_knows_no_basic_authentication_gets_the_client_in_the_form(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    settings = Settings(token_url=issuer.url)
    flow = Flow(authorize_url="u", scopes="", accounts=lambda _: {}, client_in_form=True)
    assert OAuthToken("crm", settings, tokens, lambda: NOW, flow=flow).access_token() == "access-1"
    assert issuer.clients == [""]
    assert (issuer.asked[0]["client_id"], issuer.asked[0]["client_secret"]) == ("app", "app-secret")


def test_without_a_refresh_token_the_clients_own_credentials_are_used(issuer: Issuer, tokens: Tokens[Token]) -> None:
    credentials = oauth(issuer, tokens, refresh_token="", grant="client_credentials")
    assert credentials.access_token() == "access-1"
    assert credentials.rejected("access-1") == "access-2"
    assert issuer.asked == [{"grant_type": "client_credentials"}] * 2


def test_an_answer_without_a_new_refresh_token_keeps_the_old_one(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.answer = (200, b'{"access_token": "access-x", "expires_in": 3600}')
    assert oauth(issuer, tokens).access_token() == "access-x"
    stored = tokens.load("books")
    assert stored == Token(
        access_token="access-x", refresh_token="refresh-0", expires_at=NOW + timedelta(seconds=3600), origin=ORIGIN
    )


def test_an_answer_without_a_life_time_counts_for_half_an_hour(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.expires_in = None
    oauth(issuer, tokens).access_token()
    stored = tokens.load("books")
    assert stored is not None
    assert stored.expires_at == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops"),
        (429, b""),
        (302, b""),
        (200, b"<html>maintenance</html>"),
        (200, b'{"error": "try later"}'),
        (200, b"[]"),
        (200, b'{"access_token": "a", "expires_in": "soon"}'),
    ],
)
def test_an_answer_that_is_no_token_may_be_asked_for_again(
    issuer: Issuer, tokens: Tokens[Token], answer: tuple[int, bytes]
) -> None:
    issuer.answer = answer
    with pytest.raises(Retryable, match="books"):
        oauth(issuer, tokens).access_token()
    assert tokens.load("books") is None


def test_a_token_address_that_does_not_answer_may_be_asked_again(tokens: Tokens[Token]) -> None:
    nowhere = Issuer("http://127.0.0.1:9/token")
    with pytest.raises(Retryable, match="did not answer"):
        oauth(nowhere, tokens).access_token()


def test_an_error_of_the_token_address_never_shows_a_secret(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.answer = (400, b'{"error":"invalid_grant","refresh_token":"refresh-0-secret"}')
    with pytest.raises(AuthExpired) as refused:
        oauth(issuer, tokens).access_token()
    assert "refresh-0" not in str(refused.value)
    assert "app-secret" not in str(refused.value)


def test_a_fixed_token_is_given_as_it_is_and_cannot_be_renewed() -> None:
    fixed = FixedToken("crm", "pat-1")
    assert fixed.access_token() == "pat-1"
    with pytest.raises(AuthExpired, match=r"crm: .*put a valid one in its place"):
        fixed.rejected("pat-1")


# ------------------------------------------------------------------------------------------------- a person's consent


def consent(issuer: Issuer, tokens: Any, accounts: dict[str, str], account: str = "", *, pkce: bool = True) -> Consent:
    flow = Flow(authorize_url="https://vendor.example/ask", scopes="a b", accounts=lambda _: accounts, pkce=pkce)
    settings = Settings(token_url=issuer.url)
    return Consent("books", flow, settings, tokens, "http://127.0.0.1:9", account, lambda: NOW)


def test_when_the_grant_ends_is_kept_as_the_vendor_says_and_moves_on_as_it_says(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    flow = Flow(authorize_url="u", scopes="", accounts=lambda _: {"1": ""}, lives=("idle", "hard"))
    asking = Consent("books", flow, Settings(token_url=issuer.url), tokens, "", "", lambda: NOW)
    said = {"access_token": "a", "refresh_token": "refresh-0", "expires_in": 60}
    for lives, days in (({"idle": 86_400 * 100, "hard": 86_400 * 20}, 20), ({"idle": 86_400}, 1), ({}, None)):
        issuer.answer = (200, json.dumps({**said, **lives}).encode())
        asking.accept(CODE, "r", "v")
        OAuthToken("books", Settings(token_url=issuer.url), tokens, lambda: NOW, flow=flow).access_token()
        stored = tokens.load("books")
        assert stored is not None
        assert stored.grant_ends == (None if days is None else NOW + timedelta(days=days))


CODE = {"code": "c-1", "state": "s"}
GIVEN = (200, b'{"access_token": "access-c", "refresh_token": "refresh-c", "expires_in": 1800}')


def test_the_browser_is_sent_with_the_hash_of_a_secret_that_the_token_address_gets(
    issuer: Issuer, tokens: Tokens[Token]
) -> None:
    asking = consent(issuer, tokens, {"1": "Example"})
    url, _, query = asking.address("state-1", "https://us.example/oauth/callback", "a-verifier").partition("?")
    hashed = base64.urlsafe_b64encode(hashlib.sha256(b"a-verifier").digest()).rstrip(b"=").decode()
    assert url == "https://vendor.example/ask"
    assert dict(parse_qsl(query)) == {
        "response_type": "code", "client_id": "app", "redirect_uri": "https://us.example/oauth/callback",
        "scope": "a b", "state": "state-1", "code_challenge": hashed, "code_challenge_method": "S256",
    }  # fmt: skip
    issuer.answer = GIVEN
    assert asking.accept(CODE, "https://us.example/oauth/callback", "a-verifier") == "Example"
    assert issuer.asked[-1] == {
        "grant_type": "authorization_code", "code": "c-1", "redirect_uri": "https://us.example/oauth/callback",
        "code_verifier": "a-verifier",
    }  # fmt: skip


def test_a_vendor_without_pkce_is_told_nothing_of_it(issuer: Issuer, tokens: Tokens[Token]) -> None:
    asking = consent(issuer, tokens, {"1": ""}, pkce=False)
    assert "challenge" not in asking.address("s", "r", "v")
    issuer.answer = GIVEN
    asking.accept(CODE, "r", "v")
    assert "code_verifier" not in issuer.asked[-1]


def test_a_consent_is_kept_with_its_account_and_replaces_a_dead_token(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.valid = "another"
    with pytest.raises(AuthExpired):
        oauth(issuer, tokens, refresh_token="refresh-dead").access_token()
    issuer.answer = GIVEN
    assert consent(issuer, tokens, {"1": ""}).accept(CODE, "r", "v") == "1"
    issuer.answer, issuer.valid = None, "refresh-c"
    assert oauth(issuer, tokens, refresh_token="refresh-dead").access_token() == "access-c"
    later = oauth(issuer, tokens, NOW + timedelta(hours=1), refresh_token="refresh-dead")
    assert later.access_token() == f"access-{len(issuer.asked)}"
    stored = tokens.load("books")
    assert stored is not None
    assert (stored.account, stored.refused) == ("1", "")


@pytest.mark.parametrize(
    ("accounts", "account", "problem"),
    [
        ({"2": "Other"}, "1", r"for account 1, but the consent is for Other \(2\)"),
        ({"1": "A", "2": "B"}, "", "write the one that is meant"),
        ({}, "", "the consent is for none"),
    ],
)
def test_a_consent_for_another_account_is_not_kept(
    issuer: Issuer, tokens: Tokens[Token], accounts: dict[str, str], account: str, problem: str
) -> None:
    issuer.answer = GIVEN
    with pytest.raises(Refused, match=problem):
        consent(issuer, tokens, accounts, account).accept(CODE, "r", "v")
    assert tokens.load("books") is None


def test_a_connection_stays_with_the_account_that_it_was_made_for(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.answer = GIVEN
    consent(issuer, tokens, {"1": ""}).accept(CODE, "r", "v")
    with pytest.raises(Refused, match="for account 1, but"):
        consent(issuer, tokens, {"2": ""}).accept(CODE, "r", "v")
    assert consent(issuer, tokens, {"2": "", "1": "Ours"}).accept(CODE, "r", "v") == "Ours"
    assert consent(issuer, tokens, {"2": ""}, account="2").accept(CODE, "r", "v") == "2"  # the configuration says so


def test_a_code_that_the_vendor_does_not_take_changes_nothing(issuer: Issuer, tokens: Tokens[Token]) -> None:
    kept(tokens, minutes=60)
    issuer.answer = (400, b'{"error": "invalid_grant"}')
    with pytest.raises(AuthExpired, match=r"gave no token .*invalid_grant"):
        consent(issuer, tokens, {"1": ""}).accept(CODE, "r", "v")
    assert oauth(issuer, tokens).access_token() == "access-0"


def test_a_consent_that_would_end_with_its_first_token_is_refused(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.answer = (200, b'{"access_token": "access-c"}')
    with pytest.raises(Refused, match="no refresh token"):
        consent(issuer, tokens, {"1": ""}).accept(CODE, "r", "v")


def test_a_vendor_that_does_not_say_which_account_it_is_gets_another_try(issuer: Issuer, tokens: Tokens[Token]) -> None:
    issuer.answer = GIVEN
    flow = Flow(authorize_url="u", scopes="", accounts=lambda granted: granted.read("/connections"))
    asking = Consent("books", flow, Settings(token_url=issuer.url), tokens, "http://127.0.0.1:9", "", lambda: NOW)
    with pytest.raises(Retryable, match="does not say which account"):
        asking.accept(CODE, "r", "v")
    assert tokens.load("books") is None
