"""Backup and restore: the copy is whole, and after a restore nothing is booked, paid or mailed a second time."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

import app
from sandbox.config_file import write_config
from sandbox.core import LOCK
from store import backup
from sync import credits
from sync.credits import Wish
from sync.decide import decide
from tests.worlds import NOBODY, TODAY, Live


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """A company that mails its invoices."""
    found = Live(tmp_path)
    write_config(
        found.file, url=found.running.url, minute=0.06, go_live=TODAY, mail_url=found.running.mail_url
    )  # fmt: skip
    return found


def back_up(live: Live) -> Path:
    target = live.file.parent / "kept.db"
    with live.store() as store:
        backup.back_up(store, target)
    return target


def put_back(live: Live, file: Path) -> Path | None:
    return backup.restore(file, live.database, datetime.combine(live.today, time(11), UTC))


def books(live: Live) -> dict[str, Counter[Any]]:
    """What the two ledgers hold, and what was mailed: each thing by what must not be there twice."""
    xero, quickbooks = (live.sandbox.vendors[name].state() for name in ("xero", "quickbooks"))
    return {
        "contacts": Counter(one["Name"] for one in xero["contacts"])
        + Counter(one["DisplayName"] for one in quickbooks["customers"]),
        "invoices": Counter((one["InvoiceNumber"], str(one["Total"])) for one in xero["invoices"])
        + Counter((one["DocNumber"], str(one["TotalAmt"])) for one in quickbooks["invoices"]),
        "payments": Counter((one["Reference"], str(one["Amount"])) for one in xero["payments"])
        + Counter((one["PaymentRefNum"], str(one["TotalAmt"])) for one in quickbooks["payments"]),
        "mails": Counter(one.message["Subject"] for one in live.sandbox.mailbox.caught),
    }


def go_on(live: Live) -> None:
    """A month of business that a backup does not know: a new customer, new invoices, mails, and money."""
    live.sell("Fresh Ltd", price="70")
    live.move_to(live.today + timedelta(days=31))
    live.done()
    live.pay(100_00, "UK-00001")
    live.pay(40_00, "US-00001", entity="us")
    live.done()


def test_after_a_restore_a_month_of_business_is_found_in_the_books_and_done_nowhere_twice(live: Live) -> None:
    live.sell("Northwind Ltd", price="100")
    live.sell("Acme Inc", price="40", deal_currency_code="USD")
    live.done()
    kept = back_up(live)
    go_on(live)
    before, numbers, paid = books(live), set(live.issued()), live.rows("SELECT sum(open) FROM documents")
    assert sum(before["invoices"].values()) == len(numbers) >= 5
    assert sum(before["payments"].values()) == 2

    put_back(live, kept)
    assert len(live.issued()) == 2
    live.done()
    assert books(live) == before  # nothing is sent in the run that reads the books back
    live.move_to(live.today + timedelta(days=1))
    live.done()
    assert books(live) == before
    assert set(live.issued()) == numbers
    assert live.rows("SELECT sum(open) FROM documents") == paid
    assert {state for (state,) in live.rows("SELECT state FROM outbox")} == {"done"}
    assert {item.code for item in live.items()} == {"mail_uncertain"}  # who got what, only a person can say
    live.done()
    assert books(live) == before


def test_a_person_cannot_give_a_credit_note_before_the_books_were_read_back(live: Live) -> None:
    live.sell()
    live.done()
    put_back(live, back_up(live))
    world = app.LiveWorld(app.load_config(live.file), today=live.today)
    with live.store() as store:
        row = credits.find(store, "UK-00001")
        with pytest.raises(ValueError, match="run `netterms sync` first"):
            credits.give(store, world, NOBODY, row, Wish(), "agreed")
    live.done()
    with live.store() as store:
        assert credits.give(store, world, NOBODY, row, Wish(), "agreed").number == "UK-CN-00001"


def test_what_is_new_after_a_restore_gets_a_number_above_all_that_the_books_hold(live: Live) -> None:
    live.sell()
    live.done()
    kept = back_up(live)
    live.sell("Gone Ltd", price="70")
    live.done()
    put_back(live, kept)
    live.sell("Later Ltd", price="55")
    live.done()
    live.move_to(live.today + timedelta(days=1))
    live.done()
    assert {number: row.total for number, row in live.issued().items()} == {
        "UK-00001": 100_00, "UK-00002": 70_00, "UK-00003": 55_00,
    }  # fmt: skip
    assert set(books(live)["invoices"].values()) == {1}
    assert len(books(live)["invoices"]) == 3


def test_what_the_books_hold_and_planning_does_not_draw_up_again_waits_for_a_person(live: Live) -> None:
    live.done()
    kept = back_up(live)
    gone = live.sell("Gone Ltd", price="70")
    live.done()
    before = books(live)
    put_back(live, kept)
    live.change_deal(gone, dealstage="closedlost")
    live.sell("Later Ltd", price="55")  # nobody knows yet whose UK-00001 is, so it may be this one's
    live.done()
    assert "UK-00001 of 2026-09-01 over 70.00 GBP is in the books" in live.item("books_ahead").message
    assert books(live) == before
    assert live.issued() == {}
    live.decide("books_ahead", "release")
    live.move_to(live.today + timedelta(days=1))
    live.done()
    assert set(live.issued()) == {"UK-00002"}
    assert live.items("books_ahead") == []
    assert live.rows("SELECT number, total FROM foreign_documents") == [("UK-00001", 70_00)]


def test_nothing_is_issued_or_sent_before_the_books_could_be_read_back(live: Live) -> None:
    live.sell()
    live.done()
    kept = back_up(live)
    live.sell("Gone Ltd", price="70")
    live.done()
    before = books(live)
    put_back(live, kept)
    live.fault("xero", "unauthorized", times=-1)
    live.sync()
    assert set(live.issued()) == {"UK-00001"}
    live.mend()
    live.move_to(live.today + timedelta(days=1))
    live.done()
    live.move_to(live.today + timedelta(days=1))
    live.done()
    assert books(live) == before
    assert set(live.issued()) == {"UK-00001", "UK-00002"}


def test_an_intent_that_was_open_in_the_backup_is_looked_up_and_not_sent_again(live: Live) -> None:
    live.sell()
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    live.fault("xero", "unauthorized", method="PUT", path="Invoices", times=-1)
    live.sync("push_documents")
    live.mend()
    assert live.rows("SELECT state FROM outbox WHERE kind='document'") == [("new",)]
    kept = back_up(live)
    live.done()
    before = books(live)
    put_back(live, kept)
    assert live.rows("SELECT state FROM outbox WHERE kind='document'") == [("uncertain",)]
    live.done()
    assert books(live) == before
    assert live.rows("SELECT state FROM outbox WHERE kind='document'") == [("done",)]


def renumber(live: Live, old: str, new: str) -> None:
    """Give an invoice at QuickBooks another number, as people do there."""
    (row,) = [one for one in live.sandbox.vendors["quickbooks"].state()["invoices"] if one["DocNumber"] == old]
    live.quickbooks("invoice", {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True, "DocNumber": new})


def test_what_was_renumbered_in_quickbooks_since_the_backup_or_before_is_not_sent_again(live: Live) -> None:
    live.sell("Acme Inc", price="40", deal_currency_code="USD")
    live.done()
    renumber(live, "US-00001", "OURS-1")
    kept = back_up(live)
    live.sell("Later Inc", price="70", deal_currency_code="USD")
    live.done()
    renumber(live, "US-00002", "OURS-2")
    before = books(live)["invoices"]
    put_back(live, kept)
    go_on_for_days(live)
    assert books(live)["invoices"] == before
    assert {number: row.total for number, row in live.issued().items()} == {"US-00001": 40_00, "US-00002": 70_00}
    assert {state for (state,) in live.rows("SELECT state FROM outbox WHERE kind='document'")} == {"done"}
    assert [item.code for item in live.items() if item.code != "mail_uncertain"] == ["renumbered_in_books"] * 2


# ----------------------------------------------------------------------- money that is taken back right after a restore


def paid_after(live: Live) -> tuple[Path, dict[str, Any]]:
    """A payment that a backup does not know was posted; the backup is put back. Returns it and Stripe's charge."""
    live.sell("Northwind Ltd", price="100")
    live.done()
    kept = back_up(live)
    live.pay(100_00, "UK-00001")
    live.done()
    (charge,) = live.sandbox.stripe.accounts["uk"].objects["charge"].values()
    put_back(live, kept)
    return kept, charge


def dispute(live: Live, charge: dict[str, Any]) -> None:
    """The payer wants the money back."""
    with LOCK:
        at = int(live.sandbox.clock.tick().timestamp())
        live.sandbox.stripe.accounts["uk"].dispute("d1", charge, at)


def standing_payments(live: Live) -> list[str]:
    found = live.sandbox.vendors["xero"].state()["payments"]
    return [one["Reference"] for one in found if one["Status"] == "AUTHORISED"]


def go_on_for_days(live: Live, days: int = 3) -> None:
    for _ in range(days):
        live.done()
        live.move_to(live.today + timedelta(days=1))


def test_what_is_to_be_posted_again_and_taken_back_at_once_is_voided_where_the_books_hold_it(live: Live) -> None:
    _, charge = paid_after(live)
    live.sync("pull_payments", "match_payments", "post_payments")  # before the books were read back
    assert live.rows("SELECT state, attempts FROM outbox WHERE kind='payment'") == [("new", 0)]
    dispute(live, charge)
    go_on_for_days(live)
    assert standing_payments(live) == []
    assert live.rows("SELECT kind FROM outbox WHERE kind LIKE 'payment%'") == []
    assert live.issued()["UK-00001"].open == 100_00
    assert {item.code for item in live.items()} == {"payment_disputed"}


def test_what_waited_for_a_person_in_the_backup_is_voided_too_where_the_books_hold_it(live: Live) -> None:
    live.sell("Northwind Ltd", price="100")
    live.done()
    live.pay(100_00, "UK-00001")
    live.fault("xero", "error_before", method="PUT", path="Payments", status=400, times=-1, body="{}")
    live.sync()
    live.mend()
    kept = back_up(live)
    live.decide("payment_not_booked", "retry")
    live.done()
    (charge,) = live.sandbox.stripe.accounts["uk"].objects["charge"].values()
    assert len(standing_payments(live)) == 1
    put_back(live, kept)
    dispute(live, charge)
    go_on_for_days(live)
    assert standing_payments(live) == []
    assert live.issued()["UK-00001"].open == 100_00
    assert {item.code for item in live.items()} == {"payment_disputed"}


def test_what_waited_for_a_person_in_the_backup_is_found_where_the_books_hold_it_and_else_waits_on(live: Live) -> None:
    live.sell("Northwind Ltd", price="100")
    live.sell("Southwind Ltd", price="80")
    live.done()
    live.fault("xero", "error_before", method="PUT", path="Payments", status=400, times=-1, body="{}")
    for number, amount in (("UK-00001", 100_00), ("UK-00002", 80_00)):
        live.pay(amount, number)
        live.sync()
    live.mend()
    kept = back_up(live)
    first = min(item.id for item in live.items("payment_not_booked"))
    with live.store() as store:
        decide(store, NOBODY, first, "retry", "the period was opened")
    live.done()
    before = books(live)
    put_back(live, kept)
    go_on_for_days(live)
    assert books(live)["payments"] == before["payments"]
    assert live.rows("SELECT state FROM outbox WHERE kind='payment' ORDER BY our_id") == [("done",), ("parked",)]


def test_what_never_reached_the_books_is_dropped_after_a_restore_too_once_it_was_looked_for(live: Live) -> None:
    live.sell("Northwind Ltd", price="100")
    live.done()
    kept = back_up(live)
    put_back(live, kept)
    live.pay(100_00, "UK-00001")
    live.sync("pull_payments", "match_payments", "post_payments")
    (charge,) = live.sandbox.stripe.accounts["uk"].objects["charge"].values()
    dispute(live, charge)
    written = live.writes()["xero PUT /api.xro/2.0/Payments"]
    go_on_for_days(live)
    assert live.writes()["xero PUT /api.xro/2.0/Payments"] == written
    assert live.issued()["UK-00001"].open == 100_00
    assert {item.code for item in live.items()} == {"payment_disputed"}


# --------------------------------------------------------------------------- what became of money on account since then


def two_who_paid_too_much(live: Live) -> tuple[str, str]:
    """Two customers have 30.00 on account each, in the books, too. Returns the payments."""
    for name in ("Northwind Ltd", "Southwind Ltd"):
        live.sell(name, price="100")
    live.done()
    paid = live.pay(130_00, "UK-00001"), live.pay(130_00, "UK-00002")
    live.done()
    return paid


def refunds(live: Live) -> Counter[str]:
    found = live.sandbox.vendors["xero"].state()["payments"]
    return Counter(one["Reference"] for one in found if one["PaymentType"] != "ACCRECPAYMENT")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_refunds_are_found_in_the_books_in_whatever_order_they_were_made(live: Live, order: tuple[int, int]) -> None:
    paid = two_who_paid_too_much(live)
    kept = back_up(live)
    for number in order:
        live.stripe("POST", "refunds", payment_intent=paid[number], amount=10_00)
        live.done()
    before = refunds(live)
    assert sum(before.values()) == 2
    put_back(live, kept)
    go_on_for_days(live)
    assert refunds(live) == before
    assert live.rows("SELECT DISTINCT state FROM outbox WHERE kind='refund'") == [("done",)]
    assert live.rows("SELECT sum(amount) FROM refunds") == [(20_00,)]


def use_what_lies_on_account(live: Live) -> None:
    """Put the money of each customer to its next invoice, as a person does."""
    for item in live.items("unapplied_cash"):
        payment = item.subject.partition(":")[2]
        ((customer,),) = live.rows(f"SELECT customer_id FROM payments WHERE id={payment}")
        (number,) = [str(row.number) for row in live.issued().values() if row.open and row.customer_id == customer]
        with live.store() as store:
            decide(store, NOBODY, item.id, f"apply={number}", "they said so")


def test_what_was_set_against_an_invoice_on_another_day_is_found_there(live: Live) -> None:
    two_who_paid_too_much(live)
    live.move_to(live.today + timedelta(days=30))
    live.done()
    kept = back_up(live)
    use_what_lies_on_account(live)
    live.done()
    put_back(live, kept)
    live.move_to(live.today + timedelta(days=2))
    use_what_lies_on_account(live)
    go_on_for_days(live)
    assert live.rows("SELECT state, count(*) FROM outbox WHERE kind='allocation' GROUP BY state") == [("done", 2)]
    assert sorted(row.open for row in live.issued().values()) == [0, 0, 70_00, 70_00]
    assert not live.items("books_differ")


# ----------------------------------------------------------------------------------------- a store that nobody restored


def test_an_old_copy_that_was_put_in_place_by_hand_is_treated_as_a_restore_and_told_of(live: Live) -> None:
    live.sell("Northwind Ltd", price="100")
    live.sell("Acme Inc", price="40", deal_currency_code="USD")
    live.done()
    kept = back_up(live)
    go_on(live)
    before = books(live)
    for end in ("-wal", "-shm"):
        Path(f"{live.database}{end}").unlink(missing_ok=True)
    shutil.copyfile(kept, live.database)
    go_on_for_days(live, 2)
    after = books(live)
    assert {name: found for name, found in after.items() if name != "mails"} == {
        name: found for name, found in before.items() if name != "mails"
    }
    assert max(after["mails"].values()) == 1
    assert any("the audit trail is whole" in item.message for item in live.items("selfcheck"))
    assert live.rows("SELECT count(*) FROM restores") == [(1,)]
