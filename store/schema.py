"""The tables, as numbered migrations. A migration that has been released is never edited; a further one is added.

Amounts are INTEGER minor units beside their currency; times are ISO 8601 UTC text; JSON is TEXT.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlite_utils import Database, Migrations

from store.dialect import APPEND_ONLY, COUNTS, ENDS_PLANNED, IMMUTABLE_DOCUMENT, USAGE_ARRIVES, transaction

migrations = Migrations("netterms")

_TABLES = """
CREATE TABLE deals (
    connection TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (connection, id)
) STRICT;
CREATE TABLE cursors (
    connection TEXT NOT NULL, stream TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (connection, stream)
) STRICT;
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, crm TEXT NOT NULL, crm_id TEXT NOT NULL, data TEXT NOT NULL,
    UNIQUE (crm, crm_id)
) STRICT;
CREATE TABLE links (
    connection TEXT NOT NULL, kind TEXT NOT NULL, vendor_id TEXT NOT NULL, version TEXT NOT NULL DEFAULT '',
    our_id INTEGER NOT NULL, currency TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (connection, kind, vendor_id, currency) -- one customer there may be ours in several currencies
) STRICT;
CREATE INDEX links_ours ON links (connection, kind, our_id, currency);
CREATE TABLE contracts (
    key TEXT PRIMARY KEY, entity TEXT NOT NULL, customer_id INTEGER NOT NULL REFERENCES customers (id),
    crm TEXT NOT NULL, deal_id TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL,
    terms TEXT NOT NULL, proposed TEXT, refused TEXT,
    UNIQUE (crm, deal_id)
) STRICT;
CREATE TABLE slices (
    slice TEXT PRIMARY KEY, contract TEXT NOT NULL REFERENCES contracts (key),
    how TEXT NOT NULL CHECK (how IN ('elsewhere', 'waived', 'held'))
) STRICT;
CREATE INDEX slices_contract ON slices (contract);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, entity TEXT NOT NULL, contract TEXT NOT NULL REFERENCES contracts (key),
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    type TEXT NOT NULL CHECK (type IN ('invoice', 'credit_note')),
    status TEXT NOT NULL CHECK (status IN ('draft', 'approved', 'issued', 'voided')),
    number TEXT, currency TEXT NOT NULL, issue_on TEXT NOT NULL, due_on TEXT NOT NULL,
    subtotal INTEGER NOT NULL, tax INTEGER NOT NULL, total INTEGER NOT NULL CHECK (total >= 0),
    open INTEGER NOT NULL DEFAULT 0, digest TEXT NOT NULL, data TEXT NOT NULL,
    CHECK ((number IS NULL) = (status IN ('draft', 'approved'))),
    UNIQUE (entity, number)
) STRICT;
CREATE UNIQUE INDEX documents_one_draft ON documents (contract, type) WHERE number IS NULL;
CREATE INDEX documents_open ON documents (entity, currency, due_on) WHERE open > 0;
CREATE TABLE lines (
    slice TEXT NOT NULL, revision INTEGER NOT NULL, contract TEXT NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents (id), amount INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (slice, revision)
) STRICT;
CREATE INDEX lines_contract ON lines (contract);
CREATE TABLE numbers (
    entity TEXT NOT NULL, series TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (entity, series)
) STRICT;
CREATE TABLE payments (
    id INTEGER PRIMARY KEY, connection TEXT NOT NULL, vendor_id TEXT NOT NULL, entity TEXT NOT NULL,
    currency TEXT NOT NULL, amount INTEGER NOT NULL, refunded INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL CHECK (status IN ('succeeded', 'processing', 'failed')),
    received_on TEXT NOT NULL, customer_id INTEGER REFERENCES customers (id), digest TEXT NOT NULL, data TEXT NOT NULL,
    UNIQUE (connection, vendor_id)
) STRICT;
CREATE TABLE applications (
    id INTEGER PRIMARY KEY, payment_id INTEGER NOT NULL REFERENCES payments (id),
    document_id INTEGER NOT NULL REFERENCES documents (id), amount INTEGER NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL,
    UNIQUE (payment_id, document_id)
) STRICT;
CREATE INDEX applications_document ON applications (document_id);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, connection TEXT NOT NULL, kind TEXT NOT NULL, our_id INTEGER NOT NULL,
    currency TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('new', 'sending', 'uncertain', 'done', 'parked')),
    call_key TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '',
    payload TEXT NOT NULL, payload_hash TEXT NOT NULL,
    UNIQUE (connection, kind, our_id, currency)
) STRICT;
CREATE INDEX outbox_waiting ON outbox (connection, kind, state) WHERE state <> 'done';
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY, job TEXT NOT NULL, code TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL,
    message TEXT NOT NULL, fix TEXT NOT NULL, actions TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'dismissed', 'closed')),
    UNIQUE (job, code, subject, detail)
) STRICT;
CREATE TABLE ledger_objects (
    connection TEXT NOT NULL, kind TEXT NOT NULL, vendor_id TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (connection, kind, vendor_id)
) STRICT;
CREATE TABLE connections (
    name TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('ok', 'reconnect', 'failing')), message TEXT NOT NULL,
    since TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
    connection TEXT PRIMARY KEY, sealed BLOB NOT NULL
) STRICT;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, job TEXT NOT NULL, holder TEXT NOT NULL, started_at TEXT NOT NULL, until TEXT NOT NULL,
    finished_at TEXT, outcome TEXT CHECK (outcome IN ('done', 'partly', 'failed', 'abandoned')),
    tally TEXT NOT NULL DEFAULT '{}', message TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX runs_lease ON runs (job) WHERE outcome IS NULL;
CREATE TABLE audit (
    n INTEGER PRIMARY KEY, at TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL,
    before TEXT, after TEXT, reason TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
"""


def _script(db: Any, script: str) -> None:
    """Run several statements inside the migration's own transaction (executescript would commit it)."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        words = statement.upper().split()
        if words[:2] == ["CREATE", "TRIGGER"] and words[-1] != "END;":
            continue
        if statement.strip(" \n;"):
            db.conn.execute(statement)
        statement = ""


@migrations()
def m0001_first_tables(db: Any) -> None:
    """Create every table of the first version."""
    _script(db, _TABLES)
    _script(db, APPEND_ONLY.format(table="audit"))
    _script(db, APPEND_ONLY.format(table="lines"))
    _script(db, IMMUTABLE_DOCUMENT)


_FOR_PAGES = """
ALTER TABLE runs ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_job ON runs (job, id);
CREATE INDEX customers_name ON customers (lower(data ->> 'name'), id);
CREATE INDEX contracts_customer ON contracts (customer_id);
CREATE INDEX documents_customer ON documents (customer_id);
CREATE INDEX documents_contract ON documents (contract);
CREATE INDEX documents_sums ON documents (entity, currency, type, status, total, open, number); -- without the content
CREATE INDEX payments_customer ON payments (customer_id);
CREATE INDEX payments_sums ON payments (entity, currency, status, amount, refunded);
CREATE INDEX payments_received ON payments (received_on, id);
CREATE INDEX outbox_states ON outbox (connection, kind, state);
CREATE INDEX reviews_state ON reviews (state, code);
CREATE INDEX audit_object ON audit (object, n);
"""


@migrations()
def m0010_pages(db: Any) -> None:
    """Remember how far a running job has come, and find quickly what the pages list."""
    _script(db, _FOR_PAGES)


@migrations()
def m0050_foreign_documents(db: Any) -> None:
    """Documents that others made in the books, what people said about look-alike customers, billing done elsewhere."""
    _script(
        db,
        """
        CREATE TABLE foreign_documents (
            id INTEGER PRIMARY KEY, connection TEXT NOT NULL, vendor_id TEXT NOT NULL, entity TEXT NOT NULL,
            type TEXT NOT NULL CHECK (type IN ('invoice', 'credit_note')),
            status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'voided', 'deleted')),
            number TEXT NOT NULL, ledger_customer TEXT NOT NULL, currency TEXT NOT NULL,
            issue_on TEXT NOT NULL, due_on TEXT NOT NULL, total INTEGER NOT NULL,
            settled INTEGER NOT NULL, -- paid or credited in the books, by others than us
            open INTEGER NOT NULL CHECK (open >= 0),
            UNIQUE (connection, vendor_id)
        ) STRICT;
        CREATE INDEX foreign_open ON foreign_documents (entity, currency, due_on) WHERE open > 0;
        CREATE TABLE separations (
            connection TEXT NOT NULL, our_id INTEGER NOT NULL REFERENCES customers (id), vendor_id TEXT NOT NULL,
            PRIMARY KEY (connection, our_id, vendor_id)
        ) STRICT;
        CREATE TABLE applications_to_either (
            id INTEGER PRIMARY KEY, payment_id INTEGER NOT NULL REFERENCES payments (id),
            document_id INTEGER REFERENCES documents (id), foreign_id INTEGER REFERENCES foreign_documents (id),
            amount INTEGER NOT NULL CHECK (amount > 0), reason TEXT NOT NULL,
            CHECK ((document_id IS NULL) <> (foreign_id IS NULL)),
            UNIQUE (payment_id, document_id), UNIQUE (payment_id, foreign_id)
        ) STRICT;
        INSERT INTO applications_to_either (id, payment_id, document_id, amount, reason)
            SELECT id, payment_id, document_id, amount, reason FROM applications;
        DROP TABLE applications;
        ALTER TABLE applications_to_either RENAME TO applications;
        CREATE INDEX applications_document ON applications (document_id);
        CREATE INDEX applications_foreign ON applications (foreign_id);
        ALTER TABLE contracts ADD COLUMN billed_through TEXT; -- service starting up to this day was billed elsewhere
        """,
    )


_INBOX = """
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY, connection TEXT NOT NULL, received_at TEXT NOT NULL, event_id TEXT NOT NULL,
    topic TEXT NOT NULL, object TEXT NOT NULL, unreadable BLOB, -- how what nobody can read begins
    UNIQUE (connection, event_id)
) STRICT;
CREATE INDEX inbox_latest ON inbox (connection, received_at);
CREATE INDEX inbox_unreadable ON inbox (connection, id) WHERE unreadable IS NOT NULL;
"""


@migrations()
def m0040_inbox(db: Any) -> None:
    """Webhooks, each event once."""
    _script(db, _INBOX)


@migrations()
def m0020_mail(db: Any) -> None:
    """What was mailed to whom, invoices in dispute, and which connections a run could not read."""
    _script(
        db,
        """
        CREATE TABLE mails (
            id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL REFERENCES documents (id),
            step TEXT NOT NULL CHECK (step IN ('invoice', 'friendly', 'firm', 'escalation')),
            recipient TEXT NOT NULL, via TEXT NOT NULL CHECK (via IN ('netterms', 'ledger')),
            state TEXT NOT NULL CHECK (state IN ('sending', 'sent', 'uncertain', 'refused', 'again')),
            message_id TEXT NOT NULL, at TEXT NOT NULL, answer TEXT NOT NULL DEFAULT '',
            UNIQUE (document_id, step, recipient)
        ) STRICT;
        CREATE INDEX mails_message ON mails (message_id);
        CREATE INDEX mails_unsettled ON mails (state) WHERE state <> 'sent';
        CREATE TABLE disputes (
            document_id INTEGER PRIMARY KEY REFERENCES documents (id), reason TEXT NOT NULL, at TEXT NOT NULL
        ) STRICT;
        -- The connections a run could not use, space separated.
        ALTER TABLE runs ADD COLUMN failed TEXT NOT NULL DEFAULT '';
        """,
    )


@migrations()
def m0060_scope_of_payments(db: Any) -> None:
    """Whose money a payment is, and payments that could not be read."""
    _script(
        db,
        """
        ALTER TABLE payments ADD COLUMN scope TEXT NOT NULL DEFAULT 'in' CHECK (scope IN ('in', 'out'));
        CREATE TABLE unreadable_payments (
            connection TEXT NOT NULL, vendor_id TEXT NOT NULL, problem TEXT NOT NULL,
            PRIMARY KEY (connection, vendor_id)
        ) STRICT;
        """,
    )


_DEALS_OVER_TIME = """
ALTER TABLE deals ADD COLUMN fate TEXT NOT NULL DEFAULT 'won'
    CHECK (fate IN ('won', 'not_won', 'deleted', 'merged'));
ALTER TABLE deals ADD COLUMN became TEXT NOT NULL DEFAULT ''; -- the deal it was merged into
ALTER TABLE contracts ADD COLUMN state TEXT NOT NULL DEFAULT 'active'
    CHECK (state IN ('active', 'held', 'parked', 'closed'));
ALTER TABLE contracts ADD COLUMN why TEXT NOT NULL DEFAULT ''; -- it is not active, for people
ALTER TABLE contracts ADD COLUMN relation TEXT NOT NULL DEFAULT ''
    CHECK (relation IN ('', 'new', 'amendment', 'renewal'));
ALTER TABLE contracts ADD COLUMN relates_to TEXT REFERENCES contracts (key);
ALTER TABLE contracts ADD COLUMN ended_on TEXT; -- a person's last day of service, whatever the deal says
ALTER TABLE contracts ADD COLUMN effect TEXT NOT NULL DEFAULT ''; -- what applying the proposed terms would do
CREATE TABLE answers (question TEXT PRIMARY KEY, answer TEXT NOT NULL) STRICT;
CREATE TABLE customer_aliases (
    crm TEXT NOT NULL, crm_id TEXT NOT NULL, customer_id INTEGER NOT NULL REFERENCES customers (id),
    current INTEGER NOT NULL, -- 1 the company's id now, 0 one that became part of it
    PRIMARY KEY (crm, crm_id)
) STRICT;
CREATE TABLE pull_notes (
    connection TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (connection, name)
) STRICT;
CREATE TABLE written_back (
    connection TEXT NOT NULL, object_type TEXT NOT NULL, object_id TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (connection, object_type, object_id)
) STRICT;
"""


@migrations()
def m0030_deals_over_time(db: Any) -> None:
    """What became of deals and companies, how contracts relate and why one is not billed, what the CRM was told."""
    _script(db, _DEALS_OVER_TIME)


_FACTS_AND_VERSIONS = """
CREATE TABLE usage (
    contract TEXT NOT NULL REFERENCES contracts (key), id TEXT NOT NULL, meter TEXT NOT NULL,
    day TEXT NOT NULL, -- in the legal entity's zone when it was received
    at TEXT NOT NULL, quantity TEXT NOT NULL, -- a decimal number without exponent
    dimensions TEXT NOT NULL, value TEXT NOT NULL, source TEXT NOT NULL, received_at TEXT NOT NULL,
    PRIMARY KEY (contract, id)
) STRICT, WITHOUT ROWID; -- read whole, contract by contract
CREATE TABLE acceptances (
    contract TEXT NOT NULL REFERENCES contracts (key), charge TEXT NOT NULL, milestone TEXT NOT NULL,
    on_day TEXT NOT NULL, actor TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (contract, charge, milestone)
) STRICT;
CREATE TABLE contract_versions (
    contract TEXT NOT NULL REFERENCES contracts (key), version INTEGER NOT NULL, known_at TEXT NOT NULL,
    actor TEXT NOT NULL, reason TEXT NOT NULL, terms TEXT NOT NULL,
    PRIMARY KEY (contract, version)
) STRICT;
INSERT INTO contract_versions (contract, version, known_at, actor, reason, terms)
    SELECT substr(object, 10), row_number() OVER (PARTITION BY object ORDER BY n), at, actor, reason, after FROM audit
    WHERE object LIKE 'contract:%' AND action IN ('created', 'terms') AND after IS NOT NULL
    AND substr(object, 10) IN (SELECT key FROM contracts);
ALTER TABLE contracts ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0; -- 1: a person wrote the terms in force
ALTER TABLE contracts ADD COLUMN mapped TEXT NOT NULL DEFAULT ''; -- digest of what the deal said then
"""


@migrations()
def m0070_facts_and_versions(db: Any) -> None:
    """Usage, accepted milestones, every version of a contract's terms, and which terms a person wrote."""
    _script(db, _FACTS_AND_VERSIONS)


_PLANNED = """
CREATE TABLE planned (
    contract TEXT PRIMARY KEY, version INTEGER NOT NULL, changes INTEGER NOT NULL, rules TEXT NOT NULL, -- derived from
    through TEXT, -- the day through which it was worked out, where everything owed by then is settled or drafted
    settled_through TEXT, -- the day through which everything owed is settled as it is owed
    next_on TEXT, -- the day on which something more may be owed, NULL: never
    notes TEXT NOT NULL, -- what a person was told
    lint TEXT NOT NULL DEFAULT '[]' -- what contradicts itself in the terms
) STRICT;
ALTER TABLE lines ADD COLUMN issue_on TEXT GENERATED ALWAYS AS (data ->> 'issue_on') VIRTUAL;
CREATE INDEX lines_due ON lines (contract, issue_on);
ALTER TABLE contracts ADD COLUMN changes INTEGER NOT NULL DEFAULT 0; -- of what billing knows beside the terms
ALTER TABLE documents ADD COLUMN against TEXT NOT NULL DEFAULT ''; -- the invoice that a person's credit note takes back
CREATE INDEX documents_against ON documents (entity, against) WHERE against <> '';
CREATE TABLE shared_documents ( -- a document for several contracts: those beside its own
    document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    contract TEXT NOT NULL REFERENCES contracts (key),
    PRIMARY KEY (document_id, contract)
) STRICT;
CREATE INDEX shared_documents_contract ON shared_documents (contract);
CREATE INDEX contracts_grouped ON contracts (customer_id) WHERE terms ->> 'invoice_grouping' = 'customer';
"""


@migrations()
def m0080_planned(db: Any) -> None:
    """Plan only contracts for which something is due or has changed; a change of its inputs ends a stored fact."""
    _script(db, _PLANNED)
    _end_planned(db, _ENDS_PLANNED)


def _end_planned(db: Any, events: Iterable[tuple[str, str, str]]) -> None:
    for table, event, contracts in events:
        _script(db, ENDS_PLANNED.format(table=table, name=event.split()[0].lower(), event=event, contracts=contracts))


_STEADY = """
DROP TABLE planned; -- nothing is lost: the next run plans all contracts anew
CREATE TABLE planned (
    contract TEXT PRIMARY KEY, version INTEGER NOT NULL, changes INTEGER NOT NULL, rules TEXT NOT NULL, -- derived from
    through TEXT, -- the day through which it was worked out, where everything owed by then is settled or drafted
    settled_through TEXT, -- the day through which everything owed is settled as it is owed
    next_on TEXT, -- the day on which something more may be owed, NULL: never
    notes TEXT NOT NULL, -- what a person was told
    lint TEXT NOT NULL DEFAULT '[]' -- what contradicts itself in the terms
) STRICT, WITHOUT ROWID; -- looked up for every contract in every run
CREATE INDEX planned_told ON planned (contract) WHERE notes <> '[]' OR lint <> '[]';
CREATE TABLE steady ( -- what a contract bills period after period, where its row in `planned` holds
    contract TEXT PRIMARY KEY,
    begins TEXT NOT NULL, until TEXT NOT NULL, -- it is known to be so in runs from the one day to before the other
    data BLOB NOT NULL -- MessagePack
) STRICT;
CREATE INDEX contracts_planned ON contracts (entity, state, key, version, changes); -- all that skipping one needs
CREATE TABLE usage_by_day (
    contract TEXT NOT NULL REFERENCES contracts (key), id TEXT NOT NULL, meter TEXT NOT NULL,
    day TEXT NOT NULL, -- in the legal entity's zone when it was received
    at TEXT NOT NULL, quantity TEXT NOT NULL, -- a decimal number without exponent
    dimensions TEXT NOT NULL, value TEXT NOT NULL, source TEXT NOT NULL, received_at TEXT NOT NULL,
    PRIMARY KEY (contract, day, at, id), UNIQUE (contract, id)
) STRICT, WITHOUT ROWID; -- read contract by contract, from a day on
INSERT INTO usage_by_day SELECT contract, id, meter, day, at, quantity, dimensions, value, source, received_at
    FROM usage;
DROP TABLE usage; -- with its triggers
ALTER TABLE usage_by_day RENAME TO usage;
DROP INDEX documents_sums; -- drafts are not added up
CREATE INDEX documents_sums ON documents (entity, currency, type, total, open) WHERE status = 'issued';
DROP INDEX lines_contract; -- lines_due begins with the same
"""


@migrations()
def m0090_steady(db: Any) -> None:
    """Keep what is steady of a contract; find what is due without reading terms, and usage by its days."""
    _script(db, _STEADY)
    _end_planned(db, [one for one in _ENDS_PLANNED if one[0] == "usage"])


@migrations()
def m0100_paused_connections(db: Any) -> None:
    """A connection may be paused until a time, and a person is told once when one must be made anew."""
    _script(
        db,
        """
        CREATE TABLE connections_new (
            name TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('ok', 'reconnect', 'failing', 'paused')),
            message TEXT NOT NULL, since TEXT NOT NULL,
            until TEXT NOT NULL DEFAULT '', -- paused: when it goes on
            told TEXT NOT NULL DEFAULT '' -- reconnect: when a person was mailed about it
        ) STRICT;
        INSERT INTO connections_new (name, state, message, since) SELECT name, state, message, since FROM connections;
        DROP TABLE connections;
        ALTER TABLE connections_new RENAME TO connections;
        """,
    )


_DURABLE = """
ALTER TABLE outbox ADD COLUMN call_hash TEXT NOT NULL DEFAULT ''; -- of the payloads that went out under call_key
ALTER TABLE outbox ADD COLUMN sent_at TEXT; -- when it first went out under call_key
ALTER TABLE outbox ADD COLUMN absent_at TEXT; -- when the vendor was first seen not to hold it, after it went out
ALTER TABLE outbox ADD COLUMN not_before TEXT; -- its calls keep failing: not tried again before
ALTER TABLE outbox ADD COLUMN look INTEGER NOT NULL DEFAULT 0; -- 1: looked up before it goes out the first time
ALTER TABLE outbox ADD COLUMN sides TEXT NOT NULL DEFAULT '[]'; -- of what differs: [what, ours, theirs]
CREATE INDEX outbox_troubled ON outbox (connection, kind)
    WHERE state='parked' OR not_before IS NOT NULL OR (state='done' AND problem<>'');
CREATE TABLE retried ( -- parked intents that a person let go: made up anew, they are looked up first
    connection TEXT NOT NULL, kind TEXT NOT NULL, our_id INTEGER NOT NULL, currency TEXT NOT NULL,
    PRIMARY KEY (connection, kind, our_id, currency)
) STRICT;
ALTER TABLE reviews ADD COLUMN owner TEXT NOT NULL DEFAULT ''; -- the person who looks after it
ALTER TABLE inbox ADD COLUMN replayed_at TEXT; -- when a person last asked for it to be handled again
CREATE INDEX inbox_replayed ON inbox (connection, replayed_at) WHERE replayed_at IS NOT NULL;
CREATE TABLE restores (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, backed_up_at TEXT NOT NULL, -- the last moment that the backup knows of
    audit_n INTEGER NOT NULL -- the last row of the audit trail then
) STRICT;
CREATE TABLE read_backs ( -- which ledger was read back after a restore
    restore_id INTEGER NOT NULL REFERENCES restores (id), connection TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (restore_id, connection)
) STRICT;
CREATE TABLE lost_documents ( -- documents under our numbers in the books that a restored store does not know
    id INTEGER PRIMARY KEY, connection TEXT NOT NULL, vendor_id TEXT NOT NULL, entity TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('invoice', 'credit_note')), number TEXT NOT NULL,
    ledger_customer TEXT NOT NULL, currency TEXT NOT NULL, total INTEGER NOT NULL,
    issue_on TEXT NOT NULL, due_on TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'taken', 'released')),
    document_id INTEGER REFERENCES documents (id), -- ours, once it was issued again under its number
    UNIQUE (connection, vendor_id)
) STRICT;
CREATE INDEX lost_open ON lost_documents (entity) WHERE state = 'open';
"""


@migrations()
def m0110_durable(db: Any) -> None:
    """What makes sure that nothing goes out twice: ages of calls, both sides of a difference, owners, restores."""
    _script(db, _DURABLE)


_VOIDED = "SELECT contract FROM lines WHERE document_id=NEW.id AND NEW.status='voided'"
_MAY_COST_A_LATE_FEE = (  # an invoice of a contract with such a fee that is issued, or open again
    "SELECT key FROM contracts WHERE key=NEW.contract AND NEW.open > OLD.open AND terms ->> 'late_fee' IS NOT NULL"
)
_GROUPED = (  # contracts on one invoice with the one that changed, before or after
    "SELECT key FROM contracts WHERE terms ->> 'invoice_grouping' = 'customer'"
    " AND customer_id IN (OLD.customer_id, NEW.customer_id)"
)
_ENDS_PLANNED = (
    *((table, event, "NEW.contract") for table in ("usage", "acceptances", "slices") for event in ("INSERT", "UPDATE")),
    *((table, "DELETE", "OLD.contract") for table in ("usage", "acceptances", "slices")),
    ("documents", "UPDATE OF status, open", f"{_VOIDED} UNION {_MAY_COST_A_LATE_FEE}"),
    ("contracts", "UPDATE OF entity, customer_id, billed_through, state, terms", f"SELECT NEW.key UNION {_GROUPED}"),
)


_UNSETTLED = """
ALTER TABLE outbox ADD COLUMN unsettled_in INTEGER;
CREATE TRIGGER outbox_unsettled AFTER UPDATE OF state ON outbox
WHEN NEW.state IN ('sending', 'uncertain') AND OLD.state NOT IN ('sending', 'uncertain')
BEGIN UPDATE outbox SET unsettled_in=(SELECT max(id) FROM runs) WHERE id=NEW.id; END;
"""


@migrations()
def m0120_unsettled(db: Any) -> None:
    """Know since when the outcome of a call is unknown: by the run that made it, whose beginning is kept."""
    _script(db, _UNSETTLED)


_ARRIVALS = """
ALTER TABLE contracts ADD COLUMN arrivals INTEGER NOT NULL DEFAULT 0; -- usage records that were received
ALTER TABLE planned ADD COLUMN open_from TEXT; -- usage from this day on concerns nothing planned, NULL: any may
DROP INDEX contracts_planned;
CREATE INDEX contracts_planned ON contracts (entity, state, key, version, changes, arrivals);
DROP TRIGGER usage_insert_ends_planned;
"""


@migrations()
def m0130_arrivals(db: Any) -> None:
    """Usage of a period that is still running ends nothing that planning found."""
    _script(db, _ARRIVALS)
    _script(db, USAGE_ARRIVES)


_WHERE_THE_CASH_WENT = """
CREATE TABLE credit_uses ( -- a credit note set against an invoice
    id INTEGER PRIMARY KEY, credit_id INTEGER NOT NULL REFERENCES documents (id),
    document_id INTEGER NOT NULL REFERENCES documents (id), amount INTEGER NOT NULL CHECK (amount > 0),
    on_day TEXT NOT NULL,
    UNIQUE (credit_id, document_id)
) STRICT;
CREATE INDEX credit_uses_document ON credit_uses (document_id);
CREATE TABLE refunds ( -- money given back at the provider, and the credit in the books that it is taken from
    id INTEGER PRIMARY KEY, payment_id INTEGER NOT NULL REFERENCES payments (id),
    credit_id INTEGER REFERENCES documents (id), -- a credit note, or NULL for the payment's own money on account
    amount INTEGER NOT NULL CHECK (amount > 0), on_day TEXT NOT NULL
) STRICT;
CREATE INDEX refunds_payment ON refunds (payment_id);
CREATE INDEX refunds_credit ON refunds (credit_id) WHERE credit_id IS NOT NULL;
ALTER TABLE payments ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0; -- 1: only a person applies or posts it again
CREATE TABLE taken_back ( -- invoices that a payment had paid before its provider took it back
    payment_id INTEGER NOT NULL REFERENCES payments (id), document_id INTEGER NOT NULL REFERENCES documents (id),
    PRIMARY KEY (payment_id, document_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE payouts (
    id INTEGER PRIMARY KEY, connection TEXT NOT NULL, vendor_id TEXT NOT NULL, currency TEXT NOT NULL,
    amount INTEGER NOT NULL, arrives_on TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('paid', 'pending', 'failed')),
    UNIQUE (connection, vendor_id)
) STRICT;
CREATE TABLE movements ( -- what a payout is made of
    payout_id INTEGER NOT NULL REFERENCES payouts (id), vendor_id TEXT NOT NULL, kind TEXT NOT NULL,
    amount INTEGER NOT NULL, fee INTEGER NOT NULL, net INTEGER NOT NULL, at TEXT NOT NULL,
    payment TEXT NOT NULL, -- the provider's id of the payment that it belongs to, or empty
    description TEXT NOT NULL,
    PRIMARY KEY (payout_id, vendor_id)
) STRICT;
CREATE TABLE written_customers ( -- customers that we made in the books and wrote again since
    connection TEXT NOT NULL, our_id INTEGER NOT NULL REFERENCES customers (id), currency TEXT NOT NULL,
    sent TEXT NOT NULL, overwrite INTEGER NOT NULL DEFAULT 0, -- 1: a person wants it as the CRM has it
    PRIMARY KEY (connection, our_id, currency)
) STRICT;
CREATE TABLE unreadable_payouts (
    connection TEXT NOT NULL, vendor_id TEXT NOT NULL, problem TEXT NOT NULL,
    PRIMARY KEY (connection, vendor_id)
) STRICT;
"""


@migrations()
def m0150_where_the_cash_went(db: Any) -> None:
    """Credit notes set against invoices, refunds and what they are taken from, payouts with their movements."""
    _script(db, _WHERE_THE_CASH_WENT)


_SPEED = """
CREATE INDEX outbox_next ON outbox (connection, kind, call_key DESC, attempts>1, id) WHERE state='new';
CREATE INDEX contracts_buyers ON contracts (entity, customer_id, terms ->> 'currency');
"""
_STEPS = """
CREATE INDEX ledger_objects_credit ON ledger_objects (connection, kind)
    WHERE data ->> 'type'='credit_note' AND data ->> 'status'='open';
CREATE INDEX documents_types ON documents (type) WHERE number IS NOT NULL;
CREATE INDEX contracts_proposed ON contracts (key) WHERE proposed IS NOT NULL;
CREATE TABLE counters (input TEXT PRIMARY KEY, changes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE steps ( -- what a step of a job found that changed nothing
    step TEXT PRIMARY KEY, derived_from TEXT NOT NULL, -- digest of its inputs' counters and of all else it read
    findings TEXT NOT NULL
) STRICT;
"""
# Input of steps -> the tables that it is, each with the rows that count: all, or those of which something is so.
INPUTS: dict[str, dict[str, str]] = {
    "acceptances": {"acceptances": ""},
    "answers": {"answers": ""},
    "applications": {"applications": "", "credit_uses": "", "refunds": "", "taken_back": ""},
    "books": {"ledger_objects": ""},
    "checked": {"reviews": "job='selfcheck'"},
    "contracts": {"contracts": ""},
    "customers": {"customers": "", "customer_aliases": "", "written_customers": ""},
    "deals": {"deals": ""},
    "documents": {"documents": "", "shared_documents": ""},
    "foreign": {"foreign_documents": ""},
    "issued": {"documents": "number IS NOT NULL"},
    "linked_customers": {"links": "kind='customer'", "outbox": "kind='customer'"},
    "links": {"links": "", "separations": ""},
    "lost": {"lost_documents": "", "read_backs": ""},
    "mails": {"mails": "", "disputes": ""},
    "outbox": {"outbox": ""},
    "payments": {"payments": "", "unreadable_payments": ""},
    "slices": {"slices": ""},
    "usage": {"usage": ""},
    "written_back": {"written_back": ""},
}


@migrations()
def m0160_speed(db: Any) -> None:
    """Find the next call of the outbox and the customers of contracts without reading everything."""
    _script(db, _SPEED)


@migrations()
def m0161_steps(db: Any) -> None:
    """Do steps again only when one of their inputs changed; a change of an input is counted."""
    _script(db, _STEPS)
    for name, tables in INPUTS.items():
        db.conn.execute("INSERT INTO counters (input, changes) VALUES (?, 0)", (name,))
        for table, rows in tables.items():
            for event, side in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                what = "UPDATE OF status, number" if (name, event) == ("issued", "UPDATE") else event
                when = f" WHEN {side}.{rows}" if rows else ""
                _script(db, COUNTS.format(table=table, event=event.lower(), what=what, when=when, input=name))


@migrations()
def m0170_older_store(db: Any) -> None:
    """Know by which head a store was seen to be older than it was."""
    _script(db, "ALTER TABLE restores ADD COLUMN head TEXT NOT NULL DEFAULT '';")


_TO_THE_CENT = """
ALTER TABLE movements ADD COLUMN paid_amount INTEGER; -- the amount in the payment's currency, where that is another
ALTER TABLE movements ADD COLUMN paid_currency TEXT NOT NULL DEFAULT '';
CREATE INDEX movements_vendor ON movements (vendor_id);
ALTER TABLE refunds ADD COLUMN reversed TEXT NOT NULL DEFAULT ''; -- why it counts no more: the credit is there again
-- Payouts that were sent by hand were left to people so far: the fees of before are booked.
INSERT INTO cursors (connection, stream, value)
    SELECT c.connection, 'movements', c.value FROM cursors c WHERE c.stream='payouts'
    AND EXISTS (SELECT 1 FROM unreadable_payouts u WHERE u.connection=c.connection);
"""


@migrations()
def m0190_to_the_cent(db: Any) -> None:
    """Payments settled in another currency, payouts sent by hand, refunds that came back."""
    _script(db, _TO_THE_CENT)


_PAYMENT_PAGES = """
CREATE TABLE payment_pages (
    id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL REFERENCES documents (id), connection TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL,
    ended TEXT NOT NULL DEFAULT '' -- why it is to take no payment any more
) STRICT;
CREATE INDEX payment_pages_document ON payment_pages (document_id);
CREATE INDEX payment_pages_live ON payment_pages (connection) WHERE ended='';
"""


@migrations()
def m0200_payment_pages(db: Any) -> None:
    """Pages of a payment provider on which our invoices can be paid."""
    _script(db, _PAYMENT_PAGES)


def migrate(connection: Any) -> None:
    """Bring the database to the newest version: each migration whole or not at all, one process at a time.

    Raises ``RuntimeError`` when the file was written by a newer release.
    """
    database = Database(connection)
    unknown = {migration.name for migration in migrations.applied(database)} - _names()
    if unknown:
        raise RuntimeError(f"the store was written by a newer release ({', '.join(sorted(unknown))}): update first")
    if migrations.pending(database):
        with transaction(connection):
            migrations.apply(database)


def _names() -> set[str]:
    return {name for name in globals() if name.startswith("m0")}
