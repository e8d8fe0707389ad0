"""Before the first run, and day one: what is wrong with the configuration, and beginning on top of older books."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from app import LiveWorld, WrongInput, load_config, run_jobs
from commands.answers import OK, PARTLY, end, exit_code, print_json, results_as_json
from commands.options import DATE, JSON, TODAY


@click.command()
@JSON
@click.pass_obj
def check(path: Path, as_json: bool) -> None:
    """Check configuration, mappings against what the vendors really have, and connections; a fix for each fault."""
    from sync.check import check_all

    world = LiveWorld(load_config(path), dry_run=True, urgent=True)
    world.load_mappings()
    found = check_all(world, begun_series(world))
    if as_json:
        told = {"connections": found.connections, "faults": found.faults, "notes": found.notes}
        print_json({"ok": not found.faults, **told})
    else:
        for name, account in found.connections.items():
            click.echo(f"{name}: {account}")
        for fault in found.faults:
            click.echo(f"- {fault}")
        for note in found.notes:
            click.echo(f"Note: {note}")
        click.echo(f"{len(found.faults)} fault(s)." if found.faults else "Everything fits.")
    end(PARTLY if found.faults else OK)


def begun_series(world: LiveWorld) -> dict[str, dict[str, int]]:
    """Return the next number of each series that was begun, by legal entity; nothing where there is no store yet."""
    from store import invoices
    from store.database import Store

    if not world.config.store.exists():
        return {}
    with Store(world.config.store) as store:
        return {entity: invoices.next_numbers(store, entity) for entity in world.entities}


@click.command()
@click.option("--entity", default="", help="Only this legal entity; by default all.")
@click.option("--through", type=DATE, help="What starts up to this day was billed elsewhere, for all contracts.")
@click.option("--dry-run", is_flag=True, help="Work on a copy of the store and keep nothing.")
@TODAY
@JSON
@click.pass_obj
def adopt(path: Path, entity: str, through: date | None, dry_run: bool, today: date | None, as_json: bool) -> None:
    """Begin on top of the books as they are: read them, link customers, record what was billed there (docs/go-live.md).

    Writes at no vendor, whatever `dry_run` says in the configuration, and may run again at any time.
    """
    config = load_config(path)
    world = LiveWorld(config, today=today, dry_run=True)  # even by mistake nothing is written at a ledger
    _check_whose(world, entity, through, today)
    steps = adopt_steps(entity, through)
    shown: dict[str, Any] = {}

    def look(store: Any) -> None:
        shown.update(_adopted(world, store))

    results, _ = run_jobs(config, dry_run=dry_run, quiet=as_json, world=world, steps=steps, look=look)
    if as_json:
        print_json({**results_as_json(results, world), "dry_run": dry_run, **shown})
    else:
        import terminal

        terminal.adopted(results, shown, dry_run)
    end(exit_code(results))


def _check_whose(world: LiveWorld, entity: str, through: date | None, today: date | None) -> None:
    """Raise ``WrongInput`` with all that is wrong with the options of a cut-over."""
    faults = []
    if today is not None and not world.config.only_loopback:
        faults.append("--today: a connection leads out of this machine")
    if entity and entity not in world.entities:
        faults.append(f"--entity: {entity!r} is unknown; there are: {', '.join(world.entities)}")
    if through is not None and not entity and len(world.entities) > 1:
        faults.append("--through: say with --entity whose contracts are meant")
    if faults:
        raise WrongInput(faults)


def adopt_steps(entity: str = "", through: date | None = None) -> list[Any]:
    """Return the jobs of a cut-over: deals first, so that there are contracts and customers to place."""
    from sync.adopt import adoption
    from sync.jobs import select

    return [*select(("pull_deals", "map_terms")), adoption(entity, through), *select(("match_customers",))]


def _adopted(world: LiveWorld, store: Any) -> dict[str, Any]:
    """Return what the books and we make of each other: receivables side by side, and whom nobody is sure of."""
    from store import links, receivables
    from store import review as items
    from sync.report import compared_table, records

    ledgers = {key: entity.accounting for key, entity in world.entities.items()}
    names = {row.id: row.customer.name for row in links.customers(store).values()}
    return {
        "receivables": records(compared_table(receivables.compare(store, ledgers))),
        "linked_customers": [
            {"books": ledger, "id": link.vendor_id, "currency": currency, "customer": names[customer_id]}
            for ledger in dict.fromkeys(ledgers.values())
            for (customer_id, currency), link in links.by_ours(store, ledger, "customer").items()
        ],
        "undecided_customers": [
            {"id": item.id, "message": item.message, "actions": item.choices}
            for item in items.open_items(store)
            if item.code == "customer_match"
        ],
    }
