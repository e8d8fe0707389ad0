"""A sync with nothing new on 50,000 contracts: what each job costs, in calls, processor time and memory.

The store is made by the product's own jobs from a CRM that answers at once (benchmarks/doubles): 50,000 deals, pulled,
mapped and invoiced for two months. What the ledger and the payment provider have is written beside it by SQL: every
document and customer is booked, nineteen of twenty invoices of the first month are paid, the rest is overdue. Then
everything is synced until nothing is new, and measured once more, in a process that has imported everything before.

Promised: at most one call per kind of object and connection, and under two seconds of the processor.
``--contracts 5000`` makes it short. Returns 1 when something promised was missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import requests  # noqa: E402  # what follows is found from the line above, wherever this is started

from benchmarks.pull import DOUBLES, NETTERMS, configured, serving, took  # noqa: E402
from connectors.base import (  # noqa: E402
    DocumentDraft,
    HeldLine,
    LedgerCustomer,
    LedgerDocument,
    LedgerLine,
    LedgerPayment,
    Ref,
)
from store import deals  # noqa: E402
from store.database import Store, to_json  # noqa: E402

CONTRACTS = 50_000
FIRST, LATER = date(2026, 2, 10), date(2026, 3, 20)
BOOKS, CLEARING = "quickbooks_us", "stripe_us"
MOST_CPU, MOST_CALLS = 2.0, 1  # seconds; per kind of object and connection
MOST_SYNCS = 6  # in which everything is to settle
IN_MEMORY = Path("/dev/shm")  # making the store is no part of what is measured, and quicker there
UNPAID = 20  # every so many invoices of the first month is not paid


# ------------------------------------------------------------------------------------------------------- what is booked


def book(path: Path) -> None:
    """Write down that the ledger has every customer and document, and the payments of most invoices."""
    with Store(path) as store, store.transaction():
        customers = store.tuples("SELECT id, crm, crm_id, data ->> 'name' FROM customers ORDER BY id")
        for number, crm, crm_id, name in customers:
            held = LedgerCustomer(ref=Ref(id=f"C{number}"), name=name, key=f"{crm}-{crm_id}", currency="USD")
            _hold(store, "customer", held.ref.id, held)
        store.execute(
            "INSERT INTO links (connection, kind, vendor_id, our_id, currency) SELECT ?, 'customer', 'C' || id, id,"
            " 'USD' FROM customers",
            BOOKS,
        )
        _pay(store)
        _hold_documents(store)
        for connection in (BOOKS, "xero_uk"):
            deals.set_cursor(store, connection, "changes", datetime(2026, 3, 20, tzinfo=UTC))
        deals.set_cursor(store, CLEARING, "payments", datetime(2026, 3, 20, tzinfo=UTC))


def build(file: Path) -> None:
    """Make the store: the product's jobs on two days, then what vendors have."""
    for day, jobs in (
        (FIRST, ("pull_deals", "map_terms", "plan_invoices", "issue_invoices")),
        (LATER, ("plan_invoices", "issue_invoices")),
    ):
        took(NETTERMS, "--config", str(file), "sync", "--json", "--today", day.isoformat(), *jobs)
    book(file.with_suffix(".db"))


def _hold(store: Store, kind: str, key: str, held: Any) -> None:
    store.insert("ledger_objects", connection=BOOKS, kind=kind, vendor_id=key, data=to_json(held))


def _pay(store: Store) -> None:
    """Let most of the first month's invoices be paid by a payment each, which is booked."""
    store.execute(
        "INSERT INTO payments (id, connection, vendor_id, entity, currency, amount, status, received_on, digest,"
        " customer_id, data) SELECT id, ?, 'ch_' || printf('%012d', id), entity, currency, total, 'succeeded',"
        " issue_on, '', customer_id, '{}' FROM documents WHERE number IS NOT NULL AND issue_on<? AND id % ?",
        CLEARING,
        LATER.isoformat(),
        UNPAID,
    )
    store.execute(
        "INSERT INTO applications (id, payment_id, document_id, amount, reason) SELECT id, id, id, amount, ''"
        " FROM payments"
    )
    store.execute("UPDATE documents SET open=0 WHERE id IN (SELECT document_id FROM applications)")
    for number, customer, amount, day in store.tuples("SELECT id, customer_id, amount, received_on FROM payments"):
        applied, on = {f"D{number}": amount}, date.fromisoformat(day)
        held = LedgerPayment(
            ref=Ref(id=f"P{number}"), key=f"ch_{number:012}", customer_id=f"C{customer}", currency="USD",
            amount=amount, applied=applied, received_on=on,
        )  # fmt: skip
        _hold(store, "payment", held.ref.id, held)
    _note_done(store, "payment", "P", "applications")


def _hold_documents(store: Store) -> None:
    columns = "id, number, customer_id, total, tax, open, issue_on, due_on"
    sql = f"SELECT {columns} FROM documents WHERE number IS NOT NULL ORDER BY id"
    said = "UPDATE outbox SET payload=? WHERE connection=? AND kind='document' AND our_id=?"
    _note_done(store, "document", "D", "documents WHERE number IS NOT NULL")
    for number, name, customer, total, tax, left, issued, due in store.tuples(sql):
        dates: dict[str, Any] = {"issue_on": date.fromisoformat(issued), "due_on": date.fromisoformat(due)}
        held = LedgerDocument(
            ref=Ref(id=f"D{number}"), number=name, type="invoice", status="open" if left else "paid",
            customer_id=f"C{customer}", currency="USD", total=total, tax=tax, balance=left,
            lines=(HeldLine("Platform", total - tax),), **dates,
        )  # fmt: skip
        _hold(store, "document", held.ref.id, held)
        line = LedgerLine(
            description="Platform", amount=total - tax, quantity=Decimal(1), unit_price=Decimal(total - tax) / 100,
            tax=tax,
        )  # fmt: skip
        booked = DocumentDraft(
            number=name, type="invoice", customer=Ref(id=held.customer_id), currency="USD", lines=(line,),
            subtotal=total - tax, tax=tax, total=total, **dates,
        )  # fmt: skip
        store.execute(said, to_json(booked), BOOKS, number)


def _note_done(store: Store, kind: str, letter: str, what: str) -> None:
    store.execute(
        "INSERT INTO outbox (connection, kind, our_id, state, payload, payload_hash) SELECT ?, ?, id, 'done', '{}', ''"
        f" FROM {what}",
        BOOKS,
        kind,
    )
    store.execute(
        "INSERT INTO links (connection, kind, vendor_id, our_id) SELECT ?, ?, ? || id, id FROM " + what,
        BOOKS,
        kind,
        letter,
    )


# -------------------------------------------------------------------------------------------------------- what it costs


def measure(file: Path, url: str) -> dict[str, Any]:
    """Run every job once; return by job its calls, processor time (seconds), peak memory (MiB) and what it did."""
    import app
    from connectors import REGISTRY
    from sync.jobs import select
    from sync.run import run_job

    config = app.load_config(file)
    for vendor in REGISTRY:
        import_module(f"connectors.{vendor}")
    jobs = [job for job in select(()) if job.name != "selfcheck"]  # the nightly one
    for job in jobs:
        job.load()
    world = app.LiveWorld(config, today=LATER)
    world.load_mappings()
    session = requests.Session()
    session.get(f"{url}/calls", timeout=60)
    found = {}
    with Store(config.store) as store:
        for job in jobs:
            began = process_time()
            result = run_job(job, store, world, lambda done, total: None)
            spent = process_time() - began
            assert result.outcome in ("done", "partly"), result
            found[job.name] = {
                "cpu": spent,
                "calls": session.get(f"{url}/calls", timeout=60).json(),
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "changed": result.changed,
                "message": result.message,
            }
    return found


def step(file: Path, url: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(file), url]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def settled(file: Path, url: str) -> dict[str, Any]:
    """Sync until nothing is new, and return what the sync after that took."""
    for _ in range(MOST_SYNCS):
        if not any(one["changed"] for one in step(file, url).values()):
            step(file, url)
            return step(file, url)
    raise SystemExit(f"after {MOST_SYNCS} syncs there is something new still")


def report(found: dict[str, Any]) -> list[str]:
    """Print what each job took; return what was missed."""
    print(f"  {'':18} {'CPU, s':>7} {'MiB':>5}  calls")
    for name, one in found.items():
        calls = ", ".join(f"{count} {kind}" for kind, count in one["calls"].items())
        print(f"  {name:18} {one['cpu']:7.3f} {one['memory']:5.0f}  {calls}")
    together = sum(one["cpu"] for one in found.values())
    print(f"  {'together':18} {together:7.3f}        (at most {MOST_CPU})")
    missed = [f"{together:.1f} s of the processor"] * (together > MOST_CPU)
    missed += [f"{name} has something to do" for name, one in found.items() if one["changed"]]
    made = Counter[str]()
    for one in found.values():
        made.update(one["calls"])
    return missed + [f"{count} calls: {kind}" for kind, count in made.items() if count > MOST_CALLS]


def main() -> int:
    """Print the figures; return 1 when one misses what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contracts", type=int, default=CONTRACTS)
    parser.add_argument("--keep", type=Path, help="make the store in this folder and leave it there, or use that one")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(Path(given.measure[0]), given.measure[1])))
        return 0
    with (
        serving(str(DOUBLES / "quiet.py"), str(given.contracts)) as served,
        tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name,
    ):
        folder = given.keep or Path(name)
        file = configured(str(folder), served["url"], 1e-4)
        if not file.with_suffix(".db").exists():
            build(file)
        print(f"A sync with nothing new, {given.contracts:,} contracts")
        missed = report(settled(file, served["url"]))
    for one in missed:
        print(f"missed: {one}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
