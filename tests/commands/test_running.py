"""Running the jobs: what a sync says, which exit code tells what, and how the connections were."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import app
from store import runs
from sync import map_terms
from tests.commands.shell import Shell
from tests.worlds import TODAY, Live

ROOT = Path(__file__).resolve().parents[2]


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
