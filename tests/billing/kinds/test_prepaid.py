from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from billing.explain import explain_text, recompute
from billing.facts import Acceptance, Facts, UsageRecord
from billing.plan import Line, plan
from billing.terms import Terms
from tests.billing.build import day, lines, recurring, terms


def calls(**fields: Any) -> dict[str, Any]:
    return {"type": "usage", "key": "calls", "description": "Calls", "price": "1.00", **fields}


def pack(**fields: Any) -> dict[str, Any]:
    return {"type": "prepaid", "key": "pack", "description": "Package", "price": "100.00", **fields}


def project(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "fixed_price",
        "key": "build",
        "description": "Build",
        "price": "1000.00",
        "instalments": list(parts),
        **fields,
    }


def used(**quantities: int) -> Facts:
    """What was used of calls by day, e.g. ``d01_15=40`` on 15 January."""
    return Facts(
        usage=tuple(
            UsageRecord(id=key, meter="calls", day=day(f"2026-{key[1:].replace('_', '-')}"), quantity=Decimal(quantity))
            for key, quantity in quantities.items()
        )
    )


def of(found: list[Line], *kinds: str) -> list[tuple[str, str, int]]:
    return [(line.issue_on.isoformat(), line.at or "", line.amount) for line in found if line.kind in kinds]


def owed(contract: Terms, facts: Facts, through: str = "2027-06-01", since: str | None = None) -> list[Line]:
    return plan(contract, day(through), facts, day(since) if since else None)


def test_a_package_is_paid_once_and_drawn_by_usage_until_it_is_used_up():
    contract = terms(pack(), calls(), ends_on="2026-03-31")
    found = owed(contract, used(d01_15=40, d02_15=50, d03_15=30))
    assert of(found, "prepaid") == [("2026-01-01", "", 100_00)]
    assert of(found, "drawdown") == [
        ("2026-02-01", "calls:2026-01-01", -40_00),
        ("2026-03-01", "calls:2026-02-01", -50_00),
        ("2026-04-01", "calls:2026-03-01", -10_00),
    ]
    assert sum(line.amount for line in found) == 120_00


def test_what_is_drawn_follows_its_line_with_its_tax_and_its_service():
    contract = terms(calls(tax_class="reduced"), pack(), ends_on="2026-01-31")
    found = owed(contract, used(d01_15=40))
    assert [line.kind for line in found] == ["prepaid", "usage", "drawdown"]
    line, drawn = found[1:]
    assert (drawn.tax_class, drawn.starts, drawn.until, drawn.issue_on) == (
        "reduced",
        line.starts,
        line.until,
        line.issue_on,
    )
    assert drawn.slice == "C-1/pack/calls:2026-01-01"


def test_a_package_may_be_worth_more_than_is_paid():
    contract = terms(pack(value="120.00"), calls(), ends_on="2026-01-31")
    found = owed(contract, used(d01_15=150))
    assert [line.amount for line in found] == [100_00, 150_00, -120_00]


def test_a_discount_on_the_package_lowers_what_is_paid_not_what_it_is_worth():
    contract = terms(pack(discounts=[{"percent": "10"}]), calls(), ends_on="2026-01-31")
    assert [line.amount for line in owed(contract, used(d01_15=150))] == [90_00, 150_00, -100_00]


def test_a_discount_on_the_contract_lowers_what_is_drawn_and_leaves_the_package_alone():
    contract = terms(pack(), calls(), ends_on="2026-01-31", discounts=[{"percent": "50"}])
    assert [line.amount for line in owed(contract, used(d01_15=150))] == [100_00, 75_00, -75_00]


def test_the_oldest_purchase_is_drawn_first_and_one_line_tells_of_both():
    contract = terms(pack(every="month", lasts="3 months"), calls(), ends_on="2026-02-28")
    found = owed(contract, used(d01_15=60, d02_15=120))
    assert of(found, "prepaid") == [("2026-01-01", "", 100_00), ("2026-02-01", "", 100_00)]
    drawn = [line for line in found if line.kind == "drawdown"]
    assert [line.amount for line in drawn] == [-60_00, -120_00]
    assert explain_text(drawn[1].explain) == (
        "40.00 of what was paid on 1 Jan 2026 and 80.00 of what was paid on 1 Feb 2026; 20.00 left"
    )


def test_what_lapses_first_is_used_first():
    small = pack(key="small", price="10.00", on="2026-01-01", lasts="2 months")
    large = pack(key="large", price="15.00", on="2026-01-02", lasts="1 month")
    found = owed(terms(small, large, calls(), ends_on="2026-02-28"), used(d01_15=12, d02_15=10))
    assert [(line.charge, line.amount) for line in found if line.kind == "drawdown"] == [
        ("large", -12_00),
        ("large", -3_00),
        ("small", -7_00),
    ]


def test_service_that_begins_when_a_purchase_has_lapsed_is_not_paid_by_it():
    contract = terms(pack(lasts="1 month"), calls(), ends_on="2026-02-28")
    found = owed(contract, used(d01_15=40, d02_15=50))
    assert of(found, "drawdown") == [("2026-02-01", "calls:2026-01-01", -40_00)]


def test_nothing_is_drawn_before_it_is_bought():
    contract = terms(pack(on="2026-02-15"), calls(), ends_on="2026-02-28")
    found = owed(contract, used(d01_15=40, d02_15=50))
    assert of(found, "drawdown") == [("2026-03-01", "calls:2026-02-01", -50_00)]


def test_only_usage_is_paid_unless_charges_are_named():
    contract = terms(recurring(), pack(), calls(), ends_on="2026-01-31")
    assert of(owed(contract, used(d01_15=1)), "drawdown") == [("2026-02-01", "calls:2026-01-01", -1_00)]
    named = terms(recurring(), pack(charges=["fee"]), calls(), ends_on="2026-01-31")
    assert of(owed(named, used(d01_15=1)), "drawdown") == [("2026-01-01", "fee:2026-01-01", -100_00)]


def test_of_a_retainer_only_the_overage_is_paid_unless_it_is_named():
    hours = {
        "type": "retainer",
        "key": "hours",
        "description": "Hours",
        "price": "50.00",
        "included": 1,
        "overage_price": "10.00",
        "meter": "calls",
    }
    found = owed(terms(pack(), hours, ends_on="2026-01-31"), used(d01_15=3))
    assert [amount for _, _, amount in of(found, "drawdown")] == [-20_00]
    found = owed(terms(pack(charges=["hours"]), hours, ends_on="2026-01-31"), used(d01_15=3))
    assert [amount for _, _, amount in of(found, "drawdown")] == [-50_00, -20_00]


def test_what_is_left_lapses_or_is_given_back_at_the_contracts_end():
    facts = used(d01_15=40)
    assert of(owed(terms(pack(), calls(), ends_on="2026-01-31"), facts), "prepaid_return") == []
    contract = terms(pack(unused="return"), calls(), ends_on="2026-01-31")
    assert of(owed(contract, facts), "prepaid_return") == [("2026-02-01", "2026-01-01:return", -60_00)]
    assert of(owed(contract, facts, "2026-01-31"), "prepaid_return") == []


def test_what_is_given_back_is_the_share_of_what_was_paid():
    contract = terms(pack(price="90.00", value="120.00", unused="return"), calls(), ends_on="2026-01-31")
    (line,) = (line for line in owed(contract, used(d01_15=40)) if line.kind == "prepaid_return")
    assert line.amount == -60_00
    assert explain_text(line.explain) == "80.00 of 120.00 unused, paid at 90.00"


def test_a_purchase_used_up_gives_nothing_back():
    contract = terms(pack(unused="return"), calls(), ends_on="2026-01-31")
    assert of(owed(contract, used(d01_15=100)), "prepaid_return") == []


def test_a_purchase_that_lapses_gives_back_when_the_last_line_it_pays_for_is_billed():
    contract = terms(
        pack(lasts="1 month", unused="return"), calls(invoiced="quarter"), starts_on="2026-01-01", ends_on="2026-12-31"
    )
    facts = used(d01_15=40)
    for through in ("2026-02-01", "2026-03-31"):
        assert of(owed(contract, facts, through), "prepaid_return") == []
    assert of(owed(contract, facts), "prepaid_return") == [("2026-04-01", "2026-01-01:return", -60_00)]


def test_an_evergreen_contract_keeps_what_is_left():
    contract = terms(pack(unused="return"), calls())
    assert of(owed(contract, used(d01_15=40)), "prepaid_return") == []


def test_late_usage_takes_from_what_was_given_back():
    contract = terms(pack(unused="return"), calls(), ends_on="2026-01-31")
    before, after = owed(contract, used(d01_15=40)), owed(contract, used(d01_15=40, d01_16=25))
    assert [line.amount for line in before if line.kind != "usage"] == [100_00, -40_00, -60_00]
    assert [line.amount for line in after if line.kind != "usage"] == [100_00, -65_00, -35_00]
    assert {line.slice for line in before} == {line.slice for line in after}


def test_purchases_end_with_the_contract():
    contract = terms(pack(every="month"), calls(), ends_on="2026-03-31")
    assert [on for on, _, _ in of(lines(contract), "prepaid")] == ["2026-01-01", "2026-02-01", "2026-03-01"]


def test_interim_lines_taken_off_the_periods_usage_are_drawn_once():
    contract = terms(pack(price="1000.00"), calls(bill_over="100.00"), ends_on="2026-01-31")
    found = owed(contract, used(d01_10=120, d01_20=30))
    usage = sum(line.amount for line in found if line.kind == "usage")
    assert usage == 150_00
    assert sum(line.amount for line in found if line.kind == "drawdown") == -150_00


# -------------------------------------------------------------------------------------------------------- deposits


def deposit(**fields: Any) -> dict[str, Any]:
    return pack(key="deposit", description="Deposit", price="300.00", drawn="final", unused="return", **fields)


def test_a_deposit_is_taken_off_the_last_invoice_of_what_it_is_for():
    contract = terms(deposit(charges=["fee"]), recurring(), ends_on="2026-04-30")
    assert of(lines(contract), "drawdown", "prepaid_return") == [
        ("2026-04-01", "fee:2026-04-01", -100_00),
        ("2026-05-01", "2026-01-01:return", -200_00),
    ]


def test_whether_a_line_is_the_last_does_not_depend_on_how_far_one_looks():
    contract = terms(deposit(charges=["fee"]), recurring(), ends_on="2026-04-30")
    assert of(lines(contract, "2026-03-31"), "drawdown") == []
    assert of(lines(contract, "2026-04-01"), "drawdown") == of(lines(contract), "drawdown")


def test_a_deposit_waits_for_the_milestones_that_are_not_accepted_yet():
    contract = terms(
        deposit(charges=["build"]),
        project({"key": "a", "percent": "50", "on": "2026-02-01"}, {"key": "b", "percent": "50"}),
        ends_on="2026-06-30",
    )
    assert of(lines(contract), "drawdown", "prepaid_return") == []
    late = Facts(accepted=(Acceptance(charge="build", milestone="b", on=day("2026-09-10")),))
    assert of(owed(contract, late), "drawdown", "prepaid_return") == [("2026-09-10", "build:b", -300_00)]


def test_a_project_without_an_end_gives_the_rest_back_with_its_last_instalment():
    contract = terms(
        deposit(charges=["build"], value="800.00"),
        project({"key": "a", "percent": "50", "on": "2026-02-01"}, {"key": "b", "percent": "50", "on": "2026-03-01"}),
    )
    assert of(lines(contract), "drawdown", "prepaid_return") == [
        ("2026-03-01", "build:b", -500_00),
        ("2026-03-01", "2026-01-01:return", -112_50),
    ]


def test_a_contract_ended_early_waits_for_no_milestone():
    contract = terms(
        deposit(charges=["build"]),
        project({"key": "a", "percent": "20", "on": "2026-02-01"}, {"key": "b", "percent": "80"}),
        ends_on="2026-03-31",
        ended_by="customer",
    )
    assert of(lines(contract), "drawdown", "prepaid_return") == [
        ("2026-02-01", "build:a", -200_00),
        ("2026-04-01", "2026-01-01:return", -100_00),
    ]


def test_a_contract_without_end_never_comes_to_its_deposit():
    contract = terms(deposit(charges=["fee"]), recurring())
    assert of(lines(contract), "drawdown", "prepaid_return") == []


def test_its_lines_are_worked_out_again_from_their_explanations():
    contract = terms(
        pack(price="99.99", value="133.33", quantity=2, every="month", lasts="1 month", unused="return"),
        calls(price="0.33"),
        ends_on="2026-03-31",
    )
    found = [line for line in owed(contract, used(d01_15=101, d02_15=7, d03_15=999)) if line.kind != "usage"]
    assert {line.kind for line in found} == {"prepaid", "drawdown", "prepaid_return"}
    assert [recompute(line.explain) for line in found] == [line.amount for line in found]
    assert explain_text(found[0].explain) == "bought at 2 × 99.99"


def test_the_balance_counts_what_was_drawn_before_since():
    contract = terms(pack(), calls(), ends_on="2026-03-31")
    facts = used(d01_15=40, d02_15=50, d03_15=30)
    found = owed(contract, facts, since="2026-03-31")
    assert of(found, "drawdown") == [("2026-04-01", "calls:2026-03-01", -10_00)]
    assert {line.issue_on for line in found} == {date(2026, 4, 1)}


def test_what_a_charge_without_a_price_would_draw_is_unknown_too():
    from billing.plan import owed as all_owed

    tiers = [{"up_to": 10, "price": "1.00"}]
    contract = terms(pack(), calls(model="graduated", tiers=tiers), ends_on="2026-03-31")
    found = all_owed(contract, day("2027-01-01"), used(d01_15=5, d02_15=50))
    assert {one.charge: one.since for one in found.unknown} == {"calls": date(2026, 2, 1), "pack": date(2026, 2, 1)}
    assert of(found.lines, "drawdown") == [("2026-02-01", "calls:2026-01-01", -5_00)]


def test_a_deposit_alone_on_its_contract_is_given_back_when_nothing_draws_from_it():
    (paid, back) = lines(terms(pack(unused="return"), ends_on="2026-03-31"))
    assert (paid.amount, back.amount) == (100_00, -100_00)
    assert (back.kind, back.issue_on) == ("prepaid_return", day("2026-04-01"))
