"""What happened at customers: what they used, which milestones they accepted."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from app import progress, read_text
from commands.answers import OK, PARTLY, WRONG_INPUT, end, print_json, print_list
from commands.desk import as_wrong_input, find_contract, open_desk, open_store, person
from commands.options import CSV, DATE, FILE, JSON


@click.group()
def usage() -> None:
    """What customers used: the records that usage charges and retainers bill."""


@usage.command("import")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="A record that is stored with other content takes this one.")
@click.option("--skip-bad", is_flag=True, help="Store the good records although others are bad.")
@click.option("--dry-run", is_flag=True, help="Check everything and store nothing.")
@JSON
@click.pass_obj
def import_(path: Path, file: Path, replace: bool, skip_bad: bool, dry_run: bool, as_json: bool) -> None:
    """Store usage records of a .csv or .jsonl file, each once by its id; one bad record and nothing is stored."""
    from billing.reading.records import read_records
    from sync.receive_usage import load

    records = read_records(read_text(file), as_csv=file.suffix.lower() == ".csv")
    with open_desk(path) as (store, world), progress(as_json) as bars:
        found = load(
            store, world, person(), records, file.name, replace=replace, skip_bad=skip_bad, dry_run=dry_run,
            progress=bars("records"),
        )  # fmt: skip
    if as_json:
        counts = {"new": found.new, "known": found.known, "replaced": found.replaced}
        refused = [{"line": one.place, "id": one.id, "key": one.key, "problem": one.problem} for one in found.refused]
        print_json({"stored": found.kept, "dry_run": dry_run, **counts, "refused": refused})
    else:
        for one in found.refused:
            click.echo(f"{file}: line {one}", err=True)
        counted = f"{found.new:,} new, {found.known:,} known already, {found.replaced:,} replaced"
        click.echo(f"{counted}, {len(found.refused):,} bad: {_kept(found.kept, dry_run)}")
    end(OK if not found.refused else PARTLY if skip_bad else WRONG_INPUT)


def _kept(kept: bool, dry_run: bool) -> str:
    if kept:
        return "the next sync bills what follows from them."
    if dry_run:
        return "nothing is stored in a dry run."
    return "nothing is stored. Mend the file, or give --skip-bad."


@usage.command("list")
@click.argument("contract")
@click.option("--meter", default="", help="Only this meter.")
@CSV
@JSON
@click.pass_obj
def list_(path: Path, contract: str, meter: str, as_csv: bool, as_json: bool) -> None:
    """List the usage records of a contract, the newest first."""
    from store import usage as records

    with open_store(path) as store:
        row = find_contract(store, contract)
        print_list("usage", records.table(store, row.key, meter), as_csv, as_json)


@click.command()
@click.argument("contract")
@click.argument("charge")
@click.argument("milestone", default="")
@click.option("--on", type=DATE, help="The day it was accepted; by default today.")
@click.option("--withdraw", is_flag=True, help="It was not accepted: what was billed for it is credited.")
@JSON
@click.pass_obj
def accept(
    path: Path, contract: str, charge: str, milestone: str, on: date | None, withdraw: bool, as_json: bool
) -> None:
    """Record that a customer accepted a milestone, or (CHARGE holdback) the release of a holdback."""
    from sync import acceptances

    name = f"{charge} {milestone}".strip()
    with open_desk(path) as (store, world), as_wrong_input():
        if withdraw:
            acceptances.withdraw(store, person(), contract, charge, milestone)
            changed, told = True, f"{name} of {contract} is not accepted any more."
        else:
            day, changed = acceptances.accept(store, world, person(), contract, charge, milestone, on)
            told = f"{name} of {contract} is accepted on {day}{'' if changed else ' already'}."
    if as_json:
        accepted_on = None if withdraw else day.isoformat()
        print_json({"contract": contract, "charge": charge, "milestone": milestone, "accepted_on": accepted_on,
                     "changed": changed})  # fmt: skip
    else:
        click.echo(told)
