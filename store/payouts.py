"""What payment providers sent to the bank, and every movement of the balance that each payout is made of."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

from store.database import Store

_OF_PAYMENT = "m.kind IN ('payment', 'refund', 'dispute')"
_CONVERTED = f"({_OF_PAYMENT} AND y.scope='in' AND y.currency<>p.currency)"
_IS_EXACT = "(m.paid_amount IS NOT NULL AND m.paid_currency=y.currency AND y.received_on>=?1)"


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
    ``converted``: payments made in another currency, as far as it is not known how much of that they were (what is
    known is an ``Exchange``). ``others``: what belongs to no payment known here.
    """

    fees: int
    not_ours: int
    converted: int
    others: int


class Exchange(NamedTuple):
    """Payments of a payout that were made in another currency: what they came to there, and ``settled`` in its own."""

    currency: str
    paid: int
    settled: int


def is_known(store: Store, connection: str, vendor_id: str) -> bool:
    """Say whether a payout was stored before, or left to a person."""
    return _is_in(store, "payouts", connection, vendor_id) or _is_left(store, connection, vendor_id)


def _is_left(store: Store, connection: str, vendor_id: str) -> bool:
    return _is_in(store, "unreadable_payouts", connection, vendor_id)


def _is_in(store: Store, table: str, connection: str, vendor_id: str) -> bool:
    found = store.one(f"SELECT 1 FROM {table} WHERE connection=? AND vendor_id=?", connection, vendor_id)
    return found is not None


def save(store: Store, connection: str, payout: Any) -> bool:
    """Store a payout with its movements as the provider has it now; return whether that is news.

    ``payout`` has the fields of ``connectors.base.Payout``. A movement that another payout has taken already is not
    taken twice, and what a payout was made of when it was booked stays. One that was sent by hand and left to a person
    is that person's. Call inside a transaction.
    """
    if not payout.automatic and _is_left(store, connection, payout.id):
        return False
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
        if tuple(known[0])[-1] != "pending" or not payout.automatic:
            return True
        store.execute("DELETE FROM movements WHERE payout_id=?", id_)
    else:
        names = ("currency", "amount", "arrives_on", "status")
        id_ = store.insert("payouts", connection=connection, vendor_id=payout.id, **dict(zip(names, row, strict=True)))
    store.many(
        "INSERT INTO movements (payout_id, vendor_id, kind, amount, fee, net, at, payment, description, paid_amount,"
        " paid_currency) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 WHERE NOT EXISTS (SELECT 1 FROM"
        " movements m JOIN payouts p ON p.id=m.payout_id AND p.connection=?12 WHERE m.vendor_id=?2)",
        [(id_, *_values(one), connection) for one in payout.movements],
    )
    return True


def _values(one: Any) -> tuple[Any, ...]:
    about = (one.payment_id, one.description, one.paid_amount, one.paid_currency)
    return one.id, one.kind, one.amount, one.fee, one.net, one.at.isoformat(), *about


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
    day = since.isoformat()
    return store.rows(
        Contents,
        "SELECT p.*, coalesce(sum(m.fee - CASE WHEN m.kind='fee' THEN m.amount ELSE 0 END), 0) AS fees,"
        f" coalesce(sum(CASE WHEN {_OF_PAYMENT} AND y.scope='out' AND y.received_on>=?1 THEN m.amount END), 0)"
        f" AS not_ours, coalesce(sum(CASE WHEN {_CONVERTED} AND NOT {_IS_EXACT} THEN m.amount END), 0)"
        " AS converted, coalesce(sum(CASE WHEN m.kind IN ('adjustment', 'other')"
        f" OR ({_OF_PAYMENT} AND y.id IS NULL) THEN m.amount END), 0) AS others"
        " FROM payouts p LEFT JOIN movements m ON m.payout_id=p.id"
        " LEFT JOIN payments y ON y.connection=p.connection AND y.vendor_id=m.payment"
        " WHERE p.connection=?2 AND p.arrives_on>=?1 GROUP BY p.id ORDER BY p.arrives_on, p.id",
        day,
        connection,
    )


def exchanges(store: Store, connection: str, since: date) -> dict[int, list[Exchange]]:
    """Return by payout what its payments of ``since`` or later came to in each other currency they were made in."""
    rows = store.tuples(
        "SELECT p.id, m.paid_currency, sum(m.paid_amount), sum(m.amount) FROM payouts p"
        " JOIN movements m ON m.payout_id=p.id JOIN payments y ON y.connection=p.connection AND y.vendor_id=m.payment"
        f" WHERE p.connection=?2 AND p.arrives_on>=?1 AND {_CONVERTED} AND {_IS_EXACT}"
        " GROUP BY p.id, m.paid_currency ORDER BY p.id, m.paid_currency",
        since.isoformat(),
        connection,
    )
    found: dict[int, list[Exchange]] = {}
    for payout_id, *exchange in rows:
        found.setdefault(payout_id, []).append(Exchange(*exchange))
    return found


def booked(store: Store, ledger: str) -> list[tuple[str, str, str, int, int]]:
    """Return (provider, currency, what, booked, made of) of the payouts that are booked in a ledger.

    What follows from a payout alone is compared: its fees, its amount, and that both sides of an exchange are booked.
    """
    fees = "SELECT sum(m.fee - CASE WHEN m.kind='fee' THEN m.amount ELSE 0 END) FROM movements m WHERE m.payout_id=p.id"
    other = (
        "SELECT -(i.payload ->> 'amount') FROM outbox i WHERE i.connection=o.connection AND i.our_id=o.our_id"
        " AND i.currency=o.currency AND i.kind='exchanged_in'"
    )
    made_of = {
        "payout_fee": ("fees", f"coalesce(({fees}), 0)", "o.payload ->> 'amount'"),
        "payout": ("paid out", "p.amount", "o.payload ->> 'amount'"),
        "payout_back": ("came back", "p.amount", "o.payload ->> 'amount'"),
        "exchanged_out": ("exchanged", f"coalesce(({other}), 0)", "coalesce(o.payload ->> 'exchanged', 0)"),
    }
    found = []
    for kind, (what, want, there) in made_of.items():
        exact = " AND o.payload ->> 'exchanged'>0 AND o.payload ->> 'amount'>0" if kind == "exchanged_out" else ""
        found += store.tuples(
            f"SELECT p.connection, p.currency, '{what}', sum({there}), sum({want}) FROM outbox o"
            f" JOIN payouts p ON p.id=o.our_id WHERE o.connection=? AND o.kind='{kind}'{exact}"
            " GROUP BY p.connection, p.currency ORDER BY p.connection, p.currency",
            ledger,
        )
    return found


def taken_twice(store: Store) -> list[tuple[str, str, int]]:
    """Return (provider, movement, times) of movements that more than one payout of a provider has taken."""
    return store.tuples(
        "SELECT p.connection, m.vendor_id, count(*) FROM movements m JOIN payouts p ON p.id=m.payout_id"
        " GROUP BY p.connection, m.vendor_id HAVING count(*)>1 ORDER BY p.connection, m.vendor_id"
    )


def descriptions(store: Store, payout_id: int) -> list[str]:
    """Return the texts of a payout's movements that are no payment's, each once."""
    sql = "SELECT DISTINCT description FROM movements WHERE payout_id=? AND kind IN ('adjustment', 'other')"
    return [text for (text,) in store.tuples(f"{sql} ORDER BY description", payout_id) if text]
