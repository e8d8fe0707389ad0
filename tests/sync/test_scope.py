"""Whose money a payment is: what is not ours is counted and shown, and waits for nobody."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mappings import SHIPPED
from sandbox.stripe.objects import Order
from store.database import Store
from sync.report import summary, to_json
from tests.worlds import DAILY, Live

CASH = ("pull_payments", "match_payments", "post_payments")
SCOPES = "SELECT amount, scope FROM payments ORDER BY amount"


@pytest.fixture
def billed(live: Live) -> Live:
    """A customer who owes 100.00 GBP on UK-00001."""
    live.sell()
    live.done(*DAILY)
    return live


def visit(live: Live, amount: int = 49_00, description: str = "Ticket: customer day") -> None:
    """Buy a ticket, as the sandbox's visitors do."""
    live.pay(amount, description, **{"metadata[source]": "tickets"})


def rule(live: Live, rules: str) -> None:
    """Give the company a mapping of its own with these rules."""
    folder = live.file.parent / "mappings"
    if not folder.exists():
        shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (SHIPPED / "stripe.toml").read_text(encoding="utf-8")
    (folder / "stripe.toml").write_text(text.partition("[scope]")[0] + rules, encoding="utf-8")


def test_what_the_rules_rule_out_is_counted_and_waits_for_nobody(billed: Live) -> None:
    visit(billed)
    visit(billed, 51_00)
    billed.pay(100_00, "UK-00001")
    results = billed.done(*CASH)
    assert results["match_payments"].tally == {"payments found not to be ours": 2, "payments matched": 1}
    assert billed.rows(SCOPES) == [(49_00, "out"), (51_00, "out"), (100_00, "in")]
    assert billed.items() == []
    with billed.store() as store:
        found = summary(store, {})
    assert found.out_of_scope == (("uk", "GBP", 2, 100_00),)
    assert found.unapplied == ()
    assert (found.totals["payments"], found.totals["payments_out_of_scope"]) == (1, 2)
    assert to_json(found)["out_of_scope"] == [{"entity": "uk", "currency": "GBP", "payments": 2, "amount": "100.00"}]
    assert not any(result.changed for result in billed.done(*CASH).values())


def test_a_refunded_ticket_counts_no_more(billed: Live) -> None:
    intent = billed.pay(49_00, **{"metadata[source]": "tickets"})
    billed.done(*CASH)
    billed.stripe("POST", "refunds", payment_intent=intent)
    billed.done(*CASH)
    with billed.store() as store:
        assert summary(store, {}).out_of_scope == ()


@pytest.mark.parametrize("paid_before", [False, True])
def test_a_payment_that_names_an_invoice_is_ours_whatever_the_rules_say(billed: Live, paid_before: bool) -> None:
    if paid_before:
        billed.pay(100_00, "UK-00001")
        billed.done(*CASH)
    visit(billed, 100_00, "uk 00001, sold at the door")
    billed.done(*CASH)
    assert {scope for _, scope in billed.rows(SCOPES)} == {"in"}
    assert billed.issued()["UK-00001"].open == 0
    assert len(billed.items("unapplied_cash")) == int(paid_before), "a second payment of it waits for a person"


def test_a_number_that_only_looks_like_one_of_ours_does_not_make_a_payment_ours(billed: Live) -> None:
    visit(billed, description="Seat UK-00999")
    billed.done(*CASH)
    assert billed.rows(SCOPES) == [(49_00, "out")]
    assert billed.items() == []


def test_changed_rules_decide_anew_in_both_directions(billed: Live) -> None:
    visit(billed)
    billed.pay(30_00, "Donation")
    billed.done(*CASH)
    assert billed.rows(SCOPES) == [(30_00, "in"), (49_00, "out")]
    assert len(billed.items("unapplied_cash")) == 1
    rule(billed, '[[scope.rules]]\nwhen = { description = "Donation*" }\npayment = "not ours"')
    result = billed.done(*CASH)["match_payments"]
    assert result.tally == {"payments found to be ours": 1, "payments found not to be ours": 1}
    assert billed.rows(SCOPES) == [(30_00, "out"), (49_00, "in")]
    assert "49.00 GBP" in billed.item("unapplied_cash").message
    assert not any(result.changed for result in billed.done(*CASH).values())


def test_what_has_paid_an_invoice_stays_ours_when_the_rules_change(billed: Live) -> None:
    billed.pay(130_00, "UK-00001")
    billed.done(*CASH)
    rule(billed, '[scope]\ndefault = "not ours"')
    billed.done(*CASH)
    assert billed.rows(SCOPES) == [(130_00, "in")]
    assert "30.00 GBP" in billed.item("unapplied_cash").message


def test_a_payment_out_of_scope_is_not_matched_by_its_payer_and_amount(billed: Live) -> None:
    customer = billed.payer("Northwind Ltd")
    billed.pay(100_00, customer=customer, **{"metadata[source]": "tickets"})
    billed.done(*CASH)
    assert billed.issued()["UK-00001"].open == 100_00
    assert billed.items() == []


def test_rules_may_ask_what_the_customer_carries(billed: Live) -> None:
    rule(billed, '[[scope.rules]]\nwhen = { "customer.metadata.segment" = "b2c" }\npayment = "not ours"')
    shopper = billed.stripe("POST", "customers", name="Jo", **{"metadata[segment]": "B2C"})["id"]
    billed.pay(20_00, customer=shopper)
    billed.pay(30_00)
    billed.done(*CASH)
    assert billed.rows(SCOPES) == [(20_00, "out"), (30_00, "in")]


def test_the_sandboxs_visitors_are_ruled_out_by_the_shipped_mapping(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.move_to(live.today.replace(day=28))
    live.done(*CASH)
    names = live.rows("SELECT data ->> 'customer_name', scope FROM payments")
    assert set(names) == {("Jo Visitor", "out")}
    assert live.items() == []


# -------------------------------------------------------------------------------------------- what cannot be read


def test_a_payment_that_cannot_be_read_is_a_review_item_that_stays_and_the_others_go_on(billed: Live) -> None:
    account = billed.sandbox.stripe.accounts["uk"]
    odd = account.pay("odd", int(billed.sandbox.clock.tick().timestamp()), Order(150_050, "isk"))
    billed.pay(100_00, "UK-00001")
    results = billed.done(*CASH)
    assert results["pull_payments"].tally["payments that cannot be read"] == 1
    assert billed.issued()["UK-00001"].open == 0
    item = billed.item("payment_unreadable")
    assert odd["id"] in item.message
    assert "150050 ISK has no exact amount" in item.message
    billed.move_to(billed.today.replace(day=20))
    billed.done(*CASH)
    assert [one.id for one in billed.items("payment_unreadable")] == [item.id], "it is not delivered again, but stays"


def test_a_payment_that_becomes_readable_closes_its_item(billed: Live) -> None:
    account = billed.sandbox.stripe.accounts["uk"]
    odd = account.pay("odd", int(billed.sandbox.clock.tick().timestamp()), Order(150_050, "isk"))
    billed.done(*CASH)
    odd.update(amount=150_000, amount_captured=150_000)
    billed.done(*CASH)
    assert billed.items("payment_unreadable") == []
    with Store(billed.database) as store:
        assert store.tuples("SELECT amount, currency FROM payments") == [(1500, "ISK")]
