"""The command line: what it prints where, and which exit code tells what."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import app
import terminal
from mappings import SHIPPED
from store import inbox, outbox, runs
from store.dialect import connect
from store.inbox import Event
from sync import map_terms
from sync.run import holder
from tests.worlds import TODAY, Live

ROOT = Path(__file__).resolve().parents[1]
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


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that stands on standard output."""
        return json.loads(self.out)


class Shell:
    """The command line, in this process."""

    def __init__(self, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
        self.live = live
        self._patch = monkeypatch
        monkeypatch.setattr(terminal.out, "width", 300)

    def __call__(self, *words: str) -> Ran:
        arguments = ["--config", str(self.live.file), *words]
        self._patch.setattr(sys, "argv", ["netterms", *arguments])
        result = CliRunner().invoke(app.main, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def sync(self, *words: str) -> Ran:
        return self("sync", "--today", TODAY.isoformat(), *words)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(Live(tmp_path), monkeypatch)


@pytest.fixture
def live(shell: Shell) -> Live:
    return shell.live


def own_mappings(live: Live, file: str, old: str, new: str) -> None:
    """Give the configuration a folder of mappings of its own, one of them changed."""
    folder = live.file.parent / "mappings"
    shutil.copytree(SHIPPED, folder, ignore=lambda _, names: [name for name in names if not name.endswith(".toml")])
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


# ----------------------------------------------------------------------------------------------------------------- sync


def test_sync_says_what_each_job_did_and_the_second_time_that_nothing_is_new(shell: Shell, live: Live) -> None:
    live.sell()
    first, second = shell.sync(), shell.sync()
    assert (first.code, second.code) == (0, 0)
    assert re.search(r"issue_invoices +done +1 invoices issued", first.out)
    assert "Nothing new" not in first.out
    assert "Nothing new: nothing was sent and nothing was changed." in second.out


def test_sync_as_json_prints_one_document_and_nothing_else(shell: Shell, live: Live) -> None:
    live.sell()
    first, second = shell.sync("--json"), shell.sync("--json")
    assert first.err == second.err == ""
    assert first.document["changed"] is True
    assert second.document["changed"] is False
    assert first.document["today"] == "2026-09-01"
    jobs = {job["job"]: job for job in first.document["jobs"]}
    assert list(jobs)[:2] == ["pull_deals", "map_terms"]
    assert jobs["issue_invoices"]["tally"] == {"invoices issued": 1}
    assert jobs["issue_invoices"]["outcome"] == "done"


def test_sync_runs_only_the_named_jobs(shell: Shell, live: Live) -> None:
    live.sell()
    result = shell.sync("map_terms", "pull_deals", "--json")
    assert [job["job"] for job in result.document["jobs"]] == ["pull_deals", "map_terms"]
    assert live.issued() == {}


def test_a_dry_run_says_what_it_would_have_created(shell: Shell, live: Live) -> None:
    live.sell()
    result = shell.sync("--dry-run")
    assert result.code == 0
    assert "Dry run: nothing was sent and nothing was stored." in result.out
    assert "xero_uk: 1 customers, 1 documents" in result.out
    document = shell.sync("--dry-run", "--json").document
    assert document["dry_run"] is True
    assert document["would_create"]["xero_uk"] == {"customer": 1, "document": 1}
    assert sum(live.writes().values()) == 3 + 1  # the four objects that sell() made at HubSpot


def test_dry_run_in_the_configuration_holds_for_every_sync(shell: Shell, live: Live) -> None:
    live.sell()
    live.configure("dry_run = false", "dry_run = true")
    assert "Dry run" in shell.sync().out
    assert live.sandbox.vendors["xero"].state()["invoices"] == []


def test_exit_code_3_tells_that_a_connection_needs_attention(shell: Shell, live: Live) -> None:
    live.fault("xero", "unauthorized", times=-1)
    result = shell.sync("pull_deals", "pull_ledger")
    assert result.code == 3
    assert re.search(r"pull_ledger +partly +.*xero_uk", result.out)


def test_exit_code_4_tells_that_another_process_does_this_now(shell: Shell, live: Live) -> None:
    with live.store() as store:
        runs.start(store, "pull_deals", "elsewhere:1", app.LiveWorld(app.load_config(live.file), today=TODAY).now())
    result = shell.sync("pull_deals", "map_terms")
    assert result.code == 4
    assert "another process is running it" in result.out


def test_exit_code_1_tells_that_a_job_failed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(map_terms, "run", fail)
    result = shell.sync("map_terms", "--json")
    assert result.code == 1
    assert result.document["jobs"][0]["message"] == "RuntimeError: no such thing"


def test_the_worst_outcome_decides_the_exit_code() -> None:
    class Went(NamedTuple):
        outcome: str

    assert app.exit_code([Went("done"), Went("partly"), Went("busy"), Went("failed")]) == 1
    assert app.exit_code([Went("done"), Went("partly"), Went("busy")]) == 4
    assert app.exit_code([Went("partly"), Went("done")]) == 3
    assert app.exit_code([]) == 0


# ---------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sync", "pull_deal"), "unknown job pull_deal; known are pull_deals"),
        (("sync", "--today", "tomorrow"), "write YYYY-MM-DD"),
        (("report", "agin"), "there is no report 'agin'; there are: summary, aging"),
        (("approve", "D99"), "D99: there is no such draft"),
        (("review", "99", "--do", "dismiss", "--reason", "x"), "no open review item 99"),
        (("review", "1", "--do", "dismiss"), "--do ACTION and --reason TEXT"),
        (("review", "1"), "there is no review item 1"),
        (("plan",), "name a terms file"),
        (("plan", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("--config", "nowhere.toml", "sync"), "copy config.example.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_exit_code_2_tells_what_is_wrong_with_the_command_and_what_to_write(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    result = shell(*words)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""


def break_three_times(live: Live) -> tuple[str, ...]:
    live.configure('timezone = "Europe/London"', 'timezone = "London"')
    live.configure('approve = "auto"', 'approve = "sometimes"')
    live.configure('accounting = "quickbooks_us"', 'accounting = "quickbook"')
    return ("entities.uk.timezone", "approve", "entities.us.accounting")


@pytest.mark.parametrize("command", ["sync", "check", "approve", "review", "report", "serve"])
def test_a_configuration_with_three_faults_shows_all_three_with_their_keys(
    shell: Shell, live: Live, command: str
) -> None:
    keys = break_three_times(live)
    result = shell(command)
    assert result.code == 2
    lines = result.err.splitlines()
    assert len(lines) == 3
    for key in keys:
        assert any(line.startswith(f"{live.file}: {key}: ") for line in lines)


def test_the_faults_of_a_configuration_are_one_json_document_where_that_is_wanted(shell: Shell, live: Live) -> None:
    break_three_times(live)
    result = shell("sync", "--json")
    assert result.code == 2
    assert len(result.document["faults"]) == 3


def test_a_bad_mapping_names_file_key_and_remedy_before_anything_is_called(shell: Shell, live: Live) -> None:
    own_mappings(live, "hubspot.toml", "starts_on = { from", "start_on = { from")
    result = shell.sync()
    assert result.code == 2
    assert re.search(r"^mappings/hubspot.toml: contract\.start_on: .*starts_on", result.err, re.MULTILINE)
    assert live.sandbox.hubspot.calls.total() == 0


def test_the_faults_of_all_mappings_are_shown_at_once(shell: Shell, live: Live) -> None:
    own_mappings(live, "hubspot.toml", "starts_on = { from", "start_on = { from")
    (live.file.parent / "mappings" / "xero.toml").unlink()
    (live.file.parent / "mappings" / "quickbooks.toml").write_text('role = "ledger"\nneeds = ["colour"]\n')
    result = shell.sync()
    assert result.code == 2
    assert "xero.toml" in result.err


def test_today_is_refused_where_a_connection_leads_out_of_this_machine(
    shell: Shell, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_KEY", "sk_test_x")
    live.configure(f'"{live.running.url}/stripe"\ntoken = "sk_test_sandbox_us"\nwebhook_secret = "whsec_sandbox_us"',
                   '"https://api.stripe.com"\ntoken = "env:STRIPE_KEY"')  # fmt: skip
    result = shell.sync()
    assert result.code == 2
    assert result.err.startswith("--today: a connection leads out of this machine")
    assert live.sandbox.hubspot.calls.total() == 0


# -------------------------------------------------------------------------------------------------- approving, deciding


def test_approve_lists_what_waits_and_approves_by_number_or_all(shell: Shell, live: Live) -> None:
    live.configure('approve = "auto"', 'approve = "manual"')
    for name in ("Northwind Ltd", "Second Ltd", "Third Ltd"):
        live.sell(name)
    shell.sync()
    assert live.issued() == {}
    listed = shell("approve", "--json").document
    assert listed["approved"] == 0
    assert [row["status"] for row in listed["drafts"]] == ["draft"] * 3
    assert {row["total"] for row in listed["drafts"]} == {"100.00"}
    assert "Northwind Ltd" in shell("approve").out
    first = f"d{listed['drafts'][0]['id']}"
    assert shell("approve", first, "--json").document["approved"] == 1
    assert shell("approve", first).out == "Nothing to approve.\n"
    shell.sync()
    assert list(live.issued()) == ["UK-00001"]
    assert shell("approve", "--all").out == "2 draft(s) approved; the next sync issues them.\n"
    shell.sync()
    assert len(live.issued()) == 3
    assert shell("approve", "--json").document == {"approved": 0, "drafts": []}


def test_approving_an_unknown_draft_approves_none(shell: Shell, live: Live) -> None:
    live.configure('approve = "auto"', 'approve = "manual"')
    live.sell()
    shell.sync()
    assert shell("approve", "D1", "D7").code == 2
    assert [row.status for row in live.drafts()] == ["draft"]


def test_review_lists_and_decides(shell: Shell, live: Live) -> None:
    assert shell("review").out == "Nothing waits for a person.\n"
    live.sell(payment_terms="as discussed")
    shell.sync("pull_deals", "map_terms")
    (item,) = shell("review", "--json").document["review"]
    assert item["code"] == "deal_not_mapped"
    assert item["actions"] == ["dismiss"]
    assert "'as discussed'" in shell("review").out
    wrong = shell("review", str(item["id"]), "--do", "approve", "--reason", "x")
    assert (wrong.code, wrong.out) == (2, "")
    assert "it has: dismiss" in wrong.err
    decided = shell("review", str(item["id"]), "--do", "dismiss", "--reason", "a test deal", "--json").document
    assert decided == {"decided": item["id"], "action": "dismiss"}
    assert shell("review", "--json").document == {"review": []}
    assert live.rows("SELECT reason FROM audit WHERE action='review dismiss'") == [("a test deal",)]


def test_review_shows_one_item_with_both_sides_and_says_who_looks_after_it(shell: Shell, live: Live) -> None:
    live.sell()
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    live.fault("xero", "reset_after", method="PUT", path="Invoices")
    shell.sync("push_documents")
    with live.store() as store:
        (intent,) = outbox.waiting(store, "xero_uk", "document", "done")
        with store.transaction():
            outbox.park_with(store, intent, "its total is 99.00 GBP there", [("amount", "100.00 GBP", "99.00 GBP")])
    shell.sync("push_documents")
    (item,) = shell("review", "--json").document["review"]
    shell("review", str(item["id"]), "--owner", "Ada")
    shown = shell("review", str(item["id"]))
    assert "Looked after by: Ada" in shown.out
    assert re.search(r"amount +100.00 GBP +99.00 GBP +differs", shown.out)
    assert f"netterms review {item['id']} --do retry|dismiss" in shown.out
    document = shell("review", str(item["id"]), "--json").document
    assert document["owner"] == "Ada"
    assert document["sides"] == [{"what": "amount", "here": "100.00 GBP", "there": "99.00 GBP"}]
    assert re.search(r"retry dismiss +Ada", shell("review").out)


# ------------------------------------------------------------------------------------------------------- inbox, backup


def test_inbox_lists_dead_letters_and_has_them_handled_again(shell: Shell, live: Live) -> None:
    assert shell("inbox").out.startswith("No webhook waits")
    with live.store() as store:
        inbox.save(store, "stripe_uk", [Event(id="evt_1", topic="?", object="", unreadable=b"{{{")], datetime.now(UTC))
    assert re.search(r"1 +stripe_uk .* nobody can read it", shell("inbox").out)
    (letter,) = shell("inbox", "--json").document["dead_letters"]
    assert (letter["event_id"], letter["unreadable"], letter["why"]) == ("evt_1", "{{{", "nobody can read it")
    wrong = shell("inbox", "--replay", "99")
    assert (wrong.code, wrong.err) == (2, "there is no dead letter 99; see: netterms inbox\n")
    assert shell("inbox", "--replay", "all", "--json").document == {"replayed": 1}
    assert shell("inbox", "--json").document == {"dead_letters": []}


def test_backup_writes_a_file_once_and_restore_puts_it_back(shell: Shell, live: Live) -> None:
    live.sell()
    shell.sync("pull_deals", "map_terms")
    target = live.file.parent / "kept.db"
    assert re.search(r"kept.db: [\d,]+ bytes, whole; audit trail of \d+ rows", shell("backup", str(target)).out)
    again = shell("backup", str(target))
    assert (again.code, again.out) == (2, "")
    assert "is there already" in again.err
    assert shell("backup", str(target), "--force", "--json").document["audit_rows"] > 0
    assert shell("backup", str(live.database), "--force").code == 2  # the store itself
    assert shell("backup", str(target.parent / "nowhere" / "kept.db")).code == 2
    shell.sync("plan_invoices", "issue_invoices")
    done = shell("restore", str(target))
    assert done.code == 0
    assert "The next sync reads the books back first" in done.out
    assert live.issued() == {}
    refused = shell("credit", "UK-00001", "--reason", "x", "--yes")
    assert refused.code == 2
    target.write_text("no store", encoding="utf-8")
    bad = shell("restore", str(target))
    assert (bad.code, bad.out) == (1, "")
    assert "Nothing is changed" in bad.err
    assert shell("restore", "nowhere.db").code == 2


def test_restore_waits_until_no_job_runs(shell: Shell, live: Live) -> None:
    shell.sync("pull_deals")
    target = live.file.parent / "kept.db"
    shell("backup", str(target))
    with live.store() as store:
        runs.start(store, "pull_deals", holder(), datetime.now(UTC))
    refused = shell("restore", str(target), "--json")
    assert refused.code == 4
    assert "a job is running" in refused.document["error"].lower()


# -------------------------------------------------------------------------------------------------------------- reports


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A store with something in every report."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        live = Live(tmp_path_factory.mktemp("told"))
        live.sell()
        live.sell("Acme Inc", price="1234.50", deal_currency_code="USD")
        live.done()
        live.pay(30_00, "UK-00001")
        live.pay(5_00)
        live.configure('approve = "auto"', 'approve = "manual"')
        live.sell("Draft Ltd")
        live.done()
        yield Shell(live, monkeypatch)


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


# ------------------------------------------------------------------------------------------------------------ the trail


def test_audit_verify_tells_that_the_trail_is_whole(told: Shell) -> None:
    result = told("audit", "verify", "--json")
    assert result.code == 0
    assert result.document["intact"] is True
    assert result.document["rows"] > 10
    assert f"intact: {result.document['rows']} rows" in told("audit", "verify").out


def test_audit_verify_names_the_row_that_was_altered(shell: Shell, live: Live) -> None:
    live.sell()
    shell.sync()
    connection = connect(live.database)
    connection.execute("DROP TRIGGER audit_no_update")
    connection.execute("UPDATE audit SET reason='nothing to see' WHERE n=3")
    connection.close()
    result = shell("audit", "verify")
    assert (result.code, result.out) == (1, "row 3 was altered\n")
    document = shell("audit", "verify", "--json").document
    assert (document["intact"], document["problem"]) == (False, "row 3 was altered")


def test_selfcheck_says_that_everything_is_as_it_must_be(told: Shell) -> None:
    assert told("selfcheck").out == "Everything is as it must be.\n"
    result = told("selfcheck", "--full", "--json")
    assert (result.code, result.document) == (0, {"ok": True, "full": True, "hits": []})


def test_selfcheck_names_what_is_not_and_exits_with_1(shell: Shell, live: Live) -> None:
    live.sell()
    shell.sync()
    with live.store() as store:
        store.execute("UPDATE documents SET open=1")
    result = shell("selfcheck")
    assert result.code == 1
    assert "- UK-00001: open is the total less what is applied; it is 0.01 GBP and should be 100.00 GBP\n" in result.out
    assert result.out.endswith("1 hit(s).\n")
    (hit,) = shell("selfcheck", "--json").document["hits"]
    assert (hit["subject"], hit["state"]) == ("document:1", "open")


# ----------------------------------------------------------------------------------------------------------------- plan


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


# ---------------------------------------------------------------------------------------------------------------- check


def test_check_finds_that_everything_fits_the_sandbox(shell: Shell) -> None:
    result = shell("check")
    assert result.code == 0
    assert result.out.endswith("Everything fits.\n")
    document = shell("check", "--json").document
    assert document["ok"] is True
    assert set(document["connections"]) == {"hubspot", "quickbooks_us", "xero_uk", "stripe_us", "stripe_uk"}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "hubspot.toml",
            '"deal.po_number"',
            '"deal.po_numbr"',
            ("contract.po_number", "'deal.po_numbr'", '"deal.po_number"'),
        ),
        ("hubspot.toml", '["closedwon"]', '["closed_won"]', ("deals.won", "closed_won", "closedwon")),
        ("xero.toml", 'account = "200"', 'account = "2000"', ("rules", "2000")),
        ("quickbooks.toml", 'item = "Services"', 'item = "Servises"', ("rules", "Servises", "Services")),
    ],
)
def test_check_names_what_a_mapping_asks_for_and_the_vendor_does_not_have(
    shell: Shell, live: Live, file: str, old: str, new: str, said: tuple[str, ...]
) -> None:
    own_mappings(live, file, old, new)
    result = shell("check", "--json")
    assert result.code == 3
    faults = [fault for fault in result.document["faults"] if all(part in fault for part in said)]
    assert faults, result.out
    assert f"mappings/{file}" in faults[0]


def test_check_names_the_connection_whose_token_is_refused_and_tries_the_others(shell: Shell, live: Live) -> None:
    live.configure('"sandbox-xero-1"', '"something-else"')
    result = shell("check", "--json")
    assert result.code == 3
    (fault,) = result.document["faults"]
    assert f"{live.file}: connections.xero_uk" in fault
    assert "give it another token" in fault
    assert len(result.document["connections"]) == 4


def test_check_names_the_connection_whose_address_is_wrong(shell: Shell, live: Live) -> None:
    live.configure(f"{live.running.url}/hubspot", f"{live.running.url}/hubspt")
    result = shell("check")
    assert result.code == 3
    assert "connections.hubspot.base_url" in result.out


def test_check_names_a_currency_that_no_account_takes_payments_in(shell: Shell, live: Live) -> None:
    live.configure('currencies = ["GBP", "EUR"]', 'currencies = ["GBP", "EUR", "CHF"]')
    result = shell("check")
    assert result.code == 3
    assert "mappings/xero.toml: clearing: uk sells in CHF" in result.out


# ----------------------------------------------------------------------------------------------- processes of their own


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "app.py"), *words]


def test_a_sandbox_in_its_own_process_writes_the_configuration_that_another_process_syncs_with(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.toml"
    options = ["--port", "0", "--deals", "5", "--minute", "0.6", "--date", "2026-09-01", "--write-config", str(file)]
    with subprocess.Popen(
        command("sandbox", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == f"Wrote {file}; try: netterms --config {file} sync\n"
        assert re.match(r"The sandbox serves http://127.0.0.1:\d+; it is 2026-09-01", server.stdout.readline())
        sync = command("--config", str(file), "sync", "--today", "2026-09-01", "--json")
        ran = subprocess.run(sync, capture_output=True, text=True, timeout=60, check=False)
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=10)
    assert (ran.returncode, ran.stderr) == (0, "")
    document = json.loads(ran.stdout)
    assert {job["outcome"] for job in document["jobs"]} == {"done"}
    assert document["jobs"][0]["tally"]["deals new or changed"] > 0
    assert (server.returncode, errors) == (0, "Stopped.\n")


def test_help_names_every_command_and_the_exit_codes(shell: Shell) -> None:
    text = shell("--help").out
    for word in ("sync", "check", "plan", "approve", "review", "report", "audit", "sandbox", "serve", "worker", "demo"):
        assert re.search(rf"^  {word} ", text, re.MULTILINE)
    assert "Exit codes: 0 done; 1 failed; 2" in text


# -------------------------------------------------------------------------------------------------------------- adopt


def test_adopt_tells_in_one_document_what_it_did_and_a_second_run_that_nothing_is_new(shell: Shell) -> None:
    shell.live.sell()
    first = shell("adopt", "--today", "2026-09-01", "--json").document
    assert first["changed"] is True
    assert [job["job"] for job in first["jobs"]] == ["pull_deals", "map_terms", "adopt", "match_customers"]
    assert {"receivables", "linked_customers", "undecided_customers"} <= set(first)
    second = shell("adopt", "--today", "2026-09-01", "--json").document
    assert second["changed"] is False
    assert not any(call.startswith(("xero", "quickbooks")) for call in shell.live.writes())


def test_adopt_keeps_nothing_of_a_rehearsal_and_works_while_the_configuration_is_dry(shell: Shell) -> None:
    shell.live.sell()
    shell.live.configure("dry_run = false", "dry_run = true")
    assert shell("adopt", "--today", "2026-09-01", "--dry-run", "--json").document["dry_run"] is True
    assert shell.live.rows("SELECT count(*) FROM contracts") == [(0,)]
    assert "Nothing is receivable" in shell("adopt", "--today", "2026-09-01").out
    assert shell.live.rows("SELECT count(*) FROM contracts") == [(1,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--entity", "de"), "--entity: 'de' is unknown; there are: us, uk"),
        (("--through", "2026-08-31"), "--through: say with --entity whose contracts are meant"),
    ],
)
def test_adopt_says_what_is_wrong_with_its_options(shell: Shell, options: tuple[str, ...], said: str) -> None:
    ran = shell("adopt", *options)
    assert (ran.code, ran.err.splitlines()) == (2, [said])


# ------------------------------------------------------------------------------------------------------------- status


def test_status_says_how_each_connection_was_when_it_was_last_used(shell: Shell, live: Live) -> None:
    assert "xero_uk: not used yet" in shell("status").out
    with live.store() as store:
        now = app.LiveWorld(app.load_config(live.file)).now()
        runs.set_connection_state(store, "hubspot", "ok", "", now)
        runs.set_connection_state(store, "xero_uk", "paused", "used up", now, datetime(2026, 6, 2, tzinfo=UTC))
    ran = shell("status")
    assert ran.code == 3
    assert "hubspot: ok\n" in ran.out
    assert "xero_uk: paused until 2026-06-02 00:00 UTC: used up\n" in ran.out
    assert shell("status", "--json").document["connections"]["xero_uk"]["state"] == "paused"


def test_check_says_until_when_a_connection_is_paused_and_tries_the_others(shell: Shell, live: Live) -> None:
    headers = {"X-Rate-Limit-Problem": "day", "Retry-After": "7200"}
    live.fault("xero", "error_before", status=429, headers=headers, times=-1)
    ran = shell("check")
    assert ran.code == 3
    assert re.search(
        r"- connections.xero_uk: Xero's calls for the day are used up until .* UTC: its jobs wait", ran.out
    )
    assert "quickbooks_us: " in ran.out
    live.mend()
    assert "connections.xero_uk: xero_uk is paused until" in shell("check").out  # known to a process of its own
