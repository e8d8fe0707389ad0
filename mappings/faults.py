"""What is wrong with a mapping file, said so that the person who edits it knows what to do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One fault: the file, the path of the key in it, what is wrong and what to write instead."""

    file: str
    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}; {self.remedy}"


class MappingError(Exception):
    """A mapping file that cannot be used. ``faults`` are all of its faults, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Report:
    """Collects the faults of one file while it is read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def add(self, key: str, problem: str, remedy: str) -> None:
        """Note a fault at ``key``."""
        self.faults.append(Fault(self.file, key, problem, remedy))

    def check(self) -> None:
        """Raise ``MappingError`` when anything was noted."""
        if self.faults:
            raise MappingError(self.faults)
