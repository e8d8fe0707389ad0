"""What customers owe by our picture and by the books, side by side: the figure that must agree to the cent.

Receivables are open invoices, ours and foreign, less the credit that customers have not used yet: what is left of
credit notes, and of payments typed into the books for no invoice. That is how a ledger counts its receivable account.
What we know and the books do not yet (invoices and payments that wait to be sent) is shown apart as on its way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from store.database import Store


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One legal entity in one currency; minor units."""

    entity: str
    currency: str
    ours: int = 0  # open on our invoices
    foreign: int = 0  # open on invoices that others made in the books
    credit: int = 0  # credit that customers have not used
    on_the_way: int = 0  # our open invoices that the books lack, less our payments that they lack
    books: int = 0  # receivable in the books as last read

    @property
    def total(self) -> int:
        """What customers owe by our picture."""
        return self.ours + self.foreign - self.credit

    @property
    def difference(self) -> int:
        """By how much we say more than the books; 0 when all is well."""
        return self.total - self.on_the_way - self.books


_STANDS = "connection=?1 AND kind='document' AND data ->> 'status' IN ('open', 'paid')"
_NO_LINK = "NOT EXISTS (SELECT 1 FROM links l WHERE l.connection=?1 AND l.kind='document' AND l.our_id={document}.id)"
_UNPOSTED = (
    "p.connection<>?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.connection=?1 AND o.kind IN"
    " ('payment', 'allocation') AND o.our_id=a.id AND o.state='done')"
)
# (name, sign, query of currency and sum, by the ledger ?1 and the entity ?2)
_SUMS = (
    ("ours", 1, "SELECT currency, sum(open) FROM documents WHERE entity=?2 AND open > 0 GROUP BY currency"),
    (
        "foreign",
        1,
        "SELECT currency, sum(open) FROM foreign_documents WHERE connection=?1 AND type='invoice' AND open > 0"
        " GROUP BY currency",
    ),
    (
        "credit",
        1,
        "SELECT data ->> 'currency', sum(CAST(data ->> 'balance' AS INTEGER)) FROM ledger_objects"
        f" WHERE {_STANDS} AND data ->> 'type'='credit_note' GROUP BY 1",
    ),
    (
        "credit",
        1,
        "SELECT data ->> 'currency', sum(CAST(data ->> 'unapplied' AS INTEGER)) FROM ledger_objects"
        " WHERE connection=?1 AND kind='payment' AND data ->> 'status'='active' GROUP BY 1",
    ),
    (
        "on_the_way",
        1,
        f"SELECT currency, sum(open) FROM documents d WHERE entity=?2 AND open > 0"
        f" AND {_NO_LINK.format(document='d')} GROUP BY currency",
    ),
    (
        "on_the_way",
        -1,
        f"SELECT p.currency, sum(a.amount) FROM applications a JOIN payments p ON p.id=a.payment_id"
        f" LEFT JOIN documents d ON d.id=a.document_id WHERE p.entity=?2 AND {_UNPOSTED}"
        f" AND (a.foreign_id IS NOT NULL OR NOT {_NO_LINK.format(document='d')}) GROUP BY p.currency",
    ),
    (
        "on_the_way",
        -1,
        "SELECT c.currency, sum(u.amount) FROM credit_uses u JOIN documents c ON c.id=u.credit_id"
        " WHERE c.entity=?2 AND c.status='issued' AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.connection=?1"
        f" AND o.kind='credit_use' AND o.our_id=u.id AND o.state='done') AND NOT {_NO_LINK.format(document='c')}"
        " GROUP BY c.currency",
    ),
    (
        "books",
        1,
        "SELECT data ->> 'currency', sum(CASE data ->> 'type' WHEN 'invoice' THEN 1 ELSE -1 END"
        f" * CAST(data ->> 'balance' AS INTEGER)) FROM ledger_objects WHERE {_STANDS} GROUP BY 1",
    ),
    (
        "books",
        -1,
        "SELECT data ->> 'currency', sum(CAST(data ->> 'unapplied' AS INTEGER)) FROM ledger_objects"
        " WHERE connection=?1 AND kind='payment' AND data ->> 'status'='active' GROUP BY 1",
    ),
)


def compare(store: Store, ledgers: Mapping[str, str]) -> list[Compared]:
    """Return receivables by entity and currency; ``ledgers``: entity -> the connection that keeps its books."""
    lines = []
    for entity, ledger in ledgers.items():
        sums: dict[str, dict[str, int]] = {}
        for name, sign, sql in _SUMS:
            for currency, amount in store.tuples(sql, *(ledger, entity)[: 2 if "?2" in sql else 1]):
                found = sums.setdefault(currency, {})
                found[name] = found.get(name, 0) + sign * (amount or 0)
        lines += [Compared(entity=entity, currency=currency, **found) for currency, found in sorted(sums.items())]
    return [line for line in lines if line.total or line.books or line.on_the_way]
