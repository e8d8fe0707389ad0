"""The command line: ``netterms`` and its commands, a few that belong together in one file.

``options``, ``answers``, ``desk`` and ``stopping`` are what the commands share; what they work with is made by ``app``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from app import WrongInput
from commands.answers import EXIT_CODES, WRONG_INPUT, print_json
from commands.options import FILE

# File of this folder -> its commands. It is imported when one of them, or the page that lists all, is asked for.
FILES = {
    "running": "sync serve worker status",
    "going_live": "check adopt",
    "deciding": "approve review dispute",
    "papers": "credit void attach proforma",
    "terms": "plan terms amend line contract",
    "usage": "usage accept",
    "reports": "report",
    "upkeep": "backup restore audit selfcheck inbox",
    "sandbox": "sandbox demo",
}
_FILE_OF = {command: file for file, commands in FILES.items() for command in commands.split()}


class _Commands(click.Group):
    """Finds the commands by the table, and turns what is wrong with the user's input into text (or JSON) and code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(_FILE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; where there is none of that name, click suggests one of all."""
        for name in (cmd_name,) if cmd_name in _FILE_OF else _FILE_OF:
            self.add_command(getattr(import_module(f"commands.{_FILE_OF[name]}"), name))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            faults = _faults(error)
            if faults is None:
                raise
            if "--json" in sys.argv:
                print_json({"error": "the input cannot be used", "faults": faults})
            for fault in faults:
                click.echo(fault, err=True)
            ctx.exit(WRONG_INPUT)


def _faults(error: Exception) -> list[str] | None:
    """Return every fault of an error about the user's input; None for other errors."""
    if isinstance(error, WrongInput):
        return error.faults
    if type(error).__name__ in ("ConfigError", "MappingError", "TermsFileError"):
        return str(error).splitlines()
    return None


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "path", type=FILE, envvar="NETTERMS_CONFIG", default=Path("config.toml"), show_default=True,
              help="The configuration file (or NETTERMS_CONFIG).")  # fmt: skip
@click.version_option(package_name="netterms", prog_name="netterms")
@click.pass_context
def main(ctx: click.Context, path: Path) -> None:
    """Netterms takes a B2B contract from signature to collected cash."""
    ctx.obj = path
