"""Single documents: crediting and voiding an invoice, files that belong to it, and a draft as a pro forma invoice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from commands.answers import print_json
from commands.desk import as_wrong_input, open_desk, person, today_at
from commands.options import DECIMAL, JSON, REASON_NEEDED


@click.command()
@click.argument("number")
@click.option("--line", "line_number", type=int, help="Only this line of it, counted from 1.")
@click.option("--amount", type=DECIMAL, help="With --line: so much of it, net; by default all that is left.")
@click.option("--net", type=DECIMAL, help="A net amount, spread over its lines.")
@click.option("--gross", type=DECIMAL, help="An amount with tax, spread over its lines.")
@REASON_NEEDED
@click.option("--yes", is_flag=True, help="Issue it; without it, it is only shown.")
@JSON
@click.pass_obj
def credit(
    path: Path, number: str, line_number: int | None, amount: Decimal | None, net: Decimal | None,
    gross: Decimal | None, reason: str, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Credit an invoice: all that is left of it, a line, or an amount. What is credited is not billed again."""
    from sync import credits
    from sync.credits import Wish

    wish = Wish(line_number, amount, net, gross)
    with open_desk(path) as (store, world), as_wrong_input():
        row = credits.find(store, number)
        note = credits.note(store, world, row, wish)
        given = credits.give(store, world, person(), row, wish, reason) if yes else None
    facts = {
        "Credit note": given.name if given else "to be", "Against": str(row.number), "Date": note.issue_on.isoformat(),
        "Currency": note.currency,
    }  # fmt: skip
    if as_json:
        told = {"number": given and given.name, "against": row.number, "issued": yes}
        print_json({**told, **_document(note)})
    else:
        import terminal

        terminal.paper(facts, _document(note))
        click.echo("The next sync puts it into the books." if yes else "Nothing is issued yet: give --yes to issue it.")


@click.command()
@click.argument("number")
@REASON_NEEDED
@click.pass_obj
def void(path: Path, number: str, reason: str) -> None:
    """Void an invoice that was never sent, is unpaid and lies in an open period; what it billed goes on hold."""
    from sync import credits, voiding

    with open_desk(path) as (store, world), as_wrong_input():
        voiding.void(store, world, person(), credits.find(store, number), reason)
    click.echo(f"{number} is void. The next sync voids it in the books and asks whether its lines are billed again.")


@click.command()
@click.argument("number")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def attach(path: Path, number: str, file: Path) -> None:
    """Hang a PDF on an invoice or credit note in the books: a signed order, a time sheet."""
    from sync import attaching, credits

    with open_desk(path) as (store, world), as_wrong_input():
        attaching.attach(store, world, person(), credits.find(store, number), file.name, file.read_bytes())
    click.echo(f"{file.name} hangs on {number} in the books.")


@click.command()
@click.argument("name", metavar="CONTRACT|DRAFT")
@JSON
@click.pass_obj
def proforma(path: Path, name: str, as_json: bool) -> None:
    """Show a draft (D12), or those of a contract, as a pro forma invoice: without a number, and nobody owes it."""
    from store import links
    from sync import paper

    with open_desk(path) as (store, world), as_wrong_input():
        rows = paper.drafts(store, name)
        customers = links.customers(store)
        shown = [(row, paper.pro_forma(store, row, today_at(world, row.entity))) for row in rows]
    if as_json:
        print_json({"pro_forma": [{"draft": row.name, **_document(draft)} for row, draft in shown]})
        return
    import terminal

    for row, draft in shown:
        facts = {
            "PRO FORMA": f"{row.name}, not issued: it has no number and is not to be paid",
            "From": world.entities[row.entity].name, "To": customers[row.customer_id].customer.name,
            "Date": draft.issue_on.isoformat(), "Due": draft.due_on.isoformat(), "Currency": draft.currency,
        }  # fmt: skip
        terminal.paper(facts, _document(draft))


def _document(draft: Any) -> dict[str, Any]:
    """Return a document as JSON, as ``netterms plan`` shows those to come."""
    from billing.preview import document
    from billing.showing.totals import payables

    (payable,) = payables([draft])
    return {"currency": draft.currency, **document(payable)}
