"""What the CRM was told of invoices: the figures by deal and company, and what was written there last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from store.database import Store


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An issued invoice with the deal of its contract and the company of its customer, as the CRM has them now.

    One for several contracts comes once for each of their deals.
    """

    id: int
    deal_id: str
    company_id: str
    entity: str
    currency: str
    number: str
    issue_on: date
    due_on: date
    open: int


def invoices(store: Store, crm: str) -> list[InvoiceRow]:
    """Return every invoice that stands, of the contracts of a CRM. A merged company's parts count as the whole."""
    root = "coalesce((SELECT a.customer_id FROM customer_aliases a WHERE a.crm=u.crm AND a.crm_id=u.crm_id), u.id)"
    return store.rows(
        InvoiceRow,
        "SELECT d.id, c.deal_id, d.entity, d.currency, d.number, d.issue_on, d.due_on, d.open,"
        " coalesce((SELECT a.crm_id FROM customer_aliases a WHERE a.customer_id=r.id AND a.current=1), r.crm_id)"
        " AS company_id FROM documents d JOIN (SELECT id AS document_id, contract FROM documents"
        " UNION ALL SELECT document_id, contract FROM shared_documents) s ON s.document_id=d.id"
        " JOIN contracts c ON c.key=s.contract"
        f" JOIN customers u ON u.id=d.customer_id JOIN customers r ON r.id={root}"
        " WHERE c.crm=? AND d.type='invoice' AND d.status='issued' ORDER BY d.issue_on, d.id, c.key",
        crm,
    )


def digests(store: Store, connection: str, object_type: str) -> dict[str, str]:
    """Return the digest of what was written last, by the CRM's id."""
    found = "SELECT object_id, digest FROM written_back WHERE connection=? AND object_type=?"
    return dict(store.tuples(found, connection, object_type))


def save(store: Store, connection: str, object_type: str, written: Mapping[str, str]) -> None:
    """Remember what was written: id -> digest. Call inside a transaction."""
    store.many(
        "INSERT INTO written_back (connection, object_type, object_id, digest) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (connection, object_type, object_id) DO UPDATE SET digest=excluded.digest",
        [(connection, object_type, object_id, digest) for object_id, digest in written.items()],
    )
