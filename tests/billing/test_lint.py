"""Contradictions that can be read but are not meant."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.facts import NO_FACTS, Acceptance, Facts
from billing.lint import lint
from billing.terms import Terms

YEAR = {"ends_on": "2026-12-31"}
TWO_TIERS = [{"up_to": 10, "price": 5}, {"price": 5}]
CPI = Facts(indices={"CPI": ((date(2025, 12, 1), Decimal(100)),)})


def recurring(**fields: Any) -> dict[str, Any]:
    return {"type": "recurring", "key": "fee", "description": "Fee", "price": 100, **fields}


def usage(**fields: Any) -> dict[str, Any]:
    return {"type": "usage", "key": "calls", "description": "Calls", "price": 1, **fields}


def volume(*tiers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return usage(model="volume", tiers=tiers, **fields)


def fixed(*instalments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    parts = [{"key": f"p{index}", **one} for index, one in enumerate(instalments)]
    return {
        "type": "fixed_price", "key": "build", "description": "Build", "price": 1000, "instalments": parts, **fields
    }  # fmt: skip


def retainer(**fields: Any) -> dict[str, Any]:
    given = {"type": "retainer", "key": "hours", "description": "Hours", "price": 100, "included": 5}
    return {**given, "overage_price": 30, **fields}


def prepaid(**fields: Any) -> dict[str, Any]:
    return {"type": "prepaid", "key": "credits", "description": "Credits", "price": 500, **fields}


def amended(**fields: Any) -> dict[str, Any]:
    return {"amendments": [{"key": "a1", "effective_on": "2026-06-01", **fields}], **YEAR}


def terms(*charges: dict[str, Any], **fields: Any) -> Terms:
    given = {"contract": "C-1", "customer": "Acme Ltd", "currency": "USD", "starts_on": "2026-01-01"}
    return msgspec.convert({**given, "charges": charges or (recurring(),), **fields}, Terms)


def found(contract: Terms, facts: Facts = NO_FACTS) -> list[tuple[str, str]]:
    return [(note.code, note.path) for note in lint(contract, facts)]


@pytest.mark.parametrize(
    "contract",
    [
        terms(),
        terms(**YEAR),
        terms(recurring(steps=[{"starts_on": "2026-07-01", "price": 120}]), **YEAR),
        terms(
            recurring(
                steps=[
                    {"starts_on": "2026-04-01", "ends_on": "2026-06-30", "price": 120},
                    {"starts_on": "2026-07-01", "ends_on": "2026-12-31", "price": 130},
                ]
            ),
            **YEAR,
        ),
        terms(recurring(ends_on="2026-06-30"), recurring(key="next", starts_on="2026-07-01"), **YEAR),
        terms(recurring(ends_on="2026-12-31"), **YEAR),
        terms(volume(*TWO_TIERS)),
        terms(volume({"up_to": 10, "price": 5}, {"price": "4.6"})),  # 11 cost 50.60, 10 cost 50.00
        terms(usage(model="graduated", tiers=[{"up_to": 10, "price": 5}, {"price": 1}])),
        terms(fixed({"percent": 40, "on": "2026-02-01"}, {"amount": 600})),
        terms(fixed({"percent": "33.3", "on": "2026-02-01"}, {"percent": "66.7"})),
        terms(usage(), commitments=[{"key": "least", "amount": 5000}], **YEAR),
        terms(renewal={"auto": True, "notice_days": 60}, **YEAR),
        terms(fixed({"percent": 100, "on": "2026-03-01"}), holdback={"percent": 10}),
        terms(usage(), prepaid()),
        terms(recurring(discounts=[{"percent": 100, "periods": 1}])),
        terms(recurring(escalates=False), escalator={"percent": 3}),
        terms(**amended(change=[{"charge": "fee", "price": 110}])),
        terms(**amended(ends_on="2027-06-30")),
        terms(**amended(ends_on="2026-07-31", terminates="customer")),
        terms(**amended(replace=[{"charge": "fee", "by": recurring(key="fee2")}])),
    ],
)
def test_sound_terms_are_left_in_peace(contract: Terms) -> None:
    assert found(contract) == []


@pytest.mark.parametrize(
    ("contract", "code", "path"),
    [
        # end before start, and what lies outside the term
        (terms(recurring(starts_on="2026-05-01", ends_on="2026-04-30")), "ends_before_start", "charges[0].ends_on"),
        (terms(recurring(starts_on="2027-01-01"), **YEAR), "charge_without_service", "charges[0]"),
        (terms(recurring(ends_on="2027-01-31"), **YEAR), "charge_outlives_contract", "charges[0].ends_on"),
        (terms(trial_ends_on="2026-12-31", **YEAR), "trial_outlives_contract", "trial_ends_on"),
        (terms(billed_through="2026-12-31", **YEAR), "billed_through_the_end", "billed_through"),
        (terms({**recurring(), "type": "one_time", "on": "2027-01-01"}, **YEAR), "one_time_after_end", "charges[0].on"),
        (terms(recurring(ends_on="2026-06-30"), **YEAR), "unbilled_tail", "charges[0].ends_on"),
        (terms(recurring(ends_on="2026-06-30")), "unbilled_tail", "charges[0].ends_on"),
        (
            terms(recurring(ends_on="2026-06-30"), recurring(key="late", starts_on="2026-07-02"), **YEAR),
            "unbilled_tail",
            "charges[0].ends_on",
        ),
        (
            terms(ends_on="2026-12-15", proration="none"),
            "cut_period_billed_in_full",
            "charges[0].proration",
        ),
        # ramps
        (
            terms(recurring(steps=[{"starts_on": "2026-03-01", "ends_on": "2026-02-01", "price": 1}])),
            "ends_before_start",
            "charges[0].steps[0].ends_on",
        ),
        (
            terms(
                recurring(
                    steps=[
                        {"starts_on": "2026-06-30", "price": 130},
                        {"starts_on": "2026-03-01", "ends_on": "2026-06-30", "price": 120},
                    ]
                )
            ),
            "ramp_overlap",
            "charges[0].steps[0].starts_on",
        ),
        (
            terms(
                recurring(steps=[{"starts_on": "2026-03-01", "price": 120}, {"starts_on": "2026-03-01", "price": 1}])
            ),
            "ramp_overlap",
            "charges[0].steps[1].starts_on",
        ),
        (
            terms(
                recurring(
                    steps=[
                        {"starts_on": "2026-03-01", "ends_on": "2026-06-29", "price": 120},
                        {"starts_on": "2026-07-01", "price": 130},
                    ]
                )
            ),
            "ramp_gap",
            "charges[0].steps[1].starts_on",
        ),
        (
            terms(recurring(steps=[{"starts_on": "2026-03-01", "ends_on": "2026-12-30", "price": 120}]), **YEAR),
            "ramp_gap",
            "charges[0].steps[0].ends_on",
        ),
        (terms(recurring(steps=[{"starts_on": "2026-03-01"}])), "step_empty", "charges[0].steps[0]"),
        (
            terms(recurring(steps=[{"starts_on": "2027-01-01", "price": 2}]), **YEAR),
            "step_after_end",
            "charges[0].steps[0].starts_on",
        ),
        (
            terms(
                recurring(
                    steps=[
                        {"starts_on": "2025-01-01", "ends_on": "2025-12-31", "price": 2},
                        {"starts_on": "2026-01-01", "price": 3},
                    ]
                )
            ),
            "step_before_start",
            "charges[0].steps[0]",
        ),
        # brackets
        (terms(volume({"up_to": 10, "price": 5}, {"price": "4.5"})), "tier_cliff", "charges[0].tiers[1]"),
        (
            terms(volume({"up_to": 10, "price": 5, "flat": 100}, {"price": 5})),
            "tier_cliff",
            "charges[0].tiers[1]",
        ),
        (
            terms(recurring(tiers=[{"up_to": 10, "price": 5}, {"price": 3}], tier_mode="volume")),
            "tier_cliff",
            "charges[0].tiers[1]",
        ),
        (
            terms(usage(model="graduated", tiers=[{"up_to": 10, "price": 5}, {"price": -1}])),
            "tier_cliff",
            "charges[0].tiers[1]",
        ),
        (terms(volume({"up_to": 10, "price": 5})), "tier_bounded", "charges[0].tiers[0].up_to"),
        (terms(volume({"price": 5}, {"price": 4})), "tier_unbounded", "charges[0].tiers[0]"),
        (
            terms(volume({"up_to": 10, "price": 5}, {"up_to": 10, "price": 5}, {"price": 5})),
            "tier_order",
            "charges[0].tiers[1].up_to",
        ),
        (
            terms(volume({"up_to": 10, "price": 5}, {"up_to": 9, "price": 5}, {"price": 5})),
            "tier_order",
            "charges[0].tiers[1].up_to",
        ),
        (terms(volume({"up_to": 0, "price": 5}, {"price": 5})), "tier_order", "charges[0].tiers[0].up_to"),
        (terms(volume()), "tiers_missing", "charges[0].tiers"),
        (terms(usage(tiers=TWO_TIERS)), "tiers_unused", "charges[0].model"),
        # prices
        (terms(usage(price=0)), "price_missing", "charges[0].price"),
        (terms(usage(model="percentage")), "percent_missing", "charges[0].percent"),
        (terms(usage(model="package")), "package_size_missing", "charges[0].package_size"),
        (terms(usage(per=0)), "per_zero", "charges[0].per"),
        (terms(usage(prices={"eu": 2})), "dimension_missing", "charges[0].dimension"),
        (
            terms(usage(model="percentage", percent=1, least_each=3, most_each=2)),
            "bounds_crossed",
            "charges[0].least_each",
        ),
        (terms(usage(minimum=100, cap=99)), "minimum_above_cap", "charges[0].minimum"),
        (terms(usage(minimum=99, free_units=100)), "minimum_below_included", "charges[0].minimum"),
        (
            terms(volume({"flat": 50, "price": 1}, charge_flat_at_zero=True, minimum=50)),
            "minimum_below_included",
            "charges[0].minimum",
        ),
        (terms(usage(every="month", resets="1 week")), "interval_misfit", "charges[0].resets"),
        (terms(usage(every="quarter", invoiced="month")), "interval_misfit", "charges[0].invoiced"),
        (terms(recurring(quantity=0)), "quantity_zero", "charges[0].quantity"),
        (terms(retainer(included=0)), "retainer_without_units", "charges[0].included"),
        # parts of a total
        (
            terms(fixed({"percent": 50, "on": "2026-02-01"}, {"percent": 49})),
            "instalments_total",
            "charges[0].instalments",
        ),
        (terms(fixed({"amount": "999.99", "on": "2026-02-01"})), "instalments_total", "charges[0].instalments"),
        (terms(fixed({"percent": 100})), "instalments_without_day", "charges[0].instalments"),
        (
            terms(fixed({"percent": 50, "on": "2026-02-01"}, {"key": "p0", "percent": 50})),
            "instalment_key",
            "charges[0].instalments",
        ),
        # discounts
        (
            terms(recurring(discounts=[{"percent": 5, "starts_on": "2026-03-01", "ends_on": "2026-02-28"}])),
            "ends_before_start",
            "charges[0].discounts[0].ends_on",
        ),
        (
            terms(discounts=[{"percent": 5, "starts_on": "2027-01-01"}], **YEAR),
            "discount_never_applies",
            "discounts[0]",
        ),
        (
            terms(recurring(discounts=[{"percent": 5, "ends_on": "2025-12-31"}])),
            "discount_never_applies",
            "charges[0].discounts[0]",
        ),
        (terms(recurring(discounts=[{"amount": 0}])), "discount_never_applies", "charges[0].discounts[0]"),
        # escalators and renewals
        (terms(escalator={}), "escalator_empty", "escalator"),
        (terms(escalator={"index": "CPI"}), "index_unknown", "escalator.index"),
        (terms(escalator={"percent": 3, "floor": 4, "cap": 2}), "escalator_bounds", "escalator.floor"),
        (terms(escalator={"percent": 3}, **YEAR), "escalator_never_rises", "escalator"),
        (
            terms(recurring(escalator={"percent": 3, "first_on": "2025-06-01"})),
            "escalator_before_start",
            "charges[0].escalator",
        ),
        (terms(renewal={"auto": True}, **YEAR), "renewal_without_notice", "renewal.notice_days"),
        (terms(renewal={}), "renewal_without_end", "renewal"),
        (
            terms(renewal={"auto": True, "notice_days": 30, "price_basis": "list"}, **YEAR),
            "list_price_missing",
            "charges[0].list_price",
        ),
        (terms(termination_fee={"percent": 50}), "termination_fee_without_end", "termination_fee.percent"),
        # commitments and what names charges
        (
            terms(usage(), commitments=[{"key": "m", "amount": 9, "charges": ["calls", "cals"]}], **YEAR),
            "unknown_charge",
            "commitments[0].charges[1]",
        ),
        (
            terms(commitments=[{"key": "m", "amount": 1200}], **YEAR),
            "commitment_below_base",
            "commitments[0].amount",
        ),
        (
            terms(usage(), commitments=[{"key": "m", "amount": 9}], ends_on="2027-03-31"),
            "commitment_cut",
            "commitments[0].every",
        ),
        (
            terms(usage(), commitments=[{"key": "m", "amount": 9, "starts_on": "2026-02-01", "ends_on": "2026-01-01"}]),
            "ends_before_start",
            "commitments[0].ends_on",
        ),
        (
            terms(usage(), commitments=[{"key": "m", "amount": 9, "ends_on": "2027-12-31"}], **YEAR),
            "commitment_outlives_contract",
            "commitments[0].ends_on",
        ),
        (terms(holdback={"percent": 10}), "holdback_without_charge", "holdback.charges"),
        (terms(holdback={"percent": 10, "charges": ["x"]}), "unknown_charge", "holdback.charges[0]"),
        (terms(recurring(), prepaid()), "prepaid_without_charge", "charges[1].charges"),
        (terms(recurring(), prepaid(charges=["x"])), "unknown_charge", "charges[1].charges[0]"),
        # currencies
        (terms(currency="EUX"), "currency_unknown", "currency"),
        (terms(po_number="PO 7, up to EUR 5000"), "currency_mismatch", "po_number"),
        (terms(recurring(description="Licence, 500 EUR")), "currency_mismatch", "charges[0].description"),
        # amendments
        (terms(**amended()), "amendment_empty", "amendments[0]"),
        (
            terms(**amended(effective_on="2025-12-31", payment_terms="net 10")),
            "amendment_outside_contract",
            "amendments[0].effective_on",
        ),
        (terms(**amended(ends_on="2026-03-31")), "ends_before_start", "amendments[0].ends_on"),
        (
            terms(**amended(renewal={"auto": True})),
            "renewal_without_notice",
            "amendments[0].renewal.notice_days",
        ),
        (
            terms(**amended(add=[volume({"up_to": 10, "price": 5}, {"price": 1})])),
            "tier_cliff",
            "amendments[0].add[0].tiers[1]",
        ),
        (
            terms(**amended(replace=[{"charge": "fee", "by": recurring(key="b", ends_on="2027-05-01")}])),
            "charge_outlives_contract",
            "amendments[0].replace[0].by.ends_on",
        ),
    ],
)
def test_a_contradiction_is_named_with_its_path(contract: Terms, code: str, path: str) -> None:
    assert (code, path) in found(contract)
    assert len(found(contract)) == 1


def test_each_note_says_what_to_do_about_it() -> None:
    (note,) = lint(terms(volume({"up_to": 10, "price": 5}, {"price": "4.5"}), currency="EUR"))
    assert note.message == (
        "11 cost 49.50 EUR, less than 10 cost (50.00 EUR): "
        "raise the next bracket's price, or price by graduated brackets"
    )
    (note,) = lint(terms(recurring(ends_on="2026-06-30"), **YEAR))
    assert note.message == (
        "charge 'fee' ends on 30 Jun 2026, the contract runs to 31 Dec 2026, and nothing takes its place: "
        "extend it, or add what follows"
    )


def test_a_cliff_is_looked_for_in_the_units_that_quantities_have() -> None:
    tiers = ({"up_to": 10, "price": 5}, {"price": "4.8"})  # 11 cost 52.80, but 10.1 cost 48.48
    assert found(terms(volume(*tiers))) == []
    assert found(terms(volume(*tiers, quantity_decimals=1))) == [("tier_cliff", "charges[0].tiers[1]")]


def test_a_cliff_is_the_same_for_prices_per_thousand() -> None:
    tiers = ({"up_to": 10000, "price": 5}, {"price": 4})
    (note,) = lint(terms(volume(*tiers, per=1000)))
    assert note.message.startswith("10001 cost 40.00 USD, less than 10000 cost (50.00 USD)")


def test_an_index_that_has_values_is_known() -> None:
    assert found(terms(escalator={"index": "CPI"}), CPI) == []


def test_an_index_needs_a_value_by_the_first_day_or_a_base() -> None:
    late = Facts(indices={"CPI": ((date(2026, 2, 1), Decimal(100)),)})
    assert found(terms(escalator={"index": "CPI"}), late) == [("index_base_missing", "escalator.base_index")]
    assert found(terms(escalator={"index": "CPI", "base_index": 99}), late) == []


def test_an_acceptance_of_what_the_contract_does_not_have_is_told() -> None:
    build = terms(fixed({"percent": 100}))
    accepted = Facts(accepted=(Acceptance(charge="build", milestone="p0", on=date(2026, 3, 1)),))
    assert found(build, accepted) == []
    strange = Facts(accepted=(*accepted.accepted, Acceptance(charge="build", milestone="pX", on=date(2026, 3, 1))))
    assert found(build, strange) == [("unknown_milestone", "charges")]


def test_the_release_of_a_holdback_is_no_strange_acceptance() -> None:
    contract = terms(fixed({"percent": 100, "on": "2026-02-01"}), holdback={"percent": 10})
    assert found(contract, Facts(accepted=(Acceptance(charge="holdback", on=date(2026, 9, 1)),))) == []


def test_an_extension_moves_the_end_that_charges_are_held_against() -> None:
    contract = terms(recurring(ends_on="2027-06-30"), **amended(ends_on="2027-06-30"))
    assert found(contract) == []


def test_removed_seats_that_wait_for_the_renewal_are_told_with_the_day() -> None:
    fewer = amended(change=[{"charge": "fee", "quantity": 3}])
    (note,) = lint(terms(recurring(quantity=5), **fewer))
    assert (note.code, note.path) == ("seats_wait_for_renewal", "amendments[0].change[0].quantity")
    assert "3 of 5 units of 'fee', and those removed go on costing to the end, for no renewal follows" in note.message
    (note,) = lint(terms(recurring(quantity=5), **fewer, renewal={"auto": True, "notice_days": 30}))
    assert "until 31 Dec 2026" in note.message


@pytest.mark.parametrize("how", ["credit", "next_period", "high_water"])
def test_removed_seats_that_stop_costing_by_the_next_period_need_no_word(how: str) -> None:
    fewer = amended(change=[{"charge": "fee", "quantity": 3, "seats_removed": how}], effective_on="2026-06-11")
    assert found(terms(recurring(quantity=5), **fewer)) == []
    assert found(terms(recurring(quantity=5), **amended(change=[{"charge": "fee", "quantity": 9}]))) == []


def test_without_an_end_there_is_no_renewal_that_removed_seats_could_wait_for() -> None:
    fewer = {**amended(change=[{"charge": "fee", "quantity": 3}]), "ends_on": None}
    assert found(terms(recurring(quantity=5), **fewer)) == []


def test_a_charge_that_an_amendment_ends_leaves_no_tail() -> None:
    contract = terms(recurring(), recurring(key="more", ends_on="2026-05-31"), **amended(end=["more"]))
    assert found(contract) == []


def test_a_commitment_that_recurring_charges_reach_by_another_interval_is_found() -> None:
    charges = (recurring(price=1200, every="quarter", price_per="year"), retainer(price=50, every="half_year"))
    assert found(terms(*charges, commitments=[{"key": "m", "amount": 1301}], **YEAR)) == []
    assert found(terms(*charges, commitments=[{"key": "m", "amount": 1300}], **YEAR)) == [
        ("commitment_below_base", "commitments[0].amount")
    ]
