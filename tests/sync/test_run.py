"""Jobs stand by themselves: neither another job's failure, another connection's nor another process stops them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from store import deals, review, runs
from store.review import Finding
from sync import issue_invoices, map_terms
from sync.context import Context
from sync.jobs import JOBS, select
from sync.run import holder
from tests.worlds import DAILY, NOBODY, Bench, Live


def broken(context: Context) -> None:
    raise RuntimeError("no such thing")


UNREAD = "what it answered cannot be read (KeyError: 'UpdatedDateUTC'); the log says where"


def finding(subject: str) -> Finding:
    return Finding(code="odd", subject=subject, message=f"{subject} is odd", fix="look at it")


def job_that(monkeypatch: pytest.MonkeyPatch, act: Callable[[Context], Any]) -> None:
    """Let the job map_terms do something else."""
    monkeypatch.setattr(map_terms, "run", act)


# ------------------------------------------------------------------------------------------------------------- failures


def test_a_job_that_fails_says_so_and_the_others_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_that(monkeypatch, broken)
    bench.contract("A")
    results = bench.run("map_terms", "plan_invoices", "issue_invoices")
    assert {name: result.outcome for name, result in results.items()} == {
        "map_terms": "failed", "plan_invoices": "done", "issue_invoices": "done",
    }  # fmt: skip
    assert results["map_terms"].message == "RuntimeError: no such thing"
    assert list(bench.issued()) == ["UK-00001"]


def test_an_answer_that_nobody_foresaw_stops_only_its_connection(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(context: Context) -> None:
        for name in ("books_uk", "books_us"):
            with context.using(name):
                context.find(finding(name))
                if name == "books_uk":
                    json.loads("{}")["UpdatedDateUTC"]

    job_that(monkeypatch, read)
    result = bench.run("map_terms")["map_terms"]
    assert (result.outcome, result.failures) == ("partly", {"books_uk": UNREAD})
    assert [item.subject for item in bench.items()] == ["books_uk", "books_us"]


def test_every_run_is_recorded_with_what_it_did(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_that(monkeypatch, broken)
    bench.contract("A")
    bench.run("map_terms", "plan_invoices")
    assert bench.rows("SELECT job, outcome, tally, message, finished_at IS NULL FROM runs") == [
        ("map_terms", "failed", "{}", "RuntimeError: no such thing", 0),
        ("plan_invoices", "done", '{"drafts new or changed":1}', "", 0),
    ]


def test_a_failed_job_closes_nothing_it_found_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_that(monkeypatch, lambda context: context.find(finding("a")))
    bench.run("map_terms")
    job_that(monkeypatch, broken)
    bench.run("map_terms")
    assert [item.subject for item in bench.items()] == ["a"]


def test_a_run_that_could_not_see_everything_opens_items_and_closes_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def partly(context: Context) -> None:
        context.find(finding("b"))
        context.failures["books_uk"] = "it did not answer"

    job_that(monkeypatch, lambda context: context.find(finding("a")))
    bench.run("map_terms")
    job_that(monkeypatch, partly)
    result = bench.run("map_terms")["map_terms"]
    assert (result.outcome, result.opened, result.closed) == ("partly", 1, 0)
    assert result.message == "books_uk: it did not answer"
    assert [item.subject for item in bench.items()] == ["a", "b"]
    job_that(monkeypatch, lambda context: None)
    assert bench.run("map_terms")["map_terms"].closed == 2
    assert bench.items() == []


def test_items_of_one_job_are_not_closed_by_another(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_that(monkeypatch, lambda context: context.find(finding("a")))
    bench.run("map_terms", "plan_invoices")
    assert [item.subject for item in bench.items()] == ["a"]


def test_an_unknown_job_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown job mapterms; known are pull_deals, .*report"):
        select(("pull_deals", "mapterms"))


def test_jobs_run_in_the_order_of_the_table_however_they_are_named() -> None:
    assert [job.name for job in select(("report", "pull_deals"))] == ["pull_deals", "report"]
    assert [job.name for job in select(())] == [job.name for job in JOBS]


# ---------------------------------------------------------------------------------------------------------- connections


@pytest.mark.parametrize("vendor", ["hubspot", "stripe", "quickbooks", "xero"])
def test_a_connection_whose_token_is_refused_must_be_reconnected_and_the_others_go_on(live: Live, vendor: str) -> None:
    live.sell()
    live.sell("Acme Inc", deal_currency_code="USD")
    live.done("pull_deals")
    live.fault(vendor, "unauthorized", times=-1)
    results = live.sync()
    assert {result.outcome for result in results.values()} == {"done", "partly"}
    names = {name for result in results.values() for name in result.failures}
    assert {name.partition("_")[0] for name in names} == {vendor}
    with live.store() as store:
        states = {name: state.state for name, state in runs.connection_states(store).items()}
    assert {name for name, state in states.items() if state == "reconnect"} == names
    assert {state for name, state in states.items() if name not in names} == {"ok"}
    booked = {name: len(live.sandbox.vendors[name].state()["invoices"]) for name in ("quickbooks", "xero")}
    assert booked == {name: int(name != vendor) for name in booked}


def test_a_connection_heals_when_its_token_works_again_and_catches_up(live: Live) -> None:
    live.sell()
    live.fault("xero", "unauthorized", times=-1)
    live.sync()
    live.mend()
    live.done()
    with live.store() as store:
        assert {state.state for state in runs.connection_states(store).values()} == {"ok"}
    assert len(live.sandbox.vendors["xero"].state()["invoices"]) == 1


def test_the_state_says_since_when_a_connection_is_broken_and_not_when_it_was_last_tried(live: Live) -> None:
    live.fault("xero", "unauthorized", times=-1)
    live.sync("pull_ledger")
    before = live.rows("SELECT * FROM connections WHERE name='xero_uk'")
    live.move_to(live.today + timedelta(days=2))
    live.sync("pull_ledger")
    assert live.rows("SELECT * FROM connections WHERE name='xero_uk'") == before


def test_a_vendor_that_is_down_is_failing_and_asks_nobody_to_reconnect(bench: Bench) -> None:
    from connectors.errors import Retryable
    from tests.worlds import fail

    bench.uk.documents.acts = [fail(Retryable("503"))]
    bench.bill("A")
    bench.run("push_documents")
    assert bench.rows("SELECT state, message FROM connections WHERE name='books_uk'") == [("failing", "503")]


# --------------------------------------------------------------------------------------------------------------- leases


def lease(bench: Bench, job: str, who: str) -> None:
    with bench.store() as store:
        assert runs.start(store, job, who, bench.now()) is not None


def test_a_job_that_another_living_process_runs_is_busy_and_the_others_go_on(bench: Bench) -> None:
    bench.contract("A")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lease(bench, "plan_invoices", f"{socket.gethostname()}:{other.pid}")
        results = bench.run("plan_invoices", "report")
        other.communicate()
    assert results["plan_invoices"].outcome == "busy"
    assert results["report"].outcome == "done"
    assert bench.drafts() == []


def test_a_lease_of_a_process_that_is_dead_is_taken_over_at_once(bench: Bench) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        other.wait()
    lease(bench, "plan_invoices", f"{socket.gethostname()}:{other.pid}")
    assert bench.run("plan_invoices")["plan_invoices"].outcome == "done"
    assert bench.rows("SELECT outcome FROM runs ORDER BY id") == [("abandoned",), ("done",)]


def test_a_lease_of_another_machine_counts_until_it_has_lapsed(bench: Bench) -> None:
    lease(bench, "plan_invoices", "elsewhere:1")
    assert bench.run("plan_invoices")["plan_invoices"].outcome == "busy"
    bench.today += timedelta(days=1)
    assert bench.run("plan_invoices")["plan_invoices"].outcome == "done"


def test_a_job_that_was_taken_over_writes_nothing_any_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(context: Context) -> None:
        lease_of_another = "UPDATE runs SET outcome='abandoned' WHERE outcome IS NULL"
        with bench.store() as other:
            other.execute(lease_of_another)
        with context.store.transaction():
            review.record(context.store, NOBODY, "map_terms", [finding("late")], complete=True)

    job_that(monkeypatch, lose)
    result = bench.run("map_terms")["map_terms"]
    assert result.outcome == "failed"
    assert "taken this job over" in result.message
    assert bench.items() == []


def test_how_far_a_job_has_come_is_written_once_a_second_at_most(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    prolong = runs.prolong
    passed = timedelta()
    noon = bench.now()

    def works(context: Context) -> None:
        nonlocal passed
        for done in range(1, 9):
            passed += timedelta(seconds=0.4)
            context.progress(done, 8)

    def noting(store: Any, run: int, at: Any, done: int, total: int) -> None:
        told.append((done, total))
        prolong(store, run, at, done, total)

    monkeypatch.setattr(bench, "now", lambda: noon + passed)
    monkeypatch.setattr(runs, "prolong", noting)
    job_that(monkeypatch, works)
    assert bench.run("map_terms")["map_terms"].outcome == "done"
    assert told == [(3, 8), (6, 8)]
    with bench.store() as store:
        assert (runs.latest(store)["map_terms"].done, runs.latest(store)["map_terms"].total) == (6, 8)


def test_the_holder_names_machine_and_process() -> None:
    assert holder() == f"{socket.gethostname()}:{os.getpid()}"


# ---------------------------------------------------------------------------------------------------------- nothing new


def test_a_second_sync_at_once_writes_at_no_vendor_and_changes_nothing_in_the_store(tmp_path: Any) -> None:
    live = Live(tmp_path, deals=16)
    live.done()
    assert {row.entity for row in live.issued().values()} == {"us", "uk"}
    assert live.items("deal_not_mapped")
    writes, before = live.writes(), live.contents()
    assert sum(writes.values()) > 0
    results = live.done()
    assert not any(result.changed for result in results.values())
    assert live.writes() == writes
    assert live.contents() == before


def test_days_of_sales_and_payments_leave_nothing_to_do_for_a_second_sync(tmp_path: Any) -> None:
    live = Live(tmp_path, deals=16)
    live.done()
    for days in (20, 20):
        live.move_to(live.today + timedelta(days=days))
        live.done()
    assert live.rows("SELECT count(*) > 0 FROM applications") == [(1,)]
    writes, before = live.writes(), live.contents()
    assert not any(result.changed for result in live.done().values())
    assert live.writes() == writes
    assert live.contents() == before


# -------------------------------------------------------------------------------------------------------------- pulling


def test_a_pull_reads_only_what_changed_since_the_last_one(live: Live) -> None:
    deal = live.sell()
    live.sell("Other Ltd")
    assert live.done("pull_deals")["pull_deals"].tally == {"deals new or changed": 2}
    live.change_price(deal, "120")
    assert live.done("pull_deals")["pull_deals"].tally == {"deals new or changed": 1}
    assert live.done("pull_deals")["pull_deals"].changed is False


def test_a_pull_cut_off_half_way_is_finished_by_the_next_one(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.sell()

    def stop(*args: Any) -> int:
        raise RuntimeError("the power went out")

    with monkeypatch.context() as patched:
        patched.setattr(deals, "save_page", stop)
        assert live.sync("pull_deals")["pull_deals"].outcome == "failed"
    assert live.done("pull_deals")["pull_deals"].tally == {"deals new or changed": 1}


def test_a_mapping_that_asks_for_more_reads_every_deal_anew(live: Live) -> None:
    from mappings import SHIPPED

    live.sell()
    live.done("pull_deals")
    folder = live.file.parent / "mappings"
    folder.mkdir()
    for file in SHIPPED.glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        changed = text.replace('phone = { from = "company.phone" }', 'phone = { from = "contact.phone" }')
        (folder / file.name).write_text(changed, encoding="utf-8")
    before = live.sandbox.hubspot.calls.total()
    live.done("pull_deals")
    assert live.sandbox.hubspot.calls.total() > before
    assert len(live.rows("SELECT * FROM cursors WHERE connection='hubspot'")) == 2


def test_the_daily_steps_take_a_deal_all_the_way_into_the_books(live: Live) -> None:
    live.sell()
    live.done(*DAILY)
    (invoice,) = live.sandbox.vendors["xero"].state()["invoices"]
    assert (invoice["InvoiceNumber"], invoice["Total"], invoice["CurrencyCode"]) == ("UK-00001", 100, "GBP")


def test_issue_invoices_is_a_job_by_the_name_of_its_file() -> None:
    assert {job.name: job.load() for job in JOBS}["issue_invoices"] is issue_invoices.run
