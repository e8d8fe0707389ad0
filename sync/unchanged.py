"""Steps that need not be done again: everything they were derived from is as it was when they changed nothing.

A step that reads all there is says which inputs it reads. Once it has been done without changing any of them, what it
found is kept (``store.steps``) with how often each input had changed by then, the configuration it used, the day in
each legal entity, and the program itself. While those are the same the step would do the same, which is nothing: what
it found is reported again. docs/decisions/0011 says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from store import restores, steps
from store.database import to_json
from sync.context import Context

_ROOMS = ("billing", "mappings", "connectors", "store", "sync")


def unless_same(
    context: Context, step: str, inputs: Sequence[str], used: object, do: Callable[[], bool | None]
) -> None:
    """Do a step, or report what it found before when all of its ``inputs`` and what it ``used`` are the same.

    ``used`` is what it takes of the configuration. A step that fails, could not use a connection, or returns False is
    done again next time: what it found is derived from a vendor's answer, too, which may be another then.
    """
    store = context.store
    name = f"{context.job} {step}"
    before = _derived_from(context, inputs, used)
    found = steps.kept(store, name, before)
    if found is not None:
        context.findings += found
        return
    already, failures = len(context.findings), dict(context.failures)
    is_ours = do()
    if is_ours is not False and context.failures == failures and _derived_from(context, inputs, used) == before:
        steps.keep(store, name, before, context.findings[already:])


def _derived_from(context: Context, inputs: Sequence[str], used: object) -> str:
    world = context.world
    days = [context.today(entity) for entity in world.entities]
    restored = restores.latest(context.store)
    common = [days, list(world.entities.values()), world.crm_changes, world.dry_run, restored and restored.at]
    said = to_json([steps.counted(context.store, inputs), used, common])
    return hashlib.sha256(f"{_program()} {said}".encode()).hexdigest()


@cache
def _program() -> str:
    """Return the digest of the program: another one may find something else."""
    found = hashlib.sha256()
    root = Path(__file__).parents[1]
    for room in _ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()
