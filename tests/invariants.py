"""What must be true after any story: the invariants of money, documents and audit, held against the vendors."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

import app
from billing.money import to_decimal
from store import invoices
from store.database import Store
from sync.selfcheck import everything
from tests.worlds import Live

Remote = dict[str, tuple[str, Decimal, str]]  # number -> currency, total, status


def assert_invariants(live: Live) -> None:
    """Check everything that reliability asks of a quiet moment: all jobs have run and nothing is under way."""
    _the_self_check_finds_nothing(live)
    with live.store() as store:
        _documents_have_one_twin_in_the_books(live, store)
    _a_second_sync_changes_nothing(live)


def cursors(live: Live) -> dict[tuple[str, str], datetime]:
    """Return how far each stream was pulled; compare two of these to see that none went back."""
    rows = live.rows("SELECT connection, stream, value FROM cursors")
    return {(connection, stream): datetime.fromisoformat(value) for connection, stream, value in rows}


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


def _the_self_check_finds_nothing(live: Live) -> None:
    """I1 to I12 as the nightly job checks them, all contracts included; and no outcome is unknown, however young."""
    results, _ = app.run_jobs(app.load_config(live.file), today=live.today, steps=[everything()])
    assert [result.outcome for result in results] == ["done"]
    assert [item.message for item in live.items("selfcheck")] == []
    assert live.rows("SELECT kind, our_id, state, problem FROM outbox WHERE state IN ('sending', 'uncertain')") == []


def _a_second_sync_changes_nothing(live: Live) -> None:
    """I13: a further run writes at no vendor and leaves the store as it is."""
    before, written = live.contents(), live.writes()
    live.done()
    assert live.writes() == written
    after = live.contents()
    assert {table: rows for table, rows in after.items() if rows != before[table]} == {}
