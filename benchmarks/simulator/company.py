"""The company of the simulator: three customers in two legal entities, what its people do, and what came of it.

A scenario is a company that lives through a few weeks while something goes wrong. Each ``sync`` is a process of its own
in all that counts: nothing but the store's file and the vendors outlives it. When the faults stop, the company goes on
by the cadence of its jobs until a round changes nothing; then everything is counted at the vendors and here.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import app
from benchmarks.simulator.books import Books
from benchmarks.simulator.wire import Crash, ShownFaults, Steps, Time, Wire, wired
from billing.money import to_decimal
from connectors.smtp import Smtp
from mappings import SHIPPED
from mappings.ledger import load_ledger_mapping
from sandbox.config_file import write_config
from sandbox.mail import Mailbox, MailServer
from sandbox.server import Options, Sandbox, create_app
from store import audit, cash, contracts, invoices, review
from store.database import Store
from sync import credits, voiding
from sync.credits import Wish
from sync.decide import decide
from sync.selfcheck import everything

FIRST = date(2026, 9, 1)
# Virtual minutes between the rounds of the jobs: a company that is not at rest after a day never will be.
CADENCE = [15.0] * 8 + [120.0] * 11
FOLDER = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
TENANT = "5d4f1c1e-0000-4000-8000-00000000c0de"
TOKENS = {"hubspot": "pat-sandbox-1", "quickbooks": "sandbox-quickbooks-1", "xero": "sandbox-xero-1"}
REALM = "quickbooks/v3/company/9130350000000001"


# As shipped, and the one legal entity's provider keeps euros apart, too.
_QUICKBOOKS = (SHIPPED / "quickbooks.toml").read_text(encoding="utf-8")
_ABROAD = _QUICKBOOKS.replace("[clearing]\n", '[clearing]\nEUR = "Stripe clearing EUR"\n', 1)
_MAPPINGS: dict[str, Any] = {"quickbooks_us": load_ledger_mapping(_ABROAD, "mappings/quickbooks.toml")}
# What the written configuration says of that entity, and what it says here: it sells abroad, too.
_SELLS_ABROAD = {
    'currencies = ["USD"]': 'currencies = ["USD", "EUR"]',
    "standard = 6.25\nservices = 0": "standard = 6.25\nservices = 0\nreverse_charge = 0",
}


class World(app.LiveWorld):
    """The configured world with virtual time and keys that follow from the seed."""

    def __init__(self, company: Company) -> None:
        super().__init__(company.config)
        self._company = company
        self._mappings = _MAPPINGS  # read only, and the same for every company
        self._clock = company.time
        self._quota = None  # calls are counted by the virtual clock

    def now(self) -> datetime:
        """Return the company's moment."""
        return self._company.now()

    def new_key(self) -> str:
        """Return key after key, in every process another."""
        self._company.keys += 1
        return f"key-{self._company.keys:06d}"


@dataclass
class Verdict:
    """What came of a scenario. ``wrong`` says in words all that must not be."""

    duplicates: int = 0
    lost: int = 0
    cents: int = 0
    minutes: float = 0.0  # until the company was at rest, virtual
    wrong: list[str] = field(default_factory=list)

    @property
    def survived(self) -> bool:
        """Say whether everything is as it must be."""
        return not (self.duplicates or self.lost or self.cents or self.wrong)


@cache
def _stage() -> tuple[Sandbox, Any]:
    """Return the stand-ins of this process and a client of theirs, without any deal."""
    stage = Sandbox(Options(today=FIRST, deals=0))
    application = create_app(stage)
    application.config["PROPAGATE_EXCEPTIONS"] = True
    return stage, application.test_client()


@cache
def _mail_server() -> tuple[MailServer, Mailbox]:
    """Return a mail server that runs until this process ends."""
    box = Mailbox([])
    server = MailServer(box, 0)
    server.start()
    return server, box


class Company:
    """A freshly begun company. Use as a context manager."""

    def __init__(self) -> None:
        self.sandbox, client = _stage()
        self.time, self.steps = Time(), Steps()
        self.wire = Wire(client, self.time, self.steps, self.sandbox.vendors["quickbooks"])
        self.there = Books(self.sandbox.vendors)
        self.sandbox.faults = self.faults = ShownFaults(self.time, self.steps)
        for vendor in self.sandbox.vendors.values():
            vendor._windows.clear()
        self.sandbox.reset()
        server, self.mailbox = _mail_server()
        self.mailbox.reset()
        self.folder = Path(tempfile.mkdtemp(dir=FOLDER))
        self.file = self.folder / "config.toml"
        self.store = self.folder / "config.db"
        url = f"smtp://127.0.0.1:{server.port}"
        write_config(self.file, url="http://127.0.0.1:9", minute=60.0, go_live=date(2026, 6, 1), mail_url=url)
        self.configure(_SELLS_ABROAD)
        self.today, self.midnight, self.skew = FIRST, 0.0, timedelta(0)
        self.keys = self.processes = self.crashes = 0
        self.expected: Counter[str] = Counter()  # what must have been billed in all, in cents, by currency
        self.contract_count = 0
        self.intents: dict[str, str] = {}  # payments by what a story calls them
        self.changed = True

    def __enter__(self) -> Company:
        self._wired = wired(self.wire)
        self._wired.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self._wired.__exit__(*problem)
        shutil.rmtree(self.folder)

    def configure(self, changes: Mapping[str, str]) -> None:
        """Write other words into the configuration."""
        text = self.file.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new, 1)
        self.file.write_text(text, encoding="utf-8")
        self.config = app.load_config(self.file)

    # ------------------------------------------------------------------------------------------------------------ time

    def now(self) -> datetime:
        """Return the moment: noon and what passed since, as this machine's clock shows it."""
        noon = datetime(self.today.year, self.today.month, self.today.day, 12, tzinfo=UTC)
        return noon + timedelta(seconds=self.time.seconds - self.midnight) + self.skew

    def move(self, days: int) -> None:
        """Let days pass."""
        self.today += timedelta(days=days)
        self.midnight = self.time.seconds
        self.time.sleep(days * 86400.0)
        self.midnight = self.time.seconds
        self.sandbox.move_clock_safely(self.today)

    # -------------------------------------------------------------------------------------------------- what people do

    def call(self, method: str, path: str, token: str, **body: Any) -> Any:
        """Call a vendor as one of its own users does."""
        headers = {"Authorization": f"Bearer {token}", "xero-tenant-id": TENANT}
        answer = self.wire.client.open(f"/{path}", method=method, headers=headers, **body)
        assert answer.status_code < 300, (path, answer.status_code, answer.text)
        return answer.json if answer.data else None

    def hubspot(self, method: str, path: str, body: Any = None) -> Any:
        """Call HubSpot."""
        return self.call(method, f"hubspot/crm/objects/2026-03/{path}", TOKENS["hubspot"], json=body)

    def quickbooks(self, path: str, body: Any) -> Any:
        """Write to QuickBooks."""
        return self.call("POST", f"{REALM}/{path}", TOKENS["quickbooks"], json=body)

    def xero(self, method: str, path: str, body: Any = None) -> Any:
        """Call Xero."""
        return self.call(method, f"xero/api.xro/2.0/{path}", TOKENS["xero"], json=body)

    def sell(
        self, name: str, price: str, currency: str, months: int = 12, quantity: int = 1, entity: str = ""
    ) -> str:  # fmt: skip
        """Win a deal over one line without tax, billed monthly from today on; returns its id.

        Without an ``entity`` the one that has the currency for its own, and else the British one, wins it.
        """
        domain = name.split()[0].lower() + ".example"
        company = self._new("companies", {"name": name, "domain": domain})
        contact = self._new("contacts", {"email": f"ap@{domain}", "firstname": "Ada", "lastname": "Byron"})
        line = self._new("line_items", {
            "name": "Premium support", "hs_sku": "SUPPORT-PREM", "quantity": str(quantity), "price": price,
            "recurringbillingfrequency": "monthly", "tax_class": "services" if currency == "USD" else "reverse_charge",
        })  # fmt: skip
        deal = {
            "dealname": f"{name} - support", "pipeline": "default", "dealstage": "closedwon",
            "deal_currency_code": currency, "billing_entity": entity or ("us" if currency == "USD" else "uk"),
            "contract_start": self.today.isoformat(), "contract_term_months": str(months), "payment_terms": "Net 30",
        }  # fmt: skip
        self.contract_count += 1
        return self._new("deals", deal, [(company, 5), (contact, 3), (line, 19)])

    def _new(self, kind: str, properties: dict[str, str], associated: Sequence[tuple[str, int]] = ()) -> str:
        kinds = [
            {"to": {"id": id}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}
            for id, type_id in associated
        ]
        return str(self.hubspot("POST", kind, {"properties": properties, "associations": kinds})["id"])

    def change_price(self, deal: str, price: str) -> None:
        """Change the price of a deal's only line."""
        (line,) = self.sandbox.hubspot.records.linked("deals", deal, "line_items")
        self.hubspot("PATCH", f"line_items/{line}", {"properties": {"price": price}})

    def pay(self, amount: int, description: str, entity: str, currency: str = "") -> str:
        """Pay by card, in cents, in the entity's own currency or another; return the id of the payment intent."""
        currency = currency or {"uk": "gbp", "us": "usd"}[entity]
        given = {"amount": amount, "currency": currency, "payment_method": "pm_card_visa", "confirm": "true",
                 "description": description}  # fmt: skip
        made = self.call("POST", "stripe/v1/payment_intents", f"sk_test_sandbox_{entity}", data=given)
        return str(made["id"])

    def give_back(self, intent: str, amount: int, entity: str) -> None:
        """Refund a part of a payment, in cents."""
        given = {"payment_intent": intent, "amount": amount}
        self.call("POST", "stripe/v1/refunds", f"sk_test_sandbox_{entity}", data=given)

    def offer_pages(self) -> None:
        """Let the invoices of every legal entity be paid on a page of its payment provider."""
        text = self.file.read_text(encoding="utf-8")
        for entity in ("us", "uk"):
            table = f"[entities.{entity}]\n"
            text = text.replace(table, f'{table}payment_pages = "stripe_{entity}"\n')
        self.file.write_text(text, encoding="utf-8")
        self.config = app.load_config(self.file)

    def pages(self, entity: str) -> list[dict[str, Any]]:
        """Return the payment links at Stripe that take a payment."""
        links = self.sandbox.stripe.accounts[entity].objects["payment_link"].values()
        sold = [(one, one["restrictions"]["completed_sessions"]) for one in links]
        return [one for one, sessions in sold if one["active"] and sessions["count"] < sessions["limit"]]

    def dispute(self, intent: str, entity: str) -> None:
        """The payer wants the money of a payment back."""
        account = self.sandbox.stripe.accounts[entity]
        (charge,) = [one for one in account.objects["charge"].values() if one["payment_intent"] == intent]
        account.dispute(f"dispute {intent}", charge, int(self.sandbox.clock.tick().timestamp()))

    def decide(self, code: str, choose: Callable[[Store, review.Item], str]) -> None:
        """Decide every item of a code as a person does; ``choose`` returns the action, nothing where it stays open."""
        with Store(self.store) as store:
            for item in review.open_items(store):
                if item.code == code and (action := choose(store, item)):
                    decide(store, audit.Actor("person", self.now()), item.id, action, "as agreed")

    def credit(self, number: str, net: int) -> None:
        """Give a credit note of so many whole units against an invoice."""
        with Store(self.store) as store, self.process() as world:
            row = credits.find(store, number)
            credits.give(store, world, audit.Actor("person", self.now()), row, Wish(net=Decimal(net)), "agreed")

    def void(self, number: str) -> None:
        """Void an invoice that nobody has seen yet, as the command line does."""
        with Store(self.store) as store, self.process() as world:
            voiding.void(store, world, audit.Actor("person", self.now()), credits.find(store, number), "by mistake")

    # ------------------------------------------------------------------------------------------------- what the jobs do

    @contextmanager
    def process(self, *, elsewhere: bool = False) -> Iterator[World]:
        """Run a process of the service: it knows nothing that is not in the store.

        One of another machine (``elsewhere``) cannot be seen to be dead: its leases must run out.
        """
        self.processes += 1
        name = f"{'elsewhere' if elsewhere else socket.gethostname()}:{(1 << 22) + self.processes}"  # surely not there
        real = Smtp.send

        def send(smtp: Smtp, mail: Any) -> str:
            self.steps.at("mail", after=False)
            answer = real(smtp, mail)
            self.steps.at("mail", after=True)
            return answer

        self.steps.running, self.steps.seen = True, []
        try:
            with patch("sync.run.holder", lambda: name), patch.object(Smtp, "send", send):
                yield World(self)
        finally:
            self.steps.running = False

    def sync(self, *jobs: str, tries: int = 20) -> list[Any]:
        """Run jobs (all when none is named) in a process; where it dies another begins anew. Returns the results."""
        for _ in range(tries):
            try:
                with self.process() as world:
                    results, _ = app.run_jobs(self.config, jobs, world=world)
            except Crash:
                self.crashes += 1
                self.time.sleep(60)
                continue
            self.changed = any(one.changed for one in results)
            return results
        raise AssertionError("the process died again and again")

    def heal(self) -> float:
        """Let no more faults happen and go on by the jobs' cadence; return after how many minutes all was at rest.

        Infinite when it never is.
        """
        self.faults.ordered.clear()
        self.faults.random = lambda vendor, method, path: None
        self.faults.outage, self.steps.deaths, self.steps.dies_at = 0.0, [], lambda step: False
        passed = 0.0
        for minutes in CADENCE:
            results = self.sync()
            if not self.changed and {one.outcome for one in results} == {"done"} and not self.unsure():
                return passed
            self.time.sleep(minutes * 60)
            passed += minutes
        return math.inf

    def unsure(self) -> int:
        """Return how many calls are under way or in doubt."""
        with Store(self.store) as store:
            sql = "SELECT count(*) FROM outbox WHERE state IN ('sending', 'uncertain', 'new')"
            return int(store.one(sql))

    # ------------------------------------------------------------------------------------------------- what came of it

    def judge(self, *, expected: bool = True) -> Verdict:
        """Let the company come to rest and count. ``expected``: what must have been billed is known."""
        verdict = Verdict(minutes=self.heal())
        if math.isinf(verdict.minutes):
            verdict.wrong.append("it does not come to rest within a day")
        with Store(self.store) as store:
            _count_documents(self, store, verdict)
            _count_payments(self, store, verdict)
            _count_entries(self, store, verdict)
            _count_pages(self, store, verdict)
            _count_given_back(self, store, verdict)
            _count_mails(self, store, verdict)
            if expected:
                count_billed(self, store, verdict)
            if (problem := audit.verify(store)) is not None:
                verdict.wrong.append(problem)
            verdict.wrong += [one.message for one in review.open_items(store) if one.code == "books_differ"]
        if unsure := self.unsure():
            verdict.wrong.append(f"{unsure} calls whose outcome is not known")
        self.check(verdict)
        return verdict

    def check(self, verdict: Verdict) -> None:
        """Let the self check look at everything."""
        with self.process() as world:
            results, _ = app.run_jobs(self.config, steps=[everything()], world=world)
        verdict.wrong += [f"self check: {one.message}" for one in results if one.outcome != "done"]
        with Store(self.store) as store:
            verdict.wrong += [f"self check: {one.message}" for one in review.of_job(store, "selfcheck")]


def _count_documents(company: Company, store: Store, verdict: Verdict) -> None:
    """Each issued document stands once in the books, for the same amount."""
    there = company.there.documents()
    numbers = Counter(number for number, _, _ in there)
    verdict.duplicates += company.there.customers_twice()
    verdict.duplicates += sum(count - 1 for count in numbers.values())
    by_number = {number: (currency, total) for number, currency, total in there}
    for row in invoices.issued(store):
        found = by_number.get(str(row.number))
        if row.status == "voided":
            continue
        if found is None:
            if not _waits(store, row.id):
                verdict.lost += 1
                verdict.wrong.append(f"{row.number} is not in the books")
        else:
            verdict.cents += abs(int((found[1] - to_decimal(row.total, row.currency)) * 100))
    left = company.there.open()
    for row in invoices.issued(store):
        if row.type == "invoice" and row.status == "issued" and (there_open := left.get(str(row.number))) is not None:
            verdict.cents += abs(int((there_open - to_decimal(row.open, row.currency)) * 100))
    ours = {row.number for row in invoices.issued(store)}
    strangers = [number for number in numbers if number not in ours]
    verdict.wrong += [f"{number} is in the books and not ours" for number in strangers]


def _waits(store: Store, document_id: int) -> bool:
    return bool(store.one("SELECT 1 FROM outbox WHERE kind='document' AND our_id=? AND state='parked'", document_id))


def _count_payments(company: Company, store: Store, verdict: Verdict) -> None:
    """Every cent that came in is known here, and what is applied here is posted once for the same amount."""
    rows = cash.payments(store)
    known = {row.vendor_id: row.amount for row in rows if row.is_received}
    charges = {item["id"]: int(item["amount"]) for item in company.sandbox.stripe.state()["charges"]}
    verdict.lost += len(charges.keys() - known.keys())
    verdict.cents += sum(abs(charges.get(key, 0) - known.get(key, 0)) for key in {*charges, *known})
    posted = company.there.payments()
    verdict.duplicates += sum(count - 1 for count in Counter((key, number) for key, number, _ in posted).values())
    verdict.duplicates += sum(count - 1 for key, count in company.there.on_account().items() if key)
    numbers = {row.id: str(row.number) for row in invoices.issued(store)}
    received = {row.id: row for row in rows if row.is_received}
    applied = {
        (received[part.payment_id].vendor_id[-21:], numbers[part.document_id]): part.amount
        for part in cash.applications(store)
        if part.payment_id in received and part.document_id is not None
    }
    ours = {key for key, _ in applied}
    there = {(key, number): int(amount * 100) for key, number, amount in posted if key in ours}
    for key in {*applied, *there}:
        if applied.get(key, 0) != there.get(key, 0):
            verdict.cents += abs(applied.get(key, 0) - there.get(key, 0))
            verdict.wrong.append(f"{key}: {there.get(key, 0)} posted, {applied.get(key, 0)} applied")


_REFUND = re.compile(r"R\d+\.(.+)")  # the key of a refund, with the tail of its payment's id
ENTRIES = ("refund", "payout_fee", "payout_other", "payout", "payout_back", "exchanged_out", "exchanged_in")


def _count_entries(company: Company, store: Store, verdict: Verdict) -> None:
    """Each refund, fee, exchange and payout that is known to be booked stands once, for the same amount, and no other.

    A refund that was taken back stands no more.
    """
    marks = ", ".join("?" * len(ENTRIES))
    rows = store.tuples(
        f"SELECT payload, state FROM outbox o WHERE kind IN ({marks}) AND NOT (kind='refund' AND EXISTS"
        " (SELECT 1 FROM outbox v WHERE v.kind='refund_void' AND v.our_id=o.our_id AND v.state='done'))",
        *ENTRIES,
    )
    drafts = [(json.loads(payload), state) for payload, state in rows]
    known = Counter(
        (one["key"], abs(to_decimal(one["amount"], one["currency"]))) for one, state in drafts if state == "done"
    )
    there = company.there.entries()
    once = Counter[tuple[str, Decimal]]()  # no story gives the same amount of a payment back twice
    for (key, amount), count in there.items():
        once[key.rpartition(".")[2], amount] += count
    verdict.duplicates += sum(count - 1 for count in once.values())
    verdict.lost += sum(known[one] > there[one] for one in known)
    verdict.wrong += [f"{key} over {amount} is in the books and not ours" for key, amount in there.keys() - known]


def _count_given_back(company: Company, store: Store, verdict: Verdict) -> None:
    """No more of a payment that stands is given back in the books than at its provider.

    It may be less: what was given back before the payment was booked is never booked at all.
    """
    there = [(match[1], int(amount * 100) * count) for (key, amount), count in company.there.entries().items()
             if (match := _REFUND.match(key))]  # fmt: skip
    charges = {one["id"]: int(one["amount_refunded"]) for one in company.sandbox.stripe.state()["charges"]}
    for row in cash.payments(store):
        booked = sum(amount for tail, amount in there if row.vendor_id.endswith(tail))
        wanted = charges.get(row.vendor_id, 0)
        if row.is_received and booked > wanted:
            verdict.cents += booked - wanted
            verdict.wrong.append(
                f"{booked} of {row.vendor_id} are given back in the books and {wanted} at its provider"
            )


def _count_pages(company: Company, store: Store, verdict: Verdict) -> None:
    """Each open invoice can be paid on one page for just what is open, and no other can."""
    for entity in (one for one in company.config.entities.values() if one.payment_pages):
        account = company.sandbox.stripe.accounts[entity.key]
        worth = {key: account.objects["price"][price]["unit_amount"] for key, price in account.priced.items()}
        found = [(one["payment_intent_data"]["metadata"], one["id"]) for one in company.pages(entity.key)]
        there = Counter((data["invoice_number"], worth[id_]) for data, id_ in found)
        verdict.duplicates += sum(count - 1 for count in there.values())
        asked = {
            (str(row.number), row.open)
            for row in invoices.issued(store)
            if row.entity == entity.key and row.type == "invoice" and row.status == "issued" and row.open
        }
        under_way = {row.id for row in cash.payments(store) if row.status == "processing"}
        verdict.wrong += [f"{number} can be paid with {amount}" for number, amount in there.keys() - asked]
        if not under_way:
            verdict.wrong += [f"{number} over {amount} has no page" for number, amount in asked - there.keys()]


def _count_mails(company: Company, store: Store, verdict: Verdict) -> None:
    """Each document went out once; where nobody knows, a person was asked."""
    sent = Counter(str(mail.message["Message-ID"]) for mail in company.mailbox.caught)
    verdict.duplicates += sum(count - 1 for count in sent.values())
    for row in invoices.issued(store):
        if row.status == "issued" and not store.one("SELECT 1 FROM mails WHERE document_id=?", row.id):
            verdict.lost += not _waits(store, row.id)


def count_billed(company: Company, store: Store, verdict: Verdict) -> None:
    """Every deal is a contract, and what was billed in all is what the company expects."""
    verdict.lost += max(0, company.contract_count - len(contracts.keys(store)))
    billed: Counter[str] = Counter()
    for row in invoices.issued(store):
        if row.status == "issued":
            billed[row.currency] += row.total if row.type == "invoice" else -row.total
    for key in {*billed, *company.expected}:
        if billed[key] != company.expected[key]:
            verdict.cents += abs(billed[key] - company.expected[key])
            verdict.wrong.append(f"{billed[key]} {key} billed instead of {company.expected[key]}")
