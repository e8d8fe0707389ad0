"""What a command answers with: text, a table or one JSON document, and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from app import LiveWorld

OK, FAILED, WRONG_INPUT, PARTLY, BUSY = 0, 1, 2, 3, 4

EXIT_CODES = """
\b
Exit codes: 0 done; 1 failed; 2 the command, configuration, mapping or terms are wrong;
3 done in part, a connection needs attention; 4 another process is doing this now.
"""


def exit_code(results: Sequence[Any]) -> int:
    """Return the exit code that tells how a run of jobs went; the worst counts."""
    outcomes = {result.outcome for result in results}
    for outcome, code in (("failed", FAILED), ("busy", BUSY), ("partly", PARTLY)):
        if outcome in outcomes:
            return code
    return OK


def end(code: int) -> NoReturn:
    """End with an exit code."""
    raise click.exceptions.Exit(code)


def fail(message: str, as_json: bool, code: int = FAILED) -> NoReturn:
    """End with an error that is not the input's."""
    if as_json:
        print_json({"error": message})
    click.echo(message, err=True)
    end(code)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    import json

    click.echo(json.dumps(document, indent=2, default=str))


def print_list(name: str, table: tuple[list[str], Sequence[Sequence[Any]]], as_csv: bool, as_json: bool) -> None:
    """Print a table as people, spreadsheets or programs read it."""
    if as_json:
        from sync.report import records

        print_json({name: records(table)})
    elif as_csv:
        import csv

        writer = csv.writer(sys.stdout)
        writer.writerow(table[0])
        writer.writerows(table[1])
    else:
        import terminal

        terminal.rows(*table)


def results_as_json(results: Sequence[Any], world: LiveWorld) -> dict[str, Any]:
    """Return how a run of jobs went and, of a dry run, what it would have created."""
    import msgspec

    return {
        "dry_run": world.dry_run,
        "today": world.now().date().isoformat(),
        "changed": any(result.changed for result in results),
        "jobs": [{**msgspec.structs.asdict(result), "changed": result.changed} for result in results],
        "would_create": world.noted(),
    }
