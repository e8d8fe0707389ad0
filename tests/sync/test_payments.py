"""Money that comes in finds its invoice, or waits for a person; and the books hear of it once."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.core import LOCK
from sandbox.stripe import aftermath
from sandbox.stripe import cash as money
from store import cash
from tests.worlds import DAILY, Live

CASH = ("pull_payments", "match_payments", "post_payments")
PAID = "SELECT d.number, a.amount FROM applications a JOIN documents d ON d.id=a.document_id ORDER BY a.id"


@pytest.fixture
def billed(live: Live) -> Live:
    """A customer who owes 100.00 GBP on UK-00001, in the books too."""
    live.sell()
    live.done(*DAILY)
    assert list(live.issued()) == ["UK-00001"]
    return live


def invoice(live: Live, number: str = "UK-00001") -> dict[str, Any]:
    (found,) = live.xero("GET", f"Invoices/{number}")["Invoices"]
    return dict(found)


def applied(live: Live) -> list[tuple[Any, ...]]:
    return live.rows(PAID)


def test_a_payment_that_names_its_invoice_is_applied_and_posted_once(billed: Live) -> None:
    billed.pay(100_00, "Payment for invoice UK-00001")
    results = billed.done(*CASH)
    assert results["match_payments"].tally == {"payments matched": 1}
    assert results["post_payments"].tally == {"payments created in the books": 1}
    assert applied(billed) == [("UK-00001", 100_00)]
    assert billed.issued()["UK-00001"].open == 0
    assert invoice(billed)["AmountDue"] == 0
    billed.done("pull_ledger")
    writes = billed.writes()
    assert not any(result.changed for result in billed.done(*CASH, "pull_ledger").values())
    assert billed.writes() == writes
    assert billed.items() == []


def test_the_number_may_be_written_as_people_write_it(billed: Live) -> None:
    billed.pay(100_00, "uk 00001, thanks")
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]


def test_a_part_payment_leaves_the_rest_open_here_and_in_the_books(billed: Live) -> None:
    billed.pay(30_00, "UK-00001")
    billed.done(*CASH, "pull_ledger")
    assert billed.issued()["UK-00001"].open == 70_00
    assert invoice(billed)["AmountDue"] == 70
    assert billed.items() == []


def test_without_a_number_the_customer_and_the_exact_amount_decide(billed: Live) -> None:
    customer = billed.payer("Northwind Ltd")
    billed.pay(100_00, customer=customer)
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]


@pytest.mark.parametrize(
    ("amount", "name", "said"),
    [(99_99, "Northwind Ltd", "no open invoice of exactly this amount"), (100_00, "Somebody", "payer is not known")],
)
def test_without_a_number_anything_less_than_certain_waits_for_a_person(
    billed: Live, amount: int, name: str, said: str
) -> None:
    billed.pay(amount, customer=billed.payer(name))
    billed.done(*CASH)
    item = billed.item("unapplied_cash")
    assert name in item.message
    assert said in item.message
    assert item.choices == ["apply", "dismiss"]
    assert applied(billed) == []
    assert billed.issued()["UK-00001"].open == 100_00


def test_two_invoices_of_the_same_amount_are_not_guessed_between(live: Live) -> None:
    live.sell()
    live.sell()  # another company of the same name
    live.done(*("pull_deals", "map_terms", "plan_invoices", "issue_invoices"))
    live.pay(100_00, customer=live.payer("Northwind Ltd"))
    live.done(*CASH)
    assert len(live.items("unapplied_cash")) == 1


def test_cash_that_is_left_over_waits_for_a_person(billed: Live) -> None:
    billed.pay(130_00, "UK-00001")
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]
    assert "30.00 GBP" in billed.item("unapplied_cash").message


def test_an_invoice_paid_twice_is_paid_once_and_the_second_payment_waits(billed: Live) -> None:
    for _ in range(2):
        billed.pay(100_00, "UK-00001")
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]
    assert "UK-00001" in billed.item("unapplied_cash").message
    assert len(billed.sandbox.vendors["xero"].state()["payments"]) == 1


def test_apply_puts_unapplied_cash_to_the_invoice_a_person_names_and_into_the_books(billed: Live) -> None:
    billed.pay(60_00, customer=billed.payer("Somebody"))
    billed.done(*CASH)
    billed.decide("unapplied_cash", "apply=UK-00001")
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 60_00)]
    assert invoice(billed)["AmountDue"] == 40
    assert billed.items() == []


@pytest.mark.parametrize("wrong", ["apply", "apply=UK-99999", "link", "apply_all=UK-00001"])
def test_apply_needs_an_invoice_that_exists_and_otherwise_changes_nothing(billed: Live, wrong: str) -> None:
    billed.pay(60_00, customer=billed.payer("Somebody"))
    billed.done(*CASH)
    before = billed.contents()
    with pytest.raises(ValueError, match="apply"):
        billed.decide("unapplied_cash", wrong)
    assert billed.contents() == before


def test_cash_is_not_applied_to_an_invoice_in_another_currency(billed: Live) -> None:
    billed.pay(60_00, "UK-00001", currency="eur")
    billed.done(*CASH)
    assert "which is in GBP; the payment is in EUR" in billed.item("unapplied_cash").message
    with pytest.raises(ValueError, match="does not fit"):
        billed.decide("unapplied_cash", "apply=UK-00001")
    assert applied(billed) == []


def test_a_payer_found_by_number_is_known_the_next_time(live: Live) -> None:
    first = f"D{live.sell(contract_term_months='2')}"
    live.sell("Southwind Ltd")
    live.done(*DAILY)
    somebody = live.payer("Holding AG")
    live.pay(100_00, "UK-00001", customer=somebody)
    live.done(*CASH)
    live.move_to(live.today.replace(month=10))
    live.done(*DAILY)
    live.pay(100_00, customer=somebody)
    live.done(*CASH)
    assert len(applied(live)) == 2
    assert {row.open for row in live.issued().values() if row.contract == first} == {0}


def test_a_bank_debit_under_way_is_not_applied_until_it_has_arrived(billed: Live) -> None:
    billed.pay(100_00, "UK-00001", payment_method="pm_bacsDebit_success")
    billed.done(*CASH)
    assert billed.rows("SELECT status FROM payments") == [("processing",)]
    assert applied(billed) == []
    assert billed.items() == []
    billed.move_to(billed.today.replace(day=2))
    billed.pay(49_00)  # a later payment, so that the debit's own day is not read again
    billed.done("pull_payments")
    billed.move_to(billed.today.replace(day=8))
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]
    assert billed.issued()["UK-00001"].open == 0


def transfer(live: Live, customer: str, amount: int) -> None:
    """Let a customer transfer money to Stripe by bank."""
    account = live.sandbox.stripe.accounts["uk"]
    with LOCK:
        money.fund(account, f"t{amount}", int(live.sandbox.clock.tick().timestamp()), customer, amount, "gbp")


def waiting(live: Live) -> list[tuple[str, int]]:
    """Return what keeps customers from being reminded: whose it is, and how much."""
    with live.store() as store:
        return [(row.vendor_id, row.amount) for row in cash.unused(store, "uk")]


def test_a_transfer_that_nothing_was_asked_for_is_seen_and_counts_once_when_it_is_applied(billed: Live) -> None:
    customer = billed.payer("Northwind Ltd")
    transfer(billed, customer, 100_00)
    billed.done(*CASH)
    assert waiting(billed) == [(f"{customer}-gbp", 100_00)]
    message = billed.item("held_by_provider").message
    assert all(word in message for word in ("100.00", "GBP", "Northwind Ltd", customer, "stripe_uk"))
    assert billed.rows("SELECT count(*) FROM outbox WHERE kind IN ('payment', 'on_account')") == [(0,)]
    intent = billed.stripe("POST", "payment_intents", amount=100_00, currency="gbp", customer=customer)["id"]
    account = billed.sandbox.stripe.accounts["uk"]
    with LOCK:
        at = int(billed.sandbox.clock.tick().timestamp())
        money.apply(account, "by hand", at, account.objects["payment_intent"][intent])
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]
    assert (waiting(billed), billed.items()) == ([], [])


def test_of_a_transfer_of_too_much_the_rest_is_seen_until_it_is_sent_back(billed: Live) -> None:
    customer = billed.payer("Northwind Ltd")
    form: dict[str, Any] = {"currency": "gbp", "customer": customer, "description": "UK-00001"}
    billed.stripe("POST", "payment_intents", amount=100_00, **form)
    transfer(billed, customer, 105_00)
    billed.done(*CASH)
    assert applied(billed) == [("UK-00001", 100_00)]
    assert waiting(billed) == [(f"{customer}-gbp", 5_00)]
    account = billed.sandbox.stripe.accounts["uk"]
    with LOCK:
        at = int(billed.sandbox.clock.tick().timestamp())
        money.give_back(account, "sent back", at, customer, 5_00, "gbp")
    billed.done(*CASH)
    assert (waiting(billed), billed.items()) == ([], [])


def test_a_debit_that_comes_back_after_it_was_paid_opens_its_invoice_again(billed: Live) -> None:
    billed.pay(100_00, "UK-00001")
    billed.done("pull_payments", "match_payments")
    assert billed.issued()["UK-00001"].open == 0
    bounce(billed)
    billed.done(*CASH)
    assert applied(billed) == []
    assert billed.issued()["UK-00001"].open == 100_00
    assert billed.items() == []
    assert billed.rows("SELECT count(*) FROM audit WHERE action='taken back'") == [(1,)]


def test_one_that_is_booked_already_is_voided_in_the_books_and_opens_its_invoice(billed: Live) -> None:
    billed.pay(100_00, "UK-00001")
    billed.done(*CASH)
    bounce(billed)
    assert billed.done(*CASH)["post_payments"].tally == {
        "voids of payments created in the books": 1,
        "payments taken back": 1,
    }
    assert applied(billed) == []
    assert billed.issued()["UK-00001"].open == 100_00
    assert invoice(billed)["AmountDue"] == 100
    billed.done("pull_ledger")
    assert billed.items() == []
    assert not any(result.changed for result in billed.done(*CASH, "pull_ledger").values())


def bounce(billed: Live) -> None:
    """Let the bank take the latest payment back."""
    account = billed.sandbox.stripe.accounts["uk"]
    aftermath.return_debit(account, list(account.objects["charge"])[-1], int(billed.sandbox.clock.tick().timestamp()))


def test_a_refund_before_anything_was_applied_takes_the_cash_away(billed: Live) -> None:
    intent = billed.pay(60_00, customer=billed.payer("Somebody"))
    billed.done(*CASH)
    billed.stripe("POST", "refunds", payment_intent=intent)
    billed.done(*CASH)
    assert billed.items() == []
    assert billed.rows("SELECT amount, refunded FROM payments") == [(60_00, 60_00)]


def test_a_refund_after_it_was_applied_is_shown_to_a_person(billed: Live) -> None:
    intent = billed.pay(100_00, "UK-00001")
    billed.done(*CASH)
    billed.stripe("POST", "refunds", payment_intent=intent, amount=25_00)
    billed.done(*CASH)
    item = billed.item("refunded_after_applied")
    assert "25.00 GBP of payment" in item.message
    assert "100.00 GBP of it had paid invoices" in item.message
    assert applied(billed) == [("UK-00001", 100_00)]


def test_a_payment_whose_post_was_lost_is_found_and_not_booked_twice(billed: Live) -> None:
    billed.pay(100_00, "UK-00001")
    billed.fault("xero", "error_after", method="PUT", path="Payments")
    billed.sync(*CASH)
    billed.done(*CASH)
    assert len(billed.sandbox.vendors["xero"].state()["payments"]) == 1
    assert invoice(billed)["AmountDue"] == 0


def test_a_payment_waits_for_its_invoice_to_reach_the_books(live: Live) -> None:
    live.sell()
    live.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")
    live.pay(100_00, "UK-00001")
    assert live.done(*CASH)["post_payments"].changed is False
    live.done("push_documents")
    assert live.done(*CASH)["post_payments"].tally == {"payments created in the books": 1}


def test_payments_of_each_entity_pay_its_own_invoices_in_its_own_books(live: Live) -> None:
    live.sell()
    live.sell("Acme Inc", deal_currency_code="USD")
    live.done(*DAILY)
    live.pay(100_00, "UK-00001")
    live.pay(100_00, "US-00001", entity="us")
    live.done(*CASH)
    assert {row.open for row in live.issued().values()} == {0}
    state = live.sandbox.vendors["quickbooks"].state()
    assert [row["Balance"] for row in state["invoices"]] == [0]
    assert len(state["payments"]) == len(live.sandbox.vendors["xero"].state()["payments"]) == 1


# --------------------------------------------------------------------------------------- order, and whose posting it is


def test_a_payment_waits_for_its_document_and_a_document_for_its_customer(live: Live) -> None:
    live.sell()
    live.fault("xero", "unauthorized", method="PUT", path="Contacts", times=-1)
    live.sync(*DAILY)
    live.pay(100_00, "UK-00001")
    live.sync("pull_payments", "match_payments", "post_payments")
    assert live.rows("SELECT kind, state FROM outbox") == [("customer", "new")]
    live.mend()
    live.done()
    assert live.rows("SELECT kind, state FROM outbox ORDER BY id") == [
        ("customer", "done"), ("document", "done"), ("payment", "done"),
    ]  # fmt: skip


def test_a_posting_of_ours_whose_answer_was_lost_is_not_taken_for_one_that_somebody_typed(live: Live) -> None:
    live.sell()
    live.done()
    live.pay(100_00, "UK-00001")
    live.done("pull_payments", "match_payments")
    live.fault("xero", "reset_after", method="PUT", path="Payments")
    live.fault("xero", "unauthorized", method="GET", path="Payments", times=1)
    live.sync("post_payments")
    assert live.rows("SELECT state FROM outbox WHERE kind='payment'") == [("uncertain",)]
    live.mend()
    live.done("pull_ledger")
    assert live.rows("SELECT count(*) FROM payments") == [(1,)]
    live.done()
    assert live.rows("SELECT state FROM outbox WHERE kind='payment'") == [("done",)]
    assert len(live.sandbox.vendors["xero"].state()["payments"]) == 1
