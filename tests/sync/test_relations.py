"""A deal makes, amends or renews a contract; what may be sold twice is not billed before a person has said so."""

from __future__ import annotations

from typing import Any

import pytest

from store import deals
from tests.mappings.deals import Deal, deal
from tests.worlds import Bench

PLAN = ("map_terms", "plan_invoices", "issue_invoices")


def sold(bench: Bench, *found: Deal) -> None:
    """Store deals as a pull would."""
    with bench.store() as store:
        deals.save_page(store, "crm", "test", [(one["id"], one) for one in found], None)


def made(number: str, start: str, sku: str = "PLAT-SEAT", price: str = "10", **properties: str | None) -> Deal:
    """Return a deal over one line that recurs monthly; all are of one company."""
    one = deal(contract_start=start, billing_anchor_day=None, billing_frequency=None, **properties) | {"id": number}
    line = one["line_items"][0]
    line["id"] = f"{number}1"
    line["properties"] |= {
        "hs_sku": sku, "name": sku, "price": price, "quantity": "1", "hs_discount_percentage": None,
        "recurringbillingfrequency": "monthly", "hs_recurring_billing_period": None, "tax_class": "services",
    }  # fmt: skip
    one["line_items"] = [line]
    return one


def contracts_of(bench: Bench, *columns: str) -> dict[str, Any]:
    rows = bench.rows(f"SELECT key, {', '.join(columns)} FROM contracts")
    return {key: values if len(values) > 1 else values[0] for key, *values in rows}


def billed(bench: Bench) -> list[str]:
    return sorted(row.contract for row in bench.issued().values())


# ---------------------------------------------------------------------------------------------- amendments and renewals


def test_an_upsell_is_billed_beside_its_contract_and_ends_with_it(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"))
    sold(bench, made("2", "2026-09-01", contract_term_months=None, dealtype="existingbusiness"))
    bench.run(*PLAN)
    assert contracts_of(bench, "relation", "relates_to") == {"D1": ["", None], "D2": ["amendment", "D1"]}
    assert contracts_of(bench, "terms ->> '$.ends_on'") == {"D1": "2027-08-31", "D2": "2027-08-31"}
    assert billed(bench) == ["D1", "D2"]
    assert bench.items() == []
    assert bench.run(*PLAN)["map_terms"].changed is False


def test_an_upsell_with_an_end_of_its_own_keeps_it(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"))
    sold(bench, made("2", "2026-09-01", contract_term_months="3", dealtype="existingbusiness"))
    bench.run("map_terms")
    assert contracts_of(bench, "terms ->> '$.ends_on'")["D2"] == "2026-11-30"


def test_an_upsell_without_a_contract_that_runs_stands_alone(bench: Bench) -> None:
    sold(bench, made("1", "2024-09-01"), made("2", "2026-09-01", dealtype="existingbusiness"))
    bench.run(*PLAN)
    assert contracts_of(bench, "relates_to", "state")["D2"] == [None, "active"]
    assert bench.items() == []


@pytest.fixture
def upsold(bench: Bench) -> Bench:
    """An upsell that may belong to either of two contracts."""
    sold(bench, made("1", "2026-08-01"), made("2", "2026-09-01", "DATA-API"))
    sold(bench, made("3", "2026-09-01", contract_term_months=None, dealtype="existingbusiness"))
    return bench


def test_an_upsell_that_may_belong_to_several_contracts_waits_for_a_person(upsold: Bench) -> None:
    upsold.run(*PLAN)
    item = upsold.item("which_contract")
    assert "D1" in item.message
    assert "D2" in item.message
    assert contracts_of(upsold, "state")["D3"] == "held"
    assert set(billed(upsold)) == {"D1", "D2"}
    with pytest.raises(ValueError, match="no contract 'D9'"):
        upsold.decide("which_contract", "base=D9")
    upsold.decide("which_contract", "base=D2")
    upsold.run(*PLAN)
    assert contracts_of(upsold, "relates_to", "terms ->> '$.ends_on'")["D3"] == ["D2", "2027-08-31"]
    assert "D3" in billed(upsold)
    assert upsold.items() == []


def test_an_upsell_can_be_said_to_stand_alone(upsold: Bench) -> None:
    upsold.run(*PLAN)
    upsold.decide("which_contract", "standalone")
    upsold.run(*PLAN)
    assert contracts_of(upsold, "relates_to", "state")["D3"] == [None, "active"]
    assert "D3" in billed(upsold)


@pytest.mark.parametrize("named", ["2", "D2", "https://app.hubspot.com/contacts/42/record/0-3/2/"])
def test_an_upsell_belongs_to_the_contract_that_its_deal_names(upsold: Bench, named: str) -> None:
    sold(upsold, made("3", "2026-09-01", dealtype="existingbusiness", amends_contract=named))
    upsold.run(*PLAN)
    assert contracts_of(upsold, "relates_to")["D3"] == "D2"
    assert upsold.items() == []


def test_an_upsell_of_a_contract_that_nobody_knows_is_not_billed(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"))
    sold(bench, made("2", "2026-09-01", dealtype="existingbusiness", amends_contract="77"))
    bench.run(*PLAN)
    assert "names '77', which is no contract here" in bench.item("which_contract").message
    assert billed(bench) == ["D1"]


def test_an_upsell_stays_with_its_contract_when_another_is_made_later(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"), made("2", "2026-09-01", dealtype="existingbusiness"))
    bench.run(*PLAN)
    sold(bench, made("3", "2026-08-01", "DATA-API"))
    bench.run(*PLAN)
    assert contracts_of(bench, "relates_to")["D2"] == "D1"
    assert bench.items() == []


def test_a_renewal_that_starts_when_its_contract_has_ended_simply_follows(bench: Bench) -> None:
    sold(bench, made("1", "2025-09-01"), made("2", "2026-09-01", dealtype="renewal"))
    bench.run(*PLAN)
    assert contracts_of(bench, "relation", "relates_to", "state")["D2"] == ["renewal", "D1", "active"]
    assert bench.items() == []


def test_a_dealtype_that_the_mapping_does_not_know_says_nothing(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01", dealtype="Something of our own"))
    bench.run(*PLAN)
    assert contracts_of(bench, "relation") == {"D1": ""}
    assert billed(bench) == ["D1"]


# ------------------------------------------------------------------------------------------------------------- overlaps


@pytest.fixture
def overlapping(bench: Bench) -> Bench:
    """A contract, and a renewal that starts a month before it ends."""
    sold(bench, made("1", "2025-10-01"), made("2", "2026-09-01", dealtype="renewal"))
    bench.run(*PLAN)
    return bench


def test_a_renewal_that_overlaps_its_contract_is_not_billed_before_a_person_has_said_so(overlapping: Bench) -> None:
    item = overlapping.item("overlap")
    for part in ("1 'Northwind - Platform 2026'", "2 'Northwind", "PLAT-SEAT from 2026-09-01 to 2026-09-30"):
        assert part in item.message
    assert item.choices == ["bill_both", "end_first", "ignore_second"]
    assert contracts_of(overlapping, "state") == {"D1": "active", "D2": "held"}
    assert set(billed(overlapping)) == {"D1"}
    assert overlapping.run(*PLAN)["map_terms"].changed is False


def test_bill_both_bills_both(overlapping: Bench) -> None:
    overlapping.decide("overlap", "bill_both")
    overlapping.run(*PLAN)
    assert set(billed(overlapping)) == {"D1", "D2"}
    assert overlapping.items() == []


def test_end_first_ends_it_the_day_before_and_the_deal_does_not_take_it_back(overlapping: Bench) -> None:
    overlapping.decide("overlap", "end_first")
    overlapping.run(*PLAN)
    assert contracts_of(overlapping, "terms ->> '$.ends_on'", "ended_on")["D1"] == ["2026-08-31", "2026-08-31"]
    assert set(billed(overlapping)) == {"D1", "D2"}
    assert overlapping.items() == []
    assert overlapping.run(*PLAN)["map_terms"].changed is False
    credit = [row.total for row in overlapping.issued().values() if row.type == "credit_note"]
    assert credit == [10_00]  # September, which was billed


def test_ignore_second_never_bills_it(overlapping: Bench) -> None:
    overlapping.decide("overlap", "ignore_second")
    overlapping.run(*PLAN)
    assert contracts_of(overlapping, "state")["D2"] == "parked"
    assert set(billed(overlapping)) == {"D1"}
    assert overlapping.items() == []


def test_an_overlap_that_is_corrected_in_the_crm_closes_by_itself(overlapping: Bench) -> None:
    sold(overlapping, made("2", "2026-10-01", dealtype="renewal"))
    overlapping.run(*PLAN)
    assert overlapping.items() == []
    assert contracts_of(overlapping, "state")["D2"] == "active"


def test_the_first_cannot_be_ended_where_both_start_on_the_same_day(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"), made("2", "2026-09-01"))
    bench.run("map_terms")
    with pytest.raises(ValueError, match="choose bill_both or ignore_second"):
        bench.decide("overlap", "end_first")


def test_two_deals_over_the_same_product_and_days_of_which_none_says_why_are_one_question(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"), made("2", "2026-09-01"))
    bench.run(*PLAN)
    assert len(bench.items("overlap")) == 1
    assert billed(bench) == ["D1"]


@pytest.mark.parametrize(
    ("start", "sku", "dealtype"),
    [
        ("2026-09-01", "DATA-API", None),
        ("2027-09-01", "PLAT-SEAT", None),
        ("2026-09-01", "PLAT-SEAT", "newbusiness"),
        ("2026-09-01", "PLAT-SEAT", "existingbusiness"),
    ],
)
def test_other_products_other_days_or_an_answer_in_the_deal_are_no_overlap(
    bench: Bench, start: str, sku: str, dealtype: str | None
) -> None:
    sold(bench, made("1", "2026-09-01"), made("2", start, sku, dealtype=dealtype))
    bench.run("map_terms")
    assert bench.items() == []
    assert set(contracts_of(bench, "state").values()) == {"active"}


def test_what_was_sold_twice_only_before_go_live_is_nobodys_question_any_more(bench: Bench) -> None:
    sold(bench, made("1", "2025-01-01"), made("2", "2025-06-01"))
    bench.run("map_terms")
    assert bench.items() == []
    sold(bench, made("2", "2025-06-01", contract_term_months="24"), made("1", "2025-01-01", contract_term_months="24"))
    bench.run("map_terms")
    assert "PLAT-SEAT from 2026-06-01 to 2026-12-31" in bench.item("overlap").message


def test_other_customers_do_not_overlap(bench: Bench) -> None:
    other = made("2", "2026-09-01")
    other["companies"][0] |= {"id": "72"}
    sold(bench, made("1", "2026-09-01"), other)
    bench.run("map_terms")
    assert bench.items() == []


def test_a_contract_is_never_billed_between_its_making_and_its_comparison(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sync import map_terms

    def cut_off(*_: object) -> None:
        raise RuntimeError("the power went out")

    sold(bench, made("1", "2026-09-01"), made("2", "2026-09-01"))
    with monkeypatch.context() as patched:
        patched.setattr(map_terms, "settle", cut_off)
        assert bench.run(*PLAN)["map_terms"].outcome == "failed"
    assert billed(bench) == []
    bench.run(*PLAN)
    assert billed(bench) == ["D1"]


def test_two_deals_that_make_the_same_key_are_reported_and_stop_no_other(bench: Bench) -> None:
    bench.contract("D2")
    sold(bench, made("1", "2026-09-01"), made("2", "2026-09-01", "DATA-API"))
    assert bench.run("map_terms")["map_terms"].outcome == "done"
    assert "'D2', which another contract has" in bench.item("key_taken").message


# --------------------------------------------------------------------------------------------------- what a change does


def test_a_proposal_says_what_applying_it_would_bill_and_applying_it_bills_that(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"))
    bench.run(*PLAN)
    sold(bench, made("1", "2026-09-01", price="12.50"))
    bench.run(*PLAN)
    assert "(applied today: an invoice over 2.50 GBP)" in bench.item("contract_changed").message
    assert contracts_of(bench, "effect") == {"D1": "applied today: an invoice over 2.50 GBP"}
    bench.decide("contract_changed", "apply")
    bench.run(*PLAN)
    assert [row.total for row in bench.issued().values()] == [10_00, 2_50]
    assert contracts_of(bench, "effect") == {"D1": ""}


def test_a_proposal_says_what_applying_it_would_credit(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"))
    bench.run(*PLAN)
    sold(bench, made("1", "2026-09-01", price="4"))
    bench.run("map_terms")
    assert "a credit note over 6.00 GBP" in bench.item("contract_changed").message


def test_what_a_proposal_says_does_not_depend_on_whether_the_latest_invoice_is_out(bench: Bench) -> None:
    sold(bench, made("1", "2026-08-01"))
    bench.run("map_terms", "plan_invoices", "issue_invoices")
    sold(bench, made("1", "2026-08-01", price="13"))
    bench.today = bench.today.replace(month=10)
    bench.run("map_terms")
    before = bench.item("contract_changed").message
    bench.run("plan_invoices", "issue_invoices", "map_terms")
    assert bench.item("contract_changed").message == before
    assert "an invoice over 9.00 GBP" in before  # three months at 3 more


def test_a_proposal_that_is_due_later_says_so(bench: Bench) -> None:
    sold(bench, made("1", "2026-09-01"))
    bench.run(*PLAN)
    sold(bench, made("1", "2026-09-01", contract_term_months="24"))
    bench.run("map_terms")
    assert "nothing to bill or credit yet" in bench.item("contract_changed").message


def test_several_deals_of_a_customer_do_not_change_it_to_and_fro(bench: Bench) -> None:
    sold(bench, made("1", "2025-09-01", billing_email="one@northwind.example"))
    sold(bench, made("2", "2026-09-01", billing_email="two@northwind.example"))
    bench.run("map_terms")
    assert bench.rows("SELECT data ->> 'email' FROM customers") == [("two@northwind.example",)]
    before = bench.rows("SELECT count(*) FROM audit")
    bench.run("map_terms")
    assert bench.rows("SELECT count(*) FROM audit") == before
