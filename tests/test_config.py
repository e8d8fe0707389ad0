"""The configuration: what is accepted, and that every fault is named at once with its key and its remedy."""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import config
from config import Config, ConfigError
from connectors import LIMITS, REGISTRY, WEBHOOKS
from sandbox.config_file import write_config
from sync.jobs import JOBS

EXAMPLE = Path(__file__).resolve().parents[1] / "config.example.toml"
VARIABLES = re.findall(r'(?m)^\w+ = "env:(\w+)"', EXAMPLE.read_text(encoding="utf-8"))
ROLES = {vendor: role for vendor, (role, _) in REGISTRY.items()}
CADENCE = {job.name: job.seconds for job in JOBS}
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
SECRETS = {"HUBSPOT": "pat-1", "XERO": "x-1", "NETTERMS_KEY": KEY}

GOOD = """
[entities.uk]
name = "Example Ltd"
timezone = "Europe/London"
currencies = ["GBP", "EUR"]
go_live = 2026-01-01
accounting = "books"

[entities.uk.tax]
standard = 20

[connections.crm]
vendor = "hubspot"
base_url = "https://crm.example"
token = "env:HUBSPOT"

[connections.books]
vendor = "xero"
entity = "uk"
base_url = "https://books.example"
account = "tenant-1"
token = "env:XERO"

[jobs]
report = "12h"
"""

OAUTH = """
[connections.books.oauth]
token_url = "https://books.example/token"
client_id = "app"
client_secret = "env:XERO"
"""

SECOND_ENTITY = """
[entities.us]
name = "Example Inc."
timezone = "America/New_York"
currencies = ["USD"]
go_live = 2026-01-01
accounting = "ledger"

[connections.ledger]
vendor = "quickbooks"
entity = "us"
base_url = "https://ledger.example"
account = "1"
token = "env:XERO"
"""

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads a text, after replacing parts of it, with the secrets that are set."""

    def load(text: str = GOOD, *changes: tuple[str, str], environ: dict[str, str] = SECRETS) -> Config:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "config.toml"
        file.write_text(text, encoding="utf-8")
        return config.load(file, ROLES, CADENCE, environ, WEBHOOKS, LIMITS)

    return load


def faults(load: Load, *args: Any, **kwargs: Any) -> dict[str, str]:
    """Return the problem by key of a configuration that is refused."""
    with pytest.raises(ConfigError) as refused:
        load(*args, **kwargs)
    return {fault.key: fault.problem for fault in refused.value.faults}


# ------------------------------------------------------------------------------------------------ what is accepted


def test_a_good_file_becomes_one_config_with_the_defaults_filled_in(load: Load, tmp_path: Path) -> None:
    found = load()
    assert (found.dry_run, found.crm_changes, found.host, found.port) == (True, "review", "127.0.0.1", 8400)
    assert found.store == tmp_path / "netterms.db"
    entity = found.entities["uk"]
    assert (entity.number_prefix, entity.number_digits, entity.credit_prefix) == ("UK-", 5, "UK-CN-")
    assert (entity.go_live, entity.approve, entity.tax_rates) == (date(2026, 1, 1), "manual", {"standard": Decimal(20)})
    books = found.connections["books"]
    assert (books.role, books.token, books.mapping, books.minute_seconds) == ("accounting", "x-1", "xero.toml", 60.0)
    assert found.cadence == {**CADENCE, "report": 12 * 3600}


def test_an_entity_approves_like_the_whole_service_unless_it_says_otherwise(load: Load) -> None:
    text = 'approve = "auto"\n' + GOOD + SECOND_ENTITY
    found = load(text, ('name = "Example Inc."', 'name = "Example Inc."\napprove = "manual"'))
    assert {key: entity.approve for key, entity in found.entities.items()} == {"uk": "auto", "us": "manual"}


def test_we_book_payments_in_the_ledger_unless_another_app_is_said_to_do_it(load: Load) -> None:
    found = load(GOOD + SECOND_ENTITY, ('name = "Example Inc."', 'name = "Example Inc."\npost_payments = "ledger"'))
    assert {key: entity.post_payments for key, entity in found.entities.items()} == {"uk": "netterms", "us": "ledger"}


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400)])
def test_a_cadence_is_a_number_and_a_unit(load: Load, written: str, seconds: int) -> None:
    assert load(GOOD, ("12h", written)).cadence["report"] == seconds


def test_a_trailing_slash_of_an_address_is_dropped(load: Load) -> None:
    assert load(GOOD, ("crm.example", "crm.example/api/")).connections["crm"].base_url == "https://crm.example/api"


def test_the_date_may_only_be_chosen_when_every_connection_stays_on_this_machine(load: Load) -> None:
    local = load(GOOD, ("https://crm.example", "http://127.0.0.1:1"), ("https://books.example", "http://localhost:2"))
    assert local.only_loopback
    assert not load(GOOD, ("https://crm.example", "http://127.0.0.1:1")).only_loopback


def test_the_mappings_lie_beside_the_file_or_else_the_shipped_ones_are_used(load: Load, tmp_path: Path) -> None:
    assert load().mappings == EXAMPLE.parent / "mappings"
    (tmp_path / "mappings").mkdir()
    assert load().mappings == tmp_path / "mappings"
    assert load('mappings = "ours"\n' + GOOD).mappings == tmp_path / "ours"


def test_with_a_password_the_pages_may_be_reached_from_elsewhere_under_the_names_given(load: Load) -> None:
    web = '[web]\nhost = "192.0.2.7"\nhosts = ["books.example"]\npassword = "env:ADMIN"\n[jobs]'
    found = load(GOOD, ("[jobs]", web), environ={**SECRETS, "ADMIN": "a long enough one"})
    assert found.password == "a long enough one"
    assert found.web_hosts == ("127.0.0.1", "localhost", "[::1]", "192.0.2.7", "books.example")


def test_by_default_the_pages_answer_to_this_machines_own_names_only(load: Load) -> None:
    assert (load().web_hosts, load().password) == (("127.0.0.1", "localhost", "[::1]"), "")


def test_a_secret_for_webhooks_that_nobody_reads_is_of_no_use(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(GOOD.replace('"env:XERO"\n', '"env:XERO"\nwebhook_secret = "env:XERO"\n'), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        config.load(file, ROLES, CADENCE, SECRETS, ("stripe",))
    assert "webhooks of xero are not read" in str(refused.value)


def test_what_signs_webhooks_is_one_secret_or_two_while_it_is_changed(load: Load) -> None:
    def secrets(written: str) -> tuple[str, ...]:
        found = load(GOOD, ('token = "env:HUBSPOT"', f'token = "env:HUBSPOT"\n{written}'))
        return found.connections["crm"].webhook_secrets

    assert secrets("") == ()
    assert secrets('webhook_secret = "env:XERO"') == ("x-1",)
    assert secrets('webhook_secret = ["env:HUBSPOT", "env:XERO"]') == ("pat-1", "x-1")


def test_price_indices_are_values_by_the_day_of_publication_oldest_first(load: Load) -> None:
    found = load(
        f'{GOOD}\n[indices]\nCPI = {{ 2026-02-14 = 322, 2026-01-15 = 321.9 }}\n[indices."CPI-U"]\n2026-01-15 = 1\n'
    )
    assert found.indices == {
        "CPI": ((date(2026, 1, 15), Decimal("321.9")), (date(2026, 2, 14), Decimal(322))),
        "CPI-U": ((date(2026, 1, 15), Decimal(1)),),
    }
    assert load().indices == {}


def test_the_token_of_the_api_comes_from_the_environment_and_without_one_the_api_is_closed(load: Load) -> None:
    text = f'{GOOD}\n[api]\ntoken = "env:API"\n'
    assert load(text, environ={**SECRETS, "API": "t" * 32}).api_token == "t" * 32
    assert load().api_token == ""
    assert "shorter than 32" in faults(load, text, environ={**SECRETS, "API": "t" * 31})["api.token"]
    assert "not set" in faults(load, text)["api.token"]
    assert "plain text" in faults(load, text.replace("env:API", "t" * 32))["api.token"]


def test_every_bad_value_of_a_price_index_is_named_by_its_day(load: Load) -> None:
    written = "2026-01-15 = 0, 2026-02-30 = 1, 2026-03-15 = true, 2026-04-15 = 'many', 2026-05-15 = nan"
    found = faults(load, f"{GOOD}\n[indices]\nCPI = {{ {written} }}\nRPI = {{ }}\nPPI = 5\n")
    days = {f"indices.CPI.2026-{day}" for day in ("01-15", "02-30", "03-15", "04-15", "05-15")}
    assert set(found) == days | {"indices.RPI", "indices.PPI"}
    assert "is no date" in found["indices.CPI.2026-02-30"]
    assert "a number above 0" in found["indices.CPI.2026-03-15"]


# ---------------------------------------------------------------------------------------------------- shipped files


def example(environ: dict[str, str] | None = None) -> Config:
    return config.load(
        EXAMPLE, ROLES, CADENCE, environ or {**dict.fromkeys(VARIABLES, "a-secret"), "NETTERMS_KEY": KEY}, limits=LIMITS
    )


def test_the_example_loads_once_its_environment_variables_are_set() -> None:
    found = example()
    assert found.dry_run
    assert {entity.approve for entity in found.entities.values()} == {"manual"}
    assert {connection.role for connection in found.connections.values()} == {"crm", "accounting", "payments", "mail"}
    assert found.cadence == CADENCE  # the example shows the defaults


def test_the_example_mentions_every_key_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[str, set[str]] = defaultdict(set)
    close = config._Section.close

    def recording(section: config._Section) -> None:
        read[section.path.split(".")[0]] |= section.known
        close(section)

    monkeypatch.setattr(config._Section, "close", recording)
    example()
    text = EXAMPLE.read_text(encoding="utf-8")
    keys = {key for known in read.values() for key in known}
    assert {"dry_run", "host", "go_live", "minute_seconds", "client_secret", "refresh_token", "report"} <= keys
    assert [key for key in keys if not re.search(rf"(?m)^(# )?{key} = |^\[{key}[\].]|\.{key}\]|`{key}`", text)] == []


def test_the_example_without_its_secrets_names_every_variable_to_set() -> None:
    with pytest.raises(ConfigError) as refused:
        example({"PATH": ""})
    told = str(refused.value)
    assert len(VARIABLES) >= 5
    assert [name for name in [*VARIABLES, "NETTERMS_KEY"] if name not in told] == []


def test_the_configuration_that_the_sandbox_writes_loads_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "new" / "sandbox.toml"
    write_config(file, url="http://127.0.0.1:8500", minute=0.5, go_live=date(2026, 2, 1), web_port=0)
    found = config.load(file, ROLES, CADENCE, {}, WEBHOOKS)
    assert found.only_loopback
    assert (found.dry_run, found.port, found.store) == (False, 0, tmp_path / "new" / "sandbox.db")
    assert {entity.go_live for entity in found.entities.values()} == {date(2026, 2, 1)}
    assert {connection.minute_seconds for connection in found.connections.values()} == {0.5}


# ------------------------------------------------------------------------------------------------ faults, all at once


def test_three_faults_are_reported_together_each_with_file_and_key(load: Load, tmp_path: Path) -> None:
    broken = [("Europe/London", "Europe/Londn"), ('"EUR"', '"euro"'), ("12h", "often")]
    with pytest.raises(ConfigError) as refused:
        load(GOOD, *broken)
    lines = str(refused.value).splitlines()
    keys = ["entities.uk.timezone", "entities.uk.currencies", "jobs.report"]
    assert sorted(line.split(": ")[1] for line in lines) == sorted(keys)
    assert all(line.startswith(f"{tmp_path / 'config.toml'}: ") for line in lines)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file: copy config\.example\.toml"):
        config.load(tmp_path / "none.toml", ROLES, CADENCE, {})


def test_broken_toml_is_reported_with_its_place(load: Load) -> None:
    assert "line 2" in faults(load, "dry_run = true\nstore = \n")[""]


def test_a_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not readable as TOML"):
        config.load(file, ROLES, CADENCE, {})


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("[entities.uk]", "dryrun = true\n[entities.uk]", "dryrun", "dry_run"),
        ("[entities.uk]", "[entities.uk]\ntime_zone = 'UTC'", "entities.uk.time_zone", "timezone"),
        ("account =", "acount =", "connections.books.acount", "account"),
        ("[jobs]", "[job]", "job", "jobs"),
        ("report =", "reports =", "jobs.reports", "report"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(load: Load, old: str, new: str, key: str, nearest: str) -> None:
    assert faults(load, GOOD, (old, new))[key] == f"is unknown: did you mean {nearest!r}?"


def test_an_unknown_key_that_resembles_nothing_is_to_be_removed(load: Load) -> None:
    assert faults(load, "zzz = 1\n" + GOOD) == {"zzz": "is unknown: remove it"}


BAD_VALUES = [
    ("[entities.uk]", 'dry_run = "no"\n[entities.uk]', "dry_run", "true or false"),
    ("[entities.uk]", 'store = ""\n[entities.uk]', "store", "is empty"),
    ("[entities.uk]", 'approve = "automatic"\n[entities.uk]', "approve", "did you mean 'auto'"),
    ("accounting =", 'post_payments = "books"\naccounting =', "entities.uk.post_payments", "netterms or ledger"),
    ("accounting =", 'closed_period = "open"\naccounting =', "entities.uk.closed_period", "wait or next_open"),
    ("[entities.uk]", 'crm_changes = "aply"\n[entities.uk]', "crm_changes", "did you mean 'apply'"),
    ("[jobs]", "[web]\nport = 70000\n[jobs]", "web.port", "up to 65535"),
    ("[jobs]", "[web]\nport = true\n[jobs]", "web.port", "a port number"),
    ("[jobs]", '[web]\nhost = "0.0.0.0"\n[jobs]', "web.host", "needs a login"),
    ("[jobs]", '[web]\nhost = "0.0.0.0"\n[jobs]', "web.hosts", "name what people call the pages"),
    ("[jobs]", '[web]\nhosts = ["netterms.example"]\n[jobs]', "web.hosts", "needs a login"),
    ("[jobs]", '[web]\nhosts = ["https://netterms.example"]\n[jobs]', "web.hosts", "names without port"),
    ("[jobs]", '[web]\npublic_url = "https://netterms.example"\n[jobs]', "web.public_url", "needs a login"),
    (
        "[jobs]",
        '[web]\npassword = "env:NETTERMS_KEY"\npublic_url = "http://netterms.example"\n[jobs]',
        "web.public_url",
        "write an https address",
    ),
    ('"env:HUBSPOT"', '"env:HUBSPOT"\nwebhook_secret = "whsec"', "connections.crm.webhook_secret", "in plain text"),
    ('"env:HUBSPOT"', '"env:HUBSPOT"\nwebhook_secret = ["env:NONE"]', "connections.crm.webhook_secret", "NONE, which"),
    ('"env:HUBSPOT"', '"env:HUBSPOT"\nwebhook_secret = [""]', "connections.crm.webhook_secret", "else than a text"),
    ('"env:HUBSPOT"', '"env:HUBSPOT"\nwebhook_secret = 5', "connections.crm.webhook_secret", "a list of two"),
    ("[jobs]", '[web]\npassword = "correct horse battery"\n[jobs]', "web.password", "in plain text"),
    ("[jobs]", '[web]\npassword = "env:XERO"\n[jobs]', "web.password", "shorter than 12 characters"),
    ("[jobs]", '[web]\nsecret_key = "env:XERO"\n[jobs]', "web.secret_key", "shorter than 32 characters"),
    ("[entities.uk]", "web = 8400\n[entities.uk]", "web", "write a table [web]"),
    ("[entities.uk]", '[entities."UK Ltd"]', "entities.UK Ltd", "lower-case"),
    ('name = "Example Ltd"', "", "entities.uk.name", "the legal name"),
    ("Europe/London", "Europe/Londn", "entities.uk.timezone", "no IANA zone"),
    ("Europe/London", "../etc/passwd", "entities.uk.timezone", "no IANA zone"),
    ('["GBP", "EUR"]', '["GBP", "euro"]', "entities.uk.currencies", "three capital letters"),
    ('["GBP", "EUR"]', "[]", "entities.uk.currencies", "a list such as"),
    ('["GBP", "EUR"]', '"GBP"', "entities.uk.currencies", "a list such as"),
    ("go_live = 2026-01-01", "", "entities.uk.go_live", "the first day that is billed from here"),
    ("go_live = 2026-01-01", 'go_live = "2026-01-01"', "entities.uk.go_live", "the first day"),
    ("go_live = 2026-01-01", "go_live = 2026-01-01T08:00:00", "entities.uk.go_live", "the first day"),
    ("standard = 20", "standard = 120", "entities.uk.tax.standard", "0 to 100"),
    ("standard = 20", "standard = -1", "entities.uk.tax.standard", "0 to 100"),
    ("standard = 20", "standard = nan", "entities.uk.tax.standard", "0 to 100"),
    ("standard = 20", "standard = true", "entities.uk.tax.standard", "0 to 100"),
    ("standard = 20", 'standard = "twenty"', "entities.uk.tax.standard", "0 to 100"),
    ('vendor = "xero"', 'vendor = "xeroo"', "connections.books.vendor", "did you mean 'xero'"),
    ("https://crm.example", "http://crm.example", "connections.crm.base_url", "write an https address"),
    ("https://crm.example", "crm.example", "connections.crm.base_url", "write an https address"),
    ("https://crm.example", "https://", "connections.crm.base_url", "write an https address"),
    ("https://crm.example", "https://[crm.example", "connections.crm.base_url", "write an https address"),
    ("https://crm.example", "ftp://localhost/x", "connections.crm.base_url", "write an https address"),
    ('account = "tenant-1"', "", "connections.books.account", "is missing"),
    ('entity = "uk"', "", "connections.books.entity", "is missing"),
    ('entity = "uk"', 'entity = "fr"', "connections.books.entity", "known entities are uk"),
    ('accounting = "books"', 'accounting = "boks"', "entities.uk.accounting", "name an accounting connection"),
    ('accounting = "books"', 'accounting = "crm"', "entities.uk.accounting", "name an accounting connection"),
    ("[jobs]", "minute_seconds = 0\n[jobs]", "connections.books.minute_seconds", "seconds"),
    ("[jobs]", "minute_seconds = nan\n[jobs]", "connections.books.minute_seconds", "seconds"),
    ("[entities.uk]", "[entities.uk]\nsend_hour = 24", "entities.uk.send_hour", "an hour from 0 to 23"),
    ("[entities.uk]", "[entities.uk]\nreminder_days = [7, 1]", "entities.uk.reminder_days", "growing numbers"),
    ("[entities.uk]", "[entities.uk]\nreminder_days = [0]", "entities.uk.reminder_days", "growing numbers"),
    ("[entities.uk]", "[entities.uk]\nreminder_days = [1, 2, 3, 4]", "entities.uk.reminder_days", "up to three"),
    ("[entities.uk]", "[entities.uk]\nreminder_days = [1, true]", "entities.uk.reminder_days", "growing numbers"),
    ("[entities.uk]", '[entities.uk]\ntax_rounding = "per_lines"', "entities.uk.tax_rounding", "'per_line'"),
    ("[entities.uk]", "[entities.uk]\ncatch_up_review = -1", "entities.uk.catch_up_review", "such as 1000"),
    ("[entities.uk]", "[entities.uk]\ncatch_up_review = nan", "entities.uk.catch_up_review", "such as 1000"),
    ("[entities.uk]", '[entities.uk]\ncatch_up_review = "1000"', "entities.uk.catch_up_review", "such as 1000"),
    ("[entities.uk]", '[entities.uk]\ndelivery = "netterm"', "entities.uk.delivery", "did you mean 'netterms'"),
    ("[entities.uk]", '[entities.uk]\ndelivery = "netterms"', "entities.uk.delivery", "no mail server is configured"),
    ("[entities.uk]", '[entities.uk]\ndeliver_from = "now"', "entities.uk.deliver_from", "the first day of issue"),
    ("[entities.uk]", '[entities.uk]\npayment_pages = "xero_uk"', "entities.uk.payment_pages", "a payment connection"),
    ("[entities.uk]", '[entities.uk]\npayment_link = "pay"', "entities.uk.payment_link", "write an https address"),
    ('"12h"', '"0m"', "jobs.report", "a number and s, m, h or d"),
    ('"12h"', "12", "jobs.report", "how often it runs"),
]


@pytest.mark.parametrize(("old", "new", "key", "told"), BAD_VALUES)
def test_a_bad_value_is_named_by_its_key_with_what_to_write(
    load: Load, old: str, new: str, key: str, told: str
) -> None:
    assert told in faults(load, GOOD, (old, new))[key]


def test_a_configuration_without_entity_and_crm_says_what_to_add(load: Load) -> None:
    found = faults(load, "")
    assert "add a table [entities.<name>]" in found["entities"]
    assert "has no CRM" in found["connections"]


# ---------------------------------------------------------------------------------------------------------- secrets


def test_a_secret_in_plain_text_is_refused_for_an_address_outside_this_machine(load: Load) -> None:
    found = faults(load, GOOD, ("env:HUBSPOT", "pat-very-secret"))
    assert found == {"connections.crm.token": found["connections.crm.token"]}
    assert "plain text" in found["connections.crm.token"]
    assert "very-secret" not in found["connections.crm.token"]


def test_a_secret_in_plain_text_is_fine_for_a_stand_in_on_this_machine(load: Load) -> None:
    found = load(GOOD, ("env:HUBSPOT", "pat-sandbox-1"), ("https://crm.example", "http://127.0.0.1:8500/hubspot"))
    assert found.connections["crm"].token == "pat-sandbox-1"


def test_an_address_that_only_looks_like_this_machine_gets_no_plain_secret(load: Load) -> None:
    url = ("https://crm.example", "https://127.0.0.1.example")
    assert "connections.crm.token" in faults(load, GOOD, ("env:HUBSPOT", "pat-1"), url)


def test_an_environment_variable_that_is_not_set_is_named(load: Load) -> None:
    problem = faults(load, environ={"HUBSPOT": "pat-1"})["connections.books.token"]
    assert "XERO, which is not set: export XERO=..." in problem


def test_oauth_takes_the_place_of_a_token_and_needs_no_refresh_token(load: Load) -> None:
    found = load(GOOD.replace('token = "env:XERO"', OAUTH)).connections["books"]
    assert found.oauth == config.OAuth(
        token_url="https://books.example/token", client_id="app", client_secret="x-1", grant="client_credentials"
    )
    assert found.token == ""


@pytest.mark.parametrize(
    ("vendor", "extra", "grant"),
    [
        ("xero", "", "client_credentials"),
        ("xero", 'grant = "authorization_code"', "authorization_code"),
        ("xero", 'refresh_token = "env:XERO"', "authorization_code"),
        ("quickbooks", "", "authorization_code"),
    ],
)
def test_whether_a_person_lets_us_in_is_said_or_follows_from_what_is_given(
    load: Load, vendor: str, extra: str, grant: str
) -> None:
    text = GOOD.replace('token = "env:XERO"', f"{OAUTH}\n{extra}").replace('vendor = "xero"', f'vendor = "{vendor}"')
    found = load(text).connections["books"].oauth
    assert found is not None
    assert found.grant == grant


def test_the_account_of_a_connection_that_a_person_makes_may_be_left_open(load: Load) -> None:
    text = GOOD.replace('token = "env:XERO"', f'{OAUTH}\ngrant = "authorization_code"')
    without = "\n".join(line for line in text.splitlines() if not line.startswith("account = "))
    assert load(without).connections["books"].account == ""
    assert (
        "is missing"
        in faults(load, without.replace("authorization_code", "client_credentials"))["connections.books.account"]
    )


def test_limits_are_counted_in_whole_calls_and_named_as_the_vendor_has_them(load: Load) -> None:
    text = GOOD + "\n[connections.books.limits]\nday = 1000\n"
    assert load(text).connections["books"].limits == {"day": 1000}
    for written in ("0", "-1", "1.5", "true", '"many"'):
        assert "a whole number above 0" in faults(load, text.replace("1000", written))["connections.books.limits.day"]
    fault = faults(load, text.replace("day =", "hour ="))["connections.books.limits.hour"]
    assert fault == "is no limit of xero: known are concurrent, minute, day, app_minute"


def test_who_hears_of_a_dead_connection_is_an_address(load: Load) -> None:
    assert load(GOOD).alerts == ""
    assert load(GOOD + '\n[alerts]\nemail = "ops@example.com"\n').alerts == "ops@example.com"
    assert "write an address" in faults(load, GOOD + '\n[alerts]\nemail = "ops"\n')["alerts.email"]


def test_two_keys_for_the_store_are_taken_while_one_is_changed(load: Load) -> None:
    both = SECRETS | {"NETTERMS_KEY": f"{KEY},{KEY}"}
    assert load(GOOD.replace('token = "env:XERO"', OAUTH), environ=both).connections["books"].oauth is not None


@pytest.mark.parametrize("key", ["", "short", "k" * 44, KEY[:-4]])
def test_oauth_without_a_usable_key_for_the_store_is_refused(load: Load, key: str) -> None:
    found = faults(load, GOOD.replace('token = "env:XERO"', OAUTH), environ={**SECRETS, "NETTERMS_KEY": key})
    assert "set NETTERMS_KEY to 32 random bytes" in found["connections.books.oauth.refresh_token"]
    assert key == "" or key not in str(found)


def test_oauth_over_plain_http_or_with_a_plain_secret_is_refused(load: Load) -> None:
    text = GOOD.replace('token = "env:XERO"', OAUTH)
    found = faults(load, text, ("https://books.example/token", "http://books.example/token"), ("env:XERO", "x-1"))
    assert "write an https address" in found["connections.books.oauth.token_url"]
    assert "plain text" in found["connections.books.oauth.client_secret"]


# --------------------------------------------------------------------------------------------------------------- mail

MAIL = """
[connections.post]
vendor = "smtp"
base_url = "smtp://smtp.example.com:587"
from = "Example <billing@example.com>"
user = "ada"
password = "env:XERO"
"""


def test_delivery_is_off_and_reminders_follow_the_plan_unless_the_file_says_otherwise(load: Load) -> None:
    entity = load().entities["uk"]
    assert (entity.delivery, entity.deliver_from, entity.send_hour) == ("none", entity.go_live, 9)
    assert (entity.reminder_days, entity.payment_link) == ((1, 7, 14), "")
    found = load(GOOD, ("[entities.uk.tax]", "reminder_days = []\n[entities.uk.tax]"))
    assert found.entities["uk"].reminder_days == ()


def test_tax_is_rounded_per_document_and_catching_up_1000_waits_unless_the_file_says_otherwise(load: Load) -> None:
    entity = load().entities["uk"]
    assert (entity.tax_rounding, entity.catch_up_review) == ("per_document", Decimal(1000))
    text = '[entities.uk]\ntax_rounding = "per_line"\ncatch_up_review = 250.50\n'
    entity = load(GOOD, ("[entities.uk]\n", text)).entities["uk"]
    assert (entity.tax_rounding, entity.catch_up_review) == ("per_line", Decimal("250.50"))
    assert load(GOOD, ("[entities.uk]\n", "[entities.uk]\ncatch_up_review = 0\n")).entities["uk"].catch_up_review == 0


def test_a_mail_server_has_a_sender_and_perhaps_a_user_with_a_secret(load: Load) -> None:
    text = GOOD.replace("[entities.uk]", '[entities.uk]\ndelivery = "netterms"')
    post = load(text + MAIL).connections["post"]
    assert (post.role, post.base_url, post.account, post.token) == ("mail", "smtp://smtp.example.com:587", "ada", "x-1")
    assert post.sender == "Example <billing@example.com>"
    bare = MAIL.replace('user = "ada"\npassword = "env:XERO"\n', "")
    assert (load(text + bare).connections["post"].account, load(text + bare).connections["post"].token) == ("", "")


@pytest.mark.parametrize(
    ("old", "new", "key", "told"),
    [
        ("smtp://smtp.example.com:587", "https://smtp.example.com", "base_url", "smtp://host:587"),
        ("smtp://smtp.example.com:587", "smtp://", "base_url", "smtp://host:587"),
        ("Example <billing@example.com>", "Example", "from", "write an address"),
        ("env:XERO", "a-secret", "password", "plain text"),
        ('password = "env:XERO"', "", "password", "is missing"),
        ('user = "ada"', 'token = "env:XERO"\nuser = "ada"', "token", "is unknown"),
        ('user = "ada"', 'entity = "fr"\nuser = "ada"', "entity", "known entities are uk"),
    ],
)
def test_what_is_wrong_with_a_mail_server_is_named(load: Load, old: str, new: str, key: str, told: str) -> None:
    assert told in faults(load, GOOD + MAIL, (old, new))[f"connections.post.{key}"]


# ------------------------------------------------------------------------------------------- entities and numbers


def test_two_entities_may_not_share_a_series_of_numbers(load: Load) -> None:
    text = GOOD + SECOND_ENTITY
    assert load(text).entities["us"].number_prefix == "US-"
    found = faults(load, text, ('name = "Example Inc."', 'name = "Example Inc."\nnumber_prefix = "UK-"'))
    assert "also used by 'uk'" in found["entities.us.number_prefix"]


def test_one_entitys_invoices_and_anothers_credit_notes_may_not_share_a_series(load: Load) -> None:
    text = GOOD + SECOND_ENTITY
    found = faults(load, text, ('name = "Example Inc."', 'name = "Example Inc."\nnumber_prefix = "UK-CN-"'))
    assert "also used by 'uk'" in found["entities.us.number_prefix"]


def test_invoices_and_credit_notes_are_two_series(load: Load) -> None:
    text = GOOD.replace('name = "Example Ltd"', 'name = "Example Ltd"\ncredit_note_prefix = "UK-"')
    assert "two series" in faults(load, text)["entities.uk.credit_note_prefix"]


def test_a_number_fits_into_the_21_characters_that_quickbooks_keeps(load: Load) -> None:
    fits = 'name = "Example Ltd"\nnumber_prefix = "LONGPREFIX-X-"'  # 13 and CN- and 5 digits make 21
    assert load(GOOD, ('name = "Example Ltd"', fits)).entities["uk"].credit_prefix == "LONGPREFIX-X-CN-"
    found = faults(load, GOOD, ('name = "Example Ltd"', fits.replace("X-X-", "XX-X-")))
    assert "longer than 21 characters" in found["entities.uk.number_prefix"]


@pytest.mark.parametrize("digits", ["0", "-5"])
def test_a_number_has_at_least_one_digit(load: Load, digits: str) -> None:
    found = faults(load, GOOD, ('name = "Example Ltd"', f'name = "Example Ltd"\nnumber_digits = {digits}'))
    assert "entities.uk.number_digits" in found


def test_an_entitys_books_are_its_own_and_not_another_entitys(load: Load) -> None:
    found = faults(load, GOOD + SECOND_ENTITY, ('accounting = "ledger"', 'accounting = "books"'))
    assert "belongs to 'uk'" in found["entities.us.accounting"]
