"""What a job is given: the store, the configured world, the date, and places to say what it did and could not do."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from billing.dunning import LADDER
from billing.facts import IndexSeries
from billing.invoicing import Rules
from billing.tax import Rounding
from connectors.errors import AuthExpired, ConnectorError, DailyLimit
from mappings.spec import CrmMapping, LedgerMapping, PaymentsMapping
from store import runs
from store.audit import Actor
from store.database import Store
from store.review import Finding

logger = logging.getLogger("netterms")
Delivery = Literal["netterms", "ledger", "none"]  # who mails an issued document


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A legal entity, as far as jobs need it. Tax rates are percent by tax class."""

    key: str
    name: str
    timezone: str
    currencies: tuple[str, ...]
    go_live: date
    accounting: str
    number_prefix: str
    number_digits: int
    credit_prefix: str
    approve: Literal["manual", "auto"]
    tax_rates: dict[str, Decimal]
    tax_rounding: Rounding = "per_document"
    catch_up_review: Decimal = Decimal(1000)  # major units; a draft that catches up more waits for a person
    delivery: Delivery = "none"
    deliver_from: date = date.min  # documents issued earlier are not mailed
    send_hour: int = 9  # reminders go out from this hour of the entity's day on
    reminder_days: tuple[int, ...] = LADDER  # days after the due date of each step; none: nobody is reminded
    post_payments: Literal["netterms", "ledger"] = "netterms"  # who books a provider's payments
    closed_period: Literal["wait", "next_open"] = "wait"  # what is dated in a closed period of the books
    payment_link: str = ""  # where {number} can be paid; empty: the ledger's own page
    payment_pages: str = ""  # the payment connection that makes a page for each invoice, in place of both

    @property
    def rules(self) -> Rules:
        """Return what the entity adds to the terms of every contract."""
        return Rules(
            tax_rates=self.tax_rates,
            go_live=self.go_live,
            tax_rounding=self.tax_rounding,
            catch_up_threshold=self.catch_up_review,
        )


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A connection, as far as jobs need it."""

    name: str
    vendor: str
    role: str
    entity: str
    write_back: bool = False  # a CRM: whether it is told of invoices


class World(Protocol):
    """The configured world; the composition root provides it, for real or as a rehearsal."""

    file: str  # the configuration file, for messages
    entities: dict[str, Entity]
    sources: tuple[Source, ...]
    crm_changes: Literal["review", "apply"]
    dry_run: bool
    indices: Mapping[str, IndexSeries]  # price indices by name
    alerts: str  # who is mailed when a connection must be made anew; empty: nobody

    def connector(self, name: str) -> Any:
        """Return the connector of a connection, importing its SDK at the first use."""

    def crm_mapping(self, name: str) -> CrmMapping:
        """Return the mapping of a CRM connection."""

    def ledger_mapping(self, name: str) -> LedgerMapping:
        """Return the mapping of a ledger connection."""

    def payments_mapping(self, name: str) -> PaymentsMapping:
        """Return the mapping of a payment connection."""

    def grant_ends(self, name: str) -> datetime | None:
        """Return when the vendor of a connection stops renewing its token, where it says so."""

    def now(self) -> datetime:
        """Return the current moment (UTC)."""

    def new_key(self) -> str:
        """Return a new idempotency key, at most 36 characters."""


class Context:
    """One run of one job."""

    def __init__(self, store: Store, world: World, job: str, on_progress: Callable[[int, int], None]) -> None:
        self.store = store
        self.world = world
        self.job = job
        self.actor = Actor(f"job {job}", world.now())
        self.tally: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self.failures: dict[str, str] = {}
        self.message = ""  # what the run says in words
        self._on_progress = on_progress

    def count(self, what: str, number: int = 1) -> None:
        """Add to what the run reports it did."""
        self.tally[what] += number

    def find(self, finding: Finding) -> None:
        """Report something a person must decide."""
        self.findings.append(finding)

    def progress(self, done: int, total: int) -> None:
        """Say how far the job has come."""
        self._on_progress(done, total)

    def today(self, entity: str) -> date:
        """Return the date in the entity's zone."""
        return self.world.now().astimezone(ZoneInfo(self.world.entities[entity].timezone)).date()

    def sources(self, role: str) -> list[Source]:
        """Return the connections that play ``role``."""
        return [source for source in self.world.sources if source.role == role]

    def ledgers(self) -> list[tuple[Entity, Source]]:
        """Return each legal entity with the connection that keeps its books."""
        by_name = {source.name: source for source in self.world.sources}
        return [(entity, by_name[entity.accounting]) for entity in self.world.entities.values()]

    @contextmanager
    def using(self, name: str) -> Iterator[Any]:
        """Work with a connection. Its failure ends the block and is noted; the other connections go on.

        So is what it answers that nobody foresaw, such as an object without its id.
        """
        now, known = self.world.now(), runs.connection_state(self.store, name)
        try:
            connector = self.world.connector(name)
            yield connector
            if known is not None and known.state == "reconnect":
                connector.probe()  # the block may not have called it at all
        except ConnectorError as error:
            self.failures[name] = str(error)
            until = error.until if isinstance(error, DailyLimit) else None
            state: runs.State = "reconnect" if isinstance(error, AuthExpired) else "paused" if until else "failing"
            runs.set_connection_state(self.store, name, state, str(error), now, until)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            logger.exception("job %s failed at %s", self.job, name)
            what = f"{type(error).__name__}: {error}"
            self.failures[name] = f"what it answered cannot be read ({what}); the log says where"
        else:
            if known is None or not known.paused(now):
                runs.set_connection_state(self.store, name, "ok", "", now)
