"""Trying it out on this machine: stand-ins of the vendors, and a made-up company on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from app import LiveWorld, WrongInput, load_config, progress, run_jobs
from commands.options import DATE, FILE, FOLDER
from commands.running import serve_pages
from commands.stopping import until_stopped


@click.command()
@click.option("--port", default=8500, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="Another seed gives another company.")
@click.option("--deals", default=60, show_default=True, help="How many deals.")
@click.option("--history", default=0, show_default=True, metavar="MONTHS", help="Over how many months they were won.")
@click.option("--latency", default=0, show_default=True, metavar="MS", help="How long each answer takes.")
@click.option(
    "--minute", default=60.0, show_default=True, metavar="SECONDS", help="How long the vendors' minute lasts."
)
@click.option("--date", "today", type=DATE, help="The stand-ins' first day; by default the real one.")
@click.option("--write-config", type=FILE, help="Write a configuration aimed at it.")
def sandbox(
    port: int, seed: int, deals: int, history: int, latency: int, minute: float, today: date | None,
    write_config: Path | None,
) -> None:  # fmt: skip
    """Serve stand-ins of HubSpot, Stripe, QuickBooks and Xero on this machine (docs/sandbox.md)."""
    from sandbox.server import Options, Running

    options = Options(
        today=today or datetime.now(UTC).date(), seed=seed, deals=deals, history=history, latency=latency / 1000,
        minute=minute,
    )  # fmt: skip
    with Running(options, port) as running:
        if write_config is not None:
            running.write_config(write_config)
            click.echo(f"Wrote {write_config}; try: netterms --config {write_config} sync")
        click.echo(f"The sandbox serves {running.url}; it is {options.today} there. Ctrl-C ends it.")
        with until_stopped():
            running.wait()


@click.command()
@click.option("--once", is_flag=True, help="End after the report instead of serving the pages.")
@click.option("--dir", "folder", type=FOLDER, default=Path("demo"), show_default=True,
              help="Where configuration and store are written; a demo's earlier ones there are replaced.")  # fmt: skip
def demo(once: bool, folder: Path) -> None:
    """Walk 60 days of a made-up company on local stand-ins: no account, no key."""
    from sandbox.server import Options, Running

    days = 60
    last = datetime.now(UTC).date()
    first = last - timedelta(days=days)
    clear(folder)
    # The stand-ins' minute is shortened to a second: two months pass here in less than the vendors' real minute.
    with Running(Options(today=first, minute=1.0)) as running:
        running.write_config(folder / "demo.toml")
        world = LiveWorld(load_config(folder / "demo.toml"), urgent=True)
        _walk(world, running.sandbox.move_clock_safely, first, days)
        _report(world, last)
        if not once:
            serve_pages(world, jobs=False)


def clear(folder: Path) -> None:
    """Remove what an earlier demo left in a folder, the head of its trail too: the new store does not go on from it."""
    for old in folder.glob("demo.*"):
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()


def _walk(world: LiveWorld, move: Callable[[date], None], first: date, days: int) -> None:
    """Run a full sync on each day, the stand-ins' customers doing what they do in between."""
    click.echo(f"Walking {days} days from {first}: deals are won, invoices fall due, customers pay.", err=True)
    with progress(quiet=False) as bars:
        advance = bars("days")
        for day in range(days + 1):
            move(first + timedelta(days=day))
            results, _ = run_jobs(world.config, today=first + timedelta(days=day))
            failed = [result for result in results if result.outcome != "done"]
            if failed:
                raise WrongInput([f"{result.job}: {result.outcome}: {result.message}" for result in failed])
            advance(day, days)


def _report(world: LiveWorld, today: date) -> None:
    """Print who owes what after the walk, and where to look further."""
    import terminal
    from store import review as items
    from store.database import Store
    from sync.report import summary

    with Store(world.config.store) as store:
        found = summary(store, dict.fromkeys(world.entities, today))
        waiting = items.open_items(store)
    terminal.summary(found)
    terminal.reviews(waiting, most=5)
    terminal.walked(found)
    click.echo(f"Look further: netterms --config {world.file} review (or: report invoices, report payments ...)")
