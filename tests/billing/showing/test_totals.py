from __future__ import annotations

from datetime import date
from typing import Literal

from billing.draft import Draft
from billing.showing.totals import cash_by_month, invoiced_by_month, payables


def document(issue_on: str, total: int, kind: Literal["invoice", "credit_note"] = "invoice", due_on: str = "") -> Draft:
    return Draft(
        contract="C-1", customer="Acme", currency="USD", type=kind, issue_on=date.fromisoformat(issue_on),
        due_on=date.fromisoformat(due_on or issue_on), po_number="", lines=(), taxes=(), subtotal=total, tax=0,
        total=total,
    )  # fmt: skip


def test_F03_a_balance_pays_invoices_until_it_is_used_up():
    drafts = [document("2026-01-01", 500_00, "credit_note"), *(document("2026-02-01", 300_00) for _ in range(2))]
    assert [one[1:] for one in payables(drafts)] == [
        (0, 0, 500_00),
        (300_00, 0, 200_00),
        (200_00, 100_00, 0),
    ]


def test_cash_is_expected_in_the_month_an_invoice_falls_due_and_never_from_a_credit():
    drafts = [
        document("2026-01-20", 100_00, due_on="2026-02-19"),
        document("2026-01-25", 30_00, "credit_note"),
        document("2026-01-31", 50_00, due_on="2026-02-28"),
        document("2026-02-10", 10_00, due_on="2026-03-12"),
    ]
    assert cash_by_month(drafts) == {"2026-02": 120_00, "2026-03": 10_00}
    assert invoiced_by_month(drafts) == {"2026-01": 120_00, "2026-02": 10_00}
