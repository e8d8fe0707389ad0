"""Deals become contracts; what a person agreed to is never changed behind their back."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from store import audit, deals
from store.database import to_json
from tests.mappings.deals import Deal, deal
from tests.worlds import Bench, Live

TERMS = ("SELECT version, terms ->> '$.charges[1].price', terms ->> '$.payment_terms', proposed IS NOT NULL"
         " FROM contracts")  # fmt: skip


def sold(bench: Bench, *found: Deal) -> None:
    """Store deals as a pull would."""
    with bench.store() as store:
        deals.save_page(store, "crm", "test", [(one["id"], one) for one in found], None)


def repriced(price: str, **properties: str) -> Deal:
    made = deal(contract_start=date(2026, 9, 1).isoformat(), **properties)
    made["line_items"][0]["properties"]["price"] = price
    return made


def contract(bench: Bench) -> tuple[Any, ...]:
    (found,) = bench.rows(TERMS)
    return found


@pytest.fixture
def billed(bench: Bench) -> Bench:
    """A contract whose first invoice is issued."""
    sold(bench, repriced("80.50"))
    bench.run("map_terms", "plan_invoices", "issue_invoices")
    assert list(bench.issued()) == ["UK-00001"]
    return bench


def test_a_won_deal_becomes_a_contract_of_the_company_that_bought(bench: Bench) -> None:
    sold(bench, repriced("80.50"))
    assert bench.run("map_terms")["map_terms"].tally == {"contracts new": 1}
    assert bench.rows("SELECT key, entity, deal_id FROM contracts") == [("D9001", "uk", "9001")]
    assert bench.rows("SELECT crm_id, data ->> 'name' FROM customers") == [("70", "Northwind Ltd")]
    assert bench.run("map_terms")["map_terms"].changed is False


def test_before_anything_is_issued_a_change_in_the_deal_simply_counts(bench: Bench) -> None:
    sold(bench, repriced("80.50"))
    bench.run("map_terms", "plan_invoices")
    sold(bench, repriced("90"))
    assert bench.run("map_terms")["map_terms"].tally == {"contracts changed": 1}
    assert contract(bench) == (2, "90", "net 45", 0)
    assert bench.items() == []


def test_after_the_first_invoice_a_change_is_proposed_and_the_old_terms_stay_in_force(billed: Bench) -> None:
    sold(billed, repriced("90"))
    assert billed.run("map_terms")["map_terms"].tally == {"changes proposed": 1}
    assert contract(billed) == (1, "80.50", "net 45", 1)
    item = billed.item("contract_changed")
    assert "price 80.50 -> 90" in item.message
    assert item.choices == ["apply", "keep", "dismiss"]
    assert billed.run("map_terms")["map_terms"].changed is False


def test_apply_puts_the_change_in_force_and_bills_the_difference(billed: Bench) -> None:
    sold(billed, repriced("90"))
    billed.run("map_terms")
    billed.decide("contract_changed", "apply")
    assert contract(billed) == (2, "90", "net 45", 0)
    billed.run("map_terms", "plan_invoices")
    assert billed.items() == []
    (draft,) = billed.drafts()
    assert draft.subtotal == 213_75  # 25 seats at 9.50 less 10 %


def test_keep_leaves_the_terms_and_the_same_change_is_not_proposed_again(billed: Bench) -> None:
    sold(billed, repriced("90"))
    billed.run("map_terms")
    billed.decide("contract_changed", "keep")
    assert billed.run("map_terms")["map_terms"].changed is False
    assert contract(billed) == (1, "80.50", "net 45", 0)
    assert billed.items() == []


def test_another_change_after_a_kept_one_is_proposed(billed: Bench) -> None:
    sold(billed, repriced("90"))
    billed.run("map_terms")
    billed.decide("contract_changed", "keep")
    sold(billed, repriced("95"))
    billed.run("map_terms")
    assert "80.50 -> 95" in billed.item("contract_changed").message


def test_a_proposal_is_taken_back_when_the_deal_is_put_back(billed: Bench) -> None:
    sold(billed, repriced("90"))
    billed.run("map_terms")
    sold(billed, repriced("80.50"))
    billed.run("map_terms")
    assert contract(billed)[3] == 0
    assert billed.items() == []


def test_a_change_that_was_changed_meanwhile_cannot_be_applied_any_more(billed: Bench) -> None:
    sold(billed, repriced("90"))
    billed.run("map_terms")
    with billed.store() as store, store.transaction():
        store.execute("UPDATE contracts SET proposed=NULL")
    with pytest.raises(ValueError, match="not proposed any more"):
        billed.decide("contract_changed", "apply")
    assert len(billed.items("contract_changed")) == 1


def test_crm_changes_apply_puts_every_change_in_force_at_once(billed: Bench) -> None:
    billed.crm_changes = "apply"
    sold(billed, repriced("90"))
    billed.run("map_terms", "plan_invoices")
    assert contract(billed) == (2, "90", "net 45", 0)
    assert [row.subtotal for row in billed.drafts()] == [213_75]
    assert billed.items() == []


def test_a_customer_that_is_renamed_in_the_crm_is_renamed_here_even_after_the_first_invoice(billed: Bench) -> None:
    renamed = repriced("80.50")
    renamed["companies"][0]["properties"]["name"] = "Southwind Ltd"
    sold(billed, renamed)
    billed.run("map_terms")
    assert billed.rows("SELECT data ->> 'name' FROM customers") == [("Southwind Ltd",)]
    with billed.store() as store:
        assert [entry.action for entry in audit.entries(store, "customer:1")] == ["created", "changed"]


def test_a_deal_that_says_too_little_is_reported_with_property_value_and_fix_and_stops_no_other(bench: Bench) -> None:
    vague = deal(payment_terms="as discussed") | {"id": "9002"}
    sold(bench, vague, repriced("80.50"))
    bench.run("map_terms")
    item = bench.item("deal_not_mapped")
    for part in ("9002", "Northwind - Platform 2026", "deal.payment_terms", "'as discussed'"):
        assert part in item.message
    assert "in the CRM" in item.fix
    assert bench.rows("SELECT deal_id FROM contracts") == [("9001",)]


def test_every_fault_of_a_deal_is_an_item_of_its_own(bench: Bench) -> None:
    sold(bench, deal(payment_terms="as discussed", contract_start=None))
    bench.run("map_terms")
    messages = [item.message for item in bench.items("deal_not_mapped")]
    assert len(messages) == 2
    assert any("contract_start" in message for message in messages)


def test_an_item_closes_by_itself_when_the_deal_is_mended_in_the_crm(live: Live) -> None:
    mended = live.sell(payment_terms="as discussed")
    live.sell("Other Ltd", payment_terms="as discussed")
    live.done("pull_deals", "map_terms")
    assert len(live.items("deal_not_mapped")) == 2
    live.change_deal(mended, payment_terms="Net 30")
    result = live.done("pull_deals", "map_terms")["map_terms"]
    assert (result.closed, result.tally) == (1, {"contracts new": 1})
    assert mended not in live.item("deal_not_mapped").message


def test_a_dismissed_item_stays_dismissed_until_the_deal_is_wrong_in_another_way(bench: Bench) -> None:
    sold(bench, deal(payment_terms="as discussed"))
    bench.run("map_terms")
    bench.decide("deal_not_mapped", "dismiss")
    assert bench.run("map_terms")["map_terms"].changed is False
    assert bench.items() == []
    sold(bench, deal(payment_terms="as agreed"))
    bench.run("map_terms")
    assert "as agreed" in bench.item("deal_not_mapped").message


def test_a_deal_of_an_unknown_legal_entity_is_reported_with_the_known_ones(bench: Bench) -> None:
    sold(bench, deal(billing_entity="fr"))
    bench.run("map_terms")
    item = bench.item("entity")
    assert "'fr'" in item.message
    assert "us, uk" in item.fix
    assert "[entities.fr]" in item.fix


def test_a_deal_in_a_currency_its_entity_does_not_sell_in_is_reported(bench: Bench) -> None:
    sold(bench, deal(billing_entity="us", deal_currency_code="EUR"))
    bench.run("map_terms")
    assert "Brightwater Inc. does not sell in EUR" in bench.item("entity").message
    assert bench.rows("SELECT * FROM contracts") == []


def test_a_deal_that_moves_to_another_entity_after_it_was_invoiced_stays_and_is_reported(billed: Bench) -> None:
    sold(billed, repriced("80.50", billing_entity="us", deal_currency_code="USD"))
    billed.run("map_terms")
    assert "moved from uk to us" in billed.item("entity_moved").message
    assert billed.rows("SELECT entity FROM contracts") == [("uk",)]


def test_a_deal_that_moves_to_another_entity_before_it_was_invoiced_moves(bench: Bench) -> None:
    sold(bench, repriced("80.50"))
    bench.run("map_terms", "plan_invoices")
    sold(bench, repriced("80.50", billing_entity="us", deal_currency_code="USD"))
    bench.run("map_terms", "plan_invoices", "issue_invoices")
    assert [(number, row.entity, row.currency) for number, row in bench.issued().items()] == [("US-00001", "us", "USD")]


def test_line_items_replaced_by_new_ones_keep_their_charges_and_bill_nothing_twice(billed: Bench) -> None:
    replaced = repriced("80.50")
    for number, line in enumerate(replaced["line_items"]):
        line["id"] = f"90{number}"
    sold(billed, replaced)
    assert billed.run("map_terms", "plan_invoices")["plan_invoices"].changed is False
    assert billed.items() == []


def test_the_terms_are_stored_as_they_were_mapped_and_every_version_is_in_the_audit_trail(bench: Bench) -> None:
    for price in ("80.50", "90", "95"):
        sold(bench, repriced(price))
        bench.run("map_terms")
    with bench.store() as store:
        entries = audit.entries(store, "contract:D9001")
        assert audit.verify(store) is None
    assert [entry.action for entry in entries] == ["created", "terms", "terms"]
    assert entries[1].after == entries[2].before
    assert to_json("95").strip('"') in str(entries[2].after)
