"""The reports, as tables, CSV and JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.commands.shell import Shell
from tests.worlds import Live


@pytest.mark.parametrize(
    ("name", "rows", "seen"),
    [
        ("aging", 2, {"currency": "GBP", "open": "70.00", "invoices": 1}),
        ("customers", 3, {"name": "Northwind Ltd", "email": "ap@northwind.example"}),
        ("contracts", 3, {"customer": "Northwind Ltd", "currency": "GBP", "starts_on": "2026-09-01"}),
        ("drafts", 1, {"customer": "Draft Ltd", "status": "draft", "total": "100.00"}),
        ("invoices", 2, {"number": "UK-00001", "total": "100.00", "open": "70.00", "due_on": "2026-10-01"}),
        ("payments", 2, {"amount": "30.00", "applied": "30.00", "status": "succeeded"}),
        ("applications", 1, {"invoice": "UK-00001", "amount": "30.00"}),
        ("receivables", 2, {"currency": "GBP", "ours": "70.00", "books": "70.00", "difference": "0.00"}),
    ],
)
def test_each_report_is_the_same_list_as_json_as_csv_and_as_a_table(
    told: Shell, name: str, rows: int, seen: dict[str, Any]
) -> None:
    found = told("report", name, "--json").document[name]
    assert len(found) == rows
    assert any(seen.items() <= row.items() for row in found)
    as_csv = list(csv.DictReader(io.StringIO(told("report", name, "--csv").out)))
    assert as_csv == [{key: "" if value is None else str(value) for key, value in row.items()} for row in found]
    table = told("report", name).out
    assert all(str(value) in table for value in seen.values())


def test_the_summary_counts_and_adds_up_everything(told: Shell) -> None:
    summary = told("report", "--json").document
    assert summary == told("report", "summary", "--json").document
    assert summary["totals"]["contracts"] == 3
    assert summary["totals"]["invoices"] == 2
    assert summary["totals"]["payments_matched"] == 1
    open_amounts = {row["entity"]: (row["currency"], row["open"]) for row in summary["receivables"]}
    assert open_amounts == {"uk": ("GBP", "70.00"), "us": ("USD", "1234.50")}
    assert summary["unapplied"] == [{"entity": "uk", "currency": "GBP", "payments": 1, "amount": "5.00"}]
    text = told("report").out
    for part in ("1,234.50 USD", "70.00 GBP", "5.00 GBP in 1 payment(s) is not applied"):
        assert part in text


@pytest.mark.parametrize("name", ["Acme [/bold] [red]Ltd", "Acme [UK] Ltd", "Acme \x1b[31mLtd"])
def test_names_from_outside_are_printed_as_they_are_and_steer_nothing(shell: Shell, live: Live, name: str) -> None:
    live.sell(name)
    live.sell(name, payment_terms="as discussed")
    shell.sync()
    assert name.replace("\x1b", " ") in shell("report", "invoices").out
    listed = shell("review").out
    assert repr(name)[1:-1] in listed
    assert "\x1b" not in listed


def test_the_reports_of_an_empty_store_are_empty(shell: Shell) -> None:
    for name in ("aging", "invoices", "payments"):
        assert shell("report", name, "--json").document == {name: []}
    assert shell("report", "--json").document["receivables"] == []
    assert shell("report").code == shell("report", "--csv").code == 0
