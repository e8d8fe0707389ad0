"""What goes wrong, how often it was tried, and what came of it: the scoreboard of faults, and its teeth.

    python benchmarks/faults.py                      a sample of everything
    python benchmarks/faults.py --seeds 20           the long run (make faults)
    python benchmarks/faults.py --only F4,teeth --seconds 60

A small company lives in this process: the real jobs, store and SDKs over the stand-ins, without sockets and in virtual
time (benchmarks/simulator/); real processes that get a signal (F3, F8) and answers that drip (F4) go over loopback.
Faults come by script; then they stop, and the company must come to rest within a virtual day with every document and
payment booked once and every cent accounted for. *Teeth* are bugs planted in our own code: each must be caught. What
cannot be tried here is shown as skipped, with the reason. Exit code 1 when anything is not as it must be; a failure
prints the scenario and the seed that brings it back.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from statistics import quantiles
from time import monotonic
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.simulator import kills, teeth  # noqa: E402  # found from the line above
from benchmarks.simulator.company import Verdict  # noqa: E402
from benchmarks.simulator.crew import Crew, quiet  # noqa: E402
from benchmarks.simulator.rows import ROWS  # noqa: E402
from terminal import progress  # noqa: E402

# How many scenarios one seed tries of each row; the long run takes many seeds.
COUNTS = {
    "F1": 8,
    "F2": 6,
    "F3": 4,
    "F4": 12,
    "F5": 12,
    "F6": 5,
    "F7": 8,
    "F8": 6,
    "F9": 6,
    "F10": 6,
    "F11": 8,
    "F12": 2,
}


OnProgress = Callable[[int, int], None]


class Score(NamedTuple):
    """How a row went."""

    name: str
    tried: int
    survived: int
    duplicates: int
    lost: int
    cents: int
    minutes: list[float]  # until rest, of each scenario

    @property
    def is_good(self) -> bool:
        """Say whether nothing went wrong."""
        return self.survived == self.tried and not (self.duplicates or self.lost or self.cents)


def verdicts(key: str, seed: int, count: int, until: float) -> Iterator[Verdict]:
    """Try the scenarios that follow from a seed; print each that does not survive with what brings it back."""
    for tried, scenario in ROWS[key][1](seed, count):
        if monotonic() > until:
            return
        try:
            verdict = scenario()
        except Exception as error:
            verdict = Verdict(wrong=[f"{type(error).__name__}: {error}"])
        if not verdict.survived:
            print(f"  {key} seed {seed}: {tried}: {verdict}", flush=True)
        yield verdict


def row(key: str, seeds: range, count: int, until: float, crew: Crew, on_progress: OnProgress) -> Score:
    """Try a row's scenarios, a seed at each of the crew."""
    found = []
    for verdict in crew.each(verdicts, [(key, seed, count, until) for seed in seeds]):
        found.append(verdict)
        on_progress(len(found), len(seeds) * count)
    return Score(
        ROWS[key][0],
        len(found),
        sum(one.survived for one in found),
        sum(one.duplicates for one in found),
        sum(one.lost for one in found),
        sum(one.cents for one in found),
        [one.minutes for one in found if one.minutes < inf],
    )


def bite(number: int, until: float) -> Iterator[tuple[str, bool, bool]]:
    """Yield a planted bug, whether its scenarios pass without it, and whether it is caught; nothing when time is up."""
    tooth = teeth.teeth()[number]
    if monotonic() <= until:
        yield tooth.name, teeth.passes(tooth.scenarios[0]), tooth.caught()


def shown(key: str, score: Score) -> str:
    """Return a row of the table."""
    waits = sorted(score.minutes) or [0.0]
    cut = quantiles(waits, n=100) if len(waits) > 1 else waits * 99
    return (
        f"{key:4} {score.name:38} {score.tried:6} {score.survived:9} {score.duplicates:10} {score.lost:5}"
        f" {score.cents:6} {cut[49]:8.0f} {cut[98]:8.0f}"
    )


def main() -> int:
    """Print the scoreboard; return 1 when something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seeds", type=int, default=1, help="how many seeds; the scenarios of each row follow from one"
    )
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--only", default="", help="rows, e.g. F4,F12,teeth; by default all")
    parser.add_argument("--seconds", type=float, default=86400.0, help="begin nothing more after so many seconds")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many seeds at once")
    given = parser.parse_args()
    quiet()
    crew = Crew(given.processes if given.seeds > 1 else 1)
    seeds = range(given.seed, given.seed + given.seeds)
    only = given.only.split(",") if given.only else [*COUNTS, "teeth"]
    began, good, tried = monotonic(), True, 0
    print(HEAD)
    wanted = [key for key in COUNTS if key in only]
    for place, key in enumerate(wanted):
        left = given.seconds - (monotonic() - began)
        until = monotonic() + left / (len(wanted) - place + ("teeth" in only))
        if key == "F3":
            score = Score(
                "SIGKILL, SIGTERM of a real process", *kills.tried(COUNTS[key] * given.seeds, given.seed, until)
            )
        else:
            with progress() as start:
                score = row(key, seeds, COUNTS[key], until, crew, start(key))
        good, tried = good and score.is_good, tried + score.tried
        print(shown(key, score), flush=True)
    took = monotonic() - began
    if wanted:
        print(f"{tried} scenarios in {took:.0f} s: {tried / took:.2f}/s. Minutes are virtual.")
    if "F6" in only and (reason := kills.tracing()):
        print(f"  skipped: F6 EIO and ENOSPC at single system calls: {reason}")
    if "teeth" in only:
        found: list[tuple[str, bool, bool]] = []
        with progress() as start:
            bar, planted = start("teeth"), len(teeth.teeth())
            for one in crew.each(bite, [(number, began + given.seconds) for number in range(planted)]):
                found.append(one)
                bar(len(found), planted)
        for name, sound, caught in found:
            if not (sound and caught):
                print(f"  tooth {name}: {'NOT CAUGHT' if sound else 'its scenario fails without the bug'}")
        good = good and all(sound and caught for _, sound, caught in found)
        print(f"teeth: {sum(caught for _, _, caught in found)} of {len(found)} planted bugs caught")
    return int(not good)


HEAD = f"{'':43} {'tried':>6} {'survived':>9} {'duplicates':>10} {'lost':>5} {'cents':>6} {'p50 min':>8} {'p99 min':>8}"

if __name__ == "__main__":
    sys.exit(main())
