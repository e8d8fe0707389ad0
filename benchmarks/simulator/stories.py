"""What a company lives through, and what every row of the scoreboard is made of.

A scenario is a function that lives through a story in a company of its own and returns what came of it. A row yields
(what is tried, scenario); what is drawn by chance follows from the seed alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from random import Random
from typing import TypeVar

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.wire import Step
from sandbox.stripe import aftermath, links
from sandbox.stripe.objects import Rate
from store import cash, invoices, review
from store.database import Store

Scenario = Callable[[], Verdict]
Row = Iterator[tuple[str, Scenario]]
Act = Callable[[Company], None]
DAYS_OFF = 3 * 86400.0  # of an outage
Call = tuple[str, str, str]
T = TypeVar("T")


def portion(items: Sequence[T], seed: int, count: int) -> list[T]:
    """Return a seed's share of all there is to try: seeds one after another go through all of it, well mixed."""
    mixed = Random(0).sample(items, len(items))
    begin = (seed - 1) * count % len(mixed)
    return (mixed + mixed)[begin : begin + min(count, len(mixed))]


def win(company: Company) -> None:
    """Three deals are won, in three currencies and two legal entities; one line has a price of many decimals."""
    company.sell("Harbor Systems", "900", "USD")
    company.sell("Kestrel Ltd", "435.35", "GBP")
    company.sell("Lindqvist AB", "250.145", "EUR", quantity=3)
    company.expected.update({"USD": 900_00, "GBP": 435_35, "EUR": 750_44})


def pay(company: Company) -> None:
    """Two customers pay by card: one all of it, one a part."""
    company.pay(900_00, "US-00001", "us")
    company.pay(200_00, "UK-00001", "uk")


def month(company: Company) -> None:
    """The first of the next month comes, and it is billed."""
    today = company.today
    company.move((date(today.year + today.month // 12, today.month % 12 + 1, 1) - today).days)
    company.expected.update({"USD": 900_00, "GBP": 435_35, "EUR": 750_44})


def overpay(company: Company) -> None:
    """Two customers pay more than they owe: the rest lies on account."""
    company.intents["us"] = company.pay(1000_00, "US-00001", "us")
    company.intents["uk"] = company.pay(500_00, "UK-00001", "uk")


def give_back(company: Company) -> None:
    """A part of the rest is given back."""
    for entity in ("us", "uk"):
        company.give_back(company.intents[entity], 20_00, entity)


def use_rest(company: Company) -> None:
    """What is left is put to the next invoice by a person."""

    def choose(store: Store, item: review.Item) -> str:
        row = cash.get(store, int(item.subject.partition(":")[2]))
        return next((f"apply={one.number}" for one in invoices.unpaid(store) if one.customer_id == row.customer_id), "")

    company.decide("unapplied_cash", choose)


def credit(company: Company) -> None:
    """Each of two customers is given a credit note, where the invoice is there already."""
    with Store(company.store) as store:
        issued = {str(row.number) for row in invoices.issued(store)}
    for number, net, currency in (("US-00002", 50, "USD"), ("UK-00003", 30, "GBP")):
        if number in issued:
            company.credit(number, net)
            company.expected.subtract({currency: net * 100})


def pay_next(company: Company) -> None:
    """The next invoices are paid, and more than that."""
    company.intents["us2"] = company.pay(1500_00, "US-00002", "us")
    company.intents["uk2"] = company.pay(700_00, "UK-00003", "uk")


def dispute(company: Company) -> None:
    """Both payments are disputed: what they paid is open again, and what lay on account is gone."""
    company.dispute(company.intents["us2"], "us")
    company.dispute(company.intents["uk2"], "uk")


def days(company: Company) -> None:
    """Days pass, in which the provider pays out."""
    company.move(9)


def payout_fails(company: Company) -> None:
    """The bank sends payouts back that had arrived."""
    for entity in ("us", "uk"):
        account = company.sandbox.stripe.accounts[entity]
        arrived = [one["id"] for one in account.objects["payout"].values() if one["status"] == "paid"]
        aftermath.fail_payout(account, arrived[-1], int(company.sandbox.clock.tick().timestamp()))


def refund_fails(company: Company) -> None:
    """What was given back does not reach the payers: it is with us again."""
    for entity in ("us", "uk"):
        account = company.sandbox.stripe.accounts[entity]
        given_back = [one["id"] for one in account.objects["refund"].values() if one["status"] == "succeeded"]
        aftermath.fail_refund(account, given_back[0], int(company.sandbox.clock.tick().timestamp()))


def sell_abroad(company: Company) -> None:
    """A customer in another currency buys of the legal entity that had none."""
    company.sell("Nordwind GmbH", "2640.40", "EUR", entity="us")
    company.expected["EUR"] += 2640_40


def put_back(company: Company) -> None:
    """People move the due dates of open documents in both books; ours are put back by a person's word."""
    for found in company.there.quickbooks("invoices"):
        if found["Balance"]:
            body = {"Id": found["Id"], "SyncToken": found["SyncToken"], "sparse": True, "DueDate": "2027-01-31"}
            company.quickbooks("invoice", body)
    for found in company.there.xero("invoices"):
        if found["AmountDue"]:
            company.xero("POST", f"Invoices/{found['InvoiceID']}", {"DueDate": "2027-01-31"})
    company.sync("pull_ledger")
    company.decide("books_differ", lambda store, item: "put_back" if "put_back" in item.choices else "")


def pay_abroad(company: Company) -> None:
    """Two customers pay in euros, which the provider exchanges into the currency of each legal entity's balance."""
    for entity, currency, rate in (("us", "usd", "1.08743"), ("uk", "gbp", "0.8617")):
        company.sandbox.stripe.accounts[entity].rates["eur"] = Rate(currency, Decimal(rate))
    with Store(company.store) as store:
        owed = [row for row in invoices.unpaid(store) if row.currency == "EUR"]
    for row in {row.entity: row for row in owed}.values():
        company.pay(row.open, str(row.number), row.entity, "eur")


def rename(company: Company) -> None:
    """Two customers are called otherwise."""
    for found in company.hubspot("GET", "companies?limit=100&properties=name")["results"]:
        name = found["properties"]["name"]
        if name in ("Harbor Systems", "Kestrel Ltd"):
            company.hubspot("PATCH", f"companies/{found['id']}", {"properties": {"name": f"{name} Group"}})


def void_unseen(company: Company) -> None:
    """Invoices that nobody has seen yet are voided."""
    company.sell("Newcomer Inc", "77", "USD")
    company.sell("Late Ltd", "66", "GBP")
    company.sync("pull_deals", "map_terms", "plan_invoices", "issue_invoices", "match_customers", "push_documents")
    with Store(company.store) as store:
        unseen = [str(row.number) for row in invoices.issued(store) if row.total in (77_00, 66_00)]
    for number in unseen:
        company.void(number)


def offer(company: Company) -> None:
    """Invoices can be paid on pages of the payment provider from now on."""
    company.offer_pages()


def debits_fail(company: Company) -> None:
    """On each page a bank debit is begun; none of them comes."""
    for entity in ("us", "uk"):
        account, now = company.sandbox.stripe.accounts[entity], int(company.sandbox.clock.tick().timestamp())
        for page in company.pages(entity):
            links.buy(account, now, page["id"], "us_bank_account", "fails")


def pay_a_part(company: Company) -> None:
    """A part of two invoices is paid by card, past their pages."""
    company.pay(100_00, "US-00001", "us")
    company.pay(100_00, "UK-00001", "uk")


def pay_on_pages(company: Company) -> None:
    """Every invoice is paid on its page."""
    for entity in ("us", "uk"):
        account, now = company.sandbox.stripe.accounts[entity], int(company.sandbox.clock.tick().timestamp())
        for page in company.pages(entity):
            links.buy(account, now, page["id"])


STORY: tuple[Act, ...] = (win, pay, month)
PAGES: tuple[Act, ...] = (offer, win, debits_fail, days, pay_a_part, month, pay_on_pages)
CASH: tuple[Act, ...] = (win, overpay, give_back, month, use_rest, credit, pay_next, days, dispute)
ALL_CASH = (
    *CASH, payout_fails, refund_fails, sell_abroad, put_back, pay_abroad, days, rename, void_unseen,
)  # fmt: skip


def live(company: Company, story: tuple[Act, ...] = STORY) -> Verdict:
    """Live through a story, a full sync after each act, then come to rest and be judged."""
    for act in story:
        act(company)
        company.sync()
    return company.judge()


@cache
def golden(story: tuple[Act, ...] = STORY) -> tuple[list[Step], frozenset[Call]]:
    """Live without any fault; return every step, and the calls that were made."""
    steps: list[Step] = []
    with Company() as company:
        for act in story:
            act(company)
            company.sync()
            steps += company.steps.seen
        vendors = company.sandbox.vendors.items()
        calls = {(name, *call.partition(" ")[::2]) for name, vendor in vendors for call in vendor.calls}
    return steps, frozenset((vendor, method, _telling(path)) for vendor, method, path in calls)


def _telling(path: str) -> str:
    """Return the last part of a path that is no variable: ``/batch`` of ``/v3/company/{realm}/batch``."""
    return [part for part in re.split(r"{[^}]*}|<[^>]*>", path) if part.strip("/")][-1]


def called(story: tuple[Act, ...]) -> frozenset[Call]:
    """Return vendor, method and path of every type of call that a story makes."""
    return golden(story)[1]
