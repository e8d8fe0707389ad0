"""Customers whose own fields changed in the CRM -> books; only customers that we made there, and only our fields.

What people changed there is never overwritten by itself: both sides are shown, and a person says which one counts.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from billing.customer import Customer
from connectors.base import Accounting, CustomerDraft, LedgerCustomer, Ref
from store import customers_booked, ledger, outbox
from store.customers_booked import Booked
from store.database import to_json
from store.review import Finding
from sync import books, identity
from sync.context import Context
from sync.one_by_one import OneByOne
from sync.outbox import Kind, push


class CustomerUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A customer in the books, and how it has to be there."""

    ref: Ref
    draft: CustomerDraft


def _updates(accounting: Accounting) -> OneByOne[CustomerUpdate, LedgerCustomer]:
    """Updates, never looked up: one whose outcome is unknown is sent again."""
    return OneByOne(lambda update, key: accounting.update_customer(update.ref, update.draft, key))


UPDATE: Kind[CustomerUpdate, LedgerCustomer] = Kind(
    name="customer_update",
    draft=CustomerUpdate,
    collection=_updates,
    title=lambda update: f"Update of customer {update.draft.customer.name!r} ({update.draft.currency})",
    differs=lambda update, found, adopted: "",
)


class _Sides(NamedTuple):
    """A customer as we last wrote it, as the CRM has it, and as the ledger does, where it bears our key still."""

    sent: CustomerDraft
    ours: Customer
    there: LedgerCustomer


def run(context: Context) -> None:
    """Bring the customers of every ledger in step with the CRM."""
    for entity, source in context.ledgers():
        with context.using(source.name) as connector:
            _want(context, source.name)
            push(context, source.name, connector, UPDATE)
            if _settle(context, source.name) and not context.world.dry_run:
                books.read(context, entity, source.name, connector)  # so that our own write is not taken for somebody's
            _report(context, source.name)


def _want(context: Context, connection: str) -> None:
    """Note the updates of customers that are there as we last wrote them, or that a person wants overwritten."""
    rows = customers_booked.changed(context.store, connection)
    names = _names(context, connection) if rows else {}
    for row in rows:
        sides = _sides(row)
        if sides is None or outbox.has(context.store, connection, UPDATE.name, row.our_id, row.currency):
            continue
        if not row.overwrite and _differences(sides):
            continue  # people changed it there, too: a person decides
        ours = sides.ours
        if names.get(ours.name.strip().casefold(), row.vendor_id) != row.vendor_id:
            ours = msgspec.structs.replace(ours, name=sides.sent.customer.name)  # it is another customer's there
        if ours == sides.sent.customer and not row.overwrite:
            continue
        draft = msgspec.structs.replace(sides.sent, customer=ours)
        update = CustomerUpdate(ref=sides.there.ref, draft=draft)
        with context.store.transaction():
            outbox.add(context.store, connection, UPDATE.name, row.our_id, update, row.currency)


def _names(context: Context, connection: str) -> dict[str, str]:
    """Return whose a name is at a ledger, which takes each only once. Companies that were merged have one, too."""
    found = ledger.objects(context.store, connection, "customer", LedgerCustomer)
    return {one.name.strip().casefold(): one.ref.id for one in found if one.active}


def _settle(context: Context, connection: str) -> int:
    """Remember what was written; the next change is an update of its own."""
    written = outbox.done(context.store, connection, UPDATE.name)
    with context.store.transaction():
        for intent in written:
            draft = to_json(msgspec.json.decode(intent.payload, type=CustomerUpdate).draft)
            customers_booked.wrote(context.store, connection, intent.our_id, intent.currency, draft)
            outbox.forget(context.store, connection, UPDATE.name, [intent.our_id])
    return len(written)


def _sides(row: Booked) -> _Sides | None:
    """Return the sides of a customer; None for one that is not known there, or that became a part of another."""
    sent = msgspec.json.decode(row.sent, type=CustomerDraft)
    there = None if row.there is None else msgspec.json.decode(row.there, type=LedgerCustomer)
    if there is None or there.key != sent.key or not there.active:
        return None
    return _Sides(sent, msgspec.json.decode(row.customer, type=Customer), there)


def _differences(sides: _Sides) -> list[str]:
    """Say field by field how a customer is there and how we last wrote it, as far as the ledger shows its fields."""
    ours, there = sides.sent.customer, sides.there
    pairs = (
        ("name", ours.name.strip(), identity.plain_name(there)),
        ("mail", ours.email, there.email),
        ("tax id", ours.tax_id if there.tax_id else "", there.tax_id),
    )
    return [f"{what} {theirs!r} there, {mine!r} here" for what, mine, theirs in pairs if mine != theirs]


def _report(context: Context, connection: str) -> None:
    for row in customers_booked.edited(context.store, connection):
        sides = _sides(row)
        if sides is not None and (differences := _differences(sides)):
            context.find(
                Finding(
                    code="customer_edited_in_books",
                    subject=f"customer:{row.our_id}",
                    detail=f"{connection} {row.currency}",
                    message=f"{sides.ours.name!r} was changed at {connection}: {'; '.join(differences)}",
                    fix="put_ours: overwrite it there with what the CRM says; dismiss: the books stay as they are",
                    actions=("put_ours", "dismiss"),
                )
            )
