"""A company whose QuickBooks numbers documents by itself: no invoice is there twice, whatever it is called."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.quickbooks.catalogue import Catalogue
from sync.decide import both_sides
from tests.worlds import Live


@pytest.fixture(autouse=True)
def numbered_there(live: Live) -> None:
    """QuickBooks numbers by itself, and there is something to book in both ledgers."""
    custom_numbers(live, on=False)
    live.sell("Northwind Ltd", price="100")
    live.sell("Acme Inc", price="40", deal_currency_code="USD")


def custom_numbers(live: Live, *, on: bool) -> None:
    live.sandbox.vendors["quickbooks"].books.preferences["SalesFormsPrefs"]["CustomTxnNumbers"] = on  # type: ignore[attr-defined]


def invoices(live: Live) -> list[dict[str, Any]]:
    return live.sandbox.vendors["quickbooks"].state()["invoices"]


def test_nothing_is_booked_there_until_it_takes_our_numbers_and_all_else_goes_on(live: Live) -> None:
    live.done()
    assert invoices(live) == []
    assert len(live.sandbox.vendors["quickbooks"].state()["customers"]) == 1
    assert len(live.sandbox.vendors["xero"].state()["invoices"]) == 1
    item = live.item("ledger_setup")
    assert (item.subject, "Custom transaction numbers" in item.message) == ("connection:quickbooks_us", True)
    custom_numbers(live, on=True)
    live.done()
    assert [row["DocNumber"] for row in invoices(live)] == ["US-00001"]
    assert live.items() == []


def test_a_document_that_got_another_number_there_is_shown_with_both_sides_and_never_sent_again(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalogue, "numbering", lambda self: "")  # it was switched off a moment after we looked
    live.done()
    assert "its number is 1001 there and US-00001 here" in live.item("document_booked_differently").message
    with live.store() as store:
        assert both_sides(store, live.item("document_booked_differently"))[0] == ("number", "US-00001", "1001")
    custom_numbers(live, on=True)
    live.decide("renumbered_in_books", "put_back")
    live.done()
    assert [row["DocNumber"] for row in invoices(live)] == ["US-00001"]


def test_a_lost_answer_about_a_document_that_got_another_number_makes_no_second_one(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalogue, "numbering", lambda self: "")
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices", "match_customers")
    live.fault("quickbooks", "error_after", path="/batch", skip=1, status=502)
    for _ in range(4):
        live.sync()
        live.move_to(live.today + timedelta(days=1))
    assert [row["DocNumber"] for row in invoices(live)] == ["1001"]
    assert live.rows("SELECT state FROM outbox WHERE kind='document'") == [("done",), ("done",)]
    assert [item.code for item in live.items()] == ["renumbered_in_books"]
