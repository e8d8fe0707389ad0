"""Whatever happens at Stripe, in whatever order: each clearing account holds what Stripe does, to the cent.

Payments in two currencies at moving rates, debits, transfers into customers' cash balances, refunds, refunds that fail,
disputes of all or a part, won or lost, payouts by the calendar and by hand, payouts that fail. What is expected follows
from the stand-in's own balance transactions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from billing.money import to_decimal
from sandbox.core import LOCK
from sandbox.stripe import aftermath
from sandbox.stripe import cash as customer_cash
from store import cash, invoices, outbox
from sync import credits
from sync.credits import Wish
from tests.sync.test_cash_in_books import AGAIN, balances, pass_days
from tests.sync.test_exchanges import PLACES, Abroad, change_mapping, settle
from tests.worlds import DAILY, NOBODY, Live

Move = dict[str, Any]
NOTHING = ""  # what an act returns for which there is nothing


class Story:
    """A legal entity with a customer in its own currency and one in euros, and what happens to them by chance."""

    def __init__(self, live: Live, place: Abroad, seed: int) -> None:
        self.live, self.place, self.random = live, place, Random(seed)
        self.account = live.sandbox.stripe.accounts[place.key]
        self.home, self.told = place.home.currency, list[str]()
        if place.key == "us":
            live.configure('currencies = ["USD"]', 'currencies = ["USD", "EUR"]')
            live.configure("standard = 6.25\nservices = 0", "standard = 6.25\nservices = 0\nreverse_charge = 0")
            change_mapping(live, "quickbooks.toml", "[clearing]\n", '[clearing]\nEUR = "Stripe clearing EUR"\n')
            change_mapping(live, "quickbooks.toml", "[bank]\n", '[bank]\nEUR = "Checking EUR"\n')
        live.sell("Northwind Ltd", "400", deal_currency_code=self.home, billing_entity=place.key)
        live.sell("Southwind Ltd", "500", deal_currency_code="EUR", billing_entity=place.key)
        live.done(*DAILY)
        self.numbers = {row.currency: str(row.number) for row in live.issued().values()}
        self.payers = {currency: self._payer(currency) for currency in self.numbers}
        self.move_rate()

    def _payer(self, currency: str) -> str:
        made = self.live.stripe("POST", "customers", self.place.key, name=currency, email="nobody@elsewhere.example")
        return str(made["id"])

    def at(self) -> int:
        return int(self.live.sandbox.clock.tick().timestamp())

    def step(self) -> None:
        """Let one thing happen that can, and let the books hear of it."""
        acts: list[Callable[[], str]] = [
            self.pay, self.pay, self.debit, self.transfer, self.apply, self.release, self.refund, self.refund,
            self.fail_refund, self.fail_refund, self.dispute, self.dispute, self.end_dispute, self.end_dispute,
            self.move_rate, self.keep_euros, self.days, self.days, self.pay_out, self.fail_payout, self.by_hand,
        ]  # fmt: skip
        self.random.shuffle(acts)
        for act in acts:
            if (what := act()) != NOTHING:
                self.told.append(f"{act.__name__}: {what}")
                break
        self.sync()

    def sync(self) -> None:
        self.live.done(*AGAIN)
        self.give_credit()
        self.live.done(*AGAIN)

    # ------------------------------------------------------------------------------------------------- what can happen

    def pay(self, amount: int = 0, currency: str = "") -> str:
        amount = amount or self.random.randint(20_00, 450_00)
        currency = currency or self.random.choice((self.home, "EUR"))
        form = {"currency": currency.lower(), "customer": self.payers[currency]}
        self.live.pay(amount, self.numbers[currency], entity=self.place.key, **form)
        return f"{amount} {currency}"

    def debit(self) -> str:
        methods = ("pm_usBankAccount_success", "pm_sepaDebit_success", "pm_usBankAccount_accountClosed")
        currency, method = self.random.choice((self.home, "EUR")), self.random.choice(methods)
        amount, form = self.random.randint(20_00, 450_00), {"currency": currency.lower()}
        form |= {"customer": self.payers[currency], "payment_method": method}
        self.live.pay(amount, self.numbers[currency], entity=self.place.key, **form)
        return f"{amount} {currency} {method}"

    def transfer(self) -> str:
        """Let a customer send money that nothing was asked for."""
        currency, amount = self.random.choice((self.home, "EUR")), self.random.randint(20_00, 450_00)
        with LOCK:
            customer_cash.fund(
                self.account, f"t{len(self.told)}", self.at(), self.payers[currency], amount, currency.lower()
            )
        return f"{amount} {currency}"

    def apply(self) -> str:
        """Apply a part of what a customer sent to a payment that names the invoice."""
        customer, currency, there = self._sent()
        if not there:
            return NOTHING
        amount = self.random.randint(1, there)
        form: dict[str, Any] = {"currency": currency, "customer": customer}
        text = self.numbers[currency.upper()]
        made = self.live.stripe("POST", "payment_intents", self.place.key, amount=amount, description=text, **form)
        with LOCK:
            intent = self.account.objects["payment_intent"][made["id"]]
            customer_cash.apply(self.account, f"a{len(self.told)}", self.at(), intent)
        return f"{amount} {currency}"

    def release(self) -> str:
        """Let Stripe move what nobody applied into the balance, once it is known whose it is."""
        customer, currency, there = self._sent()
        known = any(one["customer"] == customer and one["status"] == "succeeded" for one in self._charges())
        if not there or not known or currency in self.account.rates:
            return NOTHING
        with LOCK:
            customer_cash.to_balance(self.account, f"r{len(self.told)}", self.at(), customer, there, currency)
        return f"{there} {currency}"

    def _sent(self) -> tuple[str, str, int]:
        held = [(*of, amount) for of, amount in self.account.cash.items() if amount > 0]
        return self.random.choice(held) if held else ("", "", 0)

    def refund(self) -> str:
        left = [one for one in self._charges() if one["amount_refunded"] < one["amount"] and not one["disputed"]]
        if not left:
            return NOTHING
        chosen = self.random.choice(left)
        amount = self.random.randint(1, chosen["amount"] - chosen["amount_refunded"])
        self.live.stripe("POST", "refunds", self.place.key, charge=chosen["id"], amount=amount)
        return f"{amount} of {chosen['amount']}"

    def fail_refund(self) -> str:
        kept = [one for one in self.account.objects["refund"].values() if one["status"] == "succeeded"]
        kept = [one for one in kept if not self.account.objects["charge"][one["charge"]]["disputed"]]
        return self._aftermath(kept, lambda one: aftermath.fail_refund(self.account, one["id"], self.at()))

    def dispute(self) -> str:
        left = [one for one in self._charges() if one["amount_refunded"] < one["amount"] and not one["disputed"]]

        def act(one: Move) -> None:
            rest = one["amount"] - one["amount_refunded"]
            amount = self.random.choice((rest, self.random.randint(1, rest)))
            self.account.dispute(f"d{len(self.told)}", one, self.at(), amount)

        return self._aftermath(left, act)

    def end_dispute(self) -> str:
        opened = [one for one in self.account.objects["dispute"].values() if one["status"] == "needs_response"]
        won = self.random.choice((True, False))
        return self._aftermath(opened, lambda one: aftermath.close_dispute(self.account, one["id"], self.at(), won=won))

    def move_rate(self) -> str:
        rate = Decimal(self.place.rate) + Decimal(self.random.randint(-900, 900)) / 10_000
        settle(self.live, self.place, str(rate))
        return str(rate)

    def keep_euros(self) -> str:
        with LOCK:
            self.account.rates.clear()
        return "a balance of their own"

    def days(self) -> str:
        days = self.random.randint(1, 6)
        pass_days(self.live, days)
        return str(days)

    def by_hand(self) -> str:
        self.account.manual = not self.account.manual
        return str(self.account.manual)

    def pay_out(self) -> str:
        currency = self.random.choice((self.home, "EUR")).lower()
        there = self.account.available(currency)
        if there <= 0:
            return NOTHING
        amount = self.random.randint(1, there)
        self.live.stripe("POST", "payouts", self.place.key, amount=amount, currency=currency)
        return f"{amount} {currency}"

    def fail_payout(self) -> str:
        sent = [one for one in self.account.objects["payout"].values() if one["status"] in ("paid", "in_transit")]
        return self._aftermath(sent, lambda one: aftermath.fail_payout(self.account, one["id"], self.at()))

    def _charges(self) -> list[Move]:
        charges = self.account.objects["charge"].values()
        return [one for one in charges if one["status"] == "succeeded" and not _is_a_ticket(one)]

    def _aftermath(self, found: list[Move], act: Callable[[Move], None]) -> str:
        if not found:
            return NOTHING
        chosen = self.random.choice(found)
        with LOCK:
            act(chosen)
        return f"{chosen['id']} {chosen['amount']}"

    def give_credit(self) -> None:
        """Say why money was given back that had paid an invoice, as a person does who sees the item."""
        with self.live.store() as store:
            for row in cash.payments(store):
                parts = cash.applications_of(store, row.id) if row.available < 0 else []
                wanted = -row.available
                for part in parts:
                    assert part.document_id is not None
                    document = invoices.get(store, part.document_id)
                    notes = invoices.credits_of(store, row.entity, str(document.number))
                    free = min(wanted, document.total - sum(note.total for note in notes))
                    if free > 0:
                        net = to_decimal(free, row.currency)
                        credits.give(store, self.live.world, NOBODY, document, Wish(net=net), "they gave it back")
                        wanted -= free

    # --------------------------------------------------------------------------------------------------- what must hold

    def check(self, *, settled: bool = False) -> None:
        """Hold the clearing accounts against Stripe's balance; ``settled``: all that can be is paid out."""
        held = balances(self.live, self.place.home)
        expected = self._at_stripe()
        waiting = list(self._not_paid_out())
        if settled:  # but what took more than it brought: nothing is paid out of a balance that is not there
            left = Counter[str]()
            for move in waiting:
                left[move["currency"]] += 0 if _is_a_ticket(self._source(move)) else move["net"]
            assert not any(net > 0 for net in left.values()), self.told
        for move in waiting:
            source = self._source(move)
            currency, paid_in = move["currency"].upper(), source["currency"].upper()
            if _is_a_ticket(source):
                expected[currency] -= move["net"]
            else:
                expected[currency] += move["fee"]
                if source.get("status") == "pending":  # a debit under way: in the balance, and not booked yet
                    expected[paid_in] -= source["amount"]
                if currency != paid_in:
                    expected[currency] -= move["amount"]
                    expected[paid_in] += source["amount"] if move["amount"] > 0 else -source["amount"]
        with self.live.store() as store:
            rows = [row for row in cash.payments(store) if row.entity == self.place.key and row.scope == "in"]
            states = store.tuples("SELECT kind, state, problem FROM outbox WHERE state<>'done' OR problem<>''")
            known = outbox.known(store, self.live.world.entities[self.place.key].accounting, "on_account")
        assert states == [], self.told
        assert [row.vendor_id for row in rows if row.available > 0 and row.id not in known] == [], self.told
        for row in rows:
            expected[row.currency] -= min(0, row.available)  # given back out of an invoice, and not credited
        assert [item.message for item in self.live.items() if item.job == "post_payouts"] == [], self.told
        there = {self.home: held[self.place.home.clearing], "EUR": held[self.place.euros]}
        assert there == {currency: expected[currency] for currency in there}, self.told

    def _at_stripe(self) -> Counter[str]:
        """Return what Stripe holds by currency, with what is on its way to the bank."""
        held: Counter[str] = Counter()
        for move in self.account.objects["balance_transaction"].values():
            held[move["currency"].upper()] += move["net"]
        for payout in self.account.objects["payout"].values():
            if payout["status"] == "in_transit":
                held[payout["currency"].upper()] += payout["amount"]
        return held

    def _not_paid_out(self) -> Iterator[Move]:
        with self.live.store() as store:
            sql = "SELECT m.vendor_id FROM movements m JOIN payouts p ON p.id=m.payout_id WHERE p.status<>'pending'"
            taken = {id_ for (id_,) in store.tuples(sql)}
        for move in self.account.objects["balance_transaction"].values():
            if move["id"] not in taken and not move["type"].startswith("payout"):
                yield move

    def _source(self, move: Move) -> Move:
        if move["source"] is None:  # what Stripe moved into the balance by itself
            return {"currency": move["currency"], "amount": move["amount"], "metadata": {}}
        found = self.account.find(move["source"])
        assert found is not None
        return found

    def end(self) -> None:
        """Let enough money come that all is paid out by the calendar."""
        self.account.manual = False
        for currency in (self.home, "EUR"):
            self.pay(9_000_00, currency)
        for _ in range(2):
            pass_days(self.live, 7)
            self.sync()


def _is_a_ticket(source: Move) -> bool:
    return bool(source["metadata"].get("source") == "tickets")


@pytest.mark.parametrize(
    ("seed", "steps"), [(0, 4), *(pytest.param(seed, 14, marks=pytest.mark.long) for seed in range(1, 13))]
)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.key)
def test_each_clearing_account_holds_what_stripe_does_whatever_happens(
    live: Live, place: Abroad, seed: int, steps: int
) -> None:
    story = Story(live, place, seed)
    for _ in range(steps):
        story.step()
        story.check()
    story.end()
    story.check(settled=True)
    live.done("selfcheck")
    assert [item.message for item in live.items("selfcheck")] == [], story.told
    written = live.writes()
    assert not any(result.changed for result in live.done(*AGAIN).values()), story.told
    assert live.writes() == written
