"""The stand-in of Xero behaves as Xero documents, its refusals included."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.core import LOCK, RateLimit
from sandbox.server import Options, Running
from sandbox.world import PRODUCTS
from sandbox.xero import Xero
from sandbox.xero.fields import _COLLECTIONS, _KNOWN, _STATE
from sandbox.xero.seed import TENANT
from sandbox.xero.vendor import API
from sandbox.xero.wire import day_fields
from tests.sandbox.xero_specification import Exchange, check, load

TODAY = date(2026, 3, 10)
NOBODY = "99999999-9999-4999-8999-999999999999"
Json = dict[str, Any]


class Books:
    """Speaks to the stand-in as an application does, and keeps what was said."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.url = f"{running.url}/xero{API}"
        self.session = requests.Session()
        self.session.headers.update({"Authorization": "Bearer sandbox-xero-test", "xero-tenant-id": TENANT})
        self.exchanges: list[Exchange] = []

    @property
    def vendor(self) -> Xero:
        vendor = self.running.sandbox.vendors["xero"]
        assert isinstance(vendor, Xero)
        return vendor

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> requests.Response:
        answer = self.session.request(
            method, f"{self.url}/{path}", json=body, headers=headers or {}, params=query or {}, timeout=5
        )
        sent = answer.request
        data = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
        assert sent.url is not None
        assert sent.method is not None
        self.exchanges.append(
            Exchange(sent.method, sent.url, dict(sent.headers), data, answer.status_code, answer.content)
        )
        return answer

    def read(self, path: str, **query: str) -> list[Json]:
        answer = self.call("GET", path, query=query)
        assert answer.status_code == 200, answer.text
        return self.only(answer, path)

    def write(self, method: str, path: str, *elements: Json, **query: str) -> list[Json]:
        """Send elements and return each with what became of it."""
        name = "Allocations" if path.endswith("Allocations") else path.partition("/")[0]
        body = elements[0] if path.startswith("Payments/") else {name: list(elements)}
        answer = self.call(method, path, body, query={"summarizeErrors": "false", **query})
        assert answer.status_code == 200, answer.text
        return self.only(answer, path)

    @staticmethod
    def only(answer: requests.Response, path: str) -> list[Json]:
        body = json.loads(answer.text, parse_float=Decimal)
        names = ("Allocations", "Organisations", path.split("/")[0])
        found: list[Json] = next(body[name] for name in names if name in body)
        return found

    def contact(self, name: str = "Acme Ltd", **fields: Any) -> Json:
        (contact,) = self.write("PUT", "Contacts", {"Name": name, **fields})
        return contact

    def invoice(self, contact: Json | None = None, **fields: Any) -> Json:
        """Create one approved invoice over 100.00 and 20 % tax, or what ``fields`` say."""
        body = self.draft(contact or self.contact(), **fields)
        (invoice,) = self.write("PUT", "Invoices", body, unitdp="4")
        return invoice

    @staticmethod
    def draft(contact: Json, *lines: Json, **fields: Any) -> Json:
        return {
            "Type": "ACCREC",
            "Contact": {"ContactID": contact["ContactID"]},
            "Date": "2026-03-10",
            "DueDate": "2026-04-09",
            "Status": "AUTHORISED",
            "LineItems": list(lines) or [line()],
            **fields,
        }

    def pay(self, invoice: Json, amount: float, **fields: Any) -> Json:
        body = {
            "Invoice": {"InvoiceID": invoice["InvoiceID"]},
            "Account": {"Code": "091"},
            "Date": "2026-03-12",
            "Amount": amount,
            "Reference": "ch_1",
        }
        (payment,) = self.write("PUT", "Payments", {**body, **fields})
        return payment

    def again(self, invoice: Json) -> Json:
        return self.read(f"Invoices/{invoice['InvoiceID']}")[0]


def line(amount: float = 100.0, **fields: Any) -> Json:
    body = {"Description": "Platform", "Quantity": 1, "UnitAmount": amount, "AccountCode": "200", "TaxType": "OUTPUT2"}
    return {name: value for name, value in {**body, **fields}.items() if value is not None}


def reasons(element: Json) -> str:
    assert element["StatusAttributeString"] == "ERROR"
    return "; ".join(one["Message"] for one in element["ValidationErrors"])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(Options(today=TODAY, deals=0, minute=0.6)) as running:
        yield running


@pytest.fixture
def books(running: Running) -> Iterator[Books]:
    with LOCK:
        running.sandbox.reset()
    books = Books(running)
    yield books
    books.session.close()


# ------------------------------------------------------------------------------------------------------------- access


def test_a_token_of_another_kind_is_unauthorised(books: Books) -> None:
    answer = books.call("GET", "Organisation", headers={"Authorization": "Bearer something-else"})
    assert (answer.status_code, answer.json()["Title"]) == (401, "Unauthorized")


@pytest.mark.parametrize("tenant", ["", NOBODY])
def test_a_tenant_that_is_missing_or_not_ours_is_forbidden(books: Books, tenant: str) -> None:
    answer = books.call("GET", "Organisation", headers={"xero-tenant-id": tenant})
    assert (answer.status_code, answer.json()["Status"]) == (403, 403)


def test_the_connections_name_the_tenant_without_a_tenant_header(books: Books) -> None:
    headers = {"Authorization": "Bearer sandbox-xero-test", "xero-tenant-id": ""}
    (connection,) = books.session.get(f"{books.running.url}/xero/connections", headers=headers, timeout=5).json()
    assert connection["tenantId"] == TENANT


def refresh(books: Books, token: str, **form: str) -> requests.Response:
    data = {"grant_type": "refresh_token", "refresh_token": token, **form}
    return requests.post(f"{books.running.url}/xero/connect/token", data=data, auth=("client", "secret"), timeout=5)


def test_a_refresh_token_is_replaced_and_the_old_one_lives_through_its_grace(books: Books) -> None:
    first = refresh(books, "sandbox-xero-refresh").json()
    lost_answer = refresh(books, "sandbox-xero-refresh").json()
    assert first["refresh_token"] != lost_answer["refresh_token"]
    assert first["access_token"].startswith("sandbox-xero")
    books.vendor._used_refresh_tokens["sandbox-xero-refresh"] -= 31 * books.vendor.minute
    answer = refresh(books, "sandbox-xero-refresh")
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})
    assert refresh(books, first["refresh_token"]).status_code == 200


def test_a_custom_connection_gets_a_token_and_no_refresh_token(books: Books) -> None:
    tokens = refresh(books, "", grant_type="client_credentials").json()
    assert "refresh_token" not in tokens
    assert books.call("GET", "Organisation", headers={"Authorization": f"Bearer {tokens['access_token']}"}).ok


# ------------------------------------------------------------------------------------------------------------- limits


def test_every_answer_says_how_many_calls_are_left(books: Books) -> None:
    books.read("Currencies")
    answer = books.call("GET", "Organisation")
    assert (answer.headers["X-MinLimit-Remaining"], answer.headers["X-DayLimit-Remaining"]) == ("58", "4998")


@pytest.mark.parametrize("name", ["minute", "day"])
def test_a_call_too_many_is_refused_with_the_name_of_the_limit(books: Books, name: str) -> None:
    calls = {"minute": 60, "day": 5000, name: 1}
    books.vendor.limits = tuple(RateLimit(one, calls[one], 60, path=API) for one in ("minute", "day"))
    assert books.call("GET", "Organisation").ok
    answer = books.call("GET", "Organisation")
    assert (answer.status_code, answer.headers["X-Rate-Limit-Problem"]) == (429, name)
    assert 0 < float(answer.headers["Retry-After"]) <= 0.6


def test_tokens_do_not_count_against_the_limits(books: Books) -> None:
    books.vendor.limits = tuple(RateLimit(one, 1, 60, path=API) for one in ("minute", "day"))
    assert [refresh(books, f"sandbox-xero-refresh-{n}").status_code for n in range(3)] == [200, 200, 200]


def test_the_same_idempotency_key_gives_the_first_answer_for_six_minutes(books: Books) -> None:
    body = {"Contacts": [{"Name": "Acme Ltd"}]}
    first, second = (books.call("PUT", "Contacts", body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.content == second.content
    assert len(books.read("Contacts")) == 1
    kept = books.vendor._keys
    kept["k"] = type(kept["k"])(**{**vars(kept["k"]), "at": time.monotonic() - 7 * books.vendor.minute})
    assert books.call("PUT", "Contacts", body, headers={"Idempotency-Key": "k"}).status_code == 400  # the name exists


def test_an_idempotency_key_of_another_request_or_too_long_is_refused(books: Books) -> None:
    for name, key in (("A", "k"), ("B", "k"), ("C", "k" * 129)):
        answer = books.call("PUT", "Contacts", {"Contacts": [{"Name": name}]}, headers={"Idempotency-Key": key})
        assert answer.status_code == (200 if name == "A" else 400)
    assert [one["Name"] for one in books.read("Contacts")] == ["A"]


# ----------------------------------------------------------------------------------------------------------- contacts


def test_a_contact_name_is_unique_whatever_the_case_of_its_letters(books: Books) -> None:
    books.contact("Acme Ltd", ContactNumber="a")
    same_name, same_number = books.write(
        "PUT", "Contacts", {"Name": "ACME LTD"}, {"Name": "Other", "ContactNumber": "A"}
    )
    assert "already assigned" in reasons(same_name)
    assert "contact number" in reasons(same_number)


def test_posting_a_contact_changes_the_one_of_that_number(books: Books) -> None:
    contact = books.contact("Acme Ltd", ContactNumber="a")
    (changed,) = books.write("POST", "Contacts", {"ContactNumber": "a", "Name": "Acme PLC"})
    assert changed["ContactID"] == contact["ContactID"]
    assert [one["Name"] for one in books.read("Contacts")] == ["Acme PLC"]


def test_archived_contacts_are_hidden_unless_asked_for_and_get_no_invoices(books: Books) -> None:
    contact = books.contact()
    books.write("POST", "Contacts", {"ContactID": contact["ContactID"], "ContactStatus": "ARCHIVED"})
    assert books.read("Contacts") == []
    assert len(books.read("Contacts", includeArchived="true")) == 1
    assert "archived" in reasons(books.invoice(contact))


def test_contacts_are_found_by_term_id_and_filter(books: Books) -> None:
    first, second = books.contact("Acme Ltd", EmailAddress="ap@acme.example"), books.contact('Bo "lt" \\ Söhne')
    assert [one["Name"] for one in books.read("Contacts", searchTerm="ACME.ex")] == ["Acme Ltd"]
    assert [one["Name"] for one in books.read("Contacts", IDs=f"{second['ContactID']},{NOBODY}")] == [second["Name"]]
    where = 'Name=="Bo \\"lt\\" \\\\ Söhne" OR (Name.StartsWith("Acme") && EmailAddress!=null)'
    assert [one["ContactID"] for one in books.read("Contacts", where=where)] == [
        first["ContactID"],
        second["ContactID"],
    ]


# ----------------------------------------------------------------------------------------------------------- invoices


def test_totals_are_added_up_from_lines_rounded_one_by_one(books: Books) -> None:
    lines = [line(0.33, TaxType="OUTPUT2"), line(0.33), line(10, TaxType="ZERORATEDOUTPUT")]
    invoice = books.invoice(LineItems=lines)
    assert [one["TaxAmount"] for one in invoice["LineItems"]] == [Decimal("0.07"), Decimal("0.07"), 0]
    assert (invoice["SubTotal"], invoice["TotalTax"], invoice["Total"]) == (
        Decimal("10.66"),
        Decimal("0.14"),
        Decimal("10.80"),
    )


@pytest.mark.parametrize(
    ("types", "tax", "total"),
    [("Exclusive", "20.00", "120.00"), ("Inclusive", "16.67", "100.00"), ("NoTax", "0", "100")],
)
def test_tax_lies_on_top_inside_or_nowhere(books: Books, types: str, tax: str, total: str) -> None:
    invoice = books.invoice(LineAmountTypes=types)
    assert (invoice["TotalTax"], invoice["Total"]) == (Decimal(tax), Decimal(total))
    assert invoice["SubTotal"] + invoice["TotalTax"] == invoice["Total"]


def test_a_tax_amount_that_is_sent_stands(books: Books) -> None:
    invoice = books.invoice(LineItems=[line(33.33, TaxAmount=2.76)])
    assert (invoice["TotalTax"], invoice["Total"]) == (Decimal("2.76"), Decimal("36.09"))


@pytest.mark.parametrize(
    ("fields", "amount"),
    [
        ({"Quantity": 3, "UnitAmount": 33.3333}, "100.00"),
        ({"Quantity": 10, "UnitAmount": 9.99, "DiscountRate": 12.5}, "87.41"),
        ({"Quantity": 10, "UnitAmount": 9.99, "DiscountAmount": 9.9}, "90.00"),
        ({"Quantity": 4, "UnitAmount": None, "LineAmount": 10}, "10.00"),
        ({"ItemCode": "PLAT-SEAT", "AccountCode": None, "TaxType": None, "Description": None}, "100.00"),
    ],
)
def test_a_line_amount_is_quantity_times_price_less_discount(books: Books, fields: Json, amount: str) -> None:
    assert books.invoice(LineItems=[line(**fields)])["SubTotal"] == Decimal(amount)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"LineItems": [line(LineAmount=99.99)]}, "does not match the expected line total 100.00"),
        ({"LineItems": [line(AccountCode="999")]}, "Account code '999'"),
        ({"LineItems": [line(AccountCode="091")]}, "Account code '091'"),
        ({"LineItems": [line(ItemCode="NOTHING")]}, "Item code 'NOTHING'"),
        ({"LineItems": [line(TaxType="OUTPUT9")]}, "TaxType code 'OUTPUT9'"),
        ({"LineItems": [line(Description=None)]}, "Description"),
        ({"LineItems": [line(Description="x" * 4001)]}, "Description"),
        ({"LineItems": [line(Tracking=[{"Name": "Department", "Option": "Hardware"}])]}, "Hardware"),
        ({"LineItems": [line(-1)]}, "greater than or equal to zero"),
        ({"LineItems": [line(10_000_000_000)]}, "larger than"),
        ({"LineItems": []}, "line items"),
        ({"Contact": {"ContactID": NOBODY}}, NOBODY),
        ({"Contact": {}}, "Contact"),
        ({"DueDate": None}, "DueDate"),
        ({"DueDate": "2026-03-09"}, "DueDate"),
        ({"Date": "10.03.2026"}, "not a date"),
        ({"CurrencyCode": "SEK"}, "not subscribed to currency SEK"),
        ({"InvoiceNumber": "N" * 256}, "255"),
        ({"Reference": "R" * 256}, "255"),
        ({"Status": "PAID"}, "Status PAID"),
        ({"Type": "ACCPAY"}, "ACCPAY"),
    ],
)
def test_what_xero_refuses_is_refused_with_its_reason(books: Books, fields: Json, words: str) -> None:
    assert words in reasons(books.invoice(**fields))
    assert books.vendor.state()["invoices"] == []


def test_prices_have_two_decimals_or_four_where_asked_for(books: Books) -> None:
    contact = books.contact()
    body = books.draft(contact, line(0.0123, Quantity=100, LineAmount=1.23))
    (refused,) = books.write("PUT", "Invoices", body)
    (accepted,) = books.write("PUT", "Invoices", body, unitdp="4")
    assert "expected line total 1.00" in reasons(refused)
    assert accepted["LineItems"][0]["UnitAmount"] == Decimal("0.0123")


def test_putting_a_number_again_is_refused_and_posting_it_overwrites(books: Books) -> None:
    contact = books.contact()
    books.invoice(contact, InvoiceNumber="I-1")
    assert "must be unique" in reasons(books.invoice(contact, InvoiceNumber="I-1"))
    (changed,) = books.write("POST", "Invoices", books.draft(contact, line(7), InvoiceNumber="I-1"))
    assert [(one["InvoiceNumber"], one["SubTotal"]) for one in books.read("Invoices")] == [("I-1", 7)]
    assert changed["StatusAttributeString"] == "OK"


def test_one_bad_element_leaves_the_others_and_is_summed_up_only_where_asked_for(books: Books) -> None:
    contact = books.contact()
    good, bad = books.draft(contact, InvoiceNumber="I-1"), books.draft(contact, InvoiceNumber="I-2", DueDate=None)
    assert [one["StatusAttributeString"] for one in books.write("PUT", "Invoices", good, bad)] == ["OK", "ERROR"]
    answer = books.call("PUT", "Invoices", {"Invoices": [{**good, "InvoiceNumber": "I-3"}, bad]})
    assert (answer.status_code, answer.json()["Type"]) == (400, "ValidationException")
    assert [one["InvoiceNumber"] for one in answer.json()["Elements"]] == ["I-2"]
    assert [one["InvoiceNumber"] for one in books.read("Invoices")] == ["I-1", "I-3"]


def test_a_body_that_is_no_json_or_has_strings_for_numbers_is_refused_whole(books: Books) -> None:
    answer = books.session.put(f"{books.url}/Invoices", data=b"{", timeout=5)
    assert answer.status_code == 400
    body = books.draft(books.contact(), line(Quantity="1"))
    assert books.call("PUT", "Invoices", {"Invoices": [body]}).status_code == 400
    assert books.vendor.state()["invoices"] == []


def test_dates_come_back_in_both_spellings(books: Books) -> None:
    invoice = books.invoice(Date="/Date(1773100800000+0000)/")
    assert (invoice["DateString"], invoice["Date"]) == ("2026-03-10T00:00:00", "/Date(1773100800000+0000)/")
    assert invoice["DueDateString"] == "2026-04-09T00:00:00"
    assert invoice["UpdatedDateUTC"].startswith("/Date(")
    assert invoice["UpdatedDateUTCString"] == "2026-03-10T12:00:00Z"


def test_an_invoice_is_voided_a_draft_deleted_and_neither_comes_back(books: Books) -> None:
    contact = books.contact()
    approved, draft = books.invoice(contact), books.invoice(contact, Status="DRAFT")
    (wrong,) = books.write("POST", f"Invoices/{approved['InvoiceID']}", {"Status": "DELETED"})
    assert "VOIDED" in reasons(wrong)
    for invoice, status in ((approved, "VOIDED"), (draft, "DELETED")):
        (removed,) = books.write("POST", f"Invoices/{invoice['InvoiceID']}", {"Status": status})
        assert (removed["Status"], removed["AmountDue"]) == (status, 0)
        (again,) = books.write("POST", f"Invoices/{invoice['InvoiceID']}", {"Status": "AUTHORISED"})
        assert "valid status" in reasons(again)


def test_documents_of_a_locked_period_are_neither_made_nor_voided(books: Books) -> None:
    contact = books.contact()
    invoice = books.invoice(contact)
    books.vendor.books.organisation.update(PeriodLockDate=day_fields("x", TODAY)["x"])
    assert "lock date" in reasons(books.invoice(contact, InvoiceNumber="I-2"))
    (voided,) = books.write("POST", f"Invoices/{invoice['InvoiceID']}", {"Status": "VOIDED"})
    assert "lock date" in reasons(voided)
    assert "lock date" in reasons(books.pay(invoice, 1, Date="2026-03-10"))


# -------------------------------------------------------------------------------------------------------------- lists


def test_lists_are_cut_into_pages_only_where_asked_for_and_lines_come_with_pages(books: Books) -> None:
    contact = books.contact()
    books.write("PUT", "Invoices", *(books.draft(contact, InvoiceNumber=f"I-{number}") for number in range(5)))
    answer = books.call("GET", "Invoices", query={"page": "3", "pageSize": "2"}).json()
    assert [one["InvoiceNumber"] for one in answer["Invoices"]] == ["I-4"]
    assert answer["pagination"] == {"page": 3, "pageSize": 2, "pageCount": 3, "itemCount": 5}
    assert answer["Invoices"][0]["LineItems"]
    assert [one["LineItems"] for one in books.read("Invoices")] == [[]] * 5
    assert books.call("GET", "Invoices", query={"page": "1", "pageSize": "1001"}).status_code == 400


def test_invoices_are_found_by_number_id_status_contact_and_filter(books: Books) -> None:
    contact = books.contact()
    first = books.invoice(contact, InvoiceNumber="I-1", Reference="PO-1")
    second = books.invoice(contact, InvoiceNumber="I-2", Status="DRAFT", CurrencyCode="EUR")
    for query, wanted in (
        ({"InvoiceNumbers": "I-2,I-9"}, ["I-2"]),
        ({"IDs": first["InvoiceID"]}, ["I-1"]),
        ({"Statuses": "DRAFT,VOIDED"}, ["I-2"]),
        ({"ContactIDs": contact["ContactID"], "order": "InvoiceNumber DESC"}, ["I-2", "I-1"]),
        ({"where": 'Type=="ACCREC" AND AmountDue>100 AND Status=="AUTHORISED"'}, ["I-1"]),
        ({"where": f'Contact.ContactID==guid("{contact["ContactID"]}") AND Reference.Contains("PO")'}, ["I-1"]),
        ({"where": "Date>=DateTime(2026, 03, 11)"}, []),
        ({"where": 'CurrencyCode=="EUR" || InvoiceNumber=="I-1"', "order": "Date ASC,InvoiceNumber"}, ["I-1", "I-2"]),
    ):
        assert [one["InvoiceNumber"] for one in books.read("Invoices", **query)] == wanted, query
    assert books.read("Invoices/I-2")[0]["InvoiceID"] == second["InvoiceID"]
    assert books.call("GET", "Invoices/I-9").status_code == 404
    assert books.call("GET", "Invoices", query={"where": "Type=="}).status_code == 400


def test_if_modified_since_gives_what_changed_from_that_second_on(books: Books) -> None:
    contact = books.contact()
    books.invoice(contact, InvoiceNumber="OLD")
    with LOCK:
        books.running.sandbox.move_clock(TODAY + timedelta(days=1))
    books.invoice(contact, InvoiceNumber="NEW")
    for since, wanted in (
        ("2026-03-11T12:00:00", ["NEW"]),
        ("2026-03-11T13:00:00+01:00", ["NEW"]),
        ("Wed, 11 Mar 2026 12:00:00 GMT", ["NEW"]),
        ("2026-03-10T12:00:00Z", ["OLD", "NEW"]),
        ("2026-03-11T12:00:01", []),
    ):
        answer = books.call("GET", "Invoices", headers={"If-Modified-Since": since})
        assert [one["InvoiceNumber"] for one in answer.json()["Invoices"]] == wanted, since


# ----------------------------------------------------------------------------------------- payments and credit notes


def test_a_full_payment_makes_an_invoice_paid_and_its_deletion_opens_it_again(books: Books) -> None:
    invoice = books.invoice()
    payment = books.pay(invoice, 120)
    paid = books.again(invoice)
    assert (paid["Status"], paid["AmountDue"], paid["AmountPaid"]) == ("PAID", 0, 120)
    assert [one["PaymentID"] for one in paid["Payments"]] == [payment["PaymentID"]]
    (deleted,) = books.write("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
    assert deleted["Status"] == "DELETED"
    reopened = books.again(invoice)
    assert (reopened["Status"], reopened["AmountDue"], reopened["Payments"]) == ("AUTHORISED", 120, [])
    assert reopened["UpdatedDateUTC"] > paid["UpdatedDateUTC"]
    (twice,) = books.write("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
    assert reasons(twice)


def test_an_invoice_with_a_payment_is_not_voided_and_changes_only_what_no_amount_depends_on(books: Books) -> None:
    invoice = books.invoice()
    books.pay(invoice, 1)
    path = f"Invoices/{invoice['InvoiceID']}"
    for change in ({"Status": "VOIDED"}, {"LineItems": [line(90)]}, {"Date": "2026-03-02"}):
        (refused,) = books.write("POST", path, change)
        assert "valid status" in reasons(refused)
    (changed,) = books.write("POST", path, {"Reference": "other", "InvoiceNumber": "NEW-1", "DueDate": "2026-12-24"})
    assert (changed["Reference"], changed["InvoiceNumber"]) == ("other", "NEW-1")
    assert changed["DueDateString"].startswith("2026-12-24")
    assert (changed["AmountDue"], changed["LineItems"]) == (invoice["Total"] - 1, invoice["LineItems"])


def test_a_change_leaves_what_it_does_not_name_mailed_or_not(books: Books) -> None:
    invoice = books.invoice()
    books.write("POST", f"Contacts/{invoice['Contact']['ContactID']}", {"EmailAddress": "ap@x.example"})
    books.call("POST", f"Invoices/{invoice['InvoiceID']}/Email", {})
    (changed,) = books.write("POST", f"Invoices/{invoice['InvoiceID']}", {"LineItems": [line(90)]})
    assert changed["SentToContact"] is True


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Amount": 120.01}, "exceeds the amount outstanding"),
        ({"Amount": 0}, "greater than zero"),
        ({"Amount": 1.001}, "two decimals"),
        ({"Account": {"Code": "200"}}, "bank account"),
        ({"Account": {"Code": "999"}}, "could not be found"),
        ({"Account": {"Code": "092"}}, "EUR"),
        ({"Date": ""}, "not a date"),
        ({"Invoice": {"InvoiceID": NOBODY}}, "does not exist"),
        ({"PaymentID": NOBODY}, "does not exist"),
    ],
)
def test_a_payment_that_cannot_be_is_refused_with_its_reason(books: Books, fields: Json, words: str) -> None:
    invoice = books.invoice()
    assert words in reasons(books.pay(invoice, 120, **fields))
    assert books.again(invoice)["AmountDue"] == 120


def test_a_draft_takes_no_payment(books: Books) -> None:
    assert "Authorised" in reasons(books.pay(books.invoice(Status="DRAFT"), 1))


def test_a_foreign_invoice_is_paid_into_an_account_of_its_currency_or_in_pounds(books: Books) -> None:
    invoice = books.invoice(CurrencyCode="EUR", CurrencyRate=1.25)
    into_euros = books.pay(invoice, 100, Account={"Code": "092"})
    into_pounds = books.pay(invoice, 20, Account={"Code": "090"})
    assert (into_euros["BankAmount"], into_pounds["BankAmount"]) == (100, 16)
    assert books.again(invoice)["Status"] == "PAID"


def test_payments_are_found_by_reference_and_invoice(books: Books) -> None:
    invoice = books.invoice()
    books.pay(invoice, 1, Reference="a")
    books.pay(invoice, 1, Reference="b")
    where = f'(Reference=="a" OR Reference=="z") AND Invoice.InvoiceID==guid("{invoice["InvoiceID"]}")'
    (payment,) = books.read("Payments", where=where)
    assert (payment["Reference"], payment["Invoice"]["InvoiceNumber"]) == ("a", invoice["InvoiceNumber"])
    assert books.read(f"Payments/{payment['PaymentID']}")[0]["Reference"] == "a"


def credit_note(books: Books, contact: Json, amount: float, **fields: Any) -> Json:
    body = {**books.draft(contact, line(amount)), "Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-1", **fields}
    (note,) = books.write("PUT", "CreditNotes", body)
    return note


def test_a_credit_note_is_allocated_to_an_invoice_up_to_what_is_left_of_both(books: Books) -> None:
    contact = books.contact()
    invoice, note = books.invoice(contact), credit_note(books, contact, 50)
    allocation = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 40, "Date": "2026-03-10"}
    path = f"CreditNotes/{note['CreditNoteID']}/Allocations"
    (done,) = books.write("PUT", path, allocation)
    (too_much,) = books.write("PUT", path, {**allocation, "Amount": 20.01})
    assert done["Amount"] == 40
    assert "exceeds" in reasons(too_much)
    reduced, (left,) = books.again(invoice), books.read(f"CreditNotes/{note['CreditNoteID']}")
    assert (reduced["AmountDue"], reduced["AmountCredited"], left["RemainingCredit"]) == (80, 40, 20)
    assert left["Status"] == "AUTHORISED"
    books.write("PUT", path, {**allocation, "Amount": 20})
    assert books.read(f"CreditNotes/{note['CreditNoteID']}")[0]["Status"] == "PAID"


def test_a_credit_note_of_another_contact_is_not_allocated(books: Books) -> None:
    invoice, note = books.invoice(books.contact("A")), credit_note(books, books.contact("B"), 50)
    allocation = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 1, "Date": "2026-03-10"}
    (refused,) = books.write("PUT", f"CreditNotes/{note['CreditNoteID']}/Allocations", allocation)
    assert "same contact" in reasons(refused)


def test_a_credit_note_number_is_unique_and_the_note_can_be_refunded(books: Books) -> None:
    contact = books.contact()
    note = credit_note(books, contact, 50)
    assert "must be unique" in reasons(credit_note(books, contact, 50))
    refund = {"CreditNote": {"CreditNoteID": note["CreditNoteID"]}, "Account": {"Code": "091"}, "Date": "2026-03-12"}
    (payment,) = books.write("PUT", "Payments", {**refund, "Amount": 60})
    assert payment["PaymentType"] == "ARCREDITPAYMENT"
    assert books.read("CreditNotes", where='CreditNoteNumber=="CN-1"')[0]["RemainingCredit"] == 0


# ------------------------------------------------------------------------------------------------- settings and others


def test_the_seed_has_what_a_mapping_needs(books: Books) -> None:
    accounts = {one["Code"]: one for one in books.read("Accounts")}
    banks = {code: one["CurrencyCode"] for code, one in accounts.items() if one["Type"] == "BANK"}
    assert set(accounts) - set(banks) == {"200", "210", "270", "404", "495", "610", "800", "830", "960"}
    assert sorted(banks) == [f"{number:03}" for number in range(90, 100)]
    assert set(banks.values()) == {"GBP", "EUR", "USD", "JPY", "KWD"}
    assert {one["Code"] for one in books.read("Items")} == {product.sku for product in PRODUCTS}
    assert {one["TaxType"]: one["EffectiveRate"] for one in books.read("TaxRates")} == {
        "OUTPUT2": 20,
        "ZERORATEDOUTPUT": 0,
        "ECZROUTPUTSERVICES": 0,
        "NONE": 0,
        "INPUT2": 20,
    }
    (tracking,) = books.read("TrackingCategories")
    assert (tracking["Name"], [one["Name"] for one in tracking["Options"]]) == ("Department", ["Software", "Services"])
    assert [one["Code"] for one in books.read("Currencies")] == ["GBP", "EUR", "USD", "JPY", "KWD"]
    assert books.read("Organisation")[0]["BaseCurrency"] == "GBP"


def test_payers_see_approved_invoices_with_something_due(books: Books) -> None:
    contact = books.contact("Acme Ltd")
    open_, paid = books.invoice(contact, InvoiceNumber="OPEN"), books.invoice(contact, InvoiceNumber="PAID")
    books.invoice(contact, InvoiceNumber="DRAFT", Status="DRAFT")
    books.pay(open_, 20)
    books.pay(paid, 120)
    (document,) = books.vendor.open_documents()
    assert (document.number, document.customer_name, document.currency) == ("OPEN", "Acme Ltd", "GBP")
    assert (document.balance, document.issue_on, document.due_on) == (Decimal(100), TODAY, date(2026, 4, 9))


def test_the_state_shows_plain_json_numbers_and_a_reset_forgets_everything(books: Books) -> None:
    books.pay(books.invoice(), 20)
    state = requests.get(f"{books.running.url}/_sandbox/state", timeout=5).json()["xero"]
    assert (state["invoices"][0]["AmountDue"], state["payments"][0]["Amount"]) == (100.0, 20.0)
    with LOCK:
        books.running.sandbox.reset()
    assert books.vendor.state()["invoices"] == []


def test_answers_follow_the_published_specification(specs: Path, books: Books) -> None:
    contact = books.contact(ContactNumber="a", EmailAddress="ap@acme.example")
    invoice = books.invoice(contact, LineItems=[line(ItemCode="PLAT-BASE"), {"Description": "Thank you"}])
    payment = books.pay(invoice, 20)
    note = credit_note(books, contact, 50)
    allocation = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 40, "Date": "2026-03-10"}
    books.write("PUT", f"CreditNotes/{note['CreditNoteID']}/Allocations", allocation)
    books.call("PUT", "Invoices", {"Invoices": [books.draft(contact, line(AccountCode="999"))]})
    books.write("POST", "Contacts", {"Name": "<"})
    books.write("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
    for path in ("Organisation", "Currencies", "Accounts", "Items", "TaxRates", "TrackingCategories"):
        books.read(path)
    for path in ("Contacts", "Invoices", "CreditNotes", "Payments"):
        since = {"If-Modified-Since": "2026-03-10T00:00:00Z"}
        assert books.call("GET", path, headers=since, query={"page": "1", "pageSize": "10"}).ok
    for exchange in books.exchanges:
        check(specs, exchange)


def test_times_grow_with_every_write_although_the_clock_stands_still(books: Books) -> None:
    contact = books.contact()
    times = [books.invoice(contact, InvoiceNumber=f"I-{number}")["UpdatedDateUTC"] for number in range(3)]
    assert times == sorted(set(times))
    assert books.vendor.clock.now().date() == datetime(2026, 3, 10, tzinfo=UTC).date()


# ------------------------------------------------------------------------------------------ money without a document


def spend(amount: float = 10.0, **fields: Any) -> Json:
    body = {
        "Type": "SPEND",
        "Contact": {"Name": "Stripe"},
        "BankAccount": {"Code": "091"},
        "Date": "2026-03-12",
        "Reference": "fee_1",
        "LineItems": [{"Description": "Fees", "UnitAmount": amount, "AccountCode": "404", "TaxType": "INPUT2"}],
    }
    return {**body, **fields}


def receive(contact: Json, amount: float = 50.0, **fields: Any) -> Json:
    line = {"Description": "On account", "UnitAmount": amount, "AccountCode": "610"}
    owner = {"ContactID": contact["ContactID"]}
    body = spend(Type="RECEIVE-OVERPAYMENT", Contact=owner, LineItems=[line], LineAmountTypes="NoTax")
    return {**body, **fields}


def test_money_spent_makes_its_payee_and_keeps_its_reference(books: Books) -> None:
    first, second = books.write("PUT", "BankTransactions", spend(), spend(LineAmountTypes="Inclusive"))
    assert [(one["SubTotal"], one["TotalTax"], one["Total"]) for one in (first, second)] == [
        (10, 2, 12),
        (Decimal("8.33"), Decimal("1.67"), 10),
    ]
    assert len(books.read("Contacts")) == 1
    (found,) = books.read("BankTransactions", where=f'BankTransactionID==guid("{first["BankTransactionID"]}")')
    assert (found["Reference"], found["CurrencyCode"], found["LineItems"]) == ("fee_1", "GBP", [])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Type": "SPEND-TRANSFER"}, "SPEND-TRANSFER"),
        ({"BankAccount": {"Code": "404"}}, "not an active bank account"),
        ({"CurrencyCode": "EUR"}, "not supported"),
        ({"LineItems": []}, "must be given"),
        ({"LineItems": [line(10, TaxType="OUTPUT9")]}, "does not exist or cannot be used"),
        ({"LineItems": [line(0, TaxType="INPUT2")]}, "greater than zero"),
        ({"LineItems": [line(10, AccountCode="610", TaxType="INPUT2")]}, "Account code '610'"),
        ({"Contact": {}}, "must contain at least"),
        ({"BankTransactionID": NOBODY}, NOBODY),
    ],
)
def test_money_that_cannot_be_spent_is_refused_with_its_reason(books: Books, fields: Json, words: str) -> None:
    (refused,) = books.write("PUT", "BankTransactions", spend(**fields))
    assert words in reasons(refused)
    assert books.vendor.state()["bank_transactions"] == []


def test_an_overpayment_is_one_line_without_tax_and_keeps_no_reference(books: Books) -> None:
    contact = books.contact()
    two = receive(contact)["LineItems"] * 2
    taxed = [{"Description": "x", "UnitAmount": 1, "AccountCode": "610", "TaxType": "OUTPUT2"}]
    sent = [
        receive(contact),
        receive(contact, LineItems=two),
        receive(contact, LineItems=taxed, LineAmountTypes="Exclusive"),
    ]
    made, doubled, with_tax = books.write("PUT", "BankTransactions", *sent)
    assert "exactly one" in reasons(doubled)
    assert "cannot have tax" in reasons(with_tax)
    assert "Reference" not in made
    (credit,) = books.read("Overpayments", page="1")
    assert (credit["OverpaymentID"], credit["RemainingCredit"]) == (made["OverpaymentID"], 50)
    assert credit["LineItems"][0]["Description"] == "On account"


def test_an_overpayment_in_another_currency_lies_in_a_base_account_only(books: Books) -> None:
    contact = books.contact()
    fine, wrong = books.write(
        "PUT",
        "BankTransactions",
        receive(contact, CurrencyCode="USD"),
        receive(contact, CurrencyCode="USD", BankAccount={"Code": "092"}),
    )
    assert fine["CurrencyCode"] == "USD"
    assert "EUR" in reasons(wrong)


def test_money_on_account_is_allocated_refunded_and_then_cannot_be_deleted(books: Books) -> None:
    contact = books.contact()
    invoice = books.invoice(contact)
    (made,) = books.write("PUT", "BankTransactions", receive(contact))
    key = made["OverpaymentID"]
    allocation = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Amount": 40, "Date": "2026-03-13"}
    books.write("PUT", f"Overpayments/{key}/Allocations", allocation)
    back = books.pay(invoice, 10, Invoice={}, Overpayment={"OverpaymentID": key})
    assert back["PaymentType"] == "AROVERPAYMENTPAYMENT"
    (credit,) = books.read(f"Overpayments/{key}")
    assert (credit["Status"], credit["RemainingCredit"], len(credit["Allocations"])) == ("PAID", 0, 1)
    reduced = books.again(invoice)
    assert (reduced["AmountDue"], reduced["AmountCredited"]) == (80, 40)
    assert [one["AppliedAmount"] for one in reduced["Overpayments"]] == [40]
    path = f"BankTransactions/{made['BankTransactionID']}"
    (refused,) = books.write("POST", path, {"Status": "DELETED"})
    assert "cannot be deleted" in reasons(refused)


def test_a_bank_transaction_is_deleted_once_and_its_money_on_account_voided(books: Books) -> None:
    (made,) = books.write("PUT", "BankTransactions", receive(books.contact()))
    path = f"BankTransactions/{made['BankTransactionID']}"
    (deleted,), (again,) = (books.write("POST", path, {"Status": "DELETED"}) for _ in range(2))
    assert deleted["Status"] == "DELETED"
    assert "only once" in reasons(again)
    (credit,) = books.read("Overpayments")
    assert (credit["Status"], credit["RemainingCredit"]) == ("VOIDED", 0)


def test_transfers_between_accounts_of_one_currency(books: Books) -> None:
    body = {"FromBankAccount": {"Code": "091"}, "ToBankAccount": {"Code": "090"}, "Amount": 5, "Reference": "po_1"}
    (made,) = books.only(books.call("PUT", "BankTransfers", {"BankTransfers": [body]}), "BankTransfers")
    assert (made["Amount"], made["Status"]) == (5, "AUTHORISED")
    wrong = {**body, "ToBankAccount": {"Code": "092"}}
    answer = books.call("PUT", "BankTransfers", {"BankTransfers": [body, wrong]})
    assert (answer.status_code, len(answer.json()["Elements"])) == (400, 1)
    books.call("POST", f"BankTransfers/{made['BankTransferID']}", {"Status": "DELETED"})
    assert len(books.read("BankTransfers")) == 1
    assert len(books.read("BankTransfers", includeDeleted="true", where='Reference=="po_1"')) == 2


def test_journals_balance_and_stay_off_the_accounts_that_documents_keep(books: Books) -> None:
    def journal(*lines: tuple[str, float], **fields: Any) -> Json:
        sides = [{"AccountCode": code, "LineAmount": amount} for code, amount in lines]
        return {"Narration": "je_1 March", "JournalLines": sides, "Status": "POSTED", "Date": "2026-03-10", **fields}

    fine, *wrong = books.write(
        "PUT",
        "ManualJournals",
        journal(("200", 10), ("830", -10)),
        journal(("200", 10), ("830", -9)),
        journal(("200", 10), ("610", -10)),
        journal(("200", 10), ("091", -10)),
        journal(("200", 10), ("999", -10)),
        journal(("200", 10.001), ("830", -10.001)),
        journal(("200", 10), ("830", -10), Narration=""),
    )
    words = ("debits", "Accounts receivable", "Stripe clearing", "999", "two decimals", "Narration")
    for one, expected in zip(wrong, words, strict=True):
        assert expected in reasons(one)
    (found,) = books.read("ManualJournals", where='Narration.StartsWith("je_1")', page="1")
    assert [one["LineAmount"] for one in found["JournalLines"]] == [10, -10]
    path = f"ManualJournals/{fine['ManualJournalID']}"
    (voided,), (again,) = (books.write("POST", path, {"Status": "VOIDED"}) for _ in range(2))
    assert voided["Status"] == "VOIDED"
    assert "VOIDED" in reasons(again)


def test_nothing_moves_in_a_locked_period(books: Books) -> None:
    contact = books.contact()
    (made,) = books.write("PUT", "BankTransactions", receive(contact))
    books.vendor.books.organisation.update(EndOfYearLockDate=day_fields("x", TODAY + timedelta(days=9))["x"])
    (refused,) = books.write("PUT", "BankTransactions", spend())
    (kept,) = books.write("POST", f"BankTransactions/{made['BankTransactionID']}", {"Status": "DELETED"})
    for one in (refused, kept):
        assert "lock date" in reasons(one)


def test_files_hang_on_documents_and_the_same_name_replaces(books: Books) -> None:
    invoice = books.invoice()
    url = f"{books.url}/Invoices/{invoice['InvoiceID']}/Attachments"
    for content in (b"one", b"longer"):
        assert books.session.put(f"{url}/a%20b.pdf", data=content, timeout=5).status_code == 200
    (hung,) = books.session.get(url, timeout=5).json()["Attachments"]
    assert (hung["FileName"], hung["ContentLength"], hung["MimeType"]) == ("a b.pdf", 6, "application/pdf")
    assert books.again(invoice)["HasAttachments"] is True
    assert books.session.put(f"{url}/empty.pdf", data=b"", timeout=5).status_code == 400
    assert books.session.get(url.replace(invoice["InvoiceID"], NOBODY), timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("Contacts", {"Nmae": "x"}),
        ("Invoices", {"Type": "ACCREC", "LineItems": [{"Describtion": "x"}]}),
        ("Payments", {"Invoice": {"InvoiceId": NOBODY}}),
        ("BankTransactions", {"Type": "SPEND", "BankAccount": {"code": "091"}}),
        ("ManualJournals", {"Narration": "x", "JournalLines": [{"Amount": 1}]}),
    ],
)
def test_a_field_that_the_api_does_not_know_is_refused_whole(books: Books, path: str, body: Json) -> None:
    answer = books.call("PUT", path, {path: [body]})
    assert answer.status_code == 400
    assert "could not find member" in answer.json()["Message"]


def test_a_request_too_large_and_a_refusal_under_its_key_are_answered_the_same_again(books: Books) -> None:
    huge = {"Contacts": [{"Name": "x" * 3_500_001}]}
    assert books.call("PUT", "Contacts", huge).status_code == 400
    refused = [books.call("PUT", "Contacts", {"Contacts": [{"Nmae": "x"}]}, headers={"Idempotency-Key": "k"})]
    refused.append(books.call("PUT", "Contacts", {"Contacts": [{"Nmae": "x"}]}, headers={"Idempotency-Key": "k"}))
    assert [answer.status_code for answer in refused] == [400, 400]
    assert refused[0].content == refused[1].content
    fine = {"Contacts": [{"Name": "x"}]}
    assert "already used" in books.call("PUT", "Contacts", fine, headers={"Idempotency-Key": "k"}).json()["Message"]


def test_what_the_stand_in_knows_of_an_object_stands_in_the_specification(specs: Path) -> None:
    schemas = load(specs)[1]["components"]["schemas"]
    echoed = set(_STATE.split())
    for collection, shape in _COLLECTIONS.items():
        named = schemas[schemas[collection]["properties"][collection]["items"]["$ref"].rpartition("/")[2]]
        assert set(_KNOWN[shape]) - set(named["properties"]) <= echoed, collection
