"""What payment providers sent to the bank, and every movement of the balance that each payout is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from store.database import Store


class PayoutRow(msgspec.Struct, frozen=True, kw_only=True):
    """A payout; minor units of ``currency``."""

    id: int
    connection: str
    vendor_id: str
    currency: str
    amount: int
    arrives_on: date
    status: Literal["paid", "pending", "failed"]


class MovementRow(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of a payout; what left the balance is below zero, ``net`` = ``amount`` - ``fee``."""

    vendor_id: str
    kind: str
    amount: int
    fee: int
    net: int
    payment: str
    description: str


def save(store: Store, connection: str, payout: Any) -> bool:
    """Store a payout with its movements as the provider has it now; return whether that is news.

    ``payout`` has the fields of ``connectors.base.Payout``. Call inside a transaction.
    """
    row = (payout.currency, payout.amount, payout.arrives_on.isoformat(), payout.status)
    known = store.tuples(
        "SELECT id, currency, amount, arrives_on, status FROM payouts WHERE connection=? AND vendor_id=?",
        connection,
        payout.id,
    )
    store.execute("DELETE FROM unreadable_payouts WHERE connection=? AND vendor_id=?", connection, payout.id)
    if known and tuple(known[0])[1:] == row:
        return False
    if known:
        (id_,) = known[0][:1]
        sql = "UPDATE payouts SET currency=?, amount=?, arrives_on=?, status=? WHERE id=?"
        store.execute(sql, *row, id_)
        store.execute("DELETE FROM movements WHERE payout_id=?", id_)
    else:
        names = ("currency", "amount", "arrives_on", "status")
        id_ = store.insert("payouts", connection=connection, vendor_id=payout.id, **dict(zip(names, row, strict=True)))
    store.many(
        "INSERT INTO movements (payout_id, vendor_id, kind, amount, fee, net, at, payment, description)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (id_, one.id, one.kind, one.amount, one.fee, one.net, one.at.isoformat(), one.payment_id, one.description)
            for one in payout.movements
        ],
    )
    return True


def save_unreadable(store: Store, connection: str, vendor_id: str, problem: str) -> bool:
    """Remember a payout that cannot be booked as it is, and why; return whether that is news."""
    return bool(
        store.execute(
            "INSERT INTO unreadable_payouts (connection, vendor_id, problem) VALUES (?, ?, ?)"
            " ON CONFLICT (connection, vendor_id) DO UPDATE SET problem=excluded.problem"
            " WHERE unreadable_payouts.problem<>excluded.problem",
            connection,
            vendor_id,
            problem,
        )
    )


def unreadable(store: Store, connection: str) -> list[tuple[str, str]]:
    """Return (the provider's id, problem) of every payout that cannot be booked as it is."""
    sql = "SELECT vendor_id, problem FROM unreadable_payouts WHERE connection=? ORDER BY vendor_id"
    return store.tuples(sql, connection)


def unposted(store: Store, connection: str, ledger: str, kind: str, statuses: Sequence[str]) -> list[PayoutRow]:
    """Return the payouts in one of ``statuses`` of which ``kind`` is not on its way to a ledger, oldest first."""
    marks = ", ".join("?" * len(statuses))
    return store.rows(
        PayoutRow,
        f"SELECT p.* FROM payouts p WHERE p.connection=? AND p.status IN ({marks}) AND NOT EXISTS (SELECT 1 FROM"
        " outbox o WHERE o.connection=? AND o.kind=? AND o.our_id=p.id) ORDER BY p.arrives_on, p.id",
        connection,
        *statuses,
        ledger,
        kind,
    )


def movements(store: Store, payout_id: int) -> list[MovementRow]:
    """Return what a payout is made of."""
    sql = "SELECT vendor_id, kind, amount, fee, net, payment, description FROM movements WHERE payout_id=?"
    return store.rows(MovementRow, f"{sql} ORDER BY at, vendor_id", payout_id)


def payouts(store: Store, connection: str) -> list[PayoutRow]:
    """Return every payout of a provider, oldest first."""
    sql = "SELECT id, connection, vendor_id, currency, amount, arrives_on, status FROM payouts WHERE connection=?"
    return store.rows(PayoutRow, f"{sql} ORDER BY arrives_on, id", connection)
