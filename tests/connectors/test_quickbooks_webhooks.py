"""QuickBooks' webhooks: CloudEvents and the old shape, for several companies at once; every forgery is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.base import WebhookEvent
from connectors.errors import Forged
from connectors.quickbooks_webhooks import read
from tests.connectors.body_signed import NOW, SECRET, forgeries, sign, signed

HEADER = "intuit-signature"
EVENT = {
    "specversion": "1.0",
    "id": "88cd52aa-33b6-4351-9aa4-47572edbd068",
    "source": "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
    "type": "qbo.invoice.created.v1",
    "datacontenttype": "application/json",
    "time": "2026-09-01T11:59:00Z",
    "intuitentityid": "1234",
    "intuitaccountid": "310687",
    "data": {},
}
ENTITY = {"name": "Customer", "id": "1", "operation": "Create", "lastUpdated": "2026-09-01T11:59:00-0700"}


def old(realm: str, *entities: Any) -> dict[str, Any]:
    return {"realmId": realm, "dataChangeEvent": {"entities": list(entities)}}


def take(body: Any) -> list[WebhookEvent]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(signed(HEADER, content), [SECRET], NOW)


FORGERIES = forgeries(HEADER, json.dumps([EVENT]).encode())


def test_a_cloud_event_is_read_by_its_own_id_entity_and_company() -> None:
    assert take([EVENT]) == [
        WebhookEvent(id=str(EVENT["id"]), topic="qbo.invoice.created.v1", object="1234", account="310687")
    ]


def test_one_delivery_may_tell_of_several_companies() -> None:
    found = take([EVENT, {**EVENT, "id": "b", "intuitaccountid": "310688"}])
    assert [event.account for event in found] == ["310687", "310688"]


def test_the_old_shape_is_read_too() -> None:
    found = take({"eventNotifications": [old("1", ENTITY, {**ENTITY, "id": "2"}), old("2", ENTITY)]})
    assert [(event.account, event.topic, event.object) for event in found] == [
        ("1", "Customer.Create", "1"), ("1", "Customer.Create", "2"), ("2", "Customer.Create", "1"),
    ]  # fmt: skip
    assert len({event.id for event in found}) == 3


def test_an_event_of_the_old_shape_that_is_sent_again_is_the_same_event() -> None:
    (first,) = take({"eventNotifications": [old("1", ENTITY)]})
    _, again = take({"eventNotifications": [old("2", ENTITY), old("1", dict(reversed(ENTITY.items())))]})
    (later,) = take({"eventNotifications": [old("1", {**ENTITY, "lastUpdated": "2026-09-01T12:00:00-0700"})]})
    assert first.id == again.id != later.id


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        read(FORGERIES[name](), [SECRET], NOW)


def test_while_the_token_is_changed_both_are_good() -> None:
    body = json.dumps([EVENT]).encode()
    for secret in ("old", "new"):
        assert read(signed(HEADER, body, sign(body, secret)), ["new", "old"], NOW)
    with pytest.raises(Forged):
        read(signed(HEADER, body, sign(body, "old")), ["new"], NOW)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_token_nothing_is_good(secrets: list[str]) -> None:
    body = json.dumps([EVENT]).encode()
    with pytest.raises(Forged):
        read(signed(HEADER, body, sign(body, "")), secrets, NOW)


def test_one_bad_event_spoils_no_other() -> None:
    bad: list[Any] = [1, None, [], {}, {**EVENT, "id": ""}, {**EVENT, "intuitaccountid": 5}, {**EVENT, "type": None}]
    found = take([EVENT, *bad, {**EVENT, "id": "z"}])
    assert [event.unreadable is None for event in found] == [True, *[False] * len(bad), True]


def test_one_bad_entity_or_company_of_the_old_shape_spoils_no_other() -> None:
    found = take({"eventNotifications": [7, old(""), old("1", 5, {**ENTITY, "id": None}, ENTITY)]})
    assert [event.unreadable is None for event in found] == [False, False, False, False, True]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"no json", b"\xff\xfe", b'{"eventNotifications": {}}', b"[" * 100_000],
    ids=lambda body: repr(body[:9]),
)  # fmt: skip
def test_a_signed_body_in_neither_shape_is_kept_as_unreadable(body: bytes) -> None:
    (event,) = take(body)
    assert event.unreadable == body[:500]


def test_what_intuits_own_kind_of_check_accepts_is_read() -> None:
    body = json.dumps([EVENT]).encode()
    from quickbooks.client import QuickBooks

    client = QuickBooks(company_id="1", verifier_token=SECRET)
    assert client.validate_webhook_signature(body.decode(), sign(body))
