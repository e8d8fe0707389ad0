"""What people see in a terminal: progress while jobs run, tables afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from billing.money import display
from store.outbox import Side
from store.review import Item
from sync.dead_letters import Letter, preview
from sync.report import Summary
from sync.run import Result

out = Console(highlight=False, width=None if sys.stdout.isatty() else 140)  # a file or pipe has no width of its own
err = Console(stderr=True, highlight=False)

PLAN_WIDTH = 100  # of a plan in a file or pipe
BAR_WIDTH = 40
MOST_BARS = 36  # months in a picture; of a longer contract it shows years

_NUMERIC = {
    "quantity", "price", "amount", "in the books", "waiting", "invoices", "invoiced", "paid", "open", "overdue",
    "subtotal", "tax", "total", "refunded", "applied", "ours", "foreign", "credit", "on_the_way", "books",
    "difference", "net", "to pay", "before", "after", "current", "1-30", "31-60", "61-90", "90+",
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
    table = _table("id", "what", "to mend it", "actions", "owner", title=f"{len(items)} review item(s)")
    for item in items[:most]:
        table.add_row(str(item.id), _safe(item.message), _safe(item.fix), " ".join(item.choices), _safe(item.owner))
    out.print(table)
    if most is not None and len(items) > most:
        out.print(f"and {len(items) - most} more: netterms review")
    out.print("Decide with: netterms review ID --do ACTION --reason TEXT")


def review(item: Item, sides: Sequence[Side]) -> None:
    """Print one review item, with both sides of what differs."""
    out.print(f"[bold]Review item {item.id}[/] ({item.state}, {_safe(item.code.replace('_', ' '))})")
    _say(_safe(item.message))
    _say(f"To mend it: {_safe(item.fix)}")
    _say(f"Looked after by: {_safe(item.owner) or 'nobody yet'}")
    if sides:
        table = _table("", "here", "there", "")
        for what, ours, theirs in sides:
            table.add_row(what, _safe(ours), _safe(theirs), "differs" if ours and theirs and ours != theirs else "")
        out.print(table)
    if item.state != "closed":
        _say(f"Decide with: netterms review {item.id} --do {'|'.join(item.choices)} --reason TEXT")


def dead_letters(letters: Sequence[Letter]) -> None:
    """Print the webhooks that came to nothing."""
    if not letters:
        out.print("No webhook waits: each was understood, and handled after it came in.")
        return
    table = _table("id", "connection", "received", "what", "why", title=f"{len(letters)} dead letter(s)")
    for event, why in letters:
        about = f"{event.topic} {event.object}".strip() or preview(event)
        table.add_row(str(event.id), event.connection, f"{event.received_at:%Y-%m-%d %H:%M}", _safe(about), _safe(why))
    out.print(table)
    out.print("Have them handled again with: netterms inbox --replay ID|all")


def rows(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print a plain list."""
    table = _table(*columns)
    for row in values:
        table.add_row(*("" if value is None else _safe(str(value)) for value in row))
    out.print(table)


def paper(facts: dict[str, str], document: dict[str, Any]) -> None:
    """Print one document: what stands above its lines, the lines, and what they come to."""
    for name, text in facts.items():
        _say(f"[bold]{name}[/] {_safe(text)}" if text else f"[bold]{name}[/]")
    table = _table("line", "service", "quantity", "price", "amount")
    for line in document["lines"]:
        period = line["from"] if line["from"] == line["to"] else f"{line['from']} to {line['to']}"
        table.add_row(
            _safe(_worded(line)), period, line["quantity"], _grouped(line["unit_price"]), _grouped(line["amount"])
        )
    for name in ("subtotal", "tax", "total"):
        table.add_row("", name.capitalize(), "", "", _grouped(document[name]))
    _show(table)


# ---------------------------------------------------------------------------------------------------------------- plan


def plan(preview: dict[str, Any], explain: bool = False) -> None:
    """Print what a terms file will bill: a row per document, or with ``explain`` every line and how it comes about."""
    _say(f"[bold]Contract {_safe(preview['contract'])}, {preview['currency']}[/]")
    if not explain:
        out.print()
        _documents(preview["invoices"])
    for document in preview["invoices"] if explain else ():
        _document(document)
    if any(document["estimated"] for document in preview["invoices"]):
        _say("\n~ by estimate: the amount will be what is used, accepted or published then")
    _totals(preview)
    _notes(preview["review"])


def comparison(found: dict[str, Any]) -> None:
    """Print what an amended terms file changes: terms, lines, documents, totals."""
    _say(f"[bold]Contract {_safe(found['contract'])}, {found['currency']}: {_names(found)}[/]")
    for change in found["terms"]:
        _say(f"\n{_safe(change['what'])}\n  - {_safe(change['before'] or 'nothing')}")
        _say(f"  + {_safe(change['after'] or 'nothing')}")
    if not found["lines"]:
        _say("\nNo line comes to another amount.")
    for title, column, key in (
        ("Lines", "service", "lines"), ("Invoiced less credited, with tax", "on", "documents"),
        ("By charge, net", "charge", "by_charge"), ("To be paid", "in", "cash"),
    ):  # fmt: skip
        if found[key]:
            _differences(title, column, found[key])
    value = found["value"]
    _say(f"\nContract value {_grouped(value['before'])} -> {_grouped(value['after'])} ({_plus(value['difference'])})")
    _notes(found["review"])


def _say(text: str) -> None:
    """Print a line that a pipe gets unbroken."""
    out.print(text, soft_wrap=True)


def _show(table: Table) -> None:
    """Print a table of a plan as wide as the terminal is; into a file or pipe always the same, without blank ends."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table, width=PLAN_WIDTH)
    for line in captured.get().splitlines():
        out.print(line.rstrip(), soft_wrap=True, markup=False)


def _documents(documents: Sequence[dict[str, Any]]) -> None:
    table = _table("issued", "due", "what", "net", "tax", "total", "to pay")
    for document in documents:
        credit = document["type"] == "credit_note"
        sign = "-" if credit else ""
        what = ", ".join(dict.fromkeys(_worded(line) for line in document["lines"]))
        table.add_row(
            document["issue_on"],
            "" if credit else document["due_on"],
            _safe(f"{'Credit note: ' if credit else ''}{what}"),
            *(f"{sign}{_grouped(document[name])}" for name in ("subtotal", "tax", "total")),
            _grouped(document["amount_due"]),
        )
    _show(table)


def _worded(line: dict[str, Any]) -> str:
    return f"{'~' if line['estimated'] else ''}{line['description']}"


def _document(document: dict[str, Any]) -> None:
    credit = document["type"] == "credit_note"
    used = f", {_grouped(document['credit_used'])} from balance" if Decimal(document["credit_used"]) else ""
    _say(
        f"\n[bold]{'Credit note' if credit else 'Invoice'} of {document['issue_on']}"
        f"{'' if credit else ', due ' + document['due_on']}: {_grouped(document['total'])}[/]"
        f" ({_grouped(document['subtotal'])} + tax {_grouped(document['tax'])}{used})"
    )
    for line in document["lines"]:
        period = line["from"] if line["from"] == line["to"] else f"{line['from']} to {line['to']}"
        made = line["explanation"]
        version = f"amendment {made['version']}" if made["version"] else "as signed"
        _say(f"  {_grouped(line['amount']):>12}  {_safe(_worded(line))}, {period}")
        _say(f"  {'':>12}  {_safe(line['explain'])}")
        _say(f"  {'':>12}  [dim]charge {_safe(made['charge'])}, {_safe(version)}, rule {_safe(made['rule'])}[/]")


def _totals(preview: dict[str, Any]) -> None:
    value = preview["value"]
    shares = {"billed_elsewhere": "billed elsewhere", "billed": "billed", "to_bill": "to bill"}
    parts = [f"{_grouped(value[name])} {word}" for name, word in shares.items() if name in value and len(value) > 3]
    parts += [f"{_grouped(value['estimated'])} of it by estimate"] * bool(Decimal(value["estimated"]))
    what = f"Value to {preview['through']}" if preview["through"] else "Contract value"
    _say(f"\n{what} {_grouped(value['total'])}{': ' * bool(parts)}{', '.join(parts)}")
    if len(preview["by_charge"]) > 1:
        _say("  " + ", ".join(f"{_safe(name)} {_grouped(amount)}" for name, amount in preview["by_charge"].items()))
    for renewal in preview["renewals"]:
        _say(_renewal(renewal))
    _bars(preview)


def _renewal(renewal: dict[str, Any]) -> str:
    notice = f"; notice by {renewal['notice_by']}" if renewal["notice_by"] else ""
    if not renewal["renews"]:
        return f"The term ends on {renewal['term_ends_on']}{notice}"
    through = f" through {renewal['renewed_through']}" if renewal["renewed_through"] else ""
    return f"The term ends on {renewal['term_ends_on']} and is renewed{through}{notice}"


def _bars(preview: dict[str, Any]) -> None:
    """Draw what is invoiced in each month (each year of a long contract), beside what falls due in it."""
    months = [one["month"] for name in ("invoiced", "cash") for one in preview[name]]
    by_year = len(set(months)) > MOST_BARS
    invoiced, cash = (_by_span(preview[name], by_year) for name in ("invoiced", "cash"))
    most = max(map(abs, invoiced.values()), default=Decimal(0))
    if not most:
        return
    nothing = abs(most * 0)  # with the currency's decimals
    out.print()
    table = _table("year" if by_year else "month", "", "invoiced", "to pay")
    for span in sorted(invoiced.keys() | cash.keys()):
        amount = invoiced.get(span, nothing)
        bar = Bar(int(most), 0, int(abs(amount)), width=BAR_WIDTH, color="red" if amount < 0 else "green")
        table.add_row(span, bar, f"{amount:,}", f"{cash.get(span, nothing):,}")
    _show(table)


def _by_span(amounts: Sequence[dict[str, str]], by_year: bool) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for one in amounts:
        span = one["month"][:4] if by_year else one["month"]
        found[span] = found.get(span, 0) + Decimal(one["amount"])
    return found


def _differences(title: str, column: str, rows: Sequence[dict[str, Any]]) -> None:
    out.print()
    table = _table(*[column] * (column == "service"), "what" if column == "service" else column,
                   "before", "after", "difference", title=title)  # fmt: skip
    for row in rows:
        amounts = (_grouped(row["before"]), _grouped(row["after"]), _plus(row["difference"]))
        if column == "service":
            period = row["from"] if row["from"] == row["to"] else f"{row['from']} to {row['to']}"
            table.add_row(period, f"{_safe(_worded(row))}\n[dim]{_safe(row['explain'])}[/]", *amounts)
        else:
            table.add_row(_safe(str(next(iter(row.values())))), *amounts)
    _show(table)


def _names(found: dict[str, Any]) -> str:
    return _safe(f"what {found['after']} changes of {found['before']}")


def _notes(notes: Sequence[dict[str, Any]]) -> None:
    for note in notes:
        _say(f"\n[yellow]{note['code']}[/]: {_safe(note['message'])} ({_safe(note['path'] or 'contract')})")


def _grouped(amount: str) -> str:
    return f"{Decimal(amount):,}"


def _plus(amount: str) -> str:
    return f"{Decimal(amount):+,}"


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
