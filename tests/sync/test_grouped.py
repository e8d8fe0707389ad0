"""One invoice for several contracts of a customer: planned together, issued as one, each line its own contract's."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing import invoicing
from billing.terms import BillingContact, LateFee, OneTime, Recurring, Terms
from store import audit, contracts, invoices, mail, pages, planned, written_back
from store.audit import Actor
from store.pages import Window
from sync import credits, set_terms, work_out
from sync.credits import Wish
from tests.worlds import NOBODY, TODAY, Bench

STEPS = ("plan_invoices", "issue_invoices")
OCTOBER = date(2026, 10, 1)


def agree(bench: Bench, key: str, price: str = "100", **terms: Any) -> None:
    """Agree a contract of Acme, who wants one invoice for all."""
    charge = Recurring(key="fee", description=f"Fee {key}", price=Decimal(price), tax_class="standard")
    bench.contract(key, **{"buyer": "Acme", "charges": (charge,), "invoice_grouping": "customer", **terms})


def change(bench: Bench, key: str, **fields: Any) -> None:
    with bench.store() as store:
        row = contracts.get(store, key)
        assert row is not None
        set_terms.put(store, NOBODY, row, msgspec.structs.replace(row.agreed, **fields), "a test wants it")


def bill(bench: Bench, day: date | None = None) -> dict[str, tuple[int, str]]:
    """Run the jobs; return total and contracts of each document that this issued."""
    before = set(bench.issued())
    bench.today = day or bench.today
    results = bench.run(*STEPS)
    assert {result.outcome for result in results.values()} == {"done"}, results
    return {number: (row.total, whose(row)) for number, row in bench.issued().items() if number not in before}


def whose(row: invoices.DocumentRow) -> str:
    """Return the contracts with lines on a document, the one it belongs to first."""
    keys = list(invoices.slices_of(row.draft))
    assert keys[0] == row.contract
    return " ".join(keys)


def drafted(bench: Bench) -> dict[str, int]:
    """Plan; return the total of each draft by its contracts."""
    bench.run("plan_invoices")
    return {whose(row): row.total for row in bench.drafts()}


def manual(bench: Bench) -> None:
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve="manual")


@pytest.fixture
def pair(bench: Bench) -> Bench:
    """Two contracts of Acme, at 100.00 and 50.00 a month, whose drafts wait for approval."""
    manual(bench)
    agree(bench, "A")
    agree(bench, "B", "50")
    return bench


# ------------------------------------------------------------------------------------------------------------- planned


def test_contracts_of_a_customer_come_as_one_invoice_and_others_alone(bench: Bench) -> None:
    agree(bench, "A", "0.13")
    agree(bench, "B", "0.13")
    agree(bench, "C", buyer="Berg")
    bench.contract("D", buyer="Acme")
    assert bill(bench) == {"UK-00001": (100_00, "D"), "UK-00002": (31, "A B"), "UK-00003": (120_00, "C")}
    both = bench.issued()["UK-00002"]
    assert (both.subtotal, both.tax) == (26, 5)  # 20 % of 0.26 once, not 0.03 twice
    assert bill(bench) == {}


@pytest.mark.parametrize(
    "differs",
    [
        {"po_number": "PO-9"},
        {"payment_terms": "net 10"},
        {"billing_contact": BillingContact(email="other@acme.example")},
        {"late_fee": LateFee(percent=Decimal(2))},
        {"invoice_grouping": "contract"},
        {"buyer": "Acme Holding"},
        {"currency": "EUR"},
        {"entity": "us", "currency": "USD"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_differs_in_what_an_invoice_has_once_stands_apart(bench: Bench, differs: dict[str, Any]) -> None:
    agree(bench, "A")
    agree(bench, "B", **differs)
    agree(bench, "C")
    assert sorted(whose for _, whose in bill(bench).values()) == ["A C", "B"]


def test_a_customer_that_two_deals_call_by_two_names_gets_one_invoice(bench: Bench) -> None:
    agree(bench, "A")
    agree(bench, "B", customer="Acme Limited")
    assert list(bill(bench).values()) == [(240_00, "A B")]


def test_all_of_a_customer_s_contracts_are_planned_when_one_is_due(pair: Bench) -> None:
    assert drafted(pair) == {"A B": 180_00}
    pair.today = date(2026, 9, 10)
    change(pair, "B", charges=(OneTime(key="x", description="X", price=Decimal(7), tax_class="standard"),))
    assert drafted(pair) == {"A B": 128_40}
    agree(pair, "C", "1")
    assert drafted(pair) == {"A B C": 129_60}
    assert [row.status for row in pair.drafts()] == ["draft"]


def test_a_second_run_plans_none_of_them_and_each_is_due_on_its_own_day(bench: Bench) -> None:
    agree(bench, "A")
    agree(bench, "B", starts_on=date(2026, 9, 15))
    assert bill(bench) == {"UK-00001": (120_00, "A")}
    with bench.store() as store:
        rules = store.one("SELECT rules FROM planned")
        due = [planned.how_many_due(store, "uk", rules, day) for day in (TODAY, date(2026, 9, 15), OCTOBER)]
    assert due == [0, 1, 2]
    assert bill(bench, date(2026, 9, 15)) == {"UK-00002": (120_00, "B")}
    assert bill(bench, date(2026, 10, 20)) == {"UK-00003": (240_00, "A B")}


def test_credit_notes_are_not_merged(bench: Bench) -> None:
    agree(bench, "A")
    agree(bench, "B")
    bill(bench)
    for key in "AB":
        change(bench, key, ends_on=date(2026, 9, 15))
    assert bill(bench, date(2026, 9, 16)) == {"UK-CN-00001": (60_00, "A"), "UK-CN-00002": (60_00, "B")}


def test_one_of_them_that_waits_for_a_person_holds_the_invoice_back(bench: Bench) -> None:
    agree(bench, "A")
    agree(bench, "B", po_required=True)
    assert bill(bench) == {}
    assert bench.item("po_missing").subject == "contract:B"
    bench.approve_all()
    assert bill(bench) == {}  # without the number that the customer wants to read, approved or not
    change(bench, "B", po_required=False)
    assert list(bill(bench).values()) == [(240_00, "A B")]


def test_one_that_cannot_be_billed_is_left_out_and_comes_with_the_next_run(
    pair: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drafted(pair) == {"A B": 180_00}

    def bill_but_a(terms: Terms, *args: Any, **options: Any) -> Any:
        if terms.contract == "A":
            raise ValueError("broken")
        return real(terms, *args, **options)

    real = invoicing.bill
    change(pair, "B", po_number="PO-1")
    with monkeypatch.context() as patched:
        patched.setattr(work_out, "bill", bill_but_a)
        assert drafted(pair) == {"B": 60_00}
    assert pair.item("contract_parked").subject == "contract:A"
    change(pair, "B", po_number="")
    assert drafted(pair) == {"A B": 180_00}
    assert pair.items() == []


# ----------------------------------------------------------------------------------------- the group changes meanwhile


def test_a_parked_contract_leaves_the_invoice_and_comes_back(pair: Bench) -> None:
    assert drafted(pair) == {"A B": 180_00}
    for state, expected in (("parked", {"B": 60_00}), ("active", {"A B": 180_00})):
        set_state(pair, "A", state)
        assert drafted(pair) == expected
    set_state(pair, "B", "parked")
    assert drafted(pair) == {"A": 120_00}


def set_state(bench: Bench, key: str, state: Any) -> None:
    with bench.store() as store, store.transaction():
        row = contracts.get(store, key)
        assert row is not None
        contracts.set_state(store, NOBODY, row, state, "a test wants it")


def test_an_approved_invoice_of_a_contract_parked_since_is_not_issued(pair: Bench) -> None:
    drafted(pair)
    pair.approve_all()
    set_state(pair, "B", "parked")
    pair.run("issue_invoices")
    assert pair.issued() == {}


@pytest.mark.parametrize("key", ["A", "B"])
def test_a_contract_that_wants_its_own_invoice_gets_it_and_joins_again(pair: Bench, key: str) -> None:
    assert drafted(pair) == {"A B": 180_00}
    change(pair, key, invoice_grouping="contract")
    assert drafted(pair) == {"A": 120_00, "B": 60_00}
    assert pair.rows("SELECT * FROM shared_documents") == []
    change(pair, key, invoice_grouping="customer")
    assert drafted(pair) == {"A B": 180_00}


@pytest.mark.parametrize("key", ["A", "B"])
def test_a_contract_that_goes_to_another_customer_or_entity_leaves_the_invoice(pair: Bench, key: str) -> None:
    agree(pair, "C", buyer="Berg")
    assert drafted(pair) == {"A B": 180_00, "C": 120_00}
    with pair.store() as store, store.transaction():
        row, berg = contracts.get(store, key), contracts.get(store, "C")
        assert row is not None and berg is not None
        contracts.describe(
            store, row, entity="uk", customer_id=berg.customer_id, name="x", relation="", relates_to=None
        )
    moved, left = {"A": ({"A C": 240_00}, {"B": 60_00}), "B": ({"B C": 180_00}, {"A": 120_00})}[key]
    assert drafted(pair) == {**moved, **left}


# -------------------------------------------------------------------------------------------------------------- issued


@pytest.fixture
def issued(bench: Bench) -> Bench:
    """An invoice of 180.00 for two contracts of Acme."""
    agree(bench, "A")
    agree(bench, "B", "50")
    assert bill(bench) == {"UK-00001": (180_00, "A B")}
    return bench


def test_each_contract_is_settled_by_its_own_lines(issued: Bench) -> None:
    with issued.store() as store:
        assert contracts.billed_net(store, ["A", "B"]) == {"A": 100_00, "B": 50_00}
        assert [one.slice for one in contracts.settled(store, "B")] == ["B/fee/2026-09-01"]
    assert issued.rows("SELECT contract, settled_through FROM planned ORDER BY 1") == [
        ("A", "2026-09-01"), ("B", "2026-09-01"),
    ]  # fmt: skip


def test_a_correction_of_one_is_its_own_credit_note_or_stands_beside_the_others_next_month(issued: Bench) -> None:
    change(issued, "B", charges=(Recurring(key="fee", description="Fee", price=Decimal(60), tax_class="standard"),))
    assert bill(issued) == {"UK-00002": (12_00, "B")}
    assert bill(issued, OCTOBER) == {"UK-00003": (192_00, "A B")}


def test_the_pages_of_both_contracts_list_it_from_its_draft_on(issued: Bench) -> None:
    manual(issued)
    bill(issued, OCTOBER)
    with issued.store() as store:
        for key in "AB":
            found = pages.documents(store, Window(), days={}, contract=key)
            assert [(row.number, row.status) for row in found] == [(None, "draft"), ("UK-00001", "issued")]


def test_a_voided_one_holds_each_contract_s_slices_until_that_is_decided_for_each(issued: Bench) -> None:
    with issued.store() as store, store.transaction():
        for key, slices in invoices.void(store, NOBODY, issued.issued()["UK-00001"], "voided").items():
            contracts.hold(store, NOBODY, key, slices, "voided")
    with issued.store() as store:
        assert contracts.held_by_contract(store) == {"A": 1, "B": 1}
    assert bill(issued) == {}
    for key in "AB":
        with issued.store() as store, store.transaction():
            contracts.decide_held(store, NOBODY, key, "bill_again", "a test wants it")
    assert bill(issued) == {"UK-00002": (180_00, "A B")}
    assert bill(issued) == {}


def test_it_is_credited_line_by_line_and_in_full(issued: Bench) -> None:
    def give(wish: Wish) -> invoices.DocumentRow:
        with issued.store() as store:
            return credits.give(store, issued, NOBODY, credits.find(store, "UK-00001"), wish, "agreed")

    assert give(Wish(line=2, amount=Decimal(20))).total == 24_00
    assert bill(issued) == {}
    note = give(Wish())
    assert (note.total, whose(note)) == (156_00, "A B")
    assert bill(issued) == {}
    with issued.store() as store:
        assert contracts.billed_net(store, ["A", "B"]) == {"A": 0, "B": 0}
        listed = pages.documents(store, Window(), days={}, contract="B")
        assert [row.number for row in listed] == ["UK-CN-00002", "UK-CN-00001", "UK-00001"]
    assert bill(issued, OCTOBER) == {"UK-00002": (180_00, "A B")}


def test_the_crm_is_told_of_it_for_each_deal_and_once_for_the_company(issued: Bench) -> None:
    with issued.store() as store:
        rows = written_back.invoices(store, "crm")
    assert [(row.number, row.deal_id, row.company_id) for row in rows] == [
        ("UK-00001", "A", "Acme"), ("UK-00001", "B", "Acme"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["A", "B"])
def test_nobody_is_reminded_of_it_while_one_of_its_contracts_waits_for_a_person(issued: Bench, key: str) -> None:
    set_state(issued, key, "parked")
    with issued.store() as store:
        assert mail.parked(store) == {issued.issued()["UK-00001"].id}


def test_a_late_fee_is_owed_once(bench: Bench) -> None:
    fee = LateFee(percent=Decimal(10), tax_class="standard")
    once = (OneTime(key="x", description="X", price=Decimal(100), tax_class="standard"),)
    for key in "AB":
        agree(bench, key, late_fee=fee, charges=once)
    assert bill(bench) == {"UK-00001": (240_00, "A B")}
    assert bill(bench, date(2026, 10, 2)) == {"UK-00002": (28_80, "A")}
    assert bill(bench, date(2026, 10, 3)) == {}


def test_who_approved_it_stands_in_the_audit_trail(pair: Bench) -> None:
    drafted(pair)
    (row,) = pair.drafts()
    with pair.store() as store, store.transaction():
        invoices.approve(store, Actor("person ada", NOBODY.at), [row.id])
    bill(pair)
    with pair.store() as store:
        assert [one.action for one in audit.entries(store, f"document:{row.id}")] == ["approved", "issued"]
        assert audit.verify(store) is None
