"""The pages show what the store holds; looking changes nothing, and nothing foreign can act in them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from billing.money import display
from store import reports
from sync.jobs import JOBS
from tests.web.conftest import HOSTILE, pages, read
from tests.worlds import Live


@pytest.fixture
def client(told: Live) -> FlaskClient:
    return pages(told).test_client()


@pytest.fixture
def home(client: FlaskClient) -> str:
    return client.get("/").get_data(as_text=True)


# -------------------------------------------------------------------------------------------------------- what is shown


def test_the_home_page_shows_what_is_open_and_overdue_by_entity_and_age(home: str) -> None:
    words = read(home)
    assert "uk GBP 170.00 GBP open on 2 invoices, 70.00 GBP overdue on 1" in words
    assert "us USD 2,469.00 USD open on 2 invoices, 1,234.50 USD overdue on 1" in words
    assert "not due yet 100.00 GBP 1-30 days late 70.00 GBP 31-60 days late 0.00 GBP" in words


def test_the_home_page_shows_the_cash_that_no_invoice_is_known_for(home: str, told: Live) -> None:
    with told.store() as store:
        unapplied = {entity: (display(amount, currency), count) for entity, currency, count, amount
                     in reports.unapplied(store)}  # fmt: skip
    amount, count = unapplied["uk"]
    assert f"uk: {amount} in {count} payment{'s' * (count > 1)} not applied to an invoice yet." in read(home)


def test_the_bar_of_ages_fills_its_whole_width(home: str) -> None:
    for bar in re.findall(r"<svg.*?</svg>", home, re.DOTALL):
        widths = [float(width) for width in re.findall(r'width="([\d.]+)"', bar)]
        assert sum(widths) == pytest.approx(100, abs=0.1)


def test_the_home_page_lists_the_first_review_items_and_counts_the_others(home: str, told: Live) -> None:
    items = told.items()
    assert len(items) > 5
    words = read(home)
    assert f"Waiting for a person {len(items)}" in words
    for item in items[:5]:
        assert f"{' '.join(item.message.split())} {item.fix} Decide item {item.id}" in words
    assert f"and {len(items) - 5} more" in words


def test_the_home_page_names_the_connection_to_reconnect_and_no_other(home: str) -> None:
    words = read(home)
    assert re.search(
        r"Reconnect hubspot \(hubspot\): it has refused our credentials since 11 Oct 2026 12:0\d UTC", words
    )
    assert words.count("Reconnect") == 1
    assert re.search(r"hubspot hubspot all reconnect", words)
    assert re.search(r"xero_uk xero uk works", words)


def test_the_home_page_shows_the_latest_run_of_every_job(home: str) -> None:
    words = read(home)
    for job in JOBS:
        assert re.search(rf"{job.name} 11 Oct 2026 12:\d\d UTC (done|partly) ", words), job.name
    assert re.search(r"pull_deals 11 Oct 2026 12:\d\d UTC partly hubspot: ", words)
    assert "issue_invoices 11 Oct 2026 12:00 UTC done 2 invoices issued" in words


def test_the_home_page_shows_what_is_in_the_books(home: str) -> None:
    words = read(home)
    assert "quickbooks_us documents 2 0" in words
    assert "xero_uk payments 1 0" in words


def test_names_from_outside_are_text_and_never_markup(home: str) -> None:
    assert "<script" not in home
    assert HOSTILE in read(home)


def test_health_says_which_connections_need_attention(client: FlaskClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json == {"status": "attention", "connections": {"hubspot": "reconnect"}}


# -------------------------------------------------------------------------------------------------------- empty, broken


def test_an_empty_store_has_a_page_and_is_healthy(empty: Live) -> None:
    client = pages(empty).test_client()
    words = read(client.get("/").get_data(as_text=True))
    assert "0 contracts · 0 invoices" in words
    assert "Nothing is open." in words
    assert "Waiting for a person 0 Nothing." in words
    assert words.count("never ran") == len(JOBS)
    assert words.count("not used yet") == 5
    assert client.get("/health").json == {"status": "ok", "connections": {}}


def test_a_store_that_cannot_be_read_is_not_healthy_and_tells_no_secrets(empty: Live) -> None:
    empty.database.write_bytes(b"this is no database" * 100)
    answer = pages(empty).test_client().get("/health")
    assert answer.status_code == 500
    assert str(empty.database) not in answer.get_data(as_text=True)


# ------------------------------------------------------------------------------------------------------------ hardening


@pytest.mark.parametrize("path", ["/", "/health", "/static/netterms.css", "/nowhere"])
def test_every_answer_forbids_scripts_frames_and_sniffing(client: FlaskClient, path: str) -> None:
    headers = client.get(path, buffered=True).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["style-src"] == policy["form-action"] == "'self'"
    assert not {"script-src", "unsafe-inline"} & policy.keys()
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_pages_with_figures_are_kept_in_no_cache(client: FlaskClient) -> None:
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_the_page_needs_no_script_no_inline_style_and_nothing_from_elsewhere(home: str) -> None:
    assert " style=" not in home
    assert "<style" not in home
    assert re.findall(r'src="([^"]*)"', home) == []
    assert [href for href in re.findall(r'href="([^"]*)"', home) if not re.match(r"/(?!/)|#", href)] == []


def test_looking_at_pages_changes_nothing(client: FlaskClient, told: Live) -> None:
    before = told.database.read_bytes()
    writes = told.writes()
    for path in ("/", "/health", "/static/netterms.css", "/nowhere"):
        client.get(path, buffered=True)
    assert told.database.read_bytes() == before
    assert told.writes() == writes


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_page_takes_anything(client: FlaskClient, method: str) -> None:
    for path in ("/", "/health"):
        assert getattr(client, method)(path).status_code == 405


def test_the_style_sheet_is_served(client: FlaskClient) -> None:
    answer = client.get("/static/netterms.css", buffered=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/css")
