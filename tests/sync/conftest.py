"""The two worlds of ``tests/worlds.py`` as fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds import Bench, Live


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """Freshly reset stand-ins without a deal, and an empty store."""
    return Live(tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two ledgers in memory, and an empty store."""
    return Bench(tmp_path)


@pytest.fixture(params=["uk", "us"])
def entity(request: pytest.FixtureRequest) -> str:
    """Each legal entity of ``live``, and so each ledger."""
    found: str = request.param
    return found
