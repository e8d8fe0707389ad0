"""What holds for every command: what is wrong with the input is said, and the help names them all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

import commands
from commands.answers import exit_code
from tests.commands.shell import Shell, own_mappings
from tests.worlds import Live


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sync", "pull_deal"), "unknown job pull_deal; known are pull_deals"),
        (("sync", "--today", "tomorrow"), "write YYYY-MM-DD"),
        (("report", "agin"), "there is no report 'agin'; there are: summary, aging"),
        (("approve", "D99"), "D99: there is no such draft"),
        (("review", "99", "--do", "dismiss", "--reason", "x"), "no open review item 99"),
        (("review", "1", "--do", "dismiss"), "--do ACTION and --reason TEXT"),
        (("review", "1"), "there is no review item 1"),
        (("plan",), "name a terms file"),
        (("plan", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("--config", "nowhere.toml", "sync"), "copy config.example.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_exit_code_2_tells_what_is_wrong_with_the_command_and_what_to_write(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    result = shell(*words)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""


def break_three_times(live: Live) -> tuple[str, ...]:
    live.configure('timezone = "Europe/London"', 'timezone = "London"')
    live.configure('approve = "auto"', 'approve = "sometimes"')
    live.configure('accounting = "quickbooks_us"', 'accounting = "quickbook"')
    return ("entities.uk.timezone", "approve", "entities.us.accounting")


@pytest.mark.parametrize("command", ["sync", "check", "approve", "review", "report", "serve"])
def test_a_configuration_with_three_faults_shows_all_three_with_their_keys(
    shell: Shell, live: Live, command: str
) -> None:
    keys = break_three_times(live)
    result = shell(command)
    assert result.code == 2
    lines = result.err.splitlines()
    assert len(lines) == 3
    for key in keys:
        assert any(line.startswith(f"{live.file}: {key}: ") for line in lines)


def test_the_faults_of_a_configuration_are_one_json_document_where_that_is_wanted(shell: Shell, live: Live) -> None:
    break_three_times(live)
    result = shell("sync", "--json")
    assert result.code == 2
    assert len(result.document["faults"]) == 3


def test_a_bad_mapping_names_file_key_and_remedy_before_anything_is_called(shell: Shell, live: Live) -> None:
    own_mappings(live, "hubspot.toml", "starts_on = { from", "start_on = { from")
    result = shell.sync()
    assert result.code == 2
    assert re.search(r"^mappings/hubspot.toml: contract\.start_on: .*starts_on", result.err, re.MULTILINE)
    assert live.sandbox.hubspot.calls.total() == 0


def test_the_faults_of_all_mappings_are_shown_at_once(shell: Shell, live: Live) -> None:
    own_mappings(live, "hubspot.toml", "starts_on = { from", "start_on = { from")
    (live.file.parent / "mappings" / "xero.toml").unlink()
    (live.file.parent / "mappings" / "quickbooks.toml").write_text('role = "ledger"\nneeds = ["colour"]\n')
    result = shell.sync()
    assert result.code == 2
    assert "xero.toml" in result.err


def test_help_names_every_command_and_the_exit_codes(shell: Shell) -> None:
    text = shell("--help").out
    for word in ("sync", "check", "plan", "approve", "review", "report", "audit", "sandbox", "serve", "worker", "demo"):
        assert re.search(rf"^  {word} ", text, re.MULTILINE)
    assert "Exit codes: 0 done; 1 failed; 2" in text


def test_every_command_that_is_written_is_in_the_table_and_no_other() -> None:
    written: dict[str, set[str]] = {}
    for file in sorted(Path(commands.__file__).parent.glob("[a-z]*.py")):
        source = file.read_text(encoding="utf-8")
        if found := re.findall(r"^@click\.(?:command|group)\(.*?^def (\w+)", source, re.MULTILINE | re.DOTALL):
            written[file.stem] = set(found)
    assert written == {file: set(names.split()) for file, names in commands.FILES.items()}


def test_a_command_that_is_mistyped_is_guessed(shell: Shell) -> None:
    result = shell("snyc")
    assert (result.code, result.out) == (2, "")
    assert "No such command 'snyc'. Did you mean 'sync'?" in result.err


def test_the_worst_outcome_decides_the_exit_code() -> None:
    class Went(NamedTuple):
        outcome: str

    assert exit_code([Went("done"), Went("partly"), Went("busy"), Went("failed")]) == 1
    assert exit_code([Went("done"), Went("partly"), Went("busy")]) == 4
    assert exit_code([Went("partly"), Went("done")]) == 3
    assert exit_code([]) == 0
