"""F9: an old copy of the store is put back."""

from __future__ import annotations

from functools import partial
from itertools import product

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import CASH, Row, portion, use_rest
from store import backup
from store.database import Store


def put_back(done: int, days: int) -> Verdict:
    """The store as it was after some acts of the story is put back once all has happened: nothing is done twice."""
    with Company() as company:
        old = company.store.with_suffix(".old")
        for number, act in enumerate(CASH):
            if number == done:
                with Store(company.store) as store:
                    backup.back_up(store, old)
            act(company)
            company.sync()
        company.move(days)
        company.sync()
        backup.restore(old, company.store, company.now())
        for _ in range(2):
            company.sync()
            company.time.sleep(900)
        decide_again(company)
        return Verdict(duplicates=company.judge(expected=False).duplicates)


def decide_again(company: Company) -> None:
    """What people had decided since the backup they decide again."""
    use_rest(company)


def f9(seed: int, count: int) -> Row:
    """An old copy of the store; only duplicates count: what happened since is known to the vendors alone."""
    scenarios = [
        (f"a copy from before act {done}, {days} day(s) old at least", partial(put_back, done, days))
        for done, days in product(range(1, len(CASH)), (0, 1, 30))
    ]
    yield from portion(scenarios, seed, count)
