"""Versions: every one of a contract's terms is kept, with since when it was known and who said so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from store import contracts, schema, versions
from store.database import Store
from tests.billing.build import recurring, terms
from tests.store.build import ADA, NOW, contract


def change(store: Store, price: str, reason: str = "", by_hand: bool = False) -> None:
    row = contracts.get(store, "C-1")
    assert row is not None
    with store.transaction():
        contracts.replace_terms(store, ADA, row, terms(recurring(price=price)), reason, by_hand=by_hand)


def test_the_terms_a_contract_was_made_with_are_its_first_version(store: Store) -> None:
    contract(store)
    (first,) = versions.of(store, "C-1")
    assert (first.version, first.actor, first.known_at, first.agreed) == (1, "person ada", NOW, terms())


def test_each_change_of_terms_is_a_further_version_with_its_reason(store: Store) -> None:
    contract(store)
    change(store, "120", "a new price")
    found = versions.of(store, "C-1")
    row = contracts.get(store, "C-1")
    assert row is not None
    assert [one.version for one in found] == [1, 2] == [1, row.version]
    assert (found[1].reason, found[1].agreed) == ("a new price", row.agreed)
    assert found[0].agreed == terms()


def test_terms_written_by_hand_are_known_as_such_until_others_replace_them(store: Store) -> None:
    contract(store)
    states = []
    for by_hand in (False, True, False):
        change(store, "120", by_hand=by_hand)
        row = contracts.get(store, "C-1")
        states.append(row and row.by_hand)
    assert states == [False, True, False]


def test_a_store_of_an_older_release_gets_its_versions_from_the_audit_trail(path: Path) -> None:
    with Store(path) as store:
        contract(store)
        contract(store, "C-2")
        change(store, "120", "a new price")
        expected = {key: versions.of(store, key) for key in ("C-1", "C-2")}
        for table in ("contract_versions", "acceptances", "usage"):
            store.execute(f"DROP TABLE {table}")
        for column in ("by_hand", "mapped"):
            store.execute(f"ALTER TABLE contracts DROP COLUMN {column}")
        schema._script(SimpleNamespace(conn=store._connection), schema._FACTS_AND_VERSIONS)
        assert {key: versions.of(store, key) for key in ("C-1", "C-2")} == expected
        assert [row.by_hand for row in contracts.all_contracts(store)] == [False, False]
