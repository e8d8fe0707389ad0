"""Issued documents -> customers: each is mailed once, by us or by the ledger, after the books have it."""

from __future__ import annotations

from billing.customer import Customer
from connectors.base import Accounting, Attachment, Mail, Ref
from connectors.errors import Refused
from documents import mails
from store import links, mail, selfcheck
from store.mail import INVOICE, Booked
from store.review import Finding
from sync import mailing
from sync.context import Context, Entity, Source
from sync.unchanged import unless_same

READ = ("documents", "links", "mails", "customers", "contracts", "outbox", "checked", "books")


def run(context: Context) -> None:
    """Deliver what is in the books and was not delivered yet, as each customer wants it."""
    with context.store.transaction():
        mail.recover(context.store, [INVOICE])
    for entity, source in context.ledgers():
        used = mailing.mailer(context, entity)
        unless_same(
            context, f"{entity.key} by {source.name}", READ, used,
            _Round(context, entity, source).run,
        )  # fmt: skip
    mailing.report_doubtful(context, [INVOICE])


class _Round:
    """One legal entity's documents of this run."""

    def __init__(self, context: Context, entity: Entity, ledger: Source) -> None:
        self.context = context
        self.entity = entity
        self.ledger = ledger
        self.mailer = mailing.mailer(context, entity)
        self.all_printed = True

    def run(self) -> bool:
        """Send everything; a connection that fails keeps back only what needs it.

        Returns whether the books printed whatever they were asked for, and no payment page was waited for.
        """
        store = self.context.store
        customers = links.customers(store)
        without_address: dict[int, list[str]] = {}
        without_mailer = 0
        waiting = mail.undelivered(store, self.entity.key, self.ledger.name, self.entity.deliver_from)
        doubted = selfcheck.held(store, "document")
        for done, row in enumerate(waiting, 1):
            customer = mailing.addressee(store, row, customers[row.customer_id].customer)
            how = mailing.delivery(self.entity, customer)
            if how == "none" or str(row.id) in doubted:
                continue
            if not customer.email:
                without_address.setdefault(row.customer_id, []).append(row.name)
            elif how == "netterms" and self.mailer is None:
                without_mailer += 1
            elif how == "netterms" and mailing.awaits_page(store, self.entity, row):
                self.all_printed = False  # it goes out as soon as the page is there
            elif not mailing.was_refused(mail.rows_of(store, [row.id])[row.id], INVOICE, customer.email):
                self._send(row, customer, by_ledger=how == "ledger")
            self.context.progress(done, len(waiting))
        for customer_id, numbers in without_address.items():
            mailing.report_no_address(self.context, customers[customer_id], numbers)
        if without_mailer:
            mailing.report_no_mailer(self.context, self.entity, without_mailer)
        return self.all_printed

    def _send(self, row: Booked, customer: Customer, *, by_ledger: bool) -> None:
        if by_ledger:
            self._by_ledger(row, customer)
        elif self.mailer is not None:
            self._by_us(row, customer, self.mailer)

    def _by_ledger(self, row: Booked, customer: Customer) -> None:
        if self.ledger.name in self.context.failures:
            return
        with self.context.using(self.ledger.name) as books:
            key = self.context.world.new_key()

            def send() -> str:
                books.send(Ref(id=row.vendor_id), row.type, customer.email, key)
                return f"handed to {self.ledger.name}"

            if mailing.hand_over(self.context, [(row, INVOICE)], customer.email, "ledger", send):
                self.context.count("documents mailed by the ledger")

    def _by_us(self, row: Booked, customer: Customer, mailer: Source) -> None:
        if {self.ledger.name, mailer.name} & self.context.failures.keys():
            return
        message: Mail | None = None
        with self.context.using(self.ledger.name) as books:
            message = self._message(books, row, customer)
        if message is None:
            return
        ready = message
        with self.context.using(mailer.name) as server:
            if mailing.hand_over(
                self.context, [(row, INVOICE)], customer.email, "netterms", lambda: str(server.send(ready))
            ):
                self.context.count("documents mailed")

    def _message(self, books: Accounting, row: Booked, customer: Customer) -> Mail | None:
        """Return the mail with the ledger's own document; None, with a review item, where the ledger has none."""
        ref = Ref(id=row.vendor_id)
        try:
            content = books.pdf(ref, row.type)
            link = (
                mailing.pay_link(self.context.store, self.entity, books, row)
                if row.type == "invoice" and row.open
                else ""
            )
        except Refused as error:
            self._not_printed(row, str(error))
            return None
        item = mails.Item(
            number=row.name, currency=row.currency, amount=row.total, due_on=row.due_on, link=link, is_paid=not row.open
        )
        write = mails.invoice if row.type == "invoice" else mails.credit_note
        text = write(self.entity.name, customer.contact_name or customer.name, item)
        return Mail(
            message_id=mailing.message_id([(row, INVOICE)], customer.email),
            recipient=customer.email,
            recipient_name=customer.contact_name or customer.name,
            sender_name=self.entity.name,
            subject=text.subject,
            text=text.body,
            sent_at=self.context.world.now(),
            attachments=(Attachment(name=f"{row.name}.pdf", content=content),) if content else (),
        )

    def _not_printed(self, row: Booked, problem: str) -> None:
        self.all_printed = False
        self.context.find(
            Finding(
                code="document_not_printed",
                subject=f"document:{row.id}",
                message=f"{row.name} is not mailed: {self.ledger.name} does not print it: {problem}",
                fix="see whether it is still there; it is mailed as soon as the books print it",
            )
        )
