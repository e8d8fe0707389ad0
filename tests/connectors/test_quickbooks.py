from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from connectors import http
from connectors.base import (
    Accounting,
    Adopted,
    Created,
    LedgerDocument,
    LedgerPayment,
    Ports,
    Ref,
    Rejected,
    Settings,
)
from connectors.errors import AuthExpired, OutcomeUnknown, Refused, Retryable
from connectors.quickbooks import changes, connect, transport
from connectors.quickbooks.documents import says_exactly
from connectors.quickbooks.transport import decimal, parse_fault, quote
from sandbox.core import LOCK
from sandbox.quickbooks import QuickBooks
from sandbox.quickbooks.refusal import Refusal
from sandbox.quickbooks.seed import REALM
from sandbox.server import Running
from tests.conftest import FixedToken, NoWait
from tests.connector_suite.accounting import AccountingSuite
from tests.connector_suite.accounting_bench import TODAY, AccountingBench
from tests.connector_suite.accounting_money import KINDS, MoneyBench
from tests.sandbox.quickbooks_specification import published

TOKEN = "sandbox-quickbooks-test"
OVERRIDE_FORBIDDEN = {"Name": "TaxPrefs.AllowPartnerTaxOverride", "Value": "false"}


def company(running: Running) -> str:
    return f"{running.url}/quickbooks/v3/company/{REALM}"


def by_hand(running: Running, path: str, body: dict[str, object]) -> dict[str, object]:
    """Write to the company as a bookkeeper's own tool would."""
    answer = requests.post(
        f"{company(running)}/{path}", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


class QuickBooksBench(AccountingBench):
    vendor = "quickbooks"
    token = TOKEN
    account = REALM
    home_currency = "USD"
    currencies = ("USD", "EUR", "GBP", "JPY")
    inexact = (("KWD", 1_001),)
    item = "PLAT-BASE"
    revenue_account = "Software revenue"
    taxed = "TAX"
    untaxed = "NON"
    class_ = "Software"
    clearing_accounts = {  # noqa: RUF012
        "USD": "Stripe clearing",
        "EUR": "Stripe clearing EUR",
        "GBP": "Stripe clearing GBP",
        "JPY": "Stripe clearing",
        "KWD": "Stripe clearing KWD",
    }
    bank_accounts = {"USD": "Checking", "EUR": "Checking EUR", "KWD": "Checking KWD"}  # noqa: RUF012
    fee_account = "Merchant fees"
    exchange_account = "Currency exchange"
    journal_accounts = ("Deferred revenue", "Software revenue")
    longest_number = 21
    has_versions = True
    writes = {"path": "/batch"}  # noqa: RUF012
    two_writes = ("refund_credit_note", "refund_on_account")

    def connect(self, settings: Settings, ports: Ports) -> Accounting:
        return connect(settings, ports)

    def exchanged(self, running: Running) -> Decimal:
        (row,) = [row for row in books(running).books.all("Account") if row["Name"] == self.exchange_account]
        return Decimal(row["CurrentBalance"])

    def void_document(self, running: Running, document: LedgerDocument) -> None:
        by_hand(running, "invoice?operation=void", {"Id": document.ref.id, "SyncToken": document.ref.version})

    def void_payment(self, running: Running, payment: LedgerPayment) -> None:
        body = {"Id": payment.ref.id, "SyncToken": payment.ref.version, "sparse": True}
        by_hand(running, "payment?operation=update&include=void", body)

    def enter_customer(self, running: Running, name: str) -> None:
        by_hand(running, "customer", {"DisplayName": name, "PrimaryEmailAddr": {"Address": "info@bolt.example"}})

    def documents_held(self, running: Running) -> int:
        state = running.sandbox.vendors["quickbooks"].state()
        return len(state["invoices"]) + len(state["creditmemos"])

    def payments_held(self, running: Running) -> int:
        return len(running.sandbox.vendors["quickbooks"].state()["payments"])

    def held(self, running: Running, kind: str) -> int:
        held = books(running).books.rows
        payments = [row for row in held["Payment"].values() if row["PaymentRefNum"] not in ("oa_credit", "re_1")]
        links = [link for row in held["Payment"].values() for line in row["Line"] for link in line["LinkedTxn"]]
        if kind.startswith("refund"):
            checks = [row for row in held["Purchase"].values() if row["PaymentType"] == "Check"]
            assert len(checks) == len([link for link in links if link["TxnType"] == "Check"])
            return len(checks)
        if kind == "allocation_on_account":
            return len([link for link in links if link["TxnType"] == "Invoice"])
        entity = {"transfer": "Transfer", "expense": "Purchase", "expense_back": "JournalEntry"}.get(
            kind, "JournalEntry"
        )
        return len(payments) if kind in ("on_account", "allocation_credit_note") else len(held[entity])

    def files_held(self, running: Running, document: LedgerDocument) -> int:
        hung = books(running).books.rows["Attachable"].values()
        return sum(place["EntityRef"]["value"] == document.ref.id for row in hung for place in row["AttachableRef"])

    def close_books(self, running: Running, through: date) -> None:
        books(running).books.preferences["AccountingInfoPrefs"]["BookCloseDate"] = through.isoformat()

    def edit_customer(self, running: Running, customer: Ref, phone: str) -> None:
        phone_field = {"PrimaryPhone": {"FreeFormNumber": phone}}
        by_hand(running, "customer", {"Id": customer.id, "SyncToken": "0", "sparse": True, **phone_field})

    def edit_document(self, running: Running, document: LedgerDocument, change: str) -> None:
        entity = "Invoice" if document.type == "invoice" else "CreditMemo"
        row = books(running).state()[f"{entity.lower()}s"][0]
        first, *others = row["Line"][:-1]
        detail = {**first["SalesItemLineDetail"], "UnitPrice": 80}
        edited = {**first, "Amount": 80, "Description": "Edited", "SalesItemLineDetail": detail}
        fields: dict[str, object] = {}
        if change == "amount":
            fields = {"Line": [edited, *others]}
        elif change == "customer":
            fields = {"CustomerRef": {"value": self.other_customer(running)}}
        elif change == "words":
            fields = {"CustomerMemo": {"value": f"{document.memo}\nSee you"}, "PrivateNote": "asked by phone"}
        else:
            plain: dict[str, dict[str, object]] = {
                "number": {"DocNumber": "EDITED"},
                "due_on": {"DueDate": (TODAY + timedelta(days=37)).isoformat()},
                "po_number": {"CustomerMemo": {"value": "PO PO-9"}},
            }
            fields = plain[change]
        ids = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True}
        by_hand(running, entity.lower(), {**ids, **fields})

    def other_customer(self, running: Running) -> str:
        self.enter_customer(running, "Other Ltd")
        (found,) = [row for row in books(running).state()["customers"] if row["DisplayName"] == "Other Ltd"]
        return str(found["Id"])


class TestContract(QuickBooksBench, AccountingSuite):
    """The contract that every ledger keeps."""


class Sent:
    """What left for QuickBooks: each request's method, path, query, body and timeout."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def bodies(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every object of every batch as (entity, body)."""
        items = [item for one in self.requests for item in one["json"].get("BatchItemRequest", [])]
        return [(name, item[name]) for item in items for name in item if name not in ("bId", "operation")]

    def singles(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every object that was sent by itself as (entity, body), and what was said of each file."""
        entities = {"customer": "Customer", "invoice": "Invoice", "creditmemo": "CreditMemo", "payment": "Payment"}
        found = [(entities.get(one["url"].rpartition("/")[2], ""), one["json"]) for one in self.requests]
        files = [one["text"].split("application/json")[1] for one in self.requests if "file_metadata_01" in one["text"]]
        described = [("Attachable", json.JSONDecoder().raw_decode(text.strip())[0]) for text in files]
        return [(entity, body) for entity, body in found if entity and body] + described


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    record = Sent()
    original = requests.Session.request

    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        data = kwargs.get("data")
        text = data.decode() if isinstance(data, bytes) else ""
        parsed = json.loads(text, parse_float=Decimal) if text.startswith("{") else {}
        record.requests.append({"url": url, "text": text, "json": parsed, **kwargs})
        return original(self, method, url, *args, **kwargs)

    monkeypatch.setattr(requests.Session, "request", request)
    return record


def books(running: Running) -> QuickBooks:
    vendor = running.sandbox.vendors["quickbooks"]
    assert isinstance(vendor, QuickBooks)
    return vendor


class TestRequests(QuickBooksBench, MoneyBench):
    """What leaves for QuickBooks."""

    def every_kind(self, ledger: Accounting) -> None:
        """Send one object of each kind, with every field filled."""
        for currency in ("USD", "EUR"):
            customer = self.customer(ledger, currency)
            lines = (
                self.line(1234567_89, 103_99, currency=currency),
                self.line(10, quantity=Decimal(7), unit_price=Decimal("0.01428571"), currency=currency),
            )
            more: dict[str, Any] = {"currency": currency, "po_number": "PO-77"}
            document = self.create(ledger, self.draft(customer, f"I-{currency}", *lines, **more))
            self.create(ledger, self.draft(customer, f"C-{currency}", *lines, type="credit_note", **more))
            self.pay(ledger, document, 30, f"ch_{currency}")

    def everything(self, ledger: Accounting) -> None:
        """Send whatever there is to send, with every field filled."""
        self.every_kind(ledger)
        customer = self.customer(ledger, key="other", currency="GBP")
        more: dict[str, Any] = {"currency": "GBP", "terms": "Net 30", "exchange_rate": Decimal("1.2701")}
        dear = self.create(ledger, self.draft(customer, "I-GBP", self.line(90_00, currency="GBP"), **more))
        note = self.create(
            ledger, self.draft(customer, "C-GBP", self.line(5, currency="GBP"), type="credit_note", **more)
        )
        ledger.void_document(dear.ref, "invoice", "v1")
        ledger.void_document(note.ref, "credit_note", "v2")
        paid = self.pay(ledger, self.create(ledger, self.draft(self.ours(ledger), "P-1")), 1_00)
        ledger.void_payment(paid.ref, "v3")
        ledger.update_customer(customer, self.customer_draft("GBP", name="Acme Holding"), "u1")
        for kind in ("invoice", "credit_note"):
            draft = self.draft(customer, f"E-{kind}", self.line(5_00, currency="GBP"), type=kind, **more)
            there = ledger.document(self.create(ledger, draft).ref, draft.type)
            lines = (self.line(7_00, currency="GBP"),)
            anew = self.draft(customer, f"N-{kind}", *lines, type=kind, **more, po_number="PO-8")
            later = msgspec.structs.replace(anew, due_on=TODAY + timedelta(days=60), issue_on=TODAY + timedelta(days=1))
            ledger.update_document(there, later, f"e-{kind}")
        ledger.attach(dear.ref, "invoice", "I-GBP.pdf", b"%PDF", "f1")

    def ours(self, ledger: Accounting) -> Ref:
        (found,) = ledger.customers.find([self.customer_draft("USD")])
        assert found is not None
        return found.ref

    def test_each_object_is_in_the_published_schema_by_name_type_length_and_value(
        self, running: Running, ledger: Accounting, sent: Sent, specs: Path
    ) -> None:
        schema = published(specs)
        self.everything(ledger)
        for kind in KINDS:
            running.sandbox.reset()
            fresh = self.fresh(running)
            name, draft = self.wanted(fresh, kind)
            assert isinstance(getattr(fresh, name).create([draft], "k1")[0], Created)
        entities = {"Customer", "Invoice", "CreditMemo", "Payment", "Purchase", "Transfer", "JournalEntry"}
        assert {entity for entity, _ in sent.bodies()} == entities
        assert {entity for entity, _ in sent.singles()} == {
            "Customer",
            "Invoice",
            "CreditMemo",
            "Payment",
            "Attachable",
        }
        for entity, body in (*sent.bodies(), *sent.singles()):
            assert_published(schema, entity, body)

    def test_each_object_of_a_company_abroad_is_in_the_published_schema_too(
        self, running: Running, ledger: Accounting, sent: Sent, specs: Path
    ) -> None:
        books(running).books.go_abroad()
        draft = self.draft(self.customer(ledger), "D-1", self.line(100_00, 20_00, tax_code="20.0% S"))
        self.create(ledger, draft)
        (result,) = ledger.expenses.create([self.expense(1_00, tax_code="0.0% Z")], "k1")
        assert isinstance(result, Created)
        for entity, body in sent.bodies():
            assert_published(published(specs), entity, body)

    def test_nothing_is_sent_that_the_sdk_would_add_by_itself(self, ledger: Accounting, sent: Sent) -> None:
        self.every_kind(ledger)
        unwanted = {"ExchangeRate", "GlobalTaxCalculation", "sparse", "EmailStatus", "TotalAmt", "Balance", "Id"}
        for entity, body in sent.bodies():
            assert not unwanted & (set(body) - ({"TotalAmt"} if entity == "Payment" else set())), entity
            assert not [name for name in body if name.startswith("AllowOnline")]
            assert "" not in body.values()

    def test_amounts_leave_as_json_numbers_digit_by_digit(self, ledger: Accounting, sent: Sent) -> None:
        self.every_kind(ledger)
        text = " ".join(one["text"] for one in sent.requests)
        assert '"Amount":1234567.89' in text
        assert '"TotalTax":103.99' in text
        assert '"UnitPrice":1234567.89' in text
        assert '"TotalAmt":0.30' in text
        assert '"Amount":"' not in text

    def test_yen_leave_without_decimals(self, ledger: Accounting, sent: Sent) -> None:
        customer = self.customer(ledger, "JPY")
        self.create(ledger, self.draft(customer, "Y-1", self.line(123_456, currency="JPY"), currency="JPY"))
        assert '"Amount":123456,' in sent.requests[-1]["text"]

    def test_every_call_has_a_timeout_and_follows_no_redirect(self, ledger: Accounting, sent: Sent) -> None:
        self.every_kind(ledger)
        ledger.probe()
        ledger.changes(None)
        ledger.changes(datetime(2026, 3, 9, tzinfo=UTC))
        assert {one["timeout"] for one in sent.requests} == {http.TIMEOUT}
        assert {one["allow_redirects"] for one in sent.requests} == {False}

    def test_a_batch_carries_its_key_and_short_ids_within_quickbooks_bounds(
        self, ledger: Accounting, sent: Sent
    ) -> None:
        customer = self.customer(ledger)
        ledger.documents.create([self.draft(customer, f"D-{n}") for n in range(30)], "k" * 36)
        batch = sent.requests[-1]
        assert batch["params"]["requestid"] == "k" * 36
        assert [item["bId"] for item in batch["json"]["BatchItemRequest"]] == [str(n) for n in range(1, 31)]

    def test_a_connector_calls_nobody_until_it_is_used(self, running: Running, sent: Sent) -> None:
        self.fresh(running)
        assert sent.requests == []

    def test_lists_are_read_once_however_many_documents_follow(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        for n in range(5):
            self.create(ledger, self.draft(customer, f"D-{n}"))
        assert books(running).metered["reads"] == 4  # preferences, items, tax codes, classes

    def test_more_than_a_batch_is_a_mistake_of_the_caller(self, ledger: Accounting) -> None:
        with pytest.raises(ValueError, match="30"):
            ledger.documents.create([self.draft(Ref(id="1"), f"D-{n}") for n in range(31)], "k")

    def test_batches_are_paced_below_the_limit_of_a_minute(self, running: Running, ledger: Accounting) -> None:
        customer, clock = self.customer(ledger), NoWait()
        settings = Settings(name="q", vendor="quickbooks", base_url=self.base_url(running), account=REALM)
        paced = connect(settings, Ports(credentials=FixedToken(TOKEN), clock=clock))
        for n in range(121):
            paced.documents.create([self.draft(customer, f"D-{n}")], f"k{n}")
        assert 60 <= clock.now < 75
        assert books(running).calls["POST /v3/company/{realm}/batch"] == 122


def assert_published(schema: dict[str, Any], kind: str, body: Any) -> None:
    """Hold one object against the published names, types, lengths and enumerations, and what hangs below it."""
    for name, value in body.items():
        if name == "sparse":  # an attribute, not a field
            assert value is True
            continue
        field = schema["entities"][kind][name]
        assert isinstance(value, list) == field["many"], (kind, name)
        for each in value if isinstance(value, list) else [value]:
            assert len(str(each)) <= field.get("max_len", 4000), (kind, name)
            if field["type"] in ("ReferenceType", "MemoRef"):
                assert {"value"} <= set(each) <= {"value", "name", "type"}  # a name only where QuickBooks gave it
                assert isinstance(each["value"], str)
            elif field["type"] in schema["entities"]:
                assert_published(schema, field["type"], each)
            elif field["type"] == "decimal":
                assert isinstance(each, Decimal | int), (kind, name)
            elif field["type"] == "boolean":
                assert isinstance(each, bool)
            elif field["type"] == "positiveInteger":
                assert isinstance(each, int)
            elif field["type"] == "date":
                date.fromisoformat(each)
            else:
                assert isinstance(each, str), (kind, name)
                assert each in schema["enums"].get(field["type"], [each])


class TestDrafts(QuickBooksBench):
    """How our drafts become QuickBooks' objects, and what is refused on the way."""

    def stored(self, running: Running, plural: str) -> dict[str, Any]:
        """Return the only object of a type at the stand-in."""
        (row,) = books(running).state()[plural]
        return row

    def test_a_foreign_currency_has_a_customer_of_its_own(self, running: Running, ledger: Accounting) -> None:
        home, euro = self.customer(ledger, "USD"), self.customer(ledger, "EUR")
        names = {row["Id"]: row["DisplayName"] for row in books(running).state()["customers"]}
        assert names == {home.id: "Acme Robotics, Inc.", euro.id: "Acme Robotics, Inc. (EUR)"}

    def test_a_name_held_by_a_vendor_is_told_as_taken(self, ledger: Accounting) -> None:
        (result,) = ledger.customers.create([self.customer_draft("USD", name="Harbor Logistics")], "k1")
        assert isinstance(result, Rejected)
        assert result.code == "6240"
        assert "vendor" in result.reason

    def test_a_customer_of_ours_under_another_key_is_not_taken(self, ledger: Accounting) -> None:
        self.customer(ledger, key="first")
        (result,) = ledger.customers.create([self.customer_draft("USD", "second")], "k2")
        assert isinstance(result, Rejected)
        assert result.code == "6240"

    def test_a_name_with_a_colon_is_refused_with_a_remedy(self, ledger: Accounting) -> None:
        (result,) = ledger.customers.create([self.customer_draft("USD", name="Acme: the company")], "k1")
        assert isinstance(result, Rejected)
        assert "colon" in result.reason

    def test_a_masked_tax_id_is_no_evidence(self, ledger: Accounting) -> None:
        self.customer(ledger)
        (found,) = ledger.customers.find([self.customer_draft("USD")])
        assert found is not None
        assert found.tax_id == ""

    def test_a_contact_too_long_for_its_fields_stands_in_the_notes(self, running: Running, ledger: Accounting) -> None:
        draft = self.customer_draft("USD")
        long_name = "Maximiliane Wolfeschlegelsteinhausenbergerdorff"
        customer = msgspec.structs.replace(draft.customer, contact_name=long_name, phone="+49 30 1234567890 ext. 12345")
        ledger.customers.create([msgspec.structs.replace(draft, customer=customer)], "k1")
        row = self.stored(running, "customers")
        assert "FamilyName" not in row
        assert row["Notes"].splitlines() == [
            "Netterms cust-1-USD",
            f"Contact: {long_name}",
            "Phone: +49 30 1234567890 ext. 12345",
        ]

    def test_a_line_says_item_by_sku_or_name_class_tax_code_and_service_date(
        self, running: Running, ledger: Accounting
    ) -> None:
        lines = (self.line(100, 8), self.line(200, item="Implementation", class_="Services"))
        self.create(ledger, self.draft(self.customer(ledger), "D-1", *lines))
        first, second, _ = self.stored(running, "invoices")["Line"]
        assert first["SalesItemLineDetail"]["ItemRef"]["name"] == "Platform subscription"
        assert first["SalesItemLineDetail"]["ClassRef"]["name"] == "Software"
        assert first["SalesItemLineDetail"]["TaxCodeRef"]["value"] == "TAX"
        assert first["SalesItemLineDetail"]["ServiceDate"] == "2026-03-01"
        assert second["SalesItemLineDetail"]["ItemRef"]["name"] == "Implementation"
        assert second["SalesItemLineDetail"]["TaxCodeRef"]["value"] == "NON"

    def test_quantity_and_price_stand_in_the_text_where_they_do_not_make_the_amount(
        self, running: Running, ledger: Accounting
    ) -> None:
        line = self.line(2975_00, description="Seats", quantity=Decimal("40.0"), unit_price=Decimal("85.00"))
        self.create(ledger, self.draft(self.customer(ledger), "D-1", line))
        row = self.stored(running, "invoices")["Line"][0]
        assert row["Description"] == "Seats (40 x 85 USD)"
        assert not {"Qty", "UnitPrice"} & set(row["SalesItemLineDetail"])

    def test_the_purchase_order_the_memo_the_mark_and_the_mail_address_have_their_places(
        self, running: Running, ledger: Accounting
    ) -> None:
        self.create(ledger, self.draft(self.customer(ledger), "D-1", po_number="4711", memo="Thanks"))
        row = self.stored(running, "invoices")
        assert row["CustomerMemo"] == {"value": "PO 4711\nThanks"}
        assert row["PrivateNote"] == "Netterms us deal-1 D-1"
        assert row["BillEmail"] == {"Address": "ap@acme.example"}
        assert row["EmailStatus"] == "NotSet"

    def test_what_is_too_long_is_refused_with_a_remedy_and_never_cut(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        drafts = [
            self.draft(customer, "N" * 22),
            self.draft(customer, "D-1", self.line(100, description="d" * 4001)),
            self.draft(customer, "D-2", memo="m" * 1001),
            self.draft(customer, "D-3", mark="p" * 4001),
            self.draft(customer, "D-4", email=f"{'a' * 90}@acme.example"),
            self.draft(customer, ""),
        ]
        results = ledger.documents.create(drafts, "k1")
        assert all(isinstance(result, Rejected) and ": " in result.reason for result in results)
        assert books(running).calls["POST /v3/company/{realm}/batch"] == 1  # the customer's: nothing else was sent

    def test_a_payment_key_too_long_is_refused(self, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "D-1"))
        (result,) = ledger.payments.create([self.payment_draft(document, 1, key="c" * 22)], "k1")
        assert isinstance(result, Rejected)

    def test_an_unknown_item_is_named_and_found_once_it_exists(self, running: Running, ledger: Accounting) -> None:
        clock = NoWait()
        later = self.fresh(running, clock=clock)
        draft = self.draft(self.customer(ledger), "D-1", self.line(100, item="Onboarding"))
        (result,) = later.documents.create([draft], "k1")
        assert isinstance(result, Rejected)
        assert "item 'Onboarding'" in result.reason
        by_hand(running, "item", {"Name": "Onboarding", "Type": "Service", "IncomeAccountRef": {"value": "2"}})
        clock.sleep(60)
        assert isinstance(later.documents.create([draft], "k2")[0], Created)

    def test_a_payment_goes_to_its_account_and_carries_our_key(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "D-1"))
        self.pay(ledger, document, 1_00)
        row = self.stored(running, "payments")
        assert (row["PaymentRefNum"], row["DepositToAccountRef"]) == ("ch_1", {"value": "4"})
        assert row["UnappliedAmt"] == 0

    def test_a_number_taken_by_another_document_is_shown_as_it_is_there(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer, other = self.customer(ledger), self.customer(ledger, key="other-name", currency="EUR")
        by_hand(
            running,
            "invoice",
            {
                "CustomerRef": {"value": other.id},
                "DocNumber": "D-1",
                "Line": [
                    {
                        "Amount": 7,
                        "DetailType": "SalesItemLineDetail",
                        "SalesItemLineDetail": {"ItemRef": {"value": "8"}},
                    }
                ],
            },
        )
        (result,) = ledger.documents.create([self.draft(customer, "D-1")], "k1")
        assert isinstance(result, Adopted)
        assert (result.found.total, result.found.currency, result.found.customer_id) == (7_00, "EUR", other.id)


class TestFailures(QuickBooksBench):
    """How QuickBooks' ways to fail are told apart, where the SDK would not."""

    def raised(self, running: Running, **fault: Any) -> Exception:
        """Return what a write raises under one fault that goes on."""
        ledger = self.fresh(running)
        customer = self.customer(ledger)
        self.create(ledger, self.draft(customer, "WARM-UP"))
        self.order(running, times=-1, **fault)
        with pytest.raises(Exception) as caught:
            ledger.documents.create([self.draft(customer, "D-1")], "k1")
        return caught.value

    THROTTLED = (
        '<?xml version="1.0"?><IntuitResponse><Fault type="SERVICE"><Error code="3001"><Message>message='
        "ThrottleExceeded; errorCode=003001; statusCode={}</Message></Error></Fault></IntuitResponse>"
    )

    @pytest.mark.parametrize("status", [429, 403, 400])
    def test_a_throttled_call_is_retryable_even_in_xml_and_under_another_status(
        self, running: Running, ledger: Accounting, status: int
    ) -> None:
        error = self.raised(running, kind="error_before", status=status, body=self.THROTTLED.format(status))
        assert isinstance(error, Retryable)
        assert error.after == pytest.approx(0.015)  # 15 seconds of a minute that lasts 0.06

    def test_a_throttled_call_in_json_is_retryable(self, running: Running, ledger: Accounting) -> None:
        fault = {"Fault": {"Error": [{"Message": "ThrottleExceeded", "code": "3001"}], "type": "ValidationFault"}}
        assert isinstance(self.raised(running, kind="error_before", status=200, body=json.dumps(fault)), Retryable)

    def test_the_stand_ins_own_limit_is_met_waited_for_and_passed(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        with LOCK:
            vendor = books(running)
            limits = vendor.limits
            vendor.limits = [type(limits[0])("none", 0, 60)]
        try:
            with pytest.raises(Retryable):
                ledger.documents.create([self.draft(customer, "D-1")], "k1")
        finally:
            vendor.limits = limits
        assert self.create(ledger, self.draft(customer, "D-1")).number == "D-1"

    def test_a_refused_call_shows_every_error_of_its_fault(self, running: Running, ledger: Accounting) -> None:
        errors = [{"Message": "First", "Detail": "one", "code": "2020"}, {"Message": "Second", "code": "2050"}]
        body = json.dumps({"Fault": {"Error": errors, "type": "ValidationFault"}})
        error = self.raised(running, kind="error_before", status=400, body=body)
        assert isinstance(error, Refused)
        assert "2020 First: one; Second" in str(error)

    def test_a_breakdown_inside_quickbooks_is_an_unknown_outcome(self, running: Running, ledger: Accounting) -> None:
        body = json.dumps({"Fault": {"Error": [{"Message": "oops", "code": "10000"}], "type": "SystemFault"}})
        assert isinstance(self.raised(running, kind="error_before", status=400, body=body), OutcomeUnknown)

    @pytest.mark.parametrize("body", ["<html>ok</html>", "[]", "null", '"text"', "{}"])
    def test_a_success_that_holds_no_batch_answer_is_an_unknown_outcome(
        self, running: Running, ledger: Accounting, body: str
    ) -> None:
        assert isinstance(self.raised(running, kind="error_before", status=200, body=body), OutcomeUnknown)

    def test_a_redirect_is_not_followed(self, running: Running, ledger: Accounting) -> None:
        headers = {"Location": "http://127.0.0.1:9/elsewhere"}
        assert isinstance(self.raised(running, kind="error_before", status=302, headers=headers), OutcomeUnknown)

    def test_another_company_asks_for_a_reconnection(self, running: Running, ledger: Accounting) -> None:
        settings = Settings(name="q", vendor="quickbooks", base_url=self.base_url(running), account="1")
        with pytest.raises(AuthExpired):
            connect(settings, Ports(credentials=FixedToken(TOKEN), clock=NoWait())).probe()

    def test_a_server_that_is_not_there_was_sent_nothing(self) -> None:
        settings = Settings(name="q", vendor="quickbooks", base_url="http://127.0.0.1:9", account=REALM)
        ledger = connect(settings, Ports(credentials=FixedToken(TOKEN), clock=NoWait()))
        with pytest.raises(Retryable):
            ledger.customers.create([self.customer_draft("USD")], "k1")

    def test_a_secret_in_an_answer_does_not_reach_the_error(self, running: Running, ledger: Accounting) -> None:
        error = self.raised(running, kind="error_before", status=400, body="Bearer abcdef123456 is not known")
        assert "abcdef" not in str(error)

    def throttle(self, running: Running, numbers: dict[str, int], code: str = "3001") -> None:
        """Refuse items by document number with ``code``: how often each, -1 for ever."""
        held = books(running).books
        write = held.write

        def refusing(entity: str, body: Any, operation: str) -> Any:
            number = body.get("DocNumber", "")
            if numbers.get(number):
                numbers[number] -= 1 if numbers[number] > 0 else 0
                raise Refusal(code, "ThrottleExceeded" if code == "3001" else "An application error has occurred")
            return write(entity, body, operation)

        held.write = refusing  # type: ignore[method-assign]

    def test_items_throttled_one_by_one_are_sent_again_without_the_others(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        drafts = [self.draft(customer, number) for number in ("A", "B", "C")]
        self.throttle(running, {"B": 2})
        results = ledger.documents.create(drafts, "k1")
        assert [result.found.number for result in results if isinstance(result, Created)] == ["A", "B", "C"]
        again = self.fresh(running).documents.create(drafts, "k1")
        assert [type(result) for result in again] == [Created] * 3
        assert self.documents_held(running) == 3

    def test_a_batch_throttled_in_every_item_did_nothing(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        self.throttle(running, {"A": -1, "B": -1})
        with pytest.raises(Retryable):
            ledger.documents.create([self.draft(customer, "A"), self.draft(customer, "B")], "k1")
        assert self.documents_held(running) == 0

    def test_a_batch_throttled_for_ever_in_part_must_be_looked_up(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        drafts = [self.draft(customer, "A"), self.draft(customer, "B")]
        self.throttle(running, {"B": -1})
        with pytest.raises(OutcomeUnknown):
            ledger.documents.create(drafts, "k1")
        assert [document and document.number for document in ledger.documents.find(drafts)] == ["A", None]

    def test_a_second_pass_that_fails_does_not_hide_what_the_first_one_booked(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        drafts = [self.draft(customer, "A"), self.draft(customer, "B")]
        self.create(ledger, self.draft(customer, "WARM-UP"))
        self.throttle(running, {"B": 1})
        self.order(running, kind="error_before", status=429, path="/batch", skip=1, times=-1)
        with pytest.raises(OutcomeUnknown):
            ledger.documents.create(drafts, "k1")
        assert [document and document.number for document in ledger.documents.find(drafts)] == ["A", None]

    def test_an_item_on_which_quickbooks_broke_down_must_be_looked_up(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        self.throttle(running, {"B": 1}, code="10000")
        with pytest.raises(OutcomeUnknown):
            ledger.documents.create([self.draft(customer, "A"), self.draft(customer, "B")], "k1")

    def test_a_look_up_that_fails_after_the_batch_is_an_unknown_outcome(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        self.create(ledger, self.draft(customer, "A"))
        self.order(running, kind="error_before", path="/query", times=-1)
        with pytest.raises(OutcomeUnknown):
            ledger.documents.create([self.draft(customer, "A"), self.draft(customer, "B")], "k2")
        assert self.documents_held(running) == 2


class TestChanges(QuickBooksBench):
    """Change data capture and its bounds."""

    def fill(self, running: Running, customer: str, count: int) -> None:
        """Enter invoices directly, as quickly as may be."""
        detail = {"ItemRef": {"value": "8"}}
        line = {"Amount": 1, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
        with LOCK:
            for n in range(count):
                body = {"CustomerRef": {"value": customer}, "DocNumber": f"F-{n}", "Line": [line]}
                books(running).books.write("Invoice", body, "create")

    def test_more_than_a_page_is_read_in_full_even_where_many_share_a_second(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "PAGE", 50)
        monkeypatch.setattr(changes, "PAGE", 50)
        self.fill(running, self.customer(ledger).id, 130)
        assert len({document.number for document in ledger.changes(None).documents}) == 130

    def test_more_changes_than_one_capture_tells_are_queried(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sandbox.quickbooks.books.LONGEST_CDC", 50)
        monkeypatch.setattr(changes, "MOST", 50)
        customer = self.customer(ledger)
        gone = self.create(ledger, self.draft(customer, "GONE"))
        self.fill(running, customer.id, 70)
        self.move(running, days=1)
        by_hand(running, "invoice?operation=delete", {"Id": gone.ref.id, "SyncToken": gone.ref.version})
        found = ledger.changes(datetime(2026, 3, 10, tzinfo=UTC)).documents
        assert len(found) == 71
        assert [document.ref.id for document in found if document.status == "deleted"] == [gone.ref.id]

    def test_for_what_lies_further_back_than_thirty_days_everything_is_read(
        self, running: Running, ledger: Accounting
    ) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "OLD"))
        self.move(running, days=45)
        cursor = ledger.changes(datetime(2026, 3, 10, tzinfo=UTC)).cursor
        assert cursor is not None
        assert not ledger.changes(cursor).complete  # nothing happened, and yet the cursor has moved on
        found = ledger.changes(datetime(2026, 3, 20, tzinfo=UTC) - timedelta(days=5))
        assert found.complete
        assert [one.ref.id for one in found.documents] == [document.ref.id]

    def test_a_capture_that_is_refused_for_another_reason_is_not_read_around(
        self, running: Running, ledger: Accounting
    ) -> None:
        since = ledger.changes(None).cursor
        self.order(running, kind="error_before", status=400, path="/cdc", body="no such company file")
        with pytest.raises(Refused, match="no such company file"):
            ledger.changes(since)

    def test_what_a_capture_tells_late_is_not_missed(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        cursor, clock, held = ledger.changes(None).cursor, running.sandbox.clock, books(running).books
        held.lag["Invoice"] = timedelta(seconds=55)
        clock.wait(10)
        late = self.create(ledger, self.draft(customer, "LATE"))
        clock.wait(10)
        prompt = self.create(ledger, self.draft(customer, "PROMPT", type="credit_note"))
        clock.wait(5)
        seen = ledger.changes(cursor)
        assert [one.ref.id for one in seen.documents] == [prompt.ref.id]
        clock.wait(50)
        assert late.ref.id in [one.ref.id for one in ledger.changes(seen.cursor).documents]

    def test_one_request_tells_what_changed_lately(self, running: Running, ledger: Accounting) -> None:
        self.create(ledger, self.draft(self.customer(ledger), "NEW"))
        before = self.requests(running)
        ledger.changes(datetime(2026, 3, 10, tzinfo=UTC))
        assert self.requests(running) - before == 1

    def test_deletions_are_told_by_id_and_kind(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "GONE"))
        payment = self.pay(ledger, document, 100_00)
        by_hand(running, "payment?operation=delete", {"Id": payment.ref.id, "SyncToken": payment.ref.version})
        token = str(int(self.found(ledger, self.draft(Ref(id=""), "GONE")).ref.version))
        by_hand(running, "invoice?operation=delete", {"Id": document.ref.id, "SyncToken": token})
        found = ledger.changes(datetime(2026, 3, 10, tzinfo=UTC))
        assert [(one.ref.id, one.type, one.status) for one in found.documents] == [
            (document.ref.id, "invoice", "deleted")
        ]
        assert [(one.ref.id, one.status) for one in found.payments] == [(payment.ref.id, "deleted")]

    def test_the_cursor_never_passes_the_first_answer(self) -> None:
        first = datetime(2026, 3, 10, 12, tzinfo=UTC)
        reading = changes.Reading()
        late = {
            "Id": "7",
            "DisplayName": "Late",
            "CurrencyRef": {"value": "USD"},
            "MetaData": {"LastUpdatedTime": "2026-03-10T12:00:09+00:00"},
        }
        reading.add("Customer", [late])
        assert reading.changes(None).cursor == first + timedelta(seconds=9)
        reading.as_of = first
        assert reading.changes(None).cursor == first
        assert reading.changes(first + timedelta(seconds=1)).cursor == first + timedelta(seconds=1)

    def test_a_customer_made_inactive_shows_by_query_and_by_capture(self, running: Running, ledger: Accounting) -> None:
        ref = self.customer(ledger)
        held = books(running).books
        held.merge_customers(ref.id, held.write("Customer", {"DisplayName": "The other"}, "create")["Id"])
        for since in (None, datetime(2026, 3, 10, tzinfo=UTC)):
            active = {one.ref.id: one.active for one in ledger.changes(since).customers}
            assert (active[ref.id], len(active)) == (False, 2)

    def test_a_zero_invoice_is_paid_not_voided(self, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "FREE", self.line(50_00), self.line(-50_00)))
        assert (document.status, document.total) == ("paid", 0)

    def test_an_invoice_whose_note_speaks_of_voiding_is_open_while_it_is_worth_something(
        self, ledger: Accounting
    ) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "D-1", mark="Voids our offer of May"))
        assert document.status == "open"

    def test_an_overpayment_entered_there_shows_what_is_applied(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "D-1"))
        link = {"Amount": 100, "LinkedTxn": [{"TxnId": document.ref.id, "TxnType": "Invoice"}]}
        by_hand(
            running,
            "payment",
            {"CustomerRef": {"value": document.customer_id}, "TotalAmt": 130.55, "Line": [link]},
        )
        (payment,) = ledger.changes(None).payments
        assert (payment.amount, payment.applied, payment.key) == (130_55, {document.ref.id: 100_00}, "")
        assert payment.unapplied == 30_55
        assert payment.received_on == TODAY


class TestSetup(QuickBooksBench):
    """What is checked before anything is booked."""

    def test_items_go_by_name_and_by_sku_accounts_by_name(self, ledger: Accounting) -> None:
        setup = ledger.setup()
        assert setup.items["PLAT-BASE"] == setup.items["Platform subscription"] == "Platform subscription"
        assert setup.accounts["Stripe clearing"] == "Stripe clearing (Bank)"
        assert setup.tax_codes == {"TAX": "Taxable", "NON": "Non-taxable"}
        assert set(setup.classes) == {"Software", "Services"}

    def test_settings_that_book_wrongly_are_told_with_their_remedy(self, running: Running, ledger: Accounting) -> None:
        held = books(running).books
        held.preferences["SalesFormsPrefs"]["CustomTxnNumbers"] = False
        held.preferences["TaxPrefs"]["PartnerTaxEnabled"] = True
        held.preferences["OtherPrefs"] = {"NameValue": [OVERRIDE_FORBIDDEN]}
        numbers, sales_tax = ledger.setup().problems
        assert "lets no app set it" in sales_tax
        assert "Custom transaction numbers" in numbers

    def test_what_other_currencies_need_is_no_problem_of_a_company_that_has_one(
        self, running: Running, ledger: Accounting
    ) -> None:
        assert ledger.setup().one_currency == ""
        books(running).books.keep_one_currency("USD")
        setup = ledger.setup()
        assert (setup.problems, setup.home_currency) == ((), "USD")
        assert "Multicurrency" in setup.one_currency


# --------------------------------------------------------------------------------------------------------- small parts


@pytest.mark.parametrize(
    ("quantity", "price", "total", "exact"),
    [
        ("3", "33.333333", "100.00", True),
        ("12.5", "19.99", "249.88", True),
        ("1", "0.005", "0.01", True),
        ("1", "-0.005", "-0.01", True),
        ("40", "85", "2975.00", False),
        ("1", "0.0049999999999999999", "0.00", False),  # more digits than readers of JSON keep
    ],
)
def test_quantity_and_price_are_said_only_where_they_make_the_amount_exactly(
    quantity: str, price: str, total: str, exact: bool
) -> None:
    assert says_exactly(Decimal(quantity), Decimal(price), Decimal(total)) is exact


def test_a_float_amount_is_an_error_not_a_rounding() -> None:
    with pytest.raises(TypeError):
        decimal(0.1)
    assert decimal(7) == Decimal(7)


def test_texts_in_queries_are_escaped() -> None:
    assert quote("O'Hara \\ Sons") == "'O\\'Hara \\\\ Sons'"


def test_faults_are_read_in_both_spellings() -> None:
    upper = parse_fault({"Fault": {"Error": [{"Message": "m", "Detail": "d", "code": "610"}], "type": "T"}})
    lower = parse_fault({"fault": {"error": [{"message": "m", "detail": "d", "code": "3200"}], "type": "T"}})
    assert upper is not None
    assert lower is not None
    assert (upper.code, upper.text) == ("610", "m: d")
    assert (lower.code, lower.text) == ("3200", "m: d")
    assert parse_fault({"Invoice": {}}) is None


def test_every_limit_is_the_published_one() -> None:
    limits = {limit.name: (limit.calls, limit.seconds) for limit in transport.LIMITS}
    assert limits == {"concurrent": (10, 0), "second": (10, 1), "minute": (500, 60), "batches": (120, 60)}
