"""Every cent that came is in exactly one place in the books: on an invoice, on account, given back, kept, paid out."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from billing.money import to_minor
from connectors.quickbooks.rows import is_voided
from mappings import SHIPPED
from sandbox.core import LOCK, Fault
from sandbox.quickbooks.money import balances as balances_there
from sandbox.stripe import aftermath
from sandbox.xero.wire import day_fields
from store import credit_uses, payouts
from sync import credits
from sync.credits import Wish
from tests.worlds import DAILY, NOBODY, Live

CASH = ("pull_payments", "match_payments", "post_payments", "post_payouts", "pull_ledger")
AGAIN = (*DAILY, "use_credits", *CASH)


class Side(NamedTuple):
    """A legal entity, its currency, and the accounts of its books in which cash lies."""

    key: str
    currency: str
    clearing: str
    bank: str
    fees: str

    @property
    def number(self) -> str:
        return f"{self.key.upper()}-00001"


SIDES = (Side("uk", "GBP", "091", "090", "404"), Side("us", "USD", "Stripe clearing", "Checking", "Merchant fees"))


@pytest.fixture(params=SIDES, ids=lambda side: side.key)
def side(request: pytest.FixtureRequest) -> Side:
    found: Side = request.param
    return found


@pytest.fixture
def billed(live: Live, side: Side) -> Live:
    """A customer who owes 100.00 on the first invoice, in the books too."""
    live.sell(deal_currency_code=side.currency)
    live.done(*DAILY)
    assert list(live.issued()) == [side.number]
    return live


# ----------------------------------------------------------------------------------------- what the stand-ins add up to


def balances(live: Live, side: Side) -> Counter[str]:
    """Return what stands on the accounts of an entity's books, in minor units."""
    return _xero(live) if side.key == "uk" else _quickbooks(live)


def _quickbooks(live: Live) -> Counter[str]:
    held = balances_there(books(live))
    accounts = books(live).rows["Account"]
    return Counter({row["Name"]: to_minor(held[id_], "USD") for id_, row in accounts.items()})


def books(live: Live) -> Any:
    """Return QuickBooks' own books."""
    return live.sandbox.vendors["quickbooks"].books  # type: ignore[attr-defined]


def _xero(live: Live) -> Counter[str]:
    state = live.sandbox.vendors["xero"].state()
    codes = {one["AccountID"]: one["Code"] for one in state["accounts"]}
    found: Counter[str] = Counter()

    def add(account: dict[str, Any], amount: Any, sign: int) -> None:
        found[account.get("Code") or codes[account["AccountID"]]] += sign * to_minor(Decimal(str(amount)), "GBP")

    for one in state["payments"]:
        if one["Status"] == "AUTHORISED":
            add(one["Account"], one["Amount"], 1 if one["PaymentType"] == "ACCRECPAYMENT" else -1)
    for one in state["bank_transactions"]:
        if one["Status"] == "AUTHORISED":
            sign = 1 if one["Type"].startswith("RECEIVE") else -1
            add(one["BankAccount"], one["Total"], sign)
            for line in one["LineItems"]:
                found[line["AccountCode"]] -= sign * to_minor(Decimal(str(line["LineAmount"])), "GBP")
    for one in state["transfers"]:
        add(one["FromBankAccount"], one["Amount"], -1)
        add(one["ToBankAccount"], one["Amount"], 1)
    return found


def held_at_stripe(live: Live, side: Side) -> int:
    """Return what Stripe holds of ours, with what is on its way to the bank, which is ours until it has arrived."""
    account = live.sandbox.stripe.accounts[side.key]
    moves = account.objects["balance_transaction"].values()
    held = sum(move["net"] for move in moves if move["currency"] == side.currency.lower())
    sent = account.objects["payout"].values()
    return int(held + sum(one["amount"] for one in sent if one["status"] == "in_transit"))


def open_there(live: Live, side: Side) -> int:
    """Return what the first invoice's balance is in the books."""
    if side.key == "uk":
        (found,) = live.xero("GET", f"Invoices/{side.number}")["Invoices"]
        return to_minor(Decimal(str(found["AmountDue"])), "GBP")
    (row,) = [one for one in _rows(live, "Invoice") if one["DocNumber"] == side.number]
    return to_minor(Decimal(str(row["Balance"])), "USD")


def _rows(live: Live, entity: str) -> list[dict[str, Any]]:
    return list(books(live).rows[entity].values())


def credit_there(live: Live, side: Side) -> int:
    """Return what customers have left on account in the books."""
    if side.key == "uk":
        rows = live.sandbox.vendors["xero"].state()["overpayments"]
        return sum(to_minor(Decimal(str(one["RemainingCredit"])), "GBP") for one in rows if one["Status"] != "VOIDED")
    rows = [one for one in _rows(live, "Payment") if not is_voided(one)]
    return sum(to_minor(Decimal(str(one["UnappliedAmt"])), "USD") for one in rows)


def pass_days(live: Live, days: int) -> None:
    """Let days pass, so that Stripe makes money available and pays it out."""
    live.move_to(live.today + timedelta(days=days))


def quiet(live: Live) -> None:
    """Another round writes nowhere and changes nothing."""
    written = live.writes()
    live.done(*CASH)
    before = live.contents()
    assert not any(result.changed for result in live.done(*CASH).values())
    assert live.contents() == before
    assert live.writes() == written


def charge(live: Live, side: Side, amount: int = 130_00) -> dict[str, Any]:
    """Return the latest charge over an amount at Stripe."""
    account = live.sandbox.stripe.accounts[side.key]
    return [one for one in account.objects["charge"].values() if one["amount"] == amount][-1]


# ----------------------------------------------------------------------------------------------------- money on account


def test_money_of_a_known_customer_that_pays_nothing_yet_is_posted_on_account(billed: Live, side: Side) -> None:
    billed.pay(130_00, side.number, entity=side.key)
    assert billed.done(*CASH)["post_payments"].tally == {
        "payments created in the books": 1,
        "payments on account created in the books": 1,
    }
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 30_00)
    assert balances(billed, side)[side.clearing] == 130_00
    quiet(billed)
    assert [item.code for item in billed.items()] == ["unapplied_cash"]


def test_money_of_an_unknown_payer_is_posted_once_a_person_says_whose_it_is(billed: Live, side: Side) -> None:
    billed.pay(60_00, entity=side.key)
    billed.done(*CASH)
    assert balances(billed, side)[side.clearing] == 0
    billed.decide("unapplied_cash", f"apply={side.number}")
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (40_00, 0)
    assert balances(billed, side)[side.clearing] == 60_00
    quiet(billed)


def test_money_on_account_is_set_against_the_invoice_that_it_pays_later(billed: Live, side: Side) -> None:
    billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.sell("Southwind Ltd", deal_currency_code=side.currency)
    pass_days(billed, 30)  # the next invoice of the first customer
    billed.done(*AGAIN)
    later = next(row for row in billed.issued().values() if row.number != side.number and row.customer_id == 1)
    billed.decide("unapplied_cash", f"apply={later.number}")
    assert billed.done(*CASH)["post_payments"].tally == {"allocations created in the books": 1}
    assert credit_there(billed, side) == 0
    assert billed.issued()[str(later.number)].open == 70_00
    assert_clear(billed, side)
    assert [item.code for item in billed.items() if item.code == "books_differ"] == []
    quiet(billed)


def test_the_rest_of_a_payment_waits_until_what_it_pays_is_in_the_books(billed: Live, side: Side) -> None:
    pass_days(billed, 30)
    billed.done("pull_deals", "map_terms", "plan_invoices", "issue_invoices")  # not in the books yet
    (later,) = [number for number in billed.issued() if number != side.number]
    billed.pay(130_00, later, entity=side.key)
    billed.done("pull_payments", "match_payments", "post_payments")
    assert credit_there(billed, side) == 0
    billed.done(*AGAIN)
    assert credit_there(billed, side) == 30_00
    assert billed.rows("SELECT kind, count(*) FROM outbox WHERE kind IN ('payment', 'on_account', 'allocation')"
                       " GROUP BY kind") == [("on_account", 1), ("payment", 1)]  # fmt: skip
    assert [item.code for item in billed.items() if item.job != "match_payments"] == []


def test_an_answer_that_was_lost_leaves_one_of_each(billed: Live, side: Side) -> None:
    vendor = {"uk": "xero", "us": "quickbooks"}[side.key]
    billed.pay(130_00, side.number, entity=side.key)
    for _ in range(3):
        billed.fault(vendor, "error_after", method={"uk": "PUT", "us": "POST"}[side.key], times=1)
        billed.sync(*CASH)
    billed.mend()
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 30_00)
    assert balances(billed, side)[side.clearing] == 130_00


# -------------------------------------------------------------------------------------------------------------- refunds


def test_a_refund_of_money_on_account_is_given_back_out_of_it(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    assert billed.done(*CASH)["post_payments"].tally == {"refunds created in the books": 1}
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 10_00)
    assert balances(billed, side)[side.clearing] == 110_00
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=10_00)
    billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (0, 100_00)
    assert billed.items() == []
    quiet(billed)


def refund_days(live: Live, side: Side) -> list[tuple[Any, ...]]:
    """Return day and amount of each refund, as it went to the books."""
    found = live.rows("SELECT payload ->> 'on', payload ->> 'amount' FROM outbox WHERE kind='refund' ORDER BY id")
    assert found == live.rows("SELECT on_day, amount FROM refunds ORDER BY id")
    return found


def test_refunds_are_booked_on_the_days_on_which_they_were_made(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    for day, amount in (("2026-09-30", 20_00), ("2026-10-01", 5_00)):
        billed.move_to(date.fromisoformat(day))
        billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=amount)
    billed.move_to(date(2026, 10, 3))
    billed.done(*CASH)
    assert refund_days(billed, side) == [("2026-09-30", 20_00), ("2026-10-01", 5_00)]
    assert credit_there(billed, side) == 5_00
    quiet(billed)


def test_a_refund_of_a_closed_period_waits_until_that_is_open(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.move_to(date(2026, 9, 30))
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    billed.move_to(date(2026, 10, 3))
    lock_books(billed, side, "2026-09-30")
    billed.done(*CASH)
    assert any("the refund of payment" in item.message for item in billed.items("period_closed"))
    assert refund_days(billed, side) == []
    billed.configure(f"[entities.{side.key}]", f'[entities.{side.key}]\nclosed_period = "next_open"')
    billed.done(*CASH)
    assert refund_days(billed, side) == [("2026-10-01", 20_00)]
    if side.key == "uk":
        assert credit_there(billed, side) == 10_00
    else:  # QuickBooks changes the payment of September by that, which a closed period does not let it
        assert "but not set against" in billed.item("refund_not_booked").message


def test_a_refund_out_of_a_credit_note_is_not_booked_before_that_was_given(billed: Live, side: Side) -> None:
    intent = billed.pay(100_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.move_to(date(2026, 9, 10))
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=25_00)
    billed.done(*CASH)
    billed.move_to(date(2026, 9, 12))
    billed.done(*CASH)
    credit(billed, side, 25)
    billed.done("push_documents", *CASH)
    assert refund_days(billed, side) == [("2026-09-12", 25_00)]


def test_money_that_was_refunded_before_it_was_booked_is_not_booked(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=30_00)
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 0)
    assert balances(billed, side)[side.clearing] == 100_00
    quiet(billed)


def test_a_refund_of_what_paid_an_invoice_is_taken_from_the_credit_note_against_it(billed: Live, side: Side) -> None:
    intent = billed.pay(100_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=25_00)
    billed.done(*CASH)
    assert "25.00" in billed.item("refunded_after_applied").message
    assert balances(billed, side)[side.clearing] == 100_00  # nobody said yet why the money was given back
    credit(billed, side, 25)
    billed.done(*AGAIN)
    billed.done(*CASH)
    assert billed.items() == []
    assert balances(billed, side)[side.clearing] == 75_00
    assert left_of_credits(billed, side) == 0
    assert billed.issued()[side.number].open == 0
    quiet(billed)


def fail_refund(live: Live, side: Side, nth: int = -1) -> None:
    """Let a refund fail at Stripe, the latest where no other is named."""
    account = live.sandbox.stripe.accounts[side.key]
    with LOCK:
        refund = list(account.objects["refund"])[nth]
        aftermath.fail_refund(account, refund, int(live.sandbox.clock.tick().timestamp()))


def test_a_refund_that_comes_back_is_credit_of_the_customer_again_and_finance_is_told(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    billed.done(*CASH)
    fail_refund(billed, side)
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 30_00)
    assert balances(billed, side)[side.clearing] == 130_00
    message = billed.item("refund_failed").message
    assert "20.00" in message
    assert "the payer does not have it" in message
    quiet(billed)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=30_00)
    billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (0, 100_00)
    assert billed.items() == []
    quiet(billed)


def test_one_of_two_refunds_that_were_booked_together_comes_back(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    for amount in (20_00, 5_00):
        billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=amount)
    billed.done(*CASH)
    assert credit_there(billed, side) == 5_00
    fail_refund(billed, side, 0)
    billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (25_00, 125_00)
    quiet(billed)


def test_a_refund_from_a_credit_note_that_comes_back_leaves_the_credit_note_open(billed: Live, side: Side) -> None:
    intent = billed.pay(100_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=25_00)
    credit(billed, side, 25)
    for _ in range(2):
        billed.done(*AGAIN)
    assert (left_of_credits(billed, side), balances(billed, side)[side.clearing]) == (0, 75_00)
    fail_refund(billed, side)
    billed.done(*AGAIN)
    assert (left_of_credits(billed, side), balances(billed, side)[side.clearing]) == (25_00, 100_00)
    assert billed.issued()[side.number].open == 0
    assert "25.00" in billed.item("refund_failed").message
    quiet(billed)


def test_a_refund_of_before_the_booking_that_comes_back_is_posted_with_the_rest(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (10_00, 110_00)
    fail_refund(billed, side)
    billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (30_00, 130_00)
    quiet(billed)


@pytest.mark.parametrize("fault", ["error_after", "error_before"])
def test_a_refund_whose_taking_back_got_no_answer_is_taken_back_once(billed: Live, side: Side, fault: str) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    billed.done(*CASH)
    fail_refund(billed, side)
    for skip in (0, 1):
        billed.fault({"uk": "xero", "us": "quickbooks"}[side.key], fault, method="POST", times=1, skip=skip)
        billed.sync(*CASH)
        billed.mend()
    pass_days(billed, 1)
    for _ in range(3):
        billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (30_00, 130_00)


def test_a_refund_that_the_books_do_not_let_go_waits_for_a_person(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    billed.done(*CASH)
    fail_refund(billed, side)
    lock_books(billed, side, billed.today.isoformat())
    billed.sync(*CASH)
    assert billed.item("refund_void_not_booked").message
    assert credit_there(billed, side) == 10_00
    lock_books(billed, side, "2020-01-31")
    billed.decide("refund_void_not_booked", "retry")
    billed.done(*CASH)
    assert (credit_there(billed, side), balances(billed, side)[side.clearing]) == (30_00, 130_00)


def lock_books(live: Live, side: Side, day: str) -> None:
    """Close the books through a day."""
    with LOCK:
        if side.key == "uk":
            there = live.sandbox.vendors["xero"].books.organisation  # type: ignore[attr-defined]
            there["PeriodLockDate"] = day_fields("x", date.fromisoformat(day))["x"]
        else:
            books(live).preferences["AccountingInfoPrefs"]["BookCloseDate"] = day


# --------------------------------------------------------------------------------------------------------- credit notes


def credit(live: Live, side: Side, net: int) -> str:
    """Credit a part of the first invoice, as the command line does."""
    with live.store() as store:
        row = credits.find(store, side.number)
        return str(credits.give(store, live.world, NOBODY, row, Wish(net=Decimal(net)), "agreed").number)


def left_of_credits(live: Live, side: Side) -> int:
    """Return what is left of credit notes in the books; the store must say the same."""
    if side.key == "uk":
        rows = live.sandbox.vendors["xero"].state()["credit_notes"]
        there = sum(to_minor(Decimal(str(one["RemainingCredit"])), "GBP") for one in rows)
    else:
        there = sum(to_minor(Decimal(str(one["Balance"])), "USD") for one in _rows(live, "CreditMemo"))
    with live.store() as store:
        notes = store.tuples("SELECT id FROM documents WHERE type='credit_note' AND status='issued'")
        assert sum(credit_uses.left(store, id_) for (id_,) in notes) == there
    return there


def test_a_credit_note_is_set_against_its_invoice_as_far_as_that_is_open(billed: Live, side: Side) -> None:
    billed.pay(80_00, side.number, entity=side.key)
    billed.done(*CASH)
    credit(billed, side, 50)
    billed.done(*AGAIN)
    assert billed.issued()[side.number].open == 0
    assert (open_there(billed, side), left_of_credits(billed, side)) == (0, 30_00)
    assert billed.items() == []
    quiet(billed)


def test_several_credit_notes_lower_one_invoice(billed: Live, side: Side) -> None:
    for net in (10, 20, 5):
        credit(billed, side, net)
    billed.done(*AGAIN)
    assert billed.issued()[side.number].open == 65_00
    assert (open_there(billed, side), left_of_credits(billed, side)) == (65_00, 0)
    billed.pay(65_00, side.number, entity=side.key)
    billed.done(*AGAIN)
    assert (open_there(billed, side), billed.items()) == (0, [])
    quiet(billed)


def test_a_payment_that_was_refused_while_its_rest_was_booked_and_given_back_is_booked_as_itself(
    billed: Live, side: Side
) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    method, path = {"uk": ("PUT", "/Payments"), "us": ("POST", "/batch")}[side.key]
    vendor = {"uk": "xero", "us": "quickbooks"}[side.key]
    billed.sandbox.faults.ordered[:] = [Fault(vendor, "error_before", method=method, path=path, status=400, body="{}")]
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (100_00, 30_00)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=30_00)
    billed.done(*CASH)
    billed.decide("payment_not_booked", "retry")
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side), billed.items()) == (0, 0, [])
    assert balances(billed, side)[side.clearing] == 100_00
    quiet(billed)


# --------------------------------------------------------------------------------------------- money that is taken back


def test_a_disputed_payment_is_voided_and_booked_again_when_the_dispute_is_won(billed: Live, side: Side) -> None:
    billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    account, paid = billed.sandbox.stripe.accounts[side.key], charge(billed, side)
    with LOCK:
        account.dispute("d1", paid, int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*CASH)
    assert billed.issued()[side.number].open == 100_00
    assert (open_there(billed, side), credit_there(billed, side)) == (100_00, 0)
    assert balances(billed, side)[side.clearing] == 0
    assert "130.00" in billed.item("payment_disputed").message
    quiet(billed)
    (dispute,) = account.objects["dispute"]
    with LOCK:
        aftermath.close_dispute(account, dispute, int(billed.sandbox.clock.tick().timestamp()), won=True)
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 30_00)
    assert balances(billed, side)[side.clearing] == 130_00
    assert billed.items("payment_disputed") == []
    quiet(billed)


@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
def test_a_payment_that_is_disputed_in_part_keeps_the_rest(billed: Live, side: Side, won: bool) -> None:
    billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    account = billed.sandbox.stripe.accounts[side.key]
    with LOCK:
        account.dispute("d1", charge(billed, side), int(billed.sandbox.clock.tick().timestamp()), 25_00)
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 5_00)
    assert balances(billed, side)[side.clearing] == 105_00
    (dispute,) = account.objects["dispute"]
    with LOCK:
        aftermath.close_dispute(account, dispute, int(billed.sandbox.clock.tick().timestamp()), won=won)
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 30_00 if won else 5_00)
    assert balances(billed, side)[side.clearing] == (130_00 if won else 105_00)
    pass_days(billed, 9)
    billed.done(*CASH)
    assert_clear(billed, side)
    quiet(billed)


def test_a_payment_that_was_refunded_in_part_and_then_disputed_is_out_of_the_books(billed: Live, side: Side) -> None:
    intent = billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    billed.done(*CASH)
    account = billed.sandbox.stripe.accounts[side.key]
    with LOCK:
        account.dispute("d1", charge(billed, side), int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (100_00, 0)
    assert balances(billed, side)[side.clearing] == 0
    assert billed.items("refund_failed") == []
    quiet(billed)
    (dispute,) = account.objects["dispute"]
    with LOCK:
        aftermath.close_dispute(account, dispute, int(billed.sandbox.clock.tick().timestamp()), won=True)
    billed.done(*CASH)
    assert (open_there(billed, side), credit_there(billed, side)) == (0, 10_00)
    assert balances(billed, side)[side.clearing] == 110_00
    assert billed.items("refund_failed") == []
    quiet(billed)


# -------------------------------------------------------------------------------------------------------------- payouts


def test_after_all_is_posted_the_clearing_account_holds_what_the_provider_holds(billed: Live, side: Side) -> None:
    """Payments, a refund, a dispute, fees and payouts: at every stage, and to the cent."""
    billed.pay(130_00, side.number, entity=side.key)
    billed.done(*CASH)
    billed.stripe("POST", "refunds", side.key, charge=charge(billed, side)["id"], amount=20_00)
    billed.sell("Southwind Ltd", "300", deal_currency_code=side.currency)
    billed.done(*DAILY)
    other = next(number for number, row in billed.issued().items() if row.total == 300_00)
    billed.pay(300_00, other, entity=side.key)
    billed.done(*CASH)
    pass_days(billed, 12)
    billed.done(*CASH)
    assert_clear(billed, side)
    assert balances(billed, side)[side.bank] > 0
    with LOCK:
        account = billed.sandbox.stripe.accounts[side.key]
        account.dispute("d1", charge(billed, side, 300_00), int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*CASH)
    billed.pay(310_00, other, entity=side.key)
    billed.done(*CASH)
    pass_days(billed, 12)
    billed.done(*CASH)
    assert_clear(billed, side)
    quiet(billed)


def assert_clear(live: Live, side: Side) -> None:
    """Hold the clearing account against Stripe's balance.

    What Stripe kept of money that is not paid out yet is not booked, nor is what others sold of it.
    """
    account = live.sandbox.stripe.accounts[side.key]
    moves = account.objects["balance_transaction"]
    waiting = [move for id_, move in moves.items() if not _is_out(account, id_)]
    kept = sum(move["fee"] for move in waiting)
    others = sum(move["amount"] for move in waiting if _is_a_ticket(account, move))
    assert balances(live, side)[side.clearing] == held_at_stripe(live, side) + kept - others
    assert [item.message for item in live.items() if item.job == "post_payouts"] == []


def _is_a_ticket(account: Any, move: dict[str, Any]) -> bool:
    return bool(account.find(move["source"])["metadata"].get("source") == "tickets")


def _is_out(account: Any, move: str) -> bool:
    payout = account.paid_out.get(move)
    return payout is not None and account.objects["payout"][payout]["status"] in ("paid", "failed")


def test_a_payout_that_fails_after_it_arrived_is_in_the_clearing_account_again(billed: Live, side: Side) -> None:
    billed.pay(100_00, side.number, entity=side.key)
    pass_days(billed, 9)
    billed.done(*CASH)
    sent = balances(billed, side)[side.bank]
    before = balances(billed, side)[side.clearing]
    account = billed.sandbox.stripe.accounts[side.key]
    with LOCK:
        payout = list(account.objects["payout"])[-1]
        amount = account.objects["payout"][payout]["amount"]
        assert account.objects["payout"][payout]["status"] == "paid"
        aftermath.fail_payout(account, payout, int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*CASH)
    assert balances(billed, side)[side.bank] == sent - amount
    assert balances(billed, side)[side.clearing] == before + amount
    quiet(billed)
    assert_clear(billed, side)


# -------------------------------------------------------------------------------------------- payouts sent by hand


def by_hand(live: Live, side: Side, amount: int) -> dict[str, Any]:
    """Send a payout by hand; return it."""
    currency = side.currency.lower()
    return dict(live.stripe("POST", "payouts", side.key, amount=amount, currency=currency))


def fees_of(live: Live, side: Side) -> int:
    """Return what Stripe kept of everything up to the last payout."""
    return sum(move["fee"] for move in _moves(live, side, after=False))


def _moves(live: Live, side: Side, *, after: bool) -> list[dict[str, Any]]:
    """Return what moved the balance after the last payout, or up to it."""
    objects = live.sandbox.stripe.accounts[side.key].objects
    last = max(one["created"] for one in objects["payout"].values())
    return [move for move in objects["balance_transaction"].values() if (move["created"] > last) is after]


def test_a_payout_sent_by_hand_is_booked_and_every_fee_once(billed: Live, side: Side) -> None:
    account = billed.sandbox.stripe.accounts[side.key]
    account.manual = True
    billed.pay(100_00, side.number, entity=side.key)
    pass_days(billed, 3)
    by_hand(billed, side, 40_00)
    pass_days(billed, 1)
    billed.done(*CASH)
    held = balances(billed, side)
    assert (held[side.bank], held[side.fees]) == (40_00, fees_of(billed, side))
    assert_all_booked(billed, side)
    by_hand(billed, side, 20_00)
    pass_days(billed, 1)
    billed.done(*CASH)
    held = balances(billed, side)
    assert (held[side.bank], held[side.fees]) == (60_00, fees_of(billed, side))
    assert_all_booked(billed, side)
    quiet(billed)


def assert_all_booked(live: Live, side: Side) -> None:
    """The clearing account holds what Stripe does, but for what others sold since the last payout."""
    since = [move["net"] for move in _moves(live, side, after=True) if move["type"] == "charge"]
    assert balances(live, side)[side.clearing] == held_at_stripe(live, side) - sum(since)
    assert [item.message for item in live.items() if item.job == "post_payouts"] == []


def test_payouts_by_hand_between_automatic_ones_take_no_fee_that_those_have(billed: Live, side: Side) -> None:
    account = billed.sandbox.stripe.accounts[side.key]
    billed.pay(30_00, side.number, entity=side.key)
    pass_days(billed, 9)
    billed.done(*CASH)
    billed.pay(30_00, side.number, entity=side.key)
    pass_days(billed, 1)
    account.manual = True
    pass_days(billed, 3)
    by_hand(billed, side, 11_00)
    billed.done(*CASH)  # it is under way, and has its movements already
    account.manual = False
    billed.pay(40_00, side.number, entity=side.key)
    pass_days(billed, 9)
    billed.done(*CASH)
    assert len(account.objects["payout"]) >= 3
    assert_clear(billed, side)
    paid_out = [move for id_, move in account.objects["balance_transaction"].items() if _is_out(account, id_)]
    assert balances(billed, side)[side.fees] == sum(move["fee"] for move in paid_out)
    quiet(billed)


def test_a_payout_by_hand_that_fails_is_in_the_clearing_account_again(billed: Live, side: Side) -> None:
    account = billed.sandbox.stripe.accounts[side.key]
    account.manual = True
    billed.pay(100_00, side.number, entity=side.key)
    pass_days(billed, 3)
    sent = by_hand(billed, side, 40_00)
    pass_days(billed, 1)
    billed.done(*CASH)
    with LOCK:
        aftermath.fail_payout(account, sent["id"], int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*CASH)
    held = balances(billed, side)
    assert (held[side.bank], held[side.fees]) == (0, fees_of(billed, side))
    assert_all_booked(billed, side)
    quiet(billed)


def test_a_payout_by_hand_that_was_left_to_a_person_stays_theirs(billed: Live, side: Side) -> None:
    account = billed.sandbox.stripe.accounts[side.key]
    account.manual = True
    billed.pay(100_00, side.number, entity=side.key)
    pass_days(billed, 3)
    sent = by_hand(billed, side, 40_00)
    with billed.store() as store, store.transaction():
        payouts.save_unreadable(store, f"stripe_{side.key}", sent["id"], "it was sent by hand")
    pass_days(billed, 1)
    billed.done(*CASH)
    assert billed.item("payout_unreadable").message
    assert balances(billed, side)[side.bank] == 0


def test_a_payout_whose_answer_was_lost_is_booked_once(billed: Live, side: Side) -> None:
    billed.pay(100_00, side.number, entity=side.key)
    billed.done(*CASH)
    pass_days(billed, 9)
    vendor, method = ("xero", "PUT") if side.key == "uk" else ("quickbooks", "POST")
    for _ in range(2):
        billed.fault(vendor, "error_after", method=method, times=1)
        billed.sync("post_payouts")
    billed.mend()
    billed.done(*CASH)
    assert_clear(billed, side)


def test_without_a_bank_account_payouts_are_not_booked_nor_read(billed: Live, side: Side) -> None:
    file = {"uk": "xero.toml", "us": "quickbooks.toml"}[side.key]
    strike_out(billed, file, "[bank]")
    billed.pay(100_00, side.number, entity=side.key)
    pass_days(billed, 9)
    billed.done("post_payouts")
    assert billed.rows("SELECT count(*) FROM payouts WHERE connection='stripe_" + side.key + "'") == [(0,)]


def test_a_currency_without_a_bank_account_waits_for_a_person(live: Live) -> None:
    live.sell(deal_currency_code="EUR")
    live.done(*DAILY)
    strike_out(live, "xero.toml", 'EUR = "099"')
    live.pay(100_00, "UK-00001", currency="eur")
    pass_days(live, 9)
    live.done(*CASH)
    assert "no bank account for payouts in EUR" in live.item("no_payout_account").message


def strike_out(live: Live, file: str, begin: str) -> None:
    """Give the configuration mappings of its own, in which a table or a line is missing."""
    own = live.file.parent / "mappings"
    shutil.copytree(SHIPPED, own, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    before, _, after = (own / file).read_text(encoding="utf-8").partition(begin)
    kept = after[after.index("\n#") :] if begin == "[bank]" else after
    (own / file).write_text(before + kept, encoding="utf-8")
