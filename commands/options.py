"""The options that several commands have, and what a word on the command line may be."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click


class _Date(click.ParamType[date]):
    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read an ISO date."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date: write YYYY-MM-DD", param, ctx)


class _Decimal(click.ParamType[Decimal]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read a decimal number."""
        try:
            return Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no number: write e.g. 1200.50", param, ctx)


DATE = _Date()
DECIMAL = _Decimal()
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
CSV = click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
TODAY = click.option("--today", type=DATE, help="Act as on this day; only where every connection is on this machine.")

_WHY = "Why; kept in the audit trail."
REASON = click.option("--reason", default="", help=_WHY)
REASON_NEEDED = click.option("--reason", required=True, help=_WHY)
