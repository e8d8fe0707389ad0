"""plan_invoices and issue_invoices: what is owed is drafted, approved, and issued once under a gapless number."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing import invoicing
from billing.invoicing import BrokenInvariant
from billing.terms import OneTime, Recurring
from store import invoices
from sync import work_out
from tests.worlds import NOBODY, TODAY, Bench

STEPS = ("plan_invoices", "issue_invoices")


def manual(bench: Bench) -> None:
    """Let ``uk`` issue nothing without approval."""
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve="manual")


def reprice(bench: Bench, key: str, price: str) -> None:
    """Change the price in a contract's terms."""
    with bench.store() as store, store.transaction():
        sql = "UPDATE contracts SET terms = json_set(terms, '$.charges[0].price', ?) WHERE key=?"
        store.execute(sql, price, key)


def test_what_is_due_is_drafted_and_issued_and_a_second_run_changes_nothing(bench: Bench) -> None:
    bench.contract("A")
    results = bench.run(*STEPS)
    assert results["plan_invoices"].tally == {"drafts new or changed": 1}
    assert results["issue_invoices"].tally == {"invoices issued": 1}
    (row,) = bench.issued().values()
    assert (row.number, row.status, row.issue_on, row.due_on) == (
        "UK-00001", "issued", TODAY, TODAY + timedelta(days=30),
    )  # fmt: skip
    assert (row.subtotal, row.tax, row.total, row.open, row.currency) == (100_00, 0, 100_00, 100_00, "GBP")
    before = bench.contents()
    assert not any(result.changed for result in bench.run(*STEPS).values())
    assert bench.contents() == before


def test_the_next_period_is_billed_when_its_day_comes_and_not_before(bench: Bench) -> None:
    bench.bill("A")
    bench.today = date(2026, 9, 30)
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]
    bench.today = date(2026, 10, 1)
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001", "UK-00002"]


def test_days_without_a_run_are_made_up_for_in_one_invoice_dated_today(bench: Bench) -> None:
    bench.bill("A")
    bench.today = date(2026, 12, 24)
    bench.run(*STEPS)
    row = bench.issued()["UK-00002"]
    assert (row.total, row.issue_on) == (300_00, date(2026, 12, 24))
    assert len(row.draft.lines) == 3


def test_numbers_are_gapless_within_each_entity_and_series(bench: Bench) -> None:
    for key in "ABC":
        bench.contract(key)
    for key in "UV":
        bench.contract(key, entity="us")
    bench.run(*STEPS)
    for key in "ABU":
        reprice(bench, key, "40")
    bench.today = date(2026, 9, 10)
    bench.run(*STEPS)
    assert sorted(bench.issued()) == [
        "UK-00001", "UK-00002", "UK-00003", "UK-CN-00001", "UK-CN-00002", "US-00001", "US-00002", "US-CN-00001",
    ]  # fmt: skip


def test_a_draft_that_cannot_be_issued_burns_no_number(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.contract("A")
    bench.run("plan_invoices")

    def broken(*_: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(invoices, "issue", broken)
        assert bench.run("issue_invoices")["issue_invoices"].outcome == "failed"
    bench.run("issue_invoices")
    assert list(bench.issued()) == ["UK-00001"]


def test_a_price_corrected_downwards_gives_a_credit_note_and_upwards_an_invoice(bench: Bench) -> None:
    bench.bill("A")
    reprice(bench, "A", "40")
    bench.run(*STEPS)
    reprice(bench, "A", "75")
    bench.run(*STEPS)
    totals = [(number, row.type, row.total, row.open) for number, row in bench.issued().items()]
    assert totals == [
        ("UK-00001", "invoice", 100_00, 100_00), ("UK-CN-00001", "credit_note", 60_00, 0),
        ("UK-00002", "invoice", 35_00, 35_00),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- approval


def test_with_manual_approval_a_draft_waits_until_a_person_approves_it(bench: Bench) -> None:
    manual(bench)
    bench.bill("A", "B")
    assert bench.issued() == {}
    first, _ = bench.drafts()
    with bench.store() as store, store.transaction():
        assert invoices.approve(store, NOBODY, [first.id]) == 1
    assert bench.run("issue_invoices")["issue_invoices"].tally == {"invoices issued": 1}
    assert [row.contract for row in bench.issued().values()] == ["A"]
    assert [row.contract for row in bench.drafts()] == ["B"]


def test_an_approved_draft_that_changes_needs_approval_again(bench: Bench) -> None:
    manual(bench)
    bench.bill("A")
    bench.approve_all()
    reprice(bench, "A", "120")
    bench.run(*STEPS)
    assert bench.issued() == {}
    assert [(row.status, row.total) for row in bench.drafts()] == [("draft", 120_00)]
    bench.approve_all()
    bench.run(*STEPS)
    assert bench.issued()["UK-00001"].total == 120_00


def test_an_approved_draft_that_is_only_a_day_older_stays_approved_and_is_dated_the_day_it_is_issued(
    bench: Bench,
) -> None:
    manual(bench)
    bench.bill("A")
    bench.approve_all()
    bench.today = date(2026, 9, 4)
    bench.run(*STEPS)
    row = bench.issued()["UK-00001"]
    assert (row.issue_on, row.due_on) == (date(2026, 9, 4), date(2026, 10, 4))


def test_a_draft_that_is_not_owed_any_more_goes_away(bench: Bench) -> None:
    manual(bench)
    bench.bill("A")
    with bench.store() as store, store.transaction():
        store.execute("UPDATE contracts SET terms = json_set(terms, '$.starts_on', '2027-01-01')")
    assert bench.run("plan_invoices")["plan_invoices"].tally == {"drafts new or changed": 1}
    assert bench.drafts() == []


def test_a_missing_po_number_holds_the_draft_back_until_the_deal_has_one(bench: Bench) -> None:
    bench.contract("A", po_required=True)
    bench.run(*STEPS)
    assert bench.issued() == {}
    assert "requires a purchase order" in bench.item("po_missing").message
    with bench.store() as store, store.transaction():
        store.execute("UPDATE contracts SET terms = json_set(terms, '$.po_number', 'PO-77')")
    bench.run(*STEPS)
    assert bench.issued()["UK-00001"].draft.po_number == "PO-77"
    assert bench.items() == []


# --------------------------------------------------------------------------------------------- go-live and other limits


def test_what_began_before_go_live_counts_as_billed_elsewhere(bench: Bench) -> None:
    bench.contract("A", starts_on=date(2026, 4, 1))
    result = bench.run(*STEPS)["plan_invoices"]
    assert result.tally == {"slices billed elsewhere": 2, "drafts new or changed": 1}
    row = bench.issued()["UK-00001"]
    assert row.total == 400_00  # June to September
    assert min(item.line.starts for item in row.draft.lines) == date(2026, 6, 1)
    assert bench.run(*STEPS)["plan_invoices"].changed is False


def test_what_was_billed_elsewhere_stays_so_when_go_live_moves(bench: Bench) -> None:
    bench.contract("A", starts_on=date(2026, 4, 1))
    bench.run(*STEPS)
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], go_live=date(2026, 1, 1))
    assert bench.run(*STEPS)["plan_invoices"].changed is False


def test_a_contract_that_cannot_be_billed_is_parked_and_the_others_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:

    def bill(terms: Any, *args: Any, **options: Any) -> Any:
        if terms.contract == "B":
            raise BrokenInvariant("slice B/support/2026-09-01 is planned twice")
        return invoicing.bill(terms, *args, **options)

    for key in "ABC":
        bench.contract(key)
    with monkeypatch.context() as patched:
        patched.setattr(work_out, "bill", bill)
        assert bench.run(*STEPS)["plan_invoices"].outcome == "done"
    assert [row.contract for row in bench.issued().values()] == ["A", "C"]
    assert "planned twice" in bench.item("contract_parked").message
    bench.run(*STEPS)
    assert bench.items() == []
    assert bench.issued()["UK-00003"].contract == "B"


def test_terms_in_the_store_that_cannot_be_read_park_their_contract_alone(bench: Bench) -> None:
    for key in "AB":
        bench.contract(key)
    with bench.store() as store, store.transaction():
        store.execute("UPDATE contracts SET terms='{}' WHERE key='A'")
    bench.run("plan_invoices")
    assert bench.item("contract_parked").subject == "contract:A"
    assert [row.contract for row in bench.drafts()] == ["B"]


def test_contracts_of_an_entity_that_is_not_configured_are_named_once(bench: Bench) -> None:
    bench.contract("A")
    bench.contract("B")
    del bench.entities["uk"]
    assert bench.run("plan_invoices")["plan_invoices"].outcome == "done"
    assert "'uk', which is not configured" in bench.item("entity_unknown").message


def test_a_tax_class_without_a_rate_bills_nothing_and_says_which(bench: Bench) -> None:
    bench.contract("A", charges=(OneTime(key="x", description="X", price=Decimal(5), tax_class="luxury"),))
    bench.run(*STEPS)
    assert bench.issued() == {}
    assert "'luxury' has no rate" in bench.item("tax_class").message


def test_tax_is_charged_at_the_entity_s_rate(bench: Bench) -> None:
    taxed = Recurring(key="x", description="X", price=Decimal("99.99"), tax_class="standard")
    bench.contract("A", charges=(taxed,))
    bench.run(*STEPS)
    row = bench.issued()["UK-00001"]
    assert (row.subtotal, row.tax, row.total) == (99_99, 20_00, 119_99)


def test_the_day_begins_in_the_entity_s_own_zone(bench: Bench) -> None:
    bench.contract("A", starts_on=date(2026, 9, 2))
    bench.contract("U", entity="us", starts_on=date(2026, 9, 2))
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], timezone="Pacific/Kiritimati")  # 14 h ahead
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]
