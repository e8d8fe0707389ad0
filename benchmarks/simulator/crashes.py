"""F1 and F2: the process dies at a step, and once more while that is recovered from."""

from __future__ import annotations

from functools import partial
from random import Random

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.stories import CASH, DAYS_OFF, STORY, Act, Row, golden, portion

STORIES = (CASH, STORY)


def crashed(story: tuple[Act, ...], deaths: list[int], outage: float = 0.0) -> Verdict:
    """Die at steps (counted over all processes); after each death nobody answers for some seconds."""
    with Company() as company:
        company.steps.deaths = deaths
        for act in story:
            act(company)
            died = company.crashes
            company.sync()
            if company.crashes > died and outage:
                company.faults.outage = company.time.seconds + outage
                company.sync()
                company.time.sleep(outage)
        return company.judge()


def f1(seed: int, count: int) -> Row:
    """A crash at every step, in an order that prefers what writes."""
    rng, story = Random(seed), STORIES[seed % 2]
    steps = golden(story)[0]
    reads = [n for n, step in enumerate(steps, 1) if any(word in step.what for word in ("GET", "search", "query"))]
    writes = sorted(set(range(1, len(steps) + 1)) - set(reads))
    few = count // 4
    for number in portion(writes, seed, count - few) + portion(reads, seed, few):
        outage = rng.choice((0.0, 5.0, 60.0, DAYS_OFF))
        yield (
            f"of {len(steps)} steps {number} {steps[number - 1]}, then {outage:.0f} s",
            partial(crashed, story, [number], outage),
        )


def f2(seed: int, count: int) -> Row:
    """A second crash while the first is recovered from."""
    rng, story = Random(seed), STORIES[seed % 2]
    total = len(golden(story)[0])
    for _ in range(count):
        first = rng.randint(1, total)
        second = first + rng.randint(1, 150)
        yield f"steps {first} and {second} of {total}", partial(crashed, story, [first, second])
