"""A sample of the scoreboard of faults (benchmarks/faults.py), and of the bugs that it must find."""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks import faults
from benchmarks.simulator import calls, stops, teeth
from benchmarks.simulator.company import Verdict
from benchmarks.simulator.rows import ROWS
from benchmarks.simulator.teeth import Tooth
from sync.outbox import Kind

ROOT = Path(__file__).resolve().parents[1]
# How many scenarios of each row are tried here; the long run (make faults) tries some thousands.
SAMPLE = {"F1": 3, "F2": 2, "F4": 2, "F5": 3, "F6": 2, "F7": 3, "F8": 2, "F9": 1, "F10": 3, "F11": 4, "F12": 1}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A job that fails on purpose says so in its result; its trace is of no use."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("key", SAMPLE)
def test_nothing_is_doubled_lost_or_a_cent_off(key: str) -> None:
    wrong = {name: verdict for name, run in ROWS[key][1](7, SAMPLE[key]) if not (verdict := run()).survived}
    assert wrong == {}


def test_every_kind_that_the_outbox_writes_is_tried_with_its_answer_lost() -> None:
    modules = [import_module(f"sync.{found.name}") for found in pkgutil.iter_modules([str(ROOT / "sync")])]
    written = {one.name for module in modules for one in vars(module).values() if isinstance(one, Kind)}
    assert sorted((*calls.KINDS, *calls.PAGE_KINDS)) == sorted(written)
    assert set(calls.WRITTEN_AGAIN) <= written


IN_DOUBT = [(vendor, kind) for vendor in calls.LEDGERS for kind in calls.LOOKED_FOR]
AT_ONCE = [("quickbooks", "on_account"), ("quickbooks", "refund"), ("xero", "on_account")]


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [one if one in AT_ONCE else pytest.param(*one, marks=pytest.mark.long) for one in IN_DOUBT],
    ids=" ".join,
)
def test_what_was_booked_and_is_not_found_at_once_is_there_once_when_its_key_is_long_forgotten(
    vendor: str, kind: str
) -> None:
    assert calls.lost(vendor, kind, at_look="nothing found yet").survived


@pytest.mark.long
@pytest.mark.parametrize(("call", "goes_on"), [(12, 0), (30, 0), (30, 12)])
def test_a_real_process_that_was_stopped_beyond_its_lease_changes_nothing_when_it_goes_on(
    call: int, goes_on: int
) -> None:
    assert stops.stopped_for_real(call, goes_on).survived


def test_there_are_at_least_twenty_planted_bugs() -> None:
    assert len({tooth.name for tooth in planted()}) >= 20


def planted() -> list[Tooth]:
    return teeth.teeth()


QUICK = (
    "sent before it is noted", "noted as done before it is sent", "sent again after a timeout",
    "adopted by its number alone", "deferred transaction", "the day of another zone", "float money",
    "lease without fence", "a plan that never comes again", "a mail that died is sent again",
    "applied beyond what is open", "money without a row of the trail", "voided lines billed again",
    "webhook answered before it is stored", "4xx tried again", "postings under way taken for typed money",
    "an edit overruled that nobody saw",
    "what never went out is forgotten after a restore", "a refresh token kept after its use",
    "a migration that commits in its middle", "rows that a migration leaves behind",
)  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught(name: str) -> None:
    (tooth,) = [one for one in planted() if one.name == name]
    assert teeth.passes(tooth.scenarios[0]), "its scenario fails without the bug"
    assert tooth.caught()


@pytest.mark.long
@pytest.mark.parametrize("name", [one.name for one in planted() if one.name not in QUICK])
def test_a_planted_bug_that_takes_long_to_show_is_caught(name: str) -> None:
    test_a_planted_bug_is_caught(name)


def test_a_row_that_does_not_survive_fails_the_scoreboard(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    lost = Verdict(lost=1)
    monkeypatch.setitem(ROWS, "F5", ("webhooks", lambda seed, count: iter([("one", lambda: lost)])))
    monkeypatch.setattr("sys.argv", ["faults.py", "--only", "F5"])
    assert faults.main() == 1
    assert "F5 seed 1: one: Verdict(duplicates=0, lost=1" in capsys.readouterr().out
