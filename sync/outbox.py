"""The only way to write to a vendor: intents are committed first, unknown outcomes are looked up, nothing goes twice.

An intent goes ``new -> sending -> done``. ``sending`` is committed before the first byte leaves, so whatever a stopped
process leaves behind is known to be uncertain. Uncertain intents are looked up by our own number: found and equal is
done, found and different is parked for a person. What is absent goes out again in one of two ways:

- once more under the same key, when exactly the same call is made again while the vendor surely still knows the key;
- under a new key, when it was absent twice, further apart than what was written may stay hidden from a search.

docs/decisions/0001 says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Generic, TypeVar

import msgspec

from connectors.base import Accounting, Adopted, Collection, Created, Rejected
from connectors.errors import AuthExpired, Forbidden, OutcomeUnknown, Refused, Retryable, Stopping
from store import links, outbox, restores
from store.outbox import Intent
from store.review import Finding
from sync import sides
from sync.context import Context

Draft = TypeVar("Draft")
Found = TypeVar("Found")
ACCEPT = "a person said that this is the one"  # an uncertain intent whose next find is taken as it is
LOOKED_UP = 1000  # intents that are looked up at once
PATIENT = 2  # after so many calls in a row without an answer the next ones are further and further apart
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=30), timedelta(hours=6)


class Kind(msgspec.Struct, Generic[Draft, Found], frozen=True, kw_only=True):
    """What the outbox must know of one kind of object.

    ``differs`` says in words how a found object contradicts its draft, empty when it agrees. ``place``: where it is
    written to.
    """

    name: str
    draft: type[Draft]
    collection: Callable[[Accounting], Collection[Draft, Found]]
    title: Callable[[Draft], str]
    differs: Callable[[Draft, Found, bool], str]
    parked_actions: tuple[str, ...] = ("retry", "dismiss")
    place: str = "in the books"


def push(context: Context, connection: str, ledger: Accounting, kind: Kind[Any, Any]) -> None:
    """Send every waiting intent of ``kind`` over ``connection``, settling uncertain ones first and last.

    After a restore nothing is done before the connection has been read back.
    """
    if not restores.is_pending(context.store, connection):
        _Push(context, connection, ledger, kind).run()


def look_up(context: Context, connection: str, ledger: Accounting, kind: Kind[Any, Any]) -> bool:
    """Settle what the vendor may hold of ``kind`` without our knowing, and send nothing.

    Returns whether what is still not known to be there surely is not, as far as it never went out: after a restore it
    may be, until the connection has been read back and nothing can be hidden from a search any more.
    """
    if restores.is_pending(context.store, connection):
        return False
    pushing = _Push(context, connection, ledger, kind)
    pushing.settle()
    return not pushing.may_be_hidden()


class _Push:
    """One kind of object on its way to one ledger."""

    def __init__(self, context: Context, connection: str, ledger: Accounting, kind: Kind[Any, Any]) -> None:
        self.context = context
        self.store = context.store
        self.connection = connection
        self.kind = kind
        self.collection: Collection[Any, Any] = kind.collection(ledger)
        self.memory = ledger.memory
        self.read_back_at = restores.read_back_at(self.store, connection)

    def run(self) -> None:
        """Look up what is uncertain, send what is new, look up what became uncertain by that."""
        self.settle()
        try:
            self._send_all()
            self._look_up([intent for intent in self._waiting("uncertain") if intent.absent_at is None])
        except Forbidden as error:  # this kind waits, the others go on
            self.context.find(self._not_permitted(error))
        finally:
            self._report()

    def settle(self) -> None:
        """Look up what is uncertain, and what may be there although we know of no call that made it."""
        with self.store.transaction():
            outbox.recover(self.store, self.connection, self.kind.name)
        self._look_up(self._waiting("uncertain"))
        self._look_first()

    def may_be_hidden(self) -> bool:
        """Say whether what was sent just before a restore may not be found yet."""
        return self.read_back_at is not None and self._now() - self.read_back_at <= self.memory.lag

    def _waiting(self, state: outbox.State) -> list[Intent]:
        return outbox.waiting(self.store, self.connection, self.kind.name, state)

    def _now(self) -> datetime:
        return self.context.world.now()

    # ------------------------------------------------------------------------------------------------------ looking up

    def _look_first(self) -> None:
        """Look up what may exist although we never sent it: it did so before a restore, or by somebody's hand.

        What was parked before a restore, and is not found, waits for its person as it did.
        """
        every = self.read_back_at is not None
        for some in outbox.unseen(self.store, self.connection, self.kind.name, LOOKED_UP, every=every):
            self._find(some)
            if not self.may_be_hidden():
                with self.store.transaction():
                    outbox.was_looked_up(self.store, some)

    def _look_up(self, intents: Sequence[Intent]) -> None:
        """Ask for uncertain intents by our own number; what the vendor surely does not hold may be sent."""
        for _, group in groupby(self._find(intents), key=lambda intent: intent.call_key):
            absent, now = list(group), self._now()
            gone = [one for one in absent if one.absent_at is not None and now - one.absent_at > self.memory.lag]
            doubtful = [one for one in absent if one not in gone]
            repeatable = doubtful if self._is_repeatable(doubtful) else []
            with self.store.transaction():
                outbox.mark_absent(self.store, doubtful, now)
                for one in (*gone, *repeatable):
                    problem = "" if one.problem == ACCEPT else one.problem
                    outbox.mark(self.store, [one], "new", problem, keep_key=one not in gone)

    def _find(self, intents: Sequence[Intent]) -> list[Intent]:
        """Settle the intents that the vendor holds; return the others."""
        if not intents:
            return []
        drafts = [self._draft(intent) for intent in intents]
        found = self.collection.find(drafts)
        with self.store.transaction():
            for intent, draft, item in zip(intents, drafts, found, strict=True):
                if item is not None:
                    self._settle(intent, draft, item, adopted=True)
        return [intent for intent, item in zip(intents, found, strict=True) if item is None]

    def _is_repeatable(self, batch: Sequence[Intent]) -> bool:
        """Say whether exactly the call that was made under a key can be made under it again.

        The key and the content belong together, and the vendor must still know the key. It is done only once, as a
        vendor also repeats a failure that it stored.
        """
        if not batch or not batch[0].call_key or batch[0].sent_at is None or batch[0].attempts > 1:
            return False
        age = abs(self._now() - batch[0].sent_at)  # a clock that was set back says nothing of the key's age
        young = age < self.memory.keys / 2  # the other half is for the call to wait for its turn
        return young and batch[0].call_hash == outbox.call_hash(batch)

    # --------------------------------------------------------------------------------------------------------- sending

    def _send_all(self) -> None:
        if self.may_be_hidden():
            return  # what was sent just before a restore may be hidden still: what is not found now goes out next time
        now, name = self._now(), self.kind.name
        total, done = outbox.count_ready(self.store, self.connection, name, now), 0
        while done < total:  # a batch at a time is read, however many wait
            batch = outbox.next_batch(self.store, self.connection, name, self.collection.batch_size, now)
            if not batch:
                break  # somebody took some back meanwhile
            if self._send(batch):
                done += len(batch)
            self.context.progress(done, total)

    def _send(self, batch: Sequence[Intent]) -> bool:
        """Make one call; returns whether that is all that is to be done about the batch for now."""
        key = self._key(batch)
        if not key:
            with self.store.transaction():
                outbox.mark(self.store, batch, "uncertain", batch[0].problem)
            return True
        drafts = [self._draft(intent) for intent in batch]
        with self.store.transaction():
            outbox.mark_sending(self.store, batch, key, self._now())
        try:
            self.store.prove_lease()
            results = self.collection.create(drafts, key)
        except OutcomeUnknown as error:
            self._put_off(batch, str(error))
            return True
        except (Retryable, AuthExpired, Forbidden, Stopping) as error:
            with self.store.transaction():
                outbox.mark_untried(self.store, batch, str(error))
            raise
        except Refused as error:
            with self.store.transaction():
                if len(batch) > 1:  # one of them is why
                    outbox.part(self.store, batch, str(error))
                else:
                    outbox.mark(self.store, batch, "parked", str(error))
            return len(batch) == 1
        with self.store.transaction():
            for intent, draft, result in zip(batch, drafts, results, strict=True):
                if isinstance(result, Rejected):
                    outbox.mark(self.store, [intent], "parked", result.reason, keep_key=False)
                elif isinstance(result, Created | Adopted):
                    self._settle(intent, draft, result.found, adopted=isinstance(result, Adopted))
        return True

    def _key(self, batch: Sequence[Intent]) -> str:
        """Return the key to send under; empty when the batch must be looked up again before it may go out."""
        if self._is_repeatable(batch):
            return batch[0].call_key
        in_doubt = any(intent.absent_at is not None for intent in batch)
        return "" if in_doubt else self.context.world.new_key()

    def _put_off(self, batch: Sequence[Intent], problem: str) -> None:
        """Note that a call ended without an answer; what keeps doing so is tried further and further apart."""
        in_vain = batch[0].attempts + 1 - PATIENT
        with self.store.transaction():
            outbox.mark_unknown(self.store, batch, problem)
            if in_vain >= 0:
                wait = min(FIRST_WAIT * 2 ** min(in_vain, 10), LONGEST_WAIT)
                outbox.postpone(self.store, batch, self._now() + wait)

    # ------------------------------------------------------------------------------------------------------- outcomes

    def _settle(self, intent: Intent, draft: Any, found: Any, *, adopted: bool) -> None:
        """Note that the vendor holds the object. What was only found must agree with what is meant, or is parked."""
        difference = "" if intent.problem == ACCEPT else self.kind.differs(draft, found, adopted)
        if difference and adopted:
            outbox.park_with(self.store, intent, difference, sides.both(draft, found))
            return
        outbox.mark(self.store, [intent], "done", difference)
        if difference:
            outbox.keep_sides(self.store, intent, sides.both(draft, found))
        links.save_link(
            self.store,
            self.connection,
            self.kind.name,
            found.ref.id,
            intent.our_id,
            version=found.ref.version,
            currency=intent.currency,
        )
        self.context.count(f"{outbox.words(self.kind.name)} {'found' if adopted else 'created'} {self.kind.place}")

    def _draft(self, intent: Intent) -> Any:
        """Return what is to be sent; raises ``ValueError`` when it is not what was committed any more."""
        if not intent.is_whole:
            raise ValueError(f"intent {intent.id}: its payload is not the one that was committed")
        return msgspec.json.decode(intent.payload, type=self.kind.draft)

    def _report(self) -> None:
        """Raise a review item for what waits for a person, is put off, or was booked with another total."""
        for intent in outbox.needing_person(self.store, self.connection, self.kind.name):
            self.context.find(self._finding(intent))

    def _not_permitted(self, error: Forbidden) -> Finding:
        return Finding(
            code="not_permitted",
            subject=f"connection:{self.connection}",
            detail=self.kind.name,
            message=f"{outbox.words(self.kind.name)} cannot be written at {self.connection}: {error}",
            fix="grant the permission at the vendor and connect it anew on the page of connections; nothing is lost",
        )

    def _finding(self, intent: Intent) -> Finding:
        about = f"{self.kind.title(self._draft(intent))} at {self.connection}"
        subject = f"outbox:{intent.id}"
        if intent.state == "parked":
            return Finding(
                code=f"{self.kind.name}_not_booked",
                subject=subject,
                message=f"{about}: {intent.problem}",
                fix=f"mend the cause {self.kind.place} or in the mapping, then retry",
                actions=self.kind.parked_actions,
            )
        if intent.state == "done":
            return Finding(
                code=f"{self.kind.name}_booked_differently",
                subject=subject,
                message=f"{about}: {intent.problem}",
                fix="compare both; correct it in the books or credit it here",
            )
        return Finding(
            code=f"{self.kind.name}_delayed",
            subject=subject,
            message=f"{about} got no answer {intent.attempts} times: {intent.problem}",
            fix=f"it is tried again by itself after {intent.not_before:%Y-%m-%d %H:%M} UTC; retry: with the next run",
            actions=("retry", "dismiss"),
        )
