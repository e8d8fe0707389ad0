"""F9: an old copy of the store is put back."""

from __future__ import annotations

from functools import partial

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import Row, pay, portion, win
from store import backup
from store.database import Store


def put_back(days: int) -> Verdict:
    """An old copy of the store is put back and the jobs go on: nothing may be booked or mailed twice."""
    with Company() as company:
        win(company)
        company.sync()
        old = company.store.with_suffix(".old")
        with Store(company.store) as store:
            store.copy_to(old)
        pay(company)
        company.sync()
        company.sell("Newcomer Ltd", "77", "GBP")
        company.move(days)
        company.sync()
        backup.restore(old, company.store, company.now())
        return Verdict(duplicates=company.judge(expected=False).duplicates)


def f9(seed: int, count: int) -> Row:
    """An old copy of the store; only duplicates count: what happened since is known to the vendors alone."""
    for days in portion((0, 1, 2, 7, 30, 60), seed, count):
        yield f"{days} day(s) old", partial(put_back, days)
