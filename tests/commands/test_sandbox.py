"""What `netterms demo` leaves behind, and what it begins with."""

from __future__ import annotations

from pathlib import Path

from commands.sandbox import clear
from store.database import Store


def test_a_demo_begins_anew_where_another_one_left_its_store_and_all_that_lies_beside_it(tmp_path: Path) -> None:
    store = tmp_path / "demo.db"
    with Store(store):
        (tmp_path / "demo.db.locks").mkdir()
    (tmp_path / "demo.db.locks" / "one").touch()
    for name in ("demo.toml", "demo.head", "demo.db.quota", "config.toml"):
        (tmp_path / name).touch()
    clear(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == ["config.toml"]
    clear(tmp_path)
