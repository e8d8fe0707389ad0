"""Mutation testing of the billing engine without another tool: small wrong edits that the tests must notice.

A mutant is one change in the syntax tree of one module. The tests are imported and collected once; for each mutant the
process forks, the child gives the functions that are loaded already the mutant's code (nothing on disk changes) and
runs the tests until the first fails, those that noticed most so far first. A mutant is killed when a test fails, or
when it takes far longer or far more memory than the tests do.

    python -m tests.mutation [how many] [seed]      prints the survivors: file:line and the change
"""

from __future__ import annotations

import ast
import gc
import importlib
import os
import random
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from functools import _lru_cache_wrapper, partial
from operator import itemgetter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = tuple(
    f"billing.{name}"
    for name in (
        "periods", "prices", "kinds.recurring", "kinds.segments", "kinds.seats", "pricing", "kinds.tariff",
        "kinds.usage", "kinds.usage_rules", "kinds.metering", "plan", "invoicing", "differences", "passes.commitments",
        "steady",
    )
)  # fmt: skip
SEED, SAMPLE, CORES = 20260101, 440, 2
MEMORY = 3 * 2**30  # bytes that a child may take
_SURVIVED, _KILLED, _STALE = 0, 1, 2

# The quickest to fail stand first; what has nothing to do with these modules is left out.
TESTS = (
    "worked", "test_steady.py", "test_periods.py", "test_pricing.py", "test_prices.py", "kinds/test_recurring.py",
    "kinds/test_seats.py", "test_service.py", "kinds/test_usage.py", "kinds/test_retainer.py",
    "passes/test_commitments.py", "test_differences.py", "test_invoicing.py", "test_plan.py",
    "kinds/test_prepaid.py", "passes/test_holdback.py", "passes/test_contract_discounts.py",
    "passes/test_termination.py", "test_amendments.py", "test_credits.py", "test_explain.py", "test_properties.py",
    "test_oracle.py",
)  # fmt: skip

COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}

# Changes that no test can see, each with its reason: (module, the line, the code, what it becomes).
_SHORTER = "if line.until < before.until and amount < 0 and same_price:"
_LONGER = "if line.until > before.until and amount > 0 and same_price:"
_LATER = 'if line.kind in ("usage", "overage") and amount > 0:'
_TRUE_UP = "if short == 0 or (not one.true_up if short > 0 else one.overage_factor == 1):"
_KNOWN = "if used.keys() <= rules.tax_rates.keys():"
_ALL_OWED = "if not known or next(missing(owed, known.values(), _left(unknown, since)), None) is None:"
_PLAIN_ONLY = "return not terms.commitments and _only_committed(terms)"
_STEADY = "return agreed_on([UnitPrice(self._start, price)], discounts_of(terms, charge)), quantity"
_STEADY_CODE = f"return ({_STEADY.removeprefix('return ')})"
_LAST = 'LAST = 31  # clamping the 31st to the month\'s length is what "last" means'
_KIND = 'type="credit_note" if sign < 0 else "invoice",'
_EXACT = (
    "EXACT = Context(prec=400, rounding=ROUND_HALF_UP, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])"
)
_TWICE = "if amount < 0 <= line.amount and before + amount < 0:"
_ABOVE = "the check above it refuses the same"
_RUNNING = "running = since if since is None or lead is None else since + lead"
_STEPS = "if any(begins < step.starts_on < until for step in self._charge.steps if step.price is not None):"
_AVERAGE = "return Decimal(average if quantity > 0 else -average).scaleb(-4 - exponent(currency))"
_SLOWER = "the same by a longer way"
_NEVER_ZERO = "a difference to what was billed is never 0"
EQUIVALENT: dict[tuple[str, str, str, str], str] = {
    ("billing.differences", _SHORTER, "amount < 0", "amount <= 0"): _NEVER_ZERO,
    ("billing.differences", _SHORTER, "0", "1"): _NEVER_ZERO,
    ("billing.differences", _LONGER, "amount > 0", "amount >= 0"): _NEVER_ZERO,
    ("billing.differences", _LONGER, "0", "-1"): _NEVER_ZERO,
    ("billing.differences", _LATER, "amount > 0", "amount >= 0"): _NEVER_ZERO,
    ("billing.differences", _LATER, "0", "-1"): _NEVER_ZERO,
    (
        "billing.invoicing",
        _KNOWN,
        "used.keys() <= rules.tax_rates.keys()",
        "used.keys() < rules.tax_rates.keys()",
    ): _SLOWER,
    ("billing.invoicing", _ALL_OWED, _ALL_OWED[3:-1], _ALL_OWED[3:-1].replace(" or ", " and ")): _SLOWER,
    ("billing.plan", _PLAIN_ONLY, _PLAIN_ONLY, "return None"): _SLOWER,
    ("billing.kinds.recurring", _STEADY, _STEADY_CODE, "return None"): _SLOWER,
    ("billing.plan", '_MOST_DAYS = {"day": 1, "week": 7, "month": 31}', "7", "8"): _SLOWER,
    ("billing.plan", '_MOST_DAYS = {"day": 1, "week": 7, "month": 31}', "31", "32"): _SLOWER,
    ("billing.periods", _LAST, "31", "32"): "the day is clamped to the month's length",
    ("billing.invoicing", _KIND, "sign < 0", "sign <= 0"): "a sign is never 0",
    ("billing.invoicing", "if sign < 0:", "sign < 0", "sign <= 0"): "a sign is never 0",
    ("billing.prices", "first=0 if escalator and escalator.first_on else 1,", "1", "0"): "no rise on the first day",
    ("billing.pricing", _EXACT, "400", "399"): "far more digits than any price has",
    ("billing.pricing", _EXACT, "400", "401"): "far more digits than any price has",
    ("billing.differences", _TWICE, "amount < 0 <= line.amount", "amount < 0 < line.amount"): _ABOVE,
    ("billing.differences", _TWICE, "amount < 0 <= line.amount", "amount <= 0 <= line.amount"): _ABOVE,
    ("billing.differences", _TWICE, "0", "1"): _ABOVE,
    ("billing.differences", _TWICE, "0", "-1"): _ABOVE,
    (
        "billing.kinds.recurring",
        "if day < first.until:",
        "day < first.until",
        "day <= first.until",
    ): "both ways meet there",
    ("billing.kinds.recurring", _RUNNING, "since + lead", "since - lead"): _SLOWER,
    ("billing.kinds.recurring", _STEPS, "begins < step.starts_on < until", "begins <= step.starts_on < until"): _SLOWER,
    ("billing.kinds.usage", "return pieces[0].price", "0", "-1"): "it is the only one",
    ("billing.kinds.usage", _AVERAGE, "quantity > 0", "quantity >= 0"): "nothing used is left before",
    ("billing.passes.commitments", _TRUE_UP, "short > 0", "short >= 0"): "0 is left before",
    ("billing.passes.commitments", "if short > 0:", "short > 0", "short >= 0"): "0 is left before",
}

Site = tuple[str, int, int]  # module, number of the node in its tree, number of the edit
Edit = Callable[[Any], Any]  # changes a node, or returns what takes its place


class Mutant(NamedTuple):
    """One change of one module: where, what it was, what it becomes, and the module's code with it."""

    module: str
    line: int
    was: str
    becomes: str
    within: str  # the line of source it stands in
    code: CodeType

    def __str__(self) -> str:
        return f"{self.module.replace('.', '/')}.py:{self.line}: {self.was}  ->  {self.becomes}   ({self.within})"


class Result(NamedTuple):
    """What became of a mutant; ``by`` is the test that noticed it, or why it was stopped."""

    mutant: Mutant
    killed: bool
    by: str
    seconds: float


# ------------------------------------------------------------------------------------------------------- making mutants


def edits(node: ast.AST) -> Iterator[Edit]:
    """Yield every small wrong edit of one node."""
    if isinstance(node, ast.Compare):
        for index, op in enumerate(node.ops):
            for other in COMPARE[type(op)]:
                yield _swap(index, other)
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in ARITHMETIC:
        yield lambda one: setattr(one, "op", ARITHMETIC[type(one.op)]())
    elif isinstance(node, ast.BoolOp):
        yield lambda one: setattr(one, "op", ast.Or() if isinstance(one.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield lambda one: one.operand
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield lambda one: setattr(one, "test", ast.UnaryOp(ast.Not(), one.test))
    elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Constant | None):
        yield lambda one: setattr(one, "value", ast.Constant(None))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        yield lambda one: setattr(one.func, "id", "max" if one.func.id == "min" else "min")
    elif isinstance(node, ast.Slice):
        for name in ("lower", "upper"):
            if getattr(node, name) is not None:
                yield _drop(name)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)


def _swap(index: int, other: type[ast.cmpop]) -> Edit:
    return lambda one: one.ops.__setitem__(index, other())


def _drop(name: str) -> Edit:
    return lambda one: setattr(one, name, None)


def _constants(node: ast.Constant) -> Iterator[Edit]:
    if isinstance(node.value, bool):
        yield lambda one: setattr(one, "value", not one.value)
    elif isinstance(node.value, int):
        yield lambda one: setattr(one, "value", one.value + 1)
        yield lambda one: setattr(one, "value", one.value - 1)


def silent(tree: ast.Module) -> set[int]:
    """Return the ids of nodes that do nothing at run time or are for people only: types, fields, wording of errors."""
    found: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            parts = [node.returns, *node.decorator_list, *arguments.defaults, *arguments.kw_defaults]
            parts += [one.annotation for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.ClassDef):
            parts = [one for one in node.body if not isinstance(one, ast.FunctionDef)]
        elif isinstance(node, ast.Raise | ast.JoinedStr) or _for_types_only(node):
            parts = [node]
        found.update(id(inner) for part in parts if part is not None for inner in ast.walk(part))
    return found


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def sites(module: str) -> list[Site]:
    """Return where a module can be changed."""
    tree = ast.parse(_source(module).read_text())
    quiet = silent(tree)
    return [
        (module, number, edit)
        for number, node in enumerate(ast.walk(tree))
        if id(node) not in quiet
        for edit, _ in enumerate(edits(node))
    ]


def mutant(module: str, number: int, edit: int) -> Mutant:
    """Return one mutant of a module."""
    source = _source(module).read_text()
    tree = ast.parse(source)
    node = [*ast.walk(tree)][number]
    was = ast.unparse(node)
    taken = [*edits(node)][edit](node)
    if taken is not None:
        tree = _Put(node, taken).visit(tree)
    code = compile(ast.fix_missing_locations(tree), str(_source(module)), "exec", dont_inherit=True)
    line = getattr(node, "lineno", 1)
    within = source.splitlines()[line - 1].strip()
    return Mutant(module, line, _first_line(was), _first_line(ast.unparse(taken or node)), within, code)


def chosen(count: int, seed: int) -> list[Site]:
    """Return so many places of all modules, always the same ones for a seed and a source."""
    found = [site for module in MODULES for site in sites(module)]
    return sorted(random.Random(seed).sample(found, min(count, len(found))))


def sample(count: int, seed: int) -> list[Mutant]:
    """Return the mutants of the chosen places, without those that no test can see."""
    mutants = [mutant(*site) for site in chosen(count, seed)]
    return [one for one in mutants if (one.module, one.within, one.was, one.becomes) not in EQUIVALENT]


class _Put(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        """Put the new node where the old one stood."""
        return self._new if node is self._old else super().visit(node)


def _source(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _first_line(code: str) -> str:
    return code.splitlines()[0][:150]


# ------------------------------------------------------------------------------------------- putting a mutant to work


def put_in(one: Mutant) -> bool:
    """Give the loaded module the mutant's code: its functions in place, its plain constants wherever they went.

    Returns whether anything is different now; it is not when the source was edited after it was loaded.
    """
    loaded, changed = importlib.import_module(one.module), False
    codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(one.code)}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__module__ == loaded.__name__:
            new = codes.get((thing.__code__.co_qualname, thing.__code__.co_firstlineno))
            if new is not None and len(new.co_freevars) == len(thing.__code__.co_freevars):
                changed |= thing.__code__ != new
                thing.__code__ = new
        elif isinstance(thing, _lru_cache_wrapper):
            thing.cache_clear()
    return _put_constants(one, loaded) or changed


def _codes(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _codes(inner)


_PLAIN = (int, str, tuple, frozenset, dict, timedelta, Decimal, itemgetter)


def _is_changed(value: object, was: object) -> bool:
    """Whether a constant differs; tables of functions are other objects each time, and their functions are put in."""
    return repr(value) != repr(was) and " at 0x" not in repr(value)


def _put_constants(one: Mutant, loaded: ModuleType) -> bool:
    changed = False
    package = loaded.__name__.partition(".")[0]
    fresh = ModuleType(loaded.__name__)
    fresh.__file__ = loaded.__file__
    exec(one.code, fresh.__dict__)
    for name, value in vars(fresh).items():
        was = vars(loaded).get(name)
        if isinstance(value, _PLAIN) and _is_changed(value, was) and not name.startswith("__"):
            private = name.startswith("_")
            for module in [loaded] if private else [*sys.modules.values()]:
                if getattr(module, "__name__", "").startswith(package) and vars(module).get(name) == was:
                    setattr(module, name, value)
                    changed = True
    return changed


class Runner:
    """A pytest plugin: takes over once the tests are collected, and tries one mutant after another on them."""

    def __init__(self, mutants: Sequence[Mutant], tell: Callable[[str], None]) -> None:
        self._mutants, self.tell = mutants, tell
        self._kills: dict[str, Counter[str]] = defaultdict(Counter)
        self._pipe = -1
        self.results: list[Result] = []
        self.broken: list[str] = []
        self.seconds = 0.0  # what the tests take unchanged

    def pytest_configure(self) -> None:
        """Let hypothesis stop at the first example that fails, without looking for a smaller one."""
        from hypothesis import Phase, settings  # pytest wants to see its plugins before anybody imports them

        settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None)
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every mutant on the collected tests, instead of running them once."""
        if session.testsfailed:
            raise session.Interrupted("not all tests could be collected")
        gc.disable()  # in the children: a look at everything would copy everything
        items = self._passing(session.items)
        limit = max(20.0, 4 * self.seconds)
        waiting, running = list(reversed(self._mutants)), dict[int, tuple[Mutant, int, float]]()
        while waiting or running:
            while waiting and len(running) < CORES:
                one = waiting.pop()
                pid, pipe = self._start(self._ordered(items, one.module), one, limit)
                running[pid] = one, pipe, time.monotonic()
            self._reap(running, limit)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In a child: the first failing test ends it."""
        if report.failed and self._pipe >= 0:
            os.write(self._pipe, report.nodeid.encode()[:3000])
            os._exit(_KILLED)

    def _passing(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Return the tests that pass on the engine as it is; the others would kill everything."""
        found = list(items)
        while True:
            started = time.monotonic()
            pid, pipe = self._start(found, None, 3600)
            status = os.waitpid(pid, 0)[1]
            by = _read(pipe)
            self.seconds = time.monotonic() - started
            if os.waitstatus_to_exitcode(status) == _SURVIVED:
                return found
            if not by:
                raise RuntimeError(f"the tests end with status {status} on the engine as it is")
            self.broken.append(by)
            self.tell(f"fails already: {by}")
            found = [item for item in found if item.nodeid != by]

    def _ordered(self, items: Sequence[pytest.Item], module: str) -> list[pytest.Item]:
        kills = self._kills[module]
        return sorted(items, key=lambda item: -kills[item.nodeid])

    def _start(self, items: Sequence[pytest.Item], one: Mutant | None, limit: float) -> tuple[int, int]:
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write)
            return pid, read
        try:
            os.close(read)
            self._child(items, one, limit, write)
        except BaseException as error:  # a mutant may break anything, the test runner included
            with suppress(OSError):
                os.write(write, repr(error).encode()[:3000])
            os._exit(_KILLED)
        os._exit(_SURVIVED)

    def _child(self, items: Sequence[pytest.Item], one: Mutant | None, limit: float, write: int) -> None:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
        self._pipe = write
        if one is not None and not put_in(one):
            os._exit(_STALE)
        for index, item in enumerate(items):
            following = items[index + 1] if index + 1 < len(items) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _reap(self, running: dict[int, tuple[Mutant, int, float]], limit: float) -> None:
        time.sleep(0.01)
        for pid, (one, pipe, started) in [*running.items()]:
            seconds = time.monotonic() - started
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and seconds > 3 * limit:  # its processor time is bounded already; this is for one that waits
                os.kill(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0)
            if done:
                del running[pid]
                self._take(one, status, _read(pipe), seconds)

    def _take(self, one: Mutant, status: int, by: str, seconds: float) -> None:
        ended = os.waitstatus_to_exitcode(status)
        killed = ended not in (_SURVIVED, _STALE)
        if killed and by:
            self._kills[one.module][by] += 1
        self.results.append(Result(one, killed, by or "took too long", seconds))
        if not killed:
            self.tell(f"{'survived' if ended == _SURVIVED else 'could not be put in'}: {one}")


def _read(pipe: int) -> str:
    with os.fdopen(pipe, "rb") as file:
        return file.read().decode(errors="replace")


def run(count: int = SAMPLE, seed: int = SEED, tell: Callable[[str], None] | None = None) -> Runner:
    """Try a sample of mutants on the fast billing tests; the runner holds the results."""
    runner = Runner(sample(count, seed), tell or partial(print, flush=True))
    files = [str(path) for name in TESTS if (path := ROOT / "tests" / "billing" / name).exists()]
    options = ["-qq", "-m", "not long", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=no"]
    status = pytest.main([*options, *files], plugins=[runner])
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the tests could not be collected: {status!r}")
    return runner


def main() -> None:
    """Print what survived and how many of each module were killed."""
    count, seed = ([int(argument) for argument in sys.argv[1:]] + [SAMPLE, SEED][len(sys.argv) - 1 :])[:2]
    started = time.monotonic()
    runner = run(count, seed)
    for module in MODULES:
        of = [one for one in runner.results if one.mutant.module == module]
        runner.tell(f"{module}: {sum(one.killed for one in of)} of {len(of)} killed")
    killed, tried = sum(one.killed for one in runner.results), len(runner.results)
    runner.tell(f"{killed} of {tried} killed in {time.monotonic() - started:.0f} s")
    runner.tell(f"the tests take {runner.seconds:.0f} s")


if __name__ == "__main__":
    main()
