"""What must be true after any story: the invariants of money, documents and audit, held against the vendors."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.invoicing import bill
from billing.money import to_decimal
from store import audit, cash, contracts, credit_uses, invoices
from store.database import Store
from tests.worlds import Live

Remote = dict[str, tuple[str, Decimal, str]]  # number -> currency, total, status


def assert_invariants(live: Live) -> None:
    """Check everything that reliability asks of a quiet moment: all jobs have run and nothing is under way."""
    with live.store() as store:
        _every_slice_is_settled_for_what_is_owed(live, store)
        _every_cent_is_in_one_place(store)
        _documents_have_one_twin_in_the_books(live, store)
        _nothing_is_under_way(store)
        _every_money_change_was_audited(store)
    _a_second_sync_changes_nothing(live)


def cursors(live: Live) -> dict[tuple[str, str], datetime]:
    """Return how far each stream was pulled; compare two of these to see that none went back."""
    rows = live.rows("SELECT connection, stream, value FROM cursors")
    return {(connection, stream): datetime.fromisoformat(value) for connection, stream, value in rows}


def _every_slice_is_settled_for_what_is_owed(live: Live, store: Store) -> None:
    """I1 and I3: after a run nothing more is owed, and no slice was billed first twice."""
    entities = live.world.entities
    for row in contracts.all_contracts(store):
        rules = entities[row.entity].rules
        billing = bill(row.current, contracts.settled(store, row.key), today=live.today, rules=rules)
        assert billing.drafts == () or _waits(store, row.key), f"{row.key} owes more than was billed"
    first = Counter(name for (name,) in store.tuples("SELECT slice FROM lines WHERE revision=0"))
    assert max(first.values(), default=1) == 1


def _waits(store: Store, contract: str) -> bool:
    """Say whether a person must decide before the contract is billed on."""
    return bool(
        store.one("SELECT 1 FROM reviews WHERE state='open' AND message LIKE ?", f"%{contract.removeprefix('D')}%")
    )


def _every_cent_is_in_one_place(store: Store) -> None:
    """I2 and I5: what came in is applied, refunded or left; what was invoiced is paid or open."""
    applied: Counter[int] = Counter()
    paid: Counter[int] = Counter()
    for part in cash.applications(store):
        applied[part.payment_id] += part.amount
        if part.document_id is not None:
            paid[part.document_id] += part.amount
    credited = credit_uses.totals(store)
    for payment in cash.payments(store):
        assert payment.applied == applied[payment.id]
        if payment.status == "succeeded" and not payment.is_gone:
            kept = payment.amount - payment.refunded + payment.from_credit
            assert payment.applied + payment.available == kept
            assert payment.available >= 0
    for row in invoices.issued(store):
        if row.type == "invoice" and row.status == "issued":
            assert row.open + paid[row.id] + credited.get(row.id, 0) == row.total
            assert row.open >= 0


def _documents_have_one_twin_in_the_books(live: Live, store: Store) -> None:
    """I3 and I4: each document exists once at its ledger, for the same amount; none there bears our number alone."""
    there = remote_documents(live)
    numbers = Counter(number for number, _, _, _ in there)
    ours = {
        row.number or "": (row.currency, to_decimal(row.total, row.currency))
        for row in invoices.issued(store)
        if row.status == "issued"
    }
    for number, currency, total, status in there:
        if not number.startswith(("US-", "UK-")) or status == "voided":
            continue
        assert numbers[number] == 1, f"{number} is there twice"
        assert ours.get(number) == (currency, total), f"{number} differs: {ours.get(number)} here, {total} there"
    assert set(ours) <= set(numbers), f"not in the books: {set(ours) - set(numbers)}"


def remote_documents(live: Live) -> list[tuple[str, str, Decimal, str]]:
    """Return (number, currency, total, status) of every invoice and credit note at the ledger stand-ins."""
    state: dict[str, Any] = {name: vendor.state() for name, vendor in live.sandbox.vendors.items()}
    found = []
    for kind in ("invoices", "creditmemos"):
        for item in state["quickbooks"][kind]:
            status = "voided" if "void" in str(item.get("PrivateNote", "")).lower() else "open"
            found.append((item["DocNumber"], item["CurrencyRef"]["value"], Decimal(str(item["TotalAmt"])), status))
    for kind, number in (("invoices", "InvoiceNumber"), ("credit_notes", "CreditNoteNumber")):
        for item in state["xero"][kind]:
            status = "voided" if item["Status"] in ("VOIDED", "DELETED") else "open"
            found.append((item[number], item["CurrencyCode"], Decimal(str(item["Total"])), status))
    return found


def _nothing_is_under_way(store: Store) -> None:
    """I12: no outcome is unknown."""
    assert store.tuples("SELECT kind, our_id, state, problem FROM outbox WHERE state IN ('sending', 'uncertain')") == []


def _every_money_change_was_audited(store: Store) -> None:
    """I7 and I8: the chain is whole, and every document and application stands in it."""
    assert audit.verify(store) is None
    actions = Counter(action for (action,) in store.tuples("SELECT action FROM audit"))
    assert actions["issued"] == len(store.tuples("SELECT 1 FROM documents WHERE number IS NOT NULL AND digest<>''"))
    assert actions["applied"] >= len(cash.applications(store))


def _a_second_sync_changes_nothing(live: Live) -> None:
    """I13: a further run writes at no vendor and leaves the store as it is."""
    before, written = live.contents(), live.writes()
    live.done()
    assert live.writes() == written
    after = live.contents()
    assert {table: rows for table, rows in after.items() if rows != before[table]} == {}
