"""The service's web application as ``serve`` makes it, in process or on a real socket, for what sends webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import waitress
from flask import Flask

import app
from tests.worlds import Live
from web import create_app, webhooks
from web.access import Access

SECRETS = {
    "hubspot": "hubspot-client-secret",
    "stripe_us": "whsec_sandbox_us",
    "stripe_uk": "whsec_sandbox_uk",
    "quickbooks_us": "quickbooks-verifier-token",
    "xero_uk": "xero-webhook-key",
}


def serving(live: Live, **access: Any) -> Flask:
    """Return the application over the live world's configuration and store, in real time."""
    config = app.load_config(live.file)
    made = create_app(config.store, app.LiveWorld(config), config.cadence, Access(secret="of tests", **access))
    webhooks.install(made, app.inbox(config))
    return made


@contextmanager
def listening(live: Live) -> Iterator[int]:
    """Serve on a free port of 127.0.0.1 until the block ends; yields the port."""
    server = waitress.create_server(serving(live), host="127.0.0.1", port=0, threads=app.SERVER_THREADS)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server.effective_port
    server.trigger.pull_trigger(server.close)  # by its own thread, which would else select on closed sockets
    thread.join(5)
    server.task_dispatcher.shutdown()


def targets(port: int, delivery: str = "once") -> list[dict[str, str]]:
    """Return what tells the sandbox to send its webhooks to the service at ``port``."""
    return [
        {
            "vendor": name.partition("_")[0],
            "account": name.partition("_")[2] if name.startswith("stripe") else "",
            "url": f"http://127.0.0.1:{port}/webhooks/{name}",
            "secret": secret,
            "delivery": delivery,
        }
        for name, secret in SECRETS.items()
    ]
