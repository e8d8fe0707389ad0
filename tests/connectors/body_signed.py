"""What Xero and Intuit have in common: base64 of HMAC-SHA256 over the body alone. Every forgery of that."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from connectors.base import Delivery

SECRET, OTHER = "right-key", "other-key"
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return the signature as the vendor makes it."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def signed(header: str, body: bytes, signature: str | None = None) -> Delivery:
    """Return a delivery with ``signature``, or the right one."""
    headers = {header: sign(body) if signature is None else signature}
    return Delivery(method="POST", uri="https://netterms.example/webhooks/x", headers=headers, body=body)


def forgeries(header: str, body: bytes) -> Mapping[str, Callable[[], Delivery]]:
    """Return ways to send ``body`` without the vendor's leave, by name."""
    raw = hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
    right = sign(body)
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    bare = Delivery(method="POST", uri="https://netterms.example/webhooks/x", headers={}, body=body)

    def with_(signature: str, sent: bytes = body) -> Callable[[], Delivery]:
        return lambda: signed(header, sent, signature)

    return {
        "no header": lambda: bare,
        "an empty header": with_(""),
        "white space": with_("  "),
        "another secret": with_(sign(body, OTHER)),
        "an empty secret": with_(sign(body, "")),
        "another body": with_(right, body.replace(b"1", b"2")),
        "one more space": with_(right, body + b" "),
        "an empty body": with_(right, b""),
        "a signature of nothing": with_(sign(b"")),
        "one bit flipped": with_(base64.b64encode(flipped).decode()),
        "cut short": with_(right[:-2]),
        "without its padding": with_(right.rstrip("=")),
        "with more behind it": with_(right + "AAAA"),
        "twice": with_(f"{right},{right}"),
        "in hexadecimal": with_(raw.hex()),
        "in the alphabet for addresses": with_("-" + right[1:]),
        "in the other case": with_(right.swapcase()),
        "not ASCII": with_("é" + right[1:]),
        "the secret itself": with_(SECRET),
        "a hash without a key": with_(base64.b64encode(hashlib.sha256(SECRET.encode() + body).digest()).decode()),
        "HMAC-SHA1": with_(base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha1).digest()).decode()),
        "under another header": lambda: signed("x-signature", body),
    }
