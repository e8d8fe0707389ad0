"""Dead letters, both sides of a difference and owners, on the pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from store import inbox, outbox, review
from store.database import Store
from store.inbox import Event
from store.review import Finding
from tests.web.conftest import HOSTILE, send, words
from tests.worlds import NOBODY

Copied = Callable[..., tuple[FlaskClient, Store]]


@pytest.fixture
def desk(copied: Copied) -> Any:
    """The pages over a copy of the demo's store, and that store."""
    client, store = copied()
    with store:
        yield client, store


def unreadable(store: Store, *names: str) -> None:
    events = [Event(id=name, topic="?", object="", unreadable=f"{name} {HOSTILE}".encode()) for name in names]
    inbox.save(store, "stripe_uk", events, datetime(2026, 10, 11, 12, tzinfo=UTC))


def test_a_dead_letter_is_shown_as_text_and_can_be_handled_again(desk: Any) -> None:
    client, store = desk
    assert "There is none." in words(client, "/inbox")
    unreadable(store, "evt_1", "evt_2")
    assert HOSTILE not in client.get("/inbox").get_data(as_text=True)
    assert f"stripe_uk evt_1 {HOSTILE} nobody can read it" in words(client, "/inbox")
    letters = [event.id for event in inbox.stored_unreadable(store)]
    assert send(client, "/inbox", which=str(letters[0])).status_code == 303
    shown = words(client, "/inbox")
    assert "1 webhook(s) come up again" in shown
    assert "evt_1" not in shown
    send(client, "/inbox", which="all")
    assert "There is none." in words(client, "/inbox")


def test_replaying_what_is_handled_by_now_says_so(desk: Any) -> None:
    client, store = desk
    unreadable(store, "evt_1")
    assert send(client, "/inbox", which="999").status_code == 303
    assert "That one is handled by now." in words(client, "/inbox")


def test_an_item_shows_both_sides_and_who_looks_after_it(desk: Any) -> None:
    client, store = desk
    intent = outbox.waiting(store, "xero_uk", "document", "done")[0]
    with store.transaction():
        outbox.park_with(store, intent, "it differs", [("amount", "100.00 GBP", "99.00 GBP"), ("kind", "a", "a")])
        finding = Finding(
            code="document_not_booked", subject=f"outbox:{intent.id}", message="it differs", fix="mend it"
        )
        review.record(store, NOBODY, "push_documents", [finding], complete=False)
    (item,) = [one for one in review.open_items(store) if one.code == "document_not_booked"]
    page = f"/review/{item.id}"
    assert "Here There amount 100.00 GBP 99.00 GBP differs kind a a" in words(client, page)
    assert send(client, f"{page}/owner", seen_on=page, owner="Ada").location == page
    assert "Looked after by Ada" in words(client, page)
    assert "Ada" in words(client, "/review?code=document_not_booked")
    assert send(client, "/review/9999/owner", seen_on=page, owner="Ada").status_code == 404
