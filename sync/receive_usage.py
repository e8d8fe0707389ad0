"""Usage records as systems and people send them: checked against the contracts, each stored once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from rapidfuzz import process

from billing.facts import UsageRecord
from billing.reading.records import Record, usage_record
from billing.terms import Charge, Retainer, Terms, Usage
from store import audit, contracts, links, usage
from store.audit import Actor
from store.contracts import ContractRow
from store.database import Store
from sync.context import World

Numbered = tuple[int, Record | str]  # the line or index, and the record or what is wrong with the line
BATCH = 5000
_LONGEST_ID = 200
_DIGITS = 15  # before the point, and as many after it: more than any meter counts


class Refusal(msgspec.Struct, frozen=True):
    """A record that was not stored. ``place`` is its line or index, ``key`` the field that is wrong."""

    place: int
    id: str
    key: str
    problem: str

    def __str__(self) -> str:
        named = f" (id {self.id})" if self.id else ""
        return (
            f"{self.place}{named}: {self.key}: {self.problem}" if self.key else f"{self.place}{named}: {self.problem}"
        )


class Received(msgspec.Struct, kw_only=True):
    """What became of records. ``kept``: what was good is stored; else nothing is."""

    new: int = 0
    known: int = 0
    replaced: int = 0
    refused: list[Refusal] = []
    kept: bool = True


class _Undone(Exception):
    """Nothing of a transaction is to be kept."""


def receive(
    store: Store, world: World, actor: Actor, records: Iterable[Numbered], source: str, *, replace: bool = False
) -> Received:
    """Store the good ones of some records and say what is wrong with the others."""
    with store.transaction():
        return _Desk(store, world, actor, source, replace).take(records)


def load(
    store: Store, world: World, actor: Actor, records: Iterable[Numbered], source: str, *, replace: bool = False,
    skip_bad: bool = False, dry_run: bool = False, progress: Callable[[int, int], None] = lambda done, total: None,
) -> Received:  # fmt: skip
    """Store a whole file of records, or nothing of it when one is bad, unless ``skip_bad``; ``dry_run`` keeps nothing.

    ``source`` names the file; that it was read is in the audit trail.
    """
    desk = _Desk(store, world, actor, source, replace)
    try:
        with store.transaction():
            found = desk.take(records, progress)
            if dry_run or (found.refused and not skip_bad):
                raise _Undone
            after = {"new": found.new, "replaced": found.replaced, "refused": len(found.refused)}
            if found.new or found.replaced:
                audit.write(store, actor, "usage read", f"usage:{source}", after=after)
    except _Undone:
        found.kept = False
    return found


class _Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What a record must fit to."""

    key: str
    state: str
    zone: ZoneInfo
    meters: frozenset[str]
    first: date
    last: date | None

    def takes(self, meter: str, day: date) -> bool:
        """Say whether a record of a meter on a day may be this contract's."""
        return meter in self.meters and self.first <= day and (self.last is None or day <= self.last)


class _Wrong(ValueError):
    """A record cannot be stored: what is wrong with which key."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


class _Desk:
    """Takes records of one source, remembering the contracts it has looked up."""

    def __init__(self, store: Store, world: World, actor: Actor, source: str, replace: bool) -> None:
        self._store, self._world, self._actor, self._source, self._replace = store, world, actor, source, replace
        self._contracts: dict[str, _Contract | _Wrong] = {}
        self._of_customer: dict[str, list[_Contract] | _Wrong] = {}

    def take(
        self, records: Iterable[Numbered], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Received:
        """Store what is good, batch by batch."""
        found, done = Received(), 0
        for batch in _batches(records):
            self._take(batch, found)
            progress(done := done + len(batch), 0)
        return found

    def _take(self, batch: Sequence[Numbered], found: Received) -> None:
        good: list[tuple[str, UsageRecord]] = []
        places: list[int] = []
        for place, given in batch:
            try:
                good.append(self._read(given))
                places.append(place)
            except _Wrong as wrong:
                name = "" if isinstance(given, str) else str(given.get("id", ""))[:_LONGEST_ID]
                found.refused.append(Refusal(place, name, wrong.key, str(wrong)))
        fates = usage.save(self._store, self._actor, good, self._source, replace=self._replace)
        for place, (contract, record), fate in zip(places, good, fates, strict=True):
            if fate == "other":
                remedy = "give a new record an id of its own, or say that it replaces the one that is stored"
                problem = f"is stored for {contract} with other content: {remedy}"
                found.refused.append(Refusal(place, record.id, "id", problem))
        found.new += fates.count("new")
        found.known += fates.count("known")
        found.replaced += fates.count("replaced")

    def _read(self, given: Record | str) -> tuple[str, UsageRecord]:
        if isinstance(given, str):
            raise _Wrong("", given)
        rest = dict(given)
        key, customer = str(rest.pop("contract", None) or ""), str(rest.pop("customer", None) or "")
        if not key and not customer:
            raise _Wrong("contract", "is missing: write the contract's key, or the customer's name or CRM id")
        if not key:
            return self._for_customer(rest, customer)
        contract = self._contract(key)
        record = _record(rest, contract.zone)
        if contract.state == "closed" or not contract.takes(record.meter, record.day):
            raise _misfit(contract, record)
        return key, record

    def _for_customer(self, rest: Record, customer: str) -> tuple[str, UsageRecord]:
        """Return a record of a customer, for the one contract of theirs that has its meter on its day."""
        theirs = self._theirs(customer)
        read = [(one, _record(rest, one.zone)) for one in theirs]
        fits = [(one.key, record) for one, record in read if one.takes(record.meter, record.day)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            several = ", ".join(key for key, _ in fits)
            raise _Wrong("customer", f"{customer!r} has several contracts with this meter: name one of {several}")
        raise _Wrong("customer", f"{customer!r} has no active contract with this meter on that day: name the contract")

    def _theirs(self, customer: str) -> list[_Contract]:
        if customer not in self._of_customer:
            found = links.named(self._store, customer)
            if len(found) == 1:
                keys = contracts.of_customer(self._store, found[0])
                self._of_customer[customer] = [self._contract(key) for key in keys]
            elif found:
                problem = f"{customer!r} is the name of several: write the company's id in the CRM"
                self._of_customer[customer] = _Wrong("customer", problem)
            else:
                problem = f"there is no {customer!r}{_near(customer, links.names(self._store))}"
                self._of_customer[customer] = _Wrong("customer", problem)
        return _or_raise(self._of_customer[customer])

    def _contract(self, key: str) -> _Contract:
        if key not in self._contracts:
            row = contracts.get(self._store, key)
            if row is not None:
                self._contracts[key] = _wanted(self._world, row)
            else:
                near = _near(key, contracts.keys(self._store))
                self._contracts[key] = _Wrong("contract", f"there is no {key!r}{near}")
        return _or_raise(self._contracts[key])


T = TypeVar("T")


def _or_raise(found: T | _Wrong) -> T:
    if isinstance(found, _Wrong):
        raise found
    return found


def _near(name: str, known: Sequence[str], otherwise: str = ": write one that exists") -> str:
    best = process.extractOne(name, known, score_cutoff=60)
    return f": did you mean {best[0]!r}?" if best else otherwise


def _batches(records: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    source = iter(records)
    while batch := list(islice(source, BATCH)):
        yield batch


def _wanted(world: World, row: ContractRow) -> _Contract:
    terms, entity = row.agreed, world.entities.get(row.entity)
    return _Contract(
        key=row.key,
        state=row.state,
        zone=ZoneInfo(entity.timezone if entity else "UTC"),
        meters=frozenset(meters(terms)),
        first=terms.starts_on,
        last=_last_day(terms),
    )


def meters(terms: Terms) -> list[str]:
    """Return the meters whose records terms bill, amendments included."""
    charges: list[Charge] = [*terms.charges]
    for one in terms.amendments:
        charges += [*one.add, *(replacement.by for replacement in one.replace)]
    found = [charge.meter or charge.key for charge in charges if isinstance(charge, Usage | Retainer)]
    return list(dict.fromkeys(found))


def _last_day(terms: Terms) -> date | None:
    """Return the last day on which something can be used; None where the contract may go on for ever."""
    renewals = [terms.renewal, *(one.renewal for one in terms.amendments)]
    if terms.ends_on is None or any(renewal is not None and renewal.auto for renewal in renewals):
        return None
    return max([terms.ends_on, *(one.ends_on for one in terms.amendments if one.ends_on)])


def _record(given: Record, zone: ZoneInfo) -> UsageRecord:
    try:
        record = usage_record(given, zone)
    except ValueError as error:
        key, colon, problem = str(error).partition(": ")
        raise (_Wrong(key, problem) if colon and key.isidentifier() else _Wrong("", str(error))) from None
    if len(record.id) > _LONGEST_ID:
        raise _Wrong("id", f"is longer than {_LONGEST_ID} characters: shorten it")
    if record.quantity < 0:
        raise _Wrong("quantity", f"is {record.quantity}: write 0 or more; what was too much is replaced under its id")
    if _is_absurd(record.quantity):
        raise _Wrong("quantity", f"has more than {_DIGITS} digits before or after the point: write what was measured")
    return record


def _is_absurd(quantity: Decimal) -> bool:
    exponent = quantity.as_tuple().exponent
    return quantity.adjusted() >= _DIGITS or (isinstance(exponent, int) and exponent < -_DIGITS)


def _misfit(contract: _Contract, record: UsageRecord) -> _Wrong:
    """Return why a contract does not take a record."""
    key, day = contract.key, record.day
    if contract.state == "closed":
        return _Wrong("contract", f"{key} is closed: name the contract that goes on instead")
    if record.meter not in contract.meters:
        known = sorted(contract.meters)
        near = _near(record.meter, known, f": it has {', '.join(known)}" if known else ": it bills no usage at all")
        return _Wrong("meter", f"contract {key} has no {record.meter!r}{near}")
    if day < contract.first:
        remedy = "correct the day, or name the contract that it belongs to"
        return _Wrong("at", f"{day} lies before the start of contract {key}, {contract.first}: {remedy}")
    remedy = "name the contract that follows, or extend this one (netterms amend)"
    return _Wrong("at", f"{day} lies after the end of contract {key}, {contract.last}: {remedy}")
