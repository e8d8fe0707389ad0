"""Every page over the demo's company: what it shows, how it pages and filters, and what it says when it is empty."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from billing.customer import Customer
from billing.money import display
from store import contracts, foreign, links, runs
from store.audit import Actor
from store.database import Store
from store.foreign import ForeignDraft
from store.pages import ROWS
from sync.jobs import JOBS
from tests.web.conftest import EVIL, HOSTILE, pages, read, words
from tests.worlds import Live

LISTS = {
    "/customers": "Here come the companies of your won deals",
    "/contracts": "Here come the contracts that your won deals make",
    "/invoices": "Here come invoices and credit notes",
    "/elsewhere": "netterms adopt reads those that stand in the books already",
    "/drafts": "Here comes what the contracts owe and is not billed yet",
    "/payments": "Here comes the money",
    "/review": "Nothing waits for a person",
    "/jobs": "Each run stands here for 90 days",
    "/connections": "not used yet",
}
LINK = re.compile(r'href="(/[^"#]*)"')


def addresses(client: FlaskClient) -> dict[str, str]:
    """Follow every link from the home page on; return each page's text by its address."""
    found: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path not in found:
            answer = client.get(path, buffered=True)
            assert answer.status_code == 200, path
            found[path] = answer.get_data(as_text=True)
            waiting += [html.unescape(link) for link in LINK.findall(found[path]) if not link.startswith("/static")]
    return found


@pytest.fixture(scope="session")
def crawled(walked: Live) -> dict[str, str]:
    return addresses(pages(walked).test_client())


# ----------------------------------------------------------------------------------------------------- all of the pages


def test_every_link_leads_to_a_page_and_every_kind_of_page_is_reached(crawled: dict[str, str], walked: Live) -> None:
    kinds = {re.sub(r"/(\d+|D\d+)(?=/|$)", "/…", path.partition("?")[0]) for path in crawled}
    single = {"/customers/…", "/contracts/…", "/invoices/…", "/payments/…", "/review/…"}
    single |= {"/invoices/…/credit", "/drafts/…/proforma", "/inbox"}
    assert kinds == {"/", *LISTS, *single}


def test_names_from_outside_are_text_on_every_page(crawled: dict[str, str]) -> None:
    assert [path for path, text in crawled.items() if "<script" in text or "<img" in text] == []
    assert sum(EVIL in read(text) for text in crawled.values()) > 5
    assert sum(HOSTILE in read(text) for text in crawled.values()) > 0


def test_no_page_needs_scripts_inline_styles_or_anything_from_elsewhere(crawled: dict[str, str]) -> None:
    for path, text in crawled.items():
        tags = re.sub(r">[^<]*<", "><", text)
        assert not re.search(r"<style|\sstyle=|\son\w+=", tags), path
        assert re.findall(r'(?:href|src|action)="(?!/(?!/)|#)[^"]*"', text) == [], path


def test_every_table_may_scroll_in_its_own_box_by_keyboard(crawled: dict[str, str]) -> None:
    for path, text in crawled.items():
        wide = re.findall(r"<table>", text)
        assert len(wide) == len(re.findall(r'<div class="scroll" tabindex="0" role="region" aria-label="', text)), path


def test_every_field_of_a_form_has_a_label(crawled: dict[str, str]) -> None:
    for path, text in crawled.items():
        fields = re.findall(r'<(?:input|select) (?!type="hidden")[^>]*id="([^"]+)"', text)
        assert len(fields) == len(re.findall(r'<(?:input|select) (?!type="hidden")', text)), path
        assert [field for field in fields if f'<label for="{field}">' not in text] == [], path


@pytest.mark.parametrize(("path", "promise"), LISTS.items())
def test_an_empty_list_says_what_will_stand_there(empty: Live, path: str, promise: str) -> None:
    assert promise in words(pages(empty).test_client(), path)


@pytest.mark.parametrize(
    "path",
    ["/customers/9999", "/contracts/nope", "/invoices/9999", "/elsewhere/9999", "/payments/9999", "/review/9999"],
)
def test_what_does_not_exist_is_said_in_words(walked_client: FlaskClient, path: str) -> None:
    answer = walked_client.get(path)
    assert answer.status_code == 404
    assert "There is no such" in read(answer.get_data(as_text=True))


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "99999999999999999999", ""])
def test_a_page_number_that_makes_no_sense_is_the_first(walked_client: FlaskClient, page: str) -> None:
    assert "UK-00001" in words(walked_client, f"/invoices?page={page}")


# ------------------------------------------------------------------------------------------------------------ the lists


def test_a_list_shows_fifty_rows_and_leads_to_the_next(empty: Live) -> None:
    with empty.store() as store, store.transaction():
        for number in range(ROWS + 7):
            save(store, f"Customer {number:03}")
    client = pages(empty).test_client()
    first, second = client.get("/customers").get_data(as_text=True), words(client, "/customers?page=2")
    assert "Customer 049" in first and "Customer 050" not in first
    assert 'href="/customers?page=2"' in first
    assert "Customer 050" in second and "Customer 049" not in second
    assert "← Before" in second and "Next" not in second


def test_the_second_page_of_a_search_is_a_search_too(empty: Live) -> None:
    with empty.store() as store, store.transaction():
        for number in range(ROWS + 1):
            save(store, f"Acme & {number}")
    page = pages(empty).test_client().get("/customers?q=acme+%26").get_data(as_text=True)
    assert "/customers?q=acme+%26&amp;page=2" in page


def save(store: Store, name: str) -> int:
    actor = Actor("test", datetime(2026, 9, 1, tzinfo=UTC))
    return links.save_customer(store, actor, "crm", name, Customer(name=name))


def test_customers_are_found_by_a_part_of_their_name_and_wild_cards_are_letters(walked_client: FlaskClient) -> None:
    assert "Changed Ltd" in words(walked_client, "/customers?q=CHANG")
    for wild in ("%", "_", "\\"):
        assert "No customer is called that" in read(
            walked_client.get("/customers", query_string={"q": wild}).get_data(as_text=True)
        )


def test_a_customer_stands_with_what_is_open_and_overdue(walked_client: FlaskClient, walked: Live) -> None:
    (total, late), = walked.rows(
        "SELECT sum(d.open), sum(CASE WHEN d.due_on < '2026-10-06' THEN d.open ELSE 0 END) FROM documents d"
        " JOIN customers c ON c.id=d.customer_id WHERE c.data ->> 'name' = 'Changed Ltd'"
    )  # fmt: skip
    assert late
    worded = f"{display(total, 'GBP')} ({display(late, 'GBP')} overdue)"
    assert worded in words(walked_client, "/customers?q=changed")


def test_a_customers_page_leads_to_all_that_is_theirs(walked_client: FlaskClient, walked: Live) -> None:
    page = words(walked_client, f"/customers/{row(walked, 'customers', 'Riverbend')}")
    assert re.search(r"Open nothing|Open [\d,.]+ GBP", page)
    assert "Riverbend Mobility Limited - Platform seats 2026" in page
    assert "UK-00001" in page
    assert "33,077.16 GBP" in page
    assert re.search(r"xero_uk customer \S+ GBP", page)
    assert re.search(r"stripe_uk payer cus_\w+", page)


def row(live: Live, table: str, name: str) -> Any:
    return live.rows(f"SELECT id FROM {table} WHERE data LIKE '%{name}%'")[0][0]


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ("state=overdue", "UK-00007", "UK-00001"),
        ("state=paid", "UK-00001", "UK-00007"),
        ("state=voided", "UK-00006", "UK-00001"),
        ("state=draft", "Kingsway Components LLC us not yet", "UK-00001"),
        ("entity=us", "US-00001", "UK-00001"),
        ("entity=us&state=overdue", "US-00001", "US-00002"),
        ("q=uk-00001", "UK-00001", "UK-00002"),
        ("q=Changed", "UK-00007", "UK-00001"),
        ("state=credit_note", "No document fits", "UK-00001"),
        ("state=nonsense&entity=nowhere", "UK-00001", "No document fits"),
    ],
)
def test_invoices_are_filtered_and_found(walked_client: FlaskClient, query: str, there: str, gone: str) -> None:
    page = words(walked_client, f"/invoices?{query}")
    assert there in page
    assert gone not in page


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ("state=unapplied", "7.00 GBP", "33,077.16 GBP"),
        ("entity=us", "USD", "33,077.16 GBP"),
        ("q=UK-00001", "33,077.16 GBP", "7.00 GBP 7.00 GBP"),
        ("q=riverbend", "33,077.16 GBP", "7.00 GBP 7.00 GBP"),
        ("state=failed", "No payment fits", "GBP"),
    ],
)
def test_payments_are_filtered_and_found(walked_client: FlaskClient, query: str, there: str, gone: str) -> None:
    page = words(walked_client, f"/payments?{query}")
    assert there in page
    assert gone not in page


# ----------------------------------------------------------------------------------------------------- one of each kind


def test_an_invoice_shows_its_lines_with_their_reasons_its_payment_and_the_books(
    walked_client: FlaskClient, walked: Live
) -> None:
    page = words(walked_client, f"/invoices/{walked.issued()['UK-00001'].id}")
    assert (
        "Data API access 1 Jul 2026 to 30 Jun 2027 1 year from 1 Jul 2026 at 20,195.89, less 10% 18,176.30 GBP" in page
    )
    assert "Subtotal 27,564.30 GBP Tax standard 20% on 22,064.30 GBP 4,412.86 GBP" in page
    assert "Total 33,077.16 GBP Open 0.00 GBP" in page
    assert "names UK-00001" in page
    assert "Ledger xero_uk On its way it is there As last seen there UK-00001, paid, total 33,077.16 GBP" in page
    assert "issued after: number: UK-00001, total: 33,077.16 GBP" in page


def test_an_invoice_that_the_books_refuse_says_why(walked_client: FlaskClient, walked: Live) -> None:
    item = walked.item("customer_not_booked")
    page = words(walked_client, f"/review/{item.id}")
    assert "has a '<', which Xero does not take" in page
    assert f'href="/customers/{row(walked, "customers", "Evil")}"' in walked_client.get(f"/review/{item.id}").get_data(
        as_text=True
    )


def test_a_contract_is_worded_and_its_next_year_is_laid_out(walked_client: FlaskClient, walked: Live) -> None:
    (key,), = walked.rows("SELECT key FROM contracts WHERE name LIKE 'Voided%'")  # fmt: skip
    page = words(walked_client, f"/contracts/{key}")
    assert "Premium support: 333.00 GBP per month, billed every month in advance" in page
    assert "UK-00006 uk 1 Sep 2026 1 Oct 2026 333.00 GBP 0.00 GBP voided" in page
    assert "Premium support, 1 Sep 2026 to 30 Sep 2026 on hold until a person decides 333.00 GBP" in page
    assert "1 Nov 2026: invoice, to be paid by 1 Dec 2026 333.00 GBP" in page
    assert "1 month from 1 Nov 2026 at 333.00" in page
    assert page.count("invoice, to be paid by") == 10  # November to August, when it ends


def test_a_proposed_change_shows_both_sides_and_what_it_would_bill(walked_client: FlaskClient, walked: Live) -> None:
    key = walked.item("contract_changed").subject.removeprefix("contract:")
    page = words(walked_client, f"/contracts/{key}")
    assert re.search(r"Premium support: 100\.00 GBP per month, .{,60} Premium support: 150\.00 GBP per month", page)
    assert "Due now: invoice, to be paid by 5 Nov 2026 100.00 GBP" in page
    why = "1 month from 1 Sep 2026 at 150.00 = 150.00, less 100.00 billed before"
    assert f"Correction: Premium support 1 Sep 2026 to 30 Sep 2026 {why} 50.00 GBP" in page


def test_a_contract_that_cannot_be_planned_says_so_and_has_its_page(walked: Live, copied: Any) -> None:
    client, store = copied()
    with store, store.transaction():
        (contract, *_) = contracts.all_contracts(store)
        contracts.describe(store, contract, entity="gone", customer_id=contract.customer_id, name=contract.name)
    assert "the legal entity 'gone' is not configured" in words(client, f"/contracts/{contract.key}")


def test_what_others_made_in_the_books_has_its_pages_and_counts_for_its_customer(copied: Any) -> None:
    client, store = copied()
    with store, store.transaction():
        (customer,) = store.tuples("SELECT id FROM customers WHERE data LIKE '%Changed%'")[0]
        (before,) = store.tuples("SELECT sum(open) FROM documents WHERE customer_id=?", customer)[0]
        (theirs,) = store.tuples("SELECT vendor_id FROM links WHERE connection='xero_uk' AND our_id=?", customer)[0]
        made = ForeignDraft(
            vendor_id="x", type="invoice", status="open", number=HOSTILE, ledger_customer=theirs, currency="GBP",
            issue_on=date(2026, 5, 1), due_on=date(2026, 5, 31), total=500_00, settled=100_00,
        )  # fmt: skip
        foreign.save(store, "xero_uk", "uk", [made])
    row = f"{HOSTILE} Changed Ltd xero_uk 1 May 2026 31 May 2026 500.00 GBP 400.00 GBP overdue"
    assert row in words(client, "/elsewhere?state=overdue")
    assert f"Invoice {HOSTILE} overdue" in words(client, "/elsewhere/1")
    assert f"Open {display(before + 400_00, 'GBP')}" in words(client, f"/customers/{customer}")
    assert "uk: 400.00 GBP open on 1 invoice made elsewhere , 400.00 GBP of it overdue." in words(client, "/")
    assert "<script" not in client.get("/elsewhere").get_data(as_text=True)


def test_a_payment_shows_what_its_vendor_says_and_what_is_left(walked_client: FlaskClient, walked: Live) -> None:
    item = next(item for item in walked.items("unapplied_cash") if item.message.startswith("7.00 GBP"))
    page = words(walked_client, f"/payments/{item.subject.removeprefix('payment:')}")
    assert f"description {HOSTILE}" in page
    assert "Applied 0.00 GBP Left 7.00 GBP" in page
    assert f"Decide item {item.id}" in page


def test_a_matched_payment_leads_to_its_invoice(walked_client: FlaskClient, walked: Live) -> None:
    (payment, document), = walked.rows(
        "SELECT a.payment_id, a.document_id FROM applications a JOIN documents d ON d.id=a.document_id"
        " WHERE d.number='UK-00001'"
    )  # fmt: skip
    page = walked_client.get(f"/payments/{payment}").get_data(as_text=True)
    assert f'href="/invoices/{document}">UK-00001' in page
    assert "Left 0.00 GBP" in read(page)


# ---------------------------------------------------------------------------------------------------- jobs, connections


def test_every_job_says_what_it_does_how_often_and_how_it_went(walked_client: FlaskClient) -> None:
    page = words(walked_client, "/jobs")
    for job in JOBS:
        assert re.search(rf"{job.name} {job.purpose} every [\w ]+ 06 Oct 2026 12:0\d UTC done", page), job.name
    assert "report add up who owes what every day" in page


def test_the_runs_of_one_job_are_listed_alone(walked_client: FlaskClient) -> None:
    history = words(walked_client, "/jobs?job=pull_deals").partition("Runs of pull_deals")[2]
    assert history.count("pull_deals") == 8
    assert "map_terms" not in history


def test_a_running_job_shows_how_far_it_has_come(copied: Any) -> None:
    client, store = copied()
    with store:
        at = datetime(2026, 10, 6, 13, tzinfo=UTC)
        run = runs.start(store, "pull_deals", "elsewhere:1", at)
        assert run is not None
        runs.prolong(store, run, at, 1200, 5000)
    page = client.get("/jobs").get_data(as_text=True)
    assert '<progress max="5000" value="1200"' in page
    assert "running 1200 of 5000 1,200 of 5,000" in read(page)


def test_a_connection_says_whether_it_works_what_to_do_and_what_is_on_its_way(
    walked_client: FlaskClient, told: Live
) -> None:
    page = words(walked_client, "/connections")
    assert "xero_uk works Vendor xero, as ledger of uk" in page
    assert "customers waits for a person 1" in page
    broken = words(pages(told).test_client(), "/connections")
    assert re.search(r"hubspot reconnect .*What to do give it new credentials in the configuration", broken)
