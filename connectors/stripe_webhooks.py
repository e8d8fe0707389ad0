"""Stripe's webhooks: ``Stripe-Signature: t=<seconds>,v1=<hex>``, HMAC-SHA256 over ``t.body``, one event in each.

https://docs.stripe.com/webhooks/signature. While a secret is rolled Stripe sends a signature for each; v0 is only sent
for tests and never accepted. Of an event nothing is believed but its id and which object it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from connectors.base import Delivery, WebhookEvent
from connectors.errors import Malformed
from connectors.webhooks import check_signature, check_time, decode, digests, header, unreadable


class _Object(msgspec.Struct):
    id: str | None = None


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data | None = None
    related_object: _Object | None = None  # of a thin event, which carries no data


def read(delivery: Delivery, secrets: Sequence[str], now: datetime) -> list[WebhookEvent]:
    """Return the event of a delivery; see ``connectors.base.WebhookSource``."""
    time, signatures = _signature(header(delivery, "Stripe-Signature"))
    check_time(time, timedelta(seconds=1), now)
    content = time.encode() + b"." + delivery.body
    check_signature([digest.hex().encode() for digest in digests(secrets, content)], signatures)
    return [_event(delivery.body)]


def _signature(text: str) -> tuple[str, list[bytes]]:
    """Return the time and the v1 signatures of the header."""
    pairs = [part.strip().partition("=") for part in text.split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    signatures = [value.encode() for key, _, value in pairs if key == "v1"]
    if len(times) != 1 or not signatures:
        raise Malformed("Stripe-Signature does not hold one t and a v1")
    return times[0], signatures


def _event(body: bytes) -> WebhookEvent:
    event = decode(body, _Event)
    if event is None or not event.id:
        return unreadable(body)
    about = event.data.object if event.data else event.related_object or _Object()
    return WebhookEvent(id=event.id, topic=event.type, object=about.id or "")
