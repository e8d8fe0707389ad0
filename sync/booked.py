"""The same money twice: where another app books a provider's payments, its payments in the books are found to be ours.

Only for legal entities with ``post_payments = "ledger"``. A payment in the books is the same money as a provider's when
it carries one of the provider's ids, or when it pays the same invoices with the same amounts at about the same time.
Whichever is seen first: afterwards the provider's payment alone counts, and what is in the books is its posting.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import msgspec

from connectors.base import LedgerPayment, ReceivedPayment
from store import cash, foreign, invoices, ledger, links, outbox
from store.cash import ApplicationRow, PaymentRow, Target
from sync.context import Context, Entity
from sync.scope import Scope

NEAR = timedelta(days=10)  # an app books on the day of the payment, or of the payout that brings it to the bank
WHY = "another app booked it so"
_WORD = re.compile(r"\w{12,}")  # what may be a provider's id in a reference or memo
_KEPT = 21  # so many characters of a reference QuickBooks keeps: an app cuts an id at its beginning or at its end


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A payment in the books; ``parts`` of it are not known to be the posting of an application of ours."""

    found: LedgerPayment
    parts: dict[Target, int]
    amount: int
    linked: bool  # its money is known to be a provider's

    @property
    def id(self) -> str:
        """What the ledger calls it."""
        return self.found.ref.id

    @property
    def day(self) -> date:
        """When it was booked; an unknown day comes first."""
        return self.found.received_on or date.min

    def is_near(self, day: date) -> bool:
        """Say whether it was booked about that day."""
        return self.found.received_on is None or abs(self.day - day) <= NEAR


class Booked:
    """What a ledger holds of money that no payment of a provider is known to be yet. It writes in transactions."""

    def __init__(self, context: Context, entity: Entity, connection: str) -> None:
        self._context = context
        self._entity = entity
        self._connection = connection
        self._targets = _targets(context, connection)
        self._adopted = outbox.adopted(context.store, connection, "payment")  # application -> payment in the books
        self._posted = outbox.known(context.store, connection, "payment")
        self._entries = {entry.id: entry for entry in self._unknown()}

    def _unknown(self) -> Iterator[Entry]:
        store, connection = self._context.store, self._connection
        linked = links.by_vendor(store, connection, "payment")
        applications = {part.id: part for part in cash.applications(store)}
        taken: dict[str, set[Target]] = defaultdict(set)
        for application_id, vendor_id in self._adopted.items():
            if application_id in applications:
                taken[vendor_id].add(applications[application_id].target)
        for found in ledger.objects(store, connection, "payment", LedgerPayment):
            posting = linked.get(found.ref.id)
            if found.status != "active" or (posting in self._posted and posting not in self._adopted):
                continue  # not there any more, or posted by us
            parts = {
                self._targets[key]: amount
                for key, amount in found.applied.items()
                if key in self._targets and self._targets[key] not in taken[found.ref.id]
            }
            if parts:
                amount = found.amount if posting is None else sum(parts.values())
                yield Entry(found=found, parts=parts, amount=amount, linked=posting is not None)

    # ----------------------------------------------------------------------------------- the provider's payment is new

    def claim(self, row: PaymentRow, payment: ReceivedPayment, scope: Scope, customer_id: int | None) -> bool:
        """Say whether the books hold a payment's money already; then it pays what that pays there."""
        names = _names(row, payment)
        entries = [entry for entry in self._entries.values() if not names.isdisjoint(_words(entry.found))]
        certain = bool(entries)
        entries = entries or self._alike(row, scope.named(row, payment), scope, customer_id)
        with self._context.store.transaction():
            taken = [self._take(entry, {row.id: names}, certain) for entry in entries]
        return any(taken)

    def _alike(self, row: PaymentRow, named: set[Target], scope: Scope, customer_id: int | None) -> list[Entry]:
        """Return entries of the payment's amount for what it names or, if it names nothing, for its customer."""

        def fits(target: Target) -> bool:
            return target in named if named else customer_id is not None and scope.customer(target) == customer_id

        alike = [
            entry
            for entry in self._entries.values()
            if entry.found.currency == row.currency
            and entry.is_near(row.received_on)
            and all(fits(target) for target in entry.parts)
        ]
        whole = [entry for entry in alike if entry.amount == row.available]
        if whole:
            return [min(whole, key=lambda entry: (abs(entry.day - row.received_on), entry.id))]
        return alike if named and sum(entry.amount for entry in alike) == row.available else []

    # --------------------------------------------------------------------------------- the payment in the books is new

    def adopt(self) -> None:
        """Find the postings of our applications among what the books hold."""
        if not self._entries:
            return
        store = self._context.store
        names = {
            row.id: _names(row, row.payment(ReceivedPayment))
            for row in cash.payments(store)
            if row.entity == self._entity.key and row.is_received and row.status == "succeeded"
        }
        by_name = {name: payment_id for payment_id, known in names.items() for name in known}
        with store.transaction():
            for entry in self._oldest_first():
                owners = sorted({by_name[word] for word in _words(entry.found) if word in by_name})
                if owners:
                    self._take(entry, {owner: names[owner] for owner in owners}, certain=True)
            some = cash.unposted(store, self._entity.key, self._connection, 1000)
            waiting = [part for parts in some for part in parts]
            for entry in self._oldest_first():
                behind = self._behind(entry, waiting)
                waiting = [part for part in waiting if part not in behind]
                if behind:
                    self._take(entry, {part.payment_id: names.get(part.payment_id, set()) for part in behind}, False)

    def _oldest_first(self) -> list[Entry]:
        return sorted(self._entries.values(), key=lambda entry: (entry.day, entry.id))

    def _behind(self, entry: Entry, waiting: Sequence[ApplicationRow]) -> list[ApplicationRow]:
        """Return the applications that an entry posts: one of the same amount for each of its parts, or none at all."""
        behind: list[ApplicationRow] = []
        for target, amount in entry.parts.items():
            alike = [part for part in waiting if (part.target, part.amount) == (target, amount)]
            days = {part.id: cash.get(self._context.store, part.payment_id).received_on for part in alike}
            near = [part for part in alike if entry.is_near(days[part.id])]
            if not near:
                return []
            behind.append(min(near, key=lambda part: (abs(entry.day - days[part.id]), part.id)))
        return behind

    # ------------------------------------------------------------------------------------------------------ one of both

    def _take(self, entry: Entry, owners: dict[int, set[str]], certain: bool) -> bool:
        """Make an entry the posting of payments (by id, with their names); return whether that is news."""
        store, connection = self._context.store, self._connection
        rows = [cash.get(store, payment_id) for payment_id in owners]
        if not entry.linked:
            self._give_way(entry, rows[0])
        for target, amount in entry.parts.items():
            _pay(self._context, rows, target, amount)
        parts = [part for row in rows for part in cash.applications_of(store, row.id) if part.target in entry.parts]
        free = [
            part
            for part in parts
            if part.id not in self._posted or (certain and self._gives_up(part, owners[part.payment_id]))
        ]
        if entry.linked and not free:
            return False
        # Without an application to post, the payment in the books is still this money and must not count by itself.
        posting = (free or parts)[0].id if parts else 0
        links.save_link(store, connection, "payment", entry.id, posting, version=entry.found.ref.version)
        for part in free:
            outbox.adopt(store, connection, "payment", part.id, entry.found)
            self._posted.add(part.id)
            self._adopted[part.id] = entry.id
        del self._entries[entry.id]
        self._context.count("payments booked by another app", len(free))
        return True

    def _give_way(self, entry: Entry, row: PaymentRow) -> None:
        """What an entry paid here by itself is from now on paid by the provider's payment."""
        store = self._context.store
        typed = cash.by_vendor(store, self._connection, entry.id)
        if typed is not None:
            cash.take_over(store, self._context.actor, typed, row, WHY)
        for (kind, id_), amount in entry.parts.items():
            if kind == "foreign":
                foreign.settle(store, id_, -amount)

    def _gives_up(self, part: ApplicationRow, names: set[str]) -> bool:
        """Free an application from a posting that only looked like it: the one that carries its id has come."""
        store, connection = self._context.store, self._connection
        vendor_id = self._adopted.get(part.id)
        found = ledger.get(store, connection, "payment", vendor_id, LedgerPayment) if vendor_id else None
        if found is None or not names.isdisjoint(_words(found)):
            return False
        let_go(self._context, connection, [found.ref.id], self._adopted)
        freed = {our_id for our_id, posted_as in self._adopted.items() if posted_as == found.ref.id}
        self._adopted = {our_id: posted_as for our_id, posted_as in self._adopted.items() if our_id not in freed}
        self._posted -= freed
        for key, amount in found.applied.items():
            kind, id_ = self._targets.get(key, ("document", 0))
            if kind == "foreign":
                foreign.settle(store, id_, amount)
        return True


def read(context: Context, entity: Entity, connection: str) -> None:
    """Bring what we know of another app's postings in step with the books as they were just read."""
    if entity.post_payments != "ledger":
        return
    store = context.store
    adopted = outbox.adopted(store, connection, "payment")
    if adopted:
        there = _there(context, connection)
        applications = {part.id: part for part in cash.applications(store)}
        gone = {
            vendor_id
            for our_id, vendor_id in adopted.items()
            if our_id not in applications or applications[our_id].target not in there.get(vendor_id, {})
        }
        with store.transaction():
            let_go(context, connection, sorted(gone), adopted)
    Booked(context, entity, connection).adopt()


def let_go(context: Context, connection: str, vendor_ids: Sequence[str], adopted: dict[int, str]) -> None:
    """Forget that payments in the books are postings of ours: our applications wait for others."""
    for vendor_id in vendor_ids:
        ours = [our_id for our_id, posted_as in adopted.items() if posted_as == vendor_id]
        outbox.forget(context.store, connection, "payment", ours)
        links.unlink(context.store, connection, "payment", vendor_id)
        context.count("postings gone from the books", len(ours))


def _there(context: Context, connection: str) -> dict[str, set[Target]]:
    """Return what each standing payment in the books pays."""
    targets = _targets(context, connection)
    return {
        found.ref.id: {targets[key] for key in found.applied if key in targets}
        for found in ledger.objects(context.store, connection, "payment", LedgerPayment)
        if found.status == "active"
    }


def _targets(context: Context, connection: str) -> dict[str, Target]:
    """Return our invoices and the foreign ones by the ledger's id."""
    targets: dict[str, Target] = {
        vendor_id: ("document", our_id)
        for vendor_id, our_id in links.by_vendor(context.store, connection, "document").items()
    }
    return targets | {row.vendor_id: ("foreign", row.id) for row in foreign.of_ledger(context.store, connection)}


def _pay(context: Context, rows: Sequence[PaymentRow], target: Target, amount: int) -> None:
    """Let the payments pay what the books say they paid, unless one of them does already."""
    store = context.store
    if any(part.target == target for row in rows for part in cash.applications_of(store, row.id)):
        return
    kind, id_ = target
    document = invoices.get(store, id_) if kind == "document" else foreign.get(store, id_)
    for row in rows:
        part = min(amount, document.open, cash.get(store, row.id).available)
        if part > 0 and document.currency == row.currency:
            (cash.apply if kind == "document" else cash.apply_to_foreign)(store, context.actor, row, [(id_, part)], WHY)
            if row.customer_id is None and document.customer_id is not None:
                cash.assign_customer(store, row.id, document.customer_id)
            return


def _names(row: PaymentRow, payment: ReceivedPayment) -> set[str]:
    """Return the ids by which a payment may be called, whole and cut."""
    ids = (row.vendor_id, *payment.also_known_as)
    return {name for one in ids for name in (one, one[:_KEPT], one[-_KEPT:]) if _WORD.fullmatch(name)}


def _words(found: LedgerPayment) -> set[str]:
    """Return what may be a provider's id in what people and apps wrote on a payment in the books."""
    return set(_WORD.findall(f"{found.key} {found.memo}"))
