"""What several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def specs() -> Path:
    """Return the folder of the vendors' published specifications, or skip where it is not there."""
    folder = SHARED / "specs"
    if not folder.is_dir():
        pytest.skip("the vendors' specifications (../shared/specs) are not on this machine")
    return folder


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
