"""Random events at a real store with the real mail jobs, beside a plain model of what must come of them."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.base import Mail
from connectors.errors import Refused, Retryable
from store import mail
from store.invoices import DocumentRow
from store.mail import INVOICE
from tests.sync.mail_bench import LOST, Killed, MailBench, fails
from tests.worlds import NOBODY

DELIVER, READ, REMIND = "send_invoices", "pull_ledger", "send_reminders"
LONDON = ZoneInfo("Europe/London")
DAYS = {"friendly": 1, "firm": 7, "escalation": 14}
ORDER = list(DAYS)
TONES = {"Reminder:": "friendly", "Second": "firm", "Overdue:": "escalation"}


class Bill:
    """An invoice as the rules of reminding see it: written from the plan, not from the code."""

    def __init__(self, row: DocumentRow, customer: str) -> None:
        self.row, self.customer = row, customer
        self.open = self.books = row.total
        self.seen: int | None = None  # of the books, when they were last read
        self.booked = self.voided = self.voided_there = self.disputed = self.parked = False
        self.mails: dict[str, list[Any]] = {}  # step -> [sent, uncertain or refused, and when]

    def delivered(self) -> datetime | None:
        state, at = self.mails.get(INVOICE, ["", None])
        return at if state == "sent" else None


class Story:
    """Random events at a real store with the real jobs, and what must come of them."""

    def __init__(self, post: MailBench, seed: int) -> None:
        self.post, self.random = post, random.Random(seed)
        self.bills: list[Bill] = []
        self.waiting: Counter[str] = Counter()  # unapplied cash by customer
        self.read_at: datetime | None = None
        self.counts: Counter[str] = Counter()

    # ----------------------------------------------------------------------------------------------------- the model

    def must_remind(self) -> dict[str, dict[str, str]]:
        """Return customer -> invoice number -> step that a reminder must go out about now."""
        now = self.post.now().astimezone(LONDON)
        found: dict[str, dict[str, str]] = {}
        if now.hour < 9 or self.read_at is None or self.post.now() - self.read_at > timedelta(hours=24):
            return {}
        for bill in self.bills:
            step = self.step(bill, now.date())
            if step and not self.heard_today(bill.customer, now.date()):
                found.setdefault(bill.customer, {})[str(bill.row.number)] = step
        return found

    def step(self, bill: Bill, today: date) -> str:
        delivered = bill.delivered()
        if delivered is None or bill.voided or bill.disputed or bill.parked or bill.open <= 0 or not bill.seen:
            return ""
        if self.waiting[bill.customer] >= min(bill.open, bill.seen):
            return ""
        days = (today - max(bill.row.due_on, delivered.astimezone(LONDON).date())).days
        newest = [step for step, after in DAYS.items() if days >= after][-1:]
        later = [step for step in bill.mails if step != INVOICE and ORDER.index(step) >= ORDER.index(newest[0])] \
            if newest else []  # fmt: skip
        return newest[0] if newest and not later else ""

    def heard_today(self, customer: str, today: date) -> bool:
        return any(
            step != INVOICE and state != "refused" and at.astimezone(LONDON).date() == today
            for bill in self.bills if bill.customer == customer
            for step, (state, at) in bill.mails.items()
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------------- the events

    def play(self, events: int) -> None:
        names = [name.removeprefix("do_") for name in dir(self) if name.startswith("do_")]
        often = {
            "ordinary_day": 14,
            "day_with_news": 3,
            "park": 3,
            "remind": 4,
            "time": 5,
            "deliver": 4,
            "issue": 4,
            "decide": 2,
            "money_goes_back": 2,
        }
        rarely = {"dispute": 0.4, "void": 0.6, "money_comes": 0.4, "pay_in_books_only": 0.5}
        weights = [{**often, **rarely}.get(name, 1) for name in names]
        for name in ["issue", "issue", "issue", "deliver", *self.random.choices(names, weights, k=events)]:
            self.counts[name] += 1
            getattr(self, f"do_{name}")()

    def one(self, *, delivered: bool = False) -> Bill | None:
        known = [bill for bill in self.bills if not bill.voided_there and (bill.delivered() or not delivered)]
        return self.random.choice(known) if known else None

    def do_issue(self) -> None:
        customer = self.random.choice("AB")
        row = self.post.issue(customer, due_in=self.random.randint(0, 6), booked=False)
        self.bills.append(Bill(row, customer))
        if self.random.random() < 0.8:
            self.do_book()

    def do_book(self) -> None:
        for bill in self.bills:
            if not bill.booked:
                self.post.book(bill.row)
                bill.booked = True

    def do_time(self) -> None:
        hours = self.random.choice([1, 3, 10, 20, 24, 24, 24, 48, 72])
        self.post.wait(hours=hours)

    def do_ordinary_day(self) -> None:
        self.post.wait(hours=24)
        self.do_read()
        self.do_remind()

    def do_day_with_news(self) -> None:
        """A day on which what held reminders back is settled after the first of them went out."""
        self.do_ordinary_day()
        for bill in self.bills:
            self.set_parked(bill, False)
        self.do_money_goes_back()
        self.do_remind()

    def do_read(self) -> None:
        down = self.random.random() < 0.15
        self.post.printing.down = Retryable("down") if down else None
        at = self.post.now()
        self.post.run(READ)
        self.post.printing.down = None
        if down:
            return
        self.read_at = at
        for bill in self.bills:
            if bill.booked:
                bill.seen = bill.books
                bill.voided = bill.voided or bill.voided_there
                bill.open = 0 if bill.voided else bill.open

    def do_pay(self) -> None:
        bill = self.one()
        if bill is None or not bill.booked or bill.open <= 0 or bill.voided:
            return
        amount = self.random.choice([bill.open, bill.open, 10_00])
        disputed, posted = self.random.random() < 0.3, self.random.random() < 0.7 and bill.books >= amount
        if amount > bill.open:
            return
        self.post.pay(bill.row, amount, in_books=posted, disputed=disputed)
        bill.open -= amount
        bill.books -= amount if posted else 0
        bill.disputed = bill.disputed or disputed

    def do_pay_in_books_only(self) -> None:
        if (bill := self.one()) and bill.booked:
            bill.books = self.random.choice([0, bill.books // 2])
            self.post.printing.settle(f"L{bill.row.id}", bill.books)

    def do_void(self) -> None:
        if (bill := self.one()) and bill.booked and self.random.random() < 0.5:
            bill.voided_there, bill.books = True, 0
            self.post.printing.settle(f"L{bill.row.id}", 0, self.random.choice(["voided", "deleted"]))

    def do_dispute(self) -> None:
        if bill := self.one():
            with self.post.store() as store, store.transaction():
                mail.dispute(store, NOBODY, bill.row.id, "test")
            bill.disputed = True

    def do_park(self) -> None:
        if bill := self.one():
            self.set_parked(bill, not bill.parked)

    def set_parked(self, bill: Bill, parked: bool) -> None:
        bill.parked = parked
        with self.post.store() as store:
            state = "parked" if parked else "active"
            store.execute("UPDATE contracts SET state=? WHERE key=?", state, bill.row.contract)

    def do_money_comes(self) -> None:
        if bill := self.one():
            amount = self.random.choice([5_00, 100_00])
            self.post.receive(bill.row, amount)
            self.waiting[bill.customer] += amount

    def do_money_goes_back(self) -> None:
        with self.post.store() as store:
            store.execute(
                "UPDATE payments SET refunded=amount WHERE NOT EXISTS"
                " (SELECT 1 FROM applications a WHERE a.payment_id=payments.id)"
            )
        self.waiting.clear()

    def do_deliver(self) -> None:
        must = {
            str(bill.row.number) for bill in self.bills if bill.booked and not bill.voided and INVOICE not in bill.mails
        }
        attempts, end = self.run(DELIVER)
        about = [(sent.subject.split()[1], sent) for sent in attempts]
        assert len(about) == len({number for number, _ in about})
        assert {number for number, _ in about} <= must
        if end != "stopped":
            assert {number for number, _ in about} == must
        for number, sent in about:
            self.note(number, INVOICE, sent, end if sent is attempts[0] else "sent")

    def do_remind(self) -> None:
        must = self.must_remind()
        attempts, end = self.run(REMIND)
        assert len(attempts) <= len(must), f"reminded of {[sent.subject for sent in attempts]}, not of {must}"
        if end == "stopped":
            assert len(attempts) == min(1, len(must))
        else:
            assert len(attempts) == len(must), f"reminded of {[sent.subject for sent in attempts]}, not of {must}"
        for sent in attempts:
            customer = sent.recipient[3].upper()
            listed = {line.split(":")[0].removeprefix("- ") for line in sent.text.splitlines() if line.startswith("- ")}
            assert listed == set(must[customer])
            assert TONES[sent.subject.split()[0]] == max(must[customer].values(), key=ORDER.index)
            for number in listed:
                self.note(number, must[customer][number], sent, end if sent is attempts[0] else "sent")
            self.counts["reminders"] += 1

    def do_remind_while_the_books_are_down(self) -> None:
        self.post.printing.down = Retryable("down")
        before = len(self.post.box.attempts)
        self.post.run(REMIND)
        self.post.printing.down = None
        assert len(self.post.box.attempts) == before

    def run(self, job: str) -> tuple[list[Mail], str]:
        """Run a mail job, the first mail of which may fail; return the mails handed over and how the first ended."""
        ends = [None] * 6 + [Refused("no"), Retryable("busy"), LOST, Killed()]
        error, after = self.random.choice(ends), self.random.random() < 0.5
        after = after and error in (LOST, ends[-1])
        self.post.box.acts = [fails(error, after=after)] if error else []
        before = len(self.post.box.attempts)
        try:
            self.post.run(job)
        except Killed:
            self.post.wait(minutes=11)  # its lease runs out
        attempts = self.post.box.attempts[before:]
        self.post.box.acts = []
        if not attempts or error is None:
            return attempts, "sent"
        return attempts, "refused" if isinstance(error, Refused) else "stopped"

    def note(self, number: str, step: str, sent: Mail, end: str) -> None:
        """Note what became of a mail."""
        (bill,) = [one for one in self.bills if one.row.number == number]
        (state,) = {
            state for (state,) in self.post.rows(
                f"SELECT state FROM mails WHERE document_id={bill.row.id} AND step='{step}'"
            )
        } or {""}  # fmt: skip
        if end == "stopped":
            assert state in ("", "sending", "uncertain")
            if state:
                bill.mails[step] = ["uncertain", sent.sent_at]
            return
        assert state == end
        bill.mails[step] = [end, sent.sent_at]

    def do_decide(self) -> None:
        """A person who looks into the mail server's log settles whatever is in doubt."""
        arrived = {sent.message_id for sent in self.post.box.accepted}
        for item in self.post.items("mail_uncertain") + self.post.items("mail_refused"):
            name = item.subject.partition(":")[2]
            rows = self.post.rows(f"SELECT document_id, step FROM mails WHERE message_id='{name}'")
            action = "consider_sent" if name in arrived else "send_again"
            self.post.decide_item(item.id, action)
            for document_id, step in rows:
                (bill,) = [one for one in self.bills if one.row.id == document_id]
                if action == "send_again":
                    del bill.mails[step]
                else:
                    bill.mails[step][0] = "sent"
