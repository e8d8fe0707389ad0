"""Xero's webhooks: what Xero signs is read, every forgery is refused, the intent to receive is answered as asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.base import WebhookEvent
from connectors.errors import Forged
from connectors.xero_webhooks import read
from tests.connectors.body_signed import NOW, SECRET, forgeries, sign, signed

HEADER = "x-xero-signature"
EVENT = {
    "resourceUrl": "https://api.xero.com/api.xro/2.0/Invoices/717f2bfc",
    "resourceId": "717f2bfc",
    "tenantId": "c2cc9b6e",
    "tenantType": "ORGANISATION",
    "eventCategory": "INVOICE",
    "eventType": "UPDATE",
    "eventDateUtc": "2026-09-01T11:59:00.123",
}


def message(*events: Any) -> bytes:
    return json.dumps({"events": events, "firstEventSequence": 1, "lastEventSequence": 1, "entropy": "S"}).encode()


def take(body: bytes) -> list[WebhookEvent]:
    return read(signed(HEADER, body), [SECRET], NOW)


FORGERIES = forgeries(HEADER, message(EVENT))


def test_what_xero_signs_is_read_as_which_object_of_which_organisation_changed() -> None:
    (event,) = take(message(EVENT))
    assert (event.topic, event.object, event.account) == ("INVOICE.UPDATE", "717f2bfc", "c2cc9b6e")


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        read(FORGERIES[name](), [SECRET], NOW)


def test_the_intent_to_receive_is_no_event_and_its_wrong_signatures_are_forgeries() -> None:
    probe = b'{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "S0m3r4Nd0mt3xt"}'
    assert take(probe) == []
    for wrong in (sign(probe, "guess"), ""):
        with pytest.raises(Forged):
            read(signed(HEADER, probe, wrong), [SECRET], NOW)


def test_while_the_key_is_changed_both_are_good() -> None:
    body = message(EVENT)
    for secret in ("old", "new"):
        assert read(signed(HEADER, body, sign(body, secret)), ["new", "old"], NOW)
    with pytest.raises(Forged):
        read(signed(HEADER, body, sign(body, "old")), ["new"], NOW)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_key_nothing_is_good(secrets: list[str]) -> None:
    body = message(EVENT)
    with pytest.raises(Forged):
        read(signed(HEADER, body, sign(body, "")), secrets, NOW)


def test_an_event_that_is_sent_again_is_the_same_in_whatever_delivery() -> None:
    (first,), (_, again) = take(message(EVENT)), take(message({**EVENT, "resourceId": "other"}, EVENT))
    assert first.id == again.id


@pytest.mark.parametrize("change", [{"eventDateUtc": "2026-09-01T11:59:01"}, {"resourceId": "x"}, {"tenantId": "x"}])
def test_another_change_is_another_event(change: dict[str, str]) -> None:
    (first,), (other,) = take(message(EVENT)), take(message({**EVENT, **change}))
    assert first.id != other.id


def test_one_bad_event_spoils_no_other() -> None:
    bad: list[Any] = [1, None, {}, {**EVENT, "resourceId": None}, {**EVENT, "tenantId": ""}]
    found = take(message(EVENT, *bad, EVENT))
    assert [event.unreadable is None for event in found] == [True, *[False] * len(bad), True]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"no json", b"\xff\xfe", b'{"events": 1}', b"[" * 100_000],
    ids=lambda body: repr(body[:9]),
)
def test_a_signed_body_that_is_no_message_is_kept_as_unreadable(body: bytes) -> None:
    (event,) = take(body)
    assert event.unreadable == body[:500]


def test_xeros_published_examples_are_read(specs: Path) -> None:
    published = yaml.safe_load((specs / "xero" / "xero-webhooks.yaml").read_text(encoding="utf-8"))
    examples = [
        example["value"]
        for hook in published["webhooks"].values()
        for example in hook["post"]["requestBody"]["content"]["application/json"].get("examples", {}).values()
    ]
    assert examples
    for example in examples:
        found = take(json.dumps(example, default=str).encode())
        assert [event.object for event in found] == [event["resourceId"] for event in example["events"]]
