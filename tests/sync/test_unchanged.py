"""Steps that are not done again: only while everything they read is as it was, and what they found stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from store import schema, steps
from store.database import Store
from store.review import Finding
from sync import unchanged
from sync.context import Context
from sync.jobs import JOBS
from sync.unchanged import unless_same
from tests.worlds import TODAY, Bench, Live

READ = ("deals", "answers")
FOUND = Finding(code="odd", subject="deal:1", message="odd", fix="mend it")


class Steps:
    """A step of a job that finds one thing; how often it was done."""

    def __init__(self, bench: Bench, store: Store) -> None:
        self.bench, self.store, self.done = bench, store, 0
        self.effect: Callable[[Context], None] = lambda context: None
        self.is_ours: bool | None = None

    def run(self, used: object = None, job: str = "map_terms") -> list[Finding]:
        """Run the job; return what it found."""
        context = Context(self.store, self.bench, job, lambda done, total: None)

        def do() -> bool | None:
            self.done += 1
            context.find(FOUND)
            self.effect(context)
            return self.is_ours

        unless_same(context, "step", READ, used, do)
        return context.findings


@pytest.fixture
def step(bench: Bench) -> Iterator[Steps]:
    with bench.store() as store:
        yield Steps(bench, store)


def write(store: Store, sql: str = "INSERT INTO answers (question, answer) VALUES ('q', 'a')") -> None:
    store.execute(sql)


def test_a_step_is_not_done_again_and_what_it_found_still_stands(step: Steps) -> None:
    assert [step.run(), step.run(), step.run()] == [[FOUND]] * 3
    assert step.done == 1


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO answers (question, answer) VALUES ('new', 'a')",
        "UPDATE answers SET answer='other'",
        "DELETE FROM answers",
    ],
)
def test_it_is_done_again_once_an_input_changed_in_any_way(step: Steps, sql: str) -> None:
    write(step.store)
    step.run()
    write(step.store, sql)
    step.run()
    step.run()
    assert step.done == 2


def test_what_it_does_not_read_does_not_matter(step: Steps) -> None:
    step.run()
    write(step.store, "INSERT INTO disputes (document_id, reason, at) SELECT id, '', '' FROM documents")
    write(step.store, "INSERT INTO written_back (connection, object_type, object_id, digest) VALUES ('', '', '', '')")
    step.run()
    assert step.done == 1


def test_another_configuration_another_day_and_another_program_do_it_again(
    step: Steps, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.run(used="one")
    step.run(used="other")
    assert step.done == 2
    bench.today += timedelta(days=1)
    step.run(used="other")
    assert step.done == 3
    monkeypatch.setattr(unchanged, "_program", lambda: "a newer release")
    step.run(used="other")
    assert step.done == 4


def test_a_step_that_changed_one_of_its_inputs_is_done_until_it_changes_none(step: Steps) -> None:
    step.effect = lambda context: write(context.store)
    step.run()
    step.effect = lambda context: None
    step.run()
    step.run()
    assert step.done == 2


def test_a_step_that_fails_or_misses_a_connection_is_done_again(step: Steps) -> None:
    def fail(context: Context) -> None:
        raise OSError("no")

    step.effect = fail
    with pytest.raises(OSError, match="no"):
        step.run()
    step.effect = lambda context: context.failures.update(books="down")
    step.run()
    step.effect = lambda context: None
    step.run()
    assert step.done == 3


def test_what_a_vendor_refused_is_tried_again(step: Steps) -> None:
    step.is_ours = False
    step.run()
    step.run()
    assert step.done == 2


def test_each_job_keeps_its_own(step: Steps) -> None:
    step.run()
    step.run(job="pull_ledger")
    assert step.done == 2


def test_an_input_that_nobody_counts_is_refused(step: Steps) -> None:
    with pytest.raises(KeyError):
        steps.counted(step.store, ["weather"])


# ------------------------------------------------------------------------------------------------------- the real jobs

KEPT_WITH = {  # tables that change only together with one that is counted
    "lines": "documents",
    "contract_versions": "contracts",
    "restores": "",  # a new one is another derivation
}
OURS = {"counters", "steps", "runs", "connections", "cursors", "audit", "sqlite_master"}


@contextmanager
def watched(store: Store) -> Iterator[set[str]]:
    """Note the tables that are read."""
    read: set[str] = set()

    def look(action: int, table: Any, column: Any, *_: Any) -> int:
        if action == 20:  # SQLITE_READ
            read.add(str(table))
        return 0

    store._connection.set_authorizer(look)
    try:
        yield read
    finally:
        store._connection.set_authorizer(None)


@pytest.fixture
def lived(live: Live) -> Live:
    """A company with an invoice that is paid, one that is not, and somebody else's in the books."""
    live.sell("Northwind Ltd")
    live.sell("Contoso Inc", deal_currency_code="USD")
    live.done()
    (number,) = (name for name in live.issued() if name.startswith("UK"))
    live.pay(100_00, number)
    live.move_to(TODAY + timedelta(days=1))
    live.done()
    live.done()
    return live


def test_no_job_reads_what_its_steps_do_not_say(lived: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {name: set(schema.INPUTS[name]) for name in schema.INPUTS}
    hidden: dict[str, set[str]] = {}

    def always(context: Context, step: str, inputs: Any, used: object, do: Callable[[], bool | None]) -> None:
        with watched(context.store) as read:
            do()
        known = set().union(*(tables[name] for name in inputs)) | OURS
        known |= {table for table, beside in KEPT_WITH.items() if not beside or beside in known}
        hidden[f"{context.job} {step}"] = read - known

    for job in JOBS:
        module = job.load().__globals__
        if "unless_same" in module:
            monkeypatch.setitem(module, "unless_same", always)
    monkeypatch.setattr("sync.books.unless_same", always)
    lived.done()
    assert len(hidden) > 6
    assert {name: found for name, found in hidden.items() if found} == {}


def test_every_change_of_a_row_of_an_input_counts(lived: Live) -> None:
    with lived.store() as store:
        for name, counted in schema.INPUTS.items():
            for table, rows in counted.items():
                held = f" WHERE {rows}" if rows else ""
                column = {"documents": "status"}.get(table) or store.table(f"SELECT * FROM {table} LIMIT 0")[0][0]
                (before,) = steps.counted(store, [name])
                changed = store.execute(f"UPDATE {table} SET {column}={column}{held}")
                assert steps.counted(store, [name]) == [before + changed]


def test_what_people_do_in_the_books_is_seen_after_any_number_of_quiet_syncs(lived: Live) -> None:
    (number,) = (name for name in lived.issued() if name.startswith("UK"))
    lived.done()
    (document,) = lived.xero("GET", f"Invoices?InvoiceNumbers={number}")["Invoices"]
    payment = document["Payments"][0]["PaymentID"]
    lived.xero("POST", f"Payments/{payment}", {"Status": "DELETED"})
    lived.done()
    assert [item.subject for item in lived.items("posting_removed")]


def test_an_item_that_was_closed_by_mistake_opens_again(lived: Live) -> None:
    lived.pay(55_00, "nobody knows what for")
    lived.done()
    lived.done()
    item = lived.item("unapplied_cash")
    with lived.store() as store, store.transaction():
        store.execute("UPDATE reviews SET state='closed' WHERE id=?", item.id)
    lived.done("match_payments")
    assert lived.item("unapplied_cash").id == item.id


def test_a_new_day_is_looked_at(lived: Live) -> None:
    lived.move_to(date(2026, 10, 20))
    before = lived.done("write_back")["write_back"].tally
    assert before.get("deals told"), "what was open is overdue now"
