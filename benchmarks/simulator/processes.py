"""F8: a process that stands still beyond its lease; two at once."""

from __future__ import annotations

import threading
from functools import partial
from random import Random

import app
from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import Row, Scenario, win
from benchmarks.simulator.wire import Step


def stopped_beyond_its_lease(number: int) -> Verdict:
    """A process stands still at a step for longer than its lease, another does the work, then the first goes on."""
    with Company() as company:
        win(company)
        stands, goes_on = threading.Event(), threading.Event()
        count, at, ended = 0, "", {}

        def stand_still(step: Step) -> bool:
            nonlocal count, at
            if threading.current_thread() is thread and step != Step("commit", False):
                count += 1
                if count == number:
                    at = step.what
                    stands.set()
                    goes_on.wait(60)
            return False

        def run() -> None:
            try:
                with company.process(elsewhere=True) as world:
                    results, _ = app.run_jobs(company.config, world=world)
                    ended.update({one.job: one.message for one in results if one.outcome == "failed"})
            finally:
                stands.set()

        thread = threading.Thread(target=run)
        company.steps.dies_at = stand_still
        thread.start()
        stands.wait(60)
        company.time.sleep(11 * 60)
        company.sync()
        company.steps.running = True
        goes_on.set()
        thread.join(120)
        company.steps.running = False
        verdict = company.judge()
        if at not in ("", "commit") and not any("taken this job over" in message for message in ended.values()):
            verdict.wrong.append(f"it stood still at {at}, lost its lease and committed all the same: {ended}")
        return verdict


def side_by_side() -> Verdict:
    """Two schedulers run everything on one file at once."""
    with Company() as company:
        win(company)
        problems: list[BaseException] = []

        def run(elsewhere: bool) -> None:
            try:
                with company.process(elsewhere=elsewhere) as world:
                    app.run_jobs(company.config, world=world)
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=run, args=(True,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        verdict = company.judge()
        verdict.wrong += [f"{type(one).__name__}: {one}" for one in problems]
        return verdict


def f8(seed: int, count: int) -> Row:
    """A process that stands still beyond its lease; two at once."""
    rng = Random(seed)
    scenarios: list[tuple[str, Scenario]] = [
        ("two schedulers at once", side_by_side) for _ in range(max(1, count // 6))
    ]
    for _ in range(count - len(scenarios)):
        number = rng.randint(1, 330)
        scenarios.append((f"stopped at step {number} beyond its lease", partial(stopped_beyond_its_lease, number)))
    yield from scenarios[:count]
