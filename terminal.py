"""What people see in a terminal: progress while jobs run, tables afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from billing.money import display
from store.review import Item
from sync.report import Summary
from sync.run import Result

out = Console(highlight=False, width=None if sys.stdout.isatty() else 140)  # a file or pipe has no width of its own
err = Console(stderr=True, highlight=False)

_NUMERIC = {
    "quantity", "price", "amount", "in the books", "waiting", "invoices", "invoiced", "paid", "open", "overdue",
    "subtotal", "tax", "total", "refunded", "applied", "ours", "foreign", "credit", "on_the_way", "books",
    "difference", "current", "1-30", "31-60", "61-90", "90+",
}  # fmt: skip

_MARKS = {
    "done": "[green]done[/]",
    "partly": "[yellow]partly[/]",
    "failed": "[red]failed[/]",
    "busy": "[yellow]busy[/]",
}


@contextmanager
def progress() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Show one bar per job on standard error, only in a terminal; yields a function that starts a job's bar."""
    columns = (SpinnerColumn(), TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:

        def start(job: str) -> Callable[[int, int], None]:
            task = bars.add_task(job, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total or None)

        yield start


def results(found: Sequence[Result], dry_run: bool, noted: dict[str, dict[str, int]]) -> None:
    """Print what each job did."""
    table = _table("job", "", "what it did")
    for result in found:
        parts = [f"{count:,} {what}" for what, count in result.tally.items()]
        parts += [f"{result.opened} review items opened"] * bool(result.opened)
        parts += [f"{result.closed} review items closed"] * bool(result.closed)
        table.add_row(
            result.job, _MARKS[result.outcome], _safe("; ".join([*parts, *([result.message] * bool(result.message))]))
        )
    out.print(table)
    if dry_run:
        out.print("[bold]Dry run:[/] nothing was sent and nothing was stored. It would have created:")
        for connection, counts in noted.items():
            out.print(f"  {connection}: " + (", ".join(f"{n} {what}s" for what, n in counts.items()) or "nothing"))
    elif not any(result.changed for result in found):
        out.print("Nothing new: nothing was sent and nothing was changed.")


def adopted(found: Sequence[Result], shown: dict[str, Any], dry_run: bool) -> None:
    """Print what a cut-over found, and what is left to decide before going live."""
    results(found, False, {})
    if lines := shown["receivables"]:
        out.print("[bold]What customers owe, beside the books[/]")
        rows(list(lines[0]), [list(line.values()) for line in lines])
    else:
        out.print("Nothing is receivable, here or in the books.")
    if shown["undecided_customers"]:
        out.print(f"{len(shown['undecided_customers'])} customer(s) may be in the books already: netterms review")
    if dry_run:
        out.print("[bold]Dry run:[/] this was a copy; nothing was kept.")


def summary(found: Summary) -> None:
    """Print the state of everything."""
    totals = _table("", "", title="So far")
    for name, count in found.totals.items():
        totals.add_row(name.replace("_", " "), f"{count:,}")
    out.print(totals)
    books = _table("ledger", "kind", "in the books", "waiting", title="In the books")
    for connection, kind, done, waiting in found.ledgers:
        books.add_row(connection, f"{kind}s", f"{done:,}", f"{waiting:,}")
    out.print(books)
    money = _table("entity", "currency", "invoices", "invoiced", "paid", title="Invoiced and paid")
    for entity, currency, count, total, paid in found.invoiced:
        money.add_row(entity, currency, f"{count:,}", display(total, currency), display(paid, currency))
    out.print(money)
    owed = _table("entity", "open", "overdue", *(_aging_names(found)), title="Open by days past due")
    for made_by, items in (("", found.receivables), (" (by others)", found.foreign)):
        for item in items:
            aging = [display(amount, item.currency).removesuffix(f" {item.currency}") for amount in item.aging.values()]
            overdue = f"{display(item.overdue, item.currency)} ({item.overdue_invoices})"
            owed.add_row(item.entity + made_by, display(item.open, item.currency), overdue, *aging)
    out.print(owed)
    for entity, currency, count, amount in found.unapplied:
        out.print(f"{entity}: {display(amount, currency)} in {count} payment(s) is not applied to any invoice yet")
    for entity, currency, count, amount in found.out_of_scope:
        out.print(f"{entity}: {display(amount, currency)} in {count} payment(s) is not ours, by the mapping's rules")


def walked(found: Summary) -> None:
    """Print what came of a demo's days, one line each."""
    table = _table("what came of it", "")
    table.add_row("deals pulled", f"{found.totals['deals']:,}")
    table.add_row("contracts", f"{found.totals['contracts']:,}")
    for connection, kind, done, _ in found.ledgers:
        if kind == "document":
            table.add_row(f"invoices in {connection}", f"{done:,}")
    table.add_row("payments matched", f"{found.totals['payments_matched']:,} of {found.totals['payments']:,}")
    table.add_row("invoices overdue", f"{sum(item.overdue_invoices for item in found.receivables):,}")
    table.add_row("review items", f"{found.totals['review_items']:,}")
    out.print(table)


def reviews(items: Sequence[Item], most: int | None = None) -> None:
    """Print the review items that wait for a person, or the first ``most`` of them."""
    if not items:
        out.print("Nothing waits for a person.")
        return
    table = _table("id", "what", "to mend it", "actions", title=f"{len(items)} review item(s)")
    for item in items[:most]:
        table.add_row(str(item.id), _safe(item.message), _safe(item.fix), " ".join(item.choices))
    out.print(table)
    if most is not None and len(items) > most:
        out.print(f"and {len(items) - most} more: netterms review")
    out.print("Decide with: netterms review ID --do ACTION --reason TEXT")


def rows(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print a plain list."""
    table = _table(*columns)
    for row in values:
        table.add_row(*("" if value is None else _safe(str(value)) for value in row))
    out.print(table)


def plan(preview: dict[str, Any]) -> None:
    """Print what a terms file will bill, invoice by invoice."""
    out.print(f"[bold]Contract {_safe(preview['contract'])}, {preview['currency']}[/]")
    for document in preview["invoices"]:
        title = "Invoice" if document["type"] == "invoice" else "Credit note"
        estimated = " (estimated)" if document["estimated"] else ""
        out.print(
            f"\n[bold]{title}{estimated} of {document['issue_on']}, due {document['due_on']}: {document['total']}[/]"
            f" ({document['subtotal']} + tax {document['tax']})"
        )
        for line in document["lines"]:
            period = line["from"] if line["from"] == line["to"] else f"{line['from']} to {line['to']}"
            out.print(f"  {line['amount']:>12}  {_safe(line['description'])}, {period}", soft_wrap=True)
            out.print(f"  {'':>12}  [dim]{_safe(line['explain'])}[/]", soft_wrap=True)
    for note in preview["review"]:
        where = _safe(note["path"] or "contract")
        out.print(f"\n[yellow]{note['code']}[/]: {_safe(note['message'])} ({where})", soft_wrap=True)


def _safe(text: str) -> str:
    """Return text from outside as it is to be shown: no markup of ours, and nothing that steers the terminal."""
    return escape("".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text))


def _aging_names(found: Summary) -> list[str]:
    return [name for item in (*found.receivables, *found.foreign)[:1] for name in item.aging]


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(
        title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in columns:
        numeric = column in _NUMERIC
        # A cut number would be a wrong number: numbers keep their width, words are folded.
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    return table
