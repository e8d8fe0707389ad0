"""F12: all of that by chance, after which the company must come to rest."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from random import Random

from benchmarks.simulator.calls import FAULTS, retried
from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import CASH, Row, month, pay, win
from sandbox.core import Fault


def swarmed(seed: int) -> Verdict:
    """Three months in which faults happen by chance, each seed with some kinds of them; then they stop."""
    rng = Random(seed)
    kinds = [kind for kind in FAULTS if kind != "400" and rng.random() < 0.4]
    likely, deadly = rng.choice((0.0, 0.01, 0.05)), rng.choice((0.0, 0.002, 0.01))
    with Company() as company:

        def chance(vendor: str, method: str, path: str) -> Fault | None:
            return Fault(vendor, **FAULTS[rng.choice(kinds)]) if kinds and rng.random() < likely else None

        company.faults.random = chance
        company.steps.dies_at = lambda step: rng.random() < deadly
        for act in rng.choice((CASH, (win, pay, month, month))):
            act(company)
            for _ in range(rng.randint(1, 3)):
                company.skew = timedelta(minutes=rng.choice((0, 0, 0, 10, -10, 60, -60)))
                company.sync(tries=1000)
                company.time.sleep(900)
        company.skew = timedelta(0)
        return retried(company, company.judge())


def f12(seed: int, count: int) -> Row:
    """A random swarm of all that, after which the company must come to rest within a day."""
    rng = Random(seed)
    for _ in range(count):
        number = rng.randrange(1 << 30)
        yield f"number {number}", partial(swarmed, number)
