"""Payments received, and which invoice each cent of them is applied to."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Any, Literal, TypeVar

import msgspec

from store import audit, foreign, invoices
from store.audit import Actor
from store.database import Store, to_json
from store.refunds import FROM_CREDIT

T = TypeVar("T")
Target = tuple[Literal["document", "foreign"], int]  # an invoice of ours or a foreign one, by its id here


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A payment; ``data`` is the payment as its vendor gave it. Amounts are minor units of ``currency``."""

    id: int
    connection: str
    vendor_id: str
    entity: str
    currency: str
    amount: int
    refunded: int
    status: Literal["succeeded", "processing", "failed"]
    received_on: date
    customer_id: int | None
    data: str
    applied: int = 0
    scope: Literal["in", "out"] = "in"  # out: by the mapping's rules it is not ours
    from_credit: int = 0  # what was refunded out of credit notes: the money itself still pays its invoice
    by_hand: bool = False  # its posting was taken back in the books: only a person applies it again

    @property
    def is_received(self) -> bool:
        """Say whether it came from a payment provider; else it was typed into the books."""
        return '"received_at"' in self.data

    def payment(self, record: type[T]) -> T:
        """Return the payment as its vendor gave it."""
        return msgspec.json.decode(self.data, type=record)

    @property
    def is_gone(self) -> bool:
        """Say whether the provider took it back, because it failed or its payer disputes it."""
        return self.status == "failed" or (self.is_received and '"disputed":true' in self.data)

    @property
    def is_held(self) -> bool:
        """Say whether the provider holds it for its customer, applied to no payment."""
        return self.status == "processing" and '"held":true' in self.data and self.amount > 0

    @property
    def available(self) -> int:
        """What may still be applied to invoices; negative when more was refunded than was left."""
        if self.is_gone or self.status != "succeeded":
            return 0
        return self.amount - self.refunded + self.from_credit - self.applied


class ApplicationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a payment that pays an invoice: one of ours, or a foreign one (``store.foreign``)."""

    id: int
    payment_id: int
    document_id: int | None
    amount: int
    reason: str
    foreign_id: int | None = None

    @property
    def target(self) -> Target:
        """What it pays."""
        return ("document", self.document_id) if self.document_id is not None else ("foreign", self.foreign_id or 0)


_AT_ONCE = 500  # rows that are in memory at once
_POSTING = "kind IN ('payment', 'allocation')"  # how an application is booked: as a payment, or of money on account
_WITH_APPLIED = (
    "SELECT p.*, (SELECT coalesce(sum(a.amount), 0) FROM applications a WHERE a.payment_id=p.id) AS applied,"
    f" {FROM_CREDIT} AS from_credit FROM payments p"
)


def save_payment(store: Store, actor: Actor, *, connection: str, vendor_id: str, digest: str, **values: Any) -> bool:
    """Store a payment as the vendor has it now; return whether anything changed. Call inside a transaction."""
    known = store.tuples(
        "SELECT id, digest, status, refunded, amount FROM payments WHERE connection=? AND vendor_id=?",
        connection,
        vendor_id,
    )
    if not known:
        store.insert("payments", connection=connection, vendor_id=vendor_id, digest=digest, **values)
        audit.write(
            store, actor, "received", f"payment:{connection}:{vendor_id}",
            after={key: values[key] for key in ("amount", "currency", "status", "refunded")},
        )  # fmt: skip
        return True
    payment_id, before, *was = known[0]
    if before == digest:
        return False
    columns = ", ".join(f"{column}=?" for column in values)
    store.execute(f"UPDATE payments SET digest=?, {columns} WHERE id=?", digest, *values.values(), payment_id)
    names = ("status", "refunded", "amount")
    after = {name: values[name] for name in names}
    if was != list(after.values()):
        audit.write(
            store, actor, "changed", f"payment:{connection}:{vendor_id}",
            before=dict(zip(names, was, strict=True)), after=after,
        )  # fmt: skip
    return True


def payment_data(payment: Any) -> str:
    """Return a vendor's payment as it is stored."""
    return to_json(payment)


def payment_digest(payment: Any) -> str:
    """Return the hash by which a payment is known to be unchanged."""
    return hashlib.sha256(payment_data(payment).encode()).hexdigest()


def payments(store: Store) -> list[PaymentRow]:
    """Return every payment, oldest first."""
    return store.rows(PaymentRow, f"{_WITH_APPLIED} ORDER BY p.received_on, p.id")


def not_on_account(store: Store, entity: str, ledger: str) -> list[PaymentRow]:
    """Return the payments of an entity from outside its ledger that have something left and lie on no account there."""
    rows = store.rows(
        PaymentRow,
        f"SELECT p.* FROM ({_WITH_APPLIED} WHERE p.entity=? AND p.status='succeeded' AND p.scope='in' AND p.by_hand=0)"
        " p WHERE p.amount - p.refunded + p.from_credit - p.applied > 0 AND NOT EXISTS (SELECT 1 FROM outbox o"
        " WHERE o.connection=? AND o.kind='on_account' AND o.our_id=p.id) ORDER BY p.received_on, p.id",
        entity,
        ledger,
    )
    return [row for row in rows if row.is_received and row.available > 0]


# Of a payment p with money o on account at ledger ?2: what is with us, less what the books hold of it in any form.
_UNBOOKED = (
    "(p.amount-p.refunded-(o.payload ->> 'amount')"
    "-(SELECT coalesce(sum(a.amount), 0) FROM applications a JOIN outbox w ON w.connection=?2 AND w.kind='payment'"
    " AND w.our_id=a.id WHERE a.payment_id=p.id)"
    "+(SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.payment_id=p.id AND r.reversed=''))"
)
_ON_ACCOUNT = "JOIN outbox o ON o.connection=?2 AND o.kind='on_account' AND o.our_id=p.id"


def unbooked(store: Store, payment_id: int, ledger: str) -> int:
    """Return what is with us of a payment that lies on account, beyond what the books hold of it; 0 of another one."""
    sql = f"SELECT {_UNBOOKED} FROM payments p {_ON_ACCOUNT} WHERE p.id=?1"
    return int(store.one(sql, payment_id, ledger) or 0)


def short_on_account(store: Store, entity: str, ledger: str) -> list[PaymentRow]:
    """Return the payments of which more is with us than the books hold, though what was left lies on account there.

    That is so when a part was given back before it was booked, and has come back since.
    """
    waiting = (
        "SELECT 1 FROM applications a WHERE a.payment_id=p.id AND NOT EXISTS (SELECT 1 FROM outbox w"
        f" WHERE w.connection=?2 AND w.{_POSTING} AND w.our_id=a.id)"
    )
    rows = store.rows(
        PaymentRow,
        f"SELECT p.* FROM ({_WITH_APPLIED} WHERE p.entity=?1 AND p.status='succeeded') p {_ON_ACCOUNT}"
        f" AND o.state='done' WHERE {_UNBOOKED}>0 AND NOT EXISTS ({waiting})",
        entity,
        ledger,
    )
    return [row for row in rows if not row.is_gone]


def refunded(store: Store, entity: str) -> list[PaymentRow]:
    """Return the payments of an entity of which something was ever refunded."""
    sql = f"{_WITH_APPLIED} WHERE p.entity=? AND (p.refunded > 0 OR p.id IN (SELECT payment_id FROM refunds))"
    return store.rows(PaymentRow, f"{sql} ORDER BY p.id", entity)


def gone(store: Store, entity: str) -> list[PaymentRow]:
    """Return the payments that their provider took back, because they failed or are disputed, and that still count.

    They still pay something, or lie on account in the books.
    """
    sql = (
        f"{_WITH_APPLIED} WHERE p.entity=? AND (p.status='failed' OR p.data ->> '$.disputed'=1) AND (EXISTS"
        " (SELECT 1 FROM applications a WHERE a.payment_id=p.id) OR EXISTS"
        " (SELECT 1 FROM outbox o WHERE o.kind='on_account' AND o.our_id=p.id)) ORDER BY p.id"
    )
    return [row for row in store.rows(PaymentRow, sql, entity) if row.is_gone]


def by_hand(store: Store, entity: str) -> list[PaymentRow]:
    """Return the payments of an entity with something left that only a person applies."""
    rows = store.rows(PaymentRow, f"{_WITH_APPLIED} WHERE p.entity=? AND p.by_hand=1 ORDER BY p.id", entity)
    return [row for row in rows if row.available > 0]


def payment_of(store: Store, application_id: int) -> PaymentRow | None:
    """Return the payment that an application is a part of."""
    sql = f"{_WITH_APPLIED} WHERE p.id=(SELECT payment_id FROM applications WHERE id=?)"
    return store.first(PaymentRow, sql, application_id)


def unused(store: Store, entity: str) -> list[PaymentRow]:
    """Return an entity's payments, received or on their way, of which something is applied to nothing, oldest first."""
    sql = (
        f"SELECT * FROM ({_WITH_APPLIED} WHERE p.entity=? AND p.scope='in' AND p.status<>'failed')"
        " WHERE amount-refunded+from_credit-applied > 0 ORDER BY received_on, id"
    )
    return [row for row in store.rows(PaymentRow, sql, entity) if not row.is_gone]


def get(store: Store, payment_id: int) -> PaymentRow:
    """Return one payment; raises ``KeyError`` when there is none."""
    row = store.first(PaymentRow, f"{_WITH_APPLIED} WHERE p.id=?", payment_id)
    if row is None:
        raise KeyError(payment_id)
    return row


def among(store: Store, ids: Collection[int]) -> dict[int, PaymentRow]:
    """Return some payments by id, at most 32,766 at once."""
    sql = f"{_WITH_APPLIED} WHERE p.id IN ({', '.join('?' * len(ids))})"
    return {row.id: row for row in store.rows(PaymentRow, sql, *ids)}


def by_vendor(store: Store, connection: str, vendor_id: str) -> PaymentRow | None:
    """Return the payment a vendor calls ``vendor_id``."""
    return store.first(PaymentRow, f"{_WITH_APPLIED} WHERE p.connection=? AND p.vendor_id=?", connection, vendor_id)


def typed(store: Store, ledger: str) -> list[PaymentRow]:
    """Return the payments that people typed into a ledger, as they were last counted."""
    return store.rows(PaymentRow, f"{_WITH_APPLIED} WHERE p.connection=?", ledger)


def set_by_hand(store: Store, actor: Actor, payment: PaymentRow, by_hand: bool, reason: str) -> None:
    """Say whether only a person applies a payment again. Call inside a transaction."""
    store.execute("UPDATE payments SET by_hand=? WHERE id=?", int(by_hand), payment.id)
    thing = f"payment:{payment.connection}:{payment.vendor_id}"
    audit.write(store, actor, "by hand" if by_hand else "not by hand", thing, reason=reason)


def set_scope(store: Store, actor: Actor, payment: PaymentRow, scope: Literal["in", "out"]) -> None:
    """Say whether a payment is ours. Call inside a transaction."""
    store.execute("UPDATE payments SET scope=? WHERE id=?", scope, payment.id)
    thing = f"payment:{payment.connection}:{payment.vendor_id}"
    audit.write(store, actor, "scope", thing, before={"scope": payment.scope}, after={"scope": scope})


def save_unreadable(store: Store, connection: str, vendor_id: str, problem: str) -> bool:
    """Remember a payment that cannot be read; return whether that is news."""
    return bool(
        store.execute(
            "INSERT INTO unreadable_payments (connection, vendor_id, problem) VALUES (?, ?, ?)"
            " ON CONFLICT (connection, vendor_id) DO UPDATE SET problem=excluded.problem"
            " WHERE unreadable_payments.problem<>excluded.problem",
            connection,
            vendor_id,
            problem,
        )
    )


def forget_unreadable(store: Store, connection: str, vendor_ids: Sequence[str]) -> None:
    """Drop what can be read now."""
    store.many(
        "DELETE FROM unreadable_payments WHERE connection=? AND vendor_id=?", [(connection, one) for one in vendor_ids]
    )


def unreadable(store: Store) -> list[tuple[str, str, str]]:
    """Return (connection, the vendor's id, problem) of every payment that cannot be read."""
    return store.tuples("SELECT connection, vendor_id, problem FROM unreadable_payments ORDER BY connection, vendor_id")


def assign_customer(store: Store, payment_id: int, customer_id: int) -> None:
    """Remember who paid."""
    store.execute("UPDATE payments SET customer_id=? WHERE id=?", customer_id, payment_id)


def apply(store: Store, actor: Actor, payment: PaymentRow, parts: Sequence[tuple[int, int]], reason: str) -> None:
    """Apply (document id, amount) parts of a payment. Call inside a transaction.

    Raises ``ValueError`` when a part exceeds what is left of the payment or open on the invoice, as both are now.
    """
    left = get(store, payment.id).available  # read anew: somebody else may have applied some of it since
    for document_id, amount in parts:
        document = invoices.get(store, document_id)
        if not 0 < amount <= min(left, document.open) or document.currency != payment.currency:
            raise ValueError(f"payment {payment.vendor_id}: {amount} does not fit invoice {document.name}")
        left -= amount
        store.insert("applications", payment_id=payment.id, document_id=document_id, amount=amount, reason=reason)
        invoices.recompute_open(store, document_id)
        audit.write(
            store, actor, "applied", f"document:{document_id}",
            after={"payment": payment.vendor_id, "amount": amount}, reason=reason,
        )  # fmt: skip


def apply_to_foreign(
    store: Store, actor: Actor, payment: PaymentRow, parts: Sequence[tuple[int, int]], reason: str
) -> None:
    """Apply (foreign document id, amount) parts of a payment; else like ``apply``."""
    left = get(store, payment.id).available
    for foreign_id, amount in parts:
        document = foreign.get(store, foreign_id)
        if not 0 < amount <= min(left, document.open) or document.currency != payment.currency:
            raise ValueError(f"payment {payment.vendor_id}: {amount} does not fit invoice {document.number}")
        left -= amount
        store.insert("applications", payment_id=payment.id, foreign_id=foreign_id, amount=amount, reason=reason)
        foreign.recompute_open(store, foreign_id)
        audit.write(
            store, actor, "applied", f"foreign:{foreign_id}",
            after={"payment": payment.vendor_id, "amount": amount, "invoice": document.number}, reason=reason,
        )  # fmt: skip


def take_over(store: Store, actor: Actor, typed: PaymentRow, payment: PaymentRow, reason: str) -> None:
    """Say that ``typed``, read from the books, is the same money as ``payment``: what it pays is paid by that instead.

    ``typed`` is gone afterwards. What ``payment`` pays already, or has no money left for, is not paid twice.
    """
    left = get(store, payment.id).available
    paid = {part.target for part in applications_of(store, payment.id)}
    for part in applications_of(store, typed.id):
        amount = 0 if part.target in paid else min(part.amount, left)
        left -= amount
        if amount:
            store.execute(
                "UPDATE applications SET payment_id=?, amount=?, reason=? WHERE id=?",
                payment.id,
                amount,
                reason,
                part.id,
            )
        else:
            store.execute("DELETE FROM applications WHERE id=?", part.id)
        kind, target = part.target
        (invoices if kind == "document" else foreign).recompute_open(store, target)
    store.execute("DELETE FROM payments WHERE id=?", typed.id)
    audit.write(
        store, actor, "same money", f"payment:{payment.connection}:{payment.vendor_id}",
        before={"payment": typed.vendor_id, "amount": typed.amount}, reason=reason,
    )  # fmt: skip


def take_back(store: Store, actor: Actor, payment: PaymentRow, reason: str, only: Sequence[int] | None = None) -> int:
    """Take a payment back from what it pays, where that is not on its way to any books; return what it still pays.

    ``only``: the applications to take back, all when None. Call inside a transaction.
    """
    left = 0
    for part in applications_of(store, payment.id):
        if only is not None and part.id not in only:
            left += part.amount
            continue
        if store.one(f"SELECT 1 FROM outbox WHERE {_POSTING} AND our_id=?", part.id):
            left += part.amount
            continue
        store.execute("DELETE FROM applications WHERE id=?", part.id)
        kind, target = part.target
        if kind == "document":
            noted = "INSERT INTO taken_back (payment_id, document_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
            store.execute(noted, payment.id, target)
        (invoices if kind == "document" else foreign).recompute_open(store, target)
        audit.write(
            store, actor, "taken back", f"{kind}:{target}",
            before={"payment": payment.vendor_id, "amount": part.amount}, reason=reason,
        )  # fmt: skip
    return left


def applications_of(store: Store, payment_id: int) -> list[ApplicationRow]:
    """Return what a payment pays."""
    return store.rows(ApplicationRow, "SELECT * FROM applications WHERE payment_id=? ORDER BY id", payment_id)


def pays(store: Store, document_id: int) -> bool:
    """Say whether any payment pays something of a document of ours."""
    return store.one("SELECT 1 FROM applications WHERE document_id=?", document_id) is not None


def applications(store: Store) -> list[ApplicationRow]:
    """Return every application, oldest first."""
    return store.rows(ApplicationRow, "SELECT * FROM applications ORDER BY id")


def unposted(store: Store, entity: str, ledger: str, size: int) -> Iterator[list[ApplicationRow]]:
    """Yield, some at a time, applications of payments from outside the ledger that go to it in no form yet."""
    sql = (
        "SELECT a.* FROM applications a CROSS JOIN payments p ON p.id=a.payment_id"  # in the order of applications
        " WHERE p.entity=?1 AND p.connection<>?2 AND NOT EXISTS"
        f" (SELECT 1 FROM outbox o WHERE o.connection=?2 AND {_POSTING} AND o.our_id=a.id)"
        " AND a.id>?3 ORDER BY a.id LIMIT ?4"
    )
    last = 0
    while found := store.rows(ApplicationRow, sql, entity, ledger, last, size):
        last = found[-1].id
        yield found


def each_unposted(store: Store, entity: str, ledger: str) -> Iterator[ApplicationRow]:
    """Yield what ``unposted`` does, one by one."""
    return chain.from_iterable(unposted(store, entity, ledger, _AT_ONCE))


def unposted_amounts(store: Store, ledger: str) -> dict[int, int]:
    """Return by document id what is applied here and not known to be in the books yet."""
    return _unposted_by(store, ledger, "document_id")


def unposted_to_foreign(store: Store, ledger: str) -> dict[int, int]:
    """Return the same by id of the foreign document."""
    return _unposted_by(store, ledger, "foreign_id")


def _unposted_by(store: Store, ledger: str, target: Literal["document_id", "foreign_id"]) -> dict[int, int]:
    return dict(
        store.tuples(
            f"SELECT a.{target}, sum(a.amount) FROM applications a JOIN payments p ON p.id=a.payment_id"
            f" WHERE a.{target} IS NOT NULL AND p.connection<>? AND NOT EXISTS (SELECT 1 FROM outbox o WHERE"
            f" o.connection=? AND {_POSTING} AND o.our_id=a.id AND o.state='done') GROUP BY a.{target}",
            ledger,
            ledger,
        )
    )
