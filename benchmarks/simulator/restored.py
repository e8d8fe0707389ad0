"""F9: an old copy of the store is put back."""

from __future__ import annotations

from functools import partial
from itertools import combinations, product

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import CASH, Row, Scenario, portion, use_rest, win
from store import backup
from store.database import Store


def put_back(done: int, last: int, days: int) -> Verdict:
    """The store as it was after some acts of the story is put back after some more: nothing is done twice."""
    with Company() as company:
        old = company.store.with_suffix(".old")
        for number, act in enumerate(CASH[:last]):
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


def taken_back_at_once() -> Verdict:
    """A payment is to be posted again after a restore, before the books were read back, and then it is disputed."""
    with Company() as company:
        old = company.store.with_suffix(".old")
        win(company)
        company.sync()
        with Store(company.store) as store:
            backup.back_up(store, old)
        intent = company.pay(435_35, "UK-00001", "uk")
        company.sync()
        backup.restore(old, company.store, company.now())
        company.sync("pull_payments", "match_payments", "post_payments")
        company.dispute(intent, "uk")
        return company.judge()


def decide_again(company: Company) -> None:
    """What people had decided since the backup they decide again."""
    use_rest(company)


def f9(seed: int, count: int) -> Row:
    """An old copy of the store; only duplicates count: what happened since is known to the vendors alone."""
    scenarios: list[tuple[str, Scenario]] = [
        (f"a copy from after act {done} put back after act {last} and {days} days", partial(put_back, done, last, days))
        for (done, last), days in product(combinations(range(1, len(CASH) + 1), 2), (0, 1, 30))
    ]
    scenarios.append(("what is posted again is taken back at once", taken_back_at_once))
    yield from portion(scenarios, seed, count)
