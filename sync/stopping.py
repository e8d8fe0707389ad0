"""How a process that is asked to end finishes or hands back what it is doing."""

from __future__ import annotations

import threading

from connectors.errors import Stopping

GRACE = 8.0  # seconds that a step has to come to its end; what has not by then is handed back


class Stop:
    """Whether this process was asked to end. Waiting for a vendor's limits ends with it."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask everybody to come to an end."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Say whether it is time to end."""
        return self._asked.is_set()

    def sleep(self, seconds: float) -> None:
        """Wait; raises ``Stopping`` when the process is asked to end before that is over."""
        if self._asked.wait(seconds):
            raise Stopping("the service is being stopped")
