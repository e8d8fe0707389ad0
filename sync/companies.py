"""Which customer a company of the CRM is, also after companies were merged there: never a second one in the books."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.base import LedgerCustomer
from mappings.apply import Mapped
from store import contracts, ledger, links, outbox
from store.contracts import ContractRow
from store.links import CustomerRow, Link
from store.review import Finding
from sync.context import Context

CODE = "customers_merged"


def question(connection: str, currency: str, root: int) -> str:
    """Return the question which of several customers in the books a merged company is."""
    return f"customers:{connection}:{currency}:{root}"


def customer_of(context: Context, crm: str, mapped: Mapped, row: ContractRow | None) -> tuple[int, bool]:
    """Return the customer that a deal's contract belongs to, and whether it is the company the contract had before.

    A company that nobody knows is a new customer. A merged company is every customer that was merged into it; new
    deals go to the first of them, but one that a ledger knows already goes before one that would have to be created
    there. Call inside a transaction.
    """
    store, actor = context.store, context.actor
    ids = (mapped.company_id, *mapped.merged_company_ids)
    found = [known for one in ids if (known := links.known_as(store, crm, one))]
    group = [one for _, one in sorted({one.id: one for one in found}.items())]
    if not group:
        return links.save_customer(store, actor, crm, mapped.company_id, mapped.customer), False
    links.add_aliases(store, actor, group[0], mapped.company_id, group)
    chosen = group[0].id if len(group) == 1 else _chosen(context, mapped, row, group)
    return chosen, row is not None and any(row.customer_id == one.id for one in group)


def _chosen(context: Context, mapped: Mapped, row: ContractRow | None, group: Sequence[CustomerRow]) -> int:
    connection, currency = context.world.entities[mapped.entity].accounting, mapped.terms.currency
    known = links.by_ours(context.store, connection, "customer")
    there = {
        one.id: known.get((one.id, currency))
        for one in group
        if (one.id, currency) in known or outbox.has(context.store, connection, "customer", one.id, currency)
    }
    if len({link.vendor_id if link else "" for link in there.values()}) < 2:
        return next(iter(there), group[0].id)
    given = contracts.answers(context.store).get(question(connection, currency, group[0].id))
    if given is not None and given.isdigit():
        return int(given)
    if given is None:
        _report(context, mapped, connection, group, there)
    return row.customer_id if row is not None and row.customer_id in there else next(iter(there))


def _report(
    context: Context, mapped: Mapped, connection: str, group: Sequence[CustomerRow], there: dict[int, Link | None]
) -> None:
    named = [_named(context, connection, one, there[one.id]) for one in group if one.id in there]
    context.find(
        Finding(
            code=CODE,
            subject=f"customer:{group[0].id}",
            detail=f"{connection} {mapped.terms.currency}",
            message=f"Company {mapped.company_id} {mapped.customer.name!r} was merged from customers that are apart"
            f" at {connection}: {' and '.join(named)}; each contract stays with its own",
            fix="use=NUMBER: bill everything new to that one, and merge them in the books; keep_both: leave them apart",
            actions=("use", "keep_both"),
        )
    )


def _named(context: Context, connection: str, row: CustomerRow, link: Link | None) -> str:
    if link is None:
        return f"{row.id} {row.customer.name!r} (on its way)"
    theirs = ledger.get(context.store, connection, "customer", link.vendor_id, LedgerCustomer)
    return f"{row.id} {row.customer.name!r} (there {theirs.name if theirs else ''!r}, id {link.vendor_id})"
