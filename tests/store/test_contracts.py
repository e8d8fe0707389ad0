"""Contracts: terms in force and waiting, and which slices are settled how."""

from __future__ import annotations

from datetime import date

import msgspec

from billing.invoicing import Settled
from billing.terms import Terms
from store import audit, contracts, invoices
from store.contracts import ContractRow, HeldDecision
from store.database import Store
from tests.billing.build import recurring, terms
from tests.store.build import ADA, contract, draft, issue, line

JANUARY, FEBRUARY = "C-1/fee/2026-01-01", "C-1/fee/2026-02-01"


def row(store: Store, key: str = "C-1") -> ContractRow:
    found = contracts.get(store, key)
    assert found is not None
    return found


def settled(store: Store) -> dict[str, Settled]:
    found = contracts.settled(store, "C-1")
    assert len({item.slice for item in found}) == len(found)  # billing refuses a slice that is settled twice
    return {item.slice: item for item in found}


def changed(price: str) -> Terms:
    return terms(recurring(price=price))


# ------------------------------------------------------------------------------------------------------------- terms


def test_a_contract_starts_with_version_one_of_its_terms(store: Store) -> None:
    contract(store)
    assert (row(store).version, row(store).current) == (1, terms())
    assert [found.key for found in contracts.all_contracts(store)] == ["C-1"]
    assert contracts.get(store, "C-2") is None


def test_new_terms_become_the_next_version_and_take_the_place_of_what_waited(store: Store) -> None:
    contract(store)
    contracts.propose_terms(store, ADA, row(store), changed("110.00"))
    contracts.replace_terms(store, ADA, row(store), changed("120.00"), "agreed by mail")
    found = row(store)
    assert (found.version, found.current, found.proposed) == (2, changed("120.00"), None)
    assert found.digest == contracts.digest(changed("120.00")) != contracts.digest(terms())
    (entry,) = [entry for entry in audit.entries(store, "contract:C-1") if entry.action == "terms"]
    assert entry.reason == "agreed by mail"
    assert msgspec.json.decode(str(entry.before), type=Terms) == terms()


def test_proposed_terms_wait_while_the_old_ones_stay_in_force(store: Store) -> None:
    contract(store)
    contracts.propose_terms(store, ADA, row(store), changed("110.00"))
    contracts.propose_terms(store, ADA, row(store), changed("110.00"))
    assert row(store).current == terms()
    assert msgspec.json.decode(str(row(store).proposed), type=Terms) == changed("110.00")
    assert len([e for e in audit.entries(store, "contract:C-1") if e.action == "proposed"]) == 1
    contracts.propose_terms(store, ADA, row(store), None)
    assert row(store).proposed is None


def test_refused_terms_are_remembered_by_their_digest(store: Store) -> None:
    contract(store)
    contracts.propose_terms(store, ADA, row(store), changed("110.00"))
    contracts.refuse_terms(store, ADA, row(store), "not agreed")
    assert (row(store).proposed, row(store).refused) == (None, contracts.digest(changed("110.00")))
    assert row(store).current == terms()


def test_what_only_describes_a_contract_follows_without_a_new_version(store: Store) -> None:
    customer = contract(store)
    contracts.describe(store, row(store), entity="us", customer_id=customer, name="A better name")
    assert (row(store).name, row(store).version) == ("A better name", 1)


# ----------------------------------------------------------------------------------------------------------- settled


def test_nothing_is_settled_at_first(store: Store) -> None:
    contract(store)
    assert contracts.settled(store, "C-1") == []
    assert contracts.issued_contracts(store) == set()


def test_an_issued_slice_is_the_sum_of_its_revisions_and_credit_notes_count_below_zero(store: Store) -> None:
    contract(store)
    issue(store, draft(100_00))
    issue(store, draft(20_00, revision=1))
    issue(store, draft(50_00, kind="credit_note", revision=2))
    found = settled(store)[JANUARY]
    assert (found.how, found.amount, found.revision, found.line) == ("issued", 70_00, 2, line(50_00))
    assert contracts.issued_contracts(store) == {"C-1"}


def test_a_draft_settles_nothing(store: Store) -> None:
    contract(store)
    with store.transaction():
        invoices.save_drafts(store, ADA, entity="us", contract="C-1", customer_id=1, wanted=[draft()])
    assert settled(store) == {}


def test_what_was_voided_counts_as_nothing_but_its_revision_is_never_used_again(store: Store) -> None:
    contract(store)
    document = issue(store, draft(100_00))
    invoices.void(store, ADA, document, "voided in the books")
    found = settled(store)[JANUARY]
    assert (found.how, found.amount, found.revision) == ("issued", 0, 0)


def test_a_voided_correction_leaves_the_first_billing(store: Store) -> None:
    contract(store)
    issue(store, draft(100_00))
    invoices.void(store, ADA, issue(store, draft(30_00, kind="credit_note", revision=1)), "voided in the books")
    found = settled(store)[JANUARY]
    assert (found.amount, found.revision) == (100_00, 1)


def test_a_held_slice_is_held_whatever_was_issued_for_it(store: Store) -> None:
    contract(store)
    issue(store, draft(lines=[line(100_00), line(100_00, "2026-02-01")]))
    contracts.hold(store, ADA, "C-1", [JANUARY], "voided in the books")
    assert {name: item.how for name, item in settled(store).items()} == {JANUARY: "held", FEBRUARY: "issued"}
    assert contracts.held_by_contract(store) == {"C-1": 1}


def test_slices_settled_elsewhere_or_waived_are_no_invoices_of_ours(store: Store) -> None:
    contract(store)
    others = [Settled(slice=JANUARY, how="elsewhere"), Settled(slice=FEBRUARY, how="waived")]
    contracts.settle(store, ADA, "C-1", others, "starts before go-live")
    contracts.settle(store, ADA, "C-1", others, "starts before go-live")
    assert list(settled(store).values()) == others
    assert contracts.held_by_contract(store) == {}


def test_settling_nothing_leaves_no_trace(store: Store) -> None:
    contract(store)
    before = audit.head(store)
    contracts.settle(store, ADA, "C-1", [], "nothing")
    assert audit.head(store) == before


def decided(store: Store, how: HeldDecision) -> dict[str, Settled]:
    contract(store)
    contract(store, "C-2")
    document = issue(store, draft(100_00))
    contracts.hold(store, ADA, "C-1", invoices.void(store, ADA, document, "voided")["C-1"], "voided")
    contracts.hold(store, ADA, "C-2", ["C-2/fee/2026-01-01"], "voided")
    contracts.decide_held(store, ADA, "C-1", how, "as agreed")
    assert contracts.held_by_contract(store) == {"C-2": 1}  # another contract's wait for their own decision
    assert audit.entries(store, "contract:C-1")[-1].reason == "as agreed"
    return settled(store)


def test_held_slices_that_are_to_be_billed_again_owe_all_of_their_amount(store: Store) -> None:
    found = decided(store, "bill_again")[JANUARY]
    assert (found.how, found.amount, found.revision) == ("issued", 0, 0)


def test_held_slices_that_are_waived_are_not_billed(store: Store) -> None:
    assert decided(store, "waived")[JANUARY].how == "waived"


def test_held_slices_that_were_billed_elsewhere_are_not_billed(store: Store) -> None:
    assert decided(store, "elsewhere")[JANUARY].how == "elsewhere"


# ----------------------------------------------------------------------------------------------------- which are billed


def test_a_contract_says_why_it_is_not_billed_and_each_change_is_in_the_trail(store: Store) -> None:
    contract(store)
    assert (row(store).state, row(store).why) == ("active", "")
    assert contracts.set_state(store, ADA, row(store), "held", "its deal is gone")
    assert not contracts.set_state(store, ADA, row(store), "held", "its deal is gone")
    assert (row(store).state, row(store).why) == ("held", "its deal is gone")
    assert contracts.set_state(store, ADA, row(store), "active", "")
    entries = audit.entries(store, "contract:C-1")[1:]
    assert [entry.action for entry in entries] == ["held", "active"]
    assert {entry.reason for entry in entries} == {"its deal is gone"}


def test_an_answer_stands_until_it_is_replaced_or_forgotten(store: Store) -> None:
    contracts.answer(store, "gone:C-1", "keep")
    contracts.answer(store, "gone:C-1", "ended")
    assert contracts.answers(store) == {"gone:C-1": "ended"}
    contracts.answer(store, "gone:C-1", None)
    assert contracts.answers(store) == {}


def test_an_end_for_good_is_remembered_beside_the_terms(store: Store) -> None:
    contract(store)
    contracts.end(store, ADA, row(store), date(2026, 3, 31), "moved away", for_good=False)
    assert (row(store).current.ends_on, row(store).ended_on) == (date(2026, 3, 31), None)
    contracts.end(store, ADA, row(store), date(2026, 2, 28), "moved away", for_good=True)
    assert (row(store).current.ends_on, row(store).ended_on) == (date(2026, 2, 28), date(2026, 2, 28))


def test_what_a_closed_contract_has_billed_counts_as_billed_elsewhere_for_its_heir(store: Store) -> None:
    contract(store)
    contract(store, "C-2")
    issue(store, draft(100_00, key="C-2"), customer=2)
    contracts.close(store, ADA, row(store, "C-2"), "merged", "C-1")
    assert (row(store, "C-2").state, row(store, "C-2").relates_to) == ("closed", "C-1")
    assert settled(store) == {JANUARY: Settled(slice=JANUARY, how="elsewhere")}


def test_two_contracts_can_change_their_deals(store: Store) -> None:
    contract(store)
    contract(store, "C-2")
    contracts.swap_deals(store, row(store), row(store, "C-2"))
    assert (row(store).deal_id, row(store, "C-2").deal_id) == ("C-2", "C-1")
