"""The sums that reports and pages show."""

from __future__ import annotations

from datetime import date

from store import cash, invoices, outbox, reports, review
from store.database import Store
from store.review import Finding
from tests.store.build import ADA, apply, contract, draft, issue, pay, save

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


def filled(store: Store) -> None:
    """Three invoices (one paid in part, one voided), a credit note, a draft and two payments."""
    contract(store)
    first = issue(store, draft(100_00, start="2026-01-01", on=APRIL))
    issue(store, draft(50_00, start="2026-02-01", on=APRIL))
    voided = issue(store, draft(70_00, start="2026-03-01", on=MAY))
    issue(store, draft(10_00, kind="credit_note", revision=1, on=MAY))
    invoices.void(store, ADA, voided, "voided")
    apply(store, pay(store, 40_00), (first.id, 30_00))
    pay(store, 5_00, "ch_2", currency="EUR")
    save(store, draft(80_00, start="2026-04-01"))


def test_what_is_open_is_added_up_by_due_date(store: Store) -> None:
    filled(store)
    assert reports.open_by_due_date(store) == [("us", "USD", APRIL, 2, 120_00)]


def test_what_was_invoiced_and_paid_leaves_out_credit_notes_and_voided_ones(store: Store) -> None:
    filled(store)
    assert reports.invoiced(store) == [("us", "USD", 2, 150_00, 30_00)]


def test_unapplied_cash_is_added_up_by_currency(store: Store) -> None:
    filled(store)
    assert sorted(reports.unapplied(store)) == [("us", "EUR", 1, 5_00), ("us", "USD", 1, 10_00)]


def test_everything_is_counted(store: Store) -> None:
    filled(store)
    review.record(store, ADA, "map_terms", [Finding(code="c", subject="s", message="m", fix="f")], complete=True)
    assert reports.totals(store) == {
        "deals": 0, "contracts": 1, "customers": 1, "drafts": 1, "invoices": 3, "credit_notes": 1, "payments": 2,
        "payments_out_of_scope": 0, "payments_matched": 1, "review_items": 1,
    }  # fmt: skip


def test_what_the_books_hold_and_what_waits_is_counted_by_kind(store: Store) -> None:
    for our_id in (1, 2, 3):
        outbox.add(store, "books", "document", our_id, {})
    outbox.mark(store, outbox.waiting(store, "books", "document", "new")[:2], "done")
    outbox.add(store, "books", "payment", 1, {})
    assert reports.by_ledger(store) == [("books", "document", 2, 1), ("books", "payment", 0, 1)]


def test_every_plain_list_can_be_read_and_names_its_amounts(store: Store) -> None:
    filled(store)
    lists = {name: reports.table(store, name) for name in reports.TABLES}
    assert {name: len(rows) for name, (_, rows) in lists.items()} == {
        "customers": 1, "contracts": 1, "invoices": 4, "drafts": 1, "payments": 2, "applications": 1, "foreign": 0,
    }  # fmt: skip
    columns, rows = lists["invoices"]
    shown = dict(zip(columns, rows[0], strict=True))
    assert (shown["number"], shown["customer"], shown["total_minor"], shown["open_minor"]) == (
        "US-00001", "Acme Ltd", 100_00, 70_00,
    )  # fmt: skip


def test_what_is_not_ours_is_added_up_by_itself_and_is_no_unapplied_cash(store: Store) -> None:
    filled(store)
    for vendor_id, refunded in (("ch_3", 0), ("ch_4", 5_00), ("ch_5", 20_00)):
        cash.set_scope(store, ADA, pay(store, 20_00, vendor_id, refunded=refunded), "out")
    assert reports.out_of_scope(store) == [("us", "USD", 2, 35_00)]
    assert sorted(reports.unapplied(store)) == [("us", "EUR", 1, 5_00), ("us", "USD", 1, 10_00)]
    assert (reports.totals(store)["payments"], reports.totals(store)["payments_out_of_scope"]) == (2, 3)
