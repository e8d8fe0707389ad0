"""Before the first run and on day one: what check finds, what adopt tells."""

from __future__ import annotations

import re

import pytest

from tests.commands.shell import Shell, own_mappings
from tests.worlds import Live


def test_check_finds_that_everything_fits_the_sandbox(shell: Shell) -> None:
    result = shell("check")
    assert result.code == 0
    assert result.out.endswith("Everything fits.\n")
    document = shell("check", "--json").document
    assert document["ok"] is True
    assert set(document["connections"]) == {"hubspot", "quickbooks_us", "xero_uk", "stripe_us", "stripe_uk"}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "hubspot.toml",
            '"deal.po_number"',
            '"deal.po_numbr"',
            ("contract.po_number", "'deal.po_numbr'", '"deal.po_number"'),
        ),
        ("hubspot.toml", '["closedwon"]', '["closed_won"]', ("deals.won", "closed_won", "closedwon")),
        ("xero.toml", 'account = "200"', 'account = "2000"', ("rules", "2000")),
        ("quickbooks.toml", 'item = "Services"', 'item = "Servises"', ("rules", "Servises", "Services")),
    ],
)
def test_check_names_what_a_mapping_asks_for_and_the_vendor_does_not_have(
    shell: Shell, live: Live, file: str, old: str, new: str, said: tuple[str, ...]
) -> None:
    own_mappings(live, file, old, new)
    result = shell("check", "--json")
    assert result.code == 3
    faults = [fault for fault in result.document["faults"] if all(part in fault for part in said)]
    assert faults, result.out
    assert f"mappings/{file}" in faults[0]


def test_check_names_the_connection_whose_token_is_refused_and_tries_the_others(shell: Shell, live: Live) -> None:
    live.configure('"sandbox-xero-1"', '"something-else"')
    result = shell("check", "--json")
    assert result.code == 3
    (fault,) = result.document["faults"]
    assert f"{live.file}: connections.xero_uk" in fault
    assert "give it another token" in fault
    assert len(result.document["connections"]) == 4


def test_check_names_the_connection_whose_address_is_wrong(shell: Shell, live: Live) -> None:
    live.configure(f"{live.running.url}/hubspot", f"{live.running.url}/hubspt")
    result = shell("check")
    assert result.code == 3
    assert "connections.hubspot.base_url" in result.out


def test_check_names_a_currency_that_no_account_takes_payments_in(shell: Shell, live: Live) -> None:
    live.configure('currencies = ["GBP", "EUR"]', 'currencies = ["GBP", "EUR", "CHF"]')
    result = shell("check")
    assert result.code == 3
    assert "mappings/xero.toml: clearing: uk sells in CHF" in result.out


def test_check_says_whose_payouts_are_not_booked(shell: Shell, live: Live) -> None:
    own_mappings(live, "xero.toml", '[bank]\nGBP = "090"\nEUR = "099"\n', "")
    result = shell("check")
    assert result.code == 0
    assert "Note: " in result.out
    assert "payouts and fees of stripe_uk are not booked at xero_uk" in result.out
    (note,) = shell("check", "--json").document["notes"]
    assert "mappings/xero.toml: bank:" in note


def test_check_says_until_when_a_connection_is_paused_and_tries_the_others(shell: Shell, live: Live) -> None:
    headers = {"X-Rate-Limit-Problem": "day", "Retry-After": "7200"}
    live.fault("xero", "error_before", status=429, headers=headers, times=-1)
    ran = shell("check")
    assert ran.code == 3
    assert re.search(
        r"- connections.xero_uk: Xero's calls for the day are used up until .* UTC: its jobs wait", ran.out
    )
    assert "quickbooks_us: " in ran.out
    live.mend()
    assert "connections.xero_uk: xero_uk is paused until" in shell("check").out  # known to a process of its own


def test_adopt_tells_in_one_document_what_it_did_and_a_second_run_that_nothing_is_new(shell: Shell) -> None:
    shell.live.sell()
    first = shell("adopt", "--today", "2026-09-01", "--json").document
    assert first["changed"] is True
    assert [job["job"] for job in first["jobs"]] == ["pull_deals", "map_terms", "adopt", "match_customers"]
    assert {"receivables", "linked_customers", "undecided_customers"} <= set(first)
    second = shell("adopt", "--today", "2026-09-01", "--json").document
    assert second["changed"] is False
    assert not any(call.startswith(("xero", "quickbooks")) for call in shell.live.writes())


def test_adopt_keeps_nothing_of_a_rehearsal_and_works_while_the_configuration_is_dry(shell: Shell) -> None:
    shell.live.sell()
    shell.live.configure("dry_run = false", "dry_run = true")
    assert shell("adopt", "--today", "2026-09-01", "--dry-run", "--json").document["dry_run"] is True
    assert shell.live.rows("SELECT count(*) FROM contracts") == [(0,)]
    assert "Nothing is receivable" in shell("adopt", "--today", "2026-09-01").out
    assert shell.live.rows("SELECT count(*) FROM contracts") == [(1,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--entity", "de"), "--entity: 'de' is unknown; there are: us, uk"),
        (("--through", "2026-08-31"), "--through: say with --entity whose contracts are meant"),
    ],
)
def test_adopt_says_what_is_wrong_with_its_options(shell: Shell, options: tuple[str, ...], said: str) -> None:
    ran = shell("adopt", *options)
    assert (ran.code, ran.err.splitlines()) == (2, [said])
