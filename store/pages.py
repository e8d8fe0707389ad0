"""What the pages list and look up: one page of rows at a time, whatever the store holds. Nothing here writes.

Every list takes a ``Window`` and returns one row more than fits when there are more. A customer may be missing beside
a document or payment: that is one nobody has linked yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec

from store.audit import Entry
from store.contracts import ContractRow
from store.database import Store, to_json
from store.invoices import DocumentRow
from store.links import CustomerRow, Link
from store.outbox import Intent
from store.refunds import FROM_CREDIT
from store.review import Item
from store.runs import Run

ROWS = 50  # on one page
T = TypeVar("T")


class Window(msgspec.Struct, frozen=True):
    """Which rows of a list: page 1 holds the first ``ROWS``."""

    page: int = 1

    @property
    def offset(self) -> int:
        """How many rows come before."""
        return (self.page - 1) * ROWS


class Part(msgspec.Struct, frozen=True):
    """The conditions of a query with their values, put together piece by piece."""

    conditions: list[str] = []  # msgspec copies the default
    values: list[Any] = []

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition that must hold too."""
        self.conditions.append(condition)
        self.values.extend(values)

    @property
    def where(self) -> str:
        """The conditions as SQL."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


class CustomerLine(msgspec.Struct, frozen=True, kw_only=True):
    """A customer in a list."""

    id: int
    crm: str
    crm_id: str
    name: str | None
    email: str | None


class ContractLine(msgspec.Struct, frozen=True, kw_only=True):
    """A contract in a list. ``changed``: terms wait for a person."""

    key: str
    entity: str
    name: str
    customer_id: int
    customer: str | None
    version: int
    currency: str
    starts_on: date
    ends_on: date | None
    changed: bool


class DocumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice, credit note or draft in a list; amounts are minor units."""

    id: int
    entity: str
    contract: str | None
    customer_id: int | None
    customer: str | None
    type: str
    status: str
    number: str | None
    currency: str
    issue_on: date
    due_on: date
    total: int
    open: int

    @property
    def name(self) -> str:
        """What people call it."""
        return self.number or f"D{self.id}"


class ForeignLine(msgspec.Struct, frozen=True, kw_only=True):
    """A document that others made in the books, in a list; amounts are minor units."""

    id: int
    connection: str
    entity: str
    type: str
    status: str
    number: str
    currency: str
    issue_on: date
    due_on: date
    total: int
    open: int
    ledger_customer: str
    customer_id: int | None
    customer: str | None


class PaymentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A payment in a list; amounts are minor units."""

    id: int
    connection: str
    vendor_id: str
    entity: str
    currency: str
    amount: int
    refunded: int
    applied: int
    status: str
    received_on: date
    customer_id: int | None
    customer: str | None
    payer: str | None
    scope: str
    disputed: bool = False
    from_credit: int = 0  # what was refunded out of credit notes

    @property
    def left(self) -> int:
        """What is on no invoice yet; nothing of a payment that is not ours or that its payer disputes."""
        counts = self.status == "succeeded" and self.scope == "in" and not self.disputed
        return self.amount - self.refunded + self.from_credit - self.applied if counts else 0


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer owes one entity in one currency, due on one day; minor units."""

    customer_id: int
    entity: str
    currency: str
    due_on: date
    open: int


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a payment on an invoice, ours or a foreign one, seen from either side."""

    id: int
    payment_id: int
    document_id: int | None
    foreign_id: int | None
    amount: int
    reason: str
    payment: str
    connection: str
    received_on: date
    number: str | None


# ------------------------------------------------------------------------------------------------------------ customers


def customers(store: Store, search: str, window: Window) -> list[CustomerLine]:
    """Return customers by name."""
    part = Part()
    if search:
        part.add("lower(data ->> 'name') LIKE lower(?) ESCAPE '\\'", _like(search))
    return _page(
        store,
        CustomerLine,
        "SELECT id, crm, crm_id, data ->> 'name' AS name, data ->> 'email' AS email FROM customers"
        f" {part.where} ORDER BY lower(data ->> 'name'), id",
        part,
        window,
    )


def customer(store: Store, customer_id: int) -> CustomerRow | None:
    """Return one customer."""
    return store.first(CustomerRow, "SELECT * FROM customers WHERE id=?", customer_id)


def balances(store: Store, customer_ids: Sequence[int]) -> list[Balance]:
    """Return what each of a few customers owes, by the day it falls due."""
    return store.rows(
        Balance,
        "SELECT customer_id, entity, currency, due_on, sum(open) AS open FROM documents"
        f" WHERE customer_id IN ({_marks(customer_ids)}) AND open > 0 GROUP BY customer_id, entity, currency, due_on",
        *customer_ids,
    )


def foreign_balances(store: Store, customer_ids: Sequence[int]) -> list[Balance]:
    """Return the same of the invoices that others made in the books."""
    return store.rows(
        Balance,
        f"SELECT customer_id, entity, currency, due_on, sum(open) AS open FROM ({_FOREIGN} WHERE f.open > 0"
        f" AND f.type='invoice') WHERE customer_id IN ({_marks(customer_ids)})"
        " GROUP BY customer_id, entity, currency, due_on",
        *customer_ids,
    )


def customer_links(store: Store, customer_id: int, connections: Sequence[str]) -> list[Link]:
    """Return what a customer is at the vendors."""
    return store.rows(
        Link,
        f"SELECT * FROM links WHERE connection IN ({_marks(connections)}) AND kind IN ('customer', 'payer')"
        " AND our_id=? ORDER BY connection, kind, currency",
        *connections,
        customer_id,
    )


# ------------------------------------------------------------------------------------------------------------ contracts


def contracts(
    store: Store, window: Window, *, search: str = "", entity: str = "", customer_id: int = 0
) -> list[ContractLine]:
    """Return contracts in order of their key; ``search`` is a part of the key, the name or the customer's name."""
    part = Part()
    if entity:
        part.add("entity=?", entity)
    if customer_id:
        part.add("customer_id=?", customer_id)
    if search:
        like = _like(search)
        part.add(
            "(lower(key) LIKE lower(?) ESCAPE '\\' OR lower(name) LIKE lower(?) ESCAPE '\\' OR customer_id IN"
            " (SELECT id FROM customers WHERE lower(data ->> 'name') LIKE lower(?) ESCAPE '\\'))",
            like,
            like,
            like,
        )
    return _page(
        store,
        ContractLine,
        "SELECT k.key, k.entity, k.name, k.customer_id, c.data ->> 'name' AS customer, k.version,"
        " k.terms ->> 'currency' AS currency, k.terms ->> 'starts_on' AS starts_on, k.terms ->> 'ends_on' AS ends_on,"
        f" k.proposed IS NOT NULL AS changed FROM (SELECT * FROM contracts {part.where} ORDER BY key {_LIMIT}) k"
        " LEFT JOIN customers c ON c.id=k.customer_id ORDER BY k.key",
        part,
        window,
    )


def contract_of_deal(store: Store, crm: str, deal_id: str) -> ContractRow | None:
    """Return the contract made from a deal."""
    return store.first(ContractRow, "SELECT * FROM contracts WHERE crm=? AND deal_id=?", crm, deal_id)


def link(store: Store, connection: str, kind: str, our_id: int) -> Link | None:
    """Return what one of our records is at a vendor."""
    return store.first(Link, "SELECT * FROM links WHERE connection=? AND kind=? AND our_id=?", connection, kind, our_id)


def set_aside(store: Store, contract: str) -> list[tuple[str, str]]:
    """Return (slice, how) of what is not billed by us: elsewhere, waived or held."""
    return [(name, how) for name, how in store.tuples(
        "SELECT slice, how FROM slices WHERE contract=? ORDER BY slice", contract
    )]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ documents

DOCUMENT_STATES = ("open", "overdue", "paid", "credit_note", "voided", "draft")


def documents(
    store: Store,
    window: Window,
    *,
    days: Mapping[str, date],
    state: str = "",
    entity: str = "",
    search: str = "",
    customer_id: int = 0,
    contract: str = "",
) -> list[DocumentLine]:
    """Return documents, the newest first; what is open by due date instead. ``days``: today in each entity's zone.

    Those of a ``contract`` are all that have lines of it.

    ``state`` is one of ``DOCUMENT_STATES``; ``search`` a part of the number or of the customer's name.
    """
    part = Part()
    _document_state(part, state, days)
    # An expression, so that the entity's own index is not used: the few open ones, or the newest first, are quicker.
    for column, value in (("entity || ''", entity), ("customer_id", customer_id)):
        if value:
            part.add(f"{column}=?", value)
    if contract:
        shared = "SELECT document_id FROM shared_documents WHERE contract=?"
        part.add(f"(contract=? OR id IN ({shared}))", contract, contract)
    if search:
        _named(part, search)
    order = "d.due_on, d.id" if state in ("open", "overdue") else "d.id DESC"
    return _page(
        store,
        DocumentLine,
        "SELECT d.id, d.entity, d.contract, d.customer_id, c.data ->> 'name' AS customer, d.type, d.status, d.number,"
        f" d.currency, d.issue_on, d.due_on, d.total, d.open FROM (SELECT * FROM documents d {part.where}"
        f" ORDER BY {order} {_LIMIT}) d LEFT JOIN customers c ON c.id=d.customer_id ORDER BY {order}",
        part,
        window,
    )


def _document_state(part: Part, state: str, days: Mapping[str, date]) -> None:
    if state == "draft":
        part.add("number IS NULL")
    elif state in ("open", "overdue"):
        part.add("open > 0")
    elif state == "paid":
        part.add("status='issued' AND type='invoice' AND open=0")
    elif state == "voided":
        part.add("status='voided'")
    elif state == "credit_note":
        part.add("type='credit_note' AND number IS NOT NULL")
    if state == "overdue":
        _late(part, days)


def _late(part: Part, days: Mapping[str, date]) -> None:
    late = " OR ".join("(entity || ''=? AND due_on < ?)" for _ in days) or "1=0"
    part.add(f"({late})", *(value for entity, day in days.items() for value in (entity, day.isoformat())))


def _named(part: Part, search: str) -> None:
    like = _like(search)
    part.add(
        "(lower(number) LIKE lower(?) ESCAPE '\\' OR customer_id IN"
        " (SELECT id FROM customers WHERE lower(data ->> 'name') LIKE lower(?) ESCAPE '\\'))",
        like,
        like,
    )


# A foreign document with our customer, where the ledger's customer is linked to one.
_FOREIGN = (
    "SELECT f.id, f.connection, f.entity, f.type, f.status, f.number, f.currency, f.issue_on, f.due_on, f.total,"
    " f.open, f.ledger_customer, (SELECT min(l.our_id) FROM links l WHERE l.connection=f.connection"
    " AND l.kind='customer' AND l.vendor_id=f.ledger_customer) AS customer_id FROM foreign_documents f"
)
FOREIGN_STATES = ("open", "overdue", "paid", "credit_note", "voided", "deleted")


def foreign(
    store: Store,
    window: Window,
    *,
    days: Mapping[str, date],
    state: str = "",
    entity: str = "",
    search: str = "",
    customer_id: int = 0,
    foreign_id: int = 0,
) -> list[ForeignLine]:
    """Return documents that others made in the books, in the order of ``documents``."""
    part = Part()
    if state in ("open", "overdue"):
        part.add("open > 0 AND type='invoice'")
    elif state == "credit_note":
        part.add("type='credit_note'")
    elif state:
        part.add("status=?", state)
    if state == "overdue":
        _late(part, days)
    for column, value in (("entity", entity), ("customer_id", customer_id), ("id", foreign_id)):
        if value:
            part.add(f"{column}=?", value)
    if search:
        _named(part, search)
    order = "d.due_on, d.id" if state in ("open", "overdue") else "d.issue_on DESC, d.id DESC"
    return _page(
        store,
        ForeignLine,
        f"SELECT d.*, c.data ->> 'name' AS customer FROM (SELECT * FROM ({_FOREIGN}) d {part.where}"
        f" ORDER BY {order} {_LIMIT}) d LEFT JOIN customers c ON c.id=d.customer_id ORDER BY {order}",
        part,
        window,
    )


def waiting_drafts(store: Store) -> tuple[list[int], str]:
    """Return the ids of the drafts no one has approved, and the mark of them all as they are now."""
    rows = store.tuples(
        "SELECT id, digest, entity, customer_id FROM documents WHERE number IS NULL AND status='draft' ORDER BY id"
    )
    return [row[0] for row in rows], _mark(rows)


def mark(row: DocumentRow) -> str:
    """Return what changes when a draft does: what was looked at is what is approved."""
    return _mark([(row.id, row.digest, row.entity, row.customer_id)])


def _mark(rows: Sequence[tuple[Any, ...]]) -> str:
    return hashlib.sha256(to_json(rows).encode()).hexdigest()


def intent(store: Store, connection: str, kind: str, our_id: int) -> Intent | None:
    """Return what became of one of our records on its way to a ledger."""
    return store.first(
        Intent, "SELECT * FROM outbox WHERE connection=? AND kind=? AND our_id=?", connection, kind, our_id
    )


def intent_by_id(store: Store, intent_id: int) -> Intent | None:
    """Return one intent."""
    return store.first(Intent, "SELECT * FROM outbox WHERE id=?", intent_id)


# ------------------------------------------------------------------------------------------------------------- payments

PAYMENT_STATES = ("unapplied", "refunded", "processing", "failed", "out_of_scope")
_APPLIED = "(SELECT coalesce(sum(a.amount), 0) FROM applications a WHERE a.payment_id=p.id)"
_DISPUTED = "coalesce(p.data ->> '$.disputed', 0)"


def payments(
    store: Store, window: Window, *, state: str = "", entity: str = "", search: str = "", customer_id: int = 0
) -> list[PaymentLine]:
    """Return payments, the newest first; ``search`` is a part of the vendor's id, a text or the payer's name."""
    part = Part()
    if state == "unapplied":
        left = f"p.amount - p.refunded + {FROM_CREDIT} - {_APPLIED} > 0"
        part.add(f"p.status='succeeded' AND p.scope='in' AND NOT {_DISPUTED} AND {left}")
    elif state == "refunded":
        part.add("p.refunded > 0")
    elif state == "out_of_scope":
        part.add("p.scope='out'")
    elif state:
        part.add("p.status=?", state)
    if entity:
        part.add("p.entity=?", entity)
    if customer_id:
        part.add("p.customer_id=?", customer_id)
    if search:
        like = _like(search)
        part.add(
            "(p.vendor_id LIKE ? ESCAPE '\\' OR lower(p.data) LIKE lower(?) ESCAPE '\\' OR p.customer_id IN"
            " (SELECT id FROM customers WHERE lower(data ->> 'name') LIKE lower(?) ESCAPE '\\'))",
            like,
            like,
            like,
        )
    return _page(
        store,
        PaymentLine,
        f"SELECT p.id, p.connection, p.vendor_id, p.entity, p.currency, p.amount, p.refunded, {_APPLIED} AS applied,"
        " p.status, p.received_on, p.customer_id, c.data ->> 'name' AS customer, p.data ->> 'customer_name' AS payer,"
        f" p.scope, {_DISPUTED} AS disputed, {FROM_CREDIT} AS from_credit"
        f" FROM (SELECT * FROM payments p {part.where} ORDER BY p.received_on DESC, p.id DESC {_LIMIT}) p"
        " LEFT JOIN customers c ON c.id=p.customer_id ORDER BY p.received_on DESC, p.id DESC",
        part,
        window,
    )


def applied(store: Store, *, payment_id: int = 0, document_id: int = 0, foreign_id: int = 0) -> list[Applied]:
    """Return the applications of one payment, or to one invoice, oldest first."""
    chosen = {"payment_id": payment_id, "document_id": document_id, "foreign_id": foreign_id}
    ((column, value),) = [one for one in chosen.items() if one[1]]
    return store.rows(
        Applied,
        "SELECT a.id, a.payment_id, a.document_id, a.foreign_id, a.amount, a.reason, p.vendor_id AS payment,"
        " p.connection, p.received_on, coalesce(d.number, f.number) AS number FROM applications a"
        " JOIN payments p ON p.id=a.payment_id LEFT JOIN documents d ON d.id=a.document_id"
        " LEFT JOIN foreign_documents f ON f.id=a.foreign_id"
        f" WHERE a.{column}=? ORDER BY a.id",
        value,
    )


def payment_of(store: Store, application_id: int) -> int | None:
    """Return the payment that an application is a part of."""
    found = store.one("SELECT payment_id FROM applications WHERE id=?", application_id)
    return None if found is None else int(found)


# ------------------------------------------------------------------------------------------ review items, runs, history

REVIEW_STATES = ("open", "dismissed", "closed")


def reviews(store: Store, window: Window, *, state: str = "open", code: str = "") -> list[Item]:
    """Return review items, the oldest first."""
    part = Part()
    part.add("state=?", state)
    if code:
        part.add("code=?", code)
    return _page(store, Item, f"SELECT * FROM reviews {part.where} ORDER BY id", part, window)


def review_codes(store: Store, state: str = "open") -> dict[str, int]:
    """Return how many review items there are of each code."""
    return dict(store.tuples("SELECT code, count(*) FROM reviews WHERE state=? GROUP BY code ORDER BY code", state))


def reviews_of(store: Store, subject: str) -> list[Item]:
    """Return the open review items about one thing."""
    return store.rows(Item, "SELECT * FROM reviews WHERE state='open' AND subject=? ORDER BY id", subject)


def runs(store: Store, window: Window, job: str = "") -> list[Run]:
    """Return runs, the newest first."""
    part = Part()
    if job:
        part.add("job=?", job)
    return _page(store, Run, f"SELECT * FROM runs {part.where} ORDER BY id DESC", part, window)


def outbox_states(store: Store) -> list[tuple[str, str, str, int]]:
    """Return (connection, kind, state, how many) of everything on its way to a vendor or there."""
    return [(connection, kind, state, count) for connection, kind, state, count in store.tuples(
        "SELECT connection, kind, state, count(*) FROM outbox GROUP BY connection, kind, state"
        " ORDER BY connection, kind, state"
    )]  # fmt: skip


def history(store: Store, thing: str, most: int = ROWS) -> list[Entry]:
    """Return what happened to one object, the newest first."""
    return store.rows(Entry, "SELECT * FROM audit WHERE object=? ORDER BY n DESC LIMIT ?", thing, most)


# ---------------------------------------------------------------------------------------------------------------- parts

_LIMIT = "LIMIT ? OFFSET ?"


def _page(store: Store, record: type[T], sql: str, part: Part, window: Window) -> list[T]:
    """Run a query for the rows of one page and one more; a query without a place for the limit gets it at its end."""
    if _LIMIT not in sql:
        sql = f"{sql} {_LIMIT}"
    return store.rows(record, sql, *part.values, ROWS + 1, window.offset)


def _like(search: str) -> str:
    """Return the pattern of a text that occurs anywhere, its own wild cards taken literally."""
    for sign in "\\%_":
        search = search.replace(sign, f"\\{sign}")
    return f"%{search}%"


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
