"""What steps found that changed nothing: kept until something they were derived from changes.

``counters`` counts the changes of each input by triggers, so that nobody can forget to; see ``schema.py``. Deleting
rows of ``steps`` is safe: the step is done again and finds the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from store.database import Store, to_json
from store.review import Finding


def counted(store: Store, inputs: Sequence[str]) -> list[int]:
    """Return how often each input has changed so far. Raises ``KeyError`` for one that nobody counts."""
    found: dict[str, int] = dict(store.tuples("SELECT input, changes FROM counters"))
    return [found[one] for one in inputs]


def kept(store: Store, step: str, derived_from: str) -> list[Finding] | None:
    """Return what a step found; None when it must be done, as it was not or from something else."""
    found = store.one("SELECT findings FROM steps WHERE step=? AND derived_from=?", step, derived_from)
    return None if found is None else msgspec.json.decode(found, type=list[Finding])


def keep(store: Store, step: str, derived_from: str, findings: Sequence[Finding]) -> None:
    """Remember what a step found."""
    store.execute(
        "INSERT INTO steps (step, derived_from, findings) VALUES (?, ?, ?) ON CONFLICT (step)"
        " DO UPDATE SET derived_from=excluded.derived_from, findings=excluded.findings",
        step,
        derived_from,
        to_json(list(findings)),
    )
