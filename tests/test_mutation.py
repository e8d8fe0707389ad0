"""The tests of the billing engine notice nearly every small wrong edit of it, and the tool that says so works."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import mutation

ROOT = Path(__file__).resolve().parents[1]


PRICES = """
BASE = 10
TABLE = {"twice": lambda price: price * 2}


def price(seats: int) -> int:
    return BASE * seats


class Till:
    @property
    def open(self) -> bool:
        return len(TABLE) > 0
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A package of two modules: what one says was imported by the other long ago."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "prices.py").write_text(PRICES)
    (tmp_path / "shop" / "till.py").write_text("from shop.prices import BASE, TABLE, Till, price\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    yield importlib.import_module("shop.till")
    for name in ("shop", "shop.prices", "shop.till"):
        sys.modules.pop(name, None)


def mutants(module: str) -> dict[str, mutation.Mutant]:
    return {one.becomes: one for one in (mutation.mutant(*site) for site in mutation.sites(module))}


def test_a_mutant_is_one_change_and_says_which(shop):
    found = mutants("shop.prices")
    assert str(found["BASE + seats"]) == "shop/prices.py:7: BASE * seats  ->  BASE + seats   (return BASE * seats)"
    assert {"11", "9", "price + 2", "3", "len(TABLE) >= 0", "len(TABLE) <= 0", "return None"} <= found.keys()


@pytest.mark.parametrize(
    ("becomes", "ask", "before", "after"),
    [
        ("BASE + seats", lambda shop: shop.price(3), 30, 13),
        ("11", lambda shop: (shop.BASE, shop.price(3)), (10, 30), (11, 33)),
        ("price + 2", lambda shop: shop.TABLE["twice"](5), 10, 7),
        ("len(TABLE) <= 0", lambda shop: shop.Till().open, True, False),
    ],
)
def test_a_mutant_reaches_what_other_modules_imported_long_ago_and_only_in_its_process(
    shop, becomes, ask, before, after
):
    one = mutants("shop.prices")[becomes]
    pid = os.fork()
    if pid == 0:
        mutation.put_in(one)
        os._exit(0 if ask(shop) == after else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert ask(shop) == before


def test_every_kind_of_change_is_made_somewhere_and_types_and_errors_are_left_alone():
    source = (
        'def f(a: int = 1) -> "int | None":\n'
        "    if not a and a < 2:\n"
        '        raise ValueError("1 + 1")\n'
        "    return max(a, -3) + len([4][1:])\n"
    )
    tree = ast.parse(source)
    found = []
    silent = mutation.silent(tree)
    for number, node in enumerate(ast.walk(tree)):
        for index, _ in enumerate(mutation.edits(node)) if id(node) not in silent else ():
            copy = ast.parse(source)
            twin = [*ast.walk(copy)][number]
            taken = [*mutation.edits(twin)][index](twin)
            found.append(ast.unparse(taken or twin).splitlines()[0])
    assert {
        "not a or a < 2", "a", "a <= 2", "a >= 2", "min(a, -3)", "3", "max(a, -3) - len([4][1:])", ":", "return None",
        "if not (not a and a < 2):", "5", "2",
    } <= set(found)  # fmt: skip
    assert not any("ValueError" in one and "if" not in one for one in found)


def test_the_sample_is_the_same_every_time_and_from_every_module():
    first = mutation.chosen(mutation.SAMPLE, mutation.SEED)
    assert first == mutation.chosen(mutation.SAMPLE, mutation.SEED)
    assert first != mutation.chosen(mutation.SAMPLE, mutation.SEED + 1)
    assert len(set(first)) == mutation.SAMPLE >= 400
    assert {module for module, _, _ in first} == set(mutation.MODULES)


@pytest.mark.long
def test_nine_of_ten_mutants_are_killed():
    # a process of its own: pytest within pytest, forked hundreds of times
    script = (
        "from tests import mutation\n"
        "runner = mutation.run()\n"
        "killed = sum(one.killed for one in runner.results)\n"
        "print(killed, len(runner.results), len(runner.broken))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    killed, tried, broken = (int(word) for word in done.stdout.splitlines()[-1].split())
    assert broken == 0, done.stdout
    assert tried >= 400
    assert killed >= 0.9 * tried, done.stdout


@pytest.mark.long
def test_every_change_that_is_said_to_be_invisible_still_exists():
    modules = {module for module, *_ in mutation.EQUIVALENT}
    found = (mutation.mutant(*site) for module in modules for site in mutation.sites(module))
    assert set(mutation.EQUIVALENT) - {(one.module, one.within, one.was, one.becomes) for one in found} == set()
