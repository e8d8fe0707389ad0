"""The route of the webhooks: whoever is not the source gets nowhere, the source is heard once and answered at once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from store.database import Store
from store.inbox import Event
from tests.receiving import listening, serving
from tests.worlds import Live
from web import webhooks

US, UK, CRM = "whsec_sandbox_us", "whsec_sandbox_uk", "hubspot-client-secret"
STRIPE = {"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {"id": "ch_1"}}}
DEAL = {"subscriptionType": "deal.creation", "objectId": 7, "attemptNumber": 0, "eventId": 1}
LATE = 3600


def stripe(event: Any = STRIPE, *, secret: str = US, late: int = 0) -> dict[str, Any]:
    """Return what Stripe would send; ``event`` may be raw bytes."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    at = int(time.time()) - late
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"data": body, "headers": {"Stripe-Signature": f"t={at},v1={signature}"}}


def hubspot(
    *events: Any, uri: str = "http://localhost/webhooks/hubspot", method: str = "POST", late: int = 0
) -> dict[str, Any]:
    """Return what HubSpot would send."""
    body, at = json.dumps(events).encode(), int((time.time() - late) * 1000)
    signed = hmac.new(CRM.encode(), f"{method}{uri}".encode() + body + str(at).encode(), hashlib.sha256).digest()
    headers = {"X-HubSpot-Signature-v3": base64.b64encode(signed).decode(), "X-HubSpot-Request-Timestamp": str(at)}
    return {"data": body, "headers": headers}


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


@pytest.fixture
def client(live: Live) -> FlaskClient:
    return serving(live).test_client()


@pytest.fixture
def port(live: Live) -> Iterator[int]:
    with listening(live) as found:
        yield found


def rows(live: Live) -> list[tuple[Any, ...]]:
    return live.rows("SELECT connection, event_id, topic, object FROM inbox ORDER BY id")


def send(client: FlaskClient, name: str, request: dict[str, Any], **more: Any) -> TestResponse:
    return client.post(f"/webhooks/{name}", **{**request, **more})


def test_an_event_is_stored_and_answered_with_nothing(live: Live, client: FlaskClient) -> None:
    answer = send(client, "stripe_us", stripe())
    assert (answer.status_code, answer.data, answer.headers.get("Set-Cookie")) == (200, b"", None)
    assert rows(live) == [("stripe_us", "evt_1", "charge.succeeded", "ch_1")]


def test_all_events_of_a_delivery_are_stored(live: Live, client: FlaskClient) -> None:
    assert send(client, "hubspot", hubspot(*({**DEAL, "objectId": n} for n in range(100)))).status_code == 200
    assert [about for *_, about in rows(live)] == [str(n) for n in range(100)]


def test_what_was_stored_is_answered_200_again_and_changes_nothing(live: Live, client: FlaskClient) -> None:
    send(client, "stripe_us", stripe())
    send(client, "hubspot", hubspot(DEAL))
    before = live.contents()
    assert send(client, "stripe_us", stripe()).status_code == 200
    assert send(client, "hubspot", hubspot({**DEAL, "attemptNumber": 4})).status_code == 200
    assert live.contents() == before


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
)
def test_the_type_of_the_content_does_not_matter(live: Live, client: FlaskClient, content_type: str) -> None:
    assert send(client, "stripe_us", stripe(), content_type=content_type).status_code == 200
    assert len(rows(live)) == 1


FORGED = {
    "nobody's": ("stripe_us", {"data": b"{}", "headers": {}}, 400),
    "another account's secret": ("stripe_us", stripe(secret=UK), 401),
    "another vendor's secret": ("stripe_us", stripe(secret=CRM), 401),
    "sent to another account": ("stripe_uk", stripe(), 401),
    "an altered body": ("stripe_us", {**stripe(), "data": b'{"id": "evt_9", "type": "x"}'}, 401),
    "too old": ("stripe_us", stripe(late=LATE), 401),
    "from the future": ("stripe_us", stripe(late=-LATE), 401),
    "old and HubSpot's": ("hubspot", hubspot(DEAL, late=LATE), 401),
    "signed for another path": ("hubspot", hubspot(DEAL, uri="http://localhost/webhooks/stripe_us"), 401),
    "signed for another method": ("hubspot", hubspot(DEAL, method="GET"), 401),
    "signed for another host": ("hubspot", hubspot(DEAL, uri="http://127.0.0.1/webhooks/hubspot"), 401),
    "Stripe's sent to HubSpot's": ("hubspot", stripe(), 400),
    "ten megabytes": ("stripe_us", stripe(b" " * 10_000_000), 413),
    "Stripe's sent to Xero's": ("xero_uk", stripe(), 401),
    "Stripe's sent to QuickBooks'": ("quickbooks_us", stripe(), 401),
    "to a connection without a secret": ("mail", stripe(), 404),
    "under a foreign name": ("stripe_us", {**stripe(), "base_url": "http://evil.example"}, 400),
    "to no connection": ("nobody", stripe(), 404),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_refused_and_nothing_is_stored(live: Live, client: FlaskClient, name: str) -> None:
    connection, request, status = FORGED[name]
    answer = send(client, connection, request)
    assert (answer.status_code, answer.data) == (status, b"")
    assert rows(live) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_other_method_is_heard(live: Live, client: FlaskClient, method: str) -> None:
    request = hubspot(DEAL, method=method)
    assert client.open("/webhooks/hubspot", method=method, **request).status_code == 405
    assert rows(live) == []


def test_a_body_of_one_megabyte_is_read_and_one_byte_more_is_not(live: Live, client: FlaskClient) -> None:
    most = json.dumps(STRIPE).encode().ljust(webhooks.LARGEST)
    assert send(client, "stripe_us", stripe(most)).status_code == 200
    assert send(client, "stripe_us", stripe(most + b" ")).status_code == 413
    assert len(rows(live)) == 1


def test_the_address_that_the_vendor_was_told_counts_not_the_one_of_the_request(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN", "a long password")
    live.configure("[web]\n", '[web]\npassword = "env:ADMIN"\npublic_url = "https://netterms.example/billing/"\n')
    client = serving(live).test_client()
    told = hubspot(DEAL, uri="https://netterms.example/billing/webhooks/hubspot")
    assert send(client, "hubspot", told).status_code == 200
    assert send(client, "hubspot", hubspot(DEAL)).status_code == 401


def test_the_query_is_part_of_what_is_signed(live: Live, client: FlaskClient) -> None:
    signed = hubspot(DEAL, uri="http://localhost/webhooks/hubspot?to=a/b&c=%20")
    assert client.post("/webhooks/hubspot?to=a%2Fb&c=%20", **signed).status_code == 200
    assert client.post("/webhooks/hubspot?to=a%2Fb&c=+", **signed).status_code == 401


def intuit(*realms: str, secret: str = "quickbooks-verifier-token") -> dict[str, Any]:
    """Return what Intuit would send about an invoice in each of these companies."""
    event = {"specversion": "1.0", "type": "qbo.invoice.updated.v1", "intuitentityid": "7"}
    body = json.dumps([{**event, "id": realm, "intuitaccountid": realm} for realm in realms]).encode()
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {"data": body, "headers": {"intuit-signature": signature}}


REALM, OTHER_REALM = "9130350000000001", "9130350000000002"
SECOND_COMPANY = f"""
[connections.quickbooks_eu]
vendor = "quickbooks"
entity = "us"
base_url = "http://127.0.0.1:9"
account = "{OTHER_REALM}"
token = "sandbox-quickbooks-2"
webhook_secret = "SECRET"
"""


def test_each_event_of_one_app_goes_to_the_connection_that_has_its_company(live: Live) -> None:
    live.configure(
        "[connections.xero_uk]",
        SECOND_COMPANY.replace("SECRET", "quickbooks-verifier-token") + "\n[connections.xero_uk]",
    )
    client = serving(live).test_client()
    assert send(client, "quickbooks_us", intuit(REALM, OTHER_REALM, "a company nobody configured")).status_code == 200
    assert [(name, id_) for name, id_, *_ in rows(live)] == [("quickbooks_us", REALM), ("quickbooks_eu", OTHER_REALM)]


def test_an_event_goes_to_no_connection_of_another_app(live: Live) -> None:
    live.configure(
        "[connections.xero_uk]", SECOND_COMPANY.replace("SECRET", "another-token") + "\n[connections.xero_uk]"
    )
    client = serving(live).test_client()
    assert send(client, "quickbooks_us", intuit(OTHER_REALM)).status_code == 200
    assert rows(live) == []


def test_xeros_intent_to_receive_is_answered_200_or_401_with_nothing(live: Live, client: FlaskClient) -> None:
    probe = b'{"events": [], "firstEventSequence": 0, "lastEventSequence": 0, "entropy": "X"}'
    right = base64.b64encode(hmac.new(b"xero-webhook-key", probe, hashlib.sha256).digest()).decode()
    for signature, status in ((right, 200), (right[::-1], 401), ("", 401)):
        answer = client.post("/webhooks/xero_uk", data=probe, headers={"x-xero-signature": signature})
        assert (answer.status_code, answer.data, answer.headers.get("Set-Cookie")) == (status, b"", None)
    assert rows(live) == []


def test_two_secrets_are_good_while_one_is_changed(live: Live) -> None:
    live.configure(f'webhook_secret = "{US}"', f'webhook_secret = ["whsec_new", "{US}"]')
    client = serving(live).test_client()
    for secret in ("whsec_new", US):
        assert send(client, "stripe_us", stripe(secret=secret)).status_code == 200
    assert send(client, "stripe_us", stripe(secret=UK)).status_code == 401


def test_no_login_and_no_form_token_is_asked_for_but_no_page_is_opened_either(live: Live) -> None:
    client = serving(live, password="a long password", hosts=("netterms.example",)).test_client()
    base = "https://netterms.example"
    assert send(client, "stripe_us", stripe(), base_url=base).status_code == 200
    assert client.get("/", base_url=base).status_code == 303
    cross = {**stripe(), "headers": {**stripe()["headers"], "Sec-Fetch-Site": "cross-site"}}
    assert send(client, "stripe_us", cross, base_url=base).status_code == 200


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe\x00", b"[[[[", b'{"id": null}'])
def test_a_signed_body_that_nobody_can_read_is_stored_once_and_waits_for_a_person(
    live: Live, client: FlaskClient, body: bytes
) -> None:
    for _ in range(2):
        assert send(client, "stripe_us", stripe(body)).status_code == 200
    assert len(rows(live)) == 1
    assert live.sync("handle_webhooks")["handle_webhooks"].opened == 1
    assert "stripe_us" in live.item("unreadable_webhook").message


def test_deliveries_that_come_at_the_same_time_are_stored_once(live: Live, port: int) -> None:
    deliveries = [stripe({**STRIPE, "id": f"evt_{n % 10}"}) for n in range(40)]
    answers: list[int] = []

    def post(start: int) -> None:
        for request in deliveries[start::8]:
            connection = HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", "/webhooks/stripe_us", request["data"], request["headers"])
            answers.append(connection.getresponse().status)
            connection.close()

    threads = [threading.Thread(target=post, args=[start]) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 40
    assert sorted(name for _, name, *_ in rows(live)) == [f"evt_{n}" for n in range(10)]


def test_a_chunked_body_is_read_as_any_other_and_held_to_the_same_size(live: Live, port: int) -> None:
    def post(event: Any) -> int:
        request, connection = stripe(event), HTTPConnection("127.0.0.1", port, timeout=20)
        parts = (request["data"][start : start + 65536] for start in range(0, len(request["data"]), 65536))
        connection.request("POST", "/webhooks/stripe_us", parts, request["headers"], encode_chunked=True)
        status = connection.getresponse().status
        connection.close()
        return status

    assert post(STRIPE) == 200
    assert post(b" " * (webhooks.LARGEST + 1)) == 413
    assert len(rows(live)) == 1


DIES = """
import os, sys
import app
from web import create_app, webhooks
from web.access import Access
from pathlib import Path

config = app.load_config(Path(sys.argv[1]))
made = create_app(config.store, app.LiveWorld(config), config.cadence, Access(secret="x"))
webhooks.install(made, app.inbox(config))
inner = made.wsgi_app
made.wsgi_app = lambda environ, start: inner(environ, lambda status, headers: status[:3] == "200" and os._exit(9))
headers = {"Stripe-Signature": sys.argv[2]}
made.test_client().post("/webhooks/stripe_us", data=sys.argv[3], headers=headers)
"""


def test_a_process_killed_before_it_could_answer_has_kept_the_event(live: Live) -> None:
    request = stripe()
    arguments = [str(live.file), request["headers"]["Stripe-Signature"], request["data"].decode()]
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", DIES, *arguments], cwd=root, check=False).returncode == 9
    assert [name for _, name, *_ in rows(live)] == ["evt_1"]


def test_what_cannot_be_stored_is_not_answered_as_if_it_were(
    live: Live, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError("no space left")

    monkeypatch.setattr("store.database.Store.many", full)
    assert send(client, "stripe_us", stripe()).status_code == 500
    monkeypatch.undo()
    assert send(client, "stripe_us", stripe()).status_code == 200
    assert len(rows(live)) == 1


def test_only_what_is_needed_of_an_event_is_kept(live: Live, client: FlaskClient) -> None:
    person = {**STRIPE, "data": {"object": {"id": "ch_1", "billing_details": {"email": "ada@example.com"}}}}
    send(client, "stripe_us", stripe(person))
    with Store(live.database) as store:
        assert "ada@example.com" not in str(store.tuples("SELECT * FROM inbox"))
    assert set(Event.__struct_fields__) == {"id", "topic", "object", "unreadable"}
