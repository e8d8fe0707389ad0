"""Credit notes given and invoices voided on the pages, and drafts shown as pro forma invoices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from store import audit, invoices, outbox
from store.database import Store
from store.invoices import DocumentRow, Wanted, drawn
from tests.web.conftest import read, send, words
from tests.worlds import NOBODY

WHY = "agreed with Ada on the phone"
Desk = tuple[FlaskClient, Store]


@pytest.fixture
def desk(copied: Callable[..., Desk]) -> Iterator[Desk]:
    """The pages over a copy of the demo's store, and that store."""
    client, store = copied()
    with store:
        yield client, store


def invoice(store: Store) -> DocumentRow:
    """Return an invoice over 100.00 GBP of one line."""
    return next(row for row in invoices.issued(store, "uk") if (row.total, row.status) == (100_00, "issued"))


def given(store: Store) -> DocumentRow:
    """Return the credit note that was given against it."""
    (note,) = invoices.credits_of(store, "uk", str(invoice(store).number))
    return note


def looked_at(client: FlaskClient, address: str, **wish: str) -> tuple[str, str]:
    """Fill in the form; return the mark of the credit note that is shown, and the page's words."""
    answer = client.get(address, query_string={"reason": WHY, **wish})
    page = answer.get_data(as_text=True)
    found = re.search(r'name="seen" value="([^"]+)"', page)
    return found[1] if found else "", read(page)


def give(client: FlaskClient, address: str, **fields: str) -> TestResponse:
    """Send the form that issues a credit note."""
    return send(client, address, seen_on=f"{address}?what=all&reason=x", **{"reason": WHY, **fields})


# -------------------------------------------------------------------------------------------------------------- credit


def test_an_invoice_is_credited_in_two_steps(desk: Desk) -> None:
    client, store = desk
    row = invoice(store)
    address = f"/invoices/{row.id}/credit"
    assert f'href="{address}"' in client.get(f"/invoices/{row.id}").get_data(as_text=True)
    assert "100.00 GBP net can still be credited" in words(client, address)
    head = audit.head(store)
    seen, page = looked_at(client, address, what="net", amount="30")
    assert "Credit: Premium support 1 Sep 2026 to 30 Sep 2026" in page
    assert f"agreed credit on invoice {row.number}, of:" in page
    assert "Total 30.00 GBP" in page
    assert audit.head(store) == head  # looking changes nothing
    answer = give(client, address, seen=seen, what="net", amount="30")
    note = given(store)
    assert (answer.status_code, note.total, answer.location) == (303, 30_00, f"/invoices/{note.id}")
    shown = words(client, f"/invoices/{note.id}")
    assert f"{note.number} is issued; the next run puts it into the books." in shown
    assert f"Against {row.number}" in shown
    assert f"Credited by {note.number} over 30.00 GBP" in words(client, f"/invoices/{row.id}")
    last = audit.entries(store, f"document:{row.id}")[-1]
    assert (last.actor, last.action, last.reason) == ("person web", "credited", WHY)
    assert audit.verify(store) is None


@pytest.mark.parametrize(
    ("wish", "total"),
    [
        ({"what": "all"}, 100_00), ({"what": "all", "amount": "5"}, 100_00), ({"what": "1"}, 100_00),
        ({"what": "1", "amount": "12.34"}, 12_34), ({"what": "gross", "amount": "99.99"}, 99_99),
    ],
    ids=str,
)  # fmt: skip
def test_all_a_line_or_an_amount_is_credited(desk: Desk, wish: dict[str, str], total: int) -> None:
    client, store = desk
    address = f"/invoices/{invoice(store).id}/credit"
    seen, _ = looked_at(client, address, **wish)
    give(client, address, seen=seen, **wish)
    assert given(store).total == total


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"what": "net", "amount": "100.01"}, "write an amount up to 100.00 GBP"),
        ({"what": "net", "amount": "<b>"}, "'<b>' is no amount"),
        ({"what": "gross"}, "write the amount"),
        ({"what": "7"}, "has no line 7"),
        ({"what": "1", "amount": "NaN"}, "is no amount"),
        ({"what": "1", "amount": "Infinity"}, "is no amount"),
        ({"what": "", "amount": "1"}, "say what to credit"),
        ({"what": "all", "reason": " "}, "say why"),
        ({"what": "all", "seen": "another"}, "look again"),
    ],
    ids=str,
)
def test_what_cannot_be_credited_is_said_and_nothing_happens(desk: Desk, wish: dict[str, str], told: str) -> None:
    client, store = desk
    address = f"/invoices/{invoice(store).id}/credit"
    head = audit.head(store)
    seen, _ = looked_at(client, address, what="all")
    answer = give(client, address, **{"seen": seen, **wish})
    assert answer.status_code == 400
    page = answer.get_data(as_text=True)
    assert told in read(page) and "That is not possible" in page and "<b>" not in page
    assert audit.head(store) == head


def test_without_having_looked_nothing_is_issued(desk: Desk) -> None:
    client, store = desk
    answer = give(client, f"/invoices/{invoice(store).id}/credit", what="all")
    assert (answer.status_code, invoices.credits_of(store, "uk", str(invoice(store).number))) == (400, [])


def test_what_is_credited_whole_voided_a_draft_or_not_there_cannot_be_credited(desk: Desk) -> None:
    client, store = desk
    row = invoice(store)
    address = f"/invoices/{row.id}/credit"
    seen, _ = looked_at(client, address, what="all")
    give(client, address, seen=seen, what="all")
    assert "Nothing is left to credit" in words(client, address)
    draft = invoices.drafts(store)[0]
    for other in (draft, given(store)):
        assert client.get(f"/invoices/{other.id}/credit").status_code == 400
    assert client.get("/invoices/9999/credit").status_code == 404
    voided = next(one for one in invoices.issued(store) if one.status == "voided")
    answer = client.get(f"/invoices/{voided.id}/credit")
    assert (answer.status_code, "was voided in the books" in answer.get_data(as_text=True)) == (400, True)


# ----------------------------------------------------------------------------------------------------------- pro forma


def test_a_draft_is_shown_as_a_pro_forma_invoice_without_a_number(desk: Desk) -> None:
    client, store = desk
    row = invoices.drafts(store)[0]
    assert f'href="/drafts/{row.id}/proforma"' in client.get(f"/invoices/{row.id}").get_data(as_text=True)
    head = audit.head(store)
    page = words(client, f"/drafts/{row.id}/proforma")
    assert "Pro forma invoice" in page and "This is no invoice: it has no number, and nothing is to be paid" in page
    assert re.search(r"From \w.* To \w.* Contract ", page), page
    assert "were it issued today" in page
    assert (audit.head(store), invoices.get(store, row.id)) == (head, row)


def test_what_is_issued_has_no_pro_forma(desk: Desk) -> None:
    client, store = desk
    assert client.get(f"/drafts/{invoice(store).id}/proforma").status_code == 404
    assert client.get("/drafts/9999/proforma").status_code == 404


# ---------------------------------------------------------------------------------------- an invoice for two contracts


def test_an_invoice_for_several_contracts_names_them_and_stands_on_each_one_s_page(desk: Desk) -> None:
    client, store = desk
    first, second = invoices.drafts(store)[:2]
    lines = (*first.draft.lines, *second.draft.lines)
    both = msgspec.structs.replace(first.draft, lines=lines)
    wanted = [
        Wanted(first.contract, first.customer_id, [drawn(both)], [second.contract]),
        Wanted(second.contract, second.customer_id, []),
    ]
    with store.transaction():
        invoices.save_many_drafts(store, NOBODY, first.entity, wanted)
    page = words(client, f"/invoices/{first.id}")
    assert f"Contract {first.contract} , {second.contract} , sold by us" in page
    assert page.count(f" {second.contract} ") >= 1 + len(second.draft.lines)
    for key in (first.contract, second.contract):
        assert f"{first.name} us not yet" in words(client, f"/contracts/{key}")
    assert f"Contract {first.contract}, {second.contract}" in words(client, f"/drafts/{first.id}/proforma")


# ---------------------------------------------------------------------------------------------------------------- void


def void(client: FlaskClient, row: DocumentRow, reason: str = WHY) -> TestResponse:
    """Send the form that voids an invoice."""
    return send(client, f"/invoices/{row.id}/void", seen_on=f"/invoices/{row.id}", reason=reason)


def booked(store: Store, row: DocumentRow) -> bool:
    """Say whether an invoice is in the books."""
    intent = outbox.of(store, "xero_uk", "document", row.id)
    return row.type == "invoice" and row.status == "issued" and intent is not None and intent.state == "done"


def test_an_invoice_that_nobody_has_seen_is_voided_on_its_page_with_the_reason_in_the_audit_trail(desk: Desk) -> None:
    client, store = desk
    row = next(row for row in invoices.issued(store, "uk") if row.open == row.total and booked(store, row))
    answer = void(client, row)
    assert (answer.status_code, answer.location) == (303, f"/invoices/{row.id}")
    assert invoices.get(store, row.id).status == "voided"
    last = audit.entries(store, f"document:{row.id}")[-1]
    assert (last.actor, last.action, last.reason) == ("person web", "voided", WHY)
    intent = outbox.of(store, "xero_uk", "document_void", row.id)
    assert intent is not None and intent.state == "new"
    page = words(client, f"/invoices/{row.id}")
    assert f"{row.number} is void" in page
    assert "Void this invoice" not in page


def test_what_cannot_be_voided_is_said_what_was_typed_is_kept_and_nothing_happens(desk: Desk) -> None:
    client, store = desk
    row = invoice(store)
    with store.transaction():
        store.insert(
            "mails", document_id=row.id, step="invoice", recipient="ap@x.example", via="netterms", state="sent",
            message_id="m", at="2026-09-01T12:00:00+00:00",
        )  # fmt: skip
    head = audit.head(store)
    answer = void(client, row)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 400
    assert f"{row.number} cannot be voided: it was sent to the customer; credit it instead" in read(page)
    assert f'value="{WHY}"' in page
    assert void(client, row, " ").status_code == 400
    assert (invoices.get(store, row.id), audit.head(store)) == (row, head)


def test_the_form_is_not_there_for_what_is_paid_in_part_and_no_other_page_may_send_it(desk: Desk) -> None:
    client, store = desk
    row = invoice(store)
    assert client.post(f"/invoices/{row.id}/void", data={"reason": WHY}).status_code == 400  # without its token
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(f"/invoices/{row.id}/void", data={"reason": WHY}, headers=elsewhere).status_code == 400
    assert invoices.get(store, row.id).status == "issued"
    with store.transaction():
        store.execute("UPDATE documents SET open=open-1 WHERE id=?", row.id)
    assert "Void this invoice" not in words(client, f"/invoices/{row.id}")
