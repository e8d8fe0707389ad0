"""Customers -> books: who of the ledger is who of ours, before anything is booked for them."""

from __future__ import annotations

from store import contracts, links
from sync import books, identity
from sync.context import Context


def run(context: Context) -> None:
    """Link every customer with a contract to its customer in the books; what is not certain a person decides."""
    for entity, source in context.ledgers():
        wanted = contracts.unknown_customers(context.store, entity.key, source.name)
        if not wanted:
            continue
        if not books.was_read(context, source.name):
            with context.using(source.name) as ledger:
                books.read(context, entity, source.name, ledger)
        undecided = identity.link_certain(context, source.name, wanted)
        customers = links.customers_among(context.store, {customer_id for customer_id, _ in undecided})
        for (customer_id, currency), match in undecided.items():
            context.find(identity.undecided_item(source.name, customers[customer_id], currency, match))
