"""F8: a process that stands still beyond its lease, also for real; two at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from random import Random

import app
from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stops import stopped_for_real
from benchmarks.simulator.stories import Row, Scenario, win
from benchmarks.simulator.wire import Step


def interrupted(
    company: Company, number: int, meanwhile: Callable[[], object], counts: Callable[[Step], bool] = lambda step: True
) -> tuple[str, dict[str, str]]:
    """Run all jobs in a process that stands still at the n-th step that counts, until something was done.

    Returns that step, empty when it did not come, and what the jobs that failed said.
    """
    stands, goes_on = threading.Event(), threading.Event()
    count, at, ended = 0, "", {}

    def stand_still(step: Step) -> bool:
        nonlocal count, at
        if threading.current_thread() is thread and step != Step("commit", False) and counts(step):
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
    meanwhile()
    company.steps.running = True
    goes_on.set()
    thread.join(120)
    company.steps.running = False
    return at, ended


def stopped_beyond_its_lease(number: int) -> Verdict:
    """A process stands still at a step for longer than its lease, another does the work, then the first goes on."""
    with Company() as company:
        win(company)

        def take_over() -> None:
            company.time.sleep(11 * 60)
            company.sync()

        at, ended = interrupted(company, number, take_over)
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
    """A process that stands still beyond its lease, also for real; two at once."""
    rng = Random(seed)
    scenarios: list[tuple[str, Scenario]] = [
        ("two schedulers at once", side_by_side) for _ in range(max(1, count // 6))
    ]
    real = count // 3
    for _ in range(count - len(scenarios) - real):
        number = rng.randint(1, 330)
        scenarios.append((f"stopped at step {number} beyond its lease", partial(stopped_beyond_its_lease, number)))
    for turn in range(real):
        call, goes_on = rng.randint(1, 65), turn % 2 * rng.randint(1, 40)
        midway = f" and woken {goes_on} calls later" * bool(goes_on)
        scenarios.append((f"SIGSTOP at call {call}{midway}", partial(stopped_for_real, call, goes_on)))
    yield from scenarios[:count]
