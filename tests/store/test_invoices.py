"""Documents: drafts follow what is owed, numbers have no gaps, and what was issued never changes."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path
from random import Random

import pytest

from billing.invoicing import Draft
from store import audit, contracts, invoices
from store.database import IntegrityError, Store
from store.invoices import DocumentRow
from tests.store.build import ADA, TODAY, apply, contract, draft, issue, line, pay, save


def the_draft(store: Store) -> DocumentRow:
    (row,) = invoices.drafts(store)
    return row


def approve(store: Store, *ids: int) -> int:
    with store.transaction():
        return invoices.approve(store, ADA, ids)


# ------------------------------------------------------------------------------------------------------------ drafts


def test_a_draft_is_kept_as_it_was_worked_out(store: Store) -> None:
    contract(store)
    assert save(store, draft(100_00)) == 1
    row = the_draft(store)
    assert (row.status, row.number, row.total, row.open, row.draft) == ("draft", None, 100_00, 0, draft(100_00))
    assert row.name == f"D{row.id}"


def test_the_same_drafts_again_change_nothing(store: Store) -> None:
    contract(store)
    save(store, draft(100_00))
    before = audit.head(store)
    assert save(store, draft(100_00)) == 0
    assert audit.head(store) == before


def test_a_draft_is_refreshed_in_its_place(store: Store) -> None:
    contract(store)
    save(store, draft(100_00))
    before = the_draft(store)
    assert save(store, draft(120_00)) == 1
    after = the_draft(store)
    assert (after.id, after.total, after.draft) == (before.id, 120_00, draft(120_00))


def test_a_draft_that_is_not_owed_any_more_is_removed(store: Store) -> None:
    contract(store)
    save(store, draft(100_00))
    assert save(store) == 1
    assert invoices.drafts(store) == []
    assert audit.entries(store, "contract:C-1")[-1].action == "draft removed"


def test_an_invoice_that_turns_into_a_credit_note_is_another_draft(store: Store) -> None:
    contract(store)
    save(store, draft(100_00))
    assert save(store, draft(30_00, kind="credit_note")) == 2
    assert the_draft(store).type == "credit_note"


def test_one_contracts_drafts_leave_anothers_alone(store: Store) -> None:
    contract(store)
    other = contract(store, "C-2")
    save(store, draft(100_00))
    save(store, draft(200_00, key="C-2"), key="C-2", customer=other)
    save(store)
    assert [row.contract for row in invoices.drafts(store)] == ["C-2"]


def test_an_approved_draft_that_changes_must_be_approved_again(store: Store) -> None:
    contract(store)
    save(store, draft(100_00))
    assert approve(store, the_draft(store).id) == 1
    save(store, draft(120_00))
    assert the_draft(store).status == "draft"


def test_a_draft_that_would_say_the_same_tomorrow_is_left_as_it_is(store: Store) -> None:
    contract(store)
    save(store, draft(100_00))
    approve(store, the_draft(store).id)
    before = the_draft(store)
    assert save(store, draft(100_00, on=date(2026, 3, 2))) == 0
    assert the_draft(store) == before and before.status == "approved"


def test_approving_twice_approves_once(store: Store) -> None:
    contract(store)
    save(store, draft())
    assert [approve(store, the_draft(store).id), approve(store, the_draft(store).id), approve(store, 99)] == [1, 0, 0]


def test_a_contract_has_one_draft_of_a_kind(store: Store) -> None:
    contract(store)
    save(store, draft())
    with pytest.raises(IntegrityError):
        store.execute(
            "INSERT INTO documents SELECT id+1, entity, contract, customer_id, type, status, number, currency,"
            " issue_on, due_on, subtotal, tax, total, open, digest, data, against FROM documents"
        )


# ----------------------------------------------------------------------------------------------------------- numbers


def take(store: Store, entity: str = "us", prefix: str = "US-") -> str:
    with store.transaction():
        return invoices.take_number(store, entity, prefix, 5)


def test_numbers_follow_each_other_from_one(store: Store) -> None:
    assert [take(store) for _ in range(3)] == ["US-00001", "US-00002", "US-00003"]


def test_each_series_counts_for_itself(store: Store) -> None:
    assert [take(store), take(store, prefix="US-CN-"), take(store, "uk", "UK-"), take(store)] == [
        "US-00001", "US-CN-00001", "UK-00001", "US-00002",
    ]  # fmt: skip


def test_a_number_that_was_taken_in_a_transaction_that_failed_is_taken_again(store: Store) -> None:
    take(store)
    with pytest.raises(ZeroDivisionError), store.transaction():
        invoices.take_number(store, "us", "US-", 5)
        raise ZeroDivisionError
    assert take(store) == "US-00002"


def test_numbers_outgrow_their_digits_without_a_clash(store: Store) -> None:
    store.insert("numbers", entity="us", series="US-", next=99_999)
    assert [take(store), take(store)] == ["US-99999", "US-100000"]


def test_writers_at_once_some_of_which_fail_leave_no_gap_and_no_double(store: Store, path: Path) -> None:
    taken: list[str] = []

    def writer(seed: int) -> None:
        chance = Random(seed)
        with Store(path) as own:
            for _ in range(25):
                try:
                    with own.transaction():
                        number = invoices.take_number(own, "us", "US-", 5)
                        if chance.random() < 0.3:
                            raise ZeroDivisionError
                    taken.append(number)
                except ZeroDivisionError:
                    pass

    threads = [threading.Thread(target=writer, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) > 40
    assert sorted(taken) == [f"US-{number:05d}" for number in range(1, len(taken) + 1)]


# ------------------------------------------------------------------------------------------------------------ issued


def test_issuing_gives_a_draft_its_number_date_and_open_amount(store: Store) -> None:
    contract(store)
    row = issue(store, draft(100_00))
    assert (row.status, row.number, row.name, row.open, row.issue_on) == (
        "issued",
        "US-00001",
        "US-00001",
        100_00,
        TODAY,
    )
    assert invoices.drafts(store) == []
    assert invoices.issued(store) == invoices.issued(store, "us") == [row]
    assert invoices.issued(store, "uk") == []
    assert invoices.by_number(store, "us", "US-00001") == row
    assert invoices.by_number(store, "uk", "US-00001") is None


def test_a_credit_note_has_nothing_open(store: Store) -> None:
    contract(store)
    row = issue(store, draft(30_00, kind="credit_note"))
    assert (row.number, row.open) == ("US-CN-00001", 0)
    assert invoices.unpaid(store) == []


def test_a_second_document_for_a_slice_and_revision_is_refused_whole(store: Store) -> None:
    contract(store)
    issue(store, draft(100_00))
    again = draft(lines=[line(50_00, "2026-02-01"), line(100_00)])
    with pytest.raises(IntegrityError):
        issue(store, again)
    assert [row.number for row in invoices.issued(store)] == ["US-00001"]
    assert [item.slice for item in contracts.settled(store, "C-1")] == ["C-1/fee/2026-01-01"]
    assert take(store) == "US-00002"  # the number was not burnt


@pytest.mark.parametrize("column", [
    "entity", "contract", "customer_id", "type", "number", "currency", "issue_on", "due_on", "subtotal", "tax",
    "total", "data",
])  # fmt: skip
def test_an_issued_document_is_never_changed(store: Store, column: str) -> None:
    contract(store)
    contract(store, "C-2")
    row = issue(store, draft(100_00))
    value = {"contract": "C-2", "customer_id": 2, "type": "credit_note", "subtotal": 1, "tax": 1, "total": 1}
    with pytest.raises(IntegrityError, match="an issued document is never changed"):
        store.execute(f"UPDATE documents SET {column}=? WHERE id=?", value.get(column, "x"), row.id)
    assert invoices.get(store, row.id) == row


def test_an_issued_document_and_its_lines_are_never_deleted_or_unissued(store: Store) -> None:
    contract(store)
    row = issue(store, draft(100_00))
    with pytest.raises(IntegrityError, match="never deleted"):
        store.execute("DELETE FROM documents WHERE id=?", row.id)
    with pytest.raises(IntegrityError):
        store.execute("UPDATE documents SET status='draft' WHERE id=?", row.id)
    for statement in ("DELETE FROM lines", "UPDATE lines SET amount=1"):
        with pytest.raises(IntegrityError, match="lines is append-only"):
            store.execute(statement)


def test_refreshing_drafts_does_not_touch_what_was_issued(store: Store) -> None:
    contract(store)
    row = issue(store, draft(100_00))
    save(store, draft(50_00, start="2026-02-01"))
    save(store)
    assert invoices.issued(store) == [row]


def test_a_document_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(KeyError, match="7"):
        invoices.get(store, 7)


# ------------------------------------------------------------------------------------------------- open and voided


def test_the_open_amount_follows_what_is_applied(store: Store) -> None:
    contract(store)
    row = issue(store, draft(100_00))
    apply(store, pay(store, 40_00), (row.id, 40_00))
    assert invoices.get(store, row.id).open == 60_00
    apply(store, pay(store, 60_00, "ch_2"), (row.id, 60_00))
    assert invoices.get(store, row.id).open == 0
    assert invoices.unpaid(store) == []


def test_the_open_amount_can_be_worked_out_anew(store: Store) -> None:
    contract(store)
    row = issue(store, draft(100_00))
    apply(store, pay(store, 40_00), (row.id, 40_00))
    store.execute("UPDATE documents SET open=1")
    invoices.recompute_open(store, row.id)
    assert invoices.get(store, row.id).open == 60_00


def test_unpaid_invoices_stand_in_order_of_their_due_date(store: Store) -> None:
    contract(store)
    late, early = (issue(store, draft(start=start, on=on)) for start, on in (
        ("2026-02-01", date(2026, 5, 1)), ("2026-01-01", date(2026, 4, 1)),
    ))  # fmt: skip
    assert [row.id for row in invoices.unpaid(store)] == [early.id, late.id]


def test_a_voided_invoice_is_owed_no_more_and_names_its_slices(store: Store) -> None:
    contract(store)
    row = issue(store, draft(lines=[line(100_00), line(100_00, "2026-02-01")]))
    slices = ["C-1/fee/2026-01-01", "C-1/fee/2026-02-01"]
    assert invoices.void(store, ADA, row, "voided in the books") == {"C-1": slices}
    found = invoices.get(store, row.id)
    assert (found.status, found.open, found.total, found.number) == ("voided", 0, 200_00, "US-00001")
    invoices.recompute_open(store, row.id)
    assert (invoices.get(store, row.id).open, invoices.unpaid(store)) == (0, [])
    assert audit.entries(store, f"document:{row.id}")[-1].reason == "voided in the books"


def test_documents_that_are_not_on_their_way_to_the_books_are_found(store: Store) -> None:
    contract(store)
    wanted: list[Draft] = [draft(start=f"2026-0{month}-01") for month in (1, 2, 3)]
    first, second, third = (issue(store, one) for one in wanted)
    store.insert(
        "outbox", connection="books", kind="document", our_id=first.id, state="new", payload="", payload_hash=""
    )
    invoices.void(store, ADA, second, "voided")

    def unbooked(entity: str, connection: str) -> list[list[int]]:
        return [[row.id for row in some] for some in invoices.unbooked(store, entity, connection, 1)]

    assert unbooked("us", "books") == [[third.id]]
    assert unbooked("us", "other") == [[first.id], [third.id]]  # some at a time
    assert unbooked("uk", "books") == []
    held = [invoices.has_unbooked(store, *where) for where in (("us", "books"), ("us", "other"), ("uk", "books"))]
    assert held == [True, True, False]
