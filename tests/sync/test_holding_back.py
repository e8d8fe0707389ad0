"""What planning finds of a contract is told before it is billed, and holds its invoices back until a person decides."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.terms import OneTime, Recurring, Renewal
from sync import work_out
from tests.worlds import TODAY, Bench

STEPS = ("plan_invoices", "issue_invoices")
NEVER_ENDS = Renewal(auto=True, notice_days=30)  # of a contract without an end: a contradiction
NO_NOTICE: dict[str, Any] = {"ends_on": date(2027, 8, 31), "renewal": Renewal(auto=True)}  # only advice


def configure(bench: Bench, **changes: Any) -> None:
    """Configure ``uk`` differently."""
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], **changes)


def write(bench: Bench, change: str) -> None:
    """Change the terms of every contract by an SQL function over ``terms``."""
    with bench.store() as store, store.transaction():
        store.execute(f"UPDATE contracts SET terms = {change}")


# ------------------------------------------------------------------------------------------------- contradictory terms


def test_terms_that_contradict_themselves_are_told_and_not_billed_until_they_are_mended(bench: Bench) -> None:
    bench.contract("A", renewal=NEVER_ENDS)
    bench.contract("B")
    bench.run(*STEPS)
    assert [row.contract for row in bench.issued().values()] == ["B"]
    item = bench.item("renewal_without_end")
    assert (item.subject, item.detail) == ("contract:A", "renewal")
    assert "'Deal A': a contract without end never renews: add ends_on or drop it" in item.message
    write(bench, "json_set(terms, '$.ends_on', '2027-08-31')")
    bench.run(*STEPS)
    assert {number: row.contract for number, row in bench.issued().items()} == {"UK-00001": "B", "UK-00002": "A"}
    assert bench.items() == []


def test_dismissing_the_contradiction_lets_the_draft_go_and_it_stays_dismissed(bench: Bench) -> None:
    bench.contract("A", renewal=NEVER_ENDS)
    bench.run(*STEPS)
    assert bench.issued() == {}
    bench.decide("renewal_without_end", "dismiss")
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]
    bench.today = date(2026, 10, 1)
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001", "UK-00002"]


def test_one_of_several_contradictions_that_is_still_open_holds_the_draft(bench: Bench) -> None:
    free = Recurring(key="x", description="X", price=Decimal(5), quantity=Decimal(0))
    paid = Recurring(key="y", description="Y", price=Decimal(5))
    bench.contract("A", renewal=NEVER_ENDS, charges=(free, paid))
    bench.run(*STEPS)
    bench.decide("quantity_zero", "dismiss")
    bench.run(*STEPS)
    assert bench.issued() == {}
    bench.decide("renewal_without_end", "dismiss")
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]


def test_an_approved_draft_leaves_although_its_item_is_open(bench: Bench) -> None:
    bench.contract("A", renewal=NEVER_ENDS)
    bench.run(*STEPS)
    bench.approve_all()
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]
    assert bench.item("renewal_without_end")


def test_advice_is_told_and_holds_nothing_back(bench: Bench) -> None:
    bench.contract("A", **NO_NOTICE)
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]
    assert bench.item("renewal_without_notice").detail == "renewal.notice_days"


def test_what_was_found_is_told_for_as_long_as_the_terms_stand_and_looked_for_only_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.contract("A", **NO_NOTICE)
    bench.run(*STEPS)
    item = bench.item("renewal_without_notice")
    with monkeypatch.context() as patched:
        patched.setattr(work_out, "lint", lambda *_: pytest.fail("the terms are those of before"))
        for day in (TODAY, TODAY + timedelta(days=3), date(2026, 10, 1), date(2026, 10, 2)):
            bench.today = day
            result = bench.run(*STEPS)["plan_invoices"]
            assert (result.outcome, result.opened, result.closed) == ("done", 0, 0)
            assert bench.item("renewal_without_notice") == item
    assert list(bench.issued()) == ["UK-00001", "UK-00002"]
    write(bench, "json_set(terms, '$.renewal.notice_days', 60)")
    assert bench.run(*STEPS)["plan_invoices"].closed == 1
    assert bench.items() == []


def test_an_index_that_escalators_follow_is_looked_for_among_those_configured(bench: Bench) -> None:
    bench.contract("A", escalator={"index": "CPI"})
    bench.run(*STEPS)
    assert bench.item("index_unknown").detail == "escalator.index"
    bench.indices = {"CPI": ((date(2026, 8, 1), Decimal("100.0")),)}
    bench.run(*STEPS)
    assert bench.items() == []
    assert list(bench.issued()) == ["UK-00001"]


# ------------------------------------------------------------------------------------------------------ late discovery


def test_more_than_the_threshold_caught_up_waits_for_a_person(bench: Bench) -> None:
    bench.contract("A", "600", starts_on=date(2026, 6, 1))
    bench.run(*STEPS)
    assert bench.issued() == {}
    assert "1,200.00 GBP of this draft was due more than 31 days ago" in bench.item("catch_up").message
    bench.decide("catch_up", "dismiss")
    bench.run(*STEPS)
    assert bench.issued()["UK-00001"].total == 2400_00


def test_the_threshold_is_the_legal_entitys_own(bench: Bench) -> None:
    configure(bench, catch_up_review=Decimal(1200))
    bench.contract("A", "600", starts_on=date(2026, 6, 1))
    bench.run(*STEPS)
    assert list(bench.issued()) == ["UK-00001"]
    assert bench.items() == []


def test_a_contract_that_began_a_month_ago_is_billed_without_asking(bench: Bench) -> None:
    bench.contract("A", "6000", starts_on=date(2026, 8, 1))
    bench.run(*STEPS)
    assert bench.issued()["UK-00001"].total == 12_000_00


def test_what_was_put_aside_counts_for_what_was_said_and_not_for_more(bench: Bench) -> None:
    configure(bench, approve="manual")
    bench.contract("A", "600", starts_on=date(2026, 6, 1))
    bench.run(*STEPS)
    bench.decide("catch_up", "dismiss")
    write(bench, "json_set(terms, '$.charges[0].price', '6000')")
    configure(bench, approve="auto")
    bench.run(*STEPS)
    assert bench.issued() == {}
    assert "12,000.00 GBP" in bench.item("catch_up").message


def test_a_missing_po_number_holds_the_draft_even_when_its_item_is_put_aside(bench: Bench) -> None:
    bench.contract("A", po_required=True)
    bench.run(*STEPS)
    bench.decide("po_missing", "dismiss")
    bench.run(*STEPS)
    assert bench.issued() == {}


# ------------------------------------------------------------------------------------------------- what an entity says


def test_tax_is_rounded_on_each_line_where_the_entity_says_so(bench: Bench) -> None:
    lines = tuple(OneTime(key=key, description=key, price=Decimal("0.13")) for key in "xy")
    bench.contract("A", charges=lines)
    bench.run(*STEPS)
    configure(bench, tax_rounding="per_line")
    bench.contract("B", charges=lines)
    bench.run(*STEPS)
    assert [row.tax for row in bench.issued().values()] == [5, 6]  # 20 % of 0.26 is 0.052; of 0.13 twice 0.026


def test_a_draft_of_an_entity_that_is_no_longer_configured_stays_and_the_others_go(bench: Bench) -> None:
    bench.contract("A")
    bench.contract("U", entity="us")
    bench.run("plan_invoices")
    del bench.entities["uk"]
    assert bench.run("issue_invoices")["issue_invoices"].tally == {"invoices issued": 1}
    assert [row.contract for row in bench.drafts()] == ["A"]
