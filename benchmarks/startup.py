"""How long `netterms --help` takes beside `python -c "import click"`, each as a whole process.

Both stand in one run and take turns, so that a busy machine slows both alike; the median counts. The part of a start
that is ours to lose is what app.py and commands/ import at their top: the interpreter and click cost the same in both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 25
MOST = 2.5  # times the start of click alone
COMMAND = (str(Path(sys.executable).with_name("netterms")), "--help")
FLOOR = (sys.executable, "-c", "import click")


def seconds(command: tuple[str, ...]) -> float:
    """Return how long a process takes from its start to its end; raises when it fails."""
    began = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - began


def measure(rounds: int) -> tuple[float, float]:
    """Return the median seconds of our command and of click alone, after one start of each that warms the disk."""
    seconds(COMMAND), seconds(FLOOR)
    pairs = [(seconds(COMMAND), seconds(FLOOR)) for _ in range(rounds)]
    return median(ours for ours, _ in pairs), median(floor for _, floor in pairs)


def main() -> int:
    """Print both figures and their ratio; return 1 when the ratio is above what is promised."""
    ours, floor = measure(ROUNDS)
    ratio = ours / floor
    print(f"netterms --help  {1000 * ours:6.0f} ms  (median of {ROUNDS})")
    print(f"import click     {1000 * floor:6.0f} ms")
    print(f"ratio            {ratio:6.2f}     (at most {MOST})")
    if ratio > MOST:
        print(f"missed: {ratio:.2f} times as long as click alone; see python -X importtime -c 'import commands'")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
