"""The only place that knows everyone: configuration -> store, connectors, jobs -> pages and command line.

What a person does with them at the command line stands in ``commands``. Nothing heavy is imported until it is needed,
so that ``netterms --help`` is quick and imports no vendor SDK.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from config import Config, Connection, Published

LARGEST_REQUEST = 32 << 20  # bytes; the server keeps a body on disk before anybody is asked who sends it
SERVER_THREADS = 8  # webhooks that come in at the same time share one write to the disk


class WrongInput(Exception):
    """What the user gave cannot be used; ``faults`` says all that is wrong."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


def read_text(file: Path) -> str:
    """Read a file that the user named; raises ``WrongInput``."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        remedy = "put the file there or name another one"
        raise WrongInput([f"{file}: cannot be read: {error.strerror}; {remedy}"]) from None


def load_config(path: Path) -> Config:
    """Read the configuration; raises ``config.ConfigError``."""
    import config
    from connectors import LIMITS, REGISTRY, WEBHOOKS
    from sync.jobs import JOBS

    roles = {vendor: role for vendor, (role, _) in REGISTRY.items()}
    return config.load(path, roles, {job.name: job.seconds for job in JOBS}, os.environ, WEBHOOKS, LIMITS)


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
            self._accounts[name] = account
            self._connectors[name] = self._connect(connection, account)
        return self._connectors[name]

    def _connect(self, connection: Connection, account: str) -> Any:
        from connectors import connect
        from connectors.base import Ports, Settings
        from sync.rehearsal import Rehearsal, RehearsalCrm, RehearsalMailer, RehearsalPayments

        settings = Settings(
            name=connection.name,
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
        pretend: dict[str, Any] = {
            "accounting": Rehearsal,
            "mail": RehearsalMailer,
            "crm": RehearsalCrm,
            "payments": RehearsalPayments,
        }
        rehearse = pretend.get(connection.role) if self.dry_run else None
        return found if rehearse is None else rehearse(found)

    def _credentials(self, connection: Connection) -> Any:
        from connectors.oauth import FixedToken, OAuthToken

        if connection.oauth is None:
            return FixedToken(connection.name, connection.token)
        from connectors import CONSENTS, consent_flow

        flow = consent_flow(connection.vendor) if connection.vendor in CONSENTS else None
        return OAuthToken(connection.name, connection.oauth, self._tokens, self.now, flow=flow)

    def account(self, connection: Connection) -> str:
        """Return the account a connection is for: as configured, else the one that a person's consent was for."""
        if connection.account:
            return connection.account
        token = self._token(connection)
        return token.account if token is not None else ""

    def grant_ends(self, name: str) -> datetime | None:
        """Return when the vendor stops renewing the token of a connection, where it says so."""
        token = self._token(self.config.connections[name])
        return token.grant_ends if token is not None else None

    def _token(self, connection: Connection) -> Any:
        """Return the token that is kept of a connection; None where there is none, or the key does not open it."""
        try:
            return None if connection.oauth is None else self._tokens.load(connection.name)
        except ValueError:  # which the first call says
            return None

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
            self._mappings[name] = load(read_text(file), f"{file.parent.name}/{file.name}")
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
        with Store(path) as store, progress(quiet) as bars:
            for job in steps or select(tuple(names)):
                if stop is None or not stop.asked:
                    results.append(run_job(job, store, world, bars(job.name), stop))
            if look is not None:
                look(store)
    return results, world


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Yield what starts a job's progress bar; without a person who looks, nothing is imported and nothing shown."""
    if quiet:
        yield lambda job: lambda done, total: None
        return
    import terminal

    with terminal.progress() as bars:
        yield bars


def server(config: Config, world: LiveWorld) -> Any:
    """Return the web server that is ready to run: pages, webhooks, API, and the way to connect an account."""
    import logging

    import waitress

    from web import api, create_app, oauth, webhooks

    world.load_mappings()
    pages = create_app(config.store, world, config.cadence, access(config))
    webhooks.install(pages, inbox(config))
    api.install(pages, config.api_token)
    oauth.install(pages, consents(config, world))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that waits a moment
    return waitress.create_server(
        pages, host=config.host, port=config.port, threads=SERVER_THREADS, max_request_body_size=LARGEST_REQUEST
    )


def access(config: Config) -> Any:
    """Return who may see the pages (``web.access.Access``)."""
    import secrets

    from web.access import Access

    secret = config.secret_key or secrets.token_urlsafe(32)
    return Access(secret=secret, password=config.password, hosts=config.web_hosts)


def inbox(config: Config) -> Any:
    """Return the connections that take webhooks, with what reads and what signs them (``web.webhooks.Inbox``)."""
    from connectors import webhook_source
    from web.webhooks import Inbox, Sender

    taking = {name: one for name, one in config.connections.items() if one.webhook_secrets}
    account = LiveWorld(config).account
    senders = {
        name: Sender(webhook_source(one.vendor), one.webhook_secrets, account(one)) for name, one in taking.items()
    }
    return Inbox(senders, config.public_url)


def consents(config: Config, world: LiveWorld) -> Any:
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
def scheduled(config: Config, stop: Any = None) -> Iterator[None]:
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


if __name__ == "__main__":
    from commands import main

    main()
