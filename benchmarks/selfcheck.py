"""What the self check costs on a store of 10,000 contracts with two years of invoices and payments.

Time and memory of the nightly check, of the one that plans every contract anew, and of the nightly one on a tenth of
the store: its memory must not grow with the store. The store is the one of invoice_run.py, with what that leaves out: a
row of the audit trail for each invoice, and a payment for each second one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.invoice_run import DUE, World, build, run  # noqa: E402  # found from the line above
from store import audit  # noqa: E402
from store.audit import Actor, Deed  # noqa: E402
from store.database import Store  # noqa: E402

CONTRACTS, MONTHS = 10_000, 24
MOST_NIGHTLY, MOST_MEMORY = 30.0, 1.5  # seconds; times the memory on a tenth of the store


def prepare(path: Path, contracts: int) -> dict[str, Any]:
    """Write the store; return how many documents and payments it holds."""
    build(path, contracts, MONTHS)
    run(path, DUE - timedelta(days=31))
    actor = Actor("benchmark", datetime(2026, 11, 1, tzinfo=UTC))
    with Store(path) as store, store.transaction():
        store.execute("UPDATE documents SET open=CASE WHEN id % 2 THEN total ELSE 0 END WHERE number IS NOT NULL")
        store.execute(
            "INSERT INTO payments (id, connection, vendor_id, entity, currency, amount, status, received_on, digest,"
            " data) SELECT id, 'stripe', 'ch_' || id, 'us', 'USD', total, 'succeeded', issue_on, '', '{}'"
            " FROM documents WHERE number IS NOT NULL AND id % 2=0"
        )
        store.execute(
            "INSERT INTO applications (payment_id, document_id, amount, reason) SELECT id, id, amount, '' FROM payments"
        )
        deeds = []
        for key, number, total, paid in store.tuples(
            "SELECT id, number, total, open=0 FROM documents WHERE number IS NOT NULL ORDER BY id"
        ):
            deeds.append(Deed("issued", f"document:{key}", after={"number": number, "total": total}))
            if paid:
                deeds.append(Deed("received", f"payment:stripe:ch_{key}", after={"amount": total, "refunded": 0}))
                deeds.append(Deed("applied", f"document:{key}", after={"payment": f"ch_{key}", "amount": total}))
        audit.write_many(store, actor, deeds)
        tables = {"documents": "documents", "payments": "payments", "trail": "audit"}
        return {name: store.one(f"SELECT count(*) FROM {table}") for name, table in tables.items()}


def check(path: Path, *, full: bool) -> dict[str, Any]:
    """Make one self check; return what it took and found."""
    from sync.jobs import select
    from sync.run import run_job
    from sync.selfcheck import everything

    class Booked(World):
        """The benchmark's world, with the connection that keeps the books."""

        def __init__(self) -> None:
            from sync.context import Source

            super().__init__(DUE - timedelta(days=20))
            self.sources = (Source(name="books", vendor="quickbooks", role="accounting", entity="us"),)  # type: ignore[assignment]

    job = everything() if full else select(("selfcheck",))[0]
    with Store(path) as store:
        began = perf_counter()
        result = run_job(job, store, Booked(), lambda done, total: None)  # type: ignore[arg-type]
        took = perf_counter() - began
    assert result.outcome == "done", result
    return {"seconds": took, "hits": result.opened}


def step(name: str, path: Path, contracts: int) -> dict[str, Any]:
    """Do one step in a process of its own; return its figures with its peak memory in MiB."""
    command = [sys.executable, __file__, "--step", name, "--contracts", str(contracts), str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> int:
    """Print the figures; return 1 when one misses what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contracts", type=int, default=CONTRACTS)
    parser.add_argument("--step", choices=("prepare", "nightly", "full"))
    parser.add_argument("path", nargs="?", type=Path)
    given = parser.parse_args()
    if given.step:
        found = (
            prepare(given.path, given.contracts)
            if given.step == "prepare"
            else check(given.path, full=given.step == "full")
        )
        print(json.dumps({**found, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.db", Path(folder) / "small.db"
        made = step("prepare", large, given.contracts)
        step("prepare", small, given.contracts // 10)
        nightly, full = step("nightly", large, given.contracts), step("full", large, given.contracts)
        tenth = step("nightly", small, given.contracts // 10)
    print(f"{given.contracts:,} contracts, {made['documents']:,} documents, {made['payments']:,} payments,"
          f" {made['trail']:,} rows of the audit trail")  # fmt: skip
    for name, one in (("nightly", nightly), ("--full", full), ("a tenth of the store", tenth)):
        print(f"  {name:22} {one['seconds']:7.1f} s  {one['memory']:6.0f} MiB  {one['hits']} hits")
    grown = nightly["memory"] / tenth["memory"]
    print(f"  memory, times that on a tenth: {grown:.2f} (at most {MOST_MEMORY})")
    return int(nightly["seconds"] > MOST_NIGHTLY or grown > MOST_MEMORY or bool(nightly["hits"] + full["hits"]))


if __name__ == "__main__":
    sys.exit(main())
