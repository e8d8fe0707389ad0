"""Processes that try scenarios side by side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Found = TypeVar("Found")


class Crew:
    """Processes that work side by side, each with a company of its own; a crew of one is this process."""

    def __init__(self, size: int) -> None:
        self._pool = ProcessPoolExecutor(size, get_context("spawn"), quiet) if size > 1 else None

    def each(self, work: Callable[..., Iterator[Found]], tasks: list[tuple[Any, ...]]) -> Iterator[Found]:
        """Yield what ``work`` finds at each of the tasks, in their order."""
        if self._pool is None:
            for task in tasks:
                yield from work(*task)
            return
        for one in [self._pool.submit(_all, work, task) for task in tasks]:
            yield from one.result()


def quiet() -> None:
    """Log nothing: a job that fails on purpose says so in its result."""
    logging.disable(logging.CRITICAL)


def _all(work: Callable[..., Iterator[Found]], task: tuple[Any, ...]) -> list[Found]:
    return [*work(*task)]
