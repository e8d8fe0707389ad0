"""HubSpot's webhooks, signature version 3: base64 of HMAC-SHA256 over method + URI + body + timestamp.

https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation. The secret is
the app's client secret. A delivery holds up to 100 events, in no order; HubSpot repeats what was not answered, counting
``attemptNumber`` up, and its ``eventId`` is not unique: an event is known by the digest of all the rest.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from connectors.base import Delivery, WebhookEvent
from connectors.webhooks import check_signature, check_time, decode, digest, digests, header, unreadable

# HubSpot signs the URI with these decoded and everything else as it is sent.
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")",
    "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip
_ESCAPE = re.compile("|".join(_DECODED), re.IGNORECASE)


def read(delivery: Delivery, secrets: Sequence[str], now: datetime) -> list[WebhookEvent]:
    """Return the events of a delivery; see ``connectors.base.WebhookSource``."""
    given = header(delivery, "X-HubSpot-Signature-v3")
    time = header(delivery, "X-HubSpot-Request-Timestamp")
    check_time(time, timedelta(milliseconds=1), now)
    content = f"{delivery.method}{_plain(delivery.uri)}".encode() + delivery.body + time.encode()
    check_signature([base64.b64encode(one) for one in digests(secrets, content)], [given.encode()])
    found = decode(delivery.body, list[msgspec.Raw])
    return [unreadable(delivery.body)] if found is None else [_event(bytes(raw)) for raw in found]


def _plain(uri: str) -> str:
    return _ESCAPE.sub(lambda match: _DECODED[match[0].upper()], uri)


def _event(raw: bytes) -> WebhookEvent:
    event = decode(raw, dict[str, Any])
    topic, about = (event or {}).get("subscriptionType"), (event or {}).get("objectId")
    if event is None or not isinstance(topic, str) or not isinstance(about, int | str):
        return unreadable(raw)
    event.pop("attemptNumber", None)
    return WebhookEvent(id=digest(event), topic=topic, object=str(about))
