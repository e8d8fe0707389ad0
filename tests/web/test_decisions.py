"""What a person decides on the pages happens, with the reason in the audit trail; what cannot be is said in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from billing.terms import Terms
from store import audit, cash, contracts, invoices, outbox, review
from store.database import Store
from store.review import Item
from tests.web.conftest import pages, read, send, words
from tests.worlds import Live

Copied = Callable[..., tuple[FlaskClient, Store]]
WHY = "agreed with Ada on the phone"


@pytest.fixture
def desk(copied: Copied) -> Any:
    """The pages over a copy of the demo's store, and that store."""
    client, store = copied()
    with store:
        yield client, store


def item(store: Store, code: str, start: str = "") -> Item:
    """Return the first open item of a code."""
    return next(one for one in review.open_items(store) if one.code == code and one.message.startswith(start))


def do(client: FlaskClient, chosen: Item, action: str, **fields: str) -> None:
    """Decide an item on its page; it must work."""
    answer = send(client, f"/review/{chosen.id}", action=action, **{"reason": WHY, **fields})
    assert (answer.status_code, answer.location) == (303, "/review")
    assert f"Review item {chosen.id}" in read(client.get("/review").get_data(as_text=True))


def last(store: Store, thing: str) -> tuple[str, str, str]:
    """Return who did what last to a thing, and why."""
    entry = audit.entries(store, thing)[-1]
    return entry.actor, entry.action, entry.reason


# --------------------------------------------------------------------------------------------------------- review items


def test_an_action_is_audited_with_its_reason_as_done_by_a_person_of_the_pages(desk: Any) -> None:
    client, store = desk
    chosen = item(store, "deal_not_mapped")
    do(client, chosen, "dismiss")
    assert last(store, f"review:{chosen.id}") == ("person web", "review dismiss", WHY)
    found = review.get(store, chosen.id)
    assert found is not None and found.state == "dismissed"
    assert audit.verify(store) is None


def test_applying_cash_to_an_invoice_pays_it(desk: Any) -> None:
    client, store = desk
    chosen = item(store, "unapplied_cash", "7.00 GBP")
    before = invoices.by_number(store, "uk", "UK-00007")
    assert before is not None
    do(client, chosen, "apply", value=" UK-00007 ")
    after = invoices.get(store, before.id)
    assert after.open == before.open - 7_00
    payment = cash.get(store, int(chosen.subject.removeprefix("payment:")))
    assert (payment.available, payment.customer_id) == (0, before.customer_id)
    assert last(store, f"document:{before.id}") == ("person web", "applied", WHY)


def test_an_invoice_that_does_not_exist_is_said_and_what_was_typed_is_kept(desk: Any) -> None:
    client, store = desk
    chosen = item(store, "unapplied_cash", "7.00 GBP")
    answer = send(client, f"/review/{chosen.id}", action="apply", value="UK-99999", reason=WHY)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert "That is not possible: name an invoice of uk" in read(page)
    assert 'value="UK-99999"' in page and f'value="{WHY}"' in page
    assert len(audit.entries(store, f"review:{chosen.id}")) == 1  # that it was opened


def test_a_proposed_change_is_put_into_force(desk: Any) -> None:
    client, store = desk
    chosen = item(store, "contract_changed")
    before = contracts.get(store, chosen.subject.removeprefix("contract:"))
    assert before is not None and before.proposed is not None
    do(client, chosen, "apply")
    after = contracts.get(store, before.key)
    assert after is not None
    assert (after.proposed, after.version) == (None, before.version + 1)
    assert after.current == msgspec.json.decode(before.proposed, type=Terms)
    assert last(store, f"contract:{before.key}") == ("person web", "terms", WHY)


def test_a_proposed_change_is_refused(desk: Any) -> None:
    client, store = desk
    chosen = item(store, "contract_changed")
    do(client, chosen, "keep")
    row = contracts.get(store, chosen.subject.removeprefix("contract:"))
    assert row is not None and row.proposed is None and row.refused
    assert last(store, f"contract:{row.key}") == ("person web", "kept", WHY)


@pytest.mark.parametrize(
    ("action", "left"), [("bill_again", []), ("waive", ["waived"]), ("billed_by_hand", ["elsewhere"])]
)
def test_what_was_voided_in_the_books_is_settled_as_a_person_says(desk: Any, action: str, left: list[str]) -> None:
    client, store = desk
    chosen = item(store, "billing_held")
    do(client, chosen, action)
    key = chosen.subject.removeprefix("contract:")
    assert [how for (how,) in store.tuples("SELECT how FROM slices WHERE contract=?", key)] == left
    assert last(store, f"contract:{key}")[2] == WHY


@pytest.mark.parametrize(("action", "state"), [("retry", None), ("link", "uncertain")])
def test_what_the_ledger_refused_is_sent_or_looked_up_again(desk: Any, action: str, state: str | None) -> None:
    client, store = desk
    chosen = item(store, "customer_not_booked")
    do(client, chosen, action)
    intent = store.first(outbox.Intent, "SELECT * FROM outbox WHERE id=?", int(chosen.subject.removeprefix("outbox:")))
    assert (intent and intent.state) == state


def test_ours_is_put_back_from_a_page_that_shows_both_sides(empty: Live) -> None:
    empty.sell()
    empty.done()
    (row,) = empty.sandbox.vendors["xero"].state()["invoices"]
    line = {**row["LineItems"][0], "UnitAmount": 90, "LineAmount": 90, "TaxAmount": 0}
    empty.xero("POST", f"Invoices/{row['InvoiceID']}", {"LineItems": [line]})
    empty.done()
    client, chosen = pages(empty).test_client(), empty.item("books_differ")
    page = words(client, f"/review/{chosen.id}")
    assert "amount 100.00 GBP 90.00 GBP differs" in page
    assert "Put ours back" in page
    do(client, chosen, "put_back")
    with empty.store() as store:
        assert last(store, f"document:{chosen.subject.removeprefix('document:')}") == ("person web", "put back", WHY)
    empty.done()
    assert empty.items() == []
    assert empty.sandbox.vendors["xero"].state()["invoices"][0]["Total"] == 100


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"action": "dismiss", "reason": "  "}, "say why"),
        ({"action": "dismiss"}, "say why"),
        ({"action": "burn", "reason": WHY}, "has no action 'burn'; it has: dismiss"),
        ({"action": "apply", "value": "UK-00001", "reason": WHY}, "has no action 'apply'"),
        ({"reason": WHY}, "has no action ''"),
    ],
)
def test_a_missing_reason_or_a_wrong_action_is_said_and_nothing_happens(
    desk: Any, fields: dict[str, str], told: str
) -> None:
    client, store = desk
    chosen = item(store, "deal_not_mapped")
    rows = audit.head(store)
    answer = send(client, f"/review/{chosen.id}", **fields)
    assert answer.status_code == 400
    assert told in read(answer.get_data(as_text=True))
    assert audit.head(store) == rows
    assert review.get(store, chosen.id) == chosen


def test_an_item_that_was_decided_meanwhile_is_said_to_be_closed(desk: Any) -> None:
    client, store = desk
    chosen = item(store, "billing_held")
    do(client, chosen, "waive")
    answer = send(client, f"/review/{chosen.id}", seen_on="/drafts", action="bill_again", reason=WHY)
    assert answer.status_code == 400
    assert "there is no open review item" in read(answer.get_data(as_text=True))
    assert "It is closed" in read(answer.get_data(as_text=True))


def test_an_item_that_does_not_exist_is_not_found(desk: Any) -> None:
    client, _ = desk
    assert send(client, "/review/9999", seen_on="/drafts", action="dismiss", reason=WHY).status_code == 404


# --------------------------------------------------------------------------------------------------------------- drafts


def statuses(store: Store) -> list[str]:
    return [row.status for row in invoices.drafts(store)]


def seen(client: FlaskClient, action: str) -> str:
    """Return the mark of what a form of the drafts page approves."""
    page = client.get("/drafts").get_data(as_text=True).partition(f'action="{action}"')[2]
    return page.partition('name="seen" value="')[2].partition('"')[0]


def test_one_draft_is_approved(desk: Any) -> None:
    client, store = desk
    (first, *others) = invoices.drafts(store)
    action = f"/drafts/{first.id}/approve"
    assert send(client, action, seen_on="/drafts", seen=seen(client, action)).status_code == 303
    assert invoices.get(store, first.id).status == "approved"
    assert {row.status for row in others} == {"draft"}
    assert last(store, f"document:{first.id}")[:2] == ("person web", "approved")
    assert "1 draft approved" in read(client.get("/drafts").get_data(as_text=True))


def test_all_drafts_are_approved_at_once(desk: Any) -> None:
    client, store = desk
    assert len(statuses(store)) > 1
    send(client, "/drafts/approve", seen_on="/drafts", seen=seen(client, "/drafts/approve"))
    assert set(statuses(store)) == {"approved"}
    assert "Approve all" not in client.get("/drafts").get_data(as_text=True)


def test_a_draft_is_approved_from_its_own_page_too(desk: Any) -> None:
    client, store = desk
    first = invoices.drafts(store)[0]
    page = client.get(f"/invoices/{first.id}").get_data(as_text=True)
    mark = page.partition('name="seen" value="')[2].partition('"')[0]
    send(client, f"/drafts/{first.id}/approve", seen_on=f"/invoices/{first.id}", seen=mark)
    assert invoices.get(store, first.id).status == "approved"


@pytest.mark.parametrize("every", [True, False])
def test_a_draft_that_changed_since_it_was_looked_at_is_not_approved(desk: Any, every: bool) -> None:
    client, store = desk
    first = invoices.drafts(store)[0]
    action = "/drafts/approve" if every else f"/drafts/{first.id}/approve"
    looked_at = seen(client, action)
    with store.transaction():
        store.execute("UPDATE documents SET digest='another' WHERE id=?", first.id)
    send(client, action, seen_on="/drafts", seen=looked_at)
    assert set(statuses(store)) == {"draft"}
    assert "The drafts have changed since you looked at them" in read(client.get("/drafts").get_data(as_text=True))


def test_what_is_issued_already_cannot_be_approved(desk: Any) -> None:
    client, store = desk
    issued = invoices.issued(store)[0]
    head = audit.head(store)
    assert send(client, f"/drafts/{issued.id}/approve", seen_on="/drafts", seen="x").status_code == 303
    assert (invoices.get(store, issued.id), audit.head(store)) == (issued, head)
