"""docs/sandbox.md says what the sandbox does; what is cheap to compare is compared."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from commands.sandbox import sandbox
from sandbox.config_file import write_config
from sandbox.core import Fault
from sandbox.hubspot import HubSpot
from sandbox.quickbooks import QuickBooks
from sandbox.server import Options, Sandbox, create_app
from sandbox.stripe import PER_ACCOUNT, PER_ENDPOINT
from sandbox.stripe.api import TEST_METHODS
from sandbox.world.model import Habit
from sandbox.xero import Xero

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "sandbox.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def table(first: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first heading is ``first``, by their first cell without backquotes."""
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |")) + 2
    rows: dict[str, list[str]] = {}
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        head, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[head.strip("`")] = cells
    return rows


def test_every_kind_of_fault_is_explained_and_no_other() -> None:
    assert set(table("kind")) == set(Fault.KINDS)


def test_every_field_of_a_fault_is_explained_with_its_default() -> None:
    explained = table("field")
    fields = {field.name: field.default for field in dataclasses.fields(Fault)}
    assert set(explained) == set(fields)
    for name in ("status", "body", "times", "skip"):
        assert explained[name][0].strip("`") == str(fields[name])
    assert explained["seconds"][0] == f"{fields['seconds']:g}"


def test_every_habit_of_paying_is_explained() -> None:
    assert set(table("habit")) == set(get_args(Habit))


def test_every_control_path_is_explained() -> None:
    rules = create_app(Sandbox(Options(today=date(2026, 9, 1), deals=0))).url_map.iter_rules()
    control = {
        f"{method} {rule.rule}"
        for rule in rules
        if rule.rule.startswith("/_sandbox")
        for method in (rule.methods or set()) & {"GET", "POST"}
    }
    assert set(table("path")) == control


def test_every_option_of_the_command_is_explained_with_its_default() -> None:
    explained = {name.split()[0]: cells[0] for name, cells in table("option").items()}
    options = {option.opts[0]: option.default for option in sandbox.params}
    assert set(explained) == set(options)
    for name in ("--port", "--seed", "--deals", "--history", "--latency", "--minute"):
        assert explained[name] == f"{options[name]:g}"


def test_the_credentials_of_the_written_configuration_are_the_explained_ones(tmp_path: Path) -> None:
    write_config(tmp_path / "c.toml", url="http://127.0.0.1:1", minute=60, go_live=date(2026, 9, 1))
    text = (tmp_path / "c.toml").read_text(encoding="utf-8")
    rows = table("vendor")
    for vendor in ("HubSpot", "QuickBooks", "Xero"):
        begins = re.findall(r"`([^`]*)`", rows[vendor][1])[0]
        assert f'token = "{begins}' in text
    for account in re.findall(r'account = "(.*)"', text):
        assert account in PAGE
    for key in re.findall(r'token = "(sk_.*)"', text):
        assert key in rows["Stripe"][1]


@pytest.mark.parametrize("vendor", [HubSpot, QuickBooks])
def test_the_limits_are_the_ones_that_are_kept(vendor: type) -> None:
    for limit in vendor.limits:  # type: ignore[attr-defined]
        assert re.search(rf"\b{limit.calls} (calls|searches|batches|a minute)", WORDS)


def test_the_limits_of_stripe_and_xero_are_the_ones_that_are_kept() -> None:
    assert f"{PER_ACCOUNT} calls a second, {PER_ENDPOINT} on one endpoint" in WORDS
    xero = Sandbox(Options(today=date(2026, 9, 1), deals=0)).vendors["xero"]
    assert isinstance(xero, Xero)
    assert [limit.calls for limit in xero.limits] == [60, 5000]
    assert "60 calls a minute, 5,000 a day" in WORDS


def test_every_test_payment_method_is_named() -> None:
    assert all(f"`{method}`" in PAGE for method in TEST_METHODS)
