"""What several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store import dialect, schema

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def specs() -> Path:
    """Return the folder of the vendors' published specifications, or skip where it is not there."""
    folder = SHARED / "specs"
    if not folder.is_dir():
        pytest.skip("the vendors' specifications (../shared/specs) are not on this machine")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _new_stores_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make every new store from one that the migrations made: they take longer than many a test.

    Not where a test has put something else in place of the migrations.
    """
    made = dialect.connect(tmp_path_factory.mktemp("store") / "new.db")
    migrate, script = schema.migrate, schema._script
    migrate(made)

    def copied(connection: Any) -> None:
        is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if is_new and schema._script is script:
            made.backup(connection)
        migrate(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "migrate", copied)
        yield
    made.close()


class NoWait:
    """A clock whose sleeping costs no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FixedToken:
    """Credentials that know one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def access_token(self) -> str:
        return self.token

    def rejected(self, token: str) -> str:
        from connectors.errors import AuthExpired

        raise AuthExpired("the token was refused")
