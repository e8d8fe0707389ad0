"""Customers -> books: who of the ledger is who of ours, before anything is booked for them."""

from __future__ import annotations

from store import contracts, links
from sync import books, identity
from sync.context import Context


def run(context: Context) -> None:
    """Link every customer with a contract to its customer in the books; what is not certain a person decides."""
    customers = links.customers(context.store)
    for entity, source in context.ledgers():
        wanted = {
            (row.customer_id, row.current.currency)
            for row in contracts.all_contracts(context.store)
            if row.entity == entity.key
        }
        wanted -= links.by_ours(context.store, source.name, "customer").keys()
        if not wanted:
            continue
        if not books.was_read(context, source.name):
            with context.using(source.name) as ledger:
                books.read(context, entity, source.name, ledger)
        undecided = identity.link_certain(context, source.name, wanted, customers)
        for (customer_id, currency), match in undecided.items():
            context.find(identity.undecided_item(source.name, customers[customer_id], currency, match))
