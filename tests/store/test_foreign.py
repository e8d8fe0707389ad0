"""Documents of others: the books are the truth, and our own payments on them count once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlite_utils import Database

from billing.customer import Customer
from store import cash, dialect, foreign, ledger, links, receivables, schema
from store.database import Store
from store.foreign import ForeignDraft
from store.receivables import Compared
from tests.store.build import ADA, pay

BOOKS = "books"


class _Seen(msgspec.Struct):
    """What of a ledger's object the sums look at."""

    currency: str
    customer_id: str
    type: str
    status: str
    balance: int = 0
    unapplied: int = 0


def document(vendor_id: str = "7", **changes: Any) -> ForeignDraft:
    """An open invoice over 100.00 USD."""
    fields: dict[str, Any] = {
        "vendor_id": vendor_id, "type": "invoice", "status": "open", "number": f"INV-{vendor_id}",
        "ledger_customer": "c", "currency": "USD", "issue_on": date(2026, 3, 1), "due_on": date(2026, 3, 31),
        "total": 100_00, "settled": 0,
    }  # fmt: skip
    return ForeignDraft(**{**fields, **changes})


def save(store: Store, *drafts: ForeignDraft) -> tuple[int, int]:
    with store.transaction():
        return foreign.save(store, BOOKS, "us", drafts)


def test_what_others_paid_there_is_not_open(store: Store) -> None:
    assert save(store, document(settled=30_00)) == (1, 0)
    (row,) = foreign.unpaid(store, "us")
    assert (row.number, row.open, row.customer_id) == ("INV-7", 70_00, None)
    assert save(store, document(settled=30_00)) == (0, 0)
    assert save(store, document(settled=100_00, status="paid")) == (0, 1)
    assert foreign.unpaid(store, "us") == []


def test_a_payment_of_ours_counts_before_and_after_the_books_show_it(store: Store) -> None:
    save(store, document())
    (row,) = foreign.unpaid(store, "us")
    payment = pay(store, 60_00)
    with store.transaction():
        cash.apply_to_foreign(store, ADA, payment, [(row.id, 60_00)], "its number")
    assert foreign.get(store, row.id).open == 40_00
    save(store, document(settled=10_00))  # somebody paid ten more there; ours is left out by who reads the books
    assert foreign.get(store, row.id).open == 30_00


def test_what_was_voided_or_deleted_there_is_not_open(store: Store) -> None:
    save(store, document("1", status="voided"), document("2", status="deleted"))
    assert foreign.unpaid(store, "us") == []


@pytest.mark.parametrize(("amount", "currency"), [(100_01, "USD"), (10_00, "EUR")])
def test_more_than_is_open_or_another_currency_does_not_fit(store: Store, amount: int, currency: str) -> None:
    save(store, document())
    (row,) = foreign.unpaid(store, "us")
    payment = pay(store, 200_00, currency=currency)
    with store.transaction(), pytest.raises(ValueError, match="does not fit invoice INV-7"):
        cash.apply_to_foreign(store, ADA, payment, [(row.id, amount)], "a slip")


def test_a_document_belongs_to_whom_its_customer_is_linked(store: Store) -> None:
    save(store, document())
    with store.transaction():
        ours = links.save_customer(store, ADA, "crm", "1", Customer(name="Acme"))
        links.link_customer(store, ADA, BOOKS, "c", ours, ["USD"], "known")
    (row,) = foreign.unpaid(store, "us")
    assert row.customer_id == ours


def test_what_turned_out_to_be_ours_is_forgotten_unless_money_was_applied(store: Store) -> None:
    save(store, document("1"), document("2"))
    first = foreign.unpaid(store, "us")[0]
    payment = pay(store, 10_00)
    with store.transaction():
        cash.apply_to_foreign(store, ADA, payment, [(first.id, 10_00)], "its number")
        foreign.forget(store, BOOKS, ["1", "2"])
    assert [row.vendor_id for row in foreign.of_ledger(store, BOOKS)] == ["1"]


def test_receivables_are_open_invoices_less_unused_credit(store: Store) -> None:
    save(store, document("1"), document("2", type="credit_note", total=15_00))
    common: Any = {"currency": "USD", "customer_id": "c"}
    with store.transaction():
        ledger.save(
            store, BOOKS, "document",
            [
                ("1", _Seen(**common, type="invoice", status="open", balance=100_00)),
                ("2", _Seen(**common, type="credit_note", status="open", balance=15_00)),
                ("3", _Seen(**common, type="invoice", status="voided", balance=0)),
            ],
        )  # fmt: skip
        ledger.save(store, BOOKS, "payment", [("9", _Seen(**common, type="", status="active", unapplied=5_00))])
    assert receivables.compare(store, {"us": BOOKS}) == [
        Compared(entity="us", currency="USD", foreign=100_00, credit=20_00, books=80_00)
    ]


def test_what_only_we_know_of_is_on_its_way_and_no_difference(store: Store) -> None:
    save(store, document())
    (row,) = foreign.unpaid(store, "us")
    payment = pay(store, 60_00)
    with store.transaction():
        cash.apply_to_foreign(store, ADA, payment, [(row.id, 60_00)], "its number")
        seen = _Seen(currency="USD", customer_id="c", type="invoice", status="open", balance=100_00)
        ledger.save(store, BOOKS, "document", [("7", seen)])
    (line,) = receivables.compare(store, {"us": BOOKS})
    assert (line.total, line.on_the_way, line.books, line.difference) == (40_00, -60_00, 100_00, 0)


def test_what_others_paid_can_be_corrected_until_the_books_are_read_again(store: Store) -> None:
    foreign.save(store, BOOKS, "us", [document(settled=30_00)])
    (row,) = foreign.of_ledger(store, BOOKS)
    foreign.settle(store, row.id, -30_00)
    assert foreign.get(store, row.id).open == 100_00
    foreign.settle(store, row.id, 20_00)
    assert (foreign.get(store, row.id).settled, foreign.get(store, row.id).open) == (20_00, 80_00)


OLD_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("customers", {"id": 1, "crm": "crm", "crm_id": "1", "data": "{}"}),
    (
        "contracts",
        {"key": "K", "entity": "us", "customer_id": 1, "crm": "crm", "deal_id": "1", "name": "", "version": 1,
         "digest": "", "terms": "{}"},
    ),
    (
        "documents",
        {"id": 7, "entity": "us", "contract": "K", "customer_id": 1, "type": "invoice", "status": "issued",
         "number": "US-1", "currency": "USD", "issue_on": "2026-01-01", "due_on": "2026-01-31", "subtotal": 100_00,
         "tax": 0, "total": 100_00, "digest": "", "data": "{}"},
    ),
    *(
        (
            "payments",
            {"id": number, "connection": "stripe", "vendor_id": f"ch_{number}", "entity": "us", "currency": "USD",
             "amount": 60_00, "status": "succeeded", "received_on": "2026-01-05", "digest": "", "data": "{}"},
        )
        for number in (1, 2)
    ),
    ("applications", {"id": 3, "payment_id": 1, "document_id": 7, "amount": 40_00, "reason": "number"}),
    ("applications", {"id": 5, "payment_id": 2, "document_id": 7, "amount": 60_00, "reason": "amount"}),
]  # fmt: skip


def test_what_was_applied_before_foreign_documents_were_known_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = dialect.connect(path)
    schema.migrations.apply(Database(connection), stop_before="m0050_foreign_documents")
    for table, row in OLD_ROWS:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
    connection.close()
    with Store(path) as store:
        kept = [(one.id, one.document_id, one.foreign_id, one.amount) for one in cash.applications(store)]
    assert kept == [(3, 7, None, 40_00), (5, 7, None, 60_00)]
