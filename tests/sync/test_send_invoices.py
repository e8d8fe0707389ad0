"""What is issued and in the books reaches its customer once, by the way the customer wants, or a person hears why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from connectors.base import PaymentPageDraft
from connectors.errors import AuthExpired, Refused, Retryable
from sandbox.config_file import write_config
from store import audit, mail
from tests.sync.mail_bench import LOST, UK, Killed, MailBench, fails
from tests.worlds import DAILY, NOBODY, TODAY, Books, Live

JOB = "send_invoices"
STATES = "SELECT document_id, step, recipient, via, state FROM mails ORDER BY id"


@pytest.fixture
def post(tmp_path: Path) -> Iterator[MailBench]:
    bench = MailBench(tmp_path)
    yield bench
    bench.close()


# --------------------------------------------------------------------------------------------------------- what is sent


def test_an_invoice_in_the_books_is_mailed_once_with_the_books_own_pdf_and_payment_page(post: MailBench) -> None:
    row = post.issue("A")
    assert post.run(JOB)[JOB].tally == {"documents mailed": 1}
    (sent,) = post.box.accepted
    assert (sent.recipient, sent.subject) == ("ap@a.example", "Invoice UK-00001 from Brightwater Ltd")
    assert [(one.name, one.content) for one in sent.attachments] == [("UK-00001.pdf", b"%PDF invoice L1")]
    assert "100.00 GBP, due on 1 Oct 2026" in sent.text
    assert "https://books.example/L1" in sent.text
    assert "UK-00001 as the reference" in sent.text
    assert not post.run(JOB)[JOB].changed
    assert len(post.box.accepted) == 1
    with post.store() as store:
        assert [entry.action for entry in audit.entries(store, f"document:{row.id}")][-1] == "delivered"


def test_an_invoice_that_is_not_in_the_books_or_was_voided_is_not_mailed(post: MailBench) -> None:
    post.issue("A", booked=False)
    post.issue("B")
    post.printing.settle("L2", 0, "voided")
    post.run("pull_ledger")
    post.run(JOB)
    assert post.box.tried == 0


def test_a_credit_note_is_mailed_without_asking_for_money(post: MailBench) -> None:
    post.issue("A", kind="credit_note")
    post.run(JOB)
    (sent,) = post.box.accepted
    assert sent.subject == "Credit note UK-00001 from Brightwater Ltd"
    assert sent.attachments[0].content == b"%PDF credit_note L1"
    assert "https://" not in sent.text


def test_an_invoice_that_is_paid_already_is_mailed_without_asking_for_money(post: MailBench) -> None:
    row = post.issue("A")
    post.pay(row, 100_00)
    post.run(JOB)
    assert "paid already" in post.box.accepted[0].text
    assert "https://" not in post.box.accepted[0].text


def test_nobody_is_mailed_unless_the_configuration_says_so(post: MailBench) -> None:
    post.change("uk", delivery="none")
    post.issue("A")
    assert not post.run(JOB)[JOB].changed
    assert post.box.tried == 0


def test_a_customer_may_be_served_differently_from_the_others(post: MailBench) -> None:
    for key, how in (("A", "none"), ("B", "ledger"), ("C", "")):
        post.issue(key)
        post.customer_is(key, delivery=how)
    assert post.run(JOB)[JOB].tally == {"documents mailed by the ledger": 1, "documents mailed": 1}
    assert post.printing.sent == [("L2", "invoice", "ap@b.example")]
    assert [to for to, _ in post.mailed()] == ["ap@c.example"]
    assert not post.run(JOB)[JOB].changed


def test_the_contracts_billing_contact_gets_its_invoices_and_nobody_elses(post: MailBench) -> None:
    post.contact_is(post.issue("A"), email="bo@a.example", name="Bo Lee")
    post.issue("A")
    post.run(JOB)
    assert [to for to, _ in post.mailed()] == ["bo@a.example", "ap@a.example"]
    assert (post.box.accepted[0].recipient_name, post.box.accepted[0].text[:13]) == ("Bo Lee", "Hello Bo Lee,")
    assert post.box.accepted[1].text.startswith("Hello Customer A,")
    assert not post.run(JOB)[JOB].changed


def test_a_contact_without_a_name_is_not_greeted_by_the_customers(post: MailBench) -> None:
    row = post.issue("A")
    post.customer_is("A", contact_name="Ada Byron")
    post.contact_is(row, email="bo@a.example")
    post.run(JOB)
    assert post.box.accepted[0].text.startswith("Hello Customer A,")


def test_a_contact_without_an_address_gets_them_at_the_customers(post: MailBench) -> None:
    post.contact_is(post.issue("A"), name="Bo Lee")
    post.run(JOB)
    assert (post.mailed()[0][0], post.box.accepted[0].text[:13]) == ("ap@a.example", "Hello Bo Lee,")


def test_the_books_mail_to_the_billing_contact_too_even_when_the_customer_has_no_address(post: MailBench) -> None:
    post.change("uk", delivery="ledger")
    post.contact_is(post.issue("A"), email="bo@a.example")
    post.customer_is("A", email="")
    post.run(JOB)
    assert post.printing.sent == [("L1", "invoice", "bo@a.example")]
    assert post.items() == []


def test_a_refused_address_that_is_mended_in_the_contract_is_tried(post: MailBench) -> None:
    row = post.issue("A")
    post.contact_is(row, email="no@a.example")
    post.box.acts = [fails(Refused("no such mailbox"))]
    post.run(JOB)
    post.run(JOB)
    assert post.box.tried == 1
    post.contact_is(row, email="bo@a.example")
    post.run(JOB)
    assert [to for to, _ in post.mailed()] == ["bo@a.example"]


def test_what_was_issued_before_delivery_was_switched_on_is_not_mailed(post: MailBench) -> None:
    post.change("uk", deliver_from=TODAY + timedelta(days=1))
    post.issue("A")
    post.wait(days=1)
    post.issue("B")
    post.run(JOB)
    assert [to for to, _ in post.mailed()] == ["ap@b.example"]


def test_an_own_payment_page_takes_the_place_of_the_books(post: MailBench) -> None:
    post.change("uk", payment_link="https://pay.example/{number}?x=1")
    post.issue("A")
    post.run(JOB)
    assert "https://pay.example/UK-00001?x=1" in post.box.accepted[0].text
    assert "books.example" not in post.box.accepted[0].text


class Pages:
    """A payment provider in memory that makes pages, unless it is told to refuse."""

    memory = Books.memory
    refuses = False

    def payment_page(self, wanted: PaymentPageDraft) -> str:
        """Make a page."""
        if self.refuses:
            raise Refused("too little to be paid")
        return f"https://pages.example/{wanted.number}"


def test_an_invoice_is_mailed_with_its_payment_page_once_that_is_there(post: MailBench) -> None:
    post.books["stripe_uk"] = Pages()  # type: ignore[assignment]
    post.change("uk", payment_pages="stripe_uk")
    post.issue("A")
    post.run(JOB)
    assert post.box.accepted == []
    post.run("offer_payment_pages", JOB)
    assert "https://pages.example/UK-00001" in post.box.accepted[0].text
    assert "books.example" not in post.box.accepted[0].text


def test_an_invoice_for_which_no_page_can_be_made_is_mailed_with_that_of_the_books(post: MailBench) -> None:
    pages = Pages()
    pages.refuses = True
    post.books["stripe_uk"] = pages  # type: ignore[assignment]
    post.change("uk", payment_pages="stripe_uk")
    post.issue("A")
    post.run("offer_payment_pages", JOB)
    assert "too little to be paid" in post.item("payment_page_not_booked").message
    assert "books.example" in post.box.accepted[0].text


def test_a_hostile_name_is_shown_and_nothing_else(post: MailBench) -> None:
    post.issue("A")
    post.customer_is("A", contact_name="{link}\r\nBcc: all@example.com", name="{seller}")
    post.run(JOB)
    assert post.box.accepted[0].text.startswith("Hello {link} Bcc: all@example.com,\n")


# ----------------------------------------------------------------------------------------------------- what goes wrong


def test_a_customer_without_an_address_is_a_review_item_until_the_crm_has_one(post: MailBench) -> None:
    post.issue("A")
    post.customer_is("A", email="")
    post.run(JOB)
    item = post.item("no_mail_address")
    assert "UK-00001 cannot be sent" in item.message
    post.customer_is("A", email="new@a.example")
    post.run(JOB)
    assert post.items() == []
    assert [to for to, _ in post.mailed()] == ["new@a.example"]


def test_without_a_mail_server_the_mails_wait_and_somebody_hears_of_it(post: MailBench) -> None:
    post.issue("A")
    post.sources = tuple(source for source in post.sources if source.role != "mail")
    post.run(JOB)
    assert "1 mail(s) of Brightwater Ltd wait" in post.item("no_mailer").message


@pytest.mark.parametrize("error", [Retryable("busy"), AuthExpired("wrong password")])
def test_a_mail_that_surely_did_not_go_out_is_tried_again(post: MailBench, error: Exception) -> None:
    post.issue("A")
    post.issue("B")
    post.box.acts = [fails(error)]
    result = post.run(JOB)[JOB]
    assert result.failures == {"mail": str(error)}
    assert post.box.tried == 1  # the second would fail alike
    assert post.rows(STATES) == []
    assert post.run(JOB)[JOB].tally == {"documents mailed": 2}
    assert len(post.box.accepted) == 2


def test_a_refused_mail_stops_no_other_and_waits_for_another_address_or_a_persons_word(post: MailBench) -> None:
    post.issue("A")
    post.issue("B")
    post.box.acts = [fails(Refused("550 no such user"))]
    post.run(JOB)
    assert [to for to, _ in post.mailed()] == ["ap@b.example"]
    assert "550 no such user" in post.item("mail_refused").message
    post.run(JOB)
    assert post.box.tried == 2
    post.customer_is("A", email="other@a.example")
    post.run(JOB)
    assert [to for to, _ in post.mailed()] == ["ap@b.example", "other@a.example"]


def test_a_refused_mail_is_sent_again_when_a_person_says_so(post: MailBench) -> None:
    post.issue("A")
    post.box.acts = [fails(Refused("550 mailbox full"))]
    post.run(JOB)
    post.decide("mail_refused", "send_again")
    post.run(JOB)
    assert [to for to, _ in post.mailed()] == ["ap@a.example"]
    assert post.items() == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [LOST, Killed()])
def test_a_mail_that_may_have_gone_out_is_never_repeated_by_itself(
    post: MailBench, error: BaseException, after: bool
) -> None:
    row = post.issue("A")
    post.box.acts = [fails(error, after=after)]
    if isinstance(error, Killed):
        with pytest.raises(Killed):
            post.run(JOB)
        assert post.rows(STATES) == [(row.id, "invoice", "ap@a.example", "netterms", "sending")]
    else:
        assert post.run(JOB)[JOB].failures == {"mail": "the answer was lost"}
    for _ in range(3):
        post.wait(minutes=15)
        post.run(JOB)
    assert post.box.tried == 1
    item = post.item("mail_uncertain")
    assert "may or may not have been sent" in item.message
    assert item.choices == ["send_again", "consider_sent", "dismiss"]


def test_a_person_may_say_that_a_doubtful_mail_arrived(post: MailBench) -> None:
    post.issue("A")
    post.box.acts = [fails(LOST, after=True)]
    post.run(JOB)
    post.decide("mail_uncertain", "consider_sent")
    post.run(JOB)
    assert (post.box.tried, post.items()) == (1, [])
    assert post.rows("SELECT state FROM mails") == [("sent",)]


def test_a_doubtful_mail_sent_again_bears_the_same_message_id(post: MailBench) -> None:
    post.issue("A")
    post.box.acts = [fails(LOST, after=True)]
    post.run(JOB)
    post.decide("mail_uncertain", "send_again")
    post.wait(minutes=15)
    post.run(JOB)
    first, second = post.box.accepted
    assert first.message_id == second.message_id
    assert post.items() == []


def test_books_that_are_down_hold_back_only_their_own_and_books_that_cannot_print_only_that_document(
    post: MailBench,
) -> None:
    post.issue("A")
    post.printing.down = Retryable("down")
    assert post.run(JOB)[JOB].failures == {UK: "down"}
    post.printing.down = None
    post.printing.refuses = Refused("no such document")
    assert post.run(JOB)[JOB].failures == {}
    assert "does not print it: no such document" in post.item("document_not_printed").message
    post.printing.refuses = None
    post.run(JOB)
    assert (len(post.box.accepted), post.items()) == (1, [])


def test_what_the_books_refuse_to_mail_waits_for_a_person(post: MailBench) -> None:
    post.change("uk", delivery="ledger")
    post.issue("A")
    post.printing.refuses = Refused("would mail somebody else")
    post.run(JOB)
    assert "would mail somebody else" in post.item("mail_refused").message
    assert post.printing.sent == []


def test_deciding_a_mail_that_is_not_in_doubt_is_refused(post: MailBench) -> None:
    with post.store() as store, pytest.raises(ValueError, match="not in doubt"):
        mail.decide(store, NOBODY, "unknown", "sent", "why")


# ------------------------------------------------------------------------------------------------------- the real thing


@pytest.fixture
def mailing(tmp_path: Path) -> Live:
    """Freshly reset stand-ins that catch mail."""
    live = Live(tmp_path)
    write_config(live.file, url=live.running.url, minute=0.06, go_live=date(2026, 6, 1), mail_url=live.running.mail_url)
    return live


def test_over_real_smtp_and_both_real_ledgers_each_invoice_arrives_once(mailing: Live) -> None:
    mailing.sell()
    mailing.sell("Acme Inc", deal_currency_code="USD")
    assert mailing.done(*DAILY, JOB)[JOB].tally == {"documents mailed": 2}
    assert not mailing.done(JOB)[JOB].changed
    caught = {one["subject"].split()[1]: one for one in (m.shown() for m in mailing.sandbox.mailbox.caught)}
    assert sorted(caught) == ["UK-00001", "US-00001"]
    assert len(mailing.sandbox.mailbox.caught) == 2
    for number, ledger in (("UK-00001", "in.xero.example"), ("US-00001", "pay.quickbooks.example")):
        found = caught[number]
        assert f"https://{ledger}/{number}" in found["text"]
        assert found["attachments"][0]["name"] == f"{number}.pdf"
        assert found["attachments"][0]["size"] > 500
        assert found["from"].endswith("<billing@northwind.example>")
        assert found["recipients"] == [f"ap@{'northwind' if number.startswith('UK') else 'acme'}.example"]


def test_the_ledgers_own_mail_is_sent_once_by_each_real_ledger(mailing: Live) -> None:
    mailing.configure('delivery = "netterms"', 'delivery = "ledger"')
    mailing.sell()
    mailing.sell("Acme Inc", deal_currency_code="USD")
    assert mailing.done(*DAILY, JOB)[JOB].tally == {"documents mailed by the ledger": 2}
    assert not mailing.done(JOB)[JOB].changed
    (there,) = mailing.sandbox.vendors["xero"].state()["invoices"]
    (here,) = mailing.sandbox.vendors["quickbooks"].state()["invoices"]
    assert there["SentToContact"] is True
    assert (here["EmailStatus"], here["BillEmail"]["Address"]) == ("EmailSent", "ap@acme.example")
    assert mailing.sandbox.mailbox.caught == []


def test_a_dry_run_mails_nobody_and_says_how_many_it_would(mailing: Live) -> None:
    mailing.sell()
    mailing.done(*DAILY)
    mailing.sell("Second Ltd")
    mailing.sync(dry_run=True)
    assert mailing.world.noted()["mail"] == {"mail": 2}
    assert mailing.sandbox.mailbox.caught == []
    assert mailing.rows("SELECT * FROM mails") == []
