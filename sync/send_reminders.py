"""Overdue invoices -> reminders: each step once, to nobody who may not owe, one mail per customer, address and day."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from billing import dunning
from billing.customer import Customer
from billing.dunning import STEPS, Reason, Standing, Step
from billing.money import display
from connectors.base import LedgerDocument, Mail, ReceivedPayment
from documents import mails
from store import cash, ledger, links, mail, runs, selfcheck
from store.links import CustomerRow
from store.mail import INVOICE, Booked, MailRow
from store.review import Finding
from sync import mailing
from sync.context import Context, Entity, Source
from sync.payers import Payers

FRESH = timedelta(hours=24)  # how old the reading of the ledger's balances may be
Money = Counter[tuple[int, str]]  # minor units by customer and currency


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that has reached a step. ``owed`` is what to ask for, in minor units."""

    row: Booked
    step: Step
    owed: int


class _To(NamedTuple):
    """Whom a reminder goes to: a customer, and the address for the contract concerned."""

    customer_id: int
    email: str


def run(context: Context) -> None:
    """Remind of what is overdue, in each legal entity's own zone and after its hour of sending."""
    with context.store.transaction():
        mail.recover(context.store, STEPS)
    disputed = mail.disputed(context.store)
    for entity, source in context.ledgers():
        if entity.reminder_days:
            _Round(context, entity, source, disputed).run()
    mailing.report_doubtful(context, STEPS)


class _Round:
    """One legal entity's reminders of this run."""

    def __init__(self, context: Context, entity: Entity, ledger_source: Source, disputed: set[int]) -> None:
        self.context = context
        self.entity = entity
        self.ledger = ledger_source
        self.disputed = disputed
        self.parked = mail.parked(context.store) | {int(one) for one in selfcheck.held(context.store, "document")}
        self.customers: dict[int, CustomerRow] = {}
        self.today = context.today(entity.key)
        read = runs.last_read(context.store, "pull_ledger", ledger_source.name)
        self.fresh = read is not None and context.world.now() - read <= FRESH

    def run(self) -> None:
        """Decide on every overdue invoice, then send when the hour has come."""
        due: dict[_To, list[Due]] = defaultdict(list)
        stale = 0
        for row, standing in self._standings():
            step, reason = dunning.due_step(standing, self.today, self.entity.reminder_days)
            if step is not None:
                to = _To(row.customer_id, self._addressee(row).email)
                due[to].append(Due(row=row, step=step, owed=dunning.owed(standing)))
            elif reason is not None:
                stale += reason == "stale"
                self._report(row, standing, reason)
        if stale:
            self.context.message = "; ".join(filter(None, [self.context.message, self._stale(stale)]))
        self._send(due)

    def _stale(self, count: int) -> str:
        return f"{count} reminder(s) wait until {self.ledger.name} has been read again"

    # ------------------------------------------------------------------------------------------------ what is known

    def _standings(self) -> list[tuple[Booked, Standing]]:
        rows = mail.overdue(self.context.store, self.entity.key, self.ledger.name, self.today)
        if not rows:
            return []
        self.customers = links.customers_among(self.context.store, {row.customer_id for row in rows})
        balances, waiting = self._books(rows)
        waiting += self._unapplied()
        mailed = mail.rows_of(self.context.store, [row.id for row in rows])
        return [(row, self._standing(row, balances, waiting, mailed[row.id])) for row in rows]

    def _standing(self, row: Booked, balances: dict[str, int], waiting: Money, mailed: list[MailRow]) -> Standing:
        customer = self._addressee(row)
        return Standing(
            due_on=row.due_on,
            open=row.open,
            books_open=balances.get(row.vendor_id),
            fresh=self.fresh,
            delivered_on=self._delivered_on(mailed),
            wanted=mailing.delivery(self.entity, customer) != "none",
            disputed=row.id in self.disputed,
            parked=row.id in self.parked,
            cash=waiting[row.customer_id, row.currency],
            sent=frozenset(one.step for one in mailed if _counts(one, customer.email)),
        )

    def _addressee(self, row: Booked) -> Customer:
        return mailing.addressee(self.context.store, row, self.customers[row.customer_id].customer)

    def _delivered_on(self, mailed: list[MailRow]) -> date | None:
        """Return the day, in the entity's zone, on which an invoice was mailed."""
        zone = ZoneInfo(self.entity.timezone)
        days = [one.at.astimezone(zone).date() for one in mailed if (one.step, one.state) == (INVOICE, "sent")]
        return min(days, default=None)

    def _books(self, rows: list[Booked]) -> tuple[dict[str, int], Money]:
        """Return what was open of each invoice in the books, and the credit that customers have there."""
        store, name = self.context.store, self.ledger.name
        balances: dict[str, int] = {}
        for row in rows:
            found = ledger.get(store, name, "document", row.vendor_id, LedgerDocument)
            if found is not None and found.type == "invoice":
                balances[row.vendor_id] = found.balance if found.status in ("open", "paid") else 0
        credit: Money = Counter()
        for customer_id, currency, amount in ledger.open_credit(store, name):
            credit[customer_id, currency] += amount
        return balances, credit

    def _unapplied(self) -> Money:
        """Return the customers' money that no invoice is known for, debits that are still on their way included."""
        payers: Payers | None = None  # reading all customers is worth it only for money of whom nobody knows
        waiting: Money = Counter()
        for row in cash.unused(self.context.store, self.entity.key):
            customer_id = row.customer_id
            if customer_id is None and row.is_received:
                payers = payers or Payers(self.context.store)
                customer_id = payers.customer(row.connection, row.payment(ReceivedPayment))
            if customer_id is not None:
                waiting[customer_id, row.currency] += row.amount - row.refunded + row.from_credit - row.applied
        return waiting

    # ------------------------------------------------------------------------------------------------- review items

    def _report(self, row: Booked, standing: Standing, reason: Reason) -> None:
        """Say what a person should know: money that could settle the invoice, and that reminding did not help."""
        name = self.customers[row.customer_id].customer.name
        if reason == "cash_waiting":
            message = f"{display(standing.cash, row.currency)} of {name} is not applied"
            self._find(
                row, "reminder_held", f"{row.name} is overdue but nobody is reminded: {message}",
                "apply the money or the credit (see the unapplied payments), or: disputed",
            )  # fmt: skip
        elif reason == "finished":
            owed = display(dunning.owed(standing), row.currency)
            self._find(
                row, "reminders_used_up", f"{row.name}: {owed} of {name} is overdue after the last reminder",
                "call the customer; disputed: if there is a reason not to pay",
            )  # fmt: skip

    def _find(self, row: Booked, code: str, message: str, fix: str) -> None:
        actions = ("disputed", "dismiss")
        self.context.find(Finding(code=code, subject=f"document:{row.id}", message=message, fix=fix, actions=actions))

    # ------------------------------------------------------------------------------------------------------- sending

    def _send(self, due: dict[_To, list[Due]]) -> None:
        reachable = {}
        for to, items in due.items():
            if to.email:
                reachable[to] = items
            else:
                mailing.report_no_address(
                    self.context, self.customers[to.customer_id], [f"a reminder of {item.row.name}" for item in items]
                )
        server = mailing.mailer(self.context, self.entity)
        if reachable and server is None:
            mailing.report_no_mailer(self.context, self.entity, len(reachable))
        zone = ZoneInfo(self.entity.timezone)
        if server is None or self.context.world.now().astimezone(zone).hour < self.entity.send_hour:
            return
        midnight = datetime.combine(self.today, time(), zone).astimezone(UTC)
        reminded = mail.reminded_since(self.context.store, self.entity.key, midnight)
        for done, (to, items) in enumerate(reachable.items(), 1):
            if to not in reminded and not {self.ledger.name, server.name} & self.context.failures.keys():
                self._remind(items, server)
            self.context.progress(done, len(reachable))

    def _remind(self, items: list[Due], server: Source) -> None:
        """Send one mail about everything that is due of a customer at an address, in the tone of the firmest."""
        customer = self._addressee(items[0].row)
        paid_at: list[str] | None = None
        with self.context.using(self.ledger.name) as books:
            paid_at = [mailing.pay_link(self.context.store, self.entity, books, item.row) for item in items]
        if paid_at is None:
            return
        listed = [
            mails.Item(
                number=item.row.name, currency=item.row.currency, amount=item.owed, due_on=item.row.due_on, link=link
            )
            for item, link in zip(items, paid_at, strict=True)
        ]
        tone = mails.firmest([item.step for item in items])
        text = mails.reminder(tone, self.entity.name, customer.contact_name or customer.name, listed, self.today)
        parts = [(item.row, item.step) for item in items]
        message = Mail(
            message_id=mailing.message_id(parts, customer.email),
            recipient=customer.email,
            recipient_name=customer.contact_name or customer.name,
            sender_name=self.entity.name,
            subject=text.subject,
            text=text.body,
            sent_at=self.context.world.now(),
        )
        with self.context.using(server.name) as mailer:
            if mailing.hand_over(self.context, parts, customer.email, "netterms", lambda: str(mailer.send(message))):
                self.context.count("reminders sent")


def _counts(row: MailRow, recipient: str) -> bool:
    """Say whether a step is over: it was sent or may have been, or this very address refused it."""
    if row.state == "refused":
        return row.recipient == recipient
    return row.state in ("sending", "sent", "uncertain")
