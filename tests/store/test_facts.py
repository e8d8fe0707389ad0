"""What billing is told beside the terms: acceptances, overdue invoices, indices, for one contract or for many."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.facts import Acceptance, Facts, Overdue, UsageRecord
from store import audit, facts, usage
from store.database import Store
from tests.store.build import ADA, TODAY, apply, contract, draft, issue, pay

CPI = {"CPI": ((date(2026, 1, 15), Decimal("321.9")),)}
DESIGN = Acceptance(charge="build", milestone="design", on=date(2026, 2, 1))


@pytest.fixture(autouse=True)
def contracts(store: Store) -> None:
    for key in ("C-1", "C-2", "C-3"):
        contract(store, key)


def accept(store: Store, given: Acceptance = DESIGN, key: str = "C-1") -> bool:
    with store.transaction():
        return facts.accept(store, ADA, key, given)


def test_a_contract_of_which_nothing_is_known_has_the_indices_alone(store: Store) -> None:
    assert facts.facts_of(store, "C-1", CPI) == Facts(indices=CPI)
    assert facts.facts_by_contract(store, ["C-1", "C-2"], CPI) == {}


def test_facts_of_many_contracts_hold_those_alone_of_which_something_is_known(store: Store) -> None:
    used = UsageRecord(id="r-1", meter="calls", day=TODAY)
    with store.transaction():
        usage.save(store, ADA, [("C-2", used)], "x")
    accept(store)
    found = facts.facts_by_contract(store, ["C-1", "C-2", "C-3"], CPI)
    assert found == {"C-1": Facts(indices=CPI, accepted=(DESIGN,)), "C-2": Facts(indices=CPI, usage=(used,))}


# --------------------------------------------------------------------------------------------------------- acceptances


def test_an_acceptance_is_recorded_once_and_another_day_takes_its_place(store: Store) -> None:
    assert [accept(store), accept(store)] == [True, False]
    moved = Acceptance(charge="build", milestone="design", on=date(2026, 2, 2))
    assert accept(store, moved)
    assert facts.facts_of(store, "C-1", {}).accepted == (moved,)
    actions = [entry.action for entry in audit.entries(store, "contract:C-1")]
    assert actions == ["created", "accepted", "accepted"]


def test_an_acceptance_can_be_withdrawn_once(store: Store) -> None:
    accept(store)
    with store.transaction():
        assert facts.withdraw(store, ADA, "C-1", "build", "design")
        assert not facts.withdraw(store, ADA, "C-1", "build", "design")
    assert facts.facts_of(store, "C-1", {}).accepted == ()
    assert [entry.action for entry in audit.entries(store, "contract:C-1")][-1] == "acceptance withdrawn"


def test_what_planning_found_ends_with_each_change_of_an_acceptance(store: Store) -> None:
    def changes() -> int:
        return int(store.one("SELECT changes FROM contracts WHERE key='C-1'"))

    before = changes()
    accept(store)
    assert changes() == before + 1
    accept(store)
    assert changes() == before + 1
    with store.transaction():
        facts.withdraw(store, ADA, "C-1", "build", "design")
    assert changes() == before + 2


# ------------------------------------------------------------------------------------------------------------- overdue


def overdue(store: Store) -> tuple[Overdue, ...]:
    return facts.facts_of(store, "C-1", {}).overdue


def test_an_open_invoice_is_told_with_the_day_from_which_it_is_overdue(store: Store) -> None:
    row = issue(store, draft())
    assert overdue(store) == (Overdue(number=str(row.number), due_on=TODAY, open=100_00),)


def test_open_invoices_are_looked_for_only_of_contracts_whose_terms_need_them(store: Store) -> None:
    issue(store, draft())
    assert facts.facts_by_contract(store, ["C-1"], {}) == {}


def test_what_was_paid_late_is_told_with_its_day_so_that_a_fee_of_before_stays_owed(store: Store) -> None:
    row = issue(store, draft())
    apply(store, pay(store, 40_00, received_on="2026-03-10"), (row.id, 40_00))
    apply(store, pay(store, 60_00, "ch_2", received_on="2026-03-20"), (row.id, 60_00))
    (found,) = overdue(store)
    assert found.open == 0
    assert found.paid == ((date(2026, 3, 10), 40_00), (date(2026, 3, 20), 60_00))


def test_what_was_paid_in_time_lowers_what_is_open_and_paid_in_full_it_was_never_overdue(store: Store) -> None:
    first, second = issue(store, draft()), issue(store, draft(50_00, start="2026-02-01"))
    apply(store, pay(store, 30_00, received_on=TODAY.isoformat()), (first.id, 30_00))
    apply(store, pay(store, 50_00, "ch_2", received_on="2026-02-01"), (second.id, 50_00))
    assert overdue(store) == (Overdue(number=str(first.number), due_on=TODAY, open=70_00),)


def test_credit_notes_drafts_and_other_contracts_are_not_overdue(store: Store) -> None:
    issue(store, draft(kind="credit_note"))
    issue(store, draft(key="C-2"), customer=2)
    assert overdue(store) == ()
    assert set(facts.facts_by_contract(store, ["C-1", "C-2"], {}, ["C-2"])) == {"C-2"}
