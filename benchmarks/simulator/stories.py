"""What a company lives through, and what every row of the scoreboard is made of.

A scenario is a function that lives through a story in a company of its own and returns what came of it. A row yields
(what is tried, scenario); what is drawn by chance follows from the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from random import Random
from typing import TypeVar

from benchmarks.simulator.company import Company, Verdict
from benchmarks.simulator.wire import Step

Scenario = Callable[[], Verdict]
Row = Iterator[tuple[str, Scenario]]
Act = Callable[[Company], None]
DAYS_OFF = 3 * 86400.0  # of an outage
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


STORY: tuple[Act, ...] = (win, pay, month)


def live(company: Company, story: tuple[Act, ...] = STORY) -> Verdict:
    """Live through a story, a full sync after each act, then come to rest and be judged."""
    for act in story:
        act(company)
        company.sync()
    return company.judge()


@cache
def golden() -> tuple[list[Step], dict[str, set[tuple[str, str]]]]:
    """Live without any fault; return every step, and by vendor the (method, path) that were called."""
    steps: list[Step] = []
    with Company() as company:
        for act in STORY:
            act(company)
            company.sync()
            steps += company.steps.seen
        called = {
            name: {(call.partition(" ")[0], call.partition(" ")[2]) for call in vendor.calls}
            for name, vendor in company.sandbox.vendors.items()
        }
    return steps, called
