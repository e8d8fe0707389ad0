"""Whatever happens to a call, each object exists once at its ledger and no difference goes unsaid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from billing.terms import BillingContact
from connectors import http
from connectors.base import DocumentDraft, LedgerCustomer, Memory, Ref
from connectors.errors import AuthExpired, DailyLimit, Forbidden, OutcomeUnknown, Refused, Retryable
from sync.decide import both_sides, give_to
from tests.worlds import DAILY, NOBODY, Bench, Live, Shelf, fail, lost_after, lost_after_only, lost_before, refuse

STATES = "SELECT state FROM outbox WHERE kind='document' ORDER BY our_id"


def states(bench: Bench) -> list[str]:
    return [state for (state,) in bench.rows(STATES)]


# ----------------------------------------------------------------------------------------------------- the intent first


def test_the_intent_is_committed_as_sending_before_the_vendor_is_called(bench: Bench) -> None:
    seen: list[tuple[Any, ...]] = []

    def look(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        seen.extend(bench.rows("SELECT state, call_key, attempts FROM outbox WHERE kind='document'"))
        return [shelf.put(item) for item in batch]

    bench.uk.documents.acts = [look]
    bench.bill("A")
    bench.run("push_documents")
    key = bench.uk.documents.sent[0][0]
    assert seen == [("sending", key, 1)]
    assert states(bench) == ["done"]


def test_what_a_dead_process_left_as_sending_is_looked_up_before_anything_is_sent(bench: Bench) -> None:
    def die(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        for item in batch:
            shelf.put(item)
        raise KeyboardInterrupt  # as SIGKILL: nothing is noted any more

    bench.uk.documents.acts = [die]
    bench.bill("A")
    with pytest.raises(KeyboardInterrupt):
        bench.run("push_documents")
    assert states(bench) == ["sending"]
    _abandon(bench)
    result = bench.run("push_documents")["push_documents"]
    assert result.tally == {"documents found in the books": 1}
    assert len(bench.uk.documents.sent) == 1
    assert states(bench) == ["done"]


def _abandon(bench: Bench) -> None:
    """Give back the lease that a killed process would leave to time or to a look at its process id."""
    with bench.store() as store, store.transaction():
        store.execute("UPDATE runs SET outcome='abandoned' WHERE outcome IS NULL")


def test_a_document_carries_the_address_of_its_contracts_billing_contact_if_it_has_one(bench: Bench) -> None:
    bench.contract("A", billing_contact=BillingContact(email="bo@a.example"))
    bench.contract("B", billing_contact=BillingContact(name="Bo Lee"))
    bench.bill("C")
    bench.run("push_documents")
    sent = [
        email for (email,) in bench.rows("SELECT payload ->> 'email' FROM outbox WHERE kind='document' ORDER BY id")
    ]
    assert sent == ["bo@a.example", "ap@b.example", "ap@c.example"]


# ----------------------------------------------------------------------------------------------------- unknown outcomes


def test_an_answer_lost_after_the_vendor_booked_is_found_by_our_number_and_never_sent_again(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_after]
    bench.bill("A", "B")
    result = bench.run("push_documents")["push_documents"]
    assert result.tally["documents found in the books"] == 2
    assert bench.uk.documents.asked == [("UK-00001", "UK-00002")]
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 1
    assert states(bench) == ["done", "done"]


def test_a_batch_that_never_arrived_goes_out_again_under_the_same_key(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_before]
    bench.bill("A", "B")
    bench.run("push_documents")
    assert states(bench) == ["new", "new"]
    bench.run("push_documents")
    first, second = bench.uk.documents.sent
    assert first == second
    assert states(bench) == ["done", "done"]


def test_a_batch_that_is_lost_again_goes_out_under_another_key_in_case_the_vendor_stored_a_failure(
    bench: Bench,
) -> None:
    bench.uk.documents.acts = [lost_before, lost_before]
    bench.bill("A")
    for minutes in (0, 1, 32, 34):
        bench.later = timedelta(minutes=minutes)
        bench.run("push_documents")
    first, second, third = (key for key, _ in bench.uk.documents.sent)
    assert first == second != third
    assert states(bench) == ["done"]


def test_a_batch_of_which_a_part_arrived_goes_out_again_under_another_key(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_after_only("UK-00001")]
    bench.bill("A", "B")
    bench.run("push_documents")
    assert states(bench) == ["done", "uncertain"]  # another key would not tell the vendor that it is the same
    bench.later = timedelta(minutes=2)
    bench.run("push_documents")
    (first, _), (second, again) = bench.uk.documents.sent
    assert again == ("UK-00002",)
    assert second != first


def test_a_document_that_came_later_is_not_mixed_into_a_batch_that_goes_out_again(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_before]
    bench.bill("A")
    bench.run("push_documents")
    bench.bill("B")
    bench.run("push_documents")
    first, *later = bench.uk.documents.sent
    assert [numbers for _, numbers in later] == [("UK-00001",), ("UK-00002",)]
    assert later[0] == first
    assert later[1][0] != first[0]


def test_a_document_found_with_another_total_is_parked_with_both_totals_in_the_item(bench: Bench) -> None:
    def book_wrongly(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        shelf.put(batch[0], total=99_00)
        return lost_before(shelf, batch)

    bench.uk.documents.acts = [book_wrongly]
    bench.bill("A")
    bench.run("push_documents")
    assert states(bench) == ["parked"]
    item = bench.item("document_not_booked")
    assert "99.00 GBP there" in item.message
    assert "100.00 GBP here" in item.message
    assert item.choices == ["retry", "dismiss"]
    before = bench.contents()
    bench.run("push_documents")
    assert bench.contents() == before
    assert len(bench.uk.documents.sent) == 1


def test_a_document_found_at_another_customer_is_parked_with_both_customers_in_the_item(bench: Bench) -> None:
    def book_elsewhere(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        shelf.put(batch[0], customer_id="another-1")
        return lost_before(shelf, batch)

    bench.uk.documents.acts = [book_elsewhere]
    bench.bill("A")
    bench.run("push_documents")
    message = bench.item("document_not_booked").message
    assert "customer another-1 there" in message
    assert "CustomerDraft-Customer A here" in message


def test_a_document_booked_with_another_total_than_asked_for_counts_as_booked_and_is_reported(bench: Bench) -> None:
    bench.uk.documents.acts = [lambda shelf, batch: [shelf.put(batch[0], total=120_00)]]
    bench.bill("A")
    bench.run("push_documents")
    assert states(bench) == ["done"]
    assert "120.00 GBP there and 100.00 GBP here" in bench.item("document_booked_differently").message


# ------------------------------------------------------------------------------- keys that a vendor may have forgotten


def forgetful(bench: Bench) -> None:
    """Let the ledger say nothing of how long it knows keys, and find what was written after a minute."""
    bench.uk.memory = Memory(keys=timedelta(0), lag=timedelta(minutes=1))


def test_at_a_ledger_that_may_forget_keys_at_once_a_lost_call_waits_until_it_was_absent_twice(bench: Bench) -> None:
    forgetful(bench)
    bench.uk.documents.acts = [lost_before]
    bench.bill("A")
    for minutes, calls in ((0, 1), (1, 1), (2, 2)):  # one minute later it may still be hidden
        bench.later = timedelta(minutes=minutes)
        bench.run("push_documents")
        assert len(bench.uk.documents.sent) == calls
    (first, _), (second, _) = bench.uk.documents.sent
    assert first != second
    assert states(bench) == ["done"]


def test_what_the_search_finds_only_later_is_found_and_not_sent_again(bench: Bench) -> None:
    hidden: list[Any] = []

    def book_out_of_sight(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        lost = lost_after_only("UK-00001")
        try:
            return lost(shelf, batch)
        finally:
            hidden.append(shelf.held.pop("UK-00001"))

    forgetful(bench)
    bench.uk.documents.acts = [book_out_of_sight]
    bench.bill("A")
    bench.run("push_documents")
    bench.later = timedelta(seconds=50)
    bench.run("push_documents")
    bench.uk.documents.held["UK-00001"] = hidden[0]
    bench.later = timedelta(minutes=3)
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 1
    assert states(bench) == ["done"]


def test_a_key_that_has_grown_old_is_not_used_again_and_no_new_one_before_a_second_look(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_before]
    bench.bill("A")
    bench.run("push_documents")
    assert states(bench) == ["new"]  # to go out once more under its key, but the process is down for an hour
    bench.later = timedelta(hours=1)
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 1
    bench.later = timedelta(hours=1, minutes=1)
    bench.run("push_documents")
    (first, _), (second, _) = bench.uk.documents.sent
    assert first != second
    assert states(bench) == ["done"]


def test_a_clock_that_was_set_back_makes_no_key_young_again(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_before]
    bench.bill("A")
    bench.run("push_documents")
    bench.later = timedelta(hours=-3)
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 1
    for hours in (-2, -1):
        bench.later = timedelta(hours=hours)
        bench.run("push_documents")
    assert states(bench) == ["done"]


def test_a_payload_that_was_tampered_with_is_not_sent(bench: Bench) -> None:
    bench.uk.documents.acts = [fail(Retryable("too many calls"))]
    bench.bill("A")
    bench.run("push_documents")
    with bench.store() as store:
        store.execute("UPDATE outbox SET payload=replace(payload, '10000', '90000') WHERE kind='document'")
    result = bench.run("push_documents")["push_documents"]
    assert result.outcome == "partly"
    assert "is not the one that was committed" in result.failures["books_uk"]
    assert bench.uk.documents.held == {}


def test_what_gets_no_answer_again_and_again_is_shown_tried_alone_and_further_apart(bench: Bench) -> None:
    def poisoned(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        if any(item.number == "UK-00002" for item in batch):
            raise OutcomeUnknown("the ledger answered 500")
        return [shelf.put(item) for item in batch]

    bench.uk.documents.acts = [poisoned] * 6
    bench.bill("A", "B", "C")
    for minutes in (0, 1, 40, 45):
        bench.later = timedelta(minutes=minutes)
        bench.run("push_documents")
    assert set(bench.uk.documents.held) == {"UK-00001", "UK-00003"}
    item = bench.item("document_delayed")
    assert "UK-00002 at books_uk got no answer 3 times: the ledger answered 500" in item.message
    assert "after 2026-09-01 13:40 UTC" in item.fix
    calls = len(bench.uk.documents.sent)
    bench.later = timedelta(minutes=50)
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == calls  # it rests
    bench.uk.documents.acts = []
    bench.decide("document_delayed", "retry")
    bench.run("push_documents")
    assert set(states(bench)) == {"done"}
    assert bench.items() == []


# -------------------------------------------------------------------------------------------- both sides, and who looks


def test_what_was_found_and_differs_is_kept_beside_what_was_meant(bench: Bench) -> None:
    def book_wrongly(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        shelf.put(batch[0], total=99_00, customer_id="another-1")
        return lost_before(shelf, batch)

    bench.uk.documents.acts = [book_wrongly]
    bench.bill("A")
    bench.run("push_documents")
    with bench.store() as store:
        sides = both_sides(store, bench.item("document_not_booked"))
    assert sides[:2] == [
        ("customer", "CustomerDraft-Customer A", "another-1"), ("amount", "100.00 GBP", "99.00 GBP"),
    ]  # fmt: skip
    assert ("number", "UK-00001", "UK-00001") in sides


def test_a_parked_document_that_somebody_booked_by_hand_meanwhile_is_found_on_retry_and_not_sent(bench: Bench) -> None:
    bench.uk.documents.acts = [refuse("UK-00001", "the period is locked")]
    bench.bill("A")
    bench.run("push_documents")
    draft = bench.rows("SELECT payload FROM outbox WHERE kind='document'")[0][0]
    bench.uk.documents.put(msgspec.json.decode(draft, type=DocumentDraft))
    bench.decide("document_not_booked", "retry")
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 1
    assert states(bench) == ["done"]


def test_an_item_has_an_owner_until_it_is_given_back(bench: Bench) -> None:
    bench.uk.documents.acts = [refuse("UK-00001", "the period is locked")]
    bench.bill("A")
    bench.run("push_documents")
    item = bench.item("document_not_booked")
    with bench.store() as store:
        give_to(store, NOBODY, item.id, " Ada ")
    bench.run("push_documents")
    assert bench.item("document_not_booked").owner == "Ada"
    with bench.store() as store:
        give_to(store, NOBODY, item.id, "")
        with pytest.raises(ValueError, match="no open review item 99"):
            give_to(store, NOBODY, 99, "Ada")
    assert bench.item("document_not_booked").owner == ""
    assert bench.rows("SELECT before, after FROM audit WHERE action='owner'") == [
        ('{"owner":""}', '{"owner":"Ada"}'), ('{"owner":"Ada"}', '{"owner":""}'),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- refusals


def test_one_refused_document_is_parked_and_the_others_of_its_batch_are_booked(bench: Bench) -> None:
    bench.uk.documents.acts = [refuse("UK-00002", "the period is locked")]
    bench.bill("A", "B", "C")
    result = bench.run("push_documents")["push_documents"]
    assert result.outcome == "done"
    assert states(bench) == ["done", "parked", "done"]
    assert "Invoice UK-00002 at books_uk: the period is locked" in bench.item("document_not_booked").message


def test_retry_sends_a_parked_document_anew_and_its_item_closes(bench: Bench) -> None:
    bench.uk.documents.acts = [refuse("UK-00001", "the period is locked")]
    bench.bill("A")
    bench.run("push_documents")
    bench.decide("document_not_booked", "retry")
    bench.run("push_documents")
    (first, _), (second, _) = bench.uk.documents.sent
    assert first != second  # a ledger may replay its refusal under the old key
    assert states(bench) == ["done"]
    assert bench.items() == []


def test_of_a_call_refused_as_a_whole_each_goes_alone_and_only_the_one_at_fault_is_parked(bench: Bench) -> None:
    def refuse_b(shelf: Shelf, batch: Sequence[Any]) -> list[Any]:
        if any(item.number == "UK-00002" for item in batch):
            raise Refused("the request is not valid")
        return [shelf.put(item) for item in batch]

    bench.uk.documents.acts = [refuse_b] * 5
    bench.bill("A", "B", "C", "D")
    bench.run("push_documents")
    assert [len(numbers) for _, numbers in bench.uk.documents.sent] == [3, 1, 1, 1, 1]
    assert states(bench) == ["done", "parked", "done", "done"]
    assert "UK-00002 at books_uk: the request is not valid" in bench.item("document_not_booked").message


def test_a_batch_in_doubt_that_is_refused_as_a_whole_stays_in_doubt(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_before, fail(Refused("the key is used already"))]
    bench.bill("A", "B")
    bench.run("push_documents")
    bench.run("push_documents")
    assert states(bench) == ["uncertain", "uncertain"]
    bench.later = timedelta(hours=1)
    bench.run("push_documents")
    assert [len(numbers) for _, numbers in bench.uk.documents.sent] == [2, 2, 1, 1]
    assert states(bench) == ["done", "done"]


def test_what_may_not_be_written_waits_and_the_connection_goes_on(bench: Bench) -> None:
    bench.uk.documents.acts = [fail(Forbidden("403: the scope is missing"))]
    bench.bill("A", "B", "C", "D")
    result = bench.run("push_documents")["push_documents"]
    assert (result.failures, set(states(bench))) == ({}, {"new"})
    assert bench.item("not_permitted").message == "documents cannot be written at books_uk: 403: the scope is missing"
    bench.run("push_documents")
    assert (set(states(bench)), bench.items()) == ({"done"}, [])


@pytest.mark.parametrize("error", [Retryable("too many calls"), AuthExpired("the token is dead")])
def test_a_call_that_surely_did_nothing_leaves_everything_new_and_stops_only_its_connection(
    bench: Bench, error: Exception
) -> None:
    bench.uk.documents.acts = [fail(error)]
    bench.contract("U", entity="us")
    bench.bill("A", "B", "C", "D")
    result = bench.run("push_documents")["push_documents"]
    assert result.outcome == "partly"
    assert result.failures == {"books_uk": str(error)}
    assert len(bench.uk.documents.sent) == 1  # the second batch was not tried
    assert set(bench.books["books_us"].documents.held) == {"US-00001"}
    assert sorted(states(bench)) == ["done", "new", "new", "new", "new"]
    bench.run("push_documents")
    assert set(states(bench)) == {"done"}


def test_calls_that_surely_did_nothing_do_not_tear_a_batch_apart(bench: Bench) -> None:
    bench.uk.documents.acts = [fail(Retryable("too many calls"))] * 4
    bench.bill("A", "B", "C")
    for _ in range(5):
        bench.run("push_documents")
    assert [len(numbers) for _, numbers in bench.uk.documents.sent] == [3] * 5
    assert len({key for key, _ in bench.uk.documents.sent}) == 1
    assert states(bench) == ["done"] * 3


def test_a_batch_in_doubt_stays_so_although_its_next_call_surely_did_nothing(bench: Bench) -> None:
    bench.uk.documents.acts = [lost_before, fail(Retryable("too many calls"))]
    bench.bill("A")
    bench.run("push_documents")
    bench.run("push_documents")
    bench.later = timedelta(hours=1)  # its key may be forgotten now
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 2
    bench.run("push_documents")
    assert len(bench.uk.documents.sent) == 3
    assert states(bench) == ["done"]


def test_a_daily_limit_stops_the_connection_without_losing_anything(bench: Bench) -> None:
    bench.uk.documents.acts = [fail(DailyLimit("no calls left", until=bench.now()))]
    bench.bill("A")
    assert bench.run("push_documents")["push_documents"].outcome == "partly"
    assert states(bench) == ["new"]


def test_documents_wait_for_their_customer_and_follow_once_it_is_booked(bench: Bench) -> None:
    bench.uk.customers.acts = [refuse("Customer A", "the name is not allowed")]
    bench.bill("A", "B")
    bench.run("push_documents")
    assert set(bench.uk.documents.held) == {"UK-00002"}
    bench.decide("customer_not_booked", "retry")
    bench.run("push_documents")
    assert set(bench.uk.documents.held) == {"UK-00001", "UK-00002"}


@pytest.mark.parametrize(("new", "asked"), [(50, True), (51, False)])
def test_many_new_customers_are_not_looked_up_one_by_one(bench: Bench, new: int, asked: bool) -> None:
    for number in range(new):
        bench.contract(f"{number:03}")
    bench.run("plan_invoices", "issue_invoices", "push_documents")
    assert bool(bench.uk.customers.asked) == asked
    assert len(bench.uk.customers.held) == len(bench.uk.documents.held) == new


# ------------------------------------------------------------------------------------------------ customers of our name


def stranger(**changes: str) -> LedgerCustomer:
    return LedgerCustomer(ref=Ref(id="old-7"), name="Customer A", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("known", [{"email": "Billing@A.example"}, {"tax_id": "gb 123"}])
def test_a_customer_of_our_name_with_our_tax_id_or_mail_domain_is_linked(bench: Bench, known: dict[str, str]) -> None:
    bench.contract("A")
    with bench.store() as store, store.transaction():
        store.execute("UPDATE customers SET data = json_set(data, '$.tax_id', 'GB123')")
    bench.uk.customers.held["Customer A"] = stranger(**known)
    bench.run("plan_invoices", "issue_invoices", "push_documents")
    assert bench.uk.customers.sent == []
    assert bench.uk.documents.held["UK-00001"].customer_id == "old-7"


@pytest.mark.parametrize(
    "known", [{}, {"email": "ap@other.example"}, {"key": "crm-B", "email": "ap@a.example"}],
    ids=["nothing known", "another domain", "another customer's mark"],
)  # fmt: skip
def test_a_customer_of_our_name_alone_is_a_question_and_nothing_is_booked(bench: Bench, known: dict[str, str]) -> None:
    bench.uk.customers.held["Customer A"] = stranger(**known)
    bench.bill("A")
    bench.run("push_documents")
    item = bench.item("customer_not_booked")
    assert "old-7" in item.message
    assert "a.example" in item.message
    assert item.choices == ["link", "retry", "dismiss"]
    assert bench.uk.customers.sent == bench.uk.documents.sent == []


def test_link_takes_the_customer_that_is_there_and_books_to_it(bench: Bench) -> None:
    bench.uk.customers.held["Customer A"] = stranger()
    bench.bill("A")
    bench.run("push_documents")
    bench.decide("customer_not_booked", "link")
    bench.run("push_documents")
    assert bench.uk.documents.held["UK-00001"].customer_id == "old-7"
    assert bench.uk.customers.sent == []
    assert bench.items() == []


def test_retry_creates_the_customer_once_the_other_one_was_renamed(bench: Bench) -> None:
    bench.uk.customers.held["Customer A"] = stranger()
    bench.bill("A")
    bench.run("push_documents")
    bench.uk.customers.held.clear()
    bench.decide("customer_not_booked", "retry")
    bench.run("push_documents")
    assert [numbers for _, numbers in bench.uk.customers.sent] == [("Customer A",)]
    assert set(bench.uk.documents.held) == {"UK-00001"}


def test_a_line_that_the_mapping_cannot_code_keeps_its_document_back_and_says_what_to_mend(bench: Bench) -> None:
    bench.contract("A")
    with bench.store() as store, store.transaction():
        store.execute("UPDATE contracts SET terms = replace(terms, '\"services\"', '\"exotic\"')")
    bench.entities["uk"].tax_rates["exotic"] = bench.entities["uk"].tax_rates["services"]
    bench.run("plan_invoices", "issue_invoices", "push_documents")
    item = bench.item("line_not_coded")
    assert "UK-00001" in item.message
    assert "xero.toml" in item.fix
    assert bench.uk.documents.sent == []


# ---------------------------------------------------------------------------------------- the same with real connectors


@pytest.mark.parametrize("kind", ["error_after", "reset_after", "cut_body"])
@pytest.mark.parametrize(("currency", "vendor", "path"), [("GBP", "xero", "Invoices"), ("USD", "quickbooks", "batch")])
def test_a_ledger_that_books_and_then_breaks_holds_each_invoice_once(
    live: Live, kind: str, currency: str, vendor: str, path: str
) -> None:
    live.sell(deal_currency_code=currency)
    live.fault(vendor, kind, method="PUT" if vendor == "xero" else "POST", path=path)
    for _ in range(3):
        live.sync(*DAILY)
    state = live.sandbox.vendors[vendor].state()
    assert len(state["invoices"]) == 1
    assert len(state["contacts" if vendor == "xero" else "customers"]) == 1
    assert set(live.rows("SELECT state FROM outbox")) == {("done",)}
    assert live.items() == []


@pytest.mark.parametrize(("currency", "vendor", "path"), [("GBP", "xero", "Invoices"), ("USD", "quickbooks", "batch")])
def test_an_answer_that_drips_is_no_answer_and_what_was_booked_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch, currency: str, vendor: str, path: str
) -> None:
    live.sell(deal_currency_code=currency)
    live.done(*DAILY[:-1])
    monkeypatch.setattr(http, "LONGEST_ANSWER", 0.5)
    live.fault(vendor, "drip", method="PUT" if vendor == "xero" else "POST", path=path, seconds=0.05)
    tallies = [live.sync("push_documents")["push_documents"].tally for _ in range(3)]
    assert sum(count for tally in tallies for what, count in tally.items() if "found in the books" in what) == 1
    assert len(live.sandbox.vendors[vendor].state()["invoices"]) == 1
    assert live.rows("SELECT state, count(*) FROM outbox GROUP BY state") == [("done", 2)]


def test_a_read_that_drips_is_made_again(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.pay(100_00)
    monkeypatch.setattr(http, "LONGEST_ANSWER", 0.5)
    live.fault("stripe", "drip", path="balance_transactions", seconds=0.05)
    calls: list[int] = []
    for _ in range(2):
        before = live.sandbox.vendors["stripe"].calls["GET /v1/balance_transactions"]
        live.done("pull_payments")
        calls.append(live.sandbox.vendors["stripe"].calls["GET /v1/balance_transactions"] - before)
    assert calls[0] == calls[1] + 1
