"""What was mailed: one row per document, step and recipient, committed before anything is sent; and disputes.

A row goes ``sending -> sent``. What a stopped process left as ``sending`` becomes ``uncertain``, as does a mail whose
server was lost before it answered; ``refused`` is a mail that was not taken. Both wait for a person, whose word makes
them ``sent`` or ``again``: to be sent anew when it is still due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal

import msgspec

from store import audit
from store.audit import Actor
from store.database import Store
from store.invoices import DocumentRow

INVOICE = "invoice"  # the step that delivers a document; the others remind of it
Via = Literal["netterms", "ledger"]
State = Literal["sending", "sent", "uncertain", "refused", "again"]


class MailRow(msgspec.Struct, frozen=True, kw_only=True):
    """A document's part in a mail; a mail about several documents has a row for each, with the same message id."""

    id: int
    document_id: int
    step: str
    recipient: str
    via: Via
    state: State
    message_id: str
    at: datetime
    answer: str


class Booked(DocumentRow, frozen=True, kw_only=True):
    """A document that is in the books, and its id there."""

    vendor_id: str


_BOOKED = (
    "SELECT d.*, l.vendor_id FROM documents d JOIN links l ON l.connection=? AND l.kind='document' AND l.our_id=d.id"
    " WHERE d.entity=? AND d.status='issued'"
)


def undelivered(store: Store, entity: str, connection: str, since: date) -> list[Booked]:
    """Return documents issued on ``since`` or later that are in the books and neither delivered nor on their way."""
    return store.rows(
        Booked,
        f"{_BOOKED} AND d.issue_on>=? AND NOT EXISTS (SELECT 1 FROM mails m WHERE m.document_id=d.id"
        " AND m.step='invoice' AND m.state IN ('sending', 'sent', 'uncertain')) ORDER BY d.id",
        connection,
        entity,
        since.isoformat(),
    )


def overdue(store: Store, entity: str, connection: str, today: date) -> list[Booked]:
    """Return our own delivered invoices with something open after their due date, oldest due first.

    Only what stands in ``documents`` is ever reminded of: documents that others made in the books are not there.
    """
    return store.rows(
        Booked,
        f"{_BOOKED} AND d.type='invoice' AND d.open>0 AND d.due_on<? AND EXISTS (SELECT 1 FROM mails m"
        " WHERE m.document_id=d.id AND m.step='invoice' AND m.state='sent') ORDER BY d.due_on, d.id",
        connection,
        entity,
        today.isoformat(),
    )


def rows_of(store: Store, document_ids: Iterable[int]) -> dict[int, list[MailRow]]:
    """Return what was mailed of each document, oldest first."""
    sql = "SELECT * FROM mails WHERE document_id=? ORDER BY id"
    return {key: store.rows(MailRow, sql, key) for key in document_ids}


def reminded_since(store: Store, entity: str, moment: datetime) -> set[tuple[int, str]]:
    """Return (customer, address) to whom a reminder of the entity went, or may have gone, since ``moment``."""
    found = store.tuples(
        "SELECT DISTINCT d.customer_id, m.recipient FROM mails m JOIN documents d ON d.id=m.document_id"
        " WHERE d.entity=? AND m.step<>'invoice' AND m.state IN ('sending', 'sent', 'uncertain') AND m.at>=?",
        entity,
        moment.isoformat(),
    )
    return set(found)


def unsettled(store: Store, steps: Sequence[str]) -> list[tuple[MailRow, DocumentRow]]:
    """Return the uncertain and refused mails of ``steps`` with their documents, for a person to decide."""
    marks = ", ".join("?" * len(steps))
    rows = store.rows(
        MailRow,
        f"SELECT * FROM mails WHERE state IN ('uncertain', 'refused') AND step IN ({marks}) ORDER BY id",
        *steps,
    )
    documents = {
        row.document_id: store.first(DocumentRow, "SELECT * FROM documents WHERE id=?", row.document_id) for row in rows
    }
    return [(row, found) for row in rows if (found := documents[row.document_id]) is not None]


def recover(store: Store, steps: Sequence[str]) -> int:
    """Call uncertain what a stopped process left as being sent; return how many. Call under the job's lease."""
    marks = ", ".join("?" * len(steps))
    return store.execute(
        f"UPDATE mails SET state='uncertain', answer='the process stopped while it was being sent'"
        f" WHERE state='sending' AND step IN ({marks})",
        *steps,
    )


def mark_sending(
    store: Store, parts: Sequence[tuple[int, str]], recipient: str, via: Via, message_id: str, at: datetime
) -> None:
    """Commit to a mail about (document id, step) ``parts`` before it is sent. Call inside a transaction.

    Raises the database's ``IntegrityError`` when one of them went to the recipient before, or may have.
    """
    store.many(
        "DELETE FROM mails WHERE document_id=? AND step=? AND recipient=? AND state='again'",
        [(document_id, step, recipient) for document_id, step in parts],
    )
    for document_id, step in parts:
        store.insert(
            "mails",
            document_id=document_id,
            step=step,
            recipient=recipient,
            via=via,
            state="sending",
            message_id=message_id,
            at=at.isoformat(),
        )


def settle(store: Store, actor: Actor, message_id: str, state: State, answer: str) -> None:
    """Note what became of a mail that is being sent. Call inside a transaction."""
    if state == "sent":
        for row in _of_message(store, message_id, "sending"):
            what = "delivered" if row.step == INVOICE else f"reminded: {row.step}"
            after = {"to": row.recipient, "via": row.via, "message_id": message_id, "answer": answer}
            audit.write(store, actor, what, f"document:{row.document_id}", after=after)
    store.execute(
        "UPDATE mails SET state=?, answer=? WHERE message_id=? AND state='sending'", state, answer, message_id
    )


def withdraw(store: Store, message_id: str) -> None:
    """Forget a mail that surely did not go out: it is tried again later. Call inside a transaction."""
    store.execute("DELETE FROM mails WHERE message_id=? AND state='sending'", message_id)


def decide(store: Store, actor: Actor, message_id: str, state: Literal["sent", "again"], reason: str) -> None:
    """Settle an uncertain or refused mail as a person decided; raises ``ValueError`` when it is neither."""
    rows = _of_message(store, message_id, "uncertain") + _of_message(store, message_id, "refused")
    if not rows:
        raise ValueError("the mail is not in doubt any more")
    for row in rows:
        store.execute("UPDATE mails SET state=? WHERE id=?", state, row.id)
        audit.write(
            store, actor, f"mail: {'taken as sent' if state == 'sent' else 'send again'}",
            f"document:{row.document_id}", before={"state": row.state, "step": row.step}, reason=reason,
        )  # fmt: skip


def _of_message(store: Store, message_id: str, state: State) -> list[MailRow]:
    return store.rows(MailRow, "SELECT * FROM mails WHERE message_id=? AND state=? ORDER BY id", message_id, state)


# ----------------------------------------------------------------------------------------------------------- disputes


def dispute(store: Store, actor: Actor, document_id: int, reason: str) -> bool:
    """Note that the customer disputes an invoice: nobody reminds of it. Return whether that is new."""
    if document_id in disputed(store):
        return False
    store.insert("disputes", document_id=document_id, reason=reason, at=actor.at.isoformat())
    audit.write(store, actor, "disputed", f"document:{document_id}", reason=reason)
    return True


def end_dispute(store: Store, actor: Actor, document_id: int, reason: str) -> bool:
    """Note that a dispute is over; return whether there was one."""
    if not store.execute("DELETE FROM disputes WHERE document_id=?", document_id):
        return False
    audit.write(store, actor, "dispute ended", f"document:{document_id}", reason=reason)
    return True


def disputed(store: Store) -> set[int]:
    """Return the documents in dispute: by a person's word, or because a payment that paid them is disputed."""
    by_person = store.tuples("SELECT document_id FROM disputes")
    by_payer = store.tuples(
        "SELECT a.document_id FROM (SELECT payment_id, document_id FROM applications WHERE document_id IS NOT NULL"
        " UNION SELECT payment_id, document_id FROM taken_back) a JOIN payments p ON p.id=a.payment_id"
        " WHERE p.data LIKE '%\"disputed\":true%'"
    )
    return {document_id for (document_id,) in (*by_person, *by_payer)}


def parked(store: Store) -> set[int]:
    """Return the documents about whose contracts a person must decide before anybody is reminded of them."""
    waiting = "WHERE c.state IN ('held', 'parked')"
    found = store.tuples(
        f"SELECT d.id FROM contracts c JOIN documents d ON d.contract=c.key {waiting}"
        f" UNION SELECT s.document_id FROM contracts c JOIN shared_documents s ON s.contract=c.key {waiting}"
    )
    return {document_id for (document_id,) in found}
