"""Deals that are reopened, deleted or merged after they were won: nothing wrong is billed, and nothing by itself."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from store import audit
from tests.worlds import DAILY, Live

PULL_AND_MAP = ("pull_deals", "map_terms")
PLAN = ("pull_deals", "map_terms", "plan_invoices")
STATES = "SELECT state, why FROM contracts ORDER BY key"


def reopen(live: Live, deal: str) -> None:
    live.change_deal(deal, dealstage="contractsent")


def delete(live: Live, deal: str) -> None:
    live.hubspot("DELETE", f"deals/{deal}")


def merge(live: Live, kind: str, first: str, second: str) -> str:
    """Merge two records as people do; return the id of the new one."""
    return str(live.hubspot("POST", f"{kind}/merge", {"primaryObjectId": first, "objectIdToMerge": second})["id"])


def company_of(live: Live, deal: str) -> str:
    (company,) = live.sandbox.hubspot.records.linked("deals", deal, "companies")
    return company


def states(live: Live) -> list[str]:
    return [state for state, _ in live.rows(STATES)]


def total_of(live: Live, contract: str) -> int:
    rows = [row for row in live.issued().values() if row.contract == contract]
    return sum(row.total if row.type == "invoice" else -row.total for row in rows)


def actions(live: Live, thing: str) -> list[str]:
    with live.store() as store:
        return [entry.action for entry in audit.entries(store, thing)]


def calls(live: Live, kind: str) -> int:
    return sum(count for call, count in live.sandbox.hubspot.calls.items() if call.endswith(kind))


@pytest.fixture
def billed(live: Live) -> tuple[Live, str]:
    """A deal whose first month is invoiced; a month later."""
    deal = live.sell()
    live.done(*DAILY)
    live.move_to(date(2026, 10, 2))
    return live, deal


# ------------------------------------------------------------------------------------------------- reopened and deleted


@pytest.mark.parametrize(("go", "why"), [(reopen, "is not won any more"), (delete, "was deleted")])
def test_a_deal_that_goes_before_anything_was_invoiced_is_parked_and_its_draft_removed(
    live: Live, go: Any, why: str
) -> None:
    deal = live.sell()
    live.done(*PLAN)
    assert len(live.drafts()) == 1
    go(live, deal)
    live.done(*PULL_AND_MAP)
    assert live.drafts() == []
    assert live.rows(STATES) == [("parked", f"deal {deal} {why}")]
    assert actions(live, f"contract:D{deal}") == ["created", "parked", "draft removed"]
    assert live.items() == []
    live.done(*DAILY)
    assert live.issued() == {}


def test_a_deal_that_is_won_again_is_billed_again(live: Live) -> None:
    deal = live.sell()
    live.done(*PLAN)
    reopen(live, deal)
    live.done(*DAILY)
    live.change_deal(deal, dealstage="closedwon")
    live.done(*DAILY)
    assert states(live) == ["active"]
    assert total_of(live, f"D{deal}") == 100_00


@pytest.mark.parametrize("go", [reopen, delete])
def test_a_deal_that_goes_after_it_was_invoiced_is_on_hold_until_a_person_says(
    billed: tuple[Live, str], go: Any
) -> None:
    live, deal = billed
    go(live, deal)
    live.done(*DAILY)
    assert states(live) == ["held"]
    assert total_of(live, f"D{deal}") == 100_00
    item = live.item("deal_gone")
    assert deal in item.message
    assert item.choices == ["end", "keep_billing"]
    assert not any(result.changed for result in live.done(*DAILY).values())


def test_keep_billing_goes_on_as_agreed(billed: tuple[Live, str]) -> None:
    live, deal = billed
    delete(live, deal)
    live.done(*DAILY)
    live.decide("deal_gone", "keep_billing")
    live.done(*DAILY)
    assert states(live) == ["active"]
    assert live.items() == []
    assert total_of(live, f"D{deal}") == 200_00


def test_end_credits_what_was_billed_beyond_the_last_day(billed: tuple[Live, str]) -> None:
    live, deal = billed
    live.done(*DAILY)
    reopen(live, deal)
    live.done(*DAILY)
    live.decide("deal_gone", "end=2026-09-30")
    live.done(*DAILY)
    assert live.items() == []
    assert total_of(live, f"D{deal}") == 100_00
    assert not any(result.changed for result in live.done(*DAILY).values())


def test_an_end_that_is_no_date_or_lies_before_the_start_is_refused(billed: tuple[Live, str]) -> None:
    live, deal = billed
    reopen(live, deal)
    live.done(*PULL_AND_MAP)
    for wrong, why in (("end", "name the last day"), ("end=soon", "name the last day"), ("end=2026-08-31", "before")):
        with pytest.raises(ValueError, match=why):
            live.decide("deal_gone", wrong)
    assert len(live.items("deal_gone")) == 1


def test_a_deal_won_again_after_it_was_ended_is_proposed_and_not_simply_billed(billed: tuple[Live, str]) -> None:
    live, deal = billed
    reopen(live, deal)
    live.done(*PULL_AND_MAP)
    live.decide("deal_gone", "end=2026-09-30")
    live.change_deal(deal, dealstage="closedwon")
    live.done(*DAILY)
    assert "ends_on 2026-09-30 -> 2027-08-31" in live.item("contract_changed").message
    assert total_of(live, f"D{deal}") == 100_00


def test_an_answer_does_not_outlive_the_case_it_was_given_for(billed: tuple[Live, str]) -> None:
    live, deal = billed
    for stage in ("contractsent", "closedwon", "contractsent"):
        live.change_deal(deal, dealstage=stage)
        live.done(*PULL_AND_MAP)
        if stage == "contractsent" and not live.rows("SELECT * FROM answers"):
            live.decide("deal_gone", "keep_billing")
            live.done(*PULL_AND_MAP)
    assert len(live.items("deal_gone")) + len(live.rows("SELECT * FROM answers")) == 1
    live.change_deal(deal, dealstage="closedwon")
    live.done(*PULL_AND_MAP)
    assert live.rows("SELECT * FROM answers") == []
    live.change_deal(deal, dealstage="closedlost")
    live.done(*PULL_AND_MAP)
    assert len(live.items("deal_gone")) == 1


def test_a_deal_that_no_longer_meets_the_mappings_conditions_is_not_billed(live: Live) -> None:
    deal = live.sell()
    live.done(*PLAN)
    use_mapping(live, "# where = [{", "where = [{")
    live.change_deal(deal, dealtype="existingbusiness")
    live.done(*PLAN)
    assert states(live) == ["active"]
    use_mapping(live, "# where = [{", "where = [{", ('"Reseller"', '"existingbusiness"'))
    live.done(*PLAN)
    assert live.rows(STATES) == [("parked", f"deal {deal} does not meet the conditions of deals.where any more")]
    assert live.drafts() == []


def use_mapping(live: Live, old: str, new: str, *more: tuple[str, str]) -> None:
    """Give the service mapping files of its own, the CRM's with a change."""
    from mappings import SHIPPED

    folder = live.file.parent / "mappings"
    folder.mkdir(exist_ok=True)
    for file in SHIPPED.glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        for one, other in ((old, new), *more) if file.name == "hubspot.toml" else ():
            assert one in text
            text = text.replace(one, other)
        (folder / file.name).write_text(text, encoding="utf-8")


# -------------------------------------------------------------------------------------------------------- what it costs


def test_an_idle_pull_makes_one_call_per_object_type_and_counts_along_with_it(live: Live) -> None:
    live.sell()
    live.sell("Other Ltd")
    live.done()
    live.move_to(live.today + timedelta(days=1))
    live.done("pull_deals")
    before = live.sandbox.hubspot.calls.copy()
    assert live.done("pull_deals")["pull_deals"].changed is False
    made = live.sandbox.hubspot.calls - before
    assert made["POST /crm/objects/{version}/{object_type}/search"] == 4
    assert made.total() <= 5  # a new process asks for the account, too


def test_known_deals_are_looked_up_only_when_their_number_is_not_the_crms(live: Live) -> None:
    deals = [live.sell(f"Company{number} Ltd") for number in range(3)]
    live.done("pull_deals")
    live.move_to(live.today + timedelta(days=1))
    live.done("pull_deals")
    before = calls(live, "batch/read")
    delete(live, deals[1])
    assert live.done("pull_deals")["pull_deals"].tally == {"deals reopened, merged or deleted": 1}
    assert calls(live, "batch/read") == before + 2  # those that are there, those that are in the recycle bin
    assert live.done("pull_deals")["pull_deals"].changed is False
    assert calls(live, "batch/read") == before + 2


def test_a_deal_purged_for_good_is_found_missing(live: Live) -> None:
    deal = live.sell()
    live.done(*PLAN)
    del live.sandbox.hubspot.records.by_type["deals"][deal]
    live.done(*PULL_AND_MAP)
    assert live.rows("SELECT fate FROM deals") == [("deleted",)]
    assert states(live) == ["parked"]


def test_a_deal_that_the_search_missed_is_found_by_counting_at_the_second_time(live: Live) -> None:
    deal = live.sell()
    live.done("pull_deals")
    live.move_to(live.today + timedelta(days=1))
    live.done("pull_deals")
    with live.store() as store, store.transaction():
        store.execute("DELETE FROM deals")
    assert live.done("pull_deals")["pull_deals"].changed is False
    assert live.done("pull_deals")["pull_deals"].tally == {"deals new or changed": 1}
    assert live.rows("SELECT id FROM deals") == [(deal,)]
    assert live.rows("SELECT * FROM pull_notes WHERE name='census'") == []


def test_a_count_that_never_fits_is_looked_into_and_then_left_alone(live: Live) -> None:
    live.sell()
    live.done("pull_deals")
    live.move_to(live.today + timedelta(days=1))
    live.sandbox.hubspot.search_lag = 1e9  # it is there, but the index does not have it any more
    made = []
    for _ in range(4):
        before = live.sandbox.hubspot.calls.total()
        live.done("pull_deals")
        made.append(live.sandbox.hubspot.calls.total() - before)
    assert made == [6, 7, 5, 5]  # looked up; looked up and everything read; no more
    assert live.rows("SELECT fate FROM deals") == [("won",)]


# --------------------------------------------------------------------------------------------------------- merged deals


def test_a_merged_deal_speaks_for_the_contract_of_its_predecessor_which_keeps_its_key(billed: tuple[Live, str]) -> None:
    live, deal = billed
    duplicate = live._new("deals", {"dealname": "Entered twice", "pipeline": "default", "dealstage": "contractsent"})
    merged = merge(live, "deals", deal, duplicate)
    live.done(*DAILY)
    assert live.rows("SELECT key, deal_id, state FROM contracts") == [(f"D{deal}", merged, "active")]
    assert total_of(live, f"D{deal}") == 200_00
    assert live.items() == []
    assert "deal merged" in actions(live, f"contract:D{deal}")
    live.change_price(merged, "120")
    live.done(*DAILY)
    assert "price 100 -> 120" in live.item("contract_changed").message


def test_a_merge_is_followed_even_where_the_crm_keeps_no_list_of_merged_ids(billed: tuple[Live, str]) -> None:
    live, deal = billed
    duplicate = live._new("deals", {"dealname": "Entered twice", "pipeline": "default", "dealstage": "contractsent"})
    merged = merge(live, "deals", deal, duplicate)
    live.sandbox.hubspot.records.by_type["deals"][merged].properties["hs_merged_object_ids"] = None
    live.done(*DAILY)
    assert live.rows("SELECT key, deal_id, state FROM contracts") == [(f"D{deal}", merged, "active")]
    assert total_of(live, f"D{deal}") == 200_00


def test_a_deal_merged_twice_is_still_the_same_contract(billed: tuple[Live, str]) -> None:
    live, deal = billed
    for _ in range(2):
        duplicate = live._new("deals", {"dealname": "Again", "pipeline": "default", "dealstage": "contractsent"})
        deal = merge(live, "deals", deal, duplicate)
    live.done(*DAILY)
    ((key, deal_id),) = live.rows("SELECT key, deal_id FROM contracts")
    assert deal_id == deal
    assert total_of(live, key) == 200_00


def test_a_deal_merged_into_one_that_is_not_won_is_gone(billed: tuple[Live, str]) -> None:
    live, deal = billed
    other = live._new("deals", {"dealname": "Open", "pipeline": "default", "dealstage": "contractsent"})
    merged = merge(live, "deals", other, deal)
    live.done(*DAILY)
    assert len(live.items("deal_gone")) == 1
    assert total_of(live, f"D{deal}") == 100_00
    live.change_deal(merged, dealstage="closedwon", **terms_of(live, deal))
    live.done(*DAILY)
    assert live.rows("SELECT key, deal_id, state FROM contracts") == [(f"D{deal}", merged, "active")]


def terms_of(live: Live, deal: str) -> dict[str, str]:
    return {"deal_currency_code": "GBP", "contract_start": "2026-09-01", "contract_term_months": "12"}


@pytest.fixture
def twice(live: Live) -> tuple[Live, str, str, str]:
    """Two invoiced deals that were merged into a third; a month later. Returns all their ids."""
    first, second = live.sell(), live.sell("Second Ltd", price="50")
    live.done(*DAILY)
    live.move_to(date(2026, 10, 2))
    merged = merge(live, "deals", first, second)
    live.done(*DAILY)
    return live, first, second, merged


def test_two_contracts_merged_into_one_deal_wait_for_a_person(twice: tuple[Live, str, str, str]) -> None:
    live, first, second, merged = twice
    item = live.item("deals_merged")
    assert all(part in item.message for part in (f"D{first}", f"D{second}", merged))
    assert states(live) == ["held", "held"]
    assert [total_of(live, f"D{key}") for key in (first, second)] == [100_00, 50_00]
    assert live.rows("SELECT count(*) FROM contracts") == [(2,)]
    assert not any(result.changed for result in live.done(*DAILY).values())


def test_keep_both_goes_on_with_both_contracts_as_agreed(twice: tuple[Live, str, str, str]) -> None:
    live, first, second, merged = twice
    live.decide("deals_merged", "keep_both")
    live.change_deal(merged, payment_terms="Net 60")
    live.done(*DAILY)
    assert states(live) == ["active", "active"]
    assert live.items() == []
    assert [total_of(live, f"D{key}") for key in (first, second)] == [200_00, 100_00]


@pytest.mark.parametrize("chosen", [0, 1])
def test_follow_lets_one_contract_take_what_the_merged_deal_says_and_bills_nothing_twice(
    twice: tuple[Live, str, str, str], chosen: int
) -> None:
    live, first, second, merged = twice
    heir, other = (first, second) if chosen == 0 else (second, first)
    with pytest.raises(ValueError, match="say which contract goes on"):
        live.decide("deals_merged", "follow")
    live.decide("deals_merged", f"follow=D{heir}")
    live.done(*DAILY)
    assert dict(live.rows("SELECT key, state FROM contracts")) == {f"D{heir}": "active", f"D{other}": "closed"}
    assert dict(live.rows("SELECT key, deal_id FROM contracts"))[f"D{heir}"] == merged
    proposal = live.item("contract_changed")
    # Both lines of both months, less the month that each contract had billed.
    assert f"an invoice over {50 if chosen == 0 else 100}.00 GBP" in proposal.message
    live.decide("contract_changed", "apply")
    live.done(*DAILY)
    assert live.items() == []
    assert total_of(live, f"D{heir}") + total_of(live, f"D{other}") == 2 * 150_00


# ----------------------------------------------------------------------------------------------------- merged companies


def test_a_merged_company_is_the_same_customer_under_its_new_id(billed: tuple[Live, str]) -> None:
    live, deal = billed
    duplicate = live._new("companies", {"name": "Northwind Limited", "domain": "northwind.example"})
    merge(live, "companies", duplicate, company_of(live, deal))
    live.done()
    assert live.rows("SELECT id, data ->> 'name' FROM customers") == [(1, "Northwind Limited")]
    assert contacts(live) == 1
    assert live.items() == []
    assert total_of(live, f"D{deal}") == 200_00


def test_a_new_deal_of_a_merged_company_goes_to_the_customer_that_the_books_know(live: Live) -> None:
    first = live.sell()
    live.done()
    unbilled = live._new("companies", {"name": "Northwind Limited", "domain": "northwind.example"})
    merged = merge(live, "companies", unbilled, company_of(live, first))
    second = live.sell("Renamed Ltd")
    records = live.sandbox.hubspot.records
    records._take_links("companies", company_of(live, second))
    records.link("deals", second, "companies", merged, primary=True)
    live.change_deal(second, dealtype="newbusiness")
    live.done()
    assert live.rows("SELECT count(*) FROM customers WHERE id IN (SELECT customer_id FROM documents)") == [(1,)]
    assert contacts(live) == 1
    assert len(live.issued()) == 2


@pytest.fixture
def apart(live: Live) -> tuple[Live, str, str]:
    """Two customers that the books keep apart and whose companies were merged; a month later. Returns their deals."""
    first, second = live.sell(), live.sell("Eastwind Ltd", dealtype="newbusiness")
    live.done()
    live.move_to(date(2026, 10, 2))
    merge(live, "companies", company_of(live, first), company_of(live, second))
    live.done()
    return live, first, second


def contacts(live: Live) -> int:
    """Return how many customers Xero holds; it has a contact for each account that fees are paid from, too."""
    state = live.sandbox.vendors["xero"].state()
    accounts = {one["Name"] for one in state["accounts"]}
    return sum(one["Name"] not in accounts for one in state["contacts"])


def customers_of(live: Live, deal: str) -> list[int]:
    return [row.customer_id for row in live.issued().values() if row.contract == f"D{deal}"]


def test_two_customers_of_the_books_whose_companies_were_merged_are_shown_and_stay_apart(
    apart: tuple[Live, str, str],
) -> None:
    live, first, second = apart
    item = live.item("customers_merged")
    assert "1 'Northwind Ltd'" in item.message
    assert "2 'Eastwind Ltd'" in item.message
    assert [customers_of(live, deal) for deal in (first, second)] == [[1, 1], [2, 2]]
    assert contacts(live) == 2
    assert live.items("contract_changed") == []


def test_use_bills_everything_new_to_the_chosen_customer(apart: tuple[Live, str, str]) -> None:
    live, first, second = apart
    with pytest.raises(ValueError, match="name one of the customers"):
        live.decide("customers_merged", "use=7")
    live.decide("customers_merged", "use=2")
    live.move_to(date(2026, 11, 2))
    live.done()
    assert [customers_of(live, deal) for deal in (first, second)] == [[1, 1, 2], [2, 2, 2]]
    assert live.items() == []
    assert not any(result.changed for result in live.done().values())


def test_keep_both_leaves_each_contract_with_its_own_customer(apart: tuple[Live, str, str]) -> None:
    live, first, second = apart
    live.decide("customers_merged", "keep_both")
    live.move_to(date(2026, 11, 2))
    live.done()
    assert [customers_of(live, deal) for deal in (first, second)] == [[1, 1, 1], [2, 2, 2]]
    assert live.items() == []


def test_a_deal_that_is_given_to_another_company_after_it_was_invoiced_is_proposed(billed: tuple[Live, str]) -> None:
    live, deal = billed
    records = live.sandbox.hubspot.records
    other = live._new("companies", {"name": "Somebody Else Ltd", "domain": "else.example"})
    records.links["deals", "companies"][deal].clear()
    records.link("deals", deal, "companies", other, primary=True)
    live.change_deal(deal, payment_terms="Net 30")
    live.done(*DAILY)
    assert "customer " in live.item("contract_changed").message
    assert customers_of(live, deal) == [1, 1]
    live.decide("contract_changed", "apply")
    live.move_to(date(2026, 11, 2))
    live.done(*DAILY)
    assert customers_of(live, deal) == [1, 1, 2]
