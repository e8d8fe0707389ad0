"""A bench whose ledger prints and mails, and whose mail server fails to order: for tests of the two mail jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec

from connectors.base import DocumentType, LedgerChanges, LedgerDocument, LedgerPayment, Mail, Probe, Ref
from connectors.errors import ConnectorError, OutcomeUnknown
from store import cash, invoices, links
from store.database import Store
from store.invoices import DocumentRow
from sync.context import Source
from sync.decide import decide
from sync.jobs import Job, select
from sync.run import Result, run_job
from tests.store import build
from tests.worlds import NOBODY, TODAY, Bench, Books

UK = "books_uk"
LOST = OutcomeUnknown("the answer was lost")


class Killed(BaseException):
    """The process died here."""


class PostBox:
    """A mail server in memory (``connectors.base.Mailer``). ``acts`` are what happens to the next mails."""

    def __init__(self) -> None:
        self.accepted: list[Mail] = []
        self.acts: list[Callable[[PostBox, Mail], str]] = []
        self.attempts: list[Mail] = []

    @property
    def tried(self) -> int:
        """How many mails were handed over, taken or not."""
        return len(self.attempts)

    def probe(self) -> Probe:
        """Say that it works."""
        return Probe(account_name="in memory")

    def send(self, mail: Mail) -> str:
        """Do what was ordered for this mail, else accept it."""
        self.attempts.append(mail)
        return self.acts.pop(0)(self, mail) if self.acts else self.take(mail)

    def take(self, mail: Mail) -> str:
        """Accept a mail."""
        self.accepted.append(mail)
        return f"250 kept {len(self.accepted)}"


def fails(error: BaseException, *, after: bool = False) -> Callable[[PostBox, Mail], str]:
    """Fail with ``error``, before or after the mail was taken."""

    def act(box: PostBox, mail: Mail) -> str:
        if after:
            box.take(mail)
        raise error

    return act


class PrintingBooks(Books):
    """A ledger in memory that prints, mails and tells balances. ``down`` is raised by every call."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, LedgerDocument] = {}
        self.typed: dict[str, LedgerPayment] = {}
        self.sent: list[tuple[str, str, str]] = []
        self.down: BaseException | None = None
        self.refuses: ConnectorError | None = None

    def _up(self) -> None:
        if self.down is not None:
            raise self.down

    def changes(self, since: datetime | None) -> LedgerChanges:
        """Return every document and payment as it is now."""
        self._up()
        return LedgerChanges(documents=tuple(self.kept.values()), payments=tuple(self.typed.values()), cursor=None)

    def pdf(self, document: Ref, kind: DocumentType) -> bytes:
        """Print a document."""
        self._up()
        if self.refuses is not None:
            raise self.refuses
        return f"%PDF {kind} {document.id}".encode()

    def payment_link(self, document: Ref) -> str:
        """Return where a document can be paid."""
        self._up()
        return f"https://books.example/{document.id}"

    def send(self, document: Ref, kind: DocumentType, email: str, key: str) -> None:
        """Mail a document."""
        self._up()
        if self.refuses is not None:
            raise self.refuses
        self.sent.append((document.id, kind, email))

    def put_document(self, row: DocumentRow, vendor_id: str, customer: str) -> None:
        """Hold a document of ours."""
        self.kept[vendor_id] = LedgerDocument(
            ref=Ref(id=vendor_id), number=str(row.number), type=row.type, status="open", customer_id=customer,
            currency=row.currency, total=row.total, tax=row.tax, balance=row.total,
        )  # fmt: skip

    def type_payment(self, vendor_id: str, amount: int, status: Any = "active") -> None:
        """Type a payment of a document in, or change the one there is."""
        left = self.kept[vendor_id].total - (amount if status == "active" else 0)
        self.typed["typed"] = LedgerPayment(
            ref=Ref(id="typed"), currency="GBP", amount=amount, applied={vendor_id: amount}, status=status
        )
        self.settle(vendor_id, left)

    def settle(self, vendor_id: str, balance: int, status: str = "") -> None:
        """Change what is open of a document, or its status."""
        known = self.kept[vendor_id]
        changed: Any = status or ("open" if balance else "paid")
        self.kept[vendor_id] = msgspec.structs.replace(known, balance=balance, status=changed)


class MailBench(Bench):
    """Customers A, B ... of ``uk``, whose documents appear in the books when the test says so. It is noon in London."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.moment = datetime.combine(TODAY, time(11), UTC)
        self.box = PostBox()
        self.printing = PrintingBooks()
        self.books[UK] = self.printing
        self.sources = (*self.sources, Source(name="mail", vendor="smtp", role="mail", entity=""))
        self.change("uk", delivery="netterms")
        self._open = Store(self.database)
        self._open.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug in a test, and syncing takes its time
        self._customers: dict[str, int] = {}

    def change(self, entity: str, **changes: Any) -> None:
        """Configure an entity differently."""
        self.entities[entity] = msgspec.structs.replace(self.entities[entity], **changes)

    def close(self) -> None:
        """Close the store."""
        self._open.close()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Give the one store that stays open."""
        yield self._open

    def now(self) -> datetime:
        """Return the moment the test has come to."""
        return self.moment

    def connector(self, name: str) -> Any:
        """Return the mail server or one of the ledgers."""
        return self.box if name == "mail" else self.books[name]

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**span)
        self.today = self.moment.date()

    def run(self, *jobs: str) -> dict[str, Result]:
        """Run jobs in their order; return their results by name."""
        return {job.name: self.run_one(job) for job in select(jobs)}

    def run_one(self, job: Job) -> Result:
        """Run one job."""
        return run_job(job, self._open, self, lambda done, total: None)

    # ------------------------------------------------------------------------------------------------- what there is

    def issue(
        self, key: str, amount: int = 100_00, *, due_in: int = 30, kind: Any = "invoice", booked: bool = True
    ) -> DocumentRow:
        """Issue a document of customer ``key``, in the books unless said otherwise."""
        store = self._open
        contract = f"{key}{len(invoices.issued(store)) + 1}"
        self._contract(key, contract)
        day = self.moment.date()
        wanted = build.draft(
            amount, key=contract, currency="GBP", on=day, kind=kind, start=day.replace(day=1).isoformat()
        )
        wanted = msgspec.structs.replace(wanted, due_on=day + timedelta(days=due_in))
        with store.transaction():
            invoices.save_drafts(
                store, NOBODY, entity="uk", contract=contract, customer_id=self._customers[key], wanted=[wanted]
            )
            (row,) = [row for row in invoices.drafts(store) if row.contract == contract]
            invoices.issue(store, NOBODY, row, wanted, invoices.take_number(store, "uk", "UK-", 5))
        if booked:
            self.book(invoices.get(store, row.id))
        return invoices.get(store, row.id)

    def _contract(self, key: str, contract: str) -> None:
        """Agree a contract of customer ``key``; all of a customer's contracts are with one customer."""
        self.contract(contract)
        store = self._open
        own = int(store.one("SELECT customer_id FROM contracts WHERE key=?", contract))
        first = self._customers.setdefault(key, own)
        store.execute("UPDATE contracts SET customer_id=? WHERE key=?", first, contract)
        store.execute("UPDATE customers SET data=json_set(data, '$.name', ?) WHERE id=?", f"Customer {key}", first)
        store.execute("UPDATE customers SET data=json_set(data, '$.email', ?) WHERE id=? AND data ->> 'email' LIKE ?",
                      f"ap@{key.lower()}.example", first, f"%{contract.lower()}.example")  # fmt: skip

    def customer_is(self, key: str, **facts: str) -> None:
        """Change a customer's facts, as the CRM would."""
        with self._open.transaction():
            row = links.customers(self._open)[self._customers[key]]
            links.save_customer(self._open, NOBODY, row.crm, row.crm_id, msgspec.structs.replace(row.customer, **facts))

    def contact_is(self, row: DocumentRow, **contact: str) -> None:
        """Let the contract of a document name who gets its invoices."""
        with self._open.transaction():
            sql = "UPDATE contracts SET terms=json_set(terms, '$.billing_contact', json(?)) WHERE key=?"
            self._open.execute(sql, msgspec.json.encode(contact).decode(), row.contract)

    def book(self, row: DocumentRow) -> None:
        """Let a document be in the books."""
        self.printing.put_document(row, f"L{row.id}", f"C{row.customer_id}")
        with self._open.transaction():
            links.save_link(self._open, UK, "document", f"L{row.id}", row.id)
            links.save_link(self._open, UK, "customer", f"C{row.customer_id}", row.customer_id, currency="GBP")

    def pay(self, row: DocumentRow, amount: int, *, in_books: bool = True, disputed: bool = False) -> None:
        """Let money for a document be matched here, and stand in the books as well."""
        payment = self.receive(row, amount)
        with self._open.transaction():
            cash.apply(self._open, NOBODY, cash.get(self._open, payment), [(row.id, amount)], "test")
            if disputed:
                sql = "UPDATE payments SET data=replace(data, '\"disputed\":false', '\"disputed\":true') WHERE id=?"
                self._open.execute(sql, payment)
        if in_books:
            self.printing.settle(f"L{row.id}", self.printing.kept[f"L{row.id}"].balance - amount)

    def receive(self, row: DocumentRow, amount: int, *, status: str = "succeeded", scope: str = "in") -> int:
        """Let money of a document's customer come in; return the payment's id."""
        store = self._open
        count = len(cash.payments(store)) + 1
        data = {"id": f"ch_{count}", "amount": amount, "currency": "GBP", "status": status, "disputed": False,
                "received_at": self.moment}  # fmt: skip
        with store.transaction():
            cash.save_payment(
                store, NOBODY, connection="stripe_uk", vendor_id=f"ch_{count}", digest=str(count), entity="uk",
                currency="GBP", amount=amount, refunded=0, status=status, received_on=self.today.isoformat(),
                customer_id=row.customer_id, data=cash.payment_data(data),
            )  # fmt: skip
            store.execute("UPDATE payments SET scope=? WHERE vendor_id=?", scope, f"ch_{count}")
        found = cash.by_vendor(store, "stripe_uk", f"ch_{count}")
        assert found is not None
        return found.id

    def decide_item(self, item_id: int, action: str) -> None:
        """Decide a review item."""
        decide(self._open, NOBODY, item_id, action, "a test wants it")

    def mailed(self) -> list[tuple[str, str]]:
        """Return (recipient, subject) of every mail that was accepted."""
        return [(mail.recipient, mail.subject) for mail in self.box.accepted]
