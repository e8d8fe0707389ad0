"""Pushing 10,000 invoices and 10,000 payments to QuickBooks and to Xero, within the limits that the stand-ins enforce.

The product plans and issues an invoice of three lines for each of so many customers, of whom the books know none. Then
its own jobs book them: customers and invoices by ``push_documents``, a payment of each invoice by ``post_payments``.
Every step is a process of its own, and the stand-ins are another; a minute of theirs lasts ``--minute`` seconds.

Printed are: the calls beside the fewest possible, the share of the permitted rate that was used, refusals for going too
fast, what is there twice, processor time and peak memory, also for a fifth as many (and with ``--large`` for five times
as many). Beside it stands what the vendors' SDKs take when each invoice is a call of its own. ``--invoices 1000`` makes
it short. Returns 1 when something promised was missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import requests  # noqa: E402  # what follows is found from the line above, wherever this is started

from benchmarks.pull import DOUBLES, NETTERMS, Took, serving, took  # noqa: E402
from benchmarks.stand_ins import Calls, Limit, calls_since, refused, serve, too_many  # noqa: E402
from billing.customer import Customer  # noqa: E402
from sandbox.config_file import write_config  # noqa: E402
from store.database import Store, to_json  # noqa: E402

TODAY = date(2026, 9, 1)
INVOICES, MINUTE, SAMPLE = 10_000, 6.0, 300
LEAST_RATE, MOST_MEMORY = 0.95, 1.25  # of what is permitted, times a fifth's


class Vendor(NamedTuple):
    """A ledger: its legal entity, and the limit that binds, in seconds of its own minute."""

    name: str
    entity: str
    currency: str
    batch: int
    limit: Limit
    number: str  # how an invoice's number is called there
    total: str
    paid: str  # how a payment's amount is called


QUICKBOOKS = Vendor("quickbooks", "us", "USD", 30, Limit("/batch", 120, 60.0), "DocNumber", "TotalAmt", "TotalAmt")
XERO = Vendor("xero", "uk", "GBP", 50, Limit("/api.xro/", 60, 60.0), "InvoiceNumber", "Total", "Amount")


# ----------------------------------------------------------------------------------------------------------- the store


def prepare(path: Path, vendor: Vendor, count: int) -> None:
    """Write a store with so many customers, each with a contract of three charges that begins today."""
    charges = [
        {"type": "recurring", "key": "fee", "description": "Platform fee", "price": "1200.00"},
        {"type": "recurring", "key": "seats", "description": "Seats", "price": "49.00", "quantity": 25},
        {"type": "recurring", "key": "care", "description": "Support", "price": "310.50"},
    ]
    with Store(path) as store, store.transaction():
        for number in range(1, count + 1):
            key = f"D{number:06d}"
            customer = Customer(name=f"Buyer {number:06d} of {vendor.entity}", email=f"ap@b{number:06d}.example")
            terms = {
                "contract": key, "customer": customer.name, "currency": vendor.currency, "charges": charges,
                "starts_on": TODAY.isoformat(),
            }  # fmt: skip
            store.insert("customers", id=number, crm="hubspot", crm_id=str(number), data=to_json(customer))
            store.insert(
                "contracts", key=key, entity=vendor.entity, customer_id=number, crm="hubspot", deal_id=str(number),
                name=key, version=1, digest=key, terms=json.dumps(terms),
            )  # fmt: skip


def pay(path: Path) -> None:
    """Let every invoice be paid by a payment of its own."""
    with Store(path) as store, store.transaction():
        store.execute(
            "INSERT INTO payments (id, connection, vendor_id, entity, currency, amount, status, received_on, digest,"
            " data) SELECT id, 'stripe', 'ch_' || printf('%012d', id), entity, currency, total, 'succeeded', issue_on,"
            " '', '{}' FROM documents WHERE status='issued'"
        )
        store.execute(
            "INSERT INTO applications (payment_id, document_id, amount, reason) SELECT id, id, amount, '' FROM payments"
        )
        store.execute("UPDATE documents SET open=0 WHERE status='issued'")


def sums(path: Path) -> tuple[int, int]:
    """Return how many invoices were issued and their sum in minor units."""
    with Store(path) as store:
        ((count, total),) = store.tuples(
            "SELECT count(*), coalesce(sum(total), 0) FROM documents WHERE status='issued'"
        )
    return count, total


# -------------------------------------------------------------------------------------------------------------- a push


class Push(NamedTuple):
    """What pushing so many invoices, and so many payments, took; and what was missed."""

    documents: Took
    payments: Took
    missed: list[str]


def push(vendor: Vendor, count: int, minute: float) -> Push:
    """Issue, push and post in processes of their own; print the figures."""
    with serving(__file__, "stand-ins", str(minute)) as found, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "try.toml"
        write_config(file, url=found["url"], minute=minute, go_live=date(2026, 1, 1))
        store = file.with_suffix(".db")
        run = (NETTERMS, "--config", str(file), "sync", "--today", TODAY.isoformat(), "--json")
        prepare(store, vendor, count)
        took(*run, "plan_invoices", "issue_invoices")
        batches = ceil(count / vendor.batch)
        documents = took(*run, "push_documents")
        calls = calls_since(found["url"], vendor.name)
        fewest = 2 * batches + ceil(count / 1000)  # customers go first, and are read before
        missed = report(vendor, minute, count, "invoices", documents, calls, fewest)
        pay(store)
        payments = took(*run, "post_payments")
        calls = calls_since(found["url"], vendor.name)
        missed += report(vendor, minute, count, "payments", payments, calls, batches)
        return Push(documents, payments, missed + there(found["url"], vendor, store))


def report(vendor: Vendor, minute: float, count: int, what: str, spent: Took, calls: Calls, fewest: int) -> list[str]:
    """Print one line; return what was missed."""
    rate = calls.rate(vendor.limit._replace(seconds=vendor.limit.seconds * minute / 60))
    print(
        f"{vendor.name:<11}{count:6} {what:<9}{calls.number:5} calls (fewest {fewest}),"
        f" {rate:6.1%} of the permitted rate, {spent.wall:6.1f} s,"
        f" {spent.cpu / count * 1000:5.2f} s CPU per 1,000, {spent.memory:4.0f} MiB",
        flush=True,
    )
    print(f"           {', '.join(f'{number} {kind}' for kind, number in calls.kinds.most_common())}")
    missed = []
    if too_many(calls.number, fewest):
        missed.append(f"{vendor.name}: {calls.number} calls for {count} {what}, fewest {fewest}")
    if rate < LEAST_RATE:
        missed.append(f"{vendor.name}: {rate:.1%} of the permitted rate for {what}")
    return missed


def there(url: str, vendor: Vendor, store: Path) -> list[str]:
    """Compare what the vendor holds with what was meant; print it, and return what was missed.

    All of it is read in another process: what the next one takes at its peak begins with what this one has in memory.
    """
    command = [sys.executable, __file__, "held", url, vendor.name]
    held = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    too_fast = refused(url, vendor.name)
    print(
        f"           there: {held['invoices']} invoices, {held['twice']} twice, {held['total'] / 100:,.2f} in all;"
        f" {held['paid'] / 100:,.2f} paid; {too_fast} times 429"
    )
    count, meant = sums(store)
    missed = ["the books are not what was meant"] * (held != wanted(count, meant)) + ["429"] * bool(too_fast)
    return [f"{vendor.name}: {one}" for one in missed]


def wanted(count: int, total: int) -> dict[str, int]:
    """Return what a vendor should hold."""
    return {"invoices": count, "twice": 0, "total": total, "paid": total}


def held(url: str, vendor: Vendor) -> dict[str, int]:
    """Return how many invoices a vendor holds, how many of them twice, their sum and that of payments (minor units)."""
    state = requests.get(f"{url}/_sandbox/state", timeout=600).json()[vendor.name]
    numbers = Counter(one[vendor.number] for one in _of(state, "Invoice"))
    return {
        "invoices": len(numbers),
        "twice": numbers.total() - len(numbers),
        "total": sum(round(float(one[vendor.total]) * 100) for one in _of(state, "Invoice")),
        "paid": sum(round(float(one[vendor.paid]) * 100) for one in _of(state, "Payment")),
    }


def _of(state: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind, whatever the vendor calls more than one of it."""
    return next(rows for name, rows in state.items() if name.lower() in (kind.lower(), f"{kind}s".lower()))


# --------------------------------------------------------------------------------------------------- beside the others


def one_by_one(count: int) -> None:
    """Print what the vendor's SDK takes when each invoice is a call of its own, without any limit."""
    with serving(__file__, "stand-ins", "0.001") as found:
        spent = took(sys.executable, str(DOUBLES / "one_by_one.py"), found["url"], str(count))
        calls = calls_since(found["url"], XERO.name)
    print(
        f"xero-python one by one: {calls.number} calls for {count} invoices (at 60 a minute {calls.number / 60:.1f}"
        f" minutes), {spent.cpu / count * 1000:.2f} s CPU per 1,000"
    )


def main() -> int:
    """Print the figures; return 1 when one misses what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", type=int, default=INVOICES)
    parser.add_argument("--minute", type=float, default=MINUTE)
    parser.add_argument("--large", action="store_true", help="also five times as many, for the memory they take")
    given = parser.parse_args()
    missed = []
    for vendor in (QUICKBOOKS, XERO):
        few = push(vendor, given.invoices // 5, given.minute)
        many = [push(vendor, given.invoices * times, given.minute) for times in ((1, 5) if given.large else (1,))]
        for one in (few, *many):
            missed += one.missed
        for what in ("documents", "payments"):
            least, most = (getattr(one, what).memory for one in (few, many[-1]))
            if most > MOST_MEMORY * least:
                missed.append(f"{vendor.name}: memory for {what} grows from {least:.0f} to {most:.0f} MiB")
    one_by_one(SAMPLE)
    for problem in missed:
        print(f"missed: {problem}")
    return int(bool(missed))


if __name__ == "__main__":
    if sys.argv[1:2] == ["stand-ins"]:
        from sandbox.server import Options

        serve(Options(today=TODAY, deals=0, minute=float(sys.argv[2])))
    elif sys.argv[1:2] == ["held"]:
        print(json.dumps(held(sys.argv[2], {one.name: one for one in (QUICKBOOKS, XERO)}[sys.argv[3]])))
    else:
        sys.exit(main())
