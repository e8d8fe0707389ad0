from __future__ import annotations

from datetime import date

import pytest

from billing.reports import BUCKETS, aging, bucket, days_past_due, is_overdue

DUE = date(2026, 9, 3)


def test_an_invoice_is_overdue_strictly_after_its_due_date_while_something_is_open():
    assert not is_overdue(DUE, 100, DUE)
    assert is_overdue(DUE, 100, date(2026, 9, 4))
    assert not is_overdue(DUE, 0, date(2026, 9, 4))


@pytest.mark.parametrize(
    ("today", "days", "name"),
    [
        (date(2026, 8, 1), 0, "current"),
        (DUE, 0, "current"),
        (date(2026, 9, 4), 1, "1-30"),
        (date(2026, 10, 3), 30, "1-30"),
        (date(2026, 10, 4), 31, "31-60"),
        (date(2026, 11, 3), 61, "61-90"),
        (date(2026, 12, 2), 90, "61-90"),
        (date(2026, 12, 3), 91, "90+"),
        (date(2030, 1, 1), 1216, "90+"),
    ],
)
def test_days_past_due_choose_the_bucket(today, days, name):
    assert (days_past_due(DUE, today), bucket(DUE, today)) == (days, name)


def test_open_amounts_add_up_by_currency_and_bucket():
    invoices = [("USD", DUE, 100), ("USD", DUE, 50), ("EUR", date(2026, 1, 1), 7), ("JPY", DUE, 0)]
    found = aging(invoices, date(2026, 9, 10))
    empty = dict.fromkeys(BUCKETS, 0)
    assert found == {"USD": {**empty, "1-30": 150}, "EUR": {**empty, "90+": 7}}
