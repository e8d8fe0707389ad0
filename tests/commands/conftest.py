"""What the tests of the commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.shell import Shell
from tests.worlds import Live


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(Live(tmp_path), monkeypatch)


@pytest.fixture
def live(shell: Shell) -> Live:
    return shell.live


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
