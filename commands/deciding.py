"""What a person decides: which drafts go out, what is done about a review item, and which invoice is disputed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app import WrongInput
from commands.answers import print_json
from commands.desk import open_store, person
from commands.options import JSON, REASON_NEEDED


@click.command()
@click.argument("drafts", nargs=-1, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="Approve every draft.")
@JSON
@click.pass_obj
def approve(path: Path, drafts: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Approve drafts by their number (D12), or all; without either, list what waits."""
    import terminal
    from store import invoices, reports
    from sync.report import decimal_table, records

    with open_store(path) as store:
        waiting = {row.name: row for row in invoices.drafts(store)}
        unknown = [name for name in drafts if name.upper() not in waiting]
        if unknown:
            raise WrongInput([f"{name}: there is no such draft; `netterms approve` lists them" for name in unknown])
        named = {name.upper() for name in drafts}
        chosen = [row.id for name, row in waiting.items() if everything or name in named]
        with store.transaction():
            count = invoices.approve(store, person(), chosen)
        waiting_now = decimal_table(*reports.table(store, "drafts"))
    if as_json:
        print_json({"approved": count, "drafts": records(waiting_now)})
        return
    if drafts or everything:
        click.echo(f"{count} draft(s) approved; the next sync issues them." if count else "Nothing to approve.")
    else:
        terminal.rows(*waiting_now)


@click.command()
@click.argument("item", type=int, required=False, metavar="[ID]")
@click.option("--do", "action", help="What to do: one of the item's actions, some with a value (apply=US-00012).")
@click.option("--reason", help="Why; kept in the audit trail.")
@click.option("--owner", help="Who looks after it; an empty name takes it back.")
@JSON
@click.pass_obj
def review(
    path: Path, item: int | None, action: str | None, reason: str | None, owner: str | None, as_json: bool
) -> None:
    """List what waits for a person, show one item with both sides of a difference, or decide it."""
    import msgspec

    import terminal
    from store import review as items

    if (action or reason) and not (item is not None and action and reason):
        raise click.UsageError("to decide an item, give its ID, --do ACTION and --reason TEXT")
    if owner is not None and item is None:
        raise click.UsageError("to say who looks after an item, give its ID")
    with open_store(path) as store:
        if item is not None:
            _review_one(store, item, action, str(reason), owner, as_json)
            return
        found = items.open_items(store)
    if as_json:
        print_json({"review": [{**msgspec.structs.asdict(one), "actions": one.choices} for one in found]})
    else:
        terminal.reviews(found)


def _review_one(store: Any, item: int, action: str | None, reason: str, owner: str | None, as_json: bool) -> None:
    """Give an item an owner, decide it, or show it."""
    import msgspec

    import terminal
    from store import review as items
    from sync.decide import both_sides, decide, give_to

    try:
        if owner is not None:
            give_to(store, person(), item, owner)
        if action is not None:
            decide(store, person(), item, action, reason)
    except (ValueError, KeyError) as error:
        raise WrongInput([str(error)]) from None
    if action is not None:
        if as_json:
            print_json({"decided": item, "action": action})
        else:
            click.echo(f"Review item {item}: {action}. The next sync acts on it.")
        return
    found = items.get(store, item)
    if found is None:
        raise WrongInput([f"there is no review item {item}; see: netterms review"])
    if as_json:
        sides = [{"what": what, "here": ours, "there": theirs} for what, ours, theirs in both_sides(store, found)]
        print_json({**msgspec.structs.asdict(found), "actions": found.choices, "sides": sides})
    else:
        terminal.review(found, both_sides(store, found))


@click.command()
@click.argument("number")
@click.option("--over", is_flag=True, help="The dispute is over: reminders go on.")
@REASON_NEEDED
@click.pass_obj
def dispute(path: Path, number: str, over: bool, reason: str) -> None:
    """Say that a customer disputes an invoice: nobody is reminded of it until --over."""
    from store import invoices, mail

    with open_store(path) as store:
        found = [row for row in invoices.issued(store) if row.number == number and row.type == "invoice"]
        if not found:
            raise WrongInput([f"{number}: there is no such invoice; `netterms report invoices` lists them"])
        with store.transaction():
            act = mail.end_dispute if over else mail.dispute
            changed = act(store, person(), found[0].id, reason)
    state = "not in dispute" if over else "in dispute"
    click.echo(f"{number} is {state}{' now' if changed else ' already'}.")
