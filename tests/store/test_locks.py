"""Locks that end with their holder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from store import locks
from store.locks import Locks


def test_a_lock_is_held_by_one_at_a_time_also_within_a_process(path: Path) -> None:
    first, second = Locks(path), Locks(path)
    with first.hold("token books"):
        assert first.take("token books") is None
        assert second.take("token books") is None
    give_back = second.take("token books")
    assert give_back is not None
    give_back()


def test_locks_of_other_names_and_other_stores_are_others(path: Path, tmp_path: Path) -> None:
    with Locks(path).hold("token books"):
        assert Locks(path).take("token crm") is not None
        assert Locks(tmp_path / "elsewhere.db").take("token books") is not None


def test_a_lock_ends_with_an_error(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Locks(path).hold("x"):
        raise ZeroDivisionError
    assert Locks(path).take("x") is not None


def test_who_waits_for_a_lock_gets_it(path: Path) -> None:
    order: list[str] = []

    def wait() -> None:
        with Locks(path).hold("x"):
            order.append("second")

    with Locks(path).hold("x"):
        thread = threading.Thread(target=wait)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_nobody_waits_for_ever_for_who_does_not_give_a_lock_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.02)
    with Locks(path).hold("x"), pytest.raises(TimeoutError, match="'x'"), Locks(path).hold("x"):
        raise AssertionError("it is held twice")
    assert Locks(path).take("x") is not None


def test_what_a_lock_is_called_is_no_path(path: Path) -> None:
    with Locks(path).hold("../../v https://books.example/ a"):
        (file,) = path.with_name(f"{path.name}.locks").iterdir()
    assert file.read_bytes() == b""
