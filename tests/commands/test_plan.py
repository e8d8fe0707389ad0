"""The command that shows what a terms file will bill."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.shell import Shell

TERMS = """
contract = "C-1"
customer = "Northwind"
currency = "USD"
starts_on = 2026-01-01
ends_on = 2026-12-31

[[charges]]
type = "recurring"
key = "seats"
description = "Seats"
price = 10
quantity = 5
every = "quarter"
"""


def test_plan_needs_no_configuration(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(TERMS)
    result = shell("--config", "nowhere.toml", "plan", str(tmp_path / "terms.toml"), "--json")
    assert result.code == 0
    document = result.document
    assert (document["contract"], document["currency"], document["review"]) == ("C-1", "USD", [])
    assert [(one["issue_on"], one["total"]) for one in document["invoices"]] == [
        (f"2026-{month:02}-01", "50.00") for month in (1, 4, 7, 10)
    ]
    (line,) = document["invoices"][0]["lines"]
    assert (line["charge"], line["from"], line["to"], line["quantity"]) == ("seats", "2026-01-01", "2026-03-31", "5")
    assert "50.00" in shell("plan", str(tmp_path / "terms.toml")).out


def test_plan_through_a_day_and_plan_as_of_today(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(TERMS)
    file = str(tmp_path / "terms.toml")
    through = shell("plan", file, "--through", "2026-04-30", "--json").document
    assert [one["issue_on"] for one in through["invoices"]] == ["2026-01-01", "2026-04-01"]
    caught_up = shell("plan", file, "--today", "2026-05-05", "--through", "2026-05-05", "--json").document
    assert [(one["issue_on"], one["total"]) for one in caught_up["invoices"]] == [("2026-05-05", "100.00")]


def test_every_fault_of_a_terms_file_is_shown_with_the_file(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(TERMS.replace('"USD"', '"dollars"'))
    result = shell("plan", str(tmp_path / "terms.toml"), "--json")
    assert result.code == 2
    assert len(result.document["faults"]) == 1
    assert "terms.toml" in result.err
    assert "currency" in result.err


def test_usage_that_is_no_json_is_refused_line_by_line(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(TERMS)
    (tmp_path / "usage.jsonl").write_text('{"charge": "seats"}\nnothing\n\n[1]\n')
    result = shell("plan", str(tmp_path / "terms.toml"), "--usage", str(tmp_path / "usage.jsonl"))
    assert result.code == 2
    assert [line.partition(": is")[0].rpartition(": ")[2] for line in result.err.splitlines()] == ["line 2", "line 4"]


def test_a_plan_in_a_pipe_is_a_row_per_document_a_picture_and_what_to_look_at(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text("po_required = true\n" + TERMS)
    shown = shell("plan", str(tmp_path / "terms.toml")).out.splitlines()
    assert shown[0] == "Contract C-1, USD"
    assert shown[2].split() == ["issued", "due", "what", "net", "tax", "total", "to", "pay"]
    assert shown[3].split() == ["2026-01-01", "2026-01-31", "Seats", "50.00", "0.00", "50.00", "50.00"]
    assert "Contract value 200.00" in shown
    assert [line.split()[0] for line in shown if "█" in line] == ["2026-01", "2026-04", "2026-07", "2026-10"]
    assert shown[-1].startswith("po_missing: contract C-1 requires a purchase order")
    assert max(map(len, shown[:-1])) <= 100
    assert "\x1b" not in "".join(shown)


def test_explain_puts_charge_version_rule_and_arithmetic_under_each_line(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(TERMS)
    shown = shell("plan", str(tmp_path / "terms.toml"), "--explain").out
    assert "Invoice of 2026-01-01, due 2026-01-31: 50.00 (50.00 + tax 0.00)" in shown
    assert "1 quarter from 1 Jan 2026 at 5 × 10.00" in shown
    assert "charge seats, as signed, rule recurring" in shown


def test_a_plan_is_compared_with_an_amended_file(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(TERMS)
    (tmp_path / "amended.toml").write_text(TERMS.replace("quantity = 5", "quantity = 7"))
    files = str(tmp_path / "terms.toml"), "--compare", str(tmp_path / "amended.toml")
    document = shell("plan", *files, "--json").document
    assert [line["difference"] for line in document["lines"]] == ["20.00"] * 4
    shown = shell("plan", *files).out
    assert "Contract value 200.00 -> 280.00 (+80.00)" in shown
    assert "2026-01-01 to 2026-03-31" in shown
    assert shell("plan", *files[:2], str(tmp_path / "terms.toml")).out.count("No line comes to another amount") == 1
    (tmp_path / "amended.toml").write_text(TERMS.replace("USD", "EUR"))
    refused = shell("plan", *files)
    assert refused.code == 2
    assert "EUR cannot be compared with USD" in refused.err


USED = """
contract = "C-2"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2026-01-01
ends_on = 2026-01-31

[[charges]]
type = "usage"
key = "calls"
description = "Calls"
price = "0.5"
"""


def test_usage_is_read_from_csv_and_from_json_lines(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "terms.toml").write_text(USED)
    (tmp_path / "usage.csv").write_text("id,meter,at,quantity\nr-1,calls,2026-01-05,4\nr-2,calls,2026-01-31,5\n")
    (tmp_path / "usage.jsonl").write_text('{"id": "r-1", "meter": "calls", "at": "2026-01-05", "quantity": 9}\n')
    for name in ("usage.csv", "usage.jsonl"):
        (invoice,) = shell("plan", str(tmp_path / "terms.toml"), "--usage", str(tmp_path / name), "--json").document[
            "invoices"
        ]
        assert invoice["total"] == "4.50"


def test_the_schema_of_a_terms_file_is_json_schema(shell: Shell) -> None:
    schema = shell("plan", "--schema").document
    assert "$schema" in schema or "$ref" in schema or "properties" in schema
    assert '"charges"' in json.dumps(schema)
