from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

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
        "credit_used": "0.00",
        "amount_due": "119.76",
        "credit_balance": "0.00",
        "waits": [],
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
                "signed": "99.80",
                "estimated": False,
                "slice": "C-1/seats/2026-01-15",
                "revision": 0,
                "explain": "1 month from 15 Jan 2026 at 2 × 49.90",
                "explanation": {
                    "charge": "seats",
                    "version": "",
                    "rule": "recurring",
                    "operands": plan(load_terms_file(MONTHLY, "c.toml").terms, day("2026-01-15"))[0].explain.operands,
                    "owed": "99.80",
                    "text": "1 month from 15 Jan 2026 at 2 × 49.90",
                },
            }
        ],
    }


def test_the_document_is_plain_json_with_its_keys():
    shown = show()
    assert [*shown] == [
        "contract", "currency", "through", "invoices", "value", "by_charge", "invoiced", "cash", "renewals",
        "conventions", "review",
    ]  # fmt: skip
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


def test_a_usage_record_that_no_charge_uses_is_counted_in_the_review_and_one_that_cannot_be_read_is_named():
    records = [{"meter": "calls", "at": "2026-01-16"}] * 2 + [{"meter": "calls", "at": "yesterday"}]
    unread, unused = show(MONTHLY, usage=records)["review"]
    assert (unread["code"], unused["code"]) == ("usage_record", "usage_unused")
    assert unread["message"].startswith("usage record 3: at: 'yesterday' is no day and no time")
    assert unused["message"] == "2 usage record(s) of meter 'calls' were given, but no charge uses them"
    assert show(MONTHLY, usage=[], events=[])["review"] == []


def test_an_acceptance_that_the_contract_does_not_know_is_pointed_out():
    assert codes(show(MONTHLY, events=[{"charge": "build", "milestone": "go", "on": "2026-02-01"}])) == [
        "unknown_milestone"
    ]
    assert codes(show(MONTHLY, events=[{"milestone": "go"}])) == ["events_record"]


def test_prices_keep_their_own_decimals_and_quantities_are_plain():
    shown = show(MONTHLY.replace("price = 49.9", "price = 1234.5678").replace("quantity = 2", "quantity = 10.50"))
    line = shown["invoices"][0]["lines"][0]
    assert (line["quantity"], line["unit_price"], line["amount"]) == ("10.5", "1234.5678", "12962.96")


def test_the_totals_add_up_net_by_charge_and_gross_by_month():
    shown = show()
    assert shown["value"] == {"total": "329.40", "to_bill": "329.40", "estimated": "0.00"}
    assert shown["by_charge"] == {"seats": "299.40", "support": "30.00"}
    gross = [("2026-01", "119.76"), ("2026-02", "131.76"), ("2026-03", "131.76"), ("2026-04", "12.00")]
    assert [(one["month"], one["amount"]) for one in shown["invoiced"]] == gross
    assert [(one["month"], one["amount"]) for one in shown["cash"]] == gross  # due ten days later


def test_with_today_the_value_is_what_was_billed_by_then_and_what_is_left():
    shown = show(today="2026-02-20")
    assert shown["value"] == {"total": "329.40", "billed": "209.60", "to_bill": "119.80", "estimated": "0.00"}
    assert show("go_live = 2026-02-15\n" + MONTHLY)["value"] == {
        "total": "329.40", "billed_elsewhere": "109.80", "to_bill": "219.60", "estimated": "0.00"
    }  # fmt: skip


CHANGED = """
contract = "B13"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2012-05-01
ends_on = 2012-07-31

[[charges]]
type = "recurring"
key = "plan"
description = "Plan"
price = 599.95

[[amendments]]
key = "A-1"
effective_on = 2012-05-07
change = [{ charge = "plan", price = 9.95 }]

[[amendments]]
key = "A-2"
effective_on = 2012-05-08
change = [{ charge = "plan", price = 29.95 }]
"""


def test_B13_amendments_bill_on_the_day_they_become_known_and_credits_pay_later_invoices():
    shown = show(CHANGED)
    found = [
        (one["issue_on"], sorted(line["signed"] for line in one["lines"]), one["credit_used"], one["amount_due"],
         one["credit_balance"]) for one in shown["invoices"]
    ]  # fmt: skip
    assert found == [
        ("2012-05-01", ["599.95"], "0.00", "599.95", "0.00"),
        ("2012-05-07", ["-483.83", "8.02"], "0.00", "0.00", "475.81"),
        ("2012-05-08", ["-7.70", "23.19"], "15.49", "0.00", "460.32"),
        ("2012-06-01", ["29.95"], "29.95", "0.00", "430.37"),
        ("2012-07-01", ["29.95"], "29.95", "0.00", "400.42"),
    ]
    assert shown["cash"] == [{"month": "2012-05", "amount": "599.95"}]
    versions = [line["explanation"]["version"] for one in shown["invoices"] for line in one["lines"]]
    assert versions[0] == ""
    assert versions[-1] == "A-2"


def test_a_correction_says_what_is_owed_and_what_was_billed_before():
    (credit,) = [one for one in show(CHANGED)["invoices"][1]["lines"] if one["signed"] == "-483.83"]
    assert (credit["description"], credit["from"], credit["to"]) == (
        "Credit for the unused part: Plan", "2012-05-07", "2012-05-31"
    )  # fmt: skip
    assert credit["explain"] == "6 of 31 days from 1 May 2012 at 599.95 = 116.12, less 599.95 billed before"
    assert credit["explanation"]["owed"] == "116.12"


RENEWED = (
    MONTHLY
    + """
[renewal]
auto = true
term = "12 months"
notice_days = 30
"""
)


def test_C13_a_contract_that_renews_itself_shows_the_whole_renewed_term_and_says_so():
    shown = show(RENEWED)
    seats = [line["from"] for invoice in shown["invoices"] for line in invoice["lines"] if line["charge"] == "seats"]
    assert (len(seats), seats[-1]) == (3 + 12, "2027-03-15")
    assert shown["invoices"][-1]["issue_on"] == "2027-04-15"  # the arrears of the renewed term's last month
    assert codes(shown) == ["renewal_shown"]
    assert "on 15 Apr 2026" in shown["review"][0]["message"]
    assert shown["renewals"] == [
        {"term_ends_on": "2026-04-14", "renews": True, "renewed_through": "2027-04-14", "notice_by": "2026-03-15"}
    ]


def test_in_a_renewed_term_the_next_one_is_shown():
    shown = show(RENEWED, today="2026-06-01")
    assert shown["renewals"][0]["term_ends_on"] == "2027-04-14"
    assert shown["invoices"][-1]["issue_on"] == "2028-04-15"


def test_a_contract_that_ends_tells_its_notice_and_no_renewal():
    shown = show(RENEWED.replace("auto = true", "auto = false"))
    assert shown["renewals"] == [
        {"term_ends_on": "2026-04-14", "renews": False, "renewed_through": None, "notice_by": "2026-03-15"}
    ]
    assert shown["invoices"][-1]["issue_on"] == "2026-04-15"


def test_the_conventions_in_force_are_shown_and_what_a_charge_sets_for_itself():
    found = show('proration = "thirty_360"\n' + MONTHLY + 'proration = "none"\n')["conventions"]
    assert found["proration"] == "thirty_360"
    assert found["charges.support.proration"] == "none"
    assert "charges.seats.proration" not in found
    assert found["anchor_day"] == "15, the day of the start"


METERED = """
contract = "C-2"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2026-01-01
ends_on = 2026-03-31
timezone = "America/New_York"

[[charges]]
type = "usage"
key = "calls"
description = "Calls"
price = 2
estimate = 100
"""


def test_what_is_not_known_yet_is_estimated_and_marked_and_records_count_on_the_day_in_the_file_s_zone():
    records = [{"meter": "calls", "at": "2026-02-01T01:00:00Z", "quantity": 7}]  # still January in New York
    shown = show(METERED, usage=records)
    found = [(one["issue_on"], one["estimated"], one["subtotal"]) for one in shown["invoices"]]
    assert found == [
        ("2026-02-01", False, "14.00"), ("2026-03-01", True, "200.00"), ("2026-04-01", True, "200.00")
    ]  # fmt: skip
    assert shown["value"] == {"total": "414.00", "to_bill": "414.00", "estimated": "400.00"}


def test_with_today_only_what_is_to_come_is_estimated():
    shown = show(METERED, today="2026-02-10")
    assert [(one["issue_on"], one["subtotal"]) for one in shown["invoices"]] == [
        ("2026-03-01", "200.00"), ("2026-04-01", "200.00")
    ]  # fmt: skip


def test_of_two_records_with_one_id_the_first_counts_and_a_difference_is_told():
    one = {"id": "r", "meter": "calls", "at": "2026-01-05", "quantity": 1}
    assert codes(show(METERED, usage=[one, one])) == []
    shown = show(METERED, usage=[one, {**one, "quantity": 2}])
    assert codes(shown) == ["usage_conflict"]
    assert shown["invoices"][0]["subtotal"] == "2.00"


def test_usage_that_no_bracket_prices_is_told_though_nothing_is_billed_for_it():
    tiers = 'model = "graduated"\ntiers = [{ up_to = 10, price = 1 }]\n'
    contract = METERED.replace("price = 2\nestimate = 100\n", tiers)
    shown = show(contract, usage=[{"meter": "calls", "at": "2026-02-05", "quantity": 11}])
    assert shown["invoices"] == []
    assert "outside_tiers" in codes(shown)
