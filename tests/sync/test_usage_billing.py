"""What happened beside the terms is billed: usage in time and late, accepted milestones, indices, overdue invoices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from billing.reading.records import read_records
from billing.terms import Charge, LateFee, Renewal
from store import cash, contracts
from sync import acceptances, set_terms
from sync.receive_usage import Received, load, receive
from tests.worlds import NOBODY, Bench

CALLS = {"type": "usage", "key": "calls", "description": "Calls", "price": "0.10", "tax_class": "services"}
BUILD = {"type": "fixed_price", "key": "build", "description": "Build", "price": 1000, "tax_class": "services",
         "instalments": [{"key": "design", "percent": 40}, {"key": "live", "percent": 60}]}  # fmt: skip
FEE = {"type": "recurring", "key": "fee", "description": "Fee", "price": 100, "tax_class": "services"}
STEPS = ("plan_invoices", "issue_invoices")
Given = Mapping[str, object]


def agree(bench: Bench, key: str, *charges: Given, **terms: Any) -> None:
    bench.contract(key, charges=tuple(msgspec.convert(one, Charge) for one in charges), **terms)


def used(name: str, quantity: object = 10, **fields: object) -> Given:
    given: dict[str, object] = {"id": name, "contract": "A", "meter": "calls", "at": "2026-09-10", "quantity": quantity}
    return {**given, **fields}


def send(bench: Bench, *records: Given, replace: bool = False) -> Received:
    with bench.store() as store:
        return receive(store, bench, NOBODY, list(enumerate(records)), "a test", replace=replace)


def problems(found: Received) -> list[tuple[int, str, str]]:
    return [(one.place, one.key, one.problem) for one in found.refused]


def bill(bench: Bench, day: date) -> dict[str, int]:
    """Bill on a day; return the total of each document issued then."""
    before = set(bench.issued())
    bench.today = day
    results = bench.run(*STEPS)
    assert {result.outcome for result in results.values()} == {"done"}
    return {number: row.total for number, row in bench.issued().items() if number not in before}


# -------------------------------------------------------------------------------------------------------------- billing


def test_the_usage_of_a_period_is_billed_after_it_and_what_comes_late_with_the_next_run(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    send(bench, used("r-1", 1000), used("r-2", 500, at="2026-09-30T22:59:59Z"))
    assert bill(bench, date(2026, 9, 30)) == {}
    assert bill(bench, date(2026, 10, 1)) == {"UK-00001": 150_00}
    send(bench, used("r-3", 70))
    assert bill(bench, date(2026, 10, 2)) == {"UK-00002": 7_00}
    assert bill(bench, date(2026, 10, 3)) == {}


def test_a_replaced_record_is_credited_or_billed_by_the_difference(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    send(bench, used("r-1", 1000), used("r-2", 100))
    assert bill(bench, date(2026, 10, 1)) == {"UK-00001": 110_00}
    assert send(bench, used("r-1", 900), replace=True).replaced == 1
    assert bill(bench, date(2026, 10, 2)) == {"UK-CN-00001": 10_00}
    send(bench, used("r-2", 0), replace=True)  # withdrawn
    assert bill(bench, date(2026, 10, 3)) == {"UK-CN-00002": 10_00}


def test_sending_everything_again_bills_nothing(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    records = [used(f"r-{n}") for n in range(5)]
    assert send(bench, *records).new == 5
    bill(bench, date(2026, 10, 1))
    again = send(bench, *records)
    assert (again.new, again.known, again.refused) == (0, 5, [])
    assert bill(bench, date(2026, 10, 2)) == {}


def test_a_milestone_is_billed_when_it_is_accepted_and_credited_when_that_is_taken_back(bench: Bench) -> None:
    agree(bench, "A", BUILD)
    assert bill(bench, date(2026, 9, 10)) == {}
    with bench.store() as store:
        assert acceptances.accept(store, bench, NOBODY, "A", "build", "design") == (date(2026, 9, 10), True)
        assert acceptances.accept(store, bench, NOBODY, "A", "build", "design") == (date(2026, 9, 10), False)
    assert bill(bench, date(2026, 9, 10)) == {"UK-00001": 400_00}
    with bench.store() as store:
        acceptances.withdraw(store, NOBODY, "A", "build", "design")
    assert bill(bench, date(2026, 9, 11)) == {"UK-CN-00001": 400_00}


def test_an_escalator_follows_the_index_of_the_configuration(bench: Bench) -> None:
    agree(bench, "A", FEE | {"escalator": {"index": "CPI", "every": "month", "index_method": "prior"}})
    bench.indices = {"CPI": ((date(2026, 8, 20), Decimal(100)), (date(2026, 9, 20), Decimal(103)))}
    assert bill(bench, date(2026, 9, 1)) == {"UK-00001": 100_00}
    assert bill(bench, date(2026, 10, 1)) == {"UK-00002": 103_00}


def test_a_late_fee_is_billed_while_an_invoice_is_overdue_and_stays_owed_when_it_is_paid(bench: Bench) -> None:
    fee = LateFee(percent=Decimal(2), tax_class="services")
    agree(bench, "A", FEE | {"every": "year"}, late_fee=fee)
    assert bill(bench, date(2026, 9, 1)) == {"UK-00001": 100_00}  # due on 1 October
    assert bill(bench, date(2026, 10, 1)) == {}
    assert bill(bench, date(2026, 10, 2)) == {"UK-00002": 2_00}
    pay(bench, "UK-00001", date(2026, 10, 5))
    assert bill(bench, date(2026, 10, 6)) == {}


def pay(bench: Bench, number: str, day: date) -> None:
    row = bench.issued()[number]
    with bench.store() as store:
        with store.transaction():
            cash.save_payment(
                store, NOBODY, connection="bank", vendor_id=number, digest="1", amount=row.total, entity="uk",
                currency="GBP", refunded=0, status="succeeded", received_on=day.isoformat(),
                customer_id=row.customer_id, data="{}",
            )  # fmt: skip
        payment = cash.by_vendor(store, "bank", number)
        assert payment is not None
        with store.transaction():
            cash.apply(store, NOBODY, payment, [(row.id, row.total)], "test")


# ------------------------------------------------------------------------------------------------- what records must be


def test_the_day_of_a_record_is_the_legal_entitys(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    bench.entities["us"] = msgspec.structs.replace(bench.entities["us"], timezone="America/New_York")
    agree(bench, "U", CALLS, entity="us")
    night = "2026-09-30T23:30:00Z"  # in London the next day has begun, in New York it has not
    send(
        bench,
        used("r-1", at=night),
        used("r-2", at=night, contract="U"),
        used("r-3", at="2026-10-05"),
    )
    days = dict(bench.rows("SELECT id, day FROM usage"))
    assert days == {"r-1": "2026-10-01", "r-2": "2026-09-30", "r-3": "2026-10-05"}


def test_every_bad_record_is_named_with_its_key_and_the_good_ones_are_stored(bench: Bench) -> None:
    agree(bench, "ACME-2026", CALLS, ends_on=date(2027, 8, 31))
    agree(bench, "CLOSED", CALLS)
    with bench.store() as store, store.transaction():
        row = contracts.get(store, "CLOSED")
        assert row is not None
        contracts.set_state(store, NOBODY, row, "closed", "over")

    def one(name: str, **fields: object) -> Given:
        given = used(name, **{"contract": "ACME-2026", **fields})
        return {key: value for key, value in given.items() if value is not None}

    found = send(
        bench, one("good"), one("r-1", contract="ACME-2062"), one("r-2", meter="call"), one("r-3", meter="x"),
        one("r-4", quantity=-1), one("r-5", quantity="1e20"), one("r-6", at="2026-08-31"), one("r-7", at="2027-09-01"),
        one("r-8", at="yesterday"), one("r-9", contract="CLOSED"), one("", at="2026-09-10"), one("r-10", colour="red"),
        one("r-11", contract=None), one("x" * 201), one("r-12", quantity="many"), one("r-13", quantity="1e-30"),
    )  # fmt: skip
    assert (found.new, found.known) == (1, 0)
    told = problems(found)
    assert [(place, key) for place, key, _ in told] == [
        (1, "contract"), (2, "meter"), (3, "meter"), (4, "quantity"), (5, "quantity"), (6, "at"), (7, "at"), (8, "at"),
        (9, "contract"), (10, "id"), (11, ""), (12, "contract"), (13, "id"), (14, "quantity"), (15, "quantity"),
    ]  # fmt: skip
    assert "did you mean 'ACME-2026'?" in told[0][2]
    assert "did you mean 'calls'?" in told[1][2]
    assert "it has calls" in told[2][2]
    assert "colour" in told[10][2]
    assert [row[0] for row in bench.rows("SELECT id FROM usage")] == ["good"]


def test_a_contract_without_usage_says_so_and_one_that_was_amended_takes_the_new_meter(bench: Bench) -> None:
    agree(bench, "A", FEE)
    (problem,) = problems(send(bench, used("r-1")))
    assert "it bills no usage at all" in problem[2]
    with bench.store() as store:
        row = set_terms.find(store, "A")
        text = (
            '[[amendments]]\nkey = "A1"\neffective_on = 2026-09-01\n[[amendments.add]]\ntype = "usage"\nkey = "calls"\n'
        )
        text += 'description = "Calls"\nprice = 0.1\ntax_class = "services"\n'
        set_terms.put(store, NOBODY, row, set_terms.amending(row, text, "a.toml", bench.today), "more")
    assert send(bench, used("r-1")).new == 1


def test_an_evergreen_or_renewing_contract_takes_records_of_any_later_day(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    agree(bench, "B", CALLS, ends_on=date(2026, 12, 31), renewal=Renewal(auto=True))
    late = {"at": "2030-01-01"}
    assert send(bench, used("r-1", **late), used("r-2", contract="B", **late)).new == 2


# ------------------------------------------------------------------------------------------------ records of a customer


def of_customer(bench: Bench, name: str = "Customer A", **fields: object) -> Given:
    return {key: one for key, one in used("r-1", customer=name, **fields).items() if key != "contract"}


def join(bench: Bench, *keys: str) -> None:
    """Let contracts have the same customer."""
    with bench.store() as store, store.transaction():
        for key in keys[1:]:
            sql = "UPDATE contracts SET customer_id=(SELECT customer_id FROM contracts WHERE key=?) WHERE key=?"
            store.execute(sql, keys[0], key)


@pytest.mark.parametrize("name", ["Customer A", "customer a", "A"], ids=["name", "other capitals", "id in the CRM"])
def test_a_record_of_a_customer_goes_to_the_one_contract_that_bills_its_meter(bench: Bench, name: str) -> None:
    agree(bench, "A", CALLS)
    agree(bench, "B", FEE)
    join(bench, "A", "B")
    assert send(bench, of_customer(bench, name)).new == 1
    assert bench.rows("SELECT contract FROM usage") == [("A",)]


def test_of_contracts_that_follow_each_other_the_one_that_runs_on_the_day_is_taken(bench: Bench) -> None:
    agree(bench, "A", CALLS, ends_on=date(2026, 9, 30))
    agree(bench, "B", CALLS, starts_on=date(2026, 10, 1))
    join(bench, "A", "B")
    assert send(bench, of_customer(bench, at="2026-10-02")).new == 1
    assert bench.rows("SELECT contract FROM usage") == [("B",)]


def test_a_record_of_a_customer_that_may_be_of_several_contracts_or_none_is_refused(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    agree(bench, "B", CALLS)
    agree(bench, "C", FEE)
    join(bench, "A", "B")
    told = [problems(send(bench, of_customer(bench, name)))[0] for name in ("Customer A", "Customer C", "Custmer C")]
    assert [key for _, key, _ in told] == ["customer"] * 3
    assert ["name one of A, B" in told[0][2], "no active contract" in told[1][2]] == [True, True]
    assert "did you mean 'Customer C'?" in told[2][2]


# ---------------------------------------------------------------------------------------------------------------- files


def file(bench: Bench, text: str, **options: Any) -> Received:
    with bench.store() as store:
        return load(store, bench, NOBODY, read_records(text, as_csv=True), "march.csv", **options)


def test_a_file_is_stored_whole_or_not_at_all_unless_bad_records_are_to_be_skipped(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    text = "id,contract,meter,day,quantity,dimensions.region\nr-1,A,calls,2026-09-01,5,eu\nr-2,A,call,2026-09-01,5,\n"
    found = file(bench, text)
    assert (found.kept, found.new, [one.place for one in found.refused]) == (False, 1, [3])
    assert bench.rows("SELECT * FROM usage") == []
    assert file(bench, text, skip_bad=True).kept
    assert bench.rows("SELECT id, dimensions, source FROM usage") == [("r-1", '{"region":"eu"}', "march.csv")]
    assert bench.rows("SELECT action FROM audit WHERE object='usage:march.csv'") == [("usage read",)]


def test_a_dry_run_counts_and_keeps_nothing(bench: Bench) -> None:
    agree(bench, "A", CALLS)
    before = bench.contents()
    found = file(bench, "id,contract,meter,day\nr-1,A,calls,2026-09-01\n", dry_run=True)
    assert (found.new, found.kept) == (1, False)
    assert bench.contents() == before


def test_a_file_larger_than_a_batch_tells_how_far_it_is_and_is_still_whole_or_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.receive_usage.BATCH", 2)
    agree(bench, "A", CALLS)
    text = "id,contract,meter,day\n" + "".join(f"r-{n},A,calls,2026-09-01\n" for n in range(5))
    seen: list[int] = []
    assert file(bench, f"{text}r-0,A,calls,2026-09-02\n", progress=lambda done, total: seen.append(done)).kept is False
    assert seen == [2, 4, 6]
    assert bench.rows("SELECT * FROM usage") == []
    assert file(bench, text).new == 5
