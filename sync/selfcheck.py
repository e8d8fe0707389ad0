"""The store, held against what must always be true of it: a hit is told, and what it concerns waits until it is gone.

Nothing is believed that can be recomputed: open amounts, credit, documents in the books as last read, the audit trail,
and on a sample of contracts (or all) what planning noted. What an open hit keeps from going on: a contract's drafts are
not issued, a document is neither booked nor mailed, a payment is not posted. ``dismiss`` lets it go on all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from billing.money import display
from store import audit, deals, planned, selfcheck
from store.database import Store
from store.invoices import Drawn, drawn
from store.planned import Due, Span
from store.review import Finding
from store.selfcheck import Hit, Ledger
from sync.context import Context, Entity
from sync.jobs import Job
from sync.work_out import Billed, Setting, bill_each, draft_steady

SAMPLE = 200  # contracts of a legal entity that are planned anew in one run: others on each day
UNSETTLED = timedelta(hours=1)  # how long the outcome of a call may be unknown
Lines = dict[tuple[str, str, str, int], int]  # amount by contract, type of document, slice and revision


class Check(msgspec.Struct, frozen=True):
    """One thing that must be true: its short name, what it says, and what finds where it is not."""

    name: str
    says: str
    find: Callable[[Context], Sequence[Hit]]


class Full(Job, frozen=True):
    """The check as a job that plans every contract anew."""

    def load(self) -> Callable[[Context], None]:
        """Return the step."""
        return lambda context: check(context, full=True)


def everything() -> Full:
    """Return the check that takes no sample."""
    return Full("selfcheck", 0, "check everything, without taking a sample")


def run(context: Context) -> None:
    """Check everything but the plans of all contracts, of which there is a sample each time."""
    check(context, full=False)


def check(context: Context, *, full: bool) -> None:
    """Make every check and report its hits."""
    checks = (*CHECKS, Check("I1", PLANNED_SAYS, lambda context: list(_planned_anew(context, full=full))))
    for done, one in enumerate(checks, 1):
        for hit in one.find(context):
            context.find(_finding(one, hit))
        context.progress(done, len(checks))
    if context.findings:
        context.message = f"{len(context.findings)} hit(s)"
    with context.store.transaction():
        deals.note_cursors(context.store)
    if not any(finding.subject == "audit" for finding in context.findings):
        audit.note_head(context.store)


def _finding(one: Check, hit: Hit) -> Finding:
    found, expected = (_shown(hit, figure) for figure in (hit.found, hit.expected))
    return Finding(
        code="selfcheck",
        subject=hit.subject,
        detail=f"{one.name} {one.says}",
        message=f"{hit.name}: {one.says}; it is {found} and should be {expected}",
        fix="a fault of ours, or somebody wrote into the store: please report it; what it concerns waits until then."
        " dismiss: let it go on all the same",
    )


def _shown(hit: Hit, figure: int | str) -> str:
    return display(figure, hit.currency) if hit.currency and isinstance(figure, int) else str(figure)


def _of_store(*questions: Callable[..., list[Hit]]) -> Callable[[Context], list[Hit]]:
    return lambda context: [hit for question in questions for hit in question(context.store)]


def _of_ledgers(*questions: Callable[..., list[Hit]]) -> Callable[[Context], list[Hit]]:
    """Ask of each legal entity's books, as they were last read."""

    def find(context: Context) -> list[Hit]:
        books = [Ledger(entity.key, source.name, entity.number_digits) for entity, source in context.ledgers()]
        return [hit for one in books for question in questions for hit in question(context.store, one)]

    return find


def _posted(context: Context) -> list[Hit]:
    """Where another app books payments, one booking may be several of ours: there amounts are not compared."""
    return [
        hit
        for entity, source in context.ledgers()
        if entity.post_payments == "netterms"
        for hit in selfcheck.posted_amounts(context.store, Ledger(entity.key, source.name, entity.number_digits))
    ]


def _missing(context: Context) -> list[Hit]:
    """In a rehearsal nothing was really put into the books."""
    return [] if context.world.dry_run else _of_ledgers(selfcheck.twins_missing)(context)


def _unapproved(context: Context) -> list[Hit]:
    """Look at what left since the legal entity was first seen to ask for approval."""
    hits: list[Hit] = []
    for key, entity in context.world.entities.items():
        name = f"approves by hand: {key}"
        since = deals.note(context.store, "selfcheck", name)
        if entity.approve == "manual" and since:
            hits += selfcheck.unapproved(context.store, key, int(since))
        wanted = (since or str(audit.head(context.store)[0])) if entity.approve == "manual" else ""
        if wanted != since:
            with context.store.transaction():
                deals.set_note(context.store, "selfcheck", name, wanted)
    return hits


def _chain(context: Context) -> list[Hit]:
    return selfcheck.audit_chain(context.store, audit.noted_head(context.store))


def _stuck(context: Context) -> list[Hit]:
    return selfcheck.stuck(context.store, context.world.now() - UNSETTLED)


PLANNED_SAYS = "what planning noted is what planning it anew finds"
CHECKS = (
    Check("I2", "every cent of a payment is in one place",
          _of_store(selfcheck.overspent_payments, selfcheck.applied_across_currencies, selfcheck.counted_twice)),
    Check("I2", "clearing accounts add up: what is booked of payouts is what they are made of",
          _of_ledgers(selfcheck.payouts_add_up)),
    Check("I2", "no payout takes what another has taken", _of_store(selfcheck.movements_taken_twice)),
    Check("I3", "nothing is booked twice",
          _of_ledgers(selfcheck.documents_twice_in_books, selfcheck.payments_twice_in_books)),
    Check("I3", "numbers have no gaps", _of_store(selfcheck.gaps_in_numbers)),
    Check("I4", "what is issued stands once in the books as it is here",
          _of_ledgers(selfcheck.twins_differ, selfcheck.strangers_in_series)),
    Check("I4", "what the books took is there", _missing),
    Check("I4", "what is posted stands in the books as it is here", _posted),
    Check("I4", "refunds, fees and payouts stand in the books as they were booked",
          _of_ledgers(selfcheck.posted_entries)),
    Check("I5", "open is the total less what is applied",
          _of_store(selfcheck.open_amounts, selfcheck.open_amounts_of_others)),
    Check("I6", "no credit is below zero",
          _of_store(selfcheck.customer_credit, selfcheck.credit_notes, selfcheck.overused_credit_notes)),
    Check("I7", "the audit trail is whole", _chain),
    Check("I8", "no money changes without a row of the audit trail", _of_store(selfcheck.unaudited)),
    Check("I9", "nothing leaves without the approval it needs", _unapproved),
    Check("I10", "nobody is reminded needlessly", _of_store(selfcheck.needless_reminders)),
    Check("I11", "no stream is read from earlier than before", _of_store(selfcheck.cursors_gone_back)),
    Check("I12", "every call's outcome is known within an hour", _stuck),
)  # fmt: skip


# --------------------------------------------------------------------------------------------------- planning it anew


def _planned_anew(context: Context, *, full: bool) -> Iterator[Hit]:
    """Plan contracts that need no planning, and compare (I1: what is owed; I13: that a further run changes nothing)."""
    found = 0
    for entity in context.world.entities.values():
        for hit in _of_entity(context, entity, full=full):
            found += 1
            if found > selfcheck.MOST:
                return
            yield hit


def _of_entity(context: Context, entity: Entity, *, full: bool) -> Iterator[Hit]:
    store, today = context.store, context.today(entity.key)
    setting = Setting.of(entity.key, entity.rules, context.world.indices, today)
    count = selfcheck.how_many_planned(store, entity.key, setting.digest, today)
    skip = 0 if full or count <= SAMPLE else today.toordinal() * SAMPLE % count
    for batch in selfcheck.planned(store, entity.key, setting.digest, today, count if full else SAMPLE, skip):
        billed, parked = bill_each(store, setting, [row for row, _ in batch])
        for failed in parked:
            yield Hit(f"contract:{failed.key}", f"Contract {failed.key}", f"not billable: {failed.why}", "billed")
        hits = list(_compare(context, setting, billed, {row.key: (row, next_on) for row, next_on in batch}))
        yield from hits
        told = {hit.subject for hit in hits}
        yield from (hit for hit in _steady(store, setting, batch) if hit.subject not in told)


def _compare(
    context: Context, setting: Setting, billed: Sequence[Billed], noted: Mapping[str, tuple[Due, str | None]]
) -> Iterator[Hit]:
    """Yield at most one hit per contract: drafts that differ say more than the day on which planning looks next."""
    drafted = _drafted(context, [one.row.key for one in billed])
    for one in billed:
        key = one.row.key
        owed = _owed(one)
        subject, name = f"contract:{key}", f"Contract {key} {one.row.name!r}"
        if drafted[key] != owed:
            here, there = _net(drafted[key]), _net(owed)
            if here == there:
                yield Hit(subject, name, f"{len(drafted[key])} line(s) drafted", f"{len(owed)} other(s)")
            else:
                yield Hit(subject, name, here, there, one.terms.currency)
            continue
        following, (row, next_on) = one.state.next_on, noted[key]
        if following is not None and (next_on or "9999") > following.isoformat():
            # A run by a clock that was ahead of this one may have billed that day already.
            then, _ = bill_each(context.store, msgspec.structs.replace(setting, today=following), [row])
            if not then or _owed(then[0]) != drafted[key]:
                yield Hit(subject, name, f"planned next on {next_on or 'no day'}", f"on {following}")


def _owed(billed: Billed) -> Lines:
    key = billed.row.key
    return {
        (key, draft.type, item.line.slice, item.revision): item.amount
        for draft in billed.billing.drafts
        for item in draft.lines
        if item.amount
    }


def _drafted(context: Context, keys: Sequence[str]) -> dict[str, Lines]:
    found: dict[str, Lines] = defaultdict(dict)
    for row in selfcheck.drafts_with(context.store, keys) if keys else ():
        for item in row.draft.lines:
            if item.amount:
                key = item.line.contract
                found[key][key, row.type, item.line.slice, item.revision] = item.amount
    return found


def _net(lines: Lines) -> int:
    return sum(-amount if kind == "credit_note" else amount for (_, kind, _, _), amount in lines.items())


def _steady(store: Store, setting: Setting, batch: Sequence[tuple[Due, str | None]]) -> Iterator[Hit]:
    """Draft what is kept of each contract as steady on its next day, and compare: most invoices are made of it."""
    rows = {row.key: row for row, _ in batch}
    span = Span(min(rows), max(rows), len(rows))
    for day in sorted({date.fromisoformat(next_on) for _, next_on in batch if next_on is not None}):
        then = msgspec.structs.replace(setting, today=day)
        due = [one for one in planned.due(store, setting.entity, setting.digest, day, span) if one.key in rows]
        kept, _ = draft_steady(store, then, [one for one in due if one.steady is not None])
        anew, _ = bill_each(store, then, [rows[one.key] for one in kept])
        wanted = {one.row.key: [drawn(draft) for draft in one.billing.drafts] for one in anew}
        for one in kept:
            if list(one.drafts or ()) != wanted.get(one.key):
                here, there = (_texts(drafts) for drafts in (one.drafts or (), wanted.get(one.key, ())))
                yield Hit(f"contract:{one.key}", f"Contract {one.key} {one.name!r} on {day}", here, there)


def _texts(drafts: Sequence[Drawn]) -> str:
    return ", ".join(f"{display(one.total, one.currency)} ({one.digest[:8]})" for one in drafts) or "nothing"
