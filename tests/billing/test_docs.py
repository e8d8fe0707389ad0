"""The examples of docs/terms.md load and bill what their comments say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from billing.preview import load_terms_file, preview, schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = sorted((DOCS / "terms").glob("*.toml"))


def shown(name: str) -> dict[str, Any]:
    return preview(load_terms_file((DOCS / "terms" / name).read_text(), name))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_plans_and_is_listed_in_the_guide(path):
    assert shown(path.name)["invoices"]
    assert f"(terms/{path.name})" in (DOCS / "terms.md").read_text()


def test_monthly_seats_begin_with_a_stub_and_end_with_the_rest_of_it():
    invoices = shown("monthly-seats.toml")["invoices"]
    assert len(invoices) == 13
    (line,) = invoices[0]["lines"]
    assert line["explain"] == "17 of 31 days from 15 Mar 2026 at 25 × 49.00, less 10%"
    assert (invoices[0]["subtotal"], invoices[0]["tax"], invoices[0]["total"]) == ("604.60", "49.88", "654.48")
    assert invoices[1]["subtotal"] == "1102.50"


def test_the_yearly_licence_is_sent_early_and_the_fee_on_its_day():
    invoices = shown("annual-plus-implementation.toml")["invoices"]
    assert [(one["issue_on"], one["due_on"], one["total"]) for one in invoices] == [
        ("2026-01-02", "2026-01-16", "28560.00"),
        ("2026-02-16", "2026-03-02", "8925.00"),
        ("2027-01-02", "2027-01-16", "28560.00"),
    ]


def test_the_quarterly_service_is_billed_afterwards_and_due_after_the_month_s_end():
    invoices = shown("quarterly-arrears.toml")["invoices"]
    assert [(one["issue_on"], one["due_on"], one["subtotal"]) for one in invoices] == [
        ("2026-04-01", "2026-05-15", "8190.00"),
        ("2026-07-01", "2026-08-15", "9100.00"),
        ("2026-10-01", "2026-11-15", "9100.00"),
        ("2027-01-01", "2027-02-15", "9100.00"),
    ]
    assert invoices[0]["lines"][0]["explain"].startswith("21 of 30 days + 2 months (30/360) from 10 Jan 2026")


def test_the_weekly_contract_begins_at_go_live_and_shows_a_year():
    found = shown("weekly.toml")
    assert [found["invoices"][0][key] for key in ("issue_on", "due_on", "total")] == [
        "2026-02-02",
        "2026-02-02",
        "180000",
    ]
    assert found["invoices"][-1]["issue_on"] == "2027-01-04"
    assert [note["code"] for note in found["review"]] == ["evergreen", "billed_elsewhere"]


def test_the_guide_describes_every_key_of_the_schema():
    guide = (DOCS / "terms.md").read_text()
    tables = schema()["$defs"]
    assert {"Document", "Recurring", "OneTime", "Discount"} <= tables.keys()
    keys = {key for table in tables.values() for key in table["properties"]}
    assert {"starts_on", "price", "percent", "go_live"} <= keys
    assert sorted(key for key in keys if f"`{key}`" not in guide) == []
