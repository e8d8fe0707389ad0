"""The only way to write to a vendor: intents are committed first, unknown outcomes are looked up, nothing goes twice.

An intent goes ``new -> sending -> done``. ``sending`` is committed before the first byte leaves, so whatever a stopped
process leaves behind is known to be uncertain. Uncertain intents are looked up by our own number before anything is
sent: found and equal is done, found and different is parked for a person, absent goes out again under the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Generic, TypeVar

import msgspec

from connectors.base import Accounting, Adopted, Collection, Created, Rejected
from connectors.errors import AuthExpired, OutcomeUnknown, Refused, Retryable
from store import links, outbox
from store.outbox import Intent
from store.review import Finding
from sync.context import Context

Draft = TypeVar("Draft")
Found = TypeVar("Found")
ACCEPT = "a person said that this is the one"  # an uncertain intent whose next find is taken as it is


class Kind(msgspec.Struct, Generic[Draft, Found], frozen=True, kw_only=True):
    """What the outbox must know of one kind of object.

    ``differs`` says in words how a found object contradicts its draft, empty when it agrees. ``look_first``: the object
    may exist already without our knowledge, so it is looked up even before the first try.
    """

    name: str
    draft: type[Draft]
    collection: Callable[[Accounting], Collection[Draft, Found]]
    title: Callable[[Draft], str]
    differs: Callable[[Draft, Found, bool], str]
    look_first: bool = False
    parked_actions: tuple[str, ...] = ("retry", "dismiss")


def push(context: Context, connection: str, ledger: Accounting, kind: Kind[Any, Any]) -> None:
    """Send every waiting intent of ``kind`` over ``connection``, settling uncertain ones first and last."""
    with context.store.transaction():
        outbox.recover(context.store, connection, kind.name)
    _look_up(context, connection, ledger, kind, "uncertain")
    if kind.look_first:
        _look_up(context, connection, ledger, kind, "new")
    try:
        _send_all(context, connection, ledger, kind)
        _look_up(context, connection, ledger, kind, "uncertain")
    finally:
        _report_parked(context, connection, kind)


def _look_up(context: Context, connection: str, ledger: Accounting, kind: Kind[Any, Any], state: outbox.State) -> None:
    """Ask the vendor for intents by our own number; what it does not hold may be sent."""
    intents = outbox.waiting(context.store, connection, kind.name, state)
    if not intents:
        return
    drafts = [_draft(kind, intent) for intent in intents]
    found = kind.collection(ledger).find(drafts)
    absent = []
    with context.store.transaction():
        for intent, draft, item in zip(intents, drafts, found, strict=True):
            if item is None:
                absent.append(intent)
            else:
                _settle(context, kind, intent, draft, item, adopted=True)
        if state == "uncertain":
            outbox.mark(context.store, absent, "new")


def _send_all(context: Context, connection: str, ledger: Accounting, kind: Kind[Any, Any]) -> None:
    intents = outbox.waiting(context.store, connection, kind.name, "new")
    size = kind.collection(ledger).batch_size
    done = 0
    for call_key, group in groupby(intents, key=lambda intent: intent.call_key):
        members = list(group)
        for start in range(0, len(members), size):
            batch = members[start : start + size]
            _send(context, ledger, kind, batch, _key(context, connection, kind, call_key, batch))
            done += len(batch)
            context.progress(done, len(intents))


def _key(context: Context, connection: str, kind: Kind[Any, Any], call_key: str, batch: Sequence[Intent]) -> str:
    """Return the key to send under: once more the same as before, for exactly the same call.

    A vendor also repeats a failure that it stored under a key, so a second retry gets a new one.
    """
    if not call_key or batch[0].attempts > 1:
        return context.world.new_key()
    same = len(batch) == outbox.sent_together(context.store, connection, kind.name, call_key)
    return call_key if same else context.world.new_key()


def _send(context: Context, ledger: Accounting, kind: Kind[Any, Any], batch: Sequence[Intent], key: str) -> None:
    drafts = [_draft(kind, intent) for intent in batch]
    with context.store.transaction():
        outbox.mark_sending(context.store, batch, key)
    try:
        results = kind.collection(ledger).create(drafts, key)
    except OutcomeUnknown as error:
        _note(context, batch, "uncertain", str(error))
        return
    except (Retryable, AuthExpired) as error:
        _note(context, batch, "new", str(error))
        raise
    except Refused as error:
        _note(context, batch, "parked", str(error))
        return
    with context.store.transaction():
        for intent, draft, result in zip(batch, drafts, results, strict=True):
            if isinstance(result, Rejected):
                outbox.mark(context.store, [intent], "parked", result.reason, keep_key=False)
            elif isinstance(result, Created | Adopted):
                _settle(context, kind, intent, draft, result.found, adopted=isinstance(result, Adopted))


def _note(context: Context, batch: Sequence[Intent], state: outbox.State, problem: str) -> None:
    with context.store.transaction():
        outbox.mark(context.store, batch, state, problem)


def _settle(context: Context, kind: Kind[Any, Any], intent: Intent, draft: Any, found: Any, *, adopted: bool) -> None:
    """Note that the vendor holds the object. What was only found must agree with what we meant, else it is parked."""
    difference = "" if intent.problem == ACCEPT else kind.differs(draft, found, adopted)
    if adopted and difference:
        outbox.mark(context.store, [intent], "parked", difference, keep_key=False)
        return
    outbox.mark(context.store, [intent], "done", difference)
    links.save_link(
        context.store,
        intent.connection,
        kind.name,
        found.ref.id,
        intent.our_id,
        version=found.ref.version,
        currency=intent.currency,
    )
    context.count(f"{kind.name}s {'found' if adopted else 'created'} in the books")


def _draft(kind: Kind[Any, Any], intent: Intent) -> Any:
    return msgspec.json.decode(intent.payload, type=kind.draft)


def _report_parked(context: Context, connection: str, kind: Kind[Any, Any]) -> None:
    """Raise a review item for every intent that waits for a person, and for documents booked with another total."""
    for intent in outbox.needing_person(context.store, connection, kind.name):
        title = kind.title(_draft(kind, intent))
        parked = intent.state == "parked"
        context.find(
            Finding(
                code=f"{kind.name}_not_booked" if parked else f"{kind.name}_booked_differently",
                subject=f"outbox:{intent.id}",
                message=f"{title} at {connection}: {intent.problem}",
                fix=(
                    "mend the cause in the books or in the mapping, then retry"
                    if parked
                    else "compare both; correct it in the books or credit it here"
                ),
                actions=kind.parked_actions if parked else ("dismiss",),
            )
        )
