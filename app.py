"""The only place that knows everyone: configuration -> store, connectors, jobs -> command line and pages.

Nothing heavy is imported until a command needs it, so that ``netterms --help`` is quick and imports no vendor SDK.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from config import Config, Connection, Published

OK, FAILED, WRONG_INPUT, PARTLY, BUSY = 0, 1, 2, 3, 4
LARGEST_REQUEST = 32 << 20  # bytes; the server keeps a body on disk before anybody is asked who sends it
SERVER_THREADS = 8  # webhooks that come in at the same time share one write to the disk

EXIT_CODES = """
\b
Exit codes: 0 done; 1 failed; 2 the command, configuration, mapping or terms are wrong;
3 done in part, a connection needs attention; 4 another process is doing this now.
"""


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


# --------------------------------------------------------------------------------------------------- composition root


class LiveWorld:
    """The configured world as jobs see it (``sync.context.World``): real connectors, real time or a chosen date."""

    def __init__(
        self, config: Config, *, today: date | None = None, dry_run: bool = False, urgent: bool = False,
        stop: Any = None,
    ) -> None:  # fmt: skip
        import msgspec

        from connectors.http import RealClock
        from sync.context import Entity, Source

        self.config = config
        self.file = str(config.file)
        self.dry_run = dry_run
        self.crm_changes = config.crm_changes
        self.alerts = config.alerts
        self._urgent = urgent  # a person waits: calls go before those of jobs
        self.indices: Mapping[str, Published] = config.indices
        self.entities = {
            key: msgspec.convert(entity, Entity, from_attributes=True) for key, entity in config.entities.items()
        }
        self.sources = tuple(
            msgspec.convert(connection, Source, from_attributes=True) for connection in config.connections.values()
        )
        self._clock: Any = RealClock() if stop is None else _clock(stop)
        self._connectors: dict[str, Any] = {}
        self._accounts: dict[str, str] = {}  # what each connector was made for
        self._mappings: dict[str, Any] = {}
        self._started = datetime.now(UTC)
        self._noon = None if today is None else datetime(today.year, today.month, today.day, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the moment: the real one, or noon of the chosen date."""
        real = datetime.now(UTC)
        return real if self._noon is None else self._noon + (real - self._started)

    def new_key(self) -> str:
        """Return a random idempotency key."""
        import uuid

        return uuid.uuid4().hex

    def connector(self, name: str) -> Any:
        """Return the connector of a connection; in a dry run none writes, some pretend to."""
        connection = self.config.connections[name]
        account = self.account(connection)
        if name not in self._connectors or self._accounts[name] != account:
            from connectors import connect
            from connectors.base import Ports, Settings
            from sync.rehearsal import Rehearsal, RehearsalCrm, RehearsalMailer

            self._accounts[name] = account
            settings = Settings(
                name=name,
                vendor=connection.vendor,
                base_url=connection.base_url,
                account=account,
                minute_seconds=connection.minute_seconds,
                limits=connection.limits,
                sender=connection.sender,
            )
            ports = Ports(
                credentials=self._credentials(connection), clock=self._clock, quota=self._quota, urgent=self._urgent
            )
            found = connect(settings, ports)
            pretend: dict[str, Any] = {"accounting": Rehearsal, "mail": RehearsalMailer, "crm": RehearsalCrm}
            rehearse = pretend.get(connection.role) if self.dry_run else None
            self._connectors[name] = found if rehearse is None else rehearse(found)
        return self._connectors[name]

    def _credentials(self, connection: Connection) -> Any:
        from connectors.oauth import FixedToken, OAuthToken

        if connection.oauth is None:
            return FixedToken(connection.name, connection.token)
        from connectors import CONSENTS, consent_flow

        in_form = connection.vendor in CONSENTS and consent_flow(connection.vendor).client_in_form
        return OAuthToken(connection.name, connection.oauth, self._tokens, self.now, client_in_form=in_form)

    def account(self, connection: Connection) -> str:
        """Return the account a connection is for: as configured, else the one that a person's consent was for."""
        if connection.account or connection.oauth is None:
            return connection.account
        try:
            token = self._tokens.load(connection.name)
        except ValueError:  # the key does not open it, which the first call says
            return ""
        return token.account if token is not None else ""

    @cached_property
    def _tokens(self) -> Any:
        """The tokens in the store, all sealed with the first key there is."""
        from connectors.oauth import Token
        from store.tokens import Tokens

        key = os.environ.get("NETTERMS_KEY", "")
        tokens = Tokens(self.config.store, key, Token)
        if "," in key:
            tokens.seal_anew()
        return tokens

    @cached_property
    def _quota(self) -> Any:
        """What all processes count their calls by."""
        import time

        from connectors.base import Block
        from store.quota import Quota

        return Quota(self.config.store, time.time, Block)

    def consent(self, name: str) -> Any:
        """Return how a person connects a connection (``web.oauth.Consent``); raises ``KeyError`` without OAuth."""
        from connectors import consent_flow
        from connectors.oauth import Consent

        found = self.config.connections[name]
        if found.oauth is None:
            raise KeyError(name)
        flow = consent_flow(found.vendor)
        return Consent(name, flow, found.oauth, self._tokens, found.base_url, found.account, self.now)

    def noted(self) -> dict[str, dict[str, int]]:
        """Return what a dry run would have created, by connection and kind."""
        from collections import Counter

        return {name: dict(Counter(c.noted)) for name, c in self._connectors.items() if hasattr(c, "noted")}

    def _mapping(self, name: str, load: Callable[[str, str], Any]) -> Any:
        if name not in self._mappings:
            file = self.config.mappings / self.config.connections[name].mapping
            self._mappings[name] = load(_read_text(file), f"{file.parent.name}/{file.name}")
        return self._mappings[name]

    def crm_mapping(self, name: str) -> Any:
        """Return the mapping of a CRM connection."""
        from mappings.spec import load_crm_mapping

        return self._mapping(name, load_crm_mapping)

    def ledger_mapping(self, name: str) -> Any:
        """Return the mapping of a ledger connection."""
        from mappings.ledger import load_ledger_mapping

        return self._mapping(name, load_ledger_mapping)

    def payments_mapping(self, name: str) -> Any:
        """Return the mapping of a payment connection."""
        from mappings.payments import load_payments_mapping

        return self._mapping(name, load_payments_mapping)

    def load_mappings(self) -> None:
        """Load every mapping; raises ``MappingError`` with the faults of all of them."""
        from mappings.faults import MappingError

        loaders = {"crm": self.crm_mapping, "accounting": self.ledger_mapping, "payments": self.payments_mapping}
        faults = []
        for connection in (one for one in self.config.connections.values() if one.role in loaders):
            try:
                loaders[connection.role](connection.name)
            except MappingError as error:
                faults += [fault for fault in error.faults if fault not in faults]
        if faults:
            raise MappingError(faults)


def _clock(stop: Any) -> Any:
    """Return real time in which nobody sleeps on when the process is asked to end."""
    from connectors.http import RealClock

    clock = RealClock()
    clock.sleep = stop.sleep  # type: ignore[method-assign]
    return clock


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        remedy = "put the file there or name another one"
        raise _Wrong([f"{file}: cannot be read: {error.strerror}; {remedy}"]) from None


class _Wrong(Exception):
    """What the user gave cannot be used; ``faults`` says all that is wrong."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


def load_config(path: Path) -> Config:
    """Read the configuration; raises ``config.ConfigError``."""
    import config
    from connectors import LIMITS, REGISTRY, WEBHOOKS
    from sync.jobs import JOBS

    roles = {vendor: role for vendor, (role, _) in REGISTRY.items()}
    return config.load(path, roles, {job.name: job.seconds for job in JOBS}, os.environ, WEBHOOKS, LIMITS)


def run_jobs(
    config: Config, names: Sequence[str] = (), *, today: date | None = None, dry_run: bool = False, quiet: bool = True,
    world: LiveWorld | None = None, steps: Sequence[Any] = (), look: Callable[[Any], None] | None = None,
    stop: Any = None,
) -> tuple[list[Any], LiveWorld]:  # fmt: skip
    """Run jobs in order, on a copy of the store when ``dry_run``; returns their results and the world they ran in.

    ``steps`` are jobs to run instead of those of the table; ``look`` is shown the store at the end. No further job
    is begun once ``stop`` (``sync.stopping.Stop``) asks to end.
    """
    import tempfile

    from store.database import Store
    from sync.jobs import select
    from sync.run import run_job

    world = world or LiveWorld(config, today=today, dry_run=dry_run, stop=stop)
    world.load_mappings()
    results: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        path = config.store
        if dry_run:
            path = Path(folder) / "rehearsal.db"
            with Store(config.store) as original:
                original.copy_to(path)
        with Store(path) as store, _progress(quiet) as bars:
            for job in steps or select(tuple(names)):
                if stop is None or not stop.asked:
                    results.append(run_job(job, store, world, bars(job.name), stop))
            if look is not None:
                look(store)
    return results, world


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Yield what starts a job's progress bar; without a person who looks, nothing is imported and nothing shown."""
    if quiet:
        yield lambda job: lambda done, total: None
        return
    import terminal

    with terminal.progress() as bars:
        yield bars


def exit_code(results: Sequence[Any]) -> int:
    """Return the exit code that tells how a run of jobs went; the worst counts."""
    outcomes = {result.outcome for result in results}
    for outcome, code in (("failed", FAILED), ("busy", BUSY), ("partly", PARTLY)):
        if outcome in outcomes:
            return code
    return OK


# ------------------------------------------------------------------------------------------------------- command line


class _Commands(click.Group):
    """Turns what is wrong with the user's input into text (or JSON) and exit code 2."""

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
                _print_json({"error": "the input cannot be used", "faults": faults})
            for fault in faults:
                click.echo(fault, err=True)
            ctx.exit(WRONG_INPUT)


def _faults(error: Exception) -> list[str] | None:
    """Return every fault of an error about the user's input; None for other errors."""
    if isinstance(error, _Wrong):
        return error.faults
    if type(error).__name__ in ("ConfigError", "MappingError", "TermsFileError"):
        return str(error).splitlines()
    return None


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, default=str))


def _print_list(name: str, table: tuple[list[str], Sequence[Sequence[Any]]], as_csv: bool, as_json: bool) -> None:
    """Print a table as people, spreadsheets or programs read it."""
    if as_json:
        from sync.report import records

        _print_json({name: records(table)})
    elif as_csv:
        import csv

        writer = csv.writer(sys.stdout)
        writer.writerow(table[0])
        writer.writerows(table[1])
    else:
        import terminal

        terminal.rows(*table)


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "path", type=FILE, envvar="NETTERMS_CONFIG", default=Path("config.toml"), show_default=True,
              help="The configuration file (or NETTERMS_CONFIG).")  # fmt: skip
@click.version_option(package_name="netterms", prog_name="netterms")
@click.pass_context
def main(ctx: click.Context, path: Path) -> None:
    """Netterms takes a B2B contract from signature to collected cash."""
    ctx.obj = path


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


@main.command()
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@click.option("--dry-run", is_flag=True, help="Work on a copy of the store and send nothing.")
@click.option("--today", type=DATE, help="Act as on this day; only where every connection is on this machine.")
@JSON
@click.pass_context
def sync(ctx: click.Context, jobs: tuple[str, ...], dry_run: bool, today: date | None, as_json: bool) -> None:
    """Run every job once, or the ones named, in their order."""
    from sync.jobs import select

    config = load_config(ctx.obj)
    if today is not None and not config.only_loopback:
        raise _Wrong(["--today: a connection leads out of this machine, where the date cannot be chosen: leave it out"])
    try:
        select(jobs)
    except ValueError as error:
        raise _Wrong([str(error)]) from None
    rehearsal = dry_run or config.dry_run
    with _draining(config) as stop:
        results, world = run_jobs(config, jobs, today=today, dry_run=rehearsal, quiet=as_json, stop=stop)
    if as_json:
        _print_json(_results_json(results, world))
    else:
        import terminal

        terminal.results(results, rehearsal, world.noted())
    ctx.exit(OK if stop.asked else exit_code(results))


def _results_json(results: Sequence[Any], world: LiveWorld) -> dict[str, Any]:
    import msgspec

    return {
        "dry_run": world.dry_run,
        "today": world.now().date().isoformat(),
        "changed": any(result.changed for result in results),
        "jobs": [{**msgspec.structs.asdict(result), "changed": result.changed} for result in results],
        "would_create": world.noted(),
    }


@main.command()
@click.argument("drafts", nargs=-1, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="Approve every draft.")
@JSON
@click.pass_context
def approve(ctx: click.Context, drafts: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Approve drafts by their number (D12), or all; without either, list what waits."""
    import terminal
    from store import invoices, reports
    from sync.report import decimal_table, records

    with _store(ctx.obj) as store:
        waiting = {row.name: row for row in invoices.drafts(store)}
        unknown = [name for name in drafts if name.upper() not in waiting]
        if unknown:
            raise _Wrong([f"{name}: there is no such draft; `netterms approve` lists them" for name in unknown])
        chosen = [row.id for name, row in waiting.items() if everything or name in {d.upper() for d in drafts}]
        with store.transaction():
            count = invoices.approve(store, _person(), chosen)
        waiting_now = decimal_table(*reports.table(store, "drafts"))
    if as_json:
        _print_json({"approved": count, "drafts": records(waiting_now)})
        return
    if drafts or everything:
        click.echo(f"{count} draft(s) approved; the next sync issues them." if count else "Nothing to approve.")
    else:
        terminal.rows(*waiting_now)


@main.command()
@click.argument("item", type=int, required=False, metavar="[ID]")
@click.option("--do", "action", help="What to do: one of the item's actions, some with a value (apply=US-00012).")
@click.option("--reason", help="Why; kept in the audit trail.")
@click.option("--owner", help="Who looks after it; an empty name takes it back.")
@JSON
@click.pass_context
def review(
    ctx: click.Context, item: int | None, action: str | None, reason: str | None, owner: str | None, as_json: bool
) -> None:
    """List what waits for a person, show one item with both sides of a difference, or decide it."""
    import msgspec

    import terminal
    from store import review as items

    if (action or reason) and not (item is not None and action and reason):
        raise click.UsageError("to decide an item, give its ID, --do ACTION and --reason TEXT")
    if owner is not None and item is None:
        raise click.UsageError("to say who looks after an item, give its ID")
    with _store(ctx.obj) as store:
        if item is not None:
            _review_one(store, item, action, str(reason), owner, as_json)
            return
        found = items.open_items(store)
    if as_json:
        _print_json({"review": [{**msgspec.structs.asdict(one), "actions": one.choices} for one in found]})
    else:
        terminal.reviews(found)


def _review_one(store: Any, item: int, action: str | None, reason: str, owner: str | None, as_json: bool) -> None:
    """Give an item an owner, decide it, or show it."""
    import msgspec

    import terminal
    from store import review as items
    from sync.decide import both_sides, decide, give_to

    try:
        if owner is not None:
            give_to(store, _person(), item, owner)
        if action is not None:
            decide(store, _person(), item, action, reason)
    except (ValueError, KeyError) as error:
        raise _Wrong([str(error)]) from None
    if action is not None:
        if as_json:
            _print_json({"decided": item, "action": action})
        else:
            click.echo(f"Review item {item}: {action}. The next sync acts on it.")
        return
    found = items.get(store, item)
    if found is None:
        raise _Wrong([f"there is no review item {item}; see: netterms review"])
    if as_json:
        sides = [{"what": what, "here": ours, "there": theirs} for what, ours, theirs in both_sides(store, found)]
        _print_json({**msgspec.structs.asdict(found), "actions": found.choices, "sides": sides})
    else:
        terminal.review(found, both_sides(store, found))


@main.command()
@click.argument("number")
@click.option("--line", "line_number", type=int, help="Only this line of it, counted from 1.")
@click.option("--amount", type=DECIMAL, help="With --line: so much of it, net; by default all that is left.")
@click.option("--net", type=DECIMAL, help="A net amount, spread over its lines.")
@click.option("--gross", type=DECIMAL, help="An amount with tax, spread over its lines.")
@click.option("--reason", required=True, help="Why; kept in the audit trail.")
@click.option("--yes", is_flag=True, help="Issue it; without it, it is only shown.")
@JSON
@click.pass_context
def credit(
    ctx: click.Context, number: str, line_number: int | None, amount: Decimal | None, net: Decimal | None,
    gross: Decimal | None, reason: str, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Credit an invoice: all that is left of it, a line, or an amount. What is credited is not billed again."""
    from sync import credits
    from sync.credits import Wish

    wish = Wish(line_number, amount, net, gross)
    with _desk(ctx.obj) as (store, world), _as_wrong():
        row = credits.find(store, number)
        note = credits.note(store, world, row, wish)
        given = credits.give(store, world, _person(), row, wish, reason) if yes else None
    facts = {
        "Credit note": given.name if given else "to be", "Against": str(row.number), "Date": note.issue_on.isoformat(),
        "Currency": note.currency,
    }  # fmt: skip
    if as_json:
        told = {"number": given and given.name, "against": row.number, "issued": yes}
        _print_json({**told, **_document(note)})
    else:
        import terminal

        terminal.paper(facts, _document(note))
        click.echo("The next sync puts it into the books." if yes else "Nothing is issued yet: give --yes to issue it.")


@main.command()
@click.argument("name", metavar="CONTRACT|DRAFT")
@JSON
@click.pass_context
def proforma(ctx: click.Context, name: str, as_json: bool) -> None:
    """Show a draft (D12), or those of a contract, as a pro forma invoice: without a number, and nobody owes it."""
    from store import links
    from sync import paper

    with _desk(ctx.obj) as (store, world), _as_wrong():
        rows = paper.drafts(store, name)
        customers = links.customers(store)
        shown = [(row, paper.pro_forma(store, row, _today(world, row.entity))) for row in rows]
    if as_json:
        _print_json({"pro_forma": [{"draft": row.name, **_document(draft)} for row, draft in shown]})
        return
    import terminal

    for row, draft in shown:
        facts = {
            "PRO FORMA": f"{row.name}, not issued: it has no number and is not to be paid",
            "From": world.entities[row.entity].name, "To": customers[row.customer_id].customer.name,
            "Date": draft.issue_on.isoformat(), "Due": draft.due_on.isoformat(), "Currency": draft.currency,
        }  # fmt: skip
        terminal.paper(facts, _document(draft))


def _document(draft: Any) -> dict[str, Any]:
    """Return a document as JSON, as ``netterms plan`` shows those to come."""
    from billing.preview import document
    from billing.showing.totals import payables

    (payable,) = payables([draft])
    return {"currency": draft.currency, **document(payable)}


@main.command()
@click.argument("number")
@click.option("--over", is_flag=True, help="The dispute is over: reminders go on.")
@click.option("--reason", required=True, help="Why; kept in the audit trail.")
@click.pass_context
def dispute(ctx: click.Context, number: str, over: bool, reason: str) -> None:
    """Say that a customer disputes an invoice: nobody is reminded of it until --over."""
    from store import invoices, mail

    with _store(ctx.obj) as store:
        found = [row for row in invoices.issued(store) if row.number == number and row.type == "invoice"]
        if not found:
            raise _Wrong([f"{number}: there is no such invoice; `netterms report invoices` lists them"])
        with store.transaction():
            act = mail.end_dispute if over else mail.dispute
            changed = act(store, _person(), found[0].id, reason)
    state = "not in dispute" if over else "in dispute"
    click.echo(f"{number} is {state}{' now' if changed else ' already'}.")


@main.command()
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@JSON
@click.pass_context
def report(ctx: click.Context, name: str | None, as_csv: bool, as_json: bool) -> None:
    """Who owes what.

    NAME: summary (default), aging, receivables (beside the books), customers, contracts, drafts, invoices, foreign
    (made by others in the books), payments, applications.
    """
    import terminal
    from store import receivables, reports
    from sync.report import aging_table, compared_table, decimal_table, summary, to_json

    config = load_config(ctx.obj)
    known = ("summary", "aging", "receivables", *reports.TABLES)
    if (name or "summary") not in known:
        raise _Wrong([f"there is no report {name!r}; there are: {', '.join(known)}"])
    with _store(ctx.obj) as store:
        if name == "receivables":
            ledgers = {key: entity.accounting for key, entity in config.entities.items()}
            _print_list(name, compared_table(receivables.compare(store, ledgers)), as_csv, as_json)
            return
        if name in reports.TABLES:
            _print_list(str(name), decimal_table(*reports.table(store, str(name))), as_csv, as_json)
            return
        world = LiveWorld(config)
        found = summary(store, {key: _today(world, key) for key in world.entities})
    if name == "aging" or as_csv:
        _print_list("aging", aging_table(found), as_csv, as_json)
    elif as_json:
        _print_json(to_json(found))
    else:
        terminal.summary(found)


@main.command()
@click.option("--replay", metavar="ID|all", help="Have one dead letter, or all, handled again.")
@JSON
@click.pass_context
def inbox(ctx: click.Context, replay: str | None, as_json: bool) -> None:
    """List webhooks that nobody could read or whose handling keeps failing; nothing else waits for them."""
    from sync import dead_letters

    with _desk(ctx.obj) as (store, world), _as_wrong():
        if replay is not None:
            count = dead_letters.replay(store, world.sources, _person(), replay)
            if as_json:
                _print_json({"replayed": count})
            else:
                click.echo(f"{count} webhook(s) come up again: the jobs of their source run for them.")
            return
        letters = dead_letters.letters(store, world.sources)
    if as_json:
        _print_json({"dead_letters": [dead_letters.as_json(one) for one in letters]})
    else:
        import terminal

        terminal.dead_letters(letters)


@main.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace a file of that name.")
@JSON
@click.pass_context
def backup(ctx: click.Context, file: Path, force: bool, as_json: bool) -> None:
    """Copy the store to FILE while everything goes on, and prove that the copy is whole."""
    from store.backup import BadBackup, back_up

    if file.exists() and not force:
        raise _Wrong([f"{file} is there already: name another file, or give --force"])
    if not file.resolve().parent.is_dir():
        raise _Wrong([f"{file}: there is no folder {file.resolve().parent}"])
    if not load_config(ctx.obj).store.exists():
        raise _Wrong(["there is no store yet: nothing to back up"])
    with _store(ctx.obj) as store:
        if file.exists() and file.samefile(store.path):
            raise _Wrong([f"{file} is the store itself"])
        try:
            proved = back_up(store, file)
        except BadBackup as error:
            _fail(f"Not backed up: the store itself is damaged: {error}", as_json)
    if as_json:
        _print_json({"file": str(file), "bytes": file.stat().st_size, "audit_rows": proved.rows, "head": proved.head})
    else:
        size = file.stat().st_size
        click.echo(
            f"{file}: {size:,} bytes, whole; audit trail of {proved.rows} rows, head {proved.head[:16] or 'none'}."
        )


@main.command()
@click.argument("file", type=FILE)
@JSON
@click.pass_context
def restore(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Put a backup back; the books are read back before anything is sent (docs/operations.md).

    The store that is there is kept beside it. Stop serve and worker first.
    """
    from store import runs
    from store.backup import BadBackup
    from store.backup import restore as put_back
    from store.database import Store
    from sync.run import is_alive

    config = load_config(ctx.obj)
    if not file.exists():
        raise _Wrong([f"{file}: there is no such file"])
    if config.store.exists():
        from contextlib import suppress

        from store.dialect import DatabaseError

        with suppress(DatabaseError), Store.as_others_do(config.store) as store:
            if any(is_alive(holder) for holder in runs.holders(store)):
                _fail("A job is running on the store: stop serve and worker first.", as_json, BUSY)
    try:
        kept = put_back(file, config.store, datetime.now(UTC))
    except (BadBackup, RuntimeError) as error:
        _fail(f"Nothing is changed: {error}", as_json)
    if as_json:
        _print_json({"store": str(config.store), "kept": kept and str(kept)})
        return
    click.echo(f"{config.store} is the backup {file} now." + (f" What was there is kept as {kept}." if kept else ""))
    click.echo("The next sync reads the books back first; what it does not find twice goes out with the one after.")


def _fail(message: str, as_json: bool, code: int = FAILED) -> NoReturn:
    """End with an error that is not the input's."""
    if as_json:
        _print_json({"error": message})
    click.echo(message, err=True)
    raise click.exceptions.Exit(code)


@main.group()
def audit() -> None:
    """The audit trail."""


@audit.command()
@JSON
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Check the trail's hash chain; exit code 1 names the first bad row."""
    from store import audit as trail

    with _store(ctx.obj) as store:
        problem, (rows, head) = trail.verify(store), trail.head(store)
    if as_json:
        _print_json({"intact": problem is None, "problem": problem, "rows": rows, "head": head})
    else:
        click.echo(problem or f"The audit trail is intact: {rows} rows, head {head[:16] or 'none'}.")
    ctx.exit(FAILED if problem else OK)


@main.command()
@click.option("--full", is_flag=True, help="Plan every contract anew instead of a sample.")
@JSON
@click.pass_context
def selfcheck(ctx: click.Context, full: bool, as_json: bool) -> None:
    """Check what must be true of the store, as the nightly job does; exit code 1 when something is not."""
    from store import review as items
    from sync.jobs import select
    from sync.selfcheck import everything

    config = load_config(ctx.obj)
    steps = [everything()] if full else select(("selfcheck",))
    found: list[Any] = []
    results, _ = run_jobs(
        config, quiet=as_json, steps=steps, look=lambda store: found.extend(items.of_job(store, "selfcheck"))
    )
    if as_json:
        hits = [
            {"subject": one.subject, "check": one.detail, "state": one.state, "message": one.message} for one in found
        ]
        _print_json({"ok": not found and exit_code(results) == OK, "full": full, "hits": hits})
    else:
        for one in found:
            click.echo(f"- {one.message}")
        click.echo(f"{len(found)} hit(s)." if found else results[0].message or "Everything is as it must be.")
    ctx.exit(exit_code(results) or (FAILED if found else OK))


@main.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--usage", type=FILE, help="Usage records (JSON lines, or CSV with a header).")
@click.option("--events", type=FILE, help="Accepted milestones and index values (JSON lines, or CSV with a header).")
@click.option("--through", type=DATE, help="Show what is issued up to this day.")
@click.option("--today", type=DATE, help="Bill what is due by this day as one catch-up invoice on it.")
@click.option("--compare", "other", type=FILE, help="Show what this amended terms file changes, line by line.")
@click.option("--explain", is_flag=True, help="Say under each line how it comes about.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a terms file.")
@JSON
def plan(
    file: Path | None, usage: Path | None, events: Path | None, through: date | None, today: date | None,
    other: Path | None, explain: bool, schema: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show what a terms file will bill; needs no configuration and no vendor."""
    from billing.compare import compare
    from billing.preview import preview
    from billing.terms_file import load_terms_file
    from billing.terms_file import schema as terms_schema

    if schema:
        _print_json(terms_schema())
        return
    if file is None:
        raise click.UsageError("name a terms file, or --schema")
    given: dict[str, Any] = {
        "through": through, "today": today, "usage": _records(usage), "events": _records(events)
    }  # fmt: skip
    terms, *others = (load_terms_file(_read_text(one), str(one)) for one in (file, other) if one is not None)
    shown = compare(terms, others[0], **given) if others else preview(terms, **given)
    if as_json:
        _print_json(shown)
        return
    import terminal

    if others:
        terminal.comparison(shown)
    else:
        terminal.plan(shown, explain)


def _records(file: Path | None) -> list[dict[str, object]]:
    """Read JSON lines, or CSV; raises ``_Wrong`` naming every bad line."""
    from billing.reading.records import read_records

    if file is None:
        return []
    read = list(read_records(_read_text(file), as_csv=file.suffix == ".csv"))
    faults = [f"{file}: line {number}: {record}" for number, record in read if isinstance(record, str)]
    if faults:
        raise _Wrong(faults)
    return [dict(record) for _, record in read if not isinstance(record, str)]


@main.command()
@JSON
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Check configuration, mappings against what the vendors really have, and connections; a fix for each fault."""
    from sync.check import check_all

    config = load_config(ctx.obj)
    world = LiveWorld(config, dry_run=True, urgent=True)
    world.load_mappings()
    found = check_all(world, _begun_series(config))
    if as_json:
        _print_json({"ok": not found.faults, "connections": found.connections, "faults": found.faults})
    else:
        for name, account in found.connections.items():
            click.echo(f"{name}: {account}")
        for fault in found.faults:
            click.echo(f"- {fault}")
        click.echo(f"{len(found.faults)} fault(s)." if found.faults else "Everything fits.")
    ctx.exit(PARTLY if found.faults else OK)


@main.command()
@JSON
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Show how each connection was when it was last used; calls no vendor. Exit code 3 when one needs attention."""
    import msgspec

    from store import runs

    config = load_config(ctx.obj)
    with _store(ctx.obj) as store:
        states = runs.connection_states(store)
    found = {name: states.get(name) for name in config.connections}
    if as_json:
        _print_json({"connections": {name: state and msgspec.to_builtins(state) for name, state in found.items()}})
    else:
        for name, state in found.items():
            until = f" until {state.until[:16].replace('T', ' ')} UTC" if state and state.until else ""
            told = f"{state.state}{until}{': ' * bool(state.message)}{state.message}" if state else "not used yet"
            click.echo(f"{name}: {told}")
    ctx.exit(PARTLY if any(state and state.state != "ok" for state in found.values()) else OK)


def _begun_series(config: Config) -> dict[str, dict[str, int]]:
    """Return the next number of each series that was begun, by legal entity; nothing where there is no store yet."""
    from store import invoices
    from store.database import Store

    if not config.store.exists():
        return {}
    with Store(config.store) as store:
        return {entity: invoices.next_numbers(store, entity) for entity in config.entities}


@main.command()
@click.option("--entity", default="", help="Only this legal entity; by default all.")
@click.option("--through", type=DATE, help="What starts up to this day was billed elsewhere, for all contracts.")
@click.option("--dry-run", is_flag=True, help="Work on a copy of the store and keep nothing.")
@click.option("--today", type=DATE, help="Act as on this day; only where every connection is on this machine.")
@JSON
@click.pass_context
def adopt(
    ctx: click.Context, entity: str, through: date | None, dry_run: bool, today: date | None, as_json: bool
) -> None:
    """Begin on top of the books as they are: read them, link customers, record what was billed there (docs/go-live.md).

    Writes at no vendor, whatever `dry_run` says in the configuration, and may run again at any time.
    """
    config = load_config(ctx.obj)
    faults = [] if today is None or config.only_loopback else ["--today: a connection leads out of this machine"]
    if entity and entity not in config.entities:
        faults.append(f"--entity: {entity!r} is unknown; there are: {', '.join(config.entities)}")
    if through is not None and not entity and len(config.entities) > 1:
        faults.append("--through: say with --entity whose contracts are meant")
    if faults:
        raise _Wrong(faults)
    world = LiveWorld(config, today=today, dry_run=True)  # even by mistake nothing is written at a ledger
    steps = adopt_steps(entity, through)
    shown: dict[str, Any] = {}

    def look(store: Any) -> None:
        shown.update(_adopted(config, store))

    results, _ = run_jobs(config, dry_run=dry_run, quiet=as_json, world=world, steps=steps, look=look)
    if as_json:
        _print_json({**_results_json(results, world), "dry_run": dry_run, **shown})
    else:
        import terminal

        terminal.adopted(results, shown, dry_run)
    ctx.exit(exit_code(results))


def adopt_steps(entity: str = "", through: date | None = None) -> list[Any]:
    """Return the jobs of a cut-over: deals first, so that there are contracts and customers to place."""
    from sync.adopt import adoption
    from sync.jobs import select

    return [*select(("pull_deals", "map_terms")), adoption(entity, through), *select(("match_customers",))]


def _adopted(config: Config, store: Any) -> dict[str, Any]:
    """Return what the books and we make of each other: receivables side by side, and whom nobody is sure of."""
    from store import links, receivables
    from store import review as items
    from sync.report import compared_table, records

    ledgers = {key: entity.accounting for key, entity in config.entities.items()}
    names = {row.id: row.customer.name for row in links.customers(store).values()}
    return {
        "receivables": records(compared_table(receivables.compare(store, ledgers))),
        "linked_customers": [
            {"books": ledger, "id": link.vendor_id, "currency": currency, "customer": names[customer_id]}
            for ledger in dict.fromkeys(ledgers.values())
            for (customer_id, currency), link in links.by_ours(store, ledger, "customer").items()
        ],
        "undecided_customers": [
            {"id": item.id, "message": item.message, "actions": item.choices}
            for item in items.open_items(store)
            if item.code == "customer_match"
        ],
    }


@main.command()
@click.option("--port", default=8500, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="Another seed gives another company.")
@click.option("--deals", default=60, show_default=True, help="How many deals.")
@click.option("--history", default=0, show_default=True, metavar="MONTHS", help="Over how many months they were won.")
@click.option("--latency", default=0, show_default=True, metavar="MS", help="How long each answer takes.")
@click.option(
    "--minute", default=60.0, show_default=True, metavar="SECONDS", help="How long the vendors' minute lasts."
)
@click.option("--date", "today", type=DATE, help="The stand-ins' first day; by default the real one.")
@click.option(
    "--write-config", type=click.Path(dir_okay=False, path_type=Path), help="Write a configuration aimed at it."
)
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
            _write_sandbox_config(write_config, running)
            click.echo(f"Wrote {write_config}; try: netterms --config {write_config} sync")
        click.echo(f"The sandbox serves {running.url}; it is {options.today} there. Ctrl-C ends it.")
        with _until_stopped():
            running.wait()


def _write_sandbox_config(target: Path, running: Any, web_port: int = 8400) -> None:
    """Write a configuration that goes live before all that was sold; with a history this month, on top of old books."""
    from sandbox.config_file import write_config

    options = running.sandbox.options
    go_live = options.today if options.history else options.today - timedelta(days=3 * 31)
    write_config(
        target, url=running.url, minute=options.minute, go_live=go_live.replace(day=1), web_port=web_port,
        mail_url=running.mail_url,
    )  # fmt: skip


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block quietly."""
    import signal

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


@main.command()
@click.option("--no-jobs", is_flag=True, help="Only the pages; `netterms worker` runs the jobs elsewhere.")
@click.pass_context
def serve(ctx: click.Context, no_jobs: bool) -> None:
    """Serve the pages, and run the jobs by their cadence."""
    _serve(load_config(ctx.obj), jobs=not no_jobs)


@main.command()
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Run the jobs by their cadence, without pages."""
    import threading

    config = load_config(ctx.obj)
    with _until_stopped(), _draining(config, wake=True) as stop, _scheduled(config, stop):
        threading.Event().wait()


def _serve(config: Config, *, jobs: bool, world: LiveWorld | None = None) -> None:
    import waitress

    from web import api, create_app, oauth, webhooks

    world = world or LiveWorld(config, urgent=True)
    world.load_mappings()
    pages = create_app(config.store, world, config.cadence, _access(config))
    webhooks.install(pages, _inbox(config))
    api.install(pages, config.api_token)
    oauth.install(pages, _consents(config, world))
    server = waitress.create_server(
        pages, host=config.host, port=config.port, threads=SERVER_THREADS, max_request_body_size=LARGEST_REQUEST
    )
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that waits a moment
    click.echo(f"Netterms serves http://{config.host}:{server.effective_port}/ ; Ctrl-C ends it.")
    with _until_stopped(), _draining(config, wake=True) as stop, _scheduled(config, stop) if jobs else _nothing():
        server.run()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _access(config: Config) -> Any:
    """Return who may see the pages (``web.access.Access``)."""
    import secrets

    from web.access import Access

    secret = config.secret_key or secrets.token_urlsafe(32)
    return Access(secret=secret, password=config.password, hosts=config.web_hosts)


def _inbox(config: Config) -> Any:
    """Return the connections that take webhooks, with what reads and what signs them (``web.webhooks.Inbox``)."""
    from connectors import webhook_source
    from web.webhooks import Inbox, Sender

    taking = {name: one for name, one in config.connections.items() if one.webhook_secrets}
    account = LiveWorld(config).account
    senders = {
        name: Sender(webhook_source(one.vendor), one.webhook_secrets, account(one)) for name, one in taking.items()
    }
    return Inbox(senders, config.public_url)


def _consents(config: Config, world: LiveWorld) -> Any:
    """Return which connections a person connects in a browser, and how (``web.oauth.Consents``)."""
    from connectors import CONSENTS
    from web.oauth import Consents

    asked = {name: one.oauth for name, one in config.connections.items() if one.vendor in CONSENTS}
    by_name = {
        name: partial(world.consent, name)
        for name, found in asked.items()
        if found is not None and found.grant == "authorization_code"
    }
    return Consents(by_name, config.public_url)


@contextmanager
def _draining(config: Config, *, wake: bool = False) -> Iterator[Any]:
    """Yield what tells whether SIGTERM came: no job is begun any more, the one that runs ends after its step.

    What does not end within the grace period is handed back and the process ends; a second SIGTERM ends it at once.
    ``wake``: whoever only waits in the main thread is interrupted.
    """
    import signal
    import threading

    from sync.stopping import GRACE, Stop

    stop = Stop()

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop.ask()
        last_resort = threading.Timer(GRACE, _hand_back, [config])
        last_resort.daemon = True
        last_resort.start()
        if wake:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield stop
    finally:
        if not stop.asked:
            signal.signal(signal.SIGTERM, before)


def _hand_back(config: Config) -> None:
    """Give back the leases of this process and end it: what it was doing is looked up by whoever goes on."""
    import threading

    from store import runs
    from store.database import Store
    from sync.run import holder

    def give_back() -> None:
        with Store.as_others_do(config.store) as store:
            runs.hand_back(store, datetime.now(UTC), "handed back, as the service was stopped", holder())

    giving = threading.Thread(target=give_back, daemon=True)
    giving.start()
    giving.join(1)  # a job that writes just now keeps the database to itself; its end undoes what it did not finish
    os._exit(OK)


@contextmanager
def _scheduled(config: Config, stop: Any = None) -> Iterator[None]:
    """Run the jobs in the background until the block ends; a running job comes to the end of its step first."""
    from store.database import Store
    from sync.handle_webhooks import due
    from sync.scheduler import start
    from sync.stopping import Stop

    stop = stop or Stop()
    world = LiveWorld(config, dry_run=config.dry_run, stop=stop)

    def run(name: str) -> None:
        run_jobs(config, (name,), dry_run=config.dry_run, world=None if config.dry_run else world, stop=stop)

    with Store(config.store) as store:
        scheduler = start(
            run,
            config.cadence,
            world.now(),
            # A dry run leaves no runs in the store, so what is due would be due for ever.
            None if config.dry_run else lambda: due(store, world.sources, world.now()),
        )
        try:
            yield
        finally:
            stop.ask()
            scheduler.shutdown(wait=True)


@main.command()
@click.option("--once", is_flag=True, help="End after the report instead of serving the pages.")
@click.option("--dir", "folder", type=FOLDER, default=Path("demo"), show_default=True,
              help="Where configuration and store are written; a demo's earlier ones there are replaced.")  # fmt: skip
def demo(once: bool, folder: Path) -> None:
    """Walk 60 days of a made-up company on local stand-ins: no account, no key."""
    from sandbox.server import Options, Running

    days = 60
    last = datetime.now(UTC).date()
    first = last - timedelta(days=days)
    for old in (*folder.glob("demo.db*"), folder / "demo.toml"):
        old.unlink(missing_ok=True)
    # The stand-ins' minute is shortened to a second: two months pass here in less than the vendors' real minute.
    with Running(Options(today=first, minute=1.0)) as running:
        _write_sandbox_config(folder / "demo.toml", running, web_port=8400)
        config = load_config(folder / "demo.toml")
        _walk(config, running.sandbox.move_clock_safely, first, days)
        _demo_report(config, last)
        if not once:
            _serve(config, jobs=False, world=LiveWorld(config, urgent=True))


def _walk(config: Config, move: Callable[[date], None], first: date, days: int) -> None:
    """Run a full sync on each day, the stand-ins' customers doing what they do in between."""
    click.echo(f"Walking {days} days from {first}: deals are won, invoices fall due, customers pay.", err=True)
    with _progress(quiet=False) as bars:
        advance = bars("days")
        for day in range(days + 1):
            move(first + timedelta(days=day))
            results, _ = run_jobs(config, today=first + timedelta(days=day))
            failed = [result for result in results if result.outcome != "done"]
            if failed:
                raise _Wrong([f"{result.job}: {result.outcome}: {result.message}" for result in failed])
            advance(day, days)


def _demo_report(config: Config, today: date) -> None:
    import terminal
    from store import review as items
    from store.database import Store
    from sync.report import summary

    with Store(config.store) as store:
        found = summary(store, dict.fromkeys(config.entities, today))
        waiting = items.open_items(store)
    terminal.summary(found)
    terminal.reviews(waiting, most=5)
    terminal.walked(found)
    click.echo(f"Look further: netterms --config {config.file} review (or: report invoices, report payments ...)")


# ------------------------------------------------------------------------------------------------------ facts and terms


@main.group()
def usage() -> None:
    """What customers used: the records that usage charges and retainers bill."""


@usage.command("import")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="A record that is stored with other content takes this one.")
@click.option("--skip-bad", is_flag=True, help="Store the good records although others are bad.")
@click.option("--dry-run", is_flag=True, help="Check everything and store nothing.")
@JSON
@click.pass_context
def import_(ctx: click.Context, file: Path, replace: bool, skip_bad: bool, dry_run: bool, as_json: bool) -> None:
    """Store usage records of a .csv or .jsonl file, each once by its id; one bad record and nothing is stored."""
    from billing.reading.records import read_records
    from sync.receive_usage import load

    records = read_records(_read_text(file), as_csv=file.suffix.lower() == ".csv")
    with _desk(ctx.obj) as (store, world), _progress(as_json) as bars:
        found = load(
            store, world, _person(), records, file.name, replace=replace, skip_bad=skip_bad, dry_run=dry_run,
            progress=bars("records"),
        )  # fmt: skip
    if as_json:
        counts = {"new": found.new, "known": found.known, "replaced": found.replaced}
        refused = [{"line": one.place, "id": one.id, "key": one.key, "problem": one.problem} for one in found.refused]
        _print_json({"stored": found.kept, "dry_run": dry_run, **counts, "refused": refused})
    else:
        for one in found.refused:
            click.echo(f"{file}: line {one}", err=True)
        counted = f"{found.new:,} new, {found.known:,} known already, {found.replaced:,} replaced"
        click.echo(f"{counted}, {len(found.refused):,} bad: {_kept(found.kept, dry_run)}")
    ctx.exit(OK if not found.refused else PARTLY if skip_bad else WRONG_INPUT)


def _kept(kept: bool, dry_run: bool) -> str:
    if kept:
        return "the next sync bills what follows from them."
    if dry_run:
        return "nothing is stored in a dry run."
    return "nothing is stored. Mend the file, or give --skip-bad."


@usage.command("list")
@click.argument("contract")
@click.option("--meter", default="", help="Only this meter.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@JSON
@click.pass_context
def list_(ctx: click.Context, contract: str, meter: str, as_csv: bool, as_json: bool) -> None:
    """List the usage records of a contract, the newest first."""
    from store import usage as records

    with _desk(ctx.obj) as (store, _):
        row = _contract(store, contract)
        _print_list("usage", records.table(store, row.key, meter), as_csv, as_json)


@main.command()
@click.argument("contract")
@click.argument("charge")
@click.argument("milestone", default="")
@click.option("--on", type=DATE, help="The day it was accepted; by default today.")
@click.option("--withdraw", is_flag=True, help="It was not accepted: what was billed for it is credited.")
@JSON
@click.pass_context
def accept(
    ctx: click.Context, contract: str, charge: str, milestone: str, on: date | None, withdraw: bool, as_json: bool
) -> None:
    """Record that a customer accepted a milestone, or (CHARGE holdback) the release of a holdback."""
    from sync import acceptances

    name = f"{charge} {milestone}".strip()
    with _desk(ctx.obj) as (store, world), _as_wrong():
        if withdraw:
            acceptances.withdraw(store, _person(), contract, charge, milestone)
            changed, told = True, f"{name} of {contract} is not accepted any more."
        else:
            day, changed = acceptances.accept(store, world, _person(), contract, charge, milestone, on)
            told = f"{name} of {contract} is accepted on {day}{'' if changed else ' already'}."
    if as_json:
        accepted_on = None if withdraw else day.isoformat()
        _print_json({"contract": contract, "charge": charge, "milestone": milestone, "accepted_on": accepted_on,
                     "changed": changed})  # fmt: skip
    else:
        click.echo(told)


@main.group()
def terms() -> None:
    """The terms of contracts."""


@terms.command()
@click.argument("contract")
@click.option("--versions", is_flag=True, help="List every version: since when it is known, and what it changed.")
@JSON
@click.pass_context
def show(ctx: click.Context, contract: str, versions: bool, as_json: bool) -> None:
    """Print a contract's terms in force as a terms file, amendments included."""
    import msgspec

    from billing.reading.terms_toml import terms_toml
    from sync.set_terms import history

    with _desk(ctx.obj) as (store, _):
        row = _contract(store, contract)
        found = history(store, row.key) if versions else []
    if versions:
        lines = [[one.version, one.known_at, one.actor, one.reason, changes] for one, changes in found]
        _print_list("versions", (["version", "known_since", "by", "why", "changed"], lines), False, as_json)
        return
    if as_json:
        facts = {"contract": row.key, "version": row.version, "entity": row.entity, "written_by_hand": row.by_hand}
        _print_json({**facts, "terms": msgspec.to_builtins(row.agreed)})
    else:
        click.echo(terms_toml(row.agreed), nl=False)


REASON = click.option("--reason", default="", help="Why; kept in the audit trail.")
YES = click.option("--yes", is_flag=True, help="Put it in force; without it, only what it would do is shown.")


@terms.command("set")
@click.argument("contract")
@click.argument("file", type=FILE)
@REASON
@YES
@JSON
@click.pass_context
def set_(ctx: click.Context, contract: str, file: Path, reason: str, yes: bool, as_json: bool) -> None:
    """Put the terms of FILE in force for a contract. They stand until its deal says something else."""
    from billing.terms_file import load_terms_file
    from sync import set_terms

    read = load_terms_file(_read_text(file), str(file))
    with _desk(ctx.obj) as (store, world):
        row = _contract(store, contract)
        _put(store, world, row, set_terms.replacing(row, read), reason or f"set by {file.name}", yes, as_json)


@main.command()
@click.argument("contract")
@click.argument("file", type=FILE)
@REASON
@YES
@JSON
@click.pass_context
def amend(ctx: click.Context, contract: str, file: Path, reason: str, yes: bool, as_json: bool) -> None:
    """Add the [[amendments]] of FILE to a contract's terms."""
    from sync import set_terms

    text = _read_text(file)
    with _desk(ctx.obj) as (store, world):
        row = _contract(store, contract)
        changed = set_terms.amending(row, text, str(file), _today(world, row.entity))
        _put(store, world, row, changed, reason or f"amended by {file.name}", yes, as_json)


@main.group()
def line() -> None:
    """Single lines on a contract's invoices."""


@line.command("add")
@click.argument("contract")
@click.option("--description", required=True, help="What the invoice line says.")
@click.option("--price", type=DECIMAL, required=True, help="Price of one unit; below zero it is a credit.")
@click.option("--quantity", type=DECIMAL, default="1", show_default=True, help="How many units.")
@click.option("--tax-class", default="standard", show_default=True, help="Which rate of tax applies.")
@click.option("--on", type=DATE, help="The day it is billed on; by default today.")
@REASON
@YES
@JSON
@click.pass_context
def add_line(
    ctx: click.Context, contract: str, description: str, price: Decimal, quantity: Decimal, tax_class: str,
    on: date | None, reason: str, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Bill one more line on a contract: an amendment that adds a one-time charge."""
    from sync import set_terms

    with _desk(ctx.obj) as (store, world), _as_wrong():
        row = _contract(store, contract)
        today = _today(world, row.entity)
        changed = set_terms.with_line(
            row, description=description, price=price, quantity=quantity, tax_class=tax_class, on=on or today,
            today=today,
        )  # fmt: skip
        _put(store, world, row, changed, reason or f"line added: {description}", yes, as_json)


@main.group()
def contract() -> None:
    """Contracts that no deal stands behind."""


@contract.command("add")
@click.argument("file", type=FILE)
@click.option("--entity", required=True, help="The legal entity that sells.")
@click.option("--customer", required=True, help="A customer's id in the CRM, or its name.")
@click.option("--email", default="", help="The customer is new: where its invoices go.")
@YES
@JSON
@click.pass_context
def add_contract(
    ctx: click.Context, file: Path, entity: str, customer: str, email: str, yes: bool, as_json: bool
) -> None:
    """Add a contract from a terms file: one without a deal, or an invoice written by hand (one-time charges)."""
    from billing.customer import Customer
    from billing.terms_file import load_terms_file
    from sync import set_terms

    agreed = load_terms_file(_read_text(file), str(file)).terms
    with _desk(ctx.obj) as (store, world), _as_wrong():
        if entity not in world.entities:
            raise _Wrong([f"--entity: {entity!r} is unknown; there are: {', '.join(world.entities)}"])
        if agreed.currency not in world.entities[entity].currencies:
            sold = ", ".join(world.entities[entity].currencies)
            raise _Wrong([f"{file}: currency: {entity} does not sell in {agreed.currency}, but in {sold}"])
        known = set_terms.customer_of(store, customer)
        if known is None and not email:
            raise _Wrong([f"--customer: there is no {customer!r}; for a new one say with --email where invoices go"])
        effect = set_terms.effect_of_new(_context(store, world), entity, agreed)
        if yes:
            buyer = Customer(name=customer, email=email) if known is None else known
            set_terms.add(store, _person(), agreed, entity=entity, customer=buyer)
    _say_effect({"contract": agreed.contract, "version": 1}, "", effect, yes, as_json)


def _put(store: Any, world: LiveWorld, row: Any, changed: Any, reason: str, yes: bool, as_json: bool) -> None:
    """Show what changed terms would bill, and put them in force when that is wanted."""
    from sync import proposals, set_terms

    if changed == row.agreed:
        _say_effect({"contract": row.key, "version": row.version}, "nothing", "nothing", False, as_json)
        return
    with _as_wrong():
        effect = proposals.in_words(proposals.billing_of(_context(store, world), row, changed))
    if yes:
        set_terms.put(store, _person(), row, changed, reason)
    told = {"contract": row.key, "version": row.version + yes}
    _say_effect(told, proposals.difference(row.agreed, changed), effect, yes, as_json)


def _say_effect(told: dict[str, Any], changes: str, effect: str, applied: bool, as_json: bool) -> None:
    if as_json:
        _print_json({**told, "changes": changes, "effect": effect, "applied": applied})
        return
    if changes:
        click.echo(f"Changes: {changes}")
    click.echo(effect[0].upper() + effect[1:])
    click.echo(
        f"Contract {told['contract']} is at version {told['version']}; the next sync bills it."
        if applied
        else "Nothing is changed yet: give --yes to put it in force."
    )


def _contract(store: Any, key: str) -> Any:
    from sync import set_terms

    with _as_wrong():
        return set_terms.find(store, key)


@contextmanager
def _as_wrong() -> Iterator[None]:
    """Turn what the rooms say is wrong with what the user gave into faults."""
    from billing.invoicing import BrokenInvariant
    from billing.terms_file import TermsFileError

    try:
        yield
    except TermsFileError:
        raise
    except (ValueError, ArithmeticError, BrokenInvariant) as error:
        raise _Wrong([str(error)]) from None


@contextmanager
def _desk(path: Path) -> Iterator[tuple[Any, LiveWorld]]:
    """Open the store beside the configured world."""
    from store.database import Store

    config = load_config(path)
    with Store(config.store) as store:
        yield store, LiveWorld(config, urgent=True)


def _context(store: Any, world: LiveWorld) -> Any:
    from sync.context import Context

    return Context(store, world, "terms", lambda done, total: None)


# ------------------------------------------------------------------------------------------------------------ helpers


@contextmanager
def _store(path: Path) -> Iterator[Any]:
    from store.database import Store

    with Store(load_config(path).store) as store:
        yield store


def _person() -> Any:
    """Return who acts at this command line, for the audit trail."""
    import getpass

    from store.audit import Actor

    return Actor(f"person {getpass.getuser()}", datetime.now(UTC))


def _today(world: LiveWorld, entity: str) -> date:
    from zoneinfo import ZoneInfo

    return world.now().astimezone(ZoneInfo(world.entities[entity].timezone)).date()


if __name__ == "__main__":
    main()
