"""Letters E and Z: rounding, tax, allocation, and what must never happen."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from billing.credits import Billed, credit_lines
from billing.invoicing import Billing, Draft, Rules, bill, settle
from billing.matching import Incoming, Matcher, OpenInvoice
from billing.money import allocate, text, to_minor
from tests.billing.build import NO_TAX, bill_on, issue, one_time, recurring, terms
from tests.billing.worked.cases import DIFFERENT, amounts, expected, given, shown


def once(*prices: str, tax: str = "0", currency: str = "USD", fields: str = "quantity = 1") -> dict[str, Any]:
    """Return the one invoice of one-time charges at these prices."""
    charges = ", ".join(
        f'{{type = "one_time", key = "c{index}", description = "Item", price = {price}, {fields}}}'
        for index, price in enumerate(prices)
    )
    body = f"starts_on = 2026-01-01\nends_on = 2026-01-31\ntax = {{standard = {tax}}}\ncharges = [{charges}]"
    (invoice,) = shown(body, currency=currency)["invoices"]
    return dict(invoice)


def test_E01_tax_is_of_the_document():
    assert DIFFERENT["E01"]
    invoice = once("25.06", "25.61", "25.63", tax="15")
    wanted = expected("E01")["per_document"]
    assert (invoice["tax"], invoice["total"]) == (wanted["tax_total"], wanted["total"])


def test_E01_tax_of_each_line_where_the_entity_has_it_so():
    wanted = expected("E01")["per_line"]
    contract = terms(*(one_time(key=price, price=price) for price in ("25.06", "25.61", "25.63")))
    rules = Rules(tax_rates={"standard": Decimal(15)}, tax_rounding="per_line")
    (draft,) = bill_on(contract, [], "2026-01-01", rules).drafts
    assert (text(draft.tax, "USD"), text(draft.total, "USD")) == (wanted["tax_total"], wanted["total"])
    assert text(sum(to_minor(Decimal(tax), "USD") for tax in wanted["tax"]), "USD") == wanted["tax_total"]


def test_E02_tax_of_a_document_at_three_decimals():
    assert DIFFERENT["E02"]
    assert once("4495.16", tax="9.975")["tax"] == expected("E02")["document_level"]


def test_E03_tax_rounds_half_away():
    assert once("1091.50", tax="15")["tax"] == expected("E03")["tax"]


def test_E04_value_added_tax_of_22_percent():
    assert [once(net, tax="22")["tax"] for net in ("9.99", "16.65")] == expected("E04")["tax"]


def test_E05_a_discount_on_the_contract_is_split_before_tax_over_mixed_rates():
    wanted = expected("E05")
    prices = [("100.00", "ten"), ("50.00", "zero"), ("30.00", "twenty"), ("20.00", "twenty")]
    charges = ", ".join(
        f'{{type = "one_time", key = "c{index}", description = "Item", price = {price}, tax_class = "{name}"}}'
        for index, (price, name) in enumerate(prices)
    )
    body = f"""
    starts_on = 2026-01-01
    ends_on = 2026-01-31
    tax = {{ten = 10, zero = 0, twenty = 20}}
    discounts = [{{amount = 10.00}}]
    charges = [{charges}]
    """
    document = shown(body)
    (invoice,) = document["invoices"]
    found = [
        sum(Decimal(line["amount"]) for line in invoice["lines"] if line["charge"] == f"c{index}") for index in range(4)
    ]
    split = [Decimal(price) - net for (price, _), net in zip(prices, found, strict=True)]
    assert split == [Decimal(part) for part in wanted["discount_split"]]
    assert [invoice["subtotal"], invoice["tax"], invoice["total"]] == [
        wanted["net"], wanted["tax_total"], wanted["total"]
    ]  # fmt: skip
    (nothing,) = shown(body.replace("amount = 10.00", "amount = 500.00"))["invoices"] or [
        {"tax": "0.00", "total": "0.00"}
    ]
    assert (nothing["tax"], nothing["total"]) == ("0.00", "0.00")


def test_E08_the_last_of_several_credit_notes_absorbs_the_cent():
    wanted = expected("E08")
    contract = terms(*(one_time(key=f"c{index}", price=price) for index, price in enumerate(LINES)))
    rules = Rules(tax_rates={"standard": Decimal(20)})
    billing = bill_on(contract, [], "2026-01-01", rules)
    settled = settle([], billing)
    assert text(billing.drafts[0].total, "USD") == wanted["invoice_total"]
    notes: list[Draft] = []
    for index in (0, 2, 3, 1):
        billed = Billed(number="INV-00001", invoice=billing.drafts[0], notes=tuple(notes), settled=tuple(settled))
        notes.append(credit_lines(billed, {index: None}, date(2026, 2, 1)))
        settled = settle(settled, Billing(drafts=(notes[-1],)))
    totals = [text(note.total, "USD") for note in notes]
    assert totals == [*wanted["naive_credit_notes"][:3], wanted["correct_last"]]
    assert text(sum(note.total for note in notes), "USD") == wanted["sum"]


LINES = ("68.33", "68.33", "57.50", "85.00")


def test_E11_values_round_at_their_currency_s_exponent():
    values = [
        ("10.275", "USD"), ("1023.5", "JPY"), ("1023.45", "JPY"), ("99.996", "EUR"), ("0.004", "GBP"), ("0.005", "GBP")
    ]  # fmt: skip
    # beside a charge that costs something, so that a line of 0.00 is shown
    found = [once(value, "7", currency=currency)["lines"][0]["amount"] for value, currency in values]
    found += [once("100", tax="8.875")["tax"], once("999", tax="10.5", currency="JPY")["tax"]]
    found.append(once("1.00", tax="0.1")["tax"])
    assert found == expected("E11")["values"]
    assert once("1.0005", currency="KWD")["total"] == "1.001"


def test_E16_a_price_is_allocated_by_largest_remainder():
    parts = allocate(to_minor(Decimal(expected("E16")["sum"]), "USD"), [100000, 30000, 10000])
    assert [text(part, "USD") for part in parts] == expected("E16")["allocation"]


def test_E18_a_payment_is_matched_in_the_invoice_s_currency():
    assert DIFFERENT["E18"]
    open_invoice = OpenInvoice(
        id="1", number="INV-00001", customer_id="7", currency="USD", open=10000, due_on=date(2026, 1, 31)
    )
    matcher = Matcher([open_invoice])
    paid = Incoming(currency="USD", available=10000, customer_id="7")
    assert [part.amount for part in matcher.match(paid).applications] == [10000]
    # what the bank booked in its own currency is no over-payment: the difference is not money of this invoice
    booked = Incoming(currency="AUD", available=14185, customer_id="7")
    assert matcher.match(booked).applications == ()
    gain = to_minor(Decimal("141.85"), "AUD") - to_minor(Decimal("141.04"), "AUD")
    assert text(gain, "AUD") == expected("E18")["a_difference"]


def test_E19_a_bundle_is_allocated_by_largest_remainder():
    assert [text(part, "USD") for part in allocate(8000, [20, 30, 40])] == expected("E19")["cents"]


def test_E20_three_obligations_are_allocated_to_whole_units():
    assert [str(part) for part in allocate(100000, [75000, 14000, 20000])] == expected("E20")["allocation"]


def test_E21_one_line_is_rounded_before_its_tax():
    invoice = once("348.35", tax="22", fields="quantity = 16, discounts = [{percent = 4}]")
    wanted = expected("E21")
    assert [invoice["subtotal"], invoice["tax"], invoice["total"]] == [wanted["net"], wanted["tax"], wanted["total"]]


def test_Z01_running_again_creates_nothing():
    contract = terms(recurring(price="5.00"), starts_on="2011-09-01")
    settled = issue(contract, [], "2011-12-01")
    assert len(settled) == 4
    for _ in range(4):
        billing = bill(contract, settled, today=date(2011, 12, 3), rules=NO_TAX)
        assert len(billing.drafts) == expected("Z01")["new_invoices_on_rerun"]
        settled = settle(settled, billing)
    assert bill_on(contract, settled, "2012-01-01").drafts[0].total == 500


def test_Z04_a_fixed_rate_is_never_divided_by_days():
    charge = '{type = "recurring", key = "fee", description = "Fee", price = 1099000.00, every = "quarter"}'
    document = shown(f"starts_on = 2026-07-01\ncharges = [{charge}]", through="2026-07-01")
    assert amounts(document) == [expected("Z04")["invoice"]]
    assert given("Z04")["text"].startswith(expected("Z04")["invoice"])
