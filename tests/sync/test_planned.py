"""Planning skips by stored facts what cannot have changed, and finds the same as planning everything anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from billing import invoicing
from billing.draft import Rules
from billing.facts import Acceptance, UsageRecord
from billing.terms import Amendment, Change, Terms
from store import cash, contracts, facts, invoices, planned, usage
from sync import credits, set_terms, work_out
from sync.context import Entity
from sync.credits import Wish
from tests.worlds import NOBODY, TODAY, Bench

STEPS = ("plan_invoices", "issue_invoices")
DAY = timedelta(days=1)
FEE = {"type": "recurring", "key": "fee", "description": "Fee", "price": 100, "tax_class": "services"}
LATER = {**FEE, "key": "later", "description": "In arrears", "timing": "arrears"}
CALLS = {"type": "usage", "key": "calls", "description": "Calls", "price": "0.10", "tax_class": "services"}
HOURS = {"type": "retainer", "key": "hours", "description": "Hours", "price": 500, "included": 10, "overage_price": 60,
         "tax_class": "services"}  # fmt: skip
BUILD = {"type": "fixed_price", "key": "build", "description": "Build", "price": 1000, "tax_class": "services",
         "instalments": [{"key": "design", "percent": 40}, {"key": "live", "percent": 60}]}  # fmt: skip


def agree(bench: Bench, key: str, *charges: dict[str, Any], buyer: str = "", **terms: Any) -> None:
    """Agree a contract, its terms given as in a file."""
    common = {"contract": key, "customer": buyer or key, "currency": "GBP", "starts_on": TODAY}
    read = msgspec.convert({**common, **terms, "charges": charges}, Terms, strict=False)
    fields = msgspec.structs.asdict(read)
    del fields["contract"]
    bench.contract(key, buyer=buyer, **fields)


def how_many_due(bench: Bench, day: date | None = None) -> int:
    """Return how many contracts the next run would plan, by the rules of the last one."""
    with bench.store() as store:
        rules = store.one("SELECT max(rules) FROM planned WHERE rules<>''") or ""
        return planned.how_many_due(store, "uk", rules, day or bench.today)


def bill(bench: Bench, day: date | None = None, *, anew: bool = False) -> list[tuple[str, int]]:
    """Run the jobs; return the total of each document that this issued. ``anew``: as if nothing was planned before."""
    before = set(bench.issued())
    bench.today = day or bench.today
    if anew:
        forget_all(bench)
    results = bench.run(*STEPS)
    assert {result.outcome for result in results.values()} == {"done"}, results
    return [(number, row.total) for number, row in bench.issued().items() if number not in before]


def forget_all(bench: Bench) -> None:
    with bench.store() as store, store.transaction():
        store.execute("DELETE FROM planned")


def documents(bench: Bench) -> list[tuple[Any, ...]]:
    """Return every document and line."""
    return [*bench.rows("SELECT * FROM documents ORDER BY id"), *bench.rows("SELECT * FROM lines ORDER BY 1, 2")]


def change(bench: Bench, key: str, act: Callable[[Terms], Terms]) -> None:
    with bench.store() as store:
        row = contracts.get(store, key)
        assert row is not None
        set_terms.put(store, NOBODY, row, act(row.agreed), "a test wants it")


def amend(bench: Bench, key: str, name: str, effective_on: date, **fields: Any) -> None:
    one = Amendment(key=name, effective_on=effective_on, **fields)
    change(bench, key, lambda terms: msgspec.structs.replace(terms, amendments=(*terms.amendments, one)))


def use(bench: Bench, key: str, name: str, day: date, quantity: int, meter: str = "calls") -> None:
    record = UsageRecord(id=name, meter=meter, day=day, quantity=Decimal(quantity))
    with bench.store() as store, store.transaction():
        usage.save(store, NOBODY, [(key, record)], "a test", replace=True)


def accept(bench: Bench, key: str, milestone: str, on: date | None) -> None:
    with bench.store() as store, store.transaction():
        if on is None:
            facts.withdraw(store, NOBODY, key, "build", milestone)
        else:
            facts.accept(store, NOBODY, key, Acceptance(charge="build", milestone=milestone, on=on))


def void(bench: Bench, number: str) -> None:
    with bench.store() as store, store.transaction():
        for contract, slices in invoices.void(store, NOBODY, bench.issued()[number], "voided").items():
            contracts.hold(store, NOBODY, contract, slices, "voided")


def decide(bench: Bench, key: str, how: contracts.HeldDecision) -> None:
    with bench.store() as store, store.transaction():
        contracts.decide_held(store, NOBODY, key, how, "a test wants it")


# --------------------------------------------------------------------------------------------------- nothing to plan


def test_a_second_run_plans_nothing_until_the_next_day_on_which_something_is_due(bench: Bench) -> None:
    agree(bench, "A", FEE)
    agree(bench, "B", LATER, CALLS)
    assert bill(bench) == [("UK-00001", 100_00)]
    assert how_many_due(bench) == 0
    assert [how_many_due(bench, date(2026, 9, 30)), how_many_due(bench, date(2026, 10, 1))] == [0, 2]
    before = bench.contents()
    assert bill(bench) == []
    assert bench.contents() == before


def test_what_is_drafted_and_not_issued_is_not_settled_and_is_not_planned_again(bench: Bench) -> None:
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve="manual")
    agree(bench, "A", FEE)
    assert bill(bench) == []
    assert bench.rows("SELECT through, settled_through FROM planned") == [("2026-09-01", None)]
    assert how_many_due(bench) == 0
    bench.approve_all()
    assert bill(bench, date(2026, 9, 5)) == [("UK-00001", 100_00)]
    assert bench.rows("SELECT through, settled_through FROM planned") == [("2026-09-01", "2026-09-01")]


def test_what_was_issued_after_its_terms_changed_is_planned_again(bench: Bench) -> None:
    agree(bench, "A", FEE)
    bench.run("plan_invoices")
    change(bench, "A", lambda terms: msgspec.structs.replace(terms, ends_on=date(2026, 9, 15)))
    bench.run("issue_invoices")
    assert how_many_due(bench) == 1
    assert bill(bench) == [("UK-CN-00001", 50_00)]


def test_a_contract_without_anything_to_come_is_never_planned_again(bench: Bench) -> None:
    agree(bench, "A", {"type": "one_time", "key": "x", "description": "X", "price": 5, "tax_class": "services"})
    bill(bench)
    assert bench.rows("SELECT next_on FROM planned") == [(None,)]
    assert how_many_due(bench, date(2099, 1, 1)) == 0


def test_what_was_said_of_a_contract_stays_said_while_it_is_not_planned(bench: Bench) -> None:
    unknown = {"type": "one_time", "key": "x", "description": "X", "price": 5, "tax_class": "luxury"}
    agree(bench, "A", unknown)
    agree(bench, "B", {**FEE, "tax_class": "luxury"})
    for _ in range(2):
        bill(bench)
        assert sorted(item.subject for item in bench.items("tax_class")) == ["contract:A", "contract:B"]
        assert how_many_due(bench) == 0


def test_a_parked_contract_is_planned_again_by_every_run(bench: Bench) -> None:
    agree(bench, "A", FEE)
    with bench.store() as store, store.transaction():
        store.execute("UPDATE contracts SET terms='{}' WHERE key='A'")
    bill(bench)
    assert how_many_due(bench) == 1


def test_what_changes_while_it_is_worked_out_is_planned_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(bench, "A", CALLS)
    bench.today = date(2026, 10, 1)

    def bill_meanwhile(*args: Any, **options: Any) -> Any:
        use(bench, "A", "r-1", date(2026, 9, 10), 500)
        return real(*args, **options)

    real = invoicing.bill
    with monkeypatch.context() as patched:
        patched.setattr(work_out, "bill", bill_meanwhile)
        assert bill(bench) == []
    assert how_many_due(bench) == 1
    assert bill(bench) == [("UK-00001", 50_00)]
    assert how_many_due(bench) == 0


# ------------------------------------------------------------------------------------------------------- due again


def reprice(terms: Terms) -> Terms:
    return msgspec.structs.replace(terms, charges=(msgspec.structs.replace(terms.charges[0], price=Decimal(70)),))


def taxed(bench: Bench) -> None:
    entity = bench.entities["uk"]
    bench.entities["uk"] = msgspec.structs.replace(entity, tax_rates={**entity.tax_rates, "services": Decimal(20)})


def set_billed_through(bench: Bench, day: date) -> None:
    with bench.store() as store, store.transaction():
        contracts.bill_elsewhere_through(store, NOBODY, "uk", day)


def set_state(bench: Bench, state: contracts.State, key: str = "A") -> None:
    with bench.store() as store, store.transaction():
        row = contracts.get(store, key)
        assert row is not None
        contracts.set_state(store, NOBODY, row, state, "a test wants it")


def void_and(bench: Bench, how: contracts.HeldDecision) -> None:
    void(bench, "UK-00001")
    decide(bench, "A", how)


def park_and_win_again(bench: Bench) -> None:
    set_state(bench, "parked")
    set_state(bench, "active")


EVENTS: dict[str, Callable[[Bench], object]] = {
    "late usage": lambda bench: use(bench, "A", "late", date(2026, 9, 12), 50),
    "replaced usage": lambda bench: use(bench, "A", "r-1", date(2026, 9, 10), 1),
    "a milestone": lambda bench: accept(bench, "A", "live", bench.today),
    "a milestone taken back": lambda bench: accept(bench, "A", "design", None),
    "other terms": lambda bench: change(bench, "A", reprice),
    "an amendment": lambda bench: amend(bench, "A", "end", bench.today, ends_on=date(2026, 10, 10)),
    "a voided document": lambda bench: void(bench, "UK-00001"),
    "a voided document billed again": lambda bench: void_and(bench, "bill_again"),
    "a voided document waived": lambda bench: void_and(bench, "waived"),
    "another tax rate": taxed,
    "billed elsewhere": lambda bench: set_billed_through(bench, date(2026, 10, 31)),
    "parked and won again": park_and_win_again,
    "a person's credit": lambda bench: give(bench, "UK-00001"),
}


def give(bench: Bench, number: str, wish: Wish = Wish(net=Decimal(30))) -> None:  # noqa: B008  # a value
    with bench.store() as store:
        credits.give(store, bench, NOBODY, credits.find(store, number), wish, "agreed")


@pytest.mark.parametrize("name", EVENTS)
def test_what_changes_a_contract_makes_it_due_again_and_bills_as_planning_anew_does(tmp_path: Path, name: str) -> None:
    worlds = []
    for anew in (False, True):
        (tmp_path / str(anew)).mkdir()
        bench = Bench(tmp_path / str(anew))
        agree(bench, "A", FEE, LATER, CALLS, BUILD)
        use(bench, "A", "r-1", date(2026, 9, 10), 200)
        accept(bench, "A", "design", TODAY)
        bill(bench, TODAY, anew=anew)
        bill(bench, date(2026, 10, 1), anew=anew)
        assert (len(bench.issued()), how_many_due(bench, date(2026, 10, 2))) == (2, 0)
        bench.today = date(2026, 10, 2)
        EVENTS[name](bench)
        if not anew and name != "another tax rate":  # which is another digest of the rules
            assert how_many_due(bench) == 1
        for day in (date(2026, 10, 2), date(2026, 10, 3), date(2026, 11, 1), date(2026, 12, 1)):
            bill(bench, day, anew=anew)
        worlds.append(bench)
    skipping, whole = worlds
    assert documents(skipping) == documents(whole)


def test_an_amendment_that_becomes_known_later_is_billed_on_that_day(tmp_path: Path) -> None:
    found = []
    for anew in (False, True):
        (tmp_path / str(anew)).mkdir()
        bench = Bench(tmp_path / str(anew))
        agree(bench, "A", FEE)
        dearer = (Change(charge="fee", price=Decimal(130)),)
        amend(bench, "A", "dearer", TODAY, known_on=date(2026, 9, 20), change=dearer)
        bill(bench, TODAY, anew=anew)
        assert how_many_due(bench, date(2026, 9, 19)) == 0
        found.append([bill(bench, day, anew=anew) for day in (date(2026, 9, 19), date(2026, 9, 20), date(2026, 10, 1))])
    assert found[0] == found[1] == [[], [("UK-00002", 30_00)], [("UK-00003", 130_00)]]


# -------------------------------------------------------------------------------------------------- what is steady


def refuse(*args: Any, **options: Any) -> Any:
    raise AssertionError("this is worked out the whole way")


def steady_days(bench: Bench) -> list[tuple[str, str, str]]:
    return bench.rows("SELECT contract, begins, until FROM steady ORDER BY contract")


def test_a_month_like_the_one_before_is_not_worked_out_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(bench, "A", FEE, LATER, CALLS)
    bill(bench)
    use(bench, "A", "r-1", date(2026, 9, 10), 200)
    assert steady_days(bench) == [("A", "2026-09-01", "9999-12-31")]
    monkeypatch.setattr(work_out, "bill", refuse)
    assert bill(bench, date(2026, 10, 1)) == [("UK-00002", 220_00)]
    assert steady_days(bench) == [("A", "2026-09-01", "9999-12-31")]
    assert bench.rows("SELECT through, settled_through, next_on FROM planned") == [
        ("2026-10-01", "2026-10-01", "2026-11-01")
    ]


@pytest.mark.parametrize(
    ("charge", "day", "due"),
    [
        (CALLS, date(2026, 9, 1), False),
        (CALLS, date(2026, 10, 20), False),
        (CALLS, date(2026, 8, 31), True),  # before the contract: nothing is owed for it, and nobody looked
        ({**CALLS, "bill_over": 50}, date(2026, 9, 10), True),
        ({**CALLS, "minimum": 5}, date(2026, 9, 10), False),
        (HOURS, date(2026, 9, 10), False),
        ({**CALLS, "ends_on": date(2026, 8, 31)}, date(2026, 9, 10), False),
    ],
)
def test_usage_of_a_running_period_makes_nothing_due(bench: Bench, charge: Any, day: date, due: bool) -> None:
    agree(bench, "A", FEE, charge)
    bill(bench)
    use(bench, "A", "r-1", day, 700, charge.get("meter", charge["key"]))
    assert how_many_due(bench) == due


def test_late_usage_of_a_billed_period_is_billed_at_once(bench: Bench) -> None:
    agree(bench, "A", FEE, CALLS)
    bill(bench)
    bill(bench, date(2026, 10, 1))
    use(bench, "A", "r-1", date(2026, 9, 30), 100)
    assert bill(bench, date(2026, 10, 2)) == [("UK-00003", 10_00)]


@pytest.mark.parametrize("charge", [CALLS, {**CALLS, "minimum": 1}], ids=["steady", "the whole way"])
def test_usage_that_comes_while_its_period_is_drafted_is_not_forgotten(
    bench: Bench, charge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(bench, "A", FEE, charge)
    bill(bench)
    use(bench, "A", "r-1", date(2026, 9, 10), 100)
    real = facts.facts_by_contract

    def read_meanwhile(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        use(bench, "A", "r-2", date(2026, 9, 11), 100)  # for planning September is still the running period
        return found

    with monkeypatch.context() as patched:
        patched.setattr(facts, "facts_by_contract", read_meanwhile)
        assert bill(bench, date(2026, 10, 1)) == []
    assert bill(bench, date(2026, 10, 1)) == [("UK-00002", 120_00)]


def test_what_is_drafted_and_not_issued_gets_the_next_month_beside_it(bench: Bench) -> None:
    agree(bench, "A", FEE)
    bill(bench)
    bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve="manual")
    assert bill(bench, date(2026, 10, 1)) == []
    assert bill(bench, date(2026, 11, 1)) == []
    bench.approve_all()
    assert bill(bench, date(2026, 11, 1)) == [("UK-00002", 200_00)]


def test_a_step_in_sight_is_worked_out_and_the_months_before_it_are_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(bench, "A", {**FEE, "steps": [{"starts_on": date(2026, 11, 1), "price": 130}]})
    bill(bench)
    assert steady_days(bench) == [("A", "2026-09-01", "2026-11-01")]
    with monkeypatch.context() as patched:
        patched.setattr(work_out, "bill", refuse)
        assert bill(bench, date(2026, 10, 1)) == [("UK-00002", 100_00)]
    assert bill(bench, date(2026, 11, 1)) == [("UK-00003", 130_00)]
    assert steady_days(bench) == [("A", "2026-11-01", "9999-12-31")]


def test_terms_that_are_steady_no_more_are_not_billed_as_before(bench: Bench) -> None:
    agree(bench, "A", FEE)
    bill(bench)
    change(bench, "A", lambda terms: msgspec.structs.replace(terms, value=Decimal(250)))
    assert bill(bench, date(2026, 9, 2)) == []
    assert steady_days(bench) == []
    assert bill(bench, date(2026, 10, 1)) == [("UK-00002", 100_00)]
    assert bill(bench, date(2026, 11, 1)) == []  # above the contract's value: a person looks at it


def test_what_an_earlier_release_kept_is_worked_out_anew(bench: Bench) -> None:
    agree(bench, "A", FEE)
    bill(bench)
    with bench.store() as store, store.transaction():
        store.execute("UPDATE steady SET data=x'93010203'")
    assert bill(bench, date(2026, 10, 1)) == [("UK-00002", 100_00)]


# ------------------------------------------------------------------------ what was billed for a day that moved away


@pytest.mark.parametrize("anew", [False, True])
def test_usage_billed_at_an_end_that_was_taken_back_is_not_billed_again(bench: Bench, anew: bool) -> None:
    agree(bench, "A", CALLS, ends_on=date(2026, 12, 31))
    use(bench, "A", "r-1", date(2026, 9, 10), 500)
    amend(bench, "A", "end", TODAY, ends_on=date(2026, 9, 15))
    assert bill(bench, date(2026, 9, 16), anew=anew) == [("UK-00001", 50_00)]
    bench.today = date(2026, 9, 20)
    amend(bench, "A", "on", date(2026, 9, 20), ends_on=date(2026, 12, 31))
    for day in (date(2026, 9, 20), date(2026, 9, 21), date(2026, 10, 1), date(2026, 10, 2)):
        bill(bench, day, anew=anew)
    with bench.store() as store:
        assert contracts.billed_net(store, ["A"]) == {"A": 50_00}
    use(bench, "A", "r-2", date(2026, 10, 10), 300)
    assert [total for _, total in bill(bench, date(2026, 11, 1), anew=anew)] == [30_00]


@pytest.mark.parametrize("anew", [False, True])
def test_an_arrears_period_cut_short_and_gone_on_with_adds_up(bench: Bench, anew: bool) -> None:
    agree(bench, "A", LATER, ends_on=date(2026, 12, 31))
    amend(bench, "A", "end", TODAY, ends_on=date(2026, 9, 15))
    assert bill(bench, date(2026, 9, 16), anew=anew) == [("UK-00001", 50_00)]
    bench.today = date(2026, 9, 20)
    amend(bench, "A", "on", date(2026, 9, 20), ends_on=date(2026, 12, 31))
    for day in (date(2026, 9, 20), date(2026, 9, 21), date(2026, 10, 1), date(2026, 10, 2)):
        bill(bench, day, anew=anew)
    with bench.store() as store:
        assert contracts.billed_net(store, ["A"]) == {"A": 100_00}


@pytest.mark.parametrize("anew", [False, True])
def test_a_milestone_accepted_anew_for_a_later_day_is_billed_then(bench: Bench, anew: bool) -> None:
    agree(bench, "A", BUILD)
    accept(bench, "A", "design", TODAY)
    assert bill(bench, TODAY, anew=anew) == [("UK-00001", 400_00)]
    accept(bench, "A", "design", date(2026, 9, 20))
    assert bill(bench, date(2026, 9, 2), anew=anew) == [("UK-CN-00001", 400_00)]
    assert bill(bench, date(2026, 9, 3), anew=anew) == []
    assert bill(bench, date(2026, 9, 20), anew=anew) == [("UK-00002", 400_00)]
    assert bill(bench, date(2026, 9, 21), anew=anew) == []


# ------------------------------------------------------------------------------------------------------- random walks


def company(bench: Bench) -> None:
    """Agree contracts of every shape."""
    bench.entities["uk"] = Patient(**msgspec.structs.asdict(bench.entities["uk"]))
    until = date(2027, 3, 31)
    agree(bench, "A", FEE, LATER, CALLS, ends_on=until)
    seats = {**FEE, "key": "seats", "price": 49, "quantity": 5, "seats_removed": "credit"}
    agree(bench, "B", seats, HOURS, CALLS, ends_on=until, escalator={"percent": 3, "every": "quarter"})
    agree(bench, "C", BUILD, {**FEE, "discounts": [{"percent": 10, "ends_on": "2026-11-15"}]}, ends_on=until,
          holdback={"percent": 10, "charges": ["build"], "release_on": "2026-12-01"})  # fmt: skip
    agree(bench, "D", CALLS, FEE, ends_on=until, commitments=[{"key": "least", "amount": 300, "charges": ["calls"]}])
    agree(bench, "E", FEE, ends_on=date(2026, 11, 20), late_fee={"percent": 2, "tax_class": "services"},
          renewal={"auto": True, "term": "2 months", "uplift_percent": 5})  # fmt: skip
    agree(bench, "F", {**FEE, "every": "quarter"}, ends_on=until, issue_days_before=10)
    for key in ("G", "H"):
        agree(bench, key, FEE, CALLS, ends_on=until, buyer="Acme", invoice_grouping="customer")


KEYS = "ABCDEFGH"


class Patient(Entity, frozen=True, kw_only=True):
    """A legal entity to which nothing is late: what waits to be issued is not told of anew as it grows old."""

    @property
    def rules(self) -> Rules:
        return msgspec.structs.replace(super().rules, catch_up_threshold=Decimal(10**9))


class Walk:
    """The same things happen to several worlds."""

    def __init__(self, seed: int, *worlds: Bench) -> None:
        self.chance = Random(seed)
        self.worlds = worlds
        self.count = 0
        self.story: list[str] = []

    @property
    def today(self) -> date:
        return self.worlds[0].today

    def step(self) -> None:
        """Let something happen, or nothing, and time pass; then the first world skips what it can, the others not."""
        for _ in range(self.chance.randint(0, 2)):
            act = self.chance.choice((
                self.use, self.use, self.correct_usage, self.accept, self.reprice, self.end, self.seats, self.void,
                self.decide, self.credit, self.pay, self.park, self.approve, self.tax,
            ))  # fmt: skip
            act()
        day = self.today + timedelta(days=self.chance.choice((0, 1, 1, 5, 12, 30)))
        for number, bench in enumerate(self.worlds):
            bench.today = day
            if number:
                forget_all(bench)
            results = bench.run(*STEPS)
            assert {result.outcome for result in results.values()} == {"done"}, (self.story, results)

    def all(self, told: str, act: Callable[[Bench], object]) -> None:
        self.story.append(f"{self.today} {told}")
        for bench in self.worlds:
            act(bench)

    def near(self, before: int, after: int) -> date:
        return self.today + timedelta(days=self.chance.randint(-before, after))

    def name(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def use(self) -> None:
        key, day, quantity = self.chance.choice("ABDGH"), self.near(50, 5), self.chance.randint(1, 2000)
        meter = "hours" if key == "B" and self.chance.random() < 0.5 else "calls"
        quantity = quantity // 100 if meter == "hours" else quantity
        name = f"{meter}-{self.name()}"
        self.all(f"{key} uses {quantity} {meter} on {day}", lambda bench: use(bench, key, name, day, quantity, meter))

    def correct_usage(self) -> None:
        rows = self.worlds[0].rows("SELECT contract, id, day, meter FROM usage ORDER BY 1, 2")
        if rows:
            key, name, day, meter = self.chance.choice(rows)
            given = (key, name, date.fromisoformat(day), self.chance.randint(0, 30), meter)
            self.all(f"usage {given}", lambda bench: use(bench, *given))

    def accept(self) -> None:
        milestone, on = self.chance.choice(("design", "live")), self.chance.choice((None, self.near(10, 20)))
        self.all(f"C {milestone} accepted on {on}", lambda bench: accept(bench, "C", milestone, on))

    def amend(self, key: str, told: str, **fields: Any) -> None:
        name, on, known = self.name(), self.near(40, 30), self.near(0, 20)
        told = f"{key} {name}: {told} from {on}, known on {known}"
        self.all(told, lambda bench: amend(bench, key, name, on, known_on=known, **fields))

    def reprice(self) -> None:
        price = Decimal(self.chance.randint(50, 150))
        self.amend(self.chance.choice("ACDEFGH"), f"price {price}", change=(Change(charge="fee", price=price),))

    def seats(self) -> None:
        quantity = Decimal(self.chance.randint(1, 9))
        self.amend("B", f"{quantity} seats", change=(Change(charge="seats", quantity=quantity),))

    def end(self) -> None:
        key, name = self.chance.choice(KEYS), self.name()
        on, last = self.near(10, 10), self.near(-11, 200)
        self.all(f"{key} {name}: ends on {last}, from {on}", lambda bench: amend(bench, key, name, on, ends_on=last))

    def void(self) -> None:
        standing = sorted(number for number, row in self.worlds[0].issued().items() if row.status == "issued")
        if standing:
            number = self.chance.choice(standing)
            self.all(f"{number} voided", lambda bench: void(bench, number))

    def decide(self) -> None:
        decisions: tuple[contracts.HeldDecision, ...] = ("bill_again", "waived", "elsewhere")
        key, how = self.chance.choice(KEYS), self.chance.choice(decisions)
        self.all(f"{key} held: {how}", lambda bench: decide(bench, key, how))

    def credit(self) -> None:
        numbers = sorted(self.worlds[0].issued())
        wish = self.chance.choice((Wish(), Wish(line=1), Wish(net=Decimal(self.chance.randint(1, 9000)) / 100)))
        if numbers:
            number = self.chance.choice(numbers)
            self.all(f"{number} credited {wish}", lambda bench: self._credit(bench, number, wish))

    def _credit(self, bench: Bench, number: str, wish: Wish) -> None:
        try:
            give(bench, number, wish)
        except ValueError as error:
            self.story.append(str(error))

    def pay(self) -> None:
        unpaid = sorted(number for number, row in self.worlds[0].issued().items() if row.open and row.contract == "E")
        if unpaid:
            number, name = self.chance.choice(unpaid), self.name()
            self.all(f"{number} paid", lambda bench: pay(bench, number, name))

    def park(self) -> None:
        states: tuple[contracts.State, ...] = ("parked", "active", "active")
        key, state = self.chance.choice(KEYS), self.chance.choice(states)
        self.all(f"{key} {state}", lambda bench: set_state(bench, state, key))

    def approve(self) -> None:
        how = self.chance.choice(("auto", "manual"))

        def act(bench: Bench) -> None:
            bench.entities["uk"] = msgspec.structs.replace(bench.entities["uk"], approve=how)
            bench.approve_all()

        self.all(f"approval {how}", act)

    def tax(self) -> None:
        rates = {"services": Decimal(self.chance.choice((0, 5)))}

        def act(bench: Bench) -> None:
            entity = bench.entities["uk"]
            bench.entities["uk"] = msgspec.structs.replace(entity, tax_rates={**entity.tax_rates, **rates})

        self.all(f"tax {rates}", act)


def pay(bench: Bench, number: str, name: str) -> None:
    row = bench.issued()[number]
    with bench.store() as store:
        with store.transaction():
            cash.save_payment(
                store, NOBODY, connection="bank", vendor_id=name, digest="1", amount=row.open, entity="uk",
                currency="GBP", refunded=0, status="succeeded", received_on=bench.today.isoformat(),
                customer_id=row.customer_id, data="{}",
            )  # fmt: skip
        payment = cash.by_vendor(store, "bank", name)
        assert payment is not None
        with store.transaction():
            cash.apply(store, NOBODY, payment, [(row.id, row.open)], "test")


WALKS = [pytest.param(seed, marks=[pytest.mark.long] if seed >= 2 else []) for seed in range(30)]


@pytest.mark.parametrize("seed", WALKS)
def test_whatever_happens_skipping_leads_to_the_same_documents_as_planning_everything(
    tmp_path: Path, seed: int
) -> None:
    worlds = []
    for name in ("skips", "plans all"):
        (tmp_path / name).mkdir()
        worlds.append(Bench(tmp_path / name))
        company(worlds[-1])
    walk = Walk(seed, *worlds)
    for _ in range(30):
        walk.step()
        skipping, whole = (documents(bench) for bench in worlds)
        assert skipping == whole, "\n".join(walk.story)
    assert len(worlds[0].issued()) > 8
