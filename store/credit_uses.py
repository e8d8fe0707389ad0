"""Credit notes set against invoices: how much of which note pays how much of which invoice."""

from __future__ import annotations

from datetime import date

import msgspec

from store import audit, invoices
from store.audit import Actor
from store.database import Store


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a credit note that pays an invoice; minor units."""

    id: int
    credit_id: int
    document_id: int
    amount: int
    on_day: date


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A credit note that may still pay the invoice it is against: what is left of the one and open of the other."""

    credit_id: int
    document_id: int
    left: int
    open: int


_LEFT = (  # what is left of the credit note c
    "c.total - (SELECT coalesce(sum(u.amount), 0) FROM credit_uses u JOIN documents i ON i.id=u.document_id"
    " WHERE u.credit_id=c.id AND i.status='issued')"
    " - (SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.credit_id=c.id AND r.reversed='')"
)


def usable(store: Store, entity: str) -> list[Pair]:
    """Return the credit notes that are not set against their open invoice yet, in order of issue."""
    return store.rows(
        Pair,
        f"SELECT c.id AS credit_id, i.id AS document_id, {_LEFT} AS left, i.open FROM documents c"
        " JOIN documents i ON i.entity=c.entity AND i.number=c.against"
        " WHERE c.entity=? AND c.against<>'' AND c.type='credit_note' AND c.status='issued'"
        " AND i.status='issued' AND i.type='invoice' AND i.currency=c.currency AND i.open>0"
        f" AND {_LEFT} > 0 AND NOT EXISTS (SELECT 1 FROM credit_uses u WHERE u.credit_id=c.id AND u.document_id=i.id)"
        " ORDER BY c.id",
        entity,
    )


def left(store: Store, credit_id: int) -> int:
    """Return what is left of a credit note; 0 when it does not stand."""
    return int(store.one(f"SELECT {_LEFT} FROM documents c WHERE c.id=? AND c.status='issued'", credit_id) or 0)


def use(store: Store, actor: Actor, credit_id: int, document_id: int, amount: int, on: date) -> None:
    """Set a part of a credit note against an invoice. Call inside a transaction.

    Raises ``ValueError`` when it exceeds what is left of the note or open on the invoice, as both are now.
    """
    if not 0 < amount <= min(left(store, credit_id), invoices.get(store, document_id).open):
        raise ValueError(f"{amount} of credit note {credit_id} does not fit document {document_id}")
    values = {"credit_id": credit_id, "document_id": document_id, "amount": amount, "on_day": on.isoformat()}
    store.insert("credit_uses", **values)
    invoices.recompute_open(store, document_id)
    after = {"credit_note": credit_id, "amount": amount}
    audit.write(store, actor, "credit used", f"document:{document_id}", after=after)


def unposted(store: Store, entity: str, ledger: str) -> list[Use]:
    """Return the uses that are not on their way to a ledger, oldest first."""
    return store.rows(
        Use,
        "SELECT u.* FROM credit_uses u JOIN documents c ON c.id=u.credit_id JOIN documents i ON i.id=u.document_id"
        " WHERE c.entity=? AND c.status='issued' AND i.status='issued' AND NOT EXISTS (SELECT 1 FROM outbox o"
        " WHERE o.connection=? AND o.kind='credit_use' AND o.our_id=u.id) ORDER BY u.id",
        entity,
        ledger,
    )


def unposted_amounts(store: Store, ledger: str) -> dict[int, int]:
    """Return by invoice what credit notes pay of it here and are not known to pay in the books yet."""
    return dict(
        store.tuples(
            "SELECT u.document_id, sum(u.amount) FROM credit_uses u JOIN documents c ON c.id=u.credit_id"
            " WHERE c.status='issued' AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.connection=?"
            " AND o.kind='credit_use' AND o.our_id=u.id AND o.state='done') GROUP BY u.document_id",
            ledger,
        )
    )


def used_on(store: Store, credit_id: int) -> list[int]:
    """Return the invoices that a credit note pays."""
    rows = store.tuples("SELECT document_id FROM credit_uses WHERE credit_id=? ORDER BY document_id", credit_id)
    return [document_id for (document_id,) in rows]


def totals(store: Store) -> dict[int, int]:
    """Return by invoice what credit notes that stand pay of it."""
    return dict(
        store.tuples(
            "SELECT u.document_id, sum(u.amount) FROM credit_uses u JOIN documents c ON c.id=u.credit_id"
            " WHERE c.status='issued' GROUP BY u.document_id"
        )
    )
