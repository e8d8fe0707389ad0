"""Keeping the store whole: copies of it, its audit trail, what must be true of it, and webhooks nobody could read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from app import WrongInput, load_config, run_jobs
from commands.answers import BUSY, FAILED, OK, end, exit_code, fail, print_json
from commands.desk import as_wrong_input, open_desk, open_store, person
from commands.options import FILE, JSON


@click.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace a file of that name.")
@JSON
@click.pass_obj
def backup(path: Path, file: Path, force: bool, as_json: bool) -> None:
    """Copy the store to FILE while everything goes on, and prove that the copy is whole."""
    from store.backup import BadBackup, back_up

    _check_target(file, load_config(path).store, force)
    with open_store(path) as store:
        try:
            proved = back_up(store, file)
        except BadBackup as error:
            fail(f"Not backed up: the store itself is damaged: {error}", as_json)
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size, "audit_rows": proved.rows, "head": proved.head})
    else:
        size = file.stat().st_size
        click.echo(
            f"{file}: {size:,} bytes, whole; audit trail of {proved.rows} rows, head {proved.head[:16] or 'none'}."
        )


def _check_target(file: Path, store: Path, force: bool) -> None:
    """Raise ``WrongInput`` for a file that no backup may be written to, or when there is nothing to copy."""
    if file.exists() and not force:
        raise WrongInput([f"{file} is there already: name another file, or give --force"])
    if not file.resolve().parent.is_dir():
        raise WrongInput([f"{file}: there is no folder {file.resolve().parent}"])
    if not store.exists():
        raise WrongInput(["there is no store yet: nothing to back up"])
    if file.exists() and file.samefile(store):
        raise WrongInput([f"{file} is the store itself"])


@click.command()
@click.argument("file", type=FILE)
@JSON
@click.pass_obj
def restore(path: Path, file: Path, as_json: bool) -> None:
    """Put a backup back; the books are read back before anything is sent (docs/operations.md).

    The store that is there is kept beside it. Stop serve and worker first.
    """
    from store.backup import BadBackup
    from store.backup import restore as put_back

    config = load_config(path)
    if not file.exists():
        raise WrongInput([f"{file}: there is no such file"])
    if config.store.exists() and _is_in_use(config.store):
        fail("A job is running on the store: stop serve and worker first.", as_json, BUSY)
    try:
        kept = put_back(file, config.store, datetime.now(UTC))
    except (BadBackup, RuntimeError) as error:
        fail(f"Nothing is changed: {error}", as_json)
    if as_json:
        print_json({"store": str(config.store), "kept": kept and str(kept)})
        return
    click.echo(f"{config.store} is the backup {file} now." + (f" What was there is kept as {kept}." if kept else ""))
    click.echo("The next sync reads the books back first; what it does not find twice goes out with the one after.")


def _is_in_use(store: Path) -> bool:
    """Say whether a process that lives runs a job on the store; one that cannot be read is used by nobody."""
    from store import runs
    from store.database import Store
    from store.dialect import DatabaseError
    from sync.run import is_alive

    try:
        with Store.as_others_do(store) as opened:
            return any(is_alive(holder) for holder in runs.holders(opened))
    except DatabaseError:
        return False


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command()
@JSON
@click.pass_obj
def verify(path: Path, as_json: bool) -> None:
    """Check the trail's hash chain; exit code 1 names the first bad row."""
    from store import audit as trail

    with open_store(path) as store:
        problem, (rows, head) = trail.verify(store), trail.head(store)
    if as_json:
        print_json({"intact": problem is None, "problem": problem, "rows": rows, "head": head})
    else:
        click.echo(problem or f"The audit trail is intact: {rows} rows, head {head[:16] or 'none'}.")
    end(FAILED if problem else OK)


@click.command()
@click.option("--full", is_flag=True, help="Plan every contract anew instead of a sample.")
@JSON
@click.pass_obj
def selfcheck(path: Path, full: bool, as_json: bool) -> None:
    """Check what must be true of the store, as the nightly job does; exit code 1 when something is not."""
    from store import review as items
    from sync.jobs import select
    from sync.selfcheck import everything

    config = load_config(path)
    steps = [everything()] if full else select(("selfcheck",))
    found: list[Any] = []
    results, _ = run_jobs(
        config, quiet=as_json, steps=steps, look=lambda store: found.extend(items.of_job(store, "selfcheck"))
    )
    if as_json:
        hits = [
            {"subject": one.subject, "check": one.detail, "state": one.state, "message": one.message} for one in found
        ]
        print_json({"ok": not found and exit_code(results) == OK, "full": full, "hits": hits})
    else:
        for one in found:
            click.echo(f"- {one.message}")
        click.echo(f"{len(found)} hit(s)." if found else results[0].message or "Everything is as it must be.")
    end(exit_code(results) or (FAILED if found else OK))


@click.command()
@click.option("--replay", metavar="ID|all", help="Have one dead letter, or all, handled again.")
@JSON
@click.pass_obj
def inbox(path: Path, replay: str | None, as_json: bool) -> None:
    """List webhooks that nobody could read or whose handling keeps failing; nothing else waits for them."""
    from sync import dead_letters

    with open_desk(path) as (store, world), as_wrong_input():
        if replay is not None:
            count = dead_letters.replay(store, world.sources, person(), replay)
            if as_json:
                print_json({"replayed": count})
            else:
                click.echo(f"{count} webhook(s) come up again: the jobs of their source run for them.")
            return
        letters = dead_letters.letters(store, world.sources)
    if as_json:
        print_json({"dead_letters": [dead_letters.as_json(one) for one in letters]})
    else:
        import terminal

        terminal.dead_letters(letters)
