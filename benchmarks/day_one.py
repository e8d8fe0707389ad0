"""Day one at a large company: 2,000 deals on top of 18 months of books that others kept, each step a process.

Prints what it took to adopt and to sync: seconds, peak memory, write calls beside the fewest possible, and 429s.
Fails when a ledger needs more than 1.1 times the fewest write calls, a process more than 250 MiB, or a 429 came.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
NETTERMS = str(Path(sys.executable).with_name("netterms"))
FIRST_DAY = date(2026, 9, 1)
DEALS, HISTORY = 2000, 18
MINUTE = 6.0  # seconds that the stand-ins' minute lasts: their limits are reached ten times sooner
BATCH = {"quickbooks": 30, "xero": 50}
MOST_CALLS, MOST_MEMORY = 1.1, 250.0
# Mail is left out: a ledger prints one invoice at a time, so its calls grow with the invoices that are sent.
JOBS = (
    "pull_deals", "map_terms", "plan_invoices", "issue_invoices", "match_customers", "push_documents",
    "pull_payments", "match_payments", "post_payments", "pull_ledger",
)  # fmt: skip
USED = "overpayments used"  # Xero's address of allocations takes those of one overpayment
_LISTS = {
    "quickbooks": ("customers", "invoices", "creditmemos", "payments"),
    "xero": ("contacts", "invoices", "credit_notes", "payments", "overpayments"),
}


class Sandbox:
    """The stand-ins in a process of their own."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        options = ["--deals", DEALS, "--history", HISTORY, "--minute", MINUTE, "--date", FIRST_DAY, "--port", 0]
        command = [NETTERMS, "sandbox", "--write-config", self.config, *options]
        self._process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := re.search(r"serves (http://\S+);", line):
                self.url = match[1]
                break

    def control(self, path: str, **body: Any) -> Any:
        """Call a control path; ``body`` makes it a POST."""
        url = f"{self.url}/_sandbox/{path}"
        answer = requests.post(url, json=body, timeout=600) if body else requests.get(url, timeout=600)
        answer.raise_for_status()
        return answer.json()

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()

    def held(self) -> dict[str, Counter[str]]:
        """Return how many objects of each kind each ledger holds."""
        state = self.control("state")
        held = {name: Counter({kind: len(state[name][kind]) for kind in kinds}) for name, kinds in _LISTS.items()}
        held["xero"][USED] = sum(1 for one in state["xero"]["overpayments"] if one["Allocations"])
        return held

    def writes(self) -> Counter[str]:
        """Return the write calls at each ledger so far."""
        calls = self.control("calls")
        return Counter(
            {
                name: sum(n for call, n in calls[name].items() if not call.startswith("GET") and "query" not in call)
                for name in BATCH
            }
        )


def run(config: Path, *arguments: str) -> tuple[float, float]:
    """Run a command of ours to its end; return seconds and peak MiB. Raises when it fails."""
    began = perf_counter()
    process = subprocess.Popen([NETTERMS, "--config", str(config), *arguments, "--json"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"netterms {' '.join(arguments)} failed")
    return perf_counter() - began, usage.ru_maxrss / 1024


def decide_all(config: Path) -> int:
    """Link every customer that may be there already to the first that was shown; return how many."""
    import app
    from store import review
    from store.audit import Actor
    from store.database import Store
    from sync.decide import decide

    somebody = Actor("benchmark", datetime.now(UTC))
    with Store(app.load_config(config).store) as store:
        items = [item for item in review.open_items(store) if item.code == "customer_match"]
        for item in items:
            decide(store, somebody, item.id, f"link={item.detail.split()[2]}", "the first shown")
    return len(items)


def step(sandbox: Sandbox, today: date, *arguments: str) -> list[str]:
    """Run one command and print its figures; return what it missed."""
    sleep(MINUTE)  # a process does not know what the one before it called
    held, writes = sandbox.held(), sandbox.writes()
    seconds, memory = run(sandbox.config, *arguments, "--today", str(today))
    after, calls = sandbox.held(), sandbox.writes() - writes
    missed = [f"{memory:.0f} MiB"] if memory > MOST_MEMORY else []
    told = []
    for name, size in BATCH.items():
        new = {kind: count for kind, count in (after[name] - held[name]).items() if count}
        fewest = sum(count if kind == USED else ceil(count / size) for kind, count in new.items())
        told.append(f"{name} {sum(new.values())} new in {calls[name]} calls (fewest {fewest})")
        if calls[name] > MOST_CALLS * fewest:
            missed.append(f"{calls[name]} write calls at {name}")
    print(f"{today}  {arguments[0]:<6} {seconds:6.1f} s  {memory:4.0f} MiB  {'; '.join(told)}")
    return [f"{today} {arguments[0]}: {one}" for one in missed]


def main() -> int:
    """Adopt, decide, sync for the first day and a month; return 1 when something promised was missed."""
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        try:
            held = sandbox.held()
            print(f"{DEALS} deals; in the books: {json.dumps(held)}")
            missed = step(sandbox, FIRST_DAY, "adopt")
            print(f"            {decide_all(sandbox.config)} customers decided")
            missed += step(sandbox, FIRST_DAY, "sync", *JOBS)
            for days in (10, 31):
                day = FIRST_DAY + timedelta(days=days)
                sandbox.control("clock", date=day.isoformat())
                missed += step(sandbox, day, "sync", *JOBS)
            refused = sandbox.control("calls").get("429", {})
            print(f"429s        {sum(refused.values())}")
            missed += [f"{count} times 429 at {name}" for name, count in refused.items()]
        finally:
            sandbox.close()
    for one in missed:
        print(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
