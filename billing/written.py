"""Documents and what belongs to them as text: the same value always gives the same."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic")
_BEGIN, _END = '"issue_on":"', '"po_number":"'  # between them a draft has its two dates


def to_json(value: Any) -> str:
    """Return ``value`` as canonical JSON: the same value always gives the same text."""
    return _ENCODER.encode(value).decode()


def draft_digest(data: str) -> str:
    """Return the SHA-256 of what a draft bills, from its JSON, to see whether a stored one has changed.

    The draft's own two dates are left out: they are set anew on the day of issue. A stored digest is only ever
    compared: one of an earlier release differs, and its draft is drawn up anew once.
    """
    before, dated = data.split(_BEGIN, 1)
    return hashlib.sha256(f"{before}{dated.split(_END, 1)[1]}".encode()).hexdigest()
