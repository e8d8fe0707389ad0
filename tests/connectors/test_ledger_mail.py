"""What a ledger prints and mails, at each real connector: its PDF, its payment page, its own mail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.base import Accounting, LedgerDocument, Ref
from connectors.errors import AuthExpired, OutcomeUnknown, Refused, Retryable
from sandbox.core import LOCK
from sandbox.server import Running
from tests.connector_suite.accounting_bench import AccountingBench, shared_sandbox
from tests.connectors.test_quickbooks import QuickBooksBench
from tests.connectors.xero_bench import HEADERS, XeroBench
from tests.sandbox.xero_specification import load


class LedgerMail:
    """The part of the accounting contract that is about paper and mail; each vendor runs it below."""

    bench: AccountingBench
    link: str  # how the stand-in's payment pages begin
    sends: str  # a part of the path that makes it send

    @pytest.fixture
    def running(self) -> Running:
        with LOCK:
            shared_sandbox().sandbox.reset()
        return shared_sandbox()

    @pytest.fixture
    def ledger(self, running: Running) -> Accounting:
        return self.bench.fresh(running)

    def document(self, ledger: Accounting, number: str = "INV-7", **changes: Any) -> LedgerDocument:
        return self.bench.create(ledger, self.bench.draft(self.bench.customer(ledger), number, **changes))

    @pytest.mark.parametrize("kind", ["invoice", "credit_note"])
    def test_a_document_is_printed_as_a_pdf(self, ledger: Accounting, kind: Any) -> None:
        document = self.document(ledger, type=kind)
        content = ledger.pdf(document.ref, kind)
        assert content.startswith(b"%PDF-")
        assert b"INV-7" in content
        assert content.rstrip().endswith(b"%%EOF")

    def test_an_invoice_has_a_page_where_it_can_be_paid(self, ledger: Accounting) -> None:
        assert ledger.payment_link(self.document(ledger).ref) == f"{self.link}/INV-7"

    def test_the_ledger_mails_an_invoice_itself(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        ledger.send(document.ref, "invoice", "ap@acme.example", "k1")
        assert self.was_mailed(running, document)

    def test_what_is_not_there_is_refused(self, ledger: Accounting) -> None:
        unknown = Ref(id=self.bench.unknown_id())
        for act in (
            lambda: ledger.pdf(unknown, "invoice"),
            lambda: ledger.payment_link(unknown),
            lambda: ledger.send(unknown, "invoice", "ap@acme.example", "k1"),
        ):
            with pytest.raises(Refused):
                act()

    def test_reading_is_tried_again_and_sending_is_not(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        self.bench.order(running, kind="error_before", status=503, method="GET")
        assert ledger.pdf(document.ref, "invoice")
        self.bench.order(running, kind="reset_after", method="POST", path=self.sends)
        with pytest.raises(OutcomeUnknown):
            ledger.send(document.ref, "invoice", "ap@acme.example", "k1")
        self.bench.order(running, kind="error_before", status=503, method="GET", times=-1)
        with pytest.raises(Retryable):
            ledger.payment_link(document.ref)
        running.sandbox.faults.ordered.clear()

    def test_an_answer_that_is_no_pdf_is_not_taken_for_one(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        self.bench.order(running, kind="error_before", status=200, body="<html>sign in</html>", method="GET", times=-1)
        with pytest.raises(Retryable, match="no PDF"):
            ledger.pdf(document.ref, "invoice")
        running.sandbox.faults.ordered.clear()

    def test_a_refused_token_is_for_a_person_to_mend(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        self.bench.order(running, kind="unauthorized", times=-1)
        for act in (lambda: ledger.pdf(document.ref, "invoice"), lambda: ledger.payment_link(document.ref)):
            with pytest.raises(AuthExpired):
                act()
        running.sandbox.faults.ordered.clear()

    def was_mailed(self, running: Running, document: LedgerDocument) -> bool:
        raise NotImplementedError


class TestQuickBooks(LedgerMail):
    bench = QuickBooksBench()
    link = "https://pay.quickbooks.example"
    sends = "send"

    def was_mailed(self, running: Running, document: LedgerDocument) -> bool:
        (row,) = running.sandbox.vendors["quickbooks"].state()["invoices"]
        return (row["EmailStatus"], row["BillEmail"]["Address"]) == ("EmailSent", "ap@acme.example")

    def test_the_same_key_sends_once(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        for _ in range(2):
            ledger.send(document.ref, "invoice", "ap@acme.example", "k1")
        (row,) = running.sandbox.vendors["quickbooks"].state()["invoices"]
        assert row["SyncToken"] == "1"

    def test_a_credit_note_is_mailed_too(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger, type="credit_note")
        ledger.send(document.ref, "credit_note", "a+b@acme.example", "k1")
        (row,) = running.sandbox.vendors["quickbooks"].state()["creditmemos"]
        assert row["BillEmail"]["Address"] == "a+b@acme.example"

    def test_an_address_that_is_none_is_refused(self, ledger: Accounting) -> None:
        with pytest.raises(Refused, match="2210"):
            ledger.send(self.document(ledger).ref, "invoice", "nobody", "k1")

    def test_the_fields_are_those_of_the_published_schema(self, specs: Path) -> None:
        schema = (specs / "qbo" / "Finance.xsd").read_text(encoding="utf-8")
        assert all(f'name="{name}"' in schema for name in ("InvoiceLink", "EmailStatus", "BillEmail"))
        assert '"EmailSent"' in schema


class TestXero(LedgerMail):
    bench = XeroBench()
    link = "https://in.xero.example"
    sends = "Email"

    def was_mailed(self, running: Running, document: LedgerDocument) -> bool:
        (row,) = running.sandbox.vendors["xero"].state()["invoices"]
        return row["SentToContact"] is True

    def test_another_address_than_the_contacts_is_refused(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        with pytest.raises(Refused, match=r"would mail ap@acme\.example instead of other@acme\.example"):
            ledger.send(document.ref, "invoice", "other@acme.example", "k1")
        assert not self.was_mailed(running, document)

    def test_a_credit_note_cannot_be_mailed_and_says_what_to_do(self, ledger: Accounting) -> None:
        document = self.document(ledger, type="credit_note")
        with pytest.raises(Refused, match="set delivery to netterms"):
            ledger.send(document.ref, "credit_note", "ap@acme.example", "k1")

    def test_the_published_specification_describes_what_is_called(
        self, specs: Path, running: Running, ledger: Accounting
    ) -> None:
        _, document = load(specs)
        paths = document["paths"]
        assert paths["/Invoices/{InvoiceID}/pdf"]["get"]["x-path"] == "/Invoices/{InvoiceID}"
        assert "204" in paths["/Invoices/{InvoiceID}/Email"]["post"]["responses"]
        assert "OnlineInvoiceUrl" in document["components"]["schemas"]["OnlineInvoice"]["properties"]
        made = self.document(ledger)
        base = f"{running.url}/xero/api.xro/2.0/Invoices/{made.ref.id}"
        link = requests.get(f"{base}/OnlineInvoice", headers=HEADERS, timeout=5).json()
        assert [set(one) for one in link["OnlineInvoices"]] == [{"OnlineInvoiceUrl"}]
        assert requests.post(f"{base}/Email", json={}, headers=HEADERS, timeout=5).status_code == 204

    def test_what_xero_would_not_mail_is_refused(self, running: Running, ledger: Accounting) -> None:
        document = self.document(ledger)
        self.bench.void_document(running, document)
        with pytest.raises(Refused, match="must be approved"):
            ledger.send(document.ref, "invoice", "ap@acme.example", "k1")
