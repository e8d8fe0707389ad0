"""Xero's webhooks: ``x-xero-signature``, base64 of HMAC-SHA256 over the body under the webhook's signing key.

https://developer.xero.com/documentation/guides/webhooks/overview. Before Xero sends anything it checks the *intent to
receive*: several deliveries without events, some of them wrongly signed, are to be answered 200 and 401 within five
seconds. So every wrong signature, also a missing one, is ``Forged``. No time is signed: a replay is known by its
events, which are the same each time. One address serves all organisations of an app; each event names its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from connectors.base import Delivery, WebhookEvent
from connectors.webhooks import check_body, decode, digest, unreadable


class _Message(msgspec.Struct):
    events: list[msgspec.Raw]


def read(delivery: Delivery, secrets: Sequence[str], now: datetime) -> list[WebhookEvent]:
    """Return the events of a delivery; see ``connectors.base.WebhookSource``. ``now`` says nothing: see the module."""
    check_body(delivery, "x-xero-signature", secrets)
    message = decode(delivery.body, _Message)
    return [unreadable(delivery.body)] if message is None else [_event(bytes(raw)) for raw in message.events]


def _event(raw: bytes) -> WebhookEvent:
    event = decode(raw, dict[str, Any]) or {}
    parts = [event.get(name) for name in ("eventCategory", "eventType", "resourceId", "tenantId")]
    if not all(isinstance(part, str) and part for part in parts):
        return unreadable(raw)
    category, what, about, tenant = map(str, parts)
    return WebhookEvent(id=digest(event), topic=f"{category}.{what}", object=about, account=tenant)
