"""What every step that reads a ledger shares: the books as they are now, and what in them is not ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from connectors.base import Accounting, LedgerChanges, LedgerCustomer, LedgerDocument, LedgerPayment
from store import deals, foreign, invoices, ledger, links, restores
from store.foreign import ForeignDraft
from store.review import Finding
from sync import booked, entries
from sync.context import Context, Entity
from sync.unchanged import unless_same

STREAM = "changes"  # the cursor of what was read of a ledger
LOOK_BACK = timedelta(days=2)  # how much further back the first reading of a day goes
WHOLE_EVERY, WHOLE_AT_LATEST = timedelta(days=30), timedelta(days=37)  # when everything is read: at night, at any hour
RECENT = timedelta(hours=1)  # what was written later may not be found by a search yet
NIGHT_ENDS = 5  # o'clock, in the legal entity's zone
_LOOKED_BACK, _WHOLE = "books looked back on", "books read whole on"
T = TypeVar("T", LedgerDocument, LedgerPayment)
READ = ("books", "links", "documents", "foreign", "payments", "applications", "outbox", "customers", "lost")


def read(context: Context, entity: Entity, connection: str, books: Accounting, *, afresh: bool = False) -> None:
    """Bring our picture of the books up to date: what changed since the last time, or everything (``afresh``).

    Merges of customers are followed, and foreign documents kept as the books have them.
    """
    since = None if afresh else _since(context, entity, connection)
    changes = books.changes(since)
    complete = since is None or changes.complete
    _store(context, connection, changes, complete=complete)
    if not complete and _is_whole_due(context, entity, connection):
        complete = True  # after the changes, as these tell of more: of what is read by its changes alone
        _store(context, connection, _with_recent(context, connection, books.changes(None)), complete=True)
    _note_read(context, entity, connection, whole=complete)
    unless_same(
        context, f"books {connection} of {entity.key}", READ, None, partial(_look_through, context, entity, connection)
    )


def _since(context: Context, entity: Entity, connection: str) -> datetime | None:
    """Return from when on changes are read, None for everything: the first reading of a day goes back further.

    No ledger promises to tell of every change in time.
    """
    cursor = deals.cursor(context.store, connection, STREAM)
    looked_back = deals.note(context.store, connection, _LOOKED_BACK)
    is_first = looked_back not in ("", context.today(entity.key).isoformat())
    return cursor - LOOK_BACK if cursor is not None and is_first else cursor


def _is_whole_due(context: Context, entity: Entity, connection: str) -> bool:
    """Say whether everything is to be read: about once a month, at night where one is open.

    So what was missed, or is gone, is known in the end.
    """
    whole = deals.note(context.store, connection, _WHOLE)
    local = context.world.now().astimezone(ZoneInfo(entity.timezone))
    every = WHOLE_EVERY if local.hour < NIGHT_ENDS else WHOLE_AT_LATEST
    return bool(whole) and local.date() - date.fromisoformat(whole) >= every


def _with_recent(context: Context, connection: str, changes: LedgerChanges) -> LedgerChanges:
    """Add what was written shortly before everything was read: it is not gone because no search finds it yet.

    If it is gone, the first reading of the next day goes back far enough to be told.
    """
    if changes.cursor is None:
        return changes
    after = changes.cursor - RECENT
    documents = _recent(context, connection, "document", LedgerDocument, after, changes.documents)
    payments = _recent(context, connection, "payment", LedgerPayment, after, changes.payments)
    return msgspec.structs.replace(
        changes, documents=(*changes.documents, *documents), payments=(*changes.payments, *payments)
    )


def _recent(
    context: Context, connection: str, kind: str, record: type[T], after: datetime, read: Sequence[T]
) -> list[T]:
    there = {item.ref.id for item in read}
    known = ledger.objects(context.store, connection, kind, record)
    return [item for item in known if item.ref.id not in there and item.updated_at and item.updated_at > after]


def _note_read(context: Context, entity: Entity, connection: str, *, whole: bool) -> None:
    today = context.today(entity.key).isoformat()
    with context.store.transaction():
        deals.set_note(context.store, connection, _LOOKED_BACK, today)
        if whole or not deals.note(context.store, connection, _WHOLE):
            deals.set_note(context.store, connection, _WHOLE, today)


def _look_through(context: Context, entity: Entity, connection: str) -> None:
    _follow_merges(context, connection)
    keep_foreign(context, entity, connection)
    booked.read(context, entity, connection)


def was_read(context: Context, connection: str) -> bool:
    """Say whether a ledger has been read before."""
    return deals.cursor(context.store, connection, STREAM) is not None


def _store(context: Context, connection: str, changes: LedgerChanges, *, complete: bool) -> None:
    customers = [(item.ref.id, item) for item in changes.customers]
    documents = [(item.ref.id, _kept(context, connection, "document", item)) for item in changes.documents]
    payments = [(item.ref.id, _kept(context, connection, "payment", item)) for item in changes.payments]
    if complete:
        documents += _gone(context, connection, "document", LedgerDocument, {key for key, _ in documents})
        payments += _gone(context, connection, "payment", LedgerPayment, {key for key, _ in payments})
    with context.store.transaction():
        changed = ledger.save(context.store, connection, "document", documents)
        changed += ledger.save(context.store, connection, "payment", payments)
        changed += ledger.save(context.store, connection, "customer", customers)
        changed += entries.keep(context, connection, changes.entries)
        deals.set_cursor(context.store, connection, STREAM, changes.cursor)
    context.count("changes in the books", changed)


def _kept(context: Context, connection: str, kind: str, item: T) -> T:
    """A deleted object comes back with its id alone: keep what was known of it."""
    if item.status != "deleted":
        return item
    known = ledger.get(context.store, connection, kind, item.ref.id, type(item))
    return item if known is None else msgspec.structs.replace(known, status="deleted")


def _gone(context: Context, connection: str, kind: str, record: type[T], there: set[str]) -> list[tuple[str, T]]:
    """What a whole reading does not hold any more was deleted, whether the ledger told so or not."""
    return [
        (item.ref.id, msgspec.structs.replace(item, status="deleted"))
        for item in ledger.objects(context.store, connection, kind, record)
        if item.ref.id not in there and item.status != "deleted"
    ]


# ------------------------------------------------------------------------------------------------- merged customers


def _follow_merges(context: Context, connection: str) -> None:
    """Two customers of the ledger became one: what was linked to the one that is gone is linked to the other."""
    linked = links.by_vendor(context.store, connection, "customer")
    known = {item.ref.id: item for item in ledger.objects(context.store, connection, "customer", LedgerCustomer)}
    gone = [known[vendor_id] for vendor_id in linked if vendor_id in known and not known[vendor_id].active]
    if not gone:
        return
    moved = _moved_documents(context, connection)
    for item in gone:
        survivor = _survivor(item, known, moved.get(item.ref.id, set()))
        if survivor is None:
            _report_inactive(context, connection, item, linked[item.ref.id])
            continue
        why = f"{item.name!r} was merged into {survivor.name!r} there"
        with context.store.transaction():
            actor = context.actor
            left = links.move_customer(context.store, actor, connection, item.ref.id, survivor.ref.id, why)
        context.count("merged customers followed", not left)
        if left:
            _report_two_in_one(context, connection, item, survivor)


def _survivor(item: LedgerCustomer, known: dict[str, LedgerCustomer], moved_to: Iterable[str]) -> LedgerCustomer | None:
    """Return the customer that ``item`` became a part of.

    Xero says so. QuickBooks does not: there the documents of the one that is gone bear the other's id from then on.
    """
    seen, found = {item.ref.id}, item
    while found.merged_into in known and found.merged_into not in seen:
        found = known[found.merged_into]
        seen.add(found.ref.id)
    if found is not item:
        return found
    owners = [known[one] for one in moved_to if one in known and known[one].active]
    return owners[0] if len(owners) == 1 else None


def _moved_documents(context: Context, connection: str) -> dict[str, set[str]]:
    """Return by customer of the ledger the customers to whom documents of it belong now."""
    before = {row.vendor_id: row.ledger_customer for row in foreign.of_ledger(context.store, connection)}
    customers = {(link.our_id, link.currency): id for id, link in _customer_links(context, connection)}
    documents = {row.id: row for row in invoices.issued(context.store)}
    for vendor_id, our_id in links.by_vendor(context.store, connection, "document").items():
        row = documents[our_id]
        before[vendor_id] = customers.get((row.customer_id, row.currency), "")
    moved: dict[str, set[str]] = {}
    for item in ledger.objects(context.store, connection, "document", LedgerDocument):
        was = before.get(item.ref.id)
        if was and item.customer_id and item.customer_id != was:
            moved.setdefault(was, set()).add(item.customer_id)
    return moved


def _customer_links(context: Context, connection: str) -> list[tuple[str, links.Link]]:
    return [(link.vendor_id, link) for link in links.by_ours(context.store, connection, "customer").values()]


def _report_inactive(context: Context, connection: str, item: LedgerCustomer, our_id: int) -> None:
    context.find(
        Finding(
            code="customer_inactive",
            subject=f"customer:{our_id}",
            detail=f"{connection} {item.ref.id}",
            message=f"Customer {item.name!r} (id {item.ref.id}) was made inactive or archived at {connection}",
            fix="make it active again in the books, or its next invoice cannot be booked",
        )
    )


def _report_two_in_one(context: Context, connection: str, item: LedgerCustomer, survivor: LedgerCustomer) -> None:
    context.find(
        Finding(
            code="customers_merged_in_books",
            subject=f"ledger_customer:{connection}:{item.ref.id}",
            detail=survivor.ref.id,
            message=(
                f"{item.name!r} was merged into {survivor.name!r} at {connection}, but both are customers of ours"
            ),
            fix="merge the two companies in the CRM as well, or separate them in the books again",
        )
    )


# ------------------------------------------------------------------------------------------------ foreign documents


def keep_foreign(context: Context, entity: Entity, connection: str) -> None:
    """Keep the documents that others made as the books have them now; those of ours are none of them."""
    ours = links.by_vendor(context.store, connection, "document")
    on_the_way = invoices.issued_numbers(context.store, entity.key)
    lost = restores.unreleased(context.store, connection)
    posted = _posted(context, connection)
    drafts = [
        _foreign(item, posted.get(item.ref.id, 0))
        for item in ledger.objects(context.store, connection, "document", LedgerDocument)
        if item.ref.id not in ours
        and item.ref.id not in lost
        and (item.type, item.number) not in on_the_way
        and _counts(item)
    ]
    kept = {draft.vendor_id for draft in drafts}
    known = {row.vendor_id for row in foreign.of_ledger(context.store, connection)}
    with context.store.transaction():
        foreign.forget(context.store, connection, sorted(known - kept))
        new, changed = foreign.save(context.store, connection, entity.key, drafts)
    context.count("foreign documents new", new)
    context.count("foreign documents changed", changed)


def _counts(item: LedgerDocument) -> bool:
    """A draft there is no receivable yet; of what was deleted before we ever saw it only the id is known."""
    return item.status != "draft" and bool(item.currency) and item.issue_on is not None


def _posted(context: Context, connection: str) -> dict[str, int]:
    """Return by document what payments of ours pay of it in the books, as last seen."""
    ours = own_payments(context, connection)
    posted: dict[str, int] = {}
    for payment in ledger.objects(context.store, connection, "payment", LedgerPayment):
        if payment.ref.id in ours and payment.status == "active":
            for document, amount in payment.applied.items():
                posted[document] = posted.get(document, 0) + amount
    return posted


def own_payments(context: Context, connection: str) -> set[str]:
    """Return what the ledger calls the payments that we posted, on an invoice or on account."""
    kinds = ("payment", "on_account")
    return {vendor_id for kind in kinds for vendor_id in links.by_vendor(context.store, connection, kind)}


def _foreign(item: LedgerDocument, posted: int) -> ForeignDraft:
    assert item.issue_on is not None
    removed = item.status in ("voided", "deleted")
    return ForeignDraft(
        vendor_id=item.ref.id,
        type=item.type,
        status="open" if item.status == "draft" else item.status,
        number=item.number,
        ledger_customer=item.customer_id,
        currency=item.currency,
        issue_on=item.issue_on,
        due_on=item.due_on or item.issue_on,
        total=item.total,
        settled=0 if removed else max(0, item.total - item.balance - posted),
    )


def series_clash(context: Context, entity: Entity, connection: str) -> str:
    """Say which number of others in the books our series would come to; empty when the series is free."""
    others = ledger.numbers_of_others(context.store, connection, entity.key)
    following = invoices.next_numbers(context.store, entity.key)
    series = (entity.number_prefix, entity.credit_prefix)
    return clash(others, {prefix: following.get(prefix, 1) for prefix in series}, entity.number_digits)


def clash(numbers: Iterable[str], following: dict[str, int], digits: int) -> str:
    """Return the highest of ``numbers`` that a series would come to, empty when there is none.

    ``following``: the next number by prefix. What merely looks alike (another width) is never taken by the series.
    """
    for prefix, next_number in following.items():
        places = ((place_in(prefix, number, digits), number) for number in numbers)
        taken = [(place, number) for place, number in places if place is not None and place >= next_number]
        if taken:
            return max(taken)[1]
    return ""


def place_in(prefix: str, number: str, digits: int) -> int | None:
    """Return which one of a series a number is; None when the series would never come to it."""
    rest = number.removeprefix(prefix)
    if not number.startswith(prefix) or not rest.isascii() or not rest.isdigit():
        return None
    return int(rest) if f"{int(rest):0{digits}d}" == rest else None
