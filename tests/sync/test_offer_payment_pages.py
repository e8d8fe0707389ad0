"""Each open invoice has one page on which it can be paid, once: whatever is paid elsewhere, fails or gets no answer."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
import requests

from connectors.http import READ_ATTEMPTS, RealClock
from sandbox.core import LOCK
from sandbox.stripe import aftermath
from store import payment_pages
from tests.sync.test_cash_in_books import Side, credit, open_there
from tests.worlds import DAILY, Live

PAGES = ("pull_payments", "match_payments", "post_payments", "offer_payment_pages")
UK = Side("uk", "GBP", "091", "090", "404")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting before a call is made again takes a hundredth of its time."""
    monkeypatch.setattr(RealClock, "sleep", lambda clock, seconds: time.sleep(seconds / 100))


@pytest.fixture
def billed(live: Live) -> Live:
    """A customer who owes 100.00 GBP on UK-00001, which has its page."""
    live.configure("[entities.uk]", '[entities.uk]\npayment_pages = "stripe_uk"')
    live.sell()
    live.done(*DAILY, "offer_payment_pages")
    return live


def links(live: Live, *, usable: bool = True) -> list[dict[str, Any]]:
    """Return the payment links at Stripe, those that take a payment or the others."""

    def takes(link: dict[str, Any]) -> bool:
        sessions = link["restrictions"]["completed_sessions"]
        return bool(link["active"] and sessions["count"] < sessions["limit"])

    held = live.sandbox.stripe.accounts["uk"].objects["payment_link"].values()
    return [link for link in held if takes(link) == usable]


def pay_at(link: dict[str, Any], method: str = "pm_card_visa") -> requests.Response:
    return requests.post(link["url"], data={"payment_method": method}, timeout=10)


def address(live: Live) -> str:
    """Return where the invoice can be paid, as its mail and its page here say."""
    with live.store() as store:
        ((document,),) = store.tuples("SELECT id FROM documents WHERE number='UK-00001'")
        return payment_pages.address(store, document)


def quiet(live: Live) -> None:
    """Another round writes nowhere and changes nothing."""
    written = live.writes()
    assert not any(result.changed for result in live.done(*PAGES).values())
    assert live.writes() == written


def test_an_invoice_gets_one_page_that_takes_what_is_open_and_is_matched_by_its_number(billed: Live) -> None:
    (link,) = links(billed)
    assert address(billed).startswith(link["url"])
    quiet(billed)
    assert pay_at(link).status_code == 200
    billed.done(*PAGES)
    assert billed.issued()["UK-00001"].open == 0
    assert (links(billed), address(billed), open_there(billed, UK)) == ([], "", 0)
    assert pay_at(link).status_code == 400
    assert billed.items() == []
    quiet(billed)


def test_what_is_paid_in_another_way_closes_the_page(billed: Live) -> None:
    (link,) = links(billed)
    billed.pay(100_00, "UK-00001")
    billed.done(*PAGES)
    assert pay_at(link).status_code == 400
    assert (links(billed), address(billed)) == ([], "")
    quiet(billed)


def test_a_part_that_is_paid_or_credited_gives_a_new_page_for_the_rest(billed: Live) -> None:
    (first,) = links(billed)
    billed.pay(30_00, "UK-00001")
    billed.done(*PAGES)
    (second,) = links(billed)
    assert pay_at(first).status_code == 400
    assert address(billed).startswith(second["url"])
    credit(billed, UK, 20)
    billed.done("push_documents", "use_credits", *PAGES)
    (third,) = links(billed)
    assert pay_at(second).status_code == 400
    charge = pay_at(third).json()["paid"]
    assert billed.sandbox.stripe.accounts["uk"].objects["charge"][charge]["amount"] == 50_00
    billed.done(*PAGES)
    assert (billed.issued()["UK-00001"].open, links(billed)) == (0, [])
    quiet(billed)


def test_a_void_invoice_has_no_page(billed: Live) -> None:
    (link,) = links(billed)
    found = billed.xero("GET", "Invoices/UK-00001")["Invoices"][0]
    billed.xero("POST", f"Invoices/{found['InvoiceID']}", {"InvoiceID": found["InvoiceID"], "Status": "VOIDED"})
    billed.done("pull_ledger")
    billed.done(*PAGES)
    assert billed.issued()["UK-00001"].status == "voided"
    assert pay_at(link).status_code == 400
    assert links(billed) == []
    quiet(billed)


def test_a_debit_that_fails_opens_the_same_page_again(billed: Live) -> None:
    (link,) = links(billed)
    url = address(billed)
    for _ in range(2):
        assert pay_at(link, "pm_usBankAccount_accountClosed").status_code == 200
        billed.done(*PAGES)
        assert links(billed) == []  # nobody pays twice while it is under way
        billed.move_to(billed.today + timedelta(days=6))
        billed.done(*PAGES)
        assert (links(billed), address(billed)) == ([link], url)
        quiet(billed)
    assert pay_at(link).status_code == 200
    billed.done(*PAGES)
    assert (billed.issued()["UK-00001"].open, links(billed)) == (0, [])


def test_a_debit_that_comes_back_after_it_was_paid_gives_a_new_page(billed: Live) -> None:
    (link,) = links(billed)
    charge = pay_at(link, "pm_bacsDebit_success").json()["paid"]
    billed.move_to(billed.today + timedelta(days=6))
    billed.done(*PAGES)
    assert billed.issued()["UK-00001"].open == 0
    with LOCK:
        account = billed.sandbox.stripe.accounts["uk"]
        aftermath.return_debit(account, charge, int(billed.sandbox.clock.tick().timestamp()))
    billed.done(*PAGES)
    billed.done(*PAGES)
    (second,) = links(billed)
    assert address(billed).startswith(second["url"])
    assert second != link


@pytest.mark.parametrize("fault", ["error_before", "error_after"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_page_whose_answer_was_lost_is_there_once(live: Live, fault: str, skip: int) -> None:
    live.configure("[entities.uk]", '[entities.uk]\npayment_pages = "stripe_uk"')
    live.sell()
    live.done(*DAILY)
    live.fault("stripe", fault, method="POST", times=READ_ATTEMPTS, skip=skip)
    live.sync("offer_payment_pages")
    live.mend()
    for _ in range(3):
        live.move_to(live.today + timedelta(days=1))
        live.done("offer_payment_pages")
    assert len(links(live)) == 1
    assert address(live).startswith(links(live)[0]["url"])


@pytest.mark.parametrize("fault", ["error_before", "error_after"])
def test_no_new_page_is_made_before_the_old_one_is_known_to_be_closed(billed: Live, fault: str) -> None:
    (first,) = links(billed)
    billed.pay(30_00, "UK-00001")
    billed.fault("stripe", fault, method="POST", times=READ_ATTEMPTS)
    billed.sync(*PAGES)
    assert len(links(billed)) <= 1
    assert address(billed) == ""
    billed.mend()
    for _ in range(3):
        billed.move_to(billed.today + timedelta(days=1))
        billed.done(*PAGES)
    (second,) = links(billed)
    assert second != first
    assert address(billed).startswith(second["url"])


def test_an_amount_that_the_provider_does_not_take_waits_for_a_person(live: Live) -> None:
    live.configure("[entities.uk]", '[entities.uk]\npayment_pages = "stripe_uk"')
    live.sell()
    live.done(*DAILY)
    live.fault("stripe", "error_before", method="POST", path="/v1/products", status=400)
    live.sync("offer_payment_pages")
    assert "Payment page of UK-00001" in live.item("payment_page_not_booked").message


def test_a_dry_run_makes_no_page(live: Live) -> None:
    live.configure("[entities.uk]", '[entities.uk]\npayment_pages = "stripe_uk"')
    live.sell()
    live.done(*DAILY)
    written = live.writes()
    assert live.sync("offer_payment_pages", dry_run=True)["offer_payment_pages"].outcome == "done"
    assert live.writes() == written
