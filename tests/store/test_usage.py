"""Usage records: each once by its id, never changed unless somebody says so."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billing.facts import UsageRecord
from store import audit, usage
from store.database import IntegrityError, Store
from tests.store.build import ADA, contract


def record(name: str = "r-1", quantity: str = "5", **fields: Any) -> UsageRecord:
    given: dict[str, Any] = {"id": name, "meter": "calls", "day": date(2026, 3, 1), "quantity": Decimal(quantity)}
    return UsageRecord(**{**given, **fields})


def save(store: Store, *records: UsageRecord, key: str = "C-1", replace: bool = False) -> list[str]:
    with store.transaction():
        return list(usage.save(store, ADA, [(key, one) for one in records], "march.csv", replace=replace))


def read(store: Store, key: str = "C-1") -> list[UsageRecord]:
    return list(usage.of_contracts(store, [key]).get(key, ()))


@pytest.fixture(autouse=True)
def contracts(store: Store) -> None:
    contract(store, "C-1")
    contract(store, "C-2")


def test_a_record_is_read_back_as_it_was_stored(store: Store) -> None:
    full = record(at="2026-03-01T23:30:00+00:00", dimensions={"region": "eu"}, value="user-7", quantity="0.125")
    assert save(store, full) == ["new"]
    assert read(store) == [full]


def test_the_same_record_again_changes_nothing(store: Store) -> None:
    save(store, record())
    assert save(store, record(), record(quantity="5.0")) == ["known", "known"]
    assert read(store) == [record()]
    assert usage.table(store, "C-1")[1][0][7] == "march.csv"


def test_an_id_with_other_content_is_left_as_it_is(store: Store) -> None:
    save(store, record())
    changed = [record(quantity="6"), record(meter="mails"), record(day=date(2026, 3, 2)), record(value="x")]
    assert save(store, *changed) == ["other"] * 4
    assert read(store) == [record()]


def test_an_id_that_comes_twice_at_once_with_other_content_is_stored_as_it_came_first(store: Store) -> None:
    assert save(store, record(), record(), record(quantity="6")) == ["new", "known", "other"]
    assert read(store) == [record()]


def test_a_replacement_takes_the_place_of_the_record_and_leaves_what_it_was_in_the_trail(store: Store) -> None:
    save(store, record())
    assert save(store, record(quantity="6"), record(quantity="7"), replace=True) == ["replaced", "replaced"]
    assert read(store) == [record(quantity="7")]
    trail = [entry for entry in audit.entries(store, "contract:C-1") if entry.action == "usage replaced"]
    assert [('"quantity":"5"' in str(one.before), '"quantity":"7"' in str(one.after)) for one in trail] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert audit.verify(store) is None


def test_with_replace_the_later_of_two_new_records_of_an_id_counts(store: Store) -> None:
    assert save(store, record(), record(quantity="6"), replace=True) == ["new", "replaced"]
    assert read(store) == [record(quantity="6")]


def test_an_id_is_unique_within_its_contract_only(store: Store) -> None:
    save(store, record())
    assert save(store, record(quantity="9"), key="C-2") == ["new"]
    assert (read(store), read(store, "C-2")) == ([record()], [record(quantity="9")])


def test_more_records_than_fit_into_one_query_are_all_stored_once(store: Store) -> None:
    many = [record(f"r-{n}") for n in range(2500)]
    assert set(save(store, *many)) == {"new"}
    assert set(save(store, *many)) == {"known"}
    assert len(read(store)) == 2500


def test_records_are_read_in_order_of_time(store: Store) -> None:
    late, early = record("a", at="2026-03-01T10:00:00+00:00"), record("b", at="2026-03-01T09:00:00+00:00")
    save(store, late, early, record("c", day=date(2026, 2, 1)))
    assert [one.id for one in read(store)] == ["c", "b", "a"]


def test_records_of_many_contracts_come_in_one_go_and_only_of_those_that_have_any(store: Store) -> None:
    save(store, record())
    assert usage.of_contracts(store, ["C-1", "C-2"]) == {"C-1": (record(),)}


def test_a_record_needs_a_contract(store: Store) -> None:
    with pytest.raises(IntegrityError):
        save(store, record(), key="C-9")


def test_the_list_of_records_shows_the_newest_day_first_of_one_meter_or_all(store: Store) -> None:
    save(store, record("a"), record("b", day=date(2026, 3, 2)), record("c", meter="mails"))
    columns, rows = usage.table(store, "C-1")
    assert [row[0] for row in rows] == ["b", "a", "c"]
    assert [row[0] for row in usage.table(store, "C-1", "mails")[1]] == ["c"]
    assert dict(zip(columns, rows[0], strict=True))["quantity"] == "5"


def test_facts_that_planning_relied_on_end_when_usage_arrives_or_is_replaced(store: Store) -> None:
    def changes() -> list[int]:
        return [
            count for (count,) in store.tuples("SELECT changes FROM contracts WHERE key IN ('C-1', 'C-2') ORDER BY key")
        ]

    first, second = changes()
    save(store, record())
    assert changes() == [first + 1, second]
    save(store, record())
    assert changes() == [first + 1, second]
    save(store, record(quantity="6"), replace=True)
    assert changes() == [first + 2, second]
