"""The stand-ins sign and send webhooks, deliver them badly on demand, and send nothing anywhere else."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
from hubspot.utils.signature import Signature
from quickbooks.client import QuickBooks as QuickBooksClient

from sandbox.quickbooks.seed import REALM
from sandbox.server import Options, Running
from sandbox.webhooks import DELIVERIES, Target
from sandbox.xero.seed import TENANT

START = date(2026, 11, 2)
SECRET = "whsec_of_tests"
STATUS = 204


@dataclass
class Ear:
    """Takes down what is sent to it."""

    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = STATUS
    good: str = ""  # the key with which Xero signs: any other signature is answered 401, that one 200

    def judge(self, signature: str, body: bytes) -> int:
        """Return the status of the answer."""
        right = base64.b64encode(hmac.digest(self.good.encode(), body, "sha256")).decode()
        return self.status if not self.good else 200 if signature == right else 401

    def events(self) -> list[dict[str, Any]]:
        """Return every event heard, those of a batch one by one."""
        bodies = [json.loads(body) for _, body in self.heard]
        return [event for body in bodies for event in (body if isinstance(body, list) else [body])]


@pytest.fixture
def ear() -> Iterator[Ear]:
    found = Ear()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(found.judge(self.headers.get("x-xero-signature", ""), body))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(Options(today=START, deals=0, minute=0.06)) as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh(running: Running) -> None:
    running.sandbox.reset()
    running.sandbox.stripe.payers.accounts = {}  # nobody pays unasked


def order(running: Running, *targets: dict[str, Any]) -> requests.Response:
    return requests.post(f"{running.url}/_sandbox/webhooks", json=list(targets), timeout=5)


def target(ear: Ear, vendor: str = "stripe", **more: str) -> dict[str, str]:
    return {"vendor": vendor, "url": ear.url, "secret": SECRET, **more}


def status(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{running.url}/_sandbox/webhooks", timeout=5).json()
    return found


def pay(running: Running, method: str = "pm_card_visa", entity: str = "us") -> str:
    form = {"amount": 1000, "currency": "usd", "payment_method": method, "confirm": "true"}
    token = {"Authorization": f"Bearer sk_test_sandbox_{entity}"}
    answer = requests.post(f"{running.url}/stripe/v1/payment_intents", data=form, headers=token, timeout=5)
    running.sandbox.webhooks.wait()
    return str(answer.json().get("latest_charge", ""))


def deal(running: Running, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(
        method, f"{running.url}/hubspot/crm/objects/2026-03/deals{path}", json=body, timeout=5,
        headers={"Authorization": "Bearer pat-sandbox-1"},
    )  # fmt: skip
    assert answer.status_code < 300, answer.text
    running.sandbox.webhooks.wait()
    return answer.json() if answer.content else None


def types(ear: Ear) -> list[str]:
    return [event.get("type") or event["subscriptionType"] for event in ear.events()]


def test_stripes_own_sdk_accepts_what_the_stand_in_signs(running: Running, ear: Ear) -> None:
    order(running, target(ear))
    charge = pay(running)
    for headers, body in ear.heard:
        event = stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET)
        assert (event.type.split(".")[0], event.data.object.id) == ("charge", charge)
    assert types(ear) == ["charge.succeeded", "charge.updated"]


def test_an_event_has_the_shape_of_stripes_published_one(running: Running, ear: Ear, specs: Path) -> None:
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text(encoding="utf-8"))["resources"]
    order(running, target(ear))
    pay(running)
    (first, *_) = ear.events()
    assert set(first) == set(fixtures["event"])
    assert set(first["data"]["object"]) <= set(fixtures["charge"])


def test_what_goes_wrong_with_a_charge_is_told_too(running: Running, ear: Ear) -> None:
    order(running, target(ear))
    pay(running, "pm_card_chargeDeclined")
    charge = pay(running, "pm_card_createDispute")
    token = {"Authorization": "Bearer sk_test_sandbox_us"}
    requests.post(f"{running.url}/stripe/v1/refunds", data={"charge": charge, "amount": 1}, headers=token, timeout=5)
    running.sandbox.webhooks.wait()
    assert {"charge.failed", "charge.dispute.created", "charge.refunded"} <= set(types(ear))


def book(running: Running, vendor: str, path: str, body: Any, method: str = "POST") -> dict[str, Any]:
    token = {"Authorization": f"Bearer sandbox-{vendor}-1", "xero-tenant-id": TENANT, "Accept": "application/json"}
    answer = requests.request(method, f"{running.url}/{vendor}{path}", json=body, headers=token, timeout=5)
    assert answer.status_code < 300, answer.text
    running.sandbox.webhooks.wait()
    found: dict[str, Any] = answer.json()
    return found


def test_quickbooks_tells_of_what_was_made_and_changed_as_signed_cloud_events(running: Running, ear: Ear) -> None:
    order(running, target(ear, "quickbooks"))
    made = book(running, "quickbooks", f"/v3/company/{REALM}/customer", {"DisplayName": "Acme"})["Customer"]
    changed = {"Id": made["Id"], "SyncToken": made["SyncToken"], "sparse": True, "CompanyName": "Acme Inc"}
    book(running, "quickbooks", f"/v3/company/{REALM}/customer", changed)
    assert types(ear) == ["qbo.customer.created.v1", "qbo.customer.updated.v1"]
    first, second = ear.events()
    assert (first["intuitentityid"], first["intuitaccountid"]) == (made["Id"], REALM)
    assert first["id"] != second["id"]
    client = QuickBooksClient(company_id="1", verifier_token=SECRET)
    assert all(
        client.validate_webhook_signature(body.decode(), headers["intuit-signature"]) for headers, body in ear.heard
    )


def test_xero_probes_whether_wrong_signatures_are_refused_before_it_tells_anything(running: Running, ear: Ear) -> None:
    ear.good = SECRET
    order(running, target(ear, "xero"))
    running.sandbox.webhooks.wait()
    assert status(running)["answers"] == {"200": 2, "401": 2}
    assert {json.loads(body)["entropy"] for _, body in ear.heard if not json.loads(body)["events"]} == {"SANDBOX"}
    ear.heard.clear()
    contact = book(running, "xero", "/api.xro/2.0/Contacts", {"Contacts": [{"Name": "Acme"}]}, "PUT")["Contacts"][0]
    (message,) = [json.loads(body) for _, body in ear.heard]
    (event,) = message["events"]
    assert (event["eventCategory"], event["eventType"], event["tenantId"]) == ("CONTACT", "CREATE", TENANT)
    assert event["resourceId"] == contact["ContactID"]
    assert message["firstEventSequence"] == message["lastEventSequence"] > 0


def test_xero_tells_nothing_to_who_takes_any_signature(running: Running, ear: Ear) -> None:
    ear.status = 200
    order(running, target(ear, "xero"))
    running.sandbox.webhooks.wait()
    ear.heard.clear()
    book(running, "xero", "/api.xro/2.0/Contacts", {"Contacts": [{"Name": "Acme"}]}, "PUT")
    assert ear.heard == []
    assert status(running)["answers"]["not sent"] >= 1


def test_forged_signs_everything_with_another_secret(running: Running, ear: Ear) -> None:
    order(running, target(ear, delivery="forged"))
    pay(running)
    assert types(ear) == ["charge.succeeded", "charge.updated"]
    for headers, body in ear.heard:
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET)


def test_only_the_account_that_was_asked_for_is_told_of(running: Running, ear: Ear) -> None:
    order(running, target(ear, account="uk"))
    pay(running, entity="us")
    assert ear.heard == []
    pay(running, entity="uk")
    assert len(ear.heard) == 2


def test_hubspots_own_sdk_accepts_what_the_stand_in_signs(running: Running, ear: Ear) -> None:
    order(running, target(ear, "hubspot"))
    deal(running, "POST", "", {"properties": {"dealname": "Größe", "pipeline": "default"}})
    ((headers, body),) = ear.heard
    assert Signature.is_valid(
        headers["x-hubspot-signature-v3"], SECRET, body.decode(), ear.url, "POST", "v3",
        headers["x-hubspot-request-timestamp"],
    )  # fmt: skip


def test_a_deal_that_is_made_changed_and_deleted_is_told_of(running: Running, ear: Ear) -> None:
    order(running, target(ear, "hubspot"))
    made = deal(running, "POST", "", {"properties": {"dealname": "A"}})["id"]
    deal(running, "PATCH", f"/{made}", {"properties": {"dealname": "B", "amount": "5"}})
    deal(running, "PATCH", f"/{made}", {"properties": {"dealname": "B"}})
    deal(running, "DELETE", f"/{made}")
    assert types(ear) == ["deal.creation", "deal.propertyChange", "deal.propertyChange", "deal.deletion"]
    changed = [(event["propertyName"], event["propertyValue"]) for event in ear.events()[1:3]]
    assert changed == [("dealname", "B"), ("amount", "5")]
    assert {event["objectId"] for event in ear.events()} == {int(made)}


def test_hubspot_sends_a_hundred_events_at_a_time(running: Running, ear: Ear) -> None:
    order(running, target(ear, "hubspot"))
    for _ in range(2):
        deal(running, "POST", "/batch/create", {"inputs": [{"properties": {"dealname": "A"}}] * 75})
    assert [len(json.loads(body)) for _, body in ear.heard] == [75, 75]
    ear.heard.clear()
    with_deals = running.sandbox.hubspot.records
    for record in list(with_deals.by_type["deals"].values()):
        with_deals.update("deals", record, {"amount": "9"})
    running.sandbox.move_clock_safely(START + timedelta(days=1))
    running.sandbox.webhooks.wait()
    assert [len(json.loads(body)) for _, body in ear.heard] == [100, 50]


def test_what_happened_before_the_target_was_named_is_not_told(running: Running, ear: Ear) -> None:
    pay(running)
    order(running, target(ear))
    assert ear.heard == []
    pay(running)
    assert len(ear.heard) == 2


def test_twice_sends_everything_again_and_hubspot_counts_the_attempts(running: Running, ear: Ear) -> None:
    order(running, target(ear, delivery="twice"), target(ear, "hubspot", delivery="twice"))
    pay(running)
    assert types(ear) == ["charge.succeeded", "charge.updated"] * 2
    ear.heard.clear()
    deal(running, "POST", "", {"properties": {"dealname": "A"}})
    first, again = ear.events()
    assert (first.pop("attemptNumber"), again.pop("attemptNumber")) == (0, 1)
    assert first == again


def test_late_waits_for_the_date_to_move(running: Running, ear: Ear) -> None:
    order(running, target(ear, delivery="late"))
    pay(running)
    assert (ear.heard, status(running)["held"]) == ([], 2)
    running.sandbox.move_clock_safely(START + timedelta(days=1))
    running.sandbox.webhooks.wait()
    assert types(ear) == ["charge.succeeded", "charge.updated"]
    headers, body = ear.heard[0]
    assert stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET)


def test_lost_sends_nothing(running: Running, ear: Ear) -> None:
    order(running, target(ear, delivery="lost"))
    pay(running)
    running.sandbox.move_clock_safely(START + timedelta(days=1))
    running.sandbox.webhooks.wait()
    assert ear.heard == []


def test_stripe_lists_the_events_that_reached_nobody(running: Running, ear: Ear) -> None:
    def undelivered() -> list[str]:
        asked = {"delivery_success": "false"}
        token = {"Authorization": "Bearer sk_test_sandbox_us"}
        answer = requests.get(f"{running.url}/stripe/v1/events", params=asked, headers=token, timeout=5).json()
        return [event["id"] for event in answer["data"]]

    order(running, target(ear))
    pay(running)
    assert undelivered() == []
    order(running, target(ear, delivery="lost"))
    pay(running)
    assert len(undelivered()) == 2
    order(running, target(ear))
    ear.status = 500
    pay(running)
    assert len(undelivered()) == 4


def test_shuffled_sends_everything_in_another_order(running: Running, ear: Ear) -> None:
    order(running, target(ear, "hubspot", delivery="shuffled"))
    deal(running, "POST", "/batch/create", {"inputs": [{"properties": {"dealname": str(n)}} for n in range(20)]})
    told = [event["objectId"] for event in ear.events()]
    assert told != sorted(told)
    assert len(set(told)) == 20


def test_a_receiver_that_fails_or_is_gone_does_not_touch_the_request(running: Running, ear: Ear) -> None:
    ear.status = 500
    order(running, target(ear), {**target(ear), "url": "http://127.0.0.1:9/nobody"})
    began = time.monotonic()
    assert pay(running)
    assert time.monotonic() - began < 5
    assert status(running)["answers"] == {"500": 2, "none": 2}


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:8400/x", "http://localhost:8400/x", "http://example.com:80/", "http://127.0.0.1.example:80/",
     "http://127.0.0.1@example.com:80/", "http://127.0.0.1:80@example.com/", "http://0.0.0.0:80/", "http://[::1]:80/",
     "http://127.0.0.1/x", "//127.0.0.1:80", "", "http://127.0.0.1:99999/", "ftp://127.0.0.1:80/"],
)  # fmt: skip
def test_any_other_address_is_refused(running: Running, ear: Ear, url: str) -> None:
    answer = order(running, {**target(ear), "url": url})
    assert (answer.status_code, status(running)["targets"]) == (400, [])


@pytest.mark.parametrize(
    "wrong",
    [{"vendor": "sap"}, {"delivery": "never"}, {"secret": ""}, {"colour": "red"}, {"url": 5}, {"secret": None}],
)
def test_a_target_that_makes_no_sense_is_refused(running: Running, ear: Ear, wrong: dict[str, Any]) -> None:
    answer = order(running, {**target(ear), **wrong})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_empty_list_cancels_and_the_secret_is_not_shown(running: Running, ear: Ear) -> None:
    order(running, target(ear))
    shown = status(running)
    assert shown["targets"] == [{"vendor": "stripe", "url": ear.url, "account": "", "delivery": "once"}]
    assert SECRET not in json.dumps(shown)
    assert order(running).json() == {"webhooks": 0}
    pay(running)
    assert ear.heard == []


def test_every_delivery_is_a_delivery_of_a_target() -> None:
    for delivery in DELIVERIES:
        assert Target("stripe", "http://127.0.0.1:1/", "s", delivery=delivery).delivery == delivery
