"""Credit notes against an invoice and documents of several contracts, as the store keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.credits import Billed, credit_in_full, credit_lines, credit_net
from billing.invoicing import Draft, TaxLine
from store import audit, contracts, invoices
from store.database import IntegrityError, Store
from store.invoices import DocumentRow, Wanted
from tests.store import build
from tests.store.build import ADA, TODAY, contract, issue, line, save


def draft(*args: Any, **fields: Any) -> Draft:
    """Return a draft with tax at no percent, as credit notes take the rates of their invoice."""
    made = build.draft(*args, **fields)
    taxes = (TaxLine(tax_class="standard", rate=Decimal(0), base=made.subtotal, amount=0),)
    return msgspec.structs.replace(made, taxes=taxes)


def billed(store: Store, row: DocumentRow) -> Billed:
    notes = tuple(one.draft for one in invoices.credits_of(store, row.entity, str(row.number)))
    return Billed(
        number=str(row.number), invoice=row.draft, notes=notes, settled=tuple(contracts.settled(store, row.contract))
    )


def give(store: Store, row: DocumentRow, note: Draft) -> DocumentRow:
    with store.transaction():
        number = invoices.take_number(store, "us", "US-CN-", 5)
        return invoices.get(store, invoices.give_credit(store, ADA, row, note, number, "agreed"))


@pytest.fixture
def invoice(store: Store) -> DocumentRow:
    """An invoice over two months at 100.00."""
    contract(store)
    return issue(store, draft(lines=[line(100_00), line(100_00, "2026-02-01")]))


def test_a_credit_note_is_issued_at_once_and_knows_its_invoice(store: Store, invoice: DocumentRow) -> None:
    given = give(store, invoice, credit_in_full(billed(store, invoice), TODAY))
    assert (given.number, given.type, given.status, given.total, given.open) == (
        "US-CN-00001", "credit_note", "issued", 200_00, 0,
    )  # fmt: skip
    assert (given.draft.against, given.customer_id, given.contract) == ("US-00001", invoice.customer_id, "C-1")
    assert invoices.drafts(store) == []
    assert invoices.credits_of(store, "us", "US-00001") == [given]
    assert invoices.credits_of(store, "uk", "US-00001") == invoices.credits_of(store, "us", "") == []
    assert [(one.amount, one.waived, one.revision) for one in contracts.settled(store, "C-1")] == [(0, 100_00, 1)] * 2
    last = [audit.entries(store, f"document:{one.id}")[-1] for one in (invoice, given)]
    assert [(one.action, one.reason) for one in last] == [("credited", "agreed"), ("issued", "agreed")]


def test_what_was_credited_counts_in_what_is_left(store: Store, invoice: DocumentRow) -> None:
    give(store, invoice, credit_net(billed(store, invoice), 50_00, TODAY))
    assert [one.amount for one in contracts.settled(store, "C-1")] == [75_00, 75_00]
    assert contracts.billed_net(store, ["C-1"]) == {"C-1": 150_00}
    with pytest.raises(ValueError, match=r"up to 75\.00 USD"):
        credit_lines(billed(store, invoice), {0: 75_01}, TODAY)
    give(store, invoice, credit_in_full(billed(store, invoice), TODAY))
    assert [one.revision for one in contracts.settled(store, "C-1")] == [2, 2]


def test_a_voided_credit_note_counts_no_more(store: Store, invoice: DocumentRow) -> None:
    given = give(store, invoice, credit_net(billed(store, invoice), 50_00, TODAY))
    invoices.void(store, ADA, given, "voided in the books")
    assert invoices.credits_of(store, "us", "US-00001") == []
    assert [(one.amount, one.waived, one.revision) for one in contracts.settled(store, "C-1")] == [(100_00, 0, 1)] * 2


def test_the_same_credit_note_twice_is_refused_whole_and_burns_no_number(store: Store, invoice: DocumentRow) -> None:
    note = credit_net(billed(store, invoice), 50_00, TODAY)
    give(store, invoice, note)
    with pytest.raises(IntegrityError):
        give(store, invoice, note)
    assert len(invoices.issued(store)) == 2
    assert invoices.next_numbers(store, "us") == {"US-": 2, "US-CN-": 2}


def test_drafts_of_the_same_service_are_withdrawn_and_others_stay(store: Store, invoice: DocumentRow) -> None:
    save(store, draft(20_00, revision=1))
    contract(store, "C-2")
    save(store, draft(key="C-2"), key="C-2", customer=2)
    with store.transaction():
        invoices.withdraw(store, ADA, {"C-1": ["C-1/fee/2026-03-01"], "C-2": ["C-2/fee/2026-03-01"]}, "credited")
    assert len(invoices.drafts(store)) == 2
    with store.transaction():
        invoices.withdraw(store, ADA, {"C-1": ["C-1/fee/2026-01-01"]}, "credited")
    assert [row.contract for row in invoices.drafts(store)] == ["C-2"]
    entry = audit.entries(store, "contract:C-1")[-1]
    assert (entry.action, entry.reason) == ("draft removed", "credited")


def test_voiding_withdraws_a_draft_that_corrects_what_was_voided(store: Store, invoice: DocumentRow) -> None:
    save(store, draft(20_00, revision=1))
    with store.transaction():
        invoices.void(store, ADA, invoice, "voided in the books")
    assert invoices.drafts(store) == []


# ----------------------------------------------------------------------------------- one document, several contracts


def shared(store: Store) -> list[tuple[Any, ...]]:
    return store.tuples("SELECT document_id, contract FROM shared_documents ORDER BY 1, 2")


def together(*keys: str) -> Draft:
    """Return an invoice with a line for each contract."""
    return draft(lines=[line(100_00, key=key) for key in keys], key=keys[0])


def save_together(store: Store, drafts: Sequence[Draft], *keys: str) -> int:
    """Make the drafts of contracts equal to an invoice of the first of them for all, or to none."""
    first, *others = keys
    with store.transaction():
        wanted = [Wanted(first, 1, [*map(invoices.drawn, drafts)], others), *(Wanted(key, 1, []) for key in others)]
        return invoices.save_many_drafts(store, ADA, "us", wanted)


@pytest.fixture
def three(store: Store) -> Store:
    """A store with three contracts of a customer."""
    for key in ("C-1", "C-2", "C-3"):
        contract(store, key)
    return store


def test_a_draft_of_several_contracts_takes_the_place_of_theirs(three: Store) -> None:
    for number, key in enumerate(("C-1", "C-2"), 1):
        save(three, draft(key=key), key=key, customer=number)
    save_together(three, [together("C-1", "C-2")], "C-1", "C-2")
    (row,) = invoices.drafts(three)
    assert (row.contract, row.total, shared(three)) == ("C-1", 200_00, [(row.id, "C-2")])
    assert save_together(three, [together("C-1", "C-2")], "C-1", "C-2") == 0
    save_together(three, [together("C-1", "C-3")], "C-1", "C-3")
    assert shared(three) == [(row.id, "C-3")]
    save(three, draft())
    assert (shared(three), invoices.get(three, row.id).total) == ([], 100_00)


def test_a_draft_of_several_contracts_that_goes_leaves_nothing(three: Store) -> None:
    save_together(three, [together("C-1", "C-2")], "C-1", "C-2")
    save_together(three, [], "C-1", "C-2")
    assert (invoices.drafts(three), shared(three)) == ([], [])


def test_each_line_is_settled_for_its_own_contract(three: Store) -> None:
    save_together(three, [together("C-1", "C-2")], "C-1", "C-2")
    (row,) = invoices.drafts(three)
    with three.transaction():
        invoices.issue(three, ADA, row, row.draft, invoices.take_number(three, "us", "US-", 5))
    for key in ("C-1", "C-2"):
        assert [(one.slice, one.amount) for one in contracts.settled(three, key)] == [(f"{key}/fee/2026-01-01", 100_00)]
    assert contracts.issued_contracts(three) == {"C-1", "C-2"}
    assert invoices.void(three, ADA, invoices.get(three, row.id), "voided") == {
        "C-1": ["C-1/fee/2026-01-01"], "C-2": ["C-2/fee/2026-01-01"],
    }  # fmt: skip


def test_a_draft_of_others_with_lines_of_a_contract_is_withdrawn_with_them(three: Store) -> None:
    save_together(three, [together("C-1", "C-2")], "C-1", "C-2")
    with three.transaction():
        invoices.withdraw(three, ADA, {"C-3": ["C-3/fee/2026-01-01"]}, "no")
        invoices.remove_strays(three, ADA, ["C-1", "C-2"])
    assert len(invoices.drafts(three)) == 1
    with three.transaction():
        invoices.remove_strays(three, ADA, ["C-2"])
    assert invoices.drafts(three) == []
    save_together(three, [together("C-1", "C-2")], "C-1", "C-2")
    with three.transaction():
        invoices.withdraw(three, ADA, {"C-2": ["C-2/fee/2026-01-01"]}, "credited")
    assert invoices.drafts(three) == []


def test_a_credit_note_for_several_contracts_names_them(three: Store) -> None:
    save_together(three, [together("C-1", "C-2")], "C-1", "C-2")
    (row,) = invoices.drafts(three)
    with three.transaction():
        invoices.issue(three, ADA, row, row.draft, invoices.take_number(three, "us", "US-", 5))
    row = invoices.get(three, row.id)
    settled = tuple(one for key in ("C-1", "C-2") for one in contracts.settled(three, key))
    known = msgspec.structs.replace(billed(three, row), settled=settled)
    given = give(three, row, credit_in_full(known, TODAY))
    assert (given.id, "C-2") in shared(three)
