from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.amendments import in_force
from billing.explain import RULES, explain_text, price_text, recompute
from billing.facts import Facts, Overdue, UsageRecord
from billing.plan import Explanation, Line, plan
from tests.billing.build import lines, one_time, recurring, terms


@pytest.mark.parametrize(
    ("charge", "fields", "words"),
    [
        (
            recurring(every="2 months", price="1200"),
            {"starts_on": "2026-03-15", "anchor_day": 15, "ends_on": "2026-04-14"},
            "31 of 61 days from 15 Mar 2026 at 1,200.00",
        ),
        (recurring(), {}, "1 month from 1 Jan 2026 at 100.00"),
        (recurring(every="half_year", quantity=12), {}, "1 half year from 1 Jan 2026 at 12 × 100.00"),
        (recurring(every="2 weeks"), {}, "2 weeks from 1 Jan 2026 at 100.00"),
        (recurring(every="quarter", price_per="month"), {}, "3 months from 1 Jan 2026 at 100.00 per month"),
        (
            recurring(every="half_year", price_per="month"),
            {"starts_on": "2022-01-10", "ends_on": "2022-06-30"},
            "5 months + 21 of 30 days from 10 Jan 2022 at 100.00 per month",
        ),
        (
            recurring(every="half_year", price_per="4 months"),
            {},
            "3 times 2 months from 1 Jan 2026 at 100.00 per 4 months",
        ),
        (recurring(price_per="year"), {}, "1 month from 1 Jan 2026 at 100.00 per year, on the running total"),
        (
            recurring(proration="thirty_360"),
            {"starts_on": "2026-01-16", "anchor_day": 1},
            "15 of 30 days (30/360) from 16 Jan 2026 at 100.00",
        ),
        (
            recurring(discounts=[{"percent": "7.5"}, {"amount": "5"}]),
            {},
            "1 month from 1 Jan 2026 at 100.00, less 7.5%, less 5.00 per period",
        ),
        (one_time(quantity=3, discounts=[{"amount": "5"}]), {}, "once at 3 × 500.00, less 5.00"),
        (one_time(price="1500"), {"currency": "JPY"}, "once at 1,500"),
    ],
)
def test_a_line_s_arithmetic_is_worded(charge, fields, words):
    assert explain_text(lines(terms(charge, **fields), "2026-06-30")[0].explain) == words


def test_a_credited_line_says_that_it_is_no_longer_owed():
    assert explain_text(Explanation("not_owed", {})) == "no longer owed"


def test_an_unknown_rule_shows_its_operands():
    assert explain_text(Explanation("later", {"units": "7", "tier": "2"})) == "units 7, tier 2"


@pytest.mark.parametrize(
    ("price", "words"), [("1200", "1,200.00"), ("0.0125", "0.0125"), ("49.900", "49.90"), ("0", "0.00")]
)
def test_a_price_keeps_its_own_decimals_and_at_least_the_currency_s(price, words):
    assert price_text(price, "USD") == words


# ------------------------------------------------------------------------------------------------ worked out once more

AMENDMENTS = [
    {"key": "seats", "effective_on": "2026-02-11", "change": [{"charge": "fee", "quantity": "9", "price": "71.3"}]},
    {"key": "out", "effective_on": "2026-10-20", "ends_on": "2026-10-20", "terminates": "customer"},
]
EVERYTHING = {
    "ends_on": "2026-12-31",
    "discounts": [{"percent": "3"}, {"amount": "7", "starts_on": "2026-06-01"}],
    "escalator": {"percent": "4", "every": "half_year"},
    "commitments": [
        {"key": "least", "amount": "9000", "every": "quarter", "charges": ["calls"]},
        {"key": "most", "amount": "500", "charges": ["care"], "overage_factor": "1.5"},
    ],
    "holdback": {"percent": "10", "expected_on": "2026-11-01"},
    "termination_fee": {"months": 2},
    "late_fee": {"percent": "1.5", "per": "month"},
    "amendments": AMENDMENTS,
}
CHARGES = (
    recurring(quantity=7, seats_removed="credit"),
    one_time(quantity=3),
    {"type": "usage", "key": "calls", "description": "Calls", "price": "0.017", "estimate": "1234"},
    {
        "type": "usage", "key": "payments", "description": "Payments", "model": "percentage", "percent": "1.4",
        "fixed": "0.25", "estimate": "5000", "minimum": "100",
    },
    {"type": "usage", "key": "hits", "description": "Hits", "price": "0.031", "bill_over": "50"},
    {
        "type": "retainer", "key": "care", "description": "Care", "price": "333", "included": "10",
        "overage_price": "45", "estimate": "13.5", "rollover": 1,
    },
    {
        "type": "fixed_price", "key": "build", "description": "Build", "price": "10000",
        "instalments": [
            {"key": "a", "percent": "33.3", "on": "2026-02-01"}, {"key": "b", "percent": "66.7", "after": "4 months"},
        ],
    },
    {
        "type": "prepaid", "key": "credits", "description": "Credits", "price": "900", "value": "1000",
        "charges": ["payments"], "unused": "return",
    },
)  # fmt: skip
FACTS = Facts(
    usage=tuple(
        UsageRecord(id=str(number), meter="hits", day=date(2026, 1, 3 + number), quantity=Decimal(701 + number))
        for number in range(20)
    ),
    overdue=(Overdue(number="INV-1", due_on=date(2026, 2, 1), open=1234_56),), assume_from=date(2026, 1, 1)
)  # fmt: skip


def everything(charges: Sequence[dict[str, Any]] = CHARGES, **fields: Any) -> list[Line]:
    agreed = terms(*charges, **{**EVERYTHING, **fields})
    versions = [in_force(agreed, known) for known in (date(2026, 1, 1), date(2026, 12, 31))]
    return [line for version in versions for line in plan(version, date(2027, 6, 30), FACTS)]


def test_every_rule_recomputes_to_the_amount_it_explains_and_is_put_in_words() -> None:
    found = everything()
    assert {line.explain.rule for line in found} | {"not_owed"} == set(RULES)
    for line in found:
        assert recompute(line.explain) == line.amount, line
        assert "{" not in explain_text(line.explain)


def test_what_is_not_owed_any_more_comes_to_nothing() -> None:
    assert recompute(Explanation("not_owed", {})) == 0


def test_an_unknown_rule_cannot_be_recomputed() -> None:
    with pytest.raises(LookupError):
        recompute(Explanation("later", {}))


prices = st.decimals("0.01", "9999", places=2)
days = st.dates(date(2026, 1, 2), date(2026, 12, 30))


@settings(max_examples=25, deadline=None)
@given(
    price=prices,
    quantity=st.decimals("0.5", "40", places=1),
    every=st.sampled_from(["month", "quarter", "year", "2 weeks", "45 days"]),
    proration=st.sampled_from(["actual", "thirty_360", "months_then_days", "by_months", "none"]),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    starts_on=st.dates(date(2025, 12, 1), date(2026, 3, 31)),
    anchor_day=st.one_of(st.none(), st.integers(1, 31)),
    percent=st.decimals("0", "100", places=1),
    changes=st.lists(st.tuples(days, prices, st.integers(0, 30)), max_size=3),
    factor=st.decimals("1", "2", places=1),
)
def test_every_line_of_a_random_contract_recomputes(
    price: Decimal, quantity: Decimal, every: str, proration: str, currency: str, starts_on: date,
    anchor_day: int | None, percent: Decimal, changes: list[tuple[date, Decimal, int]], factor: Decimal,
) -> None:  # fmt: skip
    charges = [
        recurring(
            price=price, quantity=quantity, every=every, discounts=[{"percent": percent}],
            seats_removed="credit", steps=[{"starts_on": on, "price": to, "quantity": of} for on, to, of in changes],
        ),
        recurring(key="yearly", price=price, price_per="year", timing="arrears"),
        *CHARGES[1:],
    ]  # fmt: skip
    commitments = [{"key": "least", "amount": price * 10, "every": "quarter", "overage_factor": factor}]
    found = everything(
        charges, starts_on=starts_on, proration=proration, currency=currency, anchor_day=anchor_day,
        commitments=commitments, amendments=AMENDMENTS[1:],
    )  # fmt: skip
    assert len(found) > 20
    for line in found:
        assert recompute(line.explain) == line.amount, line
