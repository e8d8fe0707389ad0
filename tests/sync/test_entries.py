"""What people change in the books of our refunds, fees and payouts is shown, and goes back by a person's word alone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from store.database import Store
from sync import decide
from tests.sync.test_cash_in_books import CASH, SIDES, Side, balances, books, held_at_stripe, pass_days, quiet
from tests.worlds import DAILY, Live


@pytest.fixture(params=SIDES, ids=lambda side: side.key)
def side(request: pytest.FixtureRequest) -> Side:
    found: Side = request.param
    return found


@pytest.fixture
def paid_out(live: Live, side: Side) -> Live:
    """A payment of 130.00 of which 20.00 was given back, paid out: its fee, payout and refund are in the books."""
    live.sell(deal_currency_code=side.currency)
    live.done(*DAILY)
    intent = live.pay(130_00, side.number, entity=side.key)
    live.done(*CASH)
    live.stripe("POST", "refunds", side.key, payment_intent=intent, amount=20_00)
    pass_days(live, 8)
    live.done(*CASH)
    assert balances(live, side)[side.clearing] == held_at_stripe(live, side)
    assert {kind for (kind,) in live.rows("SELECT DISTINCT kind FROM outbox")} >= {"payout", "payout_fee", "refund"}
    return live


def ids(live: Live, side: Side, kind: str) -> list[str]:
    """Return what an entity's ledger calls our entries of a kind, in the order of what they belong to."""
    sql = f"SELECT vendor_id FROM links WHERE kind='{kind}' AND connection LIKE '%_{side.key}' ORDER BY our_id"
    return [id_ for (id_,) in live.rows(sql)]


def delete(live: Live, side: Side, kind: str) -> None:
    """Delete an entry of ours, as a bookkeeper does."""
    id_ = ids(live, side, kind)[0]
    if side.key == "uk":
        path = {"payout": "BankTransfers", "payout_fee": "BankTransactions", "refund": "Payments"}[kind]
        live.xero("POST", f"{path}/{id_}", {"Status": "DELETED"})
        return
    entity = {"payout": "Transfer", "payout_fee": "Purchase", "refund": "Purchase"}[kind]
    if kind == "refund":  # set against the money on account: that comes first
        for row in [row for row in books(live).rows["Payment"].values() if _links(row, id_)]:
            kept = [line for line in row["Line"] if line["LinkedTxn"][0]["TxnId"] != id_]
            body = {name: row[name] for name in ("Id", "SyncToken", "CustomerRef", "TotalAmt")}
            live.quickbooks("payment", {**_plain(body), "sparse": True, "Line": _plain(kept)})
    row = books(live).rows[entity][id_]
    live.quickbooks(f"{entity.lower()}?operation=delete", {"Id": id_, "SyncToken": row["SyncToken"]})


def _links(row: dict[str, Any], id_: str) -> bool:
    return any(link["TxnId"] == id_ for line in row["Line"] for link in line["LinkedTxn"])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def next_day(live: Live) -> None:
    """Let the next day's reading see it: Xero's is once a day."""
    live.move_to(live.today + timedelta(days=1))
    live.done("pull_ledger")


@pytest.mark.parametrize("kind", ["payout_fee", "payout", "refund"])
def test_an_entry_of_ours_that_is_deleted_there_is_shown_and_put_back_by_a_person(
    paid_out: Live, side: Side, kind: str
) -> None:
    count = len(ids(paid_out, side, kind))
    delete(paid_out, side, kind)
    next_day(paid_out)
    item = paid_out.item("entry_differs")
    assert "it was deleted there" in item.message
    assert item.choices == ["put_back", "dismiss"]
    with paid_out.store() as store:
        assert ("status", "", "deleted") in decide.both_sides(store, item)
    paid_out.decide("entry_differs", "put_back")
    paid_out.done(*CASH)
    assert paid_out.items("entry_differs") == []
    assert len(ids(paid_out, side, kind)) == count
    if (side.key, kind) != ("uk", "payout"):  # what was deleted is counted there as well
        assert balances(paid_out, side)[side.clearing] == held_at_stripe(paid_out, side)
    quiet(paid_out)


def test_one_that_something_else_stands_for_stays_away_for_good(paid_out: Live, side: Side) -> None:
    delete(paid_out, side, "payout_fee")
    next_day(paid_out)
    paid_out.decide("entry_differs", "dismiss")
    next_day(paid_out)
    assert paid_out.items("entry_differs") == []
    paid_out.done("selfcheck")
    assert paid_out.items("selfcheck") == []


def edit(live: Live, side: Side) -> None:
    """Change the amount of our fee to 9.00, as a bookkeeper does."""
    id_ = ids(live, side, "payout_fee")[0]
    if side.key == "uk":
        held = live.sandbox.vendors["xero"].books  # type: ignore[attr-defined]
        held.bank_transactions[id_].update(Total=Decimal("9.00"), UpdatedDateUTC=held.stamp()["UpdatedDateUTC"])
        return
    row = books(live).rows["Purchase"][id_]
    line = {**row["Line"][0], "Amount": 9}
    live.quickbooks("purchase", {**_plain({**row, "Line": [line]}), "sparse": True})


def spend(live: Live, side: Side) -> None:
    """Pay the rent out of the bank account, as a bookkeeper books it."""
    if side.key == "uk":
        line = {"Description": "Rent", "Quantity": 1, "UnitAmount": 5, "AccountCode": "404", "TaxType": "NONE"}
        body = {"Type": "SPEND", "Contact": {"Name": "Landlord"}, "BankAccount": {"Code": "090"}, "LineItems": [line]}
        live.xero("PUT", "BankTransactions", body)
        return
    row = books(live).rows["Purchase"][ids(live, side, "payout_fee")[0]]
    names = ("PaymentType", "AccountRef", "Line", "CurrencyRef")
    live.quickbooks("purchase", _plain({name: row[name] for name in names}))


def test_an_amount_that_is_changed_there_is_shown_with_both_and_left(paid_out: Live, side: Side) -> None:
    edit(paid_out, side)
    spend(paid_out, side)
    next_day(paid_out)
    item = paid_out.item("entry_differs")
    assert f"its amount is 9.00 {side.currency} there" in item.message
    assert item.choices == ["dismiss"]
    kept = "SELECT vendor_id FROM ledger_objects WHERE kind='entry' AND vendor_id NOT IN (SELECT vendor_id FROM links)"
    assert paid_out.rows(kept) == []  # what others spend
    quiet(paid_out)


def test_the_self_check_sees_what_nobody_was_told_of(paid_out: Live, side: Side) -> None:
    edit(paid_out, side)
    next_day(paid_out)
    with Store(paid_out.database) as store, store.transaction():
        store.execute("UPDATE reviews SET state='closed' WHERE code='entry_differs'")
    paid_out.sync("selfcheck")
    message = paid_out.item("selfcheck").message
    assert "it is 9.00" in message


def test_entries_are_read_once_a_day_and_only_where_something_of_ours_is_there(live: Live) -> None:
    live.sell()
    live.done(*DAILY, "pull_ledger")
    assert entry_reads(live) == 0
    live.pay(100_00, "UK-00001")
    live.done(*CASH)
    pass_days(live, 8)
    live.done(*CASH)
    assert entry_reads(live) == 1
    live.done(*CASH)
    assert entry_reads(live) == 1
    next_day(live)
    assert entry_reads(live) == 2


def entry_reads(live: Live) -> int:
    """Return how often the transfers of Xero were read."""
    calls = live.sandbox.vendors["xero"].calls
    return sum(count for call, count in calls.items() if call.startswith("GET") and call.endswith("/BankTransfers"))
