"""A stand-in of Stripe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response

from sandbox.core import Clock, Ledger, RateLimit, Vendor, json_response
from sandbox.world import World


class Stripe(Vendor):
    """See the module."""

    name = "stripe"

    def __init__(self, clock: Clock, world: World, ledgers: Sequence[Ledger], minute: float = 60.0) -> None:
        super().__init__(clock, minute)

    def reset(self) -> None:
        """Go back to the seeded state."""

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every object by type."""
        return {}

    def too_many(self, limit: RateLimit, wait: float) -> Response:
        """Return the vendor's own 429."""
        return json_response({}, 429)
