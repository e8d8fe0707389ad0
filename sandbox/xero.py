"""A stand-in of Xero."""

from __future__ import annotations

from typing import Any

from flask import Response

from sandbox.core import Clock, Ledger, OpenDocument, RateLimit, json_response


class Xero(Ledger):
    """See the module."""

    name = "xero"

    def __init__(self, clock: Clock, minute: float = 60.0) -> None:
        super().__init__(clock, minute)

    def reset(self) -> None:
        """Go back to the seeded state."""

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type."""
        return {}

    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return the vendor's own 429."""
        return json_response({}, 429)

    def open_documents(self) -> list[OpenDocument]:
        """Return every unpaid invoice."""
        return []
