"""The pages over a store with something on every part of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

import app
from sync.context import Source
from tests.worlds import TODAY, Live
from web import create_app

HOSTILE = '<script>alert("1")</script>'
DAYS = 40


def pages(live: Live) -> Flask:
    """Return the web application as ``serve`` makes it."""
    config = app.load_config(live.file)
    sources = [
        Source(name=one.name, vendor=one.vendor, role=one.role, entity=one.entity)
        for one in config.connections.values()
    ]
    return create_app(config.store, dict.fromkeys(config.entities, lambda: live.today), sources, config.cadence)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """A store with open, overdue and paid invoices, unapplied cash, review items and a connection to reconnect."""
    live = Live(tmp_path_factory.mktemp("web"))
    live.sell()
    live.sell("Acme Inc", price="1234.50", deal_currency_code="USD")
    live.sell(HOSTILE, payment_terms=HOSTILE)
    for number in range(6):
        live.sell(f"Vague Ltd {number}", payment_terms="as discussed")
    live.done()
    live.pay(30_00, "UK-00001")
    live.pay(5_00)
    live.done()
    live.move_to(TODAY + timedelta(days=DAYS))
    live.fault("hubspot", "unauthorized", times=-1)
    live.sync()
    live.mend()
    return live


@pytest.fixture
def empty(tmp_path: Path) -> Live:
    """A configuration whose store does not exist yet."""
    return Live(tmp_path)
