"""Stripe's webhooks: what Stripe signs is read, every forgery is refused. The real SDK signs and judges beside ours."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe

from connectors.base import Delivery, WebhookEvent
from connectors.errors import Forged, Malformed
from connectors.stripe_webhooks import read

SECRET, OTHER = "whsec_right", "whsec_other"
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
BODY = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "charge.succeeded",
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }
).encode()


def v1(body: bytes = BODY, secret: str = SECRET, at: object = AT) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def delivery(signature: str | None = None, body: bytes = BODY, **more: Any) -> Delivery:
    headers = {"stripe-signature": f"t={AT},v1={v1(body)}" if signature is None else signature}
    return Delivery(**{"method": "POST", "uri": "http://x/webhooks/s", "headers": headers, "body": body, **more})


def take(signature: str | None = None, body: bytes = BODY, **more: Any) -> list[WebhookEvent]:
    return read(delivery(signature, body, **more), [SECRET], NOW)


def test_what_stripe_signs_is_read_as_which_object_changed() -> None:
    assert take() == [WebhookEvent(id="evt_1", topic="charge.succeeded", object="ch_1")]


def test_what_stripes_own_sdk_signs_is_read() -> None:
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, timestamp=AT)
    assert take(header)[0].id == "evt_1"


def test_white_space_and_an_unknown_scheme_beside_the_signature_do_no_harm() -> None:
    assert take(f"t={AT}, v2=abc, v1={v1()}")[0].id == "evt_1"


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way_are_close_enough(seconds: int) -> None:
    assert take(f"t={AT + seconds},v1={v1(at=AT + seconds)}")


FORGERIES: Mapping[str, Callable[[], Delivery]] = {
    "another secret": lambda: delivery(f"t={AT},v1={v1(secret=OTHER)}"),
    "an empty secret": lambda: delivery(f"t={AT},v1={v1(secret='')}"),
    "another body": lambda: delivery(f"t={AT},v1={v1()}", BODY.replace(b"ch_1", b"ch_2")),
    "a body with one more space": lambda: delivery(f"t={AT},v1={v1()}", BODY + b" "),
    "another time than the signed one": lambda: delivery(f"t={AT + 1},v1={v1()}"),
    "too old": lambda: delivery(f"t={AT - 301},v1={v1(at=AT - 301)}"),
    "from the future": lambda: delivery(f"t={AT + 301},v1={v1(at=AT + 301)}"),
    "a signature cut short": lambda: delivery(f"t={AT},v1={v1()[:-1]}"),
    "the right signature in capitals": lambda: delivery(f"t={AT},v1={v1().upper()}"),
    "a signature that is not ASCII": lambda: delivery(f"t={AT},v1=é{v1()[1:]}"),
    "a signature over the body alone": lambda: delivery(
        f"t={AT},v1={hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()}"
    ),
    "the secret itself": lambda: delivery(f"t={AT},v1={SECRET}"),
}
BROKEN: Mapping[str, Callable[[], Delivery]] = {
    "no header": lambda: delivery(headers={}),
    "an empty header": lambda: delivery(" "),
    "only the test scheme v0": lambda: delivery(f"t={AT},v0={v1()}"),
    "no time": lambda: delivery(f"v1={v1()}"),
    "two times": lambda: delivery(f"t=1,t={AT},v1={v1()}"),
    "a time that is no number": lambda: delivery(f"t=now,v1={v1(at='now')}"),
    "a time with a sign": lambda: delivery(f"t=+{AT},v1={v1(at=f'+{AT}')}"),
    "a time in other digits": lambda: delivery(f"t=١٢٣,v1={v1()}"),
    "a time of ten thousand digits": lambda: delivery(f"t={'9' * 10_000},v1={v1()}"),
    "no signature": lambda: delivery(f"t={AT}"),
    "rubbish": lambda: delivery("\x00,=,=="),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        read(FORGERIES[name](), [SECRET], NOW)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_signature_in_stripes_form_is_refused_as_such(name: str) -> None:
    with pytest.raises(Malformed):
        read(BROKEN[name](), [SECRET], NOW)


def test_a_replay_is_refused_once_the_window_has_passed() -> None:
    held = delivery()
    assert read(held, [SECRET], NOW + timedelta(minutes=5))
    with pytest.raises(Forged):
        read(held, [SECRET], NOW + timedelta(minutes=5, seconds=1))


def test_while_a_secret_is_rolled_either_signature_and_either_secret_is_good() -> None:
    old, new = f"t={AT},v1={v1(secret='old')}", f"t={AT},v1={v1(secret='new')}"
    both = f"t={AT},v1={v1(secret='old')},v1={v1(secret='new')}"
    for header in (old, new, both):
        assert read(delivery(header), ["new", "old"], NOW)
    assert read(delivery(both), ["new"], NOW)
    with pytest.raises(Forged):
        read(delivery(old), ["new"], NOW)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_nothing_is_good(secrets: list[str]) -> None:
    with pytest.raises(Forged):
        read(delivery(f"t={AT},v1={v1(secret='')}"), secrets, NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b"null", b"{}", b'{"id": 1, "type": "x"}', b'{"id": "", "type": "x"}', b"\xff\xfe{}",
     b'{"id": "evt_1"', b"[" * 100_000, b'{"id": "evt_1", "type": "x", "data": {"object": []}}', b'{"id": "\\ud800"}'],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_kept_as_unreadable(body: bytes) -> None:
    (event,) = take(body=body)
    assert event.unreadable == body[:500]
    assert event.id == hashlib.sha256(body).hexdigest()


def test_a_body_of_any_bytes_is_verified_as_it_came() -> None:
    body = bytes(range(256)) * 10
    assert take(body=body)[0].unreadable == body[:500]


def test_a_thin_event_says_which_object_changed_too() -> None:
    thin = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.x",
        "related_object": {"id": "ch_9", "type": "charge"},
    }
    assert take(body=json.dumps(thin).encode()) == [WebhookEvent(id="evt_2", topic="v1.x", object="ch_9")]


def test_stripes_published_example_of_an_event_is_read(specs: Path) -> None:
    fixtures = json.loads((specs / "stripe" / "fixtures3.json").read_text(encoding="utf-8"))
    example = fixtures["resources"]["event"]
    (event,) = take(body=json.dumps(example, indent=2).encode())
    assert event == WebhookEvent(id=example["id"], topic=example["type"], object=example["data"]["object"]["id"])


def test_an_event_about_something_without_an_id_is_read() -> None:
    body = b'{"id": "evt_3", "type": "balance.available", "data": {"object": {"object": "balance"}}}'
    assert take(body=body) == [WebhookEvent(id="evt_3", topic="balance.available", object="")]
