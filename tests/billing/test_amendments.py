from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from billing.amendments import faults, fold, in_force, stamp
from billing.invoicing import DraftLine, Settled
from billing.plan import plan
from billing.service import renewals
from billing.terms import Amendment, Terms
from tests.billing.build import bill_on, day, issue, one_time, recurring, terms


def amendment(effective_on: str, key: str = "A-1", **fields: Any) -> dict[str, Any]:
    return {"key": key, "effective_on": effective_on, **fields}


def change(charge: str = "fee", **fields: Any) -> dict[str, Any]:
    return {"charge": charge, **fields}


def amended(contract: Terms, *amendments: dict[str, Any]) -> Terms:
    return msgspec.structs.replace(contract, amendments=msgspec.convert(amendments, tuple[Amendment, ...]))


def shown(contract: Terms, settled: list[Settled], today: str) -> list[tuple[str, str, str, int]]:
    """Return what a run bills as the customer reads it: text, first day, last day, amount (credits below zero)."""
    return [
        (one.shown_description, one.shown_starts.isoformat(), _last(one), draft.sign * one.amount)
        for draft in bill_on(contract, settled, today).drafts
        for one in draft.lines
    ]


def _last(one: DraftLine) -> str:
    return (one.shown_until - timedelta(days=1)).isoformat()


def amounts(contract: Terms, settled: list[Settled], today: str) -> list[int]:
    return [amount for *_, amount in shown(contract, settled, today)]


def stood(contract: Terms, known_by: date) -> Any:
    """Return the terms in force; what kind their charges are is known to the test."""
    return in_force(contract, known_by)


def total(settled: list[Settled]) -> int:
    return sum(item.amount for item in settled)


# ------------------------------------------------------------------------------------------- what is in force when


def test_terms_without_amendments_are_themselves():
    contract = terms()
    assert in_force(contract, date.min) is contract


def test_an_amendment_is_in_force_from_the_day_it_is_known():
    contract = amended(terms(), amendment("2026-03-01", known_on="2026-04-10", change=[change(price="120")]))
    assert stood(contract, day("2026-04-09")).charges == contract.charges
    (fee,) = stood(contract, day("2026-04-10")).charges
    (step,) = fee.steps
    assert (step.starts_on, step.price, step.quantity, step.amendment) == (day("2026-03-01"), 120, None, "A-1")
    assert stood(contract, day("2026-04-10")).amendments == ()


def test_an_amendment_without_a_day_of_knowledge_is_known_when_it_takes_effect():
    contract = amended(terms(), amendment("2026-03-01", change=[change(price="120")]))
    assert stood(contract, day("2026-02-28")).charges == contract.charges
    assert stood(contract, day("2026-03-01")).charges != contract.charges


def test_of_two_changes_from_one_day_the_one_known_later_wins_then_the_one_written_later():
    contract = amended(
        terms(),
        amendment("2026-03-01", "late", known_on="2026-04-01", change=[change(price="150")]),
        amendment("2026-03-01", "first", change=[change(price="120", quantity="3")]),
        amendment("2026-03-01", "second", change=[change(price="130")]),
    )
    (early,) = stood(contract, day("2026-03-01")).charges
    (later,) = stood(contract, day("2026-04-01")).charges
    assert [(step.price, step.quantity) for step in early.steps] == [(130, 3)]
    assert [(step.price, step.quantity) for step in later.steps] == [(150, 3)]


def test_a_backdated_change_holds_until_the_next_change_that_was_there_before_it():
    contract = amended(
        terms(recurring(steps=[{"starts_on": "2026-06-01", "price": "90"}])),
        amendment("2026-05-01", "A-1", change=[change(price="120")]),
        amendment("2026-04-01", "A-2", known_on="2026-05-10", change=[change(price="110")]),
    )
    (fee,) = stood(contract, day("2026-05-10")).charges
    assert [(step.starts_on.month, step.price) for step in fee.steps] == [(4, 110), (5, 120), (6, 90)]


def test_a_price_changed_on_the_day_of_a_ramp_step_leaves_the_step_s_quantity_as_signed():
    ramp = recurring(quantity="10", steps=[{"starts_on": "2026-03-01", "quantity": "8"}])
    contract = amended(terms(ramp), amendment("2026-03-01", change=[change(price="90")]))
    ((step,),) = [charge.steps for charge in stood(contract, day("2026-03-01")).charges]
    assert (step.price, step.quantity, step.amendment) == (90, 8, "")


def test_how_removed_seats_take_effect_can_be_said_for_one_change():
    contract = amended(
        terms(recurring(quantity="10")), amendment("2026-03-01", change=[change(quantity="8", seats_removed="credit")])
    )
    ((step,),) = [charge.steps for charge in stood(contract, day("2026-03-01")).charges]
    assert (step.quantity, step.seats_removed, step.amendment) == (8, "credit", "A-1")


def test_discounts_change_from_the_day_on():
    contract = amended(
        terms(recurring(discounts=[{"percent": "10"}, {"percent": "5", "ends_on": "2026-01-31"}])),
        amendment("2026-03-16", change=[change(discounts=[{"percent": "20", "ends_on": "2026-12-31"}])]),
    )
    (fee,) = stood(contract, day("2026-03-16")).charges
    assert [(one.percent, one.starts_on, one.ends_on) for one in fee.discounts] == [
        (10, None, day("2026-03-15")),
        (5, None, day("2026-01-31")),
        (20, day("2026-03-16"), day("2026-12-31")),
    ]


def test_discounts_changed_from_the_first_day_replace_those_signed():
    contract = amended(
        terms(recurring(discounts=[{"percent": "10"}])),
        amendment("2026-01-01", change=[change(discounts=[{"percent": "20", "periods": 2}])]),
    )
    (fee,) = stood(contract, day("2026-01-01")).charges
    assert [(one.percent, one.periods, one.starts_on) for one in fee.discounts] == [(20, 2, None)]


def test_payment_terms_and_purchase_order_change_on_their_day_though_known_before():
    contract = amended(
        terms(po_number="PO-1", po_budget="500"),
        amendment("2026-03-01", known_on="2026-01-15", payment_terms="net 60", po_number="PO-2"),
    )
    before, after = stood(contract, day("2026-02-28")), stood(contract, day("2026-03-01"))
    assert (before.payment_terms, before.po_number, before.po_budget) == ("net 30", "PO-1", 500)
    assert (after.payment_terms, after.po_number, after.po_budget) == ("net 60", "PO-2", None)


def test_a_change_that_sells_more_leaves_the_signed_value_unknown_unless_it_says_the_new_one():
    contract = terms(value="1200")
    more = [change(price="120")]
    assert stood(amended(contract, amendment("2026-03-01", change=more)), day("2026-03-01")).value is None
    said = amended(contract, amendment("2026-03-01", change=more, value="1400"))
    assert stood(said, day("2026-03-01")).value == 1400
    paper = amended(contract, amendment("2026-03-01", payment_terms="net 60"))
    assert stood(paper, day("2026-03-01")).value == 1200


def test_a_commitment_can_be_raised_and_ended_like_a_charge():
    contract = amended(
        terms(commitments=[{"key": "least", "amount": "1000"}]),
        amendment("2027-01-01", "A-1", change=[change("least", price="1500", description="New minimum")]),
        amendment("2028-01-01", "A-2", end=["least"]),
    )
    (least,) = stood(contract, day("2028-01-01")).commitments
    assert [(step.starts_on.year, step.price) for step in least.steps] == [(2027, 1500)]
    assert least.ends_on == day("2027-12-31")


# ---------------------------------------------------------------------------------------------- adding and ending


def test_an_added_charge_starts_on_the_amendment_s_day_unless_it_says_otherwise():
    contract = amended(
        terms(),
        amendment(
            "2026-03-16",
            add=[
                recurring(key="a"),
                recurring(key="b", starts_on="2026-04-01"),
                one_time(key="c"),
                one_time(key="d", on="2026-05-01"),
            ],
        ),
    )
    _, a, b, c, d = stood(contract, day("2026-03-16")).charges
    assert [a.starts_on, b.starts_on, c.on, d.on] == [
        day("2026-03-16"), day("2026-04-01"), day("2026-03-16"), day("2026-05-01")
    ]  # fmt: skip


def test_a_payment_schedule_that_is_added_counts_from_its_own_day():
    schedule = {
        "type": "fixed_price", "key": "project", "description": "Project", "price": "900",
        "instalments": [{"key": "start", "percent": "50", "on": "2026-04-15"},
                        {"key": "end", "percent": "50", "after": "2 months"}],
    }  # fmt: skip
    contract = amended(terms(one_time()), amendment("2026-04-15", add=[schedule]))
    settled = issue(contract, [], "2026-04-15")
    assert amounts(contract, settled, "2026-06-14") == []
    assert amounts(contract, settled, "2026-06-15") == [45000]


def test_a_fixed_price_that_is_ended_bills_nothing_that_falls_due_later():
    schedule = {
        "type": "fixed_price", "key": "project", "description": "Project", "price": "900",
        "instalments": [{"key": "start", "percent": "50", "on": "2026-01-15"},
                        {"key": "end", "percent": "50", "on": "2026-05-15"}],
    }  # fmt: skip
    contract = amended(terms(schedule), amendment("2026-05-01", end=["project"]))
    settled = issue(contract, [], "2026-01-15")
    assert total(settled) == 45000
    assert amounts(contract, settled, "2026-12-31") == []


def test_a_prepaid_package_that_is_ended_is_not_bought_again():
    package = {"type": "prepaid", "key": "pack", "description": "Package", "price": "300", "every": "month"}
    contract = amended(terms(package), amendment("2026-03-01", end=["pack"]))
    settled = issue(contract, issue(contract, issue(contract, [], "2026-01-01"), "2026-02-01"), "2026-03-01")
    assert total(settled) == 60000


def test_an_ended_charge_credits_the_days_left_and_a_replacement_bills_them():
    contract = amended(
        terms(ends_on="2026-12-31"),
        amendment(
            "2026-06-16", replace=[{"charge": "fee", "by": recurring(key="plus", description="Plus", price="300")}]
        ),
    )
    settled = issue(contract, [], "2026-06-01")
    assert shown(contract, settled, "2026-06-16") == [
        ("Credit for the unused part: Fee", "2026-06-16", "2026-06-30", -5000),
        ("Plus", "2026-06-16", "2026-06-30", 15000),
    ]


def test_an_end_that_keeps_what_is_paid_lets_the_period_run_out():
    contract = amended(terms(), amendment("2026-06-16", end=["fee"], unused="keep"))
    settled = issue(contract, [], "2026-06-01")
    assert amounts(contract, settled, "2026-06-16") == []
    assert amounts(contract, settled, "2026-12-31") == []


def test_a_charge_ended_before_it_began_is_taken_back_in_full():
    contract = amended(
        terms(recurring(), recurring(key="more", description="More", starts_on="2026-02-01"), issue_days_before=10),
        amendment("2026-02-01", known_on="2026-01-25", end=["more"]),
    )
    settled = issue(contract, [], "2026-01-22")
    assert total(settled) == 30000
    assert shown(contract, settled, "2026-01-25") == [("Credit: More", "2026-02-01", "2026-02-28", -10000)]


def test_a_charge_that_has_ended_already_is_not_prolonged_by_ending_it_later():
    contract = amended(terms(recurring(ends_on="2026-02-28"), one_time()), amendment("2026-06-01", end=["fee"]))
    assert stood(contract, day("2026-06-01")).charges[0].ends_on == day("2026-02-28")


def test_a_charge_revived_from_the_day_it_was_ended_bills_as_if_nothing_had_been():
    contract = amended(terms(ends_on="2026-12-31"), amendment("2026-06-16", "A-1", end=["fee"]))
    settled = issue(contract, issue(contract, [], "2026-06-01"), "2026-06-16")
    back = amended(
        terms(ends_on="2026-12-31"),
        amendment("2026-06-16", "A-1", end=["fee"]),
        amendment("2026-06-16", "A-2", known_on="2026-06-20", change=[change(ends_on="2026-12-31")]),
    )
    assert shown(back, settled, "2026-06-20") == [("Fee", "2026-06-16", "2026-06-30", 5000)]


# -------------------------------------------------------------------------------------------- the contract's end


def test_a_contract_is_extended_with_the_charges_that_end_with_it():
    contract = terms(
        recurring(ends_on="2026-12-31"),
        recurring(key="b"),
        recurring(key="c", ends_on="2026-06-30"),
        ends_on="2026-12-31",
    )
    longer = stood(amended(contract, amendment("2026-11-01", ends_on="2027-06-30")), day("2026-11-01"))
    assert (longer.ends_on, [charge.ends_on for charge in longer.charges]) == (
        day("2027-06-30"), [None, None, day("2026-06-30")]
    )  # fmt: skip


def test_a_termination_says_who_ended_it_and_when_it_would_have_ended():
    contract = terms(ends_on="2026-12-31", renewal={"auto": True})
    ended = stood(
        amended(contract, amendment("2026-06-16", ends_on="2026-06-30", terminates="customer")), day("2026-06-16")
    )
    assert (ended.ends_on, ended.ended_by, ended.signed_ends_on) == (day("2026-06-30"), "customer", day("2026-12-31"))
    assert ended.renewal is None
    assert ended.renewed == ()


def test_notice_to_the_end_of_the_term_stops_the_renewal_and_is_no_early_end():
    contract = terms(ends_on="2026-12-31", renewal={"auto": True})
    ended = stood(
        amended(contract, amendment("2026-10-01", ends_on="2026-12-31", terminates="customer")), day("2026-10-01")
    )
    assert (ended.ends_on, ended.ended_by, ended.signed_ends_on, ended.renewal) == (day("2026-12-31"), None, None, None)


def test_a_renewed_contract_that_is_terminated_keeps_the_renewals_it_had_and_has():
    contract = terms(ends_on="2026-12-31", renewal={"auto": True, "uplift_percent": "10"})
    ended = stood(
        amended(contract, amendment("2027-09-01", ends_on="2028-03-31", terminates="customer")), day("2027-09-01")
    )
    assert [on for on, _ in renewals(ended)] == [day("2027-01-01"), day("2028-01-01")]
    assert (ended.ends_on, ended.signed_ends_on) == (day("2028-03-31"), day("2028-12-31"))
    settled = issue(contract, [], "2027-09-01")
    assert (
        amounts(
            amended(contract, amendment("2027-09-01", ends_on="2027-12-31", terminates="customer")),
            settled,
            "2027-09-01",
        )
        == []
    )


def test_a_renewed_term_that_is_extended_is_not_renewed_in_between():
    contract = terms(ends_on="2026-12-31", renewal={"auto": True})
    longer = stood(amended(contract, amendment("2027-03-01", ends_on="2028-06-30")), day("2027-03-01"))
    days = renewals(longer)
    assert [next(days)[0] for _ in range(3)] == [day("2027-01-01"), day("2028-07-01"), day("2029-07-01")]


def test_a_termination_that_is_taken_back_renews_again():
    contract = terms(ends_on="2026-12-31", renewal={"auto": True})
    back = stood(
        amended(
            contract,
            amendment("2026-06-01", "A-1", ends_on="2026-06-30", terminates="customer"),
            amendment("2026-06-15", "A-2", ends_on="2026-12-31"),
        ),
        day("2026-06-15"),
    )
    assert back == contract


def test_a_second_termination_is_measured_against_the_term_as_signed():
    ended = stood(
        amended(
            terms(ends_on="2026-12-31"),
            amendment("2026-06-01", "A-1", ends_on="2026-06-30", terminates="customer"),
            amendment("2026-06-15", "A-2", ends_on="2026-08-31", terminates="seller"),
        ),
        day("2026-06-15"),
    )
    assert (ended.ends_on, ended.ended_by, ended.signed_ends_on) == (day("2026-08-31"), "seller", day("2026-12-31"))


def test_new_terms_of_renewal_leave_the_renewals_of_the_past_as_they_were():
    contract = terms(ends_on="2026-12-31", renewal={"auto": True, "uplift_percent": "10"})
    changed = amended(
        contract, amendment("2028-06-01", renewal={"auto": True, "uplift_percent": "2", "term": "2 years"})
    )
    found = renewals(stood(changed, day("2028-06-01")))
    assert [(on.isoformat(), int(by.uplift_percent)) for on, by in (next(found) for _ in range(4))] == [
        ("2027-01-01", 10),
        ("2028-01-01", 10),
        ("2029-01-01", 2),
        ("2031-01-01", 2),
    ]
    settled = issue(contract, [], "2028-06-01")
    assert amounts(changed, settled, "2028-06-01") == []


def test_a_contract_without_end_can_be_ended():
    ended = stood(
        amended(terms(), amendment("2026-06-01", ends_on="2026-06-30", terminates="customer")), day("2026-06-01")
    )
    assert (ended.ends_on, ended.ended_by, ended.signed_ends_on) == (day("2026-06-30"), "customer", None)


def test_a_termination_credits_the_days_that_were_paid_ahead():
    contract = amended(terms(), amendment("2026-06-11", ends_on="2026-06-20", terminates="customer"))
    settled = issue(contract, [], "2026-06-01")
    assert shown(contract, settled, "2026-06-11") == [
        ("Credit for the unused part: Fee", "2026-06-21", "2026-06-30", -3333)
    ]


def test_a_termination_that_keeps_what_is_paid_lets_each_advance_period_run_out_and_ends_the_rest():
    contract = amended(
        terms(
            recurring(),
            recurring(key="year", every="year", price="1200"),
            recurring(key="after", timing="arrears", price="31"),
            ends_on="2027-12-31",
        ),
        amendment("2026-06-11", ends_on="2026-06-20", terminates="customer", unused="keep"),
    )
    settled = issue(contract, [], "2026-06-01")
    ended = stood(contract, day("2026-06-11"))
    assert ended.ends_on == day("2026-12-31")
    assert [charge.ends_on for charge in ended.charges] == [day("2026-06-30"), day("2026-12-31"), day("2026-06-20")]
    assert amounts(contract, settled, "2026-06-30") == [2067]  # 20 of 30 days in arrears, and nothing back
    assert (ended.ended_by, ended.signed_ends_on) == ("customer", day("2027-12-31"))


def test_a_kept_termination_that_is_taken_back_leaves_no_trace():
    contract = terms(ends_on="2027-12-31")
    back = amended(
        contract,
        amendment("2026-06-01", "A-1", ends_on="2026-06-20", terminates="customer", unused="keep"),
        amendment("2026-06-10", "A-2", ends_on="2027-12-31"),
    )
    assert stood(back, day("2026-06-10")) == contract


# ------------------------------------------------------------------------------------------ worked examples


def test_B13_two_changes_in_a_month_chain():
    contract = amended(
        terms(recurring(price="599.95"), starts_on="2012-05-01"),
        amendment("2012-05-07", "A-1", change=[change(price="9.95")]),
        amendment("2012-05-08", "A-2", change=[change(price="29.95")]),
    )
    settled = issue(contract, [], "2012-05-01")
    assert sorted(amounts(contract, settled, "2012-05-07")) == [-48383, 802]
    settled = issue(contract, settled, "2012-05-07")
    assert sorted(amounts(contract, settled, "2012-05-08")) == [-770, 2319]
    settled = issue(contract, settled, "2012-05-08")
    assert amounts(contract, settled, "2012-06-01") == [2995]


def test_B18_a_free_month_half_turned_into_a_paid_one_rounds_the_half_cent_up():
    contract = amended(
        terms(recurring(price="0"), starts_on="2017-01-01"), amendment("2017-02-15", change=[change(price="29.95")])
    )
    settled = issue(contract, issue(contract, [], "2017-01-01"), "2017-02-01")
    assert amounts(contract, settled, "2017-02-15") == [1498]
    assert amounts(contract, issue(contract, settled, "2017-02-15"), "2017-03-01") == [2995]


def test_B23_a_charge_in_arrears_added_mid_period_bills_nothing_now():
    contract = amended(
        terms(recurring(price="39"), starts_on="2024-01-01"),
        amendment("2024-01-16", add=[recurring(key="extra", price="30", timing="arrears")]),
    )
    settled = issue(contract, [], "2024-01-01")
    assert amounts(contract, settled, "2024-01-16") == []
    assert sorted(amounts(contract, settled, "2024-02-01")) == [1548, 3900]


def test_B24_a_one_time_fee_is_billed_once_whatever_is_edited():
    contract = amended(
        terms(recurring(price="39"), one_time(price="100", on="2024-01-31"), starts_on="2024-01-01"),
        amendment("2024-02-05", change=[change(price="39"), change("setup", description="Onboarding")]),
    )
    settled: list[Settled] = []
    for today in ("2024-01-01", "2024-01-31", "2024-02-01", "2024-02-05", "2024-02-29"):
        settled = issue(contract, settled, today)
    assert total(settled) == 3900 + 10000 + 3900


@pytest.mark.parametrize(
    ("start", "every", "on", "old", "new", "credit", "debit"),
    [
        ("2025-06-01", "month", "2025-06-16", "100", "300", 5000, 15000),  # B27a
        ("2025-06-01", "month", "2025-06-11", "100", "300", 6667, 20000),  # B27b
        ("2024-02-18", "month", "2024-02-25", "100", "300", 7586, 22759),  # B27c
        ("2024-02-18", "year", "2024-09-05", "1000", "3000", 45355, 136066),  # B27e
        ("2023-02-18", "year", "2023-09-05", "1000", "3000", 45479, 136438),  # B27f
    ],
)
@pytest.mark.parametrize("how", ["change", "replace"])
def test_B27_an_upgrade_credits_and_charges_the_days_left(start, every, on, old, new, credit, debit, how):
    changed = (
        {"change": [change(price=new)]}
        if how == "change"
        else {"replace": [{"charge": "fee", "by": recurring(key="new", price=new, every=every)}]}
    )
    contract = amended(terms(recurring(price=old, every=every), starts_on=start), amendment(on, **changed))
    settled = issue(contract, [], start)
    assert sorted(amounts(contract, settled, on)) == [-credit, debit]


def test_B28_a_switch_of_the_interval_begins_a_new_period_on_its_day():
    year = recurring(key="yearly", price="1000", every="year")
    contract = amended(terms(starts_on="2025-06-01"), amendment("2025-06-16", replace=[{"charge": "fee", "by": year}]))
    settled = issue(contract, [], "2025-06-01")
    assert sorted(shown(contract, settled, "2025-06-16")) == [
        ("Credit for the unused part: Fee", "2025-06-16", "2025-06-30", -5000),
        ("Fee", "2025-06-16", "2026-06-15", 100000),
    ]
    month = recurring(key="monthly", price="100")
    contract = amended(
        terms(recurring(price="1000", every="year"), starts_on="2025-06-01"),
        amendment("2025-08-13", replace=[{"charge": "fee", "by": month}]),
    )
    settled = issue(contract, [], "2025-06-01")
    assert sorted(shown(contract, settled, "2025-08-13")) == [
        ("Credit for the unused part: Fee", "2025-08-13", "2026-05-31", -80000),
        ("Fee", "2025-08-13", "2025-09-12", 10000),
    ]


def test_a_switch_of_the_interval_on_a_period_s_first_day_keeps_the_anchor():
    contract = amended(
        terms(starts_on="2026-01-31"),
        amendment("2026-04-30", replace=[{"charge": "fee", "by": recurring(key="q", every="quarter")}]),
    )
    fee = stood(contract, day("2026-04-30"))
    assert [line.starts.isoformat() for line in plan(fee, day("2026-10-31")) if line.charge == "q"] == [
        "2026-04-30",
        "2026-07-31",
        "2026-10-31",
    ]


@pytest.mark.parametrize(
    ("contract", "made", "expected"),
    [
        (terms(recurring(price="10"), starts_on="2024-03-01"), {"change": [change(price="20")]}, [-548, 1097]),
        (
            terms(recurring(price="50", quantity="2"), starts_on="2024-03-01"),
            {"replace": [{"charge": "fee", "by": recurring(key="new", price="30")}]},
            [-5484, 1645],
        ),
        (
            terms(recurring(price="10", quantity="5"), starts_on="2024-03-01"),
            {"change": [change(quantity="10")]},
            [2742],
        ),
        (terms(starts_on="2024-03-01"), {"add": [recurring(key="new", price="25")]}, [1371]),
        (
            terms(recurring(), recurring(key="b", price="40"), starts_on="2024-03-01"),
            {"end": ["b"]},
            [-2194],
        ),
    ],
)
def test_B30_each_kind_of_change_bills_17_of_31_days(contract, made, expected):
    contract = amended(contract, amendment("2024-03-15", **made))
    settled = issue(contract, [], "2024-03-01")
    assert sorted(amounts(contract, settled, "2024-03-15")) == expected


def test_C20_a_price_rise_noticed_late_is_one_line_per_period_and_leaves_what_was_issued():
    contract = amended(
        terms(ends_on="2026-12-31"),
        amendment("2026-02-01", known_on="2026-05-10", change=[change(price="110")]),
    )
    settled: list[Settled] = []
    for month in range(1, 6):
        settled = issue(contract, settled, f"2026-{month:02}-01")
    assert shown(contract, settled, "2026-05-10") == [
        ("Correction: Fee", f"2026-{month:02}-01", last, 1000)
        for month, last in ((2, "2026-02-28"), (3, "2026-03-31"), (4, "2026-04-30"), (5, "2026-05-31"))
    ]


@pytest.mark.parametrize(
    "made",
    [
        {"change": [change(price="120")]},
        {"change": [change(quantity="3")]},
        {"change": [change(discounts=[{"percent": "50"}])]},
    ],
)
def test_a_change_that_is_undone_bills_nothing_in_the_end(made):
    there = amendment("2026-03-10", "there", **made)
    back: dict[str, Any] = {"price": "100", "quantity": "2", "discounts": []}
    undone = amendment(
        "2026-03-10", "back", known_on="2026-03-20",
        change=[change(**{name: back[name] for name in made["change"][0] if name != "charge"})],
    )  # fmt: skip
    contract = amended(terms(recurring(quantity="2")), there, undone)
    settled = issue(contract, [], "2026-03-01")
    before = total(settled)
    settled = issue(contract, settled, "2026-03-10")
    assert total(settled) != before
    settled = issue(contract, settled, "2026-03-20")
    assert total(settled) == before
    assert amounts(contract, settled, "2026-03-31") == []


def test_an_amendment_taken_back_before_anything_was_billed_for_it_leaves_the_plan_as_signed():
    contract = amended(
        terms(),
        amendment("2026-03-10", "there", change=[change(price="120")]),
        amendment("2026-03-10", "back", known_on="2026-03-10", change=[change(price="100")]),
    )
    signed_lines = plan(terms(), day("2026-12-31"))
    assert [
        (one.slice, one.until, one.amount) for one in plan(stood(contract, day("2026-03-10")), day("2026-12-31"))
    ] == [(one.slice, one.until, one.amount) for one in signed_lines]


# ------------------------------------------------------------------------------------------------- stamps


def test_a_line_names_the_latest_amendment_that_touched_it_and_is_called_as_then():
    contract = amended(
        terms(),
        amendment("2026-02-15", "A-1", change=[change(price="120", description="Fee Plus")]),
        amendment("2026-04-01", "A-2", ends_on="2026-04-15"),
    )
    folded = fold(contract, day("2026-04-01"))
    lines = stamp(plan(folded.terms, day("2026-12-31")), folded.touches)
    assert [(line.starts.isoformat(), line.description, line.amendment) for line in lines] == [
        ("2026-01-01", "Fee", ""),
        ("2026-02-01", "Fee", ""),
        ("2026-02-15", "Fee Plus", "A-1"),
        ("2026-03-01", "Fee Plus", "A-1"),
        ("2026-04-01", "Fee Plus", "A-2"),
    ]


def test_drafted_lines_carry_their_amendment():
    contract = amended(terms(), amendment("2026-01-11", change=[change(price="120")]))
    settled = issue(contract, [], "2026-01-01")
    assert {item.line.amendment for item in settled if item.line} == {""}
    (draft,) = bill_on(contract, settled, "2026-01-11").drafts
    assert {(one.line.starts.day, one.line.amendment) for one in draft.lines} == {(1, ""), (11, "A-1")}


def test_a_run_with_an_earlier_date_takes_back_nothing_that_an_amendment_billed():
    contract = amended(terms(), amendment("2026-01-11", change=[change(price="120")]))
    settled = issue(contract, issue(contract, [], "2026-01-01"), "2026-01-11")
    assert bill_on(contract, settled, "2026-01-05").drafts == ()
    assert bill_on(contract, issue(contract, [], "2026-01-01"), "2026-01-05").drafts == ()


# ------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("made", "path", "message"),
    [
        ({"change": [change("seats", price="1")]}, "change[0].charge", "the contract has no charge 'seats' then"),
        ({"end": ["seats"]}, "end[0]", "the contract has no charge 'seats' then"),
        ({"replace": [{"charge": "seats", "by": recurring(key="x")}]}, "replace[0].charge", "no charge 'seats' then"),
        ({"replace": [{"charge": "fee", "by": recurring()}]}, "replace[0].by.key", "has a charge 'fee' already"),
        ({"add": [one_time()]}, "add[0].key", "has a charge 'setup' already"),
        (
            {"change": [change("setup", price="1")]},
            "change[0].price",
            "owed on 2026-01-01, so a change from a later day",
        ),
        ({"change": [change("setup", ends_on="2026-12-31")]}, "change[0].ends_on", "owed once and has no last day"),
        ({"end": ["setup"]}, "end[0]", "is owed on 2026-01-01, before it is ended"),
        ({"change": [change("calls", quantity="1")]}, "change[0].quantity", "has no agreed quantity"),
        ({"change": [change("calls", price="1")]}, "change[0].price", "has no single price to change"),
        ({"change": [change("least", discounts=[])]}, "change[0].discounts", "has no discounts"),
        ({"ends_on": "2025-12-31"}, "ends_on", "lies before the contract's first day"),
    ],
)
def test_what_cannot_be_worked_in_is_named_with_its_path(made, path, message):
    contract = amended(
        terms(
            recurring(),
            one_time(),
            {"type": "usage", "key": "calls", "description": "Calls", "model": "graduated", "tiers": [{"price": "1"}]},
            commitments=[{"key": "least", "amount": "100"}],
        ),
        amendment("2026-03-01", **made),
    )
    (fault,) = faults(contract)
    assert fault.path == f"amendments[0].{path}"
    assert fault.message.startswith("amendment 'A-1', effective 2026-03-01: ")
    assert message in fault.message
    assert fault.remedy
    with pytest.raises(ValueError, match="amendment 'A-1'") as caught:
        stood(contract, day("2026-03-01"))
    assert str(caught.value) == fault.message
    assert stood(contract, day("2026-02-28")).charges == contract.charges


def test_a_charge_can_be_changed_only_once_it_is_known_to_have_been_added():
    contract = amended(
        terms(),
        amendment("2026-03-01", "add", known_on="2026-03-20", add=[recurring(key="more")]),
        amendment("2026-03-05", "change", change=[change("more", price="1")]),
    )
    assert [fault.path for fault in faults(contract)] == ["amendments[1].change[0].charge"]
    assert stood(contract, day("2026-03-20")).charges[1].steps


def test_sound_amendments_have_no_faults_and_a_doubled_key_is_one():
    sound = amended(terms(), amendment("2026-03-01", "a", change=[change(price="1")]))
    assert faults(sound) == []
    doubled = amended(terms(), amendment("2026-03-01"), amendment("2026-04-01"))
    assert [fault.path for fault in faults(doubled)] == ["amendments[0].key", "amendments[1].key"]
