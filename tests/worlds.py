"""Worlds for tests of jobs: ``Live`` is the real thing over loopback HTTP, ``Bench`` has vendors that fail to order.

Both stand on a real store in a temporary folder and on the mappings that come with Netterms.
"""

from __future__ import annotations

import atexit
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import requests

import app
from billing.customer import Customer
from billing.facts import IndexSeries
from billing.terms import Recurring, Terms
from connectors.base import (
    AllocationDraft,
    Created,
    CustomerDraft,
    DocumentDraft,
    LedgerAllocation,
    LedgerChanges,
    LedgerCustomer,
    LedgerDocument,
    LedgerEntry,
    LedgerPayment,
    LedgerSetup,
    Memory,
    PaymentDraft,
    Probe,
    Ref,
    Rejected,
)
from connectors.errors import OutcomeUnknown
from mappings import SHIPPED
from mappings.ledger import load_ledger_mapping
from mappings.payments import load_payments_mapping
from mappings.spec import load_crm_mapping
from sandbox.config_file import write_config
from sandbox.core import LOCK, Fault
from sandbox.server import Options, Running
from store import contracts, invoices, links, review
from store.audit import Actor
from store.database import Store
from store.invoices import DocumentRow
from store.review import Item
from sync.context import Entity, Source
from sync.decide import decide
from sync.jobs import select
from sync.run import Result, run_job

TODAY = date(2026, 9, 1)
NOBODY = Actor("test", datetime(2026, 9, 1, tzinfo=UTC))
DAILY = ("pull_deals", "map_terms", "plan_invoices", "issue_invoices", "push_documents")


class Desk:
    """What tests of either world do with its store: read it, and decide what waits for a person."""

    database: Path

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store."""
        with Store(self.database) as store:
            yield store

    def items(self, code: str = "") -> list[Item]:
        """Return what waits for a person, of one code or all."""
        with self.store() as store:
            return [item for item in review.open_items(store) if code in ("", item.code)]

    def item(self, code: str) -> Item:
        """Return the only item of a code."""
        (found,) = self.items(code)
        return found

    def decide(self, code: str, action: str) -> None:
        """Decide the only item of a code."""
        found = self.item(code).id
        with self.store() as store:
            decide(store, NOBODY, found, action, "a test wants it")

    def issued(self) -> dict[str, DocumentRow]:
        """Return what was issued, by number."""
        with self.store() as store:
            return {str(row.number): row for row in invoices.issued(store)}

    def drafts(self) -> list[DocumentRow]:
        """Return what is not issued yet."""
        with self.store() as store:
            return invoices.drafts(store)

    def approve_all(self) -> int:
        """Approve every draft; return how many were not approved yet."""
        with self.store() as store, store.transaction():
            return invoices.approve(store, NOBODY, [row.id for row in invoices.drafts(store)])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store anything."""
        with self.store() as store:
            return store.tuples(sql)

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return everything the store holds but the records of runs and of their steps."""
        with self.store() as store:
            tables = [name for (name,) in store.tuples("SELECT name FROM sqlite_master WHERE type='table'")]
            records = ("runs", "steps", "counters")  # of what jobs did, found and changed
            return {name: store.tuples(f"SELECT * FROM {name}") for name in tables if name not in records}


# ------------------------------------------------------------------------------------------------------- the real thing


@cache
def shared_sandbox(deals: int = 0, history: int = 0) -> Running:
    """Start one sandbox for all tests of this process; its minute is so short that limits do not matter."""
    running = Running(Options(today=TODAY, deals=deals, history=history, minute=0.06)).__enter__()
    atexit.register(running.__exit__)
    return running


def is_write(call: str) -> bool:
    """Say whether a counted call (``POST /path``) changes something at the vendor."""
    return not call.startswith("GET ") and not any(word in call for word in ("search", "batch/read", "query", "token"))


class Live(Desk):
    """Freshly reset stand-ins, a configuration aimed at them, and the service's own way of running jobs.

    ``us`` books USD to QuickBooks, ``uk`` books GBP and EUR to Xero; what is billed from June 2026 on is ours.
    """

    def __init__(self, folder: Path, deals: int = 0, history: int = 0) -> None:
        self.running = shared_sandbox(deals, history)
        self.sandbox = self.running.sandbox
        with LOCK:
            self.sandbox.reset()
        self.today = TODAY
        self.file = folder / "config.toml"
        self.database = folder / "config.db"
        write_config(self.file, url=self.running.url, minute=0.06, go_live=TODAY if history else date(2026, 6, 1))

    def configure(self, old: str, new: str) -> None:
        """Change the configuration's text."""
        text = self.file.read_text(encoding="utf-8")
        assert old in text
        self.file.write_text(text.replace(old, new), encoding="utf-8")

    def sync(self, *jobs: str, dry_run: bool = False) -> dict[str, Result]:
        """Run jobs (all when none is named) as ``netterms sync`` does; return their results by name."""
        results, self.world = app.run_jobs(app.load_config(self.file), jobs, today=self.today, dry_run=dry_run)
        return {result.job: result for result in results}

    def done(self, *jobs: str) -> dict[str, Result]:
        """Run jobs that must all succeed."""
        results = self.sync(*jobs)
        assert {result.outcome for result in results.values()} == {"done"}, results
        return results

    def move_to(self, day: date) -> None:
        """Let time pass, here and at the stand-ins."""
        self.today = day
        self.sandbox.move_clock_safely(day)

    def fault(self, vendor: str, kind: str, **more: Any) -> None:
        """Order a fault."""
        self.sandbox.faults.ordered.append(Fault(vendor, kind, **more))

    def mend(self) -> None:
        """Order no faults any more."""
        self.sandbox.faults.ordered.clear()

    def writes(self) -> Counter[str]:
        """Return how often each writing call came to the stand-ins."""
        return Counter(
            {
                f"{vendor.name} {call}": count
                for vendor in self.sandbox.vendors.values()
                for call, count in vendor.calls.items()
                if is_write(call)
            }
        )

    # ---------------------------------------------------------------------------------- what people do at the stand-ins

    def call(self, method: str, path: str, token: str, **body: Any) -> Any:
        """Call a stand-in as one of its own users does."""
        headers = {"Authorization": f"Bearer {token}", "xero-tenant-id": "5d4f1c1e-0000-4000-8000-00000000c0de"}
        answer = requests.request(method, f"{self.running.url}/{path}", headers=headers, timeout=10, **body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def hubspot(self, method: str, path: str, body: Any = None) -> Any:
        """Call HubSpot."""
        return self.call(method, f"hubspot/crm/objects/2026-03/{path}", "pat-sandbox-test", json=body)

    def xero(self, method: str, path: str, body: Any = None) -> Any:
        """Call Xero."""
        return self.call(method, f"xero/api.xro/2.0/{path}", "sandbox-xero-test", json=body)

    def quickbooks(self, path: str, body: Any) -> Any:
        """Write to QuickBooks."""
        url = f"quickbooks/v3/company/9130350000000001/{path}"
        return self.call("POST", url, "sandbox-quickbooks-test", json=body)

    def stripe(self, method: str, path: str, entity: str = "uk", **form: Any) -> Any:
        """Call Stripe as one of its accounts."""
        return self.call(method, f"stripe/v1/{path}", f"sk_test_sandbox_{entity}", data=form)

    def sell(self, name: str = "Northwind Ltd", price: str = "100", **changes: str | None) -> str:
        """Win a deal over one line without tax: a year in GBP, billed monthly from today on. Returns its id."""
        domain = name.split()[0].lower() + ".example"
        company = self._new("companies", {"name": name, "domain": domain})
        contact = self._new("contacts", {"email": f"ap@{domain}", "firstname": "Ada", "lastname": "Byron"})
        line = {"name": "Premium support", "hs_sku": "SUPPORT-PREM", "quantity": "1", "price": price}
        taxed_at_nothing = "services" if changes.get("deal_currency_code") == "USD" else "reverse_charge"
        line |= {"recurringbillingfrequency": "monthly", "tax_class": taxed_at_nothing}
        deal = {
            "dealname": f"{name} - support",
            "pipeline": "default",
            "dealstage": "closedwon",
            "deal_currency_code": "GBP",
            "contract_start": TODAY.isoformat(),
            "contract_term_months": "12",
            "payment_terms": "Net 30",
            **changes,
        }
        associated = [(company, 5), (contact, 3), (self._new("line_items", line), 19)]
        return self._new("deals", deal, associated)

    def _new(self, kind: str, properties: Mapping[str, Any], associated: Sequence[tuple[str, int]] = ()) -> str:
        kinds = [
            {"to": {"id": id}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}
            for id, type_id in associated
        ]
        return str(self.hubspot("POST", kind, {"properties": properties, "associations": kinds})["id"])

    def change_deal(self, deal: str, **properties: str | None) -> None:
        """Change properties of a deal."""
        self.hubspot("PATCH", f"deals/{deal}", {"properties": properties})

    def change_price(self, deal: str, price: str) -> None:
        """Change the price of a deal's only line."""
        (line,) = self.sandbox.hubspot.records.linked("deals", deal, "line_items")
        self.hubspot("PATCH", f"line_items/{line}", {"properties": {"price": price}})

    def pay(self, amount: int, description: str = "", *, entity: str = "uk", **form: Any) -> str:
        """Pay by card, in minor units; return the id of the payment intent."""
        currency = {"uk": "gbp", "us": "usd"}[entity]
        given = {"amount": amount, "currency": currency, "payment_method": "pm_card_visa", "confirm": "true"}
        given |= {"description": description} if description else {}
        return str(self.stripe("POST", "payment_intents", entity, **{**given, **form})["id"])

    def payer(self, name: str, email: str = "") -> str:
        """Register a paying customer at Stripe; return its id."""
        return str(self.stripe("POST", "customers", name=name, email=email or "nobody@elsewhere.example")["id"])


# ------------------------------------------------------------------------------------------- vendors that fail to order


class Shelf:
    """Objects of one kind at a ledger kept in memory, by our number (``connectors.base.Collection``).

    ``acts`` are what the next creates do instead of succeeding, one each; ``sent`` is every create as (key, numbers).
    """

    batch_size = 3

    def __init__(self, number: Callable[[Any], str], made: Callable[[Any, Ref], Any]) -> None:
        self._number, self._made = number, made
        self.held: dict[str, Any] = {}
        self.acts: list[Callable[[Shelf, Sequence[Any]], list[Any]]] = []
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self.asked: list[tuple[str, ...]] = []

    def find(self, wanted: Sequence[Any]) -> list[Any]:
        """Look each up by its number."""
        numbers = tuple(self._number(item) for item in wanted)
        self.asked.append(numbers)
        return [self.held.get(number) for number in numbers]

    def create(self, batch: Sequence[Any], key: str) -> list[Any]:
        """Do what was ordered for this call, else create everything."""
        self.sent.append((key, tuple(self._number(item) for item in batch)))
        return self.acts.pop(0)(self, batch) if self.acts else [self.put(item) for item in batch]

    def put(self, item: Any, **changes: Any) -> Created[Any]:
        """Hold an object; refuse what a ledger would refuse, a number it already has."""
        number = self._number(item)
        assert number not in self.held, f"{number} was created twice"
        found = self._made(item, Ref(id=f"{type(item).__name__}-{number}"))
        self.held[number] = type(found)(**{name: getattr(found, name) for name in found.__struct_fields__} | changes)
        return Created(self.held[number])


def lost_after(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
    """Create everything, then lose the answer."""
    for item in batch:
        shelf.put(item)
    raise OutcomeUnknown("the answer was lost")


def lost_before(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
    """Lose the request."""
    raise OutcomeUnknown("the answer was lost")


def lost_after_only(*numbers: str) -> Callable[[Shelf, Sequence[Any]], list[Any]]:
    """Create some of a batch, then lose the answer."""

    def act(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        for item in batch:
            if shelf._number(item) in numbers:
                shelf.put(item)
        raise OutcomeUnknown("the answer was lost")

    return act


def refuse(number: str, reason: str) -> Callable[[Shelf, Sequence[Any]], list[Any]]:
    """Refuse one item and create the others."""
    return lambda shelf, batch: [
        Rejected(reason) if shelf._number(item) == number else shelf.put(item) for item in batch
    ]


def fail(error: Exception) -> Callable[[Shelf, Sequence[Any]], list[Any]]:
    """Fail with ``error``, having done nothing."""

    def act(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        raise error

    return act


def _customer_made(draft: CustomerDraft, ref: Ref) -> LedgerCustomer:
    return LedgerCustomer(ref=ref, name=draft.customer.name, key=draft.key, email=draft.customer.email)


def _document_made(draft: DocumentDraft, ref: Ref) -> LedgerDocument:
    return LedgerDocument(
        ref=ref, number=draft.number, type=draft.type, status="open", customer_id=draft.customer.id,
        currency=draft.currency, total=draft.total, tax=draft.tax, balance=draft.total,
    )  # fmt: skip


def _payment_made(draft: PaymentDraft, ref: Ref) -> LedgerPayment:
    applied = {} if draft.document is None else {draft.document.id: draft.amount}
    left = draft.amount if draft.document is None else 0
    return LedgerPayment(ref=ref, key=draft.key, amount=draft.amount, applied=applied, unapplied=left)


def _allocation_made(draft: AllocationDraft, ref: Ref) -> LedgerAllocation:
    return LedgerAllocation(ref=ref, source_id=draft.source.id, document_id=draft.document.id, amount=draft.amount)


def _entry_made(draft: Any, ref: Ref) -> LedgerEntry:
    return LedgerEntry(ref=ref, key=draft.key, amount=draft.amount)


class Books:
    """A ledger in memory (``connectors.base.Accounting``), as far as jobs that write need one."""

    memory = Memory(keys=timedelta(minutes=6), lag=timedelta(minutes=1))

    def __init__(self) -> None:
        self.customers = Shelf(lambda draft: draft.customer.name, _customer_made)
        self.documents = Shelf(lambda draft: draft.number, _document_made)
        self.payments = Shelf(lambda draft: draft.key, _payment_made)
        self.allocations = Shelf(lambda draft: f"{draft.key} {draft.document.id}", _allocation_made)
        self.refunds = Shelf(lambda draft: draft.key, _entry_made)
        self.transfers = Shelf(lambda draft: draft.key, _entry_made)
        self.expenses = Shelf(lambda draft: draft.key, _entry_made)

    def setup(self) -> LedgerSetup:
        """Say that the books are open."""
        return LedgerSetup(name="Books", home_currency="GBP", accounts={}, items={}, tax_codes={}, classes={})

    def hindrance(self) -> str:
        """Say that nothing is in the way."""
        return ""

    def probe(self) -> Probe:
        """Say that it works."""
        return Probe(account_name="kept in memory")

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Say that nothing changed."""
        return LedgerChanges(documents=(), payments=(), cursor=None)


def _entity(key: str, name: str, currencies: tuple[str, ...]) -> Entity:
    return Entity(
        key=key, name=name, timezone="Europe/London", currencies=currencies, go_live=date(2026, 6, 1),
        accounting=f"books_{key}", number_prefix=f"{key.upper()}-", number_digits=5,
        credit_prefix=f"{key.upper()}-CN-", approve="auto",
        tax_rates={"standard": Decimal(20), "services": Decimal(0), "reverse_charge": Decimal(0)},
    )  # fmt: skip


class Bench(Desk):
    """Jobs over two ledgers in memory; it is the ``sync.context.World`` of its own jobs."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "bench.db"
        self.file = "config.toml"
        self.today = TODAY
        self.dry_run = False
        self.crm_changes: Any = "review"
        self.alerts = ""
        self.indices: Mapping[str, IndexSeries] = {}
        self.entities = {
            "us": _entity("us", "Brightwater Inc.", ("USD",)),
            "uk": _entity("uk", "Brightwater Ltd", ("GBP", "EUR")),
        }
        self.sources: tuple[Source, ...] = (
            Source(name="crm", vendor="hubspot", role="crm", entity=""),
            Source(name="books_us", vendor="quickbooks", role="accounting", entity="us"),
            Source(name="books_uk", vendor="xero", role="accounting", entity="uk"),
        )
        self.books = {"books_us": Books(), "books_uk": Books()}
        self.grants: dict[str, datetime] = {}
        self.keys = 0
        self.later = timedelta(0)  # how much of the day has passed since noon

    @property
    def uk(self) -> Books:
        """The ledger of ``uk``."""
        return self.books["books_uk"]

    def run(self, *jobs: str) -> dict[str, Result]:
        """Run jobs in their order; return their results by name."""
        with self.store() as store:
            return {job.name: run_job(job, store, self, lambda done, total: None) for job in select(jobs)}

    def contract(self, key: str, price: str = "100", *, entity: str = "uk", buyer: str = "", **changes: Any) -> None:
        """Agree a contract: a price per month from today on, for a customer of its own or for ``buyer``."""
        buyer = buyer or key
        domain = f"{buyer.lower()}.example"
        customer = Customer(name=f"Customer {buyer}", email=f"ap@{domain}", domain=domain)
        charge = Recurring(key="support", description="Support", price=Decimal(price), tax_class="services")
        fields: dict[str, Any] = {
            "contract": key, "customer": buyer, "currency": {"uk": "GBP", "us": "USD"}[entity], "starts_on": TODAY,
            "charges": (charge,),
        }  # fmt: skip
        with self.store() as store, store.transaction():
            customer_id = links.save_customer(store, NOBODY, "crm", buyer, customer)
            terms = Terms(**{**fields, **changes})
            contracts.create(
                store, NOBODY, terms, entity=entity, customer_id=customer_id, crm="crm", deal_id=key, name=f"Deal {key}"
            )

    def bill(self, *keys: str) -> None:
        """Agree contracts and issue their first invoices: UK-00001 and so on."""
        for key in keys:
            self.contract(key)
        self.run("plan_invoices", "issue_invoices")

    # ----------------------------------------------------------------------------------------------- sync.context.World

    def grant_ends(self, name: str) -> datetime | None:
        """Return when the grant of a connection ends, as a test says."""
        return self.grants.get(name)

    def connector(self, name: str) -> Any:
        """Return one of the ledgers in memory."""
        return self.books[name]

    def crm_mapping(self, name: str) -> Any:
        """Return the mapping that comes with Netterms."""
        return load_crm_mapping((SHIPPED / "hubspot.toml").read_text(encoding="utf-8"), "hubspot.toml")

    def ledger_mapping(self, name: str) -> Any:
        """Return the mapping that comes with Netterms."""
        file = {"books_us": "quickbooks.toml", "books_uk": "xero.toml"}[name]
        return load_ledger_mapping((SHIPPED / file).read_text(encoding="utf-8"), file)

    def payments_mapping(self, name: str) -> Any:
        """Return the mapping that comes with Netterms."""
        return load_payments_mapping((SHIPPED / "stripe.toml").read_text(encoding="utf-8"), "stripe.toml")

    def now(self) -> datetime:
        """Return noon of the day, or ``later``."""
        return datetime.combine(self.today, time(12), UTC) + self.later

    def new_key(self) -> str:
        """Return key-1, key-2 and so on."""
        self.keys += 1
        return f"key-{self.keys}"
