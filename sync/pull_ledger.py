"""Books -> store: what people did there to our documents and customers, payments typed in, documents of others."""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec

from billing.money import display
from connectors.base import LedgerDocument
from store import cash, contracts, credit_uses, foreign, invoices, ledger, outbox, restores, runs
from store.foreign import ForeignRow
from store.invoices import DocumentRow
from store.review import Finding
from sync import books, edited, entries, removed, typed
from sync.context import Context, Entity
from sync.postings import ON_ACCOUNT, PAYMENT, key_of
from sync.unchanged import unless_same


def run(context: Context) -> None:
    """Bring back changes from every ledger and compare them with ours."""
    for entity, source in context.ledgers():
        with context.using(source.name) as connector:
            books.read(context, entity, source.name, connector)
            entries.read(context, entity, source.name, connector)
            unless_same(
                context, f"{source.name} of {entity.key}", books.READ, None,
                partial(_look_at, context, entity, source.name),
            )  # fmt: skip
    _report_voided(context)


def _look_at(context: Context, entity: Entity, connection: str) -> None:
    _take_payments(context, entity, connection)
    if entity.post_payments == "netterms":
        removed.follow(context, entity, connection)
    entries.compare(context, connection)
    _compare(context, connection)


def _take_payments(context: Context, entity: Entity, connection: str) -> None:
    """Payments typed into the books for our invoices count like any other, and are not posted again."""
    maybe_ours = _perhaps_ours(context, connection)
    if maybe_ours is not None:
        typed.take(context, entity, connection, maybe_ours)


def _perhaps_ours(context: Context, connection: str) -> set[str] | None:
    """Return the references of payments that may be postings of ours although they are not linked.

    Postings whose outcome is unknown are, and after a restore those of every payment a provider has; None while the
    providers were not read since.
    """
    store = context.store
    references = {key for kind in (PAYMENT, ON_ACCOUNT) for key in outbox.unsettled_keys(store, connection, kind.name)}
    restore = restores.latest(store)
    if restore is None:
        return references
    reads = [runs.last_read(store, "pull_payments", source.name) for source in context.sources("payments")]
    if any(at is None or at < restore.at for at in reads):
        return None
    return references | {key_of(row.vendor_id) for row in cash.payments(store) if row.connection != connection}


def _compare(context: Context, connection: str) -> None:
    store = context.store
    ours = edited.Ours(store, connection)
    documents = {row.id: row for row in invoices.issued(store)}
    unposted = Counter(cash.unposted_amounts(store, connection))
    unposted.update(credit_uses.unposted_amounts(store, connection))
    for our_id, there, booked in ledger.documents_of_ours(store, connection):
        row = documents.get(our_id)
        if row is None:
            continue
        found = msgspec.json.decode(there, type=LedgerDocument)
        if row.status == "voided" or found.status in ("voided", "deleted"):
            ours.forget(row)
            _void(context, row, f"{found.status} at {connection}")
        elif booked is not None and not ours.is_decided(row, found):
            draft = ours.meant(row, found, booked)
            edited.report(context, connection, row, draft, found, row.open + unposted[row.id])
    _compare_foreign(context, connection)


def _compare_foreign(context: Context, connection: str) -> None:
    """What we applied to a foreign invoice must be paid on it in the books as well."""
    balances = {
        item.ref.id: item.balance for item in ledger.objects(context.store, connection, "document", LedgerDocument)
    }
    unposted = cash.unposted_to_foreign(context.store, connection)
    for row in foreign.with_applications(context.store, connection):
        there, here = balances.get(row.vendor_id, 0), row.open + unposted.get(row.id, 0)
        if there != here:
            _foreign_differs(context, row, there, here)


def _foreign_differs(context: Context, row: ForeignRow, there: int, here: int) -> None:
    context.find(
        Finding(
            code="books_differ",
            subject=f"foreign:{row.id}",
            detail=row.connection,
            message=(
                f"{row.number} at {row.connection}: {display(there, row.currency)} is open there,"
                f" {display(here, row.currency)} here"
            ),
            fix="see who changed it there; nothing is overwritten",
        )
    )


def _void(context: Context, row: DocumentRow, reason: str) -> None:
    if row.status == "voided":
        return
    with context.store.transaction():
        for contract, slices in invoices.void(context.store, context.actor, row, reason).items():
            contracts.hold(context.store, context.actor, contract, slices, reason)
        for paid in credit_uses.used_on(context.store, row.id):
            invoices.recompute_open(context.store, paid)
    context.count("documents voided in the books")


def _report_voided(context: Context) -> None:
    """What was voided or deleted in the books is not billed again by itself: a person decides."""
    for key, count in contracts.held_by_contract(context.store).items():
        context.find(
            Finding(
                code="billing_held",
                subject=f"contract:{key}",
                message=f"{count} line(s) of contract {key} were voided or deleted in the books and are on hold",
                fix="bill_again: on the next invoice; waive: never; billed_by_hand: someone invoiced them elsewhere",
                actions=("bill_again", "waive", "billed_by_hand"),
            )
        )
