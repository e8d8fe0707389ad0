"""Pulling 10,000 deals from HubSpot and 10,000 payments from Stripe: calls, pace, time and memory.

Against the sandbox with the vendors' limits: the number of calls beside the fewest possible, the share of the permitted
rate, and no 429. Against answers that cost nothing (benchmarks/doubles): the whole process beside a bare loop of
requests that makes the same calls and stores the same rows, in turns, and once the vendor's own SDK; and peak memory
for ten times as much.
``python benchmarks/pull.py 1000`` takes another number. Returns 1 when something promised was missed.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.stand_ins import Limit, calls_since, refused, serve, too_many  # noqa: E402  # found from the line above

NETTERMS = str(Path(sys.executable).with_name("netterms"))
DOUBLES = ROOT / "benchmarks" / "doubles"
TODAY = date(2026, 9, 1)
COUNT = 10_000
MINUTE = 60.0  # seconds that the stand-ins' minute lasts: the real one
ROUNDS = 3
MOST_TIME, MOST_MEMORY = 1.3, 1.25  # times the bare loop's, that of a tenth
LEAST_RATE = 0.95  # of what is permitted


class Took(NamedTuple):
    """What a process took: seconds on the clock, seconds of the processor, peak MiB."""

    wall: float
    cpu: float
    memory: float


def took(*command: str) -> Took:
    """Run a process to its end; raises when it fails."""
    began = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return Took(perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def serving(*command: str) -> Iterator[dict[str, Any]]:
    """Run a server that tells in one line of JSON where it is."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            found = json.loads(process.stdout.readline())
            yield found if isinstance(found, dict) else {"url": f"http://127.0.0.1:{found}"}
        finally:
            process.kill()


def configured(folder: str, url: str, minute: float) -> Path:
    """Write a configuration with one Stripe account."""
    from sandbox.config_file import write_config

    file = Path(folder) / "try.toml"
    write_config(file, url=url, minute=minute, go_live=date(2026, 1, 1))
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"\n\[connections\.stripe_uk\]\n(?:.+\n)*", "\n", text), encoding="utf-8")
    return file


# ------------------------------------------------------------------------------------------------- the vendors' limits


def stand_ins(count: int) -> None:
    """Serve the sandbox with that many won deals and payments; tell the fewest calls for them."""
    from sandbox.server import Options, Running
    from sandbox.stripe.objects import Order

    def tell(running: Running) -> dict[str, Any]:
        account = running.sandbox.stripe.accounts["us"]
        at = int(running.sandbox.clock.now().timestamp()) - count
        for number in range(count):
            account.pay(f"p{number}", at + number, Order(1000 + number, "usd", description=f"US-{number:05}"))
        payers = len(account.objects["customer"])
        fewest = _fewest(running.sandbox.hubspot.records)
        return fewest | {"stripe": ceil(count / 100) + ceil(payers / 100)}

    # A third of the world's deals are won after its first day.
    serve(Options(today=TODAY, deals=ceil(count * 3 / 2), history=0, minute=MINUTE), tell)


def _fewest(records: Any) -> dict[str, int]:
    """Return the calls that must be made: searches of 200, associations of 1,000, batches and pages of 100."""
    from sandbox.hubspot.schema import PIPELINES

    won = {(name, stage) for name, (_, stages) in PIPELINES.items() for stage in stages if stage == "closedwon"}
    deals = [
        one.id
        for one in records.by_type["deals"].values()
        if (one.properties.get("pipeline"), one.properties.get("dealstage")) in won
    ]
    kinds = ("line_items", "companies", "contacts")
    held = [len({id_ for deal in deals for id_ in records.linked("deals", deal, kind)}) for kind in kinds]
    hubspot = ceil(len(deals) / 200) + 3 * ceil(len(deals) / 1000) + sum(ceil(number / 100) for number in held)
    return {"deals": len(deals), "hubspot": hubspot}


def within_limits(count: int) -> list[str]:
    """Pull from the sandbox; print calls and pace beside what is possible, and return what was missed."""
    missed = []
    with serving(__file__, "stand-ins", str(count)) as found, tempfile.TemporaryDirectory() as folder:
        file = configured(folder, found["url"], MINUTE)
        for vendor, job, what in (("hubspot", "pull_deals", found["deals"]), ("stripe", "pull_payments", count)):
            spent = took(NETTERMS, "--config", str(file), "sync", job, "--json")
            calls, too_fast = calls_since(found["url"], vendor), refused(found["url"], vendor)
            rate = max(calls.rate(limit) for limit in _limits(vendor))  # of that which binds
            print(
                f"{vendor:<8} {what:6} pulled in {spent.wall:6.1f} s ({MINUTE:.0f} s to a minute),"
                f" {spent.cpu:4.1f} s CPU, {spent.memory:3.0f} MiB:"
                f" {calls.number} calls (fewest {found[vendor]}), {rate:.1%} of the permitted rate,"
                f" {too_fast} times 429"
            )
            if too_many(calls.number, found[vendor]):
                missed.append(f"{vendor}: {calls.number} calls, fewest {found[vendor]}")
            missed += [f"{vendor}: {rate:.1%} of the permitted rate"] * (rate < LEAST_RATE)
            missed += [f"{vendor}: {too_fast} times 429"] * bool(too_fast)
    return missed


def _limits(vendor: str) -> list[Limit]:
    """Return the limits of which one binds: all calls, or those that search, or those of one kind of object."""
    if vendor == "hubspot":
        return [Limit("/", 190, 10.0), Limit("/search", 5, 1.0)]
    return [Limit("/customers", 25, 1.0), Limit("/balance_transactions", 25, 1.0)]


# --------------------------------------------------------------------------------------------------- without any limit


def pull(kind: str, url: str, job: str = "pull_deals") -> tuple[Took, list[tuple[str, str]]]:
    """Pull into a new store; return what it took and the deals that are there then, by their digests."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "ours":
            spent = took(NETTERMS, "--config", str(configured(folder, url, 1e-4)), "sync", job, "--json")
        else:
            script, store = str(DOUBLES / f"{kind}.py"), str(Path(folder) / "try.db")
            spent = took(sys.executable, script, f"{url}/hubspot", store, json.dumps(_scope()))
        with sqlite3.connect(Path(folder) / "try.db") as held:
            return spent, held.execute("SELECT id, digest FROM deals ORDER BY id").fetchall()


def _scope() -> dict[str, Any]:
    from mappings import SHIPPED
    from mappings.spec import load_crm_mapping, properties_used

    mapping = load_crm_mapping((SHIPPED / "hubspot.toml").read_text(encoding="utf-8"), "hubspot.toml")
    return {kind: list(names) for kind, names in properties_used(mapping).items()}


def beside_others(count: int) -> list[str]:
    """Print what a bare loop and the vendor's SDK take for the same; return what was missed."""
    runs: dict[str, list[Took]] = {"ours": [], "bare": [], "sdk": []}
    rows = set()
    with serving(str(DOUBLES / "vendors.py"), str(count)) as found:
        for number in range(ROUNDS):
            for kind, spent in runs.items():
                if kind != "sdk" or number == 0:
                    one, stored = pull(kind, found["url"])
                    spent.append(one)
                    rows.add(tuple(stored))
    if len(rows) != 1 or len(rows.pop()) != count:
        return ["the three do not store the same rows"]
    for kind, spent in runs.items():
        wall, cpu, memory = (median(values) for values in zip(*spent, strict=True))
        print(f"{kind:<8} {count:6} deals    in {wall:6.1f} s, {cpu:4.1f} s CPU, {memory:3.0f} MiB")
    ratio = median(ours.wall / bare.wall for ours, bare in zip(runs["ours"], runs["bare"], strict=True))
    print(f"ours / bare {ratio:.2f} (at most {MOST_TIME}), each a whole process, paired medians")
    return [f"{ratio:.2f} times the bare loop"] if ratio > MOST_TIME else []


def memory(count: int) -> list[str]:
    """Print the peak for ``count`` and for ten times as much; return what was missed."""
    missed = []
    for job in ("pull_deals", "pull_payments"):
        peaks = []
        for number in (count, 10 * count):
            with serving(str(DOUBLES / "vendors.py"), str(number)) as found:
                peaks.append(pull("ours", found["url"], job)[0].memory)
        print(f"{job}: {peaks[0]:.0f} MiB for {count}, {peaks[1]:.0f} MiB for {10 * count}")
        if peaks[1] > MOST_MEMORY * peaks[0]:
            missed.append(f"{job}: memory grows from {peaks[0]:.0f} to {peaks[1]:.0f} MiB")
    return missed


def main() -> int:
    """Measure everything; return 1 when something promised was missed."""
    count = int(sys.argv[1]) if sys.argv[1:] else COUNT
    missed, of_much = within_limits(count), [*beside_others(count), *memory(count)]
    if count < COUNT:  # most of it is the start of the process then, and a block of rows is not full
        print(f"time and memory are promised from {COUNT} on")
    else:
        missed += of_much
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["stand-ins"]:
        stand_ins(int(sys.argv[2]))
    sys.exit(main())
