"""How a command that runs on ends when it is told to: a step is brought to its end, what cannot be is handed back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from commands.answers import OK


@contextmanager
def until_stopped() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block quietly."""
    import signal

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


@contextmanager
def draining(store: Path, *, wake: bool = False) -> Iterator[Any]:
    """Yield what tells whether SIGTERM came: no job is begun any more, the one that runs ends after its step.

    What does not end within the grace period is handed back and the process ends; a second SIGTERM ends it at once.
    ``wake``: whoever only waits in the main thread is interrupted.
    """
    import signal
    import threading

    from sync.stopping import GRACE, Stop

    stop = Stop()

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop.ask()
        last_resort = threading.Timer(GRACE, _hand_back, [store])
        last_resort.daemon = True
        last_resort.start()
        if wake:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield stop
    finally:
        if not stop.asked:
            signal.signal(signal.SIGTERM, before)


def _hand_back(path: Path) -> None:
    """Give back the leases of this process and end it: what it was doing is looked up by whoever goes on."""
    import threading

    from store import runs
    from store.database import Store
    from sync.run import holder

    def give_back() -> None:
        with Store.as_others_do(path) as store:
            runs.hand_back(store, datetime.now(UTC), "handed back, as the service was stopped", holder())

    giving = threading.Thread(target=give_back, daemon=True)
    giving.start()
    giving.join(1)  # a job that writes just now keeps the database to itself; its end undoes what it did not finish
    os._exit(OK)
