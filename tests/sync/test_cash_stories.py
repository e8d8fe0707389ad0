"""Whatever happens to the cash, in whatever order: both sides agree to the cent, and a further sync writes nothing."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from billing.money import to_minor
from sandbox.core import LOCK
from sandbox.stripe import aftermath
from store import cash, invoices, outbox
from sync import credits
from sync.credits import Wish
from sync.decide import decide
from tests.sync.test_cash_in_books import AGAIN, CASH, SIDES, Side, balances, books, credit_there
from tests.worlds import DAILY, NOBODY, Live

STEPS = 7


class Story:
    """A customer with some invoices, and what happens to them by chance."""

    def __init__(self, live: Live, side: Side, seed: int) -> None:
        self.live, self.side, self.random = live, side, Random(seed)
        self.account = live.sandbox.stripe.accounts[side.key]
        for name in ("Northwind Ltd", "Southwind Ltd"):
            live.sell(name, deal_currency_code=side.currency)
        live.done(*DAILY)
        self.numbers = sorted(live.issued())
        self.told: list[str] = []

    def at(self) -> int:
        return int(self.live.sandbox.clock.tick().timestamp())

    def step(self) -> None:
        """Let one thing happen that can, and let both sides hear of it."""
        acts = (self.pay, self.pay, self.pay_unnamed, self.refund, self.credit, self.dispute, self.win, self.apply)
        act = self.random.choice(acts)
        self.told.append(f"{act.__name__}: {act()}")
        self.live.done(*AGAIN)
        self.live.done(*CASH)

    def pay(self) -> str:
        number, amount = self.random.choice(self.numbers), self.random.randint(1, 150) * 1_00
        self.live.pay(amount, number, entity=self.side.key)
        return f"{number} {amount}"

    def pay_unnamed(self) -> str:
        name = self.random.choice(("Northwind Ltd", "Somebody"))
        customer = self.live.stripe("POST", "customers", self.side.key, name=name, email="nobody@elsewhere.example")
        self.live.pay(77_00, entity=self.side.key, customer=str(customer["id"]))
        return name

    def _charges(self, *, disputed: bool) -> list[dict[str, Any]]:
        ours = (one for one in self.account.objects["charge"].values() if one["metadata"].get("source") != "tickets")
        return [one for one in ours if one["disputed"] is disputed]

    def refund(self) -> str:
        left = [one for one in self._charges(disputed=False) if one["amount_refunded"] < one["amount"]]
        if not left:
            return "nothing"
        chosen = self.random.choice(left)
        amount = self.random.randint(1, chosen["amount"] - chosen["amount_refunded"])
        self.live.stripe("POST", "refunds", self.side.key, charge=chosen["id"], amount=amount)
        return f"{amount} of {chosen['amount']}"

    def credit(self) -> str:
        number, net = self.random.choice(self.numbers), Decimal(self.random.randint(1, 60))
        try:
            with self.live.store() as store:
                credits.give(store, self.live.world, NOBODY, credits.find(store, number), Wish(net=net), "agreed")
        except ValueError:
            return "nothing is left"
        return f"{number} {net}"

    def dispute(self) -> str:
        whole = [one for one in self._charges(disputed=False) if not one["amount_refunded"]]
        if not whole:
            return "nothing"
        with LOCK:
            chosen = self.random.choice(whole)
            self.account.dispute(f"d{len(self.told)}", chosen, self.at())
        return str(chosen["amount"])

    def win(self) -> str:
        opened = [one for one in self.account.objects["dispute"].values() if one["status"] == "needs_response"]
        if not opened:
            return "nothing"
        with LOCK:
            aftermath.close_dispute(self.account, opened[0]["id"], self.at(), won=True)
        return str(opened[0]["amount"])

    def apply(self) -> str:
        items, number = self.live.items("unapplied_cash"), self.random.choice(self.numbers)
        if not items:
            return "nothing"
        try:
            with self.live.store() as store:
                decide(store, NOBODY, items[0].id, f"apply={number}", "they said so")
        except ValueError:
            return "does not fit"
        return number

    # --------------------------------------------------------------------------------------------------- what must hold

    def check(self) -> None:
        """Every cent that Stripe holds of ours is in the clearing account, but for what waits for a person."""
        with self.live.store() as store:
            rows = [row for row in cash.payments(store) if row.entity == self.side.key and row.scope == "in"]
            ledger = self.live.world.entities[self.side.key].accounting
            known = outbox.known(store, ledger, "on_account")
            open_here = {str(row.number): row.open for row in invoices.issued(store) if row.type == "invoice"}
            states = store.tuples("SELECT kind, state, problem FROM outbox WHERE state<>'done' OR problem<>''")
        assert states == [], self.told
        kept = [row for row in rows if not row.is_gone]
        held = sum(row.amount - row.refunded for row in kept)
        nobodys = sum(row.available for row in kept if row.available > 0 and row.id not in known)
        unplaced = -sum(row.available for row in kept if row.available < 0)
        on_account = sum(row.available for row in kept if row.id in known and row.available > 0)
        assert balances(self.live, self.side)[self.side.clearing] == held - nobodys + unplaced, self.told
        assert open_there(self.live, self.side) == open_here, self.told
        assert credit_there(self.live, self.side) == on_account, self.told


def open_there(live: Live, side: Side) -> dict[str, int]:
    """Return what is open of each invoice in the books."""
    if side.key == "uk":
        found = live.sandbox.vendors["xero"].state()["invoices"]
        return {one["InvoiceNumber"]: to_minor(Decimal(str(one["AmountDue"])), "GBP") for one in found}
    rows = books(live).rows["Invoice"].values()
    return {one["DocNumber"]: to_minor(Decimal(str(one["Balance"])), "USD") for one in rows}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 12))])
@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.key)
def test_both_sides_agree_after_every_step_of_a_story(live: Live, side: Side, seed: int) -> None:
    story = Story(live, side, seed)
    for _ in range(STEPS):
        story.step()
        story.check()
    written = live.writes()
    assert not any(result.changed for result in live.done(*CASH).values()), story.told
    assert live.writes() == written
