"""What must be true of the store whatever happened: each question finds what is not, recomputed from the rows.

A question returns hits: whom it concerns, what is there and what should be. Everything is a set operation of the
database, and at most ``MOST`` hits of a kind come back, so that the memory used does not grow with the store. What a
job has put before a person already (somebody edited a document in the books, say) is no hit: it was not missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple

from store import audit, payouts
from store.database import Store
from store.invoices import DocumentRow
from store.planned import Due
from store.refunds import FROM_CREDIT

MOST = 100  # hits of one kind that are told
OPEN_ITEMS = "SELECT subject FROM reviews WHERE job='selfcheck' AND state='open'"


class Hit(NamedTuple):
    """One thing that is not as it must be. Figures are minor units where there is a currency, else numbers or words."""

    subject: str  # document:12, payment:3, contract:D7 ...
    name: str  # for people
    found: int | str
    expected: int | str
    currency: str = ""


class Ledger(NamedTuple):
    """A legal entity's books: the connection, and how its own numbers look."""

    entity: str
    connection: str
    digits: int


def held(store: Store, kind: str) -> set[str]:
    """Return the ids of the ``kind`` (contract, document, payment) that an open hit keeps from going on."""
    sql = f"{OPEN_ITEMS} AND subject LIKE ?"
    return {subject.partition(":")[2] for (subject,) in store.tuples(sql, f"{kind}:%")}


def doubted_drafts(store: Store) -> set[int]:
    """Return the drafts with lines of contracts that an open hit concerns."""
    contracts = f"SELECT substr(subject, 10) FROM ({OPEN_ITEMS} AND subject LIKE 'contract:%')"
    sql = (
        f"SELECT id FROM documents WHERE number IS NULL AND contract IN ({contracts})"
        f" UNION SELECT document_id FROM shared_documents WHERE contract IN ({contracts})"
    )
    return {key for (key,) in store.tuples(sql)}


def _hits(store: Store, sql: str, *values: object) -> list[Hit]:
    return [Hit(*row) for row in store.tuples(f"{sql} LIMIT {MOST}", *values)]


def _untold(job: str, code: str, kind: str, name: str) -> str:
    """Return the condition that ``job`` has not told of something, whose id is the column ``name``."""
    return (
        f"NOT EXISTS (SELECT 1 FROM reviews r WHERE r.job='{job}' AND r.code='{code}' AND r.subject='{kind}:' || {name}"
        " AND r.state<>'closed')"
    )


_REFUNDED = _untold("match_payments", "refunded_after_applied", "payment", "p.id")


def _unedited(name: str) -> str:
    """Return the condition that people are not known to have changed a document in the books; its id is in ``name``."""
    decided = (
        f"NOT EXISTS (SELECT 1 FROM outbox u WHERE u.kind='document_update' AND u.our_id={name})"  # to put it back
    )
    return f"{_untold('pull_ledger', 'books_differ', 'document', name)} AND {decided}"


_EDITED = _unedited("d.id")
_POSTED_AND_EDITED = _unedited("a.document_id")
_TAKEN = _untold("push_documents", "series_taken", "connection", "?2")
_VOIDING = (  # a posting of it is on the way to be voided, or waits for a person
    "NOT EXISTS (SELECT 1 FROM outbox o JOIN applications v ON v.id=o.our_id AND v.payment_id=p.id"
    " WHERE o.kind='payment_void') AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.kind='on_account_void'"
    " AND o.our_id=p.id)"
)


# --------------------------------------------------------------------------------------------------------------- money


def overspent_payments(store: Store) -> list[Hit]:
    """A payment pays more than was received and kept of it."""
    kept = f"CASE WHEN p.status='succeeded' THEN p.amount-p.refunded+{FROM_CREDIT} ELSE 0 END"
    return _hits(
        store,
        f"SELECT 'payment:' || p.id, p.vendor_id, a.applied, {kept}, p.currency"
        " FROM (SELECT payment_id, sum(amount) AS applied FROM applications GROUP BY payment_id) a"
        f" JOIN payments p ON p.id=a.payment_id WHERE a.applied>{kept}"
        f" AND {_REFUNDED} AND {_VOIDING}",
    )


def applied_across_currencies(store: Store) -> list[Hit]:
    """A payment pays an invoice in another currency."""
    return _hits(
        store,
        "SELECT 'payment:' || p.id, p.vendor_id, p.currency, coalesce(d.currency, f.currency), '' FROM applications a"
        " JOIN payments p ON p.id=a.payment_id LEFT JOIN documents d ON d.id=a.document_id"
        " LEFT JOIN foreign_documents f ON f.id=a.foreign_id WHERE coalesce(d.currency, f.currency)<>p.currency",
    )


def counted_twice(store: Store) -> list[Hit]:
    """A payment in the books that we posted there counts as money of its own beside the one that it posts."""
    return _hits(
        store,
        "SELECT 'payment:' || p.id, p.vendor_id, 'money of its own', 'a posting of ours', '' FROM payments p"
        " JOIN links l ON l.connection=p.connection AND l.kind IN ('payment', 'on_account')"
        " AND l.vendor_id=p.vendor_id",
    )


_PAID = "SELECT {0} AS id, sum(amount) AS paid FROM applications WHERE {0} IS NOT NULL GROUP BY {0}"


_CREDITED = (  # what credit notes that stand pay of the invoice d
    "(SELECT coalesce(sum(u.amount), 0) FROM credit_uses u JOIN documents c ON c.id=u.credit_id"
    " WHERE u.document_id=d.id AND c.status='issued')"
)


def open_amounts(store: Store) -> list[Hit]:
    """What is open of an invoice is not its total less what payments and credit notes pay of it, or is below zero."""
    left = f"d.total-coalesce(a.paid, 0)-{_CREDITED}"
    want = f"CASE WHEN d.status='issued' AND d.type='invoice' THEN {left} ELSE 0 END"
    return _hits(
        store,
        f"SELECT 'document:' || d.id, d.number, d.open, {want}, d.currency FROM documents d"
        f" LEFT JOIN ({_PAID.format('document_id')}) a ON a.id=d.id"
        f" WHERE d.number IS NOT NULL AND (d.open<>{want} OR d.open<0)",
    )


def open_amounts_of_others(store: Store) -> list[Hit]:
    """What is open of a document that others made is not what the books and our applications leave of it."""
    left = "max(0, f.total-f.settled-coalesce(a.paid, 0))"
    want = f"CASE WHEN f.status IN ('voided', 'deleted') THEN 0 ELSE {left} END"
    return _hits(
        store,
        f"SELECT 'foreign:' || f.id, f.number, f.open, {want}, f.currency FROM foreign_documents f"
        f" LEFT JOIN ({_PAID.format('foreign_id')}) a ON a.id=f.id WHERE f.open<>{want}",
    )


def customer_credit(store: Store) -> list[Hit]:
    """A customer has less than nothing as credit: more was applied and given back than came in."""
    left = f"sum(p.amount-p.refunded+{FROM_CREDIT}-coalesce(a.paid, 0))"
    return _hits(
        store,
        f"SELECT 'customer:' || p.customer_id, c.data ->> 'name', {left}, 0, p.currency FROM payments p"
        f" JOIN customers c ON c.id=p.customer_id LEFT JOIN ({_PAID.format('payment_id')}) a ON a.id=p.id"
        f" WHERE p.status='succeeded' AND {_REFUNDED}"
        f" GROUP BY p.customer_id, p.entity, p.currency HAVING {left}<0",
    )


def credit_notes(store: Store) -> list[Hit]:
    """People gave back more of an invoice than it came to."""
    return _hits(
        store,
        "SELECT 'document:' || d.id, d.number, sum(c.total), d.total, d.currency FROM documents c"
        " JOIN documents d ON d.entity=c.entity AND d.number=c.against"
        " WHERE c.against<>'' AND c.status='issued' GROUP BY d.id HAVING sum(c.total)>d.total",
    )


def overused_credit_notes(store: Store) -> list[Hit]:
    """More of a credit note is set against invoices and given back than it came to."""
    used = "(SELECT coalesce(sum(u.amount), 0) FROM credit_uses u JOIN documents i ON i.id=u.document_id"
    used += " WHERE u.credit_id=d.id AND i.status='issued')"
    given_back = "(SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.credit_id=d.id AND r.reversed='')"
    return _hits(
        store,
        f"SELECT 'document:' || d.id, d.number, {used}+{given_back}, d.total, d.currency FROM documents d"
        f" WHERE d.type='credit_note' AND d.status='issued' AND {used}+{given_back}>d.total",
    )


def payouts_add_up(store: Store, ledger: Ledger) -> list[Hit]:
    """What is booked of a provider's payouts in a currency is not what they are made of."""
    return [
        Hit(f"connection:{provider}", f"{provider} {currency}, {what}", found, expected, currency)
        for provider, currency, what, found, expected in payouts.booked(store, ledger.connection)
        if found != expected
    ]


def movements_taken_twice(store: Store) -> list[Hit]:
    """Two payouts hold the same movement of a provider's balance, so its fee may be booked twice."""
    return [Hit(f"connection:{one}", name, times, 1) for one, name, times in payouts.taken_twice(store)[:MOST]]


# ---------------------------------------------------------------------------------------------- documents and the books


def gaps_in_numbers(store: Store) -> list[Hit]:
    """A series of numbers has more or fewer documents than numbers were taken."""
    mine = (
        "(SELECT count(*) FROM documents d WHERE d.entity=n.entity AND substr(d.number, 1, length(n.series))=n.series"
        " AND substr(d.number, length(n.series)+1, 1) BETWEEN '0' AND '9')"
    )
    return _hits(
        store,
        f"SELECT 'series:' || n.entity || ':' || n.series, n.series, {mine}, n.next-1, '' FROM numbers n"
        f" WHERE {mine}<>n.next-1",
    )


def _in_books(store: Store, ledger: Ledger, sql: str) -> list[Hit]:
    """Ask of a legal entity's books as they were last read: ?1 is the entity, ?2 the connection, ?3 the digits."""
    return _hits(store, sql, *ledger[: 3 if "?3" in sql else 2])


_STANDING = "o.connection=?2 AND o.kind='document' AND o.data ->> 'status' NOT IN ('voided', 'deleted')"
_MARK = "(o.data ->> 'mark')"
_MARKED = f"{_MARK} LIKE 'Netterms ' || ?1 || ' %'"
_MARKED_NUMBER = f"replace({_MARK}, rtrim({_MARK}, replace({_MARK}, ' ', '')), '')"  # its last word


def documents_twice_in_books(store: Store, ledger: Ledger) -> list[Hit]:
    """The books hold more than one standing document under a number of ours, or one of ours under two numbers.

    A copy that people made of one has its mark, too, but another day or another total.
    """
    return _in_books(
        store,
        ledger,
        "SELECT 'document:' || d.id, d.number, t.times, 1, '' FROM (SELECT o.data ->> 'number' AS number,"
        f" o.data ->> 'type' AS type, count(*) AS times FROM ledger_objects o WHERE {_STANDING} GROUP BY 1, 2"
        " HAVING count(*)>1) t JOIN documents d ON d.entity=?1 AND d.number=t.number AND d.type=t.type"
        f" UNION ALL SELECT 'document:' || d.id, d.number, t.times, 1, '' FROM (SELECT {_MARKED_NUMBER} AS number,"
        f" o.data ->> 'type' AS type, count(*) AS times FROM ledger_objects o WHERE {_STANDING} AND {_MARKED}"
        f" GROUP BY {_MARK}, 2, o.data ->> 'issue_on', o.data ->> 'total' HAVING count(DISTINCT o.data ->> 'number')>1)"
        " t JOIN documents d ON d.entity=?1 AND d.number=t.number AND d.type=t.type"
        " UNION ALL SELECT 'document:' || l.our_id, d.number, count(*), 1, '' FROM links l"
        " JOIN documents d ON d.id=l.our_id AND d.entity=?1 WHERE l.connection=?2 AND l.kind='document'"
        " GROUP BY l.our_id HAVING count(*)>1",
    )


def payments_twice_in_books(store: Store, ledger: Ledger) -> list[Hit]:
    """The books hold a payment of a provider more than once for the same invoice."""
    return _in_books(
        store,
        ledger,
        "SELECT 'payment:' || p.id, p.vendor_id, t.times, 1, '' FROM (SELECT o.data ->> 'key' AS key,"
        " o.data -> 'applied' AS applied, count(*) AS times FROM ledger_objects o WHERE o.connection=?2"
        " AND o.kind='payment' AND o.data ->> 'status'='active' AND o.data ->> 'key'<>'' GROUP BY 1, 2"
        " HAVING count(*)>1) t JOIN payments p ON p.entity=?1 AND p.connection<>?2 AND substr(p.vendor_id, -21)=t.key",
    )


_TWINS = (
    " FROM documents d JOIN links l ON l.connection=?2 AND l.kind='document' AND l.our_id=d.id"
    " JOIN ledger_objects o ON o.connection=?2 AND o.kind='document' AND o.vendor_id=l.vendor_id"
    " WHERE d.entity=?1 AND d.status='issued'"
)


def twins_differ(store: Store, ledger: Ledger) -> list[Hit]:
    """A document in the books has another total, currency or customer than ours, or does not stand there any more."""
    customer = (
        "(SELECT k.vendor_id FROM links k WHERE k.connection=?2 AND k.kind='customer' AND k.our_id=d.customer_id"
        " AND k.currency=d.currency)"
    )
    return _in_books(
        store,
        ledger,
        f"SELECT 'document:' || d.id, d.number, o.data ->> 'total', d.total, d.currency{_TWINS}"
        f" AND o.data ->> 'total'<>d.total AND o.data ->> 'status' NOT IN ('voided', 'deleted') AND {_EDITED}"
        f" UNION ALL SELECT 'document:' || d.id, d.number, o.data ->> 'currency', d.currency, ''{_TWINS}"
        f" AND o.data ->> 'currency' NOT IN ('', d.currency) AND {_EDITED}"
        f" UNION ALL SELECT 'document:' || d.id, d.number, 'customer ' || (o.data ->> 'customer_id'),"
        f" 'customer ' || {customer}, ''{_TWINS} AND o.data ->> 'customer_id' NOT IN ('', {customer}) AND {_EDITED}"
        f" UNION ALL SELECT 'document:' || d.id, d.number, o.data ->> 'status', 'issued', ''{_TWINS}"
        " AND o.data ->> 'status' IN ('voided', 'deleted')",
    )


def twins_missing(store: Store, ledger: Ledger) -> list[Hit]:
    """A document that the books took was not seen there by a whole reading that began after it was put there."""
    return _in_books(
        store,
        ledger,
        "SELECT 'document:' || d.id, d.number, 'not there', 'in the books', '' FROM documents d"
        " JOIN links l ON l.connection=?2 AND l.kind='document' AND l.our_id=d.id"
        " WHERE d.entity=?1 AND d.status='issued' AND NOT EXISTS (SELECT 1 FROM ledger_objects o"
        " WHERE o.connection=?2 AND o.kind='document' AND o.vendor_id=l.vendor_id)"
        " AND EXISTS (SELECT 1 FROM runs r WHERE r.job='pull_ledger' AND r.outcome='done' AND r.started_at>="
        " coalesce((SELECT max(finished_at) FROM runs WHERE job='push_documents'), ''))",
    )


def strangers_in_series(store: Store, ledger: Ledger) -> list[Hit]:
    """A standing document in the books bears our mark or a number of our series, and is none of ours."""
    number = f"(CASE WHEN {_MARKED} THEN {_MARKED_NUMBER} ELSE o.data ->> 'number' END)"
    return _in_books(
        store,
        ledger,
        "SELECT 'connection:' || ?2, o.data ->> 'number', 'in the books', 'not ours', '' FROM ledger_objects o"
        f" JOIN numbers n ON n.entity=?1 AND substr({number}, 1, length(n.series))=n.series"
        f" AND length({number})=length(n.series)+?3"
        f" AND substr({number}, length(n.series)+1) NOT GLOB '*[^0-9]*' WHERE {_STANDING}"
        f" AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.entity=?1 AND d.number={number})"
        " AND NOT EXISTS (SELECT 1 FROM links l WHERE l.connection=?2 AND l.kind='document'"
        f" AND l.vendor_id=o.vendor_id) AND {_TAKEN}",
    )


def posted_amounts(store: Store, ledger: Ledger) -> list[Hit]:
    """A payment that we posted stands in the books with another amount than is applied, or lies on account, here."""
    return _in_books(
        store,
        ledger,
        "SELECT 'payment:' || p.id, p.vendor_id, o.data ->> 'amount', a.amount, p.currency FROM links l"
        " JOIN applications a ON a.id=l.our_id JOIN payments p ON p.id=a.payment_id AND p.entity=?1"
        " JOIN ledger_objects o ON o.connection=?2 AND o.kind='payment' AND o.vendor_id=l.vendor_id"
        " WHERE l.connection=?2 AND l.kind='payment' AND o.data ->> 'status'='active' AND o.data ->> 'amount'<>a.amount"
        f" AND {_POSTED_AND_EDITED}"
        " UNION ALL SELECT 'payment:' || p.id, p.vendor_id, o.data ->> 'amount', w.payload ->> 'amount', p.currency"
        " FROM links l JOIN payments p ON p.id=l.our_id AND p.entity=?1 JOIN outbox w ON w.connection=?2"
        " AND w.kind='on_account' AND w.our_id=p.id JOIN ledger_objects o ON o.connection=?2 AND o.kind='payment'"
        " AND o.vendor_id=l.vendor_id WHERE l.connection=?2 AND l.kind='on_account'"
        " AND o.data ->> 'status'='active' AND o.data ->> 'amount'<>w.payload ->> 'amount'",
    )


def posted_entries(store: Store, ledger: Ledger) -> list[Hit]:
    """A refund, fee, exchange or payout that we booked is gone from the books, or is over another amount there."""
    untold = " AND ".join(_untold("pull_ledger", "entry_differs", kind, "l.our_id") for kind in ("payout", "refund"))
    entry = (
        " FROM ledger_objects g JOIN links l ON l.connection=?2 AND l.vendor_id=g.vendor_id AND l.kind IN"
        " ('payout_fee', 'payout_other', 'exchanged_out', 'exchanged_in', 'payout', 'payout_back', 'refund')"
        " JOIN outbox w ON w.connection=?2 AND w.kind=l.kind AND w.our_id=l.our_id AND w.currency=l.currency"
        " WHERE g.connection=?2 AND g.kind='entry'"
        " AND NOT EXISTS (SELECT 1 FROM outbox v WHERE l.kind='refund' AND v.kind='refund_void' AND v.our_id=l.our_id)"
        f" AND {untold} AND "
    )
    subject = "CASE l.kind WHEN 'refund' THEN 'refund:' ELSE 'payout:' END || l.our_id, w.payload ->> 'key'"
    gone, amount = "g.data ->> 'status'", "abs(g.data ->> 'amount')"
    booked, currency = "abs(w.payload ->> 'amount')", "w.payload ->> 'currency'"
    return _in_books(
        store,
        ledger,
        f"SELECT {subject}, {gone}, 'active', ''{entry}{gone}<>'active'"
        f" UNION ALL SELECT {subject}, {amount}, {booked}, {currency}{entry}{gone}='active'"
        f" AND g.data ->> 'currency'={currency} AND {amount}<>{booked}",
    )


# ----------------------------------------------------------------------------------------------------- audit, approvals


def audit_chain(store: Store, head: tuple[int, str] | None) -> list[Hit]:
    """The audit trail is broken, or does not hold the ``head`` that was noted outside of the store any more."""
    problem = audit.verify(store)
    if problem is not None:
        return [Hit("audit", "the audit trail", problem, "a whole chain")]
    if head is not None and (found := store.one("SELECT hash FROM audit WHERE n=?", head[0])) != head[1]:
        there = f"row {head[0]} is {'missing' if found is None else 'another'}"
        return [Hit("audit", "the audit trail", there, f"row {head[0]} with hash {head[1][:16]}")]
    return []


def unaudited(store: Store) -> list[Hit]:
    """Money changed without a row of the audit trail."""
    issued = (
        "(SELECT a.after ->> 'total' FROM audit a WHERE a.object='document:' || d.id AND a.action='issued'"
        " ORDER BY a.n LIMIT 1)"
    )
    refunded = (
        "(SELECT a.after ->> 'refunded' FROM audit a WHERE a.object='payment:' || p.connection || ':' || p.vendor_id"
        " AND a.action IN ('received', 'changed') ORDER BY a.n DESC LIMIT 1)"
    )
    applied = "(SELECT count(*) FROM audit a WHERE a.object='document:' || t.id AND a.action='applied')"
    used = "(SELECT count(*) FROM audit a WHERE a.object='document:' || t.id AND a.action='credit used')"
    parts = "SELECT {0} AS id, count(*) AS parts FROM applications WHERE {0} IS NOT NULL GROUP BY {0}"
    questions = (
        f"SELECT 'document:' || d.id, d.number, 'no row: issued', d.total, '' FROM documents d"
        f" WHERE d.number IS NOT NULL AND {issued} IS NOT d.total",
        f"SELECT 'payment:' || p.id, p.vendor_id, 'no row: received or changed', p.refunded, '' FROM payments p"
        f" WHERE {refunded} IS NOT p.refunded",
        f"SELECT 'document:' || t.id, 'document ' || t.id, {applied} || ' rows: applied',"
        f" t.parts, '' FROM ({parts.format('document_id')}) t WHERE t.parts>{applied}",
        f"SELECT 'document:' || t.id, 'document ' || t.id, {used} || ' rows: credit used', t.parts, '' FROM"
        f" (SELECT document_id AS id, count(*) AS parts FROM credit_uses GROUP BY document_id) t WHERE t.parts>{used}",
        "SELECT 'document:' || d.id, d.number, 'no row: voided', 'voided', '' FROM documents d WHERE d.status='voided'"
        " AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.object='document:' || d.id AND a.action='voided')",
    )
    return [hit for question in questions for hit in _hits(store, question)]


def unapproved(store: Store, entity: str, since: int) -> list[Hit]:
    """A draft left without a person's approval although the entity asks for it, after row ``since`` of the trail."""
    return _hits(
        store,
        "SELECT 'document:' || d.id, d.number, 'not approved', 'approved', '' FROM audit a"
        " JOIN documents d ON d.id=CAST(substr(a.object, 10) AS INTEGER)"
        " WHERE a.n>? AND a.action='issued' AND a.object LIKE 'document:%' AND d.entity=? AND d.against=''"
        " AND NOT EXISTS (SELECT 1 FROM audit b WHERE b.object=a.object AND b.action='approved' AND b.n<a.n"
        " AND b.actor NOT LIKE 'job %')",
        since,
        entity,
    )


# ------------------------------------------------------------------------------------------------- mails and what waits


def needless_reminders(store: Store) -> list[Hit]:
    """A customer was reminded of what was paid, voided or disputed, or twice of the same."""
    reminded = " FROM mails m JOIN documents d ON d.id=m.document_id WHERE m.step<>'invoice'"
    over = "(SELECT max(a.at) FROM audit a WHERE a.object='document:' || d.id AND a.action IN ('applied', 'voided'))"
    disputed = "(SELECT s.at FROM disputes s WHERE s.document_id=d.id)"
    return _hits(
        store,
        f"SELECT 'document:' || d.id, d.number, count(*) || ' reminders: ' || m.step, 1, ''{reminded}"
        " AND m.state IN ('sending', 'sent', 'uncertain') GROUP BY d.id, m.step HAVING count(*)>1"
        f" UNION ALL SELECT 'document:' || d.id, d.number, 'reminded ' || m.at, 'settled ' || {over}, ''{reminded}"
        f" AND m.state='sent' AND d.open=0 AND m.at>{over}"
        f" UNION ALL SELECT 'document:' || d.id, d.number, 'reminded ' || m.at, 'disputed ' || {disputed}, ''{reminded}"
        f" AND m.state='sent' AND m.at>{disputed}",
    )


def stuck(store: Store, before: datetime) -> list[Hit]:
    """The outcome of a call or mail is not known since before a moment."""
    since = "coalesce((SELECT r.started_at FROM runs r WHERE r.id=o.unsettled_in), 'long ago')"
    return _hits(
        store,
        f"SELECT 'outbox:' || o.id, o.kind || ' at ' || o.connection, o.state || ' since ' || {since}, 'settled', ''"
        f" FROM outbox o WHERE o.state IN ('sending', 'uncertain') AND ({since}<?1 OR {since}='long ago')"
        " UNION ALL SELECT 'mail:' || m.message_id, d.number, 'sending since ' || m.at, 'settled', '' FROM mails m"
        " JOIN documents d ON d.id=m.document_id WHERE m.state='sending' AND m.at<?1",
        before.isoformat(),
    )


def cursors_gone_back(store: Store) -> list[Hit]:
    """A stream is read from an earlier moment than it was read to before."""
    return _hits(
        store,
        "SELECT 'connection:' || c.connection, c.stream, c.value, n.value, '' FROM cursors c JOIN pull_notes n"
        " ON n.connection=c.connection AND n.name='reached ' || c.stream WHERE c.value<n.value",
    )


# ------------------------------------------------------------------------------------------------ what planning noted


def how_many_planned(store: Store, entity: str, rules: str, today: date) -> int:
    """Return of how many contracts it is noted that they need not be planned today."""
    return int(store.one(f"SELECT count(*) {_PLANNED}", entity, rules, today.isoformat()))


_PLANNED = (
    "FROM contracts c JOIN planned p ON p.contract=c.key AND p.version=c.version AND p.changes=c.changes"
    " WHERE c.entity=?1 AND c.state='active' AND p.rules=?2 AND (p.next_on IS NULL OR p.next_on>?3)"
)


def planned(
    store: Store, entity: str, rules: str, today: date, most: int, skip: int = 0
) -> Iterator[list[tuple[Due, str | None]]]:
    """Yield, in batches by key, up to ``most`` contracts that need no planning, with the day noted as the next.

    They come as if nothing were known of what is settled, so that they are worked out from their beginning.
    """
    columns = (
        "c.key, c.name, c.customer_id, c.version, c.changes, c.terms, c.billed_through, NULL, NULL, NULL, c.arrivals,"
        " p.next_on"
    )
    sql = f"SELECT {columns} {_PLANNED} AND c.key>?4 ORDER BY c.key LIMIT ?5 OFFSET ?6"
    last = ""
    while most > 0:
        size = min(most, 200)
        rows = store.tuples(sql, entity, rules, today.isoformat(), last, size, skip)
        if not rows:
            return
        yield [(Due(*row[:-1]), row[-1]) for row in rows]
        last, most, skip = rows[-1][0], most - len(rows), 0


def drafts_with(store: Store, contracts: Sequence[str]) -> list[DocumentRow]:
    """Return the drafts on which lines of any of ``contracts`` may stand."""
    marks = ", ".join("?" * len(contracts))
    return store.rows(
        DocumentRow,
        f"SELECT * FROM documents WHERE number IS NULL AND (contract IN ({marks}) OR id IN"
        f" (SELECT document_id FROM shared_documents WHERE contract IN ({marks})))",
        *contracts,
        *contracts,
    )
