"""Payments and applications: no cent is applied twice, and none is lost."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import audit, cash, invoices, outbox, reports
from store.database import IntegrityError, Store
from tests.store.build import ADA, Received, apply, contract, draft, issue, pay


def applied(store: Store) -> list[tuple[int, int | None, int]]:
    return [(one.payment_id, one.document_id, one.amount) for one in cash.applications(store)]


# ---------------------------------------------------------------------------------------------------------- payments


def test_a_payment_is_stored_once_however_often_it_is_seen(store: Store) -> None:
    first = pay(store, 100_00)
    before = audit.head(store)
    assert pay(store, 100_00) == first
    assert cash.payments(store) == [first]
    assert audit.head(store) == before


def test_saving_says_whether_anything_changed(store: Store) -> None:
    fields = {"entity": "us", "currency": "USD", "amount": 5, "refunded": 0, "status": "succeeded",
              "received_on": "2026-03-01", "customer_id": None, "data": "{}"}  # fmt: skip
    changes = [
        cash.save_payment(store, ADA, connection="stripe", vendor_id="ch_1", digest=digest, **fields)
        for digest in ("a", "a", "b", "b")
    ]
    assert changes == [True, False, True, False]


def test_the_same_id_at_two_connections_is_two_payments(store: Store) -> None:
    pay(store, 100_00)
    fields = {"entity": "uk", "currency": "GBP", "amount": 5, "refunded": 0, "status": "succeeded",
              "received_on": "2026-03-01", "customer_id": None, "data": "{}"}  # fmt: skip
    cash.save_payment(store, ADA, connection="stripe_uk", vendor_id="ch_1", digest="d", **fields)
    assert [row.connection for row in cash.payments(store)] == ["stripe_us", "stripe_uk"]


def test_a_refund_lowers_what_is_available_and_stands_in_the_trail(store: Store) -> None:
    pay(store, 100_00)
    row = pay(store, 100_00, refunded=30_00)
    assert (row.refunded, row.available) == (30_00, 70_00)
    assert audit.entries(store, "payment:stripe_us:ch_1")[-1].action == "changed"


@pytest.mark.parametrize("status", ["processing", "failed"])
def test_money_that_has_not_arrived_pays_nothing(store: Store, status: str) -> None:
    contract(store)
    document = issue(store, draft(100_00))
    row = pay(store, 100_00, status=status)
    assert row.available == 0
    with pytest.raises(ValueError, match="does not fit"):
        apply(store, row, (document.id, 1))


def test_a_refund_after_it_was_applied_shows_as_less_than_nothing_available(store: Store) -> None:
    contract(store)
    document = issue(store, draft(100_00))
    apply(store, pay(store, 100_00), (document.id, 100_00))
    assert pay(store, 100_00, refunded=40_00).available == -40_00


def test_a_payment_is_found_by_its_vendors_id_and_keeps_what_the_vendor_said(store: Store) -> None:
    row = pay(store, 100_00, "ch_9")
    assert cash.get(store, row.id) == row
    assert row.payment(Received) == Received("ch_9", 100_00)
    assert row.is_received
    assert cash.by_vendor(store, "stripe_us", "ch_0") is None
    with pytest.raises(KeyError):
        cash.get(store, 99)


def test_who_paid_is_remembered(store: Store) -> None:
    customer = contract(store)
    row = pay(store)
    cash.assign_customer(store, row.id, customer)
    assert cash.get(store, row.id).customer_id == customer


# ------------------------------------------------------------------------------------------------------ applications


def test_one_payment_pays_several_invoices(store: Store) -> None:
    contract(store)
    first, second = issue(store, draft(60_00)), issue(store, draft(60_00, start="2026-02-01"))
    row = pay(store, 100_00)
    apply(store, row, (first.id, 60_00), (second.id, 40_00))
    assert applied(store) == [(row.id, first.id, 60_00), (row.id, second.id, 40_00)]
    assert cash.get(store, row.id).available == 0
    assert [invoices.get(store, one.id).open for one in (first, second)] == [0, 20_00]
    assert audit.entries(store, f"document:{second.id}")[-1].action == "applied"


@pytest.mark.parametrize(
    ("amount", "currency", "part"),
    [(50_00, "USD", 60_00), (200_00, "USD", 150_00), (100_00, "EUR", 10_00), (100_00, "USD", 0), (100_00, "USD", -5)],
    ids=["more than is left of it", "more than is open", "another currency", "nothing", "less than nothing"],
)
def test_a_part_that_does_not_fit_is_refused(store: Store, amount: int, currency: str, part: int) -> None:
    contract(store)
    document = issue(store, draft(100_00))
    row = pay(store, amount, currency=currency)
    with pytest.raises(ValueError, match="does not fit invoice US-00001"):
        apply(store, row, (document.id, part))
    assert (applied(store), invoices.get(store, document.id).open) == ([], 100_00)


def test_parts_that_only_together_exceed_the_payment_are_refused_whole(store: Store) -> None:
    contract(store)
    first, second = issue(store, draft(60_00)), issue(store, draft(60_00, start="2026-02-01"))
    with pytest.raises(ValueError, match="does not fit"):
        apply(store, pay(store, 100_00), (first.id, 60_00), (second.id, 60_00))
    assert applied(store) == []
    assert invoices.get(store, first.id).open == 60_00


def test_what_another_process_applied_meanwhile_is_not_applied_again(store: Store) -> None:
    contract(store)
    first, second = issue(store, draft(100_00)), issue(store, draft(100_00, start="2026-02-01"))
    row = pay(store, 100_00)
    apply(store, row, (first.id, 100_00))
    with pytest.raises(ValueError, match="does not fit"), store.transaction():
        cash.apply(store, ADA, row, [(second.id, 100_00)], "from a row that was read before")
    assert applied(store) == [(row.id, first.id, 100_00)]


def test_neither_a_draft_nor_a_voided_invoice_nor_a_credit_note_can_be_paid(store: Store) -> None:
    contract(store)
    contract(store, "C-2")
    voided = issue(store, draft(100_00))
    invoices.void(store, ADA, voided, "voided")
    credit = issue(store, draft(10_00, kind="credit_note", start="2026-02-01"))
    with store.transaction():
        invoices.save_drafts(store, ADA, entity="us", contract="C-2", customer_id=2, wanted=[draft(key="C-2")])
    row = pay(store, 100_00)
    for document in (voided, credit, *invoices.drafts(store)):
        with pytest.raises(ValueError, match="does not fit"):
            apply(store, row, (document.id, 1_00))


def test_cash_that_no_invoice_is_known_for_is_reported(store: Store) -> None:
    contract(store)
    document = issue(store, draft(60_00))
    apply(store, pay(store, 100_00), (document.id, 60_00))
    pay(store, 50_00, "ch_2", refunded=50_00)
    pay(store, 70_00, "ch_3", status="failed")
    assert reports.unapplied(store) == [("us", "USD", 1, 40_00)]


# --------------------------------------------------------------------------------------------------- into the books


def test_applications_wait_until_they_are_on_their_way_and_count_until_they_are_booked(store: Store) -> None:
    contract(store)
    document = issue(store, draft(100_00))
    apply(store, pay(store, 40_00), (document.id, 40_00))
    other = issue(store, draft(50_00, start="2026-02-01"))
    apply(store, pay(store, 50_00, "ch_2"), (other.id, 50_00))
    (one,), (two,) = cash.unposted(store, "us", "books", 1)
    assert list(cash.unposted(store, "uk", "books", 1)) == []
    assert list(cash.unposted(store, "us", "stripe_us", 1)) == []  # what was received in the books is there already
    outbox.add(store, "books", "payment", one.id, {})
    outbox.add(store, "books", "payment", two.id, {})
    assert list(cash.unposted(store, "us", "books", 1)) == []
    assert cash.unposted_amounts(store, "books") == {document.id: 40_00, other.id: 50_00}
    outbox.mark(store, outbox.waiting(store, "books", "payment", "new"), "done")
    assert cash.unposted_amounts(store, "books") == {}


# ------------------------------------------------------------------------------------------------------ any sequence

Step = tuple[str, int, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["pay", "refund", "apply", "apply", "apply", "void", "issue"]), *[st.integers(0, 4)] * 2,
              st.integers(1, 9)), max_size=25,
)  # fmt: skip


def step(store: Store, number: int, kind: str, first: int, second: int, amount: int) -> None:
    documents, payments = invoices.issued(store), cash.payments(store)
    if kind == "pay":
        pay(store, amount, f"ch_{number}", currency=("USD", "EUR")[first % 2])
    elif kind == "issue":
        issue(store, draft(amount, start=f"2026-01-{number + 1:02d}"))
    elif kind == "refund" and payments:
        row = payments[first % len(payments)]
        spare = max(row.available, 0)
        pay(store, row.amount, row.vendor_id, currency=row.currency, refunded=row.refunded + min(amount, spare))
    elif kind == "void" and documents:
        invoices.void(store, ADA, documents[first % len(documents)], "voided")
    elif kind == "apply" and documents and payments:
        # It may not fit, or this payment may have paid a part of it before.
        with suppress(ValueError, IntegrityError):
            apply(store, payments[first % len(payments)], (documents[second % len(documents)].id, amount))


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_after_any_sequence_every_cent_is_in_one_place_and_no_invoice_is_overpaid(steps: list[Step]) -> None:
    with TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
        store.execute("PRAGMA synchronous=OFF")
        contract(store)
        for number, (kind, *rest) in enumerate(steps):
            step(store, number, kind, *rest)
        paid: dict[int | None, int] = {}
        for _, document_id, amount in applied(store):
            paid[document_id] = paid.get(document_id, 0) + amount
        for document in invoices.issued(store):
            assert 0 <= document.open <= document.total
            assert document.open == (document.total - paid.get(document.id, 0) if document.status == "issued" else 0)
        for row in cash.payments(store):
            assert row.amount == row.applied + row.available + row.refunded
            assert row.available >= 0
        assert audit.verify(store) is None


def test_the_same_money_pays_under_its_other_name_what_it_paid_before(store: Store) -> None:
    contract(store)
    first, second = issue(store, draft(60_00)), issue(store, draft(40_00, start="2026-02-01"))
    typed = pay(store, 100_00, "typed")
    apply(store, typed, (first.id, 60_00), (second.id, 40_00))
    row = pay(store, 70_00, "ch_1")
    with store.transaction():
        cash.take_over(store, ADA, typed, row, "same money")
    found = [(part.document_id, part.amount, part.reason) for part in cash.applications_of(store, row.id)]
    assert found == [(first.id, 60_00, "same money"), (second.id, 10_00, "same money")]
    assert [invoices.get(store, one.id).open for one in (first, second)] == [0, 30_00]
    assert [payment.vendor_id for payment in cash.payments(store)] == ["ch_1"]
    assert audit.entries(store, "payment:stripe_us:ch_1")[-1].action == "same money"


def test_what_the_other_name_has_paid_already_is_not_paid_twice(store: Store) -> None:
    contract(store)
    document = issue(store, draft(100_00))
    row, typed = pay(store, 100_00, "ch_1"), pay(store, 40_00, "typed")
    apply(store, row, (document.id, 60_00))
    apply(store, typed, (document.id, 40_00))
    with store.transaction():
        cash.take_over(store, ADA, typed, row, "same money")
    assert [part.amount for part in cash.applications(store)] == [60_00]
    assert invoices.get(store, document.id).open == 40_00


def test_the_scope_of_a_payment_stands_in_the_trail_and_survives_its_changes(store: Store) -> None:
    row = pay(store, 100_00)
    assert row.scope == "in"
    with store.transaction():
        cash.set_scope(store, ADA, row, "out")
    assert pay(store, 100_00, refunded=10_00).scope == "out"
    assert audit.entries(store, "payment:stripe_us:ch_1")[1].action == "scope"


def test_what_cannot_be_read_is_remembered_until_it_can_be(store: Store) -> None:
    saved = [cash.save_unreadable(store, "stripe", "ch_1", problem) for problem in ("odd", "odd", "odder")]
    assert saved == [True, False, True]
    cash.save_unreadable(store, "stripe", "ch_2", "odd")
    cash.forget_unreadable(store, "stripe", ["ch_2", "ch_3"])
    assert cash.unreadable(store) == [("stripe", "ch_1", "odder")]
