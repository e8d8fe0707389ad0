"""HubSpot's webhooks, signature version 3: what HubSpot signs is read, every forgery is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hubspot.utils.signature import Signature

from connectors.base import Delivery, WebhookEvent
from connectors.errors import Forged, Malformed
from connectors.hubspot_webhooks import read

SECRET, OTHER = "client-secret", "other-secret"
URI = "https://netterms.example/webhooks/hubspot"
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp() * 1000)
SECOND = 1000
EVENT = {
    "eventId": 1, "subscriptionId": 12345, "portalId": 62515, "appId": 54321, "occurredAt": AT,
    "subscriptionType": "deal.propertyChange", "attemptNumber": 0, "objectId": 123, "propertyName": "dealstage",
    "propertyValue": "closedwon", "changeSource": "CRM_UI",
}  # fmt: skip
BODY = json.dumps([EVENT]).encode()


def v3(body: bytes = BODY, secret: str = SECRET, at: object = AT, uri: str = URI, method: str = "POST") -> str:
    signed = f"{method}{uri}".encode() + body + str(at).encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def delivery(
    signature: str | None = None, body: bytes = BODY, at: object = AT, uri: str = URI, **more: Any
) -> Delivery:
    headers = {
        "x-hubspot-signature-v3": v3(body, at=at) if signature is None else signature,
        "x-hubspot-request-timestamp": str(at),
    }
    return Delivery(**{"method": "POST", "uri": uri, "headers": headers, "body": body, **more})


def take(body: bytes = BODY, **more: Any) -> list[WebhookEvent]:
    return read(delivery(body=body, **more), [SECRET], NOW)


def events(*found: Mapping[str, Any]) -> list[WebhookEvent]:
    return take(json.dumps(found).encode())


def test_what_hubspot_signs_is_read_as_which_object_changed() -> None:
    (event,) = take()
    assert (event.topic, event.object, event.unreadable) == ("deal.propertyChange", "123", None)


def test_what_hubspots_own_sdk_computes_is_read() -> None:
    signature = Signature.get_signature(SECRET, BODY.decode(), "v3", URI, "POST", str(AT))
    assert take(signature=signature)


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way_are_close_enough(seconds: int) -> None:
    assert take(at=AT + seconds * SECOND)


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("?a=b%20c", "?a=b%20c"),
        ("?next=https%3A%2F%2Fx.example%2F%3Fq", "?next=https://x.example/?q"),
        ("?m=%40%21%24%27%28%29%2A%2C%3B", "?m=@!$'()*,;"),
        ("?p=100%25&q=%253A", "?p=100%25&q=%253A"),
        ("?a=1%262%3D3%2B4%23", "?a=1%262%3D3%2B4%23"),
        ("?n=%C3%A9", "?n=%C3%A9"),
    ],
)
def test_of_the_address_only_the_listed_escapes_are_decoded_before_it_is_signed(sent: str, signed: str) -> None:
    assert take(uri=URI + sent, signature=v3(uri=URI + signed))


def _signed(**changes: Any) -> Callable[[], Delivery]:
    return lambda: delivery(v3(**changes))


FORGERIES: Mapping[str, Callable[[], Delivery]] = {
    "another secret": _signed(secret=OTHER),
    "an empty secret": _signed(secret=""),
    "another body": lambda: delivery(v3(), BODY.replace(b"123", b"124")),
    "another time than the signed one": _signed(at=AT + 1),
    "too old": lambda: delivery(at=AT - 301 * SECOND),
    "from the future": lambda: delivery(at=AT + 301 * SECOND),
    "a time in seconds": lambda: delivery(at=AT // 1000),
    "another path": _signed(uri=URI.replace("hubspot", "stripe")),
    "another host": _signed(uri=URI.replace("netterms", "evil")),
    "plain http": _signed(uri=URI.replace("https", "http")),
    "another query": lambda: delivery(v3(uri=URI + "?a=1"), uri=URI + "?a=2"),
    "another method": _signed(method="PUT"),
    "a signature cut short": lambda: delivery(v3()[:-2]),
    "a signature in hexadecimal": lambda: delivery(base64.b64decode(v3()).hex()),
    "a signature that is not ASCII": lambda: delivery("é" + v3()[1:]),
    "version 2": lambda: delivery(hashlib.sha256(f"{SECRET}POST{URI}".encode() + BODY).hexdigest()),
    "version 1": lambda: delivery(hashlib.sha256(SECRET.encode() + BODY).hexdigest()),
}


def _without(name: str, **more: str) -> Callable[[], Delivery]:
    headers = {key: value for key, value in delivery().headers.items() if key != name}
    return lambda: delivery(headers={**headers, **more})


BROKEN: Mapping[str, Callable[[], Delivery]] = {
    "no headers": lambda: delivery(headers={}),
    "no signature": _without("x-hubspot-signature-v3"),
    "only the old signature": _without("x-hubspot-signature-v3", **{"x-hubspot-signature": v3()}),
    "no time": _without("x-hubspot-request-timestamp"),
    "a time that is no number": lambda: delivery(at="now"),
    "a time with a point": lambda: delivery(at=f"{AT}.0"),
    "a negative time": lambda: delivery(at=-AT),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        read(FORGERIES[name](), [SECRET], NOW)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_signature_of_version_3_is_refused_as_such(name: str) -> None:
    with pytest.raises(Malformed):
        read(BROKEN[name](), [SECRET], NOW)


def test_a_replay_is_refused_once_the_window_has_passed() -> None:
    held = delivery()
    assert read(held, [SECRET], NOW + timedelta(minutes=5))
    with pytest.raises(Forged):
        read(held, [SECRET], NOW + timedelta(minutes=5, seconds=1))


def test_while_the_secret_is_changed_both_are_good_and_afterwards_only_the_new_one() -> None:
    for secret in ("old", "new"):
        assert read(delivery(v3(secret=secret)), ["new", "old"], NOW)
    with pytest.raises(Forged):
        read(delivery(v3(secret="old")), ["new"], NOW)


def test_without_a_secret_nothing_is_good() -> None:
    for secrets in ([], [""]):
        with pytest.raises(Forged):
            read(delivery(v3(secret="")), secrets, NOW)


def test_an_event_sent_again_as_a_further_attempt_is_the_same_event() -> None:
    first, again = events(EVENT, {**EVENT, "attemptNumber": 3})
    assert first.id == again.id


@pytest.mark.parametrize(
    "change", [{"objectId": 124}, {"propertyValue": "closedlost"}, {"occurredAt": AT + 1}, {"propertyName": "amount"}]
)
def test_two_events_of_one_number_are_two_events(change: Mapping[str, Any]) -> None:
    first, other = events(EVENT, {**EVENT, **change})
    assert first.id != other.id


def test_the_order_of_an_events_fields_means_nothing() -> None:
    first, turned = events(EVENT, dict(reversed(EVENT.items())))
    assert first.id == turned.id


def test_a_hundred_events_of_one_delivery_are_all_read() -> None:
    assert {event.object for event in events(*({**EVENT, "objectId": n} for n in range(100)))} == set(
        map(str, range(100))
    )


def test_one_bad_event_among_good_ones_is_kept_as_unreadable_and_spoils_no_other() -> None:
    found = events(*({**EVENT, "objectId": n} for n in range(99)), "poison")  # type: ignore[arg-type]
    assert [event.unreadable for event in found] == [None] * 99 + [b'"poison"']


@pytest.mark.parametrize(
    "part", [1, None, [], {}, {"objectId": 1}, {"subscriptionType": "deal.creation"}, {**EVENT, "objectId": None}]
)
def test_a_part_that_is_no_event_is_unreadable(part: Any) -> None:
    (event,) = events(part)
    assert event.unreadable == json.dumps(part).encode()[:500]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"not json", b"\xff\xfe[]", b"[", b"[1,", b"[" * 100_000], ids=lambda body: repr(body[:20])
)
def test_a_signed_body_that_is_no_list_is_kept_as_unreadable(body: bytes) -> None:
    (event,) = take(body)
    assert event.unreadable == body[:500]


def test_a_delivery_without_events_says_nothing() -> None:
    found: Sequence[WebhookEvent] = take(b"[]")
    assert found == []
