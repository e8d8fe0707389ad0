"""The Xero connector: the accounting contract, and the traps of Xero and of its SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.base import Accounting, Adopted, Created, Ports, Ref, Rejected, Settings
from connectors.errors import AuthExpired, DailyLimit, OutcomeUnknown, Refused, Retryable
from connectors.xero import connect
from connectors.xero.client import _ENCODER, Client
from sandbox.core import LOCK, Fault, RateLimit
from sandbox.server import Options, Running
from sandbox.xero.payments import create_payment
from sandbox.xero.seed import TENANT
from sandbox.xero.vendor import API
from tests.conftest import FixedToken, NoWait
from tests.connector_suite.accounting import AccountingSuite
from tests.connector_suite.accounting_bench import TODAY
from tests.connectors.xero_bench import XeroBench, books, recorded
from tests.sandbox.xero_specification import Exchange, check


class TestXero(XeroBench, AccountingSuite):
    """Xero keeps the contract of a ledger."""


# ------------------------------------------------------------------------------------------------- what Xero adds to it


@pytest.fixture(scope="module")
def module_running() -> Iterator[Running]:
    with Running(Options(today=TODAY, deals=0, minute=0.6)) as running:
        yield running


@pytest.fixture
def running(module_running: Running) -> Running:
    with LOCK:
        module_running.sandbox.reset()
    return module_running


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Everything that the connector sends and receives."""
    return recorded(monkeypatch)


class RealClock:
    """Time as it passes: for waiting out the stand-in's short minute."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


bench = XeroBench()  # its builders of drafts serve the tests below


def ledger_of(running: Running, token: str = "sandbox-xero-test", tenant: str = TENANT) -> Accounting:
    settings = Settings(name="x", vendor="xero", base_url=f"{running.url}/xero", account=tenant, minute_seconds=0.06)
    return connect(settings, Ports(credentials=FixedToken(token), clock=NoWait()))


def sent_line(exchanges: list[Exchange]) -> dict[str, Any]:
    (invoice,) = json.loads(exchanges[-1].body, parse_float=Decimal)["Invoices"]
    line: dict[str, Any] = invoice["LineItems"][0]
    return line


def test_every_request_and_every_answer_follows_the_published_specification(
    specs: Path, running: Running, exchanges: list[Exchange]
) -> None:
    ledger = ledger_of(running)
    ledger.probe()
    ledger.setup()
    customer = bench.customer(ledger)
    ledger.customers.create([bench.customer_draft("GBP"), bench.customer_draft("GBP", "c2", "A <b>")], "again")
    invoice, other = (bench.draft(customer, number, bench.line(100_00, 20_00), po_number="PO-1") for number in "AB")
    note = bench.draft(customer, "CN-1", type="credit_note")
    wrong = bench.draft(Ref(id=bench.unknown_id()), "C")
    results = ledger.documents.create([invoice, other, note, wrong], "mixed")
    created = results[0]
    assert isinstance(created, Created)
    payment, too_much = (bench.payment_draft(created.found, amount) for amount in (50_00, 999_00))
    ledger.payments.create([payment, too_much], "pay")
    ledger.documents.find([invoice, note])
    ledger.payments.find([payment])
    ledger.changes(ledger.changes(None).cursor)
    assert {urlsplit(one.url).path.rpartition("/")[2] for one in exchanges} >= {"Contacts", "Invoices", "Payments"}
    for exchange in exchanges:
        check(specs, exchange)


def test_two_tenants_in_one_process_sign_with_their_own_tokens(running: Running, exchanges: list[Exchange]) -> None:
    first, second = ledger_of(running, "sandbox-xero-first"), ledger_of(running, "sandbox-xero-second")
    for ledger in (first, second, first):
        ledger.probe()
    tokens = [exchange.headers["Authorization"].rpartition("-")[2] for exchange in exchanges]
    assert tokens == ["first", "second", "first"]


def test_a_foreign_tenant_is_refused_and_asks_for_a_reconnection(running: Running) -> None:
    with pytest.raises(AuthExpired):
        ledger_of(running, tenant="5d4f1c1e-0000-4000-8000-000000000bad").probe()


def test_amounts_are_written_as_the_exact_digits_and_never_through_floats(
    running: Running, exchanges: list[Exchange]
) -> None:
    ledger = ledger_of(running)
    line = bench.line(10_000_000_00, unit_price=Decimal("2500.0000"), quantity=Decimal(4000))
    bench.create(ledger, bench.draft(bench.customer(ledger), "E-1", line))
    assert b'"UnitAmount":2500.0000,"LineAmount":10000000.00,"TaxAmount":0.00' in exchanges[-1].body
    assert _ENCODER.encode(Decimal("9007199254740993.01")) == b"9007199254740993.01"  # a float ends in ...992.0


def test_each_write_has_a_timeout_and_is_sent_once_whatever_breaks(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    bench.create(ledger, bench.draft(customer, "WARM-UP"))
    monkeypatch.setattr("connectors.xero.client.TIMEOUT", (1, 0.1))
    running.sandbox.faults.ordered[:] = [Fault("xero", "timeout_before", method="PUT", seconds=0.5, times=-1)]
    before = running.sandbox.vendors["xero"].calls.total()
    with pytest.raises(OutcomeUnknown):
        ledger.documents.create([bench.draft(customer, "T-1")], "k1")
    running.sandbox.faults.ordered.clear()
    assert running.sandbox.vendors["xero"].calls.total() - before == 1


def test_a_server_that_is_not_there_did_nothing(running: Running) -> None:
    settings = Settings(name="x", vendor="xero", base_url="http://127.0.0.1:9/xero", account=TENANT)
    ledger = connect(settings, Ports(credentials=FixedToken("sandbox-xero-test"), clock=NoWait()))
    with pytest.raises(Retryable):
        ledger.documents.create([bench.draft(Ref(id="1"), "T-1", bench.line(1, class_=""))], "k1")


def test_used_up_calls_of_the_day_say_when_to_come_back_and_are_not_waited_for(running: Running) -> None:
    ledger = ledger_of(running)
    ledger.probe()
    books(running).limits = (RateLimit("minute", 60, 60, path=API), RateLimit("day", 1, 24 * 60 * 60, path=API))
    with pytest.raises(DailyLimit) as caught:
        ledger.probe()
    assert caught.value.until > datetime.now(UTC)
    assert running.sandbox.vendors["xero"].calls.total() == 2


def test_a_full_minute_is_waited_for_before_a_call_is_refused(running: Running) -> None:
    books(running).limits = (RateLimit("minute", 1, 10, path=API), RateLimit("day", 5000, 24 * 60 * 60, path=API))
    settings = Settings(name="x", vendor="xero", base_url=f"{running.url}/xero", account=TENANT, minute_seconds=0.6)
    ledger = connect(settings, Ports(credentials=FixedToken("sandbox-xero-test"), clock=RealClock()))
    for _ in range(3):
        ledger.probe()
    assert running.sandbox.vendors["xero"].calls.total() == 3  # Xero says how many calls are left


def test_a_price_with_too_many_decimals_goes_as_one_times_the_amount_and_is_said_in_words(
    running: Running, exchanges: list[Exchange]
) -> None:
    ledger = ledger_of(running)
    line = bench.line(10, quantity=Decimal("7"), unit_price=Decimal("0.01428571"), description="API calls")
    bench.create(ledger, bench.draft(bench.customer(ledger), "Q-1", line))
    sent = sent_line(exchanges)
    assert (sent["Quantity"], sent["UnitAmount"], sent["LineAmount"]) == (1, Decimal("0.10"), Decimal("0.10"))
    assert sent["Description"] == "API calls (7 × 0.01428571 GBP)"


def test_four_decimals_of_a_price_are_kept(running: Running, exchanges: list[Exchange]) -> None:
    ledger = ledger_of(running)
    line = bench.line(123_46, quantity=Decimal("10000"), unit_price=Decimal("0.012346"))
    fine = bench.line(123_45, quantity=Decimal("10000"), unit_price=Decimal("0.0123"))
    kept = bench.line(123_00, quantity=Decimal("10000"), unit_price=Decimal("0.0123"))
    bench.create(ledger, bench.draft(bench.customer(ledger), "Q-1", kept, line, fine))
    assert (sent_line(exchanges)["Quantity"], sent_line(exchanges)["UnitAmount"]) == (10000, Decimal("0.0123"))
    (stored,) = books(running).books.invoices.values()
    assert [one["UnitAmount"] for one in stored["LineItems"][:3]] == [
        Decimal("0.0123"),
        Decimal("123.46"),
        Decimal("123.45"),
    ]


def test_no_rate_no_mark_and_of_the_contact_only_its_id_are_sent(running: Running, exchanges: list[Exchange]) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    bench.create(ledger, bench.draft(customer, "E-1", bench.line(1, currency="EUR"), currency="EUR", po_number="PO-7"))
    (invoice,) = json.loads(exchanges[-1].body)["Invoices"]
    assert invoice["Contact"] == {"ContactID": customer.id}
    assert invoice["Reference"] == "PO-7"
    assert "CurrencyRate" not in invoice
    assert b"netterms" not in exchanges[-1].body


def test_a_memo_is_a_line_of_text_without_an_amount(running: Running, exchanges: list[Exchange]) -> None:
    ledger = ledger_of(running)
    document = bench.create(ledger, bench.draft(bench.customer(ledger), "E-1", memo="Pay to account 12345678"))
    (invoice,) = json.loads(exchanges[-1].body)["Invoices"]
    assert invoice["LineItems"][-1] == {"Description": "Pay to account 12345678"}
    assert document.total == 100_00


def test_a_class_that_xero_does_not_have_is_rejected_by_name(running: Running) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    drafts = [bench.draft(customer, "K-1", bench.line(1, class_="Hardware")), bench.draft(customer, "K-2")]
    rejected, created = ledger.documents.create(drafts, "k1")
    assert isinstance(rejected, Rejected)
    assert "Hardware" in rejected.reason
    assert isinstance(created, Created)


def test_options_of_the_same_name_are_told_apart_by_their_category(running: Running) -> None:
    region = {"Name": "Region", "Status": "ACTIVE", "TrackingCategoryID": "x", "Options": [{"Name": "Software"}]}
    books(running).books.tracking.append(region)
    ledger = ledger_of(running)
    assert set(ledger.setup().classes) == {"Department: Software", "Services", "Region: Software"}
    draft = bench.draft(bench.customer(ledger), "K-1", bench.line(1, class_="Region: Software"))
    bench.create(ledger, draft)
    (stored,) = books(running).books.invoices.values()
    assert stored["LineItems"][0]["Tracking"] == [{"Name": "Region", "Option": "Software"}]


def test_a_number_that_exists_is_never_overwritten(running: Running) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    bench.create(ledger, bench.draft(customer, "D-1", bench.line(100_00)))
    (again,) = ledger.documents.create([bench.draft(customer, "D-1", bench.line(777_00))], "other")
    assert isinstance(again, Adopted)
    assert again.found.total == 100_00


def test_invoices_and_credit_notes_of_one_batch_go_under_two_keys(running: Running, exchanges: list[Exchange]) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    note, invoice = bench.draft(customer, "CN-1", type="credit_note"), bench.draft(customer, "I-1")
    results = ledger.documents.create([note, invoice], "k" * 36)
    assert [result.found.number for result in results if isinstance(result, Created)] == ["CN-1", "I-1"]
    keys = [exchange.headers["Idempotency-Key"] for exchange in exchanges if exchange.method == "PUT"][1:]
    assert set(keys) == {"k" * 36 + "-invoice", "k" * 36 + "-credit_note"}


@pytest.mark.parametrize("status", [401, 400, 429, 500])
def test_a_batch_whose_second_call_fails_is_unknown_as_a_whole(running: Running, status: int) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    drafts = [bench.draft(customer, "I-1"), bench.draft(customer, "CN-1", type="credit_note")]
    running.sandbox.faults.ordered[:] = [Fault("xero", "error_before", "PUT", "CreditNotes", status=status, times=-1)]
    with pytest.raises(OutcomeUnknown):
        ledger.documents.create(drafts, "k1")
    running.sandbox.faults.ordered.clear()
    found = ledger.documents.find(drafts)
    assert [document and document.number for document in found] == ["I-1", None]


def test_a_look_up_that_fails_after_a_partial_save_leaves_the_batch_unknown(running: Running) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    drafts = [bench.draft(customer, "I-1"), bench.draft(Ref(id=bench.unknown_id()), "I-2")]
    running.sandbox.faults.ordered[:] = [Fault("xero", "error_before", "GET", "Invoices", times=-1)]
    with pytest.raises(OutcomeUnknown):
        ledger.documents.create(drafts, "k1")
    running.sandbox.faults.ordered.clear()
    assert bench.documents_held(running) == 1


def test_a_request_that_xero_will_never_accept_is_refused(running: Running) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    ledger.documents.create([bench.draft(customer, "I-1")], "same")
    with pytest.raises(Refused, match="Idempotency-Key"):
        ledger.documents.create([bench.draft(customer, "I-2")], "same")


def test_an_archived_customer_is_found_as_inactive_and_not_made_anew(running: Running) -> None:
    ledger = ledger_of(running)
    draft = bench.customer_draft("GBP")
    customer = bench.customer(ledger)
    books(running).books.contacts[customer.id]["ContactStatus"] = "ARCHIVED"
    (found,) = ledger.customers.find([draft])
    assert found is not None
    assert (found.ref, found.active) == (customer, False)
    (again,) = ledger.customers.create([draft], "again")
    assert isinstance(again, Adopted)


def test_many_keys_are_looked_up_in_urls_that_stay_short(running: Running, exchanges: list[Exchange]) -> None:
    ledger = ledger_of(running)
    document = bench.create(ledger, bench.draft(bench.customer(ledger), "P-1"))
    drafts = [bench.payment_draft(document, 1, f"ch_{number:018}") for number in range(50)]
    ledger.payments.create(drafts, "pay")
    del exchanges[:]
    assert all(found is not None for found in ledger.payments.find(drafts))
    assert len(exchanges) <= 2
    assert max(len(exchange.url) for exchange in exchanges) < 2000


def test_changes_are_read_over_all_pages(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.xero.client.PAGE_SIZE", 2)
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    drafts = [bench.draft(customer, f"P-{number}") for number in range(5)]
    ledger.documents.create(drafts, "k1")
    assert {document.number for document in ledger.changes(None).documents} == {draft.number for draft in drafts}


def test_without_a_number_of_pages_a_list_goes_on_while_pages_are_full(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.xero.client.PAGE_SIZE", 2)
    monkeypatch.setattr("connectors.xero.client.DEFAULT_PAGE", 2)
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    drafts = [bench.draft(customer, f"P-{number}") for number in range(4)]
    ledger.documents.create(drafts, "k1")
    books(running).answers.counts_pages = False
    changes = ledger.changes(None)
    assert sorted(document.number for document in changes.documents) == [draft.number for draft in drafts]


def test_a_list_that_is_not_cut_into_pages_ends_with_the_page_that_comes_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_of(running)
    ledger.documents.create([bench.draft(bench.customer(ledger), f"P-{number}") for number in range(3)], "k1")
    monkeypatch.setattr("connectors.xero.client.DEFAULT_PAGE", 3)
    original = Client.get

    def whole(self: Client, path: str, query: Any = (), since: Any = None) -> Any:
        answer = original(self, path, [one for one in query if one[0] not in ("page", "pageSize")], since)
        return {name: value for name, value in answer.items() if name != "pagination"}

    monkeypatch.setattr(Client, "get", whole)
    assert len(ledger.changes(None).documents) == 3


def test_a_payment_is_in_its_invoices_currency_where_xero_shows_none_with_it(running: Running) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    document = bench.create(ledger, bench.draft(customer, "P-1", bench.line(5000, currency="JPY"), currency="JPY"))
    draft = bench.payment_draft(document, 4000, "ch_1")
    (made,) = ledger.payments.create([draft], "k1")
    assert isinstance(made, Created)
    (found,) = ledger_of(running).payments.find([draft])
    (changed,) = ledger.changes(None).payments
    assert {(one.currency, one.amount) for one in (made.found, found, changed) if one} == {("JPY", 4000)}


def test_the_currency_of_a_payment_alone_is_read_with_its_invoice(running: Running) -> None:
    ledger = ledger_of(running)
    document = bench.create(
        ledger, bench.draft(bench.customer(ledger), "P-1", bench.line(5000, currency="JPY"), currency="JPY")
    )
    ledger.payments.create([bench.payment_draft(document, 4000, "ch_1")], "k1")
    (row,) = books(running).books.payments.values()
    later = running.sandbox.clock.now() + timedelta(hours=1)
    row["UpdatedDateUTC"] = f"/Date({int(later.timestamp() * 1000)}+0000)/"  # reconciled: its invoice did not change
    changes = ledger.changes(later)
    assert (len(changes.documents), [(one.currency, one.amount) for one in changes.payments]) == (0, [("JPY", 4000)])


def test_a_change_made_while_changes_are_read_is_not_skipped_next_time(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_of(running)
    customer = bench.customer(ledger)
    first, second = (bench.create(ledger, bench.draft(customer, f"P-{number}")) for number in range(2))
    stored, original = books(running).books, Client.pages

    def pages(self: Client, path: str, *arguments: Any) -> Any:
        if path == "Payments":  # the invoices have been read by now
            stored.invoices[first.ref.id].update(stored.stamp())
            late = {"Invoice": {"InvoiceID": second.ref.id}, "Account": {"Code": "091"}, "Date": "2026-03-11"}
            create_payment(stored, {**late, "Amount": Decimal(1), "Reference": "late"})
        return original(self, path, *arguments)

    monkeypatch.setattr(Client, "pages", pages)
    begun = running.sandbox.clock.now()
    changes = ledger.changes(None)
    assert [payment.key for payment in changes.payments] == ["late"]
    assert changes.cursor == begun


def test_a_contact_that_was_merged_says_into_which(running: Running) -> None:
    ledger = ledger_of(running)
    kept, gone = (books(running).books.create_contact({"Name": name})["ContactID"] for name in ("Kept", "Gone"))
    books(running).books.merge_contacts(gone, kept)
    found = {one.name: one for one in ledger.changes(None).customers}
    assert (found["Gone"].active, found["Gone"].merged_into) == (False, kept)
    assert (found["Kept"].active, found["Kept"].merged_into, found["Kept"].currency) == (True, "", "")
