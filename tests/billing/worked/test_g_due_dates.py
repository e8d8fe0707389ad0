"""Letter G, as far as it runs today: when something falls due."""

from __future__ import annotations

from datetime import date

import pytest

from billing.due import due_date
from billing.reports import days_past_due, is_overdue
from tests.billing.worked.cases import expected


@pytest.mark.parametrize(
    ("name", "payment_terms"), [("a", "eom + 45"), ("c", "eom"), ("d", "eom + 1"), ("e", "on receipt")]
)
def test_G01_due_dates(name, payment_terms):
    issued = (date(2019, 1, 1), date(2019, 1, 15), date(2019, 1, 31))
    assert [due_date(payment_terms, one).isoformat() for one in issued] == expected("G01")[name]


def test_G08_an_invoice_is_not_overdue_on_its_due_date_in_the_entity_s_zone():
    local_day = date(2026, 9, 3)
    assert is_overdue(date(2026, 9, 3), 1, local_day) is expected("G08")["overdue"]
    assert days_past_due(date(2026, 9, 3), local_day) == expected("G08")["days_past_due"]
