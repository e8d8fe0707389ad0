"""The commands for credit notes and pro forma invoices: what they print, issue, and refuse."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

import app
from tests.commands.shell import Shell
from tests.worlds import TODAY, Live

FILE = """
contract = "M-1"
customer = "Acme Ltd"
currency = "GBP"
starts_on = 2026-09-01
po_number = "PO-7"

[[charges]]
type = "one_time"
key = "setup"
description = "Setup"
price = 200

[[charges]]
type = "one_time"
key = "travel"
description = "Travel"
price = 12.5
quantity = 4
tax_class = "reverse_charge"
"""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command line, beside an invoice written by hand that waits as a draft over 290.00 GBP."""
    shell = Shell(Live(tmp_path), monkeypatch)
    monkeypatch.setattr(app.LiveWorld, "now", lambda world: datetime.combine(TODAY, time(12), UTC))
    shell.live.configure("[entities.uk]\n", '[entities.uk]\napprove = "manual"\n')
    file = tmp_path / "m-1.toml"
    file.write_text(FILE, encoding="utf-8")
    add = ("contract", "add", str(file), "--entity", "uk", "--customer", "Acme Ltd", "--email", "ap@acme.example")
    assert shell(*add, "--yes").code == 0
    shell.live.done("plan_invoices", "issue_invoices")
    return shell


@pytest.fixture
def issued(shell: Shell) -> Shell:
    """The invoice is approved and issued: UK-00001."""
    shell("approve", "--all")
    shell.live.done("issue_invoices")
    assert [row.total for row in shell.live.issued().values()] == [290_00]
    return shell


# -------------------------------------------------------------------------------------------------------------- credit


def test_a_credit_note_is_shown_and_issued_with_yes(issued: Shell) -> None:
    before = issued.live.contents()
    words = ("credit", "UK-00001", "--line", "1", "--amount", "50", "--reason", "agreed by phone")
    shown = issued(*words)
    assert (shown.code, issued.live.contents()) == (0, before)
    assert "Credit note to be\nAgainst UK-00001\nDate 2026-09-01\nCurrency GBP\n" in shown.out
    assert "Credit: Setup" in shown.out and "60.00" in shown.out
    assert "Nothing is issued yet: give --yes to issue it." in shown.out
    done = issued(*words, "--yes")
    assert "Credit note UK-CN-00001" in done.out and "The next sync puts it into the books." in done.out
    assert issued.live.issued()["UK-CN-00001"].total == 60_00
    assert not any(result.changed for result in issued.live.done("plan_invoices", "issue_invoices").values())


def test_credit_as_json_says_what_it_would_be_and_what_it_is(issued: Shell) -> None:
    words = ("credit", "UK-00001", "--net", "25", "--reason", "x", "--json")
    shown, done = issued(*words).document, issued(*words, "--yes").document
    assert (shown["number"], shown["issued"], shown["against"]) == (None, False, "UK-00001")
    assert (done["number"], done["issued"], done["type"]) == ("UK-CN-00001", True, "credit_note")
    assert shown["total"] == done["total"] == "29.00"
    assert [(line["description"], line["amount"]) for line in done["lines"]] == [
        ("Credit: Setup", "20.00"), ("Credit: Travel", "5.00"),
    ]  # fmt: skip


def test_the_rest_is_credited_to_the_cent_by_gross_and_without_an_option(issued: Shell) -> None:
    for options in (("--gross", "100"), ()):
        assert issued("credit", "UK-00001", *options, "--reason", "x", "--yes").code == 0
    totals = [row.total for row in issued.live.issued().values()]
    assert totals[1] in (100_00, 99_99)
    assert totals == [290_00, totals[1], 290_00 - totals[1]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("UK-00009",), "UK-00009: there is no such invoice"),
        (("UK-00001", "--line", "3"), "invoice UK-00001 has no line 3"),
        (("UK-00001", "--net", "250.01"), "write an amount up to 250.00 GBP"),
        (("UK-00001", "--net", "1", "--gross", "1"), "one of them"),
        (("UK-00001", "--amount", "1"), "say which"),
        (("UK-00001", "--net", "NaN"), "NaN"),
        (("UK-00001", "--net", "Infinity"), "Infinity"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_credited_is_said_with_exit_code_2(issued: Shell, words: tuple[str, ...], told: str) -> None:
    before = issued.live.contents()
    result = issued("credit", *words, "--reason", "x", "--yes")
    assert (result.code, told in result.err) == (2, True), result
    assert issued.live.contents() == before


def test_a_credit_note_asks_for_its_reason(issued: Shell) -> None:
    assert "--reason" in issued("credit", "UK-00001").err
    assert "say why" in issued("credit", "UK-00001", "--reason", " ", "--yes").err


# ----------------------------------------------------------------------------------------------------------- pro forma


@pytest.mark.parametrize("name", ["M-1", "D1", "d1"])
def test_a_draft_is_shown_as_a_pro_forma_invoice_and_stays_as_it_is(shell: Shell, name: str) -> None:
    before = shell.live.contents()
    shown = shell("proforma", name)
    assert (shown.code, shell.live.contents()) == (0, before)
    assert "PRO FORMA D1, not issued: it has no number and is not to be paid" in shown.out
    assert "To Acme Ltd" in shown.out and "Due 2026-10-01" in shown.out
    assert "Travel" in shown.out and "290.00" in shown.out
    (document,) = shell("proforma", name, "--json").document["pro_forma"]
    assert (document["draft"], document["total"], document["tax"]) == ("D1", "290.00", "40.00")


def test_what_has_no_draft_is_said_with_exit_code_2(issued: Shell) -> None:
    for name, told in (
        ("M-1", "contract M-1 has no draft"), ("D1", "D1: there is no such draft"), ("M-2", "did you mean M-1?"),
    ):  # fmt: skip
        result = issued("proforma", name)
        assert (result.code, told in result.err) == (2, True), result


def test_void_takes_back_what_nobody_has_seen_and_says_what_comes_next(issued: Shell) -> None:
    result = issued("void", "UK-00001", "--reason", "wrong PO")
    assert (result.code, "UK-00001 is void. The next sync voids it in the books" in result.out) == (0, True)
    again = issued("void", "UK-00001", "--reason", "wrong PO")
    assert (again.code, "only an issued invoice is voided" in again.err) == (2, True)
    assert "there is no such invoice" in issued("void", "UK-99999", "--reason", "x").err


# -------------------------------------------------------------------------------------------------------------- attach


def test_a_pdf_hangs_on_its_document_in_the_books_once(issued: Shell, tmp_path: Path) -> None:
    file = tmp_path / "order.pdf"
    file.write_bytes(b"%PDF-1.7 signed")
    early = issued("attach", "UK-00001", str(file))
    assert (early.code, "is not in the books of xero_uk yet" in early.err) == (2, True)
    issued.live.done("match_customers", "push_documents")
    for _ in range(2):
        result = issued("attach", "UK-00001", str(file))
        assert (result.code, result.out) == (0, "order.pdf hangs on UK-00001 in the books.\n")
    (hung,) = issued.live.sandbox.vendors["xero"].state()["attachments"]
    assert hung["FileName"] == "order.pdf"


def test_what_is_no_pdf_is_not_attached(issued: Shell, tmp_path: Path) -> None:
    file = tmp_path / "order.pdf"
    file.write_text("signed")
    result = issued("attach", "UK-00001", str(file))
    assert (result.code, "order.pdf is no PDF" in result.err) == (2, True)
