"""The command line as the tests of its commands use it."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import commands
import terminal
from mappings import SHIPPED
from tests.worlds import TODAY, Live


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
        result = CliRunner().invoke(commands.main, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def sync(self, *words: str) -> Ran:
        return self("sync", "--today", TODAY.isoformat(), *words)


def own_mappings(live: Live, file: str, old: str, new: str) -> None:
    """Give the configuration a folder of mappings of its own, one of them changed."""
    folder = live.file.parent / "mappings"
    shutil.copytree(SHIPPED, folder, ignore=lambda _, names: [name for name in names if not name.endswith(".toml")])
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
