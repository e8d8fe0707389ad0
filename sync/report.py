"""Who owes what: the figures of the report, the home page and the job's own record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from billing.money import display, text
from billing.reports import BUCKETS, bucket
from store import reports
from store.database import Store
from store.receivables import Compared
from sync.context import Context

Table = tuple[list[str], Sequence[Sequence[Any]]]  # column names and rows


class Receivable(msgspec.Struct, frozen=True, kw_only=True):
    """What one legal entity is owed in one currency, in minor units. ``aging``: by bucket of days past due."""

    entity: str
    currency: str
    invoices: int
    open: int
    overdue: int
    overdue_invoices: int
    aging: dict[str, int]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The state of everything at a glance."""

    totals: dict[str, int]
    receivables: tuple[Receivable, ...]
    foreign: tuple[Receivable, ...]  # open on invoices that others made in the books
    invoiced: tuple[tuple[str, str, int, int, int], ...]  # entity, currency, invoices, total, paid
    unapplied: tuple[tuple[str, str, int, int], ...]  # entity, currency, payments, amount
    out_of_scope: tuple[tuple[str, str, int, int], ...]  # the same of payments that are not ours
    ledgers: tuple[tuple[str, str, int, int], ...]  # connection, kind, in the books, waiting


def run(context: Context) -> None:
    """Say in the run's record what is open and overdue."""
    today = {key: context.today(key) for key in context.world.entities}
    found = summary(context.store, today)
    context.message = "; ".join(
        f"{item.entity}: {display(item.open, item.currency)} open, {display(item.overdue, item.currency)} overdue"
        for item in found.receivables
    )


def summary(store: Store, today: Mapping[str, date]) -> Summary:
    """Add up the store; ``today`` is the date in each entity's zone."""
    return Summary(
        totals=reports.totals(store),
        receivables=tuple(_receivables(reports.open_by_due_date(store), today)),
        foreign=tuple(_receivables(reports.foreign_by_due_date(store), today)),
        invoiced=tuple(reports.invoiced(store)),
        unapplied=tuple(reports.unapplied(store)),
        out_of_scope=tuple(reports.out_of_scope(store)),
        ledgers=tuple(reports.by_ledger(store)),
    )


def _receivables(
    open_by_due_date: Sequence[tuple[str, str, date, int, int]], today: Mapping[str, date]
) -> list[Receivable]:
    groups: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for entity, currency, due_on, count, amount in open_by_due_date:
        name = bucket(due_on, today.get(entity, date.max))
        groups.setdefault((entity, currency), []).append((name, count, amount))
    return [_receivable(entity, currency, parts) for (entity, currency), parts in groups.items()]


def _receivable(entity: str, currency: str, parts: list[tuple[str, int, int]]) -> Receivable:
    late = [(count, amount) for name, count, amount in parts if name != BUCKETS[0]]
    return Receivable(
        entity=entity,
        currency=currency,
        invoices=sum(count for _, count, _ in parts),
        open=sum(amount for _, _, amount in parts),
        overdue=sum(amount for _, amount in late),
        overdue_invoices=sum(count for count, _ in late),
        aging={name: sum(amount for part, _, amount in parts if part == name) for name in BUCKETS},
    )


def decimal_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Turn columns of minor units (named ``..._minor``) into decimal text, by each row's currency."""
    place = columns.index("currency") if "currency" in columns else -1
    values = [
        [
            text(value, row[place]) if name.endswith("_minor") else value
            for name, value in zip(columns, row, strict=True)
        ]
        for row in rows
    ]
    return [name.removesuffix("_minor") for name in columns], values


def aging_table(found: Summary) -> Table:
    """Return open amounts by entity, currency and days past due, ours and then those of others' invoices."""
    return ["entity", "currency", "made_by", "invoices", "open", "overdue", *BUCKETS], [
        [item.entity, item.currency, made_by, item.invoices]
        + [text(amount, item.currency) for amount in (item.open, item.overdue, *item.aging.values())]
        for made_by, items in (("us", found.receivables), ("others", found.foreign))
        for item in items
    ]


def compared_table(lines: Sequence[Compared]) -> Table:
    """Return what customers owe by our picture beside what the books say."""
    names = ("ours", "foreign", "credit", "total", "on_the_way", "books", "difference")
    return ["entity", "currency", *names], [
        [line.entity, line.currency, *(text(getattr(line, name), line.currency) for name in names)] for line in lines
    ]


def records(table: Table) -> list[dict[str, Any]]:
    """Return a table's rows as records."""
    return [dict(zip(table[0], row, strict=True)) for row in table[1]]


def _receivable_json(item: Receivable) -> dict[str, Any]:
    return {
        "entity": item.entity,
        "currency": item.currency,
        "invoices": item.invoices,
        "open": text(item.open, item.currency),
        "overdue": text(item.overdue, item.currency),
        "overdue_invoices": item.overdue_invoices,
        "aging": {name: text(amount, item.currency) for name, amount in item.aging.items()},
    }


def to_json(found: Summary) -> dict[str, Any]:
    """Return the summary as a JSON document, money as decimal text."""
    invoiced = ["entity", "currency", "invoices", "total_minor", "paid_minor"]
    return {
        "totals": found.totals,
        "receivables": [_receivable_json(item) for item in found.receivables],
        "foreign": [_receivable_json(item) for item in found.foreign],
        "invoiced": records(decimal_table(invoiced, found.invoiced)),
        "unapplied": records(decimal_table(["entity", "currency", "payments", "amount_minor"], found.unapplied)),
        "out_of_scope": records(decimal_table(["entity", "currency", "payments", "amount_minor"], found.out_of_scope)),
        "books": records((["connection", "kind", "in_books", "waiting"], found.ledgers)),
    }
