"""The invoicing run: 100,000 contracts with 24 months of history, read, worked out and written as drafts.

Beside it, in the same run, stands the floor: a plain loop over the simplest kind of contract with integer arithmetic
and raw executemany, which reads its contracts too and writes as durably. The contracts are a mix: recurring charges,
seats that were added, graduated usage, ramps, and a yearly commitment; about three lines each. 23 months are invoiced
and settled, the 24th is due.

Printed are: the run against the floor; 36 months of history against one; the same run again with nothing due; peak
memory at two sizes. Every measured step is a process of its own. `--contracts 10000` makes it short.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from billing.facts import Facts, UsageRecord  # noqa: E402  # found from the line above, wherever this is started
from billing.periods import anchored  # noqa: E402
from billing.plan import plan  # noqa: E402
from billing.terms import Terms  # noqa: E402
from store import dialect  # noqa: E402
from store.database import Store, to_json  # noqa: E402

CONTRACTS, MONTHS = 100_000, 24
DUE = date(2026, 11, 1)  # the first day of the month to be invoiced
MOST_FLOOR, MOST_HISTORY, MOST_IDLE, MOST_MEMORY = 8.0, 2.0, 0.05, 1.25
BATCH = 1000
SHAPES = 5


# ------------------------------------------------------------------------------------------------------- the contracts


def terms(shape: int, months: int) -> Terms:
    """Return the terms of one shape of contract that has run for so many months by the day after ``DUE``."""
    starts = anchored(DUE.year * 12 + DUE.month - months, 1)
    fee = {"type": "recurring", "key": "fee", "description": "Platform fee", "price": PRICE}
    care = {
        "type": "recurring",
        "key": "care",
        "description": "Support",
        "price": "310.50",
        "discounts": [{"percent": 5}],
    }
    seats = {"type": "recurring", "key": "seats", "description": "Seats", "price": "49.00", "quantity": 25}
    calls = {
        "type": "usage", "key": "calls", "description": "Calls", "model": "graduated",
        "tiers": [{"up_to": 1000, "price": "0.10"}, {"up_to": 5000, "price": "0.08"}, {"price": "0.05"}],
    }  # fmt: skip
    later = anchored(starts.year * 12 + starts.month + 5, 1).isoformat()
    ramp = [
        {"starts_on": anchored(starts.year * 12 + starts.month - 1 + 12 * n, 1).isoformat(), "price": 40 + n}
        for n in (1, 2)
    ]
    shapes: list[dict[str, Any]] = [
        {"charges": [fee, care, {**seats, "key": "users", "quantity": 3}]},
        {"charges": [fee, care, {**seats, "steps": [{"starts_on": later, "quantity": 40}]}]},
        {"charges": [fee, care, calls]},
        {"charges": [fee, care, {**seats, "steps": ramp}]},
        {
            "charges": [fee, seats, calls],
            "commitments": [{"key": "least", "amount": 40000, "charges": ["seats", "calls"]}],
        },
    ]
    common = {"contract": KEY.format(0), "customer": "Customer", "currency": "USD", "starts_on": starts.isoformat()}
    return msgspec.convert({**common, **shapes[shape]}, Terms, strict=False)


KEY = "K{:06d}"
PRICE = "7777.77"  # of the platform fee in a pattern; each contract has a price of its own


def price(number: int) -> str:
    """Return the platform fee of a contract: no two near each other pay the same."""
    return f"{800 + number % 991}.{number % 9 + 1}{number % 7 + 1}"


def usage(contract: Terms, months: int) -> list[UsageRecord]:
    """Return four records a month of what a contract used, the month before ``DUE`` included."""
    if all(charge.key != "calls" for charge in contract.charges):
        return []
    first = contract.starts_on.year * 12 + contract.starts_on.month - 1
    return [
        UsageRecord(
            id=f"{month}-{week}", meter="calls", day=anchored(first + month, 7 * week + 3), quantity=Decimal(400 + week)
        )
        for month in range(months - 1)
        for week in range(4)
    ]


# --------------------------------------------------------------------------------------------------------- the history


def build(path: Path, contracts: int, months: int) -> int:
    """Write a store with contracts of which all but the last month is invoiced; return how many lines that made."""
    settled_on = anchored(DUE.year * 12 + DUE.month - 2, 1)
    patterns = [_Pattern(shape, months, settled_on) for shape in range(SHAPES)]
    with Store(path):
        pass  # the product makes its tables
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(
        "INSERT INTO customers (id, crm, crm_id, data) VALUES (1, 'crm', '1', '{\"name\":\"Customer\"}')"
    )
    lines = 0
    document = 0
    for start in range(0, contracts, BATCH):
        rows: dict[str, list[tuple[Any, ...]]] = {"contracts": [], "documents": [], "lines": [], "usage": []}
        for number in range(start, min(start + BATCH, contracts)):
            document = patterns[number % SHAPES].write(rows, number, document)
        lines += len(rows["lines"])
        with connection:
            for table, values in rows.items():
                if values:
                    marks = ", ".join("?" * len(values[0]))
                    connection.executemany(f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({marks})", values)
    connection.close()
    return lines


COLUMNS = {
    "contracts": "key, entity, customer_id, crm, deal_id, name, version, digest, terms",
    "documents": "id, entity, contract, customer_id, type, status, number, currency, issue_on, due_on, subtotal, tax,"
    " total, open, digest, data",
    "lines": "slice, revision, contract, document_id, amount, data",
    "usage": "contract, id, meter, day, at, quantity, dimensions, value, source, received_at",
}


class _Pattern:
    """One shape of contract with its invoices so far: written out for each contract under the contract's own key."""

    def __init__(self, shape: int, months: int, settled_on: date) -> None:
        contract = terms(shape, months)
        records = usage(contract, months)
        self.terms = to_json(contract)
        self.usage = [(one.id, one.meter, one.day.isoformat(), str(one.quantity)) for one in records]
        self.days: dict[date, list[tuple[str, int, str]]] = {}
        for line in plan(contract, settled_on, Facts(usage=tuple(records))):
            self.days.setdefault(line.issue_on, []).append((line.slice, line.amount, to_json(line)))

    def write(self, rows: dict[str, list[tuple[Any, ...]]], number: int, document: int) -> int:
        key, fee = KEY.format(number), price(number)
        minor, more = fee.replace(".", ""), int(fee.replace(".", "")) - int(PRICE.replace(".", ""))

        def own(text: str) -> str:
            return text.replace(KEY.format(0), key).replace(PRICE, fee).replace(PRICE.replace(".", ""), minor)

        text = own(self.terms)
        rows["contracts"].append((key, "us", 1, "crm", key, key, 1, key, text))
        for day, lines in self.days.items():
            document += 1
            lines = [(own(name), amount + more * ("/fee/" in name), own(data)) for name, amount, data in lines]
            total = sum(amount for _, amount, _ in lines)
            on = day.isoformat()
            rows["documents"].append(
                (
                    document,
                    "us",
                    key,
                    1,
                    "invoice",
                    "issued",
                    f"N{document}",
                    "USD",
                    on,
                    on,
                    total,
                    0,
                    total,
                    0,
                    "",
                    "{}",
                )
            )
            rows["lines"] += [(name, 0, key, document, amount, data) for name, amount, data in lines]
        rows["usage"] += [
            (key, name, meter, day, "", quantity, "{}", "", "", "") for name, meter, day, quantity in self.usage
        ]
        return document


# ----------------------------------------------------------------------------------------------------------- the steps


class World:
    """As much of a configured world as planning needs: one legal entity, and a clock that stands still."""

    file = "benchmark"
    crm_changes = "review"
    alerts = ""
    dry_run = False
    sources = ()
    indices: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, today: date) -> None:
        from sync.context import Entity

        self._now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        self.entities = {
            "us": Entity(
                key="us", name="US", timezone="UTC", currencies=("USD",), go_live=date(2020, 1, 1), accounting="books",
                number_prefix="N", number_digits=6, credit_prefix="C", approve="manual",
                tax_rates={"standard": Decimal("8.25")},
            )
        }  # fmt: skip

    def now(self) -> datetime:
        """Return noon of the day chosen."""
        return self._now


def run(path: Path, today: date) -> dict[str, Any]:
    """Do one invoicing run; return what it took and did."""
    from sync.jobs import select
    from sync.run import run_job

    (job,) = select(("plan_invoices",))
    with Store(path) as store:
        began, cpu = perf_counter(), process_time()
        result = run_job(job, store, World(today), lambda done, total: None)  # type: ignore[arg-type]
        children = resource.getrusage(resource.RUSAGE_CHILDREN)  # the pool's, which have ended
        effort = process_time() - cpu + children.ru_utime + children.ru_stime
        took = {"seconds": perf_counter() - began, "cpu": effort}
        sums = store.tuples("SELECT count(*), coalesce(sum(total), 0) FROM documents WHERE number IS NULL")[0]
    assert result.outcome == "done", result
    return {**took, "tally": result.tally, "drafts": sums[0], "total": sums[1]}


def floor(path: Path, contracts: int) -> dict[str, Any]:
    """Bill the simplest contracts: monthly, three prices times a quantity, less 5%, with tax, due in 30 days.

    They are read from a table with the day through which they are billed, which moves on, so that a second run bills
    nothing. Integers, one plain loop and executemany, as durable as the product and by the same SQLite.
    """
    connection = dialect.connect(path)
    for table in (
        "contracts (id INTEGER PRIMARY KEY, key, billed, fee INTEGER, care INTEGER, seat INTEGER, seats INTEGER)",
        "invoices (id INTEGER PRIMARY KEY, contract, issue_on, due_on, net INTEGER, tax INTEGER, total INTEGER)",
        "lines (invoice INTEGER, charge, starts, until, quantity INTEGER, price INTEGER, amount INTEGER)",
    ):
        connection.execute(f"CREATE TABLE {table}")
    before = DUE.isoformat()
    signed = ((one, KEY.format(one), before, 80000 + one % 991, 31050, 4900, 3) for one in range(contracts))
    with dialect.transaction(connection):
        connection.executemany("INSERT INTO contracts VALUES (?, ?, ?, ?, ?, ?, ?)", signed)
    connection.row_factory = None
    began, cpu = perf_counter(), process_time()
    for start in range(0, contracts, BATCH):
        invoices, lines, billed = [], [], []
        rows = connection.execute("SELECT * FROM contracts WHERE id>=? AND id<? ORDER BY id", (start, start + BATCH))
        for number, key, starts, fee, care, seat, seats in rows:
            month = int(starts[:4]) * 12 + int(starts[5:7])  # the one after that of `starts`
            until = f"{month // 12}-{month % 12 + 1:02d}-{starts[8:]}"
            due_on = date.fromordinal(date.fromisoformat(starts).toordinal() + 30).isoformat()
            subtotal = 0
            for charge, price, quantity in (("fee", fee, 1), ("care", care, 1), ("seats", seat, seats)):
                amount = (price * quantity * 95 + 50) // 100
                subtotal += amount
                lines.append((number, charge, starts, until, quantity, price, amount))
            tax = (subtotal * 825 + 5000) // 10000
            invoices.append((number, key, starts, due_on, subtotal, tax, subtotal + tax))
            billed.append((until, number))
        with dialect.transaction(connection):
            connection.executemany("INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?, ?)", invoices)
            connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", lines)
            connection.executemany("UPDATE contracts SET billed=? WHERE id=?", billed)
    took = {"seconds": perf_counter() - began, "cpu": process_time() - cpu}
    connection.close()
    return took


def step(name: str, *arguments: object) -> dict[str, Any]:
    """Do one step in a process of its own; return its figures with its peak memory in MiB."""
    command = [sys.executable, __file__, "--step", name, *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def do_step(name: str, arguments: list[str]) -> None:
    """Run one step here and print its figures as JSON."""
    path = Path(arguments[0])
    if name == "build":
        found: dict[str, Any] = {"lines": build(path, int(arguments[1]), int(arguments[2]))}
    elif name == "floor":
        found = floor(path, int(arguments[1]))
    else:
        found = run(path, date.fromisoformat(arguments[1]))
    used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    found["memory"] = max(used) / 1024  # of the largest process
    print(json.dumps(found))


# ------------------------------------------------------------------------------------------------------------- figures


def prepared(folder: Path, contracts: int, months: int) -> tuple[Path, dict[str, Any]]:
    """Build a store and let the run of last month look at all of its history once; return it with what that took."""
    path = folder / f"{contracts}-{months}.db"
    made = step("build", path, contracts, months)
    known = step("run", path, anchored(DUE.year * 12 + DUE.month - 2, 1))
    if known["drafts"]:
        raise SystemExit(f"the history is wrong: {known['drafts']} drafts where all is settled")
    print(f"  {contracts:,} contracts, {months} months, {made['lines']:,} settled lines; "
          f"worked out from the beginning once: {known['seconds']:.1f} s", flush=True)  # fmt: skip
    return path, known


def checks(contracts: int, folder: Path) -> Iterator[tuple[str, float, float]]:
    """Measure, print, and yield (what, figure, the most it may be)."""
    print("Preparing")
    path, _ = prepared(folder, contracts, MONTHS)
    os.sync()  # so that what was prepared is not still being written while the disk is waited for
    print("Floor, run and idle run, in turn")
    floors = [step("floor", folder / "floor1.db", contracts)]
    full = step("run", path, DUE)
    floors.append(step("floor", folder / "floor2.db", contracts))
    idle = step("run", path, DUE)
    least = min(one["seconds"] for one in floors)
    for name, took in (("floor", min(floors, key=lambda one: one["seconds"])), ("run", full)):
        print(
            f"  {name:10} {took['seconds']:7.2f} s  {contracts / took['seconds']:10,.0f} invoices/s"
            f"  {took['cpu'] / contracts * 1e6:6.1f} us of processor time each  {took['memory']:.0f} MiB"
        )
    print(f"  run again  {idle['seconds']:7.2f} s")
    yield "the run, times the floor", full["seconds"] / least, MOST_FLOOR
    yield "a run with nothing due, share of a full one", idle["seconds"] / full["seconds"], MOST_IDLE
    path.unlink()
    few = min(10_000, contracts)
    runs = {}
    for months in (36, 2):
        other, _ = prepared(folder, few, months)
        runs[months] = step("run", other, DUE)
        other.unlink()
    yield "36 months of history, times one month's", runs[36]["seconds"] / runs[2]["seconds"], MOST_HISTORY
    yield f"memory at {contracts:,} contracts, times that at {few:,}", full["memory"] / runs[36]["memory"], MOST_MEMORY


def main() -> int:
    """Print the figures; return 1 when one misses what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contracts", type=int, default=CONTRACTS)
    parser.add_argument("--step")
    parser.add_argument("rest", nargs="*")
    given = parser.parse_args()
    if given.step:
        do_step(given.step, given.rest)
        return 0
    with tempfile.TemporaryDirectory() as name:
        found = list(checks(given.contracts, Path(name)))
    print("Figures")
    for what, figure, most in found:
        print(f"  {what:55} {figure:7.3f}  (at most {most})")
    return int(any(figure > most for _, figure, most in found))


if __name__ == "__main__":
    sys.exit(main())
