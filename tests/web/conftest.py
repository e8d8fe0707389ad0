"""The pages over stores with something on every part of them. A store is made once; who changes it takes a copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import app
from store.database import Store
from tests.worlds import TODAY, Live
from web import create_app
from web.access import Access

HOSTILE = '<script>alert("1")</script>'
EVIL = 'Evil <img src=x onerror="alert(1)"> & Sons'
DAYS = 40
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class _Text(HTMLParser):
    """Collects what a person reads."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def read(page: str) -> str:
    """Return a page's words, single spaces between them."""
    parser = _Text()
    parser.feed(page)
    return " ".join(" ".join(parser.parts).split())


def words(client: FlaskClient, path: str) -> str:
    """Return the words of a page that must be there."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return read(answer.get_data(as_text=True))


def send(client: FlaskClient, path: str, seen_on: str = "", **fields: Any) -> TestResponse:
    """Send a form as a browser does: with the token of the page it stands on."""
    page = client.get(seen_on or path).get_data(as_text=True)
    token = TOKEN.search(page)
    assert token is not None, f"{seen_on or path} has no form"
    return client.post(path, data={"csrf_token": token[1], **fields})


def pages(live: Live, database: Path | None = None, **access: Any) -> Flask:
    """Return the web application as ``serve`` makes it, on the day the world stands at."""
    config = app.load_config(live.file)
    world = app.LiveWorld(config, today=live.today)
    secret = {"secret": "a secret of tests", **access}
    return create_app(database or config.store, world, config.cadence, Access(**secret))


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """The demo's company over some weeks, and one of everything that a person decides on.

    The ledger refuses Evil's name; the invoice of ``Voided Ltd`` was voided in the books; the deal of ``Changed Ltd``
    was changed after it was billed; drafts of ``us`` wait for approval; a payment of 7.00 GBP fits no invoice.
    """
    live = Live(tmp_path_factory.mktemp("walked"), deals=12)
    live.configure("[entities.us]\n", '[entities.us]\napprove = "manual"\n')
    live.sell(EVIL)
    live.sell("Voided Ltd", price="333")
    changed = live.sell("Changed Ltd")
    live.sync()
    live.pay(7_00, HOSTILE)
    for week in range(6):
        live.move_to(TODAY + timedelta(days=7 * week))
        live.sync()
        if week == 2:
            live.approve_all()
    live.change_price(changed, "150")
    number = next(number for number, row in live.issued().items() if row.total == 333_00)
    live.xero("POST", f"Invoices/{number}", {"Status": "VOIDED"})
    live.sync()
    return live


@pytest.fixture(scope="session")
def walked_pages(walked: Live) -> Flask:
    return pages(walked)


@pytest.fixture
def walked_client(walked_pages: Flask) -> FlaskClient:
    return walked_pages.test_client()


@pytest.fixture
def copied(walked: Live, tmp_path: Path) -> Callable[..., tuple[FlaskClient, Store]]:
    """Return a function that opens the pages over a copy of ``walked``, and the copy itself."""

    def copy(**access: Any) -> tuple[FlaskClient, Store]:
        target = tmp_path / "copy.db"
        with walked.store() as store:
            store.copy_to(target)
        return pages(walked, target, **access).test_client(), Store(target)

    return copy


@pytest.fixture
def empty(tmp_path: Path) -> Live:
    """A configuration whose store does not exist yet."""
    return Live(tmp_path)
