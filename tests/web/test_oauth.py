"""A person connects a connection in a browser: at the stand-ins over loopback, the whole way there and back."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import app
from connectors.errors import AuthExpired
from store import audit, runs
from store.database import Store
from tests.web.conftest import read, send, words
from tests.worlds import Live
from web import create_app, oauth
from web.access import Access
from web.site import Site

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
FIXED = {"hubspot": "pat-sandbox-1", "quickbooks_us": "sandbox-quickbooks-1", "xero_uk": "sandbox-xero-1"}
ADDRESSES = {  # under the stand-in of the vendor: where consent is asked for, where tokens are given
    "hubspot": ("hubspot/oauth/authorize", "hubspot/oauth/2026-03/token"),
    "quickbooks_us": ("quickbooks/connect/oauth2", "quickbooks/oauth2/v1/tokens/bearer"),
    "xero_uk": ("xero/identity/connect/authorize", "xero/connect/token"),
}
ACCOUNTS = {"quickbooks_us": "9130350000000001", "xero_uk": "5d4f1c1e-0000-4000-8000-00000000c0de"}
NAMES = {"hubspot": "HubSpot account", "quickbooks_us": "9130350000000001", "xero_uk": "Northwind"}
CONNECTIONS = list(ADDRESSES)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A configuration whose connections are to be made by consent; which accounts they are for it leaves open."""
    monkeypatch.setenv("NETTERMS_KEY", KEY)
    live = Live(tmp_path)
    for name, (ask, token) in ADDRESSES.items():
        url = live.running.url
        live.configure(f'token = "{FIXED[name]}"\n', f'oauth = {{ token_url = "{url}/{token}", grant = '
                       f'"authorization_code", authorize_url = "{url}/{ask}", client_id = "app", '
                       'client_secret = "app-secret" }\n')  # fmt: skip
        if name in ACCOUNTS:
            live.configure(f'account = "{ACCOUNTS[name]}"\n', "")
    return live


def pages(live: Live, **access: str) -> Flask:
    config = app.load_config(live.file)
    world = app.LiveWorld(config, urgent=True)
    hosts = config.web_hosts
    made = create_app(config.store, world, config.cadence, Access(secret="of tests", hosts=hosts, **access))
    oauth.install(made, app.consents(config, world))
    return made


@pytest.fixture
def client(live: Live) -> FlaskClient:
    return pages(live).test_client()


def depart(client: FlaskClient, name: str) -> str:
    """Press the button; return where the browser is sent."""
    sent = send(client, f"/connections/{name}/connect", seen_on="/connections")
    assert sent.status_code == 303, sent.get_data(as_text=True)
    return str(sent.headers["Location"])


def agree(url: str) -> str:
    """Agree at the stand-in; return where it sends the browser back to, without our host."""
    answer = requests.get(url, allow_redirects=False, timeout=5)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert back.path == "/oauth/callback"
    return f"{back.path}?{back.query}"


def outcome(client: FlaskClient, answer: TestResponse) -> str:
    assert answer.status_code == 303, read(answer.get_data(as_text=True))
    return words(client, "/connections")


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_person_connects_and_the_connection_works(live: Live, client: FlaskClient, name: str) -> None:
    found = words(client, "/connections")
    assert "connect it" in found
    told = outcome(client, client.get(agree(depart(client, name))))
    assert f"{name} is connected with {NAMES[name]}" in told
    world = app.LiveWorld(app.load_config(live.file))
    assert world.connector(name).probe().account_name
    with live.store() as store:
        assert runs.connection_states(store)[name].state == "ok"
        assert [entry.action for entry in audit.entries(store, f"connection:{name}")] == ["connected"]
        assert audit.verify(store) is None
        ((sealed,),) = store.tuples("SELECT sealed FROM tokens")
        assert b"sandbox" not in sealed


def test_the_account_that_a_consent_was_for_is_the_one_that_is_called(live: Live, client: FlaskClient) -> None:
    config = app.load_config(live.file)
    world = app.LiveWorld(config)
    world.connector("xero_uk")  # made before anybody connected it, for no account
    client.get(agree(depart(client, "xero_uk")))
    assert world.connector("xero_uk").probe().account_name
    assert app.LiveWorld(config).account(config.connections["xero_uk"]) == ACCOUNTS["xero_uk"]
    assert app.inbox(config).senders["xero_uk"].account == ACCOUNTS["xero_uk"]  # whose webhooks it takes, too


def test_a_consent_for_another_account_than_configured_is_refused(live: Live) -> None:
    live.configure('vendor = "quickbooks"\n', 'vendor = "quickbooks"\naccount = "42"\n')
    client = pages(live).test_client()
    told = outcome(client, client.get(agree(depart(client, "quickbooks_us"))))
    assert "quickbooks_us is for account 42, but the consent is for 9130350000000001" in told
    assert live.rows("SELECT * FROM tokens") == []


def test_an_answer_is_taken_once(client: FlaskClient) -> None:
    back = agree(depart(client, "xero_uk"))
    assert client.get(back).status_code == 303
    again = client.get(back)
    assert again.status_code == 400
    assert "belongs to no connection" in read(again.get_data(as_text=True))


def test_an_answer_is_taken_in_the_browser_that_asked_and_in_no_other(live: Live) -> None:
    """Else somebody could let us into his own account by a link that he sends."""
    made = pages(live)
    victim, attacker = made.test_client(), made.test_client()
    back = agree(depart(attacker, "xero_uk"))
    assert victim.get(back).status_code == 400
    depart(victim, "xero_uk")
    assert victim.get(back).status_code == 400
    assert live.rows("SELECT * FROM tokens") == []


@pytest.mark.parametrize("state", ["", "made-up", "ü"])
def test_an_answer_that_nobody_asked_for_is_refused(client: FlaskClient, state: str) -> None:
    depart(client, "xero_uk")
    assert client.get("/oauth/callback", query_string={"code": "x", "state": state}).status_code == 400


def test_an_answer_that_comes_too_late_is_refused(client: FlaskClient) -> None:
    back = agree(depart(client, "xero_uk"))
    site: Site = client.application.config["SITE"]
    late = site.world.now() + oauth.LIFE + timedelta(seconds=1)
    site.world.now = lambda: late  # type: ignore[method-assign]
    assert client.get(back).status_code == 400


def test_a_person_who_declines_is_told_so_and_nothing_changes(live: Live, client: FlaskClient) -> None:
    state = dict(parse_qsl(urlsplit(depart(client, "xero_uk")).query))["state"]
    answer = client.get("/oauth/callback", query_string={"error": "access_denied", "state": state})
    assert "xero_uk is not connected: the vendor says 'access_denied'" in outcome(client, answer)
    assert live.rows("SELECT * FROM tokens") == []


def test_a_code_for_another_verifier_gives_no_token(live: Live, client: FlaskClient) -> None:
    url = depart(client, "xero_uk")
    stolen = agree(re.sub(r"code_challenge=[^&]+", "code_challenge=somebody-elses", url))
    assert "It is not connected" in outcome(client, client.get(stolen))
    assert live.rows("SELECT * FROM tokens") == []


def test_behind_a_proxy_the_vendor_sends_the_browser_to_the_public_address(live: Live) -> None:
    live.configure("[web]\n", '[web]\npublic_url = "https://books.example"\npassword = "env:PASSWORD"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PASSWORD", "correct horse battery staple")
        made = pages(live, password="correct horse battery staple")
    outside: Callable[[], FlaskClient] = made.test_client
    client = outside()
    assert client.get("/oauth/callback?code=x&state=y", base_url="https://books.example").status_code == 303  # login
    page = client.get("/login", base_url="https://books.example").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    form = {"csrf_token": token[1], "password": "correct horse battery staple"}
    client.post("/login", data=form, base_url="https://books.example")
    page = client.get("/connections", base_url="https://books.example").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    sent = client.post("/connections/xero_uk/connect", data={"csrf_token": token[1]}, base_url="https://books.example")
    asked = dict(parse_qsl(urlsplit(sent.headers["Location"]).query))
    assert asked["redirect_uri"] == "https://books.example/oauth/callback"


def test_the_page_lets_its_forms_lead_to_the_vendors_and_nowhere_else(live: Live, client: FlaskClient) -> None:
    policy = client.get("/connections").headers["Content-Security-Policy"]
    assert f"form-action 'self' {live.running.url};" in policy
    assert "form-action 'self';" in client.get("/").headers["Content-Security-Policy"]


def test_a_form_of_another_site_connects_nothing(client: FlaskClient) -> None:
    assert client.post("/connections/xero_uk/connect").status_code == 400
    assert client.get("/connections/xero_uk/connect").status_code == 405


def test_what_is_not_connected_in_a_browser_has_no_button(client: FlaskClient) -> None:
    page = client.get("/connections").get_data(as_text=True)
    assert page.count("<button>Connect</button>") == 3
    assert "/connections/stripe_uk/connect" not in page
    assert send(client, "/connections/stripe_uk/connect", seen_on="/connections").status_code == 404


def test_a_dead_connection_is_skipped_and_reconnecting_brings_it_back(live: Live, client: FlaskClient) -> None:
    for name in CONNECTIONS:
        client.get(agree(depart(client, name)))
    live.sell()
    live.done()
    live.sandbox.vendors["xero"]._used_refresh_tokens.update(  # type: ignore[attr-defined]
        {f"sandbox-xero-refresh-{number}": -1e9 for number in range(9)}
    )
    live.fault("xero", "unauthorized", times=1)
    assert "xero_uk" in live.sync("pull_ledger")["pull_ledger"].failures
    asked = live.sandbox.vendors["xero"].calls.total()
    results = live.sync()
    assert live.sandbox.vendors["xero"].calls.total() == asked  # nobody calls it any more
    assert results["pull_deals"].outcome == "done"
    assert live.item("connection_dead").subject == "connection:xero_uk"
    assert "connect it anew" in words(client, "/connections")
    told = outcome(client, client.get(agree(depart(client, "xero_uk"))))
    assert "xero_uk is connected with" in told
    live.done()
    assert live.items("connection_dead") == []


def test_a_paused_connection_says_until_when(live: Live, client: FlaskClient) -> None:
    now = app.LiveWorld(app.load_config(live.file)).now()
    with Store(live.database) as store:
        until = now + timedelta(hours=3)
        runs.set_connection_state(store, "xero_uk", "paused", "its calls for the day are used up", now, until)
    shown = words(client, "/connections")
    assert "xero_uk paused Vendor xero, as ledger of uk" in shown
    assert f"Until {until:%d %b %Y %H:%M} UTC" in shown
    assert f"paused until {until:%d %b %Y %H:%M} UTC" in words(client, "/")


def test_when_the_vendor_ends_a_grant_is_shown_and_known_before(live: Live, client: FlaskClient) -> None:
    assert "Renewed until" not in words(client, "/connections")
    client.get(agree(depart(client, "quickbooks_us")))
    assert "Renewed until" in words(client, "/connections")
    vendor = live.sandbox.vendors["quickbooks"]
    vendor.grant_ends = vendor.clock.now() + timedelta(days=20)  # type: ignore[attr-defined]
    config = app.load_config(live.file)
    world = app.LiveWorld(config)
    credentials = world._credentials(config.connections["quickbooks_us"])
    credentials.rejected(credentials.access_token())
    ends = world.grant_ends("quickbooks_us")
    assert ends is not None
    assert timedelta(days=19) < ends - world.now() < timedelta(days=20)
    assert world.grant_ends("xero_uk") is None
    live.today = world.now().date()
    live.done("watch_connections")
    assert live.item("connection_ends").subject == "connection:quickbooks_us"
    vendor.grant_ends = vendor.clock.now()  # type: ignore[attr-defined]
    with pytest.raises(AuthExpired):
        credentials.rejected(credentials.access_token())
