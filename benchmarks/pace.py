"""How much of what a vendor permits is used: two processes call one account as fast as the limits let them.

Against the stand-ins, which enforce the limits and whose minute is shortened. The share is the time
that so many windows should take, of the time they took. Fails below 95 % or with a 429.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from connectors import connect
from connectors.base import Block, Ports, Settings
from connectors.http import RealClock
from connectors.oauth import FixedToken
from sandbox.server import Options, Running
from store.quota import Quota

PROCESSES = 2
LEAST = 0.95


class Case(NamedTuple):
    """A limit that binds: so many calls in a window of so many of the vendor's seconds; run for so many windows.

    ``minute`` is how many real seconds the stand-in's minute lasts.
    """

    vendor: str
    account: str
    token: str
    calls: int
    seconds: float
    windows: int
    minute: float
    call: Callable[[Any, int], object]


def _batch(ledger: Any, number: int) -> object:
    body = {"DisplayName": f"Customer {number} {time.time_ns()}"}
    return ledger._transport.create([("1", "Customer", body)], f"{time.time_ns():x}")


CASES = {
    "Xero, 60 a minute": Case(
        "xero", "5d4f1c1e-0000-4000-8000-00000000c0de", "sandbox-xero-1", 60, 60, 3, 12.0, lambda it, _: it.probe()
    ),
    "QuickBooks, 120 batches a minute": Case(
        "quickbooks", "9130350000000001", "sandbox-quickbooks-1", 120, 60, 3, 12.0, _batch
    ),
    "HubSpot, 190 in ten seconds": Case("hubspot", "", "pat-sandbox-1", 190, 10, 5, 30.0, lambda it, _: it.probe()),
}


def work(name: str, url: str, store: Path, seconds: float) -> None:
    """Call until the time is over; print when each call began."""
    case = CASES[name]
    settings = Settings(
        name=case.vendor, vendor=case.vendor, base_url=f"{url}/{case.vendor}", account=case.account,
        minute_seconds=case.minute,
    )  # fmt: skip
    quota = Quota(store, time.time, Block)
    found = connect(settings, Ports(credentials=FixedToken(case.vendor, case.token), clock=RealClock(), quota=quota))
    sys.stdin.readline()
    end, number = time.time() + seconds, 0
    while time.time() < end:
        case.call(found, number)
        number += 1
        print(repr(time.time()))


def measure(name: str, running: Running, folder: Path) -> float:
    """Let the processes call, print what came of it, and return the share."""
    case = CASES[name]
    window = case.seconds * case.minute / 60
    vendor = running.sandbox.vendors[case.vendor]
    limited = vendor.limited
    command = [sys.executable, __file__, name, running.url, str(folder / f"{case.vendor}.db")]
    processes = [
        subprocess.Popen(
            [*command, str(window * (case.windows + 1))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    time.sleep(2)  # both have imported what they need
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sent = sorted(float(at) for process in processes for at in process.communicate()[0].split())
    whole = (len(sent) - 1) // case.calls  # so many windows passed from the first call to the one after the last window
    share = whole * window / (sent[whole * case.calls] - sent[0])
    refused = vendor.limited - limited
    print(f"{name:34} {len(sent):6,} calls {share:8.1%} of the rate {refused:4} 429s")
    if refused or share < LEAST:
        raise SystemExit(f"{name}: below {LEAST:.0%} or refused")
    return share


def main() -> None:
    """Measure every case, one after the other."""
    for name, case in CASES.items():
        options = Options(today=date(2026, 6, 1), deals=1, minute=case.minute)
        with Running(options) as running, tempfile.TemporaryDirectory() as folder:
            measure(name, running, Path(folder))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
