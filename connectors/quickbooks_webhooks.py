"""QuickBooks' webhooks: ``intuit-signature``, base64 of HMAC-SHA256 over the body under the app's verifier token.

https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks. A delivery is an array of CloudEvents, for several
companies (realms) at once; before 2026 it was an object ``eventNotifications``, which is still read. No time is signed:
a replay is known by its events. Intuit wants its answer within three seconds and holds later events back until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from connectors.base import Delivery, WebhookEvent
from connectors.webhooks import check_body, decode, digest, unreadable


class _CloudEvent(msgspec.Struct):
    specversion: str
    id: str
    type: str
    intuitentityid: str
    intuitaccountid: str  # the realm


class _Changes(msgspec.Struct):
    entities: list[msgspec.Raw]


class _Notification(msgspec.Struct):
    realmId: str
    dataChangeEvent: _Changes


class _Old(msgspec.Struct):
    eventNotifications: list[msgspec.Raw]


def read(delivery: Delivery, secrets: Sequence[str], now: datetime) -> list[WebhookEvent]:
    """Return the events of a delivery; see ``connectors.base.WebhookSource``. ``now`` says nothing: see the module."""
    check_body(delivery, "intuit-signature", secrets)
    parts = decode(delivery.body, list[msgspec.Raw])
    if parts is not None:
        return [_event(bytes(raw)) for raw in parts]
    old = decode(delivery.body, _Old)
    if old is None:
        return [unreadable(delivery.body)]
    return [event for raw in old.eventNotifications for event in _notified(bytes(raw))]


def _event(raw: bytes) -> WebhookEvent:
    event = decode(raw, _CloudEvent)
    if event is None or not (event.id and event.intuitentityid and event.intuitaccountid):
        return unreadable(raw)
    return WebhookEvent(id=event.id, topic=event.type, object=event.intuitentityid, account=event.intuitaccountid)


def _notified(raw: bytes) -> Iterator[WebhookEvent]:
    """Yield the events of one realm in the old shape, which gives them no id."""
    notification = decode(raw, _Notification)
    if notification is None or not notification.realmId:
        yield unreadable(raw)
        return
    for entity in notification.dataChangeEvent.entities:
        yield _entity(bytes(entity), notification.realmId)


def _entity(raw: bytes, realm: str) -> WebhookEvent:
    entity = decode(raw, dict[str, Any]) or {}
    parts = [entity.get(name) for name in ("name", "operation", "id")]
    if not all(isinstance(part, str) and part for part in parts):
        return unreadable(raw)
    name, operation, about = map(str, parts)
    return WebhookEvent(
        id=digest({"realmId": realm, **entity}), topic=f"{name}.{operation}", object=about, account=realm
    )
