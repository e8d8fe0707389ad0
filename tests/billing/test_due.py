from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.due import EarlyDiscount, due_date, parse_payment_terms


@pytest.mark.parametrize(
    ("payment_terms", "issued", "due"),
    [
        ("net 30", "2026-01-31", "2026-03-02"),
        ("net 0", "2026-01-31", "2026-01-31"),
        ("on receipt", "2026-01-31", "2026-01-31"),
        ("eom", "2026-02-03", "2026-02-28"),
        ("eom", "2026-02-28", "2026-02-28"),
        ("eom + 15", "2026-02-28", "2026-03-15"),
        ("eom+45", "2028-02-01", "2028-04-14"),
        ("day 15", "2026-01-14", "2026-01-15"),
        ("day 15", "2026-01-15", "2026-02-15"),  # strictly after the invoice's date
        ("day 15", "2026-12-16", "2027-01-15"),
        ("day 31", "2026-01-31", "2026-02-28"),  # clamped to the month
        ("day 31", "2026-02-27", "2026-02-28"),
        ("day 15 of next month", "2026-01-01", "2026-02-15"),
        ("day 15 of next month", "2026-01-31", "2026-02-15"),
        ("day 31 of next month", "2026-01-31", "2026-02-28"),
        ("day 5 of next month", "2026-12-31", "2027-01-05"),
        ("31 days then day 15", "2026-01-01", "2026-02-15"),
        ("31 days then day 15", "2026-01-15", "2026-02-15"),  # the 15th itself is 31 days later
        ("31 days then day 15", "2026-01-16", "2026-03-15"),
        ("30 days then day 31", "2026-01-31", "2026-03-31"),
        ("1 day then day 1", "2026-01-31", "2026-02-01"),
        ("2/10 net 30", "2026-01-01", "2026-01-31"),
        ("2/10 eom", "2026-01-01", "2026-01-31"),
    ],
)
def test_payment_terms_give_the_due_date(payment_terms, issued, due):
    assert due_date(payment_terms, date.fromisoformat(issued)).isoformat() == due


def test_discounts_for_paying_early_stand_before_the_rule():
    assert parse_payment_terms("net 30").early == ()
    assert parse_payment_terms("2/10 net 30").early == (EarlyDiscount(Decimal(2), 10),)
    assert parse_payment_terms("3.5/7 2/10 net 45").early == (
        EarlyDiscount(Decimal("3.5"), 7),
        EarlyDiscount(Decimal(2), 10),
    )


@pytest.mark.parametrize(
    "wrong",
    ["", "30", "net", "net 1000", "net thirty", "day 0", "day 32", "day 15 of month", "2/10", "net 30 days", "Net 30"],
)
def test_other_words_are_refused_with_those_that_are_known(wrong):
    with pytest.raises(ValueError, match="is no payment term: write 'net 30', 'eom', "):
        parse_payment_terms(wrong)
