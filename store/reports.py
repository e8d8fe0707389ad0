"""Aggregates for reports and pages, in SQL; what they mean is defined in ``billing/reports.py``."""

from __future__ import annotations

from datetime import date
from typing import Any

from store.database import Store


def open_by_due_date(store: Store) -> list[tuple[str, str, date, int, int]]:
    """Return (entity, currency, due on, invoices, open minor units) of everything unpaid."""
    rows = store.tuples(
        "SELECT entity, currency, due_on, count(*), sum(open) FROM documents WHERE open > 0"
        " GROUP BY entity, currency, due_on ORDER BY entity, currency, due_on"
    )
    return [(entity, currency, date.fromisoformat(due), count, total) for entity, currency, due, count, total in rows]


def foreign_by_due_date(store: Store) -> list[tuple[str, str, date, int, int]]:
    """Return the same of the invoices that others made in the books."""
    rows = store.tuples(
        "SELECT entity, currency, due_on, count(*), sum(open) FROM foreign_documents WHERE open > 0 AND type='invoice'"
        " GROUP BY entity, currency, due_on ORDER BY entity, currency, due_on"
    )
    return [(entity, currency, date.fromisoformat(due), count, total) for entity, currency, due, count, total in rows]


def totals(store: Store) -> dict[str, int]:
    """Return how many of each thing there are."""
    return {
        "deals": store.one("SELECT count(*) FROM deals"),
        "contracts": store.one("SELECT count(*) FROM contracts"),
        "customers": store.one("SELECT count(*) FROM customers"),
        "drafts": store.one("SELECT count(*) FROM documents WHERE number IS NULL"),
        "invoices": store.one("SELECT count(*) FROM documents WHERE number IS NOT NULL AND type='invoice'"),
        "credit_notes": store.one("SELECT count(*) FROM documents WHERE number IS NOT NULL AND type='credit_note'"),
        "payments": store.one("SELECT count(*) FROM payments WHERE scope='in'"),
        "payments_out_of_scope": store.one("SELECT count(*) FROM payments WHERE scope='out'"),
        "payments_matched": store.one("SELECT count(DISTINCT payment_id) FROM applications"),
        "review_items": store.one("SELECT count(*) FROM reviews WHERE state='open'"),
    }


def by_ledger(store: Store) -> list[tuple[str, str, int, int]]:
    """Return (connection, kind, objects, still waiting) of what the books are to hold."""
    return [
        (connection, kind, done, waiting)
        for connection, kind, done, waiting in store.tuples(
            "SELECT connection, kind, sum(CASE WHEN state='done' THEN 1 ELSE 0 END),"
            " sum(CASE WHEN state='done' THEN 0 ELSE 1 END) FROM outbox"
            " GROUP BY connection, kind ORDER BY connection, kind"
        )
    ]


def invoiced(store: Store) -> list[tuple[str, str, int, int, int]]:
    """Return (entity, currency, invoices, total, paid) in minor units, credit notes and voided ones left out."""
    return [
        (entity, currency, count, total, paid)
        for entity, currency, count, total, paid in store.tuples(
            "SELECT entity, currency, count(*), sum(total), sum(total-open) FROM documents"
            " WHERE status='issued' AND type='invoice' GROUP BY entity, currency ORDER BY entity, currency"
        )
    ]


def unapplied(store: Store) -> list[tuple[str, str, int, int]]:
    """Return (entity, currency, payments, minor units) of cash that no invoice is known for."""
    return [
        (entity, currency, count, total)
        for entity, currency, count, total in store.tuples(
            "SELECT entity, currency, count(*), sum(rest) FROM (SELECT p.entity, p.currency, p.amount-p.refunded-"
            " (SELECT coalesce(sum(a.amount), 0) FROM applications a WHERE a.payment_id=p.id) AS rest"
            " FROM payments p WHERE p.status='succeeded' AND p.scope='in') WHERE rest > 0 GROUP BY entity, currency"
        )
    ]


def out_of_scope(store: Store) -> list[tuple[str, str, int, int]]:
    """Return (entity, currency, payments, minor units) of money that is not ours by the mapping's rules."""
    return store.tuples(
        "SELECT entity, currency, count(*), sum(amount-refunded) FROM payments"
        " WHERE status='succeeded' AND scope='out' AND amount > refunded"
        " GROUP BY entity, currency ORDER BY entity, currency"
    )


def table(store: Store, name: str) -> tuple[list[str], list[list[Any]]]:
    """Return (columns, rows) of a plain list: customers, contracts, invoices, payments or applications.

    Amounts are minor units in columns that end in ``_minor``.
    """
    return store.table(_TABLES[name])


_TABLES = {
    "customers": (
        "SELECT c.id, c.crm_id, c.data ->> 'name' AS name, c.data ->> 'email' AS email FROM customers c ORDER BY c.id"
    ),
    "contracts": (
        "SELECT k.key, k.entity, k.name, c.data ->> 'name' AS customer, k.version, k.terms ->> 'currency' AS currency,"
        " k.terms ->> 'starts_on' AS starts_on, k.terms ->> 'ends_on' AS ends_on"
        " FROM contracts k JOIN customers c ON c.id=k.customer_id ORDER BY k.key"
    ),
    "invoices": (
        "SELECT d.number, d.type, d.status, d.entity, c.data ->> 'name' AS customer, d.contract, d.currency,"
        " d.issue_on, d.due_on, d.subtotal AS subtotal_minor, d.tax AS tax_minor, d.total AS total_minor,"
        " d.open AS open_minor"
        " FROM documents d JOIN customers c ON c.id=d.customer_id WHERE d.number IS NOT NULL ORDER BY d.id"
    ),
    "foreign": (
        "SELECT f.number, f.type, f.status, f.entity, c.data ->> 'name' AS customer, f.ledger_customer, f.currency,"
        " f.issue_on, f.due_on, f.total AS total_minor, f.open AS open_minor FROM foreign_documents f"
        " LEFT JOIN customers c ON c.id=(SELECT min(l.our_id) FROM links l WHERE l.connection=f.connection"
        " AND l.kind='customer' AND l.vendor_id=f.ledger_customer) ORDER BY f.id"
    ),
    "drafts": (
        "SELECT d.id, d.type, d.status, d.entity, c.data ->> 'name' AS customer, d.contract, d.currency,"
        " d.total AS total_minor FROM documents d JOIN customers c ON c.id=d.customer_id"
        " WHERE d.number IS NULL ORDER BY d.id"
    ),
    "payments": (
        "SELECT p.connection, p.vendor_id, p.entity, p.received_on, p.status, p.currency, p.amount AS amount_minor,"
        " p.refunded AS refunded_minor, (SELECT coalesce(sum(a.amount), 0) FROM applications a WHERE a.payment_id=p.id)"
        " AS applied_minor, p.scope FROM payments p ORDER BY p.received_on, p.id"
    ),
    "applications": (
        "SELECT p.vendor_id AS payment, coalesce(d.number, f.number) AS invoice, p.currency, a.amount AS amount_minor,"
        " a.reason FROM applications a JOIN payments p ON p.id=a.payment_id LEFT JOIN documents d ON d.id=a.document_id"
        " LEFT JOIN foreign_documents f ON f.id=a.foreign_id ORDER BY a.id"
    ),
}
TABLES = tuple(_TABLES)
