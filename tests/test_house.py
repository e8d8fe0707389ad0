"""The house: who may import whom, and what may stand where. Files are read, never run."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = "everything"

# Room -> which of our other rooms it may enter. Nobody else names config, so only app imports it.
HOUSE = {
    "billing": "",
    "mappings": "billing",
    "documents": "billing",
    "connectors": "billing",  # and of connectors only what all vendors share: never another vendor's file
    "store": "billing",
    "sync": "billing mappings documents store connectors.base connectors.errors",  # never a vendor's file
    "web": "sync store billing mappings documents connectors.base connectors.errors",  # never a vendor's file
    "config": "",
    "terminal": "billing store sync",
    "sandbox": "",  # nothing of the product
    "app": EVERYTHING,
    "commands": "app terminal sync store billing sandbox",  # what they work with is made by app
    "tests": EVERYTHING,
    "benchmarks": EVERYTHING,
}
SHARED_BY_VENDORS = ("base", "edits", "errors", "http", "oauth", "pace", "webhooks")

# Room -> the only packages of others it may use; rooms that are not named may use any that is not kept elsewhere.
PURE = {
    "billing": "msgspec rapidfuzz stdnum",
    "config": "msgspec",
    "terminal": "rich",
}

# A package of others -> the only places where it may appear. Tests and benchmarks may take what they need.
KEPT = {
    "stripe": "connectors.stripe",
    "hubspot": "connectors.hubspot",
    "quickbooks": "connectors.quickbooks",
    "intuitlib": "connectors.quickbooks",
    "xero_python": "connectors.xero",
    "requests": "connectors",
    "urllib3": "connectors",
    "flask": "web sandbox app",
    "apscheduler": "sync.scheduler",
    "sqlite_utils": "store",
    "sqlite3": "store",
    "pysqlite3": "store",
    "cryptography": "store",
    "rich": "terminal",
    "click": "commands",
    "importlib.import_module": "commands.__init__ connectors.__init__ sync.jobs",  # what a table names, when needed
}

FREE = ("tests", "benchmarks")

# Time and chance are arguments everywhere else.
NOT_REPEATABLE = (
    "datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today time.time time.time_ns"
    " time.monotonic time.perf_counter time.sleep uuid.uuid1 uuid.uuid4 os.urandom random secrets"
)
CHANCE_ALLOWED = "app commands connectors.http connectors.pace sandbox"

SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s.+\sAS\s*\("
    r"|(CREATE|DROP|ALTER)\s+(TABLE|INDEX|TRIGGER|VIEW|UNIQUE)\s|PRAGMA\s|BEGIN\s+IMMEDIATE)",
    re.IGNORECASE | re.DOTALL,
)
SQL_ALLOWED = "store sandbox tests benchmarks connectors.quickbooks"  # QuickBooks' query language looks like SQL

STARTED_LIGHT = "stripe hubspot quickbooks xero_python flask sqlite_utils msgspec requests rich"


class Module:
    """A Python file: its dotted name, what it imports, and the full names of what it uses of that."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.name = path.removesuffix(".py").replace("/", ".")
        self.room = self.name.split(".")[0]
        self.tree = ast.parse(source)
        self.nodes = list(ast.walk(self.tree))
        self.imports: list[tuple[int, str]] = []
        self._aliases: dict[str, str] = {}
        for node in self.nodes:
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.imports.append((node.lineno, alias.name))
                top = alias.name.split(".")[0]
                self._aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(self.name.split(".")[: -node.level]) if node.level else ""
            origin = ".".join(part for part in (origin, node.module) if part)
            for alias in node.names:
                self.imports.append((node.lineno, f"{origin}.{alias.name}"))
                self._aliases[alias.asname or alias.name] = f"{origin}.{alias.name}"

    def uses(self) -> Iterator[tuple[int, str]]:
        """Yield (line, full name) of every use of something imported, whatever it is called here."""
        for node in self.nodes:
            if isinstance(node, ast.Name | ast.Attribute) and (name := self._full(node)):
                yield node.lineno, name

    def _full(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self._aliases.get(node.id, "")
        if isinstance(node, ast.Attribute) and (base := self._full(node.value)):
            return f"{base}.{node.attr}"
        return ""

    def texts(self) -> Iterator[tuple[int, str]]:
        """Yield (line, text) of every string that is no docstring; of f-strings how they begin."""
        bare = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
                yield node.lineno, node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
                yield node.lineno, "".join(map(str, parts))


def within(name: str, places: str) -> bool:
    """Say whether a dotted name is one of ``places`` or lies in one."""
    return places == EVERYTHING or any(name == place or name.startswith(f"{place}.") for place in places.split())


# Each rule yields (line, what is wrong) of one module.


def enters_only_open_rooms(module: Module) -> Iterator[tuple[int, str]]:
    for line, name in module.imports:
        room = name.split(".")[0]
        if room in HOUSE and room != module.room and not within(name, HOUSE[module.room]):
            yield line, f"imports {name}"


def leaves_other_vendors_alone(module: Module) -> Iterator[tuple[int, str]]:
    own = module.name.split(".")[1] if module.room == "connectors" else ""
    for line, name in module.imports:
        if own and name.startswith("connectors.") and name.split(".")[1] not in (*SHARED_BY_VENDORS, own):
            yield line, f"imports {name}"


def uses_packages_where_they_are_kept(module: Module) -> Iterator[tuple[int, str]]:
    for line, name in module.imports:
        package = name.split(".")[0]
        foreign = package not in sys.stdlib_module_names and package not in HOUSE
        if foreign and module.room in PURE and not within(name, PURE[module.room]):
            yield line, f"imports {name}"
    closed = " ".join(package for package, places in KEPT.items() if not within(module.name, places))
    for line, name in {*module.imports, *module.uses()} if module.room not in FREE else ():
        if within(name, closed):
            yield line, f"uses {name}"


def imports_by_name_only(module: Module) -> Iterator[tuple[int, str]]:
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and (node.level or any(alias.name == "*" for alias in node.names)):
            yield node.lineno, "has a relative or starred import: write the full name"
        if isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval") and module.name != "tests.mutation":
            yield node.lineno, f"uses {node.id}"


def takes_time_and_chance_as_arguments(module: Module) -> Iterator[tuple[int, str]]:
    if not within(module.name, CHANCE_ALLOWED) and module.room not in FREE:
        yield from ((line, f"uses {name}") for line, name in module.uses() if within(name, NOT_REPEATABLE))


def leaves_sql_to_the_store(module: Module) -> Iterator[tuple[int, str]]:
    if not within(module.name, SQL_ALLOWED):
        yield from ((line, f"holds SQL: {text[:40]!r}") for line, text in module.texts() if SQL.match(text))


def says_what_it_is_for(module: Module) -> Iterator[tuple[int, str]]:
    if module.room != "tests" and not ast.get_docstring(module.tree):
        yield 1, "has no docstring"


def does_not_start_other_jobs(module: Module) -> Iterator[tuple[int, str]]:
    """The store is the only hand-off: a file of sync with ``run`` is a job, and jobs are found through the table."""
    for line, name in module.imports:
        job = within(name, "sync") and name.split(".")[1] in job_files()
        if job and (module.name.removeprefix("sync.") in job_files() or name.endswith(".run")):
            yield line, f"imports {name}"


@cache
def job_files() -> set[str]:
    return {path.stem for path in (ROOT / "sync").glob("*.py") if "\ndef run(" in path.read_text(encoding="utf-8")}


Rule = Callable[[Module], Iterator[tuple[int, str]]]
RULES: tuple[Rule, ...] = (
    enters_only_open_rooms,
    leaves_other_vendors_alone,
    uses_packages_where_they_are_kept,
    imports_by_name_only,
    takes_time_and_chance_as_arguments,
    leaves_sql_to_the_store,
    says_what_it_is_for,
    does_not_start_other_jobs,
)


def files() -> list[str]:
    """Return every file of the repository, committed or about to be; skip where git cannot say."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git does not know which files belong to the repository")
    return [path for path in listed if (ROOT / path).is_file()]


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return [Module(path, (ROOT / path).read_text(encoding="utf-8")) for path in files() if path.endswith(".py")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_to_the_house(rule: Rule, modules: list[Module]) -> None:
    assert [f"{module.path}:{line} {problem}" for module in modules for line, problem in rule(module)] == []


def test_every_file_stands_in_a_room_of_the_table(modules: list[Module]) -> None:
    assert {module.room for module in modules} - set(HOUSE) == set()


BAD = [
    (enters_only_open_rooms, "billing/x.py", "from store import database"),
    (enters_only_open_rooms, "mappings/x.py", "def f():\n    import store.cash"),
    (enters_only_open_rooms, "documents/x.py", "from sync.context import Context"),
    (enters_only_open_rooms, "connectors/stripe.py", "from store.tokens import Tokens"),
    (enters_only_open_rooms, "connectors/http.py", "import sync.run"),
    (enters_only_open_rooms, "store/x.py", "from connectors.errors import Retryable"),
    (enters_only_open_rooms, "sync/x.py", "from connectors.stripe import connect"),
    (enters_only_open_rooms, "sync/x.py", "from connectors import connect"),
    (enters_only_open_rooms, "sync/x.py", "if TYPE_CHECKING:\n    from web import create_app"),
    (enters_only_open_rooms, "web/x.py", "import connectors"),
    (enters_only_open_rooms, "web/x.py", "from config import Config"),
    (enters_only_open_rooms, "commands/x.py", "from config import load"),
    (enters_only_open_rooms, "commands/x.py", "def f():\n    from web import create_app"),
    (enters_only_open_rooms, "commands/x.py", "from connectors.stripe import connect"),
    (enters_only_open_rooms, "sync/x.py", "from commands.desk import person"),
    (enters_only_open_rooms, "config.py", "from billing.money import text"),
    (enters_only_open_rooms, "terminal.py", "import mappings.spec"),
    (enters_only_open_rooms, "sandbox/x.py", "from billing import money"),
    (enters_only_open_rooms, "sync/x.py", "import terminal"),
    (enters_only_open_rooms, "store/x.py", "from tests.conftest import NoWait"),
    (leaves_other_vendors_alone, "connectors/stripe.py", "from connectors.xero import wire"),
    (leaves_other_vendors_alone, "connectors/stripe.py", "from connectors import hubspot"),
    (leaves_other_vendors_alone, "connectors/http.py", "from connectors.stripe import connect"),
    (leaves_other_vendors_alone, "connectors/xero/wire.py", "import connectors.quickbooks.rows"),
    (uses_packages_where_they_are_kept, "connectors/hubspot.py", "import stripe"),
    (uses_packages_where_they_are_kept, "sync/x.py", "from xero_python.accounting import Invoice"),
    (uses_packages_where_they_are_kept, "store/x.py", "from flask import Flask"),
    (uses_packages_where_they_are_kept, "sync/run.py", "import apscheduler"),
    (uses_packages_where_they_are_kept, "web/x.py", "import sqlite3"),
    (uses_packages_where_they_are_kept, "sync/x.py", "import requests"),
    (uses_packages_where_they_are_kept, "sync/x.py", "from importlib import import_module"),
    (uses_packages_where_they_are_kept, "web/x.py", "import importlib\nimportlib.import_module(name)"),
    (uses_packages_where_they_are_kept, "billing/x.py", "import click"),
    (uses_packages_where_they_are_kept, "app.py", "import click"),
    (uses_packages_where_they_are_kept, "config.py", "import rapidfuzz"),
    (uses_packages_where_they_are_kept, "terminal.py", "import msgspec"),
    (imports_by_name_only, "billing/x.py", "from . import money"),
    (imports_by_name_only, "billing/x.py", "from billing.money import *"),
    (imports_by_name_only, "billing/x.py", "__import__('store')"),
    (takes_time_and_chance_as_arguments, "sync/x.py", "from datetime import datetime as d\nd.now()"),
    (takes_time_and_chance_as_arguments, "sync/x.py", "import datetime\ndatetime.date.today()"),
    (takes_time_and_chance_as_arguments, "store/x.py", "from datetime import datetime\nf(default=datetime.utcnow)"),
    (takes_time_and_chance_as_arguments, "billing/x.py", "import time\ntime.time()"),
    (takes_time_and_chance_as_arguments, "connectors/stripe.py", "from time import sleep as rest\nrest(1)"),
    (takes_time_and_chance_as_arguments, "sync/x.py", "import uuid\nuuid.uuid4().hex"),
    (takes_time_and_chance_as_arguments, "web/x.py", "from random import Random\nRandom()"),
    (leaves_sql_to_the_store, "sync/x.py", "q = 'SELECT id FROM documents'"),
    (leaves_sql_to_the_store, "web/x.py", "q = f'select {columns} from t'"),
    (leaves_sql_to_the_store, "app.py", "q = '  INSERT INTO t VALUES (1)'"),
    (leaves_sql_to_the_store, "web/x.py", "q = f'UPDATE {table} SET a=1'"),
    (leaves_sql_to_the_store, "connectors/xero/x.py", "f('DELETE FROM t')"),
    (leaves_sql_to_the_store, "app.py", "'''Docs.'''\ndef f(q='PRAGMA user_version'): ..."),
    (says_what_it_is_for, "billing/x.py", "import re"),
    (says_what_it_is_for, "documents/__init__.py", ""),
    (does_not_start_other_jobs, "sync/map_terms.py", "from sync.pull_deals import helper"),
    (does_not_start_other_jobs, "sync/run.py", "from sync.pull_deals import run"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BAD)
def test_a_breach_of_the_house_is_found(rule: Rule, path: str, source: str) -> None:
    assert [line for line, _ in rule(Module(path, source))] != []


FINE = [
    ("connectors/stripe.py", "'''D.'''\nimport stripe\nimport requests\nfrom connectors import base\nimport billing"),
    ("connectors/xero/wire.py", "'''D.'''\nfrom connectors.xero.client import Client\nimport xero_python"),
    ("sync/scheduler.py", "'''D.'''\nimport apscheduler\nfrom connectors.base import Crm\nfrom sync.jobs import JOBS"),
    ("sync/x.py", "'''SELECT a FROM b is what stands here.'''\nfrom datetime import datetime\ndatetime(2026, 1, 1)"),
    ("sync/x.py", "'''D.'''\nmessage = 'Select the invoices to send'\nnow = world.now()\nrandom = 1\nprint(random)"),
    ("connectors/quickbooks/x.py", "'''D.'''\nq = 'select * from Invoice'"),
    ("commands/x.py", "'''D.'''\nimport click\nimport terminal\nfrom app import LiveWorld\nfrom store import runs"),
    ("app.py", "'''D.'''\nfrom config import load\nimport terminal\nfrom datetime import datetime\ndatetime.now()"),
]


@pytest.mark.parametrize(("path", "source"), FINE)
def test_what_the_house_allows_is_not_reported(path: str, source: str) -> None:
    assert [problem for rule in RULES for problem in rule(Module(path, source))] == []


def test_each_table_is_written_by_one_module_of_the_store(modules: list[Module]) -> None:
    writers = defaultdict(set)
    for module in modules:
        if module.room == "store" and module.name not in ("store.schema", "store.dialect"):  # tables and triggers
            for node in module.nodes:
                for table in _written_tables(node):
                    writers[table].add(module.name)
    assert {"documents", "payments", "audit", "outbox"} <= set(writers)
    assert {table: found for table, found in writers.items() if len(found) > 1} == {}


def _written_tables(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.findall(r"(?:INSERT INTO|^UPDATE|DELETE FROM) (\w+)", node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "insert":
        return [str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)]
    return []


MACHINE = re.compile(r"(?<![\w.}])/(?:root|home|Users|tmp|work|mnt|private|var/folders)/[\w.]|(?i:[a-z]:\\users\\)")
PACKAGE_HOST = re.compile(r"(?i)\b(?:pypi|pythonhosted|npmjs|anaconda|jsdelivr|unpkg)\.(?:org|com|net)\b")
PACKAGE_INDEX = re.compile(
    r"(?i)--(?:extra-)?index-url|--find-links|--trusted-host|index_url\s*=|://(?!127\.0\.0\.1|localhost)"
)
INSTALLS = ("pyproject.toml", "requirements.in", "requirements.txt", "requirements-dev.in", "requirements-dev.txt")


def test_no_file_names_a_package_host_or_a_place_on_somebodys_machine() -> None:
    found = []
    for path in files():
        text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        found += [f"{path}: {match[0]}" for match in MACHINE.finditer(text) if path != "tests/test_house.py"]
        found += [f"{path}: {match[0]}" for match in PACKAGE_HOST.finditer(text)]
        if path in (*INSTALLS, "Makefile"):
            found += [f"{path}: {match[0]}" for match in PACKAGE_INDEX.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text", ["see /home/ada/x", "'/tmp/out.pdf'", "=/root/.venv", "C:\\Users\\ada", "(/work/checkout)"]
)
def test_a_place_on_a_machine_is_recognised(text: str) -> None:
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", ["#!/usr/bin/env bash", "/v3/companies/home/1", "{url}/work/1", "docs/tmp/x"])
def test_paths_of_an_address_or_of_the_repository_are_fine(text: str) -> None:
    assert not MACHINE.search(text)


def test_the_help_page_imports_nothing_heavy() -> None:
    names = STARTED_LIGHT.split()
    assert [name for name in names if importlib.util.find_spec(name) is None] == []
    code = (
        "import sys, commands\n"
        "try: commands.main(['--help'])\n"
        f"except SystemExit as end: print('code', end.code, *(n for n in {names} if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout
    assert done.stdout.splitlines()[-1] == "code 0"
