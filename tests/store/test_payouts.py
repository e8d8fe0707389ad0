"""Payouts: each movement of a provider's balance belongs to one of them, and what was booked of it stays."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from connectors.base import Movement, Payout
from store import deals, payouts, schema
from store.database import Store
from store.payouts import Exchange

AT = datetime(2026, 9, 2, 9, tzinfo=UTC)
GO_LIVE = date(2026, 9, 1)


def movement(id_: str, amount: int = 100_00, fee: int = 3_20, **more: Any) -> Movement:
    made: dict[str, Any] = {"kind": "payment", "currency": "GBP", "at": AT, "payment_id": f"ch_{id_}", **more}
    return Movement(id=id_, amount=amount, fee=fee, net=amount - fee, **made)


def payout(id_: str, *movements: Movement, **more: Any) -> Payout:
    made: dict[str, Any] = {"currency": "GBP", "arrives_on": date(2026, 9, 3), "status": "paid", "made_at": AT, **more}
    return Payout(id=id_, amount=sum(one.net for one in movements), movements=movements, **made)


def save(store: Store, one: Payout) -> bool:
    with store.transaction():
        return payouts.save(store, "stripe", one)


def received(store: Store, id_: str, currency: str = "GBP", day: str = "2026-09-02", scope: str = "in") -> None:
    store.insert(
        "payments", connection="stripe", vendor_id=id_, entity="uk", currency=currency, amount=1, status="succeeded",
        received_on=day, scope=scope, digest="", data="{}",
    )  # fmt: skip


def fees(store: Store) -> list[int]:
    return [row.fees for row in payouts.contents(store, "stripe", GO_LIVE)]


def test_what_one_payout_has_taken_no_other_takes(store: Store) -> None:
    save(store, payout("po_1", movement("a"), movement("b")))
    save(store, payout("po_2", movement("b"), movement("c"), automatic=False))
    assert fees(store) == [6_40, 3_20]
    assert payouts.taken_twice(store) == []


def test_movements_of_another_provider_are_others_whatever_they_are_called(store: Store) -> None:
    save(store, payout("po_1", movement("a")))
    with store.transaction():
        payouts.save(store, "adyen", payout("po_1", movement("a")))
    assert [row.fees for row in payouts.contents(store, "adyen", GO_LIVE)] == [3_20]


def test_a_payout_is_made_of_what_it_was_when_it_arrived(store: Store) -> None:
    assert save(store, payout("po_1", movement("a"), status="pending"))
    assert save(store, payout("po_1", movement("a"), movement("b")))
    assert not save(store, payout("po_1", movement("a"), movement("b")))
    assert fees(store) == [6_40]
    assert save(store, payout("po_1", movement("a"), movement("b"), movement("c"), status="failed"))
    assert fees(store) == [6_40]


def test_a_payout_by_hand_keeps_what_it_took_when_it_arrives(store: Store) -> None:
    save(store, payout("po_1", movement("a"), status="pending", automatic=False))
    assert payouts.is_known(store, "stripe", "po_1")
    save(store, payout("po_1", automatic=False))
    assert fees(store) == [3_20]


def test_a_payout_by_hand_that_a_person_was_told_to_book_is_not_booked(store: Store) -> None:
    payouts.save_unreadable(store, "stripe", "po_1", "it was sent by hand")
    assert payouts.is_known(store, "stripe", "po_1")
    assert not save(store, payout("po_1", movement("a"), automatic=False))
    assert payouts.contents(store, "stripe", GO_LIVE) == []
    assert save(store, payout("po_1", movement("a")))  # an automatic one that can be read by now


def test_exchanges_are_added_up_by_currency_where_they_are_known_exactly(store: Store) -> None:
    for id_, currency, more in (
        ("ch_a", "EUR", {}), ("ch_b", "EUR", {}), ("ch_c", "USD", {}), ("ch_d", "EUR", {"day": "2026-08-31"}),
        ("ch_e", "EUR", {"scope": "out"}), ("ch_f", "GBP", {}), ("ch_g", "EUR", {}),
    ):  # fmt: skip
        received(store, id_, currency, **more)
    euros: dict[str, Any] = {"paid_currency": "EUR"}
    save(
        store,
        payout(
            "po_1",
            movement("a", 86_00, paid_amount=100_00, **euros),
            movement("b", -8_70, kind="refund", paid_amount=-10_00, **euros),
            movement("c", 40_00, paid_amount=50_00, paid_currency="USD"),
            movement("d", 1_00, paid_amount=2_00, **euros),  # of before go-live
            movement("e", 4_00, paid_amount=5_00, **euros),  # not ours
            movement("f", 16_00),
            movement("g", 32_00, **euros),
        ),
    )
    ((_, found),) = payouts.exchanges(store, "stripe", GO_LIVE).items()
    assert found == [Exchange("EUR", 90_00, 77_30), Exchange("USD", 50_00, 40_00)]
    (row,) = payouts.contents(store, "stripe", GO_LIVE)
    assert (row.converted, row.not_ours, row.others) == (33_00, 4_00, 0)


def test_after_an_update_what_moved_the_balance_before_is_left_to_whoever_booked_it(path: Path) -> None:
    """A payout that was sent by hand was left to a person until then."""
    with Store(path) as store:
        for connection in ("stripe", "stripe_other"):
            deals.set_cursor(store, connection, "payouts", AT)
        payouts.save_unreadable(store, "stripe", "po_1", "it was sent by hand")
        for table, column in (("movements", "paid_amount"), ("movements", "paid_currency"), ("refunds", "reversed")):
            store.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        store.execute("DROP INDEX movements_vendor")
        schema._script(SimpleNamespace(conn=store._connection), schema._TO_THE_CENT)
        assert deals.cursor(store, "stripe", "movements") == AT
        assert deals.cursor(store, "stripe_other", "movements") is None
