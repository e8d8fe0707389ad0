"""The commands for usage, milestones and terms: what they print, store, and refuse."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

import app
from tests.commands.shell import Shell
from tests.worlds import TODAY, Live

FILE = """
contract = "M-1"
customer = "Acme Ltd"
currency = "GBP"
starts_on = 2026-06-01

[[charges]]
type = "usage"
key = "calls"
description = "Calls"
price = 0.10
tax_class = "reverse_charge"

[[charges]]
type = "fixed_price"
key = "build"
description = "Build"
price = 1000
tax_class = "reverse_charge"
instalments = [{ key = "design", percent = 40 }, { key = "live", percent = 60 }]
"""
AMENDMENT = """
[[amendments]]
key = "A1"
effective_on = 2026-06-01

[[amendments.add]]
type = "one_time"
key = "extra"
description = "Extra"
price = 50
tax_class = "reverse_charge"
"""
RECORDS = "id,contract,meter,day,quantity\nr-1,M-1,calls,2026-06-03,1000\nr-2,M-1,call,2026-06-03,5\n"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command line, beside a contract that was added from a file."""
    shell = Shell(Live(tmp_path), monkeypatch)
    monkeypatch.setattr(app.LiveWorld, "now", lambda world: datetime.combine(TODAY, time(12), UTC))
    file = tmp_path / "m-1.toml"
    file.write_text(FILE, encoding="utf-8")
    add = ("contract", "add", str(file), "--entity", "uk", "--customer", "Acme Ltd", "--email", "ap@acme.example")
    shown = shell(*add)
    assert (shown.code, shell.live.rows("SELECT * FROM contracts")) == (0, []), shown
    assert "Nothing is changed yet: give --yes" in shown.out
    assert "Contract M-1 is at version 1" in shell(*add, "--yes").out
    return shell


def written(shell: Shell, name: str, text: str) -> str:
    file = shell.live.file.parent / name
    file.write_text(text, encoding="utf-8")
    return str(file)


def total(shell: Shell) -> int:
    """Issue what is due and return what all documents add up to."""
    shell.live.done("plan_invoices", "issue_invoices")
    return sum(row.total if row.type == "invoice" else -row.total for row in shell.live.issued().values())


# ---------------------------------------------------------------------------------------------------------------- usage


def test_usage_is_imported_whole_or_not_at_all_and_each_bad_line_is_named(shell: Shell) -> None:
    file = written(shell, "june.csv", RECORDS)
    refused = shell("usage", "import", file)
    assert refused.code == 2
    assert "june.csv: line 3 (id r-2): meter: contract M-1 has no 'call': did you mean 'calls'?" in refused.err
    assert "1 new, 0 known already, 0 replaced, 1 bad: nothing is stored" in refused.out
    assert shell.live.rows("SELECT * FROM usage") == []
    assert shell("usage", "import", file, "--dry-run", "--skip-bad").code == 3
    assert shell.live.rows("SELECT * FROM usage") == []
    assert shell("usage", "import", file, "--skip-bad").code == 3
    assert shell.live.rows("SELECT id FROM usage") == [("r-1",)]
    assert total(shell) == 100_00


def test_the_import_again_as_json_counts_what_is_known_and_what_is_replaced(shell: Shell) -> None:
    file = written(
        shell, "june.jsonl", '{"id": "r-1", "contract": "M-1", "meter": "calls", "at": "2026-06-03", "quantity": 7}\n'
    )
    documents = [shell("usage", "import", file, "--json").document for _ in range(2)]
    assert [(one["stored"], one["new"], one["known"]) for one in documents] == [(True, 1, 0), (True, 0, 1)]
    other = written(shell, "july.jsonl", Path(file).read_text(encoding="utf-8").replace("7", "9"))
    refused = shell("usage", "import", other, "--json")
    assert (refused.code, refused.document["refused"][0]["key"]) == (2, "id")
    assert shell("usage", "import", other, "--replace", "--json").document["replaced"] == 1
    (row,) = shell("usage", "list", "M-1", "--json").document["usage"]
    assert (row["id"], row["quantity"], row["source"]) == ("r-1", "9", "july.jsonl")


def test_a_list_of_usage_can_be_narrowed_to_a_meter(shell: Shell) -> None:
    shell("usage", "import", written(shell, "june.csv", RECORDS), "--skip-bad")
    assert "r-1,calls,2026-06-03" in shell("usage", "list", "M-1", "--csv").out
    assert shell("usage", "list", "M-1", "--meter", "mails", "--json").document == {"usage": []}


# ----------------------------------------------------------------------------------------------------------- milestones


def test_a_milestone_is_accepted_billed_and_taken_back(shell: Shell) -> None:
    accept = ("accept", "M-1", "build", "design")
    assert "is accepted on 2026-08-01." in shell(*accept, "--on", "2026-08-01").out
    assert "is accepted on 2026-08-01 already." in shell(*accept, "--on", "2026-08-01").out
    assert total(shell) == 400_00
    assert shell(*accept, "--withdraw", "--json").document["accepted_on"] is None
    assert total(shell) == 0
    again = shell(*accept, "--withdraw")
    assert (again.code, "is not recorded as accepted" in again.err) == (2, True)


# ---------------------------------------------------------------------------------------------------------------- terms


def test_terms_are_shown_as_the_file_that_can_be_set_again(shell: Shell) -> None:
    shown = shell("terms", "show", "M-1").out
    same = shell("terms", "set", "M-1", written(shell, "same.toml", shown), "--yes")
    assert (same.code, "Changes: nothing" in same.out) == (0, True)
    assert shell.live.rows("SELECT version FROM contracts") == [(1,)]
    changed = written(shell, "changed.toml", shown.replace("price = 0.1\n", "price = 0.2\n"))
    shell("usage", "import", written(shell, "june.csv", RECORDS), "--skip-bad")
    assert total(shell) == 100_00
    preview = shell("terms", "set", "M-1", changed)
    assert "Changes: Calls.price 0.10 -> 0.2" in preview.out
    assert "Applied today: an invoice over 100.00 GBP" in preview.out
    assert shell.live.rows("SELECT version FROM contracts") == [(1,)]
    shell("terms", "set", "M-1", changed, "--yes", "--reason", "agreed by mail")
    assert total(shell) == 200_00
    latest, first = shell("terms", "show", "M-1", "--versions", "--json").document["versions"]
    assert (latest["version"], latest["why"], latest["changed"]) == (2, "agreed by mail", "Calls.price 0.10 -> 0.2")
    assert (first["version"], first["changed"]) == (1, "as first known")


def test_an_amendment_and_a_line_are_put_in_force_and_billed(shell: Shell) -> None:
    file = written(shell, "a1.toml", AMENDMENT)
    assert "Applied today: an invoice over 50.00 GBP" in shell("amend", "M-1", file).out
    assert shell("amend", "M-1", file, "--yes", "--json").document["applied"] is True
    line = ("line", "add", "M-1", "--description", "Travel", "--price", "12.50", "--quantity", "2",
            "--tax-class", "reverse_charge", "--on", "2026-08-01")  # fmt: skip
    assert "Changes: amendments.adhoc-1 added" in shell(*line, "--yes").out
    assert shell("terms", "show", "M-1", "--json").document["version"] == 3
    assert total(shell) == 75_00


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("usage", "list", "M-2"), "there is no contract 'M-2': did you mean M-1?"),
        (("usage", "import", "nowhere.csv"), "nowhere.csv: cannot be read"),
        (("accept", "M-1", "build", "desing"), "did you mean 'build design'?"),
        (("accept", "M-1", "build", "design", "--on", "soon"), "write YYYY-MM-DD"),
        (("terms", "show", "M-2"), "there is no contract"),
        (("amend", "M-1", "{m-1.toml}"), "Write [[amendments]] tables and nothing else"),
        (("line", "add", "M-1", "--description", "x", "--price", "cheap"), "'cheap' is no number"),
        (("line", "add", "M-1", "--description", "x", "--price", "NaN"), "price is NaN"),
        (("contract", "add", "{m-1.toml}", "--entity", "fr", "--customer", "x"), "'fr' is unknown; there are: us, uk"),
        (("contract", "add", "{m-1.toml}", "--entity", "us", "--customer", "x"), "us does not sell in GBP"),
        (("contract", "add", "{m-1.toml}", "--entity", "uk", "--customer", "x"), "for a new one say with --email"),
        (("contract", "add", "{m-1.toml}", "--entity", "uk", "--customer", "acme ltd", "--yes"), "'M-1' already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_with_exit_code_2_and_changes_nothing(shell: Shell, words: Any, told: str) -> None:
    before = shell.live.contents()
    folder = shell.live.file.parent
    result = shell(*(str(folder / word[1:-1]) if word.startswith("{") else word for word in words))
    assert (result.code, told in result.err) == (2, True), result
    assert shell.live.contents() == before
