from __future__ import annotations

import pytest

from billing.explain import explain_text, price_text
from billing.plan import Explanation
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
