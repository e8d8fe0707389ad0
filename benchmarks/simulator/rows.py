"""The rows of the scoreboard: for each class of faults, what yields its scenarios."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.simulator.calls import f4
from benchmarks.simulator.clock import f7
from benchmarks.simulator.crashes import f1, f2
from benchmarks.simulator.disk import f6
from benchmarks.simulator.people import f10
from benchmarks.simulator.processes import f8
from benchmarks.simulator.restored import f9
from benchmarks.simulator.stories import Row
from benchmarks.simulator.swarm import f12
from benchmarks.simulator.upgrades import f11
from benchmarks.simulator.webhooks import f5

ROWS: dict[str, tuple[str, Callable[[int, int], Row]]] = {
    "F1": ("crash at a step, then an outage", f1),
    "F2": ("second crash during recovery", f2),
    "F4": ("HTTP faults x calls", f4),
    "F5": ("webhooks", f5),
    "F6": ("disk", f6),
    "F7": ("time", f7),
    "F8": ("processes", f8),
    "F9": ("old copy of the store", f9),
    "F10": ("people elsewhere", f10),
    "F11": ("upgrades", f11),
    "F12": ("swarm, then rest", f12),
}
