from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from billing.money import text
from billing.plan import plan
from billing.preview import load_terms_file, preview
from tests.billing.build import day

MONTHLY = """
contract = "C-1"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2026-01-15
ends_on = 2026-04-14
payment_terms = "net 10"

[tax]
standard = 20

[[charges]]
type = "recurring"
key = "seats"
description = "Seats"
price = 49.9
quantity = 2

[[charges]]
type = "recurring"
key = "support"
description = "Support"
price = 10
timing = "arrears"
"""


def show(toml: str = MONTHLY, **options: Any) -> dict[str, Any]:
    options = {key: day(value) if isinstance(value, str) else value for key, value in options.items()}
    return preview(load_terms_file(toml, "c.toml"), **options)


def dates(shown: dict[str, Any]) -> list[str]:
    return [invoice["issue_on"] for invoice in shown["invoices"]]


def codes(shown: dict[str, Any]) -> list[str]:
    return [note["code"] for note in shown["review"]]


def test_an_invoice_is_shown_as_on_paper():
    assert show()["invoices"][0] == {
        "type": "invoice",
        "issue_on": "2026-01-15",
        "due_on": "2026-01-25",
        "subtotal": "99.80",
        "tax": "19.96",
        "total": "119.76",
        "estimated": False,
        "lines": [
            {
                "charge": "seats",
                "kind": "recurring",
                "description": "Seats",
                "from": "2026-01-15",
                "to": "2026-02-14",
                "quantity": "2",
                "unit_price": "49.90",
                "amount": "99.80",
                "explain": "1 month from 15 Jan 2026 at 2 × 49.90",
            }
        ],
    }


def test_the_document_is_plain_json_with_its_four_keys():
    shown = show()
    assert [*shown] == ["contract", "currency", "invoices", "review"]
    assert json.loads(json.dumps(shown)) == shown
    assert shown["review"] == []


def test_lines_due_on_one_day_share_an_invoice_and_the_contract_is_shown_to_its_end():
    shown = show()
    assert dates(shown) == ["2026-01-15", "2026-02-15", "2026-03-15", "2026-04-15"]
    assert [[line["charge"] for line in invoice["lines"]] for invoice in shown["invoices"]] == [
        ["seats"],
        ["seats", "support"],
        ["seats", "support"],
        ["support"],
    ]


def test_the_invoices_hold_exactly_what_is_planned():
    file = load_terms_file(MONTHLY, "c.toml")
    planned = sum(line.amount for line in plan(file.terms, day("2030-01-01")))
    assert sum(Decimal(invoice["subtotal"]) for invoice in preview(file)["invoices"]) == Decimal(text(planned, "USD"))


def test_through_is_the_last_issue_date_shown():
    assert dates(show(through="2026-02-15")) == ["2026-01-15", "2026-02-15"]
    assert dates(show(through="2026-02-14")) == ["2026-01-15"]
    assert dates(show(through="2025-12-31")) == []


def test_with_today_what_was_due_comes_as_one_catch_up_invoice():
    shown = show(today="2026-02-20")
    assert dates(shown) == ["2026-02-20", "2026-03-15", "2026-04-15"]
    assert [line["from"] for line in shown["invoices"][0]["lines"]] == ["2026-01-15", "2026-02-15", "2026-01-15"]
    assert shown["invoices"][0]["due_on"] == "2026-03-02"


def test_today_later_than_through_shows_only_what_through_allows():
    shown = show(today="2026-12-31", through="2026-02-15")
    assert dates(shown) == ["2026-12-31"]
    assert len(shown["invoices"][0]["lines"]) == 3


def test_a_contract_without_end_is_shown_for_twelve_months_and_says_so():
    evergreen = MONTHLY.replace("ends_on = 2026-04-14\n", "")
    shown = show(evergreen)
    charged = [line["charge"] for invoice in shown["invoices"] for line in invoice["lines"]]
    assert (charged.count("seats"), charged.count("support")) == (12, 12)
    assert codes(shown) == ["evergreen"]
    assert "to 14 Jan 2027" in shown["review"][0]["message"]
    assert codes(show(evergreen, through="2026-03-01")) == []


def test_an_old_contract_without_end_is_shown_up_to_today():
    evergreen = MONTHLY.replace("ends_on = 2026-04-14\n", "")
    shown = show(evergreen, today="2028-03-20")
    assert dates(shown) == ["2028-03-20"]
    assert len(shown["invoices"][0]["lines"]) == 27 + 26


def test_a_one_time_charge_after_the_end_is_still_shown():
    closing = '\n[[charges]]\ntype = "one_time"\nkey = "closing"\ndescription = "Closing"\nprice = 5\non = 2026-09-01\n'
    assert dates(show(MONTHLY + closing))[-1] == "2026-09-01"


def test_without_a_tax_table_everything_is_taxed_at_nothing():
    shown = show(MONTHLY.replace("[tax]\nstandard = 20\n", "") + 'tax_class = "odd"\n')
    assert {invoice["tax"] for invoice in shown["invoices"]} == {"0.00"}
    assert shown["review"] == []


def test_a_class_missing_from_the_tax_table_is_noted_once_and_stops_the_contract():
    shown = show(MONTHLY + 'tax_class = "odd"\n')
    assert shown["invoices"] == []
    assert [(note["code"], note["path"]) for note in shown["review"]] == [("tax_class", "charges[1].tax_class")]


def test_service_before_go_live_is_left_out_and_said_to_be_billed_elsewhere():
    shown = show("go_live = 2026-02-15\n" + MONTHLY)
    lines = [(line["charge"], line["from"]) for invoice in shown["invoices"] for line in invoice["lines"]]
    assert lines == [
        ("seats", "2026-02-15"),
        ("seats", "2026-03-15"),
        ("support", "2026-02-15"),
        ("support", "2026-03-15"),
    ]
    (note,) = shown["review"]
    assert (note["code"], note["path"]) == ("billed_elsewhere", "go_live")
    assert note["message"].startswith("2 line(s)")


def test_a_missing_purchase_order_is_noted_once():
    assert codes(show("po_required = true\n" + MONTHLY)) == ["po_missing"]


def test_a_charge_without_a_day_of_service_is_pointed_out():
    shown = show(MONTHLY + "starts_on = 2026-05-01\n")
    assert [(note["code"], note["path"]) for note in shown["review"]] == [("charge_without_service", "charges[1]")]


@pytest.mark.parametrize("name", ["usage", "events"])
def test_records_that_no_charge_uses_are_counted_in_the_review(name):
    (note,) = show(MONTHLY, **{name: [{"quantity": 1}, {"quantity": 2}]})["review"]
    assert note["code"] == f"{name}_unused"
    assert note["message"].startswith(f"2 {name} record(s)")
    assert show(MONTHLY, **{name: []})["review"] == []


def test_prices_keep_their_own_decimals_and_quantities_are_plain():
    shown = show(MONTHLY.replace("price = 49.9", "price = 1234.5678").replace("quantity = 2", "quantity = 10.50"))
    line = shown["invoices"][0]["lines"][0]
    assert (line["quantity"], line["unit_price"], line["amount"]) == ("10.5", "1234.5678", "12962.96")
