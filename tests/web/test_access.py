"""Who gets in: names, forms of our own pages only, the password, sessions that end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from store import audit, invoices
from store.database import Store
from tests.web.conftest import TOKEN, pages, read, send, words
from tests.worlds import Live
from web.access import GUESSES, IDLE, WHOLE
from web.site import Site

Copied = Callable[..., tuple[FlaskClient, Store]]
PASSWORD = "correct horse battery staple"
OUTSIDE = ("127.0.0.1", "localhost", "[::1]", "books.example")
HTTPS = {"base_url": "https://books.example"}


class Clock:
    """The pages' clock, moved by hand."""

    def __init__(self, client: FlaskClient) -> None:
        site: Site = client.application.config["SITE"]
        self.at = site.world.now()
        site.world.now = lambda: self.at  # type: ignore[method-assign]

    def pass_by(self, time: timedelta) -> None:
        self.at += time


def placeholders(rule: Any) -> str:
    """Return an address that a rule of the application takes."""
    return re.sub(r"<(int:)?\w+>", "1", str(rule.rule))


# ---------------------------------------------------------------------------------------------------------------- forms


def test_every_form_without_its_token_is_refused_and_changes_nothing(copied: Copied) -> None:
    client, store = copied()
    with store:
        before = audit.head(store), [row.status for row in invoices.drafts(store)]
        rules = [rule for rule in client.application.url_map.iter_rules() if "POST" in (rule.methods or ())]
        assert {rule.endpoint for rule in rules} >= {"reviews.act", "documents.approve", "documents.approve_all"}
        for rule in rules:
            for data in ({}, {"csrf_token": "forged", "action": "dismiss", "reason": "x", "seen": "x"}):
                answer = client.post(placeholders(rule), data=data)
                assert answer.status_code == 400, rule
                assert "CSRF" in read(answer.get_data(as_text=True))
        assert (audit.head(store), [row.status for row in invoices.drafts(store)]) == before


def test_a_token_of_another_browser_is_refused(copied: Copied) -> None:
    client, store = copied()
    store.close()
    found = TOKEN.search(client.get("/drafts").get_data(as_text=True))
    assert found is not None
    other = client.application.test_client()
    other.get("/drafts")
    assert other.post("/drafts/approve", data={"csrf_token": found[1], "seen": "x"}).status_code == 400


@pytest.mark.parametrize(("site", "status"), [("cross-site", 400), ("same-site", 400), ("same-origin", 303)])
def test_a_form_that_the_browser_says_another_site_sent_is_refused(copied: Copied, site: str, status: int) -> None:
    client, store = copied()
    store.close()
    found = TOKEN.search(client.get("/drafts").get_data(as_text=True))
    assert found is not None
    data = {"csrf_token": found[1], "seen": "x"}
    assert client.post("/drafts/approve", data=data, headers={"Sec-Fetch-Site": site}).status_code == status


def test_only_forms_change_anything(walked: Live) -> None:
    before = walked.contents()
    client = pages(walked).test_client()
    for rule in client.application.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and "path:" not in rule.rule:
            client.get(placeholders(rule))
    assert walked.contents() == before


# ---------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("host", ["localhost", "localhost:8400", "127.0.0.1:8400", "[::1]:8400"])
def test_this_machines_own_names_are_answered(walked_client: FlaskClient, host: str) -> None:
    assert walked_client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1:8400", ""]
)
@pytest.mark.parametrize("path", ["/", "/health", "/static/netterms.css", "/review/1", "/nowhere"])
def test_under_a_foreign_name_nothing_is_shown(walked_client: FlaskClient, host: str, path: str) -> None:
    answer = walked_client.get(path, headers={"Host": host})
    text = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "Netterms does not answer to this name" in text
    assert "<" not in text


def test_pages_reached_from_elsewhere_need_a_password(empty: Live) -> None:
    with pytest.raises(ValueError, match="need a password"):
        pages(empty, hosts=OUTSIDE)


# ------------------------------------------------------------------------------------------------------------- password


@pytest.fixture
def locked(copied: Copied) -> Iterator[tuple[FlaskClient, Store, Clock]]:
    """The pages behind a password, on this machine."""
    client, store = copied(password=PASSWORD)
    with store:
        yield client, store, Clock(client)


def log_in(client: FlaskClient, password: str = PASSWORD, **how: Any) -> Any:
    found = TOKEN.search(client.get("/login", **how).get_data(as_text=True))
    assert found is not None
    return client.post("/login", data={"csrf_token": found[1], "password": password}, **how)


def test_on_this_machine_without_a_password_nobody_logs_in(walked_client: FlaskClient) -> None:
    assert "Log out" not in words(walked_client, "/")
    assert walked_client.get("/login").location == "/"


def test_without_login_every_page_leads_to_it_and_tells_nothing(locked: Any) -> None:
    client, _, _ = locked
    token = TOKEN.search(client.get("/login").get_data(as_text=True))
    assert token is not None
    for rule in client.application.url_map.iter_rules():
        if rule.endpoint not in ("static", "access.login", "access.enter", "pages.health"):
            method = "GET" if "GET" in rule.methods else "POST"
            path = placeholders(rule)
            data = {} if method == "GET" else {"csrf_token": token[1]}
            answer = client.open(path, method=method, data=data)
            assert (answer.status_code, answer.location) == (303, "/login"), rule
            assert "UK-" not in answer.get_data(as_text=True)
    assert client.get("/health").json == {"status": "ok"}
    assert "Customers" not in words(client, "/login")


def test_the_password_opens_the_page_that_was_asked_for(locked: Any) -> None:
    client, store, _ = locked
    client.get("/invoices?state=overdue")
    answer = log_in(client)
    assert (answer.status_code, answer.location) == (303, "/invoices?state=overdue")
    assert "UK-00007" in words(client, "/invoices")
    assert audit.entries(store, "pages")[-1].action == "login"
    assert "connections" in client.get("/health").json


def test_a_wrong_password_is_refused_and_audited_without_it(locked: Any) -> None:
    client, store, _ = locked
    answer = log_in(client, "correct horse battery stable")
    assert answer.status_code == 401
    assert "That is not the password." in read(answer.get_data(as_text=True))
    assert client.get("/").status_code == 303
    entry = audit.entries(store, "pages")[-1]
    assert (entry.actor, entry.action, entry.reason) == ("person web", "login refused", "127.0.0.1")
    assert not any("stable" in str(value) for (value,) in store.tuples("SELECT after FROM audit"))


def test_an_address_has_few_guesses_a_minute_and_the_right_one_is_not_taken_beyond_them(locked: Any) -> None:
    client, _, clock = locked
    statuses = [log_in(client, f"guess {number}").status_code for number in range(GUESSES)]
    assert statuses == [401] * GUESSES
    answer = log_in(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert "Wait a minute" in read(answer.get_data(as_text=True))
    elsewhere = log_in(client, environ_base={"REMOTE_ADDR": "127.0.0.9"})
    assert elsewhere.status_code == 303
    clock.pass_by(timedelta(seconds=61))
    assert log_in(client.application.test_client()).status_code == 303


def test_a_session_ends_when_nobody_uses_it(locked: Any) -> None:
    client, _, clock = locked
    log_in(client)
    clock.pass_by(IDLE - timedelta(seconds=1))
    assert client.get("/").status_code == 200
    clock.pass_by(IDLE)
    assert client.get("/").status_code == 303


def test_a_session_in_use_ends_too(locked: Any) -> None:
    client, _, clock = locked
    log_in(client)
    for _ in range(int(WHOLE / timedelta(minutes=30)) - 1):
        clock.pass_by(timedelta(minutes=30))
        assert client.get("/").status_code == 200
    clock.pass_by(timedelta(minutes=30))
    assert client.get("/").status_code == 303


def test_who_logs_out_is_out_even_with_a_copy_of_the_cookie(locked: Any) -> None:
    client, _, _ = locked
    log_in(client)
    copy = client.get_cookie("netterms").value
    assert send(client, "/logout", seen_on="/").location == "/login"
    client.set_cookie("netterms", copy)
    assert client.get("/").status_code == 303


def test_a_cookie_signed_by_somebody_else_opens_nothing(locked: Any, walked: Live) -> None:
    client, _, _ = locked
    other = pages(walked, secret="another secret", password=PASSWORD).test_client()
    log_in(other)
    cookie = other.get_cookie("netterms")
    assert cookie is not None
    client.set_cookie("netterms", cookie.value)
    assert client.get("/").status_code == 303


def test_what_stood_in_a_session_before_the_login_does_not_live_on_in_it(locked: Any) -> None:
    client, _, _ = locked
    client.get("/login")
    with client.session_transaction() as session:
        session["id"] = "planted"
    log_in(client)
    with client.session_transaction() as session:
        assert session["id"] != "planted"


def test_on_this_machine_the_cookie_is_kept_from_scripts_and_other_sites(locked: Any) -> None:
    client, _, _ = locked
    cookie = log_in(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie


def test_elsewhere_the_cookie_travels_over_tls_only_and_belongs_to_the_name(walked: Live, copied: Copied) -> None:
    client, store = copied(password=PASSWORD, hosts=OUTSIDE)
    store.close()
    answer = log_in(client, **HTTPS)
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-netterms=")
    assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Domain" not in cookie
    assert client.get("/", **HTTPS).status_code == 200
    assert client.get("/", base_url="https://other.example").status_code == 400


def test_the_password_is_not_kept_by_the_application(walked: Live) -> None:
    application = pages(walked, password=PASSWORD)
    kept = [*application.config.values(), *vars(application.extensions["netterms_door"]).values()]
    assert not any(PASSWORD in repr(value) for value in kept)
