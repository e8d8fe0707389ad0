"""Store -> CRM: deals and companies show their last invoice, what is open and overdue, and whether they have paid."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal

from billing.money import text
from connectors.errors import Refused
from store import deals, written_back
from store.database import to_json
from store.review import Finding
from store.written_back import InvoiceRow
from sync import crm_feed
from sync.context import Context
from sync.unchanged import unless_same

READ = ("documents", "contracts", "customers", "deals", "written_back")
ObjectType = Literal["deals", "companies"]
Values = dict[str, str]  # property -> value


def run(context: Context) -> None:
    """Write to every CRM connection that wants it what differs from what was written last."""
    for source in context.sources("crm"):
        if source.write_back:
            with context.using(source.name) as crm:
                used = [context.world.crm_mapping(source.name).digest]
                unless_same(
                    context, source.name, READ, used,
                    partial(_write_back, context, source.name, crm),
                )  # fmt: skip


def _write_back(context: Context, connection: str, crm: Any) -> bool:
    """Write what differs; return whether the CRM took it all."""
    already = len(context.findings)
    mapping = context.world.crm_mapping(connection).write_back
    wanted = _wanted(context, connection, mapping)
    total = sum(len(records) for records in wanted.values())
    done = 0
    for object_type, records in wanted.items():
        for count in _write(context, connection, crm, object_type, records):
            done += count
            context.progress(done, total)
    if done:
        # The CRM marks these records as modified. What we have done ourselves is read at once, so that the next pull
        # finds nothing new; what others have changed meanwhile comes with it.
        crm_feed.read(context, connection, crm)
    return len(context.findings) == already


def _wanted(
    context: Context, connection: str, mapping: Mapping[str, Mapping[str, str]]
) -> dict[ObjectType, dict[str, Values]]:
    """Return what must be written: type -> id -> values, of the records for which it is not what was written last."""
    fates = deals.fates(context.store, connection)
    of_deals: dict[str, dict[int, InvoiceRow]] = defaultdict(dict)
    of_companies: dict[str, dict[int, InvoiceRow]] = defaultdict(dict)
    for row in written_back.invoices(context.store, connection):
        of_deals[deals.survivor(fates, row.deal_id)][row.id] = row
        of_companies[row.company_id][row.id] = row  # once, for however many deals it is
    groups: dict[ObjectType, dict[str, dict[int, InvoiceRow]]] = {"deals": of_deals, "companies": of_companies}
    wanted = {
        object_type: _changed(context, connection, object_type, rows, mapping[object_type])
        for object_type, rows in groups.items()
        if mapping.get(object_type)
    }
    gone = {deal_id for deal_id, (fate, _) in fates.items() if fate in ("deleted", "merged")}
    for deal_id in gone & wanted.get("deals", {}).keys():
        del wanted["deals"][deal_id]
    return wanted


def _changed(
    context: Context,
    connection: str,
    object_type: ObjectType,
    rows: Mapping[str, Mapping[int, InvoiceRow]],
    properties: Mapping[str, str],
) -> dict[str, Values]:
    """Return the values that differ; what has no invoice any more is emptied, if it was ever written."""
    known = written_back.digests(context.store, connection, object_type)
    wanted = {}
    for one in {**dict.fromkeys(known), **rows}:
        found = _figures(context, list(rows.get(one, {}).values()))
        values = {name: found[figure] for figure, name in properties.items()}
        if known.get(one) != _digest(values):
            wanted[one] = values
    return wanted


def _figures(context: Context, rows: Sequence[InvoiceRow]) -> dict[str, str]:
    """Return every figure of one deal or company; an amount in several currencies is no amount."""
    if not rows:
        return {"last_invoice": "", "last_invoice_date": "", "open": "", "overdue": "", "payment_status": ""}
    late = sum(row.open for row in rows if row.due_on < context.today(row.entity))
    unpaid = [row for row in rows if row.open]
    currencies = {row.currency for row in unpaid or rows}
    currency = currencies.pop() if len(currencies) == 1 else ""
    last = rows[-1]
    return {
        "last_invoice": last.number,
        "last_invoice_date": last.issue_on.isoformat(),
        "open": text(sum(row.open for row in rows), currency) if currency else "",
        "overdue": text(late, currency) if currency else "",
        "payment_status": "Overdue" if late else "Open" if unpaid else "Paid",
    }


def _write(
    context: Context, connection: str, crm: Any, object_type: ObjectType, records: Mapping[str, Values]
) -> Iterator[int]:
    """Write in the CRM's batches and remember each; yields how many records were done. The CRM may refuse them all."""
    waiting = iter(records.items())
    while batch := dict(islice(waiting, crm.update_batch)):
        try:
            changed = crm.update(object_type, batch)
        except Refused as error:
            context.find(
                Finding(
                    code="write_back_refused",
                    subject=f"connection:{connection}",
                    detail=object_type,
                    message=f"{connection} does not take what {object_type} should show: {error}",
                    fix="netterms check says which property is missing; or leave it out of [write_back] in the mapping",
                )
            )
            return
        with context.store.transaction():
            # A record that is gone is noted as well, so that it is not tried again before something changes.
            done = {one: _digest(values) for one, values in batch.items()}
            written_back.save(context.store, connection, object_type, done)
        context.count(f"{object_type} told", len(changed))
        yield len(batch)


def _digest(values: Values) -> str:
    return hashlib.sha256(to_json(values).encode()).hexdigest()
