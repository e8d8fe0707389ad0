"""Reminders go to those who owe, once for each step, in one mail a day; and to nobody else, whatever happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from connectors.errors import Retryable
from sandbox.config_file import write_config
from store import mail, runs
from store.invoices import DocumentRow
from tests.sync.mail_bench import LOST, UK, MailBench, fails
from tests.sync.mail_story import Story
from tests.worlds import DAILY, NOBODY, Live

JOB, READ, DELIVER = "send_reminders", "pull_ledger", "send_invoices"


@pytest.fixture
def post(tmp_path: Path) -> Iterator[MailBench]:
    bench = MailBench(tmp_path)
    yield bench
    bench.close()


def remind(post: MailBench, *, read: bool = True) -> list[tuple[str, str]]:
    """Read the books and remind; return (recipient, subject) of what was accepted by that."""
    before = len(post.box.accepted)
    if read:
        post.run(READ)
    post.run(JOB)
    return post.mailed()[before:]


@pytest.fixture
def overdue(post: MailBench) -> DocumentRow:
    """An invoice of A over 100.00, delivered, in the books, and due yesterday."""
    row = post.issue("A", due_in=5)
    post.run(DELIVER)
    post.wait(days=6)
    return row


# --------------------------------------------------------------------------------------------------------- what is sent


def test_an_overdue_invoice_is_reminded_of_once_on_each_step_of_the_ladder(
    post: MailBench, overdue: DocumentRow
) -> None:
    subjects = []
    for _ in range(30):
        subjects += [subject for _, subject in remind(post)]
        assert remind(post) == []
        post.wait(days=1)
    assert subjects == [
        "Reminder: invoice UK-00001 from Brightwater Ltd",
        "Second reminder: invoice UK-00001 from Brightwater Ltd",
        "Overdue: invoice UK-00001 from Brightwater Ltd",
    ]
    assert "100.00 GBP of Customer A is overdue after the last reminder" in post.item("reminders_used_up").message


def test_a_reminder_says_what_is_owed_since_when_and_where_to_pay(post: MailBench, overdue: DocumentRow) -> None:
    post.pay(overdue, 30_00)
    remind(post)
    text = post.box.accepted[-1].text
    assert "- UK-00001: 70.00 GBP, due on 6 Sep 2026 (1 day ago)\n  pay online: https://books.example/L1" in text
    assert text.startswith("Hello Customer A,")


def test_who_paid_by_a_payment_typed_into_the_books_is_reminded_again_once_that_is_taken_back(
    post: MailBench, overdue: DocumentRow
) -> None:
    post.printing.type_payment("L1", 100_00)
    assert remind(post) == []
    post.printing.type_payment("L1", 60_00)
    assert [subject for _, subject in remind(post)] == ["Reminder: invoice UK-00001 from Brightwater Ltd"]
    assert "40.00 GBP" in post.box.accepted[-1].text
    post.printing.type_payment("L1", 60_00, "voided")
    post.wait(days=7)
    assert [subject for _, subject in remind(post)] == ["Second reminder: invoice UK-00001 from Brightwater Ltd"]
    assert "100.00 GBP" in post.box.accepted[-1].text


def test_missed_days_send_only_the_newest_step(post: MailBench, overdue: DocumentRow) -> None:
    post.wait(days=8)
    assert [subject.split()[0] for _, subject in remind(post)] == ["Second"]
    post.wait(days=3)
    assert remind(post) == []
    post.wait(days=2)
    assert [subject.split()[0] for _, subject in remind(post)] == ["Overdue:"]


def test_several_invoices_of_a_customer_share_one_mail_in_the_firmest_tone(post: MailBench) -> None:
    post.issue("A", due_in=1)
    post.issue("A", 50_00, due_in=7)
    post.issue("B", due_in=7)
    post.run(DELIVER)
    post.wait(days=8)
    assert sorted(remind(post)) == [
        ("ap@a.example", "Second reminder: invoices UK-00001, UK-00002 from Brightwater Ltd"),
        ("ap@b.example", "Reminder: invoice UK-00003 from Brightwater Ltd"),
    ]
    steps = post.rows("SELECT document_id, step FROM mails WHERE step<>'invoice' ORDER BY document_id")
    assert steps == [(1, "firm"), (2, "friendly"), (3, "friendly")]


def test_the_contracts_billing_contact_is_reminded_of_its_own_invoices(post: MailBench) -> None:
    post.contact_is(post.issue("A", due_in=7), email="bo@a.example", name="Bo Lee")
    post.issue("A", 50_00, due_in=7)
    post.run(DELIVER)
    post.wait(days=8)
    assert sorted(remind(post)) == [
        ("ap@a.example", "Reminder: invoice UK-00002 from Brightwater Ltd"),
        ("bo@a.example", "Reminder: invoice UK-00001 from Brightwater Ltd"),
    ]
    assert [one.text[:13] for one in post.box.accepted if one.recipient == "bo@a.example"] == ["Hello Bo Lee,"] * 2
    post.wait(hours=1)
    assert remind(post) == []


def test_a_customer_hears_of_it_once_a_day_and_of_the_rest_tomorrow(post: MailBench) -> None:
    first = post.issue("A", due_in=5)
    post.issue("A", 50_00, due_in=5)
    post.run(DELIVER)
    with post.store() as store, store.transaction():
        mail.dispute(store, NOBODY, first.id, "wrong price")
    post.wait(days=6)
    assert [subject for _, subject in remind(post)] == ["Reminder: invoice UK-00002 from Brightwater Ltd"]
    with post.store() as store, store.transaction():
        assert mail.end_dispute(store, NOBODY, first.id, "agreed")
    post.wait(hours=1)
    assert remind(post) == []
    post.wait(hours=20)
    assert [subject for _, subject in remind(post)] == ["Reminder: invoice UK-00001 from Brightwater Ltd"]


@pytest.mark.parametrize(("hours", "sent"), [(-4, 0), (-3, 1)])  # it is noon in London: 8 and 9 o'clock
def test_reminders_wait_for_the_hour_of_sending(post: MailBench, overdue: DocumentRow, hours: int, sent: int) -> None:
    post.wait(hours=hours)
    assert len(remind(post)) == sent


def test_the_days_are_those_of_the_legal_entity(post: MailBench) -> None:
    post.change("uk", timezone="Pacific/Kiritimati", send_hour=0)  # 14 hours ahead: its day begins at 10:00 UTC
    post.wait(hours=-3)
    post.issue("A", due_in=0)
    post.run(DELIVER)
    post.wait(hours=1.5)
    assert remind(post) == []  # 09:30 UTC: the due date's last half hour there
    post.wait(hours=1)
    assert len(remind(post)) == 1


def test_the_ladder_is_the_entitys_own_and_may_be_empty(post: MailBench, overdue: DocumentRow) -> None:
    post.change("uk", reminder_days=())
    assert remind(post) == []
    post.change("uk", reminder_days=(3,))
    assert remind(post) == []
    post.wait(days=2)
    assert len(remind(post)) == 1


# ---------------------------------------------------------------------------------------------------- who is left alone


def test_a_paid_invoice_is_left_alone_even_where_only_the_books_know_it(post: MailBench, overdue: DocumentRow) -> None:
    post.printing.settle("L1", 0)
    assert remind(post) == []


def test_an_invoice_that_was_not_delivered_or_not_surely_is_left_alone(post: MailBench) -> None:
    post.issue("A", due_in=0)
    post.issue("B", due_in=0)
    post.change("uk", delivery="none")
    post.customer_is("B", delivery="netterms")
    post.box.acts = [fails(LOST, after=True)]
    post.run(DELIVER)
    post.change("uk", delivery="netterms")
    post.wait(days=5)
    assert remind(post) == []


def test_a_customer_whose_delivery_was_switched_off_is_left_alone(post: MailBench, overdue: DocumentRow) -> None:
    post.customer_is("A", delivery="none")
    assert remind(post) == []


@pytest.mark.parametrize("status", ["voided", "deleted"])
def test_an_invoice_voided_in_the_books_is_left_alone(post: MailBench, overdue: DocumentRow, status: str) -> None:
    post.printing.settle("L1", 0, status)
    assert remind(post) == []


def test_a_balance_that_was_not_read_within_a_day_reminds_nobody_and_says_so(
    post: MailBench, overdue: DocumentRow
) -> None:
    post.run(READ)
    post.wait(hours=25)
    result = post.run(JOB)[JOB]
    assert (result.tally, result.message) == ({}, f"1 reminder(s) wait until {UK} has been read again")
    post.printing.down = Retryable("down")
    assert remind(post) == []  # trying to read is not reading
    post.printing.down = None
    assert len(remind(post)) == 1


def test_books_that_cannot_be_read_hold_back_only_their_own_reminders(post: MailBench, overdue: DocumentRow) -> None:
    post.printing.down = Retryable("down")
    post.run(READ)
    with post.store() as store:
        assert runs.last_read(store, READ, "books_us") == post.now()
        assert runs.last_read(store, READ, UK) is None


def test_a_disputed_payment_stops_the_reminders_of_what_it_paid(post: MailBench, overdue: DocumentRow) -> None:
    post.pay(overdue, 40_00, disputed=True)
    assert remind(post) == []


def test_a_person_can_call_an_invoice_disputed_where_it_waits_for_one(post: MailBench, overdue: DocumentRow) -> None:
    post.receive(overdue, 100_00)
    remind(post)
    post.decide("reminder_held", "disputed")
    with post.store() as store:
        assert mail.disputed(store) == {overdue.id}
    post.run(JOB)
    assert post.items("reminder_held") == []


def test_unapplied_money_that_would_cover_it_holds_the_reminder_back_and_says_so(
    post: MailBench, overdue: DocumentRow
) -> None:
    post.receive(overdue, 100_00)
    assert remind(post) == []
    assert "100.00 GBP of Customer A is not applied" in post.item("reminder_held").message


def test_a_debit_on_its_way_holds_the_reminder_back_until_it_fails(post: MailBench, overdue: DocumentRow) -> None:
    payment = post.receive(overdue, 100_00, status="processing")
    assert remind(post) == []
    with post.store() as store:
        store.execute("UPDATE payments SET status='failed' WHERE id=?", payment)
    assert len(remind(post)) == 1


def test_a_credit_note_that_is_not_used_up_holds_the_reminder_back(post: MailBench, overdue: DocumentRow) -> None:
    post.issue("A", kind="credit_note")
    assert remind(post) == []
    post.printing.settle("L2", 0)
    assert len(remind(post)) == 1


@pytest.mark.parametrize("amount", [99_99, 100_00])
def test_money_that_is_not_ours_or_too_little_holds_nothing_back(
    post: MailBench, overdue: DocumentRow, amount: int
) -> None:
    post.receive(overdue, amount, scope="in" if amount < 100_00 else "out")
    assert len(remind(post)) == 1


@pytest.mark.parametrize(("state", "sent"), [("held", 0), ("parked", 0), ("closed", 1)])
def test_an_invoice_of_a_contract_that_waits_for_a_person_is_left_alone(
    post: MailBench, overdue: DocumentRow, state: str, sent: int
) -> None:
    with post.store() as store:
        store.execute("UPDATE contracts SET state=? WHERE key=?", state, overdue.contract)
    assert len(remind(post)) == sent


def test_a_document_that_others_made_in_the_books_is_never_reminded_of(post: MailBench, overdue: DocumentRow) -> None:
    foreign = post.issue("A", due_in=0)
    with post.store() as store:  # it is in the ledger, and linked to nothing of ours
        store.execute("DELETE FROM links WHERE vendor_id=?", f"L{foreign.id}")
    remind(post)
    assert "UK-00002" not in post.box.accepted[-1].text


def test_without_an_address_or_a_mail_server_somebody_hears_of_it(post: MailBench, overdue: DocumentRow) -> None:
    post.customer_is("A", email="")
    assert remind(post) == []
    assert "a reminder of UK-00001" in post.item("no_mail_address").message
    post.customer_is("A", email="ap@a.example")
    post.sources = tuple(source for source in post.sources if source.role != "mail")
    assert remind(post) == []
    assert post.items("no_mailer")


# ------------------------------------------------------------------------------------------------------ what goes wrong


def test_a_doubtful_reminder_is_not_repeated_and_the_next_step_follows(post: MailBench, overdue: DocumentRow) -> None:
    post.box.acts = [fails(LOST)]
    assert remind(post) == []
    for _ in range(6):
        assert remind(post) == []
        post.wait(days=1)
    assert [subject.split()[0] for _, subject in remind(post)] == ["Second"]


def test_over_real_smtp_a_late_customer_is_reminded_and_stops_hearing_of_it_once_it_has_paid(tmp_path: Path) -> None:
    live = Live(tmp_path)
    write_config(live.file, url=live.running.url, minute=0.06, go_live=date(2026, 6, 1), mail_url=live.running.mail_url)
    live.sell(payment_terms="Net 5")
    live.done(*DAILY, DELIVER, READ)
    for day in (7, 8, 13):
        live.move_to(date(2026, 9, day))
        live.done(READ)
        live.done(JOB)
    live.pay(100_00, "UK-00001")
    live.done("pull_payments", "match_payments", "post_payments", READ)
    live.move_to(date(2026, 9, 20))
    assert not live.done(JOB)[JOB].changed
    subjects = [found.shown()["subject"] for found in live.sandbox.mailbox.caught]
    assert [subject.split()[0] for subject in subjects] == ["Invoice", "Reminder:", "Second"]
    assert "https://in.xero.example/UK-00001" in live.sandbox.mailbox.caught[-1].shown()["text"]


# --------------------------------------------------------------------------------------- whatever happens, in any order

EVENTS = 80
STORIES = [pytest.param(seed, marks=[pytest.mark.long] if seed >= 12 else []) for seed in range(200)]


@pytest.mark.parametrize("seed", STORIES)
def test_whatever_happens_each_step_is_sent_once_to_those_who_owe_and_to_nobody_else(
    post: MailBench, seed: int
) -> None:
    story = Story(post, seed)
    story.play(EVENTS)
    rows = Counter(
        (document_id, step) for document_id, step in post.rows("SELECT document_id, step FROM mails WHERE state='sent'")
    )
    assert max(rows.values(), default=1) == 1
    assert max(Counter(sent.message_id for sent in post.box.accepted).values(), default=1) == 1


def test_the_stories_are_worth_telling(tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        bench = MailBench(folder)
        story = Story(bench, seed)
        story.play(EVENTS)
        told += story.counts
        told.update(step for (step,) in bench.rows("SELECT step FROM mails WHERE state='sent'"))
        bench.close()
    assert all(told[name] > 2 for name in ("reminders", "friendly", "firm", "escalation", "invoice", "decide", "void"))
