"""Who owes what."""

from __future__ import annotations

from pathlib import Path

import click

from app import LiveWorld, WrongInput, load_config
from commands.answers import print_json, print_list
from commands.desk import open_store, today_at
from commands.options import CSV, JSON


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
@CSV
@JSON
@click.pass_obj
def report(path: Path, name: str | None, as_csv: bool, as_json: bool) -> None:
    """Who owes what.

    NAME: summary (default), aging, receivables (beside the books), customers, contracts, drafts, invoices, foreign
    (made by others in the books), payments, applications.
    """
    import terminal
    from store import receivables, reports
    from sync.report import aging_table, compared_table, decimal_table, summary, to_json

    config = load_config(path)
    known = ("summary", "aging", "receivables", *reports.TABLES)
    if (name or "summary") not in known:
        raise WrongInput([f"there is no report {name!r}; there are: {', '.join(known)}"])
    with open_store(path) as store:
        if name == "receivables":
            ledgers = {key: entity.accounting for key, entity in config.entities.items()}
            print_list(name, compared_table(receivables.compare(store, ledgers)), as_csv, as_json)
            return
        if name in reports.TABLES:
            print_list(str(name), decimal_table(*reports.table(store, str(name))), as_csv, as_json)
            return
        world = LiveWorld(config)
        found = summary(store, {key: today_at(world, key) for key in world.entities})
    if name == "aging" or as_csv:
        print_list("aging", aging_table(found), as_csv, as_json)
    elif as_json:
        print_json(to_json(found))
    else:
        terminal.summary(found)
