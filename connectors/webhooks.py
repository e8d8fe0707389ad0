"""What signed webhooks of all vendors have in common: one HMAC, a comparison in constant time, a window of time.

A delivery that was not signed by the vendor, for this address, just now, is refused and leaves no trace. What is
refused is an error that says how to answer: ``Malformed`` 400, ``Forged`` 401.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from connectors.base import Delivery, WebhookEvent
from connectors.errors import Forged, Malformed

# Both ways: an old delivery may be a replay, and one from the future could be replayed for as long as it likes.
WINDOW = timedelta(minutes=5)
_LONGEST_NUMBER = 16  # digits of a time in milliseconds, with room; int() of a very long text takes very long
EXCERPT = 500  # bytes of what cannot be read that are kept for a person

T = TypeVar("T")


def header(delivery: Delivery, name: str) -> str:
    """Return a header; raises ``Malformed`` when it is missing or empty."""
    found = delivery.headers.get(name.lower(), "").strip()
    if not found:
        raise Malformed(f"the header {name} is missing")
    return found


def check_time(text: str, unit: timedelta, now: datetime) -> None:
    """Check the time of signing, a number of ``unit`` since 1970, against ``now``.

    Raises ``Malformed`` for what is no such number and ``Forged`` outside the window.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise Malformed("the time of signing is no number")
    since_1970 = now - datetime(1970, 1, 1, tzinfo=UTC)
    if abs(since_1970 // unit - int(text)) > WINDOW // unit:
        raise Forged("signed too long ago, or in the future")


def digests(secrets: Sequence[str], content: bytes) -> list[bytes]:
    """Return the HMAC-SHA256 of ``content`` under each secret; an empty secret, which anybody knows, gives none."""
    return [hmac.digest(secret.encode(), content, hashlib.sha256) for secret in secrets if secret]


def check_signature(right: Collection[bytes], given: Collection[bytes]) -> None:
    """Check that one of the ``given`` signatures is ``right``, taking equally long for every wrong one.

    Raises ``Forged``.
    """
    found = False
    for one in right:
        for other in given:
            found |= hmac.compare_digest(one, other)
    if not found:
        raise Forged("the signature is wrong")


def check_body(delivery: Delivery, name: str, secrets: Sequence[str]) -> None:
    """Check a header that signs the body alone, in base64. Raises ``Forged``, also where the header is missing."""
    given = delivery.headers.get(name.lower(), "").strip()
    check_signature([base64.b64encode(one) for one in digests(secrets, delivery.body)], [given.encode()])


def digest(event: dict[str, Any]) -> str:
    """Return what an event is known by that has no id of its own: the hash of all it says, in whatever order."""
    return hashlib.sha256(msgspec.json.encode(event, order="deterministic")).hexdigest()


def unreadable(content: bytes) -> WebhookEvent:
    """Return what stands for a signed message, or a part of one, that is not as the vendor describes it."""
    return WebhookEvent(id=hashlib.sha256(content).hexdigest(), topic="", object="", unreadable=content[:EXCERPT])


def decode(content: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    """Return JSON as ``kind``; None when it is none, or nested too deeply."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
