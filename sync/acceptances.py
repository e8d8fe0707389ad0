"""What a customer accepted: milestones that are billed then, and the release of a holdback."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from rapidfuzz import process

from billing.facts import Acceptance
from billing.reading.records import Record, event
from billing.terms import FixedPrice, Terms
from store import facts
from store.audit import Actor
from store.contracts import ContractRow
from store.database import Store
from sync import set_terms
from sync.context import World

HOLDBACK = "holdback"


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is billed when it is accepted; ``accepted_on`` is None until then, ``by`` is who recorded it."""

    charge: str
    key: str
    description: str
    accepted_on: date | None = None
    by: str = ""

    @property
    def name(self) -> str:
        """What people call it: ``build design``."""
        return f"{self.charge} {self.key}".strip()


def milestones(store: Store, row: ContractRow) -> list[Milestone]:
    """Return everything of a contract that waits for an acceptance or has one."""
    accepted = facts.acceptances(store, row.key)
    found = []
    for one in _milestones(row.agreed):
        known = accepted.get((one.charge, one.key))
        on, by = (known.on_day, known.actor) if known else (None, "")
        found.append(msgspec.structs.replace(one, accepted_on=on, by=by))
    return found


def _milestones(terms: Terms) -> list[Milestone]:
    charges = [*terms.charges]
    for amendment in terms.amendments:
        charges += [*amendment.add, *(one.by for one in amendment.replace)]
    found = [
        Milestone(charge=charge.key, key=part.key, description=f"{charge.description}: {part.description or part.key}")
        for charge in charges
        if isinstance(charge, FixedPrice)
        for part in charge.instalments
        if part.on is None and part.after is None
    ]
    if terms.holdback is not None and terms.holdback.release_on is None:
        found.append(Milestone(charge=HOLDBACK, key="", description=f"{terms.holdback.description}: release"))
    return found


def accept(
    store: Store, world: World, actor: Actor, contract: str, charge: str, milestone: str, on: date | None = None
) -> tuple[date, bool]:
    """Record that a customer accepted a milestone, by default today; return the day, and whether that is news.

    Raises ``ValueError`` naming what there is to accept.
    """
    row = set_terms.find(store, contract)
    _check(row, charge, milestone)
    given = Acceptance(charge=charge, milestone=milestone, on=on or _today(world, row))
    with store.transaction():
        return given.on, facts.accept(store, actor, contract, given)


def withdraw(store: Store, actor: Actor, contract: str, charge: str, milestone: str) -> None:
    """Take an acceptance back; what was billed for it is credited. Raises ``ValueError`` when there is none."""
    row = set_terms.find(store, contract)
    with store.transaction():
        if not facts.withdraw(store, actor, row.key, charge, milestone):
            raise ValueError(f"{charge} {milestone}".strip() + f" of contract {contract} is not recorded as accepted")


def _check(row: ContractRow, charge: str, milestone: str) -> None:
    known = [one.name for one in _milestones(row.agreed)]
    wanted = f"{charge} {milestone}".strip()
    if wanted not in known:
        best = process.extractOne(wanted, known, score_cutoff=60)
        near = f"did you mean {best[0]!r}?" if best else f"there is: {', '.join(known) or 'nothing'}"
        raise ValueError(f"contract {row.key} has no {wanted!r} that waits for an acceptance: {near}")


def _today(world: World, row: ContractRow) -> date:
    entity = world.entities.get(row.entity)
    return world.now().astimezone(ZoneInfo(entity.timezone if entity else "UTC")).date()


# ------------------------------------------------------------------------------------------------- from other systems

Fate = Literal["new", "known", "replaced"]


def receive(store: Store, world: World, actor: Actor, given: Record | str, *, replace: bool = False) -> Fate:
    """Record an acceptance that another system sends, with the keys ``contract``, ``charge``, ``milestone`` and ``on``.

    The same again changes nothing; another day is refused unless ``replace`` is set. Raises ``ValueError``.
    """
    if isinstance(given, str):
        raise ValueError(given)
    rest = dict(given)
    row = set_terms.find(store, str(rest.pop("contract", None) or ""))
    found = event({"on": _today(world, row).isoformat(), **rest})
    if not isinstance(found, Acceptance):
        raise ValueError("index: values of a price index stand in the configuration: write them there")
    _check(row, found.charge, found.milestone)
    before = facts.acceptances(store, row.key).get((found.charge, found.milestone))
    if before is not None and "on" not in rest:
        return "known"  # sent again without a day: it was accepted then
    if before is not None and before.on_day != found.on and not replace:
        raise ValueError(f"on: it was accepted on {before.on_day} already: say that {found.on} replaces it")
    with store.transaction():
        changed = facts.accept(store, actor, row.key, found)
    return "known" if not changed else "replaced" if before else "new"


def receive_all(
    store: Store, world: World, actor: Actor, records: Iterable[tuple[int, Record | str]], *, replace: bool = False
) -> tuple[list[Fate], list[tuple[int, str]]]:
    """Record what is good of several; return what became of those, and (place, problem) of the others."""
    fates: list[Fate] = []
    problems = []
    for place, given in records:
        try:
            fates.append(receive(store, world, actor, given, replace=replace))
        except ValueError as error:
            problems.append((place, str(error)))
    return fates, problems
