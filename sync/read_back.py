"""After a restore, books -> store: each ledger is read back whole before anything is issued, sent or mailed again.

The books are ahead of a store that was put back. What they hold under our numbers, or with our mark, and the store does
not know is remembered, and the series go on above it. ``sync.lost`` says what becomes of it.
"""

from __future__ import annotations

from connectors.base import Accounting, LedgerDocument
from store import invoices, ledger, links, restores
from store.restores import Lost
from sync import books, marks
from sync.context import Context, Entity


def run(context: Context) -> None:
    """Read back every ledger that was not since the latest restore; without one there is nothing to do."""
    for entity, source in context.ledgers():
        if entity.payment_pages and restores.is_pending(context.store, entity.payment_pages):
            with context.store.transaction():  # there is nothing to read: each page is found by its own key
                restores.was_read_back(context.store, entity.payment_pages, context.world.now())
        if restores.is_pending(context.store, source.name):
            with context.using(source.name) as connector:
                _read_back(context, source.name, connector)
                context.count(f"ledgers read back for {entity.key}")


def _read_back(context: Context, connection: str, connector: Accounting) -> None:
    """Read one ledger whole, for every legal entity whose books it keeps."""
    entities = [entity for entity, source in context.ledgers() if source.name == connection]
    for entity in entities:
        books.read(context, entity, connection, connector, afresh=True)
        found = _unknown(context, entity, connection)
        with context.store.transaction():
            restores.save_lost(context.store, found)
            for prefix, following in _following(entity, found).items():
                invoices.skip_numbers(context.store, entity.key, prefix, following)
        books.keep_foreign(context, entity, connection)
        context.count("documents in the books that are not known here", len(found))
    with context.store.transaction():
        restores.was_read_back(context.store, connection, context.world.now())


def _unknown(context: Context, entity: Entity, connection: str) -> list[Lost]:
    """Return the documents that were issued under numbers that our series have not come to.

    The number is the one in our mark: people may have given it another one since. Of two, one is a copy of the other.
    """
    linked = links.by_vendor(context.store, connection, "document")
    following = invoices.next_numbers(context.store, entity.key)
    found: dict[tuple[str, str], Lost] = {}
    for item in ledger.objects(context.store, connection, "document", LedgerDocument):
        number = marks.number(entity.key, item.mark) or item.number
        place = _place(entity, number)
        if place is None or item.ref.id in linked or place[1] < following.get(place[0], 1) or item.issue_on is None:
            continue
        if (item.type, number) not in found or number == item.number:
            found[item.type, number] = Lost(
                id=0,
                connection=connection,
                vendor_id=item.ref.id,
                entity=entity.key,
                type=item.type,
                number=number,
                ledger_customer=item.customer_id,
                currency=item.currency,
                total=item.total,
                issue_on=item.issue_on,
                due_on=item.due_on or item.issue_on,
                state="open" if item.status in ("open", "paid") else "released",
            )
    return list(found.values())


def _following(entity: Entity, found: list[Lost]) -> dict[str, int]:
    """Return the number with which each series may go on."""
    following: dict[str, int] = {}
    for one in found:
        if (place := _place(entity, one.number)) is not None:
            following[place[0]] = max(following.get(place[0], 1), place[1] + 1)
    return following


def _place(entity: Entity, number: str) -> tuple[str, int] | None:
    """Return the series of a number and its place in it; None when it is of none of ours."""
    for prefix in (entity.number_prefix, entity.credit_prefix):
        place = books.place_in(prefix, number, entity.number_digits)
        if place is not None:
            return prefix, place
    return None
