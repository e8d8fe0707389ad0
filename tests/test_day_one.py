"""Day one at a large company, as the benchmark measures it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.long
def test_2000_deals_on_old_books_take_the_fewest_writes_little_memory_and_no_429() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "day_one.py")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "missed" in done.stdout) == (0, False), done.stdout + done.stderr
