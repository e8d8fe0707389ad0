"""Running the jobs, once or by their cadence, with or without the pages; and how the connections were."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date
from pathlib import Path

import click

from app import LiveWorld, WrongInput, load_config, run_jobs, scheduled, server
from commands.answers import OK, PARTLY, end, exit_code, print_json, results_as_json
from commands.desk import as_wrong_input, open_store
from commands.options import JSON, TODAY
from commands.stopping import draining, until_stopped


@click.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--dry-run", is_flag=True, help="Work on a copy of the store and send nothing.")
@TODAY
@JSON
@click.pass_obj
def sync(path: Path, jobs: tuple[str, ...], dry_run: bool, today: date | None, as_json: bool) -> None:
    """Run every job once, or the ones named, in their order."""
    from sync.jobs import select

    config = load_config(path)
    if today is not None and not config.only_loopback:
        away = "--today: a connection leads out of this machine, where the date cannot be chosen: leave it out"
        raise WrongInput([away])
    with as_wrong_input():
        select(jobs)
    rehearsal = dry_run or config.dry_run
    with draining(config.store) as stop:
        results, world = run_jobs(config, jobs, today=today, dry_run=rehearsal, quiet=as_json, stop=stop)
    if as_json:
        print_json(results_as_json(results, world))
    else:
        import terminal

        terminal.results(results, rehearsal, world.noted())
    end(OK if stop.asked else exit_code(results))


@click.command()
@click.option("--no-jobs", is_flag=True, help="Only the pages; `netterms worker` runs the jobs elsewhere.")
@click.pass_obj
def serve(path: Path, no_jobs: bool) -> None:
    """Serve the pages, and run the jobs by their cadence."""
    serve_pages(LiveWorld(load_config(path), urgent=True), jobs=not no_jobs)


def serve_pages(world: LiveWorld, *, jobs: bool) -> None:
    """Serve the pages until the process is told to end, with or without running the jobs beside them."""
    config = world.config
    serving = server(config, world)
    click.echo(f"Netterms serves http://{config.host}:{serving.effective_port}/ ; Ctrl-C ends it.")
    with until_stopped(), draining(config.store, wake=True) as stop, scheduled(config, stop) if jobs else nullcontext():
        serving.run()


@click.command()
@click.pass_obj
def worker(path: Path) -> None:
    """Run the jobs by their cadence, without pages."""
    import threading

    config = load_config(path)
    with until_stopped(), draining(config.store, wake=True) as stop, scheduled(config, stop):
        threading.Event().wait()


@click.command()
@JSON
@click.pass_obj
def status(path: Path, as_json: bool) -> None:
    """Show how each connection was when it was last used; calls no vendor. Exit code 3 when one needs attention."""
    import msgspec

    from store import runs

    with open_store(path) as store:
        states = runs.connection_states(store)
    found = {name: states.get(name) for name in load_config(path).connections}
    if as_json:
        print_json({"connections": {name: state and msgspec.to_builtins(state) for name, state in found.items()}})
    else:
        for name, state in found.items():
            until = f" until {state.until[:16].replace('T', ' ')} UTC" if state and state.until else ""
            told = f"{state.state}{until}{': ' * bool(state.message)}{state.message}" if state else "not used yet"
            click.echo(f"{name}: {told}")
    end(PARTLY if any(state and state.state != "ok" for state in found.values()) else OK)
