"""What payment providers sent to the bank, and every movement of the balance that each payout is made of."""

from __future__ import annotations

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


class Contents(PayoutRow, frozen=True, kw_only=True):
    """A payout and what its movements add up to.

    ``fees``: what the provider kept. ``not_ours``: payments, with their refunds and disputes, that are not ours.
    ``converted``: payments that were made in another currency. ``others``: what belongs to no payment known here.
    """

    fees: int
    not_ours: int
    converted: int
    others: int


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


def contents(store: Store, connection: str, since: date) -> list[Contents]:
    """Return a provider's payouts that arrive on ``since`` or later, oldest first.

    A payment of before that day was booked by whoever kept the books then, so it is none of what is not ours.
    """
    of_payment = "m.kind IN ('payment', 'refund', 'dispute')"
    day = since.isoformat()
    return store.rows(
        Contents,
        "SELECT p.*, coalesce(sum(m.fee - CASE WHEN m.kind='fee' THEN m.amount ELSE 0 END), 0) AS fees,"
        f" coalesce(sum(CASE WHEN {of_payment} AND y.scope='out' AND y.received_on>=? THEN m.amount END), 0)"
        " AS not_ours,"
        f" coalesce(sum(CASE WHEN {of_payment} AND y.scope='in' AND y.currency<>p.currency THEN m.amount END), 0)"
        " AS converted, coalesce(sum(CASE WHEN m.kind IN ('adjustment', 'other')"
        f" OR ({of_payment} AND y.id IS NULL) THEN m.amount END), 0) AS others"
        " FROM payouts p LEFT JOIN movements m ON m.payout_id=p.id"
        " LEFT JOIN payments y ON y.connection=p.connection AND y.vendor_id=m.payment"
        " WHERE p.connection=? AND p.arrives_on>=? GROUP BY p.id ORDER BY p.arrives_on, p.id",
        day,
        connection,
        day,
    )


def descriptions(store: Store, payout_id: int) -> list[str]:
    """Return the texts of a payout's movements that are no payment's, each once."""
    sql = "SELECT DISTINCT description FROM movements WHERE payout_id=? AND kind IN ('adjustment', 'other')"
    return [text for (text,) in store.tuples(f"{sql} ORDER BY description", payout_id) if text]
