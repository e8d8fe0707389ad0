from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.reading.meanings import MEANINGS
from billing.terms import Recurring, Retainer, Usage
from billing.terms_file import Fault, TermsFileError, load_terms_file, schema

HEAD = 'contract = "C"\ncustomer = "X"\ncurrency = "USD"\nstarts_on = 2026-01-01\n'
FEE = '[[charges]]\ntype = "recurring"\nkey = "a"\ndescription = "A"\nprice = 1\n'
USAGE = '[[charges]]\ntype = "usage"\nkey = "u"\ndescription = "U"\nprice = 1\n'
RETAINER = '[[charges]]\ntype = "retainer"\nkey = "r"\ndescription = "R"\nprice = 1\nincluded = 5\noverage_price = 2\n'
AMENDED = '[[amendments]]\nkey = "more"\neffective_on = 2026-03-01\n'
GOOD = """
contract = "C-1"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2026-01-01
go_live = 2026-02-01
tax_rounding = "per_line"
catch_up_threshold = 250.00
timezone = "Europe/London"

[tax]
standard = 20.5

[indices."CPI-U"]
"2026-02-15" = 311.25
"2026-01-15" = 310.5

[[charges]]
type = "recurring"
key = "seats"
description = "Seats"
price = 49.90
quantity = 3
discounts = [{percent = 10}]
escalator = {index = "CPI-U", cap = 5}

[[charges]]
type = "usage"
key = "calls"
description = "Calls"
prices = {eu = 0.1}
dimension = "region"
tiers = [{up_to = 10, price = "0.05"}, {price = 1}]

[[charges]]
type = "retainer"
key = "hours"
description = "Hours"
price = 900
included = 10
overage_price = 120
rollover = 2
"""
BAD = """
contract = "ACME 2026"
currency = "usd"
starts_on = "15/03/2026"
payment_terms = "30 days"
anchor_day = 40
po_required = "yes"
isue_days_before = 3
proration = "daily"
billed_through = 2026-01-01T00:00:00
timezone = "Mars/Olympus"

[tax]
standard = 120
reduced = "x"

[indices.CPI]
"2026-13-01" = 3
"2026-02-01" = nan

[renewal]
auto = true
term = "fortnite"
notice_days = -1

[holdback]
percent = 101

[termination_fee]

[[commitments]]
key = "least"
amount = -5

[[charges]]
type = "recuring"
key = "a"

[[charges]]
type = "recurring"
key = "b"
price = nan
every = "fortnight"
discounts = [{percent = 10, amount = 5}, {percent = 200}, {pecent = 3}]
steps = [{starts_on = 2026-02-01, price = inf}, {price = 3}]
tiers = {up_to = 3}
escalator = {percent = 3, index = "CPI", cpa = 3}

[[charges]]
type = "one_time"
key = "b"
description = ""
price = true
quantity = -1

[[amendments]]
key = "more"

  [[amendments.add]]
  type = "usage"
  key = "calls"
  description = "Calls"
  price = "many"
  prices = {eu = "q"}
  per = -1

  [[amendments.replace]]
  charge = "b"
  by = {type = "flat"}
"""


def faults(text: str) -> tuple[Fault, ...]:
    with pytest.raises(TermsFileError) as caught:
        load_terms_file(text, "acme.toml")
    return caught.value.faults


def test_a_good_file_gives_terms_and_what_stands_beside_them():
    file = load_terms_file(GOOD, "acme.toml")
    seats, calls, hours = file.terms.charges
    assert isinstance(seats, Recurring) and isinstance(calls, Usage) and isinstance(hours, Retainer)
    assert (seats.price, seats.quantity, seats.discounts[0].percent) == (Decimal("49.90"), Decimal(3), Decimal(10))
    assert (calls.prices, calls.tiers[0].price, hours.rollover) == ({"eu": Decimal("0.1")}, Decimal("0.05"), 2)
    assert (file.tax, file.go_live, file.timezone) == ({"standard": Decimal("20.5")}, date(2026, 2, 1), "Europe/London")
    assert (file.tax_rounding, file.catch_up_threshold) == ("per_line", Decimal(250))
    assert (file.terms.starts_on, file.source) == (date(2026, 1, 1), "acme.toml")


def test_the_values_of_an_index_come_oldest_first():
    file = load_terms_file(GOOD, "acme.toml")
    assert file.indices == {"CPI-U": ((date(2026, 1, 15), Decimal("310.5")), (date(2026, 2, 15), Decimal("311.25")))}


def test_numbers_keep_their_decimals_without_binary_rounding():
    file = load_terms_file(HEAD + FEE.replace("price = 1", "price = 0.1000000000000000000000000001"), "x")
    assert str(file.terms.charges[0].price) == "0.1000000000000000000000000001"


def test_every_fault_of_a_file_is_reported_at_once_by_its_key():
    assert sorted(fault.path for fault in faults(BAD)) == sorted(
        [
            "contract",
            "customer",
            "currency",
            "starts_on",
            "payment_terms",
            "anchor_day",
            "po_required",
            "isue_days_before",
            "proration",
            "billed_through",
            "timezone",
            "tax.standard",
            "tax.reduced",
            "indices.CPI.2026-13-01",
            "indices.CPI.2026-02-01",
            "renewal.term",
            "renewal.notice_days",
            "holdback.percent",
            "termination_fee",
            "commitments[0].amount",
            "charges",
            "charges[0].type",
            "charges[1].description",
            "charges[1].price",
            "charges[1].every",
            "charges[1].discounts[0]",
            "charges[1].discounts[1].percent",
            "charges[1].discounts[2].pecent",
            "charges[1].steps[0].price",
            "charges[1].steps[1].starts_on",
            "charges[1].tiers",
            "charges[1].escalator",
            "charges[1].escalator.cpa",
            "charges[2].description",
            "charges[2].price",
            "charges[2].quantity",
            "amendments[0].effective_on",
            "amendments[0].add[0].price",
            "amendments[0].add[0].prices.eu",
            "amendments[0].add[0].per",
            "amendments[0].replace[0].by.type",
        ]
    )


def test_each_fault_is_one_line_with_file_key_and_remedy():
    with pytest.raises(TermsFileError) as caught:
        load_terms_file(BAD, "acme.toml")
    told = str(caught.value).splitlines()
    assert len(told) == len(caught.value.faults)
    assert told[0] == "acme.toml: isue_days_before: is not known here. Did you mean issue_days_before?"
    assert 'acme.toml: customer: is missing. Add it: customer = "Acme Ltd".' in told
    assert 'acme.toml: currency: is "usd". Write the ISO 4217 code in capitals, e.g. USD.' in told
    assert "acme.toml: charges[1].price: is NaN. Write a number, e.g. 1200.00." in told
    assert any(line.startswith("acme.toml: proration: ") and "actual, thirty_360, " in line for line in told)
    assert any("charges[0].type: 'recuring' is no kind of charge. Did you mean recurring?" in line for line in told)
    assert any("charges[1].every: 'fortnight' is no interval: write week, month" in line for line in told)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("contract = ", "TOML", "Correct the line"),
        (HEAD, "charges", "at least one"),
        (HEAD + "charges = []", "charges", "at least one"),
        (HEAD + "charges = 3", "charges", "at least one"),
        (HEAD + "charges = [3]", "charges[0]", "table"),
        (HEAD + "zebra = 1\n" + FEE, "zebra", "Known are: contract,"),
        (HEAD + FEE + "discounts = [{amount = -1}]", "charges[0].discounts[0].amount", ""),
        (HEAD + FEE + 'every = "month"\nprice_per = "week"', "charges[0].price_per", ""),
        (HEAD + FEE + 'every = "week"\nanchor_day = 3', "charges[0].anchor_day", "every or anchor_day"),
        (HEAD + FEE + 'timing = "later"', "charges[0].timing", "advance, arrears"),
        (HEAD + FEE + 'starts_on = "2026-13-01"', "charges[0].starts_on", "2026-03-15"),
        (HEAD + "ends_on = 2025-01-01\n" + FEE, "ends_on", "Correct starts_on or ends_on"),
        (HEAD + FEE + FEE, "charges", ""),
        (HEAD + FEE.replace('type = "recurring"\n', ""), "charges[0].type", "recurring, one_time"),
        (HEAD + "tax = 3\n" + FEE, "tax", "table"),
        (HEAD + "custom = {region = 3}\n" + FEE, "custom.region", "text in quotes"),
        (HEAD + 'tax = {standard = "-1"}\n' + FEE, "tax.standard", ""),
        (HEAD + "catch_up_threshold = -1\n" + FEE, "catch_up_threshold", ""),
        (HEAD + 'tax_rounding = "line"\n' + FEE, "tax_rounding", "per_document, per_line"),
        (HEAD + "indices = {CPI = {2026-01-01 = -3}}\n" + FEE, "indices.CPI.2026-01-01", ""),
        (HEAD + "escalator = {margin = 3, every = 'x'}\n" + FEE, "escalator.every", ""),
        (HEAD + "billing_contact = {mail = 'a@b.example'}\n" + FEE, "billing_contact.mail", "email"),
        (HEAD + "commitments = [{key = 'm'}]\n" + FEE, "commitments[0].amount", "a number"),
        (HEAD + "commitments = [{key = 'a', amount = 1}]\n" + FEE, "the file", "commitments or charges"),
        (HEAD + USAGE + "where = {region = 1}", "charges[0].where.region", "text in quotes"),
        (HEAD + USAGE + "least_each = -1", "charges[0].least_each", ""),
        (HEAD + USAGE + 'resets = "ever"', "charges[0].resets", ""),
        (HEAD + RETAINER + 'rollover = "some"', "charges[0].rollover", "none, all or a whole number from 1 upwards"),
        (HEAD + RETAINER + "rollover = 0", "charges[0].rollover", "none, all or a whole number from 1 upwards"),
        (HEAD + FEE + AMENDED + "change = [{charge = 'b', price = 2}]", "amendments[0].change[0].charge", "charges: a"),
        (HEAD + FEE + AMENDED + "end = ['z']", "amendments[0].end[0]", "charges: a"),
        (HEAD + FEE + AMENDED + "end = [3]", "amendments[0].end[0]", "1 to 100 characters"),
        (HEAD + FEE + AMENDED + "terminates = 'customer'", "amendments[0].terminates", ""),
        (HEAD + FEE + AMENDED + "renewal = {auto = 1}", "amendments[0].renewal.auto", "true or false"),
    ],
)
def test_a_single_fault_names_its_key_and_what_to_write(text, path, words):
    (fault,) = faults(text)
    assert fault.path == path
    assert words in fault.remedy
    assert fault.message


def test_a_fault_elsewhere_does_not_hide_one_between_two_keys():
    text = HEAD + "ends_on = 2025-01-01\nanchor_day = 0\n" + FEE + FEE
    assert [fault.path for fault in faults(text)] == ["anchor_day", "charges", "ends_on"]


def test_a_key_that_is_faulty_does_not_count_as_one_that_is_left_out():
    found = faults(HEAD + FEE + "discounts = [{percent = 'ten'}, {amount = -1}, {percnt = 3}]")
    assert [fault.path.partition("discounts")[2] for fault in found] == ["[0].percent", "[1].amount", "[2].percnt"]


def test_amendments_are_tried_only_on_terms_that_are_good():
    found = faults(HEAD + FEE.replace("price = 1", "price = 'x'") + AMENDED + "end = ['z']")
    assert [fault.path for fault in found] == ["charges[0].price"]
    found = faults(HEAD + "po_required = 3\n" + FEE + AMENDED + "end = ['z']")
    assert [fault.path for fault in found] == ["po_required", "amendments[0].end[0]"]


def test_the_schema_takes_numbers_bare_or_in_quotes_and_refuses_unknown_keys():
    tables = schema()["$defs"]
    assert {"type": "number"} in tables["Recurring"]["properties"]["price"]["anyOf"]
    assert "'format': 'decimal'" not in str(schema())
    assert all(table["additionalProperties"] is False for table in tables.values())
    assert tables["Document"]["required"] == ["contract", "customer", "currency", "starts_on", "charges"]


def test_every_key_of_the_schema_has_a_meaning_and_every_meaning_a_key():
    tables = schema()["$defs"]
    keys = {(table, key) for table, found in tables.items() for key in found["properties"]}
    assert [(table, key) for table, key in sorted(keys) if not tables[table]["properties"][key]["description"]] == []
    names = {key for _, key in keys}
    told = {(table, key) for table, found in MEANINGS.items() for key in found}
    assert [one for one in sorted(told) if one not in keys and not (one[0] == "Charge" and one[1] in names)] == []
