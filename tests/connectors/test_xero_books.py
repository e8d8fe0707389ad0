"""The rest of a ledger's work at Xero: voiding, customers kept in step, totals known beforehand, limits, files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.customer import Address
from connectors.base import Accounting, Adopted, Created, CustomerDraft, DocumentDraft, LedgerLine, Ref, Rejected
from connectors.errors import OutcomeUnknown, Refused
from connectors.xero import batches, limits, totals
from connectors.xero.wire import minor
from sandbox.core import Fault
from sandbox.server import Running
from sandbox.xero import lines as sandbox_lines
from tests.connector_suite.accounting_bench import TODAY
from tests.connectors.test_xero_money import prepayment
from tests.connectors.xero_bench import XeroMoney, books
from tests.sandbox.xero_specification import Exchange, check, unknown_arguments

PDF = b"%PDF-1.4 an invoice"
TIME = datetime(2026, 3, 1, tzinfo=UTC)


class TestVoiding(XeroMoney):
    @pytest.mark.parametrize("kind", ["invoice", "credit_note"])
    def test_a_document_is_voided_and_stays_so(self, running: Running, ledger: Accounting, kind: Any) -> None:
        draft = self.draft(self.customer(ledger), "V-1", type=kind)
        document = self.create(ledger, draft)
        for key in ("v1", "v2"):
            voided = self.fresh(running).void_document(document.ref, kind, key)
            assert (voided.ref, voided.status, voided.balance) == (document.ref, "voided", 0)
        assert self.found(ledger, draft).status == "voided"

    def test_the_number_of_a_voided_document_stays_taken(self, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "V-1")
        document = self.create(ledger, draft)
        ledger.void_document(document.ref, "invoice", "v1")
        (again,) = ledger.documents.create([draft], "again")
        assert isinstance(again, Adopted)
        assert (again.found.ref, again.found.status) == (document.ref, "voided")

    def test_a_draft_is_deleted(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "V-1"))
        books(running).books.invoices[document.ref.id]["Status"] = "DRAFT"
        assert ledger.void_document(document.ref, "invoice", "v1").status == "deleted"

    def test_what_was_paid_or_used_is_not_voided(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        paid, credited = (self.create(ledger, self.draft(customer, f"V-{number}")) for number in (1, 2))
        note = self.create(ledger, self.draft(customer, "CN-1", type="credit_note"))
        self.pay(ledger, paid, 1_00)
        self.only(ledger.allocations, self.allocation("credit_note", note.ref, credited, 1_00))
        for ref, kind in ((paid.ref, "invoice"), (credited.ref, "invoice"), (note.ref, "credit_note")):
            with pytest.raises(Refused, match="valid status"):
                ledger.void_document(ref, kind, f"v-{ref.id}")  # type: ignore[arg-type]  # the pairs above
        with pytest.raises(Refused, match="404"):
            ledger.void_document(Ref(id=self.unknown_id()), "invoice", "v9")

    def test_nothing_is_voided_in_a_closed_period(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        document = self.create(ledger, self.draft(customer, "V-1"))
        payment, money = self.pay(ledger, document, 1_00), self.on_account(ledger, customer, 5_00)
        other = self.create(ledger, self.draft(customer, "V-2"))
        self.close_books(running, TODAY + timedelta(days=30))
        with pytest.raises(Refused, match="lock date"):
            ledger.void_document(other.ref, "invoice", "v1")
        for number, ref in enumerate((payment.ref, money.ref)):
            with pytest.raises(Refused, match="lock date"):
                ledger.void_payment(ref, f"p{number}")

    def test_a_payment_is_deleted_once_and_its_invoice_open_again(self, running: Running, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "V-1")
        payment = self.pay(ledger, self.create(ledger, draft), 100_00)
        for key in ("v1", "v2"):
            voided = self.fresh(running).void_payment(payment.ref, key)
            assert (voided.ref, voided.status) == (payment.ref, "deleted")
        assert (self.found(ledger, draft).status, self.found(ledger, draft).balance) == ("open", 100_00)
        with pytest.raises(Refused, match=self.unknown_id()):
            ledger.void_payment(Ref(id=self.unknown_id()), "v3")

    def test_used_money_on_account_is_not_voided(self, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        money = self.on_account(ledger, customer, 5_00)
        self.only(ledger.refunds, self.refund(customer, "on_account", money.ref, 1_00))
        with pytest.raises(Refused, match="refunded"):
            ledger.void_payment(money.ref, "v1")

    def test_a_lost_void_is_unknown_and_again_is_the_same(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "V-1"))
        self.order(running, kind="timeout_after", method="POST", seconds=0.01)
        with pytest.raises(OutcomeUnknown):
            ledger.void_document(document.ref, "invoice", "v1")
        assert self.fresh(running).void_document(document.ref, "invoice", "v2").status == "voided"


class TestCustomers(XeroMoney):
    def changed(self, draft: CustomerDraft, **changes: Any) -> CustomerDraft:
        return msgspec.structs.replace(draft, customer=msgspec.structs.replace(draft.customer, **changes))

    def test_our_fields_are_brought_in_step_and_no_others_touched(self, running: Running, ledger: Accounting) -> None:
        draft = self.customer_draft("GBP")
        customer = self.customer(ledger)
        there = books(running).books.contacts[customer.id]
        street = {"AddressType": "STREET", "AddressLine1": "9 Side St"}
        mobile = {"PhoneType": "MOBILE", "PhoneNumber": "0100"}
        there.update(AccountNumber="A-7", FirstName="Bo", Addresses=[*there["Addresses"], street])
        there["Phones"] = [*there["Phones"], mobile]
        wanted = self.changed(
            draft, name="Acme PLC", email="new@acme.example", tax_id="", address=Address(line1="2 New St")
        )
        updated = ledger.update_customer(customer, msgspec.structs.replace(wanted, currency="EUR"), "u1")
        assert (updated.ref, updated.name, updated.email) == (customer, "Acme PLC", "new@acme.example")
        assert (updated.key, updated.tax_id) == (draft.key, "12-3456789")  # what we do not know is not cleared
        assert (there["AccountNumber"], there["FirstName"], there["DefaultCurrency"]) == ("A-7", "Bo", "GBP")
        postal = {"AddressType": "POBOX", "AddressLine1": "2 New St", "AttentionTo": "Ada Byron"}
        assert there["Addresses"] == [postal, street]
        assert [one["PhoneNumber"] for one in there["Phones"]] == ["+1 512 555 0100", "0100"]

    def test_one_that_was_merged_leads_to_what_it_became(self, running: Running, ledger: Accounting) -> None:
        draft, customer = self.customer_draft("GBP"), self.customer(ledger)
        state = books(running).books
        first, last = (state.create_contact({"Name": name, "ContactNumber": name})["ContactID"] for name in ("A", "B"))
        state.merge_contacts(customer.id, first)
        state.merge_contacts(first, last)
        (found,) = self.fresh(running).customers.find([draft])
        assert found is not None
        assert (found.ref.id, found.key, found.active) == (last, draft.key, True)
        wanted = self.changed(draft, name="Survivor Ltd")
        assert ledger.update_customer(customer, wanted, "u1").ref.id == last
        assert (state.contacts[last]["Name"], state.contacts[last]["ContactNumber"]) == ("Survivor Ltd", "B")
        assert state.contacts[customer.id]["Name"] == draft.customer.name

    def test_what_xero_would_not_take_is_refused(self, running: Running, ledger: Accounting) -> None:
        draft, customer = self.customer_draft("GBP"), self.customer(ledger)
        self.enter_customer(running, "Taken Ltd")
        with pytest.raises(Refused, match="already assigned"):
            ledger.update_customer(customer, self.changed(draft, name="Taken Ltd"), "u1")
        with pytest.raises(Refused, match="'<'"):
            ledger.update_customer(customer, self.changed(draft, name="A <b>"), "u2")
        books(running).books.contacts[customer.id]["ContactStatus"] = "ARCHIVED"
        with pytest.raises(Refused, match="archived"):
            ledger.update_customer(customer, draft, "u3")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"name": "A > B"}, "'>'"),
            ({"name": "N" * 256}, "name has 256 characters; Xero takes 255"),
            ({"name": "  "}, "no name"),
            ({"email": "a" * 250 + "@b.example"}, "e-mail address has 260"),
            ({"tax_id": "1" * 51}, "tax id has 51"),
            ({"phone": "1" * 51}, "phone number has 51"),
            ({"address": Address(line1="x" * 501)}, "address line has 501"),
            ({"address": Address(postal_code="x" * 51)}, "postal code has 51"),
        ],
    )
    def test_limits_are_named_before_anything_is_sent(
        self, running: Running, ledger: Accounting, changes: dict[str, Any], words: str
    ) -> None:
        draft = self.changed(self.customer_draft("GBP"), **changes)
        assert words in self.refusal(ledger.customers, draft)
        assert self.requests(running) == 0


class TestPuttingBack(XeroMoney):
    """Changes of documents, which name what differs and nothing else."""

    def test_only_what_differs_is_sent_and_all_else_stays(
        self, running: Running, ledger: Accounting, exchanges: list[Exchange]
    ) -> None:
        draft = self.draft(self.customer(ledger), "E-1")
        document = self.create(ledger, draft)
        by_hand = {"DueDate": "2026-12-24", "Url": "https://x.example/e-1"}
        self.post(running, f"Invoices/{document.ref.id}", by_hand)
        (before,) = books(running).state()["invoices"]
        ledger.update_document(ledger.document(document.ref, "invoice"), draft, "e1")
        (sent,) = json.loads(exchanges[-1].body)["Invoices"]
        assert set(sent) == {"InvoiceID", "DueDate"}
        (row,) = books(running).state()["invoices"]
        changed = {name for name in row if row[name] != before[name]}
        assert changed - {"UpdatedDateUTC", "UpdatedDateUTCString"} == {"DueDate", "DueDateString"}

    def test_lines_go_whole_and_with_four_decimals_of_a_price(
        self, running: Running, ledger: Accounting, exchanges: list[Exchange]
    ) -> None:
        line = self.line(10, quantity=Decimal(7), unit_price=Decimal("0.0143"))
        draft = self.draft(self.customer(ledger), "E-1", line, self.line(5_00), memo="")
        document = self.create(ledger, draft)
        (row,) = books(running).state()["invoices"]
        self.post(running, f"Invoices/{document.ref.id}", {"LineItems": row["LineItems"][1:]})
        ledger.update_document(ledger.document(document.ref, "invoice"), draft, "e1")
        (row,) = books(running).state()["invoices"]
        assert [one["UnitAmount"] for one in row["LineItems"]] == [0.0143, 5]
        assert exchanges[-1].url.endswith("?unitdp=4")

    def test_a_price_in_words_is_none_of_a_lines_text(self, ledger: Accounting) -> None:
        line = self.line(10, quantity=Decimal(7), unit_price=Decimal("0.01428571"))
        draft = self.draft(self.customer(ledger), "E-1", line, memo="Thanks")
        document = ledger.document(self.create(ledger, draft).ref, "invoice")
        assert draft.differs_from(document) == []

    def test_what_xero_cannot_hold_is_refused_before_anything_is_sent(self, ledger: Accounting) -> None:
        draft = self.draft(self.customer(ledger), "E-1")
        seen = ledger.document(self.create(ledger, draft).ref, "invoice")
        overlong = msgspec.structs.replace(draft, number="N" * 256)
        with pytest.raises(Refused, match="255"):
            ledger.update_document(seen, overlong, "e1")


class TestTotals(XeroMoney):
    @given(
        st.lists(
            st.tuples(st.integers(1, 10**9), st.integers(0, 10**7), st.integers(1, 10**7), st.integers(0, 10**9)),
            min_size=1,
            max_size=6,
        ),
        st.sampled_from(["GBP", "JPY", "KWD"]),
    )
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_what_xero_will_compute_is_known_beforehand(
        self, ledger: Accounting, rows: list[tuple[int, int, int, int]], currency: str
    ) -> None:
        """Whatever amounts, quantities and prices: what is sent is either refused here or exactly ours there."""
        coarse = 10 if currency == "KWD" else 1  # line amounts that Xero can hold, with shares of tax that it cannot
        lines = [
            self.line(
                amount * coarse, tax, quantity=Decimal(quantity).scaleb(-3), unit_price=Decimal(price).scaleb(-5),
                currency=currency, tax_code=self.taxed, class_="",
            )
            for amount, tax, quantity, price in rows
        ]  # fmt: skip
        if currency == "KWD":
            missing = -sum(line.tax for line in lines) % 10
            lines.append(self.line(10, missing, currency=currency, tax_code=self.taxed, class_=""))
        number = f"H-{next(NUMBERS)}"
        draft = self.draft(self.customer(ledger), number, *lines, currency=currency)
        (result,) = ledger.documents.create([draft], f"h-{number}")
        assert isinstance(result, Created), result
        assert (result.found.total, result.found.tax) == (draft.total, draft.tax)

    @pytest.mark.parametrize(
        ("shares", "currency", "wanted"),
        [
            ((6_15, 6_15), "GBP", ["6.15", "6.15"]),
            ((615, 615), "JPY", ["615", "615"]),
            ((615, 615), "KWD", ["0.62", "0.61"]),
            ((614, 616), "KWD", ["0.61", "0.62"]),
            ((1_004, -334, 0, 330), "KWD", ["1.00", "-0.33", "0.00", "0.33"]),
            ((0, 0), "KWD", ["0.00", "0.00"]),
        ],
    )
    def test_cents_of_the_tax_go_to_the_largest_remainders(
        self, shares: tuple[int, ...], currency: str, wanted: list[str]
    ) -> None:
        assert totals.tax_shares(shares, currency) == [Decimal(one) for one in wanted]

    def test_lines_that_do_not_add_up_are_refused_and_nothing_is_sent(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        line = self.line(100_00, 20_00)
        for words, changes in (
            ("100.00 + 20.00 of it; ours is 100.01 + 20.00", {"subtotal": 100_01, "total": 120_01}),
            ("ours is 100.00 + 20.00", {"total": 120_01}),
            ("do not add up", {"tax": 20_01, "total": 120_01}),
        ):
            assert words in self.refusal(ledger.documents, self.draft(customer, "A-1", line, **changes))
        assert self.documents_held(running) == 0

    def test_a_total_that_comes_back_different_is_reported_as_it_is(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox_lines, "_tax", lambda given, percent, types, amount: Decimal("20.01"))
        document = self.create(ledger, self.draft(self.customer(ledger), "A-1", self.line(100_00, 20_00)))
        assert (document.tax, document.total, document.balance) == (20_01, 120_01, 120_01)

    @pytest.mark.parametrize(
        ("quantity", "price"), [("1e20", "1e20"), ("1e30", "1"), ("0.00001", "1"), ("1", "1.00001")]
    )
    def test_numbers_that_xero_cannot_hold_are_said_in_words(
        self, ledger: Accounting, exchanges: list[Exchange], quantity: str, price: str
    ) -> None:
        line = self.line(1_00, quantity=Decimal(quantity), unit_price=Decimal(price))
        assert self.create(ledger, self.draft(self.customer(ledger), "A-1", line)).total == 1_00
        sent = json.loads(exchanges[-1].body)["Invoices"][0]["LineItems"][0]
        assert (sent["Quantity"], sent["UnitAmount"]) == (1, 1.0)
        assert sent["Description"].endswith(" GBP)")

    def test_half_a_yen_never_passes_for_a_whole_one(self) -> None:
        amounts = [minor(Decimal(text), "JPY") for text in ("100", "100.00", "100.40", "-100.40")]
        assert amounts == [100, 100, 101, -101]
        assert minor(Decimal("1.23"), "KWD") == 1_230


NUMBERS = iter(range(1, 1_000_000))


class TestRates(XeroMoney):
    def foreign(self, ledger: Accounting, rate: str | None, currency: str = "EUR") -> DocumentDraft:
        exchange_rate = None if rate is None else Decimal(rate)
        line = self.line(100_00, currency=currency)
        return self.draft(self.customer(ledger), "R-1", line, currency=currency, exchange_rate=exchange_rate)

    @pytest.mark.parametrize(
        ("rate", "sent"), [("0.8", "1.25"), ("0.8681", "1.151941"), (None, "1.152"), ("1.0000004", "")]
    )
    def test_the_rate_is_foreign_per_home_and_never_one(
        self, running: Running, ledger: Accounting, rate: str | None, sent: str
    ) -> None:
        draft = self.foreign(ledger, rate)
        if sent:
            self.create(ledger, draft)
            (there,) = books(running).books.invoices.values()
            assert there["CurrencyRate"] == Decimal(sent)
        else:
            assert "EUR" in self.refusal(ledger.documents, draft)

    def test_a_rate_of_one_or_none_at_all_is_refused(self, ledger: Accounting) -> None:
        for rate in ("1", "0", "-1", "9999999"):
            assert "rate" in self.refusal(ledger.documents, self.foreign(ledger, rate))

    def test_the_home_currency_has_no_rate(
        self, running: Running, ledger: Accounting, exchanges: list[Exchange]
    ) -> None:
        self.create(ledger, self.foreign(ledger, "1", "GBP"))
        assert b"CurrencyRate" not in exchanges[-1].body


class TestLimits(XeroMoney):
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"number": "N" * 256}, "number has 256 characters; Xero takes 255"),
            ({"po_number": "P" * 256}, "purchase order's number has 256"),
            ({"memo": "m" * 4001}, "line 2 has 4001"),
            ({"description": "d" * 4001}, "line 1 has 4001"),
            ({"description": " "}, "no description"),
            ({"description": "d" * 3990, "unit_price": Decimal("0.123456")}, "line 1 has 40"),
            ({"item": "I" * 31}, "ItemCode of line 1 has 31"),
            ({"account": "1" * 11}, "AccountCode of line 1 has 11"),
            ({"amount": 1_000_000_000_000}, "10000000000.00 is larger"),
            ({"exchange_rate": Decimal("1e-30"), "currency": "EUR"}, "rate"),
        ],
    )
    def test_a_document_beyond_them_is_refused_before_anything_is_sent(
        self, running: Running, ledger: Accounting, changes: dict[str, Any], words: str
    ) -> None:
        of_line = {name: changes.pop(name) for name in list(changes) if name in LedgerLine.__struct_fields__}
        line = self.line(of_line.pop("amount", 100_00), class_="", **of_line)
        number = changes.pop("number", "L-1")
        assert words in self.refusal(ledger.documents, self.draft(Ref(id="c"), number, line, **changes))
        assert self.requests(running) == 0

    def test_a_batch_too_large_for_a_call_goes_in_several_and_one_that_never_fits_is_refused(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch, exchanges: list[Exchange]
    ) -> None:
        monkeypatch.setattr(batches, "LARGEST_CALL", 10_000)
        customer = self.customer(ledger)
        texts = ["x" * 3_500] * 5
        drafts = [self.draft(customer, f"B-{n}", self.line(1_00, description=text)) for n, text in enumerate(texts)]
        many = [self.line(1_00, description="x" * 3_500) for _ in range(3)]
        drafts.insert(2, self.draft(customer, "HUGE", *many))
        results = ledger.documents.create(drafts, "k1")
        assert [type(result) for result in results] == [Created, Created, Rejected, Created, Created, Created]
        sent = [one for one in exchanges if one.method == "PUT" and "/Invoices" in one.url]
        assert [one.headers["Idempotency-Key"] for one in sent] == ["k1-invoice", "k1-invoice-2", "k1-invoice-3"]
        assert max(len(one.body) for one in sent) <= 10_000

    def test_a_second_call_that_fails_leaves_the_batch_unknown(
        self, running: Running, ledger: Accounting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches, "LARGEST_CALL", 1_000)
        drafts = [self.expense(1_00, f"fee_{number}", memo="x" * 500) for number in range(2)]
        running.sandbox.faults.ordered[:] = [Fault("xero", "error_before", "PUT", status=429, skip=1, times=-1)]
        with pytest.raises(OutcomeUnknown):
            ledger.expenses.create(drafts, "k1")
        running.sandbox.faults.ordered.clear()
        assert [one is not None for one in ledger.expenses.find(drafts)] == [True, False]

    def test_the_day_up_to_which_the_books_are_closed_is_shown(self, running: Running, ledger: Accounting) -> None:
        assert ledger.setup().closed_through is None
        self.close_books(running, date(2026, 1, 31))
        organisation = books(running).books.organisation
        organisation["EndOfYearLockDate"] = organisation["PeriodLockDate"]
        self.close_books(running, date(2026, 2, 28))
        assert ledger.setup().closed_through == date(2026, 2, 28)


class TestFiles(XeroMoney):
    @pytest.mark.parametrize("kind", ["invoice", "credit_note"])
    def test_a_pdf_is_hung_on_a_document_once(
        self, running: Running, ledger: Accounting, exchanges: list[Exchange], kind: Any
    ) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "F-1", type=kind))
        for key in ("a1", "a2"):
            self.fresh(running).attach(document.ref, kind, "Rechnung F-1 ü.pdf", PDF, key)
        assert sum(one.method == "PUT" and "Attachments" in one.url for one in exchanges) == 1
        (hung,) = books(running).state()["attachments"]
        shown = (hung["FileName"], hung["Content"], hung["MimeType"])
        assert shown == ("Rechnung F-1 ü.pdf", PDF.decode(), "application/pdf")

    def test_a_lost_answer_is_unknown_and_again_hangs_no_second_one(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "F-1"))
        self.order(running, kind="reset_after", method="PUT")
        with pytest.raises(OutcomeUnknown):
            ledger.attach(document.ref, "invoice", "F-1.pdf", PDF, "a1")
        ledger.attach(document.ref, "invoice", "F-1.pdf", PDF, "a2")
        assert self.count(running, "attachments") == 1

    def test_what_xero_does_not_take_is_refused(self, running: Running, ledger: Accounting) -> None:
        document = self.create(ledger, self.draft(self.customer(ledger), "F-1"))
        for name, content, words in (
            ("a/b.pdf", PDF, "'/'"),
            ("empty.pdf", b"", "empty"),
            ("big.pdf", b"x" * (limits.LARGEST_FILE + 1), "3500001 bytes"),
        ):
            with pytest.raises(Refused, match=words):
                ledger.attach(document.ref, "invoice", name, content, "a1")
        for number in range(limits.MOST_FILES):
            ledger.attach(document.ref, "invoice", f"{number}.pdf", PDF, f"a{number}")
        with pytest.raises(Refused, match="10 files"):
            ledger.attach(document.ref, "invoice", "more.pdf", PDF, "more")


class TestChanges(XeroMoney):
    def test_what_was_saved_shortly_before_the_cursor_comes_again(
        self, running: Running, ledger: Accounting, exchanges: list[Exchange]
    ) -> None:
        cursor = ledger.changes(None).cursor or running.sandbox.clock.now()
        ledger.changes(cursor)
        asked = {one.headers.get("If-Modified-Since") for one in exchanges[6:]}
        assert asked == {(cursor - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}
        assert len(exchanges) == 12  # one call for each kind of object

    def test_money_spent_and_transfers_that_are_deleted_come_back(self, running: Running, ledger: Accounting) -> None:
        fee, kept = (self.only(ledger.expenses, self.expense(1_00, key)) for key in ("a", "b"))
        transfer = self.only(ledger.transfers, self.transfer(5_00, "t"))
        assert {one.key: (one.amount, one.currency) for one in ledger.entry_changes(TIME).entries} == {
            "a": (1_00, "GBP"), "b": (1_00, "GBP"), "t": (5_00, "GBP"),
        }  # fmt: skip
        self.move(running, days=1)
        later = running.sandbox.clock.now()
        self.post(running, f"BankTransactions/{fee.ref.id}", {"Status": "DELETED"})
        self.post(running, f"BankTransfers/{transfer.ref.id}", {"Status": "DELETED"})
        changes = ledger.entry_changes(later)
        assert {(one.key, one.status) for one in changes.entries} == {("a", "deleted"), ("t", "deleted")}
        assert changes.cursor is not None
        assert changes.cursor >= later
        assert kept.status == "active"

    def test_a_refund_that_is_deleted_comes_back_with_the_other_changes(
        self, running: Running, ledger: Accounting
    ) -> None:
        customer = self.customer(ledger)
        money = self.on_account(ledger, customer, 50_00)
        refund = self.only(ledger.refunds, self.refund(customer, "on_account", money.ref, 20_00))
        (made,) = ledger.changes(None).entries
        assert (made.ref, made.key, made.amount, made.status) == (refund.ref, "re_1", 20_00, "active")
        self.move(running, days=1)
        later = running.sandbox.clock.now()
        self.post(running, f"Payments/{refund.ref.id}", {"Status": "DELETED"})
        (gone,) = ledger.changes(later).entries
        assert (gone.ref, gone.status) == (refund.ref, "deleted")

    def test_voids_edits_merges_and_deletions_come_back(self, running: Running, ledger: Accounting) -> None:
        customer = self.customer(ledger)
        document, renamed = (self.create(ledger, self.draft(customer, f"C-{number}")) for number in (1, 2))
        money = self.on_account(ledger, customer, 5_00)
        cursor = ledger.changes(None).cursor
        self.move(running, days=1)
        self.void_document(running, document)
        self.post(running, f"Invoices/{renamed.ref.id}", {"InvoiceNumber": "HAND-1"})
        self.fresh(running).void_payment(money.ref, "v1")
        state = books(running).books
        state.merge_contacts(customer.id, state.create_contact({"Name": "Other"})["ContactID"])
        changes = ledger.changes(cursor)
        assert {one.number: one.status for one in changes.documents} == {"C-1": "voided", "HAND-1": "open"}
        assert [(one.ref, one.status, one.unapplied) for one in changes.payments] == [(money.ref, "voided", 0)]
        assert [one.name for one in changes.customers if one.merged_into] == ["Acme Robotics, Inc."]


class TestSpecification(XeroMoney):
    def test_every_request_and_every_answer_follows_it(
        self, specs: Path, running: Running, ledger: Accounting, exchanges: list[Exchange]
    ) -> None:
        customer = self.customer(ledger)
        ledger.update_customer(customer, self.customer_draft("GBP", name="Acme PLC"), "u1")
        invoice = self.draft(customer, "S-1", self.line(100_00, 20_00), memo="Thanks")
        credit = self.draft(customer, "S-CN", type="credit_note")
        foreign = self.draft(
            customer, "S-2", self.line(1_00, currency="EUR"), currency="EUR", exchange_rate=Decimal("0.8")
        )
        document, note, other = (self.create(ledger, draft) for draft in (invoice, credit, foreign))
        ledger.attach(document.ref, "invoice", "S-1 paper.pdf", PDF, "a1")
        money = self.on_account(ledger, customer, 50_00)
        by_hand = Ref(id=prepayment(running, customer))
        for kind, source in (("credit_note", note.ref), ("on_account", money.ref), ("on_account", by_hand)):
            allocation = self.allocation(kind, source, document, 10_00)
            self.only(ledger.allocations, allocation)
            back = self.refund(customer, kind, source, 5_00, f"re_{source.id[:4]}")
            self.only(ledger.refunds, back)
            assert ledger.allocations.find([allocation]) != [None]
            assert ledger.refunds.find([back]) != [None]
        fee = self.expense(1_00, tax_code="INPUT2")
        written: list[tuple[Any, Any]] = [
            (ledger.expenses, fee),
            (ledger.expenses, self.expense(-1_00, "fee_2")),
            (ledger.transfers, self.transfer(1_00)),
            (ledger.journals, self.entry()),
            (ledger.payments, self.on_account_draft(customer, 7_00, "ch_7")),
        ]
        for collection, draft in written:
            self.only(collection, draft)
            assert collection.find([draft]) != [None]
        for draft in (foreign, credit):
            there = ledger.document((other if draft is foreign else note).ref, draft.type)
            anew = msgspec.structs.replace(draft, number=f"{draft.number}-N", po_number="PO-8")
            later = msgspec.structs.replace(anew, due_on=TODAY + timedelta(days=60))
            ledger.update_document(there, later, f"e-{draft.number}")
        edited = self.draft(customer, "S-3", self.line(5_00), issue_on=TODAY + timedelta(days=1))
        third = self.create(ledger, self.draft(customer, "S-3", self.line(4_00)))
        ledger.update_document(ledger.document(third.ref, "invoice"), edited, "e-3")
        ledger.void_document(other.ref, "invoice", "v1")
        (last,) = ledger.payments.find([self.on_account_draft(customer, 7_00, "ch_7")])
        assert last is not None
        ledger.void_payment(last.ref, "v2")
        ledger.void_payment(self.pay(ledger, document, 1_00).ref, "v3")
        self.close_books(running, TODAY + timedelta(days=30))
        self.refusal(ledger.expenses, self.expense(1_00, "x"))
        self.refusal(ledger.transfers, self.transfer(1, "x"))
        ledger.setup()
        cursor = ledger.changes(None).cursor
        assert cursor is not None
        ledger.changes(cursor)
        ledger.entry_changes(cursor)
        paths = {unquote(urlsplit(one.url).path).partition("/api.xro/2.0/")[2].split("/")[0] for one in exchanges}
        assert paths >= {"BankTransactions", "BankTransfers", "ManualJournals", "Overpayments", "Prepayments"}
        for exchange in exchanges:
            check(specs, exchange)
            assert unknown_arguments(specs, exchange) == [], exchange.url

    def test_a_field_that_is_not_there_is_noticed(
        self, ledger: Accounting, exchanges: list[Exchange], specs: Path
    ) -> None:
        self.customer(ledger)
        (exchange,) = exchanges
        body = json.loads(exchange.body)
        body["Contacts"][0]["Nmae"] = "x"
        wrong = Exchange(**{**vars(exchange), "body": json.dumps(body).encode(), "url": exchange.url + "&unitdp=4"})
        with pytest.raises(AssertionError, match="Nmae"):
            check(specs, wrong)
        assert unknown_arguments(specs, wrong) == ["unitdp"]
