from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from billing.terms_file import Fault, TermsFileError, load_terms_file, schema

GOOD = """
contract = "C-1"
customer = "Acme Ltd"
currency = "USD"
starts_on = 2026-01-01
go_live = 2026-02-01

[tax]
standard = 20.5

[[charges]]
type = "recurring"
key = "seats"
description = "Seats"
price = 49.90
quantity = 3
discounts = [{percent = 10}]
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

[tax]
standard = 120
reduced = "x"

[[charges]]
type = "recuring"
key = "a"

[[charges]]
type = "recurring"
key = "b"
price = nan
every = "fortnight"
discounts = [{percent = 10, amount = 5}, {percent = 200}, {pecent = 3}]

[[charges]]
type = "one_time"
key = "b"
description = ""
price = true
quantity = -1
"""
HEAD = 'contract = "C"\ncustomer = "X"\ncurrency = "USD"\nstarts_on = 2026-01-01\n'
FEE = '[[charges]]\ntype = "recurring"\nkey = "a"\ndescription = "A"\nprice = 1\n'


def faults(text: str) -> tuple[Fault, ...]:
    with pytest.raises(TermsFileError) as caught:
        load_terms_file(text, "acme.toml")
    return caught.value.faults


def test_a_good_file_gives_terms_tax_and_go_live():
    file = load_terms_file(GOOD, "acme.toml")
    (seats,) = file.terms.charges
    assert (seats.price, seats.quantity, seats.discounts[0].percent) == (Decimal("49.90"), Decimal(3), Decimal(10))
    assert (file.tax, file.go_live) == ({"standard": Decimal("20.5")}, date(2026, 2, 1))
    assert (file.terms.starts_on, file.source) == (date(2026, 1, 1), "acme.toml")


def test_numbers_keep_their_decimals_without_binary_rounding():
    file = load_terms_file(HEAD + FEE.replace("price = 1", "price = 0.1000000000000000000000000001"), "x")
    assert str(file.terms.charges[0].price) == "0.1000000000000000000000000001"


def test_every_fault_of_a_file_is_reported_at_once_by_its_key():
    assert [fault.path for fault in faults(BAD)] == [
        "isue_days_before",
        "contract",
        "customer",
        "currency",
        "starts_on",
        "payment_terms",
        "anchor_day",
        "proration",
        "billed_through",
        "po_required",
        "charges[0].type",
        "charges[1].description",
        "charges[1].price",
        "charges[1].discounts[0]",
        "charges[1].discounts[1].percent",
        "charges[1].discounts[2].pecent",
        "charges[1].every",
        "charges[2].description",
        "charges[2].price",
        "charges[2].quantity",
        "tax.standard",
        "tax.reduced",
        "charges",
    ]


def test_each_fault_is_one_line_with_file_key_and_remedy():
    with pytest.raises(TermsFileError) as caught:
        load_terms_file(BAD, "acme.toml")
    told = str(caught.value).splitlines()
    assert len(told) == len(caught.value.faults)
    assert told[0] == "acme.toml: isue_days_before: is not known here. Did you mean issue_days_before?"
    assert 'acme.toml: customer: is missing. Add it: customer = "Acme Ltd"' in told
    assert any(line.startswith("acme.toml: proration: ") and "actual, thirty_360, none" in line for line in told)
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
        (HEAD + FEE + 'every = "month"\nprice_per = "week"', "charges[0]", ""),
        (HEAD + FEE + 'timing = "later"', "charges[0].timing", "advance, arrears"),
        (HEAD + FEE + 'starts_on = "2026-13-01"', "charges[0].starts_on", "2026-03-15"),
        (HEAD + "ends_on = 2025-01-01\n" + FEE, "ends_on", "Correct one of the two dates"),
        (HEAD + FEE + FEE, "charges", "a key of its own"),
        (HEAD + FEE.replace('type = "recurring"\n', ""), "charges[0].type", "recurring, one_time"),
        (HEAD + "tax = 3\n" + FEE, "tax", "table"),
    ],
)
def test_a_single_fault_names_its_key_and_what_to_write(text, path, words):
    (fault,) = faults(text)
    assert fault.path == path
    assert words in fault.remedy
    assert fault.message


def test_a_fault_elsewhere_does_not_hide_one_between_two_keys():
    text = HEAD + "ends_on = 2025-01-01\nanchor_day = 0\n" + FEE + FEE
    assert [fault.path for fault in faults(text)] == ["anchor_day", "ends_on", "charges"]


def test_the_schema_takes_numbers_bare_or_in_quotes_and_refuses_unknown_keys():
    tables = schema()["$defs"]
    assert {"type": "number"} in tables["Recurring"]["properties"]["price"]["anyOf"]
    assert "decimal" not in str(schema())
    assert tables["Document"]["additionalProperties"] is False
    assert tables["Document"]["required"] == ["contract", "customer", "currency", "starts_on", "charges"]
