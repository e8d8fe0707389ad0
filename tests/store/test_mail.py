"""Mails in the store: one row per document, step and recipient, and no way to commit to the same twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from store import audit, mail, runs
from store.database import IntegrityError, Store
from tests.store.build import ADA, NOW, contract, draft, issue


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "mail.db") as store:
        contract(store)
        issue(store, draft())
        yield store


def sending(store: Store, step: str = "invoice", to: str = "ap@a.example", name: str = "m1") -> None:
    with store.transaction():
        mail.mark_sending(store, [(1, step)], to, "netterms", name, NOW)


def states(store: Store) -> list[tuple[str, ...]]:
    return store.tuples("SELECT step, recipient, state FROM mails ORDER BY id")


@pytest.mark.parametrize("state", ["sending", "sent", "uncertain", "refused"])
def test_the_same_step_to_the_same_recipient_cannot_be_committed_to_twice(store: Store, state: mail.State) -> None:
    sending(store)
    with store.transaction():
        mail.settle(store, ADA, "m1", state, "")
    with pytest.raises(IntegrityError):
        sending(store, name="m2")
    sending(store, step="firm", name="m3")
    sending(store, to="other@a.example", name="m4")
    assert len(states(store)) == 3


def test_what_a_person_wants_again_may_be_committed_to_again(store: Store) -> None:
    sending(store)
    with store.transaction():
        mail.recover(store, ["invoice"])
        mail.decide(store, ADA, "m1", "again", "it is not in the log")
    sending(store)
    assert states(store) == [("invoice", "ap@a.example", "sending")]
    assert [entry.reason for entry in audit.entries(store, "document:1")][-1] == "it is not in the log"


def test_only_a_steps_own_job_calls_its_mails_uncertain(store: Store) -> None:
    sending(store)
    sending(store, "friendly", name="m2")
    assert mail.recover(store, ["friendly", "firm"]) == 1
    assert [state for _, _, state in states(store)] == ["sending", "uncertain"]


def test_a_withdrawn_mail_leaves_no_trace_and_one_that_went_out_cannot_be_withdrawn(store: Store) -> None:
    sending(store)
    mail.withdraw(store, "m1")
    assert states(store) == []
    sending(store)
    with store.transaction():
        mail.settle(store, ADA, "m1", "sent", "250 OK")
    mail.withdraw(store, "m1")
    assert states(store) == [("invoice", "ap@a.example", "sent")]


def test_a_delivery_stands_in_the_audit_trail_with_the_servers_words(store: Store) -> None:
    sending(store)
    with store.transaction():
        mail.settle(store, ADA, "m1", "sent", "250 queued as 7")
    entry = audit.entries(store, "document:1")[-1]
    assert entry.action == "delivered"
    assert "250 queued as 7" in str(entry.after)


def test_a_dispute_begins_and_ends_once(store: Store) -> None:
    with store.transaction():
        assert mail.dispute(store, ADA, 1, "wrong price")
        assert not mail.dispute(store, ADA, 1, "wrong price")
    assert mail.disputed(store) == {1}
    with store.transaction():
        assert mail.end_dispute(store, ADA, 1, "agreed")
        assert not mail.end_dispute(store, ADA, 1, "agreed")
    assert mail.disputed(store) == set()


# ------------------------------------------------------------------------------------------ when a ledger was read last


def ran(store: Store, minutes: int, outcome: runs.Outcome, *failed: str) -> None:
    at = NOW + timedelta(minutes=minutes)
    run = runs.start(store, "pull_ledger", "me", at)
    assert run is not None
    runs.finish(store, run, at + timedelta(seconds=50), outcome, {}, "", failed)


def minutes(store: Store, connection: str) -> float | None:
    at = runs.last_read(store, "pull_ledger", connection)
    return None if at is None else (at - NOW).total_seconds() / 60


def test_a_ledger_was_read_when_the_last_run_began_that_could_use_it(store: Store) -> None:
    assert minutes(store, "books") is None
    ran(store, 0, "done")
    ran(store, 10, "partly", "books_uk", "books_us")
    ran(store, 20, "failed")
    runs.start(store, "pull_ledger", "me", NOW + timedelta(minutes=30))
    assert (minutes(store, "books"), minutes(store, "books_uk"), minutes(store, "books_us")) == (10, 0, 0)


def test_a_partial_run_that_does_not_say_what_failed_counts_for_nothing(store: Store) -> None:
    ran(store, 0, "partly")
    assert minutes(store, "books") is None
