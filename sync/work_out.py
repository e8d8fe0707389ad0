"""Works contracts out: reads what is settled and known of a batch of them, bills it, and says what to keep.

Nothing is written here, so batches of a large run are worked out by processes of their own, beside the one that writes.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from itertools import islice
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from billing.facts import Facts, IndexSeries, Unpriceable
from billing.invoicing import Billing, BrokenInvariant, Note, Rules, Settled, bill
from billing.lint import lint
from billing.next_due import next_due
from billing.plan import ENGINE, usage_from, usage_open_from
from billing.steady import Steady, Written, steady, write_steady
from billing.terms import Terms
from billing.written import to_json
from store import contracts, facts, planned
from store.database import Store
from store.invoices import Drawn, drawn
from store.planned import Due, Planned, Span, SteadyRow

LARGE = 5 * planned.BATCH  # contracts from which on further processes are worth their start
LOGGED = 16  # spans after which the log is written into the file
_TERMS = msgspec.json.Decoder(Terms)
_STEADY = msgspec.msgpack.Decoder(Steady)
_key = attrgetter("key")
_OURS = (BrokenInvariant, ArithmeticError, ValueError, LookupError)  # what parks one contract and lets the others go on


class Setting(msgspec.Struct, frozen=True):
    """What is the same for all contracts of a legal entity in one run. ``digest`` stands for rules and indices."""

    entity: str
    digest: str
    rules: Rules
    indices: Mapping[str, IndexSeries]
    today: date

    @classmethod
    def of(cls, entity: str, rules: Rules, indices: Mapping[str, IndexSeries], today: date) -> Setting:
        """Return the setting with its digest."""
        return cls(
            entity, hashlib.sha256(f"{ENGINE} {to_json([rules, indices])}".encode()).hexdigest(), rules, indices, today
        )


class Billed(NamedTuple):
    """A contract worked out: what to draft, and what to remember of it."""

    row: Due
    terms: Terms
    billing: Billing
    state: Planned

    def kept(self, drafts: tuple[Drawn, ...] | None) -> Kept:
        """Return what is to be written and told of it, with its drafts, or None where they stand with others."""
        notes = self.billing.notes
        if self.state.lint != planned.NOTHING:
            notes = (*notes, *planned.notes_in(self.state.lint))
        row = self.row
        return Kept(row.key, row.name, row.customer_id, drafts, self.billing.settled_elsewhere, self.state, notes)


class Parked(NamedTuple):
    """A contract that cannot be worked out, and why."""

    key: str
    name: str
    why: str


class Kept(NamedTuple):
    """What is to be written of a contract, and what is to be told. ``drafts``: None where they stand with others."""

    key: str
    name: str
    customer_id: int
    drafts: tuple[Drawn, ...] | None
    elsewhere: tuple[Settled, ...]
    state: Planned
    notes: tuple[Note, ...]


class Found(NamedTuple):
    """A batch worked out. ``grouped`` are customers who get one invoice for several contracts: theirs come later."""

    kept: list[Kept]
    parked: list[Parked]
    grouped: set[int]
    size: int


_PACKER, _FOUND = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Found)


def work_out(store: Store, setting: Setting, span: Span) -> Found:
    """Work out the contracts of a span that are due, but those that share invoices with others."""
    due = planned.due(store, setting.entity, setting.digest, setting.today, span)
    quick, declined = draft_steady(store, setting, [row for row in due if row.steady is not None])
    batch = [row for row in due if row.steady is None]
    if declined:
        batch += planned.whole(store, setting.entity, setting.digest, declined)
    found = _work_out(store, setting, batch)
    kept = sorted([*quick, *found.kept], key=_key) if found.kept else quick
    return found._replace(kept=kept, size=span.size)


def _work_out(store: Store, setting: Setting, batch: Sequence[Due]) -> Found:
    terms, parked = _read(batch)
    alone = [row for row in batch if row.key in terms and terms[row.key].invoice_grouping == "contract"]
    billed, failed = _bill_each(store, setting, alone, terms)
    kept = [one.kept(tuple([drawn(draft) for draft in one.billing.drafts])) for one in billed]
    grouped = {row.customer_id for row in batch if row.key in terms and terms[row.key].invoice_grouping == "customer"}
    return Found(kept, [*parked, *failed], grouped, len(batch))


def bill_each(store: Store, setting: Setting, batch: Sequence[Due]) -> tuple[list[Billed], list[Parked]]:
    """Work out every contract of a batch, whosever invoice its lines are to stand on."""
    terms, parked = _read(batch)
    billed, failed = _bill_each(store, setting, [row for row in batch if row.key in terms], terms)
    return billed, [*parked, *failed]


def in_processes(store: Store, setting: Setting, spans: Iterator[Span]) -> Iterator[Found]:
    """Do ``work_out`` for many spans, as many at a time as there are processors; they come back in order."""
    workers = len(os.sched_getaffinity(0))
    with (
        store.log_left(),
        ProcessPoolExecutor(workers, get_context("spawn"), initializer=_open, initargs=(store.path,)) as pool,
    ):
        first = [*islice(spans, workers)]
        waiting = deque(pool.submit(_work_out_here, setting, span) for span in islice(spans, 2 * workers))
        yield from (work_out(store, setting, span) for span in first)  # while the processes start
        for number, span in enumerate(spans):
            waiting.append(pool.submit(_work_out_here, setting, span))
            if number % LOGGED == 0:
                pool.submit(_write_log_here)  # the disk is waited for there
            yield _FOUND.decode(waiting.popleft().result())  # so that what waits to be written does not pile up
        while waiting:
            yield _FOUND.decode(waiting.popleft().result())


_store_here: Store | None = None  # of a process that works out


def _open(path: Path) -> None:
    global _store_here
    _store_here = Store(path)
    gc.disable()


def _work_out_here(setting: Setting, span: Span) -> bytes:
    assert _store_here is not None
    return _PACKER.encode(work_out(_store_here, setting, span))  # pickling it would take four times as long


def _write_log_here() -> None:
    assert _store_here is not None
    _store_here.write_log()


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the garbage collector out of a block that makes many objects, of which none refers to itself.

    It would look at all of them over and over: a third of such a block's time. Counting references frees them.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


# ---------------------------------------------------------------------------------------------------- what is steady


def draft_steady(store: Store, setting: Setting, rows: Sequence[Due]) -> tuple[list[Kept], list[str]]:
    """Draft what is steady; return it with the contracts that must be worked out after all."""
    if not rows:
        return [], []
    steadies = {row.key: found for row in rows if (found := _read_steady(row)) is not None}
    declined = [row.key for row in rows if row.key not in steadies]
    rows = [row for row in rows if row.key in steadies]
    since = {row.key: date.fromisoformat(row.since or "") for row in rows}
    uses = {key: one.uses(since[key], setting.today) for key, one in steadies.items()}
    used_since = {key: day for key, day in uses.items() if day is not None}
    known = facts.facts_by_contract(store, list(used_since), setting.indices, (), used_since) if used_since else {}
    nothing = Facts(indices=setting.indices)
    kept = []
    for row in rows:
        key = row.key
        heard = known.get(key, nothing)
        try:
            text = write_steady(steadies[key], since=since[key], today=setting.today, rules=setting.rules, facts=heard)
        except (*_OURS, Unpriceable):
            text = None  # the whole way says what is wrong
        if text is None:
            declined.append(key)
        else:
            kept.append(_steadily(row, setting.today, text))
    return kept, declined


def _read_steady(row: Due) -> Steady | None:
    try:
        return _STEADY.decode(row.steady or b"")
    except msgspec.MsgspecError:
        return None  # as an earlier release wrote it


def _steadily(row: Due, today: date, found: Written) -> Kept:
    lint = row.lint or planned.NOTHING
    state = Planned(
        row.key, row.version, row.changes, today, found.next_on, found.draft is None, complete=True, lint=lint,
        steady="as before", arrivals=row.arrivals, open_from=found.open_from,
    )  # fmt: skip
    drafts = () if found.draft is None else (drawn(found.draft, found.data),)
    notes = () if lint == planned.NOTHING else tuple(planned.notes_in(lint))
    return Kept(row.key, row.name, row.customer_id, drafts, (), state, notes)


# ------------------------------------------------------------------------------------------------------------ one batch


def _read(batch: Sequence[Due]) -> tuple[dict[str, Terms], list[Parked]]:
    """Return the terms of contracts, and those whose terms cannot be read."""
    terms: dict[str, Terms] = {}
    parked = []
    for row in batch:
        try:
            terms[row.key] = _terms(row)
        except msgspec.ValidationError as error:
            parked.append(Parked(row.key, row.name, str(error)))
    return terms, parked


def _terms(row: Due) -> Terms:
    """Return the terms in force, with what was billed elsewhere before we began."""
    terms = _TERMS.decode(row.terms)
    if row.billed_through is None:
        return terms
    day = date.fromisoformat(row.billed_through)
    return msgspec.structs.replace(terms, billed_through=max(day, terms.billed_through or day))


def _bill_each(
    store: Store, setting: Setting, batch: Sequence[Due], terms: Mapping[str, Terms]
) -> tuple[list[Billed], list[Parked]]:
    since = {row.key: _since(row, terms[row.key], setting.today) for row in batch}
    settled = contracts.settled_of(store, since)
    known = _facts(store, setting, terms, since)
    nothing = Facts(indices=setting.indices)
    bounded = [key for key, day in since.items() if day and (terms[key].value or terms[key].po_budget)]
    sums = contracts.billed_net(store, bounded) if bounded else {}
    billed, parked = [], []
    for row in batch:
        key = row.key
        try:
            one = _bill(setting, row, terms[key], since[key], settled[key], known.get(key, nothing), sums.get(key))
        except _OURS as error:
            parked.append(Parked(key, row.name, str(error)))
        else:
            billed.append(one)
    return billed, parked


def _since(row: Due, terms: Terms, today: date) -> date | None:
    """Return the day until which all is settled; what became known since then may have changed it after all."""
    if row.since is None or terms.late_fee is not None:
        return None  # what was paid late meanwhile may cost a fee of any day
    since = date.fromisoformat(row.since)
    return None if any(since < one.known <= today for one in terms.amendments) else since


def _facts(
    store: Store, setting: Setting, terms: Mapping[str, Terms], since: Mapping[str, date | None]
) -> Mapping[str, Facts]:
    late = [key for key in since if terms[key].late_fee is not None]
    days = {key: usage_from(terms[key], setting.today, day) for key, day in since.items() if day is not None}
    used_since = {key: day for key, day in days.items() if day is not None}
    return facts.facts_by_contract(store, list(since), setting.indices, late, used_since)


def _bill(
    setting: Setting, row: Due, terms: Terms, since: date | None, settled: Sequence[Settled], known: Facts,
    billed: int | None,
) -> Billed:  # fmt: skip
    """Work out one contract, from where all is settled if that is known."""
    today = setting.today
    billing = bill(terms, settled, today=today, rules=setting.rules, facts=known, since=since, billed=billed)
    waits = {code for draft in billing.drafts for code in draft.waits} if billing.notes else set()
    complete = not billing.ahead and all(note.code in waits for note in billing.notes)
    state = Planned(
        contract=row.key,
        version=row.version,
        changes=row.changes,
        through=today,
        next_on=next_due(terms, known, today),
        settled=not billing.drafts,
        complete=complete,
        notes=billing.notes,
        lint=planned.to_text(lint(terms, known)) if row.lint is None else row.lint,
        steady=_steady_row(terms, setting) if complete and not billing.notes else None,
        arrivals=row.arrivals,
        open_from=usage_open_from(terms, today),
    )
    return Billed(row, terms, billing, state)


def _steady_row(terms: Terms, setting: Setting) -> SteadyRow | None:
    found = steady(terms, setting.rules, setting.today)
    return None if found is None else SteadyRow(found.begins, found.until, msgspec.msgpack.encode(found))
