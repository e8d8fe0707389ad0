"""F4: every kind of HTTP fault at every type of call."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import STORY, Row, golden, portion
from sandbox.core import Fault
from store import review
from store.audit import Actor
from store.database import Store
from sync.decide import decide

FAULTS: dict[str, dict[str, Any]] = {
    "429 with Retry-After": {"kind": "error_before", "status": 429, "headers": {"Retry-After": "7"}},
    "429 without": {"kind": "error_before", "status": 429},
    "500 before": {"kind": "error_before", "status": 500},
    "500 after": {"kind": "error_after", "status": 500},
    "timeout before": {"kind": "timeout_before"},
    "timeout after": {"kind": "timeout_after"},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "502 as HTML": {"kind": "html_before"},
    "cut JSON": {"kind": "cut_body"},
    "401": {"kind": "unauthorized"},
    "403": {"kind": "error_before", "status": 403},
    "400": {"kind": "error_before", "status": 400, "body": "{}"},
    "200 of a wrong shape": {"kind": "wrong_shape"},
    "redirect": {"kind": "redirect_before"},
    "no connection": {"kind": "refused_before"},
}


def hit(vendor: str, method: str, path: str, fault: dict[str, Any], times: int) -> Verdict:
    """Show a fault on each call of a type, so many times in each act."""
    with Company() as company:
        for act in STORY:
            act(company)
            company.faults.ordered[:] = [Fault(vendor, method=method, path=path, times=times, **fault)]
            company.sync()
        verdict = company.judge(expected=fault.get("status") != 400)
        if fault.get("status") == 400 or fault["kind"] == "wrong_shape":
            return retried(company, verdict)
        return verdict


def retried(company: Company, verdict: Verdict) -> Verdict:
    """What a vendor refuses waits for a person: let one say that it is to be tried again, and judge anew."""
    if verdict.survived:
        return verdict
    with Store(company.store) as store:
        for item in review.open_items(store):
            if "retry" in item.choices:
                decide(store, Actor("person", company.now()), item.id, "retry", "mended")
    return company.judge()


def f4(seed: int, count: int) -> Row:
    """Every kind of HTTP fault at every type of call, once and three times in a row."""
    _, called = golden()
    calls = sorted((vendor, method, path.split("{")[0]) for vendor, found in called.items() for method, path in found)
    every = list(product(calls, FAULTS, (1, 3)))
    for (vendor, method, path), name, times in portion(every, seed, count):
        yield (
            f"{name} x {times} at {vendor} {method} {path}",
            partial(hit, vendor, method, path, FAULTS[name], times),
        )
