"""F4 over real sockets: an answer that comes byte by byte, for longer than anybody waits."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import app
from benchmarks.simulator.company import Verdict
from connectors import http
from sandbox.core import Fault
from sandbox.server import Options, Running
from tests.test_whole_way import FIRST_DAY, differences

LONGEST = 0.5  # seconds that an answer may take here
PAUSE = 0.05  # seconds between two bytes


def dripped(vendor: str, method: str, path: str) -> Verdict:
    """The answers to the first two calls of a type drip; the next days they do not."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Running(Options(today=FIRST_DAY, deals=4, minute=0.06)) as running,
        patch.object(http, "LONGEST_ANSWER", LONGEST),
    ):
        config = Path(folder) / "config.toml"
        running.write_config(config)
        fault = Fault(vendor, "drip", method=method, path=path, times=2, seconds=PAUSE)
        running.sandbox.faults.ordered[:] = [fault]
        for days in (0, 3, 31, 32):
            today = FIRST_DAY + timedelta(days=days)
            running.sandbox.move_clock_safely(today)
            results, _ = app.run_jobs(app.load_config(config), today=today)
        wrong = differences(running, config)
        wrong += [f"{one.job}: {one.outcome} {one.message}" for one in results if one.outcome != "done"]
        return Verdict(wrong=wrong)
