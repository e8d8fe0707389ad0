"""Whatever happens in whatever order: where another app books Stripe's payments, every cent is in exactly one place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.base import (
    LedgerChanges,
    LedgerDocument,
    LedgerPayment,
    PayingCustomer,
    PaymentPage,
    ReceivedPayment,
    Ref,
)
from store import cash
from sync.booked import NEAR
from sync.context import Source
from tests.worlds import Bench, Books

TOTAL = 100_00  # of each of the three invoices
NUMBERS = ("UK-00001", "UK-00002", "UK-00003")
JOBS = ("pull_payments", "match_payments", "post_payments", "pull_ledger")


class Money(msgspec.Struct):
    """Money that somebody paid for an invoice: through Stripe, or by a cheque that is typed into the books."""

    document: int
    amount: int
    day: date
    stripe: bool
    named: bool = True
    booked: str = ""  # the ledger's id of the payment it is booked as


class Town(Bench):
    """A ledger and a Stripe account that hold what happened; the app that books, and a bookkeeper."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.entities = {"uk": msgspec.structs.replace(self.entities["uk"], post_payments="ledger")}
        self.sources = (
            Source(name="books_uk", vendor="xero", role="accounting", entity="uk"),
            Source(name="stripe_uk", vendor="stripe", role="payments", entity="uk"),
        )
        self.books["books_uk"] = Ledger(self)
        self.money: list[Money] = []
        self.payments: dict[str, LedgerPayment] = {}

    def connector(self, name: str) -> Any:
        return Stripe(self) if name == "stripe_uk" else self.books[name]

    def balance(self, document: int) -> int:
        name = f"DocumentDraft-{NUMBERS[document]}"
        standing = [payment for payment in self.payments.values() if payment.status == "active"]
        return TOTAL - sum(payment.applied.get(name, 0) for payment in standing)

    # What happens.

    def receive(self, document: int, percent: int, *, stripe: bool, named: bool = True) -> None:
        left = TOTAL - sum(money.amount for money in self.money if money.document == document)
        if amount := left * percent // 100:
            self.money.append(Money(document, amount, self.today, stripe, named))
            if not stripe:
                self.book(len(self.money) - 1, False)

    def book(self, index: int, with_id: bool) -> None:
        money = self.money[index]
        if money.booked:
            return
        money.booked = f"payment-{len(self.payments)}"
        late = self.today - money.day > NEAR
        unknowable = late or not money.named  # nobody could see that it is the same without its id
        key = f"pi_number{index:07d}" if money.stripe and (with_id or unknowable) else "by hand"
        self.payments[money.booked] = LedgerPayment(
            ref=Ref(id=money.booked), key=key, currency="GBP", amount=money.amount, received_on=self.today,
            applied={f"DocumentDraft-{NUMBERS[money.document]}": money.amount},
        )  # fmt: skip

    def take_back(self, index: int) -> None:
        """Delete what the app booked of a Stripe payment; it will book it again."""
        money = self.money[index]
        if money.booked and money.stripe:
            self.payments[money.booked] = msgspec.structs.replace(self.payments[money.booked], status="deleted")
            money.booked = ""

    # What must hold.

    def check(self) -> None:
        with self.store() as store:
            rows, parts = cash.payments(store), cash.applications(store)
        for row in self.issued().values():
            paid = sum(part.amount for part in parts if part.document_id == row.id)
            assert row.open == TOTAL - paid >= 0
        for payment in rows:
            assert 0 <= payment.applied <= payment.amount

    def check_all_told(self) -> None:
        """Everything is known everywhere: each sum of money counts once, here as in the books."""
        with self.store() as store:
            rows = cash.payments(store)
        received = sorted(money.amount for money in self.money)
        assert sorted(row.amount for row in rows) == received
        assert {row.number: row.open for row in self.issued().values()} == {
            number: self.balance(index) for index, number in enumerate(NUMBERS)
        }
        assert [row.available for row in rows] == [0] * len(rows)
        assert self.items() == []
        assert self.books["books_uk"].payments.sent == []


class Stripe:
    """What Stripe tells of a town's money."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def customers(self, since: datetime | None) -> Iterator[tuple[PayingCustomer, ...]]:
        yield from ()

    def payments(self, since: datetime | None, told: Iterable[str] = ()) -> Iterator[PaymentPage]:
        found = [_told(index, money) for index, money in enumerate(self._town.money) if money.stripe]
        yield PaymentPage(payments=tuple(found), cursor=None)


def _told(index: int, money: Money) -> ReceivedPayment:
    return ReceivedPayment(
        id=f"ch_number{index:07d}", also_known_as=(f"pi_number{index:07d}",), currency="GBP", amount=money.amount,
        received_at=datetime.combine(money.day, time(10), UTC), status="succeeded",
        texts={"charge.description": f"for {NUMBERS[money.document]}"} if money.named else {},
    )  # fmt: skip


class Ledger(Books):
    """What the books of a town hold."""

    def __init__(self, town: Town) -> None:
        super().__init__()
        self._town = town

    def changes(self, since: datetime | None) -> LedgerChanges:
        documents = tuple(
            LedgerDocument(
                ref=Ref(id=f"DocumentDraft-{number}"), number=number, type="invoice", status="open", currency="GBP",
                total=TOTAL, balance=self._town.balance(index),
            )
            for index, number in enumerate(NUMBERS)
        )  # fmt: skip
        return LedgerChanges(documents=documents, payments=tuple(self._town.payments.values()), cursor=None)


ACTIONS = st.one_of(
    st.tuples(st.just("stripe"), st.integers(0, 2), st.sampled_from([50, 100]), st.booleans()),
    st.tuples(st.just("cheque"), st.integers(0, 2), st.sampled_from([50, 100])),
    st.tuples(st.just("book"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("take back"), st.integers(0, 3)),
    st.tuples(st.just("days"), st.integers(1, 6)),
    st.tuples(st.just("run"), st.sets(st.sampled_from(JOBS), min_size=1)),
)


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which three customers owe 100.00 GBP each, which are in the books."""
    town = Town(tmp_path_factory.mktemp("billed"))
    town.bill("A", "B", "C")
    town.run("push_documents")
    assert sorted(town.issued()) == list(NUMBERS)
    return town.database


@settings(max_examples=25, deadline=None)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=14))
@example(actions=[("stripe", 0, 100, True), ("book", 0, False), ("run", {"pull_ledger"})])
@example(
    actions=[
        ("stripe", 0, 50, True), ("run", {"pull_payments", "match_payments"}), ("cheque", 0, 100),
        ("run", {"pull_ledger"}), ("book", 0, True),
    ]
)  # fmt: skip
def test_every_cent_is_in_exactly_one_place_whatever_is_seen_first(
    billed: Path, actions: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder))
        shutil.copy(billed, town.database)
        for action in actions:
            happen(town, *action)
            town.check()
        for index in range(len(town.money)):
            town.book(index, with_id=False)
        for _ in range(2):
            assert {result.outcome for result in town.run(*JOBS).values()} == {"done"}
            town.check()
        town.check_all_told()
        assert not any(result.changed for result in town.run(*JOBS).values())


def happen(town: Town, what: str, *details: Any) -> None:
    """Let one thing happen."""
    if what == "stripe":
        document, percent, named = details
        town.receive(document, percent, stripe=True, named=named)
    elif what == "cheque":
        town.receive(*details, stripe=False)
    elif what == "days":
        town.today += timedelta(days=details[0])
    elif what == "run":
        assert {result.outcome for result in town.run(*details[0]).values()} == {"done"}
    elif details[0] < len(town.money):
        (town.book if what == "book" else town.take_back)(*details)
