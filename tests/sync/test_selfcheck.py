"""Whatever is spoilt in a store, the self check finds it, says both figures, and holds back what it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from store import audit, outbox
from store.review import Item
from sync.context import Entity
from sync.run import run_job
from sync.selfcheck import everything
from tests.worlds import TODAY, Bench, Live


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.bill("K1", "K2")
    bench.run("push_documents", "post_payments")
    return bench


def hits(bench: Bench, *, full: bool = False) -> list[Item]:
    """Run the check; return what it found and finds still."""
    if full:
        with bench.store() as store:
            assert run_job(everything(), store, bench, lambda done, total: None).outcome == "done"
    else:
        assert bench.run("selfcheck")["selfcheck"].outcome == "done"
    return [item for item in bench.items("selfcheck") if item.job == "selfcheck"]


@contextmanager
def spoilt(bench: Bench, *statements: str, trigger: str = "") -> Iterator[None]:
    """Change rows behind the product's back, around a trigger that forbids it."""
    with bench.store() as store:
        guard = store.one("SELECT sql FROM sqlite_master WHERE name=?", trigger) if trigger else ""
        if guard:
            store.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            assert store.execute(statement) != 0, statement
        if guard:
            store.execute(guard)
    yield


PAYMENT = (
    "INSERT INTO payments (id, connection, vendor_id, entity, currency, amount, status, received_on, customer_id,"
    " digest, data) VALUES (1, 'stripe', 'ch_1', 'uk', 'GBP', 10000, 'succeeded', '2026-09-01', 1, '', '{}')"
)
APPLIED = "INSERT INTO applications (payment_id, document_id, amount, reason) VALUES (1, 1, 10000, 'paid')"
PAID = "UPDATE documents SET open=0 WHERE id=1"
MAIL = (
    "INSERT INTO mails (document_id, step, recipient, via, state, message_id, at) VALUES"
    " (1, '{0}', '{1}', 'netterms', '{2}', 'm', '{3}')"
)
SEEN = (
    "INSERT INTO ledger_objects (connection, kind, vendor_id, data) SELECT 'books_uk', 'document', l.vendor_id||'{0}',"
    " json_object('number', d.number, 'type', 'invoice', 'status', 'open', 'currency', '{1}', 'total', d.total+{2},"
    " 'customer_id', '') FROM links l JOIN documents d ON d.id=l.our_id WHERE l.kind='document' AND d.id=1"
)
MARKED = "UPDATE ledger_objects SET data=json_set(data, '$.mark', 'Netterms uk K1 {0}', '$.issue_on', '2026-09-01')"
PAYOUT = (
    "INSERT INTO payouts (id, connection, vendor_id, currency, amount, arrives_on, status) VALUES"
    " ({0}, 'stripe', 'po_{0}', 'GBP', 9680, '2026-09-03', 'paid')"
)
MOVED = (
    "INSERT INTO movements (payout_id, vendor_id, kind, amount, fee, net, at, payment, description) VALUES"
    " ({0}, 'txn_1', 'payment', 10000, 320, 9680, '2026-09-01', 'ch_1', '')"
)
BOOKED = (
    "INSERT INTO outbox (connection, kind, our_id, currency, state, payload, payload_hash) VALUES"
    " ('books_uk', '{0}', 1, '{1}', 'done', json('{2}'), '')"
)
LATER = "2026-09-02T12:00:00+00:00"

SPOILT: list[tuple[str, str, list[str], str, str]] = [
    ("I2", "payment:1", [PAYMENT, APPLIED, PAID, "UPDATE payments SET amount=9999"], "it is 100.00", "should be 99.99"),
    ("I2", "payment:1", [PAYMENT, APPLIED, PAID, "UPDATE payments SET status='failed'"], "it is 100.00", "be 0.00"),
    ("I2", "payment:1", [PAYMENT, APPLIED, PAID, "UPDATE payments SET currency='EUR'"], "is EUR", "be GBP"),
    ("I2", "payment:1", [PAYMENT, "INSERT INTO links (connection, kind, vendor_id, our_id) VALUES ('stripe', 'payment',"
     " 'ch_1', 9)"], "it is money of its own", "should be a posting of ours"),
    ("I2", "connection:stripe", [PAYOUT.format(1), MOVED.format(1), BOOKED.format("payout_fee", "", '{"amount": 640}')],
     "GBP, fees", "it is 6.40 GBP and should be 3.20"),
    ("I2", "connection:stripe", [PAYOUT.format(1), MOVED.format(1), BOOKED.format("payout", "", '{"amount": 9679}')],
     "GBP, paid out", "it is 96.79 GBP and should be 96.80"),
    ("I2", "connection:stripe", [PAYOUT.format(1), MOVED.format(1),
     BOOKED.format("exchanged_out", "EUR", '{"amount": 11600, "exchanged": 10000}')],
     "GBP, exchanged", "it is 100.00 GBP and should be 0.00"),
    ("I2", "connection:stripe", [PAYOUT.format(1), PAYOUT.format(2), MOVED.format(1), MOVED.format(2)],
     "txn_1", "it is 2 and should be 1"),
    ("I3", "document:1", [SEEN.format("", "GBP", 0), SEEN.format("-again", "GBP", 0)], "it is 2", "should be 1"),
    ("I3", "document:1", [SEEN.format("", "GBP", 0), SEEN.format("-1001", "GBP", 0), MARKED.format("UK-00001"),
     "UPDATE ledger_objects SET data=json_set(data, '$.number', '1001') WHERE vendor_id LIKE '%-1001'"],
     "it is 2", "should be 1"),
    ("I3", "series:uk:UK-", ["UPDATE numbers SET next=next+1"], "it is 2", "should be 3"),
    ("I4", "document:1", [SEEN.format("", "GBP", 1)], "it is 100.01", "should be 100.00"),
    ("I4", "document:1", [SEEN.format("", "EUR", 0)], "it is EUR", "should be GBP"),
    ("I4", "connection:books_uk", [SEEN.format("-lost", "GBP", 0), MARKED.format("UK-00009"),
     "UPDATE ledger_objects SET data=json_set(data, '$.number', 'OURS-1')"], "OURS-1", "should be not ours"),
    ("I5", "document:1", ["UPDATE documents SET open=9999 WHERE id=1"], "it is 99.99", "should be 100.00"),
    ("I6", "customer:1", [PAYMENT, APPLIED, PAID, "UPDATE payments SET amount=1"], "it is -99.99", "should be 0.00"),
    ("I8", "document:1", [PAYMENT, APPLIED, PAID], "0 rows: applied", "should be 1"),
    ("I8", "payment:1", [PAYMENT], "no row: received", "should be 0"),
    ("I8", "document:1", ["UPDATE documents SET status='voided', open=0 WHERE id=1"], "no row: voided", "be voided"),
    ("I10", "document:1", [MAIL.format("firm", "a@b", "sent", LATER), MAIL.format("firm", "c@d", "sent", LATER)],
     "2 reminders: firm", "should be 1"),
    ("I10", "document:1", [MAIL.format("firm", "a@b", "sent", LATER),
     "INSERT INTO disputes VALUES (1, 'broken', '2026-09-01T09:00:00+00:00')"], "reminded 2026-09-02", "disputed 2026"),
    ("I12", "mail:m", [MAIL.format("firm", "a@b", "sending", "2026-09-01T10:00:00+00:00")], "sending since", "settled"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "subject", "statements", "found", "expected"), SPOILT)
def test_what_is_spoilt_is_found_with_both_figures_and_closes_when_it_is_mended(
    bench: Bench, name: str, subject: str, statements: list[str], found: str, expected: str
) -> None:
    assert hits(bench) == []
    before = {table: rows for table, rows in bench.contents().items() if table not in ("reviews", "audit")}
    with bench.store() as store:
        store.copy_to(bench.database.with_suffix(".good"))
    with spoilt(bench, *statements):
        item = next(one for one in hits(bench) if (one.subject, one.detail.split()[0]) == (subject, name))
    assert found in item.message
    assert expected in item.message
    with bench.store() as store:  # mend it: put every table back as it was
        store.execute("ATTACH ? AS good", str(bench.database.with_suffix(".good")))
        store.execute("PRAGMA foreign_keys=OFF")
        for table in (
            "applications",
            "payments",
            "mails",
            "disputes",
            "ledger_objects",
            "numbers",
            "links",
            "movements",
            "payouts",
            "outbox",
        ):
            store.execute(f"DELETE FROM {table}")
            store.execute(f"INSERT INTO {table} SELECT * FROM good.{table}")
        store.execute(
            "UPDATE documents SET (status, open)=(SELECT status, open FROM good.documents g WHERE g.id=documents.id)"
        )
    assert hits(bench) == []
    assert {table for table in before if bench.contents()[table] != before[table]} <= {"contracts", "runs"}


def test_an_altered_audit_trail_is_found(bench: Bench) -> None:
    with spoilt(bench, "UPDATE audit SET reason='no reason' WHERE n=3", trigger="audit_no_update"):
        (item,) = hits(bench)
    assert "row 3 was altered" in item.message


def test_an_audit_trail_that_was_cut_off_is_found_by_the_head_noted_beside_the_store(bench: Bench) -> None:
    assert hits(bench) == []
    cut = "DELETE FROM audit WHERE n=(SELECT max(n) FROM audit)"
    with bench.store() as store:
        number, found = audit.head(store)
    with spoilt(bench, cut, trigger="audit_no_delete"):
        items = hits(bench)
    assert any(f"should be row {number} with hash {found[:16]}" in item.message for item in items)


def test_a_plan_that_was_noted_wrongly_is_found_and_its_contract_is_not_issued(bench: Bench) -> None:
    bench.run("plan_invoices")
    bench.today = TODAY + timedelta(days=40)
    forgotten = "UPDATE planned SET next_on='2027-01-01' WHERE contract='K1'"
    with spoilt(bench, forgotten):
        items = hits(bench, full=True)
    assert {item.subject for item in items} == {"contract:K1"}
    assert any("it is 0.00 GBP and should be 100.00 GBP" in item.message for item in items)
    with spoilt(bench, "DELETE FROM planned WHERE contract='K1'"):
        bench.run("plan_invoices", "issue_invoices")
    assert [row.contract for row in bench.drafts()] == ["K1"]
    assert hits(bench) == []
    bench.run("issue_invoices")
    assert bench.drafts() == []


def test_a_clock_behind_the_one_that_planned_raises_no_alarm(bench: Bench) -> None:
    bench.today = TODAY.replace(month=10, day=1)  # K1 and K2 are billed on the first of each month
    bench.run("plan_invoices", "issue_invoices")
    bench.today -= timedelta(days=1)
    assert hits(bench, full=True) == []
    with spoilt(bench, "UPDATE planned SET next_on='2027-01-01' WHERE contract='K1'"):
        assert hits(bench, full=True) == []  # the next day on which it owes anything was billed
    bench.today += timedelta(days=40)
    assert {item.subject for item in hits(bench, full=True)} == {"contract:K1"}


def test_what_is_kept_as_steady_and_would_bill_something_else_is_found(bench: Bench) -> None:
    with bench.store() as store:
        assert store.one("SELECT count(*) FROM steady") == 2
    with spoilt(bench, "UPDATE steady SET data=(SELECT data FROM steady WHERE contract='K2') WHERE contract='K1'"):
        (item,) = hits(bench, full=True)
    assert item.subject == "contract:K1"
    assert "Contract K1 'Deal K1' on 2026-10-01" in item.message
    with spoilt(bench, "DELETE FROM planned WHERE contract='K1'"):
        bench.run("plan_invoices")
    assert hits(bench, full=True) == []


def test_a_sample_covers_every_contract_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.selfcheck.SAMPLE", 1)
    bench.run("plan_invoices")
    with spoilt(bench, "UPDATE planned SET next_on=NULL WHERE contract='K2'"):
        found = []
        for _ in range(2):
            found += hits(bench)
            bench.today += timedelta(days=1)
    assert {item.subject for item in found} == {"contract:K2"}


def test_a_doubted_document_is_not_booked_until_a_person_lets_it_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.bill("K1")
    with spoilt(bench, "UPDATE documents SET open=1"):
        assert hits(bench) != []
    bench.run("push_documents")
    assert bench.uk.documents.held == {}
    bench.decide("selfcheck", "dismiss")
    bench.run("push_documents")
    assert list(bench.uk.documents.held) == ["UK-00001"]


def test_a_doubted_payment_is_not_posted(bench: Bench) -> None:
    with spoilt(bench, PAYMENT, APPLIED, PAID, "UPDATE payments SET amount=9999"):
        hits(bench)
    bench.run("post_payments")
    assert bench.uk.payments.held == {}


def test_an_unknown_outcome_is_told_after_an_hour(bench: Bench) -> None:
    with bench.store() as store, store.transaction():
        store.execute("UPDATE outbox SET state='new'")
        outbox.mark_sending(store, outbox.waiting(store, "books_uk", "document", "new")[:1], "key", bench.now())
    assert not any(item.detail.startswith("I12") for item in hits(bench))
    bench.today += timedelta(days=1)
    (item,) = [item for item in hits(bench) if item.detail.startswith("I12")]
    assert "document at books_uk" in item.message
    assert "sending since 2026-09-01" in item.message


def test_a_cursor_that_went_back_is_found(bench: Bench) -> None:
    with spoilt(bench, "INSERT INTO cursors VALUES ('crm', 'deals', '2026-09-01T00:00:00+00:00')"):
        assert hits(bench) == []
    with spoilt(bench, "UPDATE cursors SET value='2026-08-01T00:00:00+00:00'"):
        (item,) = hits(bench)
    assert "it is 2026-08-01T00:00:00+00:00 and should be 2026-09-01T00:00:00+00:00" in item.message


def test_what_left_without_the_approval_it_needs_is_found(bench: Bench) -> None:
    manual = {key: _by_hand(entity) for key, entity in bench.entities.items()}
    bench.entities, automatic = manual, bench.entities
    assert hits(bench) == []  # what was issued before is not held against the rule
    bench.entities = automatic
    bench.bill("K3")
    bench.entities = manual
    (item,) = hits(bench)
    assert "UK-00003: nothing leaves without the approval it needs; it is not approved" in item.message
    bench.contract("K4")
    bench.run("plan_invoices")
    bench.approve_all()
    bench.run("issue_invoices")
    assert [item.message.partition(":")[0] for item in hits(bench)] == ["UK-00003"]


def _by_hand(entity: Entity) -> Entity:
    return msgspec.structs.replace(entity, approve="manual")


def test_a_document_gone_from_the_books_and_a_stranger_in_our_series_are_found(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.sell()
    live.done()
    assert live.items("selfcheck") == []
    with live.store() as store:
        store.execute("DELETE FROM ledger_objects WHERE kind='document'")
    live.done("selfcheck")
    assert "it is not there and should be in the books" in live.item("selfcheck").message
